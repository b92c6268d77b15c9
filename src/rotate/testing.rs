//! A store and a target in memory, stricter than real ones, and a bench that crashes rotations on them.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Action, Actor, Audit, Context, Crash, Faults, Listed, OpenSink, OpenTarget, Outcome, Plan,
    Point, RotateError, Rotation, Sealer, SharedBy, State, Tombstones, World, abandon, apply,
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
    model::{ProviderState, Readers, Secret},
    stores::{
        Capabilities, Change, Cursor, Fault, Field, Health, KeyInfo, KeyPath, NativeProgress,
        NativeRotation, Page, ReadOutcome, SecretStore, StoreError, VersionId, VersionInfo,
        VersionState,
        target::{Credential, Target, TargetTraits},
    },
};

pub(super) const KEY: &str = "apps/db";
pub(super) const OLD: &[u8] = b"made-up-0ld-canary-Qx7";
pub(super) const START: i64 = 1_795_000_000;

type Fields = BTreeMap<String, Vec<u8>>;

/// What a scripted call does: whether it works before it fails.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) call: &'static str,
    pub(super) fault: Fault,
    pub(super) works: bool,
    /// How often.
    pub(super) times: u32,
}

#[derive(Default)]
struct StoreData {
    versions: Vec<(String, VersionState, Fields)>,
    scripts: Vec<Script>,
    calls: Vec<String>,
    /// Looks until the store's own rotation ends: it goes on whether it is asked or not.
    running: Option<u32>,
    rotations: u32,
    environment: Option<String>,
}

pub(super) struct FakeStore {
    data: Mutex<StoreData>,
    pub(super) pending: bool,
    pub(super) native: bool,
    target: Arc<FakeTarget>,
}

pub(super) fn fault(name: &str, fault: Fault, what: &str) -> StoreError {
    StoreError::new(name, fault, what, "made up for a test")
}

/// Returns the fault that a script wants for a call, and whether the call works first.
pub(super) fn scripted(scripts: &mut Vec<Script>, call: &str) -> Option<(Fault, bool)> {
    let at = scripts.iter().position(|script| script.call == call)?;
    scripts[at].times -= 1;
    let found = (scripts[at].fault.clone(), scripts[at].works);
    if scripts[at].times == 0 {
        scripts.remove(at);
    }
    Some(found)
}

impl FakeStore {
    fn call<T>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut StoreData) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut data = self.data.lock().unwrap();
        data.calls.push(call.to_owned());
        let script = scripted(&mut data.scripts, call);
        if let Some((why, false)) = &script {
            return Err(fault("fake", why.clone(), call));
        }
        let result = act(&mut data);
        match script {
            Some((why, _)) => Err(fault("fake", why, call)),
            None => result,
        }
    }

    /// Lets the store's own rotation go on.
    fn advance(&self, data: &mut StoreData) {
        match data.running.take() {
            Some(left) if left > 1 => data.running = Some(left - 1),
            Some(_) => {
                let version = data.versions.iter();
                let mut version = version.filter(|v| v.1 == VersionState::Current);
                let mut fields = version.next().unwrap().2.clone();
                let new = format!("made-up-native-{}", data.versions.len()).into_bytes();
                self.target.replace_all(&new);
                fields.insert("password".into(), new);
                make_current(data, fields);
            }
            None => {}
        }
    }

    pub(super) fn current(&self) -> Fields {
        let data = self.data.lock().unwrap();
        let version = data.versions.iter().find(|v| v.1 == VersionState::Current);
        version.unwrap().2.clone()
    }

    pub(super) fn all_values(&self) -> Vec<Vec<u8>> {
        let data = self.data.lock().unwrap();
        let values = data.versions.iter().flat_map(|v| v.2.values().cloned());
        values.collect()
    }

    pub(super) fn states(&self) -> Vec<(String, VersionState)> {
        let data = self.data.lock().unwrap();
        data.versions.iter().map(|v| (v.0.clone(), v.1)).collect()
    }

    pub(super) fn calls(&self, call: &str) -> usize {
        let data = self.data.lock().unwrap();
        data.calls.iter().filter(|c| *c == call).count()
    }

    /// Somebody else writes.
    pub(super) fn write_elsewhere(&self, value: &[u8]) {
        let mut fields = self.current();
        fields.insert("password".into(), value.to_vec());
        let mut data = self.data.lock().unwrap();
        make_current(&mut data, fields);
    }

    /// Adds a field to the current version.
    pub(super) fn add_field(&self, name: &str, value: &[u8]) {
        let mut data = self.data.lock().unwrap();
        let current = data.versions.iter_mut();
        let mut current = current.filter(|v| v.1 == VersionState::Current);
        let fields = &mut current.next().unwrap().2;
        fields.insert(name.to_owned(), value.to_vec());
    }

    pub(super) fn says_environment(&self, name: &str) {
        self.data.lock().unwrap().environment = Some(name.to_owned());
    }

    pub(super) fn script(&self, script: Script) {
        self.data.lock().unwrap().scripts.push(script);
    }
}

