//! Rules about rules: ids, texts, figures and examples that make sense.
//!
//! Run over a user's rules when they are loaded, over the catalogue by the test suite and `keysweep rules test`.

use std::collections::BTreeSet;

use regex_syntax::hir::{Hir, HirKind};
use toml::Spanned;

use super::{
    Rule, anchor,
    compile::{Provider, place, secret_of},
    error::{Fault, Located},
    examples,
    spec::RuleSpec,
};

/// CWE entries about credentials and keys (cwe.mitre.org): exposure 200, 312, 319, 532, 538, 540, 615; passwords 256, 259, 260,
/// 521; keys 320, 321, 522; credentials 798, 1392; tokens 613.
const CWES: [u32; 17] = [
    200, 256, 259, 260, 312, 319, 320, 321, 521, 522, 532, 538, 540, 613, 615, 798, 1392,
];
/// How far below the average entropy of random secrets a floor must stay, in bits per byte: at 32 hex digits the deviation
/// of single secrets is about 0.1.
const ENTROPY_MARGIN: f64 = 0.2;
/// Size limit of a compiled pattern: a thousand rules of a foreign tree must still load in seconds.
const MAX_COMPILED_BYTES: usize = 2 << 20;

/// Whose rules are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The embedded catalogue: every text and example is due.
    Catalogue,
    /// A user's own: what is there must make sense.
    User,
}

/// Returns everything that is wrong with a rule that compiles.
pub(super) fn check(
    text: &str,
    origin: Origin,
    provider: Provider<'_>,
    spec: &Spanned<RuleSpec>,
    rule: &Rule,
) -> Vec<Located> {
    let mut faults = Vec::new();
    let whole = spec.span();
    let spec = spec.get_ref();
    check_id(origin, provider, spec, &mut faults);
    check_texts(origin, spec, &mut faults);
    check_entropy(spec, rule, &mut faults);
    check_regexes(text, spec, &mut faults);
    check_paths(spec, &mut faults);
    let (positive, negative) = (spec.positive.len(), spec.negative.len());
    if origin == Origin::Catalogue && (positive < 2 || negative < 1) {
        let id = spec.id.get_ref().clone();
        // The header of the table, not all of the rule.
        let header = whole.start..(whole.start + "[[rules]]".len()).min(whole.end);
        let fault = Fault::Examples {
            id,
            positive,
            negative,
        };
        faults.push((fault, header));
    }
    check_examples(spec, &mut faults);
    faults
}

/// Returns a fault for every id that an earlier rule has already.
pub(super) fn duplicates<'r>(
    taken: &mut BTreeSet<String>,
    specs: impl IntoIterator<Item = &'r Spanned<RuleSpec>>,
) -> Vec<Located> {
    let mut faults = Vec::new();
    for spec in specs {
        let id = &spec.get_ref().id;
        if !taken.insert(id.get_ref().clone()) {
            let fault = Fault::Duplicate {
                id: id.get_ref().clone(),
            };
            faults.push((fault, id.span()));
        }
    }
    faults
}

fn check_id(origin: Origin, provider: Provider<'_>, spec: &RuleSpec, faults: &mut Vec<Located>) {
    let id = spec.id.get_ref();
    let kebab = id.split('-').all(|part| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    });
    let family = provider.family;
    let own = id == family
        || id
            .strip_prefix(family)
            .is_some_and(|rest| rest.starts_with('-'));
    let reason = if !kebab {
        "is not kebab-case"
    } else if id.len() > 64 {
        "is longer than 64 bytes"
    } else if origin == Origin::Catalogue && !own {
        "does not start with its family"
    } else {
        return;
    };
    let (id, family) = (id.clone(), family.to_owned());
    faults.push((Fault::Id { id, reason, family }, spec.id.span()));
}

fn check_texts(origin: Origin, spec: &RuleSpec, faults: &mut Vec<Located>) {
    let mut complain = |key, reason, span| {
        let id = spec.id.get_ref().clone();
        faults.push((Fault::Text { id, key, reason }, span));
    };
    let description = spec.description.get_ref().trim();
    if description.is_empty() {
        complain("description", "is empty", spec.description.span());
    } else if description.ends_with('.') {
        complain(
            "description",
            "ends with a full stop",
            spec.description.span(),
        );
    }
    for (key, value) in [("source", &spec.source), ("remediation", &spec.remediation)] {
        match value {
            Some(text) if text.get_ref().trim().is_empty() => {
                complain(key, "is empty", text.span());
            }
            None if origin == Origin::Catalogue => complain(key, "is missing", spec.id.span()),
            _ => {}
        }
    }
    if origin == Origin::Catalogue && spec.severity.is_none() {
        complain("severity", "is missing", spec.id.span());
    }
    if origin == Origin::Catalogue && spec.confidence.is_none() {
        complain("confidence", "is missing", spec.id.span());
    }
    if let Some(cwe) = &spec.cwe
        && !CWES.contains(cwe.get_ref())
    {
        let (id, cwe, span) = (spec.id.get_ref().clone(), *cwe.get_ref(), cwe.span());
        faults.push((Fault::Cwe { id, cwe }, span));
    }
}

