//! Zero-read verify: where a value was used, told by the audit log, without a right to read any secret.
//!
//! The server's audit device writes the HMAC of every string under a salt of its own; `sys/audit-hash/DEVICE` tells the HMAC of a string that
//! one already has. So a leaked value can be looked for in the log of reads and writes.
//!
//! Promises: the log is read once from front to back, in memory that depends on the number of values and not on its size; values go to the
//! server that asks for them and nowhere else; what cannot be told is told as such ([`Trace::log`]): the log covers a time, whole
//! strings match and parts of them do not.
//!
//! Source: "/sys/audit-hash" and "Audit devices" of Vault's and OpenBao's documentation.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
};

use memchr::memmem;

use super::{
    super::{Fault, StoreError, buffer::Buffer, http::encode, json::Json},
    Vault,
    client::Client,
    wire::Call,
};
use crate::model::Secret;

/// How hashes in the log begin.
const MARK: &[u8] = b"hmac-sha256:";
/// Characters of a hash behind its mark: SHA-256 in hex.
const DIGITS: usize = 64;
/// Longest line that is read; an entry holds one request and answer, and KV values have 1 MiB at most.
const MAX_LINE: u64 = 4 << 20;
/// Most different places, principals and addresses that are kept for each value.
const MOST: usize = 100;

/// What the audit log says of one value. Texts are the log's own; times are RFC 3339 as the server wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Requests that sent it or got it, refused ones too.
    pub uses: u64,
    /// The first of them.
    pub first: Option<String>,
    /// The last of them.
    pub last: Option<String>,
    /// Requests by operation and path (`read`, `secret/data/prod/app`), with how many there were; the first [`Trace::MOST`] of them.
    pub places: BTreeMap<(String, String), u64>,
    /// Who asked: display name, and the entity's id behind a space if there is one.
    pub principals: BTreeMap<String, u64>,
    /// From where.
    pub addresses: BTreeMap<String, u64>,
    /// Places, principals and addresses beyond those that are kept.
    pub more: u64,
    /// Whether the value could be asked for: what is not text never stands in the log.
    pub compared: bool,
    /// What the log covers; the same in all traces of a run.
    pub log: LogSpan,
}

impl Trace {
    /// Most different places, principals and addresses of a trace.
    pub const MOST: usize = MOST;
}

/// What an audit log covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSpan {
    /// The time of its first entry: uses before it are not known.
    pub from: Option<String>,
    /// The time of its last entry.
    pub to: Option<String>,
    /// Entries that were read.
    pub entries: u64,
    /// Lines that are no entry: torn, too long or of another format.
    pub unread: u64,
}

impl Vault {
    /// Looks values up in the log that an audit device wrote; returns a trace for each, in their order. The device is `audit-device`
    /// of the settings. The token needs `update` on `sys/audit-hash/DEVICE` and nothing else. The questions are in the log too (hashed);
    /// they are not counted.
    ///
    /// # Errors
    /// [`Fault::Setup`] if no device is set or the file cannot be read; what every request can meet.
    pub fn trace(&self, values: &[Secret], file: &Path) -> Result<Vec<Trace>, StoreError> {
        let client = &self.client;
        let device = self.settings.audit_device.as_deref().ok_or_else(|| {
            client.wire.error(
                Fault::Setup,
                "trace: no audit device is named",
                "set `audit-device` to a name that `bao audit list` shows",
            )
        })?;
        let mut traces = vec![Trace::default(); values.len()];
        let mut wanted: HashMap<[u8; DIGITS], Vec<usize>> = HashMap::new();
        for (at, value) in values.iter().enumerate() {
            if let Some(hash) = hash(client, device, value)? {
                wanted.entry(hash).or_default().push(at);
                if let Some(trace) = traces.get_mut(at) {
                    trace.compared = true;
                }
            }
        }
        let broken = |error: &std::io::Error| {
            client.wire.error(
                Fault::Setup,
                format!("trace: {} cannot be read: {}", file.display(), error.kind()),
                "set `audit-file` to the file that the audit device writes, and let your user read it",
            )
        };
        let input = File::open(file).map_err(|error| broken(&error))?;
        let log = follow(BufReader::new(input), &wanted, &mut traces).map_err(|e| broken(&e))?;
        for trace in &mut traces {
            trace.log = log.clone();
        }
        Ok(traces)
    }
}

