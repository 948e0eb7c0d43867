//! How often a host without a live channel is looked at, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::time::Duration;

use diplomatic::standard::calls::Call;
use diplomatic::standard::{HostKeys, Label, Seed, Timestamp};
use diplomatic::sync::{Action, Failure, Live, LiveEvent, Now, ProxyFault, Session, SessionConfig};
use diplomatic_simulation::world::{DeviceLog, ModelHost, ModelLog, Quirks, WorldHost};

const DAWN: u64 = 1_800_000_000_000;
const SECOND: Duration = Duration::from_secs(1);

/// Lets an idle device sync for two hours, with every attempt to open a channel ending like this after a while, and
/// returns when the host was asked for its list.
fn looks(event: &LiveEvent, after: Duration) -> (Vec<Duration>, Session) {
    let keys = HostKeys::derive(&Seed::from_bytes([7; 32]), &Label::default());
    let mut session = Session::new(keys, SessionConfig::default(), &[1; 32]);
    let mut host = ModelHost::new(Quirks::default(), 0);
    let mut log = ModelLog::new(0);
    log.link(0);
    let (mut now, mut looks, mut opening) = (SECOND, Vec::new(), None);
    while now < SECOND * 7200 {
        let time = Timestamp::from_millis(DAWN + now.as_millis() as u64);
        let at = Now { wall: time, elapsed: now };
        while let Some(action) = session.poll_action(at, &mut log.session(0)) {
            match action {
                Action::Request { id, call, body } => {
                    if call == Call::Peek {
                        looks.push(now);
                    }
                    session.handle_chunk(at, id, &host.call(time, call.path(), &body).body);
                    session.handle_end(at, id);
                }
                Action::OpenLive { id, .. } => opening = Some((now + after, id)),
                _ => {}
            }
        }
        let ends = opening.map(|(ends, _)| ends);
        now = session.poll_timeout().into_iter().chain(ends).min().unwrap_or(SECOND * 7200).max(now);
        if let Some((_, id)) = opening.take_if(|(ends, _)| *ends <= now) {
            session.handle_live(Now { elapsed: now, ..at }, id, event.clone());
        }
    }
    (looks, session)
}

#[test]
fn gaps_are_a_minute_at_most_however_attempts_to_open_a_channel_end() {
    let dead_proxy = Failure::Proxy { proxy: "http://p:1".into(), fault: ProxyFault::Timeout };
    for event in [
        LiveEvent::Closed,
        LiveEvent::NotSupported,
        LiveEvent::Refused(401),
        LiveEvent::Refused(502),
        LiveEvent::Failed(dead_proxy),
    ] {
        for after in [Duration::ZERO, SECOND, SECOND * 20] {
            let (looks, session) = looks(&event, after);
            let longest = looks.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
            assert!(longest <= SECOND * 60, "{event:?} after {after:?}: {longest:?}");
            assert!(looks.len() < 7200 / 10, "{event:?} after {after:?}: {} looks", looks.len());
            assert_ne!(session.status().live, Live::Open);
        }
    }
}

#[test]
fn why_there_is_no_channel_is_told() {
    let failure = Failure::Proxy { proxy: "http://p:1".into(), fault: ProxyFault::Denied };
    let (_, session) = looks(&LiveEvent::Failed(failure.clone()), SECOND);
    assert_eq!(session.status().live_failure, Some(failure));
}
