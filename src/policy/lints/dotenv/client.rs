//! `dotenv-client-exposed`: a secret under a name that bundlers copy into the code of the browser.

use std::{collections::BTreeSet, ops::Range, sync::OnceLock};

use regex::Regex;

use super::super::{
    super::{
        fault::{Fault, FixClass},
        kind::FileKind,
        lint::{Context, Document, Lint, LintMeta, Persona, Syntax},
        names,
        values::{self, Value},
    },
    pairs,
};
use crate::model::{Confidence, Severity};

const EXPOSED: LintMeta = LintMeta {
    id: "dotenv-client-exposed",
    title: "A secret has a name that is shipped to the browser",
    tool: "dotenv",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "Next.js: Bundling Environment Variables for the Browser",
        "Vite: Env Variables and Modes",
        "CWE-200: Exposure of Sensitive Information to an Unauthorized Actor",
    ],
    cwe: 200,
    fix: FixClass::None,
    why: "Bundlers write the values of variables with such a prefix into the scripts that every visitor downloads.",
    help: "Give the variable a name without the prefix, read it on the server only, and rotate the value if it was ever built in.",
    bad: &[
        &[(".env.example", "NEXT_PUBLIC_STRIPE_SECRET_KEY=\n")],
        &[(
            "src/api.ts",
            "const pool = connect(import.meta.env.VITE_DB_PASSWORD);\n",
        )],
        &[(
            "vite.config.js",
            "export default { define: { 'process.env': process.env } };\n",
        )],
    ],
    good: &[
        // The good form.
        &[(
            ".env.example",
            "STRIPE_SECRET_KEY=\nNEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY=\n",
        )],
        // Keys that are made for the browser.
        &[(
            ".env.example",
            "VITE_SUPABASE_ANON_KEY=\nNUXT_PUBLIC_RECAPTCHA_SITE_KEY=\nREACT_APP_FIREBASE_API_KEY=\nVITE_GOOGLE_CLIENT_ID=\nEXPO_PUBLIC_MAPBOX_ACCESS_TOKEN=\n",
        )],
        // Names about secrets.
        &[(
            ".env.example",
            "VITE_TOKEN_URL=\nREACT_APP_PASSWORD_MIN_LENGTH=8\nGATSBY_ENABLE_PASSWORD_LOGIN=true\n",
        )],
        // Names that are defined one by one.
        &[(
            "vite.config.js",
            "export default { define: { 'process.env.MODE': JSON.stringify(process.env.MODE) } };\n",
        )],
    ],
};

/// Prefixes of variables that bundlers ship.
const PREFIXES: [&str; 11] = [
    "NEXT_PUBLIC_",
    "NUXT_PUBLIC_",
    "EXPO_PUBLIC_",
    "RSBUILD_PUBLIC_",
    "SNOWPACK_PUBLIC_",
    "REACT_APP_",
    "VUE_APP_",
    "VITE_",
    "NG_APP_",
    "GATSBY_",
    "PUBLIC_",
];

/// Returns the prefix by which bundlers ship a variable.
pub(super) fn prefix(name: &str) -> Option<&'static str> {
    PREFIXES.into_iter().find(|prefix| name.starts_with(prefix))
}

/// Tells variables that reach the browser.
pub(super) struct Exposed;

impl Lint for Exposed {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&EXPOSED]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let mut told = BTreeSet::new();
        let mut tell = |name: &str, span: Range<usize>| {
            let Some((prefix, severity)) = prefix(name)
                .and_then(|prefix| Some((prefix, exposure(name.get(prefix.len()..)?)?)))
            else {
                return;
            };
            if !told.insert(name.to_owned()) {
                return;
            }
            let message = format!(
                "`{name}` is the name of a secret, and bundlers copy what begins with `{prefix}` into the browser's code"
            );
            let fault = Fault::new(&EXPOSED, span, name, message);
            let fault = if severity < Severity::High {
                fault
                    .severity(severity)
                    .confidence(Confidence::Low)
                    .persona(Persona::Pedantic)
            } else {
                fault
            };
            context.tell(if pairs::place(document.path).test {
                fault.severity(Severity::Info)
            } else {
                fault
            });
        };
        match document.kind {
            FileKind::Dotenv => {
                for line in document.lines().iter().filter(|line| may_be(&line.value)) {
                    tell(&line.key, line.key_span.clone());
                }
            }
            FileKind::JavaScript | FileKind::TypeScript | FileKind::Tsx => {
                for (name, span) in
                    of_text(document.text).filter(|(_, span)| is_read(document.text, span.start))
                {
                    tell(name, span);
                }
                whole(document, context);
            }
            _ if is_build(document) => {
                for (name, span) in of_text(document.text) {
                    tell(name, span);
                }
            }
            _ => {}
        }
    }
}

