//! Values as Rust code, made from their `Debug` forms.

use std::any::type_name;
use std::fmt::Debug;

use super::model::entity;
use crate::standard::EntityId;

/// How many entities have a number in the code.
const NUMBERED: u64 = 16;

/// Returns a type's name without its path.
pub(super) fn name_of<T>() -> &'static str {
    let name = type_name::<T>();
    let generics = name.find('<').unwrap_or(name.len());
    let start = name[..generics].rfind("::").map_or(0, |colons| colons + 2);
    &name[start..]
}

/// Returns an event as Rust code that most likely compiles: strings become owned, lists become vectors, and entities
/// become their numbers. Nested enums and structs keep the names of their `Debug` forms, without paths.
pub(super) fn event<E: Debug>(event: &E) -> String {
    format!("{}::{}", name_of::<E>(), rust(&format!("{event:?}")))
}

/// Returns an entity as Rust code.
pub(super) fn entity_id(id: &EntityId) -> String {
    match (0..NUMBERED).find(|index| entity(*index) == *id) {
        Some(index) => format!("entity({index})"),
        None => format!("\"{id}\".parse().unwrap()"),
    }
}

/// Replaces entity IDs by `entity(n)`.
pub(super) fn with_numbers(text: String) -> String {
    (0..NUMBERED).fold(text, |text, index| text.replace(&format!("{:?}", entity(index)), &format!("entity({index})")))
}

fn rust(debug: &str) -> String {
    let mut code = String::new();
    let mut rest = debug;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '"' => {
                let end = end_of_text(rest);
                code.push_str(&rest[..end]);
                code.push_str(".into()");
                end
            }
            '[' => {
                code.push_str("vec![");
                1
            }
            _ => match entity_in(rest) {
                Some((id, len)) => {
                    code.push_str(&entity_id(&id));
                    len
                }
                None => {
                    code.push(first);
                    first.len_utf8()
                }
            },
        };
        rest = &rest[taken..];
    }
    code
}

/// Returns the length of the quoted text at the start.
fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (index, letter) in text.char_indices().skip(1) {
        match letter {
            '"' if !escaped => return index + 1,
            _ => escaped = letter == '\\' && !escaped,
        }
    }
    text.len()
}

/// Returns the entity id at the start, and how long it is.
fn entity_in(text: &str) -> Option<(EntityId, usize)> {
    let hex = text.strip_prefix("EntityId(")?;
    let end = hex.find(')')?;
    Some((hex[..end].parse().ok()?, text.len() - hex.len() + end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    enum Event {
        #[allow(dead_code)]
        Added { title: String, tags: Vec<Option<String>>, of: EntityId },
    }

    #[test]
    fn events_are_written_as_rust() {
        let added = Event::Added { title: "a \"b\" [".into(), tags: vec![Some("c".into()), None], of: entity(3) };
        assert_eq!(
            event(&added),
            r#"Event::Added { title: "a \"b\" [".into(), tags: vec![Some("c".into()), None], of: entity(3) }"#
        );
    }
}
