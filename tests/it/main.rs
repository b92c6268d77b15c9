//! The one integration binary.

mod detection;
