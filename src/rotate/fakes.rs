//! A store and a target in memory, stricter than real ones: each call can be scripted to fail before or after it works.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use crate::{
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

    pub(super) fn made(&self, token: &str) -> Option<Vec<u8>> {
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

/// Returns the store with what leaked, and the target that it opens.
pub(super) fn fakes(way: Way, pending: bool) -> (Arc<FakeStore>, Arc<FakeTarget>) {
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
