//! The order of the items, by mouse and by finger, while rows glide out of the way.

use crate::support::browser::in_browser;
use crate::support::chores::Side;
use crate::support::hand::Pointer;
use crate::support::page::Page;
use crate::support::pair::{Pair, both_show};

#[test]
fn a_dragged_item_moves_on_the_other_device_too() {
    in_browser(|browser| {
        let pair = Pair::start();
        let pages = pair.open(browser);
        let [phone, laptop] = &pages;
        fill(&pages);
        phone.drag(Pointer::Mouse, "four", Side::Above, "two");
        both_show(&pages, ["one", "four", "two", "three"]);
        laptop.drag(Pointer::Mouse, "one", Side::Below, "three");
        both_show(&pages, ["four", "two", "three", "one"]);
        phone.reload();
        phone.shows(["four", "two", "three", "one"]);
    });
}

#[test]
fn a_finger_drags_too() {
    in_browser(|browser| {
        let pair = Pair::start();
        let pages = pair.open(browser);
        let phone = &pages[0];
        phone.become_phone();
        fill(&pages);
        phone.drag(Pointer::Finger, "three", Side::Above, "one");
        both_show(&pages, ["three", "one", "two", "four"]);
        phone.drag(Pointer::Finger, "three", Side::Below, "two");
        both_show(&pages, ["one", "two", "three", "four"]);
    });
}

#[test]
fn what_both_drag_apart_comes_to_one_order() {
    in_browser(|browser| {
        let mut pair = Pair::start();
        let pages = pair.open(browser);
        let [phone, laptop] = &pages;
        fill(&pages);
        pair.go_offline(&pages);
        // To the same place, where both get the same key.
        phone.drag(Pointer::Mouse, "three", Side::Above, "two");
        phone.shows(["one", "three", "two", "four"]);
        laptop.drag(Pointer::Mouse, "four", Side::Above, "two");
        laptop.shows(["one", "four", "two", "three"]);
        pair.go_online(&pages);
        let both = |lines: &[String]| lines.len() == 4 && lines[0] == "one" && lines[3] == "two";
        let here = phone.until("have both between one and two", |view| both(&view.lines()));
        let there = laptop.until("have both between one and two", |view| both(&view.lines()));
        assert_eq!(here.lines(), there.lines());
        // Something can still be put between the two.
        let (first, second) = (here.lines()[1].clone(), here.lines()[2].clone());
        phone.drag(Pointer::Mouse, "one", Side::Below, &first);
        both_show(&pages, [&first, "one", &second, "two"]);
    });
}

#[test]
fn an_item_can_be_dragged_onto_another_list() {
    in_browser(|browser| {
        let pair = Pair::start();
        let pages = pair.open(browser);
        let [phone, laptop] = &pages;
        phone.add_list("Work");
        phone.show_list("Inbox");
        fill(&pages);
        phone.drag_onto_list("two", "Work");
        both_show(&pages, ["one", "three", "four"]);
        laptop.show_list("Work");
        laptop.shows(["two"]);
    });
}

#[test]
fn escape_takes_a_drag_back() {
    in_browser(|browser| {
        let pair = Pair::start();
        let pages = pair.open(browser);
        let [phone, laptop] = &pages;
        fill(&pages);
        let (from, to) = phone.drag_way("four", Side::Above, "one");
        phone.drag_and_escape(from, to);
        laptop.add("five");
        both_show(&pages, ["one", "two", "three", "four", "five"]);
    });
}

#[track_caller]
fn fill(pages: &[Page<'_>; 2]) {
    pages.iter().for_each(Page::prefer_motion);
    for title in ["one", "two", "three", "four"] {
        pages[0].add(title);
    }
    both_show(pages, ["one", "two", "three", "four"]);
}
