//! `keysweep store index`, and what scans and verify remember by it: which values the stores hold or held, without asking them.
//!
//! The key of an index is the team key: `KEYSWEEP_TEAM_KEY`, else `team.key` in the state directory (64 hex digits, made when the
//! first index is written).

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    config::stores::{StoresFile, VerifyLimits},
    model::{
        DigestKey, Kind, MatchKind, ProviderState, Secret, StoreCoverage, StoreFault, StorePlace,
        StoreState, Verdict,
    },
    policy::environment::Environments,
    rotate::{Tombstone, Tombstones},
    scan::Report,
    verify::{
        self, Remembered, Versions,
        index::{Builder, Index},
    },
};

use super::{
    args,
    error::{CliError, shown},
    exit::Outcome,
    gather, rotate_world, scan, settings, store, stores as opening, verify as verifying,
};

/// Largest index that is read, bytes: 40 million values.
const MAX_INDEX: u64 = 512 << 20;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// `keysweep store index`: writes the index of the wanted stores.
pub(super) fn write(args: &args::StoreIndex) -> Result<(String, Outcome), CliError> {
    let here = settings::working_directory();
    opening::refuse_inside(&args.stores, &here)?;
    let file = opening::load(&args.stores)?;
    opening::refuse_empty(&file)?;
    scan::check_file(&args.out)?;
    let opened = opening::open_all(&file, &args.stores.store);
    let places = verifying::places(&opened, &file);
    let key = made_key(&file)?;
    let builder = Builder::new(*key, u32::from(file.verify.min_bits), args.names);
    let environments = Environments::default();
    let options = verify::Options {
        limits: file.verify.limits(),
        reuse: false,
        readers: false,
        now: gather::seconds(),
        key: settings::random_bytes()?,
        remembered: &|_| None,
        environment: &|key| verifying::environment_of(&environments, key),
        stop: scan::stop(),
        progress: &|_| {},
    };
    let mut text = String::new();
    let (mut whole, mut read_any) = (true, false);
    let mut faults = BTreeSet::new();
    for place in &places {
        let coverage = builder.read(place, &options);
        whole &= coverage.is_read();
        faults.extend(coverage.why_unread());
        read_any |= coverage.read > 0;
        text.push_str(&told(&coverage));
    }
    if !read_any {
        text.push_str("nothing of any store could be read: no index was written\n");
        return Ok((text, unread(&faults)));
    }
    text.push_str(&left_out(builder.weak(), file.verify.min_bits));
    let now = gather::seconds();
    let bytes = builder.finish(now, now.saturating_add(i64::from(args.days) * DAY), whole);
    scan::replace_private(&args.out, &bytes)?;
    text.push_str(&format!(
        "wrote {}, {} bytes, good for {} days; it needs the team key (KEYSWEEP_TEAM_KEY, or team.key in the state directory): whoever has both can test guesses\n",
        shown(&args.out),
        bytes.len(),
        args.days
    ));
    // An index that lacks something must not look like one that has everything.
    let outcome = if whole {
        Outcome::Clean
    } else {
        unread(&faults)
    };
    Ok((text, outcome))
}

/// Returns the outcome of a run that has not read everything.
fn unread(faults: &BTreeSet<StoreFault>) -> Outcome {
    match Outcome::of_faults(faults) {
        Outcome::Clean => Outcome::Incomplete,
        outcome => outcome,
    }
}

/// Returns how much of a store was read, and what was not.
fn told(coverage: &StoreCoverage) -> String {
    let mut text = headline(coverage);
    if let Some(why) = &coverage.stopped {
        let _ = writeln!(text, "  not read: {}", store::one_line(why));
    }
    for problem in &coverage.problems {
        let line = format!("{}: {}", problem.key, problem.what);
        let _ = writeln!(text, "  not read: {}", store::one_line(&line));
    }
    text
}

/// Returns the line about values that could be guessed; none if there are none.
fn left_out(weak: u64, min_bits: u16) -> String {
    let values = if weak == 1 { "value" } else { "values" };
    match weak {
        0 => String::new(),
        weak => format!(
            "left out: {weak} {values} too weak for an index (`min-bits` of [verify] is {min_bits})\n"
        ),
    }
}

/// Returns how much of a store was read, as a line.
fn headline(store: &StoreCoverage) -> String {
    format!(
        "{}: {} of {} {}, {} {}\n",
        store.store,
        store.read,
        store.listed,
        if store.listed == 1 { "key" } else { "keys" },
        store.versions,
        if store.versions == 1 {
            "version"
        } else {
            "versions"
        },
    )
}

/// Gives the findings of a scan that the index knows their verdicts.
pub(super) fn judge(report: &mut Report, index: &Index) {
    let made = crate::rotate::time_text(index.made);
    let part = if index.complete {
        ""
    } else {
        ", and not all of the stores is in it"
    };
    let note = format!("verdicts are those of an index made {made}{part}");
    report.ledger.note(note);
    for finding in &mut report.findings {
        // Exposed to be keyed and looked for.
        let value = finding.secret.expose();
        if finding.kind != Kind::Secret || value.is_empty() {
            continue;
        }
        if let Some(found) = index.find(value) {
            let provider = ProviderState::NotChecked;
            finding.judge(Verdict {
                urgency: verify::urgency(&found.state, &provider),
                store: found.state.clone(),
                provider,
                refused_at: None,
                place: Some(found.place.clone()),
                by: Some(MatchKind::Exact),
                owner: None,
                readers: None,
                age: None,
                also: Vec::new(),
                more: 0,
                uses: Vec::new(),
            });
        }
    }
}

