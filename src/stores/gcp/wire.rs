//! The calls of Secret Manager, one function each, in our own types: no type of Google's library leaves this file, `told` and `trouble`.
//!
//! Promises: redirects are not followed (a library that follows them would carry values and tokens along); names that go into paths are checked
//! first; each value is checked against the CRC32C that Google sends with it ("Data integrity assurance").

use google_cloud_gax::{
    client_builder::internal::with_follow_redirects,
    error::rpc::Code,
    exponential_backoff::ExponentialBackoffBuilder,
    options::RequestOptionsBuilder as _,
    retry_policy::{Aip194Strict, NeverRetry, RetryPolicyExt as _},
};
use google_cloud_secretmanager_v1::{
    Error,
    client::SecretManagerService,
    model::{Secret, SecretPayload},
};
use google_cloud_wkt::FieldMask;
use zeroize::Zeroizing;

use super::{
    credentials::credentials,
    told::{About, State, Version, about, is_id, last, read_version},
    trouble,
};
use crate::{
    config::stores::GcpSettings,
    stores::{
        Fault, StoreError, Surroundings,
        cloud::{FIRST_PAUSE, LAST_PAUSE, Runtime, TRIES, WHOLE},
        connection::check_address,
        http::Effect,
    },
};

/// Secrets or versions of one page. Google sends at most 25,000, and decides what it takes too large.
pub(super) const PAGE: i32 = 250;
/// Most pages of versions of one secret, so that a server cannot keep us for ever.
const MOST_PAGES: usize = 1_000;

/// A client for the secrets of one project and location.
pub(super) struct Wire {
    pub(super) name: String,
    /// `projects/P` or `projects/P/locations/L`.
    pub(super) parent: String,
    client: SecretManagerService,
    runtime: Runtime,
}

/// A page of secrets, and where the next begins.
type Listed = (Vec<(String, About)>, Option<String>);

impl Wire {
    pub(super) fn open(
        name: &str,
        settings: &GcpSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let setup = |what: &str, help: &str| StoreError::new(name, Fault::Setup, what, help);
        let location = settings.location.as_deref();
        if !is_id(&settings.project) || !location.is_none_or(is_id) {
            return Err(setup(
                "`project` is no project's id, or `location` no location",
                "write them as `gcloud projects list` and `gcloud secrets locations list` show them",
            ));
        }
        let endpoint = match (&settings.endpoint, location) {
            (Some(endpoint), _) => Some(endpoint.clone()),
            // "Regional endpoints": secrets of a location are there alone.
            (None, Some(location)) => Some(format!(
                "https://secretmanager.{location}.rep.googleapis.com"
            )),
            (None, None) => None,
        };
        if let Some(endpoint) = &endpoint {
            check_address(name, endpoint)?;
        }
        let runtime = Runtime::start(name)?;
        let client = runtime.wait(async {
            let retries = Aip194Strict
                .continue_on_too_many_requests()
                .with_attempt_limit(TRIES)
                .with_time_limit(WHOLE);
            let pauses = ExponentialBackoffBuilder::new()
                .with_initial_delay(FIRST_PAUSE)
                .with_maximum_delay(LAST_PAUSE)
                .clamp();
            let mut builder = with_follow_redirects(SecretManagerService::builder(), false)
                .with_credentials(credentials(name, surroundings)?)
                .with_attempt_timeout(WHOLE)
                .with_retry_policy(retries)
                .with_backoff_policy(pauses);
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            builder.build().await.map_err(|_| {
                setup(
                    "the client of Secret Manager cannot be set up",
                    "check `endpoint`, and the credentials' `universe_domain`",
                )
            })
        })?;
        let mut parent = format!("projects/{}", settings.project);
        if let Some(location) = location {
            parent.push_str(&format!("/locations/{location}"));
        }
        Ok(Self {
            name: name.to_owned(),
            parent,
            client,
            runtime,
        })
    }

    /// Returns an error of an answer that is none.
    pub(super) fn garbled(&self, what: &str) -> StoreError {
        StoreError::new(
            &self.name,
            Fault::Protocol,
            format!("{what}: the answer is not what Secret Manager sends"),
            "check `endpoint`, and whether a proxy answers in its place",
        )
    }

