//! The thin HTTP client of stores: blocking, shared by threads, one connection pool for each store.
//!
//! Promises: `https` only, but for hosts on loopback; no redirect is followed; no request takes longer than [`WHOLE`], no body is larger than
//! [`MAX_BODY`]; bodies stand in one buffer that is wiped, as are those of connections; only reads are repeated; a proxy is used only if the user's
//! environment names one, and never for loopback; errors are our own words and hold nothing of an answer or a header.

use std::{
    error::Error as _,
    io,
    io::Read as _,
    path::Path,
    time::{Duration, Instant},
};

use ureq::{
    Agent, Body, Error, Timeout,
    http::{self, HeaderMap, HeaderValue, Response},
    tls::{RootCerts, TlsConfig},
    unversioned::{
        resolver::DefaultResolver,
        transport::{Connector as _, DefaultConnector},
    },
};
use zeroize::Zeroizing;

use super::{
    Fault, StoreError, Surroundings,
    buffer::Buffer,
    connection::{certificates, check_address, proxy},
    wiping::WipingConnector,
};

pub use super::connection::encode;

/// Most bytes of an answer.
pub const MAX_BODY: usize = 4 << 20;
/// Most time until a connection stands.
pub const CONNECT: Duration = Duration::from_secs(5);
/// Most time of a request with all its tries.
pub const WHOLE: Duration = Duration::from_secs(30);
/// Most tries of a read.
pub const TRIES: u32 = 5;
/// The first pause is at most this long, each further one twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// A client. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Http {
    store: String,
    agent: Agent,
    whole: Duration,
}

/// One request.
pub struct Request<'r> {
    /// `GET`, `POST` and so on.
    pub method: &'static str,
    /// The whole address; see [`encode`].
    pub url: &'r str,
    /// Header lines; a value may be a secret.
    pub headers: &'r [(&'r str, &'r [u8])],
    /// The body; of type JSON unless a header says something else.
    pub body: Option<&'r [u8]>,
    /// What a second try would do.
    pub effect: Effect,
    /// What is being done, for errors: `read secret/app`.
    pub what: &'r str,
    /// Tells an answer that will be the same the next time, though its status sounds passing (a sealed Vault's 503).
    pub settled: fn(&Answer) -> bool,
}

/// What a request does. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it is tried again after connection faults, 429 and 5xx.
    Read,
    /// Something: it is sent once, and without an answer the outcome is unknown.
    Write,
}

impl Effect {
    /// Returns what a request of this method changes, where GET alone changes nothing.
    #[must_use]
    pub fn of(method: &str) -> Self {
        if method == "GET" {
            Self::Read
        } else {
            Self::Write
        }
    }
}

/// What a server answered.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// How long the server asks to wait.
    pub after: Option<Duration>,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
    headers: HeaderMap,
}

impl Answer {
    /// Returns a header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Tells whether the status is 200 to 299.
    #[must_use]
    pub const fn is_fine(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

/// Why there is no answer. Matched without `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Nothing was sent: no such host, nobody listens.
    Before,
    /// The certificate is not trusted.
    Certificate,
    /// The proxy does not let us through.
    Proxy,
    /// The connection broke, or the answer ended too early.
    Broken,
    /// It took too long.
    Late,
    /// The body is larger than [`MAX_BODY`].
    Large,
    /// The request could not be written down.
    Request,
}

impl Http {
    /// Returns a client for the store of this name. It trusts the CAs of `ca_file`, or those of the system.
    ///
    /// # Errors
    /// [`Fault::Setup`] for a CA file that cannot be read or holds no certificate, and for an address of a proxy that is none.
    pub fn new(
        store: &str,
        ca_file: Option<&Path>,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let roots = match ca_file {
            Some(file) => certificates(store, file)?,
            None => RootCerts::PlatformVerifier,
        };
        let tls = TlsConfig::builder().root_certs(roots);
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .proxy(proxy(store, surroundings)?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(WHOLE))
            .max_idle_connections(32)
            .max_idle_connections_per_host(16)
            .user_agent(concat!("keysweep/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            store: store.to_owned(),
            agent: Agent::with_parts(
                config,
                DefaultConnector::default().chain(WipingConnector),
                DefaultResolver::default(),
            ),
            whole: WHOLE,
        })
    }

