//! What the text around a value says: that it is code, one string of a list, a column of a manual, or repeats its name.

use super::{Operator, Setting, names, random};

/// Tells whether the text around says that the value is code or repeats the name.
pub(super) fn rules_out(value: &[u8], at: &Setting<'_>) -> bool {
    let follows = |list: &[u8]| at.after.first().is_some_and(|b| list.contains(b));
    if !at.quoted && (follows(b"([") || at.after.starts_with(b"::") || at.after.starts_with(b"->"))
    {
        return true;
    }
    if is_signature(value, at)
        || is_list_of_call(at.before)
        || is_in_arn(at.before)
        || is_other_thing(at)
        || is_grade(value, at)
    {
        return true;
    }
    if names::is_noise(at.name) || at.operator == Operator::Comma && is_listed(value, at) {
        return true;
    }
    if is_prose(at) || is_translated(at) {
        return true;
    }
    // Columns of a manual: `--ask-password    Ask for it`.
    if at.operator == Operator::Flag && at.before.ends_with(b"  ") {
        return true;
    }
    // `password: "password"`, `apiKey = api_key`, `SMTPPassword: "notifier.smtp.password"`.
    let letters = |text: &[u8]| text.iter().filter(|b| b.is_ascii_alphanumeric()).count();
    let same = value
        .iter()
        .filter(|b| b.is_ascii_alphanumeric())
        .rev()
        .zip(at.name.iter().filter(|b| b.is_ascii_alphanumeric()).rev())
        .take_while(|(a, b)| a.eq_ignore_ascii_case(b))
        .count();
    same > 0 && same >= letters(at.name).min(letters(value))
}

/// Tells whether what stands before is an `Authorization` header of a scheme that signs each request anew: `SharedKey account:`
/// (Azure docs: "Authorize with Shared Key"), `AWS4-HMAC-SHA256 Credential=` (AWS docs: "Signature Version 4"), `Signature
/// keyId=` (RFC 9421's drafts), `Digest username=` (RFC 7616). Such a value opens nothing a second time.
fn is_signature(value: &[u8], at: &Setting<'_>) -> bool {
    const SCHEMES: [&[u8]; 10] = [
        b"SharedKey ",
        b"SharedKeyLite ",
        b"AWS ",
        b"AWS4-HMAC-SHA256 ",
        b"AWS4-ECDSA-P256-SHA256 ",
        b"TC3-HMAC-SHA256 ",
        b"ACS3-HMAC-SHA256 ",
        b"HMAC-SHA256 ",
        b"Signature ",
        b"Digest ",
    ];
    let line = at.before.rsplit(|b| *b == b'\n').next();
    line.is_some_and(|line| {
        let rest = SCHEMES.iter().find_map(|scheme| {
            let at = memchr::memmem::rfind(line, scheme)?;
            let is_word = line.get(..at).and_then(<[u8]>::last);
            let is_start = is_word.is_none_or(|b| matches!(b, b' ' | b'"' | b'\'' | b'`' | b':'));
            line.get(at + scheme.len()..).filter(|_| is_start)
        });
        // An account and a colon, or the first of the scheme's parameters.
        rest.is_some_and(|rest| {
            let first = if rest.is_empty() { value } else { rest };
            let account = if rest.is_empty() {
                value.contains(&b':')
            } else {
                rest.ends_with(b":") && !rest.contains(&b' ')
            };
            account
                || [&b"Credential="[..], b"keyId=", b"username=", b"realm="]
                    .iter()
                    .any(|name| first.starts_with(name))
        })
    })
}

/// Tells whether a rule of a linter is graded: `generic-password = "critical"` of our own configuration, `"no-hardcoded-password": "error"`.
fn is_grade(value: &[u8], at: &Setting<'_>) -> bool {
    const GRADES: [&[u8]; 9] = [
        b"info",
        b"low",
        b"medium",
        b"high",
        b"critical",
        b"warn",
        b"warning",
        b"error",
        b"ignore",
    ];
    at.name.contains(&b'-') && GRADES.contains(&value)
}

/// Tells whether a function makes something else that is called `pw`: `PrintWriter pw = new PrintWriter("...")`.
fn is_other_thing(at: &Setting<'_>) -> bool {
    at.quoted
        && at.name.eq_ignore_ascii_case(b"pw")
        && matches!(at.before, [.., before, b'(', b'"' | b'\''] if before.is_ascii_alphanumeric())
}

/// Tells whether the value is a part of the name of a resource at AWS: `arn:aws:secretsmanager:eu-west-1:1234:secret:name-x1y2z3`.
fn is_in_arn(before: &[u8]) -> bool {
    before.ends_with(b":")
        && before
            .rsplit(|b| !b.is_ascii_graphic() || matches!(b, b'"' | b'\'' | b'`'))
            .next()
            .is_some_and(|word| memchr::memmem::find(word, b"arn:").is_some())
}

/// Tells whether the value stands in a list that a function is handed: `run(["config", "--get"])`.
fn is_list_of_call(before: &[u8]) -> bool {
    let Some((b'"' | b'\'', before)) = before.split_last() else {
        return false;
    };
    before
        .trim_ascii_end()
        .strip_suffix(b"[")
        .is_some_and(|before| before.trim_ascii_end().ends_with(b"("))
}

