//! The sealed file as it is documented, made without the program.

use std::fs;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::device::{Device, SEED, fingerprint, seed};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Weak on purpose: the file says what it takes to open it.
fn sealed(passphrase: &str) -> String {
    let (salt, nonce) = ([1; 16], [2; 24]);
    let head = format!(
        "diplomatic sealed seed 1\nfingerprint: {}\nkdf: argon2id m=16 t=1 p=2\nsalt: {}\nnonce: {}\n",
        fingerprint(),
        hex(&salt),
        hex(&nonce)
    );
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(16, 1, 2, Some(32)).unwrap())
        .hash_password_into(passphrase.as_bytes(), &salt, &mut key)
        .unwrap();
    let seed = seed();
    let payload = Payload { msg: seed.expose_bytes(), aad: head.as_bytes() };
    let sealed = XChaCha20Poly1305::new(&key.into()).encrypt(&XNonce::from(nonce), payload).unwrap();
    format!("{head}sealed: {}\n", hex(&sealed))
}

fn device(file: &str) -> Device {
    let device = Device::without_seed().with("DIP_PASSPHRASE", "Grüße");
    fs::create_dir(device.data()).unwrap();
    fs::write(device.data().join("seed"), file).unwrap();
    device
}

#[test]
fn a_file_that_follows_the_documented_layout_opens() {
    device(&sealed("Grüße")).run(&["seed", "show"]).prints(&format!("{SEED}\n"));
    device(&sealed("another")).run(&["seed", "show"]).fails(3, "the passphrase is wrong, or the file was changed");
}

#[test]
fn a_given_seed_is_compared_with_a_sealed_one_without_the_passphrase() {
    let mut device = device(&sealed("Grüße")).with("DIP_SEED", crate::device::OTHER_SEED);
    device.unset("DIP_PASSPHRASE");
    device.run(&["status"]).fails(3, &fingerprint());
    device.set("DIP_SEED", SEED);
    device.run(&["status"]).succeeds();
}

#[test]
fn a_sealed_seed_asks_for_its_passphrase_and_says_where_it_can_come_from() {
    let mut device = device(&sealed("Grüße"));
    device.unset("DIP_PASSPHRASE");
    // No terminal: the program is taken off the one that runs the tests, if there is one.
    let mut command = std::process::Command::new("setsid");
    let dip = device.command(&["status"]);
    command.arg("--wait").arg(dip.get_program()).args(dip.get_args());
    command.env_remove("DIP_SEED").env_remove("DIP_PASSPHRASE");
    let outcome = crate::device::Outcome::of(command.output().unwrap());
    outcome.fails(3, "set DIP_PASSPHRASE");
}
