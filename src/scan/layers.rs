//! The rules of a run in two layers: those that the user trusts, and those of a tree that is not the user's own.
//!
//! Each layer has an engine of its own. In one engine the more specific of two overlapping findings stands alone, so that a rule
//! of a foreign tree could take the place of a built-in one and make a finding milder. In two it can only add.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    config::PathGlobs,
    engine::Scanner,
    model::{Copied, Excerpt, Provenance},
    rules::RuleSet,
    sources::{Blob, Receiver, Sink, Trace},
};

use super::{Options, haul::Gathered, hits::RawHit, receiver::Collector};

/// The options of each layer, the trusted one first.
pub(super) struct Parts(Vec<(Options, Scanner)>);

impl Parts {
    pub(super) fn new(options: &Options) -> Self {
        let layer = |rules: Arc<RuleSet>| {
            let scanner = Scanner::new(Arc::clone(&rules));
            let options = Options {
                rules,
                ..options.clone()
            };
            (options, scanner)
        };
        Self(sets(options).into_iter().map(layer).collect())
    }
}

/// Returns the rules of each layer, the trusted ones first.
pub(super) fn sets(options: &Options) -> Vec<Arc<RuleSet>> {
    if options.guests.is_empty() {
        return vec![Arc::clone(&options.rules)];
    }
    let of = |guests: bool| {
        let rules = options.rules.rules.iter();
        let some = rules.filter(|rule| options.guests.contains(&rule.meta.id) == guests);
        Arc::new(RuleSet::new(some.cloned().collect()))
    };
    vec![of(false), of(true)]
}

/// What the receivers of all layers share.
pub(super) struct Layers<'a> {
    layers: Vec<Layer<'a>>,
}

struct Layer<'a> {
    collector: Collector<'a>,
    /// The number of each rule in the whole set, and in the layer; sorted by both.
    numbers: Vec<(u32, u32)>,
    guests: bool,
}

impl<'a> Layers<'a> {
    /// `notes_paths`: keep the paths of what is read.
    pub(super) fn new(parts: &'a Parts, whole: &RuleSet, notes_paths: bool) -> Self {
        let layers = parts
            .0
            .iter()
            .zip([false, true])
            .map(|((options, scanner), guests)| {
                let number = |rule: &crate::rules::Rule| {
                    let at = whole
                        .rules
                        .binary_search_by(|r| r.meta.id.cmp(&rule.meta.id));
                    u32::try_from(at.unwrap_or(usize::MAX)).unwrap_or(u32::MAX)
                };
                let numbers = options.rules.rules.iter().map(number).zip(0..);
                Layer {
                    numbers: numbers.collect(),
                    guests,
                    collector: Collector::new(
                        scanner,
                        options,
                        notes_paths,
                        options.policy.as_deref().filter(|_| !guests),
                    ),
                }
            });
        Self {
            layers: layers.collect(),
        }
    }

    /// Takes everything that was gathered: the hits of all layers, and what was read once. Call it when no receiver is alive.
    pub(super) fn gathered(&self) -> Gathered {
        let mut layers = self.layers.iter();
        let mut all = layers.next().map(Layer::gathered).unwrap_or_default();
        // The second layer sees the same blobs: its coverage and markers are those of the first.
        layers.for_each(|layer| all.hits.extend(layer.gathered().hits));
        all
    }

    /// Returns the collector of the user's own rules.
    pub(super) fn own(&self) -> &Collector<'a> {
        &self
            .layers
            .first()
            .expect("there is a layer of trusted rules, be it empty")
            .collector
    }

    /// Returns the globs of a rule; `None` if it is for all paths.
    pub(super) fn paths_of(&self, rule: u32) -> Option<&PathGlobs> {
        self.layers.iter().find_map(|layer| {
            let at = layer
                .numbers
                .binary_search_by_key(&rule, |(whole, _)| *whole);
            let (_, own) = layer.numbers.get(at.ok()?)?;
            layer.collector.paths_of(*own)
        })
    }

    /// Scans a blob (`None`) and members of it once more, this time for what is shown.
    pub(super) fn again(
        &self,
        bytes: &[u8],
        members: &BTreeSet<Option<Vec<u8>>>,
        provenance: &Provenance,
    ) -> Vec<RawHit> {
        let scan = |layer: &Layer<'_>| {
            let hits = layer.collector.again(bytes, members, provenance);
            layer.renumbered(hits)
        };
        self.layers.iter().flat_map(scan).collect()
    }
}

impl Layer<'_> {
    fn gathered(&self) -> Gathered {
        let gathered = self.collector.gathered();
        Gathered {
            hits: self.renumbered(gathered.hits),
            ..gathered
        }
    }

    fn renumbered(&self, mut hits: Vec<RawHit>) -> Vec<RawHit> {
        for hit in &mut hits {
            if let Some((whole, _)) = self.numbers.get(hit.rule as usize) {
                hit.rule = *whole;
            }
            if let (true, Some(shown)) = (self.guests, &mut hit.shown) {
                alone(&mut shown.excerpt);
            }
        }
        hits
    }
}

/// Leaves of an excerpt the finding itself. The guests' engine knows nothing of other secrets on the line, so it cannot mask them.
fn alone(excerpt: &mut Excerpt) {
    let finding = excerpt
        .text
        .get(excerpt.start..excerpt.end)
        .unwrap_or_default();
    excerpt.text = format!("… {finding} …");
    excerpt.start = "… ".len();
    excerpt.end = excerpt.text.len() - " …".len();
    excerpt.cut = true;
}

impl Sink for Layers<'_> {
    fn receiver(&self) -> Box<dyn Receiver + '_> {
        let hands = self.layers.iter().map(|layer| layer.collector.receiver());
        Box::new(Hands(hands.collect()))
    }
}

/// One thread's receivers, one a layer.
struct Hands<'a>(Vec<Box<dyn Receiver + 'a>>);

impl Receiver for Hands<'_> {
    fn blob(&mut self, blob: &Blob<'_>) {
        for hand in &mut self.0 {
            hand.blob(blob);
        }
    }

    fn version(&mut self, blob: &Blob<'_>, base: Option<(&Trace, &[Copied])>) -> Trace {
        let traces = base.and_then(|(trace, _)| trace.0.as_ref()?.downcast_ref::<Vec<Trace>>());
        let scan = |(layer, hand): (usize, &mut Box<dyn Receiver + '_>)| {
            let trace = traces.and_then(|traces| traces.get(layer));
            hand.version(blob, trace.zip(base.map(|(_, copies)| copies)))
        };
        let left: Vec<Trace> = self.0.iter_mut().enumerate().map(scan).collect();
        Trace(Some(Box::new(left)))
    }
}
