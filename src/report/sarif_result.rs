//! The results of a SARIF run: message, places, identity of one finding.

use std::cmp::Reverse;

use super::{
    sarif::{Limits, ROOT, text},
    sarif_model::{
        ArtifactLocation, Fingerprints, Location, LogicalLocation, PhysicalLocation, Region,
        Result, ResultProperties, Suppression,
    },
    sarif_rules::{Rules, level, rank},
};
use crate::{
    model::{self, BlobPath, Finding, Kind, Place, Suppressed, SuppressionKind},
    report::{Options, verdicts, words},
    scan::Report,
};

/// Most characters of a description or message: GitHub's limit for descriptions; GitLab takes 2,048 in a message.
pub(super) const MAX_TEXT: usize = 1024;
/// Most other places that a message links to.
const MAX_LINKS: usize = 5;
/// Most characters of a link's text.
const MAX_LABEL: usize = 60;
/// The text of a link to a second part of a secret.
const PART: &str = "part";

/// A finding on its way to a result.
pub(super) struct Entry<'a> {
    finding: &'a Finding,
    suppressed: Option<&'a Suppressed>,
    head: bool,
}

/// Returns the findings of a run, worst first.
pub(super) fn entries<'a>(report: &'a Report, options: &Options, head: bool) -> Vec<Entry<'a>> {
    let open = report.findings.iter().map(|finding| (finding, None));
    let closed = report
        .suppressed
        .iter()
        .filter(|_| options.sarif.suppressed)
        .map(|suppressed| (&suppressed.finding, Some(suppressed)));
    let mut entries: Vec<Entry<'a>> = open
        .chain(closed)
        .filter(|(finding, _)| words::is_head(finding, report.mode) == head)
        .map(|(finding, suppressed)| Entry {
            finding,
            suppressed,
            head,
        })
        .collect();
    entries.sort_by_key(|entry| {
        let finding = entry.finding;
        (
            entry.suppressed.is_some(),
            Reverse(finding.severity),
            Reverse(finding.confidence),
        )
    });
    entries
}

/// Returns one result.
pub(super) fn result(
    entry: &Entry<'_>,
    rules: &mut Rules<'_>,
    options: &Options,
    limits: Limits,
) -> Result {
    let finding = entry.finding;
    let (rule_id, rule_index) = rules.of(finding);
    let related = related(finding, limits.related);
    let fingerprint = finding.fingerprint.to_string();
    Result {
        rule_id,
        rule_index,
        level: level(finding.severity),
        rank: rank(finding.severity),
        message: text(&message(finding, &related)),
        locations: vec![primary(entry, options)],
        partial_fingerprints: Fingerprints {
            // In history there is no file whose lines GitHub could hash again; there the identity is the value's own.
            line_hash: finding
                .line_hash
                .clone()
                .filter(|_| entry.head)
                .unwrap_or_else(|| fingerprint.clone()),
            keysweep: fingerprint,
        },
        related_locations: related.into_iter().map(|one| one.location).collect(),
        suppressions: entry.suppressed.map(suppression).into_iter().collect(),
        properties: ResultProperties {
            kind: finding.kind,
            severity: finding.severity.as_str(),
            confidence: finding.confidence.as_str(),
            place: finding.provenance.place.as_str(),
            object: finding.provenance.object.map(|id| id.to_string()),
            history: finding.attribution.clone(),
            occurrences: words::other_places(finding).saturating_add(1),
            verdict: finding.verdict.clone(),
        },
    }
}

fn suppression(suppressed: &Suppressed) -> Suppression {
    Suppression {
        kind: match suppressed.kind {
            SuppressionKind::Inline => "inSource",
            SuppressionKind::Allowlist | SuppressionKind::Baseline => "external",
        },
        status: "accepted",
        justification: Some(plain(&suppressed.reason)).filter(|reason| !reason.is_empty()),
    }
}

/// A related location and what it is, for the message.
struct Linked {
    role: Role,
    /// The link's text.
    label: String,
    location: Location,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Introduction,
    Part,
    Other,
}

fn primary(entry: &Entry<'_>, options: &Options) -> Location {
    let finding = entry.finding;
    let path = &finding.location.path;
    let has_file = words::has_file(finding.provenance.place, path);
    let mut location = if has_file {
        Location::new(physical(&finding.location))
    } else {
        let anchor = BlobPath::from(options.sarif.anchor.as_str());
        let mut place = artifact(&anchor);
        place.region = Some(Region {
            start_line: 1,
            start_column: 1,
            end_line: 1,
            end_column: None,
        });
        Location::new(place)
    };
    if !has_file || !entry.head {
        location.logical_locations.push(logical(finding));
    }
    location
}

