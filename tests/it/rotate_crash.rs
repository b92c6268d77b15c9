//! Rotations on the real OpenBao and PostgreSQL, ended by SIGKILL at each of their places and gone on with.
//!
//! A child process (this binary, with one ignored test) rotates and kills itself; the parent looks at the servers, goes on, and looks again.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fs,
    io::Write as _,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use keysweep::{
    config::stores::StoresFile,
    model::{MatchKind, ProviderState, Secret, StorePlace, StoreState, Urgency, Verdict},
    rotate::{
        self, Actor, Audit, Candidate, Context, Crash, Faults, JOURNALS, OpenTarget, Outcome, Plan,
        Point, RotateError, Rotation, Sealer, Tombstones, Wishes, World,
    },
    stores::{open, target},
};
use serde_json::{Value, json};

use crate::{
    rotate_bed::{Bed, Session, forms, login, sql},
    rotate_static,
    stores_vault::with_surroundings,
};

/// Tells the child where its case is, and at which place it ends (counted from 0; none: it does not).
const FOLDER: &str = "KEYSWEEP_TEST_CRASH_FOLDER";
const AT: &str = "KEYSWEEP_TEST_CRASH_AT";
const CHILD: &str = "rotate_crash::a_rotation_in_a_process_of_its_own";

/// How a case rotates, and whether something on the way makes it turn back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    BlueGreen,
    Cutover,
    /// The new role is locked by another hand when it is current already.
    BlueGreenBack,
    /// The store takes no write any more when the target has the new password.
    CutoverBack,
    /// The store rotates by itself.
    Static,
    /// It answers with a fault of its own the first time.
    StaticUnclear,
}

const WAYS: [Way; 4] = [
    Way::BlueGreen,
    Way::Cutover,
    Way::BlueGreenBack,
    Way::CutoverBack,
];

const STATIC_WAYS: [Way; 2] = [Way::Static, Way::StaticUnclear];

impl Way {
    const fn has_grace(self) -> bool {
        matches!(self, Self::BlueGreen | Self::BlueGreenBack)
    }

    const fn is_static(self) -> bool {
        matches!(self, Self::Static | Self::StaticUnclear)
    }

    /// The first place at which it is not as another way.
    fn differs(self) -> Option<&'static str> {
        match self {
            Self::StaticUnclear => Some("after-intent:issue"),
            _ => self.turn(),
        }
    }

    /// Where the other hand comes in.
    fn turn(self) -> Option<&'static str> {
        match self {
            Self::BlueGreenBack => Some("after-effect:promote"),
            Self::CutoverBack => Some("after-effect:issue"),
            Self::BlueGreen | Self::Cutover | Self::Static | Self::StaticUnclear => None,
        }
    }
}

/// One rotation in a folder of its own: what a process needs to begin it or to go on.
pub(crate) struct Case {
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    way: Way,
    pub(crate) old: String,
}

impl Case {
    /// Makes a role, its key and everything else but the plan.
    pub(crate) fn new(bed: &Bed, name: &str, way: Way, minutes: u32) -> Self {
        let old = if way.is_static() {
            rotate_static::make(bed, name)
        } else {
            make(bed, name, way)
        };
        let case = Self {
            folder: bed.dir.path().join(name),
            name: name.to_owned(),
            way,
            old,
        };
        fs::create_dir(&case.folder).unwrap();
        let policy = if way.is_static() {
            rotate_static::policy(name)
        } else {
            policy(name, "\"create\", \"update\", \"read\"")
        };
        let policy = json!({ "policy": policy });
        let path = format!("sys/policies/acl/{name}");
        bed.bao.root("POST", &path, &policy);
        let token = bed.bao.token(&[name], "1h");
        fs::write(case.folder.join("token"), token).unwrap();
        let pair = if way.has_grace() {
            "group = \"grp\""
        } else {
            "accept-cutover = true"
        };
        let user = if way.is_static() { "username" } else { "user" };
        let engine = if way.is_static() {
            "database = \"database/\"\n"
        } else {
            ""
        };
        let key = case.key();
        let text = format!(
            "[stores.main]\nkind = \"vault\"\naddress = \"{}\"\nmounts = [\"secret\"]\n{engine}\n\
             [rotate]\nallow = [\"main:**\"]\ngrace-minutes = {minutes}\nidentity = {:?}\nstate = {:?}\n\n\
             [[targets]]\nstore = \"main\"\nkey = \"{key}\"\nfield = \"password\"\nuser-field = \"{user}\"\n\
             kind = \"postgres\"\naddress = \"127.0.0.1:{}\"\nadmin = \"postgres\"\nadmin-password-file = {:?}\n{pair}\n",
            bed.bao.address,
            bed.identity(),
            case.folder.join("state"),
            bed.port(),
            bed.admin(),
        );
        fs::write(case.folder.join("stores.toml"), text).unwrap();
        let about = json!({"name": name, "way": format!("{way:?}"), "old": case.old, "address": bed.bao.address, "port": bed.port()});
        fs::write(case.folder.join("case.json"), about.to_string()).unwrap();
        case.write_now(seconds());
        case
    }

