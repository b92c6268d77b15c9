//! Requests to Vault and OpenBao, and what their answers mean.
//!
//! Promises: one status has several meanings here, so the answer's own words decide (a 403 is a missing right or a dead token, a 503 a
//! sealed server or a busy one); nothing of an answer gets into an error.

use memchr::memmem;

use super::super::{
    Fault, StoreError,
    http::{Answer, Effect, Http, Request},
    json::Json,
};
use crate::model::Secret;

/// The way to one server and namespace, without a token.
pub(super) struct Wire {
    /// The store's name, for errors.
    pub(super) name: String,
    /// The client.
    pub(super) http: Http,
    /// `https://host:port`, without a slash at its end.
    pub(super) address: String,
    /// The namespace.
    pub(super) namespace: Option<String>,
}

/// One request below `/v1/`.
pub(super) struct Call<'c> {
    /// The method.
    pub(super) method: &'static str,
    /// The path below `/v1/`, encoded, with its query.
    pub(super) path: &'c str,
    /// The body.
    pub(super) body: Option<&'c [u8]>,
    /// What a second try would do.
    pub(super) effect: Effect,
    /// What is being done, for errors.
    pub(super) what: &'c str,
}

impl<'c> Call<'c> {
    /// Returns a read.
    pub(super) const fn get(path: &'c str, what: &'c str) -> Self {
        Self {
            method: "GET",
            path,
            body: None,
            effect: Effect::Read,
            what,
        }
    }

    /// Returns a question that has a body; it changes nothing.
    pub(super) const fn ask(path: &'c str, body: &'c [u8], what: &'c str) -> Self {
        Self {
            method: "POST",
            path,
            body: Some(body),
            effect: Effect::Read,
            what,
        }
    }

    /// Returns a write.
    pub(super) const fn post(path: &'c str, body: &'c [u8], what: &'c str) -> Self {
        Self {
            method: "POST",
            path,
            body: Some(body),
            effect: Effect::Write,
            what,
        }
    }
}

impl Wire {
    /// Sends a request and returns whatever the answer is.
    pub(super) fn send(
        &self,
        call: &Call<'_>,
        token: Option<&Secret>,
    ) -> Result<Answer, StoreError> {
        let url = format!("{}/v1/{}", self.address, call.path);
        // A Vault agent wants this header; servers ignore it.
        let mut headers: Vec<(&str, &[u8])> = vec![("x-vault-request", b"true")];
        if let Some(token) = token {
            // The token goes to the server that it belongs to.
            headers.push(("x-vault-token", token.expose()));
        }
        if let Some(namespace) = &self.namespace {
            headers.push(("x-vault-namespace", namespace.as_bytes()));
        }
        if call.method == "PATCH" {
            headers.push(("content-type", b"application/merge-patch+json"));
        }
        self.http.send(&Request {
            method: call.method,
            url: &url,
            headers: &headers,
            body: call.body,
            effect: call.effect,
            what: call.what,
            settled: is_sealed,
        })
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

    /// Returns the error of an answer that does not say what its request wanted.
    pub(super) fn garbled(&self, what: &str) -> StoreError {
        self.error(
            Fault::Protocol,
            format!("{what}: the answer is not what Vault and OpenBao answer"),
            "check that `address` is that of the server itself and not of a page or proxy before it",
        )
    }

    /// Returns an answer's JSON.
    pub(super) fn json<'a>(&self, answer: &'a Answer, what: &str) -> Result<Json<'a>, StoreError> {
        Json::parse(&answer.body).map_err(|_| self.garbled(what))
    }

    /// Passes answers that a caller understands (2xx, 400, 404, 405) and makes errors of the others, but for 403.
    pub(super) fn judge(&self, call: &Call<'_>, answer: Answer) -> Result<Answer, StoreError> {
        let what = call.what;
        let (fault, happened, help) = match answer.status {
            404 if says(&answer, "namespace not found") => (
                Fault::Setup,
                "the server has no such namespace",
                "check `namespace` of the store (or BAO_NAMESPACE, VAULT_NAMESPACE): `bao namespace list` shows those that there are",
            ),
            200..=299 | 400 | 403 | 404 | 405 => return Ok(answer),
            412 => (
                Fault::Retryable {
                    after: answer.after,
                },
                "the server has not caught up with an earlier write",
                "try again in a moment",
            ),
            429 => (
                Fault::Retryable {
                    after: answer.after,
                },
                "the server's quota of requests is used up",
                "use fewer threads (--threads 1), or raise the rate-limit quota below sys/quotas/rate-limit",
            ),
            503 if is_sealed(&answer) => (
                Fault::Unavailable,
                "the server is sealed",
                "unseal it: bao operator unseal (or vault operator unseal)",
            ),
            500..=599 if call.effect == Effect::Write => (
                Fault::Unknown,
                "the server failed while it did this, it may be done or not",
                "look at the key before doing it again; the server's log says what failed",
            ),
            502..=504 => (
                Fault::Unavailable,
                "the server is not ready",
                "try again; look into the server's log if it stays so",
            ),
            500..=599 => (
                Fault::Retryable {
                    after: answer.after,
                },
                "the server has a fault of its own",
                "look into the server's log",
            ),
            _ => return Err(self.garbled(what)),
        };
        let error = self.error(fault, format!("{what}: {happened}"), help);
        Err(error.of_quota(answer.status == 429))
    }
}

/// Tells whether the server says that it is sealed.
fn is_sealed(answer: &Answer) -> bool {
    answer.status == 503 && memmem::find(&answer.body, b"sealed").is_some()
}

/// Tells whether an answer's errors have these words; they are compared, never shown.
pub(super) fn says(answer: &Answer, words: &str) -> bool {
    Json::parse(&answer.body).is_ok_and(|json| {
        json.member("errors").is_some_and(|errors| {
            errors
                .items()
                .any(|error| error.string().is_some_and(|text| text.contains(words)))
        })
    })
}
