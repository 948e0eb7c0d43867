//! Devices that are killed, and devices whose disk is full.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use diplomatic::standard::Seed;
use diplomatic::{Client, EmitError, LogError};
use diplomatic_simulation::todo::{Event, Todos, added};
use diplomatic_simulation::world::Chance;

use crate::device::{Device, brisk, caught_up, state, todos};
use crate::host::{TestHost, new_seed};

const STORE: &str = "EMIT_INTO";
const SEED: &str = "EMIT_AS";
const HOST: &str = "EMIT_TO";
const ROUND: &str = "EMIT_ROUND";

/// This is no test but the program that [`what_was_acknowledged_survives_kill_9`] kills: it emits without an end, and
/// tells of each event that was acknowledged.
#[tokio::test]
async fn emitter() {
    let Ok(store) = std::env::var(STORE) else { return };
    let seed: Seed = std::env::var(SEED).unwrap().parse().unwrap();
    let round = std::env::var(ROUND).unwrap();
    let builder = Client::<Todos>::builder(seed).store(store).session_config(brisk());
    let client = builder.host(std::env::var(HOST).unwrap()).open().await.unwrap();
    for n in 0.. {
        let single = format!("round {round} single {n}");
        client.emit(added(&single)).await.unwrap();
        tell(&[single]);
        let several: Vec<String> = (0..n % 7).map(|part| format!("round {round} several {n} {part}")).collect();
        client.emit_all(several.iter().map(added).collect()).await.unwrap();
        tell(&several);
    }
}

fn tell(titles: &[String]) {
    let lines: String = titles.iter().map(|title| format!("\nemitted {title}\n")).collect();
    let mut out = std::io::stdout().lock();
    out.write_all(lines.as_bytes()).unwrap();
    out.flush().unwrap();
}

fn start(store: &Path, seed: &Seed, host: &str, round: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::emitter", "--nocapture"])
        .env(STORE, store)
        .env(SEED, &*seed.expose_hex())
        .env(HOST, host)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let (host, seed) = (TestHost::start().await, new_seed());
    let device = Device::new(&seed);
    let mut chance = Chance::new(9);
    let mut acknowledged = Vec::new();
    for round in 0..25 {
        let mut child = start(&device.path(), &seed, &host.url(), round);
        let out = BufReader::new(child.stdout.take().unwrap());
        let life = Duration::from_micros(chance.below(60_000));
        let (first, is_first_here) = tokio::sync::oneshot::channel();
        let reading = tokio::task::spawn_blocking(move || {
            let lines = out.lines().map_while(Result::ok);
            let mut first = Some(first);
            let emitted = lines.filter_map(|line| line.strip_prefix("emitted ").map(str::to_owned));
            emitted.inspect(|_| first.take().into_iter().for_each(|first| first.send(()).unwrap())).collect::<Vec<_>>()
        });
        // Every fifth is killed while it starts, the others while they write, however slow the machine is.
        if round % 5 > 0 {
            is_first_here.await.unwrap();
        }
        tokio::time::sleep(life).await;
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(reading.await.unwrap());

        let client = device.builder().open().await.unwrap();
        let titles = client.read(|todos| todos.titles());
        for title in &acknowledged {
            assert!(titles.binary_search(title).is_ok(), "{title:?} was acknowledged, and it is gone");
        }
        let mut once = titles.clone();
        once.dedup();
        assert_eq!(once, titles, "nothing is there twice");
        client.close().await;
    }
    assert!(acknowledged.len() >= 20, "only {} events were acknowledged", acknowledged.len());
    let client = device.open(&host.url()).await;
    caught_up(&client).await;
    assert_eq!(host.count(&seed), client.read(|todos| todos.items.len()));
    let laptop = Device::new(&seed);
    let laptop = laptop.open(&host.url()).await;
    caught_up(&laptop).await;
    assert_eq!(todos(&laptop), todos(&client));
}

/// A small disk of its own; only root can make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        disk.mount_as("size=2500k").then_some(disk)
    }

    fn grow(&self) {
        assert!(self.mount_as("remount,size=64m"));
    }

    fn mount_as(&self, options: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.0.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("todo.redb")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).stderr(Stdio::null()).status();
    }
}

#[tokio::test]
async fn full_disk_is_an_error_that_loses_nothing_and_passes_without_reopening() {
    // What does not need root is tested on a simulated disk, beside the log.
    let Some(disk) = SmallDisk::mount() else { return };
    let (host, seed) = (TestHost::start().await, new_seed());
    let client = Client::<Todos>::builder(seed.clone()).store(disk.file()).session_config(brisk());
    let client = client.host(host.url()).open().await.unwrap();
    let text = |n: usize| format!("{n} {}", "x".repeat(30_000));
    let mut emitted = 0;
    let error = loop {
        match client.emit(added(text(emitted))).await {
            Ok(_) => emitted += 1,
            Err(error) => break error,
        }
        assert!(emitted < 1000, "the disk is full some time");
    };
    assert!(matches!(error, EmitError::Log(LogError::Storage(_))), "{error:?}");
    assert!(emitted > 3, "{emitted}");
    for _ in 0..5 {
        // What the host acknowledges meanwhile makes a little room.
        emitted += usize::from(client.emit(added(text(emitted))).await.is_ok());
        assert_eq!(client.read(|todos| todos.items.len()), emitted);
    }
    disk.grow();
    client.emit(Event::Status("there is room".into())).await.unwrap();
    client.emit(added(text(emitted))).await.unwrap();
    caught_up(&client).await;
    assert_eq!(host.count(&seed), emitted + 2);
    let laptop = Device::new(&seed);
    let laptop = laptop.open(&host.url()).await;
    state(&laptop, "it is on the laptop", |todos| todos.items.len() == emitted + 1).await;
    let before = todos(&client);
    client.close().await;
    let client = Client::<Todos>::builder(seed).store(disk.file()).open().await.unwrap();
    assert_eq!(todos(&client), before);
    client.close().await;
}
