//! Which texts are worth a syntax tree: those in which a word for a secret, a read of the environment and a way out of the program stand
//! near each other. Most of a repository does not pass.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

/// How near to each other two words must stand, in bytes.
const NEAR: usize = 160;

/// Words for secrets.
const SECRETS: &[&str] = &[
    "passw",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "private",
    "credential",
    "_key",
    "_pass",
    "connectionstring",
    "dsn",
];

/// Reads of the environment.
const READS: &[&str] = &[
    "environ",
    "getenv",
    "process.env",
    "env(",
    "env:\"",
    "envconfig:\"",
    "setdefault",
    "config.get",
    "configservice",
];

/// Ways out: logs, output, errors, processes; and sources of chance.
const SINKS: &[&str] = &[
    "log.",
    "logg",
    "logrus",
    "zap.",
    "print",
    "console.",
    "echo",
    "write",
    "raise",
    "throw",
    "error",
    "panic",
    "exec",
    "spawn",
    "subprocess",
    "popen",
    "system(",
    "fork(",
    "random",
    "rand.",
    "uuid",
    "json",
    ".send(",
    "abort",
    "response",
    "warn",
    "_url",
    "date.now",
    "token_hex",
    "token_bytes",
    "token_urlsafe",
    "urandom",
    "randombytes",
];

/// Tells whether a text is worth a syntax tree. One pass over it.
pub(super) fn is_worth_it(text: &str) -> bool {
    static WORDS: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let words = WORDS.get_or_init(|| {
        let all = SECRETS.iter().chain(READS).chain(SINKS);
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(all)
            .ok()
    });
    let Some(words) = words else { return true };
    let mut last = [None::<usize>; 3];
    for found in words.find_overlapping_iter(text) {
        let class = match found.pattern().as_usize() {
            at if at < SECRETS.len() => 0,
            at if at < SECRETS.len() + READS.len() => 1,
            _ => 2,
        };
        let is_near = |other: usize| {
            last.get(other)
                .copied()
                .flatten()
                .is_some_and(|end| found.start() <= end + NEAR)
        };
        if (0..3).any(|other| other != class && is_near(other)) {
            return true;
        }
        if let Some(place) = last.get_mut(class) {
            *place = Some(found.end());
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::is_worth_it;

    #[test]
    fn passes_what_stands_near_each_other() {
        let far = format!("password = x\n{}\nprint(x)", " ".repeat(400));
        for (text, want) in [
            ("print(password)", true),
            ("console.log(process.env)", true),
            ("key = os.getenv('API_KEY', 'x')", true),
            ("def add(a, b):\n    return a + b\n", false),
            ("password = ask()\n", false),
            (far.as_str(), false),
        ] {
            assert_eq!(is_worth_it(text), want, "{text}");
        }
    }
}
