//! The host: one function from a request to a reply.

use std::sync::{Mutex, PoisonError};

use diplomatic::standard::calls::{AuthToken, Call};
use diplomatic::standard::{Bag, InvalidSignature, PublicKey, Seq, Status, Timestamp, VerifiedBag};

use crate::calls::{self, Caller, Input};
use crate::{BagStore, Incoming, Items, Notice, Refusal, Reply, Route, StoreFuture, Surroundings};

/// The standard's calls over a store. It knows no HTTP, no clock and no threads of its own.
///
/// # Examples
///
/// ```
/// use diplomatic::standard::calls::{PeekRequest, ResponseHead};
/// use diplomatic::standard::{Decode, Encode, HostKeys, Label, Seed, Seq, Status, Timestamp};
/// use diplomatic_host::{Host, MemoryStore, Route};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let host = Host::new(MemoryStore::new());
/// let keys = HostKeys::derive(&Seed::from_bytes([7; 32]), &Label::default());
/// let now = Timestamp::from_millis(1_764_000_123_456);
///
/// let mut request = keys.authenticate(now).to_bytes();
/// host.handle(now, Route::of("POST", "/user"), request.clone()).await;
///
/// PeekRequest { after: Seq::ZERO }.encode(&mut request);
/// let reply = host.handle(now, Route::of("POST", "/peek"), request).await;
/// let response = reply.collect(host.store(), now).await?;
/// assert_eq!(ResponseHead::decode(&response)?.status, Status::SUCCESS);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Host<S: ?Sized> {
    store: S,
}

impl<S: BagStore> Host<S> {
    /// Makes a host over a store.
    pub const fn new(store: S) -> Self {
        Self { store }
    }
}

impl<S: BagStore + ?Sized> Host<S> {
    /// Returns the store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Answers a request that came at `received`.
    ///
    /// `body` is the whole body of the request. Any bytes are fine: what cannot be used is refused with a status.
    /// Signatures are checked in place, and the reply carries what is to be sent to the user's sockets.
    pub async fn handle(&self, received: Timestamp, route: Route, body: Vec<u8>) -> Reply {
        let (around, mut body) = (Alone::default(), body);
        let reply = self.handle_within(received, route, &mut body, &around).await;
        let mut reply = reply.start(&self.store).await;
        reply.notices = around.into_notices();
        reply
    }

    /// Answers a request that came at `received`, with the help of what is around the host, while its body comes in.
    ///
    /// Nothing of a list is read before [`Reply::start`]. A request that is refused may not have been read to its end.
    ///
    /// # Cancel safety
    ///
    /// A write may be carried out though the future is dropped, and nobody is told then.
    pub async fn handle_within(
        &self,
        received: Timestamp,
        route: Route,
        body: &mut dyn Incoming,
        around: &dyn Surroundings,
    ) -> Reply {
        match route {
            Route::Preflight => Reply::preflight(received),
            Route::Unknown => Reply::refused(received, &Refusal::NotFound),
            Route::Call(call) => Reply::new(received, self.call(received, call, body, around).await),
        }
    }

    /// Checks the token of the live channel, an auth timestamp in hex digits, and returns whose channel it is and the
    /// user's last seq.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub async fn admit(&self, now: Timestamp, token: &str) -> Result<(PublicKey, Seq), Refusal> {
        let caller = Caller { key: identify_token(now, token)? };
        Ok((caller.key, caller.last(&self.store).await?))
    }

    async fn call(
        &self,
        received: Timestamp,
        call: Call,
        body: &mut dyn Incoming,
        around: &dyn Surroundings,
    ) -> Result<Items, Refusal> {
        let mut request = Input::new(body);
        let caller = Caller::read(received, &mut request).await?;
        around.let_in(caller.key, call).await?;
        match call {
            Call::User => calls::user(&self.store, &caller, request.short(SHORT).await?, around).await,
            Call::Push => calls::push(&self.store, &caller, &mut request, around).await,
            Call::Peek => calls::peek(&self.store, &caller, request.short(SHORT).await?).await,
            Call::Pull => calls::pull(&self.store, &caller, &mut request).await,
        }
    }
}

/// Takes the auth timestamp from the front of a request that came at `received`, checks it, and returns whose it is: for
/// programs that look for the account's host only then. That host is given the whole request.
///
/// # Errors
///
/// [`Refusal`].
pub async fn identify(received: Timestamp, body: &mut dyn Incoming) -> Result<PublicKey, Refusal> {
    Ok(Caller::read(received, &mut Input::new(body)).await?.key)
}

/// Checks the token of the live channel, an auth timestamp in hex digits, and returns whose it is.
///
/// # Errors
///
/// [`Refusal`].
pub fn identify_token(now: Timestamp, token: &str) -> Result<PublicKey, Refusal> {
    let token = AuthToken::parse(token).ok_or(Refusal::NoToken)?;
    Ok(Caller::admit(now, token.auth())?.key)
}

/// More than a USER or a PEEK can be, after the auth timestamp: what is longer has too much in it, whatever it is.
const SHORT: usize = 16;

/// No surroundings: signatures are checked in place, and what is to be told is kept.
#[derive(Debug, Default)]
struct Alone {
    told: Mutex<Vec<Notice>>,
}

impl Alone {
    fn into_notices(self) -> Vec<Notice> {
        self.told.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Surroundings for Alone {
    fn check(&self, user: PublicKey, bags: Vec<Bag>) -> StoreFuture<'_, Vec<Result<VerifiedBag, Status>>> {
        Box::pin(async move { with_status(Bag::verify_each(bags, &user)) })
    }

    fn tell(&self, notice: Notice) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(notice);
    }
}

/// Puts the status in place of each error.
pub(crate) fn with_status(checked: Vec<Result<VerifiedBag, InvalidSignature>>) -> Vec<Result<VerifiedBag, Status>> {
    checked.into_iter().map(|bag| bag.map_err(InvalidSignature::status)).collect()
}
