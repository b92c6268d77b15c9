//! Approvals: a second person's signature over one plan.
//!
//! Promises: a signature counts for one plan digest and one approver, and for nothing else that the same key signs; who made the plan
//! cannot approve it. Ed25519 through `ed25519-dalek` and not `ssh-keygen -Y`: no process, the same on every system, and the
//! approvers' keys stand in stores.toml, which knows no SSH formats.

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    RotateError,
    canonical::{canonical, from_hex, time_of, time_text},
    plan::Plan,
};
use crate::{
    config::stores::RotateLimits,
    model::{Secret, hex, quotable},
};

/// An approval file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Always [`Approval::SCHEMA`].
    pub schema: u32,
    /// The digest of the approved plan.
    pub plan: String,
    /// The approver, as `[rotate.approvers]` of stores.toml names them.
    pub approver: String,
    /// When, RFC 3339.
    pub time: String,
    /// The ed25519 signature, 128 hex digits.
    pub signature: String,
}

impl Approval {
    /// The version of the file's form.
    pub const SCHEMA: u32 = 1;

    /// Approves a plan. `key` is the text of a key file: 64 hex digits (`openssl rand -hex 32`). `now` is Unix seconds.
    ///
    /// # Errors
    /// [`RotateError::Approval`] if the key is none.
    pub fn sign(plan: &str, approver: &str, now: i64, key: &Secret) -> Result<Self, RotateError> {
        let key = signing_key(key)?;
        let time = time_text(now);
        let signature = key.sign(signed_text(plan, approver, &time).as_bytes());
        Ok(Self {
            schema: Self::SCHEMA,
            plan: plan.to_owned(),
            approver: approver.to_owned(),
            time,
            signature: hex(&signature.to_bytes()),
        })
    }

    /// Reads an approval file.
    ///
    /// # Errors
    /// [`RotateError::Approval`] if it is none, or of another version.
    pub fn read(text: &[u8]) -> Result<Self, RotateError> {
        let approval: Self = serde_json::from_slice(text).map_err(|_| RotateError::Approval {
            what: "the file is no approval".to_owned(),
            help: "make one with: keysweep rotate approve PLAN --key FILE --name NAME".to_owned(),
        })?;
        if approval.schema != Self::SCHEMA {
            return Err(RotateError::Approval {
                what: format!("the approval has schema {}", approval.schema),
                help: format!("this program knows schema {}", Self::SCHEMA),
            });
        }
        Ok(approval)
    }

    /// Returns the text of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = canonical(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Checks that it approves this plan, by somebody whom stores.toml names and who did not make the plan; returns the
    /// approver.
    ///
    /// # Errors
    /// [`RotateError::Approval`] with what does not hold.
    pub fn check<'a>(
        &self,
        plan: &str,
        planner: &str,
        approvers: &'a BTreeMap<String, String>,
    ) -> Result<&'a str, RotateError> {
        let shown = quotable(&self.approver);
        if self.plan != plan {
            return Err(wrong(
                format!("the approval of {shown} is for another plan"),
                "approve this one: keysweep rotate approve PLAN --key FILE --name NAME",
            ));
        }
        let Some((name, key)) = approvers.get_key_value(&self.approver) else {
            return Err(wrong(
                format!("{shown} is no approver"),
                "add the name with its public key to [rotate.approvers] of stores.toml",
            ));
        };
        if self.approver == planner {
            return Err(wrong(
                format!("{shown} made the plan and cannot approve it"),
                "ask another approver: two people are needed",
            ));
        }
        let key = from_hex::<32>(key).and_then(|key| VerifyingKey::from_bytes(&key).ok());
        let Some(key) = key else {
            return Err(wrong(
                format!("the public key of {shown} is none"),
                "[rotate.approvers] of stores.toml takes 64 hex digits; `keysweep rotate approve` prints them",
            ));
        };
        let text = signed_text(plan, &self.approver, &self.time);
        // Strict: keys of small order, for which many texts have one signature, are refused.
        let holds = from_hex::<64>(&self.signature)
            .map(|bytes| Signature::from_bytes(&bytes))
            .is_some_and(|signature| key.verify_strict(text.as_bytes(), &signature).is_ok());
        if holds && time_of(&self.time).is_some() {
            Ok(name)
        } else {
            Err(wrong(
                format!("the signature is not that of {shown}"),
                "approve again, with the key whose public half stands in [rotate.approvers]",
            ))
        }
    }
}

