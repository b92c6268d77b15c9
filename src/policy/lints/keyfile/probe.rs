//! Is the credential that the name promises in the file?

use std::ops::Range;

use super::super::{
    super::{
        kind::FileKind,
        lint::{Document, Syntax},
        names,
        node::{Node, Scalar},
        readers::{dotenv, json, yaml},
        values::{self, Strength, Value},
    },
    pairs,
};
use crate::model::Severity;

/// A credential that was found.
pub(super) struct Found {
    /// What it is, as in "the file holds ...".
    pub(super) what: &'static str,
    pub(super) severity: Severity,
    /// Where it begins.
    pub(super) span: Range<usize>,
    /// Its own bytes.
    pub(super) secret: Option<Range<usize>>,
    /// Whether a secret was seen, not only a file that is made to hold some.
    pub(super) surely: bool,
}

impl Found {
    fn new(what: &'static str, severity: Severity, span: Range<usize>) -> Self {
        Self {
            what,
            severity,
            secret: Some(span.clone()),
            span,
            surely: true,
        }
    }
}

/// Looks for the credential that the kind and the name of a file promise.
pub(super) fn probe(document: &Document<'_>) -> Option<Found> {
    if document.kind != FileKind::KeyFile {
        // Static tokens in manifests are told by the lints of Kubernetes.
        let keys = ["client-key-data", "password"];
        let trees = document.trees().iter();
        return trees
            .filter_map(|tree| kubeconfig(tree, &keys).or_else(|| service_account(tree)))
            .next();
    }
    let text = document.text;
    let name = document.name().to_ascii_lowercase();
    if text.trim().is_empty() {
        return None;
    }
    if text.contains('\u{fffd}') || text.contains('\0') {
        // Offsets of a text that was mended lead nowhere: the file as a whole is meant.
        let found = keystore(&name).or_else(|| pem(text))?;
        return Some(Found {
            span: 0..0,
            secret: None,
            ..found
        });
    }
    if name == ".env.keys" {
        return dotenvx(text);
    }
    if name.ends_with(".tfstate") || name.ends_with(".tfstate.backup") {
        return state(document);
    }
    if name.ends_with(".json") {
        let tree = json::read(text).ok()?;
        return service_account(&tree)
            .or_else(|| federated(&tree))
            .or_else(|| tokens(&tree));
    }
    match name.as_str() {
        "kubeconfig" | "config" => {
            let keys = ["client-key-data", "token", "password"];
            let trees = yaml::read(text).ok()?;
            trees.iter().find_map(|tree| kubeconfig(tree, &keys))
        }
        "credentials" => aws(text),
        _ => pem(text)
            .or_else(|| armoured(text))
            .or_else(|| putty(text))
            .or_else(|| bare(&name, text)),
    }
}

/// A binary store by its name: it has a passphrase, or anybody may try.
fn keystore(name: &str) -> Option<Found> {
    let what = match name.rsplit('.').next()? {
        "p12" | "pfx" => "a PKCS #12 store with a private key",
        "jks" | "keystore" => "a Java keystore",
        "kdbx" => "a KeePass database",
        _ => return None,
    };
    Some(Found::new(what, Severity::High, 0..0))
}

/// The least text of a key in base64, in bytes: an Ed25519 key has 64.
const MIN_KEY: usize = 60;

