//! The bad forms in the ways that people write them.

use super::LINTS;
use crate::{
    model::{BlobPath, DigestKey, Severity},
    policy::{environment::Environments, read, wants},
};

/// Returns what is told at `low` and above: the lint and the text that it points at.
fn told(path: &str, text: &str) -> Vec<(&'static str, String)> {
    let blob = BlobPath::from(path);
    let key = DigestKey::new([7; 32]);
    let kind = wants(&blob).unwrap();
    let reading = read(&blob, kind, text.as_bytes(), &key, &Environments::default());
    assert_eq!(reading.note, None, "{text}");
    let faults = reading.faults.into_iter();
    let metas = || LINTS.iter().flat_map(|lint| lint.metas());
    let faults = faults.filter(|fault| {
        fault.severity > Severity::Info && metas().any(|meta| meta.id == fault.lint.id)
    });
    faults
        .map(|fault| (fault.lint.id, text[fault.span].to_owned()))
        .collect()
}

const PW: &str = "hunter2-Zq81";

const ANSIBLE: &[(&str, &str)] = &[
    ("group_vars/all.yml", "db_password: 'hunter2-Zq81'\n"),
    (
        "group_vars/all.yml",
        "db_password: \"hunter2-Zq81\" # note\n",
    ),
    ("group_vars/all.yml", "db_password: >-\n  hunter2-Zq81\n"),
    (
        "group_vars/all.yml",
        "a: 1\r\ndb_password: hunter2-Zq81\r\n",
    ),
    (
        "group_vars/all",
        "---\ndb:\n  - {name: x, password: hunter2-Zq81}\n",
    ),
    (
        "group_vars/all.yml",
        "users:\n  - &u\n    password: hunter2-Zq81\n  - *u\n",
    ),
    (
        "host_vars/db1.yml",
        "ansible_become_password: hunter2-Zq81\n",
    ),
    (
        "site.yml",
        "- hosts: a\n  roles:\n    - role: db\n      vars: {db_password: hunter2-Zq81}\n",
    ),
    ("hosts", "[db:vars]\nansible_ssh_pass = hunter2-Zq81\n"),
    (
        "inventory/prod.ini",
        "db1 ansible_password=hunter2-Zq81 # ansible_x\n",
    ),
];

const SERVERLESS: &[(&str, &str)] = &[
    (
        "serverless.yml",
        "service: a\nprovider:\n  environment: &e\n    DB_PASSWORD: 'hunter2-Zq81'\nfunctions:\n  f:\n    environment: *e\n",
    ),
    (
        "serverless.yaml",
        "service: a\r\ncustom:\r\n  dbPassword: \"hunter2-Zq81\"\r\n",
    ),
    (
        "wrangler.toml",
        "[env.production.vars]\nAPI_TOKEN = 'hunter2-Zq81'\n",
    ),
    (
        "wrangler.jsonc",
        "{\n  // note\n  \"vars\": {\"API_TOKEN\": \"hunter2-Zq81\",},\n}\n",
    ),
    (
        "vercel.json",
        "{\"build\": {\"env\": {\"API_TOKEN\": \"hunter2-Zq81\"}}}",
    ),
    (
        "render.yaml",
        "envVarGroups:\n  - name: g\n    envVars:\n      - {key: API_TOKEN, value: 'hunter2-Zq81'}\n",
    ),
    (
        "netlify.toml",
        "[context.production.environment]\nAPI_TOKEN = \"hunter2-Zq81\"\n",
    ),
    (
        "samconfig.toml",
        "[default.deploy.parameters]\nparameter_overrides = [\"DbPassword=hunter2-Zq81\"]\n",
    ),
];

const PULUMI: &[&str] = &[
    "config:\n  app:dbPassword: \"hunter2-Zq81\"\n",
    "config:\n  app:db:\n    hosts:\n      - password: 'hunter2-Zq81'\n",
    "config:\r\n  app:dbPassword: hunter2-Zq81\r\n",
    "config:\n  app:dbPassword:\n    value: hunter2-Zq81\n",
];

#[test]
fn values_in_all_styles_are_pointed_at_exactly() {
    for (path, text) in ANSIBLE {
        assert_eq!(
            told(path, text),
            [("ansible-plaintext-secret", PW.to_owned())],
            "{text}"
        );
    }
    for (path, text) in SERVERLESS {
        assert_eq!(
            told(path, text),
            [("serverless-plaintext-env", PW.to_owned())],
            "{text}"
        );
    }
    for text in PULUMI {
        let found = told("Pulumi.prod.yaml", text);
        assert_eq!(
            found,
            [("pulumi-plaintext-config", PW.to_owned())],
            "{text}"
        );
    }
}

#[test]
fn what_is_no_secret_is_silent() {
    for (path, text) in [
        (
            "group_vars/all.yml",
            "db_password: '{{ lookup(\"env\", \"PW\") }}'\n",
        ),
        (
            "group_vars/all.yml",
            "password_hash_algorithm: sha512-Zq81\nmysql_root_password_update: yes\n",
        ),
        (
            "roles/x/tasks/main.yml",
            "- user: name=app update_password=on_create\n- debug: var=db_password_file\n",
        ),
        (
            "serverless.yml",
            "service: a\nprovider:\n  environment:\n    DB_PASSWORD_ARN: !Ref Secret\n    TABLE: ${self:custom.table}\n",
        ),
        (
            "Pulumi.prod.yaml",
            "config:\n  app:dbPassword:\n    secure: hunter2-Zq81\n",
        ),
        (
            "app.yaml",
            "runtime: python312\nenv_variables:\n  DB_PASSWORD_SECRET: projects/p/secrets/db/versions/latest\n",
        ),
    ] {
        assert!(
            told(path, text).is_empty(),
            "{text}: {:?}",
            told(path, text)
        );
    }
}

#[test]
fn tasks_in_all_forms() {
    for (task, word) in [
        ("- debug: {var: db_password}", "db_password"),
        (
            "- ansible.builtin.debug:\n    msg:\n      - a\n      - 'x {{ db_password }}'",
            "{{ db_password }}",
        ),
        (
            "- shell: >\n    login {{ db_password }}",
            "{{ db_password }}",
        ),
        (
            "- shell: |\n    a\n    login \"{{ db_password }}\"\n  when: x",
            "{{ db_password }}",
        ),
        (
            "- ansible.builtin.command:\n    argv: [login, '{{ api_token }}']",
            "{{ api_token }}",
        ),
        (
            "- command:\n    cmd: login {{ hostvars['x'].api_token }}",
            "{{ hostvars['x'].api_token }}",
        ),
        (
            "- mysql_user:\n    password: '{{ item.value.password }}'\n  with_dict: '{{ users }}'",
            "{{ item.value.password }}",
        ),
        (
            "- mysql_user:\n    password: '{{ item }}'\n  with_items: '{{ x }}'",
            "'{{ item }}'",
        ),
    ] {
        let text = format!("{task}\n");
        let found = told("roles/x/tasks/main.yml", &text);
        assert_eq!(
            found,
            [("ansible-no-log-missing", word.to_owned())],
            "{text}"
        );
    }
}