    /// Reads what another process has made.
    fn read(folder: &Path) -> Self {
        let about = fs::read(folder.join("case.json")).unwrap();
        let about: Value = serde_json::from_slice(&about).unwrap();
        let mut ways = WAYS.into_iter().chain(STATIC_WAYS);
        let way = ways.find(|way| about["way"] == format!("{way:?}"));
        Self {
            folder: folder.to_owned(),
            name: about["name"].as_str().unwrap().to_owned(),
            way: way.unwrap(),
            old: about["old"].as_str().unwrap().to_owned(),
        }
    }

    fn key(&self) -> String {
        if self.way.is_static() {
            format!("database/static-creds/{}", self.name)
        } else {
            format!("secret/crash/{}", self.name)
        }
    }

    /// Returns user and password that readers of the key get.
    fn current(&self, bed: &Bed) -> (String, String) {
        if self.way.is_static() {
            rotate_static::current(bed, &self.name)
        } else {
            bed.current(&self.name)
        }
    }

    /// Returns what the store can give to those who ask for an older version, too.
    fn versions(&self, bed: &Bed) -> Vec<(String, String)> {
        if self.way.is_static() {
            vec![self.current(bed)]
        } else {
            bed.versions(&self.name)
        }
    }

    fn now(&self) -> i64 {
        let text = fs::read_to_string(self.folder.join("now")).unwrap();
        text.parse().unwrap()
    }

    fn write_now(&self, now: i64) {
        fs::write(self.folder.join("now"), now.to_string()).unwrap();
    }

    fn sealer(&self, file: &StoresFile) -> Sealer {
        let identity = fs::read(file.rotate.identity.as_ref().unwrap()).unwrap();
        Sealer::from_identity_file(&Secret::new(&identity)).unwrap()
    }

    fn file(&self) -> StoresFile {
        let text = fs::read_to_string(self.folder.join("stores.toml")).unwrap();
        StoresFile::parse("stores.toml", &text).unwrap()
    }

    /// Opens everything as the program does.
    fn with<T>(
        &self,
        faults: &dyn Faults,
        now: &Cell<i64>,
        act: impl FnOnce(&World<'_>, &Context<'_>) -> T,
    ) -> T {
        let file = self.file();
        let token = fs::read_to_string(self.folder.join("token")).unwrap();
        let (store, target) = with_surroundings(&[("BAO_TOKEN", token.as_str())], |around| {
            let store = open("main", &file.stores["main"], around).unwrap();
            (store, target::open(&file.targets[0], around).unwrap())
        });
        let stores = [store];
        let targets = [OpenTarget {
            entry: file.targets[0].clone(),
            target: Some(target),
        }];
        let world = World {
            stores: &stores,
            targets: &targets,
            sinks: &[],
            own: &[],
            environments: None,
            shared: None,
            unopened: &[],
            under_way: &[],
        };
        let state = self.folder.join("state");
        let actor = Actor {
            name: "tester".into(),
            source: "a test".into(),
        };
        let context = Context {
            now: &|| now.get(),
            random: &random,
            faults,
            sealer: &self.sealer(&file),
            audit: &Audit::in_state(&state).unwrap(),
            tombstones: &Tombstones::open(&state, &random).unwrap(),
            actor: &actor,
            limits: &file.rotate,
            acknowledged: true,
        };
        act(&world, &context)
    }

