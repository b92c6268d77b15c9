//! `keysweep rotate plan|approve|apply|resume|status|abandon` and `keysweep audit verify`.
//!
//! Promises: `plan` reads and `apply` without `--apply` looks only; what is printed holds no value.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use crate::{
    config::stores::StoresFile,
    model::{Kind, ProviderState, Secret, StoreState, quotable},
    rotate::{
        self, Ahead, Approval, Audit, Candidate, Context, Crash, Faults, JOURNALS, Plan, Point,
        Rotation, Sealer, Tombstones, ValuePolicy, Wishes, World,
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
    rotate_told::{Told, listed, told},
    rotate_world::{self, Opened},
    scan, settings, stores as opening,
};

/// Largest plan and approval file, bytes.
const MAX_FILE: u64 = 16 << 20;

/// Runs `keysweep rotate`.
pub(super) fn run(command: &args::Rotate) -> Result<Told, CliError> {
    match command {
        args::Rotate::Status { .. } => {}
        args::Rotate::Plan(_)
        | args::Rotate::Approve(_)
        | args::Rotate::Apply(_)
        | args::Rotate::Abandon(_)
        | args::Rotate::Resume(_) => event::trusted()?,
    }
    match command {
        args::Rotate::Plan(args) => plan(args),
        args::Rotate::Approve(args) => approve(args),
        args::Rotate::Apply(args) => apply(args),
        args::Rotate::Resume(args) => resume(args),
        args::Rotate::Status { all, stores } => status(*all, stores),
        args::Rotate::Abandon(args) => abandon(args),
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
    let mut text = match report.records {
        1 => "1 record".to_owned(),
        n => format!("{n} records"),
    };
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
    let (name, report) = reports::one(&args.report)?;
    let file = load(&args.stores)?;
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
    text.push_str(&dead(&candidates));
    if plan.actions.is_empty() {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}nothing to rotate");
    } else {
        let path = shown(out);
        let (digest, expires) = (plan.digest(), &plan.expires);
        let planner = quotable(&plan.planner);
        let _ = writeln!(
            text,
            "\nplan {digest} in {path}, made by {planner}, good until {expires}"
        );
        let accepts = plan.actions.iter().any(|action| action.acknowledged);
        let flags = if plan.needs_approval() {
            let _ = writeln!(
                text,
                "needs an approval by somebody else than {planner}: keysweep rotate approve {path} --key FILE --name NAME"
            );
            format!(" --approval {path}.approval")
        } else if accepts {
            " --ack-unknown".to_owned()
        } else {
            String::new()
        };
        if let Err(error) = sealer(file) {
            text.push_str(&needs_identity(&error));
        }
        let _ = writeln!(text, "then: keysweep rotate apply {path}{flags} --apply");
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
    let opened = opened(file, &plan)?.just_verified();
    let (done, head) = applied(file, &plan, &[], &opened, false)?;
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

/// Names what a store hands out though its system refuses it: no leak that must be ended, and readers that cannot work.
fn dead(candidates: &[Candidate]) -> String {
    let verdicts = candidates.iter().map(|candidate| &candidate.verdict);
    let refused = verdicts.filter(|verdict| {
        verdict.store == StoreState::Current && verdict.provider == ProviderState::Refused
    });
    let places: BTreeSet<String> = refused
        .filter_map(|verdict| verdict.place.as_ref())
        .map(|place| format!("{}:{}", quotable(&place.store), quotable(&place.key)))
        .collect();
    let lines = places.iter().map(|place| {
        format!("not live: the system refuses the current value of {place}: nothing to end, but its readers have a dead value\n")
    });
    lines.collect()
}

fn opened(file: &StoresFile, plan: &Plan) -> Result<Opened, CliError> {
    let actions = plan.actions.iter();
    let keys = actions.map(|action| (action.store.clone(), action.key.clone()));
    Opened::new(file, &keys.collect())
}

fn applied(
    file: &StoresFile,
    plan: &Plan,
    approvals: &[Approval],
    opened: &Opened,
    acknowledged: bool,
) -> Result<(Vec<Rotation>, Option<String>), CliError> {
    let journals = rotate_world::state(file).join(JOURNALS);
    with(file, |context| {
        let context = Context {
            acknowledged,
            ..*context
        };
        rotate::apply(plan, approvals, &opened.world(), &context, &journals)
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
    // What `apply` would not take is not signed either: the approver is here now, and may not be then.
    let file = load(&args.stores)?;
    rotate::may_approve(&approval, &plan, &file.rotate, &rotate::public_key(&key)?)?;
    let path = args.out.clone().unwrap_or_else(|| {
        let mut name = args.plan.clone().into_os_string();
        name.push(".approval");
        PathBuf::from(name)
    });
    let mut text = plan.steps().join("\n");
    scan::replace(&path, approval.to_text().as_bytes())?;
    let (name, path) = (quotable(&args.name), shown(&path));
    let _ = writeln!(text, "\napproved as {name} in {path}");
    let plan = shown(&args.plan);
    let _ = writeln!(
        text,
        "then, somebody else: keysweep rotate apply {plan} --approval {path} --apply"
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
    let opened = opened(&file, &plan)?;
    if !args.apply {
        return ahead(&plan, &approvals, &file, &opened, args.ack_unknown);
    }
    let (done, head) = applied(&file, &plan, &approvals, &opened, args.ack_unknown)?;
    Ok(told(&done, head.as_deref()))
}

/// Says what `apply --apply` would do, and does nothing.
fn ahead(
    plan: &Plan,
    approvals: &[Approval],
    file: &StoresFile,
    opened: &Opened,
    acknowledged: bool,
) -> Result<Told, CliError> {
    let (world, actor) = (opened.world(), settings::user());
    let journals = rotate_world::state(file).join(JOURNALS);
    let sealer = sealer(file);
    let (limits, now) = (&file.rotate, settings::now());
    let ahead = rotate::look(plan, &world, limits, sealer.as_ref().ok(), &journals, now)?;
    let (mut ended, mut notes) = (Vec::new(), String::new());
    for one in &ahead {
        match one {
            Ahead::Begins => {}
            Ahead::GoesOn(begun) => {
                let _ = writeln!(notes, "{} has begun: {}", begun.id, begun.stands);
            }
            Ahead::Ended(rotation) => ended.push(rotation.clone()),
        }
    }
    if ended.len() == ahead.len() {
        let (text, outcome) = told(&ended, None);
        return Ok((format!("{text}nothing is left to do\n"), outcome));
    }
    let mut text = plan.steps().join("\n");
    text.push('\n');
    if !ended.is_empty() {
        text.push_str(&told(&ended, None).0);
    }
    text.push_str(&notes);
    let outcome = match rotate::approved(plan, approvals, &file.rotate, &world, &actor) {
        Err(why) => {
            let _ = writeln!(text, "waits for approval: {why}");
            Outcome::Waiting
        }
        Ok(_) => Outcome::Clean,
    };
    if let Err(error) = &sealer {
        text.push_str(&needs_identity(error));
    }
    let accepts = plan.actions.iter().any(|action| action.acknowledged);
    let does = if accepts && approvals.is_empty() && !acknowledged {
        "--ack-unknown --apply does it, if you accept unseen what the planner has accepted"
    } else {
        "--apply does it"
    };
    let _ = writeln!(text, "nothing was done; {does}");
    Ok((text, outcome))
}

/// Returns what seals the values of journals.
fn sealer(file: &StoresFile) -> Result<Sealer, CliError> {
    let identity: Secret = rotate_world::identity(file)?;
    Ok(Sealer::from_identity_file(&identity)?)
}

/// Says that `apply` will not work without what seals its journals.
fn needs_identity(error: &CliError) -> String {
    use miette::Diagnostic as _;
    let help = error.help().map(|help| format!(" ({help})"));
    format!(
        "apply seals values in its journal, and {error}{}\n",
        help.unwrap_or_default()
    )
}

fn resume(args: &args::RotateResume) -> Result<Told, CliError> {
    let file = load(&args.stores)?;
    let journals = rotate_world::state(&file).join(JOURNALS);
    let pending = rotate::pending(args.id.as_deref(), &journals)?;
    if !pending.any {
        return Ok(("no rotation is under way\n".to_owned(), Outcome::Clean));
    }
    let opened = Opened::as_far_as_it_goes(&file, &pending.keys)?;
    let id = args.id.as_deref();
    let (done, head) = with(&file, |context| {
        let world: World<'_> = opened.world();
        rotate::resume(id, args.by_hand, &world, context, &journals)
    })?;
    Ok(told(&done, head.as_deref()))
}

fn abandon(args: &args::RotateAbandon) -> Result<Told, CliError> {
    let file = load(&args.stores)?;
    let journals = rotate_world::state(&file).join(JOURNALS);
    let pending = rotate::pending(Some(&args.id), &journals)?;
    let opened = Opened::as_far_as_it_goes(&file, &pending.keys)?;
    let (rotation, head) = with(&file, |context| {
        let world = opened.world();
        rotate::abandon(&args.id, &args.reason, &world, context, &journals)
    })?;
    let (text, _) = told(&[rotation], head.as_deref());
    Ok((text, Outcome::Clean))
}

fn status(all: bool, stores: &args::StoresArgs) -> Result<Told, CliError> {
    let file = load(stores)?;
    // Without the identity nobody can tell whose journals these are; what they say is told all the same.
    let sealer = sealer(&file);
    let journals = rotate_world::state(&file).join(JOURNALS);
    let found = rotate::status(&journals, sealer.as_ref().ok())?;
    Ok(listed(&found, all, sealer.is_ok()))
}

/// Gives a rotation its surroundings; returns what it came to, and the head of the audit log then.
fn with<T>(
    file: &StoresFile,
    act: impl FnOnce(&Context<'_>) -> Result<T, rotate::RotateError>,
) -> Result<(T, Option<String>), CliError> {
    let state = rotate_world::state(file);
    let sealer = sealer(file)?;
    scan::hear_ctrl_c()?;
    let audit = Audit::in_state(&state)?;
    let tombstones = Tombstones::open(&state, &random)?;
    let done = act(&Context {
        now: &settings::now,
        random: &random,
        faults: &Stopped,
        sealer: &sealer,
        audit: &audit,
        tombstones: &tombstones,
        actor: &settings::actor(),
        limits: &file.rotate,
        acknowledged: false,
    });
    let done = match done {
        Err(rotate::RotateError::Crash { .. }) => return Err(CliError::Stopped),
        other => other?,
    };
    let head = audit.head()?;
    Ok((done, head))
}

/// Stops a rotation between two steps when the user says so: what was done is in the journal then.
struct Stopped;

impl Faults for Stopped {
    fn at(&self, point: Point) -> Result<(), Crash> {
        // After an effect its result must be written.
        let may_stop = matches!(point, Point::BeforeIntent(_) | Point::AfterState(_));
        if may_stop && scan::stop().load(Ordering::Relaxed) {
            Err(Crash)
        } else {
            Ok(())
        }
    }
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
