//! What a condition comes to under an event, as far as that can be told from the file: yes, no, or unknown.
//!
//! Promise: an answer that is not "unknown" holds for every run of that event; a doubt is always "unknown".

use super::expression::{Compare, Expr, Kind};

/// An event under which a job may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event<'e> {
    /// `pull_request`: the request's code, the repository's secrets if its branch is of the repository.
    PullRequest,
    /// `pull_request_target`: the base branch's workflow and secrets.
    PullRequestTarget,
    /// `workflow_run` after a run for a pull request.
    AfterPullRequest,
    /// Any other, by its name.
    Other(&'e str),
}

impl<'e> Event<'e> {
    /// Returns the event of a trigger.
    pub(super) fn of(trigger: &'e str) -> Self {
        match trigger {
            "pull_request" => Self::PullRequest,
            "pull_request_target" => Self::PullRequestTarget,
            "workflow_run" => Self::AfterPullRequest,
            other => Self::Other(other),
        }
    }

    /// Returns its name.
    pub(super) const fn name(self) -> &'e str {
        match self {
            Self::PullRequest => "pull_request",
            Self::PullRequestTarget => "pull_request_target",
            Self::AfterPullRequest => "workflow_run",
            Self::Other(name) => name,
        }
    }
}

/// What a value is known to be.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Unknown,
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// A text that begins so and goes on.
    Begins(&'static str),
    /// A text that no workflow names, neither in words nor by a variable: it equals none.
    Foreign,
    /// Something that is true and is no text that is empty.
    Something,
    /// Texts.
    List(Vec<String>),
}

/// Tells whether a condition holds under an event; `None` if that is open.
pub(super) fn holds(expr: &Expr, event: Event<'_>) -> Option<bool> {
    truth(&value(expr, event))
}

fn truth(value: &Value) -> Option<bool> {
    Some(match value {
        Value::Unknown => return None,
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => *number != 0.0 && !number.is_nan(),
        Value::Text(text) => !text.is_empty(),
        Value::Begins(_) | Value::Foreign | Value::Something | Value::List(_) => true,
    })
}

/// The depth of an expression bounds the recursion.
fn value(expr: &Expr, event: Event<'_>) -> Value {
    match &expr.kind {
        Kind::Null => Value::Null,
        Kind::Bool(is) => Value::Bool(*is),
        Kind::Number(number) => Value::Number(*number),
        Kind::Text(text) => Value::Text(text.clone()),
        Kind::Context(_) => Value::Unknown,
        Kind::Access(..) => match expr.path() {
            Some(path) if path.starts_with("github.") => github(&path, event),
            _ => Value::Unknown,
        },
        Kind::Call(name, arguments) => call(name, arguments, event),
        Kind::Not(inner) => holds(inner, event).map_or(Value::Unknown, |is| Value::Bool(!is)),
        Kind::All(items) => chain(items, event, false),
        Kind::Any(items) => chain(items, event, true),
        Kind::Compare(how, left, right) => {
            let (left, right) = (value(left, event), value(right, event));
            let same = match how {
                Compare::Order => None,
                Compare::Same => same(&left, &right),
                Compare::Other => same(&left, &right).map(|is| !is),
            };
            same.map_or(Value::Unknown, Value::Bool)
        }
    }
}

/// `&&` ends at the first false item, `||` at the first true one; that may come after items that are open.
fn chain(items: &[Expr], event: Event<'_>, ends_at: bool) -> Value {
    let mut last = Value::Unknown;
    let mut is_open = false;
    for item in items {
        last = value(item, event);
        match truth(&last) {
            Some(is) if is == ends_at => {
                return if is_open { Value::Bool(ends_at) } else { last };
            }
            Some(_) => {}
            None => is_open = true,
        }
    }
    if is_open { Value::Unknown } else { last }
}

