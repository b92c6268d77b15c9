//! Decisions over occurrences, and what is left over.

use super::*;
use crate::{
    config::parse,
    model::{DigestKey, Secret},
};

const TODAY: Date = Date::new(2026, 6, 15);

fn key() -> DigestKey {
    DigestKey::new([7; 32])
}

/// An occurrence of a made-up value.
struct Found {
    rule: RuleId,
    path: BlobPath,
    digest: Digest,
    fingerprint: Fingerprint,
    markers: Vec<Marker>,
}

fn found(rule: &str, path: &str, value: &str, line: &str) -> Found {
    let (rule, path) = (RuleId::new(rule), BlobPath::from(path));
    let digest = key().digest("acme", &Secret::new(value.as_bytes()));
    let fingerprint = key().fingerprint(digest, &rule, &path);
    let markers = Markers::default().on_lines(line.as_bytes(), 1);
    Found {
        rule,
        path,
        digest,
        fingerprint,
        markers,
    }
}

impl Found {
    fn decide(&self, suppressor: &mut Suppressor) -> Option<(SuppressionKind, String)> {
        suppressor.decide(&Sighting {
            rule: &self.rule,
            path: &self.path,
            digest: self.digest,
            fingerprint: &self.fingerprint,
            markers: &self.markers,
        })
    }
}

fn suppressor(config: &str) -> Suppressor {
    let config = parse("keysweep.toml", config.as_bytes()).unwrap();
    Suppressor::new(&config, None, TODAY)
}

#[test]
fn a_marker_counts_for_the_rules_it_names() {
    let mut suppressor = suppressor("");
    let line = "k = 1 # keysweep:allow[acme-key] made up";
    let by = found("acme-key", "a", "v", line).decide(&mut suppressor);
    assert_eq!(by, Some((SuppressionKind::Inline, "made up".to_owned())));
    assert_eq!(
        found("other-key", "a", "v", line).decide(&mut suppressor),
        None
    );
}

#[test]
fn all_kinds_of_an_entry_must_fit() {
    let mut suppressor = suppressor(
        "[[allow]]\nreason = \"r\"\nrules = [\"acme-key\", \"acme-token\"]\npaths = [\"tests/**\", \"*.md\"]\n",
    );
    let mut fits = |rule: &str, path: &str| {
        let by = found(rule, path, "v", "").decide(&mut suppressor);
        by == Some((SuppressionKind::Allowlist, "r".to_owned()))
    };
    assert!(fits("acme-key", "tests/a.py") && fits("acme-token", "docs/x.md"));
    assert!(!fits("acme-key", "src/a.py") && !fits("other", "tests/a.py"));
}

#[test]
fn values_are_allowed_by_either_identity() {
    let one = found("acme-key", "a", "value one", "");
    let digest = format!("k1:{}", one.digest.to_hex());
    let entry = |value: &str| format!("[[allow]]\nreason = \"r\"\nvalues = [\"{value}\"]\n");
    let mut anywhere = suppressor(&entry(&digest));
    assert!(one.decide(&mut anywhere).is_some());
    assert!(
        found("acme-key", "b", "value one", "")
            .decide(&mut anywhere)
            .is_some()
    );
    assert!(
        found("acme-key", "a", "value two", "")
            .decide(&mut anywhere)
            .is_none()
    );
    let mut here = suppressor(&entry(one.fingerprint.as_str()));
    assert!(one.decide(&mut here).is_some());
    assert!(
        found("acme-key", "b", "value one", "")
            .decide(&mut here)
            .is_none()
    );
}

#[test]
fn an_entry_counts_to_the_end_of_its_last_day() {
    let entry =
        |day: &str| format!("[[allow]]\nreason = \"r\"\nrules = [\"a-b\"]\nexpires = {day}\n");
    let one = found("a-b", "p", "v", "");
    assert!(one.decide(&mut suppressor(&entry("2026-06-15"))).is_some());
    let mut expired = suppressor(&entry("2026-06-14"));
    assert!(one.decide(&mut expired).is_none());
    assert_eq!(
        expired.unused(&Extent::Tree),
        ["allow entry at keysweep.toml:1 (rules a-b) expired on 2026-06-14"]
    );
}

