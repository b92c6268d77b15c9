//! Secrets that are pasted into the text of a script (rule 5).

use super::{
    super::super::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        node::Scalar,
    },
    CICD_6, SECURE_USE, TOOL, bind,
    expression::{self, Piece},
    model::{Job, Step, Workflow},
    secrets::{Reader, Secret},
};
use crate::model::{Confidence, Severity};

/// Rule 5.
pub(super) const META: LintMeta = LintMeta {
    id: "gha-secret-inline-run",
    title: "A secret is pasted into the text of a script",
    tool: TOOL,
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[CICD_6, SECURE_USE],
    cwe: 522,
    fix: FixClass::Safe,
    why: "The runner writes the script, with the secret in it, to a file before it runs it, and quotes in the value end the shell's own: the rest \
          of the value is run as commands.",
    help: "Bind the secret to a variable in the step's env and use \"$NAME\" in the script.",
    bad: &[
        &[(
            ".github/workflows/deploy.yml",
            "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ./deploy --key '${{ secrets.DEPLOY_KEY }}'\n",
        )],
        &[(
            ".github/workflows/comment.yml",
            "on: push\njobs:\n  tell:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/github-script@f28e40c7f34bde8b3046d885e986cb6290c5673b\n        with:\n          script: |\n            await send('${{ secrets.CHAT_KEY }}')\n",
        )],
    ],
    good: &[
        &[(
            ".github/workflows/deploy.yml",
            "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - env:\n          DEPLOY_KEY: ${{ secrets.DEPLOY_KEY }}\n        run: printf '%s' \"$DEPLOY_KEY\" | ./deploy --key-stdin\n",
        )],
        // In a comment nothing comes of it, and a test yields no secret.
        &[(
            ".github/workflows/deploy.yml",
            "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          # needs ${{ secrets.DEPLOY_KEY }}\n          echo \"signed: ${{ secrets.DEPLOY_KEY != '' }}\"\n",
        )],
    ],
};

/// The lint of rule 5.
pub(super) struct Inline;

impl Lint for Inline {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(workflow) = Workflow::of(document) else {
            return;
        };
        let first = context.faults.len();
        for job in &workflow.jobs {
            for step in &job.steps {
                let reader = Reader::new(&workflow, job, Some(step));
                for script in scripts(step) {
                    look(document.text, job, step, &reader, script, context);
                }
            }
        }
        super::part(context.faults.get_mut(first..).unwrap_or_default());
    }
}

/// Inputs of actions that are scripts.
const SCRIPTS: [(&str, &str); 4] = [
    ("actions/github-script", "script"),
    ("appleboy/ssh-action", "script"),
    ("azure/cli", "inlinescript"),
    ("azure/powershell", "inlinescript"),
];

/// Returns the scripts of a step, and the arguments of a container.
fn scripts<'d>(step: &Step<'d>) -> Vec<&'d Scalar> {
    let Some(action) = step.action() else {
        return step.run.into_iter().collect();
    };
    let is_container = action.starts_with("docker://");
    let inputs = step.with.iter().filter(|entry| {
        let key = entry.key.to_ascii_lowercase();
        SCRIPTS.contains(&(action.as_str(), key.as_str()))
            || is_container && matches!(key.as_str(), "args" | "entrypoint")
    });
    inputs.filter_map(|entry| entry.value.scalar()).collect()
}

/// One secret in one script, with all its places.
pub(super) struct Pasted {
    pub(super) secret: Secret,
    pub(super) pieces: Vec<Piece>,
}

fn look(
    text: &str,
    job: &Job<'_>,
    step: &Step<'_>,
    reader: &Reader<'_, '_>,
    script: &Scalar,
    context: &mut Context<'_>,
) {
    let pasted = pasted(reader, script);
    let mut fix = if step.run.is_some_and(|run| std::ptr::eq(run, script)) {
        bind::mend(text, (job, step), reader, script, &pasted)
    } else {
        None
    };
    for one in &pasted {
        let Some(first) = one.pieces.first() else {
            continue;
        };
        let shown = one.secret.shown();
        let mut fault = Fault::new(
            &META,
            script.source(first.span.clone()),
            format!("{}/{}: {shown}", job.id, step.label),
            format!(
                "{shown} is pasted into the script of step \"{}\": the script file holds it, and a quote in it breaks out",
                step.label
            ),
        );
        for piece in one.pieces.iter().skip(1).take(20) {
            fault = fault.related(script.source(piece.span.clone()), "pasted here too");
        }
        if one.secret.is_harmless() {
            fault = fault.severity(Severity::Low).persona(Persona::Pedantic);
        } else if one.secret.is_short_lived() {
            fault = fault.severity(Severity::Medium);
        } else if matches!(one.secret, Secret::Input(_)) {
            fault = fault.confidence(Confidence::Medium);
        }
        // One fix mends all secrets of a script: two would both insert the same `env`.
        fault.fix = fix.take();
        context.tell(fault);
    }
}

