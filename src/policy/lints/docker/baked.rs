//! Secrets that are written out in a `RUN`: as arguments, in headers, as variables, and in what goes to files. The image's history keeps the
//! line itself, so it does not help that the same `RUN` removes the file again.

use std::{collections::BTreeMap, ops::Range};

use super::{
    argv::{self, Exposed},
    words::{self, Simple},
};
use crate::{
    model::Severity,
    policy::{
        names,
        node::Scalar,
        readers::dockerfile::{Command, Run},
        shell::{self, Script, Sink},
        values::{self, Strength, Value},
    },
};

/// A secret that stands in a `RUN`.
pub(super) struct Baked {
    /// Its bytes in the file.
    pub(super) span: Range<usize>,
    /// What parts it from others of the instruction: names, no value.
    pub(super) subject: String,
    /// What is wrong.
    pub(super) message: String,
    strength: Strength,
}

impl Baked {
    /// Returns how bad it is in a file of tests or examples, or elsewhere.
    pub(super) fn severity(&self, local: bool) -> Severity {
        match self.strength {
            _ if local => Severity::Info,
            Strength::Weak => Severity::Low,
            _ => Severity::High,
        }
    }
}

/// Returns the secrets that stand in a `RUN`, in the order of the file. `runs_shell` is false where `SHELL` names another program than a
/// shell of Unix.
pub(super) fn baked(run: &Run, runs_shell: bool) -> Vec<Baked> {
    let mut found: BTreeMap<usize, Baked> = BTreeMap::new();
    let mut add = |one: Baked| {
        found.entry(one.span.start).or_insert(one);
    };
    match (&run.script, &run.command) {
        (None, Command::Exec(items)) => handed(items).into_iter().for_each(&mut add),
        (Some(script), command) if runs_shell || matches!(command, Command::Exec(_)) => {
            for command in words::simple(script) {
                handed(&command.words).into_iter().for_each(&mut add);
                written(&command).into_iter().for_each(&mut add);
            }
            here(run, script).into_iter().for_each(&mut add);
            assigned(script).into_iter().for_each(&mut add);
        }
        _ => {}
    }
    found.into_values().collect()
}

/// Returns how hard a value is to guess if it is the secret itself and a shell fills in nothing of it; addresses are told elsewhere.
fn strength(value: &str) -> Option<Strength> {
    let is_filled = value.match_indices('$').any(|(at, _)| {
        let next = value.as_bytes().get(at + 1);
        next.is_some_and(|b| b.is_ascii_alphabetic() || b"_{(".contains(b))
    });
    match values::classify(value) {
        Value::Literal(strength)
            if !is_filled && !value.contains("://") && !value.contains(['`', '\n', ' ']) =>
        {
            Some(strength)
        }
        _ => None,
    }
}

/// Arguments and headers of one command.
fn handed(words: &[Scalar]) -> Vec<Baked> {
    let as_argument = |one: Exposed| {
        let Some(Value::Literal(strength)) = one.value else {
            return None;
        };
        Some(Baked {
            message: format!(
                "this RUN hands {} to `{}` as it is: the image's history keeps the line",
                one.what(),
                one.program
            ),
            subject: format!("argument {} {}", one.program, one.what()),
            span: one.span,
            strength,
        })
    };
    let mut found: Vec<Baked> = argv::of_command(words)
        .into_iter()
        .filter_map(as_argument)
        .collect();
    found.extend(words.iter().filter_map(header));
    found
}

/// A header that carries a secret: `Authorization: Bearer …`, `PRIVATE-TOKEN: …`.
pub(super) fn header(word: &Scalar) -> Option<Baked> {
    let text = word.text.as_str();
    let (name, rest) = text.split_once(':')?;
    let name = name
        .trim_start_matches("--header=")
        .trim_start_matches("-H");
    let is_name = !name.is_empty()
        && name.len() < 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let is_authorization = name.eq_ignore_ascii_case("authorization")
        || name.eq_ignore_ascii_case("proxy-authorization");
    if !is_name || !rest.starts_with(' ') || !(is_authorization || names::is_secret(name)) {
        return None;
    }
    let value = rest.trim();
    let value = match value.split_once(' ') {
        Some((_, value)) if is_authorization => value.trim(),
        _ => value,
    };
    let strength = strength(value).filter(|one| *one > Strength::Weak)?;
    let end = text.trim_end().len();
    Some(Baked {
        span: word.source(end - value.len()..end),
        subject: format!("header {name}"),
        message: format!(
            "this RUN sends the header `{name}` with the secret as it is: the image's history keeps the line"
        ),
        strength,
    })
}

/// What `echo` and `printf` write to a file.
fn written(command: &Simple) -> Vec<Baked> {
    let mut words = command.words.iter();
    let program = words.next().map(|word| word.text.as_str());
    let path = command.targets.iter().rfind(|target| is_file(&target.text));
    match (program, path) {
        (Some("printf"), Some(path))
            if command
                .words
                .get(1)
                .is_some_and(|word| word.text.contains("%s")) =>
        {
            filled(&command.words, &path.text)
        }
        (Some("echo" | "printf"), Some(path)) => words
            .flat_map(|word| lines(word, 0..word.text.len(), &path.text))
            .collect(),
        _ => Vec::new(),
    }
}

