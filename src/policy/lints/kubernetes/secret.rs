//! Objects of kind Secret with their values (46), and service-account tokens that never expire (53).
//!
//! Values are decoded and looked at as settings: a Secret holds user names and hosts too, and whole files.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    model::{Confidence, Severity},
    policy::{
        fault::{Fault, FixClass},
        lint::{Context, Document, Lint, LintMeta, Persona},
        names,
        node::{Entry, Node},
        readers::json,
        values::{Strength, Value, classify},
    },
};

use super::{
    judge::{Place, at, judge},
    nested,
    object::{Object, Subjects, literal, objects},
};

/// Secrets, and kubeconfig files with tokens.
pub(crate) struct Secrets;

const MANIFEST: LintMeta = LintMeta {
    id: "k8s-plain-secret-manifest",
    title: "A Secret is committed with its values",
    tool: "Kubernetes",
    severity: Severity::High,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "Kubernetes documentation: Good practices for Kubernetes Secrets, Avoid sharing Secret manifests",
        "OWASP Non-Human Identities Top 10 2025, NHI2: Secret leakage",
    ],
    cwe: 312,
    fix: FixClass::None,
    why: "Base64 is no encryption: whoever can read the repository or its history has the values.",
    help: "Commit a SealedSecret, an ExternalSecret, a SecretProviderClass, or a manifest that SOPS has encrypted, and rotate the values.",
    bad: &[
        &[(
            "deploy/secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: app\nstringData:\n  username: app\n  password: hunter2-Zq81\n",
        )],
        &[(
            "deploy/secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: app\ndata:\n  username: YXBw\n  password: aHVudGVyMi1acTgx\n",
        )],
    ],
    good: &[
        &[(
            "deploy/sealed.yaml",
            "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata:\n  name: app\nspec:\n  encryptedData:\n    \
             password: AgBy3i4OJSWK\n  template:\n    metadata:\n      name: app\n",
        )],
        &[(
            "deploy/external.yaml",
            "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata:\n  name: app\nspec:\n  secretStoreRef:\n    name: vault\n  data:\n    \
             - secretKey: password\n      remoteRef:\n        key: app\n        property: password\n",
        )],
        &[(
            "deploy/sops.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: app\nstringData:\n  password: ENC[AES256_GCM,data:abc,type:str]\nsops:\n  \
             version: 3.9.0\n",
        )],
        &[(
            "deploy/empty.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: app\nstringData:\n  password: <path:secret/data/app#password>\n  token: \"\"\n  \
             api-key: ${API_KEY}\ndata:\n  client-secret: Y2hhbmdlbWU=\n",
        )],
        &[(
            "chart/templates/secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ include \"app.name\" . }}\ndata:\n  \
             password: {{ .Values.password | b64enc | quote }}\n",
        )],
    ],
};

const STATIC_TOKEN: LintMeta = LintMeta {
    id: "k8s-static-sa-token",
    title: "A service-account token that never expires is declared",
    tool: "Kubernetes",
    severity: Severity::Medium,
    confidence: Confidence::High,
    persona: Persona::Regular,
    sources: &[
        "Kubernetes documentation: Service account token Secrets",
        "OWASP Non-Human Identities Top 10 2025, NHI7: Long-lived secrets",
    ],
    cwe: 324,
    fix: FixClass::None,
    why: "Such a token is valid until the Secret is deleted, from anywhere, and everybody who may read Secrets in the namespace can take it.",
    help: "Use a projected token (`serviceAccountToken` with `expirationSeconds`) or `kubectl create token`; in a kubeconfig use an `exec` \
           plugin.",
    bad: &[
        &[(
            "deploy/token.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: ci\n  annotations:\n    kubernetes.io/service-account.name: ci\n\
             type: kubernetes.io/service-account-token\n",
        )],
        &[(
            "deploy/access.yaml",
            "apiVersion: v1\nkind: Config\nclusters: []\nusers:\n  - name: ci\n    user:\n      token: Vx7kQ2mR9tLp4wZs\n",
        )],
    ],
    good: &[
        &[(
            "deploy/pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\nspec:\n  volumes:\n    - name: token\n      projected:\n        sources:\n          \
             - serviceAccountToken:\n              path: token\n              expirationSeconds: 3600\n",
        )],
        &[(
            "deploy/access.yaml",
            "apiVersion: v1\nkind: Config\nusers:\n  - name: ci\n    user:\n      token: ${KUBE_TOKEN}\n  - name: dev\n    user:\n      exec:\n        \
             command: kubelogin\n        args: [get-token]\n",
        )],
    ],
};

