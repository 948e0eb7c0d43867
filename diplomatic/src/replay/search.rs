//! Finding items of an index among damage: that a head decrypts proves that it is one.

use std::io::{Read, Seek};
use std::ops::Range;

use super::entries::{Entry, NO_NUMBER};
use super::source::Source;
use super::{Damage, DamageCause, DamageReport, ReplayError};
use crate::standard::export::{IndexItem, ItemError, ItemOpener};
use crate::standard::{Decode, OpenedHead, Reader, Seed};

/// How much is read at once.
const WINDOW: u64 = 1 << 20;

/// The longest item that is looked for where items follow one another.
const LONGEST: u64 = 64 << 10;

/// The longest item that is looked for at every byte.
const LONGEST_BLIND: usize = 2 << 10;

/// After so many bytes without an item an index is over whose end is not known.
const LONGEST_GAP: u64 = 1 << 20;

/// So many items in a row may be damaged and still be told one by one.
const ROW: usize = 64;

/// How far a file is looked into to tell another seed from damage.
const GLANCE: u64 = 4 << 10;

/// What was found of an index.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    /// Where the last item ends.
    pub(super) end: u64,
    /// Where the last body ends, counted from the start of bodies.
    pub(super) bodies_len: u64,
}

/// An item that opens.
struct FoundItem {
    entry: Entry,
    item: IndexItem,
    /// Where its head ends. The head is proven; what follows it is not.
    head_end: u64,
}

/// Looks for the items of an index.
pub(super) struct Search<'a, F> {
    source: &'a mut Source<F>,
    opener: &'a ItemOpener,
    window: Vec<u8>,
    window_start: u64,
    end: u64,
}

/// Returns whether some item at the beginning of the file can be opened with this seed.
pub(super) fn finds_any<F: Read + Seek>(source: &mut Source<F>, seed: &Seed, index: u64) -> Result<bool, ReplayError> {
    let opener = ItemOpener::for_recovery(seed);
    let end = source.len();
    let mut search = Search::new(source, &opener, end);
    let mut place = index;
    for _ in 0..ROW {
        let Some((item, after)) = search.parse(place)? else { break };
        if opener.open_head(&item).is_ok() {
            return Ok(true);
        }
        place = after;
    }
    Ok(search.next_item(0, GLANCE)?.is_some())
}

impl<'a, F: Read + Seek> Search<'a, F> {
    pub(super) fn new(source: &'a mut Source<F>, opener: &'a ItemOpener, end: u64) -> Self {
        let end = end.min(source.len());
        Self { source, opener, window: Vec::new(), window_start: 0, end }
    }

    /// Finds every item from `start` on that opens. `ends` says that the index goes to the end of what is searched;
    /// otherwise it is over where nothing more is found.
    pub(super) fn run(mut self, start: u64, ends: bool, report: &mut DamageReport) -> Result<Found, ReplayError> {
        let mut found = Found { end: start, ..Found::default() };
        let mut number = 0;
        let (mut place, mut proven) = (start, start);
        while place < self.end {
            if let Some(FoundItem { entry, item, head_end }) = self.open(place, number)? {
                place = entry.item().end;
                proven = head_end;
                found.end = place;
                found.bodies_len = found.bodies_len.max(item.body().end);
                found.entries.push(entry);
                number = if number == NO_NUMBER { NO_NUMBER } else { number + 1 };
                continue;
            }
            if let Some((damaged, after)) = self.step_over(place, number, ends)? {
                number = if number == NO_NUMBER { NO_NUMBER } else { number.saturating_add(damaged.len() as u32) };
                damaged.into_iter().for_each(|damage| report.add(damage));
                place = after;
                continue;
            }
            let most = if ends { u64::MAX } else { LONGEST_GAP };
            match self.next_item(proven, most)? {
                Some(next) => {
                    let from = if next > place { place } else { proven };
                    report.add(Damage::new(from..next, DamageCause::NoItem));
                    place = next;
                    number = NO_NUMBER;
                }
                None => {
                    if ends {
                        report.add(Damage::new(place..self.end, DamageCause::NoItem));
                    }
                    break;
                }
            }
        }
        Ok(found)
    }

    fn open(&mut self, place: u64, number: u32) -> Result<Option<FoundItem>, ReplayError> {
        let Some((item, end)) = self.parse(place)? else { return Ok(None) };
        let Ok(head) = self.opener.open_head(&item) else { return Ok(None) };
        Ok(Some(found_item(item, &head, place..end, number)))
    }

    /// Steps over damaged items whose lengths are whole, to the next that opens.
    fn step_over(
        &mut self,
        mut place: u64,
        number: u32,
        ends: bool,
    ) -> Result<Option<(Vec<Damage>, u64)>, ReplayError> {
        let mut damaged = Vec::new();
        while damaged.len() < ROW {
            let Some((item, after)) = self.parse(place)? else { return Ok(None) };
            match self.opener.open_head(&item) {
                Ok(_) => return Ok(Some((damaged, place))),
                Err(error) => {
                    let number = (number != NO_NUMBER).then(|| u64::from(number) + damaged.len() as u64);
                    damaged.push(Damage::of_item(place..after, number, ItemError::Open(error)));
                }
            }
            place = after;
            if ends && place == self.end {
                return Ok(Some((damaged, place)));
            }
        }
        Ok(None)
    }

    /// Returns where the next item stands after `place`, at any byte.
    fn next_item(&mut self, place: u64, most: u64) -> Result<Option<u64>, ReplayError> {
        let end = self.end.min(place.saturating_add(most));
        for place in place + 1..end {
            let opener = self.opener;
            let bytes = self.bytes(place, LONGEST_BLIND as u64)?;
            let mut reader = Reader::new(bytes);
            if let Ok(item) = IndexItem::read(&mut reader)
                && opener.open_head(&item).is_ok()
            {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Returns what would be an item at `place`, and where it would end.
    fn parse(&mut self, place: u64) -> Result<Option<(IndexItem, u64)>, ReplayError> {
        let bytes = self.bytes(place, LONGEST)?;
        let mut reader = Reader::new(bytes);
        let Ok(item) = IndexItem::read(&mut reader) else { return Ok(None) };
        Ok(Some((item, place + (bytes.len() - reader.rest().len()) as u64)))
    }

    /// Returns what stands at `place`: `most` bytes, or all up to the end.
    fn bytes(&mut self, place: u64, most: u64) -> Result<&[u8], ReplayError> {
        let end = place.saturating_add(most).min(self.end);
        let have = self.window_start..self.window_start + self.window.len() as u64;
        if place < have.start || end > have.end {
            self.window = self.source.read_some(place, WINDOW.min(self.end.saturating_sub(place)))?;
            self.window_start = place;
        }
        let from = (place.max(self.window_start) - self.window_start) as usize;
        let to = (end.max(self.window_start) - self.window_start) as usize;
        Ok(self.window.get(from..to.max(from)).unwrap_or_default())
    }
}

fn found_item(item: IndexItem, head: &OpenedHead, bytes: Range<u64>, number: u32) -> FoundItem {
    let place_len = {
        let body = item.body();
        let len = body.end - body.start;
        varint_len(len) + if len > 0 { varint_len(body.start) } else { 0 }
    };
    let head_end = bytes.end - place_len.min(bytes.end - bytes.start);
    FoundItem { entry: Entry::new(head, bytes, number), item, head_end }
}

/// Returns how many bytes a number takes when it is written as briefly as can be.
const fn varint_len(number: u64) -> u64 {
    match number {
        0 => 1,
        number => (number.ilog2() / 7 + 1) as u64,
    }
}