fn make_current(data: &mut StoreData, fields: Fields) -> String {
    for version in &mut data.versions {
        if version.1 == VersionState::Current {
            version.1 = VersionState::Previous;
        }
    }
    let id = (data.versions.len() + 1).to_string();
    data.versions
        .push((id.clone(), VersionState::Current, fields));
    id
}

fn find<'d>(
    data: &'d mut StoreData,
    id: &VersionId,
) -> Result<&'d mut (String, VersionState, Fields), StoreError> {
    let found = data.versions.iter_mut().find(|v| v.0 == id.as_str());
    found.ok_or_else(|| fault("fake", Fault::NotFound, "no such version"))
}

impl SecretStore for Arc<FakeStore> {
    fn name(&self) -> &str {
        "fake"
    }

    fn address(&self) -> String {
        "in memory".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            history: true,
            write: true,
            pending: self.pending,
            disable: true,
            destroy: true,
            native_rotation: self.native,
            readers: true,
            write_only: false,
        }
    }

    fn health(&self) -> Result<Health, StoreError> {
        Ok(Health::default())
    }

    fn list(&self, _: Option<&Cursor>) -> Result<Page, StoreError> {
        Ok(Page::default())
    }

    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        self.call("describe", |data| {
            if key.as_str() != KEY {
                return Err(fault("fake", Fault::NotFound, "no such key"));
            }
            self.advance(data);
            let versions = data.versions.iter().rev().map(|v| VersionInfo {
                id: VersionId::new(v.0.clone()),
                state: v.1,
                created: None,
            });
            Ok(KeyInfo {
                versions: versions.collect(),
                native_rotation: self.native,
                environment: data.environment.clone(),
                ..KeyInfo::default()
            })
        })
    }

    fn read(
        &self,
        _: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        self.call("read", |data| {
            let (_, state, fields) = find(data, version)?;
            if *state == VersionState::Destroyed {
                return Ok(ReadOutcome::Gone);
            }
            for (name, bytes) in fields {
                sink(Field { name, bytes });
            }
            Ok(ReadOutcome::Read)
        })
    }

    fn readers(&self, _: &KeyPath) -> Result<Readers, StoreError> {
        self.call("readers", |_| {
            Ok(Readers {
                known: 2,
                sample: vec!["app".into()],
                complete: true,
            })
        })
    }

    fn rehearse(&self, change: &Change<'_>) -> Result<(), StoreError> {
        self.call("rehearse", |data| {
            let current = data.versions.iter().find(|v| v.1 == VersionState::Current);
            let (id, _, fields) = current.unwrap();
            assert_eq!(id, change.base.as_str());
            assert!(change.fields.keys().all(|name| fields.contains_key(name)));
            Ok(())
        })
    }

    fn stage(&self, change: &Change<'_>) -> Result<VersionId, StoreError> {
        self.call("stage", |data| {
            assert!((32..=64).contains(&change.token.len()));
            let current = data.versions.iter().find(|v| v.1 == VersionState::Current);
            let (id, _, fields) = current.unwrap().clone();
            let mut fields = fields;
            for (name, value) in change.fields {
                assert!(fields.contains_key(name), "no field {name}");
                fields.insert(name.clone(), value.expose().to_vec());
            }
            if id != change.base.as_str() {
                return Err(fault("fake", Fault::Conflict, "another version is current"));
            }
            if data.versions.iter().any(|v| v.1 == VersionState::Pending) {
                return Err(fault("fake", Fault::Conflict, "another version is pending"));
            }
            let new = if self.pending {
                let new = (data.versions.len() + 1).to_string();
                data.versions
                    .push((new.clone(), VersionState::Pending, fields));
                new
            } else {
                make_current(data, fields)
            };
            Ok(VersionId::new(new))
        })
    }

    fn promote(&self, _: &KeyPath, from: &VersionId, to: &VersionId) -> Result<(), StoreError> {
        self.call("promote", |data| {
            let current = data
                .versions
                .iter()
                .position(|v| v.1 == VersionState::Current);
            let current = current.unwrap();
            if data.versions[current].0 == to.as_str() {
                return Ok(());
            }
            if data.versions[current].0 != from.as_str() {
                return Err(fault("fake", Fault::Conflict, "another version is current"));
            }
            data.versions[current].1 = VersionState::Previous;
            find(data, to)?.1 = VersionState::Current;
            Ok(())
        })
    }

    fn unstage(&self, _: &KeyPath, base: &VersionId, staged: &VersionId) -> Result<(), StoreError> {
        self.call("unstage", |data| {
            let state = find(data, staged)?.1;
            match state {
                VersionState::Pending | VersionState::Previous if self.pending => {
                    find(data, staged)?.1 = VersionState::Destroyed;
                    Ok(())
                }
                VersionState::Current if !self.pending => {
                    let fields = find(data, base)?.2.clone();
                    make_current(data, fields);
                    Ok(())
                }
                _ => Err(fault("fake", Fault::Conflict, "somebody has written since")),
            }
        })
    }

    fn disable(&self, _: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        self.call("disable", |data| {
            let found = find(data, version)?;
            assert_ne!(
                found.1,
                VersionState::Current,
                "the current one is switched off"
            );
            found.1 = VersionState::Disabled;
            Ok(())
        })
    }

    fn destroy(&self, _: &KeyPath, version: &VersionId) -> Result<(), StoreError> {
        self.call("destroy", |data| {
            let found = find(data, version)?;
            assert_ne!(
                found.1,
                VersionState::Current,
                "the current one is destroyed"
            );
            found.1 = VersionState::Destroyed;
            found.2.clear();
            Ok(())
        })
    }

    fn native_rotate(&self, key: &KeyPath, _: &str) -> Result<NativeRotation, StoreError> {
        self.call("native_rotate", |data| {
            // Like the stores that know no tokens: each call is a rotation of its own.
            assert_eq!(data.rotations, 0, "a second rotation was begun");
            data.rotations += 1;
            data.running = Some(2);
            let current = data.versions.iter();
            let mut current = current.filter(|v| v.1 == VersionState::Current);
            Ok(NativeRotation {
                key: key.clone(),
                mark: current.next().unwrap().0.clone(),
            })
        })
    }

    fn poll(&self, rotation: &NativeRotation) -> Result<NativeProgress, StoreError> {
        self.call("poll", |data| {
            self.advance(data);
            let current = data.versions.iter();
            let mut current = current.filter(|v| v.1 == VersionState::Current);
            let current = current.next().unwrap().0.clone();
            Ok(if current == rotation.mark {
                NativeProgress::Running
            } else {
                NativeProgress::Done(VersionId::new(current))
            })
        })
    }

    fn annotate(&self, _: &KeyPath, _: &[(&str, &str)]) -> Result<(), StoreError> {
        self.call("annotate", |_| Ok(()))
    }
}

