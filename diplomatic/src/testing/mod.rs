//! Tests of an app's events, its reducer and its devices, in ten lines each.
//!
//! | question | test |
//! | --- | --- |
//! | What does the state become when this happens? | [`Scenario`] |
//! | Does my [`Reducer`](crate::Reducer) keep its promises, whatever happens in whatever order? | [`check_reducer`] |
//! | Do devices agree, over a bad network? | [`Devices`] |
//! | Does this build still read what earlier ones wrote? | [`check_schema`] |
//!
//! All of it is deterministic: chance comes from seeds, and time is a number. Put `diplomatic` with the feature
//! `testing` among the `dev-dependencies`.

mod check;
mod code;
mod devices;
mod dice;
mod diff;
mod history;
mod laws;
mod model;
mod quiet;
mod scenario;
mod schema;

pub use check::{ReducerCheck, check_reducer, check_reducer_on};
pub use devices::Devices;
pub use dice::Dice;
pub use history::History;
pub use model::entity;
pub use scenario::Scenario;
pub use schema::check_schema;
