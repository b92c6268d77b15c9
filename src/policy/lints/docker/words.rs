//! Words of command lines and the variables in them, with their bytes. Not a shell: quotes, operators, substitutions and comments are
//! told apart, nothing is run or filled in. Linear in the text.

use std::ops::Range;

use crate::policy::{
    node::{Scalar, Style},
    readers::dockerfile::gathered,
};

/// A variable that is filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expansion {
    /// Its name.
    pub(crate) name: String,
    /// From `$` to its end, in the text.
    pub(crate) range: Range<usize>,
    /// What `:-` or `-` gives if it is not set, in the text.
    pub(crate) fallback: Option<Range<usize>>,
}

/// Returns the variables that a shell fills into a text: `$A`, `${A}`, `${A:-b}`, `$$A`. Single quotes, backslashes and comments hide them.
pub(crate) fn expansions(text: &str) -> Vec<Expansion> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut quote, mut is_start) = (0, None, true);
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b'\\' if quote != Some(b'\'') => at += 1,
            b'\'' | b'"' if quote == Some(byte) => quote = None,
            b'\'' | b'"' if quote.is_none() => quote = Some(byte),
            b'#' if is_start && quote.is_none() => {
                at += text
                    .get(at..)
                    .and_then(|rest| rest.find('\n'))
                    .unwrap_or(text.len() - at);
            }
            b'$' if quote != Some(b'\'') => {
                if let Some(one) = expansion(text, at) {
                    at = one.range.end - 1;
                    found.push(one);
                }
            }
            _ => {}
        }
        is_start = byte.is_ascii_whitespace() || byte == b';';
        at += 1;
    }
    found
}

/// Returns the variables of a text that is no shell's: quotes mean nothing.
pub(crate) fn interpolations(text: &str) -> Vec<Expansion> {
    let mut found: Vec<Expansion> = Vec::new();
    for (at, _) in text.match_indices('$') {
        let is_inside = found.last().is_some_and(|last| at < last.range.end);
        found.extend((!is_inside).then(|| expansion(text, at)).flatten());
    }
    found
}

/// Reads the variable at a `$`.
fn expansion(text: &str, dollar: usize) -> Option<Expansion> {
    let bytes = text.as_bytes();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let braced = bytes.get(dollar + 1) == Some(&b'{');
    let start = dollar + 1 + usize::from(braced);
    let length = bytes
        .get(start..)?
        .iter()
        .take_while(|byte| is_name(byte))
        .count();
    let name = text
        .get(start..start + length)
        .filter(|name| !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut end = start + length;
    let mut fallback = None;
    if braced {
        let close = end + closing(bytes.get(end..)?)?;
        let operator = text.get(end..close)?;
        let value = operator
            .strip_prefix(":-")
            .or_else(|| operator.strip_prefix('-'));
        fallback = value.map(|value| close - value.len()..close);
        end = close + 1;
    }
    Some(Expansion {
        name: name.to_owned(),
        range: dollar..end,
        fallback,
    })
}

/// Returns where the brace closes that was open before; one that is far away is none.
fn closing(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().take(256) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            b'\n' => return None,
            _ => {}
        }
    }
    None
}

/// A simple command.
#[derive(Debug, Default)]
pub(crate) struct Simple {
    /// Its words with quotes undone, assignments before it left out.
    pub(crate) words: Vec<Scalar>,
    /// What it reads from or writes to: the words behind `<` and `>`; also here-strings.
    pub(crate) targets: Vec<Scalar>,
}

/// Splits a script into simple commands, each into its words with quotes undone. Assignments before a command, targets of redirections
/// and here-strings are left out.
pub(crate) fn commands(script: &Scalar) -> Vec<Vec<Scalar>> {
    let commands = simple(script).into_iter().map(|command| command.words);
    commands.filter(|words| !words.is_empty()).collect()
}

/// Splits a script into simple commands.
pub(crate) fn simple(script: &Scalar) -> Vec<Simple> {
    let mut splitter = Splitter::new(script);
    let mut chars = script.text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (splitter.quote, c) {
            (Some('\''), '\'') => splitter.quote = None,
            (Some('\''), _) => splitter.push(at, c),
            (_, '\\') => {
                if let Some((at, next)) = chars.next() {
                    let is_kept =
                        splitter.quote.is_some() && !matches!(next, '"' | '$' | '\\' | '`' | '\n');
                    if is_kept {
                        splitter.push(at - 1, '\\');
                    }
                    if next != '\n' {
                        splitter.push(at, next);
                    }
                }
            }
            (_, '$') => {
                splitter.push(at, c);
                if let Some((at, open @ ('(' | '{'))) = chars.peek().copied() {
                    chars.next();
                    splitter.push(at, open);
                    splitter.open(open);
                }
            }
            _ if splitter.inside(at, c) => {}
            (None, '#') if !splitter.is_word => {
                while chars.next_if(|(_, c)| *c != '\n').is_some() {}
            }
            (Some(_), '"') => splitter.quote = None,
            (Some(_), _) => splitter.push(at, c),
            (None, '\'' | '"') => splitter.quoted(c),
            (None, ';' | '\n' | '|' | '(' | ')') => splitter.end_command(),
            (None, '&') if splitter.redirected => {}
            (None, '&') => splitter.end_command(),
            (None, '<' | '>') => {
                splitter.end_word();
                splitter.redirected = true;
            }
            (None, c) if c.is_whitespace() => splitter.end_word(),
            (None, _) => splitter.push(at, c),
        }
    }
    splitter.end_command();
    splitter.commands
}

