//! The baseline: what a repository's past holds and everyone knows of. One line a (value, rule, path).
//!
//! The file has no positions, no times and no hashes that can be guessed back: identities are keyed. Order and repeated
//! lines do not matter on reading, so the lines of two branches merge as they are; they are sorted on writing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
};

use super::Extent;
use crate::{
    config::{
        ConfigError, Fault,
        error::{Located, collect},
    },
    model::{BlobPath, DigestKey, Fingerprint},
};

const HEAD: &str = "# keysweep baseline v1";
const KEY: &str = "# key = ";
const SCOPE: &str = "# scope = history";

/// Under which key a baseline's lines are.
#[derive(Clone, Debug)]
pub enum BaselineKey {
    /// One that stands in the file. Whoever can read the file can read the repository that holds the values.
    Embedded(DigestKey),
    /// One that comes from outside (`KEYSWEEP_KEY`) or from the configuration.
    External,
}

/// One known occurrence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Its identity: value, rule and path. The only part that counts; the others are for readers.
    pub fingerprint: Fingerprint,
    /// The rule's id.
    pub rule: String,
    /// The path as safe text.
    pub path: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.fingerprint, self.rule, self.path)
    }
}

/// A baseline file.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// Under which key its lines are.
    pub key: BaselineKey,
    /// Whether it was recorded from a whole history: its lines may stand for what no tree holds any more.
    pub history: bool,
    lines: BTreeMap<Fingerprint, Line>,
}

impl Baseline {
    /// Returns a baseline without lines.
    #[must_use]
    pub const fn new(key: BaselineKey) -> Self {
        Self {
            key,
            history: false,
            lines: BTreeMap::new(),
        }
    }

    /// Reads a baseline; `name` stands in errors. Blank lines and unknown comments are passed over.
    ///
    /// # Errors
    /// [`ConfigError::NotText`], or [`ConfigError::Content`] with the faults of all lines.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, ConfigError> {
        let text = std::str::from_utf8(bytes).map_err(|error| ConfigError::NotText {
            name: name.to_owned(),
            offset: error.valid_up_to(),
        })?;
        let mut reader = Reader::default();
        let mut at = 0;
        for raw in text.split_inclusive('\n') {
            let line = raw.trim_end_matches(['\n', '\r']);
            reader.line(line, at..at + line.len());
            at += raw.len();
        }
        match reader.finish() {
            Ok(baseline) => Ok(baseline),
            Err(faults) => {
                Err(collect(name, text, faults).expect("`finish` gives at least one fault"))
            }
        }
    }

    /// Returns the file's text: head lines, then the lines in order.
    #[must_use]
    pub fn write(&self) -> String {
        let key = match &self.key {
            BaselineKey::Embedded(key) => key.to_hex(),
            BaselineKey::External => "external".to_owned(),
        };
        let mut text = format!("{HEAD}\n{KEY}{key}\n");
        if self.history {
            text.push_str(SCOPE);
            text.push('\n');
        }
        for line in self.lines.values() {
            text.push_str(&line.to_string());
            text.push('\n');
        }
        text
    }

    /// Tells whether a span of a text is the key of a baseline: 64 lower-case hex digits, alone in a key line as [`Self::write`]
    /// makes it, directly below a head line. Whoever holds the file holds the values too, so that the key is no leak; anything of
    /// another form in that place, and the same digits in any other, may be one.
    #[must_use]
    pub fn is_key(text: &[u8], span: Range<usize>) -> bool {
        let digits = text.get(span.clone()).unwrap_or_default();
        let after = text.get(span.end..).unwrap_or_default();
        let is_form = digits.len() == 64
            && digits
                .iter()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            && (after.is_empty() || after.starts_with(b"\n") || after.starts_with(b"\r\n"));
        let above = || {
            let before = text.get(..span.start)?.strip_suffix(KEY.as_bytes())?;
            let before = before.strip_suffix(b"\n")?;
            let before = before.strip_suffix(b"\r").unwrap_or(before);
            before.strip_suffix(HEAD.as_bytes())
        };
        is_form && above().is_some_and(|before| before.is_empty() || before.ends_with(b"\n"))
    }

    /// Tells whether the occurrence is known.
    #[must_use]
    pub fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.lines.contains_key(fingerprint)
    }

    /// Returns the lines whose finding a run that looked so far would have met, in order.
    pub fn covered<'a>(&'a self, extent: &'a Extent) -> impl Iterator<Item = &'a Line> {
        self.lines()
            .filter(|line| covers(self.history, extent, line))
    }

    /// Returns the lines in order.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.values()
    }

    /// Adds what is not known yet and returns how many lines came in. Lines without a keyed identity (`c1:`) are left out.
    pub fn update(&mut self, found: impl IntoIterator<Item = Line>) -> usize {
        let before = self.lines.len();
        for line in found {
            if line.fingerprint.as_str().starts_with("k1:") {
                self.lines.entry(line.fingerprint.clone()).or_insert(line);
            }
        }
        self.lines.len() - before
    }

    /// Drops the lines that a run which looked so far covers and that are not among what it `found`; returns how many went.
    pub fn prune(&mut self, found: &BTreeSet<Fingerprint>, extent: &Extent) -> usize {
        let before = self.lines.len();
        let history = self.history;
        self.lines.retain(|fingerprint, line| {
            found.contains(fingerprint) || !covers(history, extent, line)
        });
        before - self.lines.len()
    }
}

