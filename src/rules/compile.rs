//! From a rule as written to a [`Rule`]: syntax tree, bound, shape.
//!
//! Regexes themselves are compiled by the engine on first use. Only what makes a rule unusable is an error here; whether
//! its texts and figures make sense is judged by `check`.

use std::{borrow::Cow, ops::Range, sync::Arc};

use regex_syntax::{
    ast::{self, RepetitionKind, RepetitionRange},
    hir::{Hir, HirKind},
};
use toml::Spanned;

use super::{
    Examples, Near, Rule, Shape, anchor,
    error::{Fault, Located},
    spec::{NearSpec, RuleSpec},
};
use crate::model::{Confidence, RuleId, RuleMeta, Severity};

/// Most bytes that a match may span: a quarter of the context that the engine keeps around a region.
pub(super) const MAX_MATCH: usize = 16 * 1024;
/// What the secret of a user's rule without metadata is worth.
const USER_REMEDIATION: &str =
    "Remove the value from the file, revoke it where it was issued, and issue a new one.";

/// The provider that a file's rules belong to.
#[derive(Clone, Copy)]
pub(super) struct Provider<'a> {
    /// Kebab-case.
    pub(super) family: &'a str,
    /// As the vendor writes it.
    pub(super) name: &'a str,
}

/// Makes a rule; `text` is the file that the spans of `spec` point into.
pub(super) fn compile(
    text: &str,
    provider: Provider<'_>,
    spec: &Spanned<RuleSpec>,
) -> Result<Rule, Located> {
    let whole = spec.span();
    let spec = spec.get_ref();
    let id = spec.id.get_ref();
    let hir = match &spec.pattern {
        Some(pattern) => Some(syntax_tree(text, id, pattern)?),
        None => None,
    };
    let shape = shape(spec, hir.as_ref(), &whole)?;
    let near = match &spec.near {
        Some(near) => Some(near_of(text, spec, near.get_ref())?),
        None => None,
    };
    if let (Some(extent), Shape::Token { .. } | Shape::Context { .. }) = (&spec.extent, &shape) {
        return Err(combination(
            id,
            extent.span(),
            "`extent` needs `markers`",
            "add the header's text as a marker, or drop `extent`",
        ));
    }
    let max_len = hir
        .as_ref()
        .map_or(0, |hir| hir.properties().maximum_len().unwrap_or(MAX_MATCH));
    let texts = |list: &[Spanned<String>]| list.iter().map(|t| t.get_ref().clone()).collect();
    Ok(Rule {
        meta: Arc::new(meta(provider, spec)),
        pattern: spec.pattern.as_ref().map(|p| p.get_ref().clone()),
        max_len,
        shape,
        entropy: spec.entropy.as_ref().map_or(0.0, |e| *e.get_ref()),
        check: spec.check,
        value: spec.value,
        extent: spec.extent.as_ref().map(|e| *e.get_ref()),
        near,
        paths: texts(&spec.paths),
        examples: Examples {
            positive: texts(&spec.positive).into_iter().map(Cow::Owned).collect(),
            negative: texts(&spec.negative).into_iter().map(Cow::Owned).collect(),
        },
    })
}

fn meta(provider: Provider<'_>, spec: &RuleSpec) -> RuleMeta {
    let or = |text: &Option<Spanned<String>>, default: &str| {
        text.as_ref()
            .map_or_else(|| default.to_owned(), |t| t.get_ref().clone())
    };
    RuleMeta {
        id: RuleId::new(spec.id.get_ref()),
        description: spec.description.get_ref().clone().into(),
        family: provider.family.to_owned(),
        provider: provider.name.to_owned().into(),
        source: or(&spec.source, provider.name).into(),
        cwe: spec.cwe.as_ref().map_or(798, |cwe| *cwe.get_ref()),
        severity: spec.severity.unwrap_or(Severity::High),
        confidence: spec.confidence.unwrap_or(Confidence::Medium),
        remediation: or(&spec.remediation, USER_REMEDIATION).into(),
        tags: spec.tags.clone(),
    }
}

