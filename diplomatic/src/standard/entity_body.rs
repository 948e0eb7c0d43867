//! The entity body: what the standard's applications put into a message about an entity.

use std::fmt;

use super::message_pack::{Cursor, Malformed, Value};
use super::{Decode, DecodeError, Encode, EntityId};

/// The body of a message about anything but a singleton: a MessagePack map that names the content's type.
///
/// ```text
/// { "type": string, "body": anything, "gid": string (optional), "pid": bin of an EID (optional) }
/// ```
///
/// Keys come in any order. A key whose value is nil counts as absent, and unknown keys are skipped. If a key appears
/// twice, the last one counts, as in the standard's JavaScript clients. Decoding copies nothing and reads each byte
/// once.
///
/// ```
/// use diplomatic::standard::EntityBody;
///
/// let body = EntityBody::new("todo.added", b"\x81\xa5title\xa4milk");
/// let bytes = body.to_bytes();
/// assert_eq!(bytes, *b"\x82\xa4type\xaatodo.added\xa4body\x81\xa5title\xa4milk");
/// assert_eq!(EntityBody::decode(&bytes).unwrap(), body);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EntityBody<'a> {
    /// The content's type (`type`).
    pub type_name: &'a str,
    /// The content (`body`): one MessagePack value, encoded; [nil](Self::NIL) if there is none.
    pub payload: &'a [u8],
    /// The group that the entity belongs to (`gid`).
    pub group: Option<&'a str>,
    /// The entity's parent (`pid`).
    pub parent: Option<EntityId>,
}

/// Why bytes are not an entity body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntityBodyError {
    /// The bytes end inside a MessagePack value.
    #[error("the bytes end inside a MessagePack value")]
    Truncated,
    /// A byte does not start a MessagePack value.
    #[error("a byte does not start a MessagePack value")]
    ReservedMarker,
    /// The body is not a MessagePack map.
    #[error("an entity body is not a MessagePack map")]
    NotAMap,
    /// Bytes follow the map.
    #[error("bytes follow the map")]
    TrailingBytes,
    /// The key `type` is missing.
    #[error("the key `type` of an entity body is missing")]
    MissingType,
    /// A key has a value of the wrong kind.
    #[error("the key `{key}` does not hold a {wanted}")]
    WrongKind {
        /// The key.
        key: &'static str,
        /// What it should hold.
        wanted: &'static str,
    },
    /// `pid` holds bytes that are not an entity ID.
    #[error("the key `pid` does not hold an entity ID")]
    Parent(#[source] DecodeError),
}

impl From<Malformed> for EntityBodyError {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Truncated => Self::Truncated,
            Malformed::ReservedMarker => Self::ReservedMarker,
        }
    }
}

impl<'a> EntityBody<'a> {
    /// The MessagePack value nil: the payload of a body without content.
    pub const NIL: &'static [u8] = &[0xc0];

    /// Makes a body from a type and a payload, which is one encoded MessagePack value.
    pub const fn new(type_name: &'a str, payload: &'a [u8]) -> Self {
        Self { type_name, payload, group: None, parent: None }
    }

    /// Appends the map to `out`: `type` and `body`, then `gid` and `pid` if present.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Self { type_name, payload, group, parent } = self;
        let keys = 2 + u8::from(group.is_some()) + u8::from(parent.is_some());
        out.push(0x80 | keys);
        put_str(out, "type");
        put_str(out, type_name);
        put_str(out, "body");
        out.extend_from_slice(payload);
        if let Some(group) = group {
            put_str(out, "gid");
            put_str(out, group);
        }
        if let Some(parent) = parent {
            put_str(out, "pid");
            rmp::encode::write_bin(out, &parent.to_bytes()).expect("a vector takes every byte");
        }
    }

    /// Returns the bytes of the map.
    pub fn to_bytes(&self) -> Vec<u8> {
        // The keys, the markers and a usual entity id take less than 48 bytes.
        let content = self.type_name.len() + self.payload.len() + self.group.map_or(0, str::len);
        let mut out = Vec::with_capacity(content + 48);
        self.encode(&mut out);
        out
    }

    /// Decodes a map that takes up all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`EntityBodyError`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, EntityBodyError> {
        let mut cursor = Cursor::new(bytes);
        let entries = cursor.map_header()?.ok_or(EntityBodyError::NotAMap)?;
        let (mut type_name, mut payload, mut group, mut parent) = (None, Self::NIL, None, None);
        for _ in 0..entries {
            let Value::Str(key) = cursor.value()? else {
                cursor.raw()?;
                continue;
            };
            match key {
                b"type" => type_name = string("type", cursor.value()?)?,
                b"body" => payload = cursor.raw()?,
                b"gid" => group = string("gid", cursor.value()?)?,
                b"pid" => parent = entity("pid", cursor.value()?)?,
                _ => {
                    cursor.raw()?;
                }
            }
        }
        if !cursor.is_empty() {
            return Err(EntityBodyError::TrailingBytes);
        }
        let parent = parent.map(EntityId::decode).transpose().map_err(EntityBodyError::Parent)?;
        Ok(Self { type_name: type_name.ok_or(EntityBodyError::MissingType)?, payload, group, parent })
    }
}

/// Leaves out the payload, because a user's content does not belong in logs.
impl fmt::Debug for EntityBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { type_name, payload, group, parent } = self;
        f.debug_struct("EntityBody")
            .field("type_name", type_name)
            .field("payload", &format_args!("{} bytes", payload.len()))
            .field("group", group)
            .field("parent", parent)
            .finish()
    }
}

