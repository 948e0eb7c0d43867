//! The page.

use dioxus::prelude::*;
use diplomatic::web::{Page, PageEvent, Role};
use groceries::{Configuration, GroceryEvent, List};

fn main() {
    launch(App);
}

#[component]
fn App() -> Element {
    let mut list = use_signal(List::new);
    let mut role = use_signal(|| None::<Role>);
    let mut status = use_signal(String::new);
    let mut trouble = use_signal(String::new);
    let page = use_hook(move || {
        let hear = move |event: PageEvent<List>| match event {
            PageEvent::View(view) => list.set(view),
            PageEvent::Role(new) => role.set(Some(new)),
            PageEvent::Status(new) => status.set(if new.is_caught_up() { "in sync" } else { "syncing" }.to_owned()),
            PageEvent::Failed(why) => trouble.set(why),
            _ => {}
        };
        Page::<GroceryEvent, List>::open("./worker.js", configuration(), hear)
    });
    let emit = use_callback(move |event: GroceryEvent| {
        let page = page.clone();
        spawn(async move {
            let emitted = match page {
                Ok(page) => page.emit(event).await.map(drop),
                Err(error) => Err(error),
            };
            trouble.set(emitted.err().map(|error| error.to_string()).unwrap_or_default());
        });
    });
    let mut name = use_signal(String::new);
    let part = match &*role.read() {
        None => "starting".to_owned(),
        Some(Role::Owner) => "owner".to_owned(),
        Some(Role::Follower) => "follower".to_owned(),
        Some(Role::Waiting(why)) => format!("waiting: {why}"),
    };
    rsx! {
        form {
            onsubmit: move |event| {
                event.prevent_default();
                emit(GroceryEvent::Added { name: name.take() });
            },
            input { id: "name", required: true, value: name, oninput: move |event| name.set(event.value()) }
            button { "Add" }
        }
        ul {
            for (id, item) in list() {
                li { key: "{id}",
                    label {
                        input {
                            r#type: "checkbox",
                            checked: item.is_in_cart,
                            onchange: {
                                let item = id.clone();
                                move |event: FormEvent| {
                                    emit(GroceryEvent::Ticked { item: item.clone(), is_in_cart: event.checked() });
                                }
                            },
                        }
                        "{item.name}"
                    }
                    button { onclick: move |_| emit(GroceryEvent::Removed { item: id.clone() }), "Remove" }
                }
            }
        }
        p { id: "role", "{part}" }
        p { id: "status", "{status}" }
        p { id: "trouble", role: "alert", "{trouble}" }
    }
}

/// The seed of this browser. An app asks for it, and keeps it sealed; this is an example.
fn configuration() -> String {
    let storage = web_sys::window().and_then(|window| window.local_storage().ok().flatten());
    let kept = |name: &str| storage.as_ref().and_then(|storage| storage.get_item(name).ok().flatten());
    let seed = kept("seed").unwrap_or_else(|| {
        let seed = diplomatic::Seed::random().expose_hex().to_string();
        if let Some(storage) = &storage {
            let _ = storage.set_item("seed", &seed);
        }
        seed
    });
    let configuration = Configuration { seed, host: kept("host") };
    serde_json::to_string(&configuration).unwrap_or_default()
}
