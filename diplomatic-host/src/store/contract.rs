//! What every store promises, as tests that run on each of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use curve25519_dalek::{EdwardsPoint, Scalar};
use diplomatic::standard::{Bag, BagHead, Encode, Kdm, PublicKey, SealedBody, SealedHead, Seq, Signature, VerifiedBag};
use sha2::{Digest, Sha512};

#[cfg(all(unix, feature = "postgres"))]
use super::two_handles;
use super::{BagStore, Change, Changes, MemoryStore, Placed, RedbStore, Usage};
use crate::account::Account;

const EVERYTHING: usize = usize::MAX;

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

async fn append(store: &impl BagStore, account: &Account, bags: Vec<VerifiedBag>) -> Vec<Placed> {
    store.append(account.key(), bags).await.into_whole().unwrap()
}

fn new(seqs: impl IntoIterator<Item = u64>) -> Vec<Placed> {
    seqs.into_iter().map(|number| Placed::New(seq(number))).collect()
}

async fn heads(store: &impl BagStore, account: &Account, after: u64, last: u64, budget: usize) -> Vec<u64> {
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

macro_rules! bag_store_contract {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            #[tokio::test]
            async fn a_user_is_known_once_registered_and_registering_again_keeps_the_bags() {
                let Some((store, _guard)) = ($make) else { return };
                let (known, stranger) = (Account::new(1), Account::new(2));
                assert_eq!(store.last(known.key()).await.unwrap(), None);
                store.register(known.key()).await.unwrap();
                assert_eq!(store.last(known.key()).await.unwrap(), Some(Seq::ZERO));
                append(&store, &known, known.verified(2, 10)).await;
                store.register(known.key()).await.unwrap();
                assert_eq!(store.last(known.key()).await.unwrap(), Some(seq(2)));
                assert_eq!(store.last(stranger.key()).await.unwrap(), None);
                let lasts = store.lasts(vec![stranger.key(), known.key(), stranger.key()]).await.unwrap();
                assert_eq!(lasts, [None, Some(seq(2)), None]);
            }

            #[tokio::test]
            async fn seqs_start_at_one_and_rise_by_one() {
                let Some((store, _guard)) = ($make) else { return };
                let account = Account::new(1);
                assert_eq!(append(&store, &account, account.verified(1, 10)).await, new([1]));
                assert_eq!(append(&store, &account, account.verified(3, 10)).await, new([2, 3, 4]));
                assert_eq!(append(&store, &account, Vec::new()).await, []);
                assert_eq!(append(&store, &account, account.verified(1, 0)).await, new([5]));
            }

            #[tokio::test]
            async fn a_known_bag_keeps_its_seq_and_is_stored_once() {
                let Some((store, _guard)) = ($make) else { return };
                let account = Account::new(1);
                let bags = account.verified(3, 10);
                assert_eq!(append(&store, &account, bags.clone()).await, new([1, 2, 3]));
                let mut again = vec![bags[2].clone(), bags[0].clone()];
                again.extend(account.verified(1, 10));
                assert_eq!(
                    append(&store, &account, again).await,
                    [Placed::Known(seq(3)), Placed::Known(seq(1)), Placed::New(seq(4))]
                );
                assert_eq!(append(&store, &account, bags).await, [1, 2, 3].map(|number| Placed::Known(seq(number))));
                assert_eq!(heads(&store, &account, 0, 100, EVERYTHING).await, [1, 2, 3, 4]);
            }

            #[tokio::test]
            async fn a_bag_twice_in_one_append_gets_one_seq() {
                let Some((store, _guard)) = ($make) else { return };
                let account = Account::new(1);
                let bag = account.verified(1, 10);
                let twice = [bag.clone(), bag].concat();
                assert_eq!(append(&store, &account, twice).await, [Placed::New(seq(1)), Placed::Known(seq(1))]);
                assert_eq!(store.last(account.key()).await.unwrap(), Some(seq(1)));
            }

            #[tokio::test]
            async fn bags_whose_signatures_start_alike_are_told_apart() {
                let Some((store, _guard)) = ($make) else { return };
                let (user, bags) = signed_with_one_nonce(&[b"one", b"two", b"three"]);
                let append = async |bags: &[VerifiedBag]| store.append(user, bags.to_vec()).await.into_whole().unwrap();
                assert_eq!(append(&bags[..2]).await, new([1, 2]));
                assert_eq!(append(&bags).await, [Placed::Known(seq(1)), Placed::Known(seq(2)), Placed::New(seq(3))]);
                assert_eq!(append(&bags).await, [1, 2, 3].map(|number| Placed::Known(seq(number))));
            }

            #[tokio::test]
            async fn many_bags_whose_signatures_start_alike_cost_what_others_do() {
                let Some((store, _guard)) = ($make) else { return };
                let heads: Vec<_> = (0..20_000_u32).map(u32::to_le_bytes).collect();
                let heads: Vec<_> = heads.iter().map(|head| &head[..]).collect();
                let (user, bags) = signed_with_one_nonce(&heads);
                let started = Instant::now();
                for _ in 0..2 {
                    for bags in bags.chunks(1000) {
                        assert!(store.append(user, bags.to_vec()).await.cut.is_none());
                    }
                }
                // Compared one with another they took some minutes.
                assert!(started.elapsed() < Duration::from_secs(60), "it took {:?}", started.elapsed());
                assert_eq!(store.last(user).await.unwrap(), Some(seq(20_000)));
            }

            #[tokio::test]
            async fn users_have_seqs_and_bags_of_their_own() {
                let Some((store, _guard)) = ($make) else { return };
                let (one, other) = (Account::new(1), Account::new(2));
                assert_eq!(append(&store, &one, one.verified(2, 10)).await, new([1, 2]));
                assert_eq!(append(&store, &other, other.verified(1, 20)).await, new([1]));
                assert_eq!(heads(&store, &one, 0, 100, EVERYTHING).await, [1, 2]);
                assert_eq!(heads(&store, &other, 0, 100, EVERYTHING).await, [1]);
                let bodies = store.bodies(other.key(), vec![seq(1), seq(2)], EVERYTHING).await.unwrap();
                assert!(matches!(&bodies[..], [Some(_), None]));
            }

            #[tokio::test]
            async fn heads_come_back_as_they_were_within_their_bounds() {
                let Some((store, _guard)) = ($make) else { return };
                let account = Account::new(1);
                let bags = account.verified(5, 10);
                append(&store, &account, bags.clone()).await;
                let items = store.heads(account.key(), Seq::ZERO, seq(5), EVERYTHING).await.unwrap();
                assert!(items.iter().map(|item| &item.head).eq(bags.iter().map(|bag| &bag.as_bag().head)));
                assert_eq!(heads(&store, &account, 2, 4, EVERYTHING).await, [3, 4]);
                assert_eq!(heads(&store, &account, 4, 100, EVERYTHING).await, [5]);
                for (after, last) in [(5, 5), (5, 100), (4, 2), (u64::MAX >> 8, u64::MAX >> 8)] {
                    assert!(heads(&store, &account, after, last, EVERYTHING).await.is_empty(), "{after} to {last}");
                }
            }

            #[tokio::test]
            async fn a_budget_ends_a_list_early_but_never_before_the_first() {
                let Some((store, _guard)) = ($make) else { return };
                let account = Account::new(1);
                append(&store, &account, account.verified(5, 100)).await;
                assert_eq!(heads(&store, &account, 0, 5, 0).await, [1]);
                assert_eq!(heads(&store, &account, 1, 5, 150).await, [2, 3]);
                let seqs: Vec<Seq> = (1..=5).map(seq).collect();
                assert_eq!(store.bodies(account.key(), seqs.clone(), 0).await.unwrap().len(), 1);
                assert_eq!(store.bodies(account.key(), seqs.clone(), 150).await.unwrap().len(), 2);
                assert_eq!(store.bodies(account.key(), seqs.clone(), EVERYTHING).await.unwrap().len(), 5);
            }

            #[tokio::test]
            async fn bodies_come_in_the_order_of_the_request_and_missing_ones_are_named() {
                let Some((store, _guard)) = ($make) else { return };
                let account = Account::new(1);
                let mut bags = account.verified(1, 10);
                bags.extend(account.verified(1, 0));
                append(&store, &account, bags.clone()).await;
                let body = |index: usize| Some(bags[index].as_bag().body.clone());
                let bodies = store.bodies(account.key(), [2, 9, 1, 0, 1].map(seq).to_vec(), EVERYTHING).await.unwrap();
                assert_eq!(bodies, [body(1), None, body(0), None, body(0)]);
                assert_eq!(store.bodies(account.key(), Vec::new(), EVERYTHING).await.unwrap(), []);
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn concurrent_appends_leave_neither_gap_nor_repeat_and_each_is_in_a_row() {
                let Some((store, _guard)) = ($make) else { return };
                let store = Arc::new(store);
                let devices = (0..4).map(|device| {
                    let store = Arc::clone(&store);
                    tokio::spawn(async move {
                        let account = Account::device(1, device);
                        let mut placed = Vec::new();
                        for count in [1, 2, 3, 1, 2] {
                            let together = append(&store, &account, account.verified(count, 10)).await;
                            assert!(together.windows(2).all(|two| two[0].seq().next() == two[1].seq()), "{together:?}");
                            placed.extend(together);
                        }
                        placed
                    })
                });
                let mut placed = Vec::new();
                for device in devices.collect::<Vec<_>>() {
                    placed.extend(device.await.unwrap());
                }
                placed.sort_unstable_by_key(|placed| placed.seq());
                assert_eq!(placed, new(1..=36));
                assert_eq!(heads(&store, &Account::new(1), 0, 100, EVERYTHING).await, (1..=36).collect::<Vec<_>>());
            }

            #[tokio::test]
            async fn a_bag_pushed_again_with_another_body_takes_the_place_of_the_first() {
                let Some((store, _guard)) = ($make) else { return };
                let account = Account::new(1);
                let whole = account.verified(3, 100);
                let damaged = whole[1].clone().into_bag();
                let damaged = Bag { body: SealedBody::from_bytes(vec![1, 2, 3]), ..damaged };
                let damaged = Bag { head: BagHead { kdm: Kdm::from_bytes([9; 8]), ..damaged.head }, ..damaged };
                let damaged = damaged.verify(&account.key()).unwrap();
                append(&store, &account, vec![whole[0].clone(), damaged, whole[2].clone()]).await;
                let usage = store.usage(account.key()).await.unwrap();
                let [one, two, three] = [1, 2, 3].map(seq);
                assert_eq!(
                    append(&store, &account, whole.clone()).await,
                    [Placed::Known(one), Placed::Healed(two), Placed::Known(three)]
                );
                let items = store.heads(account.key(), Seq::ZERO, three, EVERYTHING).await.unwrap();
                assert!(items.iter().map(|item| &item.head).eq(whole.iter().map(|bag| &bag.as_bag().head)));
                let bodies = store.bodies(account.key(), vec![two], EVERYTHING).await.unwrap();
                assert_eq!(bodies, [Some(whole[1].as_bag().body.clone())]);
                let grown = (whole[1].as_bag().body.as_bytes().len() - 3) as u64;
                let expected = usage.map(|usage| Usage { bytes: usage.bytes + grown, ..usage });
                assert_eq!(store.usage(account.key()).await.unwrap(), expected);
                assert_eq!(append(&store, &account, whole).await, [one, two, three].map(Placed::Known));
            }

            #[tokio::test]
            async fn a_bag_twice_in_one_append_with_two_bodies_keeps_the_second() {
                let Some((store, _guard)) = ($make) else { return };
                let account = Account::new(1);
                let [bag, other] = [100, 10].map(|size| account.bag(size));
                let changed = Bag { head: bag.head.clone(), body: other.body };
                let twice = [&bag, &changed, &changed].map(|bag| bag.clone().verify(&account.key()).unwrap());
                let one = seq(1);
                assert_eq!(
                    append(&store, &account, twice.to_vec()).await,
                    [Placed::New(one), Placed::Healed(one), Placed::Known(one)]
                );
                let bodies = store.bodies(account.key(), vec![one], EVERYTHING).await.unwrap();
                assert_eq!(bodies, [Some(changed.body.clone())]);
                let bytes = (changed.head.to_bytes().len() + changed.body.as_bytes().len()) as u64;
                assert_eq!(store.usage(account.key()).await.unwrap(), Some(Usage { bags: 1, bytes }));
            }

            #[tokio::test]
            async fn usage_counts_every_bag_once() {
                let Some((store, _guard)) = ($make) else { return };
                let account = Account::new(1);
                assert_eq!(store.usage(account.key()).await.unwrap(), None);
                store.register(account.key()).await.unwrap();
                assert_eq!(store.usage(account.key()).await.unwrap(), Some(Usage::default()));
                let bags = account.verified(5, 100);
                let size = |bag: &VerifiedBag| bag.as_bag().head.to_bytes().len() + bag.as_bag().body.as_bytes().len();
                let bytes = bags.iter().map(size).sum::<usize>() as u64;
                for _ in 0..2 {
                    append(&store, &account, bags.clone()).await;
                    assert_eq!(store.usage(account.key()).await.unwrap(), Some(Usage { bags: 5, bytes }));
                }
                let signatures: Vec<_> = bags.iter().rev().map(|bag| bag.as_bag().head.signature).collect();
                let sizes = store.sizes(account.key(), signatures.clone()).await.unwrap();
                assert!(sizes.into_iter().eq(bags.iter().rev().map(|bag| Some(size(bag) as u64))));
                let other = append(&store, &Account::new(2), Account::new(2).verified(1, 10)).await;
                assert_eq!(other, new([1]));
                assert_eq!(store.sizes(Account::new(2).key(), signatures).await.unwrap(), [None; 5]);
            }

            #[tokio::test]
            async fn a_deleted_user_leaves_nothing_and_may_start_anew() {
                let Some((store, _guard)) = ($make) else { return };
                let (account, other) = (Account::new(1), Account::new(2));
                let bags = account.verified(5, 100);
                append(&store, &account, bags.clone()).await;
                append(&store, &other, other.verified(2, 10)).await;
                assert!(store.delete(account.key()).await.unwrap());
                assert!(!store.delete(account.key()).await.unwrap());
                assert_eq!(store.last(account.key()).await.unwrap(), None);
                assert_eq!(store.usage(account.key()).await.unwrap(), None);
                assert!(heads(&store, &account, 0, 100, EVERYTHING).await.is_empty());
                assert_eq!(store.bodies(account.key(), vec![seq(1)], EVERYTHING).await.unwrap(), [None]);
                assert_eq!(append(&store, &account, bags[3..].to_vec()).await, new([1, 2]));
                assert_eq!(heads(&store, &other, 0, 100, EVERYTHING).await, [1, 2]);
            }

            #[tokio::test]
            async fn a_note_changes_only_from_what_it_is() {
                let Some((store, _guard)) = ($make) else { return };
                let note = |text: &str| Some(text.to_owned());
                let swap = async |name: &str, old, new| store.swap_note(name.to_owned(), old, new).await.unwrap();
                assert_eq!(store.notes(String::new()).await.unwrap(), []);
                assert!(!swap("a/1", note("x"), note("y")).await);
                assert!(swap("a/1", None, note("x")).await);
                assert!(!swap("a/1", None, note("y")).await);
                assert!(swap("a/2", None, note("y")).await);
                assert!(swap("b/1", None, note("z")).await);
                let found = store.notes("a/".to_owned()).await.unwrap();
                assert_eq!(found, [("a/1".to_owned(), "x".to_owned()), ("a/2".to_owned(), "y".to_owned())]);
                assert!(swap("a/1", note("x"), None).await);
                assert_eq!(store.notes(String::new()).await.unwrap().len(), 2);
            }

            #[tokio::test]
            async fn accounts_are_listed_by_key_in_pages() {
                let Some((store, _guard)) = ($make) else { return };
                let mut keys: Vec<_> = (1..=5).map(|number| Account::new(number).key()).collect();
                for key in &keys {
                    store.register(*key).await.unwrap();
                }
                keys.sort_unstable();
                assert_eq!(store.accounts(None, 3).await.unwrap(), keys[..3]);
                assert_eq!(store.accounts(Some(keys[2]), 3).await.unwrap(), keys[3..]);
                assert!(store.accounts(Some(keys[4]), 3).await.unwrap().is_empty());
            }

            #[tokio::test]
            async fn those_who_watch_hear_of_new_bags_and_of_deletions() {
                let Some((store, _guard)) = ($make) else { return };
                let mut changes: Changes = store.changes();
                let account = Account::new(1);
                let user = account.key();
                let bags = account.verified(2, 10);
                append(&store, &account, bags.clone()).await;
                assert_eq!(next(&mut changes).await, Some(Change::Appended { user, last: seq(2) }));
                store.delete(user).await.unwrap();
                assert_eq!(next(&mut changes).await, Some(Change::Deleted { user }));
                drop((store, _guard));
            }
        }
    };
}

bag_store_contract!(memory, Some((MemoryStore::new(), ())));
bag_store_contract!(redb_in_memory, Some((RedbStore::in_memory().unwrap(), ())));
bag_store_contract!(redb_on_disk, {
    let folder = tempfile::tempdir().unwrap();
    Some((RedbStore::open(folder.path().join("host.redb")).unwrap(), folder))
});
#[cfg(all(unix, feature = "postgres"))]
bag_store_contract!(postgres, two_handles::connect::<1>().await);
#[cfg(all(unix, feature = "postgres"))]
bag_store_contract!(two_handles_on_one_postgres, two_handles::connect::<2>().await);
