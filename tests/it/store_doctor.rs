//! `keysweep store doctor` and `store put` against the real OpenBao and Redis: what is told as well must be well, and each thing in the
//! way has its true cause.

use std::{fs, net::TcpListener, time::Instant};

use serde_json::json;

use super::{
    server_targets::Redis,
    servers::Bao,
    stores_vault::{policy, put},
    support::{Repo, Run, keysweep_with},
};

/// A server, and a stores file beside it.
struct Clinic {
    bao: Bao,
    repo: Repo,
}

impl Clinic {
    fn new() -> Self {
        let bao = Bao::start();
        put(
            &bao,
            "prod/db",
            &json!({"user": "app", "password": "made-up"}),
        );
        Self {
            bao,
            repo: Repo::plain(),
        }
    }

    /// Runs a command with a stores file of one Vault, `settings` in its entry, and `rest` behind it.
    fn run(&self, settings: &str, rest: &str, token: &str, args: &[&str], input: &str) -> Run {
        let stores = self.bao.dir().join("stores.toml");
        let text = format!(
            "[stores.main]\nkind = \"vault\"\naddress = \"{}\"\n{settings}\n{rest}\n",
            self.bao.address
        );
        fs::write(&stores, text).expect("written");
        let stores = stores.to_str().expect("UTF-8");
        let mut all = args.to_vec();
        all.extend(["--stores", stores]);
        let environment = [("BAO_TOKEN", token)];
        keysweep_with(self.repo.path(), &all, &environment, input.as_bytes())
    }

    fn doctor(&self, settings: &str, rest: &str, token: &str) -> Run {
        self.run(settings, rest, token, &["store", "doctor"], "")
    }
}

#[test]
fn mounts_that_are_missing_denied_or_in_another_namespace_are_told_apart() {
    let clinic = Clinic::new();
    let ok = clinic.doctor("mounts = [\"secret\"]", "", Bao::ROOT);
    assert_eq!(ok.code, 0, "{}", ok.text());
    assert!(ok.text().starts_with("ok    main: vault "), "{}", ok.text());

    let both = "mounts = [\"secret\", \"nope\"]";
    let missing = clinic.doctor(both, "", Bao::ROOT);
    let told = missing.text();
    assert_eq!(missing.code, 3, "{told}");
    assert!(told.starts_with("part  main: "), "{told}");
    assert!(
        told.contains("nope/: no KV engine is mounted there") && !told.contains("no right"),
        "a root token lacks no right: {told}"
    );
    assert_eq!(told.matches("nope/: no KV engine").count(), 1, "{told}");

    let text = r#"
        path "secret/metadata/*" { capabilities = ["read", "list"] }
        path "secret/data/*" { capabilities = ["read"] }
        path "nope/metadata/*" { capabilities = ["list"] }
    "#;
    policy(&clinic.bao, "lister", text);
    let lister = clinic.bao.token(&["lister"], "5m");
    let missing = clinic.doctor(both, "", &lister);
    assert_eq!(missing.code, 3, "{}", missing.text());
    assert!(missing.text().contains("no KV engine is mounted there"));

    // Without a right on it nobody can tell, and that is said.
    let other = clinic.doctor("mounts = [\"secret\", \"other\"]", "", &lister);
    let told = other.text();
    assert_eq!(other.code, 20, "{told}");
    assert!(
        told.contains("no right on it, or there is no such mount"),
        "{told}"
    );

    let text = r#"
        path "secret/metadata/*" { capabilities = ["read", "list"] }
        path "secret/metadata/dark/*" { capabilities = ["deny"] }
        path "secret/data/*" { capabilities = ["read"] }
    "#;
    policy(&clinic.bao, "most", text);
    put(&clinic.bao, "dark/a", &json!({"k": "made-up"}));
    let most = clinic.bao.token(&["most"], "5m");
    let denied = clinic.doctor("mounts = [\"secret\"]", "", &most);
    let told = denied.text();
    assert_eq!(denied.code, 20, "{told}");
    assert!(
        told.contains("list secret/dark/: the token has no right"),
        "{told}"
    );

    let away = clinic.doctor("namespace = \"nope\"", "", Bao::ROOT);
    let told = away.text();
    assert_eq!(away.code, 3, "{told}");
    assert!(
        told.contains("no such namespace") && told.contains("`namespace`"),
        "{told}"
    );
}

