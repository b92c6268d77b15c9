//! Rotations and revocations as those who depend on them see them: an application that logs in all the time, and `keysweep verify --probe`
//! on values that are no longer current and still let in.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use keysweep::rotate::{Crash, Faults, Outcome, Point};
use serde_json::{Value, json};

use crate::{
    rotate_bed::{Bed, forms, login, sql},
    rotate_crash::{Case, Way},
    server_targets::{Postgres, Redis, Sshd, keygen, me, private_file},
    servers::Bao,
    support::{Repo, Run, keysweep_with, token},
};

/// What an application has seen.
#[derive(Debug, Default)]
struct Seen {
    logins: u32,
    /// Logins that were refused, with what the store held a moment later, too.
    failures: u32,
    /// The longest time between two logins with a failure between them.
    gap: Duration,
}

/// Logs in until it is told to stop. It keeps what it read, or reads anew each time; when it is refused it reads and tries once more.
fn application(bed: &Bed, name: &str, keeps: bool, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut credential = bed.current(name);
    let (mut last, mut failed) = (Instant::now(), false);
    while !stop.load(Ordering::SeqCst) {
        if !keeps {
            credential = bed.current(name);
        }
        let mut is_in = login(bed.port(), &credential.0, &credential.1).is_some();
        if !is_in {
            credential = bed.current(name);
            is_in = login(bed.port(), &credential.0, &credential.1).is_some();
        }
        if is_in {
            seen.logins += 1;
            if failed {
                seen.gap = seen.gap.max(last.elapsed());
            }
            (last, failed) = (Instant::now(), false);
        } else {
            seen.failures += 1;
            failed = true;
        }
    }
    assert!(!failed, "{name}: it is out in the end: {seen:?}");
    seen
}

/// Waits at each place, so that an application sees each state.
struct Slowly(Duration);

impl Faults for Slowly {
    fn at(&self, _: Point) -> Result<(), Crash> {
        std::thread::sleep(self.0);
        Ok(())
    }
}

/// Rotates while two applications log in; returns what they saw.
fn watched(bed: &Bed, way: Way, minutes: u32, pause: Duration) -> [Seen; 2] {
    let case = Case::new(bed, &format!("c{}", bed.next()), way, minutes);
    case.plan(bed);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let [keeping, reading] = [true, false].map(|keeps| {
            let (name, stop) = (&case.name, &stop);
            scope.spawn(move || application(bed, name, keeps, stop))
        });
        let outcome = case.run(&Slowly(pause));
        stop.store(true, Ordering::SeqCst);
        let seen = [keeping.join().unwrap(), reading.join().unwrap()];
        assert_eq!(outcome, Outcome::Done, "{seen:?}");
        seen
    })
}

#[test]
fn an_application_is_never_out_with_two_roles_and_for_a_moment_with_one() {
    let bed = Bed::start();
    for minutes in [0, 15] {
        for seen in watched(&bed, Way::BlueGreen, minutes, Duration::from_millis(30)) {
            assert_eq!(seen.failures, 0, "grace of {minutes} minutes: {seen:?}");
            assert!(seen.logins > 5, "{seen:?}");
        }
    }
    let mut gaps = Vec::new();
    for _ in 0..5 {
        for seen in watched(&bed, Way::Cutover, 15, Duration::ZERO) {
            assert!(seen.gap < Duration::from_secs(10), "{seen:?}");
            gaps.push(seen.gap);
        }
    }
    eprintln!("cutover: an application was out for {gaps:?}");
}

/// OpenBao with one key whose value before the last leaked, and the target that it opens.
struct Place {
    bao: Bao,
    repo: Repo,
    own: tempfile::TempDir,
    old: String,
    new: String,
}

