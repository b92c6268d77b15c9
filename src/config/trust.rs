//! Whose configuration counts (DESIGN section 3): what is not the user's own may tighten a scan, never loosen it.

use std::{collections::BTreeSet, fmt};

use super::{Allow, Config, OwnRules};
use crate::model::{BlobPath, Severity, quotable};

/// What a configuration that was found in the scanned tree may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is the user's own, or the user said so (`--trust-config`): everything.
    Own,
    /// A tree or repository named by path: tighten.
    Foreign,
    /// The head of a range (a pull request), against the configuration of its base: tighten.
    Head,
}

impl Trust {
    /// Returns whose configuration it is about.
    pub(super) const fn whose(self) -> &'static str {
        match self {
            Self::Own => "your repository",
            Self::Foreign => "the scanned tree",
            Self::Head => "the range's head",
        }
    }
}

/// Something a reader must know of the configuration, as one sentence of safe text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice(String);

impl Notice {
    /// Makes text safe: control characters escaped, what could be a secret masked.
    pub(super) fn new(text: &str) -> Self {
        Self(BlobPath::from(quotable(text).as_str()).to_string())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns `base` with everything of `candidate` that it may add under `trust`, and a notice for everything refused.
///
/// An untrusted configuration may add rules, raise severities, look at more (ignored files, unreachable objects), refuse
/// inline markers and lower the severity that fails a run. Limits are the business of whoever runs the scan. The rule ids that
/// it names are not checked: it must not be able to stop a scan.
#[must_use]
pub fn merge(base: Option<Config>, candidate: Config, trust: Trust) -> (Config, Vec<Notice>) {
    if trust == Trust::Own {
        return (candidate, Vec::new());
    }
    let whose = trust.whose();
    let base = base.unwrap_or_default();
    let notices = loosenings(&base, &candidate, false)
        .iter()
        .map(|what| {
            Notice::new(&format!(
                "the configuration of {whose} {what}: refused (--trust-config accepts it)"
            ))
        })
        .collect();
    (tightened(base, candidate), notices)
}

/// Returns in what `head` looks at less, or reports less, than `base`: each a predicate such as "disables the rule `x`".
/// Sorted by section; empty if `head` loosens nothing.
#[must_use]
pub fn loosens(base: &Config, head: &Config) -> Vec<String> {
    loosenings(base, head, true)
        .iter()
        .map(|what| Notice::new(what).0)
        .collect()
}

fn tightened(mut base: Config, candidate: Config) -> Config {
    base.scan.ignored |= candidate.scan.ignored;
    base.scan.unreachable |= candidate.scan.unreachable;
    let raised = candidate.catalogue.severity.into_iter();
    for (id, severity) in raised.chain(candidate.catalogue.at_least) {
        let least = base.catalogue.at_least.entry(id).or_insert(severity);
        *least = severity.max(*least);
    }
    let known: BTreeSet<String> = base.rules.iter().flat_map(|own| own.ids.clone()).collect();
    for mut own in candidate.rules {
        own.ids.retain(|id| !known.contains(id));
        own.guests = true;
        if !own.ids.is_empty() {
            base.rules.push(own);
        }
    }
    base.markers.inline &= candidate.markers.inline;
    base.persona = base.persona.max(candidate.persona);
    if let (Some(fail_on), Some(asked)) = (base.fail_on, candidate.fail_on) {
        base.fail_on = Some(fail_on.min(asked));
    }
    base
}

/// Collects the loosenings. `removals`: also count what `base` says and `head` no longer does; without it `head` only adds.
fn loosenings(base: &Config, head: &Config, removals: bool) -> Vec<String> {
    let mut found = Vec::new();
    scan(base, head, removals, &mut found);
    for id in &head.catalogue.disable {
        if !base.catalogue.disable.contains(id) {
            found.push(format!("disables the rule `{id}`"));
        }
    }
    severities(base, head, removals, &mut found);
    rules(base, head, removals, &mut found);
    for allow in &head.allow {
        if !base.allow.iter().any(|other| same(allow, other)) {
            found.push(format!("allows findings ({})", selection(allow)));
        }
    }
    if head.markers.inline && !base.markers.inline && removals {
        found.push("honours inline markers again".to_owned());
    }
    for marker in head.markers.foreign.difference(&base.markers.foreign) {
        found.push(format!("honours the markers of {}", marker.as_str()));
    }
    let key = |config: &Config| config.key.as_ref().map(crate::model::DigestKey::to_hex);
    if key(base) != key(head) && (removals || head.key.is_some()) {
        found.push("changes the project key".to_owned());
    }
    for cause in head.accept.difference(&base.accept) {
        found.push(format!("accepts gaps in coverage ({})", cause.as_str()));
    }
    policy(base, head, removals, &mut found);
    let fail_on = |config: &Config| config.fail_on.unwrap_or(Severity::Low);
    if fail_on(head) > fail_on(base) && (removals || head.fail_on.is_some()) {
        let severity = fail_on(head).as_str();
        found.push(format!(
            "fails only for findings of severity {severity} or worse"
        ));
    }
    found
}

fn policy(base: &Config, head: &Config, removals: bool, found: &mut Vec<String>) {
    let persona = |config: &Config| config.persona.unwrap_or_default();
    if persona(head) < persona(base) && (removals || head.persona.is_some()) {
        let persona = persona(head).as_str();
        found.push(format!(
            "reports policy findings for the {persona} persona only"
        ));
    }
    // Which files belong together decides what is told of them: only the user may say.
    for name in head.environments.keys() {
        if base.environments.get(name) != head.environments.get(name) {
            found.push(format!("says what belongs to the environment `{name}`"));
        }
    }
    for name in head.services.keys() {
        if base.services.get(name) != head.services.get(name) {
            found.push(format!("says what belongs to the service `{name}`"));
        }
    }
    let dropped =
        |old: Vec<&String>, new: Vec<&String>| old.into_iter().any(|name| !new.contains(&name));
    if removals
        && (dropped(
            base.environments.keys().collect(),
            head.environments.keys().collect(),
        ) || dropped(
            base.services.keys().collect(),
            head.services.keys().collect(),
        ))
    {
        found.push("forgets an environment or a service".to_owned());
    }
}

fn scan(base: &Config, head: &Config, removals: bool, found: &mut Vec<String>) {
    let (base, head) = (&base.scan, &head.scan);
    for glob in &head.exclude {
        if !base.exclude.contains(glob) {
            found.push(format!("excludes `{glob}`"));
        }
    }
    if removals && base.ignored && !head.ignored {
        found.push("no longer reads ignored files".to_owned());
    }
    if removals && base.unreachable && !head.unreachable {
        found.push("no longer reports unreachable objects".to_owned());
    }
    let number = |limit: Option<std::num::NonZeroU64>| limit.map(std::num::NonZeroU64::get);
    let ratio = |limit: Option<std::num::NonZeroU32>| limit.map(|limit| u64::from(limit.get()));
    let (old, new) = (&base.archives, &head.archives);
    for (name, old, new) in [
        (
            "[scan] max-file-size",
            base.max_file_bytes,
            head.max_file_bytes,
        ),
        (
            "[scan.archives] depth",
            old.depth.map(u64::from),
            new.depth.map(u64::from),
        ),
        (
            "[scan.archives] member-size",
            number(old.member_bytes),
            number(new.member_bytes),
        ),
        (
            "[scan.archives] total-size",
            number(old.total_bytes),
            number(new.total_bytes),
        ),
        ("[scan.archives] ratio", ratio(old.ratio), ratio(new.ratio)),
        (
            "[scan.archives] members",
            number(old.members),
            number(new.members),
        ),
    ] {
        match (old, new) {
            (Some(old), Some(new)) if new < old => found.push(format!("lowers `{name}`")),
            // The built-in limit is not known here: a first figure counts as a lower one.
            (None, Some(_)) => found.push(format!("sets `{name}`")),
            (Some(_), None) if removals => found.push(format!("drops `{name}`")),
            _ => {}
        }
    }
}

fn severities(base: &Config, head: &Config, removals: bool, found: &mut Vec<String>) {
    for (id, severity) in &head.catalogue.severity {
        let name = severity.as_str();
        match base.catalogue.severity.get(id) {
            Some(old) if severity < old => {
                found.push(format!("lowers the severity of `{id}` to {name}"));
            }
            // The rule's own severity is not known here; `at_least` keeps it if it is higher.
            None if *severity < Severity::Critical => found.push(format!(
                "sets the severity of `{id}` to {name}, which counts only where it is higher"
            )),
            _ => {}
        }
    }
    for id in base.catalogue.severity.keys() {
        if removals && !head.catalogue.severity.contains_key(id) {
            found.push(format!("no longer sets the severity of `{id}`"));
        }
    }
}

fn rules(base: &Config, head: &Config, removals: bool, found: &mut Vec<String>) {
    let table = |rules: &'_ [OwnRules], id: &str| {
        let own = rules.iter().find(|own| own.ids.contains(id));
        own.and_then(|own| own.tables.get(id)).cloned()
    };
    for id in base.rules.iter().flat_map(|own| &own.ids) {
        match table(&head.rules, id) {
            None if removals => found.push(format!("drops the rule `{id}`")),
            Some(new) if Some(&new) != table(&base.rules, id).as_ref() => {
                found.push(format!("changes the rule `{id}`"));
            }
            _ => {}
        }
    }
}

/// Tells whether two entries allow the same, wherever they stand.
fn same(one: &Allow, other: &Allow) -> bool {
    let of = |allow: &Allow| Allow {
        place: String::new(),
        ..allow.clone()
    };
    of(one) == of(other)
}

/// Returns what an entry selects, without its values.
pub(super) fn selection(allow: &Allow) -> String {
    let mut parts = Vec::new();
    if !allow.rules.is_empty() {
        let ids: Vec<&str> = allow
            .rules
            .iter()
            .map(crate::model::RuleId::as_str)
            .collect();
        parts.push(format!("rules {}", ids.join(", ")));
    }
    if !allow.paths.is_empty() {
        parts.push(format!("paths {}", allow.paths.join(", ")));
    }
    match allow.values.len() {
        0 => {}
        1 => parts.push("1 value".to_owned()),
        n => parts.push(format!("{n} values")),
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::parse, model::RuleId};

    fn config(text: &str) -> Config {
        parse("keysweep.toml", text.as_bytes()).unwrap()
    }

    fn rule(id: &str, pattern: &str) -> String {
        format!("[[rules]]\nid = \"{id}\"\ndescription = \"x\"\npattern = '{pattern}'\n")
    }

    /// Says something looser in every section.
    const LOOSE: &str = "[scan]\nexclude = [\"src/**\"]\nmax-file-size = 10\n[scan.archives]\ndepth = 0\n\
        [catalogue]\ndisable = [\"a-key\"]\n[catalogue.severity]\nb-key = \"low\"\n\
        [[allow]]\nreason = \"trust me\"\npaths = [\"**\"]\n[markers]\nforeign = [\"gitleaks\"]\n\
        [identity]\nkey = \"0000000000000000000000000000000000000000000000000000000000000000\"\n\
        [coverage]\naccept = [\"unsupported\"]\n[report]\nfail-on = \"critical\"\n";

    #[test]
    fn your_own_configuration_counts_as_it_is() {
        let (merged, notices) = merge(None, config(LOOSE), Trust::Own);
        assert_eq!((merged.allow.len(), notices.len()), (1, 0));
    }

    #[test]
    fn a_foreign_one_cannot_loosen_and_every_refusal_is_told() {
        let (merged, notices) = merge(None, config(LOOSE), Trust::Foreign);
        assert_eq!(merged.scan, super::super::Scan::default());
        assert!(merged.allow.is_empty() && merged.accept.is_empty() && merged.key.is_none());
        assert!(merged.catalogue.disable.is_empty() && merged.catalogue.severity.is_empty());
        assert!(merged.markers.foreign.is_empty() && merged.fail_on.is_none());
        let shown: Vec<&str> = notices.iter().map(Notice::as_str).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        the configuration of the scanned tree excludes `src/**`: refused (--trust-config accepts it)
        the configuration of the scanned tree sets `[scan] max-file-size`: refused (--trust-config accepts it)
        the configuration of the scanned tree sets `[scan.archives] depth`: refused (--trust-config accepts it)
        the configuration of the scanned tree disables the rule `a-key`: refused (--trust-config accepts it)
        the configuration of the scanned tree sets the severity of `b-key` to low, which counts only where it is higher: refused (--trust-config accepts it)
        the configuration of the scanned tree allows findings (paths **): refused (--trust-config accepts it)
        the configuration of the scanned tree honours the markers of gitleaks: refused (--trust-config accepts it)
        the configuration of the scanned tree changes the project key: refused (--trust-config accepts it)
        the configuration of the scanned tree accepts gaps in coverage (unsupported): refused (--trust-config accepts it)
        the configuration of the scanned tree fails only for findings of severity critical or worse: refused (--trust-config accepts it)
        ");
    }

    #[test]
    fn a_foreign_one_can_tighten() {
        let text = format!(
            "[scan]\nignored = true\n[scan.history]\nunreachable = true\n[catalogue.severity]\na-key = \"critical\"\n[markers]\ninline = false\n[report]\nfail-on = \"low\"\n{}",
            rule("own-key", "own_[a-z]{9}")
        );
        let base = config("[report]\nfail-on = \"high\"\n");
        let (merged, notices) = merge(Some(base), config(&text), Trust::Foreign);
        assert_eq!(notices, []);
        assert!(merged.scan.ignored && merged.scan.unreachable && !merged.markers.inline);
        assert_eq!(
            merged.catalogue.at_least[&RuleId::new("a-key")],
            Severity::Critical
        );
        assert_eq!(merged.fail_on, Some(Severity::Low));
        assert!(merged.rules[0].ids.contains("own-key") && merged.rules[0].guests);
    }

    #[test]
    fn a_foreign_one_cannot_redefine_a_rule_of_yours() {
        let base = config(&rule("own-key", "own_[a-z]{9}"));
        let other = format!(
            "{}{}",
            rule("own-key", "never_[a-z]{9}"),
            rule("new-key", "new_[a-z]{9}")
        );
        let (merged, notices) = merge(Some(base), config(&other), Trust::Head);
        assert_eq!(merged.rules.len(), 2);
        assert!(merged.rules[1].ids.iter().eq(["new-key"]));
        assert_eq!(
            notices[0].as_str(),
            "the configuration of the range's head changes the rule `own-key`: refused (--trust-config accepts it)"
        );
    }

    #[test]
    fn what_a_foreign_one_names_is_not_checked() {
        let (merged, _) = merge(
            None,
            config("[catalogue]\ndisable = [\"no-such\"]\n"),
            Trust::Foreign,
        );
        assert!(merged.check_ids(&["a"]).is_ok());
    }

    #[test]
    fn a_pull_request_loosens_by_adding_and_by_taking_away() {
        let strict = format!(
            "[scan]\nignored = true\n[markers]\ninline = false\n[catalogue.severity]\na-key = \"critical\"\n[scan.archives]\ndepth = 9\n{}",
            rule("own-key", "own_[a-z]{9}")
        );
        let (base, head) = (config(&strict), config("[scan.archives]\ndepth = 2\n"));
        assert_eq!(
            loosens(&base, &head),
            [
                "no longer reads ignored files",
                "lowers `[scan.archives] depth`",
                "no longer sets the severity of `a-key`",
                "drops the rule `own-key`",
                "honours inline markers again",
            ]
        );
        assert_eq!(loosens(&base, &base), [""; 0]);
        assert_eq!(
            loosens(&config(LOOSE), &config(LOOSE)),
            [""; 0],
            "moving entries changes nothing"
        );
        assert_eq!(loosens(&Config::default(), &config(LOOSE)).len(), 10);
    }

    #[test]
    fn notices_are_safe_text_without_secrets() {
        let value = format!("{}{}", "ghp_", "a1B2".repeat(9));
        let text = format!("[scan]\nexclude = [\"\\u001b[31m]{value}\"]\n");
        let (_, notices) = merge(None, config(&text), Trust::Foreign);
        let shown = notices[0].as_str();
        assert!(
            !shown.contains(&value) && !shown.contains('\x1b'),
            "{}",
            shown.len()
        );
    }
}
