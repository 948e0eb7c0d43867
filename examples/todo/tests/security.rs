//! Another site in the same browser, and another program on the same machine, can neither read nor write.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod support;

use serde_json::{Value, json};
use support::page::{Page, Response, connect, http};
use support::program::{Device, Program};
use tokio_tungstenite::tungstenite::{Error, Message};

fn get(program: &Program, path: &str, headers: &[String]) -> Response {
    let lines: Vec<String> = [format!("GET {path} HTTP/1.1")].into_iter().chain(headers.iter().cloned()).collect();
    http(program.connect(), &lines.iter().map(String::as_str).collect::<Vec<_>>())
}

fn host_of(program: &Program) -> String {
    format!("Host: {}", program.socket_address())
}

#[test]
fn the_page_comes_to_those_who_have_its_address() {
    let phone = Device::new();
    let program = phone.serve();
    let path = format!("/{}/", program.token());
    let page = get(&program, &path, &[host_of(&program)]);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("data-devices=\"this\""));
    for file in ["main.js", "style.css"] {
        assert_eq!(get(&program, &format!("{path}{file}"), &[host_of(&program)]).status, 200, "{file}");
    }
    let by_name = format!("Host: LocalHost:{}", program.port());
    assert_eq!(get(&program, &path, &[by_name]).status, 200);
    let without_slash = get(&program, path.trim_end_matches('/'), &[host_of(&program)]);
    assert_eq!((without_slash.status, without_slash.header("location")), (307, Some(path.as_str())));
}

#[test]
fn who_does_not_know_the_token_learns_nothing() {
    let phone = Device::new();
    let program = phone.serve();
    let token = program.token();
    let wrong = [
        "/".to_owned(),
        format!("/{}/", "0".repeat(32)),
        format!("/{}/", &token[..31]),
        format!("/{token}0/"),
        format!("/{}/", token.to_uppercase().replace('0', "O")),
        format!("//{token}/"),
        format!("/x/../{token}/"),
        format!("/{}/main.js", "0".repeat(32)),
        "/%00".to_owned(),
    ];
    for path in wrong {
        let answer = get(&program, &path, &[host_of(&program)]);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.body, "there is nothing here: open the address that `todo` printed", "{path}");
    }
}

#[test]
fn a_name_that_was_bent_to_this_machine_is_refused() {
    let phone = Device::new();
    let program = phone.serve();
    let (path, port) = (format!("/{}/", program.token()), program.port());
    let names = [
        format!("Host: evil.example:{port}"),
        "Host: 127.0.0.1".to_owned(),
        format!("Host: 127.0.0.1:{}", port ^ 1),
        format!("Host: localhost.evil.example:{port}"),
        format!("Host: 127.0.0.1:{port}@evil.example"),
        "Host:".to_owned(),
        "X-No-Host: 1".to_owned(),
        format!("Host: 127.0.0.1:{port}\r\nHost: evil.example"),
    ];
    for host in names {
        let answer = get(&program, &path, std::slice::from_ref(&host));
        assert!(matches!(answer.status, 400 | 403), "{host}: {}", answer.head);
        assert!(!answer.body.contains("html"), "{host}");
    }
}

#[test]
fn a_request_of_another_site_is_refused() {
    let phone = Device::new();
    let program = phone.serve();
    let (path, port) = (format!("/{}/", program.token()), program.port());
    for origin in ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "file://", ""] {
        let answer = get(&program, &path, &[host_of(&program), format!("Origin: {origin}")]);
        assert_eq!(answer.status, 403, "{origin}");
    }
    let https = format!("Origin: https://127.0.0.1:{port}");
    assert_eq!(get(&program, &path, &[host_of(&program), https]).status, 403);
    let own = format!("Origin: http://127.0.0.1:{port}");
    assert_eq!(get(&program, &path, &[host_of(&program), own]).status, 200);
}

