//! What programs do: which bring secrets, which print, filter or wrap, and how each takes a secret without an argument.
//!
//! From the programs' own manuals; no file of other tools.

use std::ops::Range;

use super::super::names;

/// Words without which a script that names no secret needs no parse: they bring secrets, dump them, or trace.
pub(super) const HINTS: [&str; 24] = [
    "printenv",
    "inspect",
    "environ",
    "sh -",
    "vault",
    "bao ",
    "aws ",
    "gcloud",
    "az ",
    "op read",
    "op item",
    "doppler",
    "sops",
    "infisical",
    "secret",
    "auth token",
    "create token",
    "openssl",
    "urandom",
    "pass show",
    "task.setvariable",
    "config view",
    "auth:token",
    "get password",
];

/// Tells whether a word may list the environment, by what follows it.
pub(super) fn lists(word: &str, rest: &str) -> bool {
    if !matches!(word, "env" | "set" | "export" | "declare" | "typeset") {
        return false;
    }
    let rest = rest.trim_start_matches([' ', '\t']);
    rest.is_empty()
        || rest.starts_with(['\n', '\r', ';', '|', '&', '>', ')', '`', '}'])
        || word != "set" && rest.starts_with('-')
}

/// Shell builtins: their arguments are seen by nobody.
const BUILTINS: [&str; 48] = [
    ".",
    ":",
    "[",
    "[[",
    "alias",
    "bg",
    "break",
    "builtin",
    "caller",
    "cd",
    "command",
    "compgen",
    "complete",
    "continue",
    "declare",
    "dirs",
    "echo",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fg",
    "getopts",
    "hash",
    "jobs",
    "let",
    "local",
    "mapfile",
    "popd",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "set",
    "shift",
    "source",
    "test",
    "trap",
    "true",
    "type",
    "typeset",
    "umask",
    "unset",
    "print",
];

/// Tells whether a program is built into the shell, or as good as that.
pub(super) fn is_builtin(program: &str) -> bool {
    BUILTINS.contains(&program)
        || matches!(
            program,
            "wait" | "kill" | "shopt" | "setopt" | "ulimit" | "times" | "exit" | ""
        )
}

