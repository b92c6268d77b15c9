use proptest::prelude::*;

use super::*;
use crate::{
    model::{RuleId, RuleMeta},
    rules::{Check, Examples, Extent, Near, Rule, Shape, ValueClass},
};

/// A rule with nothing but a pattern and a shape.
fn rule(id: &str, pattern: Option<&str>, shape: Shape) -> Rule {
    let max_len = pattern.map_or(0, |pattern| {
        patterns::parse(pattern)
            .and_then(|hir| hir.properties().maximum_len())
            .expect("a bounded pattern")
    });
    Rule {
        meta: Arc::new(RuleMeta {
            id: RuleId::new(id),
            description: id.to_owned().into(),
            family: "test".to_owned(),
            provider: "Test".into(),
            source: "".into(),
            cwe: 798,
            severity: Severity::High,
            confidence: Confidence::Medium,
            remediation: "".into(),
            tags: Vec::new(),
        }),
        pattern: pattern.map(str::to_owned),
        max_len,
        shape,
        entropy: 0.0,
        check: None,
        value: None,
        extent: None,
        near: None,
        paths: Vec::new(),
        examples: Examples::default(),
    }
}

fn token(id: &str, pattern: &str, prefixes: &[&str]) -> Rule {
    let prefixes = prefixes.iter().map(|p| p.as_bytes().to_vec()).collect();
    let fold = pattern.starts_with("(?i)");
    rule(id, Some(pattern), Shape::Token { prefixes, fold })
}

fn marker(id: &str, pattern: &str, markers: &[&str]) -> Rule {
    let markers = markers.iter().map(|m| m.as_bytes().to_vec()).collect();
    rule(id, Some(pattern), Shape::Marker { markers })
}

fn context(id: &str, pattern: Option<&str>, words: &[&str]) -> Rule {
    let words = words.iter().map(|w| (*w).to_owned()).collect();
    rule(id, pattern, Shape::Context { words })
}

/// Numbers of the rules below.
const FORGE: u32 = 0;
const LONG: u32 = 1;
const FOLDED: u32 = 2;
const HOOK: u32 = 3;
const URL: u32 = 4;
const TILDE: u32 = 5;
const VENDOR: u32 = 6;
const PAIRED: u32 = 7;
const PASSWORD: u32 = 8;
const KEY: u32 = 9;
const SUMMED: u32 = 10;
const PAIR_ID: u32 = 11;
const SHORT: u32 = 12;

fn rules() -> Vec<Rule> {
    let mut paired = context("paired", Some("[A-Za-z0-9/+]{40}"), &["pairedsecret"]);
    paired.near = Some(Near {
        pattern: r"\bPRID[A-Z0-9]{16}\b".to_owned(),
        within: 100,
        required: false,
    });
    let mut password = context("password", None, &["password", "passwd", "pwd"]);
    password.value = Some(ValueClass::Password);
    let mut key = marker(
        "key",
        "-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----",
        &["-----BEGIN"],
    );
    key.extent = Some(Extent::Pem);
    let mut summed = token("summed", "ghx_[A-Za-z0-9]{36}", &["ghx_"]);
    summed.check = Some(Check::GithubCrc32);
    vec![
        token("forge", "fgp_[A-Za-z0-9]{20}", &["fgp_"]),
        token("long", "lng-[a-z0-9]{8,24}", &["lng-"]),
        token("folded", "(?i)FLD_[a-z0-9]{16}", &["FLD_"]),
        token(
            "hook",
            r"https://hooks\.example\.com/[A-Z0-9]{9}",
            &["https"],
        ),
        marker(
            "url",
            r"[a-z]{2,10}://[a-z]{1,20}:(?P<secret>[^@\s/]{3,30})@",
            &["://"],
        ),
        marker(
            "tilde",
            "(?:^|[^A-Za-z0-9_.~-])(?P<secret>[A-Za-z0-9_.~-]{3}[0-9]Q~[A-Za-z0-9_.~-]{31,34})(?:[^A-Za-z0-9_.~-]|$)",
            &["8Q~", "7Q~"],
        ),
        context("vendor", Some("[a-f0-9]{32}"), &["datadog", "dd"]),
        paired,
        password,
        key,
        summed,
        token("pair-id", "PRID[A-Z0-9]{16}", &["PRID"]),
        context("short", Some("[0-9]{3}:[a-z]{4}"), &["shortvendor"]),
    ]
}

fn scanner() -> Scanner {
    Scanner::new(Arc::new(RuleSet { rules: rules() }))
}

