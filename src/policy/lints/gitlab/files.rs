//! Credentials in what a job keeps: artifacts, reports of variables, caches.

use std::ops::Range;

use globset::{GlobBuilder, GlobMatcher};

use super::{
    super::super::{
        fault::{Fault, FixClass},
        kind::FileKind,
        lint::{Context, Document, Lint, LintMeta, Persona},
        node::Node,
        shell::{self, Sink, Use},
    },
    body::{Body, budget},
    pipeline::{Job, Pipeline},
};
use crate::model::{Confidence, Severity};

const KEPT: LintMeta = LintMeta {
    id: "gl-secret-in-artifact-or-cache",
    title: "A job keeps a credential in an artifact, a report of variables, or a cache",
    tool: "GitLab CI",
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "GitLab documentation: CI/CD YAML syntax reference, artifacts:reports:dotenv",
        "OWASP CI/CD Security Cheat Sheet",
        "CWE-538: Insertion of Sensitive Information into Externally-Accessible File",
    ],
    cwe: 538,
    fix: FixClass::None,
    why: "Artifacts can be downloaded by everybody who reads the project, their variables reach all later jobs, and caches are shared between branches.",
    help: "Keep build outputs alone, name what must not be kept under `artifacts:exclude`, and let each job fetch its own secrets.",
    bad: &[
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - echo \"API_TOKEN=$API_TOKEN\" >> build.env\n  artifacts:\n    reports:\n      dotenv: build.env\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "build:\n  script: make\n  artifacts:\n    paths:\n      - dist/\n      - .npmrc\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "build:\n  script: make\n  cache:\n    paths: [.docker/]\n",
        )],
    ],
    good: &[
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - echo \"VERSION=$CI_COMMIT_TAG\" >> build.env\n    - make\n  artifacts:\n    paths: [dist/, .env.example]\n    reports:\n      dotenv: build.env\n  cache:\n    paths: [node_modules/, .m2/repository]\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - echo \"$SETTINGS_TOKEN\" > out/token\n    - make\n  artifacts:\n    paths: [out/]\n    exclude: [out/token]\n",
        )],
    ],
};

/// `gl-secret-in-artifact-or-cache`.
pub(super) struct Kept;

impl Lint for Kept {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&KEPT]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind != FileKind::GitlabCi {
            return;
        }
        let Some(pipeline) = Pipeline::of(document) else {
            return;
        };
        let mut told = Vec::new();
        let mut left = budget(document.text);
        for job in pipeline.jobs.iter().take(MAX_JOBS) {
            let artifacts = pipeline.get(job, "artifacts");
            let cache = pipeline.get(job, "cache");
            if artifacts.is_none() && cache.is_none() {
                continue;
            }
            let bodies = pipeline.bodies(job);
            left = left.saturating_sub(bodies.iter().map(|body| body.text.len()).sum());
            if left == 0 {
                return;
            }
            let secrets = pipeline.secrets(job);
            let written = written(&bodies, &|name| secrets.holds(name));
            let mut look = Look {
                pipeline: &pipeline,
                job,
                written: &written,
                told: &mut told,
                context,
            };
            if let Some(artifacts) = artifacts {
                look.artifacts(artifacts);
            }
            let caches = cache.map_or(&[][..], |cache| {
                if cache.items().is_empty() {
                    std::slice::from_ref(cache)
                } else {
                    cache.items()
                }
            });
            for cache in caches {
                look.paths(cache.get("paths"), "the cache", Severity::High, &|_| false);
            }
        }
    }
}

/// A file that a script writes a secret to.
struct Written {
    path: String,
    /// The word, in the file.
    span: Range<usize>,
    what: String,
}

