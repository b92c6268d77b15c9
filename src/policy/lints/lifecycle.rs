//! `weak-default-password`: values that everybody knows or can guess, under the names of passwords. Values that are too old are in `age`.

mod age;

pub(crate) use age::ID as AGE;

use std::{cell::OnceCell, collections::BTreeSet, ops::Range};

use super::{
    super::{
        fault::{Fault, FixClass},
        kind::FileKind,
        lint::{Context, Document, Lint, LintMeta, Persona},
        names,
        node::Node,
        values::{self, Strength},
    },
    config::traps,
    pairs::{self, Form, Pair, Place},
};
use crate::model::{Confidence, Severity};

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[&Weak, &age::Age];

/// The lint's id, for who settles which lint owns a place.
pub(in super::super) const ID: &str = "weak-default-password";

const WEAK: LintMeta = LintMeta {
    id: ID,
    title: "A password is a known default or can be guessed",
    tool: "configuration files",
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Authentication Cheat Sheet",
        "CWE-521: Weak Password Requirements",
        "CWE-1392: Use of Default Credentials",
    ],
    cwe: 1392,
    fix: FixClass::None,
    why: "Defaults, short words and names are the first values that an attacker tries.",
    help: "Generate at least 128 random bits per environment, for example with `openssl rand -base64 24`, and keep them in a secret store.",
    bad: &[
        &[(
            "src/main/resources/application-prod.yml",
            "app:\n  admin:\n    password: admin123\n",
        )],
        &[(
            "deploy/prod/compose.yml",
            "services:\n  db:\n    image: acme/db:1\n    environment:\n      DB_PASSWORD: whalehello\n",
        )],
        &[(
            "conf/app.properties",
            "db.user=billing\ndb.password=billing\ncache.password=1234\n",
        )],
        &[(
            "conf/app.toml",
            "[database]\nurl = \"postgres://postgres:postgres@db/shop\"\n",
        )],
    ],
    good: &[
        // The good form.
        &[(
            "application-prod.yml",
            "app:\n  admin:\n    password: ${ADMIN_PASSWORD}\n",
        )],
        // Placeholders, and names of keys inside of secrets.
        &[(
            "values.yaml",
            "auth:\n  password: \"\"\n  existingSecret: db\n  secretKeys:\n    adminPasswordKey: password\n",
        )],
        &[(
            "application.yml",
            "app:\n  admin:\n    password: changeme\n    passwordPolicy: strong\n",
        )],
        // Types and texts.
        &[("form.yml", "fields:\n  password: text\n  secret: bool\n")],
        &[("locales/en.json", "{\"password\": \"Password\"}\n")],
    ],
};

/// Most further places that are told of one file.
const MAX_RELATED: usize = 10;

/// Most names of users and databases that values are compared with.
const MAX_NAMES: usize = 1000;

/// Tells weak passwords.
struct Weak;

impl Lint for Weak {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&WEAK]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(is_general) = scope(document.kind) else {
            return;
        };
        let place = pairs::place(document.path);
        if is_general
            && (place.prose || traps::is_none(document) || traps::is_manifest(document.name()))
        {
            return;
        }
        // Most files hold no secret to compare with.
        let users = OnceCell::new();
        let mut guesses: Vec<Guess> = Vec::new();
        pairs::each(document, &mut |pair| {
            if guesses.len() <= MAX_RELATED {
                guesses.extend(guess(pair, &users, is_general, place, document));
            }
        });
        context.faults.extend(fault(guesses, place));
    }
}

/// Returns whether a kind holds settings of any sort (`true`) or variables of services (`false`); `None` for kinds that are not read
/// here: what a pipeline gives to the services of its tests concerns nobody.
fn scope(kind: FileKind) -> Option<bool> {
    match kind {
        FileKind::Compose
        | FileKind::Kubernetes
        | FileKind::HelmValues
        | FileKind::Dotenv
        | FileKind::Ansible
        | FileKind::Serverless => Some(false),
        FileKind::Properties
        | FileKind::Toml
        | FileKind::Json
        | FileKind::Xml
        | FileKind::Yaml
        | FileKind::Terraform
        | FileKind::Tfvars
        | FileKind::Hcl => Some(true),
        _ => None,
    }
}

