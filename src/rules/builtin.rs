//! The embedded catalogue: every file of `rules/`, listed by the build script.

use std::collections::BTreeSet;

use super::{
    Rule, RuleError, RuleSet, check,
    compile::{Provider, compile},
    error::collect,
    spec,
};

/// Name and text of each file, sorted by name.
pub(super) static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// Returns the embedded catalogue. Costs a parse of every file; the regexes are compiled later, by the engine.
///
/// # Errors
/// Only if the program was built from a catalogue that the test suite would have refused.
pub fn builtin() -> Result<RuleSet, RuleError> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut taken = BTreeSet::new();
    for (name, text) in FILES {
        let file = spec::file(text).map_err(|fault| one(name, text, fault))?;
        let provider = Provider {
            family: &file.family,
            name: &file.name,
        };
        if let Some(error) = collect(name, text, check::duplicates(&mut taken, &file.rules)) {
            return Err(error);
        }
        for spec in &file.rules {
            rules.push(compile(text, provider, spec).map_err(|fault| one(name, text, fault))?);
        }
    }
    Ok(RuleSet::new(rules))
}

/// Returns the names and texts of the catalogue's files, for `keysweep rules test`.
#[must_use]
pub fn catalogue_files() -> &'static [(&'static str, &'static str)] {
    FILES
}

fn one(name: &str, text: &str, fault: super::error::Located) -> RuleError {
    collect(name, text, vec![fault]).expect("one fault makes an error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_catalogue_passes_every_check() {
        let mut complaints = Vec::new();
        for (name, text) in FILES {
            if let Err(error) = super::super::parse(name, text) {
                complaints.push(super::super::tests::render(&error));
            }
        }
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }

    #[test]
    fn the_catalogue_is_sorted_by_id() {
        let set = builtin().unwrap();
        assert!(
            set.rules
                .windows(2)
                .all(|pair| pair[0].meta.id < pair[1].meta.id)
        );
    }
}
