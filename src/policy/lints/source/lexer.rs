//! Names in a call or a statement, by text alone: enough to see what may be given to what before there is a syntax tree.
//!
//! Promises: texts in quotes are no names, but what is filled into them is; each look ends after [`MOST`] bytes and is taken for a hit
//! then; all looks together read a few times the text at most, and whoever asks for more is told of hits alone.

use super::{reads::flow, shape::Tongue};

/// Most bytes of one call or statement.
const MOST: usize = 2_000;

/// Most bytes of one text in quotes.
const LONGEST_TEXT: usize = 64 << 10;

/// One name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    /// The name.
    pub(super) name: &'t str,
    /// Where it starts.
    pub(super) start: usize,
    /// Whether it is a key in quotes: `config["name"]`.
    pub(super) is_key: bool,
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Whether one of the names was looked for.
    pub(super) is_met: bool,
    /// Where the look ended.
    pub(super) end: usize,
}

/// Where a look ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// With the brackets of a call, and of the calls on what it returns.
    Call,
    /// With the statement.
    Statement,
}

/// Reads names of one text.
pub(super) struct Lexer<'t> {
    /// The text.
    pub(super) text: &'t str,
    tongue: Tongue,
    /// Bytes that may still be read.
    budget: usize,
}

impl<'t> Lexer<'t> {
    /// Reads names of a text.
    pub(super) fn new(text: &'t str, tongue: Tongue) -> Self {
        Self {
            text,
            tongue,
            budget: text.len().saturating_mul(8).saturating_add(MOST),
        }
    }

