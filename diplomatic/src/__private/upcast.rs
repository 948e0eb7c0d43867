//! Payloads of earlier builds, made into events by the app's own functions.

use serde::de::DeserializeOwned;

use super::payload::{read_fields, read_value};
use crate::event::{DecodeEventError, PayloadFault};
use crate::standard::EntityId;

/// A function from an old payload to an event.
#[diagnostic::on_unimplemented(
    message = "this function is no upcast to `{E}`",
    label = "must be a `fn(Old) -> {E}` or a `fn(Old, &EntityId) -> {E}`, where `Old` implements `Deserialize`",
    note = "`Old` is the payload as it was, with the fields that it had then; it borrows nothing"
)]
pub trait Upcast<E, Arguments> {
    /// What the payload was.
    type Old: DeserializeOwned;

    /// Makes the event.
    fn make(&self, old: Self::Old, entity: &EntityId) -> E;
}

impl<E, Old: DeserializeOwned, F: Fn(Old) -> E> Upcast<E, (Old,)> for F {
    type Old = Old;

    fn make(&self, old: Old, _: &EntityId) -> E {
        self(old)
    }
}

impl<E, Old: DeserializeOwned, F: Fn(Old, &EntityId) -> E> Upcast<E, (Old, EntityId)> for F {
    type Old = Old;

    fn make(&self, old: Old, entity: &EntityId) -> E {
        self(old, entity)
    }
}

/// Reads the payload of an old type, and makes the event of it.
///
/// # Errors
///
/// [`DecodeEventError::Payload`], when the payload is not what the function takes.
pub fn upcast<E, Arguments, F: Upcast<E, Arguments>>(
    type_name: &'static str,
    payload: &[u8],
    entity: &EntityId,
    function: F,
) -> Result<E, DecodeEventError> {
    // Nil is what a variant without fields wrote: no value at all, or a struct all of whose fields have defaults.
    let old = read_value(type_name, payload).or_else(|error| read_fields(type_name, payload).map_err(|_| error))?;
    Ok(function.make(old, entity))
}

/// The error of an upcast that made another variant than the one that names it.
pub fn other_variant(type_name: &'static str, function: &'static str) -> DecodeEventError {
    DecodeEventError::Payload { type_name, fault: PayloadFault::OtherVariant { function } }
}
