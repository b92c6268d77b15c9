//! Workflows and composite actions as lints need them: triggers, jobs, steps and what each binds, all borrowed from the tree.

use std::{collections::HashMap, ops::Range};

use super::{
    super::super::{
        kind::FileKind,
        lint::Document,
        node::{Entry, Node, Scalar},
    },
    machine,
};

/// A workflow, or a composite action as one with a single job.
pub(super) struct Workflow<'d> {
    /// Whether it is an action.
    pub(super) is_action: bool,
    /// The events it runs on, with what is said of each.
    pub(super) triggers: Vec<(&'d str, Option<&'d Node>)>,
    /// Its jobs in the order of the file.
    pub(super) jobs: Vec<Job<'d>>,
    /// Variables of all jobs.
    pub(super) env: Variables<'d>,
}

/// One job.
pub(super) struct Job<'d> {
    /// Its key; `action` for the steps of an action.
    pub(super) id: &'d str,
    /// The bytes of its key.
    pub(super) id_span: Range<usize>,
    /// The whole of it.
    pub(super) node: &'d Node,
    /// Its shown name.
    pub(super) name: Option<&'d str>,
    /// Its condition.
    pub(super) condition: Option<&'d Scalar>,
    /// The jobs it waits for.
    pub(super) needs: Vec<&'d str>,
    /// The environment's name as written.
    pub(super) environment: Option<&'d str>,
    /// The workflow it calls.
    pub(super) uses: Option<&'d Scalar>,
    /// What it hands to that workflow as `secrets`.
    pub(super) secrets: Option<&'d Entry>,
    /// What it hands to that workflow otherwise.
    pub(super) with: Vec<&'d Entry>,
    /// Variables of all its steps.
    pub(super) env: Variables<'d>,
    /// Its steps.
    pub(super) steps: Vec<Step<'d>>,
    /// What it tells other jobs.
    pub(super) outputs: Vec<&'d Entry>,
    /// The container it runs in, and those beside it, by name.
    pub(super) containers: Vec<(&'d str, &'d Node)>,
    /// Whether its machine belongs to somebody.
    pub(super) self_hosted: bool,
    /// The actions of its steps that have an id.
    actions: HashMap<&'d str, String>,
}

/// One step.
pub(super) struct Step<'d> {
    /// What tells it apart from the job's others: id, name, action or `run`, with a number if that is not enough.
    pub(super) label: String,
    /// Its id.
    pub(super) id: Option<&'d str>,
    /// Its shown name.
    pub(super) name: Option<&'d str>,
    /// Its condition.
    pub(super) condition: Option<&'d Scalar>,
    /// The action it runs.
    pub(super) uses: Option<&'d Scalar>,
    /// The script it runs.
    pub(super) run: Option<&'d Scalar>,
    /// The shell of that script: what is written, or the runner's own.
    pub(super) shell: Shell<'d>,
    /// Inputs of the action.
    pub(super) with: Vec<&'d Entry>,
    /// Its own variables.
    pub(super) env: Variables<'d>,
    /// The whole of it.
    pub(super) node: &'d Node,
}

/// The shell of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shell<'d> {
    /// `bash` or `sh`, as written with its options; empty where the runner's own is meant.
    Posix(&'d str),
    /// `PowerShell`.
    Power,
    /// `cmd`, `python` and others, as written.
    Other(&'d str),
}

/// One variable of `env`.
#[derive(Clone)]
pub(super) struct Binding<'d> {
    /// Its name.
    pub(super) name: &'d str,
    /// The bytes of its name.
    pub(super) span: Range<usize>,
    /// Its value.
    pub(super) value: &'d Scalar,
    /// The bytes of its value, quotes included.
    pub(super) value_span: Range<usize>,
}

impl<'d> Workflow<'d> {
    /// Reads a document that is one.
    pub(super) fn of(document: &'d Document<'_>) -> Option<Self> {
        let root = document.trees().first()?;
        match document.kind {
            FileKind::GithubWorkflow => Some(Self::of_workflow(root)),
            FileKind::GithubAction => Self::of_action(root),
            _ => None,
        }
    }

    fn of_workflow(root: &'d Node) -> Self {
        let shell = default_shell(root);
        let jobs = root.get("jobs").map(Node::merged).unwrap_or_default();
        Self {
            is_action: false,
            triggers: root.get("on").map(triggers).unwrap_or_default(),
            jobs: jobs.into_iter().map(|entry| job(entry, shell)).collect(),
            env: Variables::of(root.get("env")),
        }
    }

