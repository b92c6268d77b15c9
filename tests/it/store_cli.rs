//! `keysweep store` as its users meet it: init, put, list, doctor, and what it refuses.

use std::{fs, path::PathBuf};

use crate::support::{Repo, Run, keysweep_with};

/// A repository and a user beside it.
struct User {
    home: Repo,
    repo: Repo,
}

impl User {
    fn new() -> Self {
        Self {
            home: Repo::plain(),
            repo: Repo::new(),
        }
    }

    fn config(&self, name: &str) -> PathBuf {
        self.home.path().join("config/keysweep").join(name)
    }

    fn run(&self, args: &[&str], input: &str) -> Run {
        let config = self.home.path().join("config");
        let environment = [
            ("HOME", self.home.path().to_str().unwrap()),
            ("XDG_CONFIG_HOME", config.to_str().unwrap()),
        ];
        keysweep_with(self.repo.path(), args, &environment, input.as_bytes())
    }

    fn good(&self, args: &[&str], input: &str) -> String {
        let run = self.run(args, input);
        assert_eq!(run.code, 0, "{args:?}: {} {}", run.text(), run.stderr);
        run.text()
    }
}

#[test]
fn a_store_is_made_filled_and_listed() {
    let user = User::new();
    let told = user.good(&["store", "init"], "");
    assert_eq!(told.matches("made  ").count(), 3, "{told}");
    assert!(told.contains("for age1"), "{told}");
    let value = "made-up value 8c1f";
    let told = user.good(
        &["store", "put", "apps/db", "password"],
        &format!("{value}\n"),
    );
    assert!(
        told.starts_with("wrote apps/db password in local: version "),
        "{told}"
    );
    assert!(!told.contains(value));
    user.good(&["store", "put", "apps/db", "password"], "another value 77");
    user.good(&["store", "put", "root"], "alone");
    let told = user.good(&["store", "list"], "");
    assert!(told.contains("local:apps/db  2 versions"), "{told}");
    assert!(told.contains("local:root  1 version"), "{told}");
    let told = user.good(&["store", "doctor"], "");
    assert!(
        told.starts_with("ok    local: SOPS file ") && told.contains("as age1"),
        "{told}"
    );
    let sealed = fs::read_to_string(user.repo.path().join("secrets/keysweep.sops.yaml")).unwrap();
    assert!(!sealed.contains("another value"));
    user.repo.commit("secrets");
    user.good(&["store", "put", "apps/db", "password"], "third value 12");
    let told = user.good(&["store", "list", "--store", "local"], "");
    assert!(
        told.contains("local:apps/db  3 versions"),
        "git and what it lacked: {told}"
    );
}

#[test]
fn init_overwrites_nothing() {
    let user = User::new();
    user.good(&["store", "init"], "");
    let files = [
        user.config("age.txt"),
        user.config("stores.toml"),
        user.repo.path().join("secrets/keysweep.sops.yaml"),
    ];
    let before: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let told = user.good(&["store", "init"], "");
    assert_eq!(told.matches("kept  ").count(), 3, "{told}");
    let told = user.good(
        &["store", "init", "--name", "second", "--file", "two.yaml"],
        "",
    );
    assert!(
        told.contains("add this to it:") && told.contains("[stores.second]"),
        "{told}"
    );
    let after: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!(before, after);
    #[cfg(unix)]
    for file in files.iter().take(2) {
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o777, 0o600);
    }
}

#[test]
fn what_the_repository_says_about_stores_is_refused() {
    let user = User::new();
    user.repo.write(
        "stores.toml",
        "[stores.x]\nkind = \"dotenv\"\nfiles = [\".env\"]\n",
    );
    for command in ["list", "doctor"] {
        let run = user.run(&["store", command, "--stores", "stores.toml"], "");
        assert_eq!(run.code, 2);
        assert!(
            run.stderr.contains("lies in the repository"),
            "{}",
            run.stderr
        );
    }
    let run = user.run(&["store", "init", "--identity", "age.txt"], "");
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("would lie in the repository"),
        "{}",
        run.stderr
    );
    assert!(!user.repo.path().join("age.txt").exists());
}

