//! Storing bags: one statement, and so one round trip and one transaction.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use deadpool_postgres::Client;
use diplomatic::standard::{Bag, Encode, PublicKey, Seq, VerifiedBag};

use super::fault::Fault;
use super::reads::seq_of;
use crate::store::Placed;

/// Stores bags none of which is there yet, as nearly always, for an account that is. It does nothing where there is no
/// account, and where a bag is known the index of signatures refuses the whole statement.
///
/// Nothing in it depends on how many partitions there are: bags are only put in. `$6` is how many there are, and `$7` how
/// much they take.
const APPEND_NEW: &str = "
WITH account AS (
    UPDATE accounts SET last = last + $6::INT8, bytes = bytes + $7::INT8 WHERE account = $1::BYTEA RETURNING last
)
INSERT INTO bags (account, seq, signature, kdm, head, body)
SELECT $1, account.last - $6 + given.place, given.signature, given.kdm, given.head, given.body
FROM account, unnest($2::BYTEA[], $3::BYTEA[], $4::BYTEA[], $5::BYTEA[]) WITH ORDINALITY
    AS given (signature, kdm, head, body, place)
RETURNING seq";

/// Numbers the bags that are not there yet from the account's row, which stays locked until they are stored.
///
/// What this statement sees of the bags is older than the lock. If another process stored one of them in between, the
/// index of signatures refuses the whole statement, and the next try sees it. The limit keeps planners that know nothing of
/// the tables yet from reading all bags of the account. `$6` is how much each bag takes.
const APPEND: &str = "
WITH given AS (
    SELECT place, signature, kdm, head, body, size
    FROM unnest($2::BYTEA[], $3::BYTEA[], $4::BYTEA[], $5::BYTEA[], $6::INT8[]) WITH ORDINALITY
        AS given (signature, kdm, head, body, size, place)
), known AS (
    SELECT given.place, found.seq,
        found.kdm = given.kdm AND found.head = given.head AND found.body = given.body AS same
    FROM given CROSS JOIN LATERAL (
        SELECT seq, kdm, head, body FROM bags WHERE account = $1 AND signature = given.signature LIMIT 1
    ) AS found
), fresh AS (
    SELECT given.place, given.signature, given.kdm, given.head, given.body, given.size,
        row_number() OVER (ORDER BY given.place) AS nth
    FROM given LEFT JOIN known ON known.place = given.place
    WHERE known.place IS NULL
), total AS (
    SELECT count(*)::INT8 AS bags, coalesce(sum(size), 0)::INT8 AS bytes FROM fresh
), account AS (
    INSERT INTO accounts (account, last, bytes)
    SELECT $1, total.bags, total.bytes FROM total WHERE total.bags > 0
    ON CONFLICT (account) DO UPDATE
        SET last = accounts.last + excluded.last, bytes = accounts.bytes + excluded.bytes
    RETURNING last
), stored AS (
    INSERT INTO bags (account, seq, signature, kdm, head, body)
    SELECT $1, account.last - total.bags + fresh.nth, fresh.signature, fresh.kdm, fresh.head, fresh.body
    FROM fresh, account, total
    RETURNING seq
)
SELECT known.place, known.seq, known.same FROM known
UNION ALL
SELECT fresh.place, account.last - total.bags + fresh.nth, NULL FROM fresh, account, total";

/// The bags of one append, each signature once.
#[derive(Debug)]
pub(super) struct Batch {
    user: PublicKey,
    /// Where a signature came twice, what came last.
    bags: Vec<VerifiedBag>,
    /// For each bag that was given: its index in `bags`, and what it was to the one before it with this signature.
    given: Vec<(usize, Twin)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Twin {
    None,
    Same,
    Other,
}

impl Batch {
    pub(super) fn new(user: PublicKey, given: Vec<VerifiedBag>) -> Self {
        let mut batch = Self { user, bags: Vec::with_capacity(given.len()), given: Vec::with_capacity(given.len()) };
        let mut indexes = HashMap::new();
        for bag in given {
            let next = batch.bags.len();
            let index = *indexes.entry(bag.as_bag().head.signature).or_insert(next);
            let twin = match batch.bags.get_mut(index) {
                None => {
                    batch.bags.push(bag);
                    Twin::None
                }
                Some(twin) if *twin.as_bag() == *bag.as_bag() => Twin::Same,
                Some(twin) => {
                    *twin = bag;
                    Twin::Other
                }
            };
            batch.given.push((index, twin));
        }
        batch
    }

