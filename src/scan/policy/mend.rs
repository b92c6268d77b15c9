//! Applies the fixes of lints to one file, each only if the file is still read as its kind and the lint is silent afterwards.
//!
//! Promises: bytes in, bytes out, nothing is written; a fix that does not apply, does not help or makes another lint speak is left out with its
//! reason; what is shown of the change has every known secret masked.

use std::{collections::BTreeSet, ops::Range};

use super::{
    super::{
        Options,
        layers::{Layers, Parts},
    },
    Policy, Proposal,
};
use crate::{
    model::{BlobPath, DigestKey, Place, Provenance, RuleId, Severity},
    policy::{self, Edit, Fault, Fix, FixClass, Persona, Reading},
};

/// What came of one file.
#[derive(Debug)]
pub struct Mended {
    /// The file.
    pub path: BlobPath,
    /// What it holds now.
    pub new: Vec<u8>,
    /// Both states with every known secret masked, for a diff.
    pub shown: (String, String),
    /// What was done: lint, line, what the fix does.
    pub done: Vec<(RuleId, u32, String)>,
    /// What went with it though it has no fix of its own: lint, first byte before.
    pub along: Vec<(RuleId, u64)>,
    /// What was not: lint, line, why.
    pub left: Vec<(RuleId, u32, String)>,
    /// Texts to append to other files, by path from the root.
    pub appends: Vec<(String, String)>,
}

impl Mended {
    /// Nothing yet.
    fn new(path: &BlobPath) -> Self {
        Self {
            path: path.clone(),
            new: Vec::new(),
            shown: Default::default(),
            done: Vec::new(),
            along: Vec::new(),
            left: Vec::new(),
            appends: Vec::new(),
        }
    }
}

/// Most bytes that are read of one file to try its fixes, each of which takes a reading.
const MOST_READ: usize = 16 << 20;

/// Applies fixes of one file, of a class that `least` allows. Each must still apply to what the file holds now.
#[must_use]
pub fn mend(
    path: &BlobPath,
    bytes: &[u8],
    wanted: &[&Proposal],
    least: FixClass,
    options: &Options,
) -> Mended {
    let rules = options.policy.as_deref().cloned().unwrap_or_default();
    let bench = Bench {
        path,
        rules: &rules,
        key: &options.run_key,
    };
    let before = bench.read(bytes);
    let mut mended = Mended::new(path);
    let mut edits: Vec<Edit> = Vec::new();
    let mut read = 0;
    for one in wanted {
        let at = one.location.byte_start;
        let own = before
            .faults
            .iter()
            .find(|fault| fault.lint.id == one.rule.as_str() && fault.span.start as u64 == at);
        // Files together tell what no file alone does: their fixes are as the scan made them.
        let fix = own.map_or(Some(&one.fix), |fault| fault.fix.as_ref());
        let Some(fix) = fix else { continue };
        let mut facts = before.facts.iter();
        let is_there = own.is_some() || facts.any(|fact| fact.span.start as u64 == at);
        let (id, line) = (one.rule.clone(), one.location.start_line);
        if fix.class < least {
            let why = format!(
                "changes what the file does ({}): --unsafe applies it",
                fix.title
            );
            mended.left.push((id, line, why));
            continue;
        }
        let tried = match is_there {
            _ if read > MOST_READ => {
                Err("there is more to mend in this file than one run does: run it again")
            }
            true => bench.try_out(bytes, &before, &edits, own, fix),
            false => Err("the file changed while it was looked at"),
        };
        read += bytes.len();
        match tried {
            Ok(all) => {
                edits = all;
                let outside = fix
                    .edits
                    .iter()
                    .filter_map(|edit| Some((edit.append_to.clone()?, edit.text.clone())));
                mended.appends.extend(outside);
                mended.done.push((id, line, fix.title.clone()));
            }
            Err(why) => mended.left.push((id, line, why.to_owned())),
        }
    }
    mended.new = applied(bytes, &edits);
    if !edits.is_empty() {
        mended.along = bench.gone(&before, &mended.new, wanted);
    }
    let hidden = masked(bytes, &before, options);
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    mended.shown = (show(&hidden), show(&applied(&hidden, &edits)));
    mended
}

/// Reads one file again and again.
struct Bench<'b> {
    path: &'b BlobPath,
    rules: &'b Policy,
    key: &'b DigestKey,
}

