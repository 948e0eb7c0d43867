//! One session against a host in memory, event by event, in virtual time.

use std::time::Duration;

use diplomatic::standard::calls::{
    Call, Notification, PeekItem, PeekRequest, PullItem, PushItem, PushOutcome, PushRequest, Quota, ResponseHead,
};
use diplomatic::standard::{Bag, BagHead, Decode, Encode, Kdm, Reader, SealedBody, SealedHead, Seq, Signature, Status};
use diplomatic::sync::{
    Action, BlockCause, Failure, Live, LiveEvent, Phase, PushLimits, Refusal, SessionConfig, SyncLog, Trouble,
};
use diplomatic_simulation::desk::{AUTH, Desk};
use diplomatic_simulation::world::{Chance, DeviceLog, Quirks, WorldHost};

#[test]
fn first_contact_registers_only_when_the_host_asks_for_it() {
    let mut desk = Desk::new(Quirks::default());
    desk.emit(10);
    desk.run();
    assert_eq!(desk.calls(), [Call::Peek, Call::User, Call::Peek, Call::Push, Call::Peek]);
    assert_eq!(desk.phase(), Phase::CaughtUp);
    assert_eq!(desk.session.status().live, Live::Open);

    let mut desk = Desk::new(Quirks { no_registration: true, ..Quirks::default() });
    desk.run();
    assert_eq!(desk.calls(), [Call::Peek, Call::Peek]);
}

#[test]
fn push_whose_answer_was_lost_is_sent_again_byte_for_byte() {
    let mut desk = Desk::settled(Quirks::default());
    desk.emit(10);
    let (id, first) = desk.request(Call::Push);
    desk.session.handle_failure(desk.time(), id, Failure::Cut);
    // The host did not get it: the peek in between shows nothing.
    desk.pass(Duration::from_secs(3), true);
    let again = &desk.sent.iter().rfind(|(call, _)| *call == Call::Push).unwrap().1;
    assert_eq!(first[AUTH..], again[AUTH..]);
    assert_eq!(desk.session.status().pending, 0);
}

#[test]
fn push_whose_answer_was_lost_is_not_repeated_if_the_host_lists_it() {
    let mut desk = Desk::settled(Quirks { repeats_bags: true, ..Quirks::default() });
    desk.emit(10);
    let (id, body) = desk.request(Call::Push);
    desk.host.call(desk.host_time(), Call::Push.path(), &body);
    desk.session.handle_failure(desk.time(), id, Failure::Cut);
    desk.pass(Duration::from_secs(3), true);
    assert_eq!(desk.calls(), [Call::Push, Call::Peek]);
    assert_eq!(desk.session.status().pending, 0);
}

#[test]
fn what_was_sealed_ahead_is_pushed_once_and_not_if_the_host_has_it_meanwhile() {
    let mut config = SessionConfig::default();
    config.push.bags = 2;
    let mut desk = Desk::with(Quirks { repeats_bags: true, ..Quirks::default() }, config.clone());
    desk.run();
    desk.sent.clear();
    (0..6).for_each(|_| _ = desk.emit(10));
    let (id, body) = desk.request(Call::Push);
    assert!(!desk.session.can_prepare(), "the next two are sealed");

    let keys = &desk.keys;
    let queued =
        desk.log.session(0).outgoing(None, PushLimits { bags: 3, ..config.push }, &mut |message| keys.seal(message));
    let third = queued.unwrap().pop().unwrap().bag;
    let mut by_another_device = desk.keys.authenticate(desk.host_time()).to_bytes();
    PushRequest { bags: vec![third.clone()] }.encode(&mut by_another_device);
    let (_, frame) = desk.host.call(desk.host_time(), Call::Push.path(), &by_another_device).frame.unwrap();
    desk.frame(frame);
    desk.poll();
    let answer = desk.host.call(desk.host_time(), Call::Push.path(), &body);
    desk.answer(id, &answer.body);
    desk.run();

    assert_eq!(desk.session.status().pending, 0);
    let pushes = desk.sent.iter().filter(|(call, _)| *call == Call::Push);
    let pushed: Vec<_> = pushes.flat_map(|(_, body)| PushRequest::decode(&body[AUTH..]).unwrap().bags).collect();
    assert_eq!(pushed.len(), 5, "each is pushed once");
    assert!(!pushed.contains(&third));
}

