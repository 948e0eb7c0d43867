//! The bindings that UniFFI writes, at work: two devices and a host.
//!
//! Set `DIPLOMATIC_NEEDS_PHONES` where nothing may be skipped.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use diplomatic_host::{Host, MemoryStore, Server};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const TOLD: &str = "the story of two devices is told\n";

/// A host that is gone when this is dropped.
struct RunningHost {
    address: String,
    _runtime: Runtime,
}

impl RunningHost {
    fn start() -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there is a free port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let host = Arc::new(Host::new(MemoryStore::new()));
        runtime.spawn(Server::new(host).serve(listener, std::future::pending()));
        Self { address, _runtime: runtime }
    }
}

/// Returns the folder of the library, whose name languages look for.
fn library_folder() -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_bindings")).parent().expect("it is in a folder");
    let folders = [programs.to_owned(), programs.join("deps")];
    let has_library = |folder: &PathBuf| folder.join(library()).is_file();
    folders.into_iter().find(has_library).expect("cargo builds the library")
}

fn library() -> String {
    format!("{}phone{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)
}

/// Writes the bindings of a language into a new folder.
fn bindings(language: &str) -> TempDir {
    let folder = TempDir::new().expect("there is room");
    let mut generate = Command::new(env!("CARGO_BIN_EXE_bindings"));
    generate.args(["generate", "--no-format", "--language", language, "--out-dir"]).arg(folder.path());
    run(generate.arg(library_folder().join(library())));
    folder
}

/// Runs a program, and returns what it printed.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Returns whether a program is there. Where nothing may be skipped, it has to be.
#[track_caller]
fn is_there(program: impl AsRef<OsStr>, version: &str) -> bool {
    let is_there = Command::new(&program).arg(version).output().is_ok();
    let program = program.as_ref().display();
    assert!(is_there || env::var_os("DIPLOMATIC_NEEDS_PHONES").is_none(), "install {program}");
    if !is_there {
        eprintln!("skipped: there is no {program}");
    }
    is_there
}

#[test]
fn two_devices_sync_in_python() {
    if is_there("python3", "--version") {
        let (host, bindings) = (RunningHost::start(), bindings("python"));
        fs::copy(library_folder().join(library()), bindings.path().join(library())).expect("there is room");
        let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/story.py");
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", bindings.path()).arg(story).arg(&host.address);
        assert_eq!(run(&mut python), TOLD);
    }
}

/// `KOTLINC` is the compiler, if it is not in the path, and `JNA` the JAR of Java Native Access.
#[test]
fn two_devices_sync_in_kotlin() {
    let kotlinc = env::var_os("KOTLINC").unwrap_or_else(|| "kotlinc".into());
    let jna = env::var("JNA").unwrap_or_else(|_| "/usr/share/java/jna.jar".to_owned());
    if is_there("java", "-version") && is_there(&kotlinc, "-version") {
        let (host, bindings) = (RunningHost::start(), bindings("kotlin"));
        let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/Story.kt");
        let program = bindings.path().join("story.jar");
        let mut compile = Command::new(kotlinc);
        compile.args(["-nowarn", "-classpath", &jna, "-include-runtime", "-d"]).arg(&program);
        run(compile.arg(story).arg(bindings.path().join("uniffi")));
        let mut java = Command::new("java");
        java.arg("-classpath").arg(format!("{}:{jna}", program.display()));
        java.arg(format!("-Djna.library.path={}", library_folder().display()));
        assert_eq!(run(java.arg("StoryKt").arg(&host.address)), TOLD);
    }
}

/// No compiler for Swift is in the registries that CI reaches: its header is compiled, and its code only looked at.
#[test]
fn swift_gets_every_call() {
    let bindings = bindings("swift");
    let swift = fs::read_to_string(bindings.path().join("phone.swift")).expect("it is written");
    for declared in [
        "open class ShoppingList",
        "public static func `open`(file: String, seed: String, host: String?)throws",
        "open func items() -> [Item]",
        "open func add(name: String)throws",
        "open func tick(id: String, isInCart: Bool)throws",
        "open func watch(watcher: Watcher)",
        "public protocol Watcher",
        "public struct Item",
        "enum ShoppingError: Swift.Error",
        "public func newSeed() -> String",
    ] {
        assert!(swift.contains(declared), "there is no {declared} in\n{swift}");
    }
    if is_there("cc", "--version") {
        // Clang's words about pointers, which other compilers do not know.
        run(Command::new("cc")
            .args(["-fsyntax-only", "-x", "c", "-D_Nonnull=", "-D_Nullable="])
            .arg(bindings.path().join("phoneFFI.h")));
    }
}