#[test]
fn a_token_that_sees_no_mount_has_not_seen_that_there_is_nothing() {
    let clinic = Clinic::new();
    policy(
        &clinic.bao,
        "blind",
        "path \"cubbyhole/*\" { capabilities = [\"read\"] }",
    );
    let blind = clinic.bao.token(&["blind"], "5m");
    for args in [["store", "doctor"], ["store", "list"], ["verify", "."]] {
        let run = clinic.run("", "", &blind, &args, "");
        let told = run.text() + &run.stderr;
        assert_eq!(run.code, 20, "{args:?}: {told}");
        assert!(told.contains("sees no KV mount"), "{args:?}: {told}");
    }
}

#[test]
fn a_server_that_accepts_and_never_answers_ends_within_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    // Taken and kept, and nothing is ever said.
    let held = std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            held.push(stream);
        }
    });
    let repo = Repo::plain();
    let home = Repo::plain();
    home.write(
        "stores.toml",
        format!("[stores.main]\nkind = \"vault\"\naddress = \"http://127.0.0.1:{port}\"\n"),
    );
    let stores = home.path().join("stores.toml");
    let stores = stores.to_str().expect("UTF-8");
    std::thread::scope(|scope| {
        for args in [vec!["store", "doctor"], vec!["verify", "."]] {
            let folder = repo.path();
            scope.spawn(move || {
                let mut all = args.clone();
                all.extend(["--stores", stores]);
                let begun = Instant::now();
                let run = keysweep_with(folder, &all, &[("BAO_TOKEN", "made-up")], b"");
                let took = begun.elapsed().as_secs();
                let told = run.text() + &run.stderr;
                assert!((25..=40).contains(&took), "{args:?} took {took} s: {told}");
                assert_eq!(run.code, 22, "{told}");
                assert!(told.contains("no answer came within 30 seconds"), "{told}");
            });
        }
    });
    drop(held);
}

/// A Redis whose user's password stands in the clinic's store.
struct Ward {
    clinic: Clinic,
    redis: Redis,
    right: String,
    wrong: String,
}

impl Ward {
    fn new() -> Self {
        let clinic = Clinic::new();
        let redis = Redis::start("requirepass made-up-admin", None);
        redis.say("AUTH made-up-admin\nACL SETUSER app on >made-up ~* +@all\n");
        let file = |name: &str, password: &str| {
            use std::os::unix::fs::PermissionsExt as _;
            let path = clinic.bao.dir().join(name);
            fs::write(&path, password).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
            path.display().to_string()
        };
        let right = file("right", "made-up-admin");
        let wrong = file("wrong", "made-up-no");
        Self {
            clinic,
            redis,
            right,
            wrong,
        }
    }

    /// Has doctor look at one target: its key, its field (empty: none), the file of the admin's password, and the field of the user.
    fn doctor(&self, key: &str, field: &str, admin: &str, user: &str) -> Run {
        let field = match field {
            "" => String::new(),
            field => format!("field = \"{field}\"\n"),
        };
        let entry = format!(
            "[[targets]]\nstore = \"main\"\nkey = \"{key}\"\n{field}kind = \"redis\"\naddress = \"127.0.0.1:{}\"\nadmin-password-file = \"{admin}\"\nuser-field = \"{user}\"\n",
            self.redis.port
        );
        self.clinic
            .doctor("mounts = [\"secret\"]", &entry, Bao::ROOT)
    }
}