fn shape(spec: &RuleSpec, hir: Option<&Hir>, whole: &Range<usize>) -> Result<Shape, Located> {
    let id = spec.id.get_ref();
    match (&spec.context, &spec.markers) {
        (Some(_), Some(markers)) => Err(combination(
            id,
            markers.span(),
            "`context` and `markers` exclude each other",
            "keep `context` if the value of an assignment is meant, `markers` if a text stands in the match itself",
        )),
        (Some(context), None) => {
            if hir.is_none() && spec.value.is_none() {
                return Err(combination(
                    id,
                    context.span(),
                    "a `context` rule needs a `pattern` or a `value`",
                    "add `value = \"opaque\"` for random tokens, or a pattern of the value",
                ));
            }
            Ok(Shape::Context {
                words: context_words(id, context)?,
            })
        }
        (None, Some(markers)) => {
            if hir.is_none() {
                return Err(needs_pattern(id, markers.span()));
            }
            Ok(Shape::Marker {
                markers: marker_bytes(id, markers)?,
            })
        }
        (None, None) => {
            let (Some(hir), Some(pattern)) = (hir, &spec.pattern) else {
                return Err(needs_pattern(id, whole.clone()));
            };
            let (prefixes, fold) = anchor::prefixes(hir)
                .ok_or_else(|| (Fault::NoShape { id: id.clone() }, pattern.span()))?;
            Ok(Shape::Token { prefixes, fold })
        }
    }
}

fn needs_pattern(id: &str, span: Range<usize>) -> Located {
    combination(
        id,
        span,
        "there is no `pattern`",
        "add `pattern = '...'` with a regex of the secret",
    )
}

fn combination(id: &str, span: Range<usize>, reason: &'static str, help: &'static str) -> Located {
    let id = id.to_owned();
    (Fault::Combination { id, reason, help }, span)
}

fn context_words(
    id: &str,
    context: &Spanned<Vec<Spanned<String>>>,
) -> Result<Vec<String>, Located> {
    let mut words = Vec::new();
    for word in context.get_ref() {
        let normal: String = word
            .get_ref()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        if normal.is_empty() || normal != *word.get_ref() {
            return Err((
                Fault::Context {
                    id: id.to_owned(),
                    word: word.get_ref().clone(),
                    normal,
                },
                word.span(),
            ));
        }
        words.push(normal);
    }
    if words.is_empty() {
        return Err(combination(
            id,
            context.span(),
            "`context` is empty",
            "list words of the value's name, such as the vendor's",
        ));
    }
    words.sort();
    words.dedup();
    Ok(words)
}

fn marker_bytes(
    id: &str,
    markers: &Spanned<Vec<Spanned<String>>>,
) -> Result<Vec<Vec<u8>>, Located> {
    if markers.get_ref().is_empty() {
        return Err(combination(
            id,
            markers.span(),
            "`markers` is empty",
            "list the texts that stand in every match",
        ));
    }
    let mut bytes: Vec<Vec<u8>> = Vec::new();
    for marker in markers.get_ref() {
        if marker.get_ref().len() < 3 {
            let (id, marker, span) = (id.to_owned(), marker.get_ref().clone(), marker.span());
            return Err((Fault::Marker { id, marker }, span));
        }
        bytes.push(marker.get_ref().clone().into_bytes());
    }
    bytes.sort();
    bytes.dedup();
    Ok(bytes)
}

fn near_of(text: &str, spec: &RuleSpec, near: &NearSpec) -> Result<Near, Located> {
    let id = spec.id.get_ref();
    let within = *near.within.get_ref();
    if within == 0 || within > 2000 {
        let id = id.clone();
        return Err((Fault::Near { id, within }, near.within.span()));
    }
    if !near.required && spec.context.is_none() {
        return Err(combination(
            id,
            near.pattern.span(),
            "`near` with `required = false` has no effect",
            "set `required = true`, or add `context`: the second part then stands in for the context word",
        ));
    }
    syntax_tree(text, id, &near.pattern)?;
    Ok(Near {
        pattern: near.pattern.get_ref().clone(),
        within,
        required: near.required,
    })
}

