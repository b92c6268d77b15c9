//! How a part of a text is written: as it is, behind escapes, references, percent signs, or in letters that stand for bytes.
//!
//! Knows nothing of where parts stand. Each codec writes what it reads, so that a value can be exchanged in place.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// Decoders that take padding or leave it: both are met in the field.
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The letters of base32 (RFC 4648 section 6).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Shortest text that is taken for hex digits or base32, bytes: shorter ones are words and numbers.
const SHORTEST_DIGITS: usize = 32;

/// The five references that XML knows by name (XML 1.0 section 4.6).
const REFERENCES: [(&[u8], u8); 5] = [
    (b"&amp;", b'&'),
    (b"&lt;", b'<'),
    (b"&gt;", b'>'),
    (b"&quot;", b'"'),
    (b"&apos;", b'\''),
];

/// How a part is written. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// As it is.
    Plain,
    /// The inside of a JSON string.
    Json,
    /// Percent signs.
    Percent,
    /// A part of a URL in which nothing had to be encoded; another value may have to be.
    Url,
    /// base64; whether its alphabet is the one for URLs, and whether it is padded.
    Base64 { url: bool, padded: bool },
    /// `\n` for line breaks, as private keys stand in one line.
    Newlines,
    /// Backslashes, as strings of JSON, JavaScript, Python, C and shells (`$'...'`) have them, outside of any such string.
    Escapes,
    /// Character references of XML and HTML.
    Xml,
    /// Hex digits of printable characters; whether letters are upper case.
    Hex { upper: bool },
    /// base32 of printable characters; whether it is padded.
    Base32 { padded: bool },
}

impl Codec {
    /// Tells whether decoding changes bytes, so that a match through it is less than exact.
    pub(super) const fn is_encoding(self) -> bool {
        match self {
            Self::Plain | Self::Json | Self::Newlines | Self::Url => false,
            Self::Percent
            | Self::Base64 { .. }
            | Self::Escapes
            | Self::Xml
            | Self::Hex { .. }
            | Self::Base32 { .. } => true,
        }
    }

    /// Tells whether letters stand for bytes, so that almost any text can be read so again and again.
    pub(super) const fn is_dense(self) -> bool {
        matches!(
            self,
            Self::Base64 { .. } | Self::Hex { .. } | Self::Base32 { .. }
        )
    }

    /// Returns what the text says; `None` if it is not written so.
    pub(super) fn decode(self, text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let decoded = match self {
            Self::Plain | Self::Url => Some(text.to_vec()),
            Self::Json => unescape(text),
            Self::Percent => percent_decode(text),
            Self::Base64 { url: true, .. } => URL_SAFE.decode(text).ok(),
            Self::Base64 { url: false, .. } => STANDARD.decode(text).ok(),
            Self::Newlines => Some(newlines(text)),
            Self::Escapes => escapes(text),
            Self::Xml => Some(references(text)),
            Self::Hex { .. } => hex_decode(text),
            Self::Base32 { .. } => base32_decode(text),
        };
        decoded.map(Zeroizing::new)
    }

    /// Returns `value` written so that [`Self::decode`] gives it back.
    pub(super) fn encode(self, value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let encoded = match self {
            Self::Plain => Some(value.to_vec()),
            Self::Json | Self::Escapes => escape(value),
            Self::Percent | Self::Url => Some(percent_encode(value)),
            Self::Base64 { url, padded } => {
                let alphabet = if url {
                    &alphabet::URL_SAFE
                } else {
                    &alphabet::STANDARD
                };
                let config = GeneralPurposeConfig::new().with_encode_padding(padded);
                Some(
                    GeneralPurpose::new(alphabet, config)
                        .encode(value)
                        .into_bytes(),
                )
            }
            Self::Newlines => Some(value.to_vec().replace_all(b"\n", b"\\n")),
            Self::Xml => Some(refer(value)),
            Self::Hex { upper } => Some(hex_encode(value, upper)),
            Self::Base32 { padded } => Some(base32_encode(value, padded)),
        };
        encoded.map(Zeroizing::new)
    }

