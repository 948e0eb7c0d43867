//! The secret halves are checked where they can be seen, at the bottom of the library's `keys.rs`.

use diplomatic::standard::{HostKeys, Seed};

use crate::{Fields, to_hex, vectors};

#[test]
fn host_keys_follow_from_seed_label_and_number() {
    for case in vectors("keys").cases("hostKeys") {
        let keys = HostKeys::derive(&case.seed(), &case.label());
        assert_eq!(to_hex(keys.public_key().as_bytes()), case.text("publicKey"), "{case}");
    }
}

#[test]
fn seeds_read_in_either_case_and_write_in_lower() {
    for case in vectors("keys").cases("hostKeys") {
        let upper: Seed = case.text("seed").to_uppercase().parse().unwrap();
        assert_eq!(upper.expose_bytes(), case.seed().expose_bytes());
        assert_eq!(*upper.expose_hex(), case.text("seed"));
    }
}
