//! Which texts are worth a syntax tree, and which stretches of them: those from which a lint could tell something. A parser takes a hundred
//! times as long for a byte as this does, and most of a repository does not pass.
//!
//! A first pass looks for names of secrets and reads of the environment; where there are any, a second one looks for ways out and sources of
//! chance, and what is given to them is followed (`flow`). What passes:
//! - a read of the environment near a name of a secret (it may fall back to a value),
//! - a source of chance near a name of a secret,
//! - a way out of the program to which a name of a secret is given, a read of the environment, or a variable that was made of one.
//!
//! Promises: what the walk over the syntax tree would tell of is among the stretches, as far as text alone shows what is given to what; time in
//! proportion to the text.

use std::{cell::RefCell, collections::HashMap, ops::Range, sync::OnceLock};

use aho_corasick::{AhoCorasick, Input};

use super::{
    fallback,
    flow::{Flow, Seeds},
    names as idents,
    reads::{reads_environment, reads_setting},
    shape::Tongue,
    weak,
};
use crate::policy::{
    names::{Secretness, secretness},
    search::{Search, Short, caseless},
};

/// How near to each other two words must stand, in bytes.
const NEAR: usize = 160;

/// Bytes behind a read of the environment in which the variable's name stands.
const KEY: usize = 80;

/// Words in names of secrets, and of addresses that may hold one; a bar stands where a name may begin a new word (`apiKey`).
const SECRETS: &[&str] = &[
    "pass",
    "_pat",
    "secret",
    "token",
    "api|key",
    "api_key",
    "private",
    "credential",
    "_key",
    "connection|string",
    "connection_string",
    "conn_str",
    "conn|str",
    "encryption|key",
    "signing|key",
    "master|key",
    "_url",
    "_uri",
    "db|url",
    "database|url",
    "redis|url",
    "mongo|url",
    "mongo|uri",
    "authorization",
];

/// Reads of the environment.
const READS: &[&str] = &["set|default"];

/// Short words of secrets and of reads, in this order.
const SHORT: [Short; 5] = [
    Short::new("pw", 0),
    Short::new("jwt", 0),
    Short::new("otp", 1),
    Short::new("dsn", 1),
    Short::new("env", 1),
];

/// Ways out: logs, output, errors, processes.
const CALLS: &[&str] = &[
    "log.",
    "logg",
    "logs.",
    "logrus",
    "zap.",
    "sugar.",
    "winston",
    "pino.",
    "bunyan",
    "loguru",
    "lg.",
    "print",
    "pp(",
    "console.",
    "core.",
    "echo(",
    "write(",
    "raise",
    "throw",
    "error(",
    "errorf(",
    "errors.",
    "exception(",
    "panic(",
    "exec",
    "spawn",
    "fork(",
    "subprocess",
    "sp.",
    "popen",
    "check_call",
    "check_output",
    "system(",
    "shell.",
    "shelljs.",
    "cp.",
    "process.",
    "command(",
    "commandcontext(",
    "$`",
    "jsonify",
    "response",
    "abort",
    "warn(",
    "send(",
    "json(",
    "end(",
    "encode(",
    "string(",
    "stringify(",
    "run(",
];

/// Sources of chance.
const CHANCE: &[&str] = &[
    "random",
    "rand.",
    "uuid1",
    "date.now().tostring",
    "token_hex",
    "token_bytes",
    "token_urlsafe",
    "urandom",
    "randombytes",
    "md5",
    "sha1",
];

/// What is known of a name.
#[derive(Clone, Copy, Default)]
struct Judged {
    /// Whether a value that goes by it is taken for a secret.
    is_seed: bool,
    /// Whether a variable of the environment by this name may be one.
    is_variable: bool,
    /// Whether what is made of chance must not be called so.
    is_target: bool,
}

/// What passes of a text.
#[derive(Default)]
pub(super) struct Passed {
    /// The stretches from which a lint could tell something, sorted by their ends; none if the text is not worth a syntax tree.
    pub(super) near: Vec<Range<usize>>,
    /// Where names of secrets stand, sorted: types may say that they are none.
    pub(super) named: Vec<usize>,
    /// Where variables that count for the whole text are made of secrets.
    pub(super) made: Vec<usize>,
}

