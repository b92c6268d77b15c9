//! What the server knows of roles, and the statements that change them. Text only: nothing here talks to a server.
//!
//! Promises: every name and value is quoted by `postgres-protocol`; a password is never part of a statement, only its SCRAM verifier,
//! which opens nothing by itself.

use postgres_protocol::{
    escape::{escape_identifier, escape_literal},
    password::scram_sha_256,
};

use crate::model::Secret;

/// The most bytes that a role's name may have: PostgreSQL's NAMEDATALEN less one; longer ones are cut without a word.
pub(super) const MAX_NAME_BYTES: usize = 63;

/// What the second role of blue/green has at its name's end.
const SECOND: &str = "_ks2";

/// Returns the role that takes turns with this one.
pub(super) fn other(role: &str) -> String {
    role.strip_suffix(SECOND)
        .filter(|first| !first.is_empty())
        .map_or_else(|| format!("{role}{SECOND}"), str::to_owned)
}

/// The rights of a role ($1) and of the admin over it. Superusers may all.
pub(super) const RIGHTS: &str = "SELECT r.rolsuper, r.rolcanlogin, \
     a.rolsuper OR (a.rolcreaterole AND NOT r.rolsuper AND (current_setting('server_version_num')::int4 < 160000 \
         OR pg_has_role(a.oid, r.oid, 'MEMBER WITH ADMIN OPTION'))), \
     a.rolsuper OR pg_has_role(a.oid, r.oid, 'USAGE') OR (NOT r.rolsuper AND pg_has_role(a.oid, 'pg_signal_backend', 'USAGE')), \
     a.rolsuper OR NOT (r.rolreplication OR r.rolbypassrls OR r.rolcreaterole), \
     a.rolname = r.rolname, \
     EXISTS (SELECT 1 FROM pg_stat_activity s WHERE s.usesysid = r.oid) \
     FROM pg_roles r, pg_roles a WHERE r.rolname = $1 AND a.rolname = current_user";

/// Whether a role ($1) is in the group ($2), what it owns or was granted itself, and whether it is in other groups.
pub(super) const TIES: &str = "SELECT \
     EXISTS (SELECT 1 FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid = g.oid), \
     EXISTS (SELECT 1 FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype IN ('o', 'a')), \
     EXISTS (SELECT 1 FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid <> g.oid) \
     FROM pg_roles r, pg_roles g WHERE r.rolname = $1 AND g.rolname = $2";

/// Attributes of a role ($1), as words of ALTER ROLE.
pub(super) const ATTRIBUTES: &str = "SELECT concat_ws(' ', \
     CASE WHEN rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END, CASE WHEN rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END, \
     CASE WHEN rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END, CASE WHEN rolreplication THEN 'REPLICATION' END, \
     CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, 'CONNECTION LIMIT ' || rolconnlimit) FROM pg_roles WHERE rolname = $1";

/// A role's ($1) own settings: database or nothing, `name=value`. `role` is set by us.
pub(super) const ROLE_SETTINGS: &str = "SELECT d.datname::text, c.setting FROM pg_db_role_setting s \
     JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS c(setting) \
     WHERE r.rolname = $1 AND c.setting NOT LIKE 'role=%' AND c.setting NOT LIKE 'session_authorization=%' ORDER BY 1, 2";

/// Ends the sessions of a role ($1) that began before a time ($2, text); one row a session that was still there.
pub(super) const TERMINATE: &str = "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE usename = $1 AND backend_start <= ($2::text)::timestamptz AND pid <> pg_backend_pid()";

/// The server's clock, as text.
pub(super) const NOW: &str = "SELECT clock_timestamp()::text";

/// Gives a role a new password.
pub(super) fn set_password(role: &str, password: &Secret) -> String {
    // The verifier is made from the password; the password itself stays here.
    let verifier = scram_sha_256(password.expose());
    format!(
        "ALTER ROLE {} PASSWORD {}",
        escape_identifier(role),
        escape_literal(&verifier)
    )
}

/// Makes the other role of a pair, or switches it on again, with all that its twin has.
pub(super) fn switch_on(
    role: &str,
    password: &Secret,
    group: &str,
    twin: &Twin,
    create: bool,
) -> String {
    let name = escape_identifier(role);
    let mut sql = String::new();
    if create {
        sql.push_str(&format!("CREATE ROLE {name} NOLOGIN; "));
    }
    let password = set_password(role, password);
    sql.push_str(&format!(
        "{password} LOGIN VALID UNTIL 'infinity' {}; GRANT {} TO {name}; ALTER ROLE {name} RESET ALL; ",
        twin.attributes,
        escape_identifier(group),
    ));
    for (database, setting) in &twin.settings {
        let Some((key, value)) = setting.split_once('=') else {
            continue;
        };
        // Set and taken over: the server itself quotes lists such as search_path, each kind as it must be.
        let place = database.as_ref().map_or_else(String::new, |database| {
            format!("IN DATABASE {} ", escape_identifier(database))
        });
        sql.push_str(&format!(
            "SELECT set_config({}, {}, true); ALTER ROLE {name} {place}SET {} FROM CURRENT; ",
            escape_literal(key),
            escape_literal(value),
            key.split('.')
                .map(escape_identifier)
                .collect::<Vec<_>>()
                .join("."),
        ));
    }
    // What it makes then belongs to the group, not to one of the two.
    sql.push_str(&format!(
        "ALTER ROLE {name} SET role TO {}",
        escape_literal(group)
    ));
    sql
}

/// Attributes and settings of the role that takes turns.
#[derive(Debug, Default)]
pub(super) struct Twin {
    /// Words of ALTER ROLE.
    pub(super) attributes: String,
    /// Database or nothing, and `name=value`.
    pub(super) settings: Vec<(Option<String>, String)>,
}

/// Forbids logins; the password stays, so that it can be taken back.
pub(super) fn no_login(role: &str) -> String {
    format!("ALTER ROLE {} NOLOGIN", escape_identifier(role))
}

/// Forbids logins and forgets the password.
pub(super) fn no_password(role: &str) -> String {
    format!(
        "ALTER ROLE {} NOLOGIN PASSWORD NULL",
        escape_identifier(role)
    )
}

/// Removes a role; fails as long as something depends on it.
pub(super) fn drop(role: &str) -> String {
    format!("DROP ROLE IF EXISTS {}", escape_identifier(role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_roles_take_turns() {
        assert_eq!(other("app"), "app_ks2");
        assert_eq!(other("app_ks2"), "app");
        assert_eq!(other("_ks2"), "_ks2_ks2");
    }

    #[test]
    fn names_are_quoted_and_passwords_are_no_part_of_a_statement() {
        let password = Secret::new(b"made'up\\pass");
        let sql = switch_on("a\"; DROP", &password, "g'r", &Twin::default(), true);
        assert!(
            sql.starts_with("CREATE ROLE \"a\"\"; DROP\" NOLOGIN"),
            "{sql}"
        );
        assert!(sql.contains("GRANT \"g'r\" TO"), "{sql}");
        assert!(sql.ends_with("SET role TO 'g''r'"), "{sql}");
        assert!(sql.contains("SCRAM-SHA-256$4096:"), "{sql}");
        assert!(!sql.contains("made"), "{sql}");
    }
}
