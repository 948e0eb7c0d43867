//! The host: one function from a request to a reply.

use std::sync::mpsc;

use diplomatic::standard::calls::{AuthToken, Call};
use diplomatic::standard::{PublicKey, Reader, Timestamp};

use crate::calls::{self, Caller, Respond};
use crate::{BagStore, Refusal, Reply, Route, StoreError};

/// The standard's calls over a store. It knows no HTTP, no clock and no threads of its own.
///
/// # Examples
///
/// ```
/// use diplomatic::standard::calls::{PeekRequest, ResponseHead};
/// use diplomatic::standard::{Decode, Encode, HostKeys, Label, Seed, Seq, Status, Timestamp};
/// use diplomatic_host::{Host, MemoryStore, Route};
///
/// let host = Host::new(MemoryStore::new());
/// let keys = HostKeys::derive(&Seed::from_bytes([7; 32]), &Label::default());
/// let now = Timestamp::from_millis(1_764_000_123_456);
///
/// let mut request = keys.authenticate(now).to_bytes();
/// host.handle(now, Route::of("POST", "/user"), request.clone());
///
/// PeekRequest { after: Seq::ZERO }.encode(&mut request);
/// let reply = host.handle(now, Route::of("POST", "/peek"), request);
/// let response = reply.collect(host.store(), now)?;
/// assert_eq!(ResponseHead::decode(&response)?.status, Status::SUCCESS);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Host<S> {
    store: S,
}

impl<S: BagStore> Host<S> {
    /// Makes a host over a store.
    pub const fn new(store: S) -> Self {
        Self { store }
    }

    /// Returns the store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Answers a request that came at `received`, and waits for the store where it must.
    ///
    /// `body` is the whole body of the request. Any bytes are fine: what cannot be used is refused with a status.
    pub fn handle(&self, received: Timestamp, route: Route, body: Vec<u8>) -> Reply {
        let (answer, answered) = mpsc::sync_channel(1);
        self.submit(received, route, body, move |reply| {
            let _ = answer.send(reply);
        });
        answered.recv().unwrap_or_else(|_| Self::stopped(received))
    }

    /// Answers a request that came at `received` without waiting for the store.
    ///
    /// `answer` is called once: for a write, when the store has called it durable, on the store's thread and in the
    /// order of the commits, so that the notices of one user come by seq; for everything else, before this returns.
    /// It must be quick. A store that goes away may drop it uncalled; [`Host::stopped`] is the answer then.
    pub fn submit(
        &self,
        received: Timestamp,
        route: Route,
        body: Vec<u8>,
        answer: impl FnOnce(Reply) + Send + 'static,
    ) {
        match route {
            Route::Preflight => answer(Reply::preflight(received)),
            Route::Unknown => answer(Self::refuse(received, Refusal::NotFound)),
            Route::Call(call) => {
                let respond = Box::new(move |outcome| answer(Reply::new(received, outcome)));
                self.call(received, call, &body, respond);
            }
        }
    }

    /// Checks the token of the live channel, an auth timestamp in hex digits, and returns whose channel it is.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn admit(&self, now: Timestamp, token: &str) -> Result<PublicKey, Refusal> {
        let token = AuthToken::parse(token).ok_or(Refusal::NoToken)?;
        let caller = Caller::admit(&self.store, now, token.auth())?;
        caller.registered()?;
        Ok(caller.key)
    }

    /// Returns the reply to a request that was refused before it came here.
    pub fn refuse(received: Timestamp, refusal: Refusal) -> Reply {
        Reply::new(received, Err(refusal))
    }

    /// Returns the reply to a request whose store went away.
    pub fn stopped(received: Timestamp) -> Reply {
        Self::refuse(received, StoreError::Stopped.into())
    }

    fn call(&self, received: Timestamp, call: Call, body: &[u8], respond: Respond) {
        let mut request = Reader::new(body);
        let caller = match Caller::read(&self.store, received, &mut request) {
            Ok(caller) => caller,
            Err(refusal) => return respond(Err(refusal)),
        };
        let request = request.rest();
        match call {
            Call::User => calls::user(&self.store, &caller, request, respond),
            Call::Push => calls::push(&self.store, &caller, request, respond),
            Call::Peek => respond(calls::peek(&self.store, &caller, request)),
            Call::Pull => respond(calls::pull(&self.store, &caller, request)),
        }
    }
}
