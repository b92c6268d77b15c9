//! Dockerfiles.

/// A Dockerfile.
#[derive(Debug, Default)]
pub struct Dockerfile {}

/// Reads a Dockerfile.
///
/// # Errors
/// A short reason, without content of the text.
pub fn read(_text: &str) -> Result<Dockerfile, String> {
    Ok(Dockerfile::default())
}
