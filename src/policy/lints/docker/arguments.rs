//! Secrets as `ARG`, `ENV` and `LABEL`: they stay in the image, its history and the record of its build. An `ARG` that a `RUN` fills in is told
//! there, and not once more where it is declared.

use std::collections::BTreeMap;

use super::{
    dockerfile, is_local,
    uses::{MAX_EDITS, Used, uses},
};
use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        names::{self, Secretness},
        readers::dockerfile::{Dockerfile, Instruction, Pair, What},
        values::{self, Strength, Value},
    },
};

const SECRET_ARG_ENV: LintMeta = LintMeta {
    id: "docker-secret-arg-env",
    title: "A secret is an ARG, ENV or LABEL of an image",
    tool: "Dockerfile",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet: Containers",
        "Docker: Build checks, SecretsUsedInArgOrEnv",
        "Docker: Build secrets",
    ],
    cwe: 538,
    fix: FixClass::None,
    why: "Values of ENV and LABEL are part of the image, those of ARG part of its history and of the build's record and cache: \
          whoever can pull the image or read the build reads the secret.",
    help: "Mount the secret for the one RUN that needs it, `RUN --mount=type=secret,id=npm,env=NPM_TOKEN npm ci`, and hand \
           secrets of the running program to the container, not to the image.",
    bad: &[
        &[("Dockerfile", "FROM node:22\nARG NPM_TOKEN\nRUN npm ci\n")],
        &[("Dockerfile", "FROM alpine:3\nENV API_TOKEN=hunter2-Zq81\n")],
        &[(
            "Dockerfile",
            "FROM alpine:3\nENV LANG=C \\\n    # of the database\n    DB_PASSWORD=\"Vx7kQ2mR9tLp\"\n",
        )],
        &[(
            "build/app.Dockerfile",
            "FROM alpine:3\nENV SIGNING_KEY Vx7kQ2mR9tLp\n",
        )],
    ],
    good: &[
        &[(
            "Dockerfile",
            "FROM node:22\nRUN --mount=type=secret,id=npm,env=NPM_TOKEN npm ci\n",
        )],
        &[(
            "Dockerfile",
            "FROM python:3\nENV GPG_KEY=7169605F62C751356D054A26A821E680E5FA6305 PYTHON_SHA256=ab12\n\
             ENV KEY_DIR=/etc/keys SSH_KEY_PATH=/etc/keys/ssh ENABLE_DEFAULT_CA_KEY_USAGES=true\n\
             ARG APT_KEYRING=/usr/share/keyrings/x.gpg\nENV DB_PASSWORD_FILE=/run/secrets/db TOKEN_TTL=3600\n",
        )],
    ],
};

pub(super) const SECRET_ARG_IN_RUN: LintMeta = LintMeta {
    id: "docker-secret-arg-in-run",
    title: "A RUN uses a secret from a build argument",
    tool: "Dockerfile",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet: Containers",
        "Docker: Build variables",
        "Docker: Build secrets",
    ],
    cwe: 538,
    fix: FixClass::Unsafe,
    why: "Build arguments are written into the image's history beside each RUN and into the build's record: a secret that has \
          to be there at build time leaves with the image.",
    help: "Mount it for this RUN alone, `RUN --mount=type=secret,id=name,env=NAME,required=true ...`, and drop the ARG. Whoever \
           builds then gives `--secret id=name,env=NAME` in place of `--build-arg NAME`. Rotate a secret that was ever built in.",
    bad: &[
        &[(
            "Dockerfile",
            "FROM alpine:3\nARG NPM_TOKEN\nRUN curl -H \"Authorization: Bearer ${NPM_TOKEN}\" https://npm.acme.test/x\n",
        )],
        &[(
            "Dockerfile",
            "ARG PYPI_PASSWORD\nFROM python:3\nARG PYPI_PASSWORD\nRUN pip install twine && \\\n    # the upload\n    twine upload -p \"$PYPI_PASSWORD\" dist/*\n",
        )],
        &[(
            "Dockerfile",
            "FROM alpine:3\nARG API_TOKEN\nRUN <<EOF\nfetch --header \"X-Token: $API_TOKEN\"\nEOF\n",
        )],
    ],
    good: &[
        &[(
            "Dockerfile",
            "FROM alpine:3\nRUN --mount=type=secret,id=npm,env=NPM_TOKEN curl -H \"Authorization: Bearer ${NPM_TOKEN}\" https://npm.acme.test/x\n",
        )],
        &[(
            "Dockerfile",
            "ARG TOKEN_VERSION=3\nFROM acme/token:${TOKEN_VERSION}\nARG TOKEN_VERSION\nLABEL version=${TOKEN_VERSION}\nRUN echo ${TOKEN_VERSION}\n",
        )],
    ],
};