    /// Makes the plan of a current leaked value that is accepted.
    pub(crate) fn plan(&self, bed: &Bed) {
        let version = if self.way.is_static() {
            rotate_static::version(bed, &self.name)
        } else {
            "1".to_owned()
        };
        let candidate = Candidate {
            rule: "generic".into(),
            fingerprint: "k1:00000000000000000000000000000000".into(),
            verdict: Verdict {
                store: StoreState::Current,
                provider: ProviderState::Accepted,
                refused_at: None,
                urgency: Urgency::Now,
                place: Some(StorePlace {
                    store: "main".into(),
                    key: self.key(),
                    version: Some(version),
                    field: Some("password".into()),
                    environment: None,
                }),
                by: Some(MatchKind::Exact),
                owner: None,
                readers: None,
                age: None,
                also: Vec::new(),
                more: 0,
                uses: Vec::new(),
            },
        };
        let now = Cell::new(self.now());
        let plan = self.with(&rotate::NoFaults, &now, |world, context| {
            let wishes = Wishes {
                planner: "bob".into(),
                now: now.get(),
                acknowledge_unknown: true,
                ..Wishes::default()
            };
            rotate::plan(&[candidate], context.limits, world, &wishes, &random).unwrap()
        });
        assert_eq!(plan.actions.len(), 1, "{:?}", plan.refused);
        assert_eq!(plan.actions[0].cutover, !self.way.has_grace());
        fs::write(self.folder.join("plan.json"), plan.to_text()).unwrap();
    }

    /// Begins or goes on, until the end; grace passes at once.
    pub(crate) fn run(&self, faults: &dyn Faults) -> Outcome {
        let text = fs::read(self.folder.join("plan.json")).unwrap();
        let plan = Plan::read_unchecked(&text).unwrap();
        let journals = self.folder.join("state").join(JOURNALS);
        let now = Cell::new(self.now());
        for _ in 0..12 {
            let step = |world: &World<'_>, context: &Context<'_>| {
                let done = rotate::resume(None, false, world, context, &journals)?;
                if done.is_empty() {
                    return rotate::apply(&plan, &[], world, context, &journals);
                }
                Ok::<Vec<Rotation>, RotateError>(done)
            };
            let done = self.with(faults, &now, step).unwrap();
            match &done[0].outcome {
                Outcome::InGrace { until } => now.set(*until),
                Outcome::Later { .. } => now.set(now.get() + 400),
                other => return other.clone(),
            }
            self.write_now(now.get());
        }
        panic!("{}: no end", self.name);
    }

    fn command(&self, at: Option<usize>) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([CHILD, "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, &self.folder);
        if let Some(at) = at {
            command.env(AT, at.to_string());
        }
        command
    }

    fn child(&self, at: Option<usize>) -> std::process::Output {
        let output = self.command(at).output().unwrap();
        let told = [output.stdout.as_slice(), &output.stderr].concat();
        fs::write(self.folder.join("told"), told).unwrap();
        output
    }

    /// Returns the places that a process has come by.
    fn trace(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("trace")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Whether the other hand has come in. It does not if a process was killed while the effect before was on its way: then the next
    /// one finds it done, and goes on without coming by.
    fn has_turned(&self) -> bool {
        let turn = self.way.turn();
        turn.is_some_and(|turn| self.trace().iter().any(|place| place == turn))
    }

    /// Returns the text of the journal, empty before it is begun.
    fn journal(&self) -> String {
        let folder = self.folder.join("state").join(JOURNALS);
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        // One that is written anew has another ending until it takes the other's place.
        let files = files.map(|file| file.path());
        let mut files = files.filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
        let text = files.next().map(|path| fs::read_to_string(path).unwrap());
        text.unwrap_or_default()
    }

    /// Returns the credentials that the journal holds sealed; none after its end.
    fn sealed(&self) -> Vec<(String, String)> {
        let text = self.journal();
        let mut last = None;
        // The last line may be torn.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            if let Some(sealed) = record.pointer("/payload/sealed").and_then(Value::as_str) {
                last = Some(sealed.to_owned());
            }
        }
        let Some(sealed) = last else {
            return Vec::new();
        };
        let plain = self.sealer(&self.file()).open(&sealed).unwrap();
        credentials(&plain)
    }
}

