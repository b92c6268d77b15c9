//! Tables of forms, by tool.

use proptest::prelude::*;

use crate::model::{BlobPath, DigestKey};
use crate::policy::{Fault, environment::Environments, read::read, wants};

fn run(path: &str, text: &str) -> Vec<Fault> {
    let blob = BlobPath::from(path);
    let kind = wants(&blob).unwrap();
    read(
        &blob,
        kind,
        text.as_bytes(),
        &DigestKey::new([7; 32]),
        &Environments::default(),
    )
    .faults
}

fn told(path: &str, text: &str) -> Vec<String> {
    let faults = run(path, text);
    let tools = ["ci-", "azure-", "jenkins-", "bitbucket-"];
    let own = faults
        .iter()
        .filter(|fault| tools.iter().any(|tool| fault.lint.id.starts_with(tool)));
    own.map(|fault| {
        format!(
            "{} {} {}",
            fault.lint.id,
            fault.severity.as_str(),
            &text[fault.span.clone()]
        )
    })
    .collect()
}

/// Texts, and what is told of them.
const CIRCLE: &[(&str, &[&str])] = &[
    (
        "jobs:\n  a:\n    docker:\n      - image: x\n        auth: {username: u, password: hunter2-Zq81}\n",
        &["ci-plaintext-env high hunter2-Zq81"],
    ),
    (
        "jobs:\n  a:\n    docker:\n      - image: x\n      - image: y\n        environment: {DB_PASSWORD: hunter2-Zq81}\n",
        &[],
    ),
    (
        "jobs:\n  a:\n    environment:\n      - API_KEY=hunter2-Zq81\n      - B: 1\n",
        &["ci-plaintext-env high hunter2-Zq81"],
    ),
    (
        "executors:\n  e: &e\n    environment: {API_KEY: \"hunter2-Zq81\"}\njobs:\n  a:\n    <<: *e\n",
        &["ci-plaintext-env high hunter2-Zq81"],
    ),
    (
        "jobs:\n  a:\n    environment: {ENCRYPTION_KEY: hunter2-Zq81, POSTGRES_PASSWORD: postgres}\n",
        &[
            "ci-plaintext-env critical hunter2-Zq81",
            "ci-plaintext-env info postgres",
        ],
    ),
    (
        "commands:\n  c:\n    steps:\n      - when:\n          condition: x\n          steps:\n            - run:\n                name: n\n                command: |\n                  echo \"$API_TOKEN\"\n",
        &["ci-secret-exposed high \"$API_TOKEN\""],
    ),
    (
        "jobs:\n  a:\n    steps:\n      - run:\n          shell: bash -ex\n          command: deploy $API_TOKEN\n",
        &["ci-secret-exposed medium $API_TOKEN"],
    ),
    ("jobs:\n  a:\n    steps:\n      - run: env\n", &[]),
    (
        "jobs:\n  a:\n    steps:\n      - run: env\nworkflows:\n  w:\n    jobs:\n      - a:\n          context: x\n",
        &["ci-secret-exposed medium env"],
    ),
    (
        "jobs:\n  a:\n    steps:\n      - run: export API_KEY=hunter2-Zq81\n",
        &["ci-plaintext-env high hunter2-Zq81"],
    ),
    (
        "jobs:\n  a:\n    steps:\n      - orb/push: {token: GITHUB_TOKEN, password: $P}\n",
        &[],
    ),
    (
        "jobs:\n  a:\n    steps:\n      - run: echo $T > build/token\n      - run: echo $API_TOKEN > build/token\n      - store_artifacts: {path: build}\n",
        &["ci-secret-in-workspace high build"],
    ),
    (
        "jobs:\n  a:\n    steps:\n      - save_cache:\n          paths:\n            - ~/.docker\n            - ~/.npm\n",
        &["ci-secret-in-workspace high ~/.docker"],
    ),
    (
        "jobs:\n  a:\n    steps:\n      - persist_to_workspace: {root: ., paths: ['*']}\n",
        &["ci-secret-in-workspace low *"],
    ),
];

