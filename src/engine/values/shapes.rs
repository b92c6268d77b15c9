//! What a value is when it is no secret: a number, a date, an address, a path, code, prose.

use super::lists::{ENDINGS, TOPS, WORDS, contains};

/// Tells whether the value is one word that languages and data formats know; `utf-8` is `utf8`.
pub(super) fn is_language_word(value: &[u8]) -> bool {
    let mut plain = [0; 12];
    let mut len = 0;
    for byte in value.iter().filter(|b| **b != b'-') {
        let Some(place) = plain.get_mut(len) else {
            return false;
        };
        *place = *byte;
        len += 1;
    }
    plain.get(..len).is_some_and(|word| contains(WORDS, word))
}

/// Tells whether `value` has the shape of a UUID.
pub(super) fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// Tells whether `value` is the name of something that opens nothing: a resource at Twilio (two capitals and 32 hex digits; Twilio
/// docs: "What is a String Identifier (SID)?"), an advisory of GitHub (GitHub docs: "About the GitHub Advisory database").
pub(super) fn is_identity(value: &[u8]) -> bool {
    let small_hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    let (head, rest) = value.split_at(value.len().min(2));
    value.len() == 34 && head.iter().all(u8::is_ascii_uppercase) && rest.iter().all(small_hex)
        || value.len() == 19 && value.starts_with(b"GHSA-")
}

/// Tells whether `value` is what a push service knows a device by: 32 bytes in hex or more (Apple docs: "Registering your app with
/// APNs"), or with `:APA91` in it (Firebase).
pub(super) fn is_push_address(value: &[u8]) -> bool {
    value.len() >= 64 && value.iter().all(u8::is_ascii_hexdigit)
        || memchr::memmem::find(value, b":APA91").is_some()
}

/// Tells whether `value` is a name, `=` and more: the next word of a list of assignments.
pub(super) fn is_assignment(value: &[u8]) -> bool {
    let name = value
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
        .count();
    let (head, rest) = value.split_at(name);
    is_identifier(head)
        && matches!(rest, [b'=', next, ..] if *next != b'=')
        && super::random::surplus(head) < 8
}

/// Tells whether `value` is a number, a date, a time, a version, an IP address or a measure.
pub(super) fn is_numeric(value: &[u8]) -> bool {
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = value.iter().filter(|b| b.is_ascii_alphabetic()).count();
    if digits == 0 {
        return false;
    }
    let plain = value.iter().all(|b| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'.' | b'-' | b':' | b'+' | b'/' | b'_' | b',' | b'%' | b' '
            )
    });
    let hex_number = value
        .strip_prefix(b"-")
        .unwrap_or(value)
        .strip_prefix(b"0x")
        .is_some_and(|rest| rest.len() <= 16 && rest.iter().all(u8::is_ascii_hexdigit));
    let version = value.strip_prefix(b"v").unwrap_or(value);
    let dotted = version.first().is_some_and(u8::is_ascii_digit)
        && version.iter().filter(|b| **b == b'.').count() >= 2
        && letters <= 8;
    // The letters of a date or of a unit: `2024-01-31T10:00:00Z`, `10px`, `30s`, `1e9`.
    hex_number
        || (plain
            && (letters == 0 || dotted || (letters <= 2 && digits <= 4) || is_timestamp(value)))
}

fn is_timestamp(value: &[u8]) -> bool {
    let head = value.get(..10).unwrap_or_default();
    head.len() == 10
        && head.iter().enumerate().all(|(i, b)| match i {
            4 | 7 => matches!(b, b'-' | b'/' | b'.'),
            _ => b.is_ascii_digit(),
        })
}