fn whole(text: &[u8]) -> [Span; 1] {
    [Span::new(0, text.len() as u64)]
}

/// Rule, start and value of each hit.
fn hits(text: &[u8]) -> Vec<(u32, u64, String)> {
    let scanner = scanner();
    scanner
        .worker()
        .scan(text, &whole(text))
        .iter()
        .map(shown)
        .collect()
}

fn shown(hit: &Hit) -> (u32, u64, String) {
    let value = String::from_utf8_lossy(hit.secret.expose()).into_owned();
    (hit.rule, hit.span.start, value)
}

/// The text must hold one hit, of this rule and with this value, exactly where the value stands.
#[track_caller]
fn one(text: &str, rule: u32, value: &str) {
    let start = text.find(value).expect("the value is in the text") as u64;
    assert_eq!(
        hits(text.as_bytes()),
        [(rule, start, value.to_owned())],
        "{text}"
    );
}

#[track_caller]
fn none(text: &str) {
    assert_eq!(hits(text.as_bytes()), [], "{text}");
}

const BODY: &str = "aB3dE5fG7hJ9kL2mN4pQ";
const HEX: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";

#[test]
fn tokens_are_found_at_any_edge() {
    let value = format!("fgp_{BODY}");
    for (before, after) in [
        ("", ""),
        ("TOKEN=", "\n"),
        ("\"", "\""),
        ("https://x.y/", "/z"),
        ("x-", ";"),
        ("a_", "."),
        ("foo\\n", "\\n"),
        ("\\t", "\\"),
        ("%3D", "%26"),
        ("\x1b[31m", "\x1b[0m"),
        ("\\u003d", ""),
        ("é", "é"),
        ("a.b+", "+"),
    ] {
        let text = format!("{before}{value}{after}");
        assert!(
            hits(text.as_bytes())
                .iter()
                .any(|hit| hit.0 == FORGE && hit.2 == value),
            "{text:?}"
        );
    }
}

#[test]
fn a_part_of_a_longer_word_is_no_token() {
    none(&format!("xfgp_{BODY}"));
    none(&format!("fgp_{BODY}x"));
    none(&format!("fgp_{}", &BODY[1..]));
    none(&format!("lng-{}", "a1b2".repeat(8)));
}

#[test]
fn case_counts_unless_the_rule_says_otherwise() {
    none(&format!("FGP_{BODY}"));
    one("x=fLd_Ab3dE5fG7hJ9kL2m", FOLDED, "fLd_Ab3dE5fG7hJ9kL2m");
}

#[test]
fn tokens_without_a_long_run_are_found() {
    one(
        "see https://hooks.example.com/A1B2C3D4E.",
        HOOK,
        "https://hooks.example.com/A1B2C3D4E",
    );
}

#[test]
fn markers_are_searched_around() {
    one("db = 'pg://bob:s3cr3t!x@host/x'", URL, "s3cr3t!x");
    let value = format!("abc8Q~{}", &BODY.repeat(2)[..34]);
    one(&format!("value {value} more"), TILDE, &value);
}

#[test]
fn context_rules_need_the_vendor() {
    one(&format!("DD_API_KEY={HEX}"), VENDOR, HEX);
    one(
        &format!("# Datadog\nheaders = {{\"api_key\": \"{HEX}\"}}"),
        VENDOR,
        HEX,
    );
    one(
        &format!("Authorization: Bearer {HEX} # x").replace("Auth", "datadog-auth"),
        VENDOR,
        HEX,
    );
    none(&format!("commit_id = \"{HEX}\""));
    none(&format!("add_key = \"{HEX}\""));
    none(&format!("DD_API_KEY={HEX}0"));
}

#[test]
fn short_values_of_context_rules_are_found() {
    one("shortvendor: 739:kwqz", SHORT, "739:kwqz");
    one("SHORTVENDOR_ID = '739:kwqz'", SHORT, "739:kwqz");
}

#[test]
fn a_second_part_stands_in_for_the_name() {
    let id = "PRIDA1B2C3D4E5F6G7H8";
    let secret = format!("{BODY}{}", BODY.to_lowercase());
    let text = format!("{id}\n{secret}\n");
    let scanner = scanner();
    let found = scanner
        .worker()
        .scan(text.as_bytes(), &whole(text.as_bytes()));
    let found: Vec<_> = found.iter().map(|hit| (hit.rule, hit.near)).collect();
    assert_eq!(found, [(PAIR_ID, None), (PAIRED, Some(Span::new(0, 20)))]);
    assert_eq!(hits(secret.as_bytes()), []);
    one(&format!("paired_secret={secret}"), PAIRED, &secret);
}

