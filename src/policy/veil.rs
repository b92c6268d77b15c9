//! What must not be shown of a text that is about to be: every value that may be a secret, told by a name before it or by its looks.
//!
//! Lints say where their own value stands. Others may stand on the same line, and a diff shows lines that no lint spoke of: here more is
//! covered than any lint would tell. Promises: linear in the text; what is filled in later and what is plainly no value stays.

use std::ops::Range;

use super::{
    names::{self, Secretness},
    values::{self, Strength, Value},
};

/// Least characters of a word that is covered for its looks.
const MIN_WORD: usize = 8;

/// Longest line that is looked at word by word; a longer one is covered as a whole.
const MAX_LINE: usize = 16 << 10;

/// Returns the bytes to cover, in order; they may overlap.
#[must_use]
pub fn covered(text: &str) -> Vec<Range<usize>> {
    let mut covered = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive(['\n', '\r']) {
        let body = line.trim_end();
        if body.len() > MAX_LINE {
            covered.push(at..at + body.len());
        } else {
            named(body, at, &mut covered);
            by_looks(body, at, &mut covered);
        }
        at += line.len();
    }
    covered.sort_by_key(|range| (range.start, range.end));
    covered
}

/// Covers what follows the names of secrets: `NAME=value`, `name: value`, `--name value`.
fn named(line: &str, offset: usize, covered: &mut Vec<Range<usize>>) {
    let bytes = line.as_bytes();
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    for (sign, byte) in bytes.iter().enumerate() {
        let is_sign = matches!(byte, b'=' | b':') || (*byte == b' ' && sign > 0);
        if !is_sign {
            continue;
        }
        let head = line.get(..sign).unwrap_or_default();
        let head = head.trim_end_matches(['"', '\'', ']', ')', ' ', '\t']);
        let start = head
            .bytes()
            .rposition(|b| !is_name(b))
            .map_or(0, |before| before + 1);
        let name = head.get(start..).unwrap_or_default();
        let is_flag = name.starts_with("--");
        if name.is_empty()
            || (*byte == b' ' && !is_flag)
            || !names_secret(name.trim_start_matches('-'))
        {
            continue;
        }
        let rest = line.get(sign + 1..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start().len();
        let value = of_value(rest.get(blanks..).unwrap_or_default());
        let text = line
            .get(sign + 1 + blanks + value.start..sign + 1 + blanks + value.end)
            .unwrap_or_default();
        let is_value = match values::classify(text) {
            Value::Literal(_) | Value::Path | Value::Url | Value::Hash => true,
            Value::Plain => text.len() >= 4 && text.bytes().any(|b| b.is_ascii_digit()),
            Value::Empty
            | Value::Placeholder
            | Value::Reference(_)
            | Value::Template
            | Value::Encrypted
            | Value::Public => false,
        };
        if is_value && !matches!(values::classify(text), Value::Path | Value::Url) {
            let from = offset + sign + 1 + blanks;
            covered.push(from + value.start..from + value.end);
        }
    }
}

/// Tells whether a name is that of a secret, or of one that is public only by its first word: `NEXT_PUBLIC_API_SECRET`.
fn names_secret(name: &str) -> bool {
    let is_secret = |name: &str| names::secretness(name) >= Secretness::Weak;
    let upper = name.to_ascii_uppercase();
    let public = upper.find("PUBLIC_").map(|at| at + "PUBLIC_".len());
    is_secret(name) || public.and_then(|at| name.get(at..)).is_some_and(is_secret)
}

/// Returns where a value ends that begins a text: at its quote, else at the end of what is written in one piece.
fn of_value(rest: &str) -> Range<usize> {
    let quote = rest
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\'' | '`'));
    if let Some(quote) = quote {
        let body = rest.get(1..).unwrap_or_default();
        let end = body.find(quote).unwrap_or(body.len());
        return 1..1 + end;
    }
    // A comment ends it; blanks do not: a passphrase has some.
    let end = rest
        .find(" #")
        .or_else(|| rest.find(" //"))
        .unwrap_or(rest.len());
    0..rest.get(..end).map_or(0, |text| text.trim_end().len())
}

/// Covers words that look like values: letters and digits mixed, or a password's signs, and passwords in addresses.
fn by_looks(line: &str, offset: usize, covered: &mut Vec<Range<usize>>) {
    let ends = |c: char| c.is_whitespace() || "\"'`=,;()[]{}<>|&\\".contains(c);
    let mut at = 0;
    for word in line.split(ends) {
        let start = at;
        at += word.len();
        at += line
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
        if let Some((scheme, rest)) = word.split_once("://")
            && let Some(password) = values::userinfo(rest)
            && let Some(place) = word.rfind(password)
            && !scheme.is_empty()
        {
            covered.push(offset + start + place..offset + start + place + password.len());
            continue;
        }
        let inner = word.trim_matches([':', '.', '!', '?']);
        let has = |test: fn(&u8) -> bool| inner.bytes().any(|b| test(&b));
        let is_mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
        let is_address = inner.contains(['/', '.', '@', '$', ':']);
        if inner.chars().count() >= MIN_WORD
            && is_mixed
            && !is_address
            && matches!(
                values::classify(inner),
                Value::Literal(Strength::Named | Strength::Random)
            )
        {
            covered.push(offset + start..offset + start + word.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for range in covered(text) {
            bytes[range].fill(b'*');
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn values_are_covered_and_the_rest_stays() {
        for (text, want) in [
            (
                "NEXT_PUBLIC_API_SECRET=Lm28dkQpz0192Xv",
                "NEXT_PUBLIC_API_SECRET=***************",
            ),
            (
                "NEXT_PUBLIC_API_SECRET=correct-otter-horse",
                "NEXT_PUBLIC_API_SECRET=*******************",
            ),
            ("PUBLIC_KEY=correct-otter", "PUBLIC_KEY=correct-otter"),
            (
                "echo \"pw $DB_PASSWORD and old one: Summer-2023-pw\"",
                "echo \"pw $DB_PASSWORD and old one: **************\"",
            ),
            (
                "  password: Winter2024 # old",
                "  password: ********** # old",
            ),
            (
                "  password: correct horse battery",
                "  password: *********************",
            ),
            ("mysql --password hunter2 db", "mysql --password **********"),
            (
                "url = postgres://app:Zq81hunter@db/prod",
                "url = postgres://app:**********@db/prod",
            ),
            ("\"apiKey\": \"abcdefgh\",", "\"apiKey\": \"********\","),
            (
                "- uses: actions/checkout@v4.2.1",
                "- uses: actions/checkout@v4.2.1",
            ),
            ("runs-on: ubuntu-22.04", "runs-on: ubuntu-22.04"),
            ("TOKEN: ${{ secrets.TOKEN }}", "TOKEN: ${{ secrets.TOKEN }}"),
            ("password: {{ .Values.pw }}", "password: {{ .Values.pw }}"),
        ] {
            assert_eq!(shown(text), want);
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_lies_within(text in "[ -~é\n]{0,120}") {
            for range in covered(&text) {
                prop_assert!(text.get(range).is_some());
            }
        }
    }
}
