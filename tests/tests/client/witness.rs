//! A host that withholds messages, and the clients that find out.

use std::time::Duration;

use diplomatic::Replay;
use diplomatic::standard::{Label, Message};
use diplomatic::sync::BlockCause;

use crate::device::{Device, add, caught_up, soon, status};
use crate::foreign::Foreign;
use crate::host::{TestHost, new_seed};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_says_what_a_host_withholds_until_the_host_delivers_it() {
    let (seed, honest, dishonest) = (new_seed(), TestHost::start().await, TestHost::start().await);
    let phone = Device::new(&seed);
    let alone = phone.builder().witness_after(Some(Duration::ZERO)).open().await.unwrap();
    add(&alone, "milk", 3).await;
    alone.close().await;
    let client = phone.builder().witness_after(Some(Duration::ZERO)).host(honest.url()).open().await.unwrap();
    soon("the host has the messages and the witness", async {
        while honest.bags(&seed, &Label::default()).len() < 4 {
            client.sync().await.unwrap();
        }
    })
    .await;
    caught_up(&client).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.dpl");
    client.export(&file).await.unwrap();
    let messages: Vec<Message> = Replay::open(&file, &seed).unwrap().messages().map(Result::unwrap).collect();
    assert_eq!(messages.len(), 4);

    let foreign = Foreign::new(dishonest.address, &seed);
    foreign.register().await;
    foreign.push(&[messages[0].clone(), messages[2].clone(), messages[3].clone()]).await;
    let laptop = Device::new(&seed);
    let client = laptop.open(&dishonest.url()).await;
    let told = status(&client, "the host is found out", |status| status.peers().missing() == 1).await;
    assert!(!told.is_caught_up());
    let synced = client.sync().await.unwrap();
    let host = &synced.hosts()[0];
    assert!(!synced.is_caught_up(), "{synced:?}");
    assert_eq!(host.status.withholding(), Some(BlockCause::Withholds { messages: 1 }));
    assert!(host.to_string().contains("the host withholds 1 message"), "{host}");
    let words = synced.peers().missing_in_words(|_| "since 14:02".into()).unwrap();
    assert_eq!(
        words,
        "1 message of another device is missing since 14:02; the host withholds what was stored there: sync the device that \
         has them, or add another host"
    );

    foreign.push(&messages[1..2]).await;
    caught_up(&client).await;
    assert_eq!(client.read(|todos| todos.items.len()), 3);
    let told = status(&client, "the host delivered", |status| status.hosts()[0].status.withheld == 0).await;
    assert!(told.peers().is_complete());
}