#[test]
fn own_bags_are_not_listed_one_by_one_after_a_push() {
    let mut desk = Desk::settled(Quirks::default());
    for _ in 0..5 {
        desk.emit(10);
        desk.run();
    }
    assert_eq!(desk.calls(), [Call::Push; 5]);
}

#[test]
fn small_inlined_body_is_stored_at_once() {
    let mut desk = Desk::settled(Quirks::default());
    let frame = desk.others_push(&[20]);
    desk.frame(frame);
    assert!(matches!(desk.poll()[..], [Action::Arrived { messages: 1 }]));
    assert_eq!(desk.count_here(), 1);
}

#[test]
fn announced_delete_is_stored_at_once_and_a_large_body_is_pulled() {
    let mut desk = Desk::settled(Quirks::default());
    let frame = desk.others_push(&[0, 2000]);
    desk.frame(frame);
    desk.run();
    assert_eq!(desk.calls(), [Call::Pull]);
    assert_eq!(desk.count_here(), 2);
}

#[test]
fn gap_in_a_notification_peeks() {
    let mut desk = Desk::settled(Quirks::default());
    desk.others_push(&[20]);
    let second = desk.others_push(&[20]);
    desk.frame(second);
    desk.run();
    assert_eq!(desk.calls(), [Call::Peek, Call::Pull]);
    assert_eq!(desk.count_here(), 2);
}

#[test]
fn what_is_pushed_while_the_channel_opens_is_not_missed() {
    let mut desk = Desk::new(Quirks::default());
    loop {
        let actions = desk.poll();
        if actions.iter().any(|action| matches!(action, Action::OpenLive { .. })) {
            desk.others_push(&[20]);
        }
        if actions.is_empty() {
            break;
        }
        actions.into_iter().for_each(|action| desk.carry_out(action));
    }
    assert_eq!(desk.count_here(), 1);
}

#[test]
fn what_is_announced_while_a_list_is_read_is_not_missed() {
    let mut desk = Desk::settled(Quirks::default());
    desk.session.handle_network(desk.time());
    let (id, body) = desk.request(Call::Peek);
    let list = desk.host.call(desk.host_time(), Call::Peek.path(), &body).body;
    let frame = desk.others_push(&[20]);
    desk.frame(frame);
    desk.poll();
    desk.answer(id, &list);
    desk.run();
    assert_eq!(desk.count_here(), 1);
}

#[test]
fn own_seq_behind_a_gap_peeks() {
    let mut desk = Desk::settled(Quirks::default());
    desk.others_push(&[20]);
    desk.emit(10);
    desk.run();
    assert_eq!(desk.count_here(), 2);
}

#[test]
fn wrong_clock_is_corrected() {
    let mut desk = Desk::new(Quirks::default());
    desk.skew = -86_400_000;
    desk.emit(10);
    desk.run();
    assert_eq!(desk.phase(), Phase::CaughtUp);
    assert_eq!(desk.session.status().clock_offset.unwrap().as_millis(), 86_400_000);
    assert_eq!(desk.session.status().live, Live::Open);
}

#[test]
fn clock_that_cannot_be_corrected_blocks() {
    let mut desk = Desk::new(Quirks::default());
    for _ in 0..2 {
        let (id, _) = desk.request(Call::Peek);
        let refused = desk.head(Status::CLOCK_OUT_OF_SYNC);
        desk.answer(id, &refused);
    }
    assert!(!desk.poll().iter().any(|action| matches!(action, Action::Request { .. })));
    assert!(matches!(desk.phase(), Phase::Blocked { cause: BlockCause::Clock, .. }));
    assert!(!BlockCause::Clock.remedy().is_empty());
    desk.pass(Duration::from_secs(3), true);
    assert_eq!(desk.phase(), Phase::CaughtUp);
}

