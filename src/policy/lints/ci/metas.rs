//! What is known of rules 27 to 33, with examples.

use crate::model::{Confidence, Severity};
use crate::policy::{
    fault::FixClass,
    lint::{LintMeta, Persona},
};

const TOOLS: &str = "CircleCI, Jenkins, Azure Pipelines, Bitbucket Pipelines";

/// All of them.
pub(super) static ALL: &[&LintMeta] = &[
    &PLAINTEXT,
    &EXPOSED,
    &KEPT,
    &INTERPOLATED,
    &PASTED,
    &VARIABLE,
    &UNSCOPED,
];

/// Rule 27.
pub(super) static PLAINTEXT: LintMeta = LintMeta {
    id: "ci-plaintext-env",
    title: "A pipeline's environment holds the value of a secret",
    tool: TOOLS,
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet, section 3: CI/CD",
        "CWE-798: Use of Hard-coded Credentials",
    ],
    cwe: 798,
    fix: FixClass::None,
    why: "Everybody who can read the repository, now or in its history, has the secret; changing it takes a commit.",
    help: "Keep it in the CI's own store: a context of CircleCI, credentials of Jenkins, a variable group or key vault of Azure, a secured variable of Bitbucket. Then change the value.",
    bad: &[
        &[(
            ".circleci/config.yml",
            "jobs:\n  build:\n    environment:\n      API_KEY: hunter2-Zq81\n",
        )],
        &[(
            "Jenkinsfile",
            "pipeline {\n  environment {\n    DB_PASSWORD = 'hunter2-Zq81'\n  }\n}\n",
        )],
        &[(
            "azure-pipelines.yml",
            "variables:\n  - name: apiKey\n    value: hunter2-Zq81\n",
        )],
        &[(
            "bitbucket-pipelines.yml",
            "pipelines:\n  default:\n    - step:\n        script:\n          - pipe: example/upload:1.0.0\n            variables:\n              PASSWORD: hunter2-Zq81\n",
        )],
    ],
    good: &[
        &[(
            ".circleci/config.yml",
            "jobs:\n  build:\n    docker:\n      - image: cimg/base:2026.01\n      - image: postgres:16\n        environment:\n          POSTGRES_PASSWORD: hunter2-Zq81\n    environment:\n      API_KEY: << parameters.key >>\n      TOKEN_FILE: /run/token\n",
        )],
        &[(
            "Jenkinsfile",
            "pipeline {\n  environment {\n    DB_PASSWORD = credentials('db-password')\n    API_KEY = \"${params.KEY}\"\n  }\n}\n",
        )],
        &[(
            "azure-pipelines.yml",
            "variables:\n  - group: production\n  - name: apiKey\n    value: $(vaultApiKey)\n  - name: dbPassword\n    value: ${{ parameters.password }}\n",
        )],
        &[(
            "bitbucket-pipelines.yml",
            "definitions:\n  services:\n    db:\n      image: mysql:8\n      variables:\n        MYSQL_ROOT_PASSWORD: let-me-in-9\npipelines:\n  default:\n    - step:\n        script:\n          - pipe: example/upload:1.0.0\n            variables:\n              PASSWORD: $UPLOAD_PASSWORD\n",
        )],
    ],
};

