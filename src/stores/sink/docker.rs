//! Secrets of Docker Swarm. They cannot be changed: a new one, `NAME_vN`, is made, and the services that are named get it in the old one's
//! place.
//!
//! Promises: the value goes over the engine's Unix socket alone; a secret that a request has made is known by its label, so the request can
//! be repeated; services keep everything else; the secret before stays, for people to remove (`docker secret rm`), as a service
//! that rolls itself back needs it.
//!
//! Source: Docker Engine API, "Secret", "Service"; Docker documentation, "Manage sensitive data with Docker secrets".

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    Arrival, Marker, Sink, SinkInfo, SinkTraits,
    docker_wire::{self, TOKEN, Use, Version},
    open::{garbled, judge},
};
use crate::{
    config::sinks::DockerSettings,
    model::Secret,
    stores::{
        Fault, StoreError, Surroundings,
        buffer::Buffer,
        connection::encode,
        credential::at_home,
        http::{Answer, Effect, Http, Request},
        json::Json,
    },
};

/// The engine's own socket.
const SOCKET: &str = "/var/run/docker.sock";
/// How long services are waited for in one run; an update that takes longer is looked at by the next.
const SETTLE: Duration = Duration::from_secs(60);
/// How long an update may take to begin: the engine forgets the state of the one before at once and tells that of the new one soon.
const BEGIN: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(500);
/// Most bytes of a secret (Docker documentation, "Manage sensitive data with Docker secrets").
const MOST_BYTES: usize = 500 * 1024;

/// One secret and the services that have it.
pub(super) struct Docker {
    label: String,
    http: Http,
    secret: String,
    services: Vec<String>,
}

impl Docker {
    /// Takes the settings; opens nothing.
    pub(super) fn open(settings: &DockerSettings, surroundings: &Surroundings<'_>) -> Self {
        let socket = settings.socket.clone();
        let shown = socket.as_ref().map(|path| format!("{}:", path.display()));
        let socket = socket.unwrap_or_else(|| PathBuf::from(SOCKET));
        let socket = at_home(&socket, surroundings.home.as_deref());
        let label = format!(
            "docker:{}{} ({})",
            shown.unwrap_or_default(),
            settings.secret,
            settings.services.join(", ")
        );
        Self {
            http: Http::at_socket(&label, &socket),
            secret: settings.secret.clone(),
            services: settings.services.clone(),
            label,
        }
    }

