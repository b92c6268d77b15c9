//! `dotenv-not-ignored`: the next `.env` would be tracked. What images take in is told by the lints of Dockerfiles.

use std::collections::{BTreeMap, BTreeSet};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::{
    super::{
        super::{
            fault::{CrossFault, Edit, Fact, FactData, Fix, FixClass, Pointer},
            kind::FileKind,
            lint::{Context, Document, Index, Item, Lint, LintMeta, Persona},
        },
        pairs,
    },
    is_dotenv, is_example, split,
};
use crate::model::{BlobPath, Confidence, Severity};

const NOT_IGNORED: LintMeta = LintMeta {
    id: "dotenv-not-ignored",
    title: "No ignore rule covers the environment file",
    tool: "dotenv",
    severity: Severity::Low,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "Git: gitignore",
        "CWE-538: Insertion of Sensitive Information into Externally-Accessible File or Directory",
    ],
    cwe: 538,
    fix: FixClass::Safe,
    why: "The project reads a .env file; without a rule one `git add .` publishes it.",
    help: "Add `.env` and `.env.*` to the ignore file, and `!.env.example` behind them.",
    bad: &[&[
        (".gitignore", "target/\n"),
        (".env.example", "DB_PASSWORD=\n"),
    ]],
    good: &[
        // The good form.
        &[
            (".gitignore", ".env\n.env.*\n!.env.example\n"),
            (".env.example", "DB_PASSWORD=\n"),
        ],
        // A rule in another form, or further up.
        &[
            (".gitignore", "*.env*\n"),
            ("app/.gitignore", "/dist\n"),
            ("app/.env.example", "DB_PASSWORD=\n"),
        ],
        // A project without environment files.
        &[
            (".gitignore", "target/\n"),
            ("src/main.rs", "fn main() {}\n"),
        ],
        // A fixture.
        &[
            (".gitignore", "target/\n"),
            ("tests/data/.env.example", "DB_PASSWORD=\n"),
        ],
    ],
};

const FILE: &str = ".gitignore";

const RULES: &str = "git-ignore-rules";

/// Most bytes of rules that are kept of an ignore file.
const MAX_RULES: usize = 1 << 16;

/// Most folders that are looked at.
const MAX_FOLDERS: usize = 200;

/// Tells missing rules.
pub(super) struct NotIgnored;

impl Lint for NotIgnored {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&NOT_IGNORED]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind != FileKind::Ignore || document.name() != FILE {
            return;
        }
        let item = Item {
            topic: RULES,
            subject: document.name().to_owned(),
            attributes: vec![
                ("rules", rules(document.text)),
                ("end", ending(document.text).to_owned()),
            ],
        };
        context.note(Fact {
            span: 0..0,
            secret: None,
            data: FactData::Item(Box::new(item)),
        });
    }

    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        // Rules in files that were not read would be missed.
        if !index.whole {
            return;
        }
        let tree = Tree::of(index);
        out.extend(tree.untracked());
    }
}

/// Returns the lines of an ignore file that are rules.
fn rules(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let mut rules = String::new();
    for line in lines {
        if rules.len() + line.len() > MAX_RULES {
            break;
        }
        rules.push_str(line);
        rules.push('\n');
    }
    rules
}

/// Returns what must be written before a further line.
fn ending(text: &str) -> &'static str {
    match text {
        "" => "",
        text if text.ends_with('\n') => "",
        text if text.contains("\r\n") => "\r\n",
        _ => "\n",
    }
}

/// What is known of the tree.
struct Tree {
    /// The environment files that say that a folder has them, by folder.
    uses: BTreeMap<String, String>,
    /// Names of examples, to be taken back from a rule.
    examples: BTreeSet<String>,
    /// Rules by the path of their file.
    ignores: BTreeMap<String, Rules>,
}

struct Rules {
    fact: usize,
    matcher: Gitignore,
    end: String,
}

impl Tree {
    fn of(index: &Index<'_>) -> Self {
        let mut tree = Self {
            uses: BTreeMap::new(),
            examples: BTreeSet::new(),
            ignores: BTreeMap::new(),
        };
        for path in index
            .paths
            .iter()
            .map(BlobPath::to_text)
            .filter(|path| is_dotenv(path))
        {
            let place = pairs::place(split(&path).0);
            let (folder, name) = split(&path);
            if place.test || place.example || !name.starts_with(".env") || name == ".envrc" {
                continue;
            }
            if is_example(name) {
                tree.examples.insert(name.to_owned());
            }
            if tree.uses.len() < MAX_FOLDERS {
                tree.uses
                    .entry(folder.to_owned())
                    .or_insert_with(|| path.to_string());
            }
        }
        for (at, fact) in index.facts.iter().enumerate() {
            let FactData::Item(item) = &fact.data else {
                continue;
            };
            if item.topic != RULES {
                continue;
            }
            let attribute = |name| {
                let found = item.attributes.iter().find(|one| one.0 == name);
                found.map_or("", |one| one.1.as_str())
            };
            let rules = Rules {
                fact: at,
                matcher: matcher(attribute("rules")),
                end: attribute("end").to_owned(),
            };
            tree.ignores.insert(fact.path.to_text().into_owned(), rules);
        }
        tree
    }

