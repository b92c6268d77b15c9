//! The journal of one rotation: what was meant, what was done. It is what a rotation goes on from after a crash.
//!
//! Promises: a record counts only with the tag of whoever holds the age identity; a record is on the disk before the effect that it announces; values are sealed; one process at a time; a last record that
//! was not written to its end is cut, all other damage is an error; a newer program reads what an older one wrote.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Actor, RotateError,
    canonical::{canonical, sha256, time_of},
    chain::{Chain, Line, damaged, parse, private_directory},
    error::shown,
    plan::Action,
    seal::{Sealer, Signer},
    state::{Effect, Outcome, State},
};

/// The version of the records' form. A program reads all up to its own.
pub(super) const SCHEMA: u32 = 1;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "payload", rename_all = "kebab-case")]
pub(super) enum Event {
    /// What the rotation is about; always the first.
    Begin(Box<Begin>),
    /// A step is over.
    State(Step),
    /// An effect is meant.
    Intent(Intent),
    /// An effect is done.
    Did(Did),
    /// An effect was refused, and nothing was done.
    Failed { effect: Effect, why: String },
    /// From here on everything is taken back.
    Back { why: String },
    /// A person has looked at it and lets it go on.
    Continue { actor: Actor },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begin {
    pub(super) schema: u32,
    pub(super) id: String,
    /// The plan's digest.
    pub(super) plan: String,
    /// When the plan expires, Unix seconds.
    pub(super) expires: i64,
    pub(super) actor: Actor,
    /// Who approved.
    pub(super) approvers: Vec<String>,
    pub(super) action: Action,
    /// Whoever began it accepts readers that nobody can tell, and other places with the same value.
    #[serde(default)]
    pub(super) acknowledged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<String>,
    /// End of grace, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) effect: Effect,
    pub(super) attempt: u32,
    /// The name of the request, the same when it is repeated.
    pub(super) token: String,
}

/// What an effect came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Did {
    pub(super) effect: Effect,
    /// Whether it was found done after a crash or a lost answer.
    #[serde(default)]
    pub(super) confirmed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mark: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

impl Did {
    pub(super) const fn new(effect: Effect) -> Self {
        Self {
            effect,
            confirmed: false,
            version: None,
            mark: None,
            sealed: None,
            note: None,
        }
    }
}

/// How far a rotation is: its records, folded.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) state: State,
    pub(super) note: Option<String>,
    /// Effects that were meant and of which nothing is known since.
    pub(super) open: BTreeMap<Effect, Intent>,
    /// Intents of each effect so far.
    pub(super) attempts: BTreeMap<Effect, u32>,
    /// When the last intent of an effect was written.
    pub(super) meant_at: BTreeMap<Effect, i64>,
    pub(super) did: BTreeSet<Effect>,
    /// The version that was staged.
    pub(super) version: Option<String>,
    /// The mark of a store's own rotation.
    pub(super) mark: Option<String>,
    pub(super) sealed: Option<String>,
    pub(super) until: Option<i64>,
    /// How many values were generated.
    pub(super) generated: u32,
    /// Why everything is taken back.
    pub(super) back: Option<String>,
    /// When the last record was written, Unix seconds.
    pub(super) last: i64,
}

impl Progress {
    fn take(&mut self, time: i64, event: &Event) {
        self.last = time;
        match event {
            Event::Begin(_) => self.state = State::Planned,
            Event::State(step) => {
                // After a person let it go on, the state before counts, not the stop.
                self.state = step.state;
                self.note.clone_from(&step.note);
                self.generated += u32::from(step.state == State::Generated);
                if step.sealed.is_some() {
                    self.sealed.clone_from(&step.sealed);
                }
                self.until = step.until.or(self.until);
            }
            Event::Intent(intent) => {
                self.attempts.insert(intent.effect, intent.attempt);
                self.meant_at.insert(intent.effect, time);
                self.open.insert(intent.effect, intent.clone());
            }
            Event::Did(did) => {
                self.open.remove(&did.effect);
                self.did.insert(did.effect);
                for (mine, new) in [
                    (&mut self.version, &did.version),
                    (&mut self.mark, &did.mark),
                    (&mut self.sealed, &did.sealed),
                ] {
                    if new.is_some() {
                        mine.clone_from(new);
                    }
                }
            }
            Event::Failed { effect, .. } => drop(self.open.remove(effect)),
            Event::Back { why } => self.back = Some(why.clone()),
            Event::Continue { .. } => {}
        }
    }

    /// Returns what it came to, if it is over or needs a person.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let why = self.note.clone().unwrap_or_default();
        match self.state {
            State::Done => Some(Outcome::Done),
            State::RolledBack => Some(Outcome::RolledBack { why }),
            State::NeedsHuman => Some(Outcome::NeedsHuman { why }),
            State::Abandoned => Some(Outcome::Abandoned { why }),
            _ => None,
        }
    }

    /// Tells whether an effect was ever begun, whatever came of it, unless it is known that nothing did.
    pub(super) fn may_have(&self, effect: Effect) -> bool {
        self.did.contains(&effect) || self.open.contains_key(&effect)
    }
}

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
            effect.as_str()
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
