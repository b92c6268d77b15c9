//! No secret leaves: canaries are planted everywhere, and every output of every command and format is searched for them,
//! plain and encoded.

use base64::Engine as _;

use crate::support::{Repo, Run, keysweep, keysweep_with, token};

const FORMATS: [&str; 8] = [
    "text", "json", "jsonl", "sarif", "github", "gitlab", "junit", "markdown",
];

/// Returns the spellings of a value that must not be in any output.
fn spellings(value: &str) -> Vec<Vec<u8>> {
    let bytes = value.as_bytes();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let mut all = vec![
        bytes.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        bytes
            .iter()
            .flat_map(|b| format!("%{b:02X}").into_bytes())
            .collect(),
        bytes
            .iter()
            .flat_map(|b| format!("\\u{b:04x}").into_bytes())
            .collect(),
        value.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        bytes.iter().rev().copied().collect(),
    ];
    // base64 at each of the three alignments: only the middle, which does not depend on the neighbours.
    for shift in 0..3 {
        let text = base64::engine::general_purpose::STANDARD_NO_PAD
            .encode([vec![b'x'; shift], bytes.to_vec()].concat());
        all.push(text.as_bytes()[4..text.len() - 4].to_vec());
    }
    all
}

/// Each canary has 40 characters; half of one is a leak as well.
fn assert_silent(run: &Run, canaries: &[String], what: &str) {
    for canary in canaries {
        let parts = [
            canary.clone(),
            canary[..24].to_owned(),
            canary[16..].to_owned(),
        ];
        for spelling in parts.iter().flat_map(|part| spellings(part)) {
            for (stream, bytes) in [
                ("stdout", run.stdout.as_slice()),
                ("stderr", run.stderr.as_bytes()),
            ] {
                assert!(
                    memchr::memmem::find(bytes, &spelling).is_none(),
                    "{what}: a canary is on {stream} as {:?}:\n{}",
                    String::from_utf8_lossy(&spelling),
                    String::from_utf8_lossy(bytes)
                );
            }
        }
    }
}

fn planted() -> (Repo, Vec<String>) {
    let repo = Repo::new();
    let canaries: Vec<String> = (100..116).map(token).collect();
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = canaries.as_slice() else {
        unreachable!("sixteen were made")
    };
    repo.write("two.env", format!("A={a} B={b}\nC=\"{a}\"\n"));
    repo.write(&format!("name-{c}.txt"), "nothing\n");
    repo.write(
        "base64.txt",
        base64::engine::general_purpose::STANDARD.encode(format!("token={d}")),
    );
    repo.write(
        "percent.txt",
        e.bytes().map(|b| format!("%{b:02x}")).collect::<String>(),
    );
    repo.write(
        "wide.txt",
        format!("\u{feff}key={f}")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>(),
    );
    repo.write(
        "long.txt",
        format!("{} {g} {}", "x ".repeat(4000), "y ".repeat(4000)),
    );
    repo.write(
        "allowed.py",
        format!("k = \"{h}\"  # keysweep:allow[github-personal-access-token] made up\n"),
    );
    repo.write(&format!("dir-{i}/plain.env"), format!("KEY={j}\n"));
    repo.commit(&format!("Deploy with {k} and {a}"));
    repo.git(&["tag", "-a", "v1", "-m", &format!("key {l}")]);
    repo.git_with(
        &["commit", "-q", "--allow-empty", "-m", "x"],
        &format!("Bot {m}"),
        b"",
    );
    repo.git(&["branch", &format!("b-{n}")]);
    repo.git(&[
        "remote",
        "add",
        "origin",
        &format!("https://u:{o}@example.com/x"),
    ]);
    repo.write("staged.env", format!("KEY={p}\n"));
    repo.git(&["add", "staged.env"]);
    (repo, canaries)
}

