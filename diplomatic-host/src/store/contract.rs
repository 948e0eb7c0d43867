//! What every store promises, as tests that run on each of them.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use curve25519_dalek::{EdwardsPoint, Scalar};
use diplomatic::standard::{Bag, BagHead, Kdm, PublicKey, SealedBody, SealedHead, Seq, Signature, VerifiedBag};
use sha2::{Digest, Sha512};

use super::{BagStore, MemoryStore, Placed, RedbStore};
use crate::account::Account;

const EVERYTHING: usize = usize::MAX;

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

fn append(store: &impl BagStore, account: &Account, bags: Vec<VerifiedBag>) -> Vec<Placed> {
    let (done, placed) = mpsc::channel();
    store.append(&account.key(), bags, Box::new(move |outcome| done.send(outcome.unwrap()).unwrap()));
    placed.recv().unwrap()
}

fn register(store: &impl BagStore, account: &Account) {
    let (done, registered) = mpsc::channel();
    store.register(&account.key(), Box::new(move |outcome| done.send(outcome).unwrap()));
    registered.recv().unwrap().unwrap();
}

fn new(seqs: impl IntoIterator<Item = u64>) -> Vec<Placed> {
    seqs.into_iter().map(|number| Placed::New(seq(number))).collect()
}

fn heads(store: &impl BagStore, account: &Account, after: u64, last: u64, budget: usize) -> Vec<u64> {
    let items = store.heads(&account.key(), seq(after), seq(last), budget).unwrap();
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

macro_rules! bag_store_contract {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn a_user_is_known_once_registered_and_registering_again_keeps_the_bags() {
                let (store, _guard) = $make;
                let (known, stranger) = (Account::new(1), Account::new(2));
                assert_eq!(store.last_seq(&known.key()).unwrap(), None);
                register(&store, &known);
                assert_eq!(store.last_seq(&known.key()).unwrap(), Some(Seq::ZERO));
                append(&store, &known, known.verified(2, 10));
                register(&store, &known);
                assert_eq!(store.last_seq(&known.key()).unwrap(), Some(seq(2)));
                assert_eq!(store.last_seq(&stranger.key()).unwrap(), None);
            }

            #[test]
            fn seqs_start_at_one_and_rise_by_one() {
                let (store, _guard) = $make;
                let account = Account::new(1);
                assert_eq!(append(&store, &account, account.verified(1, 10)), new([1]));
                assert_eq!(append(&store, &account, account.verified(3, 10)), new([2, 3, 4]));
                assert_eq!(append(&store, &account, Vec::new()), []);
                assert_eq!(append(&store, &account, account.verified(1, 0)), new([5]));
            }

            #[test]
            fn a_known_bag_keeps_its_seq_and_is_stored_once() {
                let (store, _guard) = $make;
                let account = Account::new(1);
                let bags = account.verified(3, 10);
                assert_eq!(append(&store, &account, bags.clone()), new([1, 2, 3]));
                let mut again = vec![bags[2].clone(), bags[0].clone()];
                again.extend(account.verified(1, 10));
                assert_eq!(
                    append(&store, &account, again),
                    [Placed::Known(seq(3)), Placed::Known(seq(1)), Placed::New(seq(4))]
                );
                assert_eq!(append(&store, &account, bags), [1, 2, 3].map(|number| Placed::Known(seq(number))));
                assert_eq!(heads(&store, &account, 0, 100, EVERYTHING), [1, 2, 3, 4]);
            }

            #[test]
            fn a_bag_twice_in_one_append_gets_one_seq() {
                let (store, _guard) = $make;
                let account = Account::new(1);
                let bag = account.verified(1, 10);
                let twice = [bag.clone(), bag].concat();
                assert_eq!(append(&store, &account, twice), [Placed::New(seq(1)), Placed::Known(seq(1))]);
                assert_eq!(store.last_seq(&account.key()).unwrap(), Some(seq(1)));
            }

            #[test]
            fn bags_whose_signatures_start_alike_are_told_apart() {
                let (store, _guard) = $make;
                let (user, bags) = signed_with_one_nonce(&[b"one", b"two", b"three"]);
                let append = |bags: &[VerifiedBag]| {
                    let (done, placed) = mpsc::channel();
                    store.append(&user, bags.to_vec(), Box::new(move |outcome| done.send(outcome.unwrap()).unwrap()));
                    placed.recv().unwrap()
                };
                assert_eq!(append(&bags[..2]), new([1, 2]));
                assert_eq!(append(&bags), [Placed::Known(seq(1)), Placed::Known(seq(2)), Placed::New(seq(3))]);
                assert_eq!(append(&bags), [1, 2, 3].map(|number| Placed::Known(seq(number))));
            }

            #[test]
            fn users_have_seqs_and_bags_of_their_own() {
                let (store, _guard) = $make;
                let (one, other) = (Account::new(1), Account::new(2));
                assert_eq!(append(&store, &one, one.verified(2, 10)), new([1, 2]));
                assert_eq!(append(&store, &other, other.verified(1, 20)), new([1]));
                assert_eq!(heads(&store, &one, 0, 100, EVERYTHING), [1, 2]);
                assert_eq!(heads(&store, &other, 0, 100, EVERYTHING), [1]);
                let bodies = store.bodies(&other.key(), &[seq(1), seq(2)], EVERYTHING).unwrap();
                assert!(matches!(&bodies[..], [Some(_), None]));
            }

            #[test]
            fn heads_come_back_as_they_were_within_their_bounds() {
                let (store, _guard) = $make;
                let account = Account::new(1);
                let bags = account.verified(5, 10);
                append(&store, &account, bags.clone());
                let items = store.heads(&account.key(), Seq::ZERO, seq(5), EVERYTHING).unwrap();
                assert!(items.iter().map(|item| &item.head).eq(bags.iter().map(|bag| &bag.as_bag().head)));
                assert_eq!(heads(&store, &account, 2, 4, EVERYTHING), [3, 4]);
                assert_eq!(heads(&store, &account, 4, 100, EVERYTHING), [5]);
                for (after, last) in [(5, 5), (5, 100), (4, 2), (u64::MAX >> 8, u64::MAX >> 8)] {
                    assert!(heads(&store, &account, after, last, EVERYTHING).is_empty(), "{after} to {last}");
                }
            }

            #[test]
            fn a_budget_ends_a_list_early_but_never_before_the_first() {
                let (store, _guard) = $make;
                let account = Account::new(1);
                append(&store, &account, account.verified(5, 100));
                assert_eq!(heads(&store, &account, 0, 5, 0), [1]);
                assert_eq!(heads(&store, &account, 1, 5, 150), [2, 3]);
                let seqs: Vec<Seq> = (1..=5).map(seq).collect();
                assert_eq!(store.bodies(&account.key(), &seqs, 0).unwrap().len(), 1);
                assert_eq!(store.bodies(&account.key(), &seqs, 150).unwrap().len(), 2);
                assert_eq!(store.bodies(&account.key(), &seqs, EVERYTHING).unwrap().len(), 5);
            }

            #[test]
            fn bodies_come_in_the_order_of_the_request_and_missing_ones_are_named() {
                let (store, _guard) = $make;
                let account = Account::new(1);
                let mut bags = account.verified(1, 10);
                bags.extend(account.verified(1, 0));
                append(&store, &account, bags.clone());
                let body = |index: usize| Some(bags[index].as_bag().body.clone());
                let bodies = store.bodies(&account.key(), &[2, 9, 1, 0, 1].map(seq), EVERYTHING).unwrap();
                assert_eq!(bodies, [body(1), None, body(0), None, body(0)]);
                assert_eq!(store.bodies(&account.key(), &[], EVERYTHING).unwrap(), []);
            }

            #[test]
            fn concurrent_appends_leave_neither_gap_nor_repeat_and_are_answered_by_seq() {
                let (store, _guard) = $make;
                let answered = Arc::new(Mutex::new(Vec::new()));
                thread::scope(|scope| {
                    for device in 0..4 {
                        let (store, answered) = (&store, &answered);
                        scope.spawn(move || {
                            let account = Account::device(1, device);
                            for count in [1, 2, 3, 1, 2] {
                                let answered = Arc::clone(answered);
                                store.append(
                                    &account.key(),
                                    account.verified(count, 10),
                                    Box::new(move |placed| answered.lock().unwrap().extend(placed.unwrap())),
                                );
                            }
                            // An empty append is answered after everything before it.
                            append(store, &account, Vec::new());
                        });
                    }
                });
                assert_eq!(*answered.lock().unwrap(), new(1..=36));
                assert_eq!(heads(&store, &Account::new(1), 0, 100, EVERYTHING), (1..=36).collect::<Vec<_>>());
            }
        }
    };
}

bag_store_contract!(memory, (MemoryStore::new(), ()));
bag_store_contract!(redb_in_memory, (RedbStore::in_memory().unwrap(), ()));
bag_store_contract!(redb_on_disk, {
    let folder = tempfile::tempdir().unwrap();
    (RedbStore::open(folder.path().join("host.redb")).unwrap(), folder)
});