/// Returns what passes of a text.
pub(super) fn pass(text: &str, tongue: Tongue) -> Passed {
    let mut sight = Sight {
        text,
        tongue,
        secret: None,
        looked: 0..0,
        targets: Vec::new(),
        seeds: Seeds::default(),
        near: Vec::new(),
    };
    for found in names().find(text.as_bytes()) {
        // The words of reads come behind those of secrets, and so does the last of the short ones.
        let is_read = (SECRETS.len()..SECRETS.len() + READS.len()).contains(&found.word)
            || found.word + 1 == SECRETS.len() + READS.len() + SHORT.len();
        if is_read {
            sight.read(&found.range());
        } else {
            sight.name(&found.range());
        }
    }
    sight.seeds.sort();
    let mut passed = Passed {
        near: sight.near,
        ..Passed::default()
    };
    if !sight.seeds.is_empty() {
        let mut flow = Flow::new(text, tongue, &sight.seeds);
        let calls = find(text, flow.windows(), calls());
        flow.leave(&calls, &mut passed.near);
        passed.made = flow.outside;
    }
    let around = sight.targets.iter().map(|target| {
        let start = target.start.saturating_sub(2 * NEAR);
        start..text.len().min(target.end + 2 * NEAR)
    });
    let chances = find(text, around, chances());
    let chances: Vec<_> = chances
        .into_iter()
        .filter(|found| is_chance(text, found))
        .collect();
    meet(&sight.targets, &chances, &mut passed.near);
    passed.near.sort_by_key(|range| range.end);
    passed.named = sight.seeds.names;
    passed
}

/// The words of the first pass.
fn names() -> &'static Search<{ SHORT.len() }> {
    static NAMES: OnceLock<Search<{ SHORT.len() }>> = OnceLock::new();
    NAMES.get_or_init(|| Search::new(&[SECRETS, READS].concat(), SHORT))
}

/// Bytes of the longest word of a way out or a source of chance, and more.
const LONGEST_WORD: usize = 32;

fn calls() -> Option<&'static AhoCorasick> {
    static WORDS: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    WORDS.get_or_init(|| caseless(CALLS)).as_ref()
}

fn chances() -> Option<&'static AhoCorasick> {
    static WORDS: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    WORDS.get_or_init(|| caseless(CHANCE)).as_ref()
}

/// Returns where words stand in stretches of a text, which are in order and may overlap.
fn find(
    text: &str,
    stretches: impl IntoIterator<Item = Range<usize>>,
    words: Option<&AhoCorasick>,
) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let Some(words) = words else { return all };
    let mut done = 0;
    for stretch in stretches {
        // What is begun in one stretch is found in it.
        let start = stretch.start.max(done);
        let end = text.len().min(stretch.end + LONGEST_WORD);
        if start >= end {
            continue;
        }
        let input = Input::new(text).span(start..end);
        all.extend(
            words
                .find_overlapping_iter(input)
                .map(|found| found.range()),
        );
        done = stretch.end;
    }
    all.sort_unstable_by_key(|range| (range.start, range.end));
    all.dedup();
    all
}

/// Tells whether a word is that of a source of chance: `random.choice()` of Python, `Math.random()` of scripts.
fn is_chance(text: &str, found: &Range<usize>) -> bool {
    let front = text.get(..found.start).unwrap_or_default();
    let rest = text.get(found.end..).unwrap_or_default();
    let is_source =
        found.len() != "random".len() || rest.starts_with('.') || front.ends_with("Math.");
    is_source && !front.as_bytes().last().is_some_and(|b| is_word(*b))
}

/// Keeps what stands between names of things that must not be made of chance and sources of chance near to them.
fn meet(targets: &[Range<usize>], chances: &[Range<usize>], near: &mut Vec<Range<usize>>) {
    for chance in chances {
        let next = targets.partition_point(|target| target.start < chance.start);
        let before = next.checked_sub(1).and_then(|at| targets.get(at));
        near.extend(before.and_then(|target| between(target, chance)));
        near.extend(targets.get(next).and_then(|target| between(chance, target)));
    }
}

/// Returns the stretch from one place to the next if they are near to each other.
fn between(before: &Range<usize>, after: &Range<usize>) -> Option<Range<usize>> {
    (after.start <= before.end + NEAR).then(|| before.start.min(after.start)..after.end)
}

