use crate::{
    model::{BlobPath, DigestKey},
    policy::{FileKind, environment::Environments, fault::Fault, read, wants},
};

fn faults(text: &str) -> Vec<Fault> {
    let blob = BlobPath::from(".gitlab-ci.yml");
    assert_eq!(wants(&blob), Some(FileKind::GitlabCi));
    let key = DigestKey::new([7; 32]);
    let reading = read(
        &blob,
        FileKind::GitlabCi,
        text.as_bytes(),
        &key,
        &Environments::default(),
    );
    let all = reading.faults.into_iter();
    all.filter(|fault| fault.lint.id.starts_with("gl-"))
        .collect()
}

/// What is told: rule, severity, and the text pointed at.
fn told(text: &str) -> String {
    let all = faults(text);
    let shown = all.iter().map(|fault| {
        let id = fault.lint.id.trim_start_matches("gl-");
        format!(
            "{id}@{} {}",
            fault.severity.as_str(),
            &text[fault.span.clone()]
        )
    });
    shown.collect::<Vec<_>>().join(" | ")
}

fn check(table: &[(&str, &str)]) {
    for (text, want) in table {
        assert_eq!(told(text), *want, "\n{text}");
    }
}

#[test]
fn variables_in_all_their_forms() {
    check(&[
        (
            "variables:\n  DB_PASSWORD: \"hunter2-Zq81\"\n",
            "plaintext-variable@high hunter2-Zq81",
        ),
        (
            "variables:\r\n  DB_PASSWORD: 'hunter2-Zq81'\r\n",
            "plaintext-variable@high hunter2-Zq81",
        ),
        (
            "variables:\n  DB_PASSWORD: postgres\n",
            "plaintext-variable@info postgres",
        ),
        (
            "variables: {MASTER_KEY: hunter2-Zq81}\n",
            "plaintext-variable@critical hunter2-Zq81",
        ),
        (
            "variables:\n  DATABASE_URL: postgres://a:hunter2-Zq81@db/x\n",
            "plaintext-variable@high postgres://a:hunter2-Zq81@db/x",
        ),
        ("variables:\n  DATABASE_URL: postgres://db/x\n", ""),
        (
            "a:\n  services: [postgres]\n  variables:\n    POSTGRES_PASSWORD: hunter2-Zq81\n  script: x\n",
            "plaintext-variable@info hunter2-Zq81",
        ),
        (
            "a:\n  rules:\n    - if: $X\n      variables:\n        API_TOKEN: hunter2-Zq81\n  script: x\n",
            "plaintext-variable@high hunter2-Zq81",
        ),
        (
            "a:\n  parallel:\n    matrix:\n      - API_TOKEN: [hunter2-Zq81, $B]\n  script: x\n",
            "plaintext-variable@high hunter2-Zq81",
        ),
        (
            "spec:\n  inputs:\n    api-token:\n      default: hunter2-Zq81\n---\na:\n  script: x\n",
            "plaintext-variable@high hunter2-Zq81",
        ),
        (
            "include:\n  - local: x.yml\n    inputs:\n      api-token: hunter2-Zq81\n",
            "plaintext-variable@high hunter2-Zq81",
        ),
        (
            ".v: &v\n  variables:\n    API_TOKEN: hunter2-Zq81\na:\n  <<: *v\n  script: x\nb:\n  <<: *v\n  script: x\n",
            "plaintext-variable@high hunter2-Zq81",
        ),
        (
            "variables:\n  A: hunter2-Zq81\n  SECRET_NAME: hunter2-Zq81\n  TOKEN: ''\n",
            "",
        ),
        (
            "a:\n  script:\n    - export API_TOKEN=hunter2-Zq81\n",
            "plaintext-variable@high hunter2-Zq81",
        ),
    ]);
}

#[test]
fn scripts_in_all_their_forms() {
    check(SCRIPTS);
}

