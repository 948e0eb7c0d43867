//! What is written besides new bags.

use std::sync::Arc;

use deadpool_postgres::Client;
use diplomatic::standard::{Bag, PublicKey, Seq};

use super::append::size;
use super::fault::Fault;
use super::reads::{bytes, encoded_head, number};

pub(super) async fn register(client: &mut Client, user: PublicKey) -> Result<(), Fault> {
    let statement = "INSERT INTO accounts (account, last, bytes) VALUES ($1, 0, 0) ON CONFLICT (account) DO NOTHING";
    let statement = client.prepare_cached(statement).await?;
    client.execute(&statement, &[&bytes(&user)]).await?;
    Ok(())
}

/// Stores known bags anew that differ from what lies under their seqs.
pub(super) async fn heal(client: &mut Client, user: PublicKey, bags: Arc<Vec<(Seq, Bag)>>) -> Result<(), Fault> {
    const LOCK: &str = "SELECT last FROM accounts WHERE account = $1 FOR UPDATE";
    const OLD: &str = "
SELECT octet_length(head)::INT8, octet_length(body)::INT8 FROM bags WHERE account = $1 AND seq = $2 AND signature = $3";
    const NEW: &str = "UPDATE bags SET kdm = $3, head = $4, body = $5 WHERE account = $1 AND seq = $2";
    const COUNT: &str = "UPDATE accounts SET bytes = bytes + $2 WHERE account = $1";
    let user = bytes(&user);
    let transaction = client.transaction().await?;
    transaction.query_opt(LOCK, &[&user]).await?;
    let mut growth = 0;
    for (seq, bag) in bags.iter() {
        let (seq, signature) = (number(*seq), bag.head.signature.as_bytes().as_slice());
        // Otherwise the account was deleted meanwhile.
        let Some(old) = transaction.query_opt(OLD, &[&user, &seq, &signature]).await? else { continue };
        let head = u64::try_from(old.try_get::<_, i64>(0)?).unwrap_or_default();
        let head = i64::try_from(encoded_head(head)).unwrap_or(i64::MAX);
        growth += size(bag) - head - old.try_get::<_, i64>(1)?;
        let (kdm, head) = (bag.head.kdm.as_bytes().as_slice(), bag.head.head.as_bytes());
        transaction.execute(NEW, &[&user, &seq, &kdm, &head, &bag.body.as_bytes()]).await?;
    }
    transaction.execute(COUNT, &[&user, &growth]).await?;
    Ok(transaction.commit().await?)
}

/// Deletes an account. Its row goes first: whoever stores for it waits, and then begins anew.
pub(super) async fn delete(client: &mut Client, user: PublicKey) -> Result<bool, Fault> {
    let transaction = client.transaction().await?;
    let deleted = transaction.execute("DELETE FROM accounts WHERE account = $1", &[&bytes(&user)]).await?;
    transaction.execute("DELETE FROM bags WHERE account = $1", &[&bytes(&user)]).await?;
    transaction.commit().await?;
    Ok(deleted > 0)
}

/// A name, the note that is expected there, and the one to put there.
pub(super) type Swap = (String, Option<String>, Option<String>);

pub(super) async fn swap_note(client: &mut Client, swap: Arc<Swap>) -> Result<bool, Fault> {
    const INSERT: &str = "INSERT INTO notes (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    const UPDATE: &str = "UPDATE notes SET value = $3 WHERE name = $1 AND value = $2";
    const DELETE: &str = "DELETE FROM notes WHERE name = $1 AND value = $2";
    let (name, old, new) = &*swap;
    let name = name.as_bytes();
    let (old, new) = (old.as_deref().map(str::as_bytes), new.as_deref().map(str::as_bytes));
    let changed = match (old, new) {
        (None, None) => {
            let row = client.query_opt("SELECT value FROM notes WHERE name = $1", &[&name]).await?;
            return Ok(row.is_none());
        }
        (None, Some(new)) => client.execute(INSERT, &[&name, &new]).await?,
        (Some(old), Some(new)) => client.execute(UPDATE, &[&name, &old, &new]).await?,
        (Some(old), None) => client.execute(DELETE, &[&name, &old]).await?,
    };
    Ok(changed > 0)
}
