//! Real PostgreSQL, Redis and OpenSSH servers on loopback, ended when they are dropped.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Returns a program from the tools, the path, or where Debian puts servers.
pub(crate) fn program(name: &str, package: &str) -> PathBuf {
    let mut places: Vec<PathBuf> = Vec::new();
    if let Some(tools) = std::env::var_os("KEYSWEEP_TOOLS") {
        places.push(Path::new(&tools).join("python/bin"));
    }
    if let Some(path) = std::env::var_os("PATH") {
        places.extend(std::env::split_paths(&path));
    }
    places.push("/usr/sbin".into());
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    places.extend(versions.into_iter().rev());
    places
        .iter()
        .map(|place| place.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("`{name}` is not found: install it (Debian: apt-get install {package})")
        })
}

/// Returns a port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Waits until something is so, 20 s at most.
pub(crate) fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < until, "waited 20 s for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes a file that its owner alone may read.
pub(crate) fn private_file(path: &Path, content: &str) -> PathBuf {
    fs::write(path, content).expect("the file can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    path.to_path_buf()
}

/// Tells whether we are root, who may not run PostgreSQL.
fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout == b"0\n"
}

/// A PostgreSQL server whose superuser is `postgres`; every statement is in its log.
pub(crate) struct Postgres {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Postgres {
    pub(crate) const SUPER: &'static str = "made-up-super-0";

    /// Starts one; `hba` are lines before the last, which asks for SCRAM from everybody; `options` are of the server.
    pub(crate) fn start(hba: &str, options: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let server = Self {
            dir,
            port: free_port(),
        };
        if is_root() {
            let owned = Command::new("chown")
                .arg("postgres")
                .arg(server.dir.path())
                .status();
            assert!(owned.expect("chown runs").success(), "user postgres exists");
        }
        let password = private_file(&server.dir.path().join("pw"), Self::SUPER);
        server.own_file("pw");
        server.own("initdb", &|command| {
            command
                .args(["-U", "postgres", "-A", "scram-sha-256", "--no-sync", "-D"])
                .arg(server.data())
                .arg(format!("--pwfile={}", password.display()));
        });
        let rules = format!("{hba}\nhost all all 127.0.0.1/32 scram-sha-256\n");
        fs::write(server.data().join("pg_hba.conf"), rules).expect("it can be written");
        server.up(options);
        server
    }

    /// Gives a file of the directory to the user that the server runs as.
    pub(crate) fn own_file(&self, name: &str) {
        if is_root() {
            let owned = Command::new("chown")
                .arg("postgres")
                .arg(self.dir.path().join(name))
                .status();
            assert!(owned.expect("chown runs").success());
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs a program of PostgreSQL as a user who may.
    fn own(&self, name: &str, with: &dyn Fn(&mut Command)) {
        let file = program(name, "postgresql");
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(file);
            command
        } else {
            Command::new(file)
        };
        with(&mut command);
        let ran = command
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(ran.expect("it starts").success(), "{name} failed");
    }

    pub(crate) fn up(&self, options: &str) {
        let settings = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c fsync=off -c log_statement=all {options}",
            self.port,
            self.dir.path().display()
        );
        self.own("pg_ctl", &|command| {
            command
                .args(["-w", "start", "-l"])
                .arg(self.dir.path().join("log"))
                .arg("-o")
                .arg(&settings)
                .arg("-D")
                .arg(self.data());
        });
    }

    pub(crate) fn down(&self) {
        self.own("pg_ctl", &|command| {
            command
                .args(["-w", "-m", "immediate", "stop", "-D"])
                .arg(self.data());
        });
    }

    /// Returns `psql` as a user.
    pub(crate) fn psql(&self, user: &str, password: &str, sql: &str) -> Command {
        let mut command = Command::new(program("psql", "postgresql-client"));
        command
            .args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1"])
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-d",
                "postgres",
            ])
            .args(["-U", user, "-c", sql])
            .env("PGPASSWORD", password)
            .stdin(Stdio::null());
        command
    }

    /// Runs a statement as the superuser and returns what it says.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let out = self.psql("postgres", Self::SUPER, sql).output();
        said(out.expect("psql starts"))
    }

    /// Begins a session that sleeps for a minute, and waits until the server knows it.
    pub(crate) fn sleeper(&self, user: &str, password: &str) -> Child {
        let child = self
            .psql(user, password, "select pg_sleep(60)")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql starts");
        let quoted = user.replace('\'', "''");
        wait_for("the session", || {
            self.sql(&format!(
                "select count(*) > 0 from pg_stat_activity where usename = '{quoted}' and query like '%sleep%'"
            )) == "t"
        });
        child
    }

    /// Returns the server's log.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.dir.path().join("log")).expect("the server has a log");
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            self.down();
        }
    }
}

/// Returns what a program that must succeed wrote.
pub(crate) fn said(out: Output) -> String {
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// A Redis server whose default user has a password; users are kept in an `aclfile`.
pub(crate) struct Redis {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) port: u16,
    child: Option<Child>,
}

impl Redis {
    /// Starts one. `settings` are lines of its file, `users` those of the aclfile (none: there is no aclfile).
    pub(crate) fn start(settings: &str, users: Option<&str>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let port = free_port();
        let mut file = format!(
            "port {port}\nbind 127.0.0.1\nsave \"\"\ndir {}\n{settings}\n",
            dir.path().display()
        );
        if let Some(users) = users {
            let path = dir.path().join("users.acl");
            fs::write(&path, users).expect("it can be written");
            file.push_str(&format!("aclfile {}\n", path.display()));
        }
        fs::write(dir.path().join("redis.conf"), file).expect("it can be written");
        let mut server = Self {
            dir,
            port,
            child: None,
        };
        server.up();
        server
    }

    pub(crate) fn up(&mut self) {
        let child = Command::new(program("redis-server", "redis-server"))
            .arg(self.dir.path().join("redis.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("redis-server starts"));
        wait_for("redis-server", || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    pub(crate) fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
        }
    }

    /// Opens a connection and sends lines (inline commands); returns it and what came back.
    pub(crate) fn say(&self, lines: &str) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it is up");
        stream
            .set_read_timeout(Some(Duration::from_millis(500)))
            .expect("a limit can be set");
        stream.write_all(lines.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        while answer.iter().filter(|b| **b == b'\n').count() < lines.lines().count() {
            match stream.read(&mut part) {
                Ok(0) | Err(_) => break,
                Ok(n) => answer.extend_from_slice(&part[..n]),
            }
        }
        (stream, String::from_utf8_lossy(&answer).into_owned())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.down();
    }
}