const SCRIPTS: &[(&str, &str)] = &[
    (
        "a:\n  script: echo $API_TOKEN\n",
        "secret-echo@high $API_TOKEN",
    ),
    (
        "a:\n  script:\n    - |\n      if true; then\n        echo \"$API_TOKEN\"\n      fi\n",
        "secret-echo@high \"$API_TOKEN\"",
    ),
    (
        "a:\n  script:\n    - >\n      echo\n      \"$API_TOKEN\"\n",
        "secret-echo@high \"$API_TOKEN\"",
    ),
    (
        "a:\n  script:\n    - 'echo ''x'' \"$API_TOKEN\"'\n",
        "secret-echo@high \"$API_TOKEN\"",
    ),
    (
        "a:\n  script:\n    - \"echo \\\"x\\\" $API_TOKEN\"\n",
        "secret-echo@high $API_TOKEN",
    ),
    (
        "a:\r\n  script:\r\n    - echo \"$API_TOKEN\"\r\n",
        "secret-echo@high \"$API_TOKEN\"",
    ),
    (
        "default:\n  before_script:\n    - set -x\na:\n  script:\n    - test -n \"$API_TOKEN\"\n",
        "secret-echo@medium \"$API_TOKEN\"",
    ),
    (
        "before_script: [set -x]\na:\n  before_script: []\n  script:\n    - test -n \"$API_TOKEN\"\n",
        "",
    ),
    (
        "a:\n  after_script:\n    - env\n  script: x\n",
        "secret-echo@medium env",
    ),
    (
        ".t:\n  script:\n    - echo $API_TOKEN\na:\n  extends: .t\nb:\n  extends: [.t]\n",
        "secret-echo@high $API_TOKEN",
    ),
    (
        ".t:\n  script: &s\n    - echo $API_TOKEN\na:\n  script:\n    - *s\n    - ls\n",
        "secret-echo@high $API_TOKEN",
    ),
    (
        ".t:\n  script:\n    - echo $API_TOKEN\na:\n  script:\n    - !reference [.t, script]\n    - ls\n",
        "secret-echo@high $API_TOKEN",
    ),
    (
        "a:\n  variables:\n    API_TOKEN: none\n  script: echo $API_TOKEN\n",
        "",
    ),
    (
        "a:\n  secrets:\n    X: {vault: a/b, file: false}\n  script: echo $X\n",
        "secret-echo@high $X",
    ),
    (
        "a:\n  id_tokens:\n    X: {aud: a}\n  script: ./x --token $X\n",
        "secret-argv@medium $X",
    ),
    (
        "a:\n  script: echo $CI_COMMIT_REF_NAME $CI_REGISTRY_USER $PWD\n",
        "",
    ),
    (
        "a:\n  script: echo $CI_JOB_TOKEN\n",
        "secret-echo@high $CI_JOB_TOKEN",
    ),
    (
        "a:\n  script: 'curl --header \"JOB-TOKEN: $CI_JOB_TOKEN\" x'\n",
        "secret-argv@info \"JOB-TOKEN: $CI_JOB_TOKEN\"",
    ),
    (
        "a:\n  script: git clone https://x:$API_TOKEN@h/r\n",
        "secret-argv@medium https://x:$API_TOKEN@h/r",
    ),
    (
        "a:\n  script:\n    - T=$(vault kv get -field=x y)\n    - echo $T\n",
        "secret-echo@high $T",
    ),
    (
        "a:\n  script: Write-Host $env:API_TOKEN\n",
        "secret-echo@high $env:API_TOKEN",
    ),
    (
        "a:\n  script:\n    - mkdir -p ~/.ssh && echo \"$SSH_PRIVATE_KEY\" > ~/.ssh/id\n    - ssh-add <(echo \"$SSH_PRIVATE_KEY\" | tr -d '\\r')\n    - chmod 600 $SSH_PRIVATE_KEY && ssh -i $SSH_PRIVATE_KEY h\n",
        "",
    ),
    (
        "a:\n  script:\n    - source ci/lib.sh\n    - add_keys $DEPLOY_TOKEN\n",
        "",
    ),
    (
        "workflow:\n  rules:\n    - if: $X\nvariables:\n  A: b\n",
        "",
    ),
    ("a: *x\n", ""),
];

#[test]
fn debug_switches() {
    check(&[
        (
            "a:\n  variables:\n    CI_DEBUG_TRACE: true\n  script: x\n",
            "debug-trace@high true",
        ),
        (
            "variables:\n  CI_DEBUG_TRACE:\n    value: \"true\"\n    description: x\n",
            "debug-trace@high \"true\"",
        ),
        (
            "a:\n  rules:\n    - variables: {CI_DEBUG_SERVICES: True}\n  script: x\n",
            "debug-trace@high True",
        ),
        ("variables:\n  CI_DEBUG_TRACE: no\n", ""),
    ]);
}

#[test]
fn kept_files() {
    check(&[
        (
            "a:\n  script: make\n  artifacts:\n    paths: [.env.production]\n",
            "secret-in-artifact-or-cache@high .env.production",
        ),
        (
            "a:\n  script: make\n  artifacts:\n    expire_in: 1 hour\n    paths: [.netrc]\n",
            "secret-in-artifact-or-cache@medium .netrc",
        ),
        (
            "a:\n  script: make\n  artifacts:\n    access: none\n    paths: [.netrc]\n",
            "secret-in-artifact-or-cache@medium .netrc",
        ),
        (
            "a:\n  script: make\n  artifacts:\n    paths: [.env.example, .m2/repository, dist, .npm/, .dockerignore]\n",
            "",
        ),
        (
            "a:\n  script: make\n  cache:\n    - paths: [.cargo/registry]\n    - paths: [~/.aws]\n",
            "secret-in-artifact-or-cache@high ~/.aws",
        ),
        (
            "a:\n  script: echo \"$API_TOKEN\" > conf/x.json\n  artifacts:\n    paths: ['conf/*.json']\n",
            "secret-in-artifact-or-cache@high \"$API_TOKEN\"",
        ),
        (
            "a:\n  script: echo \"$API_TOKEN\" > conf/x.json\n  artifacts:\n    paths: ['conf/*.xml']\n",
            "",
        ),
        (
            "a:\n  script: echo \"$API_TOKEN\" > ./x\n  artifacts:\n    untracked: true\n",
            "secret-in-artifact-or-cache@high \"$API_TOKEN\"",
        ),
        (
            "a:\n  script: env > build.env\n  artifacts:\n    reports: {dotenv: [build.env]}\n",
            "secret-in-artifact-or-cache@high env > build.env",
        ),
        (
            "a:\n  script: echo \"$API_TOKEN\" > /tmp/x\n  artifacts:\n    untracked: true\n",
            "",
        ),
        (
            "a:\n  script: make\n  cache: &c\n    paths: [.docker]\nb:\n  script: make\n  cache: *c\n",
            "secret-in-artifact-or-cache@high .docker",
        ),
    ]);
}