/// Returns the true place of what no checkout has: `<commit>:<path>`.
fn logical(finding: &Finding) -> LogicalLocation {
    let commit = finding
        .attribution
        .as_ref()
        .and_then(|a| a.introduced.as_ref())
        .map(|info| info.id);
    let holder = commit.or(finding.provenance.object);
    let path = finding.location.path.to_string();
    LogicalLocation {
        fully_qualified_name: holder.map_or_else(|| path.clone(), |id| format!("{id}:{path}")),
        name: path,
        kind: finding.provenance.place.as_str(),
    }
}

/// Returns the related locations that have a file, numbered from 1: introduction, parts, other places.
fn related(finding: &Finding, max: usize) -> Vec<Linked> {
    let mut all: Vec<Linked> = Vec::new();
    let mut add = |role, label: &str, place, message: &str| {
        if all.len() < max {
            let mut location = Location::new(place);
            location.id = Some(all.len() + 1);
            location.message = Some(text(&words::cap(&plain(message), MAX_TEXT)));
            let label = words::cap(&plain(label), MAX_LABEL).into_owned();
            all.push(Linked {
                role,
                label,
                location,
            });
        }
    };
    if let Some(attribution) = &finding.attribution
        && let (Some(commit), Some(path)) = (&attribution.introduced, &attribution.path)
        && words::has_file(Place::History, path)
    {
        let message = format!("Introduced in {}.", words::commit(commit));
        add(Role::Introduction, "Introduced", artifact(path), &message);
    }
    if words::has_file(finding.provenance.place, &finding.location.path) {
        for part in &finding.related {
            let message = format!("{}.", words::unstopped(&part.message));
            let label = match finding.kind {
                Kind::Secret => match lint(&part.message) {
                    Some(lint) => lint.to_owned(),
                    None => PART.to_owned(),
                },
                Kind::Policy | Kind::Reuse => words::at(&part.location),
            };
            add(Role::Part, &label, physical(&part.location), &message);
        }
    }
    for other in finding.occurrences.iter().skip(1) {
        if words::has_file(other.provenance.place, &other.location.path) {
            let what = other.provenance.place.as_str();
            let message = match &other.provenance.object {
                Some(id) => format!("Also here ({what}, {}).", words::short(id)),
                None => format!("Also here ({what})."),
            };
            let label = words::at(&other.location);
            add(Role::Other, &label, physical(&other.location), &message);
        }
    }
    all
}

/// Returns what the stores say, and the place of what stands in no file.
fn beside(finding: &Finding) -> Vec<String> {
    let verdict = finding.verdict.as_ref();
    let mut sentences: Vec<String> = verdict
        .map(|verdict| format!("Verdict: {}.", plain(&verdicts::sentence(verdict))))
        .into_iter()
        .collect();
    if !words::has_file(finding.provenance.place, &finding.location.path) {
        let place = plain(&words::place(&finding.location, &finding.provenance));
        sentences.push(format!("It stands in no file: the place is {place}."));
    }
    sentences
}

/// Returns the sentences that fit, with links to related locations: GitHub shows no others.
fn message(finding: &Finding, related: &[Linked]) -> String {
    let first = format!("{}.", words::unstopped(&plain(&finding.message)));
    let mut message = words::cap(&first, MAX_TEXT / 2).into_owned();
    let mut add = |sentence: &str| {
        if message.chars().count() + 1 + sentence.chars().count() <= MAX_TEXT {
            message.push(' ');
            message.push_str(sentence);
        }
    };
    beside(finding).iter().for_each(|sentence| add(sentence));
    if let Some(attribution) = &finding.attribution {
        if let Some(commit) = &attribution.introduced {
            let words = plain(&words::commit(commit));
            match related.iter().find(|one| one.role == Role::Introduction) {
                Some(one) => add(&format!("{} in {words}.", one.link())),
                None => add(&format!("Introduced in {words}.")),
            }
        }
        for fate in words::fate(attribution) {
            let (first, rest) = fate.split_at_checked(1).unwrap_or((&fate, ""));
            add(&format!("{}{}.", first.to_ascii_uppercase(), plain(rest)));
        }
    }
    let parts = related.iter().filter(|one| one.role == Role::Part);
    match finding.kind {
        Kind::Secret => {
            for part in parts.filter(|one| one.label != PART).take(MAX_LINKS) {
                let fact = part.fact();
                let says = fact.strip_prefix(part.label.as_str()).unwrap_or_default();
                add(&format!("{}{says}", part.link()));
            }
        }
        Kind::Policy | Kind::Reuse => {
            let parts: Vec<String> = parts.take(MAX_LINKS).map(Linked::link).collect();
            if !parts.is_empty() {
                add(&format!("See {}.", parts.join(", ")));
            }
        }
    }
    let others = words::other_places(finding);
    if others > 0 {
        let links: Vec<String> = related
            .iter()
            .filter(|one| one.role == Role::Other)
            .take(MAX_LINKS)
            .map(Linked::link)
            .collect();
        let count = words::count(others, "other place", "other places");
        match links.as_slice() {
            [] => add(&format!("Also in {count}.")),
            some => add(&format!("Also in {count}, such as {}.", some.join(", "))),
        }
    }
    message
}

