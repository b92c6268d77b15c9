//! Planted pairs: every row of the grammar, every exemption, every cell of the table, layers, links and stores.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::super::{
    environment::{Definition, Environments},
    fault::{CrossFault, FactData, Fault, Gathered, Pointer},
    kind::FileKind,
    lint::{Index, JobSecret},
    read::{self, read},
    reuse::Site,
};
use super::*;
use crate::model::{BlobPath, DigestKey, Location, Secret};

/// A value that passes the gate as a person's password.
const NAMED: &str = "hunter2-Zq81";

/// A value of more than 80 bits.
const RANDOM: &str = "Vx7kQ2mR9tLp4wZsB8nD";

struct Run {
    faults: Vec<Fault>,
    cross: Vec<CrossFault>,
    facts: Vec<Gathered>,
}

fn location(path: &BlobPath, start: usize, end: usize) -> Location {
    Location {
        path: path.clone(),
        start_line: 1,
        start_column: 1,
        end_line: 1,
        end_column: 1,
        byte_start: start as u64,
        byte_end: end as u64,
    }
}

/// No fault names a value, and each links once to each file that its places are in.
fn check(files: &[(&str, String)], run: &Run) {
    for fault in &run.cross {
        for (_, text) in files {
            for value in [NAMED, RANDOM] {
                assert!(
                    !text.contains(value)
                        || !fault.message.contains(value) && !fault.subject.contains(value),
                    "{}",
                    fault.message
                );
            }
        }
        assert!(fault.related.len() <= 20, "{}", fault.message);
        let mut linked = BTreeSet::new();
        for (n, (pointer, _)) in (1..).zip(&fault.related) {
            let path = match pointer {
                Pointer::Fact(fact) => &run.facts[*fact].path,
                Pointer::File(path) => path,
            };
            let links = fault.message.matches(&format!("]({n})")).count();
            let wanted = usize::from(linked.insert(path.clone()));
            assert!(
                links == wanted || fault.lint.id == BASE.id,
                "{n} {}",
                fault.message
            );
        }
    }
}

fn run_with(
    files: &[(&str, String)],
    environments: &Environments,
    more: impl FnOnce(&mut Vec<Gathered>),
) -> Run {
    let key = DigestKey::new([7; 32]);
    let mut run = Run {
        faults: Vec::new(),
        cross: Vec::new(),
        facts: Vec::new(),
    };
    let mut paths = BTreeSet::new();
    for (path, text) in files {
        let blob = BlobPath::from(*path);
        paths.insert(blob.clone());
        let Some(kind) = read::wants(&blob) else {
            continue;
        };
        let reading = read(&blob, kind, text.as_bytes(), &key, environments);
        assert_eq!(reading.note, None, "{path}");
        run.faults.extend(
            reading
                .faults
                .into_iter()
                .filter(|fault| fault.lint.id == MALFORMED.id),
        );
        for fact in reading.facts {
            assert!(text.get(fact.span.clone()).is_some(), "{path} {fact:?}");
            run.facts.push(Gathered {
                path: blob.clone(),
                location: location(&blob, fact.span.start, fact.span.end),
                digest: fact
                    .secret
                    .map(|span| key.digest("", &Secret::new(&text.as_bytes()[span]))),
                data: fact.data,
                past: crate::policy::Past::default(),
            });
        }
    }
    more(&mut run.facts);
    let index = Index {
        paths: &paths,
        facts: &run.facts,
        environments,
        whole: true,
        changed: &|_| true,
    };
    Reuse.files(&index, &mut run.cross);
    check(files, &run);
    run
}

fn run(files: &[(&str, String)]) -> Run {
    run_with(files, &Environments::default(), |_| {})
}

/// Ids and severities that files tell, without those that are only told.
fn told(files: &[(&str, String)]) -> Vec<(&'static str, Severity)> {
    run(files)
        .cross
        .iter()
        .map(|fault| (fault.lint.id, fault.severity))
        .collect()
}

fn assign(path: &str, key: &str, value: &str) -> String {
    let lower = path.to_ascii_lowercase();
    if lower.ends_with(".json") {
        format!("{{\"{key}\": \"{value}\"}}\n")
    } else if lower.ends_with(".config") || lower.ends_with(".xml") {
        format!("<configuration><add key=\"{key}\" value=\"{value}\"/></configuration>\n")
    } else if lower.contains("compose") {
        format!("services:\n  web:\n    environment:\n      {key}: '{value}'\n")
    } else if lower.ends_with("yml") || lower.ends_with("yaml") {
        format!("{key}: '{value}'\n")
    } else if lower.ends_with(".tf") {
        format!("variable \"{key}\" {{\n  default = \"{value}\"\n}}\n")
    } else if lower.contains("tfvars")
        || lower.ends_with(".hcl")
        || lower.ends_with("toml")
        || lower.ends_with("tfbackend")
    {
        format!("{key} = \"{value}\"\n")
    } else {
        format!("{key}={value}\n")
    }
}

fn pair(a: &str, b: &str, one: &str, two: &str) -> Vec<(&'static str, Severity)> {
    told(&[
        (a, assign(a, "db_password", one)),
        (b, assign(b, "db_password", two)),
    ])
}

