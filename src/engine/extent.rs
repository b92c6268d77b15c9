//! Finds where a block of key material ends, given its header.
//!
//! Promises: reads at most [`MAX`] bytes from the header on; a body that is elided, empty or plainly made up does not
//! count. The body may stand in a string, a comment, a quotation, a diff or a page: over escaped line breaks, concatenated
//! literals, signs before each line, tags or indentation; in lines of any width if it ends properly.

use std::ops::Range;

use crate::rules::Extent;

use super::filters;

/// Most bytes that a block may span.
pub const MAX: usize = 32 * 1024;

/// Fewest characters of a body that ends properly: an Ed25519 key in PKCS #8 has 64 (RFC 8410, section 10.3).
const MIN_BODY: usize = 60;

/// Fewest characters of a body whose end is missing.
const MIN_CUT_BODY: usize = 64;

/// Shortest run of base64 that is a line of a body; shorter ones are words, or the body's last line.
const MIN_LINE: usize = 16;

/// Most bytes between two lines.
const MAX_GAP: usize = 160;

/// Most bytes before the end line on its line that are taken for the sign of a comment or a diff.
const MAX_PREFIX: usize = 32;

/// Most bytes of the name of a header, and of a whole one.
const MAX_NAME: usize = 64;
const MAX_HEADER: usize = 1024;

/// Most characters of a body that are kept to judge it.
const SAMPLE: usize = 128;

/// Returns the bytes that count as the secret, from `header.start` to the end of the block; `None` if there is no body that
/// could be a key.
#[must_use]
pub fn find(extent: Extent, bytes: &[u8], header: Range<usize>) -> Option<Range<usize>> {
    let limit = bytes.len().min(header.start.saturating_add(MAX));
    let block = bytes.get(header.start..limit)?;
    let from = header.end.checked_sub(header.start)?;
    let body = match extent {
        Extent::Pem | Extent::Pgp => read(block, from)?,
        Extent::Putty => read(block, private_lines(block, from)?)?,
    };
    body.is_key().then(|| header.start..header.start + body.end)
}

/// Returns where the private part of a PuTTY key starts: after `Private-Lines: N` (PuTTY manual, appendix C).
fn private_lines(block: &[u8], from: usize) -> Option<usize> {
    const FIELD: &[u8] = b"Private-Lines:";
    let at = memchr::memmem::find(block.get(from..)?, FIELD)? + from + FIELD.len();
    let count = block
        .get(at..)?
        .iter()
        .take_while(|b| b.is_ascii_digit() || **b == b' ')
        .count();
    Some(at + count)
}

/// What was read of a body.
pub(super) struct Body {
    /// One past the last byte of the block.
    pub(super) end: usize,
    /// Characters of base64.
    pub(super) length: usize,
    /// Lines of base64.
    lines: usize,
    /// Whether the end line is there.
    closed: bool,
    /// Whether a header says that the body is encrypted.
    pub(super) encrypted: bool,
    /// The first characters.
    sample: [u8; SAMPLE],
}

impl Body {
    /// The first characters of base64.
    pub(super) fn sample(&self) -> &[u8] {
        self.sample
            .get(..self.length.min(SAMPLE))
            .unwrap_or_default()
    }

    /// Tells whether there is enough of it, and it is not made up.
    pub(super) fn is_key(&self) -> bool {
        let enough = if self.closed {
            self.length >= MIN_BODY
        } else {
            self.length >= MIN_CUT_BODY && (self.lines >= 2 || self.length >= 2 * MIN_CUT_BODY)
        };
        enough && !filters::is_degenerate(self.sample()) && filters::entropy(self.sample()) >= 3.5
    }

    fn take(&mut self, run: &[u8]) {
        if let Some(rest) = self.sample.get_mut(self.length.min(SAMPLE)..) {
            for (place, byte) in rest.iter_mut().zip(run) {
                *place = *byte;
            }
        }
        self.length += run.len();
        self.lines += 1;
    }
}

