//! What an account over its quota is told, and what a restart does not forget.

use diplomatic::standard::calls::{PeekRequest, PullRequest, PushItem, PushOutcome, PushRequest};
use diplomatic::standard::{Bag, BagHead, Kdm, SealedBody, Seq, Status};

use super::support::account::Account;
use super::{Site, call, register};

const REFUSED: PushOutcome = PushOutcome::Refused(Status::STORAGE_ERROR);

fn stored(seq: u64) -> PushOutcome {
    PushOutcome::Stored(Seq::new(seq).unwrap())
}

async fn push(host: &super::Program, account: &Account, bags: &[Bag]) -> Vec<PushOutcome> {
    let response = call(host.address, account, "/push", &PushRequest { bags: bags.to_vec() }).await;
    response.items::<PushItem>().into_iter().map(|item| item.outcome).collect()
}

#[tokio::test]
async fn a_bag_that_is_there_already_is_answered_with_its_seq_however_full_the_account_is() {
    let site = Site::new();
    let host = site.serve(&["--quota", "10K"]);
    let account = Account::new(1);
    register(host.address, &account, "/user").await;
    let bags = account.bags(9, 1000);
    let first = push(&host, &account, &bags[..8]).await;
    assert_eq!(first, (1..=8).map(stored).collect::<Vec<_>>());

    let large = account.bags(2, 4000);
    let again = [&bags[..2], &large[..1], &bags[2..8], &large[1..]].concat();
    let known = (3..=8).map(stored).collect();
    let expected = [[1, 2].map(stored).to_vec(), vec![REFUSED], known, vec![REFUSED]].concat();
    assert_eq!(push(&host, &account, &again).await, expected);

    // What is there already takes no room from what is not.
    let rest = [&bags[..8], &account.bags(1, 50)].concat();
    assert_eq!(push(&host, &account, &rest).await, (1..=9).map(stored).collect::<Vec<_>>());

    // A known bag with a larger body is more than there was.
    let grown = Bag {
        head: BagHead { kdm: Kdm::from_bytes([9; 8]), ..bags[0].head.clone() },
        body: SealedBody::from_bytes(vec![7; 8000]),
    };
    assert_eq!(push(&host, &account, &[grown]).await, [REFUSED]);
    assert!(site.told(&["check"]).contains("1 accounts, 9 bags: no damage"));
}

#[tokio::test]
async fn a_bag_that_is_there_already_is_answered_when_the_traffic_of_the_day_is_used_up() {
    let site = Site::new();
    let host = site.serve(&["--traffic", "20K"]);
    let account = Account::new(1);
    register(host.address, &account, "/user").await;
    let bags = account.bags(2, 11_000);
    for _ in 0..2 {
        assert_eq!(push(&host, &account, &bags[..1]).await, [stored(1)]);
    }
    assert_eq!(push(&host, &account, &bags).await, [stored(1), REFUSED]);
}

#[tokio::test]
async fn neither_a_stop_nor_a_kill_gives_an_account_its_traffic_anew() {
    let site = Site::new();
    let options = ["--traffic", "200K"];
    let account = Account::new(1);
    let mut host = site.serve(&options);
    register(host.address, &account, "/user").await;
    let used = async |host: &super::Program| {
        let peek = PeekRequest { after: Seq::new(9).unwrap() };
        call(host.address, &account, "/peek", &peek).await.parts().0.traffic.used().unwrap()
    };
    // Less than is noted at once, which a stop notes all the same.
    push(&host, &account, &account.bags(1, 1000)).await;
    host.signal("-TERM");
    assert!(host.child.wait().unwrap().success());
    let mut host = site.serve(&options);
    let before = used(&host).await;
    assert!(before > 1000, "{before}");

    push(&host, &account, &account.bags(1, 110_000)).await;
    let pull = PullRequest { seqs: vec![Seq::new(2).unwrap()] };
    let noted = || site.told(&["check"]);
    call(host.address, &account, "/pull", &pull).await;
    // A command takes its turn after what was to be noted before it, more or less; so it is asked some times.
    for _ in 0..10 {
        noted();
    }
    host.kill();
    let host = site.serve(&options);
    let after = used(&host).await;
    assert!(after > 200 << 10, "{after}");
    let head = call(host.address, &account, "/pull", &pull).await.parts().0;
    assert_eq!(head.status, Status::STORAGE_ERROR);

    // The next account of the same key is another one.
    site.told(&["accounts", "delete", &account.key().to_string()]);
    register(host.address, &account, "/user").await;
    assert!(used(&host).await < 1000);
}
