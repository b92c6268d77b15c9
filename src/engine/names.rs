//! Names of values: how they are normalised, which rules' words they hold, which of them are plain credential words.
//!
//! docs/rules.md ("context") is the law. Promises: no allocation once the scratch has grown; linear in the name.

use std::{
    collections::BTreeMap,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::anchors::is_alnum;

/// Words of up to this many characters must be whole words of the name.
const SHORT: usize = 4;

/// Words that say "credential" on their own.
const CREDENTIAL: &[&str] = &[
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "cred",
    "credential",
    "credentials",
    "creds",
    "key",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "pat",
    "psk",
    "pw",
    "pwd",
    "secret",
    "secrets",
    "token",
    "tokens",
];

/// Words that add nothing to those.
const FILLER: &[&str] = &[
    "access",
    "account",
    "admin",
    "api",
    "app",
    "application",
    "basic",
    "client",
    "config",
    "const",
    "conf",
    "dev",
    "development",
    "default",
    "env",
    "global",
    "header",
    "headers",
    "http",
    "https",
    "id",
    "key",
    "live",
    "local",
    "master",
    "my",
    "new",
    "oauth",
    "old",
    "options",
    "params",
    "personal",
    "primary",
    "private",
    "prod",
    "production",
    "proxy",
    "public",
    "read",
    "root",
    "secondary",
    "self",
    "service",
    "session",
    "settings",
    "sandbox",
    "staging",
    "test",
    "the",
    "this",
    "user",
    "value",
    "write",
    "x",
];

/// A name or a text in lower case without separators, with what is left of its word borders.
#[derive(Default)]
pub(super) struct Normal {
    text: Vec<u8>,
    /// Whether a word starts at this byte of `text`. One entry more than `text`, the last one true.
    starts: Vec<bool>,
}

impl Normal {
    /// Normalises a name: every byte but letters and digits is a separator and goes.
    pub(super) fn name(&mut self, name: &[u8]) {
        self.fill(name, |_| true);
    }

    /// Normalises a stretch of text: only the separators inside identifiers go, others stay as one space.
    pub(super) fn prose(&mut self, text: &[u8]) {
        self.fill(text, |byte| matches!(byte, b'_' | b'-'));
    }

    fn fill(&mut self, bytes: &[u8], drops: impl Fn(u8) -> bool) {
        self.text.clear();
        self.starts.clear();
        let mut last = b' ';
        let mut rest = bytes.iter().copied().peekable();
        while let Some(byte) = rest.next() {
            if is_alnum(byte) {
                let next = rest.peek().copied().unwrap_or(b' ');
                self.starts.push(is_word_start(last, byte, next));
                self.text.push(byte.to_ascii_lowercase());
            } else if !drops(byte) && self.text.last().is_some_and(|b| *b != b' ') {
                self.starts.push(true);
                self.text.push(b' ');
            }
            last = byte;
        }
        self.starts.push(true);
    }

    /// Returns the words.
    fn words(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        std::iter::from_fn(move || {
            let from = start;
            if from >= self.text.len() {
                return None;
            }
            let border = |at: &usize| self.starts.get(*at).copied().unwrap_or(true);
            start = (from + 1..=self.text.len()).find(border)?;
            self.text.get(from..start)
        })
        .filter(|word| *word != b" ")
    }

    /// Tells whether the name consists of plain credential words: at least one that says so, and none that says
    /// anything else.
    pub(super) fn is_plain(&self) -> bool {
        let mut says = false;
        for word in self.words() {
            let is_in = |list: &[&str]| list.iter().any(|entry| entry.as_bytes() == word);
            if is_in(CREDENTIAL) {
                says = true;
            } else if !is_in(FILLER) && !word.iter().all(u8::is_ascii_digit) {
                return false;
            }
        }
        says
    }
}

/// Tells whether a name's end may say "credential": three letters are looked at, for names that stand before every other
/// value.
pub(super) fn ends_in_credential(name: &[u8]) -> bool {
    let Some(last) = name.last_chunk::<3>() else {
        return name.eq_ignore_ascii_case(b"pw");
    };
    // The last letters of CREDENTIAL.
    matches!(
        &last.map(|byte| byte | 0x20),
        b"key"
            | b"uth"
            | b"ion"
            | b"rer"
            | b"red"
            | b"ial"
            | b"als"
            | b"eds"
            | b"ass"
            | b"ase"
            | b"swd"
            | b"ord"
            | b"pat"
            | b"psk"
            | b"pwd"
            | b"ret"
            | b"ets"
            | b"ken"
            | b"ens"
    ) && CREDENTIAL.iter().any(|word| {
        name.len()
            .checked_sub(word.len())
            .and_then(|at| name.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// Longest name that is remembered, and one byte for its length.
const SLOT: usize = 32;

/// Names that were looked at not long ago and call for no rule: most of what stands before values comes again and again.
pub(super) struct Quiet(Vec<[u8; SLOT]>);

impl Default for Quiet {
    fn default() -> Self {
        Self(vec![[0; SLOT]; 1 << 10])
    }
}

impl Quiet {
    /// Tells whether a name is one of them.
    pub(super) fn has(&self, name: &[u8]) -> bool {
        slot(name).is_some_and(|(at, slot)| self.0.get(at) == Some(&slot))
    }

    /// Remembers a name instead of another one.
    pub(super) fn add(&mut self, name: &[u8]) {
        if let Some((at, slot)) = slot(name)
            && let Some(place) = self.0.get_mut(at)
        {
            *place = slot;
        }
    }
}

/// Returns where a name is remembered, and as what; `None` if it is too long. No name looks like an empty place.
fn slot(name: &[u8]) -> Option<(usize, [u8; SLOT])> {
    let mut slot = [0; SLOT];
    slot.get_mut(..name.len())
        .filter(|_| name.len() < SLOT)?
        .copy_from_slice(name);
    let [.., last] = &mut slot;
    *last = name.len() as u8 + 1;
    let mut mixed = 0_u64;
    for eight in slot.as_chunks::<8>().0 {
        mixed = (mixed.rotate_left(23) ^ u64::from_le_bytes(*eight))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    Some(((mixed >> 54) as usize, slot))
}

/// A word starts after a separator, at a capital after a small letter, at the last capital of several before a small
/// letter, and between letters and digits.
const fn is_word_start(last: u8, byte: u8, next: u8) -> bool {
    if !is_alnum(last) || last.is_ascii_digit() != byte.is_ascii_digit() {
        return true;
    }
    byte.is_ascii_uppercase() && (last.is_ascii_lowercase() || next.is_ascii_lowercase())
}

fn search<'w>(words: impl Iterator<Item = &'w str>, kind: AhoCorasickKind) -> Option<AhoCorasick> {
    AhoCorasick::builder()
        .match_kind(MatchKind::Standard)
        .kind(Some(kind))
        .build(words)
        .ok()
}

/// The context words of all rules, and the plain credential words.
pub(super) struct Words {
    /// Quickly built; `None` without words.
    search: Option<AhoCorasick>,
    /// Three times faster, but 5 ms to build: made when there is that much to search.
    faster: OnceLock<AhoCorasick>,
    asked: AtomicU32,
    words: Vec<Box<str>>,
    /// By word.
    entries: Vec<Entry>,
}

#[derive(Default)]
struct Entry {
    /// Whether it must be whole words of the name.
    whole: bool,
    /// Whether it is a plain credential word.
    credential: bool,
    /// The rules that name it.
    rules: Vec<u32>,
}

impl Words {
    /// Takes words with the rules that name them.
    pub(super) fn new(words: &BTreeMap<&str, Vec<u32>>) -> Self {
        let mut all: BTreeMap<&str, Entry> = BTreeMap::new();
        for (word, rules) in words {
            let entry = all.entry(word).or_default();
            entry.whole = word.len() <= SHORT;
            entry.rules.clone_from(rules);
        }
        for word in CREDENTIAL {
            all.entry(word).or_default().credential = true;
        }
        let search = search(all.keys().copied(), AhoCorasickKind::ContiguousNFA);
        Self {
            search: search.filter(|_| !words.is_empty()),
            faster: OnceLock::new(),
            asked: AtomicU32::new(0),
            words: all.keys().map(|word| (*word).into()).collect(),
            entries: all.into_values().collect(),
        }
    }

    /// Returns the search that was quickly built, and builds the faster one when that begins to pay.
    fn slower(&self) -> Option<&AhoCorasick> {
        const MANY: u32 = 20_000;
        let slow = self.search.as_ref()?;
        if self.asked.fetch_add(1, Ordering::Relaxed) == MANY {
            let words = self.words.iter().map(AsRef::as_ref);
            if let Some(faster) = search(words, AhoCorasickKind::DFA) {
                // One thread comes here, once; the others go on with what there is.
                let _ = self.faster.set(faster);
            }
        }
        Some(slow)
    }

    /// Appends the rules that have a word in `normal` (a rule may come more than once); tells whether a plain
    /// credential word is in it, too.
    pub(super) fn rules_in(&self, normal: &Normal, rules: &mut Vec<u32>) -> bool {
        let Some(search) = self.faster.get().or_else(|| self.slower()) else {
            return false;
        };
        let mut credential = false;
        let border = |at: usize| normal.starts.get(at).copied().unwrap_or(true);
        for found in search.find_overlapping_iter(&normal.text) {
            let Some(entry) = self.entries.get(found.pattern().as_usize()) else {
                continue;
            };
            credential |= entry.credential;
            if !entry.whole || (border(found.start()) && border(found.end())) {
                rules.extend_from_slice(&entry.rules);
            }
        }
        credential
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str) -> Vec<String> {
        let mut normal = Normal::default();
        normal.name(name.as_bytes());
        normal
            .words()
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }

    fn has(word: &str, name: &str) -> bool {
        let table = Words::new(&[(word, vec![7])].into_iter().collect());
        let mut normal = Normal::default();
        normal.name(name.as_bytes());
        let mut rules = Vec::new();
        table.rules_in(&normal, &mut rules);
        !rules.is_empty()
    }

    fn is_plain(name: &str) -> bool {
        let mut normal = Normal::default();
        normal.name(name.as_bytes());
        normal.is_plain()
    }

    #[test]
    fn splits_camel_case_acronyms_and_snakes() {
        assert_eq!(words("DDApiKey"), ["dd", "api", "key"]);
        assert_eq!(words("DD_API_KEY"), ["dd", "api", "key"]);
        assert_eq!(words("dd-api.key2"), ["dd", "api", "key", "2"]);
        assert_eq!(words("?"), Vec::<String>::new());
    }

    #[test]
    fn short_words_must_be_whole() {
        assert!(has("dd", "DD_API_KEY") && has("dd", "ddApiKey"));
        assert!(has("dd", "myDdKey"));
        assert!(!has("dd", "add_key") && !has("key", "monkey"));
        assert!(has("ddapikey", "x_DD_api-Key"));
    }

    #[test]
    fn plain_names_hold_nothing_but_credential_words() {
        assert!(is_plain("key") && is_plain("API_KEY") && is_plain("clientSecret"));
        assert!(is_plain("Authorization") && is_plain("x-api-key"));
        assert!(!is_plain("cache_key") && !is_plain("id") && !is_plain(""));
    }

    #[test]
    fn every_credential_word_is_known_by_its_end() {
        for word in CREDENTIAL {
            assert!(ends_in_credential(word.as_bytes()), "{word}");
            assert!(
                ends_in_credential(format!("MY_{word}").to_uppercase().as_bytes())
                    || word.len() < 3
            );
        }
        assert!(!ends_in_credential(b"mission") && !ends_in_credential(b"string"));
    }

    #[test]
    fn quiet_names_are_known_by_all_of_their_bytes() {
        let mut quiet = Quiet::default();
        for name in ["", "a", "a\0", "next", "a_name_of_31_bytes_that_still_fit"] {
            let name = name.as_bytes().get(..31).unwrap_or(name.as_bytes());
            assert!(!quiet.has(name));
            quiet.add(name);
            assert!(quiet.has(name));
        }
        let long = [b'x'; 32];
        quiet.add(&long);
        assert!(!quiet.has(&long) && !quiet.has(&long[..31]) && !quiet.has(b"b"));
    }

    #[test]
    fn prose_keeps_words_apart() {
        let table = Words::new(
            &[("datadog", vec![1]), ("ddapikey", vec![2])]
                .into_iter()
                .collect(),
        );
        let mut normal = Normal::default();
        let mut rules = Vec::new();
        normal.prose(b"see Data dog; DD_API_KEY");
        table.rules_in(&normal, &mut rules);
        assert_eq!(rules, [2]);
    }
}
