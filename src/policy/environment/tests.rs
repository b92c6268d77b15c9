//! Every row of the grammar, and every trap.

use proptest::prelude::*;

use super::*;

fn names(path: &str) -> String {
    Environments::default().of_path(path).names()
}

fn all(table: &[(&str, &str)]) {
    for (path, want) in table {
        assert_eq!(names(path), *want, "{path}");
    }
}

#[test]
fn names_of_dotenv_files() {
    all(&[
        (".env.production", "prod"),
        ("api/.env.staging", "staging"),
        (".env.production.local", "local+prod"),
        (".env.local", "local"),
        (".env-dev", "dev"),
        (".env_qa", "qa"),
        ("prod.env", "prod"),
        ("deploy/api.prod.env", "prod"),
        (".prod.env", "prod"),
        (".env.test", "test"),
        (".env.ci", "ci"),
        (".env.uat", "uat"),
        (".env.pre-prod", "preprod"),
        (".env.live", "prod"),
        (".dev.vars", "local"),
        (".env", "shared"),
        (".env.example", "fixture"),
        (".env.sample", "fixture"),
        (".env.template", "fixture"),
        (".env.production.example", "fixture+prod"),
    ]);
}

#[test]
fn names_of_frameworks() {
    all(&[
        ("src/main/resources/application-prod.yml", "prod"),
        ("application-dev.properties", "dev"),
        ("bootstrap-staging.yaml", "staging"),
        ("application.yml", "shared"),
        ("bootstrap.properties", "shared"),
        ("config/prod/application.yml", "prod"),
        ("Api/appsettings.Production.json", "prod"),
        ("appsettings.Development.json", "dev"),
        ("appsettings.json", "shared"),
        ("Web.Staging.config", "staging"),
        ("Web.config", "shared"),
        ("local.settings.json", "local"),
        ("config/credentials/production.yml.enc", "prod"),
        ("config/credentials.yml.enc", "shared"),
        ("config/environments/staging.rb", "staging"),
        ("prod.ini", "prod"),
        ("shop/dev.ini", "dev"),
        ("shop/php.ini", ""),
        ("prod/.envrc", "prod"),
        ("dev/.envrc", "dev"),
        ("api/.envrc", "local"),
        ("mysite/settings/dev.py", "dev"),
        ("mysite/settings/base.py", "shared"),
        ("config/production.json", "prod"),
        ("config/default.json", "shared"),
        ("config/local-production.yaml", "local+prod"),
        ("config/packages/prod/doctrine.yaml", "prod"),
        ("src/environments/environment.prod.ts", "prod"),
        ("src/environments/environment.ts", "shared"),
    ]);
}

#[test]
fn names_of_deployments() {
    all(&[
        ("chart/values-prod.yaml", "prod"),
        ("chart/values.staging.yaml", "staging"),
        ("chart/values_dev.yml", "dev"),
        ("chart/prod.values.yaml", "prod"),
        ("chart/values-prod-eu.yaml", "prod"),
        ("chart/values.yaml", "shared"),
        ("environments/qa/values.yaml", "qa"),
        ("envs/prod/app.yaml", "prod"),
        ("env/stage/x.yaml", "staging"),
        ("overlays/prod/secret.yaml", "prod"),
        ("k8s/base/secret.yaml", "shared"),
        ("docker-compose.prod.yml", "prod"),
        ("compose-dev.yaml", "dev"),
        ("docker-compose.override.yml", "local"),
        ("docker-compose.yml", "shared"),
        ("compose.yaml", "shared"),
        ("prod.tfvars", "prod"),
        ("terraform.staging.tfvars", "staging"),
        ("envs/dev/main.tf", "dev"),
        ("dev.auto.tfvars.json", "dev"),
        ("prod.tfbackend", "prod"),
        ("backend-prod.hcl", "prod"),
        ("acme/prod/terragrunt.hcl", "prod"),
        ("variables.tf", "shared"),
        ("terraform.tfvars", "shared"),
        ("Pulumi.dev.yaml", "dev"),
        ("Pulumi.yaml", "shared"),
        ("config.staging.yml", "staging"),
        ("serverless.yml", "shared"),
        ("inventories/production/hosts.yml", "prod"),
        ("group_vars/prod.yml", "prod"),
        ("group_vars/prod_web.yml", "prod"),
        ("group_vars/staging/vault.yml", "staging"),
        ("group_vars/all.yml", "shared"),
        ("group_vars/all/main.yml", "shared"),
        ("roles/db/defaults/main.yml", "shared"),
        ("app/src/staging/google-services.json", "staging"),
        ("app/src/prod/res/values/strings.xml", "prod"),
        ("app/src/main/res/values/strings.xml", "shared"),
        ("app.prod.yaml", "prod"),
        ("app.yaml", "shared"),
        ("fly.staging.toml", "staging"),
        ("fly.toml", "shared"),
        ("clusters/acme-prod/app.yaml", "prod"),
        ("live/prod/db/main.tf", "prod"),
        ("deploy/uat/secret.yaml", "uat"),
        ("tenants/staging/x.yaml", "staging"),
        ("environments/test/main.tfvars", "test"),
        ("Dockerfile.prod", "prod"),
    ]);
}

