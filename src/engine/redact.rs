//! Takes secrets out of text that is about to leave, and searches what leaves for them.
//!
//! Promises: every occurrence goes, also where occurrences overlap, plain or in the encodings that our formats and the
//! scanned files use (JSON, XML and HTML, URLs, base64, hex, UTF-16). Values that stand in any text by chance are left out:
//! those shorter than 8 bytes, and those of one word, a capital in front or not. They are masked where they were found, by
//! their span; masking the word `password` everywhere would wreck a report and tell the value to whoever compares.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use base64::Engine as _;

use super::needles::{Builder, MIN_NEEDLE, Met, Needles};
use crate::model::Secret;

/// Shortest secret that is searched for.
const MIN_LEN: usize = MIN_NEEDLE;

/// Shortest line of a secret of several lines that is searched for by itself.
const MIN_LINE: usize = 20;

/// Shortest middle of a base64 form that is searched for.
const MIN_BASE64: usize = MIN_NEEDLE;

/// Most times that a masked text is looked at again.
const MOST_ROUNDS: usize = 8;

/// Finds known secrets in text.
pub struct Redactor {
    needles: Needles,
    /// Of each secret the number of its value: many findings may have one.
    values: Vec<u32>,
}

impl Redactor {
    /// Takes the secrets of a run.
    #[must_use]
    pub fn new(secrets: &[&Secret]) -> Self {
        let mut numbers: BTreeMap<&[u8], u32> = BTreeMap::new();
        let mut builder = Builder::default();
        let mut values = Vec::with_capacity(secrets.len());
        for secret in secrets {
            // The bytes are needed to search for them; they stay among the needles, which are dropped with the run.
            let value = secret.expose();
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            let number = *numbers.entry(value).or_insert_with(|| {
                forms(value).iter().for_each(|form| builder.add(form, next));
                next
            });
            values.push(number);
        }
        Self {
            needles: builder.build(),
            values,
        }
    }

    /// Returns `text` with each character of a secret replaced by `*`. What is masked so may be another secret, of a value that has stars
    /// itself: that goes as well.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Cow::Owned(mut masked) = self.once(text) else {
            return Cow::Borrowed(text);
        };
        for _ in 0..MOST_ROUNDS {
            match self.once(&masked) {
                Cow::Owned(next) if next != masked => masked = next,
                _ => return Cow::Owned(masked),
            }
        }
        // Values made for each other: each round is as long as the text.
        Cow::Owned(text.chars().map(|_| '*').collect())
    }

    fn once<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.needles.is_empty() {
            return Cow::Borrowed(text);
        }
        let spans = self.needles.spans(text.as_bytes());
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut spans = spans.into_iter().peekable();
        let mut until = 0;
        let masked = text
            .char_indices()
            .map(|(at, c)| {
                let end = at + c.len_utf8();
                // A form that is not UTF-8 itself may begin inside a character.
                while let Some((start, stop)) = spans.peek().copied()
                    && start < end
                {
                    until = until.max(stop);
                    spans.next();
                }
                if at < until { '*' } else { c }
            })
            .collect();
        Cow::Owned(masked)
    }

    /// Tells of each secret whether it stands in one of `texts`, plain or encoded.
    pub fn met(&self, texts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<bool> {
        let mut met = Met::default();
        for text in texts {
            self.needles.meet(text.as_ref(), &mut met);
        }
        let values: BTreeSet<u32> = self.needles.owners(&met).collect();
        let secrets = self.values.iter();
        secrets.map(|value| values.contains(value)).collect()
    }

    /// Tells whether any secret stands in `text`, plain or encoded.
    #[must_use]
    pub fn finds(&self, text: &[u8]) -> bool {
        self.met([text]).contains(&true)
    }
}