impl Place {
    /// `target` are the lines of its entry.
    fn new(versions: [&Value; 2], [old, new]: [&str; 2], target: &str) -> Self {
        let place = Self {
            bao: Bao::start(),
            repo: Repo::plain(),
            own: tempfile::tempdir().unwrap(),
            old: old.to_owned(),
            new: new.to_owned(),
        };
        for data in versions {
            let body = json!({ "data": data });
            place.bao.root("POST", "secret/data/live/app", &body);
        }
        place.repo.write("leak.txt", format!("token = {old}\n"));
        let identity = place.path("age.txt");
        keysweep::stores::local::generate_identity(&identity).unwrap();
        let text = format!(
            "[stores.main]\nkind = \"vault\"\naddress = \"{}\"\nmounts = [\"secret\"]\n\n\
             [rotate]\nallow = [\"main:**\"]\ngrace-minutes = 0\nidentity = {identity:?}\nstate = {:?}\n\n\
             [[targets]]\nstore = \"main\"\nkey = \"secret/live/app\"\nfield = \"password\"\n{target}\n",
            place.bao.address,
            place.path("state"),
        );
        fs::write(place.path("stores.toml"), text).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.own.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Run {
        let stores = self.path("stores.toml");
        let mut all = args.to_vec();
        all.extend(["--stores", stores.to_str().unwrap()]);
        let run = keysweep_with(self.repo.path(), &all, &[("BAO_TOKEN", Bao::ROOT)], b"");
        let told = run.text() + &run.stderr;
        for value in [&self.old, &self.new] {
            for form in forms(value) {
                assert!(!told.contains(&form), "{args:?} tells {form}");
            }
        }
        run
    }

    /// Returns the exit code, and the verdict of the one finding.
    fn verify(&self, probe: &[&str]) -> (i32, Value) {
        let report = self.path("report.json");
        let output = format!("json={}", report.display());
        let _ = fs::remove_file(&report);
        let run = self.run(&[&["verify", ".", "--output", output.as_str()], probe].concat());
        let text = fs::read(&report).unwrap_or_else(|_| panic!("{}", run.stderr));
        let report: Value = serde_json::from_slice(&text).unwrap();
        let findings = report["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 1, "{findings:#?}");
        (run.code, findings[0]["verdict"].clone())
    }

    /// Plans and applies.
    fn revoke(&self, more: &[&str]) {
        let named = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let (report, plan) = (named("report.json"), named("plan.json"));
        let mut args = vec!["rotate", "plan", "--report", &report, "--out", &plan];
        args.push("--ack-unknown");
        args.extend(more);
        let planned = self.run(&args);
        assert_eq!(planned.code, 0, "{}{}", planned.text(), planned.stderr);
        let told = planned.text();
        assert!(
            told.contains("revoke the old value of main:secret/live/app"),
            "{told}"
        );
        // What the plan says of it alone is not believed.
        let refused = self.run(&["rotate", "apply", &plan, "--apply"]);
        assert_eq!(refused.code, 2, "{}{}", refused.text(), refused.stderr);
        let applied = self.run(&["rotate", "apply", &plan, "--ack-unknown", "--apply"]);
        assert_eq!(applied.code, 0, "{}{}", applied.text(), applied.stderr);
    }

    /// Asserts that the old value lives, ends it, and asserts that it is known to be dead then, whether the target is asked or not.
    /// `answers`: the target can still be asked when the store has destroyed the version.
    fn dies(&self, keep: bool, answers: bool) {
        let (code, verdict) = self.verify(&["--probe"]);
        assert_eq!(verdict["store"]["state"], "previous", "{verdict}");
        assert_eq!(verdict["provider"]["state"], "accepted", "{verdict}");
        assert_eq!(verdict["urgency"], "now", "{verdict}");
        assert_eq!(code, 10);
        self.revoke(if keep { &["--keep-old-version"] } else { &[] });
        for probe in [&["--probe"][..], &[]] {
            let (code, verdict) = self.verify(probe);
            let state = if keep { "previous" } else { "destroyed" };
            assert_eq!(verdict["store"]["state"], state, "{verdict}");
            assert_eq!(verdict["provider"]["state"], "refused", "{verdict}");
            assert_eq!(verdict["urgency"], "remediated", "{verdict}");
            // What was not asked, or could not be, is known by the tombstone, and told as such.
            let by_tombstone = probe.is_empty() || !answers;
            assert_eq!(verdict["refused_at"].is_string(), by_tombstone, "{verdict}");
            assert_eq!(code, 0, "{verdict}");
        }
    }
}

#[test]
fn an_old_password_of_redis_that_still_opens_is_ended() {
    for (n, keep) in [(10, true), (12, false)] {
        let (old, new) = (token(n), token(n + 1));
        let users = format!(
            "user default on >made-up-admin ~* +@all\nuser app on >{old} >{new} ~* +@all\n"
        );
        let redis = Redis::start("", Some(&users));
        let admin = private_file(&redis.dir.path().join("admin"), "made-up-admin");
        let target = format!(
            "kind = \"redis\"\nuser = \"app\"\naddress = \"127.0.0.1:{}\"\nadmin-password-file = {admin:?}",
            redis.port
        );
        let versions = [json!({"password": old}), json!({"password": new})];
        let place = Place::new([&versions[0], &versions[1]], [&old, &new], &target);
        place.dies(keep, true);
        let (_, said) = redis.say(&format!("AUTH app {new}\r\n"));
        assert!(said.starts_with("+OK"), "{said}");
        let (_, said) = redis.say(&format!("AUTH app {old}\r\n"));
        assert!(said.starts_with("-WRONGPASS"), "{said}");
    }
}

#[test]
fn an_old_role_of_postgresql_that_still_opens_is_ended() {
    for (n, keep) in [(20, true), (22, false)] {
        let (old, new) = (token(n), token(n + 1));
        let server = Postgres::start("", "");
        sql(
            server.port,
            &format!(
                "create role grp nologin; create role app login password '{old}' in role grp;
                 create role app_ks2 login password '{new}' in role grp"
            ),
        );
        let admin = private_file(&server.dir.path().join("admin"), Postgres::SUPER);
        let target = format!(
            "user-field = \"user\"\nkind = \"postgres\"\naddress = \"127.0.0.1:{}\"\nadmin = \"postgres\"\n\
             admin-password-file = {admin:?}\ngroup = \"grp\"",
            server.port
        );
        let versions = [
            json!({"user": "app", "password": old}),
            json!({"user": "app_ks2", "password": new}),
        ];
        let place = Place::new([&versions[0], &versions[1]], [&old, &new], &target);
        // With its version the store has forgotten whose password it was.
        place.dies(keep, keep);
        assert!(login(server.port, "app_ks2", &new).is_some());
        assert!(login(server.port, "app", &old).is_none());
    }
}

/// The entry of a target that is this server, as the key itself reaches it.
fn ssh_target(server: &Sshd) -> String {
    format!(
        "kind = \"ssh\"\naddress = \"127.0.0.1:{}\"\nuser = \"{}\"\nauthorized-keys = {:?}\nknown-hosts-file = {:?}",
        server.port,
        me(),
        server.keys(),
        server.dir.path().join("known")
    )
}

/// A session that stays open, as a deployment or a tunnel has it; opened when this returns.
fn session_of(server: &Sshd, key: &std::path::Path) -> std::process::Child {
    use std::io::Read as _;
    let known = server.dir.path().join("known");
    let mut child = std::process::Command::new("ssh")
        .args([
            "-F",
            "none",
            "-T",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
        ])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known.display()))
        .arg("-i")
        .arg(key)
        .args([
            "-p",
            &server.port.to_string(),
            &format!("{}@127.0.0.1", me()),
        ])
        .arg("echo in; exec sleep 120")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut said = [0; 3];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut said)
        .unwrap();
    assert_eq!(&said, b"in\n");
    child
}

