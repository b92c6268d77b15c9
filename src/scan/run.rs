//! The run itself: read the sources, group, attribute, suppress, mask, sort.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicBool},
};

use crate::{
    config::{
        PathGlobs,
        suppress::{Extent, Marker, Markers, Sighting, Suppressor},
    },
    model::{
        Attribution, BlobPath, Confidence, DigestKey, Finding, Kind, Ledger, RuleId, RuleMeta,
        Secret, Severity, SkipCause, Suppressed, SuppressionKind,
    },
    policy::LintMeta,
    rules::RuleSet,
    sources::{Progress, Run, SourceError, archive, history::Attributions, tree::TreeOptions},
};

use super::{
    LookedFor, Proposal, Report, Target,
    bound::{self, MAX_LISTED},
    collect::{self, Candidate, Group, Maker},
    hits::RawHit,
    layers::{Layers, Parts},
    mask,
    origin::{self, Origin},
    policy::{self, Beside, Habits, Policy},
    resolve::{self, Resolved},
    show,
};

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
    /// What of policy runs; `None` for secrets alone.
    pub policy: Option<Arc<Policy>>,
    /// Whether secrets are reported; without it they are still looked for, to be masked.
    pub secrets: bool,
    /// At least 1.
    pub threads: usize,
}

/// Looks at `target` and returns everything that a format may write. `suppressor` decides what is set aside.
///
/// # Errors
/// If the target could not be read at all.
#[expect(
    clippy::too_many_lines,
    reason = "the steps of a run, one after the other"
)]
pub fn run(
    target: &Target,
    options: &Options,
    suppressor: &mut Suppressor,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Report, SourceError> {
    let parts = Parts::new(options);
    let collector = Layers::new(&parts, &options.rules, target.is_listed());
    let run = Run {
        sink: &collector,
        progress,
        stop,
        threads: options.threads.max(1),
    };
    let (mut ledger, origin) = origin::read(target, options, &run)?;
    let mut gathered = collector.gathered();
    let extent = target.extent(std::mem::take(&mut gathered.paths));
    ledger.merge(gathered.ledger);
    see(&gathered.seen_markers, suppressor);
    let formats = policy::formats(&gathered.hits, options);
    let mut groups = collect::group(gathered.hits, options);
    let known = origin.attribute(&mut groups, &run, &mut ledger);
    origin.name_logs(&mut groups, &collector);
    let stage = Stage::new(options, &collector, &origin, suppressor);
    let unreachable = target.wants_unreachable();
    let (mut findings, mut suppressed, mut values) =
        stage.decided(groups, known.as_ref(), unreachable, &mut ledger);
    values.extend(gathered.habits.values());
    let beside = policy::beside(target, &origin, options, &collector, &mut gathered.habits);
    let kept = &mut gathered.habits;
    policy::past(
        &origin,
        options,
        &collector,
        &formats,
        &run,
        kept,
        &mut ledger,
    );
    values.extend(gathered.habits.past_values());
    policy::standing(target, &mut gathered.habits);
    let fixes = habits(
        gathered.habits,
        &beside,
        options,
        suppressor,
        (&mut findings, &mut suppressed),
        &mut ledger,
    );
    tell_refused(suppressor, &mut ledger);
    close(&mut ledger, options, run.stopped());
    let mut report = Report {
        mode: target.mode(),
        scope: target.scope(),
        looked_for: options.looked_for(),
        rules: options.metas(),
        rules_run: options.rules_run(),
        ledger,
        findings,
        suppressed,
        unused_suppressions: unused(suppressor, &extent, options, run.stopped()),
        fixes,
        verification: None,
        interrupted: run.stopped(),
    };
    mask::mask(&mut report, &values);
    drop_secrets(&mut report, options);
    Ok(report)
}

/// Tells the suppressor of the markers that there are.
fn see(markers: &[(BlobPath, Marker)], suppressor: &mut Suppressor) {
    for (path, marker) in markers {
        suppressor.saw(path, marker);
    }
}

/// Returns the suppressions that met nothing. A run that was stopped has not met everything that could be met; what the other half of one
/// for secrets or policy alone would meet is not known, but which markers can meet nothing is.
fn unused(
    suppressor: &Suppressor,
    extent: &Extent,
    options: &Options,
    stopped: bool,
) -> Vec<String> {
    let is_half = !options.secrets || options.policy.is_none();
    match stopped {
        true => Vec::new(),
        false if is_half => suppressor.faulty(),
        false => suppressor.unused(extent),
    }
}

/// Leaves the findings of policy where those alone are wanted. Those of secrets were needed until now, to mask them.
fn drop_secrets(report: &mut Report, options: &Options) {
    if options.secrets {
        return;
    }
    let is_policy = |finding: &Finding| finding.kind != Kind::Secret;
    report.findings.retain(is_policy);
    report.suppressed.retain(|one| is_policy(&one.finding));
}

/// Says how many markers of a tree that is not the user's own stand beside findings.
fn tell_refused(suppressor: &Suppressor, ledger: &mut Ledger) {
    match suppressor.refused() {
        0 => {}
        1 => ledger.note("the scanned tree is not your own: 1 allow marker does not count (--trust-config accepts it)"),
        n => ledger.note(format!("the scanned tree is not your own: {n} allow markers do not count (--trust-config accepts them)")),
    }
}

/// Most files that are told of one by one as not read as their kind.
const MAX_NOTES: usize = 20;

/// Adds the findings of policy, and says what its readers could not read.
fn habits(
    habits: Habits,
    beside: &Beside,
    options: &Options,
    suppressor: &mut Suppressor,
    (findings, suppressed): (&mut Vec<Finding>, &mut Vec<Suppressed>),
    ledger: &mut Ledger,
) -> Vec<Proposal> {
    let Some(rules) = options.policy.as_deref() else {
        return Vec::new();
    };
    if beside.lost > 0 {
        let detail = format!(
            "{} objects or folders of a commit were not read for policy",
            beside.lost
        );
        ledger.skip(SkipCause::LimitHit, BlobPath::from("<policy>"), &detail);
    }
    if let Some(note) = &beside.note {
        ledger.note(note.clone());
    }
    tell_unread(&habits, ledger);
    let mut told = policy::Told {
        policy: rules,
        key: &options.run_key,
        project_key: options.project_key.as_ref(),
        exclude: &options.exclude,
        whole: beside.whole,
        changed: beside.changed.as_ref(),
        suppressor,
    };
    // Where secrets are not reported nobody else would tell of their values.
    let outcome = match options.secrets {
        true => policy::tell(habits, &mut told, findings, suppressed),
        false => policy::tell(habits, &mut told, &mut [], &mut []),
    };
    findings.extend(outcome.findings);
    suppressed.extend(outcome.suppressed);
    findings.sort_by(|a, b| (&a.location, &a.rule).cmp(&(&b.location, &b.rule)));
    suppressed.sort_by(|a, b| {
        (&a.finding.location, &a.finding.rule).cmp(&(&b.finding.location, &b.finding.rule))
    });
    outcome.fixes
}

/// Says which files policy did not read as their kind, or not at all.
fn tell_unread(habits: &Habits, ledger: &mut Ledger) {
    let mut notes = 0_usize;
    for (path, unread) in &habits.notes {
        if let Some(cause) = unread.gap {
            ledger.skip(cause, path.clone(), &unread.text);
            continue;
        }
        notes += 1;
        if notes <= MAX_NOTES {
            ledger.note(format!("policy: {path}: {}", unread.text));
        }
    }
    if let Some(more @ 1..) = notes.checked_sub(MAX_NOTES) {
        ledger.note(format!(
            "policy: {more} more files were read line by line or not at all"
        ));
    }
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
    /// Returns what is known of the rules and lints, sorted by id.
    fn metas(&self) -> Vec<Arc<RuleMeta>> {
        let metas = self.rules.rules.iter().map(|rule| Arc::clone(&rule.meta));
        let lints = self.lints().map(|lint| Arc::new(policy::meta_of(lint)));
        let mut all: Vec<_> = metas.chain(lints).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// Returns the lints that run.
    fn lints(&self) -> impl Iterator<Item = &'static LintMeta> {
        let rules = self.policy.as_deref();
        let all = rules.map(|_| crate::policy::all()).unwrap_or_default();
        all.into_iter()
            .filter(move |lint| rules.is_some_and(|rules| rules.runs(lint)))
    }

    fn looked_for(&self) -> LookedFor {
        LookedFor {
            secrets: self.secrets,
            policy: self.policy.as_deref().map(|rules| rules.persona),
        }
    }

    fn rules_run(&self) -> usize {
        let rules = if self.secrets {
            self.rules.rules.len()
        } else {
            0
        };
        rules + self.lints().count()
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

/// The places of one secret that are reported, or set aside for one reason.
pub(super) struct Part {
    /// By what it is set aside, and the reason.
    pub(super) why: Option<(SuppressionKind, String)>,
    /// Its places.
    pub(super) candidates: Vec<Candidate>,
    /// What history says.
    pub(super) attribution: Option<Attribution>,
}

impl Part {
    /// Returns the path of its first place.
    pub(super) fn path(&self) -> Option<&BlobPath> {
        self.first().map(|hit| &hit.location.path)
    }

    /// Tells whether it is set aside.
    pub(super) const fn is_aside(&self) -> bool {
        self.why.is_some()
    }

    /// Returns how bad and how sure its first place is.
    pub(super) fn worst(&self) -> Option<(Severity, Confidence)> {
        self.first().map(|hit| (hit.severity, hit.confidence))
    }

    /// Returns its value.
    pub(super) fn secret(&self) -> Option<&Secret> {
        self.first().map(|hit| &hit.secret)
    }

    fn first(&self) -> Option<&RawHit> {
        self.candidates.first().map(|candidate| &candidate.hit)
    }
}

impl<'a> Stage<'a> {
    fn new(
        options: &'a Options,
        collector: &'a Layers<'a>,
        origin: &'a Origin,
        suppressor: &'a mut Suppressor,
    ) -> Self {
        Self {
            options,
            collector,
            origin,
            maker: Maker::new(options),
            suppressor,
            findings: Vec::new(),
            suppressed: Vec::new(),
        }
    }

    /// Returns the findings, what is set aside, and the values of what is too much to be listed.
    fn decided(
        mut self,
        groups: Vec<Group>,
        known: Option<&Attributions>,
        unreachable: bool,
        ledger: &mut Ledger,
    ) -> (Vec<Finding>, Vec<Suppressed>, Vec<Secret>) {
        let left_out = self.decide(groups, known, unreachable, ledger);
        (self.findings, self.suppressed, left_out)
    }

    fn decide(
        &mut self,
        groups: Vec<Group>,
        known: Option<&Attributions>,
        unreachable: bool,
        ledger: &mut Ledger,
    ) -> Vec<Secret> {
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
        let primary = resolved
            .iter_mut()
            .filter_map(|one| one.candidates.first_mut());
        self.show(primary);
        let mut parts: Vec<Part> = resolved
            .into_iter()
            .flat_map(|one| self.split(one))
            .collect();
        let left_out = bound::bound(&mut parts, MAX_LISTED, ledger);
        // Where the first place is set aside, another one stands for the rest.
        let primary = parts
            .iter_mut()
            .filter_map(|part| part.candidates.first_mut());
        self.show(primary);
        for part in parts {
            self.report(part);
        }
        self.findings
            .sort_by(|a, b| (&a.location, &a.rule).cmp(&(&b.location, &b.rule)));
        self.suppressed.sort_by(|a, b| {
            (&a.finding.location, &a.finding.rule).cmp(&(&b.finding.location, &b.finding.rule))
        });
        left_out
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

    /// Splits a group into what is set aside, by kind and reason, and what is reported.
    fn split(&mut self, one: Resolved) -> Vec<Part> {
        let mut kept = Vec::with_capacity(one.candidates.len());
        let mut aside: BTreeMap<(SuppressionKind, String), Vec<Candidate>> = BTreeMap::new();
        for candidate in one.candidates {
            match self.reason(&candidate.hit) {
                None => kept.push(candidate),
                Some(why) => aside.entry(why).or_default().push(candidate),
            }
        }
        let aside = aside.into_iter().map(|(why, some)| (Some(why), some));
        aside
            .chain([(None, kept)])
            .map(|(why, candidates)| Part {
                why,
                candidates,
                attribution: one.attribution.clone(),
            })
            .collect()
    }

    /// Makes a finding of a part.
    fn report(&mut self, part: Part) {
        let Some(finding) = self.maker.finding(part.candidates, part.attribution) else {
            return;
        };
        match part.why {
            None => self.findings.push(finding),
            Some((kind, reason)) => self.suppressed.push(Suppressed {
                finding,
                kind,
                reason,
            }),
        }
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

    /// Reads history blobs again for the text around hits.
    fn show<'h>(&self, candidates: impl Iterator<Item = &'h mut Candidate>) {
        let hits = candidates.map(|candidate| &mut candidate.hit);
        show::show(hits, self.collector, &|object| self.origin.blob(object));
    }
}
