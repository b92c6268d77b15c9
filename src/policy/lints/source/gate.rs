//! Which texts are worth a syntax tree, and which stretches of them: those from which a lint could tell something. A parser takes a hundred
//! times as long for a byte as this does, and most of a repository does not pass.
//!
//! One pass looks for words; only where they call for it, the calls and assignments around them are read (`lexer`). What
//! passes:
//! - a read of the environment near a name of a secret (it may fall back to a value),
//! - a source of chance near a name of a secret,
//! - a way out of the program to which a name of a secret is given, a read of the environment, or a variable that was made of one.
//!
//! Promises: what the walk over the syntax tree would tell of is among the stretches, as far as text alone shows what is given to what; time in
//! proportion to the text.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::OnceLock,
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::{
    lexer::{Lexer, Token},
    names as idents, parts,
    reads::reads_environment,
    shape::Tongue,
    sinks, weak,
};
use crate::policy::names::{Secretness, secretness};

/// How near to each other two words must stand, in bytes.
const NEAR: usize = 160;

/// Bytes behind a read of the environment in which the variable's name stands.
const KEY: usize = 80;

/// Words in names of secrets, and of addresses that may hold one.
const SECRETS: &[&str] = &[
    "pass",
    "pw",
    "_pat",
    "secret",
    "token",
    "apikey",
    "api_key",
    "private",
    "credential",
    "_key",
    "jwt",
    "connectionstring",
    "connection_string",
    "conn_str",
    "connstr",
    "encryptionkey",
    "signingkey",
    "masterkey",
    "otp",
    "dsn",
    "_url",
    "_uri",
    "dburl",
    "databaseurl",
    "redisurl",
    "mongourl",
    "mongouri",
    "authorization",
];

/// Reads of the environment.
const READS: &[&str] = &["env", "setdefault"];

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

/// What a word is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Secret,
    Read,
    Call,
    Chance,
}

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
pub(super) struct Passed {
    /// The stretches from which a lint could tell something, sorted by their ends; none if the text is not worth a syntax tree.
    pub(super) near: Vec<Range<usize>>,
    /// Where names of secrets stand, sorted: types may say that they are none.
    pub(super) named: Vec<usize>,
}

/// Returns what passes of a text.
pub(super) fn pass(text: &str, tongue: Tongue) -> Passed {
    let Some(words) = words() else {
        return Passed {
            near: std::iter::once(0..text.len()).collect(),
            named: Vec::new(),
        };
    };
    let mut sight = Sight {
        text,
        ..Sight::default()
    };
    for found in words.find_overlapping_iter(text) {
        sight.see(class_of(found.pattern().as_usize()), found.range());
    }
    let mut near = sight.near;
    if !sight.seeds.is_empty() && !sight.calls.is_empty() {
        sight.seeds.sort_unstable();
        sight.seeds.dedup();
        let mut flow = Flow {
            lexer: Lexer::new(text, tongue),
            seeds: &sight.seeds,
            made: HashSet::new(),
            definitions: Vec::new(),
        };
        flow.follow(tongue);
        flow.leave(&sight.calls, tongue, &mut near);
    }
    near.sort_by_key(|range| range.end);
    Passed {
        near,
        named: sight.seeds,
    }
}

fn words() -> Option<&'static AhoCorasick> {
    static WORDS: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let words = WORDS.get_or_init(|| {
        let all = [SECRETS, READS, CALLS, CHANCE].into_iter().flatten();
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(all)
            .ok()
    });
    words.as_ref()
}

fn class_of(pattern: usize) -> Class {
    let ends = [
        (SECRETS.len(), Class::Secret),
        (READS.len(), Class::Read),
        (CALLS.len(), Class::Call),
    ];
    let mut end = 0;
    for (count, class) in ends {
        end += count;
        if pattern < end {
            return class;
        }
    }
    Class::Chance
}

/// What the pass over the words has seen.
#[derive(Default)]
struct Sight<'t> {
    text: &'t str,
    /// What is known of the names that were met.
    judged: HashMap<&'t str, Judged>,
    /// The last name of a secret, and of one that is made.
    secret: Option<Range<usize>>,
    target: Option<Range<usize>>,
    /// The last source of chance.
    chance: Option<Range<usize>>,
    /// Where names stand whose values are secrets, and reads of the environment that bring one.
    seeds: Vec<usize>,
    /// Ways out.
    calls: Vec<Range<usize>>,
    /// What passes already.
    near: Vec<Range<usize>>,
}

