//! SARIF 2.1.0 for code scanning of GitHub and GitLab: runs, categories, coverage and the limits of both.
//!
//! HEAD and history are separate runs with separate categories: an upload replaces all alerts of its category, so one
//! scan must never close what another found. Suppressed findings are left out unless asked for, because GitHub
//! ignores `suppressions`. Nothing here holds a snippet of a file or a mail address.

use std::collections::BTreeMap;

use super::{
    sarif_model::{
        AutomationDetails, Driver, Invocation, Location, Log, Notification, Reference, Run,
        RunProperties, SCHEMA, Text, Tool, UriBase, UriBaseReference, VersionControl,
    },
    sarif_result::{self, Entry},
    sarif_rules::Rules,
};
use crate::{
    model::{Persona, Place},
    report::{Options, Part, coverage, json, verdicts, words},
    scan::{Mode, Report, Scope},
};

/// The base of relative paths; GitHub's own name for the checkout.
pub(super) const ROOT: &str = "SRCROOT";
/// Most results of a run: GitLab's limit ("SARIF reports", 5,000), and as many as GitHub keeps of 25,000.
const MAX_RESULTS: usize = 5000;
/// Most bytes of a file: GitHub takes 10 MB of gzip, GitLab 10 MB.
const MAX_BYTES: usize = 10_000_000;
/// Most related locations of a result, tried in this order until the file is small enough. GitHub takes 1,000 and
/// shows 100.
const RELATED: [usize; 3] = [100, 10, 1];
/// Most names in a notification.
const MAX_NAMED: usize = 10;

/// Kind of notification: something was not read.
const NOT_READ: &str = "keysweep/not-read";
/// Kind of notification: results were left out because a forge limits their number.
const LEFT_OUT: &str = "keysweep/left-out";
/// Kind of notification: a fact that matters for judging the run.
const NOTE: &str = "keysweep/note";

/// What a file may hold.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Results of a run.
    pub(super) results: usize,
    /// Related locations of a result.
    pub(super) related: usize,
}

/// Returns the file, within the limits of both forges; what does not fit is named in a notification.
pub(super) fn write(report: &Report, options: &Options) -> Vec<u8> {
    within(report, options, MAX_BYTES)
}

fn within(report: &Report, options: &Options, max_bytes: usize) -> Vec<u8> {
    let mut results = MAX_RESULTS;
    let mut related = RELATED.into_iter();
    let mut limits = Limits {
        results,
        related: related.next().unwrap_or_default(),
    };
    loop {
        let file = json::compact(&log(report, options, limits));
        if file.len() <= max_bytes || results == 0 {
            return file;
        }
        match related.next() {
            Some(fewer) => limits.related = fewer,
            None => {
                results = results.min(report.findings.len()) * 3 / 4;
                limits.results = results;
            }
        }
    }
}

fn log<'a>(report: &'a Report, options: &'a Options, limits: Limits) -> Log<'a> {
    let has_history = matches!(report.mode, Mode::Range | Mode::History);
    let (head, history) = match options.sarif.part {
        Part::All => (true, has_history),
        Part::Head => (true, false),
        Part::History => (false, has_history),
    };
    let mut runs = Vec::new();
    for (wanted, is_head) in [(head, true), (history, false)] {
        if wanted {
            runs.push(run(report, options, is_head, limits));
        }
    }
    Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs,
    }
}

