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
fn a_report_that_is_missing_is_told_before_a_stores_file_that_is() {
    let run = User::new().run(&["verify", "--report", "gone.json"], "");
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("gone.json"), "{}", run.stderr);
    assert!(!run.stderr.contains("stores.toml"), "{}", run.stderr);
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
fn a_stores_file_beside_the_repository_is_taken_however_it_is_written() {
    use std::os::unix::fs::symlink;
    let user = User::new();
    let text = "[stores.x]\nkind = \"dotenv\"\nfiles = [\"a.env\"]\n";
    user.home.write("s.toml", text);
    user.home.write("a.env", "A=made-up\n");
    let app = user.home.path().join("app");
    fs::create_dir_all(app.join("deep")).unwrap();
    user.home.write("app/s.toml", text);
    let git = std::process::Command::new("git")
        .args(["init", "-q", "."])
        .current_dir(&app)
        .status();
    assert!(git.unwrap().success());
    let evil = user.home.path().join("evil");
    fs::create_dir_all(evil.join("x")).unwrap();
    user.home.write("evil/s.toml", text);
    symlink(&app, user.home.path().join("to-app")).unwrap();
    symlink(evil.join("x"), app.join("out")).unwrap();
    symlink(user.home.path().join("s.toml"), app.join("link.toml")).unwrap();
    let run = |stores: &str| {
        let args = ["store", "list", "--stores", stores];
        keysweep_with(
            &app,
            &args,
            &[("HOME", user.home.path().to_str().unwrap())],
            b"",
        )
    };
    for good in ["../s.toml", "deep/../../s.toml", "../evil/../s.toml"] {
        let run = run(good);
        assert_eq!(run.code, 0, "{good}: {}", run.stderr);
        assert!(run.text().contains("x:"), "{good}: {}", run.text());
    }
    for bad in [
        "s.toml",
        "deep/../s.toml",
        "../app/s.toml",
        "../to-app/s.toml",
        "../to-app/deep/../s.toml",
        "link.toml",
        // The repository's link says where this leads: not to the file beside it.
        "out/../s.toml",
    ] {
        let run = run(bad);
        assert_eq!(run.code, 2, "{bad}: {}", run.text());
        assert!(
            run.stderr.contains("lies in the repository"),
            "{bad}: {}",
            run.stderr
        );
    }
}

#[test]
fn a_stores_file_without_a_store_is_wrong_usage_for_all() {
    let user = User::new();
    user.home.write("config/keysweep/stores.toml", "# none\n");
    for args in [
        &["store", "doctor"][..],
        &["store", "list"],
        &["store", "index", "--out", "index"],
        &["verify", "."],
    ] {
        let run = user.run(args, "");
        assert_eq!(run.code, 2, "{args:?}: {}{}", run.text(), run.stderr);
        assert!(run.stderr.contains("it names no store"), "{}", run.stderr);
    }
}

#[test]
fn times_of_the_local_store_are_not_those_of_other_keys() {
    let user = User::new();
    user.good(&["store", "init"], "");
    let first = crate::support::token(1);
    let put = |key: &str, value: &str| user.good(&["store", "put", key, "password"], value);
    put("apps/db", &first);
    put("apps/db", &crate::support::token(2));
    put("apps/other", "made-up value 8c1f");
    // Nobody has said when: the file's own time is that of its last change.
    let told = user.good(&["store", "list"], "");
    assert!(told.contains("local:apps/db  2 versions"), "{told}");
    assert!(!told.contains("changed"), "{told}");
    user.repo.write("leak.txt", format!("token = {first}\n"));
    let run = user.run(&["verify", "--output", "json", "leak.txt"], "");
    let verdict = run.json()["findings"][0]["verdict"].clone();
    assert_eq!(verdict["store"]["state"], "previous", "{verdict}");
    assert!(verdict["store"].get("since").is_none(), "{verdict}");
    // A commit says it.
    user.repo.commit("secrets");
    let told = user.good(&["store", "list"], "");
    assert!(
        told.contains("local:apps/db  2 versions, changed "),
        "{told}"
    );
}

#[test]
fn a_file_of_a_local_store_that_is_missing_says_where_its_path_begins() {
    let user = User::new();
    user.good(&["store", "init"], "");
    fs::remove_file(user.repo.path().join("secrets/keysweep.sops.yaml")).unwrap();
    let run = user.run(&["store", "doctor"], "");
    assert_eq!(run.code, 22, "{}", run.text());
    assert!(
        run.text()
            .contains("begins at the folder of the stores file"),
        "{}",
        run.text()
    );
}