/// A private key in PEM form.
fn pem(text: &str) -> Option<Found> {
    let mut at = 0;
    while let Some(begin) = text.get(at..)?.find("-----BEGIN ") {
        let start = at + begin;
        let label_start = start + "-----BEGIN ".len();
        at = label_start;
        let rest = text.get(label_start..)?;
        let Some((label, body)) = rest.split_once("-----") else {
            break;
        };
        let is_private = label.len() < 40
            && (label.ends_with("PRIVATE KEY")
                || label.ends_with("PRIVATE KEY BLOCK")
                || label.starts_with("OpenVPN Static key"));
        if !is_private {
            continue;
        }
        let length = body.find("-----END").unwrap_or(body.len());
        let body = body.get(..length)?;
        let body_start = label_start + label.len() + 5;
        at = body_start + length;
        let signs = body
            .bytes()
            .filter(|b| b.is_ascii_alphanumeric() || b"+/=".contains(b))
            .count();
        if signs < MIN_KEY || body.contains("...") || body.contains('<') {
            continue;
        }
        let is_protected = label.starts_with("ENCRYPTED")
            || body.contains("Proc-Type: 4,ENCRYPTED")
            || is_openssh_protected(label, body);
        let (what, severity) = if is_protected {
            ("a private key under a passphrase", Severity::High)
        } else {
            ("a private key", Severity::Critical)
        };
        let found = Found::new(what, severity, start..body_start);
        let trimmed =
            body_start + (body.len() - body.trim_start().len())..body_start + body.trim_end().len();
        return Some(Found {
            secret: Some(trimmed),
            ..found
        });
    }
    None
}

/// OpenSSH's own format says in its head which cipher it is under; without a passphrase that is `none`.
fn is_openssh_protected(label: &str, body: &str) -> bool {
    // base64 of "openssh-key-v1", a zero byte, and the length and name of the cipher.
    label.starts_with("OPENSSH")
        && !body
            .trim_start()
            .starts_with("b3BlbnNzaC1rZXktdjEAAAAABG5vbmU")
}

/// An age identity.
fn armoured(text: &str) -> Option<Found> {
    const HEAD: &str = "AGE-SECRET-KEY-1";
    let start = text.find(HEAD)?;
    let length = text
        .get(start..)?
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'-')
        .count();
    (length > HEAD.len() + 40)
        .then(|| Found::new("an age identity", Severity::Critical, start..start + length))
}

/// A key of `PuTTY`.
fn putty(text: &str) -> Option<Found> {
    if !text.starts_with("PuTTY-User-Key-File-") {
        return None;
    }
    let start = text.find("Private-Lines:")?;
    let end = text
        .get(start..)?
        .find("Private-MAC:")
        .map_or(text.len(), |at| start + at);
    let (what, severity) = if text.contains("Encryption: none") {
        ("a private key", Severity::Critical)
    } else {
        ("a private key under a passphrase", Severity::High)
    };
    Some(Found::new(what, severity, start..end))
}

/// A file `*.key` of one random word: Rails' master key, WireGuard's keys.
fn bare(name: &str, text: &str) -> Option<Found> {
    let value = text.trim();
    let is_word = name.ends_with(".key")
        && (16..=256).contains(&value.len())
        && !value.contains(char::is_whitespace);
    let is_random = matches!(values::classify(value), Value::Literal(Strength::Random));
    let start = text.len() - text.trim_start().len();
    (is_word && is_random)
        .then(|| Found::new("a key", Severity::Critical, start..start + value.len()))
}

/// The private keys that dotenvx keeps beside its encrypted files.
fn dotenvx(text: &str) -> Option<Found> {
    let lines = dotenv::read(text);
    let line = lines.iter().find(|line| {
        line.key.starts_with("DOTENV_PRIVATE_KEY") && values::is_literal(&line.value)
    })?;
    Some(Found::new(
        "dotenvx private keys",
        Severity::Critical,
        line.value_span.clone(),
    ))
}

/// The file of AWS' command line.
fn aws(text: &str) -> Option<Found> {
    let lines = dotenv::properties(text);
    let names = ["aws_secret_access_key", "aws_session_token"];
    let line = lines
        .iter()
        .find(|line| names.contains(&line.key.as_str()) && is_kept(&line.value))?;
    Some(Found::new(
        "AWS credentials",
        Severity::Critical,
        line.value_span.clone(),
    ))
}

/// Tells whether a value is a secret that somebody may use.
fn is_kept(value: &str) -> bool {
    matches!(
        values::classify(value),
        Value::Literal(Strength::Named | Strength::Random)
    )
}

fn whole(scalar: &Scalar) -> Range<usize> {
    scalar.source(0..scalar.text.len())
}