#[test]
fn traps_are_of_no_environment() {
    all(&[
        ("bad/resources/codepipeline/stages_second_stage.yaml", ""),
        ("src/prod/index.json", ""),
        ("src/dev/server.json", ""),
        ("prod/app.json", ""),
        ("production-readiness.json", ""),
        ("latest.json", ""),
        ("chart/values-local-storage.yaml", ""),
        ("chart/values-test-data.yaml", ""),
        ("docker-compose.dev-tools.yml", ""),
        ("docker-compose.stage-2.yml", ""),
        ("application-mysql.yml", ""),
        ("docs/overlays/prod/secret.yaml", "fixture"),
        ("tests/environments/dev/app.json", "fixture"),
        ("tests/fixtures/.env.production", "fixture+prod"),
        ("examples/values-prod.yaml", "fixture+prod"),
        ("molecule/default/group_vars/all.yml", "fixture"),
        ("src/test/resources/application.yml", "fixture"),
        ("src/main/resources/application-secrets.yml", ""),
        ("vpc-template.yaml", ""),
        ("liveness/check.json", ""),
        ("", ""),
        ("/", ""),
    ]);
    for path in ["environments/non-prod/a.yaml", "envs/nonprod/a.yaml"] {
        assert_eq!(names(path), "nonprod", "{path}");
    }
    assert_eq!(names("envs/pre-prod/a.yaml"), "preprod");
}

#[test]
fn folders_beside_a_folder_tell_that_both_are_environments() {
    let siblings = Siblings::of([
        "infra/prod/app.yaml",
        "infra/dev/app.yaml",
        "src/test/a.json",
        "src/ci/b.json",
        "one/prod/x",
    ]);
    let environments = Environments::default();
    let of = |path: &str| environments.of_path_among(path, &siblings).names();
    assert_eq!(of("infra/prod/app.json"), "prod");
    assert_eq!(of("infra/dev/app.json"), "dev");
    assert_eq!(of("infra/dev/deeper/app.json"), "");
    assert_eq!(of("src/ci/b.json"), "");
    assert_eq!(of("one/prod/x.json"), "");
}

#[test]
fn keys_declarations_stores_and_hosts() {
    let environments = Environments::default();
    for (keys, want) in [
        (&["PROD_DB_PASSWORD"][..], "prod"),
        (&["db", "password", "staging"], "staging"),
        (&["production", "password"], "prod"),
        (&["db", "passwordProd"], "prod"),
        (&["NON_PROD_KEY"], "nonprod"),
        (&["CI_JOB_TOKEN"], ""),
        (&["product", "password"], ""),
        (&["live", "password"], ""),
        (&["API_TOKEN"], ""),
    ] {
        assert_eq!(
            environments.of_keys(keys.iter().copied()).names(),
            want,
            "{keys:?}"
        );
    }
    for (name, want) in [
        ("production", "prod"),
        ("payments-prod", "prod"),
        ("review/feature", "preview"),
        ("kube-system", ""),
        ("live", "prod"),
    ] {
        assert_eq!(environments.of_declared(name).names(), want, "{name}");
    }
    for (address, want) in [
        ("secret/data/prod/db#password", "prod"),
        ("/prod/db/password", "prod"),
        ("op://vault/item-staging/field", "staging"),
        ("secret/data/live/db", ""),
        ("secret/data/shared/db", ""),
        ("PROD_KEY", "prod"),
    ] {
        assert_eq!(environments.of_store(address).names(), want, "{address}");
    }
    for (host, want) in [
        ("db.prod.internal", "prod"),
        ("staging-db:5432", "staging"),
        ("localhost", "local"),
        ("127.0.0.1:80", "local"),
        ("example.dev", ""),
        ("db.svc.cluster.local", ""),
        ("app.test", ""),
    ] {
        assert_eq!(environments.of_host(host).names(), want, "{host}");
    }
}

