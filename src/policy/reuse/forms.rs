//! Digests of a value's forms: what near duplicates meet on. The value itself is dropped and wiped.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use crate::model::{DigestKey, Secret};

use super::{
    super::{environment, names, values},
    Class, Mode, Prints,
};

/// Longest value of which forms are taken: longer ones are compared whole.
const MAX_FORMS: usize = 1024;

/// Most core tokens of a value.
const MAX_CORES: usize = 8;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

/// Takes the digests of a value.
pub(super) fn prints(
    value: &str,
    service: Option<&str>,
    is_client: bool,
    key: &DigestKey,
) -> Prints {
    let of = |text: &[u8]| key.digest("", &Secret::new(text));
    let mut prints = Prints {
        value: of(value.as_bytes()),
        encoded: private_key(value).iter().map(|der| of(der)).collect(),
        c1: None,
        c2: None,
        cores: Vec::new(),
        folded: None,
        length: value.len(),
        entropy: values::entropy(value),
        class: class(value),
        mode: mode(value),
        is_client,
        is_ciphertext: false,
    };
    if value.len() > MAX_FORMS || !prints.encoded.is_empty() {
        return prints;
    }
    prints.encoded = decoded(value).iter().map(|text| of(text)).collect();
    let first = without_environment(value, service);
    let second = without_counters(&first);
    let keep = |form: &str| {
        let is_enough = form.len() >= 6 && form.len() * 2 >= value.len();
        (is_enough && !values::is_weak(form) && !values::is_placeholder(form))
            .then(|| of(form.as_bytes()))
    };
    prints.c1 = keep(&first);
    prints.c2 = keep(&second);
    prints.cores = cores(value)
        .map(|core| of(core.as_bytes()))
        .take(MAX_CORES)
        .collect();
    if value.len() <= 20 && value.bytes().any(|b| b.is_ascii_alphabetic()) {
        let folded = Zeroizing::new(value.to_ascii_lowercase());
        prints.folded = Some(of(folded.as_bytes()));
    }
    prints
}

/// Takes the digest of a secret in encrypted form.
pub(super) fn ciphertext(value: &str, key: &DigestKey) -> Prints {
    let packed: Zeroizing<String> = Zeroizing::new(value.split_whitespace().collect());
    Prints {
        value: key.digest("", &Secret::new(packed.as_bytes())),
        encoded: Vec::new(),
        c1: None,
        c2: None,
        cores: Vec::new(),
        folded: None,
        length: value.len(),
        entropy: values::entropy(value),
        class: Class::Named,
        mode: Mode::Unknown,
        is_client: false,
        is_ciphertext: true,
    }
}

/// Tells how much of a secret a value is: the gate of POLICY.md section 3.3.
fn class(value: &str) -> Class {
    let length = value.chars().count();
    let entropy = values::entropy(value);
    let is_random = matches!(
        values::classify(value),
        values::Value::Literal(values::Strength::Random)
    );
    let kinds = [
        value.bytes().any(|b| b.is_ascii_lowercase()),
        value.bytes().any(|b| b.is_ascii_uppercase()),
        value.bytes().any(|b| b.is_ascii_digit()),
        value.bytes().any(|b| !b.is_ascii_alphanumeric()),
    ];
    let kinds = kinds.into_iter().filter(|has| *has).count();
    if is_random && entropy * length as f64 >= 80.0 {
        Class::Random
    } else if length >= 12 && entropy >= 3.0 || length >= 8 && kinds >= 3 {
        Class::Named
    } else {
        Class::BelowGate
    }
}

fn mode(value: &str) -> Mode {
    let starts = |middle: &str| {
        ["sk", "pk", "rk"].iter().any(|start| {
            value
                .strip_prefix(start)
                .is_some_and(|rest| rest.starts_with(middle))
        })
    };
    if starts("_test_") {
        Mode::Test
    } else if starts("_live_") {
        Mode::Live
    } else {
        Mode::Unknown
    }
}

/// Returns the bytes of a private key in PEM, however its lines are broken.
fn private_key(value: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = value.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    if !label.ends_with("PRIVATE KEY") {
        return None;
    }
    let body = Zeroizing::new(body.replace("\\n", "\n"));
    let body: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    STANDARD.decode(body.as_bytes()).ok().map(Zeroizing::new)
}

