//! The layers are law: a module names lower layers only, and outside crates only where the table allows.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Module, layer, and the outside crates that it may name beside the ones in [`EVERYWHERE`].
const MODULES: [(&str, u8, &[&str]); 14] = [
    (
        "cli",
        6,
        &[
            "clap",
            "indicatif",
            "miette",
            "rayon",
            "ctrlc",
            "getrandom",
            "similar",
            "serde",
            "serde_json",
            "rustix",
            "zeroize",
        ],
    ),
    (
        "report",
        5,
        &["serde", "serde_json", "miette", "base64", "sha2"],
    ),
    (
        "rotate",
        4,
        &[
            "serde",
            "serde_json",
            "age",
            "sha2",
            "hmac",
            "getrandom",
            "rustix",
            "miette",
            "jiff",
            "globset",
            "base64",
            "zeroize",
            "ed25519_dalek",
        ],
    ),
    ("scan", 3, &["rayon", "miette"]),
    (
        "verify",
        3,
        &[
            "miette",
            "serde",
            "rayon",
            "aho_corasick",
            "base64",
            "serde_json",
            "jiff",
            "zeroize",
            "getrandom",
            "hmac",
            "sha2",
        ],
    ),
    (
        "stores",
        2,
        &[
            "ureq",
            "age",
            "aes_gcm",
            "crypto_box",
            "serde",
            "serde_json",
            "toml",
            "base64",
            "jiff",
            "miette",
            "zeroize",
            "gix",
            "globset",
            "granit_parser",
            "regex",
            "hcl_edit",
            "getrandom",
            "sha2",
            "hmac",
            "rustix",
            "postgres_protocol",
            "rustls",
            "rustls_native_certs",
            "ssh_key",
            "tokio",
            "tokio_postgres",
            "tokio_postgres_rustls",
            "aws_config",
            "aws_runtime",
            "aws_smithy_http_client",
            "aws_sdk_secretsmanager",
            "aws_sdk_ssm",
            "aws_sdk_iam",
            "aws_sdk_sts",
            "http_body_util",
            "kube",
            "k8s_openapi",
            "google_cloud_secretmanager_v1",
            "google_cloud_auth",
            "google_cloud_gax",
            "google_cloud_wkt",
            "crc32c",
            "azure_security_keyvault_secrets",
            "azure_identity",
            "azure_core",
            "async_trait",
            "futures_util",
            "reqwest",
        ],
    ),
    (
        "engine",
        2,
        &[
            "aho_corasick",
            "regex",
            "regex_automata",
            "regex_syntax",
            "base64",
            "crc32fast",
            "pulp",
            "highway",
            "zeroize",
            "serde_json",
            "sha2",
        ],
    ),
    (
        "sources",
        2,
        &[
            "ignore",
            "gix",
            "rayon",
            "miette",
            "zip",
            "tar",
            "flate2",
            "bzip2",
            "lzma_rust2",
            "ruzstd",
            "sirocco",
            "globset",
            "crc32fast",
            "deflate64",
        ],
    ),
    (
        "policy",
        2,
        &[
            "aho_corasick",
            "base64",
            "globset",
            "granit_parser",
            "hcl_edit",
            "ignore",
            "jsonc_parser",
            "parse_dockerfile",
            "regex",
            "roxmltree",
            "serde_json",
            "toml",
            "zeroize",
            "tree_sitter",
            "tree_sitter_bash",
            "tree_sitter_go",
            "tree_sitter_javascript",
            "tree_sitter_python",
            "tree_sitter_typescript",
        ],
    ),
    (
        "config",
        1,
        &[
            "serde",
            "toml",
            "regex",
            "regex_syntax",
            "miette",
            "globset",
        ],
    ),
    (
        "rules",
        1,
        &[
            "serde",
            "toml",
            "regex",
            "regex_syntax",
            "miette",
            "base64",
            "crc32fast",
            "globset",
        ],
    ),
    ("model", 0, &["serde", "sha2", "hmac", "zeroize"]),
    ("literals", 0, &["aho_corasick"]),
    ("masks", 0, &["pulp"]),
];

