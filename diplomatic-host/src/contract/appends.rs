//! What is stored: every bag once, under seqs without a gap.

use std::sync::Arc;
use std::time::Duration;

use diplomatic::standard::{Bag, BagHead, Encode, Kdm, SealedBody, Seq, VerifiedBag};
use futures_util::future::join_all;

use super::{Account, EVERYTHING, Subject, append, heads, new, seq, signed_with_one_nonce};
use crate::{Placed, Usage};

pub(super) async fn seqs_start_at_one_and_rise_by_one(subject: &Subject) {
    let store = &*subject.store;
    let account = Account::new(1);
    assert_eq!(append(store, &account, account.verified(1, 10)).await, new([1]));
    assert_eq!(append(store, &account, account.verified(3, 10)).await, new([2, 3, 4]));
    assert_eq!(append(store, &account, Vec::new()).await, []);
    assert_eq!(append(store, &account, account.verified(1, 0)).await, new([5]));
}

pub(super) async fn a_known_bag_keeps_its_seq_and_is_stored_once(subject: &Subject) {
    let store = &*subject.store;
    let account = Account::new(1);
    let bags = account.verified(3, 10);
    assert_eq!(append(store, &account, bags.clone()).await, new([1, 2, 3]));
    let mut again = vec![bags[2].clone(), bags[0].clone()];
    again.extend(account.verified(1, 10));
    assert_eq!(
        append(store, &account, again).await,
        [Placed::Known(seq(3)), Placed::Known(seq(1)), Placed::New(seq(4))]
    );
    assert_eq!(append(store, &account, bags).await, [1, 2, 3].map(|number| Placed::Known(seq(number))));
    assert_eq!(heads(store, &account, 0, 100, EVERYTHING).await, [1, 2, 3, 4]);
}

pub(super) async fn a_bag_twice_in_one_append_gets_one_seq(subject: &Subject) {
    let store = &*subject.store;
    let account = Account::new(1);
    let bag = account.verified(1, 10);
    let twice = [bag.clone(), bag].concat();
    assert_eq!(append(store, &account, twice).await, [Placed::New(seq(1)), Placed::Known(seq(1))]);
    assert_eq!(store.last(account.key()).await.unwrap(), Some(seq(1)));
}

pub(super) async fn bags_whose_signatures_start_alike_are_told_apart(subject: &Subject) {
    let store = &*subject.store;
    let (user, bags) = signed_with_one_nonce(&[b"one", b"two", b"three"]);
    let append = async |bags: &[VerifiedBag]| store.append(user, bags.to_vec()).await.into_whole().unwrap();
    assert_eq!(append(&bags[..2]).await, new([1, 2]));
    assert_eq!(append(&bags).await, [Placed::Known(seq(1)), Placed::Known(seq(2)), Placed::New(seq(3))]);
    assert_eq!(append(&bags).await, [1, 2, 3].map(|number| Placed::Known(seq(number))));
}

pub(super) async fn many_bags_whose_signatures_start_alike_cost_what_others_do(subject: &Subject) {
    let store = &*subject.store;
    let heads: Vec<_> = (0..subject.many).map(u32::to_le_bytes).collect();
    let heads: Vec<_> = heads.iter().map(|head| &head[..]).collect();
    let (user, bags) = signed_with_one_nonce(&heads);
    let started = (subject.now)();
    for _ in 0..2 {
        for bags in bags.chunks(1000) {
            assert!(store.append(user, bags.to_vec()).await.cut.is_none());
        }
    }
    // Compared one with another they took some minutes.
    let took = (subject.now)() - started;
    assert!(took < Duration::from_secs(60), "it took {took:?}");
    assert_eq!(store.last(user).await.unwrap(), Some(seq(subject.many.into())));
}

pub(super) async fn concurrent_appends_leave_neither_gap_nor_repeat_and_each_is_in_a_row(subject: &Subject) {
    let devices = (0..4).map(|device| {
        let store = Arc::clone(&subject.store);
        (subject.spawn)(Box::pin(async move {
            let account = Account::device(1, device);
            let mut placed = Vec::new();
            for count in [1, 2, 3, 1, 2] {
                let together = append(&*store, &account, account.verified(count, 10)).await;
                assert!(together.windows(2).all(|two| two[0].seq().next() == two[1].seq()), "{together:?}");
                placed.extend(together);
            }
            placed
        }))
    });
    let mut placed = join_all(devices).await.concat();
    placed.sort_unstable_by_key(|placed| placed.seq());
    assert_eq!(placed, new(1..=36));
    assert_eq!(heads(&*subject.store, &Account::new(1), 0, 100, EVERYTHING).await, (1..=36).collect::<Vec<_>>());
}

pub(super) async fn a_bag_pushed_again_with_another_body_takes_the_place_of_the_first(subject: &Subject) {
    let store = &*subject.store;
    let account = Account::new(1);
    let whole = account.verified(3, 100);
    let damaged = whole[1].clone().into_bag();
    let damaged = Bag { body: SealedBody::from_bytes(vec![1, 2, 3]), ..damaged };
    let damaged = Bag { head: BagHead { kdm: Kdm::from_bytes([9; 8]), ..damaged.head }, ..damaged };
    let damaged = damaged.verify(&account.key()).unwrap();
    append(store, &account, vec![whole[0].clone(), damaged, whole[2].clone()]).await;
    let usage = store.usage(account.key()).await.unwrap();
    let [one, two, three] = [1, 2, 3].map(seq);
    assert_eq!(
        append(store, &account, whole.clone()).await,
        [Placed::Known(one), Placed::Healed(two), Placed::Known(three)]
    );
    let items = store.heads(account.key(), Seq::ZERO, three, EVERYTHING).await.unwrap();
    assert!(items.iter().map(|item| &item.head).eq(whole.iter().map(|bag| &bag.as_bag().head)));
    let bodies = store.bodies(account.key(), vec![two], EVERYTHING).await.unwrap();
    assert_eq!(bodies, [Some(whole[1].as_bag().body.clone())]);
    let grown = (whole[1].as_bag().body.as_bytes().len() - 3) as u64;
    let expected = usage.map(|usage| Usage { bytes: usage.bytes + grown, ..usage });
    assert_eq!(store.usage(account.key()).await.unwrap(), expected);
    assert_eq!(append(store, &account, whole).await, [one, two, three].map(Placed::Known));
}

pub(super) async fn a_bag_twice_in_one_append_with_two_bodies_keeps_the_second(subject: &Subject) {
    let store = &*subject.store;
    let account = Account::new(1);
    let [bag, other] = [100, 10].map(|size| account.bag(size));
    let changed = Bag { head: bag.head.clone(), body: other.body };
    let twice = [&bag, &changed, &changed].map(|bag| bag.clone().verify(&account.key()).unwrap());
    let one = seq(1);
    assert_eq!(
        append(store, &account, twice.to_vec()).await,
        [Placed::New(one), Placed::Healed(one), Placed::Known(one)]
    );
    let bodies = store.bodies(account.key(), vec![one], EVERYTHING).await.unwrap();
    assert_eq!(bodies, [Some(changed.body.clone())]);
    let bytes = (changed.head.to_bytes().len() + changed.body.as_bytes().len()) as u64;
    assert_eq!(store.usage(account.key()).await.unwrap(), Some(Usage { bags: 1, bytes }));
}
