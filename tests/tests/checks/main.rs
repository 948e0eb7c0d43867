//! The tools for an app's tests, each shown to find what it is there to find.

mod devices;
mod followers;
mod laws;
mod scenario;
mod todo;
