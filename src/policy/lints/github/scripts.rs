//! Scripts and what they do with secrets: rules 1 to 4, 6 to 10, 17 and 19.
//!
//! `policy::shell` follows the secrets; here its uses become faults. What is said of them is in `printed`, `passed`, `kept` and `build`.

use std::{
    cell::{OnceCell, RefCell},
    collections::{HashMap, HashSet},
};

use super::{
    super::super::{
        fault::Fault,
        lint::{Context, Document, Lint, LintMeta},
        node::{Node, Scalar},
        shell::{self, Origin, Placeholder, Script, Sink, Use},
    },
    build, cached,
    expression::{self, Expr, Kind},
    javascript, kept,
    model::{Job, Shell, Step, Workflow},
    passed, paths, printed,
    secrets::{Reader, Secret},
    uses,
};
use crate::model::Severity;

/// The lint of what scripts do.
pub(super) struct Scripts;

impl Lint for Scripts {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[
            &printed::ECHO,
            &printed::DUMP,
            &printed::XTRACE,
            &printed::DERIVED,
            &passed::ARGV,
            &passed::COMMAND_FILE,
            &kept::ARTIFACT,
            &cached::META,
            &build::META,
            &passed::URL,
            &passed::MINTED,
        ]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(workflow) = Workflow::of(document) else {
            return;
        };
        let first = context.faults.len();
        let mut globs = paths::MAX_GLOBS;
        for job in &workflow.jobs {
            let mut written = Vec::new();
            let outer = OnceCell::new();
            for (at, step) in job.steps.iter().enumerate() {
                let reader = Reader::new(&workflow, job, Some(step));
                let place = Place {
                    text: document.text,
                    workflow: &workflow,
                    job,
                    step,
                    reader: &reader,
                    outer: &outer,
                };
                build::inputs(job.id, step, &reader, context);
                cached::look(job, step, context);
                shown(
                    step.node.get("name"),
                    &place.subject("name"),
                    &reader,
                    context,
                );
                parts(&place, context);
                javascript::look(job.id, step, &reader, context);
                written.extend(kept::by_action(at, step, &reader));
                if let Some(run) = step.run {
                    script(&place, run, at, &mut written, context);
                }
            }
            kept::uploads(document.text, job, &written, &mut globs, context);
            outputs(&workflow, job, context);
        }
        names(document, &workflow, context);
        for binding in workflow.env.list() {
            if let Some(job) = workflow.jobs.first() {
                let reader = Reader::new(&workflow, job, None);
                derived(
                    &reader,
                    binding.value,
                    &format!("env/{}", binding.name),
                    context,
                );
            }
        }
        super::part(context.faults.get_mut(first..).unwrap_or_default());
    }
}

/// One step and what is around it.
pub(super) struct Place<'p, 'd> {
    pub(super) text: &'d str,
    pub(super) workflow: &'p Workflow<'d>,
    pub(super) job: &'p Job<'d>,
    pub(super) step: &'p Step<'d>,
    pub(super) reader: &'p Reader<'p, 'd>,
    /// The first secret that all steps of the job have, once somebody asked.
    outer: &'p OnceCell<Option<Secret>>,
}

impl Place<'_, '_> {
    /// Returns the subject of a fault of the step.
    pub(super) fn subject(&self, what: &str) -> String {
        format!("{}/{}: {what}", self.job.id, self.step.label)
    }

    /// Returns the first secret in the step's environment that is worth the name.
    pub(super) fn any_secret(&self) -> Option<Secret> {
        let own = self.reader.first_of(self.step.env.list());
        own.or_else(|| {
            self.outer
                .get_or_init(|| around(self.workflow, self.job))
                .clone()
        })
    }
}

/// Returns the first secret that all steps of a job have.
fn around(workflow: &Workflow<'_>, job: &Job<'_>) -> Option<Secret> {
    let reader = Reader::new(workflow, job, None);
    reader
        .first_of(job.env.list())
        .or_else(|| reader.first_of(workflow.env.list()))
}

/// `outputs:` of a job that yield secrets.
fn outputs(workflow: &Workflow<'_>, job: &Job<'_>, context: &mut Context<'_>) {
    let reader = Reader::new(workflow, job, None);
    for entry in &job.outputs {
        let Some(value) = entry.value.scalar() else {
            continue;
        };
        let yields = reader.text(value).into_iter();
        if let Some(one) = yields
            .into_iter()
            .find(|one| !one.secret.is_harmless() && !one.secret.is_short_lived())
        {
            context.tell(Fault::new(
                &passed::COMMAND_FILE,
                value.source(one.at.clone()),
                format!("{}/outputs: {}", job.id, entry.key),
                format!("{} is an output of job \"{}\"", one.secret.shown(), job.id),
            ));
        }
    }
    for binding in job.env.list() {
        derived(
            &reader,
            binding.value,
            &format!("{}/env/{}", job.id, binding.name),
            context,
        );
    }
}