/// What is known of `github.…`.
fn github(path: &str, event: Event<'_>) -> Value {
    let is_request = matches!(event, Event::PullRequest | Event::PullRequestTarget);
    match path {
        // A workflow that is called sees the event of its caller.
        "github.event_name" if event == Event::Other("workflow_call") => Value::Unknown,
        "github.event_name" => Value::Text(event.name().to_owned()),
        "github.ref" => match event {
            Event::PullRequest => Value::Begins("refs/pull/"),
            Event::PullRequestTarget | Event::AfterPullRequest => Value::Begins("refs/heads/"),
            Event::Other("release") => Value::Begins("refs/tags/"),
            Event::Other(_) => Value::Unknown,
        },
        "github.ref_name" if event == Event::PullRequest => Value::Foreign,
        // Whoever a workflow names is trusted by it.
        "github.actor"
        | "github.triggering_actor"
        | "github.event.pull_request.user.login"
        | "github.event.sender.login"
            if is_request =>
        {
            Value::Foreign
        }
        // With the rights of the target, requests from forks are what matters.
        "github.event.pull_request.head.repo.fork" if event == Event::PullRequestTarget => {
            Value::Bool(true)
        }
        "github.event.pull_request.head.repo.full_name" if event == Event::PullRequestTarget => {
            Value::Foreign
        }
        "github.ref_type" if is_request => Value::Text("branch".to_owned()),
        "github.base_ref" | "github.head_ref" if is_request => Value::Something,
        "github.base_ref" | "github.head_ref" => Value::Text(String::new()),
        // A request that was merged was looked at.
        "github.event.pull_request.merged" if is_request => Value::Bool(false),
        "github.event.pull_request" if is_request => Value::Something,
        "github.event.workflow_run.event" if event == Event::AfterPullRequest => {
            Value::Text("pull_request".to_owned())
        }
        // Conditions on the branch of a run mean a branch of the repository.
        "github.event.workflow_run.head_branch" if event == Event::AfterPullRequest => {
            Value::Foreign
        }
        _ => absent(path, event),
    }
}

/// The payload of an event that is not this one is null.
fn absent(path: &str, event: Event<'_>) -> Value {
    let Some(rest) = path.strip_prefix("github.event.") else {
        return Value::Unknown;
    };
    let payload = rest.split('.').next().unwrap_or_default();
    let comes_with: &[&str] = match payload {
        "pull_request" => &[
            "pull_request",
            "pull_request_target",
            "pull_request_review",
            "pull_request_review_comment",
        ],
        "workflow_run" => &["workflow_run"],
        "release" => &["release"],
        "inputs" => &["workflow_dispatch"],
        "schedule" => &["schedule"],
        "client_payload" => &["repository_dispatch"],
        "head_commit" | "forced" | "compare" | "created" | "deleted" => &["push"],
        "issue" => &["issues", "issue_comment"],
        "comment" => &[
            "issue_comment",
            "commit_comment",
            "pull_request_review_comment",
            "discussion_comment",
        ],
        _ => return Value::Unknown,
    };
    if comes_with.contains(&event.name()) || matches!(event, Event::Other("workflow_call")) {
        Value::Unknown
    } else {
        Value::Null
    }
}

fn call(name: &str, arguments: &[Expr], event: Event<'_>) -> Value {
    let at = |n: usize| {
        arguments
            .get(n)
            .map_or(Value::Unknown, |one| value(one, event))
    };
    let known = match name {
        "always" => Some(true),
        "startswith" => starts(&at(0), &at(1)),
        "contains" => contains(&at(0), &at(1)),
        "fromjson" => {
            let Value::Text(text) = at(0) else {
                return Value::Unknown;
            };
            return serde_json::from_str(&text).map_or(Value::Unknown, Value::List);
        }
        _ => None,
    };
    known.map_or(Value::Unknown, Value::Bool)
}

fn starts(text: &Value, start: &Value) -> Option<bool> {
    let Value::Text(start) = start else {
        return None;
    };
    let begins = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.starts_with(&start.to_ascii_lowercase())
    };
    match text {
        Value::Text(text) => Some(begins(text)),
        Value::Begins(known) if begins(known) => Some(true),
        Value::Begins(known) if start.to_ascii_lowercase().starts_with(known) => None,
        Value::Begins(_) => Some(false),
        Value::Null => Some(start.is_empty()),
        Value::Foreign => Some(false),
        _ => None,
    }
}

fn contains(all: &Value, item: &Value) -> Option<bool> {
    let Value::Text(item) = item else {
        return None;
    };
    match all {
        Value::List(texts) => Some(texts.iter().any(|text| text.eq_ignore_ascii_case(item))),
        Value::Text(text) => Some(
            text.to_ascii_lowercase()
                .contains(&item.to_ascii_lowercase()),
        ),
        Value::Null => Some(item.is_empty()),
        _ => None,
    }
}

