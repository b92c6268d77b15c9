//! Values that no name announces, told by their looks: random runs, passwords with signs in them, passwords and keys in addresses.
//!
//! A text is looked at three times: by words, cut at all signs that separate; by pieces between blanks and quotes, since a value may hold
//! those signs; and by the parts of a piece, which tell a path, a version or code (made of words) from a value (not made of words).
//! Promises: linear in the line; addresses without credentials, commits of actions and digests of images stay.

use std::ops::Range;

use super::super::values::{self, Strength, Value};

/// Least characters of a piece that is covered for its looks.
const MIN_WORD: usize = 8;

/// Least characters of a piece in parts that are no words.
const MIN_ODD: usize = 6;

/// Covers what looks like a value.
pub(super) fn cover(line: &str, offset: usize, covered: &mut Vec<Range<usize>>) {
    let ends = |c: char| c.is_whitespace() || "\"'`=,;()[]{}<>|&\\".contains(c);
    pieces(line, ends, |start, word| {
        if !word.contains(['/', '.', '@', '$', ':'])
            && is_named(word.trim_matches(['!', '?']))
            && !is_assigned(line, start, word)
        {
            covered.push(offset + start..offset + start + word.len());
        }
    });
    let ends = |c: char| c.is_whitespace() || "\"'`".contains(c);
    pieces(line, ends, |start, piece| {
        let known = covered.len();
        passwords(piece, offset + start, covered);
        // What stands around a password is looked at by itself.
        let known: Vec<Range<usize>> = covered.get(known..).unwrap_or_default().to_vec();
        let mut at = 0;
        let ends = known.iter().map(|one| (one.start, one.end));
        for (from, to) in ends.chain([(offset + start + piece.len(), 0)]) {
            let from = from - offset - start;
            // The name that stands beside a password may be part of it.
            let least = if known.is_empty() { MIN_WORD } else { MIN_ODD };
            if let Some(found) = in_piece(piece.get(at..from).unwrap_or_default(), least) {
                covered.push(offset + start + at + found.start..offset + start + at + found.end);
            }
            at = to.saturating_sub(offset + start);
        }
    });
}

/// Calls `see` with each piece between characters that end one, and where it begins.
fn pieces(line: &str, ends: impl Fn(char) -> bool, mut see: impl FnMut(usize, &str)) {
    let mut start = 0;
    for (at, c) in line.char_indices().filter(|(_, c)| ends(*c)) {
        see(start, line.get(start..at).unwrap_or_default());
        start = at + c.len_utf8();
    }
    see(start, line.get(start..).unwrap_or_default());
}

/// Tells whether a word without signs of addresses may be a password: letters and digits.
fn is_named(word: &str) -> bool {
    let has = |test: fn(&u8) -> bool| word.bytes().any(|b| test(&b));
    word.chars().count() >= MIN_WORD
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !is_identifier(word)
        && matches!(
            values::classify(word),
            Value::Literal(Strength::Named | Strength::Random)
        )
}

/// Tells whether a word is the name of a variable that a value is given to: `DB_PASSWORD_1=`, alone or behind a blank.
fn is_assigned(line: &str, start: usize, word: &str) -> bool {
    let before = line.get(..start).unwrap_or_default();
    let after = line.get(start + word.len()..).unwrap_or_default();
    let is_capital = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    after.starts_with('=')
        // Signs at the end of base64 are no assignment.
        && !after.trim_start_matches('=').is_empty()
        && (before.is_empty() || before.ends_with([' ', '\t']))
        && word.bytes().all(is_capital)
        && is_identifier(&word.to_ascii_lowercase())
}

/// Tells whether a word is one of names joined by `-` or `_` that counts: `eu-west-2`, `route53_zone`. Without numbers it would stay as well.
fn is_identifier(word: &str) -> bool {
    let is_lower = !word.bytes().any(|b| b.is_ascii_uppercase());
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_lowercase).count();
    let mut parts = word.split(['-', '_']);
    is_lower && digits <= 2 && letters >= 6 && parts.clone().count() >= 2 && parts.all(is_word)
}