    /// Returns the bags that differ from what is stored, with their seqs.
    pub(super) fn differing(&self, placed: &[Placed]) -> Vec<(Seq, Bag)> {
        let differing = self.bags.iter().zip(placed).filter_map(|(bag, placed)| match placed {
            Placed::Healed(seq) => Some((*seq, bag.as_bag().clone())),
            Placed::New(_) | Placed::Known(_) => None,
        });
        differing.collect()
    }

    /// Returns what became of each bag that was given, from what became of each signature.
    pub(super) fn spread(&self, placed: &[Placed]) -> Option<Vec<Placed>> {
        let outcome = |&(index, twin): &(usize, Twin)| {
            let placed = *placed.get(index)?;
            Some(match twin {
                Twin::None => placed,
                Twin::Same => Placed::Known(placed.seq()),
                Twin::Other => Placed::Healed(placed.seq()),
            })
        };
        self.given.iter().map(outcome).collect()
    }
}

/// Stores a batch that is new for an account that is there, or nothing of it: `None` then.
pub(super) async fn append_new(client: &mut Client, batch: Arc<Batch>) -> Result<Option<Vec<Placed>>, Fault> {
    let columns = Columns::of(&batch);
    let Columns { user, signatures, kdms, heads, bodies, sizes } = &columns;
    let (count, size) = (i64::try_from(sizes.len()).unwrap_or(i64::MAX), sizes.iter().sum::<i64>());
    let statement = client.prepare_cached(APPEND_NEW).await?;
    let rows = match client.query(&statement, &[user, signatures, kdms, heads, bodies, &count, &size]).await {
        Ok(rows) => rows,
        Err(error) => {
            let fault = Fault::from(error);
            return if fault.is_known() { Ok(None) } else { Err(fault) };
        }
    };
    let seqs: Result<BTreeSet<Seq>, Fault> = rows.iter().map(|row| seq_of(row.try_get(0)?)).collect();
    let seqs = seqs?;
    match seqs.len() {
        0 => Ok(None),
        // They are given in the order of the bags.
        stored if stored == sizes.len() => Ok(Some(seqs.into_iter().map(Placed::New).collect())),
        _ => Err(UNANSWERED),
    }
}

/// Stores what is new of a batch, and returns what became of each of its signatures. Where a bag is known but differs,
/// it is still to be healed.
pub(super) async fn append(client: &mut Client, batch: Arc<Batch>) -> Result<Vec<Placed>, Fault> {
    let columns = Columns::of(&batch);
    let Columns { user, signatures, kdms, heads, bodies, sizes } = &columns;
    let statement = client.prepare_cached(APPEND).await?;
    let rows = client.query(&statement, &[user, signatures, kdms, heads, bodies, sizes]).await?;
    let mut placed = vec![None; sizes.len()];
    for row in rows {
        let (place, seq, same): (i64, i64, Option<bool>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let seq = seq_of(seq)?;
        let found = match same {
            None => Placed::New(seq),
            Some(true) => Placed::Known(seq),
            Some(false) => Placed::Healed(seq),
        };
        let index = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
        *index.and_then(|index| placed.get_mut(index)).ok_or(UNANSWERED)? = Some(found);
    }
    placed.into_iter().collect::<Option<_>>().ok_or(UNANSWERED)
}

/// A batch as the database takes it.
struct Columns<'batch> {
    user: &'batch [u8],
    signatures: Vec<&'batch [u8]>,
    kdms: Vec<&'batch [u8]>,
    heads: Vec<&'batch [u8]>,
    bodies: Vec<&'batch [u8]>,
    sizes: Vec<i64>,
}

impl<'batch> Columns<'batch> {
    fn of(batch: &'batch Batch) -> Self {
        let bags: Vec<&Bag> = batch.bags.iter().map(VerifiedBag::as_bag).collect();
        Self {
            user: batch.user.as_bytes(),
            signatures: bags.iter().map(|bag| bag.head.signature.as_bytes().as_slice()).collect(),
            kdms: bags.iter().map(|bag| bag.head.kdm.as_bytes().as_slice()).collect(),
            heads: bags.iter().map(|bag| bag.head.head.as_bytes()).collect(),
            bodies: bags.iter().map(|bag| bag.body.as_bytes()).collect(),
            sizes: bags.iter().map(|bag| size(bag)).collect(),
        }
    }
}

const UNANSWERED: Fault = Fault::Strange("an answer for other bags than were sent");

/// How much a bag takes, as [`Usage`](crate::Usage) counts it.
pub(super) fn size(bag: &Bag) -> i64 {
    i64::try_from(bag.head.to_bytes().len() + bag.body.as_bytes().len()).unwrap_or(i64::MAX)
}
