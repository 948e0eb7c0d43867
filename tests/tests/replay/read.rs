//! Replaying whole files.

use std::io::Cursor;
use std::num::NonZero;
use std::sync::Once;

use diplomatic::event::Draft;
use diplomatic::replay::ReplayError;
use diplomatic::standard::{EntityId, Message, Seed, Timestamp, export};
use diplomatic::{Device, DiplomaticEvent, Meta, Reducer, Replay};

use crate::files::{busy_device, file, folder, hashes, message, messages};
use crate::todo::{Event, Todos, added, at, device, seed};

fn replay(messages: &[Message]) -> Replay<Cursor<Vec<u8>>> {
    Replay::from_source(Cursor::new(file(messages)), &seed()).unwrap()
}

fn exported(device: &mut Device<Todos>) -> Replay {
    let (_folder, path) = folder();
    device.export(&path, &seed()).unwrap();
    Replay::open(&path, &seed()).unwrap()
}

#[test]
fn events_that_count_come_in_order_and_fold_to_the_state() {
    let mut device = busy_device();
    let mut replay = exported(&mut device);
    let mut todos = Todos::default();
    let mut last = None;
    let mut events = replay.events::<Event>();
    for event in events.by_ref() {
        let event = event.unwrap();
        assert!(last < Some(event.position) && event.counts);
        assert_eq!(event.meta.changed, event.position.changed);
        last = Some(event.position);
        todos.apply(event.event, &event.meta);
    }
    assert_eq!(events.unread().unknown().collect::<Vec<_>>(), [("from.the.future", 1)]);
    assert_eq!(todos, device.read(Clone::clone));
}

#[test]
fn history_has_what_was_written_over_too() {
    let mut replay = exported(&mut busy_device());
    let renames: Vec<(String, bool)> = replay
        .history::<Event>()
        .filter_map(|event| {
            let event = event.unwrap();
            match event.event {
                Event::Renamed { title, .. } => Some((title, event.counts)),
                _ => None,
            }
        })
        .collect();
    assert_eq!(renames, [("oat milk".to_owned(), false), ("soy milk".to_owned(), true)]);
}

#[test]
fn the_state_of_any_time_is_that_of_a_device_that_stopped_then() {
    let mut replay = exported(&mut busy_device());
    let all: Vec<Message> = replay.messages().map(Result::unwrap).collect();
    for time in 0..100 {
        let until: Vec<Message> = all.iter().filter(|message| message.head().changed() <= at(time)).cloned().collect();
        let mut early = device();
        early.import_from(self::replay(&until), |_| ()).unwrap();
        let folded = replay.fold::<Todos>(Some(at(time))).unwrap();
        assert_eq!(folded.state, early.read(Clone::clone), "at {time}");
        assert_eq!(folded.messages, until.len() as u64);
        let events = replay.events_until::<Event>(at(time)).map(Result::unwrap);
        assert!(events.into_iter().all(|event| event.meta.changed <= at(time)));
    }
    assert_eq!(replay.fold::<Todos>(Some(Timestamp::MAX)).unwrap(), replay.fold::<Todos>(None).unwrap());
}

#[test]
fn a_file_in_any_order_with_messages_twice_gives_the_same() {
    let mut shuffled = messages(10_000);
    let ordered = replay(&shuffled).fold::<Todos>(None).unwrap();
    shuffled.sort_by_key(|message| message.head().hash());
    shuffled.extend_from_within(..100);
    let mut replay = replay(&shuffled);
    assert_eq!(replay.len(), 10_000);
    assert_eq!(replay.fold::<Todos>(None).unwrap(), ordered);
    assert_eq!(
        replay.messages().map(|message| message.unwrap().head().hash()).collect::<Vec<_>>(),
        hashes(&messages(10_000))
    );
    assert_eq!(replay.times(), Some((at(0), at(9_999))));
}

#[test]
fn however_many_threads_take_part_the_state_is_the_same() {
    let messages = messages(5_000);
    let one = replay(&messages).with_threads(NonZero::new(1).unwrap()).fold::<Todos>(None).unwrap();
    let five = replay(&messages).with_threads(NonZero::new(5).unwrap()).fold::<Todos>(None).unwrap();
    assert_eq!(one, five);
}

#[test]
fn many_files_of_many_seeds_are_replayed_at_once() {
    std::thread::scope(|scope| {
        let replays: Vec<_> = (0..20_u8)
            .map(|n| {
                scope.spawn(move || {
                    let seed = Seed::from_bytes([n; 32]);
                    let messages = messages(u64::from(n) * 10);
                    let file = export::write(&seed, &export::usual_label(), &messages).unwrap();
                    let mut replay = Replay::from_source(Cursor::new(file), &seed).unwrap();
                    replay.fold::<Todos>(None).unwrap().state.items.len()
                })
            })
            .collect();
        for (n, replay) in replays.into_iter().enumerate() {
            assert_eq!(replay.join().unwrap(), n * 9);
        }
    });
}

#[test]
fn another_seed_has_an_error_of_its_own() {
    let stranger = Seed::from_bytes([9; 32]);
    let file = file(&messages(100));
    let error = Replay::from_source(Cursor::new(&file), &stranger).unwrap_err();
    assert!(matches!(error, ReplayError::WrongSeed), "{error:?}");
    assert!(error.to_string().contains("another seed"));
    let error = Replay::recover_from(Cursor::new(&file), &stranger).unwrap_err();
    assert!(matches!(error, ReplayError::WrongSeed), "{error:?}");
}

