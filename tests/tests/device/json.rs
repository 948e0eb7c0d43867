//! What a user interface shows stands in JSON in a form that stays as it is.

use std::collections::BTreeSet;
use std::fs;

use diplomatic::backup::{Exported, ImportReport};
use diplomatic::clock::Ahead;
use diplomatic::compact::{Compacted, Keep};
use diplomatic::feed::{FeedCursor, FeedPage};
use diplomatic::history::{Happened, HistoryEntry, Origin, Restore, Restored, Undone};
use diplomatic::list::{PageStart, Query};
use diplomatic::peers::{DeviceId, Peers};
use diplomatic::standard::{Body, Digest, EntityBody, EntityId, HeadHash, Label, Message, Seq};
use diplomatic::sync::{Arrival, Received, SyncLog};
use diplomatic::{Backing, Device, Position, Reducer, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::todo::{Event, Todos, added, at, device, open, seed};

fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// Checks the form in JSON, and that it is read back, as is that in MessagePack.
fn assert_form<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, form: &Value) {
    assert_eq!(to_json(value), *form);
    assert_eq!(serde_json::from_value::<T>(form.clone()).unwrap(), *value);
    let packed = rmp_serde::to_vec_named(value).unwrap();
    assert_eq!(rmp_serde::from_slice::<T>(&packed).unwrap(), *value);
}

fn receive<R: Reducer>(device: &mut Device<R>, link: u32, messages: Vec<Message>) {
    let messages = messages.into_iter().map(|message| Arrival { seq: Seq::ZERO, message }).collect();
    device.session_log(link).receive(Received { messages, ..Received::default() }).unwrap();
}

/// The form of an entry by its own IDs.
fn entry(entry: &HistoryEntry<Event>, event_type: &str, origin: &Value, what: &Value) -> Value {
    json!({
        "position": entry.position.to_string(),
        "meta": {
            "entity": entry.meta.entity.to_string(),
            "changed": entry.meta.changed.as_millis(),
            "event_type": event_type,
            "message": entry.meta.message.to_string(),
            "counter": entry.position.counter,
        },
        "origin": origin,
        "device": null,
        "what": what,
        "overwritten_by": entry.overwritten_by.map(|by| by.to_string()),
    })
}

#[test]
fn ids_positions_and_hashes_are_text_in_json_and_bytes_in_message_pack() {
    let hash = HeadHash::from_bytes([0xab; 32]);
    let position = Position { changed: Timestamp::from_millis(0x0102), counter: 3, hash };
    let text = format!("0000000000000102{:016x}{}", 3, "ab".repeat(32));
    assert_eq!(position.to_string(), text);
    assert_form(&position, &json!(text));
    assert_form(&hash, &json!("ab".repeat(32)));
    assert_form(&DeviceId::from_bytes([7; 16]), &json!("07".repeat(16)));
    let digest = Digest::of([hash]);
    assert_form(&digest, &json!(digest.to_string()));
    let entity = EntityId::new(b"milkmilk", at(1));
    assert_form(&entity, &json!(entity.to_string()));
    assert_eq!(rmp_serde::to_vec(&position).unwrap(), [&[0xc4, 48][..], &position.to_bytes()].concat());
    assert_form(&at(1), &json!(1_764_000_000_001_u64));
    assert_form(&Label::with_index("home", 2), &json!({ "name": "home", "index": 2 }));
    for wrong in ["", "ab", &"zz".repeat(48), &"00".repeat(49)] {
        assert!(serde_json::from_value::<Position>(json!(wrong)).is_err());
    }
}

#[test]
fn entries_of_the_history_have_a_form() {
    let mut device = device();
    let milk = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &Event::Renamed { todo: milk.clone(), title: "oat milk".into() }).unwrap();
    device.emit(at(3), &Event::Removed { todo: milk.clone() }).unwrap();
    let link = device.link_host(&Label::default()).unwrap();
    let of_type = |number: u64, type_name: &str, payload: &[u8]| {
        let body = Body::new(EntityBody::new(type_name, payload).to_bytes());
        Message::new(EntityId::new(&number.to_be_bytes(), at(number)), at(number), 0, body).unwrap()
    };
    receive(&mut device, link, vec![of_type(5, "new.type", b"\x01"), of_type(6, "todo.added", b"\x01")]);

    let here = json!("this_device");
    let there = json!({ "host": { "name": "host", "index": 0 } });
    let entries = device.history(None, 10).unwrap();
    let mut forms = vec![
        entry(&entries[0], "todo.added", &here, &json!({ "event": { "Added": { "title": "milk" } } })),
        entry(
            &entries[1],
            "todo.renamed",
            &here,
            &json!({ "event": { "Renamed": { "todo": milk.to_string(), "title": "oat milk" } } }),
        ),
        entry(&entries[2], "", &here, &json!({ "event": { "Removed": { "todo": milk.to_string() } } })),
        entry(&entries[3], "", &here, &json!("deleted")),
        entry(&entries[4], "", &there, &json!({ "unknown": { "type_name": "new.type" } })),
    ];
    let Happened::Unreadable { error } = &entries[5].what else { panic!("it is unreadable: {:?}", entries[5]) };
    let text = error.to_string();
    forms.push(entry(&entries[5], "", &there, &json!({ "unreadable": { "error": text } })));
    assert!(text.starts_with("the payload does not match `todo.added`: "), "{text}");
    assert_eq!(to_json(&entries), json!(forms));

    assert_eq!(
        to_json(device.unread()),
        json!({
            "unknown": { "new.type": 1 },
            "quarantined": [{
                "entity": entries[5].meta.entity.to_string(),
                "changed": at(6).as_millis(),
                "reason": text,
                "panicked": false,
            }],
        })
    );

    let changed: FeedPage<EntityId> = device.changed_entities(None, 10).unwrap();
    let rows: Vec<String> = changed.rows.iter().map(ToString::to_string).collect();
    let cursor = changed.cursor.to_string();
    assert_form(&changed, &json!({ "rows": rows, "cursor": cursor, "is_anew": true, "is_last": true }));
    let arrived = device.arrivals(None, 1).unwrap();
    assert_eq!(
        to_json(&arrived.rows),
        json!([{ "entry": forms[0], "cursor": arrived.rows[0].cursor.to_string(), "is_late": false, "is_unread": false }])
    );
    assert_form::<FeedCursor>(&changed.cursor, &json!(cursor));
    assert_form(&Origin::File, &json!("file"));
}