#[test]
fn every_row_of_the_grammar_crosses() {
    for (a, b) in [
        (".env.development", ".env.production"),
        ("dev.env", "prod.env"),
        (".env-dev", ".env-prod"),
        (".env.local", ".env.production"),
        (
            "src/main/resources/application-dev.yml",
            "src/main/resources/application-prod.yml",
        ),
        ("application-dev.properties", "application-prod.yaml"),
        ("bootstrap-dev.yml", "bootstrap-prod.yml"),
        ("config/dev/app.yml", "config/prod/app.yml"),
        (
            "appsettings.Development.json",
            "appsettings.Production.json",
        ),
        ("web.Test.config", "web.Production.config"),
        ("local.settings.json", "appsettings.Production.json"),
        ("config/development.json", "config/production.json"),
        ("config/packages/dev/x.yaml", "config/packages/prod/x.yaml"),
        ("chart/values-dev.yaml", "chart/values-prod.yaml"),
        ("chart/values.dev.yaml", "chart/values_prod.yaml"),
        ("chart/dev.values.yaml", "chart/prod.values.yaml"),
        ("environments/dev/a.yaml", "environments/prod/a.yaml"),
        ("envs/dev/a.yaml", "env/prod/a.yaml"),
        ("overlays/dev/a.yaml", "overlays/prod/a.yaml"),
        ("docker-compose.dev.yml", "docker-compose.prod.yml"),
        ("docker-compose.override.yml", "compose-prod.yaml"),
        ("dev.tfvars", "prod.tfvars"),
        ("terraform.dev.tfvars", "terraform.prod.tfvars"),
        ("dev.tfbackend", "prod.tfbackend"),
        ("a/dev/terragrunt.hcl", "a/prod/terragrunt.hcl"),
        ("Pulumi.dev.yaml", "Pulumi.prod.yaml"),
        ("config.dev.yml", "config.prod.yml"),
        ("inventories/dev/x.yml", "inventories/prod/x.yml"),
        ("group_vars/dev.yml", "group_vars/prod_web.yml"),
        ("app.dev.yaml", "app.prod.yaml"),
        ("fly.dev.toml", "fly.prod.toml"),
        ("clusters/dev/a.yaml", "clusters/acme-prod/a.yaml"),
        ("stages/uat/a.yaml", "stages/prod/a.yaml"),
        ("tenants/qa/a.yaml", "tenants/prod/a.yaml"),
        ("settings/dev.json", "settings/prod.json"),
        ("live/dev/a.yaml", "live/prod/a.yaml"),
        ("infra/dev/a.yaml", "infra/prod/a.yaml"),
    ] {
        assert_eq!(
            pair(a, b, NAMED, NAMED),
            [(EXACT.id, Severity::High)],
            "{a} {b}"
        );
        assert_eq!(pair(a, b, NAMED, RANDOM), [], "{a} {b}");
    }
}

#[test]
fn every_exemption_is_silent() {
    for value in [
        "",
        "changeme",
        "<password>",
        "true",
        "12345",
        "${DB_PASSWORD}",
        "{{ pw }}",
        "/run/secrets/db",
        "https://auth.acme.net/jwks",
        "http://authelia:9091/api/verify",
        "db.acme.net:5432",
        "5432",
        "ops@acme.net",
        "eu-west-1",
        "arn:aws:iam::123456789012:role/app",
        "1.27.3",
        "ghcr.io/acme/api:v1.2",
        "default",
        "disabled",
        "debug",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
        "AKIAIOSFODNN7EXAMPLE",
        "postgres",
        "password123",
        "grafana-admin-credentials",
        "DB_PASSWORD",
        "The password of the user",
    ] {
        assert_eq!(
            pair("values-dev.yaml", "values-prod.yaml", value, value),
            [],
            "{value}"
        );
    }
}

#[test]
fn equal_ciphertexts_are_told_with_a_doubt() {
    let one = "ENC[AES256_GCM,data:abc,iv:x]";
    let dev = "values-dev.yaml";
    assert_eq!(
        pair(dev, "values-prod.yaml", one, one),
        [(EXACT.id, Severity::Medium)]
    );
    assert_eq!(
        pair(dev, "values-test.yaml", one, one),
        [(EXACT.id, Severity::Info)]
    );
    assert_eq!(
        pair(
            dev,
            "values-prod.yaml",
            one,
            "ENC[AES256_GCM,data:abd,iv:y]"
        ),
        []
    );
    let sealed = |namespace: &str| {
        format!(
            "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata:\n  name: db\n  namespace: {namespace}\nspec:\n  encryptedData:\n    session: Ag{}\n",
            "B7kQ2mR9".repeat(40)
        )
    };
    let files = [
        ("a.yaml", sealed("app-dev")),
        ("b.yaml", sealed("app-prod")),
    ];
    assert_eq!(told(&files), [(EXACT.id, Severity::Medium)]);
}

#[test]
fn every_cell_of_the_grading_table() {
    use Severity::{High, Info, Low, Medium};
    let below = "zq81xkw";
    for (a, b, value, want) in [
        (".env.dev", ".env.prod", RANDOM, Some(High)),
        (".env.staging", ".env.prod", RANDOM, Some(High)),
        (".env.dev", ".env.prod", NAMED, Some(High)),
        (".env.dev", ".env.prod", below, Some(Low)),
        (".env.dev", ".env.staging", RANDOM, Some(Medium)),
        (".env.dev", ".env.staging", NAMED, Some(Low)),
        (".env.dev", ".env.staging", below, Some(Info)),
        (".env.dev", ".env.test", RANDOM, Some(Low)),
        (".env.dev", ".env.test", NAMED, Some(Info)),
        (".env.dev", ".env.test", below, None),
        (".env.uat", ".env.staging", RANDOM, Some(Low)),
        ("tests/fixtures/a.json", ".env.prod", RANDOM, Some(High)),
        ("tests/fixtures/a.json", ".env.staging", NAMED, Some(Medium)),
        (".env.example", ".env.prod", RANDOM, Some(High)),
        ("tests/fixtures/a.json", ".env.prod", below, None),
        ("tests/fixtures/a.json", ".env.dev", RANDOM, None),
        ("tests/fixtures/a.json", "examples/b.json", RANDOM, None),
        (".env.dr", ".env.prod", RANDOM, Some(Info)),
    ] {
        let want: Vec<_> = want
            .map(|severity| (EXACT.id, severity))
            .into_iter()
            .collect();
        assert_eq!(pair(a, b, value, value), want, "{a} {b} {value}");
    }
}

