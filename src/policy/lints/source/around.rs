//! What stands around the place where the walk is: loops, conditions, and code that only development runs.
//!
//! Kept while the walk goes on, so that nothing climbs up the tree: that would cost the length of the file each time.

use std::ops::Range;

use tree_sitter::Node;

use super::shape::{Code, named};
use crate::policy::names::words;

/// Deepest nest of harmless code that is kept apart.
const MAX_HARMLESS: usize = 32;

/// Bytes of a condition that are read.
const MAX_CONDITION: usize = 300;

/// What is open at one place.
#[derive(Default)]
pub(super) struct Around {
    /// Code that only development runs, open or still to come.
    harmless: Vec<Range<usize>>,
    conditions: Vec<Range<usize>>,
    loops: Vec<Range<usize>>,
}

impl Around {
    /// Leaves what ends before `start`.
    pub(super) fn leave(&mut self, start: usize) {
        for open in [&mut self.harmless, &mut self.conditions, &mut self.loops] {
            while open.last().is_some_and(|range| range.end <= start) {
                open.pop();
            }
        }
    }

    /// Enters a node.
    pub(super) fn enter<'t>(&mut self, code: &Code<'t>, node: Node<'t>) {
        match node.kind() {
            "for_statement" | "for_in_statement" => self.loops.push(node.byte_range()),
            "if_statement" | "elif_clause" => {
                self.conditions.push(node.byte_range());
                let field = |name: &str| node.child_by_field_name(name);
                if let (Some(condition), Some(then)) = (field("condition"), field("consequence")) {
                    self.branch(code, condition, then, then.end_byte()..node.end_byte());
                }
            }
            "ternary_expression" => {
                let field = |name: &str| node.child_by_field_name(name);
                if let (Some(condition), Some(then)) = (field("condition"), field("consequence")) {
                    self.branch(code, condition, then, then.end_byte()..node.end_byte());
                }
            }
            "conditional_expression" => {
                if let [then, condition, otherwise, ..] = named(node).as_slice() {
                    self.branch(code, *condition, *then, otherwise.byte_range());
                }
            }
            _ => {}
        }
    }

    fn branch<'t>(
        &mut self,
        code: &Code<'t>,
        condition: Node<'t>,
        then: Node<'t>,
        otherwise: Range<usize>,
    ) {
        let harmless = match stage(code.of(condition)) {
            Some(Stage::Development) => then.byte_range(),
            Some(Stage::Production) => otherwise,
            None => return,
        };
        if self.harmless.len() < MAX_HARMLESS {
            self.harmless.push(harmless);
        }
    }

    /// Tells whether only development runs what starts here.
    pub(super) fn is_guarded(&self, start: usize) -> bool {
        self.harmless.iter().any(|range| range.contains(&start))
    }

    /// Tells whether a condition stands inside the innermost loop: a loop over the environment picks some variables then.
    pub(super) fn is_picked(&self) -> bool {
        let inner = self.loops.last().zip(self.conditions.last());
        inner.is_some_and(|(one, condition)| condition.start > one.start)
    }
}

/// Where code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Development,
    Production,
}

/// Returns the stage that a condition asks for.
fn stage(condition: &str) -> Option<Stage> {
    let end = (0..=MAX_CONDITION.min(condition.len()))
        .rev()
        .find(|end| condition.is_char_boundary(*end))?;
    let condition = condition.get(..end)?.trim_start_matches('(');
    let words = words(condition);
    let has = |starts: &[&str]| {
        words
            .iter()
            .any(|word| starts.iter().any(|start| word.starts_with(start)))
    };
    let is_negated =
        condition.starts_with("not ") || condition.starts_with('!') || condition.contains("!=");
    let is_production = if has(&["prod"]) {
        true
    } else if has(&["debug", "dev", "test", "local"]) {
        false
    } else {
        return None;
    };
    Some(if is_production == is_negated {
        Stage::Development
    } else {
        Stage::Production
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_of_conditions() {
        for (condition, want) in [
            ("DEBUG", Some(Stage::Development)),
            ("not settings.DEBUG", Some(Stage::Production)),
            (
                "(process.env.NODE_ENV === 'production')",
                Some(Stage::Production),
            ),
            (
                "process.env.NODE_ENV !== 'production'",
                Some(Stage::Development),
            ),
            ("isDev", Some(Stage::Development)),
            ("x == \"\"", None),
        ] {
            assert_eq!(stage(condition), want, "{condition}");
        }
    }
}
