//! The browser's lock on a store (Web Locks), which ends with the worker that holds it.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, WorkerGlobalScope};

/// A lock that is held or waited for, until this is dropped.
pub(super) struct Lock {
    waiting: AbortController,
    held: Rc<RefCell<Held>>,
}

enum Held {
    NotYet,
    /// Resolves the promise for whose time the lock is held.
    Until(Function),
    Over,
}

impl Lock {
    /// Waits for the lock of this name. Calls `locked` once it is held, and `robbed` if it is taken away after that. Both come
    /// later than this function returns.
    ///
    /// # Errors
    ///
    /// The browser has no locks: it is old, or the page came over an unencrypted connection.
    pub(super) fn wait(
        scope: &WorkerGlobalScope,
        name: &str,
        locked: impl FnOnce() + 'static,
        robbed: impl FnOnce() + 'static,
    ) -> Result<Self, JsValue> {
        // web-sys counts Web Locks among what may change.
        let locks = Reflect::get(&scope.navigator(), &"locks".into())?;
        let request: Function = Reflect::get(&locks, &"request".into())?.dyn_into()?;
        let waiting = AbortController::new()?;
        let options = Object::new();
        Reflect::set(&options, &"signal".into(), &waiting.signal())?;

        let held = Rc::new(RefCell::new(Held::NotYet));
        let granted = Closure::once_into_js({
            let held = held.clone();
            move |_: JsValue| -> JsValue {
                if matches!(*held.borrow(), Held::Over) {
                    return JsValue::UNDEFINED;
                }
                let until_let_go = Promise::new(&mut |let_go, _| {
                    held.replace(Held::Until(let_go));
                });
                locked();
                until_let_go.into()
            }
        });
        let over: Promise = request.call3(&locks, &name.into(), &options, &granted)?.dyn_into()?;
        spawn_local({
            let held = held.clone();
            async move {
                let is_taken = JsFuture::from(over).await.is_err();
                if is_taken && matches!(held.replace(Held::Over), Held::Until(_)) {
                    robbed();
                }
            }
        });
        Ok(Self { waiting, held })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        match self.held.replace(Held::Over) {
            // A promise can be resolved whatever its state is.
            Held::Until(let_go) => drop(let_go.call0(&JsValue::UNDEFINED)),
            Held::NotYet => self.waiting.abort(),
            Held::Over => {}
        }
    }
}
