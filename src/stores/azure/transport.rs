//! The way to a vault: its own host alone.
//!
//! Promises: no request leaves for another scheme, host or port than the vault's, whatever a `nextLink` says, and none follows a redirect.
//!
//! Microsoft's library sends tokens to `https` addresses alone. A server on loopback that is written with `http` (the settings allow that for
//! loopback only) is therefore `https` to the library, and plain where the request leaves.

use std::{fmt, sync::Arc, time::Duration};

use azure_core::{
    Error, Result,
    error::ErrorKind,
    http::{AsyncRawResponse, HttpClient, Request, Transport, Url},
};

use crate::stores::{Fault, StoreError, cloud::WHOLE, http::CONNECT};

/// A request was to go to another host than the vault's.
#[derive(Debug, thiserror::Error)]
#[error("another host than the vault's")]
pub(super) struct Foreign;

struct OwnHost {
    client: reqwest::Client,
    /// As the library knows it.
    vault: Url,
    /// Whether the server on loopback speaks plain http.
    plain: bool,
}

impl fmt::Debug for OwnHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnHost({})", self.vault)
    }
}

#[async_trait::async_trait]
impl HttpClient for OwnHost {
    async fn execute_request(&self, request: &Request) -> Result<AsyncRawResponse> {
        if request.url().origin() != self.vault.origin() {
            return Err(Error::new(ErrorKind::Other, Foreign));
        }
        if !self.plain {
            return self.client.execute_request(request).await;
        }
        let mut request = request.clone();
        if request.url_mut().set_scheme("http").is_err() {
            return Err(Error::new(ErrorKind::Other, Foreign));
        }
        self.client.execute_request(&request).await
    }
}

/// Returns the address as the library has to know it, and whether the server speaks plain http.
pub(super) fn known_as(mut vault: Url) -> Option<(Url, bool)> {
    if vault.scheme() == "https" {
        return Some((vault, false));
    }
    let port = vault.port_or_known_default();
    vault.set_scheme("https").ok()?;
    vault.set_port(port).ok()?;
    Some((vault, true))
}

/// Returns a transport for the vault at this address.
///
/// # Errors
/// [`Fault::Setup`] if TLS cannot be set up.
pub(super) fn to_vault(
    store: &str,
    vault: &Url,
    plain: bool,
) -> std::result::Result<Transport, StoreError> {
    let client = client(store, CONNECT)?;
    let vault = vault.clone();
    Ok(Transport::new(Arc::new(OwnHost {
        client,
        vault,
        plain,
    })))
}

/// Returns a transport to where tokens come from. `connect` is short where nobody may be there (a machine's own identity).
///
/// # Errors
/// [`Fault::Setup`] if TLS cannot be set up.
pub(super) fn to_login(
    store: &str,
    connect: Duration,
) -> std::result::Result<Transport, StoreError> {
    Ok(Transport::new(Arc::new(client(store, connect)?)))
}

fn client(store: &str, connect: Duration) -> std::result::Result<reqwest::Client, StoreError> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(connect)
        .timeout(WHOLE)
        .build()
        .map_err(|_| {
            StoreError::new(
                store,
                Fault::Setup,
                "TLS cannot be set up",
                "install the system's CA certificates (Debian: ca-certificates)",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_servers_are_known_as_others_with_their_port() {
        for (written, known, plain) in [
            (
                "https://a.vault.azure.net",
                "https://a.vault.azure.net/",
                false,
            ),
            ("http://127.0.0.1:8200", "https://127.0.0.1:8200/", true),
            ("http://127.0.0.1", "https://127.0.0.1:80/", true),
        ] {
            let (url, is_plain) = known_as(written.parse().unwrap()).unwrap();
            assert_eq!((url.as_str(), is_plain), (known, plain));
        }
    }
}
