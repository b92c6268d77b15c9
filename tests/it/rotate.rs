//! From a leak in a repository to a new value in the store, with the program as people run it: verify, plan, approve, apply, resume,
//! status, audit.

use std::{collections::BTreeMap, ffi::OsString, fs, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use keysweep::{
    config::stores::LocalSettings,
    model::Secret,
    stores::{
        Change, KeyPath, SecretStore, Surroundings, VersionId,
        local::{self, LocalStore},
    },
};

use crate::support::{Repo, Run, keysweep, token};

/// A repository with a leak, and a local store that holds the leaked value, outside of it.
pub(crate) struct Place {
    repo: Repo,
    own: tempfile::TempDir,
    pub(crate) leaked: String,
}

impl Place {
    pub(crate) fn new(rotate: &str, target: &str) -> Self {
        let place = Self {
            repo: Repo::new(),
            own: tempfile::tempdir().unwrap(),
            leaked: token(4711),
        };
        let identity = place.path("age.txt");
        local::generate_identity(&identity).unwrap();
        let recipients = local::recipients(&identity).unwrap();
        local::create(&place.path("s.sops.yaml"), &recipients).unwrap();
        place.put(&place.leaked, "");
        let text = format!(
            "[stores.own]\nkind = \"local\"\nfile = {:?}\nidentity = {identity:?}\nenvironment = \"prod\"\n\n\
             [rotate]\nidentity = {identity:?}\nstate = {:?}\n{rotate}\n\n{target}",
            place.path("s.sops.yaml"),
            place.path("state"),
        );
        fs::write(place.path("stores.toml"), text).unwrap();
        let leak = format!("token = \"{}\"\n", place.leaked);
        place.repo.write("app.toml", leak).commit("leak");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.own.path().join(name)
    }

    fn store(&self) -> LocalStore {
        let settings = LocalSettings {
            file: self.path("s.sops.yaml"),
            identity: Some(self.path("age.txt")),
            no_history: true,
            ..LocalSettings::default()
        };
        let nothing = |_: &str| -> Option<OsString> { None };
        let surroundings = Surroundings {
            variable: &nothing,
            home: None,
            history: &|_| Ok(Vec::new()),
        };
        LocalStore::open("own", &settings, &[], &surroundings).unwrap()
    }

    fn put(&self, value: &str, base: &str) {
        self.put_at("apps/db", value, base);
    }

    fn put_at(&self, key: &str, value: &str, base: &str) {
        let fields = BTreeMap::from([("password".to_owned(), Secret::new(value.as_bytes()))]);
        let change = Change {
            key: &KeyPath::new(key),
            base: &VersionId::new(base),
            fields: &fields,
            token: "00000000-0000-8000-8000-000000000000",
        };
        self.store().stage(&change).unwrap();
    }

    /// Returns what readers of the key get.
    pub(crate) fn current(&self) -> String {
        let (store, key) = (self.store(), KeyPath::new("apps/db"));
        let info = store.describe(&key).unwrap();
        let mut value = String::new();
        store
            .read(&key, &info.current().unwrap().id, &mut |field| {
                if field.name == "password" {
                    value = String::from_utf8_lossy(field.bytes).into_owned();
                }
            })
            .unwrap();
        value
    }

    fn run(&self, args: &[&str]) -> Run {
        let stores = self.path("stores.toml");
        let mut all = args.to_vec();
        all.extend(["--stores", stores.to_str().unwrap()]);
        keysweep(self.repo.path(), &all)
    }

    fn named(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Verifies and plans; returns the plan's run.
    pub(crate) fn plan(&self, more: &[&str]) -> Run {
        let report = self.named("report.json");
        let verified = self.run(&["verify", ".", "--output", &format!("json={report}")]);
        assert_eq!(verified.code, 10, "{}", verified.stderr);
        let plan = self.named("plan.json");
        let mut args = vec!["rotate", "plan", "--report", &report, "--out", &plan];
        args.extend(more);
        self.run(&args)
    }

    pub(crate) fn apply(&self, more: &[&str]) -> Run {
        let plan = self.named("plan.json");
        let mut args = vec!["rotate", "apply", &plan];
        args.extend(more);
        self.run(&args)
    }

    /// Returns everything that a rotation has left behind, but the store and the identity.
    pub(crate) fn left(&self) -> String {
        let mut text = String::new();
        let mut folders = vec![self.path("state")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    text.push_str(&fs::read_to_string(path).unwrap());
                }
            }
        }
        for file in ["plan.json", "report.json"] {
            text.push_str(&fs::read_to_string(self.path(file)).unwrap());
        }
        text
    }
}

const NONE: &str =
    "[[targets]]\nstore = \"own\"\nkey = \"apps/db\"\nfield = \"password\"\nkind = \"none\"\n";

