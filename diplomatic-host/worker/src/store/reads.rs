//! Reading bags.

use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{BagHead, Kdm, SealedBody, SealedHead, Seq, Signature};

use super::SqlStore;
use super::tables::seq;
use crate::sql::{Row, SqlError, number};

impl SqlStore {
    /// Reads heads from above one seq up to another, until they exceed the budget.
    pub(super) fn read_heads(&self, id: u64, after: Seq, last: Seq, budget: usize) -> Result<Vec<PeekItem>, SqlError> {
        let (mut items, mut size) = (Vec::new(), 0);
        let query = "SELECT seq, signature, kdm, head FROM bag WHERE user = ? AND seq > ? AND seq <= ? ORDER BY seq";
        for row in self.sql.query(query, vec![number(id), number(after.number()), number(last.number())])? {
            let mut row = row?;
            let seq = seq(row.number()?)?;
            let (signature, kdm) = (Signature::from_bytes(row.array()?), Kdm::from_bytes(row.array()?));
            let head = BagHead { signature, kdm, head: SealedHead::from_bytes(row.bytes()?) };
            size += head.head.as_bytes().len();
            items.push(PeekItem { head, seq });
            if size > budget {
                break;
            }
        }
        Ok(items)
    }

    /// Reads bodies until they exceed the budget. Seqs that follow one another are read at one go.
    pub(super) fn read_bodies(
        &self,
        id: u64,
        seqs: &[Seq],
        budget: usize,
    ) -> Result<Vec<Option<SealedBody>>, SqlError> {
        let (mut bodies, mut size) = (Vec::new(), 0);
        for run in seqs.chunk_by(|one, next| one.number().checked_add(1) == Some(next.number())) {
            let [first, ..] = run else { continue };
            let last = run.last().unwrap_or(first);
            let query = "SELECT seq, parts, body FROM bag WHERE user = ? AND seq >= ? AND seq <= ? ORDER BY seq";
            let mut rows = self.sql.query(query, vec![number(id), number(first.number()), number(last.number())])?;
            let mut next = read_seq(rows.next())?;
            for seq in run {
                let body = match next.take_if(|(found, _)| found == seq) {
                    Some((_, row)) => {
                        let body = self.read_body(id, *seq, row)?;
                        next = read_seq(rows.next())?;
                        Some(SealedBody::from_bytes(body))
                    }
                    None => None,
                };
                size += body.as_ref().map_or(0, |body| body.as_bytes().len());
                bodies.push(body);
                if size > budget {
                    return Ok(bodies);
                }
            }
        }
        Ok(bodies)
    }

    /// Reads one body.
    pub(super) fn body(&self, id: u64, seq: Seq) -> Result<Option<Vec<u8>>, SqlError> {
        let query = "SELECT parts, body FROM bag WHERE user = ? AND seq = ?";
        let row = self.sql.row(query, vec![number(id), number(seq.number())])?;
        row.map(|row| self.read_body(id, seq, row)).transpose()
    }

    /// Takes the body from a row that goes on with `parts` and `body`.
    fn read_body(&self, id: u64, seq: Seq, mut row: Row) -> Result<Vec<u8>, SqlError> {
        let (parts, mut body) = (row.number()?, row.bytes()?);
        let query = "SELECT bytes FROM part WHERE user = ? AND seq = ? AND number < ? ORDER BY number";
        if parts > 0 {
            let mut found = 0;
            for row in self.sql.query(query, vec![number(id), number(seq.number()), number(parts)])? {
                body.extend(row?.bytes()?);
                found += 1;
            }
            if found != parts {
                return Err(SqlError::new("a part of a body is gone: the object's tables are damaged"));
            }
        }
        Ok(body)
    }
}

fn read_seq(row: Option<Result<Row, SqlError>>) -> Result<Option<(Seq, Row)>, SqlError> {
    let Some(mut row) = row.transpose()? else { return Ok(None) };
    Ok(Some((seq(row.number()?)?, row)))
}
