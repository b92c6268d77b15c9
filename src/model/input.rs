//! What errors may show of a file that a user wrote: near names for a misspelt one, and the text with anything that
//! could be a secret masked. Shared by rule files and configuration, which do not see each other.

/// Longest name that suggestions are made for, in bytes.
const MAX_NAME: usize = 64;
/// Shortest run of token characters that may be a secret.
const MIN_TOKEN: usize = 20;
/// Longest part of a name that may hold digits, as `sha256` does.
const MAX_NUMBERED_WORD: usize = 6;

/// Returns the candidate that `name` most likely means, or `None` if nothing is near.
#[must_use]
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MAX_NAME {
        return None;
    }
    let bound = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= MAX_NAME)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Returns the suggestion for serde's "unknown field `x`, expected one of `a`, `b`" (field or variant), or the list
/// itself when nothing is near; `None` for any other message.
#[must_use]
pub fn suggestion(message: &str) -> Option<String> {
    let rest = message
        .strip_prefix("unknown field `")
        .or_else(|| message.strip_prefix("unknown variant `"))?;
    // The name comes from the file and may itself hold backticks: the expected names are after the last ", expected ".
    let (name, expected) = rest.rsplit_once("`, expected ")?;
    let names: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    match closest(name, names.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if names.is_empty() => None,
        None => Some(format!("one of: {}", names.join(", "))),
    }
}

/// Returns serde's message without what it quotes: the value of a wrong type (it may be a secret under the wrong key), and
/// the list of expected names, which [`suggestion`] tells.
#[must_use]
pub fn without_values(message: &str) -> String {
    let Some((head, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    if head.starts_with("unknown ") {
        return head.to_owned();
    }
    let kind = head.split(['"', '`']).next().unwrap_or_default().trim_end();
    format!("{kind}, expected {expected}")
}

/// Returns `text`, byte for byte as long, with every stretch masked that could be a secret: errors quote the lines around
/// a fault and names out of them, and those may hold a key. Rule ids, keyed fingerprints and rule patterns stay readable.
#[must_use]
pub fn quotable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let token = rest
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || b"+/_-=".contains(b))
            .count();
        let (run, tail) = rest.split_at(if token == 0 { first.len_utf8() } else { token });
        let keyed = shown.ends_with("k1:") || shown.ends_with("c1:");
        if could_be_secret(run) && !keyed {
            shown.extend(std::iter::repeat_n('*', run.len()));
        } else {
            shown.push_str(run);
        }
        rest = tail;
    }
    shown
}

/// Tells whether a run of token characters could be a secret: long, with digits among letters, and not words with at most
/// a short number or version among them (`aws-s3-base64-url`).
fn could_be_secret(run: &str) -> bool {
    let digit = |part: &str| part.bytes().any(|b| b.is_ascii_digit());
    let is_word = |part: &str| part.len() <= MAX_NUMBERED_WORD || !digit(part);
    let mixed = digit(run) && run.bytes().any(|b| b.is_ascii_alphabetic());
    run.len() >= MIN_TOKEN && mixed && !run.split(['-', '_', '/', '=']).all(is_word)
}

/// Returns the optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(x != y))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_the_nearest_name_only() {
        let names = ["severity", "description", "source"];
        assert_eq!(closest("sevreity", names), Some("severity"));
        assert_eq!(closest("soruce", names), Some("source"));
        assert_eq!(closest("markers", names), None);
        assert_eq!(closest(&"s".repeat(5000), names), None);
    }

    #[test]
    fn reads_serdes_message_even_with_backticks_in_the_name() {
        assert_eq!(
            suggestion("unknown field `sevrity`, expected one of `id`, `severity`"),
            Some("did you mean `severity`?".to_owned())
        );
        assert_eq!(
            suggestion("unknown field `a`, expected `b`, expected `id` or `key`"),
            Some("one of: id, key".to_owned())
        );
        assert_eq!(suggestion("missing field `id`"), None);
    }

    #[test]
    fn messages_lose_the_values_they_quote() {
        for (message, plain) in [
            (
                "invalid type: string \"hunter2\", expected u32",
                "invalid type: string, expected u32",
            ),
            (
                "invalid value: integer `70000`, expected u16",
                "invalid value: integer, expected u16",
            ),
            (
                "unknown field `x`, expected `a` or `b`",
                "unknown field `x`",
            ),
            ("missing field `id`", "missing field `id`"),
        ] {
            assert_eq!(without_values(message), plain);
        }
    }

    #[test]
    fn masks_what_could_be_a_secret_and_keeps_the_length() {
        let key = "ab12".repeat(16);
        let text = format!(
            "key = \"{key}\" # ü github-personal-access-token k1:{}",
            "0a".repeat(16)
        );
        let shown = quotable(&text);
        assert_eq!(shown.len(), text.len());
        assert_eq!(shown, text.replace(&key, &"*".repeat(64)));
    }
}
