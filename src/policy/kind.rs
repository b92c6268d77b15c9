//! What kind of file it is: by its path, and where that leaves it open by its content.

use super::node::Node;

/// The kinds of files that lints know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// `.github/workflows/*.yml`.
    GithubWorkflow,
    /// `action.yml`.
    GithubAction,
    /// `.gitlab-ci.yml`, `*.gitlab-ci.yml`, and files below `.gitlab/ci/`.
    GitlabCi,
    /// `.circleci/config.yml` and its neighbours.
    CircleCi,
    /// `Jenkinsfile*`, `*.jenkinsfile`.
    Jenkinsfile,
    /// `azure-pipelines*.yml`, and files below `.azure-pipelines/` and `.azuredevops/`.
    AzurePipelines,
    /// `bitbucket-pipelines.yml`.
    BitbucketPipelines,
    /// `Dockerfile*`, `*.Dockerfile`, `Containerfile*`.
    Dockerfile,
    /// `compose*.yml`, `docker-compose*.yml`.
    Compose,
    /// YAML or JSON with `apiVersion` and `kind`.
    Kubernetes,
    /// Files below a chart's `templates/`.
    HelmTemplate,
    /// `values*.yaml` and their like.
    HelmValues,
    /// `kustomization.yaml`.
    Kustomization,
    /// `*.tf`, `*.tofu`.
    Terraform,
    /// `*.tfvars`, `*.tfvars.json`, `*.tfbackend`.
    Tfvars,
    /// `terragrunt.hcl` and other `*.hcl`.
    Hcl,
    /// CloudFormation and SAM: by content.
    CloudFormation,
    /// ARM templates: by content.
    Arm,
    /// `Pulumi.yaml`, `Pulumi.<stack>.yaml`.
    Pulumi,
    /// Ansible plays, tasks, variables, inventories.
    Ansible,
    /// `serverless.yml` and the settings of other platforms (`wrangler.toml`, `vercel.json`, `app.yaml`, `fly.toml`, ...).
    Serverless,
    /// `.env*`, `*.env`.
    Dotenv,
    /// `.gitignore`, `.dockerignore`, `<Dockerfile>.dockerignore`.
    Ignore,
    /// A file that is a credential by its name.
    KeyFile,
    /// Java properties, ini, `.npmrc`, `.pypirc` and other `key = value` files.
    Properties,
    /// TOML.
    Toml,
    /// JSON with or without comments.
    Json,
    /// XML.
    Xml,
    /// Other YAML.
    Yaml,
    /// Shell scripts.
    Shell,
    /// Makefiles.
    Makefile,
    /// Python.
    Python,
    /// JavaScript.
    JavaScript,
    /// TypeScript.
    TypeScript,
    /// TypeScript with JSX.
    Tsx,
    /// Go.
    Go,
}

/// Names of files that are generated, large, and hold no settings.
const GENERATED: [&str; 16] = [
    "package-lock.json",
    "npm-shrinkwrap.json",
    "composer.lock",
    "cargo.lock",
    "poetry.lock",
    "pipfile.lock",
    "uv.lock",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "go.sum",
    "gemfile.lock",
    "packages.lock.json",
    "flake.lock",
    "pdm.lock",
    "deno.lock",
];

/// Returns what kind a file is by its path (with `/`); `None` if no lint reads it.
#[must_use]
pub fn by_path(path: &str) -> Option<FileKind> {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let is_yaml = matches!(extension, Some("yml" | "yaml"));
    // Whatever its name, what lies here is run.
    if is_yaml && lower.starts_with(".github/workflows/") {
        return Some(FileKind::GithubWorkflow);
    }
    // The root may lie deeper than where the scan began, but nobody runs data of tests and copies of modules.
    if is_yaml && let Some((above, _)) = lower.split_once("/.github/workflows/") {
        return (!above.split('/').any(is_never_run)).then_some(FileKind::GithubWorkflow);
    }
    if GENERATED.contains(&name) {
        return None;
    }
    by_name(name, &lower, is_yaml)
        .or_else(|| is_yaml.then(|| by_yaml_path(name, &lower)))
        .or_else(|| by_extension(name, extension))
}

/// Tells whether a file holds texts that people read, in their languages: by its path in small letters.
pub(super) fn is_for_people(path: &str) -> bool {
    path.split('/').any(|part| {
        matches!(
            part,
            "i18n"
                | "l10n"
                | "locale"
                | "locales"
                | "lang"
                | "langs"
                | "translations"
                | "localization"
                | "localizations"
                | "localisation"
                | "localisations"
        )
    })
}

