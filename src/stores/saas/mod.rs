//! Services with a small HTTP interface of their own, over the thin client of [`super::http`]: one file each.

pub mod openorch;
