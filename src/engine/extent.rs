//! Finds where a block of key material ends, given its header.
//!
//! Promises: reads at most [`MAX`] bytes from the header on; a body that is elided, empty or plainly made up does not
//! count. The body may stand in a string: over escaped line breaks, concatenated literals, comments or indentation.

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
    loop {
        at = skip_gap(block, at)?;
        let rest = block.get(at..).unwrap_or_default();
        if let Some(length) = end_line(rest) {
            body.end = at + length;
            body.closed = true;
            return Some(body);
        }
        if let Some((length, encrypted)) = header_line(rest) {
            body.encrypted |= encrypted;
            at += length;
            continue;
        }
        let run = rest.iter().take_while(|b| is_base64(**b)).count();
        let characters = rest.get(..run).unwrap_or_default();
        if run >= MIN_LINE || (run > 0 && body.lines > 0 && is_last(rest, run)) {
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

/// Tells whether a short run is the last line of a body: what follows is the end line or a checksum.
fn is_last(rest: &[u8], run: usize) -> bool {
    let Some(next) = skip_gap(rest, run) else {
        return false;
    };
    let after = rest.get(next..).unwrap_or_default();
    end_line(after).is_some()
        || after.starts_with(b"=")
        || after.starts_with(b"Private-MAC")
        || rest.get(run - 1) == Some(&b'=')
        || after.is_empty()
}

/// Skips what may stand between two lines of a body: line breaks, plain or escaped, blanks, quotes, signs of concatenation
/// and of comments. `None` if it says that something is left out.
fn skip_gap(block: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while at < from + MAX_GAP {
        let rest = block.get(at..).unwrap_or_default();
        if rest.starts_with(b"...")
            || rest.starts_with("…".as_bytes())
            || rest.starts_with(b"***")
            || rest.starts_with(b"<") && rest.get(1) != Some(&b'<')
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
            // A sign of concatenation stands alone; a plus sign may open a line of a body.
            [b'+', ..] if at > from && quiet(1) => 1,
            [
                b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'`' | b'.' | b',' | b';' | b'&'
                | b'|' | b'>' | b'#' | b'*' | b'(' | b')' | b'[' | b']' | b'@' | b':' | b'_',
                ..,
            ] => 1,
            [b'/', b'/', b' ' | b'\t', ..] => 3,
            [b'<', b'<', ..] => 2,
            [b'-', b' ', ..] => 2,
            _ => return Some(at),
        };
    }
    Some(at)
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

/// Returns the length of a header such as `Proc-Type: 4,ENCRYPTED` (RFC 1421) or `Version: ...` (RFC 4880), and whether it
/// says that the body is encrypted.
fn header_line(rest: &[u8]) -> Option<(usize, bool)> {
    const NAMES: [&[u8]; 8] = [
        b"Proc-Type:",
        b"DEK-Info:",
        b"Version:",
        b"Comment:",
        b"Hash:",
        b"Charset:",
        b"MessageID:",
        b"Subject:",
    ];
    let name = NAMES.iter().find(|name| rest.starts_with(name))?;
    let length = rest
        .iter()
        .take(MAX_GAP)
        .take_while(|b| !matches!(b, b'\n' | b'\r' | b'\\'))
        .count();
    let line = rest.get(..length)?;
    let encrypted = name.starts_with(b"Proc") && memchr::memmem::find(line, b"ENCRYPTED").is_some();
    Some((length, encrypted || name.starts_with(b"DEK")))
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
        fn never_panics(text in "(-----BEGIN A KEY-----|[A-Za-z0-9+/=]{0,70}|\\\\|n|\n|\"|-----END|\\.|Private-Lines: 2|<){0,30}", a in 0_usize..80, b in 0_usize..80) {
            for extent in [Extent::Pem, Extent::Putty, Extent::Pgp] {
                if let Some(found) = find(extent, text.as_bytes(), a.min(b)..a.max(b)) {
                    prop_assert!(found.end <= text.len() && found.start == a.min(b));
                }
            }
        }
    }
}
