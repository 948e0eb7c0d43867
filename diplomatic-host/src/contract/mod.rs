//! What every store promises, as checks that run on any of them.
//!
//! A store of your own keeps the contract of [`BagStore`] if all of [`PROMISES`] hold for it:
//!
//! ```
//! use std::sync::Arc;
//! use diplomatic_host::MemoryStore;
//! use diplomatic_host::contract::{PROMISES, Subject, check};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! for promise in PROMISES {
//!     check(promise, &Subject::new(Arc::new(MemoryStore::new()))).await;
//! }
//! # }
//! ```

#![allow(clippy::unwrap_used, reason = "a check that panics says where")]

mod account;
mod accounts;
mod appends;
mod reads;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use curve25519_dalek::{EdwardsPoint, Scalar};
use diplomatic::standard::{Bag, BagHead, Kdm, PublicKey, SealedBody, SealedHead, Seq, Signature, VerifiedBag};
use sha2::{Digest, Sha512};

pub(crate) use self::account::Account;
use crate::{BagStore, Change, Changes, Placed, StoreFuture};

const EVERYTHING: usize = usize::MAX;

/// What one device of several does at the same time as the others.
pub type Task = StoreFuture<'static, Vec<Placed>>;

/// An empty store, and how the checks get at what a platform has.
pub struct Subject {
    /// The store.
    pub store: Arc<dyn BagStore>,
    /// Starts a task; whoever polls what it returns waits for the end. Threads make the checks sharper.
    pub spawn: fn(Task) -> Task,
    /// How many bags are many: on a fast machine, so many that comparing each with each takes minutes.
    pub many: u32,
    /// Returns the time since any fixed moment.
    pub now: fn() -> Duration,
}

impl Subject {
    /// A store on a platform without threads and without a clock.
    pub fn new(store: Arc<dyn BagStore>) -> Self {
        Self { store, spawn: |task| task, many: 20_000, now: Duration::default }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Lists the promises: for [`check`], and as tests.
macro_rules! promises {
    (($d:tt) $($module:ident::$name:ident)*) => {
        /// The names of all promises.
        pub const PROMISES: &[&str] = &[$(stringify!($name)),*];

        /// Checks a promise on an empty store.
        ///
        /// # Panics
        ///
        /// If the store breaks the promise, or there is none of this name.
        pub async fn check(promise: &str, subject: &Subject) {
            match promise {
                $(stringify!($name) => $module::$name(subject).await,)*
                _ => panic!("no promise is called {promise}"),
            }
        }

        /// Makes a test of each promise. `$make` returns an empty store with what must outlive it, or `None` where this
        /// machine has no such store.
        #[cfg(test)]
        macro_rules! bag_store_contract {
            ($d store:ident, $d make:expr) => {
                mod $d store {
                    use super::*;

                    $(
                        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                        async fn $name() {
                            let Some((store, _guard)) = ($d make) else { return };
                            $crate::contract::check(stringify!($name), &subject(store)).await;
                        }
                    )*
                }
            };
        }
        #[cfg(test)]
        pub(crate) use bag_store_contract;
    };
}

promises! { ($)
    appends::seqs_start_at_one_and_rise_by_one
    appends::a_known_bag_keeps_its_seq_and_is_stored_once
    appends::a_bag_twice_in_one_append_gets_one_seq
    appends::bags_whose_signatures_start_alike_are_told_apart
    appends::many_bags_whose_signatures_start_alike_cost_what_others_do
    appends::concurrent_appends_leave_neither_gap_nor_repeat_and_each_is_in_a_row
    appends::a_bag_pushed_again_with_another_body_takes_the_place_of_the_first
    appends::a_bag_twice_in_one_append_with_two_bodies_keeps_the_second
    reads::heads_come_back_as_they_were_within_their_bounds
    reads::a_budget_ends_a_list_early_but_never_before_the_first
    reads::bodies_come_in_the_order_of_the_request_and_missing_ones_are_named
    accounts::a_user_is_known_once_registered_and_registering_again_keeps_the_bags
    accounts::users_have_seqs_and_bags_of_their_own
    accounts::usage_counts_every_bag_once
    accounts::a_deleted_user_leaves_nothing_and_may_start_anew
    accounts::a_note_changes_only_from_what_it_is
    accounts::accounts_are_listed_by_key_in_pages
    accounts::those_who_watch_hear_of_new_bags_and_of_deletions
}

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

async fn append(store: &dyn BagStore, account: &Account, bags: Vec<VerifiedBag>) -> Vec<Placed> {
    store.append(account.key(), bags).await.into_whole().unwrap()
}

fn new(seqs: impl IntoIterator<Item = u64>) -> Vec<Placed> {
    seqs.into_iter().map(|number| Placed::New(seq(number))).collect()
}

async fn heads(store: &dyn BagStore, account: &Account, after: u64, last: u64, budget: usize) -> Vec<u64> {
    let items = store.heads(account.key(), seq(after), seq(last), budget).await.unwrap();
    items.iter().map(|item| item.seq.number()).collect()
}

/// Signs with the same nonce each time, as nobody should: the first halves of the signatures are then the same.
fn signed_with_one_nonce(heads: &[&[u8]]) -> (PublicKey, Vec<VerifiedBag>) {
    let (secret, nonce) = (Scalar::from(7_u8), Scalar::from(11_u8));
    let user = PublicKey::from_bytes(EdwardsPoint::mul_base(&secret).compress().to_bytes());
    let start = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
    let sign = |head: &[u8]| {
        let hash = Sha512::new().chain_update(start).chain_update(user.as_bytes()).chain_update(head).finalize();
        let end = nonce + Scalar::from_bytes_mod_order_wide(&hash.into()) * secret;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&start);
        signature[32..].copy_from_slice(end.as_bytes());
        Signature::from_bytes(signature)
    };
    let bag = |&head: &&[u8]| {
        let (signature, head) = (sign(head), SealedHead::from_bytes(head.to_vec()));
        let head = BagHead { signature, kdm: Kdm::from_bytes([0; 8]), head };
        Bag { head, body: SealedBody::default() }.verify(&user).unwrap()
    };
    (user, heads.iter().map(bag).collect())
}

/// Returns the next change that says what has changed.
async fn next(changes: &mut Changes) -> Option<Change> {
    loop {
        match changes.next().await {
            Some(Change::Missed) => {}
            change => return change,
        }
    }
}
