//! What the compiler says of each mistake in the attributes of `#[derive(DiplomaticEvent)]`.
//!
//! After a change that is meant, run `TRYBUILD=overwrite cargo test --workspace --test ui`, and read the difference.

use std::io::Write;
use std::process::Command;

/// The texts in `ui/*.stderr` are this compiler's: others word some of them differently.
const PINNED: &str = "1.95.0";

#[test]
fn mistakes_are_reported_with_their_mend() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("a compiler compiled this");
    let version = String::from_utf8_lossy(&version.stdout);
    if version.split(' ').nth(1) != Some(PINNED) {
        // Past the test harness, which shows what a test prints only when the test fails.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: the compiler's texts are compared with those of rustc {PINNED} only, and this is {}",
            version.trim()
        );
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
