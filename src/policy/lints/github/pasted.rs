//! Secrets that stand in the scripts, options and expressions of a workflow as they are (rule 16).

use std::{collections::HashSet, ops::Range, sync::OnceLock};

use regex::Regex;

use super::{
    super::super::{
        fault::Fault,
        lint::Context,
        names,
        node::{Node, Scalar},
        shell::{self, Script, Sink},
        values::{self, Strength, Value},
    },
    literal::{META, says_that_it_is_none},
    model::{Job, Shell, Workflow},
};
use crate::model::Severity;

/// Tells the secrets that are written out elsewhere than as values of keys. `known` are those of services, which are made up.
pub(super) fn look(workflow: &Workflow<'_>, known: &HashSet<&str>, context: &mut Context<'_>) {
    for job in &workflow.jobs {
        for (name, container) in &job.containers {
            options(job, name, container.get("options"), known, context);
        }
        for step in &job.steps {
            let scalars = step.env.list().iter().map(|one| (one.name, one.value));
            let inputs = step.with.iter();
            let inputs = inputs.filter_map(|one| Some((one.key.as_str(), one.value.scalar()?)));
            for (name, value) in scalars
                .chain(inputs)
                .chain(step.run.map(|run| ("run", run)))
            {
                fallbacks(job, &format!("{}/{name}", step.label), value, context);
            }
            if let (Some(run), Shell::Posix(_)) = (step.run, step.shell) {
                script(job, &step.label, run, known, context);
            }
        }
        for one in job.env.list() {
            fallbacks(job, &format!("env/{}", one.name), one.value, context);
        }
    }
    if let Some(job) = workflow.jobs.first() {
        for one in workflow.env.list() {
            fallbacks(job, &format!("env/{}", one.name), one.value, context);
        }
    }
}

/// Tells whether a value is a secret of its own: not known, not said to be none, and hard to guess.
fn is_secret(value: &str, known: &HashSet<&str>) -> bool {
    let is_mixed =
        value.bytes().any(|b| b.is_ascii_digit()) && value.bytes().any(|b| b.is_ascii_alphabetic());
    is_mixed
        && !known.contains(value)
        && !says_that_it_is_none(value)
        && !shell::is_spoken(value)
        && matches!(
            values::verbatim(value),
            Value::Literal(Strength::Named | Strength::Random)
        )
}

fn tell(
    job: &Job<'_>,
    at: &str,
    name: &str,
    value: &Scalar,
    part: Range<usize>,
    context: &mut Context<'_>,
) {
    let span = value.source(part.clone());
    // A job's scripts set up what lives as long as it, with passwords that people made up for that.
    let severity = match values::verbatim(value.text.get(part).unwrap_or_default()) {
        Value::Literal(Strength::Random) => Severity::High,
        _ => Severity::Medium,
    };
    let fault = Fault::new(
        &META,
        span.clone(),
        format!("{}/{at}/{name}", job.id),
        format!("{name} is written out in the workflow"),
    );
    context.tell(fault.severity(severity).secret(span));
}

/// `export API_KEY=…`, `mysql -p…`, `curl -H 'Authorization: …'` in a script.
fn script(
    job: &Job<'_>,
    label: &str,
    run: &Scalar,
    known: &HashSet<&str>,
    context: &mut Context<'_>,
) {
    for one in shell::literals(&Script::new(&run.text)) {
        let Sink::Literal { name, .. } = &one.sink else {
            continue;
        };
        let value = run.text.get(one.span.clone()).unwrap_or_default();
        if is_secret(value, known) {
            tell(job, label, name, run, one.span.clone(), context);
        }
    }
}