#[test]
fn signing_keys_are_worse_and_keys_for_tests_better() {
    let of = |key: &str, value: &str, b: &str| {
        told(&[
            (".env.dev", format!("{key}={value}\n")),
            (b, format!("{key}={value}\n")),
        ])
    };
    assert_eq!(
        of("JWT_SECRET", RANDOM, ".env.prod"),
        [(EXACT.id, Severity::Critical)]
    );
    let provider = |mode: &str| format!("sk_{mode}_{RANDOM}");
    assert_eq!(
        of("STRIPE_KEY_SECRET", &provider("test"), ".env.prod"),
        [(EXACT.id, Severity::Medium)]
    );
    assert_eq!(
        of("STRIPE_KEY_SECRET", &provider("live"), ".env.test"),
        [(EXACT.id, Severity::High)]
    );
}

#[test]
fn below_the_gate_only_the_same_key_counts() {
    let files = |key: &str| {
        [
            (".env.dev", "DB_PASSWORD=zq81xkw\n".to_owned()),
            (".env.prod", format!("{key}=zq81xkw\n")),
        ]
    };
    assert_eq!(told(&files("DB_PASSWORD")), [(EXACT.id, Severity::Low)]);
    assert_eq!(told(&files("SMTP_PASSWORD")), []);
}

#[test]
fn near_values_are_told_one_step_lower() {
    for (one, two, want) in [
        ("Hunter2x-dev", "Hunter2x-prod", Some(Severity::Medium)),
        ("Zq81xkPw_2024", "Zq81xkPw_2025", Some(Severity::Medium)),
        (
            "SSO-C2-b7Jx9Qm2Lt5Rk8",
            "SSO-C3-b7Jx9Qm2Lt5Rk8",
            Some(Severity::Medium),
        ),
        ("Zq81-xkpwAB", "zq81-xkpwab", Some(Severity::Medium)),
        ("Vx7kQ2mR9tLp4wZsB8nD", "b7Jx9Qm2Lt5Rk8Hf3Gs6", None),
    ] {
        let want: Vec<_> = want
            .map(|severity| (NEAR.id, severity))
            .into_iter()
            .collect();
        assert_eq!(pair(".env.dev", ".env.prod", one, two), want, "{one} {two}");
    }
    // The same value in another encoding is the same value.
    assert_eq!(
        pair(".env.dev", ".env.prod", NAMED, "aHVudGVyMi1acTgx"),
        [(EXACT.id, Severity::High)]
    );
}

#[test]
fn values_are_normalised() {
    for (a, b) in [
        (
            "DATABASE_URL=postgres://app:hunter2-Zq81@db/app",
            "DB_PASSWORD=hunter2-Zq81",
        ),
        (
            "DATABASE_URL=postgres://app:hunter2%2DZq81@db/app",
            "DB_PASSWORD='hunter2-Zq81'",
        ),
        (
            "DB=Server=db;User Id=app;Password=hunter2-Zq81;",
            "DB_PASSWORD=\"hunter2-Zq81\"",
        ),
        ("TOKEN_B64=aHVudGVyMi1acTgx", "API_TOKEN=hunter2-Zq81"),
    ] {
        let files = [
            (".env.dev", format!("{a}\n")),
            (".env.prod", format!("{b}\n")),
        ];
        assert_eq!(told(&files), [(EXACT.id, Severity::High)], "{a}");
    }
    let secret = |namespace: &str, body: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: {namespace}\n{body}"
        )
    };
    let files = [
        (
            "k8s/a.yaml",
            secret("app-prod", "data:\n  password: aHVudGVyMi1acTgxCg==\n"),
        ),
        (
            "k8s/b.yaml",
            secret("app-dev", "stringData:\n  password: hunter2-Zq81\n"),
        ),
    ];
    assert_eq!(told(&files), [(EXACT.id, Severity::High)]);
}

#[test]
fn documents_declare_environments() {
    let pw = NAMED;
    let one = |path: &'static str, text: String| [(path, text)];
    for files in [
        one(
            "config/database.yml",
            format!("development:\n  password: {pw}\nproduction:\n  password: {pw}\n"),
        ),
        one(
            "app.yml",
            format!("environments:\n  dev: {{password: {pw}}}\n  prod: {{password: {pw}}}\n"),
        ),
        one(
            "wrangler.toml",
            format!(
                "[env.dev.vars]\nAPI_SECRET = \"{pw}\"\n[env.prod.vars]\nAPI_SECRET = \"{pw}\"\n"
            ),
        ),
        one(
            "serverless.yml",
            format!(
                "custom:\n  secrets:\n    dev: {{apiSecret: {pw}}}\n    prod: {{apiSecret: {pw}}}\n"
            ),
        ),
        one(
            "application.yml",
            format!(
                "spring:\n  config:\n    activate:\n      on-profile: dev\ndb.password: {pw}\n---\nspring:\n  config:\n    activate:\n      on-profile: prod\ndb.password: {pw}\n"
            ),
        ),
        one(
            "hosts.ini",
            format!("[dev:vars]\ndb_password={pw}\n[production:vars]\ndb_password={pw}\n"),
        ),
        one(
            "compose.yaml",
            format!(
                "services:\n  a:\n    profiles: [dev]\n    environment:\n      - DB_PASSWORD={pw}\n  b:\n    profiles: [prod]\n    environment:\n      DB_PASSWORD: {pw}\n"
            ),
        ),
        one(
            "main.tf",
            format!(
                "locals {{\n  db_password = {{\n    dev  = \"{pw}\"\n    prod = \"{pw}\"\n  }}\n}}\n"
            ),
        ),
    ] {
        assert_eq!(told(&files), [(EXACT.id, Severity::High)], "{}", files[0].1);
    }
    let files = one(
        ".env",
        format!("DEV_DB_PASSWORD={pw}\nPROD_DB_PASSWORD={pw}\n"),
    );
    let run = run(&files);
    assert_eq!(run.cross.len(), 1);
    assert_eq!(run.cross[0].confidence, Confidence::Low);
}

