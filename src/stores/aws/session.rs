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
        self.error(fault, format!("{what}: {words}"), help)
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
    let mut files = EnvConfigFiles::builder();
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

/// Returns the type of a service's error.
pub(in crate::stores) fn code<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
) -> Option<&str> {
    match error {
        SdkError::ServiceError(answer) => answer.err().code(),
        _ => None,
    }
}

fn judge<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>, effect: Effect) -> Fault {
    let lost = || match effect {
        Effect::Read => Fault::Retryable { after: None },
        Effect::Write => Fault::Unknown,
    };
    match error {
        SdkError::ConstructionFailure(_) => Fault::Setup,
        SdkError::TimeoutError(_) => lost(),
        SdkError::DispatchFailure(_) => match effect {
            Effect::Read => Fault::Unavailable,
            Effect::Write => Fault::Unknown,
        },
        SdkError::ResponseError(_) => match effect {
            Effect::Read => Fault::Protocol,
            Effect::Write => Fault::Unknown,
        },
        SdkError::ServiceError(answer) => {
            // Without a type the status is all there is.
            let broken = answer.raw().status().is_server_error();
            match answer.err().code() {
                Some(code) => {
                    meaning(code).unwrap_or(if broken { lost() } else { Fault::Protocol })
                }
                None if broken => lost(),
                None => Fault::Protocol,
            }
        }
        _ => lost(),
    }
}

/// Returns what a type means in every service ("Common Error Types" of each API reference, and their own pages).
fn meaning(code: &str) -> Option<Fault> {
    Some(match code {
        "AccessDenied"
        | "AccessDeniedException"
        | "NotAuthorized"
        | "UnauthorizedOperation"
        | "OptInRequired"
        | "DecryptionFailure"
        | "EncryptionFailure"
        | "InvalidKeyId" => Fault::Denied,
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired" => Fault::Unauthenticated,
        "ResourceNotFoundException"
        | "ParameterNotFound"
        | "ParameterVersionNotFound"
        | "NoSuchEntity"
        | "NoSuchEntityException" => Fault::NotFound,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "TooManyUpdates" => Fault::Retryable { after: None },
        "ResourceExistsException"
        | "PreconditionNotMetException"
        | "EntityTemporarilyUnmodifiable"
        | "ConcurrentModification" => Fault::Conflict,
        "ParameterPatternMismatchException" => Fault::Rejected,
        "LimitExceeded"
        | "LimitExceededException"
        | "ParameterLimitExceeded"
        | "ParameterMaxVersionLimitExceeded"
        | "MalformedPolicyDocumentException"
        | "ValidationException"
        | "ValidationError"
        | "InvalidParameterException"
        | "InvalidRequestException"
        | "InvalidInput" => Fault::Setup,
        _ => return None,
    })
}

/// Returns words for a fault, and what to do.
fn words(fault: &Fault, code: &str) -> (&'static str, &'static str) {
    match (fault, code) {
        (Fault::Denied, "DecryptionFailure" | "EncryptionFailure" | "InvalidKeyId") => (
            "the KMS key of the secret cannot be used",
            "allow kms:Decrypt (and, to write, kms:GenerateDataKey) on its key; see docs/aws.md",
        ),
        (Fault::Denied, _) => (
            "AWS denies it",
            "docs/aws.md has the least policies for verify and rotate; a KMS key has a policy of its own",
        ),
        (Fault::Unauthenticated, _) => (
            "AWS does not accept the credentials",
            "log in again (`aws sso login`), and see that the clock is right",
        ),
        (Fault::NotFound, _) => (
            "there is no such thing (any more)",
            "`keysweep store list` shows what there is; is it another region or account?",
        ),
        (Fault::Retryable { .. }, _) => (
            "AWS asks to come back later",
            "run it again later; fewer `prefixes` need fewer requests",
        ),
        (Fault::Conflict, _) => (
            "it has changed meanwhile",
            "look at the key's newest version, then plan anew",
        ),
        (Fault::Rejected, _) => (
            "the new value breaks the parameter's own pattern",
            "see its AllowedPattern, and the `value` settings of the rotation",
        ),
        (Fault::Unavailable, _) => (
            "AWS cannot be reached",
            "see the network, `region` and `endpoint` of this store, and HTTPS_PROXY",
        ),
        (Fault::Unknown, _) => (
            "no answer came, so it may have been done or not",
            "look at the key before you try again",
        ),
        (Fault::Setup, "LimitExceeded" | "LimitExceededException") => (
            "a quota of AWS is used up",
            "remove what is not needed, or ask AWS for more",
        ),
        (Fault::Setup, "ParameterMaxVersionLimitExceeded") => (
            "the parameter has 100 versions, and the oldest has a label",
            "move the label: aws ssm label-parameter-version",
        ),
        (Fault::Setup, _) => (
            "AWS does not take the request",
            "see the key's settings in AWS, and docs/aws.md",
        ),
        _ => (
            "AWS answered with something unexpected",
            "see `endpoint` and `region` of this store",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_one_meaning_and_words_each() {
        for (code, fault) in [
            ("AccessDeniedException", Fault::Denied),
            ("DecryptionFailure", Fault::Denied),
            ("ExpiredTokenException", Fault::Unauthenticated),
            ("ResourceNotFoundException", Fault::NotFound),
            ("ThrottlingException", Fault::Retryable { after: None }),
            ("ResourceExistsException", Fault::Conflict),
            ("LimitExceeded", Fault::Setup),
        ] {
            let found = meaning(code).expect(code);
            assert_eq!(found, fault, "{code}");
            let (what, help) = words(&found, code);
            assert!(!what.is_empty() && !help.is_empty());
        }
        assert_eq!(meaning("MadeUpException"), None);
        assert_ne!(
            words(&Fault::Denied, "DecryptionFailure"),
            words(&Fault::Denied, "AccessDeniedException")
        );
    }
}
