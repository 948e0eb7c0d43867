//! Seeds sealed with a passphrase.
//!
//! ```text
//! diplomatic sealed seed 1
//! fingerprint: four words
//! kdf: argon2id m=65536 t=3 p=1
//! salt: 32 hex digits
//! nonce: 48 hex digits
//! sealed: 96 hex digits
//! ```
//!
//! The 32-byte key is derived from the passphrase, in Unicode's composed form (NFC) and UTF-8, and the salt by Argon2id (version 1.3), with `m` KiB of memory,
//! `t` passes and `p` lanes. With it, XChaCha20-Poly1305 seals the seed's 32 bytes. The associated data is everything
//! before `sealed: `, so that no change to it goes unnoticed. Lines end with a line feed.

use std::collections::BTreeMap;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use diplomatic::Seed;
use zeroize::Zeroizing;

use crate::payload::hex;

const FIRST_LINE: &str = "diplomatic sealed seed 1";
const LAST_LINE: &str = "sealed: ";

/// The cost of a new file: about a quarter of a second, and enough memory to slow down graphics cards.
const USUAL: Cost = Cost { memory: 64 << 10, passes: 3, lanes: 1 };

/// The maximum cost of a file: a gigabyte, and about a minute.
const MOST: Cost = Cost { memory: 1 << 20, passes: 64, lanes: 16 };

/// A seed sealed with a passphrase.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// The lines before the sealed seed, as in the file.
    head: String,
    fingerprint: String,
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; 24],
    sealed: [u8; 48],
}

/// The cost of trying a passphrase.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// In KiB.
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// Why a sealed seed could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealedError {
    #[error(
        "its line `{line}` is missing or damaged: copy the file again from an intact one, or remove it and import the \
         seed with `dip seed import`"
    )]
    Line { line: &'static str },
    #[error(
        "it asks for more memory or time than any passphrase needs: remove it and import the seed with `dip seed import`"
    )]
    Cost,
    #[error("the passphrase is wrong, or the file was changed")]
    Passphrase,
}

impl Sealed {
    /// Seals a seed.
    pub(crate) fn seal(seed: &Seed, passphrase: &str) -> Self {
        Self::seal_at(USUAL, seed, passphrase)
    }

    fn seal_at(cost: Cost, seed: &Seed, passphrase: &str) -> Self {
        let (salt, nonce): ([u8; 16], [u8; 24]) = (rand::random(), rand::random());
        let fingerprint = seed.fingerprint().to_string();
        let Cost { memory, passes, lanes } = cost;
        let head = format!(
            "{FIRST_LINE}\nfingerprint: {fingerprint}\nkdf: argon2id m={memory} t={passes} p={lanes}\nsalt: {}\n\
             nonce: {}\n",
            hex(&salt),
            hex(&nonce)
        );
        let mut new = Self { head, fingerprint, cost, salt, nonce, sealed: [0; 48] };
        let payload = Payload { msg: seed.expose_bytes(), aad: new.head.as_bytes() };
        let cipher = new.cipher(passphrase).expect("the cost is within all bounds");
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).expect("a seed is not too long");
        new.sealed.copy_from_slice(&sealed);
        new
    }

    /// Opens the seed.
    pub(crate) fn open(&self, passphrase: &str) -> Result<Seed, SealedError> {
        let payload = Payload { msg: &self.sealed, aad: self.head.as_bytes() };
        let opened = self.cipher(passphrase)?.decrypt(&XNonce::from(self.nonce), payload);
        let opened = Zeroizing::new(opened.map_err(|_| SealedError::Passphrase)?);
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(opened.get(..32).ok_or(SealedError::Passphrase)?);
        Ok(Seed::from_bytes(*bytes))
    }

    /// Returns the seed's fingerprint.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn to_text(&self) -> String {
        format!("{}{LAST_LINE}{}\n", self.head, hex(&self.sealed))
    }

    /// Parses a file; `None` if it is of another kind.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, SealedError> {
        if text.lines().next() != Some(FIRST_LINE) {
            return Ok(None);
        }
        let (head, sealed) = text.rsplit_once(LAST_LINE).ok_or(SealedError::Line { line: "sealed" })?;
        let lines: BTreeMap<&str, &str> = head.lines().filter_map(|line| line.split_once(": ")).collect();
        let line = |name: &'static str| lines.get(name).copied().ok_or(SealedError::Line { line: name });
        let cost = Cost::parse(line("kdf")?).ok_or(SealedError::Line { line: "kdf" })?;
        if cost.memory > MOST.memory || cost.passes > MOST.passes || cost.lanes > MOST.lanes {
            return Err(SealedError::Cost);
        }
        Ok(Some(Self {
            head: head.to_owned(),
            fingerprint: line("fingerprint")?.to_owned(),
            cost,
            salt: unhex(line("salt")?).ok_or(SealedError::Line { line: "salt" })?,
            nonce: unhex(line("nonce")?).ok_or(SealedError::Line { line: "nonce" })?,
            sealed: unhex(sealed.trim_end()).ok_or(SealedError::Line { line: "sealed" })?,
        }))
    }

    fn cipher(&self, passphrase: &str) -> Result<XChaCha20Poly1305, SealedError> {
        let Cost { memory, passes, lanes } = self.cost;
        let params = Params::new(memory, passes, lanes, Some(32)).map_err(|_| SealedError::Cost)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), &self.salt, key.as_mut())
            .map_err(|_| SealedError::Cost)?;
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }
}

impl Cost {
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.strip_prefix("argon2id ")?.split(' ');
        let mut number = |name| parts.next()?.strip_prefix(name)?.parse().ok();
        let cost = Self { memory: number("m=")?, passes: number("t=")?, lanes: number("p=")? };
        parts.next().is_none().then_some(cost)
    }
}

fn unhex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_line_is_noticed() {
        let seed = Seed::from_bytes([7; 32]);
        // Quick, for the many tries below.
        let text = Sealed::seal_at(Cost { memory: 8, passes: 1, lanes: 1 }, &seed, "a passphrase").to_text();
        let open =
            |text: &str, passphrase| Ok::<_, SealedError>(Sealed::parse(text)?.map(|file| file.open(passphrase)));
        assert!(open(&text, "a passphrase").unwrap().unwrap().is_ok());
        assert!(matches!(open(&text, "another").unwrap().unwrap(), Err(SealedError::Passphrase)));
        for (place, digit) in text.trim_end().char_indices() {
            let mut changed = text.clone();
            changed.replace_range(place..place + digit.len_utf8(), if digit == '5' { "6" } else { "5" });
            let opened = open(&changed, "a passphrase");
            assert!(!matches!(opened, Ok(Some(Ok(_)))), "changed at {place}: {changed}");
        }
        for cut in 0..text.len() - 1 {
            assert!(!matches!(open(&text[..cut], "a passphrase"), Ok(Some(Ok(_)))), "cut at {cut}");
        }
    }

    #[test]
    fn no_file_asks_for_more_than_a_machine_has() {
        let cost = Cost { memory: 8, passes: 1, lanes: 1 };
        let text = Sealed::seal_at(cost, &Seed::from_bytes([7; 32]), "a passphrase").to_text();
        for (cost, too_much) in [("m=8", "m=4294967295"), ("t=1", "t=65"), ("p=1", "p=17")] {
            assert!(matches!(Sealed::parse(&text.replace(cost, too_much)), Err(SealedError::Cost)));
        }
    }
}