/// What the pass over the words has seen.
struct Sight<'t> {
    text: &'t str,
    tongue: Tongue,
    /// The last name of a secret.
    secret: Option<Range<usize>>,
    /// The name that was looked at last.
    looked: Range<usize>,
    /// Names of what must not be made of chance.
    targets: Vec<Range<usize>>,
    /// Where names stand whose values are secrets, and reads of the environment that bring one.
    seeds: Seeds,
    /// What passes already.
    near: Vec<Range<usize>>,
}

impl<'t> Sight<'t> {
    /// A word of a secret: the name that it is part of decides.
    fn name(&mut self, found: &Range<usize>) {
        let text = self.text;
        let whole = identifier(text, found);
        if std::mem::replace(&mut self.looked, whole.clone()) == whole {
            return;
        }
        let name = text.get(whole.clone()).unwrap_or_default();
        let judged = judge(name);
        let is_key = quoted(text, &whole).is_some_and(|key| secretness(key) >= Secretness::Strong);
        if judged.is_seed || is_key || is_header(text, &whole) {
            self.seeds.names.push(whole.start);
        }
        // `configService.get("JWT_SECRET") || "value"`.
        let is_argument = is_key && self.is_argument(whole.start);
        if is_argument && falls_back(text, whole.end) {
            self.near.push(whole.clone());
        }
        if judged.is_target {
            self.targets.push(whole.clone());
        }
        if judged.is_variable {
            self.secret = Some(whole);
        }
    }

