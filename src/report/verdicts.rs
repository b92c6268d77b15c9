//! Phrases for verdicts: what the stores say of a finding, and what was read to say it. Plain text; a format escapes it.

use crate::{
    model::{
        NotCompared, ProviderState, StoreCoverage, StorePlace, StoreState, Urgency, Uses, Verdict,
        Verification,
    },
    report::words::{count, grouped, safe},
};

/// Stands where key names are left out (`--redact-paths`).
const WITHHELD: &str = StorePlace::WITHHELD;

/// Returns the words before a verdict that say how soon somebody must act.
const fn urgent(verdict: &Verdict) -> &'static str {
    match (verdict.urgency, &verdict.store) {
        (Urgency::Now, _) => "LIVE: ",
        // No store has it: nothing says that it is live, and nothing that it is not.
        (Urgency::Soon, StoreState::NotFound { complete: true, .. }) => "unmanaged: ",
        (Urgency::Soon, _) => "likely live: ",
        (Urgency::Later | Urgency::Remediated, _) => "",
    }
}

/// Returns one sentence about a verdict, without a full stop.
pub(super) fn sentence(verdict: &Verdict) -> String {
    let mut text = urgent(verdict).to_owned();
    let place = verdict.place.as_ref().map(place);
    let there = place.unwrap_or_else(|| "the store".to_owned());
    text.push_str(&match &verdict.store {
        StoreState::Current => format!("the current value of {there}"),
        StoreState::Pending => format!("the pending value of {there}: a rotation under way"),
        StoreState::Previous { behind, since } => {
            let since = since.as_deref().and_then(|since| since.get(..16));
            let since = since.map_or_else(String::new, |day| {
                format!(", until {} UTC", safe(&day.replace('T', " ")))
            });
            let ago = match behind {
                1 => "the value before the current one".to_owned(),
                n => format!(
                    "{} versions behind the current value",
                    grouped(u64::from(*n))
                ),
            };
            format!("{ago} of {there}{since}")
        }
        StoreState::Disabled => format!("a disabled version of {there}"),
        StoreState::SoftDeleted => format!("a deleted version of {there}"),
        StoreState::Destroyed => format!("a destroyed version of {there}"),
        StoreState::IdentityOnly => {
            format!("only an id, user, host or another part that is no secret stands in {there}")
        }
        StoreState::WriteOnly => {
            format!("{there} has this name; the store tells no values")
        }
        StoreState::NotFound { complete: true, .. } => {
            "in no store, all of which were read whole; what it opens is not known".to_owned()
        }
        StoreState::NotFound { unread: true, .. } => {
            "not looked for: nothing of any store could be read".to_owned()
        }
        StoreState::NotFound { .. } => "in nothing that could be read of the stores".to_owned(),
        StoreState::NotCompared { why } => not_compared(*why).to_owned(),
    });
    match &verdict.provider {
        ProviderState::Accepted => text.push_str("; its system accepts it"),
        ProviderState::Refused => text.push_str(&match &verdict.refused_at {
            None => "; its system refuses it".to_owned(),
            Some(at) => format!(
                "; its system refused it at {}, when it was rotated",
                safe(at)
            ),
        }),
        ProviderState::Unknown { why } => {
            text.push_str(&format!(
                "; whether its system accepts it is not known: {}",
                safe(why)
            ));
        }
        ProviderState::NotChecked => {}
    }
    text
}

const fn not_compared(why: NotCompared) -> &'static str {
    match why {
        NotCompared::TooWeak => "not compared with the stores: the value could be guessed",
        NotCompared::OverLimit => {
            "not compared with the stores: more values than one run may compare"
        }
        NotCompared::NoValue => {
            "not compared with the stores: its value is not known, scan again and verify in one run"
        }
        NotCompared::NoSecret => "nothing to compare with the stores",
    }
}

/// Returns the facts beside the sentence, each as a short line: how sure, who owns and reads it, how old, where else.
pub(super) fn facts(verdict: &Verdict) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(by) = verdict.by {
        facts.push(format!("match: {}, {} % sure", by.as_str(), by.percent()));
    }
    if let Some(owner) = &verdict.owner {
        facts.push(format!("owner: {}", safe(owner)));
    }
    if let Some(readers) = &verdict.readers {
        let names: Vec<String> = readers.sample.iter().map(|name| safe(name)).collect();
        let least = if readers.complete { "" } else { "at least " };
        let known = count(readers.known, "reader", "readers");
        facts.push(format!("{least}{known}: {}", names.join(", ")));
    }
    if let Some(age) = verdict.age {
        let days = count(u64::from(age.days), "day", "days");
        facts.push(match age.allowed_days {
            Some(allowed) if age.is_overdue() => {
                format!("age of the current value: {days}, {allowed} are allowed: overdue")
            }
            _ => format!("age of the current value: {days}"),
        });
    }
    for place in &verdict.also {
        facts.push(format!("also in {}", self::place(place)));
    }
    if verdict.more > 0 {
        facts.push(format!("and in {} more places", grouped(verdict.more)));
    }
    facts.extend(verdict.uses.iter().flat_map(uses));
    facts
}

