//! An app in a web page: a worker that has the data, and pages that talk to it.
//!
//! Browsers offer private files (OPFS) to dedicated workers only, and only one of them can have a file open. So each tab starts
//! a worker, and the worker of one tab *owns* the store: it has the [`Client`](crate::Client), and answers the requests of all
//! tabs. The browser's lock on the store (Web Locks) decides which one. The other workers *follow*: they hand on what their page
//! asks and what the owner says (BroadcastChannel). When the owner's tab is closed or crashes, the browser gives the lock to the
//! next one, which opens the store; what the old owner had not answered goes to the new one.
//!
//! - In the worker's program, `main` calls [`serve`] with an [`App`]. [`StateApp`] is one for any client.
//! - A page in Rust opens a [`Page`]. The guide to Rust front ends shows both.
//! - A page in JavaScript starts the worker itself, a module that only loads what wasm-bindgen made of the program.
//!
//! # Messages, for pages in JavaScript
//!
//! | from | message | meaning |
//! | --- | --- | --- |
//! | worker | `{ready: true}` | it listens; what is sent before is lost |
//! | page | `{open: TEXT}` | the configuration: the store is wanted |
//! | page | `{id: NUMBER, ask: TEXT}` | a request, with a number that this page has not used before |
//! | page | `{close: true}` | the store is not wanted any more, until `open` comes again |
//! | worker | `{id, answer: TEXT}` | the answer |
//! | worker | `{id, failed: TEXT}` | there is no answer: the app crashed over this request |
//! | worker | `{push: TEXT}` | what the app pushes |
//! | worker | `{role: "owner"}`, `{role: "follower"}` | everything works |
//! | worker | `{role: "waiting", why: TEXT}` | nobody answers for now; requests wait |
//! | worker | `{failed: TEXT}` | the store cannot be opened until something is changed |
//! | worker | `{failed: TEXT, crashed: true}` | the app has crashed, and the worker has ended: start another one, and send `open` and what has no answer |
//!
//! # What holds
//!
//! - A request is done *at least once*. No owner does it twice; if an owner is killed after it has written something and before
//!   it has answered, the next one does it again. Events about a given entity, such as registers, may come twice without harm.
//! - The store is never open twice: the file itself is exclusive, too, whatever becomes of the lock. If the owner's tab is
//!   frozen, so is its file. The other tabs say so after some seconds, and go on when it wakes or is closed.
//! - A panic ends a program in a browser. The worker closes itself then, so that the next owner can open the store.

#[cfg(target_family = "wasm")]
mod channel;
#[cfg(target_family = "wasm")]
mod connection;
#[cfg(target_family = "wasm")]
mod form;
#[cfg(target_family = "wasm")]
mod lock;
#[cfg(target_family = "wasm")]
mod page;
mod relay;
#[cfg(target_family = "wasm")]
mod serve;
#[cfg(target_family = "wasm")]
mod state_app;

#[cfg(target_family = "wasm")]
pub use form::Refused;
#[cfg(target_family = "wasm")]
pub use page::{Page, PageError, PageEvent, Role};
#[cfg(target_family = "wasm")]
pub use serve::{App, OpenFailure, Pushes, serve};
#[cfg(target_family = "wasm")]
pub use state_app::StateApp;

/// Makes a message: an object with these fields, whose values can be sent.
#[cfg(target_family = "wasm")]
fn message(fields: &[(&str, wasm_bindgen::JsValue)]) -> js_sys::Object {
    let message = js_sys::Object::new();
    for (name, value) in fields {
        // A new object takes any field.
        let set = js_sys::Reflect::set(&message, &(*name).into(), value);
        debug_assert!(set.is_ok());
    }
    message
}

/// Returns an error's text and those of its causes.
#[cfg(target_family = "wasm")]
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
