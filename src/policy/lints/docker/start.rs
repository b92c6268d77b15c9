//! Secrets in the arguments of what a container starts: `CMD`, `ENTRYPOINT`, `HEALTHCHECK`.

use super::{
    argv::{self, Exposed},
    baked::{self, Baked},
    dockerfile, is_local, words,
};
use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        readers::dockerfile::{Command, Role, What},
        values::Value,
    },
};

const CMD_SECRET_ARGV: LintMeta = LintMeta {
    id: "docker-cmd-secret-argv",
    title: "A container's command takes a secret as an argument",
    tool: "Dockerfile",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet: secrets as arguments show in the list of processes",
        "CWE-214",
    ],
    cwe: 214,
    fix: FixClass::None,
    why: "Arguments show in the list of processes, in `docker inspect` and in logs of whatever starts the container.",
    help: "Let the program read a file (`--password-file /run/secrets/db`), or the variable it knows itself (`REDISCLI_AUTH`, `MYSQL_PWD`).",
    bad: &[
        &[(
            "Dockerfile",
            "FROM acme/app:1\nCMD [\"app\", \"--password\", \"hunter2-Zq81\"]\n",
        )],
        &[(
            "Dockerfile",
            "FROM redis:7\nHEALTHCHECK --interval=5s CMD redis-cli -a $REDIS_PASSWORD ping\n",
        )],
        &[(
            "Dockerfile",
            "FROM acme/app:1\nENTRYPOINT exec app --port 8080 \\\n    --api-key=\"${API_KEY}\"\n",
        )],
    ],
    good: &[
        &[(
            "Dockerfile",
            "FROM acme/app:1\nCMD [\"app\", \"--password-file\", \"/run/secrets/db\", \"-p\", \"8080\"]\n",
        )],
        &[(
            "Dockerfile",
            "FROM redis:7\nHEALTHCHECK CMD REDISCLI_AUTH=\"$REDIS_PASSWORD\" redis-cli ping\nCMD test -n \"$API_TOKEN\" && exec app --token-file /run/secrets/token\n",
        )],
    ],
};

/// `docker-cmd-secret-argv`.
pub(super) struct Starts;

impl Lint for Starts {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&CMD_SECRET_ARGV]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(file) = dockerfile(document) else {
            return;
        };
        let local = is_local(document.path);
        for instruction in super::instructions(file) {
            let What::Start(role, command) = &instruction.what else {
                continue;
            };
            let found = match command {
                Command::Shell(script) => argv::of_script(script),
                Command::Exec(items) => argv::of_command(items),
            };
            for one in found {
                context.tell(fault(*role, &one, local));
            }
            for one in headers(command) {
                let subject = format!("{} {}", role.as_str(), one.subject);
                let message = format!(
                    "`{}` sends a header with the secret as it is",
                    role.as_str()
                );
                let severity = one.severity(local);
                let fault = Fault::new(&CMD_SECRET_ARGV, one.span.clone(), subject, message);
                context.tell(fault.severity(severity).secret(one.span));
            }
        }
    }
}

/// Returns the headers with secrets in a command.
fn headers(command: &Command) -> Vec<Baked> {
    match command {
        Command::Shell(script) => words::commands(script)
            .iter()
            .flatten()
            .filter_map(baked::header)
            .collect(),
        Command::Exec(items) => items.iter().filter_map(baked::header).collect(),
    }
}

fn fault(role: Role, one: &Exposed, local: bool) -> Fault {
    let role = role.as_str();
    let subject = format!("{role} {} {}", one.program, one.what());
    let message = format!(
        "`{role}` hands {} to `{}` as an argument",
        one.what(),
        one.program
    );
    let mut fault = Fault::new(&CMD_SECRET_ARGV, one.span.clone(), subject, message);
    if one.value.is_some() {
        fault = fault.secret(one.span.clone());
    }
    match one.value {
        Some(Value::Placeholder) => fault.severity(Severity::Info),
        Some(Value::Literal(_)) if local => fault.severity(Severity::Info),
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;

    #[test]
    fn all_forms_of_commands() {
        for (text, want) in [
            (
                "CMD app --token hunter2-Zq81\n",
                vec!["docker-cmd-secret-argv medium hunter2-Zq81"],
            ),
            (
                "CMD [\"sh\", \"-c\", \"app --token \\\"$T\\\"\"]\n",
                vec!["docker-cmd-secret-argv medium $T"],
            ),
            (
                "HEALTHCHECK CMD curl -H \"Authorization: Bearer Vx7kQ2mR9tLp\" localhost\n",
                vec!["docker-cmd-secret-argv high Vx7kQ2mR9tLp"],
            ),
            (
                "CMD app --token changeme\n",
                vec!["docker-cmd-secret-argv info changeme"],
            ),
            (
                "ONBUILD CMD app --token=$T\n",
                vec!["docker-cmd-secret-argv medium $T"],
            ),
            ("CMD [\"app\", \"--token\", \"/run/secrets/x\"]\n", vec![]),
        ] {
            assert_eq!(
                told("Dockerfile", &format!("FROM a\n{text}")),
                want,
                "{text:?}"
            );
        }
    }
}
