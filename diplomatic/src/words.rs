//! Seeds as words from the English BIP-39 list, for people to write down and compare.
//!
//! The words encode the same 32 bytes as the 64 hex digits, plus a checksum of eight bits that reveals copying
//! mistakes. Only BIP-39's encoding of entropy is used: there is no passphrase and no key derivation.

use std::fmt;

use bip39::{Language, Mnemonic};
use zeroize::{Zeroize, Zeroizing};

use crate::standard::{Digest, Seed};

/// The number of words in a seed.
const COUNT: usize = 24;

/// The context string of the fingerprint's hash; nothing else may ever use it.
const FINGERPRINT: &str = "diplomatic 2026-11-23 fingerprint of a seed, for people to compare";

/// How many characters of a wrong word an error repeats: more than any word has, but too few to give away a seed that
/// somebody entered instead of words.
const SHOWN: usize = 12;

/// Why words are not a seed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// A word is not on the list.
    #[error("word {place}, `{}`, is not on the list{}", .word.escape_debug(), DidYouMean(*.nearest))]
    UnknownWord {
        /// Its place, starting at 1.
        place: usize,
        /// The word, or the beginning of a very long one.
        word: String,
        /// The most similar word on the list, if any is similar.
        nearest: Option<&'static str>,
    },
    /// There are too few or too many words.
    #[error("a seed is 24 words, and here are {count}")]
    WrongCount {
        /// How many there are.
        count: usize,
    },
    /// Every word is on the list, but the checksum is wrong.
    #[error(
        "every word is on the list, but together they are no seed: one was taken for another, or two are swapped; \
         compare them with the original one by one"
    )]
    WrongChecksum,
}

struct DidYouMean(Option<&'static str>);

impl fmt::Display for DidYouMean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |word| write!(f, "; did you mean `{word}`?"))
    }
}

impl Seed {
    /// Returns the secret as 24 words, separated by spaces.
    ///
    /// ```
    /// use diplomatic::Seed;
    ///
    /// let seed = Seed::from_bytes([0x7f; 32]);
    /// assert!(seed.expose_words().starts_with("legal winner thank year wave sausage"));
    /// assert_eq!(Seed::from_words(&seed.expose_words())?.expose_bytes(), seed.expose_bytes());
    /// # Ok::<(), diplomatic::error::WordsError>(())
    /// ```
    pub fn expose_words(&self) -> Zeroizing<String> {
        let mnemonic = Mnemonic::from_entropy_in(Language::English, self.expose_bytes());
        let mnemonic = Zeroizing::new(mnemonic.expect("32 bytes stand for 24 words"));
        // Sized at once, so that no half-written copy is left behind by a growing string: no word has more than eight
        // letters.
        let mut words = Zeroizing::new(String::with_capacity(COUNT * 9));
        for word in mnemonic.words() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(word);
        }
        words
    }

    /// Parses 24 words in any case, separated by any white space.
    ///
    /// # Errors
    ///
    /// [`WordsError`], which names the first word that is not on the list.
    ///
    /// ```
    /// use diplomatic::error::WordsError;
    /// use diplomatic::Seed;
    ///
    /// let mistake = Seed::from_words("abandon ability abel about").unwrap_err();
    /// assert_eq!(mistake.to_string(), "word 3, `abel`, is not on the list; did you mean `able`?");
    /// ```
    pub fn from_words(text: &str) -> Result<Self, WordsError> {
        // Each character becomes three bytes at most when it is made small.
        let mut small = Zeroizing::new(String::with_capacity(text.len() * 3));
        small.extend(text.chars().flat_map(char::to_lowercase));
        let mut count = 0;
        for word in small.split_whitespace() {
            count += 1;
            if Language::English.find_word(word).is_none() {
                let (shown, nearest) = (word.chars().take(SHOWN).collect(), nearest(word));
                return Err(WordsError::UnknownWord { place: count, word: shown, nearest });
            }
        }
        if count != COUNT {
            return Err(WordsError::WrongCount { count });
        }
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &small);
        let mnemonic = Zeroizing::new(mnemonic.map_err(|_| WordsError::WrongChecksum)?);
        let (entropy, _) = mnemonic.to_entropy_array();
        let entropy = Zeroizing::new(entropy);
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(&entropy[..32]);
        Ok(Self::from_bytes(*bytes))
    }

    /// Returns four words by which a person can check that two devices have the same seed. They reveal nothing about it.
    ///
    /// ```
    /// use diplomatic::Seed;
    ///
    /// let (phone, laptop) = (Seed::from_bytes([1; 32]), Seed::from_bytes([2; 32]));
    /// assert_eq!(phone.fingerprint().to_string().split(' ').count(), 4);
    /// assert_ne!(phone.fingerprint(), laptop.fingerprint());
    /// ```
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = blake3::Hasher::new_derive_key(FINGERPRINT);
        hasher.update(self.expose_bytes());
        let hash = hasher.finalize();
        hasher.zeroize();
        Fingerprint(four_words(hash.as_bytes()))
    }
}

