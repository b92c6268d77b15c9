//! One report by hand that has everything a format can meet; the snapshots of all formats are taken of it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    model::{
        Attribution, BlobPath, CommitInfo, Confidence, Counter, Encoding, Excerpt, Finding,
        Fingerprint, Kind, Ledger, Location, ObjectId, Occurrence, Place, Provenance, Related,
        RuleId, RuleMeta, Secret, Severity, SkipCause, Span, Suppressed, SuppressionKind,
    },
    scan::{LookedFor, Mode, Report, Scope},
};

/// The made-up values, in the order of the findings. None may occur in any output.
pub(super) const VALUES: [&str; 6] = [
    "ghq_Zm9vYmFyMTIzNDU2Nzg5MGFiY2Rl",
    "wJalr/made+up/bPxRfiCYzzz0123456",
    "correct horse battery",
    "tok-Zr81xQk2mW0a\"<&>'%|",
    "s3cr3t-inline-value",
    "s3cr3t-baseline-value",
];

pub(super) fn report() -> Report {
    let mut findings = vec![commit_message(), weird_path(), history_only(), at_head()];
    findings.sort_by(|a, b| a.location.cmp(&b.location));
    Report {
        mode: Mode::History,
        scope: Scope::Whole,
        looked_for: LookedFor::default(),
        rules: rules(),
        rules_run: 3,
        ledger: ledger(),
        findings,
        suppressed: vec![
            suppressed(
                "tests/fixture.py",
                4,
                SuppressionKind::Inline,
                "test data | not <real>",
            ),
            suppressed("vendor/old.js", 5, SuppressionKind::Baseline, ""),
        ],
        unused_suppressions: vec!["allow marker at src/app.py:3".to_owned()],
        fixes: Vec::new(),
        verification: None,
        interrupted: false,
    }
}

fn rules() -> Vec<Arc<RuleMeta>> {
    let rule = |id: &str,
                family: &str,
                provider: &str,
                description: &str,
                cwe,
                severity,
                confidence| {
        Arc::new(RuleMeta {
            id: RuleId::new(id),
            description: description.to_owned().into(),
            family: family.to_owned(),
            provider: provider.to_owned().into(),
            source: format!("{provider} documentation: token formats").into(),
            cwe,
            severity,
            confidence,
            remediation: format!(
                "Revoke it at {provider} and issue a new one. Then store it in a *vault*, not in code."
            )
            .into(),
            tags: vec!["token".to_owned(), "cloud".to_owned()],
        })
    };
    use Severity::{Critical, High, Medium};
    vec![
        rule(
            "aws-secret-access-key",
            "aws",
            "AWS",
            "AWS secret access key",
            798,
            Critical,
            Confidence::High,
        ),
        rule(
            "generic-password",
            "generic",
            "any",
            "Password in an assignment",
            259,
            Medium,
            Confidence::Low,
        ),
        rule(
            "github-oauth-token",
            "github",
            "GitHub",
            "GitHub OAuth token",
            798,
            High,
            Confidence::High,
        ),
    ]
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    for (counter, by) in [
        (Counter::Files, 120),
        (Counter::Bytes, 3_500_000),
        (Counter::Blobs, 1042),
        (Counter::Commits, 311),
        (Counter::Refs, 7),
        (Counter::UnreachableFindings, 2),
    ] {
        ledger.count(counter, by);
    }
    for name in ["a.iso", "b.iso", "c\x1b]0;x\x07.iso"] {
        ledger.skip(SkipCause::TooLarge, name.into(), "over 1 GiB");
    }
    ledger.skip_many(
        SkipCause::MissingObject,
        120,
        "<commit 0123456789ab>".into(),
        "partial clone",
    );
    ledger.skip(SkipCause::Ignored, "target".into(), "");
    ledger.note("replace refs are present and were not followed");
    ledger.trim();
    ledger
}

fn id(byte: u8) -> ObjectId {
    ObjectId::new(&[byte; 20]).unwrap()
}

fn commit(byte: u8, author: &str, date: &str) -> CommitInfo {
    CommitInfo {
        id: id(byte),
        author: author.to_owned(),
        date: date.to_owned(),
    }
}

pub(super) fn location(path: impl Into<Vec<u8>>, line: u32, column: u32, len: u32) -> Location {
    Location {
        path: BlobPath::new(path),
        start_line: line,
        start_column: column,
        end_line: line,
        end_column: column + len,
        byte_start: 100,
        byte_end: 100 + u64::from(len),
    }
}

fn fingerprint(digit: char) -> Fingerprint {
    Fingerprint::parse(&format!("k1:{}", digit.to_string().repeat(32))).unwrap()
}

fn occurrence(digit: char, location: Location, place: Place, object: u8) -> Occurrence {
    Occurrence {
        fingerprint: fingerprint(digit),
        location,
        provenance: Provenance {
            place,
            object: Some(id(object)),
        },
        encodings: Vec::new(),
    }
}

