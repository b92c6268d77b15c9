//! XML.

/// An element.
#[derive(Debug, Default)]
pub struct Element {}

/// Reads an XML document.
///
/// # Errors
/// A short reason, without content of the text.
pub fn read(_text: &str) -> Result<Element, String> {
    Ok(Element::default())
}
