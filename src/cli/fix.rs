//! `keysweep fix`: mends what lints know how to mend. Shows a diff; writes only with `--apply`.
//!
//! Promises: nothing is written without `--apply`; a file is written whole or not at all, keeps its permissions, and only if it still
//! is what was looked at, and lies in the named directory; symbolic links are not followed; no diff shows a secret that a rule or a lint knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Component, Path, PathBuf},
};

use crate::{
    engine::Redactor,
    model::{BlobPath, Finding, Kind, RuleId},
    policy::{FixClass, veil},
    scan::{Options, Proposal, Report, Target, policy},
};

use super::{
    Look, args,
    error::CliError,
    exit::Outcome,
    gather::{self, Gathered},
    patch::{self, Sides},
    rules::count,
    scan,
};

/// What one file becomes.
struct Change {
    file: PathBuf,
    name: BlobPath,
    exists: bool,
    old: Vec<u8>,
    new: Vec<u8>,
    /// Both, masked.
    shown: (String, String),
}

/// What was done and what was left, in lines for people.
#[derive(Default)]
struct Told {
    done: Vec<String>,
    left: Vec<String>,
    /// Findings that no edit mends, by rule: that is no reason for the command to fail.
    unmended: Vec<String>,
}

/// Runs the command; returns what to print and the outcome.
pub(super) fn run(args: &args::Fix, look: &Look) -> Result<(String, Outcome), CliError> {
    let root = args.path.clone().unwrap_or_else(|| ".".into());
    if !root.is_dir() {
        return Err(CliError::FixPath { path: root });
    }
    let target = gather::tree(root);
    let gathered = Gathered::new(&args.common, &target)?;
    let report = scan::look_at(&target, &gathered, false, look)?;
    if report.interrupted {
        return Ok((
            "stopped; nothing was written\n".to_owned(),
            Outcome::Interrupted,
        ));
    }
    let options = gathered.options(false)?;
    let base = base(&target);
    let least = if args.r#unsafe {
        FixClass::Unsafe
    } else {
        FixClass::Safe
    };
    let mut told = Told::default();
    let mut changes = inside(&report, &base, least, &options, &mut told);
    appended(
        &mut changes,
        &report,
        &base,
        &named(&target, &base),
        least,
        &mut told,
    );
    changes.retain(|change| change.old != change.new);
    hide(&mut changes, &report);
    let mut text = patch::patch(changes.iter().map(|change| Sides {
        name: &change.name,
        exists: change.exists,
        real: (&change.old, &change.new),
        shown: (&change.shown.0, &change.shown.1),
    }));
    if args.apply {
        for change in &changes {
            write(change)?;
        }
    }
    told.unmended = unmended(&report);
    text.push_str(&summary(&told, &changes, args.apply));
    // As with formatters and linters: a dry run fails if there is something to do.
    let is_open = !told.left.is_empty() || !args.apply && !changes.is_empty();
    let outcome = match (is_open, report.ledger.is_incomplete()) {
        (true, _) => Outcome::Findings,
        (false, true) => Outcome::Incomplete,
        (false, false) => Outcome::Clean,
    };
    if outcome == Outcome::Incomplete {
        text.push_str("Not everything could be read: `keysweep scan` says what.\n");
    }
    Ok((text, outcome))
}

/// Covers the values of all findings in what is shown: one may stand in a file that knows nothing of it.
fn hide(changes: &mut [Change], report: &Report) {
    let suppressed = report.suppressed.iter().map(|one| &one.finding);
    let findings = report.findings.iter().chain(suppressed);
    let redactor = Redactor::new(&findings.map(|one| &one.secret).collect::<Vec<_>>());
    for change in changes {
        for text in [&mut change.shown.0, &mut change.shown.1] {
            // Line by line: a diff goes by lines.
            let lines = text.split_inclusive('\n');
            let lines = lines.map(|line| match line.strip_suffix('\n') {
                Some(line) => redactor.mask(line).into_owned() + "\n",
                None => redactor.mask(line).into_owned(),
            });
            *text = lines.collect();
        }
    }
}

/// Most places of a rule that are named.
const MAX_PLACES: usize = 5;

