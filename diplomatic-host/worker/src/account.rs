//! The object of one account: it carries out the account's calls, one after another, and keeps its sockets.

use std::rc::Rc;

use diplomatic::standard::{PublicKey, Timestamp};
use diplomatic_host::{BagStore, Host, Ledger, Notice, Quotas, Route};
use worker::send::SendWrapper;
use worker::{
    DurableObject, Env, Error, Request, Response, State, WebSocket, WebSocketIncomingMessage, console_error,
    durable_object,
};

use crate::around::Around;
use crate::body::Body;
use crate::clock::Clock;
use crate::config::Config;
use crate::door::asks_for_socket;
use crate::respond::respond;
use crate::sockets;
use crate::store::SqlStore;

#[allow(unsafe_code, unreachable_pub, reason = "the macro exports the type to JavaScript")]
#[allow(missing_docs, reason = "what it exports is for JavaScript")]
mod object {
    use worker::wasm_bindgen;

    use super::*;

    /// The object of one account.
    #[durable_object]
    #[derive(Debug)]
    pub struct Account {
        pub(super) shared: Rc<Shared>,
    }
}
pub(crate) use object::Account;

/// What the calls of one account share for as long as its object is awake.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: SendWrapper<State>,
    pub(crate) env: Env,
    host: Host<SqlStore>,
    pub(crate) ledger: Ledger,
}

impl Shared {
    fn new(state: State, env: Env) -> Self {
        let store = SqlStore::new(state.storage().sql());
        // The door lets nobody in while the configuration cannot be read.
        let quotas = Config::read(&env).map_or_else(|_| Quotas::default(), |config| config.quotas);
        Self { state: SendWrapper::new(state), env, host: Host::new(store), ledger: Ledger::new(quotas) }
    }

    pub(crate) const fn host(&self) -> &Host<SqlStore> {
        &self.host
    }

    pub(crate) const fn store(&self) -> &SqlStore {
        self.host.store()
    }

    /// Sends a frame to the account's sockets. The platform holds it back until the bags are durable.
    pub(crate) fn tell(&self, now: Timestamp, notice: &Notice) {
        let sent = sockets::send(&self.state, &notice.frame);
        self.count_traffic(now, Some(notice.user), sent as u64);
    }

    pub(crate) fn count_traffic(&self, now: Timestamp, user: Option<PublicKey>, bytes: u64) {
        if let Some(user) = user {
            self.ledger.traffic.count(now, user, bytes);
        }
    }

    /// Notes what was counted, since the object may sleep at any time. Nothing is written for strangers.
    pub(crate) async fn note_traffic(&self, now: Timestamp, user: Option<PublicKey>) {
        let Some(user) = user else { return };
        if matches!(self.store().is_registered(user).await, Ok(true))
            && let Err(error) = self.ledger.traffic.note_all(self.store(), now).await
        {
            console_error!("could not note the traffic of an account: {error}");
        }
    }
}

impl DurableObject for Account {
    fn new(state: State, env: Env) -> Self {
        Self { shared: Rc::new(Shared::new(state, env)) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        #[cfg(feature = "testing")]
        if let Some(response) = crate::testing::in_the_account(&self.shared, &request).await {
            return response;
        }
        let clock = Clock::of(&request);
        let shared = &self.shared;
        if asks_for_socket(&request) {
            return sockets::open(shared, &request, clock).await;
        }
        let received = clock.now();
        let route = Route::of(request.method().as_ref(), &request.path());
        let around = Around::new(shared, received);
        let mut body = Body::of(&mut request);
        let reply = shared.host().handle_within(received, route, &mut body, &around).await;
        let user = around.caller();
        shared.count_traffic(received, user, body.received());
        let reply = around.with_quotas(reply.start(shared.store()).await).await;
        let response = respond(shared, user, reply, clock);
        shared.note_traffic(received, user).await;
        response
    }

    async fn alarm(&self) -> worker::Result<Response> {
        sockets::clean_up(&self.shared, Clock::real().now()).await?;
        Response::empty()
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> worker::Result<()> {
        sockets::hear(&socket, &message);
        Ok(())
    }

    async fn websocket_close(
        &self,
        socket: WebSocket,
        code: usize,
        _reason: String,
        _clean: bool,
    ) -> worker::Result<()> {
        sockets::answer_close(&socket, code);
        Ok(())
    }

    /// A socket that broke is gone by itself.
    async fn websocket_error(&self, _socket: WebSocket, _error: Error) -> worker::Result<()> {
        Ok(())
    }
}
