//! Users of Redis (6 and newer), which may have several passwords at once.
//!
//! Promises: a new password crosses the wire as its SHA-256 alone (`ACL SETUSER name #hash`), the clear one only in AUTH; without TLS only
//! loopback is reached; a probe judges the answer to AUTH and nothing after it (a refused AUTH leaves the default user logged in, who may get a PONG); a change
//! is written to the server's file, so that a restart does not bring the old password back.
//!
//! Users are not replicated: `address` may name several nodes, `host:port,host:port`, and all are changed. A primary with more
//! replicas than that is refused.

mod resp;

use std::sync::Arc;

use rustls::ClientConfig;
use sha2::{Digest as _, Sha256};

use self::resp::{Answer, Connection, Lost};
use super::{
    Credential, Target, TargetTraits,
    open::{Address, secret_file},
    tls,
};
use crate::{
    config::stores::RedisSettings,
    model::{ProviderState, Secret, quotable},
    stores::{Fault, StoreError, Surroundings},
};

/// One user on one or more nodes.
pub(super) struct Redis {
    label: String,
    nodes: Vec<Address>,
    admin: String,
    admin_password: Secret,
    tls: Option<Arc<ClientConfig>>,
}

impl Redis {
    /// Takes the settings; sends nothing.
    pub(super) fn open(
        settings: &RedisSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let nodes = settings.address.split(',');
        let nodes = nodes.map(|node| Address::parse("redis", node.trim(), 6379));
        let nodes: Vec<Address> = nodes.collect::<Result<_, _>>()?;
        let shown: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        let label = format!("Redis at {}", shown.join(", "));
        if !settings.tls && !nodes.iter().all(Address::is_loopback) {
            return Err(StoreError::new(
                &label,
                Fault::Setup,
                "without TLS, the admin's password would cross the network as clear text",
                "write `tls = true`, or reach the server through a tunnel that ends on loopback",
            ));
        }
        let tls = settings.tls.then(|| tls::client(&label, None));
        let admin = settings.admin.clone();
        Ok(Self {
            admin: admin.unwrap_or_else(|| "default".to_owned()),
            admin_password: secret_file(&label, &settings.admin_password_file, surroundings)?,
            tls: tls.transpose()?.map(Arc::new),
            nodes,
            label,
        })
    }

    fn error(&self, fault: Fault, what: impl Into<String>, help: &str) -> StoreError {
        StoreError::new(&self.label, fault, what, help)
    }

    fn lost(&self, lost: Lost) -> StoreError {
        match lost {
            Lost::Unreached => self.error(
                Fault::Unavailable,
                "the server is not reached",
                "see `address` of this target, and whether the server is up",
            ),
            Lost::Untrusted => self.error(
                Fault::Setup,
                "there is no TLS with a certificate that can be verified",
                "see `tls` of this target, and the server's tls-port and certificate",
            ),
            Lost::Midway => self.error(
                Fault::Unknown,
                "no answer came to a command",
                "see whether the server is up, then resume: what was done is looked at first",
            ),
            Lost::Foreign => self.error(
                Fault::Protocol,
                "the server does not speak Redis's protocol",
                "see `address` and `tls` of this target",
            ),
        }
    }

    /// Turns an answer that is an error into one of ours.
    fn judged(&self, doing: &str, answer: Result<Answer, Lost>) -> Result<Answer, StoreError> {
        let answer = answer.map_err(|lost| self.lost(lost))?;
        let Some(code) = answer.error() else {
            return Ok(answer);
        };
        let (fault, help) = match code {
            "WRONGPASS" | "NOAUTH" => (
                Fault::Unauthenticated,
                "see `admin` and `admin-password-file` of this target",
            ),
            "NOPERM" => (
                Fault::Denied,
                "the admin needs +acl +client|kill +config|get +config|rewrite +role",
            ),
            "LOADING" | "BUSY" | "MASTERDOWN" => (
                Fault::Retryable { after: None },
                "run the same command again in a minute",
            ),
            _ => (
                Fault::Protocol,
                "keysweep knows Redis 6 and newer: see what listens at this address",
            ),
        };
        Err(self.error(fault, format!("cannot {doing}"), help))
    }

    /// Connects to a node as the admin.
    fn session(&self, node: &Address) -> Result<Connection, StoreError> {
        let connection = Connection::open(node, self.tls.as_ref());
        let mut connection = connection.map_err(|lost| self.lost(lost))?;
        // AUTH has no other form than the clear password.
        let password = self.admin_password.expose();
        let answer = connection.ask(&[b"AUTH", self.admin.as_bytes(), password]);
        self.judged("log in as the admin", answer)?;
        Ok(connection)
    }

    /// Returns what a node knows of a user.
    fn user(&self, session: &mut Connection, name: &str) -> Result<Answer, StoreError> {
        let answer = session.ask(&[b"ACL", b"GETUSER", name.as_bytes()]);
        match self.judged("look at the user", answer)? {
            Answer::Nil => Err(self.error(
                Fault::NotFound,
                format!("there is no user {}", quotable(name)),
                "see `user` or `user-field` of this target; SETUSER would make one, so nothing was changed",
            )),
            user => Ok(user),
        }
    }