    /// Tells whether a key in quotes is what a setting or a variable of the environment is read by.
    fn is_argument(&self, key: usize) -> bool {
        let front = self.text.get(..key.saturating_sub(1)).unwrap_or_default();
        let Some(front) = without_comment(front).strip_suffix('(') else {
            return false;
        };
        let front = without_comment(front);
        // Types of the call: `get<Map<string, string>>("JWT_SECRET")`.
        let bytes = front.as_bytes();
        let mut depth = 0_usize;
        let types = bytes.iter().rev().take(LONGEST).take_while(|b| {
            match b {
                b'>' => depth += 1,
                b'<' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth > 0 || **b == b'<'
        });
        let types = match bytes.last() {
            Some(b'>') => types.count(),
            _ => 0,
        };
        let end = front.len() - types;
        let name = identifier(front, &(end..end));
        let name = front.get(name).unwrap_or_default();
        reads_setting(self.tongue, name) || reads_environment(name) || self.is_decoupled(name)
    }

    /// Tells whether a call is `config("X")` of Python's package `decouple`, which is imported at the top.
    fn is_decoupled(&self, call: &str) -> bool {
        const TOP: usize = 8 << 10;
        let bytes = self.text.as_bytes();
        self.tongue == Tongue::Python
            && call == "config"
            && memchr::memmem::find(bytes.get(..TOP).unwrap_or(bytes), b"decouple").is_some()
    }

    /// A word of a read of the environment: what it reads decides.
    fn read(&mut self, found: &Range<usize>) {
        let text = self.text;
        let whole = identifier(text, found);
        let name = text.get(whole.clone()).unwrap_or_default();
        let next = text.as_bytes().get(whole.end).copied().unwrap_or(b' ');
        let front = text.get(..whole.start).unwrap_or_default();
        let is_map = name == "environ" || name == "env" && front.ends_with('.');
        let is_tag = next == b':'
            && text
                .get(whole.end..)
                .is_some_and(|rest| rest.starts_with(":\""));
        let is_default = matches!(name, "SetDefault" | "setdefault")
            && ["viper.", "environ."]
                .iter()
                .any(|object| front.ends_with(object));
        let is_call = next == b'(' && (is_default || reads_environment(name) || name == "Environ");
        if !(is_map || is_tag || is_call) {
            return;
        }
        match self.key_behind(whole.end) {
            // All of it: what is taken out of it, and what is done with it.
            None => {
                self.seeds.wholes.push(whole.start);
                let before = self.secret.as_ref();
                self.near
                    .extend(before.and_then(|secret| between(secret, &whole)));
            }
            Some(key) => {
                let name = text.get(key.clone()).unwrap_or_default();
                let judged = judge(name);
                if secretness(name) >= Secretness::Strong || judged.is_seed {
                    self.seeds.reads.push(whole.start);
                }
                if judged.is_variable && falls_back(text, key.end) {
                    self.near.push(whole.start..key.end);
                }
            }
        }
    }

    /// Returns the variable's name behind a read of the environment that ends here; nothing if it reads all of it.
    fn key_behind(&self, end: usize) -> Option<Range<usize>> {
        let text = self.text;
        let bytes = text.as_bytes();
        // What stands in its brackets, or behind its dot, may stand on a line of its own.
        let open = blanks(bytes, end);
        let mut at = match bytes.get(open) {
            Some(b'(' | b'[' | b'.') => blanks(bytes, open + 1),
            _ => end,
        };
        let most = bytes.len().min(at + KEY);
        while at < most {
            let byte = bytes.get(at).copied().unwrap_or_default();
            if !is_word(byte) {
                if matches!(byte, b'\n' | b')' | b',' | b';' | b'}') {
                    return None;
                }
                at = match byte {
                    b'(' | b'[' => blanks(bytes, at + 1),
                    _ => at + 1,
                };
                continue;
            }
            let found = identifier(text, &(at..at + 1));
            at = found.end;
            match text.get(found.clone()).unwrap_or_default() {
                "get" | "pop" | "str" | "string" | "bytes" | "env" | "setdefault" | "ctx" => {}
                "items" | "values" | "copy" | "entries" | "toObject" | "or" | "if" | "as" => {
                    return None;
                }
                _ => return Some(found),
            }
        }
        None
    }
}

/// Tells whether a name is that of the header of a request which holds credentials, where it is read: `headers.authorization`.
fn is_header(text: &str, name: &Range<usize>) -> bool {
    const READS: [&str; 6] = [
        "headers.",
        "headers[",
        "headers.get(",
        "header.get(",
        "req.get(",
        "request.get(",
    ];
    let is_named = text
        .get(name.clone())
        .is_some_and(idents::is_credential_header);
    let from = name.start.saturating_sub(16);
    let front = text.as_bytes().get(from..name.start).filter(|_| is_named);
    front.is_some_and(|front| {
        let front = front.to_ascii_lowercase();
        let front = front
            .strip_suffix(b"\"")
            .or_else(|| front.strip_suffix(b"'"))
            .unwrap_or(&front);
        READS.iter().any(|read| front.ends_with(read.as_bytes()))
    })
}

/// Returns a text without the blanks and comments at its end.
fn without_comment(text: &str) -> &str {
    let text = text.trim_ascii_end();
    let from = text.len().saturating_sub(FAR);
    let tail = text.as_bytes().get(from..).unwrap_or_default();
    let start = match text.ends_with("*/") {
        true => memchr::memmem::rfind(tail, b"/*"),
        false => None,
    };
    start.map_or(text, |start| {
        text.get(..from + start)
            .unwrap_or_default()
            .trim_ascii_end()
    })
}

/// Tells whether a read of the environment whose key ends here may have another value behind it.
fn falls_back(text: &str, end: usize) -> bool {
    let rest = behind(text.as_bytes(), end);
    let signs: [&[u8]; 9] = [
        b"||", b"??", b" or ", b",", b"?", b"if ", b"if(", b"efault", b"except",
    ];
    signs
        .iter()
        .any(|sign| memchr::memmem::find(&rest, sign).is_some())
}

/// Returns what stands behind a place, without comments.
fn behind(bytes: &[u8], end: usize) -> Vec<u8> {
    let mut rest = Vec::with_capacity(NEAR);
    let mut at = end;
    let most = bytes.len().min(end + FAR);
    while at < most && rest.len() < NEAR {
        let next = blanks(bytes, at);
        if next > at {
            rest.push(b' ');
        }
        rest.extend(bytes.get(next));
        at = next + 1;
    }
    rest
}

/// Most bytes of comments and blanks that stand between two parts of one expression.
pub(super) const FAR: usize = 4 << 10;

/// Returns where blanks and comments that begin here end.
pub(super) fn blanks(bytes: &[u8], at: usize) -> usize {
    let most = bytes.len().min(at + FAR);
    let mut at = at;
    loop {
        let rest = bytes.get(at..most).unwrap_or_default();
        let space = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let rest = rest.get(space..).unwrap_or_default();
        // A line of Python that goes on.
        if rest.starts_with(b"\\\n") || rest.starts_with(b"\\\r\n") {
            at += space + 2;
            continue;
        }
        // In a text in quotes there are `//` and `#` as well: only where a line or text may go on do they end it.
        let comment = match rest {
            [b'/', b'*', body @ ..] => memchr::memmem::find(body, b"*/").map(|at| at + 4),
            [b'/', b'/', ..] | [b'#', ..] if space > 0 => memchr::memchr(b'\n', rest),
            _ => None,
        };
        at += space;
        match comment {
            Some(length) => at += length,
            None => return at,
        }
    }
}

/// Bytes of the longest name: what is longer is none.
pub(super) const LONGEST: usize = 240;

/// Returns the name around a word, as far as names go.
fn identifier(text: &str, found: &Range<usize>) -> Range<usize> {
    let bytes = text.as_bytes();
    let from = found.start.saturating_sub(LONGEST);
    let front = bytes.get(from..found.start).unwrap_or_default();
    let more = front.iter().rev().take_while(|b| is_word(**b)).count();
    let to = (found.end + LONGEST).min(bytes.len());
    let back = bytes.get(found.end..to).unwrap_or_default();
    let rest = back.iter().take_while(|b| is_word(**b)).count();
    found.start - more..found.end + rest
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// Returns the key in quotes that a name is, or is the end of: `"db.password"`.
fn quoted<'t>(text: &'t str, name: &Range<usize>) -> Option<&'t str> {
    const MOST: usize = 64;
    let is_key = |b: &u8| is_word(*b) || matches!(b, b'.' | b'-');
    let bytes = text.as_bytes();
    let front = bytes.get(name.start.saturating_sub(MOST)..name.start)?;
    let start = name.start - front.iter().rev().take_while(|b| is_key(b)).count();
    let back = bytes.get(name.end..(name.end + MOST).min(bytes.len()))?;
    let end = name.end + back.iter().take_while(|b| is_key(b)).count();
    let is_quote = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(|b| matches!(b, b'"' | b'\'' | b'`'))
    };
    (is_quote(start.checked_sub(1)) && is_quote(Some(end)))
        .then(|| text.get(start..end))
        .flatten()
}

