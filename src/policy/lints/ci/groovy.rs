//! Tokens of Groovy as Jenkinsfiles use it: names, strings of all six kinds with what is interpolated, signs, ends of lines.
//!
//! No grammar: a Jenkinsfile is read for calls of steps and blocks, and those are told by tokens. Promises: linear in the text, no panic,
//! spans lie within the text; what is no token is passed over.

use std::ops::Range;

use crate::policy::node::{Scalar, Style};

/// Longest interpolation that is read, in bytes; a longer one ends there.
const MAX_INTERPOLATION: usize = 2_000;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or keyword; a number.
    Name,
    /// A string.
    Text(Quote),
    /// One sign.
    Sign(u8),
    /// The end of a line.
    Break,
}

/// How a string is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    /// `'…'`
    Single,
    /// `'''…'''`
    TripleSingle,
    /// `"…"`
    Double,
    /// `"""…"""`
    TripleDouble,
    /// `/…/`
    Slashy,
    /// `$/…/$`
    DollarSlashy,
}

impl Quote {
    /// Returns the signs before and after.
    pub(super) const fn signs(self) -> (&'static str, &'static str) {
        match self {
            Self::Single => ("'", "'"),
            Self::TripleSingle => ("'''", "'''"),
            Self::Double => ("\"", "\""),
            Self::TripleDouble => ("\"\"\"", "\"\"\""),
            Self::Slashy => ("/", "/"),
            Self::DollarSlashy => ("$/", "/$"),
        }
    }

    /// Tells whether Groovy fills in `${…}`.
    pub(super) const fn interpolates(self) -> bool {
        !matches!(self, Self::Single | Self::TripleSingle)
    }

    /// Tells whether a string ends with its line.
    const fn is_of_one_line(self) -> bool {
        matches!(self, Self::Single | Self::Double)
    }
}

/// A token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// Its bytes, quotes included.
    pub(super) span: Range<usize>,
    /// Of a string, the bytes between the quotes.
    pub(super) inner: Range<usize>,
    /// Of a string, what Groovy fills in: the whole bytes (`${x}`, `$x`), and those of the expression (`x`).
    pub(super) filled: Vec<(Range<usize>, Range<usize>)>,
}

/// Reads a text into tokens; comments and blanks are left out.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
        divides_until: 0,
        budget: text
            .len()
            .saturating_mul(4)
            .saturating_add(MAX_INTERPOLATION),
        tokens: Vec::new(),
    };
    // `#!/usr/bin/env groovy`
    if text.starts_with("#!") {
        reader.at = reader.line_end(0);
    }
    while reader.at < reader.bytes.len() {
        reader.next();
    }
    reader.tokens
}

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// Slashes before this divide.
    divides_until: usize,
    /// How many more bytes may be read in search of the end of an interpolation.
    budget: usize,
    tokens: Vec<Token>,
}

