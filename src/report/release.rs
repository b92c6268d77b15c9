//! The last look at an output before it leaves: it must not hold a secret of the run.
//!
//! The scan has masked every text already; this is the second net. Each output is searched as it is and with our own
//! escapes taken back, for each secret in its plain and its encoded forms (see [`Redactor`] for which values are searched).

use std::borrow::Cow;

use crate::{
    engine::Redactor,
    model::{BlobPath, Finding, Location, Secret},
    report::{Format, ReportError},
    scan::{Report, Scope},
};

/// Returns what `write` makes of the report.
///
/// # Errors
/// [`ReportError::Leak`] when it holds a value that the same report without any foreign text does not hold: a value that
/// is part of our own words (`"start_column"` as a password) tells nobody anything.
pub(super) fn release(
    report: &Report,
    format: Format,
    write: impl Fn(&Report) -> Vec<u8>,
) -> Result<Vec<u8>, ReportError> {
    let output = write(report);
    let suppressed = report.suppressed.iter().map(|s| &s.finding);
    let findings: Vec<&Finding> = report.findings.iter().chain(suppressed).collect();
    let secrets: Vec<&Secret> = findings.iter().map(|finding| &finding.secret).collect();
    let redactor = Redactor::new(&secrets);
    let met = redactor.met(variants(&output));
    if !met.contains(&true) {
        return Ok(output);
    }
    let own = redactor.met(variants(&write(&blank(report))));
    let mut leaks = findings.iter().zip(met.iter().zip(&own));
    match leaks.find(|(_, (met, own))| **met && !**own) {
        None => Ok(output),
        Some((finding, _)) => Err(ReportError::Leak {
            format,
            rule: finding.rule.clone(),
            fingerprint: finding.fingerprint.clone(),
        }),
    }
}

/// Returns the output as it is, and without the escapes that our formats add to single characters; one at a time, for it may be large.
fn variants(output: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let others = [references, percents, hashes].into_iter();
    let others = others.map(|unescape| unescape(output));
    let others = others.filter(move |text| text != output).map(Cow::Owned);
    std::iter::once(Cow::Borrowed(output)).chain(others)
}

/// Takes back `&#NN;` and `\|` of Markdown, and the named references of XML.
fn references(output: &[u8]) -> Vec<u8> {
    unescaped(output, |rest| match rest {
        [b'\\', b'|', ..] => Some((b'|', 2)),
        [b'&', b'a', b'm', b'p', b';', ..] => Some((b'&', 5)),
        [b'&', b'l', b't', b';', ..] => Some((b'<', 4)),
        [b'&', b'g', b't', b';', ..] => Some((b'>', 4)),
        [b'&', b'q', b'u', b'o', b't', b';', ..] => Some((b'"', 6)),
        [b'&', b'#', rest @ ..] => {
            let digits = rest
                .iter()
                .take(3)
                .take_while(|b| b.is_ascii_digit())
                .count();
            let number = std::str::from_utf8(rest.get(..digits)?)
                .ok()?
                .parse()
                .ok()?;
            (rest.get(digits) == Some(&b';')).then_some((number, digits + 3))
        }
        _ => None,
    })
}

/// Takes back the one escape that we add to JSON.
fn hashes(output: &[u8]) -> Vec<u8> {
    unescaped(output, |rest| {
        rest.starts_with(b"\\u0023").then_some((b'#', 6))
    })
}

/// Takes back `%XX` of URLs and workflow commands.
fn percents(output: &[u8]) -> Vec<u8> {
    unescaped(output, |rest| match rest {
        [b'%', high, low, ..] => {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            let byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
            Some((byte, 3))
        }
        _ => None,
    })
}

/// Copies `output`, with every escape that `escape` sees at the start of the rest replaced by its byte.
fn unescaped(output: &[u8], escape: impl Fn(&[u8]) -> Option<(u8, usize)>) -> Vec<u8> {
    let mut text = Vec::with_capacity(output.len());
    let mut rest = output;
    while let Some(&first) = rest.first() {
        let (byte, width) = escape(rest).unwrap_or((first, 1));
        text.push(byte);
        rest = rest.get(width..).unwrap_or_default();
    }
    text
}

