//! The grammar of file names: where each tool puts the environment in the name of its file.

use super::{Environment, directory, words};

/// What a file's name says. Names and folders are in lower case.
#[derive(Debug, Default)]
pub(super) struct FileName {
    /// The environments in the place where the tool puts them.
    pub environments: Vec<Environment>,
    /// Whether it is an example of a file, to be copied and filled in.
    pub is_example: bool,
    /// Whether it is the layer that the files of environments are put over.
    pub is_base: bool,
}

/// Words of files that are an example of another one: `.env.example`, `values.sample.yaml`.
const EXAMPLES: [&str; 5] = ["example", "examples", "sample", "dist", "skel"];

/// Words that say so of settings alone: `vpc-template.yaml` is CloudFormation that is in use.
const TEMPLATES: [&str; 3] = ["template", "tmpl", "tpl"];

/// How files of settings begin.
const SETTINGS: [&str; 8] = [
    ".env",
    "env.",
    "config",
    "values",
    "settings",
    "appsettings",
    "application",
    "secrets",
];

/// `name-<env>.ext`: beginnings, the signs that may part, and the extensions.
const PREFIXED: [(&str, &[char], &[&str]); 17] = [
    (
        "application",
        &['-'],
        &["yml", "yaml", "properties", "json", "toml"],
    ),
    ("bootstrap", &['-'], &["yml", "yaml", "properties"]),
    ("appsettings", &['.'], &["json"]),
    ("web", &['.'], &["config"]),
    ("app", &['.'], &["config"]),
    ("app", &['.', '-', '_'], &["yaml", "yml"]),
    ("environment", &['.'], &["ts", "js"]),
    ("values", &['-', '.', '_'], &["yaml", "yml"]),
    (
        "secrets",
        &['-', '.', '_'],
        &["yaml", "yml", "json", "toml"],
    ),
    (
        "config",
        &['-', '.', '_'],
        &[
            "yml",
            "yaml",
            "json",
            "toml",
            "js",
            "ts",
            "ini",
            "properties",
        ],
    ),
    (
        "settings",
        &['-', '.', '_'],
        &["py", "toml", "yaml", "yml", "json", "ini"],
    ),
    ("serverless", &['-', '.', '_'], &["yml", "yaml", "json"]),
    ("samconfig", &['-', '.', '_'], &["toml", "yaml"]),
    ("pulumi", &['.'], &["yaml", "yml"]),
    ("fly", &['.', '-'], &["toml"]),
    ("wrangler", &['.', '-'], &["toml", "json", "jsonc"]),
    ("dockerfile", &['.', '-'], &[]),
];

/// Names of base layers, without the extension where it is not given.
const BASES: [&str; 21] = [
    ".env",
    "application",
    "bootstrap",
    "appsettings.json",
    "web.config",
    "credentials.yml.enc",
    "environment.ts",
    "values",
    "compose",
    "docker-compose",
    "variables.tf",
    "terraform.tfvars",
    "pulumi.yaml",
    "serverless",
    "app.yaml",
    "app.yml",
    "fly.toml",
    "wrangler.toml",
    "config",
    "settings",
    "terraform.tfvars.json",
];

/// Reads a name.
pub(super) fn read(name: &str, folders: &[&str]) -> FileName {
    if let Some(found) = special(name) {
        // `prod/.envrc`: the folder says for which environment it is.
        let folder = folders.last().filter(|_| name == ".envrc");
        return match folder.and_then(|folder| words::whole(folder, false)) {
            Some(environment) => FileName {
                environments: vec![environment],
                ..found
            },
            None => found,
        };
    }
    let parts: Vec<&str> = name
        .split(['.', '-', '_'])
        .filter(|part| !part.is_empty())
        .collect();
    let is_settings =
        SETTINGS.iter().any(|start| name.starts_with(start)) || name.ends_with(".env");
    let asks = |part: &&str| EXAMPLES.contains(part) || is_settings && TEMPLATES.contains(part);
    let is_example = parts.len() > 1 && parts.iter().any(asks);
    let mut environments = Vec::new();
    for slot in slots(name, folders) {
        environments.extend(words::named(&slot, true));
    }
    FileName {
        environments,
        is_example,
        is_base: is_base(name, folders),
    }
}

/// Files whose one name says all.
fn special(name: &str) -> Option<FileName> {
    let environment = match name {
        "local.settings.json" | ".dev.vars" | ".envrc" | ".env.local" => Environment::LOCAL,
        "docker-compose.override.yml"
        | "docker-compose.override.yaml"
        | "compose.override.yml"
        | "compose.override.yaml" => Environment::LOCAL,
        "settings_local.py" | "local_settings.py" | "localsettings.py" => Environment::LOCAL,
        _ => return None,
    };
    Some(FileName {
        environments: vec![environment],
        ..FileName::default()
    })
}

