//! Templates of Helm (and of Jinja, which has the same braces): what stands between `{{` and `}}`.
//!
//! Promises: a masked template has the length of the template, and each byte outside of actions keeps its place, but for lines that hold
//! nothing but actions; linear in the text.

use std::ops::Range;

/// Returns a template with every action replaced by text of equal length, so that what is left is YAML: by underscores within a line,
/// which the classifier of values takes for a template, by blanks if it makes no word there, and by empty lines where nothing else stands
/// on the line, which harm nothing in maps, lists and block scalars. The text of a CloudFormation stack, whose folder is often called `templates` too, stays as it is.
pub(crate) fn masked(text: &str) -> String {
    if text.contains("AWSTemplateFormatVersion") || text.contains("Type: AWS::") {
        return text.to_owned();
    }
    let actions = actions(text);
    let mut bytes = text.as_bytes().to_vec();
    let mut fill = |range: Range<usize>, filler: u8| {
        if let Some(part) = bytes.get_mut(range) {
            part.fill(filler);
        }
    };
    let mut rest = actions.as_slice();
    while let Some(first) = rest.first() {
        let (taken, line) = line_of(text, rest);
        let group = rest.get(..taken).unwrap_or_default();
        if is_alone(text, group, &line) {
            fill(line, b'\n');
        } else {
            for action in group {
                fill(
                    action.clone(),
                    if makes_no_word(text, action) {
                        b' '
                    } else {
                        b'_'
                    },
                );
            }
        }
        rest = rest.get(taken.max(1)..).unwrap_or_default();
        debug_assert!(first.end <= text.len(), "an action lies in its text");
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Tells whether an action makes no word where it stands: statements, and what begins lines of its own (`key: {{- x | nindent 4 }}`).
fn makes_no_word(text: &str, action: &Range<usize>) -> bool {
    const STATEMENTS: [&str; 9] = [
        "if ", "else", "end", "range ", "with ", "define ", "block ", "/*", "$",
    ];
    let inner = text.get(action.clone()).unwrap_or_default();
    let code = inner.trim_start_matches(['{', '-', ' ']);
    inner.starts_with("{%")
        || inner.contains("indent ")
        || inner.starts_with("{{-") && !inner.ends_with("-}}")
        || STATEMENTS.iter().any(|word| code.starts_with(word))
            && (!code.starts_with('$') || code.contains(":="))
}

/// Returns how many of the actions stand on one line with the first, and that line: from its start to the end of the last action's.
fn line_of(text: &str, actions: &[Range<usize>]) -> (usize, Range<usize>) {
    let bytes = text.as_bytes();
    let break_after = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default();
        rest.iter()
            .position(|b| *b == b'\n')
            .map_or(bytes.len(), |length| at + length)
    };
    let first = actions.first().cloned().unwrap_or_default();
    let before = bytes.get(..first.start).unwrap_or_default();
    let start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    let mut end = break_after(first.end);
    let mut taken = 1;
    while let Some(next) = actions.get(taken).filter(|next| next.start < end) {
        // An action may go on over several lines.
        if next.end > end {
            end = break_after(next.end);
        }
        taken += 1;
    }
    (taken, start..end)
}

/// Tells whether nothing but blanks stands on a line beside actions.
fn is_alone(text: &str, actions: &[Range<usize>], line: &Range<usize>) -> bool {
    let is_blank = |range: Range<usize>| text.get(range).is_some_and(|part| part.trim().is_empty());
    let mut at = line.start;
    actions.iter().all(|action| {
        let is_blank = is_blank(at..action.start);
        at = action.end;
        is_blank
    }) && is_blank(at..line.end)
}

/// Returns the bytes of all actions, braces included. An action that nobody closes ends the list.
pub(super) fn actions(text: &str) -> Vec<Range<usize>> {
    let mut actions = Vec::new();
    let mut at = 0;
    while let Some(start) = opening(text, at) {
        let is_statement = text.get(start..).is_some_and(|rest| rest.starts_with("{%"));
        let end = if is_statement {
            text.get(start..)
                .and_then(|rest| rest.find("%}"))
                .map(|length| start + length + 2)
        } else {
            closing(text, start)
        };
        let Some(end) = end else { break };
        actions.push(start..end);
        at = end;
    }
    actions
}

/// Returns where the next action begins.
fn opening(text: &str, at: usize) -> Option<usize> {
    let rest = text.as_bytes().get(at..)?;
    let is_opening = |three: &[u8]| matches!(three, [b'{', b'{', ..] | [b'{', b'%', b' ' | b'-']);
    rest.windows(3)
        .position(is_opening)
        .map(|offset| at + offset)
}

/// Returns the end of the action that begins here: braces in its strings and comments do not end it.
fn closing(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let find = |from: usize, what: &str| text.get(from..)?.find(what).map(|length| from + length);
    let mut at = start + 2;
    if let Some(rest) = text.get(at..)
        && rest.trim_start_matches(['-', ' ']).starts_with("/*")
        && let Some(end) = find(at, "*/")
    {
        at = end + 2;
    }
    let mut plain_until = at;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at + 2),
            b'"' | b'`' if at >= plain_until => match string_end(bytes, at) {
                Ok(end) => at = end,
                Err(end) => {
                    plain_until = end;
                    at += 1;
                }
            },
            _ => at += 1,
        }
    }
    None
}

