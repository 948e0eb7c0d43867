//! The promises of `diplomatic::standard` to anyone's bytes: properties of every structure, the fuzz corpora, and what
//! is never shown.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

#[allow(unreachable_pub, reason = "the fuzz targets name them from outside")]
#[path = "../../../fuzz/src/checks.rs"]
mod checks;
mod corpus;
mod properties;
mod purity;
mod sealing;
mod secrets;
mod serde_forms;
mod structures;
