//! Which files are put over which: the layer sets of each tool.

use std::collections::{BTreeMap, BTreeSet};

use super::super::environment::{Environment, Environments, Labels, Siblings};

/// Most files of a layer set that are remembered by name.
const MAX_FILES: usize = 64;

/// What is put over one base.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// All environments that have a layer.
    pub environments: BTreeSet<Environment>,
    /// The first files, with their environments.
    pub files: Vec<(String, Labels)>,
}

/// Layers by family.
pub(super) type Layers = BTreeMap<String, Layer>;

/// Returns the layers of environments by family, from the paths of all files.
pub(super) fn of<'p>(
    paths: impl IntoIterator<Item = &'p str>,
    environments: &Environments,
    siblings: &Siblings,
) -> Layers {
    let mut layers = Layers::new();
    for path in paths {
        let Some(family) = family(path) else { continue };
        let labels = environments.of_path_among(path, siblings);
        if !labels.is_empty() && !labels.is_shared() && !labels.is_fixture() {
            layers.entry(family).or_default().add(path, &labels);
        }
    }
    layers
}

impl Layer {
    /// Adds a file.
    pub(super) fn add(&mut self, path: &str, labels: &Labels) {
        self.environments
            .extend(labels.environments().iter().cloned());
        if self.files.len() < MAX_FILES {
            self.files.push((path.to_owned(), labels.clone()));
        }
    }
}

/// Returns what files that are put over one another have in common; `None` of a file without layers.
pub(super) fn family(path: &str) -> Option<String> {
    let lower = path.to_ascii_lowercase();
    let (folder, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let is_yaml = matches!(extension, "yml" | "yaml");
    let starts = |word: &str| {
        stem.strip_prefix(word)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', '_']))
    };
    let parts: Vec<&str> = folder.split('/').collect();
    let before = |names: &[&str]| {
        let at = parts.iter().position(|part| names.contains(part))?;
        Some(parts.get(..at).unwrap_or_default().join("/"))
    };
    if let Some(root) = before(&["group_vars", "inventories", "inventory", "roles"]) {
        return Some(format!("{root}/#ansible"));
    }
    if name.starts_with(".env") || name.ends_with(".env") {
        return Some(format!("{folder}/#dotenv"));
    }
    let named = [
        (
            is_yaml || extension == "properties",
            "application",
            "spring",
        ),
        (
            is_yaml || extension == "properties",
            "bootstrap",
            "bootstrap",
        ),
        (extension == "json", "appsettings", "net"),
        (extension == "config", "web", "web"),
        (is_yaml, "docker-compose", "compose"),
        (is_yaml, "compose", "compose"),
        (is_yaml, "pulumi", "pulumi"),
        (is_yaml, "serverless", "serverless"),
        (is_yaml, "app", "app"),
        (extension == "toml", "fly", "fly"),
    ];
    if let Some((.., tool)) = named.iter().find(|(fits, word, _)| *fits && starts(word)) {
        return Some(format!("{folder}/#{tool}"));
    }
    if is_yaml && (starts("values") || stem.ends_with(".values") || stem.ends_with("-values")) {
        let root = before(&["env", "envs", "environments"]).unwrap_or_else(|| folder.to_owned());
        return Some(format!("{root}/#helm"));
    }
    if name.ends_with(".tfvars") || name.ends_with(".tfvars.json") || extension == "tf" {
        let root = before(&["env", "envs", "environments"]).unwrap_or_else(|| folder.to_owned());
        return Some(format!("{root}/#terraform"));
    }
    if parts.last() == Some(&"config")
        && matches!(extension, "json" | "json5" | "yml" | "yaml" | "toml")
    {
        return Some(format!("{folder}/#config"));
    }
    before(&["base", "overlays", "envs"]).map(|root| format!("{root}/#kustomize"))
}

/// Returns a key as layers compare it: case and the signs between words do not count (`spring.jpa.show-sql`, `SPRING_JPA_SHOWSQL`).
pub(super) fn key(key: &str) -> String {
    let signs = key.replace("__", ".").replace([':', '/'], ".");
    signs
        .chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_each_tool() {
        for (base, layer) in [
            (".env", ".env.production"),
            ("api/.env", "api/.env.dev"),
            (
                "src/main/resources/application.yml",
                "src/main/resources/application-prod.properties",
            ),
            ("bootstrap.yml", "bootstrap-dev.yml"),
            ("Api/appsettings.json", "Api/appsettings.Production.json"),
            ("config/default.json", "config/production.json"),
            ("chart/values.yaml", "chart/values-prod.yaml"),
            ("chart/values.yaml", "chart/prod.values.yaml"),
            ("chart/values.yaml", "chart/environments/prod/values.yaml"),
            ("k8s/base/secret.yaml", "k8s/overlays/prod/secret.yaml"),
            ("docker-compose.yml", "docker-compose.prod.yml"),
            ("variables.tf", "prod.tfvars"),
            ("variables.tf", "envs/prod/x.tfvars"),
            ("Pulumi.yaml", "Pulumi.prod.yaml"),
            ("serverless.yml", "serverless.prod.yml"),
            ("group_vars/all.yml", "group_vars/prod.yml"),
            ("group_vars/all.yml", "inventories/prod/group_vars/all.yml"),
            ("roles/db/defaults/main.yml", "group_vars/prod.yml"),
            ("app.yaml", "app.prod.yaml"),
            ("fly.toml", "fly.staging.toml"),
        ] {
            assert!(family(base).is_some(), "{base}");
            assert_eq!(family(base), family(layer), "{base} {layer}");
        }
        assert_eq!(family("src/index.json"), None);
        assert_ne!(family("a/.env"), family("b/.env.prod"));
    }

    #[test]
    fn keys_in_different_spellings() {
        assert_eq!(
            key("spring.datasource.pass-word"),
            key("spring.dataSource.passWord")
        );
        assert_eq!(
            key("ConnectionStrings:Default"),
            key("connectionstrings__default")
        );
        assert_ne!(key("a.password"), key("b.password"));
    }
}
