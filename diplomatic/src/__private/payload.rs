//! Payloads: the fields of a variant as one MessagePack value.
//!
//! What is read comes from anywhere. The deserializers of recursive types follow the nesting of the bytes on the
//! stack, and rmp-serde counts the levels of arrays and maps, but not those of enums. So the nesting is measured
//! first, without recursion; and what would not be read back is not written.

use rmp::Marker;
use rmp_serde::config::{DefaultConfig, StructMapConfig};
use rmp_serde::{Serializer, decode, encode};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::event::{DecodeEventError, EncodeEventError, PayloadFault, Target};
use crate::standard::message_pack::Cursor;

/// Arrays and maps within one another that a payload may have.
const MAX_NESTING: usize = 128;

const TOO_DEEP: PayloadFault = PayloadFault::TooDeep { most: MAX_NESTING };

type PayloadSerializer = Serializer<Vec<u8>, StructMapConfig<DefaultConfig>>;

/// Returns the payload that `write` writes.
///
/// # Errors
///
/// [`EncodeEventError`], when a field does not serialize, or what it writes could not be read back.
pub fn write_payload(
    type_name: &'static str,
    write: impl FnOnce(&mut PayloadSerializer) -> Result<(), encode::Error>,
) -> Result<Vec<u8>, EncodeEventError> {
    let mut serializer = Serializer::new(Vec::with_capacity(64)).with_struct_map();
    let unwritable = |fault| EncodeEventError { type_name, fault };
    write(&mut serializer).map_err(|error| unwritable(PayloadFault::Serde(error.to_string().into())))?;
    let payload = serializer.into_inner();
    check_one_value(&payload).map_err(unwritable)?;
    Ok(payload)
}

/// Returns the payload of a variant without fields.
pub fn nothing() -> Vec<u8> {
    vec![Marker::Null.to_u8()]
}

/// Returns the target of a register: the array of the `len` key fields that `write` writes.
///
/// # Errors
///
/// [`EncodeEventError`], when a key field does not serialize.
pub fn register_target(
    type_name: &'static str,
    len: u32,
    write: impl FnOnce(&mut PayloadSerializer) -> Result<(), encode::Error>,
) -> Result<Target, EncodeEventError> {
    let key = write_payload(type_name, |serializer| {
        rmp::encode::write_array_len(serializer.get_mut(), len)?;
        write(serializer)
    })?;
    let mut values = Cursor::new(&key);
    while let Ok(part) = values.part() {
        if matches!(part[0], 0xca | 0xcb) {
            return Err(EncodeEventError { type_name, fault: PayloadFault::FloatInKey });
        }
    }
    Ok(Target::Register { key })
}

/// Reads a payload that is one bare value, or an array of positional fields.
///
/// Where it does not fit with floats as they are, whole ones are read as integers: encoders of languages that have one
/// kind of number write large integers as floats.
///
/// # Errors
///
/// [`DecodeEventError::Payload`], when the payload is not one MessagePack value that fits `T`.
pub fn read_value<T: DeserializeOwned>(type_name: &'static str, payload: &[u8]) -> Result<T, DecodeEventError> {
    let unreadable = |fault| DecodeEventError::Payload { type_name, fault };
    check_one_value(payload).map_err(unreadable)?;
    let read = |payload: &[u8]| T::deserialize(&mut decode::Deserializer::from_read_ref(payload));
    read(payload)
        .or_else(|error| match with_integers(payload) {
            Some(payload) => read(&payload),
            None => Err(error),
        })
        .map_err(|error| unreadable(PayloadFault::Serde(error.to_string().into())))
}

/// Returns a payload with its whole floats as integers, as far as those reach; `None` if there are none.
fn with_integers(payload: &[u8]) -> Option<Vec<u8>> {
    let mut values = Cursor::new(payload);
    let mut changed = None;
    let mut passed = 0;
    while !values.is_empty() {
        let part = values.part().ok()?;
        let float = match part {
            [0xca, bytes @ ..] => Some(f64::from(f32::from_be_bytes(bytes.try_into().ok()?))),
            [0xcb, bytes @ ..] => Some(f64::from_be_bytes(bytes.try_into().ok()?)),
            _ => None,
        };
        match float.and_then(integer) {
            Some(integer) => changed.get_or_insert_with(|| payload[..passed].to_vec()).extend(integer),
            None => changed.iter_mut().for_each(|changed| changed.extend_from_slice(part)),
        }
        passed += part.len();
    }
    changed
}