/// Reads the body that starts at `from`; `None` if it is elided.
pub(super) fn read(block: &[u8], from: usize) -> Option<Body> {
    let block = Block::new(block, from);
    let mut body = Body {
        end: from,
        length: 0,
        lines: 0,
        closed: false,
        encrypted: false,
        sample: [0; SAMPLE],
    };
    let mut at = from;
    let mut words = 0;
    // Whether lines of any width are taken.
    let mut narrow = false;
    // No use in asking again before this place.
    let mut ask_at = 0;
    loop {
        at = block.skip_gap(at)?;
        let rest = block.from(at);
        if let Some(length) = end_line(rest) {
            body.end = at + length;
            body.closed = true;
            return Some(body);
        }
        if let Some((length, encrypted)) = block.header_line(at, body.lines == 0) {
            body.encrypted |= encrypted;
            at += length;
            continue;
        }
        let run = rest.iter().take_while(|b| is_base64(**b)).count();
        let characters = rest.get(..run).unwrap_or_default();
        let is_long = run >= MIN_LINE;
        if !narrow && run > 0 && !is_long && at >= ask_at {
            match block.narrow(at, body.lines == 0) {
                Ok(()) => narrow = true,
                Err(next) => ask_at = next,
            }
        }
        if is_long || (run > 0 && (narrow || body.lines > 0 && block.is_last(at, run))) {
            body.take(characters);
            at += run;
            body.end = at;
        } else if run > 0 && body.lines == 0 && words < 4 {
            words += 1;
            at += run;
        } else {
            return Some(body);
        }
    }
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// The bytes of a block, and what its end line tells of the others.
struct Block<'a> {
    bytes: &'a [u8],
    /// What stands before the end line on its line, and so before the others: the sign of a comment, of a quotation or of a
    /// diff.
    prefix: &'a [u8],
    /// Whether there is an end line before any other header.
    is_closed: bool,
}

impl<'a> Block<'a> {
    fn new(bytes: &'a [u8], from: usize) -> Self {
        let mut block = Self {
            bytes,
            prefix: b"",
            is_closed: false,
        };
        let body = block.from(from);
        match end_of(body) {
            Some(end) => {
                block.is_closed = true;
                let before = body.get(..end).unwrap_or_default();
                let start = before.iter().rposition(|b| matches!(b, b'\n' | b'\r'));
                let prefix = start.and_then(|at| before.get(at + 1..));
                block.prefix = prefix.filter(|p| p.len() <= MAX_PREFIX).unwrap_or_default();
            }
            None => {
                let starts = || body.split(|b| *b == b'\n').skip(1).take(3);
                block.prefix = [b"+", b"-"]
                    .into_iter()
                    .find(|sign| {
                        starts().count() == 3 && starts().all(|line| line.starts_with(*sign))
                    })
                    .map_or(b"", |sign| &sign[..]);
            }
        }
        block
    }

    fn from(&self, at: usize) -> &'a [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    /// Tells whether a short run is the last line of a body: what follows is the end line or a checksum.
    fn is_last(&self, at: usize, run: usize) -> bool {
        let Some(next) = self.skip_gap(at + run) else {
            return false;
        };
        let after = self.from(next);
        end_line(after).is_some()
            || after.starts_with(b"=")
            || after.starts_with(b"Private-MAC")
            || self.bytes.get(at + run - 1) == Some(&b'=')
            || after.is_empty()
    }

    /// Checks that the lines from `at` to the end line are base64 of whatever width. The first one must not be a word.
    /// The error is the first place from which that may be otherwise.
    fn narrow(&self, at: usize, is_first: bool) -> Result<(), usize> {
        let rest = self.from(at);
        let is_der = matches!(rest, [b'M', b'A'..=b'Z', ..]);
        let begin = at;
        let (mut at, mut length, mut longest) = (at, 0, 0);
        if !self.is_closed {
            return Err(usize::MAX);
        }
        loop {
            let run = self.from(at).iter().take_while(|b| is_base64(**b)).count();
            let Some(next) = self.skip_gap(at + run) else {
                return Err(usize::MAX);
            };
            let gap = self.bytes.get(at + run..next).unwrap_or_default();
            let breaks = |b: &u8| matches!(b, b'\n' | b'\r' | b'\\' | b'<' | b'"' | b'\'');
            if run == 0 || !gap.iter().any(breaks) {
                return Err(next.max(at + 1));
            }
            (at, length, longest) = (next, length + run, longest.max(run));
            if end_line(self.from(at)).is_some() {
                if length < MIN_CUT_BODY {
                    return Err(usize::MAX);
                }
                let is_word = is_first && !is_der && longest >= MIN_LINE;
                return if is_word { Err(begin + 1) } else { Ok(()) };
            }
        }
    }