fn run<'a>(report: &'a Report, options: &'a Options, head: bool, limits: Limits) -> Run<'a> {
    let mut entries = sarif_result::entries(report, options, head);
    let left_out = entries.len().saturating_sub(limits.results);
    entries.truncate(limits.results);
    let mut rules = Rules::new(report);
    let results = entries
        .iter()
        .map(|entry: &Entry<'_>| sarif_result::result(entry, &mut rules, options, limits))
        .collect();
    Run {
        tool: Tool {
            driver: Driver {
                name: env!("CARGO_PKG_NAME"),
                semantic_version: env!("CARGO_PKG_VERSION"),
                information_uri: Some(env!("CARGO_PKG_REPOSITORY")).filter(|uri| !uri.is_empty()),
                rules: rules.into_list(),
            },
        },
        automation_details: AutomationDetails {
            id: category(report, head, options),
        },
        invocations: vec![Invocation {
            execution_successful: !words::is_incomplete(report),
            start_time_utc: options.started.as_deref(),
            end_time_utc: options.ended.as_deref(),
            tool_execution_notifications: notifications(report, left_out),
        }],
        original_uri_base_ids: BTreeMap::from([(
            ROOT,
            UriBase {
                description: text("The root of the scanned tree or repository."),
            },
        )]),
        version_control_provenance: version_control(options),
        column_kind: "unicodeCodePoints",
        results,
        properties: RunProperties {
            mode: report.mode.as_str(),
            only: report.looked_for.only(),
            persona: report.looked_for.policy.map(Persona::as_str),
            complete: !words::is_incomplete(report),
            rules_run: report.rules_run,
            results_left_out: left_out,
            suppressed: report.suppressed.len(),
            ledger: &report.ledger,
            verification: report.verification.as_ref(),
        },
    }
}

/// Returns the category: what stands before the last `/` is what an upload replaces.
fn category(report: &Report, head: bool, options: &Options) -> String {
    // A range, the index or a part of the tree is a part of HEAD: under HEAD's category its upload would close the alerts
    // of the rest.
    let part = match (report.mode, head) {
        (Mode::Tree, true) => match &report.scope {
            Scope::Whole => "head".to_owned(),
            Scope::Directory(path) => format!("directory/{}", path.to_uri()),
            Scope::Files => "files".to_owned(),
        },
        (Mode::History, true) => "head".to_owned(),
        (Mode::Range, true) => "range".to_owned(),
        (Mode::Staged, true) => "staged".to_owned(),
        (Mode::Stdin, true) => "stdin".to_owned(),
        (Mode::Range, false) => "range-history".to_owned(),
        (Mode::Tree | Mode::History | Mode::Staged | Mode::Stdin, false) => "history".to_owned(),
    };
    let word = options.sarif.category.as_deref();
    let word = word.map(|word| format!("{}/", word.trim_matches('/')));
    // One half closes no alert of the other.
    let half = report.looked_for.only();
    let half = half.map(|only| format!("only-{only}/"));
    format!(
        "keysweep/{}{}{part}/",
        word.unwrap_or_default(),
        half.unwrap_or_default()
    )
}

fn version_control(options: &Options) -> Vec<VersionControl<'_>> {
    let repository = options.repository.iter();
    repository
        .map(|repository| VersionControl {
            repository_uri: &repository.uri,
            revision_id: repository.revision.as_deref(),
            branch: repository.branch.as_deref(),
            mapped_to: UriBaseReference { uri_base_id: ROOT },
        })
        .collect()
}

fn notifications(report: &Report, left_out: usize) -> Vec<Notification> {
    let mut all = Vec::new();
    if words::is_incomplete(report) {
        all.push(notification(NOT_READ, "error", words::closing(report)));
    }
    if left_out > 0 {
        let left = words::count(left_out as u64, "result is", "results are");
        let message = format!(
            "{left} left out because code scanning takes {} a run and 10 MB; those in this file are the worst.",
            words::grouped(MAX_RESULTS as u64)
        );
        all.push(notification(LEFT_OUT, "warning", message));
    }
    for gap in coverage::gaps(&report.ledger, MAX_NAMED) {
        let level = if gap.cause.is_gap() { "error" } else { "note" };
        let message =
            sarif_result::plain(&format!("{}: {}.", gap.headline(), gap.names().join(", ")));
        let mut one = notification(NOT_READ, level, message);
        one.locations = gap
            .named
            .iter()
            .filter(|skip| !skip.path.as_bytes().starts_with(b"<"))
            .filter(|skip| words::has_file(Place::File, &skip.path))
            .map(|skip| Location::new(sarif_result::artifact(&skip.path)))
            .collect();
        all.push(one);
    }
    for line in verdicts::unread(report) {
        all.push(notification("keysweep/not-verified", "warning", line));
    }
    for note in &report.ledger.notes {
        let sentence = format!("{}.", words::unstopped(&sarif_result::plain(note)));
        all.push(notification(NOTE, "note", sentence));
    }
    all
}

fn notification(id: &'static str, level: &'static str, message: String) -> Notification {
    Notification {
        descriptor: Reference { id },
        level,
        message: text(words::cap(&message, sarif_result::MAX_TEXT).as_ref()),
        locations: Vec::new(),
    }
}