/// Returns one past the end of a string; of one that is not closed the place up to which that was looked for.
fn string_end(bytes: &[u8], start: usize) -> Result<usize, usize> {
    let quote = bytes.get(start).copied().unwrap_or_default();
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 2,
            b'\n' if quote == b'"' => return Err(at),
            byte if *byte == quote => return Ok(at + 1),
            _ => at += 1,
        }
    }
    Err(at)
}

/// A text that an action falls back to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Default<'t> {
    /// What it is the default of: the last part of the path of a value, or the key that the action stands behind.
    pub(super) name: &'t str,
    /// The path or the key as written.
    pub(super) path: &'t str,
    /// The bytes of the text without its quotes.
    pub(super) span: Range<usize>,
}

/// Returns the defaults of an action: `X | default "text"` and `default "text" X`.
pub(super) fn defaults<'t>(text: &'t str, action: &Range<usize>) -> Vec<Default<'t>> {
    let mut found = Vec::new();
    let Some(inner) = text.get(action.clone()) else {
        return found;
    };
    let mut from = 0;
    while let Some(offset) = inner.get(from..).and_then(|rest| rest.find("default")) {
        let at = from + offset;
        from = at + "default".len();
        let before = inner.get(..at).unwrap_or_default();
        let after = inner.get(from..).unwrap_or_default();
        let open = from + (after.len() - after.trim_start().len());
        let is_word = before.ends_with([' ', '(', '|', '-', '{', '\n']) && open > from;
        let quote = inner.as_bytes().get(open).copied();
        let Some(end) = string_end(inner.as_bytes(), open)
            .ok()
            .filter(|_| is_word && matches!(quote, Some(b'"' | b'`')))
        else {
            continue;
        };
        from = end;
        let piped = before.trim_end().strip_suffix('|').map(str::trim_end);
        let path = match piped {
            Some(before) => before
                .rsplit([' ', '(', '\n'])
                .next()
                .filter(|path| !path.ends_with(')')),
            None => inner
                .get(end..)
                .and_then(|rest| rest.split_whitespace().next()),
        };
        let path = path
            .map(|path| path.trim_end_matches([')', '}', '|']))
            .filter(|path| path.len() > 1 && path.starts_with(['.', '$']));
        let Some(path) = path.or_else(|| key_before(text, action.start)) else {
            continue;
        };
        let name = path.rsplit(['.', '$']).next().unwrap_or_default();
        let start = action.start + open + 1;
        found.push(Default {
            name,
            path,
            span: start..(action.start + end - 1).max(start),
        });
    }
    found
}

