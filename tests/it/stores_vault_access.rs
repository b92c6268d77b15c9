//! Vault and OpenBao: who we are, what we may do, and how refusals are told apart, on the real OpenBao.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keysweep::{
    config::stores::{StoreKind, VaultAuth, VaultSettings},
    stores::{Change, Fault, KeyPath, SecretStore, StoreError, VersionId, open, vault},
};
use serde_json::{Value, json};

use super::{
    servers::{Bao, Fake, Reply},
    stores_vault::{all, entry, policy, put, read, store, store_with, with_surroundings},
};

const READER: &str = r#"
path "secret/data/*" { capabilities = ["read"] }
path "secret/metadata/*" { capabilities = ["read", "list"] }
"#;

/// Opens a store that logs in.
fn log_in(
    bao: &Bao,
    auth: VaultAuth,
    variables: &[(&str, &str)],
) -> Result<Box<dyn SecretStore>, StoreError> {
    let mut entry = entry();
    entry.kind = StoreKind::Vault(VaultSettings {
        address: Some(bao.address.clone()),
        auth,
        ..VaultSettings::default()
    });
    with_surroundings(variables, |surroundings| open("v", &entry, surroundings))
}

fn refusal(result: Result<Box<dyn SecretStore>, StoreError>) -> StoreError {
    result.err().expect("it is refused")
}

#[test]
fn a_denied_folder_is_a_problem_of_its_own_and_stops_nothing() {
    let bao = Bao::start();
    for key in ["prod/app/db", "dev/app", "dev/deep/x", "top"] {
        put(&bao, key, &json!({"k": "v"}));
    }
    let text = r#"
        path "secret/data/*" { capabilities = ["read"] }
        path "secret/data/dev/app" { capabilities = ["deny"] }
        path "secret/metadata/*" { capabilities = ["read", "list"] }
        path "secret/metadata/prod/*" { capabilities = ["deny"] }
    "#;
    policy(&bao, "narrow", text);
    let token = bao.token(&["narrow"], "5m");
    let store = store_with(&bao, &token, |_, _| {}).expect("it opens");
    let (keys, problems) = all(&*store);
    assert_eq!(keys, ["secret/dev/app", "secret/dev/deep/x", "secret/top"]);
    let [(place, error)] = problems.as_slice() else {
        panic!("one problem: {problems:?}")
    };
    assert_eq!(place, "secret/prod/");
    assert_eq!(error.fault, Fault::Denied);
    let error = read(&*store, "secret/dev/app", "1").expect_err("denied");
    assert_eq!(error.fault, Fault::Denied);
    assert!(error.help.contains("store policy"), "{}", error.help);
    assert!(
        read(&*store, "secret/dev/deep/x", "1")
            .expect("read")
            .is_some()
    );
}

#[test]
fn long_folders_are_listed_whole_with_one_request_and_with_pages() {
    let bao = Bao::start();
    let body = json!({"data": {"k": "v"}});
    for n in 0..2001 {
        bao.root("POST", &format!("secret/data/many/{n:05}"), &body);
    }
    policy(&bao, "reader", READER);
    let token = bao.token(&["reader"], "5m");
    let by_scan = all(&*store(&bao));
    let by_pages = all(&*store_with(&bao, &token, |_, _| {}).expect("it opens"));
    assert_eq!(by_scan.0.len(), 2001);
    assert_eq!(by_scan.0, by_pages.0);
    assert!(by_scan.1.is_empty() && by_pages.1.is_empty());
}

