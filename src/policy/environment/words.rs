//! The words that name environments, and the pairs of words that must be read together.
//!
//! Three strengths: strict words mean an environment beside anything (`values-prod-payments`), loose ones alone, last, or beside a region
//! (`values-test-eu`, not `values-local-storage`), grammar words only where nothing but a region stands beside them (`values-live`).

use super::Environment;

/// How far a word can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Grammar,
    Loose,
    Strict,
}

use Strength::{Grammar, Loose, Strict};

static WORDS: [(&str, Environment, Strength); 47] = [
    ("prod", Environment::PROD, Strict),
    ("production", Environment::PROD, Strict),
    ("prd", Environment::PROD, Strict),
    ("prdn", Environment::PROD, Strict),
    ("pro", Environment::PROD, Grammar),
    ("live", Environment::PROD, Grammar),
    ("dr", Environment::DR, Grammar),
    ("staging", Environment::STAGING, Strict),
    ("stg", Environment::STAGING, Strict),
    ("stage", Environment::STAGING, Loose),
    ("stag", Environment::STAGING, Grammar),
    ("preprod", Environment::PREPROD, Strict),
    ("preproduction", Environment::PREPROD, Strict),
    ("preprd", Environment::PREPROD, Strict),
    ("ppd", Environment::PREPROD, Strict),
    ("prodlike", Environment::PREPROD, Strict),
    ("uat", Environment::UAT, Strict),
    ("acceptance", Environment::UAT, Loose),
    ("acc", Environment::UAT, Grammar),
    ("preview", Environment::PREVIEW, Loose),
    ("review", Environment::PREVIEW, Grammar),
    ("qa", Environment::QA, Strict),
    ("sit", Environment::QA, Grammar),
    ("int", Environment::QA, Grammar),
    ("test", Environment::TEST, Loose),
    ("tst", Environment::TEST, Loose),
    ("testing", Environment::TEST, Loose),
    ("ci", Environment::CI, Loose),
    ("dev", Environment::DEV, Strict),
    ("devel", Environment::DEV, Loose),
    ("development", Environment::DEV, Strict),
    ("develop", Environment::DEV, Loose),
    ("local", Environment::LOCAL, Loose),
    ("localhost", Environment::LOCAL, Loose),
    ("sandbox", Environment::SANDBOX, Loose),
    ("sbx", Environment::SANDBOX, Loose),
    ("demo", Environment::DEMO, Loose),
    ("nonprod", Environment::NONPROD, Strict),
    ("nonproduction", Environment::NONPROD, Strict),
    ("nonprd", Environment::NONPROD, Strict),
    ("notprod", Environment::NONPROD, Strict),
    ("noprod", Environment::NONPROD, Strict),
    ("npd", Environment::NONPROD, Grammar),
    // Words of the pairs below, once they are joined.
    ("docker-local", Environment::LOCAL, Strict),
    ("prod-like", Environment::PREPROD, Strict),
    ("pr-n", Environment::PREVIEW, Strict),
    ("user-acceptance", Environment::UAT, Strict),
];

/// Longest text that is looked at as one word.
const MAX_WHOLE: usize = 24;

/// Words that only say where: they may stand beside any environment.
const REGIONS: [&str; 44] = [
    "eu",
    "us",
    "ap",
    "ca",
    "sa",
    "af",
    "me",
    "uk",
    "de",
    "fr",
    "nl",
    "ie",
    "in",
    "jp",
    "au",
    "sg",
    "br",
    "asia",
    "europe",
    "east",
    "west",
    "north",
    "south",
    "central",
    "northeast",
    "northwest",
    "southeast",
    "southwest",
    "euw",
    "use",
    "usw",
    "weu",
    "neu",
    "eus",
    "wus",
    "cluster",
    "eks",
    "gke",
    "aks",
    "k8s",
    "blue",
    "green",
    "primary",
    "secondary",
];

