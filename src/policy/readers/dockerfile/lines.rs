//! The lines of Dockerfiles: continuations joined, here-documents found, words split, quotes undone. Each character keeps the place it
//! was written at, so that whatever is made of a line leads back to the file. Linear in the text.

use std::ops::Range;

use super::super::super::node::{Scalar, Style};

/// Characters, each with the offset it was written at.
pub(super) type Chars = Vec<(char, usize)>;

/// A here-document of an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// Its delimiter.
    pub name: String,
    /// Whether variables are filled in: the delimiter stands without quotes.
    pub expands: bool,
    /// The bytes between the instruction's line and the line of the delimiter.
    pub body: Range<usize>,
    /// One past the delimiter, without its line break.
    pub end: usize,
}

/// Returns the escape character: that of the directive `# escape=` among the first lines.
pub(super) fn escape(text: &str) -> char {
    let directives = text.trim_start_matches(' ').lines().map_while(|line| {
        let (name, value) = line.strip_prefix('#')?.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        matches!(name.as_str(), "syntax" | "check" | "escape").then(|| (name, value.trim()))
    });
    let is_backtick = directives
        .into_iter()
        .any(|(name, value)| name == "escape" && value == "`");
    if is_backtick { '`' } else { '\\' }
}

/// Reads what an instruction says from `start` on: lines joined that the escape character continues, lines of comments and empty
/// lines between them left out. Returns it with the offset of the next line.
pub(super) fn logical(text: &str, start: usize, escape: char) -> (Chars, usize) {
    let mut chars = Chars::new();
    let mut at = start;
    let mut is_first = true;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or(rest);
        let is_last = !line.ends_with('\n');
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let begin = at;
        at += length;
        let trimmed = line.trim_start_matches(is_blank);
        if !is_first && (trimmed.is_empty() || trimmed.starts_with('#')) {
            continue;
        }
        is_first = false;
        let continued = line.trim_end_matches(is_blank).strip_suffix(escape);
        let continued = continued.filter(|_| !is_last);
        let taken = continued.unwrap_or(line);
        chars.extend(taken.char_indices().map(|(offset, c)| (c, begin + offset)));
        if continued.is_none() {
            break;
        }
    }
    (chars, at)
}

/// Tells whether a character is a blank within a line, as BuildKit sees it.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\u{b}' | '\u{c}')
}

/// Splits at blanks outside of quotes. Quotes and escapes stay.
pub(super) fn words(chars: &[(char, usize)], escape: char) -> Vec<&[(char, usize)]> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut at = 0;
    while let Some((c, _)) = chars.get(at).copied() {
        let is_escape = c == escape && quote != Some('\'');
        if quote.is_none() && c.is_whitespace() {
            words.extend(start.take().and_then(|start| chars.get(start..at)));
        } else {
            start.get_or_insert(at);
            if is_escape {
                at += 1;
            } else if quote == Some(c) {
                quote = None;
            } else if quote.is_none() && matches!(c, '"' | '\'') {
                quote = Some(c);
            }
        }
        at += 1;
    }
    words.extend(start.and_then(|start| chars.get(start..)));
    words
}

/// Undoes quotes and escapes.
pub(super) fn unquoted(chars: &[(char, usize)], escape: char) -> Scalar {
    let mut out = Chars::new();
    let mut quote = None;
    let mut style = Style::Plain;
    let mut at = 0;
    while let Some(one) = chars.get(at).copied() {
        let next = chars.get(at + 1).copied();
        at += 1;
        match (one.0, quote) {
            ('\'', None) | ('"', None) => {
                quote = Some(one.0);
                if at == 1 {
                    style = if one.0 == '"' {
                        Style::Double
                    } else {
                        Style::Single
                    };
                }
            }
            (c, Some(q)) if c == q => quote = None,
            (c, None | Some('"')) if c == escape => match next {
                Some(next)
                    if quote.is_none() || matches!(next.0, '"' | '$') || next.0 == escape =>
                {
                    out.push(next);
                    at += 1;
                }
                _ => out.push(one),
            },
            _ => out.push(one),
        }
    }
    let end = chars.first().map_or(0, |(_, at)| *at);
    scalar(&out, style, end)
}

/// Undoes the escapes of JSON.
pub(super) fn unescaped(chars: &[(char, usize)]) -> Chars {
    let mut out = Chars::new();
    let mut at = 0;
    while let Some(one) = chars.get(at).copied() {
        let next = chars.get(at + 1).copied().filter(|_| one.0 == '\\');
        let (c, taken) = match next.map(|(c, _)| c) {
            None => (one.0, 1),
            Some('n') => ('\n', 2),
            Some('t') => ('\t', 2),
            Some('r') => ('\r', 2),
            Some('b') => ('\u{8}', 2),
            Some('f') => ('\u{c}', 2),
            Some('u') => code(chars, at),
            Some(c) => (c, 2),
        };
        out.push((c, one.1));
        at += taken;
    }
    out
}

