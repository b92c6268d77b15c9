//! CI/CD variables of GitLab, of a project or a group, in one environment scope.
//!
//! Promises: a variable stays as protected, masked and raw as it is; of several variables of one key only the one of the scope is changed; values
//! that GitLab tells are compared and kept nowhere. A hidden one cannot be read back: a lost answer is sent again.
//!
//! Source: GitLab documentation, "Project-level CI/CD variables API", "Group-level Variables API", "Personal access tokens API".

use super::{
    Arrival, Marker, Sink, SinkInfo, SinkTraits,
    open::{garbled, judge, text, token},
};
use crate::{
    config::sinks::GitlabSettings,
    model::Secret,
    stores::{
        Fault, StoreError, Surroundings,
        buffer::Buffer,
        connection::{check_address, encode},
        http::{Answer, Effect, Http, Request},
        json::Json,
    },
};

/// The server's own address.
const ADDRESS: &str = "https://gitlab.com";

/// One variable.
pub(super) struct Gitlab {
    label: String,
    http: Http,
    token: Secret,
    api: String,
    /// The variable's address.
    variable: String,
    key: String,
    scope: String,
}

impl Gitlab {
    /// Takes the settings; sends nothing.
    pub(super) fn open(
        settings: &GitlabSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let part = |text: &str| encode(text).replace('/', "%2F");
        let (kind, place) = match &settings.project {
            Some(project) => ("projects", project.as_str()),
            None => ("groups", settings.group.as_deref().unwrap_or_default()),
        };
        let base = settings.address.as_deref().unwrap_or(ADDRESS);
        let base = base.trim_end_matches('/');
        let host = base.split_once("://").map_or(base, |(_, host)| host);
        let scope = settings.environment_scope.as_deref().unwrap_or("*");
        let key = &settings.variable;
        let label = format!("gitlab:{host}/{kind}/{place}/{key} ({scope})");
        check_address(&label, base)?;
        let api = format!("{base}/api/v4");
        let (file, name) = (&settings.token_file, &settings.token_variable);
        Ok(Self {
            http: Http::new(&label, settings.ca_file.as_deref(), surroundings)?,
            token: token(&label, file.as_ref(), name.as_deref(), surroundings)?,
            variable: format!(
                "{api}/{kind}/{}/variables/{key}?filter%5Benvironment_scope%5D={}",
                part(place),
                part(scope)
            ),
            api,
            key: key.clone(),
            scope: scope.to_owned(),
            label,
        })
    }

    fn ask(
        &self,
        method: &'static str,
        url: &str,
        body: Option<&[u8]>,
        what: &str,
    ) -> Result<Answer, StoreError> {
        let effect = Effect::of(method);
        let answer = self.http.send(&Request {
            method,
            url,
            // The token goes to the server that it belongs to.
            headers: &[("private-token", self.token.expose())],
            body,
            effect,
            what,
            settled: |_| false,
        })?;
        judge(&self.label, what, effect, answer)
    }

    /// Reads the variable, and gives it to `take`.
    fn look<T>(&self, take: impl FnOnce(Json<'_>) -> Option<T>) -> Result<T, StoreError> {
        let what = "look at the variable";
        let answer = self.ask("GET", &self.variable, None, what)?;
        self.taken(&answer, what, take)
    }

    /// Takes something of a variable; refuses another variable than was asked for (servers that know no filter send one of another scope).
    fn taken<T>(
        &self,
        answer: &Answer,
        what: &str,
        take: impl FnOnce(Json<'_>) -> Option<T>,
    ) -> Result<T, StoreError> {
        let garbled = || garbled(&self.label, what);
        let json = Json::parse(&answer.body).map_err(|_| garbled())?;
        let is = |name: &str, own: &str| {
            let text = json.member(name).and_then(Json::string);
            text.is_some_and(|text| &*text == own)
        };
        if !is("key", &self.key) {
            return Err(garbled());
        }
        if !is("environment_scope", &self.scope) {
            return Err(StoreError::new(
                &self.label,
                Fault::NotFound,
                format!("{what}: the variable has another environment scope"),
                "write `environment-scope` as GitLab shows it",
            ));
        }
        take(json).ok_or_else(garbled)
    }

    /// Refuses a token that tells that it may not write; others do not tell.
    fn check_scopes(&self) -> Result<(), StoreError> {
        let url = format!("{}/personal_access_tokens/self", self.api);
        let Ok(answer) = self.ask("GET", &url, None, "look at the token") else {
            return Ok(());
        };
        let Ok(json) = Json::parse(&answer.body) else {
            return Ok(());
        };
        let Some(scopes) = json.member("scopes") else {
            return Ok(());
        };
        if scopes.items().any(|s| s.name().as_deref() == Some("api")) {
            return Ok(());
        }
        Err(StoreError::new(
            &self.label,
            Fault::Denied,
            "the token does not have the scope api",
            "make a token with the scope api, of a user with the role Maintainer",
        ))
    }
}

impl Sink for Gitlab {
    fn address(&self) -> String {
        self.label.clone()
    }

    fn traits(&self) -> SinkTraits {
        SinkTraits {
            atomic: true,
            ..SinkTraits::default()
        }
    }

    fn describe(&self) -> Result<SinkInfo, StoreError> {
        self.check_scopes()?;
        self.look(|json| json.member("variable_type").map(|_| ()))?;
        Ok(SinkInfo::default())
    }

    fn put(&self, value: &Secret, _: &str) -> Result<Option<Marker>, StoreError> {
        let value = text(&self.label, value)?;
        let mut body = Buffer::with_capacity(value.len() * 2 + 256);
        body.push(b"{\"value\":");
        body.push_json_string(value);
        // Said as they are, so that no server takes what is missing for its own default.
        let kept = self.look(|json| {
            let is_hidden = json.member("hidden").and_then(Json::boolean) == Some(true);
            let mut kept = String::new();
            for name in ["variable_type", "protected", "masked", "raw"] {
                // A hidden variable is masked for ever, and GitLab takes no word about it.
                let Some(own) = json.member(name).filter(|_| name != "masked" || !is_hidden) else {
                    continue;
                };
                kept.push_str(&format!(",\"{name}\":{}", own.text()));
            }
            Some(kept)
        })?;
        body.push(kept.as_bytes());
        body.push(b"}");
        let what = "replace the variable";
        let answer = self.ask("PUT", &self.variable, Some(body.bytes()), what)?;
        // It was done; what the answer says beyond that, `confirm` asks for.
        drop(answer);
        Ok(None)
    }

    fn confirm(&self, value: &Secret, _: &str) -> Result<Arrival, StoreError> {
        self.look(|json| {
            let told = json.member("value").filter(|value| !value.is_null());
            let Some(told) = told else {
                return Some(Arrival::Untold);
            };
            // Exposed to be compared with what the sink tells.
            let same = told.string()?.as_bytes() == value.expose();
            Some(if same {
                Arrival::There
            } else {
                Arrival::Missing
            })
        })
    }
}
