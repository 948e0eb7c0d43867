//! What a backup that was killed leaves behind.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::support::account::Account;
use super::{Site, push, register};

fn parts(site: &Site) -> Vec<(std::path::PathBuf, u64)> {
    let entries = fs::read_dir(site.folder.path()).unwrap().flatten();
    let parts = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".diplomatic-host-backup-"));
    parts.map(|entry| (entry.path(), entry.metadata().map_or(0, |it| it.len()))).collect()
}

fn backup(site: &Site, name: &str) -> std::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diplomatic-host"));
    command.arg("backup").arg(site.path(name)).arg("--data").arg(site.path("host.redb"));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[tokio::test]
async fn what_a_killed_backup_leaves_is_gone_after_the_next_one_and_one_that_runs_is_left_alone() {
    let site = Site::new();
    let host = site.serve(&[]);
    let account = Account::new(1);
    register(host.address, &account, "/user").await;
    for _ in 0..8 {
        push(host.address, &account, 8, 1 << 20).await;
    }
    // Killed as soon as something came, until one is killed in time.
    let begun = Instant::now();
    while parts(&site).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        let mut killed = backup(&site, "killed");
        while parts(&site).iter().all(|(_, size)| *size == 0) && killed.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    let precious = site.path(".backup-of-mine");
    fs::write(&precious, "precious").unwrap();
    let mut together = ["one", "two", "three"].map(|name| backup(&site, name));
    for backup in &mut together {
        assert!(backup.wait().unwrap().success());
    }
    assert!(parts(&site).is_empty(), "{:?}", parts(&site));
    assert!(precious.exists());
    for name in ["one", "two", "three"] {
        assert!(fs::metadata(site.path(name)).unwrap().len() > 60 << 20);
    }
}
