use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{edit::New, make::new_file, *};
use crate::model::Secret;

fn run() -> NameKey {
    NameKey(Zeroizing::new([7; 32]))
}

/// Returns an identity, and a file of one key for it.
fn place() -> (tempfile::TempDir, Identities, SopsFile) {
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("age.txt");
    let recipient = generate_identity(&identity).unwrap();
    let identities = Identities::read(&identity).unwrap();
    let text = new_file(&[recipient]).unwrap();
    let file = SopsFile::open(text.as_bytes(), &identities, &run()).unwrap();
    let file = put(&file, "apps/db", &[("user", "u"), ("password", "one")]);
    (folder, identities, file)
}

fn put(file: &SopsFile, key: &str, fields: &[(&str, &str)]) -> SopsFile {
    let secrets: Vec<_> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Secret::new(value.as_bytes())))
        .collect();
    let fields = secrets
        .iter()
        .map(|(name, secret)| (name.clone(), New::Value(secret)))
        .collect();
    edit::set(file, &KeyPath::new(key), &fields, &run()).unwrap()
}

fn value(file: &SopsFile, key: &str, field: &str) -> String {
    let leaf = file
        .keys
        .get(&KeyPath::new(key))
        .unwrap()
        .leaf(field)
        .unwrap();
    String::from_utf8(open_leaf(&file.key, leaf).unwrap().bytes.to_vec()).unwrap()
}

#[test]
fn the_layout_of_people_is_kept() {
    let (_folder, identities, file) = place();
    let laid = file
        .text
        .replace("apps:\n", "# ours\n\napps: # all\n")
        .replace("    db:\n", "  db:\n")
        .replace("        password: ", "      password:   ")
        .replace("        user: ", "      user: ");
    let laid = SopsFile::open(laid.as_bytes(), &identities, &run()).unwrap();
    let next = put(&laid, "apps/db", &[("password", "two"), ("more", "m")]);
    let next = put(&next, "apps/web/inner", &[("token", "t")]);
    assert!(
        next.text
            .starts_with("# ours\n\napps: # all\n  db:\n      password:   ENC["),
        "{}",
        next.text
    );
    assert!(next.text.contains("\n      more: ENC["), "{}", next.text);
    assert!(
        next.text
            .contains("\n  web:\n      inner:\n          token: ENC["),
        "{}",
        next.text
    );
    assert_eq!(value(&next, "apps/db", "password"), "two");
    assert_eq!(value(&next, "apps/web/inner", "token"), "t");
}

#[test]
fn fields_that_were_added_can_be_taken_out() {
    let (_folder, _, file) = place();
    let more = put(&file, "apps/db", &[("more", "m")]);
    let fields = BTreeMap::from([("more".to_owned(), New::Gone)]);
    let less = edit::set(&more, &KeyPath::new("apps/db"), &fields, &run()).unwrap();
    let key = KeyPath::new("apps/db");
    assert_eq!(
        less.keys.get(&key).unwrap().id(),
        file.keys.get(&key).unwrap().id()
    );
}

#[test]
fn what_cannot_be_written_is_refused_with_a_way_out() {
    let (_folder, _, file) = place();
    for (key, field, value) in [
        ("sops", "mac", "x"),
        ("sops/age", "enc", "x"),
        ("apps/db", "note_unencrypted", "x"),
        ("apps/db", "", "x"),
        ("apps/db/password", "x", "x"),
        ("apps", "db", "x"),
        ("apps//x", "y", "x"),
        ("apps/db", "a/b", "x"),
        ("", "a", "x"),
        ("apps/db", "password", "\u{0}\u{1}"),
    ] {
        let secret = Secret::new(value.as_bytes());
        let fields = BTreeMap::from([(field.to_owned(), New::Value(&secret))]);
        let result = edit::set(&file, &KeyPath::new(key), &fields, &run());
        if key == "apps/db" && field == "password" {
            // Sops itself stores control characters; they are sealed like anything else.
            assert!(result.is_ok());
            continue;
        }
        let trouble = result.err().unwrap();
        assert_eq!(trouble.fault, Fault::Setup, "{key} {field}");
        assert!(!trouble.help.is_empty());
    }
    let secret = Secret::new(b"\xff\xfe");
    let fields = BTreeMap::from([("password".to_owned(), New::Value(&secret))]);
    let trouble = edit::set(&file, &KeyPath::new("apps/db"), &fields, &run())
        .err()
        .unwrap();
    assert!(trouble.help.contains("base64"));
}

#[test]
fn no_cut_of_a_file_opens_or_upsets_the_reader() {
    let (_folder, identities, file) = place();
    let bytes = file.text.as_bytes();
    for end in (0..bytes.len() - 1).step_by(7) {
        let cut = bytes.get(..end).unwrap();
        // What is left after the version line is whole; all before it lacks something.
        let opened = SopsFile::open(cut, &identities, &run());
        // The line before may lack its line end.
        let only_the_end_is_gone = end + 1 >= file.text.find("    unencrypted_suffix").unwrap();
        assert!(opened.is_err() || only_the_end_is_gone, "{end}");
    }
}

#[test]
fn nothing_of_a_value_is_in_debug_or_errors() {
    let (_folder, identities, file) = place();
    let broken = file.text.replace("type:str", "type:int");
    let trouble = SopsFile::open(broken.as_bytes(), &identities, &run())
        .err()
        .unwrap();
    let told = format!("{trouble:?}");
    assert!(
        told.contains("not of the type") && !told.contains("one"),
        "{told}"
    );
}

#[test]
fn another_layout_of_identities_is_told_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.txt");
    fs::write(&path, "# comment\n\nAGE-PLUGIN-MADE-UP-1QQ\n").unwrap();
    let error = recipients(&path).unwrap_err();
    assert!(
        error.what.contains("line 3") && !error.what.contains("1QQ"),
        "{error}"
    );
    fs::write(&path, "# nothing\n").unwrap();
    assert_eq!(recipients(&path).unwrap_err().fault, Fault::Unauthenticated);
}