impl Lint for Secrets {
    fn metas(&self) -> &'static [&'static LintMeta] {
        &[&MANIFEST, &STATIC_TOKEN]
    }

    fn document(&self, document: &Document<'_>, context: &mut Context<'_>) {
        let mut subjects = Subjects::default();
        for object in objects(document) {
            let place = object.place(document, context.environments);
            match object.kind {
                "Secret" if object.version == "v1" || object.version.contains("__") => {
                    secret(document, context, &mut subjects, place, &object)
                }
                "Config" if object.version == "v1" => {
                    kubeconfig(context, &mut subjects, place, &object)
                }
                _ => {}
            }
        }
    }
}

fn kubeconfig(
    context: &mut Context<'_>,
    subjects: &mut Subjects,
    place: Place,
    object: &Object<'_>,
) {
    for user in object.node.get("users").map_or(&[][..], Node::items) {
        let Some(token) = user.at(&["user", "token"]).and_then(Node::scalar) else {
            continue;
        };
        let name = user.text_at(&["name"]).unwrap_or_default();
        let Some(judged) =
            judge("token", &token.text).filter(|judged| judged.strength > Strength::Weak)
        else {
            continue;
        };
        let span = token.source(judged.part);
        context.tell(
            Fault::new(
                &STATIC_TOKEN,
                span.clone(),
                subjects.of(format!("user {name}")),
                format!("the kubeconfig holds a static token of user {name}: use an exec plugin"),
            )
            .severity(at(Severity::High, place))
            .secret(span),
        );
    }
}

fn secret(
    document: &Document<'_>,
    context: &mut Context<'_>,
    subjects: &mut Subjects,
    place: Place,
    object: &Object<'_>,
) {
    if object.node.get("sops").is_some() {
        return;
    }
    let kind = object.node.get("type");
    match kind.and_then(Node::text) {
        Some("kubernetes.io/service-account-token") => {
            let span = kind.map_or_else(|| object.node.span.clone(), |kind| kind.span.clone());
            let label = object.label();
            let message = format!(
                "{label} asks for a service-account token that never expires: use a projected token"
            );
            context.tell(
                Fault::new(&STATIC_TOKEN, span, subjects.of(label), message)
                    .severity(at(Severity::Medium, place)),
            );
            return;
        }
        // What Helm keeps of its releases.
        Some("helm.sh/release.v1") => return,
        _ => {}
    }
    let mut has_told = false;
    for (field, is_encoded) in [("data", true), ("stringData", false)] {
        for entry in object.node.get(field).map_or(&[][..], Node::entries) {
            // Whatever it looks like, it was put where secrets belong.
            context.hide(entry.value.span.clone());
            let Some((strength, confidence)) = look(document, entry, is_encoded) else {
                continue;
            };
            let severity = match strength {
                Strength::Weak if place != Place::Live => Severity::Info,
                Strength::Weak => Severity::Medium,
                _ => at(Severity::High, place),
            };
            // What is only told is told once an object.
            if severity == Severity::Info && has_told {
                continue;
            }
            has_told |= severity == Severity::Info;
            let span = entry.value.span.clone();
            let label = object.label();
            context.tell(
                Fault::new(
                    &MANIFEST,
                    span.clone(),
                    subjects.of(format!("{label}: {}", entry.key)),
                    format!("{label} is committed with the value of `{}`", entry.key),
                )
                .severity(severity)
                .confidence(confidence)
                .secret(span),
            );
        }
    }
}

/// Tells how much of a secret one entry holds.
fn look(
    document: &Document<'_>,
    entry: &Entry,
    is_encoded: bool,
) -> Option<(Strength, Confidence)> {
    let raw = literal(document, &entry.value)?.text.trim();
    if !is_encoded {
        return text(&entry.key, raw);
    }
    let packed: String = raw.split_whitespace().collect();
    match STANDARD.decode(&packed).map(String::from_utf8) {
        Ok(Ok(decoded)) if !decoded.contains(is_control) => text(&entry.key, &decoded),
        // Not base64 after all, or a word that only looks like it.
        Err(_) => text(&entry.key, raw),
        Ok(_)
            if !packed.ends_with('=')
                && (packed.len() < 20
                    || !matches!(classify(raw), Value::Literal(Strength::Random))) =>
        {
            text(&entry.key, raw)
        }
        // A key or a store of keys in binary form.
        Ok(_) => {
            let is_store = [".jks", ".p12", ".pfx", ".keystore", ".key"]
                .iter()
                .any(|end| entry.key.ends_with(end));
            (is_store || names::is_secret(&entry.key))
                .then_some((Strength::Random, Confidence::Medium))
        }
    }
}

fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

/// Tells how much of a secret the value of a key of a Secret is, if it is one.
pub(in crate::policy::lints) fn strength_of(key: &str, value: &str) -> Option<Strength> {
    text(key, value).map(|(strength, _)| strength)
}