/// Covers the passwords of addresses: `scheme://user:password@host`, `user:password@tcp(host)`.
fn passwords(piece: &str, offset: usize, covered: &mut Vec<Range<usize>>) {
    let mut at = 0;
    let mut has_scheme = false;
    for (number, rest) in piece.split("://").enumerate() {
        has_scheme = number > 0;
        if has_scheme
            && let Some(password) = values::userinfo(rest)
            && let Some(colon) = rest.find(':')
        {
            // The name ends at the first colon.
            covered.push(offset + at + colon + 1..offset + at + colon + 1 + password.len());
        }
        at += rest.len() + "://".len();
    }
    if has_scheme || is_pinned(piece) {
        return;
    }
    let Some((head, host)) = piece.rsplit_once('@') else {
        return;
    };
    let is_host = host.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '(' | '['));
    if let Some((user, password)) = head.split_once(':')
        && is_host
        && !matches!(user, "" | "npm")
        && matches!(values::classify(password), Value::Literal(_))
    {
        let start = offset + user.len() + 1;
        covered.push(start..start + password.len());
    }
}

/// Returns what of a piece between blanks is to be covered.
fn in_piece(piece: &str, least: usize) -> Option<Range<usize>> {
    let trimmed = piece.trim_end_matches([',', ';', ')', ']', '}', '>', ':', '.']);
    let lead = trimmed.len() - trimmed.trim_start_matches(['(', '[', '{', '<', '-']).len();
    let piece = trimmed.get(lead..).unwrap_or_default();
    if piece.len() < least || is_pinned(piece) {
        return None;
    }
    let parts: Vec<(Range<usize>, bool)> = parts(piece)
        .map(|at| (at.clone(), is_word(piece.get(at).unwrap_or_default())))
        .collect();
    let odd: usize = parts
        .iter()
        .filter(|(_, word)| !word)
        .map(|(at, _)| at.len())
        .sum();
    let name = name(piece);
    let is_odd = odd >= MIN_ODD;
    if !is_odd && !is_dense(piece, &parts) && !is_signed(piece.get(name..).unwrap_or_default()) {
        return None;
    }
    // The words of an address before it stay: `https://host/path/`. Of anything else only a name does.
    let first = parts.iter().find(|(_, word)| is_odd && !word);
    let first = first.map_or(name, |(at, _)| at.start);
    let is_address = piece.contains("://") || piece.starts_with(['/', '~', '.']);
    let head = piece.get(..first).unwrap_or_default();
    let from = match head.rfind(['/', '?', '&', '=']) {
        Some(at) if is_address => at + 1,
        _ => name.min(first),
    };
    Some(lead + from..lead + piece.len())
}

/// Returns where the name at the head of a piece ends: `NAME=`, `--flag=`, `key:`, `call(`.
fn name(piece: &str) -> usize {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let end = piece.find(|c| !is_name(c)).unwrap_or(piece.len());
    let rest = piece.get(end..).unwrap_or_default();
    let sign = rest.len() - rest.trim_start_matches(['=', ':', '(']).len();
    let head = piece.get(..end).unwrap_or_default();
    match sign > 0 && parts(head).all(|at| is_word(head.get(at).unwrap_or_default())) {
        true => end + sign,
        false => 0,
    }
}

/// Returns the runs of letters and digits.
fn parts(piece: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    piece
        .split(|c: char| !c.is_alphanumeric())
        .filter_map(move |part| {
            let start = at;
            let next = piece.get(start + part.len()..)?.chars().next();
            at += part.len() + next.map_or(0, char::len_utf8);
            (!part.is_empty()).then(|| start..start + part.len())
        })
}

/// Tells whether a run of letters and digits is one that people write: a word, a number, a version, a name of several words.
fn is_word(part: &str) -> bool {
    let bytes = part.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = part.len() - digits;
    let is_one_case = |text: &str| {
        let tail = text.get(1..).unwrap_or_default();
        !tail.bytes().any(|b| b.is_ascii_uppercase())
            || !text.bytes().any(|b| b.is_ascii_lowercase())
    };
    if digits == 0 || letters == 0 {
        return letters == 0
            || is_one_case(part)
            || is_called(part)
            || in_words(bytes) * 5 >= letters * 4;
    }
    let head = part.trim_end_matches(|c: char| c.is_ascii_digit());
    let tail = part.trim_start_matches(|c: char| c.is_ascii_digit());
    // `v18`, `eu1`, `30s`, `512Mi`.
    let is_numbered = head.len() == letters && digits <= 4 && is_one_case(head);
    let is_unit = tail.len() == letters && letters <= 3 && is_one_case(tail);
    // Names hold a number or two; `a0Aaa0Aaa0AaaA0` has words of three letters by chance.
    let numbers = part.split(|c: char| !c.is_ascii_digit());
    let numbers = numbers.filter(|number| !number.is_empty()).count();
    let is_made_of_words = in_words(bytes) * 5 >= letters * 4;
    is_numbered || is_unit || is_made_of_words && digits * 3 <= part.len() && numbers <= 2
}