/// Returns what an audit log says: one line, and one for each path, principal and address.
fn uses(uses: &Uses) -> Vec<String> {
    let when = |time: &Option<String>| safe(time.as_deref().unwrap_or("?"));
    let log = format!("audit log of {}", safe(&uses.store));
    if !uses.compared {
        return vec![format!(
            "{log}: not looked for, it could be guessed or is no text"
        )];
    }
    let unread = if uses.log_unread > 0 {
        format!(", {} unreadable", grouped(uses.log_unread))
    } else {
        String::new()
    };
    if uses.requests == 0 {
        let entries = count(uses.log_entries, "entry", "entries");
        return vec![format!(
            "{log}: no use in {entries} since {}{unread}",
            when(&uses.log_from)
        )];
    }
    let requests = count(uses.requests, "use", "uses");
    let mut lines = vec![format!(
        "{log}: {requests} from {} to {}{unread}",
        when(&uses.first),
        when(&uses.last)
    )];
    let groups = [
        (&uses.paths, ""),
        (&uses.principals, "by "),
        (&uses.addresses, "from "),
    ];
    for (group, word) in groups {
        for (name, n) in group {
            lines.push(format!("{log}: {word}{}: {}", safe(name), grouped(*n)));
        }
    }
    if uses.more > 0 {
        lines.push(format!("{log}: and {} more", grouped(uses.more)));
    }
    lines
}

/// Returns `prod:secret/db (password, version 3, production)`.
pub(super) fn place(place: &StorePlace) -> String {
    let details: Vec<String> = [
        place.field.as_deref().map(safe),
        place
            .version
            .as_deref()
            .map(|v| format!("version {}", safe(v))),
        place.environment.as_deref().map(safe),
    ]
    .into_iter()
    .flatten()
    .collect();
    // An index without names knows the store alone.
    let key = if place.key.is_empty() {
        format!("the store {}", safe(&place.store))
    } else {
        format!("{}:{}", safe(&place.store), safe(&place.key))
    };
    if details.is_empty() {
        key
    } else {
        format!("{key} ({})", details.join(", "))
    }
}

/// Returns one line a store, and what was not read of it.
pub(super) fn coverage(verification: &Verification) -> Vec<(String, Vec<String>)> {
    let stores = verification.stores.iter();
    stores
        .map(|store| (headline(store), problems(store)))
        .collect()
}

fn headline(store: &StoreCoverage) -> String {
    let mut text = format!(
        "{}: {} of {} read, {}",
        safe(&store.store),
        grouped(store.read),
        count(store.listed, "key", "keys"),
        count(store.versions, "version", "versions"),
    );
    if store.narrowed {
        text.push_str(", only the part that stores.toml names");
    }
    for (n, what) in [
        (store.denied, "denied"),
        (store.failed, "failed"),
        (store.hidden, "hidden by the store"),
        (store.deleted, "deleted versions not comparable"),
        (store.trimmed, "with older versions thrown away"),
    ] {
        if n > 0 {
            text.push_str(&format!(", {} {what}", grouped(n)));
        }
    }
    text
}

fn problems(store: &StoreCoverage) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(why) = &store.stopped {
        lines.push(format!("STOPPED: {}", safe(why)));
    }
    for problem in store.problems.iter().take(10) {
        lines.push(format!("{}: {}", safe(&problem.key), safe(&problem.what)));
    }
    let more = store.problems.len().saturating_sub(10) as u64;
    if more > 0 {
        lines.push(format!(
            "and {} more; --output json lists them",
            grouped(more)
        ));
    }
    lines
}

/// Returns all that is told of the stores, a line each; none if they were not asked.
pub(super) fn lines(report: &crate::scan::Report) -> Vec<String> {
    let Some(verification) = &report.verification else {
        return Vec::new();
    };
    let mut lines = vec![compared(verification)];
    for (headline, problems) in coverage(verification) {
        lines.push(headline);
        lines.extend(problems);
    }
    lines.extend(
        shared(verification)
            .into_iter()
            .map(|line| format!("shared: {line}")),
    );
    lines
}

/// Returns what was not read of the stores, a line each.
pub(super) fn unread(report: &crate::scan::Report) -> Vec<String> {
    let stores = report.verification.iter().flat_map(|v| &v.stores);
    stores
        .filter(|store| !store.is_read())
        .flat_map(|store| std::iter::once(headline(store)).chain(problems(store)))
        .collect()
}

