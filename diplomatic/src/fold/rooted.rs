//! Aggregates: the fold of one root's messages.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Cadence, Source, Unread, compute};
use crate::aggregate::Aggregate;
use crate::reducer::{Meta, Reducer};

/// Folds the messages of one root.
pub(crate) fn fold_root<A: Aggregate, S: Source<A::Event>>(source: &mut S) -> Result<Option<A>, S::Error> {
    compute::<Rooted<A>, S>(source, Unread::default(), None, false, Cadence::without_snapshots())
        .map(|computed| computed.state.0)
}

/// An aggregate as a state.
struct Rooted<A>(Option<A>);

impl<A> Default for Rooted<A> {
    fn default() -> Self {
        Self(None)
    }
}

impl<A: Aggregate> Reducer for Rooted<A> {
    type Event = A::Event;

    fn apply(&mut self, event: A::Event, at: &Meta) {
        A::apply(&mut self.0, event, at);
    }
}

// As a list, since a value that looks like nothing itself would be taken for none.
impl<A: Serialize> Serialize for Rooted<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl<'de, A: Deserialize<'de>> Deserialize<'de> for Rooted<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|mut value| Self(value.pop()))
    }
}