#[test]
fn layers_that_repeat_a_value_are_one_site_and_inheritance_is_of_the_base() {
    let base = |value: &str| ("chart/values.yaml", format!("db:\n  password: {value}\n"));
    let layer = |path: &'static str, text: &str| (path, text.to_owned());
    let own = format!("db:\n  password: {NAMED}\n");
    // Production repeats the base.
    assert_eq!(
        told(&[base(NAMED), layer("chart/values-prod.yaml", &own)]),
        []
    );
    // Both take it over.
    let both = [
        base(NAMED),
        layer("chart/values-prod.yaml", "a: 1\n"),
        layer("chart/values-dev.yaml", "a: 1\n"),
    ];
    assert_eq!(told(&both), [(BASE.id, Severity::Medium)]);
    // Each sets its own, by reference or value.
    let each = [
        base(NAMED),
        layer("chart/values-prod.yaml", "db:\n  password: ${PW}\n"),
        layer("chart/values-dev.yaml", "db: {password: ''}\n"),
    ];
    assert_eq!(told(&each), []);
    // Production sets its own: one environment is left.
    let one = [
        base(NAMED),
        layer("chart/values-prod.yaml", "db:\n  password: ${PW}\n"),
        layer("chart/values-dev.yaml", "a: 1\n"),
    ];
    assert_eq!(told(&one), []);
    // Development takes over what production repeats.
    let crossed = [
        base(NAMED),
        layer("chart/values-prod.yaml", &own),
        layer("chart/values-dev.yaml", "a: 1\n"),
    ];
    assert_eq!(told(&crossed), [(EXACT.id, Severity::High)]);
    // Below production it is only told.
    let lower = [
        base(NAMED),
        layer("chart/values-test.yaml", "a: 1\n"),
        layer("chart/values-dev.yaml", "a: 1\n"),
    ];
    assert_eq!(told(&lower), [(BASE.id, Severity::Info)]);
}

/// A base, and what is put over it in two environments.
const LAYERS: &[(&str, &str, &str)] = &[
    (".env", ".env.dev", ".env.prod"),
    (
        "application.yml",
        "application-dev.yml",
        "application-prod.yml",
    ),
    (
        "application.properties",
        "application-dev.yml",
        "application-prod.properties",
    ),
    ("bootstrap.yml", "bootstrap-dev.yml", "bootstrap-prod.yml"),
    (
        "appsettings.json",
        "appsettings.Development.json",
        "appsettings.Production.json",
    ),
    ("Web.config", "Web.Test.config", "Web.Production.config"),
    (
        "config/default.json",
        "config/development.json",
        "config/production.json",
    ),
    (
        "chart/values.yaml",
        "chart/values-dev.yaml",
        "chart/environments/prod/values.yaml",
    ),
    (
        "k8s/base/a.yaml",
        "k8s/overlays/dev/a.yaml",
        "k8s/overlays/prod/a.yaml",
    ),
    (
        "docker-compose.yml",
        "docker-compose.dev.yml",
        "docker-compose.prod.yml",
    ),
    ("variables.tf", "dev.tfvars", "prod.tfvars"),
    (
        "terraform.tfvars",
        "envs/dev/a.tfvars",
        "envs/prod/a.tfvars",
    ),
    ("Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml"),
    (
        "serverless.yml",
        "serverless.dev.yml",
        "serverless.prod.yml",
    ),
    (
        "group_vars/all.yml",
        "group_vars/dev.yml",
        "group_vars/prod.yml",
    ),
    (
        "roles/db/defaults/main.yml",
        "inventories/dev/group_vars/all.yml",
        "group_vars/prod.yml",
    ),
    ("app.yaml", "app.dev.yaml", "app.prod.yaml"),
    ("fly.toml", "fly.dev.toml", "fly.prod.toml"),
];

#[test]
fn every_base_layer_is_told() {
    for (base, dev, prod) in LAYERS.iter().copied() {
        let shared = (base, assign(base, "db_password", NAMED));
        let other = |path: &'static str| (path, assign(path, "level", "warn"));
        let takes = [shared.clone(), other(dev), other(prod)];
        assert_eq!(told(&takes), [(BASE.id, Severity::Medium)], "{base}");
        let own = |path: &'static str, value: &str| (path, assign(path, "db_password", value));
        let sets = [shared, own(dev, "b7Jx9Qm2Lt5R"), own(prod, "Vx7kQ2mR9tLp")];
        assert_eq!(told(&sets), [], "{base}");
    }
}