    fn of_action(root: &'d Node) -> Option<Self> {
        let runs = root.entry("runs")?;
        let steps = runs.value.get("steps")?;
        let mut job = job(runs, None);
        job.id = "action";
        job.steps = read_steps(steps.items(), None, false);
        job.actions = actions(&job.steps);
        job.outputs = Vec::new();
        Some(Self {
            is_action: true,
            triggers: Vec::new(),
            jobs: vec![job],
            env: Variables::default(),
        })
    }

    /// Tells whether an event starts it.
    pub(super) fn runs_on(&self, event: &str) -> bool {
        self.triggers.iter().any(|(trigger, _)| *trigger == event)
    }
}

impl<'d> Job<'d> {
    /// Returns the action of the step with this id.
    pub(super) fn action_of(&self, id: &str) -> Option<&str> {
        self.actions.get(id).map(String::as_str)
    }
}

/// The variables of one `env` map.
#[derive(Default)]
pub(super) struct Variables<'d> {
    list: Vec<Binding<'d>>,
    by_name: HashMap<&'d str, usize>,
}

impl<'d> Variables<'d> {
    /// Reads an `env` map.
    pub(super) fn of(node: Option<&'d Node>) -> Self {
        let entries = node.map(Node::merged).unwrap_or_default();
        let list: Vec<_> = entries.into_iter().filter_map(binding).collect();
        let by_name = list
            .iter()
            .enumerate()
            .map(|(at, one)| (one.name, at))
            .collect();
        Self { list, by_name }
    }

    /// Returns them in the order of the file.
    pub(super) fn list(&self) -> &[Binding<'d>] {
        &self.list
    }

    /// Returns the one with this name.
    pub(super) fn get(&self, name: &str) -> Option<&Binding<'d>> {
        self.by_name.get(name).and_then(|at| self.list.get(*at))
    }
}

fn binding(entry: &Entry) -> Option<Binding<'_>> {
    Some(Binding {
        name: &entry.key,
        span: entry.key_span.clone(),
        value: entry.value.scalar()?,
        value_span: entry.value.span.clone(),
    })
}

impl<'d> Step<'d> {
    /// Returns the value of an input, whose names know no case.
    pub(super) fn input(&self, name: &str) -> Option<&'d Entry> {
        self.with
            .iter()
            .find(|entry| entry.key.eq_ignore_ascii_case(name))
            .copied()
    }

    /// Returns the text of an input.
    pub(super) fn input_text(&self, name: &str) -> Option<&'d str> {
        self.input(name).and_then(|entry| entry.value.text())
    }

    /// Returns the action's `owner/name/path` in lower case, without its version.
    pub(super) fn action(&self) -> Option<String> {
        let uses = self.uses?.text.trim();
        let name = uses.split('@').next().unwrap_or_default();
        Some(name.to_ascii_lowercase())
    }
}

fn triggers(node: &Node) -> Vec<(&str, Option<&Node>)> {
    if let Some(text) = node.text() {
        return vec![(text, None)];
    }
    let listed = node
        .items()
        .iter()
        .filter_map(|item| Some((item.text()?, None)));
    let mapped = node
        .merged()
        .into_iter()
        .map(|entry| (entry.key.as_str(), Some(&entry.value)));
    listed.chain(mapped).collect()
}

fn default_shell(node: &Node) -> Option<&str> {
    node.text_at(&["defaults", "run", "shell"])
}

fn job<'d>(entry: &'d Entry, shell: Option<&'d str>) -> Job<'d> {
    let node = &entry.value;
    let shell = default_shell(node).or(shell);
    let machine = node.get("runs-on");
    let containers = node
        .get("container")
        .map(|container| ("container", container));
    let services = node.get("services").map(Node::merged).unwrap_or_default();
    let services = services
        .into_iter()
        .map(|service| (service.key.as_str(), &service.value));
    let steps = node.get("steps").map(Node::items).unwrap_or_default();
    let steps = read_steps(steps, shell, machine::is_windows(machine));
    Job {
        id: &entry.key,
        id_span: entry.key_span.clone(),
        node,
        name: node.text_at(&["name"]),
        condition: node.get("if").and_then(Node::scalar),
        needs: texts(node.get("needs")),
        environment: node
            .text_at(&["environment"])
            .or_else(|| node.text_at(&["environment", "name"])),
        uses: node.get("uses").and_then(Node::scalar),
        secrets: node.entry("secrets"),
        with: node.get("with").map(Node::merged).unwrap_or_default(),
        env: Variables::of(node.get("env")),
        actions: actions(&steps),
        steps,
        outputs: node.get("outputs").map(Node::merged).unwrap_or_default(),
        containers: containers.into_iter().chain(services).collect(),
        self_hosted: machine::labels(machine).contains(&"self-hosted"),
    }
}

