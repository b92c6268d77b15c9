//! From text to trees with byte spans, one file a format.
//!
//! Promises: no reader panics or hangs, whatever the text; sizes, depths and aliases are bounded; spans lie within the text. A text that
//! is not of its format is an `Err` with a short reason (no content of the file), and its caller reads it line by line.

pub mod dockerfile;
pub mod dotenv;
pub mod hcl;
pub mod json;
pub mod toml;
pub mod xml;
pub mod yaml;

/// Maps a decoded text to the source it was written in, where backslash escapes are all that parts them; `open` is the length of the
/// opening quotes. What does not fit ends the map: later offsets are bounded by the source.
fn escaped(raw: &str, text: &str, start: usize, open: usize) -> Vec<(usize, usize)> {
    let mut map = vec![(0, start + open)];
    if raw.get(open..open + text.len()) == Some(text) {
        return map;
    }
    let (source, target) = (raw.as_bytes(), text.as_bytes());
    let (mut at, mut out) = (open, 0);
    while out < target.len() && at < source.len() {
        let (taken, made) = match (source.get(at), source.get(at + 1)) {
            (Some(b'\\'), Some(b'u')) => unicode(source, at),
            (Some(b'\\'), Some(b'x')) => (4, 1),
            (Some(b'\\'), Some(b'U')) => {
                let hex = raw.get(at + 2..at + 10).unwrap_or_default();
                let code = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
                (10, code.map_or(3, char::len_utf8))
            }
            (Some(b'\\'), Some(b'\n')) => {
                let rest = source.get(at + 2..).unwrap_or_default();
                let blanks = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
                (2 + blanks, 0)
            }
            (Some(b'\\'), Some(_)) => (2, 1),
            (Some(b'\r'), Some(b'\n')) if target.get(out) == Some(&b'\n') => (2, 1),
            _ => (1, 1),
        };
        at += taken;
        out += made;
        if taken != made {
            // A text that ends in an escape leads back to its last byte.
            map.push((out, (start + at).min(start + raw.len().saturating_sub(1))));
        }
    }
    map
}

/// Returns the lengths of `\uXXXX`, or of a pair of them, and of what it stands for.
fn unicode(source: &[u8], at: usize) -> (usize, usize) {
    let code = |at: usize| {
        let hex = source.get(at + 2..at + 6)?;
        let hex = std::str::from_utf8(hex).ok()?;
        u32::from_str_radix(hex, 16).ok()
    };
    match code(at) {
        Some(0xd800..0xdc00) if code(at + 6).is_some() => (12, 4),
        Some(code) => (6, char::from_u32(code).map_or(3, char::len_utf8)),
        None => (2, 1),
    }
}
