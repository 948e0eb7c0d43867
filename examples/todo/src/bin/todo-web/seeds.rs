//! Seeds, words and codes, for a page that has no account yet, or shows the account's words.

use diplomatic::Seed;
use js_sys::{Object, Reflect};
use qrcode::{Color, QrCode};
use serde::{Deserialize, Serialize};
use todo::device::sentence;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
enum Question {
    /// Make a seed.
    Create,
    /// Read 24 words, or 64 hex digits.
    Read { text: String },
    /// Draw a QR code.
    Draw { text: String },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Seed {
        seed: String,
        words: String,
        fingerprint: String,
    },
    /// The path of an SVG, each module one by one.
    Code {
        size: usize,
        path: String,
    },
    Refused {
        error: String,
    },
}

/// Answers the page's questions.
pub(crate) fn serve(scope: DedicatedWorkerGlobalScope) {
    let page = scope.clone();
    let take = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let field = |name: &str| Reflect::get(&event.data(), &name.into()).unwrap_or_default();
        let question = field("ask").as_string().unwrap_or_default();
        let text = serde_json::to_string(&answer(&question)).unwrap_or_default();
        post(&page, &[("id", field("id")), ("answer", text.into())]);
    });
    scope.set_onmessage(Some(wasm_bindgen::JsCast::unchecked_ref(take.as_ref())));
    // It lives as long as the worker.
    take.forget();
    post(&scope, &[("ready", true.into())]);
}

fn post(page: &DedicatedWorkerGlobalScope, fields: &[(&str, JsValue)]) {
    let message = Object::new();
    for (name, value) in fields {
        // Nothing stops a plain object from taking a field, nor a worker from posting it.
        let _ = Reflect::set(&message, &(*name).into(), value);
    }
    let _ = page.post_message(&message);
}

fn answer(question: &str) -> Answer {
    match serde_json::from_str(question) {
        Ok(Question::Create) => tell(&Seed::random()),
        Ok(Question::Read { text }) => read(&text),
        Ok(Question::Draw { text }) => draw(&text),
        Err(_) => refuse("The page asked for something that this program does not know: load the page again."),
    }
}

fn read(text: &str) -> Answer {
    let text = text.trim();
    // Hex digits come from links, and words from people.
    match text.parse::<Seed>() {
        Ok(seed) => tell(&seed),
        Err(_) => match Seed::from_words(text) {
            Ok(seed) => tell(&seed),
            Err(error) => refuse(&sentence(&error)),
        },
    }
}

fn tell(seed: &Seed) -> Answer {
    let hex = seed.expose_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Answer::Seed { seed: hex, words: seed.expose_words().to_string(), fingerprint: seed.fingerprint().to_string() }
}

fn draw(text: &str) -> Answer {
    let Ok(code) = QrCode::new(text) else { return refuse("This is too long for a code: enter the words instead.") };
    let size = code.width();
    let rows = code.to_colors();
    let mut path = String::new();
    for (y, row) in rows.chunks(size).enumerate() {
        for (x, _) in row.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
            path += &format!("M{x} {y}h1v1h-1z");
        }
    }
    Answer::Code { size, path }
}

fn refuse(error: &str) -> Answer {
    Answer::Refused { error: error.to_owned() }
}
