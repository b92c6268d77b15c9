//! Numbers of bytes as people write them.

use std::{fmt, num::NonZeroU64};

use serde::{Deserialize, Deserializer, de};

/// A number of bytes above 0: an integer, or a text such as `"64 MiB"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size(pub(super) NonZeroU64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes above 0, such as 1048576 or \"64 MiB\"")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Size, E> {
                let size = u64::try_from(value).ok().and_then(NonZeroU64::new);
                size.map(Size)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(value), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                size(text)
                    .map(Size)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn size(text: &str) -> Option<NonZeroU64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    NonZeroU64::new(number.parse::<u64>().ok()?.checked_mul(factor)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_iec_and_si() {
        let bytes = |text| size(text).map(NonZeroU64::get);
        assert_eq!(bytes("17"), Some(17));
        assert_eq!(bytes("1 KiB"), Some(1024));
        assert_eq!(bytes("2MB"), Some(2_000_000));
        assert_eq!(bytes("3 GiB"), Some(3 << 30));
    }

    #[test]
    fn what_is_no_size_or_does_not_fit_is_none() {
        for text in [
            "",
            "0",
            "MiB",
            "1.5 MiB",
            "-1",
            "99999999999999999999",
            "18446744073709551615 KiB",
        ] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