/// Second words after which a first one is no environment: the tools, data and stages of a build.
const FOLLOWERS: [(&str, &[&str]); 4] = [
    (
        "dev",
        &[
            "tools",
            "tool",
            "dependencies",
            "deps",
            "requirements",
            "container",
            "server",
            "kit",
            "ops",
        ],
    ),
    (
        "test",
        &[
            "data",
            "case",
            "cases",
            "suite",
            "suites",
            "result",
            "results",
            "utils",
            "helpers",
            "fixture",
            "fixtures",
            "containers",
            "runner",
            "kit",
            "ng",
        ],
    ),
    (
        "local",
        &["storage", "path", "volume", "provisioner", "time"],
    ),
    (
        "stage",
        &[
            "one", "two", "three", "build", "first", "second", "third", "a", "b",
        ],
    ),
];

/// First words after which `stage` is a step of a pipeline.
const BEFORE_STAGE: [&str; 11] = [
    "first", "second", "third", "multi", "build", "final", "two", "pipeline", "one", "single",
    "last",
];

/// One part of a name.
enum Part {
    Environment(Environment, Strength),
    Region,
    Other,
}

/// Returns the environment that a whole word names, `prod2` and `dev-01` included; `words` says whether the place is one where only an
/// environment can stand.
pub(super) fn whole(word: &str, is_slot: bool) -> Option<Environment> {
    // Every key of a document is asked for: most are one word, or too long to be an environment and where it is.
    if word.len() > MAX_WHOLE {
        return None;
    }
    if word.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let found = WORDS
            .iter()
            .find(|(name, ..)| name.eq_ignore_ascii_case(bare));
        let counts = |strength: Strength| is_slot || strength > Grammar;
        return found
            .filter(|(.., strength)| counts(*strength))
            .map(|(_, environment, _)| environment.clone());
    }
    match parts(word).as_slice() {
        [Part::Environment(environment, strength)] => {
            (is_slot || *strength > Grammar).then(|| environment.clone())
        }
        _ => None,
    }
}

/// Returns the environments that a text names at its first or last word; `is_slot` as in [`whole`].
pub(super) fn named(text: &str, is_slot: bool) -> Vec<Environment> {
    let parts = parts(text);
    let mut found = Vec::new();
    let last = parts.len().saturating_sub(1);
    for (at, part) in parts
        .iter()
        .enumerate()
        .filter(|(at, _)| *at == 0 || *at == last)
    {
        let Part::Environment(environment, strength) = part else {
            continue;
        };
        let others_are_regions = parts
            .iter()
            .enumerate()
            .all(|(other, part)| other == at || !matches!(part, Part::Other));
        let counts = match strength {
            Strict => true,
            Loose => at == last || others_are_regions,
            Grammar => is_slot && others_are_regions,
        };
        if counts && !found.contains(environment) {
            found.push(environment.clone());
        }
    }
    found
}

/// Tells whether a word is a strict one: what a tree of environments has at least one of.
pub(super) fn is_strict(word: &str) -> bool {
    matches!(parts(word).as_slice(), [Part::Environment(_, Strict)])
}

/// Splits a name into its words, pairs joined, numbers dropped.
fn parts(text: &str) -> Vec<Part> {
    let lower = text.to_ascii_lowercase();
    let words: Vec<&str> = lower
        .split(['-', '_', '.', ' ', '+', '@', '~'])
        .filter(|word| !word.is_empty())
        .collect();
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let next = words.get(at + 1).copied().unwrap_or_default();
        let before = at.checked_sub(1).and_then(|at| words.get(at)).copied();
        let (joined, taken) = pair(word, next);
        at += taken;
        match joined {
            Some(name) => parts.extend(lookup(name)),
            None if taken == 2 => parts.extend([Part::Other, Part::Other]),
            None if is_number(word) => {}
            None if *word == "stage"
                && before.is_some_and(|before| BEFORE_STAGE.contains(&before)) =>
            {
                parts.push(Part::Other);
            }
            None if REGIONS.contains(word) => parts.push(Part::Region),
            None => parts.push(
                lookup(word.trim_end_matches(|c: char| c.is_ascii_digit())).unwrap_or(Part::Other),
            ),
        }
    }
    parts
}

