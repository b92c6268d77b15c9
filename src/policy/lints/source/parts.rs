//! Which parts of a text become a syntax tree: everything at its outermost level but the functions, classes and types in which the gate
//! met nothing, and of a class without the methods in which it met nothing. A parser takes a hundred times as long for a byte as the gate.
//!
//! Promises: parts begin and end at lines; what is left out is whole definitions, by where lines begin that stand at the left edge,
//! or at the edge of the class; one pass over the text, and one more over its classes.

use std::{iter::Peekable, ops::Range};

use tree_sitter::Point;

use super::{gate::Passed, shape::Tongue};

/// Where the gate met something, from the start of the text on.
struct Hits<I: Iterator<Item = Range<usize>>> {
    next: Peekable<I>,
    reach: usize,
}

impl<I: Iterator<Item = Range<usize>>> Hits<I> {
    /// Tells whether something stands between two places; places are asked for in order.
    fn any(&mut self, start: usize, end: usize) -> bool {
        // A stretch that began before may reach into this one.
        let mut is_met = self.reach > start;
        while let Some(hit) = self.next.next_if(|hit| hit.start < end) {
            self.reach = self.reach.max(hit.end);
            is_met = true;
        }
        is_met
    }
}

fn hits(mut all: Vec<Range<usize>>) -> Hits<impl Iterator<Item = Range<usize>>> {
    all.sort_by_key(|range| range.start);
    Hits {
        next: all.into_iter().peekable(),
        reach: 0,
    }
}

/// Returns the parts, in order; the whole text if little can be left out.
pub(super) fn parts(text: &str, tongue: Tongue, passed: &Passed) -> Vec<tree_sitter::Range> {
    // Where a variable that counts for all is made, it becomes what it is.
    let made = passed.made.iter().map(|at| *at..*at + 1);
    let met: Vec<_> = passed.near.iter().cloned().chain(made).collect();
    let mut outer = hits(met.clone());
    let mut inner = hits(met);
    let mut named = passed.named.iter().copied().peekable();
    let mut kept = Kept::default();
    let mut close = |chunk: &Chunk, end: usize, row: usize| {
        let is_met = outer.any(chunk.start, end);
        let mut is_named = false;
        while named.next_if(|at| *at < end).is_some() {
            is_named = true;
        }
        // A definition that does not end as one was cut by what stands at the left edge in it: a comment, or how somebody laid it out.
        let is_closed = chunk.is_body && tongue == Tongue::Python && !ends_open(text, end)
            || (chunk.is_body || chunk.is_whole) && ends_with_bracket(text, end);
        let is_kept = is_met || !is_closed || chunk.is_type && is_named;
        if !is_kept || chunk.start >= end {
            return;
        }
        if chunk.is_class && chunk.is_body {
            let whole = text.get(chunk.start..end).unwrap_or_default();
            members(whole, chunk, tongue, &mut inner, &mut kept);
        } else {
            kept.add(chunk.start..end, chunk.row, row);
        }
    };
    let (mut at, mut row) = (0, 0);
    let mut chunk = Chunk::default();
    let mut edges = Edges::new(tongue);
    for line in lines(text) {
        if edges.begins(line) && !chunk.is_open {
            close(&chunk, at, row);
            chunk = Chunk {
                start: at,
                row,
                is_body: is_body(line, tongue),
                is_type: ["class ", "interface ", "type "]
                    .iter()
                    .any(|word| line.contains(word)),
                is_class: holds_members(line),
                is_whole: is_whole(line, tongue),
                is_open: false,
            };
        }
        // What is written above a definition of Python belongs to it.
        chunk.is_open = tongue == Tongue::Python && line.starts_with('@');
        at += line.len();
        row += 1;
    }
    close(&chunk, text.len(), row);
    kept.parts
}

