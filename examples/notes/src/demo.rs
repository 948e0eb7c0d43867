//! Two devices and a host in one process, with many notes.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;
use std::time::Duration;

use diplomatic::Seed;
use diplomatic::sync::Phase;
use diplomatic_host::{Host, MemoryStore, Server};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::account::Account;
use crate::device::Device;
use crate::event::{Event, FolderEvent, NoteEvent};
use crate::library::folder_named;
use crate::ui::{self, Pane};

/// How many events are written in one transaction.
const BATCH: u64 = 1_000;

/// Makes `count` notes on a phone, brings them to a laptop, and shows both side by side.
///
/// # Errors
///
/// Those of the devices and of the terminal.
pub fn demo(count: u64) -> Result<(), Box<dyn Error + Send + Sync>> {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::new()?;
    let host = format!("http://{}", runtime.block_on(start_host())?);
    let seed = Seed::random();
    let phone = open(&seed, &folder.path().join("phone"), &host)?;
    make_notes(&phone, count, &bar("The phone writes notes", count))?;
    catch_up(&phone, "The phone makes its index")?;
    let laptop = open(&seed, &folder.path().join("laptop"), &host)?;
    sync(&phone, &laptop, count)?;
    catch_up(&laptop, "The laptop makes its index")?;
    ui::run(&mut [Pane::new("phone", phone)?, Pane::new("laptop", laptop)?])?;
    Ok(())
}

/// Starts a host that ends with this process. What it stores, it cannot read.
async fn start_host() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(Server::new(Host::new(MemoryStore::new())).serve(listener, std::future::pending()));
    Ok(address)
}

fn open(seed: &Seed, directory: &Path, host: &str) -> Result<Device, Box<dyn Error + Send + Sync>> {
    std::fs::create_dir(directory)?;
    Ok(Device::open(Account { seed: seed.clone(), directory: directory.to_owned() }, Some(host))?)
}

/// Writes `count` notes in a few folders.
///
/// # Errors
///
/// Those of the device.
pub fn make_notes(device: &Device, count: u64, bar: &ProgressBar) -> Result<(), diplomatic::EmitError> {
    let folders = ["Home", "Work", "Recipes", "Travel"];
    let named = folders.map(|name| FolderEvent::Named { folder: folder_named(name), name: name.to_owned() }.into());
    device.client().emit_all(named.to_vec())?;
    for first in (0..count).step_by(usize::try_from(BATCH).unwrap_or(usize::MAX)) {
        let numbers = first..count.min(first + BATCH);
        let notes: Vec<Event> = numbers.clone().map(|number| note(number).into()).collect();
        let notes = device.client().emit_all(notes)?;
        let filed =
            notes.into_iter().zip(numbers.clone()).filter(|(_, number)| number % 3 == 0).map(|(note, number)| {
                let name = folders[usize::try_from(number).unwrap_or_default() / 3 % folders.len()];
                NoteEvent::Filed { note: note.into(), folder: Some(folder_named(name)) }.into()
            });
        device.client().emit_all(filed.collect())?;
        bar.set_position(numbers.end);
    }
    bar.finish();
    Ok(())
}

const WORDS: [&str; 40] = [
    "apple",
    "bicycle",
    "budget",
    "call",
    "candle",
    "coffee",
    "dentist",
    "dinner",
    "email",
    "family",
    "flight",
    "garden",
    "guitar",
    "holiday",
    "idea",
    "invoice",
    "kitchen",
    "lamp",
    "letter",
    "meeting",
    "milk",
    "mountain",
    "museum",
    "music",
    "neighbour",
    "paint",
    "passport",
    "pension",
    "photo",
    "piano",
    "recipe",
    "river",
    "school",
    "shelf",
    "shop",
    "train",
    "umbrella",
    "visit",
    "window",
    "winter",
];

/// Makes up a note of about 600 characters; the same number gives the same one.
fn note(number: u64) -> NoteEvent {
    let mut chance = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut word = || {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        WORDS[usize::try_from(chance % 40).unwrap_or_default()]
    };
    let title = format!("{} {} {}", word(), word(), number);
    let text: Vec<String> = (0..9).map(|_| (0..10).map(|_| word()).collect::<Vec<_>>().join(" ")).collect();
    NoteEvent::Added { title, text: text.join("\n") }
}

fn sync(from: &Device, to: &Device, count: u64) -> Result<(), diplomatic::LogError> {
    let bar = bar("The host passes them on to the laptop", count);
    from.client().sync()?;
    let client = to.client().clone();
    let syncing = thread::spawn({
        let client = client.clone();
        move || client.sync()
    });
    while !syncing.is_finished() {
        if let Some(Phase::FirstSync(progress)) = client.status().hosts().first().map(|host| &host.status.phase) {
            bar.set_position(progress.done.min(count));
        }
        thread::sleep(Duration::from_millis(50));
    }
    syncing.join().unwrap_or(Err(diplomatic::LogError::Closed))?;
    bar.finish();
    Ok(())
}

fn catch_up(device: &Device, what: &'static str) -> Result<(), crate::device::DeviceError> {
    let bar = bar(what, 0);
    let counted = bar.clone();
    device.catch_up(move |progress| {
        counted.set_length(progress.total);
        counted.set_position(progress.done);
    })?;
    bar.finish();
    Ok(())
}

/// Returns a progress bar.
pub fn bar(what: &'static str, count: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:38} {bar:40} {human_pos} of {human_len}, {elapsed}");
    ProgressBar::new(count).with_message(what).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
