//! Reads everything that is stored and looks for damage.

use diplomatic::standard::{Bag, PublicKey, Seq};

use tokio::task::spawn_blocking;

use crate::backup::Pages;
use crate::{BagStore, StoreError};

/// What is wrong with one account.
#[derive(Debug)]
pub(super) enum Damage {
    /// Seqs without a bag, or without a body.
    Missing { first: Seq },
    /// Signatures that do not hold.
    Signatures { count: u64 },
    /// The counted usage is not what is there.
    Usage { counted: u64, there: u64 },
    /// The rest cannot be read.
    Unreadable(StoreError),
}

/// Checks one account; returns how many bags it has, and what is wrong.
pub(super) async fn check(store: &(impl BagStore + ?Sized), key: PublicKey) -> Result<(u64, Vec<Damage>), StoreError> {
    let mut damages = Vec::new();
    let Some(last) = store.last(key).await? else { return Ok((0, damages)) };
    let mut pages = Pages::new(key, last);
    let (mut count, mut bad) = (0, 0);
    while let Some(page) = pages.next(store).await {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                damages.push(Damage::Unreadable(error));
                break;
            }
        };
        if let Some(first) = page.gap {
            damages.push(Damage::Missing { first });
        }
        count += page.bags.len() as u64;
        let bags: Vec<Bag> = page.bags.into_iter().map(|(_, bag)| bag).collect();
        let checked = spawn_blocking(move || Bag::verify_each(bags, &key)).await.unwrap_or_default();
        bad += checked.iter().filter(|bag| bag.is_err()).count() as u64;
    }
    if bad > 0 {
        damages.push(Damage::Signatures { count: bad });
    }
    // Bags that came meanwhile are counted there already.
    let usage = store.usage(key).await?.unwrap_or_default();
    if damages.is_empty() && usage.bags < count {
        damages.push(Damage::Usage { counted: usage.bags, there: count });
    }
    Ok((count, damages))
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { first } => write!(f, "bags are missing, the first of them {first}"),
            Self::Signatures { count } => write!(f, "the signatures of {count} bags do not hold"),
            Self::Usage { counted, there } => write!(f, "{counted} bags are counted and {there} are there"),
            Self::Unreadable(error) => write!(f, "the rest cannot be read: {error}"),
        }
    }
}
