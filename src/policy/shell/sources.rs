//! Programs that bring a secret into a script, and those that print the whole environment.

/// A program that writes a secret to its stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// As people call it.
    pub(super) title: &'static str,
    /// Whether it makes random text, which is a secret only if the variable that takes it is named so.
    pub(super) generates: bool,
    /// Whether it prints a whole object (YAML, JSON) rather than a value.
    pub(super) object: bool,
}

/// Command lines: words that must follow each other (options between them left out), and a word that must be anywhere.
const SOURCES: [(&str, Option<&str>); 57] = [
    ("vault kv get", None),
    ("vault read", None),
    ("vault token create", None),
    ("vault print token", None),
    ("bao kv get", None),
    ("bao read", None),
    ("aws secretsmanager get-secret-value", None),
    ("aws ssm get-parameter", Some("--with-decryption")),
    ("aws ssm get-parameters", Some("--with-decryption")),
    ("aws ssm get-parameters-by-path", Some("--with-decryption")),
    ("aws sts assume-role", None),
    ("aws sts assume-role-with-web-identity", None),
    ("aws sts get-session-token", None),
    ("aws ecr get-login-password", None),
    ("aws ecr-public get-login-password", None),
    ("aws codeartifact get-authorization-token", None),
    ("aws rds generate-db-auth-token", None),
    ("aws configure get aws_secret_access_key", None),
    ("aws configure export-credentials", None),
    ("gcloud secrets versions access", None),
    ("gcloud auth print-access-token", None),
    ("gcloud auth print-identity-token", None),
    ("gcloud auth application-default print-access-token", None),
    ("az keyvault secret show", None),
    ("az account get-access-token", None),
    ("az acr credential show", None),
    ("az acr login", Some("--expose-token")),
    ("az storage account keys list", None),
    ("az ad sp create-for-rbac", None),
    ("op read", None),
    ("op item get", None),
    ("doppler secrets get", None),
    ("doppler secrets download", None),
    ("infisical secrets get", None),
    ("infisical export", None),
    ("sops", Some("-d")),
    ("sops", Some("--decrypt")),
    ("sops decrypt", None),
    ("bws secret get", None),
    ("bw get password", None),
    ("lpass show", None),
    ("pass show", None),
    ("gopass show", None),
    ("chamber read", None),
    ("berglas access", None),
    ("ansible-vault view", None),
    ("gh auth token", None),
    ("heroku auth:token", None),
    ("kubectl create token", None),
    ("oc whoami", Some("-t")),
    ("oc create token", None),
    ("kubectl get secret", Some("-o")),
    ("kubectl get secrets", Some("-o")),
    ("oc get secret", Some("-o")),
    ("oc get secrets", Some("-o")),
    ("kubectl config view", Some("--raw")),
    ("security find-generic-password", Some("-w")),
];

/// Command lines that make random text.
const GENERATORS: [&str; 6] = [
    "openssl rand",
    "pwgen",
    "makepasswd",
    "apg",
    "uuidgen",
    "head /dev/urandom",
];

/// Returns what a command line brings, by its words as written, quotes dropped.
pub(super) fn source(words: &[&str]) -> Option<Source> {
    let plain: Vec<&str> = words
        .iter()
        .filter(|word| !word.starts_with('-'))
        .copied()
        .collect();
    let follows = |line: &str| {
        let mut plain = plain.iter();
        line.split(' ').all(|want| plain.next() == Some(&want))
    };
    let holds = |option: &str| {
        words.iter().any(|word| {
            word.strip_prefix(option).is_some_and(|rest| {
                rest.is_empty() || !option.starts_with("--") || rest.starts_with('=')
            }) || option == "-o" && word.starts_with("--output")
        })
    };
    let bring = |title: &'static str, generates| {
        let object = title.contains("get secret") || title.contains("config view");
        Some(Source {
            title,
            generates,
            object: object && is_object(words),
        })
    };
    if let Some((title, _)) = SOURCES
        .iter()
        .find(|(line, option)| follows(line) && option.is_none_or(holds))
    {
        if selects_other(words) {
            return None;
        }
        return bring(title, false);
    }
    let generator = GENERATORS.iter().find(|line| {
        let (program, operand) = line.split_once(' ').unwrap_or((line, ""));
        plain.first() == Some(&program) && (operand.is_empty() || plain.contains(&operand))
    })?;
    bring(generator, true)
}

/// Tells whether the output is a whole object.
fn is_object(words: &[&str]) -> bool {
    words.iter().any(|word| {
        let format = word
            .trim_start_matches("-o")
            .trim_start_matches("--output")
            .trim_start_matches('=');
        matches!(format, "yaml" | "json" | "yml")
    })
}

/// Tells whether a `--query` or an output format picks something that is no secret: a name, an expiry.
fn selects_other(words: &[&str]) -> bool {
    let other = |query: &str| {
        let last = query
            .rsplit(['.', '/', ':', '{', '}', ' '])
            .find(|part| !part.is_empty());
        let last = last
            .unwrap_or_default()
            .trim_end_matches([']', '\'', '"', '}'])
            .to_ascii_lowercase();
        [
            "crt",
            "cert",
            "user",
            "username",
            "arn",
            "name",
            "id",
            "on",
            "expiration",
            "version",
            "type",
            "annotations",
            "labels",
            "wide",
            "table",
        ]
        .iter()
        .any(|end| last.ends_with(end) && !last.ends_with("token"))
    };
    let mut after_query = false;
    words.iter().any(|word| {
        let is_value = std::mem::replace(
            &mut after_query,
            matches!(*word, "--query" | "-o" | "--output" | "--format"),
        );
        let query = word
            .strip_prefix("--query=")
            .or_else(|| word.strip_prefix("-o="))
            .or(is_value.then_some(word));
        query.is_some_and(|query| !matches!(query, "json" | "text" | "tsv") && other(query))
    })
}

/// Returns the command by which a simple command lists the whole environment (of the shell, a container, a process), if it does.
pub(super) fn dump(program: &str, arguments: &[Option<&str>]) -> Option<&'static str> {
    let words: Vec<&str> = arguments.iter().map(|word| word.unwrap_or("$")).collect();
    let only = |flags: &[&str]| words.iter().all(|word| flags.contains(word));
    match program {
        "printenv" if only(&["-0", "--null"]) => Some("printenv"),
        "env"
            if words
                .iter()
                .all(|word| matches!(*word, "-0" | "--null") || is_assignment(word)) =>
        {
            Some("env")
        }
        "set" if words.is_empty() => Some("set"),
        "export" if only(&["-p"]) => Some("export"),
        "declare" | "typeset" if only(&["-x", "-p", "-px", "-xp"]) => Some("declare"),
        "docker" | "podman" => {
            let at = usize::from(words.first() == Some(&"container"));
            let formats = words
                .iter()
                .any(|word| word.starts_with("-f") || word.starts_with("--format"));
            (words.get(at) == Some(&"inspect") && !formats && words.len() > at + 1)
                .then_some("docker inspect")
        }
        "cat" | "strings" | "xargs" => words
            .iter()
            .any(|word| word.starts_with("/proc/") && word.ends_with("/environ"))
            .then_some("cat /proc/self/environ"),
        _ => None,
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}