const KEY: &str = "secret/prod/db";

#[cfg(unix)]
#[test]
fn targets_are_looked_at_as_a_rotation_would_and_nothing_is_written() {
    let ward = Ward::new();
    let ok = ward.doctor(KEY, "password", &ward.right, "user");
    let told = ok.text();
    assert_eq!(ok.code, 0, "{told}");
    assert!(
        told.contains("ok    target 1 (redis, main:secret/prod/db password): Redis at "),
        "{told}"
    );
    assert!(!told.contains("made-up"), "{told}");
    let none = "[[targets]]\nstore = \"main\"\nkey = \"secret/prod/db\"\nfield = \"password\"\nkind = \"none\"\n";
    let none = ward.clinic.doctor("", none, Bao::ROOT);
    assert_eq!(none.code, 0, "{}", none.text());
    let path = "secret/metadata/prod/db";
    let metadata = ward.clinic.bao.root("GET", path, &serde_json::Value::Null);
    assert_eq!(metadata["data"]["current_version"], 1);
    let (_, still) = ward.redis.say("AUTH app made-up\n");
    assert!(still.starts_with("+OK"), "{still}");
}

#[cfg(unix)]
#[test]
fn each_thing_that_keeps_a_target_from_working_is_told() {
    let ward = Ward::new();
    let (right, wrong) = (&ward.right, &ward.wrong);
    let mut seen = Vec::new();
    for (run, code, words) in [
        (ward.doctor(KEY, "password", wrong, "user"), 21, "admin"),
        (
            ward.doctor("secret/prod/dbb", "password", right, "user"),
            3,
            "there is no such key",
        ),
        (
            ward.doctor(KEY, "pasword", right, "user"),
            3,
            "no field `pasword`",
        ),
        (ward.doctor(KEY, "", right, "user"), 3, "names no `field`"),
        (
            ward.doctor(KEY, "password", right, "usr"),
            3,
            "no field `usr` (user-field)",
        ),
        (
            ward.doctor(KEY, "password", "/nowhere", "user"),
            3,
            "cannot be read",
        ),
    ] {
        let told = run.text();
        assert_eq!(run.code, code, "{words}: {told}");
        let is_told = told.contains("fault target 1 (redis, ") && told.contains(words);
        assert!(is_told && !told.contains("made-up"), "{words}: {told}");
        assert!(!words.contains("field `") || told.contains("it has: password, user"));
        seen.push(told);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 6, "{seen:#?}");
}

#[test]
fn words_of_rotate_that_name_nothing_are_told() {
    let clinic = Clinic::new();
    let rest = "[rotate]\nallow = [\"main:secret/prod/*\", \"main:secret/prodd/*\", \"mian:secret/**\"]\ndeny = [\"main:secret/ops/**\"]\nprotected = [\"production\", \"pord\"]\n";
    let run = clinic.doctor(
        "mounts = [\"secret\"]\nenvironment = \"prod\"",
        rest,
        Bao::ROOT,
    );
    let told = run.text();
    assert_eq!(run.code, 0, "{told}");
    for words in [
        "note  [rotate] allow: `main:secret/prodd/*` names no key",
        "note  [rotate] allow: `mian:secret/**` names no key",
        "note  [rotate] deny: `main:secret/ops/**` names no key",
        "note  [rotate] protected: `pord` is the environment of no key of any store, so nothing is protected by it; did you mean `prod`?",
        "note  [rotate] protected: `production`",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!told.contains("`main:secret/prod/*`"), "{told}");
    let run = clinic.doctor("", "[rotate]\nallow = [\"secret/prod\"]\n", Bao::ROOT);
    assert_eq!(run.code, 3, "{}", run.text());
    assert!(
        run.text().contains("no glob of STORE:KEY"),
        "{}",
        run.text()
    );
}

