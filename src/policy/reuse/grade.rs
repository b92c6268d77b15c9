//! How bad it is that two environments share a value: the table of POLICY.md section 3.5.

use crate::model::{Confidence, Severity};

use super::{
    super::{
        environment::{Environment, Evidence, Labels, Tier},
        names,
    },
    Class, Mode,
};

/// Which sides meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Crossing {
    /// Two names of production: a region and its spare.
    WithinProduction,
    /// Two of one lower tier.
    SameTier,
    /// Staging and below.
    StagingLower,
    /// A copy in tests or examples of what staging or production uses.
    Fixture,
    /// Production and anything below.
    Production,
}

/// What parts the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    /// Nothing.
    Exact,
    /// One is the other in base64, hex or percent encoding.
    Encoded,
    /// Words of environments and services, years, counters.
    Affix,
    /// What stands around a long random part.
    Core,
    /// Case.
    Case,
}

impl Match {
    /// Returns the name used in reports.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Encoded => "encoded",
            Self::Affix => "affix",
            Self::Core => "core",
            Self::Case => "case",
        }
    }

    /// Tells whether the values are one.
    pub(super) const fn is_same(self) -> bool {
        matches!(self, Self::Exact | Self::Encoded)
    }
}

/// Returns what meets where two places have no environment in common.
pub(super) fn crossing(a: &Labels, b: &Labels) -> Option<Crossing> {
    let (high, low) = {
        let (a, b) = (a.tier()?, b.tier()?);
        (a.max(b), a.min(b))
    };
    if low == Tier::Fixture {
        // A fixture's own words say what it imitates, not where it is.
        return (high >= Tier::Staging).then_some(Crossing::Fixture);
    }
    if low == Tier::Base || !a.crosses(b) {
        return None;
    }
    Some(match (high, low) {
        (Tier::Production, Tier::Production) => Crossing::WithinProduction,
        (Tier::Production, _) => Crossing::Production,
        (Tier::Staging, Tier::Lower) => Crossing::StagingLower,
        _ => Crossing::SameTier,
    })
}

/// What is shared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    /// How much of a secret it is, at most.
    pub class: Class,
    /// Whether a provider says that its key is for tests.
    pub mode: Mode,
    /// Whether tokens are made with it.
    pub is_signing: bool,
    /// Whether it is encrypted: then it may be the file that was copied, not the secret that is used twice.
    pub is_ciphertext: bool,
    /// What parts the values.
    pub by: Match,
}

/// Returns the severity; `None` if it is not told.
pub(super) fn severity(crossing: Crossing, shared: Shared) -> Option<Severity> {
    use Severity::{High, Info, Low, Medium};
    if shared.is_ciphertext {
        let is_lower = matches!(crossing, Crossing::SameTier | Crossing::WithinProduction);
        return Some(if is_lower { Info } else { Medium });
    }
    let hard = shared.class >= Class::Random;
    let named = shared.class == Class::Named;
    let mut severity = match crossing {
        Crossing::WithinProduction => return Some(Info),
        Crossing::SameTier if shared.mode == Mode::Live => High,
        Crossing::Production if hard || named => High,
        Crossing::Production => Low,
        Crossing::StagingLower if hard => Medium,
        Crossing::StagingLower if named => Low,
        Crossing::StagingLower => Info,
        Crossing::SameTier if hard => Low,
        Crossing::SameTier if named => Info,
        Crossing::Fixture if hard => High,
        Crossing::Fixture if named => Medium,
        Crossing::SameTier | Crossing::Fixture => return None,
    };
    if shared.is_signing && shared.class >= Class::Named {
        severity = up(severity);
    }
    if shared.mode == Mode::Test {
        severity = down(severity);
    }
    if !shared.by.is_same() {
        severity = down(severity);
    }
    Some(severity)
}