/// Tells how much of a secret the decoded value of a key is.
fn text(key: &str, value: &str) -> Option<(Strength, Confidence)> {
    let value = value.trim();
    if value.contains("PRIVATE KEY-----") {
        let is_encrypted =
            value.contains("BEGIN ENCRYPTED") || value.contains("Proc-Type: 4,ENCRYPTED");
        return (!is_encrypted).then_some((Strength::Random, Confidence::High));
    }
    if key.starts_with(".docker") || value.starts_with('{') && value.contains("\"auths\"") {
        return registry(value).map(|strength| (strength, Confidence::High));
    }
    if let Some(password) = file_of_passwords(key, value) {
        return match classify(password) {
            Value::Literal(strength) => Some((strength, Confidence::High)),
            _ => None,
        };
    }
    if nested::is_file(key) || value.contains('\n') {
        let name = match nested::is_file(key) {
            true => key,
            false if nested::is_block(value) => "settings.yaml",
            false => "settings.ini",
        };
        let found = nested::settings(name, value);
        return found
            .iter()
            .map(|setting| setting.judged.strength)
            .max()
            .map(|strength| (strength, Confidence::Medium));
    }
    if let Some(judged) = judge(key, value) {
        let confidence = if judged.is_wordy {
            Confidence::Medium
        } else {
            Confidence::High
        };
        return Some((judged.strength, confidence));
    }
    // Under a name that says nothing, only what nobody would write by hand, and what looks like nothing but a password.
    let is_opaque = !names::is_secret(key) && !is_about(key);
    match classify(value) {
        Value::Literal(Strength::Random) if is_opaque && value.len() >= 20 => {
            Some((Strength::Random, Confidence::Medium))
        }
        Value::Literal(strength @ (Strength::Named | Strength::Random))
            if is_opaque && looks_chosen(value) =>
        {
            Some((strength, Confidence::Medium))
        }
        _ => None,
    }
}

/// Tells whether a value looks like a password and like no word, name, address or path: small and capital letters and digits in one word.
fn looks_chosen(value: &str) -> bool {
    let has = |is: &dyn Fn(&u8) -> bool| value.as_bytes().iter().any(is);
    let is_part = |b: u8| b.is_ascii_graphic() && !b"/\\:@.,;=\"'<>{}()[]|".contains(&b);
    let words = names::words(value);
    let is_digits = |word: &String| word.bytes().all(|b| b.is_ascii_digit());
    // `AES256Gcm`, `UTF8`: words with a number.
    let short = words.iter().filter(|word| word.len() <= 2).count();
    (8..=128).contains(&value.len())
        && value.bytes().all(is_part)
        && has(&u8::is_ascii_lowercase)
        && has(&u8::is_ascii_uppercase)
        && has(&u8::is_ascii_digit)
        && words.iter().filter(|word| is_digits(word)).count() >= 2
        && short >= 2
}

/// Returns the password of a file of passwords of one line: `host:port:database:user:password` of Postgres, and `.netrc`.
fn file_of_passwords<'v>(key: &str, value: &'v str) -> Option<&'v str> {
    let name = key.trim_start_matches(['.', '_']).to_ascii_lowercase();
    match name.as_str() {
        "pgpass" | "pgpass.conf" => {
            let line = value.lines().find(|line| !line.starts_with('#'))?;
            Some(line.splitn(5, ':').nth(4).unwrap_or(line).trim())
        }
        "netrc" => value.split_once("password")?.1.split_whitespace().next(),
        _ => None,
    }
}

/// Tells whether a key names what goes with a secret: the user, the host, the certificate.
fn is_about(key: &str) -> bool {
    const ABOUT: [&str; 27] = [
        "id",
        "host",
        "hostname",
        "user",
        "username",
        "login",
        "url",
        "uri",
        "endpoint",
        "region",
        "name",
        "email",
        "version",
        "port",
        "database",
        "db",
        "account",
        "issuer",
        "thumbprint",
        "fingerprint",
        "ca",
        "crt",
        "cert",
        "pub",
        "salt",
        "bucket",
        "hash",
    ];
    names::words(key)
        .last()
        .is_none_or(|last| ABOUT.contains(&last.as_str()))
}

