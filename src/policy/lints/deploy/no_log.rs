//! `ansible-no-log-missing`: a task shows a secret because it does not say `no_log: true`.

use std::ops::Range;

use super::super::{
    super::{
        Edit, FileKind, Fix, FixClass, Persona,
        fault::Fault,
        lint::{Context, Document, Lint, LintMeta},
        node::{Entry, Node},
    },
    literal,
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct NoLog;

const META: LintMeta = LintMeta {
    id: "ansible-no-log-missing",
    title: "A task handles a secret without `no_log`",
    tool: "Ansible",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 2 (general secrets management)",
        "Ansible, Logging Ansible output: Protecting sensitive data with no_log",
    ],
    cwe: 532,
    fix: FixClass::Safe,
    why: "Ansible prints commands, items of loops and facts, at the latest when the task fails or somebody runs it with `-v`. Pipelines keep that in their logs.",
    help: "Add `no_log: true` to the task, or `loop_control: label:` for a loop. Do not show secrets with `debug`; assert that they are set instead.",
    bad: &[
        &[(
            "roles/db/tasks/main.yml",
            "- name: show it\n  debug:\n    var: db_password\n",
        )],
        &[(
            "roles/db/tasks/main.yml",
            "- debug: msg=\"the password is {{ db_password }}\"\n",
        )],
        &[(
            "roles/db/tasks/main.yml",
            "- name: log in\n  command: \"docker login -u app -p {{ registry_password }}\"\n",
        )],
        &[(
            "site.yml",
            "- hosts: db\n  tasks:\n    - name: make users\n      mysql_user:\n        name: \"{{ item.name }}\"\n        password: \"{{ item.password }}\"\n      loop: \"{{ users }}\"\n",
        )],
        &[(
            "site.yml",
            "- hosts: db\n  tasks:\n    - block:\n        - name: keep it\n          ansible.builtin.set_fact:\n            api_token: \"{{ result.json.token }}\"\n",
        )],
    ],
    good: &[
        &[(
            "roles/db/tasks/main.yml",
            "- name: log in\n  command: \"docker login -u app -p {{ registry_password }}\"\n  no_log: true\n",
        )],
        &[(
            "site.yml",
            "- hosts: db\n  tasks:\n    - no_log: true\n      block:\n        - name: keep it\n          set_fact:\n            api_token: \"{{ result.json.token }}\"\n",
        )],
        // The module hides the argument itself, and there is no item that could be printed.
        &[(
            "roles/db/tasks/main.yml",
            "- name: make the user\n  mysql_user:\n    name: app\n    password: \"{{ db_password }}\"\n",
        )],
        &[(
            "roles/db/tasks/main.yml",
            "- name: make users\n  mysql_user:\n    name: \"{{ item.name }}\"\n    password: \"{{ item.password }}\"\n  loop: \"{{ users }}\"\n  loop_control:\n    label: \"{{ item.name }}\"\n",
        )],
        &[(
            "roles/db/tasks/main.yml",
            "- name: check it\n  debug:\n    msg: \"{{ db_password | length }} characters, file {{ db_password_file }}\"\n- assert:\n    that: db_password is defined\n",
        )],
    ],
};

impl Lint for NoLog {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        literal::parted(context, |context| all(document, context));
    }
}

fn all(document: &Document<'_>, context: &mut Context<'_>) {
    if document.kind != FileKind::Ansible {
        return;
    }
    for tree in document.trees() {
        tasks(tree, document, context);
    }
}

/// Goes through plays, blocks and tasks; what stands below a `no_log` is silent.
fn tasks(list: &Node, document: &Document<'_>, context: &mut Context<'_>) {
    const LISTS: [&str; 8] = [
        "tasks",
        "pre_tasks",
        "post_tasks",
        "handlers",
        "block",
        "rescue",
        "always",
        "roles",
    ];
    for item in list.items() {
        if is_silent(item) {
            continue;
        }
        let mut is_task = true;
        for entry in item.entries() {
            if LISTS.contains(&entry.key.as_str()) {
                is_task = false;
                tasks(&entry.value, document, context);
            }
        }
        if is_task {
            task(item, document, context);
        }
    }
}

fn is_silent(node: &Node) -> bool {
    let text = node.text_at(&["no_log"]).unwrap_or_default();
    !matches!(text.to_ascii_lowercase().as_str(), "" | "false" | "no")
}