impl Reader<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn starts(&self, at: usize, with: &str) -> bool {
        self.bytes
            .get(at..)
            .is_some_and(|rest| rest.starts_with(with.as_bytes()))
    }

    fn line_end(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        memchr::memchr(b'\n', rest).map_or(self.bytes.len(), |length| from + length)
    }

    fn push(&mut self, kind: Kind, end: usize) {
        let span = self.at..end;
        self.tokens.push(Token {
            kind,
            inner: span.clone(),
            span,
            filled: Vec::new(),
        });
        self.at = end;
    }

    fn next(&mut self) {
        let at = self.at;
        match self.byte(at) {
            b'\n' => self.push(Kind::Break, at + 1),
            b' ' | b'\t' | b'\r' => self.at += 1,
            // A line goes on in the next.
            b'\\' if self.starts(at + 1, "\n") => self.at += 2,
            b'/' if self.starts(at, "//") && !self.may_be_text()
                || self.starts(at, "//") && self.is_first_of_line() =>
            {
                self.at = self.line_end(at);
            }
            b'/' if self.starts(at, "/*") => {
                let rest = self.bytes.get(at + 2..).unwrap_or_default();
                let end = memchr::memmem::find(rest, b"*/")
                    .map_or(self.bytes.len(), |length| at + 2 + length + 2);
                self.at = end;
            }
            b'\'' if self.starts(at, "'''") => self.string(Quote::TripleSingle),
            b'\'' => self.string(Quote::Single),
            b'"' if self.starts(at, "\"\"\"") => self.string(Quote::TripleDouble),
            b'"' => self.string(Quote::Double),
            b'$' if self.starts(at, "$/") => self.string(Quote::DollarSlashy),
            b'/' if self.starts(at, "//") => self.at = self.line_end(at),
            b'/' if self.may_be_text() => self.string(Quote::Slashy),
            byte if byte.is_ascii_alphanumeric()
                || byte == b'_'
                || byte == b'$'
                || byte >= 0x80 =>
            {
                let rest = self.bytes.get(at + 1..).unwrap_or_default();
                let is_part =
                    |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'$' || *b >= 0x80;
                let length = rest.iter().take_while(|b| is_part(b)).count();
                self.push(Kind::Name, at + 1 + length);
            }
            byte => self.push(Kind::Sign(byte), at + 1),
        }
    }

    fn is_first_of_line(&self) -> bool {
        self.tokens
            .last()
            .is_none_or(|token| token.kind == Kind::Break)
    }

    /// Tells whether a slash begins a string: not after what may be divided, unless that is the name of a step.
    fn may_be_text(&self) -> bool {
        if self.at < self.divides_until {
            return false;
        }
        match self.tokens.last() {
            None => true,
            Some(token) => match token.kind {
                Kind::Break => true,
                Kind::Text(_) => false,
                Kind::Sign(sign) => !matches!(sign, b')' | b']' | b'}'),
                Kind::Name => {
                    let name = self.text.get(token.span.clone()).unwrap_or_default();
                    matches!(
                        name,
                        "sh" | "bat" | "echo" | "powershell" | "pwsh" | "return"
                    )
                }
            },
        }
    }

    fn string(&mut self, quote: Quote) {
        let (open, close) = quote.signs();
        let start = self.at;
        let inner = start + open.len();
        let mut at = inner;
        let mut filled = Vec::new();
        let end = loop {
            if at >= self.bytes.len() {
                break self.bytes.len();
            }
            let byte = self.byte(at);
            if quote.is_of_one_line() && byte == b'\n' {
                break at;
            }
            // A slash that no other follows in its line divides, and so do those after it.
            if quote == Quote::Slashy && byte == b'\n' {
                self.divides_until = at;
                self.push(Kind::Sign(b'/'), start + 1);
                return;
            }
            if self.starts(at, close) {
                break at;
            }
            match byte {
                b'\\' if quote != Quote::DollarSlashy => at += 2,
                b'$' if quote == Quote::DollarSlashy
                    && matches!(self.byte(at + 1), b'$' | b'/') =>
                {
                    at += 2
                }
                b'$' if quote.interpolates() => {
                    let (whole, expression) = self.interpolation(at);
                    at = whole.end.max(at + 1);
                    if !expression.is_empty() {
                        filled.push((whole, expression));
                    }
                }
                _ => at += 1,
            }
        };
        let end = end.min(self.bytes.len());
        let closed = if self.starts(end, close) {
            end + close.len()
        } else {
            end
        };
        let inner = inner.min(end)..end;
        self.tokens.push(Token {
            kind: Kind::Text(quote),
            span: start..closed,
            inner,
            filled,
        });
        self.at = closed.max(start + 1);
    }

    /// Returns the bytes of `${…}` or `$name.name` at a dollar sign, and of the expression; both are empty if it is just a dollar sign.
    fn interpolation(&mut self, at: usize) -> (Range<usize>, Range<usize>) {
        let nothing = (at..at, at..at);
        let limit = (at + MAX_INTERPOLATION.min(self.budget)).min(self.bytes.len());
        if self.byte(at + 1) != b'{' {
            let is_start = |b: u8| b.is_ascii_alphabetic() || b == b'_';
            if !is_start(self.byte(at + 1)) {
                return nothing;
            }
            let mut end = at + 1;
            while end < limit {
                let byte = self.byte(end);
                let is_part = byte.is_ascii_alphanumeric()
                    || byte == b'_'
                    || byte == b'.' && is_start(self.byte(end + 1));
                if !is_part {
                    break;
                }
                end += 1;
            }
            return (at..end, at + 1..end);
        }
        let mut depth = 0_usize;
        let mut quote = 0_u8;
        let mut end = at + 1;
        while end < limit {
            match self.byte(end) {
                b'\\' => end += 1,
                byte if quote != 0 => quote = if byte == quote { 0 } else { quote },
                byte @ (b'\'' | b'"') => quote = byte,
                b'{' => depth += 1,
                b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        return (at..end + 1, at + 2..end);
                    }
                }
                b'\n' if depth == 0 => break,
                _ => {}
            }
            end += 1;
        }
        self.budget = self.budget.saturating_sub(end - at);
        nothing
    }
}

