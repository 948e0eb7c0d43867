//! The calls over a store in memory: what they answer, and that no bytes upset them.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test, or no benchmark")]

mod support;

use diplomatic::standard::calls::{
    Notification, PeekItem, PeekRequest, PullItem, PullRequest, PushItem, PushOutcome, PushRequest, ResponseHead,
    UserRequest,
};
use diplomatic::standard::{Bag, Decode, Encode, Reader, SealedBody, Seq, Status, Timestamp};
use diplomatic_host::{Host, MemoryStore, Refusal, Reply, Route, WriteFault};
use proptest::prelude::*;

use support::account::{Account, NOW};
use support::at_once;

fn host(accounts: &[&Account]) -> Host<MemoryStore> {
    let host = Host::new(MemoryStore::new());
    for account in accounts {
        assert_eq!(call(&host, "/user", account.request(NOW, &UserRequest)).status(), Some(Status::SUCCESS));
    }
    host
}

fn call(host: &Host<MemoryStore>, path: &str, body: Vec<u8>) -> Reply {
    at_once(host.handle(NOW, Route::of("POST", path), body))
}

fn push(host: &Host<MemoryStore>, account: &Account, bags: Vec<Bag>) -> Reply {
    call(host, "/push", account.request(NOW, &PushRequest { bags }))
}

fn items<T: Decode>(host: &Host<MemoryStore>, reply: Reply) -> Vec<T> {
    let response = at_once(reply.collect(host.store(), NOW)).unwrap();
    let mut reader = Reader::new(&response);
    assert_eq!(ResponseHead::read(&mut reader).unwrap().status, Status::SUCCESS);
    std::iter::from_fn(|| (!reader.is_empty()).then(|| T::read(&mut reader).unwrap())).collect()
}

fn outcomes(host: &Host<MemoryStore>, reply: Reply) -> Vec<PushOutcome> {
    items::<PushItem>(host, reply).iter().map(|item| item.outcome).collect()
}

fn stored(number: u64) -> PushOutcome {
    PushOutcome::Stored(Seq::new(number).unwrap())
}

fn notified(reply: &Reply) -> Vec<(u64, SealedBody)> {
    let frames = reply.notices.iter().map(|notice| Notification::decode(&notice.frame).unwrap());
    frames.flat_map(|frame| frame.items).map(|item| (item.seq.number(), item.inlined)).collect()
}

#[test]
fn a_known_bag_keeps_its_seq_and_is_not_told_of_again() {
    let account = Account::new(1);
    let host = host(&[&account]);
    let bags = account.bags(2, 10);
    let first = push(&host, &account, bags.clone());
    assert_eq!(notified(&first).len(), 2);
    assert_eq!(outcomes(&host, first), [stored(1), stored(2)]);

    let again = push(&host, &account, bags.clone());
    assert!(again.notices.is_empty());
    assert_eq!(outcomes(&host, again), [stored(1), stored(2)]);

    let mixed = push(&host, &account, vec![bags[1].clone(), account.bag(10), bags[0].clone()]);
    assert_eq!(notified(&mixed), [(3, SealedBody::default())]);
    assert_eq!(outcomes(&host, mixed), [stored(2), stored(3), stored(1)]);
    assert_eq!(host.store().bag_count(&account.key()), 3);
}

#[test]
fn a_bad_signature_is_answered_for_itself() {
    let account = Account::new(1);
    let host = host(&[&account]);
    let mut bags = account.bags(3, 10);
    bags[1] = Account::new(2).bag(10);
    let refused = PushOutcome::Refused(Status::INVALID_SIGNATURE);
    let alone = push(&host, &account, vec![bags[1].clone()]);
    assert!(alone.notices.is_empty());
    assert_eq!(outcomes(&host, alone), [refused]);
    assert_eq!(outcomes(&host, push(&host, &account, bags)), [stored(1), refused, stored(2)]);
}

