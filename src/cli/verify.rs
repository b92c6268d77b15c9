//! `keysweep verify`: findings of a scan, or of a report, against the user's secrets stores.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    config::stores::{StoreKind, StoresFile, TargetEntry},
    model::{BlobPath, DigestKey, Finding, Kind, ProviderState, Secret, Severity, Verdict},
    policy::environment,
    scan::{Mode, Report, Target},
    stores::{SecretStore, target},
    verify::{self, Opened},
};

use super::{
    Look, args, aside,
    error::CliError,
    event,
    exit::Outcome,
    gather::{self, Gathered},
    index::Memory,
    report as reports, rotate, scan, settings, stores as opening, trace,
};

/// Threads that read a store at once: a store is waited for, not computed with.
pub(super) const READERS: usize = 8;

/// Runs the command.
pub(super) fn run(args: &args::Verify, look: &Look) -> Result<Outcome, CliError> {
    event::trusted()?;
    let named = args.report.as_deref().map(reports::one).transpose()?;
    let outputs = scan::outputs(&args.scan.output)?;
    scan::check(&outputs, args.scan.reveal)?;
    let target = scan::target(&args.scan)?;
    // The stores first: a scan for nothing takes minutes.
    let file = opening::load(&args.stores)?;
    opening::refuse_empty(&file)?;
    opening::refuse_inside(&args.stores, &gather::root_of(&target))?;
    let gathered = Gathered::new(&args.scan.common, &target)?;
    let mut report = match named {
        None => scan::scanned(target.clone(), &args.scan, &gathered, look)?,
        Some((_, report)) => with_values(report, &target, args, &gathered, look)?,
    };
    let threads = args.scan.common.threads.map_or(READERS, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| CliError::internal(&error))?;
    pool.install(|| judge(&mut report, &file, args, &gathered))?;
    if args.trace {
        trace::add(&mut report, &file, &args.stores.store)?;
    }
    let fail_on = args.scan.fail_on.map(Severity::from);
    let fail_on = fail_on.or(gathered.fail_on()).unwrap_or(Severity::Low);
    let choices = scan::Choices {
        reveal: args.scan.reveal,
        fail_on,
        anchor: gather::anchor(&target),
        category: args.scan.sarif_category.as_deref(),
        redact_paths: args.redact_paths,
    };
    let written = scan::write(&report, &outputs, &choices, look);
    scan::warn(&report, &outputs);
    written?;
    let outcome = Outcome::of(&report, fail_on);
    if args.on_live == args::OnLive::Nothing || outcome != Outcome::Live {
        return Ok(outcome);
    }
    let (text, done) = rotate::on_live(&file, &report, args.on_live, &args.plan)?;
    tell(&text)?;
    // A plan alone changes nothing: what is live stays so.
    Ok(match (args.on_live, done) {
        (args::OnLive::Plan, Outcome::Clean) => Outcome::Live,
        // What was rotated stands in the tree still, and was found.
        (args::OnLive::Rotate, Outcome::Clean) => Outcome::Findings,
        (_, done) => done,
    })
}

/// Says on standard error what was done: standard output may be a report.
fn tell(text: &str) -> Result<(), CliError> {
    use std::io::Write as _;
    let text = crate::report::inert(&super::safe_lines(text));
    let written = std::io::stderr().lock().write_all(text.as_bytes());
    written.map_err(|source| CliError::Write {
        path: "standard error".into(),
        source,
    })
}

