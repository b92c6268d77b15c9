//! Which environments and services a path, a document or a key belongs to.

/// What the configuration says of environments and services.
#[derive(Clone, Debug, Default)]
pub struct Environments {}