/// Tells whether `value` names a place: a URL, a path, a domain, an address of mail, a resource, a MIME type.
pub(super) fn is_place(value: &[u8]) -> bool {
    let has = |needle: &[u8]| memchr::memmem::find(value, needle).is_some();
    let starts = |list: &[&[u8]]| list.iter().any(|head| value.starts_with(head));
    if has(b"://")
        || has(b":\\")
        || starts(&[
            b"arn:",
            b"urn:",
            b"data:",
            b"mailto:",
            b"./",
            b"../",
            b"~/",
            b"\\\\",
            b"file:",
            b"classpath:",
            b"npm:",
            b"workspace:",
            b"link:",
            b"git+",
        ])
    {
        return true;
    }
    is_path(value) || is_domain(value) || is_mail(value) || is_package(value)
}

/// Tells whether `value` is the name and version of a package: `accounts-base@1.2.3`, `debug@^2.6.9`.
fn is_package(value: &[u8]) -> bool {
    let Some(at) = value.iter().rposition(|b| *b == b'@') else {
        return false;
    };
    let (name, version) = value.split_at(at);
    let version = version.get(1..).unwrap_or_default();
    let version = version
        .strip_prefix(b"^")
        .or_else(|| version.strip_prefix(b"~"))
        .unwrap_or(version);
    let is_part = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_./@".contains(b);
    version.first().is_some_and(u8::is_ascii_digit)
        && version.iter().filter(|b| **b == b'.').count() >= 2
        && name.len() >= 2
        && name.iter().all(is_part)
}

/// Tells whether slashes part `value` into names of files.
fn is_path(value: &[u8]) -> bool {
    let slashes = value.iter().filter(|b| matches!(b, b'/' | b'\\')).count();
    if slashes == 0 {
        return has_file_ending(value);
    }
    let rooted = value.starts_with(b"/") && slashes >= 2;
    let parts = value.split(|b| matches!(b, b'/' | b'\\'));
    // Each part must read like a name; base64 with slashes does not. An abbreviation (`jwt`) is too short to read like
    // anything.
    let short = |part: &[u8]| part.len() <= 4 && part.iter().all(u8::is_ascii_lowercase);
    let named = parts.filter(|part| !part.is_empty()).all(|part| {
        (short(part) || super::random::surplus(part) < 6)
            && part
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"._-~@%$:*{}".contains(b))
    });
    // A dot is no character of base64: directories and a file, however random their names.
    let is_file = value
        .rsplit(|b| *b == b'.')
        .next()
        .is_some_and(|ending| ending.len() < 6 && contains(ENDINGS, ending));
    named && (rooted || slashes >= 1) || slashes >= 2 && is_file || has_file_ending(value)
}

/// Tells whether `value` ends in `.` and a usual ending of a file.
fn has_file_ending(value: &[u8]) -> bool {
    value
        .iter()
        .rposition(|b| *b == b'.')
        .and_then(|i| value.get(i + 1..))
        .is_some_and(|ending| contains(ENDINGS, ending))
        && super::random::surplus(value) < 24
}

/// Tells whether `value` is `name.name.tld`, perhaps with a port.
fn is_domain(value: &[u8]) -> bool {
    let host = value.split(|b| *b == b':').next().unwrap_or_default();
    let Some(dot) = host.iter().rposition(|b| *b == b'.') else {
        return host.eq_ignore_ascii_case(b"localhost");
    };
    host.iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        && host.get(dot + 1..).is_some_and(|top| contains(TOPS, top))
}

fn is_mail(value: &[u8]) -> bool {
    let mut parts = value.splitn(2, |b| *b == b'@');
    let (Some(user), Some(host)) = (parts.next(), parts.next()) else {
        return false;
    };
    !user.is_empty()
        && user
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(b))
        && is_domain(host)
}

/// Tells whether a quoted value is prose: words with blanks between.
pub(super) fn is_prose(value: &[u8]) -> bool {
    let blanks = value.iter().filter(|b| b.is_ascii_whitespace()).count();
    blanks >= 1 && super::random::surplus(value) < 24
}

