//! The audit log: who changed what, when, by which plan. One JSONL file for all rotations, each record chained to the one before.
//!
//! Promises: a record is on the disk before [`Audit::append`] returns; records of several processes never mix; no value is in it.
//! A step is written before the journal says that it is over: after a crash it may stand here twice, and is never missing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    RotateError,
    chain::{self, Chain, private_directory},
    error::shown,
};

/// Who acts, and from where; the caller knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The person or job: a user and host, or the subject of a CI token.
    pub name: String,
    /// Where it runs: a terminal, or the address of a CI run.
    pub source: String,
}

/// One thing that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Who.
    pub actor: String,
    /// From where.
    pub source: String,
    /// What was done, as `staged` or `old-disabled`.
    pub action: String,
    /// The journal's id.
    pub rotation: String,
    /// The store's name.
    pub store: String,
    /// The key's path.
    pub key: String,
    /// The version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The version after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// SHA-256 of the plan.
    pub plan: String,
    /// How it ended: `done`, `confirmed` (found done after a crash), or why not.
    pub result: String,
}

/// The log.
#[derive(Clone, Debug)]
pub struct Audit {
    path: PathBuf,
}

impl Audit {
    /// The file's name in the state directory.
    pub const FILE: &'static str = "audit.jsonl";

    /// Returns the log of a state directory, which is made if need be.
    ///
    /// # Errors
    /// [`RotateError::File`] if the directory cannot be made.
    pub fn in_state(state: &Path) -> Result<Self, RotateError> {
        private_directory(state)?;
        Ok(Self {
            path: state.join(Self::FILE),
        })
    }

    /// Adds a record; returns the new head: the SHA-256 of the record's line. `now` is Unix seconds.
    ///
    /// # Errors
    /// [`RotateError::File`], or [`RotateError::Damaged`] if the last line is none of ours.
    pub fn append(&self, now: i64, event: &AuditEvent) -> Result<String, RotateError> {
        let mut chain = Chain::at_end(&self.path)?;
        chain.append(now, event)?;
        Ok(chain.head().to_owned())
    }

    /// Returns the head: the SHA-256 of the last record's line; `None` if nothing was written yet.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn head(&self) -> Result<Option<String>, RotateError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let head = Chain::at_end(&self.path)?.head().to_owned();
        Ok(Some(head).filter(|head| head != chain::NOTHING))
    }
}

/// What [`verify`] found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// How many records.
    pub records: u64,
    /// The SHA-256 of the last record's line; compare it with the one that was printed or posted when it was written.
    pub head: String,
    /// Bytes of a last record that was not written to its end.
    pub torn: usize,
    /// When the first and the last record were written, RFC 3339.
    pub span: Option<(String, String)>,
}

/// Checks a log without changing it: numbers without gaps, each record's hash of the one before, times in order.
///
/// A log that was cut at the end of a record is whole in itself: only the head, kept elsewhere, tells.
///
/// # Errors
/// [`RotateError::Damaged`] with the first record that does not fit, [`RotateError::Unknown`] if there is no log, [`RotateError::File`].
pub fn verify(path: &Path) -> Result<AuditReport, RotateError> {
    let bytes = fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => RotateError::Unknown {
            what: format!("there is no audit log at {}", shown(path)),
            help: "the first rotation begins it; `[rotate] state` of stores.toml, or `keysweep audit verify FILE`, names another place".to_owned(),
        },
        _ => RotateError::file("read", path, source),
    })?;
    let parsed =
        chain::parse::<AuditEvent>(&bytes).map_err(|misfit| chain::damaged(path, misfit))?;
    let ends = parsed.lines.first().zip(parsed.lines.last());
    Ok(AuditReport {
        records: parsed.lines.len() as u64,
        span: ends.map(|(first, last)| (first.time.clone(), last.time.clone())),
        head: parsed.head,
        torn: parsed.torn,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(directory: &Path) -> (Audit, Vec<String>) {
        let audit = Audit::in_state(directory).unwrap();
        let heads = (0..3).map(|n| {
            let event = AuditEvent {
                action: format!("step {n}"),
                ..AuditEvent::default()
            };
            audit.append(100 + n, &event).unwrap()
        });
        let heads = heads.collect();
        (audit, heads)
    }

    #[test]
    fn a_whole_log_verifies_to_the_head_that_was_returned() {
        let directory = tempfile::tempdir().unwrap();
        let (audit, heads) = log(directory.path());
        let report = verify(&audit.path).unwrap();
        assert_eq!((report.records, report.torn), (3, 0));
        assert_eq!(Some(&report.head), heads.last());
        assert_eq!(audit.head().unwrap().as_ref(), heads.last());
        let span = report.span.unwrap();
        assert_eq!(span.0, "1970-01-01T00:01:40Z");
        assert_eq!(span.1, "1970-01-01T00:01:42Z");
    }

    #[test]
    fn a_missing_a_changed_and_a_moved_record_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let (audit, _) = log(directory.path());
        let text = fs::read_to_string(&audit.path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let changed = text.replacen("step 1", "step 9", 1);
        let later = text.replacen("00:01:41Z", "00:02:41Z", 1);
        for (text, line) in [
            (format!("{}\n{}\n", lines[0], lines[2]), 2),
            (format!("{}\n{}\n{}\n", lines[1], lines[0], lines[2]), 1),
            (changed, 3),
            (later, 3),
            (format!("{text}made-up\n"), 4),
        ] {
            fs::write(&audit.path, &text).unwrap();
            match verify(&audit.path) {
                Err(RotateError::Damaged { line: at, .. }) => assert_eq!(at, line, "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_clock_that_went_back_in_a_rewritten_log_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        // A forger who computes the hashes anew still cannot have the times run backwards.
        let mut text = String::new();
        let mut prev = chain::NOTHING.to_owned();
        for (seq, time) in ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"]
            .iter()
            .enumerate()
        {
            let line = chain::Line {
                seq: seq as u64,
                time: (*time).to_owned(),
                prev: prev.clone(),
                body: AuditEvent::default(),
            };
            let line = super::super::canonical::canonical(&line).unwrap();
            prev = super::super::canonical::sha256(line.as_bytes());
            text.push_str(&line);
            text.push('\n');
        }
        fs::write(&path, text).unwrap();
        let error = verify(&path).unwrap_err();
        assert!(error.to_string().contains("older"), "{error}");
    }

    #[test]
    fn a_torn_tail_is_told_and_the_next_record_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let (audit, _) = log(directory.path());
        let bytes = fs::read(&audit.path).unwrap();
        fs::write(&audit.path, &bytes[..bytes.len() - 5]).unwrap();
        let report = verify(&audit.path).unwrap();
        assert_eq!(report.records, 2);
        assert!(report.torn > 0);
        audit.append(200, &AuditEvent::default()).unwrap();
        let report = verify(&audit.path).unwrap();
        assert_eq!((report.records, report.torn), (3, 0));
    }
}
