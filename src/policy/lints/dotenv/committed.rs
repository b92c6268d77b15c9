//! `dotenv-committed`: a real environment file stands among the tracked files.

use std::cmp::Reverse;

use super::{
    super::{
        super::{
            fault::{Fault, FixClass},
            kind::FileKind,
            lint::{Context, Document, Lint, LintMeta, Persona},
            values::Strength,
        },
        config::traps,
        pairs::{self, Place},
    },
    Kept, client, is_example, is_sops, kept,
};
use crate::model::{Confidence, Severity};

const COMMITTED: LintMeta = LintMeta {
    id: "dotenv-committed",
    title: "A real environment file is tracked, or nothing keeps it from being",
    tool: "dotenv",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet",
        "CWE-540: Inclusion of Sensitive Information in Source Code",
    ],
    cwe: 540,
    fix: FixClass::None,
    why: "Whoever can read the repository, now or later, has these secrets; removing the file leaves them in the history.",
    help: "Add the file to .gitignore, and keep a .env.example without values. If git tracks it already (`git ls-files FILE` names it), \
           take it out with `git rm --cached FILE` and rotate the values: history keeps them.",
    bad: &[
        &[(
            ".env.production",
            "APP_NAME=shop\nDB_PASSWORD=hunter2-Zq81\n",
        )],
        &[(
            "deploy/prod.env",
            "export DATABASE_URL=\"postgres://app:Vx7kQ2mR9tLp@db/shop\"\r\n",
        )],
    ],
    good: &[
        // The good form.
        &[(
            ".env.example",
            "APP_NAME=shop\nDB_PASSWORD=\nAPI_TOKEN=<your token>\n",
        )],
        // Frameworks ship these values to the browser anyway.
        &[(
            ".env",
            "VITE_TITLE=Shop\nVITE_API_URL=https://api.example.org\nREACT_APP_SITE_KEY=abc\n",
        )],
        // Encrypted by dotenvx.
        &[(
            ".env.production",
            "DOTENV_PUBLIC_KEY_PRODUCTION=02a1\nDB_PASSWORD=\"encrypted:BE9Y7LKANx77X1pv1HnEoil93fPa5c9rpL\"\n",
        )],
        // Encrypted by sops.
        &[(
            "prod.env",
            "DB_PASSWORD=ENC[AES256_GCM,data:abc,iv:def,tag:ghi,type:str]\nsops_version=3.9.0\nsops_mac=ENC[AES256_GCM,data:x]\n",
        )],
        // Addresses of secrets, and what is filled in later.
        &[(
            "run.env",
            "DB_PASSWORD=op://prod/db/password\nAPI_TOKEN=${API_TOKEN}\nPASSWORD_FILE=/run/secrets/db\n",
        )],
        // A fixture.
        &[("tests/fixtures/.env", "DB_PASSWORD=hunter2-Zq81\n")],
    ],
};

/// Tells tracked environment files.
pub(super) struct Committed;

impl Lint for Committed {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&COMMITTED]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind != FileKind::Dotenv
            || is_example(document.name())
            || is_sops(document.lines())
        {
            return;
        }
        let place = pairs::place(document.path);
        let mut kept = kept(document);
        // What everybody knows is told as such by `weak-default-password`.
        kept.retain(|kept| kept.strength > Strength::Weak);
        let worst = kept.iter().max_by_key(|kept| {
            (
                kept.strength,
                !is_name(kept.value),
                Reverse(kept.span.start),
            )
        });
        match worst {
            Some(worst) => {
                if let Some((severity, confidence)) =
                    grade(place, worst.strength, is_name(worst.value))
                {
                    context.tell(
                        secrets(&kept, worst)
                            .severity(severity)
                            .confidence(confidence),
                    );
                }
            }
            None => context.faults.extend(harmless(document, place)),
        }
    }
}

/// Tells whether a value consists of words.
fn is_name(value: &str) -> bool {
    traps::is_name(value) || traps::is_encoded_prose(value)
}

