//! `keysweep verify --trace`: what the audit logs of Vault stores say of each finding's value, without the right to read a secret.
//!
//! Promises: values that could be guessed are not asked for; the server gets values to hash and tells no secret; without a log to look into the run
//! ends with an error, before anything is reported.

use crate::{
    config::stores::{StoreKind, StoresFile},
    model::{Kind, Secret, StoreState, Urgency, Uses},
    scan::Report,
    stores::vault::{Trace, Vault},
    verify::bits,
};

use super::{error::CliError, stores as opening};

/// Gives each verdict what the audit logs of the `wanted` stores (all, if none is named) say of its value.
pub(super) fn add(
    report: &mut Report,
    file: &StoresFile,
    wanted: &[String],
) -> Result<(), CliError> {
    let is_wanted = |name: &String| wanted.is_empty() || wanted.contains(name);
    let least = u32::from(file.verify.min_bits);
    let values: Vec<(usize, Secret)> = report
        .findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| finding.kind == Kind::Secret && finding.verdict.is_some())
        // Exposed to be judged: guesses are not looked for.
        .filter(|(_, finding)| bits::estimate(finding.secret.expose()) >= least)
        .map(|(n, finding)| (n, finding.secret.clone()))
        .collect();
    let (places, values): (Vec<usize>, Vec<Secret>) = values.into_iter().unzip();
    let mut asked = false;
    for (name, entry) in file.stores.iter().filter(|(name, _)| is_wanted(name)) {
        let StoreKind::Vault(settings) = &entry.kind else {
            continue;
        };
        let Some(log) = settings.audit_file.as_deref() else {
            continue;
        };
        asked = true;
        let vault = Vault::open(name, entry, settings, &opening::surroundings())?;
        let traces = vault.trace(&values, log)?;
        for (place, trace) in places.iter().zip(traces) {
            let finding = report.findings.get_mut(*place);
            let Some((finding, mut verdict)) = finding.and_then(|finding| {
                let verdict = finding.verdict.clone()?;
                Some((finding, verdict))
            }) else {
                continue;
            };
            let is_used = trace.uses > 0;
            verdict.uses.push(uses(name, trace));
            // The store was not read whole, and knows the value all the same.
            let is_open = matches!(
                verdict.store,
                StoreState::NotFound {
                    complete: false,
                    ..
                }
            );
            if is_used && is_open {
                verdict.urgency = verdict.urgency.max(Urgency::Soon);
            }
            finding.judge(verdict);
        }
    }
    if asked {
        Ok(())
    } else {
        Err(CliError::NoAuditLog)
    }
}

fn uses(store: &str, trace: Trace) -> Uses {
    let paths = trace.places.into_iter();
    Uses {
        store: store.to_owned(),
        compared: trace.compared,
        requests: trace.uses,
        first: trace.first,
        last: trace.last,
        paths: paths
            .map(|((operation, path), n)| (format!("{operation} {path}"), n))
            .collect(),
        principals: trace.principals,
        addresses: trace.addresses,
        more: trace.more,
        log_from: trace.log.from,
        log_entries: trace.log.entries,
        log_unread: trace.log.unread,
    }
}