    /// Returns how a whole text is written, outside of any format: every way that gives another text.
    pub(super) fn of_whole(text: &[u8]) -> Vec<Self> {
        let mut found = Vec::new();
        let body = text.trim_ascii_end();
        let bare = body.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
        let padding = body.len() - bare;
        let letters = body.get(..bare).unwrap_or_default();
        let fits = |extra: &[u8; 2]| {
            letters
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || extra.contains(b))
        };
        if bare >= 12 && padding <= 2 {
            let padded = padding > 0 || bare.is_multiple_of(4);
            if fits(b"+/") {
                found.push(Self::Base64 { url: false, padded });
            } else if fits(b"-_") {
                found.push(Self::Base64 { url: true, padded });
            }
        }
        let upper = text.iter().any(u8::is_ascii_uppercase);
        let mut others = vec![Self::Hex { upper }];
        let padded = padding > 0 || bare.is_multiple_of(8);
        others.push(Self::Base32 { padded });
        for (sign, codec) in [
            (b'%', Self::Percent),
            (b'&', Self::Xml),
            (b'\\', Self::Escapes),
        ] {
            // A key in one line has its own codec.
            let is_key = memchr::memmem::find(text, b"-----BEGIN").is_some();
            if text.contains(&sign) && !(is_key && codec == Self::Escapes) {
                others.push(codec);
            }
        }
        let changes = |codec: &Self| codec.decode(text).is_some_and(|told| *told != text);
        found.extend(others.into_iter().filter(changes));
        found
    }
}

trait ReplaceAll {
    fn replace_all(self, from: &[u8], to: &[u8]) -> Vec<u8>;
}

impl ReplaceAll for Vec<u8> {
    fn replace_all(self, from: &[u8], to: &[u8]) -> Vec<u8> {
        let mut out = Self::with_capacity(self.len());
        let mut last = 0;
        for at in memchr::memmem::find_iter(&self, from) {
            out.extend_from_slice(self.get(last..at).unwrap_or_default());
            out.extend_from_slice(to);
            last = at + from.len();
        }
        out.extend_from_slice(self.get(last..).unwrap_or_default());
        // The caller's bytes were a copy of a value.
        drop(Zeroizing::new(self));
        out
    }
}

/// Returns the text of a JSON string's inside.
pub(super) fn unescape(raw: &[u8]) -> Option<Vec<u8>> {
    if !raw.contains(&b'\\') {
        return Some(raw.to_vec());
    }
    let quoted = Zeroizing::new([b"\"", raw, b"\""].concat());
    serde_json::from_slice::<String>(&quoted)
        .ok()
        .map(String::into_bytes)
}

/// Returns the inside of a JSON string that says `value`; `None` if it is not UTF-8.
fn escape(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    let mut quoted = serde_json::to_vec(text).ok()?;
    quoted.pop();
    Some(quoted.split_off(1))
}

fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let digits = text
            .get(at + 1..at + 3)
            .and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(decoded) if *byte == b'%' => {
                out.push(decoded);
                at += 3;
            }
            _ if *byte == b'%' => return None,
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    Some(out)
}

/// Encodes all but the characters that a URL takes anywhere (RFC 3986 section 2.3).
fn percent_encode(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

fn newlines(text: &[u8]) -> Vec<u8> {
    text.to_vec()
        .replace_all(b"\\r", b"")
        .replace_all(b"\\n", b"\n")
}

/// Reads backslashes: `None` where one stands for nothing that the languages agree on.
fn escapes(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        if *byte != b'\\' {
            out.push(*byte);
            rest = after;
            continue;
        }
        let (letter, after) = after.split_first()?;
        rest = after;
        match letter {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'\\' | b'/' | b'"' | b'\'' | b'`' | b'$' => out.push(*letter),
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                out.push(u8::try_from(number(digits, 16)?).ok()?);
                rest = after;
            }
            b'u' => {
                let (character, after) = code_point(rest)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
            }
            _ => {
                drop(Zeroizing::new(out));
                return None;
            }
        }
    }
    Some(out)
}

