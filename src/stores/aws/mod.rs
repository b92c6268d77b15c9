//! AWS Secrets Manager and SSM Parameter Store, through the official SDK. No type of it leaves this folder.
//!
//! Promises: a value is read by its version's id, never by a stage and never in batches, so that it is surely the version that was asked
//! for; a new version is pending until it is promoted, promotion names the version that it replaces (AWS refuses it if another one is
//! current), and AWSPENDING is always cleared after it; what AWS only says when it is asked to do something (no rotation function, a
//! rotation under way) is looked up before; docs/aws.md says what is not seen.

mod fault;
mod history;
mod read;
mod readers;
mod rotation;
pub(super) mod session;
mod ssm;
mod versions;
mod write;

use aws_sdk_secretsmanager::Client;

use super::{
    Capabilities, Change, Cursor, Field, Health, KeyInfo, KeyPath, NativeProgress, NativeRotation,
    Page, ReadOutcome, SecretStore, StoreError, Surroundings, VersionId,
};
use crate::{
    config::stores::{AwsSettings, StoreEntry},
    model::Readers,
};
use session::Session;

pub use ssm::ParameterStore;

/// AWS Secrets Manager in one region of one account.
pub struct SecretsManager {
    session: Session,
    client: Client,
    /// Only names that begin so are listed; empty: all.
    prefixes: Vec<String>,
}

impl SecretsManager {
    /// Looks for credentials and takes the settings; asks the service nothing.
    ///
    /// # Errors
    /// [`super::Fault::Setup`] for settings that cannot work, [`super::Fault::Unauthenticated`] without credentials.
    pub fn open(
        name: &str,
        entry: &StoreEntry,
        settings: &AwsSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let endpoints = ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL"];
        let session = Session::open(name, settings, &endpoints, surroundings)?;
        Ok(Self {
            client: Client::new(&session.config),
            prefixes: entry.prefixes.clone(),
            session,
        })
    }
}

/// Returns who we are, for people.
fn identity(session: &Session) -> Result<String, StoreError> {
    if session.endpoint.is_some() {
        // Another address serves this service alone: STS may not be there, and is not to be asked elsewhere.
        return Ok(format!("access key {}", session.key_id));
    }
    let client = aws_sdk_sts::Client::new(&session.config);
    let what = "ask who we are";
    let answer = session
        .run(client.get_caller_identity().send())
        .map_err(|error| session.fault(&error, what, super::http::Effect::Read))?;
    answer.arn.ok_or_else(|| session.garbled(what))
}

/// Returns an address for people.
fn address(service: &str, session: &Session) -> String {
    match &session.endpoint {
        Some(endpoint) => format!("aws {service} in {} at {endpoint}", session.region),
        None => format!("aws {service} in {}", session.region),
    }
}

impl SecretStore for SecretsManager {
    fn name(&self) -> &str {
        &self.session.name
    }

    fn address(&self) -> String {
        address("secretsmanager", &self.session)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            history: true,
            write: true,
            pending: true,
            native_rotation: true,
            readers: true,
            ..Capabilities::default()
        }
    }

    fn health(&self) -> Result<Health, StoreError> {
        let identity = identity(&self.session)?;
        self.ping()?;
        Ok(Health {
            identity: Some(identity),
            version: Some("AWS Secrets Manager".to_owned()),
            ..Health::default()
        })
    }

    fn list(&self, after: Option<&Cursor>) -> Result<Page, StoreError> {
        self.page(after)
    }

    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        self.look(key)
    }

    fn read(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        self.lend(key, version, sink)
    }

    fn readers(&self, key: &KeyPath) -> Result<Readers, StoreError> {
        self.policy_readers(key)
    }

    fn stage(&self, change: &Change<'_>) -> Result<VersionId, StoreError> {
        self.put_pending(change)
    }

    fn promote(&self, key: &KeyPath, from: &VersionId, to: &VersionId) -> Result<(), StoreError> {
        self.move_current(key, from, to)
    }

    fn unstage(
        &self,
        key: &KeyPath,
        base: &VersionId,
        staged: &VersionId,
    ) -> Result<(), StoreError> {
        self.drop_pending(key, base, staged)
    }

    fn native_rotate(&self, key: &KeyPath, token: &str) -> Result<NativeRotation, StoreError> {
        self.start_rotation(key, token)
    }

    fn poll(&self, rotation: &NativeRotation) -> Result<NativeProgress, StoreError> {
        self.watch_rotation(rotation)
    }

    fn annotate(&self, key: &KeyPath, notes: &[(&str, &str)]) -> Result<(), StoreError> {
        self.tag(key, notes)
    }
}
