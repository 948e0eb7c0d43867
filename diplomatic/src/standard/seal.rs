//! Sealing messages into bags, and opening bags.
//!
//! Sealing is deterministic: a message has one bag for each host, whichever device seals it and whenever. So a host that
//! recognises a repeated bag stores it once. The standard draws nonces at random; ours are hashes of the message's key
//! and the plaintext. Two different plaintexts therefore get different nonces even under one key, and equal ones under
//! one key only where the kdm, which every bag shows, already reveals that they are equal.

use crypto_secretbox::XSalsa20Poly1305;
use crypto_secretbox::aead::{AeadInPlace, KeyInit};
use zeroize::{Zeroize, Zeroizing};

use super::bytes::Decode;
use super::{
    Bag, BagHead, Body, DecodeError, Head, HostKeys, InvalidSignature, Kdm, Message, SealedBody, SealedHead, Signature,
    Status,
};

const NONCE: usize = 24;
const TAG: usize = 16;

/// How much longer a ciphertext is than its plaintext.
pub(super) const OVERHEAD: u64 = (NONCE + TAG) as u64;

/// Why a bag could not be opened. Hosts can lie, so nothing in a bag is used until all of it has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenBagError {
    /// The signature is invalid: this user did not seal the bag for this host.
    #[error(transparent)]
    InvalidSignature(#[from] InvalidSignature),
    /// The head cannot be decrypted.
    #[error("the head cannot be decrypted")]
    DecryptHead,
    /// The decrypted head does not match its layout.
    #[error("the head does not match its layout")]
    DecodeHead(#[source] DecodeError),
    /// The body cannot be decrypted.
    #[error("the body cannot be decrypted")]
    DecryptBody,
    /// The body does not match the head.
    #[error("the body does not match its head")]
    HashMismatch,
}

impl OpenBagError {
    /// Returns the standard's status for this error.
    pub const fn status(self) -> Status {
        match self {
            Self::InvalidSignature(error) => error.status(),
            Self::DecryptHead | Self::DecryptBody => Status::DECRYPTION_ERROR,
            Self::DecodeHead(_) => Status::INVALID_MESSAGE,
            Self::HashMismatch => Status::HASH_MISMATCH,
        }
    }
}

impl HostKeys {
    /// Seals a message for this host. Every device that seals it gets the same bytes.
    pub fn seal(&self, message: &Message) -> Bag {
        let (kdm, key) = self.key_for(message.head());
        let head = seal_head(&key, message.head());
        let body = seal_body(&key, message.body());
        Bag { head: BagHead { signature: self.sign(head.as_bytes()), kdm, head }, body }
    }

    /// Returns a message's key derivation material and key.
    pub(super) fn key_for(&self, head: &Head) -> (Kdm, Zeroizing<[u8; 32]>) {
        let kdm = self.kdm(head);
        (kdm, self.message_key(&kdm))
    }

    /// Opens a bag.
    ///
    /// # Errors
    ///
    /// [`OpenBagError`], in the order of its variants.
    pub fn open(&self, bag: &Bag) -> Result<Message, OpenBagError> {
        self.open_head(&bag.head)?.open_body(&bag.body)
    }

    /// Opens a bag's head.
    ///
    /// # Errors
    ///
    /// [`OpenBagError`] of the signature or the head.
    pub fn open_head(&self, head: &BagHead) -> Result<OpenedHead, OpenBagError> {
        head.verify(self.public_key())?;
        self.decrypt_head(&head.kdm, &head.head)
    }

    /// Opens many heads, in order. It costs less than opening each alone, because signatures are checked together.
    pub fn open_heads<'a>(
        &self,
        heads: impl IntoIterator<Item = &'a BagHead>,
    ) -> Vec<Result<OpenedHead, OpenBagError>> {
        let heads: Vec<&BagHead> = heads.into_iter().collect();
        let signed: Vec<(&[u8], &Signature)> =
            heads.iter().map(|head| (head.head.as_bytes(), &head.signature)).collect();
        let holds = self.public_key().verify_each(&signed);
        heads
            .into_iter()
            .zip(holds)
            .map(
                |(head, holds)| {
                    if holds { self.decrypt_head(&head.kdm, &head.head) } else { Err(InvalidSignature.into()) }
                },
            )
            .collect()
    }

    /// Returns what [`open_head`](Self::open_head) gives for the bag of a message whose head is known, however it was sealed
    /// for this host: the head determines the key.
    pub fn expect_head(&self, head: Head) -> OpenedHead {
        let (_, key) = self.key_for(&head);
        OpenedHead { head, key }
    }

    /// Opens a head whose signature has been checked.
    pub(super) fn decrypt_head(&self, kdm: &Kdm, head: &SealedHead) -> Result<OpenedHead, OpenBagError> {
        let key = self.message_key(kdm);
        let encoded = decrypt(&key, head.as_bytes()).ok_or(OpenBagError::DecryptHead)?;
        let head = Head::decode(&encoded).map_err(OpenBagError::DecodeHead)?;
        Ok(OpenedHead { head, key })
    }
}