#[test]
fn every_response_keeps_the_page_to_itself() {
    let phone = Device::new();
    let program = phone.serve();
    let path = format!("/{}/", program.token());
    let answers = [
        get(&program, &path, &[host_of(&program)]),
        get(&program, &format!("{path}style.css"), &[host_of(&program)]),
        get(&program, &format!("{path}missing"), &[host_of(&program)]),
        get(&program, "/", &[host_of(&program)]),
        get(&program, &path, &["Host: evil.example".to_owned()]),
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "script-src 'self'", "form-action 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_channel_is_for_the_own_page_alone() {
    let phone = Device::new();
    let program = phone.serve();
    let url = format!("{}live/this", program.address.replace("http", "ws"));
    let (own, port) = (format!("http://{}", program.socket_address()), program.port());
    let status = async |url: &str, origin: Option<&str>| match connect(url, origin).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(status(&url, Some(&own)).await, 101);
    assert_eq!(status(&url.replace("127.0.0.1", "localhost"), Some(&format!("http://localhost:{port}"))).await, 101);
    assert_eq!(status(&url, None).await, 403);
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"] {
        assert_eq!(status(&url, Some(origin)).await, 403, "{origin}");
    }
    let guessed = url.replace(program.token(), &"0".repeat(32));
    assert_eq!(status(&guessed, Some(&own)).await, 404);
    assert_eq!(status(&url.replace("live/this", "live/other"), Some(&own)).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_gets_an_answer_and_changes_nothing() {
    let phone = Device::new();
    let program = phone.serve();
    let mut page = Page::open(&program, "this").await;
    let milk = page.add("milk").await;
    let before = page.shown["view"].clone();
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let garbage = [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "\0\u{202e}".to_owned(),
        deep,
        r#"{"id":7}"#.to_owned(),
        r#"{"id":-1,"do":"undo"}"#.to_owned(),
        r#"{"id":7,"do":"format"}"#.to_owned(),
        r#"{"id":7,"do":"delete","item":"00"}"#.to_owned(),
        r#"{"id":7,"do":"delete","item":""}"#.to_owned(),
        format!(r#"{{"id":7,"do":"due","item":"{milk}","due":"soon"}}"#),
        format!(r#"{{"id":7,"do":"rename","item":"{milk}","title":" "}}"#),
        format!(r#"{{"id":7,"do":"note","item":"{milk}","notes":"{}"}}"#, "x".repeat(60_000)),
        format!(r#"{{"id":7,"do":"move","item":"{milk}","list":"{milk}","before":null}}"#),
    ];
    for message in garbage {
        let shortened: String = message.chars().take(80).collect();
        let answer = page.answer_to(message).await;
        let sentence = answer["error"].as_str().unwrap_or_else(|| panic!("{shortened} is granted: {answer}"));
        assert!(sentence.starts_with(char::is_uppercase) && sentence.ends_with('.'), "{shortened}: {sentence}");
        if shortened.starts_with(r#"{"id":7"#) {
            assert_eq!(answer["id"], json!(7), "{shortened}");
        }
    }
    let binary = page.answer_to(Message::binary(vec![0xff; 9])).await;
    assert_eq!((&binary["id"], binary["error"].is_string()), (&Value::Null, true));
    assert_eq!(page.shown["view"], before);

    page.send(Message::text("x".repeat((1 << 20) + 1))).await;
    page.closed().await;
    assert_eq!(Page::open(&program, "this").await.titles(), ["milk"]);
}

#[test]
fn the_page_has_nothing_inline_and_nothing_from_elsewhere() {
    let phone = Device::new();
    let program = phone.serve();
    let path = format!("/{}/", program.token());
    let page = get(&program, &path, &[host_of(&program)]).body;
    for inline in ["style=", "<style", "<script>", "onclick", "javascript:", "src=\"http", "href=\"http", "{devices}"] {
        assert!(!page.contains(inline), "{inline}");
    }
    let scripts =
        ["main.js", "device.js", "channel.js", "lists.js", "item.js", "keys.js", "drag.js", "log.js", "dom.js"];
    for script in scripts {
        let text = get(&program, &format!("{path}{script}"), &[host_of(&program)]).body;
        for danger in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!text.contains(danger), "{danger} in {script}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn it_listens_on_this_machine_alone() {
    let phone = Device::new();
    let program = phone.serve();
    let port = format!(":{:04X}", program.port());
    let table = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let listening: Vec<&str> = table
        .iter()
        .flat_map(|table| table.lines())
        // The local address, and the state of a socket that listens.
        .filter(|line| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&port)))
        .filter(|line| line.split_whitespace().nth(3) == Some("0A"))
        .collect();
    assert_eq!(listening.len(), 1, "{listening:?}");
    assert!(listening[0].contains("0100007F:"), "{listening:?}");
}
