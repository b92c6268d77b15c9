//! Access keys of AWS IAM users. A user may have two ("IAM and AWS STS quotas"): both are valid during the grace.
//!
//! Promises: a key's id is the credential's user, its secret the value, and AWS's answer the only copy of a new one; a key is made only
//! into a slot that was seen to be free, whatever AWS would accept; before it is made the user gets a tag with the request's name, so
//! that a key whose answer was lost is known for ours, deleted and made again, and no other; a key that has been used is never taken
//! for lost; "refused" is said only for STS's own words for it.

mod refusal;

use std::time::Duration;

use aws_sdk_iam::{
    Client,
    config::Builder,
    types::{StatusType, Tag},
};
use aws_sdk_sts::config::{Credentials, SharedCredentialsProvider};
use zeroize::Zeroizing;

use self::refusal::{refusal, unknown};
use super::{Credential, Target, TargetTraits};
use crate::{
    config::stores::{AwsSettings, TargetEntry},
    model::{ProviderState, Secret},
    stores::{
        Fault, StoreError, Surroundings,
        aws::session::{Session, code, once},
        http::Effect,
    },
};

/// Most access keys of a user ("IAM and AWS STS quotas").
const MOST_KEYS: usize = 2;
/// The tag of the user that says which request makes a key.
const TAG: &str = "keysweep-issue";
/// A change of a key is seen everywhere a few seconds later ("Troubleshoot IAM": changes are not always immediately visible). So many
/// times, and so long apart, it is waited for.
const LOOKS: u32 = 10;
const APART: Duration = Duration::from_secs(1);

/// The access keys of one account.
pub(super) struct AwsIam {
    session: Session,
    iam: Client,
    sts: aws_sdk_sts::Client,
}

/// One of a user's keys.
struct Key {
    id: String,
    active: bool,
}

impl AwsIam {
    /// Looks for the admin's credentials; asks the service nothing.
    pub(super) fn open(
        entry: &TargetEntry,
        settings: &AwsSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let label = format!("aws-iam target of {}", entry.key);
        let mut settings = settings.clone();
        if settings.region.is_none()
            && surroundings
                .text(&["AWS_REGION", "AWS_DEFAULT_REGION"])
                .is_none()
            && settings.profile.is_none()
        {
            // IAM is the same in all regions of the partition.
            settings.region = Some("us-east-1".to_owned());
        }
        let session = Session::open(&label, &settings, &["AWS_ENDPOINT_URL"], surroundings)?;
        Ok(Self {
            iam: Client::new(&session.config),
            sts: aws_sdk_sts::Client::new(&session.config),
            session,
        })
    }