/// Reads `\uXXXX`, or a pair of them: the character and how many it takes.
fn code(chars: &[(char, usize)], at: usize) -> (char, usize) {
    let unit = |at: usize| {
        let digits = chars.get(at + 2..at + 6)?;
        digits
            .iter()
            .try_fold(0, |code, (c, _)| Some(code * 16 + c.to_digit(16)?))
    };
    match (unit(at), unit(at + 6)) {
        (Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) => {
            let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            (char::from_u32(code).unwrap_or('\u{fffd}'), 12)
        }
        (Some(code), _) => (char::from_u32(code).unwrap_or('\u{fffd}'), 6),
        (None, _) => ('\\', 1),
    }
}

/// Makes a scalar of characters with their offsets; one without content stands at `empty`.
pub(crate) fn scalar(chars: &[(char, usize)], style: Style, empty: usize) -> Scalar {
    let mut text = String::with_capacity(chars.len());
    let mut map = Vec::new();
    let mut next = None;
    for (c, at) in chars {
        if next != Some(*at) {
            map.push((text.len(), *at));
        }
        text.push(*c);
        next = Some(at + c.len_utf8());
    }
    if map.is_empty() {
        map.push((0, empty));
    }
    Scalar {
        text,
        style,
        map,
        end: next.unwrap_or(empty),
    }
}

/// Returns the here-documents that an instruction's line opens, whose bodies begin at `start`.
///
/// # Errors
/// One does not end.
pub(super) fn heredocs(
    text: &str,
    line: &[(char, usize)],
    start: usize,
) -> Result<Vec<Heredoc>, String> {
    let mut at = start;
    let mut found = Vec::new();
    for word in words(line, '\\') {
        let Some((name, expands, strips)) = delimiter(word) else {
            continue;
        };
        let body = at;
        loop {
            let rest = text.get(at..).filter(|rest| !rest.is_empty());
            let rest = rest.ok_or_else(|| "a here-document without its end".to_owned())?;
            let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
            let line = rest.get(..length).unwrap_or(rest);
            let bare = line.trim_end_matches('\n');
            let bare = bare.strip_suffix('\r').unwrap_or(bare);
            let last = at;
            at += length;
            let shown = if strips {
                bare.trim_start_matches('\t')
            } else {
                bare
            };
            if shown == name {
                let end = last + bare.len();
                found.push(Heredoc {
                    name,
                    expands,
                    body: body..last,
                    end,
                });
                break;
            }
        }
    }
    Ok(found)
}

/// Returns the delimiter that a word opens a here-document with, whether it expands variables, and whether tabs before its lines
/// do not count.
fn delimiter(word: &[(char, usize)]) -> Option<(String, bool, bool)> {
    let digits = word.iter().take_while(|(c, _)| c.is_ascii_digit()).count();
    let rest = word.get(digits..)?;
    let (['<', '<'], rest) = ([rest.first()?.0, rest.get(1)?.0], rest.get(2..)?) else {
        return None;
    };
    let strips = rest.first().is_some_and(|(c, _)| *c == '-');
    let rest = rest.get(usize::from(strips)..)?;
    if rest.iter().any(|(c, _)| *c == '<') {
        return None;
    }
    let expands = !rest.iter().any(|(c, _)| matches!(c, '"' | '\'' | '\\'));
    let name = unquoted(rest, '\\').text;
    (!name.is_empty()).then_some((name, expands, strips))
}

/// Tells whether an instruction may open here-documents.
pub(super) fn may_open(line: &Chars) -> bool {
    let words = line
        .split(|(c, _)| c.is_whitespace())
        .filter(|word| !word.is_empty());
    let mut keywords = words.take(2).map(|word| {
        word.iter()
            .map(|(c, _)| c.to_ascii_uppercase())
            .collect::<String>()
    });
    let opens = |word: &str| matches!(word, "RUN" | "COPY" | "ADD");
    match keywords.next().as_deref() {
        Some("ONBUILD") => keywords.next().is_some_and(|word| opens(&word)),
        Some(word) => opens(word),
        None => false,
    }
}

/// Overwrites bytes but for line breaks.
pub(super) fn blank(bytes: &mut [u8], range: Range<usize>, with: u8) {
    for byte in bytes.get_mut(range).unwrap_or_default() {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = with;
        }
    }
}

/// Returns the bytes from the first character to the last.
pub(super) fn bytes(chars: &[(char, usize)]) -> Option<Range<usize>> {
    let (last, at) = chars.last()?;
    Some(chars.first()?.1..at + last.len_utf8())
}

/// Leaves out blanks at both ends.
pub(super) fn trimmed(chars: &[(char, usize)]) -> &[(char, usize)] {
    let start = chars.iter().position(|(c, _)| !c.is_whitespace());
    let end = chars.iter().rposition(|(c, _)| !c.is_whitespace());
    match (start, end) {
        (Some(start), Some(end)) => chars.get(start..=end).unwrap_or_default(),
        _ => &[],
    }
}
