//! The program on a terminal, as its user sees it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diplomatic_host::{Host, MemoryStore, Server};
use support::{Terminal, notes, open};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A host in a runtime of its own.
fn host() -> (String, Runtime) {
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(Server::new(Host::new(MemoryStore::new())).serve(listener, std::future::pending()));
    (format!("http://{address}"), runtime)
}

/// Starts a first device that is in sync, and returns it with the data directory of a second one of the same account.
fn in_sync(folder: &Path, host: &str) -> (Terminal, PathBuf) {
    let (phone, laptop) = (folder.join("phone"), folder.join("laptop"));
    let terminal = open(&phone, Some(host));
    terminal.wait_for("in sync");
    fs::create_dir(&laptop).unwrap();
    fs::copy(phone.join("seed"), laptop.join("seed")).unwrap();
    (terminal, laptop)
}

#[test]
fn a_note_is_written_found_and_still_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut terminal = open(&data, None);
    terminal.wait_for("No notes");
    terminal.control('n');
    terminal.press("Shopping\rmilk and bread");
    terminal.press("\x1b");
    terminal.wait_for("1 notes");
    terminal.control('n');
    terminal.press("Travel\rpassport");
    terminal.press("\x1b");
    terminal.wait_for("2 notes");
    terminal.press("mil");
    terminal.wait("the search", |text| text.contains("milk and bread") && !text.contains("Travel"));
    terminal.press("xyz");
    terminal.wait_for("Nothing found");
    terminal.kill();

    let terminal = open(&data, None);
    terminal.wait("both notes", |text| text.contains("Shopping") && text.contains("Travel"));
    assert!(terminal.quit().success());
}

#[test]
fn what_is_typed_is_saved_after_a_pause_without_any_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut terminal = open(&data, None);
    terminal.wait_for("No notes");
    terminal.control('n');
    terminal.press("Idea");
    terminal.wait_for("1 notes");
    terminal.kill();
    open(&data, None).wait_for("Idea");
}

#[test]
fn undo_redo_and_history_bring_back_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = open(&folder.path().join("data"), None);
    terminal.wait_for("No notes");
    terminal.control('n');
    terminal.press("Plan\rfirst\x1b");
    terminal.wait_for("1 notes");
    terminal.press("\r");
    // Down to the text, and to its end.
    terminal.press("\x1b[B\x1b[F and second");
    terminal.press("\x1b");
    terminal.wait_for("first and second");
    terminal.control('z');
    terminal.wait("the undone note", |text| text.contains("Undone") && !text.contains("second"));
    terminal.control('y');
    terminal.wait_for("first and second");
    terminal.control('d');
    terminal.wait_for("No notes");
    terminal.control('z');
    terminal.wait_for("first and second");

    terminal.control('r');
    terminal.wait_for("written, 16 characters");
    // The earliest is the last line; its note has not been changed yet.
    terminal.press("\x1b[B".repeat(20).as_str());
    terminal.wait("the note as it was", |text| text.contains("first") && !text.contains("first and second"));
    terminal.press("\r");
    terminal.wait("the note brought back", |text| text.contains("again. Ctrl-Z") && !text.contains("second"));
    terminal.control('z');
    terminal.wait_for("first and second");
    assert!(terminal.quit().success());
}

#[test]
fn folders_and_tags_narrow_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = open(&folder.path().join("data"), None);
    terminal.wait_for("No notes");
    for (number, (title, tag, file)) in [("One", "red", "Home"), ("Two", "blue", "Work")].into_iter().enumerate() {
        terminal.control('n');
        terminal.press(&format!("{title}\x1b"));
        terminal.wait_for(&format!("{} notes", number + 1));
        terminal.wait("the new note is selected", |text| text.lines().any(|line| line.contains(title)));
        terminal.control('t');
        terminal.wait_for("Tags ›");
        terminal.press(&format!("{tag}\r"));
        terminal.wait_for(&format!("#{tag}"));
        terminal.control('f');
        terminal.wait_for("Folder ›");
        terminal.press(&format!("{file}\r"));
        terminal.wait_for(&format!("in {file}"));
    }
    terminal.press("#RED");
    terminal.wait("the red note", |text| text.contains("One") && !text.contains("Two"));
    terminal.press("\x1b");
    terminal.wait_for("Two");
    terminal.control('l');
    terminal.wait("the folder Home", |text| text.contains("in Home ›") && !text.contains("Two"));
    terminal.control('l');
    terminal.wait("the folder Work", |text| text.contains("in Work ›") && !text.contains("One"));
    terminal.control('l');
    terminal.wait("all notes", |text| text.contains("One") && text.contains("Two"));
}

