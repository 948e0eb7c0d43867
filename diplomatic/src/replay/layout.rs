//! The locations of the parts of an export file.

use std::io::{Read, Seek};
use std::ops::Range;

use super::source::Source;
use super::{Damage, DamageCause, ReplayError};
use crate::standard::export::ExportHead;
use crate::standard::{Decode, Reader};

/// A header longer than this is none: a label is a few words.
const LONGEST_HEADER: u64 = 64 << 10;

/// Where the parts of an export file stand.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) head: ExportHead,
    pub(super) index: Range<u64>,
    pub(super) bodies: Range<u64>,
}

/// A header, and where the index stands by it; perhaps beyond the end of the file.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) head: ExportHead,
    pub(super) index: Range<u64>,
}

impl Start {
    pub(super) fn read<F: Read + Seek>(source: &mut Source<F>) -> Result<Result<Self, Damage>, ReplayError> {
        let bytes = source.read_some(0, LONGEST_HEADER)?;
        let mut reader = Reader::new(&bytes);
        Ok(match ExportHead::read(&mut reader) {
            Ok(head) => {
                let start = (bytes.len() - reader.rest().len()) as u64;
                // A varint and a header's length, so that the sum is within a u64.
                let index = start..start + head.index_len();
                Ok(Self { head, index })
            }
            Err(error) => Err(Damage::new(0..bytes.len() as u64, DamageCause::Header(error))),
        })
    }

    /// Returns the bytes of the file that hold the header.
    pub(super) const fn header(&self) -> Range<u64> {
        0..self.index.start
    }
}

impl Layout {
    /// Finds the parts of a file that keeps to its layout from the first byte to the last.
    pub(super) fn read<F: Read + Seek>(source: &mut Source<F>) -> Result<Result<Self, Damage>, ReplayError> {
        let Start { head, index } = match Start::read(source)? {
            Ok(start) => start,
            Err(damage) => return Ok(Err(damage)),
        };
        Ok(Self::bodies_after(source, index.end)?.map(|bodies| Self { head, index, bodies }))
    }

    /// Finds the bodies, whose length stands at `place` and which should end where the file does.
    pub(super) fn bodies_after<F: Read + Seek>(
        source: &mut Source<F>,
        place: u64,
    ) -> Result<Result<Range<u64>, Damage>, ReplayError> {
        let end = source.len();
        let cut_short = |missing| Damage::new(end..end, DamageCause::CutShort { missing });
        if place > end {
            return Ok(Err(cut_short(place - end)));
        }
        let bytes = source.read_some(place, 8)?;
        let mut reader = Reader::new(&bytes);
        let len = match reader.varint() {
            Ok(len) => len,
            Err(error) if error.is_incomplete() => return Ok(Err(cut_short(1))),
            Err(error) => return Ok(Err(Damage::new(place..place + 8, DamageCause::BodiesLength(error)))),
        };
        let start = place + (bytes.len() - reader.rest().len()) as u64;
        let bodies = start..start.saturating_add(len);
        Ok(match bodies.end {
            announced if announced > end => Err(cut_short(announced - end)),
            announced if announced < end => {
                Err(Damage::new(announced..end, DamageCause::Surplus { surplus: end - announced }))
            }
            _ => Ok(bodies),
        })
    }

    /// Returns the bytes of the file that hold the header.
    pub(super) const fn header(&self) -> Range<u64> {
        0..self.index.start
    }
}
