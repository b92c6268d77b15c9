//! Ways out of a program, by language: logs and output, errors, answers to requests, arguments of processes.

use tree_sitter::Node;

use super::shape::{Code, Shape, Tongue};
use crate::policy::names::words;

/// What kind of way out it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Out {
    /// A log.
    Log,
    /// Standard output or error.
    Print,
    /// The text of an error, or the body of an answer that tells one.
    Error,
    /// The body of an answer, of any kind.
    Answer,
    /// The arguments of a process.
    Process,
}

/// A call by which something leaves the program.
pub(super) struct Sink<'t> {
    /// Of what kind.
    pub(super) out: Out,
    /// The call as people write it: `logger.info`.
    pub(super) call: String,
    /// What leaves.
    pub(super) values: Vec<Node<'t>>,
}

/// Names of loggers, as the last word of a name.
const LOGGERS: &[&str] = &[
    "log", "logger", "logging", "logs", "slog", "klog", "glog", "logrus", "zap", "sugar",
    "winston", "pino", "bunyan", "loguru", "lg", "zerolog",
];

/// Levels and other calls that write what they are given.
const LEVELS: &[&str] = &[
    "debug",
    "info",
    "warn",
    "warning",
    "error",
    "exception",
    "critical",
    "fatal",
    "log",
    "trace",
    "print",
    "println",
    "printf",
    "panic",
    "verbose",
    "silly",
    "notice",
    "success",
    "infof",
    "str",
    "bytes",
    "any",
    "interface",
    "debugf",
    "warnf",
    "warningf",
    "errorf",
    "fatalf",
    "tracef",
    "panicf",
    "infow",
    "debugw",
    "warnw",
    "errorw",
    "fatalw",
    "infoln",
    "debugln",
    "warnln",
    "errorln",
    "fatalln",
    "panicln",
    "infos",
    "errors",
    "withfield",
    "withfields",
    "with",
    "withvalues",
    "msgf",
    "msg",
    "infocontext",
    "debugcontext",
    "warncontext",
    "errorcontext",
    "criticalf",
    "logf",
    "logln",
];

/// Returns the way out that a call is.
pub(super) fn sink<'t>(
    code: &Code<'t>,
    callee: Node<'t>,
    arguments: &[Node<'t>],
) -> Option<Sink<'t>> {
    let path = code.path(callee);
    let path = path.as_slice();
    let (last, front) = path.split_last()?;
    let made = |out, values: Vec<Node<'t>>| {
        Some(Sink {
            out,
            call: shown(path),
            values,
        })
    };
    let lower = last.to_ascii_lowercase();
    let is_logger = front.iter().rev().take(3).any(|name| is_logger(name));
    if is_logger && LEVELS.contains(&lower.as_str()) {
        return made(Out::Log, printed(code, arguments));
    }
    match code.tongue {
        Tongue::Python => python(code, last, front, arguments),
        Tongue::Script => script(code, callee, path, arguments),
        Tongue::Go => go(code, last, front, arguments),
    }
    .and_then(|(out, values)| made(out, values))
}

/// What may leave by a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves {
    /// Any secret.
    Secrets,
    /// The whole environment alone: who is answered may be whom a secret is meant for.
    Environment,
}

/// Returns what may leave by a call of this name, as written (`a.b.c`): never nothing where [`sink`] finds a way out. What is called on
/// what another call returns begins with a dot.
pub(super) fn may_be_way(tongue: Tongue, path: &str) -> Option<Leaves> {
    let (front, last) = path.rsplit_once('.').unwrap_or(("", path));
    // A chain begins with its logger, or with a call that returns it, and writes at its end.
    if path.split('.').any(is_logger) {
        return Some(Leaves::Secrets);
    }
    let object = front.rsplit('.').next().unwrap_or_default();
    let (is_way, is_answer) = match tongue {
        Tongue::Python => python_way(object, last),
        Tongue::Script => script_way(path, object, last),
        Tongue::Go => go_way(path, object, last),
    };
    is_way
        .then_some(Leaves::Secrets)
        .or(is_answer.then_some(Leaves::Environment))
}

