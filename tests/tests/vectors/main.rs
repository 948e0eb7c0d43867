//! The recorded vectors (see `tests/vectors/README.md`), both ways wherever the operation is deterministic.
//!
//! Sealing is deterministic too once the nonces are given, so that bags and export files are compared byte for byte.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod api;
mod auth;
mod bag;
mod clock;
mod dpl_file;
mod eid;
mod entity_body;
mod keys;
mod message_head;
mod status;
mod varint;

use diplomatic::standard::{Label, Message, Seed, Status};
use serde_json::Value;

/// Reads a vector file.
fn vectors(name: &str) -> Value {
    let path = format!("{}/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fields of a vector, by the kind that they hold.
trait Fields {
    /// The cases under `key`, of which there is at least one.
    fn cases(&self, key: &str) -> &[Value];
    fn text(&self, key: &str) -> &str;
    fn number(&self, key: &str) -> u64;
    fn bytes(&self, key: &str) -> Vec<u8>;
    fn seed(&self) -> Seed;
    fn label(&self) -> Label;
    fn status(&self) -> Status;
}

impl Fields for Value {
    fn cases(&self, key: &str) -> &[Value] {
        let cases = self[key].as_array().unwrap_or_else(|| panic!("{key} is a list"));
        assert!(!cases.is_empty(), "{key} holds no case");
        cases
    }

    fn text(&self, key: &str) -> &str {
        self[key].as_str().unwrap_or_else(|| panic!("{key} is a string in {self}"))
    }

    fn number(&self, key: &str) -> u64 {
        self[key].as_u64().unwrap_or_else(|| panic!("{key} is a number in {self}"))
    }

    fn bytes(&self, key: &str) -> Vec<u8> {
        from_hex(self.text(key))
    }

    fn seed(&self) -> Seed {
        self.text("seed").parse().unwrap()
    }

    fn label(&self) -> Label {
        Label::with_index(self.text("label"), self.number("idx"))
    }

    fn status(&self) -> Status {
        status(self.text("status"))
    }
}

/// The status of a name; some names say that it was thrown, which is no matter here.
fn status(name: &str) -> Status {
    let name = name.trim_end_matches(" (thrown)");
    let known = Status::all().iter().find(|status| status.name() == Some(name));
    *known.unwrap_or_else(|| panic!("{name} is a status"))
}

fn from_hex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex} has an odd number of digits");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asserts that a message has this encoded head and this body.
fn assert_message(message: &Message, head: &[u8], body: Option<&[u8]>) {
    assert_eq!(to_hex(message.head().as_bytes()), to_hex(head));
    assert_eq!(message.body().map(to_hex), body.map(to_hex));
}