#[test]
fn slow_exchange_does_not_spoil_a_right_clock() {
    let mut desk = Desk::new(Quirks::default());
    let (id, body) = desk.request(Call::Peek);
    let answer = desk.host.call(desk.host_time(), Call::Peek.path(), &body);
    desk.now += Duration::from_secs(25);
    desk.answer(id, &answer.body);
    desk.run();
    assert_eq!(desk.session.status().clock_offset, None);
}

#[test]
fn restored_host_gets_everything_again() {
    let mut desk = Desk::settled(Quirks::default());
    let backup = desk.host.back_up();
    for _ in 0..4 {
        desk.emit(10);
    }
    desk.run();
    desk.others_push(&[20]);
    desk.host.restore(&backup);
    desk.session.handle_live(desk.time(), desk.socket.unwrap(), LiveEvent::Closed);
    desk.pass(Duration::from_secs(10), true);
    assert_eq!(desk.session.status().audits, 1);
    assert_eq!(desk.phase(), Phase::CaughtUp);
    assert_eq!(desk.host.back_up().1.values().next().unwrap().len(), 4);
}

#[test]
fn restored_host_that_others_filled_up_again_is_noticed() {
    let mut desk = Desk::settled(Quirks::default());
    let backup = desk.host.back_up();
    desk.emit(10);
    desk.run();
    desk.host.restore(&backup);
    desk.others_push(&[20]);
    desk.session.handle_live(desk.time(), desk.socket.unwrap(), LiveEvent::Closed);
    desk.pass(Duration::from_secs(10), true);
    assert_eq!(desk.session.status().audits, 1);
    assert_eq!(desk.count_here(), 2);
    assert_eq!(desk.host.back_up().1.values().next().unwrap().len(), 2);
}

#[test]
fn host_that_keeps_losing_bags_is_not_filled_in_a_loop() {
    let mut desk = Desk::settled(Quirks::default());
    let empty = desk.host.back_up();
    desk.emit(10);
    for _ in 0..1000 {
        desk.host.restore(&empty);
        desk.session.handle_network(desk.time());
        desk.pass(Duration::from_millis(500), true);
    }
    assert!(desk.session.status().audits <= 5, "{:?}", desk.session.status());
    desk.pass(Duration::from_secs(3600), true);
    assert_eq!(desk.phase(), Phase::CaughtUp);
}

#[test]
fn a_full_account_is_shown_as_full_and_with_a_remedy() {
    for (stored, traffic, refusal) in [
        (Quota::new(100, 95), Quota::UNLIMITED, Refusal::OverQuota { limit: 100, used: 95 }),
        (Quota::new(100, 95), Quota::new(50, 49), Refusal::OverQuota { limit: 100, used: 95 }),
        (Quota::new(100, 95), Quota::new(50, 50), Refusal::OverTraffic { limit: 50 }),
        (Quota::UNLIMITED, Quota::UNLIMITED, Refusal::Status(Status::STORAGE_ERROR)),
    ] {
        let mut desk = Desk::settled(Quirks::default());
        desk.emit(10);
        let (id, _) = desk.request(Call::Push);
        let head = desk.head(Status::SUCCESS);
        let head = ResponseHead { stored, traffic, ..ResponseHead::decode(&head).unwrap() };
        let mut body = head.to_bytes();
        PushItem { index: 0, outcome: PushOutcome::Refused(Status::STORAGE_ERROR) }.encode(&mut body);
        desk.answer(id, &body);
        assert!(desk.poll().is_empty());
        let status = desk.session.status();
        assert_eq!((status.pending, status.refused, status.refusal), (1, 1, Some(refusal)));
        assert!(refusal.remedy().contains("host"));
    }
}

