//! What a host says is believed only if it can be true, and what a host lost is sent again.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::time::Duration;

use diplomatic::standard::calls::{Call, PushItem, PushOutcome};
use diplomatic::standard::{Encode, Seq, Status};
use diplomatic::sync::{BlockCause, Failure, LiveEvent, Phase, Refusal, SessionConfig, Trouble};
use diplomatic_simulation::desk::Desk;
use diplomatic_simulation::world::{DeviceLog, Lies, LyingHost, Quirks, WorldHost};

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

/// A device that has emitted and pushed so many messages to a host that may lie later.
fn synced(messages: usize) -> Desk<LyingHost> {
    synced_with(Quirks::default(), messages)
}

fn synced_with(quirks: Quirks, messages: usize) -> Desk<LyingHost> {
    let mut desk = Desk::at(LyingHost::honest(quirks), SessionConfig::default());
    for _ in 0..messages {
        desk.emit(10);
    }
    desk.pass(MINUTE, true);
    assert!(desk.session.status().is_in_sync());
    assert_eq!(bags(&mut desk), messages);
    desk
}

/// Returns how many bags the host really has.
fn bags(desk: &mut Desk<LyingHost>) -> usize {
    desk.host.back_up().1.values().map(Vec::len).sum()
}

/// A fresh device of the same account, at the host of another.
fn fresh(desk: &mut Desk<LyingHost>) -> Desk<LyingHost> {
    let mut fresh = Desk::at(LyingHost::honest(Quirks::default()), SessionConfig::default());
    fresh.now = desk.now;
    fresh.count = desk.count + 100_000;
    std::mem::swap(&mut fresh.host, &mut desk.host);
    fresh
}

#[test]
fn an_acknowledgement_counts_only_if_its_numbers_exist_and_are_distinct() {
    for numbers in [[0, 0, 0], [1, 1, 1], [7, 7, 8], [1 << 55, (1 << 55) + 1, 3]] {
        let mut desk = Desk::settled(Quirks::default());
        for _ in 0..3 {
            desk.emit(10);
        }
        let (id, _) = desk.request(Call::Push);
        let mut body = desk.head(Status::SUCCESS);
        for (index, number) in (0..).zip(numbers) {
            PushItem { index, outcome: PushOutcome::Stored(Seq::new(number).unwrap()) }.encode(&mut body);
        }
        desk.answer(id, &body);
        desk.poll();
        assert!(desk.session.status().pending >= 2, "{numbers:?}: {:?}", desk.session.status());
        assert!(!desk.session.status().is_in_sync());
        let trouble = Trouble::FalseAcknowledgement;
        assert!(
            matches!(desk.phase(), Phase::Waiting { trouble: found, .. } if found == trouble),
            "{:?}",
            desk.phase()
        );
        desk.pass(10 * MINUTE, true);
        assert!(desk.session.status().is_in_sync(), "{numbers:?}: {:?}", desk.session.status());
        assert_eq!(desk.host.back_up().1.values().next().unwrap().len(), 3, "{numbers:?}");
    }
}

#[test]
fn a_host_that_acknowledges_plausibly_and_stores_nothing_is_found_out_at_once() {
    let mut desk = synced(5);
    desk.host.lies = Lies { false_pushes: 1000, ..Lies::default() };
    for _ in 0..20 {
        desk.emit(10);
        desk.pass(Duration::from_secs(3), true);
        assert!(!desk.session.status().is_in_sync(), "{:?}", desk.session.status());
    }
    desk.host.heal();
    desk.pass(20 * MINUTE, true);
    assert!(desk.session.status().is_in_sync(), "{:?}", desk.session.status());
    assert_eq!(bags(&mut desk), 25);
}

#[test]
fn an_answer_that_names_an_old_number_is_checked_and_believed_if_it_is_true() {
    let mut desk = synced(20);
    // The log forgets that the host has everything, as after an import.
    desk.log.link(0);
    desk.restart();
    let mut pushed = Desk::at(LyingHost::honest(Quirks::default()), SessionConfig::default());
    std::mem::swap(&mut pushed.host, &mut desk.host);
    std::mem::swap(&mut pushed.log, &mut desk.log);
    pushed.pass(MINUTE, true);
    assert!(pushed.session.status().is_in_sync(), "{:?}", pushed.session.status());
    assert_eq!(bags(&mut pushed), 20);
}

