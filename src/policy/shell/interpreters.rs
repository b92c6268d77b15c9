//! What one-liners and steps in other languages print: Python, JavaScript, Ruby, Perl, and `cmd.exe`.
//!
//! Not read as programs: a variable of the environment in a call that prints, on one line, is found by its text. Linear in the text.

use std::ops::Range;

use super::{MAX_BYTES, Origin, Sink, TOO_LONG, Use};
use crate::policy::gaps;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// Python.
    Python,
    /// JavaScript of Node.js.
    JavaScript,
    /// Ruby.
    Ruby,
    /// Perl.
    Perl,
    /// The commands of Windows.
    Cmd,
}

/// A print of a variable, or of all.
pub(super) struct Printed {
    /// What is read: `os.environ["X"]`.
    pub(super) span: Range<usize>,
    /// The variable; `None` for the whole environment.
    pub(super) name: Option<String>,
    /// The call that prints.
    pub(super) call: &'static str,
}

impl Language {
    /// Returns the language of a program by its name.
    pub(crate) fn of(program: &str) -> Option<Self> {
        let program = program.strip_suffix(".exe").unwrap_or(program);
        let bare = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        Some(match bare {
            "python" | "py" => Self::Python,
            "node" | "nodejs" => Self::JavaScript,
            "ruby" => Self::Ruby,
            "perl" => Self::Perl,
            "cmd" => Self::Cmd,
            _ => return None,
        })
    }

    /// Returns the option of the language's program that takes code, and whether the program prints what the code gives.
    pub(super) fn option(self, word: &str) -> Option<bool> {
        match (self, word) {
            (Self::Python, "-c")
            | (Self::JavaScript, "-e" | "--eval")
            | (Self::Ruby | Self::Perl, "-e") => Some(false),
            (Self::JavaScript, "-p" | "-pe" | "--print") => Some(true),
            _ => None,
        }
    }

    /// Calls that print.
    fn calls(self) -> &'static [&'static str] {
        match self {
            Self::Python => &[
                "print(",
                "pprint(",
                "sys.stdout.write(",
                "sys.stderr.write(",
                "logging.debug(",
                "logging.info(",
                "logging.warning(",
                "logging.error(",
            ],
            Self::JavaScript => &[
                "console.log(",
                "console.info(",
                "console.warn(",
                "console.error(",
                "console.debug(",
                "console.dir(",
                "process.stdout.write(",
                "process.stderr.write(",
            ],
            Self::Ruby => &["puts", "print", "pp", "warn"],
            Self::Perl => &["print", "say", "warn"],
            Self::Cmd => &["echo"],
        }
    }

    /// How the environment is written.
    fn environment(self) -> &'static [&'static str] {
        match self {
            Self::Python => &["os.environ", "os.getenv("],
            Self::JavaScript => &["process.env"],
            Self::Ruby => &["ENV"],
            Self::Perl => &["$ENV{", "%ENV"],
            Self::Cmd => &["%"],
        }
    }

    fn is_comment(self, line: &str) -> bool {
        match self {
            Self::JavaScript => line.starts_with("//"),
            Self::Cmd => {
                line.starts_with("::")
                    || line
                        .get(..4)
                        .is_some_and(|four| four.eq_ignore_ascii_case("rem "))
            }
            _ => line.starts_with('#'),
        }
    }
}

/// Longest line that is looked at.
const MAX_LINE: usize = 2000;

/// Returns what a script prints of its environment. `gives` is set where the program prints what the code gives.
pub(super) fn printed(language: Language, text: &str, gives: bool) -> Vec<Printed> {
    let mut found = Vec::new();
    let mut from = 0;
    for line in text.split('\n') {
        let start = from;
        from += line.len() + 1;
        if line.len() > MAX_LINE || language.is_comment(line.trim_start()) {
            continue;
        }
        if language == Language::Cmd {
            command(line, start, &mut found);
            continue;
        }
        for sign in language.environment() {
            for (at, _) in line.match_indices(sign) {
                let Some((length, name)) = read(language, line.get(at..).unwrap_or_default(), sign)
                else {
                    continue;
                };
                let before = line.get(..at).unwrap_or_default();
                let call = match open_call(language, before) {
                    Some(call) => call,
                    None if gives && !before.contains(['?', '=', '(']) => "node -p",
                    None => continue,
                };
                found.push(Printed {
                    span: start + at..start + at + length,
                    name,
                    call,
                });
            }
        }
    }
    found
}