/// Returns what a value decodes to, where that is text.
pub(super) fn decoded(value: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let is_text =
        |bytes: &Vec<u8>| bytes.len() >= 6 && bytes.iter().all(|b| matches!(b, b' '..=b'~'));
    let hex = || {
        let pairs: Option<Vec<u8>> = value
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        pairs.filter(|_| value.len().is_multiple_of(2))
    };
    let percent = || {
        value
            .contains('%')
            .then(|| unpercent(value))
            .filter(|text| text.as_slice() != value.as_bytes())
    };
    let all = [
        STANDARD.decode(value).ok(),
        URL_SAFE.decode(value).ok(),
        hex(),
        percent(),
    ];
    let mut found: Vec<Zeroizing<Vec<u8>>> = Vec::new();
    for bytes in all.into_iter().flatten().map(Zeroizing::new) {
        if is_text(&bytes) && !found.contains(&bytes) {
            found.push(bytes);
        }
    }
    found
}

/// Decodes base64 with either alphabet, padded or not, to text.
pub(super) fn base64_text(value: &str) -> Option<Zeroizing<String>> {
    let packed: Zeroizing<String> = Zeroizing::new(value.split_whitespace().collect());
    let bytes = STANDARD
        .decode(packed.as_bytes())
        .or_else(|_| URL_SAFE.decode(packed.as_bytes()))
        .ok()?;
    String::from_utf8(bytes).ok().map(Zeroizing::new)
}