#[test]
fn circle() {
    for (text, want) in CIRCLE.iter().copied() {
        assert_eq!(told(".circleci/config.yml", text), want, "{text}");
        let dos = text.replace('\n', "\r\n");
        assert_eq!(
            told(".circleci/config.yml", &dos).len(),
            want.len(),
            "{text}"
        );
    }
}

/// Texts, and what is told of them.
const BITBUCKET: &[(&str, &[&str])] = &[
    (
        "definitions:\n  steps:\n    - step: &s\n        name: b\n        script:\n          - echo $API_KEY\npipelines:\n  default:\n    - step: *s\n  branches:\n    main:\n      - parallel:\n          - step: *s\n",
        &["ci-secret-exposed high $API_KEY"],
    ),
    (
        "pipelines:\n  custom:\n    x:\n      - variables:\n          - name: API_KEY\n            default: hunter2-Zq81\n",
        &["ci-plaintext-env high hunter2-Zq81"],
    ),
    (
        "pipelines:\n  default:\n    - stage:\n        steps:\n          - step:\n              script:\n                - X=1 foo\n                - 'curl -H \"A: $API_KEY\" x'\n",
        &["ci-secret-exposed medium \"A: $API_KEY\""],
    ),
    (
        "image:\n  name: x\n  password: hunter2-Zq81\npipelines: {}\n",
        &["ci-plaintext-env high hunter2-Zq81"],
    ),
    (
        "pipelines:\n  default:\n    - step:\n        script: [make]\n        artifacts:\n          paths: ['dist/**', 'config/.env']\n",
        &["ci-secret-in-workspace high config/.env"],
    ),
    (
        "definitions:\n  caches:\n    d: ~/.docker\n    n: node_modules\n",
        &["ci-secret-in-workspace high ~/.docker"],
    ),
];

#[test]
fn bitbucket() {
    for (text, want) in BITBUCKET.iter().copied() {
        assert_eq!(told("bitbucket-pipelines.yml", text), want, "{text}");
    }
}

/// Texts, and what is told of them.
const AZURE: &[(&str, &[&str])] = &[
    (
        "variables:\n  dbPassword: hunter2-Zq81\n",
        &["ci-plaintext-env high hunter2-Zq81"],
    ),
    (
        "stages:\n- stage: a\n  jobs:\n  - deployment: b\n    strategy:\n      runOnce:\n        deploy:\n          steps:\n          - bash: echo $(dbPassword)\n",
        &["azure-secret-macro-in-script high $(dbPassword)"],
    ),
    (
        "steps:\n- ${{ if eq(1, 1) }}:\n  - bash: deploy $(secret)\n",
        &["azure-secret-macro-in-script low $(secret)"],
    ),
    (
        "parameters:\n- name: password\n  type: string\n  default: hunter2-Zq81\n",
        &["ci-plaintext-env high hunter2-Zq81"],
    ),
    (
        "steps:\n- template: x.yml\n  parameters:\n    apiKey: hunter2-Zq81\n    apiToken: $(apiToken)\n",
        &["ci-plaintext-env high hunter2-Zq81"],
    ),
    (
        // The print outranks the trace of the same word.
        "steps:\n- bash: |\n    set -x\n    echo \"$DB_PASSWORD\"\n    deploy\n  env:\n    DB_PASSWORD: $(dbPassword)\n",
        &["ci-secret-exposed high \"$DB_PASSWORD\""],
    ),
    (
        "steps:\n- task: AzureCLI@2\n  inputs:\n    scriptType: bash\n    inlineScript: |\n      echo \"$DB_PASSWORD\"\n  env:\n    DB_PASSWORD: $(dbPassword)\n",
        &["ci-secret-exposed high \"$DB_PASSWORD\""],
    ),
    (
        "steps:\n- bash: echo '##vso[task.setvariable variable=API_KEY;issecret=false]x'\n",
        &[
            "azure-setvariable-not-secret medium ##vso[task.setvariable variable=API_KEY;issecret=false]",
        ],
    ),
    (
        "steps:\n- task: PublishBuildArtifacts@1\n  inputs:\n    PathtoPublish: $(Build.SourcesDirectory)\n",
        &["ci-secret-in-workspace low $(Build.SourcesDirectory)"],
    ),
    (
        "steps:\n- task: Cache@2\n  inputs:\n    key: x\n    path: $(HOME)/.docker\n",
        &["ci-secret-in-workspace high $(HOME)/.docker"],
    ),
    (
        "steps:\n- bash: |\n    for x in $(ls); do echo $(Build.BuildNumber) ${{ parameters.token }}; done\n",
        &[],
    ),
];