#[test]
fn an_old_key_of_ssh_that_still_opens_is_ended() {
    for (keep, end) in [(true, true), (false, false)] {
        let server = Sshd::start("");
        // A session of the same user at another server of the machine is nobody's business.
        let other = Sshd::start("");
        let elsewhere = other.dir.path().join("elsewhere");
        keygen(&elsewhere, "ed25519");
        fs::copy(elsewhere.with_extension("pub"), other.keys()).unwrap();
        let pair = |name: &str| {
            let path = server.dir.path().join(name);
            let secret = keygen(&path, "ed25519");
            (
                secret,
                fs::read_to_string(path.with_extension("pub")).unwrap(),
            )
        };
        let ((old, first), (new, second)) = (pair("old"), pair("new"));
        fs::write(server.keys(), format!("{first}{second}")).unwrap();
        let target = format!("{}\nend-sessions = {end}", ssh_target(&server));
        let versions = [json!({"password": old}), json!({"password": new})];
        let place = Place::new([&versions[0], &versions[1]], [&old, &new], &target);
        place.repo.write("leak.txt", &old);
        let mut sessions =
            ["old", "new"].map(|name| session_of(&server, &server.dir.path().join(name)));
        let mut outside = session_of(&other, &elsewhere);
        place.dies(keep, true);
        let told = place.run(&["rotate", "status", "--all"]).text();
        assert_eq!(
            told.contains("sessions that it opened may go on"),
            !end,
            "{told}"
        );
        let journals = fs::read_dir(place.path("state/journals")).unwrap();
        let journals = journals.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        let journal: String = journals.collect();
        assert_eq!(journal.contains("2 sessions ended"), end, "{journal}");
        for session in &mut sessions {
            // One that is ended is noticed by its client a moment later.
            let until = Instant::now() + Duration::from_secs(5);
            while end && session.try_wait().unwrap().is_none() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(50));
            }
            assert_eq!(session.try_wait().unwrap().is_some(), end);
            let _ = session.kill();
            session.wait().unwrap();
        }
        assert!(outside.try_wait().unwrap().is_none());
        outside.kill().unwrap();
        outside.wait().unwrap();
        assert_eq!(fs::read_to_string(server.keys()).unwrap(), second);
    }
}