/// Asks the stores, and the systems behind them if wanted, and gives each finding its verdict.
fn judge(
    report: &mut Report,
    file: &StoresFile,
    args: &args::Verify,
    gathered: &Gathered,
) -> Result<(), CliError> {
    let opened = opening::open_all(file, &args.stores.store);
    let mut places = places(&opened, file);
    let memory = Memory::new(file, args.scan.index.as_deref())?;
    for place in &mut places {
        place.remembered = memory.versions(place.name);
    }
    // Habits have no value to compare; a shared value is compared where it is told as a secret.
    let secrets = aside::slots(report);
    let values: Vec<Option<&Secret>> = secrets
        .iter()
        .filter_map(|slot| aside::of(report, *slot))
        .map(|finding| Some(&finding.secret).filter(|secret| !secret.is_empty()))
        .collect();
    let read = AtomicU64::new(0);
    let environments = gathered.environments();
    let options = verify::Options {
        limits: file.verify.limits(),
        reuse: args.reuse,
        readers: true,
        now: gather::seconds(),
        key: settings::random_bytes()?,
        remembered: &|value| memory.of(value),
        environment: &|key| environment_of(environments, key),
        stop: scan::stop(),
        progress: &|n| {
            read.fetch_add(n, Ordering::Relaxed);
        },
    };
    let mut outcome = verify::verify(&values, &places, &options);
    let mut verdicts = outcome.verdicts;
    if args.probe {
        outcome.verification.unprobed = probe(&mut verdicts, &values, &opened, file);
    }
    let verdicts = secrets.into_iter().zip(verdicts);
    aside::judge(report, verdicts, &file.verify.public);
    report.verification = Some(outcome.verification);
    Ok(())
}

/// Returns the stores as verify takes them.
pub(super) fn places<'s>(opened: &'s [opening::Opened], file: &'s StoresFile) -> Vec<Opened<'s>> {
    let place = |(name, store): &'s opening::Opened| {
        let entry = file.stores.get(name);
        Opened {
            name,
            store: store.as_ref().map(AsRef::as_ref).map_err(Clone::clone),
            environment: entry.and_then(|entry| entry.environment.as_deref()),
            prefixes: entry.map_or(&[], |entry| &entry.prefixes),
            narrowed: entry.is_some_and(|entry| is_narrowed(&entry.kind)),
            max_age_days: entry.and_then(|entry| entry.max_age_days),
            remembered: verify::Versions::new(),
        }
    };
    opened.iter().map(place).collect()
}

/// Tells whether the settings of a kind leave parts of the store out.
fn is_narrowed(kind: &StoreKind) -> bool {
    match kind {
        StoreKind::Kubernetes(settings) => !settings.namespaces.is_empty(),
        StoreKind::Local(settings) => settings.no_history,
        // Mounts that the user names are what the store is.
        StoreKind::Vault(_)
        | StoreKind::Dotenv(_)
        | StoreKind::Command(_)
        | StoreKind::Aws(_)
        | StoreKind::Ssm(_)
        | StoreKind::Gcp(_)
        | StoreKind::Azure(_)
        | StoreKind::Openorch(_) => false,
    }
}

/// Asks each target once for each value that stands, or stood, in its key; returns for how many none could be asked.
fn probe(
    verdicts: &mut [Verdict],
    values: &[Option<&Secret>],
    opened: &[opening::Opened],
    file: &StoresFile,
) -> u64 {
    let mut unprobed = 0;
    // One value may be told by several rules: a login that fails twice may lock an account.
    let mut asked: BTreeMap<(usize, Vec<u8>), ProviderState> = BTreeMap::new();
    for (verdict, value) in verdicts.iter_mut().zip(values) {
        let (Some(value), Some(place)) = (value, verdict.place.clone()) else {
            continue;
        };
        if !verify::probe::is_worth(verdict) {
            continue;
        }
        let found = file.targets.iter().enumerate();
        let mut found = found.filter(|(_, entry)| verify::probe::opens(entry, &place));
        let Some((number, entry)) = found.next() else {
            continue;
        };
        let store = opened.iter().find(|(name, _)| *name == place.store);
        let Some((_, Ok(store))) = store else {
            continue;
        };
        let key = (number, report_key(value));
        if let Some(known) = asked.get(&key) {
            verify::probe::settle(verdict, known.clone());
            continue;
        }
        unprobed += u64::from(!ask(verdict, value, store.as_ref(), entry));
        asked.insert(key, verdict.provider.clone());
    }
    unprobed
}

/// Returns what tells values apart for the time of a run.
fn report_key(value: &Secret) -> Vec<u8> {
    let digest = DigestKey::new([0; 32]).digest("probe", value);
    digest.to_hex().into_bytes()
}

/// Asks a target about one value; tells whether it could be asked.
fn ask(
    verdict: &mut Verdict,
    value: &Secret,
    store: &dyn SecretStore,
    entry: &TargetEntry,
) -> bool {
    let target = target::open(entry, &opening::surroundings());
    let target = target.as_deref().map_err(Clone::clone);
    verify::probe::probe(verdict, value, store, entry, target)
}

