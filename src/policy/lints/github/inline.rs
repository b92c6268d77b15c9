//! Secrets that are pasted into the text of a script (rule 5).

use std::ops::Range;

use super::{
    super::super::{
        fault::{Edit, Fault, Fix, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        node::{NodeKind, Scalar, Style},
    },
    CICD_6, SECURE_USE, TOOL,
    expression::{self, Piece},
    model::{Job, Shell, Step, Workflow},
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
struct Pasted {
    secret: Secret,
    pieces: Vec<Piece>,
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
        mend(text, step, reader, script, &pasted)
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

/// Most places of one script that a fix replaces: each looks at the text before it.
const MAX_MENDED: usize = 32;

/// Binds the secrets to variables of the step and uses these, if the shell is `sh`-like and each place is bare or in double quotes.
fn mend(
    text: &str,
    step: &Step<'_>,
    reader: &Reader<'_, '_>,
    script: &Scalar,
    pasted: &[Pasted],
) -> Option<Fix> {
    let places: usize = pasted.iter().map(|one| one.pieces.len()).sum();
    if places > MAX_MENDED
        || !matches!(step.shell, Shell::Posix(_))
        || pasted.is_empty()
        || script.text.contains("<<")
    {
        return None;
    }
    let mut bindings = Vec::new();
    let mut edits = Vec::new();
    for one in pasted {
        let written = script.text.get(one.pieces.first()?.span.clone())?;
        let name = variable_name(&one.secret)?;
        let is_bound = reader
            .variable(&name)
            .is_some_and(|bound| bound.value.text == written);
        if !is_bound {
            let is_free = reader.variable(&name).is_none() && !uses(&script.text, &name);
            if !is_free {
                return None;
            }
            bindings.push(format!("{name}: {written}"));
        }
        for piece in &one.pieces {
            if script.text.get(piece.span.clone())? != written {
                return None;
            }
            let replacement = match quotes(&script.text, piece.span.start) {
                Quotes::None => format!("\"${name}\""),
                Quotes::Double => format!("${{{name}}}"),
                Quotes::Single => return None,
            };
            edits.push(Edit::replace(
                written_at(text, script, piece, written)?,
                replacement,
            ));
        }
    }
    // Quotes of YAML would have to be escaped.
    if matches!(script.style, Style::Single | Style::Double) {
        return None;
    }
    edits.extend(bind(text, step, &bindings)?);
    Some(Fix {
        class: FixClass::Safe,
        title: "pass the secret by the step's environment".to_owned(),
        edits,
    })
}

/// Returns the bytes of a piece, if they are written as they are read.
fn written_at(text: &str, script: &Scalar, piece: &Piece, written: &str) -> Option<Range<usize>> {
    let span = script.source(piece.span.clone());
    (text.get(span.clone()) == Some(written)).then_some(span)
}

fn variable_name(secret: &Secret) -> Option<String> {
    match secret {
        Secret::Stored(name) => Some(name.clone()),
        Secret::JobToken => Some("GITHUB_TOKEN".to_owned()),
        Secret::Input(name) | Secret::Minted(_, name) => {
            Some(name.to_ascii_uppercase().replace('-', "_"))
        }
        Secret::Computed | Secret::All => None,
    }
}

/// Tells whether a script uses a variable of this name, pieces aside.
fn uses(script: &str, name: &str) -> bool {
    let mut rest = String::new();
    let mut from = 0;
    for piece in expression::pieces(script) {
        rest.push_str(script.get(from..piece.span.start).unwrap_or_default());
        from = piece.span.end;
    }
    rest.push_str(script.get(from..).unwrap_or_default());
    rest.contains(name)
}

/// The quotes around a place of a shell script.
#[derive(Debug, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    Double,
}

fn quotes(script: &str, at: usize) -> Quotes {
    let mut state = Quotes::None;
    let mut bytes = script.get(..at).unwrap_or_default().bytes().peekable();
    let mut last = b'\n';
    while let Some(byte) = bytes.next() {
        match (&state, byte) {
            (Quotes::None | Quotes::Double, b'\\') => {
                bytes.next();
            }
            (Quotes::None, b'#') if last.is_ascii_whitespace() => {
                while bytes.next_if(|byte| *byte != b'\n').is_some() {}
            }
            (Quotes::None, b'\'') => state = Quotes::Single,
            (Quotes::None, b'"') => state = Quotes::Double,
            (Quotes::Single, b'\'') | (Quotes::Double, b'"') => state = Quotes::None,
            _ => {}
        }
        last = byte;
    }
    state
}

/// Inserts variables into the step's `env`, or a new `env` before its `run`; none if the step is written in one line.
fn bind(text: &str, step: &Step<'_>, bindings: &[String]) -> Option<Vec<Edit>> {
    if bindings.is_empty() {
        return Some(Vec::new());
    }
    let (at, lines) = match step.node.entry("env") {
        Some(env) => {
            let NodeKind::Map(entries) = &env.value.kind else {
                return None;
            };
            if env.value.alias.is_some() || text.get(env.value.span.start..)?.starts_with('{') {
                return None;
            }
            (entries.first()?.key_span.start, bindings.to_vec())
        }
        None => {
            let run = step.node.entry("run")?.key_span.start;
            if text.get(step.node.span.start..)?.starts_with('{') {
                return None;
            }
            let inner = bindings.iter().map(|one| format!("  {one}"));
            (
                run,
                std::iter::once("env:".to_owned()).chain(inner).collect(),
            )
        }
    };
    let indent = column(text, at)?;
    let rest = text
        .get(at..)?
        .split_once('\n')
        .map_or("", |(line, _)| line);
    let end = if rest.ends_with('\r') { "\r\n" } else { "\n" };
    let inserted: String = lines
        .iter()
        .map(|line| format!("{line}{end}{indent}"))
        .collect();
    Some(vec![Edit::replace(at..at, inserted)])
}

/// Returns the blanks that bring a line to the column of a place that only blanks and dashes precede.
fn column(text: &str, at: usize) -> Option<String> {
    let before = text.get(..at)?;
    let line = before.rsplit('\n').next()?;
    line.bytes()
        .all(|byte| matches!(byte, b' ' | b'-'))
        .then(|| " ".repeat(line.len()))
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