/// Returns everything that tells a value.
fn forms(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    add(value, &mut forms);
    // Kubernetes keeps texts as base64: what a value stands for is as secret.
    let decoded = base64::engine::general_purpose::STANDARD.decode(value);
    if let Some(text) = decoded
        .ok()
        .filter(|text| std::str::from_utf8(text).is_ok())
    {
        add(text.trim_ascii(), &mut forms);
    }
    for line in value.split(|b| matches!(b, b'\n' | b'\r')) {
        let line = line.trim_ascii();
        if line.len() >= MIN_LINE
            && line.len() < value.len()
            && !line.starts_with(b"-----")
            && !line.contains(&b' ')
        {
            add(line, &mut forms);
        }
    }
    forms
}

/// Bytes of the longest word that people write: what is longer is none.
const LONGEST_WORD: usize = 15;

/// Adds all forms of one value.
fn add(value: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    // A word, with a capital or without: masked, it would make names of folders and sentences unreadable, and hide nothing from who guesses.
    let is_word = value.len() <= LONGEST_WORD
        && value.first().is_some_and(u8::is_ascii_alphabetic)
        && value.iter().skip(1).all(u8::is_ascii_lowercase);
    if value.len() < MIN_LEN || is_word {
        return;
    }
    forms.insert(value.to_vec());
    forms.insert(json(value, true));
    forms.insert(json(value, false));
    for quotes in [
        ["&quot;", "&#39;"],
        ["&#34;", "&#x27;"],
        ["&quot;", "&apos;"],
        ["\"", "'"],
    ] {
        forms.insert(markup(value, quotes));
    }
    for upper in [true, false] {
        let percent = percent(value, upper);
        // Forms of pages write a blank so.
        forms.insert(
            String::from_utf8_lossy(&percent)
                .replace("%20", "+")
                .into_bytes(),
        );
        forms.insert(percent);
        forms.insert(hex(value, upper));
    }
    add_base64(value, forms);
    if let Ok(text) = std::str::from_utf8(value) {
        let units: Vec<u16> = text.encode_utf16().collect();
        forms.insert(units.iter().flat_map(|unit| unit.to_le_bytes()).collect());
        forms.insert(units.iter().flat_map(|unit| unit.to_be_bytes()).collect());
    }
}

/// JSON string escapes (RFC 8259, section 7); `solidus`: with `\/`.
fn json(value: &[u8], solidus: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 8);
    for &byte in value {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'/' if solidus => out.extend(b"\\/"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0..=0x1f => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(byte),
        }
    }
    out
}

/// Character references of XML and HTML.
fn markup(value: &[u8], [double, single]: [&str; 2]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 8);
    for &byte in value {
        match byte {
            b'&' => out.extend(b"&amp;"),
            b'<' => out.extend(b"&lt;"),
            b'>' => out.extend(b"&gt;"),
            b'"' => out.extend(double.bytes()),
            b'\'' => out.extend(single.bytes()),
            _ => out.push(byte),
        }
    }
    out
}

/// RFC 3986: all but unreserved characters.
fn percent(value: &[u8], upper: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() * 3);
    for &byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else if upper {
            out.extend(format!("%{byte:02X}").bytes());
        } else {
            out.extend(format!("%{byte:02x}").bytes());
        }
    }
    out
}

fn hex(value: &[u8], upper: bool) -> Vec<u8> {
    value
        .iter()
        .flat_map(|byte| {
            let text = if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            };
            text.into_bytes()
        })
        .collect()
}