/// Names of the jobs and of the run.
fn names(document: &Document<'_>, workflow: &Workflow<'_>, context: &mut Context<'_>) {
    for job in &workflow.jobs {
        let reader = Reader::new(workflow, job, None);
        let subject = format!("{}/name", job.id);
        shown(job.node.get("name"), &subject, &reader, context);
    }
    let root = document.trees().first();
    if let Some(job) = workflow.jobs.first() {
        let name = root.and_then(|root| root.get("run-name"));
        shown(name, "run-name", &Reader::new(workflow, job, None), context);
    }
}

/// A name of a step, job or run, which stands in the log and on the pages of the run.
fn shown(name: Option<&Node>, subject: &str, reader: &Reader<'_, '_>, context: &mut Context<'_>) {
    let Some(name) = name.and_then(Node::scalar) else {
        return;
    };
    if !name.text.contains("${{") {
        return;
    }
    let yields = reader.text(name).into_iter();
    if let Some(one) = yields
        .into_iter()
        .find(|one| !one.secret.is_harmless() && !one.secret.is_short_lived())
    {
        let fault = Fault::new(
            &printed::ECHO,
            name.source(one.at.clone()),
            subject,
            format!(
                "{} is part of a name that the log and the page of the run show",
                one.secret.shown()
            ),
        );
        context.tell(fault.severity(Severity::Medium));
    }
}

/// Expressions of a step that bring out a part of a secret, or the whole environment.
fn parts(place: &Place<'_, '_>, context: &mut Context<'_>) {
    let inputs = place
        .step
        .with
        .iter()
        .filter_map(|entry| Some((entry.key.as_str(), entry.value.scalar()?)));
    let variables = place
        .step
        .env
        .list()
        .iter()
        .map(|one| (one.name, one.value));
    for (name, value) in inputs
        .chain(variables)
        .chain(place.step.run.map(|run| ("run", run)))
    {
        derived(place.reader, value, &place.subject(name), context);
        if !place.step.run.is_some_and(|run| std::ptr::eq(run, value)) {
            address(place, name, value, context);
        }
        for piece in expression::pieces(&value.text) {
            let is_dump = piece.expr.as_ref().is_some_and(is_environment);
            if let Some(secret) = is_dump.then(|| place.any_secret()).flatten() {
                uses::dump(
                    place,
                    value.source(piece.span),
                    "toJSON(env)",
                    &secret,
                    context,
                );
            }
        }
    }
}

/// An input that is an address with a token in it: `repository: https://x:${{ secrets.T }}@host/r`.
fn address(place: &Place<'_, '_>, name: &str, value: &Scalar, context: &mut Context<'_>) {
    let is_named = ["repo", "url", "remote", "source"]
        .iter()
        .any(|part| name.to_ascii_lowercase().contains(part));
    if !is_named || !value.text.starts_with("http") && !value.text.starts_with("git+http") {
        return;
    }
    for piece in expression::pieces(&value.text).into_iter().take(4) {
        let before = value.text.get(..piece.span.start).unwrap_or_default();
        let after = value.text.get(piece.span.end..).unwrap_or_default();
        let in_user = before
            .split_once("://")
            .is_some_and(|(_, user)| !user.contains('/'));
        let yields = piece
            .expr
            .as_ref()
            .map(|expr| place.reader.expression(expr));
        let secret = yields.unwrap_or_default().into_iter().map(|one| one.secret);
        let secret = secret.into_iter().find(|secret| !secret.is_harmless());
        if let Some(secret) = secret.filter(|_| in_user && after.starts_with('@')) {
            context.tell(Fault::new(
                &passed::URL,
                value.source(piece.span),
                place.subject(name),
                format!("{} is part of the address in {name}", secret.shown()),
            ));
        }
    }
}

fn derived(reader: &Reader<'_, '_>, value: &Scalar, subject: &str, context: &mut Context<'_>) {
    // An expression that only names such a variable is told where the variable is bound.
    if !value.text.to_ascii_lowercase().contains("fromjson") {
        return;
    }
    if let Some(one) = reader
        .text(value)
        .into_iter()
        .find(|one| one.is_derived && !one.secret.is_short_lived())
    {
        context.tell(Fault::new(
            &printed::DERIVED,
            value.source(one.at),
            subject,
            format!(
                "a part of {} is taken out by fromJSON: nothing masks it",
                one.secret.shown()
            ),
        ));
    }
}

