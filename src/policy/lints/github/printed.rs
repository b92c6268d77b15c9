//! What is said of secrets that come into the log: rules 1 to 4. How they are found is in `scripts`.

use super::{
    super::super::{
        fault::FixClass,
        lint::{LintMeta, Persona},
    },
    CICD_6, SECURE_USE, TOOL,
};
use crate::model::{Confidence, Severity};

/// Rule 1.
pub(super) const ECHO: LintMeta = LintMeta {
    id: "gha-secret-echo",
    title: "A step prints a secret to the job's log",
    tool: TOOL,
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        CICD_6,
        "OWASP Secrets Management Cheat Sheet: secrets in logs",
        SECURE_USE,
    ],
    cwe: 532,
    fix: FixClass::Unsafe,
    why: "Logs are kept and can be read by whoever can read the repository; masking fails for short, changed and multi-line values.",
    help: "To see whether it is set use test -n \"${NAME:-}\", or print its length: echo \"${#NAME}\".",
    bad: &[
        &[(
            ".github/workflows/deploy.yml",
            "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo \"$CHAT_KEY\"\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
        )],
        &[(
            ".github/workflows/deploy.yml",
            "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/github-script@f28e40c7f34bde8b3046d885e986cb6290c5673b\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n        with:\n          script: |\n            console.log(process.env.CHAT_KEY)\n",
        )],
    ],
    good: &[
        &[(
            ".github/workflows/deploy.yml",
            "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          test -n \"${CHAT_KEY:-}\"\n          echo \"CHAT_KEY has ${#CHAT_KEY} characters${CHAT_KEY:+, and is set}\"\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
        )],
        // 4 of 8 lines that look like it in 2,510 real steps pipe the secret to a program.
        &[(
            ".github/workflows/deploy.yml",
            "on: push\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo \"$REGISTRY_KEY\" | docker login --username robot --password-stdin\n        env:\n          REGISTRY_KEY: ${{ secrets.REGISTRY_KEY }}\n",
        )],
    ],
};

/// Rule 2.
pub(super) const DUMP: LintMeta = LintMeta {
    id: "gha-env-dump",
    title: "A step prints its whole environment while secrets are in it",
    tool: TOOL,
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[CICD_6, SECURE_USE],
    cwe: 532,
    fix: FixClass::None,
    why: "Everything that the step was given comes into the log, in forms that masking need not know.",
    help: "Print the names only, printenv | cut -d= -f1 | sort, or the variables that you mean.",
    bad: &[&[(
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          printenv | sort\n          make\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
    )]],
    good: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          printenv | cut -d= -f1 | sort\n          env | grep -o '^[^=]*'\n          env FOO=1 make\n          env -i make\n          set -euo pipefail\n          printenv HOME\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
        )],
        // No secret is there.
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: env\n      - run: make\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
        )],
    ],
};

/// Rule 3.
pub(super) const XTRACE: LintMeta = LintMeta {
    id: "gha-xtrace-with-secret",
    title: "The shell traces commands in which a secret is expanded",
    tool: TOOL,
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[CICD_6, SECURE_USE],
    cwe: 532,
    fix: FixClass::None,
    why: "A trace prints each command with its values; quotes and escapes that the shell adds make them differ from what is masked.",
    help: "Leave out -x, or put set +x before and set -x behind the commands that use the secret.",
    bad: &[&[(
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          set -x\n          if [ \"$CHAT_KEY\" != unset ]; then make tell; fi\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
    )]],
    good: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          set -x\n          make\n          { set +x; } 2>/dev/null\n          if [ \"$CHAT_KEY\" != unset ]; then make tell; fi\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
        )],
        // 22 of 2,510 real steps trace; few of them expand secrets.
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          set -euxo pipefail\n          make\n      - run: make tell\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
        )],
    ],
};

/// Rule 4.
pub(super) const DERIVED: LintMeta = LintMeta {
    id: "gha-secret-unmasked-derivative",
    title: "A value that is made of a secret escapes masking",
    tool: TOOL,
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        SECURE_USE,
        "OWASP Secrets Management Cheat Sheet, section 3.2.1",
    ],
    cwe: 532,
    fix: FixClass::None,
    why: "The runner masks the secret as it was stored; encoded, cut or as a field of a JSON text it stands in the log for all to read.",
    help: "Store one secret a value, or register what is made of it before anything can print it: echo \"::add-mask::$VALUE\".",
    bad: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo -n \"$CHAT_KEY\" | base64\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n",
        )],
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make tell\n        env:\n          CHAT_KEY: ${{ fromJSON(secrets.CHAT).key }}\n",
        )],
    ],
    good: &[
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make tell\n        env:\n          CHAT_KEY: ${{ secrets.CHAT_KEY }}\n          OPTIONS: ${{ fromJSON(vars.OPTIONS).level }}\n",
        )],
        // Decoding to a file is how keystores are shipped.
        &[(
            ".github/workflows/ci.yml",
            "on: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          umask 077\n          echo \"$KEYSTORE\" | base64 -d > \"$RUNNER_TEMP/release.jks\"\n        env:\n          KEYSTORE: ${{ secrets.KEYSTORE }}\n",
        )],
    ],
};
