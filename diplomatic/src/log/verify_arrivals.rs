//! Checks of what a log knows of arrivals.

use std::collections::HashSet;

use redb::ReadableTable;

use super::arrivals::{Block, IN_A_BLOCK, start};
use super::error::LogError;
use super::read::LogReader;
use super::tables;
use super::verify::{StoreProblemKind, StoreReport};
use crate::following::chained;

impl LogReader<'_> {
    /// Checks that everything arrived once, and that what is noted of roots can be read.
    pub(super) fn verify_arrivals(&self, report: &mut StoreReport) -> Result<(), LogError> {
        let mut arrived = HashSet::new();
        let (mut chain, mut next, mut last) = (start(self.vault), 0, 0);
        for row in self.transaction.open_table(tables::ARRIVALS)?.iter()? {
            let (index, value) = row?;
            let key = index.value().to_be_bytes();
            let Ok(block) = Block::decode(index.value(), value.value()) else {
                report.add("arrivals-1", &key, StoreProblemKind::Unreadable);
                continue;
            };
            let is_next = index.value() == next && last == index.value() * IN_A_BLOCK as u64;
            (next, last) = (index.value() + 1, block.last_number());
            chain = block.positions.iter().fold(chain, |chain, position| chained(&chain, position));
            if !is_next || chain != block.chain {
                report.add("arrivals-1", &key, StoreProblemKind::Unreadable);
                chain = block.chain;
            }
            for position in block.positions {
                let is_known = self.messages.get(&position)?.is_some() || self.was_dropped(&position)?;
                if !arrived.insert(position) || !is_known {
                    report.add("arrivals-1", &position, StoreProblemKind::Stray);
                }
            }
        }
        for row in self.messages.iter()? {
            let key = row?.0;
            if !arrived.contains(key.value()) && !self.is_own_kind(key.value())? {
                report.add("arrivals-1", key.value(), StoreProblemKind::Missing);
            }
        }
        for row in self.transaction.open_table(tables::CHANGED_AT)?.iter()? {
            let (key, number) = row?;
            if !(1..=last).contains(&number.value()) {
                report.add("changed-at-1", key.value(), StoreProblemKind::Stray);
            }
        }
        self.verify_sealed(report, "changed-by-dropped-1", tables::CHANGED_BY_DROPPED)?;
        self.verify_sealed(report, "hung-on-1", tables::HUNG_ON)
    }
}