    fn read_error(&self, what: &str, error: &Error) -> StoreError {
        trouble::translate(&self.name, what, Effect::Read, error)
    }

    /// Returns a secret's full name.
    fn secret_name(&self, key: &str) -> Result<String, StoreError> {
        if is_id(key) {
            return Ok(format!("{}/secrets/{key}", self.parent));
        }
        Err(StoreError::new(
            &self.name,
            Fault::NotFound,
            "a secret's name has letters, digits, - and _ only",
            "write the secret's name alone, without its project",
        ))
    }

    fn version_name(&self, key: &str, number: u64) -> Result<String, StoreError> {
        Ok(format!("{}/versions/{number}", self.secret_name(key)?))
    }

    /// Lists one page of secrets, and where the next begins.
    pub(super) fn secrets(&self, token: &str, size: i32) -> Result<Listed, StoreError> {
        let what = "list secrets";
        let request = self.client.list_secrets().set_parent(&self.parent);
        let work = request.set_page_size(size).set_page_token(token).send();
        let page = self
            .runtime
            .wait(work)
            .map_err(|error| self.read_error(what, &error))?;
        let keys = page.secrets.iter().map(|secret| {
            let key = last(&secret.name).filter(|key| is_id(key));
            let key = key.ok_or_else(|| self.garbled(what))?;
            Ok((key.to_owned(), about(secret)))
        });
        let next = Some(page.next_page_token.clone()).filter(|next| !next.is_empty());
        Ok((keys.collect::<Result<_, StoreError>>()?, next))
    }

    /// Tells what is known of one secret.
    pub(super) fn secret(&self, key: &str) -> Result<About, StoreError> {
        let work = self.client.get_secret().set_name(self.secret_name(key)?);
        let secret = self.runtime.wait(work.send());
        let secret = secret.map_err(|error| self.read_error(&format!("look at {key}"), &error))?;
        Ok(about(&secret))
    }

    /// Lists all versions, newest first.
    pub(super) fn versions(&self, key: &str) -> Result<Vec<Version>, StoreError> {
        let what = format!("list versions of {key}");
        let parent = self.secret_name(key)?;
        let mut versions = Vec::new();
        let mut token = String::new();
        for _ in 0..MOST_PAGES {
            let request = self.client.list_secret_versions().set_parent(&parent);
            let work = request.set_page_size(PAGE).set_page_token(&token).send();
            let page = self
                .runtime
                .wait(work)
                .map_err(|error| self.read_error(&what, &error))?;
            for version in &page.versions {
                versions.push(read_version(version).ok_or_else(|| self.garbled(&what))?);
            }
            if page.next_page_token.is_empty() {
                versions.sort_by_key(|version| std::cmp::Reverse(version.number));
                return Ok(versions);
            }
            if page.next_page_token == token {
                break;
            }
            token = page.next_page_token;
        }
        Err(self.garbled(&what))
    }

    /// Returns a version's value; `None` if it is disabled or destroyed.
    pub(super) fn access(
        &self,
        key: &str,
        number: u64,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let what = format!("read version {number} of {key}");
        let name = self.version_name(key, number)?;
        let work = self.client.access_secret_version().set_name(name).send();
        let answer = match self.runtime.wait(work) {
            Ok(answer) => answer,
            // "Must be in the ENABLED state": Google tells no values of the others.
            Err(error) if trouble::code(&error) == Some(Code::FailedPrecondition) => {
                return Ok(None);
            }
            Err(error) => return Err(self.read_error(&what, &error)),
        };
        let payload = answer.payload.ok_or_else(|| self.garbled(&what))?;
        let value = Zeroizing::new(payload.data.to_vec());
        if payload.data_crc32c != Some(i64::from(crc32c::crc32c(&value))) {
            return Err(StoreError::new(
                &self.name,
                Fault::Protocol,
                format!("{what}: the value is not the one that its checksum was made of"),
                "try again; something on the way to Google changes answers",
            ));
        }
        Ok(Some(value))
    }