/// Keeps of a class what stands at its outermost level but the methods in which the gate met nothing.
fn members(
    lines: &str,
    class: &Chunk,
    tongue: Tongue,
    hits: &mut Hits<impl Iterator<Item = Range<usize>>>,
    kept: &mut Kept,
) {
    let edge = self::lines(lines)
        .skip(1)
        .find(|line| !line.trim_ascii().is_empty() && indent(line) > 0)
        .map_or(0, indent);
    let starts = |line: &str, indent: usize, is_text: bool| {
        let rest = line.get(edge..).unwrap_or_default();
        edge > 0
            && !is_text
            && indent == edge
            && rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '@' | '#'))
    };
    let mut member = Member {
        start: class.start,
        row: class.row,
        ..Member::default()
    };
    let (mut at, mut row) = (class.start, class.row);
    let mut close = |member: &Member, end: usize, row: usize| {
        let is_met = hits.any(member.start, end);
        if is_met || !(member.is_method && member.is_closed) {
            kept.add(member.start..end, member.row, row);
        }
    };
    let mut edges = Edges::new(tongue);
    for line in self::lines(lines) {
        let rest = line.trim_ascii();
        let indent = indent(line);
        let is_text = edges.is_inside();
        edges.pass(line);
        if !is_text && indent < edge && !rest.is_empty() && row > class.row {
            // The end of the class: never left out with its last method.
            close(&member, at, row);
            member = Member {
                start: at,
                row,
                ..Member::default()
            };
        } else if starts(line, indent, is_text) && !member.is_open {
            close(&member, at, row);
            member = Member {
                start: at,
                row,
                is_method: is_method(rest, tongue),
                is_closed: tongue == Tongue::Python,
                is_open: false,
            };
        } else if !rest.is_empty() && !is_comment(rest) && tongue != Tongue::Python {
            // The end of a method stands at the edge of the class.
            member.is_closed = indent == edge && matches!(rest, "}" | "});" | "},");
        }
        member.is_open =
            starts(line, indent, is_text) && rest.starts_with('@') && !rest.ends_with('{');
        at += line.len();
        row += 1;
    }
    close(&member, at, row);
}

/// Returns the lines of a text with their ends.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
    let mut start = 0;
    ends.chain(std::iter::once(text.len()))
        .filter_map(move |end| {
            let line = text.get(start..end).filter(|line| !line.is_empty());
            start = end;
            line
        })
}

/// Returns how many blanks a line begins with.
pub(super) fn indent(line: &str) -> usize {
    line.bytes()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count()
}

/// Lines of a class from one that begins a member to the next.
#[derive(Default)]
struct Member {
    start: usize,
    row: usize,
    /// Whether it begins as methods do.
    is_method: bool,
    /// Whether it ends as methods do.
    is_closed: bool,
    /// Whether the next line belongs to it, whatever it is.
    is_open: bool,
}

/// Parts so far; neighbours are one.
#[derive(Default)]
struct Kept {
    parts: Vec<tree_sitter::Range>,
}

impl Kept {
    fn add(&mut self, bytes: Range<usize>, row: usize, end_row: usize) {
        if bytes.start >= bytes.end {
            return;
        }
        match self.parts.last_mut() {
            Some(last) if last.end_byte == bytes.start => {
                last.end_byte = bytes.end;
                last.end_point = Point::new(end_row, 0);
            }
            _ => self.parts.push(tree_sitter::Range {
                start_byte: bytes.start,
                end_byte: bytes.end,
                start_point: Point::new(row, 0),
                end_point: Point::new(end_row, 0),
            }),
        }
    }
}

/// Lines from one that stands at the left edge to the next.
#[derive(Default)]
struct Chunk {
    start: usize,
    row: usize,
    /// Whether it is a definition that can be left out.
    is_body: bool,
    /// Whether it says what types names have.
    is_type: bool,
    /// Whether it is made of methods or tests.
    is_class: bool,
    /// Whether it opens the brackets of one value or call.
    is_whole: bool,
    /// Whether the next line at the left edge belongs to it.
    is_open: bool,
}

/// Where definitions begin, line by line: what stands in a text over several lines begins none.
pub(super) struct Edges {
    tongue: Tongue,
    /// The quotes of the text that is open.
    open: Option<&'static str>,
    /// Whether a comment over several lines is open.
    is_comment: bool,
}

