//! The values of all versions: one record a path, key and value.

use std::collections::{BTreeSet, HashMap};

use super::{
    super::{super::Options, Policy},
    Formats,
};
use crate::{
    model::{BlobPath, Digest, DigestKey, Ledger, ObjectId, SkipCause},
    policy::{self, FactData, FileKind, MAX_BYTES, reuse::Site},
    sources::{
        Run,
        history::{File, History},
    },
};

/// Most records of one piece of work, and of all together. One takes about 500 bytes.
const MAX_PIECE: usize = 40_000;
const MAX_ROWS: usize = 400_000;

/// A value under a path and key.
pub(super) struct Row {
    /// The file, by its number.
    pub(super) file: usize,
    /// The first and the last version that have it, by their numbers.
    pub(super) first: usize,
    pub(super) last: usize,
    /// Where it begins in the first.
    pub(super) start: u64,
    /// What is compared.
    pub(super) site: Box<Site>,
}

/// All records, by path and key.
pub(super) struct Rows {
    pub(super) files: Vec<File>,
    pub(super) rows: Vec<Row>,
}

impl Rows {
    /// Returns the path of a record.
    pub(super) fn path(&self, row: &Row) -> Option<&BlobPath> {
        self.files.get(row.file).map(|file| &file.path)
    }

    /// Returns the commit that brought a value, by its place in the order of commits.
    pub(super) fn since(&self, row: &Row) -> Option<u32> {
        self.files.get(row.file)?.versions.get(row.first)?.since
    }

    /// Returns the contents from the first to the last that have a value; those between them may lack it.
    pub(super) fn objects(&self, row: &Row) -> impl Iterator<Item = ObjectId> {
        let versions = self.files.get(row.file).map(|file| &file.versions);
        let some = versions.and_then(|versions| versions.get(row.first..=row.last));
        some.unwrap_or_default().iter().map(|one| one.object)
    }

    /// Tells whether a content is one of those.
    pub(super) fn holds(&self, row: &Row, id: &ObjectId) -> bool {
        self.objects(row).any(|object| object == *id)
    }

    /// Returns the last commits whose folders had a value anew, by their places in the order of commits.
    pub(super) fn until(&self, row: &Row) -> BTreeSet<u32> {
        let versions = self.files.get(row.file).map(|file| &file.versions);
        let some = versions.and_then(|versions| versions.get(row.first..=row.last));
        let all = some.unwrap_or_default().iter();
        all.filter_map(|one| one.until).collect()
    }

    /// Tells whether the last version of its file has a value.
    pub(super) fn is_last(&self, row: &Row) -> bool {
        let file = self.files.get(row.file);
        file.is_some_and(|file| file.versions.len() == row.last + 1)
    }

    /// Tells whether any commit has a path.
    pub(super) fn knows(&self, path: &BlobPath) -> bool {
        self.files
            .binary_search_by(|file| file.path.cmp(path))
            .is_ok()
    }
}

/// What one piece of work found: by value and key.
#[derive(Default)]
struct Piece {
    rows: HashMap<(Digest, String), Row>,
    is_full: bool,
}

impl Piece {
    /// Adds a value of a version. Versions come from the youngest on.
    fn add(&mut self, file: usize, version: usize, start: u64, site: Box<Site>) {
        let Some(value) = site.prints().map(|prints| prints.value) else {
            return;
        };
        let key = (value, site.key.clone());
        if let Some(row) = self.rows.get_mut(&key) {
            // Of several places in one version the first stands.
            if version < row.first || start < row.start {
                row.start = start;
                row.site = site;
            }
            row.first = version;
        } else if self.rows.len() < MAX_PIECE {
            self.rows.insert(
                key,
                Row {
                    file,
                    first: version,
                    last: version,
                    start,
                    site,
                },
            );
        } else {
            self.is_full = true;
        }
    }

    /// Joins the records of older and younger versions of one file.
    fn join(self, all: &mut HashMap<(usize, Digest, String), Row>) -> bool {
        let mut is_full = self.is_full;
        #[expect(
            clippy::iter_over_hash_type,
            reason = "the records are sorted afterwards"
        )]
        for ((value, key), row) in self.rows {
            let key = (row.file, value, key);
            if let Some(known) = all.get_mut(&key) {
                known.last = known.last.max(row.last);
                if row.first < known.first {
                    *known = Row {
                        last: known.last,
                        ..row
                    };
                }
            } else if all.len() < MAX_ROWS {
                all.insert(key, row);
            } else {
                is_full = true;
            }
        }
        is_full
    }
}

