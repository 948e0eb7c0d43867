//! Snapshots, in pieces: what two of them have in common stands in the file once, and they can be written bit by bit.
//!
//! A state is cut where its bytes say so, so that the pieces after a change are the same as before. A piece is found by
//! the hash of its content. It is dropped when no snapshot refers to it.

use std::collections::HashSet;
use std::ops::{Bound, Range};

use redb::{ReadableTable, TableHandle};

use super::error::LogError;
use super::read::LogReader;
use super::rows::{PieceHash, SnapshotNote, decode_snapshot, encode_snapshot, snapshot_key, split_snapshot_key};
use super::tables;
use super::vault::{Sealed, Vault};
use super::write::LogWriter;
use crate::order::Position;
use crate::parallel;

/// The shortest piece but the last. A page of the database holds 64 KB: shorter pieces would waste more of it.
const SHORTEST: usize = 40 << 10;

/// The longest piece: it fills a page, with what stands beside it.
const LONGEST: usize = (64 << 10) - 256;

/// One in so many bytes after the shortest piece ends one.
const ONE_IN: u64 = 1 << 14;

/// Looking a piece up takes about as long as writing so many bytes, since its page is read.
const LOOK: usize = 8 << 10;

/// So many pieces are opened at a time.
const OPENED_TOGETHER: usize = 8;

/// Why pieces were not joined.
enum Unjoined {
    Log(LogError),
    Damaged,
}

/// A snapshot's key in its table, and its pieces.
type SnapshotRow = ([u8; 56], Vec<PieceHash>);

/// A state as of a position.
pub(crate) struct Snapshot {
    pub(crate) at: Position,
    pub(crate) state: Vec<u8>,
    pub(crate) note: SnapshotNote,
}

/// A state, cut into pieces.
#[derive(Debug)]
pub(crate) struct Pieces {
    state: Vec<u8>,
    pieces: Vec<(PieceHash, Range<usize>)>,
}

impl Pieces {
    pub(super) fn cut(vault: &Vault, state: Vec<u8>) -> Self {
        let ends = cuts(&state);
        let starts = [0].into_iter().chain(ends.iter().copied());
        let ranges: Vec<Range<usize>> = starts.zip(ends.iter().copied()).map(|(start, end)| start..end).collect();
        let pieces = ranges.into_iter().map(|range| (vault.hash(&state[range.clone()]), range)).collect();
        Self { state, pieces }
    }

    pub(crate) const fn state(&self) -> &Vec<u8> {
        &self.state
    }

    pub(crate) const fn len(&self) -> usize {
        self.pieces.len()
    }

    fn hashes(&self) -> Vec<PieceHash> {
        self.pieces.iter().map(|(hash, _)| *hash).collect()
    }
}

/// Returns where the pieces of a state end.
fn cuts(state: &[u8]) -> Vec<usize> {
    let mut ends = Vec::with_capacity(state.len() / SHORTEST + 1);
    let mut start = 0;
    while state.len() - start > SHORTEST {
        let longest = (start + LONGEST).min(state.len());
        // Each byte has left the sum after 64 more, so that the same bytes give the same cut wherever they stand.
        let mut sum = 0_u64;
        let mut end = longest;
        for (place, byte) in state.iter().enumerate().take(longest).skip(start + SHORTEST - 64) {
            sum = (sum << 1).wrapping_add(spread(*byte));
            if place >= start + SHORTEST && sum >> (64 - ONE_IN.trailing_zeros()) == 0 {
                end = place;
                break;
            }
        }
        ends.push(end);
        start = end;
    }
    if start < state.len() || state.is_empty() {
        ends.push(state.len());
    }
    ends
}

