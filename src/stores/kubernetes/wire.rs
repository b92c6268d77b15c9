//! Requests to an API server, and what their answers mean. The `kube` crate finds the cluster and logs in (kubeconfig, exec plugins, the pod's
//! own account) and speaks TLS; what it answers is read here, so that no value becomes a `String` of a parser.
//!
//! Promises: TLS is always checked, plain http is for loopback only; no request takes longer than [`WHOLE`], no answer is larger than
//! [`MAX_BODY`]; only reads are repeated; nothing of an answer, a kubeconfig or a plugin's output gets into an error.
//!
//! Source: "Kubernetes API Concepts" and "API Conventions: Response Status Kind" of the Kubernetes documentation.

use std::{
    error::Error as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use http_body_util::BodyExt as _;
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use tokio::runtime::{Builder, Runtime};
use ureq::http::{Request, Uri};
use zeroize::Zeroizing;

use super::super::{
    Fault, StoreError, Surroundings,
    buffer::Buffer,
    connection::{check_address, proxy},
    credential::at_home,
    http::{CONNECT, Effect, TRIES, WHOLE, jitter},
    json::Json,
};
use crate::config::stores::KubernetesSettings;

/// Most bytes of an answer. One secret has 1 MiB at most, in base64 a third more, and may stand in a note of `kubectl apply` once again.
pub(super) const MAX_BODY: usize = 16 << 20;

/// The way to one cluster.
pub(super) struct Wire {
    /// The store's name, for errors.
    pub(super) name: String,
    /// The server's address.
    pub(super) address: String,
    client: Client,
    // Dropped last: the client's tasks live in it.
    runtime: Runtime,
}

/// One request.
pub(super) struct Call<'c> {
    /// The method.
    pub(super) method: &'static str,
    /// The path with its query, encoded.
    pub(super) path: &'c str,
    /// Whether metadata is enough: then the server sends no values.
    pub(super) metadata: bool,
    /// The body: a merge patch.
    pub(super) body: Option<&'c [u8]>,
    /// What is being done, for errors.
    pub(super) what: &'c str,
}

impl<'c> Call<'c> {
    /// Returns a read.
    pub(super) const fn get(path: &'c str, what: &'c str) -> Self {
        Self {
            method: "GET",
            path,
            metadata: false,
            body: None,
            what,
        }
    }

    /// Returns a read of metadata alone.
    pub(super) const fn metadata(path: &'c str, what: &'c str) -> Self {
        Self {
            metadata: true,
            ..Self::get(path, what)
        }
    }

    fn effect(&self) -> Effect {
        if self.method == "GET" {
            Effect::Read
        } else {
            Effect::Write
        }
    }
}

/// What the server answered.
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    after: Option<Duration>,
    /// The body.
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// Returns the words of a `Status` object; empty if it is none.
    pub(super) fn reason(&self) -> String {
        let json = Json::parse(&self.body).ok();
        let status = json
            .filter(|json| json.member("kind").and_then(Json::name).as_deref() == Some("Status"));
        let reason = status.and_then(|json| json.member("reason")?.name());
        reason.unwrap_or_default()
    }
}

/// Why there is no answer. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Nothing was sent: no such host, nobody listens.
    Before,
    /// The certificate is not trusted.
    Certificate,
    /// The credential could not be had.
    Login,
    /// The connection broke, or the answer ended too early.
    Broken,
    /// It took too long.
    Late,
    /// The answer is larger than [`MAX_BODY`].
    Large,
    /// The request could not be written down.
    Request,
}