/// Tells whether `value` reads like code: calls, members, operators, markup, patterns, interpolation.
pub(super) fn is_code(value: &[u8]) -> bool {
    let has = |needle: &[u8]| memchr::memmem::find(value, needle).is_some();
    // Signs that random characters have as well, now and then.
    let signs = has(b"()")
        || has(b"=>")
        || has(b"->")
        || has(b"::")
        || has(b"&&")
        || has(b"||")
        || value.starts_with(b"#")
        || value.starts_with(b"--")
        || value.starts_with(b"^")
        || has(b".(");
    // Signs that stand together by chance only in long keys: patterns of many signs have a surplus of up to 25.
    let syntax = has(b"</")
        || has(b"===")
        || has(b"!==")
        || has(b"a-z")
        || has(b".*")
        || has(b"/>")
        || has(b"$(")
        || has(b"#{");
    let pattern = has(b"\\d") || has(b"\\w") || has(b"\\s") || has(b"[^");
    if pattern
        || signs && super::random::surplus(value) < 16
        || syntax && super::random::surplus(value) < 36
    {
        return true;
    }
    // The type of a list.
    if value.strip_suffix(b"[]").is_some_and(is_identifier) {
        return true;
    }
    is_call(value) || is_members(value) || is_choice(value) || is_method(value)
}

/// Tells whether `value` is a method of a class as Java's documentation writes it: `org.example.Source#getUser`.
fn is_method(value: &[u8]) -> bool {
    let mut parts = value.splitn(2, |b| *b == b'#');
    let (Some(class), Some(method)) = (parts.next(), parts.next()) else {
        return false;
    };
    is_members(class) && is_identifier(method)
}

/// Tells whether `value` is words parted by `|` and `:`: `required|min:8`, `string|null`.
fn is_choice(value: &[u8]) -> bool {
    let is_word = |part: &[u8]| {
        !part.is_empty()
            && (part.iter().all(u8::is_ascii_digit)
                || part
                    .iter()
                    .all(|b| b.is_ascii_alphabetic() || b"_- ".contains(b)))
    };
    value.contains(&b'|')
        && value.split(|b| matches!(b, b'|' | b':')).all(is_word)
        && super::random::surplus(value) < 12
}

/// Tells whether an unquoted value takes the address of something, or what stands there: `&plan.Password`.
pub(super) fn is_reference(value: &[u8]) -> bool {
    let name = value
        .strip_prefix(b"&")
        .or_else(|| value.strip_prefix(b"*"))
        .or_else(|| value.strip_prefix(b"!"));
    name.is_some_and(|name| is_identifier(name) || is_members(name))
}

/// Tells whether `value` is a word with letters beyond ASCII and neither digits nor signs.
pub(super) fn is_foreign_word(value: &[u8]) -> bool {
    !value.is_ascii()
        && value
            .iter()
            .all(|b| b.is_ascii_alphabetic() || !b.is_ascii() || b"'-.!()".contains(b))
}

/// Tells whether `value` is no text: not UTF-8, and more than a few letters of an older encoding.
pub(super) fn is_binary(value: &[u8]) -> bool {
    let high = value.iter().filter(|b| !b.is_ascii()).count();
    high * 4 > value.len() && std::str::from_utf8(value).is_err()
}

/// Tells whether `value` is bytes spelled out: `\xff\x01`.
pub(super) fn is_bytes(value: &[u8]) -> bool {
    memchr::memmem::find_iter(value, b"\\x").count() * 4 == value.len()
}

/// Tells whether `value` has a terminal's escape sequences in it, as bytes or spelled out.
pub(super) fn is_escape(value: &[u8]) -> bool {
    [&b"\x1b["[..], b"\\033[", b"\\x1b[", b"\\e["]
        .iter()
        .any(|start| memchr::memmem::find(value, start).is_some())
}