/// Reads the packed form of a journal's sealed values: tag, and two texts with their lengths; 1 and 2 are the old user and secret, 3 and 4
/// the new ones.
fn credentials(mut packed: &[u8]) -> Vec<(String, String)> {
    let mut parts = std::collections::BTreeMap::new();
    let take = |bytes: &mut &[u8]| {
        let (length, rest) = bytes.split_at(4);
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        let (text, rest) = rest.split_at(length);
        *bytes = rest;
        String::from_utf8(text.to_vec()).unwrap()
    };
    while let Some((tag, rest)) = packed.split_first() {
        let mut rest = rest;
        take(&mut rest);
        parts.insert(*tag, take(&mut rest));
        packed = rest;
    }
    let pair = |user, secret| Some((parts.get(&user)?.clone(), parts.get(&secret)?.clone()));
    [pair(1, 2), pair(3, 4)].into_iter().flatten().collect()
}

/// Makes a role of PostgreSQL, and its key; returns the password.
fn make(bed: &Bed, name: &str, way: Way) -> String {
    let old = format!("made-up old/+%& {name} {}", bed.salt);
    let group = if way.has_grace() { "in role grp" } else { "" };
    sql(
        bed.port(),
        &format!("create role {name} login password '{old}' {group}"),
    );
    let data = json!({"user": name, "password": old, "note": "untouched"});
    let path = format!("secret/data/crash/{name}");
    bed.bao.root("POST", &path, &json!({ "data": data }));
    old
}

fn policy(name: &str, of_data: &str) -> String {
    format!(
        "path \"secret/data/crash/{name}\" {{ capabilities = [{of_data}] }}\n\
         path \"secret/metadata/crash/{name}\" {{ capabilities = [\"read\", \"update\", \"patch\"] }}\n\
         path \"secret/destroy/crash/{name}\" {{ capabilities = [\"update\"] }}\n\
         path \"secret/delete/crash/{name}\" {{ capabilities = [\"update\"] }}\n\
         path \"secret/config\" {{ capabilities = [\"read\"] }}\n"
    )
}

fn random(bytes: &mut [u8]) -> Result<(), RotateError> {
    getrandom::fill(bytes).map_err(|_| RotateError::Random)
}

fn seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_secs()).unwrap()
}

/// Writes down each place, lets the other hand come in, and ends the process at one of them.
struct Hand<'c> {
    case: &'c Case,
    at: Option<usize>,
    n: Cell<usize>,
    trace: RefCell<fs::File>,
}

impl<'c> Hand<'c> {
    fn new(case: &'c Case, at: Option<usize>) -> Self {
        let mut options = fs::OpenOptions::new();
        let trace = options.create(true).append(true);
        Self {
            case,
            at,
            n: Cell::new(0),
            trace: RefCell::new(trace.open(case.folder.join("trace")).unwrap()),
        }
    }

    /// Lets the store fail where it rotates by itself, once.
    fn fail(&self, point: &str) {
        if self.case.way != Way::StaticUnclear {
            return;
        }
        let about = fs::read(self.case.folder.join("case.json")).unwrap();
        let about: Value = serde_json::from_slice(&about).unwrap();
        let port = u16::try_from(about["port"].as_u64().unwrap()).unwrap();
        let can = match point {
            "after-intent:issue" => false,
            "after-effect:issue" => true,
            _ => return,
        };
        rotate_static::let_it_work(port, &self.case.name, can);
    }

