//! Two devices and a host in one process, one of them offline for a while.

mod cable;
mod screen;

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use diplomatic::{Client, LogError, OpenError, Seed};
use diplomatic_host::{Host, MemoryStore, Server};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use self::cable::Cable;
use self::screen::{Screen, line, show_while};
use crate::event::{Status, StatusEvent};
use crate::text::Text;

/// Far longer than the demo ever takes.
const DEADLINE: Duration = Duration::from_secs(8);

#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("the devices did not come to agree within {} seconds", DEADLINE.as_secs())]
    TooSlow,
    #[error("the devices differ: the phone shows {phone:?}, and the laptop {laptop:?}")]
    Differ { phone: Option<String>, laptop: Option<String> },
}

/// Plays the demo. Each line is printed when what it describes has happened or is about to.
pub(crate) async fn demo() -> Result<(), Box<dyn Error>> {
    timeout(DEADLINE, play()).await.map_err(|_| DemoError::TooSlow)?
}

async fn play() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let seed = Seed::random();
    let host = start_host().await?;
    let mut cable = Cable::new(host).await?;
    line("host", "listens", &format!("on http://{host}; it cannot read what it passes on"))?;
    let phone = open(&seed, &folder.path().join("phone.redb"), format!("http://{host}")).await?;
    let laptop = open(&seed, &folder.path().join("laptop.redb"), cable.url()).await?;
    let mut screens = [Screen::new("phone", &phone), Screen::new("laptop", &laptop)];

    write(&mut screens, "phone", &phone, "Good morning").await?;
    show_while(&mut screens, laptop.wait_until(|status| status.text.is_some())).await??;

    cable.pull_out().await;
    laptop.sync().await?;
    line("laptop", "offline", "its cable is pulled")?;
    write(&mut screens, "phone", &phone, "Off for lunch").await?;
    // Two changes in the same millisecond have no clear order.
    sleep(Duration::from_millis(2)).await;
    write(&mut screens, "laptop", &laptop, "In a meeting").await?;
    laptop.status_changes().until(|status| status.pending() == 1).await?;

    line("laptop", "online", "again, with 1 change to send")?;
    cable.plug_in().await?;
    show_while(&mut screens, catch_up(&laptop)).await??;
    show_while(&mut screens, catch_up(&phone)).await??;

    let [phone_shows, laptop_shows] = screens.map(Screen::into_shown);
    if phone_shows != laptop_shows || phone_shows.is_none() {
        return Err(DemoError::Differ { phone: phone_shows, laptop: laptop_shows }.into());
    }
    line("both", "agree", &format!("on {:?}", phone_shows.unwrap_or_default()))?;
    phone.close().await;
    laptop.close().await;
    Ok(())
}

/// Starts a host that ends with this process.
async fn start_host() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(Server::new(Host::new(MemoryStore::new())).serve(listener, std::future::pending()));
    Ok(address)
}

async fn open(seed: &Seed, log: &Path, host: String) -> Result<Client<Status>, OpenError> {
    Client::builder(seed.clone()).store(log).host(host).open().await
}

async fn write(
    screens: &mut [Screen<'_>; 2],
    name: &str,
    device: &Client<Status>,
    text: &str,
) -> Result<(), Box<dyn Error>> {
    line(name, "writes", text)?;
    show_while(screens, device.emit(StatusEvent::Written(Text(text.to_owned())))).await??;
    Ok(())
}

/// Waits until the device and the host have everything of each other.
async fn catch_up(device: &Client<Status>) -> Result<(), LogError> {
    device.sync().await?;
    device.status_changes().until(|status| status.is_caught_up()).await.map(drop)
}
