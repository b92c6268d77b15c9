//! The one integration binary: a file a topic.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test says what is wrong by panicking; the clippy settings for tests see #[test] functions only"
)]

#[cfg(feature = "aws")]
mod aws_fake;
#[cfg(feature = "azure")]
mod azure_fake;
#[cfg(feature = "verify")]
mod ci_events;
#[cfg(any(feature = "azure", feature = "gcp"))]
mod cloud_support;
mod detection;
mod examples;
mod formats;
#[cfg(feature = "gcp")]
mod gcp_fake;
mod hiding_places;
mod hooks;
mod hostile;
#[cfg(feature = "kubernetes")]
mod kubernetes_fake;
mod layering;
mod leak;
mod passwords;
mod policy;
mod policy_hostile;
mod policy_page;
mod policy_reports;
#[cfg(all(unix, feature = "verify"))]
mod programs;
mod ranges;
#[cfg(all(unix, feature = "verify"))]
mod readme;
mod reuse_history;
#[cfg(feature = "verify")]
mod rotate;
#[cfg(all(unix, feature = "verify", feature = "postgres", feature = "ssh"))]
mod rotate_bed;
#[cfg(all(unix, feature = "verify", feature = "postgres", feature = "ssh"))]
mod rotate_crash;
#[cfg(all(unix, feature = "verify", feature = "postgres", feature = "ssh"))]
mod rotate_live;
#[cfg(all(unix, feature = "verify", feature = "postgres", feature = "ssh"))]
mod rotate_static;
#[cfg(all(unix, feature = "postgres", feature = "ssh"))]
mod server_targets;
#[cfg(feature = "verify")]
mod servers;
#[cfg(all(unix, feature = "verify"))]
mod sinks_docker;
#[cfg(feature = "verify")]
mod sinks_github;
#[cfg(feature = "verify")]
mod sinks_gitlab;
#[cfg(all(unix, feature = "verify"))]
mod sinks_rotate;
mod staged;
#[cfg(feature = "verify")]
mod store_cli;
#[cfg(all(unix, feature = "verify", feature = "postgres", feature = "ssh"))]
mod store_doctor;
#[cfg(feature = "aws")]
mod stores_aws;
#[cfg(feature = "aws")]
mod stores_aws_moto;
#[cfg(feature = "azure")]
mod stores_azure;
#[cfg(feature = "gcp")]
mod stores_gcp;
#[cfg(feature = "kubernetes")]
mod stores_kubernetes;
#[cfg(feature = "verify")]
mod stores_local;
#[cfg(feature = "verify")]
mod stores_memory;
#[cfg(feature = "verify")]
mod stores_openorch;
#[cfg(feature = "verify")]
mod stores_vault;
#[cfg(feature = "verify")]
mod stores_vault_access;
#[cfg(feature = "verify")]
mod stores_vault_fakes;
mod support;
mod suppression;
#[cfg(all(unix, feature = "postgres", feature = "ssh"))]
mod targets;
#[cfg(feature = "verify")]
mod verify_hostile;
#[cfg(all(target_os = "linux", feature = "verify"))]
mod verify_memory;
#[cfg(feature = "verify")]
mod verify_vault;
