//! The standard reads no clock, draws no random number, and does no I/O: all of it comes in as arguments.

use std::path::{Path, PathBuf};

const IMPURE: [&str; 13] = [
    "SystemTime",
    "Instant",
    "std::thread",
    "std::sync::Mutex",
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "tokio",
    "async ",
    ".await",
    "thread_rng",
    "rand::",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn the_standard_names_no_clock_thread_file_or_socket() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../diplomatic/src/standard"));
    assert!(sources.len() > 10);
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        // Unit tests stand at the end.
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for word in IMPURE {
                assert!(!line.contains(word), "{}: {line}", path.display());
            }
        }
    }
}
