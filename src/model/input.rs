//! What errors may show of a file that a user wrote: near names for a misspelt one, and the text with anything that
//! could be a secret masked. Shared by rule files and configuration, which do not see each other.

/// Longest name that suggestions are made for, in bytes.
const MAX_NAME: usize = 64;
/// Shortest run of token characters that may be a secret.
const MIN_TOKEN: usize = 20;

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

/// Returns `text`, byte for byte as long, with every stretch masked that could be a secret: errors quote the lines around
/// a fault, and those may hold a key. Rule ids, keyed fingerprints and rule patterns stay readable.
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
        let mixed =
            run.bytes().any(|b| b.is_ascii_digit()) && run.bytes().any(|b| b.is_ascii_alphabetic());
        if run.len() >= MIN_TOKEN && mixed && !keyed {
            shown.extend(std::iter::repeat_n('*', run.len()));
        } else {
            shown.push_str(run);
        }
        rest = tail;
    }
    shown
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
