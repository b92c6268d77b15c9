//! Names that stand further away from their value: those of a pair or a block, of a list, of a function.

use std::ops::Range;

use super::{
    super::anchors::{is_alnum, is_blank, is_name},
    back::Back,
    name::quoted,
    quote,
};

/// Most pairs that may stand between `value: Y` and `name: X`, or the start of their block.
const MAX_SIBLINGS: usize = 6;

/// Longest text in quotes that is stepped over.
const MAX_ARGUMENT: usize = 160;

/// Tells whether a name says no more than that a value follows.
pub(super) fn says_value(name: &[u8]) -> bool {
    const VALUES: &[&[u8]] = &[
        b"value",
        b"val",
        b"default",
        b"defaultvalue",
        b"content",
        b"string",
        b"data",
        b"text",
        b"valuestring",
        b"secretvalue",
        b"parametervalue",
    ];
    VALUES.iter().any(|word| name.eq_ignore_ascii_case(word))
}

/// Finds the name of what is called `value` or `default`: in a pair before it (`name: NAME` and `value: VALUE` as neighbours), or
/// the label of the block (`variable "NAME" { default = VALUE }`, `NAME: { value: VALUE }`, a YAML mapping).
pub(super) fn sibling(back: &Back<'_>, own: &[u8]) -> Option<Range<usize>> {
    let indent = indent(back);
    let is_labelled = LABELLED.iter().any(|word| own.eq_ignore_ascii_case(word));
    let mut probe = *back;
    for _ in 0..MAX_SIBLINGS {
        let between = |b: u8| is_wrap(b) || matches!(b, b'\n' | b'\r' | b',' | b';');
        let gap = probe.take_while(between);
        match probe.peek()? {
            b'{' if is_labelled => return block(&mut probe),
            b':' if is_labelled && back.text(&gap).contains(&b'\n') => {
                probe.skip(1);
                let label = key(&mut probe)?;
                return (self::indent(&probe)? < indent?).then_some(label);
            }
            _ => {}
        }
        let (name, value) = pair(&mut probe, &gap)?;
        if names_things(back.text(&name)) {
            return Some(value);
        }
    }
    None
}

/// Names of values that are called after the block around them.
const LABELLED: [&[u8]; 4] = [b"value", b"default", b"defaultvalue", b"default_value"];

const fn is_wrap(byte: u8) -> bool {
    is_blank(byte) || quote::is_quote(byte) || byte == b'\\'
}

/// Steps over `name: value` and returns both; behind it is `gap`.
fn pair(probe: &mut Back<'_>, gap: &Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let joint = |probe: &mut Back<'_>| {
        probe.take_while(is_wrap);
        probe.eat(b":") || probe.eat(b"=>") || probe.eat(b"=")
    };
    let start = *probe;
    let mut value = probe.take_while(|b| is_name(b) || b == b'/');
    if value.is_empty() || !joint(probe) {
        *probe = start;
        let quote = probe.text(gap).iter().find(|b| quote::is_quote(**b));
        value = match quote {
            Some(mark) => probe.take_until(*mark, MAX_ARGUMENT)?,
            None => probe.take_while(|b| b > b' ' && !b",;{}=\"'`".contains(&b)),
        };
        if value.is_empty() || !joint(probe) {
            return None;
        }
    }
    probe.take_while(is_wrap);
    let name = probe.take_while(is_name);
    Some((name, value))
}

/// Steps over a key in quotes or without.
fn key(probe: &mut Back<'_>) -> Option<Range<usize>> {
    probe.skip_blanks();
    let name = if probe.peek().is_some_and(quote::is_quote) {
        quoted(probe)?
    } else {
        probe.take_while(is_name)
    };
    (!name.is_empty()).then_some(name)
}

/// Reads the label of the block that opens with the bracket before the cursor: `"NAME": {`, `variable "NAME" {`.
fn block(probe: &mut Back<'_>) -> Option<Range<usize>> {
    probe.skip(1);
    probe.skip_blanks();
    if probe.eat(b":") || probe.eat(b"=>") || probe.eat(b"=") {
        return key(probe);
    }
    if !probe.peek().is_some_and(quote::is_quote) {
        return None;
    }
    let label = quoted(probe)?;
    probe.skip_blanks();
    let is_headed = probe.peek().is_some_and(|b| is_alnum(b) || b == b'"');
    is_headed.then_some(label)
}

/// Returns how far the line is indented whose first word stands behind the cursor; `None` if more stands before it.
fn indent(back: &Back<'_>) -> Option<usize> {
    let mut probe = *back;
    let blanks = probe.take_while(is_blank).len();
    probe.peek().is_none_or(|b| b == b'\n').then_some(blanks)
}

/// Returns where the list begins that a text in quotes and a comma stand in before the cursor, if it is the value of something:
/// `tokens: ["...", "...", `.
pub(super) fn list<'a>(back: &Back<'a>) -> Option<Back<'a>> {
    let mut probe = *back;
    loop {
        probe.skip_space();
        let mark = probe.peek().filter(|b| quote::is_quote(*b))?;
        probe.skip(1);
        probe.take_until(mark, MAX_ARGUMENT)?;
        probe.skip_space();
        if probe.eat(b"[") {
            probe.skip_space();
            return matches!(probe.peek(), Some(b':' | b'=')).then_some(probe);
        }
        if !probe.eat(b",") {
            return None;
        }
    }
}

/// Returns the function that takes a user and the password that stands behind the cursor: `withCredentials("user", "...")`,
/// `getConnection("jdbc:...", "user", "...")`.
pub(super) fn login(back: &Back<'_>) -> Option<Range<usize>> {
    let mut probe = *back;
    for count in 1..=2 {
        probe.skip_space();
        match probe.peek()? {
            mark if quote::is_quote(mark) => {
                probe.skip(1);
                probe.take_until(mark, MAX_ARGUMENT)?;
            }
            byte if is_name(byte) => {
                probe.take_while(is_name);
            }
            _ => return None,
        }
        probe.skip_space();
        if probe.eat(b"(") {
            let callee = probe.take_while(is_name);
            return takes_password(probe.text(&callee), count).then_some(callee);
        }
        if !probe.eat(b",") {
            return None;
        }
    }
    None
}

/// Tells whether a function takes a password behind so many arguments.
fn takes_password(callee: &[u8], count: usize) -> bool {
    const SECOND: [&[u8]; 6] = [
        b"credentials",
        b"credential",
        b"basicauth",
        b"basic_auth",
        b"passwordauthentication",
        b"passwordcredentials",
    ];
    const THIRD: [&[u8]; 7] = [
        b"getconnection",
        b"mysqli",
        b"mysqli_connect",
        b"mysql_connect",
        b"mysqldb.connect",
        b"pymysql.connect",
        b"pdo",
    ];
    let ends = |tail: &&[u8]| {
        let start = callee.len().checked_sub(tail.len());
        let end = start.and_then(|start| callee.get(start..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(tail))
    };
    match count {
        1 => SECOND.iter().any(ends),
        _ => THIRD.iter().any(ends),
    }
}

fn names_things(key: &[u8]) -> bool {
    const KEYS: &[&[u8]] = &[
        b"name",
        b"key",
        b"id",
        b"variable",
        b"var",
        b"envname",
        b"env",
        b"param",
        b"parameter",
        b"field",
        b"parametername",
        b"parameterkey",
        b"label",
        b"title",
        b"property",
        b"option_name",
    ];
    KEYS.iter().any(|word| key.eq_ignore_ascii_case(word))
}
