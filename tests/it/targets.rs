//! Targets against real servers: two credentials in grace, one refused after it, sessions ended, nothing done twice.

use keysweep::{
    config::stores::StoresFile,
    model::{ProviderState, Secret},
    stores::{
        Fault, StoreError, Surroundings,
        target::{self, Credential, Target},
    },
};

use crate::server_targets::{Postgres, Redis, private_file};

fn nowhere() -> Surroundings<'static> {
    Surroundings {
        variable: &|_| None,
        home: None,
        history: &|_| Ok(Vec::new()),
    }
}

/// Opens the target of which these are the lines.
fn try_open(lines: &str) -> Result<Box<dyn Target>, StoreError> {
    let text = format!(
        "[stores.s]\nkind = \"dotenv\"\n[[targets]]\nstore = \"s\"\nkey = \"k\"\nuser-field = \"user\"\n{lines}"
    );
    let file = StoresFile::parse("stores.toml", &text).expect("the test's settings are right");
    target::open(&file.targets[0], &nowhere())
}

fn open(lines: &str) -> Box<dyn Target> {
    try_open(lines).expect("the target can be opened")
}

fn credential(user: &str, secret: &str) -> Credential {
    Credential {
        user: Some(user.to_owned()),
        secret: Secret::new(secret.as_bytes()),
    }
}

fn accepted(target: &dyn Target, credential: &Credential) {
    assert_eq!(target.probe(credential).unwrap(), ProviderState::Accepted);
}

fn refused(target: &dyn Target, credential: &Credential) {
    assert_eq!(target.probe(credential).unwrap(), ProviderState::Refused);
}

/// Asserts that nothing is proven, and that it is said why.
fn unknown(target: &dyn Target, credential: &Credential, expected: &str) {
    match target.probe(credential).unwrap() {
        ProviderState::Unknown { why } => assert!(why.contains(expected), "{why}"),
        other => panic!("{other:?}"),
    }
}

/// Asserts that a check fails so, and that its words hold no password.
fn stands_in_the_way(target: &dyn Target, old: &Credential, fault: &Fault, what: &str) {
    let error = target.check(old).unwrap_err();
    let told = format!("{error} {}", error.help);
    assert_eq!(error.fault, *fault, "{told}");
    assert!(told.contains(what), "{told}");
    assert!(!told.contains("made-up"), "{told}");
}

fn postgres(server: &Postgres, more: &str) -> String {
    let file = private_file(&server.dir.path().join("admin"), Postgres::SUPER);
    format!(
        "kind = \"postgres\"\naddress = \"127.0.0.1:{}\"\nadmin = \"postgres\"\nadmin-password-file = \"{}\"\n{more}",
        server.port,
        file.display()
    )
}

/// A role's name as an attacker would choose it.
const HOSTILE: &str = "ap\"p; DROP ROLE grp; -- it's";

/// Starts a server with a group and a role of a hostile name in it.
fn pair() -> Postgres {
    let server = Postgres::start("", "");
    let quoted = HOSTILE.replace('"', "\"\"");
    server.sql(&format!(
        "create role \"the group\" nologin; create role \"{quoted}\" login connection limit 7 password 'made-up-old-1';
         grant \"the group\" to \"{quoted}\"; alter role \"{quoted}\" set search_path to \"$user\", public;
         grant create on schema public to \"the group\""
    ));
    server
}

