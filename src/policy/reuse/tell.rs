//! From the sites of all files to faults: one a group, at the least protected place.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Confidence, Severity};

use super::{
    super::{
        environment::{Environment, Evidence, Labels, Siblings},
        fault::{CrossFault, FactData, Pointer},
        lint::{Index, LintMeta, Persona},
        names,
    },
    Class, Content, Prints, Site,
    grade::{self, Crossing, Match, Shared},
    group::{self, Group},
    layers::{self, Layers},
};

mod base;
mod crossed;
mod message;
mod services;

/// The lints that this tells.
pub(crate) struct Metas {
    /// One value, several services.
    pub services: &'static LintMeta,
    /// One value, two environments.
    pub exact: &'static LintMeta,
    /// Nearly one value, two environments.
    pub near: &'static LintMeta,
    /// An address of another environment.
    pub crossed: &'static LintMeta,
    /// A secret of the layer that all are built on.
    pub base: &'static LintMeta,
    /// An address that mixes forms.
    pub malformed: &'static LintMeta,
}

/// Most label sets and keys of a group that are compared in pairs.
const MAX_SIDES: usize = 48;

/// A site among all.
pub(super) struct Seen<'i> {
    /// The number of its fact.
    pub fact: usize,
    /// Its path, as text.
    pub path: String,
    /// What its file told.
    pub site: &'i Site,
    /// Its environments, folders beside its own and layers counted.
    pub labels: Labels,
    /// Whether its environments are those that take a layer over.
    pub is_layer: bool,
    /// Its service.
    pub service: Option<String>,
    /// Its first byte and the one past its last.
    pub span: (u64, u64),
}

/// All sites, and what is known of the tree.
pub(super) struct All<'i> {
    pub seen: Vec<Seen<'i>>,
    pub layers: Layers,
    /// By family and key, the environments that set it themselves.
    pub overrides: BTreeMap<(String, String), Vec<Labels>>,
}

/// Compares the sites of all files.
pub(crate) fn tell(index: &Index<'_>, metas: &Metas, out: &mut Vec<CrossFault>) {
    let all = All::new(index);
    let mut told = Told::new(out);
    base::tell(&all, metas.base, &mut told);
    let values: Vec<(usize, &Prints)> = all
        .seen
        .iter()
        .enumerate()
        .filter_map(|(at, seen)| Some((at, seen.site.prints()?)))
        .collect();
    let mut groups = group::exact(&values);
    for group in &mut groups {
        all.collapse(group);
    }
    for group in &groups {
        let by = if group.is_encoded {
            Match::Encoded
        } else {
            Match::Exact
        };
        if !told.crossing(&all, metas.exact, &[group], by) {
            services::tell(&all, metas.services, group, &mut told);
        }
    }
    let prints = |site: usize| all.seen.get(site).and_then(|seen| seen.site.prints());
    for near in group::near(&groups, &prints) {
        let members: Vec<&Group> = near
            .groups
            .iter()
            .filter_map(|group| groups.get(*group))
            .collect();
        told.crossing(&all, metas.near, &members, near.by);
    }
    crossed::tell(index, &all, metas, &mut told);
}

impl<'i> All<'i> {
    fn new(index: &'i Index<'_>) -> Self {
        let paths: Vec<String> = index
            .paths
            .iter()
            .map(|path| String::from_utf8_lossy(path.as_bytes()).into_owned())
            .collect();
        let paths = || paths.iter().map(String::as_str);
        let siblings = Siblings::of(paths());
        let manifests = services::manifests(paths());
        let mut all = Self {
            seen: Vec::new(),
            layers: layers::of(paths(), index.environments, &siblings),
            overrides: BTreeMap::new(),
        };
        let mut places = BTreeSet::new();
        for (fact, gathered) in index.facts.iter().enumerate() {
            let FactData::Site(site) = &gathered.data else {
                continue;
            };
            let path = String::from_utf8_lossy(gathered.path.as_bytes()).into_owned();
            let span = (gathered.location.byte_start, gathered.location.byte_end);
            // A place may be told twice: by its key, and by a secret rule.
            let value = site.prints().map(|prints| prints.value);
            if value.is_some() && !places.insert((path.clone(), span.0, value)) {
                continue;
            }
            let labels = match site.labels.evidence() {
                Some(evidence) if evidence < Evidence::Directory => site.labels.clone(),
                _ => Labels::strongest([
                    site.labels.clone(),
                    index.environments.of_path_among(&path, &siblings),
                ]),
            };
            let service = site
                .service
                .clone()
                .or_else(|| index.environments.service_of_path(&path));
            let service = service.or_else(|| services::nearest(&manifests, &path));
            all.seen.push(Seen {
                fact,
                path,
                site,
                labels,
                is_layer: false,
                service,
                span,
            });
        }
        all.layer();
        all
    }