impl Wire {
    /// Finds the cluster. Nothing is sent, but an exec plugin of the kubeconfig may be run.
    pub(super) fn open(
        name: &str,
        settings: &KubernetesSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let setup = |what: &str, help: &str| StoreError::new(name, Fault::Setup, what, help);
        // The requests of one thread drive those of all: no threads of our own.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| {
                setup(
                    "the system gives no means to wait for connections",
                    "raise the limit of open files: ulimit -n 1024",
                )
            })?;
        let file = settings
            .kubeconfig
            .as_deref()
            .map(|file| at_home(file, surroundings.home.as_deref()));
        let mut config = runtime
            .block_on(find(file.clone(), settings.context.clone()))
            .map_err(|error| unfound(name, &error))?;
        let address = config.cluster_url.to_string();
        check_address(name, &address)?;
        if config.accept_invalid_certs {
            return Err(setup(
                "the kubeconfig says `insecure-skip-tls-verify`: whoever is in between would get the values",
                "put the cluster's CA into the kubeconfig (certificate-authority) and remove the line",
            ));
        }
        let direct = is_direct(name, &config.cluster_url, surroundings)?;
        if direct {
            config.proxy_url = None;
        }
        config.connect_timeout = Some(CONNECT);
        // Its retries would repeat writes, too.
        config.default_retry = false;
        let client = {
            let _inside = runtime.enter();
            ClientBuilder::try_from(config).map_err(|_| {
                setup(
                    "the kubeconfig's certificates, credential or proxy cannot be used",
                    "see whether it works for `kubectl get namespaces`; of proxies only http and https are known",
                )
            })?
        };
        let _inside = runtime.enter();
        let client = client.build();
        drop(_inside);
        Ok(Self {
            name: name.to_owned(),
            address: address.trim_end_matches('/').to_owned(),
            client,
            runtime,
        })
    }

    /// Sends a request. Faults of the server and refusals are errors; 2xx, 404, 409, 410 and 422 are answers.
    pub(super) fn call(&self, call: &Call<'_>) -> Result<Answer, StoreError> {
        let start = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = self.once(call, WHOLE.saturating_sub(start.elapsed()));
            let after = match &outcome {
                Ok(answer) if matches!(answer.status, 429 | 500 | 502..=504) => answer.after,
                Err(Trouble::Before | Trouble::Broken | Trouble::Late) => None,
                Ok(_)
                | Err(Trouble::Certificate | Trouble::Login | Trouble::Large | Trouble::Request) => {
                    return self.judge(call, outcome);
                }
            };
            let pause = after.unwrap_or_else(|| jitter(tries));
            let again = call.effect() == Effect::Read
                && tries < TRIES
                && start.elapsed().saturating_add(pause) < WHOLE;
            if !again {
                return self.judge(call, outcome);
            }
            std::thread::sleep(pause);
        }
    }

    fn once(&self, call: &Call<'_>, left: Duration) -> Result<Answer, Trouble> {
        let accept = if call.metadata {
            // A list is asked for by another name than one object; a server takes what fits.
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
        } else {
            "application/json"
        };
        let mut builder = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header("accept", accept)
            .header(
                "user-agent",
                concat!("keysweep/", env!("CARGO_PKG_VERSION")),
            );
        if call.body.is_some() {
            builder = builder.header("content-type", "application/merge-patch+json");
        }
        let body = call
            .body
            .map_or_else(Body::empty, |body| Body::from(body.to_vec()));
        let request = builder.body(body).map_err(|_| Trouble::Request)?;
        self.runtime.block_on(async {
            let exchange = exchange(&self.client, request);
            match tokio::time::timeout(left, exchange).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Trouble::Late),
            }
        })
    }

    fn judge(
        &self,
        call: &Call<'_>,
        outcome: Result<Answer, Trouble>,
    ) -> Result<Answer, StoreError> {
        let answer = outcome.map_err(|trouble| self.unanswered(call, trouble))?;
        let is_write = call.effect() == Effect::Write;
        let after = answer.after;
        let reason = answer.reason();
        let (fault, happened, help) = match (answer.status, reason.as_str()) {
            (200..=299, _)
            | (404, "NotFound")
            | (409, "Conflict")
            | (410, _)
            | (422, "Invalid") => {
                return Ok(answer);
            }
            (401, _) => (
                Fault::Unauthenticated,
                "the credential is not accepted",
                "log in again (`kubectl auth whoami` says who you are), or name another `context`",
            ),
            (403, "Forbidden") => (
                Fault::Denied,
                "access is denied",
                "docs/kubernetes.md has the roles that verify and rotate need",
            ),
            (429, _) => (
                Fault::Retryable { after },
                "the server asks to come back later",
                "use fewer threads (--threads 1), or try again later",
            ),
            (500..=599, _) if is_write => (
                Fault::Unknown,
                "the server failed while it did this, it may be done or not",
                "look at the secret before doing it again; an admission webhook that fails is a common cause",
            ),
            (502..=504, _) => (
                Fault::Unavailable,
                "the server is not ready",
                "try again; look into the API server's log if it stays so",
            ),
            (500..=599, _) => (
                Fault::Retryable { after },
                "the server has a fault of its own",
                "look into the API server's log",
            ),
            _ => return Err(self.garbled(call.what)),
        };
        Err(self.error(fault, format!("{}: {happened}", call.what), help))
    }

    fn unanswered(&self, call: &Call<'_>, trouble: Trouble) -> StoreError {
        let no_answer = match call.effect() {
            Effect::Read => Fault::Unavailable,
            Effect::Write => Fault::Unknown,
        };
        let (fault, happened, help) = match trouble {
            Trouble::Before => (
                Fault::Unavailable,
                "nobody listens at the cluster's address",
                "see whether `kubectl get namespaces` works from here (VPN, proxy, an old kubeconfig)",
            ),
            Trouble::Certificate => (
                Fault::Unavailable,
                "the server's certificate is not trusted",
                "put the cluster's CA into the kubeconfig (certificate-authority)",
            ),
            Trouble::Login => (
                Fault::Unauthenticated,
                "the kubeconfig's way of logging in failed",
                "see whether `kubectl get namespaces` works; its exec plugin must work without a terminal",
            ),
            Trouble::Broken => (
                no_answer,
                "the connection broke before the answer was whole",
                "try again; look into the API server's log if it stays so",
            ),
            Trouble::Late => (
                no_answer,
                "no answer came within 30 seconds",
                "try again; look into the API server's log if it stays so",
            ),
            Trouble::Large if call.effect() == Effect::Write => (
                Fault::Unknown,
                "the answer is larger than 16 MiB",
                "look at the secret before doing it again",
            ),
            Trouble::Large => (
                Fault::Protocol,
                "the answer is larger than 16 MiB",
                "check that the kubeconfig's server is an API server",
            ),
            Trouble::Request => (
                Fault::Setup,
                "the name has a character that cannot be sent",
                "write the key as NAMESPACE/NAME",
            ),
        };
        self.error(fault, format!("{}: {happened}", call.what), help)
    }

    /// Returns an error of this store.
    pub(super) fn error(
        &self,
        fault: Fault,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> StoreError {
        StoreError::new(&self.name, fault, what, help)
    }

    /// Returns the error of an answer that no API server sends.
    pub(super) fn garbled(&self, what: &str) -> StoreError {
        self.error(
            Fault::Protocol,
            format!("{what}: the answer is not what an API server answers"),
            "check that the kubeconfig's server is an API server and not a page or proxy before it",
        )
    }

    /// Returns an answer's JSON.
    pub(super) fn json<'a>(&self, answer: &'a Answer, what: &str) -> Result<Json<'a>, StoreError> {
        Json::parse(&answer.body)
            .ok()
            .filter(|json| json.text().starts_with('{'))
            .ok_or_else(|| self.garbled(what))
    }
}

