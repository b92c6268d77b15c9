//! Whole configurations: what loads, and how every fault reads.

use std::collections::BTreeSet;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use super::*;

/// Renders a diagnostic as `main` does, without colour, 100 columns wide.
pub(super) fn render(error: &dyn Diagnostic) -> String {
    let mut text = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(100)
        .render_report(&mut text, error)
        .unwrap();
    text
}

fn config(text: &str) -> Config {
    parse("keysweep.toml", text.as_bytes()).unwrap()
}

/// Returns `code | message | label: quoted text | help` of each fault.
fn faults(text: &str) -> Vec<String> {
    let error = parse("keysweep.toml", text.as_bytes()).unwrap_err();
    let line = |error: &dyn Diagnostic| {
        let label = error.labels().unwrap().next().unwrap();
        let quoted = &text[label.offset()..label.offset() + label.len()];
        format!(
            "{} | {error} | {}: {} | {}",
            error.code().unwrap(),
            label.label().unwrap(),
            quoted.lines().next().unwrap_or_default(),
            error.help().unwrap()
        )
    };
    let mut all = vec![line(&error)];
    all.extend(error.related().into_iter().flatten().map(line));
    all
}

/// Every key, as docs/configuration.md shows them.
const FULL: &str = r#"
[scan]
exclude = ["vendor/**", "*.lock"]
ignored = true
max-file-size = "64 MiB"
threads = 4
[scan.archives]
depth = 3
member-size = 1048576
total-size = "1 GB"
ratio = 100
members = 1000
[scan.history]
unreachable = true
[catalogue]
disable = ["b-key", "a-key", "b-key"]
[catalogue.severity]
c-key = "low"
[[rules]]
id = "own-key"
description = "Own key"
pattern = 'own_[a-z0-9]{20}'
[[allow]]
reason = "made-up values of the tests"
paths = ["tests/**"]
rules = ["a-key"]
expires = 2027-01-31
[markers]
inline = false
foreign = ["gitleaks", "detect-secrets"]
[identity]
key = "KEY"
[coverage]
accept = ["lfs-pointer", "shallow-boundary"]
[report]
fail-on = "high"
"#;

#[test]
fn every_key_is_read() {
    let config = config(&FULL.replace("KEY", &"5c".repeat(32)));
    assert_eq!(config.scan.exclude, ["vendor/**", "*.lock"]);
    assert!(config.scan.ignored && config.scan.unreachable && !config.markers.inline);
    assert_eq!(config.scan.max_file_bytes, Some(64 << 20));
    assert_eq!(config.scan.threads.map(NonZeroU16::get), Some(4));
    assert_eq!(config.scan.archives.depth, Some(3));
    assert_eq!(
        config.scan.archives.member_bytes.map(NonZeroU64::get),
        Some(1 << 20)
    );
    assert_eq!(
        config.scan.archives.total_bytes.map(NonZeroU64::get),
        Some(1_000_000_000)
    );
    assert_eq!(
        config.catalogue.disable,
        [RuleId::new("a-key"), RuleId::new("b-key")]
    );
    assert_eq!(
        config.catalogue.severity[&RuleId::new("c-key")],
        Severity::Low
    );
    assert_eq!(config.rules[0].ids, BTreeSet::from(["own-key".to_owned()]));
    assert_eq!(config.allow[0].expires, Some(Date::new(2027, 1, 31)));
    assert_eq!(config.allow[0].place, "keysweep.toml:23");
    assert_eq!(config.markers.foreign.len(), 2);
    assert_eq!(config.key.unwrap().to_hex(), "5c".repeat(32));
    assert!(config.accept.contains(&SkipCause::LfsPointer));
    assert_eq!(config.fail_on, Some(Severity::High));
}

#[test]
fn the_example_in_the_documentation_loads() {
    let text = include_str!("../../docs/configuration.md");
    let example = text
        .split("```")
        .nth(1)
        .and_then(|block| block.strip_prefix("toml\n"));
    let config = config(example.unwrap());
    assert!(config.key.is_none() && config.allow.len() == 1 && config.rules.len() == 1);
}

#[test]
fn an_empty_file_is_the_default() {
    let config = config("");
    assert!(config.markers.inline && config.rules.is_empty() && config.key.is_none());
    assert_eq!(config.scan, Scan::default());
}

