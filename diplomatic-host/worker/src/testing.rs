//! What tests do to an object that nobody else may: see the feature `testing`.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diplomatic_host::contract::{PROMISES, Subject, check};
use worker::{Env, Request, Response};

use crate::account::Shared;
use crate::clock::Clock;
use crate::sockets;
use crate::store::SqlStore;

/// Counts the rows of an object's statements.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    read: AtomicUsize,
    written: AtomicUsize,
}

impl Meter {
    pub(crate) fn count(&self, read: usize, written: usize) {
        self.read.fetch_add(read, Ordering::Relaxed);
        self.written.fetch_add(written, Ordering::Relaxed);
    }
}

/// Hands `/testing/NAME/...` to the object called NAME, and lists the store's promises at `/testing`.
pub(crate) async fn at_the_door(request: &Request, env: &Env) -> Option<worker::Result<Response>> {
    let path = request.path();
    if path == "/testing" {
        return Some(Response::ok(PROMISES.join("\n")));
    }
    let (name, _) = path.strip_prefix("/testing/")?.split_once('/')?;
    let answer =
        async { env.durable_object("ACCOUNTS")?.get_by_name(name)?.fetch_with_request(request.clone()?).await };
    Some(answer.await)
}

pub(crate) async fn in_the_account(shared: &Rc<Shared>, request: &Request) -> Option<worker::Result<Response>> {
    let path = request.path();
    let (_, what) = path.strip_prefix("/testing/")?.split_once('/')?;
    Some(match what {
        // The rows that were read and written since the object woke.
        "rows" => {
            let meter = &shared.store().sql.meter;
            let [read, written] = [&meter.read, &meter.written].map(|count| count.load(Ordering::Relaxed));
            Response::ok(format!("{read} {written} {}", shared.state.storage().sql().database_size()))
        }
        "alarm" => match sockets::clean_up(shared, Clock::of(request).now()).await {
            Ok(()) => Response::ok("rang"),
            Err(error) => Err(error),
        },
        // The worst that can happen to the code.
        "panic" => panic!("a test told it to"),
        promise => {
            let store = SqlStore::new(shared.state.storage().sql());
            // What keeps an object busy for ten seconds is not answered behind the proxy of `wrangler dev`.
            check(promise, &Subject { many: 5000, ..Subject::new(Arc::new(store)) }).await;
            Response::ok("kept")
        }
    })
}
