//! Variables that are called after a secret and hold its name, or a file's: what a script does with them elsewhere tells.

use std::{collections::BTreeSet, sync::OnceLock};

use regex::Regex;

use super::super::{super::names, config::traps};

/// Most variables that are kept of one text.
const MAX: usize = 1_000;

/// Returns the variables of a script or Makefile that hold the name of a secret (`kubectl get secret "$X"`, `keyvault-secret:store/${X}`,
/// `X_SECRETS=APP-KEYS`) or the path of a file with it (`X="$DIR/key.json"`).
pub(super) fn names_of_secrets(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for (pattern, is_assigned) in patterns() {
        for captures in pattern.captures_iter(text) {
            let (Some(name), value) = (captures.get(1), captures.get(2)) else {
                continue;
            };
            let is_name = !is_assigned
                || is_plural(name.as_str()) && value.is_some_and(|value| is_words(value.as_str()));
            if is_name && found.len() < MAX {
                found.insert(name.as_str());
            }
        }
    }
    // `X="${key#SECRETS_}"` where `${!key}` is the value: X is what is left of the name.
    for (of, from) in cuts(text) {
        if found.len() < MAX && text.contains(&format!("${{!{from}}}")) {
            found.insert(of);
        }
    }
    found
}

/// Returns the variables that are cut from others, with these.
fn cuts(text: &str) -> impl Iterator<Item = (&str, &str)> {
    static CUT: OnceLock<Option<Regex>> = OnceLock::new();
    let cut = CUT.get_or_init(|| {
        Regex::new(
            r#"(?m)^[ \t]*(?:local[ \t]+)?([A-Za-z_][A-Za-z_0-9]*)=["']?\$\{([A-Za-z_][A-Za-z_0-9]*)[#%]"#,
        )
        .ok()
    });
    let found = cut.iter().flat_map(move |cut| cut.captures_iter(text));
    found
        .filter_map(|captures| Some((captures.get(1)?.as_str(), captures.get(2)?.as_str())))
        .take(MAX)
}

/// Tells whether a value that a name of several secrets is given is one name: `APP_SECRETS=APP-KEYS`.
pub(super) fn is_name_of_secrets(name: &str, value: &str) -> bool {
    is_plural(name) && is_words(value)
}

/// Tells whether a name is that of more than one secret.
fn is_plural(name: &str) -> bool {
    names::words(name).last().is_some_and(|last| {
        matches!(
            last.as_str(),
            "secrets" | "credentials" | "creds" | "tokens" | "keys" | "passwords"
        )
    })
}

/// Tells whether a value is made of words that can be spoken, with separators between them.
fn is_words(value: &str) -> bool {
    value.contains(['-', '_', '/', '.']) && traps::is_name(value)
}

/// Returns the forms, and whether each is an assignment whose value must be looked at.
fn patterns() -> &'static [(Regex, bool)] {
    static PATTERNS: OnceLock<Vec<(Regex, bool)>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        const VARIABLE: &str = r"\$[{(]?([A-Za-z_][A-Za-z_0-9]*)";
        // What cluster tools and vaults are told to find, by its name.
        let by_command = format!(
            r#"(?:get|delete|describe|create|patch|edit|annotate|label|show|set|list)[ \t]+secrets?[ \t]+(?:(?:generic|tls|docker-registry)[ \t]+)?(?:\\[\r\n]+[ \t]*)?["']?{VARIABLE}"#
        );
        let by_path = format!(r#"secrets?(?::[A-Za-z0-9._-]+)?/["']?{VARIABLE}"#);
        [
            (by_command.as_str(), false),
            (by_path.as_str(), false),
            // A path of a folder that is a variable itself.
            (
                r#"(?m)^[ \t]*(?:export[ \t]+|local[ \t]+)?([A-Za-z_][A-Za-z_0-9]*)=["']?\$\{?[A-Za-z_][A-Za-z_0-9]*\}?(?:/[A-Za-z0-9._-]+)+["']?[ \t]*\r?$"#,
                false,
            ),
            (
                r#"(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z_0-9]*)[ \t]*[:?]?=[ \t]*["']?([A-Za-z0-9._/-]+)["']?[ \t]*\r?$"#,
                true,
            ),
        ]
        .into_iter()
        .filter_map(|(pattern, is_assigned)| Some((Regex::new(pattern).ok()?, is_assigned)))
        .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_found() {
        for text in [
            "kubectl -n x delete secret \"$A_SECRET\" b\n",
            "kubectl create secret generic ${A_SECRET} --from-file=x\n",
            "oc get secret $A_SECRET -o yaml\n",
            "./fetch -s store-secret:shop-vault/${A_SECRET}\n",
            "gcloud x projects/p/secrets/$A_SECRET\n",
            "A_SECRET=\"${KEYS}/shop/key.json\"\n",
            "  export A_SECRET=$HOME/key\r\n",
            "for key in $KEYS; do\n  A_SECRET=\"${key#SECRETS_}\"\n  value=\"${!key}\"\ndone\n",
        ] {
            assert!(names_of_secrets(text).contains("A_SECRET"), "{text}");
        }
        for text in ["APP_SECRETS=APP-KEYS\n", "APP_SECRETS ?= shop/keys\n"] {
            assert!(names_of_secrets(text).contains("APP_SECRETS"), "{text}");
        }
        for text in [
            "echo \"$A_SECRET\"\n",
            "A_SECRET=$(get secret)\n",
            "A_SECRET=hunter2-Zq81\n",
            "APP_SECRETS=hunter2-Zq81\n",
            "A_SECRET=APP-KEYS\n",
            "A_SECRET=\"$A/$B\"\n",
            "vault kv put secret/shop pw=$A_SECRET\n",
            "A_SECRET=\"${line#token=}\"\n",
        ] {
            assert!(names_of_secrets(text).is_empty(), "{text}");
        }
    }
}