    /// Returns the rule files from the deepest to that of the root, each with its folder.
    fn above<'t>(&'t self, folder: &'t str) -> impl Iterator<Item = (&'t str, &'t Rules)> {
        let mut at = Some(folder);
        std::iter::from_fn(move || {
            let here = at?;
            at = (!here.is_empty()).then(|| split(here).0);
            Some(here)
        })
        .filter_map(move |here| Some((here, self.ignores.get(&joined(here, FILE))?)))
    }

    /// Folders whose `.env` git would take: one fault, at the first.
    fn untracked(&self) -> Option<CrossFault> {
        let is_open = |folder: &str| {
            let decided = self.above(folder).find_map(|(base, rules)| {
                let below = folder
                    .get(base.len()..)
                    .unwrap_or_default()
                    .trim_start_matches('/');
                decides(&rules.matcher, &joined(below, ".env"))
            });
            decided != Some(true)
        };
        let open = |(folder, path): &(&String, &String)| is_open(folder) && split(path).1 != ".env";
        let (folder, path) = self.uses.iter().find(open)?;
        let nearest = self.above(folder).next();
        let home = nearest.map_or("", |(base, _)| base);
        let file = joined(home, FILE);
        let mut fault = self.fault(
            path,
            &file,
            nearest.map(|(_, rules)| rules),
            format!(
                "no rule of git's ignore files covers {}",
                joined(folder, ".env")
            ),
        );
        // A tree without any may be no repository.
        if nearest.is_none() {
            fault.persona = Persona::Pedantic;
        }
        Some(fault)
    }

    fn fault(&self, at: &str, file: &str, rules: Option<&Rules>, message: String) -> CrossFault {
        let end = rules.map_or("", |rules| rules.end.as_str());
        let line = if end == "\r\n" { "\r\n" } else { "\n" };
        let mut text = format!("{end}.env{line}.env.*{line}");
        for example in &self.examples {
            text.push_str(&format!("!{example}{line}"));
        }
        CrossFault {
            lint: &NOT_IGNORED,
            severity: Severity::Low,
            confidence: Confidence::High,
            persona: Persona::Regular,
            primary: Pointer::File(BlobPath::from(at)),
            related: rules
                .map(|rules| {
                    (
                        Pointer::Fact(rules.fact),
                        "the nearest ignore file".to_owned(),
                    )
                })
                .into_iter()
                .collect(),
            message,
            subject: file.to_owned(),
            fix: Some(Fix {
                class: FixClass::Safe,
                title: format!("add rules to {file}"),
                edits: vec![Edit {
                    append_to: Some(file.to_owned()),
                    span: 0..0,
                    text,
                }],
            }),
            properties: Vec::new(),
        }
    }
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// Reads rules; those that are none are passed over, as git does.
fn matcher(rules: &str) -> Gitignore {
    let mut builder = GitignoreBuilder::new("");
    for rule in rules.lines() {
        drop(builder.add_line(None, rule));
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// Tells whether rules take a path out (`true`) or back in (`false`), if they say anything of it or of a folder above it.
fn decides(matcher: &Gitignore, path: &str) -> Option<bool> {
    for (at, _) in path.match_indices('/') {
        if matcher.matched(path.get(..at)?, true).is_ignore() {
            return Some(true);
        }
    }
    let matched = matcher.matched(path, false);
    (!matched.is_none()).then(|| matched.is_ignore())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_decide_as_git_does() {
        for (rules, path, want) in [
            (".env\n", ".env", Some(true)),
            ("/.env\n", "app/.env", None),
            (".env*\n!.env\n", ".env", Some(false)),
            ("app/\n", "app/.env", Some(true)),
            ("*\n", ".env", Some(true)),
            ("**/.env\n", "a/b/.env", Some(true)),
            ("# .env\n[\n", ".env", None),
        ] {
            assert_eq!(decides(&matcher(rules), path), want, "{rules:?} {path}");
        }
    }

    #[test]
    fn the_rules_that_are_added_cover_it_and_keep_the_example() {
        let tree = Tree {
            uses: BTreeMap::new(),
            examples: [".env.example".to_owned()].into(),
            ignores: BTreeMap::new(),
        };
        let rules = Rules {
            fact: 0,
            matcher: Gitignore::empty(),
            end: ending("target").to_owned(),
        };
        let fault = tree.fault(".env.example", ".gitignore", Some(&rules), String::new());
        let text = format!("target{}", fault.fix.unwrap().edits[0].text);
        let matcher = matcher(&text);
        assert_eq!(decides(&matcher, "target"), Some(true));
        assert_eq!(decides(&matcher, ".env"), Some(true));
        assert_eq!(decides(&matcher, ".env.example"), Some(false));
    }
}
