//! Kubernetes Secrets, on a strict API server in memory (tests/it/kubernetes_fake.rs).

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use keysweep::{
    config::stores::{KubernetesSettings, StoreKind},
    model::Secret,
    stores::{
        Change, Cursor, Fault, KeyPath, Page, SecretStore, StoreError, VersionId, VersionState,
        open,
    },
};
use serde_json::json;

use super::{
    kubernetes_fake::{ADMIN, Cluster},
    servers::Reply,
    stores_vault::{all, entry, read, with_surroundings},
};

const CANARY: &str = "made-up-canary-value";

fn open_with(
    cluster: &Cluster,
    token: &str,
    namespaces: &[&str],
    prefixes: &[&str],
) -> Box<dyn SecretStore> {
    let own = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    let mut entry = entry();
    entry.prefixes = own(prefixes);
    entry.kind = StoreKind::Kubernetes(KubernetesSettings {
        kubeconfig: Some(cluster.kubeconfig(token)),
        context: None,
        namespaces: own(namespaces),
    });
    with_surroundings(&[], |surroundings| open("k", &entry, surroundings)).expect("it opens")
}

fn admin(cluster: &Cluster) -> Box<dyn SecretStore> {
    open_with(cluster, ADMIN, &[], &[])
}

/// A cluster with secrets in three namespaces, two of whose names sort otherwise with a slash than without.
fn filled() -> Cluster {
    let cluster = Cluster::start();
    let mut state = cluster.state();
    for name in ["a", "b", "c", "d"] {
        for namespace in ["app", "app-a", "prod"] {
            state.put(
                &format!("{namespace}/{name}"),
                &[("password", CANARY.as_bytes())],
                &json!({}),
            );
        }
    }
    drop(state);
    cluster
}

fn allow(cluster: &Cluster, token: &str, rights: &[&str]) {
    let rights = rights.iter().map(ToString::to_string).collect();
    cluster.state().rights.insert(token.to_owned(), rights);
}

fn safe(error: &StoreError) -> Fault {
    let shown = format!("{error:?} {error} {}", error.help);
    assert!(
        !shown.contains(CANARY) && !shown.contains("token"),
        "{shown}"
    );
    assert!(!error.help.is_empty());
    error.fault.clone()
}

fn stage(
    store: &dyn SecretStore,
    key: &str,
    base: &str,
    value: &[u8],
    token: &str,
) -> Result<VersionId, StoreError> {
    let fields = [("password".to_owned(), Secret::new(value))].into();
    store.stage(&Change {
        key: &KeyPath::new(key),
        base: &VersionId::new(base),
        fields: &fields,
        token,
    })
}

#[test]
fn all_secrets_are_listed_once_without_their_values() {
    let cluster = filled();
    let store = admin(&cluster);
    let (keys, problems) = all(&*store);
    assert_eq!(keys.len(), 12);
    assert!(keys.contains(&"app-a/d".to_owned()) && problems.is_empty());
    // The fake refuses lists of values; nothing else was asked for.
    assert_eq!(cluster.count("GET", "/api/v1/namespaces/"), 0);
    assert_eq!(cluster.count("GET", "/api/v1/secrets"), 4);
    let (keys, problems) = all(&*open_with(&cluster, ADMIN, &[], &["app", "prod/b"]));
    assert_eq!(keys, ["app/a", "app/b", "app/c", "app/d", "prod/b"]);
    assert!(problems.is_empty());
}

#[test]
fn a_listing_that_the_server_forgets_goes_on_and_tells_no_key_twice() {
    for offers_way_on in [false, true] {
        let cluster = filled();
        let store = admin(&cluster);
        cluster.state().offers_way_on = offers_way_on;
        let mut keys = Vec::new();
        let mut cursor: Option<Cursor> = None;
        let mut pages = 0;
        loop {
            let page: Page = store.list(cursor.as_ref()).expect("it lists");
            assert!(page.problems.is_empty(), "{:?}", page.problems);
            keys.extend(page.keys.iter().map(|entry| entry.key.to_string()));
            pages += 1;
            if pages == 2 {
                // Written behind and before the place where the listing is; then the old snapshot goes.
                let mut state = cluster.state();
                state.put("app/new", &[("k", b"made-up")], &json!({}));
                state.put("prod/new", &[("k", b"made-up")], &json!({}));
                state.compacted = 14;
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let mut distinct = keys.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), keys.len(), "{keys:?}");
        assert!(keys.contains(&"prod/new".to_owned()));
        let old = keys.iter().filter(|key| !key.ends_with("new"));
        assert_eq!(old.count(), 12, "{keys:?}");
    }
}

