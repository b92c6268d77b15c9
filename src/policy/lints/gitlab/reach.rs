//! Which jobs run for merge requests and unprotected branches: `rules`, `only`, `except`, `workflow:rules`.
//!
//! Expressions have three values: what depends on variables that are not known is neither true nor false, and a job is said to run
//! only where that is sure.

use regex::RegexBuilder;

use super::{
    super::super::node::Node,
    pipeline::{Job, Pipeline},
};

/// For what a pipeline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A merge request.
    MergeRequest,
    /// A push to a branch that is not the default one.
    Branch,
}

/// The branch that is pushed to.
const BRANCH: &str = "feature-of-somebody";

/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 16;

/// Returns what brings code of others into a job, if anything surely does.
pub(super) fn runs_for(pipeline: &Pipeline<'_>, job: &Job<'_>) -> Option<Event> {
    [Event::MergeRequest, Event::Branch]
        .into_iter()
        .find(|event| passes_workflow(pipeline, *event) && runs(pipeline, job, *event))
}

fn passes_workflow(pipeline: &Pipeline<'_>, event: Event) -> bool {
    match pipeline
        .top("workflow")
        .and_then(|workflow| workflow.get("rules"))
    {
        Some(rules) => passes(pipeline, rules, event, 0) == Some(true),
        // Without rules there are pipelines of branches, and of merge requests for jobs that ask for them.
        None => true,
    }
}

fn runs(pipeline: &Pipeline<'_>, job: &Job<'_>, event: Event) -> bool {
    if let Some(rules) = pipeline.get(job, "rules") {
        return passes(pipeline, rules, event, 0) == Some(true);
    }
    let (only, except) = (pipeline.get(job, "only"), pipeline.get(job, "except"));
    if except.is_some_and(|except| refers(except, event)) {
        return false;
    }
    let has_workflow = pipeline
        .top("workflow")
        .is_some_and(|workflow| workflow.get("rules").is_some());
    match only {
        Some(only) => refers(only, event),
        // Jobs that say nothing run for branches; for merge requests where the workflow makes such pipelines.
        None => event == Event::Branch || has_workflow,
    }
}

/// Tells whether `only` or `except` name the event.
fn refers(node: &Node, event: Event) -> bool {
    let refs = node.get("refs").unwrap_or(node);
    // Conditions on variables and changes narrow it.
    if node.get("variables").is_some() || node.get("kubernetes").is_some() {
        return false;
    }
    let one = refs.text().into_iter();
    one.chain(refs.items().iter().filter_map(Node::text))
        .any(|name| match event {
            Event::MergeRequest => name == "merge_requests",
            Event::Branch => match name.strip_prefix('/') {
                _ if name == "branches" => true,
                Some(rest) => matches(rest, BRANCH) == Some(true),
                None => name == BRANCH,
            },
        })
}

/// Tells whether the first rule that fits lets a job run: `None` if that is not known.
fn passes(pipeline: &Pipeline<'_>, rules: &Node, event: Event, depth: usize) -> Option<bool> {
    let mut is_sure = true;
    for rule in rules.items() {
        if let Some(target) = pipeline.reference(rule) {
            if depth > MAX_DEPTH {
                return None;
            }
            let is_list = !target.items().is_empty();
            if let Some(true) = is_list
                .then(|| passes(pipeline, target, event, depth + 1))
                .flatten()
            {
                return is_sure.then_some(true);
            }
            continue;
        }
        let condition = match rule.text_at(&["if"]) {
            Some(text) => evaluate(text, event),
            None => Some(true),
        };
        let narrows = rule.get("changes").is_some() || rule.get("exists").is_some();
        let lets = rule.text_at(&["when"]) != Some("never");
        match condition {
            Some(false) => {}
            // Files that change may be any.
            Some(true) if lets || !narrows => return is_sure.then_some(lets),
            _ => is_sure = is_sure && lets,
        }
    }
    is_sure.then_some(false)
}

/// Evaluates `$CI_PIPELINE_SOURCE == "merge_request_event" && …`.
pub(super) fn evaluate(text: &str, event: Event) -> Option<bool> {
    let mut parser = Parser { rest: text, event };
    let value = parser.or(0)?;
    parser.rest.trim().is_empty().then_some(value).flatten()
}

/// What stands on a side of a comparison.
enum Operand {
    /// A text.
    Text(String),
    /// A variable that is not set, or `null`.
    Null,
    /// A variable of which nothing is known.
    Unknown,
    /// A pattern, without its first slash.
    Pattern(String),
}

struct Parser<'t> {
    rest: &'t str,
    event: Event,
}

/// `None` outside: no expression. `None` inside: not known.
type Answer = Option<Option<bool>>;

