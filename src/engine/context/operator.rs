//! What joins a name and a value, read from the value's side.

use std::ops::Range;

use super::{
    super::{anchors::is_name, names, values::Operator},
    Head, Quote,
    back::Back,
    further, name,
};

/// Most calls and brackets around a value that are looked through.
const MAX_NESTING: usize = 3;

/// Reads operator and name before a value; the cursor stands before its quote.
pub(super) fn head<'a>(back: &mut Back<'a>, quote: Quote) -> Option<Head<'a>> {
    if quote == Quote::Bare {
        return bare(back);
    }
    let mut callee: Option<Range<usize>> = None;
    for _ in 0..MAX_NESTING {
        let mut probe = *back;
        probe.skip_space();
        match probe.peek().unwrap_or_default() {
            b'(' => {
                *back = probe;
                back.skip(1);
                let called = take_callee(back);
                if is_getter(back.text(&called)) {
                    return None;
                }
                if !called.is_empty() {
                    if returns(back) {
                        // What stands before `return f("...")` joins nothing.
                        return Some(plain(called, Operator::Other));
                    }
                    callee = Some(called);
                    skip_keyword(back);
                }
            }
            b'[' => {
                *back = probe;
                back.skip(1);
            }
            b'{' => {
                *back = probe;
                back.skip(1);
                // C++: `std::string password{"..."}`.
                let name = back.take_while(is_name);
                if !name.is_empty() {
                    return Some(plain(name, Operator::Other));
                }
            }
            _ => break,
        }
    }
    let end = back.at();
    back.skip_space();
    let before = *back;
    let found = joint(back, true).and_then(|operator| named(back, operator));
    match (found, callee) {
        (Some(mut head), callee) => {
            head.other = head.other.or(callee);
            Some(head)
        }
        (None, Some(callee)) => Some(plain(callee, Operator::Other)),
        (None, None) => {
            *back = before;
            if back.at() < end {
                spaced(back, true)
            } else {
                None
            }
        }
    }
}

/// The same for a value without quotes, which needs its operator on the same line.
fn bare<'a>(back: &mut Back<'a>) -> Option<Head<'a>> {
    let blanks = back.skip_blanks();
    if blanks && matches!(back.peek(), Some(b'\n')) {
        // A YAML block scalar.
        back.skip_space();
        back.take_while(|b| matches!(b, b'-' | b'+'));
        let block = back.take_while(|b| matches!(b, b'|' | b'>'));
        back.skip_blanks();
        if block.len() != 1 || !back.eat(b":") {
            return None;
        }
        return named(back, Operator::Colon);
    }
    // Markdown: `**Password:** value`.
    let emphasis = back.take_while(|b| b == b'*');
    if blanks && !emphasis.is_empty() && back.peek() != Some(b':') {
        return None;
    }
    let before = *back;
    if let Some(operator) = joint(back, false) {
        return named(back, operator);
    }
    *back = before;
    if blanks { spaced(back, false) } else { None }
}

fn plain<'a>(name: Range<usize>, operator: Operator) -> Head<'a> {
    Head {
        name,
        alias: None,
        other: None,
        operator,
    }
}

fn named<'a>(back: &mut Back<'a>, operator: Operator) -> Option<Head<'a>> {
    if operator == Operator::Tag {
        let (name, other) = name::tag(back)?;
        return Some(Head {
            other,
            ..plain(name, operator)
        });
    }
    if operator == Operator::Comma
        && let Some(function) = further::login(back)
    {
        return Some(Head {
            alias: Some(b"password"),
            ..plain(function, Operator::Call)
        });
    }
    if operator == Operator::Comma
        && let Some(list) = further::list(back)
    {
        *back = list;
        let joint = joint(back, true).filter(|joint| *joint != Operator::Comma)?;
        return Some(Head {
            operator: Operator::Comma,
            ..named(back, joint)?
        });
    }
    let name = name::before(back, operator)?;
    let mut head = plain(name, operator);
    let own = back.text(&head.name);
    if further::says_value(own)
        && let Some(sibling) = further::sibling(back, own)
    {
        head.other = Some(std::mem::replace(&mut head.name, sibling));
    }
    Some(head)
}

