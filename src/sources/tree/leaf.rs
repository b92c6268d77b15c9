//! What is no directory: regular files and links.

use std::{
    fs::{self, File},
    path::Path,
};

use crate::model::{BlobPath, Counter, Place, Provenance, SkipCause};

use super::super::{
    content::{self, Origin},
    share::Hands,
};

/// Reads one regular file, or what a link leads to.
pub(in crate::sources) fn file(
    path: &Path,
    follow: bool,
    blob: &BlobPath,
    hands: &mut Hands<'_, '_>,
) {
    let opened = open(path, follow).and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, mut file) = match opened {
        Ok((metadata, _)) if !metadata.is_file() => {
            let detail = "it became something else than a file";
            return hands
                .ledger
                .skip(SkipCause::Unreadable, blob.clone(), detail);
        }
        Ok(opened) => opened,
        Err(error) => return content::unreadable(hands.ledger, blob, &error),
    };
    hands.ledger.count(Counter::Files, 1);
    let origin = Origin {
        path: blob,
        provenance: Provenance {
            place: Place::File,
            object: None,
        },
        len: Some(metadata.len()),
    };
    hands
        .contents
        .read(&mut file, &origin, hands.receiver, hands.ledger);
}

/// Opens a file. Should somebody put a FIFO or a link in its place meanwhile, this neither waits nor follows.
#[cfg(unix)]
pub(super) fn open(path: &Path, follow: bool) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;
    let mut flags = OFlags::NONBLOCK;
    flags.set(OFlags::NOFOLLOW, !follow);
    fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

#[cfg(not(unix))]
pub(super) fn open(path: &Path, _follow: bool) -> std::io::Result<File> {
    File::open(path)
}

/// Reads what a link says, not what it leads to.
pub(in crate::sources) fn link(path: &Path, blob: &BlobPath, hands: &mut Hands<'_, '_>) {
    match fs::read_link(path) {
        Ok(target) => {
            let target = target.as_os_str().as_encoded_bytes();
            hands.ledger.count(Counter::Bytes, target.len() as u64);
            content::name(target, blob, Place::SymlinkTarget, hands.receiver);
        }
        Err(error) => content::unreadable(hands.ledger, blob, &error),
    }
}
