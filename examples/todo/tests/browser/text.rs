//! What people write is text, and stays what they wrote.

use serde_json::json;

use crate::support::browser::in_browser;
use crate::support::device::{Device, Program};
use crate::support::pair::Pair;

const TEXTS: [&str; 6] = [
    r#"<img src=x onerror="document.title='owned'"> & <b>bold</b>"#,
    r#"' " ` ${document.title} </script><script>document.title='owned'</script>"#,
    "👩‍👩‍👧‍👦 🇩🇪 🧑🏽‍🚀 naïve e\u{301}",
    "قائمة المشتريات: חלב",
    "javascript:alert(1) &amp; %00 \\u0000",
    "\u{202e}backwards\u{202c} and forwards",
];

#[test]
fn no_text_becomes_anything_but_text() {
    in_browser(|browser| {
        let pair = Pair::start();
        let [phone, laptop] = pair.open(browser);
        for text in TEXTS {
            phone.add(text);
        }
        laptop.shows(TEXTS);
        laptop.add_list(TEXTS[0]);
        laptop.add("x");
        laptop.rename("x", TEXTS[1]);
        laptop.note(TEXTS[1], TEXTS[0]);
        phone.until("have the list", |view| view.lists == ["Inbox", TEXTS[0]]);
        phone.show_list(TEXTS[0]);
        phone.shows_notes(TEXTS[1], TEXTS[0]);
        for page in [phone, laptop] {
            page.reload();
            page.is_in_sync();
            let found: (String, usize) =
                page.run("return [document.title, document.querySelectorAll('img, main b, main script').length]", &[]);
            assert_eq!(found, ("Todo".to_owned(), 0));
        }
    });
}

#[test]
fn the_event_log_shows_text_as_text() {
    in_browser(|browser| {
        let demo = Program::demo();
        let phone = browser.open(&demo.address, "phone");
        for text in TEXTS {
            phone.add(text);
            phone.until("log it", |view| {
                view.log
                    .last()
                    .is_some_and(|line| line.starts_with(|c: char| c.is_ascii_digit()) && line.contains("Added"))
            });
        }
        let found: (String, usize) =
            phone.run("return [document.title, document.querySelectorAll('img, main b, main script').length]", &[]);
        assert_eq!(found, ("Todo".to_owned(), 0));
    });
}

#[test]
fn long_texts_are_kept_whole_and_break_nothing() {
    in_browser(|browser| {
        let pair = Pair::start();
        let [phone, laptop] = pair.open(browser);
        phone.become_phone();
        let word = "Donaudampfschiffahrt".repeat(20);
        let notes: String = ('a'..='z').cycle().take(10_000).collect();
        phone.add(&word);
        phone.note(&word, &notes);
        laptop.shows_notes(&word, &notes);
        let widths: (u32, u32) = phone.run("return [document.documentElement.scrollWidth, innerWidth]", &[]);
        assert_eq!(widths, (360, 360), "the page scrolls sideways");
    });
}

#[test]
fn a_title_without_words_is_refused_in_words() {
    in_browser(|browser| {
        let device = Device::start(None);
        let page = browser.open(device.address(), "this");
        page.click(r#"input[aria-label="New item"]"#);
        page.write("   ");
        page.press("Enter");
        page.complains_of("at least one letter");
        page.shows([]);
        // Past the field's own limit, as a script or another build of the page might.
        let unlimited = "document.querySelector(arguments[0]).removeAttribute('maxlength')";
        page.run::<()>(unlimited, &[json!(page.within(r#"input[aria-label="New item"]"#))]);
        page.write(&"x".repeat(10_000));
        page.press("Enter");
        page.complains_of("shorten it");
        page.shows([]);
    });
}
