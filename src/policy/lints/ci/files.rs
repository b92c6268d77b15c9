//! Paths that hold credentials, where a pipeline keeps files for later (rule 29).

use std::ops::Range;

use super::{metas, script::Out};
use crate::model::{Confidence, Severity};
use crate::policy::{fault::Fault, lint::Persona, node::Node};

/// Where files are kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keep {
    /// Handed to later jobs.
    Workspace,
    /// Offered for download.
    Artifact,
    /// Kept between runs.
    Cache,
    /// Jenkins' stash, which stays on the controller.
    Stash,
}

impl Keep {
    const fn shown(self) -> &'static str {
        match self {
            Self::Workspace => "handed to later jobs",
            Self::Artifact => "kept as an artifact",
            Self::Cache => "kept in a cache",
            Self::Stash => "stashed",
        }
    }
}

/// Judges a path or pattern that is kept. `written` are files that scripts of the same job wrote secrets to.
pub(super) fn kept(
    out: &mut Out<'_>,
    place: &str,
    path: &str,
    span: Range<usize>,
    keep: Keep,
    written: &[String],
) {
    let path = path.trim();
    let subject = format!("{place}: {path}");
    if path.starts_with('!') {
        return;
    }
    if is_credential(path) {
        let message = format!("`{path}`, a file for credentials, is {}", keep.shown());
        let severity = if matches!(keep, Keep::Stash) {
            Severity::Medium
        } else {
            Severity::High
        };
        out.tell(Fault::new(&metas::KEPT, span, subject, message).severity(severity));
        return;
    }
    let inside = written.iter().find(|file| covers(path, file));
    if let Some(file) = inside {
        let message = format!(
            "`{file}`, which a script of this job writes a secret to, is {}",
            keep.shown()
        );
        out.tell(Fault::new(&metas::KEPT, span, subject, message));
    } else if is_whole(path) {
        let message = format!(
            "the whole workspace is {}, with whatever file for credentials stands in it",
            keep.shown()
        );
        let fault = Fault::new(&metas::KEPT, span, subject, message).severity(Severity::Low);
        out.tell(fault.confidence(Confidence::Low).persona(Persona::Pedantic));
    }
}

/// Judges paths as one text, a list of texts, or texts that `,` parts.
pub(super) fn paths(out: &mut Out<'_>, place: &str, node: &Node, keep: Keep, written: &[String]) {
    for node in std::iter::once(node).chain(node.items()) {
        let Some(scalar) = node.scalar() else {
            continue;
        };
        let mut start = 0;
        for part in scalar.text.split([',', '\n', '|']) {
            let from = start + (part.len() - part.trim_start().len());
            let span = scalar.source(from..from + part.trim().len());
            start += part.len() + 1;
            if !part.trim().is_empty() {
                kept(out, place, part.trim(), span, keep, written);
            }
        }
    }
}

/// Tells whether a path is the workspace as a whole.
fn is_whole(path: &str) -> bool {
    matches!(
        path.trim_end_matches('/'),
        "." | "*"
            | "**"
            | "**/*"
            | "./**"
            | "~/project"
            | "$(Build.SourcesDirectory)"
            | "$(System.DefaultWorkingDirectory)"
            | "$BITBUCKET_CLONE_DIR"
    )
}

/// Tells whether a kept path holds a file that a script wrote.
fn covers(path: &str, file: &str) -> bool {
    let clean = |path: &str| {
        path.trim_start_matches("./")
            .trim_end_matches(['/', '*'])
            .to_owned()
    };
    let file = clean(file);
    if file.is_empty()
        || file.starts_with('/') && !path.starts_with('/')
        || file.starts_with(['~', '$']) && !path.starts_with(['~', '$'])
    {
        return false;
    }
    let kept = clean(path);
    is_whole(path)
        || kept == file
        || file
            .strip_prefix(&kept)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// Tells whether a path is that of a file or folder for credentials.
pub(super) fn is_credential(path: &str) -> bool {
    let lower = path.trim_end_matches(['/', '*']).to_ascii_lowercase();
    let (folder, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let parent = folder.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let is_harmless = [
        "example", "sample", "template", "dist", "defaults", "cert", "public", "chain", "pub",
        "cacert", "ca.", "schema",
    ]
    .iter()
    .any(|word| name.contains(word));
    if is_harmless {
        return false;
    }
    matches!(
        name,
        ".env"
            | ".npmrc"
            | ".netrc"
            | "_netrc"
            | ".pypirc"
            | ".git-credentials"
            | ".pgpass"
            | ".my.cnf"
            | ".docker"
            | ".aws"
            | ".kube"
            | ".ssh"
            | ".gnupg"
            | "kubeconfig"
            | "id_rsa"
            | "id_dsa"
            | "id_ecdsa"
            | "id_ed25519"
            | "credentials.json"
            | "application_default_credentials.json"
            | "secrets.yml"
            | "secrets.yaml"
            | "secrets.json"
            | "secrets.env"
            | "gcloud-service-key.json"
            | "gcp-key.json"
            | "terraform.tfstate"
    ) || name.starts_with(".env.")
        || name.starts_with("service-account") && extension == "json"
        || name.starts_with("service_account") && extension == "json"
        || matches!(extension, "p12" | "pfx" | "jks" | "keystore" | "tfstate")
        || matches!(extension, "pem" | "key") && !name.starts_with('*')
        || matches!(
            (parent, name),
            (".docker", "config.json")
                | (".kube", "config")
                | (".m2", "settings.xml")
                | (".aws", "credentials")
                | (".config", "gcloud")
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_credentials() {
        for path in [
            ".env",
            "app/.env",
            ".env.production",
            "~/.docker",
            "~/.docker/config.json",
            "./.npmrc",
            "keys/deploy.pem",
            "*.p12",
            "~/.kube/config",
        ] {
            assert!(is_credential(path), "{path}");
        }
        for path in [
            ".env.example",
            "dist",
            "~/.m2/repository",
            "~/.npm",
            "*.pem",
            "server-cert.pem",
            "id_rsa.pub",
            "node_modules",
            "config.json",
            ".",
        ] {
            assert!(!is_credential(path), "{path}");
        }
    }

    #[test]
    fn what_a_path_covers() {
        assert!(
            covers(".", "out/key.txt")
                && covers("out", "./out/key.txt")
                && covers("out/**", "out/key.txt")
        );
        assert!(
            !covers("dist", "out/key.txt")
                && !covers(".", "~/.npmrc")
                && !covers("out", "output/x")
                && !covers(".", "/tmp/x")
        );
    }
}
