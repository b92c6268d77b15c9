//! From the sites of all files to faults: one a group, at the least protected place.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use crate::model::BlobPath;

use super::{
    super::{
        environment::{Environment, Evidence, Labels, Siblings},
        fault::{CrossFault, FactData, Pointer},
        lint::{Index, LintMeta, Persona},
    },
    Called, Content, Prints, Site,
    grade::{Crossing, Match},
    group::{self, Group},
    layers::{self, Layers},
};

mod base;
mod crossed;
mod message;
mod pairs;
mod services;

use pairs::Side;

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

/// A site among all.
pub(super) struct Seen<'i> {
    /// The number of its fact.
    pub fact: usize,
    /// Its path, as text.
    pub path: Cow<'i, str>,
    /// What its file told.
    pub site: &'i Site,
    /// The name of its value: that of its key, or of another site in its place.
    pub name: &'i str,
    /// Its environments, folders beside its own and layers counted.
    pub labels: Labels,
    /// Whether its environments are those that take a layer over.
    pub is_layer: bool,
    /// Whether it stands in an earlier version of its file alone.
    pub is_past: bool,
    /// Whether it is part of what changed, in runs that look at changes.
    pub is_changed: bool,
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
    pub overrides: BTreeMap<(String, String), BTreeSet<Environment>>,
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
        let then = Self::then(index);
        let manifests = services::manifests(paths());
        let called = Called::of(index.facts);
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
            let path = String::from_utf8_lossy(gathered.path.as_bytes());
            let span = (gathered.location.byte_start, gathered.location.byte_end);
            // A place may be told twice: by its key, and by a secret rule.
            let value = site.prints().map(|prints| prints.value);
            if value.is_some() && !places.insert((&gathered.path, span.0, value)) {
                continue;
            }
            let is_past = gathered.past.only;
            let siblings = if is_past { &then } else { &siblings };
            let labels = match site.labels.evidence() {
                Some(evidence) if evidence < Evidence::Directory => site.labels.clone(),
                _ => Labels::strongest([
                    site.labels.clone(),
                    index.environments.of_path_among(&path, siblings),
                ]),
            };
            let labels = index.environments.called(labels);
            let service = site
                .service
                .clone()
                .or_else(|| index.environments.service_of_path(&path));
            let service = service.or_else(|| services::nearest(&manifests, &path));
            all.seen.push(Seen {
                fact,
                path,
                site,
                name: match site.name() {
                    "" => called.name(gathered).unwrap_or_default(),
                    name => name,
                },
                labels,
                is_layer: false,
                is_past,
                is_changed: (index.changed)(fact),
                service,
                span,
            });
        }
        all.layer();
        all
    }

    /// Returns the folders beside each other in what is there and in what was: an environment that is gone was one.
    fn then(index: &Index<'_>) -> Siblings {
        let past = index.facts.iter().filter(|fact| fact.past.only);
        let mut all: BTreeSet<&BlobPath> = past.map(|fact| &fact.path).collect();
        if all.is_empty() {
            return Siblings::default();
        }
        all.extend(index.paths);
        let all: Vec<_> = all
            .iter()
            .map(|path| String::from_utf8_lossy(path.as_bytes()))
            .collect();
        Siblings::of(all.iter().map(Cow::as_ref))
    }

    /// Fills in which environments each layer's value is used in.
    fn layer(&mut self) {
        for seen in self.seen.iter().filter(|seen| !seen.is_past) {
            if seen.labels.is_shared() || seen.labels.is_empty() {
                continue;
            }
            let Some(family) = layers::family(&seen.path) else {
                continue;
            };
            if seen.site.key.is_empty() {
                let layer = self.layers.entry(family).or_default();
                layer.add(&seen.path, &seen.labels);
            } else {
                let key = (family, layers::key(&seen.site.key));
                let all = seen.labels.environments().iter().cloned();
                self.overrides.entry(key).or_default().extend(all);
            }
        }
        for at in 0..self.seen.len() {
            let Some(seen) = self.seen.get(at) else {
                continue;
            };
            let is_origin = seen.labels.is_empty() && !seen.site.inherited.is_empty();
            let is_base = seen.labels.is_shared() || is_origin;
            if is_base && seen.site.prints().is_some() {
                // Who took an earlier version over is not known: layers are those of the files as they are.
                let users = match seen.is_past {
                    true => Labels::default(),
                    false => self.users(seen),
                };
                if let Some(seen) = self.seen.get_mut(at) {
                    // What a base layer gives for lack of another value is there to be overridden.
                    seen.is_layer = !seen.site.is_default;
                    seen.labels = if seen.is_layer {
                        users
                    } else {
                        Labels::default()
                    };
                }
            }
        }
    }

    /// Returns the environments that take a base layer's value over.
    fn users(&self, seen: &Seen<'_>) -> Labels {
        let family = layers::family(&seen.path).unwrap_or_default();
        let all = self.layers.get(&family).map(|layer| &layer.environments);
        let own = self.overrides.get(&(family, layers::key(&seen.site.key)));
        let is_user = |one: &&Environment| own.is_none_or(|own| !own.contains(*one));
        let users = all.into_iter().flatten().filter(is_user);
        let all = users.chain(seen.site.inherited.environments()).cloned();
        Labels::new(all, Evidence::Base)
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

impl All<'_> {
    /// Drops from the other places of nearly one value those whose value is that of the first: only what differs is named.
    fn drop_equal(&self, groups: &[&Group], first: &Seen<'_>, rest: &mut Vec<&Seen<'_>>) {
        let facts = |group: &Group| -> BTreeSet<usize> {
            let sites = group.sites.iter().filter_map(|at| self.seen.get(*at));
            sites.map(|seen| seen.fact).collect()
        };
        let mut all = groups.iter().map(|group| facts(group));
        if let Some(own) = all.find(|own| own.contains(&first.fact)) {
            rest.retain(|seen| !own.contains(&seen.fact));
        }
    }
}