#[test]
fn what_one_device_writes_is_on_the_screen_of_the_other_within_a_second_also_while_it_is_open_there() {
    let (host, _runtime) = host();
    let folder = tempfile::tempdir().unwrap();
    let (mut one, laptop) = in_sync(folder.path(), &host);
    let mut other = open(&laptop, Some(&host));
    other.wait_for("in sync");

    one.control('n');
    one.press("Guests\ranna\x1b");
    one.wait("the note in the list", |text| text.contains("1 notes") && text.contains("anna"));
    other.wait("the note in the list", |text| text.contains("1 notes") && text.contains("anna"));
    // Both look at it in the editor.
    one.press("\r\x1b[B\x1b[F");
    other.press("\r\x1b[B\x1b[F");
    one.press(" and ben");
    one.wait_for("anna and ben");
    let took = other.wait_for("anna and ben");
    println!("{took:?} after it was typed");
    // The cursor of the other is where it was.
    other.press(", carl");
    one.wait_for("anna, carl and ben");
    assert!(one.quit().success() && other.quit().success());
}

#[test]
fn a_file_that_one_device_attaches_is_saved_on_the_other() {
    let (host, _runtime) = host();
    let folder = tempfile::tempdir().unwrap();
    let picture: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(folder.path().join("sea.jpg"), &picture).unwrap();
    let (mut one, laptop) = in_sync(folder.path(), &host);
    one.control('n');
    one.press("Holiday\x1b");
    one.wait("the note in the list", |text| text.contains("1 notes") && text.contains("^N new"));
    one.control('a');
    one.wait_for("Path of a file");
    one.press(&format!("{}\r", folder.path().join("sea.jpg").display()));
    one.wait_for("file sea.jpg (700 kB)");
    one.wait_for("in sync");

    let saved = folder.path().join("saved");
    fs::create_dir(&saved).unwrap();
    let mut other = Terminal::start(30, 120, |command| {
        command.arg("--data").arg(&laptop).env("DIP_HOST", &host).current_dir(&saved);
    });
    other.wait_for("file sea.jpg (700 kB)");
    other.control('s');
    other.wait_for("Save here the file › sea.jpg");
    other.press("\r");
    other.wait_for("sea.jpg is saved");
    assert_eq!(fs::read(saved.join("sea.jpg")).unwrap(), picture);
    // It replaces no file that is there.
    other.control('s');
    other.press("\r");
    other.wait_for("That did not work");
    other.control('a');
    other.press("-sea.jpg\r");
    one.wait("the note without the file", |text| !text.contains("700 kB"));
}

#[test]
fn a_device_that_was_offline_catches_up() {
    let (host, _runtime) = host();
    let folder = tempfile::tempdir().unwrap();
    let (mut one, laptop) = in_sync(folder.path(), &host);
    let mut other = open(&laptop, Some(&host));
    other.wait_for("in sync");
    other.control('o');
    other.wait_for("offline");
    one.control('n');
    one.press("From the phone\x1b");
    one.wait_for("1 notes");
    other.control('n');
    other.press("From the laptop\x1b");
    other.wait_for("1 notes");
    other.control('o');
    for terminal in [&one, &other] {
        terminal.wait("both notes", |text| text.contains("From the phone") && text.contains("From the laptop"));
    }
}

#[test]
fn the_demo_shows_two_devices_side_by_side() {
    let mut terminal = Terminal::start(40, 160, |command| {
        command.args(["demo", "--notes", "300"]);
    });
    terminal.wait("both devices", |text| text.contains("phone · 300 notes") && text.contains("laptop · 300 notes"));
    terminal.control('n');
    terminal.press("Side by side\x1b");
    terminal
        .wait("the note on both", |text| text.matches("Side by side").count() >= 3 && text.contains("laptop · 301"));
    terminal.press("\t");
    terminal.press("side by");
    terminal.wait("the search on the laptop", |text| text.contains("› side by"));
    assert!(terminal.quit().success());
}

#[test]
fn a_terminal_that_is_too_small_shows_what_it_can() {
    let folder = tempfile::tempdir().unwrap();
    for (rows, columns) in [(1, 1), (2, 10), (6, 20), (12, 40)] {
        let data = folder.path().join("data");
        let terminal = Terminal::start(rows, columns, |command| {
            command.arg("--data").arg(&data);
        });
        std::thread::sleep(Duration::from_millis(200));
        assert!(terminal.quit().success(), "{rows} x {columns}");
    }
}

#[test]
fn without_a_terminal_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let output =
        notes().arg("--data").arg(folder.path().join("data")).stdin(std::process::Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "), "{output:?}");
}