#[test]
fn every_fault_has_a_code_a_place_and_a_way_out() {
    let cases = [
        "[scan]\nexclud = [\"x\"]",
        "[scna]",
        "[scan]\nthreads = 0",
        "[scan]\nmax-file-size = \"64 MX\"",
        "[scan]\nmax-file-size = -1",
        "[scan]\nexclude = [\"a[\"]",
        "[scan\nexclude = []",
        "[scan]\nignored = \"yes\"",
        "[markers]\nforeign = [\"gitleak\"]",
        "[[allow]]\npaths = [\"a\"]",
        "[[allow]]\nreason = \"  \"\npaths = [\"a\"]",
        "[[allow]]\nreason = \"x\"",
        "[[allow]]\nreason = \"x\"\nvalues = [\"hunter2\"]",
        "[[allow]]\nreason = \"x\"\npaths = [\"a\"]\nexpires = \"soon\"",
        "[[allow]]\nreason = \"x\"\npaths = [\"a\"]\nexpires = 2026-01-01T00:00:00Z",
        "[identity]\nkey = \"short\"",
        "[coverage]\naccept = [\"lfs-pointers\"]",
        "[coverage]\naccept = [\"interrupted\"]",
        "[report]\nfail-on = \"hihg\"",
    ];
    let shown: Vec<String> = cases.iter().flat_map(|text| faults(text)).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_fault_is_shown_where_it_stands_and_hides_what_may_be_a_secret() {
    let text = "[[allow]]\nreason = \"x\"\nvalues = [\"hunter2\"]\n";
    let error = parse("keysweep.toml", text.as_bytes()).unwrap_err();
    insta::assert_snapshot!(render(&error), @r#"
    keysweep::config::value

      × an entry of `values` is not a keyed identity
       ╭─[keysweep.toml:3:11]
     2 │ reason = "x"
     3 │ values = [*********]
       ·           ────┬────
       ·               ╰── this value
       ╰────
      help: take the `k1:...` identity out of a JSON report; never write the secret itself here, and
            rotate it if you did
    "#);
}

#[test]
fn no_error_holds_a_long_value() {
    let canary = format!("{}{}", "ghp_", "a1B2".repeat(9));
    for text in [
        format!("{canary} = 1"),
        format!("\"{canary}"),
        format!("[scan]\nexclude = [\"{canary}[\"]"),
        format!("[scan]\nthreads = \"{canary}\""),
        format!("[identity]\nkey = \"{canary}\""),
        format!("[[allow]]\nreason = \"{canary}\""),
        format!("[[allow]]\nvalues = [\"{canary}\"]"),
        format!("[coverage]\naccept = [\"{canary}\"]"),
        format!("[markers]\nforeign = [\"{canary}\"]"),
        format!("[catalogue.severity]\n{canary} = \"none\""),
    ] {
        let shown = render(&parse("keysweep.toml", text.as_bytes()).unwrap_err());
        assert!(
            !shown.contains(&canary),
            "{}",
            text.replace(&canary, "CANARY")
        );
    }
    let named = config(&format!("[catalogue]\ndisable = [\"{canary}\"]"));
    assert!(!render(&named.check_ids(&["a"]).unwrap_err()).contains(&canary));
}

#[test]
fn rules_that_do_not_exist_are_told_with_the_nearest() {
    let text = "[catalogue]\ndisable = [\"acme-kye\"]\n[catalogue.severity]\nzzz = \"low\"\n[[allow]]\nreason = \"x\"\nrules = [\"acme-key\"]\n";
    let config = config(text);
    let error = config.check_ids(&["acme-key", "other"]).unwrap_err();
    insta::assert_snapshot!(render(&error), @r#"
    keysweep::config::no_such_rule

      × there is no rule `acme-kye`
       ╭─[keysweep.toml:2:12]
     1 │ [catalogue]
     2 │ disable = ["acme-kye"]
       ·            ─────┬────
       ·                 ╰── no such rule
     3 │ [catalogue.severity]
       ╰────
      help: did you mean `acme-key`? `keysweep rules list` shows all

    Error: keysweep::config::no_such_rule

      × there is no rule `zzz`
       ╭─[keysweep.toml:4:1]
     3 │ [catalogue.severity]
     4 │ zzz = "low"
       · ─┬─
       ·  ╰── no such rule
     5 │ [[allow]]
       ╰────
      help: `keysweep rules list` shows all
    "#);
    assert!(config.check_ids(&["acme-kye", "zzz", "acme-key"]).is_ok());
}

#[test]
fn files_that_are_not_utf8_are_refused_with_the_byte() {
    let error = parse("keysweep.toml", b"# \xff").unwrap_err();
    assert_eq!(
        error.to_string(),
        "keysweep.toml is not UTF-8: byte 2 does not fit"
    );
    assert!(error.help().is_some());
}

#[test]
fn a_byte_order_mark_is_no_fault() {
    assert!(
        config("\u{feff}[report]\nfail-on = \"high\"\n")
            .fail_on
            .is_some()
    );
}

#[test]
fn a_project_has_one_key() {
    let key = |byte: u8| DigestKey::new([byte; 32]);
    let embedded = suppress::Baseline::new(suppress::BaselineKey::Embedded(key(1)));
    let external = suppress::Baseline::new(suppress::BaselineKey::External);
    let plain = Config::default();
    let hex = |key: Option<DigestKey>| key.map(|key| key.to_hex());
    assert_eq!(hex(project_key(&plain, None, None).unwrap()), None);
    let found = project_key(&plain, Some(&embedded), Some(&key(1))).unwrap();
    assert_eq!(hex(found), Some("01".repeat(32)));
    let found = project_key(&plain, Some(&external), Some(&key(2))).unwrap();
    assert_eq!(hex(found), Some("02".repeat(32)));
    let differ = project_key(&plain, Some(&embedded), Some(&key(2))).unwrap_err();
    assert_eq!(
        differ.to_string(),
        "the project key of the baseline is not that of KEYSWEEP_KEY"
    );
    let none = project_key(&plain, Some(&external), None).unwrap_err();
    assert_eq!(
        none.to_string(),
        "the baseline needs the project key, and there is none"
    );
    let values = config(&format!(
        "[[allow]]\nreason = \"x\"\nvalues = [\"k1:{}\"]",
        "0".repeat(64)
    ));
    assert!(
        project_key(&values, None, None)
            .unwrap_err()
            .help()
            .is_some()
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(parts in proptest::collection::vec("\\[scan\\]|\\[\\[allow\\]\\]|\\[\\[rules\\]\\]|\\[catalogue.severity\\]|reason|paths|values|expires|exclude|max-file-size| = |\"[a-z\\[\\*\\{1]{0,4}\"|[0-9-]{1,10}|\\[|\\]|,|\n|\\PC", 0..24)) {
        if let Err(error) = parse("keysweep.toml", parts.concat().as_bytes()) {
            let _ = render(&error);
        }
    }

    #[test]
    fn no_bytes_make_the_loader_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
        let _ = parse("keysweep.toml", &bytes);
    }
}

#[test]
fn environments_are_globs_or_tables() {
    let text = "[environments]\nproduction = [\"live/**\"]\n[environments.acc]\ntier = \"staging\"\nkeys = [\"ACC_\"]\n[services]\nbilling = [\"apps/billing/**\"]\n[policy]\npersona = \"pedantic\"\n";
    let config = parse("keysweep.toml", text.as_bytes()).unwrap();
    assert_eq!(config.environments["production"].paths, ["live/**"]);
    assert_eq!(config.environments["acc"].tier, Some(Tier::Staging));
    assert_eq!(config.services["billing"], ["apps/billing/**"]);
    assert_eq!(config.persona, Some(Persona::Pedantic));
    let own = "[environments.productoin]\ntier = \"staging\"\n[environments]\nlab = [\"lab/**\"]\n";
    assert!(parse("keysweep.toml", own.as_bytes()).is_ok());
    for wrong in [
        "[environments]\nproduction = [\"live/[\"]\n",
        "[environments.acc]\ntier = \"best\"\n",
        "[environments]\nacc = 1\n",
        "[policy]\npersona = \"all\"\n",
    ] {
        assert!(parse("keysweep.toml", wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn each_bad_entry_of_environments_is_told_where_it_stands() {
    let shown = |text: &str| {
        let error = parse("keysweep.toml", text.as_bytes()).unwrap_err();
        let mut shown = String::new();
        GraphicalReportHandler::new_themed(GraphicalTheme::none())
            .with_width(100)
            .render_report(&mut shown, &error)
            .unwrap();
        shown
    };
    for (text, place, help) in [
        (
            "[environments]\nlive = [\"a/**\", \"live/[\"]\n",
            "2:17",
            "patterns such as",
        ),
        ("[environments.a]\ntier = \"best\"\n", "2:8", "\"staging\""),
        (
            "[environments.a]\nnamespaces = [\"a-[\"]\n",
            "2:15",
            "patterns such as",
        ),
        (
            "[environments.a]\nstores = [\"x\", \"a/[\"]\n",
            "2:16",
            "patterns such as",
        ),
        (
            "[environments.a]\nkeys = [\"A_\", \"\"]\n",
            "2:15",
            "begin with",
        ),
        ("[environments.a]\npath = [\"a/**\"]\n", "2:1", "paths"),
        ("[environments]\na = 1\n", "2:5", "docs/configuration.md"),
        (
            "[environments]\na = \"deploy/**\"\n",
            "2:5",
            "docs/configuration.md",
        ),
        ("[environments]\na = [1]\n", "2:6", "docs/configuration.md"),
        (
            "[environments]\nproductoin = [\"live/**\"]\n",
            "2:1",
            "did you mean `production`?",
        ),
        (
            "[environments.prodution]\npaths = [\"live/**\"]\n",
            "1:15",
            "did you mean `production`?",
        ),
        ("[services]\nb = [\"a/[\"]\n", "2:6", "patterns such as"),
    ] {
        let shown = shown(text);
        assert!(
            shown.contains(&format!("keysweep.toml:{place}]")),
            "{text}: {shown}"
        );
        assert!(
            shown.contains("help:") && shown.contains(help),
            "{text}: {shown}"
        );
    }
    // All of them at once, as far as the text can be read.
    let all = shown("[environments.a]\ntier = \"best\"\nkeys = [\"\"]\npaths = [\"[\"]\n");
    for place in ["2:8", "3:9", "4:10"] {
        assert!(all.contains(place), "{all}");
    }
}