#[test]
fn no_format_of_any_mode_holds_a_canary() {
    let (repo, canaries) = planted();
    for mode in [
        ["--history"].as_slice(),
        &["--staged"],
        &["--range", "HEAD~1..HEAD"],
        &["--no-ignore"],
    ] {
        for format in FORMATS {
            let output = format!("--output={format}");
            let args = [&["scan", &output], mode].concat();
            let run = keysweep(repo.path(), &args);
            assert!(
                !run.stdout.is_empty() || format == "jsonl" || format == "github",
                "{args:?} wrote something: {}",
                run.stderr
            );
            assert_ne!(run.code, 4, "{args:?}: {}", run.stderr);
            assert_silent(&run, &canaries, &format!("{args:?}"));
        }
    }
    let found = keysweep(
        repo.path(),
        &["scan", "--history", "--output=json", "--reveal"],
    )
    .secrets();
    assert_eq!(
        found.len(),
        canaries.len() - 1,
        "the canaries were there to be leaked (one is allowed): {found:?}"
    );
}

#[test]
fn the_step_summary_holds_no_canary() {
    let (repo, canaries) = planted();
    let summary = tempfile::NamedTempFile::new().unwrap();
    let path = summary.path().display().to_string();
    let run = keysweep_with(
        repo.path(),
        &["scan", "--history", "--output=github"],
        &[
            ("GITHUB_ACTIONS", "true"),
            ("CI", "true"),
            ("GITHUB_STEP_SUMMARY", &path),
        ],
        b"",
    );
    let written = std::fs::read(&path).unwrap();
    assert!(!written.is_empty(), "a summary was written: {}", run.stderr);
    assert_silent(
        &Run {
            stdout: written,
            ..run
        },
        &canaries,
        "step summary",
    );
}

