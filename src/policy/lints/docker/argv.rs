//! Secrets among the arguments of a program: everybody on the machine reads them in the list of processes. Used for Dockerfiles and compose
//! files.

use std::ops::Range;

use super::words::{self, Expansion};
use crate::policy::{
    names,
    node::Scalar,
    values::{self, Value},
};

/// A secret in an argument.
#[derive(Clone, Debug)]
pub(crate) struct Exposed {
    /// The program.
    pub(crate) program: String,
    /// The flag that takes it, if there is one.
    pub(crate) flag: Option<String>,
    /// The variable that holds it; `None` for the value itself, or what a command prints.
    pub(crate) variable: Option<String>,
    /// The bytes of the argument's value.
    pub(crate) span: Range<usize>,
    /// What the value is, if it stands there itself.
    pub(crate) value: Option<Value>,
}

impl Exposed {
    /// Returns a phrase for what is handed over: names, no value.
    pub(crate) fn what(&self) -> String {
        match (&self.variable, &self.flag) {
            (Some(variable), _) => format!("`{variable}`"),
            (None, Some(flag)) => format!("the secret of `{flag}`"),
            (None, None) => "a secret".to_owned(),
        }
    }
}

/// Programs whose short flag takes a secret: the flag, and whether the value sticks to it.
const SHORT: [(&str, &str, bool); 24] = [
    ("redis-cli", "-a", false),
    ("valkey-cli", "-a", false),
    ("keydb-cli", "-a", false),
    ("mysql", "-p", true),
    ("mysqldump", "-p", true),
    ("mysqladmin", "-p", true),
    ("mysqlshow", "-p", true),
    ("mariadb", "-p", true),
    ("mariadb-admin", "-p", true),
    ("mariadb-dump", "-p", true),
    ("mongo", "-p", false),
    ("mongosh", "-p", false),
    ("mongodump", "-p", false),
    ("mongorestore", "-p", false),
    ("sqlcmd", "-P", false),
    ("sshpass", "-p", true),
    ("ldapsearch", "-w", false),
    ("ldapadd", "-w", false),
    ("ldapmodify", "-w", false),
    ("docker", "-p", false),
    ("podman", "-p", false),
    ("helm", "-p", false),
    ("cqlsh", "-p", false),
    ("mosquitto_pub", "-P", false),
];

/// Long flags that take a secret though their name does not say so.
const LONG: [&str; 4] = [
    "--requirepass",
    "--masterauth",
    "--http-password",
    "--rootpw",
];

/// Flags whose value is `name=value`.
const SETTINGS: [&str; 8] = [
    "--set",
    "--set-string",
    "-e",
    "--env",
    "--conf",
    "--build-arg",
    "-c",
    "-o",
];

/// Commands of the shell itself: no process shows their arguments.
const BUILTINS: [&str; 40] = [
    "echo", "printf", "test", "[", "[[", ":", "export", "set", "unset", "local", "read", "declare",
    "typeset", "readonly", "true", "false", "cd", "if", "then", "else", "elif", "fi", "while",
    "until", "do", "done", "for", "case", "esac", "in", "return", "exit", "shift", "trap",
    "source", ".", "eval", "!", "{", "}",
];

/// Programs that run what follows them.
const WRAPPERS: [&str; 18] = [
    "exec",
    "sudo",
    "env",
    "nohup",
    "time",
    "command",
    "tini",
    "dumb-init",
    "gosu",
    "su-exec",
    "--",
    "-g",
    "/usr/bin/env",
    "catatonit",
    "timeout",
    "nice",
    "if",
    "!",
];

/// Returns the secrets in the arguments of a script's commands.
pub(crate) fn of_script(script: &Scalar) -> Vec<Exposed> {
    words::commands(script)
        .iter()
        .flat_map(|command| of_command(command))
        .collect()
}

/// Returns the secrets in the arguments of one command, and of the script that it hands to a shell.
pub(crate) fn of_command(words: &[Scalar]) -> Vec<Exposed> {
    nested(words, 0)
}