#[test]
fn a_leaked_value_of_the_local_store_is_replaced_and_nothing_tells_either_value() {
    let place = Place::new("allow = [\"own:**\"]\ngrace-minutes = 0", NONE);
    let planned = place.plan(&[]);
    assert_eq!(planned.code, 0, "{}{}", planned.text(), planned.stderr);
    assert!(planned.text().contains("NO PROOF"), "{}", planned.text());
    let dry = place.apply(&[]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert!(dry.text().contains("nothing was done"), "{}", dry.text());
    assert_eq!(place.current(), place.leaked);
    let applied = place.apply(&["--apply"]);
    assert_eq!(applied.code, 0, "{}{}", applied.text(), applied.stderr);
    let new = place.current();
    assert_ne!(new, place.leaked);
    assert_eq!(new.len(), 43);
    // Once more does nothing more.
    let again = place.apply(&["--apply"]);
    assert_eq!(again.code, 0, "{}{}", again.text(), again.stderr);
    assert!(
        again.text().contains("was done already at 20"),
        "{}",
        again.text()
    );
    assert_eq!(place.current(), new);
    let status = place.run(&["rotate", "status"]);
    assert_eq!(status.code, 0, "{}", status.stderr);
    assert_eq!(status.text(), "1 rotation has ended; --all lists it\n");
    let status = place.run(&["rotate", "status", "--all"]);
    assert_eq!(status.code, 0, "{}", status.stderr);
    assert!(
        status.text().contains("done  rotate own:apps/db"),
        "{}",
        status.text()
    );
    let audit = place.run(&["audit", "verify"]);
    assert_eq!(audit.code, 0, "{}", audit.stderr);
    // What apply has printed last is what the log has as its head.
    let text = audit.text();
    let head = text.lines().find_map(|line| line.strip_prefix("head "));
    let printed = format!("audit head {}", head.unwrap());
    assert!(again.text().contains(&printed), "{}", again.text());
    let told = [planned, dry, applied, again, status, audit];
    let told: String = told.iter().map(|run| run.text() + &run.stderr).collect();
    let told = told + &place.left();
    for value in [&place.leaked, &new] {
        for form in [value.clone(), STANDARD_NO_PAD.encode(value)] {
            assert!(!told.contains(&form), "{told}");
        }
    }
}

#[test]
fn grace_ends_with_the_process_and_resume_says_when_it_is_too_early() {
    let place = Place::new("allow = [\"own:**\"]\ngrace-minutes = 15", NONE);
    place.plan(&[]);
    let applied = place.apply(&["--apply"]);
    assert_eq!(applied.code, 12, "{}{}", applied.text(), applied.stderr);
    let resumed = place.run(&["rotate", "resume"]);
    assert_eq!(resumed.code, 12, "{}{}", resumed.text(), resumed.stderr);
    assert!(resumed.text().contains("valid until"), "{}", resumed.text());
    assert_eq!(place.run(&["rotate", "status"]).code, 12);
}

#[test]
fn what_is_not_allowed_is_listed_and_an_older_plan_does_not_stay() {
    let place = Place::new("", NONE);
    fs::write(place.path("plan.json"), "made up by somebody else").unwrap();
    let planned = place.plan(&[]);
    assert_eq!(planned.code, 10, "{}{}", planned.text(), planned.stderr);
    assert!(
        planned.text().contains("`allow` of stores.toml"),
        "{}",
        planned.text()
    );
    for more in [&[][..], &["--apply"]] {
        let applied = place.apply(more);
        assert_eq!(applied.code, 0, "{}{}", applied.text(), applied.stderr);
        assert!(
            applied.text().contains("nothing to do"),
            "{}",
            applied.text()
        );
    }
    assert_eq!(place.current(), place.leaked);
}

#[test]
fn a_protected_environment_waits_for_a_second_person() {
    let place = Place::new(
        "allow = [\"own:**\"]\nprotected = [\"prod\"]\ngrace-minutes = 0",
        NONE,
    );
    let planned = place.plan(&["--planner", "bob"]);
    assert_eq!(planned.code, 11, "{}{}", planned.text(), planned.stderr);
    let waits = place.apply(&["--apply"]);
    assert_eq!(waits.code, 11, "{}{}", waits.text(), waits.stderr);
    assert_eq!(place.current(), place.leaked);
    let key = place.named("alice.key");
    fs::write(&key, "5a".repeat(32)).unwrap();
    let plan = place.named("plan.json");
    let approve =
        |name: &str| place.run(&["rotate", "approve", &plan, "--key", &key, "--name", name]);
    // A signature that would not count is not made; what would make it count is said.
    let unknown = approve("alice");
    assert_eq!(unknown.code, 2, "{}", unknown.text());
    let approval = place.named("plan.json.approval");
    assert!(!PathBuf::from(&approval).exists());
    let told = unknown.stderr.replace(['\n', ' ', '│'], "");
    let public = told.split("[rotate.approvers]alice=\"").nth(1).unwrap();
    let public = public.split('"').next().unwrap();
    let stores = place.path("stores.toml");
    let file = fs::read_to_string(&stores).unwrap();
    let wrong = "00".repeat(32);
    let approvers = format!(
        "\n[rotate.approvers]\nalice = \"{public}\"\nbob = \"{public}\"\ncarol = \"{wrong}\"\n\n[[targets]]"
    );
    fs::write(&stores, file.replace("\n[[targets]]", &approvers)).unwrap();
    // Nor is one of the planner, or with another's key.
    for name in ["bob", "carol"] {
        let refused = approve(name);
        assert_eq!(refused.code, 2, "{}", refused.text());
    }
    let approved = approve("alice");
    assert_eq!(approved.code, 0, "{}", approved.stderr);
    assert!(
        approved.text().contains("--approval"),
        "{}",
        approved.text()
    );
    let applied = place.apply(&["--approval", &approval, "--apply"]);
    assert_eq!(applied.code, 0, "{}{}", applied.text(), applied.stderr);
    assert_ne!(place.current(), place.leaked);
}

#[test]
fn what_a_plan_says_of_other_readers_and_places_is_looked_at_again() {
    let place = Place::new("allow = [\"own:**\"]\ngrace-minutes = 0", NONE);
    place.plan(&[]);
    let path = place.path("plan.json");
    let made = fs::read(&path).unwrap();
    // Somebody writes that it was accepted, and a digest that fits.
    let mut forged = keysweep::rotate::Plan::read_unchecked(&made).unwrap();
    forged.actions[0].acknowledged = true;
    fs::write(&path, forged.to_text()).unwrap();
    let refused = place.apply(&["--apply"]);
    assert_eq!(refused.code, 2, "{}", refused.text());
    assert!(
        refused.stderr.contains("--ack-unknown"),
        "{}",
        refused.stderr
    );
    assert!(
        place
            .apply(&[])
            .text()
            .contains("--ack-unknown --apply does it")
    );
    // A plan that says that nothing else has the value, and something has.
    fs::write(&path, &made).unwrap();
    place.put_at("apps/other", &place.leaked, "");
    let refused = place.apply(&["--apply"]);
    assert_eq!(refused.code, 13, "{}{}", refused.text(), refused.stderr);
    assert!(
        refused.text().contains("1 other place holds"),
        "{}",
        refused.text()
    );
    assert_eq!(place.current(), place.leaked);
    // What was taken back is history, told with its time.
    assert_eq!(place.run(&["rotate", "status"]).code, 0);
    let again = place.apply(&["--apply"]);
    assert_eq!(again.code, 13);
    assert!(
        again.text().contains("was taken back already at 20"),
        "{}",
        again.text()
    );
}

#[test]
fn one_that_is_given_up_is_told_so_and_does_nothing_more() {
    let place = Place::new("allow = [\"own:**\"]\ngrace-minutes = 15", NONE);
    place.plan(&[]);
    let applied = place.apply(&["--apply"]);
    assert_eq!(applied.code, 12, "{}{}", applied.text(), applied.stderr);
    let id = applied.text().split_whitespace().next().unwrap().to_owned();
    let nobody = place.run(&["rotate", "abandon", "0000000000000000-0", "--reason", "x"]);
    assert_eq!(nobody.code, 2, "{}", nobody.text());
    let given_up = place.run(&["rotate", "abandon", &id, "--reason", "the service is gone"]);
    assert_eq!(given_up.code, 0, "{}{}", given_up.text(), given_up.stderr);
    assert_eq!(place.run(&["rotate", "status"]).code, 0);
    let told = place.run(&["rotate", "status", "--all"]).text();
    assert!(
        told.contains("abandoned") && told.contains("the service is gone"),
        "{told}"
    );
    let log = fs::read_to_string(place.path("state/audit.jsonl")).unwrap();
    assert!(
        log.contains("\"abandoned\"") && log.contains("the service is gone"),
        "{log}"
    );
    let journal = fs::read_to_string(place.path(&format!("state/journals/{id}.jsonl"))).unwrap();
    assert!(!journal.contains("sealed\":"), "{journal}");
    let resumed = place.run(&["rotate", "resume"]);
    assert!(
        resumed.text().contains("no rotation is under way"),
        "{}",
        resumed.text()
    );
    assert_eq!(place.apply(&["--apply"]).code, 14);
    assert_eq!(
        place.run(&["rotate", "abandon", &id, "--reason", "x"]).code,
        2
    );
}

#[test]
fn what_is_missing_is_told_in_the_order_in_which_it_is_needed() {
    let place = Place::new("allow = [\"own:**\"]", NONE);
    let plan = place.named("plan.json");
    let none = place.named("none");
    let planned = keysweep(
        place.repo.path(),
        &[
            "rotate", "plan", "--report", &none, "--out", &plan, "--stores", &none,
        ],
    );
    assert_eq!(planned.code, 2, "{}", planned.text());
    assert!(
        !planned.stderr.contains("stores file"),
        "{}",
        planned.stderr
    );
    let audit = place.run(&["audit", "verify"]);
    assert_eq!(audit.code, 2, "{}", audit.text());
    assert!(
        audit.stderr.contains("there is no audit log at"),
        "{}",
        audit.stderr
    );
}

#[test]
fn a_report_without_names_of_keys_plans_nothing_and_says_how_to_get_them() {
    let place = Place::new("allow = [\"own:**\"]", NONE);
    let report = place.named("report.json");
    let output = format!("json={report}");
    let verified = place.run(&["verify", ".", "--redact-paths", "--output", &output]);
    assert_eq!(verified.code, 10, "{}", verified.stderr);
    let plan = place.named("plan.json");
    let planned = place.run(&["rotate", "plan", "--report", &report, "--out", &plan]);
    assert_eq!(planned.code, 10, "{}", planned.stderr);
    let told = planned.text();
    assert!(told.contains("without --redact-paths"), "{told}");
    assert!(!told.contains("own:(withheld)"), "{told}");
}

#[cfg(unix)]
#[test]
fn who_plans_without_a_name_in_the_environment_is_the_systems_user() {
    let place = Place::new("allow = [\"own:**\"]", NONE);
    let planned = place.plan(&[]);
    let told = planned.text();
    let name = told
        .split("made by ")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    let id = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    let known = String::from_utf8(id.stdout).unwrap();
    assert!(name == known.trim() || name.starts_with("uid-"), "{told}");
}

#[test]
fn a_changed_plan_and_a_changed_log_are_refused() {
    let place = Place::new("allow = [\"own:**\"]\ngrace-minutes = 0", NONE);
    place.plan(&[]);
    let plan = place.path("plan.json");
    let text = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, text.replace("apps/db", "apps/dc")).unwrap();
    let refused = place.apply(&["--apply"]);
    assert_eq!(refused.code, 2, "{}", refused.text());
    assert!(
        refused.stderr.contains("changed after it was made"),
        "{}",
        refused.stderr
    );
    fs::write(&plan, text).unwrap();
    assert_eq!(place.apply(&["--apply"]).code, 0);
    let log = place.path("state/audit.jsonl");
    let lines = fs::read_to_string(&log).unwrap();
    let without_second: Vec<&str> = lines
        .lines()
        .enumerate()
        .filter(|(n, _)| *n != 1)
        .map(|(_, line)| line)
        .collect();
    fs::write(&log, without_second.join("\n") + "\n").unwrap();
    let audit = place.run(&["audit", "verify"]);
    assert_eq!(audit.code, 2, "{}", audit.text());
    assert!(audit.stderr.contains("line 2"), "{}", audit.stderr);
}

