//! Credentials that a `RUN` leaves in the layer it makes: files it writes, settings of tools, copies of mounted secrets.
//!
//! What the same `RUN` removes is not in the layer. What a later one removes is. Secrets that stand in the line itself are `baked`'s.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    baked::baked,
    dockerfile, is_local,
    mounts::{Mounts, Removed},
    words,
};
use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        names,
        node::Scalar,
        readers::dockerfile::{Command, Dockerfile, Run, Stage, What},
        shell::{self, Script, Sink, Use},
    },
};

const LEFT_IN_LAYER: LintMeta = LintMeta {
    id: "docker-credential-left-in-layer",
    title: "A RUN leaves a credential in its layer",
    tool: "Dockerfile",
    severity: Severity::High,
    confidence: Confidence::Medium,
    persona: Persona::Regular,
    sources: &[
        "OWASP CI/CD Security Risks: CICD-SEC-6",
        "OWASP Secrets Management Cheat Sheet: Containers",
        "Docker: Build secrets",
    ],
    cwe: 538,
    fix: FixClass::None,
    why: "A layer keeps what its RUN wrote, though a later one removes it, and the image's history keeps the RUN itself: whoever can pull \
          the image, or the cache, reads it.",
    help: "Use the secret in the one RUN that has it mounted and write it nowhere: mount it where the tool looks \
           (`--mount=type=secret,id=npmrc,target=/root/.npmrc`), or as the tool's own variable (`env=NPM_TOKEN`).",
    bad: &[
        &[(
            "Dockerfile",
            "FROM node:22\nRUN --mount=type=secret,id=npm,env=NPM_TOKEN \\\n    echo \"//npm.acme.test/:_authToken=$NPM_TOKEN\" > ~/.npmrc && npm ci\nRUN rm ~/.npmrc\n",
        )],
        &[(
            "Dockerfile",
            "FROM alpine:3\nRUN --mount=type=secret,id=key cp /run/secrets/key /app/key.bin\n",
        )],
        &[(
            "Dockerfile",
            "FROM alpine:3\nRUN --mount=type=secret,id=git,env=GIT_TOKEN git config --global url.\"https://x:$GIT_TOKEN@git.acme.test/\".insteadOf https://git.acme.test/\n",
        )],
        &[(
            "Dockerfile",
            "FROM mysql:8\nRUN mysql -u root -phunter2-Zq81 -e 'create database app'\n",
        )],
        &[(
            "Dockerfile",
            "FROM node:22\nRUN echo '//npm.acme.test/:_authToken=hunter2-Zq81' > ~/.npmrc && npm ci && rm ~/.npmrc\n",
        )],
    ],
    good: &[
        &[(
            "Dockerfile",
            "FROM node:22\nRUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci\n",
        )],
        &[(
            "Dockerfile",
            "FROM node:22\nRUN --mount=type=secret,id=npm,env=NPM_TOKEN \\\n    echo \"//npm.acme.test/:_authToken=$NPM_TOKEN\" > ~/.npmrc && npm ci && rm -f ~/.npmrc\n",
        )],
        &[(
            "Dockerfile",
            "FROM alpine:3\nRUN --mount=type=secret,id=key cat /run/secrets/key | app --key-stdin > /dev/null\nRUN --mount=type=secret,id=key --mount=type=tmpfs,target=/scratch cp /run/secrets/key /scratch/key\n",
        )],
        &[(
            "Dockerfile",
            "FROM python:3\nRUN SECRET_KEY=collectstatic-only ./manage.py collectstatic && echo 'PasswordAuthentication no' >> /etc/ssh/sshd_config\n",
        )],
    ],
};

/// `docker-credential-left-in-layer`.
pub(super) struct Layers;

impl Lint for Layers {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&LEFT_IN_LAYER]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let Some(file) = dockerfile(document) else {
            return;
        };
        let shipped = shipped(file);
        for (number, stage) in file.stages.iter().enumerate() {
            let shipped = shipped.contains(&number);
            let faults = stage_faults(stage, number);
            let local = is_local(document.path);
            for fault in faults.into_iter().chain(written_out(stage, number, local)) {
                let severity = fault.severity;
                // Of other stages only the cache keeps layers.
                context.tell(if shipped {
                    fault
                } else {
                    fault.severity(severity.min(Severity::Medium))
                });
            }
        }
    }
}

