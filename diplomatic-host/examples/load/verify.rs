//! Whether everything is there that the host acknowledged.

use std::sync::Arc;

use diplomatic::standard::calls::{PeekItem, PeekRequest, PullItem, PullRequest};
use diplomatic::standard::{Decode, Encode, Reader, Seq, Status};
use tokio::task::JoinSet;

use crate::account::Account;
use crate::client::Pool;
use crate::place::Failure;

/// How many bodies are fetched in a request.
pub(crate) const BODIES: usize = 500;

/// Fetches everything of an account, as a new device does, so many bodies in a request.
pub(crate) async fn fetch(pool: &Pool, account: &Account, bodies: usize) -> Result<Vec<PeekItem>, Failure> {
    let mut request = account.auth();
    PeekRequest { after: Seq::ZERO }.encode(&mut request);
    let heads: Vec<PeekItem> = items(pool.post(0, "/peek", request.into()).await?)?;
    for heads in heads.chunks(bodies) {
        let mut request = account.auth();
        PullRequest { seqs: heads.iter().map(|item| item.seq).collect() }.encode(&mut request);
        let pulled: Vec<PullItem> = items(pool.post(0, "/pull", request.into()).await?)?;
        if pulled.len() != heads.len() {
            return Err(format!("{} of {} bodies came", pulled.len(), heads.len()).into());
        }
    }
    Ok(heads)
}

fn items<T: Decode>((status, items): (Status, axum::body::Bytes)) -> Result<Vec<T>, Failure> {
    if status != Status::SUCCESS {
        return Err(status.to_string().into());
    }
    let mut reader = Reader::new(&items);
    let mut decoded = Vec::new();
    while !reader.is_empty() {
        decoded.push(T::read(&mut reader)?);
    }
    Ok(decoded)
}

/// Returns what is wrong, a line for each account where something is.
pub(crate) async fn lost(pool: &Arc<Pool>, accounts: &[Arc<Account>]) -> Result<Vec<String>, Failure> {
    let mut lost = Vec::new();
    let mut checking = JoinSet::new();
    for account in accounts {
        let (pool, account) = (Arc::clone(pool), Arc::clone(account));
        checking.spawn(async move { check(&pool, &account, BODIES).await });
        if checking.len() >= 32
            && let Some(checked) = checking.join_next().await
        {
            lost.extend(checked??);
        }
    }
    while let Some(checked) = checking.join_next().await {
        lost.extend(checked??);
    }
    Ok(lost)
}

/// Returns what is wrong with an account.
pub(crate) async fn check(pool: &Pool, account: &Account, bodies: usize) -> Result<Option<String>, Failure> {
    let there = fetch(pool, account, bodies).await?;
    let in_a_row = there.iter().map(|item| item.seq.number()).eq(1..=there.len() as u64);
    let acknowledged = account.acknowledged();
    let missing = acknowledged.iter().filter(|(seq, (_, signature))| {
        let item = usize::try_from(**seq).ok().and_then(|seq| there.get(seq.checked_sub(1)?));
        item.is_none_or(|item| item.head.signature != *signature)
    });
    let missing = missing.count();
    let wrong = !in_a_row || missing > 0;
    Ok(wrong.then(|| format!("{missing} of {} acknowledged bags, seqs in a row: {in_a_row}", acknowledged.len())))
}
