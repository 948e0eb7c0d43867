//! How values of the standard stand in data of serde: as text where people read it, and as bytes otherwise.

/// Implements serde for a type that shows itself as text, is parsed from it, and has `as_bytes` and `from_bytes`.
macro_rules! text_or_bytes {
    ($type:ty, $len:expr, $what:literal) => {
        const _: () = {
            use serde::de::{Deserialize, Deserializer, Error, Visitor};
            use serde::ser::{Serialize, Serializer};

            impl Serialize for $type {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    if serializer.is_human_readable() {
                        serializer.collect_str(self)
                    } else {
                        serializer.serialize_bytes(&<[u8; $len]>::from(*self))
                    }
                }
            }

            impl<'de> Deserialize<'de> for $type {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    struct OfAnyForm;

                    impl Visitor<'_> for OfAnyForm {
                        type Value = $type;

                        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                            f.write_str($what)
                        }

                        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<$type, E> {
                            let bytes: &[u8; $len] =
                                bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                            Ok(<$type>::from(*bytes))
                        }

                        fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                            let bytes = $crate::standard::parse_hex(text)
                                .and_then(|bytes| <[u8; $len]>::try_from(bytes).ok())
                                .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))?;
                            Ok(<$type>::from(bytes))
                        }
                    }

                    if deserializer.is_human_readable() {
                        deserializer.deserialize_str(OfAnyForm)
                    } else {
                        deserializer.deserialize_bytes(OfAnyForm)
                    }
                }
            }
        };
    };
}

pub(crate) use text_or_bytes;

/// Durations as whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// Shared texts.
pub(crate) mod shared_text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Arc::from)
    }
}
