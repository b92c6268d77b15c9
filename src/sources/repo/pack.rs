//! Pack files and the headers of their entries, read at offsets (git's Documentation/gitformat-pack).
//!
//! Nothing of an index is believed without a check: it may be damaged, or made to mislead. No hash is verified: the content
//! is scanned whatever its name.

use std::path::{Path, PathBuf};

use super::{
    index::{Index, u32_at},
    io::Handle,
    object::Kind,
};
use crate::model::ObjectId;

/// Most bytes of an entry's header: 10 of type and size, then 10 of an offset or 32 of an id.
pub(crate) const MAX_HEADER: usize = 42;

/// What stands before an entry's compressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What follows.
    pub(crate) form: Form,
    /// Size of what is compressed: the object, or the delta.
    pub(crate) size: u64,
    /// Length of this header in bytes.
    pub(crate) len: usize,
}

/// How an entry is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    Whole(Kind),
    /// As a delta on the entry so many bytes before this one.
    OffsetDelta(u64),
    /// As a delta on the object of this name.
    NamedDelta(ObjectId),
}

impl Header {
    /// Reads a header from the first bytes of an entry; `None` if it is malformed.
    pub(crate) fn parse(bytes: &[u8], id_len: usize) -> Option<Self> {
        let (&first, _) = bytes.split_first()?;
        let mut size = u64::from(first & 0x0f);
        let (mut len, mut shift, mut last) = (1, 4, first);
        while last & 0x80 != 0 {
            last = *bytes.get(len)?;
            let part = u64::from(last & 0x7f);
            if shift > 63 || (part << shift) >> shift != part {
                return None;
            }
            size |= part << shift;
            shift += 7;
            len += 1;
        }
        let form = match first >> 4 & 7 {
            1 => Form::Whole(Kind::Commit),
            2 => Form::Whole(Kind::Tree),
            3 => Form::Whole(Kind::Blob),
            4 => Form::Whole(Kind::Tag),
            6 => {
                let (distance, used) = distance(bytes.get(len..)?)?;
                len += used;
                Form::OffsetDelta(distance)
            }
            7 => {
                let id = ObjectId::new(bytes.get(len..len + id_len)?)?;
                len += id_len;
                Form::NamedDelta(id)
            }
            _ => return None,
        };
        Some(Self { form, size, len })
    }
}

/// Reads the distance to an earlier entry: 7 bits a byte, most significant first, each further byte adding one.
fn distance(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        if at > 0 {
            value = value.checked_add(1)?;
        }
        if value >> 57 != 0 {
            return None;
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, at + 1)).filter(|(value, _)| *value > 0);
        }
    }
    None
}

/// One pack with its index.
pub(crate) struct Pack {
    /// The `.pack` file.
    pub(crate) data: Handle,
    /// The `.idx` file.
    pub(crate) index: Index,
}

impl Pack {
    /// Opens a pack by the paths of its `.pack` and its `.idx` file; the error is in words.
    pub(super) fn open(
        path: &Path,
        index_path: PathBuf,
        id_len: usize,
        keep: bool,
    ) -> Result<Self, String> {
        let data = Handle::open(path.to_owned(), keep)
            .map_err(|error| format!("cannot open the pack: {error}"))?;
        let head = data
            .bytes_at(0, 12)
            .map_err(|_| "the pack is shorter than its header".to_owned())?;
        let version = u32_at(&head, 4).unwrap_or(0);
        if !head.starts_with(b"PACK") || !(2..=3).contains(&version) {
            return Err("not a pack of version 2 or 3".to_owned());
        }
        if index_path.symlink_metadata().is_err() {
            return Err("the pack has no index".to_owned());
        }
        let index = Index::open(index_path, id_len, keep)?;
        let objects = u32_at(&head, 8).unwrap_or(0);
        if objects != index.len() {
            return Err(format!(
                "the index names {} objects, the pack holds {objects}",
                index.len()
            ));
        }
        Ok(Self { data, index })
    }

    /// Returns the number of bytes of an object name.
    pub(crate) const fn index_id_len(&self) -> usize {
        self.index.id_len()
    }

    /// Returns where the last entry ends: before the checksum.
    pub(crate) fn entries_end(&self) -> u64 {
        self.data.len().saturating_sub(self.index.id_len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_headers_of_all_forms() {
        let whole = Header::parse(&[0b1011_1111, 0b0000_0001], 20).unwrap();
        assert_eq!(
            (whole.form, whole.size, whole.len),
            (Form::Whole(Kind::Blob), 31, 2)
        );
        let offset = Header::parse(&[0b0110_0101, 0x80, 0x00], 20).unwrap();
        assert_eq!((offset.form, offset.len), (Form::OffsetDelta(128), 3));
        let mut named = vec![0b0111_0101];
        named.extend_from_slice(&[9; 20]);
        assert_eq!(
            Header::parse(&named, 20).unwrap().form,
            Form::NamedDelta(ObjectId::new(&[9; 20]).unwrap())
        );
        assert!(Header::parse(&named[..20], 20).is_none());
        assert!(Header::parse(&[0b0000_0000], 20).is_none());
        assert!(Header::parse(&[0b0101_0000], 20).is_none());
        assert!(
            Header::parse(&[0b0110_0101, 0], 20).is_none(),
            "a delta on itself"
        );
    }

    proptest! {
        #[test]
        fn headers_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            for id_len in [20, 32] {
                if let Some(header) = Header::parse(&bytes, id_len) {
                    prop_assert!(header.len <= bytes.len() && header.len <= MAX_HEADER);
                }
            }
        }
    }
}
