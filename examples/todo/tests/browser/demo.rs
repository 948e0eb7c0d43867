//! `todo demo`: what a newcomer sees in ten seconds.

use crate::support::browser::{Browser, in_browser};
use crate::support::device::Program;
use crate::support::page::Page;
use crate::support::view::View;

#[test]
fn the_demo_shows_two_devices_in_agreement() {
    in_browser(|browser| {
        let demo = Program::demo();
        let [phone, laptop] = open(browser, &demo);
        let there = phone.is_in_sync();
        assert_eq!(there.lines(), laptop.is_in_sync().lines());
        assert!(there.items.len() >= 3, "{there:#?}");
        phone.add("Oat milk");
        laptop.item("Oat milk");
        laptop.tick("Oat milk");
        phone.until("have it ticked", |view| view.item("Oat milk").is_some_and(|item| item.done));
    });
}

#[test]
fn what_happens_offline_waits_and_then_both_changes_are_kept() {
    in_browser(|browser| {
        let demo = Program::demo();
        let [phone, laptop] = open(browser, &demo);
        phone.add("Milk");
        laptop.item("Milk");
        for device in [&phone, &laptop] {
            switch_offline(device, true);
            device.until("say that it is offline", |view| view.status.starts_with("Offline"));
        }
        phone.rename("Milk", "Oat milk");
        phone.until("have one change waiting", |view| {
            view.pending == Some(1) && view.status == "Offline, 1 change waits"
        });
        laptop.tick("Milk");
        laptop.add("Bread");
        laptop.until("have two changes waiting", |view| {
            view.pending == Some(2) && view.status == "Offline, 2 changes wait"
        });
        assert!(phone.look().is_some_and(|view| view.item("Bread").is_none()));
        switch_offline(&phone, false);
        phone.is_in_sync();
        switch_offline(&laptop, false);
        for device in [&phone, &laptop] {
            device.until("have both changes", |view| {
                view.lines().ends_with(&["✓ Oat milk".to_owned(), "Bread".to_owned()])
            });
            device.is_in_sync();
        }
    });
}

#[test]
fn the_log_tells_what_happened_and_keeps_the_newest_in_sight() {
    in_browser(|browser| {
        let demo = Program::demo();
        let [phone, laptop] = open(browser, &demo);
        for title in ["one", "two", "three", "four", "five", "six"] {
            phone.add(title);
        }
        phone.rename("six", "half a dozen");
        phone.tick("half a dozen");
        let last = |view: &View, parts: &[&str]| {
            let line = view.log.last().cloned().unwrap_or_default();
            parts.iter().all(|part| line.contains(part))
        };
        phone.until("log the tick", |view| last(view, &["Ticked", "half a dozen", "here"]));
        let there = laptop.until("log the tick", |view| last(view, &["Ticked", "half a dozen", "from the host"]));
        assert!(there.log.iter().any(|line| line.contains("Renamed") && line.contains("six")), "{there:#?}");
        for device in [&phone, &laptop] {
            device.until("have the newest line in sight", |_| {
                let is_in_sight = "const list = document.querySelector(arguments[0]);
                    const box = list.getBoundingClientRect(), line = list.lastElementChild.getBoundingClientRect();
                    return list.scrollHeight > list.clientHeight && line.top >= box.top && line.bottom <= box.bottom;";
                device.run(is_in_sight, &[device.within(r#"ol[aria-label="Event log"]"#).into()])
            });
        }
    });
}

/// Opens the demo, and returns both of its devices.
fn open<'a>(browser: &'a Browser, demo: &Program) -> [Page<'a>; 2] {
    let phone = browser.open(&demo.address, "phone");
    let laptop = phone.device("laptop");
    phone.is_in_sync();
    laptop.is_in_sync();
    [phone, laptop]
}

#[track_caller]
fn switch_offline(device: &Page<'_>, on: bool) {
    device.click(r#"button[role=switch][aria-label="Offline"]"#);
    device.until("have the switch turned", |_| {
        let checked = "return document.querySelector(arguments[0]).getAttribute('aria-checked')";
        device.run::<String>(checked, &[device.within("button[role=switch]").into()]) == on.to_string()
    });
}
