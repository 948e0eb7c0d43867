//! Seeds, as people type them.

use diplomatic::Seed;
use diplomatic::error::WordsError;
use diplomatic::standard::SeedParseError;
use zeroize::Zeroizing;

/// Text that is not a seed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedTextError {
    #[error(transparent)]
    Hex(#[from] SeedParseError),
    #[error(transparent)]
    Words(#[from] WordsError),
}

/// Parses a seed: 64 hex digits, or 24 words, which may be numbered.
pub(crate) fn read_seed(text: &str) -> Result<Seed, SeedTextError> {
    let mut words = Zeroizing::new(String::with_capacity(text.len()));
    for part in text.split_whitespace().filter(|part| !is_number(part)) {
        words.push_str(part);
        words.push(' ');
    }
    let looks_like_words = words.trim_end().contains(' ') || words.trim_end().chars().all(char::is_alphabetic);
    if looks_like_words && !words.is_empty() { Ok(Seed::from_words(&words)?) } else { Ok(text.trim().parse()?) }
}

/// Returns whether this is the number of a word in a list, such as `7`, `7.` or `7)`.
fn is_number(part: &str) -> bool {
    let digits = part.trim_end_matches(['.', ')', ':']);
    (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f";

    fn hex(text: &str) -> String {
        read_seed(text).map(|seed| seed.expose_hex().to_string()).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn hex_words_and_numbered_words_are_the_same_seed() {
        let words = HEX.parse::<Seed>().unwrap().expose_words();
        assert_eq!(hex(&format!(" {HEX}\n")), HEX);
        assert_eq!(hex(&HEX.to_uppercase()), HEX);
        assert_eq!(hex(&words), HEX);
        let numbered: Vec<String> = words.split(' ').zip(1..).map(|(word, n)| format!("{n:>2}. {word}\n")).collect();
        assert_eq!(hex(&numbered.concat()), HEX);
    }

    #[test]
    fn mistakes_are_those_of_what_was_meant() {
        assert!(hex("abandon").contains("here are 1"));
        assert!(hex("legal winer thank").contains("`winer`"));
        assert!(hex(&HEX[1..]).contains("here are 63"));
        assert!(hex(&HEX.replacen("7f", "7g", 1)).contains("character 2 is 'g'"));
        assert!(hex("").contains("here are 0"));
    }
}
