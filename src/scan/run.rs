//! The run itself: read the sources, group, attribute, suppress, mask, sort.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use crate::{
    config::{
        PathGlobs,
        suppress::{Markers, Sighting, Suppressor},
    },
    model::{
        BlobPath, Counter, Digest, DigestKey, Finding, Ledger, ObjectId, Place, Provenance, RuleId,
        RuleMeta, SkipCause, Suppressed, SuppressionKind,
    },
    rules::RuleSet,
    sources::{
        Progress, Run, Source, SourceError, archive,
        files::Files,
        history::{Attributions, History, HistoryOptions, Range, Wanted},
        repo::{Head, Repository, parse_hex},
        staged::Staged,
        stdin::Stdin,
        tree::{Tree, TreeOptions},
    },
};

use super::{
    Mode, Report, Scope,
    collect::{self, Candidate, Group, Maker},
    layers::{Layers, Parts},
    mask,
    receiver::RawHit,
    resolve::{self, Resolved},
};

/// What to look at.
#[derive(Clone, Debug)]
pub enum Target {
    /// A directory.
    Tree {
        /// The directory.
        root: PathBuf,
        /// Its path in the repository it is part of, so that a scan of a part names files as a scan of the whole does.
        prefix: BlobPath,
    },
    /// Files and directories named one by one.
    Files {
        /// What paths in the report are relative to.
        root: PathBuf,
        /// As the user named them.
        files: Vec<PathBuf>,
    },
    /// Standard input.
    Stdin,
    /// The index against HEAD.
    Staged {
        /// A path inside the repository.
        repository: PathBuf,
        /// The index file, if git named another one than the usual (`GIT_INDEX_FILE`, as in `git commit FILE`).
        index: Option<PathBuf>,
    },
    /// Commits of a range.
    Range {
        /// A path inside the repository.
        repository: PathBuf,
        /// `A..B`.
        range: String,
    },
    /// Everything a repository holds.
    History {
        /// A path inside the repository.
        repository: PathBuf,
        /// Also what nothing leads to.
        unreachable: bool,
        /// Whether versions of files are scanned by what changed; the results are the same.
        delta: bool,
    },
}

impl Target {
    /// Returns the mode for reports.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        match self {
            Self::Tree { .. } | Self::Files { .. } => Mode::Tree,
            Self::Stdin => Mode::Stdin,
            Self::Staged { .. } => Mode::Staged,
            Self::Range { .. } => Mode::Range,
            Self::History { .. } => Mode::History,
        }
    }

    /// Returns how much of its tree or repository it is.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self {
            Self::Tree { prefix, .. } if !prefix.as_bytes().is_empty() => {
                Scope::Directory(prefix.clone())
            }
            Self::Files { .. } => Scope::Files,
            Self::Tree { .. }
            | Self::Stdin
            | Self::Staged { .. }
            | Self::Range { .. }
            | Self::History { .. } => Scope::Whole,
        }
    }

    /// Tells whether findings count to which nothing leads.
    const fn wants_unreachable(&self) -> bool {
        matches!(
            self,
            Self::History {
                unreachable: true,
                ..
            }
        )
    }
}

/// How to look. Plain data; `cli` fills it from arguments, environment and configuration.
#[derive(Clone)]
pub struct Options {
    /// All rules of the run.
    pub rules: Arc<RuleSet>,
    /// Those of them that come from a tree that is not the user's own: they may add findings, never change others.
    pub guests: BTreeSet<RuleId>,
    /// Key of this run's digests; random.
    pub run_key: DigestKey,
    /// The project's key, for fingerprints that hold the value.
    pub project_key: Option<DigestKey>,
    /// Which inline markers are read.
    pub markers: Markers,
    /// Limits of archives.
    pub archives: archive::Limits,
    /// How trees are walked.
    pub tree: TreeOptions,
    /// Paths that the user leaves out, for what is no tree (history, index).
    pub exclude: PathGlobs,
    /// Gaps that the user accepts: they stay in the ledger and do not make the run incomplete.
    pub accept: BTreeSet<SkipCause>,
    /// Facts to be told with the coverage (whose configuration counted, ...).
    pub notes: Vec<String>,
    /// At least 1.
    pub threads: usize,
}