    fn id<'c>(&self, credential: &'c Credential) -> Result<&'c str, StoreError> {
        credential.user.as_deref().ok_or_else(|| {
            self.session.error(
                Fault::Setup,
                "the id of the access key is not known",
                "set `user-field` of this target to the field that holds it (for example AWS_ACCESS_KEY_ID)",
            )
        })
    }

    /// Returns the user whose key this is.
    fn user(&self, id: &str) -> Result<String, StoreError> {
        let what = format!("ask whose key {id} is");
        let call = self.iam.get_access_key_last_used().access_key_id(id);
        let answer = self
            .session
            .run(call.send())
            .map_err(|error| self.session.fault(&error, &what, Effect::Read))?;
        let user = answer.user_name.filter(|name| !name.is_empty());
        let user = user.ok_or_else(|| self.session.garbled(&what))?;
        if user.starts_with('<') {
            return Err(self.session.error(
                Fault::Setup,
                format!("{what}: it belongs to the root user of the account"),
                "delete it by hand; a root user should have no access keys",
            ));
        }
        Ok(user)
    }

    fn keys(&self, user: &str) -> Result<Vec<Key>, StoreError> {
        let what = format!("list the access keys of {user}");
        let call = self.iam.list_access_keys().user_name(user);
        let answer = self
            .session
            .run(call.send())
            .map_err(|error| self.session.fault(&error, &what, Effect::Read))?;
        let keys = answer.access_key_metadata.into_iter();
        Ok(keys
            .filter_map(|key| {
                Some(Key {
                    id: key.access_key_id?,
                    active: key.status == Some(StatusType::Active),
                })
            })
            .collect())
    }

    fn was_used(&self, id: &str) -> Result<bool, StoreError> {
        let call = self.iam.get_access_key_last_used().access_key_id(id);
        let answer = self.session.run(call.send()).map_err(|error| {
            let what = format!("ask when key {id} was used");
            self.session.fault(&error, &what, Effect::Read)
        })?;
        let last = answer.access_key_last_used;
        Ok(last.is_some_and(|last| last.last_used_date.is_some()))
    }

    /// Tells whether a request of this name has begun to make a key.
    fn has_begun(&self, user: &str, token: &str) -> Result<bool, StoreError> {
        let what = format!("look at the tags of {user}");
        let mut next = None;
        loop {
            let call = self
                .iam
                .list_user_tags()
                .user_name(user)
                .set_marker(next.take());
            let answer = self
                .session
                .run(call.send())
                .map_err(|error| self.session.fault(&error, &what, Effect::Read))?;
            let mut tags = answer.tags.iter();
            if let Some(tag) = tags.find(|tag| tag.key == TAG) {
                return Ok(tag.value == token);
            }
            next = answer.marker.filter(|_| answer.is_truncated);
            if next.is_none() {
                return Ok(false);
            }
        }
    }

    fn begin(&self, user: &str, token: &str) -> Result<(), StoreError> {
        let what = format!("note at {user} that a key is made");
        let tag = Tag::builder().key(TAG).value(token).build();
        let tag = tag.map_err(|_| self.session.garbled(&what))?;
        let call = self.iam.tag_user().user_name(user).tags(tag);
        let answer = self.session.run(call.send());
        answer.map(drop).map_err(|error| {
            // Nothing has been made yet, so nothing is unknown.
            self.session.fault(&error, &what, Effect::Read)
        })
    }

    /// Takes the note away; one that stays does no harm, for no other request has its name.
    fn end(&self, user: &str) {
        let call = self.iam.untag_user().user_name(user).tag_keys(TAG);
        drop(self.session.run(call.send()));
    }

    fn no_slot(&self, user: &str, other: &str) -> StoreError {
        self.session.error(
            Fault::Setup,
            format!("{user} has another access key, {other}: AWS allows two, so there is no room for a new one"),
            "find out who uses it, then delete one: aws iam delete-access-key",
        )
    }

    /// Removes what a request of this name made whose answer was lost.
    fn clear(&self, user: &str, old: &str, token: &str) -> Result<(), StoreError> {
        let others: Vec<Key> = self
            .keys(user)?
            .into_iter()
            .filter(|key| key.id != old)
            .collect();
        let Some(other) = others.first() else {
            return Ok(());
        };
        // Ours is one, active, and nobody knows its secret: it cannot have been used.
        let may_be_ours = others.len() == 1 && other.active && self.has_begun(user, token)?;
        if !may_be_ours || self.was_used(&other.id)? {
            return Err(self.no_slot(user, &other.id));
        }
        self.delete(user, &other.id)
    }

    fn make(&self, user: &str) -> Result<Credential, StoreError> {
        let what = format!("make an access key for {user}");
        // Sent once: a second try would make a second key that nobody knows.
        let call = self
            .iam
            .create_access_key()
            .user_name(user)
            .customize()
            .config_override(Builder::new().retry_config(once()));
        let answer = self.session.run(call.send()).map_err(|error| {
            if code(&error) == Some("LimitExceeded") {
                return self.no_slot(user, "made meanwhile");
            }
            self.session.fault(&error, &what, Effect::Write)
        })?;
        let Some(key) = answer.access_key else {
            return Err(self.session.error(
                Fault::Unknown,
                format!("{what}: the answer holds no key"),
                "resume the rotation: a key that was made is deleted and made again",
            ));
        };
        let secret = Zeroizing::new(key.secret_access_key);
        Ok(Credential {
            user: Some(key.access_key_id),
            secret: Secret::new(secret.as_bytes()),
        })
    }

    fn delete(&self, user: &str, id: &str) -> Result<(), StoreError> {
        let what = format!("delete the access key {id} of {user}");
        let call = self
            .iam
            .delete_access_key()
            .user_name(user)
            .access_key_id(id);
        match self.session.run(call.send()) {
            Ok(_) => Ok(()),
            // It is gone already.
            Err(error) if code(&error) == Some("NoSuchEntity") => Ok(()),
            Err(error) => Err(self.session.fault(&error, &what, Effect::Write)),
        }
    }

    /// Waits until a change of a key is seen; gives up silently, for whoever relies on it looks again.
    fn settle(&self, credential: &Credential, wanted: &ProviderState) -> Result<(), StoreError> {
        for _ in 0..LOOKS {
            if self.probe(credential)? == *wanted {
                break;
            }
            self.session.rest(APART);
        }
        Ok(())
    }

    /// Returns the user of either key: one of them may be gone.
    fn owner(&self, old: &Credential, new: &Credential) -> Result<String, StoreError> {
        let (old, new) = (self.id(old)?, self.id(new)?);
        match self.user(new) {
            Err(error) if matches!(error.fault, Fault::NotFound | Fault::Denied) => self.user(old),
            other => other,
        }
    }
}

