//! Tests of the lint over many forms.

use super::*;
use crate::policy::{self, environment::Environments};

fn told(path: &str, text: &str) -> Vec<(String, String, Severity)> {
    let blob = path.into();
    let kind = policy::wants(&blob).unwrap();
    let key = crate::model::DigestKey::new([7; 32]);
    let reading = policy::read(&blob, kind, text.as_bytes(), &key, &Environments::default());
    let own = reading
        .faults
        .into_iter()
        .filter(|fault| fault.lint.id == INLINE.id);
    own.map(|fault| (fault.subject, text[fault.span].to_owned(), fault.severity))
        .collect()
}

/// A path and a text that holds one secret.
const FORMS: &[(&str, &str)] = &[
    ("a.yml", "db:\n  password: 'hunter2-Zq81'\n"),
    ("a.yml", "db: {password: \"hunter2-Zq81\"}\r\n"),
    (
        "a.yml",
        "env:\n  - name: DB_PASSWORD\n    value: hunter2-Zq81\n",
    ),
    ("a.yml", "args:\n  - DB_PASSWORD=hunter2-Zq81\n"),
    ("a.yml", "a: [\nb: x\npassword: hunter2-Zq81\n"),
    ("a.toml", "[db]\npassword = '''hunter2-Zq81'''\n"),
    (
        "a.json",
        "{\"db\": {\"password\": \"hunter2-Zq81\"}, /* c */}",
    ),
    ("a.json", "{\"db\": {\"password\": \"hunter2-Zq81\"\n"),
    ("a.properties", "db.password: hunter2-Zq81\n"),
    ("redis.conf", "requirepass hunter2-Zq81\n"),
    ("a.ini", "[db]\nuser=a\npwd=\"hunter2-Zq81\" ; c\n"),
    (
        "settings.xml",
        "<settings><servers><server><password>hunter2-Zq81</password></server></servers></settings>",
    ),
    (
        "tomcat.xml",
        "<Context><Resource username='a' password='hunter2-Zq81'/></Context>",
    ),
    (
        "hibernate.xml",
        "<!DOCTYPE a SYSTEM 'b'><a><property name='connection.password'>hunter2-Zq81</property></a>",
    ),
    (
        "nuget.config",
        "<c><x><add key='ClearTextPassword' value='hunter2-Zq81' /></x></c>",
    ),
    (
        "web.config",
        "<c><add name='D' connectionString='Server=db;Pwd=hunter2-Zq81;'/></c>",
    ),
    (".pypirc", "[pypi]\nusername = a\npassword = hunter2-Zq81\n"),
    (".pgpass", "# c\ndb:5432:shop:app:hunter2-Zq81\n"),
    (
        ".git-credentials",
        "https://me:hunter2-Zq81@git.example.org\n",
    ),
    (".netrc", "machine a\n  login b\n  password hunter2-Zq81\n"),
    ("gradle.properties", "repoPassword=hunter2-Zq81\n"),
    (
        "a.properties",
        "url=jdbc:mysql://db/x?user=a&password=hunter2-Zq81\n",
    ),
    (
        "pip.conf",
        "[global]\nindex-url = https://a:hunter2-Zq81@pypi.example.org/simple\n",
    ),
    (
        "pyproject.toml",
        "[[tool.x.source]]\nurl = \"https://a:hunter2-Zq81@pypi.example.org\"\n",
    ),
];

#[test]
fn finds_the_value_in_every_form() {
    for (path, text) in FORMS {
        let told = told(path, text);
        assert_eq!(
            told.iter().map(|one| one.1.as_str()).collect::<Vec<_>>(),
            ["hunter2-Zq81"],
            "{path} {text}"
        );
    }
}