/// Reads the index that a flag or variable names; `stores` says where the team key lies and how weak a value may be, if a stores file is
/// at hand.
pub(super) fn read(path: &Path, stores: Option<&StoresFile>) -> Result<Index, CliError> {
    let file = |source| CliError::File {
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(file)?.len() > MAX_INDEX {
        return Err(file(std::io::ErrorKind::FileTooLarge.into()));
    }
    let bytes = fs::read(path).map_err(file)?;
    let key = match stores {
        Some(stores) => team_key(&rotate_world::state(stores))?,
        None => team_key(&rotate_world::state(&StoresFile::default()))?,
    };
    let key = key.ok_or(CliError::NoTeamKey)?;
    let limits = stores.map_or_else(VerifyLimits::default, |stores| stores.verify.limits());
    let name = shown(path).to_string();
    Ok(Index::read(
        &name,
        &bytes,
        *key,
        u32::from(limits.min_bits),
        gather::seconds(),
    )?)
}

/// Returns the whole path of an index for a hook; one that the hook could not read would stop every commit.
pub(super) fn of_hook(path: &Path) -> Result<PathBuf, CliError> {
    read(path, None)?;
    Ok(settings::working_directory().join(path))
}

/// What is remembered of values that stores may have forgotten.
pub(super) struct Memory {
    index: Option<Index>,
    stones: Vec<Tombstone>,
    tombstones: Option<Tombstones>,
}

impl Memory {
    /// Reads the index, if one is named, and the tombstones of past rotations.
    pub(super) fn new(file: &StoresFile, index: Option<&Path>) -> Result<Self, CliError> {
        let state = rotate_world::state(file);
        // Only looked at: verify makes neither the directory nor a key.
        let has_stones = state.join(Tombstones::FILE).is_file();
        let random = |_: &mut [u8]| Ok(());
        let tombstones = has_stones
            .then(|| Tombstones::open(&state, &random))
            .transpose()?;
        Ok(Self {
            index: index.map(|path| read(path, Some(file))).transpose()?,
            stones: tombstones
                .as_ref()
                .map(Tombstones::all)
                .transpose()?
                .unwrap_or_default(),
            tombstones,
        })
    }

    /// Returns the versions of a store whose values are known: a rotation changes one field, and the others are those of the next version.
    pub(super) fn versions(&self, store: &str) -> Versions {
        let mut known = Versions::new();
        let stones = self.stones.iter().filter(|stone| stone.store == store);
        let stones = stones.map(|stone| (&stone.key, &stone.version));
        let places = self.index.iter().flat_map(Index::named);
        let places = places.filter(|place| place.store == store);
        let places = places.filter_map(|place| Some((&place.key, place.version.as_ref()?)));
        for (key, version) in stones.chain(places) {
            known
                .entry(key.clone())
                .or_default()
                .insert(version.clone());
        }
        known
    }

    /// Returns where a value stood once.
    pub(super) fn of(&self, value: &Secret) -> Option<Remembered> {
        let tag = self.tombstones.as_ref().map(|stones| stones.tag(value));
        let stone = self
            .stones
            .iter()
            .rev()
            .find(|stone| Some(&stone.tag) == tag.as_ref());
        if let Some(stone) = stone {
            let place = StorePlace {
                store: stone.store.clone(),
                key: stone.key.clone(),
                version: Some(stone.version.clone()),
                field: stone.field.clone(),
                environment: None,
            };
            return Some(Remembered {
                place,
                refused_at: stone.refused.then(|| stone.died.clone()),
            });
        }
        // Exposed to be keyed.
        let found = self.index.as_ref()?.find(value.expose())?;
        let is_named = !found.place.key.is_empty() && !matches!(found.state, StoreState::Pending);
        is_named.then(|| Remembered {
            place: found.place.clone(),
            refused_at: None,
        })
    }
}

/// Returns the team key, if there is one.
fn team_key(state: &Path) -> Result<Option<Zeroizing<[u8; 32]>>, CliError> {
    let text = match settings::variable("KEYSWEEP_TEAM_KEY") {
        Some(text) => Zeroizing::new(text.into_string().map_err(|_| CliError::TeamKey)?),
        None => {
            let path = state.join(Tombstones::KEY_FILE);
            match fs::read_to_string(&path) {
                Ok(text) => Zeroizing::new(text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(source) => return Err(CliError::File { path, source }),
            }
        }
    };
    let key = DigestKey::from_hex(text.trim()).ok_or(CliError::TeamKey)?;
    let mut bytes = Zeroizing::new([0; 32]);
    let hex = Zeroizing::new(key.to_hex());
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).map_err(|_| CliError::TeamKey)?;
    }
    Ok(Some(bytes))
}

/// Returns the team key; makes one if there is none.
fn made_key(file: &StoresFile) -> Result<Zeroizing<[u8; 32]>, CliError> {
    let state = rotate_world::state(file);
    if let Some(key) = team_key(&state)? {
        return Ok(key);
    }
    let fresh = Zeroizing::new(settings::random_bytes()?);
    let random = |bytes: &mut [u8]| {
        for (byte, fresh) in bytes.iter_mut().zip(fresh.iter()) {
            *byte = *fresh;
        }
        Ok(())
    };
    Tombstones::open(&state, &random)?;
    team_key(&state)?.ok_or(CliError::NoTeamKey)
}
