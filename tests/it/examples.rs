//! Every example of the catalogue through the shipped engine: what `keysweep rules test` does.

use std::sync::Arc;

use keysweep::{rules, scan::examples};

#[test]
fn every_example_of_the_catalogue_does_what_it_says() {
    let set = Arc::new(rules::builtin().expect("the catalogue loads"));
    let all = set.rules.len();
    let outcome = examples::check(&set, &|_| true).expect("every example expands");
    assert_eq!(outcome.rules, all);
    let failures: Vec<String> = outcome
        .failures
        .iter()
        .map(|failure| {
            let kind = if failure.positive {
                "positive"
            } else {
                "negative"
            };
            let (rule, number) = (failure.rule.as_str(), failure.index + 1);
            format!("{rule}: {kind} example {number} {}", failure.reason)
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