#[test]
fn a_key_that_is_not_there_yet_is_made_and_one_that_is_there_is_not_run_over() {
    let clinic = Clinic::new();
    let args = |key: &'static str| ["store", "put", key, "password"];
    let put = |key: &'static str, value: &str| {
        clinic.run(
            "mounts = [\"secret\", \"old\"]",
            "",
            Bao::ROOT,
            &args(key),
            value,
        )
    };
    let old = json!({"type": "kv", "options": {"version": "1"}});
    clinic.bao.root("POST", "sys/mounts/old", &old);
    let made = put("secret/new/key", "made-up-7 \"\\é");
    assert_eq!(made.code, 0, "{}{}", made.text(), made.stderr);
    assert!(made.text().contains("version 1"), "{}", made.text());
    let none = serde_json::Value::Null;
    let read = clinic.bao.root("GET", "secret/data/new/key", &none);
    assert_eq!(read["data"]["data"], json!({"password": "made-up-7 \"\\é"}));
    let again = put("secret/new/key", "made-up-8");
    assert!(again.text().contains("version 2"), "{}", again.text());
    // Metadata alone is no version.
    let meta = json!({"max_versions": 3});
    clinic.bao.root("POST", "secret/metadata/new/meta", &meta);
    let made = put("secret/new/meta", "made-up-9");
    assert_eq!(made.code, 0, "{}{}", made.text(), made.stderr);
    // A deleted key may be brought back: nobody's history is hidden below a new version.
    let newest = json!({"versions": [2]});
    clinic.bao.root("POST", "secret/delete/new/key", &newest);
    let deleted = put("secret/new/key", "made-up-10");
    assert_eq!(deleted.code, 3, "{}{}", deleted.text(), deleted.stderr);
    assert!(
        deleted.stderr.contains("its newest version, 2, is deleted")
            && deleted.stderr.contains("bao kv undelete"),
        "{}",
        deleted.stderr
    );
    let refused = put("old/key", "made-up-11");
    assert_eq!(refused.code, 2, "{}{}", refused.text(), refused.stderr);
    assert!(
        refused.stderr.contains("KV version 1") && refused.stderr.contains("enable-versioning"),
        "{}",
        refused.stderr
    );
    let whole = clinic.run(
        "mounts = [\"secret\"]",
        "",
        Bao::ROOT,
        &["store", "put", "secret/x"],
        "y",
    );
    assert_eq!(whole.code, 2, "{}", whole.stderr);
    assert!(whole.stderr.contains("has fields"), "{}", whole.stderr);
}

#[cfg(unix)]
#[test]
fn sinks_are_asked_whether_they_could_be_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let clinic = Clinic::new();
    let program = clinic.bao.dir().join("sink.sh");
    let sink = |answer: &str| {
        let text = format!("#!/bin/sh\ncat > /dev/null\necho '{answer}'\n");
        fs::write(&program, text).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("made a program");
        let entry = format!(
            "\n[[sinks]]\nstore = \"main\"\nkey = \"secret/prod/db\"\nfield = \"password\"\nkind = \"command\"\nprogram = [{program:?}]\n"
        );
        clinic.doctor("mounts = [\"secret\"]", &entry, Bao::ROOT)
    };
    let ok = sink(r#"{"ok": {"marker": "third"}}"#);
    assert_eq!(ok.code, 0, "{}", ok.text());
    assert!(ok.text().contains("ok    sink 1: "), "{}", ok.text());
    assert!(ok.text().contains(", third"), "{}", ok.text());
    let denied = sink(r#"{"error": "denied"}"#);
    assert_eq!(denied.code, 20, "{}", denied.text());
    assert!(
        denied.text().contains("fault sink 1: "),
        "{}",
        denied.text()
    );
    let garbled = sink("made-up");
    assert_eq!(garbled.code, 3, "{}", garbled.text());
    assert!(!garbled.text().contains("made-up"), "{}", garbled.text());
}
