//! The worker's side: one app for all tabs.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::panic;
use std::rc::{Rc, Weak};

use gloo_timers::future::TimeoutFuture;
use js_sys::Reflect;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use super::channel::Channel;
use super::lock::Lock;
use super::relay::{Action, Input, Message, Notice, Relay, Tab, Term};
use super::{message, with_causes};
use crate::client::OpenError;

/// What answers the requests of all tabs, in the worker of the tab that owns the store.
///
/// [`StateApp`](super::StateApp) is one for any [`Client`](crate::Client).
pub trait App: 'static {
    /// Returns what a page needs to be pushed that has just come, usually all that it shows.
    fn greet(&self) -> Vec<String> {
        Vec::new()
    }

    /// Answers a request of a page.
    fn answer(&self, request: String) -> impl Future<Output = String>;

    /// Pushes to every page whatever there is to push, until the app is closed.
    fn follow(&self, pushes: Pushes) -> impl Future<Output = ()>;

    /// Closes the store. When this returns, another tab can open it.
    fn close(&self) -> impl Future<Output = ()>;
}

/// Why an app could not be opened. Pages show the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenFailure {
    /// Something still holds the store, such as a tab that is just being closed: it is tried again soon.
    Busy(String),
    /// It fails until something is changed, as the text says.
    Failed(String),
}

impl From<OpenError> for OpenFailure {
    fn from(error: OpenError) -> Self {
        let why = with_causes(&error);
        if error.is_retryable() { Self::Busy(why) } else { Self::Failed(why) }
    }
}

/// Sends texts to the pages of all tabs. It does nothing once the app is closed.
#[derive(Clone)]
pub struct Pushes(Rc<dyn Fn(String)>);

impl Pushes {
    /// Sends a text to every page.
    pub fn push(&self, text: String) {
        (self.0)(text);
    }
}

impl fmt::Debug for Pushes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pushes").finish_non_exhaustive()
    }
}

/// Serves the page that has started this worker, from now on. `main` of the worker's program calls it.
///
/// The page sends its configuration, any text. `store` says which store it means, by a name; every tab with the same store
/// has to come to the same name, and accounts need stores of their own. `open` opens the app, in one tab at a time.
pub fn serve<A: App>(
    store: impl Fn(&str) -> String + 'static,
    open: impl AsyncFn(String) -> Result<A, OpenFailure> + 'static,
) {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let me = Tab(random());
    let worker = Rc::new_cyclic(|this| Worker {
        this: this.clone(),
        scope: scope.clone(),
        me,
        relay: RefCell::new(Relay::new(me)),
        serving: Cell::default(),
        store: Box::new(store),
        open,
        configuration: RefCell::default(),
        tabs: OnceCell::new(),
        app: RefCell::default(),
        lock: RefCell::default(),
        wakes: Cell::default(),
    });
    tell_of_panics({
        let worker = worker.clone();
        move |why| worker.crashed(why)
    });
    let hear = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| worker.hear(&event.data()));
    scope.set_onmessage(Some(hear.as_ref().unchecked_ref()));
    // The worker serves until the browser ends it.
    hear.forget();
    post(&scope, &[("ready", true.into())]);
}

struct Worker<A, O> {
    this: Weak<Self>,
    scope: DedicatedWorkerGlobalScope,
    me: Tab,
    relay: RefCell<Relay>,
    /// The request that the app is at right now.
    serving: Cell<Option<(Tab, u64)>>,
    store: Box<dyn Fn(&str) -> String>,
    open: O,
    configuration: RefCell<String>,
    tabs: OnceCell<Tabs>,
    lock: RefCell<Option<Lock>>,
    app: RefCell<Option<Rc<A>>>,
    /// How often a time to wake up was asked for: only the last one counts.
    wakes: Cell<u64>,
}

/// The tabs with the same store.
struct Tabs {
    store: String,
    channel: Channel,
}

