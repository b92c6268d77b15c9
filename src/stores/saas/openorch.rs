//! OpenOrch Secret Svc: its one endpoint tells keys, values and who may use them at once.
//!
//! Promises: reads only. The service overwrites without asking what was there (no versions, no precondition), so a write could undo somebody
//! else's and is refused. Values stand in the answer's buffer alone, which is wiped. What the service does not show to this token cannot be
//! told from what is not there, and errors say so.
//!
//! Source: OpenOrch's API documentation, "Secret Svc" (`POST /secret-svc/secrets`).

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::super::{
    Capabilities, Change, Cursor, Fault, Field, Health, KeyEntry, KeyInfo, KeyPath, Page,
    ReadOutcome, SecretStore, StoreError, Surroundings, VersionId, VersionInfo, VersionState,
    buffer::Buffer,
    connection::check_address,
    credential::{at_home, credential_file},
    http::{Answer, Effect, Http, Request},
    json::{Json, Text},
};
use crate::{
    config::stores::{OpenorchSettings, StoreEntry},
    model::{Readers, Secret},
};

/// The name of the only version that a key has.
const CURRENT: &str = "current";
/// Most readers that are named.
const SAMPLE: usize = 10;

/// An OpenOrch server's Secret Svc, as one user sees it.
pub struct Openorch {
    name: String,
    http: Http,
    address: String,
    token: Secret,
    prefixes: Vec<String>,
}

impl Openorch {
    /// Opens the store of `[stores.NAME]` with `kind = "openorch"`. Nothing is sent.
    ///
    /// # Errors
    /// [`Fault::Setup`] for an address that may not be used and a token that cannot be read.
    pub fn open(
        name: &str,
        entry: &StoreEntry,
        settings: &OpenorchSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        check_address(name, &settings.address)?;
        let file = at_home(&settings.token_file, surroundings.home.as_deref());
        Ok(Self {
            name: name.to_owned(),
            http: Http::new(name, None, surroundings)?,
            address: settings.address.trim_end_matches('/').to_owned(),
            token: credential_file(name, &file, "token-file")?,
            prefixes: entry.prefixes.clone(),
        })
    }

    fn error(&self, fault: Fault, what: String, help: &str) -> StoreError {
        StoreError::new(&self.name, fault, what, help)
    }

    fn garbled(&self, what: &str) -> StoreError {
        self.error(
            Fault::Protocol,
            format!("{what}: the answer is not what the Secret Svc answers"),
            "check that `address` is that of the OpenOrch server itself and not of a page or proxy before it",
        )
    }

    /// Asks for secrets: one key, or all that the token may read.
    fn ask(&self, key: Option<&KeyPath>, what: &str) -> Result<Answer, StoreError> {
        let mut body = Buffer::default();
        body.push(b"{");
        if let Some(key) = key {
            body.push(b"\"key\":");
            body.push_json_string(key.as_str());
        }
        body.push(b"}");
        // The token goes to the server that it belongs to.
        let token = self.token.expose();
        let mut bearer = Zeroizing::new(Vec::with_capacity(token.len() + 7));
        bearer.extend_from_slice(b"Bearer ");
        bearer.extend_from_slice(token);
        let url = format!("{}/secret-svc/secrets", self.address);
        let answer = self.http.send(&Request {
            method: "POST",
            url: &url,
            headers: &[("authorization", bearer.as_slice())],
            body: Some(body.bytes()),
            // POST is how this service is asked; nothing changes by it.
            effect: Effect::Read,
            what,
            settled: |_| false,
        });
        self.judge(answer.map_err(without_pages)?, what)
    }

    fn judge(&self, answer: Answer, what: &str) -> Result<Answer, StoreError> {
        let after = answer.after;
        let (fault, happened, help) = match answer.status {
            200..=299 => return Ok(answer),
            401 => (
                Fault::Unauthenticated,
                "the token is not accepted",
                "log in to OpenOrch again and write the new token into `token-file`",
            ),
            403 => (
                Fault::Denied,
                "the token's user may not do this",
                "have an administrator of OpenOrch let the user see secrets, or use another user's token",
            ),
            404 => (
                Fault::Setup,
                "there is no Secret Svc at the address",
                "write `address` as https://host:port, without a path",
            ),
            429 => (
                Fault::Retryable { after },
                "the server asks to slow down",
                "use fewer threads (--threads 1)",
            ),
            502..=504 => (
                Fault::Unavailable,
                "the server is not ready",
                "try again; look into the server's log if it stays so",
            ),
            500..=599 => (
                Fault::Retryable { after },
                "the server has a fault of its own",
                "look into the server's log",
            ),
            _ => return Err(self.garbled(what)),
        };
        let error = self.error(fault, format!("{what}: {happened}"), help);
        Err(error.of_quota(answer.status == 429))
    }

