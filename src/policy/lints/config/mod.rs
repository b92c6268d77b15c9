//! `config-inline-credential`: files of settings that hold a secret itself. Only kinds that no other family reads.

use std::{cmp::Reverse, ops::Range};

use super::{
    super::{
        fault::{Fault, FixClass},
        kind::FileKind,
        lint::{Context, Document, Lint, LintMeta, Persona},
        names,
        values::{self, Store, Strength, Value},
    },
    pairs::{self, Form, Pair, Place},
};
use crate::model::{Confidence, Severity};

mod special;
pub(super) mod traps;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[&Inline];

const INLINE: LintMeta = LintMeta {
    id: "config-inline-credential",
    title: "A settings file holds the secret itself",
    tool: "configuration files",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet",
        "CWE-260: Password in Configuration File",
        "CWE-798: Use of Hard-coded Credentials",
    ],
    cwe: 260,
    fix: FixClass::None,
    why: "The file is copied with the code to every machine and every reader; a secret in it cannot be rotated without a release.",
    help: "Put the value into a secret store, write its address or a variable in its place, and rotate what stood there.",
    bad: &[
        &[(
            "src/main/resources/application.yml",
            "spring:\n  datasource:\n    username: app\n    password: hunter2-Zq81\n",
        )],
        &[(
            "appsettings.json",
            "{\"ConnectionStrings\": {\"Default\": \"Server=db;User Id=app;Password=hunter2-Zq81;\"}}\n",
        )],
        &[(
            "conf/app.ini",
            "[smtp]\nhost = mail.example.org\npassword = hunter2-Zq81\n",
        )],
        &[(
            "web.config",
            "<configuration><appSettings><add key=\"ApiSecret\" value=\"q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3\"/></appSettings></configuration>\n",
        )],
        &[(
            "config/database.yml",
            "production:\n  url: mysql2://app:Vx7kQ2mR9tLp@db.example.org/shop\n",
        )],
        &[(
            ".npmrc",
            "//registry.example.org/:_authToken=q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3\n",
        )],
        &[(
            ".netrc",
            "machine api.example.org login me password Vx7kQ2mR9tLp\n",
        )],
    ],
    good: &[
        // The good form.
        &[(
            "application.yml",
            "spring:\n  datasource:\n    password: ${DB_PASSWORD}\n    url: vault:secret/data/prod/db#url\n",
        )],
        &[(
            ".npmrc",
            "//registry.example.org/:_authToken=${NPM_TOKEN}\nsave-exact=true\n",
        )],
        // Translations and texts.
        &[(
            "locales/en.json",
            "{\"password\": \"Password must have 8 signs\", \"token\": \"Zugangs-Token1\"}\n",
        )],
        &[(
            "ui.json",
            "{\"password\": \"Please enter it\", \"labels\": {\"secret\": \"Secret-Key2\"}}\n",
        )],
        // A schema and a description of an interface.
        &[(
            "user.json",
            "{\"$schema\": \"http://json-schema.org/draft-07/schema#\", \"properties\": {\"password\": {\"const\": \"hunter2-Zq81\"}}}\n",
        )],
        &[(
            "api.yml",
            "openapi: 3.1.0\ncomponents:\n  x-password: hunter2-Zq81\n",
        )],
        // Tests, examples, locked versions.
        &[(
            "src/test/resources/application.yml",
            "password: hunter2-Zq81\n",
        )],
        &[("config.example.toml", "password = \"hunter2-Zq81\"\n")],
        // Names of secrets, selectors, manifests, hashes.
        &[(
            "deploy.yml",
            "secret: shop-db-credentials\ntoken: accessToken\npassword: \"#password-field\"\nadmin_password: $2b$12$abcdefghijklmnopqrstuv\n",
        )],
        &[(
            "package.json",
            "{\"name\": \"x\", \"config\": {\"password\": \"hunter2-Zq81\"}}\n",
        )],
        // An address without a password.
        &[(
            "settings.toml",
            "url = \"postgres://db.example.org/shop\"\n[auth]\ntoken_url = \"https://id.example.org/token\"\n",
        )],
    ],
};

/// From this many on the secrets of a file are rows of data: the worst stands for all, so that others make it no milder.
const MANY: usize = 20;

/// Tells secrets in files of settings.
struct Inline;

impl Lint for Inline {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&INLINE]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let is_ours = matches!(
            document.kind,
            FileKind::Properties | FileKind::Toml | FileKind::Json | FileKind::Xml | FileKind::Yaml
        );
        if !is_ours {
            return;
        }
        let place = pairs::place(document.path);
        if place.test || place.example || place.prose || traps::is_none(document) {
            return;
        }
        let is_manifest = traps::is_manifest(document.name());
        let is_genesis = traps::is_genesis(document);
        let mut store = None;
        let mut found = special::find(document);
        pairs::each(document, &mut |pair| {
            store = store.or_else(|| values::reference(pair.value));
            let kept = keeps(pair, place).filter(|one| !is_manifest || one.form != Form::Whole);
            found.extend(kept);
        });
        for kept in &mut found {
            if is_genesis {
                kept.severity = Severity::Info;
            }
        }
        tell(document, store, found, context);
    }
}

/// A secret that a file of settings holds.
struct Kept {
    path: String,
    span: Range<usize>,
    strength: Strength,
    form: Form,
    severity: Severity,
}

