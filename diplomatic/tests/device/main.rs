//! A device alone: the log on redb, the fold, and the clock, as an app uses them.

mod emit;
mod evolution;
mod fold;
mod open;
mod todo;