/// Returns the secrets in a script in the order of their first places, without those in comments.
fn pasted(reader: &Reader<'_, '_>, script: &Scalar) -> Vec<Pasted> {
    let mut all: Vec<Pasted> = Vec::new();
    // Where the line begins that the last piece stands in: found in one pass over the text.
    let (mut line, mut from) = (0, 0);
    for piece in expression::pieces(&script.text) {
        let between = script.text.get(from..piece.span.start).unwrap_or_default();
        line = between.rfind('\n').map_or(line, |at| from + at + 1);
        from = piece.span.start;
        if is_comment(script.text.get(line..).unwrap_or_default()) {
            continue;
        }
        let yields = piece.expr.as_ref().map(|expr| reader.expression(expr));
        // A variable of `env` that is pasted is the same fault: its value stands in the script.
        let Some(first) = yields.unwrap_or_default().into_iter().next() else {
            continue;
        };
        // Those are told as what they are: too many.
        if matches!(first.secret, Secret::All | Secret::Computed) {
            continue;
        }
        match all
            .iter_mut()
            .take(64)
            .find(|one| one.secret == first.secret)
        {
            Some(one) => one.pieces.push(piece),
            None => all.push(Pasted {
                secret: first.secret,
                pieces: vec![piece],
            }),
        }
    }
    all
}

