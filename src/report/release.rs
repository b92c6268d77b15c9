//! The last look at an output before it leaves: it must not hold a secret of the run.
//!
//! The scan has masked every text already; this is the second net. Each output is searched as it is and with our own
//! escapes taken back, for each secret in its plain and its encoded forms (see [`Redactor`] for which values are searched).
//!
//! Who owns the scanned tree chooses values, too. One that is part of our own words, or begins in a text and ends in them, tells nobody
//! anything and holds no report back; where one stands in a text all the same, texts are left out until none does.

use std::borrow::Cow;

use crate::{
    engine::Redactor,
    model::{Attribution, BlobPath, Excerpt, Finding, Location, Secret, StorePlace, Verdict},
    report::{Format, ReportError},
    scan::{Report, Scope},
};

/// Stands before and behind each text of the scanned side where it is asked whether a value is all in one: a sign that no format has.
const FENCE: char = '\u{e000}';

/// Said in a report in which texts were left out.
const LEFT_OUT: &str = "texts were left out of this report: what is put together of them would have held the value of a finding";

/// Returns what `write` makes of the report, without the texts that would show a value.
///
/// # Errors
/// [`ReportError::Leak`] when it holds a value that no text from outside brings: that is a fault of ours.
pub(super) fn release(
    report: &Report,
    format: Format,
    write: impl Fn(&Report) -> Vec<u8>,
) -> Result<Vec<u8>, ReportError> {
    let output = write(report);
    let leaks = leaks(report, &output, &write);
    if leaks.is_empty() {
        return Ok(output);
    }
    for depth in [Depth::Holding, Depth::Texts, Depth::All] {
        let mut safe = report.clone();
        leave_out(&mut safe, depth, &leaks);
        safe.ledger.notes.push(LEFT_OUT.to_owned());
        safe.ledger.notes.sort();
        let output = write(&safe);
        if self::leaks(&safe, &output, &write).is_empty() {
            return Ok(output);
        }
    }
    match leaks.first() {
        None => Ok(output),
        Some(finding) => Err(ReportError::Leak {
            format,
            rule: finding.rule.clone(),
            fingerprint: finding.fingerprint.clone(),
        }),
    }
}

/// Tells whether a value of the run stands in one of the texts.
pub(super) fn is_told<'t>(report: &Report, texts: impl Iterator<Item = &'t String>) -> bool {
    let suppressed = report.suppressed.iter().map(|s| &s.finding);
    let findings: Vec<&Finding> = report.findings.iter().chain(suppressed).collect();
    let texts = texts.flat_map(|text| variants(text.as_bytes()));
    redactor(&findings).met(texts).contains(&true)
}

/// Returns the findings whose value an output shows: it stands there, is no part of our own words, and is all in one text.
fn leaks<'r>(
    report: &'r Report,
    output: &[u8],
    write: &impl Fn(&Report) -> Vec<u8>,
) -> Vec<&'r Finding> {
    let suppressed = report.suppressed.iter().map(|s| &s.finding);
    let findings: Vec<&Finding> = report.findings.iter().chain(suppressed).collect();
    let mut found = held(findings, variants(output), true);
    if !found.is_empty() {
        found = held(found, variants(&write(&blank(report))), false);
    }
    if !found.is_empty() {
        found = held(found, variants(&write(&fenced(report))), true);
    }
    found
}

/// Returns the findings whose value stands in one of the texts, or in none.
fn held<'a, 't>(
    findings: Vec<&'a Finding>,
    texts: impl Iterator<Item = Cow<'t, [u8]>>,
    stands: bool,
) -> Vec<&'a Finding> {
    let met = redactor(&findings).met(texts);
    let kept = findings.into_iter().zip(met);
    kept.filter(|(_, is_met)| *is_met == stands)
        .map(|(finding, _)| finding)
        .collect()
}

/// Which texts are left out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Those that hold a value by themselves, with escapes taken back.
    Holding,
    /// All but paths.
    Texts,
    /// All.
    All,
}

