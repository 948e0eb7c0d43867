//! Several states over one log: tuples of reducers of the same events.

use super::{Meta, Reducer};

macro_rules! views {
    ($first:ident, $($other:ident),+) => {
        /// Both promise that roots are independent, or the tuple does not. Its own `VERSION` is of no use: those of its parts
        /// count.
        impl<$first: Reducer, $($other: Reducer<Event = $first::Event>),+> Reducer for ($first, $($other),+)
        where
            $first::Event: Clone,
        {
            type Event = $first::Event;

            const INDEPENDENT_ROOTS: bool = $first::INDEPENDENT_ROOTS $(&& $other::INDEPENDENT_ROOTS)+;
            const IS_EMPTY: bool = $first::IS_EMPTY $(&& $other::IS_EMPTY)+;

            fn versions(add: &mut dyn FnMut(u32)) {
                $first::versions(add);
                $($other::versions(add);)+
            }

            #[expect(non_snake_case, reason = "a variable is called like the type of its view")]
            fn apply(&mut self, event: Self::Event, at: &Meta) {
                let ($first, $($other),+) = self;
                $($other.apply(event.clone(), at);)+
                $first.apply(event, at);
            }

            #[expect(non_snake_case, reason = "a variable is called like the type of its view")]
            fn loaded(&mut self) {
                let ($first, $($other),+) = self;
                $first.loaded();
                $($other.loaded();)+
            }
        }
    };
}

views!(A, B);
views!(A, B, C);
views!(A, B, C, D);

#[cfg(all(test, feature = "derive"))]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::DiplomaticEvent;

    #[derive(Clone, DiplomaticEvent)]
    enum Event {
        Happened {},
    }

    #[derive(Default, Serialize, Deserialize)]
    struct View<const VERSION: u32, const INDEPENDENT: bool>;

    impl<const VERSION: u32, const INDEPENDENT: bool> Reducer for View<VERSION, INDEPENDENT> {
        type Event = Event;
        const VERSION: u32 = VERSION;
        const INDEPENDENT_ROOTS: bool = INDEPENDENT;

        fn apply(&mut self, Event::Happened {}: Event, _: &Meta) {}
    }

    fn versions<R: Reducer>() -> Vec<u32> {
        let mut all = Vec::new();
        R::versions(&mut |version| all.push(version));
        all
    }

    #[test]
    fn the_version_of_each_view_counts() {
        assert_eq!(versions::<View<7, true>>(), [7]);
        assert_eq!(versions::<(View<1, true>, View<2, true>)>(), [1, 2]);
        assert_eq!(versions::<(View<1, true>, View<2, true>, View<3, true>, View<0, true>)>(), [1, 2, 3, 0]);
    }

    #[test]
    fn roots_are_independent_if_all_views_promise_it() {
        const {
            assert!(<(View<0, true>, View<0, true>, View<0, true>)>::INDEPENDENT_ROOTS);
            assert!(!<(View<0, true>, View<0, false>, View<0, true>)>::INDEPENDENT_ROOTS);
            assert!(!<(View<0, false>, View<0, true>)>::INDEPENDENT_ROOTS);
        }
    }
}
