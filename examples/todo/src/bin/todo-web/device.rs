//! The device: the same as that of the program, but its page is in this browser.

use std::cell::{Cell, RefCell};

use diplomatic::web::{self, App, OpenFailure, Pushes};
use diplomatic::{Client, OpenError, OpenLogError, Seed};
use serde::Deserialize;
use todo::device::{Device, Shown, answer, sentence};
use tokio::select;
use tokio::sync::{mpsc, oneshot};

/// What the page says of the device.
#[derive(Deserialize)]
struct Configuration {
    seed: String,
    /// The host's address, or nothing.
    host: String,
}

/// Serves the page until the worker ends.
pub(crate) fn serve() {
    web::serve(store_of, open);
}

/// Every account has a store of its own.
fn store_of(configuration: &str) -> String {
    match read(configuration) {
        Ok((seed, _)) => format!("todo-{}", seed.fingerprint().to_string().replace(' ', "-")),
        Err(_) => "todo".to_owned(),
    }
}

fn read(configuration: &str) -> Result<(Seed, String), OpenFailure> {
    let unreadable = || {
        OpenFailure::Failed("What this browser keeps of the account cannot be read: enter the words again.".to_owned())
    };
    let Configuration { seed, host } = serde_json::from_str(configuration).map_err(|_| unreadable())?;
    Ok((seed.parse().map_err(|_| unreadable())?, host))
}

async fn open(configuration: String) -> Result<Local, OpenFailure> {
    let (seed, host) = read(&configuration)?;
    let mut builder = Client::builder(seed).store(format!("{}.redb", store_of(&configuration)));
    if !host.is_empty() {
        builder = builder.host(host);
    }
    let client = builder.open().await.map_err(|error| match error {
        OpenError::OpenLog(OpenLogError::InUse { .. }) => OpenFailure::Busy(sentence(&error)),
        error => OpenFailure::Failed(sentence(&error)),
    })?;
    Ok(Local::new(Device { name: "this", client, has_log: false }))
}

/// A device, and what the pages of all tabs show of it.
struct Local {
    device: Device,
    shown: RefCell<Shown>,
    /// Whether a page has come while what is shown was being brought up to date.
    has_newcomer: Cell<bool>,
    /// Told when the pages show what a request led to.
    asked: mpsc::UnboundedSender<oneshot::Sender<()>>,
    asks: RefCell<Option<mpsc::UnboundedReceiver<oneshot::Sender<()>>>>,
}

impl Local {
    fn new(device: Device) -> Self {
        let (asked, asks) = mpsc::unbounded_channel();
        let asks = RefCell::new(Some(asks));
        Self { device, shown: RefCell::default(), has_newcomer: Cell::new(false), asked, asks }
    }

    /// Pushes what the pages lack.
    async fn catch_up(&self, pushes: &Pushes) -> Option<()> {
        let mut shown = self.shown.take();
        let news = shown.catch_up(&self.device, None).await;
        let all = self.has_newcomer.take().then(|| shown.all()).flatten();
        self.shown.replace(shown);
        pushes.push(all.or(news)?);
        Some(())
    }
}

impl App for Local {
    fn greet(&self) -> Vec<String> {
        let all = self.shown.borrow().all();
        self.has_newcomer.set(all.is_none());
        all.into_iter().collect()
    }

    async fn answer(&self, request: String) -> String {
        let answer = answer(&self.device, &request).await;
        // A page that gets an answer already shows what the request led to.
        let (tell, told) = oneshot::channel();
        if self.asked.send(tell).is_ok() {
            // An error means that nobody pushes any more, because the device is closed.
            let _ = told.await;
        }
        serde_json::to_string(&answer).unwrap_or_default()
    }

    async fn follow(&self, pushes: Pushes) {
        let Some(mut asks) = self.asks.take() else { return };
        let client = &self.device.client;
        let (mut changes, mut statuses) = (client.changes(), client.status_changes());
        let mut answered = Vec::new();
        while self.catch_up(&pushes).await.is_some() {
            for tell in answered.drain(..) {
                // An error means that the page does not wait any more.
                let _ = oneshot::Sender::send(tell, ());
            }
            select! {
                change = changes.next() => if change.is_none() { break },
                change = statuses.next() => if change.is_none() { break },
                Some(tell) = asks.recv() => answered.push(tell),
            }
            answered.extend(std::iter::from_fn(|| asks.try_recv().ok()));
        }
    }

    async fn close(&self) {
        self.device.client.close().await;
    }
}
