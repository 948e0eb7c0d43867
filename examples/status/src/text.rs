//! The status as text, whatever another program wrote.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

/// A status. Programs should write strings; any other value is read as text that looks like JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue { is_inner: false }).map(Self)
    }
}

/// A value inside another one, where strings stand in quotation marks.
struct Inner(String);

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue { is_inner: true }).map(Self)
    }
}

struct AnyValue {
    is_inner: bool,
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(if self.is_inner { format!("{text:?}") } else { text.to_owned() })
    }

    fn visit_bool<E>(self, is: bool) -> Result<String, E> {
        Ok(is.to_string())
    }

    fn visit_i64<E>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_u64<E>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(if self.is_inner { format!("{digits:?}") } else { digits })
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<String, A::Error> {
        let mut parts = Vec::new();
        while let Some(Inner(value)) = values.next_element()? {
            parts.push(value);
        }
        Ok(format!("[{}]", parts.join(", ")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<String, A::Error> {
        let mut parts = Vec::new();
        while let Some((Inner(key), Inner(value))) = entries.next_entry()? {
            parts.push(format!("{key}: {value}"));
        }
        Ok(format!("{{{}}}", parts.join(", ")))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, extension: D) -> Result<String, D::Error> {
        // An extension of MessagePack, whose meaning only its program knows.
        IgnoredAny::deserialize(extension)?;
        Ok("?".to_owned())
    }
}

/// Shows a text in one line, with escapes in place of what could control the terminal or change the text's direction.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\n' | '\r' | '\t' => f.write_str(" "),
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                write!(f, "{}", character.escape_unicode())
            }
            character if character.is_control() => write!(f, "{}", character.escape_unicode()),
            character => write!(f, "{character}"),
        })
    }
}