/// Returns how sure a crossing is: `same_key` says that both sides have it under one key.
pub(super) fn confidence(
    a: Option<Evidence>,
    b: Option<Evidence>,
    same_key: bool,
    shared: Shared,
) -> Confidence {
    let is_weak = |evidence: Option<Evidence>| {
        matches!(
            evidence,
            Some(Evidence::Key | Evidence::Address | Evidence::Base)
        )
    };
    if is_weak(a) || is_weak(b) || shared.by == Match::Case {
        return Confidence::Low;
    }
    let is_sure = shared.class == Class::Provider || same_key && shared.class >= Class::Named;
    match shared.by {
        Match::Exact | Match::Encoded | Match::Affix if is_sure => Confidence::High,
        _ => Confidence::Medium,
    }
}

/// Returns the next severity.
pub(super) const fn up(severity: Severity) -> Severity {
    match severity {
        Severity::Info => Severity::Low,
        Severity::Low => Severity::Medium,
        Severity::Medium => Severity::High,
        Severity::High | Severity::Critical => Severity::Critical,
    }
}

/// Returns the severity before it.
pub(super) const fn down(severity: Severity) -> Severity {
    match severity {
        Severity::Info | Severity::Low => Severity::Info,
        Severity::Medium => Severity::Low,
        Severity::High => Severity::Medium,
        Severity::Critical => Severity::High,
    }
}

/// Tells whether a name is that of a key that tokens, cookies or data are made with: whoever has the one of development makes
/// those of production.
pub(crate) fn is_signing(key: &str) -> bool {
    let words = names::words(key);
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| environment_of(word).is_none())
        .collect();
    let pairs = [
        ("secret", "key"),
        ("signing", "key"),
        ("signing", "secret"),
        ("encryption", "key"),
        ("session", "secret"),
        ("cookie", "secret"),
        ("app", "key"),
        ("jwt", "key"),
        ("jwt", "secret"),
        ("session", "key"),
        ("master", "key"),
        ("encrypt", "key"),
        ("auth", "secret"),
        ("nextauth", "secret"),
        ("token", "secret"),
        ("hmac", "key"),
        ("hmac", "secret"),
    ];
    let is_pair = |two: &[&str]| matches!(two, [a, b] if pairs.contains(&(*a, *b)));
    // `AWS_SECRET_ACCESS_KEY`, `STRIPE_SECRET_KEY` are those of an account.
    let is_account = words.iter().any(|word| {
        matches!(
            *word,
            "aws"
                | "stripe"
                | "access"
                | "s3"
                | "minio"
                | "gcp"
                | "azure"
                | "captcha"
                | "recaptcha"
        )
    });
    !is_account && words.windows(2).any(is_pair)
}

