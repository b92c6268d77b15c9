//! Calls by which something may leave the program, by text alone: logs, output, errors, processes, answers.
//!
//! Promises: each call that `sinks` knows is one, however it is written, over lines and with types too; a look at one reads a few hundred
//! bytes.

use std::ops::Range;

use super::{
    gate::{LONGEST, blanks, is_word},
    lexer::types_end,
    shape::Tongue,
    sinks::{self, Leaves},
};

/// Returns where the arguments start if the name that a word is part of is that of a way out.
pub(super) fn way_out(text: &str, word: &Range<usize>, tongue: Tongue) -> Option<(usize, Leaves)> {
    let bytes = text.as_bytes();
    let is_path = |b: &u8| is_word(*b) || matches!(*b, b'.' | b'?' | b'!');
    let from = word.start.saturating_sub(LONGEST);
    let front = bytes.get(from..word.start)?;
    let start = word.start - front.iter().rev().take_while(|b| is_path(b)).count();
    let (path, end) = path_from(bytes, start);
    let path = path.as_str();
    let behind = bytes.get(end).copied().unwrap_or_default();
    if matches!(path, "raise" | "throw") {
        if !(behind.is_ascii_whitespace() || behind == b'(') {
            return None;
        }
        // `throw new Error(x)` is a call; a text is thrown by itself. Two words after each other are English.
        let is_other =
            tongue == Tongue::Script && begins_words(text.get(end..).unwrap_or_default());
        return (!is_other).then_some((end, Leaves::Secrets));
    }
    if tongue == Tongue::Script && path == "$" && behind == b'`' {
        return Some((end, Leaves::Secrets));
    }
    // `'process.env': JSON.stringify(process.env)` of bundlers.
    if matches!(behind, b'\'' | b'"') && path == "process.env" {
        return Some((end + 1, Leaves::Environment));
    }
    let leaves = sinks::may_be_way(tongue, path).filter(|_| behind == b'(')?;
    Some((end, leaves))
}

/// Tells whether a text begins with two words.
fn begins_words(text: &str) -> bool {
    let rest = text.trim_ascii_start();
    let length = rest.bytes().take_while(|b| is_word(*b)).count();
    let behind = rest.get(length..).unwrap_or_default();
    let next = behind.trim_start_matches([' ', '\t']);
    length > 0 && next.len() < behind.len() && next.bytes().next().is_some_and(is_word)
}

/// Returns the path of names from a place on, `a?.b!.c` and on several lines too, and where its arguments start.
fn path_from(bytes: &[u8], start: usize) -> (String, usize) {
    let mut path = String::new();
    let mut at = start;
    let is_sign = |at: usize, sign: u8| bytes.get(at) == Some(&sign);
    let blanks = |at: usize| blanks(bytes, at);
    while path.len() < 2 * LONGEST {
        let rest = bytes.get(at..).unwrap_or_default().iter().take(LONGEST);
        let length = rest.take_while(|b| is_word(**b)).count();
        let name = bytes.get(at..at + length).unwrap_or_default();
        path.push_str(&String::from_utf8_lossy(name));
        at += length;
        let next = blanks(at);
        let dot = next + usize::from(is_sign(next, b'?') || is_sign(next, b'!'));
        if is_sign(dot, b'.') {
            path.push('.');
            at = blanks(dot + 1);
            continue;
        }
        // Types of a call, and blanks before its brackets.
        if is_sign(next, b'<') {
            at = types_end(bytes, next).0.unwrap_or(at);
        } else if is_sign(next, b'(') {
            at = next;
        }
        break;
    }
    (path, at)
}
