//! Build contexts: which files of the tree a `COPY` takes, and which of them hold credentials.

use std::collections::{BTreeSet, HashMap};

use super::{
    copy::{CONTENT, COPY, IGNORE, fault, is_plain},
    credential::{self, Named},
    ignore, is_local,
};
use crate::{
    model::{BlobPath, Severity},
    policy::{
        fault::{CrossFault, Edit, FactData, Fix, FixClass},
        lint::{Index, Item},
    },
};

/// Most credential files that are looked at for one copy.
const MAX_CANDIDATES: usize = 20;

/// One source of a `COPY`.
pub(super) struct Copied<'i> {
    pub(super) fact: usize,
    dockerfile: &'i str,
    word: &'i str,
    source: &'i str,
    beside: Vec<&'i str>,
    /// Whether the same source was there before in the file.
    repeated: bool,
    /// Whether it is in a stage that only builds, and whose copy the image has not.
    build: bool,
    /// What later stages take of what is copied, by path below it.
    taken: Vec<&'i str>,
}

impl Copied<'_> {
    /// Tells whether the image has none of these files, which are named by their paths below what is copied.
    fn is_kept<'p>(&self, mut files: impl Iterator<Item = &'p str>) -> bool {
        let is_taken = |file: &str| {
            let mut taken = self.taken.iter();
            taken.any(|one| {
                file.strip_prefix(one)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        self.build && !files.any(is_taken)
    }

    /// Returns how bad a copy is here that would be as bad as this in the image.
    fn grade(&self, severity: Severity, kept: bool) -> Severity {
        match () {
            () if is_local(self.dockerfile) => Severity::Info,
            // The cache of the builder has it, and whoever is handed that cache.
            () if kept => severity.min(Severity::Medium),
            () => severity,
        }
    }
}

/// Returns where a file comes to.
const fn place(kept: bool) -> &'static str {
    match kept {
        true => "a build stage, not into the image: the build cache keeps it",
        false => "the image",
    }
}

/// Copies by file, source, and whether it is one of a build stage alone.
type Seen<'i> = BTreeSet<(&'i str, &'i str, bool)>;

/// What an ignore file says.
struct Patterns {
    docker: ignore::Ignore,
    /// Whether the last line has no line break.
    open: bool,
}

/// All that the facts say.
pub(super) struct Tree<'i> {
    whole: bool,
    paths: &'i BTreeSet<BlobPath>,
    pub(super) copies: Vec<Copied<'i>>,
    /// `.dockerignore` and its like by path.
    ignores: HashMap<&'i str, Patterns>,
    /// Whether a credential file holds one.
    contents: HashMap<&'i str, bool>,
    /// Credential files of the tree.
    credentials: BTreeSet<&'i str>,
}

impl<'i> Tree<'i> {
    pub(super) fn new(index: &Index<'i>) -> Self {
        let mut tree = Tree {
            whole: index.whole,
            paths: index.paths,
            copies: Vec::new(),
            ignores: HashMap::new(),
            contents: HashMap::new(),
            credentials: BTreeSet::new(),
        };
        let mut seen = Seen::new();
        for (number, gathered) in index.facts.iter().enumerate() {
            if let FactData::Item(item) = &gathered.data {
                tree.add(number, item, &mut seen);
            }
        }
        for copy in tree.copies.iter_mut().filter(|copy| copy.build) {
            copy.repeated |= seen.contains(&(copy.dockerfile, copy.source, false));
        }
        let names = index
            .paths
            .iter()
            .filter_map(|path| std::str::from_utf8(path.as_bytes()).ok());
        tree.credentials = names.filter(|path| tree.is_credential(path)).collect();
        tree
    }