/// Replaces texts by a few stars.
fn leave_out(report: &mut Report, depth: Depth, leaks: &[&Finding]) {
    const STARS: &str = "***";
    let redactor = redactor(leaks);
    let is_out = |text: &str| {
        let mut texts = variants(text.as_bytes());
        depth != Depth::Holding || texts.any(|text| redactor.finds(&text))
    };
    edit(report, &mut |text| match text {
        Text::Path(path) if depth != Depth::Texts && is_out(&path.to_text()) => {
            *path = BlobPath::from(STARS)
        }
        Text::Line(line) if is_out(line) => *line = STARS.to_owned(),
        Text::Excerpt(excerpt) if excerpt.as_ref().is_some_and(|one| is_out(&one.text)) => {
            *excerpt = None
        }
        Text::Path(_) | Text::Line(_) | Text::Excerpt(_) => {}
    });
}

fn redactor(findings: &[&Finding]) -> Redactor {
    let secrets: Vec<&Secret> = findings.iter().map(|f| &f.secret).collect();
    Redactor::new(&secrets)
}

/// Returns the output as it is, and without the escapes that our formats add to single characters; one at a time, for it may be large.
fn variants(output: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    // A name may bring escapes of its own.
    let both = |output: &[u8]| references(&percents(output));
    let others = [references, percents, hashes, both as fn(&[u8]) -> Vec<u8>];
    let others = others.into_iter().map(move |unescape| unescape(output));
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
    edit(&mut blank, &mut |text| match text {
        Text::Path(path) => *path = BlobPath::default(),
        Text::Line(line) => line.clear(),
        Text::Excerpt(excerpt) => *excerpt = None,
    });
    blank.ledger.notes.clear();
    blank.unused_suppressions.clear();
    blank
}

/// Returns the report with each text from outside fenced off from our own words.
fn fenced(report: &Report) -> Report {
    let mut fenced = report.clone();
    edit(&mut fenced, &mut |text| match text {
        Text::Path(path) => {
            let fence = FENCE.to_string();
            *path = BlobPath::new([fence.as_bytes(), path.as_bytes(), fence.as_bytes()].concat());
        }
        Text::Line(line) => *line = fence(line),
        Text::Excerpt(Some(excerpt)) => {
            let upto = |at: usize| {
                fence(excerpt.text.get(..at).unwrap_or_default()).len() - FENCE.len_utf8()
            };
            (excerpt.start, excerpt.end) = (upto(excerpt.start), upto(excerpt.end));
            excerpt.text = fence(&excerpt.text);
        }
        Text::Excerpt(None) => {}
    });
    fenced
}

/// Fences each line.
fn fence(text: &str) -> String {
    let lines = text.replace('\n', &format!("{FENCE}\n{FENCE}"));
    format!("{FENCE}{lines}{FENCE}")
}