impl Edges {
    /// Stands before the first line.
    pub(super) const fn new(tongue: Tongue) -> Self {
        Self {
            tongue,
            open: None,
            is_comment: false,
        }
    }

    /// Tells whether the next line begins something at the outermost level.
    pub(super) fn begins(&mut self, line: &str) -> bool {
        let is_begin = !self.is_inside() && begins(line, self.tongue);
        self.pass(line);
        is_begin
    }

    /// Tells whether the line to come stands in a text.
    pub(super) const fn is_inside(&self) -> bool {
        self.open.is_some() || self.is_comment
    }

    fn pass(&mut self, line: &str) {
        let quotes: &[&'static str] = match self.tongue {
            Tongue::Python => &["\"\"\"", "'''"],
            Tongue::Script | Tongue::Go => &["`"],
        };
        if self.open.is_none() && self.tongue != Tongue::Python {
            self.is_comment |= line.trim_ascii_start().starts_with("/*");
            if self.is_comment {
                self.is_comment = !line.contains("*/");
                return;
            }
        }
        let bytes = line.as_bytes();
        let mut at = 0;
        while let Some(found) = match self.tongue {
            Tongue::Python => memchr::memchr2(b'"', b'\'', bytes.get(at..).unwrap_or_default()),
            Tongue::Script | Tongue::Go => {
                memchr::memchr(b'`', bytes.get(at..).unwrap_or_default())
            }
        } {
            let start = at + found;
            let rest = line.get(start..).unwrap_or_default();
            let quote = match &self.open {
                Some(open) => Some(*open),
                None => quotes.iter().copied().find(|quote| rest.starts_with(quote)),
            };
            let Some(quote) = quote.filter(|quote| rest.starts_with(quote)) else {
                at = start + 1;
                continue;
            };
            at = start + quote.len();
            let is_escaped = bytes.get(start.wrapping_sub(1)) == Some(&b'\\');
            if !is_escaped || self.tongue == Tongue::Go {
                self.open = match self.open {
                    Some(_) => None,
                    None => Some(quote),
                };
            }
        }
    }
}

/// Tells whether a line begins something at the outermost level.
fn begins(line: &str, tongue: Tongue) -> bool {
    const GO: [&str; 6] = ["func ", "type ", "var ", "const ", "import ", "package "];
    const GOES_ON: [&str; 4] = ["else", "elif", "except", "finally"];
    let is_edge = line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '@');
    match tongue {
        Tongue::Go => GO.iter().any(|word| line.starts_with(word)),
        Tongue::Python => is_edge && !GOES_ON.iter().any(|word| line.starts_with(word)),
        Tongue::Script => is_edge,
    }
}

/// Tells whether a line at the left edge begins something whose members are told apart.
pub(super) fn holds_members(line: &str) -> bool {
    line.contains("class ") || line.starts_with("describe(")
}

/// Tells whether a member that begins so is a method.
pub(super) fn is_method(line: &str, tongue: Tongue) -> bool {
    match tongue {
        Tongue::Python => ["def ", "async def ", "@"]
            .iter()
            .any(|word| line.starts_with(word)),
        Tongue::Script | Tongue::Go => line.contains('(') || line.starts_with('@'),
    }
}

/// Tells whether a line of a script is part of a comment between methods.
fn is_comment(line: &str) -> bool {
    ["/*", "*", "//"].iter().any(|sign| line.starts_with(sign))
}

/// Tells whether a line at the left edge opens brackets that hold one value or the arguments of one call: `const a = {`, `app.get("/", () => {`.
/// With the lines up to their end it can be left out, too.
fn is_whole(line: &str, tongue: Tongue) -> bool {
    // What holds statements of the outermost level, names of packages, or types.
    const OTHERS: [&str; 16] = [
        "if",
        "for",
        "while",
        "try",
        "switch",
        "with",
        "import",
        "from",
        "class",
        "interface",
        "type",
        "namespace",
        "declare",
        "abstract",
        "do",
        "module",
    ];
    let rest = line.trim_ascii_end();
    let rest_of = rest.strip_prefix("export ").unwrap_or(rest);
    let rest_of = rest_of.strip_prefix("default ").unwrap_or(rest_of);
    let word = rest_of
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$')))
        .next()
        .unwrap_or_default();
    tongue != Tongue::Go
        && !word.is_empty()
        && !OTHERS.contains(&word)
        && rest.ends_with(['{', '[', '('])
}