#[test]
fn an_index_says_how_many_values_it_left_out() {
    let user = User::new();
    user.good(&["store", "init"], "");
    user.good(
        &["store", "put", "apps/db", "password"],
        &crate::support::token(1),
    );
    user.good(&["store", "put", "apps/db", "user"], "app");
    user.good(&["store", "put", "apps/web", "user"], "app");
    user.good(&["store", "put", "apps/web", "mode"], "on");
    let out = user.home.path().join("index");
    let told = user.good(&["store", "index", "--out", out.to_str().unwrap()], "");
    assert!(
        told.contains("left out: 2 values too weak for an index (`min-bits` of [verify] is 60)"),
        "{told}"
    );
}

#[cfg(feature = "kubernetes")]
#[test]
fn a_kubeconfig_that_cannot_be_read_is_a_store_out_of_reach() {
    let user = User::new();
    let text = "[stores.k]\nkind = \"kubernetes\"\nkubeconfig = \"gone\"\n";
    user.home.write("config/keysweep/stores.toml", text);
    for args in [&["store", "doctor"][..], &["verify", "."]] {
        let run = user.run(args, "");
        let told = run.text() + &run.stderr;
        assert_eq!(run.code, 22, "{args:?}: {told}");
        assert!(told.contains("the kubeconfig cannot be read"), "{told}");
    }
}

#[test]
fn help_names_the_exit_codes() {
    let user = User::new();
    for (args, codes) in [
        (
            &["--help"][..],
            &[" 20 ", " 21 ", " 22 ", " 23 ", " 24 "][..],
        ),
        (&["verify", "--help"], &[" 10 ", " 20 ", " 24 "]),
        (&["rotate", "--help"], &[" 11 ", " 12 ", " 13 ", " 14 "]),
        (
            &["store", "doctor", "--help"],
            &[" 20 ", " 21 ", " 22 ", " 23 "],
        ),
    ] {
        let told = user.good(args, "");
        let flat = told.replace('\n', " ");
        for code in codes {
            assert!(flat.contains(code), "{args:?} {code}: {told}");
        }
        assert!(!told.contains("exits with 3 if"), "{told}");
    }
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
}

#[test]
fn a_store_s_name_that_is_none_is_wrong_usage_everywhere() {
    let user = User::new();
    user.good(&["store", "init"], "");
    for args in [
        &["store", "doctor"][..],
        &["store", "list"],
        &["store", "policy"],
        &["store", "put", "apps/db", "password"],
        &["store", "index", "--out", "index"],
        &["verify", "."],
        &["verify", ".", "--output", "json"],
    ] {
        let mut all = args.to_vec();
        all.extend(["--store", "locla"]);
        let run = user.run(&all, "x");
        assert_eq!(run.code, 2, "{args:?}: {}{}", run.text(), run.stderr);
        assert!(
            run.stderr.contains("did you mean `local`?"),
            "{}",
            run.stderr
        );
        assert_eq!(run.text(), "", "{args:?}");
    }
}

#[test]
fn a_second_repository_does_not_write_into_the_first_one_s_file() {
    let mut user = User::new();
    user.good(&["store", "init"], "");
    let told = user.good(&["store", "put", "apps/db", "password"], "made-up 1");
    assert!(told.contains("into SOPS file "), "{told}");
    let first = std::mem::replace(&mut user.repo, Repo::new());
    let folder = user.repo.path().file_name().unwrap().to_str().unwrap();
    let run = user.run(&["store", "init"], "");
    assert_eq!(run.code, 2, "{}{}", run.text(), run.stderr);
    let flat = run.stderr.replace(['\n', ' '], "");
    assert!(flat.contains("[stores.local]is"), "{}", run.stderr);
    let wanted = first.path().join("secrets/keysweep.sops.yaml");
    assert!(flat.contains(wanted.to_str().unwrap()), "{}", run.stderr);
    let suggested = keysweep_name(folder);
    assert!(
        flat.contains(&format!("keysweepstoreinit--name{suggested}")),
        "{}",
        run.stderr
    );
    assert!(
        !user.repo.path().join("secrets").exists(),
        "nothing was made"
    );
    // As it says, and then both have a file of their own.
    let told = user.good(&["store", "init", "--name", "second"], "");
    assert!(told.contains("[stores.second]"), "{told}");
    assert!(user.repo.path().join("secrets/keysweep.sops.yaml").exists());
    // The first one's own `init` still finds all as it should be.
    user.repo = first;
    let told = user.good(&["store", "init"], "");
    assert_eq!(told.matches("kept  ").count(), 3, "{told}");
}

/// The name that is proposed for a folder: its own, if a name may look so.
fn keysweep_name(folder: &str) -> &str {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if folder.chars().all(fits) {
        folder
    } else {
        "NAME"
    }
}

#[test]
fn doctor_counts_as_people_do() {
    let user = User::new();
    user.good(&["store", "init"], "");
    user.good(&["store", "put", "apps/db", "password"], "made-up 1");
    let told = user.good(&["store", "doctor"], "");
    assert!(told.contains("\n      1 key\n"), "{told}");
    // Sealed for somebody else alone.
    fs::remove_file(user.config("age.txt")).unwrap();
    let other = User::new();
    other.good(&["store", "init"], "");
    fs::copy(other.config("age.txt"), user.config("age.txt")).unwrap();
    let run = user.run(&["store", "doctor"], "");
    assert_eq!(run.code, 21, "{}", run.text());
    assert!(
        run.text()
            .contains("its one age recipient is not the identity"),
        "{}",
        run.text()
    );
}

