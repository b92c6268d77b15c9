//! What the next commit would add: the blobs of the index that HEAD does not have at their paths.
//!
//! Promises: whole blobs from the object store, whatever the work tree holds by now; both sides of a conflict; nothing is
//! written and no object is made; an index that can't be read is an error, an object that can't be read is a gap.
//! Directories that the index's cached tree shows to be equal to HEAD's are not looked at, as git does it.

mod compare;

use std::{fs::File, path::PathBuf};

use crate::model::{BlobPath, Counter, Ledger, Place, Provenance, SkipCause};

use super::{
    Excludes, Run, Sizes, Source, SourceError,
    content::{self, Origin, is_lfs_pointer},
    ignored::as_path,
    repo::{Absent, Repository},
    share::{Hands, share},
};

use compare::{Change, What};

/// The index of the repository that `path` is in.
#[derive(Clone, Debug)]
pub struct Staged {
    /// Any directory of the work tree.
    pub path: PathBuf,
    /// The index file if it is not the usual one: git names it to hooks in `GIT_INDEX_FILE`.
    pub index: Option<PathBuf>,
    /// What the user leaves out; paths are those of the repository.
    pub exclude: Excludes,
    /// Blobs larger than `unpack` are not read but a gap.
    pub sizes: Sizes,
}

impl Source for Staged {
    fn read(&self, run: &Run<'_>) -> Result<Ledger, SourceError> {
        let repository = Repository::open(&self.path)?;
        let path = self.index.clone();
        let index = repository.listing_at(&path.unwrap_or_else(|| repository.index_path()))?;
        if index.is_none() && repository.work_tree().is_none() {
            return Err(SourceError::Bare {
                path: self.path.clone(),
            });
        }
        let head = repository.head_tree()?;
        let (mut ledger, changes) = compare::changes(&repository, index, head);
        run.progress.begin("staged files", changes.len() as u64);
        // So that a clean index shows as such.
        ledger.count(Counter::Files, 0);
        ledger.merge(share(run, self.sizes, &changes, |change, hands| {
            self.one(&repository, change, hands);
        }));
        if run.stopped() {
            let detail = "not all staged files were read";
            ledger.skip(SkipCause::Interrupted, BlobPath::default(), detail);
        }
        ledger.trim();
        Ok(ledger)
    }
}

impl Staged {
    fn one(&self, repository: &Repository, change: &Change, hands: &mut Hands<'_, '_>) {
        let path = &change.path;
        if self.exclude.cover(&as_path(path), false) {
            hands
                .ledger
                .skip(SkipCause::ExcludedPath, path.clone(), "excluded");
            return;
        }
        if change.new {
            let name = path.as_bytes().rsplit(|b| *b == b'/').next();
            content::name(
                name.unwrap_or_default(),
                path,
                Place::FileName,
                hands.receiver,
            );
        }
        let (id, place) = match change.what {
            What::File(id) => (id, Place::Staged),
            What::Link(id) => (id, Place::SymlinkTarget),
            What::Name => return,
        };
        let most = self.sizes.limit.unwrap_or(self.sizes.unpack as u64);
        let bytes = match repository.find(&id, most.min(self.sizes.unpack as u64)) {
            Ok((_, bytes)) => bytes,
            Err(absent) => return skip_absent(hands.ledger, path, &absent),
        };
        hands.ledger.count(Counter::Files, 1);
        let provenance = Provenance {
            place,
            object: Some(id),
        };
        let origin = Origin {
            path,
            provenance,
            len: Some(bytes.len() as u64),
        };
        if !lfs_content(repository, &bytes, &origin, hands) {
            content::whole(&bytes, &origin, hands.receiver, hands.ledger);
        }
    }
}

/// Reads what a Git LFS pointer stands for from where its filter keeps it; false if this is no pointer or has no content.
fn lfs_content(
    repository: &Repository,
    bytes: &[u8],
    origin: &Origin<'_>,
    hands: &mut Hands<'_, '_>,
) -> bool {
    let oid = is_lfs_pointer(bytes).then(|| lfs_oid(bytes)).flatten();
    let parts = oid.and_then(|oid| Some((oid.get(..2)?, oid.get(2..4)?, oid)));
    let Some((first, second, oid)) = parts else {
        return false;
    };
    let objects = repository.common_dir().join("lfs").join("objects");
    let path = objects.join(first).join(second).join(oid);
    if !path
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_file())
    {
        return false;
    }
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let Ok((len, mut file)) = opened else {
        return false;
    };
    let origin = Origin {
        path: origin.path,
        provenance: origin.provenance.clone(),
        len: Some(len),
    };
    hands
        .contents
        .read(&mut file, &origin, hands.receiver, hands.ledger);
    true
}

/// Returns the 64 hex digits of a pointer's `oid sha256:` line.
fn lfs_oid(pointer: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(pointer).ok()?;
    let oid = text
        .lines()
        .find_map(|line| line.strip_prefix("oid sha256:"))?;
    let fits = oid.len() == 64 && oid.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    fits.then_some(oid)
}

fn skip_absent(ledger: &mut Ledger, path: &BlobPath, absent: &Absent) {
    let (cause, detail) = match absent {
        Absent::Missing => (SkipCause::MissingObject, "its object is missing".to_owned()),
        Absent::TooLarge(len) => (SkipCause::TooLarge, format!("{len} bytes")),
        Absent::Damaged(what) => (SkipCause::Unreadable, (*what).to_owned()),
    };
    ledger.skip(cause, path.clone(), detail);
}

#[cfg(test)]
mod tests;
