//! What the scripts of `actions/github-script` do with secrets of their environment, line by line (rules 1 and 7).

use super::{
    super::super::{
        fault::Fault,
        lint::{Context, LintMeta},
    },
    model::Step,
    passed, printed,
    secrets::Reader,
};

/// Calls that print, and calls that hand on.
const CALLS: [(&str, bool); 12] = [
    ("console.log(", true),
    ("console.info(", true),
    ("console.error(", true),
    ("console.warn(", true),
    ("core.info(", true),
    ("core.notice(", true),
    ("core.warning(", true),
    ("core.error(", true),
    ("core.debug(", true),
    ("core.setoutput(", false),
    ("core.exportvariable(", false),
    ("core.summary.addraw(", false),
];

/// Longest line that is looked at.
const MAX_LINE: usize = 2000;

/// Looks at a step that runs `actions/github-script`.
pub(super) fn look(job: &str, step: &Step<'_>, reader: &Reader<'_, '_>, context: &mut Context<'_>) {
    if step.action().as_deref() != Some("actions/github-script") {
        return;
    }
    let Some(script) = step.input("script").and_then(|entry| entry.value.scalar()) else {
        return;
    };
    let mut from = 0;
    for line in script.text.split('\n') {
        let start = from;
        from += line.len() + 1;
        if line.len() > MAX_LINE || line.trim_start().starts_with("//") {
            continue;
        }
        for (at, name, length) in variables(line) {
            let before = line.get(..at).unwrap_or_default();
            let secret = reader.held(name).filter(|secret| !secret.is_harmless());
            let (Some(secret), Some((call, prints))) = (secret, open_call(before)) else {
                continue;
            };
            let (meta, what): (&'static LintMeta, _) = if prints {
                (&printed::ECHO, "prints")
            } else {
                (&passed::COMMAND_FILE, "hands on")
            };
            context.tell(Fault::new(
                meta,
                script.source(start + at..start + at + length),
                format!("{job}/{}: {call} {name}", step.label),
                format!("{call} {what} {}", secret.shown()),
            ));
        }
    }
}

/// Returns the variables that a line reads: place, name, length of `process.env.NAME`.
fn variables(line: &str) -> Vec<(usize, &str, usize)> {
    let mut all = Vec::new();
    for (at, start) in line.match_indices("process.env") {
        let rest = line.get(at + start.len()..).unwrap_or_default();
        let (skip, tail) = match rest.as_bytes() {
            [b'.', ..] => (1, 0),
            [b'[', b'\'' | b'"', ..] => (2, 2),
            _ => continue,
        };
        let name = rest.get(skip..).unwrap_or_default();
        let end = name
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(name.len());
        let name = name.get(..end).unwrap_or_default();
        let length = (start.len() + skip + end + tail).min(line.len() - at);
        // Only whether it is there, or how long it is.
        let after = rest
            .get(skip + end + tail..)
            .unwrap_or_default()
            .trim_start();
        let is_test = [".length", "?", "===", "!==", "==", "!=", "&&", ")?", ") ?"];
        let before = line.get(..at).unwrap_or_default().trim_end();
        let is_test = is_test.iter().any(|sign| after.starts_with(sign))
            && !after.starts_with("??")
            || before.ends_with('!')
            || before.ends_with("Boolean(");
        if !name.is_empty() && !is_test && line.is_char_boundary(at + length) {
            all.push((at, name, length));
        }
    }
    all
}

/// Returns the call of [`CALLS`] that is open at the end of a text.
fn open_call(before: &str) -> Option<(&'static str, bool)> {
    let lower = before.to_ascii_lowercase();
    let found = CALLS
        .iter()
        .filter_map(|(call, prints)| Some((lower.rfind(call)?, call, *prints)));
    let (at, call, prints) = found.max_by_key(|(at, ..)| *at)?;
    // It is closed where its first parenthesis is.
    let mut depth = 0_usize;
    for byte in lower.get(at..)?.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' if depth <= 1 => return None,
            b')' => depth -= 1,
            _ => {}
        }
    }
    (depth > 0).then_some((call.trim_end_matches('('), prints))
}

#[cfg(test)]
mod tests {
    use super::{super::testing, *};

    #[test]
    fn calls_that_print_or_hand_on() {
        for (line, prints, hands_on) in [
            ("console.log(process.env.K)", 1, 0),
            ("core.info(`key ${process.env[\"K\"]}`)", 1, 0),
            ("core.setOutput(\"k\", process.env.K)", 0, 1),
            ("core.exportVariable(\"k\", process.env.K);", 0, 1),
            ("console.log(process.env.K.length)", 0, 0),
            ("console.log(process.env.K ? 1 : 2)", 0, 0),
            ("console.log(!process.env.K)", 0, 0),
            ("console.log(process.env.OTHER)", 0, 0),
            ("console.log(1); send(process.env.K)", 0, 0),
            ("// console.log(process.env.K)", 0, 0),
            ("core.setSecret(process.env.K)", 0, 0),
        ] {
            let text = format!(
                "on: push\njobs:\n  a:\n    steps:\n      - uses: actions/github-script@v7\n        env: {{K: '${{{{ secrets.K }}}}'}}\n        with:\n          script: |\n            {line}\n"
            );
            assert_eq!(
                testing::workflow(&printed::ECHO, &text).len(),
                prints,
                "{line}"
            );
            assert_eq!(
                testing::workflow(&passed::COMMAND_FILE, &text).len(),
                hands_on,
                "{line}"
            );
        }
    }
}
