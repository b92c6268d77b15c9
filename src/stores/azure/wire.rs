//! The calls of Key Vault, one function each, in our own types: no type of Microsoft's library leaves this file, `credentials`, `transport` and
//! `trouble`.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
};

use azure_core::{
    Error,
    http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport, Url},
    time::{Duration, OffsetDateTime},
};
use azure_security_keyvault_secrets::{
    SecretClient, SecretClientOptions,
    models::{
        SecretAttributes, SecretClientGetSecretOptions, SecretClientUpdateSecretPropertiesOptions,
        SetSecretParameters, UpdateSecretPropertiesParameters,
    },
};
use futures_util::TryStreamExt as _;
use zeroize::Zeroizing;

use super::{
    credentials::credentials,
    transport::{known_as, to_vault},
    trouble,
};
use crate::{
    config::stores::AzureSettings,
    stores::{
        Fault, StoreError, Surroundings,
        cloud::{FIRST_PAUSE, LAST_PAUSE, Runtime, TRIES, WHOLE},
        connection::{check_address, is_loopback},
        http::Effect,
    },
};

/// Most pages of one listing (of 25 entries each), so that a server cannot keep us for ever.
const MOST_PAGES: usize = 10_000;

/// A client for one vault.
pub(super) struct Wire {
    pub(super) name: String,
    pub(super) vault: String,
    reader: SecretClient,
    /// Sends once: a write that was not answered may have been done.
    writer: SecretClient,
    runtime: Runtime,
}

/// What the vault tells of a secret or of one version, but for its value.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) enabled: bool,
    /// Unix seconds.
    pub(super) created: Option<i64>,
    pub(super) tags: HashMap<String, String>,
    pub(super) content_type: Option<String>,
}

/// A version's name and value.
type Value = (String, Zeroizing<Vec<u8>>);

/// Entries of several pages, by name and version.
type Listed = BTreeMap<(String, String), Told>;

fn client_options(transport: Transport, retry: RetryOptions) -> ClientOptions {
    ClientOptions {
        transport: Some(transport),
        retry,
        ..ClientOptions::default()
    }
}

