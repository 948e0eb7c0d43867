//! On a phone, in the dark, and for eyes that want contrast.

use serde::Deserialize;
use serde_json::json;

use crate::support::browser::{Browser, in_browser};
use crate::support::device::{Device, Program};
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

/// Returns what reaches beyond the sides of the window.
fn beyond_the_edge(page: &Page<'_>) -> Vec<String> {
    let script = "const beyond = [...document.querySelectorAll('body *')].filter((node) => {
            const { left, right, width } = node.getBoundingClientRect();
            return width > 0 && node.checkVisibility() && (right > innerWidth + 0.5 || left < -0.5);
        }).map((node) => node.outerHTML.slice(0, 120));
        const wide = document.documentElement.scrollWidth;
        return wide > innerWidth ? [`the page is ${wide} px wide, the window ${innerWidth}`, ...beyond] : beyond;";
    page.run(script, &[])
}

/// Returns the controls that a finger misses: less than 40 px high, or something else lies over a part.
fn too_small_for_a_finger(page: &Page<'_>) -> Vec<String> {
    let script =
        "const controls = [...document.querySelectorAll('button, input, select, textarea, a[href], [data-handle]')];
        return controls.filter((node) => node.checkVisibility({ visibilityProperty: true })).flatMap((node) => {
            node.scrollIntoView({ block: 'center', behavior: 'instant' });
            const whole = node.closest('label.tick') ?? node;
            const { left, top, width, height } = node.getBoundingClientRect();
            const hits = (y) => {
                const hit = document.elementFromPoint(left + width / 2, y);
                return hit !== null && (node.contains(hit) || whole === hit || whole.contains(hit));
            };
            const middle = top + height / 2;
            const isHit = whole.offsetHeight >= 40 && [-18, 0, 18].every((by) => hits(middle + by));
            const name = node.getAttribute('aria-label') ?? (node.textContent.trim() || node.className);
            return isHit ? [] : [`${name}: ${Math.round(whole.getBoundingClientRect().height)} px high`];
        });";
    page.run(script, &[])
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "a failing test prints it")]
struct Faint {
    text: String,
    color: String,
    background: String,
    contrast: f64,
}

/// Returns the texts with a contrast to what is behind them of less than 4.5, by the formula of WCAG 2.
fn faint_texts(page: &Page<'_>) -> Vec<Faint> {
    page.run(include_str!("contrast.js"), &[json!(4.5)])
}