#[test]
fn a_listing_that_expires_again_and_again_is_given_up() {
    let cluster = filled();
    cluster.state().compacted = u64::MAX - 1;
    let store = admin(&cluster);
    let (keys, problems) = all(&*store);
    assert_eq!(keys.len(), 3, "what the first page had, once");
    assert!(
        matches!(safe(&problems[0].1), Fault::Retryable { .. }),
        "{problems:?}"
    );
}

#[test]
fn denied_namespaces_are_problems_and_the_rest_is_listed() {
    let cluster = filled();
    allow(
        &cluster,
        "one",
        &[
            "GET /api/v1/namespaces/prod/secrets",
            "GET /api/v1/namespaces/app/secrets",
        ],
    );
    let (keys, problems) = all(&*open_with(&cluster, "one", &["prod", "app-a"], &[]));
    assert_eq!(keys.len(), 4);
    assert_eq!(problems[0].0, "app-a");
    assert_eq!(safe(&problems[0].1), Fault::Denied);

    // Without names: all namespaces, one by one, if they may be listed.
    let (keys, problems) = all(&*open_with(&cluster, "one", &[], &[]));
    assert!(keys.is_empty());
    assert_eq!(
        (problems[0].0.as_str(), safe(&problems[0].1)),
        ("*", Fault::Denied)
    );
    assert!(
        problems[0].1.help.contains("`namespaces`"),
        "{}",
        problems[0].1.help
    );
    allow(&cluster, "two", &["GET /api/v1/namespaces"]);
    cluster.state().rights.insert(
        "three".to_owned(),
        vec!["GET /api/v1/namespaces".to_owned()],
    );
    let (keys, problems) = all(&*open_with(&cluster, "two", &[], &[]));
    assert_eq!((keys.len(), problems.len()), (12, 0));

    // A namespace that is misspelt is not an empty one.
    let (_, problems) = all(&*open_with(&cluster, ADMIN, &["prdo"], &[]));
    assert_eq!(safe(&problems[0].1), Fault::NotFound);
    // Settings that leave nothing to list are no empty store, either.
    let nothing = open_with(&cluster, ADMIN, &["prod"], &["app/a"]);
    assert_eq!(
        safe(&nothing.list(None).expect_err("nothing")),
        Fault::Setup
    );
}

#[test]
fn a_key_has_one_version_and_what_was_before_is_unknown() {
    let cluster = filled();
    let mut state = cluster.state();
    state.namespaces.insert(
        "prod".to_owned(),
        json!({"metadata": {"name": "prod", "labels": {"env": "production", "team": "core"}}}),
    );
    let fields = json!([
        {"manager": "x", "time": "2026-01-02T03:04:05Z", "fieldsV1": {"f:data": {"f:k": {}}}},
        {"manager": "y", "time": "2026-09-01T00:00:00Z", "fieldsV1": {"f:metadata": {}}},
    ]);
    let metadata = json!({"labels": {"owner": "payments"}, "managedFields": fields});
    state.put("prod/db", &[("k", b"made-up")], &metadata);
    drop(state);
    let store = admin(&cluster);
    let key = KeyPath::new("prod/db");
    let info = store.describe(&key).expect("known");
    assert!(info.trimmed);
    assert_eq!(info.versions.len(), 1);
    let version = info.current().expect("current");
    assert_eq!(
        (version.state, version.id.as_str()),
        (
            VersionState::Current,
            cluster.state().version_of("prod/db").as_str()
        )
    );
    assert_eq!(info.owner.as_deref(), Some("payments"));
    assert_eq!(info.environment.as_deref(), Some("production"));
    assert_eq!(info.changed, Some(1_767_323_045));
    let mut cursor = None;
    loop {
        let page = store.list(cursor.as_ref()).expect("listed");
        if let Some(entry) = page.keys.iter().find(|entry| entry.key == key) {
            assert_eq!(entry.info.as_ref(), Some(&info), "a listing says the same");
            break;
        }
        cursor = Some(page.next.expect("it comes"));
    }
}

