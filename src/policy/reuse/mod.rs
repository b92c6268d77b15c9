//! Values that environments or services share.

/// One occurrence of a value, or of a store's address.
#[derive(Clone, Debug)]
pub struct Site {}
