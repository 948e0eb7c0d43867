//! The sync status stands in JSON in a form that stays as it is.

use std::time::Duration;

use diplomatic::clock::ClockTrouble;
use diplomatic::standard::{ClockOffset, EntityId, Status};
use diplomatic::sync::{
    BlockCause, Failure, HostStatus, Live, Phase, ProxyFault, Refusal, RefusedMessage, SyncProgress, TlsFault, Trouble,
};
use diplomatic::{SyncStatus, Timestamp};
use diplomatic_simulation::todo::added;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::device::{Device, soon};
use crate::host::new_seed;

fn assert_form<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T, form: Value) {
    assert_eq!(serde_json::to_value(&value).unwrap(), form);
    assert_eq!(serde_json::from_value::<T>(form).unwrap(), value);
}

#[test]
fn phases_and_their_causes_have_a_form() {
    let progress = SyncProgress { done: 1, total: 2, listing: true };
    let read = json!({ "done": 1, "total": 2, "listing": true });
    let later = Duration::from_millis(1_500);
    assert_form(Phase::Connecting, json!("connecting"));
    assert_form(Phase::FirstSync(progress), json!({ "first_sync": read }));
    assert_form(Phase::CatchingUp(progress), json!({ "catching_up": read }));
    assert_form(Phase::Pushing, json!("pushing"));
    assert_form(Phase::CaughtUp, json!("caught_up"));
    assert_form(
        Phase::Waiting { trouble: Trouble::Cut, failures: 3, retry_at: later },
        json!({ "waiting": { "trouble": "cut", "failures": 3, "retry_at": 1500 } }),
    );
    assert_form(
        Phase::Blocked { cause: BlockCause::NotAHost, retry_at: later },
        json!({ "blocked": { "cause": "not_a_host", "retry_at": 1500 } }),
    );
    for (trouble, form) in [
        (Trouble::NoAddress { name: "h".into() }, json!({ "no_address": { "name": "h" } })),
        (Trouble::ConnectionRefused, json!("connection_refused")),
        (Trouble::Unreachable, json!("unreachable")),
        (
            Trouble::Proxy { proxy: "http://p:1".into(), fault: ProxyFault::HttpStatus(502) },
            json!({ "proxy": { "proxy": "http://p:1", "fault": { "http_status": 502 } } }),
        ),
        (
            Trouble::Proxy { proxy: "http://p:1".into(), fault: ProxyFault::NotAProxy },
            json!({ "proxy": { "proxy": "http://p:1", "fault": "not_a_proxy" } }),
        ),
        (Trouble::Offline, json!("offline")),
        (Trouble::Timeout, json!("timeout")),
        (Trouble::TooSlow, json!("too_slow")),
        (Trouble::HttpStatus(500), json!({ "http_status": 500 })),
        (Trouble::Busy { status: 503, retry_after: later }, json!({ "busy": { "status": 503, "retry_after": 1500 } })),
        (Trouble::HostFailed(Status::STORAGE_ERROR), json!({ "host_failed": 17 })),
        (Trouble::Garbled, json!("garbled")),
        (Trouble::FalseAcknowledgement, json!("false_acknowledgement")),
    ] {
        assert_form(trouble, form);
    }
    let time = Timestamp::from_millis(5);
    for (cause, form) in [
        (BlockCause::Clock, json!("clock")),
        (BlockCause::Registration(Status::USER_NOT_REGISTERED), json!({ "registration": 5 })),
        (BlockCause::Misconfigured, json!("misconfigured")),
        (BlockCause::SomethingElse, json!("something_else")),
        (BlockCause::NotHttp, json!("not_http")),
        (
            BlockCause::Redirected { status: 308, target: "http://h".into() },
            json!({ "redirected": { "status": 308, "target": "http://h" } }),
        ),
        (BlockCause::Tls(TlsFault::SelfSigned), json!({ "tls": "self_signed" })),
        (
            BlockCause::Tls(TlsFault::Expired { until: time, now: time }),
            json!({ "tls": { "expired": { "until": 5, "now": 5 } } }),
        ),
        (
            BlockCause::Tls(TlsFault::WrongName { names: "a, b".into() }),
            json!({ "tls": { "wrong_name": { "names": "a, b" } } }),
        ),
        (BlockCause::Tls(TlsFault::Handshake("x".into())), json!({ "tls": { "handshake": "x" } })),
        (BlockCause::Refused(Status::from_number(99)), json!({ "refused": 99 })),
        (BlockCause::Denied(403), json!({ "denied": 403 })),
        (BlockCause::Storage, json!("storage")),
        (BlockCause::ForeignBags, json!("foreign_bags")),
        (BlockCause::OverQuota, json!("over_quota")),
        (BlockCause::TooManyUnreadable, json!("too_many_unreadable")),
        (BlockCause::RepeatsBags, json!("repeats_bags")),
        (BlockCause::LosesBags, json!("loses_bags")),
        (BlockCause::Withholds { messages: 2 }, json!({ "withholds": { "messages": 2 } })),
    ] {
        assert_form(cause, form);
    }
    let trouble = ClockTrouble::ThisDevice { offset: ClockOffset::from_millis(-90_000) };
    assert_form(trouble, json!({ "this_device": { "offset": -90_000 } }));
}