/// Returns the numbers of the last stage and of those that it builds upon.
fn shipped(file: &Dockerfile) -> BTreeSet<usize> {
    const MOST: usize = 32;
    let mut at = file.stages.len().saturating_sub(1);
    let mut shipped = BTreeSet::from([at]);
    for _ in 0..MOST {
        let Some(stage) = file.stages.get(at) else {
            break;
        };
        let image = stage.image.to_ascii_lowercase();
        let before = file.stages.get(..at).unwrap_or_default();
        let is_base = |stage: &Stage| stage.name.as_deref() == Some(image.as_str());
        let Some(base) = before.iter().rposition(is_base) else {
            break;
        };
        shipped.insert(base);
        at = base;
    }
    shipped
}

fn stage_faults(stage: &Stage, number: usize) -> Vec<Fault> {
    let mut runs_shell = true;
    let mut faults: Vec<(Fault, String)> = Vec::new();
    let mut subjects = BTreeSet::new();
    for instruction in &stage.instructions {
        match &instruction.what {
            What::Shell(items) => runs_shell = is_unix(items),
            What::Run(run) => {
                let Some(script) = &run.script else { continue };
                let removed = Removed::new(script);
                removed_later(&removed, &mut faults);
                if !runs_shell && !matches!(run.command, Command::Exec(_)) {
                    continue;
                }
                for one in left(run, script, &removed) {
                    let subject = format!(
                        "{number} {} {}",
                        stage.name.as_deref().unwrap_or_default(),
                        one.subject
                    );
                    if subjects.insert(subject.clone()) {
                        faults.push((
                            Fault::new(&LEFT_IN_LAYER, one.span, subject, one.message),
                            one.path,
                        ));
                    }
                }
            }
            _ => {}
        }
    }
    faults.into_iter().map(|(fault, _)| fault).collect()
}

/// Tells whether `SHELL` names a shell of Unix.
fn is_unix(items: &[Scalar]) -> bool {
    items
        .first()
        .is_some_and(|item| item.text.ends_with("sh") && !item.text.contains("pwsh"))
}

/// Tells of secrets that stand in a `RUN` itself.
fn written_out(stage: &Stage, number: usize, local: bool) -> Vec<Fault> {
    let mut runs_shell = true;
    let mut faults = Vec::new();
    let mut subjects: BTreeMap<String, usize> = BTreeMap::new();
    for instruction in &stage.instructions {
        match &instruction.what {
            What::Shell(items) => runs_shell = is_unix(items),
            What::Run(run) => {
                for one in baked(run, runs_shell) {
                    let name = stage.name.as_deref().unwrap_or_default();
                    let mut subject = format!("{number} {name} {}", one.subject);
                    let count = subjects.entry(subject.clone()).or_default();
                    *count += 1;
                    if *count > 1 {
                        subject = format!("{subject} #{count}");
                    }
                    let severity = one.severity(local);
                    let fault = Fault::new(&LEFT_IN_LAYER, one.span.clone(), subject, one.message);
                    faults.push(fault.severity(severity).secret(one.span));
                }
            }
            _ => {}
        }
    }
    faults
}

/// Adds to earlier faults that a `RUN` removes the file too late.
fn removed_later(removed: &Removed, faults: &mut [(Fault, String)]) {
    for (fault, path) in faults.iter_mut().rev().take(8) {
        if let Some(word) = removed.find(path) {
            let span = word.source(0..word.text.len());
            let message = "removed here, in a later layer: the earlier one keeps it";
            fault.related.push((span, message.to_owned()));
        }
    }
}

/// A credential that is left.
struct Left {
    span: Range<usize>,
    /// The file, if it is known.
    path: String,
    subject: String,
    message: String,
}