#[test]
fn refused_bag_does_not_hold_up_the_others() {
    let mut desk = Desk::settled(Quirks::default());
    for _ in 0..3 {
        desk.emit(10);
    }
    let (id, _) = desk.request(Call::Push);
    let mut body = desk.head(Status::SUCCESS);
    for (index, outcome) in [
        (7, PushOutcome::Stored(Seq::new(9).unwrap())),
        (0, PushOutcome::Stored(Seq::new(1).unwrap())),
        (1, PushOutcome::Refused(Status::from_number(99))),
        (0, PushOutcome::Refused(Status::STORAGE_ERROR)),
        (2, PushOutcome::Stored(Seq::new(2).unwrap())),
    ] {
        PushItem { index, outcome }.encode(&mut body);
    }
    desk.answer(id, &body);
    assert!(desk.poll().is_empty());
    let status = desk.session.status();
    assert_eq!((&status.phase, status.pending, status.refused), (&Phase::CaughtUp, 1, 1));
    assert_eq!(status.refusal, Some(Refusal::Status(Status::from_number(99))));
    desk.now += Duration::from_secs(599);
    assert!(!desk.poll().iter().any(|action| matches!(action, Action::Request { call: Call::Push, .. })));
}

#[test]
fn refused_bag_is_tried_again_after_a_while() {
    let mut desk = Desk::settled(Quirks::default());
    desk.emit(10);
    let (id, _) = desk.request(Call::Push);
    let mut body = desk.head(Status::SUCCESS);
    PushItem { index: 0, outcome: PushOutcome::Refused(Status::STORAGE_ERROR) }.encode(&mut body);
    desk.answer(id, &body);
    desk.pass(Duration::from_secs(601), true);
    assert_eq!((desk.session.status().pending, desk.session.status().refused), (0, 0));
}

#[test]
fn push_that_is_too_large_is_halved_down_to_one_which_is_set_aside() {
    let mut desk = Desk::settled(Quirks::default());
    for len in [10, 10, 10, 5000] {
        desk.emit(len);
    }
    let mut sizes = Vec::new();
    for _ in 0..20 {
        for action in desk.poll() {
            match action {
                Action::Request { id, call: Call::Push, body } if body.len() > 4000 => {
                    sizes.push(PushRequest::decode(&body[AUTH..]).unwrap().bags.len());
                    desk.session.handle_failure(desk.time(), id, Failure::HttpStatus(413));
                }
                action => desk.carry_out(action),
            }
        }
    }
    assert_eq!((sizes.first(), sizes.last()), (Some(&4), Some(&1)));
    assert!(sizes.len() <= 4, "{sizes:?}");
    let status = desk.session.status();
    assert_eq!((status.pending, status.refused, status.refusal), (1, 1, Some(Refusal::TooLarge)));
}

#[test]
fn answer_that_keeps_silent_about_a_bag_does_not_acknowledge_it() {
    let mut desk = Desk::settled(Quirks::default());
    desk.emit(10);
    let (id, _) = desk.request(Call::Push);
    let silent = desk.head(Status::SUCCESS);
    desk.answer(id, &silent);
    assert_eq!(desk.log.session(0).pending().unwrap(), 1);
    desk.pass(Duration::from_secs(3), true);
    assert_eq!(desk.session.status().pending, 0);
}

#[test]
fn missing_body_is_skipped_after_a_few_rounds_and_settled_when_it_turns_up() {
    let mut desk = Desk::new(Quirks { late_bodies: 1000, ..Quirks::default() });
    desk.others_push(&[20, 0]);
    desk.pass(Duration::from_secs(60), true);
    assert_eq!((desk.count_here(), desk.session.status().skipped), (1, 1));
    assert_eq!(desk.phase(), Phase::CaughtUp);
    desk.host.heal();
    desk.pass(Duration::from_secs(601), true);
    assert_eq!((desk.count_here(), desk.session.status().skipped), (2, 0));
}

