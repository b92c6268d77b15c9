//! Files with secrets that are uploaded (rule 8).

use std::ops::Range;

use super::{
    super::super::{
        fault::{Edit, Fault, Fix, FixClass},
        lint::{Context, LintMeta, Persona},
        node::{Entry, Scalar, Style},
    },
    CICD_6, SECURE_USE, TOOL,
    model::{Job, Step},
    paths::{Line, Pattern, lines, normal},
    secrets::Reader,
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
    fix: FixClass::Unsafe,
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
    /// Whether that ends with the job.
    pub(super) is_token: bool,
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

/// Actions that write secrets to files: action, the input with the path, the path if it is not given.
const WRITERS: [(&str, &str, &str); 7] = [
    (
        "google-github-actions/auth",
        "",
        "gha-creds-0123456789abcdef.json",
    ),
    ("spicypizza/create-envfile", "file_name", ".env"),
    ("jsdaniel/create-json", "name", ""),
    ("damianreeves/write-file-action", "path", ""),
    ("1arp/create-a-file-action", "file", ""),
    ("finnp/create-file-action", "FILE_NAME", ""),
    ("timheuer/base64-to-file", "fileDir", ""),
];

/// Returns the file that the action of a step writes a secret to, if it does; a checkout leaves its token.
pub(super) fn by_action(at: usize, step: &Step<'_>, reader: &Reader<'_, '_>) -> Option<Written> {
    let uses = step.uses?;
    let action = step.action()?;
    let written = |path: &str, what: String| Written {
        step: at,
        path: normal(path),
        span: uses.source(0..uses.text.len()),
        what,
        is_token: false,
    };
    if action == "actions/checkout" {
        let keeps = step
            .input_text("persist-credentials")
            .is_none_or(|text| text != "false");
        // Version 6 keeps it outside of the workspace; what is pinned by hash may be that.
        let is_inside = ["@v2", "@v3", "@v4", "@v5"]
            .iter()
            .any(|version| uses.text.contains(version));
        let mut file = written(".git/config", "the token of the checkout".to_owned());
        file.is_token = true;
        return (keeps && is_inside && step.input("path").is_none()).then_some(file);
    }
    let (_, input, default) = WRITERS.iter().find(|(name, ..)| *name == action)?;
    if action == "google-github-actions/auth" && step.input("credentials_json").is_none() {
        return None;
    }
    let values = step.with.iter().filter_map(|entry| entry.value.scalar());
    let values = values.chain(step.env.list().iter().map(|one| one.value));
    let mut secrets = values
        .flat_map(|value| reader.text(value))
        .map(|one| one.secret);
    let secret = secrets.find(|secret| !secret.is_harmless())?;
    let given = step
        .input_text(input)
        .or_else(|| Some(step.env.get(input)?.value.text.as_str()));
    let path = given.unwrap_or(default);
    (!path.is_empty()).then(|| written(path, secret.shown()))
}

/// Looks at the uploads of a job, for files that steps before wrote secrets to.
pub(super) fn uploads(
    text: &str,
    job: &Job<'_>,
    written: &[Written],
    globs: &mut usize,
    context: &mut Context<'_>,
) {
    for (at, step) in job.steps.iter().enumerate() {
        let Some(action) = step.action() else {
            continue;
        };
        let input = UPLOADS
            .iter()
            .find(|(name, _)| *name == action)
            .map(|(_, input)| *input);
        let entry = input.and_then(|input| step.input(input));
        let (Some(entry), Some(value)) = (entry, entry.and_then(|entry| entry.value.scalar()))
        else {
            continue;
        };
        let lines = lines(value);
        let mut told = Vec::new();
        let before: Vec<_> = written
            .iter()
            .filter(|file| file.step < at)
            .take(MAX_FILES)
            .collect();
        if !before.is_empty() {
            let upload = Upload::new(job, step, value, entry, &lines, globs);
            for file in before {
                told.extend(upload.judge(text, &action, file, context));
            }
        }
        known(job, step, &action, value, &lines, &told, context);
    }
}

/// Most files and paths of one step that are held against each other.
const MAX_FILES: usize = 60;

/// A step that uploads, its paths made ready.
struct Upload<'u, 'd> {
    job: &'u Job<'d>,
    step: &'u Step<'d>,
    value: &'u Scalar,
    entry: &'u Entry,
    taken: Vec<(&'u Line<'u>, Pattern)>,
    excluded: Vec<Pattern>,
}

impl<'u, 'd> Upload<'u, 'd> {
    fn new(
        job: &'u Job<'d>,
        step: &'u Step<'d>,
        value: &'u Scalar,
        entry: &'u Entry,
        lines: &'u [Line<'u>],
        globs: &mut usize,
    ) -> Self {
        let (mut taken, mut excluded) = (Vec::new(), Vec::new());
        for line in lines.iter().take(MAX_FILES) {
            match line.written.strip_prefix('!') {
                Some(rest) => excluded.push(Pattern::new(normal(rest), globs)),
                None => taken.push((line, Pattern::new(line.pattern.clone(), globs))),
            }
        }
        Self {
            job,
            step,
            value,
            entry,
            taken,
            excluded,
        }
    }

    /// Tells of a file that is uploaded, and returns the place of the path that takes it.
    fn judge(
        &self,
        text: &str,
        action: &str,
        file: &Written,
        context: &mut Context<'_>,
    ) -> Option<Range<usize>> {
        let (line, _) = self
            .taken
            .iter()
            .find(|(_, pattern)| pattern.covers(&file.path))?;
        let is_excluded = self
            .excluded
            .iter()
            .any(|pattern| pattern.covers(&file.path));
        if is_excluded || is_hidden(self.step, action, line, &file.path) {
            return None;
        }
        let place = self.value.source(line.at.clone());
        let label = &self.step.label;
        let mut fault = Fault::new(
            &ARTIFACT,
            place.clone(),
            format!("{}/{label}: {}", self.job.id, file.path),
            format!(
                "{} holds {} and is uploaded by step \"{label}\"",
                file.path, file.what
            ),
        );
        if file.is_token {
            fault = fault.severity(Severity::Medium);
        }
        fault.fix = self.leave_out(text, &file.path);
        context.tell(fault.related(file.span.clone(), "the secret is written here"));
        Some(place)
    }

    /// Leaves the file out: a path that is the file goes, if others stay; from wider paths it is excluded.
    fn leave_out(&self, text: &str, path: &str) -> Option<Fix> {
        let covering = || {
            let all = self.taken.iter();
            all.filter(|(_, pattern)| pattern.covers(path))
        };
        if covering().any(|(line, _)| line.pattern != path) {
            return self.exclude(text, path);
        }
        if covering().count() == self.taken.len() || self.value.style != Style::Literal {
            return None;
        }
        let edits: Option<Vec<Edit>> = covering()
            .map(|(line, _)| {
                let at = self.value.source(line.at.clone());
                let start = text.get(..at.start)?.rfind('\n')? + 1;
                let rest = text.get(start..)?;
                let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
                // Others may stand in the line, behind commas.
                (rest.get(..end)?.trim() == line.written)
                    .then(|| Edit::replace(start..start + end, ""))
            })
            .collect();
        Some(Fix {
            class: FixClass::Unsafe,
            title: format!("leave {path} out of the upload"),
            edits: edits?,
        })
    }

    /// Adds a line that leaves the file out.
    fn exclude(&self, text: &str, path: &str) -> Option<Fix> {
        let is_plain = path
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-/~".contains(c));
        let span = self.entry.value.span.clone();
        let edit = match self.value.style {
            Style::Literal => {
                let last = self.value.text.trim_end().len();
                let end = self.value.source(0..last).end;
                let line = text.get(..end)?.rsplit('\n').next()?;
                let margin: String = line.chars().take_while(|c| *c == ' ').collect();
                Edit::replace(end..end, format!("\n{margin}!{path}"))
            }
            Style::Plain => {
                let line = text.get(..self.entry.key_span.start)?.rsplit('\n').next()?;
                let margin = line
                    .bytes()
                    .all(|byte| byte == b' ')
                    .then(|| " ".repeat(line.len() + 2))?;
                let written = text
                    .get(span.clone())
                    .filter(|written| !written.contains('\n'))?;
                Edit::replace(span, format!("|\n{margin}{written}\n{margin}!{path}"))
            }
            _ => return None,
        };
        // Only this action knows exclusions.
        let knows = self.step.action().as_deref() == Some("actions/upload-artifact");
        (is_plain && knows).then(|| Fix {
            class: FixClass::Unsafe,
            title: format!("leave {path} out of the upload"),
            edits: vec![edit],
        })
    }
}

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
    let excluded: Vec<String> = lines
        .iter()
        .take(MAX_FILES)
        .filter_map(|line| line.written.strip_prefix('!').map(normal))
        .collect();
    let is_taken =
        |line: &&Line<'_>| !line.written.starts_with('!') && !excluded.contains(&line.pattern);
    for line in lines.iter().filter(is_taken) {
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

/// Tells whether an upload leaves a file out because it is hidden: upload-artifact since 4.4 and upload-pages-artifact since 4, unless
/// they are told otherwise. What brings a directory to a branch or to pages leaves `.git` out always.
fn is_hidden(step: &Step<'_>, action: &str, line: &Line<'_>, path: &str) -> bool {
    let old: &[&str] = match action {
        "actions/upload-artifact" => &["v1", "v2", "v3", "v4.0", "v4.1", "v4.2", "v4.3"],
        _ if path == ".git" || path.starts_with(".git/") => return true,
        "actions/upload-pages-artifact" => &["v1", "v2", "v3"],
        _ => return false,
    };
    if step.input_text("include-hidden-files") == Some("true") {
        return false;
    }
    let uses = step.uses.and_then(|uses| uses.text.trim().split_once('@'));
    let is_old = uses.is_some_and(|(_, version)| {
        old.iter().any(|old| {
            let rest = version.strip_prefix(old);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    });
    // What is named before the first hidden part is where the search begins.
    let below = path.strip_prefix(line.pattern.as_str()).unwrap_or(path);
    !is_old
        && below
            .split('/')
            .any(|part| part.starts_with('.') && part != "..")
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn uploads_of_written_files() {
        for (file, upload, count) in [
            (
                ".env",
                "{uses: actions/upload-artifact@v3, with: {path: .env}}",
                1,
            ),
            (
                ".env",
                "{uses: actions/upload-artifact@v3, with: {path: .}}",
                1,
            ),
            (
                ".env",
                "{uses: actions/upload-artifact@v4, with: {path: .}}",
                0,
            ),
            (
                ".env",
                "{uses: actions/upload-artifact@v4, with: {path: ., include-hidden-files: true}}",
                1,
            ),
            (
                "key.json",
                "{uses: softprops/action-gh-release@v2, with: {files: '*.json'}}",
                1,
            ),
            (
                "key.json",
                "{uses: actions/upload-artifact@v4, with: {path: 'a\n\nkey.json'}}",
                1,
            ),
            (
                "key.json",
                "{uses: actions/upload-artifact@v4, with: {path: build}}",
                0,
            ),
            (
                "/tmp/key.json",
                "{uses: actions/upload-artifact@v4, with: {path: .}}",
                0,
            ),
        ] {
            let text = format!(
                "on: push\njobs:\n  a:\n    steps:\n      - run: echo \"$K\" > {file}\n        env: {{K: '${{{{ secrets.K }}}}'}}\n      - {upload}\n"
            );
            assert_eq!(
                testing::workflow(&ARTIFACT, &text).len(),
                count,
                "{file} {upload}"
            );
        }
    }

    #[test]
    fn files_that_actions_write() {
        let told = |steps: &str| {
            let text = format!("on: push\njobs:\n  a:\n    steps:\n{steps}");
            testing::workflow(&ARTIFACT, &text)
                .first()
                .map(|fault| fault.severity)
        };
        let google = "      - {uses: google-github-actions/auth@v2, with: {credentials_json: '${{ secrets.A }}'}}\n";
        let upload = "      - {uses: actions/upload-artifact@v4, with: {path: '*.json'}}\n";
        assert_eq!(told(&format!("{google}{upload}")), Some(Severity::High));
        assert_eq!(told(&format!("{upload}{google}")), None);
        let federated = google.replace("credentials_json", "workload_identity_provider");
        assert_eq!(told(&format!("{federated}{upload}")), None);
        let checkout = "      - {uses: actions/checkout@v4}\n";
        let whole = "      - {uses: actions/upload-artifact@v3, with: {path: .}}\n";
        assert_eq!(told(&format!("{checkout}{whole}")), Some(Severity::Medium));
        let careful = "      - {uses: actions/checkout@v4, with: {persist-credentials: false}}\n";
        assert_eq!(told(&format!("{careful}{whole}")), None);
        // Its archive leaves out .git.
        let pages = whole.replace("upload-artifact", "upload-pages-artifact");
        assert_eq!(told(&format!("{checkout}{pages}")), None);
        assert_eq!(
            told(&format!("{checkout}{}", whole.replace("v3", "v4"))),
            None
        );
        assert_eq!(
            told(&format!("{}{whole}", checkout.replace("v4", "v6"))),
            None
        );
    }

    #[test]
    fn the_fix_leaves_the_file_out() {
        let job = |path: &str| {
            format!(
                "on: push\njobs:\n  a:\n    steps:\n      - run: echo \"$K\" > dist/k.ini\n        env: {{K: '${{{{ secrets.K }}}}'}}\n      - uses: actions/upload-artifact@v4\n        with:\n          path: {path}\n"
            )
        };
        let after = Some(job("|\n            dist\n            !dist/k.ini"));
        assert_eq!(testing::mended(&ARTIFACT, &job("dist")), after);
        assert_eq!(
            testing::mended(&ARTIFACT, &job("|\n            dist")),
            after
        );
    }

    #[test]
    fn the_fix_drops_a_path_that_is_the_file_itself() {
        let job = |path: &str| {
            format!(
                "on: push\njobs:\n  a:\n    steps:\n      - run: echo \"$K\" > ~/.npmrc\n        env: {{K: '${{{{ secrets.K }}}}'}}\n      - uses: actions/upload-artifact@v4\n        with:\n          path: {path}\n          include-hidden-files: true\n"
            )
        };
        for alone in [
            "~/.npmrc",
            "|\n            ~/.npmrc",
            "|\n            ~/.npmrc\n            !dist/a",
        ] {
            let text = job(alone);
            assert_eq!(testing::workflow(&ARTIFACT, &text).len(), 1, "{alone}");
            assert_eq!(testing::mended(&ARTIFACT, &text), None, "{alone}");
        }
        let after = Some(job("|\n            dist\n            ~/b"));
        let before = job("|\n            dist\n            ~/.npmrc\n            ~/b");
        assert_eq!(testing::mended(&ARTIFACT, &before), after);
        let after = Some(job("|\n            dist"));
        let before = job("|\n            dist\n            ~/.npmrc");
        assert_eq!(testing::mended(&ARTIFACT, &before), after);
        let before = job("|\n            ~/.npmrc\n            dist");
        assert_eq!(testing::mended(&ARTIFACT, &before), after);
    }

    #[test]
    fn exclusions_are_no_faults() {
        let text = "on: push\njobs:\n  a:\n    steps:\n      - uses: actions/upload-artifact@v4\n        with:\n          include-hidden-files: true\n          path: |\n            dist\n            !~/.npmrc\n            !dist/.env\n            ! .env\n            ~/.netrc\n            !~/.netrc\n";
        assert!(testing::workflow(&ARTIFACT, text).is_empty());
        let told = testing::workflow(&ARTIFACT, &text.replace("            !~/.netrc\n", ""));
        assert_eq!(told.len(), 1);
    }
}
