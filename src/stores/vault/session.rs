//! Who we are to a Vault: tokens that are given and tokens that we log in for.
//!
//! Promises: a token we logged in for is renewed, or replaced by a new login, when two thirds of its lease are over, and revoked
//! when the store is dropped; a given token is neither; secret ids, JWTs and tokens are in no error.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use super::{
    super::{
        Fault, StoreError, Surroundings,
        buffer::Buffer,
        credential::{at_home, credential_file},
        http::{Answer, Effect, encode},
        json::Json,
    },
    jwt::JwtSource,
    wire::{Call, Wire, says},
};
use crate::{config::stores::VaultAuth, model::Secret};

/// A token and the way to the next one.
pub(super) struct Session {
    login: Login,
    state: Mutex<State>,
}

/// How a token is got. Matched without `_`.
enum Login {
    /// It was given: there is no other.
    Given,
    /// AppRole.
    Approle {
        mount: String,
        role_id: String,
        secret_id: Secret,
    },
    /// JWT, with the place of a fresh one.
    Jwt {
        mount: String,
        role: String,
        source: JwtSource,
    },
}

struct State {
    token: Secret,
    lease: Option<Lease>,
    /// Counts logins, so that of several threads with the same dead token one logs in.
    login: u64,
}

#[derive(Clone, Copy)]
struct Lease {
    renew_at: Instant,
    seconds: u64,
    renewable: bool,
}

impl Session {
    /// Takes the given token or logs in.
    pub(super) fn open(
        wire: &Wire,
        auth: &VaultAuth,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let home = surroundings.home.as_deref();
        let login = match auth {
            VaultAuth::Environment => {
                return Ok(Self::given(environment_token(wire, surroundings)?));
            }
            VaultAuth::Token { file } => {
                let token = credential_file(&wire.name, &at_home(file, home), "auth.file")?;
                return Ok(Self::given(token));
            }
            VaultAuth::Approle {
                mount,
                role_id,
                secret_id_file,
                wrapped,
            } => {
                let file = at_home(secret_id_file, home);
                let mut secret_id = credential_file(&wire.name, &file, "auth.secret-id-file")?;
                if *wrapped {
                    secret_id = unwrap(wire, &secret_id)?;
                }
                Login::Approle {
                    mount: mount_or(mount.as_ref(), "approle"),
                    role_id: role_id.clone(),
                    secret_id,
                }
            }
            VaultAuth::Jwt {
                mount,
                role,
                file,
                audience,
            } => Login::Jwt {
                mount: mount_or(mount.as_ref(), "jwt"),
                role: role.clone(),
                source: match file {
                    Some(file) => JwtSource::File(at_home(file, home)),
                    None => JwtSource::actions(
                        wire,
                        audience.as_deref().unwrap_or("keysweep"),
                        surroundings,
                    )?,
                },
            },
        };
        let state = login.run(wire, 0)?;
        Ok(Self {
            login,
            state: Mutex::new(state),
        })
    }