impl Target for AwsIam {
    fn address(&self) -> String {
        match &self.session.endpoint {
            Some(endpoint) => format!("aws iam at {endpoint}"),
            None => "aws iam".to_owned(),
        }
    }

    fn traits(&self) -> TargetTraits {
        TargetTraits {
            grace: true,
            reversible: true,
            // Sessions that a key opened at STS end with their time: AWS cannot list them.
            ends_sessions: false,
            proves_death: true,
            makes_value: true,
        }
    }

    fn check(&self, old: &Credential) -> Result<(), StoreError> {
        let id = self.id(old)?;
        if id == self.session.key_id {
            return Err(self.session.error(
                Fault::Setup,
                "this is the access key that keysweep itself uses",
                "run the rotation with another identity (`profile` of this target, AWS_PROFILE)",
            ));
        }
        let user = self.user(id)?;
        let keys = self.keys(&user)?;
        if !keys.iter().any(|key| key.id == id) {
            return Err(self.session.error(
                Fault::NotFound,
                format!("{user} has no access key {id} (any more)"),
                "is it deleted already, or of another account?",
            ));
        }
        match keys.iter().find(|key| key.id != id) {
            Some(other) if keys.len() >= MOST_KEYS => Err(self.no_slot(&user, &other.id)),
            _ => Ok(()),
        }
    }

    fn probe(&self, credential: &Credential) -> Result<ProviderState, StoreError> {
        let id = self.id(credential)?;
        // Exposed to sign with it: it never leaves this machine.
        let Ok(secret) = std::str::from_utf8(credential.secret.expose()) else {
            return Err(self.session.error(
                Fault::Setup,
                "the secret of an access key is text, and this is none",
                "see `field` of this target",
            ));
        };
        let keys = Credentials::new(id, secret, None, None, "keysweep");
        let own = aws_sdk_sts::config::Builder::new()
            .credentials_provider(SharedCredentialsProvider::new(keys));
        let call = self.sts.get_caller_identity().customize();
        let answer = self.session.run(call.config_override(own).send());
        Ok(match &answer {
            Ok(answer) if answer.arn().is_some() => ProviderState::Accepted,
            Ok(_) => unknown("the answer names nobody"),
            Err(error) => refusal(
                code(error).unwrap_or_default(),
                aws_sdk_sts::error::ProvideErrorMetadata::message(error).unwrap_or_default(),
            ),
        })
    }

    fn prepare(&self, _: &Credential, _: &Secret) -> Result<Option<Credential>, StoreError> {
        Ok(None)
    }

    fn issue(
        &self,
        old: &Credential,
        _: Option<&Credential>,
        token: &str,
    ) -> Result<Credential, StoreError> {
        let id = self.id(old)?;
        let user = self.user(id)?;
        self.clear(&user, id, token)?;
        self.begin(&user, token)?;
        let new = self.make(&user)?;
        self.settle(&new, &ProviderState::Accepted)?;
        Ok(new)
    }

    fn withdraw(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        let user = self.user(self.id(old)?)?;
        self.delete(&user, self.id(new)?)?;
        self.end(&user);
        self.settle(new, &ProviderState::Refused)
    }

    fn disable(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        let id = self.id(old)?;
        let user = self.owner(old, new)?;
        let what = format!("switch the access key {id} of {user} off");
        let call = self
            .iam
            .update_access_key()
            .user_name(&user)
            .access_key_id(id)
            .status(StatusType::Inactive);
        match self.session.run(call.send()) {
            Ok(_) => {}
            // It is gone, which is more than off.
            Err(error) if code(&error) == Some("NoSuchEntity") => {}
            Err(error) => return Err(self.session.fault(&error, &what, Effect::Write)),
        }
        self.settle(old, &ProviderState::Refused)
    }

    fn end_sessions(&self, _: &Credential, _: &Credential) -> Result<u64, StoreError> {
        Err(StoreError::unsupported(
            &self.session.name,
            "end the sessions of an access key",
        ))
    }

    fn destroy(&self, old: &Credential, new: &Credential) -> Result<(), StoreError> {
        let user = self.owner(old, new)?;
        self.delete(&user, self.id(old)?)?;
        self.end(&user);
        Ok(())
    }
}
