//! Measures the client in Chromium: `cargo run --release -p diplomatic-browser --bin figures`.

#[cfg(target_family = "wasm")]
fn main() {}

#[cfg(not(target_family = "wasm"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    figures::run()
}

#[cfg(not(target_family = "wasm"))]
mod figures {
    use std::error::Error;
    use std::net::Ipv4Addr;
    use std::path::Path;
    use std::sync::Arc;

    use diplomatic_browser::{Task, chromium};
    use diplomatic_host::{Host, RedbStore, Server};
    use tokio::net::TcpListener;

    const EVENTS: u32 = 100_000;
    const SYNCED: u32 = 20_000;
    const EMITTED: u32 = 200;
    const RUNS: usize = 5;

    pub(super) fn run() -> Result<(), Box<dyn Error>> {
        let site = chromium::build(&[])?;
        let size = std::fs::metadata(site.join("worker_bg.wasm"))?.len();
        println!("the program for the browser has {size} bytes");
        tokio::runtime::Runtime::new()?.block_on(measure(&site))
    }

    async fn measure(site: &Path) -> Result<(), Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let host = Arc::new(Host::new(RedbStore::open(folder.path().join("host.redb"))?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(Server::new(host).serve(listener, std::future::pending()));
        let store = |name: &str| name.to_owned();
        let mut tasks = vec![
            Task::Emit { store: store("emit"), count: EMITTED },
            Task::Fill { store: store("fill"), count: EVENTS },
            Task::Open { store: store("fill") },
            Task::Upload { store: store("upload"), host: address.clone(), count: SYNCED },
        ];
        tasks.extend((0..RUNS).map(|_| Task::Open { store: store("fill") }));
        tasks.extend((0..RUNS).map(|run| Task::Sync { store: format!("sync {run}"), host: address.clone() }));
        let outcomes = chromium::carry_out(site, &tasks).await?;
        serving.abort();
        if let Some(error) = outcomes.iter().find_map(|outcome| outcome.error.clone()) {
            return Err(error.into());
        }
        let of = |wanted: fn(&Task) -> bool| -> Vec<f64> {
            let found = tasks.iter().zip(&outcomes).filter(|(task, _)| wanted(task));
            found.flat_map(|(_, outcome)| outcome.millis.iter().copied()).collect()
        };
        say(&format!("emit, {EMITTED} one after the other"), of(|task| matches!(task, Task::Emit { .. })));
        let mut opened = of(|task| matches!(task, Task::Open { .. }));
        say(&format!("open {EVENTS} events for the first time"), vec![opened.remove(0)]);
        say(&format!("open {EVENTS} events with a snapshot"), opened);
        say(&format!("emit and upload {SYNCED}"), of(|task| matches!(task, Task::Upload { .. })));
        say(&format!("first sync of {SYNCED}"), of(|task| matches!(task, Task::Sync { .. })));
        Ok(())
    }

    fn say(what: &str, mut millis: Vec<f64>) {
        millis.sort_by(f64::total_cmp);
        let (median, most) = (millis[millis.len() / 2], millis[millis.len() - 1]);
        println!("{what}: median {median:.1} ms, most {most:.1} ms, of {}", millis.len());
    }
}