#[test]
fn unknown_types_and_unfit_payloads_are_counted_and_stop_nothing() {
    let messages = [
        message(1, 1, "from.the.future", b"\x01"),
        message(2, 2, "todo.added", b"\x01"),
        message(3, 3, "todo.added", b"\x81\xa5title\xa1x"),
    ];
    let folded = replay(&messages).fold::<Todos>(None).unwrap();
    assert_eq!(folded.state.items.len(), 1);
    assert_eq!(folded.counting, 3);
    assert_eq!(folded.unread.unknown().collect::<Vec<_>>(), [("from.the.future", 1)]);
    assert_eq!(folded.unread.quarantined().count(), 1);
    assert_eq!(replay(&messages).messages().count(), 3);
}

#[test]
fn events_that_the_reducer_panics_over_are_quarantined_and_the_state_is_that_of_a_device() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload().downcast_ref::<&str>() != Some(&"boom") {
                print(panic);
            }
        }));
    });
    // Emitting would refuse them: they come from another device.
    let payload = |event: Event| match event.to_draft().unwrap() {
        Draft::Content { payload, .. } => payload,
        draft => panic!("{draft:?}"),
    };
    let (added, explosive) = (payload(added("todo")), payload(Event::Explosive));
    let messages: Vec<Message> = (0..30)
        .map(|n| match n % 7 {
            3 => message(n, n, "todo.explosive", &explosive),
            _ => message(n, n, "todo.added", &added),
        })
        .collect();
    let mut device = device();
    device.import_from(replay(&messages), |_| ()).unwrap();
    let folded = replay(&messages).fold::<Todos>(None).unwrap();
    assert_eq!(folded.unread.quarantined().count(), 4);
    assert_eq!((folded.counting, folded.state.items.len()), (30, 26));
    assert_eq!((folded.state, &folded.unread), (device.read(Clone::clone), device.unread()));
}

#[test]
fn bodies_larger_than_what_is_read_at_once_come_through() {
    let title = |n: u64| format!("{n}").repeat(3 << 20);
    let mut device = device();
    for n in 0..6 {
        device.emit(at(n), &added(&title(n))).unwrap();
    }
    let mut replay = exported(&mut device);
    let titles = replay.events::<Event>().map(|event| match event.unwrap().event {
        Event::Added { title } => title,
        event => panic!("{event:?}"),
    });
    assert!(titles.eq((0..6).map(title)));
}

#[test]
fn a_reducer_of_other_events_reads_the_file_too() {
    #[derive(DiplomaticEvent)]
    #[diplomatic(prefix = "todo")]
    enum Narrow {
        #[diplomatic(singleton)]
        Status(String),
    }
    #[derive(Default, serde::Serialize, serde::Deserialize)]
    struct Line(String);
    impl Reducer for Line {
        type Event = Narrow;
        fn apply(&mut self, Narrow::Status(text): Narrow, at: &Meta) {
            assert_eq!(at.entity, EntityId::singleton("todo.status"));
            self.0 = text;
        }
    }
    let folded = exported(&mut busy_device()).fold::<Line>(None).unwrap();
    assert_eq!(folded.state.0, "idle");
    assert!(folded.unread.unknown().any(|(name, count)| (name, count) == ("todo.renamed", 1)));
}

#[test]
fn recorded_files_of_the_standard_replay() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../../vectors/dpl_file.json")).unwrap();
    let bytes = |text: &serde_json::Value| -> Vec<u8> {
        let hex = text.as_str().unwrap();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let mut replayed = 0;
    for case in vectors["files"].as_array().unwrap().iter().chain(vectors["reject"].as_array().unwrap()) {
        let seed: Seed = case["seed"].as_str().unwrap().parse().unwrap();
        let file = bytes(&case["file"]);
        let expected = export::read(&seed, &file);
        let replay = Replay::from_source(Cursor::new(&file), &seed);
        match expected {
            Ok(messages) => {
                let mut replay = replay.unwrap();
                assert_eq!(
                    replay.messages().map(|message| message.unwrap().head().hash()).collect::<Vec<_>>(),
                    hashes(&messages)
                );
                replayed += 1;
            }
            Err(_) => assert!(replay.is_err() || replay.unwrap().messages().any(|message| message.is_err())),
        }
    }
    assert!(replayed > 0);
}

#[test]
fn a_file_larger_than_the_memory_at_hand_is_read_in_pieces() {
    #[derive(Default, serde::Serialize, serde::Deserialize)]
    struct Bytes(usize);
    impl Reducer for Bytes {
        type Event = Event;
        fn apply(&mut self, event: Event, _: &Meta) {
            let Event::Added { title } = event else { panic!("{event:?}") };
            self.0 += title.len();
        }
    }
    let (_folder, path) = folder();
    let title = "x".repeat(1 << 20);
    let mut device = device();
    for n in 0..100 {
        device.emit(at(n), &added(&title)).unwrap();
    }
    let written = device.export(&path, &seed()).unwrap();
    assert!(written.bytes > 100 << 20);
    drop(device);
    let info = allocation_counter::measure(|| {
        let mut replay = Replay::open(&path, &seed()).unwrap().with_threads(NonZero::<usize>::MIN);
        assert_eq!(replay.fold::<Bytes>(None).unwrap().state.0, 100 << 20);
        let recovered = Replay::recover(&path, &seed()).unwrap().with_threads(NonZero::<usize>::MIN);
        assert_eq!(recovered.len(), 100);
    });
    assert!(info.bytes_max < 40 << 20, "{} bytes for a file of {}", info.bytes_max, written.bytes);
}
