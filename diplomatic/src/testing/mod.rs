//! Tools to test an app's events, reducer and devices in about ten lines each.
//!
//! | question | test |
//! | --- | --- |
//! | What is the state after these events? | [`Scenario`] |
//! | Does my [`Reducer`](crate::Reducer) keep its promises in every order of events? | [`check_reducer`] |
//! | Does my [`Aggregate`](crate::Aggregate) say the same as the state? | [`check_aggregate`] |
//! | Does my [`Projection`](crate::Projection) keep its rows right? | [`check_projection`] |
//! | Do devices converge over a bad network? | [`Devices`] |
//! | What should a device's state be? | [`state_of`] |
//! | Can this build read what earlier builds wrote? | [`check_schema`] |
//!
//! Everything is deterministic: randomness comes from seeds, and time is a number. Add `diplomatic` with the feature
//! `testing` to your `dev-dependencies`.

mod check;
mod code;
mod devices;
mod dice;
mod diff;
mod followers;
mod history;
mod integers;
mod laws;
mod model;
#[cfg(all(test, feature = "derive"))]
mod panics;
mod quiet;
mod scenario;
mod schema;
mod watch;

pub use check::{ReducerCheck, check_reducer, check_reducer_on};
pub use devices::Devices;
pub use dice::Dice;
pub use followers::{check_aggregate, check_projection};
pub use history::History;
pub use model::{entity, state_of};
pub use scenario::Scenario;
pub use schema::{SchemaCheck, check_schema};
