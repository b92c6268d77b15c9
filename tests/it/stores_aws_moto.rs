//! AWS on moto, an emulator that others keep: that the official SDK and we agree with somebody else's reading of the API. What it does
//! otherwise than AWS is in stores_aws.rs.

use std::process::Command;

use keysweep::{
    config::stores::StoreKind,
    model::{ProviderState, Secret},
    stores::{Fault, KeyInfo, SecretStore, VersionId, VersionState, target::Credential},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    servers::{Process, free_port, program, wait},
    stores_aws::{TOKEN, key, pages, read, stage, store_at, target_at},
};

/// The emulator; it accepts any signature.
struct Moto {
    _process: Process,
    _dir: TempDir,
    agent: ureq::Agent,
    address: String,
}

fn keys() -> (String, String) {
    (format!("AKIA{}", "MADEUPMOTO123456"), "made-up".to_owned())
}

impl Moto {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let mut command = Command::new(program("moto_server", "pip install 'moto[server]'"));
        command
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .current_dir(dir.path());
        let log = dir.path().join("server.log");
        let mut process = Process::start(&mut command, &log);
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .new_agent();
        let address = format!("http://127.0.0.1:{port}");
        wait(&mut process, &log, || {
            agent.get(format!("{address}/moto-api/")).call().is_ok()
        });
        Self {
            _process: process,
            _dir: dir,
            agent,
            address,
        }
    }

    /// Does something as the tests' own client; it must work.
    fn ask(&self, service: &str, target: &str, body: &Value) -> Value {
        let scope = format!("AKIA/20260101/us-east-1/{service}/aws4_request");
        let answer = self
            .agent
            .post(format!("{}/", self.address))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=x"),
            )
            .send(body.to_string());
        let mut answer = answer.expect("moto answers");
        let text = answer.body_mut().read_to_string().expect("text");
        assert_eq!(answer.status(), 200, "{target}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    fn secrets(&self, operation: &str, body: &Value) -> Value {
        self.ask(
            "secretsmanager",
            &format!("secretsmanager.{operation}"),
            body,
        )
    }

    fn iam(&self, form: &str) -> String {
        let (status, text) = self.form("iam", &format!("{form}&Version=2010-05-08"));
        assert_eq!(status, 200, "{form}: {text}");
        text
    }

    /// Asks STS who a key belongs to that nobody has; the raw answer.
    fn who_am_i(&self) -> (u16, String) {
        self.form("sts", "Action=GetCallerIdentity&Version=2011-06-15")
    }

    fn form(&self, service: &str, form: &str) -> (u16, String) {
        let scope = format!("AKIA/20260101/us-east-1/{service}/aws4_request");
        let answer = self
            .agent
            .post(format!("{}/", self.address))
            .header("content-type", "application/x-www-form-urlencoded")
            .header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=x"),
            )
            .send(form);
        let mut answer = answer.expect("moto answers");
        let text = answer.body_mut().read_to_string().expect("text");
        (answer.status().as_u16(), text)
    }

    fn store(
        &self,
        kind: fn(keysweep::config::stores::AwsSettings) -> StoreKind,
    ) -> Box<dyn SecretStore> {
        store_at(&self.address, kind, &keys()).expect("it opens")
    }
}

fn state(info: &KeyInfo, state: VersionState) -> Vec<VersionId> {
    let versions = info.versions.iter().filter(|v| v.state == state);
    versions.map(|v| v.id.clone()).collect()
}

/// Starts one with a secret of two fields.
fn with_secret() -> Moto {
    let moto = Moto::start();
    let text = r#"{"user":"app","password":"made-up-1"}"#;
    let tags = [json!({"Key": "owner", "Value": "team-a"})];
    let body = json!({"Name": "prod/db", "SecretString": text, "Tags": tags});
    moto.secrets("CreateSecret", &body);
    moto
}

#[test]
fn moto_and_we_agree_on_what_there_is() {
    let moto = with_secret();
    moto.secrets(
        "CreateSecret",
        &json!({"Name": "prod/gone", "SecretString": "made-up"}),
    );
    moto.secrets("DeleteSecret", &json!({"SecretId": "prod/gone"}));
    let store = moto.store(StoreKind::Aws);
    let mut listed = pages(&*store).remove(0).keys;
    listed.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(listed[0].key, key("prod/db"));
    assert_eq!(listed[1].key, key("prod/gone"));
    let gone = store.describe(&key("prod/gone")).expect("described");
    let deleted = state(&gone, VersionState::SoftDeleted);
    assert_eq!(read(&*store, "prod/gone", deleted[0].as_str()), Ok(None));
    let info = store.describe(&key("prod/db")).expect("described");
    assert_eq!(info.owner.as_deref(), Some("team-a"));
    assert!(!info.native_rotation);
    let none = store.describe(&key("prod/none"));
    assert_eq!(none.map_err(|error| error.fault), Err(Fault::NotFound));
    let readers = store
        .readers(&key("prod/db"))
        .expect("no policy is an answer");
    assert_eq!((readers.known, readers.complete), (0, false));
    assert!(store.health().is_ok());
}

