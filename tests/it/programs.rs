//! Stores and targets behind a program: the documented example as it stands, and programs that misbehave.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path};

use keysweep::{
    config::stores::StoresFile,
    model::{ProviderState, Secret},
    stores::{
        Capabilities, Change, Fault, KeyPath, NativeProgress, NativeRotation, ReadOutcome,
        SecretStore, StoreError, Surroundings, VersionId,
        target::{self, Credential, Target},
    },
};

fn nowhere() -> Surroundings<'static> {
    Surroundings {
        variable: &|_| None,
        home: None,
        history: &|_| Ok(Vec::new()),
    }
}

fn try_store(program: &[&str], more: &str) -> Result<Box<dyn SecretStore>, StoreError> {
    let text = format!("[stores.own]\nkind = \"command\"\nprogram = {program:?}\n{more}");
    let file = StoresFile::parse("stores.toml", &text).expect("the test's settings are right");
    keysweep::stores::open("own", &file.stores["own"], &nowhere())
}

/// Writes a shell script and opens the store that it is.
fn shell(dir: &Path, script: &str) -> Box<dyn SecretStore> {
    let path = dir.join("store.sh");
    fs::write(&path, script).unwrap();
    try_store(&["sh", path.to_str().unwrap()], "timeout-s = 2").unwrap()
}

/// Returns the store of docs/stores-command.md, on a file with one key of two versions.
fn documented(dir: &Path) -> Box<dyn SecretStore> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/stores-command.md");
    let page = fs::read_to_string(page).unwrap();
    let code = page.split("```python\n").nth(1).unwrap();
    let code = code.split("```").next().unwrap();
    assert!(code.lines().count() <= 60, "short enough to be read");
    let program = dir.join("store.py");
    fs::write(&program, code).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let file = dir.join("store.json");
    let keys = r#"{"apps/db": [{"password": "made-up-1"}, {"password": "made-up-2", "user": "\u00e4pp \"x\""}]}"#;
    fs::write(&file, keys).unwrap();
    try_store(&[program.to_str().unwrap(), file.to_str().unwrap()], "").unwrap()
}

fn values(store: &dyn SecretStore, version: &str) -> Vec<(String, String)> {
    let mut values = Vec::new();
    let read = store.read(
        &KeyPath::new("apps/db"),
        &VersionId::new(version),
        &mut |field| {
            let value = String::from_utf8(field.bytes.to_vec()).unwrap();
            values.push((field.name.to_owned(), value));
        },
    );
    assert_eq!(read.unwrap(), ReadOutcome::Read);
    values
}

#[test]
fn the_documented_store_lists_reads_and_writes() {
    let dir = tempfile::tempdir().unwrap();
    let store = documented(dir.path());
    let store = store.as_ref();
    let expected = Capabilities {
        history: true,
        write: true,
        ..Capabilities::default()
    };
    assert_eq!(store.capabilities(), expected);
    assert!(
        store
            .health()
            .unwrap()
            .identity
            .unwrap()
            .starts_with("file ")
    );
    let page = store.list(None).unwrap();
    assert_eq!(page.keys.len(), 1);
    assert!(page.next.is_none());
    let key = KeyPath::new("apps/db");
    let info = store.describe(&key).unwrap();
    assert_eq!(page.keys[0].info.as_ref(), Some(&info));
    let base = info.current().unwrap().id.clone();
    assert_eq!(base, VersionId::new("2"));
    assert_eq!(
        values(store, "1"),
        [("password".to_owned(), "made-up-1".to_owned())]
    );
    assert_eq!(values(store, "2")[1].1, "äpp \"x\"");
    let none = store.describe(&KeyPath::new("apps/no")).unwrap_err();
    assert_eq!(none.fault, Fault::NotFound);
    assert_eq!(store.readers(&key).unwrap_err().fault, Fault::Unsupported);

    let fields = BTreeMap::from([(
        "password".to_owned(),
        Secret::new("made-up-3 é\n".as_bytes()),
    )]);
    let change = Change {
        key: &key,
        base: &base,
        fields: &fields,
        token: "0123456789abcdef0123456789abcdef",
    };
    assert_eq!(store.stage(&change).unwrap(), VersionId::new("3"));
    assert_eq!(
        store.stage(&change).unwrap(),
        VersionId::new("3"),
        "done twice is done once"
    );
    assert_eq!(values(store, "3")[0].1, "made-up-3 é\n");
    assert_eq!(values(store, "3")[1].1, "äpp \"x\"", "other fields stay");
    let other = BTreeMap::from([("password".to_owned(), Secret::new(b"made-up-4"))]);
    let late = Change {
        fields: &other,
        ..change
    };
    assert_eq!(store.stage(&late).unwrap_err().fault, Fault::Conflict);
    assert_eq!(store.describe(&key).unwrap().versions.len(), 3);
}