#[test]
fn azure() {
    for (text, want) in AZURE.iter().copied() {
        assert_eq!(told("azure-pipelines.yml", text), want, "{text}");
    }
}

/// Texts, and what is told of them.
const JENKINS: &[(&str, &[&str])] = &[
    (
        "sh \"curl -u $U:$PW x\"",
        &["jenkins-interpolated-secret high $PW"],
    ),
    (
        "sh(script: \"\"\"a\n ${PW}\n\"\"\", returnStdout: true)",
        &["jenkins-interpolated-secret high ${PW}"],
    ),
    (
        "sh script: \"a ${env.PW}\", label: \"x ${PW}\"",
        &["jenkins-interpolated-secret high ${env.PW}"],
    ),
    (
        "bat \"a ${PW}\"",
        &["jenkins-interpolated-secret high ${PW}"],
    ),
    (
        "sh $/a ${PW} $$PW /$",
        &["jenkins-interpolated-secret high ${PW}"],
    ),
    (
        "sh 'curl -u x:' + PW + ' y'",
        &["jenkins-interpolated-secret high PW"],
    ),
    ("echo PW", &["jenkins-interpolated-secret high PW"]),
    (
        "steps.sh \"a ${PW.trim()}\"",
        &["jenkins-interpolated-secret high ${PW.trim()}"],
    ),
    (
        "sh \"a ${apiToken}\"",
        &["jenkins-interpolated-secret medium ${apiToken}"],
    ),
    ("sh \"a \\${PW} $F ${U}\"", &["ci-secret-exposed low ${PW}"]),
    ("sh 'echo $PW'", &["ci-secret-exposed high $PW"]),
    (
        "sh '''\n  set +x\n  docker login -u \"$U\" -p \"$PW\"\n'''",
        &["ci-secret-exposed medium \"$PW\""],
    ),
    ("sh 'echo \"$PW\" | docker login --password-stdin'", &[]),
    ("echo 'PW'\nerror \"failed for ${U}\"\nfoo(PW)", &[]),
    (
        "httpRequest url: \"https://x/?k=${PW}\", customHeaders: [[name: 'A', value: \"${PW}\", maskValue: true]]",
        &["jenkins-interpolated-secret high ${PW}"],
    ),
    ("/* sh \"${PW}\" */ // sh \"${PW}\"\nx = y / 2 // \"", &[]),
    (
        "env.API_KEY = 'hunter2-Zq81'",
        &["ci-plaintext-env high hunter2-Zq81"],
    ),
    (
        "withEnv(['API_KEY=hunter2-Zq81', \"TOKEN=${x}\"]) { }",
        &["ci-plaintext-env high hunter2-Zq81"],
    ),
    (
        "password(name: 'ADMIN_PASSWORD', defaultValue: 'hunter2-Zq81', description: '')\nsh \"a ${params.ADMIN_PASSWORD}\"",
        &[
            "ci-plaintext-env high hunter2-Zq81",
            "jenkins-interpolated-secret high ${params.ADMIN_PASSWORD}",
        ],
    ),
    (
        "stash includes: 'a/.env, b', name: 's'",
        &["ci-secret-in-workspace medium a/.env"],
    ),
    (
        "stash includes: '**', name: 's'",
        &["ci-secret-in-workspace low **"],
    ),
    ("archiveArtifacts artifacts: 'x/**', excludes: '.env'", &[]),
    (
        "sh 'echo \"$PW\" > x/key'\narchiveArtifacts artifacts: 'x/**'",
        &["ci-secret-in-workspace high x/**"],
    ),
];

