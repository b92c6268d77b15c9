//! Tests over several files: what is told of all together, and that fixes mend it.

use std::collections::BTreeSet;

use super::*;
use crate::{
    model::{BlobPath, DigestKey, Location, Secret},
    policy::{
        self, CrossFault, Edit, Gathered, Index, Pointer, environment::Environments, lint::LintMeta,
    },
};

type Files = Vec<(String, String)>;

/// Runs the lints of this family over all files together.
fn cross(files: &Files) -> Vec<(CrossFault, String)> {
    let key = DigestKey::new([7; 32]);
    let environments = Environments::default();
    let paths: BTreeSet<BlobPath> = files.iter().map(|(path, _)| path.as_str().into()).collect();
    let mut facts = Vec::new();
    for (path, text) in files {
        let blob = BlobPath::from(path.as_str());
        let Some(kind) = policy::wants(&blob) else {
            continue;
        };
        let reading = policy::read(&blob, kind, text.as_bytes(), &key, &environments);
        facts.extend(reading.facts.into_iter().map(|fact| {
            Gathered {
                path: blob.clone(),
                location: Location {
                    path: blob.clone(),
                    start_line: 1,
                    start_column: 1,
                    end_line: 1,
                    end_column: 1,
                    byte_start: fact.span.start as u64,
                    byte_end: fact.span.end as u64,
                },
                digest: fact
                    .secret
                    .map(|span| key.digest("", &Secret::new(&text.as_bytes()[span]))),
                data: fact.data,
                past: policy::Past::default(),
            }
        }));
    }
    let index = Index {
        paths: &paths,
        facts: &facts,
        environments: &environments,
        whole: true,
        changed: &|_| true,
    };
    let mut faults = Vec::new();
    for lint in LINTS {
        lint.files(&index, &mut faults);
    }
    let path = |fault: &CrossFault| match &fault.primary {
        Pointer::Fact(at) => facts[*at].path.to_string(),
        Pointer::File(path) => path.to_string(),
    };
    faults
        .into_iter()
        .map(|fault| (path(&fault), fault))
        .map(|(path, fault)| (fault, path))
        .collect()
}

fn apply(files: &mut Files, primary: &str, edits: &[Edit]) {
    for edit in edits {
        let path = edit.append_to.as_deref().unwrap_or(primary);
        let at = files
            .iter()
            .position(|file| file.0 == path)
            .unwrap_or_else(|| {
                files.push((path.to_owned(), String::new()));
                files.len() - 1
            });
        let text = &mut files[at].1;
        match edit.append_to {
            Some(_) => text.push_str(&edit.text),
            None => text.replace_range(edit.span.clone(), &edit.text),
        }
    }
}

#[test]
fn fixes_silence_their_lints() {
    for meta in LINTS
        .iter()
        .flat_map(|lint| lint.metas())
        .filter(|meta: &&&LintMeta| meta.fix > policy::FixClass::None)
    {
        for example in meta.bad {
            let mut files: Files = example
                .iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
                .collect();
            let told = cross(&files);
            let (fault, path) = told
                .iter()
                .find(|(fault, _)| fault.lint.id == meta.id)
                .unwrap();
            apply(&mut files, path, &fault.fix.as_ref().unwrap().edits);
            let left = cross(&files);
            assert!(
                !left.iter().any(|(fault, _)| fault.lint.id == meta.id),
                "{}: {files:?}",
                meta.id
            );
        }
    }
}

#[test]
fn the_same_value_in_a_real_file_is_critical_and_leads_there() {
    let files = vec![
        (
            ".env.example".to_owned(),
            "SESSION_SECRET=q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3\nOTHER_SECRET=k3Yt8Nq1Zw6Rb9Lp2Xv5Mj7\n"
                .to_owned(),
        ),
        (
            ".env".to_owned(),
            "SESSION_SECRET=\"q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3\"\n".to_owned(),
        ),
    ];
    let told = cross(&files);
    let told: Vec<_> = told
        .iter()
        .map(|(fault, path)| {
            (
                fault.subject.as_str(),
                fault.severity.as_str(),
                fault.related.len(),
                path.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("SESSION_SECRET", "critical", 1, ".env.example"),
            ("OTHER_SECRET", "high", 0, ".env.example")
        ]
    );
}

#[test]
fn ignore_rules_are_looked_for_up_to_the_root() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    for (files, want) in [
        (
            vec![file(".gitignore", "x"), file("a/b/.env.example", "")],
            Some(".gitignore"),
        ),
        (
            vec![file(".gitignore", ".env"), file("a/b/.env.example", "")],
            None,
        ),
        (
            vec![
                file(".gitignore", ".env"),
                file("a/.gitignore", "!.env"),
                file("a/b/.env.example", ""),
            ],
            Some("a/.gitignore"),
        ),
        (
            vec![file(".gitignore", "a/"), file("a/b/.env.example", "")],
            None,
        ),
        (vec![file("a/b/.env.example", "")], Some(".gitignore")),
        (
            vec![file(".gitignore", "x\r\ny"), file(".env.sample", "")],
            Some(".gitignore"),
        ),
    ] {
        let told = cross(&files);
        assert_eq!(
            told.first().map(|one| one.0.subject.as_str()),
            want,
            "{files:?}"
        );
        if let Some((fault, path)) = told.first() {
            let mut files = files.clone();
            apply(&mut files, path, &fault.fix.as_ref().unwrap().edits);
            assert!(cross(&files).is_empty(), "{files:?}");
        }
    }
}