/// Loads the kubeconfig, or what a pod has.
async fn find(file: Option<PathBuf>, context: Option<String>) -> Result<Config, KubeconfigError> {
    let named = file.is_some() || context.is_some();
    let options = KubeConfigOptions {
        context,
        ..KubeConfigOptions::default()
    };
    let found = match file {
        Some(file) => Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await,
        None => Config::from_kubeconfig(&options).await,
    };
    match found {
        // Not `Config::infer`: that lets variables for debugging send the requests elsewhere.
        Err(KubeconfigError::ReadConfig(..) | KubeconfigError::FindPath) if !named => {
            Config::incluster().map_err(|_| KubeconfigError::FindPath)
        }
        other => other,
    }
}

/// Says why there is no cluster; the library's own words may quote the file.
fn unfound(name: &str, error: &KubeconfigError) -> StoreError {
    let (what, help) = match error {
        KubeconfigError::FindPath => (
            "there is no kubeconfig, and this is no pod with an account",
            "set `kubeconfig` for the store, or KUBECONFIG",
        ),
        KubeconfigError::ReadConfig(..) => (
            "the kubeconfig cannot be read",
            "name a file that is there and readable by you, as `kubeconfig` or in KUBECONFIG",
        ),
        KubeconfigError::CurrentContextNotSet | KubeconfigError::LoadContext(_) => (
            "the kubeconfig has no such context",
            "`kubectl config get-contexts` lists them; set `context` for the store",
        ),
        _ => (
            "the kubeconfig is not whole, or a file that it names cannot be read",
            "see whether `kubectl config view` and `kubectl get namespaces` work with it",
        ),
    };
    StoreError::new(name, Fault::Setup, what, help)
}

/// Tells whether requests go straight to the cluster though a proxy may be set: it is on this machine, or exempt.
fn is_direct(
    name: &str,
    cluster: &Uri,
    surroundings: &Surroundings<'_>,
) -> Result<bool, StoreError> {
    let host = cluster.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if is_loopback {
        return Ok(true);
    }
    Ok(proxy(name, surroundings)?.is_some_and(|proxy| proxy.is_no_proxy(cluster)))
}

async fn exchange(client: &Client, request: Request<Body>) -> Result<Answer, Trouble> {
    let response = client
        .send(request)
        .await
        .map_err(|error| trouble(&error))?;
    let status = response.status().as_u16();
    let after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let mut body = response.into_body();
    let mut buffer = Buffer::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Trouble::Broken)?;
        // Trailers are no part of the body.
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        if buffer.bytes().len() + bytes.len() > MAX_BODY {
            return Err(Trouble::Large);
        }
        buffer.push(&bytes);
    }
    Ok(Answer {
        status,
        after,
        body: buffer.into_bytes(),
    })
}

fn trouble(error: &kube::Error) -> Trouble {
    if matches!(error, kube::Error::Auth(_)) {
        return Trouble::Login;
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    // The types behind are not public: hyper-util says "client error (Connect)", rustls "invalid peer certificate: UnknownIssuer".
    if text.contains("certificate") {
        Trouble::Certificate
    } else if text.contains("(Connect)") {
        Trouble::Before
    } else {
        Trouble::Broken
    }
}