fn actions<'d>(steps: &[Step<'d>]) -> HashMap<&'d str, String> {
    let steps = steps.iter();
    steps
        .filter_map(|step| Some((step.id?, step.action()?)))
        .collect()
}

/// Returns a text, or the texts of a list.
pub(super) fn texts(node: Option<&Node>) -> Vec<&str> {
    let one = node.and_then(Node::text);
    let items = node.map(Node::items).unwrap_or_default();
    one.into_iter()
        .chain(items.iter().filter_map(Node::text))
        .collect()
}

fn read_steps<'d>(items: &'d [Node], shell: Option<&'d str>, is_windows: bool) -> Vec<Step<'d>> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut steps = Vec::new();
    for node in items {
        let text = |key: &str| node.text_at(&[key]);
        let uses = node.get("uses").and_then(Node::scalar);
        let label = text("id")
            .or_else(|| text("name"))
            .or_else(|| uses.map(|uses| uses.text.split('@').next().unwrap_or_default()))
            .unwrap_or("run");
        // Long names are cut: they come from the file.
        let label: String = label.chars().take(80).collect();
        let count = seen.entry(label.clone()).or_default();
        *count += 1;
        let label = if *count > 1 {
            format!("{label} #{count}")
        } else {
            label
        };
        steps.push(Step {
            label,
            id: text("id"),
            name: text("name"),
            condition: node.get("if").and_then(Node::scalar),
            uses,
            run: node.get("run").and_then(Node::scalar),
            shell: shell_of(text("shell").or(shell), is_windows),
            with: node.get("with").map(Node::merged).unwrap_or_default(),
            env: Variables::of(node.get("env")),
            node,
        });
    }
    steps
}

fn shell_of(shell: Option<&str>, is_windows: bool) -> Shell<'_> {
    let Some(shell) = shell else {
        return if is_windows {
            Shell::Power
        } else {
            Shell::Posix("")
        };
    };
    let program = shell.split_whitespace().next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    match program {
        "bash" | "sh" | "dash" | "zsh" | "ksh" | "ash" => Shell::Posix(shell),
        "pwsh" | "powershell" => Shell::Power,
        _ => Shell::Other(shell),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::super::{lint::Syntax, readers::yaml},
        *,
    };

    fn with(kind: FileKind, text: &str, check: impl FnOnce(&Workflow<'_>)) {
        let document = Document {
            path: ".github/workflows/x.yml",
            kind,
            text,
            syntax: Syntax::Tree(yaml::read(text).unwrap()),
        };
        check(&Workflow::of(&document).unwrap());
    }

    #[test]
    fn triggers_in_all_forms() {
        for on in [
            "on: push",
            "on: [push, pull_request]",
            "on:\n  push:\n    branches: [main]\n",
            "'on':\n  - push\n",
            "on: {push: }",
        ] {
            with(FileKind::GithubWorkflow, on, |workflow| {
                assert!(workflow.runs_on("push"), "{on}");
            });
        }
    }

    #[test]
    fn jobs_and_steps() {
        let text = "defaults: {run: {shell: pwsh}}\njobs:\n  a:\n    runs-on: [self-hosted, linux]\n    environment: {name: prod}\n    needs: b\n    services: {db: {image: x}}\n    steps:\n      - run: a\n      - {run: b, shell: 'bash -x {0}'}\n      - uses: A/b@v1\n        with: {Token: x}\n";
        with(FileKind::GithubWorkflow, text, |workflow| {
            let job = &workflow.jobs[0];
            assert!(job.self_hosted);
            assert_eq!(job.environment, Some("prod"));
            assert_eq!(job.needs, ["b"]);
            assert_eq!(job.containers[0].0, "db");
            let labels: Vec<_> = job.steps.iter().map(|step| step.label.as_str()).collect();
            assert_eq!(labels, ["run", "run #2", "A/b"]);
            assert_eq!(job.steps[0].shell, Shell::Power);
            assert_eq!(job.steps[1].shell, Shell::Posix("bash -x {0}"));
            assert_eq!(job.steps[2].input_text("token"), Some("x"));
            assert_eq!(job.steps[2].action().as_deref(), Some("a/b"));
        });
    }

    #[test]
    fn composite_actions_are_one_job() {
        let text = "runs:\n  using: composite\n  steps:\n    - run: x\n      shell: bash\n";
        with(FileKind::GithubAction, text, |workflow| {
            assert!(workflow.is_action);
            assert_eq!(workflow.jobs[0].steps.len(), 1);
        });
    }
}