/// Tells whether a line of a shell script or of JavaScript begins as a comment.
fn is_comment(line: &str) -> bool {
    let blanks = line
        .bytes()
        .take(200)
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    let line = line.get(blanks..).unwrap_or_default();
    line.starts_with('#') || line.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    fn step(body: &str) -> String {
        format!("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{body}")
    }

    #[test]
    fn pasted_in_all_forms() {
        for (body, count) in [
            ("      - run: x ${{ secrets.A }}\n", 1),
            ("      - run: 'x ${{ secrets.A }}'\n", 1),
            (
                "      - run: |\r\n          x ${{ secrets['A'] }}\r\n          y ${{secrets.B}}\r\n",
                2,
            ),
            (
                "      - run: >-\n          x ${{ secrets.A }}\n          ${{ secrets.A }}\n",
                1,
            ),
            ("      - run: x ${{ github.token }}\n", 1),
            (
                "      - run: x ${{ env.T }}\n        env: {T: '${{ secrets.T }}'}\n",
                1,
            ),
            (
                "      - uses: docker://alpine:3\n        with: {args: '-t ${{ secrets.A }}'}\n",
                1,
            ),
            (
                "      - uses: x/y@v1\n        with: {args: '-t ${{ secrets.A }}'}\n",
                0,
            ),
            ("      - run: x ${{ secrets.A && 'y' }}\n", 0),
            ("      - run: x ${{ vars.A }}\n", 0),
        ] {
            let told = testing::workflow(&META, &step(body));
            assert_eq!(told.len(), count, "{body}");
        }
    }

    #[test]
    fn names_of_users_are_for_the_pedantic() {
        let told = testing::workflow(
            &META,
            &step("      - run: x ${{ secrets.DOCKER_USERNAME }}\n"),
        );
        assert_eq!(told[0].persona, Persona::Pedantic);
    }

    #[test]
    fn the_fix_is_safe_only_where_it_keeps_what_the_step_does() {
        let class = |text: &str| {
            let faults = testing::workflow(&META, text);
            faults
                .iter()
                .find_map(|fault| Some(fault.fix.as_ref()?.class))
        };
        let ubuntu = |run: &str| step(&format!("      - run: {run}\n"));
        assert_eq!(class(&ubuntu("x ${{ secrets.A }}")), Some(FixClass::Safe));
        for run in [
            "${{ secrets.A }} x",
            "for a in ${{ secrets.A }}; do x; done",
            "x ${{ secrets.DEPLOY_ARGS }}",
            "x $(y ${{ secrets.A }})",
        ] {
            assert_eq!(class(&ubuntu(run)), Some(FixClass::Unsafe), "{run}");
        }
        for name in [
            "PATH",
            "IFS",
            "HOME",
            "LD_PRELOAD",
            "BASH_ENV",
            "RUNNER_TEMP",
        ] {
            let text = ubuntu(&format!("x ${{{{ secrets.{name} }}}}"));
            assert_eq!(class(&text), None, "{name}");
        }
        let on = |machine: &str, more: &str| {
            format!(
                "on: push\njobs:\n  a:\n    runs-on: {machine}\n{more}    steps:\n      - run: x ${{{{ secrets.A }}}}\n"
            )
        };
        let matrix = |names: &str| {
            on(
                "${{ matrix.os }}",
                &format!("    strategy: {{matrix: {{os: {names}}}}}\n"),
            )
        };
        for (text, want) in [
            (on("macos-14", ""), FixClass::Safe),
            (on("[self-hosted, linux]", ""), FixClass::Safe),
            (on("self-hosted", ""), FixClass::Unsafe),
            (on("${{ inputs.machine }}", ""), FixClass::Unsafe),
            (matrix("[ubuntu-24.04, macos-14]"), FixClass::Safe),
            (matrix("[ubuntu-24.04, windows-2022]"), FixClass::Unsafe),
            (matrix("'${{ fromJSON(inputs.all) }}'"), FixClass::Unsafe),
            (
                matrix("[windows-2022]")
                    .replace("steps", "defaults: {run: {shell: bash}}\n    steps"),
                FixClass::Safe,
            ),
        ] {
            assert_eq!(class(&text), Some(want), "{text}");
        }
        for shell in ["pwsh", "cmd"] {
            let text = step(&format!(
                "      - run: x ${{{{ secrets.A }}}}\n        shell: {shell}\n"
            ));
            assert_eq!(class(&text), None, "{shell}");
        }
    }

    #[test]
    fn a_variable_is_named_in_letters_digits_and_underscores() {
        for (body, after) in [
            (
                "      - run: x \"${{ secrets.access-token }}\"\n",
                "      - env:\n          ACCESS_TOKEN: ${{ secrets.access-token }}\n        run: x \"${ACCESS_TOKEN}\"\n",
            ),
            (
                "      - run: x ${{ secrets['access-token'] }}\n",
                "      - env:\n          ACCESS_TOKEN: ${{ secrets['access-token'] }}\n        run: x \"$ACCESS_TOKEN\"\n",
            ),
            (
                "      - env:\n          API_KEY: ${{ secrets.api-key }}\n        run: x ${{ secrets.api-key }}\n",
                "      - env:\n          API_KEY: ${{ secrets.api-key }}\n        run: x \"$API_KEY\"\n",
            ),
        ] {
            assert_eq!(testing::mended(&META, &step(body)), Some(step(after)));
        }
        for body in [
            // Two secrets would come to one name.
            "      - run: x ${{ secrets.a-key }} ${{ secrets.A_KEY }}\n",
            "      - run: x ${{ secrets['1-key'] }}\n",
            "      - run: x ${{ secrets['--'] }}\n",
            "      - run: A_KEY=1; x ${{ secrets.a-key }}\n",
        ] {
            assert_eq!(testing::mended(&META, &step(body)), None, "{body}");
        }
    }

    #[test]
    fn the_fix_binds_a_variable() {
        for (body, after) in [
            (
                "      - run: x ${{ secrets.A }}\n",
                "      - env:\n          A: ${{ secrets.A }}\n        run: x \"$A\"\n",
            ),
            (
                "      - name: n\n        run: |\n          x \"t=${{ secrets.A }}\" ${{ secrets.B }}\n",
                "      - name: n\n        env:\n          A: ${{ secrets.A }}\n          B: ${{ secrets.B }}\n        run: |\n          x \"t=${A}\" \"$B\"\n",
            ),
            (
                "      - run: x ${{ secrets.A }}\r\n",
                "      - env:\r\n          A: ${{ secrets.A }}\r\n        run: x \"$A\"\r\n",
            ),
            (
                "      - env:\n          C: d\n        run: x ${{ secrets.A }}\n",
                "      - env:\n          A: ${{ secrets.A }}\n          C: d\n        run: x \"$A\"\n",
            ),
        ] {
            assert_eq!(testing::mended(&META, &step(body)), Some(step(after)));
        }
        for body in [
            "      - run: x '${{ secrets.A }}'\n",
            "      - run: A=1; x ${{ secrets.A }}\n",
            "      - run: \"x ${{ secrets.A }}\"\n",
            "      - {run: 'x ${{ secrets.A }}'}\n",
            "      - run: x ${{ secrets.A }}\n        shell: pwsh\n",
            "      - run: |\n          cat <<'E'\n          ${{ secrets.A }}\n          E\n",
        ] {
            assert_eq!(testing::mended(&META, &step(body)), None, "{body}");
        }
    }
}
