//! Secrets of the layer that several environments are built on: one fault a file and set of environments.

use std::collections::BTreeMap;

use crate::model::{BlobPath, Confidence, Severity};

use super::{
    super::{
        super::{
            environment::{Labels, Tier},
            fault::{CrossFault, Pointer},
            lint::{LintMeta, Persona},
        },
        Class, grade, layers,
    },
    All, Seen, Told, message,
};

/// Most places that are pointed at beside the first.
const MAX_RELATED: usize = 20;

/// Tells base sites that two environments or more take over.
pub(super) fn tell(all: &All<'_>, lint: &'static LintMeta, told: &mut Told<'_>) {
    let mut files: BTreeMap<(&str, String), Vec<&Seen<'_>>> = BTreeMap::new();
    for seen in all.seen.iter().filter(|seen| seen.is_layer) {
        let is_hard = seen
            .site
            .prints()
            .is_some_and(|prints| prints.class >= Class::Named && !prints.is_ciphertext);
        if is_hard && seen.labels.environments().len() >= 2 {
            files
                .entry((&seen.path, seen.labels.names()))
                .or_default()
                .push(seen);
        }
    }
    for sites in files.into_values() {
        one(all, lint, &sites, told);
    }
}

fn one(all: &All<'_>, lint: &'static LintMeta, sites: &[&Seen<'_>], told: &mut Told<'_>) {
    let Some((first, rest)) = sites.split_first() else {
        return;
    };
    let (first, mut rest) = message::changed_first(first, rest.to_vec());
    rest.truncate(MAX_RELATED / 2);
    let users = users(all, first);
    let mut related = message::related(&rest);
    related.extend(users.iter().map(|path| {
        (
            Pointer::File(BlobPath::from(*path)),
            "does not set it".to_owned(),
        )
    }));
    let links = users
        .iter()
        .enumerate()
        .map(|(at, path)| format!("[{}]({})", message::escaped(path), rest.len() + at + 1));
    let links: Vec<String> = links.collect();
    let links = if links.is_empty() {
        String::new()
    } else {
        format!(": {}", links.join(", "))
    };
    let key = message::name(&first.site.key);
    let names = first.labels.names().replace('+', ", ");
    let what = match sites.len() {
        1 => format!("`{key}` of the base layer is the secret of {names}"),
        count => format!(
            "`{key}` and {} more secrets of the base layer are those of {names}",
            count - 1
        ),
    };
    told.push(CrossFault {
        lint,
        severity: severity(sites, &first.labels, lint.severity),
        confidence: Confidence::Medium,
        persona: Persona::Regular,
        primary: Pointer::Fact(first.fact),
        related,
        message: format!("{what}: none of them sets its own{links}"),
        subject: format!("{}: {}", message::keys(sites), first.labels.names()),
        fix: None,
        properties: message::properties(sites, "base"),
    });
}

/// Returns the files of environments that take a value over.
fn users<'s>(all: &'s All<'_>, seen: &Seen<'_>) -> Vec<&'s str> {
    let family = layers::family(&seen.path).unwrap_or_default();
    let files = all
        .layers
        .get(&family)
        .map_or(&[][..], |layer| &layer.files);
    let takes = seen.labels.environments();
    let is_user = |labels: &Labels| labels.environments().iter().any(|one| takes.contains(one));
    let users = files
        .iter()
        .filter(|(path, labels)| **path != *seen.path && is_user(labels));
    users
        .map(|(path, _)| path.as_str())
        .take(MAX_RELATED / 2)
        .collect()
}

/// As bad as the lint says if production is among the environments, worse for keys that tokens are made with; below it as two lower
/// environments that share a value are.
fn severity(sites: &[&Seen<'_>], labels: &Labels, severity: Severity) -> Severity {
    let is_signing = sites.iter().any(|seen| grade::is_signing(&seen.site.key));
    let is_hard = sites
        .iter()
        .filter_map(|seen| seen.site.prints())
        .any(|prints| prints.class >= Class::Random);
    match labels.tier() {
        Some(Tier::Production) if is_signing => grade::up(severity),
        Some(Tier::Production) => severity,
        Some(Tier::Staging) => Severity::Low,
        _ if is_hard => Severity::Low,
        _ => Severity::Info,
    }
}
