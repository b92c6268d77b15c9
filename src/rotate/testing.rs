//! A bench that crashes rotations on the fakes, and what must hold at each stop.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Action, Actor, Audit, Context, Crash, Faults, Listed, OpenSink, OpenTarget, Outcome, Plan,
    Point, RotateError, Rotation, Sealer, SharedBy, State, Tombstones, World, abandon, apply,
    fakes::fakes,
    journal::{self, Begin, Event, Journal},
    plan::tests::{action, plan},
    resume, rotation_id,
    rotators::rotator,
    seal::{self, Held},
    sinks_testing::FakeSink,
    status,
};
use crate::{
    config::stores::{RotateLimits, TargetEntry, TargetKind},
    model::Secret,
    stores::{SecretStore, VersionState, target::Target},
};

pub(super) use super::fakes::{FakeStore, FakeTarget, KEY, OLD, Script, Way, fault, scripted};

pub(super) const START: i64 = 1_795_000_000;

/// Stops once, at one point, and remembers all that it was asked at.
#[derive(Default)]
pub(super) struct At {
    point: Cell<Option<Point>>,
    pub(super) seen: RefCell<BTreeSet<Point>>,
}

impl Faults for At {
    fn at(&self, point: Point) -> Result<(), Crash> {
        self.seen.borrow_mut().insert(point);
        if self.point.get() == Some(point) {
            self.point.set(None);
            return Err(Crash);
        }
        Ok(())
    }
}

/// A world in which one rotation happens.
pub(super) struct Bench {
    pub(super) way: Way,
    pub(super) store: Arc<FakeStore>,
    pub(super) target: Arc<FakeTarget>,
    pub(super) directory: tempfile::TempDir,
    pub(super) limits: RotateLimits,
    pub(super) faults: At,
    pub(super) now: Cell<i64>,
    pub(super) plan: Plan,
    pub(super) sealer: Sealer,
    pub(super) audit: Audit,
    tombstones: Tombstones,
    actor: Actor,
    stores: Vec<Box<dyn SecretStore>>,
    targets: Vec<OpenTarget>,
    pub(super) sinks: Vec<OpenSink>,
    pub(super) copies: Vec<Arc<FakeSink>>,
    /// Whether whoever begins it accepts what nobody can tell.
    pub(super) acknowledged: Cell<bool>,
    /// How many other places hold the value.
    pub(super) others: Arc<AtomicU64>,
    shared: Box<SharedBy>,
}

pub(super) fn random(bytes: &mut [u8]) -> Result<(), RotateError> {
    getrandom::fill(bytes).map_err(|_| RotateError::Random)
}

fn action_of(way: Way) -> Action {
    use super::{ActionKind, Declares, Retire, Strategy};
    let strategy = match way {
        Way::Put => Strategy::GenerateAndPut,
        Way::Native => Strategy::StoreNative,
        Way::Grace | Way::Cutover | Way::MakesValue | Way::Revoke => Strategy::Target,
    };
    let is_revoke = way == Way::Revoke;
    Action {
        kind: if is_revoke {
            ActionKind::Revoke
        } else {
            ActionKind::Rotate
        },
        base: if is_revoke { "2" } else { "1" }.into(),
        strategy,
        target: (way != Way::Put).then(|| "fake target".into()),
        cutover: matches!(way, Way::Cutover | Way::Native),
        retire: Retire::Destroy,
        declares: Declares {
            proves_death: way != Way::Put,
            ..Declares::default()
        },
        ..action()
    }
}

/// Returns the action with what its way declares, as a planner writes it down.
fn declared(way: Way, store: &dyn SecretStore, target: &Arc<FakeTarget>) -> Action {
    let mut action = action_of(way);
    let target: Option<&dyn Target> = (way != Way::Put).then_some(target);
    let rotator = rotator(action.strategy, action.kind, store, target);
    action.declares = rotator.unwrap().declares();
    action
}

/// Returns a directory that syncs at once, where there is one: thousands of records are written.
fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

impl Bench {
    pub(super) fn new(way: Way, pending: bool) -> Self {
        let (store, target) = fakes(way, pending);
        let entry = TargetEntry {
            store: "fake".into(),
            key: KEY.into(),
            field: Some("password".into()),
            user_field: Some("user".into()),
            user: None,
            accept_cutover: true,
            kind: TargetKind::None,
        };
        let directory = in_memory();
        let boxed: Box<dyn Target> = Box::new(Arc::clone(&target));
        let others = Arc::new(AtomicU64::new(0));
        let found = Arc::clone(&others);
        Self {
            way,
            acknowledged: Cell::new(false),
            others,
            shared: Box::new(move |store, key, value| {
                assert_eq!((store, key, value.expose()), ("fake", KEY, OLD));
                match found.load(Ordering::SeqCst) {
                    u64::MAX => Err("the store other does not answer".to_owned()),
                    n => Ok(n),
                }
            }),
            limits: RotateLimits {
                allow: vec!["fake:**".into()],
                ..RotateLimits::default()
            },
            faults: At::default(),
            now: Cell::new(START),
            plan: Plan {
                actions: vec![declared(way, &store, &target)],
                ..plan(START)
            },
            sealer: seal::tests::sealer(),
            audit: Audit::in_state(directory.path()).unwrap(),
            tombstones: Tombstones::open(directory.path(), &random).unwrap(),
            actor: Actor {
                name: "tester".into(),
                source: "a test".into(),
            },
            stores: vec![Box::new(Arc::clone(&store))],
            targets: vec![OpenTarget {
                entry,
                target: (way != Way::Put).then_some(boxed),
            }],
            sinks: Vec::new(),
            copies: Vec::new(),
            store,
            target,
            directory,
        }
    }