/// Returns a number whose bits look like chance, for each byte.
const fn spread(byte: u8) -> u64 {
    let mut number = (byte as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl LogReader<'_> {
    /// Returns the last snapshot of the fold with this fingerprint that stands before `before`; one that does not open is
    /// no snapshot. If asked to, it passes over those that are not whole.
    pub(crate) fn snapshot_before(
        &self,
        before: Option<&Position>,
        fingerprint: &[u8; 32],
        only_whole: bool,
    ) -> Result<Option<Snapshot>, LogError> {
        let table = self.transaction.open_table(tables::SNAPSHOTS)?;
        let end = before.map(|before| snapshot_key(before, 0));
        let end = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        for row in table.range::<&[u8; 56]>((Bound::Unbounded, end))?.rev() {
            let (key, sealed) = row?;
            let Ok(value) = self.vault.open("snapshots-1", key.value(), sealed.value()) else { continue };
            let Some((note, hashes)) = decode_snapshot(&value, fingerprint) else { continue };
            if only_whole && !note.is_whole {
                continue;
            }
            let (at, _) = split_snapshot_key(key.value());
            if let Some(state) = self.join(&hashes, note.len)? {
                return Ok(Some(Snapshot { at, state, note }));
            }
        }
        Ok(None)
    }

    /// Returns what was noted of the last snapshot of the fold with this fingerprint.
    pub(crate) fn last_snapshot_note(&self, fingerprint: &[u8; 32]) -> Result<Option<SnapshotNote>, LogError> {
        let table = self.transaction.open_table(tables::SNAPSHOTS)?;
        for row in table.iter()?.rev() {
            let (key, sealed) = row?;
            let Ok(value) = self.vault.open("snapshots-1", key.value(), sealed.value()) else { continue };
            if let Some((note, _)) = decode_snapshot(&value, fingerprint) {
                return Ok(Some(note));
            }
        }
        Ok(None)
    }

    /// Joins pieces; `None` if one is missing or damaged. Each is opened at its place in the state, by other threads.
    fn join(&self, hashes: &[PieceHash], len: u64) -> Result<Option<Vec<u8>>, LogError> {
        let table = self.transaction.open_table(tables::PIECES)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > hashes.len().saturating_mul(LONGEST) {
            return Ok(None);
        }
        let mut state = vec![0; len];
        let mut rest = &mut state[..];
        let mut hashes = hashes.iter();
        let joined = parallel::pipeline(
            parallel::usual_threads(),
            || {
                let mut batch = Vec::with_capacity(OPENED_TOGETHER);
                for hash in hashes.by_ref().take(OPENED_TOGETHER) {
                    let sealed = table.get(hash).map_err(|error| Unjoined::Log(error.into()))?;
                    let sealed = sealed.ok_or(Unjoined::Damaged)?;
                    let parts = Sealed::split(sealed.value()).ok_or(Unjoined::Damaged)?;
                    let (place, after) =
                        std::mem::take(&mut rest).split_at_mut_checked(parts.value.len()).ok_or(Unjoined::Damaged)?;
                    rest = after;
                    place.copy_from_slice(parts.value);
                    batch.push((hash, *parts.nonce, place, *parts.tag));
                }
                Ok((!batch.is_empty()).then_some(batch))
            },
            |batch| {
                let mut pieces = batch.into_iter();
                pieces.all(|(hash, nonce, place, tag)| {
                    self.vault.open_parts("pieces-1", hash, &nonce, place, &tag).is_ok()
                })
            },
            |are_sound| if are_sound { Ok(()) } else { Err(Unjoined::Damaged) },
        );
        match joined {
            Ok(()) if rest.is_empty() => Ok(Some(state)),
            Ok(()) | Err(Unjoined::Damaged) => Ok(None),
            Err(Unjoined::Log(error)) => Err(error),
        }
    }

    /// Returns the largest number of a snapshot; 0 if there is none.
    pub(crate) fn last_snapshot_number(&self) -> Result<u64, LogError> {
        last_number(&self.transaction.open_table(tables::SNAPSHOTS)?)
    }

    /// Returns all pieces. This reads as much as they have bytes.
    pub(crate) fn all_pieces(&self) -> Result<Vec<PieceHash>, LogError> {
        all(&self.transaction.open_table(tables::PIECES)?)
    }
}

fn all(table: &impl ReadableTable<&'static [u8; 32], &'static [u8]>) -> Result<Vec<PieceHash>, LogError> {
    table.iter()?.map(|row| Ok(*row?.0.value())).collect()
}

fn last_number(table: &impl ReadableTable<&'static [u8; 56], &'static [u8]>) -> Result<u64, LogError> {
    let mut last = 0;
    for row in table.iter()? {
        last = last.max(split_snapshot_key(row?.0.value()).1);
    }
    Ok(last)
}

impl LogWriter<'_> {
    /// Returns the largest number of a snapshot; 0 if there is none.
    pub(crate) fn last_snapshot_number(&self) -> Result<u64, LogError> {
        last_number(&self.transaction.open_table(tables::SNAPSHOTS)?)
    }

    /// Writes the pieces from `from` on that are not here, as long as writing so many bytes takes; returns the next.
    pub(crate) fn put_pieces(&mut self, pieces: &Pieces, from: usize, bytes: usize) -> Result<usize, LogError> {
        let vault = self.vault;
        let mut table = self.transaction.open_table(tables::PIECES)?;
        let mut done = 0;
        for (place, (hash, range)) in pieces.pieces.iter().enumerate().skip(from) {
            if done >= bytes {
                return Ok(place);
            }
            done += LOOK;
            if table.get(hash)?.is_none() {
                let value = vault.seal(table.name(), hash, &pieces.state[range.clone()], self.rng());
                table.insert(hash, value.as_slice())?;
                done += range.len();
            }
        }
        Ok(pieces.len())
    }

    /// Keeps the state as of a position, under a number. Its pieces have to be written.
    pub(crate) fn put_snapshot(
        &mut self,
        (at, number): (&Position, u64),
        fingerprint: &[u8; 32],
        note: SnapshotNote,
        pieces: &Pieces,
    ) -> Result<(), LogError> {
        let key = snapshot_key(at, number);
        let value = encode_snapshot(fingerprint, note, &pieces.hashes());
        let vault = self.vault;
        let mut table = self.transaction.open_table(tables::SNAPSHOTS)?;
        let value = vault.seal(table.name(), &key, &value, self.rng());
        table.insert(&key, value.as_slice())?;
        Ok(())
    }

    /// Drops the snapshots that `keep` does not want; it gets the position and the number.
    pub(crate) fn retain_snapshots(&mut self, keep: impl Fn(&Position, u64) -> bool) -> Result<(), LogError> {
        let mut table = self.transaction.open_table(tables::SNAPSHOTS)?;
        table.retain(|key, _| {
            let (at, number) = split_snapshot_key(key);
            keep(&at, number)
        })?;
        Ok(())
    }

    /// Drops the oldest snapshots but the last until all together have no more bytes than this.
    pub(crate) fn bound_snapshots(&mut self, fingerprint: &[u8; 32], bytes: u64) -> Result<(), LogError> {
        let mut all = self.snapshots(fingerprint)?;
        all.reverse();
        let mut seen = HashSet::new();
        let mut total = 0;
        let mut surplus = Vec::new();
        for (index, (key, hashes)) in all.into_iter().enumerate() {
            let new = hashes.into_iter().filter(|hash| seen.insert(*hash)).count() as u64;
            total += new * LONGEST as u64;
            if index > 0 && total > bytes {
                surplus.push(key);
            }
        }
        let mut table = self.transaction.open_table(tables::SNAPSHOTS)?;
        for key in surplus {
            table.remove(&key)?;
        }
        Ok(())
    }

    /// Returns those of some pieces to which no snapshot refers.
    pub(crate) fn unused_pieces(
        &self,
        fingerprint: &[u8; 32],
        mut pieces: Vec<PieceHash>,
    ) -> Result<Vec<PieceHash>, LogError> {
        let used: HashSet<PieceHash> =
            self.snapshots(fingerprint)?.into_iter().flat_map(|(_, hashes)| hashes).collect();
        pieces.retain(|piece| !used.contains(piece));
        Ok(pieces)
    }

    /// Returns all pieces. This reads as much as they have bytes.
    pub(crate) fn all_pieces(&self) -> Result<Vec<PieceHash>, LogError> {
        all(&self.transaction.open_table(tables::PIECES)?)
    }

    pub(crate) fn remove_pieces(&mut self, pieces: &[PieceHash]) -> Result<(), LogError> {
        let mut table = self.transaction.open_table(tables::PIECES)?;
        pieces.iter().try_for_each(|hash| table.remove(hash).map(drop))?;
        Ok(())
    }

    /// Returns the snapshots of a fold, in total order. Those of others are of no use any more.
    fn snapshots(&self, fingerprint: &[u8; 32]) -> Result<Vec<SnapshotRow>, LogError> {
        let table = self.transaction.open_table(tables::SNAPSHOTS)?;
        let mut all = Vec::new();
        for row in table.iter()? {
            let (key, sealed) = row?;
            let Ok(value) = self.vault.open("snapshots-1", key.value(), sealed.value()) else { continue };
            if let Some((_, hashes)) = decode_snapshot(&value, fingerprint) {
                all.push((*key.value(), hashes));
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::super::{Access, AccessKind, Backing, Log};
    use super::*;
    use crate::standard::Seed;

    fn noise(len: usize) -> Vec<u8> {
        let mut number = 7_u64;
        let next = || {
            number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (number >> 56) as u8
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    fn pieces(state: &[u8]) -> Vec<&[u8]> {
        let ends = cuts(state);
        [0].into_iter().chain(ends.iter().copied()).zip(ends.iter().copied()).map(|(a, b)| &state[a..b]).collect()
    }

    #[test]
    fn pieces_are_the_state_and_fit_a_page() {
        for len in [0, 1, SHORTEST, SHORTEST + 1, LONGEST, LONGEST + 1, 1_000_000] {
            let state = noise(len);
            let pieces = pieces(&state);
            assert_eq!(pieces.concat(), state);
            assert!(pieces.iter().all(|piece| piece.len() <= LONGEST), "{len}");
            assert!(pieces.iter().rev().skip(1).all(|piece| piece.len() >= SHORTEST), "{len}");
        }
        assert_eq!(pieces(&vec![0; 1_000_000]).concat(), vec![0; 1_000_000]);
    }

    #[test]
    fn pieces_that_are_here_are_passed_over_a_few_at_a_time() {
        let access = Access { kind: AccessKind::Write, wait: Duration::ZERO };
        let random = Box::new(StdRng::seed_from_u64(1));
        let mut log = Log::open(Backing::memory(), access, &Seed::from_bytes([5; 32]), random).unwrap();
        let pieces = log.cut(noise(4_000_000));
        let mut put = |from, bytes| log.write(|writer| writer.put_pieces(&pieces, from, bytes)).unwrap();
        assert_eq!(put(0, 1), 1);
        assert_eq!(put(0, usize::MAX), pieces.len());
        assert_eq!(put(0, 20 * LOOK), 20);
        assert_eq!(put(pieces.len() - 1, LOOK), pieces.len());
    }

    #[test]
    fn a_change_leaves_most_pieces_as_they_were() {
        let mut state = noise(4_000_000);
        let before: HashSet<Vec<u8>> = pieces(&state).into_iter().map(<[u8]>::to_vec).collect();
        state.splice(1_000_000..1_000_001, *b"something longer");
        let after = pieces(&state);
        let same = after.iter().filter(|piece| before.contains(**piece)).count();
        assert!(after.len() - same <= 8, "{same} of {}", after.len());
    }
}