/// Returns the secret that a pair holds, if it is hard to guess and no name or text.
fn keeps(pair: &Pair<'_, '_>, place: Place) -> Option<Kept> {
    let held = pair
        .secret()
        .or_else(|| keyed(pair))
        .filter(|held| held.strength > Strength::Weak)?;
    let value = pair.value.get(held.part.clone())?;
    let is_text = pair.value.len() > 4096
        || traps::is_documented(pair.value)
        || traps::is_prose(if held.form == Form::Connection {
            value
        } else {
            pair.value
        });
    let is_name = held.form == Form::Whole
        && (traps::is_name(value)
            || traps::repeats(pair.name, value)
            || traps::is_encoded_prose(value)
            || !is_enough(pair.name, held.strength));
    let is_about_text = traps::is_about_text(pair.name, 1)
        || pair
            .around
            .iter()
            .any(|key| traps::is_about_text(key, usize::MAX));
    if is_text || is_name || is_about_text {
        return None;
    }
    let mut place = place;
    for key in pair.around {
        let inner = pairs::place(key);
        place.production |= inner.production;
        place.local |= inner.local;
        place.test |= inner.test;
    }
    let is_near = ["localhost", "127.0.0.1", "host.docker.internal"]
        .iter()
        .any(|host| pair.value.contains(host));
    let severity = match place {
        Place { test: true, .. } => return None,
        _ if is_near => Severity::Low,
        Place {
            production: true, ..
        } => Severity::High,
        Place { local: true, .. } => Severity::Low,
        _ => Severity::Medium,
    };
    Some(Kept {
        path: pair.path(),
        span: pair.source(held.part),
        strength: held.strength,
        form: held.form,
        severity,
    })
}

/// Returns the secret of `"Jwt": {"Key": …}`: a key that what is around it says to be one, if its value is random.
fn keyed(pair: &Pair<'_, '_>) -> Option<pairs::Held> {
    const OF: [&str; 6] = ["jwt", "signing", "encryption", "hmac", "token", "tokens"];
    let parent = names::words(pair.around.last()?);
    let is_key = pair.name.eq_ignore_ascii_case("key")
        && parent.iter().any(|word| OF.contains(&word.as_str()));
    match values::classify(pair.value) {
        Value::Literal(Strength::Random) if is_key => Some(pairs::Held {
            part: 0..pair.value.len(),
            strength: Strength::Random,
            form: Form::Whole,
        }),
        _ => None,
    }
}

/// Tells whether a value is strong enough to be what its name says: tokens and keys are made by machines, passwords by people too.
fn is_enough(name: &str, strength: Strength) -> bool {
    strength == Strength::Random || pairs::is_chosen(name)
}

fn tell(
    document: &Document<'_>,
    store: Option<Store>,
    mut found: Vec<Kept>,
    context: &mut Context<'_>,
) {
    let many = found.len();
    let hint = hint(document, store);
    if many > MANY {
        found.sort_by_key(|kept| Reverse((kept.severity, kept.strength)));
        found.truncate(1);
    }
    for kept in found {
        let path = if kept.path.is_empty() {
            "the file"
        } else {
            &kept.path
        };
        let message = match kept.form {
            _ if many > MANY => {
                format!("`{path}` and {} further values look like secrets", many - 1)
            }
            Form::Whole => format!("`{path}` holds the secret itself: write {hint}"),
            Form::Url => format!("the address in `{path}` holds its password: write {hint}"),
            Form::Connection => {
                format!("the connection string in `{path}` holds its password: write {hint}")
            }
        };
        let confidence = match kept.strength {
            Strength::Random => Confidence::High,
            _ => Confidence::Medium,
        };
        context.tell(
            Fault::new(&INLINE, kept.span.clone(), path, message)
                .severity(kept.severity)
                .confidence(confidence)
                .secret(kept.span),
        );
    }
}

/// Returns the form in which the file can name the secret instead.
fn hint(document: &Document<'_>, store: Option<Store>) -> &'static str {
    let name = document.name().to_ascii_lowercase();
    match store {
        Some(Store::Vault) => {
            return "its address as elsewhere in this file, such as `vault:path#key`";
        }
        Some(Store::OnePassword) => {
            return "its address as elsewhere in this file, such as `op://vault/item/field`";
        }
        Some(_) => return "its address in the store, as elsewhere in this file",
        None => {}
    }
    match document.kind {
        _ if name == ".npmrc" || name == ".yarnrc" => {
            "`${NPM_TOKEN}` and set the variable where it runs"
        }
        _ if name == "nuget.config" => "`%NAME%` and set the variable where it runs",
        _ if name == "settings.xml" => "`${env.NAME}` and set the variable where it runs",
        _ if name.starts_with("appsettings") || name == "web.config" => {
            "a Key Vault reference, or set it by the host's settings"
        }
        _ if name.starts_with("application") || name.starts_with("bootstrap") => {
            "`${NAME}` and let the platform set the variable"
        }
        _ if matches!(
            name.as_str(),
            ".netrc" | "_netrc" | ".pgpass" | ".git-credentials"
        ) =>
        {
            "it into each user's home, not here"
        }
        FileKind::Yaml if name == "database.yml" => {
            "`<%= ENV.fetch(\"NAME\") %>` and let the platform set the variable"
        }
        _ => "the address of the secret in a store, or a variable's name",
    }
}

#[cfg(test)]
mod tests;