    /// Skips what may stand between two lines of a body: line breaks, plain, escaped or of HTML, blanks, quotes, signs of
    /// concatenation, of comments and of diffs. `None` if it says that something is left out.
    fn skip_gap(&self, from: usize) -> Option<usize> {
        let mut at = from;
        while at < from + MAX_GAP {
            let rest = self.from(at);
            if rest.starts_with(b"...")
                || rest.starts_with("…".as_bytes())
                || rest.starts_with(b"***")
            {
                return None;
            }
            let quiet = |i: usize| rest.get(i).is_none_or(|b| !is_base64(*b));
            at += match rest {
                [b'\\', tail @ ..] => {
                    let slashes = tail.iter().take_while(|b| **b == b'\\').count();
                    let letter = matches!(tail.get(slashes), Some(b'n' | b'r' | b't'));
                    1 + slashes + usize::from(letter)
                }
                [b'\r' | b'\n', line @ ..] => 1 + self.prefix_of(line),
                // A sign of concatenation stands alone; a plus sign may open a line of a body.
                [b'+', ..] if at > from && quiet(1) => 1,
                [
                    b' ' | b'\t' | b'"' | b'\'' | b'`' | b'.' | b',' | b';' | b'&' | b'|' | b'>'
                    | b'#' | b'*' | b'(' | b')' | b'[' | b']',
                    ..,
                ] => 1,
                [b'@', b'"', ..] | [b'_', b' ' | b'\r' | b'\n', ..] | [b'-', b' ', ..] => 2,
                [b'/', b'/', b' ' | b'\t', ..] => 3,
                [b'<', b'<', ..] => 2,
                [b'<', ..] => tag(rest)?,
                _ => return Some(at),
            };
        }
        Some(at)
    }

    /// Returns how much of the start of a line is the block's prefix; a line that is else empty may lack its blank.
    fn prefix_of(&self, line: &[u8]) -> usize {
        let bare = self.prefix.trim_ascii_end();
        [self.prefix, bare]
            .into_iter()
            .find(|prefix| line.starts_with(prefix))
            .map_or(0, <[u8]>::len)
    }

    /// Returns the length of a header such as `Proc-Type: 4,ENCRYPTED` (RFC 1421) or `Version: ...` (RFC 4880), and whether
    /// it says that the body is encrypted. Before the body of a block that ends properly it may have any name: OpenSSL
    /// and GnuPG read over names that they do not know.
    fn header_line(&self, at: usize, is_first: bool) -> Option<(usize, bool)> {
        const NAMES: [&[u8]; 8] = [
            b"Proc-Type",
            b"DEK-Info",
            b"Version",
            b"Comment",
            b"Hash",
            b"Charset",
            b"MessageID",
            b"Subject",
        ];
        let rest = self.from(at);
        let is_named = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'-' | b'_' | b'.');
        let length = rest.iter().take(MAX_NAME).take_while(is_named).count();
        let name = rest
            .get(..length)
            .filter(|_| rest.get(length) == Some(&b':'))?;
        let is_known = NAMES.contains(&name);
        let may_be_any = is_first && self.is_closed && name.first()?.is_ascii_alphabetic();
        if !is_known && !may_be_any {
            return None;
        }
        let mut length = value_end(rest);
        while let Some(more) = self.folded(at, at + length) {
            length += more;
        }
        let line = rest.get(..length)?;
        let encrypted = name == b"Proc-Type" && memchr::memmem::find(line, b"ENCRYPTED").is_some();
        Some((length, encrypted || name == b"DEK-Info"))
    }

    /// Returns the length of a line at `to` that goes on with the header at `from`: it begins with a blank, which the header
    /// does not, and is no line of a body.
    fn folded(&self, from: usize, to: usize) -> Option<usize> {
        let [b'\n', line @ ..] = self.from(to) else {
            return None;
        };
        let own = self.bytes.get(from.checked_sub(1)?)?;
        let prefix = self.prefix_of(line);
        let line = line.get(prefix..)?;
        let length = line.iter().position(|b| matches!(b, b'\n' | b'\r'))?;
        let text = line.get(..length)?.trim_ascii();
        let goes_on = matches!(line.first()?, b' ' | b'\t') && !matches!(own, b' ' | b'\t');
        let is_body = text.iter().all(|b| is_base64(*b)) || end_line(text).is_some();
        (goes_on && !is_body).then_some(1 + prefix + length)
    }
}