/// Tells whether a run that looked so far would have met what a line stands for.
fn covers(history: bool, extent: &Extent, line: &Line) -> bool {
    extent.covers(&line.path) && (!history || *extent == Extent::History)
}

impl Line {
    /// Returns the line of an occurrence.
    #[must_use]
    pub fn new(fingerprint: Fingerprint, rule: &str, path: &BlobPath) -> Self {
        Self {
            fingerprint,
            rule: rule.to_owned(),
            path: path.to_string(),
        }
    }
}

#[derive(Default)]
struct Reader {
    has_head: bool,
    key: Option<BaselineKey>,
    lines: BTreeMap<Fingerprint, Line>,
    faults: Vec<Located>,
    first_line: Option<Range<usize>>,
    history: bool,
}

impl Reader {
    fn line(&mut self, line: &str, span: Range<usize>) {
        if !line.is_empty() && self.first_line.is_none() {
            self.first_line = Some(span.clone());
        }
        let result = match line.strip_prefix('#') {
            _ if line.trim().is_empty() => Ok(()),
            Some(comment) => self.comment(comment.trim()),
            None => self.entry(line),
        };
        if let Err(fault) = result {
            self.faults.push((fault, span));
        }
    }

    fn comment(&mut self, comment: &str) -> Result<(), Fault> {
        if let Some(version) = comment.strip_prefix("keysweep baseline") {
            self.has_head = true;
            return if version.trim() == "v1" {
                Ok(())
            } else {
                Err(Fault::BaselineVersion)
            };
        }
        self.history |= SCOPE.strip_prefix("# ") == Some(comment);
        let key = comment.strip_prefix("key").map(str::trim_start);
        let Some(value) = key.and_then(|rest| rest.strip_prefix('=')) else {
            return Ok(());
        };
        let key = match value.trim() {
            "external" => BaselineKey::External,
            hex => BaselineKey::Embedded(DigestKey::from_hex(hex).ok_or(Fault::Key)?),
        };
        let is_same = match (&self.key, &key) {
            (None, _) | (Some(BaselineKey::External), BaselineKey::External) => true,
            (Some(BaselineKey::Embedded(one)), BaselineKey::Embedded(other)) => {
                one.to_hex() == other.to_hex()
            }
            _ => false,
        };
        self.key = Some(key);
        if is_same {
            Ok(())
        } else {
            Err(Fault::BaselineKeys)
        }
    }

    fn entry(&mut self, line: &str) -> Result<(), Fault> {
        let fault = |reason| Fault::BaselineLine { reason };
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
            .iter()
            .any(|mark| line.starts_with(mark))
        {
            return Err(fault("is the mark of a merge conflict"));
        }
        let mut parts = line.splitn(3, ' ');
        let identity = parts.next().unwrap_or_default();
        let fingerprint = Fingerprint::parse(identity)
            .filter(|f| f.as_str().starts_with("k1:"))
            .ok_or_else(|| fault("does not start with a keyed identity"))?;
        let rule = parts.next().unwrap_or_default();
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if rule.is_empty() || rule.len() > 64 || !rule.bytes().all(word) {
            return Err(fault("names no rule after the identity"));
        }
        let path = parts.next().unwrap_or_default();
        if path.is_empty() {
            return Err(fault("names no path after the rule"));
        }
        // Written text is safe already; a file from elsewhere need not be.
        let line = Line::new(fingerprint.clone(), rule, &BlobPath::from(path));
        self.lines.insert(fingerprint, line);
        Ok(())
    }

