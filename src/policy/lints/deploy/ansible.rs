//! `ansible-plaintext-secret`: a secret in variables, an inventory or a task that no vault holds.

use std::ops::Range;

use super::super::{
    super::{
        FileKind, FixClass, Persona,
        lint::{Context, Document, Lint, LintMeta},
    },
    literal::{self, Names},
};
use crate::model::{Confidence, Severity};

/// See the head of this file.
pub(super) struct Ansible;

const META: LintMeta = LintMeta {
    id: "ansible-plaintext-secret",
    title: "A secret stands in variables, an inventory or a task in clear",
    tool: "Ansible",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management cheat sheet, section 5 (detection in code)",
        "OWASP Non-Human Identities Top 10 2025, NHI2 Secret Leakage",
        "Ansible, Protecting sensitive data with Ansible vault",
    ],
    cwe: 798,
    fix: FixClass::None,
    why: "Whoever can read the repository, now or in its history, has the secret of every host that the file is for.",
    help: "Encrypt the value (`ansible-vault encrypt_string`, which gives `!vault |`) or look it up in a store (`community.hashi_vault`, `amazon.aws.secretsmanager_secret`). Rotate what was committed.",
    bad: &[
        &[(
            "group_vars/prod.yml",
            "db_user: app\ndb_password: hunter2-Zq81\n",
        )],
        &[(
            "site.yml",
            "- hosts: db\n  vars:\n    db_password: \"hunter2-Zq81\"\n  tasks: []\n",
        )],
        &[(
            "roles/db/tasks/main.yml",
            "- name: make the user\n  mysql_user:\n    name: app\n    password: hunter2-Zq81\n",
        )],
        &[(
            "roles/db/tasks/main.yml",
            "- name: make the user\n  mysql_user: name=app password=hunter2-Zq81\n",
        )],
        &[(
            "inventory/prod",
            "[db]\ndb1 ansible_host=10.0.0.1 ansible_password='hunter2-Zq81'\n",
        )],
        &[(
            "inventory/hosts.yml",
            "all:\n  hosts:\n    db1:\n      ansible_become_pass: hunter2-Zq81\n",
        )],
    ],
    good: &[
        &[(
            "group_vars/prod.yml",
            "db_user: app\ndb_password: \"{{ vault_db_password }}\"\napi_token: \"{{ lookup('community.hashi_vault.hashi_vault', 'secret/data/app:token') }}\"\n",
        )],
        &[(
            "group_vars/prod.yml",
            "db_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162636465666768\n  6162636465666768\n",
        )],
        &[(
            "group_vars/vault.yml",
            "$ANSIBLE_VAULT;1.1;AES256\n61626364656667686162636465666768\n6162636465666768\n",
        )],
        // Empty defaults of roles, and words about passwords.
        &[(
            "roles/db/defaults/main.yml",
            "db_password: \"\"\ndb_password_file: /etc/db/pw\nupdate_password: on_create\n",
        )],
        &[(
            "molecule/default/converge.yml",
            "- hosts: all\n  vars:\n    db_password: hunter2-Zq81\n  roles: [db]\n",
        )],
        &[(
            "inventory/prod",
            "[db]\ndb1 ansible_host=10.0.0.1 ansible_password=\"{{ vault_pw }}\"\n[db:vars]\nansible_user=deploy\n",
        )],
    ],
};

/// Arguments whose names sound like secrets and that take a word.
const NO_SECRETS: [&str; 8] = [
    "update_password",
    "no_log",
    "password_lock",
    "ask_pass",
    "ask_become_pass",
    "become_ask_pass",
    "token_type",
    "vars_prompt",
];

impl Lint for Ansible {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&META]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        literal::parted(context, |context| all(document, context));
    }
}

