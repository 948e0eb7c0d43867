//! The worker: does the tasks that its page sends, one after the other.

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!("this is for a browser: build it for wasm32-unknown-unknown");
}

#[cfg(target_family = "wasm")]
fn main() {
    console_error_panic_hook::set_once();
    worker::start();
}

#[cfg(target_family = "wasm")]
mod worker {
    use std::error::Error;

    use diplomatic::{Client, Seed};
    use diplomatic_browser::{Event, Outcome, SEED, Task, Things};
    use wasm_bindgen::closure::Closure;
    use wasm_bindgen::{JsCast, JsValue};
    use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};
    use web_time::Instant;

    /// How many events a batch has.
    const BATCH: u32 = 1_000;

    pub(crate) fn start() {
        let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
        let answering = scope.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
            let (scope, text) = (answering.clone(), message.data().as_string().unwrap_or_default());
            wasm_bindgen_futures::spawn_local(async move {
                let outcome = match serde_json::from_str(&text) {
                    Ok(task) => carry_out(task).await.unwrap_or_else(|error| failed(&*error)),
                    Err(error) => failed(&error),
                };
                let text = serde_json::to_string(&outcome).unwrap_or_default();
                // Nobody is there to be told if the page is gone.
                _ = scope.post_message(&JsValue::from(text));
            });
        });
        scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        on_message.forget();
        _ = scope.post_message(&"ready".into());
    }

    fn failed(error: &dyn Error) -> Outcome {
        let mut words = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            words = format!("{words}: {error}");
            cause = error.source();
        }
        Outcome { error: Some(words), ..Outcome::default() }
    }

    async fn carry_out(task: Task) -> Result<Outcome, Box<dyn Error>> {
        let mut millis = Vec::new();
        let begun = Instant::now();
        let passed = |since: Instant| since.elapsed().as_secs_f64() * 1e3;
        let (store, host) = match &task {
            Task::Emit { store, .. } | Task::Fill { store, .. } | Task::Open { store } | Task::Crash { store } => {
                (store, None)
            }
            Task::Sync { store, host } | Task::Upload { store, host, .. } => (store, Some(host)),
        };
        let seed: Seed = SEED.parse()?;
        let mut builder = Client::<Things>::builder(seed).store(store.clone());
        if let Some(host) = host {
            builder = builder.host(host.clone());
        }
        let client = builder.open().await?;
        let added = |number: u32| Event::Added { title: format!("thing number {number}") };
        match task {
            Task::Emit { count, .. } => {
                for number in 0..count {
                    let begun = Instant::now();
                    client.emit(added(number)).await?;
                    millis.push(passed(begun));
                }
            }
            Task::Fill { count, .. } => {
                for first in (0..count).step_by(BATCH as usize) {
                    client.emit_all((first..count.min(first + BATCH)).map(added).collect()).await?;
                }
                millis.push(passed(begun));
            }
            Task::Open { .. } => millis.push(passed(begun)),
            Task::Sync { .. } => {
                client.first_sync().await?;
                millis.push(passed(begun));
            }
            Task::Upload { count, .. } => {
                client.emit_all((0..count).map(added).collect()).await?;
                client.sync().await?;
                millis.push(passed(begun));
            }
            Task::Crash { .. } => drop(client.emit(Event::Bad).await?),
        }
        let status = client.status();
        let outcome = Outcome {
            things: client.read(|things| things.0.len() as u64),
            unread: client.unread().await?.quarantined().count() as u64,
            millis,
            storage: status.storage().map(ToString::to_string).unwrap_or_default(),
            host: status.hosts().first().map(ToString::to_string).unwrap_or_default(),
            error: None,
        };
        client.close().await;
        Ok(outcome)
    }
}