/// Faults so far.
pub(super) struct Told<'o> {
    out: &'o mut Vec<CrossFault>,
    /// How often a subject was told.
    subjects: BTreeMap<(&'static str, String), usize>,
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
        let sides = pairs::sides(all, groups);
        let is_near = groups.len() > 1;
        let Some(worst) = pairs::worst(&sides, by, is_near) else {
            return false;
        };
        let now: Vec<Side<'_>> = sides.into_iter().filter(|side| !side.is_past()).collect();
        let is_now = pairs::worst(&now, by, is_near).is_some();
        let sites: Vec<&Seen<'_>> = groups
            .iter()
            .flat_map(|group| &group.sites)
            .filter_map(|at| all.seen.get(*at))
            .collect();
        let (order, unlabelled) = message::order(sites);
        let Some((primary, rest)) = order.split_first() else {
            return false;
        };
        let (now, past): (Vec<_>, Vec<_>) = rest.iter().partition(|seen| !seen.is_past);
        let rest = now.iter().rev().chain(past.iter().rev()).copied();
        // Only files of the environments that are compared are named.
        let (primary, mut rest) = message::changed_first(primary, rest.collect());
        if is_near {
            all.drop_equal(groups, primary, &mut rest);
        }
        let all_sites: Vec<&Seen<'_>> = order.iter().chain(&unlabelled).copied().collect();
        let text = message::crossing(primary, &rest, by, worst.crossing);
        let named = order.iter().filter(|seen| !is_now || !seen.is_past);
        let named: Vec<&Seen<'_>> = named.copied().collect();
        let environments = message::environments(&named);
        let keys = message::keys(&named);
        // What the files as they are tell has one identity, whether history is read or not.
        let when = if is_now { "" } else { "history: " };
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
            subject: format!("{when}{keys}: {environments}"),
            fix: None,
            properties: message::properties(&all_sites, by.as_str()),
        });
        true
    }
}

/// Returns the address of a site, if it is one.
pub(super) fn address<'s>(seen: &'s Seen<'_>) -> Option<&'s super::Address> {
    match &seen.site.content {
        Content::Reference(address) => Some(address),
        _ => None,
    }
}
