//! Keys of SSH: a new ed25519 key gets a line beside the old one's in `authorized_keys`, later the old one's goes.
//!
//! Promises: no private key is sent anywhere; it is in a file that `ssh` reads for the time of a call alone (`private`); the file on the host is
//! replaced as a whole, under a lock, and only if it still is what was read; the old line goes only where the new one stands. A probe
//! opens no session, so that no forced command runs, and judges `ssh`'s own log, in which the server has no say.
//!
//! The system's `ssh` is used without its configuration (`-F none`): identities, agents and shared connections named there
//! would let somebody in whom the key does not. Other lines, other comments and other bytes of the file stay as they are.

mod host;
mod lines;
mod private;
mod sessions;

use std::{path::PathBuf, process::Command};

use ssh_key::{LineEnding, PrivateKey, private::Ed25519Keypair};
use zeroize::Zeroizing;

use self::{
    host::{LIMITS, judge, log},
    lines::Public,
    private::Private,
};
use super::{
    Credential, Target, TargetTraits,
    open::{Address, at_home, secret_file},
};
use crate::{
    config::stores::SshSettings,
    model::{ProviderState, Secret, quotable},
    stores::{
        Fault, StoreError, Surroundings,
        child::{self, Trouble},
    },
};

/// A user's file of keys on a host.
pub(super) struct Ssh {
    label: String,
    address: Address,
    user: String,
    file: String,
    admin: Option<Secret>,
    ends_sessions: bool,
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
            ends_sessions: settings.end_sessions,
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

impl Target for Ssh {
    fn address(&self) -> String {
        format!("{}, {}", self.label, quotable(&self.file))
    }

    fn traits(&self) -> TargetTraits {
        TargetTraits {
            grace: true,
            reversible: true,
            ends_sessions: self.ends_sessions,
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
            // As fields of stores are read: the line break at a value's end is the field's.
            secret: Secret::new(text.trim_end().as_bytes()),
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
        let _ = old;
        if !self.ends_sessions {
            return Err(self.error(
                Fault::Unsupported,
                "a host does not tell which key opened a session",
                "`end-sessions = true` at this target ends all sessions of its user; by hand: sshd's log (\"Accepted publickey ... SHA256:\") has process and key",
            ));
        }
        self.end_all(self.admin.as_ref().unwrap_or(&new.secret))
    }

    fn destroy(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.remove(old, new)
    }
}