/// Finds the values of a report's findings again where they stood: a report holds none.
fn with_values(
    mut report: Report,
    target: &Target,
    args: &args::Verify,
    gathered: &Gathered,
    look: &Look,
) -> Result<Report, CliError> {
    let mut aside = report.suppressed.iter().map(|one| &one.finding);
    if !report.findings.iter().any(lacks) && !aside.any(lacks) {
        return Ok(report);
    }
    let again = match report.mode {
        Mode::Tree => files_of(&mut report, target),
        Mode::History => Some(Target::History {
            repository: gather::root_of(target),
            unreachable: args.scan.unreachable || gathered.unreachable(),
            delta: true,
        }),
        // What was staged, or came through a pipe, is gone.
        Mode::Staged | Mode::Stdin | Mode::Range => None,
    };
    let Some(again) = again else {
        return Ok(report);
    };
    let fresh = scan::look_at(&again, gathered, args.scan.no_ignore, look)?;
    let mut values: BTreeMap<_, Secret> = BTreeMap::new();
    // What the tree sets aside by now is compared as well.
    let aside = fresh.suppressed.into_iter().map(|one| one.finding);
    for finding in fresh.findings.into_iter().chain(aside) {
        for occurrence in &finding.occurrences {
            values.insert(key(&finding, &occurrence.location), finding.secret.clone());
        }
    }
    let aside = report.suppressed.iter_mut().map(|one| &mut one.finding);
    let all = report.findings.iter_mut().chain(aside);
    for finding in all.filter(|finding| lacks(finding)) {
        if let Some(value) = values.get(&key(finding, &finding.location)) {
            finding.secret = value.clone();
        }
    }
    Ok(report)
}

fn lacks(finding: &Finding) -> bool {
    finding.kind == Kind::Secret && finding.secret.is_empty()
}

/// What makes a place of a report and of a scan the same.
fn key(finding: &Finding, at: &crate::model::Location) -> (String, BlobPath, u64, u64) {
    let rule = finding.rule.as_str().to_owned();
    (rule, at.path.clone(), at.byte_start, at.byte_end)
}

/// Returns the files that a report of a tree names, where they lie now; says how many names lead out of the tree. Whoever wrote the report
/// would have any file of the user's compared.
fn files_of(report: &mut Report, target: &Target) -> Option<Target> {
    let root = gather::root_of(target);
    let aside = report.suppressed.iter().map(|one| &one.finding);
    let paths: BTreeSet<&str> = report
        .findings
        .iter()
        .chain(aside)
        .filter(|finding| lacks(finding))
        .filter_map(|finding| std::str::from_utf8(finding.location.path.as_bytes()).ok())
        // A member of an archive is `archive.zip!member`: the archive is scanned.
        .map(|path| path.split('!').next().unwrap_or(path))
        .collect();
    let whole = root.canonicalize().ok()?;
    let (mut files, mut strays) = (Vec::new(), 0_usize);
    for path in paths {
        let file = root.join(path);
        if !is_within(Path::new(path)) {
            strays += 1;
        } else if file.is_file() {
            match file
                .canonicalize()
                .is_ok_and(|file| file.starts_with(&whole))
            {
                true => files.push(file),
                false => strays += 1,
            }
        }
    }
    if strays > 0 {
        report.ledger.note(format!(
            "{strays} of the report's paths lead out of the scanned tree: they were not opened, and the values there not compared"
        ));
    }
    (!files.is_empty()).then_some(Target::Files { root, files })
}

/// Tells whether a path names something below where it begins, links aside.
fn is_within(path: &Path) -> bool {
    let is_plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    path.components().all(is_plain)
}

/// Guesses the environment of a store's key from its path, by the words and globs of the configuration.
pub(super) fn environment_of(
    environments: &environment::Environments,
    key: &str,
) -> Option<String> {
    let labels = environments.of_store(key);
    match labels.environments() {
        // Two names are a question, not an answer.
        [one] => Some(one.name().to_owned()),
        _ => None,
    }
}
