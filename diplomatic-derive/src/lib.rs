//! `#[derive(DiplomaticEvent)]` for the `diplomatic` crate.

mod ast;
mod attr;
mod byte_field;
mod expand;
mod valid;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `diplomatic::DiplomaticEvent` for an enum of events.
///
/// Each variant is one event type. Its name in messages is the enum's prefix, a dot, and the variant's name in snake case
/// (`HTTPDone` becomes `http_done`). Its shape determines how it becomes a message:
///
/// | shape | attribute | meaning |
/// | --- | --- | --- |
/// | fact | none | every event counts |
/// | register | `overwrites = "field"` | the latest event per value of the field counts |
/// | register | `overwrites("field", "other")` | the latest event per combination of these fields counts |
/// | entity | `entity = "field"` | the event replaces the whole entity whose ID is in the field |
/// | delete | `deletes = "field"` | deletes the entity whose ID is in the field, and its registers |
/// | singleton | `singleton` | the latest event counts: one value per account |
/// | those of another enum | `flatten` | the events of the enum that the variant holds, with their own names and shapes |
///
/// Attributes are written as `#[diplomatic(...)]`, separated by commas. Fields are named in string literals; positional
/// fields are `"0"`, `"1"` and so on.
///
/// # On the enum
///
/// - `prefix = "todo"`: the prefix of the names of all event types.
/// - `crate = "path::to::diplomatic"`: the path of the `diplomatic` crate, if it is not `::diplomatic`.
///
/// # On a variant
///
/// - `type = "name"`: the complete name of the event type, without the prefix. The name is stored in messages, so set it
///   when you rename a variant. `dip.witness`, `dip.want`, `dip.chunk` and `dip.parts` are names of the
///   framework's own messages.
/// - `was = "name"`: a former name of the event type. Messages with this name are read as this variant. Repeat it for
///   several names, or list them as `was("name", "other")`. Not allowed on a delete, which is written without a name.
/// - `was("name", upcast = "path::to::function")`: a former name whose payload had another form. See
///   [Evolution](#evolution).
/// - `overwrites = "field"`, `overwrites("field", ...)`: a register. The fields are its key, and stay in the payload.
///   A key must serialize to the same bytes on every device, so a `HashMap` is none, nor is a float. If it is one
///   `EntityId`, that entity is the message's parent, and the register goes when the entity is deleted.
/// - `entity = "field"`: a whole entity. The field is an `EntityId`. It identifies the message and is not in the payload.
/// - `deletes = "field"`: a delete. The field is an `EntityId`, and the only one. Deletes carry no type, so an enum has one
///   such variant for all of its entities, or one for each type of IDs (see `diplomatic::entity_id`). With several, a
///   delete is applied as each of them, and all but one know no such entity.
/// - `flatten`: the variant holds another event enum and nothing else. Those events have their own names, shapes and
///   deletes, so that a module owns them, and `check_schema` locks each enum by itself. No two parts may have a type of the
///   same name.
/// - `singleton`: one value per account. The variant has at most one field.
/// - `gid = "field"`: the field, a `String` or an `Option<String>`, is the message's group.
/// - `pid = "field"`: the field, an `EntityId` or an `Option<EntityId>`, is the message's parent.
///
/// `gid` and `pid` fields are also in the payload. Singletons and deletes cannot have them.
///
/// # The payload
///
/// The fields of a struct variant are encoded as a MessagePack map by name, which programs in other languages can read.
/// One positional field is encoded as its bare value, several as an array, and no field as nil. Unknown entries are
/// ignored when reading.
///
/// The types of the fields must implement `serde::Serialize` and `serde::Deserialize`; the enum itself need not. The
/// fields' `#[serde(...)]` attributes (`default`, `alias`, `rename`, `with`, `skip`, ...) apply to the payload, as do
/// `rename_all` on a variant and `rename_all_fields` on the enum. Other serde attributes on the enum and its variants
/// affect its own serde form, but not the payload.
///
/// Bytes are written as MessagePack `bin`: a field of the type `Vec<u8>`, `[u8; N]`, `Box<[u8]>`, `Arc<[u8]>` or
/// `Cow<'static, [u8]>`, also in an `Option`, `Vec` or `Box`, or as the value of a `BTreeMap` or `HashMap`. The macro knows
/// them by these names. Bytes inside other types, or behind an alias, are arrays of numbers, which take up to twice the space,
/// unless the type or the field says `#[serde(with = "serde_bytes")]`. Both forms are read, and a register's key has the
/// same form, and so the same entity ID, either way.
///
/// # Evolution
///
/// Messages never change once written, so later builds must read what earlier builds wrote:
///
/// - Give a new field `#[serde(default)]`, and a renamed one `#[serde(alias = "old")]`. Removed fields are ignored.
/// - Give a renamed variant `was = "old.name"`, or keep the name in messages with `type = "old.name"`.
/// - If the form of a payload changes, give it a new type name and convert the old form with a function:
///   `was("old.name", upcast = "from_old")`. The function takes the old payload, of any type that implements
///   `Deserialize`, and optionally the message's entity. It returns the variant. See the example above.
///
/// An upcast is part of the fold: it may depend only on its arguments, and you must increase `Reducer::VERSION` when it
/// changes. If it panics or returns another variant, the message is quarantined.
///
/// A register's entity ID is derived from the name of its type. After a rename, older and newer builds therefore write
/// two different registers. Both count, the later one is applied last, and a delete removes both. The same holds for
/// singletons.
#[proc_macro_derive(DiplomaticEvent, attributes(diplomatic, serde))]
pub fn derive_diplomatic_event(input: TokenStream) -> TokenStream {
    expand::derive(&parse_macro_input!(input as DeriveInput)).into()
}