#[derive(Default)]
struct TargetData {
    accepted: Vec<Vec<u8>>,
    off: Vec<Vec<u8>>,
    made: BTreeMap<String, Vec<u8>>,
    sessions: u64,
    scripts: Vec<Script>,
    calls: Vec<String>,
    counter: u32,
}

pub(super) struct FakeTarget {
    data: Mutex<TargetData>,
    pub(super) grace: bool,
    pub(super) makes_value: bool,
}

impl FakeTarget {
    fn call<T>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut TargetData) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut data = self.data.lock().unwrap();
        data.calls.push(call.to_owned());
        let script = scripted(&mut data.scripts, call);
        if let Some((why, false)) = &script {
            return Err(fault("target", why.clone(), call));
        }
        let result = act(&mut data);
        match script {
            Some((why, _)) => Err(fault("target", why, call)),
            None => result,
        }
    }

    fn replace_all(&self, new: &[u8]) {
        let mut data = self.data.lock().unwrap();
        data.accepted = vec![new.to_vec()];
    }

    pub(super) fn accepted(&self) -> Vec<Vec<u8>> {
        self.data.lock().unwrap().accepted.clone()
    }

    fn made(&self, token: &str) -> Option<Vec<u8>> {
        self.data.lock().unwrap().made.get(token).cloned()
    }

    pub(super) fn calls(&self, call: &str) -> usize {
        let data = self.data.lock().unwrap();
        data.calls.iter().filter(|c| *c == call).count()
    }

    pub(super) fn script(&self, script: Script) {
        self.data.lock().unwrap().scripts.push(script);
    }

    /// Accepts a value that nobody has issued.
    pub(super) fn accept(&self, value: &[u8]) {
        self.data.lock().unwrap().accepted.push(value.to_vec());
    }

    /// Accepts a value no more.
    pub(super) fn forget(&self, value: &[u8]) {
        let mut data = self.data.lock().unwrap();
        data.accepted.retain(|known| known != value);
    }

    pub(super) fn sessions(&self) -> u64 {
        self.data.lock().unwrap().sessions
    }
}

