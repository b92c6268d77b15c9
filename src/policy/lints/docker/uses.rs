//! Where `RUN`s fill in secret arguments, by the scope of arguments: those of a stage are seen by what follows there, and by stages upon it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{arguments::secret, words};
use crate::policy::{
    fault::{Edit, Fault, Fix, FixClass},
    readers::dockerfile::{Dockerfile, Pair, Run, What},
};

/// Most secret arguments of a stage that are followed: each stage upon it takes them over.
const MAX_ARGS: usize = 64;

/// What the stages see of their arguments.
#[derive(Clone, Default)]
struct Scope<'f> {
    args: BTreeMap<&'f str, &'f Pair>,
}

/// Where a secret argument is filled in.
pub(super) struct Used {
    declared: Range<usize>,
    places: Vec<Range<usize>>,
    /// Ends of the keywords of those `RUN`s; `None` for one that waits (`ONBUILD`).
    runs: Vec<Option<usize>>,
}

/// Most places of an argument that a fix changes.
pub(super) const MAX_EDITS: usize = 16;

impl Used {
    /// Tells it at the first place.
    pub(super) fn fault(&self, name: &str) -> Fault {
        let mut places = self.places.iter().cloned();
        let first = places.next().unwrap_or_default();
        let mut fault = Fault::new(
            &super::arguments::SECRET_ARG_IN_RUN,
            first,
            format!("ARG {name}"),
            format!(
                "this RUN uses the build argument `{name}`: its value stays in the image's history"
            ),
        )
        .related(self.declared.clone(), "declared here");
        for place in places.take(8) {
            fault = fault.related(place, "used here as well");
        }
        fault
    }

    /// Mounts the secret for the `RUN`s and drops the argument, if nothing else names it.
    pub(super) fn fix(&self, name: &str, file: &Dockerfile, text: &str) -> Option<Fix> {
        let mut edits = Vec::new();
        let mut named = self.places.len();
        for instruction in super::instructions(file) {
            let What::Arg(pairs) = &instruction.what else {
                continue;
            };
            if pairs.iter().any(|pair| pair.name == name) {
                let [Pair { value: None, .. }] = pairs.as_slice() else {
                    return None;
                };
                let rest = text.get(instruction.span.end..)?;
                let line = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
                let line = line + usize::from(rest.get(line..)?.starts_with('\n'));
                edits.push(Edit::replace(
                    instruction.span.start..instruction.span.end + line,
                    "",
                ));
                named += 1;
            }
        }
        let runs: BTreeSet<Option<usize>> = self.runs.iter().copied().collect();
        if edits.len() + runs.len() > MAX_EDITS || text.matches(name).count() != named {
            return None;
        }
        let id = name.to_ascii_lowercase();
        for run in runs {
            // Without `required` a build that lacks the secret goes on with an empty one.
            let mount = format!(" --mount=type=secret,id={id},env={name},required=true");
            edits.push(Edit::replace(run?..run?, mount));
        }
        edits.sort_by_key(|edit| edit.span.start);
        let title = format!(
            "mount the secret `{id}` for the RUN and drop the argument; whoever builds must give \
             `--secret id={id},env={name}` in place of `--build-arg {name}` (Compose: `secrets` in place of `args`)"
        );
        Some(Fix {
            class: FixClass::Unsafe,
            title,
            edits,
        })
    }
}

/// Returns the secret arguments that `RUN`s fill in, by name.
pub(super) fn uses(file: &Dockerfile) -> BTreeMap<String, Used> {
    let mut used: BTreeMap<String, Used> = BTreeMap::new();
    let mut scopes: BTreeMap<&str, Scope<'_>> = BTreeMap::new();
    for stage in &file.stages {
        // Arguments of a stage are seen by those that build upon it.
        let mut scope = scopes
            .get(stage.image.to_ascii_lowercase().as_str())
            .cloned()
            .unwrap_or_default();
        for instruction in &stage.instructions {
            match &instruction.what {
                What::Arg(pairs) if scope.args.len() < MAX_ARGS => scope
                    .args
                    .extend(secret(pairs).map(|pair| (pair.name.as_str(), pair))),
                What::Run(run) if !scope.args.is_empty() => {
                    for (pair, place) in filled(run, &scope) {
                        let entry = used.entry(pair.name.clone());
                        let entry = entry.or_insert_with(|| Used {
                            declared: pair.name_span.clone(),
                            places: Vec::new(),
                            runs: Vec::new(),
                        });
                        entry.places.push(place);
                        entry
                            .runs
                            .push((!instruction.deferred).then_some(instruction.keyword.end));
                    }
                }
                _ => {}
            }
        }
        if let Some(name) = &stage.name {
            scopes.insert(name, scope);
        }
    }
    used
}

/// Returns the arguments that a `RUN` fills in, those aside that a mount of the same name hides.
fn filled<'f>(run: &Run, scope: &Scope<'f>) -> Vec<(&'f Pair, Range<usize>)> {
    let Some(script) = &run.script else {
        return Vec::new();
    };
    let mounts = run.flags.iter().filter(|flag| flag.name == "mount");
    let mounted: BTreeSet<&str> = mounts.filter_map(|flag| flag.attribute("env")).collect();
    words::expansions(&script.text)
        .into_iter()
        .filter(|one| !mounted.contains(one.name.as_str()))
        .filter_map(|one| {
            Some((
                *scope.args.get(one.name.as_str())?,
                script.source(one.range),
            ))
        })
        .collect()
}
