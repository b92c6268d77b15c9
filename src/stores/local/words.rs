//! What a bare word of YAML is to sops: its YAML library (go.yaml.in/yaml/v3, resolve.go) decides on text, number, truth value or
//! time, and the MAC is made of the value and not of the word.

use super::{sealed::Kind, tree::Scalar, trouble::Trouble};

/// The value of a scalar that is not sealed. Matched without `_`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `null`: sops walks past it.
    Null,
    /// Text; the bytes are the scalar's own.
    Text,
    /// Anything else, as the bytes that the MAC is made of.
    Other(Kind, Vec<u8>),
}

/// Returns the value of a scalar.
pub(super) fn word(scalar: &Scalar) -> Result<Word, Trouble> {
    match scalar.tag.as_deref() {
        None => {}
        Some("str" | "!str") => return Ok(Word::Text),
        Some(_) => {
            return Err(Trouble::beyond(
                "a value carries a tag, which sops does not write",
            ));
        }
    }
    if !scalar.plain {
        return Ok(Word::Text);
    }
    Ok(match scalar.text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Word::Null,
        "true" | "True" | "TRUE" => Word::Other(Kind::Bool, b"True".to_vec()),
        "false" | "False" | "FALSE" => Word::Other(Kind::Bool, b"False".to_vec()),
        ".nan" | ".NaN" | ".NAN" => Word::Other(Kind::Float, b"NaN".to_vec()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            Word::Other(Kind::Float, b"+Inf".to_vec())
        }
        "-.inf" | "-.Inf" | "-.INF" => Word::Other(Kind::Float, b"-Inf".to_vec()),
        text => number(text).or_else(|| time(text)).unwrap_or(Word::Text),
    })
}

/// Reads integers in all bases of Go's `ParseInt` with base 0, then decimal fractions.
fn number(text: &str) -> Option<Word> {
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let bare = text.replace('_', "");
    if let Some(value) = integer(&bare) {
        return Some(Word::Other(Kind::Int, value.to_string().into_bytes()));
    }
    if !is_fraction(&bare) {
        return None;
    }
    let value: f64 = bare.parse().ok()?;
    // Rust prints the shortest decimal digits without an exponent: what `FormatFloat(v, 'f', -1, 64)` does.
    value
        .is_finite()
        .then(|| Word::Other(Kind::Float, value.to_string().into_bytes()))
}

fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", text.get(1..)?),
        b'+' => ("", text.get(1..)?),
        _ => ("", text),
    };
    let lower = digits.to_ascii_lowercase();
    let (base, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, lower.get(1..)?)
    } else {
        (10, lower.as_str())
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), base).ok()
}

/// `yamlStyleFloat` of resolve.go: `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`.
fn is_fraction(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (rest.get(..at), rest.get(at + 1..)),
        None => (Some(rest), None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let good_exponent = exponent
        .is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)));
    let good_mantissa = mantissa.is_some_and(|mantissa| match mantissa.split_once('.') {
        None => digits(mantissa),
        Some(("", after)) => digits(after),
        Some((before, after)) => digits(before) && (after.is_empty() || digits(after)),
    });
    good_exponent && good_mantissa
}

/// Reads dates and times in the forms that sops writes them: RFC 3339, and a date alone at midnight.
fn time(text: &str) -> Option<Word> {
    let bytes = text.as_bytes();
    let year = bytes.get(..5)?;
    if !(year.iter().take(4).all(u8::is_ascii_digit) && year.last() == Some(&b'-')) {
        return None;
    }
    let canonical = if bytes.len() == 10 {
        let date: jiff::civil::Date = text.parse().ok()?;
        format!("{date}T00:00:00Z")
    } else {
        // Checked as a time, kept as written: an offset is part of what sops signs.
        let _: jiff::Timestamp = text.parse().ok()?;
        text.replacen(' ', "T", 1)
    };
    Some(Word::Other(Kind::Time, canonical.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str) -> Word {
        word(&Scalar {
            text: text.to_owned(),
            span: 0..0,
            plain: true,
            tag: None,
        })
        .unwrap()
    }

    #[test]
    fn words_have_the_types_that_sops_gives_them() {
        for (text, kind, bytes) in [
            ("1", Kind::Int, "1"),
            ("+1", Kind::Int, "1"),
            ("-0x1F", Kind::Int, "-31"),
            ("0o17", Kind::Int, "15"),
            ("017", Kind::Int, "15"),
            ("1_000", Kind::Int, "1000"),
            ("1e+21", Kind::Float, "1000000000000000000000"),
            ("1.50", Kind::Float, "1.5"),
            (".5", Kind::Float, "0.5"),
            ("True", Kind::Bool, "True"),
            ("2024-01-02", Kind::Time, "2024-01-02T00:00:00Z"),
            ("2024-01-02T10:00:00Z", Kind::Time, "2024-01-02T10:00:00Z"),
        ] {
            assert_eq!(
                bare(text),
                Word::Other(kind, bytes.as_bytes().to_vec()),
                "{text}"
            );
        }
        for text in [
            "yes",
            "on",
            "1x",
            "0x",
            "--1",
            "e5",
            "1.2.3",
            "2024-13-45",
            "ENC[]",
        ] {
            assert_eq!(bare(text), Word::Text, "{text}");
        }
        assert_eq!(bare("~"), Word::Null);
    }
}