/// What versions are read with.
struct Reader<'r> {
    files: &'r [File],
    /// Of each file, its kind if values are read of it, and if anything is.
    kinds: Vec<[Option<FileKind>; 2]>,
    key: &'r DigestKey,
    rules: &'r Policy,
    formats: &'r Formats,
}

impl Reader<'_> {
    /// Adds the values of one version.
    fn version(&self, piece: &mut Piece, file: usize, version: usize, bytes: &[u8]) {
        let (Some(of), Some([values, any])) = (self.files.get(file), self.kinds.get(file)) else {
            return;
        };
        let environments = &self.rules.environments;
        if let Some(kind) = values {
            for fact in policy::values(&of.path, *kind, bytes, self.key, environments) {
                if let FactData::Site(site) = fact.data {
                    piece.add(file, version, fact.span.start as u64, site);
                }
            }
        }
        let object = of.versions.get(version).map(|version| version.object);
        let found = object.and_then(|object| self.formats.get(&object));
        let path = String::from_utf8_lossy(of.path.as_bytes());
        for format in found.into_iter().flatten() {
            if let Some(kind) = any {
                let (digest, length) = (format.digest, format.length);
                let site = Site::of_finding(&path, *kind, None, digest, length, environments);
                piece.add(file, version, format.start, Box::new(site));
            }
        }
    }
}

/// Reads the values of all versions, and says what could not be read.
pub(super) fn read(
    history: &History,
    options: &Options,
    rules: &Policy,
    formats: &Formats,
    run: &Run<'_>,
    ledger: &mut Ledger,
) -> Rows {
    let excluded = |path: &BlobPath| !options.exclude.is_empty() && options.exclude.matches(path);
    let wanted = |path: &BlobPath, has_format: bool| {
        let kind = match has_format {
            true => policy::wants(path),
            false => policy::keeps_values(path),
        };
        kind.is_some() && !excluded(path)
    };
    let also: BTreeSet<ObjectId> = formats.keys().copied().collect();
    let versions = history.versions(&policy::may_keep_values, &wanted, &also, run);
    let total = versions
        .files
        .iter()
        .map(|file| file.versions.len())
        .sum::<usize>();
    run.progress.begin("earlier versions", total as u64);
    let files = &versions.files;
    let reader = Reader {
        files,
        kinds: files
            .iter()
            .map(|file| [policy::keeps_values(&file.path), policy::wants(&file.path)])
            .collect(),
        key: &options.run_key,
        rules,
        formats,
    };
    let read = |piece: &mut Piece, file: usize, version: usize, bytes: &[u8]| {
        reader.version(piece, file, version, bytes);
    };
    let (pieces, unread) = history.read_versions(files, MAX_BYTES, run, &read);
    let mut all = HashMap::new();
    let mut is_full = false;
    for piece in pieces {
        is_full |= piece.join(&mut all);
    }
    let mut rows: Vec<Row> = all.into_values().collect();
    // Digests differ from run to run: their order must not show.
    rows.sort_by(|a, b| {
        (a.file, a.first, a.start, &a.site.key, a.last).cmp(&(
            b.file,
            b.first,
            b.start,
            &b.site.key,
            b.last,
        ))
    });
    tell(unread.lost + versions.missing, unread.large, ledger);
    if is_full || versions.more_paths {
        let detail = "more values of earlier versions, or paths of one content, than are compared";
        ledger.skip(SkipCause::LimitHit, BlobPath::from("<policy>"), detail);
    }
    Rows {
        files: versions.files,
        rows,
    }
}

/// Says how many versions were not read.
fn tell(lost: usize, large: usize, ledger: &mut Ledger) {
    if lost > 0 {
        let detail = format!("{lost} earlier versions of files were not read for policy");
        ledger.skip(SkipCause::LimitHit, BlobPath::from("<policy>"), &detail);
    }
    if large > 0 {
        let limit = MAX_BYTES >> 20;
        ledger.note(format!(
            "policy: {large} earlier versions of files are larger than {limit} MiB: they were not compared"
        ));
    }
}
