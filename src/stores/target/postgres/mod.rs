//! Roles of PostgreSQL: one role whose password changes (cutover), or two login roles of a group that take turns (blue/green).
//!
//! Promises: the clear password never crosses the wire and is in no statement: we compute the SCRAM-SHA-256 verifier; a server that is not on
//! loopback is reached with verified TLS alone; "accepted" is said only if the server asks this role for a password at all.
//! Not wiped, as the crate owns it: the copy of a password in a connection's settings, for the time of the login.
//!
//! In blue/green mode both roles get `SET role TO group`, so that objects belong to the group and either can go.

mod roles;
mod session;

use std::time::{Duration, Instant};

use tokio_postgres_rustls::MakeRustlsConnect;

use self::session::{Answer, Server, Session};
use super::{
    Credential, Target, TargetTraits,
    open::{Address, at_home, secret_file},
    tls,
};
use crate::{
    config::stores::{PostgresSettings, TargetEntry},
    model::{ProviderState, Secret, quotable},
    stores::{Fault, StoreError, Surroundings},
};

/// Longest wait for sessions to end after they were told to: a backend looks at each end of a wait or step.
const SESSIONS_END: Duration = Duration::from_secs(10);

/// A role, or a pair of roles, of one server.
pub(super) struct Postgres {
    server: Server,
    admin: String,
    admin_password: Secret,
    group: Option<String>,
}

impl Postgres {
    /// Takes the settings; sends nothing.
    pub(super) fn open(
        entry: &TargetEntry,
        settings: &PostgresSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let address = Address::parse(&entry.key, &settings.address, 5432)?;
        let label = format!("PostgreSQL at {address}");
        if settings.group.is_some() && entry.user_field.is_none() {
            return Err(StoreError::new(
                &label,
                Fault::Setup,
                "two roles take turns, but the store does not hold the role's name",
                "write it into a field of the key and name that with `user-field`, or leave `group` out",
            ));
        }
        let tls = if address.is_loopback() && settings.ca_file.is_none() {
            None
        } else {
            let ca_file = settings.ca_file.as_ref();
            let ca_file = ca_file.map(|path| at_home(path, surroundings));
            Some(MakeRustlsConnect::new(tls::client(
                &label,
                ca_file.as_deref(),
            )?))
        };
        let database = settings.database.clone();
        Ok(Self {
            admin: settings.admin.clone(),
            admin_password: secret_file(&label, &settings.admin_password_file, surroundings)?,
            group: settings.group.clone(),
            server: Server {
                label,
                address,
                database: database.unwrap_or_else(|| "postgres".to_owned()),
                tls,
            },
        })
    }

    fn session(&self) -> Result<Session, StoreError> {
        self.server.admin(&self.admin, &self.admin_password)
    }

    fn error(&self, fault: Fault, what: impl Into<String>, help: &str) -> StoreError {
        StoreError::new(&self.server.label, fault, what, help)
    }

