//! AWS SSM Parameter Store, with Chamber's layout or any other.
//!
//! Promises: values are asked for decrypted or not at all: the ciphertext that a SecureString has without decryption is never lent; all
//! versions of a parameter come with one request for each 50; a write keeps type, key, tier and pattern. The service has no
//! compare-and-set: a write that was not the next one after its base is told as a conflict, and nothing is put back by itself, for that
//! would be one more write over somebody's.

use std::{collections::BTreeMap, sync::Mutex};

use aws_sdk_ssm::{
    Client,
    config::Builder,
    operation::put_parameter::builders::PutParameterFluentBuilder,
    types::{
        ParameterHistory, ParameterStringFilter, ParameterTier, ParameterType,
        ResourceTypeForTagging, Tag,
    },
};
use zeroize::Zeroizing;

use super::{
    super::{
        Capabilities, Change, Cursor, Fault, Field, Health, KeyEntry, KeyInfo, KeyPath, Page,
        ReadOutcome, SecretStore, StoreError, Surroundings, VersionId, http::Effect,
    },
    address,
    history::{Kept, info, lend, service},
    identity,
    session::{Session, code, once},
};
use crate::config::stores::{AwsSettings, StoreEntry};

/// Most parameters of one page ("DescribeParameters": MaxResults).
const PAGE: i32 = 50;
/// Most values of a filter ("ParameterStringFilter").
const MOST_FILTERS: usize = 50;

/// AWS SSM Parameter Store in one region of one account.
pub struct ParameterStore {
    pub(super) session: Session,
    pub(super) client: Client,
    prefixes: Vec<String>,
    chamber: bool,
    pub(super) kept: Mutex<Vec<Kept>>,
}

impl ParameterStore {
    /// Looks for credentials and takes the settings; asks the service nothing.
    ///
    /// # Errors
    /// [`Fault::Setup`] for settings that cannot work, [`Fault::Unauthenticated`] without credentials.
    pub fn open(
        name: &str,
        entry: &StoreEntry,
        settings: &AwsSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let endpoints = ["AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL"];
        let session = Session::open(name, settings, &endpoints, surroundings)?;
        Ok(Self {
            client: Client::new(&session.config),
            prefixes: entry.prefixes.clone(),
            chamber: settings.chamber,
            kept: Mutex::default(),
            session,
        })
    }

    fn tag(&self, key: &KeyPath, name: &str) -> Option<String> {
        // Who may not see tags still reads values: an owner is a comfort.
        let call = self
            .client
            .list_tags_for_resource()
            .resource_type(ResourceTypeForTagging::Parameter)
            .resource_id(key.as_str());
        let answer = self.session.run(call.send()).ok()?;
        let mut tags = answer.tag_list.unwrap_or_default().into_iter();
        let tag = tags.find(|tag| tag.key.eq_ignore_ascii_case(name))?;
        (!tag.value.is_empty()).then_some(tag.value)
    }

    fn conflict(&self, what: &str, why: &str) -> StoreError {
        self.session.error(
            Fault::Conflict,
            format!("{what}: {why}"),
            "look at its history (`keysweep store list`) and at who writes it, then plan anew",
        )
    }

    fn number(&self, version: &VersionId, what: &str) -> Result<i64, StoreError> {
        let number = version.as_str().parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| {
            self.session.error(
                Fault::NotFound,
                format!("{what}: versions of parameters are numbers"),
                "`keysweep store list` shows the versions there are",
            )
        })
    }

    /// Writes a value on top of version `base`, with all else as it is there.
    fn put(
        &self,
        key: &KeyPath,
        base: &ParameterHistory,
        value: &str,
        what: &str,
    ) -> Result<VersionId, StoreError> {
        self.forget(key);
        // Sent once: a second try would make a second version, and look like somebody else's.
        let call = as_before(self.client.put_parameter(), base)
            .name(key.as_str())
            .value(value)
            .overwrite(true)
            .customize()
            .config_override(Builder::new().retry_config(once()));
        let answer = self
            .session
            .run(call.send())
            .map_err(|error| self.session.fault(&error, what, Effect::Write))?;
        let expected = base.version.saturating_add(1);
        if answer.version == expected {
            return Ok(VersionId::new(expected.to_string()));
        }
        Err(self.conflict(
            what,
            &format!(
                "somebody else wrote at the same time: ours became version {}, not {expected}, and is current; theirs is before it",
                answer.version
            ),
        ))
    }
}