#[test]
fn values_are_decoded_once_and_only_of_the_current_version() {
    let cluster = Cluster::start();
    let text = "line\nbreak \"\u{1F600}\"";
    let data: [(&str, &[u8]); 4] = [
        ("text", text.as_bytes()),
        ("empty", b""),
        ("twice", b"bWFkZS11cA=="),
        (".dockerconfigjson", br#"{"auths":{}}"#),
    ];
    cluster.state().put("prod/db", &data, &json!({}));
    let store = admin(&cluster);
    let version = cluster.state().version_of("prod/db");
    let fields = read(&*store, "prod/db", &version)
        .expect("read")
        .expect("there");
    assert_eq!(fields["text"], text);
    assert_eq!(fields["empty"], "");
    assert_eq!(
        fields["twice"], "bWFkZS11cA==",
        "what is base64 itself stays so"
    );
    assert_eq!(fields.len(), 4);
    cluster
        .state()
        .put("prod/db", &[("text", b"other")], &json!({}));
    let error = read(&*store, "prod/db", &version).expect_err("another version");
    assert_eq!(safe(&error), Fault::NotFound);
    for wrong in [
        "prod",
        "prod/db/x",
        "../secrets",
        "prod/..",
        "",
        "prod/a?b=c",
    ] {
        let before = cluster.fake.asked().len();
        let error = read(&*store, wrong, "1").expect_err(wrong);
        assert_eq!(safe(&error), Fault::NotFound, "{wrong}");
        assert_eq!(cluster.fake.asked().len(), before, "{wrong} was asked for");
    }
    assert_eq!(
        safe(&read(&*store, "prod/missing", "1").expect_err("missing")),
        Fault::NotFound
    );
}

#[test]
fn a_write_is_on_top_of_its_base_or_not_at_all() {
    let cluster = Cluster::start();
    let data: [(&str, &[u8]); 2] = [("password", b"made-up-old"), ("user", b"app")];
    cluster
        .state()
        .put("prod/db", &data, &json!({"labels": {"a": "b"}}));
    let store = admin(&cluster);
    let base = cluster.state().version_of("prod/db");
    let staged = stage(&*store, "prod/db", &base, b"made-up-new", "write-1").expect("written");
    assert_eq!(staged.as_str(), cluster.state().version_of("prod/db"));
    assert_eq!(
        cluster.state().value("prod/db", "password").as_deref(),
        Some("made-up-new")
    );
    assert_eq!(
        cluster.state().value("prod/db", "user").as_deref(),
        Some("app")
    );
    assert_eq!(
        cluster.state().secrets["prod/db"]["metadata"]["labels"]["a"],
        "b"
    );
    let sent = cluster.fake.asked();
    let sent = sent
        .iter()
        .find(|asked| asked.method == "PATCH")
        .expect("sent");
    assert!(
        sent.path.ends_with("?fieldManager=keysweep"),
        "{}",
        sent.path
    );

    // The same write again, as after a lost answer: recognised, and not done twice.
    let again = stage(&*store, "prod/db", &base, b"made-up-new", "write-1").expect("recognised");
    assert_eq!(again, staged);
    assert_eq!(cluster.count("PATCH", "/"), 1);
    // Another write on the old base; and the same value by somebody else's write.
    for (value, token) in [
        (&b"made-up-third"[..], "write-2"),
        (b"made-up-new", "write-2"),
        (b"made-up-third", "write-1"),
    ] {
        let error = stage(&*store, "prod/db", &base, value, token).expect_err("stale");
        assert_eq!(safe(&error), Fault::Conflict);
    }
    assert_eq!(cluster.count("PATCH", "/"), 1);
}

#[test]
fn somebody_who_is_faster_than_our_write_wins() {
    let cluster = filled();
    let store = admin(&cluster);
    let base = cluster.state().version_of("prod/a");
    // Between our look and our write: the server itself refuses.
    cluster.state().instead = vec![Reply::Json(
        409,
        json!({"kind": "Status", "reason": "Conflict", "code": 409, "message": CANARY}).to_string(),
    )];
    let whole = cluster.state().secrets["prod/a"].to_string();
    cluster.state().instead.push(Reply::Json(200, whole));
    let error = stage(&*store, "prod/a", &base, b"made-up-new", "w").expect_err("refused");
    assert_eq!(safe(&error), Fault::Conflict);
}

#[test]
fn a_rehearsal_says_what_a_write_would_and_writes_nothing() {
    let cluster = filled();
    let store = admin(&cluster);
    let base = VersionId::new(cluster.state().version_of("prod/a"));
    let key = KeyPath::new("prod/a");
    let rehearse = |value: &[u8], base: &VersionId| {
        let fields = [("password".to_owned(), Secret::new(value))].into();
        store.rehearse(&Change {
            key: &key,
            base,
            fields: &fields,
            token: "t",
        })
    };
    rehearse(b"made-up-new", &base).expect("it would be taken");
    assert_eq!(
        cluster.state().value("prod/a", "password").as_deref(),
        Some(CANARY)
    );
    assert_eq!(cluster.state().version_of("prod/a"), base.as_str());
    let large = vec![b'x'; (1 << 20) + 1];
    assert_eq!(
        safe(&rehearse(&large, &base).expect_err("too long")),
        Fault::Rejected
    );
    let other = VersionId::new("1");
    assert_eq!(
        safe(&rehearse(b"made-up-new", &other).expect_err("stale")),
        Fault::Conflict
    );
}

#[test]
fn a_webhook_that_knows_no_dry_run_stops_no_rehearsal() {
    let cluster = filled();
    let store = admin(&cluster);
    let base = VersionId::new(cluster.state().version_of("prod/a"));
    let key = KeyPath::new("prod/a");
    let fields = [("password".to_owned(), Secret::new(b"made-up-new"))].into();
    let change = Change {
        key: &key,
        base: &base,
        fields: &fields,
        token: "t",
    };
    let whole = cluster.state().secrets["prod/a"].to_string();
    let answered = |message: &str| {
        let refused =
            json!({"kind": "Status", "reason": "BadRequest", "code": 400, "message": message});
        let whole = Reply::Json(200, whole.clone());
        cluster.state().instead = vec![Reply::Json(400, refused.to_string()), whole];
        store.rehearse(&change)
    };
    assert_eq!(
        answered("admission webhook \"w\" does not support dry run"),
        Ok(())
    );
    assert_eq!(
        safe(&answered(CANARY).expect_err("another reason")),
        Fault::Protocol
    );
}

#[test]
fn a_page_that_is_too_large_is_asked_for_in_parts() {
    let cluster = Cluster::start();
    let note = "x".repeat(1 << 20);
    for n in 0..24 {
        let metadata =
            json!({"annotations": {"kubectl.kubernetes.io/last-applied-configuration": note}});
        cluster
            .state()
            .put(&format!("prod/{n:02}"), &[("k", b"made-up")], &metadata);
    }
    cluster.state().page = 500;
    let (keys, problems) = all(&*admin(&cluster));
    assert_eq!(keys.len(), 24);
    assert!(problems.is_empty(), "{problems:?}");
    // Each page once too large, then in the next smaller size that fits.
    let limits: Vec<String> = cluster
        .fake
        .asked()
        .iter()
        .map(|asked| asked.path.clone())
        .collect();
    assert!(
        limits.iter().any(|path| path.contains("limit=250")),
        "{limits:?}"
    );
    assert!(
        limits
            .iter()
            .any(|path| path.contains("limit=10&") || path.ends_with("limit=10")),
        "{limits:?}"
    );
}

#[test]
fn what_cannot_be_written_says_so() {
    let cluster = filled();
    cluster.state().secrets.get_mut("prod/a").expect("there")["immutable"] = json!(true);
    let store = admin(&cluster);
    let base = cluster.state().version_of("prod/a");
    let error = stage(&*store, "prod/a", &base, b"made-up-new", "w").expect_err("immutable");
    assert_eq!(safe(&error), Fault::Unsupported);
    assert!(error.what.contains("immutable"), "{error}");
    // Made immutable between our look and our write.
    let whole = cluster.state().secrets["prod/b"].to_string();
    cluster.state().secrets.get_mut("prod/b").expect("there")["immutable"] = json!(true);
    cluster.state().instead = vec![Reply::Json(200, whole)];
    let base = cluster.state().version_of("prod/b");
    let error = stage(&*store, "prod/b", &base, b"made-up-new", "w").expect_err("immutable");
    assert_eq!(safe(&error), Fault::Unsupported);
    assert!(error.what.contains("immutable"), "{error}");

    let (key, version) = (KeyPath::new("prod/c"), VersionId::new("1"));
    for error in [
        store.unstage(&key, &version, &version).expect_err("gone"),
        store
            .annotate(&key, &[("a", "b")])
            .expect_err("a new version"),
        store.destroy(&key, &version).expect_err("no versions"),
    ] {
        assert_eq!(safe(&error), Fault::Unsupported);
    }
    let fields = [(String::new(), Secret::new(b"made-up"))].into();
    let change = Change {
        key: &key,
        base: &version,
        fields: &fields,
        token: "t",
    };
    assert_eq!(
        safe(&store.stage(&change).expect_err("no field")),
        Fault::Setup
    );
    allow(&cluster, "reader", &["GET /api/v1/"]);
    let base = cluster.state().version_of("prod/c");
    let reader = open_with(&cluster, "reader", &[], &[]);
    let error = stage(&*reader, "prod/c", &base, b"made-up-new", "w").expect_err("denied");
    assert_eq!(safe(&error), Fault::Denied);
}

#[test]
fn a_write_without_an_answer_is_unknown_and_sent_once() {
    for number in 0..3 {
        let cluster = filled();
        let store = admin(&cluster);
        let base = cluster.state().version_of("prod/a");
        let whole = Reply::Json(200, cluster.state().secrets["prod/a"].to_string());
        let lost = match number {
            0 => Reply::Nothing,
            1 => Reply::Half(200, b"{\"kind\":".to_vec()),
            _ => Reply::Json(
                500,
                json!({"kind": "Status", "reason": "InternalError", "message": CANARY}).to_string(),
            ),
        };
        cluster.state().instead = vec![lost, whole];
        let error = stage(&*store, "prod/a", &base, b"made-up-new", "w").expect_err("lost");
        assert_eq!(safe(&error), Fault::Unknown, "{number}: {error}");
        assert_eq!(cluster.count("PATCH", "/"), 1);
    }
}

#[test]
fn reads_are_tried_again_and_wait_as_long_as_the_server_says() {
    let cluster = filled();
    let store = admin(&cluster);
    let busy = Reply::Full(429, &["retry-after: 1"], b"{}".to_vec());
    cluster.state().instead = vec![Reply::Json(503, "{}".to_owned()), busy, Reply::Nothing];
    let version = cluster.state().version_of("prod/a");
    let start = Instant::now();
    let fields = read(&*store, "prod/a", &version)
        .expect("read")
        .expect("there");
    assert_eq!(fields["password"], CANARY);
    assert!(start.elapsed() >= Duration::from_secs(1));
    let hour = || Reply::Full(429, &["retry-after: 3600"], b"{}".to_vec());
    cluster.state().instead = vec![hour()];
    let error = read(&*store, "prod/a", &version).expect_err("an hour is too long");
    let after = Some(Duration::from_secs(3600));
    assert_eq!(safe(&error), Fault::Retryable { after });
}

#[test]
fn garbage_and_dead_credentials_have_their_faults() {
    let cluster = filled();
    let store = admin(&cluster);
    let version = cluster.state().version_of("prod/a");
    for (reply, fault) in [
        (Reply::Json(200, format!("<html>{CANARY}")), Fault::Protocol),
        (Reply::Json(200, format!("[\"{CANARY}\"]")), Fault::Protocol),
        (Reply::Json(200, json!({"metadata": {"resourceVersion": version}, "data": {"k": format!("{CANARY}!")}}).to_string()), Fault::Protocol),
        (Reply::Json(403, format!("<html>{CANARY}")), Fault::Protocol),
        (Reply::Full(302, &["location: http://127.0.0.1:1/"], Vec::new()), Fault::Protocol),
        (Reply::Full(200, &[], vec![b' '; 17 << 20]), Fault::Protocol),
        (Reply::Json(401, json!({"kind": "Status", "reason": "Unauthorized"}).to_string()), Fault::Unauthenticated),
    ] {
        cluster.state().instead = vec![reply];
        let error = read(&*store, "prod/a", &version).expect_err("refused");
        assert_eq!(safe(&error), fault, "{error}");
    }
    let error = open_with(&cluster, "unknown", &[], &[])
        .list(None)
        .expect_err("nobody");
    assert_eq!(safe(&error), Fault::Unauthenticated);
    drop(cluster);
    let error = store
        .describe(&KeyPath::new("prod/a"))
        .expect_err("nobody listens");
    assert_eq!(safe(&error), Fault::Unavailable);
}

/// Binds a user to all secrets, an account to one of `prod`, and a group to deployments there.
fn with_roles(cluster: &Cluster) {
    let role =
        |name: &str, rule: serde_json::Value| json!({"metadata": {"name": name}, "rules": [rule]});
    let bind = |kind: &str, name: &str, subject: serde_json::Value| json!({"metadata": {"name": "b"}, "roleRef": {"kind": kind, "name": name}, "subjects": [subject]});
    let all = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]});
    let one = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["b"]});
    let run = json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create"]});
    cluster.state().rbac = [
        ("clusterroles", vec![role("all", all), role("run", run)]),
        (
            "clusterrolebindings",
            vec![bind(
                "ClusterRole",
                "all",
                json!({"kind": "User", "name": "ann"}),
            )],
        ),
        ("namespaces/prod/roles", vec![role("one", one)]),
        (
            "namespaces/prod/rolebindings",
            vec![
                bind(
                    "Role",
                    "one",
                    json!({"kind": "ServiceAccount", "name": "sa", "namespace": "app"}),
                ),
                bind(
                    "ClusterRole",
                    "run",
                    json!({"kind": "Group", "name": "devs"}),
                ),
            ],
        ),
    ]
    .map(|(path, items)| (path.to_owned(), items))
    .into();
}