impl Target for Arc<FakeTarget> {
    fn address(&self) -> String {
        "fake target".to_owned()
    }

    fn traits(&self) -> TargetTraits {
        TargetTraits {
            grace: self.grace,
            reversible: true,
            ends_sessions: true,
            proves_death: true,
            makes_value: self.makes_value,
        }
    }

    fn check(&self, _: &Credential) -> Result<(), StoreError> {
        self.call("check", |_| Ok(()))
    }

    fn probe(&self, credential: &Credential) -> Result<ProviderState, StoreError> {
        let state = self.call("probe", |data| {
            let accepted = data
                .accepted
                .iter()
                .any(|a| a == credential.secret.expose());
            Ok(if accepted {
                ProviderState::Accepted
            } else {
                ProviderState::Refused
            })
        });
        Ok(state.unwrap_or(ProviderState::Unknown {
            why: "no answer came".into(),
        }))
    }

    fn prepare(
        &self,
        old: &Credential,
        generated: &Secret,
    ) -> Result<Option<Credential>, StoreError> {
        Ok((!self.makes_value).then(|| Credential {
            user: old.user.clone(),
            secret: generated.clone(),
        }))
    }

    fn issue(
        &self,
        old: &Credential,
        prepared: Option<&Credential>,
        token: &str,
    ) -> Result<Credential, StoreError> {
        self.call("issue", |data| {
            let new = if let Some(prepared) = prepared {
                prepared.clone()
            } else {
                data.counter += 1;
                let new = format!("made-up-by-the-target-{}", data.counter);
                if let Some(orphan) = data.made.insert(token.to_owned(), new.clone().into_bytes()) {
                    data.accepted.retain(|known| *known != orphan);
                }
                Credential {
                    user: old.user.clone(),
                    secret: Secret::new(new.as_bytes()),
                }
            };
            let bytes = new.secret.expose().to_vec();
            if !self.grace {
                data.accepted = vec![bytes];
            } else if !data.accepted.contains(&bytes) {
                if data.accepted.len() > 1 {
                    return Err(fault("target", Fault::Denied, "no slot is free"));
                }
                data.accepted.push(bytes);
            }
            Ok(new)
        })
    }

    fn withdraw(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.call("withdraw", |data| {
            data.accepted.retain(|known| known != new.secret.expose());
            if !data
                .accepted
                .iter()
                .any(|known| known == old.secret.expose())
            {
                assert!(!self.grace, "the old credential is gone");
                data.accepted.push(old.secret.expose().to_vec());
            }
            Ok(())
        })
    }

    fn disable(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.call("disable", |data| {
            assert!(self.grace, "there is nothing to switch off");
            let accepts = |secret: &Secret| data.accepted.iter().any(|k| k == secret.expose());
            assert!(accepts(&new.secret), "nothing would be accepted any more");
            if accepts(&old.secret) {
                data.accepted.retain(|known| known != old.secret.expose());
                data.off.push(old.secret.expose().to_vec());
            }
            Ok(())
        })
    }

    fn end_sessions(&self, _: &Credential, _: &Credential) -> Result<u64, StoreError> {
        self.call("end_sessions", |data| {
            Ok(std::mem::take(&mut data.sessions))
        })
    }

    fn destroy(&self, old: &Credential, _: &Credential) -> Result<(), StoreError> {
        self.call("target_destroy", |data| {
            data.off.retain(|known| known != old.secret.expose());
            Ok(())
        })
    }
}

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

/// What is rotated, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Grace,
    Cutover,
    Put,
    Native,
    MakesValue,
    Revoke,
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

/// Returns the store with what leaked, and the target that it opens.
fn fakes(way: Way, pending: bool) -> (Arc<FakeStore>, Arc<FakeTarget>) {
    let mut accepted = vec![OLD.to_vec()];
    let fields = |secret: &[u8]| {
        Fields::from([
            ("password".to_owned(), secret.to_vec()),
            ("user".to_owned(), b"app".to_vec()),
        ])
    };
    let mut data = StoreData::default();
    make_current(&mut data, fields(OLD));
    if way == Way::Revoke {
        make_current(&mut data, fields(b"made-up-current"));
        accepted.push(b"made-up-current".to_vec());
    }
    let target = Arc::new(FakeTarget {
        data: Mutex::new(TargetData {
            accepted,
            sessions: 3,
            ..TargetData::default()
        }),
        grace: !matches!(way, Way::Cutover | Way::Native),
        makes_value: way == Way::MakesValue,
    });
    let store = Arc::new(FakeStore {
        data: Mutex::new(data),
        pending,
        native: way == Way::Native,
        target: Arc::clone(&target),
    });
    (store, target)
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
