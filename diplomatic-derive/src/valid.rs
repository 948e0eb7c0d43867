//! The rules: from what is written to what is meant, with every mistake reported.

use std::collections::HashMap;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::LitStr;
use syn::ext::IdentExt;

use crate::ast::{Field, Input, Variant};
use crate::attr::{FieldAttr, Mistakes, ShapeAttr, ShapeKind, WasAttr, serde_items};

/// The types of the framework's own messages.
const RESERVED: [&str; 4] = ["dip.witness", "dip.want", "dip.chunk", "dip.parts"];

/// A variant that keeps all rules.
pub(crate) struct Event<'a> {
    pub(crate) variant: &'a Variant<'a>,
    pub(crate) type_name: String,
    /// The types that it is read from too.
    pub(crate) was: &'a [WasAttr],
    pub(crate) shape: Shape<'a>,
    pub(crate) group: Option<&'a Field<'a>>,
    pub(crate) parent: Option<&'a Field<'a>>,
}

/// How a variant becomes a message.
pub(crate) enum Shape<'a> {
    Fact,
    Register {
        key: Vec<&'a Field<'a>>,
    },
    Entity(&'a Field<'a>),
    Delete(&'a Field<'a>),
    Singleton,
    /// The events of another enum, with their own shapes.
    Flatten(&'a Field<'a>),
}

impl<'a> Event<'a> {
    /// The fields that are in the payload.
    pub(crate) fn payload(&self) -> Vec<&'a Field<'a>> {
        let apart = match self.shape {
            Shape::Entity(field) | Shape::Delete(field) | Shape::Flatten(field) => Some(&field.member),
            Shape::Fact | Shape::Register { .. } | Shape::Singleton => None,
        };
        self.variant.fields.iter().filter(|field| Some(&field.member) != apart).collect()
    }

    /// Tells whether it stands for the events of another enum.
    pub(crate) const fn is_flattened(&self) -> bool {
        matches!(self.shape, Shape::Flatten(_))
    }

    /// Tells whether the payload is a map of names. A singleton is its one field, bare.
    pub(crate) fn is_map(&self) -> bool {
        self.variant.is_struct && !matches!(self.shape, Shape::Singleton)
    }
}

/// Applies the rules. What is returned is complete only if no mistake was found.
pub(crate) fn events<'a>(input: &'a Input<'a>, mistakes: &mut Mistakes) -> Vec<Event<'a>> {
    if !input.generics.params.is_empty() {
        mistakes.add_spanned(
            &input.generics.params,
            "events are read back from bytes that name no type: use concrete types instead of generic parameters",
        );
    }
    let prefix = input.attrs.prefix.as_ref();
    if let Some(empty) = prefix.filter(|prefix| prefix.value().is_empty()) {
        mistakes.add(empty.span(), "the prefix is empty: give it a name, or remove it");
    }
    let events: Vec<_> = input.variants.iter().filter_map(|variant| event(variant, prefix, mistakes)).collect();
    names_are_free(&events, mistakes);
    names_differ(&events, mistakes);
    deletes_differ(&events, mistakes);
    events
}

fn event<'a>(variant: &'a Variant<'a>, prefix: Option<&LitStr>, mistakes: &mut Mistakes) -> Option<Event<'a>> {
    let attrs = &variant.attrs;
    let type_name = type_name(variant, prefix, mistakes);
    let shape = shape(variant, mistakes);
    let group = beside(variant, attrs.gid.as_ref(), mistakes);
    let parent = beside(variant, attrs.pid.as_ref(), mistakes);
    let event = Event { variant, type_name, was: &attrs.was, shape: shape?, group, parent };
    was_is_written(&event, mistakes);
    bare_value_is_written(&event, mistakes);
    Some(event)
}

fn type_name(variant: &Variant<'_>, prefix: Option<&LitStr>, mistakes: &mut Mistakes) -> String {
    if let Some(given) = &variant.attrs.type_name {
        if given.value().is_empty() {
            mistakes.add(given.span(), "the type name is empty: give it a name, or remove it");
        }
        return given.value();
    }
    let name = snake_case(&variant.ident.unraw().to_string());
    match prefix {
        Some(prefix) => format!("{}.{name}", prefix.value()),
        None => name,
    }
}

