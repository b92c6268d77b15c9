//! What errors of AWS's services mean.
//!
//! Promises: an error is told apart by its type, never by the HTTP status, unless it has no type; no text of an answer is quoted.

use aws_sdk_secretsmanager::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};

use crate::stores::{Fault, http::Effect};

/// Returns the type of a service's error.
pub(in crate::stores) fn code<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
) -> Option<&str> {
    match error {
        SdkError::ServiceError(answer) => answer.err().code(),
        _ => None,
    }
}

pub(super) fn judge<E: ProvideErrorMetadata>(
    error: &SdkError<E, HttpResponse>,
    effect: Effect,
) -> Fault {
    let lost = || match effect {
        Effect::Read => Fault::Retryable { after: None },
        Effect::Write => Fault::Unknown,
    };
    match error {
        SdkError::ConstructionFailure(_) => Fault::Setup,
        SdkError::TimeoutError(_) => lost(),
        SdkError::DispatchFailure(_) => match effect {
            Effect::Read => Fault::Unavailable,
            Effect::Write => Fault::Unknown,
        },
        SdkError::ResponseError(_) => match effect {
            Effect::Read => Fault::Protocol,
            Effect::Write => Fault::Unknown,
        },
        SdkError::ServiceError(answer) => {
            // Without a type the status is all there is.
            let broken = answer.raw().status().is_server_error();
            match answer.err().code() {
                Some(code) => {
                    meaning(code).unwrap_or(if broken { lost() } else { Fault::Protocol })
                }
                None if broken => lost(),
                None => Fault::Protocol,
            }
        }
        _ => lost(),
    }
}

/// Returns what a type means in every service ("Common Error Types" of each API reference, and their own pages).
fn meaning(code: &str) -> Option<Fault> {
    Some(match code {
        "AccessDenied"
        | "AccessDeniedException"
        | "NotAuthorized"
        | "UnauthorizedOperation"
        | "OptInRequired"
        | "DecryptionFailure"
        | "EncryptionFailure"
        | "InvalidKeyId" => Fault::Denied,
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired" => Fault::Unauthenticated,
        "ResourceNotFoundException"
        | "ParameterNotFound"
        | "ParameterVersionNotFound"
        | "NoSuchEntity"
        | "NoSuchEntityException" => Fault::NotFound,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "TooManyUpdates" => Fault::Retryable { after: None },
        "ResourceExistsException"
        | "PreconditionNotMetException"
        | "EntityTemporarilyUnmodifiable"
        | "ConcurrentModification" => Fault::Conflict,
        "ParameterPatternMismatchException" => Fault::Rejected,
        "LimitExceeded"
        | "LimitExceededException"
        | "ParameterLimitExceeded"
        | "ParameterMaxVersionLimitExceeded"
        | "MalformedPolicyDocumentException"
        | "ValidationException"
        | "ValidationError"
        | "InvalidParameterException"
        | "InvalidRequestException"
        | "InvalidInput" => Fault::Setup,
        _ => return None,
    })
}

/// Tells whether a type says that a rate limit or a quota is used up.
pub(super) fn is_quota(code: &str) -> bool {
    let is_limit = matches!(
        code,
        "LimitExceeded" | "LimitExceededException" | "ParameterLimitExceeded"
    );
    is_limit || matches!(meaning(code), Some(Fault::Retryable { .. }))
}

/// Returns words for a fault, and what to do.
pub(super) fn words(fault: &Fault, code: &str) -> (&'static str, &'static str) {
    match (fault, code) {
        (Fault::Denied, "DecryptionFailure" | "EncryptionFailure" | "InvalidKeyId") => (
            "the KMS key of the secret cannot be used",
            "allow kms:Decrypt (and, to write, kms:GenerateDataKey) on its key; see docs/aws.md",
        ),
        (Fault::Denied, _) => (
            "AWS denies it",
            "docs/aws.md has the least policies for verify and rotate; a KMS key has a policy of its own",
        ),
        (Fault::Unauthenticated, _) => (
            "AWS does not accept the credentials",
            "log in again (`aws sso login`), and see that the clock is right",
        ),
        (Fault::NotFound, _) => (
            "there is no such thing (any more)",
            "`keysweep store list` shows what there is; is it another region or account?",
        ),
        (Fault::Retryable { .. }, _) => (
            "AWS asks to come back later",
            "run it again later; fewer `prefixes` need fewer requests",
        ),
        (Fault::Conflict, _) => (
            "it has changed meanwhile",
            "look at the key's newest version, then plan anew",
        ),
        (Fault::Rejected, _) => (
            "the new value breaks the parameter's own pattern",
            "see its AllowedPattern, and the `value` settings of the rotation",
        ),
        (Fault::Unavailable, _) => (
            "AWS cannot be reached",
            "see the network, `region` and `endpoint` of this store, and HTTPS_PROXY",
        ),
        (Fault::Unknown, _) => (
            "no answer came, so it may have been done or not",
            "look at the key before you try again",
        ),
        (Fault::Setup, "LimitExceeded" | "LimitExceededException") => (
            "a quota of AWS is used up",
            "remove what is not needed, or ask AWS for more",
        ),
        (Fault::Setup, "ParameterMaxVersionLimitExceeded") => (
            "the parameter has 100 versions, and the oldest has a label",
            "move the label: aws ssm label-parameter-version",
        ),
        (Fault::Setup, _) => (
            "AWS does not take the request",
            "see the key's settings in AWS, and docs/aws.md",
        ),
        _ => (
            "AWS answered with something unexpected",
            "see `endpoint` and `region` of this store",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_one_meaning_and_words_each() {
        for (code, fault) in [
            ("AccessDeniedException", Fault::Denied),
            ("DecryptionFailure", Fault::Denied),
            ("ExpiredTokenException", Fault::Unauthenticated),
            ("ResourceNotFoundException", Fault::NotFound),
            ("ThrottlingException", Fault::Retryable { after: None }),
            ("ResourceExistsException", Fault::Conflict),
            ("LimitExceeded", Fault::Setup),
        ] {
            let found = meaning(code).expect(code);
            assert_eq!(found, fault, "{code}");
            let (what, help) = words(&found, code);
            assert!(!what.is_empty() && !help.is_empty());
        }
        assert_eq!(meaning("MadeUpException"), None);
        assert!(is_quota("ThrottlingException") && is_quota("LimitExceeded"));
        assert!(!is_quota("AccessDeniedException") && !is_quota("InternalServiceError"));
        assert_ne!(
            words(&Fault::Denied, "DecryptionFailure"),
            words(&Fault::Denied, "AccessDeniedException")
        );
    }
}
