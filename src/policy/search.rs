//! Searches texts for words of names, in the spellings that names have: `apikey`, `apiKey`, `ApiKey`, `APIKEY`.
//!
//! Words of four letters and more go through the filter of grams that the engine has; shorter ones are found by two of their letters with one
//! bit for each byte, in letters of any size: a searcher for literals is slow where one has two bytes.
//!
//! Promises: each place of each word is reported once, in the order of the text; time in proportion to the text.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::{literals::Literals, masks};

/// Returns a searcher for words in letters of any size, for texts of which little is searched or whose first word decides.
pub(super) fn caseless(words: &[&str]) -> Option<AhoCorasick> {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(words)
        .ok()
}

/// A word of three letters or fewer.
#[derive(Clone, Copy)]
pub(super) struct Short {
    word: &'static str,
    /// Where the two letters stand in it by which it is found: those that other words hold least.
    at: usize,
}

impl Short {
    /// A word in small letters, and where the two letters stand by which it is found.
    pub(super) const fn new(word: &'static str, at: usize) -> Self {
        Self { word, at }
    }

    const fn pair(self) -> [u8; 2] {
        let bytes = self.word.as_bytes();
        [bytes[self.at], bytes[self.at + 1]]
    }
}

/// A word that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Where it starts.
    start: usize,
    /// Where it ends.
    end: usize,
    /// Its number: those of the short words follow those of the others.
    pub(super) word: usize,
}

impl Found {
    /// Where it stands.
    pub(super) const fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Words to search for.
pub(super) struct Search<const SHORT: usize> {
    all: Literals,
    /// Of each spelling its bytes, and the number of its word.
    spelled: Vec<(usize, usize)>,
    short: [Short; SHORT],
    words: usize,
}

impl<const SHORT: usize> Search<SHORT> {
    /// Takes words of four letters and more, with a bar where a name may begin a new word (`api|key`), and shorter ones.
    pub(super) fn new(words: &[&str], short: [Short; SHORT]) -> Self {
        let mut all = Vec::new();
        let mut spelled = Vec::new();
        for (number, word) in words.iter().enumerate() {
            for spelling in spellings(word) {
                spelled.push((spelling.len(), number));
                all.push(spelling);
            }
        }
        Self {
            all: Literals::new(&all),
            spelled,
            short,
            words: words.len(),
        }
    }

    /// Returns where the words stand.
    pub(super) fn find(&self, bytes: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        self.all.find(bytes, 0..bytes.len(), |spelling, start| {
            if let Some((length, word)) = self.spelled.get(spelling as usize) {
                found.push(Found {
                    start,
                    end: start + length,
                    word: *word,
                });
            }
        });
        self.short(bytes, &mut found);
        found.sort_unstable();
        found
    }

    fn short(&self, bytes: &[u8], found: &mut Vec<Found>) {
        let pairs = self.short.map(Short::pair);
        let mut masks = Vec::new();
        masks::fill(
            bytes,
            &mut masks,
            #[inline(always)]
            |byte, next| {
                let mut is_one = false;
                for [first, second] in pairs {
                    is_one |= (byte | 0x20 == first) & (next | 0x20 == second);
                }
                is_one
            },
        );
        for place in masks::places(&masks) {
            for (number, Short { word, at }) in self.short.iter().enumerate() {
                let start = place.checked_sub(*at);
                let Some(range) = start.map(|start| start..start + word.len()) else {
                    continue;
                };
                let is_met = bytes
                    .get(range.clone())
                    .is_some_and(|text| text.eq_ignore_ascii_case(word.as_bytes()));
                if is_met {
                    found.push(Found {
                        start: range.start,
                        end: range.end,
                        word: self.words + number,
                    });
                }
            }
        }
    }
}

/// Returns the spellings of a word. Others part it into words that mean something else.
fn spellings(word: &str) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    for part in word.split('|') {
        let mut capital = part.as_bytes().to_vec();
        if let Some(first) = capital.iter_mut().find(|b| **b != b'_') {
            first.make_ascii_uppercase();
        }
        let spelled = [
            part.as_bytes().to_vec(),
            capital,
            part.to_ascii_lowercase().into_bytes(),
            part.to_ascii_uppercase().into_bytes(),
        ];
        all = all
            .iter()
            .flat_map(|front: &Vec<u8>| {
                spelled.iter().map(|part| [front.as_slice(), part].concat())
            })
            .collect();
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &[&str], text: &str) -> Vec<(usize, String)> {
        let search = Search::new(
            words,
            [
                Short::new("pw", 0),
                Short::new("otp", 1),
                Short::new("env", 1),
            ],
        );
        let found = search.find(text.as_bytes());
        found
            .into_iter()
            .map(|one| (one.word, text[one.range()].to_owned()))
            .collect()
    }

    #[test]
    fn words_are_found_in_the_spellings_of_names() {
        let text = "apikey apiKey ApiKey APIKey APIKEY api_key aPIKEY _Key _key _KEY password";
        let words = ["api|key", "_key", "pass"];
        let got = found(&words, text);
        let of = |word: usize| got.iter().filter(|one| one.0 == word).count();
        assert_eq!((of(0), of(1), of(2)), (5, 4, 1), "{got:?}");
    }

    #[test]
    fn short_words_are_found_in_letters_of_any_size() {
        let text = "dbPw PWD totp/OTP process.env ENV Env pnw tp nv e";
        let got = found(&[], text);
        let texts: Vec<&str> = got.iter().map(|one| one.1.as_str()).collect();
        assert_eq!(texts, ["Pw", "PW", "otp", "OTP", "env", "ENV", "Env"]);
        assert_eq!(
            got.iter().map(|one| one.0).collect::<Vec<_>>(),
            [0, 0, 1, 1, 2, 2, 2]
        );
    }
}