/// Reads what follows `\u`: `0041`, `{41}`, or two halves of a surrogate pair (RFC 8259 section 7).
fn code_point(rest: &[u8]) -> Option<(char, &[u8])> {
    if let Some(inside) = rest.strip_prefix(b"{") {
        let end = inside.iter().position(|b| *b == b'}')?;
        let digits = inside.get(..end).filter(|digits| digits.len() <= 6)?;
        let told = char::from_u32(number(digits, 16)?)?;
        return Some((told, inside.get(end + 1..)?));
    }
    let (digits, rest) = rest.split_at_checked(4)?;
    let first = number(digits, 16)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, rest));
    }
    let (digits, rest) = rest.strip_prefix(b"\\u")?.split_at_checked(4)?;
    let second = number(digits, 16)?.checked_sub(0xdc00)?;
    let told = 0x10000 + ((first - 0xd800) << 10) + second;
    Some((char::from_u32(told)?, rest))
}

/// Returns a number of digits alone: no sign, no blank.
fn number(digits: &[u8], base: u32) -> Option<u32> {
    let is_plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_plain)?;
    u32::from_str_radix(text, base).ok()
}

/// Returns a text with its character references read; an `&` that begins none stays.
fn references(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let named = REFERENCES
            .iter()
            .find_map(|(name, told)| Some((char::from(*told), rest.strip_prefix(*name)?)));
        let Some((told, after)) = named.or_else(|| numbered(rest)) else {
            out.push(*byte);
            rest = after;
            continue;
        };
        out.extend_from_slice(told.encode_utf8(&mut [0; 4]).as_bytes());
        rest = after;
    }
    out
}

/// Reads `&#99;` or `&#x63;` (XML 1.0 section 4.1).
fn numbered(text: &[u8]) -> Option<(char, &[u8])> {
    let inside = text.strip_prefix(b"&#")?;
    let end = inside.iter().take(9).position(|b| *b == b';')?;
    let (digits, rest) = inside.split_at_checked(end)?;
    let told = match digits.strip_prefix(b"x").or(digits.strip_prefix(b"X")) {
        Some(hex) => number(hex, 16)?,
        None => number(digits, 10)?,
    };
    Some((char::from_u32(told)?, rest.get(1..)?))
}

fn refer(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for byte in value {
        match REFERENCES.iter().find(|(_, told)| told == byte) {
            Some((name, _)) => out.extend_from_slice(name),
            None => out.push(*byte),
        }
    }
    out
}

/// Tells whether bytes are what people and generators make passwords of: a hash is none.
fn is_printable(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ')
}

fn hex_decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() < SHORTEST_DIGITS || !text.len().is_multiple_of(2) {
        return None;
    }
    let bytes = text
        .chunks(2)
        .map(|two| u8::try_from(number(two, 16)?).ok());
    let bytes: Option<Vec<u8>> = bytes.collect();
    bytes.filter(|bytes| is_printable(bytes))
}

fn hex_encode(value: &[u8], upper: bool) -> Vec<u8> {
    let digits: &[u8; 16] = if upper {
        b"0123456789ABCDEF"
    } else {
        b"0123456789abcdef"
    };
    let halves = value.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    halves
        .filter_map(|half| digits.get(usize::from(half)).copied())
        .collect()
}