/// GitHub compares texts without regard to case, and what is of two kinds as numbers.
fn same(left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::Foreign, _) | (_, Value::Foreign) => Some(false),
        (Value::Unknown | Value::List(_), _) | (_, Value::Unknown | Value::List(_)) => None,
        (Value::Text(left), Value::Text(right)) => Some(left.eq_ignore_ascii_case(right)),
        (Value::Begins(known), Value::Text(text)) | (Value::Text(text), Value::Begins(known)) => {
            let starts = text.to_ascii_lowercase().starts_with(known);
            (!starts).then_some(false)
        }
        (Value::Something | Value::Begins(_), other)
        | (other, Value::Something | Value::Begins(_)) => match other {
            Value::Null => Some(false),
            Value::Text(text) if text.is_empty() => Some(false),
            _ => None,
        },
        (left, right) => {
            let (left, right) = (number(left)?, number(right)?);
            #[expect(clippy::float_cmp, reason = "as GitHub compares")]
            Some(left == right)
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    Some(match value {
        Value::Null => 0.0,
        Value::Bool(is) => f64::from(u8::from(*is)),
        Value::Number(number) => *number,
        Value::Text(text) if text.trim().is_empty() => 0.0,
        Value::Text(text) => text.trim().parse().unwrap_or(f64::NAN),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::expression::condition, *};

    fn told(text: &str, event: Event<'_>) -> Option<bool> {
        holds(&condition(text).unwrap(), event)
    }

    #[test]
    fn conditions_on_requests() {
        for (text, answer) in [
            ("github.event_name == 'push'", Some(false)),
            ("github.event_name != 'pull_request'", Some(false)),
            ("${{ github.event_name == 'PULL_REQUEST' }}", Some(true)),
            ("github.ref == 'refs/heads/main'", Some(false)),
            (
                "github.ref == 'refs/heads/main' && github.repository == 'a/b'",
                Some(false),
            ),
            (
                "github.repository == 'a/b' && github.ref_name == 'main'",
                Some(false),
            ),
            ("startsWith(github.ref, 'refs/tags/')", Some(false)),
            ("!startsWith(github.ref, 'refs/tags/')", Some(true)),
            ("startsWith(github.ref, 'refs/pull/')", Some(true)),
            ("github.event.pull_request.merged == true", Some(false)),
            ("github.event.pull_request.merged", Some(false)),
            ("github.event.pull_request == null", Some(false)),
            ("github.event.release.prerelease == false", Some(true)),
            ("github.event.inputs.deploy == 'yes'", Some(false)),
            ("github.head_ref == ''", Some(false)),
            ("github.head_ref", Some(true)),
            (
                "contains(fromJSON('[\"push\", \"release\"]'), github.event_name)",
                Some(false),
            ),
            (
                "contains('push pull_request', github.event_name)",
                Some(true),
            ),
            ("always() && github.event_name == 'push'", Some(false)),
            ("success() || failure()", None),
            ("needs.changes.outputs.code == 'true'", None),
            (
                "github.event.pull_request.head.repo.full_name == github.repository",
                None,
            ),
            ("github.actor != 'dependabot[bot]'", Some(true)),
            (
                "github.event.pull_request.user.login == 'dependabot[bot]'",
                Some(false),
            ),
            (
                "github.ref_name == github.event.repository.default_branch",
                Some(false),
            ),
            (
                "github.event_name == 'push' || github.event.pull_request.head.repo.full_name == github.repository",
                None,
            ),
            (
                "(github.event_name == 'push' || github.event_name == 'release') && x.y",
                Some(false),
            ),
            ("inputs.deploy", None),
            ("false", Some(false)),
        ] {
            assert_eq!(told(text, Event::PullRequest), answer, "{text}");
        }
    }

    #[test]
    fn conditions_on_other_events() {
        let after = Event::AfterPullRequest;
        assert_eq!(
            told("github.event.workflow_run.event == 'push'", after),
            Some(false)
        );
        assert_eq!(
            told("github.event.workflow_run.head_branch == 'main'", after),
            Some(false)
        );
        assert_eq!(
            told("github.event.workflow_run.conclusion == 'success'", after),
            None
        );
        let push = Event::Other("push");
        assert_eq!(told("github.ref == 'refs/heads/main'", push), None);
        assert_eq!(told("github.event_name == 'push'", push), Some(true));
        assert_eq!(told("github.event.pull_request.number", push), Some(false));
        assert_eq!(
            told("github.ref == 'refs/heads/main'", Event::PullRequestTarget),
            None
        );
    }
}
