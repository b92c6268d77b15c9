//! The parts that a text's own format sets off: leaves of JSON, lines of dotenv files, passwords of URLs, what base64 hides.
//!
//! Knows nothing of stores and findings. Spans are byte spans of the text, so that a part can be replaced in place.

use std::ops::Range;

use super::{
    codec::{Codec, unescape},
    keys,
};

/// Most parts of one text; a larger text is one of many values, and each key of a store is small.
const MAX_PARTS: usize = 4096;

/// One part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where.
    pub(super) span: Range<usize>,
    /// How it is written there.
    pub(super) codec: Codec,
    /// What its format calls it: a JSON pointer, a variable's name; empty if it has no name.
    pub(super) label: String,
    /// Whether it is only taken for what its label says: `user:password` may as well be `host:port`.
    pub(super) is_guess: bool,
}

impl Part {
    fn plain(span: Range<usize>, label: impl Into<String>) -> Self {
        Self {
            span,
            codec: Codec::Plain,
            label: label.into(),
            is_guess: false,
        }
    }
}

/// Returns the parts of a text, outermost first; the whole text is one only if it is written in another way ([`Codec::of_whole`]).
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
            is_guess: false,
        });
    }
    if memchr::memmem::find(text, b"-----BEGIN").is_none() {
        lines(text, &mut parts);
    }
    let blocks = keys::blocks(text).map(|block| block.span);
    let blocks = blocks.filter(|span| span.len() < text.len());
    parts.extend(blocks.map(|span| Part::plain(span, "")));
    urls(text, &mut parts);
    without_scheme(text, &mut parts);
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
                        is_guess: false,
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
            // A user without a password is the credential itself: tokens of GitHub, keys of Stripe.
            let password = colon.and_then(|colon| user.get(colon + 1..));
            let is_alone = matches!(password, None | Some(b"" | b"x-oauth-basic"));
            let name = if is_alone { "token" } else { "user" };
            parts.push(percent(start..start + name_end, name, text));
            if let Some(colon) = colon {
                parts.push(percent(start + colon + 1..start + sign, "password", text));
            }
        }
        let fragment = url.iter().position(|b| *b == b'#').unwrap_or(url.len());
        let question = url
            .iter()
            .position(|b| *b == b'?')
            .filter(|at| *at < fragment);
        steps(
            text,
            start + authority.len()..start + question.unwrap_or(fragment),
            parts,
        );
        if let Some(question) = question {
            query(text, start + question + 1..start + fragment, parts);
        }
        if fragment < url.len() {
            query(text, start + fragment + 1..start + url.len(), parts);
        }
        if parts.len() >= MAX_PARTS {
            return;
        }
    }
}

/// Adds the steps of a URL's path that are long enough to be a secret, as web hooks have them; whether they look like one is decided where
/// names are.
fn steps(text: &[u8], span: Range<usize>, parts: &mut Vec<Part>) {
    let mut start = span.start;
    for step in text.get(span).unwrap_or_default().split(|b| *b == b'/') {
        if step.len() >= super::needles::SHORTEST_INSIDE {
            parts.push(percent(start..start + step.len(), "path", text));
        }
        start += step.len() + 1;
    }
}

/// Adds what stands without a scheme in one word: the values of a query or form, and the password before the last `@`, as connection strings
/// of Go and Oracle have it.
fn without_scheme(text: &[u8], parts: &mut Vec<Part>) {
    let is_word = !text.iter().any(u8::is_ascii_whitespace);
    if !is_word || memchr::memmem::find(text, b"://").is_some() {
        return;
    }
    if text.contains(&b'&') {
        let question = text.iter().position(|b| *b == b'?');
        query(text, question.map_or(0, |at| at + 1)..text.len(), parts);
    }
    if let Some(sign) = text.iter().rposition(|b| *b == b'@') {
        let before = text.get(..sign).unwrap_or_default();
        if let Some(colon) = before.iter().rposition(|b| matches!(b, b':' | b'/')) {
            parts.push(percent(colon + 1..sign, "password", text));
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
        is_guess: false,
    }
}

/// Adds the text itself in each way that it may be written, and what stands behind the colon of `user:password`.
fn encoded(text: &[u8], parts: &mut Vec<Part>) {
    parts.extend(Codec::of_whole(text).into_iter().map(|codec| Part {
        span: 0..text.len(),
        codec,
        label: String::new(),
        is_guess: false,
    }));
    // HTTP's and Docker's `user:password`.
    let is_line = !text.contains(&b'\n') && memchr::memmem::find(text, b"://").is_none();
    if let Some(colon) = text.iter().position(|b| *b == b':')
        && is_line
        && colon + 1 < text.len()
        && !parts.iter().any(|part| part.span.start == colon + 1)
    {
        parts.push(Part {
            is_guess: true,
            ..Part::plain(colon + 1..text.len(), "password")
        });
    }
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
            ("https://made-up-token@h/x", "token", "made-up-token"),
            (
                "https://made-up-token:x-oauth-basic@h/x",
                "token",
                "made-up-token",
            ),
            ("https://me:made-up-pass@h/x", "user", "me"),
            (r"\u006dade-up-pass", "", "made-up-pass"),
            ("&#109;ade-up-pass", "", "made-up-pass"),
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