    fn given(token: Secret) -> Self {
        Self {
            login: Login::Given,
            state: Mutex::new(State {
                token,
                lease: None,
                login: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that panicked with the lock has changed nothing by halves: states are replaced as a whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the token and the number of its login; renews it if it is time.
    pub(super) fn token(&self, wire: &Wire) -> Result<(Secret, u64), StoreError> {
        let mut state = self.state();
        if let Some(lease) = state.lease
            && Instant::now() >= lease.renew_at
        {
            let renewed = lease
                .renewable
                .then(|| renew(wire, &state.token, lease))
                .flatten();
            match renewed {
                Some(lease) => state.lease = Some(lease),
                None => *state = self.login.run(wire, state.login + 1)?,
            }
        }
        Ok((state.token.clone(), state.login))
    }

    /// Logs in again after the token of that login was refused; returns whether there is another token now.
    pub(super) fn log_in_again(&self, wire: &Wire, login: u64) -> Result<bool, StoreError> {
        if matches!(self.login, Login::Given) {
            return Ok(false);
        }
        let mut state = self.state();
        if state.login == login {
            *state = self.login.run(wire, login + 1)?;
        }
        Ok(true)
    }

    /// Revokes a token that we logged in for. There is nothing to do about a failure: it expires by itself.
    pub(super) fn close(&self, wire: &Wire) {
        if !matches!(self.login, Login::Given) {
            let call = Call {
                method: "POST",
                path: "auth/token/revoke-self",
                body: Some(b"{}"),
                effect: Effect::Write,
                what: "revoke our token",
            };
            let _ = wire.send(&call, Some(&self.state().token));
        }
    }
}

impl Login {
    fn run(&self, wire: &Wire, login: u64) -> Result<State, StoreError> {
        let mut body = Buffer::default();
        let (mount, what) = match self {
            Self::Given => {
                return Err(wire.error(
                    Fault::Unauthenticated,
                    "the token that was given is not accepted any more",
                    "log in anew: bao login (or vault login)",
                ));
            }
            Self::Approle {
                mount,
                role_id,
                secret_id,
            } => {
                object(&mut body, "role_id", role_id, "secret_id", secret_id);
                (mount, "log in by AppRole")
            }
            Self::Jwt {
                mount,
                role,
                source,
            } => {
                object(&mut body, "role", role, "jwt", &source.fetch(wire)?);
                (mount, "log in by JWT")
            }
        };
        let path = format!("auth/{}/login", encode(mount));
        // Repeating a login that got no answer leaves a token that expires by itself.
        let call = Call::ask(&path, body.bytes(), what);
        let answer = wire.judge(&call, wire.send(&call, None)?)?;
        if !answer.is_fine() {
            return Err(self.refused(wire, &answer, what, mount));
        }
        let json = wire.json(&answer, what)?;
        let (Some(token), Some(seconds)) = (
            json.at(&["auth", "client_token"]).and_then(Json::string),
            json.at(&["auth", "lease_duration"]).and_then(Json::integer),
        ) else {
            return Err(wire.garbled(what));
        };
        let renewable = json.at(&["auth", "renewable"]).and_then(Json::boolean);
        Ok(State {
            token: Secret::new(token.as_bytes()),
            lease: lease(seconds, renewable.unwrap_or_default()),
            login,
        })
    }

    fn refused(&self, wire: &Wire, answer: &Answer, what: &str, mount: &str) -> StoreError {
        if answer.status == 404 || says(answer, "no handler for route") {
            return wire.error(
                Fault::Setup,
                format!("{what}: nothing is mounted at auth/{mount}"),
                "set `mount` in `auth`, and check `namespace`",
            );
        }
        let help = match self {
            Self::Given => "log in anew",
            Self::Approle { .. } => {
                "check `role-id`, and make a new secret id: bao write -f auth/approle/role/ROLE/secret-id"
            }
            Self::Jwt { .. } => {
                "check `role` and `audience` against the role's bound_audiences and bound_claims, and that the token is not expired"
            }
        };
        wire.error(
            Fault::Unauthenticated,
            format!("{what}: the credential is not accepted"),
            help,
        )
    }
}

/// Writes an object of two members.
fn object(body: &mut Buffer, name: &str, value: &str, secret_name: &str, secret: &Secret) {
    body.push(b"{");
    body.push_json_string(name);
    body.push(b":");
    body.push_json_string(value);
    body.push(b",");
    body.push_json_string(secret_name);
    body.push(b":");
    // Sent to the server that it is for. Secret ids and JWTs are ASCII: what is not is refused there.
    body.push_json_string(std::str::from_utf8(secret.expose()).unwrap_or_default());
    body.push(b"}");
}

fn mount_or(mount: Option<&String>, usual: &str) -> String {
    mount
        .map_or(usual, |mount| mount.trim_matches('/'))
        .to_owned()
}

fn lease(seconds: i64, renewable: bool) -> Option<Lease> {
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
    Some(Lease {
        renew_at: Instant::now() + Duration::from_millis(seconds.saturating_mul(2000) / 3),
        seconds,
        renewable,
    })
}

/// Renews a token; `None` if it cannot be, or would get much less time than before (its maximum is near).
fn renew(wire: &Wire, token: &Secret, old: Lease) -> Option<Lease> {
    let what = "renew our token";
    let call = Call::ask("auth/token/renew-self", b"{}", what);
    let answer = wire.send(&call, Some(token)).ok()?;
    let json = Json::parse(&answer.body).ok()?;
    let seconds = json.at(&["auth", "lease_duration"])?.integer()?;
    let renewable = json.at(&["auth", "renewable"])?.boolean()?;
    let enough = u64::try_from(seconds).is_ok_and(|seconds| seconds > old.seconds / 2);
    (answer.is_fine() && enough)
        .then(|| lease(seconds, renewable))
        .flatten()
}

/// Gets the secret id that a wrapping token stands for. It works once, which is its point.
fn unwrap(wire: &Wire, wrapping: &Secret) -> Result<Secret, StoreError> {
    let what = "unwrap the secret id";
    let call = Call::post("sys/wrapping/unwrap", b"{}", what);
    let answer = wire.judge(&call, wire.send(&call, Some(wrapping))?)?;
    if !answer.is_fine() {
        return Err(wire.error(
            Fault::Unauthenticated,
            format!("{what}: the wrapping token is expired or was used already"),
            "if you did not use it, somebody else did: destroy that secret id, then hand over a new one",
        ));
    }
    let json = wire.json(&answer, what)?;
    let secret_id = json.at(&["data", "secret_id"]).and_then(Json::string);
    secret_id
        .map(|secret_id| Secret::new(secret_id.as_bytes()))
        .ok_or_else(|| wire.garbled(what))
}

fn environment_token(wire: &Wire, surroundings: &Surroundings<'_>) -> Result<Secret, StoreError> {
    if let Some(token) = surroundings.text(&["BAO_TOKEN", "VAULT_TOKEN"]) {
        let token = Zeroizing::new(token);
        return Ok(Secret::new(token.trim().as_bytes()));
    }
    let file = surroundings
        .home
        .as_deref()
        .map(|home| home.join(".vault-token"));
    match file {
        Some(file) if file.exists() => credential_file(&wire.name, &file, "auth.file"),
        _ => Err(wire.error(
            Fault::Unauthenticated,
            "there is no token: BAO_TOKEN and VAULT_TOKEN are not set, and there is no ~/.vault-token",
            "log in (bao login), set BAO_TOKEN, or set `auth` for the store",
        )),
    }
}

/// Returns the file of a setting or of the environment.
pub(super) fn ca_file(setting: Option<&Path>, surroundings: &Surroundings<'_>) -> Option<PathBuf> {
    let home = surroundings.home.as_deref();
    setting.map(|file| at_home(file, home)).or_else(|| {
        surroundings
            .text(&["BAO_CACERT", "VAULT_CACERT"])
            .map(PathBuf::from)
    })
}
