//! Recovery of damaged files.

use std::collections::HashMap;
use std::io::{Read, Seek};
use std::ops::Range;

use super::entries::{Entries, Entry, MOST};
use super::fetch::Vaults;
use super::layout::{Layout, Start};
use super::search::{Found, Search};
use super::source::Source;
use super::{Damage, DamageCause, DamageReport, Replay, ReplayError, scan};
use crate::parallel;
use crate::standard::export::ItemOpener;
use crate::standard::{Label, Seed};

/// So many messages tell whether bodies stand at a place.
const SAMPLE: usize = 64;

/// How many bodies are checked together at most, and how many bytes of them.
const BATCH: usize = 4096;
const BATCH_BYTES: u64 = 8 << 20;

/// What can be said of a file before its items are looked at.
struct Outline {
    label: Option<Label>,
    /// Where the index stands; all of the file where it may be anywhere.
    index: Range<u64>,
    /// Whether the index surely ends where it says.
    index_ends: bool,
    /// Whether the index is surely the one that was written.
    index_is_whole: bool,
    /// Whether the signature holds.
    is_signed: bool,
    announced: Option<u64>,
    bodies: Option<Range<u64>>,
}

/// Opens what is left of a file.
pub(super) fn salvage<F: Read + Seek>(mut source: Source<F>, seed: &Seed) -> Result<Replay<F>, ReplayError> {
    let mut damage = DamageReport::default();
    let outline = outline(&mut source, seed, &mut damage)?;
    let opener = ItemOpener::for_recovery(seed);
    let search = Search::new(&mut source, &opener, outline.index.end);
    let before = damage.count();
    let Found { entries, end, bodies_len } = search.run(outline.index.start, outline.index_ends, &mut damage)?;
    if entries.len() as u64 > MOST {
        return Err(ReplayError::TooManyMessages { most: MOST });
    }
    if entries.is_empty() && !outline.is_signed {
        return Err(match damage.places().first() {
            Some(first) if outline.bodies.is_none() => ReplayError::NotAnExport(first.clone()),
            _ => ReplayError::WrongSeed,
        });
    }
    let found = entries.len() as u64;
    if let Some(announced) = outline.announced.filter(|&announced| announced != found && damage.count() == before) {
        damage.add(Damage::new(0..outline.index.start, DamageCause::Count { announced, found }));
    }
    let file_end = source.len();
    let threads = parallel::usual_threads();
    let mut vaults = Vaults { source, opener, bodies: file_end..file_end, moved: HashMap::new(), threads };
    match outline.bodies {
        Some(bodies) => vaults.bodies = bodies,
        None => find_bodies(&mut vaults, &entries, [end, outline.index.end], bodies_len)?,
    }
    let entries = check_bodies(&mut vaults, entries, outline.index_is_whole, &mut damage)?;
    Ok(Replay { label: outline.label, entries: Entries::sort(entries), vaults, damage })
}

/// Finds out how far header and lengths can be trusted.
fn outline<F: Read + Seek>(
    source: &mut Source<F>,
    seed: &Seed,
    report: &mut DamageReport,
) -> Result<Outline, ReplayError> {
    let len = source.len();
    let start = match Start::read(source)? {
        Ok(start) => start,
        Err(damage) => {
            report.add(damage);
            return Ok(Outline {
                label: None,
                index: 0..len,
                index_ends: false,
                index_is_whole: false,
                is_signed: false,
                announced: None,
                bodies: None,
            });
        }
    };
    let header = start.header();
    let Start { head, index } = start;
    let check = head.verify(seed);
    let is_signed = check.is_ok();
    if !is_signed {
        report.add(Damage::new(header, DamageCause::Signature));
    }
    let bodies = match Layout::bodies_after(source, index.end)? {
        Ok(bodies) => Some(bodies),
        Err(damage) => {
            report.add(damage);
            None
        }
    };
    let layout = Layout { head, index: index.start.min(len)..index.end.min(len), bodies: 0..0 };
    let index_is_whole = match check {
        Ok(check) if index.end <= len => match scan::check_index(source, &layout, check) {
            Ok(_) => true,
            Err(ReplayError::Damaged(damage)) => {
                report.add(damage);
                false
            }
            Err(error) => return Err(error),
        },
        _ => false,
    };
    let index_ends = index_is_whole || bodies.is_some();
    let index = match (index_ends, is_signed) {
        (true, _) => layout.index,
        // The index starts where a header ends that holds; how long it is may be damaged.
        (false, true) => layout.index.start..len,
        (false, false) => 0..len,
    };
    let announced = index_ends.then_some(layout.head.count());
    let label = (is_signed || index_ends).then(|| layout.head.label().clone());
    Ok(Outline { label, index, index_ends, index_is_whole, is_signed, announced, bodies })
}

