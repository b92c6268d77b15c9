//! Secrets of GitHub as sinks, on a strict fake: it opens the sealed box as GitHub does and refuses what GitHub's REST API documentation
//! ("Actions Secrets", "Dependabot secrets", "Codespaces secrets") says is refused.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto_box::{SecretKey, aead::OsRng};
use keysweep::{
    config::stores::StoresFile,
    model::Secret,
    stores::{
        Fault, StoreError,
        sink::{self, Arrival, Sink},
    },
};
use serde_json::{Value, json};

use super::{
    servers::{Asked, Fake, Reply},
    stores_vault::with_surroundings,
};

pub(crate) const TOKEN: &str = "made-up-token-of-github";
const CANARY: &str = "made-up-canary-value";

/// What GitHub keeps of the secrets below one address.
pub(crate) struct Hub {
    key: SecretKey,
    /// Name, and what is told of it.
    pub(crate) known: BTreeMap<String, Value>,
    /// What was in the boxes, by name.
    pub(crate) opened: BTreeMap<String, String>,
    pub(crate) puts: usize,
    /// Repositories that see an organisation's secret.
    chosen: Vec<i64>,
}

impl Hub {
    pub(crate) fn new(names: &[&str]) -> Arc<Mutex<Self>> {
        let told = |name: &&str| {
            let told = json!({"name": name, "created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-01T00:00:00Z"});
            ((*name).to_owned(), told)
        };
        Arc::new(Mutex::new(Self {
            key: SecretKey::generate(&mut OsRng),
            known: names.iter().map(told).collect(),
            opened: BTreeMap::new(),
            puts: 0,
            chosen: Vec::new(),
        }))
    }

    fn put(&mut self, name: &str, asked: &Asked, at: &str) -> Reply {
        let Ok(body) = serde_json::from_str::<Value>(&asked.body) else {
            return Reply::Json(400, "{}".into());
        };
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let opened = STANDARD.decode(text("encrypted_value")).ok();
        let opened = opened.and_then(|sealed| self.key.unseal(&sealed).ok());
        let Some(opened) = opened.filter(|_| text("key_id") == "key-7") else {
            return Reply::Json(422, json!({"message": "bad box"}).to_string());
        };
        let mut members = 2;
        if at.starts_with("/orgs/") {
            members += 1 + usize::from(text("visibility") == "selected");
            if body["visibility"].is_null() {
                return Reply::Json(422, json!({"message": "visibility is missing"}).to_string());
            }
            let chosen = body["selected_repository_ids"].as_array();
            // Dependabot's are texts.
            let number = |id: &Value| match (at.contains("/dependabot/"), id.as_str()) {
                (true, Some(text)) => text.parse().unwrap(),
                (false, None) => id.as_i64().unwrap(),
                other => panic!("{other:?} is no id here"),
            };
            let ids = chosen.map(|ids| ids.iter().map(number).collect());
            self.chosen = ids.unwrap_or_default();
            self.known.get_mut(name).unwrap()["visibility"] = body["visibility"].clone();
        }
        if body.as_object().unwrap().len() != members {
            return Reply::Json(422, json!({"message": "unknown members"}).to_string());
        }
        self.puts += 1;
        let opened = String::from_utf8(opened).unwrap();
        self.opened.insert(name.to_owned(), opened);
        self.known.get_mut(name).unwrap()["updated_at"] = json!("2026-01-01T00:00:00Z");
        Reply::Json(204, String::new())
    }