fn nested(words: &[Scalar], depth: usize) -> Vec<Exposed> {
    let Some((program, rest)) = program(words) else {
        return Vec::new();
    };
    if BUILTINS.contains(&program.as_str()) {
        return Vec::new();
    }
    let is_shell = matches!(program.as_str(), "sh" | "bash" | "ash" | "dash" | "zsh");
    let script = rest
        .iter()
        .position(|word| word.text.starts_with('-') && word.text.ends_with('c'));
    if let (true, Some(at)) = (is_shell, script) {
        let script = rest.get(at + 1).filter(|_| depth < 3);
        let commands = script.map(words::commands).unwrap_or_default();
        return commands
            .iter()
            .flat_map(|command| nested(command, depth + 1))
            .collect();
    }
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(word) = rest.get(at) {
        let next = rest.get(at + 1);
        at += 1;
        if let Some((flag, value, takes_next)) = flagged(&program, word, next) {
            at += usize::from(takes_next);
            found.extend(shown(&program, Some(flag), value.0, value.1, true));
        } else {
            found.extend(shown(&program, None, word, 0..word.text.len(), false));
        }
    }
    found
}

/// Returns the program's name and its arguments: wrappers, their flags and assignments left out.
fn program(words: &[Scalar]) -> Option<(String, &[Scalar])> {
    let is_passed = |word: &Scalar| {
        WRAPPERS.contains(&word.text.rsplit('/').next().unwrap_or_default())
            || words::is_assignment(&word.text)
    };
    let mut skipped = words.iter().take_while(|word| is_passed(word)).count();
    // Those name a user or a time first.
    let last = skipped.checked_sub(1).and_then(|last| words.get(last));
    if last.is_some_and(|last| matches!(last.text.as_str(), "gosu" | "su-exec" | "timeout")) {
        skipped += 1;
    }
    let program = words.get(skipped)?;
    let name = program.text.rsplit(['/', '\\']).next()?;
    Some((
        name.trim_end_matches(".exe").chars().take(64).collect(),
        words.get(skipped + 1..)?,
    ))
}

type Part<'w> = (&'w Scalar, Range<usize>);

/// Reads a flag that takes a secret: its name, where the value is, and whether that is the next word.
fn flagged<'w>(
    program: &str,
    word: &'w Scalar,
    next: Option<&'w Scalar>,
) -> Option<(String, Part<'w>, bool)> {
    let text = word.text.as_str();
    let whole = |word: &'w Scalar| (word, 0..word.text.len());
    let next_value = || next.filter(|next| !next.text.starts_with('-') && !next.text.is_empty());
    if let Some((_, flag, sticks)) = SHORT
        .iter()
        .find(|(name, flag, _)| *name == program && text.starts_with(flag))
    {
        let is_long = text.starts_with("--");
        if text.len() > flag.len() && *sticks && !is_long {
            return Some(((*flag).to_owned(), (word, flag.len()..text.len()), false));
        }
        if text == *flag && !(*sticks && program != "sshpass") {
            return Some(((*flag).to_owned(), whole(next_value()?), true));
        }
    }
    if matches!(program, "curl" | "http" | "https")
        && matches!(text, "-u" | "--user" | "-a" | "--auth")
    {
        let value = next_value()?;
        let colon = value.text.find(':')?;
        return Some((text.to_owned(), (value, colon + 1..value.text.len()), true));
    }
    if SETTINGS.contains(&text) {
        let value = next_value()?;
        let (name, _) = value.text.split_once('=')?;
        let part = (value, name.len() + 1..value.text.len());
        return names::is_secret(name).then(|| (format!("{text} {name}"), part, true));
    }
    let bare = text
        .strip_prefix("-D")
        .or_else(|| Some(text.trim_start_matches('-')))?;
    if !text.starts_with('-') || text.len() < 4 || is_build_secret(program, text) {
        return None;
    }
    let (name, value) = match bare.split_once('=') {
        Some((name, value)) => (name, Some((word, text.len() - value.len()..text.len()))),
        None => (bare, None),
    };
    let flag = text.get(..text.find('=').unwrap_or(text.len()))?;
    if !(names::is_secret(name) || LONG.contains(&flag)) {
        return None;
    }
    match value {
        Some(value) => Some((flag.to_owned(), value, false)),
        None => Some((flag.to_owned(), whole(next_value()?), true)),
    }
}

/// `docker build --secret id=npm` names a secret and does not hold it.
fn is_build_secret(program: &str, flag: &str) -> bool {
    matches!(
        program,
        "docker" | "podman" | "buildah" | "buildx" | "nerdctl" | "depot" | "gcloud"
    ) && flag.trim_start_matches('-').starts_with("secret")
}