/// A checked and decrypted head, with the key to its body.
#[derive(Clone)]
pub struct OpenedHead {
    head: Head,
    key: Zeroizing<[u8; 32]>,
}

impl OpenedHead {
    /// Returns the head.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the length of the sealed body; 0 for a delete.
    pub const fn sealed_body_len(&self) -> u64 {
        if self.head.is_delete() { 0 } else { self.head.body_len().saturating_add(OVERHEAD) }
    }

    /// Opens the body that belongs to the head.
    ///
    /// # Errors
    ///
    /// [`OpenBagError::DecryptBody`] or [`OpenBagError::HashMismatch`].
    pub fn open_body(self, body: &SealedBody) -> Result<Message, OpenBagError> {
        let body = match body.as_bytes() {
            [] => None,
            sealed => {
                let bytes = decrypt(&self.key, sealed).ok_or(OpenBagError::DecryptBody)?;
                // The encryption of nothing is not what a delete has.
                Some(Body::new(bytes).ok_or(OpenBagError::HashMismatch)?)
            }
        };
        Message::join(self.head, body).map_err(|_| OpenBagError::HashMismatch)
    }
}

impl std::fmt::Debug for OpenedHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { head, key: _ } = self;
        f.debug_struct("OpenedHead").field("head", head).finish_non_exhaustive()
    }
}

pub(super) fn seal_head(key: &[u8; 32], head: &Head) -> SealedHead {
    SealedHead::from_bytes(encrypt(key, head.as_bytes(), HEAD_NONCE))
}

/// Seals a body. A delete has none and stays empty rather than becoming the encryption of nothing.
pub(super) fn seal_body(key: &[u8; 32], body: Option<&[u8]>) -> SealedBody {
    SealedBody::from_bytes(body.map(|body| encrypt(key, body, BODY_NONCE)).unwrap_or_default())
}

/// Head and body of a message share a key, so their nonces come from different contexts.
const HEAD_NONCE: &[u8; 32] = b"diplomatic v1: nonce of a head  ";
const BODY_NONCE: &[u8; 32] = b"diplomatic v1: nonce of a body  ";

/// The first 24 bytes of keyed BLAKE3: the key is the message's, the input is the context and the plaintext.
fn nonce(key: &[u8; 32], plaintext: &[u8], context: &[u8; 32]) -> [u8; NONCE] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(context).update(plaintext);
    let mut nonce = [0; NONCE];
    hasher.finalize_xof().fill(&mut nonce);
    hasher.zeroize();
    nonce
}

/// NaCl secretbox with its nonce: 24 bytes, the tag of 16, then the ciphertext.
fn encrypt(key: &[u8; 32], plaintext: &[u8], context: &[u8; 32]) -> Vec<u8> {
    let nonce = nonce(key, plaintext, context);
    let mut sealed = Vec::with_capacity(NONCE + TAG + plaintext.len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&[0; TAG]);
    sealed.extend_from_slice(plaintext);
    let tag = XSalsa20Poly1305::new(key.into())
        .encrypt_in_place_detached(&nonce.into(), &[], &mut sealed[NONCE + TAG..])
        .expect("a plaintext in memory is far below the cipher's limit");
    sealed[NONCE..NONCE + TAG].copy_from_slice(&tag);
    sealed
}

/// Decrypts what [`encrypt`] made; `None` if it was made with another key or changed.
fn decrypt(key: &[u8; 32], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>()?;
    let (tag, ciphertext) = rest.split_first_chunk::<TAG>()?;
    let mut plaintext = ciphertext.to_vec();
    XSalsa20Poly1305::new(key.into())
        .decrypt_in_place_detached(nonce.into(), &[], &mut plaintext, tag.into())
        .ok()
        .map(|()| plaintext)
}

crate::standard::never_retryable::never_retryable!(OpenBagError);