#[test]
fn pages_follow_each_other_and_never_go_round() {
    let dir = tempfile::tempdir().unwrap();
    let store = documented(dir.path());
    let keys: BTreeMap<String, Vec<BTreeMap<&str, &str>>> = (0..250)
        .map(|n| (format!("k{n:03}"), vec![BTreeMap::from([("", "made-up")])]))
        .collect();
    let file = dir.path().join("store.json");
    fs::write(&file, serde_json::to_string(&keys).unwrap()).unwrap();
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.list(after.as_ref()).unwrap();
        seen.extend(page.keys.into_iter().map(|entry| entry.key.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, keys.into_keys().collect::<Vec<_>>());
    let round = shell(
        dir.path(),
        r#"cat >/dev/null; echo '{"ok":{"keys":[],"next":"x"}}'"#,
    );
    let next = round.list(None).unwrap().next;
    assert_eq!(
        round.list(next.as_ref()).unwrap_err().fault,
        Fault::Protocol
    );
}

/// What a program does, and what that means for a read and for a change.
const MISBEHAVES: &[(&str, Fault, Fault)] = &[
    (
        "echo made-up-value >&2; exit 1",
        Fault::Unavailable,
        Fault::Unknown,
    ),
    (
        "echo '{\"ok\":{}}'; exit 3",
        Fault::Unavailable,
        Fault::Unknown,
    ),
    ("sleep 30", Fault::Unavailable, Fault::Unknown),
    ("yes made-up-value", Fault::Unavailable, Fault::Unknown),
    ("echo made-up-value", Fault::Protocol, Fault::Unknown),
    (
        "echo '{\"ok\":{}} {\"ok\":{}}'",
        Fault::Protocol,
        Fault::Unknown,
    ),
    (
        "echo '{\"ok\":{},\"error\":\"denied\"}'",
        Fault::Protocol,
        Fault::Unknown,
    ),
    (
        "echo '{\"ok\":{\"fields\":[{\"name\":\"a\",\"value\":\"made-up-value\"}]}}'",
        Fault::Protocol,
        Fault::Unknown,
    ),
    (
        "echo '{\"ok\":{\"fields\":[{\"name\":\"a\",\"encoding\":\"base64\",\"value\":\"made-up-value\"}]}}'",
        Fault::Protocol,
        Fault::Unknown,
    ),
    (
        "echo '{\"error\":\"made-up-value\"}'",
        Fault::Protocol,
        Fault::Unknown,
    ),
    (
        "echo '{\"error\":\"denied\"}'",
        Fault::Denied,
        Fault::Denied,
    ),
];

#[test]
fn a_program_that_misbehaves_is_an_error_that_tells_no_value() {
    let dir = tempfile::tempdir().unwrap();
    let key = KeyPath::new("k");
    let version = VersionId::new("1");
    for (script, read, write) in MISBEHAVES {
        let store = shell(dir.path(), &format!("cat >/dev/null\n{script}\n"));
        let mut lent = 0;
        let error = store.read(&key, &version, &mut |_| lent += 1).unwrap_err();
        assert_eq!((&error.fault, lent), (read, 0), "{script}");
        let fields = BTreeMap::new();
        let change = Change {
            key: &key,
            base: &version,
            fields: &fields,
            token: "t",
        };
        let changed = store.stage(&change).unwrap_err();
        assert_eq!(changed.fault, *write, "{script}");
        let told = format!("{error:?} {changed:?}");
        assert!(!told.contains("made-up"), "{told}");
        assert_eq!(
            told.contains("standard error"),
            script.contains(">&2"),
            "{told}"
        );
    }
}

#[test]
fn a_program_gets_the_request_alone_and_runs_outside_of_the_tree() {
    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    let script = format!(
        "cat >{0}; pwd >>{0}; echo \"$@\" >>{0}; echo '{{\"ok\":{{\"state\":\"done\",\"version\":\"7\"}}}}'",
        seen.display()
    );
    let store = shell(dir.path(), &script);
    let rotation = NativeRotation {
        key: KeyPath::new("a \"b\"\n"),
        mark: "m".to_owned(),
    };
    let progress = store.poll(&rotation).unwrap();
    assert_eq!(progress, NativeProgress::Done(VersionId::new("7")));
    let seen = fs::read_to_string(&seen).unwrap();
    let (request, rest) = seen.split_once('\n').unwrap();
    let request: serde_json::Value = serde_json::from_str(request).unwrap();
    let expected = serde_json::json!({"keysweep": 1, "for": "store", "op": "poll", "key": "a \"b\"\n", "mark": "m"});
    assert_eq!(request, expected);
    assert_eq!(rest, "/\n\n");
    for (program, more) in [
        (&["./tool"][..], ""),
        (&["bin/tool"], ""),
        (&[], ""),
        (&[""], ""),
        (&["sh"], "timeout-s = 0"),
        (&["sh"], "timeout-s = 601"),
    ] {
        let error = try_store(program, more).err().unwrap();
        assert_eq!(error.fault, Fault::Setup, "{program:?} {more}");
    }
    let none = try_store(&["/no/such/program"], "").unwrap();
    assert_eq!(none.health().unwrap_err().fault, Fault::Setup);
    assert_eq!(none.capabilities(), Capabilities::default());
}

/// A target that keeps the valid values of a user in a file, one a line.
const TARGET: &str = r#"
import base64, json, sys
FILE = sys.argv[1]
q = json.load(sys.stdin)
assert q["keysweep"] == 1 and q["for"] == "target", q
valid = open(FILE).read().split("\n")
def value(name): return base64.b64decode(q[name]["value"]).decode()
def save(keep): open(FILE, "w").write("\n".join(keep))
op, ok = q["op"], {}
if op == "traits": ok = {"grace": True, "proves_death": True, "ends_sessions": True}
elif op == "probe": ok = {"state": "accepted" if value("credential") in valid else "refused"}
elif op == "prepare": sys.exit(print('{"error": "unsupported"}'))
elif op == "issue": value("new") in valid or save(valid + [value("new")])
elif op == "withdraw": save([v for v in valid if v != value("new")])
elif op in ("disable", "destroy"): save([v for v in valid if v != value("old")])
elif op == "end-sessions": ok = {"ended": 3}
elif op == "check" and value("old") not in valid: sys.exit(print('{"error": "not-found"}'))
print(json.dumps({"ok": ok}))
"#;

fn program_target(program: &[&str]) -> Box<dyn Target> {
    let text = format!(
        "[stores.s]\nkind = \"dotenv\"\n[[targets]]\nstore = \"s\"\nkey = \"k\"\nkind = \"command\"\nprogram = {program:?}\ntimeout-s = 10"
    );
    let file = StoresFile::parse("stores.toml", &text).unwrap();
    target::open(&file.targets[0], &nowhere()).unwrap()
}

#[test]
fn a_target_behind_a_program_goes_the_whole_way() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("target.py");
    fs::write(&program, TARGET).unwrap();
    let valid = dir.path().join("valid");
    fs::write(&valid, "made-up-old").unwrap();
    let target = program_target(&[
        "python3",
        program.to_str().unwrap(),
        valid.to_str().unwrap(),
    ]);
    let traits = target.traits();
    assert!(traits.grace && traits.proves_death && !traits.reversible && !traits.makes_value);
    let old = Credential {
        user: Some("app".to_owned()),
        secret: Secret::new(b"made-up-old"),
    };
    target.check(&old).unwrap();
    let new = target
        .prepare(&old, &Secret::new(b"made-up-new"))
        .unwrap()
        .unwrap();
    assert_eq!(target.probe(&new).unwrap(), ProviderState::Refused);
    for _ in 0..2 {
        let issued = target.issue(&old, Some(&new), "t").unwrap();
        assert!(issued.secret == new.secret);
        assert_eq!(
            fs::read_to_string(&valid).unwrap(),
            "made-up-old\nmade-up-new"
        );
    }
    target.withdraw(&old, &new).unwrap();
    assert_eq!(target.probe(&new).unwrap(), ProviderState::Refused);
    target.issue(&old, Some(&new), "t").unwrap();
    target.disable(&old, &new).unwrap();
    assert_eq!(target.end_sessions(&old, &new).unwrap(), 3);
    target.destroy(&old, &new).unwrap();
    assert_eq!(target.probe(&old).unwrap(), ProviderState::Refused);
    assert_eq!(target.probe(&new).unwrap(), ProviderState::Accepted);
    assert_eq!(target.check(&old).unwrap_err().fault, Fault::NotFound);
    fs::remove_file(&valid).unwrap();
    assert!(matches!(
        target.probe(&old).unwrap(),
        ProviderState::Unknown { .. }
    ));
    assert_eq!(
        target.disable(&old, &new).unwrap_err().fault,
        Fault::Unknown
    );
}