fn task(task: &Node, document: &Document<'_>, context: &mut Context<'_>) {
    let is_loop = task
        .entries()
        .iter()
        .any(|entry| entry.key == "loop" || entry.key.starts_with("with_"));
    let has_label = task.at(&["loop_control", "label"]).is_some();
    for entry in task.entries() {
        let module = entry.key.rsplit('.').next().unwrap_or_default();
        let found = match module {
            "debug" => shown(entry),
            "command" | "shell" | "raw" | "script" | "win_shell" | "win_command" => {
                command(&entry.value)
            }
            "set_fact" => fact(&entry.value),
            _ if is_loop && !has_label && !is_keyword(module) => item(&entry.value),
            _ => None,
        };
        let Some((name, span)) = found else { continue };
        let title = task.text_at(&["name"]).unwrap_or(module);
        let message = match module {
            "debug" => format!("the task `{title}` shows `{name}`"),
            _ => format!("the task `{title}` handles `{name}` without `no_log: true`"),
        };
        let subject = format!("{title}.{module}.{name}");
        let mut fault = Fault::new(&META, span, subject, message);
        let severity = if module == "debug" {
            Severity::High
        } else {
            META.severity
        };
        fault = fault.severity(literal::eased(severity, document.path));
        if module != "debug"
            && let Some(edit) = insertion(task, document.text)
        {
            fault = fault.fix(Fix {
                class: FixClass::Safe,
                title: "keep the task out of the log".to_owned(),
                edits: vec![edit],
            });
        }
        context.tell(fault);
        return;
    }
}

/// Keys of a task that are no module.
fn is_keyword(key: &str) -> bool {
    const KEYWORDS: [&str; 16] = [
        "name",
        "when",
        "loop",
        "vars",
        "tags",
        "register",
        "environment",
        "loop_control",
        "until",
        "notify",
        "become",
        "become_user",
        "delegate_to",
        "args",
        "changed_when",
        "failed_when",
    ];
    KEYWORDS.contains(&key) || key.starts_with("with_")
}

/// The name of a secret and where it is used.
type Use = (String, Range<usize>);

/// A secret that `debug` shows.
fn shown(entry: &Entry) -> Option<Use> {
    let node = &entry.value;
    if let Some(var) = node.get("var") {
        let name = var.text()?.trim();
        return secret_of(name).map(|name| (name, var.span.clone()));
    }
    if let Some(message) = node.get("msg") {
        let texts = std::iter::once(message).chain(message.items());
        return texts.filter_map(interpolated).next();
    }
    match node.text()?.trim().strip_prefix("var=") {
        Some(var) => {
            let name = secret_of(var.trim_matches(['"', '\'']))?;
            Some((name, node.span.clone()))
        }
        None => interpolated(node),
    }
}

/// A secret on a command line; what a command reads from its input or environment is not.
fn command(node: &Node) -> Option<Use> {
    let nodes = std::iter::once(node)
        .chain(
            ["cmd", "_raw_params"]
                .iter()
                .filter_map(|key| node.get(key)),
        )
        .chain(node.get("argv").map_or(&[][..], Node::items));
    nodes.filter_map(interpolated).next()
}

/// A fact that holds a secret.
fn fact(node: &Node) -> Option<Use> {
    let entry = node.entries().iter().find(|entry| {
        let value = entry.value.text().unwrap_or_default();
        literal::is_secret(&entry.key)
            && !matches!(entry.key.as_str(), "secret" | "secrets")
            && value.contains("{{")
            && !is_cleaned(value)
    })?;
    Some((entry.key.clone(), entry.value.span.clone()))
}

/// A secret field of the item that a loop prints.
fn item(node: &Node) -> Option<Use> {
    let mut found = None;
    node.leaves(&mut |path, leaf| {
        let text = leaf.text().unwrap_or_default();
        if found.is_some() || !text.contains("{{") || !text.contains("item") || is_cleaned(text) {
            return;
        }
        let name = path.key().map(|key| key.key).unwrap_or_default();
        let field = interpolated(leaf).filter(|(name, _)| name.starts_with("item."));
        let is_secret = literal::is_secret(name) && !name.ends_with("ssh_key");
        let whole = is_secret.then(|| (name.to_owned(), leaf.span.clone()));
        found = field.or(whole);
    });
    found
}

/// Returns the first secret that `{{ }}` fills in.
fn interpolated(node: &Node) -> Option<Use> {
    let scalar = node.scalar()?;
    let text = &scalar.text;
    let mut at = 0;
    while let Some(open) = text.get(at..)?.find("{{") {
        let start = at + open;
        let expression = text.get(start + 2..)?;
        let length = expression.find("}}")?;
        let expression = expression.get(..length)?;
        let end = start + 2 + length + 2;
        if let Some(name) = secret_of(expression).filter(|_| !is_cleaned(expression)) {
            return Some((name, scalar.source(start..end)));
        }
        at = end;
    }
    None
}