#[test]
fn bag_that_does_not_open_is_skipped_and_counted() {
    let mut desk = Desk::settled(Quirks::default());
    let good = desk.seal(0).head;
    let bad = BagHead { kdm: Kdm::from_bytes([0; 8]), ..good.clone() };
    desk.session.handle_network(desk.time());
    let (id, _) = desk.request(Call::Peek);
    let mut body = desk.head(Status::SUCCESS);
    for (seq, head) in [(1, &bad), (2, &good)] {
        PeekItem { head: head.clone(), seq: Seq::new(seq).unwrap() }.encode(&mut body);
    }
    desk.answer(id, &body);
    desk.poll();
    assert_eq!((desk.count_here(), desk.session.status().skipped), (1, 1));
}

#[test]
fn host_that_lists_foreign_bags_is_blocked() {
    let mut desk = Desk::new(Quirks::default());
    let (id, _) = desk.request(Call::Peek);
    let mut body = desk.head(Status::SUCCESS);
    for seq in 1..=20 {
        let head = BagHead {
            signature: Signature::from_bytes([9; 64]),
            kdm: Kdm::from_bytes([0; 8]),
            head: SealedHead::from_bytes(vec![1; 90]),
        };
        PeekItem { head, seq: Seq::new(seq).unwrap() }.encode(&mut body);
    }
    desk.answer(id, &body);
    desk.poll();
    assert!(matches!(desk.phase(), Phase::Blocked { cause: BlockCause::ForeignBags, .. }));
    assert_eq!(desk.log.session(0).cursor().unwrap().seq, Seq::ZERO);
}

#[test]
fn cut_list_is_used_as_far_as_it_came() {
    let mut desk = Desk::new(Quirks::default());
    desk.others_push(&[0, 0, 0]);
    let (id, body) = desk.request(Call::Peek);
    let answer = desk.host.call(desk.host_time(), Call::Peek.path(), &body).body;
    desk.session.handle_chunk(desk.time(), id, &answer[..answer.len() - 10]);
    desk.session.handle_failure(desk.time(), id, Failure::Cut);
    desk.poll();
    assert_eq!(desk.count_here(), 2);
    assert_eq!(desk.log.session(0).cursor().unwrap().seq, Seq::new(2).unwrap());
    assert!(matches!(desk.phase(), Phase::Waiting { trouble: Trouble::Cut, .. }));
    desk.pass(Duration::from_secs(3), true);
    assert_eq!(desk.count_here(), 3);
}

#[test]
fn hole_in_the_list_is_passed_over_counted_and_filled_when_the_host_lists_the_bag() {
    let mut desk = Desk::settled(Quirks::default());
    for _ in 0..3 {
        desk.emit(10);
        desk.run();
    }
    // A list that leaves out bag 4 and goes on with 5, for ever.
    let mut heads: Vec<(u64, Bag)> = Vec::new();
    for (seq, bag) in (1..).zip(desk.host.back_up().1.into_values().next().unwrap()) {
        heads.push((seq, bag));
    }
    let (missing, late) = (desk.seal(0), desk.seal(0));
    heads.push((5, late));
    desk.session.handle_network(desk.time());
    for second in 0..900 {
        if second == 60 {
            assert_eq!((desk.count_here(), desk.session.status().holes, desk.phase()), (4, 1, Phase::CaughtUp));
            assert!(!desk.session.status().is_in_sync());
            heads.insert(3, (4, missing.clone()));
        }
        for action in desk.poll() {
            match action {
                Action::Request { id, call: Call::Peek, body } => {
                    let after = PeekRequest::decode(&body[AUTH..]).unwrap().after.number();
                    let mut body = desk.head(Status::SUCCESS);
                    for (seq, bag) in heads.iter().filter(|(seq, _)| *seq > after) {
                        PeekItem { head: bag.head.clone(), seq: Seq::new(*seq).unwrap() }.encode(&mut body);
                    }
                    desk.answer(id, &body);
                }
                Action::Ping { id } => desk.session.handle_live(desk.time(), id, LiveEvent::Alive),
                action => desk.carry_out(action),
            }
        }
        desk.now += Duration::from_secs(1);
    }
    assert_eq!((desk.count_here(), desk.session.status().audits), (5, 0));
    assert!(desk.session.status().is_in_sync(), "{:?}", desk.session.status());
    assert_eq!(desk.log.session(0).cursor().unwrap().seq, Seq::new(5).unwrap());
}