/// Tells whether letters are the name of a function that begins with a short word: `toJSON`, `isReady`.
fn is_called(letters: &str) -> bool {
    let verbs = ["to", "is", "on", "do", "go", "in", "by", "as"];
    let rest = verbs.iter().find_map(|verb| letters.strip_prefix(verb));
    rest.is_some_and(|rest| {
        let tail = rest.get(1..).unwrap_or_default();
        rest.len() >= 3
            && rest.starts_with(|c: char| c.is_ascii_uppercase())
            && (tail.bytes().all(|b| b.is_ascii_uppercase())
                || tail.bytes().all(|b| b.is_ascii_lowercase()))
    })
}

/// Returns how many letters stand in words of three and more: runs of one case, with a capital in front or without.
fn in_words(bytes: &[u8]) -> usize {
    let (mut sum, mut run, mut lower) = (0, 0, false);
    let mut end = |run: usize| sum += if run >= 3 { run } else { 0 };
    for byte in bytes {
        let is_upper = byte.is_ascii_uppercase();
        if byte.is_ascii_digit() || is_upper && lower {
            end(run);
            run = 0;
        } else if !is_upper && !lower && run > 1 {
            // The last capital begins the word: `HTTPServer`.
            end(run - 1);
            run = 1;
        }
        run += usize::from(!byte.is_ascii_digit());
        lower = !is_upper && !byte.is_ascii_digit();
    }
    end(run);
    sum
}

/// Tells whether letters, digits and signs change so often that it is no code: `x9$k2.p4,m7`, `aB.cD,3(x`.
fn is_dense(piece: &str, parts: &[(Range<usize>, bool)]) -> bool {
    let count = |test: fn(&u8) -> bool| piece.bytes().filter(test).count();
    let (upper, lower) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let digits = count(u8::is_ascii_digit);
    let length: usize = parts.iter().map(|(at, _)| at.len()).sum();
    let kinds = [upper, lower, digits].iter().filter(|n| **n > 0).count();
    let most = if kinds == 3 { 3 } else { 2 };
    kinds >= 2
        && digits > 0
        && upper + lower >= 3
        && parts.len() >= 3
        && length <= most * parts.len()
}

/// Tells whether a piece is a password with a sign in it as people choose them: `Summer$2023`, `hunter2@Zq81`, `Winter!2024`.
fn is_signed(piece: &str) -> bool {
    const SIGNS: [char; 7] = ['$', '@', '!', '#', '%', '^', '*'];
    let is_of = |c: char| c.is_alphanumeric() || SIGNS.contains(&c) || matches!(c, '-' | '_' | '.');
    let has = |test: fn(&u8) -> bool| piece.bytes().any(|b| test(&b));
    let Some((head, tail)) = piece.split_once(SIGNS) else {
        return false;
    };
    let sign = piece.get(head.len()..).and_then(|rest| rest.chars().next());
    // `$1` and `$NAME` are filled in; `%3` and `#1` count; behind an `@` stands a host or a version.
    let is_known = match sign {
        Some('@') => !has(u8::is_ascii_uppercase) && !tail.contains(SIGNS),
        Some('#' | '%') => head.is_empty() || tail.is_empty() || !has(u8::is_ascii_uppercase),
        Some('$') => {
            tail.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') || head.is_empty()
        }
        _ => head.is_empty() && !tail.contains(SIGNS),
    };
    !is_known
        && piece.chars().count() >= MIN_WORD
        && piece.chars().all(is_of)
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
}

/// Tells whether a piece is an address that holds no secret though it looks random: an action at a commit, an image at its digest.
fn is_pinned(piece: &str) -> bool {
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_name = |text: &str| {
        text.contains('/')
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/._-:".contains(&b))
            && parts(text).all(|at| is_word(text.get(at).unwrap_or_default()))
    };
    if let Some((source, commit)) = piece.split_once("?ref=") {
        return is_hex(commit, 40) && is_name(source);
    }
    let name = piece.rsplit('=').next().unwrap_or(piece);
    if let Some((name, commit)) = name.split_once('@') {
        let digest = commit.strip_prefix("sha256:");
        return digest.is_some_and(|digest| is_hex(digest, 64))
            || is_hex(commit, 40) && is_name(name);
    }
    piece
        .strip_prefix("sha256:")
        .is_some_and(|digest| is_hex(digest, 64))
}
