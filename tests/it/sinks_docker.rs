//! Secrets of Docker Swarm as sinks, on a strict fake on a Unix socket: secrets cannot be changed, an update must name the service's
//! index and secrets that are there (Docker Engine API, "SecretCreate", "ServiceUpdate").

use std::{
    collections::BTreeMap,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keysweep::{
    model::Secret,
    stores::{
        Fault,
        sink::{Arrival, Sink},
    },
};
use serde_json::{Value, json};

use super::{
    servers::{Asked, Reply, answer_with, receive},
    sinks_github::open_sink,
};

const NEW: &str = "made-up-canary-value";

#[derive(Default)]
struct Engine {
    /// Id, name, labels, data.
    secrets: Vec<(String, String, Value, String)>,
    services: BTreeMap<String, Value>,
    /// The state of updates that services come to; without one `completed`.
    update: BTreeMap<String, &'static str>,
    /// What the next request of this method and beginning of a path is answered with.
    script: Option<(&'static str, &'static str, Reply)>,
    updates: usize,
    is_worker: bool,
}

impl Engine {
    fn new() -> Self {
        let mut engine = Self::default();
        engine.add("db", "made-up-old", json!({}));
        engine.add("db2", "made-up-other", json!({}));
        for name in ["web", "jobs", "other"] {
            let id = format!("id-of-{name}");
            let secrets = json!([
                {"File": {"Name": "password", "UID": "0", "GID": "0", "Mode": 292}, "SecretID": "s1", "SecretName": "db"},
                {"File": {"Name": "token"}, "SecretID": "s2", "SecretName": "db2"},
            ]);
            let container = json!({"Image": "made-up", "Env": ["A=1"], "Secrets": secrets});
            let spec = json!({"Name": name, "TaskTemplate": {"ContainerSpec": container}, "Mode": {"Replicated": {"Replicas": 2}}});
            let service = json!({"ID": id, "Version": {"Index": 40}, "Spec": spec});
            engine.services.insert(name.to_owned(), service);
        }
        engine
    }

    fn add(&mut self, name: &str, data: &str, labels: Value) -> String {
        let id = format!("s{}", self.secrets.len() + 1);
        let secret = (id.clone(), name.to_owned(), labels, data.to_owned());
        self.secrets.push(secret);
        id
    }

    fn create(&mut self, body: &str) -> Reply {
        let body: Value = serde_json::from_str(body).unwrap();
        let name = body["Name"].as_str().unwrap();
        if self.secrets.iter().any(|secret| secret.1 == name) {
            return Reply::Json(409, "{}".into());
        }
        let data = STANDARD.decode(body["Data"].as_str().unwrap()).unwrap();
        let data = String::from_utf8(data).unwrap();
        let id = self.add(name, &data, body["Labels"].clone());
        Reply::Json(201, json!({"ID": id}).to_string())
    }

    fn update(&mut self, id: &str, version: &str, body: &str) -> Reply {
        let service = self.services.values_mut().find(|own| own["ID"] == id);
        let Some(service) = service else {
            return Reply::Json(404, "{}".into());
        };
        let index = service["Version"]["Index"].as_i64();
        if version.parse().ok() != index {
            return Reply::Json(
                500,
                json!({"message": "update out of sequence"}).to_string(),
            );
        }
        let spec: Value = serde_json::from_str(body).unwrap();
        let secrets = spec["TaskTemplate"]["ContainerSpec"]["Secrets"].as_array();
        for own in secrets.unwrap() {
            let mut known = self.secrets.iter();
            if !known.any(|s| own["SecretID"] == s.0.as_str() && own["SecretName"] == s.1.as_str())
            {
                return Reply::Json(400, json!({"message": "secret not found"}).to_string());
            }
        }
        service["Version"]["Index"] = json!(service["Version"]["Index"].as_i64().unwrap() + 1);
        let before = std::mem::replace(&mut service["Spec"], spec);
        let name = service["Spec"]["Name"].as_str().unwrap().to_owned();
        let state = self.update.get(&name).copied().unwrap_or("completed");
        service["UpdateStatus"] = json!({"State": state});
        if state.starts_with("rollback") {
            service["Spec"] = before;
        }
        self.updates += 1;
        Reply::Json(200, json!({"Warnings": null}).to_string())
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        let (method, path) = (asked.method.as_str(), asked.path.as_str());
        if let Some((of, at, _)) = self.script
            && of == method
            && path.starts_with(at)
        {
            return self.script.take().unwrap().2;
        }
        let json = |value: Value| Reply::Json(200, value.to_string());
        if let Some(name) = path.strip_prefix("/services/") {
            if let Some((id, version)) = name.split_once("/update?version=") {
                return self.update(id, version, &asked.body);
            }
            let named = |own: &&Value| own["ID"] == name || own["Spec"]["Name"] == name;
            return match self.services.values().find(named) {
                Some(service) => json(service.clone()),
                None => Reply::Json(404, "{}".into()),
            };
        }
        match (method, path) {
            ("GET", "/info") => json(json!({"Swarm": {"ControlAvailable": !self.is_worker}})),
            ("GET", "/secrets") => {
                let told = self.secrets.iter().map(|(id, name, labels, _)| {
                    json!({"ID": id, "Version": {"Index": 9}, "Spec": {"Name": name, "Labels": labels}})
                });
                json(told.collect())
            }
            ("POST", "/secrets/create") => self.create(&asked.body),
            _ => Reply::Json(404, "{}".into()),
        }
    }

    /// Returns what a service finds in the file `password`.
    fn password(&self, service: &str) -> String {
        let secrets = &self.services[service]["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"];
        let mut own = secrets.as_array().unwrap().iter();
        let own = own.find(|own| own["File"]["Name"] == "password").unwrap();
        let mut known = self.secrets.iter();
        known
            .find(|s| own["SecretID"] == s.0.as_str())
            .unwrap()
            .3
            .clone()
    }
}

/// An engine that listens.
struct Socket {
    engine: Arc<Mutex<Engine>>,
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Socket {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let engine = Arc::new(Mutex::new(Engine::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (answering, stopped) = (Arc::clone(&engine), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                if let Some(asked) = receive(&mut stream) {
                    let reply = answering.lock().unwrap().answer(&asked);
                    let _ = answer_with(&mut stream, reply);
                }
            }
        });
        Self {
            engine,
            path,
            stop,
            thread: Some(thread),
            _dir: dir,
        }
    }

    fn sink(&self, services: &[&str]) -> Box<dyn Sink> {
        open_sink(&format!(
            "kind = \"docker\"\nsocket = {:?}\nsecret = \"db\"\nservices = {services:?}",
            self.path.to_str().unwrap()
        ))
        .expect("it opens")
    }

    fn engine(&self) -> std::sync::MutexGuard<'_, Engine> {
        self.engine.lock().unwrap()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(&self.path);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn value() -> Secret {
    Secret::new(NEW.as_bytes())
}

#[test]
fn the_services_get_a_new_secret_in_the_old_ones_place_and_nothing_else_changes() {
    let socket = Socket::start();
    let sink = socket.sink(&["web", "jobs"]);
    let before = socket.engine().services["web"].clone();
    assert_eq!(sink.describe().unwrap().marker.as_deref(), Some("db"));
    assert_eq!(sink.confirm(&value(), "t1"), Ok(Arrival::Missing));
    let marker = sink.put(&value(), "t1").expect("replaced");
    assert_eq!(marker.as_deref(), Some("db_v2"));
    assert_eq!(sink.confirm(&value(), "t1"), Ok(Arrival::There));
    {
        let engine = socket.engine();
        assert_eq!(engine.password("web"), NEW);
        assert_eq!(engine.password("jobs"), NEW);
        assert_eq!(engine.password("other"), "made-up-old");
        let mut expected = before["Spec"].clone();
        let own = &mut expected["TaskTemplate"]["ContainerSpec"]["Secrets"][0];
        own["SecretID"] = json!("s3");
        own["SecretName"] = json!("db_v2");
        assert_eq!(engine.services["web"]["Spec"], expected);
    }
    // The way back is another secret, with another name.
    let old = Secret::new(b"made-up-old");
    let marker = sink.put(&old, "t2").expect("put back");
    assert_eq!(marker.as_deref(), Some("db_v3"));
    assert_eq!(socket.engine().password("web"), "made-up-old");
    assert_eq!(sink.confirm(&value(), "t1"), Ok(Arrival::Missing));
    assert!(sink.traits().leaves_old && !sink.traits().atomic);
}

#[test]
fn a_request_that_is_repeated_makes_no_second_secret() {
    for (method, at) in [
        ("POST", "/secrets/create"),
        ("POST", "/services/id-of-web/update"),
        ("POST", "/services/id-of-jobs/update"),
    ] {
        let socket = Socket::start();
        let sink = socket.sink(&["web", "jobs"]);
        socket.engine().script = Some((method, at, Reply::Nothing));
        let error = sink.put(&value(), "t1").expect_err("no answer");
        assert_eq!(error.fault, Fault::Unknown, "{error}");
        sink.put(&value(), "t1").expect("done now");
        sink.put(&value(), "t1").expect("done already");
        let engine = socket.engine();
        assert_eq!(engine.secrets.len(), 3, "{at}");
        assert_eq!(engine.updates, 2, "{at}");
        assert_eq!(engine.password("jobs"), NEW);
    }
}

#[test]
fn a_service_that_does_not_come_up_is_a_refusal() {
    for state in ["paused", "rollback_completed"] {
        let socket = Socket::start();
        socket.engine().update.insert("jobs".to_owned(), state);
        let sink = socket.sink(&["web", "jobs"]);
        let error = sink.put(&value(), "t1").expect_err("it does not come up");
        assert_eq!(error.fault, Fault::Conflict, "{state}: {error}");
        assert_eq!(sink.confirm(&value(), "t1"), Ok(Arrival::Missing));
        // What has the new one gets the old one back.
        socket.engine().update.clear();
        sink.put(&Secret::new(b"made-up-old"), "t2")
            .expect("put back");
        for service in ["web", "jobs"] {
            assert_eq!(socket.engine().password(service), "made-up-old", "{state}");
        }
    }
}

#[test]
fn what_would_fail_is_found_before() {
    let socket = Socket::start();
    let none = socket
        .sink(&["web", "nothing"])
        .describe()
        .expect_err("no service");
    assert_eq!(none.fault, Fault::NotFound, "{none}");
    let secrets = ["Spec", "TaskTemplate", "ContainerSpec", "Secrets"];
    let path = format!("/{}", secrets.join("/"));
    *socket
        .engine()
        .services
        .get_mut("web")
        .unwrap()
        .pointer_mut(&path)
        .unwrap() = json!([]);
    let unused = socket.sink(&["web"]).describe().expect_err("not used");
    assert!(unused.what.contains("web"), "{unused}");
    assert_eq!(unused.fault, Fault::NotFound);
    socket.engine().is_worker = true;
    let worker = socket.sink(&["jobs"]).describe().expect_err("a worker");
    assert_eq!(worker.fault, Fault::Setup);
    assert_eq!(socket.engine().updates, 0);
    let sink = socket.sink(&["jobs"]);
    drop(socket);
    let away = sink.describe().expect_err("nobody listens");
    assert_eq!(away.fault, Fault::Unavailable, "{away}");
    assert!(away.help.contains("socket"), "{}", away.help);
}