/// Tells whether a value leaves it open that its variable holds a secret.
fn may_be(value: &str) -> bool {
    !matches!(
        values::classify(value),
        Value::Plain | Value::Url | Value::Path | Value::Public
    )
}

/// Kinds of files whose variables reach a build.
fn is_build(document: &Document<'_>) -> bool {
    matches!(document.syntax, Syntax::Docker(_))
        || matches!(
            document.kind,
            FileKind::Dockerfile
                | FileKind::GithubWorkflow
                | FileKind::GitlabCi
                | FileKind::CircleCi
                | FileKind::AzurePipelines
                | FileKind::BitbucketPipelines
                | FileKind::Compose
                | FileKind::Serverless
        )
}

/// Returns the names with such a prefix that stand in a text as whole words, outside of comments.
fn of_text(text: &str) -> impl Iterator<Item = (&str, Range<usize>)> {
    static NAMES: OnceLock<Option<Regex>> = OnceLock::new();
    let names =
        NAMES.get_or_init(|| Regex::new(&format!("(?:{})[A-Z0-9_]+", PREFIXES.join("|"))).ok());
    let found = names.iter().flat_map(|names| names.find_iter(text));
    found.filter_map(|found| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let before = text.get(..found.start())?;
        let after = text.get(found.end()..)?.chars().next();
        let is_whole =
            !before.chars().next_back().is_some_and(is_part) && !after.is_some_and(is_part);
        (is_whole && !is_in_comment(before)).then(|| (found.as_str(), found.range()))
    })
}

/// Tells whether the line that a text ends with is a comment.
fn is_in_comment(before: &str) -> bool {
    // Of a longer line only the end is looked at.
    const MOST: usize = 1_000;
    let bytes = before.as_bytes();
    let near = bytes.get(bytes.len().saturating_sub(MOST)..);
    let near = near.unwrap_or_default();
    let start = memchr::memrchr(b'\n', near).map_or(0, |at| at + 1);
    let line = near.get(start..).unwrap_or_default().trim_ascii_start();
    line.starts_with(b"#") || line.starts_with(b"*") || line.starts_with(b"//")
}

/// Tells whether code reads a variable here: `import.meta.env.X`, `process.env["X"]`.
fn is_read(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let before = before.trim_end_matches(['"', '\'', '`']);
    ["env.", "env[", "env?."]
        .iter()
        .any(|end| before.ends_with(end))
}

/// Words of keys that are made for the browser, or of services whose keys are.
const OPEN: [&str; 40] = [
    "publishable",
    "public",
    "anon",
    "anonymous",
    "site",
    "sitekey",
    "client",
    "recaptcha",
    "hcaptcha",
    "turnstile",
    "captcha",
    "firebase",
    "maps",
    "map",
    "mapbox",
    "maptiler",
    "google",
    "algolia",
    "search",
    "sentry",
    "posthog",
    "mixpanel",
    "amplitude",
    "segment",
    "analytics",
    "datadog",
    "rum",
    "launchdarkly",
    "intercom",
    "hotjar",
    "bugsnag",
    "rollbar",
    "logrocket",
    "gtm",
    "vapid",
    "paypal",
    "razorpay",
    "storefront",
    "csrf",
    "giphy",
];

/// Services whose keys belong on a server.
const SERVER: [&str; 22] = [
    "openai",
    "anthropic",
    "claude",
    "gemini",
    "groq",
    "mistral",
    "cohere",
    "replicate",
    "huggingface",
    "deepseek",
    "pinecone",
    "sendgrid",
    "mailgun",
    "resend",
    "postmark",
    "twilio",
    "github",
    "gitlab",
    "slack",
    "aws",
    "admin",
    "npm",
];

