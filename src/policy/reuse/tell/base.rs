//! Secrets of the layer that several environments are built on.

use super::{
    super::{
        super::{
            environment::Tier,
            fault::{CrossFault, Pointer},
            lint::{LintMeta, Persona},
        },
        Class, grade, layers,
    },
    All, Seen, Told, message,
};
use crate::model::{BlobPath, Confidence};

/// Tells base sites that two environments or more take over.
pub(super) fn tell(all: &All<'_>, lint: &'static LintMeta, told: &mut Told<'_>) {
    for seen in all.seen.iter().filter(|seen| seen.is_layer) {
        let is_hard = seen
            .site
            .prints()
            .is_some_and(|prints| prints.class >= Class::Named);
        if is_hard && seen.labels.environments().len() >= 2 {
            one(all, lint, seen, told);
        }
    }
}

fn one(all: &All<'_>, lint: &'static LintMeta, seen: &Seen<'_>, told: &mut Told<'_>) {
    let names = seen.labels.names().replace('+', ", ");
    let family = layers::family(&seen.path).unwrap_or_default();
    let users = all
        .layers
        .get(&family)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let users: Vec<&str> = users
        .iter()
        .filter(|(path, labels)| {
            *path != seen.path
                && labels
                    .environments()
                    .iter()
                    .any(|one| seen.labels.environments().contains(one))
        })
        .map(|(path, _)| path.as_str())
        .take(20)
        .collect();
    let links: Vec<String> = users
        .iter()
        .enumerate()
        .map(|(at, path)| format!("[{}]({})", message::escaped(path), at + 1))
        .collect();
    let links = if links.is_empty() {
        String::new()
    } else {
        format!(": {}", links.join(", "))
    };
    let key = message::name(&seen.site.key);
    let is_worse =
        seen.labels.tier() == Some(Tier::Production) && grade::is_signing(&seen.site.key);
    told.push(CrossFault {
        lint,
        severity: if is_worse {
            grade::up(lint.severity)
        } else {
            lint.severity
        },
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        primary: Pointer::Fact(seen.fact),
        related: users
            .iter()
            .map(|path| {
                (
                    Pointer::File(BlobPath::from(*path)),
                    "does not set it".to_owned(),
                )
            })
            .collect(),
        message: format!(
            "`{key}` of the base layer is the secret of {names}: none of them sets its own{links}"
        ),
        subject: format!("{key}: {}", seen.labels.names()),
        fix: None,
        properties: vec![
            ("environments", seen.labels.names().replace('+', ",")),
            ("services", seen.service.clone().unwrap_or_default()),
            ("match", "base".to_owned()),
            ("siteCount", "1".to_owned()),
        ],
    });
}
