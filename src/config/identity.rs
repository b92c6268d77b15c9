//! Which key the identities of a project are under.

use crate::model::DigestKey;

use super::{
    Config, ConfigError,
    suppress::{Baseline, BaselineKey},
};

/// Returns the project's key: that of the configuration, of the baseline, or `outside` (`KEYSWEEP_KEY`). `None` if there is
/// none and nothing needs one: the run then takes a random key.
///
/// # Errors
/// [`ConfigError::KeysDiffer`] if two of them are not the same, [`ConfigError::NoKey`] if there is none and the baseline or
/// the values of an allow entry are keyed.
pub fn project_key(
    config: &Config,
    baseline: Option<&Baseline>,
    outside: Option<&DigestKey>,
) -> Result<Option<DigestKey>, ConfigError> {
    let embedded = baseline.and_then(|baseline| match &baseline.key {
        BaselineKey::Embedded(key) => Some(key),
        BaselineKey::External => None,
    });
    let mut found: Option<(&'static str, &DigestKey)> = None;
    for (place, key) in [
        ("the configuration", config.key.as_ref()),
        ("the baseline", embedded),
        ("KEYSWEEP_KEY", outside),
    ] {
        match (found, key) {
            (Some((other, first)), Some(key)) if first.to_hex() != key.to_hex() => {
                return Err(ConfigError::KeysDiffer {
                    one: other,
                    other: place,
                });
            }
            (None, Some(key)) => found = Some((place, key)),
            _ => {}
        }
    }
    if found.is_none() {
        if baseline.is_some() {
            return Err(ConfigError::NoKey {
                what: "the baseline",
            });
        }
        if config.allow.iter().any(|allow| !allow.values.is_empty()) {
            return Err(ConfigError::NoKey {
                what: "`values` of an allow entry",
            });
        }
    }
    Ok(found.map(|(_, key)| key.clone()))
}
