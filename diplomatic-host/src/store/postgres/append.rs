//! Storing bags: one statement, and so one round trip and one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use deadpool_postgres::Client;
use diplomatic::standard::{Bag, Encode, PublicKey, Seq, VerifiedBag};

use super::fault::Fault;
use super::reads::seq_of;
use crate::store::Placed;

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

/// Stores what is new of a batch, and returns what became of each of its signatures. Where a bag is known but differs,
/// it is still to be healed.
pub(super) async fn append(client: &mut Client, batch: Arc<Batch>) -> Result<Vec<Placed>, Fault> {
    let bags: Vec<&Bag> = batch.bags.iter().map(VerifiedBag::as_bag).collect();
    let signatures: Vec<&[u8]> = bags.iter().map(|bag| bag.head.signature.as_bytes().as_slice()).collect();
    let kdms: Vec<&[u8]> = bags.iter().map(|bag| bag.head.kdm.as_bytes().as_slice()).collect();
    let heads: Vec<&[u8]> = bags.iter().map(|bag| bag.head.head.as_bytes()).collect();
    let bodies: Vec<&[u8]> = bags.iter().map(|bag| bag.body.as_bytes()).collect();
    let sizes: Vec<i64> = bags.iter().map(|bag| size(bag)).collect();
    let user = batch.user.as_bytes().as_slice();
    let statement = client.prepare_cached(APPEND).await?;
    let rows = client.query(&statement, &[&user, &signatures, &kdms, &heads, &bodies, &sizes]).await?;
    let mut placed = vec![None; bags.len()];
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

const UNANSWERED: Fault = Fault::Strange("an answer for other bags than were sent");

/// How much a bag takes, as [`Usage`](crate::Usage) counts it.
pub(super) fn size(bag: &Bag) -> i64 {
    i64::try_from(bag.head.to_bytes().len() + bag.body.as_bytes().len()).unwrap_or(i64::MAX)
}
