//! `secret-age-exceeds-policy`: values that have not changed for longer than their type allows.
//!
//! Only a run over history knows ages: they are counted from the first commit that has the value, wherever it stood then, so that neither a
//! reformatted nor a renamed file makes it young. Of an encrypted value its ciphertext counts, which stays as it is as long as the value
//! does. A shallow clone makes ages too low, never too high.

use std::collections::BTreeMap;

use super::super::super::{
    fault::{CrossFault, FactData, FixClass, Pointer},
    kind::FileKind,
    lint::{Index, Lint, LintMeta, Persona},
    names,
    reuse::{Called, Class, Mode, Prints, Site, is_signing},
};
use crate::model::{Confidence, Digest, Severity};

/// Its id: what it tells belongs to the value, whoever else knows that.
pub(crate) const ID: &str = "secret-age-exceeds-policy";

const AGE: LintMeta = LintMeta {
    id: ID,
    title: "A secret has not changed for longer than its type allows",
    tool: "any",
    severity: Severity::Low,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet: 2.7.2 Rotation",
        "OWASP Non-Human Identities Top 10 2025: NHI7 Long-Lived Secrets",
        "OWASP Top 10 CI/CD Security Risks: CICD-SEC-6 Insufficient Credential Hygiene",
    ],
    cwe: 324,
    fix: FixClass::None,
    why: "The longer a secret stays the same, the more people, machines and backups have it, and the longer a leak that nobody saw is of use. Only `--history` knows ages.",
    help: "Rotate it: keys of APIs, passwords and keys of certificates after 90 days, keys of SSH after a year, keys that sign or encrypt after two. Better: a reference to a store that rotates it.",
    bad: &[
        &[
            (
                "400 days ago: deploy/prod.properties",
                "billing.api_key=Vx7kQ2mR9tLp4wZc\n",
            ),
            (
                "deploy/prod.properties",
                "billing.api_key=Vx7kQ2mR9tLp4wZc\n",
            ),
        ],
        // Another form and another file: the value is the same.
        &[
            (
                "100 days ago: settings.json",
                "{\"smtp\": {\"password\": \"Vx7kQ2mR9tLp\"}}\n",
            ),
            (
                "config/settings.yaml",
                "smtp:\n  host: mail.acme.net\n  password: Vx7kQ2mR9tLp\n",
            ),
        ],
        // What is encrypted must be rotated, too.
        &[
            (
                "800 days ago: prod.enc.yaml",
                "session_secret: ENC[AES256_GCM,data:pY2fQm0x,iv:b3JkZXI=,tag:c2lnbg==,type:str]\n",
            ),
            (
                "prod.enc.yaml",
                "session_secret: ENC[AES256_GCM,data:pY2fQm0x,iv:b3JkZXI=,tag:c2lnbg==,type:str]\n",
            ),
        ],
    ],
    good: &[
        &[
            (
                "400 days ago: deploy/prod.properties",
                "billing.api_key=${BILLING_API_KEY}\n",
            ),
            (
                "deploy/prod.properties",
                "billing.api_key=${BILLING_API_KEY}\n",
            ),
        ],
        // Rotated.
        &[
            (
                "400 days ago: prod.enc.yaml",
                "api_key: ENC[AES256_GCM,data:pY2fQm0x,iv:b3JkZXI=,tag:c2lnbg==,type:str]\n",
            ),
            (
                "prod.enc.yaml",
                "api_key: ENC[AES256_GCM,data:8sKd1LwZ,iv:aGFsbG8=,tag:d2VsdA==,type:str]\n",
            ),
        ],
        // Each type has its own time.
        &[
            (
                "300 days ago: prod.enc.yaml",
                "ssh_private_key: ENC[AES256_GCM,data:pY2fQm0x,iv:b3JkZXI=,tag:c2lnbg==,type:str]\njwt_secret: ENC[AES256_GCM,data:8sKd1LwZ,iv:aGFsbG8=,tag:d2VsdA==,type:str]\n",
            ),
            (
                "prod.enc.yaml",
                "ssh_private_key: ENC[AES256_GCM,data:pY2fQm0x,iv:b3JkZXI=,tag:c2lnbg==,type:str]\njwt_secret: ENC[AES256_GCM,data:8sKd1LwZ,iv:aGFsbG8=,tag:d2VsdA==,type:str]\n",
            ),
        ],
    ],
};

/// Most further places that are told of one value.
const MAX_RELATED: usize = 10;

/// How many times its time a value may be old before it is told as worse.
const WORSE: u32 = 4;

/// Tells old values.
pub(super) struct Age;

impl Lint for Age {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&AGE]
    }

    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        let mut values: BTreeMap<Digest, Vec<Old<'_>>> = BTreeMap::new();
        let called = Called::of(index.facts);
        for (fact, gathered) in index.facts.iter().enumerate() {
            let (FactData::Site(site), Some(age), false) =
                (&gathered.data, gathered.past.age_days, gathered.past.only)
            else {
                continue;
            };
            let Some(prints) = site.prints().filter(|prints| counts(site, prints)) else {
                continue;
            };
            let places = values.entry(prints.value).or_default();
            // A place may be told twice: by a secret rule, and by its key.
            let last = places.last().and_then(|old| index.facts.get(old.fact));
            if last.is_some_and(|last| last.location == gathered.location) {
                continue;
            }
            places.push(Old {
                fact,
                site,
                name: match site.name() {
                    "" => called.name(gathered),
                    name => Some(name),
                },
                age,
                term: term(site),
            });
        }
        let mut faults: Vec<CrossFault> = values.values().filter_map(|all| fault(all)).collect();
        // Digests differ from run to run: their order must not show.
        faults.sort_by_key(|fault| match fault.primary {
            Pointer::Fact(number) => number,
            Pointer::File(_) => usize::MAX,
        });
        out.extend(faults);
    }
}

