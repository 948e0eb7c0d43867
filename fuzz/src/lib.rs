//! Fuzz targets for the decoders of `diplomatic`.
//!
//! `cargo +nightly fuzz run heads` fuzzes one family. Every target and its corpus, under `corpus/`, has the name of a
//! check in [`checks`]; the library's ordinary tests run the same checks on the same corpora.

pub mod checks;