    /// Adds passwords to a user and removes others, by hash, where that changes something; writes it to the server's file.
    fn change(
        &self,
        name: &str,
        add: Option<&str>,
        remove: Option<&str>,
    ) -> Result<(), StoreError> {
        for node in &self.nodes {
            let mut session = self.session(node)?;
            let user = self.user(&mut session, name)?;
            let known = |hash: &str| user.after("passwords").is_some_and(|all| all.holds(hash));
            let mut words = vec!["ACL".to_owned(), "SETUSER".to_owned(), name.to_owned()];
            words.extend(
                add.filter(|hash| !known(hash))
                    .map(|hash| format!("#{hash}")),
            );
            words.extend(
                remove
                    .filter(|hash| known(hash))
                    .map(|hash| format!("!{hash}")),
            );
            if words.len() > 3 {
                let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
                let answer = session.ask(&words);
                self.judged("change the user's passwords", answer)?;
            }
            self.persist(&mut session)?;
        }
        Ok(())
    }

    /// Writes the users to where the server will read them when it starts.
    fn persist(&self, session: &mut Connection) -> Result<(), StoreError> {
        let file = session.ask(&[b"CONFIG", b"GET", b"aclfile"]);
        let file = file.map_err(|lost| self.lost(lost))?;
        let has_file = file
            .after("aclfile")
            .and_then(Answer::text)
            .is_some_and(|name| !name.is_empty());
        let answer = if has_file {
            session.ask(&[b"ACL", b"SAVE"])
        } else if file.error() == Some("ERR") {
            // Services that run Redis for others have no CONFIG, and keep users themselves.
            return Ok(());
        } else {
            self.judged("look where users are kept", Ok(file))?;
            session.ask(&[b"CONFIG", b"REWRITE"])
        };
        let answer = answer.map_err(|lost| self.lost(lost))?;
        if matches!(&answer, Answer::Error(words) if words.contains("without a config file")) {
            // It starts without users anyhow.
            return Ok(());
        }
        if answer.error() == Some("ERR") {
            return Err(self.error(
                Fault::Setup,
                "the server cannot write its users to its file: a restart would bring the old password back",
                "make the server's aclfile or redis.conf writable for it, then resume",
            ));
        }
        self.judged("write the users to the server's file", Ok(answer))?;
        Ok(())
    }

    /// Sends AUTH on a connection of its own and judges its answer.
    fn log_in(&self, node: &Address, name: &str, password: &[u8]) -> ProviderState {
        let unknown = |why: &str| ProviderState::Unknown {
            why: why.to_owned(),
        };
        let connection = Connection::open(node, self.tls.as_ref());
        let answer =
            connection.and_then(|mut open| open.ask(&[b"AUTH", name.as_bytes(), password]));
        match answer {
            Ok(Answer::Simple(word)) if word == "OK" => ProviderState::Accepted,
            Ok(answer) => match answer.error() {
                Some("WRONGPASS") => ProviderState::Refused,
                _ => unknown("the server answered AUTH with neither OK nor WRONGPASS"),
            },
            Err(Lost::Unreached) => unknown("the server is not reached"),
            Err(Lost::Untrusted) => {
                unknown("there is no TLS with a certificate that can be verified")
            }
            Err(Lost::Midway) => unknown("the server hung up, or did not answer in time"),
            Err(Lost::Foreign) => unknown("the server does not speak Redis's protocol"),
        }
    }

    /// Refuses a primary whose replicas are not all named: they would go on to take the old password.
    fn check_replicas(&self, session: &mut Connection) -> Result<(), StoreError> {
        let answer = session.ask(&[b"ROLE"]);
        let Answer::Many(role) = self.judged("ask for its replicas", answer)? else {
            return Err(self.lost(Lost::Foreign));
        };
        let replicas = match (role.first().and_then(Answer::text), role.get(2)) {
            (Some("master"), Some(Answer::Many(replicas))) => replicas.len(),
            // A replica of a primary that is not named, or is named beside it.
            _ => 1,
        };
        if replicas >= self.nodes.len() {
            return Err(self.error(
                Fault::Setup,
                "there are more nodes than `address` names, and users are not replicated",
                "write all of them: address = \"host:port,host:port\"",
            ));
        }
        Ok(())
    }

    /// Asks whether the admin may do what will be needed (Redis 7 and newer can tell).
    fn check_rights(&self, session: &mut Connection, name: &str) -> Result<(), StoreError> {
        let name = name.as_bytes();
        let commands: [&[&[u8]]; 4] = [
            &[b"ACL", b"SETUSER", name],
            &[b"ACL", b"SAVE"],
            &[b"CLIENT", b"KILL", b"USER", name],
            &[b"CONFIG", b"REWRITE"],
        ];
        for command in commands {
            let mut words: Vec<&[u8]> = vec![b"ACL", b"DRYRUN", self.admin.as_bytes()];
            words.extend_from_slice(command);
            let answer = session.ask(&words).map_err(|lost| self.lost(lost))?;
            if matches!(answer, Answer::Bytes(_)) || answer.error() == Some("NOPERM") {
                return self
                    .judged("change users", Ok(Answer::Error("NOPERM".to_owned())))
                    .map(|_| ());
            }
        }
        Ok(())
    }
}

