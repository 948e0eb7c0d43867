//! The page, embedded in the program: plain HTML, CSS and JavaScript, without a build step.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use todo::device::Device;

/// The files beside the page itself: name, type, content.
const FILES: [(&str, &str, &str); 11] = [
    ("style.css", CSS, include_str!("../../../page/style.css")),
    ("main.js", SCRIPT, include_str!("../../../page/main.js")),
    ("device.js", SCRIPT, include_str!("../../../page/device.js")),
    ("channel.js", SCRIPT, include_str!("../../../page/channel.js")),
    ("socket.js", SCRIPT, include_str!("../../../page/socket.js")),
    ("lists.js", SCRIPT, include_str!("../../../page/lists.js")),
    ("item.js", SCRIPT, include_str!("../../../page/item.js")),
    ("keys.js", SCRIPT, include_str!("../../../page/keys.js")),
    ("drag.js", SCRIPT, include_str!("../../../page/drag.js")),
    ("log.js", SCRIPT, include_str!("../../../page/log.js")),
    ("dom.js", SCRIPT, include_str!("../../../page/dom.js")),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const INDEX: &str = include_str!("../../../page/index.html");

/// Returns the page for these devices.
pub(crate) fn index<'a>(devices: impl Iterator<Item = &'a Device>) -> Response {
    // The names are ours, so nothing in them means anything in HTML.
    let names: Vec<&str> = devices.map(|device| device.name).collect();
    ([(CONTENT_TYPE, HTML)], INDEX.replace("{devices}", &names.join(" "))).into_response()
}

/// Returns one of the files beside it.
pub(crate) fn file(name: &str) -> Response {
    match FILES.iter().find(|(file, ..)| *file == name) {
        Some((_, content_type, content)) => ([(CONTENT_TYPE, *content_type)], *content).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such file").into_response(),
    }
}