fn string<'a>(key: &'static str, value: Value<'a>) -> Result<Option<&'a str>, EntityBodyError> {
    let wrong = EntityBodyError::WrongKind { key, wanted: "string" };
    match value {
        Value::Nil => Ok(None),
        Value::Str(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| wrong),
        _ => Err(wrong),
    }
}

fn entity<'a>(key: &'static str, value: Value<'a>) -> Result<Option<&'a [u8]>, EntityBodyError> {
    match value {
        Value::Nil => Ok(None),
        Value::Bin(bytes) => Ok(Some(bytes)),
        _ => Err(EntityBodyError::WrongKind { key, wanted: "bin" }),
    }
}

fn put_str(out: &mut Vec<u8>, text: &str) {
    rmp::encode::write_str(out, text).expect("a vector takes every byte");
}

crate::standard::never_retryable::never_retryable!(EntityBodyError);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::standard::Timestamp;

    fn decode(bytes: &[u8]) -> Result<EntityBody<'_>, EntityBodyError> {
        EntityBody::decode(bytes)
    }

    #[test]
    fn nil_and_absent_are_the_same() {
        let body = decode(b"\x84\xa4body\xc0\xa4type\xa1t\xa3gid\xc0\xa3pid\xc0").unwrap();
        assert_eq!(body, EntityBody::new("t", EntityBody::NIL));
        assert_eq!(decode(b"\x81\xa4type\xa1t").unwrap(), body);
    }

    #[test]
    fn unknown_keys_and_keys_that_are_no_strings_are_stepped_over() {
        let body = decode(b"\x85\xa1x\x92\x01\x81\xc0\xc0\x07\xa1y\x90\xc3\xa4type\xa1t\xa4body\x2a").unwrap();
        assert_eq!(body, EntityBody::new("t", &[0x2a]));
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let body = decode(b"\x84\xa4type\xa1a\xa4body\x01\xa4type\xa1b\xa4body\x02").unwrap();
        assert_eq!(body, EntityBody::new("b", &[2]));
        assert_eq!(decode(b"\x82\xa4type\xa1a\xa4type\xc0").unwrap_err(), EntityBodyError::MissingType);
    }

    #[test]
    fn every_defect_has_its_own_error() {
        use EntityBodyError::{MissingType, NotAMap, Parent, ReservedMarker, TrailingBytes, Truncated, WrongKind};
        let cases: [(&[u8], EntityBodyError); 12] = [
            (b"", Truncated),
            (b"\xa4type", NotAMap),
            (b"\xc0", NotAMap),
            (b"\x80", MissingType),
            (b"\x81\xa4body\x01", MissingType),
            (b"\x81\xa4type\x01", WrongKind { key: "type", wanted: "string" }),
            (b"\x81\xa4type\xa1\xff", WrongKind { key: "type", wanted: "string" }),
            (b"\x82\xa4type\xa1t\xa3gid\xc4\x01g", WrongKind { key: "gid", wanted: "string" }),
            (b"\x82\xa4type\xa1t\xa3pid\xa1p", WrongKind { key: "pid", wanted: "bin" }),
            (b"\x82\xa4type\xa1t\xa3pid\xc4\x01\x00", Parent(DecodeError::TruncatedVarint)),
            (b"\x81\xa4type\xa1t\xc0", TrailingBytes),
            (b"\x82\xa4type\xa1t\xa4body\xc1", ReservedMarker),
        ];
        for (bytes, error) in cases {
            assert_eq!(decode(bytes).unwrap_err(), error, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_map_that_announces_four_billion_entries_is_cut_short() {
        assert_eq!(decode(b"\xdf\xff\xff\xff\xff\xa4type\xa1t").unwrap_err(), EntityBodyError::Truncated);
    }

    #[test]
    fn debug_keeps_the_payload_to_itself() {
        let shown = format!("{:?}", EntityBody::new("t", b"\xa6secret"));
        assert!(shown.contains("7 bytes") && !shown.contains("115"), "{shown}");
    }

    /// One MessagePack value of any kind.
    fn payload() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            Just(vec![0xc0]),
            any::<u8>().prop_map(|byte| vec![0xcc, byte]),
            any::<[u8; 8]>().prop_map(|bytes| [&[0xcb], &bytes[..]].concat()),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| {
                let mut out = Vec::new();
                rmp::encode::write_bin(&mut out, &bytes).unwrap();
                out
            }),
            "\\PC{0,40}".prop_map(|text| {
                let mut out = Vec::new();
                put_str(&mut out, &text);
                out
            }),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            proptest::collection::vec(inner, 0..6).prop_map(|values| {
                let mut out = Vec::new();
                rmp::encode::write_array_len(&mut out, values.len() as u32).unwrap();
                out.extend(values.concat());
                out
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_and_no_prefix_of_it_does(
            type_name in "\\PC{0,40}",
            payload in payload(),
            group in proptest::option::of("\\PC{0,300}"),
            parent in proptest::option::of((proptest::collection::vec(any::<u8>(), 0..20), 0..1_u64 << 53)),
        ) {
            let parent = parent.map(|(id, created)| EntityId::new(&id, Timestamp::from_millis(created)));
            let body = EntityBody { type_name: &type_name, payload: &payload, group: group.as_deref(), parent };
            let bytes = body.to_bytes();
            prop_assert_eq!(decode(&bytes).unwrap(), body);
            for cut in 0..bytes.len() {
                prop_assert_eq!(decode(&bytes[..cut]).unwrap_err(), EntityBodyError::Truncated);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = decode(&[b"\x84\xa4type\xa1t", &bytes[..]].concat());
        }
    }
}
