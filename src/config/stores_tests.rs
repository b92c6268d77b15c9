//! The stores file: what it takes, and how it says what is wrong.

use super::stores::*;

#[test]
fn a_target_is_that_of_the_part_that_it_names_and_of_no_other() {
    let entry = |field: Option<&str>| TargetEntry {
        store: "s".into(),
        key: "k".into(),
        field: field.map(str::to_owned),
        user_field: None,
        user: None,
        accept_cutover: false,
        kind: TargetKind::None,
    };
    for (own, place, opens) in [
        (Some("url"), Some("url"), true),
        (Some("url"), Some("url#password"), true),
        (Some("url"), Some("url#/db#password"), true),
        (Some("cs"), Some("cs#Password"), true),
        (Some("url"), Some("url#user"), false),
        (Some("url"), Some("url#sslrootcert"), false),
        (Some("config"), Some("config#/db/password"), false),
        (
            Some("config#/db/password"),
            Some("config#/db/password"),
            true,
        ),
        (Some("config#/db/password"), Some("config#/db/user"), false),
        (Some("config#/db/password"), Some("config"), false),
        (None, None, true),
        (None, Some("#password"), true),
        (None, Some("#/host"), false),
        (None, Some("password"), false),
        (Some("password"), None, false),
    ] {
        assert_eq!(
            entry(own).opens("s", "k", place),
            opens,
            "{own:?} {place:?}"
        );
        assert!(!entry(own).opens("s", "other", place));
    }
}

#[test]
fn reads_stores_limits_and_targets() {
    let text = r#"
        [stores.prod]
        kind = "vault"
        address = "https://vault.example:8200"
        environment = "prod"
        auth = { method = "approle", role-id = "r", secret-id-file = "/run/secret-id" }
        [rotate]
        allow = ["prod:secret/apps/*"]
        [[targets]]
        store = "prod"
        key = "secret/apps/db"
        field = "password"
        kind = "postgres"
        address = "127.0.0.1:5432"
        admin = "admin"
        admin-password-file = "/run/admin"
    "#;
    let file = StoresFile::parse("stores.toml", text).unwrap();
    let store = file.stores.get("prod").unwrap();
    assert_eq!(store.kind.as_str(), "vault");
    assert_eq!(store.environment.as_deref(), Some("prod"));
    assert!(matches!(
        file.targets.first().map(|t| &t.kind),
        Some(TargetKind::Postgres(_))
    ));
    assert_eq!(file.rotate.max_keys, 1);
}

/// A file, the place of its fault, and words of what is wrong and of the help. `S` stands for a store, `N` for a target of kind `none`,
/// `T` for the beginning of a target.
const WRONG: [(&str, u32, u32, &str, &str); 12] = [
    (
        "S[stores.c]\n  kind = \"vault\"\n  adress = \"x\"\n",
        8,
        3,
        "unknown field `adress`",
        "`address`",
    ),
    (
        "S[stores.c]\nkind = \"vualt\"\n",
        7,
        1,
        "unknown variant `vualt`",
        "`vault`",
    ),
    (
        "S[stores.c]\nfiles = [\"x\"]\n",
        6,
        9,
        "missing field `kind`",
        "docs",
    ),
    (
        "S[stores.c]\nkind = \"dotenv\"\nfiles = \"x\"\n",
        8,
        1,
        "`files` is a text, and must be a list",
        "files = [\"...\"]",
    ),
    (
        "S[stores.c]\nkind = \"vault\"\nauth = { method = \"approle\", role-id = \"x\" }\n",
        8,
        1,
        "`secret-id-file`",
        "docs",
    ),
    (
        "SNTfeild = \"f\"\nkind = \"none\"\n",
        13,
        1,
        "unknown field `feild`",
        "`field`",
    ),
    (
        "SNTkind = \"redis\"\naddress = \"a:1\"\n",
        10,
        1,
        "missing field `admin-password-file`",
        "docs",
    ),
    (
        "SN[[targets]]\nstore = \"b\"\nkey = 3\nkind = \"none\"\n",
        12,
        1,
        "`key` is a whole number, and must be a text",
        "key = \"...\"",
    ),
    (
        "SN[[targets]]\nstore = \"bb\"\nkey = \"k\"\nkind = \"none\"\n",
        11,
        1,
        "the store `bb`",
        "`b`",
    ),
    ("S[verify]\nmin-bits = 8\n", 7, 1, "`min-bits` is 8", "40"),
    (
        "S[rotate]\nallow = []\nmaxkeys = 1\n",
        8,
        1,
        "unknown field `maxkeys`",
        "`max-keys`",
    ),
    ("S[rotate\n", 6, 8, "table", "docs"),
];