/// Steps over the operator before the cursor.
fn joint(back: &mut Back<'_>, quoted: bool) -> Option<Operator> {
    let any = |back: &mut Back<'_>, list: &[&[u8]]| list.iter().any(|text| back.eat(text));
    let operator = match back.peek()? {
        b'=' => {
            if any(back, &[b"===", b"!==", b"==", b"!="]) {
                Operator::Compare
            } else if any(back, &[b"<=", b">="]) {
                return None;
            } else {
                any(
                    back,
                    &[b"||=", b"??=", b":=", b"+=", b"?=", b".=", b"|=", b"="],
                );
                Operator::Assign
            }
        }
        b':' if back.peek_at(1) != Some(b':') => {
            back.skip(1);
            Operator::Colon
        }
        b'-' if back.eat(b":-") => Operator::Other,
        b'>' => {
            if back.eat(b"=>") || (quoted && back.eat(b"->")) {
                Operator::Arrow
            } else if back.peek_at(1) == Some(b'-') {
                return None;
            } else {
                back.skip(1);
                Operator::Tag
            }
        }
        b',' if quoted => {
            back.skip(1);
            Operator::Comma
        }
        b'|' | b'?' if quoted && any(back, &[b"||", b"??"]) => Operator::Other,
        b'|' => {
            // A cell of a table.
            back.skip(1);
            Operator::Other
        }
        b'r' if quoted && back.eat(b" or") => Operator::Other,
        _ => return None,
    };
    back.skip_blanks();
    Some(operator)
}

/// Steps over the name of a function: `Some::path.to->it!`.
fn take_callee(back: &mut Back<'_>) -> Range<usize> {
    back.skip_blanks();
    back.eat(b"!");
    let callee = back.take_while(is_name);
    let start = back.at();
    // The path before it counts for finding the operator only.
    while back.eat(b"::") || back.eat(b"->") || back.eat(b"?.") {
        back.take_while(|b| is_name(b) || b == b'>' || b == b'<');
    }
    start..callee.end
}

/// Tells whether a call is what a function returns.
fn returns(back: &Back<'_>) -> bool {
    let mut probe = *back;
    probe.skip_blanks();
    let word = probe.take_while(|b| b.is_ascii_alphabetic());
    probe.text(&word) == b"return"
}

/// Steps over `new`, `await` and their like before a call.
fn skip_keyword(back: &mut Back<'_>) {
    let mut probe = *back;
    probe.skip_blanks();
    let word = probe.take_while(|b| b.is_ascii_alphabetic());
    if matches!(probe.text(&word), b"new" | b"await" | b"try") {
        *back = probe;
    }
}

/// Tells whether a function takes names, not values.
fn is_getter(callee: &[u8]) -> bool {
    let last = callee.rsplit(|b| *b == b'.').next().unwrap_or(callee);
    let mut lower = [0; 9];
    for (to, from) in lower.iter_mut().zip(last) {
        *to = from.to_ascii_lowercase();
    }
    match &lower {
        [b'_', b'_', 0, ..] | [b'i', b't' | b's', 0, ..] => true,
        [b'g', b'e', b't', ..]
        | [b'h', b'a', b's', ..]
        | [b'l', b'o', b'g', ..]
        | [b'e', b'n', b'v', ..] => true,
        [b'f', b'i', b'n', b'd', ..]
        | [b'r', b'e', b'a', b'd', ..]
        | [b'l', b'o', b'a', b'd', ..] => true,
        [b'w', b'a', b'r', b'n', ..]
        | [b'i', b'n', b'f', b'o', ..]
        | [b't', b'e', b's', b't', ..] => true,
        [b'i', b'1', b'8', b'n', ..] | [b's', b't', b'r', b'c' | b'n', ..] => true,
        _ => [
            &b"fetch"[..],
            b"remove",
            b"delete",
            b"require",
            b"import",
            b"contains",
            b"include",
            b"print",
            b"debug",
            b"error",
            b"lookup",
            b"describe",
            b"translate",
        ]
        .iter()
        .any(|getter| lower.starts_with(getter)),
    }
}

