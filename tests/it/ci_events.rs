//! verify, indexes and rotation in CI: for whom they run, and what a scan triggers.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::{
    servers::Bao,
    stores_vault::{policy, put},
    support::{Repo, Run, keysweep_with, token},
};

/// A repository with a leak, and a local store that holds the leaked value, made by the program itself.
struct Place {
    repo: Repo,
    home: tempfile::TempDir,
}

/// A CI service's variables of a push, of a fork's request, and of a service that nobody knows.
const PUSH: [(&str, &str); 3] = [
    ("CI", "true"),
    ("GITLAB_CI", "true"),
    ("CI_PIPELINE_SOURCE", "push"),
];
const FORK: [(&str, &str); 5] = [
    ("CI", "true"),
    ("GITLAB_CI", "true"),
    ("CI_PIPELINE_SOURCE", "merge_request_event"),
    ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "8"),
    ("CI_MERGE_REQUEST_PROJECT_ID", "7"),
];
const UNKNOWN: [(&str, &str); 1] = [("CI", "true")];

impl Place {
    fn new(allow: &str) -> Self {
        let place = Self {
            repo: Repo::new(),
            home: tempfile::tempdir().unwrap(),
        };
        assert_eq!(place.run(&["store", "init"], &[], b"").code, 0);
        let put = ["store", "put", "apps/db", "password"];
        assert_eq!(place.run(&put, &[], token(77).as_bytes()).code, 0);
        let file = place.stores();
        let text = fs::read_to_string(&file).unwrap();
        let more = format!(
            "\n[rotate]\nallow = [{allow:?}]\ngrace-minutes = 0\n\n\
             [[targets]]\nstore = \"local\"\nkey = \"apps/db\"\nfield = \"password\"\nkind = \"none\"\n"
        );
        fs::write(file, text + &more).unwrap();
        let leak = format!("token = \"{}\"\n", token(77));
        place.repo.write("app.toml", leak).commit("leak");
        place
    }

    fn stores(&self) -> PathBuf {
        self.home.path().join(".config/keysweep/stores.toml")
    }

    fn run(&self, args: &[&str], variables: &[(&str, &str)], input: &[u8]) -> Run {
        let mut all = vec![("HOME", self.home.path().to_str().unwrap())];
        all.extend(variables);
        let run = keysweep_with(self.repo.path(), args, &all, input);
        let told = String::from_utf8_lossy(&run.stdout).into_owned() + &run.stderr;
        assert!(!told.contains(&token(77)), "{told}");
        run
    }

