//! Addresses in secret stores: what they name, and whether they are whole.

use std::ops::Range;

use super::super::{
    environment,
    values::{self, Store},
};

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The kind of store.
    pub store: Store,
    /// The path or name in it, without the scheme.
    pub path: String,
    /// The field of it.
    pub field: Option<String>,
    /// Whether the address names one store in the world (an account, a project, a vault's host), so that equal addresses are one secret.
    pub is_absolute: bool,
    /// Whether the path is that of Vault's own interface (`vault:mount/data/path#key`), where the engine's version shows.
    pub is_raw: bool,
    /// The whole parts of it that are words of environments: as written, with their bytes in the file.
    pub words: Vec<(String, Range<usize>)>,
}

impl Address {
    /// Reads an address; `None` if the text is none, or one of the CI platform's own.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.contains([':', '/', '(']) {
            return None;
        }
        let inner = inner(text)?;
        let store = values::reference(inner).filter(|store| *store != Store::Ci)?;
        let lower = inner.to_ascii_lowercase();
        if lower.starts_with("arn:") {
            let mut parts = inner.splitn(6, ':');
            let account = parts.nth(4).unwrap_or_default();
            let rest = parts.next().unwrap_or_default();
            let path = rest
                .strip_prefix("secret:")
                .or_else(|| rest.strip_prefix("parameter"))
                .unwrap_or(rest);
            return Some(Self {
                is_absolute: !account.is_empty(),
                ..Self::plain(store, path)
            });
        }
        if let Some(rest) = lower
            .strip_prefix("@microsoft.keyvault(")
            .map(|rest| inner.get(inner.len() - rest.len()..).unwrap_or_default())
        {
            return Some(Self {
                is_absolute: true,
                ..Self::plain(store, rest.trim_end_matches(')'))
            });
        }
        if lower.starts_with("projects/") {
            return Some(Self {
                is_absolute: true,
                ..Self::plain(store, inner)
            });
        }
        let body = inner
            .trim_start_matches("{{")
            .trim_start_matches("${")
            .trim_end_matches(['}', ' ']);
        let body = body.strip_prefix("resolve:").unwrap_or(body);
        let (_, rest) = body.split_once(':')?;
        let is_absolute = store == Store::OnePassword;
        let (path, field) = match rest.split_once('#') {
            Some((path, field)) => (path, Some(field.trim_start_matches('/').to_owned())),
            None => (rest, None),
        };
        Some(Self {
            store,
            path: path.trim_start_matches("//").to_owned(),
            field: field.filter(|field| !field.is_empty()),
            is_absolute,
            is_raw: body.starts_with("vault:") && !rest.starts_with("//"),
            words: Vec::new(),
        })
    }

    /// An address of a store that takes a path alone.
    pub(super) fn plain(store: Store, path: &str) -> Self {
        Self {
            store,
            path: path.to_owned(),
            field: None,
            is_absolute: false,
            is_raw: false,
            words: Vec::new(),
        }
    }

    /// Notes the words of environments in the text that the address was read from; `span` leads from its parts to the file.
    pub(super) fn locate(&mut self, text: &str, span: &dyn Fn(Range<usize>) -> Range<usize>) {
        let mut at = 0;
        for part in text.split(['/', '#', ':', '}']) {
            if environment::of_word(part).is_some() {
                self.words
                    .push((part.to_owned(), span(at..at + part.len())));
            }
            at += part.len() + 1;
        }
    }

    /// Returns the path in one spelling: without `data` of Vault's second key-value engine, without slashes around it.
    #[must_use]
    pub fn normal(&self) -> String {
        let parts = self.path.split('/').filter(|part| !part.is_empty());
        let parts = parts
            .enumerate()
            .filter(|(at, part)| !(*at == 1 && *part == "data" && self.store == Store::Vault));
        parts.map(|(_, part)| part).collect::<Vec<_>>().join("/")
    }

    /// Tells whether a part of it is filled in later.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.path.contains(['$', '{', '<', '%'])
    }

    /// Tells whether it says that several environments may use it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        let words = super::super::names::words(&self.path);
        words.iter().any(|word| {
            matches!(
                word.as_str(),
                "shared" | "common" | "global" | "default" | "all"
            )
        })
    }
}

/// Returns the address within a text: the text, or the first one that is filled in within it.
fn inner(text: &str) -> Option<&str> {
    if values::reference(text).is_some() && !text.starts_with("${") && !text.starts_with("{{") {
        return Some(text);
    }
    let marks = [("${ssm:", '}'), ("${aws-ssm:", '}'), ("{{resolve:", '}')];
    let (at, close) = marks
        .iter()
        .filter_map(|(mark, close)| text.find(mark).map(|at| (at, *close)))
        .min()?;
    let rest = text.get(at..)?;
    let end = rest.find(close).unwrap_or(rest.len());
    rest.get(..end)
}

/// What is wrong with an address, where in the text, and by what to replace it if that is safe.
pub(crate) struct Malformed {
    /// A phrase that ends the sentence "the store reference ...".
    pub reason: &'static str,
    /// The bytes in the text.
    pub part: Range<usize>,
    /// The right text for them.
    pub fixed: Option<String>,
}