/// Small crates without policy of their own.
const EVERYWHERE: [&str; 6] = ["std", "core", "crate", "super", "thiserror", "memchr"];

/// Only these may do these things.
const ONLY: [(&str, &[&str]); 6] = [
    ("gix::open", &["sources/repo"]),
    ("ThreadSafeRepository", &["sources/repo"]),
    ("std::env", &["cli"]),
    ("env::var", &["cli"]),
    ("println!", &[]),
    ("thread::spawn", &[]),
];

fn source_files(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// Returns the code without comments and without the tests at the foot of the file.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text
        .split("\n#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Returns `(file relative to src, module, code)` of every file below a module.
fn files() -> Vec<(String, &'static str, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    source_files(&src, &mut paths);
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let relative = path
            .strip_prefix(&src)
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/");
        let top = relative
            .split(['/', '.'])
            .next()
            .unwrap_or_default()
            .to_owned();
        if let Some((module, ..)) = MODULES.iter().find(|(name, ..)| *name == top) {
            files.push((relative, *module, code(&path)));
        } else {
            assert!(
                ["main.rs", "lib.rs"].contains(&relative.as_str()),
                "src/{relative} is in no layer: name it in MODULES"
            );
        }
    }
    files
}

/// Returns the words that follow `prefix` in `text`.
fn words_after<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> + 't {
    text.match_indices(prefix).map(move |(at, _)| {
        let rest = &text[at + prefix.len()..];
        &rest[..rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len())]
    })
}

#[test]
fn modules_name_lower_layers_only() {
    for (file, module, code) in files() {
        let own = MODULES.iter().find(|(name, ..)| *name == module).unwrap();
        let mut named: BTreeSet<&str> = words_after(&code, "crate::").collect();
        // `use crate::{ a, b::c }`: take each item at the first level of the braces.
        for (at, _) in code.match_indices("crate::{") {
            let mut depth = 0;
            let mut word = String::new();
            for c in code[at + 7..].chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 1 && (c.is_ascii_alphanumeric() || c == '_') {
                    word.push(c);
                } else {
                    let module = MODULES.iter().find(|(name, ..)| *name == word);
                    if let (true, Some((name, ..))) = (depth >= 1, module) {
                        named.insert(name);
                    }
                    word.clear();
                }
                if depth == 0 {
                    break;
                }
            }
        }
        for name in named {
            if let Some((_, layer, _)) = MODULES.iter().find(|(other, ..)| *other == name) {
                assert!(
                    name == module || *layer < own.1,
                    "src/{file} (layer {}) uses crate::{name} (layer {layer})",
                    own.1
                );
            }
        }
    }
}

#[test]
fn outside_crates_are_named_where_the_table_allows() {
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let dependencies: BTreeSet<String> = manifest
        .split("[dependencies]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().replace('-', "_"))
        .collect();
    assert!(
        dependencies.len() > 10,
        "the dependencies were read: {dependencies:?}"
    );
    for (file, module, code) in files() {
        let allowed = MODULES.iter().find(|(name, ..)| *name == module).unwrap().2;
        for name in &dependencies {
            if EVERYWHERE.contains(&name.as_str()) || allowed.contains(&name.as_str()) {
                continue;
            }
            // A module of the file's own that has the crate's name hides it.
            if code.contains(&format!("\nmod {name};")) {
                continue;
            }
            let uses = [
                format!("use {name}::"),
                format!("use {name} "),
                format!("use {name};"),
            ]
            .iter()
            .any(|pattern| code.contains(pattern.as_str()))
                || code.match_indices(&format!("{name}::")).any(|(at, _)| {
                    // A path that starts here, not the tail of a longer name or path.
                    !code[..at].ends_with(|c: char| {
                        c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '"'
                    })
                });
            assert!(
                !uses,
                "src/{file} names the crate {name}, which {module} may not"
            );
        }
    }
}

#[test]
fn some_things_are_done_in_one_place_only() {
    for (file, _, code) in files() {
        for (what, places) in ONLY {
            let allowed = places.iter().any(|place| file.starts_with(place));
            assert!(
                allowed || !code.contains(what),
                "src/{file} has `{what}`, which only {places:?} may"
            );
        }
    }
}
