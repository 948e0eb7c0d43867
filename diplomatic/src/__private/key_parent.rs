//! The parent of a register: the entity that its one key field names, whatever type the field has.

use std::fmt;

use serde::ser::{Error, Impossible, Serialize, Serializer};

use crate::standard::{Decode, ENTITY_ID, EntityId};

/// Returns the entity id that a key field is, as what it serializes to tells: an [`EntityId`], in an `Option`, behind a
/// pointer, or in a newtype of the app's.
pub fn key_parent<K: Serialize + ?Sized>(key: &K) -> Option<EntityId> {
    key.serialize(Probe { is_in_id: false }).ok()
}

/// As [`key_parent`] does, of a key field that `serialize` serializes.
pub fn key_parent_by(serialize: impl FnOnce(Probe) -> Result<EntityId, NoEntityId>) -> Option<EntityId> {
    serialize(Probe { is_in_id: false }).ok()
}

/// A serializer that takes entity ids alone.
#[derive(Debug, Clone, Copy)]
pub struct Probe {
    /// Whether the bytes to come are those of an entity id: other bytes can look the same.
    is_in_id: bool,
}

/// What is serialized is no entity id.
#[derive(Debug)]
pub struct NoEntityId;

impl fmt::Display for NoEntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an entity id")
    }
}

impl std::error::Error for NoEntityId {}

impl Error for NoEntityId {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Outcome = Result<EntityId, NoEntityId>;
type Other = Impossible<EntityId, NoEntityId>;

/// Implements the methods for what is no entity id.
macro_rules! no_entity_id {
    ($($method:ident($($argument:ty),*) -> $outcome:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$outcome, NoEntityId> {
            Err(NoEntityId)
        }
    )*};
}

impl Serializer for Probe {
    type Ok = EntityId;
    type Error = NoEntityId;
    type SerializeSeq = Other;
    type SerializeTuple = Other;
    type SerializeTupleStruct = Other;
    type SerializeTupleVariant = Other;
    type SerializeMap = Other;
    type SerializeStruct = Other;
    type SerializeStructVariant = Other;

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Outcome {
        value.serialize(Self { is_in_id: name == ENTITY_ID })
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Outcome {
        if self.is_in_id { EntityId::decode(bytes).map_err(|_| NoEntityId) } else { Err(NoEntityId) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Outcome {
        value.serialize(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Outcome {
        Err(NoEntityId)
    }

    no_entity_id! {
        serialize_bool(bool) -> EntityId;
        serialize_i8(i8) -> EntityId;
        serialize_i16(i16) -> EntityId;
        serialize_i32(i32) -> EntityId;
        serialize_i64(i64) -> EntityId;
        serialize_i128(i128) -> EntityId;
        serialize_u8(u8) -> EntityId;
        serialize_u16(u16) -> EntityId;
        serialize_u32(u32) -> EntityId;
        serialize_u64(u64) -> EntityId;
        serialize_u128(u128) -> EntityId;
        serialize_f32(f32) -> EntityId;
        serialize_f64(f64) -> EntityId;
        serialize_char(char) -> EntityId;
        serialize_str(&str) -> EntityId;
        serialize_none() -> EntityId;
        serialize_unit() -> EntityId;
        serialize_unit_struct(&'static str) -> EntityId;
        serialize_unit_variant(&'static str, u32, &'static str) -> EntityId;
        serialize_seq(Option<usize>) -> Other;
        serialize_tuple(usize) -> Other;
        serialize_tuple_struct(&'static str, usize) -> Other;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Other;
        serialize_map(Option<usize>) -> Other;
        serialize_struct(&'static str, usize) -> Other;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard::{Encode, Timestamp};

    #[derive(serde::Serialize)]
    struct Newtype<T>(T);

    #[derive(serde::Serialize)]
    struct Bytes(#[serde(serialize_with = "as_bytes")] Vec<u8>);

    fn as_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    #[test]
    fn an_id_is_found_in_all_that_serializes_as_it() {
        let id = EntityId::new(b"milkmilk", Timestamp::from_millis(1_764_000_000_000));
        let some = Some(&id);
        assert_eq!(key_parent(&id).as_ref(), some);
        assert_eq!(key_parent(&Some(id.clone())).as_ref(), some);
        assert_eq!(key_parent(&Box::new(id.clone())).as_ref(), some);
        assert_eq!(key_parent(&Box::new(Newtype(Some(Newtype(&id))))).as_ref(), some);
        assert_eq!(key_parent(&Cow::Borrowed(&id)).as_ref(), some);
    }

    #[test]
    fn what_only_looks_like_an_id_is_none() {
        let id = EntityId::new(b"milkmilk", Timestamp::from_millis(1_764_000_000_000));
        assert_eq!(key_parent(&Bytes(id.to_bytes())), None);
        assert_eq!(key_parent(&id.to_string()), None);
        assert_eq!(key_parent(&None::<EntityId>), None);
        assert_eq!(key_parent(&[&id]), None);
        assert_eq!(key_parent(&7), None);
    }

    type Cow<'a> = std::borrow::Cow<'a, EntityId>;
}
