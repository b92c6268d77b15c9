//! Shapes of values that people write and machines do not make: rows of signs, words put together, sentences, names of files.
//!
//! Promise: the answer depends on the text of the value alone, and is linear in it.

/// Tells whether a value goes round one row of signs again and again: `0123456789abcdef0123456789abcdef`.
pub(super) fn is_round(value: &str) -> bool {
    let rows: [&[u8]; 3] = [
        b"0123456789",
        b"0123456789abcdef",
        b"abcdefghijklmnopqrstuvwxyz",
    ];
    let bytes = value.as_bytes();
    rows.iter().any(|row| {
        let first = bytes.first();
        row.iter()
            .position(|sign| Some(sign) == first)
            .is_some_and(|start| {
                bytes
                    .iter()
                    .eq(row.iter().cycle().skip(start).take(bytes.len()))
            })
    })
}

/// Tells whether a value is words of the kind `secretpassword`, `dbrootpass`: what everybody writes first, put together.
pub(super) fn is_compound(lower: &str) -> bool {
    const ENDS: [&str; 8] = [
        "password", "passwd", "passw0rd", "pass", "pwd", "pw", "secret", "token",
    ];
    const STARTS: [&str; 14] = [
        "my", "the", "db", "app", "user", "root", "admin", "super", "top", "some", "test", "demo",
        "default", "database",
    ];
    let mut rest = lower;
    // Each turn takes a word away: the bound is for what nobody writes.
    for _ in 0..6 {
        if rest.is_empty() {
            return true;
        }
        let shorter = ENDS
            .iter()
            .chain(&STARTS)
            .find_map(|word| rest.strip_suffix(word));
        match shorter {
            Some(shorter) => rest = shorter,
            None => return false,
        }
    }
    false
}

/// Tells whether a value is a sentence to who deploys it: `Replace after build`, `set it by hand`, `to be filled in later`.
pub(super) fn is_instruction(lower: &str) -> bool {
    const ORDERS: [&str; 12] = [
        "replace", "change", "set", "update", "fill", "insert", "enter", "add", "put", "to be",
        "will be", "must be",
    ];
    const ABOUT: [&str; 19] = [
        "after", "before", "later", "manually", "with", "your", "this", "me", "by", "in", "it",
        "when", "once", "on", "the", "value", "a", "be", "real",
    ];
    let rest = ORDERS
        .iter()
        .find_map(|order| lower.strip_prefix(order))
        .and_then(|rest| rest.strip_prefix(' '));
    rest.is_some_and(|rest| {
        let mut words = rest.split_whitespace();
        words.clone().all(|word| {
            word.bytes()
                .all(|b| b.is_ascii_alphabetic() || b",.'()".contains(&b))
        }) && (words.next().is_some_and(|word| ABOUT.contains(&word))
            || words.any(|word| ABOUT.contains(&word)))
    })
}

/// Tells whether a path ends as files do that hold secrets or settings: `relay/credentials.json`.
pub(super) fn has_extension(value: &str) -> bool {
    const EXTENSIONS: [&str; 18] = [
        "json",
        "yml",
        "yaml",
        "toml",
        "ini",
        "conf",
        "cfg",
        "env",
        "properties",
        "xml",
        "pem",
        "key",
        "crt",
        "p12",
        "pfx",
        "jks",
        "txt",
        "enc",
    ];
    value
        .rsplit_once('.')
        .is_some_and(|(stem, end)| !stem.is_empty() && EXTENSIONS.contains(&end))
}
