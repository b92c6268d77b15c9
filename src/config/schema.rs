//! The TOML of `keysweep.toml`, strict, and its way into a [`Config`].

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU16, NonZeroU32, NonZeroU64},
    ops::Range,
    sync::Arc,
};

use serde::Deserialize;
use toml::{Spanned, value::Datetime};

use super::{
    Allow, Archives, Catalogue, Config, ConfigError, Date, Fault, MarkerSettings, Mention,
    OwnRules, PathGlobs, Scan, SourceText,
    environments::EnvironmentSchema,
    error::{Located, collect},
    size::Size,
    suppress::ForeignMarker,
};
use crate::model::{
    DigestKey, Persona, RuleId, Severity, SkipCause, closest, suggestion, without_values,
};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct Schema {
    scan: ScanSchema,
    catalogue: CatalogueSchema,
    rules: Vec<toml::Table>,
    allow: Vec<Spanned<AllowSchema>>,
    markers: MarkersSchema,
    identity: IdentitySchema,
    coverage: CoverageSchema,
    report: ReportSchema,
    policy: PolicySchema,
    environments: BTreeMap<Spanned<String>, EnvironmentSchema>,
    services: BTreeMap<String, Vec<Spanned<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct ScanSchema {
    exclude: Vec<Spanned<String>>,
    ignored: bool,
    max_file_size: Option<Size>,
    threads: Option<NonZeroU16>,
    archives: ArchivesSchema,
    history: HistorySchema,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct ArchivesSchema {
    depth: Option<u32>,
    member_size: Option<Size>,
    total_size: Option<Size>,
    ratio: Option<NonZeroU32>,
    members: Option<NonZeroU64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HistorySchema {
    unreachable: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CatalogueSchema {
    disable: Vec<Spanned<String>>,
    severity: BTreeMap<Spanned<String>, Severity>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowSchema {
    reason: Option<String>,
    #[serde(default)]
    rules: Vec<Spanned<String>>,
    #[serde(default)]
    paths: Vec<Spanned<String>>,
    #[serde(default)]
    values: Vec<Spanned<String>>,
    expires: Option<Spanned<toml::Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MarkersSchema {
    inline: bool,
    foreign: BTreeSet<ForeignMarker>,
}

impl Default for MarkersSchema {
    fn default() -> Self {
        let MarkerSettings {
            inline, foreign, ..
        } = MarkerSettings::default();
        Self { inline, foreign }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct IdentitySchema {
    key: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CoverageSchema {
    accept: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PolicySchema {
    persona: Option<Persona>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct ReportSchema {
    fail_on: Option<Severity>,
}

/// Reads a configuration; `name` stands in errors.
///
/// # Errors
/// [`ConfigError::NotText`] or [`ConfigError::Content`] with all faults; only the first if it is not TOML or not of the
/// schema. The rules in it are judged by [`crate::rules::parse_user`].
pub fn parse(name: &str, bytes: &[u8]) -> Result<Config, ConfigError> {
    let text = std::str::from_utf8(bytes).map_err(|error| ConfigError::NotText {
        name: name.to_owned(),
        offset: error.valid_up_to(),
    })?;
    let schema: Schema = match toml::from_str(text) {
        Ok(schema) => schema,
        Err(error) => return Err(failed(name, text, vec![located(&error)])),
    };
    let source = Arc::new(SourceText {
        name: name.to_owned(),
        text: text.into(),
    });
    let mut reader = Reader {
        source,
        faults: Vec::new(),
        mentions: Vec::new(),
    };
    let config = reader.config(schema);
    if reader.faults.is_empty() {
        Ok(config)
    } else {
        Err(failed(name, text, reader.faults))
    }
}

fn failed(name: &str, text: &str, faults: Vec<Located>) -> ConfigError {
    collect(name, text, faults).expect("the caller has at least one fault")
}

fn located(error: &toml::de::Error) -> Located {
    let message = without_values(error.message());
    let span: Range<usize> = error.span().unwrap_or_default();
    let fault = match suggestion(error.message()) {
        Some(suggestion) => Fault::Unknown {
            message,
            suggestion,
        },
        None => Fault::Syntax { message },
    };
    (fault, span)
}

/// Gathers faults while a schema becomes a configuration.
pub(super) struct Reader {
    source: Arc<SourceText>,
    pub(super) faults: Vec<Located>,
    mentions: Vec<Mention>,
}

impl Reader {
    fn config(&mut self, schema: Schema) -> Config {
        let scan = self.scan(schema.scan);
        let catalogue = self.catalogue(&schema.catalogue);
        let allow = schema.allow.iter().map(|entry| self.allow(entry)).collect();
        let key = schema.identity.key.and_then(|text| {
            let key = DigestKey::from_hex(text.get_ref());
            if key.is_none() {
                self.faults.push((Fault::Key, text.span()));
            }
            key
        });
        let accept = self.accept(&schema.coverage.accept);
        Config {
            scan,
            catalogue,
            rules: self.rules(schema.rules),
            allow,
            markers: MarkerSettings {
                inline: schema.markers.inline,
                foreign: schema.markers.foreign,
                refused: false,
            },
            key,
            accept,
            fail_on: schema.report.fail_on,
            persona: schema.policy.persona,
            environments: self.environments(schema.environments),
            services: schema
                .services
                .into_iter()
                .map(|(name, globs)| (name, self.globs(&globs)))
                .collect(),
            mentions: std::mem::take(&mut self.mentions),
        }
    }

    fn scan(&mut self, schema: ScanSchema) -> Scan {
        let bytes = |size: Option<Size>| size.map(|size| size.0);
        Scan {
            exclude: self.globs(&schema.exclude),
            ignored: schema.ignored,
            max_file_bytes: schema.max_file_size.map(|size| size.0.get()),
            threads: schema.threads,
            archives: Archives {
                depth: schema.archives.depth,
                member_bytes: bytes(schema.archives.member_size),
                total_bytes: bytes(schema.archives.total_size),
                ratio: schema.archives.ratio,
                members: schema.archives.members,
            },
            unreachable: schema.history.unreachable,
        }
    }

    fn catalogue(&mut self, schema: &CatalogueSchema) -> Catalogue {
        let mut disable = self.rule_ids(&schema.disable);
        disable.sort();
        disable.dedup();
        let severity = schema.severity.iter().map(|(id, severity)| {
            let ids = self.rule_ids(std::slice::from_ref(id));
            (ids.into_iter().next(), *severity)
        });
        Catalogue {
            severity: severity
                .filter_map(|(id, severity)| id.map(|id| (id, severity)))
                .collect(),
            disable,
            at_least: BTreeMap::new(),
        }
    }

    fn rules(&self, tables: Vec<toml::Table>) -> Vec<OwnRules> {
        if tables.is_empty() {
            return Vec::new();
        }
        // A rule without an id is an error that `rules` finds, with its place.
        let tables: BTreeMap<String, toml::Table> = tables
            .into_iter()
            .map(|table| {
                let id = table.get("id").and_then(toml::Value::as_str);
                (id.unwrap_or_default().to_owned(), table)
            })
            .collect();
        vec![OwnRules {
            source: Arc::clone(&self.source),
            ids: tables.keys().cloned().collect(),
            guests: false,
            tables,
        }]
    }

    fn allow(&mut self, entry: &Spanned<AllowSchema>) -> Allow {
        let span = entry.span();
        let line = self.source.text.get(..span.start).unwrap_or_default();
        let place = format!("{}:{}", self.source.name, line.matches('\n').count() + 1);
        // The header of the table, not all of the entry.
        let header = span.start..(span.start + "[[allow]]".len()).min(span.end);
        let entry = entry.get_ref();
        let reason = entry.reason.as_deref().unwrap_or_default().trim();
        if reason.is_empty() {
            self.faults.push((Fault::NoReason, header.clone()));
        }
        if entry.rules.is_empty() && entry.paths.is_empty() && entry.values.is_empty() {
            self.faults.push((Fault::NoSelector, header));
        }
        Allow {
            reason: reason.to_owned(),
            rules: self.rule_ids(&entry.rules),
            paths: self.globs(&entry.paths),
            values: self.values(&entry.values),
            expires: entry.expires.as_ref().and_then(|day| self.day(day)),
            place,
        }
    }

    fn rule_ids(&mut self, ids: &[Spanned<String>]) -> Vec<RuleId> {
        ids.iter()
            .map(|written| {
                let id = RuleId::new(written.get_ref());
                self.mentions.push(Mention {
                    id: id.clone(),
                    source: Arc::clone(&self.source),
                    span: written.span(),
                });
                id
            })
            .collect()
    }

    pub(super) fn globs(&mut self, globs: &[Spanned<String>]) -> Vec<String> {
        let texts: Vec<String> = globs.iter().map(|glob| glob.get_ref().clone()).collect();
        for (glob, text) in globs.iter().zip(&texts) {
            if let Err((_, reason)) = PathGlobs::new(&[text]) {
                self.faults.push((Fault::Glob { reason }, glob.span()));
            }
        }
        texts
    }

    fn values(&mut self, values: &[Spanned<String>]) -> Vec<String> {
        for value in values {
            let digits = value.get_ref().strip_prefix("k1:").unwrap_or_default();
            let keyed = matches!(digits.len(), 32 | 64)
                && digits
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if !keyed {
                self.faults.push((Fault::Value, value.span()));
            }
        }
        values.iter().map(|value| value.get_ref().clone()).collect()
    }

    fn day(&mut self, written: &Spanned<toml::Value>) -> Option<Date> {
        let day = match written.get_ref() {
            toml::Value::Datetime(Datetime {
                date: Some(date),
                time: None,
                offset: None,
            }) => Some(Date::new(i64::from(date.year), date.month, date.day)),
            _ => None,
        };
        if day.is_none() {
            self.faults.push((Fault::Expires, written.span()));
        }
        day
    }

    fn accept(&mut self, words: &[Spanned<String>]) -> BTreeSet<SkipCause> {
        let mut accepted = BTreeSet::new();
        for word in words {
            let names = SkipCause::ACCEPTABLE.iter().map(|cause| cause.as_str());
            match SkipCause::ACCEPTABLE
                .iter()
                .find(|c| c.as_str() == word.get_ref())
            {
                Some(cause) => drop(accepted.insert(*cause)),
                None => {
                    let help = match closest(word.get_ref(), names.clone()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("one of: {}", names.collect::<Vec<_>>().join(", ")),
                    };
                    let word_text = word.get_ref().clone();
                    self.faults.push((
                        Fault::Accept {
                            word: word_text,
                            help,
                        },
                        word.span(),
                    ));
                }
            }
        }
        accepted
    }
}
