//! docs/policy.md, made from what is known of each lint, so that the page never says something else than the program.

use std::fmt::Write as _;

use super::{
    fault::FixClass,
    lint::{Example, LintMeta},
    registry,
};

/// What stands before the catalogue.
const HEAD: &str = "# Policy

What `keysweep scan` tells beside hard-coded secrets: habits that leak them, and values that environments or services share. This page is
made from the program (`keysweep rules show ID` shows one entry); a test keeps both the same.

Every entry has a severity, a confidence and a persona. `regular` (the default) is shown what is to be mended, `--persona pedantic` also what is
better otherwise, `--persona auditor` also what is meant as a rule and worth a look in an audit: one value in several environments of production, and
addresses in stores that cross environments without harm. [environments.md](environments.md) says how environments and services are told, and what
severities depend on. Findings of severity `info` are told and fail no run unless
`--fail-on info` asks for that. A finding is set aside as any other: `keysweep:allow[id] reason` on one of its lines, `[[allow]]` with `rules` and `paths`,
the baseline, or `[catalogue] disable`. Where a rule for secrets and a lint meet on one value there is one finding, the rule's, that names the lint.

A run over history (`--history`) lints the files as they are, and compares values with those of all earlier versions: a secret that `.env.production`
had three years ago and `.env.development` still has is one finding, a step milder than two environments that share it now, with the commit that
brought each earlier place; so is one that both had and neither has any longer. A renamed file shares nothing with itself. Layers and services are those of the files as they are. Only such a run knows
how old a value is. In the examples `400 days ago: FILE` stands for an earlier version of FILE.

`keysweep fix` shows what it could mend, `keysweep fix --apply` mends it. A *safe* fix keeps what the file does; an *unsafe* one (`--unsafe`) changes
it, so look at the diff. No fix moves or prints a secret, and none undoes a leak: what was ever committed must be rotated.

What is not looked at (files above 4 MiB, scripts above 512 KiB, more of anything than a limit lets through) is told with the coverage: as a note,
or, in a file that is a tool's by its name or content (a workflow, a Dockerfile, a manifest, `.env`), as a gap that makes the run incomplete.

";

/// Returns the page.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut tools: Vec<(&str, Vec<&LintMeta>)> = Vec::new();
    for meta in registry::lints().flat_map(super::lint::Lint::metas) {
        match tools.iter_mut().find(|(tool, _)| *tool == meta.tool) {
            Some((_, metas)) => metas.push(meta),
            None => tools.push((meta.tool, vec![meta])),
        }
    }
    page.push_str("| id | severity | persona | fix | what is wrong |\n|---|---|---|---|---|\n");
    for meta in tools.iter().flat_map(|(_, metas)| metas) {
        let (id, title) = (meta.id, meta.title.replace('|', "\\|"));
        let (severity, persona) = (meta.severity.as_str(), meta.persona.as_str());
        let fix = fix(meta.fix);
        let _ = writeln!(
            page,
            "| [`{id}`](#{id}) | {severity} | {persona} | {fix} | {title} |"
        );
    }
    for (tool, metas) in &tools {
        let _ = write!(page, "\n## {tool}\n");
        for meta in metas {
            entry(&mut page, meta);
        }
    }
    page
}

const fn fix(class: FixClass) -> &'static str {
    match class {
        FixClass::None => "",
        FixClass::Unsafe => "unsafe",
        FixClass::Safe => "safe",
    }
}

fn entry(page: &mut String, meta: &LintMeta) {
    let _ = write!(
        page,
        "\n### {}\n\n{}. Severity {}, confidence {}, persona {}, CWE-{}.\n\n{} {}\n",
        meta.id,
        meta.title,
        meta.severity.as_str(),
        meta.confidence.as_str(),
        meta.persona.as_str(),
        meta.cwe,
        meta.why,
        meta.help,
    );
    if let Some(example) = meta.bad.first() {
        code(page, "Fires on", example);
    }
    if let Some(example) = meta.good.first() {
        code(page, "Is silent on", example);
    }
    if !meta.sources.is_empty() {
        let _ = write!(page, "\nAsked for by: {}.\n", meta.sources.join("; "));
    }
}

fn code(page: &mut String, title: &str, example: Example) {
    for (path, text) in example {
        // A fence must be longer than any in the text.
        let fence = if text.contains("```") { "````" } else { "```" };
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let _ = write!(page, "\n{title} `{path}`:\n\n{fence}\n{text}{end}{fence}\n");
    }
}