    fn finish(mut self) -> Result<Baseline, Vec<Located>> {
        let start = self.first_line.unwrap_or_default();
        if !self.has_head {
            self.faults.insert(0, (Fault::BaselineHead, start));
        } else if self.key.is_none() && self.faults.is_empty() {
            self.faults.push((Fault::BaselineKey, start));
        }
        match self.key {
            Some(key) if self.faults.is_empty() => Ok(Baseline {
                key,
                history: self.history,
                lines: self.lines,
            }),
            _ => Err(self.faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(digit: char, path: &str) -> Line {
        let fingerprint = Fingerprint::parse(&format!("k1:{}", digit.to_string().repeat(32)));
        Line::new(fingerprint.unwrap(), "acme-key", &BlobPath::from(path))
    }

    fn key() -> DigestKey {
        DigestKey::new([0xa5; 32])
    }

    fn errors(text: &str) -> Vec<String> {
        use miette::Diagnostic;
        let error = Baseline::parse(".keysweep-baseline", text.as_bytes()).unwrap_err();
        let label = |e: &dyn Diagnostic| {
            let label = e.labels().unwrap().next().unwrap();
            format!("{e} at {}+{}", label.offset(), label.len())
        };
        let mut all = vec![label(&error)];
        all.extend(error.related().into_iter().flatten().map(label));
        all
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let mut baseline = Baseline::new(BaselineKey::Embedded(key()));
        assert_eq!(
            baseline.update([line('b', "a b/c.py"), line('a', "z"), line('b', "a b/c.py")]),
            2
        );
        let text = baseline.write();
        insta::assert_snapshot!(text.replace(&key().to_hex(), "KEY"), @r"
        # keysweep baseline v1
        # key = KEY
        k1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa acme-key z
        k1:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb acme-key a b/c.py
        ");
        let again = Baseline::parse("b", text.as_bytes()).unwrap();
        assert_eq!(again.write(), text);
        assert!(again.contains(&line('a', "z").fingerprint));
    }

    #[test]
    fn a_key_is_known_by_its_line_and_the_head_above_it() {
        let (digits, head) = (key().to_hex(), "# keysweep baseline v1\n# key = ");
        let is_key = |before: &str, value: &str, after: &str| {
            let text = format!("{before}{value}{after}");
            Baseline::is_key(text.as_bytes(), before.len()..before.len() + value.len())
        };
        for (before, after) in [
            (head.to_owned(), ""),
            (head.to_owned(), "\nk1:"),
            (format!("one\n{head}"), "\n"),
            (head.replace('\n', "\r\n"), "\r\n"),
        ] {
            assert!(is_key(&before, &digits, after), "{before:?} {after:?}");
        }
        for (before, value, after) in [
            (head, digits.to_uppercase().as_str(), ""),
            (head, &digits[1..], ""),
            (head, &format!("{digits}0"), ""),
            (head, &digits, " x"),
            (head, &digits, "\\n"),
            ("# key = ", &digits, ""),
            ("# keysweep baseline v2\n# key = ", &digits, ""),
            ("# keysweep baseline v1\n\n# key = ", &digits, ""),
            ("# keysweep baseline v1\n# key=", &digits, ""),
            ("x# keysweep baseline v1\n# key = ", &digits, ""),
            ("# keysweep baseline v1\nx# key = ", &digits, ""),
        ] {
            assert!(!is_key(before, value, after), "{before:?} {after:?}");
        }
        assert!(!Baseline::is_key(b"short", 3..99));
    }

    #[test]
    fn order_repeats_blank_lines_and_crlf_do_not_matter() {
        let text = "# keysweep baseline v1\r\n# key = external\r\n\r\nk1:B x-y p\r\nk1:A x-y q\r\n# keysweep baseline v1\nk1:B x-y p\n# key = external\n"
            .replace('A', &"a".repeat(32))
            .replace('B', &"b".repeat(32));
        let baseline = Baseline::parse("b", text.as_bytes()).unwrap();
        let paths: Vec<&str> = baseline.lines().map(|line| line.path.as_str()).collect();
        assert_eq!(paths, ["q", "p"]);
    }

    #[test]
    fn prune_keeps_what_is_still_found() {
        let mut baseline = Baseline::new(BaselineKey::External);
        baseline.update([line('a', "x"), line('b', "y")]);
        let found = [line('b', "y").fingerprint].into();
        assert_eq!(baseline.prune(&found, &Extent::Tree), 1);
        assert_eq!(baseline.lines().count(), 1);
    }

    #[test]
    fn prune_keeps_what_the_run_could_not_see() {
        let mut baseline = Baseline::new(BaselineKey::External);
        baseline.update([line('a', "x"), line('b', "sub/y"), line('c', "<tag>")]);
        let none = BTreeSet::new();
        let mut part = baseline.clone();
        let sub = Extent::Directory(BlobPath::from("sub"));
        assert_eq!(part.prune(&none, &sub), 1);
        assert_eq!(baseline.clone().prune(&none, &Extent::Tree), 2);
        baseline.history = true;
        assert!(baseline.write().contains("\n# scope = history\n"));
        let mut again = Baseline::parse("b", baseline.write().as_bytes()).unwrap();
        assert!(again.history);
        assert_eq!(again.prune(&none, &Extent::Tree), 0);
        assert_eq!(again.covered(&Extent::Tree).count(), 0);
        assert_eq!(again.prune(&none, &Extent::History), 3);
    }

    #[test]
    fn identities_without_a_key_never_get_in() {
        let mut baseline = Baseline::new(BaselineKey::External);
        let mut free = line('a', "x");
        free.fingerprint = Fingerprint::parse(&format!("c1:{}", "a".repeat(32))).unwrap();
        assert_eq!(baseline.update([free.clone()]), 0);
        let text = format!("# keysweep baseline v1\n# key = external\n{free}\n");
        assert_eq!(
            errors(&text),
            ["a line of the baseline does not start with a keyed identity at 40+46"]
        );
    }

    #[test]
    fn faults_are_told_with_their_place() {
        let head = "# keysweep baseline v1\n# key = external\n";
        for (text, expected) in [
            (String::new(), "this is not a keysweep baseline at 0+0"),
            (
                "hello\n".to_owned(),
                "this is not a keysweep baseline at 0+5",
            ),
            (
                "# keysweep baseline v2\n".to_owned(),
                "the baseline has a version that this program does not know at 0+22",
            ),
            (
                "# keysweep baseline v1\n".to_owned(),
                "the baseline does not say under which key its lines are at 0+22",
            ),
            (
                "# keysweep baseline v1\n# key = 12\n".to_owned(),
                "the project key is not 64 hex digits at 23+10",
            ),
            (
                format!("{head}# key = {}\n", key().to_hex()),
                "the baseline has lines of two keys at 40+72",
            ),
            (
                format!("{head}<<<<<<< HEAD\n"),
                "a line of the baseline is the mark of a merge conflict at 40+12",
            ),
            (
                format!("{head}k1:{} Acme p\n", "a".repeat(32)),
                "a line of the baseline names no rule after the identity at 40+42",
            ),
            (
                format!("{head}k1:{} acme\n", "a".repeat(32)),
                "a line of the baseline names no path after the rule at 40+40",
            ),
        ] {
            assert_eq!(
                errors(&text).first().map(String::as_str),
                Some(expected),
                "{text}"
            );
        }
        assert_eq!(
            errors(&format!("{head}a\nb\n")).len(),
            2,
            "all of them at once"
        );
    }

    #[test]
    fn a_secret_in_place_of_a_line_is_not_shown() {
        let text = "# keysweep baseline v1\n# key = external\nhunter2\n";
        let error = Baseline::parse("b", text.as_bytes()).unwrap_err();
        assert!(!crate::config::tests::render(&error).contains("hunter2"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            parts in proptest::collection::vec("# keysweep baseline v1|# key = external|# key = |k1:|[0-9a-f]{32}| |acme-key|\n|\r\n|\\PC", 0..30),
            tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..8),
        ) {
            let mut bytes = parts.concat().into_bytes();
            bytes.extend(tail);
            let _ = Baseline::parse("b", &bytes).map_err(|e| crate::config::tests::render(&e));
        }

        #[test]
        fn writing_and_reading_change_nothing(paths in proptest::collection::vec(proptest::collection::vec(1..=255_u8, 1..20), 0..10)) {
            let mut baseline = Baseline::new(BaselineKey::External);
            for (i, path) in paths.iter().enumerate() {
                let fingerprint = Fingerprint::parse(&format!("k1:{i:032x}")).unwrap();
                baseline.update([Line::new(fingerprint, "acme-key", &BlobPath::new(path.clone()))]);
            }
            let text = baseline.write();
            let again = Baseline::parse("b", text.as_bytes()).unwrap();
            proptest::prop_assert_eq!(again.write(), text);
        }
    }
}
