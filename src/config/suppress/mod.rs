//! What is found and still not reported: inline markers, allow entries, the baseline. Each suppression is counted and
//! shown, and one that meets nothing is reported.
//!
//! No suppression goes by position: a value on a line where another was allowed is new.

mod baseline;
mod extent;
mod foreign;
mod markers;

use std::collections::BTreeSet;

use super::{Config, Date, PathGlobs, trust::selection};
use crate::model::{BlobPath, Digest, Fingerprint, RuleId, SuppressionKind, closest};

pub use baseline::{Baseline, BaselineKey, Line};
pub use extent::Extent;
pub use foreign::ForeignMarker;
pub use markers::{Marker, MarkerKind, Markers};

/// One occurrence of a secret, as far as suppression looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// The rule.
    pub rule: &'a RuleId,
    /// The path.
    pub path: &'a BlobPath,
    /// The value under the rule's family and the project key.
    pub digest: Digest,
    /// The occurrence's identity; a `c1:` one never meets an allow entry or a baseline line.
    pub fingerprint: &'a Fingerprint,
    /// The markers on its lines.
    pub markers: &'a [Marker],
}

/// Decides over occurrences and remembers what was of use.
#[derive(Debug, Default)]
pub struct Suppressor {
    entries: Vec<Entry>,
    expired: Vec<String>,
    baseline: Option<Baseline>,
    met_lines: BTreeSet<Fingerprint>,
    seen_markers: BTreeSet<(BlobPath, Marker)>,
    met_markers: BTreeSet<(BlobPath, u32, u32)>,
    /// The markers that would have counted in a tree of the user's own; `None` if this is one.
    refused: Option<BTreeSet<(BlobPath, u32, u32)>>,
    /// All rule ids that a marker may name; empty if that is not checked.
    known: BTreeSet<String>,
}

/// An allow entry, ready to be met.
#[derive(Debug)]
struct Entry {
    reason: String,
    rules: Vec<RuleId>,
    paths: PathGlobs,
    globs: Vec<String>,
    values: BTreeSet<String>,
    place: String,
    met: bool,
}

impl Suppressor {
    /// Takes the allow entries of `config` that count on the day `today`, and the baseline.
    #[must_use]
    pub fn new(config: &Config, baseline: Option<Baseline>, today: Date) -> Self {
        let mut suppressor = Self {
            baseline,
            refused: config.markers.refused.then(BTreeSet::new),
            ..Self::default()
        };
        for allow in &config.allow {
            let shown = format!("{} ({})", allow.place, selection(allow));
            match (allow.expires, PathGlobs::new(&allow.paths)) {
                (Some(day), _) if day < today => {
                    let text = format!("allow entry at {shown} expired on {day}");
                    suppressor.expired.push(safe(&text));
                }
                (_, Ok(paths)) => suppressor.entries.push(Entry {
                    reason: safe(&allow.reason),
                    rules: allow.rules.clone(),
                    paths,
                    globs: allow.paths.clone(),
                    values: allow.values.iter().cloned().collect(),
                    place: safe(&shown),
                    met: false,
                }),
                // `parse` has refused such globs; an entry made otherwise allows nothing.
                (_, Err(_)) => suppressor.expired.push(safe(&format!(
                    "allow entry at {shown} has a glob that does not compile"
                ))),
            }
        }
        suppressor
    }

    /// Takes the ids of all rules, so that a marker which names none of them is told.
    #[must_use]
    pub fn knowing(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        self.known.extend(ids);
        self
    }

    /// Notes a marker of a file, so that it is reported if nothing meets it.
    pub fn saw(&mut self, path: &BlobPath, marker: &Marker) {
        if marker.kind.is_own() && self.refused.is_none() {
            self.seen_markers.insert((path.clone(), marker.clone()));
        }
    }

    /// Returns by what an occurrence is suppressed and the reason that was given (safe text; empty for the baseline), or
    /// `None` if it must be reported. The caller masks the run's secrets in the reason.
    pub fn decide(&mut self, sighting: &Sighting<'_>) -> Option<(SuppressionKind, String)> {
        let marker = sighting.markers.iter().find(|m| m.allows(sighting.rule));
        if let Some(marker) = marker {
            let place = (sighting.path.clone(), marker.line, marker.column);
            let Some(refused) = &mut self.refused else {
                self.met_markers.insert(place);
                return Some((SuppressionKind::Inline, marker.reason.clone()));
            };
            refused.insert(place);
        }
        let entry = self.entries.iter_mut().find(|entry| entry.fits(sighting));
        if let Some(entry) = entry {
            entry.met = true;
            return Some((SuppressionKind::Allowlist, entry.reason.clone()));
        }
        let known = self.baseline.as_ref()?.contains(sighting.fingerprint);
        known.then(|| {
            self.met_lines.insert(sighting.fingerprint.clone());
            (SuppressionKind::Baseline, String::new())
        })
    }

