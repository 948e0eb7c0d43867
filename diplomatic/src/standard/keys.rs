//! A user's keys for one host.

use std::fmt;

use ed25519_dalek::{Signer, SigningKey};
use zeroize::{Zeroize, Zeroizing};

use super::bytes::Encode;
use super::calls::AuthTimestamp;
use super::{Head, Kdm, PublicKey, Seed, Signature, Timestamp};

/// The user's own name for a host, and a number. Together with the seed, they determine the user's keys for that host.
///
/// The keys depend on the label and not on the address, so every client of a user must use the same label for the same
/// host. The standard's tools use `host` and 0.
///
/// ```
/// use diplomatic::standard::Label;
///
/// assert_eq!(Label::default(), Label::new("host"));
/// assert_ne!(Label::new("home"), Label::with_index("home", 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "engine", derive(serde::Serialize, serde::Deserialize))]
pub struct Label {
    name: String,
    #[cfg_attr(feature = "engine", serde(default))]
    index: u64,
}

impl Label {
    /// Makes a label with the number 0.
    pub fn new(name: impl Into<String>) -> Self {
        Self::with_index(name, 0)
    }

    /// Makes a label with another number.
    pub fn with_index(name: impl Into<String>, index: u64) -> Self {
        Self { name: name.into(), index }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number.
    pub const fn index(&self) -> u64 {
        self.index
    }
}

impl Default for Label {
    fn default() -> Self {
        Self::new("host")
    }
}

/// Shows the name, followed by `#` and the number unless that is 0.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            0 => f.write_str(&self.name),
            index => write!(f, "{}#{index}", self.name),
        }
    }
}

/// A user's keys for one host: they sign requests, and seal and open bags.
///
/// The secrets are wiped from memory on drop and never appear in `Debug`.
#[derive(Clone)]
pub struct HostKeys {
    seed: Seed,
    secret: Zeroizing<[u8; 32]>,
    signing: SigningKey,
    public: PublicKey,
}

impl HostKeys {
    /// Derives the keys for the host with this label.
    pub fn derive(seed: &Seed, label: &Label) -> Self {
        let secret = seed.derive(&[label.name.as_bytes(), &label.index.to_be_bytes()]);
        let signing = SigningKey::from_bytes(&secret);
        let public = PublicKey::from_bytes(signing.verifying_key().to_bytes());
        Self { seed: seed.clone(), secret, signing, public }
    }

    /// Returns the public key that identifies the user to this host.
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs the start of a request. `host_now` is the best estimate of the host's time.
    pub fn authenticate(&self, host_now: Timestamp) -> AuthTimestamp {
        AuthTimestamp { key: self.public, signature: self.sign(&host_now.to_bytes()), time: host_now }
    }

    /// Returns the key derivation material of a message for this host.
    pub fn kdm(&self, head: &Head) -> Kdm {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.secret.as_ref()).update(self.public.as_bytes()).update(head.as_bytes());
        let mut kdm = [0; 8];
        kdm.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        hasher.zeroize();
        Kdm::from_bytes(kdm)
    }

    pub(super) fn message_key(&self, kdm: &Kdm) -> Zeroizing<[u8; 32]> {
        self.seed.derive(&[kdm.as_bytes()])
    }

    pub(super) fn sign(&self, content: &[u8]) -> Signature {
        Signature::from_bytes(self.signing.sign(content).to_bytes())
    }
}

impl fmt::Debug for HostKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed: _, secret: _, signing: _, public } = self;
        f.debug_struct("HostKeys").field("public", public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn every_secret_is_wiped_when_dropped() {
        const fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let keys = HostKeys::derive(&Seed::from_bytes([1; 32]), &Label::default());
        // A new field breaks this until someone decides.
        let HostKeys { seed, secret, signing, public: _ } = &keys;
        wiped(seed);
        wiped(secret);
        wiped(signing);
        wiped(&keys.message_key(&Kdm::from_bytes([0; 8])));
    }

    #[test]
    fn secrets_are_the_recorded_ones() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/keys.json")).unwrap();
        let seed = |case: &Value| case["seed"].as_str().unwrap().parse::<Seed>().unwrap();
        for case in vectors["hostKeys"].as_array().unwrap() {
            let label = Label::with_index(case["label"].as_str().unwrap(), case["idx"].as_u64().unwrap());
            let keys = HostKeys::derive(&seed(case), &label);
            assert_eq!(hex(keys.secret.as_ref()), case["derivationSeed"]);
            assert_eq!(hex(&keys.signing.to_keypair_bytes()), case["privateKey64"]);
        }
        for case in vectors["bagKeys"].as_array().unwrap() {
            let kdm = case["kdm"].as_str().unwrap();
            let kdm = u64::from_str_radix(kdm, 16).unwrap().to_be_bytes();
            let keys = HostKeys::derive(&seed(case), &Label::default());
            assert_eq!(hex(keys.message_key(&Kdm::from_bytes(kdm)).as_ref()), case["key"]);
        }
    }
}
