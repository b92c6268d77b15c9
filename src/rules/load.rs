//! Rule files from text, with every check.

use std::collections::BTreeSet;

use toml::Spanned;

use super::{
    Rule, RuleError, RuleSet,
    check::{self, Origin},
    compile::{Provider, compile},
    error::{Fault, Located, collect},
    spec::{self, RuleSpec},
};

/// Whom a user's own rules belong to.
const USER: Provider<'static> = Provider {
    family: "custom",
    name: "Custom rule",
};

/// Most rules of one configuration.
const MAX_USER_RULES: usize = 1000;

/// Reads a file of the catalogue with every check; `source_name` stands in errors.
///
/// # Errors
/// All faults of the file in one error; only the first if it is not TOML or not of the schema.
pub fn parse(source_name: &str, text: &str) -> Result<Vec<Rule>, RuleError> {
    let (rules, faults) = match spec::file(text) {
        Ok(file) => {
            let provider = Provider {
                family: &file.family,
                name: &file.name,
            };
            read(
                text,
                Origin::Catalogue,
                provider,
                &file.rules,
                BTreeSet::new(),
            )
        }
        Err(fault) => (Vec::new(), vec![fault]),
    };
    collect(source_name, text, faults).map_or(Ok(rules), Err)
}

/// Reads the `[[rules]]` with these ids of a user's `keysweep.toml` (the rest of it is not looked at). No rule may have an id of
/// `existing`: replacing one takes `disable` as well, so that a foreign file cannot blind a rule by giving it again.
///
/// # Errors
/// All faults of the file in one error; only the first if it is not TOML or not of the schema.
pub fn parse_user(
    source_name: &str,
    text: &str,
    ids: &BTreeSet<String>,
    existing: &RuleSet,
) -> Result<Vec<Rule>, RuleError> {
    let taken = existing
        .rules
        .iter()
        .map(|rule| rule.meta.id.as_str().to_owned())
        .collect();
    let (rules, faults) = match spec::user(text) {
        Ok(mut specs) => {
            specs.retain(|spec| ids.contains(spec.get_ref().id.get_ref()));
            match specs.get(MAX_USER_RULES) {
                Some(spec) => {
                    let (limit, span) = (MAX_USER_RULES, spec.get_ref().id.span());
                    (Vec::new(), vec![(Fault::TooMany { limit }, span)])
                }
                None => read(text, Origin::User, USER, &specs, taken),
            }
        }
        Err(fault) => (Vec::new(), vec![fault]),
    };
    collect(source_name, text, faults).map_or(Ok(rules), Err)
}

fn read(
    text: &str,
    origin: Origin,
    provider: Provider<'_>,
    specs: &[Spanned<RuleSpec>],
    mut taken: BTreeSet<String>,
) -> (Vec<Rule>, Vec<Located>) {
    let mut faults = check::duplicates(&mut taken, specs);
    let mut rules = Vec::with_capacity(specs.len());
    for spec in specs {
        match compile(text, provider, spec) {
            Ok(rule) => {
                faults.extend(check::check(text, origin, provider, spec, &rule));
                rules.push(rule);
            }
            Err(fault) => faults.push(fault),
        }
    }
    (rules, faults)
}
