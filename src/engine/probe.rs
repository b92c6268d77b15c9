//! What is tried at an anchor: token rules by their prefix, context rules by the name of the value, marker rules around
//! their marker.
//!
//! Promises: a finding's anchor is where its match begins, so that every finding belongs to exactly one region.

use std::{cell::Cell, ops::Range};

use super::{
    Worker,
    anchors::{Lanes, MIN_RUN, Run, before, is_alnum, is_separator},
    context, decode, extent,
    judge::{AROUND, Case, Found},
    notes::{LEFT, RIGHT},
    patterns::Matched,
    tables::{Action, MAX_BLOCK},
};
use crate::rules::Shape;

/// How far a run is followed beyond the window: as far as any context rule asks.
const RUN_AHEAD: usize = 128;

/// Bytes before a name in which the vendor's name may stand.
const VENDOR_WINDOW: usize = 160;

/// Most bytes before a run in which its value may start.
const VALUE_LEAD: usize = 64;

impl Worker<'_> {
    /// Appends what is found in `bytes` as they stand, with the anchor in `window`.
    pub(super) fn direct(&mut self, bytes: &[u8], window: &Range<usize>, out: &mut Vec<Found>) {
        self.literals(bytes, window, out);
        self.choose_stand_ins();
        // A value may start before the run in it.
        let reach = window.start..window.end.saturating_add(VALUE_LEAD).min(bytes.len());
        let mut lanes = std::mem::take(&mut self.lanes);
        lanes.look(bytes, &reach, RUN_AHEAD);
        self.long.clear();
        for run in lanes.runs(bytes, reach.end) {
            if run.end - run.start >= decode::MIN_RUN {
                self.long.push(run.start..run.end);
            }
            self.tokens(bytes, run, &lanes, window, out);
            if run.whole {
                self.values(bytes, run, window, out);
            }
        }
        self.lanes = lanes;
    }

    /// Tries what literals call for.
    fn literals(&mut self, bytes: &[u8], window: &Range<usize>, out: &mut Vec<Found>) {
        let scanner = self.scanner;
        let tables = &scanner.tables;
        let loose = self.probe.is_loose();
        let around = if loose {
            // A second part may begin before what changed in it, and its literal stand behind that.
            let ahead = tables.near_part.saturating_sub(LEFT);
            let end = window.end.saturating_add(ahead).min(bytes.len());
            window.start.saturating_sub(tables.near_part)..end
        } else {
            self.marks.iter_mut().for_each(Vec::clear);
            tables.literal_window(window, bytes.len())
        };
        tables.literals.find(bytes, around, |literal, at| {
            let actions = tables.actions.get(literal as usize);
            let is_inside = !loose || window.contains(&at);
            for action in actions.into_iter().flatten() {
                match *action {
                    Action::Near(stand_in, len) if loose => {
                        if self.is_part(bytes, stand_in, at..at + len) {
                            self.probe.give_up();
                        }
                    }
                    _ if !is_inside => {}
                    Action::Token(rule) => {
                        if window.contains(&at) {
                            self.token(bytes, rule, at, out);
                        }
                    }
                    Action::Marker(rule, len) => {
                        // What changed is looked at by its triggers, wherever the match begins.
                        let all = 0..bytes.len();
                        let begin = if loose { &all } else { window };
                        self.marker(bytes, rule, at..at + len, begin, out);
                    }
                    Action::Near(stand_in, _) => {
                        if let Some(marks) = self.marks.get_mut(stand_in) {
                            marks.push(at);
                        }
                    }
                    Action::Word(len) => {
                        let is_call = bytes.get(at + len - 1) == Some(&b'(');
                        let value = |start| {
                            if loose || window.contains(&start) {
                                self.value(bytes, start, 0, out);
                            }
                        };
                        let end = if is_call {
                            context::after_call(bytes, at + len, value)
                        } else {
                            context::after_word(bytes, at + len, value)
                        };
                        self.probe.read(at, at..end, bytes.len());
                    }
                }
            }
        });
    }

    /// Lists the stand-ins that are worth a look in the window.
    fn choose_stand_ins(&mut self) {
        let tables = &self.scanner.tables;
        let loose = self.probe.is_loose();
        self.active.clear();
        for &number in &tables.by_run {
            let (Some(stand_in), Some(marks)) =
                (tables.stand_ins.get(number), self.marks.get_mut(number))
            else {
                continue;
            };
            if loose || !stand_in.marked {
                self.active.push(number);
            } else if !marks.is_empty() {
                marks.sort_unstable();
                self.active.push(number);
            }
        }
    }

    /// Tries token rules at the run's start, after each separator in it, and after an escape before it.
    fn tokens(
        &mut self,
        bytes: &[u8],
        run: Run,
        lanes: &Lanes,
        window: &Range<usize>,
        out: &mut Vec<Found>,
    ) {
        let prefixes = &self.scanner.tables.prefixes;
        if run.whole {
            if prefixes.may_start(bytes, run.start) {
                self.tokens_at(bytes, run.start, window, out);
            }
            // The letter of an escape looks like the run's first: `\n`, `%3D`, `\x3d`, `\u003d`, `\x1b[31m`.
            if matches!(before(bytes, run.start), Some(b'\\' | b'%' | b'[' | b';')) {
                for at in run.start + 1..=run.start + 5 {
                    self.tokens_at(bytes, at, window, out);
                }
            }
        }
        // Every match begins with that many token characters.
        let end = run.end.saturating_sub(MIN_RUN).min(window.end);
        let start = run.start.max(window.start.saturating_sub(1));
        if start >= end {
            return;
        }
        for at in lanes.separators(&(start..end)) {
            if prefixes.may_start(bytes, at + 1) {
                self.tokens_at(bytes, at + 1, window, out);
            }
        }
    }

    fn tokens_at(&mut self, bytes: &[u8], at: usize, window: &Range<usize>, out: &mut Vec<Found>) {
        let prefixes = &self.scanner.tables.prefixes;
        if !window.contains(&at) {
            return;
        }
        for rule in prefixes.rules_at(bytes, at) {
            self.token(bytes, rule, at, out);
        }
    }

    /// Tries one token rule at one place.
    fn token(&mut self, bytes: &[u8], number: u32, at: usize, out: &mut Vec<Found>) {
        if !is_free(bytes, at) {
            return;
        }
        if let Some(matched) = self.match_at(bytes, number, at) {
            self.decide(bytes, number, matched, at, out);
        }
    }

    /// Returns the match of a rule's pattern that starts at `at` and is not cut out of something longer.
    fn match_at(&mut self, bytes: &[u8], number: u32, at: usize) -> Option<Matched> {
        let prepared = self.scanner.tables.rules.get(number as usize)?;
        let extent = prepared.lead.extent(bytes, at, prepared.max_len);
        self.probe.read(at, at..extent.read, bytes.len());
        if !extent.may_match {
            return None;
        }
        let scratch = self.patterns.get_mut(number as usize)?;
        let end = at.saturating_add(prepared.max_len).min(bytes.len());
        let matched = prepared
            .pattern
            .as_ref()?
            .find(scratch, bytes, at..end, true)?;
        let next = bytes.get(matched.whole.end).copied();
        (!next.is_some_and(is_alnum)).then_some(matched)
    }

    /// Tries the context rules where a run may be or end a value.
    fn values(&mut self, bytes: &[u8], run: Run, window: &Range<usize>, out: &mut Vec<Found>) {
        let Some(last) = before(bytes, run.start) else {
            if window.contains(&run.start) {
                self.stand_ins(bytes, run.start, run.end - run.start, &[], out);
            }
            return;
        };
        let may_follow = match last {
            b' ' | b'\t' => context::may_follow_blanks(bytes, run.start),
            b'"' | b'\'' | b'`' | b'=' | b':' | b'>' | b'|' | b';' => true,
            _ => false,
        };
        if window.contains(&run.start) {
            if may_follow {
                self.value(bytes, run.start, run.end - run.start, out);
            } else {
                self.stand_ins(bytes, run.start, run.end - run.start, &[], out);
            }
        }
        if let Some(start) = context::start_of_value(bytes, run.start)
            && window.contains(&start)
        {
            self.value(bytes, start, 0, out);
        }
    }

    /// Tries the context rules on a value that starts at `start` with a run of `run` bytes (0 if not known).
    fn value(&mut self, bytes: &[u8], start: usize, run: usize, out: &mut Vec<Found>) {
        let mut rules = std::mem::take(&mut self.rules);
        rules.clear();
        let lowest = Cell::new(start);
        let assignment = context::assignment(bytes, start, &lowest);
        self.probe.read(start, lowest.get()..start, bytes.len());
        if let Some(assignment) = assignment {
            self.named_rules(bytes, start, &assignment, &mut rules);
            if !rules.is_empty() {
                self.assigned(bytes, start, &assignment, &rules, out);
            }
        }
        if run > 0 {
            self.stand_ins(bytes, start, run, &rules, out);
        }
        self.rules = rules;
    }

    /// Tries the rules that the name of a value calls for.
    fn assigned(
        &mut self,
        bytes: &[u8],
        start: usize,
        assignment: &context::Assignment<'_>,
        rules: &[u32],
        out: &mut Vec<Found>,
    ) {
        self.probe
            .read(start, start..assignment.reach(bytes, start), bytes.len());
        let value = match assignment.value(bytes, start) {
            context::Extent::Known(value) => Some(value),
            context::Extent::Open => None,
            context::Extent::Name => return,
        };
        let named = Named { assignment, value };
        for &number in rules {
            self.context_rule(bytes, number, start, Some(&named), out);
        }
    }

    /// Lists the rules that the name of the value at `start` calls for, sorted.
    fn named_rules(
        &mut self,
        bytes: &[u8],
        start: usize,
        found: &context::Assignment<'_>,
        rules: &mut Vec<u32>,
    ) {
        let scanner = self.scanner;
        let words = &scanner.tables.words;
        let mut plain = false;
        for name in [Some(found.name), found.other].into_iter().flatten() {
            if self.quiet.has(name) {
                continue;
            }
            let before = rules.len();
            self.normal.name(name);
            let is_plain = words.rules_in(&self.normal, rules) && self.normal.is_plain();
            if !is_plain && rules.len() == before {
                self.quiet.add(name);
            }
            plain |= is_plain;
        }
        if plain {
            let named = rules.len();
            let window = found.name_start.saturating_sub(VENDOR_WINDOW)..found.name_start;
            self.probe
                .read(start, window.start..found.name_start, bytes.len());
            self.normal.prose(bytes.get(window).unwrap_or_default());
            words.rules_in(&self.normal, rules);
            // Words nearby vouch for a vendor's shape only.
            let mut at = 0;
            rules.retain(|number| {
                at += 1;
                let rule = scanner.rules.rules.get(*number as usize);
                at <= named || rule.is_some_and(|rule| rule.pattern.is_some())
            });
        }
        rules.sort_unstable();
        rules.dedup();
    }

    /// Tries the rules whose second part can stand in for the name.
    fn stand_ins(
        &mut self,
        bytes: &[u8],
        start: usize,
        run: usize,
        done: &[u32],
        out: &mut Vec<Found>,
    ) {
        let scanner = self.scanner;
        let active = std::mem::take(&mut self.active);
        if !active.is_empty() {
            let read = run.min(RUN_AHEAD) + 1;
            self.probe.read(start, start..start + read, bytes.len());
        }
        for &number in &active {
            let Some(stand_in) = scanner.tables.stand_ins.get(number) else {
                continue;
            };
            if run < stand_in.run.clamp(MIN_RUN, RUN_AHEAD) {
                // Those that ask for more come later.
                break;
            }
            if stand_in.marked
                && !self.probe.is_loose()
                && !self.is_marked(number, start, stand_in.reach)
            {
                continue;
            }
            if done.binary_search(&stand_in.rule).is_err() {
                self.context_rule(bytes, stand_in.rule, start, None, out);
            }
        }
        self.active = active;
    }

    /// Tells whether the literal is in a second part of the stand-in.
    fn is_part(&mut self, bytes: &[u8], stand_in: usize, literal: Range<usize>) -> bool {
        let tables = &self.scanner.tables;
        let Some((rule, leads)) = tables
            .stand_ins
            .get(stand_in)
            .map(|one| (one.rule as usize, one.leads))
        else {
            return false;
        };
        let near = tables
            .rules
            .get(rule)
            .and_then(|prepared| prepared.near.as_ref());
        let (Some(near), Some(scratch)) = (near, self.nears.get_mut(rule)) else {
            return false;
        };
        let to = literal
            .end
            .saturating_add(tables.near_part)
            .min(bytes.len());
        let from = if leads {
            literal.start
        } else {
            literal.start.saturating_sub(tables.near_part)
        };
        // The patterns look one byte around.
        self.probe.looked(&(from.saturating_sub(1)..to + 1));
        near.find(scratch, bytes, from..to, leads).is_some()
    }

    /// Looks again at what stands at a place of a value, whatever calls for it.
    pub(super) fn again(&mut self, bytes: &[u8], at: usize, out: &mut Vec<Found>) {
        self.value(bytes, at, 0, out);
    }

    /// Tells whether the second part of a stand-in may be within `reach` of `start`.
    fn is_marked(&self, stand_in: usize, start: usize, reach: usize) -> bool {
        self.marks.get(stand_in).is_some_and(|marks| {
            let first = marks.partition_point(|at| at.saturating_add(reach) < start);
            marks
                .get(first)
                .is_some_and(|at| *at <= start.saturating_add(reach))
        })
    }

    /// Tries one context rule; without a name its second part must be there.
    fn context_rule(
        &mut self,
        bytes: &[u8],
        number: u32,
        start: usize,
        named: Option<&Named<'_>>,
        out: &mut Vec<Found>,
    ) {
        let scanner = self.scanner;
        let Some(rule) = scanner.rules.rules.get(number as usize) else {
            return;
        };
        let matched = if rule.pattern.is_some() {
            self.match_at(bytes, number, start).filter(|matched| {
                let end = matched.whole.end;
                self.probe.read(start, start..end + MIN_RUN, bytes.len());
                !goes_on(bytes, end)
            })
        } else {
            let value = named.and_then(|named| named.value.clone());
            value.map(|value| Matched {
                whole: value.clone(),
                secret: value,
            })
        };
        let Some(matched) = matched else { return };
        let case = Case {
            bytes,
            number,
            rule,
            matched,
            assignment: named.map(|named| named.assignment),
            needs_near: named.is_none(),
        };
        self.settle_case(&case, start, out);
    }

    /// Searches a marker rule around its marker.
    fn marker(
        &mut self,
        bytes: &[u8],
        number: u32,
        marker: Range<usize>,
        window: &Range<usize>,
        out: &mut Vec<Found>,
    ) {
        let scanner = self.scanner;
        let Some(prepared) = scanner.tables.rules.get(number as usize) else {
            return;
        };
        let Some(pattern) = &prepared.pattern else {
            return;
        };
        let end = marker.end.saturating_add(prepared.max_len).min(bytes.len());
        let mut from = marker.start.saturating_sub(prepared.before);
        let rule = scanner.rules.rules.get(number as usize);
        let has_block = rule.is_some_and(|rule| rule.extent.is_some());
        let block = if has_block { MAX_BLOCK } else { 0 };
        let read = from.saturating_sub(1)..end.saturating_add(block + 1);
        self.probe.read(marker.start, read, bytes.len());
        while from < marker.end {
            let Some(scratch) = self.patterns.get_mut(number as usize) else {
                return;
            };
            let anchored = prepared.before == 0;
            let Some(matched) = pattern.find(scratch, bytes, from..end, anchored) else {
                return;
            };
            let whole = matched.whole.clone();
            if whole.start >= marker.end {
                return;
            }
            if whole.end > marker.start && window.contains(&whole.start) {
                self.decide(bytes, number, matched, marker.start, out);
            }
            if anchored {
                return;
            }
            from = whole.end.max(from + 1);
        }
    }

    /// Judges a match of a token or marker rule.
    fn decide(
        &mut self,
        bytes: &[u8],
        number: u32,
        mut matched: Matched,
        trigger: usize,
        out: &mut Vec<Found>,
    ) {
        let scanner = self.scanner;
        let Some(rule) = scanner.rules.rules.get(number as usize) else {
            return;
        };
        if let (Some(kind), Shape::Marker { .. }) = (rule.extent, &rule.shape) {
            let end = matched
                .whole
                .start
                .saturating_add(MAX_BLOCK)
                .min(bytes.len());
            let near = bytes.get(..end).unwrap_or(bytes);
            match extent::find(kind, near, matched.whole.clone()) {
                Some(block) => matched.secret = block,
                None => return,
            }
        }
        let case = Case {
            bytes,
            number,
            rule,
            matched,
            assignment: None,
            needs_near: false,
        };
        self.settle_case(&case, trigger, out);
    }

    /// Judges a case; `trigger` is where it came up.
    fn settle_case(&mut self, case: &Case<'_>, trigger: usize, out: &mut Vec<Found>) {
        let scanner = self.scanner;
        let Some(prepared) = scanner.tables.rules.get(case.number as usize) else {
            return;
        };
        let Some(scratch) = self.nears.get_mut(case.number as usize) else {
            return;
        };
        let mut asked = false;
        let found = case.verdict(prepared.near.as_ref(), scratch, &mut asked);
        let (whole, secret) = (&case.matched.whole, &case.matched.secret);
        let within = case.rule.near.as_ref().map_or(0, |near| near.within + 1);
        let sides = if asked { within } else { 0 };
        let start = whole
            .start
            .min(secret.start.saturating_sub(sides.max(AROUND)));
        let end = (whole.end + AROUND).max(secret.end + sides.max(AROUND));
        self.probe.read(trigger, start..end, case.bytes.len());
        if let Some(found) = found {
            let block = case.rule.extent.map_or(0, |_| MAX_BLOCK);
            // A named value is told by what stands before it, and goes on to its end.
            let (back, forth) = if case.assignment.is_some() {
                (context::MAX_BACK + VENDOR_WINDOW, context::MAX_REACH)
            } else {
                (0, RIGHT)
            };
            let ahead = prepared.max_len.max(block).max(forth) + 2 * AROUND;
            let behind = prepared.before.max(LEFT).max(back) + 1;
            out.push(Found {
                read: start.saturating_sub(behind)..(end + ahead).min(case.bytes.len()),
                ..found
            });
        }
    }
}

