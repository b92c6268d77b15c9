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

/// A word starts after a separator, at a capital after a small letter, at the last capital of several before a small
/// letter, and between letters and digits.
const fn is_word_start(last: u8, byte: u8, next: u8) -> bool {
    if !is_alnum(last) || last.is_ascii_digit() != byte.is_ascii_digit() {
        return true;
    }
    byte.is_ascii_uppercase() && (last.is_ascii_lowercase() || next.is_ascii_lowercase())
}

/// The context words of all rules, and the plain credential words.
pub(super) struct Words {
    heads: Heads,
    /// Faster, but 5 ms to build: made when there is that much to search. `None` if there is nothing to search for.
    automaton: OnceLock<Option<AhoCorasick>>,
    asked: AtomicU32,
    /// Whether a rule names a word.
    any: bool,
    /// Sorted.
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
        Self {
            heads: Heads::new(all.keys().copied()),
            automaton: OnceLock::new(),
            asked: AtomicU32::new(0),
            any: !words.is_empty(),
            words: all.keys().map(|word| (*word).into()).collect(),
            entries: all.into_values().collect(),
        }
    }

    /// Returns the automaton if it is there; the thread that asks for the so manieth time makes it.
    fn automaton(&self) -> Option<&AhoCorasick> {
        const MANY: u32 = 20_000;
        if let Some(made) = self.automaton.get() {
            return made.as_ref();
        }
        if self.asked.fetch_add(1, Ordering::Relaxed) == MANY {
            let made = AhoCorasick::builder()
                .match_kind(MatchKind::Standard)
                .kind(Some(AhoCorasickKind::DFA))
                .build(self.words.iter().map(AsRef::as_ref))
                .ok();
            // One thread comes here, once; the others go on with what there is.
            let _ = self.automaton.set(made);
        }
        None
    }

    /// Appends the rules that have a word in `normal` (in no order, a rule may come more than once); tells whether a plain
    /// credential word is in it, too.
    pub(super) fn rules_in(&self, normal: &Normal, rules: &mut Vec<u32>) -> bool {
        if !self.any {
            return false;
        }
        let mut credential = false;
        let border = |at: usize| normal.starts.get(at).copied().unwrap_or(true);
        let mut meet = |word: usize, start: usize, end: usize| {
            let Some(entry) = self.entries.get(word) else {
                return;
            };
            credential |= entry.credential;
            if !entry.whole || (border(start) && border(end)) {
                rules.extend_from_slice(&entry.rules);
            }
        };
        match self.automaton() {
            Some(automaton) => automaton
                .find_overlapping_iter(&normal.text)
                .for_each(|found| meet(found.pattern().as_usize(), found.start(), found.end())),
            None => self.heads.find(&self.words, &normal.text, meet),
        }
        credential
    }
}

/// Finds words by their first four bytes: half as fast as an automaton, and made in a fiftieth of the time.
struct Heads {
    /// By hash of the first two bytes: where its heads begin; one more at the end.
    slots: Vec<u32>,
    /// Sorted by slot.
    heads: Vec<Head>,
    /// The words of one byte: hardly ever one.
    single: Vec<u32>,
}

/// The first bytes of a word, four at most.
struct Head {
    bytes: u32,
    /// Which of them there are.
    mask: u32,
    word: u32,
}

/// Bits of the hash of two bytes.
const SLOT_BITS: u32 = 10;

/// Returns the slot of what begins with these bytes.
const fn slot(bytes: u32) -> usize {
    ((bytes & 0xffff).wrapping_mul(0x9e37_79b1) >> (32 - SLOT_BITS)) as usize
}

/// Returns the first four bytes of a text, and which of them there are.
fn head(text: &[u8]) -> (u32, u32) {
    if let Some(four) = text.first_chunk() {
        return (u32::from_le_bytes(*four), u32::MAX);
    }
    let bytes = text.iter().rev();
    bytes.fold((0, 0), |(bytes, mask), byte| {
        (bytes << 8 | u32::from(*byte), mask << 8 | 0xff)
    })
}

impl Heads {
    /// Takes words, none of them empty.
    fn new<'w>(words: impl Iterator<Item = &'w str>) -> Self {
        let (mut heads, mut single) = (Vec::new(), Vec::new());
        for (word, text) in (0_u32..).zip(words) {
            if text.len() < 2 {
                single.push(word);
                continue;
            }
            let (bytes, mask) = head(text.as_bytes());
            heads.push(Head { bytes, mask, word });
        }
        heads.sort_by_key(|head| slot(head.bytes));
        let mut slots = Vec::with_capacity((1 << SLOT_BITS) + 1);
        let mut at = 0_u32;
        for number in 0..=1_usize << SLOT_BITS {
            while heads
                .get(at as usize)
                .is_some_and(|head| slot(head.bytes) < number)
            {
                at += 1;
            }
            slots.push(at);
        }
        Self {
            slots,
            heads,
            single,
        }
    }

    /// Calls `meet` with number, start and end of each occurrence of a word.
    fn find(&self, words: &[Box<str>], text: &[u8], mut meet: impl FnMut(usize, usize, usize)) {
        for start in 0..text.len() {
            let rest = text.get(start..).unwrap_or_default();
            let (bytes, _) = head(rest);
            let bound = |slot: usize| self.slots.get(slot).map_or(0, |at| *at as usize);
            let slot = slot(bytes);
            let heads = self.heads.get(bound(slot)..bound(slot + 1));
            let like = heads.unwrap_or_default().iter();
            let like = like.filter(|head| bytes & head.mask == head.bytes);
            for word in like
                .map(|head| head.word)
                .chain(self.single.iter().copied())
            {
                let word = word as usize;
                let known = words.get(word).map(|word| word.as_bytes());
                if let Some(known) = known.filter(|known| rest.starts_with(known)) {
                    meet(word, start, start + known.len());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn many_names_are_searched_as_few_are(
            words in proptest::collection::btree_set("[abc]{1,6}", 1..40),
            names in proptest::collection::vec("[abcA_]{0,12}", 1..20),
        ) {
            let words: BTreeMap<&str, Vec<u32>> =
                words.iter().map(String::as_str).zip((0..).map(|n| vec![n])).collect();
            let table = Words::new(&words);
            let mut normal = Normal::default();
            let all = |normal: &mut Normal| {
                names.iter().map(|name| {
                    normal.name(name.as_bytes());
                    let mut rules = Vec::new();
                    let plain = table.rules_in(normal, &mut rules);
                    rules.sort_unstable();
                    (plain, rules)
                }).collect::<Vec<_>>()
            };
            let few = all(&mut normal);
            prop_assert!(table.automaton.get().is_none());
            table.asked.store(20_000, Ordering::Relaxed);
            table.automaton();
            prop_assert!(table.automaton.get().is_some_and(Option::is_some));
            prop_assert_eq!(few, all(&mut normal));
        }
    }
}
