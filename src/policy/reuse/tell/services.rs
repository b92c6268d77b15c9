//! One value, several services or keys, in one environment.

use std::collections::BTreeSet;

use crate::model::{Confidence, Severity};

use super::{
    super::{
        super::{
            fault::{CrossFault, Pointer},
            lint::{LintMeta, Persona},
            names,
        },
        Class,
        group::Group,
    },
    All, Seen, Told, message,
    pairs::key_base,
};

/// Files that make a folder a package: a service of its own.
const MANIFESTS: [&str; 9] = [
    "cargo.toml",
    "package.json",
    "pom.xml",
    "go.mod",
    "pyproject.toml",
    "build.gradle",
    "build.gradle.kts",
    "chart.yaml",
    "composer.json",
];

/// Words of what several services must share: pulls from a registry, addresses of telemetry (public by design), licences.
const SHARED: [&str; 12] = [
    "registry",
    "dockerconfigjson",
    "dockerhub",
    "docker",
    "ghcr",
    "sentry",
    "dsn",
    "telemetry",
    "license",
    "licence",
    "public",
    "pull",
];

/// Words of servers that are told their password, and of what their clients call it.
const SERVERS: [&str; 22] = [
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "mongo",
    "mongodb",
    "redis",
    "rabbitmq",
    "minio",
    "elastic",
    "elasticsearch",
    "mssql",
    "keycloak",
    "grafana",
    "influxdb",
    "neo4j",
    "clickhouse",
    "couchdb",
    "cassandra",
    "opensearch",
    "valkey",
    "nats",
];

/// Words of the client's end.
const CLIENTS: [&str; 22] = [
    "db",
    "database",
    "datasource",
    "sql",
    "pg",
    "jdbc",
    "url",
    "uri",
    "dsn",
    "cache",
    "broker",
    "queue",
    "client",
    "s3",
    "connection",
    "amqp",
    "celery",
    "smtp",
    "exporter",
    "sa",
    "orm",
    "cluster",
];

/// Returns the folders with a manifest, the root left out: it is no service but all of them.
pub(super) fn manifests<'p>(paths: impl Iterator<Item = &'p str>) -> BTreeSet<String> {
    let folders = paths.filter_map(|path| {
        let (folder, name) = path.rsplit_once('/')?;
        let lower = name.to_ascii_lowercase();
        (MANIFESTS.contains(&lower.as_str()) || lower.ends_with(".csproj"))
            .then(|| folder.to_owned())
    });
    folders.collect()
}

/// Returns the nearest folder with a manifest above a path.
pub(super) fn nearest(manifests: &BTreeSet<String>, path: &str) -> Option<String> {
    let mut folder = path;
    while let Some((above, _)) = folder.rsplit_once('/') {
        if manifests.contains(above) {
            return Some(above.to_owned());
        }
        folder = above;
    }
    None
}

/// Tells a group that no environments part, if several services or keys use it.
pub(super) fn tell(all: &All<'_>, lint: &'static LintMeta, group: &Group, told: &mut Told<'_>) {
    let sites = group.sites.iter().filter_map(|at| all.seen.get(*at));
    // A service that had a value once most often gave it away when it was moved or split: the files as they are decide.
    let (sites, past): (Vec<&Seen<'_>>, Vec<&Seen<'_>>) = sites
        // A value that serves where nobody sets another is often written twice and seldom used.
        .filter(|seen| !seen.labels.is_fixture() && !seen.site.is_default)
        .partition(|seen| !seen.is_past);
    let classes = sites.iter().filter_map(|seen| seen.site.prints());
    let class = classes.map(|prints| prints.class).max();
    let is_meant = sites
        .iter()
        .any(|seen| is_shared(seen) || is_ciphertext(seen))
        || is_link(&sites);
    if sites.len() < 2 || class < Some(Class::Named) || is_meant {
        return;
    }
    let names = sites.iter().map(|seen| key_base(seen.site));
    let names = names
        .filter(|name| !name.is_empty())
        .collect::<BTreeSet<String>>()
        .len();
    let Some(who) = who(&sites, names) else {
        return;
    };
    let is_token = sites.iter().any(|seen| is_token(seen));
    let (known, unknown) = message::order(sites);
    let sorted: Vec<&Seen<'_>> = known.into_iter().chain(unknown).collect();
    let Some((primary, rest)) = sorted.split_first() else {
        return;
    };
    let rest: Vec<&Seen<'_>> = rest.iter().chain(&past).copied().collect();
    let (primary, rest) = message::changed_first(primary, rest);
    let hint = if is_token {
        "; with asymmetric keys only the issuer would need the secret"
    } else {
        ""
    };
    let (keys, owners) = (message::keys(&sorted), message::services(&sorted));
    told.push(CrossFault {
        lint,
        severity: severity(&sorted, class, names, is_token),
        confidence: if class >= Some(Class::Random) {
            lint.confidence
        } else {
            Confidence::Low
        },
        persona: Persona::Regular,
        primary: Pointer::Fact(primary.fact),
        related: message::related(&rest),
        message: format!(
            "{} is one value for {who}: {}{hint}",
            message::place(primary),
            message::links(&rest)
        ),
        subject: format!("{keys}: {owners}"),
        fix: None,
        properties: message::properties(
            &sorted,
            if group.is_encoded { "encoded" } else { "exact" },
        ),
    });
}