/// Returns the parts of a name where an environment stands, if the name fits a tool's grammar.
fn slots(name: &str, folders: &[&str]) -> Vec<String> {
    let mut slots = Vec::new();
    dotenv(name, &mut slots);
    terraform(name, &mut slots);
    compose(name, &mut slots);
    let (stem, extension) = split(name);
    for (start, signs, extensions) in PREFIXED {
        if !(extensions.contains(&extension) || extensions.is_empty()) {
            continue;
        }
        let whole = if extensions.is_empty() { name } else { stem };
        if let Some(rest) = whole.strip_prefix(start)
            && let Some(slot) = rest.strip_prefix(signs)
        {
            slots.push(slot.to_owned());
        }
    }
    if matches!(extension, "yaml" | "yml") {
        let ends = [".values", "-values", "_values"];
        slots.extend(
            ends.iter()
                .filter_map(|end| stem.strip_suffix(end))
                .map(str::to_owned),
        );
    }
    // `prod.ini`, whatever folder it is in.
    if extension == "ini" && words::whole(stem, false).is_some() {
        slots.push(stem.to_owned());
    }
    if let Some(slot) = name.strip_suffix(".dockerfile") {
        slots.push(slot.to_owned());
    }
    below_a_folder(name, stem, folders, &mut slots);
    slots
}

/// `.env.<env>[.local]`, `.env-<env>`, `<env>.env`.
fn dotenv(name: &str, slots: &mut Vec<String>) {
    let inner = name
        .strip_prefix(".env")
        .and_then(|rest| rest.strip_prefix(['.', '-', '_']));
    if let Some(slot) = inner {
        // `.local` adds itself to the environment before it.
        if let Some(front) = slot.strip_suffix(".local") {
            slots.push(front.to_owned());
            slots.push("local".to_owned());
        } else {
            slots.push(slot.to_owned());
        }
    }
    if let Some(slot) = name.strip_suffix(".env") {
        slots.push(slot.trim_start_matches('.').to_owned());
    }
}

/// `<env>.tfvars`, `terraform.<env>.tfvars`, `<env>.auto.tfvars.json`, `<env>.tfbackend`, `backend-<env>.hcl`.
fn terraform(name: &str, slots: &mut Vec<String>) {
    let bare = name.strip_suffix(".json").unwrap_or(name);
    let bare = ["tfvars", "tfbackend"]
        .iter()
        .find_map(|end| bare.strip_suffix(end)?.strip_suffix('.'));
    if let Some(bare) = bare {
        let bare = bare.strip_suffix(".auto").unwrap_or(bare);
        let starts = ["terraform.", "terraform-", "backend.", "backend-"];
        let slot = starts.iter().find_map(|start| bare.strip_prefix(start));
        slots.push(slot.unwrap_or(bare).to_owned());
    }
    if let Some(stem) = name.strip_suffix(".hcl") {
        let slot = stem
            .strip_prefix("backend")
            .and_then(|rest| rest.strip_prefix(['.', '-', '_']));
        slots.extend(slot.map(str::to_owned));
    }
}

/// `compose.<env>.yml`, `docker-compose-<env>.yaml`.
fn compose(name: &str, slots: &mut Vec<String>) {
    let (stem, extension) = split(name);
    if !matches!(extension, "yml" | "yaml") {
        return;
    }
    let rest = stem
        .strip_prefix("docker-compose")
        .or_else(|| stem.strip_prefix("compose"));
    let slot = rest.and_then(|rest| rest.strip_prefix(['-', '.', '_']));
    slots.extend(slot.map(str::to_owned));
}

/// Files that are named as their environment, in a folder of such files: `config/production.json`, `settings/dev.py`,
/// `group_vars/prod_web.yml`, `inventories/staging`, `credentials/production.yml.enc`.
fn below_a_folder(name: &str, stem: &str, folders: &[&str], slots: &mut Vec<String>) {
    let Some(parent) = folders.last() else {
        return;
    };
    let bare = name.split('.').next().unwrap_or_default();
    if matches!(
        *parent,
        "group_vars" | "host_vars" | "inventories" | "inventory"
    ) {
        slots.push(bare.to_owned());
    }
    let is_one = words::whole(bare, true).is_some() && (stem == bare || name.ends_with(".enc"));
    let is_settings =
        directory::is_parent(parent) || matches!(*parent, "credentials" | "stacks" | "profiles");
    // `config/local-production.json` of node-config: the name of an environment with `local` before it.
    if is_settings && is_one {
        slots.push(bare.to_owned());
    } else if *parent == "config"
        && let Some(rest) = stem.strip_prefix("local-")
        && words::whole(rest, true).is_some()
    {
        slots.push(rest.to_owned());
        slots.push("local".to_owned());
    }
}

fn is_base(name: &str, folders: &[&str]) -> bool {
    let (stem, extension) = split(name);
    let is_settings = matches!(
        extension,
        "yml" | "yaml" | "properties" | "json" | "toml" | "env"
    );
    let parent = folders.last().copied().unwrap_or_default();
    BASES.contains(&name)
        || is_settings && BASES.contains(&stem)
        || parent == "config" && stem == "default"
        || parent == "settings" && matches!(name, "base.py" | "common.py")
        || parent == "group_vars" && (stem == "all" || name == "all")
        || folders.windows(2).any(|two| two == ["group_vars", "all"])
        || folders.contains(&"roles") && matches!(parent, "defaults" | "vars")
}

fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or((name, ""))
}
