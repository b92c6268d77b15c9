//! Measures and filters of a value by its bytes alone: entropy, placeholders, dummies.
//!
//! What a value's name and surroundings say is the business of [`super::values`]. Promises: no allocation, time
//! linear in the value, results equal on all platforms and in any order of calls.

use super::values::words;

/// Returns the Shannon entropy of `bytes` in bits per byte; 0.0 for none.
#[must_use]
pub fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = bytes.len() as f64;
    // Summed by byte value, so that the rounding is always the same.
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}

/// Tells whether `value` is a template, a mask or a stand-in that nobody could log in with.
///
/// Anchored to the whole value: a random token that merely contains `false`, `null` or `test` is none.
#[must_use]
pub fn is_placeholder(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    value.is_empty()
        || is_degenerate(value)
        || is_mask(value)
        || is_template(value)
        || is_encrypted(value)
        || words::is_stand_in(value)
        || words::is_self_named(value)
        || longest_repeat(value) == value.len()
}

/// Most bytes of a value that are judged for its pattern; what is made up shows it sooner.
const MAX_JUDGED: usize = 256;

/// Tells whether a token with a vendor's prefix is plainly made up: most of it one character, a plain sequence or a
/// repeated block, a mask, or `EXAMPLE` in capitals. Judges the first 256 bytes.
#[must_use]
pub fn is_degenerate(value: &[u8]) -> bool {
    let value = value.get(..MAX_JUDGED).unwrap_or(value);
    let has = |needle: &[u8]| memchr::memmem::find(value, needle).is_some();
    has(b"EXAMPLE")
        || has(b"xxxxx")
        || has(b"XXXXX")
        || has(b"*****")
        || has(b".....")
        || longest_repeat(value) * 5 > value.len() * 2 && value.len() >= 6
        || sequenced(value) * 2 > value.len()
        || is_periodic(value)
}

/// Tells whether `value` is what people choose to be done with it: a row of letters and then digits, perhaps a sign (`abcd1234`,
/// `qwerty123`, `Qwerty1!`). A key made so is a stand-in, a password of that kind opens doors.
#[must_use]
pub fn is_lazy(value: &[u8]) -> bool {
    let letters = value.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let (row, rest) = value.split_at(letters);
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let signs = rest.len() - digits;
    let is_sign = |b: &u8| b"!@#$%&*?.".contains(b);
    row.len() >= 4
        && digits >= if signs > 0 { 1 } else { 3 }
        && signs <= 2
        && rest.iter().skip(digits).all(is_sign)
        && sequenced(row) == row.len()
}

/// Returns the length of the longest run of one byte.
fn longest_repeat(value: &[u8]) -> usize {
    value
        .chunk_by(|a, b| a == b)
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0)
}

/// Returns how many bytes stand in runs of 4 or more that go one way through the alphabet, the digits or a row of keys.
fn sequenced(value: &[u8]) -> usize {
    let (mut sum, mut pairs, mut way) = (0, 0, 0_u8);
    for pair in value.windows(2) {
        let next = match pair {
            [one, two] => ways(*one, *two),
            _ => 0,
        };
        if way & next == 0 || pairs == 0 {
            sum += if pairs >= 3 { pairs + 1 } else { 0 };
            (pairs, way) = (usize::from(next != 0), next);
        } else {
            (pairs, way) = (pairs + 1, way & next);
        }
    }
    sum + if pairs >= 3 { pairs + 1 } else { 0 }
}

/// Returns which ways lead from `one` to `two`, a bit each: up or down the alphabet (and from `9` to `0` or `a`), right or left
/// on a keyboard.
fn ways(one: u8, two: u8) -> u8 {
    let (one, two) = (one.to_ascii_lowercase(), two.to_ascii_lowercase());
    if !one.is_ascii_alphanumeric() || !two.is_ascii_alphanumeric() {
        return 0;
    }
    u8::from(is_next(one, two))
        | u8::from(is_next(two, one)) << 1
        | u8::from(is_right(one, two)) << 2
        | u8::from(is_right(two, one)) << 3
}

fn is_next(one: u8, two: u8) -> bool {
    one.wrapping_add(1) == two || (one == b'9' && (two == b'0' || two == b'a'))
}