/// Returns how many services have a value, or else under how many names it is kept; `None` of one service and few names.
fn who(sites: &[&Seen<'_>], names: usize) -> Option<String> {
    let services = sites.iter().filter_map(|seen| seen.service.as_deref());
    match services.collect::<BTreeSet<&str>>().len() {
        services @ 2.. => Some(format!("{services} services")),
        _ if names >= 3 => Some(format!("{names} keys")),
        _ => None,
    }
}

fn is_ciphertext(seen: &Seen<'_>) -> bool {
    let prints = seen.site.prints();
    prints.is_some_and(|prints| prints.is_ciphertext)
}

/// Tells whether a secret is one that tokens are signed and checked with.
fn is_token(seen: &Seen<'_>) -> bool {
    names::words(seen.site.name())
        .iter()
        .any(|word| word == "jwt")
}

/// Below staging it hardly matters, and a password that a person might choose may be in two places by chance.
fn severity(sites: &[&Seen<'_>], class: Option<Class>, names: usize, is_token: bool) -> Severity {
    let is_lower = sites.iter().all(|seen| seen.labels.is_lower());
    let is_hard = class >= Some(Class::Random);
    match (is_lower, is_hard) {
        (true, false) => Severity::Info,
        (true, true) => Severity::Low,
        (false, false) if names > 1 => Severity::Low,
        _ if is_token => Severity::Low,
        _ => Severity::Medium,
    }
}

/// Tells whether a value is one that several services are meant to have.
fn is_shared(seen: &Seen<'_>) -> bool {
    names::words(&seen.site.key)
        .iter()
        .any(|word| SHARED.contains(&word.as_str()))
}

/// Tells whether sites are the ends of one connection: a server's own password, and those who log in with it.
fn is_link(sites: &[&Seen<'_>]) -> bool {
    let words = |seen: &Seen<'_>| {
        let mut words = names::words(&seen.site.key);
        words.extend(
            seen.service
                .as_deref()
                .map(names::words)
                .unwrap_or_default(),
        );
        words
    };
    let is_server = |seen: &Seen<'_>| {
        let name = seen.site.name().to_ascii_lowercase();
        let is_own = name == "requirepass"
            || words(seen)
                .iter()
                .any(|word| SERVERS.contains(&word.as_str()));
        is_own && seen.site.prints().is_some_and(|prints| !prints.is_client)
    };
    let is_client = |seen: &Seen<'_>| {
        seen.site.prints().is_some_and(|prints| prints.is_client)
            || words(seen)
                .iter()
                .any(|word| CLIENTS.contains(&word.as_str()) || SERVERS.contains(&word.as_str()))
    };
    let is_oauth = |seen: &&Seen<'_>| {
        names::words(&seen.site.key)
            .windows(2)
            .any(|two| matches!(two, [a, b] if (a == "client" || a == "clients") && b == "secret"))
    };
    let is_one_client = sites.len() == 2 && sites.iter().all(is_oauth);
    // `RUSTFS_SECRET_KEY` and `RUSTFS_ADMIN_PASSWORD` of one file: a product's own two ends.
    let product = |seen: &Seen<'_>| {
        names::words(seen.site.name())
            .into_iter()
            .next()
            .map(|word| (word, seen.path.to_string()))
    };
    let is_generic = |word: &str| {
        names::is_secret(word) || matches!(word, "api" | "admin" | "app" | "user" | "smtp" | "auth")
    };
    let products: BTreeSet<_> = sites.iter().map(|seen| product(seen)).collect();
    let is_one_product = products.len() == 1
        && products.iter().flatten().any(|(word, _)| !is_generic(word))
        && sites
            .iter()
            .map(|seen| seen.site.name())
            .collect::<BTreeSet<_>>()
            .len()
            > 1;
    is_one_product
        || is_one_client
        || sites.iter().any(|seen| is_server(seen))
            && sites.iter().all(|seen| is_server(seen) || is_client(seen))
}