/// What `printf` puts for the `%s` of its format: `printf "password %s\n" value`.
fn filled(words: &[Scalar], path: &str) -> Vec<Baked> {
    let Some(format) = words.get(1) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut number = 2;
    for line in format.text.split('\n').flat_map(|line| line.split("\\n")) {
        let takes = line.matches("%s").count();
        let told = pair(line).filter(|(_, value)| line.get(value.clone()) == Some("%s"));
        let value = told.as_ref().and_then(|(_, value)| {
            let before = line.get(..value.start)?.matches("%s").count();
            words.get(number + before)
        });
        if let (Some((name, _)), Some(value)) = (told, value)
            && let Some(strength) = strength(&value.text)
        {
            found.push(Baked {
                span: value.source(0..value.text.len()),
                subject: format!("written {name} {path}"),
                message: format!(
                    "this RUN writes the value of `{name}` to `{path}` as it is: the layer and the image's history keep it"
                ),
                strength,
            });
        }
        number += takes;
    }
    found
}

/// What a here-document writes to a file.
fn here(run: &Run, script: &Scalar) -> Vec<Baked> {
    let Command::Shell(line) = &run.command else {
        return Vec::new();
    };
    // A script that is one here-document does not begin with the line.
    let body = line.text.len() + 1;
    if run.heredocs.is_empty() || !script.text.starts_with(&line.text) || body >= script.text.len()
    {
        return Vec::new();
    }
    let commands = words::simple(line);
    let file = commands.iter().find_map(|command| {
        let target = command.targets.iter().find(|target| is_file(&target.text));
        match command.words.first().map(|word| word.text.as_str()) {
            Some("cat") => target,
            Some("tee") => command.words.get(1),
            _ => None,
        }
    });
    file.map(|file| lines(script, body..script.text.len(), &file.text))
        .unwrap_or_default()
}

fn is_file(target: &str) -> bool {
    target.contains(['/', '.']) && !target.starts_with("/dev/") && !target.starts_with('&')
}

/// Returns the secrets in the lines of a text that becomes a file; `\n` of `printf` ends a line too.
fn lines(text: &Scalar, part: Range<usize>, path: &str) -> Vec<Baked> {
    let mut found = Vec::new();
    let mut at = part.start;
    let whole = text.text.get(part).unwrap_or_default();
    for line in whole.split('\n') {
        let mut start = at;
        for piece in line.split("\\n") {
            found.extend(pair(piece).and_then(|(name, value)| {
                let strength = strength(piece.get(value.clone())?)?;
                Some(Baked {
                    span: text.source(start + value.start..start + value.end),
                    subject: format!("written {name} {path}"),
                    message: format!(
                        "this RUN writes the value of `{name}` to `{path}` as it is: the layer and the image's history keep it"
                    ),
                    strength,
                })
            }));
            start += piece.len() + 2;
        }
        at += line.len() + 1;
    }
    found
}

/// Keys of files of credentials that no other file has.
const KEYS: [&str; 3] = ["_auth", "_authToken", "_password"];

/// Returns the name and the place of the value of a line of settings: `password = x`, `//host/:_authToken=x`, `machine h password x`.
fn pair(line: &str) -> Option<(&str, Range<usize>)> {
    if line.trim_start().starts_with("machine ") || line.trim_start().starts_with("default ") {
        let at = line.find(" password ")? + " password ".len();
        let value = line.get(at..)?.split_whitespace().next()?;
        return place("password", line, value);
    }
    let (key, value) = line
        .split_once('=')
        .or_else(|| line.split_once(": "))
        .filter(|(key, _)| !key.trim().contains(char::is_whitespace))?;
    let name = key.trim().rsplit(':').next()?.trim_matches(['"', '\'']);
    let value = value.trim().trim_end_matches(',');
    let quoted =
        |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    let value = match quoted('"') || quoted('\'') {
        true => value.get(1..value.len() - 1)?,
        false => value,
    };
    let is_name = name.len() < 64
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let is_key = KEYS.contains(&name) || is_name && names::is_secret(name);
    is_key.then_some(())?;
    place(name, line, value)
}

/// Returns a name with where its value stands, which is the last of such in the line.
fn place<'l>(name: &'l str, line: &str, value: &str) -> Option<(&'l str, Range<usize>)> {
    let at = line.rfind(value)?;
    (!value.is_empty()).then_some((name, at..at + value.len()))
}

