//! Secrets of GitHub: of Actions, Dependabot and Codespaces; of a repository, a deployment environment, an organisation.
//!
//! Promises: a value leaves in a sealed box that only GitHub opens, inside of TLS; the visibility of an organisation's secret stays
//! as it is. Values cannot be read back: that a write came through is known from its answer alone, and a lost one is sent again.
//!
//! Source: GitHub REST API documentation, "REST API endpoints for GitHub Actions Secrets", "... Dependabot secrets", "... Codespaces
//! repository secrets", "Encrypting secrets for the REST API" (version 2022-11-28).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto_box::{PublicKey, aead::OsRng};

use super::{
    Arrival, Marker, Sink, SinkInfo, SinkTraits,
    open::{bearer, garbled, judge, token},
};
use crate::{
    config::sinks::{GithubApplication, GithubSettings},
    model::Secret,
    stores::{
        Fault, StoreError, Surroundings,
        buffer::Buffer,
        connection::{check_address, encode},
        http::{Answer, Effect, Http, Request},
        json::Json,
    },
};

/// The API's own address.
const ADDRESS: &str = "https://api.github.com";
/// Most bytes of a secret ("Using secrets in GitHub Actions", limits).
const MOST_BYTES: usize = 48 * 1024;
/// Repositories of one page, and most pages: an organisation's secret with more chosen ones is not written.
const PAGE: usize = 100;
const MOST_PAGES: usize = 100;

/// One secret.
pub(super) struct Github {
    label: String,
    http: Http,
    token: Secret,
    /// The address of the place's secrets.
    secrets: String,
    name: String,
    of_organization: bool,
    of_dependabot: bool,
}

/// The key of a sealed box.
struct Key {
    id: String,
    key: PublicKey,
}

impl Github {
    /// Takes the settings; sends nothing.
    pub(super) fn open(
        settings: &GithubSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let application = settings.application.as_str();
        let part = |text: &str| encode(text).replace('/', "%2F");
        let (path, shown) = match (&settings.repository, &settings.deployment) {
            (Some(repository), Some(deployment)) => (
                format!(
                    "/repos/{}/environments/{}/secrets",
                    encode(repository),
                    part(deployment)
                ),
                format!("{repository}/environments/{deployment}"),
            ),
            (Some(repository), None) => (
                format!("/repos/{}/{application}/secrets", encode(repository)),
                format!("{repository}/{application}"),
            ),
            (None, _) => {
                let name = settings.organization.as_deref().unwrap_or_default();
                (
                    format!("/orgs/{}/{application}/secrets", part(name)),
                    format!("orgs/{name}/{application}"),
                )
            }
        };
        let base = settings.address.as_deref().unwrap_or(ADDRESS);
        let base = base.trim_end_matches('/');
        let host = settings.address.as_ref().map(|_| {
            let host = base.split_once("://").map_or(base, |(_, host)| host);
            format!("{host}/")
        });
        let label = format!(
            "github:{}{shown}/{}",
            host.unwrap_or_default(),
            settings.secret
        );
        check_address(&label, base)?;
        let (file, variable) = (&settings.token_file, &settings.token_variable);
        Ok(Self {
            http: Http::new(&label, settings.ca_file.as_deref(), surroundings)?,
            token: token(&label, file.as_ref(), variable.as_deref(), surroundings)?,
            secrets: format!("{base}{path}"),
            name: settings.secret.clone(),
            of_organization: settings.organization.is_some(),
            of_dependabot: settings.application == GithubApplication::Dependabot,
            label,
        })
    }

    fn ask(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&[u8]>,
        what: &str,
    ) -> Result<Answer, StoreError> {
        let effect = Effect::of(method);
        let answer = self.http.send(&Request {
            method,
            url: &format!("{}/{path}", self.secrets),
            headers: &[
                ("authorization", bearer(&self.token).as_slice()),
                ("accept", b"application/vnd.github+json"),
                ("x-github-api-version", b"2022-11-28"),
            ],
            body,
            effect,
            what,
            settled: |_| false,
        })?;
        judge(&self.label, what, effect, answer)
    }

    /// Reads what GitHub tells of the secret.
    fn look(&self) -> Result<Answer, StoreError> {
        let what = "look at the secret";
        let answer = self.ask("GET", &self.name, None, what)?;
        let json = Json::parse(&answer.body).map_err(|_| garbled(&self.label, what))?;
        let name = json.member("name").and_then(Json::name);
        // GitHub keeps names in capitals.
        if !name.is_some_and(|name| name.eq_ignore_ascii_case(&self.name)) {
            return Err(garbled(&self.label, what));
        }
        Ok(answer)
    }

    fn key(&self) -> Result<(Key, Answer), StoreError> {
        let what = "get the key of the secrets";
        let answer = self.ask("GET", "public-key", None, what)?;
        let key = Json::parse(&answer.body).ok().and_then(|json| {
            let id = json.member("key_id")?.name()?;
            let key = STANDARD.decode(&*json.member("key")?.string()?).ok()?;
            let key = <[u8; 32]>::try_from(key).ok()?;
            Some(Key {
                id,
                key: PublicKey::from(key),
            })
        });
        let key = key.ok_or_else(|| garbled(&self.label, what))?;
        Ok((key, answer))
    }