/// Tells whether a folder holds data of tests or modules of others.
fn is_never_run(folder: &str) -> bool {
    matches!(
        folder,
        "testdata"
            | "test-data"
            | "test_data"
            | "fixtures"
            | "__fixtures__"
            | ".terraform"
            | "node_modules"
            | "vendor"
    )
}

fn by_name(name: &str, path: &str, is_yaml: bool) -> Option<FileKind> {
    let stem = name.split('.').next().unwrap_or_default();
    let holds =
        |folder: &str| path.starts_with(folder.trim_start_matches('/')) || path.contains(folder);
    Some(match name {
        ".gitignore" | ".dockerignore" | ".containerignore" => FileKind::Ignore,
        _ if name.ends_with(".dockerignore") => FileKind::Ignore,
        "action.yml" | "action.yaml" => FileKind::GithubAction,
        "kustomization.yml" | "kustomization.yaml" | "kustomization" => FileKind::Kustomization,
        "bitbucket-pipelines.yml" | "bitbucket-pipelines.yaml" => FileKind::BitbucketPipelines,
        "makefile" | "gnumakefile" => FileKind::Makefile,
        ".npmrc" | ".pypirc" | ".yarnrc" | ".pgpass" | ".my.cnf" | ".s3cfg" | ".boto"
        | "pip.conf" | ".netrc" | "_netrc" | ".git-credentials" | "gradle.properties" => {
            FileKind::Properties
        }
        "wrangler.toml" | "wrangler.json" | "wrangler.jsonc" | "vercel.json" | "fly.toml"
        | "netlify.toml" | "render.yaml" | "render.yml" | "samconfig.toml" => FileKind::Serverless,
        // Inventories and variables of Ansible have no ending by habit.
        "hosts" | "inventory" => FileKind::Properties,
        _ if !name.contains('.') && (holds("/group_vars/") || holds("/host_vars/")) => {
            FileKind::Ansible
        }
        _ if !name.contains('.') && (holds("/inventory/") || holds("/inventories/")) => {
            FileKind::Properties
        }
        _ if is_dotenv(name) => FileKind::Dotenv,
        _ if is_key_file(name, path) => FileKind::KeyFile,
        _ if is_yaml && name.starts_with("pulumi.") => FileKind::Pulumi,
        _ if name.ends_with("gitlab-ci.yml") || name.ends_with("gitlab-ci.yaml") => {
            FileKind::GitlabCi
        }
        _ if name.starts_with("jenkinsfile") || name.ends_with(".jenkinsfile") => {
            FileKind::Jenkinsfile
        }
        _ if is_yaml && holds("/.github/workflows/") => FileKind::GithubWorkflow,
        _ if is_yaml && holds("/.gitlab/ci/") => FileKind::GitlabCi,
        _ if is_yaml && holds("/.circleci/") => FileKind::CircleCi,
        _ if is_yaml
            && (name.starts_with("azure-pipelines")
                || holds("/.azure-pipelines/")
                || holds("/.azuredevops/")) =>
        {
            FileKind::AzurePipelines
        }
        _ if (matches!(stem, "dockerfile" | "containerfile") && !is_code(name))
            || name.starts_with("dockerfile-")
            || name.ends_with(".dockerfile")
            || name.ends_with(".containerfile") =>
        {
            FileKind::Dockerfile
        }
        _ => return None,
    })
}

/// Tells whether a file is program text or prose about something, by its ending.
fn is_code(name: &str) -> bool {
    const ENDINGS: [&str; 16] = [
        "rs", "go", "py", "js", "ts", "tsx", "java", "rb", "php", "c", "h", "md", "txt", "json",
        "html", "lua",
    ];
    name.rsplit_once('.')
        .is_some_and(|(_, ending)| ENDINGS.contains(&ending))
}

/// Tells whether a file's name (in lower case) is that of an environment file.
#[must_use]
pub fn is_dotenv(name: &str) -> bool {
    let code = [
        ".js", ".ts", ".py", ".go", ".rb", ".d.ts", ".mjs", ".cjs", ".tsx", ".jsx", ".html", ".md",
        ".sh", ".php", ".yml", ".yaml", ".json", ".toml", ".vault", ".keys",
    ];
    (name == ".env"
        || name.starts_with(".env.")
        || name.starts_with(".env-")
        || name.starts_with(".env_")
        || name.ends_with(".env")
        || name == ".envrc"
        || name == ".flaskenv"
        || name == ".dev.vars")
        && !code.iter().any(|end| name.ends_with(end))
}

