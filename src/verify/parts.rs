//! The parts that a text's own format sets off: leaves of JSON, lines of dotenv files, passwords of URLs, what base64 hides.
//!
//! Knows nothing of stores and findings. Spans are byte spans of the text, so that a part can be replaced in place.

use std::ops::Range;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// Most parts of one text; a larger text is one of many values, and each key of a store is small.
const MAX_PARTS: usize = 4096;

/// Decoders that take padding or leave it: both are met in the field.
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// How a part is written. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// As it is.
    Plain,
    /// The inside of a JSON string.
    Json,
    /// Percent signs.
    Percent,
    /// A part of a URL in which nothing had to be encoded; another value may have to be.
    Url,
    /// base64; whether its alphabet is the one for URLs, and whether it is padded.
    Base64 { url: bool, padded: bool },
    /// `\n` for line breaks, as private keys stand in one line.
    Newlines,
}

/// One part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where.
    pub(super) span: Range<usize>,
    /// How it is written there.
    pub(super) codec: Codec,
    /// What its format calls it: a JSON pointer, a variable's name; empty if it has no name.
    pub(super) label: String,
}

impl Part {
    fn plain(span: Range<usize>, label: impl Into<String>) -> Self {
        Self {
            span,
            codec: Codec::Plain,
            label: label.into(),
        }
    }
}

impl Codec {
    /// Tells whether decoding changes bytes, so that a match through it is less than exact.
    pub(super) const fn is_encoding(self) -> bool {
        match self {
            Self::Plain | Self::Json | Self::Newlines | Self::Url => false,
            Self::Percent | Self::Base64 { .. } => true,
        }
    }

    /// Returns what the text says; `None` if it is not written so.
    pub(super) fn decode(self, text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let decoded = match self {
            Self::Plain | Self::Url => Some(text.to_vec()),
            Self::Json => unescape(text),
            Self::Percent => percent_decode(text),
            Self::Base64 { url: true, .. } => URL_SAFE.decode(text).ok(),
            Self::Base64 { url: false, .. } => STANDARD.decode(text).ok(),
            Self::Newlines => Some(newlines(text)),
        };
        decoded.map(Zeroizing::new)
    }

    /// Returns `value` written so that [`Self::decode`] gives it back.
    pub(super) fn encode(self, value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let encoded = match self {
            Self::Plain => Some(value.to_vec()),
            Self::Json => escape(value),
            Self::Percent | Self::Url => Some(percent_encode(value)),
            Self::Base64 { url, padded } => {
                let alphabet = if url {
                    &alphabet::URL_SAFE
                } else {
                    &alphabet::STANDARD
                };
                let config = GeneralPurposeConfig::new().with_encode_padding(padded);
                Some(
                    GeneralPurpose::new(alphabet, config)
                        .encode(value)
                        .into_bytes(),
                )
            }
            Self::Newlines => Some(value.to_vec().replace_all(b"\n", b"\\n")),
        };
        encoded.map(Zeroizing::new)
    }
}

trait ReplaceAll {
    fn replace_all(self, from: &[u8], to: &[u8]) -> Vec<u8>;
}

impl ReplaceAll for Vec<u8> {
    fn replace_all(self, from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut out = Self::with_capacity(self.len());
        let mut last = 0;
        for at in memchr::memmem::find_iter(&self, from) {
            out.extend_from_slice(self.get(last..at).unwrap_or_default());
            out.extend_from_slice(to);
            last = at + from.len();
        }
        out.extend_from_slice(self.get(last..).unwrap_or_default());
        // The caller's bytes were a copy of a value.
        drop(Zeroizing::new(self));
        out
    }
}

