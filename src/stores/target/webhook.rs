//! Targets that a service of the user's changes when it is told to; docs/stores-command.md ("Webhooks") is the protocol.
//!
//! Promises: no value is in a request, only where it stands in the store; each request is signed with its time; a request that is sent
//! again after a crash has the same delivery id, and one of another rotation has another; an answer counts only if it is status 200 and
//! names the delivery: everything else is unknown.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{Credential, Target, TargetTraits, open::secret_file};
use crate::{
    config::stores::{TargetEntry, WebhookSettings},
    model::{ProviderState, Secret},
    stores::{
        Fault, StoreError, Surroundings,
        buffer::Buffer,
        connection::check_address,
        http::{Answer, Effect, Http, Request},
        json::Json,
    },
};

/// The least bytes of a key: as many as SHA-256 gives (RFC 2104, section 3).
const LEAST_KEY_BYTES: usize = 32;

/// A service, and the place in the store that it is told of.
pub(super) struct Webhook {
    label: String,
    http: Http,
    address: String,
    key: Secret,
    store: String,
    path: String,
    field: String,
}

impl Webhook {
    /// Takes the settings; sends nothing.
    pub(super) fn open(
        entry: &TargetEntry,
        settings: &WebhookSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let label = format!("webhook of {}", entry.key);
        check_address(&label, &settings.address)?;
        let key = secret_file(&label, &settings.key_file, surroundings)?;
        if key.len() < LEAST_KEY_BYTES {
            return Err(StoreError::new(
                &label,
                Fault::Setup,
                "the key of signatures has fewer than 32 bytes",
                "make one: openssl rand -hex 32 > FILE; chmod 600 FILE",
            ));
        }
        Ok(Self {
            http: Http::new(&label, None, surroundings)?,
            address: settings.address.clone(),
            key,
            store: entry.store.clone(),
            path: entry.key.clone(),
            field: entry.field.clone().unwrap_or_default(),
            label,
        })
    }

    fn error(&self, fault: Fault, what: String, help: &str) -> StoreError {
        StoreError::new(&self.label, fault, what, help)
    }

    /// Returns HMAC-SHA-256 under the key, over parts as they stand, in hex.
    fn mac(&self, parts: &[&[u8]]) -> Result<String, StoreError> {
        // The key signs and goes nowhere.
        let mac = Hmac::<Sha256>::new_from_slice(self.key.expose());
        let mut mac = mac.map_err(|_| {
            let help = "see `key-file` of this target";
            self.error(Fault::Setup, "the key cannot sign".to_owned(), help)
        })?;
        for part in parts {
            mac.update(part);
        }
        let bytes = mac.finalize().into_bytes();
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Returns the id of an event in this rotation: the same whenever it is sent again. The values are in it under the key
    /// of signatures, which only the service has, who reads them anyway.
    fn delivery(
        &self,
        event: &str,
        old: &Credential,
        new: Option<&Credential>,
    ) -> Result<String, StoreError> {
        let new = new.map_or(&[][..], |new| new.secret.expose());
        let parts = [
            b"delivery".as_slice(),
            event.as_bytes(),
            self.store.as_bytes(),
            self.path.as_bytes(),
            old.secret.expose(),
            new,
        ];
        let lengths = parts.map(|part| (part.len() as u64).to_be_bytes());
        let mut all: Vec<&[u8]> = Vec::new();
        for (length, part) in lengths.iter().zip(parts) {
            all.push(length);
            all.push(part);
        }
        let mut id = self.mac(&all)?;
        id.truncate(32);
        Ok(id)
    }

    fn body(&self, event: &str, delivery: &str, token: Option<&str>, user: Option<&str>) -> Buffer {
        let mut body = Buffer::with_capacity(1024);
        body.push(b"{\"keysweep\":1");
        let members = [
            ("delivery", Some(delivery)),
            ("event", Some(event)),
            ("token", token),
            ("store", Some(&*self.store)),
            ("key", Some(&*self.path)),
            ("field", Some(&*self.field)),
            ("user", user),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                body.push(b",");
                body.push_json_string(name);
                body.push(b":");
                body.push_json_string(value);
            }
        }
        body.push(b"}");
        body
    }

