//! What people read of a group of sites: names, environments, links; never a value.

use std::collections::BTreeSet;

use super::{
    super::{
        super::{environment::Environment, fault::Pointer},
        grade::{Crossing, Match},
    },
    Seen,
};

/// Most related places of a fault.
const MAX_RELATED: usize = 20;

/// Longest name of a key in a message, in characters.
const MAX_NAME: usize = 60;

/// Returns sites with known environments from the least protected on, and the others, both by path and place, those of earlier versions
/// last. A place in a file as it is comes first, known or not.
pub(super) fn order<'s>(sites: Vec<&'s Seen<'s>>) -> (Vec<&'s Seen<'s>>, Vec<&'s Seen<'s>>) {
    let (mut known, mut unknown): (Vec<_>, Vec<_>) =
        sites.into_iter().partition(|seen| !seen.labels.is_empty());
    known.sort_by(|a, b| {
        (a.is_past, a.labels.tier(), &a.path, a.span).cmp(&(
            b.is_past,
            b.labels.tier(),
            &b.path,
            b.span,
        ))
    });
    unknown.sort_by(|a, b| (a.is_past, &a.path, a.span).cmp(&(b.is_past, &b.path, b.span)));
    if known.first().is_some_and(|seen| seen.is_past)
        && unknown.first().is_some_and(|seen| !seen.is_past)
    {
        known.insert(0, unknown.remove(0));
    }
    (known, unknown)
}

/// Returns the place at which a fault is told, and the others: the first one, or in runs that look at changes the first one that changed.
pub(super) fn changed_first<'s>(
    first: &'s Seen<'s>,
    mut rest: Vec<&'s Seen<'s>>,
) -> (&'s Seen<'s>, Vec<&'s Seen<'s>>) {
    let mut primary = first;
    if !primary.is_changed
        && let Some(other) = rest.iter_mut().find(|seen| seen.is_changed)
    {
        std::mem::swap(&mut primary, other);
    }
    (primary, rest)
}

/// Returns the sentence about values that cross environments.
pub(super) fn crossing(
    primary: &Seen<'_>,
    rest: &[&Seen<'_>],
    by: Match,
    crossing: Crossing,
) -> String {
    let here = place(primary);
    let others = rest
        .iter()
        .copied()
        .filter(|seen| seen.labels != primary.labels);
    let others = environments(&others.collect::<Vec<_>>());
    let others = if others.is_empty() {
        "another environment".to_owned()
    } else {
        others
    };
    let says = match (crossing, by) {
        (Crossing::Fixture, _) if by.is_same() && !is_ciphertext(primary) => {
            format!("is a real secret: equal to the one in {others}")
        }
        (_, Match::Exact) if is_ciphertext(primary) => {
            format!("is the same ciphertext as in {others}: a copied file, or one secret for both")
        }
        (_, Match::Exact) => format!("equals the one in {others}"),
        (_, Match::Encoded) => format!("equals the one in {others}, in another encoding"),
        (_, Match::Affix) => format!(
            "differs from the one in {others} only by words of environments, years or counters"
        ),
        (_, Match::Core) => format!("shares a long part with the one in {others}"),
        (_, Match::Case) => format!("differs from the one in {others} only by case"),
    };
    format!("{here} {says}: {}", links(rest))
}

fn is_ciphertext(seen: &Seen<'_>) -> bool {
    seen.site
        .prints()
        .is_some_and(|prints| prints.is_ciphertext)
}

/// Returns "`KEY` in dev".
pub(super) fn place(seen: &Seen<'_>) -> String {
    let name = name(seen.name);
    let what = if name.is_empty() {
        "a secret".to_owned()
    } else {
        format!("`{name}`")
    };
    let what = match (seen.labels.names().as_str(), seen.is_layer) {
        ("", _) => what,
        (names, false) => format!("{what} in {names}"),
        (names, true) => format!("{what} in the base layer of {names}"),
    };
    what + when(seen)
}

/// Returns what is said of a place that is no longer there.
const fn when(seen: &Seen<'_>) -> &'static str {
    if seen.is_past {
        " (earlier version)"
    } else {
        ""
    }
}

/// Returns a name as it may stand in a message.
pub(super) fn name(text: &str) -> String {
    let clean = text.chars().map(|c| {
        if crate::model::is_unsafe(c) || c == '`' {
            '?'
        } else {
            c
        }
    });
    let mut name: String = clean.take(MAX_NAME).collect();
    if text.chars().count() > MAX_NAME {
        name.push('…');
    }
    name
}

/// Returns links to related places, each file once, and how many more there are.
pub(super) fn links(rest: &[&Seen<'_>]) -> String {
    let listed = rest.iter().take(MAX_RELATED);
    let mut files: Vec<(&Seen<'_>, usize, usize)> = Vec::new();
    for (at, seen) in listed.enumerate() {
        match files.iter_mut().find(|(first, ..)| first.path == seen.path) {
            Some((.., places)) => *places += 1,
            None => files.push((seen, at + 1, 1)),
        }
    }
    let links = files.into_iter().map(|(first, link, places)| {
        let often = match places {
            1 => String::new(),
            n => format!(" ({n} places)"),
        };
        format!("[{}]({link}){}{often}", escaped(&first.path), when(first))
    });
    let mut text = links.collect::<Vec<_>>().join(", ");
    if rest.len() > MAX_RELATED {
        text.push_str(&format!(" and {} more", rest.len() - MAX_RELATED));
    }
    text
}

/// Returns a path as the text of a link in SARIF.
pub(super) fn escaped(path: &str) -> String {
    let safe = crate::model::BlobPath::from(path).to_text().into_owned();
    safe.chars().fold(String::new(), |mut text, c| {
        if matches!(c, '[' | ']' | '\\') {
            text.push('\\');
        }
        text.push(c);
        text
    })
}

/// Returns the related places with a phrase each.
pub(super) fn related(rest: &[&Seen<'_>]) -> Vec<(Pointer, String)> {
    let rest = rest.iter().take(MAX_RELATED);
    rest.map(|seen| (Pointer::Fact(seen.fact), place(seen)))
        .collect()
}

/// Returns the names of all environments, sorted.
pub(super) fn environments(sites: &[&Seen<'_>]) -> String {
    let all = sites.iter().flat_map(|seen| seen.labels.environments());
    let names: BTreeSet<&str> = all.map(Environment::name).collect();
    names.into_iter().collect::<Vec<_>>().join(",")
}

/// Returns the names of all services, sorted.
pub(super) fn services(sites: &[&Seen<'_>]) -> String {
    let names: BTreeSet<&str> = sites
        .iter()
        .filter_map(|seen| seen.service.as_deref())
        .collect();
    names.into_iter().collect::<Vec<_>>().join(",")
}

/// Returns the names of all keys, sorted, three at most.
pub(super) fn keys(sites: &[&Seen<'_>]) -> String {
    let names: BTreeSet<String> = sites.iter().map(|seen| name(seen.site.name())).collect();
    names.into_iter().take(3).collect::<Vec<_>>().join(",")
}

/// Returns what machines are told of all sites.
pub(super) fn properties(sites: &[&Seen<'_>], by: &str) -> Vec<(&'static str, String)> {
    vec![
        ("environments", environments(sites)),
        ("services", services(sites)),
        ("match", by.to_owned()),
        ("siteCount", sites.len().to_string()),
    ]
}
