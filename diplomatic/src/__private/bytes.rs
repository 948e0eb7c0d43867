//! Fields that hold bytes: they are written as MessagePack `bin`, not as an array of numbers. Both forms are read.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A sequence of bytes, or a container of such.
#[diagnostic::on_unimplemented(
    message = "the field is a `{Self}`, which looks like bytes, but is none of the standard library's types",
    label = "not known as bytes",
    note = "say how it is serialized with `#[serde(with = \"...\")]`, such as `serde_bytes`"
)]
pub trait ByteField {
    /// Serializes it, with bytes as bytes.
    ///
    /// # Errors
    ///
    /// The serializer's.
    fn serialize_bytes<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

/// What is in a container.
struct Inner<'a, T>(&'a T);

impl<T: ByteField> Serialize for Inner<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_bytes(serializer)
    }
}

/// Implements [`ByteField`] for sequences of bytes.
macro_rules! sequences {
    ($($bytes:ty),*) => {$(
        impl ByteField for $bytes {
            fn serialize_bytes<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(self)
            }
        }
    )*};
}

sequences!(Vec<u8>, Box<[u8]>, Arc<[u8]>, Cow<'static, [u8]>);

impl<const N: usize> ByteField for [u8; N] {
    fn serialize_bytes<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<T: ByteField> ByteField for Option<T> {
    fn serialize_bytes<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(Inner).serialize(serializer)
    }
}

impl<T: ByteField> ByteField for Box<T> {
    fn serialize_bytes<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize_bytes(serializer)
    }
}

impl<T: ByteField> ByteField for Vec<T> {
    fn serialize_bytes<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Inner))
    }
}

impl<K: Serialize, T: ByteField> ByteField for BTreeMap<K, T> {
    fn serialize_bytes<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(key, value)| (key, Inner(value))))
    }
}

impl<K: Serialize, T: ByteField, H> ByteField for HashMap<K, T, H> {
    fn serialize_bytes<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(key, value)| (key, Inner(value))))
    }
}

/// Serializes a field that holds bytes.
///
/// # Errors
///
/// The serializer's.
pub fn serialize_bytes<T: ByteField, S: Serializer>(field: &T, serializer: S) -> Result<S::Ok, S::Error> {
    field.serialize_bytes(serializer)
}