#[cfg(unix)]
#[test]
fn a_path_that_begins_at_home_is_found_from_everywhere() {
    let user = User::new();
    user.good(&["store", "init"], "");
    user.good(&["store", "put", "apps/db", "password"], "made-up 1");
    let home = user.home.path();
    fs::rename(user.repo.path().join("secrets"), home.join("secrets")).unwrap();
    let text = "[stores.local]\nkind = \"local\"\nfile = \"~/secrets/keysweep.sops.yaml\"\nidentity = \"~/config/keysweep/age.txt\"\n[stores.env]\nkind = \"dotenv\"\nfiles = [\"~/a.env\"]\n";
    fs::write(user.config("stores.toml"), text).unwrap();
    fs::write(home.join("a.env"), "A=made-up\n").unwrap();
    let told = user.good(&["store", "list"], "");
    assert!(
        told.contains("local:apps/db") && told.contains("a.env/A"),
        "{told}"
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

/// Writes a program that answers as a store, and a stores file that names it; returns that file.
#[cfg(unix)]
fn program(user: &User, script: &str) -> String {
    user.home.write("own.sh", script);
    let stores = user.home.path().join("own.toml");
    let text = format!(
        "[stores.own]\nkind = \"command\"\nprogram = [\"sh\", {:?}]\n",
        user.home.path().join("own.sh")
    );
    user.home.write("own.toml", text);
    stores.to_str().unwrap().to_owned()
}

#[cfg(unix)]
#[test]
fn what_a_server_says_stays_on_its_line() {
    let user = User::new();
    let stores = program(
        &user,
        r#"read -r request
case "$request" in
*health*) printf '%s\n' '{"ok":{"version":"1\nok    forged: a","identity":"me\nok    forged: b","notes":["n\nok    forged: c"]}}' ;;
*) printf '%s\n' '{"ok":{"keys":[{"key":"k\nown:forged","owner":"o\nown:forged","versions":[]}]}}' ;;
esac
"#,
    );
    for command in ["doctor", "list"] {
        let told = user.good(&["store", command, "--stores", &stores], "");
        let forged =
            |line: &&str| line.starts_with("ok    forged") || line.starts_with("own:forged");
        assert_eq!(told.lines().find(forged), None, "{told}");
        assert!(told.contains("\\x0a"), "{told}");
    }
}

#[cfg(unix)]
#[test]
fn faults_of_a_store_stay_on_their_lines() {
    let user = User::new();
    let stores = program(
        &user,
        r#"read -r request
case "$request" in
*health*) printf '%s\n' '{"ok":{}}' ;;
*list*) printf '%s\n' '{"ok":{"keys":["a\nok    forged: x"]}}' ;;
*) printf '%s\n' '{"error":"denied"}' ;;
esac
"#,
    );
    let more = "[[targets]]\nstore = \"own\"\nkey = \"b\\nok    forged: y\"\nkind = \"none\"\n";
    let text = fs::read_to_string(&stores).unwrap();
    fs::write(&stores, text + more).unwrap();
    let run = user.run(&["store", "doctor", "--stores", &stores], "");
    let told = run.text();
    assert!(!told.contains("\nok    forged"), "{told}");
    assert!(told.contains("fault"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_listing_that_goes_in_circles_ends() {
    let user = User::new();
    let stores = program(
        &user,
        r#"read -r request
case "$request" in
*'"after":"a"'*) printf '%s\n' '{"ok":{"keys":["k"],"next":"b"}}' ;;
*) printf '%s\n' '{"ok":{"keys":["k"],"next":"a"}}' ;;
esac
"#,
    );
    let run = user.run(&["store", "list", "--stores", &stores], "");
    assert_ne!(run.code, 0);
    assert!(run.text().contains("again"), "{}", run.text());
    assert!(run.text().lines().count() < 10, "{}", run.text());
}

#[cfg(unix)]
#[test]
fn versions_beyond_a_thousand_are_counted_as_thrown_away() {
    let user = User::new();
    let stores = program(
        &user,
        r#"read -r request
case "$request" in
*'"list"'*)
  printf '{"ok":{"keys":[{"key":"k","versions":[{"id":"0","state":"current"}'
  n=1
  while [ $n -lt 1200 ]; do printf ',{"id":"%s","state":"previous"}' $n; n=$((n + 1)); done
  echo ']}]}}' ;;
*) printf '%s\n' '{"ok":{"state":"gone"}}' ;;
esac
"#,
    );
    let told = user.good(&["store", "list", "--stores", &stores], "");
    assert!(told.contains("own:k  1000 versions"), "{told}");
}
