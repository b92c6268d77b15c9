//! HCL.

/// The blocks and attributes of a file.
#[derive(Debug, Default)]
pub struct Body {}

/// Reads a file of HCL.
///
/// # Errors
/// A short reason, without content of the text.
pub fn read(_text: &str) -> Result<Body, String> {
    Ok(Body::default())
}
