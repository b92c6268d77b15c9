//! Secrets by environment for images that read them from files.

use std::collections::HashSet;

use super::service::{Binding, Service, bindings, services};
use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        names,
        values::{self, Value},
    },
};

const SECRET_AS_ENV: LintMeta = LintMeta {
    id: "compose-secret-as-env",
    title: "A secret comes by environment though the image reads it from a file",
    tool: "Compose",
    severity: Severity::Info,
    confidence: Confidence::High,
    persona: Persona::Pedantic,
    sources: &[
        "OWASP Secrets Management Cheat Sheet: Containers",
        "OWASP Docker Security Cheat Sheet: Docker secrets",
        "CIS Docker Benchmark 4.10",
    ],
    cwe: 526,
    fix: FixClass::None,
    why: "Variables show in `docker inspect`, are handed to every child process, and end in crash reports.",
    help: "Declare it under `secrets:` and hand the image the path: `MYSQL_PASSWORD_FILE: /run/secrets/mysql_password`.",
    bad: &[
        &[(
            "compose.yml",
            "services:\n  db:\n    image: mysql:8\n    environment:\n      MYSQL_PASSWORD: ${MYSQL_PASSWORD}\n",
        )],
        &[(
            "compose.yml",
            "services:\n  base:\n    image: docker.io/library/postgres:16\n  db:\n    extends:\n      service: base\n    environment:\n      - POSTGRES_PASSWORD\n",
        )],
    ],
    good: &[
        &[(
            "compose.yml",
            "services:\n  db:\n    image: mysql:8\n    environment:\n      MYSQL_PASSWORD_FILE: /run/secrets/mysql\n    secrets: [mysql]\nsecrets:\n  mysql:\n    file: ./mysql.txt\n",
        )],
        &[(
            "compose.yml",
            "services:\n  api:\n    image: acme/api:1\n    environment:\n      MYSQL_PASSWORD: ${MYSQL_PASSWORD:?}\n",
        )],
    ],
};

/// Images and the variables that they also read from a file, by the images' own documentation; `*` stands for any.
const IMAGES: [(&str, &[&str]); 28] = [
    ("postgres", &["POSTGRES_PASSWORD"]),
    ("postgis/postgis", &["POSTGRES_PASSWORD"]),
    ("pgvector/pgvector", &["POSTGRES_PASSWORD"]),
    ("timescale/timescaledb", &["POSTGRES_PASSWORD"]),
    ("mysql", &["MYSQL_ROOT_PASSWORD", "MYSQL_PASSWORD"]),
    (
        "mysql/mysql-server",
        &["MYSQL_ROOT_PASSWORD", "MYSQL_PASSWORD"],
    ),
    ("percona", &["MYSQL_ROOT_PASSWORD", "MYSQL_PASSWORD"]),
    (
        "mariadb",
        &[
            "MARIADB_ROOT_PASSWORD",
            "MARIADB_PASSWORD",
            "MYSQL_ROOT_PASSWORD",
            "MYSQL_PASSWORD",
        ],
    ),
    ("mongo", &["MONGO_INITDB_ROOT_PASSWORD"]),
    (
        "mongo-express",
        &[
            "ME_CONFIG_MONGODB_ADMINPASSWORD",
            "ME_CONFIG_BASICAUTH_PASSWORD",
        ],
    ),
    (
        "wordpress",
        &[
            "WORDPRESS_DB_PASSWORD",
            "WORDPRESS_AUTH_KEY",
            "WORDPRESS_SECURE_AUTH_KEY",
            "WORDPRESS_LOGGED_IN_KEY",
        ],
    ),
    (
        "nextcloud",
        &[
            "MYSQL_PASSWORD",
            "POSTGRES_PASSWORD",
            "NEXTCLOUD_ADMIN_PASSWORD",
            "REDIS_HOST_PASSWORD",
            "SMTP_PASSWORD",
        ],
    ),
    ("joomla", &["JOOMLA_DB_PASSWORD"]),
    (
        "redmine",
        &["REDMINE_DB_PASSWORD", "REDMINE_SECRET_KEY_BASE"],
    ),
    (
        "influxdb",
        &[
            "DOCKER_INFLUXDB_INIT_PASSWORD",
            "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN",
        ],
    ),
    ("elasticsearch", &["ELASTIC_PASSWORD"]),
    ("elasticsearch/elasticsearch", &["ELASTIC_PASSWORD"]),
    ("minio/minio", &["MINIO_ROOT_PASSWORD"]),
    (
        "grafana/grafana",
        &[
            "GF_SECURITY_ADMIN_PASSWORD",
            "GF_DATABASE_PASSWORD",
            "GF_SECURITY_SECRET_KEY",
            "GF_SMTP_PASSWORD",
        ],
    ),
    (
        "grafana/grafana-oss",
        &[
            "GF_SECURITY_ADMIN_PASSWORD",
            "GF_DATABASE_PASSWORD",
            "GF_SECURITY_SECRET_KEY",
            "GF_SMTP_PASSWORD",
        ],
    ),
    ("dpage/pgadmin4", &["PGADMIN_DEFAULT_PASSWORD"]),
    ("vaultwarden/server", &["*"]),
    ("paperless-ngx/paperless-ngx", &["*"]),
    ("pihole/pihole", &["WEBPASSWORD"]),
    ("clickhouse", &["CLICKHOUSE_PASSWORD"]),
    ("clickhouse/clickhouse-server", &["CLICKHOUSE_PASSWORD"]),
    (
        "zabbix/zabbix-server-mysql",
        &["MYSQL_PASSWORD", "MYSQL_ROOT_PASSWORD"],
    ),
    ("zabbix/zabbix-server-pgsql", &["POSTGRES_PASSWORD"]),
];

