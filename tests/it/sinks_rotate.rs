//! From a leak to a new value in the store and in its copies, with the program as people run it: the local store, a secret of GitHub on a
//! fake, a program with a copy, and a hook.

use std::{fs, path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    rotate::Place,
    servers::Fake,
    sinks_github::{Hub, token_file},
};

const AT: &str = "/repos/acme/app/actions/secrets";
const NONE: &str =
    "[[targets]]\nstore = \"own\"\nkey = \"apps/db\"\nfield = \"password\"\nkind = \"none\"\n";

/// Notes each request that changes something; refuses if there is a file of the name `refuse` beside its notes.
const PROGRAM: &str = r#"
request=$(cat)
case "$request" in
*'"op":"check"'*) echo '{"ok":{"marker":"zero"}}' ;;
*'"op":"put"'*)
    if [ -e "$1.refuse" ]; then rm "$1.refuse"; echo '{"error":"denied"}'; exit; fi
    printf '%s\n' "$request" >>"$1"
    echo '{"ok":{"marker":"one"}}' ;;
*) echo '{"error":"unsupported"}' ;;
esac
"#;

struct Copies {
    place: Place,
    hub: Arc<std::sync::Mutex<Hub>>,
    fake: Fake,
    programs: tempfile::TempDir,
}

impl Copies {
    fn new(rotate: &str) -> Self {
        let hub = Hub::new(&["DB_PASSWORD"]);
        let fake = Hub::serve(&hub, AT);
        let programs = tempfile::tempdir().unwrap();
        let token = programs.path().join("token");
        token_file(&token, 0o600);
        let program = programs.path().join("sink.sh");
        fs::write(&program, PROGRAM).unwrap();
        let command = |name: &str| {
            let notes = programs.path().join(name);
            format!("kind = \"command\"\nprogram = [\"sh\", {program:?}, {notes:?}]\n")
        };
        let sink = "\n[[sinks]]\nstore = \"own\"\nkey = \"apps/db\"\n";
        let text = format!(
            "{NONE}{sink}field = \"password\"\nkind = \"github\"\naddress = \"{}\"\nrepository = \"acme/app\"\nsecret = \"DB_PASSWORD\"\ntoken-file = {token:?}\n\
             {sink}field = \"password\"\n{}{sink}{}without-value = true\n",
            fake.address,
            command("copy"),
            command("hook"),
        );
        Self {
            place: Place::new(rotate, &text),
            hub,
            fake,
            programs,
        }
    }

    fn noted(&self, name: &str) -> PathBuf {
        self.programs.path().join(name)
    }

    /// Returns the requests that a program has noted.
    fn requests(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.noted(name)).unwrap_or_default();
        let requests = text.lines().map(|line| serde_json::from_str(line).unwrap());
        requests.collect()
    }

    /// Returns the values that the program with a copy got.
    fn values(&self) -> Vec<String> {
        let requests = self.requests("copy");
        let value = |request: &Value| {
            assert_eq!(request["new"]["encoding"], "base64");
            let value = STANDARD.decode(request["new"]["value"].as_str().unwrap());
            String::from_utf8(value.unwrap()).unwrap()
        };
        requests.iter().map(value).collect()
    }
}

const ALLOW: &str = "allow = [\"own:**\"]\ngrace-minutes = 0";

#[test]
fn copies_get_the_new_value_and_nothing_tells_it() {
    let copies = Copies::new(ALLOW);
    let place = &copies.place;
    let planned = place.plan(&[]);
    assert_eq!(planned.code, 0, "{}{}", planned.text(), planned.stderr);
    let text = planned.text();
    for line in [
        "then give it to github:",
        "acme/app/actions/DB_PASSWORD",
        "then give it to command:sh",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let dry = place.apply(&[]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert!(copies.fake.asked().is_empty(), "a look asks nobody");
    let applied = place.apply(&["--apply"]);
    assert_eq!(applied.code, 0, "{}{}", applied.text(), applied.stderr);
    let new = place.current();
    assert_ne!(new, place.leaked);
    assert_eq!(copies.hub.lock().unwrap().opened["DB_PASSWORD"], new);
    assert_eq!(copies.values(), [new.as_str()]);
    let hook = copies.requests("hook");
    assert_eq!(hook.len(), 1);
    assert_eq!(
        (&hook[0]["for"], &hook[0]["key"]),
        (&"sink".into(), &"apps/db".into())
    );
    assert!(hook[0]["new"].is_null() && hook[0]["token"].is_string());
    // Once more does nothing more.
    assert_eq!(place.apply(&["--apply"]).code, 0);
    assert_eq!(copies.hub.lock().unwrap().puts, 1);
    let told: String = [planned, dry, applied]
        .iter()
        .map(|run| run.text() + &run.stderr)
        .collect();
    let told = told + &place.left();
    for value in [&place.leaked, &new] {
        assert!(!told.contains(value.as_str()) && !told.contains(&STANDARD.encode(value)));
    }
    assert!(told.contains("deliver github:"), "{told}");
}

#[test]
fn a_copy_that_refuses_brings_the_old_value_back_everywhere() {
    let copies = Copies::new(ALLOW);
    let place = &copies.place;
    assert_eq!(place.plan(&[]).code, 0);
    fs::write(copies.noted("hook.refuse"), "").unwrap();
    let applied = place.apply(&["--apply"]);
    assert_eq!(applied.code, 13, "{}{}", applied.text(), applied.stderr);
    assert_eq!(place.current(), place.leaked);
    assert_eq!(
        copies.hub.lock().unwrap().opened["DB_PASSWORD"],
        place.leaked
    );
    let values = copies.values();
    assert_eq!(values.len(), 2);
    assert_ne!(values[0], place.leaked);
    assert_eq!(values[1], place.leaked);
}

#[test]
fn a_sink_that_nobody_has_seen_in_the_plan_is_refused_before_anything() {
    let copies = Copies::new(ALLOW);
    let place = &copies.place;
    assert_eq!(place.plan(&[]).code, 0);
    let stores = place.path("stores.toml");
    let text = fs::read_to_string(&stores).unwrap();
    let more = "[[sinks]]\nstore = \"own\"\nkey = \"apps/db\"\nkind = \"command\"\nprogram = [\"true\"]\nwithout-value = true\n";
    fs::write(&stores, format!("{text}\n{more}")).unwrap();
    let applied = place.apply(&["--apply"]);
    assert_eq!(applied.code, 2, "{}{}", applied.text(), applied.stderr);
    assert!(applied.stderr.contains("was added"), "{}", applied.stderr);
    assert_eq!(place.current(), place.leaked);
    assert!(copies.fake.asked().is_empty());
    // A new plan has it, and the first one still stands for the file as it was.
    fs::write(&stores, text).unwrap();
    assert_eq!(place.apply(&["--apply"]).code, 0);
}

#[test]
fn a_sinks_own_token_is_not_rotated() {
    let copies = Copies::new(ALLOW);
    let place = &copies.place;
    fs::write(copies.noted("token"), &place.leaked).unwrap();
    let planned = place.plan(&[]);
    assert_eq!(planned.code, 10, "{}{}", planned.text(), planned.stderr);
    assert!(
        planned.text().contains("keysweep itself uses it"),
        "{}",
        planned.text()
    );
}
