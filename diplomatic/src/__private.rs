//! What the code of the derive macro names.

pub use serde;