/// Looks at `target` and returns everything that a format may write. `suppressor` decides what is set aside.
///
/// # Errors
/// If the target could not be read at all.
pub fn run(
    target: &Target,
    options: &Options,
    suppressor: &mut Suppressor,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Report, SourceError> {
    let parts = Parts::new(options);
    let collector = Layers::new(&parts, &options.rules);
    let run = Run {
        sink: &collector,
        progress,
        stop,
        threads: options.threads.max(1),
    };
    let (mut ledger, origin) = read(target, options, &run)?;
    let gathered = collector.gathered();
    ledger.merge(gathered.ledger);
    for (path, marker) in &gathered.seen_markers {
        suppressor.saw(path, marker);
    }
    let mut groups = collect::group(gathered.hits, options);
    progress.begin("attribution", 0);
    let known = origin.attribute(&mut groups, &run);
    origin.name_logs(&mut groups, &collector);
    let mut stage = Stage {
        options,
        collector: &collector,
        origin: &origin,
        maker: Maker::new(options),
        suppressor,
        findings: Vec::new(),
        suppressed: Vec::new(),
    };
    stage.decide(
        groups,
        known.as_ref(),
        target.wants_unreachable(),
        &mut ledger,
    );
    let (findings, suppressed) = (stage.findings, stage.suppressed);
    match suppressor.refused() {
        0 => {}
        1 => ledger.note("the scanned tree is not your own: 1 allow marker does not count (--trust-config accepts it)"),
        n => ledger.note(format!("the scanned tree is not your own: {n} allow markers do not count (--trust-config accepts them)")),
    }
    close(&mut ledger, options, run.stopped());
    // A run that was stopped has not met everything that could be met.
    let unused = if run.stopped() {
        Vec::new()
    } else {
        suppressor.unused()
    };
    let mut report = Report {
        mode: target.mode(),
        scope: target.scope(),
        rules: options.metas(),
        rules_run: options.rules.rules.len(),
        ledger,
        findings,
        suppressed,
        unused_suppressions: unused,
        interrupted: run.stopped(),
    };
    mask::mask(&mut report);
    Ok(report)
}

/// Says the last things of the coverage.
fn close(ledger: &mut Ledger, options: &Options, stopped: bool) {
    if stopped && !ledger.skipped.contains_key(&SkipCause::Interrupted) {
        let path = BlobPath::from("<run>");
        ledger.skip(SkipCause::Interrupted, path, "stopped by the user");
    }
    let notes = options.notes.iter();
    notes.for_each(|note| ledger.note(note.clone()));
    ledger.trim();
    ledger.accept(&options.accept);
}

impl Options {
    /// Returns what is known of the rules.
    fn metas(&self) -> Vec<Arc<RuleMeta>> {
        let metas = self.rules.rules.iter().map(|rule| Arc::clone(&rule.meta));
        metas.collect()
    }
}

/// What was read beside blobs: the repository that can say more of them.
enum Origin {
    /// Paths came with the blobs.
    Plain,
    /// Objects of a whole history.
    History(Box<History>),
    /// Objects of a range.
    Range(Box<Range>),
}

impl Origin {
    /// Asks history where the hits of each group come from.
    fn attribute(&self, groups: &mut [Group], run: &Run<'_>) -> Option<Attributions> {
        if groups.is_empty() || run.stopped() {
            return None;
        }
        let mut wanted = Wanted::default();
        for (key, group) in (0_u32..).zip(groups.iter()) {
            for hit in &group.hits {
                match hit.provenance.object {
                    Some(object) => wanted.object(key, object),
                    None if hit.provenance.place == Place::FileName => {
                        wanted.name(key, hit.location.path.as_bytes());
                    }
                    None => {}
                }
            }
        }
        let known = match self {
            Self::Plain => return None,
            Self::History(history) => history.attribute(&wanted, run),
            Self::Range(range) => range.attribute(&wanted, run),
        };
        for (key, group) in (0_u32..).zip(groups.iter_mut()) {
            group.attribution = known.keys.get(&key).cloned();
        }
        Some(known)
    }

    /// Gives each hit in a reflog the name of its reference and the object that the entry moved it to. The source hands logs
    /// out without a name; they are few and read again here, only if there is such a hit.
    fn name_logs(&self, groups: &mut [Group], collector: &Layers<'_>) {
        let Self::History(history) = self else { return };
        let hits = groups.iter_mut().flat_map(|group| &mut group.hits);
        let mut hits: Vec<&mut RawHit> = hits
            .filter(|hit| hit.provenance.place == Place::Reflog)
            .collect();
        if hits.is_empty() {
            return;
        }
        let nowhere = Provenance {
            place: Place::Reflog,
            object: None,
        };
        let mut places: BTreeMap<(Digest, u32, u64), Vec<Entry>> = BTreeMap::new();
        // The last comes off first.
        for log in history.repository().refs().reflogs.iter().rev() {
            let name = BlobPath::new([b"<reflog ", log.name.as_slice(), b">"].concat());
            for found in collector.again(&log.text, None, &name, &nowhere) {
                let at = found.location.byte_start;
                let object = moved_to(&log.text, at);
                let key = (found.digest, found.rule, at);
                places.entry(key).or_default().push((name.clone(), object));
            }
        }
        for hit in &mut hits {
            let key = (hit.digest, hit.rule, hit.location.byte_start);
            if let Some((name, object)) = places.get_mut(&key).and_then(Vec::pop) {
                if let Some(near) = &mut hit.near {
                    near.path = name.clone();
                }
                hit.location.path = name;
                hit.provenance.object = object;
            }
        }
    }

    fn blob(&self, id: &ObjectId) -> Option<Vec<u8>> {
        match self {
            Self::Plain => None,
            Self::History(history) => history.blob(id),
            Self::Range(range) => range.blob(id),
        }
    }
}

/// The name of a log, and the object that one of its entries moved the reference to.
type Entry = (BlobPath, Option<ObjectId>);

/// Returns the second id of a reflog's line.
fn moved_to(log: &[u8], at: u64) -> Option<ObjectId> {
    let at = usize::try_from(at).ok()?;
    let start = log.get(..at)?.iter().rposition(|b| *b == b'\n');
    let line = log.get(start.map_or(0, |start| start + 1)..)?;
    parse_hex(line.split(|b| *b == b' ').nth(1)?)
}

/// Reads everything that the target names.
fn read(
    target: &Target,
    options: &Options,
    run: &Run<'_>,
) -> Result<(Ledger, Origin), SourceError> {
    let sizes = options.tree.sizes;
    Ok(match target {
        Target::Tree { root, prefix } => {
            let tree = Tree {
                prefix: prefix.clone(),
                ..Tree::new(root, options.tree.clone())
            };
            let mut ledger = tree.read(run)?;
            skip_objects(root, &mut ledger);
            (ledger, Origin::Plain)
        }
        Target::Files { root, files } => {
            let files = Files {
                paths: files.clone(),
                base: root.clone(),
                options: options.tree.clone(),
            };
            (files.read(run)?, Origin::Plain)
        }
        Target::Stdin => (
            Stdin::new(std::io::stdin(), sizes).read(run)?,
            Origin::Plain,
        ),
        Target::Staged { repository, index } => {
            let staged = staged(repository, index.as_deref(), options);
            (staged.read(run)?, Origin::Plain)
        }
        Target::Range { repository, range } => {
            let source = Range::new(Repository::open(repository)?, range, sizes)?;
            (source.read(run)?, Origin::Range(Box::new(source)))
        }
        Target::History {
            repository: path,
            unreachable,
            delta,
        } => {
            let repository = Repository::open(path)?;
            let mut ledger = Ledger::default();
            if let Some(root) = repository.work_tree().map(Path::to_owned) {
                let tree = Tree {
                    history: true,
                    ..Tree::new(root, options.tree.clone())
                };
                ledger.merge(tree.read(run)?);
                ledger.merge(staged(path, None, options).read(run)?);
            }
            let history = History::new(
                repository,
                HistoryOptions {
                    unreachable: *unreachable,
                    delta: *delta,
                    ..HistoryOptions::default()
                },
            );
            ledger.merge(history.read(run)?);
            if matches!(history.repository().head(), Head::Unborn)
                && ledger.counted(Counter::Commits) == 0
            {
                ledger.note("the repository has no commits yet");
            }
            (ledger, Origin::History(Box::new(history)))
        }
    })
}

/// Says what was not read if a tree is the inside of a repository: its files are there, compressed, as objects.
fn skip_objects(root: &Path, ledger: &mut Ledger) {
    let real = |path: &Path| path.canonicalize().ok();
    let is_inside =
        Repository::open(root).is_ok_and(|repository| real(repository.git_dir()) == real(root));
    if is_inside {
        ledger.skip(
            SkipCause::Unsupported,
            BlobPath::from("<objects of the repository>"),
            "compressed as they lie here; use `keysweep scan --history` to read them",
        );
    }
}

fn staged(path: &Path, index: Option<&Path>, options: &Options) -> Staged {
    Staged {
        path: path.to_owned(),
        index: index.map(Path::to_owned),
        exclude: options.tree.exclude.clone(),
        sizes: options.tree.sizes,
    }
}

/// From groups to findings.
struct Stage<'a> {
    options: &'a Options,
    collector: &'a Layers<'a>,
    origin: &'a Origin,
    maker: Maker<'a>,
    suppressor: &'a mut Suppressor,
    findings: Vec<Finding>,
    suppressed: Vec<Suppressed>,
}