/// Tells whether an identifier is rather a password: random, with digits in place of letters (`Str0ngP4ss`), or a word with a
/// number that names nothing (`winterHorse77`).
pub(super) fn is_chosen(value: &[u8]) -> bool {
    let digits = value.iter().filter(|b| b.is_ascii_digit()).count();
    let surplus = super::random::surplus(value);
    if surplus >= if digits > 0 { 8 } else { 10 } {
        return true;
    }
    let tail = value
        .iter()
        .rev()
        .take_while(|b| b.is_ascii_digit())
        .count();
    let shouts = !value.iter().any(u8::is_ascii_lowercase);
    digits > 0 && (has_inner_digit(value) || tail >= 2 && !shouts && !names_things(value))
}

/// Tells whether digits stand between letters, other than in abbreviations: `i18n`, `base64Url`, `oauth2Client`. Of one digit
/// the next letter is small.
fn has_inner_digit(value: &[u8]) -> bool {
    const KNOWN: [&[u8]; 20] = [
        b"16", b"32", b"64", b"128", b"256", b"384", b"512", b"18n", b"11y", b"10n", b"8s", b"ipv",
        b"auth", b"md", b"sha", b"s3", b"ec2", b"x509", b"p12", b"utf",
    ];
    let is_known = |part: &&[u8]| {
        value
            .windows(part.len())
            .any(|w| w.eq_ignore_ascii_case(part))
    };
    let is_between = |start: usize| {
        let before = start.checked_sub(1).and_then(|at| value.get(at));
        let rest = value.get(start..).unwrap_or_default();
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let after = rest.get(digits);
        before.is_some_and(u8::is_ascii_alphabetic)
            && match digits {
                0 => false,
                1 => after.is_some_and(u8::is_ascii_lowercase),
                2 => false,
                _ => after.is_some_and(u8::is_ascii_alphabetic),
            }
    };
    (0..value.len()).any(is_between) && !KNOWN.iter().any(is_known)
}

/// Tells whether `value` is `name(...)`, `name[...]` or the start of one, cut off at the bracket or at a quote.
fn is_call(value: &[u8]) -> bool {
    let name = value
        .iter()
        .take_while(|b| {
            b.is_ascii_alphanumeric()
                || matches!(
                    b,
                    b'_' | b'.' | b'$' | b':' | b'>' | b'-' | b'@' | b'&' | b'*'
                )
        })
        .count();
    let bare = value.get(..name).unwrap_or_default();
    if name < 2 || !matches!(value.get(name), Some(b'(' | b'[' | b'<')) {
        return false;
    }
    let closed = matches!(
        value.last(),
        Some(b')' | b']' | b'>' | b'(' | b'[' | b'<' | b'"' | b'\'')
    );
    let words = super::random::surplus(bare);
    (closed && words < 12 || name >= 5 && words < 4) && super::random::surplus(value) < 12
}

/// Tells whether `value` is `name.name` or longer, each part an identifier of words or, but for the first, a number:
/// `.Values.password`, `os_profile.0.admin_password`.
fn is_members(value: &[u8]) -> bool {
    let value = value.strip_prefix(b".").unwrap_or(value);
    let mut parts = value.split(|b| *b == b'.');
    let first = parts.next().is_some_and(is_identifier);
    let mut others = 0;
    let named = parts.all(|part| {
        others += 1;
        is_identifier(part) || part.len() <= 2 && part.iter().all(u8::is_ascii_digit)
    });
    first && named && others > 0 && super::random::surplus(value) < 8
}

