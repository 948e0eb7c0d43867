//! Other clients of the standard: what they write is applied.

use std::net::SocketAddr;

use diplomatic::standard::calls::{Call, PushItem, PushOutcome, PushRequest, ResponseHead};
use diplomatic::standard::{
    Bag, Body, Decode, Encode, EntityId, HostKeys, Label, Message, Reader, Seed, Status, Timestamp,
};
use diplomatic_simulation::todo::{Event, added};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::device::{Device, caught_up, soon, state};
use crate::host::{TestHost, new_seed};

/// A client of the standard that knows nothing of events.
pub(crate) struct Foreign {
    host: SocketAddr,
    keys: HostKeys,
}

impl Foreign {
    pub(crate) fn new(host: SocketAddr, seed: &Seed) -> Self {
        Self { host, keys: HostKeys::derive(seed, &Label::default()) }
    }

    async fn call(&self, call: Call, rest: &impl Encode) -> Vec<u8> {
        let mut body = self.keys.authenticate(now()).to_bytes();
        rest.encode(&mut body);
        let mut stream = TcpStream::connect(self.host).await.unwrap();
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            call.path(),
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("the header ends") + 4;
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        answer.split_off(end)
    }

    pub(crate) async fn register(&self) {
        let answer = self.call(Call::User, &diplomatic::standard::calls::UserRequest).await;
        assert_eq!(ResponseHead::decode(&answer).unwrap().status, Status::SUCCESS);
    }

    pub(crate) async fn push(&self, messages: &[Message]) {
        let bags: Vec<Bag> = messages.iter().map(|message| self.keys.seal(message)).collect();
        let answer = self.call(Call::Push, &PushRequest { bags }).await;
        let mut reader = Reader::new(&answer);
        assert_eq!(ResponseHead::read(&mut reader).unwrap().status, Status::SUCCESS);
        for _ in messages {
            let item = PushItem::read(&mut reader).unwrap();
            assert!(matches!(item.outcome, PushOutcome::Stored(_)), "{item:?}");
        }
    }
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::EPOCH.plus(since)
}

/// A map of MessagePack with up to 15 entries.
fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![0x80 | entries.len() as u8];
    for (key, value) in entries {
        bytes.extend(string(key));
        bytes.extend(value);
    }
    bytes
}

fn string(text: &str) -> Vec<u8> {
    assert!(text.len() < 256);
    [&[0xd9, text.len() as u8], text.as_bytes()].concat()
}

const NIL: u8 = 0xc0;

#[tokio::test]
async fn bodies_as_other_clients_write_them_are_applied() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let device = Device::new(&seed);
    let client = device.open(&host.url()).await;
    let foreign = Foreign::new(host.address, &seed);
    foreign.register().await;
    let at = now();
    let message = |entity: &EntityId, body: Vec<u8>| Message::new(entity.clone(), at, 0, Body::new(body)).unwrap();

    // As the JavaScript client does: nil for what is absent, and an order of its own.
    let milk = EntityId::new(b"milkmilk", at);
    let payload = map(&[("extra", vec![NIL]), ("title", string("milk"))]);
    let body = map(&[("pid", vec![NIL]), ("body", payload), ("gid", vec![NIL]), ("type", string("todo.added"))]);
    let added_milk = message(&milk, body);
    // Unknown keys.
    let note = EntityId::new(b"notenote", at);
    let mut note_bin = vec![0xc4, note.to_bytes().len() as u8];
    note_bin.extend(note.to_bytes());
    let payload = map(&[("text", string("hi")), ("note", note_bin)]);
    let body = map(&[("color", string("red")), ("type", string("todo.noted")), ("body", payload)]);
    let noted = message(&note, body);
    // A type that this app does not know, and something that is no entity body at all.
    let unknown = map(&[("type", string("from.elsewhere")), ("body", vec![NIL])]);
    let unknown = message(&EntityId::new(b"elsewher", at), unknown);
    let opaque = message(&EntityId::new(b"opaque!!", at), b"just bytes".to_vec());
    let singleton = message(&EntityId::singleton("todo.status"), string("from the web"));
    let messages = [added_milk, noted, unknown, opaque, singleton];
    soon("the foreign client has pushed", foreign.push(&messages)).await;

    state(&client, "all of it is applied", |todos| todos.status == "from the web").await;
    assert_eq!(
        client.read(|todos| (todos.titles(), todos.notes.clone())),
        (vec!["milk".to_owned()], [(note, "hi".to_owned())].into())
    );
    let unread = client.unread().await.unwrap();
    assert_eq!(unread.unknown().collect::<Vec<_>>(), [("", 1), ("from.elsewhere", 1)]);

    // What we write to a foreign entity counts, and so does what they write to ours.
    client.emit(Event::Removed { todo: milk }).await.unwrap();
    let bread = client.emit(added("bread")).await.unwrap();
    caught_up(&client).await;
    let later = now().plus(std::time::Duration::from_secs(1));
    let delete = Message::new(bread, later, 1, None).unwrap();
    foreign.push(&[delete]).await;
    state(&client, "the foreign delete counts", |todos| todos.items.is_empty()).await;
}

#[tokio::test]
async fn a_single_small_bag_comes_inlined_and_is_applied() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let device = Device::new(&seed);
    let client = device.open(&host.url()).await;
    caught_up(&client).await;
    let foreign = Foreign::new(host.address, &seed);
    for n in 0..5_u8 {
        let message =
            Message::new(EntityId::singleton("todo.status"), now(), n.into(), Body::new(string(&format!("{n}"))));
        foreign.push(&[message.unwrap()]).await;
        state(&client, "it is applied", |todos| todos.status == n.to_string()).await;
    }
}

#[tokio::test]
async fn host_never_sees_what_is_in_a_message() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let device = Device::new(&seed);
    let client = device.open(&host.url()).await;
    client.emit(added("a very secret plan")).await.unwrap();
    caught_up(&client).await;
    client.close().await;
    let file = std::fs::read(device.path()).unwrap();
    let bags: Vec<u8> = host.bags(&seed, &Label::default()).iter().flat_map(Encode::to_bytes).collect();
    for bytes in [file, bags] {
        for needle in [&b"secret plan"[..], b"todo.added", seed.expose_bytes()] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle));
        }
    }
}
