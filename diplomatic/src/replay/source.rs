//! Reading many ranges of a file with few large reads.

use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::ops::Range;

/// The largest gap between two ranges that is read rather than skipped.
const GAP: u64 = 16 << 10;

/// A file that is read in ranges.
pub(super) struct Source<F> {
    file: F,
    len: u64,
}

/// Several ranges of a file, in one buffer.
#[derive(Debug)]
pub(super) struct Pieces {
    buffer: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Pieces {
    /// Returns the bytes of a range, by its number.
    pub(super) fn get(&self, number: usize) -> &[u8] {
        &self.buffer[self.places[number].clone()]
    }
}

impl<F: Read + Seek> Source<F> {
    pub(super) fn new(mut file: F) -> Result<Self> {
        let len = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, len })
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Appends the bytes of a range, which lies within the file.
    pub(super) fn read(&mut self, range: Range<u64>, out: &mut Vec<u8>) -> Result<()> {
        let wanted = range.end.saturating_sub(range.start);
        if wanted == 0 {
            return Ok(());
        }
        out.try_reserve(usize::try_from(wanted).map_err(|_| ErrorKind::OutOfMemory)?)
            .map_err(|_| ErrorKind::OutOfMemory)?;
        self.file.seek(SeekFrom::Start(range.start))?;
        let got = self.file.by_ref().take(wanted).read_to_end(out)? as u64;
        if got == wanted { Ok(()) } else { Err(Error::new(ErrorKind::UnexpectedEof, "the file became shorter")) }
    }

    /// Returns what stands from `start` on, `most` bytes at most.
    pub(super) fn read_some(&mut self, start: u64, most: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let end = start.saturating_add(most).min(self.len);
        self.read(start..end.max(start), &mut bytes)?;
        Ok(bytes)
    }

    /// Reads ranges in any order, each of which lies within the file.
    pub(super) fn read_ranges(&mut self, ranges: &[Range<u64>]) -> Result<Pieces> {
        let mut by_start: Vec<usize> = (0..ranges.len()).filter(|&number| !ranges[number].is_empty()).collect();
        by_start.sort_by_key(|&number| ranges[number].start);
        let mut pieces = Pieces { buffer: Vec::new(), places: vec![0..0; ranges.len()] };
        let mut rest = by_start.as_slice();
        while let Some(&first) = rest.first() {
            let start = ranges[first].start;
            let mut end = ranges[first].end;
            let together = rest
                .iter()
                .take_while(|&&number| {
                    let belongs = ranges[number].start <= end.saturating_add(GAP);
                    if belongs {
                        end = end.max(ranges[number].end);
                    }
                    belongs
                })
                .count();
            let (run, later) = rest.split_at(together);
            let base = pieces.buffer.len();
            self.read(start..end, &mut pieces.buffer)?;
            for &number in run {
                // All of it is in the buffer by now, so that it fits a usize.
                let from = base + (ranges[number].start - start) as usize;
                let len = (ranges[number].end - ranges[number].start) as usize;
                pieces.places[number] = from..from + len;
            }
            rest = later;
        }
        Ok(pieces)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_in_any_order_give_their_bytes(
            ranges in proptest::collection::vec((0_u64..100_000, 0_u64..300), 0..20),
        ) {
            let bytes: Vec<u8> = (0..100_300_u32).map(|n| (n % 251) as u8).collect();
            let mut source = Source::new(Cursor::new(&bytes)).unwrap();
            let ranges: Vec<_> = ranges.into_iter().map(|(start, len)| start..start + len).collect();
            let pieces = source.read_ranges(&ranges).unwrap();
            for (number, range) in ranges.iter().enumerate() {
                prop_assert_eq!(pieces.get(number), &bytes[range.start as usize..range.end as usize]);
            }
        }
    }
}