#[test]
fn a_bag_lost_deep_in_the_history_is_pushed_again_and_nothing_else() {
    for (messages, lost) in [(40, vec![1, 5, 37, 40]), (400, vec![5, 390])] {
        for lost in lost {
            let mut desk = synced(messages);
            desk.host.lose(lost as u64);
            // A program that runs now and then: the routine check of a long history takes some runs.
            for _ in 0..4 {
                desk.restart();
                desk.run();
            }
            assert_eq!(bags(&mut desk), messages + 1, "bag {lost} of {messages}: {:?}", desk.session.status());
            assert!(desk.session.status().is_in_sync(), "bag {lost} of {messages}: {:?}", desk.session.status());
            // What is known to be gone is no news.
            desk.restart();
            desk.pass(DAY, true);
            assert_eq!(desk.session.status().audits, 0);
            assert_eq!(bags(&mut desk), messages + 1);
        }
    }
}

#[test]
fn a_hole_blocks_neither_reading_nor_pushing() {
    let mut desk = synced(20);
    desk.host.lose(17);
    for _ in 0..48 {
        desk.session.handle_network(desk.time());
        desk.emit(10);
        desk.others_push(&[10]);
        desk.pass(Duration::from_secs(1800), true);
        assert!(desk.session.status().is_in_sync(), "{:?}", desk.session.status());
    }
    assert_eq!(desk.session.status().audits, 1);
    // One bag was sent again, and nothing twice.
    assert_eq!((desk.count_here(), bags(&mut desk)), (20 + 96, 20 + 96 + 1));
}

#[test]
fn a_new_device_notes_a_hole_and_gets_the_message_when_another_device_sends_it_again() {
    let mut old = synced(20);
    old.host.lose(5);
    let mut new = fresh(&mut old);
    new.pass(MINUTE, true);
    assert_eq!((new.count_here(), new.session.status().holes), (19, 1));
    assert!(!new.session.status().is_in_sync());
    assert_eq!(new.phase(), Phase::CaughtUp);
    std::mem::swap(&mut new.host, &mut old.host);
    old.restart();
    old.pass(MINUTE, true);
    std::mem::swap(&mut new.host, &mut old.host);
    new.session.handle_network(new.time());
    new.pass(MINUTE, true);
    assert_eq!(new.count_here(), 20);
}

#[test]
fn a_damaged_bag_is_skipped_reported_and_read_when_the_host_has_corrected_it() {
    // A byte of the signature, of the kdm, of the head's length, and of the head.
    for byte in [3, 66, 72, 90] {
        for restarts in [false, true] {
            let mut old = synced(6);
            old.host.lies.damaged.insert(3, (byte, 0));
            let mut new = fresh(&mut old);
            new.emit(10);
            new.run();
            assert_eq!((new.count_here(), new.session.status().skipped), (6, 1), "byte {byte}");
            assert!(!new.session.status().is_in_sync());
            assert!(new.session.is_settled());
            assert_eq!(bags(&mut new), 7, "byte {byte}: own changes are sent");
            new.pass(DAY, true);
            assert_eq!(new.session.status().skipped, 1);
            new.host.heal();
            if restarts {
                new.restart();
                new.run();
            } else {
                new.pass(20 * MINUTE, true);
            }
            assert_eq!((new.count_here(), new.session.status().skipped), (7, 0), "byte {byte}, restarts: {restarts}");
            assert!(new.session.status().is_in_sync(), "{:?}", new.session.status());
        }
    }
}

#[test]
fn a_device_that_has_what_a_damaged_bag_held_uploads_it_again() {
    for byte in [3, 66, 72, 90] {
        let mut desk = synced_with(Quirks { repeats_bags: true, ..Quirks::default() }, 6);
        desk.host.lies.damaged.insert(3, (byte, 0));
        desk.restart();
        desk.run();
        assert!(desk.session.status().is_in_sync(), "byte {byte}: {:?}", desk.session.status());
        let mut new = fresh(&mut desk);
        new.run();
        assert_eq!(new.count_here(), 6, "byte {byte}");
    }
}