#[test]
fn moto_and_we_agree_on_writes() {
    let moto = with_secret();
    let store = moto.store(StoreKind::Aws);
    let info = store.describe(&key("prod/db")).expect("described");
    let base = info.current().expect("one").id.clone();
    let staged = stage(&*store, "prod/db", base.as_str(), "password", "made-up-2").expect("staged");
    assert_eq!(staged.as_str(), TOKEN);
    let info = store.describe(&key("prod/db")).expect("described");
    assert_eq!(
        state(&info, VersionState::Pending),
        std::slice::from_ref(&staged)
    );
    let fields = read(&*store, "prod/db", TOKEN)
        .expect("read")
        .expect("a value");
    assert_eq!(fields["user"], "app");
    assert_eq!(fields["password"], "made-up-2");
    store
        .promote(&key("prod/db"), &base, &staged)
        .expect("promoted");
    let info = store.describe(&key("prod/db")).expect("described");
    assert_eq!(info.current().map(|v| &v.id), Some(&staged));
    assert_eq!(
        state(&info, VersionState::Previous),
        std::slice::from_ref(&base)
    );
    assert!(state(&info, VersionState::Pending).is_empty());
    let fields = read(&*store, "prod/db", base.as_str())
        .expect("read")
        .expect("a value");
    assert_eq!(fields["password"], "made-up-1");
    // Under the same token, with another value: moto would overwrite it.
    let stale = stage(&*store, "prod/db", base.as_str(), "password", "x");
    assert_eq!(stale.map_err(|error| error.fault), Err(Fault::Conflict));
    store
        .annotate(&key("prod/db"), &[("keysweep", "rotated")])
        .expect("noted");
}

#[test]
fn moto_and_we_agree_on_parameters() {
    let moto = Moto::start();
    let put = |value: &str| {
        let body = json!({"Name": "/app-prod/db", "Value": value, "Type": "SecureString", "Overwrite": true});
        moto.ask("ssm", "AmazonSSM.PutParameter", &body);
    };
    put("made-up-1");
    put("made-up-2");
    let store = moto.store(StoreKind::Ssm);
    assert_eq!(pages(&*store).remove(0).keys[0].key, key("/app-prod/db"));
    let info = store.describe(&key("/app-prod/db")).expect("described");
    assert_eq!(info.current().map(|v| v.id.as_str()), Some("2"));
    assert_eq!(info.owner.as_deref(), Some("app-prod"));
    for n in ["1", "2"] {
        let fields = read(&*store, "/app-prod/db", n)
            .expect("read")
            .expect("a value");
        assert_eq!(fields[""], format!("made-up-{n}"));
    }
    let staged = stage(&*store, "/app-prod/db", "2", "", "made-up-3").expect("written");
    assert_eq!(staged.as_str(), "3");
    let conflict = stage(&*store, "/app-prod/db", "2", "", "made-up-4");
    assert_eq!(conflict.map_err(|error| error.fault), Err(Fault::Conflict));
}

#[test]
fn moto_and_we_agree_on_access_keys() {
    let moto = Moto::start();
    moto.iam("Action=CreateUser&UserName=app");
    let made = moto.iam("Action=CreateAccessKey&UserName=app");
    let part = |name: &str| {
        let (_, rest) = made
            .split_once(&format!("<{name}>"))
            .expect("it is in the answer");
        rest.split('<').next().expect("it ends").to_owned()
    };
    let old = Credential {
        user: Some(part("AccessKeyId")),
        secret: Secret::new(part("SecretAccessKey").as_bytes()),
    };
    let target = target_at(&moto.address, &keys());
    target.check(&old).expect("a slot is free");
    let new = target.issue(&old, None, TOKEN).expect("made");
    assert_eq!(target.probe(&new), Ok(ProviderState::Accepted));
    // Two keys now: a third is refused before AWS is asked for it.
    let third = target.issue(&old, None, "another-token-of-32-letters-0000");
    assert_eq!(
        third.map(drop).map_err(|error| error.fault),
        Err(Fault::Setup)
    );
    target.destroy(&old, &new).expect("deleted");
    let left = moto.iam("Action=ListAccessKeys&UserName=app");
    assert!(left.contains(new.user.as_deref().expect("an id")));
    assert!(!left.contains(old.user.as_deref().expect("an id")));
    // From now on signatures count. For a key that is not there moto has AWS's status and code, in a shape that AWS never sends: the
    // code stands in `ErrorResponse/Errors/Error`, which mixes the error of the query protocol (STS: `ErrorResponse/Error`) with that of
    // EC2 (`Response/Errors/Error`). No SDK finds it there, and a refusal that cannot be read is no proof. AWS's own answer, and that it
    // is one, are in stores_aws.rs.
    let url = format!("{}/moto-api/reset-auth", moto.address);
    moto.agent.post(url).send("0").expect("moto answers");
    let (status, text) = moto.who_am_i();
    assert_eq!(status, 403, "{text}");
    assert!(
        text.contains("<ErrorResponse><Errors><Error><Code>InvalidClientTokenId</Code>"),
        "moto answers as AWS does now: expect `Refused` here: {text}"
    );
    let probed = target.probe(&old);
    assert!(
        matches!(probed, Ok(ProviderState::Unknown { .. })),
        "{probed:?}"
    );
    assert_eq!(target.probe(&new), Ok(ProviderState::Accepted));
}
