//! What the README says that its tutorial prints, against what it prints.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::{env, fs, iter};

use diplomatic::Seed;
use diplomatic_host::{Host, MemoryStore, Server};
use diplomatic_tests::readme::{README, steps};
use tokio::net::TcpListener;

/// The host that the README speaks of.
const HOST: &str = "http://localhost:31337";

/// Stands before each command's output, so that it is known where it ends.
const MARK: &str = "---- next command";

/// Takes the place of cargo: runs the program of a step with the words after `--`.
const CARGO: &str = r#"#!/bin/sh
while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
[ $# -gt 0 ] && shift
exec "$README_PROGRAM" "$@"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_tutorial_prints_what_the_readme_says() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(Server::new(Host::new(MemoryStore::new())).serve(listener, std::future::pending()));

    let folder = tempfile::tempdir().unwrap();
    let cargo = folder.path().join("bin/cargo");
    fs::create_dir(folder.path().join("bin")).unwrap();
    fs::write(&cargo, CARGO).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();

    let steps = steps(README);
    assert_eq!(steps.len(), 5, "README.md has another number of steps: say so here, if that is meant");
    let seed = Seed::random();
    let mut compared = 0;
    for step in steps {
        for session in &step.sessions {
            let (commands, expected) = parse(&session.replace(HOST, &host));
            let found = run(folder.path(), step.number, &seed, &commands);
            for (command, (expected, found)) in commands.iter().zip(iter::zip(expected, found)) {
                let (number, title) = (step.number, &step.title);
                assert_eq!(
                    found, expected,
                    "in step {number} of README.md ({title}), `{command}` prints something else"
                );
                compared += 1;
            }
        }
    }
    assert!(compared >= 10, "README.md shows what {compared} commands print, and there were more");
}

/// Takes a session apart: the commands, and what each of them prints.
fn parse(session: &str) -> (Vec<String>, Vec<String>) {
    let (mut commands, mut outputs) = (Vec::new(), Vec::<String>::new());
    for line in session.lines() {
        match (line.strip_prefix("$ "), outputs.last_mut()) {
            (Some(command), _) => {
                commands.push(command.to_owned());
                outputs.push(String::new());
            }
            (None, Some(output)) => *output += &format!("{line}\n"),
            (None, None) => panic!("this session of README.md begins with no command:\n{session}"),
        }
    }
    (commands, outputs)
}

/// Runs commands in one shell, and returns what each of them prints.
fn run(folder: &Path, step: usize, seed: &Seed, commands: &[String]) -> Vec<String> {
    let script: String = commands.iter().map(|command| format!("echo '{MARK}'\n{command}\n")).collect();
    let path = format!("{}:{}", folder.join("bin").display(), env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(folder)
        .env("PATH", path)
        .env("README_PROGRAM", env!("CARGO_BIN_EXE_readme"))
        .env("README_STEP", step.to_string())
        .env("DIP_SEED", &*seed.expose_hex())
        .env_remove("DIP_HOST")
        .env_remove("STORE")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(&format!("{MARK}\n")).skip(1).map(str::to_owned).collect()
}

/// cargo refuses to run a package that has two programs, unless it is told which.
#[test]
fn every_program_that_the_readme_starts_is_the_only_one_that_its_command_can_mean() {
    let output = Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--format-version=1"]).output().unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let is_program = |target: &&serde_json::Value| target["kind"][0] == "bin";
    let mut commands = 0;
    for command in README.lines().filter(|line| line.contains("cargo run") && line.contains(" -p ")) {
        let words: Vec<_> = command.split([' ', '`']).collect();
        let after = |flag| words.iter().position(|word| *word == flag).map(|at| words[at + 1]);
        let name = after("-p").unwrap();
        let package = packages.iter().find(|package| package["name"] == name);
        let package = package.unwrap_or_else(|| panic!("there is no package {name}: {command}"));
        let programs: Vec<_> = package["targets"].as_array().unwrap().iter().filter(is_program).collect();
        let is_clear = match after("--bin") {
            Some(bin) => programs.iter().any(|program| program["name"] == bin),
            None => programs.len() == 1 || package["default_run"].is_string(),
        };
        assert!(is_clear, "{name} has several programs: name one by default-run, or in {command}");
        commands += 1;
    }
    assert!(commands >= 6, "the README starts programs");
}
