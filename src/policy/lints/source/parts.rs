//! Which parts of a text become a syntax tree: everything at its outermost level but the functions, classes and types in which the gate
//! met nothing. A parser takes a hundred times as long for a byte as the gate.
//!
//! Promises: parts begin and end at lines; what is left out is whole definitions, by where lines begin that stand at the left edge.

use std::ops::Range;

use tree_sitter::Point;

use super::shape::Tongue;

/// Returns the parts, in order; the whole text if little can be left out.
pub(super) fn parts(text: &str, tongue: Tongue, near: &[Range<usize>]) -> Vec<tree_sitter::Range> {
    let mut near: Vec<&Range<usize>> = near.iter().collect();
    near.sort_by_key(|range| range.start);
    let mut kept: Vec<tree_sitter::Range> = Vec::new();
    let mut chunk = Chunk::default();
    let mut hits = near.into_iter().peekable();
    let mut reach = 0;
    let mut close = |chunk: &Chunk, end: usize, row: usize| {
        // A stretch that began before may reach into this one.
        let mut is_met = reach > chunk.start;
        while let Some(hit) = hits.next_if(|hit| hit.start < end) {
            reach = reach.max(hit.end);
            is_met = true;
        }
        if !is_met && chunk.is_body || chunk.start >= end {
            return;
        }
        match kept.last_mut() {
            Some(last) if last.end_byte == chunk.start => {
                last.end_byte = end;
                last.end_point = Point::new(row, 0);
            }
            _ => kept.push(tree_sitter::Range {
                start_byte: chunk.start,
                end_byte: end,
                start_point: Point::new(chunk.row, 0),
                end_point: Point::new(row, 0),
            }),
        }
    };
    let (mut at, mut row) = (0, 0);
    for line in text.split_inclusive('\n') {
        if begins(line, tongue) && !chunk.is_open {
            close(&chunk, at, row);
            chunk = Chunk {
                start: at,
                row,
                is_body: is_body(line, tongue),
                is_open: false,
            };
        }
        // What is written above a definition of Python belongs to it.
        chunk.is_open = tongue == Tongue::Python && line.starts_with('@');
        at += line.len();
        row += 1;
    }
    close(&chunk, text.len(), row);
    kept
}

/// Lines from one that stands at the left edge to the next.
#[derive(Default)]
struct Chunk {
    start: usize,
    row: usize,
    /// Whether it is a definition that can be left out.
    is_body: bool,
    /// Whether the next line at the left edge belongs to it.
    is_open: bool,
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

/// Tells whether what a line begins can be left out if nothing in it is of interest.
fn is_body(line: &str, tongue: Tongue) -> bool {
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
        let parts = parts(text, tongue, &near);
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
}
