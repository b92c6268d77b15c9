//! Names and values that stand beside each other, in whatever format, and what kind of place a path is.
//!
//! For lints that hold for any file of settings. Promise: each value is told with the bytes it came from; no value is told twice.

use std::{ops::Range, sync::OnceLock};

use regex::Regex;

use super::super::{
    lint::{Document, Syntax},
    names::{self, Secretness},
    node::{Entry, Node, Scalar},
    readers::{dotenv::Line, xml::Element},
    values::{self, Strength, Value},
};

mod hcl;

/// Most bytes of a key, and most keys, that are told of a path: a hostile file must not make its report large.
const MAX_KEY: usize = 60;
const MAX_KEYS: usize = 8;

/// A name with its value.
pub(super) struct Pair<'p, 'd> {
    /// The keys around it, the outermost first.
    pub(super) around: &'p [&'d str],
    /// The name that says what the value is.
    pub(super) name: &'d str,
    /// The value, quotes and escapes undone.
    pub(super) value: &'d str,
    origin: Origin<'d>,
}

/// Where a value came from.
enum Origin<'d> {
    /// A scalar, from this offset on.
    Scalar(&'d Scalar, usize),
    Line(&'d Line),
    /// Text that stands there as it is, or else (with references in it) is told as a whole.
    Text(Range<usize>),
}

impl Pair<'_, '_> {
    /// Returns the keys that lead there, with dots; of many the last.
    pub(super) fn path(&self) -> String {
        let keys = self.around.iter().chain(std::iter::once(&self.name));
        let skip = (self.around.len() + 1).saturating_sub(MAX_KEYS);
        let short = |key: &&str| key.chars().take(MAX_KEY).collect::<String>();
        let keys = keys.skip(skip).filter(|key| !key.is_empty()).map(short);
        keys.collect::<Vec<_>>().join(".")
    }

    /// Returns the bytes of the file that a part of the value came from.
    pub(super) fn source(&self, part: Range<usize>) -> Range<usize> {
        match &self.origin {
            Origin::Scalar(scalar, offset) => scalar.source(offset + part.start..offset + part.end),
            Origin::Line(line) => line.source(part),
            Origin::Text(span) if span.len() == self.value.len() => {
                span.start + part.start..span.start + part.end
            }
            Origin::Text(span) => span.clone(),
        }
    }

    /// Returns the secret that the value is or holds, if it stands there itself and not by an address.
    pub(super) fn secret(&self) -> Option<Held> {
        secret(self.name, self.value)
    }
}

/// A secret in a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Its bytes in the value.
    pub(super) part: Range<usize>,
    /// How hard it is to guess.
    pub(super) strength: Strength,
    /// In what form it is there.
    pub(super) form: Form,
}

/// How a value holds a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It is the secret: the name says so.
    Whole,
    /// It is an address with a password in it.
    Url,
    /// It is a row of settings with a password in it: `Server=db;Password=...`.
    Connection,
}

/// Tells whether a name is that of a secret that people choose: passwords, and what is called a secret.
pub(super) fn is_chosen(name: &str) -> bool {
    const CHOSEN: [&str; 10] = [
        "password",
        "passwd",
        "passphrase",
        "passcode",
        "pwd",
        "pw",
        "pass",
        "secret",
        "requirepass",
        "userpass",
    ];
    names::words(name)
        .iter()
        .any(|word| CHOSEN.contains(&word.as_str()) || word.ends_with("password"))
}