/// Reads `--name value`, `ENV NAME value`, `#define NAME "value"`, `password value`, `IDENTIFIED BY 'value'`.
fn spaced<'a>(back: &mut Back<'a>, quoted: bool) -> Option<Head<'a>> {
    let word = back.take_while(is_name);
    let text = back.text(&word);
    if quoted && is_secure_string(back, text) {
        return Some(Head {
            alias: Some(b"password"),
            ..plain(word, Operator::Other)
        });
    }
    if text.len() < 2
        || back
            .peek()
            .is_some_and(|b| b > b' ' && b != b'"' && b != b'\'' && b != b'#')
    {
        return None;
    }
    if text.starts_with(b"-") {
        return flag(back, word);
    }
    let name = plain(word.clone(), Operator::Space);
    let on_line = back.skip_blanks();
    let first = back.take_while(|b| is_name(b) || matches!(b, b'#' | b':' | b'%'));
    let first = back.text(&first);
    if text.eq_ignore_ascii_case(b"by")
        && first.eq_ignore_ascii_case(b"identified")
        && (quoted && first == b"IDENTIFIED" || is_of_user(back))
    {
        return Some(Head {
            alias: Some(b"password"),
            ..name
        });
    }
    let known = on_line && defines(first);
    (known || names::ends_in_credential(text)).then_some(name)
}

/// Tells whether a statement of SQL stands before: `create user NAME`, `alter role NAME`, `grant ... to NAME`.
fn is_of_user(back: &Back<'_>) -> bool {
    let mut probe = *back;
    let mut word = || {
        probe.skip_blanks();
        let word = probe.take_while(|b| b > b' ');
        probe.text(&word)
    };
    let is = |text: &[u8], words: &[&[u8]]| words.iter().any(|w| text.eq_ignore_ascii_case(w));
    let _name = word();
    let before = word();
    is(before, &[b"to", b"exists"])
        || is(before, &[b"user", b"role"]) && is(word(), &[b"create", b"alter"])
}

/// Tells whether the word is PowerShell's `ConvertTo-SecureString`, or a switch of it after which its text stands.
fn is_secure_string(back: &Back<'_>, word: &[u8]) -> bool {
    const COMMAND: &[u8] = b"convertto-securestring";
    const SWITCHES: [&[u8]; 4] = [b"-string", b"-s", b"-asplaintext", b"-force"];
    if !word.starts_with(b"-") {
        return word.eq_ignore_ascii_case(COMMAND);
    }
    if !SWITCHES.iter().any(|one| word.eq_ignore_ascii_case(one)) {
        return false;
    }
    let mut probe = *back;
    for _ in 0..SWITCHES.len() {
        probe.skip_blanks();
        let before = probe.take_while(is_name);
        let text = probe.text(&before);
        if !text.starts_with(b"-") {
            return text.eq_ignore_ascii_case(COMMAND);
        }
    }
    false
}

/// Tells whether a name and a value follow the word, without an operator.
fn defines(word: &[u8]) -> bool {
    let mut lower = [0; 11];
    let Some(lower) = lower.get_mut(..word.len()) else {
        return false;
    };
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    matches!(
        &*lower,
        b"env"
            | b"arg"
            | b"setenv"
            | b"set"
            | b"setx"
            | b"export"
            | b"define"
            | b"#define"
            | b"%define"
            | b"-define"
            | b"config:set"
            | b"passenv"
            | b"def"
            | b"let"
            | b"option"
    )
}

/// Reads a flag. `-p` is a password for programs that have it so.
fn flag<'a>(back: &Back<'a>, word: Range<usize>) -> Option<Head<'a>> {
    const PROGRAMS: [&[u8]; 8] = [
        b"sshpass",
        b"mysql",
        b"docker login",
        b"podman login",
        b"helm registry login",
        b"az login",
        b"smbclient",
        b"mongo",
    ];
    let text = back.text(&word);
    let dashes = text.iter().take_while(|b| **b == b'-').count();
    let mut head = plain(word.start + dashes..word.end, Operator::Flag);
    if matches!(text, b"-p" | b"-P" | b"-pw") {
        let seen = back.seen();
        let line =
            memchr::memrchr(b'\n', seen).map_or(seen, |at| seen.get(at..).unwrap_or_default());
        let is_password = text == b"-pw"
            || PROGRAMS
                .iter()
                .any(|program| memchr::memmem::find(line, program).is_some());
        if !is_password {
            return None;
        }
        head.alias = Some(b"password");
    }
    Some(head)
}
