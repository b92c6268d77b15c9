//! Files that a compose file hands to its services as secrets, and that stand in the repository beside it.
//!
//! What such a file holds is not read: its name is any. Files that other lints know by their names and judge by their content are theirs.

use std::collections::BTreeSet;

use super::COMMITTED;
use crate::{
    model::{BlobPath, Confidence, Severity},
    policy::{
        fault::{CrossFault, Fact, FactData, Pointer},
        lint::{Context, Document, Index, Item},
        lints::{helm::resolve, pairs},
        names,
        node::Node,
        wants,
    },
};

/// The topic of files that compose hands over.
const TOPIC: &str = "compose-secret-file";

/// Notes the files under `secrets:`.
pub(super) fn note(document: &Document<'_>, context: &mut Context<'_>) {
    let secrets = document
        .trees()
        .iter()
        .filter_map(|tree| tree.get("secrets"));
    for entry in secrets.flat_map(Node::entries) {
        let Some(file) = entry.value.get("file").filter(|file| file.alias.is_none()) else {
            continue;
        };
        let path = file.text().filter(|path| may_hold(path));
        if let Some(path) = path.and_then(|path| resolve(document.path, path)) {
            context.note(Fact {
                span: file.span.clone(),
                secret: None,
                data: FactData::Item(Box::new(Item {
                    topic: TOPIC,
                    subject: path,
                    attributes: vec![("secret", entry.key.chars().take(64).collect())],
                })),
            });
        }
    }
}

/// Tells whether a file by this name holds the secret in clear, as far as names say: no certificate, nothing encrypted, no pattern.
fn may_hold(path: &str) -> bool {
    const ENDS: [&str; 9] = [
        "", "txt", "secret", "password", "passwd", "pass", "pw", "token", "key",
    ];
    const NONE: [&str; 22] = [
        "enc",
        "encrypted",
        "sops",
        "age",
        "gpg",
        "sealed",
        "crt",
        "cert",
        "ca",
        "chain",
        "pub",
        "public",
        "dummy",
        "fake",
        "user",
        "username",
        "config",
        "id",
        "name",
        "host",
        "url",
        "port",
    ];
    let name = path.rsplit('/').next().unwrap_or(path);
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    !path.contains("${")
        && !path.starts_with(['/', '~', '$'])
        && ENDS.contains(&end)
        && !names::words(name)
            .iter()
            .any(|word| NONE.contains(&word.as_str()))
}

/// Tells of those files that are in the repository.
pub(super) fn tell(index: &Index<'_>, out: &mut Vec<CrossFault>) {
    let mut told = BTreeSet::new();
    for (number, fact) in index.facts.iter().enumerate() {
        let FactData::Item(item) = &fact.data else {
            continue;
        };
        if item.topic != TOPIC {
            continue;
        }
        let file = BlobPath::from(item.subject.as_str());
        if !index.paths.contains(&file) || wants(&file).is_some() {
            continue;
        }
        let from = String::from_utf8_lossy(fact.path.as_bytes());
        if !told.insert((from.clone(), item.subject.as_str())) {
            continue;
        }
        let place = pairs::place(&format!("{from}/{}", item.subject));
        let severity = match () {
            () if place.test || place.example => Severity::Info,
            () if place.local => Severity::Low,
            () => Severity::High,
        };
        let secret = item.attributes.first().map_or("", |(_, name)| name);
        out.push(CrossFault {
            lint: &COMMITTED,
            severity,
            confidence: Confidence::Medium,
            persona: COMMITTED.persona,
            primary: Pointer::Fact(number),
            related: vec![(Pointer::File(file), "the file".to_owned())],
            message: format!(
                "[the file](1) of the secret `{secret}` is in the repository: whoever can read that needs no service to have it"
            ),
            subject: format!("{secret}: {}", item.subject),
            fix: None,
            properties: Vec::new(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::may_hold;

    #[test]
    fn names_of_files_with_a_secret_in_clear() {
        for (path, want) in [
            ("./db/password.txt", true),
            ("secrets/db_password", true),
            ("../api.token", true),
            ("certs/server.crt", false),
            ("/run/host/db", false),
            ("${SECRETS}/db", false),
            ("db_password.enc", false),
            ("db_password.txt.example", false),
            ("secrets/db_user.txt", false),
            ("db_name.txt", false),
        ] {
            assert_eq!(may_hold(path), want, "{path}");
        }
    }
}
