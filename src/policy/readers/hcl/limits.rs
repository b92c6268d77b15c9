//! Bounds that hold before a text is parsed.
//!
//! hcl-edit descends once for every bracket and template, and compares each key of an object with all before it. Both are bounded
//! here by one pass over the bytes, which knows nothing of strings: it may refuse a text that would have been fine, never the other way.

use super::super::super::gaps;

/// Most brackets that are open at once. hcl-edit itself refuses more than 64 levels; this is what keeps a text that it would first have to
/// walk through from it, with room for brackets in texts that nothing closes.
const MAX_OPEN: usize = 512;

/// Most comparisons of keys in a file: a tenth of a second.
const MAX_COMPARISONS: usize = 40_000_000;

/// Tells whether a text is nested too deep or its objects are too long.
///
/// # Errors
/// A short reason, without content of the text.
pub(super) fn check(text: &str) -> Result<(), String> {
    // How many keys each open bracket has so far.
    let mut open: Vec<usize> = Vec::new();
    let mut comparisons = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' | b'(' => {
                open.push(0);
                if open.len() > MAX_OPEN {
                    return Err(gaps::limit(format!("nested deeper than {MAX_OPEN}")));
                }
            }
            b'}' | b']' | b')' => {
                open.pop();
            }
            b'=' | b':' => {
                if let Some(keys) = open.last_mut() {
                    comparisons += *keys;
                    *keys += 1;
                }
                if comparisons > MAX_COMPARISONS {
                    return Err(gaps::limit("too many keys in one object".to_owned()));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
