//! Command lines of containers as words: lists of arguments, and scripts that a shell gets by `-c`.
//!
//! Of the shell's language it knows quotes, comments and what parts commands: enough to see which words are arguments of one command.
//! Promise: linear in the script; spans lie within it.

use std::ops::Range;

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// Its text without quotes.
    pub(super) text: String,
    /// Its bytes, quotes included.
    pub(super) span: Range<usize>,
}

/// Splits a script into commands of words.
pub(super) fn commands(script: &str) -> Vec<Vec<Word>> {
    let mut reader = Reader {
        script,
        at: 0,
        commands: vec![Vec::new()],
        word: None,
    };
    while let Some(c) = reader.peek() {
        reader.step(c);
    }
    reader.end_word();
    reader.commands.retain(|command| !command.is_empty());
    reader.commands
}

struct Reader<'s> {
    script: &'s str,
    at: usize,
    commands: Vec<Vec<Word>>,
    word: Option<(usize, String)>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.script.get(self.at..)?.chars().next()
    }

    fn rest(&self) -> &str {
        self.script.get(self.at..).unwrap_or_default()
    }

    fn step(&mut self, c: char) {
        match c {
            '#' if self.word.is_none() => {
                let length = self.rest().find('\n').unwrap_or(self.rest().len());
                self.at += length;
            }
            '\'' | '"' => self.quoted(c),
            '\\' => {
                self.at += 1;
                match self.peek() {
                    // A line that goes on.
                    Some('\n') => self.at += 1,
                    Some(next) => self.push(next),
                    None => {}
                }
            }
            '$' if self.rest().starts_with("$(") && self.variable() => {}
            '\n' | ';' | '&' | '|' | '(' | ')' | '`' => {
                self.end_word();
                self.commands.push(Vec::new());
                self.at += 1;
            }
            ' ' | '\t' | '\r' => {
                self.end_word();
                self.at += 1;
            }
            _ => self.push(c),
        }
    }

    /// Takes a character into the word.
    fn push(&mut self, c: char) {
        let at = self.at;
        self.word
            .get_or_insert_with(|| (at, String::new()))
            .1
            .push(c);
        self.at += c.len_utf8();
    }

    /// Takes what stands in quotes into the word; quotes that nobody closes are characters like others.
    fn quoted(&mut self, quote: char) {
        let at = self.at;
        self.word.get_or_insert_with(|| (at, String::new()));
        self.at += 1;
        while let Some(c) = self.peek() {
            if c == quote {
                self.at += 1;
                return;
            }
            if c == '\\' && quote == '"' {
                self.at += 1;
                if let Some(next) = self.peek() {
                    self.push(next);
                }
                continue;
            }
            self.push(c);
        }
    }

    /// Takes `$(NAME)`, which Kubernetes fills in before the shell sees it.
    fn variable(&mut self) -> bool {
        let rest = self.rest();
        let name = rest.get(2..).unwrap_or_default();
        let length = name
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
            .count();
        if length == 0 || name.as_bytes().get(length) != Some(&b')') {
            return false;
        }
        for c in rest
            .get(..length + 3)
            .unwrap_or_default()
            .to_owned()
            .chars()
        {
            self.push(c);
        }
        true
    }

    fn end_word(&mut self) {
        if let Some((start, text)) = self.word.take() {
            let word = Word {
                text,
                span: start..self.at,
            };
            if let Some(command) = self.commands.last_mut() {
                command.push(word);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(script: &str) -> Vec<Vec<String>> {
        let texts = |command: Vec<Word>| command.into_iter().map(|word| word.text).collect();
        commands(script).into_iter().map(texts).collect()
    }

    #[test]
    fn words_of_commands() {
        assert_eq!(
            texts("a -p \"$X y\" # z\nb 'c;d' && e|f"),
            [
                vec!["a", "-p", "$X y"],
                vec!["b", "c;d"],
                vec!["e"],
                vec!["f"]
            ]
        );
        assert_eq!(
            texts("a --x=$(PW) $(cat f)"),
            [vec!["a", "--x=$(PW)", "$"], vec!["cat", "f"]]
        );
        assert_eq!(texts("a \\\n  -b \"q\\\"r\""), [vec!["a", "-b", "q\"r"]]);
        assert_eq!(texts("a \"open"), [vec!["a", "open"]]);
    }

    proptest! {
        #[test]
        fn never_panics_and_spans_lie_within(script in "[a$()'\"`\\\\;&| \n#é{}-]{0,60}") {
            for word in commands(&script).into_iter().flatten() {
                prop_assert!(script.get(word.span).is_some());
            }
        }
    }
}