/// Undoes percent encoding; what is none stays.
pub(super) fn unpercent(value: &str) -> Vec<u8> {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = bytes
            .get(at + 1..at + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        let code = code.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match code {
            Some(code) if *byte == b'%' => {
                out.push(code);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

/// Returns the ranges of words: runs of letters or digits, parted at changes of case too.
fn tokens(value: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = value.as_bytes();
    let mut tokens: Vec<std::ops::Range<usize>> = Vec::new();
    let mut start = None;
    for (at, byte) in bytes.iter().enumerate() {
        let before = at
            .checked_sub(1)
            .and_then(|at| bytes.get(at))
            .copied()
            .unwrap_or(b' ');
        let is_edge = byte.is_ascii_digit() != before.is_ascii_digit()
            || byte.is_ascii_uppercase() && before.is_ascii_lowercase();
        if let Some(from) = start
            && (is_edge || !byte.is_ascii_alphanumeric())
        {
            tokens.push(from..at);
            start = None;
        }
        if byte.is_ascii_alphanumeric() && start.is_none() {
            start = Some(at);
        }
    }
    tokens.extend(start.map(|from| from..value.len()));
    tokens
}

/// Returns the value without the words of environments and the name of its service, each with one sign beside it.
fn without_environment(value: &str, service: Option<&str>) -> Zeroizing<String> {
    let tokens = tokens(value);
    let service = service.map(names::words).unwrap_or_default();
    let service: Vec<String> = service.into_iter().take(8).collect();
    let mut drop = vec![false; tokens.len()];
    let text = |at: usize| {
        tokens
            .get(at)
            .and_then(|range| value.get(range.clone()))
            .unwrap_or_default()
    };
    for at in 0..tokens.len() {
        let is_service = !service.is_empty()
            && service.iter().map(String::len).sum::<usize>() >= 3
            && service
                .iter()
                .enumerate()
                .all(|(next, word)| text(at + next).eq_ignore_ascii_case(word));
        let count = if is_service {
            service.len()
        } else {
            usize::from(environment::of_word(text(at)).is_some())
        };
        for flag in drop.iter_mut().skip(at).take(count) {
            *flag = true;
        }
    }
    let ranges = tokens
        .into_iter()
        .zip(drop)
        .filter(|(_, drop)| *drop)
        .map(|(range, _)| range);
    without(value, ranges)
}

/// Returns the value without years, and without digits and signs at its end.
fn without_counters(value: &str) -> Zeroizing<String> {
    let is_year = |range: &std::ops::Range<usize>| {
        value.get(range.clone()).is_some_and(|text| {
            text.len() == 4 && text.starts_with("20") && text.bytes().all(|b| b.is_ascii_digit())
        })
    };
    let shorter = without(value, tokens(value).into_iter().filter(is_year));
    Zeroizing::new(
        shorter
            .trim_end_matches(|c: char| !c.is_alphabetic())
            .to_owned(),
    )
}

/// Cuts ranges out of a text, each with the sign before it, or else the one behind it.
fn without(value: &str, ranges: impl Iterator<Item = std::ops::Range<usize>>) -> Zeroizing<String> {
    let is_sign = |at: Option<usize>| {
        at.and_then(|at| value.as_bytes().get(at))
            .is_some_and(|b| b"-_./:@+ ".contains(b))
    };
    let mut out = Zeroizing::new(String::with_capacity(value.len()));
    let mut from = 0;
    for range in ranges {
        let (mut start, mut end) = (range.start, range.end);
        if start > from && is_sign(start.checked_sub(1)) {
            start -= 1;
        } else if is_sign(Some(end)) {
            end += 1;
        }
        out.push_str(value.get(from..start.max(from)).unwrap_or_default());
        from = end.max(from);
    }
    out.push_str(value.get(from..).unwrap_or_default());
    out
}

/// Returns long runs of letters and digits within a value that look random: not the value itself, not the header of a JWT.
fn cores(value: &str) -> impl Iterator<Item = &str> {
    let is_core = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    value.split(move |c| !is_core(c)).filter(move |run| {
        run.len() >= 12
            && run.len() < value.len()
            && values::entropy(run) >= 3.0
            && run.bytes().any(|b| b.is_ascii_digit())
            && run.bytes().any(|b| b.is_ascii_alphabetic())
            && !run.starts_with("eyJ")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(value: &str) -> Prints {
        prints(value, Some("billing-api"), false, &DigestKey::new([7; 32]))
    }

    #[test]
    fn near_values_meet_on_a_form() {
        assert_eq!(of("Hunter2-dev").c1, of("Hunter2-prod").c1);
        assert_eq!(of("Hunter2-prod").c2, of("Hunter3-dev").c2);
        assert_eq!(of("Zq81xkPw_2024").c2, of("Zq81xkPw_2025").c2);
        assert_eq!(of("Zq81xkPw").c1, of("prod-Zq81xkPw").c1);
        assert_eq!(of("billing-api-Zq81xkPwLm42").c1, of("Zq81xkPwLm42").c1);
        assert_eq!(of("Zq81Xkpw").folded, of("zq81xkpw").folded);
        let cores = (
            of("SSO-C2-b7Jx9Qm2Lt5Rk8").cores,
            of("SSO-C3-b7Jx9Qm2Lt5Rk8").cores,
        );
        assert_eq!(cores.0, cores.1);
        assert_eq!(cores.0.len(), 1);
    }

    #[test]
    fn too_little_is_no_form() {
        assert_eq!(of("abc-prod").c1, None);
        assert_eq!(of("password-prod").c1, None);
        assert!(of("eyJhbGciOiJIUzI1NiJ9.x").cores.is_empty());
        assert!(of("authentication-service").cores.is_empty());
    }

    #[test]
    fn encodings_meet_what_they_stand_for() {
        let value = of("hunter2-Zq81").value;
        for encoded in [
            "aHVudGVyMi1acTgx",
            "68756e746572322d5a713831",
            "hunter2%2DZq81",
        ] {
            assert!(of(encoded).encoded.contains(&value), "{encoded}");
        }
        assert!(of("f3b1c0d9e8a7f6b5c4d3e2f1").encoded.is_empty());
        let pem = |body: &str| {
            format!(
                "-----{} KEY-----{body}-----END PRIVATE KEY-----",
                "BEGIN PRIVATE"
            )
        };
        assert_eq!(
            of(&pem("\nAAECAwQF\nBgcICQ==\n")).encoded,
            of(&pem("\\nAAECAwQFBgcICQ==\\n")).encoded
        );
    }

    #[test]
    fn classes_of_the_gate() {
        for (value, class) in [
            ("Vx7kQ2mR9tLp4wZsB8n", Class::Random),
            ("hunter2-Zq81", Class::Named),
            ("Zq81-xk9", Class::Named),
            ("zq81xk", Class::BelowGate),
            ("aaaaaaaabbbbbbbb", Class::BelowGate),
        ] {
            assert_eq!(of(value).class, class, "{value}");
        }
        assert_eq!(of("sk_test_abc").mode, Mode::Test);
        assert_eq!(of("sk_live_abc").mode, Mode::Live);
    }

    proptest! {
        #[test]
        fn never_panics(value in "[ -~é%]{0,60}", service in "[a-z-]{0,8}") {
            let _ = prints(&value, Some(&service), false, &DigestKey::new([7; 32]));
        }
    }
}