impl<'t> Sight<'t> {
    fn see(&mut self, class: Class, found: Range<usize>) {
        match class {
            Class::Call => self.calls.push(found),
            Class::Chance => {
                let before = found.start.checked_sub(1);
                let before = before.and_then(|at| self.text.as_bytes().get(at));
                let front = self.text.get(..found.start).unwrap_or_default();
                let rest = self.text.get(found.end..).unwrap_or_default();
                // `random.choice()` of Python, `Math.random()` of scripts.
                let is_source = found.len() != "random".len()
                    || rest.starts_with('.')
                    || front.ends_with("Math.");
                if is_source && !before.is_some_and(|b| is_word(*b)) {
                    self.meets(self.target.clone(), &found);
                    self.chance = Some(found);
                }
            }
            Class::Secret => self.name(&found),
            Class::Read => self.read(&found),
        }
    }

    /// A word of a secret: the name that it is part of decides.
    fn name(&mut self, found: &Range<usize>) {
        let text = self.text;
        let whole = identifier(text, found);
        let name = text.get(whole.clone()).unwrap_or_default();
        let judged = *self.judged.entry(name).or_insert_with(|| judge(name));
        let is_key = quoted(text, &whole).is_some_and(|key| secretness(key) >= Secretness::Strong);
        if judged.is_seed || is_key || is_header(text, &whole) {
            self.seeds.push(whole.start);
        }
        // `configService.get("JWT_SECRET") || "value"`.
        let is_argument = is_key
            && text
                .get(..whole.start.saturating_sub(1))
                .is_some_and(|front| front.ends_with('('));
        if is_argument && falls_back(text, whole.end) {
            self.near.push(whole.clone());
        }
        if judged.is_target {
            self.meets(self.chance.clone(), &whole);
            self.target = Some(whole.clone());
        }
        if judged.is_variable {
            self.secret = Some(whole);
        }
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
                self.seeds.push(whole.start);
                self.meets(self.secret.clone(), &whole);
            }
            Some(key) => {
                let name = text.get(key.clone()).unwrap_or_default();
                let judged = *self.judged.entry(name).or_insert_with(|| judge(name));
                if secretness(name) >= Secretness::Strong || judged.is_seed {
                    self.seeds.push(whole.start);
                }
                if judged.is_variable && falls_back(text, key.end) {
                    self.near.push(whole.start..key.end);
                }
            }
        }
    }

    /// Keeps what stands between two places that are near to each other.
    fn meets(&mut self, before: Option<Range<usize>>, found: &Range<usize>) {
        if let Some(place) = before
            && found.start <= place.end + NEAR
        {
            self.near.push(place.start.min(found.start)..found.end);
        }
    }

    /// Returns the variable's name behind a read of the environment that ends here; nothing if it reads all of it.
    fn key_behind(&self, end: usize) -> Option<Range<usize>> {
        let text = self.text;
        let bytes = text.as_bytes();
        let mut at = end;
        while at < bytes.len().min(end + KEY) {
            let byte = bytes.get(at).copied().unwrap_or_default();
            if !is_word(byte) {
                if matches!(byte, b'\n' | b')' | b',' | b';' | b'}') {
                    return None;
                }
                at += 1;
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

/// Tells whether a read of the environment whose key ends here may have another value behind it.
fn falls_back(text: &str, end: usize) -> bool {
    let bytes = text.as_bytes();
    let rest = bytes
        .get(end..bytes.len().min(end + NEAR))
        .unwrap_or_default();
    let signs: [&[u8]; 8] = [b"||", b"??", b" or ", b",", b"?", b"if ", b"if(", b"efault"];
    signs
        .iter()
        .any(|sign| memchr::memmem::find(rest, sign).is_some())
}

/// Bytes of the longest name: what is longer is none.
const LONGEST: usize = 80;

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

fn is_word(byte: u8) -> bool {
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

fn judge(name: &str) -> Judged {
    if name.len() > LONGEST {
        return Judged::default();
    }
    Judged {
        is_seed: idents::is_certain(name) || idents::is_address(name),
        is_variable: secretness(name) != Secretness::No,
        is_target: weak::is_target(name) || weak::is_maker(name),
    }
}

/// Follows secrets from names to calls, by text alone.
struct Flow<'t, 's> {
    lexer: Lexer<'t>,
    /// Where names of secrets stand, sorted.
    seeds: &'s [usize],
    /// Variables that were made of one, with the definition in which that was.
    made: HashSet<(&'t str, usize)>,
    /// Where definitions at the left edge start.
    definitions: Vec<usize>,
}

/// What stands outside of all definitions counts for all.
const OUTSIDE: usize = usize::MAX;

impl<'t> Flow<'t, '_> {
    /// Keeps the variables to which secrets are given, in the order of the text.
    fn follow(&mut self, tongue: Tongue) {
        let text = self.lexer.text;
        let Self {
            lexer,
            seeds,
            made,
            definitions,
        } = self;
        let mut at = 0;
        let mut is_inside = false;
        let mut edges = parts::Edges::new(tongue);
        for line in parts::lines(text) {
            let start = at;
            at += line.len();
            if edges.begins(line) {
                is_inside = parts::is_body(line, tongue);
                definitions.push(start);
            }
            for (targets, from) in Lexer::assignments(line) {
                let own = definitions.len();
                let is_secret = |token: Token<'t>| {
                    seeds.binary_search(&token.start).is_ok()
                        || !token.is_key
                            && (made.contains(&(token.name, own))
                                || made.contains(&(token.name, OUTSIDE)))
                };
                if lexer.statement(start + from, is_secret).is_met {
                    let place = if is_inside { own } else { OUTSIDE };
                    let names = Lexer::identifiers(line.get(targets).unwrap_or_default());
                    made.extend(names.map(|name| (name, place)));
                }
            }
        }
    }

    /// Keeps the calls to which a secret is given.
    fn leave(&mut self, calls: &[Range<usize>], tongue: Tongue, near: &mut Vec<Range<usize>>) {
        let Self {
            lexer,
            seeds,
            made,
            definitions,
        } = self;
        for call in calls {
            let Some(from) = way_out(lexer.text, call, tongue) else {
                continue;
            };
            let own = definitions.partition_point(|start| *start <= call.start);
            let is_secret = |token: Token<'t>| {
                seeds.binary_search(&token.start).is_ok()
                    || !token.is_key
                        && (made.contains(&(token.name, own))
                            || made.contains(&(token.name, OUTSIDE)))
            };
            let found = lexer.call(from, is_secret);
            if found.is_met {
                near.push(call.start..found.end);
            }
        }
    }
}

/// Returns where the arguments start if the name that a word is part of is that of a way out.
fn way_out(text: &str, word: &Range<usize>, tongue: Tongue) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_path = |b: &u8| is_word(*b) || matches!(*b, b'.' | b'?' | b'!');
    let from = word.start.saturating_sub(LONGEST);
    let front = bytes.get(from..word.start)?;
    let start = word.start - front.iter().rev().take_while(|b| is_path(b)).count();
    let (path, end) = path_from(bytes, start);
    let path = path.as_str();
    let is_statement = matches!(path, "raise" | "throw");
    let is_template = tongue == Tongue::Script && path == "$" && bytes.get(end) == Some(&b'`');
    let is_tagged = matches!(bytes.get(end), Some(b'\'' | b'"')) && path == "process.env";
    let is_call = bytes.get(end) == Some(&b'(') && sinks::may_be_way(tongue, path);
    (is_statement || is_template || is_tagged || is_call).then_some(end + usize::from(is_tagged))
}

/// Returns the path of names from a place on, `a?.b!.c` and on several lines too, and where its arguments start.
fn path_from(bytes: &[u8], start: usize) -> (String, usize) {
    let mut path = String::new();
    let mut at = start;
    let is_sign = |at: usize, sign: u8| bytes.get(at) == Some(&sign);
    let blanks = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default().iter().take(LONGEST);
        at + rest.take_while(|b| b.is_ascii_whitespace()).count()
    };
    while path.len() < 2 * LONGEST {
        let rest = bytes.get(at..).unwrap_or_default().iter().take(LONGEST);
        let length = rest.take_while(|b| is_word(**b)).count();
        let name = bytes.get(at..at + length).unwrap_or_default();
        path.push_str(&String::from_utf8_lossy(name));
        at += length;
        let next = blanks(at);
        let dot = next + usize::from(is_sign(next, b'?') || is_sign(next, b'!'));
        if is_sign(dot, b'.') {
            path.push('.');
            at = blanks(dot + 1);
            continue;
        }
        // Types of a call, and blanks before its brackets.
        if is_sign(at, b'<') {
            let rest = bytes.get(at..).unwrap_or_default().iter().take(LONGEST);
            let types = rest
                .take_while(|b| !matches!(b, b'(' | b'\n' | b';'))
                .count();
            if is_sign(at + types, b'(') {
                at += types;
            }
        } else if is_sign(next, b'(') {
            at = next;
        }
        break;
    }
    (path, at)
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
            "print (db_password)",
            "a = m = db_password\nprint(m)",
            "print(retry(lambda: logger.info('pw %s', db_password)))",
            "clé_api_key = x()\nprint(clé_api_key)",
            "k = db_password\nq = \"\"\"\nSELECT id\n\"\"\"\nprint(k)",
        ] {
            assert!(passes(text, Tongue::Python), "{text}");
        }
    }

    #[test]
    fn passes_what_may_be_told_in_scripts() {
        for text in [
            "console.log(process.env)",
            "console.log(`x ${apiKey}`)",
            "throw new Error(`no ${apiKey}`)",
            "const x = process.env.DB_PASSWORD || 'hunter'",
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
            "const f = () => {\n  use(apiKey);\n};\nlogger.info(f)",
            "console.log(process.env.HOME)",
        ] {
            assert!(!passes(text, Tongue::Script), "{text}");
        }
    }
}