/// Returns the integer that a float is, in MessagePack.
fn integer(float: f64) -> Option<[u8; 9]> {
    /// 2^63 and 2^64, which floats hold exactly: the ends of what `i64` and `u64` hold.
    const ENDS: (f64, f64) = (9_223_372_036_854_775_808.0, 18_446_744_073_709_551_616.0);
    if float.fract() != 0.0 {
        return None;
    }
    let (marker, bits) = match float {
        0.0.. if float < ENDS.1 => (0xcf, (float as u64).to_be_bytes()),
        ..0.0 if float >= -ENDS.0 => (0xd3, (float as i64).to_be_bytes()),
        _ => return None,
    };
    let mut bytes = [marker; 9];
    bytes[1..].copy_from_slice(&bits);
    Some(bytes)
}

/// Reads a payload of named fields; nil, which a variant without fields writes, is a map without entries.
///
/// # Errors
///
/// [`DecodeEventError::Payload`], when the payload is not one MessagePack value that fits `T`.
pub fn read_fields<T: DeserializeOwned>(type_name: &'static str, payload: &[u8]) -> Result<T, DecodeEventError> {
    const NIL: u8 = 0xc0;
    const EMPTY_MAP: u8 = 0x80;
    read_value(type_name, if payload == [NIL] { &[EMPTY_MAP] } else { payload })
}

/// Reads the payload of a variant without fields: nil, or a map, whose entries would be fields of another build.
///
/// # Errors
///
/// [`DecodeEventError::Payload`], when the payload is anything else.
pub fn read_nothing(type_name: &'static str, payload: &[u8]) -> Result<(), DecodeEventError> {
    read_value(type_name, payload).map(|Nothing| ())
}

struct Nothing;

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NothingVisitor;

        impl<'de> Visitor<'de> for NothingVisitor {
            type Value = Nothing;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("nil or a map")
            }

            fn visit_unit<E>(self) -> Result<Nothing, E> {
                Ok(Nothing)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Nothing, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Nothing)
            }
        }

        deserializer.deserialize_any(NothingVisitor)
    }
}

/// Checks that the bytes are exactly one MessagePack value, nested at most [`MAX_NESTING`] deep.
fn check_one_value(mut bytes: &[u8]) -> Result<(), PayloadFault> {
    // How many values are still to come, in each array and map around the place.
    let mut open: Vec<u64> = vec![1];
    while let Some(left) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        let inner = match Marker::from_u8(take(&mut bytes, 1)?[0]) {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => continue,
            Marker::U8 | Marker::I8 => skip(&mut bytes, 1)?,
            Marker::U16 | Marker::I16 => skip(&mut bytes, 2)?,
            Marker::U32 | Marker::I32 | Marker::F32 => skip(&mut bytes, 4)?,
            Marker::U64 | Marker::I64 | Marker::F64 => skip(&mut bytes, 8)?,
            Marker::FixStr(len) => skip(&mut bytes, len.into())?,
            Marker::Str8 | Marker::Bin8 => skip_sized(&mut bytes, 1, 0)?,
            Marker::Str16 | Marker::Bin16 => skip_sized(&mut bytes, 2, 0)?,
            Marker::Str32 | Marker::Bin32 => skip_sized(&mut bytes, 4, 0)?,
            Marker::FixExt1 => skip(&mut bytes, 2)?,
            Marker::FixExt2 => skip(&mut bytes, 3)?,
            Marker::FixExt4 => skip(&mut bytes, 5)?,
            Marker::FixExt8 => skip(&mut bytes, 9)?,
            Marker::FixExt16 => skip(&mut bytes, 17)?,
            Marker::Ext8 => skip_sized(&mut bytes, 1, 1)?,
            Marker::Ext16 => skip_sized(&mut bytes, 2, 1)?,
            Marker::Ext32 => skip_sized(&mut bytes, 4, 1)?,
            Marker::FixArray(len) => len.into(),
            Marker::Array16 => take_len(&mut bytes, 2)?,
            Marker::Array32 => take_len(&mut bytes, 4)?,
            Marker::FixMap(len) => 2 * u64::from(len),
            Marker::Map16 => 2 * take_len(&mut bytes, 2)?,
            Marker::Map32 => 2 * take_len(&mut bytes, 4)?,
            Marker::Reserved => return Err(PayloadFault::NotMessagePack),
        };
        if inner > 0 {
            if open.len() > MAX_NESTING {
                return Err(TOO_DEEP);
            }
            open.push(inner);
        }
    }
    if bytes.is_empty() { Ok(()) } else { Err(PayloadFault::Trailing) }
}

