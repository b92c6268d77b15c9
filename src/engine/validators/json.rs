//! Just enough JSON to tell an object from anything else.

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 64;

/// Tells whether `text` is one JSON object, brackets and strings closing in order, and whether `key` is a key of it.
/// Scalars are not judged.
pub(super) fn object_has(text: &[u8], key: &[u8]) -> (bool, bool) {
    let text = text.trim_ascii();
    let mut closers = [0_u8; MAX_DEPTH];
    let mut depth = 0_usize;
    let mut found = false;
    let mut at = 0;
    if text.first() != Some(&b'{') || std::str::from_utf8(text).is_err() {
        return (false, false);
    }
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let Some(end) = string_end(text, at + 1) else {
                    return (false, false);
                };
                let after = text.get(end + 1..).unwrap_or_default().trim_ascii_start();
                found |= depth == 1
                    && after.first() == Some(&b':')
                    && text.get(at + 1..end) == Some(key);
                at = end;
            }
            b'{' | b'[' => {
                let Some(place) = closers.get_mut(depth) else {
                    return (false, false);
                };
                *place = if *byte == b'{' { b'}' } else { b']' };
                depth += 1;
            }
            b'}' | b']' => {
                let open = depth.checked_sub(1).and_then(|i| closers.get(i));
                if open != Some(byte) {
                    return (false, false);
                }
                depth -= 1;
                if depth == 0 {
                    return (at + 1 == text.len(), found && at + 1 == text.len());
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' | b':' | b',' | b'-' | b'+' | b'.' => {}
            byte if byte.is_ascii_alphanumeric() => {}
            _ => return (false, false),
        }
        at += 1;
    }
    (false, false)
}

/// Returns where the string that starts at `from` ends.
fn string_end(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_their_keys_are_told() {
        assert_eq!(
            object_has(br#"{"alg":"HS256","x":[1,{"y":null}]}"#, b"alg"),
            (true, true)
        );
        assert_eq!(object_has(br#"{"x":{"alg":1}}"#, b"alg"), (true, false));
        assert_eq!(object_has(b"{}", b"alg"), (true, false));
        for text in [
            &b"[]"[..],
            b"{",
            b"{]",
            b"{}}",
            b"{\"a}",
            b"x",
            b"",
            b"{;}",
            b"{} {}",
        ] {
            assert_eq!(object_has(text, b"a"), (false, false));
        }
        assert_eq!(
            object_has("[".repeat(100).replacen('[', "{", 1).as_bytes(), b"a"),
            (false, false)
        );
    }
}
