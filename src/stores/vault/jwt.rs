//! Where the tokens of a CI come from that a Vault takes for a login.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{
    super::{
        Fault, StoreError, Surroundings,
        buffer::Buffer,
        credential::credential_file,
        http::{Effect, Request, encode},
        json::Json,
    },
    wire::Wire,
};
use crate::model::Secret;

/// Where a JWT comes from. Matched without `_`.
pub(super) enum JwtSource {
    /// A file that somebody keeps fresh.
    File(PathBuf),
    /// GitHub Actions' own service (GitHub docs, "OpenID Connect reference").
    Actions {
        /// Its address, with the audience.
        url: String,
        /// What the runner shows it.
        bearer: Secret,
    },
}

impl JwtSource {
    /// Gets a fresh token.
    pub(super) fn fetch(&self, wire: &Wire) -> Result<Secret, StoreError> {
        let (url, bearer) = match self {
            Self::File(file) => return credential_file(&wire.name, file, "auth.file"),
            Self::Actions { url, bearer } => (url, bearer),
        };
        let what = "ask GitHub Actions for a token";
        let mut header = Buffer::default();
        header.push(b"bearer ");
        // The runner's own token for its own service.
        header.push(bearer.expose());
        let answer = wire.http.send(&Request {
            method: "GET",
            url,
            headers: &[("authorization", header.bytes())],
            body: None,
            effect: Effect::Read,
            what,
            settled: |_| false,
        })?;
        let json = answer
            .is_fine()
            .then(|| Json::parse(&answer.body).ok())
            .flatten();
        let token = json.and_then(|json| json.member("value")?.string());
        token
            .map(|token| Secret::new(token.as_bytes()))
            .ok_or_else(|| {
                wire.error(
                    Fault::Unauthenticated,
                    format!("{what}: it gave none"),
                    "check that the job has `permissions: id-token: write`",
                )
            })
    }

    /// Returns the service of GitHub Actions, if this job may use it.
    pub(super) fn actions(
        wire: &Wire,
        audience: &str,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let url = surroundings.text(&["ACTIONS_ID_TOKEN_REQUEST_URL"]);
        let bearer = surroundings.text(&["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]);
        let (Some(url), Some(bearer)) = (url, bearer.map(Zeroizing::new)) else {
            return Err(wire.error(
            Fault::Setup,
            "log in by JWT: no `file` is set, and this is no GitHub Actions job that may ask for a token",
            "give the job `permissions: id-token: write`, or set `file` in `auth` to the file that holds the token",
        ));
        };
        let audience = encode(audience).replace('/', "%2F");
        Ok(Self::Actions {
            url: format!("{url}&audience={audience}"),
            bearer: Secret::new(bearer.as_bytes()),
        })
    }
}