fn written(bodies: &[Body<'_>], is_secret: &dyn Fn(&str) -> bool) -> Vec<Written> {
    let mut found = Vec::new();
    for body in bodies {
        for one in body.uses(is_secret) {
            let Sink::File(file) = &one.sink else {
                continue;
            };
            if let (Some(path), Some(span)) = (within_project(&file.path), body.place(&one.span)) {
                found.push(Written {
                    path,
                    span,
                    what: what(&one),
                });
            }
        }
    }
    found.truncate(64);
    found
}

fn what(one: &Use) -> String {
    one.names
        .first()
        .map_or_else(|| "the environment".to_owned(), |_| shell::secret(one))
}

/// Returns a path from the project's root; `None` if it is elsewhere or not known.
fn within_project(path: &str) -> Option<String> {
    let mut path = path;
    for start in ["$CI_PROJECT_DIR/", "${CI_PROJECT_DIR}/", "$PWD/", "./"] {
        path = path.strip_prefix(start).unwrap_or(path);
    }
    let is_other = path.starts_with(['/', '~', '$']) || path.is_empty() || path.contains('$');
    (!is_other).then(|| path.trim_end_matches('/').to_owned())
}

/// A look at what one job keeps.
struct Look<'a, 'n, 'c> {
    pipeline: &'a Pipeline<'n>,
    job: &'a Job<'n>,
    written: &'a [Written],
    /// Places that were told of another job.
    told: &'a mut Vec<usize>,
    context: &'a mut Context<'c>,
}

impl Look<'_, '_, '_> {
    fn artifacts(&mut self, artifacts: &Node) {
        let short = artifacts.text_at(&["expire_in"]).is_some_and(is_short);
        let closed = artifacts
            .text_at(&["access"])
            .is_some_and(|access| matches!(access, "none" | "developer" | "maintainer"));
        let severity = if short || closed {
            Severity::Medium
        } else {
            Severity::High
        };
        let exclude = artifacts.get("exclude").map_or_else(Vec::new, patterns);
        let is_out = |path: &str| exclude.iter().any(|pattern| pattern.covers(path));
        self.paths(artifacts.get("paths"), "an artifact", severity, &is_out);
        if artifacts.text_at(&["untracked"]) == Some("true") {
            let keeper = "the untracked files that the artifact takes";
            self.tell_written(&|path| !is_out(path), keeper, severity);
        }
        if let Some(reports) = artifacts.at(&["reports", "dotenv"]) {
            let reports = patterns(reports);
            let is_in = |path: &str| reports.iter().any(|pattern| pattern.covers(path));
            let keeper = "a report of variables, which all later jobs get";
            self.tell_written(&is_in, keeper, severity);
        }
    }

    fn paths(
        &mut self,
        paths: Option<&Node>,
        keeper: &str,
        severity: Severity,
        is_out: &dyn Fn(&str) -> bool,
    ) {
        let Some(paths) = paths else { return };
        for (node, path) in texts(paths) {
            let path = path.trim_start_matches("./");
            if let Some(name) = credential(path)
                && !is_out(path.trim_end_matches('/'))
            {
                let message = format!("{keeper} keeps `{name}`, a file of credentials");
                self.tell(node.span.clone(), path, &message, severity);
            }
        }
        if !self.written.is_empty() {
            let kept = patterns(paths);
            let is_in =
                |path: &str| kept.iter().any(|pattern| pattern.covers(path)) && !is_out(path);
            self.tell_written(&is_in, keeper, severity);
        }
    }

    fn tell_written(&mut self, is_in: &dyn Fn(&str) -> bool, keeper: &str, severity: Severity) {
        for one in self.written.iter().filter(|one| is_in(&one.path)) {
            let message = format!(
                "{} is written to `{}`, which goes into {keeper}",
                one.what, one.path
            );
            self.tell(one.span.clone(), &one.path, &message, severity);
        }
    }

    fn tell(&mut self, span: Range<usize>, path: &str, message: &str, severity: Severity) {
        if self.told.contains(&span.start) || self.told.len() > 200 {
            return;
        }
        self.told.push(span.start);
        let job = self.pipeline.owner(span.start);
        let job = if job.is_empty() { self.job.name } else { job };
        let message = format!("{message}, in the job `{job}`");
        self.context
            .tell(Fault::new(&KEPT, span, format!("{job} {path}"), message).severity(severity));
    }
}