#[test]
fn a_dead_token_and_a_missing_right_are_told_apart() {
    let bao = Bao::start();
    put(&bao, "app", &json!({"k": "v"}));
    policy(
        &bao,
        "nothing",
        r#"path "secret/data/other" { capabilities = ["read"] }"#,
    );
    let short = bao.token(&["nothing"], "1s");
    let body = json!({"policies": ["nothing"], "no_default_policy": true});
    let answer = bao.root("POST", "auth/token/create", &body);
    let bare = answer["auth"]["client_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let ask = |token: &str| {
        let store = store_with(&bao, token, |_, settings| {
            settings.mounts = vec!["secret".to_owned()];
        });
        read(&*store.expect("it opens"), "secret/app", "1").expect_err("refused")
    };
    // Without the default policy a token may not even look itself up.
    assert_eq!(ask(&bare).fault, Fault::Denied);
    assert_eq!(ask(&bao.token(&["nothing"], "5m")).fault, Fault::Denied);
    std::thread::sleep(Duration::from_millis(2500));
    for dead in [short.as_str(), "s.madeup"] {
        let error = ask(dead);
        assert_eq!(error.fault, Fault::Unauthenticated, "{error}");
        assert!(error.what.contains("expired, revoked or wrong"), "{error}");
        assert!(!format!("{error:?}").contains(dead));
    }
    let error = refusal(store_with(&bao, "", |_, _| {}));
    assert_eq!(error.fault, Fault::Unauthenticated);
    assert!(error.what.contains("there is no token"), "{error}");
}

#[test]
fn a_sealed_server_says_so_at_once() {
    let bao = Bao::start();
    put(&bao, "app", &json!({"k": "v"}));
    let store = store(&bao);
    bao.root("PUT", "sys/seal", &json!({}));
    let start = Instant::now();
    let errors = [
        store.list(None).expect_err("sealed"),
        store.health().expect_err("sealed"),
    ];
    for error in errors {
        assert_eq!(error.fault, Fault::Unavailable);
        assert!(error.what.contains("sealed"), "{error}");
        assert!(error.help.contains("unseal"), "{}", error.help);
    }
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "there is nothing to wait for"
    );
}

#[test]
fn a_quota_is_waited_for_and_then_told() {
    let bao = Bao::start();
    put(&bao, "app", &json!({"k": "v"}));
    let store = store(&bao);
    assert!(read(&*store, "secret/app", "1").expect("read").is_some());
    let quota = json!({"rate": 1, "interval": "2m", "path": "secret/"});
    bao.root("POST", "sys/quotas/rate-limit/tight", &quota);
    let results: Vec<_> = (0..2).map(|_| read(&*store, "secret/app", "1")).collect();
    let error = results
        .into_iter()
        .find_map(Result::err)
        .expect("the quota is used up");
    assert!(matches!(error.fault, Fault::Retryable { .. }), "{error}");
    assert!(error.help.contains("quota"), "{}", error.help);
}

#[test]
fn namespaces_are_apart_and_the_ones_below_are_named() {
    let bao = Bao::start();
    bao.root("POST", "sys/namespaces/team1", &json!({}));
    let versioned = json!({"type": "kv", "options": {"version": "2"}});
    bao.ask_in("team1", "POST", "sys/mounts/kvt", Bao::ROOT, &versioned);
    let body = json!({"data": {"k": "in the team"}});
    let (status, _) = bao.ask_in("team1", "POST", "kvt/data/a", Bao::ROOT, &body);
    assert_eq!(status, 200);
    let team = store_with(&bao, Bao::ROOT, |_, settings| {
        settings.namespace = Some("team1".to_owned());
    })
    .expect("it opens");
    assert_eq!(all(&*team).0, ["kvt/a"]);
    let fields = read(&*team, "kvt/a", "1").expect("read").expect("there");
    assert_eq!(fields["k"], "in the team");
    assert!(team.address().contains("namespace team1"));
    assert!(team.health().expect("it answers").version.is_some());
    let root = store(&bao);
    assert!(!all(&*root).0.contains(&"kvt/a".to_owned()));
    let notes = root.health().expect("it answers").notes;
    assert!(
        notes.iter().any(|note| note.contains("team1/")),
        "{notes:?}"
    );
}