/// Rule 28.
pub(super) static EXPOSED: LintMeta = LintMeta {
    id: "ci-secret-exposed",
    title: "A script of a pipeline prints a secret or passes it as an argument",
    tool: TOOLS,
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet, section 3.2: Where should a secret be?",
        "CWE-532: Insertion of Sensitive Information into Log File",
        "CWE-214: Invocation of Process Using Visible Sensitive Information",
    ],
    cwe: 532,
    fix: FixClass::None,
    why: "Logs of builds are read by many and kept for long, and masking knows exact values only. Arguments of processes can be read by all that run beside them.",
    help: "Do not print it; to see whether it is set, use `test -n \"$NAME\"`. Give it to programs by standard input or by their environment.",
    bad: &[
        &[(
            "bitbucket-pipelines.yml",
            "pipelines:\n  default:\n    - step:\n        script:\n          - echo $DEPLOY_TOKEN\n",
        )],
        &[(
            "Jenkinsfile",
            "node {\n  withCredentials([string(credentialsId: 'key', variable: 'KEY')]) {\n    sh 'printenv'\n  }\n}\n",
        )],
        &[(
            ".circleci/config.yml",
            "jobs:\n  push:\n    steps:\n      - run: docker login -u bot -p $DOCKER_PASSWORD\n",
        )],
        &[(
            "azure-pipelines.yml",
            "steps:\n  - bash: |\n      echo \"key is $API_KEY\"\n    env:\n      API_KEY: $(apiKey)\n",
        )],
        &[(
            "azure-pipelines.yml",
            "steps:\n  - pwsh: Write-Host $env:API_KEY\n    env:\n      API_KEY: $(apiKey)\n",
        )],
    ],
    good: &[
        &[(
            "bitbucket-pipelines.yml",
            "pipelines:\n  default:\n    - step:\n        script:\n          - test -n \"$DEPLOY_TOKEN\"\n          - echo \"$DOCKER_PASSWORD\" | docker login -u bot --password-stdin\n          - PGPASSWORD=\"$DB_PASSWORD\" psql app\n",
        )],
        &[(
            "Jenkinsfile",
            "node {\n  withCredentials([string(credentialsId: 'key', variable: 'KEY')]) {\n    sh 'env LANG=C ./build'\n    echo 'the secret is bound'\n  }\n}\n",
        )],
        &[(
            ".circleci/config.yml",
            "jobs:\n  push:\n    steps:\n      - run: echo \"$PWD\" && printenv | cut -d= -f1\n      - run: echo \"${API_KEY:+set}\" << parameters.token >>\n",
        )],
    ],
};

/// Rule 29.
pub(super) static KEPT: LintMeta = LintMeta {
    id: "ci-secret-in-workspace",
    title: "A pipeline keeps a file for credentials",
    tool: TOOLS,
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet, section 3: CI/CD",
        "CWE-538: Insertion of Sensitive Information into Externally-Accessible File or Directory",
    ],
    cwe: 538,
    fix: FixClass::None,
    why: "Artifacts, workspaces and caches outlive the job and are given to other jobs, other branches and whoever may download them.",
    help: "Keep what the build made, by name. Let each job fetch the secrets that it needs.",
    bad: &[
        &[(
            ".circleci/config.yml",
            "jobs:\n  build:\n    steps:\n      - persist_to_workspace:\n          root: .\n          paths: [dist, .env]\n",
        )],
        &[(
            "Jenkinsfile",
            "node {\n  archiveArtifacts artifacts: 'dist/**, .env'\n}\n",
        )],
        &[(
            "azure-pipelines.yml",
            "steps:\n  - bash: echo \"$API_KEY\" > out/key.txt\n  - publish: $(Build.SourcesDirectory)\n",
        )],
        &[(
            "bitbucket-pipelines.yml",
            "pipelines:\n  default:\n    - step:\n        script:\n          - make\n        artifacts:\n          - .npmrc\n",
        )],
    ],
    good: &[
        &[(
            ".circleci/config.yml",
            "jobs:\n  build:\n    steps:\n      - persist_to_workspace:\n          root: .\n          paths: [dist, .env.example]\n      - save_cache:\n          key: deps\n          paths: [~/.m2/repository, node_modules]\n",
        )],
        &[(
            "Jenkinsfile",
            "node {\n  archiveArtifacts 'target/*.jar'\n  stash name: 'build', includes: 'dist/**'\n}\n",
        )],
        &[(
            "azure-pipelines.yml",
            "steps:\n  - bash: echo \"$API_KEY\" > key.txt\n  - publish: dist\n",
        )],
    ],
};