    fn turn(&self) {
        let about = fs::read(self.case.folder.join("case.json")).unwrap();
        let about: Value = serde_json::from_slice(&about).unwrap();
        let name = &self.case.name;
        if self.case.way == Way::BlueGreenBack {
            let port = u16::try_from(about["port"].as_u64().unwrap()).unwrap();
            sql(port, &format!("alter role {name}_ks2 nologin"));
        } else {
            let address = about["address"].as_str().unwrap();
            let policy = json!({"policy": policy(name, "\"read\"")}).to_string();
            ureq::post(format!("{address}/v1/sys/policies/acl/{name}"))
                .header("x-vault-token", crate::servers::Bao::ROOT)
                .send(policy)
                .unwrap();
        }
    }
}

impl Faults for Hand<'_> {
    fn at(&self, point: Point) -> Result<(), Crash> {
        writeln!(self.trace.borrow_mut(), "{point}").unwrap();
        if self.case.way.turn() == Some(point.to_string().as_str()) {
            self.turn();
        }
        self.fail(&point.to_string());
        if self.at == Some(self.n.get()) {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
            // The signal is on its way.
            std::thread::sleep(Duration::from_secs(60));
        }
        self.n.set(self.n.get() + 1);
        Ok(())
    }
}

#[test]
#[ignore = "run by another test of this file, in a process that ends itself"]
fn a_rotation_in_a_process_of_its_own() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let at = std::env::var(AT).ok().map(|at| at.parse().unwrap());
    let case = Case::read(Path::new(&folder));
    let outcome = case.run(&Hand::new(&case, at));
    assert!(at.is_none(), "{at:?} is no place of it: {outcome:?}");
}

/// What must hold at every moment (docs/rotate.md): somebody gets in, nothing live is unknown.
fn check(bed: &Bed, case: &Case, at: &str) {
    let about = format!("{} {:?} at {at}", case.name, case.way);
    let current = case.current(bed);
    let mut known = case.versions(bed);
    known.extend(case.sealed());
    let lets_in = |(user, secret): &(String, String)| login(bed.port(), user, secret).is_some();
    if case.way == Way::BlueGreenBack && case.has_turned() {
        // The other hand has locked the new one; the old one is what must not be lost.
        assert!(lets_in(&(case.name.clone(), case.old.clone())), "{about}");
    } else if case.way.has_grace() {
        assert!(lets_in(&current), "{about}: readers are locked out");
    } else {
        assert!(known.iter().any(lets_in), "{about}: the new one is lost");
    }
    for role in bed.roles(&case.name) {
        let by = known.iter().filter(|(user, _)| *user == role);
        assert!(
            by.clone().any(lets_in),
            "{about}: {role} may log in, and nobody knows how"
        );
    }
}

/// What must hold in the end.
fn check_end(bed: &Bed, case: &Case, outcome: &Outcome, session: &Session, at: &str) {
    let about = format!("{} {:?} at {at}: {outcome:?}", case.name, case.way);
    let (user, secret) = case.current(bed);
    let old = login(bed.port(), &case.name, &case.old);
    match outcome {
        Outcome::Done => {
            assert!(!case.has_turned(), "{about}");
            assert_ne!(secret, case.old, "{about}");
            assert!(login(bed.port(), &user, &secret).is_some(), "{about}");
            assert!(old.is_none(), "{about}: the old one is accepted");
            assert!(!session.is_open(), "{about}: the old session goes on");
            assert_eq!(bed.roles(&case.name), BTreeSet::from([user]), "{about}");
            if !case.way.is_static() {
                let states = bed.version_states(&case.name);
                assert_eq!(states, ["destroyed", "there"], "{about}");
            }
            let stones = case.folder.join("state");
            let stones = Tombstones::open(&stones, &random).unwrap().all().unwrap();
            assert_eq!(stones.len(), 1, "{about}");
        }
        Outcome::RolledBack { why } => {
            assert!(case.has_turned() && !why.is_empty(), "{about}");
            assert_eq!(
                (user.as_str(), &secret),
                (case.name.as_str(), &case.old),
                "{about}"
            );
            assert!(old.is_some(), "{about}: the old one is not accepted");
            assert!(session.is_open(), "{about}: a session was ended");
            assert_eq!(bed.roles(&case.name), BTreeSet::from([user]), "{about}");
        }
        other => panic!("{about}: {other:?} is no end"),
    }
    if !case.way.is_static() {
        assert_eq!(bed.note(&case.name), "untouched", "{about}");
    }
    // The journal tells the whole of it, and holds no value any more, not even sealed.
    let journal = case.journal();
    assert!(journal.lines().count() > 5, "{about}: {journal}");
    assert!(!journal.contains("\"sealed\""), "{about}: {journal}");
    let told = case.folder.join("state").join(JOURNALS);
    let told = rotate::status(&told, Some(&case.sealer(&case.file()))).unwrap();
    assert!(
        told.iter().all(rotate::Listed::is_ended),
        "{about}: {told:?}"
    );
    let audit = case.folder.join("state").join(Audit::FILE);
    assert!(rotate::verify_audit(&audit).unwrap().records > 3, "{about}");
}

