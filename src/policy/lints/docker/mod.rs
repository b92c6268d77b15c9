//! Dockerfiles.

use super::super::{
    lint::{Document, Lint, Syntax},
    readers::dockerfile::{Dockerfile, Instruction},
};

mod arguments;
pub(super) mod argv;
mod baked;
mod context;
mod copy;
mod credential;
mod ignore;
mod layer;
mod mounts;
mod stages;
mod start;
pub(super) mod url;
mod uses;
pub(super) mod words;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[
    &arguments::Arguments,
    &copy::Copies,
    &layer::Layers,
    &url::Urls,
    &start::Starts,
];

/// Returns the Dockerfile that a document is.
fn dockerfile<'d>(document: &'d Document<'_>) -> Option<&'d Dockerfile> {
    match &document.syntax {
        Syntax::Docker(file) => Some(file),
        _ => None,
    }
}

/// Returns all instructions, global arguments first.
fn instructions(file: &Dockerfile) -> impl Iterator<Item = &Instruction> {
    let stages = file.stages.iter().flat_map(|stage| &stage.instructions);
    file.globals.iter().chain(stages)
}

/// Words of paths that tell a file of tests, examples or one developer's machine.
const LOCAL: [&str; 35] = [
    "suites",
    "test",
    "tests",
    "testing",
    "testdata",
    "e2e",
    "integration",
    "example",
    "examples",
    "sample",
    "samples",
    "demo",
    "demos",
    "fixture",
    "fixtures",
    "dev",
    "devel",
    "develop",
    "development",
    "local",
    "localhost",
    "override",
    "docs",
    "doc",
    "tutorial",
    "tutorials",
    "playground",
    "sandbox",
    "quickstart",
    "devcontainer",
    "ci",
    "mock",
    "mocks",
    "spec",
    "benchmark",
];

