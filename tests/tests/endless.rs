//! Hosts that send what nobody asked for, without end: every kind of request has a bound, and the status says why.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use diplomatic::standard::calls::{Call, PeekItem, PullItem, PushItem, PushOutcome};
use diplomatic::standard::{BagHead, Encode, SealedBody, Seq, Status};
use diplomatic::sync::{Action, BlockCause, Phase, RequestId, Trouble};
use diplomatic_simulation::desk::Desk;
use diplomatic_simulation::world::{Quirks, WorldHost};

/// More items than any request may bring here.
const ENDLESS: u64 = 30_000;

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

/// Lets the host answer everything up to a request of interest.
fn until(desk: &mut Desk, is_it: impl Fn(&Desk, Call) -> bool) -> RequestId {
    for _ in 0..100 {
        let mut found = None;
        for action in desk.poll() {
            match &action {
                Action::Request { id, call, .. } if found.is_none() && is_it(desk, *call) => found = Some(*id),
                _ => desk.carry_out(action),
            }
        }
        if let Some(found) = found {
            return found;
        }
    }
    panic!("the request never came: {:?}", desk.session.status());
}

/// Answers a request with one item after the other until it is cancelled, and returns how many that took.
fn drown(desk: &mut Desk, id: RequestId, item: impl Fn(u64) -> Vec<u8>) -> u64 {
    let mut answer = desk.head(Status::SUCCESS);
    for number in 1..=ENDLESS {
        answer.extend(item(number));
        if number % 50 == 0 {
            desk.session.handle_chunk(desk.time(), id, &std::mem::take(&mut answer));
            let actions = desk.poll();
            if actions.iter().any(|action| matches!(action, Action::Cancel { id: cancelled } if *cancelled == id)) {
                actions.into_iter().for_each(|action| desk.carry_out(action));
                return number;
            }
            actions.into_iter().for_each(|action| desk.carry_out(action));
        }
    }
    panic!("there is no bound: {:?}", desk.session.status());
}

#[track_caller]
fn is_garbled(desk: &Desk) {
    assert!(matches!(desk.phase(), Phase::Waiting { trouble: Trouble::Garbled, .. }), "{:?}", desk.session.status());
    assert!(!Trouble::Garbled.remedy().is_empty());
    assert!(desk.session.is_settled(), "a program that syncs once comes back");
}

fn body(number: u64) -> Vec<u8> {
    PullItem { seq: seq(number), body: SealedBody::from_bytes(vec![1; 20]) }.to_bytes()
}

/// Returns the bags of the host.
fn bags(desk: &mut Desk) -> Vec<BagHead> {
    desk.host.back_up().1.into_values().flatten().map(|bag| bag.head).collect()
}

#[test]
fn bodies_that_nobody_asked_for() {
    let mut desk = Desk::settled(Quirks::default());
    desk.others_push(&[1_000, 1_000, 1_000]);
    desk.session.handle_network(desk.time());
    let id = until(&mut desk, |_, call| call == Call::Pull);
    assert!(drown(&mut desk, id, |number| body(number + 100)) < 100);
    is_garbled(&desk);
}

#[test]
fn bodies_that_nobody_asked_for_in_a_second_look() {
    let mut desk = Desk::settled(Quirks::default());
    desk.others_push(&[1_000, 1_000]);
    desk.session.handle_network(desk.time());
    // The host lists the bags and delivers nothing, until they are skipped.
    while desk.session.status().skipped < 2 {
        let id = until(&mut desk, |_, call| call == Call::Pull);
        let nothing = desk.head(Status::SUCCESS);
        desk.answer(id, &nothing);
        let actions = desk.poll();
        if desk.session.status().skipped == 2 {
            let second = actions.iter().find_map(|action| match action {
                Action::Request { id, call: Call::Pull, .. } => Some(*id),
                _ => None,
            });
            let second = second.expect("the second look follows at once");
            assert!(drown(&mut desk, second, |number| body(number + 100)) < 100);
            is_garbled(&desk);
            return;
        }
        actions.into_iter().for_each(|action| desk.carry_out(action));
        desk.now = desk.session.poll_timeout().unwrap_or(desk.now).max(desk.now);
    }
    unreachable!("they are skipped in the loop");
}

#[test]
fn a_second_look_at_a_hole_that_shows_the_same_bag_again_and_again() {
    let mut desk = Desk::settled(Quirks::default());
    desk.others_push(&[10, 10, 10]);
    desk.host.lose(2);
    desk.session.handle_network(desk.time());
    let id = until(&mut desk, |desk, call| call == Call::Peek && desk.session.status().holes == 1);
    let head = bags(&mut desk).remove(0);
    assert!(drown(&mut desk, id, |_| PeekItem { head: head.clone(), seq: seq(2) }.to_bytes()) < 100);
    is_garbled(&desk);
}

#[test]
fn a_list_that_goes_back() {
    let mut desk = Desk::settled(Quirks::default());
    desk.others_push(&[10]);
    let head = bags(&mut desk).remove(0);
    desk.session.handle_network(desk.time());
    let id = until(&mut desk, |_, call| call == Call::Peek);
    assert!(drown(&mut desk, id, |_| PeekItem { head: head.clone(), seq: seq(1) }.to_bytes()) < 1_000);
    is_garbled(&desk);
}

#[test]
fn a_list_of_the_same_bags_under_ever_new_numbers() {
    for audited in [false, true] {
        let mut desk = Desk::new(Quirks::default());
        desk.others_push(&[10, 10]);
        desk.run();
        assert_eq!(desk.count_here(), 2);
        let bags = bags(&mut desk);
        if audited {
            desk.restart();
        } else {
            desk.session.handle_network(desk.time());
        }
        let id = until(&mut desk, |_, call| call == Call::Peek);
        let listed = drown(&mut desk, id, |number| {
            let head = bags[usize::from(number == 2)].clone();
            PeekItem { head, seq: seq(number) }.to_bytes()
        });
        assert!(listed > 1_000, "a few repeated bags are no harm");
        let phase = desk.phase();
        assert!(matches!(phase, Phase::Blocked { cause: BlockCause::RepeatsBags, .. }), "{phase:?}");
        assert!(phase.to_string().contains("over and over") && phase.to_string().contains("add another host"));
        assert!(desk.session.is_settled());
        assert_eq!(desk.count_here(), 2, "nothing of it is stored");
    }
}

#[test]
fn answers_for_bags_that_were_not_pushed() {
    let mut desk = Desk::settled(Quirks::default());
    desk.emit(10);
    let id = until(&mut desk, |_, call| call == Call::Push);
    let answer = |number| PushItem { index: number as u32 + 5, outcome: PushOutcome::Stored(seq(number)) }.to_bytes();
    assert!(drown(&mut desk, id, answer) < 100);
    assert!(!desk.session.status().is_in_sync());
    assert_eq!(desk.session.status().pending, 1);
}

#[test]
fn a_registration_with_something_behind_it() {
    let mut desk = Desk::new(Quirks::default());
    let id = until(&mut desk, |_, call| call == Call::User);
    assert!(drown(&mut desk, id, |_| vec![0; 100]) < 100);
    is_garbled(&desk);
}

#[test]
fn frames_that_announce_without_end_hold_up_nothing() {
    let mut desk = Desk::settled(Quirks::default());
    let frame = desk.others_push(&[10, 10]);
    for _ in 0..20_000 {
        desk.frame(frame.clone());
    }
    desk.run();
    assert_eq!(desk.count_here(), 2);
    assert!(desk.session.status().is_in_sync(), "{:?}", desk.session.status());
}