#[test]
fn no_error_holds_a_canary() {
    let canary = token(200);
    let repo = Repo::new();
    repo.write("a.txt", "a\n").commit("Begin");
    let config = |text: String| {
        repo.write("keysweep.toml", text);
    };
    let canaries = [canary.clone()];
    for text in [
        format!("[[rules]]\nid = \"x\"\npattern = '({canary}'\n"),
        format!("{canary} = 1\n"),
        format!("[scan]\nexclude = [\"{canary}[\"]\n"),
        format!("[identity]\nkey = \"{canary}\"\n"),
        format!("\"{canary}"),
    ] {
        config(text.clone());
        let run = keysweep(repo.path(), &["scan"]);
        assert_eq!(run.code, 2, "{text}: {}", run.stderr);
        assert_silent(&run, &canaries, &text.replace(&canary, "CANARY"));
    }
    std::fs::remove_file(repo.path().join("keysweep.toml")).unwrap();
    repo.write(
        ".keysweep-baseline",
        format!("# keysweep baseline v1\n{canary}\n"),
    );
    let run = keysweep(repo.path(), &["scan"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_silent(&run, &canaries, "baseline");
    let run = keysweep_with(
        repo.path(),
        &["scan", "--stdin"],
        &[("KEYSWEEP_KEY", &canary)],
        b"",
    );
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_silent(&run, &canaries, "KEYSWEEP_KEY");
}

#[test]
fn a_baseline_holds_no_canary() {
    let (repo, canaries) = planted();
    let run = keysweep(repo.path(), &["baseline", "create", "--history"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let written = std::fs::read(repo.path().join(".keysweep-baseline")).unwrap();
    assert!(written.len() > 500, "the baseline has lines");
    assert_silent(
        &Run {
            stdout: written,
            ..run
        },
        &canaries,
        "baseline",
    );
}

#[test]
fn explanations_hold_no_canary() {
    let (repo, canaries) = planted();
    for (file, lines) in [
        ("two.env", 2),
        ("base64.txt", 1),
        ("percent.txt", 1),
        ("long.txt", 1),
        ("allowed.py", 1),
    ] {
        for line in 1..=lines {
            let run = keysweep(repo.path(), &["explain", &format!("{file}:{line}")]);
            assert_eq!(run.code, 0, "{}", run.stderr);
            assert_silent(&run, &canaries, file);
        }
    }
}

#[test]
fn the_value_is_shown_only_when_asked_for() {
    let repo = Repo::plain();
    repo.write("a.env", format!("KEY={}\n", token(300)));
    let run = keysweep(repo.path(), &["scan", "--output=json", "--reveal"]);
    assert_eq!(run.secrets(), [token(300)]);
    let run = keysweep(repo.path(), &["scan", "--output=sarif", "--reveal"]);
    assert_silent(&run, &[token(300)], "sarif knows no reveal");
}

#[test]
fn the_rest_of_an_overlapped_secret_and_a_named_folder_hold_no_canary() {
    let repo = Repo::plain();
    let (inner, folder) = (token(301), token(302));
    repo.write(
        "a.env",
        format!("password = \"Zq7#kL9w-{inner}-vB3nXw8Rt5\"\n"),
    );
    repo.write(&format!("{folder}/b.env"), "A=1\n");
    let named = format!("{folder}/b.env");
    for format in FORMATS {
        let run = keysweep(
            repo.path(),
            &["scan", "a.env", &named, &format!("--output={format}")],
        );
        assert_silent(&run, &[inner.clone(), folder.clone()], format);
        assert!(
            !run.text().contains("Zq7#kL9w") && !run.text().contains("vB3nXw8Rt5"),
            "{format}: {}",
            run.text()
        );
    }
}

/// Made-up values with signs in them, as files of each kind may hold them beside what a lint tells.
const BESIDE: [&str; 5] = [
    "aB3$xK,9wQ(2mR&7tLp",
    "q8Z/k2.Wv@7Xt5$R1yB",
    "M4n|p9T:s2Kd%6hJ+w3",
    "x7Gv-Q2mR9tLp4wZs-8",
    "d5H;f2Ns!8Vb#1Yc3Te",
];

/// Files with a fault of policy each, and a value that nobody names on the same line or the next.
fn beside(value: &str) -> Vec<(&'static str, String)> {
    vec![
        (
            ".github/workflows/a.yml",
            format!(
                "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo ${{{{ secrets.PW }}}} && ./x {value}\n        env: {{API_KEY: Vx7kQ2mR9tLp, X: '{value}'}}\n"
            ),
        ),
        (
            "deploy.sh",
            format!(
                "#!/bin/bash\ncurl -H \"X: $API_TOKEN\" -H 'Y: {value}' a\nexport DB_PASSWORD='hunter2-Zq81' X=\"{value}\"\n"
            ),
        ),
        (
            "compose.yml",
            format!(
                "services:\n  a:\n    image: b\n    environment: {{DB_PASSWORD: hunter2-Zq81, X: \"{value}\"}}\n"
            ),
        ),
        (
            "Dockerfile",
            format!("FROM a\nENV DB_PASSWORD=hunter2-Zq81 X='{value}'\n"),
        ),
        (
            "settings.json",
            format!(
                "{{\"password\": \"hunter2-Zq81\", \"x\": \"{value}\", \"y\": [\"{value}\"]}}\n"
            ),
        ),
        (
            "k8s/a.yaml",
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: a, image: a, env: [{{name: DB_PASSWORD, value: hunter2-Zq81}}, {{name: X, value: '{value}'}}]}}]}}\n"
            ),
        ),
        (
            "app.py",
            format!("password = os.getenv('DB_PASSWORD', 'hunter2-Zq81'); x('{value}')\n"),
        ),
        (
            "main.tf",
            format!("provider \"a\" {{ password = \"hunter2-Zq81\", x = \"{value}\" }}\n"),
        ),
        (
            "app.properties",
            format!("db.password=hunter2-Zq81\n# {value}\n"),
        ),
    ]
}

