//! Credentials in artifacts and caches (rules 8 and 9).

use std::ops::Range;

use super::{
    super::super::{
        fault::{Fault, FixClass},
        lint::{Context, LintMeta, Persona},
        node::Scalar,
    },
    CICD_6, SECURE_USE, TOOL,
    model::{Job, Step},
};
use crate::model::{Confidence, Severity};

/// Rule 8.
pub(super) const ARTIFACT: LintMeta = LintMeta {
    id: "gha-secret-in-artifact",
    title: "A file that holds a secret is uploaded",
    tool: TOOL,
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[CICD_6, SECURE_USE],
    cwe: 538,
    fix: FixClass::None,
    why: "Whoever can read the repository can download its artifacts; releases and pages are public where the repository is.",
    help: "Upload the directory with the results only, write secrets outside of it, and exclude files by lines that begin with an exclamation mark.",
    bad: &[&[(
        ".github/workflows/build.yml",
        "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          umask 077\n          echo \"key=$CHAT_KEY\" > dist/settings.ini\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n      - uses: actions/upload-artifact@v4\n        with:\n          path: dist/\n",
    )]],
    good: &[
        &[(
            ".github/workflows/build.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          umask 077\n          echo \"key=$CHAT_KEY\" > settings.ini\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n      - uses: actions/upload-artifact@v4\n        with:\n          path: dist/\n",
        )],
        // Hidden files are left out since 4.4; an exclusion; the whole workspace by itself.
        &[(
            ".github/workflows/build.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: |\n          umask 077\n          echo \"key=$CHAT_KEY\" > dist/.env\n          echo \"key=$CHAT_KEY\" > dist/settings.ini\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n      - uses: actions/upload-artifact@v4\n        with:\n          path: |\n            .\n            !dist/settings.ini\n",
        )],
    ],
};

/// Rule 9.
pub(super) const CACHE: LintMeta = LintMeta {
    id: "gha-secret-in-cache",
    title: "A cache holds credentials",
    tool: TOOL,
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[CICD_6, "GitHub Docs: Dependency caching reference"],
    cwe: 538,
    fix: FixClass::None,
    why: "Anybody who can open a pull request can read the caches of the branch it goes to.",
    help: "Cache the directory of packages only, as ~/.cargo/registry, ~/.m2/repository, ~/.gradle/caches.",
    bad: &[
        &[(
            ".github/workflows/build.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/cache@v4\n        with:\n          path: ~/.docker\n          key: docker\n",
        )],
        &[(
            ".github/workflows/build.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/cache/save@v4\n        with:\n          path: |\n            node_modules\n            ${{ env.HOME }}/.npmrc\n          key: node\n",
        )],
    ],
    good: &[
        &[(
            ".github/workflows/build.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/cache@v4\n        with:\n          path: |\n            ~/.m2/repository\n            ~/.cargo/registry\n            ~/.gradle/caches\n            ~/.cache/pip\n            ~/.npm\n          key: packages\n",
        )],
        // Without its credentials, and read only.
        &[(
            ".github/workflows/build.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/cache@v4\n        with:\n          path: |\n            ~/.cargo\n            !~/.cargo/credentials.toml\n          key: cargo\n      - uses: actions/cache/restore@v4\n        with:\n          path: ~/.docker/cli-plugins\n          key: plugins\n",
        )],
    ],
};

/// A file that a step of the job writes a secret to.
pub(super) struct Written {
    /// The number of the step.
    pub(super) step: usize,
    /// Its path as the step's directory sees it, see [`normal`].
    pub(super) path: String,
    /// Where that is written.
    pub(super) span: Range<usize>,
    /// What is in it, for people.
    pub(super) what: String,
}

/// Actions that publish files: action, the input with the paths.
const UPLOADS: [(&str, &str); 10] = [
    ("actions/upload-artifact", "path"),
    ("actions/upload-pages-artifact", "path"),
    ("actions/upload-release-asset", "asset_path"),
    ("softprops/action-gh-release", "files"),
    ("ncipollo/release-action", "artifacts"),
    ("svenstaro/upload-release-action", "file"),
    ("peaceiris/actions-gh-pages", "publish_dir"),
    ("jamesives/github-pages-deploy-action", "folder"),
    ("cloudflare/pages-action", "directory"),
    ("crazy-max/ghaction-github-pages", "build_dir"),
];

