//! Where the cluster is and who we are to it: the `kube` crate reads kubeconfigs, runs exec plugins and knows the pod's own account, as kubectl does.
//!
//! Promises: TLS is always checked, plain http is for loopback only; a proxy is used only if the user names one; the library's variables for
//! debugging have no effect, nor have its retries (they would repeat writes); nothing of a kubeconfig gets into an error.

use std::path::PathBuf;

use kube::{
    Config,
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use tokio::runtime::Builder;
use ureq::http::Uri;

use super::{
    super::{
        Fault, StoreError, Surroundings,
        connection::{check_address, proxy},
        credential::at_home,
        http::CONNECT,
    },
    wire::Wire,
};
use crate::config::stores::KubernetesSettings;

/// Finds the cluster. Nothing is sent, but an exec plugin of the kubeconfig may be run.
pub(super) fn open(
    name: &str,
    settings: &KubernetesSettings,
    surroundings: &Surroundings<'_>,
) -> Result<Wire, StoreError> {
    let setup = |what: &str, help: &str| StoreError::new(name, Fault::Setup, what, help);
    // The requests of one thread drive those of all: no threads of our own.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_| {
            setup(
                "the system gives no means to wait for connections",
                "raise the limit of open files: ulimit -n 1024",
            )
        })?;
    let file = settings
        .kubeconfig
        .as_deref()
        .map(|file| at_home(file, surroundings.home.as_deref()));
    let mut config = runtime
        .block_on(find(file.clone(), settings.context.clone()))
        .map_err(|error| unfound(name, &error))?;
    let address = config.cluster_url.to_string();
    check_address(name, &address)?;
    if config.accept_invalid_certs {
        return Err(setup(
            "the kubeconfig says `insecure-skip-tls-verify`: whoever is in between would get the values",
            "put the cluster's CA into the kubeconfig (certificate-authority) and remove the line",
        ));
    }
    let direct = is_direct(name, &config.cluster_url, surroundings)?;
    if direct {
        config.proxy_url = None;
    }
    config.connect_timeout = Some(CONNECT);
    // Its retries would repeat writes, too.
    config.default_retry = false;
    let client = {
        let _inside = runtime.enter();
        ClientBuilder::try_from(config).map_err(|_| {
                setup(
                    "the kubeconfig's certificates, credential or proxy cannot be used",
                    "see whether it works for `kubectl get namespaces`; of proxies only http and https are known",
                )
            })?
    };
    let _inside = runtime.enter();
    let client = client.build();
    drop(_inside);
    Ok(Wire {
        name: name.to_owned(),
        address: address.trim_end_matches('/').to_owned(),
        client,
        runtime,
    })
}

/// Loads the kubeconfig, or what a pod has.
async fn find(file: Option<PathBuf>, context: Option<String>) -> Result<Config, KubeconfigError> {
    let named = file.is_some() || context.is_some();
    let options = KubeConfigOptions {
        context,
        ..KubeConfigOptions::default()
    };
    let found = match file {
        Some(file) => Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await,
        None => Config::from_kubeconfig(&options).await,
    };
    match found {
        // Not `Config::infer`: that lets variables for debugging send the requests elsewhere.
        Err(KubeconfigError::ReadConfig(..) | KubeconfigError::FindPath) if !named => {
            Config::incluster().map_err(|_| KubeconfigError::FindPath)
        }
        other => other,
    }
}

/// Says why there is no cluster; the library's own words may quote the file.
fn unfound(name: &str, error: &KubeconfigError) -> StoreError {
    let fault = match error {
        // As any file of a store that cannot be read.
        KubeconfigError::ReadConfig(..) => Fault::Unavailable,
        _ => Fault::Setup,
    };
    let (what, help) = match error {
        KubeconfigError::FindPath => (
            "there is no kubeconfig, and this is no pod with an account",
            "set `kubeconfig` for the store, or KUBECONFIG",
        ),
        KubeconfigError::ReadConfig(..) => (
            "the kubeconfig cannot be read",
            "name a file that is there and readable by you, as `kubeconfig` or in KUBECONFIG",
        ),
        KubeconfigError::CurrentContextNotSet | KubeconfigError::LoadContext(_) => (
            "the kubeconfig has no such context",
            "`kubectl config get-contexts` lists them; set `context` for the store",
        ),
        _ => (
            "the kubeconfig is not whole, or a file that it names cannot be read",
            "see whether `kubectl config view` and `kubectl get namespaces` work with it",
        ),
    };
    StoreError::new(name, fault, what, help)
}

/// Tells whether requests go straight to the cluster though a proxy may be set: it is on this machine, or exempt.
fn is_direct(
    name: &str,
    cluster: &Uri,
    surroundings: &Surroundings<'_>,
) -> Result<bool, StoreError> {
    let host = cluster.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if is_loopback {
        return Ok(true);
    }
    Ok(proxy(name, surroundings)?.is_some_and(|proxy| proxy.is_no_proxy(cluster)))
}