#[test]
fn objects_of_kubernetes_declare_environments() {
    let object = |head: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n{head}data:\n  password: {NAMED}\n"
        )
    };
    for (dev, prod) in [
        ("  namespace: shop-dev\n", "  namespace: shop-prod\n"),
        (
            "  labels: {environment: dev}\n",
            "  labels: {env: production}\n",
        ),
        (
            "  labels:\n    app.acme.net/stage: dev\n",
            "  annotations:\n    stage: prod\n",
        ),
    ] {
        let files = [("k8s/a.yaml", object(dev)), ("k8s/b.yaml", object(prod))];
        assert_eq!(told(&files), [(EXACT.id, Severity::High)], "{dev}");
    }
    let container = |namespace: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\n  namespace: {namespace}\nspec:\n  template:\n    spec:\n      containers:\n        - name: a\n          env:\n            - name: DB_PASSWORD\n              value: {NAMED}\n"
        )
    };
    let files = [
        ("k8s/a.yaml", container("dev")),
        ("k8s/b.yaml", container("prod")),
    ];
    assert_eq!(told(&files), [(EXACT.id, Severity::High)]);
    let build = |namespace: &str| {
        format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: {namespace}\nsecretGenerator:\n  - name: db\n    literals:\n      - password={NAMED}\n"
        )
    };
    let files = [
        ("k8s/a/kustomization.yaml", build("dev")),
        ("k8s/b/kustomization.yaml", build("prod")),
    ];
    assert_eq!(told(&files), [(EXACT.id, Severity::High)]);
}

#[test]
fn merge_keys_take_over() {
    let text = format!(
        "default: &default\n  password: {NAMED}\ndevelopment:\n  <<: *default\nproduction:\n  <<: *default\n  host: db\n"
    );
    assert_eq!(
        told(&[("config/database.yml", text)]),
        [(BASE.id, Severity::Medium)]
    );
    let text = format!(
        "default: &default\n  password: {NAMED}\ndevelopment:\n  <<: *default\nproduction:\n  <<: *default\n  password: <%= ENV['PW'] %>\n"
    );
    assert_eq!(told(&[("config/database.yml", text)]), []);
}

#[test]
fn services_that_share_and_links_that_do_not() {
    let manifest = |path: &'static str| (path, "{}\n".to_owned());
    let two = |a: String, b: String| {
        told(&[
            manifest("api/package.json"),
            ("api/.env", a),
            manifest("mail/package.json"),
            ("mail/.env", b),
        ])
    };
    let line = |key: &str, value: &str| format!("{key}={value}\n");
    assert_eq!(
        two(line("SMTP_PASSWORD", NAMED), line("SMTP_PASSWORD", NAMED)),
        [(SERVICES.id, Severity::Medium)]
    );
    assert_eq!(
        two(line("JWT_SECRET", RANDOM), line("JWT_SECRET", RANDOM)),
        [(SERVICES.id, Severity::Low)]
    );
    for key in ["SENTRY_DSN_SECRET", "REGISTRY_PASSWORD", "LICENSE_KEY"] {
        assert_eq!(two(line(key, RANDOM), line(key, RANDOM)), [], "{key}");
    }
    assert_eq!(
        two(
            line("POSTGRES_PASSWORD", NAMED),
            format!("DATABASE_URL=postgres://app:{NAMED}@db/app\n")
        ),
        []
    );
}

#[test]
fn links_and_one_image_within_a_compose_file() {
    let compose = |second: &str| {
        format!(
            "services:\n  db:\n    image: postgres\n    environment:\n      POSTGRES_PASSWORD: {NAMED}\n  api:\n    image: acme/api\n    environment:\n      {second}: {NAMED}\n"
        )
    };
    assert_eq!(told(&[("compose.yaml", compose("DB_PASSWORD"))]), []);
    assert_eq!(
        told(&[("compose.yaml", compose("ADMIN_TOKEN"))]),
        [(SERVICES.id, Severity::Low)]
    );
    let compose =
        compose("RUSTFS_SECRET_KEY").replace("POSTGRES_PASSWORD", "RUSTFS_ADMIN_PASSWORD");
    assert_eq!(told(&[("compose.yaml", compose)]), []);
    let keys = format!("SMTP_PASSWORD={RANDOM}\nADMIN_TOKEN={RANDOM}\nUPLOAD_SECRET={RANDOM}\n");
    assert_eq!(
        told(&[("app.env", keys)]),
        [(SERVICES.id, Severity::Medium)]
    );
    let same_image = format!(
        "services:\n  web:\n    build: .\n    environment: &e\n      SMTP_PASSWORD: {NAMED}\n  worker:\n    build: .\n    environment:\n      SMTP_PASSWORD: {NAMED}\n"
    );
    assert_eq!(told(&[("compose.yaml", same_image)]), []);
}

#[test]
fn references_to_other_environments() {
    for (path, value, want) in [
        (
            ".env.staging",
            "vault:secret/data/prod/db#url",
            Some(Severity::High),
        ),
        (
            ".env.prod",
            "vault:secret/data/dev/db#url",
            Some(Severity::High),
        ),
        (
            ".env.dev",
            "op://team/db-staging/password",
            Some(Severity::Medium),
        ),
        (
            ".env.dev",
            "vault:secret/data/test/db#url",
            Some(Severity::Low),
        ),
        ("dev.tfvars", "ssm:/prod/db", Some(Severity::High)),
        ("config.dev.yml", "${ssm:/prod/db}", Some(Severity::High)),
        (
            "dev.tfvars",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
            Some(Severity::High),
        ),
        (
            ".env.dev",
            "projects/acme-prod/secrets/db/versions/latest",
            Some(Severity::High),
        ),
        (
            "appsettings.Development.json",
            "@Microsoft.KeyVault(VaultName=kv-prod;SecretName=db)",
            Some(Severity::High),
        ),
        (".env.staging", "vault:secret/data/staging/db#url", None),
        (".env.staging", "vault:secret/data/shared/prod-ca#url", None),
        (".env.staging", "vault:secret/data/payments/db#url", None),
        (".env", "vault:secret/data/prod/db#url", None),
        ("tests/.env.staging", "vault:secret/data/prod/db#url", None),
        (
            "migrate/.env.staging",
            "vault:secret/data/prod/db#url",
            None,
        ),
    ] {
        let want: Vec<_> = want
            .map(|severity| (CROSSED.id, severity))
            .into_iter()
            .collect();
        assert_eq!(
            told(&[(path, assign(path, "db_password", value))]),
            want,
            "{path} {value}"
        );
    }
}