#[test]
fn errors_stand_at_the_key_that_is_wrong() {
    let target = "[[targets]]\nstore = \"b\"\nkey = \"k\"\n";
    for (text, line, column, what, help) in WRONG {
        let text = text
            .replace(
                'S',
                "# c\n[stores.b]\nkind = \"dotenv\"\nfiles = [\"x\"]\n\n",
            )
            .replace('N', "Tkind = \"none\"\n")
            .replace('T', target);
        let error = StoresFile::parse("stores.toml", &text).unwrap_err();
        let told = format!("{error} {}", error.help);
        assert_eq!((error.line, error.column), (line, column), "{told}\n{text}");
        let is_right = error.what.contains(what) && error.help.contains(help);
        assert!(is_right, "{told}");
    }
}

/// A file with a value of the wrong type, what is said of it, and words of the help.
const TYPES: [(&str, &str, &str); 11] = [
    (
        "[targets]\nstore = \"a\"\n",
        "`targets` is a table, and must be a list",
        "[[targets]]",
    ),
    (
        "[sinks]\nstore = \"a\"\n",
        "`sinks` is a table, and must be a list",
        "[[sinks]]",
    ),
    (
        "[rotate]\nmax-keys = \"many\"\n",
        "`max-keys` is a text, and must be a whole number",
        "max-keys = 1",
    ),
    (
        "[rotate]\nmax-keys = \"many\"\n[stores.a]\nkind = \"command\"\nprogram = \"x\"\n",
        "`max-keys` is a text, and must be a whole number",
        "max-keys = 1",
    ),
    (
        "verify = 3\n",
        "`verify` is a whole number, and must be a table",
        "[verify]",
    ),
    (
        "[rotate]\nmax-keys = -1\n",
        "`max-keys` is a number out of range",
        "the least 0",
    ),
    (
        "[stores.a]\nkind = \"command\"\nprogram = \"x\"\n",
        "`program` is a text, and must be a list",
        "program = [\"...\"]",
    ),
    (
        "[stores.a]\nkind = \"command\"\nprogram = [\"x\"]\ntimeout-s = 70000\n",
        "`timeout-s` is a number out of range",
        "65535",
    ),
    (
        "[[stores]]\nkind = \"vault\"\n",
        "a list stands where a table belongs",
        "[stores.NAME]",
    ),
    (
        "[stores.a]\nkind = \"local\"\nfile = \"x\"\nno-history = \"yes\"\n",
        "`no-history` is a text, and must be true or false",
        "no-history = true",
    ),
    (
        "[stores.a]\nkind = \"vault\"\nauth = { method = \"token\", file = 3 }\n",
        "a whole number stands where a text belongs",
        "write a text as",
    ),
];

#[test]
fn types_are_told_in_the_words_of_toml() {
    for (text, what, help) in TYPES {
        let error = StoresFile::parse("stores.toml", text).unwrap_err();
        let told = format!("{error} {}", error.help);
        assert_eq!(error.what, what, "{told}\n{text}");
        assert!(error.line > 0, "{told}");
        assert!(error.help.contains(help), "{told}\n{text}");
        assert!(!told.contains("expected"), "{told}");
    }
}

#[test]
fn errors_say_where_and_quote_no_value() {
    for (text, expected) in [
        ("[stores.a]\nkind = \"vualt\"", "vault"),
        (
            "[stores.a]\nkind = \"vault\"\ntoken = \"hvs.MadeUpMadeUp0123\"",
            "token",
        ),
        ("[verify]\nmin-bits = 8", "min-bits"),
        (
            "[[targets]]\nstore = \"x\"\nkey = \"k\"\nkind = \"none\"",
            "x",
        ),
        ("[rotate]\nallow = \"hvs.MadeUpMadeUp0123\"", "a list"),
    ] {
        let error = StoresFile::parse("stores.toml", text).unwrap_err();
        let told = format!("{error} {}", error.help);
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("MadeUp"), "{told}");
    }
}