/// `docker-secret-arg-env` and `docker-secret-arg-in-run`.
pub(super) struct Arguments;

impl Lint for Arguments {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&SECRET_ARG_ENV, &SECRET_ARG_IN_RUN]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(file) = dockerfile(document) else {
            return;
        };
        let used = uses(file);
        let mut told = Vec::new();
        for (number, (name, used)) in used.iter().enumerate() {
            let mut fault = used.fault(name);
            // Each looks through the whole file.
            if number < MAX_EDITS {
                fault.fix = used.fix(name, file, document.text);
            }
            told.push(fault);
        }
        told.extend(declared(file, &used, is_local(document.path)));
        for fault in told {
            context.tell(fault);
        }
    }
}

/// Returns those with the name of a secret.
pub(super) fn secret(pairs: &[Pair]) -> impl Iterator<Item = &Pair> {
    pairs.iter().filter(|pair| names::is_secret(&pair.name))
}

/// What declares a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Arg,
    Env,
    Label,
}

/// One `ARG`, `ENV` or `LABEL` with the name of a secret.
struct Declared<'f> {
    pair: &'f Pair,
    word: Word,
    severity: Severity,
    confidence: Confidence,
    message: String,
    /// Whether the secret itself stands there.
    is_value: bool,
}

fn declared(file: &Dockerfile, used: &BTreeMap<String, Used>, local: bool) -> Vec<Fault> {
    let mut groups: BTreeMap<(Word, &str), Vec<Declared<'_>>> = BTreeMap::new();
    for instruction in super::instructions(file) {
        for one in judged(instruction, local) {
            groups
                .entry((one.word, one.pair.name.as_str()))
                .or_default()
                .push(one);
        }
    }
    let baked: Vec<&str> = groups
        .keys()
        .filter(|(word, _)| *word == Word::Env)
        .map(|(_, name)| *name)
        .collect();
    let mut faults = Vec::new();
    for ((word, name), group) in &groups {
        // The worst speaks for all of the same name; an argument that is told as a variable or at its use is told once.
        let Some(first) = group.iter().rev().max_by_key(|one| one.severity) else {
            continue;
        };
        if *word == Word::Arg
            && !first.is_value
            && (used.contains_key(*name) || baked.contains(name))
        {
            continue;
        }
        faults.push(fault(first, group));
    }
    faults
}

fn fault(first: &Declared<'_>, group: &[Declared<'_>]) -> Fault {
    let pair = first.pair;
    let value = pair
        .value
        .as_ref()
        .filter(|_| first.is_value)
        .map(|value| value.source(0..value.text.len()));
    let word = match first.word {
        Word::Arg => "ARG",
        Word::Env => "ENV",
        Word::Label => "LABEL",
    };
    let span = value.clone().unwrap_or_else(|| pair.name_span.clone());
    let subject = format!("{word} {}", pair.name);
    let mut fault = Fault::new(&SECRET_ARG_ENV, span, subject, first.message.clone())
        .severity(first.severity)
        .confidence(first.confidence);
    if let Some(value) = value {
        fault = fault.secret(value);
    }
    let others = group.iter().filter(|other| !std::ptr::eq(other.pair, pair));
    for other in others.take(8) {
        fault = fault.related(other.pair.name_span.clone(), "declared here as well");
    }
    fault
}

