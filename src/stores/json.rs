//! A reader of JSON that copies nothing: answers of stores hold values, and strings of a common parser stay in memory.
//!
//! Promises: the text is checked as a whole before anything is lent from it (RFC 8259, at most [`MAX_DEPTH`] levels deep); strings
//! are lent from the text itself, or, if they have escapes, from a buffer that is wiped; no error quotes the text.

use std::{collections::BTreeMap, fmt, ops::Deref};

use zeroize::Zeroizing;

/// Most arrays and objects inside of one another; serde_json has the same bound.
pub const MAX_DEPTH: usize = 127;

/// The text is no JSON, or nested too deeply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no JSON")]
pub struct Malformed;

/// One value, as its text. Nothing is decoded before it is asked for.
#[derive(Clone, Copy)]
pub struct Json<'b>(&'b str);

impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.0.len())
    }
}

/// A decoded string.
pub enum Text<'b> {
    /// It has no escapes: this is the text itself.
    Plain(&'b str),
    /// Decoded; wiped when dropped.
    Decoded(Zeroizing<String>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Decoded(text) => text,
        }
    }
}

impl<'b> Json<'b> {
    /// Checks a text.
    ///
    /// # Errors
    /// [`Malformed`]; it says no more, for the text may hold values.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
        let mut scan = Scan { text, at: 0 };
        scan.space();
        let start = scan.at;
        scan.value(0)?;
        let value = text.get(start..scan.at).ok_or(Malformed)?;
        scan.space();
        if scan.at == text.len() {
            Ok(Self(value))
        } else {
            Err(Malformed)
        }
    }

    /// Returns the value's own text, without space around it.
    #[must_use]
    pub const fn text(self) -> &'b str {
        self.0
    }

    /// Tells whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// Returns a boolean.
    #[must_use]
    pub fn boolean(self) -> Option<bool> {
        self.0.parse().ok()
    }

    /// Returns a whole number.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// Returns a string, decoded.
    #[must_use]
    pub fn string(self) -> Option<Text<'b>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(decode(inner))
    }

    /// Returns a string as an own text; for what is no value of a secret.
    #[must_use]
    pub fn name(self) -> Option<String> {
        self.string().map(|text| text.to_owned())
    }

    /// Returns the members of an object in their order; none for other values.
    #[must_use]
    pub fn members(self) -> Members<'b> {
        Members(Scan::inside(self.0, '{'))
    }

    /// Returns the items of an array in their order; none for other values.
    #[must_use]
    pub fn items(self) -> Items<'b> {
        Items(Scan::inside(self.0, '['))
    }

    /// Returns a member of an object, the last of that name.
    #[must_use]
    pub fn member(self, name: &str) -> Option<Self> {
        let named = self.members().filter(|(own, _)| &**own == name);
        named.last().map(|(_, value)| value)
    }

    /// Returns the member of a member, and so on.
    #[must_use]
    pub fn at(self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self, |value, name| value.member(name))
    }

    /// Returns the members of an object, the last of each name.
    fn by_name(self) -> BTreeMap<String, Self> {
        let members = self.members();
        members
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// Tells whether two values are the same, however they are written; of members with one name the last counts, as [`Self::member`] has it.
    #[must_use]
    pub fn is_same(self, other: Json<'_>) -> bool {
        match self.0.as_bytes().first() {
            Some(b'"') => {
                matches!((self.string(), other.string()), (Some(a), Some(b)) if *a == *b)
            }
            Some(b'[') => {
                other.0.starts_with('[')
                    && self.items().count() == other.items().count()
                    && self.items().zip(other.items()).all(|(a, b)| a.is_same(b))
            }
            Some(b'{') => {
                let (own, others) = (self.by_name(), other.by_name());
                other.0.starts_with('{')
                    && own.len() == others.len()
                    && own
                        .iter()
                        .zip(&others)
                        .all(|((a, one), (b, two))| a == b && one.is_same(*two))
            }
            _ => self.0 == other.0,
        }
    }
}

