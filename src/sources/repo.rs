//! The only place that opens a repository.
