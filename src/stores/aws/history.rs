//! The versions of parameters, and their values for a moment: all come with one answer, and are asked for one by one.
//!
//! Promises: at most [`KEPT`] parameters are kept, and no longer than [`KEPT_FOR`]; they are wiped.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use aws_sdk_ssm::types::ParameterHistory;
use zeroize::Zeroizing;

use super::{
    super::{
        Field, KeyInfo, KeyPath, StoreError, VersionId, VersionInfo, VersionState, http::Effect,
    },
    ssm::ParameterStore,
};

/// So long they are kept: a parameter that is deleted and made anew counts from 1 again.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// Parameters whose values are kept for the next version that is asked for: more than threads that read at once.
const KEPT: usize = 16;
/// Most versions of one page ("GetParameterHistory": MaxResults).
const VERSIONS: i32 = 50;
/// The values of a parameter, for a moment; wiped when dropped.
pub(super) struct Kept {
    key: KeyPath,
    since: Instant,
    values: BTreeMap<i64, Zeroizing<String>>,
}

impl ParameterStore {
    /// Asks for all versions, newest first.
    pub(super) fn history(
        &self,
        key: &KeyPath,
        decrypt: bool,
    ) -> Result<Vec<ParameterHistory>, StoreError> {
        let what = if decrypt {
            format!("read {key}")
        } else {
            format!("describe {key}")
        };
        let mut all = Vec::new();
        let mut next = None;
        loop {
            let call = self
                .client
                .get_parameter_history()
                .name(key.as_str())
                .with_decryption(decrypt)
                .max_results(VERSIONS)
                .set_next_token(next);
            let answer = self
                .session
                .run(call.send())
                .map_err(|error| self.session.fault(&error, &what, Effect::Read))?;
            all.extend(answer.parameters.unwrap_or_default());
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        all.sort_by_key(|version| std::cmp::Reverse(version.version));
        if all.is_empty() {
            return Err(self.session.garbled(&what));
        }
        Ok(all)
    }

    /// Lends one version from those that are kept.
    pub(super) fn lend_kept(
        &self,
        key: &KeyPath,
        number: i64,
        sink: &mut dyn FnMut(Field<'_>),
    ) -> bool {
        let Ok(mut kept) = self.kept.lock() else {
            return false;
        };
        kept.retain(|kept| kept.since.elapsed() < KEPT_FOR);
        let found = kept.iter().find(|kept| kept.key == *key);
        let Some(value) = found.and_then(|kept| kept.values.get(&number)) else {
            return false;
        };
        // The sink does not come back to us; others wait for as long as one comparison takes.
        let value = value.clone();
        drop(kept);
        lend(&value, sink);
        true
    }

    pub(super) fn keep(&self, key: &KeyPath, values: BTreeMap<i64, Zeroizing<String>>) {
        let Ok(mut kept) = self.kept.lock() else {
            return;
        };
        kept.retain(|kept| kept.key != *key);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(Kept {
            key: key.clone(),
            since: Instant::now(),
            values,
        });
    }

    pub(super) fn forget(&self, key: &KeyPath) {
        if let Ok(mut kept) = self.kept.lock() {
            kept.retain(|kept| kept.key != *key);
        }
    }
}

pub(super) fn lend(value: &str, sink: &mut dyn FnMut(Field<'_>)) {
    sink(Field {
        name: "",
        bytes: value.as_bytes(),
    });
}

/// Returns the service that Chamber's `/service/key` names.
pub(super) fn service(key: &str) -> Option<String> {
    let (service, name) = key.strip_prefix('/')?.rsplit_once('/')?;
    (!service.is_empty() && !name.is_empty()).then(|| service.to_owned())
}

pub(super) fn info(versions: &[ParameterHistory]) -> KeyInfo {
    let newest = versions.first();
    let oldest = versions.last().map_or(1, |version| version.version);
    KeyInfo {
        trimmed: oldest > 1,
        changed: newest.and_then(|version| version.last_modified_date.map(|time| time.secs())),
        versions: versions
            .iter()
            .enumerate()
            .map(|(at, version)| VersionInfo {
                id: VersionId::new(version.version.to_string()),
                state: if at == 0 {
                    VersionState::Current
                } else {
                    VersionState::Previous
                },
                created: version.last_modified_date.map(|time| time.secs()),
            })
            .collect(),
        ..KeyInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_of_chamber_is_all_but_the_last_part() {
        assert_eq!(
            service("/app-prod/db_password").as_deref(),
            Some("app-prod")
        );
        assert_eq!(service("/team/app/key").as_deref(), Some("team/app"));
        for none in ["app/key", "/key", "key", "/", "//key", "/app/"] {
            assert_eq!(service(none), None, "{none}");
        }
    }

    #[test]
    fn the_newest_version_is_current_and_lost_ones_are_told() {
        let version = |number| ParameterHistory::builder().version(number).build();
        let found = info(&[version(7), version(6), version(3)]);
        let states: Vec<_> = found.versions.iter().map(|v| v.state).collect();
        let previous = VersionState::Previous;
        assert_eq!(states, [VersionState::Current, previous, previous]);
        assert!(found.trimmed);
        assert!(!info(&[version(1)]).trimmed);
    }
}