/// A user of a kubeconfig with a key, token or password.
fn kubeconfig(tree: &Node, keys: &[&str]) -> Option<Found> {
    if tree.text_at(&["kind"]) != Some("Config") {
        return None;
    }
    let users = tree
        .get("users")?
        .items()
        .iter()
        .filter_map(|user| user.get("user"));
    let scalar = users
        .flat_map(|user| keys.iter().filter_map(|key| user.get(key)))
        .filter_map(Node::scalar)
        .find(|scalar| is_kept(&scalar.text))?;
    Some(Found::new(
        "credentials of a cluster",
        Severity::Critical,
        whole(scalar),
    ))
}

/// The key of a Google service account.
fn service_account(tree: &Node) -> Option<Found> {
    if tree.text_at(&["type"]) != Some("service_account") {
        return None;
    }
    let key = tree.get("private_key")?.scalar()?;
    let is_key =
        key.text.contains("PRIVATE KEY-----") && key.text.len() > 200 && !key.text.contains("...");
    is_key.then(|| {
        Found::new(
            "the key of a service account",
            Severity::Critical,
            whole(key),
        )
    })
}

/// The file that GitHub's actions of Google Cloud write beside the checkout: it dies with its job.
fn federated(tree: &Node) -> Option<Found> {
    if tree.text_at(&["type"]) != Some("external_account") {
        return None;
    }
    let header = tree
        .at(&["credential_source", "headers", "Authorization"])?
        .scalar()?;
    values::is_literal(&header.text)
        .then(|| Found::new("the token of a job", Severity::Medium, whole(header)))
}

/// Tokens by host: of Terraform and of Docker.
fn tokens(tree: &Node) -> Option<Found> {
    let hosts = ["credentials", "auths"]
        .into_iter()
        .filter_map(|key| tree.get(key))
        .flat_map(Node::entries);
    let scalar = hosts
        .flat_map(|host| {
            ["token", "auth", "identitytoken", "password"].map(|key| host.value.get(key))
        })
        .flatten()
        .filter_map(Node::scalar)
        .find(|scalar| is_kept(&scalar.text))?;
    Some(Found::new(
        "a token of a registry",
        Severity::Critical,
        whole(scalar),
    ))
}