#[test]
fn passwords_with_punctuation_are_found() {
    one("db_password: \"vK9!x#qu7~Lm\"", PASSWORD, "vK9!x#qu7~Lm");
    one("PASSWD=p@ss:w0rd#7\n", PASSWORD, "p@ss:w0rd#7");
}

#[test]
fn a_key_is_a_whole_block() {
    let body = format!("{}\n", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj".repeat(2)).repeat(6);
    let text =
        format!("x\n-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----\ny");
    let found = hits(text.as_bytes());
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0, found[0].1), (KEY, 2));
}

#[test]
fn a_check_decides_over_severity_and_confidence() {
    let body = "7kQ2mZ9xT4vB6nR1wL8pY3sD5fG0hJ";
    let mut sum = u64::from(crc32fast::hash(body.as_bytes()));
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut tail = [b'0'; 6];
    for place in tail.iter_mut().rev() {
        *place = digits[(sum % 62) as usize];
        sum /= 62;
    }
    let tail = String::from_utf8_lossy(&tail);
    for (text, expected) in [
        (
            format!("ghx_{body}{tail}"),
            (Severity::High, Confidence::High),
        ),
        (
            format!("ghx_{body}zzzzzz"),
            (Severity::Low, Confidence::Medium),
        ),
    ] {
        let scanner = scanner();
        let found = scanner
            .worker()
            .scan(text.as_bytes(), &whole(text.as_bytes()));
        let hit = found.first().expect("a hit");
        assert_eq!(
            (hit.rule, hit.severity, hit.confidence),
            (SUMMED, expected.0, expected.1)
        );
    }
}

#[test]
fn the_token_wins_over_the_name_of_its_value() {
    one(
        &format!("password = \"fgp_{BODY}\""),
        FORGE,
        &format!("fgp_{BODY}"),
    );
}

#[test]
fn a_vendor_wins_over_a_form_that_is_no_vendors() {
    let mut jwt = token(
        "jwt",
        r"eyJ[A-Za-z0-9_-]{8,200}\.ey[A-Za-z0-9_-]{4,200}\.[A-Za-z0-9_-]{16,90}",
        &["eyJ"],
    );
    jwt.check = Some(Check::Jwt);
    Arc::make_mut(&mut jwt.meta).family = "jwt".to_owned();
    let mut vendor = jwt.clone();
    vendor.meta = rule("vendor", None, jwt.shape.clone()).meta;
    vendor.shape = Shape::Context {
        words: vec!["acmedb".to_owned()],
    };
    let mut bearer = marker(
        "bearer",
        "Bearer (?P<secret>[A-Za-z0-9._-]{16,400})",
        &["Bearer "],
    );
    Arc::make_mut(&mut bearer.meta).family = "http-auth".to_owned();
    let mut password = context("generic", None, &["password"]);
    password.value = Some(ValueClass::Password);
    Arc::make_mut(&mut password.meta).family = "generic".to_owned();
    let mut named = password.clone();
    named.meta = rule("named", None, named.shape.clone()).meta;
    named.shape = Shape::Context {
        words: vec!["acmedbpassword".to_owned()],
    };
    let rules = vec![password, jwt, bearer, vendor, named];
    let scanner = Scanner::new(Arc::new(RuleSet { rules }));
    let found = |text: &str| {
        let hits = scanner
            .worker()
            .scan(text.as_bytes(), &whole(text.as_bytes()));
        hits.iter().map(|hit| hit.rule).collect::<Vec<_>>()
    };
    let parts = ["eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiI0MiJ9", BODY];
    let token = parts.join(".");
    assert_eq!(found(&format!("ACMEDB_TOKEN={token}\n")), [3]);
    assert_eq!(found(&format!("OTHER_TOKEN={token}\n")), [1]);
    assert_eq!(found(&format!("Authorization: Bearer {token}\n")), [1]);
    assert_eq!(found("ACMEDB_PASSWORD=q7Kd93mZpx\n"), [4]);
    assert_eq!(found("OTHER_PASSWORD=q7Kd93mZpx\n"), [0]);
}

