//! The keys of rows. They are our own bytes, so that no release of redb can change their order.

use diplomatic::standard::{MAX_VARINT, PublicKey, Seq, Signature};

/// What the keys of a user's rows begin with.
///
/// It is the user's own key, or after deletions that could not read the rows, bytes that are nobody's key: what lies on
/// damaged pages is left where it is, and out of the way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space([u8; 32]);

impl Space {
    /// Returns one of a user's spaces, of which the first is number 0.
    pub(super) fn of(user: &PublicKey, number: u64) -> Self {
        match number {
            0 => Self(*user.as_bytes()),
            number => {
                let from = [&user.as_bytes()[..], &number.to_be_bytes()].concat();
                Self(blake3::derive_key("diplomatic-host 2026-12-01 rows of a user who was buried", &from))
            }
        }
    }
}

/// Returns the key of a bag in the tables of heads and bodies: space (32 bytes) ++ seq (u64 BE).
pub(super) fn bag_key(Space(space): &Space, seq: Seq) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(space);
    key[32..].copy_from_slice(&seq.number().to_be_bytes());
    key
}

/// The seq behind every other one.
pub(super) const END: Seq = match Seq::new(MAX_VARINT) {
    Some(seq) => seq,
    None => Seq::ZERO,
};

/// Reads the seq at the end of a [`bag_key`].
pub(super) fn seq_of_key(key: &[u8; 40]) -> Seq {
    let [.., a, b, c, d, e, f, g, h] = *key;
    seq_from([a, b, c, d, e, f, g, h])
}

/// Returns the key of a signature in the table of seqs: space (32 bytes) ++ the start of the BLAKE3 hash of the signature (16
/// bytes).
///
/// A user can make signatures that start alike, but no two whose hashes do; who could would confuse his own bags alone.
pub(super) fn signature_key(Space(space): &Space, signature: &Signature) -> [u8; 48] {
    let mut key = [0; 48];
    key[..32].copy_from_slice(space);
    key[32..].copy_from_slice(&blake3::hash(signature.as_bytes()).as_bytes()[..16]);
    key
}

/// Returns the first and the last [`signature_key`] that a user can have.
pub(super) fn signature_keys(Space(space): &Space) -> [[u8; 48]; 2] {
    [0, 0xff].map(|rest| {
        let mut key = [rest; 48];
        key[..32].copy_from_slice(space);
        key
    })
}

/// Reads a seq from the end of a key or from a value.
pub(super) fn seq_from(bytes: [u8; 8]) -> Seq {
    // A larger number was never written; should the file hold one, the last seq is the harmless reading.
    Seq::new(u64::from_be_bytes(bytes).min(MAX_VARINT)).unwrap_or_default()
}