/// `options: -e API_TOKEN=…` of a container.
fn options(
    job: &Job<'_>,
    at: &str,
    options: Option<&Node>,
    known: &HashSet<&str>,
    context: &mut Context<'_>,
) {
    static VARIABLE: OnceLock<Option<Regex>> = OnceLock::new();
    let variable = VARIABLE.get_or_init(|| {
        Regex::new(r#"(?:^|\s)(?:-e|--env)[ =]*["']?([A-Za-z_][A-Za-z_0-9]*)=["']?([^\s"'$]+)"#)
            .ok()
    });
    let (Some(value), Some(variable)) = (options.and_then(Node::scalar), variable) else {
        return;
    };
    // What a service is started with is made up.
    if at != "container" {
        return;
    }
    for captures in variable.captures_iter(&value.text) {
        if let (Some(name), Some(found)) = (captures.get(1), captures.get(2))
            && names::is_secret(name.as_str())
            && is_secret(found.as_str(), known)
        {
            tell(job, at, name.as_str(), value, found.range(), context);
        }
    }
}

/// `${{ secrets.X || '…' }}`: what stands in for a secret that is not there.
fn fallbacks(job: &Job<'_>, at: &str, value: &Scalar, context: &mut Context<'_>) {
    static FALLBACK: OnceLock<Option<Regex>> = OnceLock::new();
    if !value.text.contains("||") {
        return;
    }
    let fallback = FALLBACK.get_or_init(|| {
        Regex::new(r"\$\{\{[^}\n]*\bsecrets\.([A-Za-z_][A-Za-z_0-9-]*)\s*\|\|\s*'([^'\n]+)'").ok()
    });
    for captures in fallback
        .iter()
        .flat_map(|all| all.captures_iter(&value.text))
    {
        if let (Some(name), Some(found)) = (captures.get(1), captures.get(2))
            && names::is_secret(name.as_str())
            && is_secret(found.as_str(), &HashSet::new())
        {
            tell(job, at, name.as_str(), value, found.range(), context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    fn told(text: &str) -> String {
        let all = testing::workflow(&META, text);
        let shown = all
            .iter()
            .map(|fault| fault.secret.clone().map_or("", |secret| &text[secret]));
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn in_scripts() {
        for (run, want) in [
            ("mysql -uroot -pVx7kQ2mR9tLp -e x", "Vx7kQ2mR9tLp"),
            ("export API_KEY=Vx7kQ2mR9tLp", "Vx7kQ2mR9tLp"),
            ("API_SECRET=Vx7kQ2mR9tLp ./x", "Vx7kQ2mR9tLp"),
            (
                "echo \"API_TOKEN=Vx7kQ2mR9tLp\" >> $GITHUB_ENV",
                "Vx7kQ2mR9tLp",
            ),
            (
                "echo \"API_TOKEN=Vx7kQ2mR9tLp\" >> \"$GITHUB_ENV\"",
                "Vx7kQ2mR9tLp",
            ),
            (
                "curl -H 'Authorization: Bearer Vx7kQ2mR9tLp' x",
                "Vx7kQ2mR9tLp",
            ),
            ("mysql -uroot -proot", ""),
            ("export S3_SECRET_KEY=shoprustfs-service123", ""),
            ("export DB_PASSWORD=Qe5t-u8b9", ""),
            ("export API_KEY=test-key-123", ""),
            ("export API_KEY=${{ secrets.K }}", ""),
            ("SECRET_KEY=dummy ./manage.py check", ""),
            ("# export API_KEY=Vx7kQ2mR9tLp", ""),
        ] {
            let text = format!(
                "on: push\njobs:\n  a:\n    services:\n      db:\n        env: {{DB_NAME: Qe5t-u8b9}}\n    steps:\n      - run: |\n          {run}\n"
            );
            assert_eq!(told(&text), want, "{run}");
        }
    }

    #[test]
    fn in_options_and_expressions() {
        for (text, want) in [
            (
                "jobs: {a: {container: {image: x, options: --cpus 1 -e API_TOKEN=Vx7kQ2mR9tLp}}}\n",
                "Vx7kQ2mR9tLp",
            ),
            (
                "jobs: {a: {container: {image: x, options: -e API_TOKEN=x -e API_HOST=Vx7kQ2mR9tLp}}}\n",
                "",
            ),
            (
                "jobs: {a: {steps: [{run: x, env: {T: \"${{ secrets.API_TOKEN || 'Vx7kQ2mR9tLp' }}\"}}]}}\n",
                "Vx7kQ2mR9tLp",
            ),
            (
                "jobs: {a: {steps: [{run: \"./x ${{ secrets.API_TOKEN || 'Vx7kQ2mR9tLp' }}\"}]}}\n",
                "Vx7kQ2mR9tLp",
            ),
            (
                "env: {T: \"${{ secrets.API_TOKEN || github.token || 'none' }}\"}\njobs: {a: {steps: []}}\n",
                "",
            ),
            (
                "jobs: {a: {steps: [{run: x, env: {T: \"${{ secrets.RUNNER || 'ubuntu-24' }}\"}}]}}\n",
                "",
            ),
        ] {
            assert_eq!(told(text), want, "{text}");
        }
    }
}