#[test]
fn a_second_part_vouches_for_tokens_and_not_for_words() {
    let id = "PRID0123456789ABCDEF";
    let token = "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1vW3xY5zA7bC9d";
    let text = format!("id: {id}\nvalue {token}\n");
    assert!(
        hits(text.as_bytes())
            .iter()
            .any(|(rule, _, value)| *rule == PAIRED && value == token)
    );
    let text = format!("id: {id}\ntype KubernetesAutomaticClusterDataSourceMode {{");
    assert!(
        hits(text.as_bytes())
            .iter()
            .all(|(rule, ..)| *rule != PAIRED)
    );
}

#[test]
fn a_value_of_a_vendor_does_not_end_where_its_token_goes_on() {
    let body = "00d1c8d1f4e34e0a9b3f2c7e5a6b8d90";
    let text = |rest: &str| format!("datadog_key = \"{body}{rest}\"");
    for rest in ["", " x", ".", "-", "-- "] {
        one(&text(rest), VENDOR, body);
    }
    for rest in [".eyJz", "-1f4e", "/v2", "_x", "+Ab", "--x"] {
        none(&text(rest));
    }
}

#[test]
fn utf16_text_is_scanned() {
    let text = format!("\u{feff}password = x\nkey = fgp_{BODY}\n");
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let scanner = scanner();
    let found = scanner.worker().scan(&bytes, &whole(&bytes));
    let hit = found.iter().find(|hit| hit.rule == FORGE).expect("a hit");
    assert_eq!(hit.encodings, [Encoding::Utf16]);
    let start = 2 * text
        .encode_utf16()
        .take_while(|unit| *unit != u16::from(b'f'))
        .count() as u64;
    assert_eq!(hit.span, Span::new(start, start + 48));
}

#[test]
fn no_rules_no_hits() {
    let scanner = Scanner::new(Arc::default());
    assert!(
        scanner
            .worker()
            .scan(b"password = 'x'", &whole(b"password = 'x'"))
            .is_empty()
    );
}

#[test]
fn regions_out_of_range_are_cut() {
    let text = format!("fgp_{BODY}");
    let scanner = scanner();
    let mut worker = scanner.worker();
    assert_eq!(
        worker.scan(text.as_bytes(), &[Span::new(0, 1 << 40)]).len(),
        1
    );
    assert!(
        worker
            .scan(text.as_bytes(), &[Span::new(100, 200)])
            .is_empty()
    );
    assert!(worker.scan(text.as_bytes(), &[]).is_empty());
}

/// Made-up text: secrets of all kinds, pieces of them, code and noise between them.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[A-Za-z0-9]{20}".prop_map(|body| format!("fgp_{body}")),
        2 => "[a-z0-9]{8,24}".prop_map(|body| format!("lng-{body}")),
        1 => "[a-z0-9]{16}".prop_map(|body| format!("Fld_{body}")),
        1 => "[A-Z0-9]{9}".prop_map(|body| format!("https://hooks.example.com/{body}")),
        2 => "[a-z]{1,8}:[a-z0-9!]{3,9}@".prop_map(|body| format!("pg://{body}h")),
        1 => "[A-Za-z0-9]{3}[78]Q~[A-Za-z0-9_.~-]{31,34}",
        2 => "[a-f0-9]{32}".prop_map(|body| format!("dd_key = \"{body}\"")),
        1 => "[A-Z0-9]{16}".prop_map(|body| format!("PRID{body}")),
        1 => "[A-Za-z0-9/+]{40}",
        2 => "[!-~]{6,14}".prop_map(|body| format!("password: {body}\n")),
        1 => "[a-z ]{0,300}",
        1 => Just("-----BEGIN PRIVATE KEY-----\n".to_owned()),
        1 => Just("\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n-----END PRIVATE KEY-----".to_owned()),
        4 => "[ -~\\n]{0,12}",
        3 => prop::sample::select(vec![" ", "\n", "-", "\"", "=", "\\n", ": '", "', ", "x", "name: "])
            .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat().into_bytes())
}

type Whole = (u32, Span, Option<Span>, Vec<Encoding>);

fn full(hit: &Hit) -> Whole {
    (hit.rule, hit.span, hit.near, hit.encodings.clone())
}

