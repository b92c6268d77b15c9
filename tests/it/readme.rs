//! The README's path from a leak to a dead credential, run as it stands there by a shell.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::support::{Repo, program};

/// The commands of the first block of the section.
fn commands() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("### Is it live?").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.lines().map(ToOwned::to_owned).collect()
}

/// Runs commands as one session of a shell in a clone of this repository, at the home of a user who has nothing.
fn session(home: &Path, commands: &[String]) -> Output {
    let bin = home.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let link = bin.join("keysweep");
    if !link.exists() {
        std::os::unix::fs::symlink(program(), &link).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    Command::new("sh")
        .args(["-c", &commands.join("\n")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .envs([("PATH", path.as_str()), ("HOME", home.to_str().unwrap())])
        .env("USER", "alice")
        .output()
        .unwrap()
}

#[test]
fn three_commands_lead_from_a_leak_to_a_dead_credential() {
    let home = Repo::plain();
    let commands = commands();
    assert_eq!(commands.len(), 3, "{commands:?}");
    let leak = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/leak/service/production.env"),
    )
    .unwrap();
    let (_, value) = leak.trim_end().rsplit_once('=').unwrap();
    let hide = |output: &Output| {
        let text = [&output.stdout[..], &output.stderr[..]].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains(value), "the value is shown");
        text
    };

    let found = session(home.path(), commands.get(..2).unwrap());
    let told = hide(&found);
    assert_eq!(found.status.code(), Some(10), "{told}");
    assert!(
        told.contains("LIVE: the current value of local:apps/db (password, version "),
        "{told}"
    );
    assert!(told.contains("its system accepts it"), "{told}");

    let again = [
        "cd ~/keysweep-demo/service; export KEYSWEEP_STORES=~/keysweep-demo/stores.toml".to_owned(),
        commands.get(2).unwrap().clone(),
    ];
    let rotated = session(home.path(), &again);
    let told = hide(&rotated);
    assert_eq!(rotated.status.code(), Some(0), "{told}");
    for line in [
        "done: the old credential is refused",
        "the value before the current one of local:apps/db (password, version ",
        "its system refuses it",
        "\nhead ",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let database = home.path().join("keysweep-demo/database.json");
    let database = fs::read_to_string(database).unwrap();
    assert_eq!(database.matches('"').count(), 4, "one password: {database}");
    let before = include_str!("../../fixtures/leak/database.json");
    assert_ne!(database.trim(), before.trim(), "and not the leaked one");
}