/// Returns the report without a byte of text from outside: what is left in an output of it are our own words and numbers.
fn blank(report: &Report) -> Report {
    let mut blank = report.clone();
    if let Scope::Directory(path) = &mut blank.scope {
        *path = BlobPath::default();
    }
    let suppressed = blank.suppressed.iter_mut().map(|s| {
        s.reason.clear();
        &mut s.finding
    });
    for finding in blank.findings.iter_mut().chain(suppressed) {
        blank_finding(finding);
    }
    for skip in &mut blank.ledger.skips {
        skip.path = BlobPath::default();
        skip.detail.clear();
    }
    blank.ledger.notes.clear();
    blank.unused_suppressions.clear();
    blank
}

fn blank_finding(finding: &mut Finding) {
    let clear = |location: &mut Location| location.path = BlobPath::default();
    finding.message.clear();
    finding.further.clear();
    finding.excerpt = None;
    clear(&mut finding.location);
    finding
        .occurrences
        .iter_mut()
        .for_each(|o| clear(&mut o.location));
    for related in &mut finding.related {
        related.message.clear();
        clear(&mut related.location);
        if let Some(commit) = &mut related.introduced {
            commit.author.clear();
        }
    }
    if let Some(attribution) = &mut finding.attribution {
        attribution.path = None;
        let commits = [
            &mut attribution.introduced,
            &mut attribution.last_seen,
            &mut attribution.removed,
        ];
        commits.into_iter().flatten().for_each(|c| c.author.clear());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Options, render, sample};

    /// Puts the text where every format shows it.
    fn plant(report: &mut Report, text: &str) {
        let attribution = report.findings[0].attribution.as_mut().unwrap();
        attribution.introduced.as_mut().unwrap().author = text.to_owned();
    }

    #[test]
    fn no_format_releases_a_planted_value() {
        for format in Format::ALL {
            for (nth, value) in sample::VALUES.iter().enumerate().take(4) {
                let mut report = sample::report();
                plant(&mut report, &format!("found {value} here"));
                let error = render(&report, format, &Options::default()).unwrap_err();
                let ReportError::Leak { fingerprint, .. } = &error;
                let owner = report
                    .findings
                    .iter()
                    .find(|f| f.secret == Secret::new(sample::VALUES[nth].as_bytes()));
                assert_eq!(fingerprint, &owner.unwrap().fingerprint, "{format:?}");
                assert!(!error.to_string().contains(value));
            }
        }
    }

    #[test]
    fn values_in_paths_are_met_in_every_format() {
        for format in Format::ALL {
            let mut report = sample::report();
            let path = format!("x/{}", sample::VALUES[3]);
            report.findings[0].location.path = BlobPath::from(path.as_str());
            report.findings[0].provenance.place = crate::model::Place::File;
            assert!(
                render(&report, format, &Options::default()).is_err(),
                "{format:?}"
            );
        }
    }

    #[test]
    fn a_value_that_is_a_word_of_ours_is_no_leak() {
        for format in Format::ALL {
            let mut report = sample::report();
            report.findings[0].secret = Secret::new(b"INCOMPLETE:");
            report.findings[1].secret = Secret::new(b"start_line");
            assert!(
                render(&report, format, &Options::default()).is_ok(),
                "{format:?}"
            );
        }
    }

    #[test]
    fn reveal_lifts_the_search_where_values_are_shown() {
        let options = Options {
            reveal: true,
            ..Options::default()
        };
        for format in Format::ALL {
            let mut report = sample::report();
            plant(&mut report, sample::VALUES[0]);
            let shown = render(&report, format, &options).is_ok();
            assert_eq!(shown, format.can_reveal(), "{format:?}");
        }
    }
}