#[test]
fn two_roles_of_postgresql_are_let_in_during_grace() {
    let server = pair();
    let target = open(&postgres(&server, "group = \"the group\""));
    let target = target.as_ref();
    assert!(target.traits().grace);
    let old = credential(HOSTILE, "made-up-old-1");
    target.check(&old).unwrap();
    accepted(target, &old);
    let new = target
        .prepare(&old, &Secret::new(b"made-up-new-2"))
        .unwrap()
        .unwrap();
    let second = format!("{HOSTILE}_ks2");
    assert_eq!(new.user.as_deref(), Some(second.as_str()));
    refused(target, &new);

    target.issue(&old, Some(&new), "token").unwrap();
    let verifiers = "select string_agg(rolname || rolpassword, ',' order by rolname) from pg_authid where rolpassword is not null";
    let before = server.sql(verifiers);
    assert!(before.contains("SCRAM-SHA-256$"));
    target.issue(&old, Some(&new), "token").unwrap();
    assert_eq!(server.sql(verifiers), before, "done twice is done once");
    accepted(target, &old);
    accepted(target, &new);
    let made = server
        .psql(
            &second,
            "made-up-new-2",
            "create table made_by_second (a int); show search_path",
        )
        .output();
    assert_eq!(
        crate::server_targets::said(made.unwrap()),
        "\"$user\", public"
    );
    let owner = "select tableowner from pg_tables where tablename = 'made_by_second'";
    assert_eq!(server.sql(owner), "the group");
    let limit = format!(
        "select rolconnlimit from pg_roles where rolname = '{}'",
        second.replace('\'', "''")
    );
    assert_eq!(server.sql(&limit), "7");
}

#[test]
fn two_roles_of_postgresql_take_turns() {
    let server = pair();
    let target = open(&postgres(&server, "group = \"the group\""));
    let target = target.as_ref();
    let old = credential(HOSTILE, "made-up-old-1");
    let new = credential(&format!("{HOSTILE}_ks2"), "made-up-new-2");
    target.issue(&old, Some(&new), "token").unwrap();

    let mut session = server.sleeper(HOSTILE, "made-up-old-1");
    target.disable(&old, &new).unwrap();
    target.disable(&old, &new).unwrap();
    refused(target, &old);
    accepted(target, &new);
    assert!(
        session.try_wait().unwrap().is_none(),
        "the open session outlives NOLOGIN"
    );
    assert_eq!(target.end_sessions(&old, &new).unwrap(), 1);
    assert!(!session.wait().unwrap().success());
    assert_eq!(target.end_sessions(&old, &new).unwrap(), 0);
    target.destroy(&old, &new).unwrap();
    target.destroy(&old, &new).unwrap();
    refused(target, &old);
    assert_eq!(
        server.sql("select count(*) from pg_roles where rolname like 'ap%'"),
        "1"
    );

    // And back again.
    target.check(&new).unwrap();
    let third = target
        .prepare(&new, &Secret::new(b"made-up-new-3"))
        .unwrap()
        .unwrap();
    assert_eq!(third.user.as_deref(), Some(HOSTILE));
    target.issue(&new, Some(&third), "token").unwrap();
    accepted(target, &third);
    target.withdraw(&new, &third).unwrap();
    target.withdraw(&new, &third).unwrap();
    refused(target, &third);
    accepted(target, &new);
    let log = server.log();
    assert!(log.contains("CREATE ROLE"), "statements are logged");
    let told = log.lines().filter(|line| line.contains("made-up-new"));
    assert_eq!(told.count(), 0, "no clear password in the server's log");
    assert_eq!(
        server.sql("select count(*) from pg_roles where rolname = 'the group'"),
        "1"
    );
}

#[test]
fn a_role_that_still_owns_something_is_locked_and_not_dropped() {
    let server = Postgres::start("", "");
    server
        .sql("create role grp nologin; create role app login password 'made-up-old-1' in role grp");
    let target = open(&postgres(&server, "group = \"grp\""));
    let old = credential("app", "made-up-old-1");
    let new = target
        .prepare(&old, &Secret::new(b"made-up-new-2"))
        .unwrap()
        .unwrap();
    target.issue(&old, Some(&new), "token").unwrap();
    server.sql("create table mine (a int); alter table mine owner to app");
    target.disable(&old, &new).unwrap();
    target.destroy(&old, &new).unwrap();
    assert_eq!(
        server.sql("select rolcanlogin, rolpassword is null from pg_authid where rolname = 'app'"),
        "f|t"
    );
    refused(target.as_ref(), &old);
    accepted(target.as_ref(), &new);
}