impl Stage<'_> {
    fn decide(
        &mut self,
        groups: Vec<Group>,
        known: Option<&Attributions>,
        unreachable: bool,
        ledger: &mut Ledger,
    ) {
        let mut resolved: Vec<Resolved> = groups
            .into_iter()
            .map(|group| resolve::resolve(group, known, unreachable, ledger))
            .collect();
        for one in &mut resolved {
            one.candidates
                .retain(|candidate| self.counts(candidate, ledger));
        }
        resolved.retain(|one| !one.candidates.is_empty());
        resolved.sort_by(|a, b| a.place().cmp(&b.place()));
        for mut one in resolved {
            if let Some(primary) = one.candidates.first_mut() {
                self.show(&mut primary.hit);
            }
            self.suppress(one);
        }
        self.findings
            .sort_by(|a, b| (&a.location, &a.rule).cmp(&(&b.location, &b.rule)));
        self.suppressed.sort_by(|a, b| {
            (&a.finding.location, &a.finding.rule).cmp(&(&b.finding.location, &b.finding.rule))
        });
    }

    /// Tells whether the paths that the rule wants and the user leaves out let a place count.
    fn counts(&self, candidate: &Candidate, ledger: &mut Ledger) -> bool {
        let path = &candidate.hit.location.path;
        if self
            .options
            .project_key
            .as_ref()
            .is_some_and(|key| key.is_spelled(&candidate.hit.secret))
        {
            return false;
        }
        let wanted = self
            .collector
            .paths_of(candidate.hit.rule)
            .is_none_or(|globs| globs.matches(path));
        let left_out = !self.options.exclude.is_empty() && self.options.exclude.matches(path);
        if left_out {
            ledger.skip(
                SkipCause::ExcludedPath,
                path.clone(),
                "a finding in an excluded path",
            );
        }
        wanted && !left_out
    }

    /// Splits a group into what is reported and what is set aside.
    fn suppress(&mut self, one: Resolved) {
        let (mut kept, mut aside, mut why) = (Vec::new(), Vec::new(), None);
        for candidate in one.candidates {
            match self.reason(&candidate.hit) {
                None => kept.push(candidate),
                Some(reason) => {
                    why.get_or_insert(reason);
                    aside.push(candidate);
                }
            }
        }
        if let Some((kind, reason)) = why {
            let finding = self.maker.finding(aside, one.attribution.clone());
            self.suppressed.extend(finding.map(|finding| Suppressed {
                finding,
                kind,
                reason,
            }));
        }
        if let Some(primary) = kept.first_mut() {
            self.show(&mut primary.hit);
        }
        self.findings
            .extend(self.maker.finding(kept, one.attribution));
    }

    fn reason(&mut self, hit: &RawHit) -> Option<(SuppressionKind, String)> {
        let meta = &self.options.rules.rules.get(hit.rule as usize)?.meta;
        let key = self
            .options
            .project_key
            .as_ref()
            .unwrap_or(&self.options.run_key);
        let fingerprint = self.maker.fingerprint(hit, 0)?;
        self.suppressor.decide(&Sighting {
            rule: &meta.id,
            path: &hit.location.path,
            digest: key.digest(&meta.family, &hit.secret),
            fingerprint: &fingerprint,
            markers: &hit.markers,
        })
    }

    /// Reads a history blob again for the text around a hit.
    fn show(&self, hit: &mut RawHit) {
        if hit.shown.is_some() {
            return;
        }
        let Some(bytes) = hit
            .provenance
            .object
            .and_then(|object| self.origin.blob(&object))
        else {
            return;
        };
        let wanted = (hit.rule, hit.location.byte_start);
        let found = self.collector.again(
            &bytes,
            hit.member.as_deref(),
            &hit.location.path,
            &hit.provenance,
        );
        hit.shown = found
            .into_iter()
            .find(|other| (other.rule, other.location.byte_start) == wanted)
            .and_then(|other| other.shown);
    }
}