#[test]
fn absurd_seq_does_not_poison_the_cursor() {
    let mut desk = Desk::settled(Quirks::default());
    let head = desk.seal(0).head;
    desk.session.handle_network(desk.time());
    for seq in [(1 << 56) - 1, 1 << 50] {
        let (id, _) = desk.request(Call::Peek);
        let mut body = desk.head(Status::SUCCESS);
        PeekItem { head: head.clone(), seq: Seq::new(seq).unwrap() }.encode(&mut body);
        desk.answer(id, &body);
        desk.poll();
        desk.now += Duration::from_secs(60);
    }
    assert!(!desk.session.status().is_in_sync());
    desk.others_push(&[10]);
    desk.session.handle_network(desk.time());
    desk.pass(Duration::from_secs(120), true);
    // What came under that number is authentic, and the host lacks it.
    assert_eq!(desk.log.session(0).cursor().unwrap().seq, Seq::new(2).unwrap());
    assert_eq!(desk.count_here(), 2);
    assert!(desk.session.status().is_in_sync(), "{:?}", desk.session.status());
}

#[test]
fn unreachable_host_is_tried_at_growing_intervals_and_a_change_hurries_it_a_little() {
    let mut desk = Desk::new(Quirks::default());
    let mut tries = 0;
    let mut busy = |desk: &mut Desk, seconds: u64, emits: bool| {
        tries = 0;
        let end = desk.now + Duration::from_secs(seconds);
        while desk.now < end {
            if emits {
                desk.session.handle_pending();
            }
            for action in desk.poll() {
                if let Action::Request { id, .. } = action {
                    tries += 1;
                    desk.session.handle_failure(desk.time(), id, Failure::Unreachable);
                }
            }
            desk.now += Duration::from_millis(100);
        }
        tries
    };
    busy(&mut desk, 120, false);
    let idle = busy(&mut desk, 600, false);
    assert!((5..=80).contains(&idle), "{idle} tries in ten minutes");
    let eager = busy(&mut desk, 600, true);
    assert!((idle..=150).contains(&eager), "{eager} tries in ten minutes of changes");
    assert!(matches!(desk.phase(), Phase::Waiting { trouble: Trouble::Unreachable, .. }));
    desk.session.handle_network(desk.time());
    desk.run();
    assert_eq!(desk.phase(), Phase::CaughtUp);
}

#[test]
fn request_without_an_answer_times_out() {
    let mut desk = Desk::new(Quirks::default());
    let (id, _) = desk.request(Call::Peek);
    assert_eq!(desk.session.poll_timeout(), Some(desk.now + Duration::from_secs(30)));
    desk.now += Duration::from_secs(30);
    assert!(desk.poll().contains(&Action::Cancel { id }));
    assert!(matches!(desk.phase(), Phase::Waiting { trouble: Trouble::Timeout, .. }));
}

#[test]
fn dead_channel_is_closed_and_opened_again() {
    let mut desk = Desk::settled(Quirks::default());
    let first = desk.socket;
    desk.pass(Duration::from_secs(45), false);
    assert_eq!(desk.socket, first);
    desk.pass(Duration::from_secs(60), false);
    assert_ne!(desk.socket, first);
    assert_eq!(desk.session.status().live, Live::Open);
}

#[test]
fn living_channel_stays_open() {
    let mut desk = Desk::settled(Quirks::default());
    let first = desk.socket;
    desk.pass(Duration::from_secs(3600), true);
    assert_eq!(desk.socket, first);
    // Now and then it looks all the same.
    assert_eq!(desk.calls(), [Call::Peek; 6]);
}