#[test]
fn one_run_is_enough_after_a_host_lost_its_data_or_was_rolled_back() {
    for kept in [0, 1, 2] {
        let mut desk = Desk::at(LyingHost::honest(Quirks::default()), SessionConfig::default());
        desk.run();
        let mut backups = vec![desk.host.back_up()];
        for _ in 0..3 {
            desk.emit(10);
            desk.run();
            backups.push(desk.host.back_up());
        }
        desk.host.restore(&backups[kept]);
        for run in 0..10 {
            desk.restart();
            desk.emit(10);
            desk.run();
            assert!(desk.session.status().is_in_sync(), "run {run}: {:?}", desk.session.status());
            assert!(desk.session.is_settled());
            assert_eq!(bags(&mut desk), 4 + run);
        }
        let mut new = fresh(&mut desk);
        new.run();
        assert_eq!(new.count_here(), 13);
    }
}

#[test]
fn what_an_interrupted_audit_was_to_find_out_survives_a_restart() {
    let mut desk = synced(20);
    let empty = (desk.host.back_up().0, Default::default());
    desk.host.restore(&empty);
    desk.restart();
    for requests in 0..3 {
        // The program is stopped in the middle of it, after one more request each time.
        for _ in 0..requests {
            for action in desk.poll() {
                desk.carry_out(action);
            }
        }
        desk.poll();
        desk.restart();
    }
    desk.run();
    assert_eq!(bags(&mut desk), 20);
    assert!(desk.session.status().is_in_sync(), "{:?}", desk.session.status());
}

#[test]
fn changes_are_sent_while_others_write_without_a_pause() {
    let mut desk = Desk::settled(Quirks::default());
    desk.emit(10);
    // Whenever the device has read everything, there is more.
    for _ in 0..60 {
        for _ in 0..3 {
            desk.others_push(&[10]);
            desk.session.handle_network(desk.time());
            for action in desk.poll() {
                desk.others_push(&[10]);
                desk.carry_out(action);
                desk.session.handle_network(desk.time());
            }
        }
        desk.now += Duration::from_secs(1);
    }
    desk.poll();
    assert_eq!(desk.session.status().pending, 0, "{:?}", desk.session.status());
}

#[test]
fn a_host_that_claims_to_have_what_it_does_not_list_is_named_and_blocks_nothing() {
    let mut desk = synced(20);
    desk.host.lies.withheld.insert(17);
    desk.restart();
    desk.run();
    assert_eq!((desk.session.status().refused, desk.session.status().refusal), (1, Some(Refusal::NotListed)));
    for _ in 0..10 {
        desk.emit(10);
        desk.others_push(&[10]);
        desk.pass(MINUTE, true);
        assert_eq!((desk.session.status().pending, desk.phase()), (1, Phase::CaughtUp));
        assert!(!desk.session.status().is_in_sync());
    }
    assert_eq!(desk.count_here(), 40);
    desk.host.heal();
    desk.pass(30 * MINUTE, true);
    assert!(desk.session.status().is_in_sync(), "{:?}", desk.session.status());
    assert_eq!(bags(&mut desk), 40);
}

#[test]
fn a_host_that_lists_nothing_but_damage_is_blocked_and_named() {
    let mut old = synced(1);
    let mut new = fresh(&mut old);
    let frame = new.others_push(&vec![0; 12_000]);
    drop(frame);
    for seq in 2..=12_001 {
        new.host.lies.damaged.insert(seq, (66, 0));
    }
    new.run();
    assert!(
        matches!(new.phase(), Phase::Blocked { cause: BlockCause::TooManyUnreadable, .. }),
        "{:?}",
        new.session.status()
    );
    assert!(!BlockCause::TooManyUnreadable.remedy().is_empty());
}

#[test]
fn a_second_look_that_fails_is_taken_again_later() {
    let mut old = synced(20);
    old.host.lies.withheld.insert(5);
    let mut new = fresh(&mut old);
    new.pass(MINUTE, true);
    new.host.heal();
    new.restart();
    let (id, _) = new.request(Call::Peek);
    new.session.handle_failure(new.time(), id, Failure::Cut);
    if let Some(socket) = new.socket {
        new.session.handle_live(new.time(), socket, LiveEvent::Closed);
    }
    new.pass(30 * MINUTE, true);
    assert_eq!(new.count_here(), 20);
    assert!(new.session.status().is_in_sync(), "{:?}", new.session.status());
}
