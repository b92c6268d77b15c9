//! Long-lived keys of clouds, where a job could log in by `id_tokens`.

use std::{collections::BTreeMap, ops::Range};

use super::{
    super::super::{
        fault::{Fault, FixClass},
        kind::FileKind,
        lint::{Context, Document, Lint, LintMeta, Persona},
        node::Node,
    },
    body::{Body, budget},
    pipeline::{Job, Pipeline, value_of},
};
use crate::model::{Confidence, Severity};

const STATIC: LintMeta = LintMeta {
    id: "gl-static-cloud-key",
    title: "A job logs in to a cloud with a long-lived key, though `id_tokens` could do it",
    tool: "GitLab CI",
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "GitLab documentation: OpenID Connect authentication using ID tokens",
        "OWASP Top 10 Non-Human Identities, NHI7: Long-Lived Secrets",
        "CWE-324: Use of a Key Past its Expiration Date",
    ],
    cwe: 324,
    fix: FixClass::None,
    why: "A long-lived key works from anywhere until somebody rotates it; a token that GitLab signs for one job works for minutes and for that job alone.",
    help: "Declare `id_tokens:` with the cloud's audience and take a role with it (`assume-role-with-web-identity`, workload identity federation, federated credentials); then delete the key.",
    bad: &[
        &[(
            ".gitlab-ci.yml",
            "deploy:\n  variables:\n    AWS_ACCESS_KEY_ID: $PROD_KEY_ID\n    AWS_SECRET_ACCESS_KEY: $PROD_SECRET_KEY\n  script: aws s3 sync dist s3://site\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "deploy:\n  script:\n    - gcloud auth activate-service-account --key-file \"$GCP_KEY_FILE\"\n",
        )],
    ],
    good: &[
        &[(
            ".gitlab-ci.yml",
            "deploy:\n  id_tokens:\n    AWS_TOKEN:\n      aud: https://gitlab.example.org\n  script:\n    - aws sts assume-role-with-web-identity --role-arn \"$ROLE_ARN\" --web-identity-token file://token > /dev/null\n",
        )],
        &[(
            ".gitlab-ci.yml",
            "backup:\n  variables:\n    AWS_SECRET_ACCESS_KEY: $MINIO_SECRET\n  script: aws --endpoint-url https://minio.example.org s3 sync dist s3://site\n",
        )],
    ],
};

/// Variables that hold long-lived keys, and whose.
const KEYS: [(&str, &str); 14] = [
    ("AWS_SECRET_ACCESS_KEY", "AWS"),
    ("AZURE_CLIENT_SECRET", "Azure"),
    ("ARM_CLIENT_SECRET", "Azure"),
    ("AZURE_CREDENTIALS", "Azure"),
    ("AZURE_PASSWORD", "Azure"),
    ("AZURE_SP_PASSWORD", "Azure"),
    ("GCP_SA_KEY", "Google Cloud"),
    ("GCLOUD_SERVICE_KEY", "Google Cloud"),
    ("GOOGLE_CREDENTIALS", "Google Cloud"),
    ("GOOGLE_APPLICATION_CREDENTIALS_JSON", "Google Cloud"),
    ("GCP_SERVICE_ACCOUNT_KEY", "Google Cloud"),
    ("GCP_SERVICE_KEY", "Google Cloud"),
    ("GCLOUD_SERVICE_ACCOUNT_KEY", "Google Cloud"),
    ("GKE_KEY", "Google Cloud"),
];

/// Command lines that log in with such a key.
const LOGINS: [(&str, &str); 1] = [("gcloud auth activate-service-account", "Google Cloud")];

/// Words that say that the cloud is another one, which may have no such login.
const OTHERS: [&str; 12] = [
    "endpoint-url",
    "endpoint_url",
    "AWS_ENDPOINT",
    "S3_ENDPOINT",
    "minio",
    "MINIO",
    "r2.cloudflarestorage",
    "digitaloceanspaces",
    "backblaze",
    "wasabi",
    "ENDPOINT_URL",
    "scw.cloud",
];

