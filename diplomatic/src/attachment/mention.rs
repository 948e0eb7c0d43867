//! Finding addresses in the bodies of messages, whatever app wrote them.

use super::{Attachment, MARK};
use crate::standard::Reader;

/// Returns every address in some bytes, in its binary form or as text. It may find some that are none, and misses none.
pub(crate) fn mentions(bytes: &[u8]) -> Vec<Attachment> {
    let mut found = Vec::new();
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            b'd' => found.extend(bytes[place..].strip_prefix(MARK).and_then(binary)),
            b'.' => found.extend(text(bytes, place)),
            _ => {}
        }
    }
    found
}

/// Reads an address after its mark.
fn binary(bytes: &[u8]) -> Option<Attachment> {
    let mut reader = Reader::new(bytes);
    Some(Attachment { root: reader.array().ok()?, len: reader.varint().ok()? })
}

/// Reads an address in text around its dot.
fn text(bytes: &[u8], dot: usize) -> Option<Attachment> {
    let start = dot.checked_sub(64)?;
    let digits = bytes[dot + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&bytes[start..dot + 1 + digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_among_other_bytes() {
        let (one, other) = (Attachment { root: [0xab; 32], len: 300_000 }, Attachment { root: [1; 32], len: 0 });
        let packed = rmp_serde::to_vec(&(7, one, "dip.fil.e", Some(other))).expect("it has bytes");
        assert_eq!(mentions(&packed), [one, other]);
        let written = format!("see {one} and ..{other}.");
        let packed = rmp_serde::to_vec(&written).expect("it has bytes");
        assert_eq!(mentions(&packed), [one, other]);
        let packed = rmp_serde::to_vec(&format!("a dip.file, {one}")).expect("it has bytes");
        assert!(mentions(&packed).contains(&one), "among what is none");
        assert_eq!(mentions(b"dip.filedip.file"), []);
    }
}