    /// Returns how many markers stand beside findings and do not count, because the tree is not the user's own.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused.as_ref().map_or(0, BTreeSet::len)
    }

    /// Returns what met nothing in a run that looked so far, as sorted safe text: allow entries and baseline lines in its reach,
    /// markers that were [seen](Self::saw); also expired entries, malformed markers, and markers that name a rule which is not there.
    #[must_use]
    pub fn unused(&self, extent: &Extent) -> Vec<String> {
        let mut unused = self.expired.clone();
        let entries = self.entries.iter().filter(|entry| !entry.met);
        let entries = entries.filter(|e| extent.is_whole() || extent.covers_all(&e.globs));
        unused.extend(entries.map(|entry| format!("allow entry at {}", entry.place)));
        let lines = self.baseline.iter().flat_map(|all| all.covered(extent));
        unused.extend(
            lines
                .filter(|line| !self.met_lines.contains(&line.fingerprint))
                .map(|line| format!("baseline line {line}")),
        );
        unused.extend(self.faulty());
        for (path, marker) in &self.seen_markers {
            let place = (path.clone(), marker.line, marker.column);
            if self.fault(marker).is_none() && !self.met_markers.contains(&place) {
                let ids: Vec<String> = marker.rules.iter().map(|id| safe(id.as_str())).collect();
                let (line, ids) = (marker.line, ids.join(", "));
                unused.push(format!("allow marker at {path}:{line} ({ids})"));
            }
        }
        unused.sort();
        unused.dedup();
        unused
    }

    /// Returns the markers that can meet nothing, whatever is looked for, as sorted safe text: malformed ones, and those that name a rule
    /// which is not there.
    #[must_use]
    pub fn faulty(&self) -> Vec<String> {
        let seen = self.seen_markers.iter();
        let faulty = seen.filter_map(|(path, marker)| {
            let fault = self.fault(marker)?;
            Some(format!("allow marker at {path}:{} {fault}", marker.line))
        });
        let mut faulty: Vec<String> = faulty.collect();
        faulty.sort();
        faulty.dedup();
        faulty
    }

    /// Returns why a marker can meet nothing, if that is so.
    fn fault(&self, marker: &Marker) -> Option<String> {
        self.strangers(marker).or_else(|| match marker.kind {
            MarkerKind::Malformed(fault) => Some(fault.to_string()),
            _ => None,
        })
    }

    /// Returns which ids of a marker are no rule's, and the nearest of those that are.
    fn strangers(&self, marker: &Marker) -> Option<String> {
        if self.known.is_empty() {
            return None;
        }
        let of = |id: &&RuleId| !self.known.contains(id.as_str());
        let told = |id: &RuleId| {
            let known = self.known.iter().map(String::as_str);
            match closest(id.as_str(), known) {
                Some(near) => format!("`{}` (did you mean `{near}`?)", safe(id.as_str())),
                None => format!("`{}`", safe(id.as_str())),
            }
        };
        let ids: Vec<String> = marker.rules.iter().filter(of).map(told).collect();
        (!ids.is_empty()).then(|| format!("names no rule that there is: {}", ids.join(", ")))
    }
}

impl Entry {
    fn fits(&self, sighting: &Sighting<'_>) -> bool {
        let rule = self.rules.is_empty() || self.rules.contains(sighting.rule);
        let path = self.paths.is_empty() || self.paths.matches(sighting.path);
        let value = || {
            let digest = format!("k1:{}", sighting.digest.to_hex());
            self.values.contains(&digest) || self.values.contains(sighting.fingerprint.as_str())
        };
        rule && path && (self.values.is_empty() || value())
    }
}

/// Returns text of a file as text that is safe on a terminal.
fn safe(text: &str) -> String {
    BlobPath::from(text).to_string()
}

#[cfg(test)]
mod tests;