    fn ask(
        &self,
        (method, path): (&'static str, &str),
        body: Option<&[u8]>,
        what: &str,
    ) -> Result<Answer, StoreError> {
        let effect = Effect::of(method);
        let answer = self.http.send(&Request {
            method,
            url: &format!("http://127.0.0.1{path}"),
            headers: &[],
            body,
            effect,
            what,
            settled: |_| false,
        });
        let answer = answer.map_err(|mut error| {
            if error.fault == Fault::Unavailable {
                error.help = "see that the engine runs and that this user may open its socket (`socket` of the sink)".to_owned();
            }
            error
        })?;
        judge(&self.label, what, effect, answer)
    }

    fn garbled(&self, what: &str) -> StoreError {
        garbled(&self.label, what)
    }

    fn error(&self, fault: Fault, what: String, help: &str) -> StoreError {
        StoreError::new(&self.label, fault, what, help)
    }

    fn versions(&self) -> Result<Vec<Version>, StoreError> {
        let what = "list the secrets";
        // All of them: an engine's filter takes beginnings of names, and names are told here anyway.
        let answer = self.ask(("GET", "/secrets"), None, what)?;
        let json = Json::parse(&answer.body).map_err(|_| self.garbled(what))?;
        docker_wire::versions(json, &self.secret).ok_or_else(|| self.garbled(what))
    }

    /// Reads a service and gives it to `take`.
    fn service<T>(
        &self,
        name: &str,
        take: impl FnOnce(Json<'_>) -> Option<T>,
    ) -> Result<T, StoreError> {
        let what = format!("look at the service {name}");
        let path = format!("/services/{}", encode(name));
        let answer = self.ask(("GET", &path), None, &what)?;
        let json = Json::parse(&answer.body).map_err(|_| self.garbled(&what))?;
        take(json).ok_or_else(|| self.garbled(&what))
    }

    fn usage(&self, name: &str) -> Result<Use, StoreError> {
        self.service(name, |json| docker_wire::usage(json, &self.secret))
    }

    /// Makes the secret, unless this request has made it before.
    fn make(&self, value: &Secret, token: &str) -> Result<Version, StoreError> {
        let versions = self.versions()?;
        let mine = |version: &&Version| version.token.as_deref() == Some(token);
        if let Some(version) = versions.iter().find(mine) {
            return Ok(version.clone());
        }
        let number = versions.iter().map(|version| version.number).max();
        let number = number.unwrap_or_default().saturating_add(1);
        let name = format!("{}_v{number}", self.secret);
        // Exposed to be sent to the engine.
        let value = value.expose();
        let mut text = Zeroizing::new(vec![0; value.len().div_ceil(3).saturating_mul(4)]);
        // It has exactly the room that it needs.
        let written = STANDARD.encode_slice(value, &mut text).unwrap_or_default();
        let mut body = Buffer::with_capacity(written + 512);
        body.push(b"{\"Name\":");
        body.push_json_string(&name);
        body.push(b",\"Labels\":{");
        body.push_json_string(TOKEN);
        body.push(b":");
        body.push_json_string(token);
        body.push(b"},\"Data\":\"");
        body.push(text.get(..written).unwrap_or_default());
        body.push(b"\"}");
        let what = "make the secret";
        let answer = self.ask(("POST", "/secrets/create"), Some(body.bytes()), what)?;
        let json = Json::parse(&answer.body).ok();
        let id = json.and_then(|json| json.member("ID")?.name());
        let id = id.ok_or_else(|| {
            self.error(
                Fault::Unknown,
                format!("{what}: the answer names no id"),
                "resume: it is looked for",
            )
        })?;
        Ok(Version {
            id,
            name,
            number,
            token: Some(token.to_owned()),
        })
    }

    /// Gives a service the secret, unless it has it.
    fn give(&self, service: &str, to: &Version) -> Result<(), StoreError> {
        let (used, spec) = self.service(service, |json| {
            let used = docker_wire::usage(json, &self.secret)?;
            Some((used, docker_wire::moved(json, &self.secret, to)))
        })?;
        if used.names.iter().all(|name| *name == to.name) && !used.names.is_empty() {
            return Ok(());
        }
        let spec = spec.filter(|_| !used.names.is_empty());
        let spec = spec.ok_or_else(|| self.unused(service))?;
        let path = format!(
            "/services/{}/update?version={}",
            encode(&used.id),
            used.index
        );
        let what = format!("give the service {service} the secret");
        self.ask(("POST", &path), Some(spec.bytes()), &what)?;
        Ok(())
    }

    fn unused(&self, service: &str) -> StoreError {
        self.error(
            Fault::NotFound,
            format!("the service {service} does not have the secret"),
            "give it to the service once by hand, or take the service off `services`",
        )
    }

    /// Tells how far a service is with the secret: `None` if it has it.
    fn state(
        &self,
        service: &str,
        to: &Version,
        begun: Duration,
    ) -> Result<Option<Arrival>, StoreError> {
        let used = self.usage(service)?;
        if used.names.is_empty() || used.names.iter().any(|name| *name != to.name) {
            return Ok(Some(Arrival::Missing));
        }
        match used.update.as_deref() {
            Some("completed") => Ok(None),
            None if begun >= BEGIN => Ok(None),
            None | Some("updating") => Ok(Some(Arrival::UnderWay(format!(
                "the service {service} is being updated"
            )))),
            Some(_) => Err(self.error(
                Fault::Conflict,
                format!("the service {service} does not come up with the new secret"),
                "see `docker service ps` of it, mend it, then make a new plan",
            )),
        }
    }

    /// Waits until a service has taken it.
    fn settle(&self, service: &str, to: &Version) -> Result<(), StoreError> {
        let start = Instant::now();
        loop {
            let begun = start.elapsed();
            match self.state(service, to, begun)? {
                None => return Ok(()),
                // It has rolled itself back.
                Some(Arrival::Missing) => {
                    return Err(self.error(
                        Fault::Conflict,
                        format!("the service {service} went back to the secret before"),
                        "see `docker service ps` of it, mend it, then make a new plan",
                    ));
                }
                Some(_) if begun < SETTLE => std::thread::sleep(PAUSE),
                Some(_) => {
                    return Err(self.error(
                        Fault::Retryable { after: None },
                        format!("the service {service} is still being updated"),
                        "resume when `docker service ps` shows it at work",
                    ));
                }
            }
        }
    }
}

impl Sink for Docker {
    fn address(&self) -> String {
        self.label.clone()
    }

    fn traits(&self) -> SinkTraits {
        SinkTraits {
            marks: true,
            // A service that refuses leaves those before it with the new secret.
            atomic: false,
            leaves_old: true,
            told_only: false,
        }
    }

    fn describe(&self) -> Result<SinkInfo, StoreError> {
        let what = "look at the engine";
        let answer = self.ask(("GET", "/info"), None, what)?;
        let json = Json::parse(&answer.body).map_err(|_| self.garbled(what))?;
        let control = json.at(&["Swarm", "ControlAvailable"]);
        if control.and_then(Json::boolean) != Some(true) {
            return Err(self.error(
                Fault::Setup,
                "the engine is no manager of a swarm".to_owned(),
                "name the socket of a manager; secrets of Compose are files, and no sink",
            ));
        }
        let versions = self.versions()?;
        let Some(newest) = versions.last() else {
            return Err(self.error(
                Fault::NotFound,
                "there is no such secret".to_owned(),
                "make it once by hand (docker secret create) and give it to the services",
            ));
        };
        for service in &self.services {
            let used = self.usage(service)?;
            if used.names.is_empty() {
                return Err(self.unused(service));
            }
            if used.update.as_deref() == Some("updating") {
                return Err(self.error(
                    Fault::Retryable { after: None },
                    format!("the service {service} is being updated"),
                    "wait for the end of its update",
                ));
            }
        }
        Ok(SinkInfo {
            marker: Some(newest.name.clone()),
        })
    }

    fn put(&self, value: &Secret, token: &str) -> Result<Option<Marker>, StoreError> {
        if value.len() > MOST_BYTES {
            return Err(self.error(
                Fault::Rejected,
                "the value has more than 500 KB".to_owned(),
                "Docker takes no larger secrets: keep it in the store alone",
            ));
        }
        let made = self.make(value, token)?;
        for service in &self.services {
            self.give(service, &made)?;
            self.settle(service, &made)?;
        }
        Ok(Some(made.name))
    }

    fn confirm(&self, _: &Secret, token: &str) -> Result<Arrival, StoreError> {
        let versions = self.versions()?;
        let mine = versions
            .iter()
            .find(|version| version.token.as_deref() == Some(token));
        let Some(made) = mine else {
            return Ok(Arrival::Missing);
        };
        for service in &self.services {
            match self.state(service, made, BEGIN) {
                Ok(None) => {}
                Ok(Some(arrival)) => return Ok(arrival),
                // To put it again finds out whether it stays so.
                Err(error) if error.fault == Fault::Conflict => return Ok(Arrival::Missing),
                Err(error) => return Err(error),
            }
        }
        Ok(Arrival::There)
    }
}