#[test]
fn one_role_of_postgresql_changes_its_password_at_once() {
    let server = Postgres::start("", "");
    server.sql("create role app login password 'made-up-old-1'");
    let target = open(&postgres(&server, ""));
    let target = target.as_ref();
    assert!(!target.traits().grace);
    let old = credential("app", "made-up-old-1");
    target.check(&old).unwrap();
    let new = target
        .prepare(&old, &Secret::new(b"made-up-new-2"))
        .unwrap()
        .unwrap();
    let mut session = server.sleeper("app", "made-up-old-1");
    let verifier = "select rolpassword from pg_authid where rolname = 'app'";
    target.issue(&old, Some(&new), "token").unwrap();
    let before = server.sql(verifier);
    target.issue(&old, Some(&new), "token").unwrap();
    assert_eq!(server.sql(verifier), before, "done twice is done once");
    refused(target, &old);
    accepted(target, &new);
    target.disable(&old, &new).unwrap();
    assert!(session.try_wait().unwrap().is_none());
    assert_eq!(target.end_sessions(&old, &new).unwrap(), 1);
    assert!(!session.wait().unwrap().success());
    target.destroy(&old, &new).unwrap();
    accepted(target, &new);
    target.withdraw(&old, &new).unwrap();
    accepted(target, &old);
    refused(target, &new);
    let log = server.log();
    assert!(
        log.contains("ALTER ROLE \"app\" PASSWORD 'SCRAM-SHA-256$"),
        "{log}"
    );
    assert!(!log.contains("made-up-new"));
}

#[test]
fn a_check_finds_what_would_stop_a_rotation_of_roles() {
    let server = Postgres::start("", "");
    server.sql(
        "create role grp nologin; create role app login password 'made-up-1' in role grp;
         create role lone login password 'made-up-1'; create role root2 login superuser in role grp;
         create role rich login in role grp; create table owned (a int); alter table owned owner to rich;
         create role busy login in role grp; create role busy_ks2 login;
         create role gone nologin in role grp",
    );
    let pair = open(&postgres(&server, "group = \"grp\""));
    let pair = pair.as_ref();
    pair.check(&credential("app", "made-up-1")).unwrap();
    for (role, fault, what) in [
        ("nobody", Fault::NotFound, "no role nobody"),
        ("lone", Fault::Setup, "not in the group"),
        ("root2", Fault::Denied, "superuser"),
        ("rich", Fault::Setup, "REASSIGN OWNED"),
        ("busy", Fault::Conflict, "busy_ks2"),
        ("gone", Fault::Denied, "may not log in"),
        ("postgres", Fault::Denied, "admin itself"),
    ] {
        stands_in_the_way(pair, &credential(role, "made-up-1"), &fault, what);
    }
}

