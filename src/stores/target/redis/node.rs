//! One node beside its users: where it keeps them, who follows it, what the admin may do there.

use super::{
    Redis,
    resp::{Answer, Connection, Lost},
};
use crate::stores::{Fault, StoreError};

impl Redis {
    /// Writes the users to where the server will read them when it starts.
    pub(super) fn persist(&self, session: &mut Connection) -> Result<(), StoreError> {
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

    /// Refuses a primary whose replicas are not all named: they would go on to take the old password.
    pub(super) fn check_replicas(&self, session: &mut Connection) -> Result<(), StoreError> {
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
    pub(super) fn check_rights(
        &self,
        session: &mut Connection,
        name: &str,
    ) -> Result<(), StoreError> {
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