/// A place of a value whose age is known.
struct Old<'i> {
    fact: usize,
    site: &'i Site,
    /// What it is called, if that is known.
    name: Option<&'i str>,
    age: u32,
    term: Term,
}

/// How long a secret may stay the same.
#[derive(Clone, Copy)]
struct Term {
    what: &'static str,
    days: u32,
}

/// Tells whether a value is one that must be rotated: no example, no key for tests, nothing that anybody guesses.
fn counts(site: &Site, prints: &Prints) -> bool {
    let is_secret = prints.is_ciphertext || prints.class > Class::BelowGate;
    is_secret
        && prints.mode != Mode::Test
        && !site.labels.is_fixture()
        && site.kind != FileKind::Ignore
}

/// Returns how long a secret of this name may stay the same (POLICY: keys of APIs and certificates 90 days, of SSH a year, of encryption
/// one to two years; passwords that are not made for each use as keys of APIs).
fn term(site: &Site) -> Term {
    let words = names::words(&site.key);
    let has = |any: &[&str]| words.iter().any(|word| any.contains(&word.as_str()));
    if has(&["ssh"]) {
        return Term {
            what: "a key of SSH",
            days: 365,
        };
    }
    if has(&["tls", "ssl", "cert", "certificate"]) {
        return Term {
            what: "the key of a certificate",
            days: 90,
        };
    }
    if has(&["encryption", "encrypt", "signing"]) || is_signing(&site.key) {
        return Term {
            what: "a key that signs or encrypts",
            days: 730,
        };
    }
    Term {
        what: "a password or key of an API",
        days: 90,
    }
}

/// Makes one fault of all places of a value: at the first whose time is over.
fn fault(places: &[Old<'_>]) -> Option<CrossFault> {
    let at = places.iter().position(|old| old.age > old.term.days)?;
    let old = places.get(at)?;
    let Term { what, days } = old.term;
    let others = places.iter().enumerate().filter(|(other, _)| *other != at);
    let others = others.map(|(_, other)| {
        let phrase = format!("the same value as {}", shown(other.name));
        (Pointer::Fact(other.fact), phrase)
    });
    Some(CrossFault {
        lint: &AGE,
        severity: if old.age > days.saturating_mul(WORSE) {
            Severity::Medium
        } else {
            AGE.severity
        },
        confidence: AGE.confidence,
        persona: AGE.persona,
        primary: Pointer::Fact(old.fact),
        related: others.take(MAX_RELATED).collect(),
        message: format!(
            "{} has had the same value for {} days: {what} is to be rotated after {days}",
            shown(old.name),
            old.age,
        ),
        subject: old.site.key.clone(),
        fix: None,
        properties: vec![("ageDays", old.age.to_string())],
    })
}

/// Returns a name as it may stand in a message.
fn shown(name: Option<&str>) -> String {
    const MAX: usize = 60;
    let Some(name) = name else {
        return "a secret".to_owned();
    };
    let clean = name.chars().map(|c| {
        if crate::model::is_unsafe(c) || c == '`' {
            '?'
        } else {
            c
        }
    });
    format!("`{}`", clean.take(MAX).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::super::super::trial;
    use super::*;

    fn told(age: &'static str, key: &str) -> Vec<Severity> {
        let text: &'static str = Box::leak(format!("{key}=Vx7kQ2mR9tLp4wZc\n").into_boxed_str());
        let path: &'static str =
            Box::leak(format!("{age} days ago: deploy/prod.properties").into_boxed_str());
        let files: &'static [(&str, &str)] =
            Box::leak(Box::new([(path, text), ("deploy/prod.properties", text)]));
        let told = trial::run(files).into_iter();
        let own = told.filter(|one| one.id == AGE.id);
        own.map(|one| one.severity).collect()
    }

    #[test]
    fn each_type_has_its_time() {
        for (key, days) in [
            ("billing.api_key", 90_u32),
            ("db.password", 90),
            ("tls.key_password", 90),
            ("ssh.key_password", 365),
            ("app.jwt_secret", 730),
            ("data.encryption_secret", 730),
        ] {
            let at = |days: u32| told(Box::leak(days.to_string().into_boxed_str()), key);
            assert!(at(days).is_empty(), "{key}");
            assert_eq!(at(days + 1), [Severity::Low], "{key}");
            assert_eq!(at(days * WORSE), [Severity::Low], "{key}");
            assert_eq!(at(days * WORSE + 1), [Severity::Medium], "{key}");
        }
    }

    #[test]
    fn several_places_of_one_value_are_one_fault_without_the_value() {
        let told = trial::run(&[
            (
                "200 days ago: a/prod.properties",
                "db.password=Vx7kQ2mR9tLp\n",
            ),
            ("a/prod.properties", "db.password=Vx7kQ2mR9tLp\n"),
            ("b/prod.properties", "db.password=Vx7kQ2mR9tLp\n"),
        ]);
        let own: Vec<_> = told.iter().filter(|one| one.id == AGE.id).collect();
        assert_eq!(own.len(), 1, "{told:?}");
        assert!(own[0].message.contains("for 200 days"), "{own:?}");
        assert!(!own[0].message.contains("Vx7k"), "{own:?}");
    }

    #[test]
    fn without_history_nothing_is_old() {
        let told = trial::run(&[("a/prod.properties", "db.password=Vx7kQ2mR9tLp\n")]);
        assert!(told.iter().all(|one| one.id != AGE.id), "{told:?}");
    }
}