/// Tells whether a command that is no program is, by its name, a function of another file that prints.
pub(super) fn is_logger(name: &str) -> bool {
    const LOGGERS: [&str; 22] = [
        "log", "info", "warn", "warning", "error", "err", "die", "debug", "fatal", "msg", "notice",
        "success", "fail", "green", "red", "yellow", "blue", "say_info", "einfo", "ewarn",
        "eerror", "abort",
    ];
    LOGGERS.contains(&name)
        || ["log_", "log-", "print_", "echo_", "msg_"]
            .iter()
            .any(|start| name.starts_with(start))
        || ["_info", "_warn", "_error", "_log", "_debug"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// Programs that run another: how many plain words of their own stand before it, and which options take a value.
pub(super) fn wrapper(program: &str) -> Option<(usize, &'static [&'static str])> {
    Some(match program {
        "sudo" => (0, &["-u", "-g", "-C", "-h", "-p", "--user", "--group"]),
        "doas" => (0, &["-u", "-C"]),
        "env" => (0, &["-u", "-C", "-S", "--unset", "--chdir"]),
        "nice" => (0, &["-n"]),
        "ionice" => (0, &["-c", "-n"]),
        "timeout" => (1, &["-k", "-s", "--signal", "--kill-after"]),
        "xargs" => (0, &["-I", "-n", "-P", "-L", "-d", "-a", "-s", "-E"]),
        "stdbuf" => (0, &["-i", "-o", "-e"]),
        "exec" => (0, &["-a"]),
        "time" | "nohup" | "command" | "builtin" | "setsid" | "eatmydata" | "unbuffer" => (0, &[]),
        _ => return None,
    })
}

/// What a program makes of its stdin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// Hands it on.
    Pass,
    /// Hands on another form of it.
    Derive(&'static str),
    /// Uses it up: what comes out tells nothing.
    Drop,
}

/// Returns what a program makes of its stdin.
pub(super) fn filter(program: &str, arguments: &[&str]) -> Filter {
    let has = |flags: &[&str]| {
        arguments
            .iter()
            .any(|word| flags.iter().any(|flag| word.starts_with(flag)))
    };
    match program {
        "cat" | "tee" | "sort" | "uniq" | "column" | "nl" | "less" | "more" | "ts" | "tac"
        | "paste" | "dos2unix" | "envsubst" | "xargs" | "pr" | "expand" | "sponge" => Filter::Pass,
        "grep" | "egrep" | "rg" | "fgrep" => {
            let is_quiet = arguments.iter().any(|word| {
                matches!(*word, "--quiet" | "--silent" | "--count")
                    || word.starts_with('-') && !word.starts_with("--") && word.contains(['q', 'c'])
            });
            if is_quiet { Filter::Drop } else { Filter::Pass }
        }
        "head" | "tail" if has(&["-c", "--bytes"]) => Filter::Derive("head -c"),
        "head" | "tail" => Filter::Pass,
        "tr" if arguments.first() == Some(&"-d") => Filter::Pass,
        "openssl" => match arguments.first() {
            Some(&("enc" | "base64")) => Filter::Derive("openssl enc"),
            _ => Filter::Drop,
        },
        "base64" => Filter::Derive("base64"),
        "base32" => Filter::Derive("base32"),
        "xxd" => Filter::Derive("xxd"),
        "od" => Filter::Derive("od"),
        "hexdump" | "hd" => Filter::Derive("hexdump"),
        "rev" => Filter::Derive("rev"),
        "tr" => Filter::Derive("tr"),
        "cut" => Filter::Derive("cut"),
        "sed" | "gsed" => Filter::Derive("sed"),
        "awk" | "gawk" | "mawk" => Filter::Derive("awk"),
        "fold" => Filter::Derive("fold"),
        "jq" => Filter::Derive("jq"),
        "yq" => Filter::Derive("yq"),
        "gzip" | "bzip2" | "xz" | "zstd" => Filter::Derive("gzip"),
        _ => Filter::Drop,
    }
}

/// Tells whether a filter leaves names alone of a listing of the environment.
pub(super) fn keeps_names_only(program: &str, arguments: &[&str]) -> bool {
    match program {
        "cut" | "awk" | "gawk" | "mawk" | "jq" | "yq" => true,
        "sed" => arguments
            .iter()
            .any(|word| word.contains("=.*") || word.contains("=[^")),
        "grep" | "egrep" | "rg" => {
            let only = arguments.iter().any(|word| {
                *word == "--only-matching"
                    || word.starts_with('-') && !word.starts_with("--") && word.contains('o')
            });
            let inverts = arguments.iter().any(|word| {
                *word == "--invert-match"
                    || word.starts_with('-') && !word.starts_with("--") && word.contains('v')
            });
            let pattern = arguments.iter().find(|word| !word.starts_with('-'));
            only || !inverts && pattern.is_some_and(|pattern| !may_match_secret(pattern))
        }
        _ => false,
    }
}

/// Tells whether lines of secrets may match a pattern for names of variables.
fn may_match_secret(pattern: &str) -> bool {
    let lower = pattern.to_ascii_lowercase();
    let literal = lower.bytes().filter(u8::is_ascii_alphanumeric).count() >= 3;
    !literal
        || [
            "tok", "pass", "pwd", "sec", "key", "cred", "auth", "aws", "ci", "env", "jwt", "api",
        ]
        .iter()
        .any(|word| lower.contains(word))
}

/// Programs whose subcommands name what they do, with how many words of them count.
const SUBCOMMANDS: [(&str, usize); 26] = [
    ("docker", 2),
    ("podman", 2),
    ("buildah", 1),
    ("nerdctl", 2),
    ("docker-compose", 1),
    ("git", 2),
    ("gh", 2),
    ("glab", 2),
    ("aws", 2),
    ("gcloud", 3),
    ("az", 3),
    ("kubectl", 2),
    ("oc", 2),
    ("helm", 2),
    ("npm", 2),
    ("yarn", 2),
    ("pnpm", 2),
    ("pip", 2),
    ("pip3", 2),
    ("poetry", 1),
    ("cargo", 1),
    ("vault", 2),
    ("bao", 2),
    ("terraform", 1),
    ("twine", 1),
    ("openssl", 1),
];

/// Words that are subcommands: nothing else of a command line gets into a message.
const SUBCOMMAND_WORDS: [&str; 65] = [
    "login",
    "build",
    "buildx",
    "bake",
    "compose",
    "run",
    "exec",
    "push",
    "publish",
    "config",
    "configure",
    "set",
    "create",
    "secret",
    "secrets",
    "kv",
    "get",
    "put",
    "write",
    "read",
    "clone",
    "remote",
    "add",
    "fetch",
    "pull",
    "auth",
    "registry",
    "install",
    "upgrade",
    "template",
    "apply",
    "plan",
    "upload",
    "enc",
    "token",
    "account",
    "keyvault",
    "storage",
    "versions",
    "variable",
    "label",
    "patch",
    "annotate",
    "submodule",
    "ls-remote",
    "repo",
    "set-url",
    "inspect",
    "service",
    "stack",
    "deploy",
    "ssm",
    "secretsmanager",
    "sts",
    "ad",
    "sp",
    "adduser",
    "operator",
    "unseal",
    "describe",
    "delete",
    "rsa",
    "pkcs12",
    "update",
    "bud",
];

/// Returns the program with its subcommands, as people call it.
pub(super) fn title(program: &str, arguments: &[&str]) -> String {
    let depth = SUBCOMMANDS
        .iter()
        .find(|(name, _)| *name == program)
        .map_or(0, |(_, depth)| *depth);
    let known = arguments
        .iter()
        .filter(|word| !word.starts_with('-'))
        .take_while(|word| SUBCOMMAND_WORDS.contains(word))
        .take(depth);
    std::iter::once(&program)
        .chain(known)
        .copied()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Ways to take a secret without an argument, by program (with subcommand) and option; the first that fits counts.
const CHANNELS: [(&str, &[&str], &str); 67] = [
    (
        "docker run",
        &["-e", "--env"],
        "give `-e NAME` without a value: it is taken from the environment",
    ),
    (
        "docker exec",
        &["-e", "--env"],
        "give `-e NAME` without a value: it is taken from the environment",
    ),
    (
        "podman run",
        &["-e", "--env"],
        "give `-e NAME` without a value: it is taken from the environment",
    ),
    (
        "docker service create",
        &[],
        "use `docker secret create NAME -` and `--secret`",
    ),
    (
        "docker secret create",
        &[],
        "pipe it to `docker secret create NAME -`",
    ),
    (
        "docker compose run",
        &["-e"],
        "give `-e NAME` without a value: it is taken from the environment",
    ),
    (
        "docker login",
        &[],
        "pipe it to `docker login --password-stdin`",
    ),
    (
        "podman login",
        &[],
        "pipe it to `podman login --password-stdin`",
    ),
    (
        "nerdctl login",
        &[],
        "pipe it to `nerdctl login --password-stdin`",
    ),
    (
        "buildah login",
        &[],
        "pipe it to `buildah login --password-stdin`",
    ),
    ("skopeo", &[], "use `skopeo login --password-stdin`"),
    ("oras", &[], "use `oras login --password-stdin`"),
    ("crane", &[], "use `crane auth login --password-stdin`"),
    (
        "helm registry login",
        &[],
        "pipe it to `helm registry login --password-stdin`",
    ),
    (
        "helm repo add",
        &[],
        "pipe it to `helm repo add --password-stdin`",
    ),
    (
        "helm",
        &["--set", "--set-string"],
        "pass it by `--values -` or `--set-file`",
    ),
    (
        "curl",
        &["-H", "--header", "--proxy-header"],
        "pass the header by `--header @file` or `--config -`",
    ),
    (
        "curl",
        &[
            "-d",
            "--data",
            "--data-raw",
            "--data-binary",
            "--data-urlencode",
            "--json",
        ],
        "pass the body by `--data @-`",
    ),
    (
        "curl",
        &["-F", "--form"],
        "pass the field by `--form 'name=<-'`",
    ),
    (
        "curl",
        &["-u", "--user"],
        "use `--netrc-file` or `--config -`",
    ),
    ("curl", &[], "pass it by `--config -`"),
    ("wget", &[], "use `--config` or `~/.netrc`"),
    ("mysql", &[], "use `--defaults-extra-file`"),
    ("mysqldump", &[], "use `--defaults-extra-file`"),
    ("mysqladmin", &[], "use `--defaults-extra-file`"),
    ("mariadb", &[], "use `--defaults-extra-file`"),
    ("mariadb-dump", &[], "use `--defaults-extra-file`"),
    (
        "psql",
        &[],
        "set `PGPASSWORD` in its environment, or use `~/.pgpass`",
    ),
    (
        "pg_dump",
        &[],
        "set `PGPASSWORD` in its environment, or use `~/.pgpass`",
    ),
    (
        "pg_restore",
        &[],
        "set `PGPASSWORD` in its environment, or use `~/.pgpass`",
    ),
    ("redis-cli", &[], "set `REDISCLI_AUTH` in its environment"),
    (
        "sshpass",
        &[],
        "use `sshpass -e` with `SSHPASS` in its environment, or an SSH key",
    ),
    ("mongosh", &[], "let it read the password from stdin"),
    ("mongodump", &[], "use its `--config` file"),
    ("az", &[], "log in with OIDC, or pass the value by `@file`"),
    (
        "gcloud",
        &[],
        "pass it by a file: `--data-file=-`, `--cred-file`",
    ),
    (
        "aws configure set",
        &[],
        "set `AWS_SECRET_ACCESS_KEY` in its environment, or use OIDC",
    ),
    ("aws", &[], "pass it by `file:///dev/stdin`"),
    (
        "npm config set",
        &[],
        "write `${NPM_TOKEN}` as it stands into .npmrc: npm expands it",
    ),
    (
        "npm",
        &[],
        "write `${NPM_TOKEN}` as it stands into .npmrc: npm expands it",
    ),
    (
        "yarn config set",
        &[],
        "set it as `YARN_NPM_AUTH_TOKEN` in its environment",
    ),
    (
        "pnpm config set",
        &[],
        "write `${NPM_TOKEN}` as it stands into .npmrc: pnpm expands it",
    ),
    ("twine", &[], "set `TWINE_PASSWORD` in its environment"),
    (
        "poetry",
        &[],
        "set `POETRY_PYPI_TOKEN_PYPI` in its environment",
    ),
    (
        "cargo",
        &[],
        "set `CARGO_REGISTRY_TOKEN` in its environment",
    ),
    (
        "pip",
        &[],
        "set `PIP_INDEX_URL` in its environment, or use `~/.netrc`",
    ),
    (
        "kubectl create secret",
        &[],
        "pass it by `--from-env-file=/dev/stdin` or `--from-file=NAME=/dev/stdin`",
    ),
    (
        "oc create secret",
        &[],
        "pass it by `--from-env-file=/dev/stdin` or `--from-file=NAME=/dev/stdin`",
    ),
    ("kubectl", &[], "use a kubeconfig file"),
    ("oc", &[], "use a kubeconfig file"),
    (
        "gh secret set",
        &[],
        "pipe it to `gh secret set NAME`: without `--body` it reads stdin",
    ),
    (
        "gh auth login",
        &[],
        "pipe it to `gh auth login --with-token`",
    ),
    ("gh", &[], "set `GH_TOKEN` in its environment"),
    (
        "vault operator",
        &[],
        "let it ask for the key, or unseal by a key management service",
    ),
    ("vault login", &[], "pipe it to `vault login -`"),
    (
        "vault",
        &[],
        "give `NAME=-` and pipe it in, or `NAME=@file`",
    ),
    ("git", &[], "use a credential helper or `GIT_ASKPASS`"),
    (
        "terraform",
        &["-var"],
        "set `TF_VAR_name` in its environment",
    ),
    ("openssl", &[], "use `-passin env:NAME` or `-pass stdin`"),
    ("gpg", &[], "use `--passphrase-fd 0`"),
    ("jq", &[], "read it in the program as `env.NAME`"),
    ("keytool", &[], "use `-storepass:env NAME`"),
    ("jarsigner", &[], "use `-storepass:env NAME`"),
    ("htpasswd", &[], "pipe it to `htpasswd -i`"),
    ("ldapsearch", &[], "use `-y file`"),
    ("ansible-playbook", &[], "pass it by `--extra-vars @file`"),
    ("sonar-scanner", &[], "set `SONAR_TOKEN` in its environment"),
];

/// Returns how a program takes a secret otherwise. `title` as [`title`] makes it.
pub(super) fn channel(title: &str, flag: Option<&str>) -> Option<&'static str> {
    let is_of = |name: &str| {
        title
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    CHANNELS
        .iter()
        .find(|(name, flags, _)| {
            is_of(name) && (flags.is_empty() || flag.is_some_and(|flag| flags.contains(&flag)))
        })
        .map(|(_, _, how)| *how)
}

/// A value that an option for secrets takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretArgument {
    /// Which word holds it.
    pub(crate) word: usize,
    /// Its bytes within the word.
    pub(crate) value: Range<usize>,
    /// The option, with its dashes.
    pub(crate) flag: String,
    /// As `Argument::safe`.
    pub(crate) safe: Option<&'static str>,
}

/// Short options that take a password, by program.
const SHORT: [(&str, &str); 18] = [
    ("redis-cli", "-a"),
    ("sshpass", "-p"),
    ("mongo", "-p"),
    ("mongosh", "-p"),
    ("mongodump", "-p"),
    ("sqlcmd", "-P"),
    ("cqlsh", "-p"),
    ("ldapsearch", "-w"),
    ("ldapadd", "-w"),
    ("mosquitto_pub", "-P"),
    ("mosquitto_sub", "-P"),
    ("rabbitmqadmin", "-p"),
    ("docker login", "-p"),
    ("podman login", "-p"),
    ("twine upload", "-p"),
    ("bcp", "-P"),
    ("kcadm.sh", "--password"),
    ("vncpasswd", "-f"),
];

/// Programs that take a password glued to `-p`.
const GLUED: [&str; 8] = [
    "mysql",
    "mysqldump",
    "mysqladmin",
    "mariadb",
    "mariadb-dump",
    "mariadb-admin",
    "mysqlcheck",
    "mysqlimport",
];

/// Finds the values of options for secrets in an argument vector (`CMD ["app", "--password", "x"]`, `args:` of a container): by the option,
/// whatever the value is. The first word is the program; if it starts with a dash all are options of one that is not known.
pub(crate) fn secret_arguments(words: &[&str]) -> Vec<SecretArgument> {
    let first = words.first().copied().unwrap_or_default();
    let program = basename(first);
    let rest = words.get(1..).unwrap_or_default();
    let title = title(program, rest);
    let mut out = Vec::new();
    let mut skip = None;
    for (at, word) in words.iter().enumerate() {
        if skip == Some(at) || (at == 0 && !word.starts_with('-')) {
            continue;
        }
        let next = words
            .get(at + 1)
            .filter(|next| !next.starts_with('-') && !next.is_empty());
        let mut tell = |at: usize, value: Range<usize>, flag: &str| {
            out.push(SecretArgument {
                word: at,
                value,
                flag: flag.to_owned(),
                safe: channel(&title, Some(flag)),
            });
        };
        if GLUED.contains(&program) && word.len() > 2 && word.starts_with("-p") {
            tell(at, 2..word.len(), "-p");
        } else if let Some((_, flag)) = SHORT
            .iter()
            .find(|(name, flag)| *name == title && flag == word)
        {
            if let Some(next) = next {
                tell(at + 1, 0..next.len(), flag);
                skip = Some(at + 1);
            }
        } else if let Some((flag, value)) = word.split_once('=') {
            if is_secret_flag(flag) && !value.is_empty() {
                tell(at, flag.len() + 1..word.len(), flag);
            }
        } else if is_secret_flag(word)
            && let Some(next) = next
        {
            tell(at + 1, 0..next.len(), word);
            skip = Some(at + 1);
        } else if matches!((program, *word), ("curl", "-u" | "--user"))
            && let Some((user, password)) = next.and_then(|next| next.split_once(':'))
            && !password.is_empty()
        {
            let start = user.len() + 1;
            tell(at + 1, start..start + password.len(), word);
            skip = Some(at + 1);
        }
    }
    out
}

/// Tells whether an option's name is that of a secret: `--password`, `-token`, `-Ddb.password`.
fn is_secret_flag(flag: &str) -> bool {
    let name = flag.trim_start_matches('-');
    flag.starts_with('-')
        && name.len() >= 3
        && name.len() <= 80
        && names::is_secret(name.strip_prefix('D').unwrap_or(name))
}

/// Returns a program's name without its folder.
pub(super) fn basename(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}
