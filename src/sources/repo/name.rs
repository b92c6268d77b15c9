//! Whether an object is what its name says: the hash that git gave it.

use super::object::Kind;
use crate::model::ObjectId;

/// Hashes an object piece by piece.
pub(crate) struct Namer(gix::hash::Hasher);

impl Namer {
    /// Starts with what git puts before the content of an object of `size` bytes. `id_len` tells the hash.
    pub(crate) fn new(id_len: usize, kind: Kind, size: u64) -> Self {
        let mut hasher = gix::hash::hasher(match id_len {
            20 => gix::hash::Kind::Sha1,
            _ => gix::hash::Kind::Sha256,
        });
        hasher.update(format!("{kind} {size}\0").as_bytes());
        Self(hasher)
    }

    /// Takes the next bytes of the content.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Tells whether the content had this name. One made to collide with another has none.
    pub(crate) fn is(self, id: &ObjectId) -> bool {
        let name = self.0.try_finalize();
        name.is_ok_and(|name| name.as_bytes() == id.as_bytes())
    }
}

/// Tells whether an object's content is what its name says. Slow (a hash with collision detection), so not for every object.
pub(super) fn is_named(id: &ObjectId, kind: Kind, bytes: &[u8]) -> bool {
    let mut namer = Namer::new(id.as_bytes().len(), kind, bytes.len() as u64);
    namer.update(bytes);
    namer.is(id)
}

#[cfg(test)]
mod tests {
    use super::{super::object::parse_hex, *};

    #[test]
    fn names_are_those_that_git_gives() {
        // The empty blob and the empty tree, as git's own tests name them.
        for (kind, hex) in [
            (Kind::Blob, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
            (Kind::Tree, "4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
            (
                Kind::Blob,
                "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
            ),
        ] {
            let id = parse_hex(hex.as_bytes()).unwrap();
            assert!(is_named(&id, kind, b""));
            assert!(!is_named(&id, kind, b"x") && !is_named(&id, Kind::Commit, b""));
        }
    }
}
