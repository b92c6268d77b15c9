//! `keysweep rotate plan|approve|apply|resume|status` and `keysweep audit verify`.
//!
//! Promises: `plan` reads and `apply` without `--apply` looks only; what is printed holds no value.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    config::stores::StoresFile,
    model::{Kind, Secret},
    rotate::{
        self, Approval, Audit, Candidate, Context, JOURNALS, NoFaults, Plan, Rotation, Sealer,
        Status, Tombstones, ValuePolicy, Wishes, World,
    },
    scan::Report,
    stores::credential::credential_file,
};

use super::{
    args,
    error::{CliError, shown},
    event,
    exit::Outcome,
    report as reports,
    rotate_world::{self, Opened},
    scan, settings, stores as opening,
};

/// What a command prints, and what it came to.
type Told = (String, Outcome);

/// Largest plan and approval file, bytes.
const MAX_FILE: u64 = 16 << 20;

/// Runs `keysweep rotate`.
pub(super) fn run(command: &args::Rotate) -> Result<Told, CliError> {
    match command {
        args::Rotate::Status { .. } => {}
        args::Rotate::Plan(_)
        | args::Rotate::Approve(_)
        | args::Rotate::Apply(_)
        | args::Rotate::Resume(_) => event::trusted()?,
    }
    match command {
        args::Rotate::Plan(args) => plan(args),
        args::Rotate::Approve(args) => approve(args),
        args::Rotate::Apply(args) => apply(args),
        args::Rotate::Resume(args) => resume(args),
        args::Rotate::Status { stores } => status(stores),
    }
}

/// Runs `keysweep audit verify`.
pub(super) fn audit(command: &args::Audit) -> Result<Told, CliError> {
    let args::Audit::Verify { file, stores } = command;
    let path = match file {
        Some(path) => path.clone(),
        None => rotate_world::state(&load(stores)?).join(Audit::FILE),
    };
    let report = rotate::verify_audit(&path)?;
    let mut text = format!("{} records", report.records);
    if let Some((first, last)) = &report.span {
        let _ = write!(text, ", {first} to {last}");
    }
    let _ = writeln!(text, "\nhead {}", report.head);
    if report.torn > 0 {
        let _ = writeln!(
            text,
            "{} bytes of a last record were not written to their end: a crash; the next record cuts them",
            report.torn
        );
        return Ok((text, Outcome::Incomplete));
    }
    Ok((text, Outcome::Clean))
}

/// Reads the stores file; one inside the work tree is refused: who writes the code must not say what may be rotated, and where.
fn load(stores: &args::StoresArgs) -> Result<StoresFile, CliError> {
    opening::refuse_inside(stores, &settings::working_directory())?;
    opening::load(stores)
}

fn plan(args: &args::RotatePlan) -> Result<Told, CliError> {
    let file = load(&args.stores)?;
    let (name, report) = reports::one(&args.report)?;
    if report.verification.is_none() {
        return Err(CliError::NotVerified { name });
    }
    let wishes = Wishes {
        planner: args.planner.clone().unwrap_or_else(settings::user),
        actor: settings::user(),
        now: settings::now(),
        accept_cutover: args.accept_cutover,
        acknowledge_unknown: args.ack_unknown,
        keep_old_version: args.keep_old_version,
        value: value(args)?,
    };
    let (_, told) = planned(&file, &report, &wishes, &args.out)?;
    Ok(told)
}

/// Plans what to do about a verified report, and writes the plan, an empty one as well.
fn planned(
    file: &StoresFile,
    report: &Report,
    wishes: &Wishes,
    out: &Path,
) -> Result<(Plan, Told), CliError> {
    let candidates = candidates(report);
    let keys = candidates.iter().filter_map(|candidate| {
        let place = candidate.verdict.place.as_ref()?;
        let is_live = candidate.verdict.is_live();
        is_live.then(|| (place.store.clone(), place.key.clone()))
    });
    let opened = Opened::new(file, &keys.collect::<BTreeSet<_>>())?;
    let plan = rotate::plan(&candidates, &file.rotate, &opened.world(), wishes, &random)?;
    let mut text = plan.steps().join("\n");
    // An empty plan, too: an older one, or one of somebody else, would lie there and be applied as this one.
    scan::replace(out, plan.to_text().as_bytes())?;
    if plan.actions.is_empty() {
        text.push_str("\nnothing to rotate\n");
    } else {
        let path = shown(out);
        let (digest, expires) = (plan.digest(), &plan.expires);
        let _ = writeln!(text, "\nplan {digest} in {path}, good until {expires}");
        if plan.needs_approval() {
            let _ = writeln!(
                text,
                "needs an approval: keysweep rotate approve {path} --key FILE --name NAME"
            );
        }
        let _ = writeln!(text, "then: keysweep rotate apply {path} --apply");
    }
    let outcome = if plan.needs_approval() {
        Outcome::Waiting
    } else if plan.refused.is_empty() {
        Outcome::Clean
    } else {
        // Something live stays live unless somebody does what the reasons say.
        Outcome::Live
    };
    Ok((plan, (text, outcome)))
}

