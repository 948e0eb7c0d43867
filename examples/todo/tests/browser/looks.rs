//! On a phone, in the dark, and for eyes that want contrast.

use crate::support::browser::{Browser, in_browser};
use crate::support::device::{Device, Program};
use crate::support::judge::{beyond_the_edge, faint_texts, too_small_for_a_finger};
use crate::support::page::Page;

#[test]
fn a_phone_shows_all_without_scrolling_sideways() {
    in_browser(|browser| {
        let device = Device::start(None);
        let page = furnished(browser, &device);
        page.become_phone();
        assert_eq!(beyond_the_edge(&page), [""; 0]);
        let demo = Program::demo();
        let phone = browser.open(&demo.address, "phone");
        phone.become_phone();
        phone.is_in_sync();
        assert_eq!(beyond_the_edge(&phone), [""; 0]);
    });
}

#[test]
fn a_finger_hits_every_control() {
    in_browser(|browser| {
        let device = Device::start(None);
        let page = furnished(browser, &device);
        page.become_phone();
        assert_eq!(too_small_for_a_finger(&page), [""; 0]);
        let demo = Program::demo();
        let phone = browser.open(&demo.address, "phone");
        phone.become_phone();
        phone.is_in_sync();
        assert_eq!(too_small_for_a_finger(&phone), [""; 0]);
    });
}

#[test]
fn text_stands_out_in_the_light_and_in_the_dark() {
    in_browser(|browser| {
        let device = Device::start(None);
        let page = furnished(browser, &device);
        let demo = Program::demo();
        let phone = browser.open(&demo.address, "phone");
        phone.tick("Buy oat milk");
        phone.tick("Water the plants");
        phone.tick("Water the plants");
        phone.with("button[role=switch]", async |switch| switch.click().await);
        phone.until("be offline", |view| view.status.starts_with("Offline"));
        phone.add("Bread");
        phone.until("have something overwritten in the log", |view| view.log.len() > 5);
        let mut backgrounds = Vec::new();
        for scheme in ["light", "dark"] {
            for page in [&page, &phone] {
                page.prefer(scheme);
                let faint = faint_texts(page);
                assert!(faint.is_empty(), "in the {scheme}: {faint:#?}");
            }
            backgrounds.push(page.run::<String>("return getComputedStyle(document.body).backgroundColor", &[]));
        }
        assert_ne!(backgrounds[0], backgrounds[1], "the dark is another scheme");
    });
}

/// Opens a page with something of everything on it.
fn furnished<'a>(browser: &'a Browser, device: &Device) -> Page<'a> {
    let page = browser.open(device.address(), "this");
    for list in
        ["Work", "A list with a rather long name that goes on", "Weekend", "Rechtsschutzversicherungsgesellschaften"]
    {
        page.add_list(list);
    }
    page.show_list("Work");
    for title in ["Report", "Write to Ada about the conference in Rotterdam next spring, and to Bob as well", "Answer"]
    {
        page.add(title);
    }
    page.tick("Answer");
    page.note("Report", "three pages at most");
    page.set_due("Report", "2001-05-17");
    page.open_details("Answer");
    page.click(r#"input[aria-label="New item"]"#);
    page.write(" ");
    page.press("Enter");
    page.complains_of("at least one letter");
    page
}