/// Tells how surely what follows the prefix names a secret.
fn exposure(rest: &str) -> Option<Severity> {
    let words = names::words(rest);
    let any = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    if rest.ends_with("SERVICE_ROLE_KEY") || rest.ends_with("SERVICE_ROLE") {
        return Some(Severity::High);
    }
    if !names::is_secret(rest) {
        return None;
    }
    let is_sure = any(&[
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "secrets",
        "credentials",
        "private",
        "master",
        "encryption",
    ]);
    if is_sure && !any(&["publishable", "anon", "public"]) {
        return Some(Severity::High);
    }
    if any(&OPEN) {
        None
    } else if any(&SERVER) {
        Some(Severity::High)
    } else {
        Some(Severity::Medium)
    }
}

/// Tells of settings that hand over all variables: `define: { 'process.env': process.env }`.
fn whole(document: &Document<'_>, context: &mut Context<'_>) {
    static WHOLE: OnceLock<Option<Regex>> = OnceLock::new();
    let whole = WHOLE.get_or_init(|| {
        Regex::new(r#"['"]process\.env['"]\s*:\s*(?:JSON\.stringify\(\s*)?(?:\{\s*\.\.\.\s*)?process\.env\s*[),}\n]"#).ok()
    });
    let Some(found) = whole.as_ref().and_then(|whole| whole.find(document.text)) else {
        return;
    };
    let message =
        "all variables of the build, secrets among them, are copied into the browser's code";
    context.tell(Fault::new(&EXPOSED, found.range(), "process.env", message));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_what_they_expose() {
        for (name, want) in [
            ("STRIPE_SECRET_KEY", Some(Severity::High)),
            ("DB_PASSWORD", Some(Severity::High)),
            ("CLIENT_SECRET", Some(Severity::High)),
            ("SUPABASE_SERVICE_ROLE_KEY", Some(Severity::High)),
            ("OPENAI_API_KEY", Some(Severity::High)),
            ("API_KEY", Some(Severity::Medium)),
            ("SUPABASE_ANON_KEY", None),
            ("RECAPTCHA_SITE_KEY", None),
            ("GOOGLE_MAPS_API_KEY", None),
            ("RESET_PASSWORD_URL", None),
            ("ENABLE_PASSWORD", None),
        ] {
            assert_eq!(exposure(name), want, "{name}");
        }
    }

    #[test]
    fn files_of_builds_hand_variables_on() {
        for (path, text) in [
            (
                "Dockerfile",
                "FROM node:22\nARG REACT_APP_CLIENT_SECRET\nRUN npm run build\n",
            ),
            (
                ".github/workflows/b.yml",
                "jobs:\n  b:\n    env:\n      REACT_APP_CLIENT_SECRET: ${{ secrets.X }}\n",
            ),
            (
                "compose.yml",
                "services:\n  web:\n    build:\n      args: [REACT_APP_CLIENT_SECRET]\n",
            ),
        ] {
            let blob = path.into();
            let kind = crate::policy::wants(&blob).unwrap();
            let key = crate::model::DigestKey::new([7; 32]);
            let reading =
                crate::policy::read(&blob, kind, text.as_bytes(), &key, &Default::default());
            let own = reading
                .faults
                .iter()
                .filter(|fault| fault.lint.id == EXPOSED.id);
            assert_eq!(
                own.map(|fault| &text[fault.span.clone()])
                    .collect::<Vec<_>>(),
                ["REACT_APP_CLIENT_SECRET"],
                "{path}"
            );
        }
    }

    #[test]
    fn code_must_read_it() {
        let text = "import.meta.env.VITE_A_SECRET; process.env['VITE_B_SECRET']; // env.VITE_C_SECRET\nVITE_D_SECRET MYVITE_E_SECRET\n// env.VITE_F\n";
        let names: Vec<_> = of_text(text)
            .filter(|(_, span)| is_read(text, span.start))
            .map(|one| one.0)
            .collect();
        assert_eq!(names, ["VITE_A_SECRET", "VITE_B_SECRET", "VITE_C_SECRET"]);
        assert_eq!(of_text(text).count(), 4);
    }
}
