//! What programs do: which are builtins, which print, filter, wrap, or have subcommands.
//!
//! From the programs' own manuals; no file of other tools.

/// Words without which a script that names no secret needs no parse: they bring secrets, dump them, or trace.
pub(super) const HINTS: [&str; 25] = [
    "printenv",
    "inspect",
    "environ",
    "process.env",
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

/// Returns a program's name without its folder.
pub(super) fn basename(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}
