//! Which texts are worth a syntax tree: those in which a word for a secret, a read of the environment and a way out of the program stand
//! near each other. Most of a repository does not pass.

use std::{ops::Range, sync::OnceLock};

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
    "write(",
    "writestring(",
    "writefile(",
    "raise",
    "throw",
    "error(",
    "errorf(",
    "errors.",
    "exception",
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
    "json.",
    "jsonify",
    "json(",
    ".send(",
    "abort",
    "response(",
    "warn",
    "_url",
    "date.now",
    "token_hex",
    "token_bytes",
    "token_urlsafe",
    "urandom",
    "randombytes",
];

/// Returns the stretches of a text, sorted by their ends, in which words of two kinds stand near each other; none if the text is not worth a
/// syntax tree. One pass over it.
pub(super) fn stretches(text: &str) -> Vec<Range<usize>> {
    static WORDS: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let words = WORDS.get_or_init(|| {
        let all = SECRETS.iter().chain(READS).chain(SINKS);
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(all)
            .ok()
    });
    let Some(words) = words else {
        return std::iter::once(0..text.len()).collect();
    };
    let mut near = Vec::new();
    let mut last: [Option<Range<usize>>; 3] = Default::default();
    for found in words.find_overlapping_iter(text) {
        let class = match found.pattern().as_usize() {
            at if at < SECRETS.len() => 0,
            at if at < SECRETS.len() + READS.len() => 1,
            _ => 2,
        };
        for (other, place) in last.iter().enumerate() {
            if let Some(place) = place
                && other != class
                && found.start() <= place.end + NEAR
            {
                near.push(place.start..found.end());
            }
        }
        if let Some(place) = last.get_mut(class) {
            *place = Some(found.range());
        }
    }
    near
}

#[cfg(test)]
mod tests {
    use super::stretches;

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
            assert_eq!(!stretches(text).is_empty(), want, "{text}");
        }
    }
}