/// Asserts that nothing that is left behind tells a value in any form.
fn check_left(bed: &Bed, case: &Case, outcome: &Outcome) {
    let values = [case.old.clone(), case.current(bed).1];
    fs::write(case.folder.join("outcome"), format!("{outcome:?}")).unwrap();
    let mut folders = vec![case.folder.join("state")];
    let mut left = ["plan.json", "told", "outcome"]
        .map(|name| case.folder.join(name))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let list = if path.is_dir() {
                &mut folders
            } else {
                &mut left
            };
            list.push(path);
        }
    }
    assert!(left.len() > 3, "{left:?}");
    for file in left {
        let bytes = fs::read(&file).unwrap();
        for form in values.iter().flat_map(|value| forms(value)) {
            let found = memchr::memmem::find(&bytes, form.as_bytes());
            assert!(found.is_none(), "{} tells {form}", file.display());
        }
    }
}

/// A rotation that has not begun, with a session of the old credential.
fn planned(bed: &Bed, way: Way) -> (Case, Session) {
    let case = Case::new(bed, &format!("c{}", bed.next()), way, 15);
    case.plan(bed);
    let session = Session::open(bed.port(), &case.name, &case.old);
    (case, session)
}

/// Looks, goes on, and looks again.
fn go_on(bed: &Bed, case: &Case, session: &Session, at: &str) {
    check(bed, case, at);
    let outcome = case.run(&Hand::new(case, None));
    check(bed, case, at);
    check_end(bed, case, &outcome, session, at);
    check_left(bed, case, &outcome);
}

/// Rotates with a process that ends itself at the `at`-th place, and goes on.
fn crash(bed: &Bed, way: Way, at: usize, place: &str) {
    let (case, session) = planned(bed, way);
    let output = case.child(Some(at));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.signal(), Some(9), "{way:?} {place}: {told}");
    assert_eq!(
        case.trace().last().map(String::as_str),
        Some(place),
        "{way:?}"
    );
    go_on(bed, &case, &session, place);
}