/// Does what `keysweep verify --on-live` asks for about a report that it has just verified. Nothing happens beyond the allow-list,
/// and nothing that needs an approval is applied.
pub(super) fn on_live(
    file: &StoresFile,
    report: &Report,
    wish: args::OnLive,
    out: &Path,
) -> Result<Told, CliError> {
    let wishes = Wishes {
        planner: settings::user(),
        actor: settings::user(),
        now: settings::now(),
        accept_cutover: false,
        acknowledge_unknown: false,
        keep_old_version: false,
        value: ValuePolicy::default(),
    };
    let (plan, (mut text, outcome)) = planned(file, report, &wishes, out)?;
    let apply = match wish {
        args::OnLive::Nothing | args::OnLive::Plan => false,
        args::OnLive::Rotate => !plan.actions.is_empty() && !plan.needs_approval(),
    };
    if !apply {
        return Ok((text, outcome));
    }
    let (done, head) = applied(file, &plan, &[])?;
    let (more, rotated) = told(&done, head.as_deref());
    text.push_str(&more);
    // What the plan refused stays live; what it did may be worse.
    Ok((
        text,
        if rotated == Outcome::Clean {
            outcome
        } else {
            rotated
        },
    ))
}

fn applied(
    file: &StoresFile,
    plan: &Plan,
    approvals: &[Approval],
) -> Result<(Vec<Rotation>, Option<String>), CliError> {
    let keys = plan
        .actions
        .iter()
        .map(|a| (a.store.clone(), a.key.clone()));
    let opened = Opened::new(file, &keys.collect())?;
    let journals = rotate_world::state(file).join(JOURNALS);
    with(file, |context| {
        rotate::apply(plan, approvals, &opened.world(), context, &journals)
    })
}

fn value(args: &args::RotatePlan) -> Result<ValuePolicy, CliError> {
    let alphabet = args.alphabet.map(Into::into).unwrap_or_default();
    let default = ValuePolicy::of_bits(256, alphabet);
    let policy = ValuePolicy {
        length: args.length.unwrap_or(default.length),
        alphabet,
    };
    if policy.is_allowed() {
        Ok(policy)
    } else {
        Err(CliError::WeakValue {
            bits: policy.bits(),
            least: ValuePolicy::LEAST_BITS,
        })
    }
}

fn candidates(report: &Report) -> Vec<Candidate> {
    let secrets = report.findings.iter().filter(|f| f.kind == Kind::Secret);
    let candidates = secrets.filter_map(|finding| {
        Some(Candidate {
            rule: finding.rule.as_str().to_owned(),
            fingerprint: finding.fingerprint.as_str().to_owned(),
            verdict: finding.verdict.clone()?,
        })
    });
    candidates.collect()
}

fn approve(args: &args::RotateApprove) -> Result<Told, CliError> {
    let plan = Plan::read(&read(&args.plan)?, settings::now())?;
    let key = credential_file("approval", &args.key, "--key")?;
    let approval = Approval::sign(&plan.digest(), &args.name, settings::now(), &key)?;
    let public = rotate::public_key(&key)?;
    let path = args.out.clone().unwrap_or_else(|| {
        let mut name = args.plan.clone().into_os_string();
        name.push(".approval");
        PathBuf::from(name)
    });
    let mut text = plan.steps().join("\n");
    scan::replace(&path, approval.to_text().as_bytes())?;
    let _ = writeln!(text, "\napproved as {} in {}", args.name, shown(&path));
    let _ = writeln!(
        text,
        "counts where stores.toml has: [rotate.approvers] {} = \"{public}\"",
        args.name
    );
    Ok((text, Outcome::Clean))
}

fn apply(args: &args::RotateApply) -> Result<Told, CliError> {
    let bytes = read(&args.plan)?;
    // An old plan may end what it has begun; what it has not begun is refused by its age further down.
    let plan = Plan::read_unchecked(&bytes)?;
    let approvals = args
        .approval
        .iter()
        .map(|path| Ok(Approval::read(&read(path)?)?));
    let approvals = approvals.collect::<Result<Vec<_>, CliError>>()?;
    let file = load(&args.stores)?;
    if plan.actions.is_empty() {
        return Ok((
            "nothing to do: the plan is empty\n".to_owned(),
            Outcome::Clean,
        ));
    }
    if !args.apply {
        rotate::fresh(&plan, &file.rotate, settings::now())?;
        let mut text = plan.steps().join("\n");
        let keys = plan
            .actions
            .iter()
            .map(|a| (a.store.clone(), a.key.clone()));
        let opened = Opened::new(&file, &keys.collect())?;
        let (world, actor) = (opened.world(), settings::user());
        let waits = rotate::approved(&plan, &approvals, &file.rotate, &world, &actor).err();
        let outcome = match waits {
            Some(why) => {
                let _ = writeln!(text, "\nwaits for approval: {why}");
                Outcome::Waiting
            }
            None => Outcome::Clean,
        };
        let _ = writeln!(text, "\nnothing was done; --apply does it");
        return Ok((text, outcome));
    }
    let (done, head) = applied(&file, &plan, &approvals)?;
    Ok(told(&done, head.as_deref()))
}