/// Returns the secret in a value, by its name and its form.
pub(super) fn secret(name: &str, value: &str) -> Option<Held> {
    let literal = |text: &str| match values::classify(text) {
        Value::Literal(strength) => Some(strength),
        Value::Plain => Some(Strength::Weak),
        _ => None,
    };
    let part_of = |part: &str| {
        // Both are of the same text: `part` was cut from `value`.
        let start = (part.as_ptr() as usize).checked_sub(value.as_ptr() as usize)?;
        Some(start..start + part.len())
    };
    if let Some((scheme, rest)) = value.split_once("://") {
        let is_scheme = scheme.ends_with(|c: char| c.is_ascii_alphanumeric());
        if let Some(password) = values::userinfo(rest).filter(|_| is_scheme) {
            let strength = literal(password)?;
            return Some(Held {
                part: part_of(password)?,
                strength,
                form: Form::Url,
            });
        }
    }
    if value.matches('=').count() > 1 && value.contains([';', '?', '&', ' ']) {
        static SETTING: OnceLock<Option<Regex>> = OnceLock::new();
        let setting = SETTING.get_or_init(|| {
            let names = "password|passwd|pwd|accountkey|sharedaccesskey|sharedsecret";
            Regex::new(&format!(
                "(?:^|[;?& ])(?i:{names})(?-u: *= *)([^;&\\s\"']+)"
            ))
            .ok()
        });
        if let Some(found) = setting
            .as_ref()?
            .captures(value)
            .and_then(|found| found.get(1))
        {
            let strength = literal(found.as_str())?;
            return Some(Held {
                part: found.range(),
                strength,
                form: Form::Connection,
            });
        }
    }
    if names::secretness(name) < Secretness::Strong {
        return None;
    }
    match values::classify(value) {
        Value::Literal(strength) => Some(Held {
            part: 0..value.len(),
            strength,
            form: Form::Whole,
        }),
        _ => None,
    }
}

/// Takes pairs.
type Visit<'v, 'd> = &'v mut dyn FnMut(&Pair<'_, 'd>);

/// Calls `f` for all pairs of a document: entries of maps, items such as `NAME=value`, `name:` beside `value:`, lines, attributes and
/// texts. Of kinds with their own syntax there are none.
pub(super) fn each<'d>(document: &'d Document<'_>, f: Visit<'_, 'd>) {
    match &document.syntax {
        Syntax::Tree(trees) => {
            for tree in trees {
                of_node(tree, &mut Vec::new(), f);
            }
        }
        Syntax::Lines(lines) => {
            for line in lines {
                f(&Pair {
                    around: &[&line.section],
                    name: &line.key,
                    value: &line.value,
                    origin: Origin::Line(line),
                });
            }
        }
        Syntax::Xml(root) => root.walk(&mut |around, element| of_element(around, element, f)),
        Syntax::Hcl(body) => hcl::each(body, f),
        Syntax::Docker(_) | Syntax::Text => {}
    }
}

fn of_node<'d>(node: &'d Node, around: &mut Vec<&'d str>, f: Visit<'_, 'd>) {
    named(node, around, f);
    for Entry { key, value, .. } in node.entries() {
        if let Some(scalar) = value.scalar() {
            f(&Pair {
                around,
                name: key,
                value: &scalar.text,
                origin: Origin::Scalar(scalar, 0),
            });
        } else {
            around.push(key);
            of_node(value, around, f);
            around.pop();
        }
    }
    for item in node.items() {
        match item.scalar() {
            Some(scalar) => of_item(scalar, around, f),
            None => of_node(item, around, f),
        }
    }
}

/// Tells the pair of an item such as `NAME=value`.
fn of_item<'d>(scalar: &'d Scalar, around: &[&'d str], f: Visit<'_, 'd>) {
    let Some((name, value)) = scalar.text.split_once('=') else {
        return;
    };
    let is_name = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if is_name && !name.is_empty() {
        f(&Pair {
            around,
            name,
            value,
            origin: Origin::Scalar(scalar, name.len() + 1),
        });
    }
}

/// Tells the pair of a map that holds a name and a value: `{name: DB_PASSWORD, value: ...}`.
fn named<'d>(node: &'d Node, around: &[&'d str], f: Visit<'_, 'd>) {
    let text = |keys: [&str; 2]| {
        let mut entries = node.entries().iter();
        entries.find_map(|entry| {
            entry
                .value
                .scalar()
                .filter(|_| keys.contains(&entry.key.as_str()))
        })
    };
    if let (Some(name), Some(value)) = (text(["name", "key"]), text(["value", "Value"])) {
        f(&Pair {
            around,
            name: &name.text,
            value: &value.text,
            origin: Origin::Scalar(value, 0),
        });
    }
}

