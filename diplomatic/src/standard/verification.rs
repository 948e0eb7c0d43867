//! Checking Ed25519 signatures, alone or many by one key at once.
//!
//! A signature (R, s) of a content by the key A holds if 8·(s·B − k·A − R) = 0, where k = SHA-512(R, A, content) and s is
//! canonical. With *n* random factors z, the sum of these equations is one with *n* + 2 terms, because all signatures have
//! the same key: 8·((Σ z·s)·B − (Σ z·k)·A − Σ z·R) = 0. It holds if each of them holds, and otherwise with a probability
//! of 2⁻¹²⁸.
//!
//! The factor 8 matters to nobody but those who have the secret key: they alone can make signatures whose difference to the
//! right one is a point of small order. Without the factor, these would not hold alone, but some sums with them would, so
//! devices could disagree about a bag depending on which others they check with it. With it, they hold, alone and in every
//! sum. For signatures made by the rules it changes nothing: whatever holds without the factor holds with it. And nobody
//! else can change a signature into another one that holds, since k depends on the bytes of R, and s is canonical.

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use sha2::{Digest, Sha512};

/// How many signatures are checked at once. More would gain nothing.
const BATCH: usize = 2048;

/// If a sum does not hold, it is divided into so many. When it has no more terms than that, each is checked alone.
const PARTS: usize = 8;

/// A public key, ready to check signatures with.
pub(super) struct Verifier {
    bytes: [u8; 32],
    minus_point: EdwardsPoint,
}

/// A signature with what it takes to check it.
struct Signed {
    point: EdwardsPoint,
    s: Scalar,
    /// The hash of everything that is signed, and the same as a number.
    hash: [u8; 64],
    k: Scalar,
}

impl Verifier {
    /// Returns `None` if the bytes are not a point of the curve.
    pub(super) fn new(key: &[u8; 32]) -> Option<Self> {
        CompressedEdwardsY(*key).decompress().map(|point| Self { bytes: *key, minus_point: -point })
    }

    /// Tells whether a signature holds.
    pub(super) fn holds(&self, content: &[u8], signature: &[u8; 64]) -> bool {
        self.read(content, signature).is_some_and(|signed| self.holds_alone(&signed))
    }

    /// Tells of each signature whether it holds, in order.
    pub(super) fn hold(&self, signed: &[(&[u8], &[u8; 64])]) -> Vec<bool> {
        signed.chunks(BATCH).flat_map(|signed| self.hold_in_batch(signed)).collect()
    }

    fn hold_in_batch(&self, signed: &[(&[u8], &[u8; 64])]) -> Vec<bool> {
        let mut holds = vec![false; signed.len()];
        let readable: Vec<(usize, Signed)> = signed
            .iter()
            .enumerate()
            .filter_map(|(place, (content, signature))| Some((place, self.read(content, signature)?)))
            .collect();
        let terms: Vec<Term<'_>> = readable
            .iter()
            .zip(factors(readable.iter().map(|(_, signed)| signed)))
            .map(|((place, signed), z)| Term { place: *place, signed, z, zs: z * signed.s, zk: z * signed.k })
            .collect();
        self.find(&terms, &mut holds);
        holds
    }