/// Most further places of one fault.
const MAX_RELATED: usize = 8;

/// `gl-static-cloud-key`.
pub(super) struct StaticKey;

impl Lint for StaticKey {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&STATIC]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind != FileKind::GitlabCi {
            return;
        }
        let Some(pipeline) = Pipeline::of(document) else {
            return;
        };
        let mut found: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
        let mut left = budget(document.text);
        let mut any_without = false;
        for job in &pipeline.jobs {
            let has_token = pipeline.has_id_tokens(job);
            let bodies = pipeline.bodies(job);
            left = left.saturating_sub(bodies.iter().map(|body| body.text.len()).sum());
            if left == 0 {
                break;
            }
            if !has_token {
                any_without = true;
                look(&pipeline, job, &bodies, &mut found);
            }
        }
        if any_without {
            bound(pipeline.top("variables"), &mut found);
        }
        let is_elsewhere = |text: &str| OTHERS.iter().any(|word| text.contains(word));
        if is_elsewhere(document.text) {
            found.remove("AWS");
        }
        for (cloud, mut places) in found {
            places.sort_by_key(|place| place.span.start);
            places.dedup_by_key(|place| place.span.start);
            let mut places = places.into_iter();
            let Some(first) = places.next() else { continue };
            let message = format!(
                "{} is a long-lived key of {cloud}, in `{}`; `id_tokens` would give a token for the job alone",
                first.what,
                pipeline.owner(first.span.start)
            );
            let mut fault = Fault::new(&STATIC, first.span, cloud, message);
            for place in places.take(MAX_RELATED) {
                fault = fault.related(place.span, format!("{}, too", place.what));
            }
            context.tell(fault);
        }
    }
}

/// Where a key is used.
struct Place {
    span: Range<usize>,
    what: String,
}

fn look(
    pipeline: &Pipeline<'_>,
    job: &Job<'_>,
    bodies: &[Body<'_>],
    found: &mut BTreeMap<&'static str, Vec<Place>>,
) {
    for node in pipeline.maps(job, "variables") {
        bound(Some(node), found);
    }
    for body in bodies {
        for (name, cloud) in KEYS {
            for (at, _) in body.text.match_indices(name).take(MAX_RELATED) {
                if let Some(span) =
                    expansion(&body.text, at, name).and_then(|span| body.place(&span))
                {
                    let what = format!("`${name}`");
                    found.entry(cloud).or_default().push(Place { span, what });
                }
            }
        }
        for (line, cloud) in LOGINS {
            for (at, _) in body.text.match_indices(line).take(MAX_RELATED) {
                if let Some(span) = body.place(&(at..at + line.len())) {
                    let what = format!("what `{line}` takes");
                    found.entry(cloud).or_default().push(Place { span, what });
                }
            }
        }
    }
}

/// Gathers keys that variables are bound to, by other variables: a literal is another rule's.
fn bound(variables: Option<&Node>, found: &mut BTreeMap<&'static str, Vec<Place>>) {
    for entry in variables.map_or_else(Vec::new, Node::merged) {
        let Some((name, cloud)) = KEYS.iter().find(|(name, _)| *name == entry.key) else {
            continue;
        };
        let value = value_of(&entry.value).and_then(Node::text);
        if value.is_some_and(|value| value.contains('$')) {
            found.entry(cloud).or_default().push(Place {
                span: entry.key_span.clone(),
                what: format!("`{name}`"),
            });
        }
    }
}

/// Returns the bytes of `$NAME` or `${NAME…`, if a name stands there whole and is expanded.
fn expansion(text: &str, at: usize, name: &str) -> Option<Range<usize>> {
    let before = text.get(..at)?;
    let after = text.get(at + name.len()..)?;
    let open = if before.ends_with("${") { 2 } else { 1 };
    let is_whole = !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let is_expanded = before.ends_with("${") || before.ends_with('$');
    let is_test = after.starts_with(":+") || after.starts_with('+');
    (is_whole && is_expanded && !is_test).then(|| at - open..at + name.len())
}