#[cfg(unix)]
#[test]
fn a_stores_file_that_others_may_change_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let user = User::new();
    user.good(&["store", "init"], "");
    let file = user.config("stores.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o622)).unwrap();
    let run = user.run(&["store", "list"], "");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("others may change"), "{}", run.stderr);
}

#[test]
fn doctor_tells_each_fault_with_a_way_out_and_a_code() {
    let user = User::new();
    user.good(&["store", "init"], "");
    let stores = user.config("stores.toml");
    let text = fs::read_to_string(&stores).unwrap();
    let more = "\n[stores.env]\nkind = \"dotenv\"\nfiles = [\"here.env\"]\n[stores.gone]\nkind = \"dotenv\"\nfiles = [\"gone.env\"]\n";
    fs::write(&stores, text + more).unwrap();
    fs::write(user.config("here.env"), "A=made-up\n").unwrap();
    let run = user.run(&["store", "doctor"], "");
    assert_eq!(run.code, 22, "{}", run.stderr);
    let told = run.text();
    assert_eq!(told.matches("ok    ").count(), 2, "{told}");
    assert!(
        told.contains("fault gone: cannot read") && told.contains("look at `files`"),
        "{told}"
    );
    let run = user.run(&["store", "put", "a", "b"], "x");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("env, gone, local"), "{}", run.stderr);
    let run = user.run(&["store", "put", "a", "b", "--store", "env"], "x");
    assert_eq!(run.code, 2);
    let run = user.run(&["store", "doctor", "--store", "locla"], "");
    assert!(
        run.text().contains("did you mean `local`?"),
        "{}",
        run.text()
    );
}

#[test]
fn without_a_stores_file_or_a_value_the_next_step_is_told() {
    let user = User::new();
    let run = user.run(&["store", "list"], "");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("keysweep store init"), "{}", run.stderr);
    user.good(&["store", "init"], "");
    let run = user.run(&["store", "put", "apps/db", "password"], "\n");
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("the value is empty"), "{}", run.stderr);
    let run = user.run(&["store", "put", "apps/db"], "x");
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("needs the name of a field"),
        "{}",
        run.stderr
    );
}

/// A key of a hostile server or file, as a user copies it from a listing.
const HOSTILE: &str = "apps/\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}x";

fn is_inert(text: &str) -> bool {
    let harmful = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    !text.contains(harmful)
}

#[test]
fn no_error_of_a_store_moves_the_cursor_or_turns_the_reading_direction() {
    let user = User::new();
    user.good(&["store", "init"], "");
    let told = user.good(&["store", "put", HOSTILE, "password"], "made-up 81");
    assert!(is_inert(&told), "{told:?}");
    // The key stands in what happened and in what to type next.
    for key in [HOSTILE.to_owned(), format!("{HOSTILE}/")] {
        let run = user.run(&["store", "put", &key], "x");
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains("x1b]0;owned"), "{}", run.stderr);
        assert!(is_inert(&run.stderr), "{:?}", run.stderr);
    }
    let listed = user.good(&["store", "list"], "");
    assert!(
        listed.contains("x1b]0;owned") && is_inert(&listed),
        "{listed:?}"
    );
    // So does the path of a file.
    let stores = user.config("stores.toml");
    let text = fs::read_to_string(&stores).unwrap();
    fs::write(&stores, text.replace("secrets/", "\\u001b[2J\\u202e/")).unwrap();
    let run = user.run(&["store", "put", "apps/db", "password"], "x");
    assert_ne!(run.code, 0);
    assert!(is_inert(&run.stderr), "{:?}", run.stderr);
    for command in ["doctor", "list"] {
        let run = user.run(&["store", command], "");
        assert_ne!(run.code, 0);
        assert!(is_inert(&run.text()), "{:?}", run.text());
    }
}