impl Place {
    /// Verifies and plans what is current; returns the exit code and words of applying it.
    fn rotate(&self, code: i32) -> String {
        let (found, verdict) = self.verify(&["--probe"]);
        assert_eq!(verdict["store"]["state"], "current", "{verdict}");
        assert_eq!(verdict["provider"]["state"], "accepted", "{verdict}");
        assert_eq!(found, 10);
        let named = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let (report, plan) = (named("report.json"), named("plan.json"));
        let args = ["rotate", "plan", "--report", &report, "--out", &plan];
        let planned = self.run(&[&args[..], &["--ack-unknown"]].concat());
        assert_eq!(planned.code, 0, "{}{}", planned.text(), planned.stderr);
        let applied = self.run(&["rotate", "apply", &plan, "--ack-unknown", "--apply"]);
        let told = applied.text() + &applied.stderr;
        assert_eq!(applied.code, code, "{told}");
        told
    }

    /// Returns the field that the store hands out now.
    fn current(&self) -> String {
        let answer = self.bao.root("GET", "secret/data/live/app", &Value::Null);
        let value = &answer["data"]["data"]["password"];
        value.as_str().unwrap().to_owned()
    }
}

#[test]
fn a_key_of_ssh_is_replaced_however_its_text_ends() {
    for (n, (kind, with_break)) in [("ed25519", true), ("ed25519", false), ("rsa", true)]
        .into_iter()
        .enumerate()
    {
        let server = Sshd::start("");
        let path = server.dir.path().join("old");
        let secret = keygen(&path, kind);
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        fs::write(server.keys(), &public).unwrap();
        let target = ssh_target(&server);
        let text = if with_break {
            format!("{}\n", secret.trim_end())
        } else {
            secret.trim_end().to_owned()
        };
        let before = token(300 + n as u64);
        let versions = [json!({"password": before}), json!({"password": text})];
        let place = Place::new([&versions[0], &versions[1]], [&before, &secret], &target);
        place.repo.write("leak.txt", &secret);
        let told = place.rotate(0);
        assert!(
            told.contains("done: the old credential is refused"),
            "{told}"
        );
        let keys = fs::read_to_string(server.keys()).unwrap();
        assert_eq!(keys.lines().count(), 1, "{keys}");
        assert!(!keys.contains(public.split(' ').nth(1).unwrap()));
        // As its readers get it: a file with a line break at its end, if it had one before.
        let current = place.current();
        assert_eq!(current.ends_with('\n'), with_break);
        let new = private_file(
            &server.dir.path().join("new"),
            &format!("{}\n", current.trim_end()),
        );
        let mut session = session_of(&server, &new);
        session.kill().unwrap();
        session.wait().unwrap();
        let (code, verdict) = place.verify(&["--probe"]);
        assert_eq!(verdict["urgency"], "remediated", "{verdict}");
        assert_eq!(code, 0, "{verdict}");
    }
}

#[test]
fn a_value_in_grace_is_not_ended_by_another_run() {
    let old = token(310);
    let users = format!("user default on >made-up-admin ~* +@all\nuser app on >{old} ~* +@all\n");
    let redis = Redis::start("", Some(&users));
    let admin = private_file(&redis.dir.path().join("admin"), "made-up-admin");
    let target = format!(
        "kind = \"redis\"\nuser = \"app\"\naddress = \"127.0.0.1:{}\"\nadmin-password-file = {admin:?}",
        redis.port
    );
    let before = token(311);
    let versions = [json!({"password": before}), json!({"password": old})];
    let place = Place::new([&versions[0], &versions[1]], [&before, &old], &target);
    place.repo.write("leak.txt", format!("token = {old}\n"));
    let file = place.path("stores.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("grace-minutes = 0", "grace-minutes = 15"),
    )
    .unwrap();
    let told = place.rotate(12);
    assert!(told.contains("both credentials are valid until"), "{told}");
    let accepted = |value: &str| {
        let (_, said) = redis.say(&format!("AUTH app {value}\r\n"));
        said.starts_with("+OK")
    };
    assert!(accepted(&old) && accepted(&place.current()));
    let plan = place.path("again.json");
    let again = place.run(&[
        "verify",
        ".",
        "--probe",
        "--on-live",
        "rotate",
        "--plan",
        plan.to_str().unwrap(),
    ]);
    assert_eq!(again.code, 10, "{}{}", again.text(), again.stderr);
    assert!(
        again.stderr.contains("of the same key is under way"),
        "{}",
        again.stderr
    );
    assert!(accepted(&old) && accepted(&place.current()));
    assert_eq!(place.run(&["rotate", "resume"]).code, 12);
}