fn of_element<'d>(around: &[&'d Element], element: &'d Element, f: Visit<'_, 'd>) {
    let named = element
        .attribute("key")
        .or_else(|| element.attribute("name"));
    let value = element.attribute("value");
    let parents = around.iter().skip(1).map(|element| element.name.as_str());
    let parents: Vec<&str> = parents
        .chain(std::iter::once(element.name.as_str()))
        .collect();
    let mut tell = |around: &[&'d str], name: &'d str, value: &'d str, span: &Range<usize>| {
        f(&Pair {
            around,
            name,
            value,
            origin: Origin::Text(span.clone()),
        });
    };
    for attribute in &element.attributes {
        let is_value = attribute.name.eq_ignore_ascii_case("value") && named.is_some();
        if !is_value {
            tell(
                &parents,
                &attribute.name,
                &attribute.value,
                &attribute.value_span,
            );
        }
    }
    if let (Some(name), Some(value)) = (named, value) {
        tell(&parents, &name.value, &value.value, &value.value_span);
    }
    if !element.text.is_empty() {
        let outer = parents.split_last().map_or(&[][..], |(_, outer)| outer);
        match named {
            Some(name) => tell(&parents, &name.value, &element.text, &element.text_span),
            None => tell(outer, &element.name, &element.text, &element.text_span),
        }
    }
}

/// What the words of a path say of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// It is of production or of its rehearsal.
    pub(super) production: bool,
    /// It is of one person's machine or of development.
    pub(super) local: bool,
    /// It belongs to tests.
    pub(super) test: bool,
    /// It shows how it is done: examples, documentation, templates to be copied.
    pub(super) example: bool,
    /// It holds texts for people: translations.
    pub(super) prose: bool,
}