#[test]
fn pages_go_on_from_a_start_that_was_kept() {
    let mut device = device();
    let titles = ["a", "b", "c"];
    titles.iter().zip(1..).for_each(|(title, time)| drop(device.emit(at(time), &added(title)).unwrap()));
    let query = Query::of_type("todo.added").limit(1);
    let (mut found, mut kept) = (Vec::new(), None);
    loop {
        let start: Option<PageStart> = kept.map(|kept| serde_json::from_value(kept).unwrap());
        let page = device.list_latest(&query, start.as_ref()).unwrap();
        found.extend(page.entries.iter().map(|entry| match &entry.what {
            Happened::Event(Event::Added { title }) => title.clone(),
            other => panic!("only todos are listed: {other:?}"),
        }));
        let form = to_json(&page);
        assert_eq!(
            form.as_object().unwrap().keys().collect::<BTreeSet<_>>(),
            BTreeSet::from([&"entries".into(), &"next".into()])
        );
        let Some(next) = page.next else { break };
        assert_form(&next, &form["next"]);
        assert_eq!(form["next"].as_str().unwrap().len(), 114);
        kept = Some(form["next"].clone());
    }
    assert_eq!(found, titles);
    // What was made up leads nowhere, and does no harm.
    for made_up in ["00", "ff"] {
        let start = serde_json::from_value(json!(made_up.repeat(57))).unwrap();
        assert!(device.list_latest(&query, Some(&start)).unwrap().entries.len() <= 1);
    }
}

#[test]
fn what_undo_restore_and_compaction_did_has_a_form() {
    let mut device = device();
    let milk = device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &Event::Noted { note: milk.clone(), text: "cold".into() }).unwrap();
    let entries = device.history(None, 2).unwrap();
    let here = json!("this_device");
    let note = json!({ "event": { "Noted": { "note": milk.to_string(), "text": "cold" } } });
    let noted = entry(&entries[1], "todo.noted", &here, &note);
    assert_eq!(to_json(&device.can_undo().unwrap()), json!({ "events": [noted] }));

    let was = entry(&entries[0], "todo.added", &here, &json!({ "event": { "Added": { "title": "milk" } } }));
    let preview = device.restore_preview(&Restore::to(at(1))).unwrap();
    assert_eq!(to_json(&preview), json!([{ "entity": milk.to_string(), "now": noted, "then": was }]));
    let restored: Restored = device.restore(at(3), &Restore::to(at(1))).unwrap();
    assert_form(&restored, &json!({ "entities": [milk.to_string()] }));
    let undone: Undone = device.undo(at(4)).unwrap();
    assert_form(&undone, &json!({ "entities": [milk.to_string()], "kept": [] }));

    let compacted: Compacted = device.compact(Keep::Everything).unwrap();
    assert_form(&compacted, &json!({ "dropped": 0, "bytes_freed": compacted.bytes_freed, "is_busy": false }));
    assert_form(&Keep::Latest, &json!("latest"));
    assert_form(&Keep::Since(at(1)), &json!({ "since": at(1).as_millis() }));
}

#[test]
fn reports_about_files_clocks_and_stores_have_a_form() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.dpl");
    let mut device = device();
    device.emit(at(1), &added("milk")).unwrap();
    device.emit(at(2), &added("bread")).unwrap();
    let exported: Exported = device.export(&path, &seed()).unwrap();
    assert_form(&exported, &json!({ "messages": 2, "left_out": 0, "bytes": exported.bytes }));

    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let report: ImportReport = open(&Backing::memory()).import(&path, &seed()).unwrap();
    let place = &report.unreadable.places()[0];
    assert_eq!(
        to_json(&report),
        json!({
            "new": 1,
            "known": 0,
            "unreadable": {
                "places": [{
                    "bytes": { "start": place.bytes.start, "end": place.bytes.end },
                    "item": place.item,
                    "cause": place.cause.to_string(),
                }],
                "count": 1,
            },
        })
    );

    device.emit(at(10_000_000), &added("late")).unwrap();
    let ahead: Ahead = device.ahead(at(2)).unwrap().unwrap();
    assert_form(
        &ahead,
        &json!({ "messages": 1, "worst": at(10_000_000).as_millis(), "offset": 9_999_998, "origin": "this_device" }),
    );
    assert_form(&Peers::default(), &json!({ "this_device": null, "devices": [], "odd": 0, "withheld": [] }));
    let checked = device.verify(|_| ()).unwrap();
    assert_form(
        &checked,
        &json!({ "messages": 3, "entities": 3, "waiting": 0, "parts": 0, "is_file_checked": true, "problems": [] }),
    );
    let _: &Device<Todos> = &device;
}
