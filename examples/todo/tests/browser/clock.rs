//! A device with a wrong clock: the page of the others says so, and what it wrote can be changed there.

use std::time::{Duration, UNIX_EPOCH};

use diplomatic::{Client, Timestamp};
use todo::{OrderKey, TodoEvent, Todos, inbox};

use crate::support::browser::{in_browser, wait};
use crate::support::device::{Device, SEED};
use crate::support::host::RunningHost;
use crate::support::page::Page;

#[test]
fn an_item_from_a_fast_clock_is_told_and_can_be_renamed_and_ticked() {
    in_browser(|browser| {
        let host = RunningHost::start();
        let cable = host.cable();
        let device = Device::start(cable.url());
        let page = browser.open(device.address(), "this");
        page.is_in_sync();
        assert_eq!(note(&page), "");
        add_with_a_clock_two_hours_fast(&cable.url());
        page.shows(["Milk"]);
        page.until("tell of the clock", |_| note(&page).contains("1 change is dated"));
        let told = note(&page);
        assert!(told.contains("ahead of this device's clock; it came from host: set the clock"), "{told}");
        if let Ok(file) = std::env::var("CLOCK_PICTURE") {
            std::fs::write(file, page.screenshot()).expect("the picture can be written");
        }
        page.rename("Milk", "Oat milk");
        page.tick("Oat milk");
        page.shows(["✓ Oat milk"]);
        page.reload();
        page.shows(["✓ Oat milk"]);
    });
}

/// What the page says of the clocks.
fn note(page: &Page<'_>) -> String {
    page.run("const note = document.querySelector('.clock'); return note && !note.hidden ? note.textContent : ''", &[])
}

fn add_with_a_clock_two_hours_fast(url: &str) {
    let now = || Timestamp::EPOCH.plus(UNIX_EPOCH.elapsed().expect("it is after 1970") + Duration::from_secs(7_200));
    let (seed, url) = (SEED.parse().expect("it is a seed"), url.to_owned());
    wait(async move {
        let fast = Client::<Todos>::builder(seed).in_memory().clock(now).host(url).open().await.expect("it opens");
        let added = TodoEvent::Added { list: inbox(), title: "Milk".to_owned(), order: OrderKey::default() };
        fast.emit(added).await.expect("memory does not fail");
        assert!(fast.sync().await.expect("it is open").is_caught_up());
        fast.close().await;
    });
}