fn left(run: &Run, script: &Scalar, removed: &Removed) -> Vec<Left> {
    let mounts = Mounts::new(run);
    let mut found = copied(script, &mounts, removed);
    let placeholders = mounts.read_in(&script.text);
    let is_secret = |name: &str| names::is_secret(name) || mounts.variables.contains(name);
    let script_of = Script {
        placeholders: &placeholders,
        ..Script::new(&script.text)
    };
    for one in shell::analyse(&script_of, &is_secret) {
        let left = written(&one, script, &mounts, removed);
        found.extend(left.or_else(|| configured(&one, script, removed)));
    }
    found
}

/// A file that a secret is written to.
fn written(one: &Use, script: &Scalar, mounts: &Mounts<'_>, removed: &Removed) -> Option<Left> {
    let Sink::File(file) = &one.sink else {
        return None;
    };
    if one.names.is_empty() || mounts.holds(&file.path) || removed.find(&file.path).is_some() {
        return None;
    }
    let name = one.names.first()?;
    Some(Left {
        span: script.source(one.span.clone()),
        path: file.path.clone(),
        subject: format!("{name} {}", file.path),
        message: format!(
            "this RUN writes `{name}` to `{}`: the layer keeps it",
            file.path
        ),
    })
}

/// Commands that write what they get into settings, and the file by whose removal that is undone.
const CONFIGURED: [(&str, &str); 20] = [
    ("git config", ".gitconfig"),
    ("git clone", ".git"),
    ("git remote", ".git"),
    ("pip config", "pip.conf"),
    ("pip3 config", "pip.conf"),
    ("npm config", ".npmrc"),
    ("npm set", ".npmrc"),
    ("pnpm config", ".npmrc"),
    ("yarn config", ".yarnrc"),
    ("aws configure", ".aws"),
    ("composer config", "auth.json"),
    ("bundle config", ".bundle"),
    ("poetry config", "auth.toml"),
    ("docker login", ".docker"),
    ("podman login", "auth.json"),
    ("helm registry", "registry/config.json"),
    ("cargo login", "credentials"),
    ("conda config", ".condarc"),
    ("dotnet nuget", "NuGet.Config"),
    ("nuget sources", "NuGet.Config"),
];

/// A setting that a secret is written to.
fn configured(one: &Use, script: &Scalar, removed: &Removed) -> Option<Left> {
    if !matches!(one.sink, Sink::Argument(_) | Sink::Url) {
        return None;
    }
    let line = script.text.get(one.command_span.clone())?;
    let (command, file) = CONFIGURED.iter().find(|(command, _)| runs(line, command))?;
    // A clone as a whole may be removed.
    let clone = line
        .split_whitespace()
        .next_back()
        .filter(|_| *command == "git clone")
        .unwrap_or(file);
    let clone = match clone.rsplit_once('/') {
        Some((_, name)) if clone.contains("://") => name.trim_end_matches(".git"),
        _ => clone,
    };
    let is_undone = removed.unsets || removed.find(file).is_some() || removed.find(clone).is_some();
    let name = one.names.first().filter(|_| !is_undone)?;
    Some(Left {
        span: script.source(one.span.clone()),
        path: (*file).to_owned(),
        subject: format!("{command} {name}"),
        message: format!(
            "this RUN hands `{name}` to `{command}`, which writes it to `{file}`: the layer keeps it"
        ),
    })
}

/// Tells whether a command line runs a program with its first word of work, flags between them left out.
fn runs(line: &str, command: &str) -> bool {
    let mut words = line
        .split_whitespace()
        .filter(|word| !word.starts_with('-') && !words::is_assignment(word));
    let Some((program, verb)) = command.split_once(' ') else {
        return false;
    };
    words
        .by_ref()
        .take(2)
        .any(|word| word.rsplit('/').next() == Some(program))
        && words.next() == Some(verb)
}