impl<A: App, O: AsyncFn(String) -> Result<A, OpenFailure> + 'static> Worker<A, O> {
    /// Takes a message of the page.
    fn hear(&self, message: &JsValue) {
        let field = |name: &str| Reflect::get(message, &name.into()).unwrap_or_default();
        if let Some(configuration) = field("open").as_string() {
            if let Err(why) = self.join(configuration) {
                self.tell(Notice::Failed(why));
            }
        } else if let (Some(id), Some(request)) = (field("id").as_f64(), field("ask").as_string()) {
            self.handle(Input::Asked { id: id as u64, request });
        } else if field("close").is_truthy() {
            self.handle(Input::Close);
        }
    }

    /// Meets the other tabs with the store of a configuration.
    fn join(&self, configuration: String) -> Result<(), String> {
        let store = (self.store)(&configuration);
        match self.tabs.get() {
            Some(tabs) if tabs.store == store => {}
            Some(_) => return Err("this worker has another store open: start one for each store".to_owned()),
            None => {
                let this = self.this.clone();
                let hear = move |message| {
                    if let Some(this) = this.upgrade() {
                        this.handle(Input::Heard(message));
                    }
                };
                let channel = Channel::join(&name_of(&store), hear).map_err(|error| unable(&error))?;
                // The cell was empty.
                let _ = self.tabs.set(Tabs { store, channel });
            }
        }
        self.configuration.replace(configuration);
        self.handle(Input::Open);
        Ok(())
    }

    fn handle(&self, input: Input) {
        let actions = self.relay.borrow_mut().handle(input);
        actions.into_iter().for_each(|action| self.act(action));
    }

    fn act(&self, action: Action) {
        match action {
            Action::Lock => self.wait_for_lock(),
            Action::Unlock => drop(self.lock.take()),
            Action::OpenApp => self.open(),
            Action::CloseApp => {
                let app = self.app.take();
                self.later(async move {
                    if let Some(app) = app {
                        app.close().await;
                    }
                    Input::Closed
                });
            }
            Action::Follow { term } => {
                if let Some(app) = self.app.borrow().clone() {
                    let pushes = self.pushes(term, None);
                    spawn_local(async move { app.follow(pushes).await });
                }
            }
            Action::Greet { term, to } => {
                let texts = self.app.borrow().as_ref().map(|app| app.greet()).unwrap_or_default();
                let pushes = self.pushes(term, to);
                texts.into_iter().for_each(|text| pushes.push(text));
            }
            Action::Serve { term, from, id, request } => {
                if let Some(app) = self.app.borrow().clone() {
                    let this = self.this.clone();
                    let mut answer = Box::pin(async move { app.answer(request).await });
                    let answer = poll_fn(move |context| {
                        let serve = |request| this.upgrade().map(|this| this.serving.set(request));
                        serve(Some((from, id)));
                        let polled = answer.as_mut().poll(context);
                        serve(None);
                        polled
                    });
                    self.later(async move { Input::Answered { term, from, id, answer: answer.await } });
                }
            }
            Action::Say(message) => self.say(&message),
            Action::Tell(notice) => self.tell(notice),
            Action::Wake(milliseconds) => self.wake(milliseconds),
        }
    }

    fn wait_for_lock(&self) {
        let Some(tabs) = self.tabs.get() else { return };
        let input = |input| {
            let this = self.this.clone();
            move || {
                if let Some(this) = this.upgrade() {
                    this.handle(input);
                }
            }
        };
        match Lock::wait(&self.scope, &name_of(&tabs.store), input(Input::Locked), input(Input::Robbed)) {
            Ok(lock) => drop(self.lock.replace(Some(lock))),
            Err(error) => {
                self.handle(Input::Close);
                self.tell(Notice::Failed(unable(&error)));
            }
        }
    }

    fn open(&self) {
        let (this, configuration) = (self.this.clone(), self.configuration.borrow().clone());
        spawn_local(async move {
            let Some(this) = this.upgrade() else { return };
            let input = match (this.open)(configuration).await {
                Ok(app) => {
                    this.app.replace(Some(Rc::new(app)));
                    Input::Opened
                }
                Err(OpenFailure::Busy(why)) => Input::Busy(why),
                Err(OpenFailure::Failed(why)) => Input::Failed(why),
            };
            this.handle(input);
        });
    }

    fn pushes(&self, term: Term, to: Option<Tab>) -> Pushes {
        let this = self.this.clone();
        Pushes(Rc::new(move |text| {
            if let Some(this) = this.upgrade() {
                this.handle(Input::Pushed { term, to, text });
            }
        }))
    }

    /// Goes on with what has happened once a future is ready.
    fn later(&self, input: impl Future<Output = Input> + 'static) {
        let this = self.this.clone();
        spawn_local(async move {
            let input = input.await;
            if let Some(this) = this.upgrade() {
                this.handle(input);
            }
        });
    }

    fn wake(&self, milliseconds: u32) {
        let number = self.wakes.get() + 1;
        self.wakes.set(number);
        let this = self.this.clone();
        spawn_local(async move {
            TimeoutFuture::new(milliseconds).await;
            if let Some(this) = this.upgrade().filter(|this| this.wakes.get() == number) {
                this.handle(Input::Woke);
            }
        });
    }

    /// A panic ends the program, but leaves the worker behind as it is, with the lock and the file. So the worker ends itself: both
    /// are free then for the next owner. Nothing may be used here that could be borrowed.
    fn crashed(&self, why: String) {
        if let Some((from, id)) = self.serving.take() {
            if from == self.me {
                self.tell(Notice::Unanswered { id, why: why.clone() });
            } else {
                self.say(&Message::Ruined { to: from, id, why: why.clone() });
            }
        }
        post(&self.scope, &[("failed", why.into()), ("crashed", true.into())]);
        self.scope.close();
    }

    fn say(&self, message: &Message) {
        // Text can always be posted on a channel that is open.
        let said = self.tabs.get().map(|tabs| tabs.channel.say(message));
        debug_assert!(said.is_none_or(|said| said.is_ok()));
    }

    fn tell(&self, notice: Notice) {
        let role = |name: &str| ("role", JsValue::from_str(name));
        let text = |name, text: String| (name, JsValue::from_str(&text));
        match notice {
            Notice::Owner => post(&self.scope, &[role("owner")]),
            Notice::Follower => post(&self.scope, &[role("follower")]),
            Notice::Waiting(why) => post(&self.scope, &[role("waiting"), text("why", why)]),
            Notice::Failed(why) => post(&self.scope, &[text("failed", why)]),
            Notice::Answer { id, answer } => post(&self.scope, &[("id", (id as f64).into()), text("answer", answer)]),
            Notice::Unanswered { id, why } => post(&self.scope, &[("id", (id as f64).into()), text("failed", why)]),
            Notice::Push(push) => post(&self.scope, &[text("push", push)]),
        }
    }
}