/// Returns the texts of a list, or the one that stands for it.
fn texts(node: &Node) -> impl Iterator<Item = (&Node, &str)> {
    std::iter::once(node)
        .chain(node.items())
        .filter_map(|node| Some((node, node.text()?)))
}

/// Returns the patterns of a list.
fn patterns(node: &Node) -> Vec<Pattern> {
    let texts = texts(node).take(MAX_PATTERNS);
    texts.map(|(_, text)| Pattern::of(text)).collect()
}

/// Most patterns of a list that are looked at.
const MAX_PATTERNS: usize = 64;

/// Most jobs whose files are looked at.
const MAX_JOBS: usize = 1_000;

/// Longest pattern that is compiled.
const MAX_PATTERN: usize = 200;

/// A pattern of paths: a name, a folder above, or a glob.
struct Pattern {
    folder: String,
    glob: Option<GlobMatcher>,
}

impl Pattern {
    fn of(text: &str) -> Self {
        let text = text.trim_start_matches("./");
        let text = text.strip_prefix("$CI_PROJECT_DIR/").unwrap_or(text);
        let is_glob = text.contains(['*', '?', '[', '{']) && text.len() <= MAX_PATTERN;
        let glob = is_glob.then(|| GlobBuilder::new(text).literal_separator(true).build().ok());
        Self {
            folder: text.trim_end_matches('/').to_owned(),
            glob: glob.flatten().map(|glob| glob.compile_matcher()),
        }
    }

    /// Tells whether it takes a file.
    fn covers(&self, path: &str) -> bool {
        let below = path.strip_prefix(self.folder.as_str());
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            || self.glob.as_ref().is_some_and(|glob| glob.is_match(path))
    }
}

/// Returns the name by which a kept path is that of a credential.
fn credential(path: &str) -> Option<&str> {
    let lower = path.to_ascii_lowercase();
    let whole = lower.trim_end_matches(['/', '*']).trim_end_matches('/');
    let whole = whole
        .strip_prefix("~/")
        .or_else(|| whole.strip_prefix("$home/"))
        .unwrap_or(whole);
    let name = whole.rsplit('/').next().unwrap_or_default();
    const NAMES: [&str; 19] = [
        ".env",
        ".npmrc",
        ".pypirc",
        ".netrc",
        ".docker",
        ".aws",
        ".kube",
        "kubeconfig",
        ".ssh",
        ".git-credentials",
        ".gnupg",
        ".vault-token",
        ".azure",
        "id_rsa",
        "id_ed25519",
        "id_ecdsa",
        ".dockercfg",
        ".pgpass",
        ".my.cnf",
    ];
    let template = [
        ".example",
        ".sample",
        ".template",
        ".dist",
        ".defaults",
        ".schema",
        ".test",
    ];
    let is_env = name.starts_with(".env.") && !template.iter().any(|end| name.ends_with(end));
    let ends = [".p12", ".pfx", ".jks", ".keystore", ".ppk"];
    let pairs = [
        ".docker/config.json",
        ".aws/credentials",
        ".kube/config",
        ".config/gcloud",
        ".cargo/credentials.toml",
        ".m2/settings.xml",
        ".config/gh",
    ];
    let is_account = (name.starts_with("service-account") || name.starts_with("gcp-key"))
        && name.ends_with(".json");
    let hit = NAMES.contains(&name)
        || is_env
        || is_account
        || name == "credentials.json"
        || ends
            .iter()
            .any(|end| name.ends_with(end) && !name.starts_with('*'))
        || pairs.iter().any(|pair| whole.ends_with(pair));
    hit.then(|| path.trim_end_matches('/'))
}

/// Tells whether a time of `expire_in` is a day at most.
fn is_short(time: &str) -> bool {
    let lower = time.to_ascii_lowercase();
    let number: String = lower.chars().take_while(char::is_ascii_digit).collect();
    let number: u32 = number.parse().unwrap_or(1);
    let unit = lower.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
    match unit.bytes().next() {
        Some(b's') => true,
        Some(b'm') if !unit.starts_with("mo") => number <= 1_440,
        Some(b'h') => number <= 24,
        Some(b'd') => number <= 1,
        _ => false,
    }
}