/// Mounted secrets that are copied as files.
fn copied(script: &Scalar, mounts: &Mounts<'_>, removed: &Removed) -> Vec<Left> {
    let mut found = Vec::new();
    if mounts.files.is_empty() {
        return found;
    }
    for command in words::simple(script) {
        let program = command
            .words
            .iter()
            .find(|word| word.text != "sudo")
            .map(|word| word.text.as_str());
        let is_copy = matches!(program, Some("cp" | "mv" | "install" | "rsync" | "tee"));
        let is_print = matches!(
            program,
            Some("cat" | "base64" | "head" | "envsubst" | "jq" | "tail")
        );
        let arguments = command.words.iter().skip(1).chain(&command.targets);
        let Some(source) = arguments
            .into_iter()
            .find(|word| mounts.is_file(&word.text))
        else {
            continue;
        };
        let target = if is_copy {
            command.words.last()
        } else if is_print {
            command
                .targets
                .iter()
                .rfind(|target| !target.text.is_empty())
        } else {
            None
        };
        let Some(target) = target.filter(|target| !mounts.holds(&target.text)) else {
            continue;
        };
        let inside = format!(
            "{}/{}",
            target.text.trim_end_matches('/'),
            source.text.rsplit('/').next().unwrap_or_default()
        );
        if removed.find(&target.text).is_some() || removed.find(&inside).is_some() {
            continue;
        }
        found.push(Left {
            span: target.source(0..target.text.len()),
            path: target.text.clone(),
            subject: format!("{} {}", source.text, target.text),
            message: format!(
                "this RUN copies the mounted secret `{}` to `{}`: the layer keeps it",
                source.text, target.text
            ),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_layers;

    #[test]
    fn what_stays_in_a_layer() {
        check_layers(&[
            (
                "RUN echo \"$API_TOKEN\" > /etc/token\n",
                &["high \"$API_TOKEN\""],
            ),
            (
                "RUN <<EOF\necho \"$API_TOKEN\" > /etc/token\nEOF\n",
                &["high \"$API_TOKEN\""],
            ),
            (
                "RUN echo \"$API_TOKEN\" > /etc/token && app && rm /etc/token\n",
                &[],
            ),
            (
                "RUN --mount=type=secret,id=a cat /run/secrets/a > /app/a\n",
                &["high /app/a"],
            ),
            (
                "RUN --mount=type=secret,id=a cp /run/secrets/a /app/ && app && rm /app/a\n",
                &[],
            ),
            (
                "RUN --mount=type=secret,id=a,target=/a.json install -m 600 /a.json /app/\n",
                &["high /app/"],
            ),
            (
                "RUN --mount=type=secret,id=a echo \"machine h password $(cat /run/secrets/a)\" > ~/.netrc\n",
                &["high \"machine h password $(cat /run/secrets/a)\""],
            ),
        ]);
    }

    #[test]
    fn what_tools_keep() {
        check_layers(&[
            (
                "RUN --mount=type=secret,id=a,env=X git clone https://x:$X@h/r.git && make -C r && rm -rf r\n",
                &[],
            ),
            (
                "RUN --mount=type=secret,id=a,env=X git clone https://x:$X@h/r.git /src/r && rm -rf /src\n",
                &[],
            ),
            (
                "RUN --mount=type=secret,id=a T=$(cat /run/secrets/a) && npm config set //h/:_authToken=$T\n",
                &["high //h/:_authToken=$T"],
            ),
            (
                "RUN --mount=type=secret,id=a T=$(cat /run/secrets/a) && npm config set //h/:_authToken=$T && npm ci && npm config delete //h/:_authToken\n",
                &[],
            ),
            (
                "RUN --mount=type=secret,id=a TOKEN=$(cat /run/secrets/a) npm ci\n",
                &[],
            ),
            (
                "RUN --mount=type=secret,id=a,env=X git clone https://x:$X@h/r\n",
                &["high https://x:$X@h/r"],
            ),
            (
                "RUN --mount=type=secret,id=a,env=X git clone https://x:$X@h/r && rm -rf r/.git\n",
                &[],
            ),
            ("RUN echo $API_TOKEN > /dev/null\n", &[]),
            (
                "FROM b AS c\nRUN echo $API_TOKEN > /t\nFROM d\nRUN e\n",
                &["medium $API_TOKEN"],
            ),
            (
                "FROM b AS c\nRUN echo $API_TOKEN > /t\nFROM c\nRUN e\n",
                &["high $API_TOKEN"],
            ),
        ]);
    }
}