/// Sets AppRole up; returns the role's id.
fn approle(bao: &Bao, ttl: &str) -> String {
    policy(bao, "reader", READER);
    bao.root("POST", "sys/auth/approle", &json!({"type": "approle"}));
    let role = json!({"token_policies": ["reader"], "token_ttl": ttl, "token_max_ttl": "1h"});
    bao.root("POST", "auth/approle/role/keysweep", &role);
    let answer = bao.root("GET", "auth/approle/role/keysweep/role-id", &Value::Null);
    answer["data"]["role_id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

fn secret_id(bao: &Bao) -> String {
    let answer = bao.root("POST", "auth/approle/role/keysweep/secret-id", &json!({}));
    answer["data"]["secret_id"]
        .as_str()
        .expect("an id")
        .to_owned()
}

fn by_approle(role_id: &str, file: &Path, wrapped: bool) -> VaultAuth {
    VaultAuth::Approle {
        mount: None,
        role_id: role_id.to_owned(),
        secret_id_file: file.to_owned(),
        wrapped,
    }
}

fn accessors(bao: &Bao) -> usize {
    let answer = bao.root("GET", "auth/token/accessors?list=true", &Value::Null);
    answer["data"]["keys"].as_array().map_or(0, Vec::len)
}

#[test]
fn approle_logs_in_again_when_it_must_and_revokes_its_token_at_the_end() {
    let bao = Bao::start();
    put(&bao, "app", &json!({"k": "v"}));
    let role_id = approle(&bao, "20m");
    let file = bao.dir().join("secret-id");
    fs::write(&file, format!("{}\n", secret_id(&bao))).expect("written");
    let before = accessors(&bao);
    let store = log_in(&bao, by_approle(&role_id, &file, false), &[]).expect("logged in");
    assert_eq!(accessors(&bao), before + 1);
    assert!(read(&*store, "secret/app", "1").expect("read").is_some());
    let health = store.health().expect("it answers");
    assert!(health.identity.expect("known").contains("approle"));
    assert!(health.expires_s.expect("it has a lease") > 1000);
    // Somebody revokes all tokens of the role: the store gets another one by itself.
    bao.root(
        "PUT",
        "sys/leases/revoke-prefix/auth/approle/login",
        &json!({}),
    );
    assert!(read(&*store, "secret/app", "1").expect("read").is_some());
    assert_eq!(accessors(&bao), before + 1);
    drop(store);
    assert_eq!(accessors(&bao), before);

    fs::write(&file, "00000000-made-up").expect("written");
    let error = refusal(log_in(&bao, by_approle(&role_id, &file, false), &[]));
    assert_eq!(error.fault, Fault::Unauthenticated);
    assert!(error.help.contains("secret id"), "{}", error.help);
    assert!(!format!("{error:?}").contains("made-up"));
    let elsewhere = VaultAuth::Approle {
        mount: Some("missing".to_owned()),
        role_id,
        secret_id_file: file,
        wrapped: false,
    };
    let error = refusal(log_in(&bao, elsewhere, &[]));
    assert!(
        matches!(
            error.fault,
            Fault::Setup | Fault::Denied | Fault::Unauthenticated
        ),
        "{error}"
    );
}

#[test]
fn a_wrapped_secret_id_opens_once() {
    let bao = Bao::start();
    put(&bao, "app", &json!({"k": "v"}));
    let role_id = approle(&bao, "20m");
    let file = bao.dir().join("wrapped");
    let wrapped = bao.wrapped("auth/approle/role/keysweep/secret-id");
    fs::write(&file, wrapped).expect("written");
    let store = log_in(&bao, by_approle(&role_id, &file, true), &[]).expect("logged in");
    assert!(read(&*store, "secret/app", "1").expect("read").is_some());
    let error = refusal(log_in(&bao, by_approle(&role_id, &file, true), &[]));
    assert_eq!(error.fault, Fault::Unauthenticated);
    assert!(error.help.contains("somebody else did"), "{}", error.help);
}

#[test]
fn a_short_lease_is_renewed_while_it_is_used() {
    let bao = Bao::start();
    put(&bao, "app", &json!({"k": "v"}));
    let role_id = approle(&bao, "2s");
    let file = bao.dir().join("secret-id");
    fs::write(&file, secret_id(&bao)).expect("written");
    let before = accessors(&bao);
    let store = log_in(&bao, by_approle(&role_id, &file, false), &[]).expect("logged in");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        assert!(read(&*store, "secret/app", "1").expect("read").is_some());
        std::thread::sleep(Duration::from_millis(200));
    }
    // Renewed, not logged in anew: it is still the one token.
    assert_eq!(accessors(&bao), before + 1);
}

/// Makes a key pair, and a token that it signs.
fn jwt(dir: &Path, audience: &str, subject: &str) -> (String, String) {
    let run = |args: &[&str], input: &[u8]| {
        use std::io::Write as _;
        let mut child = Command::new("openssl")
            .args(args)
            .current_dir(dir)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("this test needs `openssl`: install your system's package of it");
        child
            .stdin
            .take()
            .expect("piped")
            .write_all(input)
            .expect("written");
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "openssl {args:?}");
        output.stdout
    };
    run(&["genrsa", "-out", "key.pem", "2048"], b"");
    let public = run(&["rsa", "-in", "key.pem", "-pubout"], b"");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let claims = json!({
        "iss": "https://ci.example.com", "aud": audience, "sub": subject,
        "iat": now, "nbf": now - 5, "exp": now + 300
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!(
        "{}.{}",
        part(&json!({"alg": "RS256", "typ": "JWT"})),
        part(&claims)
    );
    let signature = run(&["dgst", "-sha256", "-sign", "key.pem"], signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    (String::from_utf8(public).expect("PEM"), token)
}

fn by_jwt(file: Option<&Path>, role: &str) -> VaultAuth {
    VaultAuth::Jwt {
        mount: None,
        role: role.to_owned(),
        file: file.map(Path::to_owned),
        audience: None,
    }
}

#[test]
fn a_ci_logs_in_by_its_own_token() {
    let bao = Bao::start();
    put(&bao, "app", &json!({"k": "v"}));
    policy(&bao, "reader", READER);
    let (public, token) = jwt(bao.dir(), "keysweep", "repo:made-up/app");
    bao.root("POST", "sys/auth/jwt", &json!({"type": "jwt"}));
    let config =
        json!({"jwt_validation_pubkeys": [public], "bound_issuer": "https://ci.example.com"});
    bao.root("POST", "auth/jwt/config", &config);
    for (role, audience) in [("app", "keysweep"), ("other", "elsewhere")] {
        let body = json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": [audience],
            "bound_subject": "repo:made-up/app", "token_policies": ["reader"]
        });
        bao.root("POST", &format!("auth/jwt/role/{role}"), &body);
    }
    let file = bao.dir().join("token.jwt");
    fs::write(&file, &token).expect("written");
    let store = log_in(&bao, by_jwt(Some(&file), "app"), &[]).expect("logged in");
    assert!(read(&*store, "secret/app", "1").expect("read").is_some());

    let error = refusal(log_in(&bao, by_jwt(Some(&file), "other"), &[]));
    assert_eq!(error.fault, Fault::Unauthenticated);
    assert!(error.help.contains("bound_audiences"), "{}", error.help);
    assert!(!format!("{error:?}").contains(&token));

    // GitHub Actions: the job asks the runner's service.
    let answer = json!({ "value": token }).to_string();
    let actions = Fake::start(move |_| Reply::Json(200, answer.clone()));
    let url = format!("{}/token?api-version=2.0", actions.address);
    let variables = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "made-up-bearer"),
    ];
    let store = log_in(&bao, by_jwt(None, "app"), &variables).expect("logged in");
    assert!(read(&*store, "secret/app", "1").expect("read").is_some());
    let asked = actions.asked();
    assert_eq!(asked[0].path, "/token?api-version=2.0&audience=keysweep");
    let bearer = (
        "authorization".to_owned(),
        "bearer made-up-bearer".to_owned(),
    );
    assert!(asked[0].headers.contains(&bearer));

    let error = refusal(log_in(&bao, by_jwt(None, "app"), &[]));
    assert!(error.help.contains("id-token: write"), "{}", error.help);
}