/// A password that can be guessed.
struct Guess {
    path: String,
    span: Range<usize>,
    /// Who but its owner can try it.
    exposed: Exposure,
}

/// Who can try a password that can be guessed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exposure {
    /// Nobody, as far as the file tells.
    None,
    /// Whoever reaches a port that compose publishes on all addresses: most such files run on one developer's machine.
    Published,
    /// Whoever reaches production.
    Production,
}

/// Returns the values of a file that name users, databases and services, in lower case.
fn users(document: &Document<'_>) -> BTreeSet<String> {
    const NAMES: [&str; 8] = [
        "user", "username", "login", "db", "database", "account", "owner", "role",
    ];
    let mut users = BTreeSet::new();
    pairs::each(document, &mut |pair| {
        let words = names::words(pair.name);
        let last = words.iter().rev().find(|word| *word != "name");
        let is_user = last.is_some_and(|word| NAMES.contains(&word.as_str()));
        if is_user && users.len() < MAX_NAMES && (3..64).contains(&pair.value.len()) {
            users.insert(pair.value.to_ascii_lowercase());
        }
    });
    users
}

fn guess(
    pair: &Pair<'_, '_>,
    users: &OnceCell<BTreeSet<String>>,
    is_general: bool,
    place: Place,
    document: &Document<'_>,
) -> Option<Guess> {
    let held = pair.secret()?;
    let value = pair.value.get(held.part.clone())?;
    let about = pair.around.iter().chain([&pair.name]);
    let is_field = held.form == Form::Whole
        && (!pairs::is_chosen(pair.name) || is_key_of_secret(pair.name, value));
    if is_field
        || about.clone().any(|key| traps::is_about_text(key, 1))
        || value.contains(char::is_whitespace)
        || held.form == Form::Url && pair.value.contains(char::is_whitespace)
    {
        return None;
    }
    let lower = value.to_ascii_lowercase();
    let users = users.get_or_init(|| self::users(document));
    let is_named = users.contains(&lower)
        || held.strength == Strength::Weak
            && about
                .flat_map(|key| names::words(key))
                .any(|word| word == lower);
    let is_production =
        place.production || pair.around.iter().any(|key| pairs::place(key).production);
    // In files of any sort a short word may be a type: only those that are known are told. Of production every word is one too many.
    let is_known = if is_general {
        is_default(&lower)
    } else {
        values::is_weak(value) || value.chars().count() < 8 || is_production
    };
    let is_weak = held.strength == Strength::Weak && is_known;
    if !(is_named || is_weak || is_season(value)) {
        return None;
    }
    Some(Guess {
        path: pair.path(),
        span: pair.source(held.part),
        exposed: if is_production {
            Exposure::Production
        } else if is_published(document, pair) {
            Exposure::Published
        } else {
            Exposure::None
        },
    })
}

/// Tells whether a value is a default, not only short.
fn is_default(lower: &str) -> bool {
    const SHORT: [&str; 16] = [
        "root", "toor", "admin", "pass", "test", "guest", "user", "demo", "1234", "12345", "0000",
        "1111", "4321", "sa", "qwer", "asdf",
    ];
    SHORT.contains(&lower) || lower.chars().count() >= 6 && values::is_weak(lower)
}

/// Tells whether a name is of a key inside of a secret: `adminPasswordKey: password`.
fn is_key_of_secret(name: &str, value: &str) -> bool {
    let words = names::words(name);
    words.last().is_some_and(|word| word == "key") && words.len() > 1 && names::is_secret(value)
        || words.last().is_some_and(|word| word == "key") && value.contains(['-', '.'])
}

/// Tells whether a value is a word with a year: `Summer2024!`.
fn is_season(value: &str) -> bool {
    let value = value.trim_end_matches(['!', '.', '#', '@', '$', '*']);
    let word = value.trim_end_matches(|c: char| c.is_ascii_digit());
    let year = value.get(word.len()..).unwrap_or_default();
    let word = word.trim_end_matches(['-', '_', '@', '.']);
    let is_year = year.len() == 4 && (year.starts_with("19") || year.starts_with("20"));
    is_year && (3..=12).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphabetic())
}

