//! Every step of the first start: on a phone, in the dark, and with the keyboard alone.

use std::fs;

use crate::built::in_site;
use crate::person::{PASSPHRASE, words};
use crate::support::browser::evidence_folder;
use crate::support::judge::{beyond_the_edge, faint_texts, too_small_for_a_finger};
use crate::support::page::Page;

#[test]
fn every_step_fits_a_phone_and_a_finger_and_stands_out_in_the_dark() {
    in_site(|browser, site| {
        let page = browser.open(&site.address(), "this");
        page.become_phone();
        page.at_step("welcome");
        judge(&page, "welcome");
        page.click_button("New account");
        page.at_step("created");
        judge(&page, "created");
        page.click_button("Back");
        page.at_step("welcome");
        page.click_button("I have an account");
        page.at_step("enter");
        page.fill("words", "abandon");
        page.click_button("Go on");
        page.until_so("refuse them", || page.text().contains("A seed is 24 words"));
        judge(&page, "enter");
        page.fill("words", &words());
        page.click_button("Go on");
        page.at_step("host");
        judge(&page, "host");
        page.click_button("Go on");
        page.at_step("protect");
        judge(&page, "protect");
        page.choose_passphrase(PASSPHRASE);
        page.add("Milk");
        page.add("Write to Ada about the conference in Rotterdam next spring, and to Bob as well");
        judge(&page, "lists");
        page.click_button("Account");
        page.fill("passphrase", PASSPHRASE);
        page.press("Enter");
        page.until_so("show the words", || page.text().contains("For another device"));
        judge(&page, "account");
        page.click_button("Close");
        page.reload();
        page.at_step("unlock");
        judge(&page, "unlock");
    });
}

#[test]
fn a_keyboard_is_enough_for_the_first_start() {
    in_site(|browser, site| {
        let page = browser.open(&site.address(), "this");
        page.at_step("welcome");
        page.press("Tab");
        page.press("Enter");
        page.at_step("created");
        page.press("Tab");
        page.press("Space");
        page.press("Tab");
        page.press("Enter");
        page.at_step("host");
        page.press("Tab");
        page.press("Enter");
        page.at_step("protect");
        page.run::<()>("document.querySelector('[data-passkey-choice]').hidden = true", &[]);
        page.press("Tab");
        page.write(PASSPHRASE);
        page.press("Tab");
        page.write(PASSPHRASE);
        page.press("Enter");
        page.at_step("lists");
        page.press("n");
        page.focuses("New item");
        page.write("Milk");
        page.press("Enter");
        page.shows(["Milk"]);
        page.reload();
        page.at_step("unlock");
        page.write(PASSPHRASE);
        page.press("Enter");
        page.shows(["Milk"]);
    });
}

#[track_caller]
fn judge(page: &Page<'_>, step: &str) {
    for scheme in ["light", "dark"] {
        page.prefer(scheme);
        let faint = faint_texts(page);
        assert!(faint.is_empty(), "at {step} in the {scheme}: {faint:#?}");
        let file = evidence_folder().join(format!("site-{step}-{scheme}.png"));
        fs::write(file, page.screenshot()).expect("the target directory can be written");
    }
    assert_eq!(beyond_the_edge(page), [""; 0], "at {step}");
    // The dialog covers what is not in it.
    if step != "account" {
        assert_eq!(too_small_for_a_finger(page), [""; 0], "at {step}");
    }
}