/// Tells whether an expression is `toJSON(env)`.
fn is_environment(expr: &Expr) -> bool {
    matches!(&expr.kind, Kind::Call(name, arguments) if name == "tojson"
        && matches!(arguments.as_slice(), [Expr { kind: Kind::Context(context), .. }] if context == "env"))
}

/// What a step's own script does.
fn script(
    place: &Place<'_, '_>,
    run: &Scalar,
    at: usize,
    written: &mut Vec<kept::Written>,
    context: &mut Context<'_>,
) {
    let (placeholders, by_name) = placeholders(place.reader, run);
    let held = Held {
        reader: place.reader,
        by_name,
        known: RefCell::default(),
    };
    let is_traced = matches!(place.step.shell, Shell::Posix(shell) if is_traced(shell));
    let script = Script {
        text: &run.text,
        trace: is_traced,
        placeholders: &placeholders,
    };
    let is_secret = |name: &str| held.of(name).is_some();
    let all = match place.step.shell {
        Shell::Posix(_) => shell::analyse(&script, &is_secret),
        Shell::Power => shell::analyse_powershell(&script, &is_secret),
        Shell::Other(shell) => {
            let program = shell.split_whitespace().next().unwrap_or_default();
            let language =
                shell::Language::of(program.rsplit(['/', '\\']).next().unwrap_or(program));
            language.map_or_else(Vec::new, |language| {
                shell::analyse_program(language, &run.text, &is_secret)
            })
        }
    };
    let mut masked = HashSet::new();
    for one in &all {
        if let Sink::File(file) = &one.sink {
            written.extend(file_of(place, run, one, &file.path, at, &held));
        } else {
            uses::judge(place, run, one, &held, &mut masked, context);
        }
    }
}

/// Which secrets a script's names stand for.
pub(super) struct Held<'h, 'd> {
    reader: &'h Reader<'h, 'd>,
    /// Placeholders by what they are called.
    by_name: HashMap<String, Secret>,
    /// Variables that were asked for before.
    known: RefCell<HashMap<String, Option<Secret>>>,
}

impl Held<'_, '_> {
    fn of(&self, name: &str) -> Option<Secret> {
        if let Some(known) = self.known.borrow().get(name) {
            return known.clone();
        }
        let held = self
            .reader
            .held(name)
            .filter(|secret| !secret.is_harmless());
        self.known
            .borrow_mut()
            .insert(name.to_owned(), held.clone());
        held
    }

    /// Returns the secret that the names of a use lead to.
    pub(super) fn any(&self, names: &[String]) -> Option<Secret> {
        names
            .iter()
            .find_map(|name| self.by_name.get(name).cloned().or_else(|| self.of(name)))
    }
}

fn placeholders(
    reader: &Reader<'_, '_>,
    run: &Scalar,
) -> (Vec<Placeholder>, HashMap<String, Secret>) {
    let mut by_name = HashMap::new();
    let mut all = Vec::new();
    for piece in expression::pieces(&run.text) {
        let yields = piece.expr.as_ref().map(|expr| reader.expression(expr));
        let secret = yields.unwrap_or_default().into_iter().map(|one| one.secret);
        let secret = secret.into_iter().find(|secret| !secret.is_harmless());
        let name = secret
            .as_ref()
            .map_or_else(|| "an expression".to_owned(), Secret::shown);
        let is_secret = secret.is_some();
        by_name.extend(secret.map(|secret| (name.clone(), secret)));
        all.push(Placeholder {
            span: piece.span,
            name,
            secret: is_secret,
        });
    }
    (all, by_name)
}

/// Tells whether a shell is started with `-x`.
fn is_traced(shell: &str) -> bool {
    shell.split_whitespace().skip(1).any(|word| {
        word == "xtrace"
            || word
                .strip_prefix('-')
                .is_some_and(|flags| !flags.starts_with('-') && flags.contains('x'))
    })
}