    fn named(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    /// The state of the first finding in the store, as a fresh run of verify tells it.
    fn state(&self) -> Value {
        let run = self.run(&["verify", "--output", "json"], &[], b"");
        run.json()["findings"][0]["verdict"]["store"]["state"].clone()
    }
}

#[test]
fn verify_and_rotate_run_for_nobody_who_may_not_write() {
    let place = Place::new("local:**");
    let plan = place.named("plan.json");
    let verify = ["verify", "--on-live", "rotate", "--plan", &plan];
    let apply = ["rotate", "apply", &plan, "--apply"];
    for job in [&FORK[..], &UNKNOWN] {
        for args in [&verify[..], &["verify"], &apply, &["rotate", "resume"]] {
            let run = place.run(args, job, b"");
            assert_eq!(run.code, 2, "{args:?} {job:?}: {}", run.stderr);
            assert!(run.stderr.contains("CI event"), "{}", run.stderr);
            assert!(run.stdout.is_empty());
        }
    }
    assert_eq!(place.state(), "current");
    assert!(!PathBuf::from(&plan).exists());
    assert_eq!(place.run(&["verify"], &PUSH, b"").code, 10);
    let vouched = [UNKNOWN[0], ("KEYSWEEP_TRUSTED_EVENT", "true")];
    assert_eq!(place.run(&["verify"], &vouched, b"").code, 10);
    let vouched = [&FORK[..], &vouched].concat();
    assert_eq!(place.run(&["verify"], &vouched, b"").code, 2);
}

#[test]
fn an_index_tells_nothing_to_strangers() {
    let place = Place::new("local:**");
    let index = place.named("team.index");
    let made = place.run(&["store", "index", "--out", &index], &[], b"");
    assert_eq!(made.code, 0, "{}", made.stderr);
    let scan = ["scan", "--output", "json", "--index", &index];
    let own = place.run(&scan, &PUSH, b"");
    assert_eq!(own.code, 10, "{}", own.stderr);
    assert_eq!(
        own.json()["findings"][0]["verdict"]["store"]["state"],
        "current"
    );
    for job in [&FORK[..], &UNKNOWN] {
        let run = place.run(&scan, job, b"");
        // The scan itself is what such a request needs.
        assert_eq!(run.code, 1, "{}", run.stderr);
        let report = run.json();
        assert_eq!(report["findings"][0]["verdict"], Value::Null);
        assert_eq!(
            report["findings"][0]["severity"],
            place.run(&["scan", "--output", "json"], job, b"").json()["findings"][0]["severity"]
        );
        assert!(report["ledger"].to_string().contains("index was not asked"));
    }
}

#[test]
fn a_scan_triggers_a_rotation_within_the_allow_list() {
    let place = Place::new("local:**");
    let (plan, report) = (place.named("plan.json"), place.named("report.json"));
    let report_to = format!("json={report}");
    let mut args = vec![
        "verify",
        "--on-live",
        "plan",
        "--plan",
        &plan,
        "--output",
        &report_to,
    ];
    let planned = place.run(&args, &PUSH, b"");
    assert_eq!(planned.code, 10, "{}", planned.stderr);
    assert_eq!(place.state(), "current");
    let text: Value = serde_json::from_slice(&fs::read(&plan).unwrap()).unwrap();
    assert_eq!(
        text["plan"]["actions"][0]["key"], "apps/db",
        "{}",
        planned.stderr
    );

    args[2] = "rotate";
    let second = place.named("second.json");
    args[4] = &second;
    let rotated = place.run(&args, &PUSH, b"");
    // The leak is dead, and still in the tree.
    assert_eq!(rotated.code, 1, "{}", rotated.stderr);
    assert_eq!(place.state(), "previous");
    let written: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert_eq!(
        written["findings"][0]["verdict"]["store"]["state"],
        "current"
    );
    let audit = place.run(&["audit", "verify"], &[], b"");
    assert_eq!(audit.code, 0, "{}", audit.stderr);
    let again = place.run(&args, &PUSH, b"");
    assert_eq!(again.code, 1, "nothing is live any more: {}", again.stderr);
}

#[test]
fn a_scan_triggers_nothing_beyond_the_allow_list_and_without_an_approval() {
    let place = Place::new("local:other/*");
    let plan = place.named("plan.json");
    let args = ["verify", "--on-live", "rotate", "--plan", &plan];
    let run = place.run(&args, &PUSH, b"");
    assert_eq!(run.code, 10, "{}", run.stderr);
    assert!(run.stderr.contains("allow"), "{}", run.stderr);
    assert_eq!(place.state(), "current");

    let place = Place::new("local:**");
    let file = place.stores();
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("[rotate]\n", "[rotate]\nprotected = [\"prod\"]\n");
    let text = text.replace(
        "[stores.local]\n",
        "[stores.local]\nenvironment = \"prod\"\n",
    );
    assert!(text.contains("environment = \"prod\""), "{text}");
    fs::write(&file, text).unwrap();
    let plan = place.named("plan.json");
    let args = ["verify", "--on-live", "rotate", "--plan", &plan];
    let run = place.run(&args, &PUSH, b"");
    assert_eq!(run.code, 11, "{}", run.stderr);
    assert_eq!(place.state(), "current");
    assert!(PathBuf::from(&plan).exists());
}

/// Returns a token that may ask how values are hashed in the log, and nothing else.
fn tracer(bao: &Bao) -> String {
    let rights = r#"path "sys/audit-hash/main" { capabilities = ["update"] }"#;
    policy(bao, "tracer", rights);
    bao.token(&["tracer"], "5m")
}

#[test]
fn uses_of_a_leak_are_told_to_a_token_that_may_read_nothing() {
    let (bao, repo) = (Bao::audited(), Repo::plain());
    put(&bao, "prod/api", &json!({"token": token(1)}));
    for n in 1..=2 {
        repo.write(&format!("file{n}.txt"), format!("token = {}\n", token(n)));
    }
    bao.ask("GET", "secret/data/prod/api", Bao::ROOT, &Value::Null);
    let tracer = tracer(&bao);
    let stores = bao.dir().join("stores.toml");
    let text = |log: &str| {
        format!(
            "[stores.main]\nkind = \"vault\"\naddress = \"{}\"\nmounts = [\"secret\"]\n{log}\n[rotate]\nstate = {:?}\n",
            bao.address,
            bao.dir().join("state")
        )
    };
    let log = format!(
        "audit-device = \"main\"\naudit-file = {:?}\n",
        bao.audit_file()
    );
    fs::write(&stores, text(&log)).unwrap();
    let stores = stores.to_str().unwrap();
    let trace = |more: &[&str]| {
        let args = [&["verify", "--trace", "--stores", stores], more, &["."]].concat();
        let run = keysweep_with(repo.path(), &args, &[("BAO_TOKEN", &tracer)], b"");
        let told = String::from_utf8_lossy(&run.stdout).into_owned() + &run.stderr;
        for n in 1..=2 {
            assert!(!told.contains(&token(n)), "{told}");
        }
        run
    };
    let run = trace(&["--output", "json"]);
    // Nothing could be read: the run does not claim that it was, and the findings stand.
    assert_eq!(run.code, 1, "{}", run.stderr);
    let report = run.json();
    let verdict = |n: usize| &report["findings"][n]["verdict"];
    let used = &verdict(0)["uses"][0];
    assert_eq!(
        verdict(0)["store"],
        json!({"state": "not-found", "complete": false, "unread": true})
    );
    assert_eq!(verdict(0)["urgency"], "soon");
    assert_eq!(used["requests"], 2);
    assert_eq!(used["paths"]["read secret/data/prod/api"], 1);
    assert_eq!(used["addresses"], json!({"127.0.0.1": 2}));
    assert!(used["first"].as_str() < used["last"].as_str());
    assert_eq!(verdict(1)["urgency"], "later");
    assert_eq!(verdict(1)["uses"][0]["requests"], 0);
    let told = trace(&[]).text();
    assert!(told.contains("audit log of main: 2 uses from 20"), "{told}");
    assert!(told.contains("read secret/data/prod/api: 1"), "{told}");
    assert!(told.contains("audit log of main: no use in "), "{told}");
    let redacted = trace(&["--redact-paths"]).text();
    assert!(redacted.contains("2 uses"), "{redacted}");
    assert!(
        !redacted.contains("prod/api") && !redacted.contains("127.0.0.1: "),
        "{redacted}"
    );
    fs::write(stores, text("")).unwrap();
    let run = trace(&[]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("audit-file"), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn a_hook_with_an_index_names_a_live_secret() {
    let place = Place::new("local:**");
    let index = place.named("the team's.index");
    assert_eq!(
        place
            .run(&["store", "index", "--out", &index], &[], b"")
            .code,
        0
    );
    let install = ["hook", "install", "--index", &index, "--apply"];
    let hook = place.repo.path().join(".git/hooks/pre-commit");
    // A hook that cannot read its index stops every commit.
    let missing = ["hook", "install", "--index", "missing.index", "--apply"];
    let refused = place.run(&missing, &[], b"");
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("missing.index"),
        "{}",
        refused.stderr
    );
    assert!(!hook.exists());
    let installed = place.run(&install, &[], b"");
    assert_eq!(installed.code, 0, "{}", installed.stderr);
    place.repo.write("b.env", format!("B={}\n", token(77)));
    place.repo.git(&["add", "."]);
    let bin = super::support::program();
    let path = format!(
        "{}:{}",
        bin.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let output = std::process::Command::new(hook)
        .current_dir(place.repo.path())
        .env_clear()
        .env("PATH", path)
        .env("HOME", place.home.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(10), "{told}");
    assert!(
        told.contains("LIVE: the current value of the store local"),
        "{told}"
    );
    assert!(!told.contains(&token(77)), "{told}");
}

#[cfg(unix)]
/// Returns the script of a step of action.yml, by the step's name.
fn step(name: &str) -> String {
    let action = include_str!("../../action.yml");
    let (_, step) = action.split_once(&format!("- name: {name}\n")).unwrap();
    let step = step.split("\n    - name: ").next().unwrap();
    let (_, script) = step.split_once("      run: |\n").unwrap();
    let lines = script.lines().map(|line| line.get(8..).unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(unix)]
/// Runs the action's step with a program that tells its arguments; returns them, and what the log says.
fn acted(variables: &[(&str, &str)]) -> (Vec<String>, String) {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("keysweep/bin");
    fs::create_dir_all(&bin).unwrap();
    let fake = bin.join("keysweep");
    fs::write(
        &fake,
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$RUNNER_TEMP/args\"\nexit 10\n",
    )
    .unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&fake, mode).unwrap();
    let output = dir.path().join("output");
    let run = std::process::Command::new("bash")
        .args(["-e", "-c", &step("Scan")])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("RUNNER_TEMP", dir.path())
        .env("GITHUB_OUTPUT", &output)
        .envs(
            [
                "RANGE",
                "ONLY",
                "PERSONA",
                "CATEGORY",
                "ARGUMENTS",
                "BASE",
                "HEAD",
                "STORES",
            ]
            .map(|name| (name, "")),
        )
        .envs([
            ("SCAN", "tree"),
            ("TARGET", "."),
            ("FAIL_ON", "low"),
            ("SARIF_FILE", "k.sarif"),
            ("ON_LIVE", "plan"),
            ("FORK", "false"),
        ])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    assert_eq!(fs::read_to_string(output).unwrap(), "exit-code=10\n");
    let args = fs::read_to_string(dir.path().join("args")).unwrap();
    let args = args.lines().map(str::to_owned).collect();
    (args, String::from_utf8_lossy(&run.stdout).into_owned())
}

/// Writes a program.
#[cfg(unix)]
fn executable(path: &std::path::Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(path, mode).unwrap();
}

/// Runs the action's build in a checkout that brings its own toolchain, settings of cargo and programs; returns where cargo ran, with
/// which toolchain, and its arguments.
#[cfg(unix)]
fn built(variables: &[(&str, &str)]) -> (PathBuf, String, Vec<String>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let checkout = at("work/app/app");
    let evil = "#!/bin/sh\ntouch \"$RUNNER_TEMP/../evil\"\n";
    for name in ["cargo", "rustup", "cut", "mktemp", "evil/bin/cargo"] {
        executable(&checkout.join(name), evil);
    }
    let toolchain = format!("[toolchain]\npath = {:?}\n", checkout.join("evil"));
    fs::write(checkout.join("rust-toolchain.toml"), toolchain).unwrap();
    fs::create_dir(checkout.join(".cargo")).unwrap();
    let settings = "[build]\nrustc-wrapper = \"./evil/bin/cargo\"\n";
    fs::write(checkout.join(".cargo/config.toml"), settings).unwrap();
    fs::create_dir(at("temp")).unwrap();
    let told = "#!/bin/sh\n{ pwd; echo \"toolchain=$RUSTUP_TOOLCHAIN\"; printf '%s\\n' \"$@\"; } > \"$RUNNER_TEMP/told\"\n";
    executable(&at("bin/cargo"), told);
    // As rustup: what is active depends on where it is asked.
    let rustup = "#!/bin/sh\nif [ -e rust-toolchain.toml ]; then echo \"$PWD/evil\"; else echo \"1.90-made-up (default)\"; fi\n";
    executable(&at("bin/rustup"), rustup);
    let path = format!(
        ".::{}:{}",
        at("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let run = std::process::Command::new("bash")
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c"])
        .arg(step("Build keysweep"))
        .current_dir(&checkout)
        .env_clear()
        .env("PATH", path)
        .env("RUNNER_TEMP", at("temp"))
        .env("SOURCE", "/somewhere/the/action")
        .envs(["FEATURES", "TOOLCHAIN"].map(|name| (name, "")))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{stderr}");
    assert!(!at("evil").exists(), "a program of the checkout ran");
    let text = fs::read_to_string(at("temp/told")).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    let cwd = PathBuf::from(lines.next().unwrap());
    let toolchain = lines.next().unwrap();
    (cwd, toolchain, lines.collect(), dir)
}

#[cfg(unix)]
#[test]
fn no_file_of_a_checkout_steers_the_build_of_the_action() {
    let (cwd, toolchain, args, dir) = built(&[]);
    let work = dir.path().join("work").canonicalize().unwrap();
    let cwd = cwd.canonicalize().unwrap();
    // Cargo looks for its settings from where it runs upwards.
    assert!(!cwd.starts_with(&work), "{cwd:?}");
    assert!(!work.starts_with(&cwd), "{cwd:?}");
    assert_eq!(toolchain, "toolchain=1.90-made-up");
    assert_eq!(args[..4], ["install", "--locked", "--quiet", "--path"]);
    assert_eq!(args[4], "/somewhere/the/action");
    assert_eq!(
        args.last().unwrap(),
        &format!("{}/temp/keysweep", dir.path().display())
    );
    let asked = [("TOOLCHAIN", "1.91"), ("FEATURES", "aws")];
    let (_, toolchain, args, _dir) = built(&asked);
    assert_eq!(toolchain, "toolchain=1.91");
    assert_eq!(args[args.len() - 2..], ["--features", "aws"]);
}

#[cfg(unix)]
#[test]
fn the_action_verifies_for_those_who_may_write() {
    let stores = ("STORES", "/tmp/stores.toml");
    let own = [("EVENT", "pull_request"), stores];
    for job in [&own[..], &[("EVENT", "push"), stores]] {
        let (args, log) = acted(job);
        assert_eq!(
            args[..3],
            ["verify", "--stores", "/tmp/stores.toml"],
            "{job:?}"
        );
        assert_eq!(args[3..5], ["--on-live", "plan"]);
        assert!(log.is_empty(), "{log}");
    }
    let fork = [own[0], stores, ("FORK", "true")];
    for job in [
        &fork[..],
        &[("EVENT", "pull_request_target"), stores],
        &[("EVENT", "issue_comment"), stores],
        &[("EVENT", "check_suite"), stores],
        &[("EVENT", "deployment"), stores],
        &[("EVENT", ""), stores],
    ] {
        let (args, log) = acted(job);
        assert_eq!(args[0], "scan", "{job:?}");
        assert!(!args.iter().any(|arg| arg.contains("stores")), "{args:?}");
        assert!(log.contains("::notice::"), "{log}");
    }
    let (args, log) = acted(&[("EVENT", "push")]);
    assert_eq!((args[0].as_str(), log.as_str()), ("scan", ""));
}

#[cfg(unix)]
#[test]
fn a_report_is_not_written_through_a_link_that_a_repository_brings() {
    let repo = Repo::new();
    repo.write("a.env", format!("A={}\n", token(1)));
    let elsewhere = tempfile::tempdir().unwrap();
    let pipe = elsewhere.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let precious = elsewhere.path().join("precious");
    fs::write(&precious, "as it was").unwrap();
    for target in [std::path::Path::new("/dev/null"), &pipe, &precious] {
        let link = repo.path().join("report.json");
        std::os::unix::fs::symlink(target, &link).unwrap();
        let run = keysweep_with(
            repo.path(),
            &["scan", "--output", "json=report.json"],
            &[],
            b"",
        );
        assert_eq!(run.code, 1, "{target:?}: {}", run.stderr);
        assert!(link.symlink_metadata().unwrap().is_file(), "{target:?}");
        let text = fs::read(&link).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap();
        fs::remove_file(link).unwrap();
    }
    assert_eq!(fs::read_to_string(precious).unwrap(), "as it was");
    let run = keysweep_with(
        repo.path(),
        &["scan", "--output", "json=/dev/stderr"],
        &[],
        b"",
    );
    assert!(run.stderr.contains("fingerprint"), "{}", run.stderr);
}
