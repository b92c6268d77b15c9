//! OpenBao and PostgreSQL on which rotations are tried: what the store holds, who is let in, which sessions are open.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use keysweep::stores::local;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use crate::{
    server_targets::{Postgres, private_file},
    servers::Bao,
};

/// The servers, shared by all rotations of a test.
pub(crate) struct Bed {
    pub(crate) bao: Bao,
    pub(crate) postgres: Postgres,
    pub(crate) dir: tempfile::TempDir,
    /// Makes the values of this run its own.
    pub(crate) salt: String,
    n: AtomicUsize,
}

impl Bed {
    pub(crate) fn start() -> Self {
        let bed = Self {
            bao: Bao::audited(),
            postgres: Postgres::start("", ""),
            dir: tempfile::tempdir().unwrap(),
            salt: std::process::id().to_string(),
            n: AtomicUsize::new(1000),
        };
        private_file(&bed.admin(), Postgres::SUPER);
        local::generate_identity(&bed.identity()).unwrap();
        bed.postgres.sql("create role grp nologin");
        bed
    }

    pub(crate) fn port(&self) -> u16 {
        self.postgres.port
    }

    /// The file of age identities that journals are sealed for.
    pub(crate) fn identity(&self) -> PathBuf {
        self.dir.path().join("age.txt")
    }

    /// The file of the superuser's password.
    pub(crate) fn admin(&self) -> PathBuf {
        self.dir.path().join("admin")
    }

    /// Returns a number that is used once; all have equally many digits.
    pub(crate) fn next(&self) -> usize {
        self.n.fetch_add(1, Ordering::SeqCst)
    }

    fn version(&self, name: &str, version: &str) -> (u16, Value) {
        let path = format!("secret/data/crash/{name}?version={version}");
        self.bao.ask("GET", &path, Bao::ROOT, &Value::Null)
    }

    /// Returns user and password that readers of a key get.
    pub(crate) fn current(&self, name: &str) -> (String, String) {
        let (status, answer) = self.version(name, "0");
        assert_eq!(status, 200, "{answer}");
        pair(&answer)
    }

    /// Returns the field that no rotation touches.
    pub(crate) fn note(&self, name: &str) -> String {
        let (_, answer) = self.version(name, "0");
        answer["data"]["data"]["note"].as_str().unwrap().to_owned()
    }

    fn metadata(&self, name: &str) -> Vec<(String, bool)> {
        let path = format!("secret/metadata/crash/{name}");
        let answer = self.bao.root("GET", &path, &Value::Null);
        let versions = answer["data"]["versions"].as_object().unwrap();
        let versions = versions.iter();
        versions
            .map(|(id, about)| (id.clone(), about["destroyed"] == json!(true)))
            .collect()
    }

    /// Returns user and password of each version that can be read.
    pub(crate) fn versions(&self, name: &str) -> Vec<(String, String)> {
        let all = self.metadata(name).into_iter();
        all.filter(|(_, destroyed)| !destroyed)
            .map(|(id, _)| self.version(name, &id))
            .filter(|(status, _)| *status == 200)
            .map(|(_, answer)| pair(&answer))
            .collect()
    }

    /// Tells of each version whether it is there.
    pub(crate) fn version_states(&self, name: &str) -> Vec<&'static str> {
        let all = self.metadata(name).into_iter();
        all.map(|(_, destroyed)| if destroyed { "destroyed" } else { "there" })
            .collect()
    }

    /// Returns the roles of a case that may log in.
    pub(crate) fn roles(&self, name: &str) -> BTreeSet<String> {
        let text = sql(
            self.port(),
            &format!("select rolname from pg_roles where rolcanlogin and rolname like '{name}%'"),
        );
        text.into_iter().collect()
    }

    /// Asserts that no generated value is in what the servers wrote of what they were told.
    pub(crate) fn servers_tell_nothing(&self) {
        let log = self.postgres.log();
        assert!(log.contains("SCRAM-SHA-256$"), "statements are logged");
        for n in 1000..self.n.load(Ordering::SeqCst) {
            let (_, secret) = self.current(&format!("c{n}"));
            if !secret.starts_with("made-up") {
                assert!(!log.contains(&secret), "c{n}");
            }
        }
    }
}

fn pair(answer: &Value) -> (String, String) {
    let text = |name: &str| answer["data"]["data"][name].as_str().unwrap().to_owned();
    (text("user"), text("password"))
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// An open session, as an application has it.
pub(crate) struct Session {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Session {
    /// Opens one that must work.
    pub(crate) fn open(port: u16, user: &str, password: &str) -> Self {
        login(port, user, password).expect("it is let in")
    }

    /// Asks the server for something.
    pub(crate) fn is_open(&self) -> bool {
        let asked = self.client.simple_query("select 1");
        self.runtime.block_on(asked).is_ok()
    }
}

/// Logs in; `None` if the server refuses. Anything else fails the test.
pub(crate) fn login(port: u16, user: &str, password: &str) -> Option<Session> {
    let runtime = runtime();
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .dbname("postgres")
        .user(user)
        .password(password);
    let connected = runtime.block_on(async {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok::<Client, tokio_postgres::Error>(client)
    });
    match connected {
        Ok(client) => Some(Session { runtime, client }),
        Err(error) => {
            let code = error.code().map(|code| code.code().to_owned());
            let code = code.unwrap_or_else(|| panic!("{error:?}"));
            // invalid_password, invalid_authorization_specification (PostgreSQL, appendix A).
            assert!(["28P01", "28000"].contains(&code.as_str()), "{error:?}");
            None
        }
    }
}

/// Runs statements as the superuser; returns the first column of what they say.
pub(crate) fn sql(port: u16, statements: &str) -> Vec<String> {
    let session = Session::open(port, "postgres", Postgres::SUPER);
    let asked = session.client.simple_query(statements);
    let said = session.runtime.block_on(asked).unwrap();
    let rows = said.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    rows.collect()
}

/// Returns a value as it is, in base64, hexadecimal and with percent signs.
pub(crate) fn forms(value: &str) -> Vec<String> {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent = |upper: bool| -> String {
        let escaped = value.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ if upper => format!("%{byte:02X}"),
            _ => format!("%{byte:02x}"),
        });
        escaped.collect()
    };
    vec![
        value.to_owned(),
        STANDARD_NO_PAD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        hex.to_ascii_uppercase(),
        hex,
        percent(true),
        percent(false),
    ]
}