/// Finds where the bodies start: after the index, or as far before the end of the file as they are long.
fn find_bodies<F: Read + Seek>(
    vaults: &mut Vaults<F>,
    entries: &[Entry],
    index_ends: [u64; 2],
    bodies_len: u64,
) -> Result<(), ReplayError> {
    let len = vaults.source.len();
    let mut starts = Vec::new();
    for end in index_ends {
        // The length is a varint of at most eight bytes, and may itself be damaged.
        starts.extend((1..=8).map(|varint| end.saturating_add(varint)));
    }
    starts.extend(len.checked_sub(bodies_len));
    let with_body = entries.iter().filter(|entry| entry.body_len() != Some(0));
    let sample: Vec<&Entry> = with_body.take(SAMPLE).collect();
    let mut best = 0;
    let mut bodies = len..len;
    for start in starts.into_iter().filter(|&start| start <= len) {
        vaults.bodies = start..len;
        let open = sample.iter().map(|entry| vaults.fetch(&[*entry], |_, message| message.is_ok()));
        let open: Vec<Vec<bool>> = open.collect::<Result<_, _>>()?;
        let open = open.into_iter().flatten().filter(|is_open| *is_open).count();
        if open > best {
            best = open;
            bodies = start..len;
        }
    }
    vaults.bodies = bodies;
    Ok(())
}

/// Keeps the entries whose bodies open.
fn check_bodies<F: Read + Seek>(
    vaults: &mut Vaults<F>,
    entries: Vec<Entry>,
    index_is_whole: bool,
    report: &mut DamageReport,
) -> Result<Vec<Entry>, ReplayError> {
    let mut is_readable = Vec::with_capacity(entries.len());
    let mut first = 0;
    while first < entries.len() {
        let mut bytes = 0_u64;
        let together = entries[first..]
            .iter()
            .take(BATCH)
            .take_while(|entry| {
                let is_first = bytes == 0;
                bytes = bytes.saturating_add(entry.weight());
                is_first || bytes <= BATCH_BYTES
            })
            .count();
        let batch: Vec<&Entry> = entries[first..first + together].iter().collect();
        let checked = vaults.fetch(&batch, |_, message| message.err())?;
        for (place, damage) in (first..).zip(checked) {
            let damage = match damage {
                Some(_) if !index_is_whole && find_body(vaults, &entries, place)? => None,
                damage => damage,
            };
            is_readable.push(damage.is_none());
            damage.into_iter().for_each(|damage| report.add(damage));
        }
        first += together;
    }
    let mut is_readable = is_readable.into_iter();
    let mut entries = entries;
    entries.retain(|_| is_readable.next().unwrap_or(false));
    Ok(entries)
}

/// Looks for a body between those of its neighbours: where it stands is not sealed, and may be what is damaged.
fn find_body<F: Read + Seek>(vaults: &mut Vaults<F>, entries: &[Entry], place: usize) -> Result<bool, ReplayError> {
    let entry = &entries[place];
    let Some(len) = entry.body_len() else { return Ok(false) };
    let mut before = entries[..place].iter().rev().filter(|entry| entry.body_len() != Some(0));
    let start = match before.next() {
        Some(before) => vaults.body_of(before)?.map(|body| body.end),
        None => Some(vaults.bodies.start),
    };
    let mut after = entries[place + 1..].iter().filter(|entry| entry.body_len() != Some(0));
    let end = match after.next() {
        Some(after) => vaults.body_of(after)?.map(|body| body.start),
        None => Some(vaults.bodies.end),
    };
    let item = entry.item().start;
    for start in [start, end.and_then(|end| end.checked_sub(len))].into_iter().flatten() {
        let body = start..start.saturating_add(len);
        if start < vaults.bodies.start || body.end > vaults.bodies.end {
            continue;
        }
        vaults.moved.insert(item, body);
        if vaults.fetch(&[entry], |_, message| message.is_ok())? == [true] {
            return Ok(true);
        }
        vaults.moved.remove(&item);
    }
    Ok(false)
}