    /// Looks at the names from `from`, inside the name of a call, to the end of its arguments and of the calls on what it returns.
    pub(super) fn call(&mut self, from: usize, is_met: impl FnMut(Token<'t>) -> bool) -> Found {
        self.look(from, Until::Call, is_met)
    }

    /// Looks at the names from `from` to the end of the statement.
    pub(super) fn statement(
        &mut self,
        from: usize,
        is_met: impl FnMut(Token<'t>) -> bool,
    ) -> Found {
        self.look(from, Until::Statement, is_met)
    }

    /// Returns where the targets of an assignment end on a line, and where its value starts; a loop is an assignment too.
    pub(super) fn assignment(line: &str) -> Option<(usize, usize)> {
        let bytes = line.as_bytes();
        for at in memchr::memchr_iter(b'=', bytes) {
            let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied();
            let after = bytes.get(at + 1).copied();
            let is_test = matches!(before, Some(b'=' | b'!' | b'<' | b'>'))
                || matches!(after, Some(b'=' | b'>'));
            if !is_test {
                return Some((at, at + 1));
            }
        }
        let lead = line.len() - line.trim_start().len();
        let is_loop =
            line.get(lead..)?.starts_with("for ") || line.get(lead..)?.starts_with("for(");
        let word = |word: &str| line.find(word).map(|at| (at, at + word.len()));
        is_loop.then(|| word(" in ").or_else(|| word(" of ")))?
    }

    /// Returns the names of a text without quotes.
    pub(super) fn identifiers(text: &'t str) -> impl Iterator<Item = &'t str> {
        text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
            .filter(|name| !name.is_empty())
            .filter(|name| {
                !matches!(
                    *name,
                    "const"
                        | "let"
                        | "var"
                        | "export"
                        | "string"
                        | "str"
                        | "any"
                        | "err"
                        | "this"
                        | "self"
                        | "_"
                )
            })
    }

    fn look(
        &mut self,
        from: usize,
        until: Until,
        mut is_met: impl FnMut(Token<'t>) -> bool,
    ) -> Found {
        let bytes = self.text.as_bytes();
        let most = (from + MOST).min(bytes.len());
        let is_cut = most < bytes.len();
        // For each open bracket: whether what stands in it may be what the whole is made of.
        let mut open: Vec<bool> = Vec::new();
        // The last byte that is no blank, and the last name.
        let mut last = b' ';
        let mut name = "";
        let mut at = from;
        let mut hit = false;
        while at < most && !hit {
            let byte = bytes.get(at).copied().unwrap_or_default();
            match byte {
                b'"' | b'\'' | b'`' => {
                    let passes = open.last().is_none_or(|passes| *passes);
                    let is_read = last == b'[' || last == b'(' && is_read(name);
                    at = self.text_in_quotes(at, last, &mut |token: Token<'t>| {
                        hit |= (passes || is_read && token.is_key) && is_met(token);
                    });
                    last = b'"';
                    continue;
                }
                b'#' if self.tongue == Tongue::Python => {
                    at = line_end(bytes, at);
                    continue;
                }
                b'/' if self.tongue != Tongue::Python && bytes.get(at + 1) == Some(&b'/') => {
                    at = line_end(bytes, at);
                    continue;
                }
                b'(' | b'[' | b'{' => {
                    if byte == b'{' && open.is_empty() && until == Until::Call {
                        break;
                    }
                    let is_first = until == Until::Call && open.is_empty();
                    let is_call = byte == b'(' && last == b'a' && !is_first;
                    let outer = open.last().is_none_or(|passes| *passes);
                    open.push(outer && (!is_call || flow(self.tongue, &[name], "").arguments));
                }
                b')' | b']' | b'}' => {
                    if open.pop().is_none() {
                        break;
                    }
                    if open.is_empty() && until == Until::Call {
                        last = byte;
                        match goes_on(bytes, at + 1) {
                            Some(next) => at = next,
                            None => break,
                        }
                        continue;
                    }
                }
                b';' if open.is_empty() => break,
                b'\n' if open.is_empty() && !is_open(last) => {
                    match goes_on(bytes, at + 1) {
                        Some(next) => at = next,
                        None => break,
                    }
                    continue;
                }
                b'>' if until == Until::Statement && last == b'=' => break,
                _ if is_start(byte) => {
                    let length = bytes
                        .get(at..)
                        .unwrap_or_default()
                        .iter()
                        .take_while(|b| is_part(**b))
                        .count();
                    name = self.text.get(at..at + length).unwrap_or_default();
                    if until == Until::Statement && matches!(name, "func" | "function") {
                        break;
                    }
                    hit = open.last().is_none_or(|passes| *passes)
                        && is_met(Token {
                            name,
                            start: at,
                            is_key: false,
                        });
                    at += length;
                    last = b'a';
                    continue;
                }
                _ => {}
            }
            if !byte.is_ascii_whitespace() {
                last = byte;
            }
            at += 1;
        }
        let spent = self.budget.checked_sub(at.saturating_sub(from));
        self.budget = spent.unwrap_or(0);
        Found {
            is_met: hit || at >= most && is_cut || spent.is_none(),
            end: at,
        }
    }

    /// Reads a text in quotes that starts at `at`; returns where it ends.
    fn text_in_quotes(&self, at: usize, last: u8, met: &mut impl FnMut(Token<'t>)) -> usize {
        let bytes = self.text.as_bytes();
        let quote = bytes.get(at).copied().unwrap_or_default();
        let is_triple = self.tongue == Tongue::Python
            && bytes.get(at + 1) == Some(&quote)
            && bytes.get(at + 2) == Some(&quote);
        let width = if is_triple { 3 } else { 1 };
        let is_filled = match self.tongue {
            Tongue::Python => is_format(bytes, at),
            Tongue::Script => quote == b'`',
            Tongue::Go => false,
        };
        let is_raw = self.tongue == Tongue::Go && quote == b'`';
        let start = at + width;
        let most = bytes.len().min(start + LONGEST_TEXT);
        let mut here = start;
        while here < most {
            let byte = bytes.get(here).copied().unwrap_or_default();
            let rest = bytes.get(here..).unwrap_or_default();
            if byte == quote && (!is_triple || rest.starts_with(&[quote; 3])) {
                self.key(start..here, last, met);
                return here + width;
            }
            match byte {
                b'\\' if !is_raw => here += 2,
                b'\n' if !is_triple && quote != b'`' => return here,
                b'{' if is_filled && self.tongue == Tongue::Python && rest.starts_with(b"{{") => {
                    here += 2;
                }
                b'{' if is_filled && self.tongue == Tongue::Python => {
                    here = self.filled(here + 1, most, met);
                }
                b'$' if is_filled && rest.starts_with(b"${") => {
                    here = self.filled(here + 2, most, met);
                }
                _ => here += 1,
            }
        }
        here
    }

    /// Reads the names of what is filled into a text; returns where it ends.
    fn filled(&self, from: usize, most: usize, met: &mut impl FnMut(Token<'t>)) -> usize {
        let bytes = self.text.as_bytes();
        let mut depth = 0_usize;
        let mut at = from;
        while at < most {
            let byte = bytes.get(at).copied().unwrap_or_default();
            if is_start(byte) {
                let length = bytes
                    .get(at..)
                    .unwrap_or_default()
                    .iter()
                    .take_while(|b| is_part(**b))
                    .count();
                met(Token {
                    name: self.text.get(at..at + length).unwrap_or_default(),
                    start: at,
                    is_key: false,
                });
                at += length;
                continue;
            }
            at += 1;
            match byte {
                b'{' => depth += 1,
                b'}' if depth == 0 => return at,
                b'}' => depth -= 1,
                _ => {}
            }
        }
        at
    }

    /// Tells of a text in quotes that is the key of a read: it stands right behind a bracket.
    fn key(&self, range: std::ops::Range<usize>, last: u8, met: &mut impl FnMut(Token<'t>)) {
        const LONGEST: usize = 64;
        let text = self.text.get(range.clone()).unwrap_or_default();
        let is_key = |b: u8| is_part(b) || matches!(b, b'.' | b'-');
        if !matches!(last, b'(' | b'[') || text.len() > LONGEST || !text.bytes().all(is_key) {
            return;
        }
        // Each part may be the name that was seen.
        let mut start = range.start;
        for name in text.split(['.', '-']) {
            met(Token {
                name,
                start,
                is_key: true,
            });
            start += name.len() + 1;
        }
    }
}

/// Tells whether a call by this name may read something by a key.
fn is_read(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["get", "form", "post", "env", "pop"]
        .iter()
        .any(|word| lower.contains(word))
}

fn is_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn is_part(byte: u8) -> bool {
    is_start(byte) || byte.is_ascii_digit()
}

/// Returns where the line ends.
fn line_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(bytes.len(), |length| at + length)
}

/// Tells whether a statement can't end behind this byte.
fn is_open(last: u8) -> bool {
    matches!(
        last,
        b'+' | b'=' | b'|' | b'&' | b'?' | b':' | b',' | b'\\' | b'.' | b'%'
    )
}

/// Returns where what follows starts if it belongs to what stands before: a call on it, an operator.
fn goes_on(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let blanks = rest
        .iter()
        .take(MOST)
        .take_while(|b| b.is_ascii_whitespace())
        .count();
    let next = rest.get(blanks)?;
    matches!(next, b'.' | b'+' | b'?' | b'|' | b'&' | b'%').then_some(at + blanks)
}

/// Tells whether the quote at this place starts a text of Python that names are filled into.
fn is_format(bytes: &[u8], at: usize) -> bool {
    let front = bytes.get(at.saturating_sub(3)..at).unwrap_or_default();
    let letters = front.iter().rev().take_while(|b| b.is_ascii_alphabetic());
    let letters: Vec<u8> = letters.map(u8::to_ascii_lowercase).collect();
    letters.len() <= 2 && letters.contains(&b'f') && letters.iter().all(|b| b"fr".contains(b))
}
