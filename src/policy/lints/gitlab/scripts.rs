//! What scripts of jobs print, and what they pass as arguments.

use std::collections::BTreeSet;

use super::{
    super::super::{
        fault::{Edit, Fault, Fix, FixClass},
        kind::FileKind,
        lint::{Context, Document, Lint, LintMeta, Persona},
        shell::{self, Sink, Use},
        values::{self, Strength, Value},
    },
    body::{Body, budget},
    pipeline::Pipeline,
    variables::PLAINTEXT,
};
use crate::model::{Confidence, Severity};

const ECHO: LintMeta = LintMeta {
    id: "gl-secret-echo",
    title: "A job prints a secret, another form of it, or its whole environment",
    tool: "GitLab CI",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "GitLab documentation: CI/CD variables, Mask a CI/CD variable",
        "OWASP CI/CD Security Cheat Sheet",
        "CWE-532: Insertion of Sensitive Information into Log File",
    ],
    cwe: 532,
    fix: FixClass::Unsafe,
    why: "Job logs are kept and many can read them. GitLab masks a variable only if it is marked as masked, has at least 8 characters, stands on one line and holds no blanks; anything else, and every other form of it, is shown as it is.",
    help: "Test whether a variable is set without printing it (`test -n \"$X\"`), print names alone (`printenv | cut -d= -f1`), and turn `set -x` off around secrets.",
    bad: &[
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - echo \"logs in with $USER $DEPLOY_PASSWORD\"\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - printenv | sort\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - set -x\n    - test -n \"$DEPLOY_TOKEN\"\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - echo -n \"$DEPLOY_TOKEN\" | base64\n",
        )],
    ],
    good: &[
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - test -n \"$DEPLOY_PASSWORD\"\n    - echo \"DEPLOY_PASSWORD has ${#DEPLOY_PASSWORD} characters\"\n    - printenv | cut -d= -f1 | sort\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - echo \"$CI_COMMIT_SHA $CI_PROJECT_ID ${DEPLOY_TOKEN:+set}\"\n    - echo \"$KEYSTORE_PASSWORD\" | ./unlock --stdin\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "build:\n  secrets:\n    DB_PASSWORD:\n      vault: production/db/password@ops\n  script:\n    - echo \"the password is in $DB_PASSWORD\"\n",
        )],
    ],
};

const ARGV: LintMeta = LintMeta {
    id: "gl-secret-argv",
    title: "A job passes a secret as an argument of a program",
    tool: "GitLab CI",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet, section 3: CI/CD",
        "CWE-214: Invocation of Process Using Visible Sensitive Information",
    ],
    cwe: 214,
    fix: FixClass::Safe,
    why: "Arguments are shown by `ps`, kept by process accounting, and repeated in error messages. On a runner with the shell executor every other job of the machine reads them.",
    help: "Pass the secret by stdin, by the environment, or by a file: most programs have an option for it.",
    bad: &[
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - docker login -u ci -p $CI_REGISTRY_PASSWORD $CI_REGISTRY\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "build:\n  script: mysql -u app -p\"$DB_PASSWORD\" -e 'select 1'\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - docker build --build-arg NPM_TOKEN=$NPM_TOKEN .\n",
        )],
    ],
    good: &[
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - echo \"$CI_REGISTRY_PASSWORD\" | docker login -u ci --password-stdin $CI_REGISTRY\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "build:\n  script:\n    - PGPASSWORD=\"$DB_PASSWORD\" psql -c 'select 1'\n    - curl --config - https://example.org <<< \"header = \\\"X: $API_TOKEN\\\"\"\n    - chmod 400 \"$SSH_PRIVATE_KEY\"\n",
        )],
    ],
};

/// `gl-secret-echo` and `gl-secret-argv`.
pub(super) struct Scripts;

impl Lint for Scripts {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&ECHO, &ARGV]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind != FileKind::GitlabCi {
            return;
        }
        let Some(pipeline) = Pipeline::of(document) else {
            return;
        };
        let mut seen = BTreeSet::new();
        let mut left = budget(document.text);
        let mut read = BTreeSet::new();
        for job in &pipeline.jobs {
            let secrets = pipeline.secrets(job);
            for body in pipeline.bodies(job) {
                left = left.saturating_sub(body.text.len());
                if left == 0 {
                    return;
                }
                // Jobs that only inherit have the same script.
                if secrets.are_shared() && !read.insert(body.identity()) {
                    continue;
                }
                let uses = body.uses(&|name| secrets.holds(name));
                for one in &uses {
                    let Some(fault) = fault(&pipeline, &body, one, &uses) else {
                        continue;
                    };
                    // One word, one fault: that of the job that says it first.
                    if seen.insert(fault.span.start) {
                        context.tell(fault);
                    }
                }
            }
        }
    }
}

