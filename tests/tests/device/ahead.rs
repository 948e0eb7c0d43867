//! What is dated further ahead than the clock follows is reported.

use std::time::Duration;

use diplomatic::history::Origin;
use diplomatic::standard::Label;
use diplomatic::{Backing, Device};

use crate::fold::receive;
use crate::todo::{Event, Todos, added, at, device, open};

const HOUR: u64 = 3_600_000;

fn messages(device: &Device<Todos>) -> Vec<diplomatic::standard::Message> {
    let mut messages = Vec::new();
    device.each_message(|message| messages.push(message.clone())).unwrap();
    messages
}

#[test]
fn messages_beyond_the_bound_are_counted_with_the_worst_until_their_time_comes() {
    let mut phone = device();
    phone.emit(at(HOUR / 2), &added("within the bound")).unwrap();
    phone.emit(at(2 * HOUR), &added("milk")).unwrap();
    let milk = phone.emit(at(3 * HOUR), &added("bread")).unwrap();
    let backing = Backing::memory();
    let mut laptop = open(&backing);
    assert_eq!(laptop.ahead(at(0)).unwrap(), None);
    let link = laptop.link_host(&Label::new("home")).unwrap();
    receive(&mut laptop, link, &messages(&phone));

    let ahead = laptop.ahead(at(0)).unwrap().unwrap();
    let home = Origin::Host(Label::new("home").into());
    assert_eq!((ahead.messages, ahead.offset, &ahead.origin), (2, Duration::from_secs(3 * 3_600), &home));
    let sentence = "2 changes are dated up to 3 hours ahead of this device's clock; the worst came from home";
    assert_eq!(ahead.to_string(), sentence);
    assert!(ahead.remedy().contains("set the clock"));

    // What this device writes there only follows what it has seen, and is not to blame.
    laptop.emit(at(1), &Event::Renamed { todo: milk, title: "tea".into() }).unwrap();
    let ahead = laptop.ahead(at(1)).unwrap().unwrap();
    assert_eq!((ahead.messages, ahead.worst, &ahead.origin), (3, at(3 * HOUR), &home));

    drop(laptop);
    let mut laptop = open(&backing);
    assert_eq!(laptop.ahead(at(1)).unwrap().unwrap(), ahead, "also after a restart");
    assert_eq!(laptop.ahead(at(HOUR)).unwrap().unwrap().messages, 2, "the time of the first has come within reach");
    assert_eq!(laptop.ahead(at(2 * HOUR + 1)).unwrap(), None);
    assert_eq!(laptop.ahead(at(0)).unwrap().unwrap().messages, 3, "and the clock was set back");
}

#[test]
fn what_this_device_dated_itself_is_its_own() {
    let mut device = device();
    device.emit(at(50 * HOUR), &added("by a clock that is fast")).unwrap();
    let ahead = device.ahead(at(0)).unwrap().unwrap();
    assert_eq!((ahead.messages, &ahead.origin), (1, &Origin::ThisDevice));
    assert_eq!(ahead.to_string(), "1 change is dated 2 days ahead of this device's clock; it came from this device");
    assert!(ahead.remedy().contains("this device's clock"));
}
