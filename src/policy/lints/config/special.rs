//! Files of credentials with a form of their own: `.netrc`, `.pgpass`, `.git-credentials`, and the keys of `.npmrc`.

use super::{
    super::super::{
        lint::Document,
        values::{self, Strength, Value},
    },
    Form, Kept, pairs,
};
use crate::model::Severity;

/// Returns the secrets of a file that is known by its name.
pub(super) fn find(document: &Document<'_>) -> Vec<Kept> {
    match document.name() {
        ".netrc" | "_netrc" => netrc(document.text),
        ".pgpass" => by_line(document.text, pgpass),
        ".git-credentials" => by_line(document.text, |line| {
            let held = pairs::secret("", line)?;
            Some((held.part, held.strength, Form::Url))
        }),
        ".npmrc" | ".yarnrc" => npmrc(document),
        _ => Vec::new(),
    }
}

fn kept(path: &str, span: std::ops::Range<usize>, strength: Strength, form: Form) -> Kept {
    Kept {
        path: path.to_owned(),
        span,
        strength,
        form,
        severity: Severity::High,
    }
}

/// Words after `password`, on whatever line.
fn netrc(text: &str) -> Vec<Kept> {
    let mut found = Vec::new();
    let (mut is_next, mut host) = (None, "");
    for word in text.split_ascii_whitespace() {
        let start = (word.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        match is_next {
            Some("machine") => host = word,
            Some("password") => {
                if let Value::Literal(strength @ (Strength::Named | Strength::Random)) =
                    values::classify(word)
                {
                    found.push(kept(host, start..start + word.len(), strength, Form::Whole));
                }
            }
            _ => {}
        }
        is_next = if is_next.is_none() { Some(word) } else { None }
            .filter(|word| ["machine", "login", "account", "password"].contains(word));
    }
    found
}

/// `host:port:database:user:password`.
fn pgpass(line: &str) -> Option<(std::ops::Range<usize>, Strength, Form)> {
    let start = line
        .match_indices(':')
        .filter(|(at, _)| !line.get(..*at).is_some_and(|before| before.ends_with('\\')))
        .nth(3)?
        .0
        + 1;
    match values::classify(line.get(start..)?) {
        Value::Literal(strength) => Some((start..line.len(), strength, Form::Whole)),
        _ => None,
    }
}

fn by_line(
    text: &str,
    read: impl Fn(&str) -> Option<(std::ops::Range<usize>, Strength, Form)>,
) -> Vec<Kept> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let body = line.trim_end();
        if let Some((part, strength, form)) =
            read(body).filter(|one| !body.starts_with('#') && one.1 > Strength::Weak)
        {
            found.push(kept(
                &format!("entry {}", found.len() + 1),
                at + part.start..at + part.end,
                strength,
                form,
            ));
        }
        at += line.len();
    }
    found
}

/// Keys of npm by what stands behind the registry's address, which may hold any words.
fn npmrc(document: &Document<'_>) -> Vec<Kept> {
    let lines = document.lines().iter().filter(|line| {
        let name = line.key.rsplit(':').next().unwrap_or_default();
        matches!(name, "_auth" | "_password" | "_authToken")
    });
    let found = lines.filter_map(|line| match values::classify(&line.value) {
        Value::Literal(strength) if line.value.len() >= 8 => Some(kept(
            &line.key,
            line.value_span.clone(),
            strength,
            Form::Whole,
        )),
        _ => None,
    });
    found.collect()
}
