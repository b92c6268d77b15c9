//! Where a store's requests may go and on which way: addresses, certificates, proxies.

use std::{fs, path::Path};

use ureq::{
    Proxy, ProxyProtocol,
    http::Uri,
    tls::{PemItem, RootCerts, parse_pem},
};

use super::{Fault, StoreError, Surroundings};

/// Percent-encodes a path; slashes stay (RFC 3986, section 2.3, unreserved characters).
#[must_use]
pub fn encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Refuses addresses that would carry a token in clear text, or credentials themselves.
///
/// # Errors
/// [`Fault::Setup`].
pub(super) fn check_address(store: &str, url: &str) -> Result<(), StoreError> {
    let refuse = |what: &str, help: &str| Err(StoreError::new(store, Fault::Setup, what, help));
    let Ok(uri) = url.parse::<Uri>() else {
        return refuse("the address is no URL", "write it as https://host:port");
    };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return refuse("the address is no URL", "write it as https://host:port");
    };
    if authority.as_str().contains('@') {
        return refuse(
            "the address holds a user or password",
            "write it as https://host:port, and credentials into files",
        );
    }
    if scheme == "https" || (scheme == "http" && is_loopback(authority.host())) {
        return Ok(());
    }
    refuse(
        "the address is not https",
        "plain http is for servers on this machine (127.0.0.1, [::1], localhost) only",
    )
}

pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

pub(super) fn certificates(store: &str, file: &Path) -> Result<RootCerts, StoreError> {
    let setup = |what: String| {
        StoreError::new(
            store,
            Fault::Setup,
            what,
            "set `ca-file` to a file of certificates in PEM",
        )
    };
    let shown = file.display();
    let pem = fs::read(file).map_err(|error| {
        setup(format!(
            "the CA file {shown} cannot be read: {}",
            error.kind()
        ))
    })?;
    let mut all = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => all.push(certificate),
            Ok(_) => {}
            Err(_) => return Err(setup(format!("the CA file {shown} is damaged"))),
        }
    }
    if all.is_empty() {
        return Err(setup(format!("the CA file {shown} holds no certificate")));
    }
    Ok(RootCerts::from(all))
}

/// Returns the proxy that the user's environment names, as curl looks for it.
pub(super) fn proxy(
    store: &str,
    surroundings: &Surroundings<'_>,
) -> Result<Option<Proxy>, StoreError> {
    let Some(address) =
        surroundings.text(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
    else {
        return Ok(None);
    };
    let wrong = || {
        StoreError::new(
            store,
            Fault::Setup,
            "HTTPS_PROXY (or ALL_PROXY) is no address of a proxy",
            "write it as http://host:port",
        )
    };
    let parsed = Proxy::new(&address).map_err(|_| wrong())?;
    // ureq would panic: what it takes for SOCKS is not built in.
    if !matches!(
        parsed.protocol(),
        ProxyProtocol::Http | ProxyProtocol::Https
    ) {
        return Err(StoreError::new(
            store,
            Fault::Setup,
            "HTTPS_PROXY (or ALL_PROXY) names a SOCKS proxy, which keysweep cannot use",
            "set HTTPS_PROXY to an HTTP proxy (http://host:port), or unset it for this run",
        ));
    }
    let mut builder = Proxy::builder(parsed.protocol())
        .host(parsed.host())
        .port(parsed.port());
    if let Some(user) = parsed.username() {
        builder = builder.username(user);
    }
    if let Some(password) = parsed.password() {
        builder = builder.password(password);
    }
    for host in ["localhost", "127.*", "[::1]", "::1"] {
        builder = builder.no_proxy(host);
    }
    let exempt = surroundings.text(&["no_proxy", "NO_PROXY"]);
    for host in exempt.iter().flat_map(|list| list.split(',')) {
        let host = host.trim();
        if !host.is_empty() {
            builder = builder.no_proxy(host);
        }
    }
    builder.build().map(Some).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::stores::http::Http;

    fn surroundings<R>(variables: &[(&str, &str)], run: impl FnOnce(&Surroundings<'_>) -> R) -> R {
        let variable = |name: &str| {
            let found = variables.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| OsString::from(value))
        };
        run(&Surroundings {
            variable: &variable,
            home: None,
            history: &|_| Ok(Vec::new()),
        })
    }

    #[test]
    fn tokens_never_travel_in_clear_text() {
        for fine in [
            "https://vault.example.com:8200/v1",
            "http://127.0.0.1:8200",
            "http://[::1]:8200/v1/x",
            "http://localhost/",
        ] {
            assert_eq!(check_address("s", fine), Ok(()), "{fine}");
        }
        for wrong in [
            "http://vault.example.com",
            "http://localhost@vault.example.com/",
            "http://127.0.0.1.example.com/",
            "https://user:word@vault.example.com/",
            "ftp://127.0.0.1/",
            "vault.example.com:8200",
            "",
        ] {
            let error = check_address("s", wrong).expect_err(wrong);
            assert_eq!(error.fault, Fault::Setup, "{wrong}");
            assert!(!error.help.is_empty());
        }
    }

    #[test]
    fn the_proxy_is_the_users_and_never_for_loopback() {
        let none = surroundings(&[("http_proxy", "http://p:1")], |s| proxy("s", s));
        assert!(none.expect("no fault").is_none());
        let socks = [("ALL_PROXY", "socks5://127.0.0.1:1080")];
        let refused = surroundings(&socks, |s| proxy("s", s)).err();
        assert_eq!(refused.map(|error| error.fault), Some(Fault::Setup));
        let variables = [
            ("HTTPS_PROXY", "http://proxy.example.com:3128"),
            ("no_proxy", "internal.example.com, .corp.example.com"),
        ];
        let found = surroundings(&variables, |s| proxy("s", s));
        let found = found.expect("no fault").expect("a proxy");
        let exempt = |url: &str| found.is_no_proxy(&url.parse().expect("a URL"));
        assert_eq!((found.host(), found.port()), ("proxy.example.com", 3128));
        assert!(exempt("http://127.0.0.1:8200/v1"));
        assert!(exempt("http://[::1]:8200/v1"));
        assert!(exempt("https://internal.example.com/"));
        assert!(exempt("https://a.corp.example.com/"));
        assert!(!exempt("https://vault.example.com/"));
    }

    #[test]
    fn a_wrong_ca_file_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("ca.pem");
        let error = surroundings(&[], |s| Http::new("s", Some(&file), s)).expect_err("no file");
        assert_eq!(error.fault, Fault::Setup);
        fs::write(&file, "no certificate").expect("written");
        let error = surroundings(&[], |s| Http::new("s", Some(&file), s)).expect_err("no PEM");
        assert!(error.what.contains("no certificate"), "{error}");
    }
}