#[test]
fn a_stores_file_of_the_tree_itself_is_refused_by_every_command() {
    let place = Place::new("allow = [\"own:**\"]\ngrace-minutes = 0", NONE);
    place.plan(&[]);
    let inside = place.repo.path().join("stores.toml");
    fs::copy(place.path("stores.toml"), &inside).unwrap();
    let (report, plan) = (place.named("report.json"), place.named("plan.json"));
    let commands: [&[&str]; 5] = [
        &["rotate", "plan", "--report", &report, "--out", &plan],
        &["rotate", "apply", &plan, "--apply"],
        &["rotate", "resume"],
        &["rotate", "status"],
        &["audit", "verify"],
    ];
    for command in commands {
        let mut args = command.to_vec();
        args.extend(["--stores", inside.to_str().unwrap()]);
        let run = keysweep(place.repo.path(), &args);
        assert_eq!(run.code, 2, "{command:?}: {}", run.text());
        assert!(run.stderr.contains("stores.toml"), "{}", run.stderr);
    }
    assert_eq!(place.current(), place.leaked);
}

#[test]
fn a_report_that_was_not_verified_makes_no_plan() {
    let place = Place::new("allow = [\"own:**\"]", NONE);
    let report = place.named("scan.json");
    place_scan(&place, &report);
    let plan = place.named("plan.json");
    let planned = place.run(&["rotate", "plan", "--report", &report, "--out", &plan]);
    assert_eq!(planned.code, 2, "{}", planned.text());
    assert!(
        planned.stderr.contains("keysweep verify"),
        "{}",
        planned.stderr
    );
}

fn place_scan(place: &Place, report: &str) {
    let output = format!("json={report}");
    let scanned = keysweep(place.repo.path(), &["scan", ".", "--output", &output]);
    assert_eq!(scanned.code, 1, "{}", scanned.stderr);
}
