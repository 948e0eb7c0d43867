//! The one object that decides who gets an account, and remembers who has one. It is asked once for each account.

use diplomatic::standard::PublicKey;
use diplomatic_host::{BagStore, Gate, Refusal, StoreError, Visitor};
use worker::{DurableObject, Env, Method, Request, Response, State, console_error, console_warn, durable_object};

use crate::clock::Clock;
use crate::config::Config;
use crate::sql::SqlError;
use crate::store::SqlStore;

/// The binding of the registry, and the name of its only object.
const REGISTRY: &str = "REGISTRY";
const ONLY: &str = "registry";

#[allow(unsafe_code, unreachable_pub, reason = "the macro exports the type to JavaScript")]
#[allow(missing_docs, reason = "what it exports is for JavaScript")]
mod object {
    use worker::wasm_bindgen;

    use super::*;

    /// The object that decides who gets an account.
    #[durable_object(fetch)]
    #[derive(Debug)]
    pub struct Registry {
        pub(super) store: SqlStore,
        /// `None` while the configuration cannot be read.
        pub(super) gate: Option<Gate>,
    }
}
pub(crate) use object::Registry;

impl DurableObject for Registry {
    fn new(state: State, env: Env) -> Self {
        let gate = match Config::read(&env) {
            Ok(config) => Some(Gate::new(config.admission, config.allowed)),
            Err(error) => {
                console_error!("{error}");
                None
            }
        };
        Self { store: SqlStore::new(state.storage().sql()), gate }
    }

    /// Answers 204 if the key in the path gets an account, 403 if it does not, and 503 if that cannot be said.
    async fn fetch(&self, request: Request) -> worker::Result<Response> {
        let key = request.path().strip_prefix("/admit/").and_then(|key| key.parse().ok());
        let (Some(key), Some(gate)) = (key, &self.gate) else { return Ok(answer(503)) };
        Ok(answer(match self.admit(gate, key, Clock::of(&request)).await {
            Ok(()) => 204,
            Err(Refusal::NotAdmitted | Refusal::Blocked) => {
                console_warn!("did not register {key}: add it to the variable ALLOW if it is to have an account");
                403
            }
            Err(error) => {
                console_error!("could not decide on an account: {error}");
                503
            }
        }))
    }
}

impl Registry {
    async fn admit(&self, gate: &Gate, key: PublicKey, clock: Clock) -> Result<(), Refusal> {
        gate.admit(&self.store, clock.now(), &key, &Visitor::default()).await?;
        self.store.register(key).await?;
        Ok(())
    }
}

fn answer(status: u16) -> Response {
    Response::builder().with_status(status).empty()
}

/// Asks the registry whether a key gets an account.
pub(crate) async fn ask(env: &Env, key: PublicKey) -> Result<(), Refusal> {
    let answer = async {
        let request = Request::new(&format!("https://registry/admit/{key}"), Method::Post)?;
        env.durable_object(REGISTRY)?.get_by_name(ONLY)?.fetch_with_request(request).await
    };
    match answer.await.map(|response| response.status_code()) {
        Ok(204) => Ok(()),
        Ok(403) => Err(Refusal::NotAdmitted),
        Ok(status) => Err(unavailable(&format!("the registry answered {status}"))),
        Err(error) => Err(unavailable(&error.to_string())),
    }
}

fn unavailable(said: &str) -> Refusal {
    StoreError::Read(SqlError::new(said).into()).into()
}
