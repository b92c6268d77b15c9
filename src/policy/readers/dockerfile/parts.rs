//! From the instructions that parse-dockerfile tells to our own.

use std::{collections::HashMap, ops::Range};

use parse_dockerfile as raw;

use super::super::super::node::{Scalar, Style};
use super::lines::{
    Chars, Heredoc, blank, bytes, escape, heredocs, is_blank, logical, may_open, scalar, trimmed,
    unescaped, unquoted, words,
};
use super::{Command, Copy, Dockerfile, Flag, Instruction, Pair, Role, Run, Stage, What, inner};

/// Reads a Dockerfile.
///
/// # Errors
/// A short reason, without content of the text.
pub fn read(text: &str) -> Result<Dockerfile, String> {
    // Where the byte order mark was, `read` left blanks; a directive must be first all the same.
    let base = if text.starts_with("   #") { 3 } else { 0 };
    let reader = Reader {
        text,
        base,
        escape: escape(text),
    };
    let (masked, docs) = reader.masked()?;
    let masked = masked.get(base..).unwrap_or_default();
    let mut file = Dockerfile::default();
    for instruction in raw::parse_iter(masked).map_err(|error| reason(&error))? {
        let instruction = instruction.map_err(|error| reason(&error))?;
        if let raw::Instruction::From(from) = &instruction {
            file.stages.push(reader.stage(from));
            continue;
        }
        let instruction = reader.instruction(instruction, &docs);
        match file.stages.last_mut() {
            Some(stage) => stage.instructions.push(instruction),
            None => file.globals.push(instruction),
        }
    }
    Ok(file)
}

fn reason(error: &raw::Error) -> String {
    match error.line() {
        0 => "no Dockerfile: it has no FROM".to_owned(),
        line => format!("no Dockerfile at line {line}"),
    }
}

/// Here-documents by the offset of their instruction's keyword.
type Docs = HashMap<usize, Vec<Heredoc>>;

struct Reader<'t> {
    text: &'t str,
    /// What is left out before the text that parse-dockerfile gets.
    base: usize,
    escape: char,
}

