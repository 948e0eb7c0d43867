//! Writes the bindings: `cargo run --features bindings --bin bindings -- generate --help` says how.

fn main() {
    uniffi::uniffi_bindgen_main();
}