    /// Finds the signatures that hold.
    fn find(&self, terms: &[Term<'_>], holds: &mut [bool]) {
        if terms.len() > 1 && self.sum_holds(terms) {
            terms.iter().for_each(|term| holds[term.place] = true);
        } else if terms.len() <= PARTS {
            terms.iter().for_each(|term| holds[term.place] = self.holds_alone(term.signed));
        } else {
            terms.chunks(terms.len().div_ceil(PARTS)).for_each(|part| self.find(part, holds));
        }
    }

    fn sum_holds(&self, terms: &[Term<'_>]) -> bool {
        let zs: Scalar = terms.iter().map(|term| term.zs).sum();
        let zk: Scalar = terms.iter().map(|term| term.zk).sum();
        let scalars = terms.iter().map(|term| term.z).chain([-zs, -zk]);
        let points = terms.iter().map(|term| term.signed.point).chain([ED25519_BASEPOINT_POINT, self.minus_point]);
        EdwardsPoint::vartime_multiscalar_mul(scalars, points).is_small_order()
    }

    fn holds_alone(&self, signed: &Signed) -> bool {
        let right = EdwardsPoint::vartime_double_scalar_mul_basepoint(&signed.k, &self.minus_point, &signed.s);
        (right - signed.point).is_small_order()
    }

    /// Returns `None` if no key ever makes a signature with such bytes.
    fn read(&self, content: &[u8], signature: &[u8; 64]) -> Option<Signed> {
        let (r, s) = signature.split_at(32);
        let s = Option::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
        let point = CompressedEdwardsY(r.try_into().ok()?).decompress()?;
        let hash = Sha512::new().chain_update(r).chain_update(self.bytes).chain_update(content).finalize().into();
        Some(Signed { point, s, hash, k: Scalar::from_bytes_mod_order_wide(&hash) })
    }
}

/// A term of a sum.
struct Term<'a> {
    /// Where it stands among those that are checked.
    place: usize,
    signed: &'a Signed,
    z: Scalar,
    zs: Scalar,
    zk: Scalar,
}

/// Returns a factor of 128 bits for each signature. They come from a hash of all contents and signatures, so nobody can
/// choose any of these after the factors are known.
fn factors<'a>(signed: impl Iterator<Item = &'a Signed>) -> impl Iterator<Item = Scalar> {
    let mut all = Sha512::new().chain_update(b"diplomatic: factors of signatures");
    for Signed { hash, s, .. } in signed {
        all.update(hash);
        all.update(s.as_bytes());
    }
    let all = all.finalize();
    (0_u64..).flat_map(move |number| {
        let block: [u8; 64] = Sha512::new().chain_update(all).chain_update(number.to_le_bytes()).finalize().into();
        let (factors, _) = block.as_chunks::<16>();
        <[[u8; 16]; 4]>::try_from(factors)
            .expect("64 bytes are 4 times 16")
            .map(|z| Scalar::from(u128::from_le_bytes(z)))
    })
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::traits::Identity;
    use ed25519_dalek::{Signer, SigningKey};
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn verifier() -> Verifier {
        Verifier::new(SigningKey::from_bytes(&KEY).verifying_key().as_bytes()).unwrap()
    }

    fn signed(count: usize) -> Vec<(Vec<u8>, [u8; 64])> {
        let key = SigningKey::from_bytes(&KEY);
        (0..count)
            .map(|number| {
                let content = vec![number as u8; number];
                let signature = key.sign(&content).to_bytes();
                (content, signature)
            })
            .collect()
    }

    fn hold(signed: &[(Vec<u8>, [u8; 64])]) -> Vec<bool> {
        let signed: Vec<(&[u8], &[u8; 64])> = signed.iter().map(|(content, s)| (content.as_slice(), s)).collect();
        verifier().hold(&signed)
    }

    /// Makes a signature as only the owner of the key can, with any point and any number for R.
    fn crafted(content: &[u8], r: Scalar, point_bytes: [u8; 32]) -> [u8; 64] {
        let key = SigningKey::from_bytes(&KEY);
        let hash = Sha512::new().chain_update(point_bytes).chain_update(key.verifying_key().as_bytes());
        let k = Scalar::from_bytes_mod_order_wide(&hash.chain_update(content).finalize().into());
        let s = r + k * key.to_scalar();
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&point_bytes);
        signature[32..].copy_from_slice(s.as_bytes());
        signature
    }

    #[test]
    fn as_many_signatures_as_there_may_be_hold_together_and_alone() {
        for count in [0, 1, 2, 3, PARTS, PARTS + 1, 200, BATCH, BATCH + 1] {
            let all = signed(count);
            assert_eq!(hold(&all), vec![true; count]);
        }
        assert!(signed(300).iter().all(|(content, signature)| verifier().holds(content, signature)));
    }

    #[test]
    fn signatures_that_only_the_owner_can_craft_hold_alone_and_among_others_alike() {
        let r = Scalar::from(12_345_u64);
        let mut zero_beyond_the_prime = [0xff; 32];
        (zero_beyond_the_prime[0], zero_beyond_the_prime[31]) = (0xee, 0x7f);
        let mut strange: Vec<[u8; 64]> = EIGHT_TORSION
            .iter()
            .flat_map(|small| {
                let content = b"strange";
                let beside = (EdwardsPoint::mul_base(&r) + small).compress().to_bytes();
                [crafted(content, r, beside), crafted(content, Scalar::ZERO, small.compress().to_bytes())]
            })
            .collect();
        strange.push(crafted(b"strange", Scalar::ZERO, zero_beyond_the_prime));
        let points = strange.iter().map(|s| CompressedEdwardsY(*s.first_chunk().unwrap()).decompress().unwrap());
        assert_eq!(points.filter(|point| *point == EdwardsPoint::identity()).count(), 2);
        for signature in &strange {
            assert!(verifier().holds(b"strange", signature));
        }
        let strange: Vec<_> = strange.into_iter().map(|signature| (b"strange".to_vec(), signature)).collect();
        for honest in [0, 1, 30] {
            for one in &strange {
                let mut all = signed(honest);
                all.push(one.clone());
                assert_eq!(hold(&all), vec![true; honest + 1]);
            }
            let all = [signed(honest), strange.clone()].concat();
            assert_eq!(hold(&all), vec![true; all.len()]);
        }
    }

    #[test]
    fn a_number_that_is_not_canonical_holds_nowhere() {
        let mut all = signed(20);
        let s: [u8; 32] = *all[11].1.last_chunk().unwrap();
        let order = (-Scalar::ONE).to_bytes();
        let (mut larger, mut carry) = ([0; 32], 1);
        for place in 0..32 {
            let sum = u16::from(s[place]) + u16::from(order[place]) + carry;
            larger[place] = sum as u8;
            carry = sum >> 8;
        }
        assert_eq!(Scalar::from_bytes_mod_order(larger).to_bytes(), s);
        all[11].1[32..].copy_from_slice(&larger);
        assert!(!verifier().holds(&all[11].0, &all[11].1));
        assert_eq!(hold(&all), (0..20).map(|place| place != 11).collect::<Vec<_>>());
    }

    #[test]
    fn signatures_by_another_key_hold_nowhere() {
        let other = SigningKey::from_bytes(&[8; 32]);
        let mut all = signed(40);
        for (content, signature) in all.iter_mut().step_by(3) {
            *signature = other.sign(content).to_bytes();
        }
        assert_eq!(hold(&all), (0..40).map(|place| place % 3 != 0).collect::<Vec<_>>());
    }

    #[test]
    fn two_changes_that_cancel_each_other_are_found() {
        let mut all = signed(30);
        let number = |signature: &[u8; 64]| Scalar::from_canonical_bytes(*signature.last_chunk().unwrap()).unwrap();
        let (more, less) = (number(&all[3].1) + Scalar::ONE, number(&all[9].1) - Scalar::ONE);
        all[3].1[32..].copy_from_slice(more.as_bytes());
        all[9].1[32..].copy_from_slice(less.as_bytes());
        let (one, another) = (all[20].1, all[21].1);
        (all[20].1, all[21].1) = (another, one);
        assert_eq!(hold(&all), (0..30).map(|place| ![3, 9, 20, 21].contains(&place)).collect::<Vec<_>>());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn exactly_those_with_flipped_bits_do_not_hold(
            count in 1_usize..300,
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..12),
        ) {
            let before = signed(count);
            let mut all = before.clone();
            for (place, bit) in &flips {
                let (content, signature) = &mut all[place.index(count)];
                let bit = bit.index(8 * (64 + content.len()));
                let byte = signature.iter_mut().chain(content).nth(bit / 8).unwrap();
                *byte ^= 1 << (bit % 8);
            }
            let expected: Vec<bool> = all.iter().zip(&before).map(|(now, then)| now == then).collect();
            for ((content, signature), expected) in all.iter().zip(&expected) {
                prop_assert_eq!(verifier().holds(content, signature), *expected);
            }
            prop_assert_eq!(hold(&all), expected);
        }
    }
}