/// Tells whether another use of the same word says more.
fn is_outdone(one: &Use, uses: &[Use]) -> bool {
    let rank = |one: &Use| match one.sink {
        Sink::Print | Sink::Derived | Sink::Unmasked(_) | Sink::Dump => 0,
        Sink::Url | Sink::BuildArg { .. } => 1,
        Sink::Argument(_) => 2,
        Sink::Literal { .. } => 3,
        Sink::Trace => 4,
        _ => 5,
    };
    // Uses are sorted by their places: those of one word stand together.
    let first = uses.partition_point(|other| other.span.start < one.span.start);
    uses.iter()
        .skip(first)
        .take_while(|other| other.span.start == one.span.start)
        .any(|other| rank(other) < rank(one))
}

fn fault(pipeline: &Pipeline<'_>, body: &Body<'_>, one: &Use, uses: &[Use]) -> Option<Fault> {
    let (meta, severity) = match &one.sink {
        Sink::Print | Sink::Derived => (&ECHO, Severity::High),
        Sink::Unmasked(unmasked) if matches!(unmasked.to, Sink::Print | Sink::Derived) => {
            (&ECHO, Severity::High)
        }
        Sink::Dump | Sink::Trace => (&ECHO, Severity::Medium),
        Sink::Argument(argument) if argument.is_unknown() && shell::sources_others(&body.text) => {
            return None;
        }
        Sink::Argument(_) | Sink::Url if is_job_token(one) => (&ARGV, Severity::Info),
        Sink::Argument(_) | Sink::Url => (&ARGV, Severity::Medium),
        Sink::BuildArg { .. } => (&ARGV, Severity::High),
        Sink::Literal { .. } => (&PLAINTEXT, literal(body, one)?),
        _ => return None,
    };
    if is_outdone(one, uses) {
        return None;
    }
    let span = body.place(&one.span)?;
    let job = pipeline.owner(span.start);
    let mut message = format!("{}, in the job `{job}`", shell::describe(one));
    if matches!(one.sink, Sink::Print) {
        message.push_str("; GitLab masks it only if it is marked as masked, of 8 characters or more, on one line");
    }
    let subject = format!("{job} {}", shell::topic(one));
    let mut fault = Fault::new(meta, span.clone(), subject, message).severity(severity);
    if matches!(one.sink, Sink::Literal { .. }) {
        fault = fault.secret(span);
    }
    if let Some(fix) = fix(body, one) {
        fault = fault.fix(fix);
    }
    Some(fault)
}

/// The token of a job dies with it, and GitLab's own pages pass it so.
fn is_job_token(one: &Use) -> bool {
    one.names.first().is_some_and(|name| name == "CI_JOB_TOKEN") && !one.command.ends_with("login")
}

fn literal(body: &Body<'_>, one: &Use) -> Option<Severity> {
    match values::classify(body.text.get(one.span.clone())?) {
        Value::Literal(Strength::Weak) => Some(Severity::Info),
        Value::Literal(_) => Some(Severity::High),
        _ => None,
    }
}

fn fix(body: &Body<'_>, one: &Use) -> Option<Fix> {
    if !body.takes_quotes(one.span.start) {
        return None;
    }
    match &one.sink {
        Sink::Argument(argument) if !argument.stdin_edits.is_empty() => {
            let edits = argument.stdin_edits.iter();
            let edits: Option<Vec<Edit>> = edits
                .map(|(span, text)| Some(Edit::replace(body.place(span)?, text.clone())))
                .collect();
            Some(Fix {
                class: FixClass::Safe,
                title: "pipe the password to --password-stdin".to_owned(),
                edits: edits?,
            })
        }
        Sink::Print if one.command == "echo" => {
            let name = one.names.first()?;
            let command = body.text.get(one.command_span.clone())?;
            let is_plain = !command.contains(['\n', '|', '>', '<']) && command.starts_with("echo ");
            is_plain.then(|| Fix {
                class: FixClass::Unsafe,
                title: format!("test whether `{name}` is set instead of printing it"),
                edits: body
                    .place(&one.command_span)
                    .map(|span| Edit::replace(span, format!("test -n \"${name}\"")))
                    .into_iter()
                    .collect(),
            })
        }
        _ => None,
    }
}