/// Tells whether `value` could be an identifier of a program: letters, digits and `_`, no digit first.
pub(super) fn is_identifier(value: &[u8]) -> bool {
    let rest = value
        .strip_prefix(b"$")
        .or_else(|| value.strip_prefix(b"@"))
        .unwrap_or(value);
    rest.first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && rest.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// Tells whether an identifier is written in the manner of code: humps inside, or words joined by `_` in capitals.
pub(super) fn is_code_name(value: &[u8]) -> bool {
    if !is_identifier(value) || super::random::surplus(value) >= 10 {
        return false;
    }
    let capitals = value.iter().all(|b| !b.is_ascii_lowercase()) && value.contains(&b'_');
    humps(value) > 0 || capitals
}

/// Tells whether a quoted value is the name of an option or a field: as [`is_code_name`], without digits inside, and either
/// long or with a word in it that names a secret.
pub(super) fn is_option_name(value: &[u8]) -> bool {
    if !is_code_name(value) {
        return false;
    }
    let letters = value
        .iter()
        .rposition(|b| !b.is_ascii_digit())
        .map_or(0, |last| last + 1);
    let inner = value.get(..letters).unwrap_or_default();
    // Words of identifiers have 4 letters and more on average, random letters change case every second time.
    !inner.iter().any(u8::is_ascii_digit)
        && humps(value) * 4 <= value.len()
        && (humps(value) != 1 || names_things(value))
}

/// Tells whether an identifier has a word in it that names a secret or a user.
fn names_things(value: &[u8]) -> bool {
    const NAMES: [&[u8]; 11] = [
        b"ass", b"secret", b"Secret", b"oken", b"key", b"Key", b"user", b"User", b"Name", b"KEY",
        b"PASS",
    ];
    NAMES
        .iter()
        .any(|word| memchr::memmem::find(value, word).is_some())
}

fn humps(value: &[u8]) -> usize {
    let is_hump =
        |w: &&[u8]| matches!(w, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase());
    value.windows(2).filter(is_hump).count()
}

/// Tells whether `value` is the hash of a password: `$6$...`, `$argon2id$...`, `{CRYPT}...` (crypt(5), RFC 2307).
pub(super) fn is_password_hash(value: &[u8]) -> bool {
    let scheme = |open: u8, close: u8| {
        value.first() == Some(&open)
            && value
                .iter()
                .skip(1)
                .take(16)
                .position(|b| !b.is_ascii_alphanumeric() && *b != b'-')
                .is_some_and(|i| i >= 1 && value.get(i + 1) == Some(&close))
    };
    let bcrypt = [&b"$2a$"[..], b"$2b$", b"$2y$"];
    let has = |start: &&[u8]| memchr::memmem::find(value, start).is_some();
    scheme(b'$', b'$') || (scheme(b'{', b'}') && value.len() > 20) || bcrypt.iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_dates_and_versions_are_numeric() {
        for value in [
            "1234",
            "127.0.0.1",
            "3.5.12-RC1",
            "2024-01-31T10:00:00Z",
            "0xdeadbeef",
            "10px",
            "v1.2.3",
            "10:30",
        ] {
            assert!(is_numeric(value.as_bytes()), "{value}");
        }
        for value in ["a1b2c3d4", "hunter2", "Zx9.Kq1.Lm4Pt7Wq"] {
            assert!(!is_numeric(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn places_are_recognised_and_base64_is_not() {
        for value in [
            "https://a.b/c",
            "/etc/ssl/private",
            "config/secrets/jwt",
            "cert.p12",
            "mail.example.org:25",
            "me@example.com",
            "arn:aws:iam::1:role/x",
        ] {
            assert!(is_place(value.as_bytes()), "{value}");
        }
        for value in [
            "jby+flnsTxvfLu7ZR52/vylzrcmdMYuQte9JIV6XT",
            "/zQ8fhL2pX0ws/K3mVbN7tRa",
        ] {
            assert!(!is_place(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn code_is_recognised() {
        for value in [
            "getPassword()",
            "config.ClientSecret",
            "os.environ[",
            "user->name",
            "^[a-z]+$",
            "String(\"x\")",
        ] {
            assert!(is_code(value.as_bytes()), "{value}");
        }
        for value in ["h8Fq2ZxP0sTq9LmW", "Kitkcm_68d", "s3cur3!pass"] {
            assert!(!is_code(value.as_bytes()), "{value}");
        }
        assert!(
            is_code_name(b"clientSecret")
                && is_code_name(b"ACCESS_TOKEN")
                && !is_code_name(b"benrocks")
        );
    }
}