/// Returns the key that stands before a value on its line.
fn key_before(text: &str, at: usize) -> Option<&str> {
    let mut from = at.saturating_sub(256);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let line = text.get(from..at)?.rsplit('\n').next()?;
    let key = line.trim_end_matches(['"', '\'', ' ']).strip_suffix(':')?;
    let key = key
        .trim_start_matches(['-', ' ', '"', '\''])
        .trim_end_matches(['"', '\'']);
    let is_key = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    is_key.then_some(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{BlobPath, DigestKey},
        policy::{self, FileKind, environment::Environments, kind, readers::yaml},
    };

    #[test]
    fn masked_templates_are_yaml_with_offsets_kept() {
        for text in [
            "a: {{ .Values.x }}\nb: literal\n",
            "{{- if .x }}\na: 1\n{{- end }}\nb: literal\n",
            "a: \"{{ .x | default \"}}\" }}\"\nb: literal\n",
            "a:\n  {{- toYaml .x | nindent 2 }}\nb: literal\n",
            "a: |\n  one\n{{- range .x }}\n  two {{ . }}\n{{- end }}\nb: literal\n",
            "{{/*\n a: }}\n*/}}\nb: literal\n",
            "a:\n- {{ .x }}: y\n- name: {{ include \"a\" (dict\n   \"b\" .) }}\nb: literal\n",
            "{% if x %}\na: {{ x }}\n{% endif %}\nb: literal\n",
            "a: é {{ .x }}\r\n{{- end }}\r\nb: literal\r\n",
        ] {
            let masked = masked(text);
            assert_eq!(masked.len(), text.len());
            let trees = yaml::read(&masked).unwrap_or_else(|error| panic!("{error}\n{masked}"));
            let b = trees[0].get("b").unwrap();
            assert_eq!(&text[b.span.clone()], "literal", "{masked}");
        }
    }

    #[test]
    fn what_a_template_puts_below_a_key_is_left_blank() {
        let text = "labels: {{- include \"a\" . | nindent 4 }}\n    b: literal\nname: x{{ if .y }}-z{{ end }}\n";
        let tree = yaml::read(&masked(text)).unwrap().remove(0);
        assert_eq!(tree.text_at(&["labels", "b"]), Some("literal"));
    }

    #[test]
    fn a_template_that_is_no_yaml_is_read_without_a_note() {
        let path = BlobPath::from("chart/templates/a.yaml");
        let text = "a: [\npassword: {{ .Values.password | default \"hunter2-Zq81\" }}\n";
        let key = DigestKey::new([7; 32]);
        let reading = policy::read(
            &path,
            FileKind::HelmTemplate,
            text.as_bytes(),
            &key,
            &Environments::default(),
        );
        assert_eq!((reading.note, reading.faults.len()), (None, 1));
    }

    #[test]
    fn stacks_stay_as_they_are() {
        let text = "AWSTemplateFormatVersion: 2010-09-09\nx: '{{resolve:ssm:a}}'\n";
        assert_eq!(masked(text), text);
        let trees = yaml::read(text).unwrap();
        assert_eq!(
            kind::by_content(FileKind::HelmTemplate, &trees),
            FileKind::CloudFormation
        );
    }

    #[test]
    fn defaults_of_pipelines_and_calls() {
        for (text, name, value) in [
            ("x: {{ .Values.a.pw | default \"abc\" }}", "pw", "abc"),
            ("x: {{ default \"abc\" .Values.a.pw | quote }}", "pw", "abc"),
            ("x: {{ (default `abc` .Values.pw) }}", "pw", "abc"),
            (
                "pass: {{ (index .Values \"x\") | default \"abc\" }}",
                "pass",
                "abc",
            ),
            (
                "pass: \"{{ include \"y\" . | default \"abc\" }}\"",
                "pass",
                "abc",
            ),
        ] {
            let actions = actions(text);
            let found = defaults(text, &actions[0]);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(
                (found[0].name, &text[found[0].span.clone()]),
                (name, value),
                "{text}"
            );
        }
        for text in [
            "x: {{ .Values.defaultPassword }}",
            "x: {{ .Values.pw | default .Values.b }}",
            "x: {{ default \"abc }}",
        ] {
            assert!(
                actions(text)
                    .iter()
                    .all(|action| defaults(text, action).is_empty()),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_keeps_the_length(text in "[{}%\"`/*\\- a:.\né|\\\\]{0,80}default \"[{}\"é`]{0,8}") {
            prop_assert_eq!(masked(&text).len(), text.len());
            for action in actions(&text) {
                prop_assert!(text.get(action.clone()).is_some());
                for default in defaults(&text, &action) {
                    prop_assert!(text.get(default.span).is_some());
                }
            }
        }
    }
}
