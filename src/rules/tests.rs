//! Whole rule files: what loads, and how every fault reads.

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

/// A file with one rule that passes every check, with `change` (a line `key = value`) put in place of the key's line, or
/// added; `-key` takes the key's line away.
fn file_with(change: &str) -> String {
    let mut lines: Vec<String> = [
        "family = \"acme\"",
        "name = \"Acme\"",
        "[[rules]]",
        "id = \"acme-api-key\"",
        "description = \"Acme API key\"",
        "source = \"Acme docs: API keys\"",
        "severity = \"high\"",
        "confidence = \"high\"",
        "pattern = 'acme_[a-z0-9]{32}'",
        "remediation = \"Delete the key in the console.\"",
        "positive = ['a=«acme_%{lowernum:32}»', 'b: «acme_%{lowernum:32}»']",
        "negative = ['a=acme_%{lowernum:20}']",
    ]
    .map(str::to_owned)
    .to_vec();
    let key = change.split(' ').next().unwrap_or_default();
    let old = format!("{} =", key.trim_start_matches('-'));
    match lines.iter().position(|line| line.starts_with(&old)) {
        Some(at) if key.starts_with('-') => drop(lines.remove(at)),
        Some(at) => lines[at] = change.to_owned(),
        None => lines.push(change.to_owned()),
    }
    lines.join("\n")
}

/// Returns `code | message | label: quoted text | help` of each fault.
fn faults(text: &str) -> Vec<String> {
    let Err(error) = parse("rules/acme.toml", text) else {
        return Vec::new();
    };
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
    all.extend(error.related().unwrap().map(line));
    all
}

fn first_fault(change: &str) -> String {
    faults(&file_with(change))
        .into_iter()
        .next()
        .unwrap_or_default()
}

#[test]
fn a_sound_file_loads() {
    let rules = parse("rules/acme.toml", &file_with("cwe = 321")).unwrap();
    let [rule] = rules.as_slice() else {
        panic!("one rule is in the file");
    };
    assert_eq!(rule.max_len, 37);
    assert_eq!(rule.meta.cwe, 321);
    assert_eq!(
        rule.shape,
        Shape::Token {
            prefixes: vec![b"acme_".to_vec()],
            fold: false
        }
    );
}

#[test]
fn context_and_markers_give_their_shapes() {
    let shape = |change: &str| parse("f", &file_with(change)).unwrap().remove(0).shape;
    assert_eq!(
        shape("context = [\"acmekey\", \"acme\", \"acme\"]"),
        Shape::Context {
            words: vec!["acme".to_owned(), "acmekey".to_owned()]
        }
    );
    assert_eq!(
        shape("markers = [\"acme_\"]"),
        Shape::Marker {
            markers: vec![b"acme_".to_vec()]
        }
    );
}