    /// Refuses a classic token without the scope that writes; others do not tell their rights.
    fn check_scopes(&self, answer: &Answer) -> Result<(), StoreError> {
        let needed = if self.of_organization {
            "admin:org"
        } else {
            "repo"
        };
        let scopes = answer.header("x-oauth-scopes").unwrap_or_default();
        if scopes.is_empty() || scopes.split(',').any(|scope| scope.trim() == needed) {
            return Ok(());
        }
        Err(StoreError::new(
            &self.label,
            Fault::Denied,
            format!("the token does not have the scope {needed}"),
            "use a fine-grained token with write access to secrets, or a classic one with this scope",
        ))
    }

    /// Returns the rest of the body that keeps an organisation's secret visible to whom it is.
    fn visibility(&self) -> Result<String, StoreError> {
        let what = "look who sees the secret";
        let garbled = || garbled(&self.label, what);
        let answer = self.look()?;
        let json = Json::parse(&answer.body).map_err(|_| garbled())?;
        let visibility = json.member("visibility").and_then(Json::name);
        match visibility.as_deref() {
            Some(known @ ("all" | "private")) => Ok(format!(",\"visibility\":\"{known}\"")),
            Some("selected") => {
                // Dependabot's secrets take the same numbers as texts.
                let quote = if self.of_dependabot { "\"" } else { "" };
                let ids = self.chosen()?;
                let ids = ids.iter().map(|id| format!("{quote}{id}{quote}"));
                let ids: Vec<String> = ids.collect();
                Ok(format!(
                    ",\"visibility\":\"selected\",\"selected_repository_ids\":[{}]",
                    ids.join(",")
                ))
            }
            _ => Err(garbled()),
        }
    }

    /// Returns the ids of the repositories that see an organisation's secret.
    fn chosen(&self) -> Result<Vec<i64>, StoreError> {
        let what = "list who sees the secret";
        let garbled = || garbled(&self.label, what);
        let mut ids = Vec::new();
        for page in 1..=MOST_PAGES {
            let path = format!("{}/repositories?per_page={PAGE}&page={page}", self.name);
            let answer = self.ask("GET", &path, None, what)?;
            let json = Json::parse(&answer.body).map_err(|_| garbled())?;
            let total = json.member("total_count").and_then(Json::integer);
            let total = total.ok_or_else(garbled)?;
            let before = ids.len();
            for repository in json
                .member("repositories")
                .into_iter()
                .flat_map(Json::items)
            {
                let id = repository.member("id").and_then(Json::integer);
                ids.push(id.ok_or_else(garbled)?);
            }
            if i64::try_from(ids.len()).is_ok_and(|known| known >= total) {
                return Ok(ids);
            }
            if ids.len() == before {
                break;
            }
        }
        // A shorter list would take the secret away from the rest.
        Err(garbled())
    }
}

impl Sink for Github {
    fn address(&self) -> String {
        self.label.clone()
    }

    fn traits(&self) -> SinkTraits {
        SinkTraits {
            marks: true,
            atomic: true,
            ..SinkTraits::default()
        }
    }

    fn describe(&self) -> Result<SinkInfo, StoreError> {
        let answer = self.look()?;
        self.check_scopes(&answer)?;
        let (_, _) = self.key()?;
        if self.of_organization {
            self.visibility()?;
        }
        Ok(SinkInfo {
            marker: marker(&answer),
        })
    }

    fn put(&self, value: &Secret, _: &str) -> Result<Option<Marker>, StoreError> {
        if value.len() > MOST_BYTES {
            return Err(StoreError::new(
                &self.label,
                Fault::Rejected,
                "the value has more than 48 KB",
                "GitHub takes no larger secrets: keep it in the store alone",
            ));
        }
        let visibility = if self.of_organization {
            self.visibility()?
        } else {
            String::new()
        };
        let (key, _) = self.key()?;
        // Exposed to be sealed for GitHub.
        let sealed = key.key.seal(&mut OsRng, value.expose()).map_err(|_| {
            StoreError::new(
                &self.label,
                Fault::Setup,
                "the value could not be sealed",
                "this is a fault of keysweep: report it",
            )
        })?;
        let mut body = Buffer::with_capacity(sealed.len() * 2 + 256);
        body.push(b"{\"encrypted_value\":");
        body.push_json_string(&STANDARD.encode(sealed));
        body.push(b",\"key_id\":");
        body.push_json_string(&key.id);
        body.push(visibility.as_bytes());
        body.push(b"}");
        self.ask("PUT", &self.name, Some(body.bytes()), "replace the secret")?;
        // Evidence for the journal alone: the answer to the write has said that it was done.
        let told = self.look().ok();
        Ok(told.as_ref().and_then(marker))
    }

    fn confirm(&self, _: &Secret, _: &str) -> Result<Arrival, StoreError> {
        // A later `updated_at` may be somebody else's write: to write the value again is sure, and does no harm.
        Ok(Arrival::Untold)
    }
}

fn marker(answer: &Answer) -> Option<Marker> {
    let json = Json::parse(&answer.body).ok()?;
    json.member("updated_at")?.name()
}