pub(super) fn text(text: &str) -> Text {
    Text {
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        model::Severity,
        report::{Repository, sample},
        scan::LookedFor,
    };

    fn parsed(file: &[u8]) -> Value {
        serde_json::from_slice(file).unwrap()
    }

    fn options() -> Options {
        Options {
            repository: Some(Repository {
                uri: "https://git.example/team/project".to_owned(),
                revision: Some("1b".repeat(20)),
                branch: Some("main".to_owned()),
            }),
            started: Some("2026-01-31T12:00:00Z".to_owned()),
            ..Options::default()
        }
    }

    #[test]
    fn the_file_has_two_runs_for_head_and_history() {
        let file = parsed(&write(&sample::report(), &options()));
        insta::assert_snapshot!(serde_json::to_string_pretty(&file).unwrap());
    }

    #[test]
    fn categories_keep_scans_apart() {
        let ids = |mode, part| -> Vec<String> {
            let mut report = sample::report();
            report.mode = mode;
            let mut options = options();
            options.sarif.part = part;
            log(
                &report,
                &options,
                Limits {
                    results: 9,
                    related: 9,
                },
            )
            .runs
            .iter()
            .map(|run| run.automation_details.id.clone())
            .collect()
        };
        assert_eq!(
            ids(Mode::History, Part::All),
            ["keysweep/head/", "keysweep/history/"]
        );
        assert_eq!(ids(Mode::History, Part::History), ["keysweep/history/"]);
        assert_eq!(ids(Mode::Tree, Part::All), ["keysweep/head/"]);
        assert_eq!(
            ids(Mode::Range, Part::All),
            ["keysweep/range/", "keysweep/range-history/"]
        );
        assert!(ids(Mode::Staged, Part::History).is_empty());
        let mut named = options();
        named.sarif.category = Some("/web/".to_owned());
        let mut report = sample::report();
        assert_eq!(category(&report, true, &named), "keysweep/web/head/");
        report.mode = Mode::Tree;
        for (scope, id) in [
            (Scope::Whole, "keysweep/head/"),
            (
                Scope::Directory("src/a b".into()),
                "keysweep/directory/src/a%20b/",
            ),
            (Scope::Files, "keysweep/files/"),
        ] {
            report.scope = scope;
            assert_eq!(category(&report, true, &options()), id);
        }
        report.scope = Scope::Whole;
        report.looked_for.secrets = false;
        assert_eq!(
            category(&report, true, &named),
            "keysweep/web/only-policy/head/"
        );
        report.looked_for = LookedFor {
            secrets: true,
            policy: None,
        };
        assert_eq!(
            category(&report, true, &options()),
            "keysweep/only-secrets/head/"
        );
    }

    #[test]
    fn suppressed_findings_come_on_request_only() {
        let mut options = options();
        let hidden = write(&sample::report(), &options);
        assert!(!String::from_utf8(hidden).unwrap().contains("vendor/old.js"));
        options.sarif.suppressed = true;
        let file = parsed(&write(&sample::report(), &options));
        let results = file["runs"][0]["results"].as_array().unwrap();
        let suppressions: Vec<&Value> = results.iter().map(|r| &r["suppressions"]).collect();
        insta::assert_json_snapshot!(suppressions);
    }

    #[test]
    fn too_many_results_are_cut_from_the_mildest_and_said() {
        let mut report = sample::report();
        let many = report
            .findings
            .iter()
            .cycle()
            .take(24_000)
            .cloned()
            .collect();
        report.findings = many;
        let file = parsed(&within(&report, &Options::default(), 2_000_000));
        let run = &file["runs"][1];
        let results = run["results"].as_array().unwrap();
        assert!(!results.is_empty() && results.len() < 5000);
        assert!(
            results
                .iter()
                .all(|r| r["properties"]["severity"] == Severity::Critical.as_str())
        );
        let left_out = run["properties"]["resultsLeftOut"].as_u64().unwrap();
        assert_eq!(left_out + results.len() as u64, 12_000);
        let notes = &run["invocations"][0]["toolExecutionNotifications"];
        assert_eq!(notes[1]["descriptor"]["id"], "keysweep/left-out");
    }
}