/// Tells whether a value is a secret: what a flag of secrets takes, or a variable with the name of one.
fn shown(
    program: &str,
    flag: Option<String>,
    word: &Scalar,
    part: Range<usize>,
    is_secret: bool,
) -> Option<Exposed> {
    let text = word.text.get(part.clone())?;
    let exposed = |variable: Option<String>, value: Option<Value>, range: Range<usize>| Exposed {
        program: program.to_owned(),
        flag: flag.clone(),
        variable,
        span: word.source(part.start + range.start..part.start + range.end),
        value,
    };
    if word.style == crate::policy::node::Style::Single && !is_secret {
        return None;
    }
    let variables = words::interpolations(text);
    let named = variables
        .iter()
        .find(|one: &&Expansion| names::is_secret(&one.name));
    if let Some(one) = named {
        return Some(exposed(Some(one.name.clone()), None, one.range.clone()));
    }
    if !is_secret {
        return None;
    }
    if let Some(one) = variables.first() {
        return Some(exposed(Some(one.name.clone()), None, one.range.clone()));
    }
    match values::classify(text) {
        value @ (Value::Literal(_) | Value::Placeholder) if !text.starts_with(['@', '<']) => {
            Some(exposed(None, Some(value), 0..text.len()))
        }
        Value::Template => Some(exposed(None, None, 0..text.len())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::node::Style;

    fn found(text: &str) -> Vec<String> {
        let script = Scalar {
            text: text.to_owned(),
            style: Style::Plain,
            map: vec![(0, 0)],
            end: text.len(),
        };
        of_script(&script)
            .into_iter()
            .map(|one| {
                format!(
                    "{} {} {}",
                    one.program,
                    one.flag.unwrap_or_default(),
                    &text[one.span]
                )
            })
            .collect()
    }

    #[test]
    fn secrets_in_arguments() {
        for (text, want) in [
            ("app --password hunter2-Zq81", "app --password hunter2-Zq81"),
            (
                "app --db-password=hunter2-Zq81",
                "app --db-password hunter2-Zq81",
            ),
            (
                "app -password \"hunter2-Zq81\"",
                "app -password hunter2-Zq81",
            ),
            (
                "redis-cli -a $REDIS_PASSWORD ping",
                "redis-cli -a $REDIS_PASSWORD",
            ),
            (
                "redis-cli -a \"${PW}\" ping | grep PONG",
                "redis-cli -a ${PW}",
            ),
            (
                "redis-server --requirepass ${REDIS_PASSWORD}",
                "redis-server --requirepass ${REDIS_PASSWORD}",
            ),
            (
                "mysqladmin ping -uroot -p$$MYSQL_ROOT_PASSWORD",
                "mysqladmin -p $MYSQL_ROOT_PASSWORD",
            ),
            ("sh -c 'mysql -phunter2-Zq81 -e x'", "mysql -p hunter2-Zq81"),
            (
                "exec java -Dspring.datasource.password=hunter2-Zq81 -jar a.jar",
                "java -Dspring.datasource.password hunter2-Zq81",
            ),
            (
                "curl -u admin:hunter2-Zq81 https://x",
                "curl -u hunter2-Zq81",
            ),
            (
                "curl -H \"Authorization: Bearer $API_TOKEN\" x",
                "curl  $API_TOKEN",
            ),
            (
                "app --token \"$(cat /run/secrets/token)\"",
                "app --token $(cat /run/secrets/token)",
            ),
            (
                "helm upgrade x --set auth.password=$PW",
                "helm --set auth.password $PW",
            ),
            (
                "gosu redis redis-server --requirepass $P",
                "redis-server --requirepass $P",
            ),
        ] {
            assert_eq!(found(text), [want], "{text}");
        }
    }

    #[test]
    fn other_arguments() {
        for text in [
            "app --token-file /run/secrets/token",
            "app -p 8080 --password-stdin",
            "mysql -p -u root",
            "echo \"$TOKEN\" | docker login --password-stdin -u x",
            "test -n \"$API_TOKEN\" && [ -n \"$DB_PASSWORD\" ]",
            "REDISCLI_AUTH=\"$REDIS_PASSWORD\" redis-cli ping",
            "export TOKEN=$API_TOKEN",
            "app --password /run/secrets/db",
            "app --token --verbose",
            "app <<<\"$TOKEN\"",
            "docker build --secret id=npm,env=NPM_TOKEN .",
            "app --secret-name db --no-password true",
            "envsubst '$DB_PASSWORD'",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }
}