/// Words are divided before a capital letter that follows a small one or a digit, or that a small one follows.
fn snake_case(ident: &str) -> String {
    let letters: Vec<char> = ident.chars().collect();
    let mut name = String::new();
    for (i, letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(i + 1);
        let begins_word = match before {
            Some(before) if letter.is_uppercase() && before != '_' => {
                !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase())
            }
            _ => false,
        };
        if begins_word {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

fn shape<'a>(variant: &'a Variant<'a>, mistakes: &mut Mistakes) -> Option<Shape<'a>> {
    let (ShapeAttr { name, kind }, others) = match variant.attrs.shapes.as_slice() {
        [] => return Some(Shape::Fact),
        [first, others @ ..] => (first, others),
    };
    for other in others {
        mistakes.add(
            other.name.span(),
            format_args!("`{}` has two shapes, `{name}` and `{}`: keep one", variant.ident, other.name),
        );
    }
    match kind {
        ShapeKind::Register(names) => {
            let key: Vec<_> = names.iter().map(|name| variant.field(name, mistakes)).collect();
            let key: Vec<_> = key.into_iter().collect::<Option<_>>()?;
            key_is_sound(names, &key, mistakes);
            Some(Shape::Register { key })
        }
        ShapeKind::Entity(name) => variant.field(name, mistakes).map(Shape::Entity),
        ShapeKind::Delete(name) => {
            let field = variant.field(name, mistakes)?;
            if variant.fields.len() > 1 {
                mistakes.add(
                    name.span(),
                    format_args!(
                        "a delete carries nothing but the entity: remove the other fields of `{}`, or put them into a \
                         variant of their own",
                        variant.ident
                    ),
                );
            }
            Some(Shape::Delete(field))
        }
        ShapeKind::Singleton => {
            if variant.fields.len() > 1 {
                mistakes.add(
                    name.span(),
                    format_args!(
                        "the singleton `{}` has {} fields, but is one value: put them into one struct, and hold that",
                        variant.ident,
                        variant.fields.len()
                    ),
                );
            }
            Some(Shape::Singleton)
        }
        ShapeKind::Flatten => {
            if let Some(type_name) = &variant.attrs.type_name {
                mistakes.add(
                    type_name.span(),
                    "the events of the enum in a `flatten` variant have the names of their own types: remove `type`",
                );
            }
            let [field] = &variant.fields[..] else {
                mistakes.add(
                    name.span(),
                    format_args!(
                        "`flatten` stands on a variant that holds another event enum and nothing else: write \
                         `{}(OtherEvent)`",
                        variant.ident
                    ),
                );
                return None;
            };
            Some(Shape::Flatten(field))
        }
        ShapeKind::Unclear => None,
    }
}

/// A key has each field once, and readers know all of it.
fn key_is_sound(names: &[LitStr], key: &[&Field<'_>], mistakes: &mut Mistakes) {
    for (i, (name, field)) in names.iter().zip(key).enumerate() {
        if key[..i].iter().any(|before| before.member == field.member) {
            mistakes.add(name.span(), format_args!("`{}` is in the key twice: keep one", field.name));
        }
        if is_skipped(field) {
            mistakes.add(
                name.span(),
                format_args!(
                    "serde skips `{}`, so no reader would know the key: remove the skip, or use another key",
                    field.name
                ),
            );
        }
        if let Some(float) = float_in(&field.ty).filter(|_| !serializes_otherwise(field)) {
            mistakes.add(
                name.span(),
                format_args!(
                    "`{}` holds a `{float}`, and 1.0 and 1 would be different keys: use an integer, such as the number \
                     of hundredths, or a string",
                    field.name
                ),
            );
        }
    }
}

/// Returns the name of a float type among the tokens of a type.
fn float_in(tokens: &TokenStream) -> Option<String> {
    tokens.clone().into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "f32" || ident == "f64" => Some(ident.to_string()),
        TokenTree::Group(group) => float_in(&group.stream()),
        _ => None,
    })
}

/// Tells whether a field serializes in another way than its type does.
fn serializes_otherwise(field: &Field<'_>) -> bool {
    ["with", "serialize_with"].iter().any(|name| !serde_items(field.attrs, name).is_empty())
}

/// Serde takes no notice of a skip where the whole payload is one bare value.
fn bare_value_is_written(event: &Event<'_>, mistakes: &mut Mistakes) {
    if let [field] = event.payload()[..]
        && !event.is_map()
        && is_skipped(field)
    {
        mistakes.add_spanned(
            &field.ty,
            format_args!(
                "this is the whole payload of `{}`, which serde cannot skip: remove the skip, or the field",
                event.variant.ident
            ),
        );
    }
}

fn is_skipped(field: &Field<'_>) -> bool {
    ["skip", "skip_serializing", "skip_deserializing"].iter().any(|skip| !serde_items(field.attrs, skip).is_empty())
}

/// The field of a `gid` or `pid`.
fn beside<'a>(variant: &'a Variant<'a>, attr: Option<&FieldAttr>, mistakes: &mut Mistakes) -> Option<&'a Field<'a>> {
    let FieldAttr { name, field } = attr?;
    let bare = variant.attrs.shapes.first().and_then(|shape| match shape.kind {
        ShapeKind::Singleton => Some("a singleton is one bare value"),
        ShapeKind::Delete(_) => Some("a delete carries nothing but the entity"),
        ShapeKind::Flatten => Some("a `flatten` variant stands for the events of another enum"),
        ShapeKind::Register(_) | ShapeKind::Entity(_) | ShapeKind::Unclear => None,
    });
    if let Some(bare) = bare {
        mistakes.add(name.span(), format_args!("{bare}, and has no place for a `{name}`: remove it"));
    }
    variant.field(field, mistakes)
}