/// A state of Terraform: it holds each attribute in clear.
fn state(document: &Document<'_>) -> Option<Found> {
    const MARK: &str = "\"sensitive_attributes\"";
    let text = document.text;
    let tree = json::read(text).ok()?;
    let first = tree
        .get("resources")
        .or_else(|| tree.get("modules"))?
        .items()
        .first()?
        .span
        .clone();
    let tree = Document {
        path: document.path,
        kind: FileKind::Json,
        text,
        syntax: Syntax::Tree(vec![tree]),
    };
    let mut found = None;
    pairs::each(&tree, &mut |pair| {
        let held = || pair.secret().filter(|held| held.strength > Strength::Weak);
        if found.is_none() && names::is_secret(pair.name) {
            found = held().map(|held| pair.source(held.part));
        }
    });
    if let Some(span) = found {
        return Some(Found::new(
            "secrets in a state of Terraform",
            Severity::Critical,
            span,
        ));
    }
    let marked = text.match_indices(MARK).find(|(at, mark)| {
        let after = text.get(at + mark.len()..).unwrap_or_default().trim_start();
        let list = after
            .strip_prefix(':')
            .map(str::trim_start)
            .and_then(|list| list.strip_prefix('['));
        list.is_some_and(|list| !list.trim_start().starts_with(']'))
    });
    Some(match marked {
        Some((at, mark)) => Found {
            secret: None,
            ..Found::new(
                "sensitive attributes in a state of Terraform",
                Severity::Critical,
                at..at + mark.len(),
            )
        },
        None => Found {
            secret: None,
            surely: false,
            ..Found::new("a state of Terraform", Severity::Medium, first)
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(path: &str, text: &str) -> Option<(&'static str, Severity)> {
        let document = Document {
            path,
            kind: FileKind::KeyFile,
            text,
            syntax: Syntax::Text,
        };
        let found = probe(&document)?;
        assert!(text.get(found.span.clone()).is_some());
        assert!(found.secret.is_none_or(|secret| text.get(secret).is_some()));
        Some((found.what, found.severity))
    }

    /// Made here, because a whole key in a source file is what we look for.
    fn block(label: &str, body: &str) -> String {
        let dashes = "-".repeat(5);
        format!("{dashes}BEGIN {label}{dashes}\n{body}\n{dashes}END {label}{dashes}\n")
    }

    #[test]
    fn private_keys_with_and_without_a_passphrase() {
        let body = "q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3q".repeat(4);
        for label in [
            "PRIVATE KEY",
            "RSA PRIVATE KEY",
            "EC PRIVATE KEY",
            "PGP PRIVATE KEY BLOCK",
            "OpenVPN Static key V1",
        ] {
            let text = format!(
                "Bag\r\n{}{}",
                block("CERTIFICATE", &body),
                block(label, &body)
            );
            assert_eq!(
                probed("a.pem", &text),
                Some(("a private key", Severity::Critical)),
                "{label}"
            );
        }
        let ssh = |cipher: &str| {
            block(
                "OPENSSH PRIVATE KEY",
                &format!("b3BlbnNzaC1rZXktdjEAAAAA{cipher}{body}"),
            )
        };
        assert_eq!(
            probed("id_rsa", &ssh("BG5vbmU")).unwrap().1,
            Severity::Critical
        );
        assert_eq!(
            probed("id_rsa", &ssh("CmFlczI1Ni1jdHI")).unwrap().1,
            Severity::High
        );
        assert_eq!(
            probed("a.key", &block("ENCRYPTED PRIVATE KEY", &body))
                .unwrap()
                .1,
            Severity::High
        );
        let old = format!("Proc-Type: 4,ENCRYPTED\n\n{body}");
        assert_eq!(
            probed("a.key", &block("RSA PRIVATE KEY", &old)).unwrap().1,
            Severity::High
        );
    }

    #[test]
    fn what_only_looks_like_a_key_is_none() {
        let body = "q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3q".repeat(4);
        for text in [
            block("CERTIFICATE", &body),
            block("PUBLIC KEY", &body),
            block("PRIVATE KEY", "..."),
            block("PRIVATE KEY", "MIIE"),
            String::new(),
            "name: not a key\n".to_owned(),
        ] {
            assert_eq!(probed("a.key", &text), None, "{text}");
        }
    }

    #[test]
    fn stores_and_states() {
        assert_eq!(
            probed("a.jks", "\u{fffd}\u{fffd}\0").unwrap().1,
            Severity::High
        );
        assert_eq!(probed("slides.key", "PK\u{3}\u{4}\0"), None);
        let state =
            |attributes: &str| format!("{{\"resources\":[{{\"instances\":[{attributes}]}}]}}");
        let marked = state("{\"attributes\":{\"x\":\"y\"},\"sensitive_attributes\": [ [{}] ]}");
        assert_eq!(probed("a.tfstate", &marked).unwrap().1, Severity::Critical);
        assert_eq!(
            probed("a.tfstate", &state("{\"sensitive_attributes\": [ ]}"))
                .unwrap()
                .1,
            Severity::Medium
        );
        let key = format!(
            "PuTTY-User-Key-File-3: x\nEncryption: none\nPrivate-Lines: 1\n{}\nPrivate-MAC: 1\n",
            "A".repeat(64)
        );
        assert_eq!(probed("a.ppk", &key).unwrap().1, Severity::Critical);
        let age = format!("AGE-SECRET{}{}", "-KEY-1", "Q".repeat(58));
        assert_eq!(probed("a.agekey", &age).unwrap().0, "an age identity");
    }

    #[test]
    fn keys_of_service_accounts() {
        let key = block("PRIVATE KEY", &"q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3q".repeat(10)).replace('\n', "\\n");
        let text = format!("{{\"type\": \"service_account\", \"private_key\": \"{key}\"}}");
        assert_eq!(
            probed("service-account-prod.json", &text).unwrap().0,
            "the key of a service account"
        );
        assert_eq!(
            probed(
                "service-account.json",
                "{\"type\": \"service_account\", \"private_key\": \"...\"}"
            ),
            None
        );
    }
}