/// Returns what is wrong with the address that a text is, if it is one.
pub(crate) fn malformed(text: &str) -> Option<Malformed> {
    let whole = |reason| Malformed {
        reason,
        part: 0..text.len(),
        fixed: None,
    };
    if !text.contains([':', '@']) {
        return None;
    }
    if let Some(found) = dynamic(text) {
        return Some(found);
    }
    if text.len() > 1024 || text.contains(char::is_whitespace) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    if let Some(rest) = lower.strip_prefix("@microsoft.keyvault") {
        return key_vault(rest).map(whole);
    }
    let (scheme, rest) = lower.split_once(':')?;
    if let Some(path) = rest.strip_prefix("//") {
        return match scheme {
            "op" => one_password(path).map(whole),
            "vault" | "ref+vault" | "ref+awssecrets" | "ref+awsssm" | "ref+gcpsecrets"
            | "infisical" | "bws"
                if path.trim_matches('/').is_empty() =>
            {
                Some(whole("has no path"))
            }
            _ => misspelt(scheme, path)
                .then(|| whole("has a scheme that no store has, one letter off a known one")),
        };
    }
    match scheme {
        "vault" => vault(rest).map(whole),
        "awssm" | "aws-sm" | "gcp-sm" | "doppler" | "akeyless" | "conjur" | "ssm"
            if rest.trim_matches('/').is_empty() =>
        {
            Some(whole("has no path"))
        }
        _ => (misspelt(scheme, rest) && rest.contains('/') && rest.contains('#'))
            .then(|| whole("has a scheme that no store has, one letter off a known one")),
    }
}

/// `{{resolve:service:name}}` of CloudFormation.
fn dynamic(text: &str) -> Option<Malformed> {
    let start = text.match_indices("{{").map(|(at, _)| at).find(|at| {
        text.get(at + 2..)
            .is_some_and(|rest| rest.trim_start().starts_with("resolve:"))
    })?;
    let inner = text.get(start + 2..)?;
    let length = inner.find("}}")?;
    let body = inner.get(..length)?;
    let part = start..start + 2 + length + 2;
    let packed: String = body.chars().filter(|c| *c != ' ').collect();
    let mut fields = packed.splitn(3, ':').skip(1);
    let service = fields.next().unwrap_or_default();
    let name = fields.next().unwrap_or_default();
    let reason = if !matches!(service, "ssm" | "ssm-secure" | "secretsmanager") {
        "names a service that CloudFormation does not resolve"
    } else if name.trim_matches(':').is_empty() {
        "has no name"
    } else if packed != body {
        return Some(Malformed {
            reason: "has blanks inside the braces, so CloudFormation takes it as plain text",
            part,
            fixed: Some(format!("{{{{{packed}}}}}")),
        });
    } else {
        return None;
    };
    Some(Malformed {
        reason,
        part,
        fixed: None,
    })
}

/// What follows `@microsoft.keyvault`, in lower case.
fn key_vault(rest: &str) -> Option<&'static str> {
    let inner = rest
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    match inner {
        None => Some("lacks its parentheses"),
        Some(inner) if inner.starts_with("secreturi=https://") && inner.contains("/secrets/") => {
            None
        }
        Some(inner) if inner.contains(['$', '{', '[']) => None,
        Some(inner) if inner.contains("vaultname=") && inner.contains("secretname=") => None,
        Some(_) => Some("needs SecretUri, or VaultName and SecretName"),
    }
}

/// What follows `op://`: vault, item and field.
fn one_password(path: &str) -> Option<&'static str> {
    let bare = path.split('?').next().unwrap_or_default();
    let parts = bare.split('/').filter(|part| !part.is_empty()).count();
    (parts < 3 && !path.contains(['$', '{'])).then_some("needs a vault, an item and a field")
}

/// What follows `vault:`, where that is a path and no tag of an image or text of Vault's transit engine.
fn vault(rest: &str) -> Option<&'static str> {
    let is_path = rest.contains('/')
        && rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '#' || c == '/');
    let is_image = rest
        .split(['/', ':'])
        .next()
        .is_some_and(|first| first.contains('.'));
    if rest.starts_with('#') && rest.len() > 1 {
        return Some("has no path");
    }
    if !is_path || is_image || rest.starts_with("v1:") {
        return None;
    }
    match rest.split_once('#') {
        None if rest.contains([':', '$', '{', '?']) => None,
        None => Some("has no key: `#key` is missing"),
        Some((_, "")) => Some("has no key after `#`"),
        Some(_) => None,
    }
}

/// Tells whether a scheme is one letter off a known one, long enough that this is no chance.
fn misspelt(scheme: &str, rest: &str) -> bool {
    const KNOWN: [&str; 8] = [
        "vault",
        "awssm",
        "keyvault",
        "infisical",
        "doppler",
        "akeyless",
        "conjur",
        "ref+vault",
    ];
    let is_word = scheme.bytes().all(|b| b.is_ascii_lowercase() || b == b'+');
    // `vaults` and `fault` are words of their own.
    let is_other = matches!(scheme, "vaults" | "fault" | "default");
    is_word
        && !is_other
        && !rest.is_empty()
        && !KNOWN.contains(&scheme)
        && KNOWN.iter().any(|known| is_one_off(scheme, known))
}