impl Parser<'_> {
    fn takes(&mut self, sign: &str) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(sign) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    fn or(&mut self, depth: usize) -> Answer {
        let mut value = self.and(depth)?;
        while self.takes("||") {
            let right = self.and(depth)?;
            value = match (value, right) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        Some(value)
    }

    fn and(&mut self, depth: usize) -> Answer {
        let mut value = self.comparison(depth)?;
        while self.takes("&&") {
            let right = self.comparison(depth)?;
            value = match (value, right) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
        Some(value)
    }

    fn comparison(&mut self, depth: usize) -> Answer {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.takes("(") {
            let value = self.or(depth + 1)?;
            return self.takes(")").then_some(value);
        }
        let left = self.operand()?;
        for (sign, is_pattern, wanted) in [
            ("==", false, true),
            ("!=", false, false),
            ("=~", true, true),
            ("!~", true, false),
        ] {
            if self.takes(sign) {
                let right = self.operand()?;
                let equal = if is_pattern {
                    is_match(&left, &right)
                } else {
                    is_equal(&left, &right)
                };
                return Some(equal.map(|equal| equal == wanted));
            }
        }
        Some(match left {
            Operand::Text(text) => Some(!text.is_empty()),
            Operand::Null => Some(false),
            Operand::Unknown | Operand::Pattern(_) => None,
        })
    }

    fn operand(&mut self) -> Option<Operand> {
        let rest = self.rest.trim_start();
        let first = rest.chars().next()?;
        match first {
            '"' | '\'' => {
                let (text, after) = rest.get(1..)?.split_once(first)?;
                self.rest = after;
                Some(Operand::Text(text.to_owned()))
            }
            '/' => {
                let end = pattern_end(rest)?;
                self.rest = rest.get(end..)?;
                Some(Operand::Pattern(rest.get(1..end)?.to_owned()))
            }
            '$' => {
                let name = rest.get(1..)?;
                let name = name.strip_prefix('{').unwrap_or(name);
                let end = name
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(name.len());
                let (name, after) = name.split_at(end);
                self.rest = after.strip_prefix('}').unwrap_or(after);
                Some(known(name, self.event))
            }
            _ => {
                self.rest = rest.strip_prefix("null")?;
                Some(Operand::Null)
            }
        }
    }
}

/// Returns where a pattern ends, its options included.
fn pattern_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '/' if !is_escaped => {
                let after = text.get(at + 1..)?;
                let options = after.len() - after.trim_start_matches(['i', 'm', 'x', 's']).len();
                return Some(at + 1 + options);
            }
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}

/// Returns what a variable is for an event.
fn known(name: &str, event: Event) -> Operand {
    let text = |text: &str| Operand::Text(text.to_owned());
    let is_request = event == Event::MergeRequest;
    match name {
        "CI_PIPELINE_SOURCE" if is_request => text("merge_request_event"),
        "CI_PIPELINE_SOURCE" => text("push"),
        "CI_COMMIT_BRANCH" if is_request => Operand::Null,
        "CI_COMMIT_TAG" => Operand::Null,
        "CI_COMMIT_BRANCH" | "CI_COMMIT_REF_NAME" | "CI_COMMIT_REF_SLUG" => text(BRANCH),
        "CI_DEFAULT_BRANCH" => text("main"),
        "CI_COMMIT_REF_PROTECTED" => text("false"),
        "CI_OPEN_MERGE_REQUESTS" | "CI_PIPELINE_SCHEDULE" => Operand::Unknown,
        "CI_MERGE_REQUEST_IID" | "CI_MERGE_REQUEST_ID" if is_request => text("1"),
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME" if is_request => text(BRANCH),
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME" if is_request => text("main"),
        _ if name.starts_with("CI_MERGE_REQUEST_") && !is_request => Operand::Null,
        _ => Operand::Unknown,
    }
}

fn is_equal(left: &Operand, right: &Operand) -> Option<bool> {
    match (left, right) {
        (Operand::Unknown | Operand::Pattern(_), _)
        | (_, Operand::Unknown | Operand::Pattern(_)) => None,
        (Operand::Text(a), Operand::Text(b)) => Some(a == b),
        (Operand::Null, Operand::Null) => Some(true),
        _ => Some(false),
    }
}

fn is_match(left: &Operand, right: &Operand) -> Option<bool> {
    match (left, right) {
        (Operand::Text(text), Operand::Pattern(pattern)) => matches(pattern, text),
        (Operand::Null, Operand::Pattern(_)) => Some(false),
        _ => None,
    }
}

/// Tells whether `…/i` (without its first slash) matches; `None` if it cannot be read.
fn matches(pattern: &str, text: &str) -> Option<bool> {
    let (body, options) = pattern.rsplit_once('/')?;
    if body.len() > 200 {
        return None;
    }
    RegexBuilder::new(&body.replace("\\/", "/"))
        .unicode(false)
        .case_insensitive(options.contains('i'))
        .size_limit(64 << 10)
        .build()
        .ok()
        .map(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_have_three_values() {
        for (text, request, branch) in [
            (
                "$CI_PIPELINE_SOURCE == \"merge_request_event\"",
                Some(true),
                Some(false),
            ),
            ("$CI_PIPELINE_SOURCE == 'push'", Some(false), Some(true)),
            (
                "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH",
                Some(false),
                Some(false),
            ),
            (
                "$CI_COMMIT_BRANCH != $CI_DEFAULT_BRANCH",
                Some(true),
                Some(true),
            ),
            ("$CI_COMMIT_BRANCH", Some(false), Some(true)),
            ("$CI_COMMIT_TAG =~ /^v/", Some(false), Some(false)),
            ("$CI_COMMIT_BRANCH =~ /^feature/", Some(false), Some(true)),
            (
                "$CI_COMMIT_REF_NAME !~ /^(main|release)$/",
                Some(true),
                Some(true),
            ),
            ("$MINE == 'x'", None, None),
            (
                "$CI_COMMIT_TAG || $CI_MERGE_REQUEST_IID",
                Some(true),
                Some(false),
            ),
            ("$CI_MERGE_REQUEST_IID && $MINE", None, Some(false)),
            (
                "($CI_COMMIT_BRANCH == null) && $CI_COMMIT_TAG == null",
                Some(true),
                Some(false),
            ),
            ("what is this", None, None),
            ("((((((((((((((((((((1", None, None),
            ("$A =~ /a", None, None),
        ] {
            assert_eq!(evaluate(text, Event::MergeRequest), request, "{text}");
            assert_eq!(evaluate(text, Event::Branch), branch, "{text}");
        }
    }
}