#[test]
fn a_body_goes_along_only_with_a_push_of_one_bag() {
    let account = Account::new(1);
    let host = host(&[&account]);
    let bag = account.bag(100);
    assert_eq!(notified(&push(&host, &account, vec![bag.clone()])), [(1, bag.body.clone())]);
    // One of two bags is stored, and the request had two.
    let two = push(&host, &account, vec![bag, account.bag(100)]);
    assert_eq!(notified(&two), [(2, SealedBody::default())]);
}

#[test]
fn a_failing_store_refuses_the_whole_request_and_takes_it_again() {
    let account = Account::new(1);
    let host = host(&[&account]);
    let bags = account.bags(3, 10);
    for (fault, kept) in [(WriteFault::StoresNothing, 0), (WriteFault::StoresFirst(2), 2), (WriteFault::StoresAll, 3)] {
        host.store().fail_writes(1, fault);
        let refused = push(&host, &account, bags.clone());
        assert_eq!(refused.status(), Some(Status::STORAGE_ERROR));
        assert!(refused.notices.is_empty());
        assert_eq!(host.store().bag_count(&account.key()), kept);
    }
    assert_eq!(outcomes(&host, push(&host, &account, bags)), [stored(1), stored(2), stored(3)]);
}

#[test]
fn a_push_that_is_cut_short_is_answered_bag_by_bag() {
    let account = Account::new(1);
    let host = host(&[&account]);
    let mut bags = account.bags(4, 10);
    bags[1] = Account::new(2).bag(10);
    host.store().fail_writes(1, WriteFault::CutsAfter(2));
    let cut = push(&host, &account, bags);
    assert_eq!(notified(&cut).iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2]);
    let refused = PushOutcome::Refused;
    let outcomes = outcomes(&host, cut);
    assert_eq!(outcomes, [stored(1), refused(Status::INVALID_SIGNATURE), stored(2), refused(Status::STORAGE_ERROR)]);
}

#[test]
fn a_host_from_an_old_backup_gives_the_lost_seqs_again() {
    let account = Account::new(1);
    let host = host(&[&account]);
    push(&host, &account, account.bags(5, 10));
    let backup = host.store().clone();
    host.store().roll_back(&account.key(), Seq::new(3).unwrap());
    assert_eq!(outcomes(&host, push(&host, &account, account.bags(1, 10))), [stored(4)]);
    host.store().lose(&account.key(), Seq::new(2).unwrap()).unwrap();
    let peek = |host: &Host<MemoryStore>| {
        let reply = call(host, "/peek", account.request(NOW, &PeekRequest { after: Seq::ZERO }));
        items::<PeekItem>(host, reply).iter().map(|item| item.seq.number()).collect::<Vec<_>>()
    };
    assert_eq!(peek(&host), [1, 3, 4]);
    assert_eq!(peek(&Host::new(backup)), [1, 2, 3, 4, 5]);
    host.store().forget(&account.key());
    let refused = call(&host, "/peek", account.request(NOW, &PeekRequest { after: Seq::ZERO }));
    assert_eq!(refused.status(), Some(Status::USER_NOT_REGISTERED));
}

#[test]
fn peek_and_pull_come_in_chunks_and_are_whole() {
    let account = Account::new(1);
    let host = host(&[&account]);
    let bags = account.bags(4000, 200);
    push(&host, &account, bags.clone());
    let peek = call(&host, "/peek", account.request(NOW, &PeekRequest { after: Seq::ZERO }));
    assert!(peek.items.as_whole().is_none(), "4,000 heads are more than a chunk");
    let heads = items::<PeekItem>(&host, peek);
    assert!(heads.iter().map(|item| &item.head).eq(bags.iter().map(|bag| &bag.head)));

    // Backwards, each after one that is not there.
    let seqs = (1..=4000).rev().flat_map(|seq| [seq + 10_000, seq]).map(|seq| Seq::new(seq).unwrap()).collect();
    let pull = call(&host, "/pull", account.request(NOW, &PullRequest { seqs }));
    assert!(pull.items.as_whole().is_none());
    let bodies = items::<PullItem>(&host, pull);
    assert!(bodies.iter().map(|item| &item.body).eq(bags.iter().rev().map(|bag| &bag.body)));
}