/// Tells what a script in another language than a shell does with its environment; `is_secret` as of `analyse`.
pub(crate) fn analyse_program(
    language: Language,
    text: &str,
    is_secret: &dyn Fn(&str) -> bool,
) -> Vec<Use> {
    if text.len() > MAX_BYTES {
        gaps::tell(TOO_LONG);
        return Vec::new();
    }
    let found = printed(language, text, false).into_iter();
    let found = found.filter(|one| one.name.as_deref().is_none_or(is_secret));
    found
        .map(|one| Use {
            sink: match one.name {
                Some(_) => Sink::Print,
                None => Sink::Dump,
            },
            span: one.span.clone(),
            command_span: one.span,
            command: one.call.trim_end_matches('(').to_owned(),
            names: one.name.into_iter().collect(),
            origin: Origin::Variable,
            derived: None,
        })
        .collect()
}

/// Reads the variable, or the whole environment, at the beginning of a text: its length and the variable's name.
fn read(language: Language, text: &str, sign: &str) -> Option<(usize, Option<String>)> {
    let rest = text.get(sign.len()..)?;
    let skips: &[&str] = match (language, sign) {
        (Language::Python, "os.getenv(") | (Language::Perl, "$ENV{") => &["'", "\"", ""],
        (Language::Python, _) => &["['", "[\"", ".get('", ".get(\""],
        (Language::JavaScript, _) => &["['", "[\"", "."],
        (Language::Ruby, _) => &["['", "[\"", ".fetch('", ".fetch(\""],
        _ => &[],
    };
    let skip = skips.iter().find(|skip| rest.starts_with(**skip));
    let Some(skip) = skip else {
        // The whole of it: nothing of it is picked.
        let ends = rest.is_empty() || rest.starts_with([')', ' ', ',', ';', '\'', '"']);
        let is_all = ends && sign != "os.getenv(" && sign != "$ENV{";
        let is_tested = [" in ", " ? ", " if ", " &&", " is "]
            .iter()
            .any(|test| rest.starts_with(test));
        return (is_all && !is_tested).then_some((sign.len(), None));
    };
    let name = rest.get(skip.len()..)?;
    let end = name
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(name.len());
    let after = name.get(end..)?;
    let closed = after.trim_start_matches(['\'', '"', ']', '}', ')']);
    let closing = after.len() - closed.len();
    // One parenthesis may close the call that prints.
    let closing = after.get(..closing)?.find(')').map_or(closing, |at| {
        at + usize::from(skip.contains('(') || sign.ends_with('('))
    });
    let after = after.get(closing..)?.trim_start();
    // Whether it is there, its length, a part of it: not it.
    let is_test = [
        "is ", "==", "!=", "===", "?", "&&", ".length", "[:", "[0", "in ", "and ", ".slice(",
        ".nil",
    ];
    let is_test = is_test.iter().any(|test| after.starts_with(test)) && !after.starts_with("??");
    (end > 0 && !is_test).then(|| {
        (
            sign.len() + skip.len() + end + closing,
            name.get(..end).map(str::to_owned),
        )
    })
}

/// Returns the call that prints and is open at the end of a text.
fn open_call(language: Language, before: &str) -> Option<&'static str> {
    let found = language.calls().iter().filter_map(|call| {
        let at = before.rfind(call)?;
        let front = before.get(..at)?;
        let is_whole =
            !front.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        is_whole.then_some((at, *call))
    });
    let (at, call) = found.max_by_key(|(at, _)| *at)?;
    let inside = before.get(at + call.len()..)?;
    // `len(`, `bool(`, `hash(` give another thing.
    const OTHERS: [&str; 8] = [
        "len(", "bool(", "Boolean(", "hash", "sha256(", "type(", "!!", "length",
    ];
    if inside.ends_with(" in ")
        || inside.contains([';', '?'])
        || OTHERS.iter().any(|other| inside.contains(other))
    {
        return None;
    }
    if !call.ends_with('(') {
        let is_word = inside.starts_with(['(', ' ', '"', '\'']);
        return is_word.then_some(call);
    }
    let mut depth = 1_usize;
    for b in inside.bytes() {
        match b {
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1).filter(|depth| *depth > 0)?,
            _ => {}
        }
    }
    Some(call)
}