fn judged(instruction: &Instruction, local: bool) -> Vec<Declared<'_>> {
    let (pairs, word) = match &instruction.what {
        What::Arg(pairs) => (pairs, Word::Arg),
        What::Env(pairs) => (pairs, Word::Env),
        What::Label(pairs) => (pairs, Word::Label),
        _ => return Vec::new(),
    };
    secret(pairs)
        .filter_map(|pair| judge(pair, word, local))
        .collect()
}

/// Judges a label: weak words and sentences are what it says of the image.
fn label(pair: &Pair, strength: Strength, local: bool) -> Option<(Severity, String)> {
    let text = pair.value.as_ref().map_or("", |value| value.text.as_str());
    if strength == Strength::Weak || text.contains(' ') {
        return None;
    }
    let severity = if local {
        Severity::Info
    } else {
        Severity::High
    };
    let message = format!("`{}` is set to a secret that stays in the image", pair.name);
    Some((severity, message))
}

fn judge(pair: &Pair, word: Word, local: bool) -> Option<Declared<'_>> {
    let is_env = word == Word::Env;
    let text = pair.value.as_ref().map_or("", |value| value.text.as_str());
    let value = values::classify(text);
    let is_value = matches!(value, Value::Literal(_));
    if is_value && text.contains("://") {
        // `docker-url-credentials` tells those.
        return None;
    }
    let (severity, message) = match value {
        Value::Literal(strength) if word == Word::Label => label(pair, strength, local)?,
        _ if word == Word::Label => return None,
        Value::Literal(strength) => literal(&pair.name, strength, is_env, local),
        _ => other(&pair.name, value, is_env)?,
    };
    let confidence = if is_env {
        Confidence::High
    } else {
        Confidence::Medium
    };
    Some(Declared {
        pair,
        word,
        severity,
        confidence,
        message,
        is_value,
    })
}

/// Judges a value that stands in the file.
fn literal(name: &str, strength: Strength, is_env: bool, local: bool) -> (Severity, String) {
    let (severity, what) = match strength {
        Strength::Weak if local => (
            Severity::Info,
            "is set to a weak secret in an image for tests or examples",
        ),
        Strength::Weak => (
            Severity::Medium,
            "is set to a weak secret that each container starts with",
        ),
        _ if !is_env => (
            Severity::High,
            "has a secret as its default, which stays in the file and the image's history",
        ),
        _ if names::secretness(name) == Secretness::Master => (
            Severity::Critical,
            "is set in the image, and other secrets hang on it",
        ),
        _ => (Severity::High, "is set to a secret that stays in the image"),
    };
    (severity, format!("`{name}` {what}"))
}