/// Token and marker rules the plain way: each place, each rule, no anchors.
fn plainly(text: &[u8]) -> Vec<(u32, Range<usize>)> {
    let rules = rules();
    let mut found = Vec::new();
    for (number, rule) in (0_u32..).zip(&rules) {
        let Some(pattern) = &rule.pattern else {
            continue;
        };
        let compiled = Pattern::new(pattern);
        let mut scratch = Scratch::default();
        match &rule.shape {
            Shape::Token { prefixes, .. } => {
                for at in 0..text.len() {
                    let matched = compiled.find(&mut scratch, text, at..text.len(), true);
                    if let Some(matched) = matched
                        && probe::is_free(text, at)
                        && !text
                            .get(matched.whole.end)
                            .is_some_and(u8::is_ascii_alphanumeric)
                    {
                        let value = &text[matched.secret.clone()];
                        let prefix = prefixes.first().map_or(0, Vec::len);
                        if !filters::is_degenerate(&value[prefix..]) {
                            found.push((number, matched.secret));
                        }
                    }
                }
            }
            Shape::Marker { .. } if rule.extent.is_none() => {
                let mut from = 0;
                while let Some(matched) = compiled.find(&mut scratch, text, from..text.len(), false)
                {
                    from = matched.whole.end;
                    if !filters::is_placeholder(&text[matched.secret.clone()]) {
                        found.push((number, matched.secret));
                    }
                }
            }
            Shape::Marker { .. } | Shape::Context { .. } => {}
        }
    }
    found
}

use patterns::Pattern;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_split_into_regions_gives_the_same_hits(
        text in texts(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let scanner = scanner();
        let mut worker = scanner.worker();
        let all: Vec<Whole> = worker.scan(&text, &whole(&text)).iter().map(full).collect();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        ends.push(text.len());
        ends.sort_unstable();
        let mut parts = Vec::new();
        let mut start = 0;
        for end in ends {
            parts.extend(worker.scan(&text, &[Span::new(start as u64, end as u64)]).iter().map(full));
            start = end;
        }
        parts.sort();
        let mut sorted = all;
        sorted.sort();
        prop_assert_eq!(parts, sorted);
    }

    #[test]
    fn pieces_with_context_give_the_same_hits(
        parts in proptest::collection::vec(texts(), 1..4),
        gap in CONTEXT - 300..CONTEXT + 300,
        cut in any::<prop::sample::Index>(),
    ) {
        // Long enough for the pieces to differ from the whole.
        let filler: Vec<u8> = b"some words of text; ".iter().copied().cycle().take(gap).collect();
        let text = parts.join(&filler[..]);
        let scanner = scanner();
        let mut worker = scanner.worker();
        let mut all: Vec<Whole> = worker.scan(&text, &whole(&text)).iter().map(full).collect();
        let cut = cut.index(text.len() + 1);
        let mut found = Vec::new();
        for region in [0..cut, cut..text.len()] {
            let from = region.start.saturating_sub(CONTEXT);
            let to = (region.end + CONTEXT).min(text.len());
            let spans = [Span::new((region.start - from) as u64, (region.end - from) as u64)];
            let back = |span: Span| Span::new(span.start + from as u64, span.end + from as u64);
            for hit in worker.scan(&text[from..to], &spans) {
                found.push((hit.rule, back(hit.span), hit.near.map(back), hit.encodings));
            }
        }
        all.sort();
        found.sort();
        prop_assert_eq!(found, all);
    }

    #[test]
    fn no_match_of_a_token_or_marker_rule_is_lost(text in texts()) {
        let found = hits_with_spans(&text);
        for (number, span) in plainly(&text) {
            // What is not reported itself must have lost against something more specific that overlaps it.
            let kept = found.iter().any(|(rule, other)| *rule == number && *other == span);
            let beaten = found.iter().any(|(_, other)| other.start < span.end && span.start < other.end);
            prop_assert!(kept || beaten, "rule {} at {:?}", number, span);
        }
    }

    #[test]
    fn nothing_but_true_matches_is_found(text in texts()) {
        let plain = plainly(&text);
        for (number, span) in hits_with_spans(&text) {
            let is_plain = matches!(number, FORGE | LONG | FOLDED | HOOK | PAIR_ID);
            prop_assert!(!is_plain || plain.contains(&(number, span.clone())), "rule {} at {:?}", number, span);
        }
    }

    #[test]
    fn any_bytes_are_survived(text in proptest::collection::vec(any::<u8>(), 0..600)) {
        let scanner = scanner();
        for hit in scanner.worker().scan(&text, &whole(&text)) {
            prop_assert!(hit.span.end <= text.len() as u64 && !hit.secret.is_empty());
        }
    }
}

fn hits_with_spans(text: &[u8]) -> Vec<(u32, Range<usize>)> {
    let scanner = scanner();
    scanner
        .worker()
        .scan(text, &whole(text))
        .iter()
        .filter(|hit| hit.encodings.is_empty())
        .map(|hit| (hit.rule, hit.span.start as usize..hit.span.end as usize))
        .collect()
}
