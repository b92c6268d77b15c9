//! What STS's errors say of an access key.
//!
//! Promises: refused is said only for words that mean nothing else.

use crate::model::ProviderState;

pub(super) fn unknown(why: &str) -> ProviderState {
    ProviderState::Unknown {
        why: why.to_owned(),
    }
}

/// Judges an error of sts:GetCallerIdentity, which needs no permission ("GetCallerIdentity").
pub(super) fn refusal(code: &str, message: &str) -> ProviderState {
    // A wrong clock has the type of a wrong secret.
    let is_clock = message.starts_with("Signature expired")
        || message.starts_with("Signature not yet current");
    match code {
        "InvalidClientTokenId" | "InvalidAccessKeyId" => ProviderState::Refused,
        "SignatureDoesNotMatch" if !is_clock => ProviderState::Refused,
        "SignatureDoesNotMatch" | "RequestExpired" => {
            unknown("the clock of this machine is wrong, so AWS does not look at the key")
        }
        "Throttling" | "ThrottlingException" | "TooManyRequestsException" => {
            unknown("AWS asks to come back later")
        }
        "" => unknown("AWS did not answer"),
        _ => unknown("AWS answered with an error that is no refusal"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_mean_nothing_else_are_a_refusal() {
        let refused = ProviderState::Refused;
        assert_eq!(
            refusal("InvalidClientTokenId", "The security token"),
            refused
        );
        assert_eq!(
            refusal("SignatureDoesNotMatch", "The request signature"),
            refused
        );
        for (code, message) in [
            (
                "SignatureDoesNotMatch",
                "Signature expired: 20260101T000000Z is now earlier",
            ),
            ("SignatureDoesNotMatch", "Signature not yet current: 2027"),
            ("Throttling", "Rate exceeded"),
            ("AccessDenied", "no"),
            ("ExpiredToken", "old"),
            ("InternalFailure", ""),
            ("", ""),
        ] {
            let state = refusal(code, message);
            assert!(matches!(state, ProviderState::Unknown { .. }), "{code}");
        }
    }
}
