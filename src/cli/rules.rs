//! `keysweep rules list|show|test`.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    config::{self, Trust},
    model::{BlobPath, Persona, RuleId, RuleMeta, Severity, closest, is_unsafe},
    policy::{self, FixClass, LintMeta},
    rules::{self, RuleSet, Shape},
    scan::{examples, policy::meta_of},
};

use super::{CliError, args, exit::Outcome, gather};

/// Runs the command; returns what to print and the outcome.
pub(super) fn run(command: &args::Rules) -> Result<(String, Outcome), CliError> {
    let (args::Rules::List { config, .. }
    | args::Rules::Show { config, .. }
    | args::Rules::Test { config, .. }) = command;
    let catalogue = Catalogue::new(config.config.as_deref())?;
    match command {
        args::Rules::List { json, filter, .. } => {
            Ok((list(&catalogue, *json, filter)?, Outcome::Clean))
        }
        args::Rules::Show { id, .. } => Ok((show(&catalogue, id)?, Outcome::Clean)),
        args::Rules::Test { ids, .. } => test(catalogue, ids),
    }
}

/// The rules of a scan of one's own repository.
struct Catalogue {
    /// All, those that the configuration disables among them.
    set: RuleSet,
    /// What is known of the lints.
    lints: Vec<RuleMeta>,
    /// Which of all do not run.
    disabled: Vec<RuleId>,
}

impl Catalogue {
    /// Takes the built-in rules and those of the configuration: the one named, else that of the repository.
    fn new(named: Option<&Path>) -> Result<Self, CliError> {
        let root = gather::whole(PathBuf::from("."));
        let (config, _) = config::effective(&root, named, Trust::Own)?;
        let mut set = rules::builtin()?;
        for own in &config.rules {
            let added = rules::parse_user(&own.source.name, &own.source.text, &own.ids, &set)?;
            set = set.with(added);
        }
        let lints = policy::all();
        let ids: Vec<&str> = set
            .rules
            .iter()
            .map(|rule| rule.meta.id.as_str())
            .chain(lints.iter().map(|lint| lint.id))
            .collect();
        config.check_ids(&ids)?;
        let severity = |meta: &mut RuleMeta| {
            if let Some(own) = config.catalogue.severity.get(&meta.id) {
                meta.severity = *own;
            }
        };
        let mut lints: Vec<RuleMeta> = lints.into_iter().map(meta_of).collect();
        lints.iter_mut().for_each(severity);
        Ok(Self {
            lints,
            set: set.with_severities(&config.catalogue.severity, &config.catalogue.at_least),
            disabled: config.catalogue.disable,
        })
    }
}

/// Tells whether a rule or lint is asked for.
fn is_wanted(meta: &RuleMeta, filter: &args::RulesFilter) -> bool {
    let lint = policy::find(meta.id.as_str());
    let has = |tool: &String| is_about(meta, tool);
    let is_kind = match filter.only {
        None => true,
        Some(args::OnlyArg::Secrets) => lint.is_none(),
        Some(args::OnlyArg::Policy) => lint.is_some(),
    };
    let is_told = match (filter.persona, lint) {
        (None, _) => true,
        (Some(persona), Some(lint)) => lint.persona <= persona.into(),
        (Some(_), None) => false,
    };
    let severity = filter.severity.map(Severity::from);
    is_kind
        && is_told
        && severity.is_none_or(|least| meta.severity >= least)
        && filter.tool.as_ref().is_none_or(has)
}

/// Tells whether a rule or lint is about a tool.
fn is_about(meta: &RuleMeta, tool: &str) -> bool {
    meta.provider.to_lowercase().contains(&tool.to_lowercase())
}

/// Checks that some rule or lint is about a tool, whatever else is asked for.
fn known<'m>(tool: &str, all: impl Iterator<Item = &'m RuleMeta> + Clone) -> Result<(), CliError> {
    if all.clone().any(|meta| is_about(meta, tool)) {
        return Ok(());
    }
    let lints = all
        .clone()
        .filter(|meta| policy::find(meta.id.as_str()).is_some());
    let tools: BTreeSet<&str> = lints.flat_map(|meta| meta.provider.split(", ")).collect();
    let near = closest(tool, all.map(|meta| meta.provider.as_ref()));
    let near = near.map(|near| format!("did you mean {}? ", safe(near)));
    let tools: Vec<&str> = tools.into_iter().collect();
    Err(CliError::UnknownTool {
        given: safe(tool),
        help: format!(
            "{}lints know {}; rules of secrets go by their providers, which `keysweep rules list --json` names",
            near.unwrap_or_default(),
            tools.join(", ")
        ),
    })
}