    /// Answers a request for the secrets at `at`.
    pub(crate) fn answer(&mut self, at: &str, asked: &Asked) -> Reply {
        let header = |name: &str| {
            let found = asked.headers.iter().find(|(own, _)| own == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        if header("authorization") != format!("Bearer {TOKEN}") {
            return Reply::Json(401, json!({"message": "Bad credentials"}).to_string());
        }
        if header("accept") != "application/vnd.github+json"
            || header("x-github-api-version") != "2022-11-28"
        {
            return Reply::Json(415, "{}".into());
        }
        let missing = || Reply::Json(404, json!({"message": "Not Found"}).to_string());
        let Some(name) = asked
            .path
            .strip_prefix(at)
            .and_then(|p| p.strip_prefix('/'))
        else {
            return missing();
        };
        if name == "public-key" {
            let key = STANDARD.encode(self.key.public_key().as_bytes());
            return Reply::Json(200, json!({"key_id": "key-7", "key": key}).to_string());
        }
        if let Some((name, page)) = name.split_once("/repositories?per_page=100&page=") {
            assert!(self.known.contains_key(name));
            let page: usize = page.parse().unwrap();
            let ids = self.chosen.iter().skip((page - 1) * 100).take(100);
            let repositories: Vec<Value> = ids.map(|id| json!({"id": id, "name": "r"})).collect();
            let body = json!({"total_count": self.chosen.len(), "repositories": repositories});
            return Reply::Json(200, body.to_string());
        }
        match (asked.method.as_str(), self.known.get(name).cloned()) {
            ("GET", Some(told)) => Reply::Json(200, told.to_string()),
            ("PUT", Some(_)) => self.put(name, asked, at),
            ("GET" | "PUT", None) => missing(),
            _ => Reply::Json(405, "{}".into()),
        }
    }

    pub(crate) fn serve(hub: &Arc<Mutex<Self>>, at: &'static str) -> Fake {
        let hub = Arc::clone(hub);
        Fake::start(move |asked| hub.lock().unwrap().answer(at, asked))
    }
}

/// Opens the sink that these lines of `[[sinks]]` describe.
pub(crate) fn open_sink(lines: &str) -> Result<Box<dyn Sink>, StoreError> {
    let text = format!(
        "[stores.own]\nkind = \"local\"\n[[sinks]]\nstore = \"own\"\nkey = \"apps/db\"\nfield = \"password\"\n{lines}\n"
    );
    let file = StoresFile::parse("stores.toml", &text).expect("the test's settings are right");
    let variables = [("MADE_UP_TOKEN", TOKEN)];
    with_surroundings(&variables, |around| sink::open(&file.sinks[0], around))
}

fn github(fake: &Fake, lines: &str) -> Box<dyn Sink> {
    let address = &fake.address;
    open_sink(&format!(
        "kind = \"github\"\naddress = \"{address}\"\nsecret = \"DB_PASSWORD\"\ntoken-variable = \"MADE_UP_TOKEN\"\n{lines}"
    ))
    .expect("it opens")
}

const REPOSITORY: &str = "repository = \"acme/app\"";
const AT: &str = "/repos/acme/app/actions/secrets";

fn put(sink: &dyn Sink) -> Result<Option<String>, StoreError> {
    sink.put(&Secret::new(CANARY.as_bytes()), "token-1")
}

#[test]
fn each_kind_of_secret_is_replaced_in_a_box_that_github_opens() {
    for (lines, at, address) in [
        (REPOSITORY, AT, "acme/app/actions/DB_PASSWORD"),
        (
            "repository = \"acme/app\"\napplication = \"dependabot\"",
            "/repos/acme/app/dependabot/secrets",
            "acme/app/dependabot/DB_PASSWORD",
        ),
        (
            "repository = \"acme/app\"\napplication = \"codespaces\"",
            "/repos/acme/app/codespaces/secrets",
            "acme/app/codespaces/DB_PASSWORD",
        ),
        (
            "repository = \"acme/app\"\ndeployment = \"prod/eu\"",
            "/repos/acme/app/environments/prod%2Feu/secrets",
            "acme/app/environments/prod/eu/DB_PASSWORD",
        ),
    ] {
        let hub = Hub::new(&["DB_PASSWORD", "OTHER"]);
        let fake = Hub::serve(&hub, at);
        let sink = github(&fake, lines);
        assert!(sink.address().ends_with(address), "{}", sink.address());
        let told = sink.describe().expect("it is there");
        assert_eq!(told.marker.as_deref(), Some("2025-01-01T00:00:00Z"));
        let marker = put(&*sink).expect("replaced");
        assert_eq!(marker.as_deref(), Some("2026-01-01T00:00:00Z"));
        let value = Secret::new(CANARY.as_bytes());
        assert_eq!(sink.confirm(&value, "token-1"), Ok(Arrival::Untold));
        let hub = hub.lock().unwrap();
        assert_eq!(hub.opened["DB_PASSWORD"], CANARY, "{at}");
        assert_eq!((hub.opened.len(), hub.puts), (1, 1));
        let sent: String = fake
            .asked()
            .iter()
            .map(|asked| format!("{asked:?}"))
            .collect();
        assert!(!sent.contains(CANARY) && !sent.contains(&STANDARD.encode(CANARY)));
    }
}

#[test]
fn an_organisations_secret_stays_visible_to_whom_it_was() {
    let actions = ("actions", "/orgs/acme/actions/secrets");
    let dependabot = ("dependabot", "/orgs/acme/dependabot/secrets");
    for ((application, at), visibility, chosen) in [
        (actions, "all", Vec::new()),
        (actions, "private", Vec::new()),
        (actions, "selected", (1..=230).collect::<Vec<i64>>()),
        (actions, "selected", Vec::new()),
        (dependabot, "selected", vec![7, 9]),
    ] {
        let hub = Hub::new(&["DB_PASSWORD"]);
        {
            let mut hub = hub.lock().unwrap();
            hub.known.get_mut("DB_PASSWORD").unwrap()["visibility"] = json!(visibility);
            hub.chosen.clone_from(&chosen);
        }
        let fake = Hub::serve(&hub, at);
        let lines = format!("organization = \"acme\"\napplication = \"{application}\"");
        let sink = github(&fake, &lines);
        sink.describe().expect("it is there");
        put(&*sink).expect("replaced");
        let hub = hub.lock().unwrap();
        assert_eq!(hub.opened["DB_PASSWORD"], CANARY);
        assert_eq!(hub.known["DB_PASSWORD"]["visibility"], visibility);
        assert_eq!(hub.chosen, chosen);
    }
}

#[test]
fn what_github_refuses_has_its_own_fault_and_nothing_is_quoted() {
    let limited: &[&str] = &["retry-after: 7"];
    let none_left: &[&str] = &["x-ratelimit-remaining: 0"];
    let seven = Some(std::time::Duration::from_secs(7));
    for (status, lines, fault) in [
        (401, &[][..], Fault::Unauthenticated),
        (403, &[][..], Fault::Denied),
        (403, limited, Fault::Retryable { after: seven }),
        (403, none_left, Fault::Retryable { after: None }),
        (404, &[][..], Fault::NotFound),
        (422, &[][..], Fault::Rejected),
        (429, limited, Fault::Retryable { after: seven }),
        (500, &[][..], Fault::Unknown),
        (302, &[][..], Fault::Protocol),
    ] {
        let hub = Hub::new(&["DB_PASSWORD"]);
        let fake = Fake::start(move |asked| match asked.method.as_str() {
            "PUT" => Reply::Full(status, lines, CANARY.as_bytes().to_vec()),
            _ => hub.lock().unwrap().answer(AT, asked),
        });
        let error = put(&*github(&fake, REPOSITORY)).expect_err("refused");
        assert_eq!(error.fault, fault, "{status}: {error}");
        assert!(!format!("{error:?}").contains(CANARY) && !error.help.is_empty());
        assert!(!format!("{error:?}").contains(TOKEN));
        let puts = fake.asked().iter().filter(|a| a.method == "PUT").count();
        assert_eq!(puts, 1, "{status}");
    }
    let hub = Hub::new(&["DB_PASSWORD"]);
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        "PUT" => Reply::Nothing,
        _ => hub.lock().unwrap().answer(AT, asked),
    });
    let error = put(&*github(&fake, REPOSITORY)).expect_err("no answer");
    assert_eq!(error.fault, Fault::Unknown, "{error}");
}

