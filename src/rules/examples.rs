//! The examples of rules: `«secret»` and `%{...}` (docs/rules.md, section Examples) become bytes.
//!
//! Real-looking values never stand in a file, so that no scanner fires on the catalogue. The values are made up here, equal
//! on every run: they depend on the rule's id and the example's position only.

use std::ops::Range;

use super::made_up::{Class, Source};

/// Most bytes that one example may expand to.
const MAX_BYTES: usize = 1 << 20;

/// An example as the engine scans it.
#[derive(Clone, PartialEq, Eq)]
pub struct Example {
    /// The text.
    pub text: Vec<u8>,
    /// Where the secret stands in it that must be reported.
    pub secret: Option<Range<usize>>,
}

/// Why an example does not expand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[diagnostic(
    code(keysweep::rules::example),
    help("docs/rules.md, section Examples, lists what may stand in `%{{...}}`")
)]
pub enum ExampleError {
    /// `%{` without `}`.
    #[error("has `%{{` without its `}}`")]
    Open,
    /// No such generator.
    #[error("has `%{{{what}}}`, which names no generator")]
    Generator {
        /// As written.
        what: String,
    },
    /// No such class of characters.
    #[error(
        "has `{what}`, which is not `class:count` with a known class and a count from 1 to 65536"
    )]
    Class {
        /// As written.
        what: String,
    },
    /// Marks are not one pair.
    #[error("does not have `«` once and then `»` once")]
    Marks,
    /// Longer than any example may be.
    #[error("expands to more than a megabyte")]
    TooLong,
}

