//! Requests to an API server, and what their answers mean. The `kube` crate's client logs in and speaks TLS; what it answers is read here, so that
//! no value becomes a `String` of a parser.
//!
//! Promises: no request takes longer than [`WHOLE`], no answer is larger than [`MAX_BODY`]; only reads are repeated; nothing of an answer or of
//! a plugin's output gets into an error.
//!
//! Source: "Kubernetes API Concepts" and "API Conventions: Response Status Kind" of the Kubernetes documentation.

use std::{
    error::Error as _,
    time::{Duration, Instant},
};

use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use tokio::runtime::Runtime;
use ureq::http::Request;
use zeroize::Zeroizing;

use super::super::{
    Fault, StoreError,
    buffer::Buffer,
    http::{Effect, TRIES, WHOLE, jitter},
    json::Json,
};

/// Most bytes of an answer. One secret has 1 MiB at most, in base64 a third more, and may stand in a note of `kubectl apply` once again.
pub(super) const MAX_BODY: usize = 16 << 20;

/// The way to one cluster.
pub(super) struct Wire {
    /// The store's name, for errors.
    pub(super) name: String,
    /// The server's address.
    pub(super) address: String,
    pub(super) client: Client,
    // Dropped last: the client's tasks live in it.
    pub(super) runtime: Runtime,
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
    /// Sends a request. Faults of the server and refusals are errors; 2xx, 400, 404, 409, 410 and 422 are answers.
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
            | (400, "BadRequest")
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
        let error = self.error(fault, format!("{}: {happened}", call.what), help);
        Err(error.of_quota(answer.status == 429))
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
