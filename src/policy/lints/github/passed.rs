//! What is said of secrets that are passed on in the open: rules 6, 7, 17 and 19. How they are found is in `scripts`.

use super::{
    super::super::{
        fault::FixClass,
        lint::{LintMeta, Persona},
    },
    CICD_6, SECURE_USE, TOOL,
};
use crate::model::{Confidence, Severity};

/// Rule 6.
pub(super) const ARGV: LintMeta = LintMeta {
    id: "gha-secret-argv",
    title: "A secret is an argument of a program",
    tool: TOOL,
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        CICD_6,
        "OWASP Secrets Management Cheat Sheet: command-line arguments",
    ],
    cwe: 214,
    fix: FixClass::Safe,
    why: "Every process of the machine can read the arguments of every other one; on a runner of your own these are other jobs, too.",
    help: "Use the program's way of reading it from stdin, a file or the environment: --password-stdin, MYSQL_PWD, curl --config -.",
    bad: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: mysql -u app -p\"$DB_KEY\" -e 'select 1'\n        env:\n          DB_KEY: ${{ secrets.DB_KEY }}\n",
        )],
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: docker login -u robot -p \"$REGISTRY_KEY\" registry.example.com\n        env:\n          REGISTRY_KEY: ${{ secrets.REGISTRY_KEY }}\n",
        )],
    ],
    good: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          MYSQL_PWD=\"$DB_KEY\" mysql -u app -e 'select 1'\n          docker login -u robot --password-stdin registry.example.com <<< \"$DB_KEY\"\n        env:\n          DB_KEY: ${{ secrets.DB_KEY }}\n",
        )],
        // The shell's own commands start no process, and users' names are no secrets though kept beside them.
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          [ -n \"$DB_KEY\" ] || exit 0\n          printf 'header = \"X-Key: %s\"' \"$DB_KEY\" | curl --config - https://api.example.com -u \"$DB_USER\"\n        env:\n          DB_KEY: ${{ secrets.DB_KEY }}\n          DB_USER: ${{ secrets.DB_USER }}\n",
        )],
    ],
};

/// Rule 7.
pub(super) const COMMAND_FILE: LintMeta = LintMeta {
    id: "gha-secret-to-command-file",
    title: "A secret goes to outputs, the environment of later steps or the summary",
    tool: TOOL,
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        SECURE_USE,
        "OWASP Secrets Management Cheat Sheet, section 3.1",
    ],
    cwe: 522,
    fix: FixClass::None,
    why: "Every later step can read it, outputs are shown in the run's page and its API, and summaries are rendered for all readers.",
    help: "Bind the secret in the env of each step that needs it, or make it in the job that uses it.",
    bad: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - id: key\n        run: echo \"key=$CHAT_KEY\" >> \"$GITHUB_OUTPUT\"\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
        )],
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    outputs:\n      key: ${{ secrets.CHAT_KEY }}\n    steps:\n      - run: make\n",
        )],
    ],
    good: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make tell\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
        )],
        // Whether it is there is no secret.
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    outputs:\n      signed: ${{ secrets.CHAT_KEY != '' }}\n    steps:\n      - id: has\n        run: echo \"key=${CHAT_KEY:+yes}\" >> \"$GITHUB_OUTPUT\"\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
        )],
    ],
};

/// Rule 17.
pub(super) const URL: LintMeta = LintMeta {
    id: "gha-token-in-git-url",
    title: "A token is part of an address that a program gets",
    tool: TOOL,
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        CICD_6,
        "OWASP Secrets Management Cheat Sheet: command-line arguments",
    ],
    cwe: 522,
    fix: FixClass::None,
    why: "The address with the token shows in the list of processes and in error messages, and git keeps it in .git/config.",
    help: "Use actions/checkout with token:, or a credential helper (gh auth setup-git), or git -c http.extraheader.",
    bad: &[&[(
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: git clone \"https://x:${CLONE_KEY}@git.example.com/app.git\"\n        env:\n          CLONE_KEY: ${{ secrets.CLONE_KEY }}\n",
    )]],
    good: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n        with:\n          repository: octo-org/app\n          token: ${{ secrets.CLONE_KEY }}\n",
        )],
        // Addresses for ssh name a user only.
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: git clone git@git.example.com:app.git && git clone https://git.example.com/lib.git\n        env:\n          CLONE_KEY: ${{ secrets.CLONE_KEY }}\n",
        )],
    ],
};

/// Rule 19.
pub(super) const MINTED: LintMeta = LintMeta {
    id: "gha-minted-token-unmasked",
    title: "A credential that a step fetches is used without being masked",
    tool: TOOL,
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[SECURE_USE],
    cwe: 532,
    fix: FixClass::Safe,
    why: "The runner masks what it was told of: what a script fetches from a store stands in logs as it is.",
    help: "Register it before anything else happens to it: echo \"::add-mask::$NAME\".",
    bad: &[&[(
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          KEY=$(vault kv get -field=key secret/app)\n          echo \"KEY=$KEY\" >> \"$GITHUB_ENV\"\n",
    )]],
    good: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          KEY=$(vault kv get -field=key secret/app)\n          echo \"::add-mask::$KEY\"\n          echo \"KEY=$KEY\" >> \"$GITHUB_ENV\"\n",
        )],
        // What the same command takes up goes nowhere; some actions mask by themselves.
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: gcloud auth print-access-token | docker login -u oauth2accesstoken --password-stdin registry.example.com\n      - uses: hashicorp/vault-action@f28e40c7f34bde8b3046d885e986cb6290c5673b\n        with:\n          url: https://vault.example.com\n          method: jwt\n          secrets: secret/data/app key | KEY\n",
        )],
    ],
};
