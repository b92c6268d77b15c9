//! Names in a call or a statement, by text alone: enough to see what may be given to what before there is a syntax tree.
//!
//! Promises: texts in quotes are no names, but what is filled into them is; each look ends after [`MOST`] bytes and is taken for a hit
//! then; all looks together read a few times the text at most, and whoever asks for more is told of hits alone.

use std::ops::Range;

use super::{reads::flow, shape::Tongue};

/// Most bytes of one call or statement.
pub(super) const MOST: usize = 2_000;

/// Most bytes of one text in quotes.
const LONGEST_TEXT: usize = 64 << 10;

/// Most bytes that one look goes ahead for types of calls.
const MOST_AHEAD: usize = 4 << 10;

/// Most texts in texts: what is filled into a text may hold one.
const MAX_DEPTH: usize = 8;

/// Who is asked whether a name was looked for.
type Met<'m, 't> = &'m mut dyn FnMut(Token<'t>) -> bool;

/// One name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    /// The name.
    pub(super) name: &'t str,
    /// Where it starts.
    pub(super) start: usize,
    /// Whether it is a key in quotes: `config["name"]`.
    pub(super) is_key: bool,
    /// Whether the value that goes by it may be handed on where it stands: that of `a.length`, `a === b` or `{ a: 1 }` is not.
    pub(super) is_handed_on: bool,
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
    /// With the bracket of what is filled into a text.
    Filled,
}

/// A look on its way.
struct Look<'t> {
    until: Until,
    at: usize,
    /// For each open bracket: whether what stands in it may be what the whole is made of.
    open: Vec<bool>,
    /// The last byte that is no blank, of names and texts in quotes one for all.
    last: u8,
    /// The last name.
    name: &'t str,
    /// Bytes that it may still go ahead for types.
    ahead: usize,
    hit: bool,
}