    fn add(&mut self, number: usize, item: &'i Item, seen: &mut Seen<'i>) {
        let all = |name: &str| {
            let named = item.attributes.iter().filter(|(key, _)| *key == name);
            named.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        let one = |name: &str| all(name).first().copied().unwrap_or_default();
        let subject = item.subject.as_str();
        let build = !all("build").is_empty();
        match item.topic {
            COPY => self.copies.push(Copied {
                fact: number,
                dockerfile: subject,
                word: one("word"),
                source: one("source"),
                beside: all("beside"),
                repeated: !seen.insert((subject, one("source"), build)),
                build,
                taken: all("taken"),
            }),
            IGNORE => {
                let docker = ignore::Ignore::new(all("pattern").into_iter());
                let open = !all("open").is_empty();
                self.ignores.insert(subject, Patterns { docker, open });
            }
            CONTENT => {
                self.contents.insert(subject, one("holds") == "true");
            }
            _ => {}
        }
    }

    /// Tells whether a file of the tree is a credential: by its content, or by its name if that was not read.
    fn is_credential(&self, path: &str) -> bool {
        match (credential::named(path), self.contents.get(path)) {
            (None, _) | (_, Some(false)) => false,
            (Some(_), Some(true)) | (Some(Named::Surely), None) => true,
            (Some(Named::Maybe), None) => false,
        }
    }

    fn has(&self, path: &str) -> bool {
        self.paths.contains(&BlobPath::from(path))
    }

    /// Tells whether a path is a file or folder.
    fn exists(&self, path: &str) -> bool {
        let folder = BlobPath::from(format!("{path}/").as_str());
        let next = self.paths.range(folder..).next();
        self.has(path)
            || next.is_some_and(|next| next.as_bytes().starts_with(format!("{path}/").as_bytes()))
    }

    /// Returns the folder that is most likely the context: the nearest that holds all that is copied by name.
    fn context(&self, copy: &Copied<'_>) -> String {
        let mut folder = parent(copy.dockerfile);
        let own = folder;
        let named: Vec<&&str> = copy
            .beside
            .iter()
            .filter(|source| credential::named(source).is_none())
            .collect();
        while !named.is_empty() {
            if named
                .iter()
                .all(|source| self.exists(&join(folder, source)))
            {
                return folder.to_owned();
            }
            if folder.is_empty() {
                break;
            }
            folder = parent(folder);
        }
        // Folders that only hold what builds images are no context.
        let last = own.rsplit('/').next().unwrap_or_default();
        let is_tooling = [
            "docker",
            ".docker",
            "dockerfiles",
            "build",
            "deploy",
            "ci",
            ".devcontainer",
            "container",
            "containers",
        ]
        .contains(&last);
        if is_tooling {
            parent(own).to_owned()
        } else {
            own.to_owned()
        }
    }

    /// A credential file that is copied by its name.
    pub(super) fn by_name(&self, copy: &Copied<'_>) -> Option<CrossFault> {
        if copy.repeated || !is_plain(copy.source) {
            return None;
        }
        let named = credential::named(copy.source)?;
        let path = join(&self.context(copy), copy.source);
        let known = self
            .contents
            .get(path.as_str())
            .or_else(|| self.contents.get(copy.source))
            .copied();
        let is_there = self.has(&path) || self.has(copy.source);
        let severity = match (named, known) {
            (_, Some(false)) => return None,
            (_, Some(true)) | (Named::Surely, None) => Severity::High,
            // A file that is not in the repository comes from whoever builds, with what it holds.
            (Named::Maybe, None) if self.whole && !is_there && copy.source.ends_with(".npmrc") => {
                Severity::Medium
            }
            (Named::Maybe, None) => return None,
        };
        let kept = copy.is_kept(copy.source.rsplit('/').take(1));
        let message = format!(
            "`{}` puts the credential file `{}` into {}",
            copy.word,
            copy.source,
            place(kept)
        );
        Some(fault(
            copy,
            copy.grade(severity, kept),
            message,
            format!("{} {}", copy.word, copy.source),
        ))
    }

    /// Credential files that are copied with the folder they are in.
    pub(super) fn by_folder(&self, copy: &Copied<'_>) -> Option<CrossFault> {
        let source = copy.source;
        let is_folder = !source.starts_with("..") && !source.contains(['*', '?', '[']);
        if copy.repeated || !is_folder || credential::named(source).is_some() {
            return None;
        }
        let context = self.context(copy);
        let ignore_path = self.ignore_path(copy, &context);
        let ignore = self.ignores.get(ignore_path.as_str());
        if ignore.is_none() && self.has(&ignore_path) {
            return None;
        }
        let excludes = |path: &str| ignore.is_some_and(|ignore| ignore.docker.excludes(path));
        let mut left = self.inside(&context, source);
        left.retain(|path| !excludes(path));
        let shown = if source.is_empty() { "." } else { source };
        let what = format!("{} {shown}", copy.word);
        let kept = copy.is_kept(left.iter().map(|path| {
            let rest = path.strip_prefix(source).unwrap_or(path);
            rest.trim_start_matches('/')
        }));
        let place = place(kept);
        let (severity, message) = match left.as_slice() {
            [] if self.whole
                && source.is_empty()
                && self.is_likely(&context)
                && !excludes(".env") =>
            {
                let message = format!(
                    "`{what}` takes a local `.env` into {place}; `.dockerignore` does not leave it out"
                );
                left.push(".env".to_owned());
                (Severity::Low, message)
            }
            [] => return None,
            [file] => (
                Severity::High,
                format!("`{what}` takes the credential file `{file}` into {place}"),
            ),
            [file, more @ ..] => {
                let message = format!(
                    "`{what}` takes the credential file `{file}` and {} more into {place}",
                    more.len()
                );
                (Severity::High, message)
            }
        };
        let mut fault = fault(copy, copy.grade(severity, kept), message, what);
        let needed = left.iter().any(|path| copy.beside.contains(&path.as_str()));
        fault.fix = (!needed).then(|| self.fix(&ignore_path, &left));
        Some(fault)
    }

    /// Tells whether people who work here have a `.env` of their own, which no repository shows: there is an example of one.
    fn is_likely(&self, context: &str) -> bool {
        let examples = [
            ".env.example",
            ".env.sample",
            ".env.template",
            ".env.dist",
            "example.env",
        ];
        examples.iter().any(|name| self.has(&join(context, name)))
    }

    /// Returns the credential files below a source, by their paths from the context.
    fn inside(&self, context: &str, source: &str) -> Vec<String> {
        let folder = join(context, source);
        let prefix = if folder.is_empty() {
            folder
        } else {
            format!("{folder}/")
        };
        let below = self
            .credentials
            .range(prefix.as_str()..)
            .take_while(|path| path.starts_with(&prefix));
        let inside = |path: &&str| match context {
            "" => Some((*path).to_owned()),
            context => path.get(context.len() + 1..).map(str::to_owned),
        };
        below.take(MAX_CANDIDATES).filter_map(inside).collect()
    }

    /// Returns the file that says what the context leaves out, whether it is there or not.
    fn ignore_path(&self, copy: &Copied<'_>, context: &str) -> String {
        let own = format!("{}.dockerignore", copy.dockerfile);
        if self.has(&own) {
            own
        } else {
            join(context, ".dockerignore")
        }
    }

    fn fix(&self, path: &str, files: &[String]) -> Fix {
        let open = self.ignores.get(path).is_some_and(|patterns| patterns.open);
        let text = format!("{}{}\n", if open { "\n" } else { "" }, files.join("\n"));
        // Builds read such files: those of Next and Vite `.env.production`, of npm `.npmrc`.
        Fix {
            class: FixClass::Unsafe,
            title: format!("leave it out by `{path}`, for the build as well"),
            edits: vec![Edit {
                append_to: Some(path.to_owned()),
                span: 0..0,
                text,
            }],
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn join(folder: &str, path: &str) -> String {
    let path = if path == "." { "" } else { path };
    match (folder, path) {
        ("", path) => path.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, path) => format!("{folder}/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::crossed;

    /// A tree, and what is told of it.
    type Case<'c> = (&'c [(&'c str, &'c str)], &'c [&'c str]);

    fn check(cases: &[Case<'_>]) {
        for (files, want) in cases {
            assert_eq!(crossed(files), *want, "{files:?}");
        }
    }

    const ENV: (&str, &str) = (".env", "DB_PASSWORD=hunter2-Zq81\n");
    const API: (&str, &str) = ("api/.env", "DB_PASSWORD=hunter2-Zq81\n");
    const ALL: &str = "FROM a\nCOPY . .\n";

    #[test]
    fn contexts_hold_what_is_below_them() {
        check(&[
            (&[("Dockerfile", ALL), ENV], &["high COPY . .env"]),
            (
                &[("Dockerfile", "FROM a\nADD ./ /app\n"), API],
                &["high ADD . api/.env"],
            ),
            (&[("Dockerfile", ALL), (".env", "PORT=80\n")], &[]),
            (
                &[("Dockerfile", "FROM a\nCOPY api /app\n"), API],
                &["high COPY api api/.env"],
            ),
            (&[("Dockerfile", "FROM a\nCOPY web /app\n"), API], &[]),
            (&[("api/Dockerfile", ALL), ENV], &[]),
            (&[("docker/Dockerfile", ALL), ENV], &["high COPY . .env"]),
            (
                &[
                    ("api/Dockerfile", "FROM a\nCOPY api/go.mod .\nCOPY . .\n"),
                    ("api/go.mod", ""),
                    ENV,
                ],
                &["high COPY . .env"],
            ),
        ]);
    }

    #[test]
    fn ignore_files_leave_files_out() {
        check(&[
            (
                &[("Dockerfile", ALL), ENV, (".dockerignore", "*\n!src")],
                &[],
            ),
            (
                &[("Dockerfile", ALL), ENV, (".dockerignore", ".env\n!.env")],
                &["high COPY . \n.env"],
            ),
            (
                &[
                    ("Dockerfile", ALL),
                    ENV,
                    ("Dockerfile.dockerignore", ".env\n"),
                ],
                &[],
            ),
            (
                &[("Dockerfile", ALL), ENV, (".gitignore", ".env\n")],
                &["high COPY . .env"],
            ),
        ]);
    }

    #[test]
    fn files_are_copied_by_name() {
        check(&[
            (
                &[("tests/Dockerfile", "FROM a\nCOPY .env .\n")],
                &["info COPY .env "],
            ),
            (
                &[("Dockerfile", "FROM a\nCOPY .npmrc .\n")],
                &["medium COPY .npmrc "],
            ),
            (
                &[("Dockerfile", "FROM a\nCOPY .env .\nRUN a\nCOPY .env /b\n")],
                &["high COPY .env "],
            ),
            (
                &[
                    ("Dockerfile", "FROM a\nCOPY .env .\n"),
                    (".env", "PORT=80\n"),
                ],
                &[],
            ),
        ]);
    }
}