/// Tells whether the key of `two` is the next one to the right of that of `one`.
fn is_right(one: u8, two: u8) -> bool {
    RIGHT.get(usize::from(one)) == Some(&two) && two != 0
}

/// By byte in small letters: the key to the right, or 0.
const RIGHT: [u8; 256] = {
    const ROWS: [&[u8]; 3] = [b"qwertyuiop", b"asdfghjkl", b"zxcvbnm"];
    let mut table = [0; 256];
    let mut row = 0;
    while row < ROWS.len() {
        let mut key = 1;
        while key < ROWS[row].len() {
            table[ROWS[row][key - 1] as usize] = ROWS[row][key];
            key += 1;
        }
        row += 1;
    }
    table
};

/// Tells whether a block of at most 12 bytes repeats through the value at least three times.
fn is_periodic(value: &[u8]) -> bool {
    (2..=12_usize.min(value.len() / 3)).any(|period| {
        let pairs = value.len() - period;
        // One in ten may differ; more need not be counted.
        let mut others = value
            .iter()
            .zip(value.iter().skip(period))
            .filter(|(a, b)| a != b);
        others.nth(pairs / 10).is_none()
    })
}

/// Tells whether the value is hidden or elided: `***`, `xxxx`, `...`, dashes, question marks.
fn is_mask(value: &[u8]) -> bool {
    let has = |needle: &[u8]| memchr::memmem::find(value, needle).is_some();
    // A mask is longer than the signs that happen to stand together in a long key.
    let is_cut = value.starts_with(b"...") || value.ends_with(b"...");
    let by_chance = !is_cut && value.len() >= 32 && longest_repeat(value) <= 3 && is_drawn(value);
    value.iter().all(|b| {
        matches!(
            b,
            b'*' | b'x'
                | b'X'
                | b'.'
                | b'-'
                | b'_'
                | b'?'
                | b'#'
                | b'0'
                | b' '
                | b'~'
                | b'+'
                | b'='
        )
    }) || !by_chance && (has(b"***") || has(b"xxxx") || has(b"XXXX") || has(b"..."))
        || has("…".as_bytes())
        || has("•".as_bytes())
        || value.starts_with(b"##")
}

/// Tells whether the value is filled in later: by a shell, a template engine, a formatter, or a reader of the manual.
fn is_template(value: &[u8]) -> bool {
    enclosed(value, b"<", b">", is_label)
        || enclosed(value, b"[", b"]", is_label)
        || enclosed(value, b"{", b"}", is_expression)
        || enclosed(value, b"((", b"))", is_expression)
        || enclosed(value, b"%", b"%", is_name)
        || enclosed(value, b"@", b"@", is_name)
        || enclosed(value, b"__", b"__", is_name)
        || enclosed(value, b"#", b"#", is_name)
        || enclosed(value, b":", b":", is_name)
        || is_variable(value)
        || is_doubled(value)
        || (has_template(value) || is_format(value)) && !is_drawn(value)
}

/// Tells whether some part of the value is filled in later.
fn has_template(value: &[u8]) -> bool {
    holds(value, b"${", b"}", is_expression)
        || holds(value, b"{{", b"}}", is_expression)
        || holds(value, b"#{", b"}", is_expression)
        || holds(value, b"$(", b")", is_expression)
        || holds(value, b"<%", b"%>", |_| true)
        || holds(value, b"%(", b")s", is_name)
        || holds(value, b"%{", b"}", is_expression)
        || holds(value, b"@{", b"}", is_expression)
        || value.len() < 10 && holds(value, b"%[", b"]", is_number)
        || holds(value, b"<", b">", is_long_label)
        || holds(value, b"`", b"`", is_label)
}

/// Tells whether a value is so long and so random that a template in it is there by chance: 99% of 10,000 keys of 50 small letters,
/// digits and signs have a surplus of 43 or more, templates with words in them less than 0.
fn is_drawn(value: &[u8]) -> bool {
    value.len() >= 24 && super::values::is_random(value, 28)
}