#[test]
fn a_check_finds_what_the_admin_of_roles_may_not() {
    let server = Postgres::start("", "");
    server.sql(
        "create role grp nologin; create role app login password 'made-up-1' in role grp;
         create role weak login password 'made-up-weak'",
    );
    let pair = open(&postgres(&server, "group = \"grp\""));
    let pair = pair.as_ref();
    let single = open(&postgres(&server, ""));
    let single = single.as_ref();
    let long = "r".repeat(60);
    server.sql(&format!("create role {long} login in role grp"));
    stands_in_the_way(
        pair,
        &credential(&long, "made-up-1"),
        &Fault::Setup,
        "too long",
    );
    stands_in_the_way(
        single,
        &credential("", "made-up-1"),
        &Fault::Setup,
        "`user`",
    );
    let no_group = open(&postgres(&server, "group = \"nogrp\""));
    let app = credential("app", "made-up-1");
    stands_in_the_way(no_group.as_ref(), &app, &Fault::NotFound, "nogrp");

    let weak = private_file(&server.dir.path().join("weak"), "made-up-weak\n");
    let address = format!(
        "kind = \"postgres\"\naddress = \"127.0.0.1:{}\"\n",
        server.port
    );
    let weak = open(&format!(
        "{address}admin = \"weak\"\nadmin-password-file = \"{}\"",
        weak.display()
    ));
    stands_in_the_way(weak.as_ref(), &app, &Fault::Denied, "CREATEROLE");
    server.sql("alter role weak createrole");
    stands_in_the_way(weak.as_ref(), &app, &Fault::Denied, "pg_signal_backend");
    server.sql("grant pg_signal_backend to weak");
    weak.check(&app).unwrap();
    let wrong = private_file(&server.dir.path().join("wrong"), "made-up-wrong");
    let wrong = open(&format!(
        "{address}admin = \"weak\"\nadmin-password-file = \"{}\"",
        wrong.display()
    ));
    stands_in_the_way(
        wrong.as_ref(),
        &app,
        &Fault::Unauthenticated,
        "admin-password-file",
    );
    let error = wrong.issue(&app, Some(&credential("app", "made-up-2")), "t");
    assert_eq!(error.unwrap_err().fault, Fault::Unauthenticated);
    accepted(single, &app);
}

#[test]
fn a_probe_of_postgresql_says_only_what_is_proven() {
    let server = Postgres::start(
        "host all open 127.0.0.1/32 trust\nhost all barred 127.0.0.1/32 reject",
        "",
    );
    server.sql(
        "create role open login; create role barred login password 'made-up-1'; create role nolog nologin password 'made-up-1';
         create role full login connection limit 0 password 'made-up-1'; create role old login password 'made-up-1' valid until '2001-01-01'",
    );
    let target = open(&postgres(&server, ""));
    let target = target.as_ref();
    unknown(
        target,
        &credential("open", "made-up-1"),
        "without a password",
    );
    unknown(target, &credential("barred", "made-up-1"), "pg_hba.conf");
    refused(target, &credential("nolog", "made-up-1"));
    refused(target, &credential("nobody", "made-up-1"));
    refused(target, &credential("old", "made-up-1"));
    refused(target, &credential("full", "made-up-2"));
    accepted(target, &credential("full", "made-up-1"));
    // Another name of the same machine is no loopback, and then TLS is a must.
    let file = private_file(&server.dir.path().join("admin"), Postgres::SUPER);
    let ca = private_file(&server.dir.path().join("no-ca"), "nothing");
    let lines = format!(
        "kind = \"postgres\"\naddress = \"127.0.0.1:{}\"\nadmin = \"postgres\"\nadmin-password-file = \"{}\"\nca-file = \"{}\"",
        server.port,
        file.display(),
        ca.display()
    );
    assert_eq!(try_open(&lines).err().unwrap().fault, Fault::Setup);
    server.down();
    unknown(target, &credential("nolog", "made-up-1"), "not reached");
    stands_in_the_way(
        target,
        &credential("nolog", "made-up-1"),
        &Fault::Unavailable,
        "address",
    );
    server.up("");
    refused(target, &credential("nolog", "made-up-1"));
}

#[test]
fn postgresql_is_reached_with_tls_that_is_verified() {
    let server = Postgres::start("", "");
    server.sql("create role app login password 'made-up-1'");
    let dir = server.dir.path();
    let certificate = |name: &str| {
        let made = std::process::Command::new(crate::server_targets::program("openssl", "openssl"))
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=t",
            ])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(dir.join(format!("{name}.key")))
            .arg("-out")
            .arg(dir.join(format!("{name}.pem")))
            .output();
        crate::server_targets::said(made.unwrap());
        let file = dir.join(format!("{name}.pem"));
        open(&postgres(
            &server,
            &format!("ca-file = \"{}\"", file.display()),
        ))
    };
    let target = certificate("right");
    let stranger = certificate("wrong");
    let app = credential("app", "made-up-1");
    unknown(target.as_ref(), &app, "TLS");
    stands_in_the_way(target.as_ref(), &app, &Fault::Setup, "ssl = on");
    server.down();
    server.own_file("right.key");
    let settings = format!(
        "-c ssl=on -c ssl_cert_file={0}/right.pem -c ssl_key_file={0}/right.key",
        dir.display()
    );
    server.up(&settings);
    accepted(target.as_ref(), &app);
    target.check(&app).unwrap();
    let used = "select count(*) from pg_stat_activity a join pg_stat_ssl s using (pid) where s.ssl";
    assert_eq!(server.sql(used), "1", "psql's own session alone is left");
    unknown(stranger.as_ref(), &app, "TLS");
    stands_in_the_way(stranger.as_ref(), &app, &Fault::Setup, "certificate");
}