impl Digest {
    /// Returns four words for people to compare. If they are the same on two devices, so is the data.
    pub fn words(&self) -> String {
        four_words(self.as_bytes()).join(" ")
    }
}

/// Returns the first 44 bits, eleven a word.
fn four_words(hash: &[u8; 32]) -> [&'static str; 4] {
    let (start, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
    let bits = u64::from_be_bytes(*start);
    let list = Language::English.word_list();
    [53, 42, 31, 20].map(|shift| list[(bits >> shift) as usize % list.len()])
}

/// Four words that identify a seed without revealing anything about it. See [`Seed::fingerprint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([&'static str; 4]);

impl Fingerprint {
    /// Returns the words.
    pub const fn words(&self) -> &[&'static str; 4] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// Returns the word on the list with the smallest edit distance to `word`; among several, the one with the longest
/// common prefix. `None` if all are too different.
fn nearest(word: &str) -> Option<&'static str> {
    let letters: Vec<char> = word.chars().take(SHOWN).collect();
    let common_start = |other: &str| letters.iter().zip(other.chars()).take_while(|(a, b)| **a == *b).count();
    let all = Language::English.word_list().iter().copied();
    let scored = all.map(|other| (slips(&letters, other), usize::MAX - common_start(other), other));
    let (slips, _, nearest) = scored.min()?;
    (slips <= letters.len() / 2).then_some(nearest)
}

/// Returns the optimal string alignment distance: deletions, insertions, substitutions and swaps of neighbours.
fn slips(letters: &[char], other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before = vec![0; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, &letter) in letters.iter().enumerate() {
        let mut row = vec![i + 1; other.len() + 1];
        for (j, &wanted) in other.iter().enumerate() {
            let changed = last[j] + usize::from(letter != wanted);
            row[j + 1] = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && letter == other[j - 1] && letters[i - 1] == wanted {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

crate::standard::never_retryable::never_retryable!(WordsError);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The vectors of BIP-39 that have 32 bytes, and what stands for them.
    const VECTORS: [(&str, &str); 8] = [
        (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
             abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
        ),
        (
            "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
            "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful \
             legal winner thank year wave sausage worth title",
        ),
        (
            "8080808080808080808080808080808080808080808080808080808080808080",
            "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic \
             avoid letter advice cage absurd amount doctor acoustic bless",
        ),
        (
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote",
        ),
        (
            "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
            "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel \
             tennis maple dilemma loan word shrug inflict delay length",
        ),
        (
            "9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863",
            "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich alcohol speed nation \
             flash devote level hobby quick inner drive ghost inside",
        ),
        (
            "066dca1a2bb7e8a1db2832148ce9933eea0f3ac9548d793112d9a95c9407efad",
            "all hour make first leader extend hole alien behind guard gospel lava path output census museum junior \
             mass reopen famous sing advance salt reform",
        ),
        (
            "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
            "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen patrol \
             group space point ten exist slush involve unfold",
        ),
    ];

    #[test]
    fn words_are_those_of_bip_39() {
        for (hex, words) in VECTORS {
            let seed: Seed = hex.parse().unwrap();
            assert_eq!(*seed.expose_words(), words);
            assert_eq!(*Seed::from_words(words).unwrap().expose_hex(), hex);
        }
    }

    #[test]
    fn case_and_white_space_do_not_matter() {
        let (hex, words) = VECTORS[4];
        let written = format!("\u{a0}\n{}\t\r\n", words.to_uppercase().replace(' ', "\t \n"));
        assert_eq!(*Seed::from_words(&written).unwrap().expose_hex(), hex);
    }

    #[test]
    fn a_wrong_word_is_pointed_at_with_the_one_that_was_meant() {
        let words = VECTORS[5].1;
        for (right, wrong, place) in [
            ("eyebrow", "eyebro", 2),
            ("gorilla", "gorrilla", 4),
            ("taste", "tsate", 8),
            ("discover", "DISCOVR", 10),
            ("inside", "insid", 24),
        ] {
            let mistake = Seed::from_words(&words.replace(right, wrong)).unwrap_err();
            let small = wrong.to_lowercase();
            assert_eq!(mistake, WordsError::UnknownWord { place, word: small.clone(), nearest: Some(right) });
            let sentence = format!("word {place}, `{small}`, is not on the list; did you mean `{right}`?");
            assert_eq!(mistake.to_string(), sentence);
        }
        let mistake = Seed::from_words("abandn").unwrap_err().to_string();
        assert_eq!(mistake, "word 1, `abandn`, is not on the list; did you mean `abandon`?");
    }

    #[test]
    fn what_is_like_no_word_gets_no_advice_and_is_not_repeated_in_full() {
        let mistake = Seed::from_words(VECTORS[5].0).unwrap_err().to_string();
        assert_eq!(mistake, "word 1, `9f6a2878b252`, is not on the list");
        let mistake = Seed::from_words("\u{1b}[31mred").unwrap_err().to_string();
        assert!(mistake.contains("`\\u{1b}[31mred`"), "{mistake}");
    }

    #[test]
    fn a_wrong_count_is_told() {
        let words = VECTORS[6].1;
        let (short, _) = words.rsplit_once(' ').unwrap();
        assert_eq!(Seed::from_words(short).unwrap_err(), WordsError::WrongCount { count: 23 });
        assert_eq!(Seed::from_words(&format!("{words} zoo")).unwrap_err(), WordsError::WrongCount { count: 25 });
        assert_eq!(Seed::from_words(" \n").unwrap_err(), WordsError::WrongCount { count: 0 });
    }

    #[test]
    fn swapped_and_mistaken_words_fail_the_checksum() {
        let words = VECTORS[7].1;
        for (right, wrong) in [("void come", "come void"), ("unfold", "unit")] {
            let mistake = Seed::from_words(&words.replace(right, wrong)).unwrap_err();
            assert_eq!(mistake, WordsError::WrongChecksum);
        }
    }

    #[test]
    fn the_fingerprint_stays_the_same_for_ever() {
        let fingerprint = |hex: &str| hex.parse::<Seed>().unwrap().fingerprint().to_string();
        assert_eq!(fingerprint(VECTORS[0].0), "state fiction ankle cereal");
        assert_eq!(fingerprint(VECTORS[4].0), "liquid raccoon fringe fury");
    }

    proptest! {
        #[test]
        fn every_seed_reads_back_from_its_words(bytes in any::<[u8; 32]>()) {
            let seed = Seed::from_bytes(bytes);
            prop_assert_eq!(*Seed::from_words(&seed.expose_words()).unwrap().expose_bytes(), bytes);
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
            let _ = Seed::from_words(&text);
        }
    }
}
