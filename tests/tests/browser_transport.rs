//! A session whose driver is a browser, which cannot ping and does not learn why a host opens no channel, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::time::Duration;

use diplomatic::standard::calls::Call;
use diplomatic::sync::{Action, Live, LiveEvent, SessionConfig, Transport};
use diplomatic_simulation::desk::Desk;
use diplomatic_simulation::world::Quirks;

const SECOND: Duration = Duration::from_secs(1);

fn settled() -> Desk {
    let mut config = SessionConfig::default();
    config.transport = Transport::BROWSER;
    let mut desk = Desk::with(Quirks::default(), config);
    desk.run();
    desk.sent.clear();
    desk
}

#[test]
fn a_silent_channel_is_checked_ever_more_rarely_and_stays_open_while_it_misses_nothing() {
    let mut desk = settled();
    let socket = desk.socket;
    assert!(socket.is_some());
    desk.pass(SECOND * 3600, false);
    assert_eq!(desk.socket, socket, "it is not opened anew");
    let looks = desk.calls().iter().filter(|call| **call == Call::Peek).count();
    // After 30, 60, 120, 240, 480 and then every 600 seconds, beside the usual check every ten minutes.
    assert!((6..=20).contains(&looks), "{looks}");
    assert_eq!(desk.session.status().live, Live::Open);
}

#[test]
fn a_channel_that_does_not_announce_what_the_list_shows_is_opened_anew() {
    let mut desk = settled();
    let socket = desk.socket;
    // The connection died without a word, so this frame is lost.
    let _ = desk.others_push(&[10, 20]);
    desk.pass(SECOND * 40, false);
    assert_eq!(desk.count_here(), 2);
    assert!(desk.socket.is_some() && desk.socket != socket, "{:?}", desk.socket);
}

#[test]
fn a_channel_is_opened_anew_when_the_device_wakes_up() {
    let mut desk = settled();
    let socket = desk.socket;
    desk.session.handle_network(desk.time());
    desk.run();
    assert!(desk.socket.is_some() && desk.socket != socket);
}

#[test]
fn a_host_that_answers_calls_but_opens_no_channel_is_polled() {
    let mut desk = settled();
    let (mut opened, mut closed) = (0, None);
    desk.session.handle_live(desk.time(), desk.socket.unwrap(), LiveEvent::Closed);
    desk.socket = None;
    let end = desk.now + SECOND * 500;
    while desk.now < end {
        for action in desk.poll() {
            match action {
                Action::OpenLive { id, .. } => {
                    opened += 1;
                    closed = Some(id);
                }
                action => desk.carry_out(action),
            }
        }
        if let Some(id) = closed.take() {
            desk.session.handle_live(desk.time(), id, LiveEvent::Closed);
            continue;
        }
        desk.now = desk.session.poll_timeout().unwrap_or(end).max(desk.now);
    }
    assert_eq!(opened, 3, "after three attempts the next comes much later");
    assert_eq!(desk.session.status().live, Live::Polling);
    // What others push is found by looking.
    let _ = desk.others_push(&[10]);
    desk.pass(SECOND * 61, false);
    assert_eq!(desk.count_here(), 1);
}
