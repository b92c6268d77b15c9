//! From errors of Microsoft's library to ours. Told apart by `error.code` and `error.innererror.code` of the answer ("Key Vault REST API error
//! codes"), not by HTTP statuses alone: proxies send those, too.

use azure_core::{Error, error::ErrorKind};

use super::transport::Foreign;
use crate::stores::{Fault, StoreError, http::Effect, json::Json};

/// The codes of an answer, outer and inner.
#[derive(Default)]
struct Codes {
    outer: String,
    inner: String,
}

fn codes(error: &Error) -> Option<(u16, Codes)> {
    let ErrorKind::HttpResponse {
        status,
        raw_response,
        ..
    } = error.kind()
    else {
        return None;
    };
    let codes = raw_response.as_ref().and_then(|response| {
        let json = Json::parse(response.body().as_ref()).ok()?;
        let code = |path: &[&str]| json.at(path).and_then(Json::name).unwrap_or_default();
        Some(Codes {
            outer: code(&["error", "code"]),
            inner: code(&["error", "innererror", "code"]),
        })
    });
    Some((u16::from(*status), codes.unwrap_or_default()))
}

/// Tells whether a version is disabled, and so tells no value.
pub(super) fn is_disabled(error: &Error) -> bool {
    codes(error).is_some_and(|(_, codes)| {
        codes.inner == "SecretDisabled" || codes.outer == "SecretDisabled"
    })
}

/// What became of a request that a server could not deal with.
const fn lost(effect: Effect, read: Fault) -> Fault {
    match effect {
        Effect::Read => read,
        Effect::Write => Fault::Unknown,
    }
}

type Words = (Fault, &'static str, &'static str);

const AGAIN: &str = "try again; https://azure.status.microsoft tells of outages";
const NOT_AZURE: &str = "check `vault`, and whether a proxy answers in its place";

/// Puts an error into our words.
pub(super) fn translate(store: &str, what: &str, effect: Effect, error: &Error) -> StoreError {
    let answer = codes(error);
    let is_quota = matches!(answer, Some((429, _)));
    let (fault, why, help) = match (error.kind(), answer) {
        (_, Some((status, codes))) => told(status, &codes, effect),
        (ErrorKind::Credential, _) => (
            Fault::Unauthenticated,
            "Azure gives no token for these credentials",
            "run `az login` again, or check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
        ),
        (ErrorKind::Connection, _) => (
            Fault::Unavailable,
            "nobody answers at the address, or its certificate is not trusted",
            "check `vault`, and that this machine may reach it",
        ),
        (ErrorKind::Io, _) => late(effect),
        _ if is_foreign(error) => (
            Fault::Protocol,
            "the next page is to be on another host than the vault's",
            NOT_AZURE,
        ),
        (ErrorKind::DataConversion, _) => (
            lost(effect, Fault::Protocol),
            "the answer is not one of Key Vault",
            NOT_AZURE,
        ),
        _ => (
            Fault::Protocol,
            "the server asks for a token of another resource than the vault's own, or leads away from https",
            "write `vault` as https://NAME.vault.azure.net; no token was sent",
        ),
    };
    StoreError::new(store, fault, format!("{what}: {why}"), help).of_quota(is_quota)
}

/// Returns the words of a request that was not answered in time.
pub(super) const fn late(effect: Effect) -> Words {
    (
        lost(effect, Fault::Unavailable),
        "no whole answer came within 30 seconds",
        AGAIN,
    )
}

fn is_foreign(error: &Error) -> bool {
    // The library wraps errors of transports into its own.
    let mut inner: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = inner {
        if one.is::<Foreign>() {
            return true;
        }
        inner = one.source();
    }
    false
}

fn told(status: u16, codes: &Codes, effect: Effect) -> Words {
    match (status, codes.outer.as_str()) {
        (300..=399, _) => (
            Fault::Protocol,
            "the server sent a redirect",
            "redirects are not followed; check `vault`",
        ),
        (401, _) => (
            Fault::Unauthenticated,
            "Azure does not accept the credential",
            "run `az login` again, and look whether the vault is in the same tenant",
        ),
        (403, code) if !code.is_empty() => (
            Fault::Denied,
            "the account may not do that, or the vault's firewall keeps this machine out",
            "grant it the role that docs/cloud.md names for this, and look at the vault's networking",
        ),
        (404, code) if !code.is_empty() => (
            Fault::NotFound,
            "there is no such secret or version",
            "check the key's name; deleted secrets are soft-deleted",
        ),
        (409, code) if !code.is_empty() => (
            Fault::Conflict,
            "the secret is deleted, or somebody changes it at the same time",
            "look at the key's versions, then plan anew",
        ),
        (429, _) => (
            Fault::Retryable { after: None },
            "the vault takes no more requests for now",
            "wait a minute, or ask for fewer keys with `prefixes`",
        ),
        (400, code) if !code.is_empty() => (
            match effect {
                Effect::Read => Fault::Setup,
                Effect::Write => Fault::Rejected,
            },
            "Azure takes the request for wrong",
            "check the key's name; values may have 25 KB",
        ),
        (500..=599, _) => (
            lost(effect, Fault::Retryable { after: None }),
            "Azure has a fault of its own",
            AGAIN,
        ),
        _ => (
            Fault::Protocol,
            "the answer is not one of Key Vault",
            NOT_AZURE,
        ),
    }
}