/// The name of a store's lock and channel, which the whole origin shares.
fn name_of(store: &str) -> String {
    format!("diplomatic/{store}")
}

/// A random number that JavaScript can hold, too.
fn random() -> u64 {
    (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64
}

fn unable(error: &JsValue) -> String {
    let error =
        error.dyn_ref::<js_sys::Error>().map_or_else(|| format!("{error:?}"), |error| String::from(error.message()));
    format!("this browser cannot share data between tabs: open the page over https, in a current browser ({error})")
}

/// Sends an object with these fields to the page.
fn post(scope: &DedicatedWorkerGlobalScope, fields: &[(&str, JsValue)]) {
    // Text and numbers can be sent.
    let posted = scope.post_message(&message(fields));
    debug_assert!(posted.is_ok());
}

thread_local! {
    static CRASHED: OnceCell<Box<dyn Fn(String)>> = const { OnceCell::new() };
}

fn tell_of_panics(crashed: impl Fn(String) + 'static) {
    // The hook itself could be called on any thread, were there any.
    let is_first = CRASHED.with(|cell| cell.set(Box::new(crashed))).is_ok();
    debug_assert!(is_first);
    panic::set_hook(Box::new(|panic| {
        let why = format!("the app has crashed: {panic}");
        web_sys::console::error_1(&why.as_str().into());
        CRASHED.with(|crashed| {
            if let Some(crashed) = crashed.get() {
                crashed(why);
            }
        });
    }));
}
