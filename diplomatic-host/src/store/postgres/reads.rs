//! What is read from the database, each in one round trip.

use std::sync::Arc;

use deadpool_postgres::Client;
use diplomatic::standard::calls::PeekItem;
use diplomatic::standard::{BagHead, Encode, Kdm, MAX_VARINT, PublicKey, SealedBody, SealedHead, Seq, Signature};
use tokio_postgres::Row;

use super::fault::Fault;
use crate::store::Usage;

/// How many heads are asked for at a time.
const HEADS: i64 = 2048;
/// How many bodies are asked for at a time.
const BODIES: usize = 1024;

pub(super) async fn last(client: &mut Client, user: PublicKey) -> Result<Option<Seq>, Fault> {
    let statement = client.prepare_cached("SELECT last FROM accounts WHERE account = $1").await?;
    let row = client.query_opt(&statement, &[&bytes(&user)]).await?;
    row.map(|row| seq_of(row.try_get(0)?)).transpose()
}

pub(super) async fn lasts(client: &mut Client, users: Arc<Vec<PublicKey>>) -> Result<Vec<Option<Seq>>, Fault> {
    const LASTS: &str = "
SELECT wanted.place, found.last
FROM unnest($1::BYTEA[]) WITH ORDINALITY AS wanted (account, place)
    CROSS JOIN LATERAL (SELECT last FROM accounts WHERE account = wanted.account LIMIT 1) AS found";
    let keys: Vec<&[u8]> = users.iter().map(bytes).collect();
    let statement = client.prepare_cached(LASTS).await?;
    let mut lasts = vec![None; keys.len()];
    for row in client.query(&statement, &[&keys]).await? {
        put(&mut lasts, row.try_get(0)?, seq_of(row.try_get(1)?)?)?;
    }
    Ok(lasts)
}

pub(super) async fn usage(client: &mut Client, user: PublicKey) -> Result<Option<Usage>, Fault> {
    let statement = client.prepare_cached("SELECT last, bytes FROM accounts WHERE account = $1").await?;
    let row = client.query_opt(&statement, &[&bytes(&user)]).await?;
    // There are as many bags as seqs.
    row.map(|row| Ok(Usage { bags: seq_of(row.try_get(0)?)?.number(), bytes: count(row.try_get(1)?)? })).transpose()
}

pub(super) async fn heads(
    client: &mut Client,
    user: PublicKey,
    after: Seq,
    last: Seq,
    budget: usize,
) -> Result<Vec<PeekItem>, Fault> {
    const LIST: &str = "
SELECT seq, signature, kdm, head FROM bags
WHERE account = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4";
    let statement = client.prepare_cached(LIST).await?;
    let (mut items, mut size, mut after) = (Vec::new(), 0, after);
    while after < last {
        let rows = client.query(&statement, &[&bytes(&user), &number(after), &number(last), &HEADS]).await?;
        let whole = rows.len() < usize::try_from(HEADS).unwrap_or(usize::MAX);
        for row in rows {
            after = seq_of(row.try_get(0)?)?;
            let head = head(&row)?;
            size += head.head.as_bytes().len();
            items.push(PeekItem { head, seq: after });
            if size > budget {
                return Ok(items);
            }
        }
        if whole {
            break;
        }
    }
    Ok(items)
}

fn head(row: &Row) -> Result<BagHead, Fault> {
    const STRANGE: Fault = Fault::Strange("a bag with a signature or a kdm of another length");
    let (signature, kdm): (&[u8], &[u8]) = (row.try_get(1)?, row.try_get(2)?);
    Ok(BagHead {
        signature: Signature::from_bytes(signature.try_into().map_err(|_| STRANGE)?),
        kdm: Kdm::from_bytes(kdm.try_into().map_err(|_| STRANGE)?),
        head: SealedHead::from_bytes(row.try_get::<_, Vec<u8>>(3)?),
    })
}

