//! What would stop a rotation of roles, found before anything is changed. Only reads.

use super::{Postgres, roles, session::Session};
use crate::{
    model::quotable,
    stores::{Fault, StoreError},
};

impl Postgres {
    /// Refuses what a rotation of this role would stumble over.
    pub(super) fn check_role(&self, session: &Session, role: &str) -> Result<(), StoreError> {
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
    pub(super) fn check_pair(
        &self,
        session: &Session,
        role: &str,
        group: &str,
    ) -> Result<(), StoreError> {
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
}