/// Parses a pattern as the engine will: bytes, ASCII classes. It must have a bound and no group but `secret`.
fn syntax_tree(text: &str, id: &str, pattern: &Spanned<String>) -> Result<Hir, Located> {
    let parsed = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern.get_ref());
    let hir = parsed.map_err(|error| {
        let (reason, span) = match &error {
            regex_syntax::Error::Parse(e) => (e.kind().to_string(), Some(e.span())),
            regex_syntax::Error::Translate(e) => (e.kind().to_string(), Some(e.span())),
            other => (other.to_string(), None),
        };
        let span = place(text, pattern, span.map(|s| s.start.offset..s.end.offset));
        let id = id.to_owned();
        (Fault::Pattern { id, reason }, span)
    })?;
    let id = || id.to_owned();
    match hir.properties().maximum_len() {
        None => {
            let span = place(text, pattern, unbounded(pattern.get_ref()));
            Err((Fault::Unbounded { id: id() }, span))
        }
        Some(len) if len > MAX_MATCH => {
            let (id, limit) = (id(), MAX_MATCH);
            Err((Fault::TooLong { id, len, limit }, pattern.span()))
        }
        Some(_) => match secret_of(&hir) {
            Ok(secret) if secret.properties().minimum_len() != Some(0) => Ok(hir),
            Ok(_) => Err(combination(
                &id(),
                pattern.span(),
                "the secret can be empty",
                "ask for at least one character: `{8,64}` in place of `{0,64}`",
            )),
            Err(()) => Err(combination(
                &id(),
                pattern.span(),
                "a named group other than `secret`",
                "name the group `(?P<secret>...)`, or use `(?:...)`",
            )),
        },
    }
}

/// Returns the part of a pattern that is the secret: the group of that name, or all.
pub(super) fn secret_of(hir: &Hir) -> Result<&Hir, ()> {
    fn search<'h>(hir: &'h Hir, found: &mut Option<&'h Hir>) -> Result<(), ()> {
        match hir.kind() {
            HirKind::Capture(capture) => {
                match capture.name.as_deref() {
                    Some("secret") => *found = Some(&capture.sub),
                    Some(_) => return Err(()),
                    None => {}
                }
                search(&capture.sub, found)
            }
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                parts.iter().try_for_each(|part| search(part, found))
            }
            HirKind::Repetition(repetition) => search(&repetition.sub, found),
            HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) | HirKind::Class(_) => Ok(()),
        }
    }
    let mut found = None;
    search(hir, &mut found)?;
    Ok(found.unwrap_or(hir))
}

/// Returns the span in the file of a span in a string value; the whole value if escapes make the two differ.
pub(super) fn place(
    text: &str,
    value: &Spanned<String>,
    inner: Option<Range<usize>>,
) -> Range<usize> {
    let span = value.span();
    let (Some(inner), Some(raw)) = (inner, text.get(span.clone())) else {
        return span;
    };
    match raw.find(value.get_ref().as_str()) {
        Some(at) if !value.get_ref().is_empty() => {
            let start = span.start + at;
            (start + inner.start).min(span.end)..(start + inner.end).min(span.end)
        }
        _ => span,
    }
}

/// Returns where the first repetition without an upper bound stands in a pattern.
fn unbounded(pattern: &str) -> Option<Range<usize>> {
    struct Search(Option<Range<usize>>);
    impl ast::Visitor for Search {
        type Output = Option<Range<usize>>;
        type Err = ();

        fn finish(self) -> Result<Self::Output, ()> {
            Ok(self.0)
        }

        fn visit_pre(&mut self, ast: &ast::Ast) -> Result<(), ()> {
            if let ast::Ast::Repetition(repetition) = ast {
                let open = match &repetition.op.kind {
                    RepetitionKind::ZeroOrMore | RepetitionKind::OneOrMore => true,
                    RepetitionKind::Range(range) => matches!(range, RepetitionRange::AtLeast(_)),
                    RepetitionKind::ZeroOrOne => false,
                };
                if open && self.0.is_none() {
                    let span = repetition.op.span;
                    self.0 = Some(span.start.offset..span.end.offset);
                }
            }
            Ok(())
        }
    }
    let ast = ast::parse::Parser::new().parse(pattern).ok()?;
    ast::visit(&ast, Search(None)).ok()?
}