impl Reader<'_> {
    /// Returns the text with here-documents blanked out, and them.
    fn masked(&self) -> Result<(String, Docs), String> {
        let mut bytes = self.text.as_bytes().to_vec();
        let mut docs = Docs::new();
        let mut at = 0;
        while let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) {
            let first = rest.trim_start_matches(|c: char| is_blank(c) || c == '\n');
            at += rest.len() - first.len();
            if first.starts_with('#') {
                at += first.find('\n').map_or(first.len(), |end| end + 1);
                continue;
            }
            let (line, next) = logical(self.text, at, self.escape);
            let found = if may_open(&line) {
                heredocs(self.text, &line, next)?
            } else {
                Vec::new()
            };
            if may_open(&line) {
                let opens = line
                    .windows(2)
                    .filter(|two| matches!(two, [('<', _), ('<', _)]));
                for byte in opens.flat_map(|two| two.iter().map(|(_, at)| *at)) {
                    blank(&mut bytes, byte..byte + 1, b'_');
                }
            }
            let end = found.last().map_or(next, |doc| doc.end);
            blank(&mut bytes, next..end, b' ');
            docs.extend((!found.is_empty()).then_some((at, found)));
            at = end.max(at + 1);
        }
        let masked = String::from_utf8(bytes).map_err(|_| "no Dockerfile".to_owned())?;
        Ok((masked, docs))
    }

    fn stage(&self, from: &raw::FromInstruction<'_>) -> Stage {
        let end = from
            .as_
            .as_ref()
            .map_or(from.image.span.end, |(_, name)| name.span.end);
        Stage {
            image: from.image.value.clone().into_owned(),
            name: from
                .as_
                .as_ref()
                .map(|(_, name)| name.value.to_ascii_lowercase()),
            span: self.span(&(from.from.span.start..end)),
            instructions: Vec::new(),
        }
    }

    /// A span of parse-dockerfile as one of ours.
    fn span(&self, span: &Range<usize>) -> Range<usize> {
        let end = (span.end + self.base).min(self.text.len());
        (span.start + self.base).min(end)..end
    }

    fn instruction(&self, instruction: raw::Instruction<'_>, docs: &Docs) -> Instruction {
        let (outer, deferred, instruction) = match instruction {
            raw::Instruction::Onbuild(outer) => {
                (Some(outer.onbuild.span), true, *outer.instruction)
            }
            other => (None, false, other),
        };
        let (keyword, what) = self.what(instruction, |keyword| {
            let at = outer.as_ref().unwrap_or(keyword).start + self.base;
            docs.get(&at).cloned().unwrap_or_default()
        });
        let keyword = self.span(&keyword);
        let (line, _) = logical(self.text, keyword.start, self.escape);
        let end = line.iter().rfind(|(c, _)| !c.is_whitespace());
        let end = end.map_or(keyword.end, |(c, at)| at + c.len_utf8());
        let docs = match &what {
            What::Run(run) => &run.heredocs[..],
            What::Copy(copy) => &copy.heredocs[..],
            _ => &[],
        };
        let end = docs.last().map_or(end, |doc| doc.end);
        Instruction {
            span: keyword.start..end.max(keyword.end),
            keyword,
            deferred,
            what,
        }
    }

    fn what(
        &self,
        instruction: raw::Instruction<'_>,
        docs: impl Fn(&Range<usize>) -> Vec<Heredoc>,
    ) -> (Range<usize>, What) {
        use raw::Instruction as Raw;
        match instruction {
            Raw::Arg(one) => (
                one.arg.span,
                What::Arg(self.pairs(&one.arguments.span, true)),
            ),
            Raw::Env(one) => (
                one.env.span,
                What::Env(self.pairs(&one.arguments.span, false)),
            ),
            Raw::Label(one) => (
                one.label.span,
                What::Label(self.pairs(&one.arguments.span, false)),
            ),
            Raw::Run(one) => {
                let docs = docs(&one.run.span);
                let run = self.run(&one.options, &one.arguments, docs);
                (one.run.span, What::Run(run))
            }
            Raw::Copy(one) => {
                let docs = docs(&one.copy.span);
                let copy = self.copy(false, &one.options, &one.src, &one.dest, docs);
                (one.copy.span, What::Copy(copy))
            }
            Raw::Add(one) => {
                let docs = docs(&one.add.span);
                let copy = self.copy(true, &one.options, &one.src, &one.dest, docs);
                (one.add.span, What::Copy(copy))
            }
            Raw::Cmd(one) => (
                one.cmd.span,
                What::Start(Role::Cmd, self.command(&one.arguments)),
            ),
            Raw::Entrypoint(one) => (
                one.entrypoint.span,
                What::Start(Role::Entrypoint, self.command(&one.arguments)),
            ),
            Raw::Healthcheck(one) => {
                let what = match &one.arguments {
                    raw::HealthcheckArguments::Cmd { arguments, .. } => {
                        What::Start(Role::Healthcheck, self.command(arguments))
                    }
                    _ => What::Other,
                };
                (one.healthcheck.span, what)
            }
            Raw::Shell(one) => {
                let items = one.arguments.iter().map(|item| self.item(item)).collect();
                (one.shell.span, What::Shell(items))
            }
            other => (plain(&other), What::Other),
        }
    }

    fn pairs(&self, span: &Range<usize>, is_arg: bool) -> Vec<Pair> {
        let span = self.span(span);
        let (line, _) = logical(self.text, span.start, self.escape);
        let words = words(&line, self.escape);
        let is_old = words
            .first()
            .is_some_and(|word| !word.iter().any(|(c, _)| *c == '='));
        if is_old && !is_arg {
            return self.old_pair(&line, words.first().copied().unwrap_or_default());
        }
        words
            .into_iter()
            .filter_map(|word| self.pair(word))
            .collect()
    }

    fn pair(&self, word: &[(char, usize)]) -> Option<Pair> {
        let equals = word.iter().position(|(c, _)| *c == '=');
        let name = unquoted(word.get(..equals.unwrap_or(word.len()))?, self.escape);
        let value = equals.and_then(|at| {
            let after = word.get(at)?.1 + 1;
            let chars = word.get(at + 1..)?;
            let mut value = unquoted(chars, self.escape);
            if chars.is_empty() {
                value = scalar(&[], Style::Plain, after);
            }
            Some(value)
        });
        Some(Pair {
            name_span: name.source(0..name.text.len()),
            name: name.text,
            value,
            span: bytes(word)?,
        })
    }

    /// `ENV name the rest of the line`.
    fn old_pair(&self, line: &[(char, usize)], name: &[(char, usize)]) -> Vec<Pair> {
        let Some(span) = bytes(name) else {
            return Vec::new();
        };
        let rest = line
            .iter()
            .position(|(_, at)| *at >= span.end)
            .and_then(|at| line.get(at..));
        let rest = trimmed(rest.unwrap_or_default());
        let end = bytes(rest).map_or(span.end, |rest| rest.end);
        vec![Pair {
            name: name.iter().map(|(c, _)| *c).collect(),
            name_span: span.clone(),
            value: (!rest.is_empty()).then(|| unquoted(rest, self.escape)),
            span: span.start..end,
        }]
    }

    fn flags(&self, flags: &[raw::Flag<'_>]) -> Vec<Flag> {
        let flag = |flag: &raw::Flag<'_>| Flag {
            name: flag.name.value.clone().into_owned(),
            value: flag.value.as_ref().map_or_else(String::new, |value| {
                value.value.trim_matches('"').to_owned()
            }),
            span: self.span(&flag.span()),
        };
        flags.iter().map(flag).collect()
    }

    fn command(&self, command: &raw::Command<'_>) -> Command {
        match command {
            raw::Command::Exec(items) => {
                Command::Exec(items.value.iter().map(|item| self.item(item)).collect())
            }
            raw::Command::Shell(shell) => Command::Shell(self.line(&shell.span)),
            _ => Command::Exec(Vec::new()),
        }
    }

    /// A continued line as one text.
    fn line(&self, span: &Range<usize>) -> Scalar {
        let span = self.span(span);
        let (line, _) = logical(self.text, span.start, self.escape);
        scalar(trimmed(&line), Style::Literal, span.start)
    }

    /// A path, or an item of an array.
    fn item(&self, item: &raw::UnescapedString<'_>) -> Scalar {
        let span = self.span(&item.span);
        let (line, _) = logical(self.text, span.start, self.escape);
        let inside = line.partition_point(|(_, at)| *at < span.end);
        let chars = line.get(..inside).unwrap_or_default();
        let before = self.text.get(..span.start).unwrap_or_default();
        if before.ends_with('"') {
            scalar(&unescaped(chars), Style::Double, span.start)
        } else {
            scalar(chars, Style::Plain, span.start)
        }
    }

    fn run(
        &self,
        flags: &[raw::Flag<'_>],
        command: &raw::Command<'_>,
        heredocs: Vec<Heredoc>,
    ) -> Run {
        let command = self.command(command);
        let script = match &command {
            Command::Shell(shell) => Some(self.script(shell, &heredocs)),
            Command::Exec(items) => inner(items).cloned(),
        };
        Run {
            flags: self.flags(flags),
            command,
            heredocs,
            script,
        }
    }

    /// What the shell gets: the line with its here-documents, or the one that is all of the line.
    fn script(&self, shell: &Scalar, heredocs: &[Heredoc]) -> Scalar {
        let Some(first) = heredocs.first() else {
            return shell.clone();
        };
        let last = heredocs.last().map_or(first.end, |doc| doc.end);
        let line: Chars = shell.text.char_indices().map(|(at, c)| (c, at)).collect();
        let is_all = words(&line, '\\').len() == 1 && heredocs.len() == 1;
        let range = if is_all {
            first.body.clone()
        } else {
            first.body.start..last
        };
        let body = self.text.get(range.clone()).unwrap_or_default();
        let mut script = if is_all {
            Scalar {
                text: String::new(),
                style: Style::Literal,
                map: Vec::new(),
                end: range.end,
            }
        } else {
            Scalar {
                text: format!("{}\n", shell.text),
                ..shell.clone()
            }
        };
        script.map.push((script.text.len(), range.start));
        script.text.push_str(body);
        script.end = range.end;
        script
    }

    fn copy(
        &self,
        is_add: bool,
        flags: &[raw::Flag<'_>],
        sources: &[raw::Source<'_>],
        target: &raw::UnescapedString<'_>,
        heredocs: Vec<Heredoc>,
    ) -> Copy {
        let source = |source: &raw::Source<'_>| match source {
            raw::Source::Path(path) => {
                let item = self.item(path);
                let span = self.span(&path.span);
                let is_doc = self.text.get(span).is_some_and(|raw| raw.starts_with("<<"));
                (!is_doc).then_some(item)
            }
            _ => None,
        };
        Copy {
            is_add,
            flags: self.flags(flags),
            sources: sources.iter().filter_map(source).collect(),
            target: target.value.clone().into_owned(),
            heredocs,
        }
    }
}

/// Returns the keyword of an instruction that no lint reads further.
fn plain(instruction: &raw::Instruction<'_>) -> Range<usize> {
    use raw::Instruction as Raw;
    match instruction {
        Raw::Expose(one) => one.expose.span.clone(),
        Raw::Maintainer(one) => one.maintainer.span.clone(),
        Raw::Stopsignal(one) => one.stopsignal.span.clone(),
        Raw::User(one) => one.user.span.clone(),
        Raw::Volume(one) => one.volume.span.clone(),
        Raw::Workdir(one) => one.workdir.span.clone(),
        _ => 0..0,
    }
}