    /// Returns a client whose every connection goes to a Unix socket of this machine; addresses are `http://127.0.0.1/...`.
    #[cfg(unix)]
    #[must_use]
    pub(super) fn at_socket(store: &str, socket: &Path) -> Self {
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(WHOLE))
            .user_agent(concat!("keysweep/", env!("CARGO_PKG_VERSION")))
            .build();
        let connector = super::socket::SocketConnector::new(socket);
        Self {
            store: store.to_owned(),
            agent: Agent::with_parts(
                config,
                connector.chain(WipingConnector),
                DefaultResolver::default(),
            ),
            whole: WHOLE,
        }
    }

    /// Returns a client with the same connections that waits at most this long, and [`WHOLE`] if that is less.
    #[must_use]
    pub fn within(&self, whole: Duration) -> Self {
        Self {
            whole: whole.min(WHOLE),
            ..self.clone()
        }
    }

    /// Sends a request. Every status but 3xx is an answer; reads are tried again while it sounds passing.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if nothing was sent or a read was not answered, [`Fault::Unknown`] if a write was not,
    /// [`Fault::Protocol`] for redirects and answers that are too large, [`Fault::Setup`] for addresses that may not be used.
    pub fn send(&self, request: &Request<'_>) -> Result<Answer, StoreError> {
        check_address(&self.store, request.url)?;
        let start = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            let left = self.whole.saturating_sub(start.elapsed());
            let outcome = self.once(request, left);
            let after = match &outcome {
                Ok(answer) if passing(answer.status) && !(request.settled)(answer) => answer.after,
                Err(Trouble::Before | Trouble::Broken | Trouble::Late) => None,
                Ok(_)
                | Err(Trouble::Certificate | Trouble::Proxy | Trouble::Large | Trouble::Request) => {
                    return self.judge(request, outcome);
                }
            };
            let pause = after.unwrap_or_else(|| jitter(tries));
            let again = request.effect == Effect::Read
                && tries < TRIES
                && start.elapsed().saturating_add(pause) < self.whole;
            if !again {
                return self.judge(request, outcome);
            }
            std::thread::sleep(pause);
        }
    }

    fn once(&self, request: &Request<'_>, left: Duration) -> Result<Answer, Trouble> {
        let mut builder = http::Request::builder()
            .method(request.method)
            .uri(request.url);
        for (name, value) in request.headers {
            let mut value = HeaderValue::from_bytes(value).map_err(|_| Trouble::Request)?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        let json = !request
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let response = if let Some(body) = request.body {
            if json {
                builder = builder.header("content-type", "application/json");
            }
            let request = builder.body(body).map_err(|_| Trouble::Request)?;
            let request = self.agent.configure_request(request);
            self.agent.run(request.timeout_global(Some(left)).build())
        } else {
            let request = builder.body(()).map_err(|_| Trouble::Request)?;
            let request = self.agent.configure_request(request);
            self.agent.run(request.timeout_global(Some(left)).build())
        };
        receive(response.map_err(|error| trouble(&error))?)
    }

    fn judge(
        &self,
        request: &Request<'_>,
        outcome: Result<Answer, Trouble>,
    ) -> Result<Answer, StoreError> {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(trouble) => return Err(self.error(request, trouble)),
        };
        if matches!(answer.status, 300..=399) {
            return Err(StoreError::new(
                &self.store,
                Fault::Protocol,
                format!("{}: the server sent a redirect", request.what),
                "redirects are not followed; write the address that the store itself has (of the active node)",
            ));
        }
        Ok(answer)
    }

    fn error(&self, request: &Request<'_>, trouble: Trouble) -> StoreError {
        let no_answer = match request.effect {
            Effect::Read => Fault::Unavailable,
            Effect::Write => Fault::Unknown,
        };
        let (fault, what, help) = match trouble {
            Trouble::Before => (
                Fault::Unavailable,
                "nobody listens at the address".to_owned(),
                "check `address`, and that this machine may reach it",
            ),
            Trouble::Certificate => (
                Fault::Unavailable,
                "the server's certificate is not trusted".to_owned(),
                "set `ca-file` to the file of the CA that signed it, and check that `address` has the name in the certificate",
            ),
            Trouble::Proxy => (
                Fault::Unavailable,
                "the proxy does not let us through".to_owned(),
                "check HTTPS_PROXY, or name the store's host in NO_PROXY",
            ),
            Trouble::Broken => (
                no_answer,
                "the connection broke before the answer was whole".to_owned(),
                "try again; look into the server's log if it stays so",
            ),
            Trouble::Late => (
                no_answer,
                format!("no answer came within {} seconds", self.whole.as_secs()),
                "try again; look into the server's log if it stays so",
            ),
            Trouble::Large => (
                if request.effect == Effect::Read {
                    Fault::Protocol
                } else {
                    Fault::Unknown
                },
                format!("the answer is larger than {} MiB", MAX_BODY >> 20),
                "read less at once: set `prefixes` for the store",
            ),
            Trouble::Request => (
                Fault::Setup,
                "the address or the token has a character that cannot be sent".to_owned(),
                "look for line breaks and spaces in the token's file and in `address`",
            ),
        };
        StoreError::new(
            &self.store,
            fault,
            format!("{}: {what}", request.what),
            help,
        )
    }
}