#[test]
fn references_of_data_sources_and_agents() {
    let source = "data \"aws_ssm_parameter\" \"db\" {\n  name = \"/prod/db\"\n}\n";
    assert_eq!(
        told(&[("envs/dev/main.tf", source.to_owned())]),
        [(CROSSED.id, Severity::High)]
    );
    let agent = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  namespace: dev\n  annotations:\n    vault.hashicorp.com/agent-inject-secret-db: secret/data/prod/db\n";
    assert_eq!(
        told(&[("a.yaml", agent.to_owned())]),
        [(CROSSED.id, Severity::High)]
    );
}

#[test]
fn the_fix_takes_the_spelling_of_other_addresses() {
    let text =
        "A_TOKEN=vault:secret/data/prod/db#a\nB_TOKEN='vault:secret/data/prod/db#b'\n".to_owned();
    let other = (
        ".env.stg",
        "C_TOKEN=vault:secret/data/stg/db#c\n".to_owned(),
    );
    let first = run(&[(".env.staging", text.clone()), other.clone()]);
    let fix = first.cross[0].fix.as_ref().unwrap();
    assert_eq!(fix.class, FixClass::Unsafe);
    let mut fixed = text.clone();
    for edit in fix.edits.iter().rev() {
        fixed.replace_range(edit.span.clone(), &edit.text);
    }
    assert_eq!(fixed, text.replace("prod", "stg"));
    assert_eq!(told(&[(".env.staging", fixed), other]), []);
    // Nobody says how staging is written.
    assert!(run(&[(".env.staging", text)]).cross[0].fix.is_none());
}

#[test]
fn several_references_of_a_file_are_one_fault() {
    let text = "A_TOKEN=vault:secret/data/prod/db#a\nB_TOKEN=vault:secret/data/prod/db#b\n";
    let run = run(&[(".env.dev", text.to_owned())]);
    assert_eq!(run.cross.len(), 1);
    assert_eq!(run.cross[0].related.len(), 1);
}

#[test]
fn one_address_for_two_environments() {
    let of = |value: &str| {
        let run = run(&[
            (".env.dev", format!("DB={value}\n")),
            (".env.prod", format!("DB={value}\n")),
        ]);
        run.cross
            .iter()
            .map(|fault| (fault.severity, fault.persona))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("vault:secret/data/app/db#url"),
        [(Severity::Low, Persona::Pedantic)]
    );
    assert_eq!(
        of("projects/acme/secrets/db/versions/1"),
        [(Severity::High, Persona::Regular)]
    );
    assert_eq!(of("vault:secret/data/shared/db#url"), []);
    assert_eq!(of("vault:secret/data/${ENV}/db#url"), []);
}

#[test]
fn jobs_that_read_another_environments_secret() {
    let of = |job: &str, environment: &str, name: &str| {
        let secret = JobSecret {
            name: name.to_owned(),
            job: job.to_owned(),
            environment: Some(environment.to_owned()),
            from_requests: false,
            trusted_requests: false,
            production: false,
            kind: FileKind::GitlabCi,
        };
        let run = run_with(&[], &Environments::default(), |facts| {
            let path = BlobPath::from(".gitlab-ci.yml");
            facts.push(Gathered {
                path: path.clone(),
                location: location(&path, 0, 1),
                digest: None,
                data: FactData::JobSecret(Box::new(secret)),
                past: crate::policy::Past::default(),
            });
        });
        run.cross
            .iter()
            .map(|fault| fault.severity)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("deploy", "staging", "PROD_TOKEN"), [Severity::High]);
    assert_eq!(of("deploy", "staging", "STAGING_TOKEN"), []);
    assert_eq!(of("deploy", "staging", "DEPLOY_TOKEN"), []);
    assert_eq!(of("promote", "staging", "PROD_TOKEN"), []);
}

#[test]
fn findings_of_secret_rules_take_part() {
    let key = DigestKey::new([7; 32]);
    let digest = key.digest("", &Secret::new(RANDOM.as_bytes()));
    let environments = Environments::default();
    let files = [(".env.prod", format!("API_TOKEN={RANDOM}\n"))];
    let run = run_with(&files, &environments, |facts| {
        let path = BlobPath::from("src/config.dev.json");
        let site = Site::of_finding(
            "src/config.dev.json",
            FileKind::Json,
            Some("token"),
            digest,
            RANDOM.len(),
            &environments,
        );
        facts.push(Gathered {
            path: path.clone(),
            location: location(&path, 0, 1),
            digest: Some(digest),
            data: FactData::Site(Box::new(site)),
            past: crate::policy::Past::default(),
        });
    });
    let told: Vec<_> = run
        .cross
        .iter()
        .map(|fault| (fault.lint.id, fault.severity, fault.confidence))
        .collect();
    assert_eq!(told, [(EXACT.id, Severity::High, Confidence::High)]);
}

#[test]
fn the_least_protected_place_is_the_first() {
    let run = run(&[
        (".env.prod", format!("DB_PASSWORD={NAMED}\n")),
        (".env.dev", format!("DB_PASSWORD={NAMED}\n")),
        ("a.json", format!("{{\"password\": \"{NAMED}\"}}\n")),
        (".env.staging", format!("DB_PASSWORD={NAMED}\n")),
    ]);
    let fault = &run.cross[0];
    let path = |pointer: &Pointer| match pointer {
        Pointer::Fact(fact) => run.facts[*fact].path.to_string(),
        Pointer::File(path) => path.to_string(),
    };
    assert_eq!(path(&fault.primary), ".env.dev");
    assert_eq!(
        fault
            .related
            .iter()
            .map(|(at, _)| path(at))
            .collect::<Vec<_>>(),
        // `a.json` is of no environment that is compared; it counts as a site.
        [".env.prod", ".env.staging"]
    );
    assert_eq!(
        fault.message,
        "`DB_PASSWORD` in dev equals the one in prod,staging: [.env.prod](1), [.env.staging](2)"
    );
    assert_eq!(
        fault.properties,
        [
            ("environments", "dev,prod,staging".to_owned()),
            ("services", String::new()),
            ("match", "exact".to_owned()),
            ("siteCount", "4".to_owned()),
        ]
    );
}