#[test]
fn the_policy_that_is_printed_is_enough() {
    let bao = Bao::start();
    put(&bao, "app", &json!({"password": "made-up-1"}));
    put(&bao, "app", &json!({"password": "made-up-2"}));
    let settings = VaultSettings {
        mounts: vec!["secret".to_owned()],
        ..VaultSettings::default()
    };
    policy(&bao, "verify", &vault::policy(&settings, false));
    policy(&bao, "rotate", &vault::policy(&settings, true));
    let open = |name: &str| {
        let body = json!({"policies": [name], "no_default_policy": true});
        let answer = bao.root("POST", "auth/token/create", &body);
        let token = answer["auth"]["client_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        store_with(&bao, &token, |_, own| {
            own.mounts.clone_from(&settings.mounts)
        })
        .expect("opens")
    };
    let key = KeyPath::new("secret/app");
    let fields = [(
        "password".to_owned(),
        keysweep::model::Secret::new(b"made-up-3"),
    )]
    .into();
    let change = Change {
        key: &key,
        base: &VersionId::new("2"),
        fields: &fields,
        token: "t",
    };
    let verify = open("verify");
    let health = verify.health().expect("it answers");
    assert!(health.notes.is_empty(), "{:?}", health.notes);
    assert_eq!(all(&*verify), (vec!["secret/app".to_owned()], vec![]));
    assert!(read(&*verify, "secret/app", "1").expect("read").is_some());
    let readers = verify.readers(&key).expect("told");
    assert!(readers.complete);
    assert_eq!(
        readers.sample,
        ["policy root", "policy rotate", "policy verify"]
    );
    assert_eq!(
        verify.stage(&change).expect_err("no right").fault,
        Fault::Denied
    );
    let rotate = open("rotate");
    let staged = rotate.stage(&change).expect("written");
    rotate
        .annotate(&key, &[("rotated-by", "keysweep")])
        .expect("noted");
    let one = VersionId::new("1");
    rotate.disable(&key, &one).expect("off");
    rotate.restore(&key, &one).expect("on");
    rotate.destroy(&key, &one).expect("destroyed");
    rotate
        .unstage(&key, change.base, &staged)
        .expect("taken back");
}