#[test]
fn cloud_keys() {
    check(&[
        (
            "a:\n  script: AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY ./x\n",
            "static-cloud-key@medium $AWS_SECRET_ACCESS_KEY",
        ),
        (
            "a:\n  script: test -n \"${AWS_SECRET_ACCESS_KEY:+x}\"\n",
            "",
        ),
        (
            "variables:\n  AWS_SECRET_ACCESS_KEY: $K\na:\n  script: x\nb:\n  script: y\n",
            "static-cloud-key@medium AWS_SECRET_ACCESS_KEY",
        ),
        (
            "default:\n  id_tokens:\n    T: {aud: x}\na:\n  script: ARM=\"$ARM_CLIENT_SECRET\" ./x\n",
            "",
        ),
    ]);
}

/// Applies a fault's fix.
fn mended(text: &str) -> String {
    let fault = faults(text)
        .into_iter()
        .find(|fault| fault.fix.is_some())
        .expect(text);
    let mut edits = fault.fix.expect(text).edits;
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
    let mut fixed = text.to_owned();
    for edit in edits {
        fixed.replace_range(edit.span, &edit.text);
    }
    assert_eq!(told(&fixed), "", "{fixed}");
    fixed
}

#[test]
fn fixes_leave_a_file_without_the_fault() {
    for (text, want) in [
        (
            "a:\n  script:\n    - docker login -u x -p $CI_REGISTRY_PASSWORD r # in\n",
            "a:\n  script:\n    - echo \"$CI_REGISTRY_PASSWORD\" | docker login -u x --password-stdin r # in\n",
        ),
        (
            "a:\n  script:\n    - |\n      make\n      docker login -u x -p \"${CI_REGISTRY_PASSWORD}\"\n",
            "a:\n  script:\n    - |\n      make\n      echo \"${CI_REGISTRY_PASSWORD}\" | docker login -u x --password-stdin\n",
        ),
        (
            "a:\n  script:\n    - echo \"x $API_TOKEN\"\n",
            "a:\n  script:\n    - test -n \"$API_TOKEN\"\n",
        ),
        (
            "variables:\n  A: b\n  CI_DEBUG_TRACE: \"true\"\n  # why\n  C: d\n",
            "variables:\n  A: b\n  # why\n  C: d\n",
        ),
    ] {
        assert_eq!(mended(text), want);
    }
    for text in [
        "a:\n  script:\n    - \"docker login -u x -p $CI_REGISTRY_PASSWORD\"\n",
        "variables:\n  CI_DEBUG_TRACE: true\n",
        "variables: {A: b, CI_DEBUG_TRACE: true}\n",
    ] {
        assert!(
            faults(text).iter().all(|fault| fault.fix.is_none()),
            "{text}"
        );
    }
}

/// Pieces of pipelines that a property is tried on.
const PARTS: [&str; 34] = [
    "a:\n",
    "b:\n",
    ".t: &t\n",
    "  script:\n",
    "  script: ",
    "    - echo \"$API_TOKEN\"\n",
    "    - |\n",
    "      set -x\n",
    "  <<: *t\n",
    "  extends: .t\n",
    "  extends: [a, b]\n",
    "    - !reference [a, script]\n",
    "    - !reference [.t, script]\n",
    "variables:\n",
    "  DB_PASSWORD: hunter2-Zq81\n",
    "  CI_DEBUG_TRACE: true\n",
    "  artifacts:\n",
    "    paths: [.env, '**/*']\n",
    "    untracked: true\n",
    "  rules:\n",
    "    - if: $CI_COMMIT_BRANCH == \"x\" && ($A =~ /a/\n",
    "  only: [/^x$/, merge_requests]\n",
    "  environment: production\n",
    "    - echo $API_TOKEN > x\n",
    "  cache: {paths: [.aws]}\n",
    "\n",
    "---\n",
    "    - docker login -u a -p $API_TOKEN\n",
    "é",
    "\"",
    "'",
    "  - [",
    "]\n",
    "workflow: {rules: [{when: never}]}\n",
];

proptest::proptest! {
    #[test]
    fn never_panics_and_spans_lie_in_the_text(parts in proptest::collection::vec(0..PARTS.len(), 0..30)) {
        let text: String = parts.iter().map(|at| PARTS[*at]).collect();
        told(&text);
    }
}
