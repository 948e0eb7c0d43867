//! Tests of an app's events and reducer.
mod check;
mod code;
mod dice;
mod diff;
mod history;
mod laws;
mod model;
mod quiet;

pub use check::{ReducerCheck, check_reducer, check_reducer_on};
pub use dice::Dice;
pub use history::History;
pub use model::entity;