    pub(super) fn accept_cutover(&mut self, accept: bool) {
        for open in &mut self.targets {
            open.entry.accept_cutover = accept;
        }
    }

    pub(super) fn drop_targets(&mut self) {
        self.targets.clear();
    }

    pub(super) fn world(&self) -> World<'_> {
        World {
            stores: &self.stores,
            targets: &self.targets,
            sinks: &self.sinks,
            own: &[],
            environments: None,
            shared: Some(self.shared.as_ref()),
            unopened: &[],
            under_way: &[],
        }
    }

    pub(super) fn journals(&self) -> PathBuf {
        self.directory.path().join("journals")
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&Context<'_>) -> T) -> T {
        let now = || self.now.get();
        act(&Context {
            now: &now,
            random: &random,
            faults: &self.faults,
            sealer: &self.sealer,
            audit: &self.audit,
            tombstones: &self.tombstones,
            actor: &self.actor,
            limits: &self.limits,
            acknowledged: self.acknowledged.get(),
        })
    }

    pub(super) fn abandon(&self) -> Result<Rotation, RotateError> {
        let (id, journals) = (self.id(), self.journals());
        self.with(|context| abandon(&id, "made up", &self.world(), context, &journals))
    }

    pub(super) fn status(&self) -> Vec<Listed> {
        status(&self.journals(), Some(&self.sealer)).unwrap()
    }

    /// Writes a journal of another rotation that asks for a person; its id comes before all others.
    pub(super) fn other_that_needs_a_person(&self, key: &str) {
        let begin = Begin {
            schema: journal::SCHEMA,
            id: "0000000000000000-0".into(),
            plan: "0".repeat(64),
            expires: START,
            actor: self.actor.clone(),
            approvers: Vec::new(),
            action: Action {
                key: key.into(),
                ..action_of(self.way)
            },
            acknowledged: false,
        };
        let mut journal = Journal::create(&self.journals(), START, begin, &self.sealer).unwrap();
        let step = journal::Step {
            state: State::NeedsHuman,
            note: Some("made up".into()),
            sealed: None,
            until: None,
        };
        journal.write(START, &Event::State(step)).unwrap();
    }

    pub(super) fn apply(&self) -> Result<Vec<Rotation>, RotateError> {
        self.with(|context| apply(&self.plan, &[], &self.world(), context, &self.journals()))
    }

    /// Goes on until it crashes, through the time of grace.
    pub(super) fn until_crash(&self) {
        for _ in 0..12 {
            match self.apply() {
                Err(RotateError::Crash { .. }) => return,
                Err(error) => panic!("{error:?}"),
                Ok(done) => match done[0].outcome {
                    Outcome::InGrace { until } => self.now.set(until),
                    ref other => panic!("{other:?}"),
                },
            }
        }
        panic!("no crash");
    }

    pub(super) fn resume(&self, by_hand: bool) -> Result<Vec<Rotation>, RotateError> {
        let id = by_hand.then(|| self.id());
        self.with(|context| {
            resume(
                id.as_deref(),
                by_hand,
                &self.world(),
                context,
                &self.journals(),
            )
        })
    }

    pub(super) fn id(&self) -> String {
        rotation_id(&self.plan.digest(), 0)
    }

    pub(super) fn crash_at(&self, point: Point) {
        self.faults.point.set(Some(point));
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.faults.point.get().is_none()
    }

    fn journal(&self) -> Option<Journal> {
        let path = journal::path(&self.journals(), &self.id());
        path.exists()
            .then(|| Journal::open(&path, &self.sealer).unwrap())
            .flatten()
    }

    /// Returns the journal's records.
    pub(super) fn events(&self) -> Vec<Event> {
        let path = journal::path(&self.journals(), &self.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }

    /// Goes on until the end, however often it must wait; asserts the invariants at each stop.
    pub(super) fn finish(&self) -> Outcome {
        let mut last = None;
        for _ in 0..12 {
            let resumed = match self.resume(false) {
                Ok(done) if done.is_empty() => self.apply(),
                other => other,
            };
            self.check();
            match resumed {
                Err(RotateError::Crash { .. }) => {}
                Err(error) => panic!("{error:?}"),
                Ok(done) => {
                    let outcome = done.first().unwrap().outcome.clone();
                    match &outcome {
                        Outcome::InGrace { until } => self.now.set(*until),
                        Outcome::Later { .. } => self.now.set(self.now.get() + 400),
                        _ => return outcome,
                    }
                    last = Some(outcome);
                }
            }
        }
        panic!("{:?}: no end: {last:?}\n{:#?}", self.way, self.events());
    }

    /// The invariants of every moment.
    pub(super) fn check(&self) {
        self.check_copies();
        let accepted = self.target.accepted();
        let current = self.store.current();
        let password = current.get("password").unwrap();
        let mut sealed = Vec::new();
        let mut tokens = Vec::new();
        let journal = self.journal();
        let is_over = journal
            .as_ref()
            .is_some_and(|journal| journal.progress.state.is_end());
        if let Some(journal) = journal
            && let Some(text) = &journal.progress.sealed
        {
            let held = Held::open(&self.sealer, text).unwrap();
            for credential in held.old.iter().chain(&held.new) {
                sealed.push(credential.secret.expose().to_vec());
            }
        }
        for event in self.events() {
            if let Event::Intent(intent) = event {
                tokens.extend(self.target.made(&intent.token));
            }
        }
        let stored = self.store.all_values();
        assert!(!accepted.is_empty(), "nothing opens the target");
        // The end of a value that only the store knows is not the fake target's.
        let live = accepted.iter().filter(|_| self.way != Way::Put || !is_over);
        for live in live {
            let known = stored.contains(live) || sealed.contains(live) || tokens.contains(live);
            assert!(known, "{:?}: a live credential that nobody knows", self.way);
        }
        match self.way {
            Way::Grace | Way::MakesValue | Way::Revoke => {
                assert!(
                    accepted.contains(password),
                    "{:?}: readers are locked out",
                    self.way
                );
            }
            Way::Cutover | Way::Native => {
                let known = |live| stored.contains(live) || sealed.contains(live);
                assert!(accepted.iter().any(known), "the new value is lost");
            }
            // Nothing but the store knows the value: each that was ever handed out is there or sealed, until it was read back.
            Way::Put => assert!(password == OLD || sealed.contains(password) || is_over),
        }
    }

    /// At the end no sealed value is left, and the journal still tells the whole of it.
    fn check_forgotten(&self, outcome: &Outcome) {
        if matches!(outcome, Outcome::NeedsHuman { .. }) {
            return;
        }
        let names = std::fs::read_dir(self.journals()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        let name = format!("{}.jsonl", self.id());
        assert_eq!(names, [name.as_str()], "{:?}", self.way);
        let text = std::fs::read_to_string(self.journals().join(name)).unwrap();
        assert!(!text.contains("sealed\":"), "{:?}: {text}", self.way);
        let told = self.status();
        let [Listed::Rotation(status)] = told.as_slice() else {
            panic!("{told:?}");
        };
        assert!(status.state.is_end() && !status.sealed, "{status:?}");
        assert_eq!(status.code(), 0);
        let begun = |event: &Event| matches!(event, Event::Begin(_));
        assert_eq!(self.events().iter().position(begun), Some(0));
        let finish = |event: &Event| matches!(event, Event::State(step) if step.state.is_end());
        assert!(self.events().last().is_some_and(finish));
    }

    /// What must hold at the end.
    pub(super) fn check_end(&self, outcome: &Outcome) {
        self.check_copies_at_end(outcome);
        let accepted = self.target.accepted();
        let current = self.store.current().get("password").unwrap().clone();
        match outcome {
            Outcome::Done => {
                assert_ne!(current, OLD, "{:?}", self.way);
                if self.way != Way::Put {
                    assert_eq!(accepted, [current], "{:?}", self.way);
                    assert_eq!(self.target.sessions(), 0);
                }
                let stones = self.tombstones.all().unwrap();
                assert_eq!(stones.len(), 1);
                assert_eq!(stones[0].tag, self.tombstones.tag(&Secret::new(OLD)));
            }
            Outcome::RolledBack { why } => {
                assert!(!why.is_empty());
                assert_eq!(current, OLD);
                assert_eq!(accepted, [OLD]);
            }
            Outcome::NeedsHuman { why } => assert!(!why.is_empty()),
            Outcome::Abandoned { .. } => {}
            other => panic!("{other:?} is no end"),
        }
        self.check_forgotten(outcome);
        let pending = self.store.states();
        let pending = pending
            .iter()
            .filter(|v| v.1 == VersionState::Pending)
            .count();
        let may_stay = matches!(
            outcome,
            Outcome::NeedsHuman { .. } | Outcome::Abandoned { .. }
        );
        assert!(pending == 0 || may_stay);
    }
}
