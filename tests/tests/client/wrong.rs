//! Things that are wrong: clocks, ports with something else on them, answers that make no sense.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diplomatic::clock::ClockTrouble;
use diplomatic::history::Origin;
use diplomatic::sync::{BlockCause, Phase, Trouble};
use diplomatic::{Label, Timestamp};
use diplomatic_simulation::todo::{Event, added};
use diplomatic_simulation::world::Chance;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::device::{Device, caught_up, state, status, todos};
use crate::host::{TestHost, new_seed};

fn clock(ahead_by: i64) -> impl Fn() -> Timestamp + Send + Sync + 'static {
    move || {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        Timestamp::from_millis(millis.saturating_add_signed(ahead_by * 1000))
    }
}

#[tokio::test]
async fn clock_that_is_an_hour_off_is_told_and_holds_up_nothing() {
    for ahead_by in [-3600, 3500] {
        let (host, seed) = (TestHost::start().await, new_seed());
        let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
        let phone = phone.builder().clock(clock(ahead_by)).host(host.url()).open().await.unwrap();
        let laptop = laptop.open(&host.url()).await;
        let milk = phone.emit(added("milk")).await.unwrap();
        state(&laptop, "it is there", |todos| todos.items.len() == 1).await;
        laptop
            .emit(diplomatic_simulation::todo::Event::Renamed { todo: milk.clone(), title: "oat milk".into() })
            .await
            .unwrap();
        state(&phone, "the rename follows what it renames", |todos| todos.titles() == ["oat milk"]).await;
        phone.emit(diplomatic_simulation::todo::Event::Renamed { todo: milk, title: "soy milk".into() }).await.unwrap();
        state(&laptop, "the later rename counts", |todos| todos.titles() == ["soy milk"]).await;
        caught_up(&phone).await;
        caught_up(&laptop).await;
        assert_eq!(todos(&phone), todos(&laptop));
        let offset = phone.status().hosts()[0].status.clock_offset.expect("the offset is told");
        assert!((offset.as_millis() / 1000 + ahead_by).abs() <= 5, "{offset:?}");
        let line = phone.status().hosts()[0].to_string();
        assert!(line.contains(if ahead_by > 0 { "ahead of" } else { "behind" }), "{line}");
        assert_eq!(laptop.status().hosts()[0].status.clock_offset, None);
    }
}

#[tokio::test]
async fn an_own_clock_that_every_host_contradicts_is_a_trouble_with_a_remedy_until_it_is_set() {
    let (host, other, seed) = (TestHost::start().await, TestHost::absent().await, new_seed());
    let device = Device::new(&seed);
    let ahead_by = Arc::new(AtomicI64::new(-330));
    let seconds = ahead_by.clone();
    let slow = move || clock(seconds.load(Ordering::Relaxed))();
    let client = device.builder().clock(slow).host(host.url()).host_as(Label::new("away"), other.url());
    let client = client.open().await.unwrap();
    // The other host cannot be reached, and so does not stand up for the clock.
    let status = status(&client, "the clock is a trouble", |status| !status.clock_troubles().is_empty()).await;
    let [trouble @ ClockTrouble::ThisDevice { offset }] = &status.clock_troubles()[..] else { panic!("{status:?}") };
    assert!((offset.as_millis() / 1000 - 330).abs() <= 5, "{offset:?}");
    assert_eq!(trouble.to_string(), "this device's clock is 5 minutes behind its hosts' clocks");
    assert!(trouble.remedy().contains("set this device's clock"));

    ahead_by.store(0, Ordering::Relaxed);
    client.sync().await.unwrap();
    crate::device::status(&client, "the clock is right", |status| status.clock_troubles().is_empty()).await;
}

