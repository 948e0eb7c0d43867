//! Conversion between MessagePack and JSON.

use std::io::{self, Write};

use rmpv::ValueRef;
use serde::de::IgnoredAny;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

use crate::shown::steers_terminal;

/// How payloads are shown, for `--help`.
pub(crate) const AS_JSON: &str = "\
Payloads are MessagePack and are shown as JSON: bytes as a string of lower-case hex digits, a key that is not a string \
as a string of its JSON, NaN and infinite numbers as null, an extension as {\"ext\":type,\"data\":hex digits}. A payload \
that is not MessagePack is shown as a string of hex digits; with --json, it is under \"bytes\" instead of \"payload\".";

/// Decodes bytes that are exactly one MessagePack value.
pub(crate) fn read(bytes: &[u8]) -> Option<ValueRef<'_>> {
    // The decoder below takes the one byte that MessagePack never uses for nil.
    rmp_serde::from_slice::<IgnoredAny>(bytes).ok()?;
    let mut rest = bytes;
    let value = rmpv::decode::read_value_ref(&mut rest).ok()?;
    rest.is_empty().then_some(value)
}

/// Writes a JSON value in one line, without characters that could control a terminal.
pub(crate) fn write_json(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, Plain);
    value.serialize(&mut serializer).map_err(io::Error::from)
}

/// Returns what [`write_json`] writes.
pub(crate) fn json(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    // A vector takes every byte, and the values here serialize.
    let _ = write_json(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns the MessagePack of a value of JSON.
pub(crate) fn from_json(text: &str) -> Result<Vec<u8>, serde_json::Error> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    rmp_serde::to_vec(&value).map_err(serde::ser::Error::custom)
}

/// Returns the MessagePack of a text.
pub(crate) fn from_text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 5);
    // A vector takes every byte.
    let _ = rmpv::encode::write_value_ref(&mut bytes, &ValueRef::from(text));
    bytes
}

/// Returns bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A MessagePack value that serializes as JSON.
#[derive(Debug)]
pub(crate) struct AsJson<'a>(pub(crate) &'a ValueRef<'a>);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ValueRef::Nil => serializer.serialize_unit(),
            ValueRef::Boolean(is) => serializer.serialize_bool(*is),
            ValueRef::Integer(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => serializer.serialize_u64(number),
                (None, Some(number)) => serializer.serialize_i64(number),
                (None, None) => serializer.serialize_unit(),
            },
            ValueRef::F32(number) => serializer.serialize_f32(*number),
            ValueRef::F64(number) => serializer.serialize_f64(*number),
            ValueRef::String(text) => match text.as_str() {
                Some(text) => serializer.serialize_str(text),
                None => serializer.serialize_str(&hex(text.as_bytes())),
            },
            ValueRef::Binary(bytes) => serializer.serialize_str(&hex(bytes)),
            ValueRef::Array(values) => {
                let mut array = serializer.serialize_seq(Some(values.len()))?;
                values.iter().try_for_each(|value| array.serialize_element(&AsJson(value)))?;
                array.end()
            }
            ValueRef::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    match key {
                        ValueRef::String(text) if text.as_str().is_some() => {
                            map.serialize_entry(text.as_str().unwrap_or_default(), &AsJson(value))?;
                        }
                        key => map.serialize_entry(&json(&AsJson(key)), &AsJson(value))?,
                    }
                }
                map.end()
            }
            ValueRef::Ext(kind, data) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("ext", kind)?;
                map.serialize_entry("data", &hex(data))?;
                map.end()
            }
        }
    }
}

/// Formats JSON in one line and escapes characters that could control a terminal.
#[derive(Debug)]
struct Plain;

impl Formatter for Plain {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(steers_terminal) {
            let (plain, after) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            let mut characters = after.chars();
            let mut units = [0; 2];
            for unit in characters.next().unwrap_or_default().encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        out.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, out: &mut W, escape: CharEscape) -> io::Result<()> {
        CompactFormatter.write_char_escape(out, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        json(&AsJson(&read(bytes).unwrap()))
    }

    #[test]
    fn every_kind_of_value_has_its_json() {
        assert_eq!(shown(b"\xc0"), "null");
        assert_eq!(shown(b"\x93\xc2\xc3\x07"), "[false,true,7]");
        assert_eq!(shown(b"\xd3\xff\xff\xff\xff\xff\xff\xff\xfe"), "-2");
        assert_eq!(shown(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615");
        assert_eq!(shown(b"\xca\x3f\xc0\x00\x00"), "1.5");
        assert_eq!(shown(b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), "null");
        assert_eq!(shown(b"\xca\xff\x80\x00\x00"), "null");
        assert_eq!(shown(b"\xc4\x03\x00\x7f\xff"), r#""007fff""#);
        assert_eq!(shown(b"\xa2\xff\xfe"), r#""fffe""#);
        assert_eq!(shown(b"\xd4\x05\xab"), r#"{"ext":5,"data":"ab"}"#);
    }

    #[test]
    fn keys_that_are_no_strings_become_the_text_of_their_json() {
        assert_eq!(shown(b"\x82\x01\xa1a\xa1b\x02"), r#"{"1":"a","b":2}"#);
        assert_eq!(shown(b"\x81\x92\x01\xa1x\xc0"), r#"{"[1,\"x\"]":null}"#);
        assert_eq!(shown(b"\x81\xc4\x01\xfe\xc0"), r#"{"\"fe\"":null}"#);
    }

    #[test]
    fn nothing_in_a_string_steers_the_terminal() {
        let bytes = rmp_serde::to_vec("\u{1b}[31m\u{9b}\u{7f}\u{202e}a\"\n").unwrap();
        assert_eq!(shown(&bytes), r#""\u001b[31m\u009b\u007f\u202ea\"\n""#);
    }

    #[test]
    fn what_is_not_one_value_is_none() {
        assert!(read(b"").is_none());
        assert!(read(b"\x01\x02").is_none());
        assert!(read(b"\xa5abc").is_none());
        assert!(read(b"\xc1").is_none());
        assert!(read(b"\x92\x01\xc1").is_none());
        assert!(read(b"\x81\xa1a\xc1").is_none());
        assert!(read(b"\xdd\xff\xff\xff\xff").is_none());
        assert!(read(&[0x91; 100_000]).is_none());
    }

    #[test]
    fn json_goes_to_messagepack_and_back() {
        for text in [r#"{"a":[1,-2,1.5,true,null],"b":{"c":"d"}}"#, r#""text""#, "[]"] {
            assert_eq!(shown(&from_json(text).unwrap()), text);
        }
        assert!(from_json("{").is_err());
    }
}