/// Returns the parts of a text, outermost first; none of them is the whole text.
pub(super) fn parts(text: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let whole = trimmed(text);
    if whole.len() < text.len() {
        parts.push(Part::plain(whole.clone(), ""));
        // What lies inside is found again in the trimmed text.
        return parts;
    }
    if matches!(text.first(), Some(b'{' | b'[' | b'"')) && json_parts(text, &mut parts) {
        return parts;
    }
    if memchr::memmem::find(text, b"\\n").is_some()
        && memchr::memmem::find(text, b"-----BEGIN").is_some()
    {
        parts.push(Part {
            span: 0..text.len(),
            codec: Codec::Newlines,
            label: String::new(),
        });
    }
    if memchr::memmem::find(text, b"-----BEGIN").is_none() {
        lines(text, &mut parts);
    }
    urls(text, &mut parts);
    encoded(text, &mut parts);
    parts.truncate(MAX_PARTS);
    parts
}

/// Returns where the text without blanks at its ends stands.
fn trimmed(text: &[u8]) -> Range<usize> {
    let start = text.len() - text.trim_ascii_start().len();
    let end = text.trim_ascii_end().len();
    start..end.max(start)
}

/// Adds the string leaves of a JSON text; `false` if it is none.
fn json_parts(text: &[u8], parts: &mut Vec<Part>) -> bool {
    if serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err() {
        return false;
    }
    // The text is JSON: strings, brackets and commas are all that a walk needs.
    let mut path: Vec<Step> = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'{' => path.push(Step::Key(String::new(), true)),
            b'[' => path.push(Step::Index(0)),
            b'}' | b']' => {
                path.pop();
            }
            b',' => match path.last_mut() {
                Some(Step::Index(n)) => *n += 1,
                Some(Step::Key(_, is_next)) => *is_next = true,
                None => {}
            },
            b'"' => {
                let end = string_end(text, at + 1);
                let span = at + 1..end;
                at = end;
                match path.last_mut() {
                    Some(Step::Key(name, is_next)) if *is_next => {
                        *is_next = false;
                        let raw = text.get(span).unwrap_or_default();
                        let key = unescape(raw).unwrap_or_default();
                        *name = String::from_utf8_lossy(&key).into_owned();
                    }
                    _ => parts.push(Part {
                        span,
                        codec: Codec::Json,
                        label: pointer(&path),
                    }),
                }
            }
            _ => {}
        }
        at += 1;
    }
    true
}

/// Where a walk through JSON stands.
enum Step {
    /// In an object: the last key, and whether the next string is a key.
    Key(String, bool),
    /// In a list.
    Index(usize),
}

/// Returns a JSON pointer (RFC 6901).
fn pointer(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        text.push('/');
        match step {
            Step::Key(name, _) => text.push_str(&name.replace('~', "~0").replace('/', "~1")),
            Step::Index(n) => text.push_str(&n.to_string()),
        }
    }
    text
}

/// Returns where the string that begins at `at` (behind its quote) ends.
fn string_end(text: &[u8], mut at: usize) -> usize {
    loop {
        match text.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') | None => return at.min(text.len()),
            Some(_) => at += 1,
        }
    }
}

/// Adds the values of `NAME=value`, `name: value` lines and of `name=value;` lists.
fn lines(text: &[u8], parts: &mut Vec<Part>) {
    let mut start = 0;
    for line in text.split_inclusive(|b| matches!(b, b'\n' | b';')) {
        let end = start + line.len();
        if let Some((name, value)) = assignment(line)
            && value.len() < text.len()
        {
            let span = start + value.start..start + value.end;
            parts.push(Part::plain(span, name));
        }
        start = end;
        if parts.len() >= MAX_PARTS {
            return;
        }
    }
}

/// Returns the name and the place of the value of one assignment.
fn assignment(line: &[u8]) -> Option<(String, Range<usize>)> {
    // A colon without a blank behind it is one of a URL, a time or `user:password`.
    let is_sign = |(at, b): (usize, &u8)| match b {
        b'=' => true,
        b':' => matches!(line.get(at + 1), Some(b' ' | b'\t')),
        _ => false,
    };
    let at = line.iter().enumerate().position(is_sign)?;
    let name = line.get(..at)?.trim_ascii();
    let name = name.strip_prefix(b"export ").unwrap_or(name).trim_ascii();
    let is_name = !name.is_empty()
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"_-. \"'".contains(b));
    if !is_name {
        return None;
    }
    let rest = line.get(at + 1..)?;
    let rest = rest.strip_suffix(b";").unwrap_or(rest);
    let inside = trimmed(rest);
    let mut span = at + 1 + inside.start..at + 1 + inside.end;
    let value = line.get(span.clone())?;
    if let [quote @ (b'"' | b'\''), .., last] = value
        && quote == last
    {
        span = span.start + 1..span.end - 1;
    }
    let name = String::from_utf8_lossy(name)
        .trim_matches(['"', '\''])
        .to_owned();
    (!span.is_empty()).then_some((name, span))
}