/// Expands the example with number `index` (from 0, among the positives or among the negatives) of a rule.
///
/// # Errors
/// If a generator is unknown or the marks are not one pair.
pub fn expand_example(rule_id: &str, index: usize, text: &str) -> Result<Example, ExampleError> {
    let mut source = Source::new(rule_id, index);
    let mut out = Vec::with_capacity(text.len() + 64);
    let (mut start, mut end) = (None, None);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(tail) = rest.strip_prefix("%%{") {
            out.extend_from_slice(b"%{");
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("%{") {
            let (inner, tail) = tail.split_at(closing(tail).ok_or(ExampleError::Open)?);
            generate(inner, &mut source, &mut out)?;
            rest = tail.get(1..).unwrap_or_default();
        } else {
            match first {
                '«' if start.is_none() => start = Some(out.len()),
                '»' if start.is_some() && end.is_none() => end = Some(out.len()),
                '«' | '»' => return Err(ExampleError::Marks),
                other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
        if out.len() > MAX_BYTES {
            return Err(ExampleError::TooLong);
        }
    }
    let secret = match (start, end) {
        (Some(start), Some(end)) if start < end => Some(start..end),
        (None, None) => None,
        _ => return Err(ExampleError::Marks),
    };
    Ok(Example { text: out, secret })
}

/// Returns where the `}` stands that closes a generator; braces inside are balanced (`%{b64:{"a": 1}}`).
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Writes the value that `inner` (the text between the braces) asks for.
fn generate(inner: &str, source: &mut Source, out: &mut Vec<u8>) -> Result<(), ExampleError> {
    let (name, argument) = inner.split_once(':').unwrap_or((inner, ""));
    match (name, argument) {
        ("github", prefix) if !prefix.is_empty() => source.github(prefix, out),
        ("grafana", prefix) if !prefix.is_empty() => source.grafana(prefix, out),
        ("awskey", prefix) if !prefix.is_empty() => source.aws_key(prefix, out),
        ("pem", label) if !label.is_empty() => source.pem(label, "\n", out),
        // One line with `\n` in it, as keys stand in JSON and in environment files.
        ("pemline", label) if !label.is_empty() => source.pem(label, "\\n", out),
        ("jwt", "") => source.jwt(out),
        ("age", "") => source.age(out),
        ("pypi", "") => source.pypi(out),
        ("b64", text) if !text.is_empty() => {
            let mut plain = Vec::new();
            inner_classes(text, source, &mut plain)?;
            out.extend_from_slice(super::made_up::base64(&plain).as_bytes());
        }
        (
            "github" | "grafana" | "awskey" | "pem" | "pemline" | "jwt" | "age" | "pypi" | "b64",
            _,
        ) => {
            return Err(ExampleError::Generator {
                what: inner.to_owned(),
            });
        }
        _ => class(inner, source, out)?,
    }
    Ok(())
}

/// Writes `text` with each `%(class:n)` expanded.
fn inner_classes(text: &str, source: &mut Source, out: &mut Vec<u8>) -> Result<(), ExampleError> {
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once("%(") {
        out.extend_from_slice(head.as_bytes());
        let (inner, tail) = tail.split_once(')').ok_or(ExampleError::Open)?;
        class(inner, source, out)?;
        rest = tail;
        if out.len() > MAX_BYTES {
            return Err(ExampleError::TooLong);
        }
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(())
}

fn class(what: &str, source: &mut Source, out: &mut Vec<u8>) -> Result<(), ExampleError> {
    let wrong = || ExampleError::Class {
        what: what.to_owned(),
    };
    let (name, count) = what.split_once(':').ok_or_else(wrong)?;
    let class = Class::named(name).ok_or_else(wrong)?;
    let count: usize = count.parse().map_err(|_| wrong())?;
    if count == 0 || count > 65536 {
        return Err(wrong());
    }
    source.class(class, count, out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(written: &str) -> String {
        String::from_utf8(expand_example("rule-id", 0, written).unwrap().text).unwrap()
    }

    #[test]
    fn finds_the_marked_secret() {
        let example = expand_example("r", 0, "a=«x%{digit:4}»;").unwrap();
        assert_eq!(example.secret, Some(2..7));
        assert_eq!(example.text.len(), 8);
    }

    #[test]
    fn values_depend_on_rule_and_position_only() {
        let expand = |id, index| expand_example(id, index, "%{alnum:32}").unwrap().text;
        assert_eq!(expand("a", 0), expand("a", 0));
        assert_ne!(expand("a", 0), expand("a", 1));
        assert_ne!(expand("a", 0), expand("b", 0));
        let twice = text("%{alnum:32} %{alnum:32}");
        let (one, two) = twice.split_once(' ').unwrap();
        assert_ne!(one, two);
    }

    #[test]
    fn keeps_escaped_and_foreign_braces() {
        assert_eq!(
            text("%%{alnum:3} ${{ secrets.X }}"),
            "%{alnum:3} ${{ secrets.X }}"
        );
    }

    #[test]
    fn base64_holds_the_text_with_its_classes() {
        use base64::Engine as _;
        let coded = text("%{b64:{\"user\":\"%(digit:3)\"}}");
        let plain = base64::engine::general_purpose::STANDARD
            .decode(coded)
            .unwrap();
        let plain = String::from_utf8(plain).unwrap();
        assert!(
            plain.starts_with("{\"user\":\"") && plain.ends_with("\"}"),
            "{plain}"
        );
        assert_eq!(plain.len(), "{\"user\":\"123\"}".len());
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (written, error) in [
            ("%{alnum:3", "has `%{` without its `}`"),
            (
                "%{alnumm:3}",
                "has `alnumm:3`, which is not `class:count` with a known class and a count from 1 to 65536",
            ),
            (
                "%{alnum:99999999}",
                "has `alnum:99999999`, which is not `class:count` with a known class and a count from 1 to 65536",
            ),
            ("%{jwt:x}", "has `%{jwt:x}`, which names no generator"),
            ("a»b«", "does not have `«` once and then `»` once"),
            ("«a» «b»", "does not have `«` once and then `»` once"),
        ] {
            let found = expand_example("r", 0, written).err().map(|e| e.to_string());
            assert_eq!(found.as_deref(), Some(error), "{written}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(written in "[%{}():«»a-z0-9b64 ]{0,60}") {
            let _ = expand_example("r", 0, &written);
        }
    }
}
