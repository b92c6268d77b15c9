//! Requests with our token.
//!
//! Promises: a 403 is told apart (a right that is missing, a token that is dead); a dead token of a login is replaced once, and the
//! request sent again: a refused request has done nothing.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    super::{Fault, StoreError, http::Answer},
    session::Session,
    wire::{Call, Wire, says},
};
use crate::model::Secret;

/// So long a token that was looked up is taken for alive: many keys may be denied in a row.
const ALIVE: Duration = Duration::from_secs(5);

/// What a refusal for a missing right says, and one for an unknown token does not.
const MISSING_RIGHT: &str = "1 error occurred";

/// The server, and who we are to it.
pub(super) struct Client {
    /// The way to the server.
    pub(super) wire: Wire,
    /// Our token.
    pub(super) session: Session,
    alive: Mutex<Option<Instant>>,
}

impl Client {
    /// Joins the two.
    pub(super) const fn new(wire: Wire, session: Session) -> Self {
        Self {
            wire,
            session,
            alive: Mutex::new(None),
        }
    }

    /// Sends a request; returns answers with 2xx, 400, 404 and 405.
    pub(super) fn call(&self, call: &Call<'_>) -> Result<Answer, StoreError> {
        let (token, login) = self.session.token(&self.wire)?;
        let answer = self.send(call, &token)?;
        if answer.status != 403 {
            return Ok(answer);
        }
        if self.is_alive(&token, &answer)? {
            return Err(self.denied(call.what));
        }
        if self.session.log_in_again(&self.wire, login)? {
            let (token, _) = self.session.token(&self.wire)?;
            let answer = self.send(call, &token)?;
            if answer.status != 403 {
                return Ok(answer);
            }
            return Err(self.denied(call.what));
        }
        Err(self.wire.error(
            Fault::Unauthenticated,
            format!("{}: the token is expired, revoked or wrong", call.what),
            "log in anew: bao login (or vault login); check `namespace`, for a token is known in its own only",
        ))
    }

    /// Sends a read.
    pub(super) fn get(&self, path: &str, what: &str) -> Result<Answer, StoreError> {
        self.call(&Call::get(path, what))
    }

    /// Sends a request whose only good answer is 2xx.
    pub(super) fn done(&self, call: &Call<'_>) -> Result<Answer, StoreError> {
        let answer = self.call(call)?;
        match answer.status {
            200..=299 => Ok(answer),
            404 => Err(self.wire.error(
                Fault::NotFound,
                format!("{}: there is no such thing", call.what),
                "check the name, and `namespace`",
            )),
            405 => Err(self.wire.error(
                Fault::Unsupported,
                format!("{}: this server cannot do it", call.what),
                "docs/stores.md says which versions can",
            )),
            _ => Err(self.wire.error(
                Fault::Protocol,
                format!("{}: the server took the request for wrong", call.what),
                "docs/stores.md says which versions of Vault and OpenBao are known to work",
            )),
        }
    }

    fn send(&self, call: &Call<'_>, token: &Secret) -> Result<Answer, StoreError> {
        self.wire.judge(call, self.wire.send(call, Some(token))?)
    }

    fn denied(&self, what: &str) -> StoreError {
        self.wire.error(
            Fault::Denied,
            format!("{what}: the token has no right to do this"),
            "`keysweep store policy` prints the least policy that it needs, with --rotate that of rotations",
        )
    }

    /// Finds out whether a token that was refused is known at all.
    fn is_alive(&self, token: &Secret, refusal: &Answer) -> Result<bool, StoreError> {
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        // The words alone are no proof, for they have changed between versions; they are enough to go on trusting an earlier answer.
        if says(refusal, MISSING_RIGHT) && alive.is_some_and(|at| at.elapsed() < ALIVE) {
            return Ok(true);
        }
        let call = Call::get("auth/token/lookup-self", "look our token up");
        let answer = self.send(&call, token)?;
        // A token without the default policy may not look itself up; such a refusal has other words than that of an unknown token.
        let known = answer.is_fine() || says(&answer, MISSING_RIGHT);
        if known {
            *alive = Some(Instant::now());
        }
        Ok(known)
    }
}