    /// Tells the service, and returns how many sessions it ended, if it says so.
    fn tell(
        &self,
        event: &str,
        effect: Effect,
        old: &Credential,
        new: Option<&Credential>,
        token: Option<&str>,
    ) -> Result<u64, StoreError> {
        let delivery = self.delivery(event, old, new)?;
        let user = new.unwrap_or(old).user.as_deref();
        let body = self.body(event, &delivery, token, user);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = now.unwrap_or_default().as_secs().to_string();
        let mac = self.mac(&[time.as_bytes(), b".", body.bytes()])?;
        let signature = format!("t={time},v1={mac}");
        let answer = self.http.send(&Request {
            method: "POST",
            url: &self.address,
            headers: &[
                ("X-Keysweep-Signature", signature.as_bytes()),
                ("X-Keysweep-Delivery", delivery.as_bytes()),
            ],
            body: Some(body.bytes()),
            effect,
            what: event,
            settled: |_| false,
        })?;
        self.judge(event, effect, &delivery, &answer)
    }

    fn judge(
        &self,
        event: &str,
        effect: Effect,
        delivery: &str,
        answer: &Answer,
    ) -> Result<u64, StoreError> {
        let error = |fault, what: &str, help: &str| {
            Err(self.error(fault, format!("{event}: {what}"), help))
        };
        if matches!(answer.status, 401 | 403) {
            return error(
                Fault::Unauthenticated,
                "the service does not accept the signature",
                "see `key-file` of this target, and the clocks of both machines",
            );
        }
        let lost = match effect {
            Effect::Read => Fault::Protocol,
            Effect::Write => Fault::Unknown,
        };
        let strict = "docs/stores-command.md, \"Webhooks\", says what the service has to answer";
        if answer.status != 200 {
            return error(
                lost,
                "the service answered with another status than 200",
                strict,
            );
        }
        let Ok(answered) = Json::parse(&answer.body) else {
            return error(lost, "the service's answer is no JSON", strict);
        };
        let own = answered.member("delivery").and_then(Json::name);
        if own.as_deref() != Some(delivery) {
            return error(lost, "the service's answer is to another delivery", strict);
        }
        match answered.member("status").and_then(Json::name).as_deref() {
            Some("done") => {
                let ended = answered.member("ended").and_then(Json::integer);
                Ok(ended
                    .and_then(|n| u64::try_from(n).ok())
                    .unwrap_or_default())
            }
            Some("pending") => error(
                Fault::Retryable {
                    after: answer.after,
                },
                "the service has not done it yet",
                "resume when it has",
            ),
            Some("refused") => error(Fault::Denied, "the service refuses to do it", "see its log"),
            Some("unsupported") => error(
                Fault::Unsupported,
                "the service cannot do it",
                "do it by hand",
            ),
            _ => error(
                lost,
                "the service's answer has no status that is known",
                strict,
            ),
        }
    }

    fn change(&self, event: &str, old: &Credential, new: &Credential) -> Result<u64, StoreError> {
        self.tell(event, Effect::Write, old, Some(new), None)
    }
}

impl Target for Webhook {
    fn address(&self) -> String {
        self.label.clone()
    }

    fn traits(&self) -> TargetTraits {
        TargetTraits {
            // When the new value becomes valid is the service's matter: readers may have it before or after.
            grace: false,
            reversible: false,
            ends_sessions: true,
            proves_death: false,
            makes_value: false,
        }
    }

    fn check(&self, old: &Credential) -> Result<(), StoreError> {
        self.tell("check", Effect::Read, old, None, None)
            .map(|_| ())
    }

    fn probe(&self, credential: &Credential) -> Result<ProviderState, StoreError> {
        let _ = credential;
        Ok(ProviderState::Unknown {
            why: "a webhook is told no value, so it cannot try one".to_owned(),
        })
    }

    fn prepare(
        &self,
        old: &Credential,
        generated: &Secret,
    ) -> Result<Option<Credential>, StoreError> {
        Ok(Some(Credential {
            user: old.user.clone(),
            secret: generated.clone(),
        }))
    }

    fn issue(
        &self,
        old: &Credential,
        prepared: Option<&Credential>,
        token: &str,
    ) -> Result<Credential, StoreError> {
        let Some(new) = prepared else {
            return Err(self.error(
                Fault::Setup,
                "issue: there is no new value".to_owned(),
                "this is a fault of keysweep: report it",
            ));
        };
        self.tell("issue", Effect::Write, old, Some(new), Some(token))?;
        Ok(new.clone())
    }

    fn withdraw(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.change("withdraw", old, new).map(|_| ())
    }

    fn disable(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.change("disable", old, new).map(|_| ())
    }

    fn end_sessions(&self, old: &Credential, new: &Credential) -> Result<u64, StoreError> {
        self.change("end-sessions", old, new)
    }

    fn destroy(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.change("destroy", old, new).map(|_| ())
    }
}