impl Bench<'_> {
    fn read(&self, bytes: &[u8]) -> Reading {
        match policy::wants(self.path) {
            Some(kind) => policy::read_for(
                self.path,
                kind,
                bytes,
                self.key,
                &self.rules.environments,
                &|fault| self.rules.shows(fault.lint, fault.persona),
            ),
            None => Reading::default(),
        }
    }

    /// Returns the faults that nobody wanted to mend and that are gone all the same: one edit often mends a whole step.
    fn gone(&self, before: &Reading, new: &[u8], wanted: &[&Proposal]) -> Vec<(RuleId, u64)> {
        let after = self.read(new);
        let left: BTreeSet<(&str, &str)> = after
            .faults
            .iter()
            .map(|fault| (fault.lint.id, fault.subject.as_str()))
            .collect();
        let wanted: BTreeSet<(&str, u64)> = wanted
            .iter()
            .map(|one| (one.rule.as_str(), one.location.byte_start))
            .collect();
        let place = |fault: &Fault| (fault.lint.id, fault.span.start as u64);
        let gone = before.faults.iter().filter(|fault| {
            !left.contains(&(fault.lint.id, fault.subject.as_str()))
                && !wanted.contains(&place(fault))
        });
        gone.map(|fault| (RuleId::new(fault.lint.id), place(fault).1))
            .collect()
    }

    /// Returns all edits with those of one more fix, if that does what it should. `fault` is what the file alone tells of it.
    fn try_out(
        &self,
        bytes: &[u8],
        before: &Reading,
        edits: &[Edit],
        fault: Option<&Fault>,
        fix: &Fix,
    ) -> Result<Vec<Edit>, &'static str> {
        // What an anchor names is used elsewhere too: a secret put there would go to who uses it.
        let has_anchors = [&b": &"[..], b"- &"]
            .iter()
            .any(|sign| memchr::memmem::find(bytes, sign).is_some());
        if has_anchors && fault.is_some_and(|fault| fault.lint.id == "gha-secret-inline-run") {
            return Err("the file uses anchors: mend it by hand");
        }
        let own = fix.edits.iter().filter(|edit| edit.append_to.is_none());
        let mut all: Vec<Edit> = edits.iter().chain(own).cloned().collect();
        all.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let overlaps = |two: &[Edit]| match two {
            [one, other] => other.span.start < one.span.end,
            _ => false,
        };
        if all.windows(2).any(overlaps)
            || all
                .iter()
                .any(|edit| bytes.get(edit.span.clone()).is_none())
        {
            return Err("another fix changes the same bytes: run the command again");
        }
        if all.len() == edits.len() {
            // All of it is in another file.
            return Ok(all);
        }
        let after = self.read(&applied(bytes, &all));
        if after.note.is_some() && before.note.is_none() {
            return Err("the file could not be read afterwards");
        }
        let count = |reading: &Reading, fault: &Fault| {
            let same =
                |other: &&Fault| other.lint.id == fault.lint.id && other.subject == fault.subject;
            // Further places of the same are part of it.
            let places = reading.faults.iter().filter(same);
            places.map(|one| 1 + one.related.len()).sum::<usize>()
        };
        if fault.is_some_and(|fault| count(&after, fault) >= count(before, fault)) {
            return Err("the fault would still be there");
        }
        let loud = |reading: &Reading| {
            let loud = |fault: &&Fault| {
                fault.persona == Persona::Regular && fault.severity > Severity::Info
            };
            reading.faults.iter().filter(loud).count()
        };
        if loud(&after) > loud(before) {
            return Err("another fault would come of it");
        }
        Ok(all)
    }
}

/// Returns the bytes with the edits, which are sorted and do not overlap, applied.
fn applied(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut new = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for edit in edits {
        new.extend_from_slice(bytes.get(at..edit.span.start).unwrap_or_default());
        new.extend_from_slice(edit.text.as_bytes());
        at = edit.span.end;
    }
    new.extend_from_slice(bytes.get(at..).unwrap_or_default());
    new
}

/// Returns the bytes with every secret that a rule or a lint knows replaced by as many `*`.
fn masked(bytes: &[u8], reading: &Reading, options: &Options) -> Vec<u8> {
    let mut hidden = bytes.to_vec();
    let values = reading.values.iter().cloned();
    let facts = reading.facts.iter().filter_map(|fact| fact.secret.clone());
    let parts = Parts::new(options);
    let layers = Layers::new(&parts, &options.rules, false);
    let provenance = Provenance {
        place: Place::File,
        object: None,
    };
    let found = layers.again(bytes, &BTreeSet::from([None]), &provenance);
    let found = found.iter().map(|hit| {
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        at(hit.location.byte_start)..at(hit.location.byte_end)
    });
    let known: Vec<Range<usize>> = values.chain(facts).chain(found).collect();
    let looks = policy::patched(bytes).map(|text| policy::veil::covered(&text));
    let again = policy::veil::again(bytes, &known);
    for span in known
        .into_iter()
        .chain(again)
        .chain(looks.unwrap_or_default())
    {
        for byte in hidden.get_mut(span).unwrap_or_default() {
            // Line breaks stay: a diff goes by lines.
            if *byte != b'\n' && *byte != b'\r' {
                *byte = b'*';
            }
        }
    }
    hidden
}