/// One line of an input with paths.
struct Line<'t> {
    /// As [`normal`] makes it.
    pattern: String,
    /// As written.
    written: &'t str,
    /// Its bytes in the text.
    at: Range<usize>,
}

fn lines(value: &Scalar) -> Vec<Line<'_>> {
    let mut from = 0;
    let mut all = Vec::new();
    for line in value.text.split(['\n', ',']) {
        let written = line.trim();
        let at = from + (line.len() - line.trim_start().len());
        from += line.len() + 1;
        if !written.is_empty() && !written.starts_with('#') {
            all.push(Line {
                pattern: normal(written),
                written,
                at: at..at + written.len(),
            });
        }
    }
    all
}

/// Brings a path to one form: `~` for the home directory, nothing for the workspace, no `./` and no `/` at the end.
pub(super) fn normal(path: &str) -> String {
    let path = path.trim().trim_matches(['"', '\'']).replace('\\', "/");
    let homes = [
        "$HOME",
        "${HOME}",
        "${{ env.HOME }}",
        "${{env.HOME}}",
        "/home/runner",
        "/root",
        "/Users/runner",
    ];
    let spaces = [
        "${{ github.workspace }}",
        "${{github.workspace}}",
        "$GITHUB_WORKSPACE",
        "${GITHUB_WORKSPACE}",
    ];
    let mut path = path;
    for home in homes {
        if let Some(rest) = path.strip_prefix(home)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            path = format!("~{rest}");
        }
    }
    for space in spaces {
        if let Some(rest) = path.strip_prefix(space) {
            path = rest.trim_start_matches('/').to_owned();
        }
    }
    let parts: Vec<&str> = path.split('/').filter(|part| *part != ".").collect();
    let path = parts.join("/");
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() && path.starts_with('/') {
        "/".to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// Tells whether a pattern of paths takes a file: as it is, as a directory above it, or as a glob.
fn covers(pattern: &str, path: &str) -> bool {
    if pattern.is_empty() {
        return !path.starts_with(['/', '~', '$']) && !path.starts_with("..");
    }
    if pattern == path
        || path
            .strip_prefix(pattern)
            .is_some_and(|rest| rest.starts_with('/'))
    {
        return true;
    }
    if !pattern.contains(['*', '?', '[']) || pattern.len() > 500 {
        return false;
    }
    let glob = globset::GlobBuilder::new(pattern)
        .literal_separator(true)
        .build();
    glob.is_ok_and(|glob| {
        let matcher = glob.compile_matcher();
        // A directory that matches is taken with all that is in it.
        let above = path
            .match_indices('/')
            .take(40)
            .filter_map(|(at, _)| path.get(..at));
        above.chain([path]).any(|part| matcher.is_match(part))
    })
}

/// Looks at the uploads of a job, for files that steps before wrote secrets to.
pub(super) fn uploads(job: &Job<'_>, written: &[Written], context: &mut Context<'_>) {
    for (at, step) in job.steps.iter().enumerate() {
        let Some(action) = step.action() else {
            continue;
        };
        let input = UPLOADS
            .iter()
            .find(|(name, _)| *name == action)
            .map(|(_, input)| *input);
        let Some(value) = input
            .and_then(|input| step.input(input))
            .and_then(|entry| entry.value.scalar())
        else {
            continue;
        };
        let lines = lines(value);
        let before = written.iter().filter(|file| file.step < at).take(MAX_FILES);
        let mut told = Vec::new();
        for file in before {
            let taken = lines
                .iter()
                .take(MAX_FILES)
                .find(|line| !line.written.starts_with('!') && covers(&line.pattern, &file.path));
            let is_excluded = lines.iter().take(MAX_FILES).any(|line| {
                line.written
                    .strip_prefix('!')
                    .is_some_and(|rest| covers(&normal(rest), &file.path))
            });
            if let Some(line) =
                taken.filter(|line| !is_excluded && !is_hidden(step, &action, line, &file.path))
            {
                let place = value.source(line.at.clone());
                let fault = Fault::new(
                    &ARTIFACT,
                    place.clone(),
                    format!("{}/{}: {}", job.id, step.label, file.path),
                    format!(
                        "{} holds {} and is uploaded by step \"{}\"",
                        file.path, file.what, step.label
                    ),
                );
                context.tell(fault.related(file.span.clone(), "the secret is written here"));
                told.push(place);
            }
        }
        known(job, step, &action, value, &lines, &told, context);
    }
}

/// Most files and paths of one step that are held against each other.
const MAX_FILES: usize = 60;

/// Files that are credentials by their names, where they are asked for by name.
fn known(
    job: &Job<'_>,
    step: &Step<'_>,
    action: &str,
    value: &Scalar,
    lines: &[Line<'_>],
    told: &[Range<usize>],
    context: &mut Context<'_>,
) {
    for line in lines {
        let name = line.pattern.rsplit('/').next().unwrap_or_default();
        let is_file = matches!(
            name,
            ".env"
                | ".env.production"
                | ".env.prod"
                | ".npmrc"
                | ".netrc"
                | ".pypirc"
                | ".git-credentials"
                | "id_rsa"
                | "id_ed25519"
                | "kubeconfig"
                | ".kube"
                | ".aws"
                | ".docker"
                | ".ssh"
                | ".gnupg"
        ) || [
            ".docker/config.json",
            ".aws/credentials",
            ".kube/config",
            ".m2/settings.xml",
        ]
        .iter()
        .any(|end| line.pattern.ends_with(end));
        let place = value.source(line.at.clone());
        if is_file && !told.contains(&place) && !is_hidden(step, action, line, &line.pattern) {
            let fault = Fault::new(
                &ARTIFACT,
                place,
                format!("{}/{}: {}", job.id, step.label, line.pattern),
                format!(
                    "{} is where credentials are kept, and is uploaded by step \"{}\"",
                    line.pattern, step.label
                ),
            );
            context.tell(fault.severity(Severity::Low).confidence(Confidence::Low));
        }
    }
}

/// Tells whether upload-artifact leaves a file out because it is hidden: since 4.4, unless it is told otherwise.
fn is_hidden(step: &Step<'_>, action: &str, line: &Line<'_>, path: &str) -> bool {
    if action != "actions/upload-artifact"
        || step.input_text("include-hidden-files") == Some("true")
    {
        return false;
    }
    let version = step
        .uses
        .and_then(|uses| uses.text.trim().split_once('@'))
        .map(|(_, version)| version);
    let is_old = version.is_some_and(|version| {
        ["v1", "v2", "v3", "v4.0", "v4.1", "v4.2", "v4.3"]
            .iter()
            .any(|old| {
                version == *old
                    || version
                        .strip_prefix(old)
                        .is_some_and(|rest| rest.starts_with('.'))
            })
    });
    // What is named before the first hidden part is where the search begins.
    let below = path.strip_prefix(line.pattern.as_str()).unwrap_or(path);
    !is_old
        && below
            .split('/')
            .any(|part| part.starts_with('.') && part != "..")
}

/// Places of credentials, and whether only a part of them is one.
const CREDENTIALS: [(&str, bool); 24] = [
    ("~/.docker", false),
    ("~/.docker/config.json", false),
    ("~/.aws", false),
    ("~/.aws/credentials", false),
    ("~/.azure", false),
    ("~/.config/gcloud", false),
    ("~/.config/gh", false),
    ("~/.kube", false),
    ("~/.kube/config", false),
    ("~/.npmrc", false),
    ("~/.netrc", false),
    ("~/.pypirc", false),
    ("~/.git-credentials", false),
    ("~/.ssh", false),
    ("~/.gnupg", false),
    ("~/.m2/settings.xml", false),
    ("~/.cargo/credentials", false),
    ("~/.cargo/credentials.toml", false),
    ("~/.terraform.d/credentials.tfrc.json", false),
    ("~/.config", true),
    ("~/.m2", true),
    ("~/.cargo", true),
    ("~/.gradle", true),
    (".git", true),
];

/// Looks at what a step caches.
pub(super) fn caches(job: &Job<'_>, step: &Step<'_>, context: &mut Context<'_>) {
    let input = match step.action().as_deref() {
        Some("actions/cache" | "actions/cache/save" | "buildjet/cache" | "runs-on/cache") => "path",
        Some("swatinem/rust-cache") => "cache-directories",
        _ => return,
    };
    let Some(value) = step.input(input).and_then(|entry| entry.value.scalar()) else {
        return;
    };
    let lines = lines(value);
    let excludes = |path: &str| {
        lines.iter().take(MAX_FILES).any(|line| {
            let rest = line.written.strip_prefix('!').map(normal);
            rest.is_some_and(|rest| rest.starts_with(path) || covers(&rest, path))
        })
    };
    for line in &lines {
        let pattern = line.pattern.trim_end_matches('*').trim_end_matches('/');
        let name = pattern.rsplit('/').next().unwrap_or_default();
        let severity = if pattern == "~" && line.pattern != "~/*.*" {
            Severity::High
        } else if let Some((_, is_part)) = CREDENTIALS.iter().find(|(path, _)| *path == pattern) {
            if *is_part {
                Severity::Low
            } else {
                Severity::High
            }
        } else if name.starts_with(".env.") && !name.ends_with(".example") {
            Severity::High
        } else if name == ".npmrc" {
            Severity::Low
        } else {
            continue;
        };
        if line.written.starts_with('!') || excludes(pattern) {
            continue;
        }
        let message = match severity {
            Severity::Low => "which may hold credentials",
            _ => "where credentials are kept",
        };
        let fault = Fault::new(
            &CACHE,
            value.source(line.at.clone()),
            format!("{}/{}: {pattern}", job.id, step.label),
            format!("step \"{}\" caches {}, {message}", step.label, line.written),
        );
        context.tell(fault.severity(severity));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn patterns_cover_files() {
        for (pattern, path, covered) in [
            ("dist", "dist/a/b", true),
            ("dist/", "dist/a", true),
            ("dist/*", "dist/a", true),
            ("dist/*", "dist/a/b", true),
            ("dist/*.zip", "dist/a.ini", false),
            ("**/*.ini", "dist/a.ini", true),
            (".", "a.ini", true),
            ("${{ github.workspace }}", "a.ini", true),
            ("*", "a.ini", true),
            ("dist", "distribution", false),
            (".", "~/.npmrc", false),
            ("$HOME/.aws", "~/.aws/credentials", true),
        ] {
            assert_eq!(
                covers(&normal(pattern), &normal(path)),
                covered,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn uploads_of_written_files() {
        let told = |file: &str, upload: &str| {
            let text = format!(
                "on: push\njobs:\n  a:\n    steps:\n      - run: echo \"$K\" > {file}\n        env: {{K: '${{{{ secrets.K }}}}'}}\n      - {upload}\n"
            );
            testing::workflow(&ARTIFACT, &text).len()
        };
        assert_eq!(
            told(
                ".env",
                "{uses: actions/upload-artifact@v3, with: {path: .env}}"
            ),
            1
        );
        assert_eq!(
            told(
                ".env",
                "{uses: actions/upload-artifact@v3, with: {path: .}}"
            ),
            1
        );
        assert_eq!(
            told(
                ".env",
                "{uses: actions/upload-artifact@v4, with: {path: .}}"
            ),
            0
        );
        assert_eq!(
            told(
                ".env",
                "{uses: actions/upload-artifact@v4, with: {path: ., include-hidden-files: true}}"
            ),
            1
        );
        assert_eq!(
            told(
                "key.json",
                "{uses: softprops/action-gh-release@v2, with: {files: '*.json'}}"
            ),
            1
        );
        assert_eq!(
            told(
                "key.json",
                "{uses: actions/upload-artifact@v4, with: {path: 'a\n\nkey.json'}}"
            ),
            1
        );
        assert_eq!(
            told(
                "key.json",
                "{uses: actions/upload-artifact@v4, with: {path: build}}"
            ),
            0
        );
        assert_eq!(
            told(
                "/tmp/key.json",
                "{uses: actions/upload-artifact@v4, with: {path: .}}"
            ),
            0
        );
    }

    #[test]
    fn caches_of_credentials() {
        let told = |path: &str| {
            let text = format!(
                "on: push\njobs:\n  a:\n    steps:\n      - {{uses: actions/cache@v4, with: {{path: '{path}'}}}}\n"
            );
            testing::workflow(&CACHE, &text)
                .first()
                .map(|fault| fault.severity)
        };
        for path in [
            "~/.aws",
            "~/.aws/",
            "$HOME/.kube",
            "~",
            "/home/runner",
            "~/.docker/**",
            ".env.production",
        ] {
            assert_eq!(told(path), Some(Severity::High), "{path}");
        }
        for path in ["~/.cargo", "~/.m2", ".git"] {
            assert_eq!(told(path), Some(Severity::Low), "{path}");
        }
        for path in [
            "~/.cargo/bin",
            ".venv",
            "node_modules",
            "~/.cache",
            "~/.gradle/wrapper",
            "**/*.lock",
            ".git/lfs",
        ] {
            assert_eq!(told(path), None, "{path}");
        }
    }
}