/// Returns the user that a credential names.
fn name(credential: &Credential) -> &str {
    credential.user.as_deref().unwrap_or("default")
}

/// Returns the SHA-256 of a password in hex, as Redis keeps it.
fn hash(secret: &Secret) -> String {
    // What goes out is the hash.
    let hash = Sha256::digest(secret.expose());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Target for Redis {
    fn address(&self) -> String {
        self.label.clone()
    }

    fn traits(&self) -> TargetTraits {
        TargetTraits {
            grace: true,
            reversible: true,
            ends_sessions: true,
            proves_death: true,
            makes_value: false,
        }
    }

    fn check(&self, old: &Credential) -> Result<(), StoreError> {
        let name = name(old);
        let refuse = |what: &str, help: &str| {
            let what = format!("the user {} {what}", quotable(name));
            Err(self.error(Fault::Setup, what, help))
        };
        if name == self.admin {
            return refuse(
                "is the admin itself",
                "make another user with +acl the admin: a failed rotation would lock out the one that could mend it",
            );
        }
        for node in &self.nodes {
            let mut session = self.session(node)?;
            let user = self.user(&mut session, name)?;
            let has = |flag: &str| user.after("flags").is_some_and(|flags| flags.holds(flag));
            if has("nopass") {
                return refuse(
                    "is let in with any password",
                    "ACL SETUSER it resetpass and a password: a new one would change nothing",
                );
            }
            if has("off") {
                return refuse("is switched off", "ACL SETUSER it on, if it is in use");
            }
            self.check_replicas(&mut session)?;
            self.check_rights(&mut session, name)?;
        }
        Ok(())
    }

    fn probe(&self, credential: &Credential) -> Result<ProviderState, StoreError> {
        let name = name(credential);
        let mut doubt = None;
        for node in &self.nodes {
            // The probe is the one who must show the password.
            match self.log_in(node, name, credential.secret.expose()) {
                ProviderState::Accepted => {
                    // A user with `nopass` is let in with any password: ask with one that nobody has.
                    let mut random = [0; 32];
                    let drawn = getrandom::fill(&mut random).is_ok();
                    let other = hash(&Secret::new(&random));
                    return Ok(match self.log_in(node, name, other.as_bytes()) {
                        ProviderState::Refused if drawn => ProviderState::Accepted,
                        ProviderState::Accepted => ProviderState::Unknown {
                            why: "the server lets this user in with any password".to_owned(),
                        },
                        other => other,
                    });
                }
                ProviderState::Refused => {}
                other => doubt = Some(other),
            }
        }
        Ok(doubt.unwrap_or(ProviderState::Refused))
    }

    fn prepare(
        &self,
        old: &Credential,
        generated: &Secret,
    ) -> Result<Option<Credential>, StoreError> {
        Ok(Some(Credential {
            user: old.user.clone(),
            secret: generated.clone(),
        }))
    }

    fn issue(
        &self,
        old: &Credential,
        prepared: Option<&Credential>,
        token: &str,
    ) -> Result<Credential, StoreError> {
        let _ = (old, token);
        let new = prepared.ok_or_else(|| {
            self.error(
                Fault::Setup,
                "there is no new password to set",
                "this is a fault of keysweep: report it",
            )
        })?;
        self.change(name(new), Some(&hash(&new.secret)), None)?;
        Ok(new.clone())
    }

    fn withdraw(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        let (old_hash, new_hash) = (hash(&old.secret), hash(&new.secret));
        if old_hash == new_hash {
            return Ok(());
        }
        self.change(name(new), None, Some(&new_hash))
    }

    fn disable(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        let (old_hash, new_hash) = (hash(&old.secret), hash(&new.secret));
        if old_hash == new_hash {
            return Ok(());
        }
        // In one command, so that the user is never without a password.
        self.change(name(old), Some(&new_hash), Some(&old_hash))
    }

    fn end_sessions(&self, old: &Credential, new: &Credential) -> Result<u64, StoreError> {
        let _ = new;
        let mut ended = 0;
        for node in &self.nodes {
            let mut session = self.session(node)?;
            // A connection does not know which password opened it: those of the new one end, too, and come back.
            let answer = session.ask(&[b"CLIENT", b"KILL", b"USER", name(old).as_bytes()]);
            match self.judged("end the user's sessions", answer)? {
                Answer::Number(count) => ended += u64::try_from(count).unwrap_or_default(),
                _ => return Err(self.lost(Lost::Foreign)),
            }
        }
        Ok(ended)
    }

    fn destroy(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        self.disable(old, new)
    }
}
