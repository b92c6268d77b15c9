//! Texts that are not UTF-8: UTF-16, as Windows' tools write it, with a byte order mark or without, and older encodings of one byte a letter.
//!
//! Promise: whatever is told of the text that lints get points at the right bytes of the file.

use std::{borrow::Cow, ops::Range};

use super::read::Reading;

/// Returns a text of the same length in which every byte that is not UTF-8 is a letter: comments and names in older encodings must not
/// hide the rest of a file. `None` if it is no text at all.
#[must_use]
pub fn patched(bytes: &[u8]) -> Option<Cow<'_, str>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Cow::Borrowed(text));
    }
    if memchr::memchr(0, bytes).is_some() {
        return None;
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| 'x'));
    }
    Some(Cow::Owned(text))
}

/// The order of the two bytes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The low one first.
    Little,
    /// The high one first.
    Big,
}

/// Returns the order of bytes of a text in UTF-16, and the length of its byte order mark: told by the mark, else by a head in which every second
/// byte is zero and no other. `None` of all other files, those in UTF-32 among them.
#[must_use]
pub fn order(bytes: &[u8]) -> Option<(Order, usize)> {
    /// Units that are looked at, and the least that a file without a mark has.
    const HEAD: usize = 32;
    const LEAST: usize = 4;
    match bytes {
        [0xff, 0xfe, 0, 0, ..] => return None,
        [0xff, 0xfe, ..] => return Some((Order::Little, 2)),
        [0xfe, 0xff, ..] => return Some((Order::Big, 2)),
        _ => {}
    }
    let head = bytes.as_chunks::<2>().0;
    let head = head.get(..HEAD.min(head.len())).unwrap_or_default();
    if head.len() < LEAST {
        return None;
    }
    // A letter beyond Latin in the first line, and an odd byte at the end, hide nothing.
    let most = head.len() - head.len() / 4;
    let count = |is: fn(&&[u8; 2]) -> bool| head.iter().filter(is).count();
    let (low, high) = (
        count(|two| two[0] != 0 && two[1] == 0),
        count(|two| two[0] == 0 && two[1] != 0),
    );
    match (low >= most, high >= most) {
        (true, _) => Some((Order::Little, 0)),
        (_, true) => Some((Order::Big, 0)),
        _ => None,
    }
}

/// A text that the file holds as UTF-16.
pub(super) struct Wide {
    /// Its text, without the byte order mark.
    pub(super) text: String,
    /// Pairs of an offset in the text and one in the file, one a character, sorted.
    map: Vec<(u32, u32)>,
    /// Length of the file.
    length: usize,
}

impl Wide {
    /// Reads a file that is UTF-16.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (order, mark) = order(bytes)?;
        let unit: fn([u8; 2]) -> u16 = match order {
            Order::Little => u16::from_le_bytes,
            Order::Big => u16::from_be_bytes,
        };
        let units = bytes
            .as_chunks::<2>()
            .0
            .iter()
            .skip(mark / 2)
            .map(|two| unit(*two));
        let (mut text, mut map) = (String::new(), Vec::new());
        let mut at = mark;
        for one in char::decode_utf16(units) {
            let one = one.unwrap_or(char::REPLACEMENT_CHARACTER);
            let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            map.push((offset(text.len()), offset(at)));
            text.push(one);
            at += 2 * one.len_utf16();
        }
        Some(Self {
            text,
            map,
            length: bytes.len(),
        })
    }

    fn offset(&self, at: usize) -> usize {
        let next = self.map.partition_point(|(text, _)| (*text as usize) < at);
        let place = self.map.get(next).map(|(_, file)| *file as usize);
        place.unwrap_or(self.length)
    }

    /// Moves what was told of the text to the file. Edits of UTF-8 do not fit into it: there are no fixes.
    pub(super) fn moved(&self, mut reading: Reading) -> Reading {
        let file = |span: &mut Range<usize>| *span = self.offset(span.start)..self.offset(span.end);
        for fault in &mut reading.faults {
            file(&mut fault.span);
            fault.secret.iter_mut().for_each(file);
            fault.related.iter_mut().for_each(|(span, _)| file(span));
            fault.fix = None;
        }
        for fact in &mut reading.facts {
            file(&mut fact.span);
            fact.secret.iter_mut().for_each(file);
        }
        reading.values.iter_mut().for_each(file);
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{environment::Environments, read, wants},
        *,
    };
    use crate::model::{BlobPath, DigestKey};

    fn reading(path: &str, bytes: &[u8]) -> Reading {
        let blob = BlobPath::from(path);
        let kind = wants(&blob).unwrap();
        let key = DigestKey::new([7; 32]);
        read(&blob, kind, bytes, &key, &Environments::default())
    }

    fn wide(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(unit).collect()
    }

    #[test]
    fn texts_in_utf_16_are_read_and_places_are_those_of_the_file() {
        let text = "# \u{1f600} é\nDB_PASSWORD=hunter2-Zq81\n";
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes = wide(text, unit);
            let found = reading("app.properties", &bytes);
            let [fault] = found.faults.as_slice() else {
                panic!("{:?}", found.faults)
            };
            let value = wide("hunter2-Zq81", unit);
            let secret = fault.secret.clone().unwrap();
            assert_eq!(bytes[secret], value[2..]);
            assert!(found.note.is_none());
            assert!(found.facts.iter().all(|fact| fact.span.end <= bytes.len()));
        }
    }

    #[test]
    fn texts_in_utf_16_without_a_mark_are_read() {
        let text = "# é\u{4e2d}\r\nDB_PASSWORD=hunter2-Zq81\r\n";
        for unit in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes = wide(text, unit)[2..].to_vec();
            for bytes in [bytes.clone(), [&bytes[..], b"x"].concat()] {
                let found = reading("app.properties", &bytes);
                let [fault] = found.faults.as_slice() else {
                    panic!("{:?}", found.faults)
                };
                let secret = fault.secret.clone().unwrap();
                assert_eq!(bytes[secret], wide("hunter2-Zq81", unit)[2..]);
            }
        }
        for bytes in [
            &b"a\0b\0"[..],
            b"a\0\0\0b\0\0\0c\0\0\0d\0\0\0",
            b"DB_PASSWORD=x\n",
        ] {
            assert_eq!(order(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_letter_of_an_older_encoding_hides_nothing() {
        let mut bytes = b"# caf".to_vec();
        bytes.push(0xe9);
        bytes.extend(b"\nDB_PASSWORD=hunter2-Zq81\n");
        let found = reading("app.properties", &bytes);
        assert_eq!(found.faults.len(), 1);
        assert!(found.note.is_none());
    }

    #[test]
    fn what_is_no_text_is_told() {
        let found = reading(".env", b"A=\xff\0\nDB_PASSWORD=hunter2-Zq81\n");
        assert!(found.note.is_some_and(|note| note.is_gap));
    }
}