/// Reads the words of a path.
pub(super) fn place(path: &str) -> Place {
    let mut place = Place::default();
    for word in names::words(path) {
        match word.as_str() {
            "prod" | "production" | "prd" | "live" | "staging" | "stage" | "stg" | "preprod"
            | "uat" => {
                place.production = true;
            }
            "local" | "dev" | "development" | "develop" | "debug" | "localhost"
            | "devcontainer" | "ci" => place.local = true,
            "test" | "tests" | "testing" | "testdata" | "testcase" | "testcases" | "fixture"
            | "fixtures" | "spec" | "specs" | "mock" | "mocks" | "cassette" | "cassettes"
            | "snapshot" | "snapshots" | "stub" | "stubs" | "fake" | "fakes" | "dummy"
            | "testresources" | "suites" | "testsuite" | "testutil" | "testutils" | "bench"
            | "benchmark" | "benchmarks" => place.test = true,
            "example" | "examples" | "sample" | "samples" | "demo" | "demos" | "tutorial"
            | "tutorials" | "docs" | "doc" | "documentation" | "dist" | "template" | "tpl"
            | "tmpl" | "templates" | "skeleton" | "quickstart" | "playground" | "boilerplate" => {
                place.example = true
            }
            "locale" | "locales" | "lang" | "langs" | "language" | "languages" | "translation"
            | "translations" | "messages" | "intl" | "nls" | "localization" | "localizations"
            | "localisation" | "localisations" => place.prose = true,
            _ => {}
        }
    }
    let lower = path.to_ascii_lowercase();
    place.test |= lower.contains("e2e") || lower.split('/').any(|folder| folder == "t");
    place.prose |= ["i18n", "l10n", "/res/values", "strings.xml"]
        .iter()
        .any(|part| lower.contains(part));
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{kind::FileKind, readers};

    #[test]
    fn secrets_by_name_address_and_setting() {
        for (name, value, want) in [
            (
                "DB_PASSWORD",
                "hunter2-Zq81",
                Some((Strength::Named, Form::Whole)),
            ),
            (
                "DB_PASSWORD",
                "postgres",
                Some((Strength::Weak, Form::Whole)),
            ),
            ("DB_PASSWORD", "${X}", None),
            (
                "URL",
                "postgres://app:hunter2-Zq81@db/x",
                Some((Strength::Named, Form::Url)),
            ),
            ("URL", "postgres://app:${PW}@db/x", None),
            ("URL", "postgres://db/x", None),
            (
                "Db",
                "Server=db;User=a; Password=hunter2-Zq81;X=y",
                Some((Strength::Named, Form::Connection)),
            ),
            ("Db", "Server=db;Pwd={0};X=y", None),
            (
                "Db",
                "jdbc:mysql://db/x?user=a&password=hunter2-Zq81",
                Some((Strength::Named, Form::Connection)),
            ),
            (
                "Db",
                "host=db password=1234",
                Some((Strength::Weak, Form::Connection)),
            ),
            ("Note", "set password=hunter2-Zq81", None),
        ] {
            let held = secret(name, value);
            assert_eq!(
                held.as_ref().map(|held| (held.strength, held.form)),
                want,
                "{name} {value}"
            );
            if let Some(held) = held.filter(|held| held.form != Form::Whole) {
                assert!(
                    ["hunter2-Zq81", "1234"].contains(&&value[held.part]),
                    "{value}"
                );
            }
        }
    }

    #[test]
    fn pairs_of_all_formats_lead_back_to_their_bytes() {
        let tree = |text| Syntax::Tree(readers::yaml::read(text).unwrap());
        let xml = |text| Syntax::Xml(readers::xml::read(text).unwrap());
        let hcl = |text| Syntax::Hcl(readers::hcl::read(text).unwrap());
        for (text, syntax, want) in [
            ("a:\n  b: \"v1\"\n", tree("a:\n  b: \"v1\"\n"), "a.b=v1"),
            ("- N=v1\n", tree("- N=v1\n"), "N=v1"),
            (
                "- name: N\n  value: v1\n",
                tree("- name: N\n  value: v1\n"),
                "N=v1",
            ),
            (
                "<r><add key='N' value='v1'/></r>",
                xml("<r><add key='N' value='v1'/></r>"),
                "add.N=v1",
            ),
            (
                "<r><p name='N'>v1</p></r>",
                xml("<r><p name='N'>v1</p></r>"),
                "p.N=v1",
            ),
            (
                "variable \"N\" { default = \"v1\" }\n",
                hcl("variable \"N\" { default = \"v1\" }\n"),
                "variable.N=v1",
            ),
            (
                "a = { N = \"v1\" }\n",
                hcl("a = { N = \"v1\" }\n"),
                "a.N=v1",
            ),
            ("<r><n>v1</n></r>", xml("<r><n>v1</n></r>"), "n=v1"),
            (
                "[s]\nN = v1\n",
                Syntax::Lines(readers::dotenv::properties("[s]\nN = v1\n")),
                "s.N=v1",
            ),
        ] {
            let document = Document {
                path: "x",
                kind: FileKind::Yaml,
                text,
                syntax,
            };
            let mut shown = Vec::new();
            each(&document, &mut |pair| {
                shown.push(format!(
                    "{}={}",
                    pair.path(),
                    &text[pair.source(0..pair.value.len())]
                ))
            });
            assert!(shown.iter().any(|one| one == want), "{text} {shown:?}");
        }
    }

    #[test]
    fn words_of_paths() {
        assert!(
            place("deploy/prod/app.yml").production
                && place("appsettings.Production.json").production
        );
        assert!(place("src/test/resources/a.yml").test && !place("latest/contest.yml").test);
        assert!(
            place("config.example.toml").example
                && place("locales/en.yml").prose
                && place("config/dev.ini").local
        );
    }
}
