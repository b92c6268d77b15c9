//! Files that hold credentials, by their name, and by their content where a name leaves it open.

use super::is_local;
use crate::policy::{
    names::{self, Secretness},
    values::{self, Value},
};

/// How surely a file holds a credential, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// It does.
    Surely,
    /// Its content decides.
    Maybe,
}

/// Words of names of files that show what a real one looks like.
const EXAMPLES: [&str; 11] = [
    "example", "sample", "template", "dist", "default", "defaults", "schema", "pub", "tpl", "tmpl",
    "test",
];

/// Words of names of keys and certificates that are public.
const PUBLIC: [&str; 26] = [
    "ca",
    "cacert",
    "cacerts",
    "cert",
    "certs",
    "certificate",
    "chain",
    "fullchain",
    "bundle",
    "root",
    "trust",
    "truststore",
    "public",
    "gpg",
    "apt",
    "repo",
    "release",
    "archive",
    "rpm",
    "keyring",
    "crt",
    "signing",
    "dhparam",
    "dhparams",
    "isrg",
    "global",
];

/// Tells whether a path is that of a credential file. Examples, public keys and what belongs to tests are none.
pub(super) fn named(path: &str) -> Option<Named> {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    let words: Vec<&str> = name.split(['.', '-', '_']).collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let folder = lower.strip_suffix(name).unwrap_or_default();
    if has(&EXAMPLES) || is_local(folder) || is_of_texts(folder) {
        return None;
    }
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    match name {
        ".env" | ".git-credentials" | ".netrc" | "_netrc" | ".pypirc" | ".pgpass"
        | "kubeconfig" => Some(Named::Surely),
        "id_rsa" | "id_dsa" | "id_ecdsa" | "id_ed25519" => Some(Named::Surely),
        ".npmrc" | ".yarnrc" | ".yarnrc.yml" | "pip.conf" | "credentials.json" | "auth.json" => {
            Some(Named::Maybe)
        }
        ".aws" | ".ssh" => Some(Named::Surely),
        "credentials" if folder.ends_with(".aws/") => Some(Named::Surely),
        "config" if folder.ends_with(".kube/") => Some(Named::Surely),
        _ if name.starts_with(".env.") => Some(Named::Surely),
        _ if name.ends_with(".json")
            && (name.starts_with("service-account") || name.starts_with("service_account")) =>
        {
            Some(Named::Surely)
        }
        _ if has(&PUBLIC) => None,
        _ if ends(&[".p12", ".pfx", ".jks", ".keystore", ".key", ".ppk"]) => Some(Named::Surely),
        _ if name.ends_with(".pem") && has(&["key", "privkey", "private", "priv"]) => {
            Some(Named::Surely)
        }
        _ if name.ends_with(".pem") => Some(Named::Maybe),
        _ => None,
    }
}

/// Tells whether a folder holds translations: `locales/cs/auth.json` is one.
fn is_of_texts(folder: &str) -> bool {
    folder.split('/').any(|part| {
        matches!(
            part,
            "i18n" | "l10n" | "locale" | "locales" | "lang" | "langs" | "translations"
        )
    })
}

/// Tells whether the text of a credential file holds one.
pub(super) fn holds(path: &str, text: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let keys = [
        "PRIVATE KEY",
        "private_key\"",
        "client_secret\"",
        "aws_secret_access_key",
        "client-key-data",
    ];
    if keys.iter().any(|key| text.contains(key)) {
        return true;
    }
    text.lines().any(|line| {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if name.ends_with("netrc") || name == ".git-credentials" || name == ".pgpass" {
            return line.contains("password ")
                || line.contains("://")
                || line.matches(':').count() >= 4;
        }
        let Some((key, value)) = line
            .split_once(['=', ':'])
            .filter(|_| !line.starts_with(['#', ';']))
        else {
            return false;
        };
        // `//registry/:_authToken=value` has a colon of its own.
        let (key, value) = line
            .rsplit_once("_authToken=")
            .map_or((key, value), |(_, value)| ("authToken", value));
        let value = value.trim().trim_end_matches(',').trim_matches(['"', '\'']);
        let is_literal = matches!(values::classify(value), Value::Literal(_));
        is_literal
            && (names::secretness(key.trim_matches(['"', ' ', '_'])) >= Secretness::Weak
                || value.contains("://"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credential_files() {
        for path in [
            ".env",
            "api/.env.production",
            "id_rsa",
            ".ssh/id_ed25519",
            "server.key",
            "tls/privkey.pem",
            "app.jks",
            ".aws/credentials",
        ] {
            assert_eq!(named(path), Some(Named::Surely), "{path}");
        }
        for path in [".npmrc", "server.pem", "credentials.json"] {
            assert_eq!(named(path), Some(Named::Maybe), "{path}");
        }
        for path in [
            ".env.example",
            "id_rsa.pub",
            "packages/i18n/src/locales/xx/auth.json",
            "test/server.key",
            "testdata/a.pem",
            "internal/suites/pki/private.pem",
            "ca.pem",
            "truststore.jks",
            "docker-apt.key",
            "fullchain.pem",
            ".env.test",
            "package.json",
            "environment",
            "cert.pem",
            "public.key",
        ] {
            assert_eq!(named(path), None, "{path}");
        }
    }

    #[test]
    fn content_decides() {
        for (path, text, want) in [
            (".npmrc", "registry=https://npm.acme.test/\n", false),
            (
                ".npmrc",
                "//npm.acme.test/:_authToken=${NPM_TOKEN}\n",
                false,
            ),
            (".npmrc", "//npm.acme.test/:_authToken=Vx7kQ2mR9tLp\n", true),
            (".env", "API_URL=https://api.acme.test\nPORT=80\n", false),
            (".env", "export DB_PASSWORD='hunter2-Zq81'\n", true),
            (
                ".env",
                "DATABASE_URL=postgres://a:hunter2-Zq81@db/x\n",
                true,
            ),
            (
                "pip.conf",
                "index-url = https://ci:hunter2-Zq81@pypi.acme.test/simple\n",
                true,
            ),
            (".netrc", "machine a login b password c\n", true),
        ] {
            assert_eq!(holds(path, text), want, "{path} {text:?}");
        }
    }
}