/// What a webhook was sent: the lines of the head, and the body.
type Seen = (Vec<String>, String);

/// A service that answers each request in turn with a status and a body, in which `ID` is the delivery's id.
fn service(answers: &'static [(&str, &str)]) -> (u16, std::thread::JoinHandle<Vec<Seen>>) {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = std::thread::spawn(move || {
        let mut seen = Vec::new();
        for (status, body) in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                head.push(line.trim().to_owned());
            }
            let of = |name: &str| {
                let mut lines = head.iter().filter_map(|line| line.split_once(": "));
                let found = lines.find(|(own, _)| own.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_owned()).unwrap()
            };
            let mut request = vec![0; of("content-length").parse().unwrap()];
            reader.read_exact(&mut request).unwrap();
            let body = body.replace("ID", &of("x-keysweep-delivery"));
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            seen.push((head, String::from_utf8(request).unwrap()));
        }
        seen
    });
    (port, served)
}

const KEY: &str = "made-up-key-made-up-key-made-up-key";

fn webhook(dir: &Path, address: &str, key: &str) -> Result<Box<dyn Target>, StoreError> {
    let file = dir.join("key");
    fs::write(&file, key).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        "[stores.s]\nkind = \"dotenv\"\n[[targets]]\nstore = \"s\"\nkey = \"apps/db\"\nfield = \"password\"\nkind = \"webhook\"\naddress = \"{address}\"\nkey-file = \"{}\"",
        file.display()
    );
    let file = StoresFile::parse("stores.toml", &text).unwrap();
    target::open(&file.targets[0], &nowhere())
}

