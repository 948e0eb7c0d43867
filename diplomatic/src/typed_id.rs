//! IDs of the app's own types.

/// Defines a type for the IDs of one kind of entity, so that two kinds cannot be confused.
///
/// Such an ID is an [`EntityId`](crate::EntityId) in all that is stored: it stands in `entity`, `deletes`, `overwrites` and
/// `pid` fields, is a key of maps, and has the same serialized form. An app can start to use one at any time.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use diplomatic::{DiplomaticEvent, Meta, Reducer, entity_id};
/// use serde::{Deserialize, Serialize};
///
/// entity_id!(
///     /// The ID of a todo.
///     pub struct TodoId;
/// );
///
/// #[derive(DiplomaticEvent)]
/// #[diplomatic(prefix = "todo")]
/// enum TodoEvent {
///     Added { title: String },
///     #[diplomatic(overwrites = "todo")]
///     Renamed { todo: TodoId, title: String },
///     #[diplomatic(deletes = "todo")]
///     Removed { todo: TodoId },
/// }
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Todos {
///     titles: BTreeMap<TodoId, String>,
/// }
///
/// impl Reducer for Todos {
///     type Event = TodoEvent;
///
///     fn apply(&mut self, event: TodoEvent, at: &Meta) {
///         match event {
///             TodoEvent::Added { title } => drop(self.titles.insert(at.entity.clone().into(), title)),
///             TodoEvent::Renamed { todo, title } => {
///                 if let Some(old) = self.titles.get_mut(&todo) {
///                     *old = title;
///                 }
///             }
///             TodoEvent::Removed { todo } => drop(self.titles.remove(&todo)),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = diplomatic::Client::<Todos>::builder(diplomatic::Seed::random()).in_memory().open().await?;
/// let milk: TodoId = client.emit(TodoEvent::Added { title: "milk".into() }).await?.into();
/// client.emit(TodoEvent::Renamed { todo: milk.clone(), title: "oat milk".into() }).await?;
/// assert_eq!(client.read(|todos| todos.titles[&milk].clone()), "oat milk");
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! entity_id {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident;) => {
        $(#[$attribute])*
        #[derive(
            ::core::fmt::Debug,
            ::core::clone::Clone,
            ::core::cmp::PartialEq,
            ::core::cmp::Eq,
            ::core::cmp::PartialOrd,
            ::core::cmp::Ord,
            ::core::hash::Hash,
        )]
        $visibility struct $name(
            /// The ID without its type.
            pub $crate::EntityId,
        );

        impl ::core::convert::From<$crate::EntityId> for $name {
            fn from(id: $crate::EntityId) -> Self {
                Self(id)
            }
        }

        impl ::core::convert::From<$name> for $crate::EntityId {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl ::core::convert::AsRef<$crate::EntityId> for $name {
            fn as_ref(&self) -> &$crate::EntityId {
                &self.0
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(&self.0, f)
            }
        }

        impl ::core::str::FromStr for $name {
            type Err = <$crate::EntityId as ::core::str::FromStr>::Err;

            fn from_str(hex: &str) -> ::core::result::Result<Self, Self::Err> {
                ::core::result::Result::map(::core::str::FromStr::from_str(hex), Self)
            }
        }

        impl $crate::__private::serde::Serialize for $name {
            fn serialize<S: $crate::__private::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                $crate::__private::serde::Serialize::serialize(&self.0, serializer)
            }
        }

        impl<'de> $crate::__private::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::__private::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                ::core::result::Result::map($crate::__private::serde::Deserialize::deserialize(deserializer), Self)
            }
        }

        impl $crate::__private::EntityField for $name {
            fn to_entity(&self) -> $crate::EntityId {
                ::core::clone::Clone::clone(&self.0)
            }

            fn from_entity(entity: &$crate::EntityId) -> Self {
                Self(::core::clone::Clone::clone(entity))
            }
        }

        impl $crate::__private::ParentId for $name {
            fn to_id(&self) -> $crate::EntityId {
                ::core::clone::Clone::clone(&self.0)
            }
        }

        impl $crate::__private::ParentField for $name {
            fn to_parent(&self) -> ::core::option::Option<$crate::EntityId> {
                ::core::option::Option::Some(::core::clone::Clone::clone(&self.0))
            }
        }
    };
}