fn file_of(
    place: &Place<'_, '_>,
    run: &Scalar,
    one: &Use,
    path: &str,
    at: usize,
    held: &Held<'_, '_>,
) -> Option<kept::Written> {
    let what = if one.origin == Origin::Minted {
        one.names
            .first()
            .cloned()
            .unwrap_or_else(|| "a credential".to_owned())
    } else if one.names.is_empty() {
        place.any_secret()?.shown()
    } else {
        held.any(&one.names)?.shown()
    };
    let path = paths::normal(path);
    let directory = place
        .step
        .node
        .text_at(&["working-directory"])
        .map(paths::normal);
    let is_relative = !path.starts_with(['/', '~', '$']);
    let path = match directory.filter(|directory| is_relative && !directory.is_empty()) {
        Some(directory) => format!("{directory}/{path}"),
        None => path,
    };
    Some(kept::Written {
        step: at,
        path,
        span: run.source(one.span.clone()),
        what,
        is_token: false,
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{super::super::lint::Persona, testing},
        *,
    };

    fn job(steps: &str) -> String {
        format!("on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n{steps}")
    }

    /// A step with K bound to a secret.
    fn step(script: &str) -> String {
        let script: String = script
            .lines()
            .map(|line| format!("          {line}\n"))
            .collect();
        job(&format!(
            "      - env:\n          K: ${{{{ secrets.KEY }}}}\n          U: ${{{{ secrets.APP_USER }}}}\n          G: ${{{{ github.token }}}}\n        run: |\n{script}"
        ))
    }

    #[test]
    fn other_programs_and_names() {
        let ids =
            |text: &str| -> Vec<&'static str> { told(text).iter().map(|one| one.0).collect() };
        let with = |shell: &str, script: &str| {
            let script: String = script
                .lines()
                .map(|line| format!("          {line}\n"))
                .collect();
            job(&format!(
                "      - env:\n          K: ${{{{ secrets.KEY }}}}\n        shell: {shell}\n        run: |\n{script}"
            ))
        };
        for (shell, script, want) in [
            (
                "python",
                "import os\nprint(os.environ['K'])",
                vec!["gha-secret-echo"],
            ),
            (
                "python",
                "import os\nprint(os.environ)",
                vec!["gha-env-dump"],
            ),
            ("python", "import os\nprint(len(os.environ['K']))", vec![]),
            ("python", "import os\nprint(os.environ['HOME'])", vec![]),
            ("cmd", "echo %K%", vec!["gha-secret-echo"]),
            ("cmd", "set", vec!["gha-env-dump"]),
            ("cmd", "if \"%K%\"==\"\" exit 1", vec![]),
            (
                "node {0}",
                "console.log(process.env.K)",
                vec!["gha-secret-echo"],
            ),
            (
                "bash",
                "python3 -c 'import os; print(os.environ[\"K\"])'",
                vec!["gha-secret-echo"],
            ),
            ("bash", "declare -p", vec!["gha-env-dump"]),
            ("bash", "declare -p K", vec!["gha-secret-echo"]),
            (
                "bash",
                "echo \"$K\" > key\ncat key",
                vec!["gha-secret-echo"],
            ),
            ("bash", "echo \"$K\" > key\nmake < key\nrm key", vec![]),
        ] {
            assert_eq!(ids(&with(shell, script)), want, "{shell} {script}");
        }
        let named = |name: &str| ids(&job(&format!("      - name: {name}\n        run: make\n")));
        assert_eq!(named("to ${{ secrets.HOOK_TOKEN }}"), ["gha-secret-echo"]);
        assert!(named("to ${{ github.ref }} ${{ secrets.APP_USER }}").is_empty());
        let run = "on: push\nrun-name: by ${{ secrets.HOOK_TOKEN }}\njobs:\n  a:\n    steps: []\n";
        assert_eq!(ids(run), ["gha-secret-echo"]);
    }

    fn told(text: &str) -> Vec<(&'static str, Severity, Persona)> {
        let all = [
            &printed::ECHO,
            &printed::DUMP,
            &printed::XTRACE,
            &printed::DERIVED,
            &passed::ARGV,
            &passed::COMMAND_FILE,
            &passed::URL,
            &passed::MINTED,
            &build::META,
        ];
        let faults = all.iter().flat_map(|meta| testing::workflow(meta, text));
        faults
            .map(|fault| (fault.lint.id, fault.severity, fault.persona))
            .collect()
    }

    #[test]
    fn each_sink_is_a_rule() {
        for (script, id) in [
            ("echo \"$K\"", Some("gha-secret-echo")),
            ("echo ${K}", Some("gha-secret-echo")),
            ("cat <<EOF\nkey=$K\nEOF", Some("gha-secret-echo")),
            ("echo \"$U\"", None),
            ("env | sort", Some("gha-env-dump")),
            ("set -x\n[ \"$K\" = x ]", Some("gha-xtrace-with-secret")),
            (
                "echo $K | base64 -w0",
                Some("gha-secret-unmasked-derivative"),
            ),
            ("./deploy --key \"$K\"", Some("gha-secret-argv")),
            ("./deploy --user \"$U\"", None),
            (
                "echo \"k=$K\" >> $GITHUB_ENV",
                Some("gha-secret-to-command-file"),
            ),
            (
                "echo \"k=$(echo $K | base64)\" >> $GITHUB_OUTPUT",
                Some("gha-secret-to-command-file"),
            ),
            (
                "git clone https://$K@example.com/x",
                Some("gha-token-in-git-url"),
            ),
            ("docker build --build-arg K .", Some("gha-secret-build-arg")),
            (
                "t=$(gcloud auth print-access-token)\necho \"$t\"",
                Some("gha-minted-token-unmasked"),
            ),
            ("echo $OTHER", None),
            ("./deploy <<< \"$K\"", None),
        ] {
            let told: Vec<_> = told(&step(script)).into_iter().map(|one| one.0).collect();
            assert_eq!(told, id.into_iter().collect::<Vec<_>>(), "{script}");
        }
    }

    #[test]
    fn how_bad_it_is_here() {
        let pedantic = ("gha-secret-argv", Severity::Low, Persona::Pedantic);
        assert_eq!(told(&step("./deploy \"$G\"")), [pedantic]);
        let text = step("./deploy \"$K\"").replace("ubuntu-latest", "[self-hosted, x64]");
        assert_eq!(
            told(&text),
            [("gha-secret-argv", Severity::High, Persona::Regular)]
        );
        assert_eq!(
            told(&step("echo \"$G\"")),
            [("gha-secret-echo", Severity::Medium, Persona::Regular)]
        );
    }

    #[test]
    fn shells_and_places() {
        let traced = job(
            "      - run: '[ \"$K\" = x ]'\n        shell: bash -ex {0}\n        env: {K: '${{ secrets.KEY }}'}\n",
        );
        assert_eq!(told(&traced).len(), 1);
        let power = job(
            "      - run: Write-Host $env:K\n        shell: pwsh\n        env: {K: '${{ secrets.KEY }}'}\n",
        );
        assert_eq!(told(&power)[0].0, "gha-secret-echo");
        let python = job(
            "      - run: print(K)\n        shell: python\n        env: {K: '${{ secrets.KEY }}'}\n",
        );
        assert!(told(&python).is_empty());
        let pasted = job("      - run: |\r\n          echo \"${{ secrets.KEY }}\"\r\n");
        assert_eq!(told(&pasted)[0].0, "gha-secret-echo");
        let action = "inputs: {token: {required: true}}\nruns:\n  using: composite\n  steps:\n    - run: echo $T\n      shell: bash\n      env: {T: '${{ inputs.token }}'}\n";
        assert_eq!(testing::action(&printed::ECHO, action).len(), 1);
        let dumped =
            job("      - run: echo '${{ toJSON(env) }}'\n        env: {K: '${{ secrets.KEY }}'}\n");
        assert_eq!(told(&dumped)[0].0, "gha-env-dump");
    }

    #[test]
    fn addresses_in_inputs() {
        for (with, count) in [
            (
                "{repository: 'https://x:${{ secrets.KEY }}@example.com/r'}",
                1,
            ),
            (
                "{remote-url: 'https://${{ secrets.KEY }}@example.com/r'}",
                1,
            ),
            (
                "{repository: 'https://example.com/${{ secrets.KEY }}@r'}",
                0,
            ),
            ("{repository: octo/x, token: '${{ secrets.KEY }}'}", 0),
        ] {
            let text = job(&format!("      - {{uses: ./x, with: {with}}}\n"));
            assert_eq!(
                testing::workflow(&passed::URL, &text).len(),
                count,
                "{with}"
            );
        }
    }

    #[test]
    fn fixes() {
        let after = testing::mended(&printed::ECHO, &step("echo \"$K\""));
        assert_eq!(after, Some(step("test -n \"${K:-}\"")));
        let after = testing::mended(
            &passed::MINTED,
            &step("t=$(vault kv get -field=x y)\necho \"t=$t\" >> $GITHUB_ENV"),
        );
        let masked =
            "t=$(vault kv get -field=x y)\necho \"::add-mask::$t\"\necho \"t=$t\" >> $GITHUB_ENV";
        assert_eq!(after, Some(step(masked)));
        let after = testing::mended(
            &passed::ARGV,
            &step("docker login -u robot -p \"$K\" example.com"),
        );
        let after = after.unwrap();
        assert!(after.contains("--password-stdin"), "{after}");
        assert!(!after.contains("-p \"$K\""), "{after}");
    }
}