/// Tells whether the value is a cipher text of a known tool, or the address of a secret kept elsewhere.
fn is_encrypted(value: &[u8]) -> bool {
    const HEADS: [&[u8]; 12] = [
        b"ENC[",
        b"ENC(",
        b"{cipher}",
        b"vault:v",
        b"$ANSIBLE_VAULT",
        b"!vault",
        b"!Ref",
        b"!Sub",
        b"op://",
        b"ref+",
        b"arn:aws:",
        b"env:",
    ];
    HEADS.iter().any(|head| value.starts_with(head))
}

/// Tells whether `value` is `open`, an inside that `fits`, and `close`.
fn enclosed(value: &[u8], open: &[u8], close: &[u8], fits: fn(&[u8]) -> bool) -> bool {
    value
        .strip_prefix(open)
        .and_then(|rest| rest.strip_suffix(close))
        .is_some_and(|inside| !inside.is_empty() && fits(inside))
}

/// Tells whether `value` has `open`, an inside that `fits`, and `close` somewhere.
fn holds(value: &[u8], open: &[u8], close: &[u8], fits: fn(&[u8]) -> bool) -> bool {
    memchr::memmem::find_iter(value, open).take(8).any(|at| {
        let inside = value.get(at + open.len()..).unwrap_or_default();
        memchr::memmem::find(inside, close)
            .and_then(|end| inside.get(..end))
            .is_some_and(|inside| !inside.is_empty() && fits(inside))
    })
}

fn is_number(inside: &[u8]) -> bool {
    inside.iter().all(u8::is_ascii_digit)
}

/// A name of a variable.
fn is_name(inside: &[u8]) -> bool {
    inside
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'))
        && inside.iter().any(u8::is_ascii_alphabetic)
}

/// What a template engine may find between its brackets.
fn is_expression(inside: &[u8]) -> bool {
    inside
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || b" _-.:?!+/|\"'()[],=$@\\#&<>*~%".contains(b))
        && balanced(inside)
        && inside
            .trim_ascii_start()
            .first()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b"._$\"'!@#-(=".contains(b))
}

/// Tells whether brackets inside close in order.
fn balanced(inside: &[u8]) -> bool {
    let mut depth = 0_i32;
    for byte in inside {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// Words for a reader.
fn is_label(inside: &[u8]) -> bool {
    inside
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || b" _-.:,/'|()*\"".contains(b) || *b >= 0x80)
}

fn is_long_label(inside: &[u8]) -> bool {
    inside.len() >= 3 && is_label(inside) && inside.iter().any(u8::is_ascii_alphabetic)
}

/// Tells whether the value is a variable of an app template: `$$cap_db_password`.
fn is_doubled(value: &[u8]) -> bool {
    value.strip_prefix(b"$$").is_some_and(|name| {
        name.contains(&b'_')
            && name
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
            && name.first().is_some_and(u8::is_ascii_alphabetic)
            && !super::values::is_random(name, 16)
    })
}

/// Tells whether the value is shell variables alone: `$NAME`, `$1`, `$A$B`, `$A-$B`; a name that looks random is none, but
/// part of a hash (`$apr1$...`).
fn is_variable(value: &[u8]) -> bool {
    let Some(rest) = value.strip_prefix(b"$") else {
        return false;
    };
    rest.split(|b| *b == b'$').all(|part| {
        let part = part.trim_ascii();
        let name = part
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || b"_.[]'\"->:/@+=%,".contains(b))
            .count();
        let word = part
            .first()
            .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
        let position = part.len() == 1
            && part
                .iter()
                .all(|b| b.is_ascii_digit() || b"@*#?".contains(b));
        (word || position)
            && part.len() - name.min(part.len()) <= 2
            && (part.len() < 20 || !super::values::is_random(part, 16))
    })
}