/// Asks for the hash of a value; `None` if it is no text.
fn hash(client: &Client, device: &str, value: &Secret) -> Result<Option<[u8; DIGITS]>, StoreError> {
    // The server that may have handed the value out is asked for its hash.
    let Ok(text) = std::str::from_utf8(value.expose()) else {
        return Ok(None);
    };
    let what = "ask for the audit hash of a value";
    let mut body = Buffer::with_capacity(text.len() * 2 + 32);
    body.push(b"{\"input\":");
    body.push_json_string(text);
    body.push(b"}");
    let path = format!("sys/audit-hash/{}", encode(device));
    let answer = client.call(&Call::ask(&path, body.bytes(), what))?;
    if !answer.is_fine() {
        return Err(client.wire.error(
            Fault::Setup,
            format!("{what}: there is no audit device of this name"),
            "set `audit-device` to a name that `bao audit list` shows, without the slash",
        ));
    }
    let json = client.wire.json(&answer, what)?;
    let hash = json.at(&["data", "hash"]).and_then(Json::string);
    let digits = hash.and_then(|hash| {
        let digits = hash.as_bytes().strip_prefix(MARK)?;
        <[u8; DIGITS]>::try_from(digits).ok()
    });
    digits.map(Some).ok_or_else(|| client.wire.garbled(what))
}

/// Reads the log once.
fn follow(
    mut log: impl std::io::BufRead,
    wanted: &HashMap<[u8; DIGITS], Vec<usize>>,
    traces: &mut [Trace],
) -> std::io::Result<LogSpan> {
    let mut span = LogSpan::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = log.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(span);
        }
        if line.last() != Some(&b'\n') && read as u64 == MAX_LINE {
            span.unread += 1;
            skip_line(&mut log)?;
            continue;
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let entry = Json::parse(text).ok();
        let time = entry
            .and_then(|entry| entry.member("time"))
            .and_then(Json::name);
        let (Some(entry), Some(time)) = (entry, time) else {
            span.unread += 1;
            continue;
        };
        span.entries += 1;
        if span.from.is_none() {
            span.from = Some(time.clone());
        }
        let found = find(text, wanted);
        if !found.is_empty() && counts(entry) {
            for at in found {
                if let Some(trace) = traces.get_mut(at) {
                    note(trace, entry, &time);
                }
            }
        }
        span.to = Some(time);
    }
}

