//! The pictures of the README, taken from the programs themselves:
//!
//! ```sh
//! cargo test -p todo --test browser -- --ignored pictures
//! ```

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::browser::in_browser;
use crate::support::device::Program;
use crate::support::page::Page;
use crate::support::pair::Pair;

#[test]
#[ignore = "it writes examples/todo/pictures/demo.png"]
fn of_the_demo() {
    in_browser(|browser| {
        let demo = Program::demo();
        let phone = browser.open(&demo.address, "phone");
        phone.resize(1280, 800, 1);
        let laptop = phone.device("laptop");
        phone.is_in_sync();
        laptop.add_list("Holidays");
        laptop.show_list("Inbox");
        phone.add("Return the library books");
        laptop.item("Return the library books");
        laptop.tick("Water the plants");
        phone.until("have it ticked", |view| view.lines().contains(&"✓ Water the plants".to_owned()));
        phone.click("button[role=switch]");
        phone.until("be offline", |view| view.status.starts_with("Offline"));
        phone.rename("Buy oat milk", "Buy two litres of oat milk");
        phone.add("Ask Ada about the tent");
        laptop.tick("Buy oat milk");
        laptop.is_in_sync();
        phone.until("have two changes waiting", |view| view.pending == Some(2));
        settle(&phone);
        save(&phone, "todo/pictures/demo.png");
    });
}

#[test]
#[ignore = "it writes examples/todo/pictures/phone.png"]
fn of_a_phone_in_the_dark() {
    in_browser(|browser| {
        let pair = Pair::start();
        let page = browser.open(pair.phone.address(), "this");
        page.become_phone();
        page.prefer("dark");
        page.add_list("Holidays");
        page.add_list("Work");
        page.show_list("Holidays");
        for title in ["Passports", "Book the night train to Hamburg", "Ask Ada about the tent", "Sun hats"] {
            page.add(title);
        }
        page.tick("Passports");
        page.note("Book the night train to Hamburg", "two beds, lower deck");
        let in_three_days: String = page.run("return new Date(Date.now() + 3 * 864e5).toISOString().slice(0, 10)", &[]);
        page.set_due("Book the night train to Hamburg", &in_three_days);
        page.click("h3");
        page.is_in_sync();
        page.run::<()>("scrollTo(0, 0)", &[]);
        settle(&page);
        save(&page, "todo/pictures/phone.png");
    });
}

#[test]
#[ignore = "it writes examples/status/pictures/demo.png"]
fn of_the_demo_of_status() {
    in_browser(|browser| {
        let output = Command::new(env!("CARGO")).args(["run", "--quiet", "-p", "status", "--", "demo"]).output();
        let output = output.expect("cargo is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = format!("$ cargo run --release -p status -- demo\n\n{}", String::from_utf8_lossy(&output.stdout));
        let page = browser.open("about:blank", "this");
        page.run::<()>(include_str!("terminal.js"), &[json!(text)]);
        let (width, height): (u32, u32) =
            page.run("return [760, Math.ceil(document.querySelector('pre').getBoundingClientRect().bottom) + 24]", &[]);
        page.resize(width, height, 2);
        save(&page, "status/pictures/demo.png");
    });
}

/// Waits until nothing moves, and no caret blinks.
fn settle(page: &Page<'_>) {
    page.run::<()>("document.activeElement.blur()", &[]);
    page.until("have settled", |_| page.run("return document.getAnimations().length === 0", &[]));
}

/// Writes what the window shows to a file of the examples.
fn save(page: &Page<'_>, file: &str) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is one of the examples");
    let file = examples.join(file);
    fs::create_dir_all(file.parent().expect("it is in a folder")).expect("the folder can be made");
    let picture = page.screenshot();
    assert!(picture.len() < 200_000, "{} has {} bytes: too many for a README", file.display(), picture.len());
    fs::write(&file, picture).expect("the picture can be written");
}