    /// Fills in which environments each layer's value is used in.
    fn layer(&mut self) {
        for seen in self
            .seen
            .iter()
            .filter(|seen| !seen.labels.is_shared() && !seen.labels.is_empty())
        {
            let Some(family) = layers::family(&seen.path) else {
                continue;
            };
            if seen.site.key.is_empty() {
                self.layers
                    .entry(family)
                    .or_default()
                    .push((seen.path.clone(), seen.labels.clone()));
            } else {
                let key = layers::key(&seen.site.key);
                self.overrides
                    .entry((family, key))
                    .or_default()
                    .push(seen.labels.clone());
            }
        }
        for at in 0..self.seen.len() {
            let Some(seen) = self.seen.get(at) else {
                continue;
            };
            let is_base = seen.labels.is_shared()
                || seen.labels.is_empty() && !seen.site.inherited.is_empty();
            if is_base && seen.site.prints().is_some() {
                let users = self.users(seen);
                if let Some(seen) = self.seen.get_mut(at) {
                    seen.labels = users;
                    seen.is_layer = true;
                }
            }
        }
    }

    /// Returns the environments that take a base layer's value over.
    fn users(&self, seen: &Seen<'_>) -> Labels {
        let family = layers::family(&seen.path).unwrap_or_default();
        let layers = self
            .layers
            .get(&family)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let key = (family, layers::key(&seen.site.key));
        let own = self
            .overrides
            .get(&key)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let overridden: BTreeSet<&Environment> =
            own.iter().flat_map(Labels::environments).collect();
        let all = layers.iter().flat_map(|(_, labels)| labels.environments());
        let users = all.filter(|environment| !overridden.contains(environment));
        Labels::new(
            users
                .chain(seen.site.inherited.environments())
                .cloned()
                .collect::<Vec<_>>(),
            Evidence::Base,
        )
    }

    /// Drops from a group the base sites that a layer repeats under the same key and nobody else uses.
    fn collapse(&self, group: &mut Group) {
        let place =
            |seen: &Seen<'_>| Some((layers::family(&seen.path)?, layers::key(&seen.site.key)));
        let own: BTreeSet<_> = group
            .sites
            .iter()
            .filter_map(|at| self.seen.get(*at))
            .filter(|seen| !seen.is_layer)
            .filter_map(place)
            .collect();
        group.sites.retain(|at| {
            self.seen.get(*at).is_none_or(|seen| {
                let is_repeated = seen.is_layer && seen.labels.is_empty();
                !(is_repeated && place(seen).is_some_and(|place| own.contains(&place)))
            })
        });
    }
}

/// Faults so far.
pub(super) struct Told<'o> {
    out: &'o mut Vec<CrossFault>,
    /// How often a subject was told.
    subjects: BTreeMap<(&'static str, String), usize>,
}

/// The worst of the crossings of a group.
struct Worst {
    severity: Severity,
    crossing: Crossing,
    confidence: Confidence,
}

impl<'o> Told<'o> {
    fn new(out: &'o mut Vec<CrossFault>) -> Self {
        Self {
            out,
            subjects: BTreeMap::new(),
        }
    }

    /// Adds a fault; equal subjects get a number.
    pub(super) fn push(&mut self, mut fault: CrossFault) {
        let count = self
            .subjects
            .entry((fault.lint.id, fault.subject.clone()))
            .or_default();
        *count += 1;
        if *count > 1 {
            fault.subject = format!("{} #{count}", fault.subject);
        }
        self.out.push(fault);
    }