impl Look<'_> {
    fn new(at: usize, until: Until) -> Self {
        Self {
            until,
            at,
            open: Vec::new(),
            // A value may stand on the line below its sign.
            last: match until {
                Until::Statement => b'=',
                Until::Call | Until::Filled => b' ',
            },
            name: "",
            ahead: MOST_AHEAD,
            hit: false,
        }
    }

    /// What is filled into a text of the look.
    fn filled(&self, at: usize) -> Self {
        Self {
            open: vec![self.passes()],
            name: self.name,
            ..Self::new(at, Until::Filled)
        }
    }

    /// Tells whether what stands here may be what the whole is made of.
    fn passes(&self) -> bool {
        self.open.last().is_none_or(|passes| *passes)
    }

    /// Opens a bracket; returns where the look goes on.
    fn opens(&mut self, byte: u8, tongue: Tongue) -> Option<usize> {
        let is_outermost = self.until == Until::Call && self.open.is_empty();
        if byte == b'{' && is_outermost {
            return None;
        }
        let is_call = byte == b'(' && self.last == b'a' && !is_outermost;
        let passes = self.passes() && (!is_call || flow(tongue, &[self.name], "").arguments);
        self.open.push(passes);
        self.last = byte;
        Some(self.at + 1)
    }

    /// Closes a bracket; returns where the look goes on.
    fn closes(&mut self, byte: u8, bytes: &[u8]) -> Option<usize> {
        self.open.pop()?;
        self.last = byte;
        match self.until {
            Until::Call if self.open.is_empty() => goes_on(bytes, self.at + 1),
            Until::Filled if self.open.is_empty() => None,
            _ => Some(self.at + 1),
        }
    }
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

    /// Returns the assignments of a line: where the targets of each stand, and where its value starts; a loop is an assignment too.
    pub(super) fn assignments(line: &str) -> Vec<(Range<usize>, usize)> {
        const MOST_IN_LINE: usize = 64;
        let bytes = line.as_bytes();
        let mut found = Vec::new();
        let mut start = 0;
        for at in memchr::memchr_iter(b'=', bytes).take(8 * MOST_IN_LINE) {
            let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied();
            let after = bytes.get(at + 1).copied();
            let is_test = matches!(before, Some(b'=' | b'!' | b'<' | b'>'))
                || matches!(after, Some(b'=' | b'>'));
            if !is_test && found.len() < MOST_IN_LINE {
                found.push((start..at, at + 1));
                start = at + 1;
            }
        }
        let rest = line.trim_ascii_start();
        if found.is_empty() && (rest.starts_with("for ") || rest.starts_with("for(")) {
            let word = |word: &str| line.find(word).map(|at| (0..at, at + word.len()));
            found.extend(word(" in ").or_else(|| word(" of ")));
        }
        found
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
        if self.budget == 0 {
            return Found {
                is_met: true,
                end: from,
            };
        }
        let length = self.text.len();
        let most = (from + MOST).min(length);
        let mut look = Look::new(from, until);
        self.run(&mut look, most, 0, &mut is_met);
        let spent = self.budget.checked_sub(look.at.saturating_sub(from));
        self.budget = spent.unwrap_or(0);
        let is_cut = look.at >= most && most < length;
        Found {
            is_met: look.hit || is_cut || spent.is_none(),
            end: look.at,
        }
    }

    /// Goes on with a look until it ends, to `most` at the furthest.
    fn run(&self, look: &mut Look<'t>, most: usize, depth: usize, is_met: Met<'_, 't>) {
        let bytes = self.text.as_bytes();
        while look.at < most && !look.hit {
            let byte = bytes.get(look.at).copied().unwrap_or_default();
            let is_comment = match self.tongue {
                Tongue::Python => byte == b'#',
                // A regular expression may end with `\//`.
                Tongue::Script | Tongue::Go => {
                    byte == b'/'
                        && bytes.get(look.at + 1) == Some(&b'/')
                        && bytes.get(look.at.wrapping_sub(1)) != Some(&b'\\')
                }
            };
            let is_block = self.tongue != Tongue::Python
                && byte == b'/'
                && bytes.get(look.at + 1) == Some(&b'*');
            let expression = if self.tongue == Tongue::Script
                && byte == b'/'
                && !matches!(bytes.get(look.at + 1), Some(b'/' | b'*'))
                && may_begin_expression(look.last)
            {
                expression_end(bytes, look.at)
            } else {
                None
            };
            let next = match byte {
                b'"' | b'\'' | b'`' => Some(self.quotes(look, depth, is_met)),
                _ if expression.is_some() => {
                    look.last = b'"';
                    expression
                }
                _ if is_comment => Some(line_end(bytes, look.at)),
                _ if is_block => Some(block_end(bytes, look.at)),
                b'(' | b'[' | b'{' => look.opens(byte, self.tongue),
                b')' | b']' | b'}' => look.closes(byte, bytes),
                b';' if look.open.is_empty() => None,
                b'\n' if look.open.is_empty() && !is_open(look.last) => goes_on(bytes, look.at + 1),
                b'>' if look.until == Until::Statement && look.last == b'=' => None,
                b'<' if self.tongue == Tongue::Script => Some(self.types(look)),
                _ if is_start(byte) => self.name(look, is_met),
                _ => {
                    if !byte.is_ascii_whitespace() {
                        look.last = byte;
                    }
                    Some(look.at + 1)
                }
            };
            match next {
                Some(next) => look.at = next,
                None => break,
            }
        }
    }

    /// Steps over the types of a call, `post<A>(b)`, so that its brackets are those of a call; else over a sign.
    fn types(&self, look: &mut Look<'t>) -> usize {
        let bytes = self.text.as_bytes();
        if look.last == b'a' && look.ahead > 0 {
            let (end, read) = types_end(bytes, look.at);
            look.ahead = look.ahead.saturating_sub(read);
            if let Some(end) = end {
                return end;
            }
        }
        look.last = b'<';
        look.at + 1
    }

    /// Looks at a text in quotes; returns where it ends.
    fn quotes(&self, look: &mut Look<'t>, depth: usize, is_met: Met<'_, 't>) -> usize {
        let is_read = look.last == b'[' || look.last == b'(' && is_read(look.name);
        let (end, is_whole) = self.text_in_quotes(look, is_read, depth, is_met);
        // A quote without an end is none: it stands in a regular expression, or in text of JSX.
        look.hit |= !is_whole;
        look.last = b'"';
        end
    }

    /// Looks at a name; returns where it ends, unless a function begins with it.
    fn name(&self, look: &mut Look<'t>, is_met: Met<'_, 't>) -> Option<usize> {
        let rest = self.text.as_bytes().get(look.at..).unwrap_or_default();
        let length = rest.iter().take_while(|b| is_part(**b)).count();
        let end = look.at + length;
        look.name = self.text.get(look.at..end).unwrap_or_default();
        if look.until == Until::Statement && matches!(look.name, "func" | "function") {
            return None;
        }
        look.hit = look.passes()
            && is_met(Token {
                name: look.name,
                start: look.at,
                is_key: false,
                is_handed_on: self.is_handed_on(look, end),
            });
        look.last = b'a';
        Some(end)
    }

    /// Tells whether the value of the name that the look stands at, and that ends at `end`, may be handed on.
    fn is_handed_on(&self, look: &Look<'t>, end: usize) -> bool {
        let bytes = self.text.as_bytes();
        let is_sign = |at: usize, sign: u8| bytes.get(at) == Some(&sign);
        let is_python = self.tongue == Tongue::Python;
        // What is negated, or compared to something that stands before it.
        let before = bytes.get(..look.at).unwrap_or_default().trim_ascii_end();
        let is_compared = before.ends_with(b"==") || before.ends_with(b"!=");
        if look.last == b'!' && !is_python || look.last == b'=' && is_compared {
            return false;
        }
        // `a!.b` is `a.b` of TypeScript.
        let is_sure =
            self.tongue == Tongue::Script && is_sign(end, b'!') && !is_sign(end + 1, b'=');
        let end = end + usize::from(is_sure);
        let here = blanks(bytes, end, false);
        let next = blanks(bytes, end, true);
        let is_key = || {
            let is_in_map = look.open.len() > usize::from(look.until == Until::Filled);
            is_in_map
                && match look.last {
                    b'{' => true,
                    b',' => !is_python || is_sign(here, b'='),
                    b'(' => self.tongue == Tongue::Script || is_python && is_sign(here, b'='),
                    _ => false,
                }
        };
        match bytes.get(here).copied() {
            Some(b'(' | b'[' | b'<' | b'>') => return false,
            Some(b'&') => return !is_sign(here + 1, b'&'),
            Some(b'=') if is_sign(here + 1, b'=') || is_sign(here + 1, b'>') => return false,
            Some(b'=') => return !is_key(),
            Some(b'!') => return !is_sign(here + 1, b'='),
            Some(b':') => return !(is_key() || is_sign(here + 1, b'=')),
            _ => {}
        }
        let dot = match bytes.get(next).copied() {
            Some(b'?') if self.tongue == Tongue::Script => match bytes.get(next + 1) {
                Some(b'.') => next + 1,
                Some(b'?') => return true,
                // The question of a choice.
                _ => return false,
            },
            Some(b'.') => next,
            _ => return true,
        };
        self.hands_on_object(dot + 1)
    }

    /// Tells whether what stands before a dot may be handed on by the method whose name follows.
    fn hands_on_object(&self, behind: usize) -> bool {
        let bytes = self.text.as_bytes();
        let start = blanks(bytes, behind, true);
        let rest = bytes.get(start..).unwrap_or_default();
        let length = rest.iter().take_while(|b| is_part(**b)).count();
        if length == 0 {
            // `...` of Go; the brackets of `a?.[0]`, whose value is not that of `a`.
            return bytes.get(behind) == Some(&b'.');
        }
        let name = self.text.get(start..start + length).unwrap_or_default();
        let end = start + length;
        let is_call = match bytes.get(end) {
            Some(b'(' | b'?' | b'!' | b'<') => true,
            _ => bytes.get(blanks(bytes, end, true)) == Some(&b'('),
        };
        is_call && flow(self.tongue, &[name], "").receiver
    }

    /// Reads a text in quotes at which the look stands; returns where it ends, and whether it does so with its quote.
    fn text_in_quotes(
        &self,
        look: &mut Look<'t>,
        is_read: bool,
        depth: usize,
        is_met: Met<'_, 't>,
    ) -> (usize, bool) {
        let at = look.at;
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
                let passes = look.passes() || is_read;
                look.hit |= passes && self.key(start..here, look.last, is_met);
                return (here + width, true);
            }
            match byte {
                b'\\' if !is_raw => here += 2,
                b'\n' if !is_triple && quote != b'`' => return (here, false),
                b'{' if is_filled && self.tongue == Tongue::Python && rest.starts_with(b"{{") => {
                    here += 2;
                }
                b'{' if is_filled && self.tongue == Tongue::Python => {
                    here = self.filled(look, here + 1, most, depth, is_met);
                }
                b'$' if is_filled && rest.starts_with(b"${") => {
                    here = self.filled(look, here + 2, most, depth, is_met);
                }
                _ => here += 1,
            }
        }
        (here, false)
    }

    /// Looks at what is filled into a text; returns where it ends.
    fn filled(
        &self,
        look: &mut Look<'t>,
        from: usize,
        most: usize,
        depth: usize,
        is_met: Met<'_, 't>,
    ) -> usize {
        if depth >= MAX_DEPTH {
            look.hit = true;
            return most;
        }
        let mut inner = look.filled(from);
        self.run(&mut inner, most, depth + 1, is_met);
        look.hit |= inner.hit;
        inner.at + 1
    }

    /// Tells whether a text in quotes is a key that is met: it stands right behind a bracket.
    fn key(&self, range: Range<usize>, last: u8, is_met: Met<'_, 't>) -> bool {
        const LONGEST: usize = 64;
        let text = self.text.get(range.clone()).unwrap_or_default();
        let is_key = |b: u8| is_part(b) || matches!(b, b'.' | b'-');
        if !matches!(last, b'(' | b'[') || text.len() > LONGEST || !text.bytes().all(is_key) {
            return false;
        }
        // Each part may be the name that was seen.
        let mut start = range.start;
        text.split(['.', '-']).any(|name| {
            let token = Token {
                name,
                start,
                is_key: true,
                is_handed_on: true,
            };
            start += name.len() + 1;
            is_met(token)
        })
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

/// Returns where blanks end, those of lines too if asked for.
fn blanks(bytes: &[u8], at: usize, with_lines: bool) -> usize {
    const LONGEST: usize = 200;
    let rest = bytes.get(at..).unwrap_or_default().iter().take(LONGEST);
    let is_blank = |b: &&u8| b.is_ascii_whitespace() && (with_lines || **b != b'\n');
    at + rest.take_while(is_blank).count()
}

/// Returns where the types of a call end that begin here, if it is one; and how many bytes it took to see that.
pub(super) fn types_end(bytes: &[u8], at: usize) -> (Option<usize>, usize) {
    const LONGEST: usize = 300;
    let rest = bytes.get(at..).unwrap_or_default();
    let mut depth = 0_usize;
    let mut last = b' ';
    for (length, byte) in rest.iter().take(LONGEST).enumerate() {
        match byte {
            b'<' => depth += 1,
            b'>' if last == b'=' => {}
            b'>' => depth -= 1,
            b'&' | b'|' if last == *byte => return (None, length),
            b'(' | b')' | b'[' | b']' | b'{' | b'}' | b';' | b':' | b',' | b'.' | b'?' | b'|'
            | b'&' | b'=' | b'"' | b'\'' => {}
            _ if is_part(*byte) || byte.is_ascii_whitespace() => {}
            _ => return (None, length),
        }
        last = *byte;
        if depth == 0 {
            let end = at + length + 1;
            return ((bytes.get(end) == Some(&b'(')).then_some(end), length);
        }
    }
    (None, LONGEST)
}

/// Returns where a regular expression of a script ends that may begin here: on the same line, with its last slash.
fn expression_end(bytes: &[u8], at: usize) -> Option<usize> {
    const LONGEST: usize = 500;
    let rest = bytes.get(at + 1..)?;
    let (mut is_class, mut is_escaped) = (false, false);
    for (length, byte) in rest.iter().take(LONGEST).enumerate() {
        match byte {
            b'\n' => return None,
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'[' => is_class = true,
            b']' => is_class = false,
            b'/' if !is_class => return Some(at + 1 + length + 1),
            _ => {}
        }
    }
    None
}

/// Tells whether a slash behind this byte begins a regular expression: where a value may begin.
fn may_begin_expression(last: u8) -> bool {
    matches!(
        last,
        b'(' | b',' | b'=' | b':' | b'[' | b'!' | b'&' | b'|' | b'?' | b'{' | b'+' | b' '
    )
}

/// Returns where the line ends.
fn line_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(bytes.len(), |length| at + length)
}

/// Returns where the comment ends that may go over several lines.
fn block_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at + 2..).unwrap_or_default();
    memchr::memmem::find(rest, b"*/").map_or(bytes.len(), |length| at + 2 + length + 2)
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
    matches!(next, b'.' | b'+' | b'?' | b':' | b'|' | b'&' | b'%').then_some(at + blanks)
}

/// Tells whether the quote at this place starts a text of Python that names are filled into.
fn is_format(bytes: &[u8], at: usize) -> bool {
    let front = bytes.get(at.saturating_sub(3)..at).unwrap_or_default();
    let letters = front.iter().rev().take_while(|b| b.is_ascii_alphabetic());
    let letters: Vec<u8> = letters.map(u8::to_ascii_lowercase).collect();
    letters.len() <= 2 && letters.contains(&b'f') && letters.iter().all(|b| b"fr".contains(b))
}