/// The characters of base64 that `value` decides alone, at each of the three places it can have in a group.
fn add_base64(value: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    for lead in 0..3_usize {
        let mut padded = vec![0; lead];
        padded.extend_from_slice(value);
        // A character holds 6 bits: those that share bits with what stands before or after are left out.
        let first = (lead * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&padded).into_bytes();
            if let Some(middle) = text.get(first..last)
                && middle.len() >= MIN_BASE64
            {
                forms.insert(middle.to_vec());
            }
        }
        zeroize::Zeroize::zeroize(&mut padded);
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn redactor(values: &[&[u8]]) -> Redactor {
        let secrets: Vec<Secret> = values.iter().map(|value| Secret::new(value)).collect();
        Redactor::new(&secrets.iter().collect::<Vec<_>>())
    }

    #[test]
    fn tells_whose_value_it_met() {
        let redactor = redactor(&[b"one-Val1", b"two-Val2", b"one-Val1"]);
        assert_eq!(redactor.met(["x", "one-Val1"]), [true, false, true]);
        assert_eq!(redactor.met(["dHdvLVZhbDI="]), [false, true, false]);
        assert_eq!(redactor.met([""; 0]), [false; 3]);
    }

    #[test]
    fn masks_each_character_of_each_occurrence() {
        let redactor = redactor(&[b"h4nter-22", "pässwörd9".as_bytes()]);
        assert_eq!(
            redactor.mask("a h4nter-22, h4nter-22 pässwörd9."),
            "a *********, ********* *********."
        );
        assert!(matches!(redactor.mask("nothing here"), Cow::Borrowed(_)));
    }

    #[test]
    fn overlapping_secrets_are_both_masked() {
        assert_eq!(
            redactor(&[b"abcdEFGH", b"EFGHijkl"]).mask("-abcdEFGHijkl-"),
            "-************-"
        );
    }

    #[test]
    fn what_masking_makes_a_secret_is_masked_too() {
        let mut values: Vec<Vec<u8>> = vec![b"Zq81hunter".to_vec(), b"pw = **********".to_vec()];
        assert_eq!(
            redactor(&values.iter().map(Vec::as_slice).collect::<Vec<_>>())
                .mask("x: pw = Zq81hunter"),
            "x: ***************"
        );
        // One more in each round.
        values = (0..40)
            .map(|n| format!("a{}", "*".repeat(n + 8)).into_bytes())
            .collect();
        values.push(b"Zq81hunt".to_vec());
        let text = "a".repeat(40) + "Zq81hunt";
        let redactor = redactor(&values.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert_eq!(redactor.mask(&text), "*".repeat(48));
    }

    #[test]
    fn words_and_short_values_are_left_alone() {
        let redactor = redactor(&[b"password", b"Storefront", b"a1!"]);
        for text in ["password a1!", "src/Storefront/main.rs"] {
            assert_eq!(redactor.mask(text), text);
            assert!(!redactor.finds(text.as_bytes()));
        }
    }

    #[test]
    fn finds_encoded_forms() {
        let value = b"pa\"ss/w<or>d&9\n";
        let redactor = redactor(&[value]);
        for form in [
            r#"pa\"ss/w<or>d&9\n"#,
            r#"pa\"ss\/w<or>d&9\n"#,
            "pa%22ss%2Fw%3Cor%3Ed%269%0A",
            "pa&quot;ss/w&lt;or&gt;d&amp;9\n",
            "706122",
        ] {
            assert_eq!(redactor.finds(form.as_bytes()), form.len() > 6, "{form}");
        }
        assert!(redactor.finds(&hex(value, true)));
    }

    #[test]
    fn finds_lines_of_a_key() {
        let line = "k".repeat(30) + "A1";
        let key = format!("-----BEGIN X-----\n{line}\nAAAA\n-----END X-----");
        let redactor = redactor(&[key.as_bytes()]);
        assert!(redactor.finds(format!("  {line}").as_bytes()));
        assert!(!redactor.finds(b"-----BEGIN X-----"));
    }

    proptest! {
        #[test]
        fn finds_base64_of_any_text_around(
            value in "[a-z0-9!]{8,24}[A-Z]",
            before in "[a-z]{0,5}",
            after in "[a-z]{0,5}",
        ) {
            let text = STANDARD.encode(format!("{before}{value}{after}"));
            prop_assert!(redactor(&[value.as_bytes()]).finds(text.as_bytes()));
        }

        #[test]
        fn masks_any_bytes_without_a_panic(value in proptest::collection::vec(any::<u8>(), 8..12), text in ".{0,40}") {
            let masked = redactor(&[&value]).mask(&text).into_owned();
            prop_assert_eq!(masked.chars().count(), text.chars().count());
        }
    }
}