#[test]
fn a_file_with_two_places_is_named_once() {
    let run = run(&[
        (
            ".env.prod",
            format!("DB_PASSWORD={NAMED}\nCACHE_PASSWORD={NAMED}\n"),
        ),
        (".env.dev", format!("DB_PASSWORD={NAMED}\n")),
    ]);
    assert_eq!(run.cross[0].related.len(), 2);
    assert_eq!(
        run.cross[0].message,
        "`DB_PASSWORD` in dev equals the one in prod: [.env.prod](1) (2 places)"
    );
}

#[test]
fn many_sites_are_one_fault_with_twenty_places() {
    let paths: Vec<String> = (0..60)
        .map(|n| format!("s{n}/.env.{}", if n % 2 == 0 { "dev" } else { "prod" }))
        .collect();
    let files: Vec<(&str, String)> = paths
        .iter()
        .map(|path| (path.as_str(), format!("DB_PASSWORD={NAMED}\n")))
        .collect();
    let run = run(&files);
    assert_eq!(run.cross.len(), 1);
    assert_eq!(run.cross[0].related.len(), 20);
    assert!(
        run.cross[0].message.ends_with(" and 39 more"),
        "{}",
        run.cross[0].message
    );
}

#[test]
fn configuration_names_environments() {
    let definition = Definition {
        name: "prod".to_owned(),
        paths: vec!["blue/**".to_owned()],
        ..Definition::default()
    };
    let environments = Environments::new(&[definition], &[]).unwrap();
    let files = [
        ("blue/a.json", format!("{{\"password\": \"{NAMED}\"}}")),
        (".env.dev", format!("DB_PASSWORD={NAMED}\n")),
    ];
    assert_eq!(run_with(&files, &environments, |_| {}).cross.len(), 1);
    assert_eq!(run(&files).cross.len(), 0);
}

#[test]
fn malformed_references_and_their_fix() {
    let text = "Parameters:\n  Password: '{{ resolve:secretsmanager:app/db }}'\n";
    let found = run(&[("stack.yaml", text.to_owned())]).faults;
    assert_eq!(found.len(), 1);
    let fix = found[0].fix.as_ref().unwrap();
    let mut fixed = text.to_owned();
    for edit in &fix.edits {
        fixed.replace_range(edit.span.clone(), &edit.text);
    }
    assert_eq!(
        fixed,
        "Parameters:\n  Password: '{{resolve:secretsmanager:app/db}}'\n"
    );
    assert!(run(&[("stack.yaml", fixed)]).faults.is_empty());
    let json = "{\"token\": \"x \\\" {{ resolve:ssm:/prod/db }}\"}".to_owned();
    let found = run(&[("stack.json", json.clone())]).faults;
    assert_eq!(&json[found[0].span.clone()], "{{ resolve:ssm:/prod/db }}");
    for (path, text) in [
        (".env", "A=vault:secret/data/prod/db\r\n"),
        ("a.toml", "token = 'op://vault/item'\n"),
        ("a.yml", "token: >-\n  vault:secret/data/prod/db\n"),
    ] {
        assert_eq!(run(&[(path, text.to_owned())]).faults.len(), 1, "{path}");
    }
    assert!(
        run(&[(
            "docs/a.yml",
            "token: vault:secret/data/prod/db\n".to_owned()
        )])
        .faults
        .is_empty()
    );
}

#[test]
fn references_without_data_on_a_versioned_mount() {
    let text = "A=vault:secret/data/app/db#a\nB=vault:secret/app/db#b\nC=vault:kv/app/db#c\n";
    let run = run(&[(".env", text.to_owned())]);
    let told: Vec<_> = run
        .cross
        .iter()
        .map(|fault| (fault.lint.id, fault.subject.as_str()))
        .collect();
    assert_eq!(told, [(MALFORMED.id, "B: mount")]);
}

proptest! {
    #[test]
    fn never_panics_and_places_lie_within(
        path in prop::sample::select(vec!["values.yaml", "values-prod.yaml", ".env.dev", "prod.tfvars", "main.tf", "web.config", "a.json", "k8s.yaml", "compose.yaml", "w.toml"]),
        text in "(kind: Secret\n|data:\n|services:\n|prod|dev|: |=|\n|  |- |<<: \\*a|&a |\\{|\\}|\"|'|password|token|vault:secret/|#k|op://|\\$\\{ssm:/|://u:pw@h|aHVudGVyMi1acTgx|hunter2-Zq81|é|<a |/>|name|value){0,30}",
    ) {
        let blob = BlobPath::from(path);
        let key = DigestKey::new([7; 32]);
        let environments = Environments::default();
        let kind = read::wants(&blob).unwrap();
        let reading = read(&blob, kind, text.as_bytes(), &key, &environments);
        let facts: Vec<Gathered> = reading.facts.into_iter().map(|fact| {
            prop_assert!(text.get(fact.span.clone()).is_some());
            Ok(Gathered { path: blob.clone(), location: location(&blob, fact.span.start, fact.span.end), digest: None, data: fact.data, past: crate::policy::Past::default() })
        }).collect::<Result<_, _>>()?;
        let index = Index { paths: &BTreeSet::from([blob]), facts: &facts, environments: &environments, whole: true, changed: &|_| true };
        Reuse.files(&index, &mut Vec::new());
    }
}