#[test]
fn readers_are_those_of_roles_and_bindings() {
    let cluster = filled();
    with_roles(&cluster);
    let store = admin(&cluster);
    let told = |key: &str| store.readers(&KeyPath::new(key)).expect("told");
    let of_a = told("prod/a");
    assert_eq!(
        of_a.sample,
        ["Group:devs", "Group:system:masters", "User:ann"]
    );
    assert!(of_a.complete);
    assert_eq!(told("prod/b").known, 4);
    assert!(
        told("prod/b")
            .sample
            .contains(&"ServiceAccount:app/sa".to_owned())
    );
    assert_eq!(told("app/a").sample, ["Group:system:masters", "User:ann"]);
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    assert_eq!(
        cluster.count("GET", &format!("{roles}?")),
        1,
        "asked for once"
    );
    allow(
        &cluster,
        "some",
        &[
            "GET /api/",
            "GET /apis/rbac.authorization.k8s.io/v1/namespaces/",
        ],
    );
    let some = open_with(&cluster, "some", &[], &[]).readers(&KeyPath::new("prod/a"));
    assert!(!some.expect("told").complete);
}

#[test]
fn several_threads_ask_at_once() {
    let cluster = filled();
    let store = admin(&cluster);
    let version = cluster.state().version_of("prod/a");
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    read(&*store, "prod/a", &version).expect("read");
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(done.load(Ordering::SeqCst), 40);
}