/// Keeps what a write without it would set to the account's defaults.
fn as_before(
    call: PutParameterFluentBuilder,
    base: &ParameterHistory,
) -> PutParameterFluentBuilder {
    let is_secure = base.r#type == Some(ParameterType::SecureString);
    let tier = base
        .tier
        .clone()
        .filter(|tier| matches!(tier, ParameterTier::Advanced | ParameterTier::Standard));
    call.set_type(base.r#type.clone())
        .set_key_id(base.key_id.clone().filter(|_| is_secure))
        .set_tier(tier)
        .set_description(base.description.clone().filter(|text| !text.is_empty()))
        .set_allowed_pattern(base.allowed_pattern.clone().filter(|text| !text.is_empty()))
}

impl SecretStore for ParameterStore {
    fn name(&self) -> &str {
        &self.session.name
    }

    fn address(&self) -> String {
        address("ssm", &self.session)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            history: true,
            write: true,
            ..Capabilities::default()
        }
    }

    fn health(&self) -> Result<Health, StoreError> {
        let identity = identity(&self.session)?;
        let call = self.client.describe_parameters().max_results(1);
        self.session.run(call.send()).map_err(|error| {
            self.session
                .fault(&error, "list the parameters", Effect::Read)
        })?;
        Ok(Health {
            identity: Some(identity),
            version: Some("AWS SSM Parameter Store".to_owned()),
            notes: vec![
                "it has no compare-and-set: a write at the same time as somebody else's is noticed, not prevented".to_owned(),
            ],
            ..Health::default()
        })
    }

    fn list(&self, after: Option<&Cursor>) -> Result<Page, StoreError> {
        let mut call = self
            .client
            .describe_parameters()
            .max_results(PAGE)
            .set_next_token(after.map(|cursor| cursor.0.clone()));
        let fits = (1..=MOST_FILTERS).contains(&self.prefixes.len())
            && self.prefixes.iter().all(|prefix| !prefix.is_empty());
        if fits {
            let filter = ParameterStringFilter::builder()
                .key("Name")
                .option("BeginsWith")
                .set_values(Some(self.prefixes.clone()))
                .build()
                .map_err(|_| self.session.garbled("list the parameters"))?;
            call = call.parameter_filters(filter);
        }
        let answer = self.session.run(call.send()).map_err(|error| {
            self.session
                .fault(&error, "list the parameters", Effect::Read)
        })?;
        let names = answer.parameters.unwrap_or_default().into_iter();
        Ok(Page {
            keys: names
                .filter_map(|parameter| parameter.name)
                .map(|name| KeyEntry {
                    key: KeyPath::new(name),
                    info: None,
                })
                .collect(),
            next: answer
                .next_token
                .filter(|token| !token.is_empty())
                .map(Cursor),
            problems: Vec::new(),
        })
    }

    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        let mut versions = self.history(key, false)?;
        for version in &mut versions {
            // Plain strings come though nobody asked; ciphertext does, too.
            drop(version.value.take().map(Zeroizing::new));
        }
        let mut info = info(&versions);
        let owner = self.chamber.then(|| service(key.as_str())).flatten();
        info.owner = owner.or_else(|| self.tag(key, "owner"));
        info.environment = self.tag(key, "environment");
        Ok(info)
    }

    fn read(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        let what = format!("read version {version} of {key}");
        let number = self.number(version, &what)?;
        if self.lend_kept(key, number, sink) {
            return Ok(ReadOutcome::Read);
        }
        let mut values = BTreeMap::new();
        for version in self.history(key, true)? {
            if let Some(value) = version.value {
                values.insert(version.version, Zeroizing::new(value));
            }
        }
        let Some(value) = values.get(&number) else {
            return Err(self.session.error(
                Fault::NotFound,
                format!("{what}: the parameter has no such version (any more)"),
                "AWS keeps 100 versions; `keysweep store list` shows them",
            ));
        };
        lend(value, sink);
        self.keep(key, values);
        Ok(ReadOutcome::Read)
    }

    fn stage(&self, change: &Change<'_>) -> Result<VersionId, StoreError> {
        let what = format!("write {}", change.key);
        let base = self.number(change.base, &what)?;
        let whole = change.fields.get("").filter(|_| change.fields.len() == 1);
        // Written into the store that the value is for.
        let value = whole.and_then(|value| std::str::from_utf8(value.expose()).ok());
        let Some(value) = value else {
            return Err(self.session.error(
                Fault::Setup,
                format!("{what}: a parameter is one whole text"),
                "leave `field` out of the key's [[targets]]",
            ));
        };
        let versions = self.history(change.key, true)?;
        let newest = versions.first();
        let next = base.saturating_add(1);
        // A run before us got no answer, and this is its write.
        let is_ours = newest
            .is_some_and(|newest| newest.version == next && newest.value.as_deref() == Some(value));
        if is_ours {
            return Ok(VersionId::new(next.to_string()));
        }
        match newest.filter(|newest| newest.version == base) {
            Some(newest) => self.put(change.key, newest, value, &what),
            None => Err(self.conflict(&what, "somebody has written a newer version")),
        }
    }

    fn unstage(
        &self,
        key: &KeyPath,
        base: &VersionId,
        staged: &VersionId,
    ) -> Result<(), StoreError> {
        let what = format!("take the write to {key} back");
        let base = self.number(base, &what)?;
        let staged = self.number(staged, &what)?;
        let versions = self.history(key, true)?;
        let old = versions.iter().find(|version| version.version == base);
        let newest = versions.first();
        let Some(value) = old.and_then(|old| old.value.clone().map(Zeroizing::new)) else {
            return Err(self.conflict(&what, "the version whose value would come back is gone"));
        };
        match newest {
            Some(newest) if newest.version == staged => {
                self.put(key, newest, &value, &what).map(drop)
            }
            // Done before, by a run that got no answer.
            Some(newest)
                if newest.version == staged.saturating_add(1)
                    && newest.value.as_ref() == Some(&*value) =>
            {
                Ok(())
            }
            _ => Err(self.conflict(&what, "somebody has written a newer version")),
        }
    }

    fn annotate(&self, key: &KeyPath, notes: &[(&str, &str)]) -> Result<(), StoreError> {
        let what = format!("leave a note at {key}");
        let mut call = self
            .client
            .add_tags_to_resource()
            .resource_type(ResourceTypeForTagging::Parameter)
            .resource_id(key.as_str());
        for (name, value) in notes {
            let tag = Tag::builder()
                .key(super::write::allowed(name, super::write::MOST_TAG.0))
                .value(super::write::allowed(value, super::write::MOST_TAG.1))
                .build()
                .map_err(|_| self.session.garbled(&what))?;
            call = call.tags(tag);
        }
        let answer = self.session.run(call.send());
        answer.map(drop).map_err(|error| {
            if code(&error) == Some("InvalidResourceId") {
                return self.session.error(
                    Fault::NotFound,
                    format!("{what}: there is no such parameter"),
                    "`keysweep store list` shows what there is",
                );
            }
            self.session.fault(&error, &what, Effect::Write)
        })
    }
}