/// Returns where the end line starts, unless another header comes first.
fn end_of(body: &[u8]) -> Option<usize> {
    let mut dashes = memchr::memmem::find_iter(body, b"----");
    dashes.find_map(|at| {
        if at.checked_sub(1).and_then(|last| body.get(last)) == Some(&b'-') {
            // Of a row that was counted.
            return None;
        }
        let count = body.get(at..)?.iter().take_while(|b| **b == b'-').count();
        let label = body.get(at + count..)?;
        // RFC 4716 has four and a blank, RFC 7468 five. One more is the sign of a diff.
        let own = if label.starts_with(b" ") { 4 } else { 5 };
        let label = label.trim_ascii_start();
        if label.starts_with(b"END") {
            return Some(Some(at + count.saturating_sub(own)));
        }
        label.starts_with(b"BEGIN").then_some(None)
    })?
}

/// Returns where the value of the header at the start of `rest` ends: with its line, or with its first word where all of the
/// block stands on one line.
fn value_end(rest: &[u8]) -> usize {
    let line = rest.get(..MAX_HEADER).unwrap_or(rest);
    let ends = |at: &usize| {
        let here = line.get(*at..).unwrap_or_default();
        let is_break = matches!(here, [b'\n' | b'\r', ..] | [b'\\', b'n' | b'r' | b'\\', ..]);
        is_break || tag(here).is_some() || end_line(here).is_some()
    };
    let end = (0..line.len()).find(ends);
    match end {
        Some(at) if end_line(line.get(at..).unwrap_or_default()).is_none() => at,
        _ => {
            let is_blank = |b: &u8| b.is_ascii_whitespace();
            let mut blanks = line.iter().enumerate().filter(|(_, b)| is_blank(b));
            blanks.nth(1).map_or(line.len(), |(at, _)| at)
        }
    }
}

/// Returns the length of a tag of HTML that may stand in a block; other signs of less say what to put in their place.
fn tag(rest: &[u8]) -> Option<usize> {
    const NAMES: [&[u8]; 11] = [
        b"br", b"wbr", b"p", b"div", b"span", b"code", b"pre", b"li", b"td", b"tr", b"font",
    ];
    let inner = rest.strip_prefix(b"<")?;
    let inner = inner.strip_prefix(b"/").unwrap_or(inner);
    let letters = inner.iter().take(8).take_while(|b| b.is_ascii_alphabetic());
    let length = letters.count();
    let name = inner.get(..length)?;
    let is_known = NAMES.iter().any(|known| known.eq_ignore_ascii_case(name));
    let ends = matches!(inner.get(length)?, b'>' | b'/' | b' ');
    let close = rest.iter().take(MAX_GAP).position(|b| *b == b'>')?;
    (is_known && ends).then_some(close + 1)
}

