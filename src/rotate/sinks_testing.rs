//! Sinks in memory for the bench of `testing`, and what must hold of copies in every moment.

use std::sync::{Arc, Mutex};

use super::{
    OpenSink, Outcome,
    testing::{Bench, KEY, OLD, Script, Way, fault, scripted},
};
use crate::{
    config::sinks::{HookSettings, SinkEntry, SinkKind},
    model::Secret,
    stores::{
        Fault, StoreError,
        sink::{Arrival, Marker, Sink, SinkInfo, SinkTraits},
    },
};

#[derive(Default)]
struct Copy {
    value: Vec<u8>,
    /// The token of the last `put` that worked.
    token: String,
    puts: Vec<(String, Vec<u8>)>,
    scripts: Vec<Script>,
}

/// A place with a copy.
pub(super) struct FakeSink {
    data: Mutex<Copy>,
    name: String,
    /// Whether it tells what it has.
    tells: bool,
    traits: SinkTraits,
}

impl FakeSink {
    fn call<T>(
        &self,
        call: &'static str,
        act: impl FnOnce(&mut Copy) -> T,
    ) -> Result<T, StoreError> {
        let mut data = self.data.lock().unwrap();
        let script = scripted(&mut data.scripts, call);
        if let Some((why, false)) = &script {
            return Err(fault("sink", why.clone(), call));
        }
        let result = act(&mut data);
        match script {
            Some((why, _)) => Err(fault("sink", why, call)),
            None => Ok(result),
        }
    }

    pub(super) fn value(&self) -> Vec<u8> {
        self.data.lock().unwrap().value.clone()
    }

    pub(super) fn puts(&self) -> Vec<(String, Vec<u8>)> {
        self.data.lock().unwrap().puts.clone()
    }

    pub(super) fn script(&self, call: &'static str, fault: Fault, works: bool, times: u32) {
        let script = Script {
            call,
            fault,
            works,
            times,
        };
        self.data.lock().unwrap().scripts.push(script);
    }
}

impl Sink for Arc<FakeSink> {
    fn address(&self) -> String {
        format!("fake:{}", self.name)
    }

    fn traits(&self) -> SinkTraits {
        self.traits
    }

    fn describe(&self) -> Result<SinkInfo, StoreError> {
        self.call("describe", |_| SinkInfo::default())
    }

    fn put(&self, value: &Secret, token: &str) -> Result<Option<Marker>, StoreError> {
        self.call("put", |data| {
            assert!(token.len() == 36, "a name of a request");
            let value = value.expose().to_vec();
            data.puts.push((token.to_owned(), value.clone()));
            data.value = value;
            data.token = token.to_owned();
            Some(format!("marker-{}", data.puts.len()))
        })
    }

    fn confirm(&self, value: &Secret, token: &str) -> Result<Arrival, StoreError> {
        self.call("confirm", |data| {
            if !self.tells {
                Arrival::Untold
            } else if data.token == token && data.value == value.expose() {
                Arrival::There
            } else {
                Arrival::Missing
            }
        })
    }
}

impl Bench {
    /// Returns a bench with two copies of the password: one that tells what it has and takes all or nothing, and one that does neither.
    pub(super) fn with_two(way: Way, pending: bool) -> Self {
        let mut bench = Self::new(way, pending);
        bench.add_sink(
            "first",
            Some("password"),
            true,
            SinkTraits {
                marks: true,
                atomic: true,
                ..SinkTraits::default()
            },
        );
        bench.add_sink("second", Some("password"), false, SinkTraits::default());
        bench.plan_sinks();
        bench
    }

    /// Adds a sink to the world, not to the plan.
    pub(super) fn add_sink(
        &mut self,
        name: &str,
        field: Option<&str>,
        tells: bool,
        traits: SinkTraits,
    ) -> Arc<FakeSink> {
        let sink = Arc::new(FakeSink {
            data: Mutex::new(Copy {
                value: OLD.to_vec(),
                ..Copy::default()
            }),
            name: name.to_owned(),
            tells,
            traits,
        });
        self.copies.push(Arc::clone(&sink));
        self.sinks.push(OpenSink {
            entry: SinkEntry {
                store: "fake".into(),
                key: KEY.into(),
                field: field.map(str::to_owned),
                environment: None,
                kind: SinkKind::Command(HookSettings {
                    without_value: traits.told_only,
                    ..HookSettings::default()
                }),
            },
            sink: Box::new(Arc::clone(&sink)),
        });
        sink
    }

    /// Writes all sinks into the plan.
    pub(super) fn plan_sinks(&mut self) {
        let addresses = self.sinks.iter().map(|open| open.sink.address());
        self.plan.actions[0].sinks = addresses.collect();
    }

    /// Whoever has a copy is let in, as long as there is a time of grace.
    pub(super) fn check_copies(&self) {
        if !matches!(self.way, Way::Grace | Way::MakesValue) {
            return;
        }
        let accepted = self.target.accepted();
        for copy in self.passwords() {
            assert!(
                accepted.contains(&copy.value()),
                "{:?}: readers of {} are locked out",
                self.way,
                copy.name
            );
        }
    }

    pub(super) fn check_copies_at_end(&self, outcome: &Outcome) {
        let current = self.store.current().get("password").unwrap().clone();
        for copy in self.passwords() {
            match outcome {
                Outcome::Done => assert_eq!(copy.value(), current, "{:?}", self.way),
                Outcome::RolledBack { .. } => assert_eq!(copy.value(), OLD, "{:?}", self.way),
                _ => {}
            }
        }
    }

    fn passwords(&self) -> impl Iterator<Item = &Arc<FakeSink>> {
        let pairs = self.copies.iter().zip(&self.sinks);
        let of_password = pairs.filter(|(copy, open)| {
            open.entry.field.as_deref() == Some("password") && !copy.traits.told_only
        });
        of_password.map(|(copy, _)| copy)
    }
}
