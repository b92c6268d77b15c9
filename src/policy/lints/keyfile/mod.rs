//! `keyfile-committed`: files that are credentials. The name says what to look for, the content whether it is there.

use super::{
    super::{
        fault::{CrossFault, Fault, FixClass},
        kind::FileKind,
        lint::{Context, Document, Index, Lint, LintMeta, Persona},
        names,
    },
    pairs,
};
use crate::model::{Confidence, Severity};

mod handed;
mod probe;

use probe::Found;

/// The lints of this family.
pub(crate) const LINTS: &[&dyn Lint] = &[&KeyFiles];

const COMMITTED: LintMeta = LintMeta {
    id: "keyfile-committed",
    title: "A key or credential file is tracked",
    tool: "Git",
    severity: Severity::Critical,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "OWASP Secrets Management Cheat Sheet",
        "OWASP Top 10 Non-Human Identities: NHI2 Secret Leakage",
        "CWE-321: Use of Hard-coded Cryptographic Key",
        "CWE-540: Inclusion of Sensitive Information in Source Code",
    ],
    cwe: 321,
    fix: FixClass::None,
    why: "Whoever can read the repository, now or later, can act with this key; removing the file leaves it in the history.",
    help: "Revoke the key and issue a new one, untrack the file, ignore its name, and let the program fetch the key from a secret store.",
    bad: &[
        &[("config/master.key", "7c1e9a4f20b8d3665fe1079ab2c4d8e3\n")],
        &[(
            ".env.keys",
            "#/ private keys /\nDOTENV_PRIVATE_KEY_PRODUCTION=\"9f2c71e0b4a8d35566e1f09ab7c4d2e8\"\n",
        )],
        &[(
            "deploy/kubeconfig",
            "apiVersion: v1\nkind: Config\nusers:\n  - name: admin\n    user:\n      token: q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3\n",
        )],
        &[(
            "terraform.tfstate",
            "{\"version\": 4, \"resources\": [{\"type\": \"aws_db_instance\", \"instances\": [{\"attributes\": {\"password\": \"hunter2-Zq81\"}}]}]}\n",
        )],
        &[(
            "home/.aws/credentials",
            "[default]\naws_access_key_id = me\naws_secret_access_key = q8Zr2Lw9Xk4Tn7Vb1Mc6Hd3\n",
        )],
        &[
            (
                "deploy/compose.yml",
                "services:\n  db:\n    image: acme/db:1\n    secrets: [db]\nsecrets:\n  db:\n    file: ./db_password.txt\n",
            ),
            ("deploy/db_password.txt", "hunter2-Zq81\n"),
        ],
    ],
    good: &[
        // Public halves and certificates.
        &[(
            "certs/ca.pem",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        )],
        &[(
            "keys/release.key",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQEN\n-----END PGP PUBLIC KEY BLOCK-----\n",
        )],
        // A key of tests.
        &[(
            "tests/keys/master.key",
            "7c1e9a4f20b8d3665fe1079ab2c4d8e3\n",
        )],
        // Users that fetch their credentials when they need them, and ones that were taken out.
        &[(
            "deploy/kubeconfig",
            "apiVersion: v1\nkind: Config\nusers:\n  - name: a\n    user:\n      exec: {command: aws}\n  - name: b\n    user:\n      token: REDACTED\n",
        )],
        // A state without resources.
        &[(
            "terraform.tfstate",
            "{\"version\": 4, \"resources\": [], \"outputs\": {}}\n",
        )],
        // A secret that is not in the repository, and the certificate that is.
        &[
            (
                "deploy/compose.yml",
                "services:\n  db:\n    image: acme/db:1\n    secrets: [db, ca]\nsecrets:\n  db:\n    file: ./db_password.txt\n  ca:\n    file: ./ca.crt\n",
            ),
            (
                "deploy/ca.crt",
                "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            ),
        ],
        // A registry without credentials.
        &[(
            "home/.docker/config.json",
            "{\"auths\": {\"registry.example.org\": {}}, \"credsStore\": \"desktop\"}\n",
        )],
    ],
};

/// Tells files that are credentials.
struct KeyFiles;

impl Lint for KeyFiles {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&COMMITTED]
    }

    fn files(&self, index: &Index<'_>, out: &mut Vec<CrossFault>) {
        handed::tell(index, out);
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        if document.kind == FileKind::Compose {
            handed::note(document, context);
        }
        let may_be = matches!(
            document.kind,
            FileKind::KeyFile | FileKind::Json | FileKind::Kubernetes | FileKind::Yaml
        );
        if !may_be || is_known(document.path) {
            return;
        }
        if let Some(found) = probe::probe(document) {
            context.tell(fault(found));
        }
    }
}

/// Tells whether a key file holds a key: a bare word and a store, too.
pub(super) fn holds_key(document: &Document<'_>) -> bool {
    document.kind == FileKind::KeyFile && probe::probe(document).is_some()
}

/// Tells whether a path says that everybody may know the key: those of tests, examples and local servers.
fn is_known(path: &str) -> bool {
    const WORDS: [&str; 16] = [
        "localhost",
        "snakeoil",
        "dummy",
        "selfsigned",
        "insecure",
        "vagrant",
        "mkcert",
        "debug",
        "truststore",
        "cacerts",
        "trust",
        "public",
        "pub",
        "integration",
        "self",
        "unit",
    ];
    let place = pairs::place(path);
    place.test
        || place.example
        || names::words(path)
            .iter()
            .any(|word| WORDS.contains(&word.as_str()))
}

fn fault(found: Found) -> Fault {
    let fault = Fault::new(
        &COMMITTED,
        found.span,
        found.what,
        format!("the file holds {}", found.what),
    );
    let fault = match found.secret {
        Some(secret) => fault.secret(secret),
        None => fault,
    };
    let persona = if found.surely {
        Persona::Regular
    } else {
        Persona::Pedantic
    };
    fault.severity(found.severity).persona(persona)
}