/// Passes `len` bytes that hold no other value: zero values are in there.
fn skip(bytes: &mut &[u8], len: u64) -> Result<u64, PayloadFault> {
    take(bytes, len).map(|_| 0)
}

/// Passes what has its length in front, in `width` bytes, and `extra` bytes more.
fn skip_sized(bytes: &mut &[u8], width: u64, extra: u64) -> Result<u64, PayloadFault> {
    let len = take_len(bytes, width)?;
    skip(bytes, len + extra)
}

/// Takes a big-endian length of `width` bytes, at most four.
fn take_len(bytes: &mut &[u8], width: u64) -> Result<u64, PayloadFault> {
    Ok(take(bytes, width)?.iter().fold(0, |len, byte| len << 8 | u64::from(*byte)))
}

fn take<'a>(bytes: &mut &'a [u8], len: u64) -> Result<&'a [u8], PayloadFault> {
    let len = usize::try_from(len).map_err(|_| PayloadFault::CutShort)?;
    let (taken, rest) = bytes.split_at_checked(len).ok_or(PayloadFault::CutShort)?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        let mut bytes = vec![0x91; levels];
        bytes.push(0xc0);
        bytes
    }

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(check_one_value(&nested(MAX_NESTING)), Ok(()));
        assert_eq!(check_one_value(&nested(MAX_NESTING + 1)), Err(TOO_DEEP));
        assert_eq!(check_one_value(&nested(1 << 20)), Err(TOO_DEEP));
    }

    #[test]
    fn only_one_whole_value_passes() {
        assert_eq!(check_one_value(&[]), Err(PayloadFault::CutShort));
        assert_eq!(check_one_value(&[0xa3, b'a', b'b']), Err(PayloadFault::CutShort));
        assert_eq!(check_one_value(&[0xdf, 0xff, 0xff, 0xff, 0xff]), Err(PayloadFault::CutShort));
        assert_eq!(check_one_value(&[0xc0, 0xc0]), Err(PayloadFault::Trailing));
        assert_eq!(check_one_value(&[0xc1]), Err(PayloadFault::NotMessagePack));
        assert_eq!(check_one_value(&[0x82, 0x01, 0x90, 0x02, 0x80]), Ok(()));
    }

    #[test]
    fn an_entry_after_a_deep_one_is_at_its_own_level() {
        let mut bytes = vec![0x92];
        bytes.extend(nested(MAX_NESTING - 1));
        bytes.extend(nested(MAX_NESTING - 1));
        assert_eq!(check_one_value(&bytes), Ok(()));
    }

    #[derive(Debug, Clone, PartialEq, serde::Serialize, Deserialize)]
    struct Newtype(u64);

    #[derive(Debug, Clone, PartialEq, serde::Serialize, Deserialize)]
    enum Kind {
        Small(u8),
        Range { from: i64, to: Newtype },
    }

    #[derive(Debug, Clone, PartialEq, serde::Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Count { count: i32 },
    }

    /// Integers wherever they can be, and floats that stay floats.
    #[derive(Debug, Clone, PartialEq, serde::Serialize, Deserialize)]
    struct Numbers {
        small: (u8, i8, u16, i16, u32, i32, i64, u128, i128),
        maybe: Option<u64>,
        list: Vec<Newtype>,
        map: std::collections::BTreeMap<i16, u32>,
        kinds: Vec<Kind>,
        tagged: Tagged,
        #[serde(flatten)]
        rest: std::collections::BTreeMap<String, Newtype>,
        ratio: f64,
        half: f32,
    }

    fn numbers() -> Numbers {
        Numbers {
            small: (255, -128, 65_535, -32_768, u32::MAX, i32::MIN, -(1 << 62), 1 << 62, -5),
            maybe: Some(1_764_000_000_000),
            list: vec![Newtype(0), Newtype(1 << 63)],
            map: [(-3, 4), (3, 0)].into(),
            kinds: vec![Kind::Small(7), Kind::Range { from: -1, to: Newtype(2) }],
            tagged: Tagged::Count { count: -9 },
            rest: [("more".to_owned(), Newtype(12))].into(),
            ratio: 2.0,
            half: 0.5,
        }
    }

    /// Writes every integer as a float of 64 bits, or of 32 where that holds it.
    fn with_floats(payload: &[u8], short: bool) -> Vec<u8> {
        let mut values = Cursor::new(payload);
        let mut floats = Vec::new();
        while !values.is_empty() {
            let part = values.part().expect("a payload is MessagePack");
            let integer = match part[0] {
                0x00..=0x7f | 0xcc..=0xd3 | 0xe0..=0xff => rmp_serde::from_slice::<i128>(part).ok(),
                _ => None,
            };
            match integer {
                Some(integer) if short && integer as f32 as i128 == integer => {
                    rmp::encode::write_f32(&mut floats, integer as f32).expect("a vector grows");
                }
                Some(integer) => rmp::encode::write_f64(&mut floats, integer as f64).expect("a vector grows"),
                None => floats.extend_from_slice(part),
            }
        }
        floats
    }

    #[test]
    fn whole_floats_are_integers_wherever_those_stand() {
        let written = rmp_serde::to_vec_named(&numbers()).expect("plain data serializes");
        for short in [false, true] {
            let floats = with_floats(&written, short);
            assert_ne!(floats, written);
            assert_eq!(read_value::<Numbers>("t", &floats).expect("whole floats are read"), numbers());
        }
    }

    #[test]
    fn floats_that_are_no_integer_of_the_field_are_refused_with_the_reason() {
        let refused = |value: f64| {
            let payload = rmp_serde::to_vec(&value).expect("a float serializes");
            read_value::<u8>("t", &payload).expect_err("no u8").to_string()
        };
        assert!(refused(2.5).contains("floating point `2.5`, expected u8"), "{}", refused(2.5));
        assert!(refused(256.0).contains("integer `256`, expected u8"), "{}", refused(256.0));
        assert!(refused(-1.0).contains("integer `-1`, expected u8"), "{}", refused(-1.0));
        for value in [f64::NAN, f64::INFINITY, 1e300, 18_446_744_073_709_551_616.0] {
            assert!(refused(value).contains("floating point"), "{}", refused(value));
        }
        let payload = rmp_serde::to_vec(&-9_223_372_036_854_775_808.0).expect("a float serializes");
        assert_eq!(read_value::<i64>("t", &payload), Ok(i64::MIN));
        assert_eq!(read_value::<u64>("t", &[0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0]), Ok(0), "-0 is 0");
    }

    proptest! {
        #[test]
        fn bytes_that_pass_are_what_the_deserializer_reads(bytes in proptest::collection::vec(any::<u8>(), 0..48)) {
            let mut deserializer = decode::Deserializer::from_read_ref(&bytes);
            let read = IgnoredAny::deserialize(&mut deserializer);
            if check_one_value(&bytes).is_ok() {
                // The one matter that the check leaves to the deserializer is whether a string is UTF-8.
                prop_assert!(read.is_ok() || String::from_utf8(bytes).is_err());
            }
        }

        #[test]
        fn every_written_value_passes(value: (Option<i64>, String, Vec<(f64, bool)>, std::collections::BTreeMap<u32, Vec<i16>>)) {
            prop_assert_eq!(check_one_value(&rmp_serde::to_vec_named(&value).expect("plain data serializes")), Ok(()));
        }
    }
}