fn host_status() -> (HostStatus, Value) {
    let entity = EntityId::new(b"milkmilk", Timestamp::from_millis(1));
    let mut status = HostStatus::default();
    status.phase = Phase::CaughtUp;
    status.live = Live::Polling;
    status.live_failure = Some(Failure::Busy { status: 429, retry_after: Duration::from_secs(2) });
    status.pending = 1;
    status.refused = 1;
    status.refusal = Some(Refusal::OverQuota { limit: 10, used: 9 });
    status.refused_message =
        Some(RefusedMessage { entity: entity.clone(), changed: Timestamp::from_millis(2), bytes: 3 });
    status.clock_offset = Some(ClockOffset::from_millis(6_000));
    let form = json!({
        "phase": "caught_up",
        "live": "polling",
        "live_failure": { "busy": { "status": 429, "retry_after": 2000 } },
        "pending": 1,
        "to_send": { "parts": 0, "bytes": 0 },
        "to_fetch": { "parts": 0, "bytes": 0 },
        "refused": 1,
        "refusal": { "over_quota": { "limit": 10, "used": 9 } },
        "refused_message": { "entity": entity.to_string(), "changed": 2, "bytes": 3 },
        "skipped": 0,
        "withheld": 0,
        "holes": 0,
        "clock_offset": 6000,
        "audits": 0,
    });
    (status, form)
}

#[test]
fn the_status_of_a_host_has_a_form() {
    let (status, form) = host_status();
    assert_form(status, form);
    assert_form(Refusal::Status(Status::STORAGE_ERROR), json!({ "status": 17 }));
    assert_form(Refusal::TooLarge, json!("too_large"));
    for (live, form) in [(Live::Down, "down"), (Live::Open, "open"), (Live::Polling, "polling")] {
        assert_form(live, json!(form));
    }
}

#[tokio::test]
async fn the_status_of_a_client_has_a_form_and_comes_back_from_it() {
    let device = Device::new(&new_seed());
    let client = device.open("http://localhost:1").await;
    client.emit(added("milk")).await.unwrap();
    let status = soon("the host is tried", client.sync()).await.unwrap();
    client.close().await;
    let retry_at = match &status.hosts()[0].status.phase {
        Phase::Waiting { retry_at, .. } => retry_at.as_millis() as u64,
        other => panic!("nothing listens there: {other:?}"),
    };
    let mut form = serde_json::to_value(&status).unwrap();
    let host = json!({
        "label": { "name": "host", "index": 0 },
        "address": "http://localhost:1",
        "is_first_synced": false,
        "is_caught_up": false,
        "status": {
            "phase": { "waiting": { "trouble": "connection_refused", "failures": 1, "retry_at": retry_at } },
            "live": "down",
            "live_failure": null,
            "pending": 1,
            "to_send": { "parts": 0, "bytes": 0 },
            "to_fetch": { "parts": 0, "bytes": 0 },
            "refused": 0,
            "refusal": null,
            "refused_message": null,
            "skipped": 0,
            "withheld": 0,
            "holes": 0,
            "clock_offset": null,
            "audits": 0,
        },
    });
    let this_device = form["peers"]["this_device"].take();
    assert_eq!(
        form,
        json!({
            "is_caught_up": false,
            "pending": 1,
            "hosts": [host],
            "ahead": null,
            "peers": { "this_device": null, "devices": [], "odd": 0, "withheld": [] },
        })
    );
    form["peers"]["this_device"] = this_device;
    // What another process shows says the same.
    let shown: SyncStatus = serde_json::from_value(form.clone()).unwrap();
    assert_eq!(serde_json::to_value(&shown).unwrap(), form);
    assert_eq!(shown.hosts()[0].to_string(), status.hosts()[0].to_string());
    assert!(!shown.is_caught_up() && shown.pending() == 1);

    let mut caught_up = form;
    let host = &mut caught_up["hosts"][0];
    host["is_caught_up"] = json!(true);
    host["status"]["phase"] = json!("caught_up");
    host["status"]["pending"] = json!(0);
    assert!(serde_json::from_value::<SyncStatus>(caught_up).unwrap().is_caught_up());
}
