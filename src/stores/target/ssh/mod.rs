//! Keys of SSH: a new ed25519 key gets a line beside the old one's in `authorized_keys`, later the old one's goes.
//!
//! Promises: no private key is sent anywhere; it is in a file that `ssh` reads for the time of a call alone (`private`); the file on the host is
//! replaced as a whole, under a lock, and only if it still is what was read; the old line goes only where the new one stands. A probe
//! opens no session, so that no forced command runs, and judges `ssh`'s own log, in which the server has no say.
//!
//! The system's `ssh` is used without its configuration (`-F none`): identities, agents and shared connections named there
//! would let somebody in whom the key does not. Other lines, other comments and other bytes of the file stay as they are.

mod lines;
mod private;

use std::{path::PathBuf, process::Command, time::Duration};

use ssh_key::{LineEnding, PrivateKey, private::Ed25519Keypair};
use zeroize::Zeroizing;

use self::{lines::Public, private::Private};
use super::{
    Credential, Target, TargetTraits,
    open::{Address, at_home, secret_file},
};
use crate::{
    config::stores::SshSettings,
    model::{ProviderState, Secret, quotable},
    stores::{
        Fault, StoreError, Surroundings,
        child::{self, Limits, Trouble},
    },
};

/// Limits of one call of `ssh`; a file of keys has a few thousand bytes.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(40),
    bytes: 1 << 20,
};

/// Options of every call; `-F none` and no agent, so that the key alone decides.
const OPTIONS: [&str; 18] = [
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "PubkeyAuthentication=yes",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "HostbasedAuthentication=no",
    "GSSAPIAuthentication=no",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "ConnectTimeout=10",
    "ConnectionAttempts=1",
    "ControlMaster=no",
    "ControlPath=none",
    "ForwardAgent=no",
    "PermitLocalCommand=no",
    "ProxyCommand=none",
];

