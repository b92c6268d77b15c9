//! What is given to what in one text, by text alone: from names of secrets to calls by which they may leave the program.
//!
//! Promises: what the walk over the syntax tree follows inside one function is followed here, and more; functions at the left edge and
//! methods of classes there are told apart, as far as lines begin where people let them; time in proportion to the text.

use std::{collections::HashSet, ops::Range};

use super::{
    gate::FAR,
    lexer::{Lexer, MOST, Token},
    parts,
    shape::Tongue,
    sinks::Leaves,
    survey::may_hold_text,
    ways::way_out,
};

/// Where secrets come from in one text: places of names, sorted.
#[derive(Default)]
pub(super) struct Seeds {
    /// Names whose values are secrets.
    pub(super) names: Vec<usize>,
    /// Reads of one variable of the environment that is a secret.
    pub(super) reads: Vec<usize>,
    /// Reads of the whole environment.
    pub(super) wholes: Vec<usize>,
}

impl Seeds {
    /// Tells whether there are none.
    pub(super) const fn is_empty(&self) -> bool {
        self.names.is_empty() && self.reads.is_empty() && self.wholes.is_empty()
    }

    /// Returns all places.
    fn all(&self) -> impl Iterator<Item = usize> {
        let all = [&self.names, &self.reads, &self.wholes];
        all.into_iter().flatten().copied()
    }

    /// Tells whether a secret comes from a stretch of the text.
    fn any(&self, stretch: &Range<usize>) -> bool {
        [&self.names, &self.reads, &self.wholes]
            .into_iter()
            .any(|places| {
                let next = places.partition_point(|place| *place < stretch.start);
                places.get(next).is_some_and(|place| *place < stretch.end)
            })
    }

    /// Sorts the places.
    pub(super) fn sort(&mut self) {
        for places in [&mut self.names, &mut self.reads, &mut self.wholes] {
            places.sort_unstable();
            places.dedup();
        }
    }
}

/// Bytes from the word of a call to the last name that a look at it may meet.
const REACH: usize = MOST + FAR + 1_200;

/// What stands outside of all definitions counts for all.
const OUTSIDE: usize = usize::MAX;

/// Variables, each with the definition in which it was given something.
type Made<'t> = HashSet<(&'t str, usize)>;

/// Follows secrets from names to calls.
pub(super) struct Flow<'t, 's> {
    lexer: Lexer<'t>,
    tongue: Tongue,
    seeds: &'s Seeds,
    /// Variables that were made of a secret, and of the whole environment.
    made: Made<'t>,
    made_of_all: Made<'t>,
    /// Definitions in which a variable was made of one.
    makers: HashSet<usize>,
    /// Where definitions start.
    definitions: Vec<usize>,
    /// Where variables that count for all were made of a secret.
    pub(super) outside: Vec<usize>,
}

impl<'t, 's> Flow<'t, 's> {
    /// Knows the variables of a text to which secrets are given.
    pub(super) fn new(text: &'t str, tongue: Tongue, seeds: &'s Seeds) -> Self {
        let mut flow = Self {
            lexer: Lexer::new(text, tongue),
            tongue,
            seeds,
            made: HashSet::new(),
            made_of_all: HashSet::new(),
            makers: HashSet::new(),
            definitions: Vec::new(),
            outside: Vec::new(),
        };
        if flow.may_make() {
            flow.follow();
        }
        flow
    }

    /// Tells whether a secret is given to a variable at all: most texts that name one only hand it on, and need no second look at each line.
    fn may_make(&mut self) -> bool {
        let text = self.lexer.text;
        let none = Made::new();
        let seeds = self.seeds;
        for window in apart(
            seeds
                .all()
                .map(|place| place.saturating_sub(MOST)..place + 1),
        ) {
            let before = text.as_bytes().get(..window.start).unwrap_or_default();
            let mut at = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
            for line in parts::lines(text.get(at..).unwrap_or_default()) {
                let start = at;
                at += line.len();
                let is_made = Lexer::assignments(line).into_iter().any(|(_, from)| {
                    let value = start + from;
                    seeds.any(&(value..value + MOST))
                        && self
                            .lexer
                            .statement(value, |token| {
                                is_all(seeds, &none, token, 0) || is_secret(seeds, &none, token, 0)
                            })
                            .is_met
                });
                if is_made {
                    return true;
                }
                if at >= window.end {
                    break;
                }
            }
        }
        false
    }

