//! Argument vectors that are written as lists: which words are the values of options for secrets.

use std::ops::Range;

use super::{
    channels::channel,
    commands::{basename, title},
};
use crate::policy::names;

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