fn is_key_file(name: &str, path: &str) -> bool {
    let ends = [
        ".pem",
        ".key",
        ".p12",
        ".pfx",
        ".jks",
        ".keystore",
        ".ppk",
        ".tfstate",
        ".tfstate.backup",
        ".kdbx",
        ".ovpn",
        ".agekey",
    ];
    ends.iter().any(|end| name.ends_with(end))
        || matches!(
            name,
            "id_rsa"
                | "id_dsa"
                | "id_ecdsa"
                | "id_ed25519"
                | "id_ecdsa_sk"
                | "id_ed25519_sk"
                | ".env.keys"
                | "kubeconfig"
                | "credentials.tfrc.json"
        )
        || name.starts_with("gha-creds-") && name.ends_with(".json")
        || name.starts_with("service-account") && name.ends_with(".json")
        || name.starts_with("service_account") && name.ends_with(".json")
        || path.ends_with(".kube/config")
        || path.ends_with(".aws/credentials")
        || path.ends_with(".docker/config.json")
}

fn by_yaml_path(name: &str, path: &str) -> FileKind {
    let stem = name
        .strip_suffix(".yaml")
        .or_else(|| name.strip_suffix(".yml"))
        .unwrap_or(name);
    let in_folder = |folder: &str| path.split('/').rev().skip(1).any(|part| part == folder);
    let parts = |separators: &[char]| {
        stem.split(separators)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    if stem.starts_with("docker-compose") || parts(&['.', '-'])[0] == "compose" {
        FileKind::Compose
    } else if stem.starts_with("serverless") || matches!(stem, "template" if in_folder("sam")) {
        FileKind::Serverless
    } else if stem == "app" || stem.starts_with("app.") {
        // App Engine's settings, if the content says so.
        FileKind::Yaml
    } else if in_folder("templates") {
        FileKind::HelmTemplate
    } else if parts(&['.', '-', '_']).iter().any(|part| part == "values") {
        FileKind::HelmValues
    } else if in_folder("group_vars")
        || in_folder("host_vars")
        || in_folder("roles")
        || in_folder("playbooks")
        || stem.starts_with("playbook")
    {
        FileKind::Ansible
    } else {
        FileKind::Yaml
    }
}

fn by_extension(name: &str, extension: Option<&str>) -> Option<FileKind> {
    Some(match extension? {
        "tf" | "tofu" => FileKind::Terraform,
        "tfvars" | "tfbackend" => FileKind::Tfvars,
        "json" if name.ends_with(".tfvars.json") => FileKind::Tfvars,
        "json" if name.ends_with(".tf.json") => FileKind::Terraform,
        "hcl" => FileKind::Hcl,
        "properties" | "ini" | "cfg" | "conf" | "cnf" => FileKind::Properties,
        "toml" => FileKind::Toml,
        "json" | "jsonc" | "json5" => FileKind::Json,
        "xml" | "config" | "csproj" | "props" => FileKind::Xml,
        "sh" | "bash" | "zsh" | "ksh" => FileKind::Shell,
        "mk" => FileKind::Makefile,
        "py" => FileKind::Python,
        "js" | "mjs" | "cjs" | "jsx" => FileKind::JavaScript,
        "ts" | "mts" | "cts" => FileKind::TypeScript,
        "tsx" => FileKind::Tsx,
        "go" => FileKind::Go,
        _ => return None,
    })
}

/// Returns what kind a tree is by its content, where the path left it open.
#[must_use]
pub fn by_content(kind: FileKind, trees: &[Node]) -> FileKind {
    if !matches!(
        kind,
        FileKind::Yaml
            | FileKind::Json
            | FileKind::HelmValues
            | FileKind::HelmTemplate
            | FileKind::Ansible
    ) {
        return kind;
    }
    let any = |test: &dyn Fn(&Node) -> bool| trees.iter().any(test);
    if kind != FileKind::HelmTemplate
        && any(&|tree| tree.get("apiVersion").is_some() && tree.get("kind").is_some())
    {
        let is_kustomization = any(&|tree| {
            tree.text_at(&["kind"])
                .is_some_and(|kind| kind == "Kustomization")
        });
        let is_build = any(&|tree| {
            tree.text_at(&["apiVersion"])
                .is_some_and(|version| version.starts_with("kustomize.config.k8s.io"))
        });
        return if is_kustomization && is_build {
            FileKind::Kustomization
        } else {
            FileKind::Kubernetes
        };
    }
    if matches!(kind, FileKind::HelmValues | FileKind::Ansible) {
        return kind;
    }
    let is_stack = |tree: &Node| {
        let resources = tree.get("Resources").map_or(&[][..], Node::entries);
        let is_aws = |entry: &super::node::Entry| {
            let kind = entry.value.text_at(&["Type"]);
            kind.is_some_and(|kind| kind.starts_with("AWS::") || kind.starts_with("Custom::"))
        };
        tree.get("AWSTemplateFormatVersion").is_some() || resources.iter().any(is_aws)
    };
    // Stacks live in folders called `templates` too.
    if any(&is_stack) {
        return FileKind::CloudFormation;
    }
    if kind == FileKind::HelmTemplate {
        return kind;
    }
    deployed(kind, trees)
}

/// The same for the files of deployment tools that have no folder or name of their own.
fn deployed(kind: FileKind, trees: &[Node]) -> FileKind {
    let any = |test: &dyn Fn(&Node) -> bool| trees.iter().any(test);
    if any(&|tree| {
        tree.text_at(&["$schema"]).is_some_and(|schema| {
            schema.contains("deploymentTemplate.json")
                || schema.contains("deploymentParameters.json")
        })
    }) {
        return FileKind::Arm;
    }
    if any(&|tree| tree.get("runtime").is_some() && tree.get("env_variables").is_some())
        || any(&|tree| tree.get("provider").is_some() && tree.get("functions").is_some())
    {
        return FileKind::Serverless;
    }
    let is_inventory = |tree: &Node| {
        tree.get("all").is_some_and(|all| {
            let parts = ["hosts", "children", "vars"];
            let is_part = |entry: &super::node::Entry| parts.contains(&entry.key.as_str());
            let has_hosts = all.get("hosts").is_some() || all.get("children").is_some();
            has_hosts && all.entries().iter().all(is_part)
        })
    };
    if any(&is_inventory) {
        return FileKind::Ansible;
    }
    let is_play = |item: &Node| {
        (item.get("hosts").is_some()
            && ["tasks", "roles", "vars", "vars_files"]
                .iter()
                .any(|key| item.get(key).is_some()))
            || item.get("import_playbook").is_some()
    };
    if any(&|tree| tree.items().iter().any(is_play)) {
        return FileKind::Ansible;
    }
    swarm(kind, trees)
}

/// Stacks of Swarm have names of their own: their services tell them.
fn swarm(kind: FileKind, trees: &[Node]) -> FileKind {
    let is_service = |node: &Node| node.get("image").is_some() || node.get("build").is_some();
    let has_services = |tree: &Node| {
        let services = tree.get("services").map_or(&[][..], Node::entries);
        services.iter().any(|entry| is_service(&entry.value))
    };
    if kind == FileKind::Yaml && trees.iter().any(has_services) {
        return FileKind::Compose;
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_kinds() {
        for (path, kind) in [
            (".github/workflows/ci.yml", Some(FileKind::GithubWorkflow)),
            (
                ".github/workflows/action.yml",
                Some(FileKind::GithubWorkflow),
            ),
            (
                "shop/.github/workflows/ci.yml",
                Some(FileKind::GithubWorkflow),
            ),
            ("hcl/testdata/a/.terraform/b/.github/workflows/ci.yml", None),
            (
                ".github/workflows/pnpm-lock.yaml",
                Some(FileKind::GithubWorkflow),
            ),
            ("x/action.yaml", Some(FileKind::GithubAction)),
            (".gitlab-ci.yml", Some(FileKind::GitlabCi)),
            ("ci/build.gitlab-ci.yml", Some(FileKind::GitlabCi)),
            (".circleci/config.yml", Some(FileKind::CircleCi)),
            ("Jenkinsfile.release", Some(FileKind::Jenkinsfile)),
            ("docker/Dockerfile.prod", Some(FileKind::Dockerfile)),
            ("api.Dockerfile.dockerignore", Some(FileKind::Ignore)),
            ("api.dockerfile", Some(FileKind::Dockerfile)),
            ("readers/dockerfile.rs", None),
            ("docker-compose.dev.yml", Some(FileKind::Compose)),
            ("compose.yaml", Some(FileKind::Compose)),
            ("chart/templates/secret.yaml", Some(FileKind::HelmTemplate)),
            ("chart/values-prod.yaml", Some(FileKind::HelmValues)),
            ("main.tf", Some(FileKind::Terraform)),
            ("prod.tfvars", Some(FileKind::Tfvars)),
            ("Pulumi.dev.yaml", Some(FileKind::Pulumi)),
            ("group_vars/all.yml", Some(FileKind::Ansible)),
            ("group_vars/all", Some(FileKind::Ansible)),
            ("inventory/prod", Some(FileKind::Properties)),
            (".env.production", Some(FileKind::Dotenv)),
            ("deploy/prod.env", Some(FileKind::Dotenv)),
            ("src/env.ts", Some(FileKind::TypeScript)),
            (".env.d.ts", Some(FileKind::TypeScript)),
            ("keys/id_ed25519", Some(FileKind::KeyFile)),
            ("package-lock.json", None),
            ("README.md", None),
        ] {
            assert_eq!(by_path(path), kind, "{path}");
        }
    }
}