#[test]
fn configuration_comes_first() {
    let definition = Definition {
        name: "canary".to_owned(),
        tier: Some(Tier::Production),
        paths: vec!["k8s/c/**".to_owned()],
        namespaces: vec!["blue*".to_owned()],
        key_prefixes: vec!["CNRY_".to_owned()],
        store_paths: vec!["secret/data/c/**".to_owned()],
    };
    let service = ServiceDefinition {
        name: "billing".to_owned(),
        paths: vec!["money/**".to_owned()],
    };
    let environments = Environments::new(&[definition], &[service]).unwrap();
    let labels = environments.of_path("k8s/c/values-dev.yaml");
    assert_eq!(
        (labels.names().as_str(), labels.is_production()),
        ("canary", true)
    );
    assert_eq!(environments.of_declared("blue-1").names(), "canary");
    assert_eq!(environments.of_keys(["CNRY_PASSWORD"]).names(), "canary");
    assert_eq!(environments.of_store("secret/data/c/db").names(), "canary");
    assert_eq!(
        environments.service_of_path("money/a.env").as_deref(),
        Some("billing")
    );
    assert_eq!(
        environments.service_of_path("services/api/.env").as_deref(),
        Some("api")
    );
    assert_eq!(environments.service_of_path("api/.env"), None);
    let bad = Definition {
        name: "x".to_owned(),
        paths: vec!["a[".to_owned()],
        ..Definition::default()
    };
    assert!(Environments::new(&[bad], &[]).is_err());
}

#[test]
fn the_strongest_evidence_wins_and_fixtures_stay_marked() {
    let environments = Environments::default();
    let declared = environments.of_declared("staging");
    let key = environments.of_keys(["PROD_PASSWORD"]);
    let of = |path: &str, others: &[&Labels]| {
        let others = others.iter().map(|labels| (*labels).clone());
        Labels::strongest(others.chain([environments.of_path(path)]))
    };
    assert_eq!(of("values-dev.yaml", &[&declared]).names(), "staging");
    assert_eq!(of("values-dev.yaml", &[&key]).names(), "dev");
    assert_eq!(of("values.yaml", &[&key]).names(), "prod");
    assert_eq!(of("values.yaml", &[]).names(), "shared");
    assert_eq!(of("tests/app.yaml", &[&key]).names(), "fixture");
    assert_eq!(
        of("tests/app.yaml", &[&declared]).names(),
        "fixture+staging"
    );
    assert_eq!(
        of("tests/app.yaml", &[&declared]).tier(),
        Some(Tier::Fixture)
    );
}

#[test]
fn crossings() {
    let of = |path: &str| Environments::default().of_path(path);
    assert!(of(".env.production").crosses(&of(".env.staging")));
    assert!(!of(".env.production.local").crosses(&of(".env.local")));
    assert!(!of(".env.production").crosses(&of("a.json")));
    assert!(of("envs/nonprod/a.env").crosses(&of(".env.production")));
    assert!(!of("envs/nonprod/a.env").crosses(&of(".env.dev")));
}

proptest! {
    #[test]
    fn never_panics(path in "(\\.env|values|config|prod|dev|env|[-._/ é0-9a-zA-Z]){0,12}") {
        let environments = Environments::default();
        let siblings = Siblings::of([path.as_str()]);
        let _ = environments.of_path_among(&path, &siblings);
        let _ = environments.of_keys([path.as_str()]);
        let _ = environments.of_store(&path);
        let _ = environments.of_host(&path);
        let _ = environments.service_of_path(&path);
    }
}

#[test]
fn the_names_of_the_configuration_are_told() {
    let definition = |name: &str, tier, path: &str| Definition {
        name: name.to_owned(),
        tier,
        paths: vec![path.to_owned()],
        namespaces: Vec::new(),
        key_prefixes: Vec::new(),
        store_paths: Vec::new(),
    };
    let all = [
        definition("acceptance", Some(Tier::Staging), "acc/**"),
        definition("production", None, "live/**"),
        definition("blue", Some(Tier::Production), "blue/**"),
    ];
    let environments = Environments::new(&all, &[]).unwrap();
    for (path, name) in [
        ("acc/a.env", "acceptance"),
        ("live/a.env", "production"),
        ("blue/a.env", "blue"),
        // Told by its name, and the same environment.
        (".env.prod", "production"),
        (".env.uat", "acceptance"),
        (".env.dev", "dev"),
    ] {
        assert_eq!(environments.of_path(path).names(), name, "{path}");
    }
    let prod = environments.of_path("live/a.env");
    assert_eq!(prod.environments(), [Environment::PROD]);
}

#[test]
fn globs_of_paths_are_those_of_ignore_files() {
    let of = |glob: &str, path: &str| {
        let definition = Definition {
            name: "blue".to_owned(),
            tier: None,
            paths: vec![glob.to_owned()],
            namespaces: Vec::new(),
            key_prefixes: Vec::new(),
            store_paths: Vec::new(),
        };
        let environments = Environments::new(&[definition], &[]).unwrap();
        environments.of_path(path).names() == "blue"
    };
    for (glob, path, fits) in [
        ("deploy/live/**", "deploy/live/a/b.env", true),
        ("deploy/live", "deploy/live/a.env", true),
        ("deploy/live/", "deploy/live/a.env", true),
        ("live.env", "x/live.env", true),
        ("/live.env", "x/live.env", false),
        ("/live.env", "live.env", true),
        ("live/*.env", "x/live/a.env", false),
        ("*.live", "x/y/a.live", true),
    ] {
        assert_eq!(of(glob, path), fits, "{glob} {path}");
    }
}