/// Returns what is said of the findings for which there is no edit, a line a rule.
fn unmended(report: &Report) -> Vec<String> {
    let mended: BTreeSet<(&RuleId, &BlobPath, u64)> = report
        .fixes
        .iter()
        .map(|one| (&one.rule, &one.location.path, one.location.byte_start))
        .collect();
    let mut left: BTreeMap<&RuleId, Vec<&Finding>> = BTreeMap::new();
    for one in &report.findings {
        let place = (&one.rule, &one.location.path, one.location.byte_start);
        if !mended.contains(&place) {
            left.entry(&one.rule).or_default().push(one);
        }
    }
    left.into_iter()
        .map(|(rule, findings)| {
            let places = findings.iter().take(MAX_PLACES);
            let places: Vec<String> = places
                .map(|one| format!("{}:{}", one.location.path, one.location.start_line))
                .collect();
            let more = match findings.len().checked_sub(MAX_PLACES) {
                None | Some(0) => String::new(),
                Some(more) => format!(" and {more} more"),
            };
            let what = match findings.first().map(|one| one.kind) {
                Some(Kind::Secret) => "no edit takes a secret back: rotate it",
                _ => "no edit mends it here",
            };
            format!(
                "{}{more} {rule}: {what}; `keysweep rules show {rule}` says more",
                places.join(", ")
            )
        })
        .collect()
}

/// Returns the directory that paths of the report are relative to.
fn base(target: &Target) -> PathBuf {
    let Target::Tree { root, prefix } = target else {
        return PathBuf::from(".");
    };
    let folders = prefix.as_bytes().split(|b| *b == b'/');
    let depth = folders.filter(|folder| !folder.is_empty()).count();
    let root = root.canonicalize().unwrap_or_else(|_| root.clone());
    root.ancestors().nth(depth).unwrap_or(&root).to_path_buf()
}

/// Returns the directory that the user named: nothing is written outside of it.
fn named(target: &Target, base: &Path) -> PathBuf {
    match target {
        Target::Tree { prefix, .. } => base.join(prefix.to_string()),
        _ => base.to_path_buf(),
    }
}

/// Returns where a path of the report is, if no symbolic link leads there.
fn place(base: &Path, path: &BlobPath) -> Option<PathBuf> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    let mut file = base.to_path_buf();
    for part in text.split('/') {
        // On some systems a backslash or a colon leads elsewhere, too.
        let mut components = Path::new(part).components();
        let is_name = matches!(components.next(), Some(Component::Normal(name)) if name == part);
        if !is_name || components.next().is_some() {
            return None;
        }
        file.push(part);
        if file.symlink_metadata().is_ok_and(|kind| kind.is_symlink()) {
            return None;
        }
    }
    Some(file)
}

/// Mends the files that the faults are in.
fn inside(
    report: &Report,
    base: &Path,
    least: FixClass,
    options: &Options,
    told: &mut Told,
) -> Vec<Change> {
    let mut wanted: BTreeMap<BlobPath, Vec<&Proposal>> = BTreeMap::new();
    for one in report.fixes.iter().filter(|one| !is_outside(one)) {
        let all = wanted.entry(one.location.path.clone()).or_default();
        // A place in the tree and the index is one.
        let place = |one: &Proposal| (one.rule.clone(), one.location.byte_start);
        if !all.iter().any(|other| place(other) == place(one)) {
            all.push(one);
        }
    }
    let mut changes = Vec::new();
    for (path, mut wanted) in wanted {
        wanted.sort_by_key(|one| (one.location.byte_start, one.rule.clone()));
        let read = place(base, &path).and_then(|file| Some((content(&file).ok()?, file)));
        let Some((old, file)) = read else {
            told.left.push(format!(
                "{path}: no file that can be read, or a symbolic link leads there"
            ));
            continue;
        };
        let mended = policy::mend(&path, &old, &wanted, least, options);
        let line = |(id, line, what): &(RuleId, u32, String)| format!("{path}:{line} {id}: {what}");
        told.done.extend(mended.done.iter().map(line));
        told.left.extend(mended.left.iter().map(line));
        changes.push(Change {
            file,
            name: path,
            exists: true,
            old,
            new: mended.new,
            shown: mended.shown,
        });
    }
    changes
}

/// Tells whether a fix changes other files alone.
fn is_outside(one: &Proposal) -> bool {
    one.fix.edits.iter().all(|edit| edit.append_to.is_some())
}

/// Appends what fixes want in other files, such as ignore files: each line once.
fn appended(
    changes: &mut Vec<Change>,
    report: &Report,
    base: &Path,
    root: &Path,
    least: FixClass,
    told: &mut Told,
) {
    for one in report.fixes.iter().filter(|one| is_outside(one)) {
        let line = format!(
            "{}:{} {}",
            one.location.path, one.location.start_line, one.rule
        );
        if one.fix.class < least {
            told.left
                .push(format!("{line}: {}: --unsafe applies it", one.fix.title));
            continue;
        }
        match extended(changes, one, base, root) {
            Ok(()) => told.done.push(format!("{line}: {}", one.fix.title)),
            Err(why) => told.left.push(format!("{line}: {why}")),
        }
    }
}