fn redis(server: &Redis) -> String {
    let file = private_file(&server.dir.path().join("admin"), "made-up-admin");
    format!(
        "kind = \"redis\"\naddress = \"127.0.0.1:{}\"\nadmin-password-file = \"{}\"",
        server.port,
        file.display()
    )
}

const USERS: &str = "user default on >made-up-admin ~* +@all\nuser app on >made-up-old ~* +@all\nuser free on nopass ~* +@all\nuser off off >made-up-old\n";

#[test]
fn a_user_of_redis_has_two_passwords_in_grace_and_one_after_a_restart() {
    let mut server = Redis::start("", Some(USERS));
    let target = open(&redis(&server));
    let target = target.as_ref();
    let old = credential("app", "made-up-old");
    target.check(&old).unwrap();
    let new = target
        .prepare(&old, &Secret::new(b"made-up new\r\n\"2\""))
        .unwrap()
        .unwrap();
    refused(target, &new);
    target.issue(&old, Some(&new), "token").unwrap();
    target.issue(&old, Some(&new), "token").unwrap();
    accepted(target, &old);
    accepted(target, &new);
    let users =
        |server: &Redis| std::fs::read_to_string(server.dir.path().join("users.acl")).unwrap();
    let line = |users: &str| {
        users
            .lines()
            .find(|l| l.contains("user app"))
            .unwrap()
            .to_owned()
    };
    assert_eq!(line(&users(&server)).matches('#').count(), 2, "once each");

    let (mut session, answer) = server.say("AUTH app made-up-old\r\nPING\r\n");
    assert_eq!(answer, "+OK\r\n+PONG\r\n");
    target.disable(&old, &new).unwrap();
    target.disable(&old, &new).unwrap();
    refused(target, &old);
    accepted(target, &new);
    assert_eq!(target.end_sessions(&old, &new).unwrap(), 1);
    assert_eq!(
        std::io::Read::read(&mut session, &mut [0; 8]).unwrap(),
        0,
        "hung up"
    );
    assert_eq!(target.end_sessions(&old, &new).unwrap(), 0);
    target.destroy(&old, &new).unwrap();
    server.down();
    unknown(target, &old, "not reached");
    stands_in_the_way(target, &old, &Fault::Unavailable, "address");
    server.up();
    refused(target, &old);
    accepted(target, &new);
    assert_eq!(line(&users(&server)).matches('#').count(), 1);
    target.issue(&new, Some(&old), "token").unwrap();
    target.withdraw(&new, &old).unwrap();
    refused(target, &old);
    accepted(target, &new);
}

#[test]
fn a_refused_auth_is_no_login_though_ping_says_pong() {
    // The default user has no password here: whoever fails to log in is still somebody.
    let users = "user default on nopass ~* +@all\nuser boss on >made-up-admin ~* +@all\nuser app on >made-up-old ~* +@all\n";
    let server = Redis::start("", Some(users));
    let (_, answer) = server.say("AUTH app made-up-wrong\r\nPING\r\n");
    assert!(
        answer.starts_with("-WRONGPASS") && answer.ends_with("+PONG\r\n"),
        "{answer}"
    );
    let target = open(&format!("{}\nadmin = \"boss\"", redis(&server)));
    refused(target.as_ref(), &credential("app", "made-up-wrong"));
    accepted(target.as_ref(), &credential("app", "made-up-old"));
    // With any password, so that none is proven.
    unknown(
        target.as_ref(),
        &credential("default", "made-up-old"),
        "any password",
    );
}