/// Returns the length of an end line: `-----END RSA PRIVATE KEY-----`, `---- END SSH2 ... ----`, `Private-MAC: ...`.
fn end_line(rest: &[u8]) -> Option<usize> {
    if let Some(tail) = rest
        .strip_prefix(b"Private-MAC:")
        .or_else(|| rest.strip_prefix(b"Private-Hash:"))
    {
        let mac = tail
            .iter()
            .take(80)
            .take_while(|b| b.is_ascii_hexdigit() || **b == b' ')
            .count();
        return Some(rest.len() - tail.len() + mac);
    }
    let dashes = rest.iter().take(8).take_while(|b| **b == b'-').count();
    let label = rest.get(dashes..)?.trim_ascii_start();
    if dashes < 4 || !label.starts_with(b"END") {
        return None;
    }
    let head = rest.len() - label.len();
    let words = label
        .iter()
        .take(80)
        .take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b' ')
        .count();
    let close = label
        .get(words..)?
        .iter()
        .take(8)
        .take_while(|b| **b == b'-')
        .count();
    Some(head + words + close)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "-----BEGIN RSA PRIVATE KEY-----";
    const FOOTER: &str = "-----END RSA PRIVATE KEY-----";

    /// Lines of 64 made-up characters.
    fn lines(count: usize) -> Vec<String> {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut state = 7_u32;
        (0..count)
            .map(|_| {
                (0..64)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        char::from(alphabet[(state >> 26) as usize])
                    })
                    .collect()
            })
            .collect()
    }

    fn of(text: &str) -> Option<&str> {
        let start = text.find("-----BEGIN")?;
        find(Extent::Pem, text.as_bytes(), start..start + HEADER.len()).map(|r| &text[r])
    }

    #[test]
    fn a_block_ends_with_its_end_line_however_it_is_written() {
        let lines = lines(4);
        let joined = |sep: &str| format!("{HEADER}{sep}{}{sep}{FOOTER}", lines.join(sep));
        let commented = format!("# {HEADER}\n# {}\n# {FOOTER}", lines.join("\n# "));
        for text in [
            joined("\n"),
            joined("\r\n"),
            joined("\r"),
            joined("\\n"),
            joined("\\\\n"),
            joined("\\r\\n"),
            joined("\n      "),
            joined("\" +\n    \""),
            joined("\\n\" +\n  \""),
            joined("' .\n'"),
            joined("\\n\"\n  \""),
            joined(" "),
            joined("\\n\\\n"),
            joined("\",\n \""),
            joined("\\\\n\\\n"),
            commented,
        ] {
            let full = format!("key = \"{text}\"\nother = 1\n");
            let found = of(&full).unwrap_or_else(|| panic!("{text}"));
            assert!(
                found.starts_with(HEADER) && found.ends_with(FOOTER),
                "{found}"
            );
        }
    }

    #[test]
    fn headers_and_comments_before_the_body_are_skipped() {
        let body = lines(3).join("\n");
        let encrypted = format!(
            "{HEADER}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n{body}\n{FOOTER}"
        );
        assert_eq!(of(&encrypted), Some(encrypted.as_str()));
        assert!(read(encrypted.as_bytes(), HEADER.len()).is_some_and(|b| b.encrypted));
        let word = format!("{HEADER} fake\n{body}\nabcd==\n{FOOTER}");
        assert_eq!(of(&word), Some(word.as_str()));
    }

    #[test]
    fn headers_of_any_name_are_skipped() {
        let body = lines(3).join("\n");
        for header in [
            "X: .....",
            "X: ${A}",
            "X-Made-Up: <none>",
            "a.b_c: ***",
            "X: \"a\" b\nY: c",
        ] {
            let text = format!("{HEADER}\n{header}\n\n{body}\n{FOOTER}");
            assert_eq!(of(&text), Some(text.as_str()));
            let escaped = text.replace('\n', "\\n");
            assert_eq!(of(&escaped), Some(escaped.as_str()));
            // One that never ends is no block: what follows are other things with names.
            assert_eq!(of(&format!("{HEADER}\n{header}\n\n{body}\n")), None);
        }
        let folded = format!("{HEADER}\nX: a\n .....\n\n{body}\n{FOOTER}");
        assert_eq!(of(&folded), Some(folded.as_str()));
        let spaced = format!("{HEADER} X: a {} {FOOTER}", lines(3).join(" "));
        assert_eq!(of(&spaced), Some(spaced.as_str()));
    }

    #[test]
    fn lines_of_any_width_count_if_the_block_ends() {
        let body = lines(2).concat();
        for width in 1..16 {
            let parts: Vec<String> = body
                .as_bytes()
                .chunks(width)
                .map(|part| String::from_utf8_lossy(part).into_owned())
                .collect();
            for sep in ["\n", "\r\n", "\\n", "\n  ", "\" +\n \"", "', '", "<br>\n"] {
                let text = format!("{HEADER}{sep}{}{sep}{FOOTER}", parts.join(sep));
                assert_eq!(of(&text), Some(text.as_str()), "{width} {sep:?}");
            }
            let open = format!("{HEADER}\n{}\n", parts.join("\n"));
            assert_eq!(of(&open), None, "{width}");
        }
        let words = "put the private key of your own account in here and not one that somebody else made for you";
        assert_eq!(of(&format!("{HEADER}\n{words}\n{FOOTER}")), None);
        // A first line of the usual width does not matter.
        let tail: Vec<String> = body.chars().map(String::from).collect();
        let text = format!("{HEADER}\n{body}\n{}\n{FOOTER}", tail.join("\n"));
        assert_eq!(of(&text), Some(text.as_str()));
    }

    #[test]
    fn signs_of_diffs_quotations_comments_and_pages_are_skipped() {
        let lines = lines(3);
        for sign in [
            "+", "-", " ", "++", "+ ", "# ", "#", "// ", "/// ", "//! ", "> ", "> > ", ">", " * ",
            "-- ", "; ", "' ", "% ", "REM ", "dnl ", "+# ", "-// ", "\" ", "| ", "+    ",
        ] {
            for narrow in [64, 3] {
                let body = lines.concat();
                let body: Vec<String> = body
                    .as_bytes()
                    .chunks(narrow)
                    .map(|part| format!("{sign}{}", String::from_utf8_lossy(part)))
                    .collect();
                let body = body.join("\n");
                let text = format!("{sign}{HEADER}\n{body}\n{sign}{FOOTER}\n{sign}x");
                let found = of(&text).unwrap_or_else(|| panic!("{sign} {narrow}"));
                assert!(found.starts_with(HEADER) && found.ends_with(FOOTER));
                let read = read(found.as_bytes(), HEADER.len()).unwrap();
                assert!(
                    read.sample().starts_with(&lines[0].as_bytes()[..20]),
                    "{sign} {narrow}"
                );
                let header = format!(
                    "{sign}{HEADER}\n{sign}X: ...\n{}\n{body}\n{sign}{FOOTER}",
                    sign.trim_end()
                );
                assert!(
                    of(&header).is_some_and(|found| found.ends_with(FOOTER)),
                    "{sign}"
                );
            }
        }
        for sign in ["+", "-"] {
            let body = lines.join(&format!("\n{sign}"));
            let open = format!("{sign}{HEADER}\n{sign}{body}\n{sign}");
            let found = of(&open).expect("three lines are enough");
            let read = read(found.as_bytes(), HEADER.len()).unwrap();
            assert!(read.sample().starts_with(&lines[0].as_bytes()[..20]));
        }
        for end in [
            "<br>\n",
            "<br/>",
            "<BR />\n",
            "</p>\n<p class=\"a\">",
            "</span><br>\n<span>",
        ] {
            let text = format!("{HEADER}{end}{}{end}{FOOTER}", lines.join(end));
            assert_eq!(of(&text), Some(text.as_str()), "{end}");
        }
    }

    #[test]
    fn a_body_that_is_cut_off_counts_as_far_as_it_goes() {
        let body = lines(2).join("\n");
        assert_eq!(
            of(&format!("{HEADER}\n{body}\n\nplain words")),
            Some(format!("{HEADER}\n{body}").as_str())
        );
        assert_eq!(
            of(&format!("{HEADER}\n{body}")),
            Some(format!("{HEADER}\n{body}").as_str())
        );
        assert_eq!(of(&format!("{HEADER}\n{}\n", &lines(1)[0])), None);
    }

    #[test]
    fn elided_and_made_up_bodies_do_not_count() {
        let lines = lines(3);
        for text in [
            format!("{HEADER}\n{}\n...\n{}\n{FOOTER}", lines[0], lines[1]),
            format!("{HEADER}...{FOOTER}"),
            format!("{HEADER}\nMIIE...\n{FOOTER}"),
            format!("{HEADER}\n{FOOTER}"),
            format!("{HEADER}\n<your key>\n{FOOTER}"),
            format!("{HEADER}\n{}\n{FOOTER}", "s3cr3t".repeat(20)),
            format!("{HEADER}\n{}\n{FOOTER}", "A".repeat(128)),
            format!("{HEADER}\" . wordwrap($key, 64) . \"{FOOTER}"),
        ] {
            assert_eq!(of(&text), None, "{text}");
        }
    }

    #[test]
    fn putty_keys_end_after_their_private_part() {
        let lines = lines(3);
        let text = format!(
            "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nComment: made up\nPublic-Lines: 1\n{}\nPrivate-Lines: 2\n{}\n{}\nPrivate-MAC: 0011aa\n",
            lines[0], lines[1], lines[2]
        );
        let end = find(Extent::Putty, text.as_bytes(), 0..22).map(|r| r.end);
        assert_eq!(end, Some(text.len() - 1));
        let public = format!(
            "PuTTY-User-Key-File-2: ssh-rsa\nPublic-Lines: 1\n{}\n",
            lines[0]
        );
        assert_eq!(find(Extent::Putty, public.as_bytes(), 0..22), None);
    }

    #[test]
    fn no_block_is_longer_than_the_bound() {
        let text = format!("{HEADER}\n{}\n{FOOTER}", lines(1000).join("\n"));
        assert!(of(&text).is_some_and(|block| block.len() <= MAX));
    }

    proptest! {
        #[test]
        fn never_panics(text in "(-----BEGIN A KEY-----|[A-Za-z0-9+/=]{0,70}|\\\\|n|\n|\"|-----END|\\.|Private-Lines: 2|<|<br>|X: |\n[+]|# ){0,30}", a in 0_usize..80, b in 0_usize..80) {
            for extent in [Extent::Pem, Extent::Putty, Extent::Pgp] {
                if let Some(found) = find(extent, text.as_bytes(), a.min(b)..a.max(b)) {
                    prop_assert!(found.end <= text.len() && found.start == a.min(b));
                }
            }
        }
    }
}