#[test]
fn jobs_of_azure_tell_the_environment_of_their_values() {
    let job = |environment: &str, value: &str| {
        format!(
            "      - deployment: {environment}\n        environment: {environment}\n        variables:\n          DB_PASSWORD: {value}\n        strategy: {{}}\n"
        )
    };
    let pipeline = |a: &str, b: &str| {
        format!(
            "stages:\n  - stage: go\n    jobs:\n{}{}",
            job("dev", a),
            job("prod", b)
        )
    };
    let value = "Vx7kQ2mR9tLp4wZs8nBd";
    let path = "azure-pipelines.yml";
    let same = told(&[(path, pipeline(value, value))]);
    assert!(same.iter().any(|(id, _)| *id == EXACT.id), "{same:?}");
    assert_eq!(told(&[(path, pipeline(value, "q8Zr2Lw9Xk4Tn7Vb1Mc6"))]), []);
}

#[test]
fn jobs_tell_the_environment_of_their_values() {
    let job = |name: &str, environment: &str| {
        format!(
            "  {name}:\n    environment: {environment}\n    steps:\n      - run: make\n        env:\n          DB_PASSWORD: {NAMED}\n"
        )
    };
    let workflow = format!(
        "on: push\njobs:\n{}{}",
        job("a", "dev"),
        job("b", "{name: production}")
    );
    assert_eq!(
        told(&[(".github/workflows/a.yml", workflow.clone())]),
        [(EXACT.id, Severity::High)]
    );
    let same = workflow.replace("{name: production}", "development");
    assert_eq!(told(&[(".github/workflows/a.yml", same)]), []);
    let open = workflow.replace("{name: production}", "${{ inputs.production }}");
    assert_eq!(told(&[(".github/workflows/a.yml", open)]), []);
    let gitlab = format!(
        "a:\n  environment: staging\n  variables: {{DB_PASSWORD: {NAMED}}}\n  script: [make]\nb:\n  environment: {{name: production}}\n  variables: {{DB_PASSWORD: {NAMED}}}\n  script: [make]\n"
    );
    assert_eq!(
        told(&[(".gitlab-ci.yml", gitlab)]),
        [(EXACT.id, Severity::High)]
    );
}

#[test]
fn images_scripts_and_defaults_take_part() {
    let dev = || ("deploy/dev/.env", format!("DB_PASSWORD={NAMED}\n"));
    for (path, text) in [
        (
            "deploy/prod/Dockerfile",
            format!("FROM a\nENV LANG=C DB_PASSWORD={NAMED}\n"),
        ),
        (
            "deploy/prod/run.sh",
            format!("#!/bin/sh\nexport DB_PASSWORD='{NAMED}'\n./run\n"),
        ),
        (
            "deploy/prod/compose.yml",
            format!(
                "services:\n  a:\n    environment:\n      DB_PASSWORD: ${{DB_PASSWORD:-{NAMED}}}\n"
            ),
        ),
        (
            "deploy/prod/compose.yml",
            format!("services:\n  a:\n    environment:\n      - X=${{DB_PASSWORD-{NAMED}}}\n"),
        ),
        (
            "deploy/prod/settings.py",
            format!("import os\nP = os.environ.get('DB_PASSWORD', '{NAMED}')\n"),
        ),
        (
            "deploy/prod/settings.js",
            format!("const p = process.env.DB_PASSWORD || '{NAMED}';\n"),
        ),
        (
            "deploy/prod/application.yml",
            format!("db:\n  password: ${{DB_PASSWORD:{NAMED}}}\n"),
        ),
    ] {
        assert_eq!(
            told(&[dev(), (path, text.clone())]),
            [(EXACT.id, Severity::High)],
            "{text}"
        );
    }
    for text in [
        "export DB_PASSWORD=$(pass show db)\n".to_owned(),
        format!("export DB_PASSWORD=\"$PREFIX{NAMED}\"\n"),
        format!("echo \"DB_PASSWORD={NAMED}\"\n"),
    ] {
        assert_eq!(told(&[dev(), ("deploy/prod/run.sh", text)]), []);
    }
}

#[test]
fn defaults_are_no_secrets_of_the_base_or_of_services() {
    let compose = format!(
        "services:\n  a:\n    image: acme/a:1\n    environment: {{API_TOKEN: '${{A_TOKEN:-{RANDOM}}}'}}\n  b:\n    image: acme/b:1\n    environment: {{API_TOKEN: '${{B_TOKEN:-{RANDOM}}}'}}\n"
    );
    let layer = "services:\n  a:\n    ports: ['80:80']\n".to_owned();
    assert_eq!(
        told(&[
            ("docker-compose.yml", compose),
            ("docker-compose.dev.yml", layer.clone()),
            ("docker-compose.prod.yml", layer),
        ]),
        []
    );
}

#[test]
fn only_what_differs_and_is_compared_is_named() {
    let line = |value: &str| format!("DB_PASSWORD={value}\n");
    let files = [
        (".env.dev", line("Hunter2-dev-Zq81")),
        ("config/dev/app.env", line("Hunter2-dev-Zq81")),
        (".env.prod", line("Hunter2-prod-Zq81")),
        ("plain/app.env", line("Hunter2-prod-Zq81")),
    ];
    let run = run(&files);
    let near: Vec<&CrossFault> = run
        .cross
        .iter()
        .filter(|fault| fault.lint.id == NEAR.id)
        .collect();
    assert_eq!(near.len(), 1, "{:?}", run.cross);
    assert!(near[0].message.contains(".env.prod"), "{}", near[0].message);
    for other in ["config/dev", "plain/app.env"] {
        assert!(!near[0].message.contains(other), "{}", near[0].message);
    }
}
