//! Whether a content is what its name says. Slow (a hash with collision detection), so not asked for every object.

use std::io::{self, Read};

use gix::{hash::Hasher, objs::encode::loose_header};

use super::super::repo::Kind;
use crate::model::ObjectId;

/// Bytes hashed at a time.
const STEP: usize = 64 << 10;

/// Tells whether an object's content is what its name says.
pub(super) fn is_named(id: &ObjectId, kind: Kind, bytes: &[u8]) -> bool {
    let mut hasher = start(id, kind, bytes.len() as u64);
    hasher.update(bytes);
    agrees(hasher, id)
}

/// Tells whether what a stream holds is what its name says; reads it to its end.
///
/// # Errors
/// Those of the stream.
pub(super) fn is_stream_named(
    id: &ObjectId,
    kind: Kind,
    size: u64,
    stream: &mut dyn Read,
) -> io::Result<bool> {
    let mut hasher = start(id, kind, size);
    let mut buffer = vec![0; STEP];
    loop {
        let n = match stream.read(&mut buffer) {
            Ok(0) => return Ok(agrees(hasher, id)),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(buffer.get(..n).unwrap_or_default());
    }
}

fn start(id: &ObjectId, kind: Kind, size: u64) -> Hasher {
    let hash = match id.as_bytes().len() {
        20 => gix::hash::Kind::Sha1,
        _ => gix::hash::Kind::Sha256,
    };
    let kind = match kind {
        Kind::Blob => gix::objs::Kind::Blob,
        Kind::Tree => gix::objs::Kind::Tree,
        Kind::Commit => gix::objs::Kind::Commit,
        Kind::Tag => gix::objs::Kind::Tag,
    };
    let mut hasher = gix::hash::hasher(hash);
    hasher.update(&loose_header(kind, size));
    hasher
}

/// A content made to collide with another agrees with no name.
fn agrees(hasher: Hasher, id: &ObjectId) -> bool {
    hasher
        .try_finalize()
        .is_ok_and(|name| name.as_bytes() == id.as_bytes())
}
