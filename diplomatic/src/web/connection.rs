//! The page's side: a worker, the requests that it has not answered, and a new worker when it crashes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use gloo_timers::future::TimeoutFuture;
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Event, MessageEvent, Worker, WorkerOptions, WorkerType};

use super::message;

/// So many crashes in a row are no accident.
const CRASHES: u32 = 3;

/// How long after a crash a new worker is started, in milliseconds.
const PAUSE: u32 = 200;

/// What a worker tells its page, other than answers.
#[derive(Debug)]
pub(super) enum Told {
    Owner,
    Follower,
    Waiting(String),
    Failed(String),
    Push(String),
}

/// A page's connection to its worker, which ends when this is dropped.
pub(super) struct Connection {
    this: Weak<Self>,
    script: String,
    configuration: String,
    tell: Box<dyn Fn(Told)>,
    worker: RefCell<Option<Running>>,
    asked: RefCell<BTreeMap<u64, Asked>>,
    ids: Cell<u64>,
    crashes: Cell<u32>,
}

/// A request without an answer.
struct Asked {
    request: String,
    resolve: Function,
    reject: Function,
}

struct Running {
    worker: Worker,
    is_ready: Cell<bool>,
    _hear: Closure<dyn FnMut(MessageEvent)>,
    _fail: Closure<dyn FnMut(Event)>,
}

impl Connection {
    pub(super) fn open(
        script: &str,
        configuration: String,
        tell: impl Fn(Told) + 'static,
    ) -> Result<Rc<Self>, JsValue> {
        let connection = Rc::new_cyclic(|this| Self {
            this: this.clone(),
            script: script.to_owned(),
            configuration,
            tell: Box::new(tell),
            worker: RefCell::default(),
            asked: RefCell::default(),
            ids: Cell::default(),
            crashes: Cell::default(),
        });
        connection.start()?;
        Ok(connection)
    }

    /// Asks the app, and waits for the answer, whichever worker gives it.
    ///
    /// # Errors
    ///
    /// The app has crashed over the request, and says why.
    pub(super) async fn ask(&self, request: String) -> Result<String, String> {
        let id = self.ids.get() + 1;
        self.ids.set(id);
        let answer = Promise::new(&mut |resolve, reject| {
            self.asked.borrow_mut().insert(id, Asked { request: request.clone(), resolve, reject });
        });
        if self.worker.borrow().as_ref().is_some_and(|running| running.is_ready.get()) {
            self.send(id, &request);
        }
        // The promise is settled with text.
        let text = |settled: JsValue| settled.as_string().unwrap_or_default();
        JsFuture::from(answer).await.map(text).map_err(text)
    }

    fn start(&self) -> Result<(), JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(&self.script, &options)?;
        let this = self.this.clone();
        let hear = Closure::new(move |event: MessageEvent| {
            if let Some(this) = this.upgrade() {
                this.hear(&event.data());
            }
        });
        let this = self.this.clone();
        let fail = Closure::new(move |_: Event| {
            if let Some(this) = this.upgrade() {
                this.crashed("the worker cannot be started, or has crashed".to_owned());
            }
        });
        worker.set_onmessage(Some(hear.as_ref().unchecked_ref()));
        worker.set_onerror(Some(fail.as_ref().unchecked_ref()));
        self.worker.replace(Some(Running { worker, is_ready: Cell::new(false), _hear: hear, _fail: fail }));
        Ok(())
    }

    fn hear(&self, message: &JsValue) {
        let field = |name: &str| Reflect::get(message, &name.into()).unwrap_or_default();
        let text = |name: &str| field(name).as_string();
        if let Some(id) = field("id").as_f64() {
            let asked = self.asked.borrow_mut().remove(&(id as u64));
            if let Some(Asked { resolve, reject, .. }) = asked {
                let (settle, settled) = match text("answer") {
                    Some(answer) => (resolve, answer),
                    None => (reject, text("failed").unwrap_or_default()),
                };
                // The functions of a promise do not throw.
                drop(settle.call1(&JsValue::UNDEFINED, &settled.into()));
            }
        } else if let Some(push) = text("push") {
            (self.tell)(Told::Push(push));
        } else if let Some(why) = text("failed") {
            if field("crashed").is_truthy() { self.crashed(why) } else { (self.tell)(Told::Failed(why)) }
        } else if let Some(role) = text("role") {
            self.crashes.set(0);
            (self.tell)(match role.as_str() {
                "owner" => Told::Owner,
                "follower" => Told::Follower,
                _ => Told::Waiting(text("why").unwrap_or_default()),
            });
        } else if field("ready").is_truthy() {
            self.ready();
        }
    }

    /// Says to a new worker what there is to say.
    fn ready(&self) {
        if let Some(running) = &*self.worker.borrow() {
            running.is_ready.set(true);
        }
        self.post(&[("open", self.configuration.as_str().into())]);
        for (id, asked) in &*self.asked.borrow() {
            self.send(*id, &asked.request);
        }
    }

    fn crashed(&self, why: String) {
        self.stop();
        let crashes = self.crashes.get() + 1;
        self.crashes.set(crashes);
        if crashes > CRASHES {
            return (self.tell)(Told::Failed(why));
        }
        (self.tell)(Told::Waiting(why));
        let this = self.this.clone();
        spawn_local(async move {
            TimeoutFuture::new(PAUSE).await;
            if let Some(this) = this.upgrade()
                && let Err(error) = this.start()
            {
                (this.tell)(Told::Failed(format!("the worker cannot be started: {error:?}")));
            }
        });
    }

    fn stop(&self) {
        if let Some(Running { worker, .. }) = self.worker.take() {
            worker.set_onmessage(None);
            worker.set_onerror(None);
            worker.terminate();
        }
    }

    fn send(&self, id: u64, request: &str) {
        self.post(&[("id", (id as f64).into()), ("ask", request.into())]);
    }

    fn post(&self, fields: &[(&str, JsValue)]) {
        if let Some(running) = &*self.worker.borrow() {
            // Text and numbers can be sent.
            let posted = running.worker.post_message(&message(fields));
            debug_assert!(posted.is_ok());
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stop();
    }
}