/// A delete is written without its type, so it has no old one either.
fn was_is_written(event: &Event<'_>, mistakes: &mut Mistakes) {
    if event.is_flattened() {
        for was in event.was {
            mistakes.add(
                was.name.span(),
                "the events of the enum in a `flatten` variant have the names of their own types: put `was` there",
            );
        }
    }
    if let Shape::Delete(_) = event.shape {
        for was in event.was {
            mistakes.add(
                was.name.span(),
                "a delete is written without the name of its type, so that renaming it changes nothing: remove `was`",
            );
        }
    }
    for name in event.was.iter().flat_map(|was| &was.types).filter(|name| name.value().is_empty()) {
        mistakes.add(name.span(), "the type name is empty: give the one that the messages have, or remove it");
    }
}

/// What devices tell one another has types, too, which apps do not see.
fn names_are_free(events: &[Event<'_>], mistakes: &mut Mistakes) {
    let is_taken = |name: &str| RESERVED.contains(&name);
    for Event { variant, type_name, was, .. } in events {
        if is_taken(type_name) {
            let span = variant.attrs.type_name.as_ref().map_or_else(|| variant.ident.span(), LitStr::span);
            mistakes.add(
                span,
                format_args!(
                    "the type name `{type_name}` belongs to the framework, which hides such messages from apps: give the \
                     enum another `prefix`, or the variant another name by `type = \"...\"`"
                ),
            );
        }
        for name in was.iter().flat_map(|was| &was.types).filter(|name| is_taken(&name.value())) {
            mistakes.add(
                name.span(),
                format_args!(
                    "no app ever wrote messages of the type `{}`, the framework does: remove this",
                    name.value()
                ),
            );
        }
    }
}

fn names_differ(events: &[Event<'_>], mistakes: &mut Mistakes) {
    let mut seen = HashMap::new();
    for Event { variant, type_name, .. } in events.iter().filter(|event| !event.is_flattened()) {
        let Some(before) = seen.insert(type_name, variant.ident) else { continue };
        let span: Span = variant.attrs.type_name.as_ref().map_or_else(|| variant.ident.span(), LitStr::span);
        mistakes.add(
            span,
            format_args!(
                "`{before}` and `{}` have the same type name `{type_name}`: give one of them another by `type = \"...\"`",
                variant.ident
            ),
        );
    }
    let mut read: HashMap<String, &Ident> = HashMap::new();
    for Event { variant, was, .. } in events {
        for name in was.iter().flat_map(|was| &was.types) {
            let old = name.value();
            let ident = variant.ident;
            match (seen.get(&old), read.insert(old.clone(), ident)) {
                (Some(now), _) if *now == ident => mistakes.add(
                    name.span(),
                    format_args!(
                        "`{old}` is the type name of `{ident}` still: remove this, or give the new name by `type`"
                    ),
                ),
                (Some(now), _) => mistakes.add(
                    name.span(),
                    format_args!(
                        "`{old}` is the type name of `{now}` now, which reads those messages: remove this, or give \
                         `{now}` another name by `type = \"...\"`"
                    ),
                ),
                (None, Some(before)) => mistakes.add(
                    name.span(),
                    format_args!(
                        "`{old}` is read as `{before}` already: messages of one type become one variant, so keep one"
                    ),
                ),
                (None, None) => {}
            }
        }
    }
}

/// A delete is written without its type, so it is every variant that deletes. Only the types of their IDs tell those apart.
fn deletes_differ(events: &[Event<'_>], mistakes: &mut Mistakes) {
    let mut seen: HashMap<String, &Ident> = HashMap::new();
    for event in events {
        let (Shape::Delete(field), Some(attr)) = (&event.shape, event.variant.attrs.shapes.first()) else { continue };
        if let Some(first) = seen.insert(field.ty.to_string(), event.variant.ident) {
            mistakes.add(
                attr.name.span(),
                format_args!(
                    "the deletes `{first}` and `{}` cannot be told apart, for a delete is written without its type: use \
                     one delete variant for all entities, or give each kind of entity an ID type by `entity_id!`",
                    event.variant.ident
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn variant_names_become_snake_case() {
        for (ident, name) in [
            ("Added", "added"),
            ("TitleChanged", "title_changed"),
            ("HTTPDone", "http_done"),
            ("DoneByHTTP", "done_by_http"),
            ("Version2Set", "version2_set"),
            ("V2", "v2"),
            ("A", "a"),
            ("ABTest", "ab_test"),
            ("already_snake", "already_snake"),
            ("Half_Way", "half_way"),
            ("ÜberAlles", "über_alles"),
        ] {
            assert_eq!(snake_case(ident), name);
        }
    }
}
