//! Who we are to Azure, all by Microsoft's own library.

use std::{path::PathBuf, sync::Arc, time::Duration};

use azure_core::{
    Error, Result,
    credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions},
    error::ErrorKind,
    http::{ClientOptions, RetryOptions},
};
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::transport::to_login;
use crate::stores::{Fault, StoreError, Surroundings, http::CONNECT};

/// So long a machine's own identity may take to answer a connection: on other machines nobody is there.
const NEAR: Duration = Duration::from_secs(2);

/// The first of several that gives a token.
#[derive(Debug)]
struct Chain(Vec<Arc<dyn TokenCredential>>);

#[async_trait::async_trait]
impl TokenCredential for Chain {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> Result<AccessToken> {
        for one in &self.0 {
            if let Ok(token) = one.get_token(scopes, options.clone()).await {
                return Ok(token);
            }
        }
        Err(Error::with_message(
            ErrorKind::Credential,
            "nothing gives a token",
        ))
    }
}

/// Returns credentials: a service principal's secret or federated token if the environment names one, a hosted service's own identity if it has
/// one, else the login of `az` or `azd`, else the virtual machine's own identity.
///
/// # Errors
/// [`Fault::Setup`] for variables that do not fit each other.
pub(super) fn credentials(
    store: &str,
    surroundings: &Surroundings<'_>,
) -> std::result::Result<Arc<dyn TokenCredential>, StoreError> {
    let text = |name: &str| surroundings.text(&[name]);
    let options = ClientOptions {
        transport: Some(to_login(store, CONNECT)?),
        ..ClientOptions::default()
    };
    let wrong = |_| {
        StoreError::new(
            store,
            Fault::Setup,
            "there are no credentials for Azure: the variables do not fit each other",
            "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or AZURE_FEDERATED_TOKEN_FILE), or run `az login`",
        )
    };
    let (tenant, client) = (text("AZURE_TENANT_ID"), text("AZURE_CLIENT_ID"));
    if let Some(secret) = text("AZURE_CLIENT_SECRET") {
        let credential = ClientSecretCredential::new(
            &tenant.unwrap_or_default(),
            client.unwrap_or_default(),
            Secret::new(secret),
            Some(ClientSecretCredentialOptions {
                client_options: options,
            }),
        );
        return Ok(credential.map_err(wrong)?);
    }
    if let Some(file) = (surroundings.variable)("AZURE_FEDERATED_TOKEN_FILE") {
        let credential = WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions {
                client_options: options,
            },
            client_id: client,
            tenant_id: tenant,
            token_file_path: Some(PathBuf::from(file)),
        }));
        return Ok(credential.map_err(wrong)?);
    }
    let managed = ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
        user_assigned_id: client.map(UserAssignedId::ClientId),
        client_options: ClientOptions {
            transport: Some(to_login(store, NEAR)?),
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        },
    }))
    .map_err(wrong)?;
    if text("IDENTITY_ENDPOINT").is_some() {
        return Ok(managed);
    }
    let developer = DeveloperToolsCredential::new(None).map_err(wrong)?;
    Ok(Arc::new(Chain(vec![developer, managed])))
}
