//! What an idle socket of the live channel costs the program, in resident memory.
//!
//! `cargo bench -p diplomatic-host --bench idle_sockets`

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test, or no benchmark")]

#[path = "../tests/support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
fn main() {
    use support::program::{Program, open_idle_sockets};

    let count = std::env::var("SOCKETS").ok().and_then(|count| count.parse().ok()).unwrap_or(9000);
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(&folder.path().join("host.redb"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let before = program.resident();
    let started = std::time::Instant::now();
    let sockets = runtime.block_on(open_idle_sockets(program.address, count));
    let after = program.resident();
    println!(
        "{count} idle sockets: {:.1} KB each ({:.1} MB before, {:.1} MB after), opened in {:.1?}",
        (after - before) as f64 / 1000.0 / count as f64,
        before as f64 / 1e6,
        after as f64 / 1e6,
        started.elapsed(),
    );
    drop(sockets);
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("resident memory is read from /proc");
}