/// Adds what URLs in the text hold: user, password, values of the query.
fn urls(text: &[u8], parts: &mut Vec<Part>) {
    for at in memchr::memmem::find_iter(text, b"://") {
        let start = at + 3;
        let rest = text.get(start..).unwrap_or_default();
        let is_end = |b: &u8| b.is_ascii_whitespace() || b"\"'<>`".contains(b);
        let url = rest.get(..rest.iter().position(is_end).unwrap_or(rest.len()));
        let url = url.unwrap_or_default();
        let authority_end = url.iter().position(|b| b"/?#".contains(b));
        let authority = url
            .get(..authority_end.unwrap_or(url.len()))
            .unwrap_or_default();
        if let Some(sign) = authority.iter().rposition(|b| *b == b'@') {
            let user = authority.get(..sign).unwrap_or_default();
            let colon = user.iter().position(|b| *b == b':');
            let name_end = colon.unwrap_or(user.len());
            parts.push(percent(start..start + name_end, "user", text));
            if let Some(colon) = colon {
                parts.push(percent(start + colon + 1..start + sign, "password", text));
            }
        }
        if let Some(question) = url.iter().position(|b| *b == b'?') {
            query(text, start + question + 1..start + url.len(), parts);
        }
        if parts.len() >= MAX_PARTS {
            return;
        }
    }
}

/// Adds the values of a query.
fn query(text: &[u8], span: Range<usize>, parts: &mut Vec<Part>) {
    let mut start = span.start;
    for pair in text
        .get(span)
        .unwrap_or_default()
        .split_inclusive(|b| *b == b'&')
    {
        let bare = pair.strip_suffix(b"&").unwrap_or(pair);
        if let Some(sign) = bare.iter().position(|b| *b == b'=') {
            let label = String::from_utf8_lossy(bare.get(..sign).unwrap_or_default());
            parts.push(percent(start + sign + 1..start + bare.len(), &label, text));
        }
        start += pair.len();
    }
}

/// Returns a part that percent signs may encode.
fn percent(span: Range<usize>, label: &str, text: &[u8]) -> Part {
    let is_encoded = text
        .get(span.clone())
        .is_some_and(|part| part.contains(&b'%'));
    Part {
        span,
        codec: if is_encoded {
            Codec::Percent
        } else {
            Codec::Url
        },
        label: label.to_owned(),
    }
}

/// Adds the text itself as base64 or with percent signs, if it is written so, and what stands behind the colon of `user:password`.
fn encoded(text: &[u8], parts: &mut Vec<Part>) {
    let whole = |codec| Part {
        span: 0..text.len(),
        codec,
        label: String::new(),
    };
    let body = text.trim_ascii_end();
    let bare = body.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
    let is_long = bare >= 12 && body.len() - bare <= 2;
    let letters = body.get(..bare).unwrap_or_default();
    let fits = |extra: &[u8; 2]| {
        letters
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || extra.contains(b))
    };
    let padded = bare < body.len() || bare.is_multiple_of(4);
    if is_long && fits(b"+/") {
        parts.push(whole(Codec::Base64 { url: false, padded }));
    } else if is_long && fits(b"-_") {
        parts.push(whole(Codec::Base64 { url: true, padded }));
    }
    if text.contains(&b'%') && percent_decode(text).is_some_and(|decoded| decoded != text) {
        parts.push(whole(Codec::Percent));
    }
    // HTTP's and Docker's `user:password`.
    let is_line = !text.contains(&b'\n') && memchr::memmem::find(text, b"://").is_none();
    if let Some(colon) = text.iter().position(|b| *b == b':')
        && is_line
        && colon + 1 < text.len()
        && !parts.iter().any(|part| part.span.start == colon + 1)
    {
        parts.push(Part::plain(colon + 1..text.len(), "password"));
    }
}