/// The members of an object.
pub struct Members<'b>(Option<Scan<'b>>);

impl<'b> Iterator for Members<'b> {
    type Item = (Text<'b>, Json<'b>);

    fn next(&mut self) -> Option<Self::Item> {
        let scan = self.0.as_mut()?;
        scan.skip(b',');
        let name = scan.slice(Scan::string)?;
        scan.skip(b':');
        let value = scan.slice(|scan| scan.value(0))?;
        Some((name.string()?, value))
    }
}

/// The items of an array.
pub struct Items<'b>(Option<Scan<'b>>);

impl<'b> Iterator for Items<'b> {
    type Item = Json<'b>;

    fn next(&mut self) -> Option<Self::Item> {
        let scan = self.0.as_mut()?;
        scan.skip(b',');
        scan.slice(|scan| scan.value(0))
    }
}

/// A place in a text.
struct Scan<'b> {
    text: &'b str,
    at: usize,
}

impl<'b> Scan<'b> {
    /// Goes into an object or array that was checked.
    fn inside(text: &'b str, open: char) -> Option<Self> {
        text.starts_with(open).then_some(Self { text, at: 1 })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Passes a separator, if it is there, and the space around it.
    fn skip(&mut self, byte: u8) {
        self.space();
        if self.peek() == Some(byte) {
            self.at += 1;
        }
        self.space();
    }

    fn slice(&mut self, pass: impl Fn(&mut Self) -> Result<(), Malformed>) -> Option<Json<'b>> {
        let start = self.at;
        pass(self).ok()?;
        self.text.get(start..self.at).map(Json)
    }

    fn value(&mut self, depth: usize) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{') => self.several(depth, b'}', |scan| {
                scan.string()?;
                scan.space();
                if scan.next() != Some(b':') {
                    return Err(Malformed);
                }
                scan.space();
                scan.value(depth + 1)
            }),
            Some(b'[') => self.several(depth, b']', |scan| scan.value(depth + 1)),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.number(),
        }
    }

    fn several(
        &mut self,
        depth: usize,
        close: u8,
        one: impl Fn(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        if depth >= MAX_DEPTH {
            return Err(Malformed);
        }
        self.at += 1;
        self.space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            one(self)?;
            self.space();
            match self.next() {
                Some(b',') => self.space(),
                Some(byte) if byte == close => return Ok(()),
                _ => return Err(Malformed),
            }
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Malformed> {
        let rest = self.text.get(self.at..).ok_or(Malformed)?;
        if !rest.starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(Malformed)
        } else {
            Ok(())
        }
    }

    fn number(&mut self) -> Result<(), Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Malformed> {
        if self.next() != Some(b'"') {
            return Err(Malformed);
        }
        loop {
            match self.next().ok_or(Malformed)? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                0..=0x1f => return Err(Malformed),
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        match self.next().ok_or(Malformed)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex()? {
                0xd800..=0xdbff => {
                    self.word("\\u")?;
                    match self.hex()? {
                        0xdc00..=0xdfff => Ok(()),
                        _ => Err(Malformed),
                    }
                }
                0xdc00..=0xdfff => Err(Malformed),
                _ => Ok(()),
            },
            _ => Err(Malformed),
        }
    }

    fn hex(&mut self) -> Result<u32, Malformed> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(Malformed)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Malformed);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| Malformed)
    }
}

/// Decodes the inside of a string that was checked.
fn decode(inner: &str) -> Text<'_> {
    if !inner.contains('\\') {
        return Text::Plain(inner);
    }
    // An escape is never shorter than what it stands for: this never grows.
    let mut text = Zeroizing::new(String::with_capacity(inner.len()));
    let mut rest = inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut scan = Scan {
            text: escaped,
            at: 0,
        };
        text.push(match scan.next() {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => unit(&mut scan),
            Some(byte) => char::from(byte),
            None => char::REPLACEMENT_CHARACTER,
        });
        rest = escaped.get(scan.at..).unwrap_or_default();
    }
    text.push_str(rest);
    Text::Decoded(text)
}