#[test]
fn no_piece_of_a_value_beside_a_fault_of_policy_is_shown() {
    for value in BESIDE {
        let repo = Repo::new();
        for (path, text) in beside(value) {
            repo.write(path, text);
        }
        let mut all: Vec<Vec<&str>> = FORMATS
            .iter()
            .map(|format| vec!["scan", "--persona=auditor", "--output", format])
            .collect();
        all.push(vec!["fix", "--unsafe"]);
        for line in ["deploy.sh:2", "deploy.sh:3", "compose.yml:4", "app.py:1"] {
            all.push(vec!["explain", line]);
        }
        for args in all {
            let run = keysweep(repo.path(), &args);
            assert!(matches!(run.code, 0 | 1 | 3), "{args:?} {}", run.stderr);
            for piece in value.as_bytes().windows(8) {
                let shown = [&run.stdout[..], run.stderr.as_bytes()].concat();
                assert!(
                    memchr::memmem::find(&shown, piece).is_none(),
                    "{args:?} {}",
                    run.text()
                );
            }
        }
    }
}

#[test]
fn no_value_holds_a_report_back() {
    let repo = Repo::new();
    repo.write("a.json", "{\"password\": \"Zq81hunter\"}\n");
    repo.write("b.json", "{\"token\": \"password\\\": \\\"**********\"}\n");
    repo.write("c.yml", "password: '\"path\": \"c.yml\"'\n");
    repo.write("d.json", "{\"password\": \"x/e.json:1:15\"}\n");
    repo.write("x/e.json", "{\"password\": \"Vx7kQ2mR9t\"}\n");
    repo.write("f%41BCDEFGH7x.json", "{\"password\": \"ABCDEFGH7x\"}\n");
    for format in FORMATS {
        let run = keysweep(repo.path(), &["scan", "--output", format]);
        assert_eq!(run.code, 1, "{format}: {}", run.stderr);
        assert!(run.text().contains("x/e.json"), "{format}: {}", run.text());
        for value in ["Zq81hunter", "Vx7kQ2mR9t", "ABCDEFGH7x", "%41BCDEFGH7x"] {
            assert!(!run.text().contains(value), "{format}: {}", run.text());
        }
    }
}

/// A value of one file stands in another, which knows nothing of it, on a line that a fix shows or beside what a lint tells.
#[test]
fn values_of_other_files_are_covered_in_fixes_and_excerpts() {
    for value in [
        "korrekt Otter 9",
        "correct-otter-horse",
        "correctOtterHorse",
        "83746192",
        "qzxkvjwpfmbtrnlshgdycaeuio",
    ] {
        let repo = Repo::new();
        repo.write(".env", format!("DB_PASSWORD=\"{value}\"\n"));
        repo.write(
            ".github/workflows/a.yml",
            format!("on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: deploy \"${{{{ secrets.X }}}}\"; ping {value}\n"),
        );
        repo.write("a.sh", format!("echo \"$CHAT_TOKEN\" {value}\n"));
        let mut all: Vec<Vec<&str>> = FORMATS
            .iter()
            .map(|format| vec!["scan", "--output", format])
            .collect();
        all.push(vec!["fix"]);
        all.push(vec!["fix", "--unsafe"]);
        for args in all {
            let run = keysweep(repo.path(), &args);
            assert_eq!(run.code, 1, "{args:?} {}", run.stderr);
            assert!(!run.text().contains(value), "{args:?} {}", run.text());
        }
    }
}

/// A name with line breaks could bring a patch of its own.
#[test]
fn no_name_brings_a_patch() {
    let repo = Repo::new();
    let name = ".github/workflows/x\n--- a/README\n+++ b/README\n@@ -2,2 +2,3 @@\n a\n+pwned\n a\n--- a/d/a.yml\n+++ b/d/a.yml";
    repo.write(
        name,
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: deploy \"${{ secrets.X }}\"\n",
    );
    let run = keysweep(repo.path(), &["fix"]);
    assert!(
        !run.text().lines().any(|line| line.starts_with("+pwned")),
        "{}",
        run.text()
    );
}