/// Returns the environment that a word names, if it names one.
fn environment_of(word: &str) -> Option<Environment> {
    super::super::environment::of_word(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(all: &[Environment]) -> Labels {
        Labels::new(all.to_vec(), Evidence::FileName)
    }

    fn shared(class: Class) -> Shared {
        Shared {
            class,
            mode: Mode::Unknown,
            is_signing: false,
            is_ciphertext: false,
            by: Match::Exact,
        }
    }

    static MEETINGS: &[(Environment, Environment, Option<Crossing>)] = &[
        (
            Environment::PROD,
            Environment::DEV,
            Some(Crossing::Production),
        ),
        (
            Environment::PROD,
            Environment::STAGING,
            Some(Crossing::Production),
        ),
        (
            Environment::DR,
            Environment::PROD,
            Some(Crossing::WithinProduction),
        ),
        (
            Environment::STAGING,
            Environment::QA,
            Some(Crossing::StagingLower),
        ),
        (
            Environment::STAGING,
            Environment::UAT,
            Some(Crossing::SameTier),
        ),
        (
            Environment::DEV,
            Environment::TEST,
            Some(Crossing::SameTier),
        ),
        (
            Environment::FIXTURE,
            Environment::PROD,
            Some(Crossing::Fixture),
        ),
        (
            Environment::FIXTURE,
            Environment::STAGING,
            Some(Crossing::Fixture),
        ),
        (Environment::FIXTURE, Environment::DEV, None),
        (Environment::FIXTURE, Environment::FIXTURE, None),
        (Environment::PROD, Environment::PROD, None),
        (Environment::SHARED, Environment::PROD, None),
        (Environment::NONPROD, Environment::DEV, None),
        (
            Environment::NONPROD,
            Environment::PROD,
            Some(Crossing::Production),
        ),
    ];

    #[test]
    fn what_meets() {
        for (a, b, want) in MEETINGS {
            assert_eq!(
                crossing(
                    &labels(std::slice::from_ref(a)),
                    &labels(std::slice::from_ref(b))
                ),
                *want,
                "{a:?} {b:?}"
            );
        }
        let copy = labels(&[Environment::FIXTURE, Environment::PROD]);
        assert_eq!(
            crossing(&copy, &labels(&[Environment::PROD])),
            Some(Crossing::Fixture)
        );
        let both = labels(&[Environment::LOCAL, Environment::PROD]);
        assert_eq!(crossing(&both, &labels(&[Environment::LOCAL])), None);
        assert_eq!(crossing(&Labels::default(), &both), None);
    }

    #[test]
    fn every_cell_of_the_table() {
        use Severity::{High, Info, Low, Medium};
        let classes = [
            Class::Provider,
            Class::Random,
            Class::Named,
            Class::BelowGate,
        ];
        for (crossing, want) in [
            (
                Crossing::Production,
                [Some(High), Some(High), Some(High), Some(Low)],
            ),
            (
                Crossing::StagingLower,
                [Some(Medium), Some(Medium), Some(Low), Some(Info)],
            ),
            (Crossing::SameTier, [Some(Low), Some(Low), Some(Info), None]),
            (
                Crossing::Fixture,
                [Some(High), Some(High), Some(Medium), None],
            ),
            (Crossing::WithinProduction, [Some(Info); 4]),
        ] {
            let told = classes.map(|class| severity(crossing, shared(class)));
            assert_eq!(told, want, "{crossing:?}");
        }
    }

    #[test]
    fn steps_up_and_down() {
        let base = shared(Class::Random);
        let signing = Shared {
            is_signing: true,
            ..base
        };
        let test = Shared {
            mode: Mode::Test,
            ..base
        };
        let live = Shared {
            mode: Mode::Live,
            ..base
        };
        let near = Shared {
            by: Match::Affix,
            ..base
        };
        let encoded = Shared {
            by: Match::Encoded,
            ..base
        };
        for (crossing, shared, want) in [
            (Crossing::Production, signing, Severity::Critical),
            (Crossing::StagingLower, signing, Severity::High),
            (Crossing::Production, test, Severity::Medium),
            (Crossing::SameTier, live, Severity::High),
            (Crossing::Production, near, Severity::Medium),
            (Crossing::Production, encoded, Severity::High),
        ] {
            assert_eq!(
                severity(crossing, shared),
                Some(want),
                "{crossing:?} {shared:?}"
            );
        }
        let weak_signing = Shared {
            class: Class::BelowGate,
            ..signing
        };
        assert_eq!(
            severity(Crossing::Production, weak_signing),
            Some(Severity::Low)
        );
    }

    #[test]
    fn how_sure() {
        let (file, key) = (Some(Evidence::FileName), Some(Evidence::Key));
        assert_eq!(
            confidence(file, file, true, shared(Class::Named)),
            Confidence::High
        );
        assert_eq!(
            confidence(file, file, false, shared(Class::Named)),
            Confidence::Medium
        );
        assert_eq!(
            confidence(file, file, false, shared(Class::Provider)),
            Confidence::High
        );
        assert_eq!(
            confidence(file, key, true, shared(Class::Provider)),
            Confidence::Low
        );
    }

    #[test]
    fn names_of_signing_keys() {
        for key in [
            "JWT_SECRET",
            "SECRET_KEY_BASE",
            "app.sessionSecret",
            "PROD_ENCRYPTION_KEY",
            "SECRET_PROD_KEY",
            "NEXTAUTH_SECRET",
        ] {
            assert!(is_signing(key), "{key}");
        }
        for key in [
            "DB_PASSWORD",
            "AWS_SECRET_ACCESS_KEY",
            "STRIPE_SECRET_KEY",
            "API_KEY",
            "CLIENT_SECRET",
        ] {
            assert!(!is_signing(key), "{key}");
        }
    }
}