/// `compose-secret-as-env`.
pub(super) struct FileVariables;

impl Lint for FileVariables {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&SECRET_AS_ENV]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let mut told = HashSet::new();
        for service in services(document) {
            let Some(image) = service.image_name() else {
                continue;
            };
            let environment = service
                .node
                .get("environment")
                .map(bindings)
                .unwrap_or_default();
            for binding in environment.iter().filter(|binding| reads(image, binding)) {
                if told.insert(binding.name_span.start) {
                    context.tell(fault(&service, image, binding));
                }
            }
        }
    }
}

/// Tells whether the image reads the variable from a file, and its value is handed over: the value itself is the matter of others.
fn reads(image: &str, binding: &Binding<'_>) -> bool {
    let is_handed = match binding.text().map(values::classify) {
        None => true,
        Some(value) => matches!(value, Value::Template | Value::Reference(_)),
    };
    if !is_handed || !names::is_secret(binding.name) {
        return false;
    }
    if image.starts_with("bitnami/")
        || image.starts_with("bitnamilegacy/")
        || image.starts_with("linuxserver/")
    {
        return true;
    }
    let known = IMAGES.iter().find(|(name, _)| *name == image);
    known
        .is_some_and(|(_, variables)| variables.contains(&"*") || variables.contains(&binding.name))
}

fn fault(service: &Service<'_>, image: &str, binding: &Binding<'_>) -> Fault {
    let name = binding.name;
    let file = match image {
        _ if image.starts_with("linuxserver/") => format!("FILE__{name}"),
        _ if image.starts_with("grafana/") => format!("{name}__FILE"),
        _ => format!("{name}_FILE"),
    };
    let message = format!(
        "`{name}` of `{}` comes by environment though `{image}` reads `{file}`",
        service.name
    );
    Fault::new(
        &SECRET_AS_ENV,
        binding.name_span.clone(),
        format!("services.{}.environment.{name}", service.name),
        message,
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::docker::tests::told;

    #[test]
    fn images_with_and_without_files() {
        for (image, name, count) in [
            ("mysql", "MYSQL_PASSWORD", 1),
            ("ghcr.io/acme/mysql:8", "MYSQL_PASSWORD", 0),
            ("registry.acme.test/mysql@sha256:ab", "MYSQL_PASSWORD", 1),
            ("bitnami/redis:7", "REDIS_PASSWORD", 1),
            ("grafana/grafana:11", "GF_SECURITY_ADMIN_PASSWORD", 1),
            ("redis:7", "REDIS_PASSWORD", 0),
            ("mysql:${TAG}", "MYSQL_USER", 0),
        ] {
            let text = format!(
                "services:\n  a:\n    image: {image}\n    environment:\n      {name}: ${{{name}}}\n"
            );
            let found = told("compose.yml", &text);
            assert_eq!(found.len(), count, "{image}: {found:?}");
        }
    }
}