/// Returns the strongest password in the settings of a registry.
fn registry(value: &str) -> Option<Strength> {
    let tree = json::read(value).ok()?;
    let mut strongest = None;
    nested::bindings(&tree, &mut |_, name, node| {
        let text = node.text().unwrap_or_default();
        let password = match name {
            "auth" => STANDARD
                .decode(text)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok()),
            "password" | "identitytoken" | "registrytoken" => Some(text.to_owned()),
            _ => None,
        };
        let password = password
            .as_deref()
            .map(|text| text.split_once(':').map_or(text, |(_, password)| password));
        if let Some(Value::Literal(strength)) = password.map(classify) {
            strongest = strongest.max(Some(strength));
        }
    });
    strongest
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::super::testing::{texts, told};
    use crate::model::Severity;

    fn data(key: &str, value: &str) -> String {
        let value = STANDARD.encode(value);
        format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: app\ndata:\n  {key}: {value}\n")
    }

    #[test]
    fn values_are_decoded_and_judged() {
        let key = format!("-----BEGIN {} KEY-----\nabc\n", "PRIVATE");
        let auth = STANDARD.encode("ci:hunter2-Zq81");
        for (name, value, want) in [
            ("password", "hunter2-Zq81", 1),
            ("password", "hunter2-Zq81\n", 1),
            ("DATABASE_URL", "postgres://app:hunter2-Zq81@db/shop", 1),
            ("opaque", "Vx7kQ2mR9tLp4wZsB8nD3fH6", 1),
            ("tls.key", key.as_str(), 1),
            (
                ".dockerconfigjson",
                &format!("{{\"auths\": {{\"r.example.net\": {{\"auth\": \"{auth}\"}}}}}}"),
                1,
            ),
            (
                "app.properties",
                "db.host=db\ndb.password=hunter2-Zq81\n",
                1,
            ),
            ("static", "hunter2-Zq81", 1),
            ("gw", "Vx7kQ2mR9tLp", 1),
            ("pgpass", "db:5432:*:app:hunter2-Zq81", 1),
            (".pgpass", "hunter2-Zq81", 1),
            (".netrc", "machine x login ci password hunter2-Zq81", 1),
            (
                "credentials",
                "[default]\naws_secret_access_key = q8Zr2Lw9Xk4Tn7Vb1Mc6\n",
                1,
            ),
            (
                "config.json",
                &format!("{{\"auths\": {{\"r.example.net\": {{\"auth\": \"{auth}\"}}}}}}"),
                1,
            ),
            ("pgpass", "db:5432:*:app:${PASSWORD}", 0),
            ("zone", "Europe/Berlin", 0),
            ("mode", "AES256Gcm", 0),
            ("tier", "production-2", 0),
            ("channel", "RapidRelease2", 0),
            ("site", "Intranet2024", 0),
            ("username", "hunter2-Zq81", 0),
            ("password", "<password>", 0),
            ("password", "", 0),
            ("client-id", "Vx7kQ2mR9tLp4wZsB8nD3fH6", 0),
            (".dockerconfigjson", "{\"auths\": {}}", 0),
            ("password", "${PASSWORD}", 0),
            ("tls.crt", "-----BEGIN CERTIFICATE-----\nabc\n", 0),
        ] {
            assert_eq!(
                texts("k8s-plain-secret-manifest", "a.yaml", &data(name, value)).len(),
                want,
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn defaults_and_test_files_are_told_once_at_info() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: app}\nstringData: {password: password, token: secret}\n";
        let told_of = |path| {
            told(path, text)
                .into_iter()
                .filter(|one| one.id == "k8s-plain-secret-manifest")
                .map(|one| one.severity)
                .collect::<Vec<_>>()
        };
        assert_eq!(told_of("a.yaml"), [Severity::Info]);
        assert_eq!(told_of("overlays/prod/a.yaml"), [Severity::Medium; 2]);
        let text = text.replace("password: password", "password: hunter2-Zq81");
        let told_in_test: Vec<_> = told("test/a.yaml", &text)
            .into_iter()
            .filter(|one| one.id == "k8s-plain-secret-manifest")
            .map(|one| one.severity)
            .collect();
        assert_eq!(told_in_test, [Severity::Info]);
    }

    #[test]
    fn manifests_are_found_wherever_they_stand() {
        let text = data("password", "hunter2-Zq81");
        for path in [
            "a.yaml",
            "a.yml",
            "roles/app/files/a.yaml",
            "chart/templates/a.yaml",
            "values/a.yaml",
        ] {
            assert_eq!(
                texts("k8s-plain-secret-manifest", path, &text).len(),
                1,
                "{path}"
            );
        }
        let json = "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"stringData\": {\"password\": \"hunter2-Zq81\"}}";
        assert_eq!(texts("k8s-plain-secret-manifest", "a.json", json).len(), 1);
    }

    #[test]
    fn words_that_only_look_like_base64_are_placeholders() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: app}\ndata: {password: changeme, token: placeholder1}\n";
        assert!(texts("k8s-plain-secret-manifest", "a.yaml", text).is_empty());
    }
}
