//! The configuration of a range, read out of the object store: what is checked out may be the very change that is looked at.

use std::{io, path::Path};

use crate::{
    config::{self, Committed, ConfigError, Ranged, Trust},
    model::ObjectId,
    sources::{
        history::Range,
        repo::{Absent, Repository, RootEntry},
    },
};

use super::{args, error::CliError};

/// Returns what counts in a range of the repository at `path`.
pub(super) fn gather(
    args: &args::Common,
    path: &Path,
    range: &str,
    trust: Trust,
) -> Result<Ranged, CliError> {
    let repository = Repository::open(path)?;
    let (base, head) = Range::ends(&repository, range)?;
    let at = |id| Commit {
        repository: &repository,
        id,
    };
    // Who trusts what the range brings means its configuration.
    let base = if args.trust_config { head } else { base };
    Ok(config::ranged(
        &at(base),
        &at(head),
        args.config.as_deref(),
        args.baseline.as_deref(),
        trust,
    )?)
}

struct Commit<'r> {
    repository: &'r Repository,
    id: ObjectId,
}

impl Committed for Commit<'_> {
    fn name(&self) -> String {
        let mut name = self.id.to_string();
        name.truncate(12);
        name
    }

    fn read(&self, file: &str, shown: &Path, limit: u64) -> Result<Option<Vec<u8>>, ConfigError> {
        let path = || shown.to_owned();
        let broken = |what: &str| ConfigError::Read {
            path: path(),
            source: io::Error::other(what.to_owned()),
        };
        match self.repository.root_entry(&self.id, file.as_bytes(), limit) {
            Ok(RootEntry::Nothing) => Ok(None),
            Ok(RootEntry::File(bytes)) => Ok(Some(bytes)),
            Ok(RootEntry::Link) => Err(ConfigError::Symlink { path: path() }),
            Ok(RootEntry::Other) => Err(ConfigError::NotAFile { path: path() }),
            Err(Absent::Missing) => Err(ConfigError::NotFetched { path: path() }),
            Err(Absent::TooLarge(_)) => Err(ConfigError::TooLarge {
                path: path(),
                limit,
            }),
            Err(Absent::Damaged(what)) => Err(broken(what)),
        }
    }
}