/// Tells whether the last line of a text up to a place closes brackets.
fn ends_with_bracket(text: &str, end: usize) -> bool {
    last_line(text, end).is_some_and(|line| line.starts_with(['}', ')', ']']))
}

/// Tells whether the last line of a text up to a place goes on below it.
fn ends_open(text: &str, end: usize) -> bool {
    let signs = ['{', '(', '[', ',', '\\', '=', '+'];
    last_line(text, end).is_some_and(|line| line.trim_ascii_end().ends_with(signs))
}

/// Returns the last line of a text up to a place; comments below it belong to what follows.
fn last_line(text: &str, end: usize) -> Option<&str> {
    const MOST_LINES: usize = 60;
    let lines = text.get(..end).unwrap_or_default().trim_ascii_end();
    let mut lines = lines.rsplit('\n').take(MOST_LINES).filter(|line| {
        let rest = line.trim_ascii();
        !rest.is_empty() && !is_comment(rest) && !rest.starts_with('#')
    });
    lines.next()
}

/// Tells whether what a line begins can be left out if nothing in it is of interest.
pub(super) fn is_body(line: &str, tongue: Tongue) -> bool {
    let words: &[&str] = match tongue {
        Tongue::Go => &["func ", "type "],
        Tongue::Python => &["def ", "async def ", "class ", "@"],
        Tongue::Script => &[
            "function ",
            "async function ",
            "class ",
            "export function ",
            "export async function ",
            "export default function ",
            "export default async function ",
            "export class ",
            "export default class ",
            "export abstract class ",
            "interface ",
            "export interface ",
            "describe(",
        ],
    };
    words.iter().any(|word| line.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, tongue: Tongue, word: &str) -> String {
        let near: Vec<Range<usize>> = text
            .match_indices(word)
            .map(|(at, word)| at..at + word.len())
            .collect();
        let passed = Passed {
            near,
            ..Passed::default()
        };
        let parts = parts(text, tongue, &passed);
        let parts = parts
            .iter()
            .map(|part| &text[part.start_byte..part.end_byte]);
        parts.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn definitions_without_a_word_are_left_out() {
        let go = "package a\n\nvar t = 1\n\nfunc a() {\n\tx()\n}\n\nfunc b() {\n\tHIT()\n}\ntype T struct {\n}\n";
        assert_eq!(
            shown(go, Tongue::Go, "HIT"),
            "package a\n\nvar t = 1\n\n|func b() {\n\tHIT()\n}\n"
        );
        let python =
            "T = 1\n@x\ndef a():\n    pass\n\n@x\ndef b():\n    HIT\nif T:\n    x\nelse:\n    y\n";
        assert_eq!(
            shown(python, Tongue::Python, "HIT"),
            "T = 1\n|@x\ndef b():\n    HIT\nif T:\n    x\nelse:\n    y\n"
        );
        let script = "const t = 1;\nfunction a() {\n}\nexport class B {\n  HIT\n}\n";
        assert_eq!(
            shown(script, Tongue::Script, "HIT"),
            "const t = 1;\n|export class B {\n  HIT\n}\n"
        );
    }

    #[test]
    fn of_a_class_that_only_names_a_secret_the_fields_stay() {
        let text = "class A {\n  private password: boolean;\n\n  b() {\n    use(password);\n  }\n}\nHIT;\n";
        let at = text.find("HIT").unwrap();
        let passed = Passed {
            near: std::iter::once(at..at + 3).collect(),
            named: vec![text.find("password").unwrap()],
            ..Passed::default()
        };
        let parts = parts(text, Tongue::Script, &passed);
        let parts = parts
            .iter()
            .map(|part| &text[part.start_byte..part.end_byte]);
        assert_eq!(
            parts.collect::<Vec<_>>().join("|"),
            "class A {\n  private password: boolean;\n\n|}\nHIT;\n"
        );
    }

    #[test]
    fn what_stands_in_a_text_begins_nothing() {
        let python = "def a():\n    q = \"\"\"\nSELECT id\nFROM users\n\"\"\"\n    HIT\n\ndef b():\n    pass\n";
        assert_eq!(
            shown(python, Tongue::Python, "HIT"),
            "def a():\n    q = \"\"\"\nSELECT id\nFROM users\n\"\"\"\n    HIT\n\n"
        );
        let go = "func a() {\n\tq := `\ntype X\n`\n\tHIT()\n}\nfunc b() {\n}\n";
        assert_eq!(
            shown(go, Tongue::Go, "HIT"),
            "func a() {\n\tq := `\ntype X\n`\n\tHIT()\n}\n"
        );
    }

    #[test]
    fn a_definition_that_is_cut_stays() {
        let script = "function f() {\n  a();\n/*\nfoo\n*/\n  HIT;\n}\nfunction g() {\n  b();\n}\n";
        assert_eq!(
            shown(script, Tongue::Script, "HIT"),
            "function f() {\n  a();\n/*\nfoo\n*/\n  HIT;\n}\n"
        );
    }

    #[test]
    fn values_and_calls_without_a_word_are_left_out() {
        let script = "import {\n  a,\n} from 'a';\nconst t = {\n  a: 1,\n};\napp.get('/', () => {\n  x();\n});\n\n// y\nexport const f = async () => {\n  HIT;\n};\nif (a) {\n  b();\n}\n";
        assert_eq!(
            shown(script, Tongue::Script, "HIT"),
            "import {\n  a,\n} from 'a';\n|export const f = async () => {\n  HIT;\n};\nif (a) {\n  b();\n}\n"
        );
        let python = "T = [\n    1,\n]\nfrom a import (\n    b,\n)\nHIT\n";
        assert_eq!(
            shown(python, Tongue::Python, "HIT"),
            "from a import (\n    b,\n)\nHIT\n"
        );
    }

    #[test]
    fn comments_between_methods_do_not_keep_them() {
        let script = "class A {\n  x = 1;\n\n  a() {\n    y();\n  }\n\n  /**\n   * B.\n   */\n  b() {\n    HIT;\n  }\n}\n";
        assert_eq!(
            shown(script, Tongue::Script, "HIT"),
            "class A {\n  x = 1;\n\n|  b() {\n    HIT;\n  }\n}\n"
        );
    }

    #[test]
    fn methods_without_a_word_are_left_out() {
        let script = "export class B {\n  private x = 1;\n\n  a(): void {\n    x();\n  }\n\n  @get('/')\n  async b(\n    c: string,\n  ) {\n    HIT;\n  }\n\n  c() {\n    if (x) {\n    }\n  }\n}\nconst t = 1;\n";
        assert_eq!(
            shown(script, Tongue::Script, "HIT"),
            "export class B {\n  private x = 1;\n\n|  @get('/')\n  async b(\n    c: string,\n  ) {\n    HIT;\n  }\n\n|}\nconst t = 1;\n"
        );
        let python = "class B:\n    x = 1\n\n    def a(self):\n        pass\n\n    @get\n    def b(self):\n        HIT\n\n    def c(self):\n        pass\n";
        assert_eq!(
            shown(python, Tongue::Python, "HIT"),
            "class B:\n    x = 1\n\n|    @get\n    def b(self):\n        HIT\n\n"
        );
        let tests = "describe('x', () => {\n  it('a', () => {\n    x();\n  });\n  it('b', () => {\n    HIT;\n  });\n});\n";
        assert_eq!(
            shown(tests, Tongue::Script, "HIT"),
            "describe('x', () => {\n|  it('b', () => {\n    HIT;\n  });\n});\n"
        );
    }
}