/// Checks that an approval that is about to be made will count when the plan is applied; `public` is the approver's public key.
///
/// # Errors
/// [`RotateError::Approval`] with what to change.
pub fn may_approve(
    approval: &Approval,
    plan: &Plan,
    limits: &RotateLimits,
    public: &str,
) -> Result<(), RotateError> {
    let shown = quotable(&approval.approver);
    let line = format!("[rotate.approvers] {shown} = \"{public}\"");
    match limits.approvers.get(&approval.approver) {
        None => Err(RotateError::Approval {
            what: format!("{shown} is no approver"),
            help: format!(
                "nothing was signed; whoever keeps stores.toml makes {shown} one with: {line}"
            ),
        }),
        Some(known) if known != public => Err(RotateError::Approval {
            what: format!("the key is not that of {shown}"),
            help: format!(
                "nothing was signed; name the right file with --key; a new key goes into stores.toml as: {line}"
            ),
        }),
        Some(_) if approval.approver == plan.actor => Err(wrong(
            format!("{shown} made the plan and cannot approve it"),
            "ask another approver: two people are needed",
        )),
        Some(_) => approval
            .check(&plan.digest(), &plan.planner, &limits.approvers)
            .map(drop),
    }
}

/// Returns the public half of a key file's text as 64 hex digits, for `[rotate.approvers]`.
///
/// # Errors
/// [`RotateError::Approval`] if the key is none.
pub fn public_key(key: &Secret) -> Result<String, RotateError> {
    Ok(hex(&signing_key(key)?.verifying_key().to_bytes()))
}

fn signing_key(key: &Secret) -> Result<SigningKey, RotateError> {
    // Exposed to be parsed into a key, which wipes itself.
    let text = std::str::from_utf8(key.expose()).unwrap_or_default().trim();
    let seed = from_hex::<32>(text).map(Zeroizing::new);
    let seed = seed.ok_or_else(|| {
        wrong(
            "the key file is no key of 64 hex digits".to_owned(),
            "make one with: (umask 077; openssl rand -hex 32 > FILE)",
        )
    })?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Returns what is signed. The first line keeps it from being taken for anything else that the key signs; no part can hold a line
/// break but the last, so no two approvals have one text.
fn signed_text(plan: &str, approver: &str, time: &str) -> String {
    format!("keysweep/rotate/approval/v1\n{plan}\n{time}\n{approver}")
}

fn wrong(what: String, help: &str) -> RotateError {
    RotateError::Approval {
        what,
        help: help.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Secret {
        Secret::new(hex(&[n; 32]).as_bytes())
    }

    fn approvers() -> BTreeMap<String, String> {
        ["alice", "bob"]
            .into_iter()
            .zip([1, 2])
            .map(|(name, n)| (name.to_owned(), public_key(&key(n)).unwrap()))
            .collect()
    }

    #[test]
    fn an_approval_counts_for_its_plan_and_its_approver() {
        let approval = Approval::sign("digest", "alice", 100, &key(1)).unwrap();
        let approval = Approval::read(approval.to_text().as_bytes()).unwrap();
        assert_eq!(
            approval.check("digest", "bob", &approvers()).unwrap(),
            "alice"
        );
    }

    #[test]
    fn what_does_not_count_says_why() {
        let good = Approval::sign("digest", "alice", 100, &key(1)).unwrap();
        let forged = Approval::sign("digest", "alice", 100, &key(2)).unwrap();
        let later = Approval {
            time: time_text(200),
            ..good.clone()
        };
        let renamed = Approval {
            approver: "bob".into(),
            ..good.clone()
        };
        let stranger = Approval::sign("digest", "carol", 100, &key(3)).unwrap();
        for (approval, plan, planner, expected) in [
            (&good, "other", "bob", "another plan"),
            (&good, "digest", "alice", "made the plan"),
            (&forged, "digest", "bob", "signature"),
            (&later, "digest", "bob", "signature"),
            (&renamed, "digest", "alice", "signature"),
            (&stranger, "digest", "bob", "no approver"),
        ] {
            let error = approval.check(plan, planner, &approvers()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert!(Approval::read(b"{\"schema\":1,\"more\":1}").is_err());
    }

    #[test]
    fn a_key_file_with_something_else_is_not_quoted() {
        let error = Approval::sign("d", "alice", 1, &Secret::new(b"made-up text")).unwrap_err();
        assert!(!format!("{error:?}").contains("made-up"));
    }
}