#[test]
fn host_without_a_live_channel_is_looked_at_often_after_activity_and_rarely_when_idle() {
    let mut desk = Desk::settled(Quirks { no_live: true, ..Quirks::default() });
    assert_eq!(desk.session.status().live, Live::Polling);
    desk.pass(Duration::from_secs(600), true);
    desk.sent.clear();
    desk.pass(Duration::from_secs(600), true);
    let idle = desk.sent.len();
    assert!((8..=25).contains(&idle), "{idle} looks in ten idle minutes");
    desk.others_push(&[0]);
    desk.pass(Duration::from_secs(61), true);
    assert_eq!(desk.count_here(), 1);
    desk.emit(10);
    desk.run();
    desk.sent.clear();
    desk.pass(Duration::from_secs(10), true);
    assert!(desk.sent.len() >= 3, "{:?}", desk.calls());
}

#[test]
fn storage_failure_blocks_and_nothing_is_lost() {
    let mut desk = Desk::settled(Quirks::default());
    let frame = desk.others_push(&[20]);
    desk.log.fail(1000);
    desk.frame(frame);
    desk.poll();
    assert!(matches!(desk.phase(), Phase::Blocked { cause: BlockCause::Storage, .. }));
    desk.emit(10);
    desk.pass(Duration::from_secs(30), true);
    desk.log.fail(0);
    desk.pass(Duration::from_secs(120), true);
    assert_eq!((desk.count_here(), desk.session.status().pending), (2, 0));
    assert_eq!(desk.phase(), Phase::CaughtUp);
}

#[test]
fn misconfigured_host_blocks_with_a_remedy() {
    let mut desk = Desk::new(Quirks::default());
    for (answer, cause) in [
        (Status::SERVER_MISCONFIGURED, BlockCause::Misconfigured),
        (Status::NOT_FOUND, BlockCause::NotAHost),
        (Status::from_number(200), BlockCause::Refused(Status::from_number(200))),
    ] {
        let (id, _) = desk.request(Call::Peek);
        let refused = desk.head(answer);
        desk.answer(id, &refused);
        desk.poll();
        assert!(matches!(desk.phase(), Phase::Blocked { cause: found, .. } if found == cause), "{:?}", desk.phase());
        desk.now += Duration::from_secs(60);
    }
}

#[test]
fn refused_registration_blocks() {
    let mut desk = Desk::new(Quirks::default());
    let (id, _) = desk.request(Call::Peek);
    let refused = desk.head(Status::USER_NOT_REGISTERED);
    desk.answer(id, &refused);
    let (id, _) = desk.request(Call::User);
    let refused = desk.head(Status::INVALID_REQUEST);
    desk.answer(id, &refused);
    desk.poll();
    let cause = BlockCause::Registration(Status::INVALID_REQUEST);
    assert!(matches!(desk.phase(), Phase::Blocked { cause: found, .. } if found == cause));
    desk.pass(Duration::from_secs(60), true);
    assert_eq!(desk.phase(), Phase::CaughtUp);
}

#[test]
fn garbage_does_no_harm() {
    for seed in 0..300 {
        let mut chance = Chance::new(seed);
        let mut desk = Desk::new(Quirks::default());
        desk.others_push(&[20, 600, 0]);
        desk.emit(20);
        for _ in 0..30 {
            for action in desk.poll() {
                match action {
                    Action::Request { id, call, body } => {
                        let mut answer = desk.host.call(desk.host_time(), call.path(), &body).body;
                        for _ in 0..chance.below(3) {
                            let place = chance.below(answer.len() as u64) as usize;
                            answer[place] ^= 1 << chance.below(8);
                        }
                        desk.answer(id, &answer);
                    }
                    action => desk.carry_out(action),
                }
            }
            desk.frame((0..chance.below(200)).map(|_| chance.any() as u8).collect());
            desk.now += Duration::from_secs(chance.below(20));
        }
        desk.pass(Duration::from_secs(3600), true);
        assert_eq!((desk.phase(), desk.count_here()), (Phase::CaughtUp, 4), "seed {seed}: {:?}", desk.session.status());
    }
}