fn unit(scan: &mut Scan<'_>) -> char {
    let mut code = scan.hex().unwrap_or_default();
    if (0xd800..0xdc00).contains(&code) {
        scan.at += 2;
        let low = scan.hex().unwrap_or_default();
        code = 0x1_0000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
    }
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::stores::buffer::Buffer;

    fn own(json: Json<'_>) -> Value {
        let text = json.text();
        match text.as_bytes().first() {
            Some(b'"') => Value::String(json.name().expect("a string")),
            Some(b'[') => Value::Array(json.items().map(own).collect()),
            Some(b'{') => Value::Object(
                json.members()
                    .map(|(name, value)| (name.to_owned(), own(value)))
                    .collect(),
            ),
            _ => serde_json::from_str(text).expect("a word or a number"),
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
            any::<String>().prop_map(Value::from),
            "[\"\\\\/\u{0}-\u{1f}😀é ]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn the_last_member_of_a_name_counts() {
        let json = |text: &'static str| Json::parse(text.as_bytes()).unwrap();
        let twice = json(r#"{"a": 1, "b": [2], "a": "x"}"#);
        assert!(twice.is_same(twice));
        assert!(twice.is_same(json(r#"{"a": "x", "b": [2]}"#)));
        assert!(!twice.is_same(json(r#"{"a": 1, "b": [2]}"#)));
        assert!(!twice.is_same(json(r#"{"a": "x"}"#)));
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_reads(value in values(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.expect("it can be written");
            let json = Json::parse(text.as_bytes()).expect("it is JSON");
            prop_assert_eq!(own(json), value);
            prop_assert!(json.is_same(json));
        }

        #[test]
        fn refuses_what_serde_json_refuses(value in values(), at in any::<prop::sample::Index>(), bytes in "[\\[\\]{}\",:0-9eE.+\\\\udDnat -]{0,4}", cut in 0..4_usize) {
            let mut text = serde_json::to_vec(&value).expect("it can be written");
            let at = at.index(text.len());
            let end = text.len().min(at + cut);
            text.splice(at..end, bytes.bytes());
            let serde = serde_json::from_slice::<Value>(&text);
            let ours = Json::parse(&text);
            match &serde {
                Ok(value) => prop_assert_eq!(&own(ours.expect("serde_json reads it")), value),
                // We have no floating-point numbers to overflow.
                Err(error) => prop_assert!(ours.is_err() || error.to_string().contains("out of range")),
            }
        }

        #[test]
        fn reads_strings_that_it_wrote(text in any::<String>()) {
            let mut out = Buffer::default();
            out.push_json_string(&text);
            prop_assert_eq!(Json::parse(out.bytes()).expect("it is JSON").name(), Some(text));
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Json::parse(&bytes);
        }
    }

    #[test]
    fn bounds_how_deep_it_goes() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Json::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(Json::parse(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        assert!(Json::parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn finds_members_of_members_and_the_last_of_equal_ones() {
        let json = Json::parse(br#" {"a": {"b\u0063": [1, 2]}, "x": 1, "x": 2} "#).expect("JSON");
        assert_eq!(json.at(&["a", "bc"]).map(Json::text), Some("[1, 2]"));
        assert_eq!(json.member("x").and_then(Json::integer), Some(2));
        assert!(json.at(&["a", "c"]).is_none());
    }

    #[test]
    fn sees_the_same_in_other_clothes() {
        let one = Json::parse(br#"{"a":"<&>","b":[1,{"c":null}]}"#).expect("JSON");
        let other =
            Json::parse(br#"{ "b": [1, {"c": null}], "a": "\u003c\u0026\u003e" }"#).expect("JSON");
        let third = Json::parse(br#"{"a":"<&>","b":[1,{"c":0}]}"#).expect("JSON");
        assert!(one.is_same(other));
        assert!(!one.is_same(third));
    }

    #[test]
    fn debug_shows_no_value() {
        let json = Json::parse(br#""made-up""#).expect("JSON");
        assert_eq!(format!("{json:?}"), "Json(9 bytes)");
    }
}
