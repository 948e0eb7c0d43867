//! The todo app as a person meets it: the real program, hosts and devices, in headless Chromium.
//!
//! Where there is no Chromium, the tests are skipped, and say how to install it; `DIPLOMATIC_NEEDS_CHROMIUM=1` makes that a
//! failure. A test that fails leaves a picture and the text of its windows in the target directory.
#![cfg(unix)]

mod accessibility;
mod clock;
mod demo;
mod foreign;
mod keyboard;
mod looks;
mod order;
mod pictures;
mod restart;
mod support;
mod sync;
mod text;
mod undo;
