//! The todo app as a static site, as a person meets it: the real build, in headless Chromium, with the program and other browsers
//! as the other devices.
//!
//! Where the tools for WebAssembly are missing, the tests are skipped, and say what to install; `DIPLOMATIC_NEEDS_WASM=1` makes that
//! a failure. The same holds for Chromium and `DIPLOMATIC_NEEDS_CHROMIUM=1`.
#![cfg(unix)]

mod account;
mod built;
mod foreign;
mod large;
mod looks;
mod offline;
mod person;
mod storage;
mod sync;
mod tabs;

#[path = "../browser/support/mod.rs"]
#[allow(dead_code, reason = "the tests of the program use all of it")]
mod support;