struct Splitter<'s> {
    script: &'s Scalar,
    commands: Vec<Simple>,
    word: Vec<(char, usize)>,
    /// Whether a word was begun, though nothing may be in it yet.
    is_word: bool,
    style: Style,
    quote: Option<char>,
    /// What closes the substitutions that are open.
    closers: Vec<char>,
    redirected: bool,
}

impl<'s> Splitter<'s> {
    fn new(script: &'s Scalar) -> Self {
        Self {
            script,
            commands: vec![Simple::default()],
            word: Vec::new(),
            is_word: false,
            style: Style::Plain,
            quote: None,
            closers: Vec::new(),
            redirected: false,
        }
    }

    fn push(&mut self, at: usize, c: char) {
        self.is_word = true;
        self.word
            .push((c, self.script.source(at..at + c.len_utf8()).start));
    }

    fn quoted(&mut self, c: char) {
        if !self.is_word {
            self.style = if c == '"' {
                Style::Double
            } else {
                Style::Single
            };
        }
        self.is_word = true;
        self.quote = Some(c);
    }

    /// Opens a substitution; so many of them are no script.
    fn open(&mut self, open: char) {
        if self.closers.len() < 64 {
            self.closers.push(if open == '(' { ')' } else { '}' });
        }
    }

    /// Keeps what stands in a substitution as it is.
    fn inside(&mut self, at: usize, c: char) -> bool {
        let Some(closer) = self.closers.last() else {
            return false;
        };
        if *closer == c {
            self.closers.pop();
        } else if c == '(' && *closer == ')' {
            self.open(c);
        }
        self.push(at, c);
        true
    }

    fn end_word(&mut self) {
        if !self.is_word {
            return;
        }
        let word = gathered(&self.word, self.style, self.script.end);
        if let Some(command) = self.commands.last_mut() {
            if self.redirected {
                command.targets.push(word);
            } else if !(command.words.is_empty() && is_assignment(&word.text)) {
                command.words.push(word);
            }
        }
        self.word.clear();
        self.is_word = false;
        self.redirected = false;
        self.style = Style::Plain;
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirected = false;
        self.commands.push(Simple::default());
    }
}

/// Tells whether a word is `NAME=value`.
pub(super) fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let script = Scalar {
            text: text.to_owned(),
            style: Style::Plain,
            map: vec![(0, 0)],
            end: text.len(),
        };
        let commands = commands(&script);
        for word in commands.iter().flatten() {
            assert!(text.get(word.source(0..word.text.len())).is_some());
        }
        commands
            .into_iter()
            .map(|words| words.into_iter().map(|word| word.text).collect())
            .collect()
    }

    #[test]
    fn scripts_split_into_commands() {
        for (text, want) in [
            ("a b", vec![vec!["a", "b"]]),
            ("A=1 a 'b c' \"d e\"", vec![vec!["a", "b c", "d e"]]),
            (
                "a && b; c | d || e\nf",
                vec![
                    vec!["a"],
                    vec!["b"],
                    vec!["c"],
                    vec!["d"],
                    vec!["e"],
                    vec!["f"],
                ],
            ),
            ("a > b 2>&1 c", vec![vec!["a", "2", "c"]]),
            ("a <<<\"$T\"", vec![vec!["a"]]),
            (
                "a -p\"$(cat b | c)\" d",
                vec![vec!["a", "-p$(cat b | c)", "d"]],
            ),
            ("a ${B:-c d} # e", vec![vec!["a", "${B:-c d}"]]),
            ("a \\\n b", vec![vec!["a", "b"]]),
            ("a \"\" b", vec![vec!["a", "", "b"]]),
            ("(a) & b", vec![vec!["a"], vec!["b"]]),
        ] {
            assert_eq!(words(text), want, "{text}");
        }
    }

    #[test]
    fn variables_of_scripts() {
        let names = |text: &str| {
            expansions(text)
                .into_iter()
                .map(|one| one.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names("$A ${B} '${C}' \"$D\" \\$E # $F\n$G $1 $$H"),
            ["A", "B", "D", "G", "H"]
        );
        let text = "x ${A:-b}";
        let one = &expansions(text)[0];
        assert_eq!(&text[one.range.clone()], "${A:-b}");
        assert_eq!(one.fallback.clone().map(|range| &text[range]), Some("b"));
        assert_eq!(interpolations("'$A' ${B-}${C:?no $D}").len(), 3);
    }
}