/// Tells whether a value opens a service of a compose file that has a port on all addresses of the host.
fn is_published(document: &Document<'_>, pair: &Pair<'_, '_>) -> bool {
    let [services, service, ..] = pair.around else {
        return false;
    };
    if document.kind != FileKind::Compose || *services != "services" {
        return false;
    }
    let trees = document.trees().iter();
    let Some(service) = trees
        .filter_map(|tree| tree.at(&["services", service]))
        .next()
    else {
        return false;
    };
    let is_local = |host: &str| {
        matches!(
            host.trim_matches(['[', ']']),
            "127.0.0.1" | "localhost" | "::1"
        )
    };
    let is_open = |port: &Node| match port.text() {
        Some(text) => text.contains(':') && !text.rsplitn(3, ':').nth(2).is_some_and(is_local),
        None => {
            port.get("published").is_some() && !port.text_at(&["host_ip"]).is_some_and(is_local)
        }
    };
    let is_open = service
        .get("ports")
        .is_some_and(|ports| ports.items().iter().any(is_open));
    is_open && is_own(service, pair.name)
}

/// Tells whether a password is that of the service itself, not one by which it calls another: `DB_PASSWORD` of a web server.
fn is_own(service: &Node, name: &str) -> bool {
    const STORES: [&str; 22] = [
        "postgres",
        "postgresql",
        "postgis",
        "pg",
        "timescaledb",
        "mysql",
        "mariadb",
        "percona",
        "mongo",
        "mongodb",
        "redis",
        "valkey",
        "mssql",
        "couchdb",
        "influxdb",
        "neo",
        "elasticsearch",
        "opensearch",
        "clickhouse",
        "rabbitmq",
        "db",
        "database",
    ];
    let is_store = |word: &String| STORES.contains(&word.as_str());
    let image = service.text_at(&["image"]).unwrap_or_default();
    let image = image.rsplit('/').next().unwrap_or_default();
    names::words(image).iter().any(is_store) || !names::words(name).iter().any(is_store)
}

/// Makes one fault of all guesses: at the first that others can try, or else at the first.
fn fault(guesses: Vec<Guess>, place: Place) -> Option<Fault> {
    let worst = guesses.iter().map(|guess| guess.exposed).max()?;
    let first = guesses.iter().position(|guess| guess.exposed == worst)?;
    let guess = guesses.get(first)?;
    let severity = match worst {
        _ if place.test || place.local || place.example => Severity::Info,
        Exposure::None => Severity::Info,
        Exposure::Published => Severity::Low,
        Exposure::Production => WEAK.severity,
    };
    let message = message(&guess.path, guesses.len() - 1);
    let mut fault = Fault::new(&WEAK, guess.span.clone(), guess.path.clone(), message)
        .secret(guess.span.clone())
        .severity(severity);
    if place.test {
        fault = fault.persona(Persona::Pedantic);
    }
    for (at, other) in guesses.iter().enumerate().take(MAX_RELATED + 1) {
        if at != first {
            fault = fault.related(other.span.clone(), format!("`{}`", other.path));
        }
    }
    Some(fault)
}

fn message(path: &str, others: usize) -> String {
    let more = match others {
        0 => String::new(),
        1 => ", and so can one more".to_owned(),
        MAX_RELATED.. => ", and so can many more".to_owned(),
        others => format!(", and so can {others} more"),
    };
    format!("the value of `{path}` is a known default or can be guessed{more}")
}