fn all(document: &Document<'_>, context: &mut Context<'_>) {
    if is_inventory(document) {
        inventory(document, context);
    }
    if document.kind != FileKind::Ansible || document.text.starts_with("$ANSIBLE_VAULT;") {
        return;
    }
    for tree in document.trees() {
        let mut found = Vec::new();
        literal::each(&Names::root(""), tree, None, &mut |it| found.push(it));
        for it in found {
            if NO_SECRETS.contains(&it.name.as_str()) {
                continue;
            }
            // The old form of arguments: `module: a=x b=y`.
            let pairs = if it.value.contains('=') && !literal::is_secret(&it.name) {
                words(&it.value)
            } else {
                Vec::new()
            };
            for (name, value) in pairs {
                // The text of such a line is as it stands in the file.
                let same = it.span.len() == it.value.len();
                let name = it.value.get(name).unwrap_or_default();
                let text = it.value.get(value.clone()).unwrap_or_default();
                if same && !NO_SECRETS.contains(&name) {
                    let span = it.span.start + value.start..it.span.start + value.end;
                    let names = Names {
                        name: &it.name,
                        owner: None,
                        path: it.path.clone(),
                    };
                    let inner = names.below(name).literal(text.to_owned(), span);
                    super::tell(&META, inner, document, context);
                }
            }
            super::tell(&META, it, document, context);
        }
    }
}

/// Tells whether a file is an inventory in Ansible's own form.
fn is_inventory(document: &Document<'_>) -> bool {
    document.kind == FileKind::Properties && document.text.contains("ansible_")
}

/// Variables of hosts stand behind the host on one line, those of groups alone.
fn inventory(document: &Document<'_>, context: &mut Context<'_>) {
    let mut start = 0;
    let mut section = "";
    for line in document.text.split_inclusive('\n') {
        let text = line.trim();
        if text.starts_with('[') {
            section = text.trim_matches(['[', ']']);
        } else if !text.starts_with(['#', ';']) {
            let host = text.split_whitespace().next().unwrap_or_default();
            let host = if host.contains('=') { section } else { host };
            for (name, value) in words(line) {
                let name = line.get(name).unwrap_or_default();
                let text = line.get(value.clone()).unwrap_or_default();
                let names = Names::root(host);
                let span = start + value.start..start + value.end;
                let it = names.below(name).literal(text.to_owned(), span);
                super::tell(&META, it, document, context);
            }
        }
        start += line.len();
    }
}

/// Returns the bytes of names and values of `a=x b="y z"`; blanks may stand around the sign.
pub(super) fn words(text: &str) -> Vec<(Range<usize>, Range<usize>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(sign) = text.get(at..).and_then(|rest| rest.find('=')) {
        let sign = at + sign;
        let before = text.get(at..sign).unwrap_or_default().trim_end();
        let start = before.rfind(|c| !is_name(c)).map_or(0, |found| {
            found
                + before
                    .get(found..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(1, char::len_utf8)
        });
        let name = at + start..at + before.len();
        let rest = text.get(sign + 1..).unwrap_or_default();
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        let mut from = sign + 1 + blanks;
        let value = text.get(from..).unwrap_or_default();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        from += usize::from(quote.is_some());
        let value = text.get(from..).unwrap_or_default();
        let end = match quote {
            Some(quote) => value.find(quote).unwrap_or(value.len()),
            // An expression of Jinja may hold blanks.
            None if value.starts_with("{{") => {
                value.find("}}").map_or(value.len(), |end| end + "}}".len())
            }
            None => value.find(char::is_whitespace).unwrap_or(value.len()),
        };
        if !name.is_empty() {
            out.push((name, from..from + end));
        }
        at = (from + end).max(sign + 1);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_old_forms() {
        let found = |text: &str| -> Vec<String> {
            words(text)
                .into_iter()
                .map(|(name, value)| format!("{}>{}", &text[name], &text[value]))
                .collect()
        };
        assert_eq!(found("name=app password=x"), ["name>app", "password>x"]);
        assert_eq!(found("a='x y' b = \"z\"\n"), ["a>x y", "b>z"]);
        assert_eq!(found("a={{ x | y }} b=1\r\n"), ["a>{{ x | y }}", "b>1"]);
        assert_eq!(
            found("host1 ansible_password=x=y"),
            ["ansible_password>x=y"]
        );
        assert!(found("no signs").is_empty());
        assert!(found("=").is_empty());
    }

    proptest! {
        #[test]
        fn words_never_panic(text in "[ab=\"'{} é\n]{0,40}") {
            for (name, value) in words(&text) {
                assert!(text.get(name).is_some() && text.get(value).is_some());
            }
        }
    }
}