fn list(catalogue: &Catalogue, json: bool, filter: &args::RulesFilter) -> Result<String, CliError> {
    let rules = || catalogue.set.rules.iter().map(|rule| &*rule.meta);
    if let Some(tool) = &filter.tool {
        known(tool, rules().chain(&catalogue.lints))?;
    }
    let rules = rules();
    let mut metas: Vec<&RuleMeta> = rules
        .chain(&catalogue.lints)
        .filter(|meta| !catalogue.disabled.contains(&meta.id) && is_wanted(meta, filter))
        .collect();
    metas.sort_by(|a, b| a.id.cmp(&b.id));
    if json {
        let text = serde_json::to_string_pretty(&metas).map_err(|e| CliError::internal(&e))?;
        return Ok(plain_json(&text));
    }
    let width = metas
        .iter()
        .map(|meta| meta.id.as_str().len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for meta in &metas {
        let persona = policy::find(meta.id.as_str()).map(|lint| lint.persona);
        let persona = persona.filter(|persona| *persona > Persona::Regular);
        let persona = persona.map(|persona| format!(" [{}]", persona.as_str()));
        let _ = writeln!(
            text,
            "{:width$}  {:8}  {}{}",
            meta.id.as_str(),
            meta.severity.as_str(),
            safe(&meta.description),
            persona.unwrap_or_default()
        );
    }
    let (lints, rules): (Vec<&RuleMeta>, Vec<&RuleMeta>) = metas
        .into_iter()
        .partition(|meta| catalogue.lints.iter().any(|lint| lint.id == meta.id));
    let families: BTreeSet<&str> = rules.iter().map(|meta| meta.family.as_str()).collect();
    let _ = writeln!(
        text,
        "\n{} of {}, {}",
        count(rules.len(), "rule for secrets", "rules for secrets"),
        count(families.len(), "family", "families"),
        count(lints.len(), "lint of policy", "lints of policy")
    );
    for id in &catalogue.disabled {
        let _ = writeln!(text, "{id} is disabled by the configuration");
    }
    Ok(text)
}

fn show(catalogue: &Catalogue, id: &str) -> Result<String, CliError> {
    if let (Some(lint), Some(meta)) = (
        policy::find(id),
        catalogue.lints.iter().find(|meta| meta.id.as_str() == id),
    ) {
        return Ok(show_lint(lint, meta, catalogue));
    }
    let Some(rule) = catalogue.set.find(id) else {
        return Err(unknown(catalogue, id));
    };
    let meta = &rule.meta;
    let mut text = format!("{}\n  {}\n\n", meta.id, safe(&meta.description));
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:12} {}", safe(value));
        }
    };
    line("provider", &meta.provider);
    line("severity", meta.severity.as_str());
    line("confidence", meta.confidence.as_str());
    line("CWE", &meta.cwe.to_string());
    line("documented", &meta.source);
    line("pattern", rule.pattern.as_deref().unwrap_or_default());
    match &rule.shape {
        Shape::Token { prefixes, .. } => line("starts with", &literals(prefixes)),
        Shape::Context { words } => line("named like", &words.join(", ")),
        Shape::Marker { markers } => line("marked by", &literals(markers)),
    }
    if rule.entropy > 0.0 {
        line(
            "entropy",
            &format!("at least {:.1} bits per byte", rule.entropy),
        );
    }
    if let Some(near) = &rule.near {
        line(
            "beside",
            &format!(
                "{} within {} bytes{}",
                near.pattern,
                near.within,
                if near.required { "" } else { " (or the name)" }
            ),
        );
    }
    line("tags", &meta.tags.join(", "));
    if catalogue.disabled.contains(&meta.id) {
        line("state", "disabled by the configuration");
    }
    text.push('\n');
    for line in meta.remediation.lines() {
        let _ = writeln!(text, "  {}", safe(line));
    }
    Ok(text)
}

/// Returns a text of a configuration, which may come with the repository, as text that is safe on a terminal.
fn safe(text: &str) -> String {
    BlobPath::from(text).to_string()
}