#[test]
fn environment_sets_the_severity() {
    for (path, text, want) in [
        (
            "config/app-prod.yml",
            "password: hunter2-Zq81",
            Severity::High,
        ),
        ("config/app.yml", "password: hunter2-Zq81", Severity::Medium),
        (
            "appsettings.Development.json",
            "{\"Password\": \"hunter2-Zq81\"}",
            Severity::Low,
        ),
        (
            "database.yml",
            "production:\n  password: hunter2-Zq81",
            Severity::High,
        ),
        (
            "app.ini",
            "url = redis://:hunter2-Zq81@localhost:6379",
            Severity::Low,
        ),
    ] {
        assert_eq!(
            told(path, text).iter().map(|one| one.2).collect::<Vec<_>>(),
            [want],
            "{path}"
        );
    }
    assert!(told("database.yml", "test:\n  password: hunter2-Zq81").is_empty());
}

#[test]
fn names_made_of_their_key_are_no_secrets() {
    for (key, value) in [
        ("accessKey1", "shopAccessKey1"),
        ("client_secret", "shop-client-secret"),
        ("AppPrivateKey", "prod/app/private/key"),
    ] {
        assert!(traps::repeats(key, value), "{key}: {value}");
    }
    for (key, value) in [
        ("password", "shop7password"),
        ("accessKey1", "Vx7kQ2mR9tLp"),
        ("client_secret", "client-secret"),
        ("client_secret", "hunter2!client-secret"),
    ] {
        assert!(!traps::repeats(key, value), "{key}: {value}");
    }
    let text = "{\"exports\": {\"storage\": {\"accessKey1\": \"shopStorageAccessKey1\"}}}";
    assert_eq!(told("export.json", text), []);
}

#[test]
fn keys_of_test_nets_and_emulators_are_known_to_all() {
    let key = "9d3f1c0be8a7f6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f30c1d";
    let genesis = format!(
        "{{\"config\": {{\"chainId\": 1337}}, \"difficulty\": \"0x1\", \"alloc\": {{\"a1b2\": {{\"privateKey\": \"{key}\"}}}}}}"
    );
    let severities = |text: &str| -> Vec<_> {
        told("net.json", text)
            .into_iter()
            .map(|one| one.2)
            .collect()
    };
    assert_eq!(severities(&genesis), [Severity::Info]);
    let other = genesis.replace("alloc", "accounts");
    assert_eq!(severities(&other), [Severity::Medium]);
    let emulator = "store: DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Vx7kQ2mR9tLp4wZs8nBd\n";
    assert_eq!(told("store.yml", emulator), []);
    let real = emulator.replace("devstoreaccount1", "shopstore");
    assert_eq!(told("store.yml", &real).len(), 1);
    assert_eq!(told("lib/testutil/src/main/resources/a.yml", &real), []);
}

#[test]
fn names_and_texts_are_no_secrets() {
    for value in [
        "accessToken",
        "shop-db-credentials",
        "#password-field",
        "string.quoted.double",
        "user_password_hash",
        "app-secret-v2",
        "com.example.Password",
        "PASSWORD_FIELD",
        "github-pull-secret",
        "credentials/github",
    ] {
        assert!(traps::is_name(value), "{value}");
    }
    for value in [
        "hunter2-Zq81",
        "Vx7kQ2mR9tLp",
        "SuperSecret2024",
        "shopdb2019",
        "Summer2024!",
        "QxWzVbNmKjHg",
        "f3b1c0d9e8a7f6b5",
    ] {
        assert!(!traps::is_name(value), "{value}");
    }
    assert!(traps::is_encoded_prose(
        "bXktc2VjcmV0LWtleS10aGF0LW11c3QtYmUtY2hhbmdlZAo="
    ));
    assert!(!traps::is_encoded_prose("q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3q"));
    assert!(traps::is_prose("Passwort vergessen?") && traps::is_prose("Mot\u{a0}de"));
}

#[test]
fn rows_of_data_are_told_once() {
    let rows: String = (0..40)
        .map(|n| format!("{{\"password\": \"hunter2-Zq{n}a\"}},"))
        .collect();
    let told = told("users.json", &format!("[{rows}]"));
    assert_eq!(
        told.iter().map(|one| one.2).collect::<Vec<_>>(),
        [Severity::Medium]
    );
}