/// Returns one line about what was compared.
pub(super) fn compared(verification: &Verification) -> String {
    let mut text = format!(
        "{}{} compared with {}",
        count(verification.compared, "value", "values"),
        with_parts(verification),
        count(verification.stores.len() as u64, "store", "stores")
    );
    for (n, what) in [
        (verification.too_weak, "too weak to be compared"),
        (verification.over_limit, "over the limit of one run"),
        (verification.without_value, "without a known value"),
        (verification.unprobed, "whose target could not be asked"),
    ] {
        if n > 0 {
            text.push_str(&format!(", {} {what}", grouped(n)));
        }
    }
    text
}

/// Returns how many texts were compared, if that is more than the values alone.
fn with_parts(verification: &Verification) -> String {
    if verification.candidates > verification.compared {
        format!(" ({} with their parts)", grouped(verification.candidates))
    } else {
        String::new()
    }
}

/// Returns one line a value that keys share.
pub(super) fn shared(verification: &Verification) -> Vec<String> {
    let lines = verification.shared.iter().map(|shared| {
        let places: Vec<String> = shared.places.iter().map(place).collect();
        let across = if shared.crosses_environments {
            "across environments: "
        } else {
            ""
        };
        format!("{across}{}", places.join(", "))
    });
    lines.collect()
}

/// Returns how many findings are live, as `2 are live`; `None` if none is.
pub(super) fn live(report: &crate::scan::Report) -> Option<String> {
    let is_live =
        |finding: &&crate::model::Finding| finding.verdict.as_ref().is_some_and(Verdict::is_live);
    match report.findings.iter().filter(is_live).count() as u64 {
        0 => None,
        1 => Some("1 is live".to_owned()),
        n => Some(format!("{} are live", grouped(n))),
    }
}

/// Makes every text of a store safe on a terminal.
pub(super) fn sanitise(report: &mut crate::scan::Report) {
    let clean = |text: &mut String| *text = safe(text);
    let clean_place = |place: &mut StorePlace| {
        clean(&mut place.key);
        clean(&mut place.store);
        for text in [&mut place.version, &mut place.field, &mut place.environment] {
            text.iter_mut().for_each(clean);
        }
    };
    let suppressed = report.suppressed.iter_mut().map(|s| &mut s.finding);
    for finding in report.findings.iter_mut().chain(suppressed) {
        if let Some(verdict) = &mut finding.verdict {
            verdict.place.iter_mut().for_each(clean_place);
            verdict.also.iter_mut().for_each(clean_place);
            verdict.owner.iter_mut().for_each(clean);
            let readers = verdict.readers.iter_mut();
            readers.flat_map(|r| &mut r.sample).for_each(clean);
            for uses in &mut verdict.uses {
                clean(&mut uses.store);
                [&mut uses.first, &mut uses.last, &mut uses.log_from]
                    .into_iter()
                    .flatten()
                    .for_each(clean);
                for group in [&mut uses.paths, &mut uses.principals, &mut uses.addresses] {
                    *group = std::mem::take(group)
                        .into_iter()
                        .map(|(name, n)| (safe(&name), n))
                        .collect();
                }
            }
        }
    }
    let Some(verification) = &mut report.verification else {
        return;
    };
    for store in &mut verification.stores {
        clean(&mut store.store);
        clean(&mut store.address);
        store.stopped.iter_mut().for_each(clean);
        for problem in &mut store.problems {
            clean(&mut problem.key);
            clean(&mut problem.what);
        }
    }
    let shared = verification.shared.iter_mut();
    shared
        .flat_map(|shared| &mut shared.places)
        .for_each(clean_place);
}