/// Returns a fault of this lint without the places that others tell; `None` if none is left.
pub(in super::super) fn without(
    mut fault: Fault,
    is_owned: &dyn Fn(&Range<usize>) -> bool,
) -> Option<Fault> {
    let told = fault.related.len();
    fault.related.retain(|(span, _)| !is_owned(span));
    if is_owned(&fault.span) {
        if fault.related.is_empty() {
            return None;
        }
        // The first that is left speaks for the others.
        let (span, path) = fault.related.remove(0);
        fault.subject = path.trim_matches('`').to_owned();
        fault.secret = Some(span.clone());
        fault.span = span;
    } else if fault.related.len() == told {
        return Some(fault);
    }
    fault.message = message(&fault.subject, fault.related.len());
    Some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{self, environment::Environments};

    fn told(path: &str, text: &str) -> Vec<(String, Severity, usize)> {
        let blob = path.into();
        let kind = policy::wants(&blob).unwrap();
        let key = crate::model::DigestKey::new([7; 32]);
        let reading = policy::read(&blob, kind, text.as_bytes(), &key, &Environments::default());
        let own = reading
            .faults
            .into_iter()
            .filter(|fault| fault.lint.id == WEAK.id);
        own.map(|fault| {
            (
                text[fault.span].to_owned(),
                fault.severity,
                fault.related.len(),
            )
        })
        .collect()
    }

    #[test]
    fn guesses_in_every_form() {
        for (path, text, want) in [
            (
                "compose.yml",
                "services:\n  db:\n    environment:\n      MYSQL_ROOT_PASSWORD: root\n",
                "root",
            ),
            (
                "compose.yml",
                "services:\n  db:\n    environment:\n      - MYSQL_ROOT_PASSWORD=root\n",
                "root",
            ),
            (
                "values.yaml",
                "auth:\n  username: shopkeeper\n  password: shopkeeper\n",
                "shopkeeper",
            ),
            (
                "values.yaml",
                "rabbitmq:\n  password: rabbitmq\n",
                "rabbitmq",
            ),
            (".env", "DB_PASSWORD='secret'\n", "secret"),
            ("run.env", "REDIS_PASSWORD=pw1234\n", "pw1234"),
            ("app.yml", "password: Summer2024!\n", "Summer2024!"),
            ("app.ini", "[db]\npassword = 12345678\n", "12345678"),
            ("app.xml", "<a><password>admin</password></a>", "admin"),
            (
                "main.tf",
                "variable \"db_password\" {\n  default = \"postgres\"\n}\n",
                "postgres",
            ),
        ] {
            let told = told(path, text);
            assert_eq!(
                told.iter()
                    .map(|one| (one.0.as_str(), one.1))
                    .collect::<Vec<_>>(),
                [(want, Severity::Info)],
                "{path} {text}"
            );
        }
    }

    #[test]
    fn published_ports_and_production_make_it_a_fault() {
        let compose = |ports: &str| {
            format!(
                "services:\n  db:\n    image: postgres:17\n    ports: [{ports}]\n    environment: {{POSTGRES_PASSWORD: postgres, PGADMIN_PASSWORD: admin}}\n"
            )
        };
        for (path, ports, want) in [
            ("compose.yml", "\"5432:5432\"", Severity::Low),
            ("compose.yml", "\"127.0.0.1:5432:5432\"", Severity::Info),
            (
                "compose.yml",
                "{target: 5432, published: 5432}",
                Severity::Low,
            ),
            ("compose.yml", "5432", Severity::Info),
            ("compose.dev.yml", "\"5432:5432\"", Severity::Info),
            ("compose.prod.yml", "", Severity::Medium),
        ] {
            assert_eq!(
                told(path, &compose(ports)),
                [("postgres".to_owned(), want, 1)],
                "{path} {ports}"
            );
        }
    }

    #[test]
    fn ports_of_callers_open_nothing() {
        let text = "services:\n  web:\n    image: shop\n    ports: ['80:80']\n    environment: [POSTGRES_PASSWORD=postgres]\n";
        assert_eq!(
            told("compose.yml", text),
            [("postgres".to_owned(), Severity::Info, 0)]
        );
    }

    #[test]
    fn words_with_years() {
        assert!(is_season("Winter2023") && is_season("acme-2025!"));
        assert!(!is_season("hunter2-Zq81") && !is_season("Vx7kQ2mR2024") && !is_season("2024"));
    }
}
