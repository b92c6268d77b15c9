//! The grammar of folders: where a tree keeps one folder for each environment.

use std::collections::{BTreeMap, BTreeSet};

use super::{Environment, words};

/// Folders whose children are named as environments.
const PARENTS: [&str; 19] = [
    "env",
    "envs",
    "environment",
    "environments",
    "overlays",
    "overlay",
    "stages",
    "inventories",
    "inventory",
    "group_vars",
    "host_vars",
    "clusters",
    "deploy",
    "deployment",
    "deployments",
    "config",
    "settings",
    "live",
    "tenants",
];

/// Folders of tests, examples and documentation.
const FIXTURES: [&str; 38] = [
    "test",
    "tests",
    "spec",
    "specs",
    "fixture",
    "fixtures",
    "testdata",
    "test-data",
    "test_data",
    "testing",
    "example",
    "examples",
    "doc",
    "docs",
    "sample",
    "samples",
    "__tests__",
    "__mocks__",
    "__fixtures__",
    "molecule",
    "cypress",
    "e2e",
    "mocks",
    "mock",
    "testfixtures",
    "testutil",
    "testutils",
    "test-utils",
    "test_utils",
    "test-fixtures",
    "test_fixtures",
    "integration-tests",
    "playwright",
    "tutorial",
    "tutorials",
    "suites",
    "testsuite",
    "testsuites",
];

/// Folders that are named as environments, by the folder that they are in.
#[derive(Clone, Debug, Default)]
pub struct Siblings {
    /// Folders, in lower case, at least two children of which are named as environments, one of them by a strict word.
    parents: BTreeSet<String>,
}

impl Siblings {
    /// Looks at the paths of all files (with `/`).
    #[must_use]
    pub fn of<'p>(paths: impl IntoIterator<Item = &'p str>) -> Self {
        let mut children: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for path in paths {
            let lower = path.to_ascii_lowercase();
            let folders = lower.rsplit_once('/').map_or("", |(folders, _)| folders);
            let mut at = 0;
            for segment in folders.split('/') {
                if words::whole(segment, false).is_some() {
                    let parent = folders.get(..at).unwrap_or_default().trim_end_matches('/');
                    children
                        .entry(parent.to_owned())
                        .or_default()
                        .insert(segment.to_owned());
                }
                at += segment.len() + 1;
            }
        }
        let is_tree = |children: &BTreeSet<String>| {
            let kinds: BTreeSet<_> = children
                .iter()
                .filter_map(|one| words::whole(one, false))
                .collect();
            kinds.len() >= 2 && children.iter().any(|one| words::is_strict(one))
        };
        let trees = children
            .into_iter()
            .filter(|(_, children)| is_tree(children));
        Self {
            parents: trees.map(|(parent, _)| parent).collect(),
        }
    }
}

/// Tells whether the children of a folder are named as environments.
pub(super) fn is_parent(folder: &str) -> bool {
    PARENTS.contains(&folder)
}

/// Returns the environments that folders name; all in lower case.
pub(super) fn read(name: &str, folders: &[&str], siblings: &Siblings) -> Vec<Environment> {
    let mut found = Vec::new();
    for two in folders.windows(2) {
        if let [parent, folder] = two
            && is_parent(parent)
        {
            found.extend(words::named(folder, true));
        }
    }
    if let [.., "config", "packages", folder] | [.., "config", "packages", folder, _] = folders {
        found.extend(words::whole(folder, true));
    }
    flavours(name, folders, &mut found);
    if name == "terragrunt.hcl" {
        found.extend(
            folders
                .iter()
                .filter_map(|folder| words::whole(folder, false)),
        );
    }
    if found.is_empty()
        && let Some((last, above)) = folders.split_last()
        && siblings.parents.contains(&above.join("/"))
    {
        found.extend(words::whole(last, false));
    }
    found
}

/// `src/<flavor>/` of Android: only with what a flavour holds, since any source tree may have `src/dev`.
fn flavours(name: &str, folders: &[&str], found: &mut Vec<Environment>) {
    let holds = ["res", "assets", "java", "kotlin"];
    let is_flavour_file = matches!(name, "google-services.json" | "androidmanifest.xml");
    for (at, two) in folders.windows(2).enumerate() {
        let next = folders.get(at + 2);
        let is_flavour =
            next.is_some_and(|next| holds.contains(next)) || is_flavour_file && next.is_none();
        if let ["src", flavour] = two
            && is_flavour
            && *flavour != "test"
        {
            found.extend(words::whole(flavour, true));
        }
    }
}

/// Tells whether a folder is one of tests, examples or documentation. `environments/test` is none.
pub(super) fn is_fixture(folders: &[&str]) -> bool {
    folders.iter().enumerate().any(|(at, folder)| {
        let parent = at.checked_sub(1).and_then(|at| folders.get(at));
        let is_environment =
            words::whole(folder, false).is_some() && parent.is_some_and(|parent| is_parent(parent));
        FIXTURES.contains(folder) && !is_environment
    })
}

/// Tells whether the innermost folder is the base of overlays, or the main source set of Android.
pub(super) fn is_base(name: &str, folders: &[&str]) -> bool {
    let is_main = |three: &[&str]| matches!(three, ["src", "main", "res" | "assets"]);
    matches!(folders, [.., "base"])
        || folders.windows(3).any(is_main)
        || name == "google-services.json" && matches!(folders, [.., "src", "main"])
}