/// Names that are remembered on a thread: the same ones come again and again, in all files of a repository.
const MOST_NAMES: usize = 16 << 10;

thread_local! {
    static JUDGED: RefCell<HashMap<Box<str>, Judged>> = RefCell::default();
}

fn judge(name: &str) -> Judged {
    if name.len() > LONGEST {
        return Judged::default();
    }
    JUDGED.with_borrow_mut(|known| {
        if let Some(judged) = known.get(name) {
            return *judged;
        }
        if known.len() >= MOST_NAMES {
            known.clear();
        }
        let judged = judge_anew(name);
        known.insert(name.into(), judged);
        judged
    })
}

fn judge_anew(name: &str) -> Judged {
    Judged {
        is_seed: idents::is_certain(name) || idents::is_address(name),
        is_variable: secretness(name) != Secretness::No || fallback::names_a_key(name),
        is_target: weak::is_target(name) || weak::is_maker(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(text: &str, tongue: Tongue) -> bool {
        !pass(text, tongue).near.is_empty()
    }

    #[test]
    fn passes_what_may_be_told_in_python() {
        for text in [
            "print(password)",
            "print(f'x {db_password}')",
            "log.info('connecting', password)",
            "logging.info('%s' % api_key)",
            "x = db_password\nprint(x)",
            "x = db_password\ny = 'a' + x\nprint(y)",
            "cmd = [\n    'mysql',\n    '-p' + db_password,\n]\nsubprocess.run(cmd)",
            "key = os.getenv('API_KEY', 'x')",
            "raise ValueError(f'bad {api_key}')",
            "print(config['token'])",
            "log.info(settings.get('smtp.password'))",
            "print(os.environ)",
            "print(dict(os.environ))",
            "for k, v in os.environ.items():\n    print(k, v)",
            "url = os.environ['DATABASE_URL']\nlog.info(url)",
            "token = random.choice(x)",
            "logger.info(\n    'a',\n    api_key,\n)",
            "(logger  # of the shop\n    # and of its parts\n    .info(api_key))",
            "print (db_password)",
            "a = m = db_password\nprint(m)",
            "print(retry(lambda: logger.info('pw %s', db_password)))",
            "clé_api_key = x()\nprint(clé_api_key)",
            "k = db_password\nq = \"\"\"\nSELECT id\n\"\"\"\nprint(k)",
            "k = os.getenv(\n    'API_KEY',\n    'hunter',\n)",
            "k = os.environ.get(\n    # of the shop\n    'API_KEY', 'hunter')",
            "k = config.get(\n    'API_KEY',\n    'hunter')",
            "logger. \\\n  info(api_key)",
            "print \\\n  (api_key)",
            "def f():\n    k = api_key\n    x = {\nfoo: 1,\n    }\n    print(k)",
            "def f(a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8): k = api_key; print(k)",
        ] {
            assert!(passes(text, Tongue::Python), "{text}");
        }
    }

    #[test]
    fn comments_between_parts_hide_nothing() {
        let long = "made up ".repeat(100);
        for text in [
            format!("logger /* {long} */ .info(apiKey)"),
            format!("logger // {long}\n  // {long}\n  .info(apiKey)"),
            format!("k = process.env.API_KEY /* {long} */ || 'x'"),
            format!("k = process.env.API_KEY // {long}\n // {long}\n  ?? 'x'"),
        ] {
            assert!(passes(&text, Tongue::Script), "{text}");
        }
    }

    #[test]
    fn passes_what_may_be_told_in_scripts() {
        for text in [
            "console.log(process.env)",
            "console.log(`x ${apiKey}`)",
            "throw new Error(`no ${apiKey}`)",
            "const x = process.env.DB_PASSWORD || 'hunter'",
            "const x = config.get('JWT_SECRET') || 'hunter'",
            "const x = config.get<string>('JWT_SECRET', 'hunter')",
            "console.log(dbPassword.trim())",
            "console.log(dbPassword!, apiKey as string)",
            "console.log(`${`a ${dbPassword}`}`)",
            "console.log(ok ? dbPassword : '')",
            "console.log({ a: dbPassword, b })",
            "console.log(dbPassword?.toString())",
            "const m: string = apiKey;\nconsole.log(m)",
            "throw 'no ' + apiKey",
            "throw `no ${apiKey}`",
            "class A {\n  a() {\n    const m = apiKey;\n    console.log(m);\n  }\n}",
            "const f = () => {\n  const m = apiKey;\n  console.log(m);\n};",
            "res.json({ ...process.env })",
            "const k = process.env[\n  'API_KEY'\n] ?? 'hunter'",
            "const k = process.env\n  .API_KEY ?? 'hunter'",
            "const k = config.get( 'JWT_SECRET') || 'hunter'",
            "const k = config.get/* x */('JWT_SECRET') || 'hunter'",
            "const k = config.get<Map<string, string>>('JWT_SECRET') || 'hunter'",
            "console.log(x.replace(/\\)/g, ''), apiKey)",
            "console.log(x.replace(/[)/]/, ''), apiKey)",
            "logger.info<{ a: string; b: number }>(apiKey)",
            "logger.info <A>(apiKey)",
            "logger.info<(a) => string>(apiKey)",
            "const k\n  = apiKey;\nconsole.log(k)",
            "a=1;b=2;c=3;d=4;e=5;f=6;g=7;h=8;i=9;const k = apiKey;\nconsole.log(k)",
            "function f() {\n  const k = apiKey;\n/*\nfoo\n*/\n  console.log(k);\n}",
            "function f() {\n  const k = apiKey;\n  foo(\nbar,\n  );\n  console.log(k);\n}",
            "let m;\nif (a) {\n  m = apiKey;\n}\nconsole.log(m)",
            "const m = `a ${apiKey}`;\nlogger.info(m)",
            "res.status(500).json({ apiKey })",
            "'process.env': JSON.stringify(process.env)",
            "const env = { ...process.env };\nconsole.log(env);",
            "const otp = Math.random().toString()",
            "const m =\n  'a' + dbPassword;\nconsole.log(m);",
            "logger?.info(dbPassword)",
            "this.logger!.info(dbPassword)",
            "logger.info<string>(apiKey)",
            "logger\n    .child({ a: 1 })\n    .info(dbPassword)",
            "const a = 1, m = dbPassword;\nconsole.log(m)",
            "let a = 1; let m = dbPassword;\nconsole.log(m)",
            "const x = dev\n  ? ''\n  : apiKey;\nconsole.log(x)",
            "console.log(dbPw)",
            "console.log(x.replace(/'/g, ''), dbPassword)",
            "console.log(host.replace(/^https?:\\/\\//, ''), dbPassword)",
            "console.log(/* user's */ dbPassword)",
            "console.log(<p>don't</p>, dbPassword)",
            "res.json(await all(ids.map(async (id) => {\n  console.log('pw', dbPassword);\n})))",
        ] {
            assert!(passes(text, Tongue::Script), "{text}");
        }
    }

    #[test]
    fn passes_what_may_be_told_in_go() {
        for text in [
            "log.Info().Str(\"k\", apiKey).Msg(\"x\")",
            "log.Info().\n\t\tStr(\"k\", apiKey).\n\t\tMsg(\"x\")",
            "cmd := exec.Command(\"mysql\", \"-p\"+dbPassword)",
            "p := viper.GetString(\"db_password\")\nfmt.Println(p)",
            "x := getEnvOrDefault(\n\t\"DB_PASSWORD\",\n\t\"x\",\n)",
            "x := getEnvOrDefault(\"DB_PASSWORD\", \"x\")",
            "log.Fatal(http.Serve(f(func(w W) {\n\tlog.Printf(\"using %s\", dbPassword)\n})))",
            "log.\n\t\tInfo().\n\t\tStr(\"a\", dbPassword)",
        ] {
            assert!(passes(text, Tongue::Go), "{text}");
        }
    }

    /// Whoever looks again from each place to the end takes minutes here.
    #[test]
    fn dense_text_takes_time_by_its_length() {
        for (part, tongue) in [
            ("x = db_password; log./* ", Tongue::Script),
            ("db_password log.error( ", Tongue::Go),
            ("q = '''a''' + db_password ", Tongue::Python),
            ("log.info(' db_password\n", Tongue::Script),
            ("a=[log.info(db_password,\n", Tongue::Python),
            ("x=db_password;log.i(a<a\n", Tongue::Script),
            ("x=db_password;f<a,b>(c)<", Tongue::Script),
            ("x=db_password,/[", Tongue::Script),
        ] {
            pass(&part.repeat(60_000), tongue);
        }
    }

    #[test]
    fn leaves_what_can_not_be_told() {
        for text in [
            "def add(a, b):\n    return a + b\n",
            "password = ask()\n",
            "raise ValueError('Invalid password')",
            "raise ValueError('Invalid password')  # db_password",
            "print('x'); y = db_password",
            "print(token)\nprint(tokens)",
            "log.info(user)\nx = connect(db_password)\n",
            "os.environ['HOME']\nprint(home)",
            "print(len(db_password))",
            "ok = check(db_password)\nprint(ok)",
            "def a():\n    x = db_password\ndef b():\n    print(x)\n",
            "assertRaises(ValueError, db_password)",
            "x = os.environ['API_KEY']\n",
        ] {
            assert!(!passes(text, Tongue::Python), "{text}");
        }
        for text in [
            "throw new Error('Invalid password for apiKey')",
            "it('should throw an error if apiKey is missing', () => {\n  apiKey;\n})",
            "screen.getByLabelText('password', {})",
            "const response: HTTPResponse<A> = await post(apiKey);\nconsole.log(response)",
            "const m = await post<A>({ apiKey });\nconsole.log(m)",
            "console.log(dbPassword.length, apiKey === x, !authToken, apiKey ? 1 : 2)",
            "console.log({ password: masked })",
            "console.log(`${dbPassword.length} ${check(apiKey)}`)",
            "res.json({ apiKey })",
            "class A {\n  a() {\n    const m = apiKey;\n  }\n  b(m) {\n    console.log(m);\n  }\n}",
            "const f = () => {\n  use(apiKey);\n};\nlogger.info(f)",
            "console.log(process.env.HOME)",
        ] {
            assert!(!passes(text, Tongue::Script), "{text}");
        }
    }
}