#[test]
fn readers_that_cannot_all_be_seen_are_incomplete() {
    let bao = Bao::start();
    put(&bao, "app", &json!({"k": "v"}));
    policy(&bao, "reader", READER);
    let token = bao.token(&["reader"], "5m");
    let store = store_with(&bao, &token, |_, _| {}).expect("it opens");
    let readers = store.readers(&KeyPath::new("secret/app")).expect("told");
    assert!(!readers.complete);
    assert_eq!(readers.sample, ["the token of this run"]);
    let notes = store.health().expect("it answers").notes;
    assert!(notes.is_empty(), "{notes:?}");
    policy(
        &bao,
        "blind",
        r#"path "secret/data/*" { capabilities = ["list"] }"#,
    );
    let blind = store_with(&bao, &bao.token(&["blind"], "5m"), |_, _| {}).expect("it opens");
    let notes = blind.health().expect("it answers").notes;
    assert!(
        notes
            .iter()
            .any(|note| note.contains("no `read` on secret/data/")),
        "{notes:?}"
    );
    assert!(
        notes
            .iter()
            .any(|note| note.contains("no `list` on secret/metadata/")),
        "{notes:?}"
    );
}

#[test]
fn tls_needs_a_certificate_that_is_trusted() {
    let bao = Bao::with_tls();
    put(&bao, "app", &json!({"k": "v"}));
    let untrusted = store(&bao);
    let error = untrusted.list(None).expect_err("nobody signed it");
    assert_eq!(error.fault, Fault::Unavailable);
    assert!(error.help.contains("ca-file"), "{error} {}", error.help);
    let trusted = store_with(&bao, Bao::ROOT, |_, settings| {
        settings.ca_file = Some(bao.ca_file());
    })
    .expect("it opens");
    assert_eq!(all(&*trusted).0, ["secret/app"]);
}

#[test]
fn many_threads_share_one_store() {
    let bao = Bao::start();
    for n in 0..50 {
        put(&bao, &format!("k{n}"), &json!({"k": format!("v{n}")}));
    }
    let store = store(&bao);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for n in 0..50 {
                    let fields = read(&*store, &format!("secret/k{n}"), "1");
                    let fields = fields.expect("read").expect("there");
                    assert_eq!(fields["k"], format!("v{n}"));
                }
            });
        }
    });
}
