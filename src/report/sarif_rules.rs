//! The rules of a SARIF run: those that its results refer to, in the order of their first result.
//!
//! `security-severity` belongs to a rule, so a finding whose severity differs from its rule's (a failed checksum) gets a
//! rule of its own (`github-oauth-token.low`; ids of the catalogue have no dot).

use super::{
    sarif_model::{Configuration, Help, Rule, RuleProperties},
    sarif_result::{MAX_TEXT, plain},
};
use crate::{
    model::{Confidence, Finding, Kind, RuleMeta, Severity},
    report::{markdown, sarif::text, words},
    scan::Report,
};

/// Most tags of a rule: GitLab's limit; GitHub shows 10 too.
const MAX_TAGS: usize = 10;
/// Most characters of a name, on both forges.
const MAX_NAME: usize = 255;

/// Collects rules.
pub(super) struct Rules<'a> {
    report: &'a Report,
    list: Vec<Rule<'a>>,
}

impl<'a> Rules<'a> {
    /// Starts an empty list over the report's metadata.
    pub(super) fn new(report: &'a Report) -> Self {
        Self {
            report,
            list: Vec::new(),
        }
    }

    /// Returns id and index of the finding's rule, adding it at its first use.
    pub(super) fn of(&mut self, finding: &Finding) -> (String, usize) {
        let meta = words::rule(self.report, &finding.rule);
        let id = match meta {
            Some(meta) if meta.severity != finding.severity => {
                format!("{}.{}", finding.rule, finding.severity.as_str())
            }
            _ => finding.rule.to_string(),
        };
        let index = self
            .list
            .iter()
            .position(|rule| rule.id == id)
            .unwrap_or_else(|| {
                self.list.push(rule(&id, finding, meta));
                self.list.len() - 1
            });
        (id, index)
    }

    /// Returns the rules in use.
    pub(super) fn into_list(self) -> Vec<Rule<'a>> {
        self.list
    }
}

/// Returns the level that both forges show.
pub(super) const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

fn rule<'a>(id: &str, finding: &Finding, meta: Option<&'a RuleMeta>) -> Rule<'a> {
    let short = match meta {
        Some(meta) => plain(&meta.description),
        None => finding.rule.to_string(),
    };
    let full = match meta {
        Some(meta) if finding.kind != Kind::Secret => plain(&format!(
            "{}. Tool: {}. See: {}.",
            meta.description,
            meta.provider,
            words::unstopped(&meta.source)
        )),
        Some(meta) => plain(&format!(
            "{}. Provider: {}. Its format is documented in: {}.",
            meta.description,
            meta.provider,
            words::unstopped(&meta.source)
        )),
        None => short.clone(),
    };
    let remedy = meta
        .map(|meta| &*meta.remediation)
        .filter(|text| !text.is_empty())
        .unwrap_or("Revoke the secret where it was issued and replace it.");
    Rule {
        id: id.to_owned(),
        name: words::cap(&pascal(id), MAX_NAME).into_owned(),
        short_description: text(&words::cap(&short, MAX_TEXT)),
        full_description: text(&words::cap(&full, MAX_TEXT)),
        help: Help {
            text: words::cap(&plain(remedy), MAX_TEXT).into_owned(),
            markdown: markdown::prose(&words::cap(remedy, MAX_TEXT)),
        },
        help_uri: meta
            .map(|meta| &*meta.source)
            .filter(|source| source.starts_with("https://") && !source.contains([' ', '"'])),
        default_configuration: Configuration {
            level: level(finding.severity),
        },
        properties: RuleProperties {
            tags: tags(meta),
            precision: meta
                .map_or(Confidence::Medium, |meta| meta.confidence)
                .as_str(),
            problem_severity: match finding.severity {
                Severity::Critical | Severity::High => "error",
                Severity::Medium => "warning",
                Severity::Low | Severity::Info => "recommendation",
            },
            security_severity: security_severity(finding.severity),
        },
    }
}

/// GitHub's bands: above 9.0 critical, from 7.0 high, from 4.0 medium, from 0.1 low; without a figure it shows the level alone.
const fn security_severity(severity: Severity) -> Option<&'static str> {
    match severity {
        Severity::Critical => Some("9.5"),
        Severity::High => Some("8.0"),
        Severity::Medium => Some("5.5"),
        Severity::Low => Some("2.0"),
        Severity::Info => None,
    }
}

/// Returns GitLab's severity of a result: its bands are GitHub's times ten.
pub(super) const fn rank(severity: Severity) -> f64 {
    match severity {
        Severity::Critical => 95.0,
        Severity::High => 80.0,
        Severity::Medium => 55.0,
        Severity::Low => 20.0,
        Severity::Info => 5.0,
    }
}

/// Without `security` GitHub ignores `security-severity`; by the CWE GitLab tells secret detection from SAST.
fn tags(meta: Option<&RuleMeta>) -> Vec<String> {
    let cwe = meta.map_or(798, |meta| meta.cwe);
    let mut tags = vec!["security".to_owned(), format!("external/cwe/cwe-{cwe:03}")];
    let own = meta.map(|meta| std::iter::once(&meta.family).chain(&meta.tags));
    for tag in own.into_iter().flatten() {
        if tags.len() < MAX_TAGS && !tag.is_empty() && !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    tags
}

/// Returns `GithubOauthToken` for `github-oauth-token`, the form that SARIF tools want of a name.
fn pascal(id: &str) -> String {
    id.split(|c: char| !c.is_ascii_alphanumeric())
        .map(|word| {
            let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
            format!("{}{rest}", first.to_ascii_uppercase())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_severity_of_its_own_makes_a_rule_of_its_own() {
        let report = sample::report();
        let mut rules = Rules::new(&report);
        let ids: Vec<(String, usize)> = report.findings.iter().map(|f| rules.of(f)).collect();
        let name = |id: &str, index| (id.to_owned(), index);
        assert_eq!(
            ids,
            [
                name("generic-password", 0),
                name("aws-secret-access-key", 1),
                name("github-oauth-token", 2),
                name("github-oauth-token.low", 3),
            ]
        );
        assert_eq!(rules.of(&report.findings[2]), name("github-oauth-token", 2));
    }

    #[test]
    fn tags_start_with_what_the_forges_need_and_stop_at_ten() {
        let report = sample::report();
        let mut meta = RuleMeta::clone(&report.rules[0]);
        meta.cwe = 79;
        meta.tags = (0..20).map(|i| format!("t{}", i / 2)).collect();
        let tags = tags(Some(&meta));
        assert_eq!(tags[..3], ["security", "external/cwe/cwe-079", "aws"]);
        assert_eq!((tags.len(), tags[9].as_str()), (10, "t6"));
    }

    #[test]
    fn names_are_pascal_case() {
        assert_eq!(pascal("github-oauth-token.low"), "GithubOauthTokenLow");
    }
}