#[test]
fn health_names_what_is_missing() {
    let cluster = filled();
    let health = admin(&cluster).health().expect("healthy");
    assert_eq!(health.version.as_deref(), Some("Kubernetes v1.20.2"));
    assert!(
        !health.notes.iter().any(|note| note.starts_with("may not")),
        "{health:?}"
    );
    allow(&cluster, "little", &["GET /api/v1/namespaces/app/"]);
    let health = open_with(&cluster, "little", &["app", "prod"], &[])
        .health()
        .expect("healthy");
    let notes: Vec<_> = health
        .notes
        .iter()
        .filter(|note| note.starts_with("may not"))
        .collect();
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].contains("secrets of prod"), "{notes:?}");
}

#[test]
fn kubeconfigs_that_would_leak_are_refused_and_never_quoted() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("config");
    let config = |cluster: serde_json::Value| {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": CANARY}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        })
        .to_string()
    };
    for (text, words) in [
        (
            config(json!({"server": "http://k8s.example.com"})),
            "not https",
        ),
        (
            config(json!({"server": "https://k8s.example.com", "insecure-skip-tls-verify": true})),
            "insecure-skip-tls-verify",
        ),
        (
            config(json!({"server": "https://user:word@k8s.example.com"})),
            "user or password",
        ),
        (format!("users: [{{name: \"{CANARY}"), "not whole"),
        (
            config(json!({"server": "https://k8s.example.com"}))
                .replace("\"here\"", "\"other\"")
                .replacen("other", "here", 1),
            "no such context",
        ),
    ] {
        std::fs::write(&file, text).expect("written");
        let mut entry = entry();
        entry.kind = StoreKind::Kubernetes(KubernetesSettings {
            kubeconfig: Some(file.clone()),
            ..KubernetesSettings::default()
        });
        let error = with_surroundings(&[], |surroundings| open("k", &entry, surroundings))
            .err()
            .unwrap_or_else(|| panic!("{words}"));
        assert_eq!(error.fault, Fault::Setup);
        assert!(error.what.contains(words), "{error}");
        assert!(!format!("{error:?}").contains(CANARY), "{error:?}");
    }
}
