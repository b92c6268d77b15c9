//! Runs the examples of rules through the shipped engine (`keysweep rules test`).
//!
//! A positive example must give exactly one hit of its rule, with exactly the secret between `«` and `»`; a negative one
//! none of its rule. All rules run at once, as in a scan.

use std::sync::Arc;

use crate::{
    engine::{Hit, Scanner},
    model::{RuleId, Span},
    policy,
    rules::{self, ExampleError, RuleSet},
};

/// One example that did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The rule.
    pub rule: RuleId,
    /// Whether it was a positive example.
    pub positive: bool,
    /// Its index among the rule's positive or negative examples, from 0.
    pub index: usize,
    /// What went wrong, without a value.
    pub reason: String,
}

/// What a run of examples came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Number of rules that were tested.
    pub rules: usize,
    /// Number of examples.
    pub examples: usize,
    /// In order of the rules.
    pub failures: Vec<Failure>,
    /// The rules without an example, in order.
    pub untested: Vec<RuleId>,
}

/// Runs the examples of every rule for which `wanted` is true.
///
/// # Errors
/// If an example's text cannot be expanded.
pub fn check(
    set: &Arc<RuleSet>,
    wanted: &dyn Fn(&RuleId) -> bool,
) -> Result<Outcome, ExampleError> {
    let scanner = Scanner::new(Arc::clone(set));
    let mut worker = scanner.worker();
    let mut outcome = Outcome::default();
    for (number, rule) in set.rules.iter().enumerate() {
        let id = &rule.meta.id;
        if !wanted(id) {
            continue;
        }
        if rule.examples.positive.is_empty() && rule.examples.negative.is_empty() {
            outcome.untested.push(id.clone());
            continue;
        }
        outcome.rules += 1;
        let positive = rule
            .examples
            .positive
            .iter()
            .map(|text| (true, text))
            .enumerate();
        let negative = rule
            .examples
            .negative
            .iter()
            .map(|text| (false, text))
            .enumerate();
        for (index, (positive, text)) in positive.chain(negative) {
            outcome.examples += 1;
            let example = rules::expand_example(id.as_str(), index, text)?;
            let hits = worker.scan(&example.text, &[Span::new(0, example.text.len() as u64)]);
            if let Some(reason) = fault(&hits, number, positive, example.secret, set) {
                outcome.failures.push(Failure {
                    rule: id.clone(),
                    positive,
                    index,
                    reason,
                });
            }
        }
    }
    Ok(outcome)
}

/// Runs the examples of every lint for which `wanted` is true, and adds what they came to.
pub fn check_lints(wanted: &dyn Fn(&RuleId) -> bool, outcome: &mut Outcome) {
    for lint in policy::all() {
        let id = RuleId::new(lint.id);
        if !wanted(&id) {
            continue;
        }
        outcome.rules += 1;
        outcome.examples += lint.bad.len() + lint.good.len();
        let failures = policy::trial::check(lint).into_iter();
        outcome
            .failures
            .extend(failures.map(|(positive, index, reason)| Failure {
                rule: id.clone(),
                positive,
                index,
                reason,
            }));
    }
}

/// Returns what is wrong with the hits of one example, if anything is.
fn fault(
    hits: &[Hit],
    rule: usize,
    positive: bool,
    secret: Option<std::ops::Range<usize>>,
    set: &RuleSet,
) -> Option<String> {
    let own: Vec<&Hit> = hits
        .iter()
        .filter(|hit| hit.rule as usize == rule)
        .collect();
    if !positive {
        return (!own.is_empty()).then(|| format!("should be silent, but gives {}", own.len()));
    }
    let Some(secret) = secret else {
        return Some("marks no secret between « and »".to_owned());
    };
    match own.as_slice() {
        [] => {
            let others: Vec<&str> = hits
                .iter()
                .filter_map(|hit| set.rules.get(hit.rule as usize))
                .map(|rule| rule.meta.id.as_str())
                .collect();
            Some(if others.is_empty() {
                "is not found".to_owned()
            } else {
                format!("is found by {} instead", others.join(", "))
            })
        }
        [hit] => {
            let expected = Span::new(secret.start as u64, secret.end as u64);
            (hit.span != expected).then(|| {
                format!(
                    "the secret is found at {}..{}, not at {}..{}",
                    hit.span.start, hit.span.end, expected.start, expected.end
                )
            })
        }
        many => Some(format!("is found {} times", many.len())),
    }
}