/// Finds the file, and shows it between two marks: a shell's own start-up may say something, too.
const READ: &str = r#"
case "$file" in /*) ;; *) file="$HOME/$file" ;; esac
if [ -L "$file" ]; then file=$(readlink -f "$file"); fi
[ -f "$file" ] && [ -r "$file" ] && [ -w "$file" ] && [ -w "$(dirname "$file")" ] || { echo "none-$mark"; exit 0; }
echo "begin-$mark"; cat "$file"; echo "end-$mark"
"#;

/// Replaces the file if it holds what was read. `mkdir` is the lock: one of two succeeds. One that is 5 minutes old is
/// left over.
const WRITE: &str = r#"
umask 077
case "$file" in /*) ;; *) file="$HOME/$file" ;; esac
if [ -L "$file" ]; then file=$(readlink -f "$file"); fi
lock="$file.keysweep-lock"; tries=0
while ! mkdir "$lock" 2>/dev/null; do
  if [ -n "$(find "$lock" -prune -mmin +5 2>/dev/null)" ]; then rmdir "$lock" 2>/dev/null; fi
  tries=$((tries + 1))
  if [ "$tries" -gt 10 ]; then echo "busy-$mark"; exit 0; fi
  sleep 1
done
new="$file.keysweep-$mark"
trap 'rm -f "$new"; rmdir "$lock"' EXIT
trap 'exit 1' HUP INT TERM
if ! printf %s "$before" | cmp -s - "$file"; then echo "changed-$mark"; exit 0; fi
cp -p "$file" "$new" && printf %s "$after" >"$new" && mv -f "$new" "$file" && echo "wrote-$mark"
"#;

/// A user's file of keys on a host.
pub(super) struct Ssh {
    label: String,
    address: Address,
    user: String,
    file: String,
    admin: Option<Secret>,
    known_hosts: Option<PathBuf>,
    places: Vec<PathBuf>,
}

impl Ssh {
    /// Takes the settings; sends nothing.
    pub(super) fn open(
        settings: &SshSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let address = Address::parse("ssh", &settings.address, 22)?;
        let label = format!("SSH at {}@{address}", quotable(&settings.user));
        let wrong = |what: &str, help: &str| StoreError::new(&label, Fault::Setup, what, help);
        if settings.user.is_empty() || settings.user.starts_with('-') {
            return Err(wrong(
                "`user` is none",
                "name the user that logs in with the key",
            ));
        }
        let known_hosts = settings.known_hosts_file.as_ref();
        let known_hosts = known_hosts.map(|path| at_home(path, surroundings));
        let quotes = |path: &PathBuf| path.to_string_lossy().contains('"');
        if known_hosts.as_ref().is_some_and(quotes) {
            return Err(wrong(
                "`known-hosts-file` has a quote in it",
                "rename the file",
            ));
        }
        let file = settings.authorized_keys.clone();
        let file = file.unwrap_or_else(|| ".ssh/authorized_keys".to_owned());
        if file.is_empty() || file.contains(['\0', '\n']) {
            return Err(wrong(
                "`authorized-keys` is none",
                "name the file of public keys on the host",
            ));
        }
        let admin = settings.admin_identity_file.as_ref();
        let admin = admin.map(|path| secret_file(&label, path, surroundings));
        Ok(Self {
            admin: admin.transpose()?,
            address,
            user: settings.user.clone(),
            file,
            known_hosts,
            places: private::places(surroundings),
            label,
        })
    }

    fn error(&self, fault: Fault, what: impl Into<String>, help: &str) -> StoreError {
        StoreError::new(&self.label, fault, what, help)
    }

    fn trouble(&self, trouble: Trouble, program: &str) -> StoreError {
        match trouble {
            Trouble::Start => self.error(
                Fault::Setup,
                format!("the program `{program}` cannot be run"),
                "install OpenSSH's client (Debian: openssh-client)",
            ),
            Trouble::Slow | Trouble::System => self.error(
                Fault::Unknown,
                "no answer came in time",
                "see whether the host is up, then resume: what was done is looked at first",
            ),
            Trouble::Long => self.error(
                Fault::Protocol,
                "the host says more than 1 MiB",
                "see `authorized-keys` of this target",
            ),
        }
    }

    fn private(&self, key: &Secret) -> Result<Private, StoreError> {
        Private::new(&self.places, key).map_err(|_| {
            self.error(
                Fault::Setup,
                "there is no place for the key that ssh has to read",
                "make XDG_RUNTIME_DIR or TMPDIR a directory that you may write to",
            )
        })
    }

    /// Returns the call of `ssh` with a key, without what it shall do.
    fn ssh(&self, private: &Private) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-T", "-x", "-a", "-v"]);
        command.arg("-E").arg(private.log());
        command.arg("-i").arg(private.key());
        for option in OPTIONS {
            command.args(["-o", option]);
        }
        if let Some(path) = &self.known_hosts {
            // Percent signs are tokens of ssh there.
            let path = path.to_string_lossy().replace('%', "%%");
            command.arg("-o");
            command.arg(format!("UserKnownHostsFile=\"{path}\""));
            command.args(["-o", "GlobalKnownHostsFile=none"]);
        }
        command.args(["-p", &self.address.port.to_string()]);
        command.args(["-l", &self.user]);
        command
    }

    /// Runs a script on the host and returns what it said between or in its marks.
    fn script(
        &self,
        key: &Secret,
        script: &str,
        variables: &[(&str, &[u8])],
    ) -> Result<(Zeroizing<Vec<u8>>, String), StoreError> {
        let private = self.private(key)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| {
            self.error(
                Fault::Setup,
                "there are no random bytes",
                "see /dev/urandom",
            )
        })?;
        let mark: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut text = format!("mark={mark}\n").into_bytes();
        for (name, value) in variables {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b"='");
            for byte in *value {
                if *byte == b'\'' {
                    text.extend_from_slice(b"'\\''");
                } else {
                    text.push(*byte);
                }
            }
            text.extend_from_slice(b"'\n");
        }
        text.extend_from_slice(script.as_bytes());
        let mut command = self.ssh(&private);
        // Whatever the user's shell is, it can start this one; the rest is its input.
        command.args(["--", &self.address.host, "sh -s"]);
        let run = child::run(&mut command, &text, LIMITS);
        let run = run.map_err(|trouble| self.trouble(trouble, "ssh"))?;
        if run.status.code() == Some(255) {
            return Err(self.not_in(&judge(&log(&private), key.is_empty())));
        }
        Ok((run.stdout, mark))
    }

    /// Returns the error of an editor that did not get in.
    fn not_in(&self, state: &ProviderState) -> StoreError {
        match state {
            ProviderState::Refused => self.error(
                Fault::Unauthenticated,
                "the key that shall edit the file is not let in",
                "name one that is with `admin-identity-file`",
            ),
            ProviderState::Accepted => self.error(
                Fault::Unknown,
                "the connection broke",
                "see whether the host is up, then resume: what was done is looked at first",
            ),
            ProviderState::Unknown { why } => self.error(
                Fault::Unavailable,
                why.clone(),
                "see `address` and `known-hosts-file` of this target, and whether the host is up",
            ),
            ProviderState::NotChecked => {
                self.error(Fault::Unavailable, "nothing was asked", "run it again")
            }
        }
    }

    /// Returns the file on the host.
    fn read(&self, key: &Secret) -> Result<Vec<u8>, StoreError> {
        let (said, mark) = self.script(key, READ, &[("file", self.file.as_bytes())])?;
        let find = |word: &str| find(&said, format!("{word}-{mark}\n").as_bytes());
        if find("none").is_some() {
            return Err(self.error(
                Fault::NotFound,
                format!("there is no {} that may be changed", quotable(&self.file)),
                "see `authorized-keys` of this target; its directory must be writable, too",
            ));
        }
        let (Some(begin), Some(end)) = (find("begin"), find("end")) else {
            return Err(self.error(
                Fault::Setup,
                "the key that shall edit the file gets no shell",
                "its line has a forced command or the host is restricted: name another with `admin-identity-file`",
            ));
        };
        let file = said.get(begin.1..end.0).unwrap_or_default();
        if file.contains(&0) {
            return Err(self.error(
                Fault::Protocol,
                "the file is no text",
                "see `authorized-keys`",
            ));
        }
        Ok(file.to_vec())
    }

    fn write(&self, key: &Secret, before: &[u8], after: &[u8]) -> Result<(), StoreError> {
        let variables = [
            ("file", self.file.as_bytes()),
            ("before", before),
            ("after", after),
        ];
        let (said, mark) = self.script(key, WRITE, &variables)?;
        let says = |word: &str| find(&said, format!("{word}-{mark}\n").as_bytes()).is_some();
        if says("wrote") {
            return Ok(());
        }
        let (fault, what) = if says("changed") {
            (
                Fault::Conflict,
                "the file has changed meanwhile; nothing was written",
            )
        } else if says("busy") {
            (
                Fault::Retryable { after: None },
                "another rotation holds the file's lock",
            )
        } else {
            (
                Fault::Unknown,
                "the host did not say that the file was written",
            )
        };
        Err(self.error(
            fault,
            what,
            "run the same command again: what was done is looked at first",
        ))
    }

    /// Returns the public half of a key.
    fn public(&self, key: &Secret) -> Result<Public, StoreError> {
        let wrong = |what: &str, help: &str| self.error(Fault::Setup, what, help);
        let line = match PrivateKey::from_openssh(key.expose()) {
            Ok(key) if key.is_encrypted() => {
                return Err(wrong(
                    "the private key has a passphrase",
                    "store it without one (ssh-keygen -p), or rotate it by hand",
                ));
            }
            Ok(key) => key.public_key().to_openssh().ok(),
            // Older forms (PEM) are left to OpenSSH.
            Err(_) => self.public_of_pem(key)?,
        };
        line.as_deref().and_then(Public::parse).ok_or_else(|| {
            wrong(
                "the old value is no private key that OpenSSH can read",
                "see `key` and `field` of this target",
            )
        })
    }

    fn public_of_pem(&self, key: &Secret) -> Result<Option<String>, StoreError> {
        let private = self.private(key)?;
        let mut command = Command::new("ssh-keygen");
        command.args(["-y", "-P", "", "-f"]).arg(private.key());
        let run = child::run(&mut command, b"", LIMITS);
        let run = run.map_err(|trouble| self.trouble(trouble, "ssh-keygen"))?;
        let line = std::str::from_utf8(&run.stdout).ok().map(str::to_owned);
        Ok(line.filter(|_| run.status.success()))
    }

    /// Changes the file: `change` returns what it shall be, or nothing if it is right.
    fn edit(
        &self,
        key: &Secret,
        change: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, StoreError>,
    ) -> Result<(), StoreError> {
        let key = self.admin.as_ref().unwrap_or(key);
        let before = self.read(key)?;
        match change(&before)? {
            Some(after) => self.write(key, &before, &after),
            None => Ok(()),
        }
    }

    fn no_old_line(&self) -> StoreError {
        self.error(
            Fault::NotFound,
            format!("{} has no line of the old key", quotable(&self.file)),
            "see `authorized-keys` of this target, and whether the key was rotated by hand",
        )
    }

    /// Removes the line of a key, where that of another stands.
    fn remove(&self, gone: &Credential, stays: &Credential) -> Result<(), StoreError> {
        let (out, stay) = (self.public(&gone.secret)?, self.public(&stays.secret)?);
        if out == stay {
            return Ok(());
        }
        self.edit(&stays.secret, |file| {
            if !lines::has(file, &out) {
                return Ok(None);
            }
            if !lines::has(file, &stay) {
                return Err(self.error(
                    Fault::Conflict,
                    "the key that shall stay has no line: nothing was removed",
                    "see who has changed the file; resume when the line is back",
                ));
            }
            Ok(Some(lines::without(file, &out)))
        })
    }
}

/// Returns where a line stands, if it begins one: start and end.
fn find(text: &[u8], line: &[u8]) -> Option<(usize, usize)> {
    let at = memchr::memmem::find(text, line)?;
    Some((at, at.checked_add(line.len())?))
}

fn log(private: &Private) -> String {
    let bytes = std::fs::read(private.log()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Judges the log of `ssh -v`. The server's own words (banners, reasons) are not in this file, or stand behind other beginnings.
fn judge(log: &str, no_key: bool) -> ProviderState {
    let unknown = |why: &str| ProviderState::Unknown {
        why: why.to_owned(),
    };
    let line = |begin: &str| log.lines().any(|line| line.starts_with(begin));
    let ends = |part: &str, end: &str| {
        let mut lines = log.lines();
        lines.any(|line| line.starts_with(part) && line.ends_with(end))
    };
    if ends("Authenticated to ", "using \"publickey\".")
        || ends("Authenticated using \"publickey\"", "partial success.")
    {
        return ProviderState::Accepted;
    }
    if no_key || line("Load key ") {
        return unknown("this is no private key that ssh can read");
    }
    if line("Host key verification failed") || line("No ") && log.contains("host key is known for")
    {
        return unknown("the host's key is not among the known ones");
    }
    let denied = log
        .lines()
        .any(|line| line.contains(": Permission denied ("));
    // Offered, and not taken: a key that was never offered proves nothing.
    if denied && line("debug1: Offering public key: ") && !line("debug1: Server accepts key: ") {
        return ProviderState::Refused;
    }
    if denied {
        return unknown("the host let nobody in, but the key was not what it looked at");
    }
    unknown("the host is not reached, or hung up")
}

impl Target for Ssh {
    fn address(&self) -> String {
        format!("{}, {}", self.label, quotable(&self.file))
    }

    fn traits(&self) -> TargetTraits {
        TargetTraits {
            grace: true,
            reversible: true,
            ends_sessions: false,
            proves_death: true,
            makes_value: false,
        }
    }

    fn check(&self, old: &Credential) -> Result<(), StoreError> {
        let public = self.public(&old.secret)?;
        let file = self.read(self.admin.as_ref().unwrap_or(&old.secret))?;
        if lines::has(&file, &public) {
            Ok(())
        } else {
            Err(self.no_old_line())
        }
    }

    fn probe(&self, credential: &Credential) -> Result<ProviderState, StoreError> {
        let private = self.private(&credential.secret)?;
        let mut command = self.ssh(&private);
        // Neither a shell nor a forced command: a forwarding to a port of the host where nothing listens.
        command.args(["-W", "127.0.0.1:1", "--", &self.address.host]);
        match child::run(&mut command, b"", LIMITS) {
            Ok(_) | Err(Trouble::Slow | Trouble::Long | Trouble::System) => {
                Ok(judge(&log(&private), credential.secret.is_empty()))
            }
            Err(Trouble::Start) => Err(self.trouble(Trouble::Start, "ssh")),
        }
    }

    fn prepare(
        &self,
        old: &Credential,
        generated: &Secret,
    ) -> Result<Option<Credential>, StoreError> {
        // A key has 32 random bytes, whatever the store's policy of passwords is.
        let _ = generated;
        let failed = |()| {
            self.error(
                Fault::Setup,
                "a key pair cannot be made",
                "see whether the system has random bytes",
            )
        };
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|_| failed(()))?;
        let pair = Ed25519Keypair::from_seed(&seed);
        let key = PrivateKey::new(pair.into(), "keysweep").map_err(|_| failed(()))?;
        let text = key.to_openssh(LineEnding::LF).map_err(|_| failed(()))?;
        Ok(Some(Credential {
            user: old.user.clone(),
            secret: Secret::new(text.as_bytes()),
        }))
    }

    fn issue(
        &self,
        old: &Credential,
        prepared: Option<&Credential>,
        token: &str,
    ) -> Result<Credential, StoreError> {
        let _ = token;
        let new = prepared.ok_or_else(|| {
            self.error(
                Fault::Setup,
                "there is no new key to add",
                "this is a fault of keysweep: report it",
            )
        })?;
        let (was, key) = (self.public(&old.secret)?, self.public(&new.secret)?);
        self.edit(&old.secret, |file| {
            if lines::has(file, &key) {
                return Ok(None);
            }
            let with = lines::with(file, &was, &key);
            with.ok_or_else(|| self.no_old_line()).map(Some)
        })?;
        Ok(new.clone())
    }

    fn withdraw(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.remove(new, old)
    }

    fn disable(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.remove(old, new)
    }

    fn end_sessions(&self, old: &Credential, new: &Credential) -> Result<u64, StoreError> {
        let _ = (old, new);
        Err(self.error(
            Fault::Unsupported,
            "a host does not tell which key opened a session",
            "end them by hand where that matters: sshd's log (\"Accepted publickey ... SHA256:\") has process and key",
        ))
    }

    fn destroy(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.remove(old, new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_judged_by_what_ssh_itself_says() {
        let offered = "debug1: Offering public key: /k ED25519 SHA256:x explicit\n";
        let denied = "u@h: Permission denied (publickey).\n";
        let refused =
            format!("{offered}debug1: Authentications that can continue: publickey\n{denied}");
        assert_eq!(judge(&refused, false), ProviderState::Refused);
        let accepted = format!(
            "{offered}debug1: Server accepts key: /k ED25519 SHA256:x\nAuthenticated to h ([::1]:22) using \"publickey\".\n"
        );
        assert_eq!(judge(&accepted, false), ProviderState::Accepted);
        for log in [
            "",
            denied,
            "Authenticated to h ([::1]:22) using \"none\".\n",
            "Host key verification failed.\n",
            "ssh: connect to host h port 22: Connection refused\n",
            "Connection closed by 127.0.0.1 port 22 [preauth] Authenticated to h using \"publickey\". no\n",
            &format!("{offered}debug1: Server accepts key: /k\n{denied}"),
        ] {
            let state = judge(log, false);
            assert!(matches!(state, ProviderState::Unknown { .. }), "{log}");
        }
        let load = format!("Load key \"/k\": invalid format\n{denied}");
        assert!(
            matches!(judge(&load, false), ProviderState::Unknown { why } if why.contains("no private key"))
        );
    }
}