/// Returns the text of a JSON string's inside.
fn unescape(raw: &[u8]) -> Option<Vec<u8>> {
    if !raw.contains(&b'\\') {
        return Some(raw.to_vec());
    }
    let quoted = Zeroizing::new([b"\"", raw, b"\""].concat());
    serde_json::from_slice::<String>(&quoted)
        .ok()
        .map(String::into_bytes)
}

/// Returns the inside of a JSON string that says `value`; `None` if it is not UTF-8.
fn escape(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    let mut quoted = serde_json::to_vec(text).ok()?;
    quoted.pop();
    Some(quoted.split_off(1))
}

fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let digits = text
            .get(at + 1..at + 3)
            .and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(decoded) if *byte == b'%' => {
                out.push(decoded);
                at += 3;
            }
            _ if *byte == b'%' => return None,
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    Some(out)
}

/// Encodes all but the characters that a URL takes anywhere (RFC 3986 section 2.3).
fn percent_encode(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

fn newlines(text: &[u8]) -> Vec<u8> {
    text.to_vec()
        .replace_all(b"\\r", b"")
        .replace_all(b"\\n", b"\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> Vec<(String, String)> {
        parts(text.as_bytes())
            .iter()
            .filter_map(|part| {
                let raw = text.as_bytes().get(part.span.clone())?;
                let decoded = part.codec.decode(raw)?;
                Some((
                    part.label.clone(),
                    String::from_utf8_lossy(&decoded).into_owned(),
                ))
            })
            .collect()
    }

    #[test]
    fn finds_the_parts_of_each_format() {
        for (text, label, value) in [
            (
                r#"{"db":{"password":"a\"b\u00e9","n":[1,"x y"]}}"#,
                "/db/password",
                "a\"bé",
            ),
            (r#"{"db":{"password":"a","n":[1,"x y"]}}"#, "/db/n/1", "x y"),
            (
                "A=1\nexport PASS='two words'\n",
                "",
                "A=1\nexport PASS='two words'",
            ),
            ("A=1\nexport PASS='two words'", "PASS", "two words"),
            ("password: hunter2hunter2", "password", "hunter2hunter2"),
            ("Server=db;User Id=me;Password=p@ss;", "Password", "p@ss"),
            (
                "postgres://me:p%40ss@db:5432/x?sslkey=k%2Fy",
                "password",
                "p@ss",
            ),
            (
                "postgres://me:p%40ss@db:5432/x?sslkey=k%2Fy",
                "sslkey",
                "k/y",
            ),
            ("bWU6bWFkZS11cC1wYXNz", "", "me:made-up-pass"),
            ("me:made-up-pass", "password", "made-up-pass"),
        ] {
            let told = told(text);
            assert!(
                told.contains(&(label.to_owned(), value.to_owned())),
                "{text}: {told:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn parts_lie_in_the_text_and_codecs_round_trip(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            for part in parts(&text) {
                prop_assert!(text.get(part.span.clone()).is_some());
            }
            for codec in [Codec::Plain, Codec::Percent, Codec::Base64 { url: true, padded: false }, Codec::Base64 { url: false, padded: true }] {
                let written = codec.encode(&text).unwrap();
                prop_assert_eq!(&*codec.decode(&written).unwrap(), &text);
            }
        }

        #[test]
        fn json_strings_round_trip(text in ".{0,60}") {
            let written = Codec::Json.encode(text.as_bytes()).unwrap();
            prop_assert_eq!(&*Codec::Json.decode(&written).unwrap(), text.as_bytes());
        }

        #[test]
        fn looks_like_text(text in "[{}\\[\\]\":,=;%@/a-c\\\\\n -]{0,80}") {
            for part in parts(text.as_bytes()) {
                prop_assert!(text.as_bytes().get(part.span.clone()).is_some());
                let _ = part.codec.decode(&text.as_bytes()[part.span]);
            }
        }
    }
}