fn pair() -> (Credential, Credential) {
    let credential = |secret: &[u8]| Credential {
        user: Some("app".to_owned()),
        secret: Secret::new(secret),
    };
    (credential(b"made-up-old"), credential(b"made-up-new"))
}

/// Checks a signature with Python's own HMAC.
fn is_signed(header: &str, body: &str) -> bool {
    let check = "import hmac, sys; t, v = sys.argv[1].split(','); m = hmac.new(sys.argv[2].encode(), (t[2:] + '.' + sys.argv[3]).encode(), 'sha256'); sys.exit(v != 'v1=' + m.hexdigest())";
    let ran = std::process::Command::new("python3")
        .args(["-c", check, header, KEY, body])
        .status();
    ran.unwrap().success()
}

#[test]
fn a_webhook_is_signed_and_told_no_value() {
    const DONE: (&str, &str) = (
        "200 OK",
        "{\"delivery\":\"ID\",\"status\":\"done\",\"ended\":2}",
    );
    let dir = tempfile::tempdir().unwrap();
    let (port, served) = service(&[DONE, DONE, DONE, DONE, DONE]);
    let target = webhook(dir.path(), &format!("http://127.0.0.1:{port}/hook"), KEY).unwrap();
    let (old, new) = pair();
    target.check(&old).unwrap();
    target.issue(&old, Some(&new), "t1").unwrap();
    target.issue(&old, Some(&new), "t1").unwrap();
    target.disable(&old, &new).unwrap();
    assert_eq!(target.end_sessions(&new, &old).unwrap(), 2);
    assert!(matches!(
        target.probe(&old).unwrap(),
        ProviderState::Unknown { .. }
    ));
    let seen = served.join().unwrap();
    let mut ids = Vec::new();
    for ((head, body), event) in
        seen.iter()
            .zip(["check", "issue", "issue", "disable", "end-sessions"])
    {
        assert!(head[0].starts_with("POST /hook "));
        let told = format!("{head:?} {body}");
        assert!(!told.contains("made-up"), "{told}");
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(json["event"], event);
        assert_eq!(
            (&json["store"], &json["key"]),
            (&"s".into(), &"apps/db".into())
        );
        assert_eq!(
            (&json["field"], &json["user"]),
            (&"password".into(), &"app".into())
        );
        let signature = head.iter().find_map(|line| {
            line.to_lowercase()
                .strip_prefix("x-keysweep-signature: ")
                .map(str::to_owned)
        });
        let signature = signature.unwrap();
        assert!(is_signed(&signature, body), "{signature}");
        assert!(!is_signed(&signature, &body.replace("apps", "root")));
        ids.push(json["delivery"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids[1], ids[2], "sent again, it is the same delivery");
    ids.dedup();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_webhook_s_answer_counts_only_if_it_is_right() {
    const ANSWERS: &[(&str, &str)] = &[
        ("200 OK", "{\"delivery\":\"ID\",\"status\":\"pending\"}"),
        ("200 OK", "{\"delivery\":\"ID\",\"status\":\"refused\"}"),
        ("200 OK", "{\"delivery\":\"ID\",\"status\":\"unsupported\"}"),
        ("200 OK", "{\"delivery\":\"other\",\"status\":\"done\"}"),
        ("200 OK", "{\"delivery\":\"ID\",\"status\":\"made-up\"}"),
        ("200 OK", "made-up"),
        ("202 Accepted", "{\"delivery\":\"ID\",\"status\":\"done\"}"),
        ("401 Unauthorized", "made-up"),
        ("500 Oh", "made-up"),
    ];
    let expected = [
        Fault::Retryable { after: None },
        Fault::Denied,
        Fault::Unsupported,
        Fault::Unknown,
        Fault::Unknown,
        Fault::Unknown,
        Fault::Unknown,
        Fault::Unauthenticated,
        Fault::Unknown,
    ];
    let dir = tempfile::tempdir().unwrap();
    let (port, served) = service(ANSWERS);
    let target = webhook(dir.path(), &format!("http://127.0.0.1:{port}"), KEY).unwrap();
    let (old, new) = pair();
    for (fault, answer) in expected.iter().zip(ANSWERS) {
        let error = target.disable(&old, &new).unwrap_err();
        assert_eq!(error.fault, *fault, "{answer:?}");
        assert!(!format!("{error:?}").contains("made-up"), "{error:?}");
    }
    served.join().unwrap();
    let gone = target.disable(&old, &new).unwrap_err();
    assert_eq!(gone.fault, Fault::Unavailable, "nothing was sent");
    for (address, key) in [
        ("http://hook.example/", KEY),
        ("https://hook.example/", "short"),
    ] {
        assert_eq!(
            webhook(dir.path(), address, key).err().unwrap().fault,
            Fault::Setup
        );
    }
}
