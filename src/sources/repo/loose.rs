//! Loose objects: one file each, one zlib stream that starts with `kind size NUL`.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use sirocco::{Format, inflate::Reader};

use super::{
    find::Absent,
    inflate::BAD_STREAM,
    io::open_regular,
    object::{Kind, parse_hex},
};
use crate::model::ObjectId;

/// An opened loose object, its header read, its content still to come.
pub(crate) struct LooseObject {
    /// What it is.
    pub(crate) kind: Kind,
    /// Size of the content in bytes, as the header says.
    pub(crate) size: u64,
    reader: Reader<BufReader<File>>,
    /// Size of the file; the content cannot be much more than a thousand times this.
    stored: u64,
}

/// Returns where a loose object is stored below an objects directory.
pub(crate) fn path_of(dir: &Path, id: &ObjectId) -> PathBuf {
    let hex = id.to_string();
    let (head, tail) = hex.split_at(2);
    dir.join(head).join(tail)
}

impl LooseObject {
    /// Opens the object and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self, Absent> {
        let file = open_regular(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Absent::Missing,
            _ => Absent::Damaged("its file cannot be read"),
        })?;
        let stored = file.metadata().map_or(0, |meta| meta.len());
        let mut reader = Reader::new(Format::Zlib, BufReader::with_capacity(64 * 1024, file));
        let mut header = Vec::with_capacity(32);
        loop {
            let mut byte = [0];
            match reader.read(&mut byte) {
                Ok(1) if byte == [0] => break,
                Ok(1) if header.len() < 32 => header.extend_from_slice(&byte),
                Ok(_) => return Err(Absent::Damaged("its header is malformed")),
                Err(_) => return Err(Absent::Damaged(BAD_STREAM)),
            }
        }
        let (kind, size) =
            parse_header(&header).ok_or(Absent::Damaged("its header is malformed"))?;
        Ok(Self {
            kind,
            size,
            reader,
            stored,
        })
    }

    /// Reads the content into memory.
    pub(crate) fn read(mut self, max: u64) -> Result<Vec<u8>, Absent> {
        if self.size > max {
            return Err(Absent::TooLarge(self.size));
        }
        let claimed = usize::try_from(self.size.min(self.stored.saturating_mul(1032)));
        let mut out = Vec::with_capacity(claimed.unwrap_or(0));
        let read = self.by_ref().read_to_end(&mut out);
        match read {
            Ok(n) if n as u64 == self.size => Ok(out),
            Ok(_) => Err(Absent::Damaged("its size is not what its header says")),
            Err(_) => Err(Absent::Damaged(BAD_STREAM)),
        }
    }

    fn by_ref(&mut self) -> impl Read + '_ {
        // One byte more than said, so that a longer stream shows.
        (&mut self.reader).take(self.size.saturating_add(1))
    }
}

impl Read for LooseObject {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.reader.read(buffer)
    }
}

fn parse_header(header: &[u8]) -> Option<(Kind, u64)> {
    let at = header.iter().position(|b| *b == b' ')?;
    let kind = Kind::parse(header.get(..at)?)?;
    let digits = header.get(at + 1..)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((kind, std::str::from_utf8(digits).ok()?.parse().ok()?))
}

/// Returns the names of all loose objects below an objects directory, sorted. `failed` takes what could not be listed.
pub(crate) fn list(dir: &Path, id_len: usize, mut failed: impl FnMut(&Path)) -> Vec<ObjectId> {
    let mut ids = Vec::new();
    for first in 0..=255_u8 {
        let head = format!("{first:02x}");
        let sub = dir.join(&head);
        let entries = match std::fs::read_dir(&sub) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(_) => {
                failed(&sub);
                continue;
            }
        };
        for entry in entries {
            let Ok(entry) = entry else {
                failed(&sub);
                break;
            };
            // Others are leftovers of interrupted writes (`tmp_obj_...`).
            let name = entry.file_name();
            let hex = name.to_str().unwrap_or_default();
            if hex.len() == 2 * id_len - 2 {
                ids.extend(parse_hex(format!("{head}{hex}").as_bytes()));
            }
        }
    }
    ids.sort_unstable();
    ids
}

#[cfg(test)]
mod tests {
    use sirocco::deflate::Level;

    use super::*;

    fn object(content: &[u8]) -> Result<(Kind, Vec<u8>), Absent> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, content).unwrap();
        let object = LooseObject::open(file.path())?;
        Ok((object.kind, object.read(1000)?))
    }

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        sirocco::compress(Format::Zlib, Level::DEFAULT, bytes)
    }

    #[test]
    fn reads_what_is_well_formed() {
        assert_eq!(
            object(&deflated(b"blob 5\0hello")),
            Ok((Kind::Blob, b"hello".to_vec()))
        );
        assert_eq!(object(&deflated(b"tree 0\0")), Ok((Kind::Tree, Vec::new())));
    }

    #[test]
    fn says_what_is_wrong_with_the_rest() {
        for bad in [
            &b"blob 5\0hell"[..],
            b"blob 5\0hello!",
            b"blob -5\0",
            b"blob 5",
            b"lob 5\0hello",
            b"blob 99999999999999999999\0",
            &[b'a'; 100],
        ] {
            assert!(
                matches!(object(&deflated(bad)), Err(Absent::Damaged(_))),
                "{bad:?}"
            );
        }
        assert_eq!(
            object(&deflated(b"blob 1001\0")),
            Err(Absent::TooLarge(1001))
        );
        assert!(object(b"not zlib").is_err() && object(b"").is_err());
        assert!(matches!(
            LooseObject::open(Path::new("/nowhere/x")),
            Err(Absent::Missing)
        ));
    }
}
