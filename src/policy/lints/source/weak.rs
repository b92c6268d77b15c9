//! Secrets that are made from a source that can be predicted, or from too few bytes (rule 81).

use tree_sitter::Node;

use super::{
    metas, names as idents,
    shape::{Shape, Tongue, named},
    walk::Walk,
};
use crate::model::Severity;
use crate::policy::{
    fault::{Edit, Fix, FixClass},
    names::words,
};

/// Most nodes of one value that are looked at.
const MAX_NODES: usize = 300;

/// Characters of a value's text that are read.
const MAX_TEXT: usize = 1_000;

/// Least bytes of a secret that a machine makes.
const LEAST_BYTES: u32 = 16;

/// What is wrong with the way a secret is made.
enum Weakness<'t> {
    /// The source can be predicted.
    Source(String),
    /// So few bytes, and where the number stands.
    Short(u32, Node<'t>),
}

/// `password = random.choice(...)`.
pub(super) fn assigned<'t>(walk: &mut Walk<'t, '_>, target: Node<'t>, value: Node<'t>) {
    let code = walk.code();
    let name = match code.shape(target) {
        Shape::Name(name) | Shape::Member(_, name) => name,
        Shape::Index(_, index) => code.literal(index).map_or("", |(name, _)| name),
        _ => "",
    };
    made(walk, name, value);
    let function = walk.known.function();
    let is_harmless = words(name)
        .iter()
        .any(|word| HARMLESS.contains(&word.as_str()));
    // `result += random.choice(...)` in a function that is called after what it makes.
    if !is_target(name) && !is_harmless && is_maker(function) {
        in_maker(walk, function, value);
    }
}

/// A function that makes secrets is told once.
fn in_maker<'t>(walk: &mut Walk<'t, '_>, function: &'t str, value: Node<'t>) {
    if !walk.makers.contains(function)
        && let Some((call, weakness)) = find(walk, value)
    {
        walk.makers.insert(function);
        tell(walk, function, call, &weakness);
    }
}

/// `{ password: Math.random() }`, `User(password=random.choice(...))`.
pub(super) fn pair<'t>(walk: &mut Walk<'t, '_>, node: Node<'t>) {
    let code = walk.code();
    if let Shape::Pair(key, value) = code.shape(node) {
        let name = code
            .literal(key)
            .map_or_else(|| code.of(key), |(name, _)| name);
        made(walk, name, value);
    }
}

/// `return random.choice(...)` in a function that is called after what it makes.
pub(super) fn returned<'t>(walk: &mut Walk<'t, '_>, node: Node<'t>) {
    let function = walk.known.function();
    if is_maker(function)
        && let Some(value) = named(node).first().copied()
    {
        in_maker(walk, function, value);
    }
}

/// `rand.Read(token)` of Go's package `math/rand`.
pub(super) fn filled<'t>(walk: &mut Walk<'t, '_>, node: Node<'t>) {
    let code = walk.code();
    if code.tongue != Tongue::Go || !walk.known.packages.contains("math/rand") {
        return;
    }
    let Shape::Call(callee, arguments) = code.shape(node) else {
        return;
    };
    let Some(buffer) = arguments
        .first()
        .filter(|_| code.path(callee) == ["rand", "Read"])
    else {
        return;
    };
    let buffer = code.of(*buffer).split('[').next().unwrap_or_default();
    let function = walk.known.function();
    let name = if is_target(buffer) {
        buffer
    } else if is_maker(function) && walk.makers.insert(function) {
        function
    } else {
        return;
    };
    tell(walk, name, node, &Weakness::Source("rand.Read".to_owned()));
}

fn made<'t>(walk: &mut Walk<'t, '_>, name: &'t str, value: Node<'t>) {
    if is_target(name)
        && let Some((call, weakness)) = find(walk, value)
        && (walk.code().tongue != Tongue::Script
            || !words(name)
                .last()
                .is_some_and(|last| matches!(last.as_str(), "token" | "secret"))
            || is_text(walk.code().of(value)))
    {
        tell(walk, name, call, &weakness);
    }
}

fn tell<'t>(walk: &mut Walk<'t, '_>, name: &str, call: Node<'t>, weakness: &Weakness<'t>) {
    match weakness {
        Weakness::Source(source) => {
            let message = format!("`{name}` is made by `{source}`, whose results can be predicted");
            walk.tell(&metas::WEAK, call.byte_range(), name, message);
            if walk.is_page {
                walk.grade(Severity::Info);
            }
        }
        Weakness::Short(bytes, number) => {
            let message = format!(
                "`{name}` is made of {bytes} random bytes: {LEAST_BYTES} are the least that can't be guessed, 32 are usual"
            );
            if let Some(fault) = walk.tell(&metas::WEAK, call.byte_range(), name, message) {
                fault.fix = Some(Fix {
                    class: FixClass::Unsafe,
                    title: "use 32 bytes".to_owned(),
                    edits: vec![Edit::replace(number.byte_range(), "32")],
                });
            }
            walk.grade(Severity::Low);
        }
    }
}

/// Tells whether a value in the text of a script makes a text out of what is random: a number alone may count anything.
fn is_text(value: &str) -> bool {
    let makes = [
        "toString",
        "join",
        "[Math",
        "charAt",
        "btoa",
        "padStart",
        "digest",
        "randomBytes",
        "md5(",
    ];
    let start: String = value.chars().take(MAX_TEXT).collect();
    makes.iter().any(|word| start.contains(word)) || is_joined(&start)
}