#[test]
fn the_baseline_knows_a_value_by_rule_and_path_only() {
    let one = found("acme-key", "a", "value one", "");
    let mut baseline = Baseline::new(BaselineKey::External);
    baseline.update([Line::new(one.fingerprint.clone(), "acme-key", &one.path)]);
    let mut suppressor = Suppressor::new(&Config::default(), Some(baseline), TODAY);
    assert_eq!(
        one.decide(&mut suppressor),
        Some((SuppressionKind::Baseline, String::new()))
    );
    for other in [
        found("acme-key", "a", "value two", ""),
        found("acme-key", "b", "value one", ""),
        found("acme-token", "a", "value one", ""),
    ] {
        assert_eq!(other.decide(&mut suppressor), None);
    }
}

#[test]
fn what_met_nothing_is_told() {
    let config = parse(
        "keysweep.toml",
        b"[[allow]]\nreason = \"r\"\npaths = [\"nowhere/**\"]\n\n[[allow]]\nreason = \"r\"\nrules = [\"acme-key\"]\n",
    );
    let mut baseline = Baseline::new(BaselineKey::External);
    let old = found("acme-key", "old.py", "v", "");
    let shown = Line::new(old.fingerprint.clone(), "acme-key", &old.path);
    baseline.update([shown.clone()]);
    let mut suppressor = Suppressor::new(&config.unwrap(), Some(baseline), TODAY);
    for text in [
        "keysweep:allow[acme-key] used",
        "\nkeysweep:allow[acme-key] idle",
        "\n\nkeysweep:allow",
    ] {
        for marker in Markers::default().find(text.as_bytes(), 1) {
            suppressor.saw(&BlobPath::from("a.py"), &marker);
        }
    }
    found("acme-key", "a.py", "v", "keysweep:allow[acme-key] used").decide(&mut suppressor);
    found("acme-key", "b.py", "v", "").decide(&mut suppressor);
    assert_eq!(
        suppressor.unused(&Extent::Tree),
        [
            "allow entry at keysweep.toml:1 (paths nowhere/**)".to_owned(),
            "allow marker at a.py:2 (acme-key)".to_owned(),
            "allow marker at a.py:3 names no rule: write keysweep:allow[rule-id] and a reason"
                .to_owned(),
            format!("baseline line {shown}"),
        ]
    );
}

#[test]
fn what_a_partial_run_cannot_meet_is_not_told() {
    let config = b"[[allow]]\nreason = \"r\"\npaths = [\"sub/**\"]\n[[allow]]\nreason = \"r\"\nrules = [\"acme-key\"]\n";
    let mut baseline = Baseline::new(BaselineKey::External);
    for path in ["sub/a.py", "b.py"] {
        let old = found("acme-key", path, "v", "");
        baseline.update([Line::new(old.fingerprint, "acme-key", &old.path)]);
    }
    let config = parse("keysweep.toml", config).unwrap();
    let suppressor = Suppressor::new(&config, Some(baseline), TODAY);
    let told = |extent: &Extent| suppressor.unused(extent).len();
    assert_eq!(told(&Extent::Tree), 4);
    assert_eq!(told(&Extent::Directory(BlobPath::from("sub"))), 2);
    assert_eq!(told(&Extent::Files(["b.py".to_owned()].into())), 1);
    assert_eq!(told(&Extent::Files(BTreeSet::new())), 0);
}

#[test]
fn a_marker_for_no_rule_that_there_is_is_told_with_the_nearest() {
    let mut suppressor = suppressor("").knowing(["acme-key".to_owned(), "acme-token".to_owned()]);
    let text = "keysweep:allow[acme-kye] x\nkeysweep:allow[acme-key, elsewhere] x";
    for marker in Markers::default().find(text.as_bytes(), 1) {
        suppressor.saw(&BlobPath::from("a.py"), &marker);
    }
    found("acme-key", "a.py", "v", text.lines().nth(1).unwrap()).decide(&mut suppressor);
    assert_eq!(
        suppressor.unused(&Extent::Tree),
        [
            "allow marker at a.py:1 names no rule that there is: `acme-kye` (did you mean `acme-key`?)",
            "allow marker at a.py:2 names no rule that there is: `elsewhere`",
        ]
    );
}

#[test]
fn markers_of_a_foreign_tree_are_counted_and_do_not_count() {
    let mut config = Config::default();
    config.markers.refused = true;
    let mut suppressor = Suppressor::new(&config, None, TODAY);
    let line = "k = 1 # keysweep:allow[acme-key] trust me";
    for marker in Markers::default().find(line.as_bytes(), 1) {
        suppressor.saw(&BlobPath::from("a"), &marker);
    }
    let one = found("acme-key", "a", "v", line);
    assert_eq!(one.decide(&mut suppressor), None);
    assert_eq!(
        (suppressor.refused(), suppressor.unused(&Extent::Tree).len()),
        (1, 0)
    );
}