/// Returns JSON and a line break, with every character escaped that is not safe on a terminal: they stand in strings only.
fn plain_json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if is_unsafe(c) && c != '\n' {
            let _ = write!(plain, "\\u{:04x}", u32::from(c));
        } else {
            plain.push(c);
        }
    }
    plain.push('\n');
    plain
}

fn literals(all: &[Vec<u8>]) -> String {
    all.iter()
        .map(|literal| String::from_utf8_lossy(literal).into_owned())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns everything about one lint.
fn show_lint(lint: &LintMeta, meta: &RuleMeta, catalogue: &Catalogue) -> String {
    let mut text = format!("{}\n  {}\n\n", lint.id, lint.title);
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:12} {value}");
        }
    };
    line("tool", lint.tool);
    line("severity", meta.severity.as_str());
    line("confidence", lint.confidence.as_str());
    line("persona", lint.persona.as_str());
    line("CWE", &lint.cwe.to_string());
    line("asked for by", &lint.sources.join("; "));
    line(
        "fix",
        match lint.fix {
            FixClass::None => "",
            FixClass::Unsafe => "`keysweep fix --unsafe` offers one; look at it first",
            FixClass::Safe => "`keysweep fix` offers one",
        },
    );
    if catalogue.disabled.contains(&meta.id) {
        line("state", "disabled by the configuration");
    }
    let _ = write!(text, "\n  {}\n  {}\n", lint.why, lint.help);
    for (name, examples) in [("fires on", lint.bad), ("is silent on", lint.good)] {
        for (path, content) in examples.iter().take(1).copied().flatten() {
            let _ = write!(text, "\n  {name} {path}:\n");
            for line in content.lines() {
                let _ = writeln!(text, "    {}", safe(line));
            }
        }
    }
    text
}

/// Returns the error for an id that no rule and no lint has, with the nearest ids.
fn unknown(catalogue: &Catalogue, id: &str) -> CliError {
    let rules = || catalogue.set.rules.iter().map(|rule| rule.meta.id.as_str());
    let ids = || rules().chain(catalogue.lints.iter().map(|meta| meta.id.as_str()));
    let mut near: Vec<&str> = ids()
        .filter(|other| other.contains(id) || id.contains(*other))
        .take(5)
        .collect();
    if near.is_empty() {
        near.extend(closest(id, ids()));
    }
    if near.is_empty() {
        let head = id.split('-').next().unwrap_or(id);
        near = ids()
            .filter(|other| other.starts_with(head))
            .take(5)
            .collect();
    }
    let help = if near.is_empty() {
        "`keysweep rules list` shows all".to_owned()
    } else {
        format!(
            "did you mean {}? `keysweep rules list` shows all",
            near.join(", ")
        )
    };
    CliError::UnknownRule { id: safe(id), help }
}

fn test(catalogue: Catalogue, ids: &[String]) -> Result<(String, Outcome), CliError> {
    for id in ids {
        if catalogue.set.find(id).is_none() && policy::find(id).is_none() {
            return Err(unknown(&catalogue, id));
        }
    }
    let wanted = |id: &RuleId| ids.is_empty() || ids.iter().any(|wanted| wanted == id.as_str());
    let mut outcome = examples::check(&Arc::new(catalogue.set), &wanted)?;
    examples::check_lints(&wanted, &mut outcome);
    let mut text = String::new();
    for failure in &outcome.failures {
        let kind = if failure.positive {
            "positive"
        } else {
            "negative"
        };
        let _ = writeln!(
            text,
            "{}: {kind} example {}: {}",
            failure.rule,
            failure.index + 1,
            failure.reason
        );
    }
    for id in &outcome.untested {
        let _ = writeln!(
            text,
            "{id}: has no examples, so nothing was tested; add `positive` and `negative` ones"
        );
    }
    let _ = writeln!(
        text,
        "{}, {}, {}",
        count(outcome.rules, "rule", "rules"),
        count(outcome.examples, "example", "examples"),
        count(outcome.failures.len(), "failure", "failures")
    );
    let clean = outcome.failures.is_empty();
    Ok((
        text,
        if clean {
            Outcome::Clean
        } else {
            Outcome::Findings
        },
    ))
}

/// Returns `1 rule` or `2 rules`.
pub(super) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
