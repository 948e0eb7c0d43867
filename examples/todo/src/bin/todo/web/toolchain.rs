//! The tools that compile the site.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// Where Debian has the sources of the standard library, and its compiler.
const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/std";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// What is missing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolchainError {
    #[error(
        "Rust cannot compile for browsers yet: run `rustup target add {TARGET}`; where that is impossible, Debian has \
         `apt-get install rustc-web cargo-web rust-web-src lld`"
    )]
    NoTarget,
    #[error("`wasm-bindgen` {version} is missing: run `cargo install wasm-bindgen-cli --version {version}`")]
    NoBindgen { version: String },
    #[error(
        "`wasm-bindgen` is {found}, and has to be {version}: run `cargo install wasm-bindgen-cli --version {version} --force`"
    )]
    OtherBindgen { found: String, version: String },
    #[error("{} names no version of wasm-bindgen: take the copy of the repository as it is", .path.display())]
    NoVersion { path: PathBuf },
    #[error("{} cannot be read: run this in a copy of the repository", .path.display())]
    NoSources { path: PathBuf, source: io::Error },
}

/// A compiler for browsers.
#[derive(Debug)]
pub(super) enum Compiler {
    /// The one that compiled this program, with the target of rustup.
    Rustup,
    /// Debian's, which compiles the standard library, too. It has no linker of its own.
    Debian { linker: PathBuf },
}

impl Compiler {
    pub(super) fn find() -> Result<Self, ToolchainError> {
        if has_target() {
            return Ok(Self::Rustup);
        }
        let is_there = |path: &str| Path::new(path).exists();
        let has_debian = is_there(DEBIAN_CARGO) && is_there(DEBIAN_RUSTC) && is_there(DEBIAN_SOURCES);
        let linker = debian_linker().filter(|_| has_debian);
        linker.map(|linker| Self::Debian { linker }).ok_or(ToolchainError::NoTarget)
    }

    /// Returns the command that builds with it, up to cargo's arguments.
    pub(super) fn cargo(&self) -> Command {
        match self {
            Self::Rustup => {
                let mut command = Command::new(own_cargo());
                command.arg("build");
                command
            }
            Self::Debian { linker } => {
                let mut command = Command::new(DEBIAN_CARGO);
                // Building the standard library is an option of cargo that the stable one does not offer by itself.
                command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1").env_remove("RUSTUP_TOOLCHAIN");
                command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                command.args(["-Z", "build-std=std,panic_abort", "build"]);
                command
            }
        }
    }

    /// A folder of its own for each: they would throw away each other's work.
    pub(super) const fn folder(&self) -> &'static str {
        match self {
            Self::Rustup => "site",
            Self::Debian { .. } => "site-debian",
        }
    }
}

/// Finds the linker of the package lld, or of a numbered one.
fn debian_linker() -> Option<PathBuf> {
    let is_linker = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name == "wasm-ld" || name.starts_with("wasm-ld-"))
    };
    fs::read_dir("/usr/bin").ok()?.filter_map(Result::ok).map(|entry| entry.path()).find(is_linker)
}

fn own_cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn has_target() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
    let folder = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    folder.is_some_and(|folder| Path::new(folder.trim()).is_dir())
}

/// Returns the tool that makes a module of what the compiler made, in the version of the lock file.
pub(super) fn find_bindgen(lock: &Path) -> Result<PathBuf, ToolchainError> {
    let version = bindgen_version(lock)?;
    let home = env::home_dir().map(|home| home.join(".cargo/bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(home);
    let name = format!("wasm-bindgen{}", env::consts::EXE_SUFFIX);
    let mut found = None;
    for tool in folders.map(|folder| folder.join(&name)).filter(|tool| tool.is_file()) {
        let output = Command::new(&tool).arg("--version").output();
        let said = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
        match said.split_whitespace().nth(1) {
            Some(its) if its == version => return Ok(tool),
            its => found = its.map(str::to_owned).or(found),
        }
    }
    Err(match found {
        Some(found) => ToolchainError::OtherBindgen { found, version },
        None => ToolchainError::NoBindgen { version },
    })
}

fn bindgen_version(lock: &Path) -> Result<String, ToolchainError> {
    let text =
        fs::read_to_string(lock).map_err(|source| ToolchainError::NoSources { path: lock.to_owned(), source })?;
    let mut lines = text.lines().skip_while(|line| *line != r#"name = "wasm-bindgen""#);
    let version = lines.nth(1).and_then(|line| line.strip_prefix(r#"version = ""#)?.strip_suffix('"'));
    version.map(str::to_owned).ok_or_else(|| ToolchainError::NoVersion { path: lock.to_owned() })
}
