//! Logins and statements: one runtime a session, a limit on every wait, and what the server's answers mean.
//!
//! Rejected: the blocking `postgres` crate, which waits for ever on a server that takes the connection and says nothing.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{
    Client, Config, Error, NoTls, Row,
    config::SslMode,
    error::{DbError, SqlState},
    types::ToSql,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    model::Secret,
    stores::{Fault, StoreError, target::open::Address},
};

/// Longest wait for a login: name, connection, TLS and authentication.
const LOGIN: Duration = Duration::from_secs(10);
/// Longest wait for the answer to a statement; the server itself gives up a little before (`SETTINGS`).
const STATEMENT: Duration = Duration::from_secs(25);
/// Every session's settings. The names of roles and values are quoted for `standard_conforming_strings`.
const SETTINGS: &str = "SET statement_timeout = '20s'; SET lock_timeout = '10s'; \
     SET standard_conforming_strings = on; SET search_path = pg_catalog";

/// A server and how it is reached.
pub(super) struct Server {
    /// Kind and address, for people.
    pub(super) label: String,
    /// Where it is.
    pub(super) address: Address,
    /// The database that logins name.
    pub(super) database: String,
    /// TLS, always verified; `None` on loopback alone.
    pub(super) tls: Option<MakeRustlsConnect>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server's own error, or one of the connection.
    Answer(Error),
    /// Nothing came in time.
    Silence,
}

/// What a login's answer says of the credential.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Authentication is through.
    LetIn,
    /// Authentication failed, or the role may not log in.
    Refused,
    /// The server wants a password, and we gave none.
    AsksForPassword,
    /// Neither is proven.
    Unproven(&'static str),
}

impl Server {
    /// Logs in, with or without a password.
    pub(super) fn login(&self, user: &str, password: Option<&Secret>) -> Result<Session, Failure> {
        let mut config = Config::new();
        config
            .host(&self.address.host)
            .port(self.address.port)
            .user(user)
            .dbname(&self.database)
            .application_name("keysweep")
            .connect_timeout(LOGIN)
            .ssl_mode(if self.tls.is_some() {
                SslMode::Require
            } else {
                SslMode::Disable
            });
        if let Some(password) = password {
            // The crate's own SCRAM needs the password; the server gets a proof.
            config.password(password.expose());
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| Failure::Silence)?;
        let client = runtime.block_on(async {
            match &self.tls {
                Some(tls) => {
                    let (client, connection) = in_time(LOGIN, config.connect(tls.clone())).await?;
                    tokio::spawn(connection);
                    Ok(client)
                }
                None => {
                    let (client, connection) = in_time(LOGIN, config.connect(NoTls)).await?;
                    tokio::spawn(connection);
                    Ok(client)
                }
            }
        })?;
        Ok(Session { runtime, client })
    }

    /// Logs in as the admin.
    pub(super) fn admin(&self, user: &str, password: &Secret) -> Result<Session, StoreError> {
        let session = self.login(user, Some(password));
        let session = session.map_err(|failure| self.login_fault(&failure))?;
        let set = session.run(SETTINGS);
        set.map_err(|failure| self.fault("set up the session", &failure))?;
        Ok(session)
    }

    /// Returns the error of an admin's login.
    fn login_fault(&self, failure: &Failure) -> StoreError {
        let error = |fault, what: &str, help: &str| StoreError::new(&self.label, fault, what, help);
        let Failure::Answer(answer) = failure else {
            return error(
                Fault::Unavailable,
                "the server takes connections and says nothing",
                "see whether it is up and overloaded",
            );
        };
        match judge(failure) {
            Answer::Refused => error(
                Fault::Unauthenticated,
                "the admin is not let in",
                "see `admin` and `admin-password-file` of this target",
            ),
            Answer::LetIn => error(
                Fault::Unavailable,
                "the admin may log in, but not to this database, or there is no free connection",
                "see `database` of this target, and the server's max_connections",
            ),
            Answer::AsksForPassword | Answer::Unproven(_) if answer.to_string().contains("TLS") => {
                error(
                    Fault::Setup,
                    "there is no TLS with a certificate that can be verified",
                    "switch TLS on in the server (`ssl = on`) and name its CA with `ca-file`; without TLS only loopback is reached",
                )
            }
            Answer::AsksForPassword | Answer::Unproven(_) => error(
                Fault::Unavailable,
                "the admin cannot log in",
                "see `address` of this target, the server's pg_hba.conf, and whether it is up",
            ),
        }
    }

    /// Returns the error of a statement. `doing` is what it was for.
    pub(super) fn fault(&self, doing: &str, failure: &Failure) -> StoreError {
        let code = code(failure);
        let (fault, help) = if code == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
            (
                Fault::Denied,
                "give the admin CREATEROLE and, from PostgreSQL 16 on, the ADMIN OPTION on the role and its group",
            )
        } else if code == Some(&SqlState::LOCK_NOT_AVAILABLE)
            || code == Some(&SqlState::QUERY_CANCELED)
            || code == Some(&SqlState::T_R_SERIALIZATION_FAILURE)
            // "tuple concurrently updated": two changes of one role at once.
            || code == Some(&SqlState::INTERNAL_ERROR)
            || code == Some(&SqlState::DUPLICATE_OBJECT)
        {
            (
                Fault::Retryable { after: None },
                "run the same command again",
            )
        } else if code == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
            (
                Fault::Setup,
                "this server is a standby: name the primary in `address`",
            )
        } else if code.is_some() {
            (
                Fault::Protocol,
                "the server's log says why (its words may hold values, so they are not shown here)",
            )
        } else {
            (
                Fault::Unknown,
                "see whether the server is up, then resume: what was done is looked at first",
            )
        };
        StoreError::new(&self.label, fault, format!("cannot {doing}"), help)
    }
}