/// Tells whether name and value are words of a sentence or of a template: "a peer identified by `name`", "pass 'true' to it",
/// "`-password` or `-2fa`", `(ne .Values.password "x")`, `ok ? "pass" : "skip it"`.
fn is_prose(at: &Setting<'_>) -> bool {
    let code = at.before.ends_with(b"`");
    match at.operator {
        Operator::Space => {
            code || at.name.contains(&b'$')
                || at.quoted
                    && (at.name.eq_ignore_ascii_case(b"pass") || at.name.contains(&b'.'))
        }
        Operator::Other => {
            let either = [&b"\" or \""[..], b"' or '"];
            code || either.iter().any(|text| at.before.ends_with(text))
        }
        Operator::Flag => at.name.contains(&b'$'),
        Operator::Comma => code,
        Operator::Colon => before_name(at).is_some_and(|before| {
            matches!(before, [head @ .., b'"' | b'\''] if head.trim_ascii_end().ends_with(b"?"))
        }),
        _ => false,
    }
}

/// Tells whether the name is the last word of a sentence in a Java properties file, where blanks of a key are escaped:
/// `Confirm\ password=...`. Those are texts for people.
fn is_translated(at: &Setting<'_>) -> bool {
    !at.quoted && before_name(at).is_some_and(|before| before.ends_with(b"\\ "))
}

/// Returns what stands before the name, as far as it can be seen.
fn before_name<'a>(at: &Setting<'a>) -> Option<&'a [u8]> {
    let marks: &[u8] = b"\"':=, \t";
    let last = at.before.iter().rposition(|b| !marks.contains(b))?;
    at.before.get(..=last)?.strip_suffix(at.name)
}

/// Tells whether the next string after one that looks like a name is no value of it: both stand in a list of strings, or are
/// arguments of a function that works on secrets.
fn is_listed(value: &[u8], at: &Setting<'_>) -> bool {
    // A variable is no name: `bless $password, "..."`, `bytes(credentials["password"], "utf-8")`.
    let marks: &[u8] = b"\"'`, \t\r\n";
    let is_element = at.before.iter().rev().find(|b| !marks.contains(b)) == Some(&b']');
    // `Pick<PasswordProps, 'email'>`.
    let is_type = matches!(at.after, [b'"' | b'\'', b'>', ..]);
    if is_element || is_type || at.name.starts_with(b"$") || at.name.starts_with(b"@") {
        return true;
    }
    let callee = called(at.before);
    // `CheckPassword("password", "...")`: what a test hands to a function that hashes or compares. `["Password:", "..."]`:
    // what a program asks and is told.
    if callee.is_some_and(names::is_action)
        || !is_pair(at)
        || at.name.contains(&b':')
        || at.name.ends_with(b" ")
    {
        return true;
    }
    // Words may be anything, unless the function keeps values or nothing follows.
    let wordy = value
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(b))
        && random::surplus(value) < 8;
    let goes_on = at
        .after
        .iter()
        .skip(1)
        .find(|b| !b.is_ascii_whitespace())
        .is_some_and(|b| *b == b',');
    let array = before_name(at).is_none_or(|before| {
        let head = before.trim_ascii_end();
        head.strip_suffix(b"\"")
            .or_else(|| head.strip_suffix(b"'"))
            .is_some_and(|head| head.trim_ascii_end().ends_with(b"["))
    });
    let digits = value.iter().any(u8::is_ascii_digit);
    wordy && (goes_on || !digits && (array || !callee.is_none_or(names::is_keeper)))
}

/// Returns the name of the function whose argument list is open at the end of `before`.
fn called(before: &[u8]) -> Option<&[u8]> {
    let open = before.iter().rposition(|b| *b == b'(')?;
    let head = before.get(..open)?;
    let start = head
        .iter()
        .rposition(|b| !b.is_ascii_alphanumeric() && *b != b'_')
        .map_or(0, |i| i + 1);
    head.get(start..).filter(|name| !name.is_empty())
}

/// Tells whether name and value are the first of their list: `put("password", "...")`, `{"password", "..."}`; in a longer list
/// of strings a name is no name.
fn is_pair(at: &Setting<'_>) -> bool {
    let marks: &[u8] = b"\"'`, \t\r\n@";
    let end = at
        .before
        .iter()
        .rposition(|b| !marks.contains(b))
        .map_or(0, |i| i + 1);
    at.before
        .get(..end)
        .and_then(|head| head.strip_suffix(at.name))
        .is_none_or(|head| {
            // `return "pass", "green"`; a word that keeps things may do without brackets.
            let open = head.strip_suffix(b"\"").or_else(|| head.strip_suffix(b"'"));
            let word = open.and_then(|open| open.strip_suffix(b" "));
            let word = word.map(|open| open.rsplit(|b| !b.is_ascii_alphanumeric() && *b != b'_'));
            let word = word.and_then(|mut words| words.next()).unwrap_or_default();
            if !word.is_empty() && !names::is_keeper(word) {
                return false;
            }
            let last = head
                .iter()
                .rev()
                .find(|b| !marks.contains(b) || **b == b',');
            !matches!(last, Some(b','))
        })
}
