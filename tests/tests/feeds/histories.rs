//! Random histories in random orders of arrival.

use std::collections::BTreeMap;

use diplomatic::compact::Keep;
use diplomatic::feed::FeedCursor;
use diplomatic::standard::{EntityBody, EntityId, HeadHash, Message, export};
use diplomatic::{Backing, Device};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::board::{
    Board, Event, Roots, added, at, card, message, open, placed, receive, renamed, roots, seed, written,
};

const CARDS: u64 = 4;

/// Draws messages as other devices write them: late, overwritten, moved, deleted, and such that cannot be read.
fn drawn(rng: &mut StdRng, now: u64) -> Message {
    let (about, list) = (card(rng.random_range(0..CARDS)), card(rng.random_range(0..CARDS)));
    let (millis, counter) = (rng.random_range(0..=now), rng.random_range(0..3));
    let title = format!("title {}", rng.random_range(0..1_000_u64));
    let event = match rng.random_range(0..20) {
        0..4 => added(&title),
        4..7 => renamed(&about, &title),
        7..11 => placed(&about, &list),
        11 => Event::Placed { card: about.clone(), list: None },
        12 => Event::Set { name: title[..7].to_owned(), value: now },
        13..15 => Event::Removed { card: about.clone() },
        // The tombstone of a register.
        15 => return message(written(&placed(&about, &list), &about, 0, 0).head().entity(), millis, counter, None),
        16 => return message(written(&renamed(&about, ""), &about, 0, 0).head().entity(), millis, counter, None),
        // A register of a type, or with a payload, that this build cannot read, and that hangs elsewhere.
        17 | 18 => {
            let register = written(&placed(&about, &list), &about, 0, 0);
            let type_name = if rng.random_bool(0.5) { "later.placed" } else { "board.placed" };
            let body = EntityBody { parent: Some(list), ..EntityBody::new(type_name, EntityBody::NIL) };
            return message(register.head().entity(), millis, counter, Some(body));
        }
        _ => return message(&about, millis, counter, Some(EntityBody::new("later.added", EntityBody::NIL))),
    };
    written(&event, &about, millis, counter)
}

/// A follower of both feeds, which keeps its cursors as text.
#[derive(Default)]
pub(crate) struct Follower {
    rows: Roots,
    changed: Option<String>,
    arrived: Option<String>,
    delivered: Vec<HeadHash>,
}

impl Follower {
    fn changed(&mut self, device: &Device<Board>, limit: usize, loses_its_cursor: bool) -> bool {
        let cursor: Option<FeedCursor> = self.changed.as_ref().map(|cursor| cursor.parse().unwrap());
        let page = device.changed_entities(cursor.as_ref(), limit).unwrap();
        assert_eq!(page.is_anew, cursor.is_none());
        let now = roots(device);
        for root in &page.rows {
            match now.get(root) {
                Some(events) => drop(self.rows.insert(root.clone(), events.clone())),
                None => drop(self.rows.remove(root)),
            }
        }
        if !loses_its_cursor {
            self.changed = Some(page.cursor.to_string());
        }
        !page.is_last
    }

    fn arrived(&mut self, device: &Device<Board>, limit: usize) -> bool {
        let cursor: Option<FeedCursor> = self.arrived.as_ref().map(|cursor| cursor.parse().unwrap());
        let page = device.arrivals(cursor.as_ref(), limit).unwrap();
        self.delivered.extend(page.rows.iter().map(|arrived| arrived.entry.position.hash));
        // A row's own cursor leads on as well as the page's.
        let cursor =
            page.rows.last().filter(|_| limit.is_multiple_of(2) && !page.is_last).map_or(page.cursor, |row| row.cursor);
        self.arrived = Some(cursor.to_string());
        !page.is_last
    }
}

/// Lives through a history, and returns what a follower made of it beside the device at the end.
pub(crate) fn live(number: u64) -> (Follower, Device<Board>) {
    let mut rng = StdRng::seed_from_u64(number);
    let folder = tempfile::tempdir().unwrap();
    let backing = Backing::memory();
    let mut device = open(&backing, number);
    let mut follower = Follower::default();
    let mut waiting: Vec<Message> = Vec::new();
    for now in 1..rng.random_range(5..60) {
        match rng.random_range(0..20) {
            0..7 => waiting.push(drawn(&mut rng, now)),
            7..10 => {
                waiting.extend((0..4).map(|_| drawn(&mut rng, now)));
                waiting.shuffle(&mut rng);
                let count = rng.random_range(0..=waiting.len());
                receive(&mut device, waiting.drain(..count).collect());
            }
            10..12 => {
                let (about, list) = (card(rng.random_range(0..CARDS)), card(rng.random_range(0..CARDS)));
                let event = match rng.random_range(0..4) {
                    0 => added("here"),
                    1 => renamed(&about, "here"),
                    2 => placed(&about, &list),
                    _ => Event::Removed { card: about },
                };
                device.emit(at(now), &event).unwrap();
            }
            12 => {
                drop(device);
                device = open(&backing, number + now);
            }
            13 => drop(device.compact(Keep::Latest).unwrap()),
            14 => drop(device.compact(Keep::Since(at(rng.random_range(0..=now)))).unwrap()),
            15 => {
                waiting.extend((0..4).map(|_| drawn(&mut rng, now)));
                let path = folder.path().join("other.dpl");
                let imported: Vec<Message> = waiting.drain(..waiting.len() / 2).collect();
                std::fs::write(&path, export::write(&seed(), &export::usual_label(), &imported).unwrap()).unwrap();
                device.import(&path, &seed()).unwrap();
            }
            16 => drop(follower.arrived(&device, rng.random_range(1..5))),
            _ => {
                let loses_its_cursor = rng.random_bool(0.3) && follower.changed.is_some();
                follower.changed(&device, rng.random_range(1..5), loses_its_cursor);
            }
        }
    }
    receive(&mut device, waiting);
    (follower, device)
}

#[test]
fn a_follower_that_reloads_changed_roots_ends_with_what_a_rebuild_gives() {
    for number in 0..500 {
        let (mut follower, device) = live(number);
        while follower.changed(&device, 3, false) {}
        assert_eq!(follower.rows, roots(&device), "history {number}");
        assert_eq!(device.verify(|_| ()).unwrap().problems, [], "history {number}");
    }
}

#[test]
fn one_look_at_everything_names_each_root_once() {
    for number in 0..100 {
        let (_, device) = live(number);
        let page = device.changed_entities(None, usize::MAX).unwrap();
        assert!(page.is_last);
        let mut times: BTreeMap<EntityId, u64> = BTreeMap::new();
        page.rows.iter().for_each(|root| *times.entry(root.clone()).or_default() += 1);
        assert!(times.values().all(|times| *times == 1), "history {number}: {times:?}");
        assert!(roots(&device).keys().all(|root| times.contains_key(root)), "history {number}");
    }
}

#[test]
fn every_message_arrives_exactly_once_for_a_follower_that_keeps_its_cursor() {
    for number in 0..150 {
        let (mut follower, device) = live(number);
        while follower.arrived(&device, 2) {}
        let mut delivered = follower.delivered.clone();
        delivered.sort_unstable();
        assert!(delivered.windows(2).all(|pair| pair[0] != pair[1]), "history {number}: something came twice");
        for hash in device.messages().unwrap() {
            assert!(delivered.binary_search(&hash).is_ok(), "history {number}: something is missing");
        }
    }
}