/// Returns a finding with one occurrence.
fn finding(rule: &str, value: usize, digit: char, location: Location, place: Place) -> Finding {
    let meta = rules()
        .into_iter()
        .find(|meta| meta.id.as_str() == rule)
        .unwrap();
    let only = occurrence(digit, location.clone(), place, 0x0b);
    Finding {
        rule: meta.id.clone(),
        kind: Kind::Secret,
        severity: meta.severity,
        confidence: meta.confidence,
        message: format!("{} in {}", meta.description, location.path),
        fingerprint: only.fingerprint.clone(),
        location,
        provenance: only.provenance.clone(),
        attribution: None,
        occurrences: vec![only],
        more_occurrences: 0,
        verdict: None,
        further: BTreeMap::new(),
        related: Vec::new(),
        excerpt: None,
        line_hash: None,
        secret: Secret::new(VALUES[value].as_bytes()),
    }
}

/// Still at HEAD, in more places than a report lists.
fn at_head() -> Finding {
    let value = VALUES[0];
    let mut finding = finding(
        "github-oauth-token",
        0,
        'a',
        location("src/config.py", 12, 9, 32),
        Place::History,
    );
    for i in 1_u8..9 {
        let path = format!("deploy/stage-{i}/settings [old](x).env");
        finding
            .occurrences
            .push(occurrence('b', location(path, 3, 7, 32), Place::History, i));
    }
    if let Some(second) = finding.occurrences.get_mut(1) {
        second.encodings = vec![Encoding::Base64, Encoding::Utf16];
    }
    finding.more_occurrences = 1200;
    finding.related.push(Related {
        message: "the client id that belongs to it".to_owned(),
        location: location("src/config.py", 11, 6, 20),
        introduced: None,
    });
    let text = format!("TOKEN = \"{value}\"  # ::error::not a command");
    finding.excerpt = Some(Excerpt::new(
        text.as_bytes(),
        Span::new(9, 9 + value.len() as u64),
        12,
        &[Span::new(9, 9 + value.len() as u64)],
    ));
    finding.line_hash = Some("e9496ae3ebfced30:1".to_owned());
    finding.attribution = Some(Attribution {
        introduced: Some(commit(
            0x1a,
            "Ada [bot](http://x) <b>",
            "2021-03-04T05:06:07+02:00",
        )),
        last_seen: Some(commit(0x1b, "Grace", "2024-01-01T00:00:00Z")),
        removed: None,
        at_head: true,
        reachable: true,
        path: Some("settings.py".into()),
    });
    finding
}

/// Removed, yet in history; over several lines, long line cut.
fn history_only() -> Finding {
    let value = VALUES[1];
    let mut place = location("old/deploy.sh", 40, 201, 10);
    place.end_line = 41;
    place.end_column = 5;
    let mut finding = finding("aws-secret-access-key", 1, 'c', place, Place::History);
    let text = format!("{}KEY={value}\nnext", " pad".repeat(49));
    finding.excerpt = Some(Excerpt::new(
        text.as_bytes(),
        Span::new(200, 205 + value.len() as u64),
        40,
        &[Span::new(200, 205 + value.len() as u64)],
    ));
    finding.attribution = Some(Attribution {
        introduced: Some(commit(0x2a, "Ada", "2020-02-03T04:05:06Z")),
        last_seen: Some(commit(0x2b, "Grace", "2020-02-29T00:00:00Z")),
        removed: Some(commit(0x2c, "Grace", "2020-03-01T00:00:00Z")),
        at_head: false,
        reachable: true,
        path: Some("old/deploy.sh".into()),
    });
    finding
}

fn commit_message() -> Finding {
    let value = VALUES[2];
    let mut finding = finding(
        "generic-password",
        2,
        'd',
        location("<commit message>", 3, 11, 21),
        Place::CommitMessage,
    );
    let text = format!("password: {value}");
    finding.excerpt = Some(Excerpt::new(
        text.as_bytes(),
        Span::new(10, 31),
        3,
        &[Span::new(10, 31)],
    ));
    finding.attribution = Some(Attribution {
        introduced: Some(commit(0x3a, "Ada", "2022-01-01T00:00:00Z")),
        last_seen: Some(commit(0x3a, "Ada", "2022-01-01T00:00:00Z")),
        removed: None,
        at_head: false,
        reachable: false,
        path: None,
    });
    finding
}

/// A path that tries to break every format, and a severity that is not the rule's.
fn weird_path() -> Finding {
    let path = b"we\x1b[31mird\xff|`x`/\xe2\x80\xae*b*_c_<img>&\"'[y](z),:%,#\n@team.txt".to_vec();
    let mut finding = finding(
        "github-oauth-token",
        3,
        'e',
        location(path, 1, 1, 24),
        Place::File,
    );
    finding.severity = Severity::Low;
    finding.confidence = Confidence::Low;
    finding
}

fn suppressed(path: &str, value: usize, kind: SuppressionKind, reason: &str) -> Suppressed {
    let digit = char::from_digit(u32::try_from(value).unwrap(), 10).unwrap();
    Suppressed {
        finding: finding(
            "generic-password",
            value,
            digit,
            location(path, 7, 3, 19),
            Place::File,
        ),
        kind,
        reason: reason.to_owned(),
    }
}