/// Returns text that SARIF readers take as it is: brackets could make a link of it.
pub(super) fn plain(text: &str) -> String {
    words::safe(text).replace('[', "(").replace(']', ")")
}

fn physical(location: &model::Location) -> PhysicalLocation {
    let mut place = artifact(&location.path);
    let start_line = location.start_line.max(1);
    let end_line = location.end_line.max(start_line);
    let start_column = location.start_column.max(1);
    // The column after the last character; left out where there is none, as forges refuse an empty or inverted region.
    let fits = location.end_column > start_column || end_line > start_line;
    place.region = Some(Region {
        start_line,
        start_column,
        end_line,
        end_column: (fits && location.end_column > 0).then_some(location.end_column),
    });
    place
}

/// Returns a file without a region.
pub(super) fn artifact(path: &BlobPath) -> PhysicalLocation {
    let uri = path.to_uri();
    let (uri, uri_base_id) = if uri.starts_with('/') {
        (format!("file://{uri}"), None)
    } else {
        (uri, Some(ROOT))
    };
    PhysicalLocation {
        artifact_location: ArtifactLocation { uri, uri_base_id },
        region: None,
    }
}

/// Returns the lint whose fact a part of a secret is: its message begins with the lint's id.
fn lint(message: &str) -> Option<&str> {
    let (id, _) = message.split_once(": ")?;
    let is_id = id.contains('-') && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_id.then_some(id)
}

impl Linked {
    /// Returns what the related place says.
    fn fact(&self) -> &str {
        self.location
            .message
            .as_ref()
            .map_or("", |message| &message.text)
    }

    /// Returns a link of SARIF's own kind (section 3.11.6).
    fn link(&self) -> String {
        format!("[{}]({})", self.label, self.location.id.unwrap_or_default())
    }
}

impl Location {
    /// Takes a place, without id, message or logical location.
    pub(super) fn new(physical_location: PhysicalLocation) -> Self {
        Self {
            id: None,
            physical_location,
            logical_locations: Vec::new(),
            message: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn regions_are_what_forges_take() {
        let mut location = sample::location("a", 3, 5, 0);
        assert_eq!(physical(&location).region.unwrap().end_column, None);
        location.end_column = 6;
        assert_eq!(physical(&location).region.unwrap().end_column, Some(6));
        location.end_line = 0;
        location.start_line = 0;
        let region = physical(&location).region.unwrap();
        assert_eq!((region.start_line, region.end_line), (1, 1));
    }

    #[test]
    fn absolute_paths_have_no_base() {
        let place = artifact(&BlobPath::from("/tmp/a b")).artifact_location;
        assert_eq!(
            (place.uri.as_str(), place.uri_base_id),
            ("file:///tmp/a%20b", None)
        );
    }

    #[test]
    fn a_message_stays_within_the_limit_whatever_the_names_are() {
        let mut finding = sample::report().findings.remove(2);
        finding.message = "[x](1) ".repeat(400);
        if let Some(commit) = finding
            .attribution
            .as_mut()
            .and_then(|a| a.introduced.as_mut())
        {
            commit.author = "n".repeat(3000);
        }
        let message = message(&finding, &related(&finding, 100));
        assert!(message.chars().count() <= MAX_TEXT);
        assert!(!message.contains("[x]") && message.contains("Still at HEAD."));
    }
}