/// Leaves out the names of keys and fields: for reports that are shown to people who may not know them.
pub(super) fn withhold(report: &mut crate::scan::Report) {
    let hide = |place: &mut StorePlace| {
        WITHHELD.clone_into(&mut place.key);
        place.field = None;
    };
    let suppressed = report.suppressed.iter_mut().map(|s| &mut s.finding);
    for finding in report.findings.iter_mut().chain(suppressed) {
        if let Some(verdict) = &mut finding.verdict {
            verdict.place.iter_mut().for_each(hide);
            verdict.also.iter_mut().for_each(hide);
            verdict.owner = None;
            verdict.readers = None;
            for uses in &mut verdict.uses {
                uses.paths.clear();
                uses.principals.clear();
                uses.addresses.clear();
            }
        }
    }
    if let Some(verification) = &mut report.verification {
        for store in &mut verification.stores {
            for problem in &mut store.problems {
                WITHHELD.clone_into(&mut problem.key);
            }
        }
        for shared in &mut verification.shared {
            shared.places.iter_mut().for_each(hide);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        model::{MatchKind, StoreProblem},
        report::{Format, Options, render, sample},
    };

    /// Returns the sample with each finding's verdict another one.
    fn verified() -> crate::scan::Report {
        let mut report = sample::report();
        let states = [
            (StoreState::Current, ProviderState::Accepted, Urgency::Now),
            (
                StoreState::Previous {
                    behind: 1,
                    since: Some("2026-01-02T03:04:05Z".to_owned()),
                },
                ProviderState::Refused,
                Urgency::Remediated,
            ),
            (
                StoreState::NotFound {
                    complete: false,
                    unread: false,
                },
                ProviderState::NotChecked,
                Urgency::Later,
            ),
            (
                StoreState::NotCompared {
                    why: NotCompared::TooWeak,
                },
                ProviderState::NotChecked,
                Urgency::Later,
            ),
        ];
        for (finding, (store, provider, urgency)) in report.findings.iter_mut().zip(states) {
            let is_there = matches!(store, StoreState::Current | StoreState::Previous { .. });
            finding.judge(Verdict {
                store,
                provider,
                refused_at: None,
                urgency,
                by: is_there.then_some(MatchKind::Exact),
                place: is_there.then(shop_db),
                owner: Some("team-shop".to_owned()),
                readers: None,
                age: None,
                also: Vec::new(),
                more: 0,
                uses: vec![uses_of("shop-db-reader")],
            });
        }
        report.verification = Some(verification());
        report
    }

    /// Returns uses by somebody whose name is withheld with the keys'.
    fn uses_of(who: &str) -> Uses {
        Uses {
            store: "prod".to_owned(),
            compared: true,
            requests: 2,
            first: Some("2026-01-02T03:04:05Z".to_owned()),
            last: Some("2026-01-03T03:04:05Z".to_owned()),
            paths: BTreeMap::from([("read secret/data/shop-db".to_owned(), 2)]),
            principals: BTreeMap::from([(who.to_owned(), 2)]),
            addresses: BTreeMap::from([("shop-db.example\u{1b}[2J".to_owned(), 2)]),
            log_entries: 7,
            ..Uses::default()
        }
    }

    fn shop_db() -> StorePlace {
        StorePlace {
            store: "prod".to_owned(),
            key: "secret/apps/shop-db".to_owned(),
            version: Some("3".to_owned()),
            field: Some("password".to_owned()),
            environment: Some("production".to_owned()),
        }
    }

    fn verification() -> Verification {
        let problem = StoreProblem {
            key: "secret/ops/root".to_owned(),
            what: "access is denied; ask for read".to_owned(),
            fault: None,
        };
        let store = StoreCoverage {
            store: "prod".to_owned(),
            address: "vault: https://vault.example".to_owned(),
            listed: 12,
            read: 11,
            versions: 30,
            denied: 1,
            problems: vec![problem],
            ..StoreCoverage::default()
        };
        Verification {
            stores: vec![store],
            compared: 3,
            too_weak: 1,
            ..Verification::default()
        }
    }

    #[test]
    fn every_format_tells_verdicts() {
        let report = verified();
        for format in Format::ALL {
            let text = render(&report, format, &Options::default()).unwrap();
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains("shop-db"), "{format:?}\n{text}");
        }
    }

    #[test]
    fn the_text_report_reads_well() {
        let text = render(&verified(), Format::Text, &Options::default()).unwrap();
        let text = String::from_utf8(text).unwrap();
        let told: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("verdict") || line.contains("severity:"))
            .collect();
        let end = text.split("Stores:").nth(1).unwrap();
        insta::assert_snapshot!(format!("{}\n--\nStores:{end}", told.join("\n")));
    }

    #[test]
    fn names_of_keys_can_be_left_out() {
        let options = Options {
            redact_paths: true,
            ..Options::default()
        };
        for format in Format::ALL {
            let text = render(&verified(), format, &options).unwrap();
            let text = String::from_utf8(text).unwrap();
            assert!(
                !text.contains("shop-db") && !text.contains("ops/root"),
                "{format:?}"
            );
        }
    }

    #[test]
    fn severity_follows_the_verdict() {
        let report = verified();
        let severities: Vec<&str> = report
            .findings
            .iter()
            .map(|f| f.severity.as_str())
            .collect();
        assert_eq!(severities.first(), Some(&"critical"));
        assert_eq!(severities.get(1), Some(&"info"));
        let before: Vec<&str> = sample::report()
            .findings
            .iter()
            .map(|f| f.severity.as_str())
            .collect();
        assert_eq!(severities.get(2..), before.get(2..));
    }
}
