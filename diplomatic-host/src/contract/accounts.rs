//! Who is there: users apart from one another, what they use, notes, and who is told.

use diplomatic::standard::{Encode, Seq, VerifiedBag};

use super::{Account, EVERYTHING, Subject, append, heads, new, next, seq};
use crate::{Change, Usage};

pub(super) async fn a_user_is_known_once_registered_and_registering_again_keeps_the_bags(subject: &Subject) {
    let store = &*subject.store;
    let (known, stranger) = (Account::new(1), Account::new(2));
    assert_eq!(store.last(known.key()).await.unwrap(), None);
    store.register(known.key()).await.unwrap();
    assert_eq!(store.last(known.key()).await.unwrap(), Some(Seq::ZERO));
    append(store, &known, known.verified(2, 10)).await;
    store.register(known.key()).await.unwrap();
    assert_eq!(store.last(known.key()).await.unwrap(), Some(seq(2)));
    assert_eq!(store.last(stranger.key()).await.unwrap(), None);
    let lasts = store.lasts(vec![stranger.key(), known.key(), stranger.key()]).await.unwrap();
    assert_eq!(lasts, [None, Some(seq(2)), None]);
}

pub(super) async fn users_have_seqs_and_bags_of_their_own(subject: &Subject) {
    let store = &*subject.store;
    let (one, other) = (Account::new(1), Account::new(2));
    assert_eq!(append(store, &one, one.verified(2, 10)).await, new([1, 2]));
    assert_eq!(append(store, &other, other.verified(1, 20)).await, new([1]));
    assert_eq!(heads(store, &one, 0, 100, EVERYTHING).await, [1, 2]);
    assert_eq!(heads(store, &other, 0, 100, EVERYTHING).await, [1]);
    let bodies = store.bodies(other.key(), vec![seq(1), seq(2)], EVERYTHING).await.unwrap();
    assert!(matches!(&bodies[..], [Some(_), None]));
}

pub(super) async fn usage_counts_every_bag_once(subject: &Subject) {
    let store = &*subject.store;
    let account = Account::new(1);
    assert_eq!(store.usage(account.key()).await.unwrap(), None);
    store.register(account.key()).await.unwrap();
    assert_eq!(store.usage(account.key()).await.unwrap(), Some(Usage::default()));
    let bags = account.verified(5, 100);
    let size = |bag: &VerifiedBag| bag.as_bag().head.to_bytes().len() + bag.as_bag().body.as_bytes().len();
    let bytes = bags.iter().map(size).sum::<usize>() as u64;
    for _ in 0..2 {
        append(store, &account, bags.clone()).await;
        assert_eq!(store.usage(account.key()).await.unwrap(), Some(Usage { bags: 5, bytes }));
    }
    let signatures: Vec<_> = bags.iter().rev().map(|bag| bag.as_bag().head.signature).collect();
    let sizes = store.sizes(account.key(), signatures.clone()).await.unwrap();
    assert!(sizes.into_iter().eq(bags.iter().rev().map(|bag| Some(size(bag) as u64))));
    let other = append(store, &Account::new(2), Account::new(2).verified(1, 10)).await;
    assert_eq!(other, new([1]));
    assert_eq!(store.sizes(Account::new(2).key(), signatures).await.unwrap(), [None; 5]);
}

pub(super) async fn a_deleted_user_leaves_nothing_and_may_start_anew(subject: &Subject) {
    let store = &*subject.store;
    let (account, other) = (Account::new(1), Account::new(2));
    let bags = account.verified(5, 100);
    append(store, &account, bags.clone()).await;
    append(store, &other, other.verified(2, 10)).await;
    assert!(store.delete(account.key()).await.unwrap());
    assert!(!store.delete(account.key()).await.unwrap());
    assert_eq!(store.last(account.key()).await.unwrap(), None);
    assert_eq!(store.usage(account.key()).await.unwrap(), None);
    assert!(heads(store, &account, 0, 100, EVERYTHING).await.is_empty());
    assert_eq!(store.bodies(account.key(), vec![seq(1)], EVERYTHING).await.unwrap(), [None]);
    assert_eq!(append(store, &account, bags[3..].to_vec()).await, new([1, 2]));
    assert_eq!(heads(store, &other, 0, 100, EVERYTHING).await, [1, 2]);
}

pub(super) async fn a_note_changes_only_from_what_it_is(subject: &Subject) {
    let store = &*subject.store;
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

pub(super) async fn accounts_are_listed_by_key_in_pages(subject: &Subject) {
    let store = &*subject.store;
    let mut keys: Vec<_> = (1..=5).map(|number| Account::new(number).key()).collect();
    for key in &keys {
        store.register(*key).await.unwrap();
    }
    keys.sort_unstable();
    assert_eq!(store.accounts(None, 3).await.unwrap(), keys[..3]);
    assert_eq!(store.accounts(Some(keys[2]), 3).await.unwrap(), keys[3..]);
    assert!(store.accounts(Some(keys[4]), 3).await.unwrap().is_empty());
}

pub(super) async fn those_who_watch_hear_of_new_bags_and_of_deletions(subject: &Subject) {
    let store = &*subject.store;
    let mut changes = store.changes();
    let account = Account::new(1);
    let user = account.key();
    let bags = account.verified(2, 10);
    append(store, &account, bags.clone()).await;
    assert_eq!(next(&mut changes).await, Some(Change::Appended { user, last: seq(2) }));
    store.delete(user).await.unwrap();
    assert_eq!(next(&mut changes).await, Some(Change::Deleted { user }));
}