#[test]
fn a_pull_of_many_unknown_seqs_is_an_empty_success() {
    let account = Account::new(1);
    let host = host(&[&account]);
    let seqs = vec![Seq::new(7).unwrap(); 20_000];
    assert!(items::<PullItem>(&host, call(&host, "/pull", account.request(NOW, &PullRequest { seqs }))).is_empty());
}

#[test]
fn a_token_lets_in_only_a_registered_user_whose_time_and_signature_hold() {
    let (account, stranger) = (Account::new(1), Account::new(2));
    let host = host(&[&account]);
    let token = account.token(NOW);
    let admit = |now, token: &str| at_once(host.admit(now, token));
    assert_eq!(admit(NOW, &token).unwrap().0, account.key());
    assert_eq!(admit(NOW, &token.to_uppercase()).unwrap().0, account.key());
    assert!(matches!(admit(NOW, &stranger.token(NOW)), Err(Refusal::NotRegistered)));
    assert!(matches!(admit(Timestamp::EPOCH, &token), Err(Refusal::Auth(_))));
    for broken in ["", "t", "zz", &token[2..], &format!("{token}00"), &token.replace('1', "2"), "\u{e9}\u{e9}"] {
        assert!(admit(NOW, broken).is_err(), "{broken:?}");
    }
}

/// Requests that are whole, cut, changed in a byte, or nothing like one.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let account = Account::new(1);
    let whole = prop_oneof![
        Just(account.request(NOW, &UserRequest)),
        any::<u16>().prop_map({
            let account = Account::new(1);
            move |after| account.request(NOW, &PeekRequest { after: Seq::new(after.into()).unwrap() })
        }),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map({
            let account = Account::new(1);
            move |tail| [account.request(NOW, &UserRequest), tail].concat()
        }),
        (0..4_usize, 0..600_usize)
            .prop_map(move |(count, body)| { account.request(NOW, &PushRequest { bags: account.bags(count, body) }) }),
    ];
    prop_oneof![
        2 => whole.clone(),
        2 => (whole.clone(), any::<prop::sample::Index>()).prop_map(|(mut request, cut)| {
            request.truncate(cut.index(request.len()));
            request
        }),
        3 => (whole, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut request, place, byte)| {
            let place = place.index(request.len());
            request[place] = byte;
            request
        }),
        1 => proptest::collection::vec(any::<u8>(), 0..300),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_get_a_head_that_decodes_and_items_that_decode_on_success(
        calls in proptest::collection::vec((prop::sample::select(vec!["/user", "/peek", "/push", "/pull"]), requests()), 1..6)
    ) {
        let host = host(&[&Account::new(1)]);
        for (path, body) in calls {
            let reply = call(&host, path, body);
            let status = reply.status().unwrap();
            let response = at_once(reply.collect(host.store(), NOW)).unwrap();
            let mut reader = Reader::new(&response);
            prop_assert_eq!(ResponseHead::read(&mut reader).unwrap(), ResponseHead::unlimited(status, NOW, NOW));
            prop_assert!(status.name().is_some() && status != Status::STORAGE_ERROR && status != Status::INTERNAL_ERROR);
            prop_assert!(status.is_success() || reader.is_empty());
            while !reader.is_empty() {
                match path {
                    "/peek" => drop(PeekItem::read(&mut reader).unwrap()),
                    "/push" => drop(PushItem::read(&mut reader).unwrap().to_bytes()),
                    _ => drop(PullItem::read(&mut reader).unwrap()),
                }
            }
        }
    }
}
