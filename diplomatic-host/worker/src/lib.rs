//! A host for DIPLOMATIC accounts on Cloudflare Workers.
//!
//! The Worker checks who calls, and only then wakes the account's Durable Object, which carries out the call: the code is
//! that of `diplomatic-host`, over a store in the object's SQLite. `docs/workers.md` of that package says how to deploy it.

mod account;
mod around;
mod body;
mod clock;
mod config;
mod door;
mod registry;
mod respond;
mod sockets;
mod sql;
mod store;
#[cfg(feature = "testing")]
mod testing;

use worker::{Context, Env, Request, Response, event};

/// Answers every request that comes from outside.
#[allow(unsafe_code, reason = "the macro exports the function to JavaScript")]
mod entry {
    use super::*;

    #[event(fetch)]
    async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
        door::answer(request, &env).await
    }
}
