//! `todo-web`: a device within the browser.
//!
//! `todo web` compiles it to WebAssembly. A page starts it in workers: one named `device` is the device, one named `seeds` answers
//! a question about a seed.

#[cfg(target_family = "wasm")]
mod device;
#[cfg(target_family = "wasm")]
mod seeds;

#[cfg(target_family = "wasm")]
fn main() {
    use js_sys::global;
    use wasm_bindgen::JsCast;
    use web_sys::DedicatedWorkerGlobalScope;

    match global().dyn_into::<DedicatedWorkerGlobalScope>() {
        Ok(scope) if scope.name() == "seeds" => seeds::serve(scope),
        _ => device::serve(),
    }
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!("This program runs in a browser: `todo web` builds it and serves it.");
}