fn skip_line(log: &mut impl std::io::BufRead) -> std::io::Result<()> {
    loop {
        let buffer = log.fill_buf()?;
        let (used, end) = match memchr::memchr(b'\n', buffer) {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        log.consume(used);
        if end {
            return Ok(());
        }
    }
}

/// Returns the values whose hashes a line has, each once.
fn find(line: &[u8], wanted: &HashMap<[u8; DIGITS], Vec<usize>>) -> Vec<usize> {
    let mut found: Vec<usize> = memmem::find_iter(line, MARK)
        .filter_map(|at| line.get(at + MARK.len()..at + MARK.len() + DIGITS))
        .filter_map(|digits| wanted.get(<&[u8; DIGITS]>::try_from(digits).ok()?))
        .flatten()
        .copied()
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Tells whether an entry is a use. Each request is logged before it is done and again with its answer, which repeats it: the second
/// counts. Questions for hashes are our own.
fn counts(entry: Json<'_>) -> bool {
    let is = |path: &[&str], wanted: &str| {
        let text = entry.at(path).and_then(Json::string);
        text.is_some_and(|text| text.starts_with(wanted))
    };
    is(&["type"], "response") && !is(&["request", "path"], "sys/audit-hash/")
}

fn note(trace: &mut Trace, entry: Json<'_>, time: &str) {
    let text = |path: &[&str]| entry.at(path).and_then(Json::name).unwrap_or_default();
    trace.uses += 1;
    if trace.first.is_none() {
        trace.first = Some(time.to_owned());
    }
    trace.last = Some(time.to_owned());
    let place = (
        text(&["request", "operation"]),
        text(&["request", "namespace", "path"]) + &text(&["request", "path"]),
    );
    let principal = [
        text(&["auth", "display_name"]),
        text(&["auth", "entity_id"]),
    ]
    .join(" ")
    .trim()
    .to_owned();
    let address = text(&["request", "remote_address"]);
    let mut more = 0;
    more += count(&mut trace.places, place);
    more += count(&mut trace.principals, principal);
    more += count(&mut trace.addresses, address);
    trace.more += more;
}

/// Counts one more; returns 1 if there is no room for it.
fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) -> u64 {
    if counts.len() >= MOST && !counts.contains_key(&key) {
        return 1;
    }
    *counts.entry(key).or_default() += 1;
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(letter: char) -> String {
        letter.to_string().repeat(DIGITS)
    }

    fn entry(time: u32, kind: &str, path: &str, hash: &str) -> String {
        format!(
            "{{\"time\":\"2026-01-01T00:00:{time:02}Z\",\"type\":\"{kind}\",\"auth\":{{\"display_name\":\"token-{time}\",\"entity_id\":\"\"}},\
             \"request\":{{\"operation\":\"read\",\"path\":\"{path}\",\"remote_address\":\"10.0.0.{time}\"}},\
             \"response\":{{\"data\":{{\"data\":{{\"password\":\"hmac-sha256:{hash}\"}}}}}}}}\n"
        )
    }

    fn run(log: &str, values: &[char]) -> (LogSpan, Vec<Trace>) {
        let mut wanted: HashMap<[u8; DIGITS], Vec<usize>> = HashMap::new();
        for (at, letter) in values.iter().enumerate() {
            let key = digest(*letter).as_bytes().try_into().expect("64 digits");
            wanted.entry(key).or_default().push(at);
        }
        let mut traces = vec![Trace::default(); values.len()];
        let span = follow(log.as_bytes(), &wanted, &mut traces).expect("it reads");
        (span, traces)
    }

    #[test]
    fn a_request_counts_once_and_our_own_questions_do_not() {
        let log = [
            entry(1, "request", "secret/data/a", &digest('a')),
            entry(2, "response", "secret/data/a", &digest('a')),
            entry(3, "response", "sys/audit-hash/main", &digest('a')),
            entry(4, "response", "secret/data/b", &digest('b')),
            entry(5, "response", "secret/data/a", &digest('a')),
        ]
        .concat();
        let (span, traces) = run(&log, &['a', 'c']);
        assert_eq!((span.entries, span.unread), (5, 0));
        assert_eq!(span.from.as_deref(), Some("2026-01-01T00:00:01Z"));
        let [a, c] = traces.as_slice() else {
            panic!("two traces")
        };
        assert_eq!(a.uses, 2);
        assert_eq!(a.first.as_deref(), Some("2026-01-01T00:00:02Z"));
        assert_eq!(a.last.as_deref(), Some("2026-01-01T00:00:05Z"));
        let place = ("read".to_owned(), "secret/data/a".to_owned());
        assert_eq!(a.places.get(&place), Some(&2));
        assert_eq!(a.addresses.len(), 2);
        assert_eq!(c.uses, 0);
    }

    #[test]
    fn torn_and_endless_lines_are_counted_and_passed() {
        let mut log = String::from("{\"time\":\"2026-01-01T00:0");
        log.push('\n');
        log.push_str(&"x".repeat(5 << 20));
        log.push('\n');
        log.push_str(&entry(4, "response", "secret/data/a", &digest('a')));
        let (span, traces) = run(&log, &['a']);
        assert_eq!((span.entries, span.unread), (1, 2));
        assert_eq!(traces.first().map(|trace| trace.uses), Some(1));
    }

    #[test]
    fn memory_is_bounded_whatever_the_log_says() {
        let mut log = String::new();
        for n in 0..300 {
            log.push_str(&entry(
                9,
                "response",
                &format!("secret/data/{n}"),
                &digest('a'),
            ));
        }
        let (_, traces) = run(&log, &['a']);
        let trace = traces.first().expect("a trace");
        assert_eq!(
            (trace.uses, trace.places.len(), trace.more),
            (300, MOST, 200)
        );
    }
}
