//! Sinks that a program of the user's reaches, and hooks; docs/stores-command.md is the protocol.
//!
//! Promises: those of `stores::program`; a hook (`without-value`) is told where the value stands and never gets one.

use super::{Arrival, Marker, Sink, SinkInfo, SinkTraits};
use crate::{
    config::sinks::{HookSettings, SinkEntry},
    model::Secret,
    stores::{
        Fault, StoreError, Surroundings,
        http::Effect,
        json::Json,
        program::{Part, Program},
    },
};

/// A sink behind a program.
pub(super) struct CommandSink {
    program: Program,
    label: String,
    /// Store, key and field.
    place: [String; 3],
    told_only: bool,
}

impl CommandSink {
    /// Takes the settings; runs nothing.
    pub(super) fn open(
        entry: &SinkEntry,
        settings: &HookSettings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, StoreError> {
        let label = format!("command:{}", settings.program.join(" "));
        Ok(Self {
            program: Program::new(&label, &settings.command(), surroundings)?,
            place: [
                entry.store.clone(),
                entry.key.clone(),
                entry.field.clone().unwrap_or_default(),
            ],
            told_only: settings.without_value,
            label,
        })
    }

    fn ask<T>(
        &self,
        op: &str,
        effect: Effect,
        value: Option<&Secret>,
        token: Option<&str>,
        take: impl FnOnce(Json<'_>) -> Option<T>,
    ) -> Result<T, StoreError> {
        let [store, key, field] = &self.place;
        let mut parts = vec![
            ("store", Part::Text(store)),
            ("key", Part::Text(key)),
            ("field", Part::Text(field)),
        ];
        parts.extend(token.map(|token| ("token", Part::Text(token))));
        // Exposed to be written to the program's standard input.
        let value = value.filter(|_| !self.told_only);
        parts.extend(value.map(|value| ("new", Part::Value(value.expose()))));
        self.program.ask(("sink", op), effect, &mut parts, take)
    }
}

/// Accepts any object, and takes its marker if it has one.
fn marker(ok: Json<'_>) -> Option<Option<Marker>> {
    ok.text().starts_with('{').then_some(())?;
    match ok.member("marker").filter(|marker| !marker.is_null()) {
        Some(marker) => Some(Some(marker.name()?)),
        None => Some(None),
    }
}

impl Sink for CommandSink {
    fn address(&self) -> String {
        self.label.clone()
    }

    fn traits(&self) -> SinkTraits {
        SinkTraits {
            marks: true,
            // The protocol: an error says that nothing was done.
            atomic: true,
            leaves_old: false,
            told_only: self.told_only,
        }
    }

    fn describe(&self) -> Result<SinkInfo, StoreError> {
        let marker = self.ask("check", Effect::Read, None, None, marker)?;
        Ok(SinkInfo { marker })
    }

    fn put(&self, value: &Secret, token: &str) -> Result<Option<Marker>, StoreError> {
        self.ask("put", Effect::Write, Some(value), Some(token), marker)
    }

    fn confirm(&self, value: &Secret, token: &str) -> Result<Arrival, StoreError> {
        let asked = self.ask(
            "confirm",
            Effect::Read,
            Some(value),
            Some(token),
            |ok| match &*ok.member("state")?.string()? {
                "there" => Some(Arrival::There),
                "missing" => Some(Arrival::Missing),
                "under-way" => Some(Arrival::UnderWay("the program is at it".to_owned())),
                "unknown" => Some(Arrival::Untold),
                _ => None,
            },
        );
        match asked {
            Err(error) if error.fault == Fault::Unsupported => Ok(Arrival::Untold),
            asked => asked,
        }
    }
}
