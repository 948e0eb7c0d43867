//! What happens before an account's object is woken: whoever cannot prove that the account is theirs gets no further.

use diplomatic::standard::{PublicKey, Timestamp};
use diplomatic_host::{Refusal, Reply, Route, identify, identify_token};
use worker::{Env, Request, Response, console_error};

use crate::body::Body;
use crate::clock::Clock;
use crate::config::Config;
use crate::respond::{refuse, respond_at_once};

/// The binding of the accounts' objects.
const ACCOUNTS: &str = "ACCOUNTS";

pub(crate) async fn answer(request: Request, env: &Env) -> worker::Result<Response> {
    #[cfg(feature = "testing")]
    if let Some(response) = crate::testing::at_the_door(&request, env).await {
        return response;
    }
    let clock = Clock::of(&request);
    let received = clock.now();
    if asks_for_socket(&request) {
        let Ok(key) = token(&request).and_then(|token| identify_token(received, &token)) else { return refuse(401) };
        return match hand_over(request, env, &key).await {
            Ok(response) => Ok(response),
            Err(Refusal::Blocked) => refuse(401),
            Err(_) => refuse(503),
        };
    }
    let route = Route::of(request.method().as_ref(), &request.path());
    match route {
        Route::Call(_) => {
            let outcome = async {
                let key = caller(received, &request).await?;
                hand_over(request, env, &key).await
            };
            match outcome.await {
                Ok(response) => Ok(response),
                Err(refusal) => respond_at_once(&Reply::refused(received, &refusal), clock),
            }
        }
        Route::Preflight => respond_at_once(&Reply::preflight(received), clock),
        _ => respond_at_once(&Reply::refused(received, &Refusal::NotFound), clock),
    }
}

/// Reads the front of a request, and leaves the request as it is.
async fn caller(received: Timestamp, request: &Request) -> Result<PublicKey, Refusal> {
    let mut copy = request.clone().map_err(|_| Refusal::Incomplete)?;
    identify(received, &mut Body::of(&mut copy)).await
}

/// Lets the account's object answer.
async fn hand_over(request: Request, env: &Env, key: &PublicKey) -> Result<Response, Refusal> {
    let config = Config::read(env).map_err(|error| {
        console_error!("{error}");
        Refusal::Busy
    })?;
    if config.blocked.contains(key) {
        return Err(Refusal::Blocked);
    }
    let answer =
        async { env.durable_object(ACCOUNTS)?.get_by_name(&key.to_string())?.fetch_with_request(request).await };
    // An object that is overloaded, or moves to another machine: its clients come again.
    answer.await.map_err(|error| {
        console_error!("an account did not answer: {error}");
        Refusal::Busy
    })
}

pub(crate) fn asks_for_socket(request: &Request) -> bool {
    let upgrade = request.headers().get("upgrade").ok().flatten();
    request.path() == "/" && upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

/// Returns the token of the live channel.
pub(crate) fn token(request: &Request) -> Result<String, Refusal> {
    let url = request.url().map_err(|_| Refusal::NoToken)?;
    let token = url.query_pairs().find(|(name, _)| name == "t").map(|(_, token)| token.into_owned());
    token.ok_or(Refusal::NoToken)
}