/// Tells whether a file is by its path one of tests, examples or one developer's machine: a password in it guards nothing.
pub(super) fn is_local(path: &str) -> bool {
    path.split(['/', '.', '-', '_'])
        .any(|word| LOCAL.contains(&word.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
pub(in crate::policy::lints) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{BlobPath, DigestKey, Location},
        policy::{Gathered, Index, environment::Environments, read, wants},
    };

    /// Compares what is told of instructions to be left in a layer: severity and bytes of each.
    pub(super) fn check_layers(cases: &[(&str, &[&str])]) {
        for (text, want) in cases {
            let want: Vec<String> = want
                .iter()
                .map(|one| format!("docker-credential-left-in-layer {one}"))
                .collect();
            assert_eq!(
                told("Dockerfile", &format!("FROM a\n{text}")),
                want,
                "{text:?}"
            );
        }
    }

    /// What the lints of Dockerfiles and compose files tell of a file: id, severity and the bytes that are pointed at.
    pub(in crate::policy::lints) fn told(path: &str, text: &str) -> Vec<String> {
        let blob = BlobPath::from(path);
        let kind = wants(&blob).expect("a file of policy");
        let reading = read(
            &blob,
            kind,
            text.as_bytes(),
            &DigestKey::new([7; 32]),
            &Environments::default(),
        );
        assert_eq!(reading.note, None, "{text}");
        let own = reading.faults.iter().filter(|fault| {
            fault.lint.id.starts_with("docker-") || fault.lint.id.starts_with("compose-")
        });
        own.map(|fault| {
            for (span, _) in &fault.related {
                assert!(text.get(span.clone()).is_some());
            }
            format!(
                "{} {} {}",
                fault.lint.id,
                fault.severity.as_str(),
                &text[fault.span.clone()]
            )
        })
        .collect()
    }

    /// What the fixes of a file say that they do.
    pub(super) fn titles(path: &str, text: &str) -> Vec<String> {
        let blob = BlobPath::from(path);
        let kind = wants(&blob).expect("a file of policy");
        let key = DigestKey::new([7; 32]);
        let reading = read(&blob, kind, text.as_bytes(), &key, &Environments::default());
        let fixes = reading.faults.into_iter().filter_map(|fault| fault.fix);
        fixes.map(|fix| fix.title).collect()
    }

    /// The text after the first fix of the lints of Dockerfiles and compose files.
    pub(in crate::policy::lints) fn fixed(path: &str, text: &str) -> String {
        let blob = BlobPath::from(path);
        let kind = wants(&blob).expect("a file of policy");
        let reading = read(
            &blob,
            kind,
            text.as_bytes(),
            &DigestKey::new([7; 32]),
            &Environments::default(),
        );
        let mut edits = reading
            .faults
            .into_iter()
            .find_map(|fault| fault.fix)
            .expect("a fix")
            .edits;
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
        let mut text = text.to_owned();
        for edit in edits {
            assert_eq!(edit.append_to, None);
            text.replace_range(edit.span, &edit.text);
        }
        text
    }

    /// What the lint of copies tells of a tree: severity, subject and what its fix appends.
    pub(super) fn crossed(files: &[(&str, &str)]) -> Vec<String> {
        let (key, environments) = (DigestKey::new([7; 32]), Environments::default());
        let paths = files
            .iter()
            .map(|(path, _)| BlobPath::from(*path))
            .collect();
        let mut facts = Vec::new();
        for (path, text) in files {
            let blob = BlobPath::from(*path);
            let Some(kind) = wants(&blob) else { continue };
            let location = Location {
                path: blob.clone(),
                start_line: 1,
                start_column: 1,
                end_line: 1,
                end_column: 1,
                byte_start: 0,
                byte_end: 0,
            };
            let reading = read(&blob, kind, text.as_bytes(), &key, &environments);
            facts.extend(reading.facts.into_iter().map(|fact| Gathered {
                path: blob.clone(),
                location: location.clone(),
                digest: None,
                data: fact.data,
                past: crate::policy::Past::default(),
            }));
        }
        let index = Index {
            paths: &paths,
            facts: &facts,
            environments: &environments,
            whole: true,
            changed: &|_| true,
        };
        let mut out = Vec::new();
        copy::Copies.files(&index, &mut out);
        let told = out.into_iter().map(|fault| {
            let edit = fault.fix.and_then(|fix| fix.edits.into_iter().next());
            let text = edit.map_or_else(String::new, |edit| edit.text);
            format!(
                "{} {} {}",
                fault.severity.as_str(),
                fault.subject,
                text.trim_end()
            )
        });
        told.collect()
    }

    #[test]
    fn a_copied_key_is_one_in_whatever_form() {
        let docker = (
            "api/Dockerfile",
            "FROM a\nCOPY gateway.conf master.key /etc/\n",
        );
        let bare = "q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3qYs5Pf0Jg\n";
        for (text, want) in [(bare, 1), ("", 0), ("see the wiki for the key\n", 0)] {
            let told = crossed(&[docker, ("api/master.key", text)]);
            assert_eq!(told.len(), want, "{text:?} {told:?}");
            assert!(
                told.iter()
                    .all(|one| one.starts_with("high COPY master.key")),
                "{told:?}"
            );
        }
    }

    #[test]
    fn paths_of_tests_and_examples_are_local() {
        for path in [
            "test/Dockerfile",
            "docker-compose.dev.yml",
            "examples/a/compose.yml",
            "docker-compose.override.yml",
        ] {
            assert!(is_local(path), "{path}");
        }
        for path in [
            "Dockerfile",
            "deploy/compose.yml",
            "docker-compose.prod.yml",
            "contest/Dockerfile",
        ] {
            assert!(!is_local(path), "{path}");
        }
    }

    fn check(path: &str, text: &str) {
        let blob = BlobPath::from(path);
        let kind = wants(&blob).expect("a file of policy");
        let reading = read(
            &blob,
            kind,
            text.as_bytes(),
            &DigestKey::new([7; 32]),
            &Environments::default(),
        );
        let within = |span: &std::ops::Range<usize>| {
            assert!(text.get(span.clone()).is_some(), "{span:?} of {text:?}")
        };
        for fault in &reading.faults {
            within(&fault.span);
            fault.secret.iter().for_each(within);
            fault.related.iter().for_each(|(span, _)| within(span));
            let edits = fault.fix.iter().flat_map(|fix| &fix.edits);
            edits.for_each(|edit| within(&edit.span));
        }
        reading.facts.iter().for_each(|fact| within(&fact.span));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn dockerfiles_of_all_sorts_are_read(parts in prop::collection::vec(prop::sample::select(vec![
            "FROM x\n", "FROM x AS b\n", "RUN ", "ENV ", "ARG ", "COPY ", "ADD ", "CMD ", "LABEL ", "ENTRYPOINT ", "HEALTHCHECK CMD ", "\n", "\r\n",
            "\\\n", " ", "=", "\"", "'", "$A_TOKEN", "${A_TOKEN:-ü}", "A_TOKEN", "<<EOF", "EOF\n", "[\"", "\", \"", "\"]", "--password", "hunter2-Zq81",
            "://a:hunter2-Zq81@h", ".env", "id_rsa", "echo ", " > /f", "rm /f", "/run/secrets/x", "--mount=type=secret,id=x ", "git clone ", "ü", "&&", "$(cat ", ")",
        ]), 0..30)) {
            check("Dockerfile", &format!("FROM x\nARG A_TOKEN\n{}", parts.concat()));
        }

        #[test]
        fn compose_files_of_all_sorts_are_read(parts in prop::collection::vec(prop::sample::select(vec![
            "services:\n", "  a:\n", "    environment:\n", "      A_TOKEN: ", "      - A_TOKEN=", "    command: ", "    build: {args: {", "}}", "    labels:\n",
            "    image: mysql\n", "configs:\n", "    content: |\n", "      token: hunter2-Zq81\n", "hunter2-Zq81", "${A_TOKEN:-ü}", "${A_TOKEN}", "\"", "'", "\n", "\r\n",
            "ü", "basicauth.users=", "x:y", " --password ", ">\n", "      ", "&a ", "*a", "<<: ", "[", "]", ",", "    extends: a\n", "://a:hunter2-Zq81@h", "\\u00fc",
        ]), 0..30)) {
            check("compose.yml", &format!("services:\n  a:\n    environment:\n{}", parts.concat()));
            check("compose.yml", &parts.concat());
        }
    }
}