fn check_entropy(spec: &RuleSpec, rule: &Rule, faults: &mut Vec<Located>) {
    let Some(written) = &spec.entropy else {
        return;
    };
    let (id, floor) = (spec.id.get_ref().clone(), *written.get_ref());
    if !(floor > 0.0 && floor < 8.0) {
        faults.push((Fault::EntropyRange { id, floor }, written.span()));
        return;
    }
    let Some(hir) = rule.pattern.as_deref().and_then(parse) else {
        return;
    };
    let Ok(secret) = secret_of(&hir) else {
        return;
    };
    let len = secret.properties().maximum_len().unwrap_or(rule.max_len);
    let typical = typical_entropy(alphabet(secret), len);
    let advised = ((typical - ENTROPY_MARGIN) * 10.0).floor() / 10.0;
    if floor > typical - ENTROPY_MARGIN {
        let fault = Fault::Entropy {
            id,
            floor,
            typical,
            advised: advised.max(0.0),
        };
        faults.push((fault, written.span()));
    }
}

fn parse(pattern: &str) -> Option<Hir> {
    regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern)
        .ok()
}

/// Returns how many different bytes a match can hold.
fn alphabet(hir: &Hir) -> usize {
    fn gather(hir: &Hir, seen: &mut [bool; 256]) {
        let mut mark = |bytes: &[u8]| {
            for byte in bytes {
                if let Some(slot) = seen.get_mut(usize::from(*byte)) {
                    *slot = true;
                }
            }
        };
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => mark(&literal.0),
            HirKind::Class(class) => mark(&anchor::members(class)),
            HirKind::Repetition(repetition) => gather(&repetition.sub, seen),
            HirKind::Capture(capture) => gather(&capture.sub, seen),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                parts.iter().for_each(|part| gather(part, seen));
            }
        }
    }
    let mut seen = [false; 256];
    gather(hir, &mut seen);
    seen.iter().filter(|seen| **seen).count()
}

/// Returns the average Shannon entropy, in bits per byte, of `len` bytes drawn evenly out of `alphabet` ones:
/// `log2 n - a/n · E[k log2 k]` with `k` binomial(n, 1/a).
fn typical_entropy(alphabet: usize, len: usize) -> f64 {
    if alphabet < 2 || len < 2 {
        return 0.0;
    }
    // Longer ones are within 0.1 of the limit log2(a), and (1-p)^n would run out of a float's range.
    let count = u32::try_from(len.min(512)).unwrap_or(512);
    let (n, a) = (f64::from(count), alphabet as f64);
    let p = 1.0 / a;
    let mut probability = (1.0 - p).powf(n);
    let mut sum = 0.0;
    for k in 0..count {
        let kf = f64::from(k);
        probability *= (n - kf) / (kf + 1.0) * p / (1.0 - p);
        let next = kf + 1.0;
        sum += probability * next * next.log2();
    }
    n.log2() - a / n * sum
}

/// Compiles the patterns, which the engine does on first use only.
fn check_regexes(text: &str, spec: &RuleSpec, faults: &mut Vec<Located>) {
    let near = spec.near.as_ref().map(|near| &near.get_ref().pattern);
    for pattern in [spec.pattern.as_ref(), near].into_iter().flatten() {
        let compiled = regex::bytes::RegexBuilder::new(pattern.get_ref())
            .unicode(false)
            .size_limit(MAX_COMPILED_BYTES)
            .build();
        if let Err(error) = compiled {
            let reason = match error {
                regex::Error::CompiledTooBig(limit) => {
                    format!("compiled it takes more than {limit} bytes")
                }
                other => other.to_string(),
            };
            let id = spec.id.get_ref().clone();
            faults.push((Fault::Pattern { id, reason }, place(text, pattern, None)));
        }
    }
}

fn check_paths(spec: &RuleSpec, faults: &mut Vec<Located>) {
    for glob in &spec.paths {
        if let Err(error) = globset::Glob::new(glob.get_ref()) {
            let fault = Fault::Glob {
                id: spec.id.get_ref().clone(),
                glob: glob.get_ref().clone(),
                reason: error.kind().to_string(),
            };
            faults.push((fault, glob.span()));
        }
    }
}

fn check_examples(spec: &RuleSpec, faults: &mut Vec<Located>) {
    let id = spec.id.get_ref();
    let marked = spec.positive.iter().enumerate().map(|(i, t)| (i, t, true));
    let plain = spec.negative.iter().enumerate().map(|(i, t)| (i, t, false));
    for (index, text, positive) in marked.chain(plain) {
        let reason = match examples::expand_example(id, index, text.get_ref()) {
            Err(error) => error.to_string(),
            Ok(example) if positive && example.secret.is_none() => {
                "does not say which part is the secret".to_owned()
            }
            Ok(example) if !positive && example.secret.is_some() => {
                "is negative and marks a secret".to_owned()
            }
            Ok(_) => continue,
        };
        let id = id.clone();
        faults.push((Fault::Example { id, reason }, text.span()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typical_entropy_agrees_with_measured_averages() {
        // Averages of 50,000 random strings each (Python, random.choices).
        for (alphabet, len, measured) in [(16, 32, 3.611), (62, 36, 4.663), (10, 16, 2.843)] {
            let typical = typical_entropy(alphabet, len);
            assert!(
                (typical - measured).abs() < 0.01,
                "{alphabet} {len}: {typical}"
            );
        }
    }

    #[test]
    fn the_alphabet_is_that_of_the_whole_secret() {
        assert_eq!(alphabet(&parse("(?:ab|[0-9]{4})-[b-c]").unwrap()), 14);
    }
}