    /// Keeps the variables to which secrets are given, in the order of the text.
    fn follow(&mut self) {
        let text = self.lexer.text;
        let mut at = 0;
        let mut scopes = Scopes::new(self.tongue);
        let mut before = "";
        for line in parts::lines(text) {
            let start = at;
            at += line.len();
            if scopes.begins(line) {
                self.definitions.push(start);
            }
            for (targets, from) in Lexer::assignments(line) {
                let own = self.definitions.len();
                let place = if scopes.is_inside { own } else { OUTSIDE };
                let targets = line.get(targets).unwrap_or_default();
                // The sign may stand on a line of its own.
                let targets = if targets.trim_ascii().is_empty() {
                    before
                } else {
                    targets
                };
                self.assign(targets, start + from, own, place);
            }
            before = line;
        }
    }

    /// Keeps the variables of one assignment if a secret is given to them.
    fn assign(&mut self, targets: &'t str, value: usize, own: usize, place: usize) {
        if !self.may_bring(value..value + MOST, own) {
            return;
        }
        let Self {
            lexer,
            seeds,
            made,
            made_of_all,
            ..
        } = self;
        // A loop gives what it goes over piece by piece: of the environment each piece may be a secret.
        let is_loop = targets.trim_ascii_start().starts_with("for");
        let (mut is_of_all, mut is_of_one) = (false, false);
        let found = lexer.statement(value, |token| {
            is_of_all = is_all(seeds, made_of_all, token, own);
            is_of_one = !is_loop && is_secret(seeds, made, token, own);
            is_of_all || is_of_one
        });
        if !found.is_met {
            return;
        }
        // What was too long to be looked at may hold either.
        is_of_all |= !is_of_one && !seeds.wholes.is_empty();
        let before = made.len();
        for name in names(targets, self.tongue) {
            self.makers.insert(place);
            made.insert((name, place));
            if is_of_all {
                made_of_all.insert((name, place));
            }
        }
        if place == OUTSIDE && made.len() > before {
            self.outside.push(value);
        }
    }

    /// Tells whether a look at a stretch in a definition may meet a secret, or a variable that was made of one.
    fn may_bring(&self, stretch: Range<usize>, own: usize) -> bool {
        self.makers.contains(&own) || self.makers.contains(&OUTSIDE) || self.seeds.any(&stretch)
    }

    /// Returns the stretches of the text in which calls may stand to which a secret is given, in order and apart from each other.
    pub(super) fn windows(&self) -> Vec<Range<usize>> {
        let end = self.lexer.text.len();
        if self.makers.contains(&OUTSIDE) {
            return std::iter::once(0..end).collect();
        }
        let start_of = |own: usize| own.checked_sub(1).and_then(|at| self.definitions.get(at));
        let bodies = self.makers.iter().map(|own| {
            let start = start_of(*own).copied().unwrap_or(0);
            start..self.definitions.get(*own).copied().unwrap_or(end)
        });
        let around = self.seeds.all();
        apart(bodies.chain(around.map(|place| place.saturating_sub(REACH)..place)))
    }

    /// Keeps the calls to which a secret is given.
    pub(super) fn leave(&mut self, calls: &[Range<usize>], near: &mut Vec<Range<usize>>) {
        let Self {
            lexer,
            seeds,
            made,
            made_of_all,
            makers,
            definitions,
            ..
        } = self;
        for call in calls {
            let own = definitions.partition_point(|start| *start <= call.start);
            let is_far = !makers.contains(&own)
                && !makers.contains(&OUTSIDE)
                && !seeds.any(&(call.start..call.start + REACH));
            if is_far {
                continue;
            }
            let Some((from, leaves)) = way_out(lexer.text, call, self.tongue) else {
                continue;
            };
            let found = lexer.call(from, |token| {
                is_all(seeds, made_of_all, token, own)
                    || leaves == Leaves::Secrets && is_secret(seeds, made, token, own)
            });
            if found.is_met {
                near.push(call.start..found.end);
            }
        }
    }
}

fn is_secret(seeds: &Seeds, made: &Made<'_>, token: Token<'_>, own: usize) -> bool {
    has(&seeds.reads, token.start)
        || token.is_handed_on
            && (has(&seeds.names, token.start) || !token.is_key && is_made(made, token, own))
}