#[test]
fn decoys_make_a_secret_no_milder() {
    let decoys: String = (0..40)
        .map(|n| format!("\"a{n}\": {{\"password\": \"hunter2-Zq{n}a\"}}, "))
        .collect();
    let text =
        format!("{{{decoys}\"production\": {{\"db\": {{\"password\": \"hunter2-Zq81\"}}}}}}");
    let told = told("settings.json", &text);
    assert_eq!(
        told.iter().map(|one| one.2).collect::<Vec<_>>(),
        [Severity::High]
    );
}

/// Parts of texts that lead the lints and readers far.
const PARTS: &str = "(password[=: ]|DB_SECRET=|VITE_A_SECRET|hunter2-Zq81|[\"'`{}\\[\\]<>=:;,#&?@/\\\\ \n\r\t-]|://u:p@h|Pwd=x;|<a k='v'>|</a>|\
    -----BEGIN PRIVATE KEY-----|machine |kind: Config\n|users: |AGE-SECRET-KEY-1|\"sensitive_attributes\":|services:\n|ports: |\\PC){0,40}";

proptest::proptest! {
    #[test]
    fn no_text_of_any_kind_panics_and_spans_lie_within(text in PARTS) {
        let key = crate::model::DigestKey::new([7; 32]);
        for path in [
            "a.yml", "a.json", "a.toml", "a.xml", "a.ini", "a.properties", ".env", ".env.example", ".netrc", ".pgpass", ".git-credentials",
            ".npmrc", "kubeconfig", "a.pem", "a.key", "a.ppk", "a.tfstate", ".env.keys", "compose.yml", "values.yaml", "a.ts", ".gitignore",
        ] {
            let blob = path.into();
            let kind = policy::wants(&blob).unwrap();
            let reading = policy::read(&blob, kind, text.as_bytes(), &key, &Environments::default());
            for fault in reading.faults {
                assert!(text.get(fault.span.clone()).is_some(), "{path} {fault:?}");
                assert!(fault.secret.is_none_or(|secret| text.get(secret).is_some()), "{path}");
                assert!(fault.related.iter().all(|one| text.get(one.0.clone()).is_some()), "{path}");
            }
        }
    }
}

#[test]
fn large_files_take_time_in_proportion() {
    let row = "\"password\": \"hunter2-Zq81\", \"user\": \"a\", \"url\": \"x://u:p@h?a=b&c=d\",\n";
    let json = format!("{{{}\"z\": 1}}", row.repeat(20_000));
    let lines = "DB_PASSWORD=postgres\nVITE_A_SECRET=x\nURL=a://b:c@d\n".repeat(20_000);
    let xml = format!(
        "<a>{}</a>",
        "<password>hunter2-Zq81</password>".repeat(20_000)
    );
    let hosts = "machine a login b password hunter2-Zq81\n".repeat(20_000);
    let code = "process.env.VITE_A_SECRET;".repeat(40_000);
    let files = [
        ("a.json", json),
        (".env", lines),
        ("a.xml", xml),
        (".netrc", hosts),
        ("a.ts", code),
    ];
    for (path, text) in files {
        let key = crate::model::DigestKey::new([7; 32]);
        let blob = path.into();
        let start = std::time::Instant::now();
        let reading = policy::read(
            &blob,
            policy::wants(&blob).unwrap(),
            text.as_bytes(),
            &key,
            &Environments::default(),
        );
        assert!(reading.faults.len() < 100, "{path}");
        assert!(
            start.elapsed().as_secs() < 20,
            "{path} took {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn keys_under_names_of_tokens_are_told_if_random() {
    const KEY: &str = "Vx7kQ2mR9tLp4wZs8nBd";
    let path = "src/Shop/appsettings.Production.json";
    for (parent, key, want) in [
        ("Jwt", "Key", 1),
        ("JwtSettings", "Key", 1),
        ("Encryption", "key", 1),
        ("Jwt", "Issuer", 0),
        ("Cache", "Key", 0),
        ("Jwt", "KeyId", 0),
    ] {
        let text = format!("{{\"{parent}\": {{\"{key}\": \"{KEY}\"}}}}\n");
        assert_eq!(told(path, &text).len(), want, "{text}");
    }
    assert_eq!(
        told(path, "{\"Jwt\": {\"Key\": \"user-session-key\"}}\n"),
        []
    );
}
