//! Secrets that become build arguments of images (rule 10).

use super::{
    super::super::{
        fault::{Fault, FixClass},
        lint::{Context, LintMeta, Persona},
        node::Scalar,
    },
    CICD_6, TOOL,
    model::Step,
    secrets::{Reader, Secret},
};
use crate::model::{Confidence, Severity};

/// Rule 10.
pub(super) const META: LintMeta = LintMeta {
    id: "gha-secret-build-arg",
    title: "A secret enters an image as a build argument",
    tool: TOOL,
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[CICD_6, "Docker Docs: Build secrets"],
    cwe: 522,
    fix: FixClass::None,
    why: "Build arguments are kept in the image's history and provenance: whoever can pull the image can read them.",
    help: "Pass it as a build secret (secrets: of build-push-action, docker build --secret) and read it in the Dockerfile by RUN --mount=type=secret.",
    bad: &[
        &[(
            ".github/workflows/image.yml",
            "on: push\njobs:\n  image:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: docker/build-push-action@f28e40c7f34bde8b3046d885e986cb6290c5673b\n        with:\n          context: .\n          build-args: |\n            VERSION=1.2.3\n            CHAT_KEY=${{ secrets.CHAT_KEY }}\n",
        )],
        &[(
            ".github/workflows/image.yml",
            "on: push\njobs:\n  image:\n    runs-on: ubuntu-latest\n    steps:\n      - run: docker build --build-arg CHAT_KEY=\"$CHAT_KEY\" .\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
        )],
    ],
    good: &[
        &[(
            ".github/workflows/image.yml",
            "on: push\njobs:\n  image:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: docker/build-push-action@f28e40c7f34bde8b3046d885e986cb6290c5673b\n        with:\n          context: .\n          secrets: |\n            chat_key=${{ secrets.CHAT_KEY }}\n",
        )],
        // What a container gets when it runs does not stay in the image; and what is no credential.
        &[(
            ".github/workflows/image.yml",
            "on: push\njobs:\n  image:\n    runs-on: ubuntu-latest\n    steps:\n      - run: docker run -e CHAT_KEY app\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n      - uses: docker/build-push-action@f28e40c7f34bde8b3046d885e986cb6290c5673b\n        with:\n          build-args: |\n            COMMIT=${{ github.sha }}\n            REGION=${{ secrets.AWS_REGION }}\n            SIGNED=${{ secrets.CHAT_KEY != '' }}\n",
        )],
    ],
};

/// Inputs that hold build arguments, without dashes and in lower case.
fn is_build_input(key: &str) -> bool {
    let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    matches!(
        key.to_ascii_lowercase().as_str(),
        "buildargs" | "buildarg" | "dockerbuildargs" | "set"
    )
}

/// Looks at the inputs of a step's action.
pub(super) fn inputs(
    job: &str,
    step: &Step<'_>,
    reader: &Reader<'_, '_>,
    context: &mut Context<'_>,
) {
    for entry in step.with.iter().filter(|entry| is_build_input(&entry.key)) {
        let Some(value) = entry.value.scalar() else {
            continue;
        };
        // `set: app.args.NAME=value` of bake sets other things too.
        let only_args = entry.key.eq_ignore_ascii_case("set");
        for one in reader.text(value) {
            if one.secret.is_harmless() {
                continue;
            }
            let line = line_before(&value.text, one.at.start);
            if only_args && !line.contains(".args.") {
                continue;
            }
            let name = argument(line).unwrap_or_else(|| one.secret.shown());
            tell(
                job,
                step,
                &name,
                &one.secret,
                value.source(one.at.clone()),
                context,
            );
        }
        by_name(job, step, reader, value, context);
    }
}

/// Arguments by their name alone take the variable's value.
fn by_name(
    job: &str,
    step: &Step<'_>,
    reader: &Reader<'_, '_>,
    value: &Scalar,
    context: &mut Context<'_>,
) {
    let mut from = 0;
    for line in value.text.split(['\n', ',']) {
        let name = line.trim();
        let at = from + (line.len() - line.trim_start().len());
        from += line.len() + 1;
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let Some(secret) = is_name.then(|| reader.held(name)).flatten() else {
            continue;
        };
        if !secret.is_harmless() {
            tell(
                job,
                step,
                name,
                &secret,
                value.source(at..at + name.len()),
                context,
            );
        }
    }
}

fn line_before(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    before.rsplit('\n').next().unwrap_or_default()
}

/// Returns the name of the argument that a line sets.
fn argument(line: &str) -> Option<String> {
    let (name, _) = line.split_once('=')?;
    let name = name
        .trim()
        .rsplit('.')
        .next()?
        .trim_start_matches(['"', '\'', '-', ' ']);
    (!name.is_empty()).then(|| name.chars().take(60).collect())
}

/// Tells one argument.
pub(super) fn tell(
    job: &str,
    step: &Step<'_>,
    name: &str,
    secret: &Secret,
    span: std::ops::Range<usize>,
    context: &mut Context<'_>,
) {
    let fault = Fault::new(
        &META,
        span,
        format!("{job}/{}: {name}", step.label),
        format!(
            "{} enters the image as the build argument {name}",
            secret.shown()
        ),
    );
    let severity = if secret.is_short_lived() {
        Severity::Medium
    } else {
        Severity::High
    };
    context.tell(fault.severity(severity));
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn inputs_of_actions() {
        for (with, count) in [
            ("{build-args: 'A=${{ secrets.A }}'}", 1),
            ("{build_args: 'A=${{ secrets.A }},B=${{ secrets.B }}'}", 2),
            ("{buildargs: 'TOP'}", 1),
            ("{set: '*.args.A=${{ secrets.A }}'}", 1),
            ("{set: '*.cache-from=type=x,token=${{ secrets.A }}'}", 0),
            ("{secrets: 'a=${{ secrets.A }}'}", 0),
            ("{build-args: 'A=${{ vars.A }}'}", 0),
        ] {
            let text = format!(
                "on: push\nenv: {{TOP: '${{{{ secrets.TOP }}}}'}}\njobs:\n  a:\n    steps:\n      - uses: ./x\n        with: {with}\n"
            );
            assert_eq!(testing::workflow(&META, &text).len(), count, "{with}");
        }
    }
}
