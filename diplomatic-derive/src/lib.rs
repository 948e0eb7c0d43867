//! `#[derive(DiplomaticEvent)]` for the `diplomatic` crate.

mod ast;
mod attr;
mod expand;
mod valid;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `diplomatic::DiplomaticEvent` for an enum of things that can happen.
///
/// Each variant is one event type. Its name in messages is the variant's in snake case (`HTTPDone` is `http_done`),
/// after the enum's prefix and a point. Its shape says how it becomes a message:
///
/// | shape | attribute | meaning |
/// | --- | --- | --- |
/// | fact | none | happened; every one counts |
/// | register | `overwrites = "field"` | the latest per value of the field counts |
/// | register | `overwrites("field", "other")` | the latest per value of these fields together counts |
/// | entity | `entity = "field"` | the whole of the entity that the field names; the latest counts |
/// | delete | `deletes = "field"` | removes the entity that the field names, and the registers that hang on it |
/// | singleton | `singleton` | one value for the account; the latest counts |
///
/// Attributes stand in `#[diplomatic(...)]`, and several in one are separated by commas. Fields are named in string
/// literals; positional ones are `"0"`, `"1"` and so on.
///
/// # On the enum
///
/// - `prefix = "todo"`: what the names of all event types begin with.
/// - `crate = "path::to::diplomatic"`: where the `diplomatic` crate is found; `::diplomatic` if it is not renamed.
///
/// # On a variant
///
/// - `type = "name"`: the whole name of the event type, without the prefix. It is in the messages of all devices:
///   give it when a variant is renamed.
/// - `was = "name"`: a name that the event type had before. Messages that have it are read as this variant. Repeat it
///   for several names, or list them as `was("name", "other")`. Not on a delete, which is written without a name.
/// - `was("name", upcast = "path::to::function")`: the same where the payload had another form. See
///   [Evolution](#evolution).
/// - `overwrites = "field"`, `overwrites("field", ...)`: a register. The fields are its key, and stay in the payload.
///   A key must serialize to the same bytes on every device, so a `HashMap` is none. If it is one
///   `EntityId`, that entity is the message's parent, and the register goes when the entity is deleted.
/// - `entity = "field"`: a whole entity. The field is an `EntityId`; it names the message, and is not in the payload.
/// - `deletes = "field"`: a delete. The field is an `EntityId`, and the only one. A delete in a message says nothing of
///   its type, so an enum has one such variant for all of its entities.
/// - `singleton`: one value for the account. The variant has one field, or none.
/// - `gid = "field"`: the field, a `String` or an `Option<String>`, is the message's group.
/// - `pid = "field"`: the field, an `EntityId` or an `Option<EntityId>`, is the message's parent.
///
/// `gid` and `pid` fields stay in the payload too. Singletons and deletes have neither.
///
/// # The payload
///
/// The fields of a struct variant are a MessagePack map by name, so that programs in other languages read them; one
/// positional field is its bare value; several are an array; no field is nil. Entries that the variant does
/// not know are ignored when it is read.
///
/// The fields' types implement `serde::Serialize` and `serde::Deserialize`; the enum itself need not. The fields'
/// `#[serde(...)]` attributes (`default`, `alias`, `rename`, `with`, `skip`, ...) hold for the payload, and so do
/// `rename_all` on a variant and `rename_all_fields` on the enum. The other serde attributes of the enum and its
/// variants concern its own serde form, and not the payload.
///
/// # Evolution
///
/// What was written stays as it is, on every device and host, so a later build reads what earlier ones wrote:
///
/// - A new field has `#[serde(default)]`, and a renamed one `#[serde(alias = "old")]`. A field that goes is ignored.
/// - A renamed variant has `was = "old.name"` (or keeps the name in messages by `type = "old.name"`).
/// - A payload of another form gets a new type name, and the old one is read through a function:
///   `was("old.name", upcast = "from_old")`. It takes the old payload, of any type that implements `Deserialize`, and
///   if it likes the message's entity, and returns the variant. An example is above.
///
/// An upcast is a part of the fold: it depends on its arguments alone, and when it changes, `Reducer::VERSION` is
/// raised. One that panics, or returns another variant, puts the message into quarantine.
///
/// A register's entity id is made from its type's name. So after a rename, what older builds write and what newer ones
/// write are two registers; both count, the later comes after the earlier, and a delete takes both. A singleton, too,
/// is two messages then, of which the later is applied last.
#[proc_macro_derive(DiplomaticEvent, attributes(diplomatic, serde))]
pub fn derive_diplomatic_event(input: TokenStream) -> TokenStream {
    expand::derive(&parse_macro_input!(input as DeriveInput)).into()
}