/// One line of `cmd.exe`: `echo %X%`, and `set` alone, which lists all.
fn command(line: &str, start: usize, found: &mut Vec<Printed>) {
    let mut from = 0;
    for part in line.split('&') {
        let base = from;
        from += part.len() + 1;
        let trimmed = part.trim_start().trim_start_matches('@').trim_start();
        let (word, rest) = trimmed
            .trim_end()
            .split_once([' ', '\t'])
            .unwrap_or((trimmed.trim_end(), ""));
        // What goes to a file or to a program is not in the log.
        if rest.contains(['>', '|']) {
            continue;
        }
        if word.eq_ignore_ascii_case("set") && rest.trim().is_empty() {
            let lead = trimmed.as_ptr() as usize - part.as_ptr() as usize;
            found.push(Printed {
                span: start + base + lead..start + base + lead + word.len(),
                name: None,
                call: "set",
            });
        }
        if word.eq_ignore_ascii_case("echo") || word.eq_ignore_ascii_case("echo.") {
            let mut signs = part.match_indices(['%', '!']).map(|(sign, _)| sign);
            while let (Some(open), Some(close)) = (signs.next(), signs.next()) {
                let name = part.get(open + 1..close).unwrap_or_default();
                let is_name = !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                if is_name {
                    found.push(Printed {
                        span: start + base + open..start + base + close + 1,
                        name: Some(name.to_owned()),
                        call: "echo",
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(language: Language, text: &str) -> Vec<String> {
        let is_secret = |name: &str| name == "T" || name == "API_TOKEN";
        let uses = analyse_program(language, text, &is_secret).into_iter();
        uses.map(|one| format!("{} {}", one.command, &text[one.span]))
            .collect()
    }

    const PROGRAMS: &[(Language, &str, &[&str])] = &[
        (
            Language::Python,
            "import os\nprint(os.environ['T'])\n",
            &["print os.environ['T']"],
        ),
        (
            Language::Python,
            "print('x', os.environ.get(\"T\"))",
            &["print os.environ.get(\"T\")"],
        ),
        (
            Language::Python,
            "print(f\"is {os.getenv('T')}\")",
            &["print os.getenv('T')"],
        ),
        (
            Language::Python,
            "print(dict(os.environ))",
            &["print os.environ"],
        ),
        (
            Language::Python,
            "sys.stdout.write(os.environ['T'])",
            &["sys.stdout.write os.environ['T']"],
        ),
        (Language::Python, "print(len(os.environ['T']))", &[]),
        (Language::Python, "print('T' in os.environ)", &[]),
        (
            Language::Python,
            "print(os.environ['HOME'])\nx = os.environ['T']\n# print(os.environ['T'])\n",
            &[],
        ),
        (Language::Python, "print('x'); call(os.environ['T'])", &[]),
        (
            Language::Python,
            "print(os.environ['T'] is not None, os.environ.get('T') == 'x')",
            &[],
        ),
        (
            Language::JavaScript,
            "console.log(process.env.T)",
            &["console.log process.env.T"],
        ),
        (
            Language::JavaScript,
            "console.log(process.env['T'], process.env)",
            &["console.log process.env['T']", "console.log process.env"],
        ),
        (
            Language::JavaScript,
            "console.log(!!process.env.T, process.env.T ? 1 : 2)",
            &[],
        ),
        (Language::Ruby, "puts ENV['T']", &["puts ENV['T']"]),
        (Language::Perl, "print $ENV{T};", &["print $ENV{T}"]),
        (
            Language::Cmd,
            "@echo off\r\necho it is %API_TOKEN%\r\n",
            &["echo %API_TOKEN%"],
        ),
        (Language::Cmd, "set\r\nset X=1\n", &["set set"]),
        (Language::Cmd, "echo x & echo %T%", &["echo %T%"]),
        (
            Language::Cmd,
            "echo %T%> token.txt\nREM echo %T%\nif \"%T%\"==\"\" exit 1\n",
            &[],
        ),
    ];

    #[test]
    fn what_programs_print() {
        for (language, text, want) in PROGRAMS {
            assert_eq!(told(*language, text), *want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_spans_lie_within(words in prop::collection::vec(prop::sample::select(vec![
            "print(", "os.environ", "['", "']", "T", ")", "(", "\"", "os.getenv('", ".get(", "process.env", ".", "console.log(", "$ENV{", "}", "ENV", "puts ", "é",
            "echo ", "%", "&", "set", "\n", "\r\n", " ", "?", ">", "#",
        ]), 0..24)) {
            let text = words.concat();
            for language in [Language::Python, Language::JavaScript, Language::Ruby, Language::Perl, Language::Cmd] {
                for gives in [false, true] {
                    for one in printed(language, &text, gives) {
                        prop_assert!(text.get(one.span).is_some());
                    }
                }
            }
        }
    }
}