#[test]
fn a_fault_is_shown_where_it_stands() {
    let error = parse("rules/acme.toml", &file_with("pattern = 'acme_[a-z]+'")).unwrap_err();
    insta::assert_snapshot!(render(&error), @r#"
    keysweep::rules::bound

      × the pattern of `acme-api-key` has no bound
        ╭─[rules/acme.toml:9:22]
      8 │ confidence = "high"
      9 │ pattern = 'acme_[a-z]+'
        ·                      ┬
        ·                      ╰── no upper bound
     10 │ remediation = "Delete the key in the console."
        ╰────
      help: write how many there can be at most: `{16,256}` in place of `+`, `*` or `{16,}`
    "#);
}

#[test]
fn every_fault_has_a_code_a_place_and_a_way_out() {
    let changes = [
        "severity = \"hihg\"",
        "entorpy = 3.0",
        "cwe = \"798\"",
        "-description",
        "id = \"AcmeKey\"",
        "id = \"emca-key\"",
        "pattern = 'acme_[a-z'",
        "pattern = 'acme_[a-z]{8,}'",
        "pattern = 'acme_[a-z]{8,90000}'",
        "pattern = '[a-z0-9]{32}'",
        "pattern = 'acme_(?P<secert>[a-z0-9]{32})'",
        "pattern = 'acme_(?P<secret>[a-z0-9]{0,32})'",
        "-pattern",
        "extent = \"pem\"",
        "context = [\"ACME_KEY\"]",
        "context = []",
        "markers = [\"a\"]",
        "near = { pattern = 'abc', within = 3000 }",
        "near = { pattern = 'abc', within = 30, required = false }",
        "entropy = 5.9",
        "entropy = 9",
        "paths = [\"a[\"]",
        "description = \"A key.\"",
        "-source",
        "cwe = 79",
        "positive = []",
        "negative = ['«a»']",
        "negative = ['%{alnumm:3}']",
    ];
    let shown: Vec<String> = changes.iter().map(|change| first_fault(change)).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn all_faults_of_a_file_are_shown_at_once() {
    let text = file_with("entropy = 9").replace("Acme API key\"", "Acme API key.\"");
    assert_eq!(faults(&text).len(), 2);
}

fn ids(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn rules_that_were_not_asked_for_are_left_out() {
    let text =
        "[[rules]]\nid = \"own-key\"\ndescription = \"Own key\"\npattern = 'own_[a-z0-9]{20}'\n";
    let rules = parse_user("keysweep.toml", text, &ids(&["other"]), &RuleSet::default());
    assert!(rules.unwrap().is_empty());
}

#[test]
fn a_configuration_may_have_a_thousand_rules() {
    let rule = |n: usize| {
        format!(
            "[[rules]]\nid = \"own-{n}\"\ndescription = \"x\"\npattern = 'own_{n}_[a-z]{{9}}'\n"
        )
    };
    let load = |count: usize| {
        let text: String = (0..count).map(rule).collect();
        let all = (0..count).map(|n| format!("own-{n}")).collect();
        parse_user("f", &text, &all, &RuleSet::default())
    };
    assert_eq!(load(1000).unwrap().len(), 1000);
    assert_eq!(
        load(1001).unwrap_err().to_string(),
        "there are more than 1000 rules"
    );
}

#[test]
fn a_users_rule_needs_little_and_cannot_take_a_built_in_id() {
    let text = "[scan]\nanything = 1\n[[rules]]\nid = \"own-key\"\ndescription = \"Own key\"\npattern = 'own_[a-z0-9]{20}'\n";
    let builtin = RuleSet::new(parse("f", &file_with("cwe = 798")).unwrap());
    let own = parse_user("keysweep.toml", text, &ids(&["own-key"]), &builtin).unwrap();
    assert_eq!((own.len(), own[0].meta.family.as_str()), (1, "custom"));
    let taken = text.replace("own-key", "acme-api-key");
    let error = parse_user("keysweep.toml", &taken, &ids(&["acme-api-key"]), &builtin).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the rule id `acme-api-key` is already taken"
    );
}

#[test]
fn quoted_lines_hold_no_key() {
    let key = "0f".repeat(32);
    let text = format!("[identity]\nkey = \"{key}\"\n[[rules]]\nidd = 1\n");
    let error = parse_user("keysweep.toml", &text, &ids(&[]), &RuleSet::default()).unwrap_err();
    assert!(!render(&error).contains(&key));
    let error = parse("f", &format!("{key} = 1")).unwrap_err();
    assert!(!render(&error).contains(&key), "not as a name either");
}

#[test]
fn selection_changes_what_it_names_only() {
    let set = RuleSet::new(parse("f", &file_with("cwe = 798")).unwrap());
    let id = RuleId::new("acme-api-key");
    let severities = BTreeMap::from([(id.clone(), Severity::Low)]);
    let none = BTreeMap::new();
    let lowered = set.clone().with_severities(&severities, &none);
    let kept = set.clone().with_severities(&none, &severities);
    assert_eq!(
        kept.find("acme-api-key").unwrap().meta.severity,
        Severity::High
    );
    assert_eq!(
        lowered.find("acme-api-key").unwrap().meta.severity,
        Severity::Low
    );
    assert!(set.clone().without(&[id]).rules.is_empty());
    assert_eq!(set.without(&[RuleId::new("other")]).rules.len(), 1);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "(\\[\\[rules\\]\\]\n|id = |pattern = |near = |context = |'[a-z\\[\\]{}+*?(]{0,9}'|\"[a-z\\\\]{0,4}\"|[0-9]{1,3}|\n|.){0,24}") {
        let _ = parse("f", &text);
        let _ = parse_user("f", &text, &ids(&["a"]), &RuleSet::default());
    }

    #[test]
    fn no_pattern_makes_the_loader_panic(pattern in "[a-z0-9_\\[\\]{},+*?()|\\\\.^$:<>P-]{0,30}") {
        let _ = parse("f", &file_with(&format!("pattern = '''{pattern}'''")));
    }
}
