//! Caches that hold credentials (rule 9).

use super::{
    super::super::{
        fault::{Fault, FixClass},
        lint::{Context, LintMeta, Persona},
    },
    CICD_6, TOOL,
    model::{Job, Step},
    paths,
};
use crate::model::{Confidence, Severity};

/// Rule 9.
pub(super) const META: LintMeta = LintMeta {
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

/// Most lines of one step that are asked for exclusions.
const MAX_EXCLUSIONS: usize = 60;

/// Looks at what a step caches.
pub(super) fn look(job: &Job<'_>, step: &Step<'_>, context: &mut Context<'_>) {
    let input = match step.action().as_deref() {
        Some("actions/cache" | "actions/cache/save" | "buildjet/cache" | "runs-on/cache") => "path",
        Some("swatinem/rust-cache") => "cache-directories",
        _ => return,
    };
    let Some(value) = step.input(input).and_then(|entry| entry.value.scalar()) else {
        return;
    };
    let lines = paths::lines(value);
    let excludes = |path: &str| {
        lines.iter().take(MAX_EXCLUSIONS).any(|line| {
            let rest = line.written.strip_prefix('!').map(paths::normal);
            rest.is_some_and(|rest| rest.starts_with(path))
        })
    };
    for line in lines.iter().filter(|line| !line.written.starts_with('!')) {
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
        if excludes(pattern) {
            continue;
        }
        let message = match severity {
            Severity::Low => "which may hold credentials",
            _ => "where credentials are kept",
        };
        let fault = Fault::new(
            &META,
            value.source(line.at.clone()),
            format!("{}/{}: {pattern}", job.id, step.label),
            format!("step \"{}\" caches {}, {message}", step.label, line.written),
        );
        let persona = match severity {
            Severity::Low => Persona::Pedantic,
            _ => Persona::Regular,
        };
        context.tell(fault.severity(severity).persona(persona));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn caches_of_credentials() {
        let told = |path: &str| {
            let text = format!(
                "on: push\njobs:\n  a:\n    steps:\n      - {{uses: actions/cache@v4, with: {{path: '{path}'}}}}\n"
            );
            testing::workflow(&META, &text)
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