/// Rule 30.
pub(super) static INTERPOLATED: LintMeta = LintMeta {
    id: "jenkins-interpolated-secret",
    title: "Groovy fills a credential into a script",
    tool: "Jenkins",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "Jenkins User Handbook, Using a Jenkinsfile: String interpolation",
        "CWE-78: Improper Neutralization of Special Elements used in an OS Command",
        "CWE-214: Invocation of Process Using Visible Sensitive Information",
    ],
    cwe: 214,
    fix: FixClass::Safe,
    why: "The value becomes part of the script: signs in it are read by the shell, and it stands in the list of processes and in what Jenkins keeps of the build.",
    help: "Write the script in single quotes: the shell takes the variable from its environment.",
    bad: &[
        &[(
            "Jenkinsfile",
            "node {\n  withCredentials([usernamePassword(credentialsId: 'x', usernameVariable: 'U', passwordVariable: 'P')]) {\n    sh \"curl -u ${U}:${P} https://example.org\"\n  }\n}\n",
        )],
        &[(
            "Jenkinsfile",
            "pipeline {\n  environment {\n    KEY = credentials('key')\n  }\n  stages {\n    stage('Deploy') {\n      steps {\n        sh \"\"\"\n          deploy --key $KEY\n        \"\"\"\n      }\n    }\n  }\n}\n",
        )],
        &[(
            "Jenkinsfile",
            "node {\n  withCredentials([string(credentialsId: 'x', variable: 'KEY')]) {\n    echo \"key is ${env.KEY}\"\n  }\n}\n",
        )],
    ],
    good: &[
        &[(
            "Jenkinsfile",
            "node {\n  withCredentials([usernamePassword(credentialsId: 'x', usernameVariable: 'U', passwordVariable: 'P')]) {\n    sh 'PGPASSWORD=\"$P\" psql -U \"$U\"'\n    sh '''\n      PGPASSWORD=\"${P}\" psql\n    '''\n  }\n}\n",
        )],
        &[(
            "Jenkinsfile",
            "node {\n  withCredentials([string(credentialsId: 'x', variable: 'KEY')]) {\n    sh \"KEY=\\$KEY ./deploy ${env.BRANCH_NAME}\"\n    // sh \"curl ${KEY}\"\n  }\n}\n",
        )],
        &[(
            "Jenkinsfile",
            "node {\n  withCredentials([file(credentialsId: 'x', variable: 'CONFIG')]) {\n    sh \"kubectl --kubeconfig ${CONFIG} get pods\"\n  }\n}\n",
        )],
    ],
};

/// Rule 31.
pub(super) static PASTED: LintMeta = LintMeta {
    id: "azure-secret-macro-in-script",
    title: "A macro pastes a secret into a script",
    tool: "Azure Pipelines",
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "Microsoft Learn, Azure Pipelines: Set secret variables",
        "CWE-214: Invocation of Process Using Visible Sensitive Information",
    ],
    cwe: 214,
    fix: FixClass::None,
    why: "The value becomes part of the script's text: it lands in a file on the agent, and signs in it are read by the shell.",
    help: "Map it in `env:` of the step and use the variable of the environment.",
    bad: &[
        &[(
            "azure-pipelines.yml",
            "steps:\n  - script: ./deploy --key $(apiKey)\n",
        )],
        &[(
            "azure-pipelines.yml",
            "steps:\n  - task: PowerShell@2\n    inputs:\n      targetType: inline\n      script: |\n        ./deploy.ps1 -Key $(System.AccessToken)\n",
        )],
        &[(
            "azure-pipelines.yml",
            "steps:\n  - task: Bash@3\n    inputs:\n      filePath: deploy.sh\n      arguments: --password $(dbPassword)\n",
        )],
    ],
    good: &[
        &[(
            "azure-pipelines.yml",
            "steps:\n  - script: API_KEY=\"$API_KEY\" ./deploy\n    env:\n      API_KEY: $(apiKey)\n",
        )],
        &[(
            "azure-pipelines.yml",
            "steps:\n  - bash: |\n      # ./deploy $(apiKey)\n      cd $(pwd) && ./deploy $(Build.BuildId) $(passwordFile)\n",
        )],
    ],
};