/// Judges what will become a secret.
fn other(name: &str, value: Value, is_env: bool) -> Option<(Severity, String)> {
    let (severity, what) = match (value, is_env) {
        (Value::Template, true) => (
            Severity::High,
            "is filled in when the image is built and stays in it",
        ),
        (Value::Placeholder, true) => (
            Severity::Info,
            "is set to a placeholder: whoever replaces it here puts the secret into the image",
        ),
        (Value::Empty, true) => (
            Severity::Medium,
            "is a variable of the image: whoever fills it in here puts the secret into the image",
        ),
        (Value::Empty | Value::Template | Value::Placeholder, false) => (
            Severity::Medium,
            "is a secret and a build argument: its value stays in the image's history and the build's record",
        ),
        _ => return None,
    };
    Some((severity, format!("`{name}` {what}")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fixed, told};

    #[test]
    fn declarations_by_value() {
        for (text, want) in [
            ("ENV API_TOKEN=\n", "docker-secret-arg-env medium API_TOKEN"),
            (
                "ENV API_TOKEN=changeme\n",
                "docker-secret-arg-env info API_TOKEN",
            ),
            (
                "ENV API_TOKEN=password\n",
                "docker-secret-arg-env medium password",
            ),
            (
                "ENV ENCRYPTION_KEY=Vx7kQ2mR9tLp\n",
                "docker-secret-arg-env critical Vx7kQ2mR9tLp",
            ),
            (
                "ARG API_TOKEN=hunter2-Zq81\n",
                "docker-secret-arg-env high hunter2-Zq81",
            ),
            (
                "ARG API_TOKEN\nENV API_TOKEN=$API_TOKEN\n",
                "docker-secret-arg-env high API_TOKEN",
            ),
            (
                "ARG API_TOKEN\nFROM b\nARG API_TOKEN\n",
                "docker-secret-arg-env medium API_TOKEN",
            ),
            (
                "ONBUILD ARG API_TOKEN\n",
                "docker-secret-arg-env medium API_TOKEN",
            ),
            (
                "env API_TOKEN \"hunter2-Zq81\"\r\n",
                "docker-secret-arg-env high hunter2-Zq81",
            ),
        ] {
            assert_eq!(
                told("Dockerfile", &format!("FROM a\n{text}")),
                [want],
                "{text:?}"
            );
        }
        let text = "FROM a\nENV API_TOKEN=password\n";
        assert_eq!(
            told("test/Dockerfile", text),
            ["docker-secret-arg-env info password"]
        );
    }

    #[test]
    fn labels_that_hold_a_secret() {
        for (text, want) in [
            (
                "LABEL maintainer=me com.acme.deploy-token=hunter2-Zq81\n",
                vec!["docker-secret-arg-env high hunter2-Zq81"],
            ),
            ("LABEL com.acme.token=\"asks the store for it\"\n", vec![]),
            ("LABEL com.acme.secret=true com.acme.password=\n", vec![]),
            ("LABEL traefik.token.url=https://x.acme.test\n", vec![]),
        ] {
            let told = told("Dockerfile", &format!("FROM a\n{text}"));
            assert_eq!(told, want, "{text:?}");
        }
    }

    #[test]
    fn uses_follow_the_scope_of_arguments() {
        for (text, want) in [
            (
                "FROM a AS b\nARG X_TOKEN\nFROM b\nRUN c $X_TOKEN\n",
                vec!["docker-secret-arg-in-run high $X_TOKEN"],
            ),
            (
                "FROM a AS b\nARG X_TOKEN\nFROM c\nRUN c $X_TOKEN\n",
                vec!["docker-secret-arg-env medium X_TOKEN"],
            ),
            (
                "FROM a\nRUN c $X_TOKEN\nARG X_TOKEN\n",
                vec!["docker-secret-arg-env medium X_TOKEN"],
            ),
            (
                "FROM a\nARG X_TOKEN\nRUN c '$X_TOKEN'\n",
                vec!["docker-secret-arg-env medium X_TOKEN"],
            ),
            (
                "FROM a\nARG X_TOKEN\nRUN [\"sh\", \"-c\", \"c ${X_TOKEN:?}\"]\n",
                vec!["docker-secret-arg-in-run high ${X_TOKEN:?}"],
            ),
            (
                "FROM a\nARG X_TOKEN=hunter2-Zq81\nRUN c $X_TOKEN\n",
                vec![
                    "docker-secret-arg-env high hunter2-Zq81",
                    "docker-secret-arg-in-run high $X_TOKEN",
                ],
            ),
        ] {
            assert_eq!(told("Dockerfile", text), want, "{text:?}");
        }
    }

    #[test]
    fn the_fix_mounts_the_secret() {
        let text =
            "FROM a\nARG X_TOKEN\nRUN c $X_TOKEN\nRUN --network=none d \\\n  ${X_TOKEN} $X_TOKEN\n";
        let want = "FROM a\nRUN --mount=type=secret,id=x_token,env=X_TOKEN,required=true c $X_TOKEN\n\
                    RUN --mount=type=secret,id=x_token,env=X_TOKEN,required=true --network=none d \\\n  ${X_TOKEN} $X_TOKEN\n";
        assert_eq!(fixed("Dockerfile", text), want);
        assert!(told("Dockerfile", want).is_empty());
    }

    #[test]
    fn the_fix_says_what_callers_change() {
        let text = "FROM a\nARG X_TOKEN\nRUN c $X_TOKEN\n";
        let titles = super::super::tests::titles("Dockerfile", text);
        let [title] = titles.as_slice() else {
            panic!("{titles:?}");
        };
        assert!(title.contains("--secret id=x_token,env=X_TOKEN"), "{title}");
        assert!(
            title.contains("in place of `--build-arg X_TOKEN`"),
            "{title}"
        );
    }
}