/// Variables that are given a value: exported, or in front of a command.
fn assigned(script: &Scalar) -> Vec<Baked> {
    let mut found = Vec::new();
    for one in shell::analyse(&Script::new(&script.text), &names::is_secret) {
        let Sink::Literal { name, exported } = &one.sink else {
            continue;
        };
        let value = script.text.get(one.span.clone()).and_then(strength);
        // What a build needs to be set at all gets a word there: `SECRET_KEY=build ./manage.py collectstatic`.
        let least = if *exported {
            Strength::Named
        } else {
            Strength::Random
        };
        if let Some(strength) = value.filter(|strength| *strength >= least) {
            found.push(Baked {
                span: script.source(one.span.clone()),
                subject: format!("variable {name}"),
                message: format!(
                    "this RUN sets `{name}` to the secret itself: the image's history keeps the line"
                ),
                strength,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check_layers, told};

    #[test]
    fn secrets_in_commands() {
        check_layers(&[
            (
                "RUN printf \"machine x login bot password %s\\n\" Vx7kQ2mR9tLp > ~/.netrc\n",
                &["high Vx7kQ2mR9tLp"],
            ),
            (
                "RUN echo root:Vx7kQ2mR9tLp | chpasswd\n",
                &["high Vx7kQ2mR9tLp"],
            ),
            (
                "RUN npm config set //r.example.com/:_authToken Vx7kQ2mR9tLp\n",
                &["high Vx7kQ2mR9tLp"],
            ),
            (
                "RUN aws configure set aws_secret_access_key Vx7kQ2mR9tLp\n",
                &["high Vx7kQ2mR9tLp"],
            ),
            (
                "RUN mysql -u root -phunter2-Zq81 -e x\n",
                &["high hunter2-Zq81"],
            ),
            ("RUN mysql -u root -proot -e x\n", &["low root"]),
            (
                "RUN export API_TOKEN=hunter2-Zq81 && make\n",
                &["high hunter2-Zq81"],
            ),
            (
                "RUN export \\\n  API_TOKEN=\"hunter2-Zq81\" && \\\n  make\n",
                &["high hunter2-Zq81"],
            ),
            (
                "RUN NPM_TOKEN=q8Zr2Lw9Xk4Tn7Vb1Mc6 npm ci\n",
                &["high q8Zr2Lw9Xk4Tn7Vb1Mc6"],
            ),
            (
                "RUN [\"curl\", \"-H\", \"Authorization: Bearer hunter2-Zq81\", \"https://x.acme.test\"]\n",
                &["high hunter2-Zq81"],
            ),
            (
                "RUN [\"curl\", \"-u\", \"ci:hunter2-Zq81\", \"https://x.acme.test\"]\n",
                &["high hunter2-Zq81"],
            ),
            (
                "RUN curl -H 'PRIVATE-TOKEN: hunter2-Zq81' https://x.acme.test\n",
                &["high hunter2-Zq81"],
            ),
            (
                "FROM b AS c\nRUN curl -H 'PRIVATE-TOKEN: hunter2-Zq81' https://x.acme.test\nFROM d\n",
                &["medium hunter2-Zq81"],
            ),
        ]);
    }

    #[test]
    fn secrets_in_files() {
        check_layers(&[
            (
                "RUN echo \"machine x.acme.test login ci password hunter2-Zq81\" > /root/.netrc\n",
                &["high hunter2-Zq81"],
            ),
            (
                "RUN echo '//r.acme.test/:_authToken=hunter2-Zq81' >> ~/.npmrc && npm ci && rm ~/.npmrc\n",
                &["high hunter2-Zq81"],
            ),
            (
                "RUN printf '[pypi]\\nusername = ci\\npassword = hunter2-Zq81\\n' > ~/.pypirc\n",
                &["high hunter2-Zq81"],
            ),
            (
                "RUN cat <<EOF > /root/.pypirc\n[pypi]\nusername = ci\npassword = hunter2-Zq81\nEOF\n",
                &["high hunter2-Zq81"],
            ),
        ]);
    }

    #[test]
    fn what_holds_none() {
        check_layers(&[
            (
                "RUN SECRET_KEY=collectstatic-only ./manage.py collectstatic\n",
                &[],
            ),
            ("RUN export API_TOKEN=changeme && make\n", &[]),
            ("RUN export TOKEN=$(date) && make\n", &[]),
            (
                "RUN echo 'PasswordAuthentication no' >> /etc/ssh/sshd_config\n",
                &[],
            ),
            (
                "RUN echo \"password: see the wiki\" > /app/readme.txt\n",
                &[],
            ),
            (
                "RUN curl -H 'Accept: application/json' https://x.acme.test\n",
                &[],
            ),
            (
                "RUN curl -H \"Authorization: token ${X}\" https://x.acme.test\n",
                &[],
            ),
            ("RUN echo token=abc\n", &[]),
            (
                "RUN app --token-file /run/secrets/token --secret-name db\n",
                &[],
            ),
            ("SHELL [\"pwsh\"]\nRUN export API_TOKEN=hunter2-Zq81\n", &[]),
        ]);
        assert_eq!(
            told("test/Dockerfile", "FROM a\nRUN mysql -phunter2-Zq81 -e x\n"),
            ["docker-credential-left-in-layer info hunter2-Zq81"]
        );
    }
}