#[test]
fn a_check_finds_what_would_fail_and_writes_nothing() {
    let hub = Hub::new(&["OTHER"]);
    let fake = Hub::serve(&hub, AT);
    let error = github(&fake, REPOSITORY).describe().expect_err("no secret");
    assert_eq!(error.fault, Fault::NotFound);
    assert!(error.help.contains("by hand"), "{}", error.help);
    for (scopes, fine) in [
        (&["x-oauth-scopes: gist, read:org"][..], false),
        (&["x-oauth-scopes: repo, gist"], true),
        // A fine-grained token tells nothing.
        (&["x-oauth-scopes: "], true),
    ] {
        let hub = Hub::new(&["DB_PASSWORD"]);
        let fake = Fake::start(move |asked| match hub.lock().unwrap().answer(AT, asked) {
            Reply::Json(200, body) => Reply::Full(200, scopes, body.into_bytes()),
            other => other,
        });
        let told = github(&fake, REPOSITORY).describe();
        assert_eq!(told.is_ok(), fine, "{scopes:?}: {told:?}");
        assert!(fake.asked().iter().all(|asked| asked.method == "GET"));
    }
    // A key that is none is no key.
    let fake = Fake::start(|asked| {
        let is_key = asked.path.ends_with("public-key");
        let body = if is_key {
            json!({"key_id": "a", "key": "AAAA"})
        } else {
            json!({"name": "DB_PASSWORD"})
        };
        Reply::Json(200, body.to_string())
    });
    let error = github(&fake, REPOSITORY).describe().expect_err("no key");
    assert_eq!(error.fault, Fault::Protocol);
}

#[test]
fn a_value_that_is_too_large_is_not_sent() {
    let hub = Hub::new(&["DB_PASSWORD"]);
    let fake = Hub::serve(&hub, AT);
    let sink = github(&fake, REPOSITORY);
    let large = Secret::new(&vec![b'a'; 48 * 1024 + 1]);
    let error = sink.put(&large, "token-1").expect_err("too large");
    assert_eq!(error.fault, Fault::Rejected);
    assert!(fake.asked().is_empty());
}

#[test]
fn tokens_travel_in_tls_only_and_their_files_are_the_users_alone() {
    let kind = "kind = \"github\"\nrepository = \"acme/app\"\nsecret = \"A\"\n";
    let clear =
        format!("{kind}address = \"http://ghe.example\"\ntoken-variable = \"MADE_UP_TOKEN\"");
    let error = open_sink(&clear).err().expect("not https");
    assert_eq!(error.fault, Fault::Setup);
    let unset = format!("{kind}token-variable = \"MADE_UP_UNSET\"");
    let error = open_sink(&unset).err().expect("no token");
    assert!(error.what.contains("`token-variable`"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    token_file(&file, 0o644);
    let named = format!("{kind}token-file = {:?}", file.to_str().unwrap());
    if cfg!(unix) {
        let error = open_sink(&named).err().expect("others may read it");
        assert!(error.help.contains("chmod 600"), "{}", error.help);
    }
    token_file(&file, 0o600);
    assert!(open_sink(&named).is_ok());
}

pub(crate) fn token_file(path: &Path, mode: u32) {
    fs::write(path, format!("{TOKEN}\n")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = mode;
}
