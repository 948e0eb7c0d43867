//! What is read: as it was stored, within bounds.

use diplomatic::standard::Seq;

use super::{Account, EVERYTHING, Subject, append, heads, seq};

pub(super) async fn heads_come_back_as_they_were_within_their_bounds(subject: &Subject) {
    let store = &*subject.store;
    let account = Account::new(1);
    let bags = account.verified(5, 10);
    append(store, &account, bags.clone()).await;
    let items = store.heads(account.key(), Seq::ZERO, seq(5), EVERYTHING).await.unwrap();
    assert!(items.iter().map(|item| &item.head).eq(bags.iter().map(|bag| &bag.as_bag().head)));
    assert_eq!(heads(store, &account, 2, 4, EVERYTHING).await, [3, 4]);
    assert_eq!(heads(store, &account, 4, 100, EVERYTHING).await, [5]);
    for (after, last) in [(5, 5), (5, 100), (4, 2), (u64::MAX >> 8, u64::MAX >> 8)] {
        assert!(heads(store, &account, after, last, EVERYTHING).await.is_empty(), "{after} to {last}");
    }
}

pub(super) async fn a_budget_ends_a_list_early_but_never_before_the_first(subject: &Subject) {
    let store = &*subject.store;
    let account = Account::new(1);
    append(store, &account, account.verified(5, 100)).await;
    assert_eq!(heads(store, &account, 0, 5, 0).await, [1]);
    assert_eq!(heads(store, &account, 1, 5, 150).await, [2, 3]);
    let seqs: Vec<Seq> = (1..=5).map(seq).collect();
    assert_eq!(store.bodies(account.key(), seqs.clone(), 0).await.unwrap().len(), 1);
    assert_eq!(store.bodies(account.key(), seqs.clone(), 150).await.unwrap().len(), 2);
    assert_eq!(store.bodies(account.key(), seqs.clone(), EVERYTHING).await.unwrap().len(), 5);
}

pub(super) async fn bodies_come_in_the_order_of_the_request_and_missing_ones_are_named(subject: &Subject) {
    let store = &*subject.store;
    let account = Account::new(1);
    let mut bags = account.verified(1, 10);
    bags.extend(account.verified(1, 0));
    append(store, &account, bags.clone()).await;
    let body = |index: usize| Some(bags[index].as_bag().body.clone());
    let bodies = store.bodies(account.key(), [2, 9, 1, 0, 1].map(seq).to_vec(), EVERYTHING).await.unwrap();
    assert_eq!(bodies, [body(1), None, body(0), None, body(0)]);
    assert_eq!(store.bodies(account.key(), Vec::new(), EVERYTHING).await.unwrap(), []);
}