#[test]
fn body_whose_length_is_a_lie_is_given_up_without_reading_it() {
    let mut desk = Desk::new(Quirks::default());
    desk.others_push(&[20]);
    let mut peeked = false;
    for _ in 0..10 {
        for action in desk.poll() {
            match action {
                Action::Request { id, call: Call::Pull, .. } => {
                    let mut body = desk.head(Status::SUCCESS);
                    body.extend([1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3]);
                    desk.session.handle_chunk(desk.time(), id, &body);
                    assert!(desk.poll().contains(&Action::Cancel { id }));
                    peeked = true;
                }
                action => desk.carry_out(action),
            }
        }
        desk.now += Duration::from_secs(30);
    }
    assert!(peeked);
    assert_eq!(desk.session.status().skipped, 1);
}

#[test]
fn long_list_is_not_read_on_while_many_bodies_are_missing() {
    let mut config = SessionConfig::default();
    config.window = 600;
    config.pull_bodies = 100;
    let mut desk = Desk::with(Quirks::default(), config);
    desk.others_push(&[30; 3000]);
    let (id, body) = desk.request(Call::Peek);
    let listed = desk.host.call(desk.host_time(), Call::Peek.path(), &body).body;
    let mut chunks = listed.chunks(4096);
    let mut most = 0;
    loop {
        let mut idle = true;
        while desk.session.wants_chunks(id)
            && let Some(chunk) = chunks.next()
        {
            desk.session.handle_chunk(desk.time(), id, chunk);
            idle = false;
            let actions = desk.poll();
            most = most.max(actions.iter().filter(|action| matches!(action, Action::Request { .. })).count());
            actions.into_iter().for_each(|action| desk.carry_out(action));
        }
        if chunks.len() == 0 {
            desk.session.handle_end(desk.time(), id);
        }
        let actions = desk.poll();
        if actions.is_empty() && idle {
            break;
        }
        actions.into_iter().for_each(|action| desk.carry_out(action));
    }
    assert!(most <= 3, "at most three PULLs at once");
    assert_eq!(desk.count_here(), 3000);
    assert_eq!(desk.phase(), Phase::CaughtUp);
}

/// Prints what a first sync of 100,000 messages costs; run it with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn first_sync_of_many_messages() {
    let mut desk = Desk::new(Quirks::default());
    for _ in 0..20 {
        desk.others_push(&[100; 5000]);
    }
    let start = std::time::Instant::now();
    desk.run();
    println!("{} messages in {:?}", desk.count_here(), start.elapsed());
    assert_eq!(desk.phase(), Phase::CaughtUp);
}

#[test]
fn pulled_bodies_decode() {
    // Keeps the harness honest: the model host answers as the standard says.
    let mut desk = Desk::new(Quirks::default());
    let frame = desk.others_push(&[20]);
    assert_eq!(Notification::decode(&frame).unwrap().items.len(), 1);
    let mut body = desk.keys.authenticate(desk.host_time()).to_bytes();
    body.push(1);
    let answer = desk.host.call(desk.host_time(), Call::Pull.path(), &body).body;
    let mut reader = Reader::new(&answer);
    ResponseHead::read(&mut reader).unwrap();
    assert_ne!(PullItem::read(&mut reader).unwrap().body, SealedBody::default());
}

#[test]
fn device_that_wakes_up_is_in_sync_as_soon_as_the_host_has_answered() {
    let mut desk = Desk::settled(Quirks::default());
    desk.emit(10);
    let (push, _) = desk.request(Call::Push);
    // While it sleeps, time stands still for it, and what it is sent is lost.
    drop(desk.others_push(&[10]));
    let (awake, socket) = (desk.now, desk.socket.take().unwrap());
    // What a driver does when it is told that the device woke up.
    desk.session.handle_failure(desk.time(), push, Failure::Unreachable);
    desk.session.handle_live(desk.time(), socket, LiveEvent::Closed);
    desk.session.handle_network(desk.time());
    desk.run();
    assert!(desk.session.status().is_in_sync(), "{:?}", desk.session.status());
    assert_eq!((desk.count_here(), desk.session.status().live, desk.now), (2, Live::Open, awake));
}