fn resume(args: &args::RotateResume) -> Result<Told, CliError> {
    let file = load(&args.stores)?;
    let journals = rotate_world::state(&file).join(JOURNALS);
    let keys = rotate::pending_keys(args.id.as_deref(), &journals)?;
    if keys.is_empty() {
        return Ok(("no rotation is under way\n".to_owned(), Outcome::Clean));
    }
    let opened = Opened::new(&file, &keys)?;
    let id = args.id.as_deref();
    let (done, head) = with(&file, |context| {
        let world: World<'_> = opened.world();
        rotate::resume(id, args.by_hand, &world, context, &journals)
    })?;
    Ok(told(&done, head.as_deref()))
}

fn status(stores: &args::StoresArgs) -> Result<Told, CliError> {
    let file = load(stores)?;
    let found = rotate::status(&rotate_world::state(&file).join(JOURNALS))?;
    let mut text = String::new();
    let mut worst = 0;
    for status in &found {
        let _ = writeln!(text, "{}", line(status));
        worst = worst.max(status.code());
    }
    if found.is_empty() {
        text.push_str("no rotation was begun here\n");
    }
    Ok((text, outcome(worst)))
}

fn line(status: &Status) -> String {
    let mut line = format!("{}  {}  {}", status.id, status.state.as_str(), status.title);
    if let Some(until) = status.grace() {
        let _ = write!(line, "  until {}", rotate::time_text(until));
    }
    if let Some(note) = &status.note {
        let _ = write!(line, "\n    {note}");
    }
    line
}

/// Tells what became of rotations, and the head of the audit log; the exit code is that of the worst.
fn told(done: &[Rotation], head: Option<&str>) -> Told {
    let mut text = String::new();
    let mut worst = 0;
    for rotation in done {
        let _ = writeln!(
            text,
            "{}  {}: {}",
            rotation.id,
            rotation.title,
            says(&rotation.outcome)
        );
        if rotation.cut > 0 {
            let _ = writeln!(
                text,
                "    {} bytes of a record that a crash had torn were cut from its journal",
                rotation.cut
            );
        }
        worst = worst.max(rotation.outcome.code());
    }
    if let Some(head) = head {
        let _ = writeln!(text, "audit head {head}");
    }
    (text, outcome(worst))
}

fn says(outcome: &rotate::Outcome) -> String {
    match outcome {
        rotate::Outcome::Done => "done".to_owned(),
        rotate::Outcome::WaitsForApproval { why } => format!("waits for approval: {why}"),
        rotate::Outcome::InGrace { until } => format!(
            "both credentials are valid until {}; then: keysweep rotate resume",
            rotate::time_text(*until)
        ),
        rotate::Outcome::Later { why } => format!("later: {why}; then: keysweep rotate resume"),
        rotate::Outcome::RolledBack { why } => format!("taken back: {why}"),
        rotate::Outcome::NeedsHuman { why } => {
            format!("a person is needed: {why}; then: keysweep rotate resume ID --by-hand")
        }
    }
}

/// Returns the outcome of an exit code of a rotation; the greater is the worse (DESIGN section 3).
fn outcome(code: u8) -> Outcome {
    match code {
        0 => Outcome::Clean,
        11 => Outcome::Waiting,
        12 => Outcome::Grace,
        13 => Outcome::RolledBack,
        _ => Outcome::Person,
    }
}

/// Gives a rotation its surroundings; returns what it came to, and the head of the audit log then.
fn with<T>(
    file: &StoresFile,
    act: impl FnOnce(&Context<'_>) -> Result<T, rotate::RotateError>,
) -> Result<(T, Option<String>), CliError> {
    let state = rotate_world::state(file);
    let identity: Secret = rotate_world::identity(file)?;
    let sealer = Sealer::from_identity_file(&identity)?;
    let audit = Audit::in_state(&state)?;
    let tombstones = Tombstones::open(&state, &random)?;
    let done = act(&Context {
        now: &settings::now,
        random: &random,
        faults: &NoFaults,
        sealer: &sealer,
        audit: &audit,
        tombstones: &tombstones,
        actor: &settings::actor(),
        limits: &file.rotate,
    })?;
    let head = audit.head()?;
    Ok((done, head))
}

fn random(bytes: &mut [u8]) -> Result<(), rotate::RotateError> {
    getrandom::fill(bytes).map_err(|_| rotate::RotateError::Random)
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |source| CliError::File {
        path: path.to_owned(),
        source,
    };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > MAX_FILE {
        return Err(failed(std::io::Error::other("it is larger than 16 MiB")));
    }
    fs::read(path).map_err(failed)
}