const fn passing(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
}

/// Returns a random pause: full jitter, as AWS's "Exponential Backoff And Jitter" measured to be best.
pub(super) fn jitter(tries: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(6));
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    most.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

fn receive(response: Response<Body>) -> Result<Answer, Trouble> {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let after = headers
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let body = response.into_body();
    let announced = body.content_length().unwrap_or_default();
    let room = usize::try_from(announced).map_err(|_| Trouble::Large)?;
    if room > MAX_BODY {
        return Err(Trouble::Large);
    }
    let mut buffer = Buffer::with_capacity(room);
    let mut reader = body.into_reader();
    let mut chunk = Zeroizing::new([0_u8; 8192]);
    loop {
        let read = reader
            .read(chunk.as_mut_slice())
            .map_err(|error| broken(&error))?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        if buffer.bytes().len() + bytes.len() > MAX_BODY {
            return Err(Trouble::Large);
        }
        buffer.push(bytes);
    }
    Ok(Answer {
        status,
        after,
        body: buffer.into_bytes(),
        headers,
    })
}

fn broken(error: &io::Error) -> Trouble {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    if error.kind() == io::ErrorKind::TimedOut || matches!(inner, Some(Error::Timeout(_))) {
        Trouble::Late
    } else {
        Trouble::Broken
    }
}

fn trouble(error: &Error) -> Trouble {
    match error {
        Error::HostNotFound
        | Error::ConnectionFailed
        | Error::Timeout(Timeout::Resolve | Timeout::Connect) => Trouble::Before,
        Error::Io(io) => match io.kind() {
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => Trouble::Before,
            _ if is_certificate(&io.to_string()) => Trouble::Certificate,
            _ if io
                .source()
                .is_some_and(|inner| is_certificate(&inner.to_string())) =>
            {
                Trouble::Certificate
            }
            _ => broken(io),
        },
        Error::Rustls(inner) if is_certificate(&inner.to_string()) => Trouble::Certificate,
        Error::Timeout(_) => Trouble::Late,
        Error::ConnectProxyFailed(_) | Error::InvalidProxyUrl => Trouble::Proxy,
        Error::Http(_) | Error::BadUri(_) | Error::RequireHttpsOnly(_) => Trouble::Request,
        _ => Trouble::Broken,
    }
}

/// Tells whether rustls speaks of a certificate ("invalid peer certificate: UnknownIssuer").
fn is_certificate(message: &str) -> bool {
    message.contains("certificate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_what_a_path_may_not_have() {
        assert_eq!(encode("a/b c?d#é%"), "a/b%20c%3Fd%23%C3%A9%25");
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for tries in 1..=TRIES {
            assert!(jitter(tries) <= FIRST_PAUSE * (1 << (tries - 1)));
        }
    }
}