/// Tells whether a call of Python may be a way out, or the way of an answer.
fn python_way(object: &str, last: &str) -> (bool, bool) {
    const OBJECTS: &[&str] = &[
        "subprocess",
        "sp",
        "asyncio",
        "pexpect",
        "os",
        "click",
        "typer",
        "pprint",
        "rich",
        "stdout",
        "stderr",
        "warnings",
    ];
    const CALLS: &[&str] = &[
        "print",
        "pprint",
        "pp",
        "check_call",
        "check_output",
        "Popen",
        "abort",
        "HttpResponseBadRequest",
        "HttpResponseServerError",
        "HttpResponseForbidden",
        "HttpResponseNotFound",
    ];
    const ANSWERS: &[&str] = &[
        "jsonify",
        "JsonResponse",
        "HttpResponse",
        "JSONResponse",
        "PlainTextResponse",
    ];
    (
        OBJECTS.contains(&object) || CALLS.contains(&last),
        ANSWERS.contains(&last),
    )
}

/// The same of scripts.
fn script_way(path: &str, object: &str, last: &str) -> (bool, bool) {
    const OBJECTS: &[&str] = &[
        "console",
        "stdout",
        "stderr",
        "core",
        "child_process",
        "cp",
        "childProcess",
        "shell",
        "shelljs",
    ];
    // With the status of an error: `res.status(500).json(x)`.
    let is_error = path.starts_with('.') && matches!(last, "json" | "send" | "end");
    (
        OBJECTS.contains(&object) || is_error || is_process(last) || is_error_type(last),
        matches!(last, "json" | "send" | "end" | "write" | "stringify") || last.ends_with("Plugin"),
    )
}

/// The same of Go.
fn go_way(path: &str, object: &str, last: &str) -> (bool, bool) {
    (
        matches!(
            object,
            "fmt" | "exec" | "errors" | "xerrors" | "status" | "http" | "Stdout" | "Stderr"
        ) || matches!(path, "println" | "print" | "panic")
            || is_zap_level(last)
            || !object.is_empty() && is_plain_level(last),
        matches!(object, "json" | "c" | "ctx") || last == "Encode",
    )
}

fn is_logger(name: &str) -> bool {
    words(name)
        .last()
        .is_some_and(|last| LOGGERS.contains(&last.as_str()))
}

/// Returns the last two names of a call's path.
fn shown(path: &[&str]) -> String {
    let from = path.len().saturating_sub(2);
    path.get(from..).unwrap_or_default().join(".")
}

type Way<'t> = Option<(Out, Vec<Node<'t>>)>;

fn python<'t>(code: &Code<'t>, last: &str, front: &[&str], arguments: &[Node<'t>]) -> Way<'t> {
    let keyword = |name: &str| {
        arguments
            .iter()
            .find_map(|argument| match code.shape(*argument) {
                Shape::Pair(key, value) if code.of(key) == name => Some(value),
                _ => None,
            })
    };
    let positional = || {
        arguments
            .iter()
            .copied()
            .filter(|argument| argument.kind() != "keyword_argument")
    };
    Some(match (front, last) {
        ([], "print" | "pprint" | "pp") => {
            let is_elsewhere = keyword("file")
                .is_some_and(|file| !matches!(code.of(file), "sys.stderr" | "sys.stdout"));
            (
                Out::Print,
                if is_elsewhere {
                    Vec::new()
                } else {
                    positional().collect()
                },
            )
        }
        (["pprint" | "rich", ..], "pprint" | "print") | (["sys", "stdout" | "stderr"], "write") => {
            (Out::Print, positional().collect())
        }
        (["warnings"], "warn") => (Out::Print, positional().take(1).collect()),
        (["click" | "typer"], "echo" | "secho") => (Out::Print, positional().take(1).collect()),
        (
            ["subprocess" | "sp"],
            "run" | "call" | "check_call" | "check_output" | "Popen" | "getoutput"
            | "getstatusoutput",
        )
        | ([], "check_call" | "check_output" | "Popen")
        | (["os"], "system" | "popen") => (
            Out::Process,
            positional().take(1).chain(keyword("args")).collect(),
        ),
        (["asyncio"], "create_subprocess_exec" | "create_subprocess_shell")
        | (["pexpect"], "spawn" | "run") => (Out::Process, positional().collect()),
        (["os"], name) if name.starts_with("exec") || name.starts_with("spawn") => {
            (Out::Process, positional().collect())
        }
        (
            _,
            "HttpResponseBadRequest"
            | "HttpResponseServerError"
            | "HttpResponseForbidden"
            | "HttpResponseNotFound"
            | "abort",
        ) => (Out::Error, arguments.to_vec()),
        (_, "jsonify" | "JsonResponse" | "HttpResponse" | "JSONResponse" | "PlainTextResponse") => {
            (Out::Answer, arguments.to_vec())
        }
        _ => return None,
    })
}

fn script<'t>(code: &Code<'t>, callee: Node<'t>, path: &[&str], arguments: &[Node<'t>]) -> Way<'t> {
    let all = arguments.to_vec();
    let (last, front) = path.split_last()?;
    Some(match (front, *last) {
        (
            ["console"],
            "log" | "info" | "warn" | "error" | "debug" | "trace" | "dir" | "table" | "group",
        ) => (Out::Log, all),
        (["process", "stdout" | "stderr"], "write") => {
            (Out::Print, arguments.first().copied().into_iter().collect())
        }
        (["core"], "info" | "debug" | "warning" | "error" | "notice" | "setFailed") => {
            (Out::Log, all)
        }
        (["child_process" | "cp" | "childProcess" | "shell" | "shelljs"], _) | ([], _)
            if is_process(last) =>
        {
            (Out::Process, process_arguments(code, arguments))
        }
        ([], "$") => (
            Out::Process,
            arguments
                .iter()
                .copied()
                .filter(|one| one.kind() == "template_string")
                .collect(),
        ),
        (_, "json" | "send" | "end") if tells_an_error(code, callee) => (Out::Error, all),
        (["res" | "response" | "reply" | "ctx", ..], "json" | "send" | "end" | "write") => {
            (Out::Answer, all)
        }
        (_, name) if is_error_type(name) => {
            (Out::Error, arguments.iter().copied().take(2).collect())
        }
        _ => return None,
    })
}