/// A session of the admin.
pub(super) struct Session {
    runtime: Runtime,
    client: Client,
}

impl Session {
    /// Runs statements in one transaction.
    pub(super) fn run(&self, sql: &str) -> Result<(), Failure> {
        let statements = self.client.batch_execute(sql);
        self.runtime.block_on(in_time(STATEMENT, statements))
    }

    /// Returns the rows of a query.
    pub(super) fn rows(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let query = self.client.query(sql, parameters);
        self.runtime.block_on(in_time(STATEMENT, query))
    }
}

async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    let done = tokio::time::timeout(limit, work).await;
    done.map_err(|_| Failure::Silence)?.map_err(Failure::Answer)
}

/// Returns the server's code of an error.
pub(super) fn code(failure: &Failure) -> Option<&SqlState> {
    match failure {
        Failure::Answer(error) => error.code(),
        Failure::Silence => None,
    }
}

/// Says what a failed login means for the credential.
///
/// The code alone does not tell: 28000 is both "this role may not log in" and "no line of pg_hba.conf for this address", 53300 comes
/// before authentication (no free slot at all) and after it (a limit of the role or database). So the server's
/// routine counts, which is not translated as the message is: PostgreSQL names the C function that raised the error (protocol,
/// "Error and Notice Message Fields", `R`). A pooler in between names none, and what then is not plain is unproven.
pub(super) fn judge(failure: &Failure) -> Answer {
    let Failure::Answer(error) = failure else {
        return Answer::Unproven("the server did not answer in time");
    };
    if let Some(answer) = error.as_db_error() {
        return judge_code(answer.code(), answer.routine());
    }
    match error.to_string().as_str() {
        // The crate's words for a server that asks and a configuration without a password.
        "invalid configuration" => Answer::AsksForPassword,
        "authentication error" => Answer::Unproven(
            "the server did not prove that it knows the password, or asks for another method",
        ),
        "error performing TLS handshake" => {
            Answer::Unproven("there is no TLS with a certificate that can be verified")
        }
        _ => Answer::Unproven("the server is not reached, or hung up"),
    }
}

fn judge_code(code: &SqlState, routine: Option<&str>) -> Answer {
    // src/backend/utils/init: InitializeSessionUserId looks the role up, InitPostgres and CheckMyDatabase run after PerformAuthentication.
    let after = matches!(
        routine,
        Some("InitializeSessionUserId" | "InitPostgres" | "CheckMyDatabase")
    );
    if *code == SqlState::INVALID_PASSWORD {
        return Answer::Refused;
    }
    if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        return if routine == Some("InitializeSessionUserId") {
            Answer::Refused
        } else {
            Answer::Unproven(
                "the server refuses this address or method (pg_hba.conf), not the password",
            )
        };
    }
    if after
        && [
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::INVALID_CATALOG_NAME,
            SqlState::INSUFFICIENT_PRIVILEGE,
            SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        ]
        .contains(code)
    {
        return Answer::LetIn;
    }
    if *code == SqlState::TOO_MANY_CONNECTIONS {
        return Answer::Unproven("the server has no free connection");
    }
    if *code == SqlState::CANNOT_CONNECT_NOW {
        return Answer::Unproven("the server is starting or stopping");
    }
    Answer::Unproven("the server answered with another error than one of authentication")
}

/// Tells whether an error is that something still depends on the object.
pub(super) fn still_needed(failure: &Failure) -> bool {
    matches!(failure, Failure::Answer(error)
        if error.as_db_error().map(DbError::code) == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_the_routine_says() {
        let refused = [
            (SqlState::INVALID_PASSWORD, Some("auth_failed")),
            (SqlState::INVALID_PASSWORD, None),
            (
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                Some("InitializeSessionUserId"),
            ),
        ];
        for (code, routine) in refused {
            assert_eq!(judge_code(&code, routine), Answer::Refused, "{code:?}");
        }
        for (code, routine) in [
            (SqlState::TOO_MANY_CONNECTIONS, "InitializeSessionUserId"),
            (SqlState::TOO_MANY_CONNECTIONS, "InitPostgres"),
            (SqlState::INVALID_CATALOG_NAME, "InitPostgres"),
            (SqlState::INSUFFICIENT_PRIVILEGE, "CheckMyDatabase"),
        ] {
            assert_eq!(judge_code(&code, Some(routine)), Answer::LetIn, "{code:?}");
        }
        for (code, routine) in [
            (
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                Some("ClientAuthentication"),
            ),
            (SqlState::INVALID_AUTHORIZATION_SPECIFICATION, None),
            (SqlState::TOO_MANY_CONNECTIONS, Some("ProcessStartupPacket")),
            (SqlState::TOO_MANY_CONNECTIONS, None),
            (SqlState::CANNOT_CONNECT_NOW, Some("ProcessStartupPacket")),
        ] {
            let answer = judge_code(&code, routine);
            assert!(matches!(answer, Answer::Unproven(_)), "{code:?} {answer:?}");
        }
    }
}