/// Returns the name of a pair of words, and how many words that took.
fn pair(word: &str, next: &str) -> (Option<&'static str>, usize) {
    let is_production = matches!(next, "prod" | "production" | "prd");
    match word {
        "non" | "not" | "no" if is_production => (Some("nonprod"), 2),
        "pre" if is_production => (Some("preprod"), 2),
        "prod" | "production" if next == "like" => (Some("prod-like"), 2),
        "docker" if next == "local" => (Some("docker-local"), 2),
        "user" if next == "acceptance" => (Some("user-acceptance"), 2),
        "pr" if is_number(next) => (Some("pr-n"), 2),
        "stage" if is_number(next) => (None, 2),
        _ if FOLLOWERS
            .iter()
            .any(|(first, then)| *first == word && then.contains(&next)) =>
        {
            (None, 2)
        }
        _ => (None, 1),
    }
}

fn lookup(word: &str) -> Option<Part> {
    let found = WORDS.iter().find(|(name, ..)| *name == word);
    found.map(|(_, environment, strength)| Part::Environment(environment.clone(), *strength))
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[(&str, &str)] = &[
        ("prod", "prod"),
        ("Production", "prod"),
        ("PRD", "prod"),
        ("prdn", "prod"),
        ("prod2", "prod"),
        ("stg", "staging"),
        ("stage", "staging"),
        ("staging", "staging"),
        ("preprod", "preprod"),
        ("pre-prod", "preprod"),
        ("pre_production", "preprod"),
        ("ppd", "preprod"),
        ("uat", "uat"),
        ("acceptance", "uat"),
        ("preview", "preview"),
        ("pr-12", "preview"),
        ("qa", "qa"),
        ("test", "test"),
        ("tst", "test"),
        ("testing", "test"),
        ("ci", "ci"),
        ("dev", "dev"),
        ("devel", "dev"),
        ("dev01", "dev"),
        ("development", "dev"),
        ("develop", "dev"),
        ("local", "local"),
        ("docker-local", "local"),
        ("sandbox", "sandbox"),
        ("sbx", "sandbox"),
        ("demo", "demo"),
        ("non-prod", "nonprod"),
        ("nonprod", "nonprod"),
        ("not-prod", "nonprod"),
        ("prod-like", "preprod"),
    ];

    fn names(text: &str, is_slot: bool) -> Vec<String> {
        named(text, is_slot)
            .iter()
            .map(|one| one.name().to_owned())
            .collect()
    }

    #[test]
    fn words_name_environments() {
        for (word, name) in KNOWN {
            assert_eq!(
                whole(word, false)
                    .map(|one| one.name().to_owned())
                    .as_deref(),
                Some(*name),
                "{word}"
            );
        }
        for (word, name) in [
            ("pro", "prod"),
            ("live", "prod"),
            ("dr", "dr"),
            ("stag", "staging"),
            ("acc", "uat"),
            ("review", "preview"),
            ("int", "qa"),
            ("sit", "qa"),
        ] {
            assert_eq!(whole(word, false), None, "{word}");
            assert_eq!(
                whole(word, true)
                    .map(|one| one.name().to_owned())
                    .as_deref(),
                Some(name),
                "{word}"
            );
        }
    }

    #[test]
    fn first_and_last_words_count() {
        for (text, want) in [
            ("prod-eu-west-1", &["prod"][..]),
            ("eu-prod", &["prod"]),
            ("prod-payments", &["prod"]),
            ("acme-staging", &["staging"]),
            ("test-eu", &["test"]),
            ("load-test", &["test"]),
            ("test.local", &["test", "local"]),
            ("eu-live", &["prod"]),
        ] {
            assert_eq!(names(text, true), want, "{text}");
        }
    }

    #[test]
    fn trap_words_name_nothing() {
        for text in [
            "dev-tools",
            "test-data",
            "stages",
            "second-stage",
            "stage-2",
            "stages_second_stage",
            "local-storage",
            "go-live",
            "code-review",
            "product",
            "produce",
            "latest",
            "contest",
            "device",
            "devops",
            "protest",
            "integration",
            "mint",
            "print",
            "attest",
            "first",
            "reproduction",
            "live-reload",
            "dev-dependencies",
            "test-containers",
            "ci-runner",
            "profile",
            "accounts",
            "",
        ] {
            assert_eq!(names(text, true), [""; 0], "{text}");
        }
    }
}