#[test]
fn a_check_finds_what_would_stop_a_rotation_of_a_user() {
    let server = Redis::start("", Some(USERS));
    let target = open(&redis(&server));
    let target = target.as_ref();
    for (user, fault, what) in [
        ("nobody", Fault::NotFound, "no user nobody"),
        ("free", Fault::Setup, "any password"),
        ("off", Fault::Setup, "switched off"),
        ("default", Fault::Setup, "admin itself"),
    ] {
        stands_in_the_way(target, &credential(user, "made-up-old"), &fault, what);
    }
    let nobody = credential("nobody", "made-up-old");
    let error = target.issue(&nobody, Some(&nobody), "t").unwrap_err();
    assert_eq!(error.fault, Fault::NotFound);
    let (_, users) = server.say("AUTH made-up-admin\r\nACL USERS\r\n");
    assert!(!users.contains("nobody"), "SETUSER has made none");
    server.say("AUTH made-up-admin\r\nACL SETUSER small on >made-up-admin ~* +@all -acl|save\r\n");
    let small = open(&format!("{}\nadmin = \"small\"", redis(&server)));
    let app = credential("app", "made-up-old");
    stands_in_the_way(small.as_ref(), &app, &Fault::Denied, "+acl");
    private_file(&server.dir.path().join("admin"), "made-up-wrong");
    let file = server.dir.path().join("admin");
    let wrong = open(&format!(
        "kind = \"redis\"\naddress = \"127.0.0.1:{}\"\nadmin-password-file = \"{}\"",
        server.port,
        file.display()
    ));
    stands_in_the_way(
        wrong.as_ref(),
        &app,
        &Fault::Unauthenticated,
        "admin-password-file",
    );
    let far = format!(
        "kind = \"redis\"\naddress = \"redis.example\"\nadmin-password-file = \"{}\"",
        file.display()
    );
    assert!(try_open(&far).err().unwrap().help.contains("tls"));
}

#[test]
fn all_nodes_of_redis_are_changed_or_none() {
    let server = Redis::start("", Some(USERS));
    let target = open(&redis(&server));
    let target = target.as_ref();
    let app = credential("app", "made-up-old");
    let replica = Redis::start(
        &format!(
            "replicaof 127.0.0.1 {}\nmasterauth made-up-admin",
            server.port
        ),
        Some(USERS),
    );
    crate::server_targets::wait_for("the replica", || {
        server
            .say("AUTH made-up-admin\r\nROLE\r\n")
            .1
            .contains(&replica.port.to_string())
    });
    stands_in_the_way(target, &app, &Fault::Setup, "not replicated");
    let both = redis(&replica).replace(
        "address = \"",
        &format!("address = \"127.0.0.1:{},", server.port),
    );
    let both = open(&both);
    both.check(&app).unwrap();
    let new = credential("app", "made-up-new");
    both.issue(&app, Some(&new), "t").unwrap();
    accepted(target, &new);
    accepted(open(&redis(&replica)).as_ref(), &new);
    both.disable(&app, &new).unwrap();
    refused(both.as_ref(), &app);
}

#[test]
fn users_in_the_servers_own_settings_are_written_there() {
    let mut server = Redis::start(
        "user default on >made-up-admin ~* +@all\nuser app on >made-up-old ~* +@all",
        None,
    );
    let target = open(&redis(&server));
    let target = target.as_ref();
    let (old, new) = (
        credential("app", "made-up-old"),
        credential("app", "made-up-new"),
    );
    target.issue(&old, Some(&new), "t").unwrap();
    target.disable(&old, &new).unwrap();
    server.down();
    server.up();
    refused(target, &old);
    accepted(target, &new);
}