/// Tells whether a value becomes a text without a call that says so: in a template, by `String`, or because a text is added to it.
fn is_joined(value: &str) -> bool {
    let is_quote = |c: Option<char>| matches!(c, Some('"' | '\'' | '`'));
    let added = value.match_indices('+').any(|(at, sign)| {
        let (before, after) = (value.get(..at), value.get(at + sign.len()..));
        is_quote(before.and_then(|text| text.trim_end().chars().last()))
            || is_quote(after.and_then(|text| text.trim_start().chars().next()))
    });
    value.contains("${") || value.contains("String(") || added
}

/// Words that make a name one of something that need not be secret.
const HARMLESS: &[&str] = &[
    "request",
    "trace",
    "csrf",
    "xsrf",
    "cancel",
    "cancellation",
    "nonce",
    "test",
    "fake",
    "mock",
    "dummy",
    "next",
    "correlation",
    "id",
    "ids",
    "fetch",
    "load",
    "reload",
    "render",
    "query",
    "sync",
    "search",
    "poll",
    "lock",
    "abort",
    "draw",
    "color",
    "device",
    "page",
    "continuation",
    "cursor",
    "count",
    "sample",
    "prompt",
    "process",
    "directory",
    "dir",
    "folder",
    "run",
    "build",
    "upload",
    "placeholder",
    "version",
    "watch",
    "cache",
];

/// Tells whether what is given to this name must be hard to guess.
pub(super) fn is_target(name: &str) -> bool {
    let words = words(name);
    let is_harmless = words.iter().any(|word| HARMLESS.contains(&word.as_str()));
    let is_named = words
        .last()
        .is_some_and(|last| matches!(last.as_str(), "token" | "secret" | "otp" | "passcode"));
    !is_harmless
        && (idents::is_certain(name) || is_named && !idents::is_address(name) && words.len() <= 4)
}

/// Tells whether a function of this name makes secrets.
pub(super) fn is_maker(function: &str) -> bool {
    let words = words(function);
    let first = words.first().map_or("", String::as_str);
    let is_maker = matches!(
        first,
        "generate" | "gen" | "create" | "make" | "random" | "rand" | "new" | "get"
    );
    let makes = words.iter().skip(1).any(|word| {
        matches!(
            word.as_str(),
            "password" | "token" | "secret" | "apikey" | "passphrase" | "otp"
        )
    });
    let is_key = words
        .windows(2)
        .any(|two| matches!(two, [a, b] if a == "api" && b == "key"));
    is_maker && (makes || is_key) && !words.iter().any(|word| HARMLESS.contains(&word.as_str()))
}

/// Returns the first weak source below a node.
fn find<'t>(walk: &Walk<'t, '_>, value: Node<'t>) -> Option<(Node<'t>, Weakness<'t>)> {
    let mut cursor = value.walk();
    for _ in 0..MAX_NODES {
        let node = cursor.node();
        if let Some(weakness) = weakness(walk, node) {
            return Some((node, weakness));
        }
        if cursor.goto_first_child() || cursor.goto_next_sibling() {
            continue;
        }
        loop {
            if !cursor.goto_parent() {
                return None;
            }
            if cursor.goto_next_sibling() {
                break;
            }
        }
    }
    None
}

fn weakness<'t>(walk: &Walk<'t, '_>, node: Node<'t>) -> Option<Weakness<'t>> {
    let code = walk.code();
    let Shape::Call(callee, arguments) = code.shape(node) else {
        return None;
    };
    let path = code.path(callee);
    let source = || Some(Weakness::Source(path.join(".")));
    let short = || {
        let number = *arguments.first()?;
        let bytes: u32 = code.of(number).parse().ok()?;
        (bytes < LEAST_BYTES).then_some(Weakness::Short(bytes, number))
    };
    if is_hash(&path) && is_of_the_time(code.of(node)) {
        return Some(Weakness::Source(format!("{} of the time", path.join("."))));
    }
    match (code.tongue, path.as_slice()) {
        (
            Tongue::Python,
            [
                "random",
                "choice" | "choices" | "randint" | "random" | "randrange" | "getrandbits"
                | "sample" | "randbytes",
            ]
            | ["np" | "numpy", "random", _]
            | ["uuid", "uuid1"],
        ) if path.first() != Some(&"random") || !walk.known.packages.contains("SystemRandom") => {
            source()
        }
        (Tongue::Script, ["Math", "random"] | ["Date", "now", "toString"]) => source(),
        (
            Tongue::Python,
            ["secrets", "token_hex" | "token_bytes" | "token_urlsafe"] | ["os", "urandom"],
        )
        | (Tongue::Script, ["crypto", "randomBytes"] | ["randomBytes"]) => short(),
        (Tongue::Go, ["rand", name])
            if walk.known.packages.contains("math/rand") && *name != "New" && *name != "Seed" =>
        {
            source()
        }
        _ => None,
    }
}

/// Tells whether a call hashes what it is given.
fn is_hash(path: &[&str]) -> bool {
    matches!(
        path,
        ["hashlib", "md5" | "sha1" | "sha256"]
            | ["md5" | "sha1" | "sha256"]
            | ["md5" | "sha1", "Sum"]
            | ["sha256", "Sum256"]
            | [.., "update"]
    )
}

/// Tells whether a call is given the time and nothing that is harder to guess.
fn is_of_the_time(call: &str) -> bool {
    let start: String = call.chars().take(MAX_TEXT).collect();
    let has = |words: &[&str]| words.iter().any(|word| start.contains(word));
    has(&[
        "time.time(",
        "datetime.now(",
        "datetime.utcnow(",
        "Date.now(",
        "new Date(",
        "time.Now(",
    ]) && (!start.contains(".update(") || start.contains("createHash("))
        && !has(&[
            "secret", "Secret", "SECRET", "random", "Random", "uuid", "urandom", "key", "Key",
        ])
}