/// A text of the scanned side.
enum Text<'t> {
    Path(&'t mut BlobPath),
    Line(&'t mut String),
    Excerpt(&'t mut Option<Excerpt>),
}

/// Hands out every text of the scanned side.
fn edit(report: &mut Report, see: &mut dyn FnMut(Text<'_>)) {
    if let Scope::Directory(path) = &mut report.scope {
        see(Text::Path(path));
    }
    let suppressed = report.suppressed.iter_mut().map(|s| {
        see(Text::Line(&mut s.reason));
        &mut s.finding
    });
    let suppressed: Vec<&mut Finding> = suppressed.collect();
    for finding in report.findings.iter_mut().chain(suppressed) {
        edit_finding(finding, see);
    }
    for skip in &mut report.ledger.skips {
        see(Text::Path(&mut skip.path));
        see(Text::Line(&mut skip.detail));
    }
    if let Some(verification) = &mut report.verification {
        for problem in verification
            .stores
            .iter_mut()
            .flat_map(|store| &mut store.problems)
        {
            see(Text::Line(&mut problem.key));
        }
        for place in verification
            .shared
            .iter_mut()
            .flat_map(|shared| &mut shared.places)
        {
            edit_store_place(place, see);
        }
    }
    let lines = report.ledger.notes.iter_mut();
    for line in lines.chain(&mut report.unused_suppressions) {
        see(Text::Line(line));
    }
}

/// Hands out the texts of a store that a verdict names.
fn edit_verdict(verdict: &mut Verdict, see: &mut dyn FnMut(Text<'_>)) {
    for place in verdict.place.iter_mut().chain(&mut verdict.also) {
        edit_store_place(place, see);
    }
    verdict
        .owner
        .iter_mut()
        .for_each(|owner| see(Text::Line(owner)));
    let readers = verdict.readers.iter_mut();
    for name in readers.flat_map(|readers| &mut readers.sample) {
        see(Text::Line(name));
    }
}

fn edit_store_place(place: &mut StorePlace, see: &mut dyn FnMut(Text<'_>)) {
    see(Text::Line(&mut place.key));
    let rest = [&mut place.version, &mut place.field, &mut place.environment];
    for text in rest.into_iter().flatten() {
        see(Text::Line(text));
    }
}

fn edit_finding(finding: &mut Finding, see: &mut dyn FnMut(Text<'_>)) {
    if let Some(verdict) = &mut finding.verdict {
        edit_verdict(verdict, see);
    }
    let place = |location: &mut Location, see: &mut dyn FnMut(Text<'_>)| {
        see(Text::Path(&mut location.path));
    };
    see(Text::Line(&mut finding.message));
    see(Text::Excerpt(&mut finding.excerpt));
    place(&mut finding.location, see);
    for occurrence in &mut finding.occurrences {
        place(&mut occurrence.location, see);
    }
    for (_, path) in finding.further.values_mut() {
        see(Text::Path(path));
    }
    for related in &mut finding.related {
        see(Text::Line(&mut related.message));
        place(&mut related.location, see);
        if let Some(commit) = &mut related.introduced {
            see(Text::Line(&mut commit.author));
        }
    }
    if let Some(Attribution {
        introduced,
        last_seen,
        removed,
        path,
        at_head: _,
        reachable: _,
    }) = &mut finding.attribution
    {
        path.iter_mut().for_each(|path| see(Text::Path(path)));
        for commit in [introduced, last_seen, removed].into_iter().flatten() {
            see(Text::Line(&mut commit.author));
        }
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

    fn text(output: &[u8]) -> String {
        String::from_utf8_lossy(output).into_owned()
    }

    #[test]
    fn no_format_releases_a_planted_value() {
        for format in Format::ALL {
            for value in sample::VALUES.iter().take(4) {
                let mut report = sample::report();
                plant(&mut report, &format!("found {value} here"));
                let output = render(&report, format, &Options::default()).unwrap();
                assert!(!text(&output).contains(value), "{format:?}");
                let path = report.findings[0].location.path.to_text().into_owned();
                let other = report.findings[3].rule.as_str();
                assert!(text(&output).contains(other), "{format:?} {path}");
            }
        }
    }

    #[test]
    fn values_in_paths_are_left_out_of_every_format() {
        for format in Format::ALL {
            for path in [
                format!("x/{}", sample::VALUES[3]),
                "x/%74ok-Zr81xQk2mW0a\"<&>'%|".to_owned(),
            ] {
                let mut report = sample::report();
                report.findings[0].location.path = BlobPath::from(path.as_str());
                report.findings[0].provenance.place = crate::model::Place::File;
                let output = render(&report, format, &Options::default()).unwrap();
                for text in variants(&output) {
                    assert!(!self::text(&text).contains("tok-Zr81xQk2"), "{format:?}");
                }
            }
        }
    }

    #[test]
    fn a_branch_that_is_named_after_a_value_is_left_out() {
        let value = sample::VALUES[0];
        let options = Options {
            repository: Some(crate::report::Repository {
                uri: "https://git.example.org/shop".to_owned(),
                revision: None,
                branch: Some(format!("fix-{value}")),
            }),
            ..Options::default()
        };
        for format in Format::ALL {
            let output = render(&sample::report(), format, &options).unwrap();
            assert!(!text(&output).contains(value), "{format:?}");
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
            let output = render(&report, format, &options).unwrap();
            let shown = text(&output).contains(sample::VALUES[0]);
            assert_eq!(shown, format.can_reveal(), "{format:?}");
        }
    }
}
