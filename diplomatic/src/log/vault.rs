//! Encryption at rest: what stands in the file is readable with the seed alone.

use std::ops::Range;

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::LogError;
use crate::standard::{Encode, EntityId, Seed};

pub(super) const NONCE: usize = 24;
const TAG: usize = 16;

/// An entity as a key: created (8, big-endian) · the first 24 bytes of a keyed BLAKE3 of the EID.
///
/// Entities of one time stand together, which keeps inserts quick, and the file does not tell what they are.
pub(crate) type EntityKey = [u8; 32];

/// The keys of one log file, derived by HKDF-SHA256 (RFC 5869) from the seed and the file's own salt.
pub(super) struct Vault {
    values: XChaCha20Poly1305,
    entities: Zeroizing<[u8; 32]>,
}

impl Vault {
    pub(super) fn new(seed: &Seed, salt: &[u8]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(salt), seed.expose_bytes());
        let key = |purpose: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            hkdf.expand(purpose, key.as_mut()).expect("32 bytes are far below what HKDF can give");
            key
        };
        let values = key(b"diplomatic log v1 values");
        Self { values: XChaCha20Poly1305::new((&*values).into()), entities: key(b"diplomatic log v1 entities") }
    }

    /// Seals a value, bound to its table and key: 24 nonce bytes, the ciphertext, the tag of 16.
    pub(super) fn seal(&self, table: &str, key: &[u8], value: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        self.seal_with(nonce, table, key, value)
    }

    /// Seals a value like [`seal`](Self::seal) with a nonce that was and will be used for nothing else.
    pub(super) fn seal_with(&self, nonce: [u8; NONCE], table: &str, key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(NONCE + value.len() + TAG);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(value);
        let tag = self
            .values
            .encrypt_in_place_detached(&nonce.into(), &associated(table, key), &mut sealed[NONCE..])
            .expect("a value in memory is far below the cipher's limit");
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// Opens a value of `table` that stands under `key`.
    pub(super) fn open(&self, table: &'static str, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, LogError> {
        let Sealed { nonce, value, tag } = Sealed::split(sealed).ok_or(LogError::DamagedValue { table })?;
        let mut value = value.to_vec();
        self.open_parts(table, key, nonce, &mut value, tag)?;
        Ok(value)
    }

    /// Opens a value like [`open`](Self::open) where it stands, and returns where that is.
    pub(super) fn open_in_place(
        &self,
        table: &'static str,
        key: &[u8],
        sealed: &mut [u8],
    ) -> Result<Range<usize>, LogError> {
        let place = NONCE..sealed.len().saturating_sub(TAG);
        let damaged = LogError::DamagedValue { table };
        let Some((nonce, rest)) = sealed.split_first_chunk_mut::<NONCE>() else { return Err(damaged) };
        let Some((value, tag)) = rest.split_last_chunk_mut::<TAG>() else { return Err(damaged) };
        self.open_parts(table, key, nonce, value, tag)?;
        Ok(place)
    }

    /// Opens a value in place that was [split](Sealed::split).
    pub(super) fn open_parts(
        &self,
        table: &'static str,
        key: &[u8],
        nonce: &[u8; NONCE],
        value: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), LogError> {
        self.values
            .decrypt_in_place_detached(XNonce::from_slice(nonce), &associated(table, key), value, tag.into())
            .map_err(|_| LogError::DamagedValue { table })
    }

    /// Opens a value of `table` that is a row in MessagePack.
    pub(super) fn open_row<T: DeserializeOwned>(
        &self,
        table: &'static str,
        key: &[u8],
        sealed: &[u8],
    ) -> Result<T, LogError> {
        let value = self.open(table, key, sealed)?;
        rmp_serde::from_slice(&value).map_err(|_| LogError::DamagedValue { table })
    }

    pub(super) fn entity_key(&self, entity: &EntityId) -> EntityKey {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&entity.created().as_millis().to_be_bytes());
        key[8..].copy_from_slice(&self.hash(&entity.to_bytes())[..24]);
        key
    }

    /// Returns a hash that only those with the seed can tell anything from.
    pub(super) fn hash(&self, content: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.entities, content).as_bytes()
    }
}

/// A sealed value, in its parts.
pub(super) struct Sealed<'a> {
    pub(super) nonce: &'a [u8; NONCE],
    pub(super) value: &'a [u8],
    pub(super) tag: &'a [u8; TAG],
}

impl<'a> Sealed<'a> {
    /// Splits a value as it stands in the file; `None` if it is too short.
    pub(super) fn split(sealed: &'a [u8]) -> Option<Self> {
        let (nonce, rest) = sealed.split_first_chunk()?;
        let (value, tag) = rest.split_last_chunk()?;
        Some(Self { nonce, value, tag })
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault(..)")
    }
}

/// The table's name has no NUL, so that no two pairs of table and key give the same bytes.
fn associated(table: &str, key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(table.len() + 1 + key.len());
    bytes.extend_from_slice(table.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(key);
    bytes
}