/// Returns how bad a file with secrets is; `None` if it belongs to tests or shows how something is done.
fn grade(place: Place, strength: Strength, is_name: bool) -> Option<(Severity, Confidence)> {
    let is_shown = place.test || place.example;
    Some(match strength {
        Strength::Random if is_shown => (Severity::Info, Confidence::Medium),
        _ if is_shown => return None,
        // Words that name what they are for: seldom the value in use.
        _ if is_name => (Severity::Low, Confidence::Low),
        Strength::Random => (Severity::High, Confidence::High),
        Strength::Named if place.local && !place.production => {
            (Severity::Medium, Confidence::Medium)
        }
        Strength::Named | Strength::Weak => (Severity::High, Confidence::Medium),
    })
}

fn secrets(kept: &[Kept<'_>], worst: &Kept<'_>) -> Fault {
    let mut names: Vec<&str> = Vec::new();
    for one in kept {
        if !names.contains(&one.line.key.as_str()) && names.len() < 4 {
            names.push(&one.line.key);
        }
    }
    let more = if kept.len() > names.len() {
        " and more"
    } else {
        ""
    };
    let message = format!(
        "this environment file holds the values of {}{more}",
        names.join(", ")
    );
    Fault::new(&COMMITTED, worst.line.key_span.clone(), "secrets", message)
        .secret(worst.span.clone())
}

/// A tracked file that holds no secret yet: the next one will be written here.
fn harmless(document: &Document<'_>, place: Place) -> Option<Fault> {
    let lines = document.lines();
    let is_plain = place.test || place.example || !document.name().starts_with(".env");
    let is_meant =
        |name: &str| name.starts_with("DOTENV_PUBLIC_KEY") || client::prefix(name).is_some();
    let private = lines
        .iter()
        .find(|line| !line.value.is_empty() && !is_meant(&line.key))?;
    let is_encrypted = lines
        .iter()
        .any(|line| line.key.starts_with("DOTENV_PUBLIC_KEY"));
    let is_fetched = lines
        .iter()
        .any(|line| super::super::super::values::reference(&line.value).is_some());
    if is_plain || is_encrypted || is_fetched {
        return None;
    }
    let message = "the next secret that is written to this environment file is published with it";
    let fault = Fault::new(&COMMITTED, private.key_span.clone(), "no secrets", message);
    Some(fault.severity(Severity::Medium).persona(Persona::Pedantic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str, text: &str) -> Vec<(Severity, Persona)> {
        let reading = crate::policy::read(
            &path.into(),
            FileKind::Dotenv,
            text.as_bytes(),
            &crate::model::DigestKey::new([7; 32]),
            &Default::default(),
        );
        let own = reading
            .faults
            .iter()
            .filter(|fault| fault.lint.id == COMMITTED.id);
        own.map(|fault| (fault.severity, fault.persona)).collect()
    }

    #[test]
    fn grades_by_value_and_place() {
        let named = "A=1\nDB_PASSWORD=hunter2-Zq81\n";
        for (path, text, want) in [
            (".env", named, Some(Severity::High)),
            (".env.dev", named, Some(Severity::Medium)),
            (
                ".env",
                "DB_PASSWORD=root-secret-password",
                Some(Severity::Low),
            ),
            ("tests/.env", named, None),
            (
                ".env.test",
                "K_TOKEN=f3b1c0d9e8a7f6b5c4d3e2f1a0b9c8d7",
                Some(Severity::Info),
            ),
            (".env", "DB_PASSWORD='postgres'", None),
            (
                ".env",
                "export K_TOKEN=`f3b1c0d9e8a7f6b5c4d3e2f1a0b9c8d7`",
                Some(Severity::High),
            ),
            (".envrc", "export DB_PASSWORD=\"$(pass show db)\"", None),
        ] {
            let severities: Vec<_> = told(path, text)
                .into_iter()
                .filter(|one| one.1 == Persona::Regular)
                .map(|one| one.0)
                .collect();
            assert_eq!(
                severities,
                want.into_iter().collect::<Vec<_>>(),
                "{path} {text}"
            );
        }
        assert_eq!(
            told(".env", "APP_NAME=shop"),
            [(Severity::Medium, Persona::Pedantic)]
        );
    }

    #[test]
    fn duplicates_are_not_collapsed() {
        let text = "DB_PASSWORD=hunter2-Zq81\nDB_PASSWORD=\n";
        assert_eq!(told(".env", text), [(Severity::High, Persona::Regular)]);
    }
}
