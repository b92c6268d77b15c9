//! Who we are to Google: application default credentials, all by Google's own library.

use std::fs;

use google_cloud_auth::credentials::{
    Builder, Credentials, external_account, external_account_authorized_user, impersonated,
    service_account, user_account,
};

use crate::stores::{Fault, StoreError, Surroundings};

/// Returns credentials: those of the file that `GOOGLE_APPLICATION_CREDENTIALS` names, else what the library finds by itself (gcloud's login,
/// the machine's own account). To be called inside a runtime, for credentials renew themselves.
///
/// # Errors
/// [`Fault::Setup`] for a file that cannot be used.
pub(super) fn credentials(
    store: &str,
    surroundings: &Surroundings<'_>,
) -> Result<Credentials, StoreError> {
    // The library would look at the process's own environment; ours is the one that the caller passes.
    let Some(path) = (surroundings.variable)("GOOGLE_APPLICATION_CREDENTIALS") else {
        return Builder::default()
            .build()
            .map_err(|_| unusable(store, "they cannot be loaded"));
    };
    let text = fs::read(&path).map_err(|error| {
        let shown = path.display();
        unusable(store, &format!("{shown} cannot be read: {}", error.kind()))
    })?;
    let json: serde_json::Value = serde_json::from_slice(&text).map_err(|_| {
        unusable(
            store,
            "GOOGLE_APPLICATION_CREDENTIALS names a file without JSON",
        )
    })?;
    let kind = json.get("type").and_then(serde_json::Value::as_str);
    let built = match kind.unwrap_or_default() {
        "authorized_user" => user_account::Builder::new(json).build(),
        "service_account" => service_account::Builder::new(json).build(),
        "external_account" => external_account::Builder::new(json).build(),
        "external_account_authorized_user" => {
            external_account_authorized_user::Builder::new(json).build()
        }
        "impersonated_service_account" => impersonated::Builder::new(json).build(),
        _ => {
            return Err(unusable(
                store,
                "GOOGLE_APPLICATION_CREDENTIALS names a file of a `type` that is not known",
            ));
        }
    };
    built.map_err(|_| {
        unusable(
            store,
            "something is missing in the file that GOOGLE_APPLICATION_CREDENTIALS names",
        )
    })
}

fn unusable(store: &str, why: &str) -> StoreError {
    StoreError::new(
        store,
        Fault::Setup,
        format!("there are no credentials for Google: {why}"),
        "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a file of credentials",
    )
}
