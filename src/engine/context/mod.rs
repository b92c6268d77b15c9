//! A small parser of assignments that reads backwards: from a value to its quote, its operator and its name.
//!
//! No grammar of any one language: what the languages and formats of docs/rules.md ("context") have in common, and only
//! so far as a value and its name go. Promises: reads at most [`MAX_BACK`] bytes before the value and [`MAX_VALUE`] from
//! its start on; no allocation; a wrong guess costs a name that no rule knows.

mod back;
mod forward;
mod further;
mod name;
mod operator;
mod quote;
mod value;

use std::{cell::Cell, ops::Range};

use self::back::Back;
pub(super) use self::{
    forward::{after_call, after_word, may_follow_blanks, start_of_value},
    quote::Quote,
};
use super::values::Operator;

/// Most bytes read before a value.
pub(super) const MAX_BACK: usize = 256;

/// Most bytes of a value.
pub(super) const MAX_VALUE: usize = 1024;

/// Most bytes from a value's start on that tell what it is.
pub(super) const MAX_REACH: usize = MAX_VALUE + value::MAX_AFTER + 16;

/// A value with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment<'a> {
    /// The name without quotes; `password` where the syntax says so without a name (`IDENTIFIED BY`).
    pub(super) name: &'a [u8],
    /// A second name: the function that the value is handed to, the attribute of the tag around it.
    pub(super) other: Option<&'a [u8]>,
    /// Where the name begins, or where what stands for it does.
    pub(super) name_start: usize,
    /// What joins them.
    pub(super) operator: Operator,
    /// What encloses the value.
    pub(super) quote: Quote,
}

/// How far a value goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// This far.
    Known(Range<usize>),
    /// It is longer than [`MAX_VALUE`], or a quote does not close.
    Open,
    /// It is no value, but the name of one, the type of a name, or a parameter with a default inside.
    Name,
}

/// What stands before a value, innermost first.
struct Head<'a> {
    name: Range<usize>,
    alias: Option<&'a [u8]>,
    other: Option<Range<usize>>,
    operator: Operator,
}

/// Returns the assignment whose value starts at `start`, if there is one. `lowest` is lowered to the first byte that was
/// looked at.
pub(super) fn assignment<'a>(
    bytes: &'a [u8],
    start: usize,
    lowest: &'a Cell<usize>,
) -> Option<Assignment<'a>> {
    let mut back = Back::new(bytes, start, lowest);
    skip_scheme(&mut back);
    let quote = quote::opening(&mut back);
    let head = operator::head(&mut back, quote)?;
    let text = |range: &Range<usize>| bytes.get(range.clone()).filter(|name| !name.is_empty());
    let name = head.alias.or_else(|| text(&head.name));
    let other = head.other.as_ref().and_then(text);
    Some(Assignment {
        name: name.or(other)?,
        other: name.and(other),
        name_start: head.name.start,
        operator: head.operator,
        quote,
    })
}

impl Assignment<'_> {
    /// Returns a place before which everything stands that [`Self::value`] reads.
    pub(super) fn reach(&self, bytes: &[u8], start: usize) -> usize {
        let end = value::end(bytes, start, self.quote, self.operator)
            .map_or(start.saturating_add(MAX_VALUE), |value| value.end);
        end.saturating_add(value::MAX_AFTER + 16)
    }

    /// Reads the value, which starts at `start`: apart from [`assignment`], since most names call for no rule.
    pub(super) fn value(&self, bytes: &[u8], start: usize) -> Extent {
        let Some(value) = value::end(bytes, start, self.quote, self.operator) else {
            return Extent::Open;
        };
        if value::is_key(bytes, value.end, self.quote, self.operator)
            || value::is_default(bytes, &value)
        {
            return Extent::Name;
        }
        Extent::Known(value)
    }
}

/// Steps over the scheme of an `Authorization` header: `Bearer `, `Basic `, `token `.
fn skip_scheme(back: &mut Back<'_>) {
    const SCHEMES: &[&[u8]] = &[
        b"bearer",
        b"basic",
        b"token",
        b"apikey",
        b"api-key",
        b"digest",
        b"bot",
        b"key",
        b"genie",
        b"genie-key",
        b"genieapikey",
        b"sso-key",
        b"oauth",
        b"aws4-hmac-sha256",
        b"ghtoken",
        b"pat",
    ];
    let mut probe = *back;
    if probe.peek() != Some(b' ') {
        return;
    }
    probe.skip_blanks();
    let word = probe.take_while(|b| b.is_ascii_alphanumeric() || b == b'-');
    // `--token abc` and `set token abc` name the value; `Authorization: token abc` does not.
    let mut before = probe;
    before.skip_blanks();
    let is_quote = probe.peek().is_some_and(quote::is_quote);
    if !is_quote && !matches!(before.peek(), Some(b':' | b'=' | b',')) {
        return;
    }
    let is_scheme = SCHEMES
        .iter()
        .any(|scheme| probe.text(&word).eq_ignore_ascii_case(scheme));
    if is_scheme {
        *back = probe;
    }
}

#[cfg(test)]
mod tests;