#[tokio::test]
async fn what_a_fast_device_wrote_is_a_trouble_of_the_others_and_can_be_changed_there() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let (phone, laptop) = (Device::new(&seed), Device::new(&seed));
    let phone = phone.builder().clock(clock(2 * 3600)).host(host.url()).open().await.unwrap();
    let milk = phone.emit(added("milk")).await.unwrap();
    caught_up(&phone).await;
    let client = laptop.open(&host.url()).await;
    let told = status(&client, "it is told", |status| status.ahead().is_some()).await;
    let ahead = told.ahead().unwrap();
    assert_eq!((ahead.messages, ahead.offset.as_secs().div_ceil(60)), (1, 120));
    assert_eq!(ahead.origin, Origin::Host(Label::default().into()));
    assert_eq!(told.clock_troubles(), [ClockTrouble::Ahead(ahead.clone())]);

    client.emit(Event::Renamed { todo: milk, title: "oat milk".into() }).await.unwrap();
    assert_eq!(todos(&client).titles(), ["oat milk"]);
    state(&phone, "the rename counts there too", |todos| todos.titles() == ["oat milk"]).await;
    client.close().await;

    let later = laptop.builder().clock(clock(2 * 3600)).host(host.url()).open().await.unwrap();
    assert_eq!(later.status().ahead(), None, "the time has come");
    later.close().await;
    let again = laptop.open(&host.url()).await;
    assert_eq!(again.status().ahead().unwrap().messages, 2, "known from the start");
}

/// Something that is no host: it answers every request with what `answer` gives, and hangs up.
pub(crate) async fn impostor(answer: impl Fn(u64) -> Vec<u8> + Send + 'static) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for count in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = answer(count);
            tokio::spawn(async move {
                let mut request = vec![0; 1 << 16];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&answer).await;
            });
        }
    });
    (address, tasks)
}

pub(crate) fn page(status: &str, body: &[u8]) -> Vec<u8> {
    let mut page = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    page.extend_from_slice(body);
    page
}

/// Opens a client at an impostor, and returns what its status comes to.
async fn phase_at(answer: impl Fn(u64) -> Vec<u8> + Send + 'static) -> Phase {
    let seed = new_seed();
    let device = Device::new(&seed);
    let (address, _impostor) = impostor(answer).await;
    let client = device.open(&format!("http://{address}")).await;
    client.emit(added("milk")).await.unwrap();
    let is_told = |phase: &Phase| matches!(phase, Phase::Waiting { .. } | Phase::Blocked { .. });
    let told = status(&client, "something is told", |status| is_told(&status.hosts()[0].status.phase)).await;
    assert!(!told.hosts()[0].to_string().is_empty());
    for _ in 0..3 {
        let synced = tokio::time::timeout(Duration::from_secs(20), client.sync()).await.expect("sync comes back");
        assert!(is_told(&synced.unwrap().hosts()[0].status.phase));
    }
    assert_eq!(client.read(|todos| todos.items.len()), 1);
    client.close().await;
    told.hosts()[0].status.phase.clone()
}

#[tokio::test]
async fn error_page_is_told_by_its_status() {
    let phase = phase_at(|_| page("500 Internal Server Error", b"<html>sorry</html>")).await;
    assert!(matches!(phase, Phase::Waiting { trouble: Trouble::HttpStatus(500), .. }), "{phase:?}");
}

#[tokio::test]
async fn address_of_something_else_is_told() {
    let phase = phase_at(|_| page("404 Not Found", b"<html>no such page</html>")).await;
    assert!(matches!(phase, Phase::Blocked { cause: BlockCause::NotAHost, .. }), "{phase:?}");
}

#[tokio::test]
async fn page_of_a_captive_portal_is_told_as_such() {
    let phase = phase_at(|_| page("200 OK", b"<!doctype html><html>Welcome to the hotel! Log in here.</html>")).await;
    assert!(matches!(phase, Phase::Blocked { cause: BlockCause::SomethingElse, .. }), "{phase:?}");
    assert!(phase.to_string().contains("sign in"), "{phase}");
}

#[tokio::test]
async fn random_bytes_in_answers_never_stop_the_client() {
    let phase = phase_at(|count| {
        let mut chance = Chance::new(count);
        let body: Vec<u8> = (0..chance.below(300)).map(|_| chance.any() as u8).collect();
        // Half of them begin like a success.
        let body = if count % 2 == 0 { [&[0][..], &body].concat() } else { body };
        page("200 OK", &body)
    })
    .await;
    assert!(matches!(phase, Phase::Waiting { .. } | Phase::Blocked { .. }), "{phase:?}");
}

#[tokio::test]
async fn random_bytes_instead_of_http_never_stop_the_client() {
    let phase = phase_at(|count| {
        let mut chance = Chance::new(count);
        (0..chance.below(300)).map(|_| chance.any() as u8).collect()
    })
    .await;
    assert!(matches!(phase, Phase::Waiting { .. } | Phase::Blocked { cause: BlockCause::NotHttp, .. }), "{phase:?}");
}