    /// Gives the secrets of an answer to `each`, as JSON objects with their keys.
    fn secrets(
        &self,
        answer: &Answer,
        what: &str,
        mut each: impl FnMut(&str, Json<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let json = Json::parse(&answer.body).map_err(|_| self.garbled(what))?;
        if !json.text().starts_with('{') {
            return Err(self.garbled(what));
        }
        // Go writes an empty list as null, or leaves it out.
        for secret in json.member("secrets").into_iter().flat_map(Json::items) {
            let key = secret.member("key").and_then(Json::string);
            let key: Text<'_> = key.ok_or_else(|| self.garbled(what))?;
            each(&key, secret)?;
        }
        Ok(())
    }

    /// Gives the secrets of one key to `each`; there may be several, in namespaces of the service.
    fn of_key(
        &self,
        key: &KeyPath,
        what: &str,
        mut each: impl FnMut(Json<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let answer = self.ask(Some(key), what)?;
        let mut found = false;
        self.secrets(&answer, what, |own, secret| {
            if own == key.as_str() {
                found = true;
                each(secret)?;
            }
            Ok(())
        })?;
        if found {
            return Ok(());
        }
        Err(self.error(
            Fault::NotFound,
            format!("{what}: there is no such key, or this token may not read it"),
            "`keysweep store list` shows what the token may read; an administrator's token reads all",
        ))
    }

    fn wants(&self, key: &str) -> bool {
        self.prefixes.is_empty()
            || self
                .prefixes
                .iter()
                .any(|prefix| key.starts_with(prefix.as_str()))
    }
}

/// Gives the advice on `prefixes` another direction: this service always sends all.
fn without_pages(mut error: StoreError) -> StoreError {
    if error.fault == Fault::Protocol && error.what.contains("larger") {
        error.help =
            "the service sends all keys at once: use the token of a user that may read fewer of them"
                .to_owned();
    }
    error
}

/// Returns what a key's name tells. Users who are no administrators may only write below their own name.
fn info(key: &str) -> KeyInfo {
    let owner = key.split_once('/').map(|(slug, _)| slug.to_owned());
    KeyInfo {
        versions: vec![VersionInfo {
            id: VersionId::new(CURRENT),
            state: VersionState::Current,
            created: None,
        }],
        // Whatever was there before was overwritten: "never in the store" cannot be said.
        trimmed: true,
        owner: owner.filter(|slug| !slug.is_empty()),
        ..KeyInfo::default()
    }
}

impl SecretStore for Openorch {
    fn name(&self) -> &str {
        &self.name
    }

    fn address(&self) -> String {
        format!("openorch {}", self.address)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            readers: true,
            ..Capabilities::default()
        }
    }

    fn health(&self) -> Result<Health, StoreError> {
        let what = "ask for the secrets";
        let answer = self.ask(None, what)?;
        let mut owners = BTreeSet::new();
        let mut count = 0_u64;
        self.secrets(&answer, what, |key, _| {
            count += 1;
            owners.extend(info(key).owner);
            Ok(())
        })?;
        Ok(Health {
            notes: vec![
                format!(
                    "{count} secrets of {} owners are readable by this token; others are not shown, and not counted",
                    owners.len()
                ),
                "earlier values are overwritten, and there is no safe way to write: verify only"
                    .to_owned(),
            ],
            ..Health::default()
        })
    }

    fn list(&self, _after: Option<&Cursor>) -> Result<Page, StoreError> {
        let what = "list the secrets";
        let answer = self.ask(None, what)?;
        let mut keys = BTreeMap::new();
        let mut any = false;
        self.secrets(&answer, what, |key, _| {
            any = true;
            if self.wants(key) {
                keys.insert(key.to_owned(), info(key));
            }
            Ok(())
        })?;
        let mut page = Page::default();
        if !any {
            // A token without rights sees the same as an empty store.
            page.problems.push((
                KeyPath::new(""),
                self.error(
                    Fault::Denied,
                    format!("{what}: the service shows none to this token"),
                    "use a token whose user is among the readers of the secrets, or an administrator's",
                ),
            ));
        }
        page.keys = keys
            .into_iter()
            .map(|(key, info)| KeyEntry {
                key: KeyPath::new(key),
                info: Some(info),
            })
            .collect();
        Ok(page)
    }

    fn describe(&self, key: &KeyPath) -> Result<KeyInfo, StoreError> {
        self.of_key(key, &format!("look at {key}"), |_| Ok(()))?;
        Ok(info(key.as_str()))
    }

    fn read(
        &self,
        key: &KeyPath,
        version: &VersionId,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> Result<ReadOutcome, StoreError> {
        let what = format!("read {key}");
        if version.as_str() != CURRENT {
            return Err(self.error(
                Fault::NotFound,
                format!("{what}: the service keeps no versions"),
                "its only version is `current`",
            ));
        }
        self.of_key(key, &what, |secret| {
            let value = secret.member("value").and_then(Json::string);
            let value = value.ok_or_else(|| self.garbled(&what))?;
            sink(Field {
                name: "",
                bytes: value.as_bytes(),
            });
            Ok(())
        })?;
        Ok(ReadOutcome::Read)
    }

    fn readers(&self, key: &KeyPath) -> Result<Readers, StoreError> {
        let mut readers = BTreeSet::new();
        self.of_key(key, &format!("look who may read {key}"), |secret| {
            let named = secret.member("readers").into_iter().flat_map(Json::items);
            readers.extend(named.filter_map(Json::name));
            Ok(())
        })?;
        Ok(Readers {
            known: readers.len() as u64,
            sample: readers.into_iter().take(SAMPLE).collect(),
            // Administrators read every secret and stand in no list.
            complete: false,
        })
    }

    fn stage(&self, change: &Change<'_>) -> Result<VersionId, StoreError> {
        Err(self.error(
            Fault::Unsupported,
            format!(
                "write {}: the service overwrites whatever is there, so somebody else's change could be lost",
                change.key
            ),
            "save the new value with OpenOrch's own tools, then run verify again",
        ))
    }
}