fn base32_decode(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
    let letters = text.get(..end)?;
    if letters.len() < SHORTEST_DIGITS || text.len() - end > 6 {
        return None;
    }
    let mut out = Vec::with_capacity(letters.len() * 5 / 8);
    let (mut held, mut bits) = (0_u32, 0_u32);
    for letter in letters {
        let five = BASE32.iter().position(|other| other == letter)?;
        held = (held << 5 | u32::try_from(five).ok()?) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    is_printable(&out).then_some(out)
}

fn base32_encode(value: &[u8], padded: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() * 8 / 5 + 8);
    for five in value.chunks(5) {
        let mut all = [0_u8; 8];
        for (place, byte) in all.iter_mut().skip(3).zip(five) {
            *place = *byte;
        }
        let number = u64::from_be_bytes(all);
        let letters = (five.len() * 8).div_ceil(5);
        for at in 0..8_u32 {
            let index = usize::try_from(number >> (35 - 5 * at) & 31).unwrap_or(0);
            match BASE32.get(index) {
                Some(letter) if usize::try_from(at).is_ok_and(|at| at < letters) => {
                    out.push(*letter);
                }
                _ if padded => out.push(b'='),
                _ => {}
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALUE: &str = "cmFW5Chj7aGr3a8cTDK3o5vU";

    fn told(codec: Codec, text: &str) -> Option<String> {
        let told = codec.decode(text.as_bytes())?;
        Some(String::from_utf8_lossy(&told).into_owned())
    }

    #[test]
    fn each_way_that_programs_read_is_found_and_read() {
        let hex = "636d46573543686a376147723361386354444b336f357655";
        let base32 = String::from_utf8(base32_encode(VALUE.as_bytes(), true)).unwrap();
        for text in [
            r"\u0063mFW5Chj7aGr3a8cTDK3o5vU",
            r"\u{63}mFW5Chj7aGr3a8cTDK3o5vU",
            r"\x63mFW5Chj7aGr3a8cTDK3o5vU",
            "&#99;&#x6D;FW5Chj7aGr3a8cTDK3o5vU",
            hex,
            &hex.to_uppercase(),
            base32.as_str(),
            base32.trim_end_matches('='),
        ] {
            let ways = Codec::of_whole(text.as_bytes());
            let all: Vec<_> = ways.iter().filter_map(|way| told(*way, text)).collect();
            assert!(all.contains(&VALUE.to_owned()), "{text}: {all:?}");
        }
        assert_eq!(
            told(Codec::Escapes, r"\ud83d\ude00\n").as_deref(),
            Some("\u{1f600}\n")
        );
        assert_eq!(
            told(Codec::Xml, "a&amp;b & &lt;&#0;").as_deref(),
            Some("a&b & <\0")
        );
        // "foobar", RFC 4648 section 10, made long enough.
        let long = told(
            Codec::Base32 { padded: true },
            "MZXW6YTBOJTG633CMFZGM33PMJQXEZTPN5RGC4Q=",
        );
        assert_eq!(long.as_deref(), Some("foobarfoobarfoobarfoobar"));
    }

    #[test]
    fn what_is_written_otherwise_stays_as_it_is() {
        for text in [
            r"C:\Users\me",
            "a & b",
            "d41d8cd98f00b204e9800998ecf8427e",
            r"\u12",
            r"\ud83d",
            r"\",
        ] {
            let ways = Codec::of_whole(text.as_bytes());
            let dense = |way: &Codec| matches!(way, Codec::Base64 { .. });
            assert!(ways.iter().all(dense), "{text}: {ways:?}");
        }
    }

    proptest! {
        #[test]
        fn printable_values_round_trip(text in "[ -~]{24,60}") {
            for codec in [
                Codec::Escapes,
                Codec::Xml,
                Codec::Hex { upper: false },
                Codec::Hex { upper: true },
                Codec::Base32 { padded: true },
                Codec::Base32 { padded: false },
            ] {
                let written = codec.encode(text.as_bytes()).unwrap();
                prop_assert_eq!(&*codec.decode(&written).unwrap(), text.as_bytes());
            }
        }

        #[test]
        fn hostile_bytes_do_no_harm(text in proptest::collection::vec(any::<u8>(), 0..80), more in "[&#\\\\ux{}0-9a-f;=A-Z]{0,60}") {
            for text in [text.as_slice(), more.as_bytes()] {
                for codec in [Codec::Escapes, Codec::Xml, Codec::Hex { upper: false }, Codec::Base32 { padded: false }] {
                    let _ = codec.decode(text);
                }
                let _ = Codec::of_whole(text);
            }
        }
    }
}