/// Tells whether one letter more, less, other, or two swapped part two words.
fn is_one_off(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let front = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let rest = |text: &[u8], more: usize| text.get(front + more..).map(<[u8]>::to_vec);
    let swapped = a.get(front) == b.get(front + 1)
        && a.get(front + 1) == b.get(front)
        && rest(a, 2) == rest(b, 2)
        && a.len() == b.len();
    swapped || rest(a, 1) == rest(b, 1) || rest(a, 1) == rest(b, 0) || rest(a, 0) == rest(b, 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READ: &[(&str, Store, &str, Option<&str>)] = &[
        (
            "vault:secret/data/prod/db#url",
            Store::Vault,
            "secret/prod/db",
            Some("url"),
        ),
        (
            "ref+vault://secret/prod/db#/url",
            Store::Vault,
            "secret/prod/db",
            Some("url"),
        ),
        (
            "op://team/db-prod/password",
            Store::OnePassword,
            "team/db-prod/password",
            None,
        ),
        ("ssm:/prod/db", Store::AwsSsm, "prod/db", None),
        ("${ssm:/prod/db}", Store::AwsSsm, "prod/db", None),
        ("pre-${ssm:/prod/db}-post", Store::AwsSsm, "prod/db", None),
        (
            "{{resolve:secretsmanager:prod/db:SecretString:x}}",
            Store::AwsSecretsManager,
            "prod/db:SecretString:x",
            None,
        ),
        (
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
            Store::AwsSecretsManager,
            "prod/db-AbCdEf",
            None,
        ),
        (
            "projects/acme-prod/secrets/db/versions/1",
            Store::GcpSecretManager,
            "projects/acme-prod/secrets/db/versions/1",
            None,
        ),
        (
            "@Microsoft.KeyVault(VaultName=kv-prod;SecretName=x)",
            Store::AzureKeyVault,
            "VaultName=kv-prod;SecretName=x",
            None,
        ),
    ];

    #[test]
    fn reads_addresses() {
        for (text, store, path, field) in READ {
            let address = Address::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (
                    address.store,
                    address.normal().as_str(),
                    address.field.as_deref()
                ),
                (*store, *path, *field),
                "{text}"
            );
        }
        assert_eq!(Address::parse("${{ secrets.PROD_KEY }}"), None);
        assert_eq!(Address::parse("hunter2-Zq81"), None);
        assert!(
            Address::parse("vault:secret/data/shared/db#x")
                .unwrap()
                .is_shared()
        );
    }

    #[test]
    fn tells_malformed_ones() {
        for text in [
            "vault:secret/data/prod/db",
            "vault:secret/data/prod/db#",
            "vault:#key",
            "{{ resolve:ssm:/prod/db }}",
            "{{resolve:secretmanager:x}}",
            "{{resolve:ssm:}}",
            "op://vault/item",
            "@Microsoft.KeyVault(SecretName=x)",
            "@Microsoft.KeyVault",
            "valut:secret/data/prod/db#x",
            "dopler://project/config",
            "awssm:",
            "vault://",
            "pre-{{ resolve:secretsmanager:x}}",
        ] {
            assert!(malformed(text).is_some(), "{text}");
        }
        for text in [
            "vault:secret/data/prod/db#url",
            "vault:1.13.3",
            "vault:latest",
            "vault:v1:abc/def",
            "vault://secret/app",
            "ref+vault://secret/app",
            "{{resolve:ssm:/prod/db}}",
            "{{ resolved }}",
            "op://vault/item/field",
            "op://$VAULT/item",
            "@Microsoft.KeyVault(VaultName=a;SecretName=b)",
            "@Microsoft.KeyVault(SecretUri=https://a.vault.azure.net/secrets/b)",
            "default:a/b#c",
            "ssh://host/x",
            "fault:x/y#z",
            "vault:${PATH_IN_VAULT}/x",
            "vault:8200/v1/x",
            "https://vault.example.org",
            "",
            "a: b",
        ] {
            assert!(malformed(text).is_none(), "{text}");
        }
        let fixed = malformed("x {{ resolve:ssm:/prod/db }}").unwrap();
        assert_eq!(fixed.fixed.as_deref(), Some("{{resolve:ssm:/prod/db}}"));
        assert_eq!(fixed.part, 2..28);
    }

    proptest! {
        #[test]
        fn never_panics_and_parts_lie_within(text in "(vault|op|ssm|resolve|:|//|#|\\{\\{|\\}\\}|\\$\\{|arn|@Microsoft.KeyVault|[ -~é]){0,14}") {
            let _ = Address::parse(&text);
            if let Some(found) = malformed(&text) {
                prop_assert!(text.get(found.part).is_some());
            }
        }
    }
}