/// Returns a string's text with the way back to its bytes.
pub(super) fn scalar(text: &str, token: &Token) -> Scalar {
    let raw = text.get(token.inner.clone()).unwrap_or_default();
    let start = token.inner.start;
    let mut out = String::with_capacity(raw.len());
    let mut map = vec![(0, start)];
    let has_escapes = !matches!(token.kind, Kind::Text(Quote::Slashy | Quote::DollarSlashy));
    let mut chars = raw.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\\' || !has_escapes {
            out.push(c);
            continue;
        }
        let Some((_, escaped)) = chars.next() else {
            out.push(c);
            break;
        };
        // A sign that a backslash stands before leads back to itself, another sign's letter to the backslash.
        map.push((
            out.len(),
            start + at + usize::from(!matches!(escaped, 'n' | 't' | 'r' | '\n')),
        ));
        match escaped {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            // The line goes on.
            '\n' => {}
            other => out.push(other),
        }
        let next = chars.peek().map_or(raw.len(), |(next, _)| *next);
        map.push((out.len(), start + next));
    }
    map.dedup_by(|next, one| {
        next.0 == one.0 && {
            one.1 = next.1;
            true
        }
    });
    Scalar {
        text: out,
        style: Style::Double,
        map,
        end: token.inner.end,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let tokens = tokens(text);
        tokens
            .iter()
            .filter(|token| token.kind != Kind::Break)
            .map(|token| text[token.span.clone()].to_owned())
            .collect()
    }

    #[test]
    fn strings_of_all_kinds() {
        assert_eq!(shown("sh 'a \\' b'"), ["sh", "'a \\' b'"]);
        assert_eq!(
            shown("sh \"\"\"a\n\"b\" ${x}\"\"\" // c"),
            ["sh", "\"\"\"a\n\"b\" ${x}\"\"\""]
        );
        assert_eq!(
            shown("x = ~/a b/ /* c */ + 1"),
            ["x", "=", "~", "/a b/", "+", "1"]
        );
        assert_eq!(shown("a = b / c / d"), ["a", "=", "b", "/", "c", "/", "d"]);
        assert_eq!(
            shown("echo $/a $$x /b/$ + 'c'"),
            ["echo", "$/a $$x /b/$", "+", "'c'"]
        );
        assert_eq!(shown("a // 'b\nc"), ["a", "c"]);
        assert_eq!(shown("x 'open\ny"), ["x", "'open", "y"]);
    }

    #[test]
    fn what_is_filled_in() {
        let text = "sh \"a ${P} $env.T.x \\${no} ${f('}')} $\"";
        let tokens = tokens(text);
        let filled: Vec<_> = tokens[1]
            .filled
            .iter()
            .map(|(_, expression)| &text[expression.clone()])
            .collect();
        assert_eq!(filled, ["P", "env.T.x", "f('}')"]);
    }

    #[test]
    fn texts_lead_back() {
        let text = "sh 'a \\'$P\\' \\\\ b'";
        let tokens = tokens(text);
        let scalar = scalar(text, &tokens[1]);
        assert_eq!(scalar.text, "a '$P' \\ b");
        let at = scalar.text.find("$P").unwrap();
        assert_eq!(&text[scalar.source(at..at + 2)], "$P");
        let at = scalar.text.find('b').unwrap();
        assert_eq!(&text[scalar.source(at..at + 1)], "b");
    }

    proptest! {
        #[test]
        fn spans_lie_within_any_text(parts in prop::collection::vec(prop::sample::select(vec![
            "'", "\"", "'''", "\"\"\"", "/", "$/", "/$", "$", "${", "}", "\\", "\n", "sh ", "x", "é", "//", "/*", "*/", "(", "{", " ", "\r\n",
        ]), 0..40)) {
            let text = parts.concat();
            let mut last = 0;
            for token in tokens(&text) {
                prop_assert!(token.span.start >= last && token.span.end > token.span.start);
                last = token.span.end;
                prop_assert!(text.get(token.span.clone()).is_some() && text.get(token.inner.clone()).is_some());
                for (whole, expression) in &token.filled {
                    prop_assert!(text.get(whole.clone()).is_some() && text.get(expression.clone()).is_some());
                }
                let scalar = scalar(&text, &token);
                for (at, c) in scalar.text.char_indices() {
                    prop_assert!(text.get(scalar.source(at..at + c.len_utf8())).is_some(), "{text:?}");
                }
            }
        }
    }
}
