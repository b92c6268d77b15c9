//! `keysweep rules list|show|test`.

use std::{fmt::Write as _, path::Path, sync::Arc};

use crate::{
    config,
    model::RuleId,
    rules::{self, RuleSet, Shape},
    scan::examples,
};

use super::{CliError, args, exit::Outcome};

/// Runs the command; returns what to print and the outcome.
pub(super) fn run(command: &args::Rules) -> Result<(String, Outcome), CliError> {
    match command {
        args::Rules::List { json } => Ok((list(&rules::builtin()?, *json)?, Outcome::Clean)),
        args::Rules::Show { id } => Ok((show(&rules::builtin()?, id)?, Outcome::Clean)),
        args::Rules::Test { ids, config } => test(ids, config.as_deref()),
    }
}

fn list(set: &RuleSet, json: bool) -> Result<String, CliError> {
    let metas: Vec<_> = set.rules.iter().map(|rule| &rule.meta).collect();
    if json {
        let mut text = serde_json::to_string_pretty(&metas).map_err(|e| CliError::internal(&e))?;
        text.push('\n');
        return Ok(text);
    }
    let width = metas
        .iter()
        .map(|meta| meta.id.as_str().len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for meta in &metas {
        let _ = writeln!(
            text,
            "{:width$}  {:8}  {}",
            meta.id.as_str(),
            meta.severity.as_str(),
            meta.description
        );
    }
    let families: std::collections::BTreeSet<&str> =
        metas.iter().map(|meta| meta.family.as_str()).collect();
    let _ = writeln!(
        text,
        "\n{} rules of {} families",
        metas.len(),
        families.len()
    );
    Ok(text)
}

fn show(set: &RuleSet, id: &str) -> Result<String, CliError> {
    let Some(rule) = set.rules.iter().find(|rule| rule.meta.id.as_str() == id) else {
        return Err(unknown(set, id));
    };
    let meta = &rule.meta;
    let mut text = format!("{}\n  {}\n\n", meta.id, meta.description);
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:12} {value}");
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
    let _ = write!(text, "\n  {}\n", meta.remediation);
    Ok(text)
}

fn literals(all: &[Vec<u8>]) -> String {
    all.iter()
        .map(|literal| String::from_utf8_lossy(literal).into_owned())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns the error for an id that no rule has, with the nearest ids.
fn unknown(set: &RuleSet, id: &str) -> CliError {
    let mut near: Vec<&str> = set
        .rules
        .iter()
        .map(|rule| rule.meta.id.as_str())
        .filter(|other| other.contains(id) || id.contains(*other))
        .take(5)
        .collect();
    if near.is_empty() {
        let head = id.split('-').next().unwrap_or(id);
        near = set
            .rules
            .iter()
            .map(|rule| rule.meta.id.as_str())
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
    CliError::UnknownRule {
        id: crate::model::BlobPath::from(id).to_string(),
        help,
    }
}

fn test(ids: &[String], config: Option<&Path>) -> Result<(String, Outcome), CliError> {
    let mut set = rules::builtin()?;
    if let Some(path) = config {
        for own in &config::load(path)?.rules {
            let added = rules::parse_user(&own.source.name, &own.source.text, &own.ids, &set)?;
            set = set.with(added);
        }
    }
    for id in ids {
        if !set.rules.iter().any(|rule| rule.meta.id.as_str() == id) {
            return Err(unknown(&set, id));
        }
    }
    let wanted = |id: &RuleId| ids.is_empty() || ids.iter().any(|wanted| wanted == id.as_str());
    let outcome = examples::check(&Arc::new(set), &wanted)?;
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
    let _ = writeln!(
        text,
        "{} rules, {} examples, {} failures",
        outcome.rules,
        outcome.examples,
        outcome.failures.len()
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