/// A value whose name calls for a rule.
struct Named<'a> {
    assignment: &'a context::Assignment<'a>,
    value: Option<Range<usize>>,
}

/// Tells whether the run of token characters in which a value ends at `at` has more letters or digits behind that: what
/// matched is a part then, such as the header of a JWT or the first directory of a path.
fn goes_on(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    let rest = rest.get(..MIN_RUN).unwrap_or(rest);
    let last = rest.iter().position(|byte| !is_separator(*byte));
    last.and_then(|last| rest.get(last))
        .is_some_and(|byte| is_alnum(*byte))
}

/// Tells whether a token may start at `at`: the byte before is no letter or digit, or belongs to an escape.
pub(super) fn is_free(bytes: &[u8], at: usize) -> bool {
    let Some(last) = before(bytes, at) else {
        return true;
    };
    if !is_alnum(last) {
        return true;
    }
    let seen = bytes.get(at.saturating_sub(16)..at).unwrap_or_default();
    let hex = |from: usize, count: usize| {
        let digits = seen
            .get(seen.len() - from..)
            .and_then(|tail| tail.get(..count));
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    match seen {
        [
            ..,
            b'\\',
            b'a' | b'b' | b'e' | b'f' | b'n' | b'r' | b't' | b'v' | b'0',
        ] => true,
        [.., b'%', _, _] if hex(2, 2) => true,
        [.., b'\\', b'x', _, _] if hex(2, 2) => true,
        [.., b'\\', b'0'..=b'3', b'0'..=b'7', b'0'..=b'7'] => true,
        [.., b'\\', b'u', _, _, _, _] => hex(4, 4),
        [rest @ .., b'm'] => {
            // The end of a colour: `ESC [ 1 ; 31 m`.
            let digits = rest
                .iter()
                .rev()
                .take_while(|b| b.is_ascii_digit() || **b == b';')
                .count();
            matches!(
                rest.get(..rest.len() - digits),
                Some([.., 0x1b | b'b' | b'B' | b'3' | b'e' | b'E', b'['])
            )
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_belong_to_the_token_after_them() {
        for text in [
            "",
            " ",
            "-",
            "_",
            "\\n",
            "\\t",
            "%3D",
            "\\x3d",
            "\\u003d",
            "\\075",
            "\x1b[0m",
            "\\x1b[1;31m",
            "\\033[m",
            "é",
        ] {
            assert!(is_free(text.as_bytes(), text.len()), "{text:?}");
        }
        for text in ["a", "n", "3D", "%ZD", "x3d", "[31", "a[3m", "9"] {
            assert!(!is_free(text.as_bytes(), text.len()), "{text:?}");
        }
    }
}