    /// Tells that groups cross environments, if they do. Of several groups only pairs from different ones count.
    fn crossing(
        &mut self,
        all: &All<'_>,
        lint: &'static LintMeta,
        groups: &[&Group],
        by: Match,
    ) -> bool {
        let sides = sides(all, groups);
        let Some(worst) = worst(&sides, by, groups.len() > 1) else {
            return false;
        };
        let sites: Vec<&Seen<'_>> = groups
            .iter()
            .flat_map(|group| &group.sites)
            .filter_map(|at| all.seen.get(*at))
            .collect();
        let (order, unlabelled) = message::order(sites);
        let Some((primary, rest)) = order.split_first() else {
            return false;
        };
        let rest: Vec<&Seen<'_>> = rest.iter().rev().chain(&unlabelled).copied().collect();
        let text = message::crossing(primary, &rest, by, worst.crossing);
        let environments = message::environments(order.iter().copied());
        let keys = message::keys(order.iter().copied());
        self.push(CrossFault {
            lint,
            severity: worst.severity,
            confidence: worst.confidence,
            persona: if worst.crossing == Crossing::WithinProduction {
                Persona::Auditor
            } else {
                Persona::Regular
            },
            primary: Pointer::Fact(primary.fact),
            related: message::related(&rest),
            message: text,
            subject: format!("{keys}: {environments}"),
            fix: None,
            properties: vec![
                ("environments", environments),
                ("services", message::services(order.iter().copied())),
                ("match", by.as_str().to_owned()),
                ("siteCount", (1 + rest.len()).to_string()),
            ],
        });
        true
    }
}

/// A set of labels under one key in one group.
struct Side<'s> {
    group: usize,
    labels: &'s Labels,
    is_layer: bool,
    key: String,
    seen: &'s Seen<'s>,
}

/// Returns the different sides of groups, the best and the least protected ones if there are too many.
fn sides<'s>(all: &'s All<'_>, groups: &[&Group]) -> Vec<Side<'s>> {
    let mut known = BTreeSet::new();
    let mut sides = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        for seen in group.sites.iter().filter_map(|at| all.seen.get(*at)) {
            let key = key_base(seen.site);
            if !seen.labels.is_empty()
                && known.insert((number, seen.labels.names(), seen.is_layer, key.clone()))
            {
                sides.push(Side {
                    group: number,
                    labels: &seen.labels,
                    is_layer: seen.is_layer,
                    key,
                    seen,
                });
            }
        }
    }
    sides.sort_by_key(|side| side.labels.tier());
    if sides.len() > MAX_SIDES {
        let last = sides.len() - MAX_SIDES / 2;
        sides.drain(MAX_SIDES / 2..last);
    }
    sides
}

/// Returns the worst crossing of sides.
fn worst(sides: &[Side<'_>], by: Match, is_near: bool) -> Option<Worst> {
    let mut worst: Option<Worst> = None;
    for (at, a) in sides.iter().enumerate() {
        for b in sides.iter().skip(at + 1) {
            // What a base layer alone makes cross is told as such.
            if a.is_layer && b.is_layer || is_near && a.group == b.group {
                continue;
            }
            let Some(crossing) = grade::crossing(a.labels, b.labels) else {
                continue;
            };
            let shared = shared(a, b, by);
            if shared.class == Class::BelowGate && (a.key != b.key || is_near) {
                continue;
            }
            let Some(severity) = grade::severity(crossing, shared) else {
                continue;
            };
            let confidence = grade::confidence(
                a.labels.evidence(),
                b.labels.evidence(),
                a.key == b.key,
                shared,
            );
            let is_worse = worst.as_ref().is_none_or(|worst| {
                (severity, confidence, crossing)
                    > (worst.severity, worst.confidence, worst.crossing)
            });
            if is_worse {
                worst = Some(Worst {
                    severity,
                    crossing,
                    confidence,
                });
            }
        }
    }
    worst
}

fn shared(a: &Side<'_>, b: &Side<'_>, by: Match) -> Shared {
    let prints = [a, b].map(|side| side.seen.site.prints());
    let classes = prints.iter().flatten().map(|prints| prints.class);
    // Of one value the best that is known of it counts, of two the worse.
    let class = if by.is_same() {
        classes.max()
    } else {
        classes.min()
    };
    let mode = prints
        .iter()
        .flatten()
        .map(|prints| prints.mode)
        .find(|mode| *mode != super::Mode::Unknown);
    Shared {
        class: class.unwrap_or(Class::BelowGate),
        mode: mode.unwrap_or_default(),
        is_signing: [a, b]
            .iter()
            .any(|side| grade::is_signing(&side.seen.site.key)),
        by,
    }
}

/// Returns the last key without the words of environments: the same key of two environments.
fn key_base(site: &Site) -> String {
    let words = names::words(site.name());
    let words: Vec<String> = words
        .into_iter()
        .filter(|word| super::super::environment::of_word(word).is_none())
        .collect();
    words.join("_")
}

/// Returns the address of a site, if it is one.
pub(super) fn address<'s>(seen: &'s Seen<'_>) -> Option<&'s super::Address> {
    match &seen.site.content {
        Content::Reference(address) => Some(address),
        _ => None,
    }
}