    /// Returns the role of a credential.
    fn role<'c>(&self, credential: &'c Credential) -> Result<&'c str, StoreError> {
        let role = credential.user.as_deref().unwrap_or_default();
        if role.is_empty() || role.len() > roles::MAX_NAME_BYTES || role.contains('\0') {
            return Err(self.error(
                Fault::Setup,
                "the role's name is not known, or is none that PostgreSQL can have",
                "name it with `user`, or the store's field that holds it with `user-field`",
            ));
        }
        Ok(role)
    }

    fn run(&self, session: &Session, doing: &str, sql: &str) -> Result<(), StoreError> {
        let done = session.run(sql);
        done.map_err(|failure| self.server.fault(doing, &failure))
    }

    fn rows(
        &self,
        session: &Session,
        sql: &str,
        names: &[&str],
    ) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        let parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            names.iter().map(|name| name as _).collect();
        let rows = session.rows(sql, &parameters);
        rows.map_err(|failure| self.server.fault("look at its roles", &failure))
    }

    /// Reads booleans of a query's one row; `None` without a row.
    fn flags<const N: usize>(
        &self,
        session: &Session,
        sql: &str,
        names: &[&str],
    ) -> Result<Option<[bool; N]>, StoreError> {
        let rows = self.rows(session, sql, names)?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let mut flags = [false; N];
        for (at, flag) in flags.iter_mut().enumerate() {
            *flag = row.try_get(at).map_err(|_| self.protocol())?;
        }
        Ok(Some(flags))
    }

    fn protocol(&self) -> StoreError {
        self.error(
            Fault::Protocol,
            "the server answers with other columns than PostgreSQL has",
            "keysweep knows PostgreSQL 10 and newer: see what listens at this address",
        )
    }

    fn exists(&self, session: &Session, role: &str) -> Result<bool, StoreError> {
        let rows = self.rows(
            session,
            "SELECT 1 FROM pg_roles WHERE rolname = $1",
            &[role],
        )?;
        Ok(!rows.is_empty())
    }

    /// Refuses what a rotation of this role would stumble over.
    fn check_role(&self, session: &Session, role: &str) -> Result<(), StoreError> {
        let shown = quotable(role);
        let Some([is_super, login, alter, end, copy, own, _]) =
            self.flags(session, roles::RIGHTS, &[role])?
        else {
            return Err(self.error(
                Fault::NotFound,
                format!("there is no role {shown}"),
                "see `user` or `user-field` of this target",
            ));
        };
        let refuse = |what: &str, help: &str| {
            Err(self.error(Fault::Denied, format!("the role {shown} {what}"), help))
        };
        if own {
            return refuse(
                "is the admin itself",
                "name another admin: a failed rotation would lock out the one that could mend it",
            );
        }
        if !alter {
            return refuse(
                "may not be altered by the admin",
                "give the admin CREATEROLE and, from PostgreSQL 16 on, the ADMIN OPTION on the role; superusers are altered by superusers only",
            );
        }
        if !end {
            return refuse(
                "has sessions that the admin may not end",
                "GRANT pg_signal_backend to the admin",
            );
        }
        if !login {
            return refuse(
                "may not log in",
                "see whether its twin is the one in use, and put that into the store",
            );
        }
        if self.group.is_some() && (is_super || !copy) {
            return refuse(
                "has rights that its twin would not get",
                "rotate a superuser, or a role that may replicate, bypass row security or make roles, without `group`",
            );
        }
        Ok(())
    }

    /// Refuses pairs in which one role has what the other would not.
    fn check_pair(&self, session: &Session, role: &str, group: &str) -> Result<(), StoreError> {
        let refuse = |fault: Fault, what: String, help: &str| Err(self.error(fault, what, help));
        let shown = quotable(role);
        let Some([is_super, _, grant, ..]) = self.flags::<7>(session, roles::RIGHTS, &[group])?
        else {
            return refuse(
                Fault::NotFound,
                format!("there is no group role {}", quotable(group)),
                "CREATE ROLE it NOLOGIN, give it what the application needs, and GRANT it to the role",
            );
        };
        if is_super || !grant {
            return refuse(
                Fault::Denied,
                format!(
                    "the admin may not, or should not, grant {}",
                    quotable(group)
                ),
                "a group is no superuser; from PostgreSQL 16 on the admin needs the ADMIN OPTION on it",
            );
        }
        let ties = self.flags::<3>(session, roles::TIES, &[role, group])?;
        let Some([true, owns, more]) = ties else {
            return refuse(
                Fault::Setup,
                format!("the role {shown} is not in the group"),
                "GRANT the group to the role",
            );
        };
        if owns || more {
            return refuse(
                Fault::Setup,
                format!("the role {shown} has rights of its own that its twin would not have"),
                "give them to the group: REASSIGN OWNED BY role TO group, GRANT to the group and REVOKE from the role, other groups, too",
            );
        }
        let other = roles::other(role);
        if other.len() > roles::MAX_NAME_BYTES {
            return refuse(
                Fault::Setup,
                format!("the role {shown} has a name too long to put `_ks2` behind it"),
                "rename it, or rotate it without `group`",
            );
        }
        if let Some([_, login, .., busy]) = self.flags::<7>(session, roles::RIGHTS, &[&other])? {
            let ties = self.flags::<3>(session, roles::TIES, &[&other, group])?;
            let ours = matches!(ties, Some([true, ..]));
            if !ours || (login && busy) {
                return refuse(
                    Fault::Conflict,
                    format!(
                        "the twin {} is in use, or is no role of the group",
                        quotable(&other)
                    ),
                    "see who works with it; end that, and ALTER ROLE it NOLOGIN",
                );
            }
        }
        Ok(())
    }

    fn twin(&self, session: &Session, role: &str) -> Result<roles::Twin, StoreError> {
        let attributes = self.rows(session, roles::ATTRIBUTES, &[role])?;
        let attributes = attributes.first().ok_or_else(|| {
            self.error(
                Fault::NotFound,
                "the old role is gone",
                "see what the store holds",
            )
        })?;
        let mut twin = roles::Twin {
            attributes: attributes.try_get(0).map_err(|_| self.protocol())?,
            settings: Vec::new(),
        };
        for row in self.rows(session, roles::ROLE_SETTINGS, &[role])? {
            let database = row.try_get(0).map_err(|_| self.protocol())?;
            let setting = row.try_get(1).map_err(|_| self.protocol())?;
            twin.settings.push((database, setting));
        }
        Ok(twin)
    }

    /// Ends the sessions of a role that are there now; in a cutover its clients come back with the new password.
    fn terminate(&self, session: &Session, role: &str) -> Result<u64, StoreError> {
        let now = self.rows(session, roles::NOW, &[])?;
        let now: String = now
            .first()
            .and_then(|row| row.try_get(0).ok())
            .ok_or_else(|| self.protocol())?;
        let until = Instant::now() + SESSIONS_END;
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let left = self.rows(session, roles::TERMINATE, &[role, &now])?;
            if left.is_empty() {
                return Ok(seen.len() as u64);
            }
            seen.extend(left.iter().filter_map(|row| row.try_get::<_, i32>(0).ok()));
            if Instant::now() > until {
                return Err(self.error(
                    Fault::Retryable { after: None },
                    format!("{} sessions of the role do not end", left.len()),
                    "see what they wait for in pg_stat_activity, then resume",
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn answer(&self, role: &str, password: Option<&Secret>) -> Answer {
        match self.server.login(role, password) {
            Ok(_) => Answer::LetIn,
            Err(failure) => session::judge(&failure),
        }
    }
}

impl Target for Postgres {
    fn address(&self) -> String {
        self.server.label.clone()
    }

    fn traits(&self) -> TargetTraits {
        TargetTraits {
            grace: self.group.is_some(),
            reversible: self.group.is_some(),
            ends_sessions: true,
            proves_death: true,
            makes_value: false,
        }
    }

    fn check(&self, old: &Credential) -> Result<(), StoreError> {
        let role = self.role(old)?;
        let session = self.session()?;
        self.check_role(&session, role)?;
        match &self.group {
            Some(group) => self.check_pair(&session, role, group),
            None => Ok(()),
        }
    }

    fn probe(&self, credential: &Credential) -> Result<ProviderState, StoreError> {
        let role = self.role(credential)?;
        let unknown = |why: &str| {
            Ok(ProviderState::Unknown {
                why: why.to_owned(),
            })
        };
        match self.answer(role, Some(&credential.secret)) {
            Answer::Refused => Ok(ProviderState::Refused),
            // "trust", "peer" and the like let any password in: ask once more without one.
            Answer::LetIn => match self.answer(role, None) {
                Answer::AsksForPassword | Answer::Refused => Ok(ProviderState::Accepted),
                Answer::LetIn => unknown("the server lets this role in without a password"),
                Answer::Unproven(why) => unknown(why),
            },
            Answer::AsksForPassword => unknown("the server asks for another kind of proof"),
            Answer::Unproven(why) => unknown(why),
        }
    }

    fn prepare(
        &self,
        old: &Credential,
        generated: &Secret,
    ) -> Result<Option<Credential>, StoreError> {
        let role = self.role(old)?;
        Ok(Some(Credential {
            user: Some(if self.group.is_some() {
                roles::other(role)
            } else {
                role.to_owned()
            }),
            secret: generated.clone(),
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
                "there is no new password to set",
                "this is a fault of keysweep: report it",
            )
        })?;
        let role = self.role(new)?;
        if self.probe(new)? == ProviderState::Accepted {
            return Ok(new.clone());
        }
        let session = self.session()?;
        let sql = match &self.group {
            None => roles::set_password(role, &new.secret),
            Some(group) => {
                let twin = self.twin(&session, self.role(old)?)?;
                let create = !self.exists(&session, role)?;
                roles::switch_on(role, &new.secret, group, &twin, create)
            }
        };
        self.run(&session, "make the new password valid", &sql)?;
        Ok(new.clone())
    }

    fn withdraw(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        let (before, role) = (self.role(old)?, self.role(new)?);
        let session = self.session()?;
        if before == role {
            let sql = roles::set_password(role, &old.secret);
            return self.run(&session, "set the old password again", &sql);
        }
        if self.exists(&session, role)? {
            let sql = roles::no_password(role);
            self.run(&session, "switch the new role off", &sql)?;
            self.terminate(&session, role)?;
        }
        Ok(())
    }

    fn disable(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        let role = self.role(old)?;
        // After a cutover the old password is dead already, and the role is in use.
        if role == self.role(new)? {
            return Ok(());
        }
        let session = self.session()?;
        if self.exists(&session, role)? {
            self.run(&session, "switch the old role off", &roles::no_login(role))?;
        }
        Ok(())
    }

    fn end_sessions(&self, old: &Credential, new: &Credential) -> Result<u64, StoreError> {
        let _ = new;
        let role = self.role(old)?;
        self.terminate(&self.session()?, role)
    }

    fn destroy(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        let role = self.role(old)?;
        if role == self.role(new)? {
            return Ok(());
        }
        let session = self.session()?;
        match session.run(&roles::drop(role)) {
            Err(failure) if session::still_needed(&failure) => {
                let sql = roles::no_password(role);
                self.run(&session, "forget the old role's password", &sql)
            }
            done => done.map_err(|failure| self.server.fault("drop the old role", &failure)),
        }
    }
}