/// Reads bodies up to the first that is beyond the budget, whose sizes the database adds up without reading them.
pub(super) async fn bodies(
    client: &mut Client,
    user: PublicKey,
    seqs: Arc<Vec<Seq>>,
    budget: usize,
) -> Result<Vec<Option<SealedBody>>, Fault> {
    const FETCH: &str = "
SELECT place, body FROM (
    SELECT wanted.place, found.body, sum(coalesce(octet_length(found.body), 0)) OVER (
        ORDER BY wanted.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS before
    FROM unnest($2::INT8[]) WITH ORDINALITY AS wanted (seq, place)
        LEFT JOIN LATERAL (SELECT body FROM bags WHERE account = $1 AND seq = wanted.seq LIMIT 1) AS found ON true
) AS fetched WHERE coalesce(before, 0) <= $3 ORDER BY place";
    let statement = client.prepare_cached(FETCH).await?;
    let (mut bodies, mut size) = (Vec::new(), 0);
    for seqs in seqs.chunks(BODIES) {
        let numbers: Vec<i64> = seqs.iter().map(|seq| number(*seq)).collect();
        let rest = i64::try_from(budget.saturating_sub(size)).unwrap_or(i64::MAX);
        let rows = client.query(&statement, &[&bytes(&user), &numbers, &rest]).await?;
        let all = rows.len() == seqs.len();
        for row in rows {
            let body: Option<Vec<u8>> = row.try_get(1)?;
            size += body.as_ref().map_or(0, Vec::len);
            bodies.push(body.map(SealedBody::from_bytes));
        }
        if !all || size > budget {
            break;
        }
    }
    Ok(bodies)
}

pub(super) async fn sizes(
    client: &mut Client,
    user: PublicKey,
    signatures: Arc<Vec<Signature>>,
) -> Result<Vec<Option<u64>>, Fault> {
    const SIZES: &str = "
SELECT wanted.place, octet_length(found.head)::INT8, octet_length(found.body)::INT8
FROM unnest($2::BYTEA[]) WITH ORDINALITY AS wanted (signature, place)
    CROSS JOIN LATERAL (
        SELECT head, body FROM bags WHERE account = $1 AND signature = wanted.signature LIMIT 1
    ) AS found";
    let keys: Vec<&[u8]> = signatures.iter().map(|signature| signature.as_bytes().as_slice()).collect();
    let statement = client.prepare_cached(SIZES).await?;
    let mut sizes = vec![None; keys.len()];
    for row in client.query(&statement, &[&bytes(&user), &keys]).await? {
        let (head, body) = (count(row.try_get(1)?)?, count(row.try_get(2)?)?);
        put(&mut sizes, row.try_get(0)?, encoded_head(head) + body)?;
    }
    Ok(sizes)
}

pub(super) async fn accounts(
    client: &mut Client,
    after: Option<PublicKey>,
    count: usize,
) -> Result<Vec<PublicKey>, Fault> {
    const STRANGE: Fault = Fault::Strange("an account whose key has another length");
    let statement = "SELECT account FROM accounts WHERE account > $1 ORDER BY account LIMIT $2";
    let statement = client.prepare_cached(statement).await?;
    let after = after.as_ref().map_or(&[][..], bytes);
    let limit = i64::try_from(count).unwrap_or(i64::MAX);
    let rows = client.query(&statement, &[&after, &limit]).await?;
    let key = |row: &Row| {
        let key: &[u8] = row.try_get(0)?;
        Ok(PublicKey::from_bytes(key.try_into().map_err(|_| STRANGE)?))
    };
    rows.iter().map(key).collect()
}

pub(super) async fn notes(client: &mut Client, prefix: String) -> Result<Vec<(String, String)>, Fault> {
    const STRANGE: Fault = Fault::Strange("a note that is no text");
    // Names are bytes for the database, whose order of texts is another one. No text has the byte FF.
    let statement = "SELECT name, value FROM notes WHERE name >= $1 AND name < $2 ORDER BY name";
    let statement = client.prepare_cached(statement).await?;
    let end = [prefix.as_bytes(), &[0xff]].concat();
    let rows = client.query(&statement, &[&prefix.as_bytes(), &end]).await?;
    let text = |row: &Row, column| String::from_utf8(row.try_get(column)?).map_err(|_| STRANGE);
    rows.iter().map(|row| Ok((text(row, 0)?, text(row, 1)?))).collect()
}

/// How many bytes an encoded head takes whose sealed part has so many.
pub(super) fn encoded_head(sealed: u64) -> u64 {
    let empty = BagHead {
        signature: Signature::from_bytes([0; 64]),
        kdm: Kdm::from_bytes([0; 8]),
        head: SealedHead::from_bytes(Vec::new()),
    };
    // The length of nothing takes a byte.
    empty.to_bytes().len() as u64 - 1 + varint_length(sealed) + sealed
}

fn varint_length(number: u64) -> u64 {
    u64::from((u64::BITS - number.leading_zeros()).div_ceil(7).max(1))
}

/// Reads a seq of the tables.
pub(super) fn seq_of(number: i64) -> Result<Seq, Fault> {
    u64::try_from(number).ok().and_then(Seq::new).ok_or(Fault::Strange("a seq that is none"))
}

pub(super) fn number(seq: Seq) -> i64 {
    i64::try_from(seq.number().min(MAX_VARINT)).unwrap_or(i64::MAX)
}

pub(super) const fn bytes(user: &PublicKey) -> &[u8] {
    user.as_bytes()
}

fn count(number: i64) -> Result<u64, Fault> {
    u64::try_from(number).map_err(|_| Fault::Strange("a number below zero"))
}

/// Puts an answer where the place, counted from one, says.
fn put<T>(answers: &mut [Option<T>], place: i64, answer: T) -> Result<(), Fault> {
    let index = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
    let answer_at = index.and_then(|index| answers.get_mut(index)).ok_or(Fault::Strange("an answer to nothing"))?;
    *answer_at = Some(answer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_an_encoded_head_is_known_without_it() {
        for sealed in [0, 1, 127, 128, 4096, 16_383, 16_384] {
            let head = BagHead {
                signature: Signature::from_bytes([1; 64]),
                kdm: Kdm::from_bytes([2; 8]),
                head: SealedHead::from_bytes(vec![3; sealed]),
            };
            assert_eq!(encoded_head(sealed as u64), head.to_bytes().len() as u64);
        }
    }
}
