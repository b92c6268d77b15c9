//! One text for one value: JSON with sorted keys and no blanks, its SHA-256, and times as text.
//!
//! Promises: equal values have equal bytes, whatever features of `serde_json` other crates switch on; there are no floats.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::model::hex;

/// Returns the canonical JSON of a value: keys sorted by bytes, no blanks, integers only.
///
/// `None` for floats, and for what has no JSON form.
pub(super) fn canonical<T: Serialize>(value: &T) -> Option<String> {
    let value = serde_json::to_value(value).ok()?;
    let mut text = String::new();
    write(&value, &mut text)?;
    Some(text)
}

fn write(value: &Value, into: &mut String) -> Option<()> {
    match value {
        Value::Number(number) if number.is_f64() => return None,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            into.push_str(&serde_json::to_string(value).ok()?);
        }
        Value::Array(items) => {
            into.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    into.push(',');
                }
                write(item, into)?;
            }
            into.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| a.0.cmp(b.0));
            into.push('{');
            for (n, (name, item)) in fields.into_iter().enumerate() {
                if n > 0 {
                    into.push(',');
                }
                into.push_str(&serde_json::to_string(name).ok()?);
                into.push(':');
                write(item, into)?;
            }
            into.push('}');
        }
    }
    Some(())
}

/// Returns the SHA-256 of bytes as 64 lower-case hex digits. Never for a value: a plain hash of one falls to guessing.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Reads hex digits of `N` bytes; `None` for anything else.
pub(super) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != N * 2 {
        return None;
    }
    let mut bytes = [0_u8; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        if pair.starts_with('+') {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

/// Returns a time (Unix seconds) as RFC 3339 in UTC, as `2026-11-30T20:00:00Z`.
#[must_use]
pub fn time_text(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_string()
}

/// Reads what [`time_text`] writes, to Unix seconds.
pub(super) fn time_of(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(time.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_keys_and_refuses_floats() {
        let value = serde_json::json!({"b": [1, true, null], "a": {"z": "\u{1}", "y": -2}});
        assert_eq!(
            canonical(&value).unwrap(),
            "{\"a\":{\"y\":-2,\"z\":\"\\u0001\"},\"b\":[1,true,null]}"
        );
        assert_eq!(canonical(&serde_json::json!({"a": 1.5})), None);
    }

    #[test]
    fn times_and_digits_round_trip() {
        assert_eq!(time_text(1_795_000_000), "2026-11-18T11:06:40Z");
        assert_eq!(time_of("2026-11-18T11:06:40Z"), Some(1_795_000_000));
        assert_eq!(from_hex::<2>("a50f"), Some([0xa5, 0x0f]));
        assert_eq!(from_hex::<2>("+50f"), None);
        assert_eq!(from_hex::<2>("a5"), None);
    }
}