    /// Adds a version and returns its number. Sent once.
    pub(super) fn add(&self, key: &str, value: &[u8]) -> Result<u64, StoreError> {
        let what = format!("write {key}");
        // Written into the store that the value is for.
        let payload = SecretPayload::new()
            .set_data(value.to_vec())
            .set_data_crc32c(crc32c::crc32c(value));
        let request = self
            .client
            .add_secret_version()
            .set_parent(self.secret_name(key)?)
            .set_payload(payload)
            .with_retry_policy(NeverRetry);
        let version = self
            .runtime
            .wait(request.send())
            .map_err(|error| trouble::translate(&self.name, &what, Effect::Write, &error))?;
        let number = read_version(&version).map(|version| version.number);
        number.ok_or_else(|| {
            StoreError::new(
                &self.name,
                Fault::Unknown,
                format!("{what}: the answer does not say which version was made"),
                "`keysweep store list` shows the versions there are",
            )
        })
    }

    /// Changes a version's state if it is still as `etag` says.
    pub(super) fn mark(
        &self,
        key: &str,
        number: u64,
        state: State,
        etag: &str,
    ) -> Result<(), StoreError> {
        let name = self.version_name(key, number)?;
        let (word, outcome) = match state {
            State::Enabled => {
                let request = self.client.enable_secret_version();
                let request = request.set_name(name).set_etag(etag);
                let work = request.with_retry_policy(NeverRetry).send();
                ("enable", self.runtime.wait(work))
            }
            State::Disabled => {
                let request = self.client.disable_secret_version();
                let request = request.set_name(name).set_etag(etag);
                let work = request.with_retry_policy(NeverRetry).send();
                ("disable", self.runtime.wait(work))
            }
            State::Destroyed => {
                let request = self.client.destroy_secret_version();
                let request = request.set_name(name).set_etag(etag);
                let work = request.with_retry_policy(NeverRetry).send();
                ("destroy", self.runtime.wait(work))
            }
        };
        let what = format!("{word} version {number} of {key}");
        outcome
            .map(drop)
            .map_err(|error| trouble::translate(&self.name, &what, Effect::Write, &error))
    }

    /// Returns roles and their members, of the secret's own policy.
    pub(super) fn policy(&self, key: &str) -> Result<Vec<(String, Vec<String>)>, StoreError> {
        let request = self.client.get_iam_policy();
        let work = request.set_resource(self.secret_name(key)?).send();
        let policy = self
            .runtime
            .wait(work)
            .map_err(|error| self.read_error(&format!("ask who may read {key}"), &error))?;
        let bindings = policy.bindings.into_iter();
        Ok(bindings
            .map(|binding| (binding.role, binding.members))
            .collect())
    }

    /// Returns which of these permissions we have for a secret.
    pub(super) fn permissions(
        &self,
        key: &str,
        wanted: &[&str],
    ) -> Result<Vec<String>, StoreError> {
        let request = self.client.test_iam_permissions();
        let request = request.set_resource(self.secret_name(key)?);
        let work = request
            .set_permissions(wanted.iter().map(|one| (*one).to_owned()))
            .send();
        let answer = self
            .runtime
            .wait(work)
            .map_err(|error| self.read_error(&format!("ask for our rights to {key}"), &error))?;
        Ok(answer.permissions)
    }

    /// Adds annotations to a secret if it is as it was when its others were read.
    pub(super) fn annotate(&self, key: &str, notes: &[(&str, &str)]) -> Result<(), StoreError> {
        let what = format!("leave a note at {key}");
        let name = self.secret_name(key)?;
        let work = self.client.get_secret().set_name(&name).send();
        let secret = self
            .runtime
            .wait(work)
            .map_err(|error| self.read_error(&what, &error))?;
        let mut annotations = secret.annotations;
        for (name, value) in notes {
            annotations.insert((*name).to_owned(), (*value).to_owned());
        }
        let changed = Secret::new()
            .set_name(name)
            .set_etag(secret.etag)
            .set_annotations(annotations);
        let request = self.client.update_secret().set_secret(changed);
        let request = request.set_update_mask(FieldMask::default().set_paths(["annotations"]));
        let outcome = self
            .runtime
            .wait(request.with_retry_policy(NeverRetry).send());
        outcome
            .map(drop)
            .map_err(|error| trouble::translate(&self.name, &what, Effect::Write, &error))
    }
}