fn milliseconds(duration: std::time::Duration) -> Duration {
    Duration::milliseconds(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

impl Wire {
    pub(super) fn open(
        name: &str,
        settings: &AzureSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        check_address(name, &settings.vault)?;
        let setup = |what: &str| {
            let help = "write `vault` as https://NAME.vault.azure.net";
            StoreError::new(name, Fault::Setup, what, help)
        };
        let vault: Url = settings
            .vault
            .parse()
            .map_err(|_| setup("`vault` is no URL"))?;
        if vault.path() != "/" || vault.query().is_some() || vault.fragment().is_some() {
            return Err(setup("`vault` is more than a host"));
        }
        // The check keeps tokens for one vault from another server: only a server on this machine may go without.
        let local = vault.host_str().is_some_and(is_loopback);
        if settings.any_resource && !local {
            return Err(setup("`any-resource` is for servers on loopback only"));
        }
        let runtime = Runtime::start(name)?;
        let credential = credentials(name, surroundings)?;
        let retries = ExponentialRetryOptions {
            initial_delay: milliseconds(FIRST_PAUSE),
            max_retries: TRIES - 1,
            max_total_elapsed: milliseconds(WHOLE),
            max_delay: milliseconds(LAST_PAUSE),
        };
        let (known, plain) = known_as(vault.clone()).ok_or_else(|| setup("`vault` is no URL"))?;
        let transport = to_vault(name, &known, plain)?;
        let client = |retry| {
            let options = SecretClientOptions {
                client_options: client_options(transport.clone(), retry),
                verify_challenge_resource: Some(!settings.any_resource),
                ..SecretClientOptions::default()
            };
            let client = SecretClient::new(known.as_str(), credential.clone(), Some(options));
            client.map_err(|_| setup("the client of Key Vault cannot be set up"))
        };
        Ok(Self {
            name: name.to_owned(),
            vault: vault.as_str().trim_end_matches('/').to_owned(),
            reader: client(RetryOptions::exponential(retries))?,
            writer: client(RetryOptions::none())?,
            runtime,
        })
    }

    /// Waits for a call, at most [`WHOLE`].
    fn ask<T>(
        &self,
        what: &str,
        effect: Effect,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        match self.try_ask(what, effect, work)? {
            Ok(answer) => Ok(answer),
            Err(error) => Err(trouble::translate(&self.name, what, effect, &error)),
        }
    }

    fn try_ask<T>(
        &self,
        what: &str,
        effect: Effect,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<Result<T, Error>, StoreError> {
        let timed = async { tokio::time::timeout(WHOLE, work).await };
        self.runtime.wait(timed).map_err(|_| {
            let (fault, why, help) = trouble::late(effect);
            StoreError::new(&self.name, fault, format!("{what}: {why}"), help)
        })
    }

    /// Returns an error of an answer that is none.
    pub(super) fn garbled(&self, what: &str) -> StoreError {
        StoreError::new(
            &self.name,
            Fault::Protocol,
            format!("{what}: the answer is not what Key Vault sends"),
            "check `vault`, and whether a proxy answers in its place",
        )
    }

    /// Checks what goes into a path.
    fn name<'k>(&self, key: &'k str) -> Result<&'k str, StoreError> {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=127).contains(&key.len()) && key.bytes().all(fine) {
            return Ok(key);
        }
        Err(StoreError::new(
            &self.name,
            Fault::NotFound,
            "names of secrets have 1 to 127 letters, digits and hyphens, versions letters and digits",
            "`keysweep store list` shows the keys and versions there are",
        ))
    }

    /// Lists all secrets.
    pub(super) fn secrets(&self) -> Result<Vec<Told>, StoreError> {
        let what = "list secrets";
        let pager = self.reader.list_secret_properties(None);
        let pager = pager.map_err(|_| self.garbled(what))?;
        let mut pages = pager.into_pages();
        let mut all = Listed::new();
        for _ in 0..MOST_PAGES {
            let Some(page) = self.ask(what, Effect::Read, pages.try_next())? else {
                return Ok(all.into_values().collect());
            };
            let page = page.into_model().map_err(|_| self.garbled(what))?;
            let told = page
                .value
                .into_iter()
                .map(|one| self.told(what, one.id, one.attributes, one.tags, one.content_type));
            self.add(what, &mut all, told.collect::<Result<_, _>>()?)?;
        }
        Err(self.garbled(what))
    }

    /// Lists all deleted secrets that can still come back.
    pub(super) fn deleted(&self) -> Result<Vec<Told>, StoreError> {
        let what = "list deleted secrets";
        let pager = self.reader.list_deleted_secret_properties(None);
        let pager = pager.map_err(|_| self.garbled(what))?;
        let mut pages = pager.into_pages();
        let mut all = Listed::new();
        for _ in 0..MOST_PAGES {
            let Some(page) = self.ask(what, Effect::Read, pages.try_next())? else {
                return Ok(all.into_values().collect());
            };
            let page = page.into_model().map_err(|_| self.garbled(what))?;
            let told = page
                .value
                .into_iter()
                .map(|one| self.told(what, one.id, one.attributes, one.tags, one.content_type));
            self.add(what, &mut all, told.collect::<Result<_, _>>()?)?;
        }
        Err(self.garbled(what))
    }

    /// Adds a page. Entries may come twice while others write; a page of which all came before leads in a circle.
    fn add(&self, what: &str, all: &mut Listed, page: Vec<Told>) -> Result<(), StoreError> {
        let (entries, before) = (page.len(), all.len());
        for one in page {
            all.insert((one.name.clone(), one.version.clone()), one);
        }
        if entries > 0 && all.len() == before {
            return Err(self.garbled(what));
        }
        Ok(())
    }

    /// Looks at one deleted secret.
    pub(super) fn deleted_one(&self, key: &str) -> Result<Told, StoreError> {
        let what = format!("look at the deleted secret {key}");
        let work = self.reader.get_deleted_secret(self.name(key)?, None);
        let answer = self.ask(&what, Effect::Read, work)?;
        let one = answer.into_model().map_err(|_| self.garbled(&what))?;
        self.told(&what, one.id, one.attributes, one.tags, one.content_type)
    }

    /// Lists all versions of a secret, newest first.
    pub(super) fn versions(&self, key: &str) -> Result<Vec<Told>, StoreError> {
        let what = format!("list versions of {key}");
        let pager = self
            .reader
            .list_secret_properties_versions(self.name(key)?, None);
        let pager = pager.map_err(|_| self.garbled(&what))?;
        let mut pages = pager.into_pages();
        let mut all = Listed::new();
        for _ in 0..MOST_PAGES {
            let Some(page) = self.ask(&what, Effect::Read, pages.try_next())? else {
                let mut all: Vec<Told> = all.into_values().collect();
                all.sort_by(|a, b| (b.created, &b.version).cmp(&(a.created, &a.version)));
                return Ok(all);
            };
            let page = page.into_model().map_err(|_| self.garbled(&what))?;
            let told = page
                .value
                .into_iter()
                .map(|one| self.told(&what, one.id, one.attributes, one.tags, one.content_type));
            let told = told.collect::<Result<Vec<_>, _>>()?;
            if told.iter().any(|one| one.version.is_empty()) {
                return Err(self.garbled(&what));
            }
            self.add(&what, &mut all, told)?;
        }
        Err(self.garbled(&what))
    }

    /// Returns a version's value and name, of the version that readers get without one; `None` if it is disabled.
    pub(super) fn value(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<Option<Value>, StoreError> {
        let what = match version {
            Some(version) => format!("read version {version} of {key}"),
            None => format!("read {key}"),
        };
        let version = version.map(|version| self.name(version)).transpose()?;
        let options = SecretClientGetSecretOptions {
            secret_version: version.map(str::to_owned),
            ..SecretClientGetSecretOptions::default()
        };
        let work = self.reader.get_secret(self.name(key)?, Some(options));
        let answer = match self.try_ask(&what, Effect::Read, work)? {
            Ok(answer) => answer,
            Err(error) if trouble::is_disabled(&error) => return Ok(None),
            Err(error) => {
                return Err(trouble::translate(&self.name, &what, Effect::Read, &error));
            }
        };
        let secret = answer.into_model().map_err(|_| self.garbled(&what))?;
        let value = secret.value.map(|value| Zeroizing::new(value.into_bytes()));
        let value = value.ok_or_else(|| self.garbled(&what))?;
        let told = self.told(&what, secret.id, secret.attributes, None, None)?;
        if told.name != key || version.is_some_and(|version| version != told.version) {
            return Err(self.garbled(&what));
        }
        Ok(Some((told.version, value)))
    }

    /// Adds a version with the tags and type of another one; returns its name. Sent once.
    pub(super) fn put(&self, key: &str, value: &[u8], like: &Told) -> Result<String, StoreError> {
        let what = format!("write {key}");
        let text = std::str::from_utf8(value).map_err(|_| {
            StoreError::new(
                &self.name,
                Fault::Setup,
                format!("{what}: the new value is not text, and Key Vault keeps text"),
                "encode it, for example as base64",
            )
        })?;
        let parameters = SetSecretParameters {
            // Written into the store that the value is for.
            value: Some(text.to_owned()),
            content_type: like.content_type.clone(),
            tags: Some(like.tags.clone()).filter(|tags| !tags.is_empty()),
            ..SetSecretParameters::default()
        };
        let body = parameters.try_into().map_err(|_| self.garbled(&what))?;
        let work = self.writer.set_secret(self.name(key)?, body, None);
        let answer = self.ask(&what, Effect::Write, work)?;
        let version = answer
            .into_model()
            .ok()
            .and_then(|secret| self.told(&what, secret.id, None, None, None).ok())
            .map(|told| told.version)
            .filter(|version| !version.is_empty());
        version.ok_or_else(|| {
            StoreError::new(
                &self.name,
                Fault::Unknown,
                format!("{what}: the answer does not say which version was made"),
                "`keysweep store list` shows the versions there are",
            )
        })
    }

    /// Switches a version on or off.
    pub(super) fn switch(&self, key: &str, version: &str, on: bool) -> Result<(), StoreError> {
        let word = if on { "enable" } else { "disable" };
        let what = format!("{word} version {version} of {key}");
        let parameters = UpdateSecretPropertiesParameters {
            secret_attributes: Some(SecretAttributes {
                enabled: Some(on),
                ..SecretAttributes::default()
            }),
            ..UpdateSecretPropertiesParameters::default()
        };
        let options = SecretClientUpdateSecretPropertiesOptions {
            secret_version: Some(self.name(version)?.to_owned()),
            ..SecretClientUpdateSecretPropertiesOptions::default()
        };
        let body = parameters.try_into().map_err(|_| self.garbled(&what))?;
        let key = self.name(key)?;
        let work = self
            .writer
            .update_secret_properties(key, body, Some(options));
        self.ask(&what, Effect::Write, work).map(drop)
    }

    /// Puts an entry into our words. Its id is `https://VAULT/secrets/NAME/VERSION`, without a version in lists of secrets.
    fn told(
        &self,
        what: &str,
        id: Option<String>,
        attributes: Option<SecretAttributes>,
        tags: Option<HashMap<String, String>>,
        content_type: Option<String>,
    ) -> Result<Told, StoreError> {
        let url = id.and_then(|id| id.parse::<Url>().ok());
        let url = url.ok_or_else(|| self.garbled(what))?;
        let mut parts = url.path_segments().into_iter().flatten();
        if !matches!(parts.next(), Some("secrets" | "deletedsecrets")) {
            return Err(self.garbled(what));
        }
        let name = self.name(parts.next().unwrap_or_default());
        let name = name.map_err(|_| self.garbled(what))?.to_owned();
        let version = parts.next().unwrap_or_default().to_owned();
        let attributes = attributes.unwrap_or_default();
        Ok(Told {
            name,
            version,
            enabled: attributes.enabled.unwrap_or(true),
            created: attributes.created.map(OffsetDateTime::unix_timestamp),
            tags: tags.unwrap_or_default(),
            content_type,
        })
    }
}