fn is_all(seeds: &Seeds, made: &Made<'_>, token: Token<'_>, own: usize) -> bool {
    has(&seeds.wholes, token.start)
        || token.is_handed_on && !token.is_key && is_made(made, token, own)
}

fn has(places: &[usize], place: usize) -> bool {
    places.binary_search(&place).is_ok()
}

fn is_made(made: &Made<'_>, token: Token<'_>, own: usize) -> bool {
    !made.is_empty() && (made.contains(&(token.name, own)) || made.contains(&(token.name, OUTSIDE)))
}

/// Joins stretches that touch each other; those that are returned are in order.
fn apart(stretches: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut all: Vec<_> = stretches.collect();
    all.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in all {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Returns the variables among the targets of an assignment, as written before its sign; none if their type holds no text.
fn names(targets: &str, tongue: Tongue) -> impl Iterator<Item = &str> {
    let targets = targets.trim_ascii();
    let declared = match tongue {
        Tongue::Script => ["export const ", "export let ", "const ", "let ", "var "]
            .iter()
            .find_map(|word| targets.strip_prefix(word)),
        Tongue::Python => Some(targets),
        Tongue::Go => None,
    };
    let typed = declared
        .and_then(|rest| rest.split_once(':'))
        .filter(|(name, _)| is_name(name.trim_ascii().trim_end_matches('!')));
    let kept = match typed {
        Some((_, kind)) if !may_hold_text(tongue, kind) => "",
        Some((name, _)) => name,
        // Parts of an object are known by their own names.
        None if tongue == Tongue::Script && targets.ends_with('}') => "",
        None => targets,
    };
    Lexer::identifiers(kept)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
}

/// Where definitions begin, line by line: at the left edge, and of classes there their members.
struct Scopes {
    tongue: Tongue,
    edges: parts::Edges,
    /// Blanks before the members of the class around this line; those of the first member tell.
    members: Option<usize>,
    is_in_class: bool,
    /// Whether variables of this line belong to the definition alone.
    is_inside: bool,
    /// Whether those of the lines to come do.
    is_body: bool,
}

impl Scopes {
    const fn new(tongue: Tongue) -> Self {
        Self {
            tongue,
            edges: parts::Edges::new(tongue),
            members: None,
            is_in_class: false,
            is_inside: false,
            is_body: false,
        }
    }

    /// Tells whether the next line begins a definition.
    fn begins(&mut self, line: &str) -> bool {
        let is_text = self.edges.is_inside();
        if self.edges.begins(line) {
            if parts::holds_members(line) {
                self.is_in_class = true;
                self.members = None;
            } else if parts::is_body(line, self.tongue) || has_body(line, self.tongue) {
                self.is_in_class = false;
            }
            self.is_inside = parts::is_body(line, self.tongue);
            let has_body = self.is_inside || has_body(line, self.tongue);
            // Whatever else stands at the left edge may be part of a definition that a person laid out so, or of a comment: it ends none.
            let is_block = BLOCKS.iter().any(|word| line.starts_with(word));
            self.is_body = has_body || self.is_body && !is_block;
            return has_body || is_block;
        }
        self.is_inside = self.is_body;
        let rest = line.trim_ascii();
        if !self.is_in_class || is_text || rest.is_empty() {
            return false;
        }
        let indent = parts::indent(line);
        if indent == 0 {
            return false;
        }
        let edge = *self.members.get_or_insert(indent);
        let is_start = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '@' | '#');
        if indent != edge || !rest.starts_with(is_start) {
            return false;
        }
        self.is_body = parts::is_method(rest, self.tongue);
        self.is_inside = self.is_body;
        true
    }
}

/// What begins statements of the outermost level that hold others.
const BLOCKS: [&str; 9] = [
    "if ", "if(", "for ", "for(", "try", "while", "with ", "switch", "else",
];

/// Tells whether variables of the lines below this one at the left edge belong to what it begins: `const a = () => {`.
fn has_body(line: &str, tongue: Tongue) -> bool {
    let words = ["const ", "export const ", "export default ", "let ", "var "];
    tongue == Tongue::Script
        && (words.iter().any(|word| line.starts_with(word))
            || line.contains("=>")
            || line.contains("function"))
}