/// Tells whether a call answers with the status of an error: `res.status(500).json`.
fn tells_an_error<'t>(code: &Code<'t>, callee: Node<'t>) -> bool {
    let Shape::Member(object, _) = code.shape(callee) else {
        return false;
    };
    let Shape::Call(status, arguments) = code.shape(object) else {
        return false;
    };
    let is_error = |status: &&Node<'t>| code.of(**status).starts_with(['4', '5']);
    matches!(code.path(status).last(), Some(&("status" | "code")))
        && arguments.first().as_ref().is_some_and(is_error)
}

/// Tells whether a constructor is that of an error.
fn is_error_type(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && (name.ends_with("Error") || name.ends_with("Exception"))
}

fn is_process(name: &str) -> bool {
    matches!(
        name,
        "exec"
            | "execSync"
            | "spawn"
            | "spawnSync"
            | "execFile"
            | "execFileSync"
            | "fork"
            | "execa"
            | "execaSync"
            | "execaCommand"
            | "execAsync"
            | "execPromise"
    )
}

/// Returns what of the arguments of a call that starts a process becomes arguments of the process: its options do not.
fn process_arguments<'t>(code: &Code<'t>, arguments: &[Node<'t>]) -> Vec<Node<'t>> {
    arguments
        .iter()
        .copied()
        .take(2)
        .filter(|argument| {
            argument.kind() != "object" && !matches!(code.shape(*argument), Shape::Other)
        })
        .collect()
}

fn go<'t>(code: &Code<'t>, last: &str, front: &[&str], arguments: &[Node<'t>]) -> Way<'t> {
    let all = || printed(code, arguments);
    let first = || arguments.first().map_or("", |first| code.of(*first));
    Some(match (front, last) {
        (["fmt"], "Print" | "Printf" | "Println") | ([], "println" | "print") => {
            (Out::Print, all())
        }
        (["fmt"], "Fprint" | "Fprintf" | "Fprintln")
            if matches!(first(), "os.Stdout" | "os.Stderr") =>
        {
            (
                Out::Print,
                printed(code, arguments.get(1..).unwrap_or_default()),
            )
        }
        (["fmt"], "Fprint" | "Fprintf" | "Fprintln")
            if matches!(first(), "w" | "rw" | "writer" | "resp" | "rsp") =>
        {
            (
                Out::Answer,
                printed(code, arguments.get(1..).unwrap_or_default()),
            )
        }
        (["os", "Stdout" | "Stderr"], "WriteString" | "Write") => (Out::Print, arguments.to_vec()),
        // `l.Info("x", zap.String("password", password))`: a logger by what it is given, whatever it is called.
        (_, level)
            if is_zap_level(level) && arguments.iter().any(|one| is_zap_field(code, *one)) =>
        {
            (Out::Log, all())
        }
        (["exec"], "Command") => (Out::Process, arguments.to_vec()),
        (["exec"], "CommandContext") => (Out::Process, arguments.iter().copied().skip(1).collect()),
        (["fmt"], "Errorf")
        | (
            ["errors" | "xerrors"],
            "New" | "Errorf" | "Wrap" | "Wrapf" | "WithMessage" | "WithMessagef",
        )
        | ([], "panic") => (Out::Error, all()),
        (["status"], "Error" | "Errorf") => (
            Out::Error,
            printed(code, arguments.get(1..).unwrap_or_default()),
        ),
        (["http"], "Error") => (Out::Error, arguments.get(1).copied().into_iter().collect()),
        (["json", ..], "Encode") => (Out::Answer, arguments.to_vec()),
        (["c" | "ctx"], "JSON" | "String" | "AbortWithStatusJSON") => {
            (Out::Answer, arguments.get(1..).unwrap_or_default().to_vec())
        }
        _ => return None,
    })
}

/// Returns the log that a call writes to in a file which makes loggers of Go's package `log`: `l.Println(password)`.
pub(super) fn plain_log<'t>(
    code: &Code<'t>,
    callee: Node<'t>,
    arguments: &[Node<'t>],
) -> Option<Sink<'t>> {
    let path = code.path(callee);
    let [.., object, method] = path.as_slice() else {
        return None;
    };
    // What prints on purpose: commands of cobra, tables, messages in the user's language.
    let is_printer = matches!(
        *object,
        "fmt" | "cmd" | "w" | "tw" | "p" | "printer" | "out"
    );
    (is_plain_level(method) && !is_printer).then(|| Sink {
        out: Out::Log,
        call: shown(&path),
        values: printed(code, arguments),
    })
}

/// Tells whether a method of this name writes to a log of Go's package `log`.
fn is_plain_level(method: &str) -> bool {
    matches!(
        method,
        "Print"
            | "Println"
            | "Printf"
            | "Fatal"
            | "Fatalln"
            | "Fatalf"
            | "Panic"
            | "Panicln"
            | "Panicf"
    )
}

/// Tells whether a method of this name writes fields to a log of zap.
fn is_zap_level(method: &str) -> bool {
    matches!(
        method,
        "Debug" | "Info" | "Warn" | "Error" | "DPanic" | "Panic" | "Fatal" | "With"
    )
}

fn is_zap_field<'t>(code: &Code<'t>, argument: Node<'t>) -> bool {
    matches!(code.shape(argument), Shape::Call(callee, _) if matches!(code.path(callee).as_slice(), ["zap", _]))
}

