//! The journal of one rotation: what was meant, what was done. It is what a rotation goes on from after a crash.
//!
//! Promises: a record counts only with the tag of whoever holds the age identity; a record is on the disk before the effect that it announces; values are sealed; one process at a time; a last record that
//! was not written to its end is cut, all other damage is an error; a newer program reads what an older one wrote.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    RotateError,
    canonical::{canonical, sha256, time_of},
    chain::{Chain, Line, damaged, parse, private_directory},
    error::shown,
    seal::{Sealer, Signer},
    state::{Effect, State},
};

pub(super) use super::record::{Begin, Did, Event, Intent, Progress, Step};

/// The version of the records' form. A program reads all up to its own.
pub(super) const SCHEMA: u32 = 1;

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    chain: Chain,
    /// What tags records.
    signer: Signer,
    name: String,
    pub(super) begin: Begin,
    pub(super) progress: Progress,
    /// The state before a person was asked for.
    before: State,
    /// Bytes of a last record that were cut.
    pub(super) cut: usize,
}

impl Journal {
    /// Makes a journal; its first record is on the disk when this returns.
    pub(super) fn create(
        directory: &Path,
        now: i64,
        begin: Begin,
        sealer: &Sealer,
    ) -> Result<Self, RotateError> {
        private_directory(directory)?;
        let path = path(directory, &begin.id);
        let mut chain = if path.exists() {
            // A crash between the file and its first record leaves it empty.
            let (chain, parsed) = Chain::open::<Event>(&path)?;
            if !parsed.lines.is_empty() {
                return Err(RotateError::Busy { path: shown(&path) });
            }
            chain
        } else {
            Chain::create(&path)?
        };
        let event = Event::Begin(Box::new(begin.clone()));
        let signer = sealer.signer();
        let name = name_of(&path);
        append(&mut chain, &signer, &name, now, &event)?;
        chain.sync()?;
        let mut progress = Progress::default();
        progress.take(now, &event);
        Ok(Self {
            chain,
            signer,
            name,
            begin,
            progress,
            before: State::Planned,
            cut: 0,
        })
    }

    /// Opens a journal and cuts what was not written to its end. `None` if it holds no record: nothing was done.
    /// A record without the tag of this identity is damage.
    pub(super) fn open(path: &Path, sealer: &Sealer) -> Result<Option<Self>, RotateError> {
        let signer = sealer.signer();
        let (chain, parsed) = Chain::open::<serde_json::Value>(path)?;
        let name = name_of(path);
        let Some((begin, progress, before)) = fold(path, &parsed.lines, Some(&signer))? else {
            return Ok(None);
        };
        Ok(Some(Self {
            chain,
            signer,
            name,
            begin,
            progress,
            before,
            cut: parsed.torn,
        }))
    }

    /// Writes a record and waits until it is on the disk.
    pub(super) fn write(&mut self, now: i64, event: &Event) -> Result<(), RotateError> {
        append(&mut self.chain, &self.signer, &self.name, now, event)?;
        self.chain.sync()?;
        note_state(&mut self.before, event);
        self.progress.take(now, event);
        if matches!(event, Event::Continue { .. }) {
            self.progress.state = self.before;
        }
        Ok(())
    }

    /// Returns where it is.
    pub(super) fn path(&self) -> &Path {
        self.chain.path()
    }

    pub(super) fn signer(&self) -> &Signer {
        &self.signer
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes the file that has taken this one's place; it holds no sealed values.
    pub(super) fn replace(&mut self, chain: Chain) {
        self.chain = chain;
        self.progress.sealed = None;
    }

    /// Returns the name of a request: a UUID of version 8 (RFC 9562, section 5.8) made of the journal, the effect and the attempt.
    pub(super) fn token(&self, effect: Effect, attempt: u32) -> String {
        let text = format!(
            "keysweep/rotate/v1\0{}\0{}\0{attempt}",
            self.begin.id,
            effect.name()
        );
        let digest = sha256(text.as_bytes());
        let part = |range| digest.get(range).unwrap_or_default();
        format!(
            "{}-{}-8{}-8{}-{}",
            part(0..8),
            part(8..12),
            part(12..15),
            part(15..18),
            part(18..30)
        )
    }
}

/// A record and its tag.
#[derive(Serialize)]
struct Tagged<'e> {
    #[serde(flatten)]
    event: &'e Event,
    tag: Option<String>,
}

/// Writes a record with its tag, without waiting for the disk.
pub(super) fn append(
    chain: &mut Chain,
    signer: &Signer,
    name: &str,
    now: i64,
    event: &Event,
) -> Result<(), RotateError> {
    let body = canonical(event).unwrap_or_default();
    chain.put(now, |place| Tagged {
        event,
        tag: signer.tag(&tagged_text(name, place, &body)),
    })?;
    Ok(())
}

