//! What all of AWS's services need: a runtime, credentials, a region, an address, and the meaning of errors.
//!
//! Promises: credentials come from the SDK's own chain, or from the profile that the settings name, and are looked for when a store is
//! opened; a service's error is told apart by its type, never by the HTTP status (some gateways and emulators send others); no text of
//! an answer is quoted; requests that change something and cannot be repeated safely are sent once ([`once`]).

use std::{path::PathBuf, time::Duration};

use aws_config::{
    BehaviorVersion, ConfigLoader, Region, SdkConfig, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_secretsmanager::{
    config::{Credentials, ProvideCredentials as _, SharedHttpClient, http::HttpResponse},
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_http_client::{Builder, Connector, proxy::ProxyConfig, tls};
use tokio::runtime::Runtime;

pub(in crate::stores) use super::fault::code;
use super::fault::{is_quota, judge, words};
use crate::{
    config::stores::AwsSettings,
    stores::{Fault, StoreError, Surroundings, connection::check_address, http::Effect},
};

/// Most tries of one request, the first among them.
const TRIES: u32 = 5;
/// So long one request may take with all its tries.
const WHOLE: Duration = Duration::from_secs(30);
/// So long one try may take.
const TRY: Duration = Duration::from_secs(10);
/// So long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A way to AWS.
pub(in crate::stores) struct Session {
    pub(in crate::stores) name: String,
    pub(in crate::stores) region: String,
    /// Another address than AWS's own.
    pub(in crate::stores) endpoint: Option<String>,
    /// The id of the access key that requests are signed with; an id is no secret.
    pub(in crate::stores) key_id: String,
    pub(in crate::stores) config: SdkConfig,
    runtime: Runtime,
}

impl Session {
    /// Looks for credentials and a region. `endpoints` are the variables that may name another address, the first that is set wins.
    ///
    /// # Errors
    /// [`Fault::Setup`] for settings that cannot work, [`Fault::Unauthenticated`] if the chain has no credentials.
    pub(in crate::stores) fn open(
        name: &str,
        settings: &AwsSettings,
        endpoints: &[&str],
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        // Several threads wait for answers at once; connections live in the runtime's own two.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("keysweep-aws")
            .enable_all()
            .build()
            .map_err(|error| {
                setup(
                    name,
                    format!("no threads can be made: {}", error.kind()),
                    "see the limits of processes (ulimit -u)",
                )
            })?;
        let endpoint = settings
            .endpoint
            .clone()
            .or_else(|| surroundings.text(endpoints));
        if let Some(endpoint) = &endpoint {
            check_address(name, endpoint)?;
        }
        let loader = loader(name, settings, surroundings, endpoint.as_deref())?;
        let config = runtime.block_on(loader.load());
        let region = config.region().map(ToString::to_string).ok_or_else(|| {
            setup(
                name,
                "no region is known".to_owned(),
                "set `region` of this store, AWS_REGION, or `region` of the profile",
            )
        })?;
        let found = config
            .credentials_provider()
            .map(|provider| runtime.block_on(provider.provide_credentials()));
        let Some(Ok(found)) = found else {
            return Err(StoreError::new(
                name,
                Fault::Unauthenticated,
                "no credentials for AWS were found, or they could not be renewed",
                "log in (`aws sso login`), set AWS_PROFILE or `profile` of this store, or give the machine or job a role",
            ));
        };
        Ok(Self {
            name: name.to_owned(),
            region,
            endpoint,
            key_id: found.access_key_id().to_owned(),
            config,
            runtime,
        })
    }

    /// Waits for an answer.
    pub(in crate::stores) fn run<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Waits a while.
    pub(in crate::stores) fn rest(&self, time: Duration) {
        self.runtime.block_on(tokio::time::sleep(time));
    }

    pub(in crate::stores) fn error(
        &self,
        fault: Fault,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> StoreError {
        StoreError::new(&self.name, fault, what, help)
    }

    /// Returns the error of an answer that is not what the service promises.
    pub(in crate::stores) fn garbled(&self, what: &str) -> StoreError {
        self.error(
            Fault::Protocol,
            format!("{what}: the answer is not one of AWS's"),
            "see `endpoint` of this store and AWS_ENDPOINT_URL: is there another service?",
        )
    }

    /// Turns a failed request into our own words.
    pub(in crate::stores) fn fault<E: ProvideErrorMetadata>(
        &self,
        error: &SdkError<E, HttpResponse>,
        what: &str,
        effect: Effect,
    ) -> StoreError {
        let fault = judge(error, effect);
        let (words, help) = words(&fault, code(error).unwrap_or_default());
        let is_quota = code(error).is_some_and(is_quota);
        let error = self.error(fault, format!("{what}: {words}"), help);
        error.of_quota(is_quota)
    }
}

/// Returns a retry setting for requests that must be sent once.
pub(in crate::stores) fn once() -> RetryConfig {
    RetryConfig::disabled()
}

fn setup(name: &str, what: String, help: &str) -> StoreError {
    StoreError::new(name, Fault::Setup, what, help)
}

fn loader(
    name: &str,
    settings: &AwsSettings,
    surroundings: &Surroundings<'_>,
    endpoint: Option<&str>,
) -> Result<ConfigLoader, StoreError> {
    let http = client(name, surroundings)?;
    let retry = RetryConfig::standard().with_max_attempts(TRIES);
    let timeout = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(TRY)
        .operation_timeout(WHOLE)
        .build();
    let files = files(surroundings);
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        .retry_config(retry)
        .timeout_config(timeout)
        .profile_files(files.clone());
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let region = settings
        .region
        .clone()
        .or_else(|| surroundings.text(&["AWS_REGION", "AWS_DEFAULT_REGION"]))
        .map(Region::new);
    if let Some(region) = &region {
        loader = loader.region(region.clone());
    }
    if let Some(profile) = &settings.profile {
        // The chain would take keys of the environment first; who names a profile means it.
        let context = ProviderConfig::without_region()
            .with_http_client(http)
            .with_region(region);
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&context)
            .profile_files(files)
            .profile_name(profile.clone())
            .build();
        loader = loader
            .profile_name(profile.clone())
            .credentials_provider(provider);
    } else if let Some(keys) = keys(surroundings) {
        loader = loader.credentials_provider(keys);
    }
    Ok(loader)
}

/// Returns the keys of the environment.
fn keys(surroundings: &Surroundings<'_>) -> Option<Credentials> {
    let id = surroundings.text(&["AWS_ACCESS_KEY_ID"])?;
    let secret = surroundings.text(&["AWS_SECRET_ACCESS_KEY"])?;
    let token = surroundings.text(&["AWS_SESSION_TOKEN"]);
    Some(Credentials::new(id, secret, token, None, "environment"))
}

/// Returns where profiles are, as the AWS CLI looks for them.
fn files(surroundings: &Surroundings<'_>) -> EnvConfigFiles {
    // The builder panics if it gets no file at all.
    let mut files = EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, "");
    for (kind, variable, file) in [
        (EnvConfigFileKind::Config, "AWS_CONFIG_FILE", ".aws/config"),
        (
            EnvConfigFileKind::Credentials,
            "AWS_SHARED_CREDENTIALS_FILE",
            ".aws/credentials",
        ),
    ] {
        let named = surroundings.text(&[variable]).map(PathBuf::from);
        let own = || surroundings.home.as_ref().map(|home| home.join(file));
        // A file that is not there is an error only if somebody named it.
        if let Some(path) = named.or_else(|| own().filter(|path| path.is_file())) {
            files = files.with_file(kind, path);
        }
    }
    files.build()
}

/// Returns a client with the TLS that the rest of the program has. The proxy is for https only: neither servers on this machine nor the
/// machine's own role are behind it.
fn client(name: &str, surroundings: &Surroundings<'_>) -> Result<SharedHttpClient, StoreError> {
    let variables = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let proxy = match surroundings.text(&variables) {
        None => ProxyConfig::disabled(),
        Some(address) => {
            let proxy = ProxyConfig::https(address).map_err(|_| {
                setup(
                    name,
                    "HTTPS_PROXY (or ALL_PROXY) is no address of a proxy".to_owned(),
                    "write it as http://host:port",
                )
            })?;
            match surroundings.text(&["no_proxy", "NO_PROXY"]) {
                Some(exempt) => proxy.no_proxy(exempt),
                None => proxy,
            }
        }
    };
    Ok(
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut builder = Connector::builder()
                .proxy_config(proxy.clone())
                .tls_provider(tls::Provider::Rustls(
                    tls::rustls_provider::CryptoMode::Ring,
                ));
            builder.set_connector_settings(settings.cloned());
            builder.set_sleep_impl(components.and_then(|known| known.sleep_impl()));
            builder.build()
        }),
    )
}
