//! A page without a browser.

use std::net::TcpStream;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::program::{LONGEST, Program};

/// A page that shows one device.
pub(crate) struct Page {
    socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
    /// What was pushed so far: `view`, `sync` and `log`.
    pub(crate) shown: Map<String, Value>,
    last_id: u64,
}

impl Page {
    pub(crate) async fn open(program: &Program, device: &str) -> Self {
        let url = format!("{}live/{device}", program.address.replace("http", "ws"));
        let origin = format!("http://{}", program.socket_address());
        let socket = connect(&url, Some(&origin)).await.unwrap();
        let mut page = Self { socket, shown: Map::new(), last_id: 0 };
        page.next().await;
        page
    }

    /// Takes the next push, and returns the answer that it brings.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let message = timeout(LONGEST, self.socket.next()).await.expect("something is pushed in time");
        let text = message.expect("the channel is open").unwrap().into_text().unwrap();
        let Value::Object(mut push) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
        let answer = push.remove("answer");
        self.shown.extend(push);
        answer
    }

    /// Waits until it shows something.
    pub(crate) async fn until(&mut self, is: impl Fn(&Map<String, Value>) -> bool) {
        while !is(&self.shown) {
            self.next().await;
        }
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Sends a message as it is, and returns the answer.
    pub(crate) async fn answer_to(&mut self, message: impl Into<Message>) -> Value {
        self.send(message.into()).await;
        loop {
            if let Some(answer) = self.next().await {
                return answer;
            }
        }
    }

    /// Asks for something that is granted, and returns what was made or changed.
    pub(crate) async fn ask(&mut self, mut request: Value) -> Vec<String> {
        self.last_id += 1;
        request["id"] = json!(self.last_id);
        let answer = self.answer_to(request.to_string()).await;
        assert_eq!((answer["id"].as_u64(), &answer["error"]), (Some(self.last_id), &Value::Null), "{answer}");
        let entities = answer["entities"].as_array().cloned().unwrap_or_default();
        entities.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// Adds an item to the inbox, and returns it.
    pub(crate) async fn add(&mut self, title: &str) -> String {
        let list = self.shown["view"]["lists"][0]["id"].clone();
        self.ask(json!({ "do": "add", "list": list, "title": title })).await.remove(0)
    }

    pub(crate) fn titles(&self) -> Vec<&str> {
        titles(&self.shown)
    }

    /// Waits until the other side closes the channel.
    pub(crate) async fn closed(&mut self) {
        while let Some(Ok(message)) = timeout(LONGEST, self.socket.next()).await.expect("the channel closes in time") {
            if message.is_close() {
                return;
            }
        }
    }
}

/// Returns the titles in the first list.
pub(crate) fn titles(shown: &Map<String, Value>) -> Vec<&str> {
    let items = shown["view"]["lists"][0]["items"].as_array().unwrap();
    items.iter().map(|item| item["title"].as_str().unwrap()).collect()
}

/// Opens a WebSocket, as a page of this origin would.
pub(crate) async fn connect(
    url: &str,
    origin: Option<&str>,
) -> Result<WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>, Error> {
    let mut request = url.into_client_request()?;
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    connect_async(request).await.map(|(socket, _)| socket)
}

/// A response, as it came.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    /// Returns a header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends a request with these lines, and nothing that they do not say.
pub(crate) fn http(mut stream: TcpStream, lines: &[&str]) -> Response {
    use std::io::{Read, Write};

    let request = format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"));
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("a response has a head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head: head.to_owned(), body: body.to_owned() }
}