/// Waits until the servers have done what they were asked at the last moment. OpenBao's engine tells PostgreSQL first and writes down
/// its own after that: in between nobody can read what is accepted, whoever was killed.
fn settle(bed: &Bed, case: &Case) {
    std::thread::sleep(Duration::from_millis(200));
    let until = Instant::now() + Duration::from_secs(20);
    let is_known = || {
        let known = case.versions(bed).into_iter().chain(case.sealed());
        known
            .into_iter()
            .any(|(user, secret)| login(bed.port(), &user, &secret).is_some())
    };
    while case.way.is_static() && !is_known() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Rotates with a process that is killed after this time, wherever it is: in the middle of a request, too.
fn crash_after(bed: &Bed, way: Way, time: Duration) {
    let (case, session) = planned(bed, way);
    let told = fs::File::create(case.folder.join("told")).unwrap();
    let mut child = case.command(None).stdout(told).spawn().unwrap();
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
    settle(bed, &case);
    let at = case.trace().last().cloned().unwrap_or_default();
    if way.turn() == Some(at.as_str()) {
        // The other hand may have been stopped, too.
        Hand::new(&case, None).turn();
    }
    go_on(bed, &case, &session, &format!("{time:?} after {at}"));
}

/// Rotates once without an accident; returns the places, and how long it took.
fn record(bed: &Bed, way: Way) -> (Vec<String>, Duration) {
    let (case, session) = planned(bed, way);
    let start = Instant::now();
    let output = case.child(None);
    let took = start.elapsed();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{way:?}: {told}");
    let places = case.trace();
    // It has ended: going on does nothing more, and says the same again.
    go_on(bed, &case, &session, "the end");
    assert_eq!(case.trace(), places, "{way:?}");
    (places, took)
}

/// Does things with several threads.
fn each<T: Sync>(all: &[T], act: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
                    act(one);
                }
            });
        }
    });
}

/// Kills rotations at each place of these ways, and at some time; returns the names of the places.
fn killed(bed: &Bed, ways: &[Way]) -> BTreeSet<String> {
    let (mut all, mut times) = (Vec::new(), Vec::new());
    for way in ways {
        let (places, took) = record(bed, *way);
        // What comes before is the same as on another way.
        let first = way.differs().map_or(0, |place| {
            let found = places.iter().position(|one| one == place);
            found.expect("it comes by there")
        });
        all.extend((first..places.len()).map(|at| (*way, at, places[at].clone())));
        times.extend((1..=10).map(|n| (*way, took * n / 11)));
    }
    each(&all, |(way, at, place)| crash(bed, *way, *at, place));
    each(&times, |(way, time)| crash_after(bed, *way, *time));
    let distinct: BTreeSet<String> = all.iter().map(|(_, _, place)| place.clone()).collect();
    eprintln!(
        "{} rotations killed at {} places, {} at some time",
        all.len(),
        distinct.len(),
        times.len()
    );
    distinct
}

#[test]
fn a_rotation_that_is_killed_anywhere_ends_and_loses_nothing() {
    let bed = Bed::start();
    let places = killed(&bed, &WAYS);
    assert!(places.len() >= 30, "{places:?}");
    assert!(places.contains("within-forget"), "{places:?}");
    bed.servers_tell_nothing();
}

#[test]
fn a_rotation_by_the_store_itself_that_is_killed_anywhere_ends_and_loses_nothing() {
    let bed = Bed::start();
    rotate_static::mount(&bed);
    let places = killed(&bed, &STATIC_WAYS);
    assert!(places.len() >= 30, "{places:?}");
    let fails = |case: &Case| {
        let looked = std::panic::AssertUnwindSafe(|| check(&bed, case, "a broken state"));
        std::panic::catch_unwind(looked).is_err()
    };
    let (case, _session) = planned(&bed, Way::Static);
    assert!(!fails(&case), "it has not begun");
    let name = &case.name;
    sql(bed.port(), &format!("alter role {name} password 'made-up'"));
    assert!(fails(&case), "a password that nobody knows");
}

#[test]
fn the_invariants_see_what_they_are_for() {
    let bed = Bed::start();
    let fails = |case: &Case| {
        let looked = std::panic::AssertUnwindSafe(|| check(&bed, case, "a broken state"));
        std::panic::catch_unwind(looked).is_err()
    };
    for way in [Way::BlueGreen, Way::Cutover] {
        let (case, _session) = planned(&bed, way);
        assert!(!fails(&case), "{way:?}: it has not begun");
        let name = &case.name;
        sql(
            bed.port(),
            &format!("create role {name}_ks2 login password 'made-up'"),
        );
        assert!(fails(&case), "{way:?}: a role that nobody knows");
        sql(bed.port(), &format!("drop role {name}_ks2"));
        sql(bed.port(), &format!("alter role {name} password 'made-up'"));
        assert!(fails(&case), "{way:?}: a password that nobody knows");
    }
}