/// Appends what one fix wants in other files; all of it, or nothing with the reason.
fn extended(
    changes: &mut Vec<Change>,
    one: &Proposal,
    base: &Path,
    root: &Path,
) -> Result<(), String> {
    let mut files = Vec::new();
    for edit in &one.fix.edits {
        let name = BlobPath::from(edit.append_to.as_deref().unwrap_or_default());
        let Some(file) = place(base, &name) else {
            return Err(format!("a symbolic link leads to {name}"));
        };
        if !file.starts_with(root) {
            return Err(format!(
                "it belongs into {name}, outside of the named directory: run the command on the whole repository"
            ));
        }
        if changes.iter().all(|change| change.file != file) {
            let change = whole(file.clone(), &name)
                .map_err(|_| format!("{name} is no file that can be read"))?;
            changes.push(change);
        }
        files.push(file);
    }
    for (edit, file) in one.fix.edits.iter().zip(files) {
        let Some(change) = changes.iter_mut().find(|change| change.file == file) else {
            continue;
        };
        append(&mut change.new, &edit.text);
        let mut shown = std::mem::take(&mut change.shown.1).into_bytes();
        append(&mut shown, &edit.text);
        change.shown.1 = String::from_utf8_lossy(&shown).into_owned();
    }
    Ok(())
}

/// Returns what a regular file holds: a FIFO would never end, and a folder holds nothing.
fn content(file: &Path) -> std::io::Result<Vec<u8>> {
    if file.symlink_metadata()?.is_file() {
        return fs::read(file);
    }
    Err(std::io::Error::other("it is no regular file"))
}

/// Reads a file that may not be there yet.
fn whole(file: PathBuf, name: &BlobPath) -> std::io::Result<Change> {
    let (old, exists) = match content(&file) {
        Ok(old) => (old, true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (Vec::new(), false),
        Err(error) => return Err(error),
    };
    let text = veiled(&old);
    Ok(Change {
        file,
        name: name.clone(),
        exists,
        new: old.clone(),
        old,
        shown: (text.clone(), text),
    })
}

/// Returns a text with everything covered that may be a secret.
fn veiled(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned().into_bytes();
    let covered = veil::covered(&String::from_utf8_lossy(&text));
    for range in covered {
        for byte in text.get_mut(range).unwrap_or_default() {
            if *byte != b'\n' {
                *byte = b'*';
            }
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Appends the lines that are not there.
fn append(bytes: &mut Vec<u8>, text: &str) {
    let has = |bytes: &[u8], line: &str| {
        bytes
            .split(|b| *b == b'\n')
            .any(|other| other.trim_ascii() == line.trim().as_bytes())
    };
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if !has(bytes, line) {
            if !bytes.is_empty() && !bytes.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
    }
}

fn summary(told: &Told, changes: &[Change], applied: bool) -> String {
    let mut text = String::new();
    let mut list = |title: &str, lines: &[String]| {
        if !lines.is_empty() {
            let _ = writeln!(text, "{title}:");
        }
        for line in lines {
            // Titles hold names of the scanned files.
            let _ = writeln!(text, "  {}", BlobPath::from(line.as_str()));
        }
    };
    list(if applied { "Mended" } else { "Would mend" }, &told.done);
    let left: Vec<String> = told.left.iter().chain(&told.unmended).cloned().collect();
    list("Left", &left);
    let files = count(changes.len(), "file", "files");
    let faults = count(told.done.len(), "fault", "faults");
    let _ = match (told.done.is_empty(), applied) {
        (true, _) => writeln!(text, "Nothing to mend by itself."),
        (_, true) => writeln!(
            text,
            "{faults} mended in {files}. What was ever committed must be rotated all the same."
        ),
        (_, false) => writeln!(
            text,
            "{faults} in {files}: run it again with --apply to write. The lines above without `#` are a patch for `git apply`."
        ),
    };
    text
}

/// Writes one file, if it is still what was looked at.
fn write(change: &Change) -> Result<(), CliError> {
    let failed = |source| CliError::Write {
        path: change.file.clone(),
        source,
    };
    let now = match content(&change.file) {
        Ok(now) => now,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(failed(error)),
    };
    if now != change.old {
        return Err(failed(std::io::Error::other(
            "it changed while it was looked at",
        )));
    }
    let permissions = fs::metadata(&change.file).map(|kind| kind.permissions());
    scan::replace(&change.file, &change.new)?;
    match permissions {
        Ok(permissions) => fs::set_permissions(&change.file, permissions).map_err(failed),
        Err(_) => Ok(()),
    }
}
