//! The exchange that was recorded from a running standard host, byte for byte.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test, or no benchmark")]

mod support;

use std::time::Duration;

use diplomatic::standard::{Status, Timestamp};
use diplomatic_host::{Host, Limits, MemoryStore, RedbStore, Route};
use serde_json::Value;

use support::account::NOW;
use support::{Running, next_frame, soon};

struct Step {
    what: String,
    now: Timestamp,
    method: String,
    path: String,
    request: Vec<u8>,
    status: Option<String>,
    response: Vec<u8>,
    /// The frames that the user's sockets get; we leave out the empty ones.
    frames: Vec<Vec<u8>>,
}

fn steps() -> Vec<Step> {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/api.json")).unwrap();
    let text = |step: &Value, field: &str| step[field].as_str().unwrap_or_default().to_owned();
    let step = |step: &Value| Step {
        what: text(step, "what"),
        now: Timestamp::from_millis(step["hostNowMs"].as_u64().unwrap()),
        method: text(step, "method"),
        path: text(step, "path"),
        request: bytes(&text(step, "request")),
        status: step["status"].as_str().map(str::to_owned),
        response: bytes(&text(step, "response")),
        frames: step["notifications"]
            .as_array()
            .unwrap()
            .iter()
            .map(|frame| bytes(frame.as_str().unwrap()))
            .filter(|frame| !frame.is_empty())
            .collect(),
    };
    vectors["steps"].as_array().unwrap().iter().map(step).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

async fn replay<S: diplomatic_host::BagStore>(host: &Host<S>) {
    for step in steps() {
        let reply = host.handle(step.now, Route::of(&step.method, &step.path), step.request).await;
        assert_eq!(reply.status().and_then(Status::name), step.status.as_deref(), "{}", step.what);
        let frames: Vec<_> = reply.notices.iter().map(|notice| notice.frame.clone()).collect();
        assert_eq!(frames, step.frames, "{}", step.what);
        assert_eq!(reply.collect(host.store(), step.now).await.unwrap(), step.response, "{}", step.what);
    }
}

#[tokio::test]
async fn the_calls_answer_as_recorded_from_memory() {
    replay(&Host::new(MemoryStore::new())).await;
}

#[tokio::test]
async fn the_calls_answer_as_recorded_from_redb() {
    replay(&Host::new(RedbStore::in_memory().unwrap())).await;
}

#[cfg(all(unix, feature = "postgres"))]
#[tokio::test]
async fn the_calls_answer_as_recorded_from_postgres() {
    let Some(url) = support::postgres::fresh().await else { return };
    let options = diplomatic_host::PostgresOptions::default();
    replay(&Host::new(diplomatic_host::PostgresStore::connect(&url, options).await.unwrap())).await;
}

#[tokio::test]
async fn the_server_answers_as_recorded() {
    let mut limits = Limits::default();
    limits.ping = Duration::from_secs(3600);
    let server = Running::with_limits(MemoryStore::new(), limits).await;
    let mut client = server.client().await;
    let mut socket = None;
    for step in steps() {
        assert_eq!(step.now, NOW);
        let response = soon(client.send(&step.method, &step.path, step.request.clone())).await.unwrap();
        assert_eq!(response.status, 200, "{}", step.what);
        assert_eq!(response.headers["access-control-allow-origin"], "*", "{}", step.what);
        assert_eq!(response.body, step.response, "{}", step.what);
        for frame in step.frames {
            assert_eq!(soon(next_frame(socket.as_mut().unwrap())).await.unwrap(), frame, "{}", step.what);
        }
        if step.what == "register" {
            let token: String = step.request.iter().map(|byte| format!("{byte:02x}")).collect();
            let url = format!("ws://{}/?t={token}", server.address);
            socket = Some(tokio_tungstenite::connect_async(url).await.unwrap().0);
        }
    }
}
