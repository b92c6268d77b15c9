//! What all targets do: one file, read as what its name says, through every lint; then what lints of all files make of it.

use std::collections::BTreeSet;

use keysweep::{
    model::{BlobPath, DigestKey, Location},
    policy::{self, Gathered, Index, environment::Environments},
};

/// Reads `data` under each of the names, and holds every span against the data.
pub fn run(names: &[&str], data: &[u8]) {
    let key = DigestKey::new([1; 32]);
    let environments = Environments::default();
    for name in names {
        let path = BlobPath::from(*name);
        let Some(kind) = policy::wants(&path) else {
            panic!("{name} is of no kind");
        };
        let reading = policy::read(&path, kind, data, &key, &environments);
        for fault in &reading.faults {
            let spans = [Some(&fault.span), fault.secret.as_ref()];
            let related = fault.related.iter().map(|(span, _)| Some(span));
            let edits = fault.fix.iter().flat_map(|fix| &fix.edits);
            let edits = edits.filter(|edit| edit.append_to.is_none()).map(|edit| Some(&edit.span));
            for span in spans.into_iter().chain(related).chain(edits).flatten() {
                assert!(span.start <= span.end && span.end <= data.len(), "{} {span:?}", fault.lint.id);
            }
        }
        let facts: Vec<Gathered> = reading
            .facts
            .into_iter()
            .map(|fact| {
                assert!(fact.span.end <= data.len());
                Gathered {
                    path: path.clone(),
                    location: Location {
                        path: path.clone(),
                        start_line: 1,
                        start_column: 1,
                        end_line: 1,
                        end_column: 1,
                        byte_start: fact.span.start as u64,
                        byte_end: fact.span.end as u64,
                    },
                    digest: None,
                    past: policy::Past::default(),
                    data: fact.data,
                }
            })
            .collect();
        let index = Index {
            paths: &BTreeSet::from([path]),
            facts: &facts,
            environments: &environments,
            whole: true,
            changed: &|_| true,
        };
        let _ = policy::cross(&index);
    }
}