/// Returns the arguments that a format prints as they are: not those whose types, addresses or truth it prints.
fn printed<'t>(code: &Code<'t>, arguments: &[Node<'t>]) -> Vec<Node<'t>> {
    let format = arguments
        .iter()
        .take(2)
        .enumerate()
        .find_map(|(at, argument)| {
            let (text, _) = code.literal(*argument)?;
            text.contains('%').then_some((at, text))
        });
    let Some((at, format)) = format.filter(|_| code.tongue != Tongue::Script) else {
        return arguments.to_vec();
    };
    let Some(verbs) = verbs(format) else {
        return arguments.to_vec();
    };
    let is_printed = |place: usize| match place.checked_sub(at + 1).and_then(|nth| verbs.get(nth)) {
        Some(verb) => !matches!(verb, 'T' | 'p' | 't' | 'd' | 'c' | 'f'),
        None => true,
    };
    let kept = arguments
        .iter()
        .enumerate()
        .filter(|(place, _)| is_printed(*place));
    kept.map(|(_, argument)| *argument).collect()
}

/// Returns the verbs of a format in the order of its arguments; nothing if it picks them itself.
fn verbs(format: &str) -> Option<Vec<char>> {
    let mut verbs = Vec::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            continue;
        }
        let verb = chars.find(|c| !matches!(c, '+' | '-' | '#' | ' ' | '0'..='9' | '.'))?;
        match verb {
            '%' => {}
            '*' | '[' | '(' => return None,
            verb => verbs.push(verb),
        }
    }
    Some(verbs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_of_formats() {
        assert_eq!(verbs("a %s b %-5d %T %%"), Some(vec!['s', 'd', 'T']));
        assert_eq!(verbs("%[1]s"), None);
        assert_eq!(verbs("%"), None);
    }

    #[test]
    fn names_of_loggers() {
        for (name, want) in [
            ("logger", true),
            ("appLogger", true),
            ("LOG", true),
            ("catalog", false),
            ("_logger", true),
            ("blog", false),
            ("login", false),
        ] {
            assert_eq!(is_logger(name), want, "{name}");
        }
    }
}