/// Tells whether the value is a format string: `%s`, `Bearer %v`, `{}`, `{0}`, `%@`.
fn is_format(value: &[u8]) -> bool {
    let verb = |at: usize| {
        let before = at.checked_sub(1).and_then(|i| value.get(i));
        let after = value.get(at + 2);
        matches!(
            value.get(at + 1),
            Some(b's' | b'v' | b'd' | b'@' | b'q' | b'r' | b'x')
        ) && before.is_none_or(|b| !b.is_ascii_alphanumeric())
            && after.is_none_or(|b| !b.is_ascii_alphanumeric())
    };
    memchr::memchr_iter(b'%', value).any(verb)
        || value == b"{}"
        || memchr::memmem::find(value, b"{}")
            .is_some_and(|_| value.len() < 24 && !super::values::is_random(value, 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_counts_bits_per_byte() {
        assert!((entropy(b"abcdabcd") - 2.0).abs() < 1e-12);
        assert!(entropy(b"aaaa").abs() < 1e-12);
        assert!(entropy(b"").abs() < 1e-12);
    }

    #[test]
    fn templates_and_masks_are_placeholders() {
        for value in [
            "${TOKEN}",
            "$TOKEN",
            "$1",
            "$A$B",
            "%PASSWORD%",
            "{{ .Values.token }}",
            "{{secret}}",
            "<your token>",
            "<API_KEY>",
            "@token@",
            "__TOKEN__",
            "%s",
            "Bearer %v",
            "your-api-key",
            "changeme",
            "xxxx-xxxx",
            "********",
            "aaaaaaaaaaaa",
            "1234567890",
            "abcdefghijkl",
            "qwertyuiop",
            "#{ENV['X']}",
            "$(cat /run/secret)",
            "${{ secrets.TOKEN }}",
            "AKIAIOSFODNN7EXAMPLE",
            "[REDACTED]",
            "((db-password))",
            "ENC[AES256_GCM,data:x]",
            "abc123abc123abc123",
            "$_POST['x']",
            "prefix-${X}",
            "{password}",
            "deadbeefdeadbeefdeadbeef",
            "<%= secret %>",
            "$$cap_db_password",
            "$$cap_pg-pass",
            "{{=it.password}}",
            "@{store:db_password}",
        ] {
            assert!(is_placeholder(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn random_values_with_words_or_brackets_inside_are_not() {
        for value in [
            "h8Fq2false0Zx",
            "Qtrue9LmWp2",
            "nullK82hsPq0",
            "xK9test7fPq2",
            "m{{h}o)p${e]nob(ody[finds>-_$#x}}",
            "P@ssw0rd$1",
            "a%sK9x2",
            "hunter2",
            "16c51af7dd",
            "s3cr3t<9!x",
            "$2b$10$K9x2LmWp8fQzTvRs",
            "$apr1$LmWp8fQz$K9x2LmWp8fQzTvRsJ4bHcY",
            "k&7q)3#wz@x%r_9vb(m2$(l5!t*8c)-4jn+e6^y=p1&0hd@u%f",
            "4t=4gt7)ep1hg@p^6$y7m***477xmj-bbh$z0a*3v9ou5qno54",
        ] {
            assert!(!is_placeholder(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn rows_of_keys_with_digits_are_lazy() {
        assert!(is_lazy(b"abcd1234") && is_lazy(b"qwerty123"));
        assert!(is_lazy(b"Qwerty123!") && is_lazy(b"Asdfgh1!"));
        assert!(!is_lazy(b"abc123") && !is_lazy(b"abcdefgh") && !is_lazy(b"test1234"));
        assert!(!is_lazy(b"abcdefgh!") && !is_lazy(b"abcd1234-x"));
    }

    #[test]
    fn the_first_bytes_of_a_long_value_tell() {
        let long = b"password=".repeat(120_000);
        let start = std::time::Instant::now();
        for _ in 0..100 {
            assert!(is_degenerate(&long));
        }
        assert!(start.elapsed().as_secs() < 5);
        assert!(is_periodic(b"ab-ab-ab-ab-ab-ax-ab-ab") && !is_periodic(b"k2Zx8FhP0sTq9LmWab"));
    }

    #[test]
    fn vendor_tokens_are_dropped_only_when_plainly_made_up() {
        assert!(is_degenerate(b"ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
        assert!(is_degenerate(b"ghp_abcdefghijklmnopqrstuvwxyz0123456789"));
        assert!(is_degenerate(b"sk_live_xxxxxxxxxxxxxxxxxxxxxxxx"));
        assert!(!is_degenerate(b"ghp_h8Fq2ZxP0sTq9LmWtestK4vB7nR1cY6dJ3gX"));
    }
}