/// Rule 32.
pub(super) static VARIABLE: LintMeta = LintMeta {
    id: "azure-setvariable-not-secret",
    title: "A script sets a secret as a plain variable",
    tool: "Azure Pipelines",
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "Microsoft Learn, Azure Pipelines: Set variables in scripts",
        "CWE-532: Insertion of Sensitive Information into Log File",
    ],
    cwe: 532,
    fix: FixClass::Safe,
    why: "The log does not mask a plain variable, and every later step of the job has it in its environment.",
    help: "Add `issecret=true`. Checkov's CKV_AZUREPIPELINES_3 refuses any secret that is set this way, also with `issecret`; keysweep does not.",
    bad: &[
        &[(
            "azure-pipelines.yml",
            "steps:\n  - bash: echo \"##vso[task.setvariable variable=dbPassword]$(cat file)\"\n",
        )],
        &[(
            "azure-pipelines.yml",
            "steps:\n  - pwsh: |\n      Write-Host \"##vso[task.setvariable variable=apiKey;isOutput=true]$value\"\n",
        )],
    ],
    good: &[
        &[(
            "azure-pipelines.yml",
            "steps:\n  - bash: echo \"##vso[task.setvariable variable=dbPassword;issecret=true]$(cat file)\"\n",
        )],
        &[(
            "azure-pipelines.yml",
            "steps:\n  - bash: echo \"##vso[task.setvariable variable=tokenCount]3\"\n",
        )],
    ],
};

/// Rule 33.
pub(super) static UNSCOPED: LintMeta = LintMeta {
    id: "bitbucket-deploy-secret-unscoped",
    title: "A job deploys with secrets that all jobs are given",
    tool: "Bitbucket Pipelines, CircleCI",
    severity: Severity::Low,
    confidence: Confidence::Medium,
    persona: Persona::Pedantic,
    sources: &[
        "OWASP Secrets Management Cheat Sheet, section 2.3: Access Control",
        "Atlassian Support: Variables and secrets, Deployment variables",
        "CWE-266: Incorrect Privilege Assignment",
    ],
    cwe: 266,
    fix: FixClass::None,
    why: "A secret of the repository is given to every step of every branch, so a change of any script can read what deploys to production.",
    help: "Name the deployment of the step (`deployment: production`), or give the job a context, and keep the secret there.",
    bad: &[
        &[(
            "bitbucket-pipelines.yml",
            "pipelines:\n  branches:\n    main:\n      - step:\n          name: Deploy to production\n          script:\n            - PGPASSWORD=\"$PROD_PASSWORD\" ./deploy\n",
        )],
        &[(
            ".circleci/config.yml",
            "jobs:\n  deploy:\n    steps:\n      - run: PGPASSWORD=\"$PROD_PASSWORD\" ./deploy\nworkflows:\n  main:\n    jobs: [deploy]\n",
        )],
    ],
    good: &[
        &[(
            "bitbucket-pipelines.yml",
            "pipelines:\n  branches:\n    main:\n      - step:\n          name: Deploy to production\n          deployment: production\n          script:\n            - PGPASSWORD=\"$PROD_PASSWORD\" ./deploy\n",
        )],
        &[(
            ".circleci/config.yml",
            "jobs:\n  deploy:\n    steps:\n      - run: PGPASSWORD=\"$PROD_PASSWORD\" ./deploy\nworkflows:\n  main:\n    jobs:\n      - deploy:\n          context: production\n",
        )],
    ],
};