#[test]
fn jenkins() {
    let bound = "withCredentials([usernamePassword(credentialsId: 'c', usernameVariable: 'U', passwordVariable: 'PW'), file(credentialsId: 'f', variable: 'F')]) {\n";
    for (text, want) in JENKINS {
        let text = format!("node {{\n{bound}{text}\n}}\n}}\n");
        assert_eq!(told("Jenkinsfile", &text), *want, "{text}");
    }
}

/// Applies a fault's fix, and asserts that it leaves nothing to tell.
fn fixed(path: &str, text: &str) -> String {
    let faults = run(path, text);
    let mut edits = faults[0].fix.clone().unwrap().edits;
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
    let mut fixed = text.to_owned();
    for edit in edits {
        fixed.replace_range(edit.span, &edit.text);
    }
    let own = faults[0].lint.id;
    assert!(
        run(path, &fixed).iter().all(|fault| fault.lint.id != own),
        "{fixed}"
    );
    fixed
}

#[test]
fn fixes_change_what_they_must() {
    let node = |step: &str| {
        format!(
            "node {{ withCredentials([string(credentialsId: 'c', variable: 'T')]) {{\n{step}\n}} }}"
        )
    };
    for (text, want) in [
        ("sh \"a ${T} b\"", "sh 'a ${T} b'"),
        ("sh \"\"\"a $env.T\nb\"\"\"", "sh '''a ${T}\nb'''"),
        ("sh(script: \"a ${env.T}\")", "sh(script: 'a ${T}')"),
    ] {
        assert_eq!(fixed("Jenkinsfile", &node(text)), node(want));
    }
    for text in [
        "sh \"a ${T} ${env.X}\"",
        "sh \"a '${T}'\"",
        "echo \"${T}\"",
        "bat \"a ${T}\"",
    ] {
        assert_eq!(run("Jenkinsfile", &node(text))[0].fix, None, "{text}");
    }
    for (text, want) in [
        (
            "steps:\n- bash: echo \"##vso[task.setvariable variable=apiKey]$X\"\n",
            "variable=apiKey;issecret=true]",
        ),
        (
            "steps:\n- bash: \"echo '##vso[task.setvariable variable=apiKey;]x'\"\n",
            "variable=apiKey;issecret=true]",
        ),
    ] {
        assert!(fixed("azure-pipelines.yml", text).contains(want), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn spans_lie_within_any_jenkinsfile(parts in prop::collection::vec(prop::sample::select(vec![
        "sh ", "\"", "'", "\"\"\"", "'''", "${PW}", "$PW", "\n", "environment {", "}", "API_KEY = ", "credentials('x')", "withCredentials([", "variable: ",
        "'PW'", "(", ")", "+", "/", "$/", "/$", "echo ", "é", "\\", "password(name: 'A'", ", defaultValue: 'hunter2-Zq81'", "stash includes: '.env'",
        "withEnv(['API_KEY=x9-kk']", "//", "curl -u ",
    ]), 0..40)) {
        let text = parts.concat();
        for fault in run("Jenkinsfile", &text) {
            prop_assert!(text.get(fault.span.clone()).is_some());
            prop_assert!(fault.secret.is_none_or(|span| text.get(span).is_some()));
            for edit in fault.fix.iter().flat_map(|fix| &fix.edits) {
                prop_assert!(text.get(edit.span.clone()).is_some());
            }
        }
    }
}

#[test]
fn deep_nests_are_read_in_time() {
    for unit in [
        "sh ",
        "environment {\n",
        "sh \"${",
        "stage('x') { ",
        "\"${\"",
        "/\\",
        "sh(",
        "$/",
        "echo PW + ",
    ] {
        let _ = run("Jenkinsfile", &unit.repeat(60_000));
    }
    let _ = run(
        "azure-pipelines.yml",
        &format!(
            "steps:\n- bash: {}\n",
            "$(apiKey) ##vso[task.setvariable ".repeat(20_000)
        ),
    );
}