/// Returns the first name of a secret in an expression; words in quotes are none.
fn secret_of(expression: &str) -> Option<String> {
    let mut quote = None;
    let bare: String = expression
        .chars()
        .map(|c| match (quote, c) {
            (None, '"' | '\'') => {
                quote = Some(c);
                ' '
            }
            (Some(open), c) if c == open => {
                quote = None;
                ' '
            }
            (Some(_), _) => ' ',
            (None, c) => c,
        })
        .collect();
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    bare.split(|c| !is_name(c))
        .find(|name| {
            let last = name.rsplit('.').next().unwrap_or_default();
            // The key for SSH is mostly the public one.
            literal::is_secret(last)
                && !matches!(last, "secret" | "secrets" | "pass")
                && !last.ends_with("ssh_key")
        })
        .map(str::to_owned)
}

/// Tells whether an expression gives only something about the secret.
fn is_cleaned(expression: &str) -> bool {
    const CLEANERS: [&str; 11] = [
        "length",
        "is defined",
        "is not defined",
        "password_hash",
        "hash(",
        "bool",
        "ternary",
        "type_debug",
        "is none",
        "is not none",
        "count",
    ];
    let filters = expression
        .split_once(['|', ' '])
        .map_or("", |(_, rest)| rest);
    CLEANERS.iter().any(|cleaner| filters.contains(cleaner))
}

/// Adds `no_log: true` before the second entry of a task, or before its only one; mends one that is off.
fn insertion(task: &Node, text: &str) -> Option<Edit> {
    if let Some(off) = task.entry("no_log") {
        return Some(Edit::replace(off.value.span.clone(), "true"));
    }
    let entry = task.entries().get(1).or_else(|| task.entries().first())?;
    let start = entry.key_span.start;
    let line = literal::before(text, start)?;
    if text.get(task.span.start..)?.starts_with('{') || entry.value.alias.is_some() {
        return None;
    }
    let newline = literal::newline(text, start);
    let indent = " ".repeat(line.chars().count());
    Some(Edit::replace(
        start..start,
        format!("no_log: true{newline}{indent}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{BlobPath, DigestKey},
        policy::{environment::Environments, read, wants},
    };

    fn faults(text: &str) -> Vec<Fault> {
        let path = BlobPath::from("roles/x/tasks/main.yml");
        let key = DigestKey::new([7; 32]);
        let kind = wants(&path).unwrap();
        let reading = read(&path, kind, text.as_bytes(), &key, &Environments::default());
        assert_eq!(reading.note, None, "{text}");
        let faults = reading.faults.into_iter();
        faults.filter(|fault| fault.lint.id == META.id).collect()
    }

    #[test]
    fn the_fix_silences_the_task() {
        for text in [
            "- name: x\n  command: \"login {{ db_password }}\"\n",
            "- command: \"login {{ db_password }}\"\n",
            "- name: x\r\n  shell: |\r\n    login {{ db_password }}\r\n  when: y\r\n",
            "- block:\n    - name: x\n      set_fact:\n        api_token: \"{{ r.token }}\"\n      no_log: false\n",
        ] {
            let found = faults(text);
            assert_eq!(found.len(), 1, "{text}");
            let mut fixed = text.to_owned();
            for edit in &found[0].fix.clone().unwrap().edits {
                fixed.replace_range(edit.span.clone(), &edit.text);
            }
            assert!(faults(&fixed).is_empty(), "{fixed}");
        }
    }

    #[test]
    fn names_in_expressions() {
        for (text, want) in [
            ("{{ db_password }}", Some("db_password")),
            ("{{ item.password }}", Some("item.password")),
            ("a {{ b }} {{ lookup('x', 'api_token') }}", None),
            (
                "{{ a }} {{ db_password | default('x') }}",
                Some("db_password"),
            ),
            ("{{ db_password | length }}", None),
            ("{{ db_password is defined }}", None),
            ("{{ open", None),
        ] {
            let trees = crate::policy::readers::yaml::read(&format!("a: \"{text}\"")).unwrap();
            let found = interpolated(trees[0].get("a").unwrap());
            assert_eq!(found.map(|found| found.0).as_deref(), want, "{text}");
        }
    }
}
