//! From the sources to the two files of the device: the program in WebAssembly, and the module that loads it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::toolchain::{Compiler, TARGET, ToolchainError, find_bindgen};
use crate::tell;

/// The program for the browser.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) module: Vec<u8>,
    pub(super) wasm: Vec<u8>,
}

/// Why it could not be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    #[error("{tool} cannot be started: {source}")]
    Start { tool: String, source: io::Error },
    #[error("{tool} has failed, as it says above")]
    Failed { tool: String },
    #[error("{} cannot be read: free some room on the disk, and try again", .path.display())]
    Read { path: PathBuf, source: io::Error },
}

pub(super) fn build() -> Result<Built, BuildError> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = package.ancestors().nth(2).unwrap_or(package);
    let compiler = Compiler::find()?;
    let bindgen = find_bindgen(&workspace.join("Cargo.lock"))?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let folder = target.join(compiler.folder());

    tell("Building the program for the browser. The first time, this takes some minutes.");
    let mut cargo = compiler.cargo();
    cargo
        .current_dir(workspace)
        .args(["--locked", "--profile", "site", "--target", TARGET, "--target-dir"])
        .arg(&folder);
    cargo.args(["--package", "todo", "--bin", "todo-web", "--features", "web"]);
    run(&mut cargo)?;

    let made = folder.join(TARGET).join("site").join("todo-web.wasm");
    let out = folder.join("bound");
    run(Command::new(bindgen)
        .args([
            "--target",
            "web",
            "--no-typescript",
            "--remove-name-section",
            "--remove-producers-section",
            "--out-dir",
        ])
        .arg(&out)
        .arg(made))?;
    Ok(Built { module: read(out.join("todo-web.js"))?, wasm: read(out.join("todo-web_bg.wasm"))? })
}

fn run(command: &mut Command) -> Result<(), BuildError> {
    let tool = command.get_program().to_string_lossy().into_owned();
    // Standard output is for the address.
    let status = command.stdin(Stdio::null()).stdout(io::stderr()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(BuildError::Failed { tool }),
        Err(source) => Err(BuildError::Start { tool, source }),
    }
}

fn read(path: PathBuf) -> Result<Vec<u8>, BuildError> {
    fs::read(&path).map_err(|source| BuildError::Read { path, source })
}
