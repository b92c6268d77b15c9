//! Every object once, and nothing done with it: the time below which no scan of a history can be. For measuring.
//!
//! The same walk as a scan's, with the same limits, so that the two can be compared.

use std::{
    io::{self, Read},
    sync::atomic::AtomicBool,
};

use super::{
    super::{
        Quiet,
        repo::{Kind, Repository},
    },
    HistoryOptions,
    catalog::Catalog,
    walk::{Choice, Object, Visitor, Walk},
};
use crate::model::ObjectId;

/// What [`decode_all`] went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Objects that were decoded.
    pub objects: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// Objects that could not be decoded. If there are any, the time that was taken says little.
    pub lost: u64,
}

/// Decodes every object of some kinds, as [`super::History`] does when it is read, and only counts. Of `options` the limits
/// count. Takes the time of a scan that finds nothing to look at.
#[must_use]
pub fn decode_all(
    repository: &Repository,
    options: &HistoryOptions,
    kinds: &[Kind],
    threads: usize,
) -> Decoded {
    let store = repository.store();
    let catalog = Catalog::new(store);
    let stop = AtomicBool::new(false);
    let walk = Walk {
        store,
        catalog: &catalog,
        kinds,
        choice: Choice::Check,
        max_whole: options.sizes.whole as u64,
        max_delta: options.max_delta,
        stop: &stop,
    };
    let walked = walk.run(threads, &Quiet, Decoded::default, |counts| counts);
    let mut all = Decoded {
        lost: walked.lost.len() as u64,
        ..Decoded::default()
    };
    for part in walked.outputs {
        all.objects += part.objects;
        all.bytes += part.bytes;
    }
    all
}

impl Visitor for Decoded {
    type Kept = ();

    fn object(&mut self, object: &Object<'_>, _: Option<&()>) {
        self.objects += 1;
        self.bytes += object.bytes.len() as u64;
    }

    fn large(&mut self, _: ObjectId, _: u64, reader: &mut dyn Read) -> io::Result<u64> {
        let read = io::copy(reader, &mut io::sink())?;
        self.objects += 1;
        self.bytes += read;
        Ok(read)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::{
        super::{super::repo::fixture::Fixture, tests::sample},
        *,
    };

    const ALL: [Kind; 4] = [Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag];

    /// What git says there is of some kinds.
    fn listed(fixture: &Fixture, kinds: &[Kind]) -> Decoded {
        let mut listed = Decoded::default();
        for line in fixture.all_objects() {
            let words: Vec<&str> = line.split(' ').collect();
            if kinds.iter().any(|kind| kind.as_str() == words[1]) {
                listed.objects += 1;
                listed.bytes += words[2].parse::<u64>().unwrap();
            }
        }
        listed
    }

    fn decoded(fixture: &Fixture, kinds: &[Kind], threads: usize) -> Decoded {
        decode_all(&fixture.open(), &HistoryOptions::default(), kinds, threads)
    }

    #[test]
    fn counts_what_git_lists() {
        let fixture = sample(&[]);
        fixture.git(&["repack", "-adfq", "--depth=50"]);
        fixture.write("loose", "not in the pack\n");
        fixture.commit("loose");
        for kinds in [&ALL[..], &[Kind::Blob], &[Kind::Commit, Kind::Tag]] {
            let listed = listed(&fixture, kinds);
            assert!(listed.objects > 0);
            assert_eq!(decoded(&fixture, kinds, 1), listed);
            assert_eq!(decoded(&fixture, kinds, 3), listed);
        }
    }

    #[test]
    fn counts_large_blobs_without_holding_them() {
        let fixture = Fixture::new();
        fixture.write("large", "0123456789abcde\n".repeat(1 << 16));
        fixture.commit("large");
        let mut options = HistoryOptions::default();
        options.sizes.whole = 1 << 10;
        let listed = listed(&fixture, &[Kind::Blob]);
        assert_eq!(
            decode_all(&fixture.open(), &options, &[Kind::Blob], 1),
            listed
        );
    }

    #[test]
    fn counts_what_is_damaged_as_lost() {
        let fixture = Fixture::new();
        fixture.write("a", "one\n");
        fixture.commit("one");
        let id = fixture.id("HEAD:a").to_string();
        let file = fixture
            .path()
            .join(".git/objects")
            .join(&id[..2])
            .join(&id[2..]);
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, "damaged").unwrap();
        let counts = decoded(&fixture, &[Kind::Blob], 1);
        assert_eq!((counts.objects, counts.lost), (0, 1));
    }
}