/// Reads a journal to tell what it says: nothing is changed, cut or waited for. With a sealer its tags are checked. `None` if it holds no
/// record.
pub(super) fn look(
    path: &Path,
    sealer: Option<&Sealer>,
) -> Result<Option<(Begin, Progress)>, RotateError> {
    let bytes = std::fs::read(path).map_err(|source| RotateError::file("read", path, source))?;
    let parsed = parse::<serde_json::Value>(&bytes).map_err(|misfit| damaged(path, misfit))?;
    let signer = sealer.map(Sealer::signer);
    let folded = fold(path, &parsed.lines, signer.as_ref())?;
    Ok(folded.map(|(begin, progress, _)| (begin, progress)))
}

/// Returns the records of lines that were checked already, with their times.
pub(super) fn retold(
    path: &Path,
    lines: Vec<Line<serde_json::Value>>,
) -> Result<Vec<(i64, Event)>, RotateError> {
    let events = lines.into_iter().enumerate().map(|(n, line)| {
        let event = serde_json::from_value(line.body);
        let event = event.map_err(|_| no_record(path, n))?;
        Ok((time_of(&line.time).unwrap_or_default(), event))
    });
    events.collect()
}

fn no_record(path: &Path, n: usize) -> RotateError {
    RotateError::Damaged {
        path: shown(path),
        line: n + 1,
        what: "it is no record of a rotation".to_owned(),
    }
}

/// Returns what a tag stands for: the journal, the record's place and time in it, and what it says.
fn tagged_text<T>(name: &str, place: &Line<T>, body: &str) -> Vec<u8> {
    let (seq, time, prev) = (place.seq, &place.time, &place.prev);
    format!("keysweep/rotate/record/v1\0{name}\0{seq}\0{time}\0{prev}\0{body}").into_bytes()
}

/// Takes the tag out of a record, and tells whether it is that of the record's place and content.
fn is_tagged(name: &str, line: &mut Line<serde_json::Value>, signer: &Signer) -> bool {
    let fields = line.body.as_object_mut();
    let tag = fields.and_then(|fields| fields.remove("tag"));
    let body = canonical(&line.body).unwrap_or_default();
    let tag = tag.as_ref().and_then(serde_json::Value::as_str);
    tag.is_some_and(|tag| signer.holds(&tagged_text(name, line, &body), tag))
}

fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

fn note_state(before: &mut State, event: &Event) {
    if let Event::State(step) = event
        && step.state != State::NeedsHuman
    {
        *before = step.state;
    }
}

/// Returns the path of a rotation's journal.
pub(super) fn path(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}.jsonl"))
}

/// Folds records into what they come to.
fn fold(
    path: &Path,
    lines: &[Line<serde_json::Value>],
    signer: Option<&Signer>,
) -> Result<Option<(Begin, Progress, State)>, RotateError> {
    let damaged = |n: usize, what: &str| RotateError::Damaged {
        path: shown(path),
        line: n + 1,
        what: what.to_owned(),
    };
    let Some(first) = lines.first() else {
        return Ok(None);
    };
    let schema = first.body.pointer("/payload/schema");
    let schema = schema.and_then(serde_json::Value::as_u64).unwrap_or(0);
    if schema > u64::from(SCHEMA) {
        return Err(RotateError::Newer {
            path: shown(path),
            schema: u32::try_from(schema).unwrap_or(u32::MAX),
            known: SCHEMA,
        });
    }
    let mut progress = Progress::default();
    let mut before = State::Planned;
    let mut begin = None;
    let name = name_of(path);
    for (n, line) in lines.iter().enumerate() {
        if let Some(signer) = signer
            && !is_tagged(&name, &mut line.clone(), signer)
        {
            return Err(damaged(
                n,
                "it was not written by whoever holds the age identity of `[rotate] identity`",
            ));
        }
        let event: Event =
            serde_json::from_value(line.body.clone()).map_err(|_| no_record(path, n))?;
        match (&event, n) {
            (Event::Begin(first), 0) if first.id == name => begin = Some((**first).clone()),
            (Event::Begin(_), 0) => {
                return Err(damaged(
                    n,
                    "it is the journal of another rotation under this name",
                ));
            }
            (Event::Begin(_), _) | (_, 0) => {
                return Err(damaged(
                    n,
                    "the first record, and no other, says what it is about",
                ));
            }
            _ => {}
        }
        note_state(&mut before, &event);
        progress.take(time_of(&line.time).unwrap_or_default(), &event);
        if matches!(event, Event::Continue { .. }) {
            progress.state = before;
        }
    }
    Ok(begin.map(|begin| (begin, progress, before)))
}
