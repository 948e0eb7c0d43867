//! What `#[derive(DiplomaticEvent)]` writes and reads.

#[path = "derive/bytes.rs"]
mod bytes;

use std::fmt::Debug;

use diplomatic::DiplomaticEvent;
use diplomatic::event::{DecodeEventError, Draft, EventType, Shape, Stored, Target};
use diplomatic::standard::{EntityId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
#[diplomatic(prefix = "todo")]
enum TodoEvent {
    Added {
        title: String,
    },
    #[diplomatic(overwrites = "todo")]
    Renamed {
        todo: EntityId,
        title: String,
    },
    #[diplomatic(overwrites("list", "day"), gid = "list", pid = "parent")]
    Planned {
        day: u16,
        list: String,
        parent: Option<EntityId>,
        r#type: String,
    },
    #[diplomatic(entity = "0")]
    Put(EntityId, Todo),
    #[diplomatic(entity = "id", gid = "list")]
    Replaced {
        id: EntityId,
        list: Option<String>,
    },
    #[diplomatic(entity = "id")]
    Touched {
        id: EntityId,
    },
    #[diplomatic(deletes = "todo")]
    Removed {
        todo: EntityId,
    },
    #[diplomatic(singleton)]
    Theme(String),
    #[diplomatic(singleton, type = "lib/status")]
    Status {
        text: String,
    },
    #[diplomatic(singleton)]
    Welcomed,
    Opened,
    Moved(i32, i32),
    Emptied {},
    #[diplomatic(type = "counted", pid = "0")]
    Counted(EntityId),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Todo {
    title: String,
    done: bool,
}

fn milk() -> EntityId {
    EntityId::new(&[1, 2, 3, 4, 5, 6, 7, 8], Timestamp::from_millis(1_700_000_000_000))
}

fn pack(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("plain data serializes")
}

/// The payload as JSON, which shows maps, arrays and nil as they are.
fn unpack(payload: &[u8]) -> Value {
    rmp_serde::from_slice(payload).expect("a payload is MessagePack")
}

struct Content {
    type_name: &'static str,
    target: Target,
    payload: Vec<u8>,
    group: Option<String>,
    parent: Option<EntityId>,
}

fn content(event: &impl DiplomaticEvent) -> Content {
    match event.to_draft().expect("the event is plain data") {
        Draft::Content { type_name, target, payload, group, parent } => {
            Content { type_name, target, payload, group, parent }
        }
        other => panic!("this is no content of a type: {other:?}"),
    }
}

fn read<E: DiplomaticEvent>(type_name: &str, payload: &[u8]) -> Result<E, DecodeEventError> {
    E::from_stored(Stored::Content { type_name, entity: &milk(), payload })
}

fn read_json<E: DiplomaticEvent>(type_name: &str, payload: &Value) -> Result<E, DecodeEventError> {
    read(type_name, &pack(payload))
}

fn reason<E: Debug>(result: Result<E, DecodeEventError>) -> String {
    match result {
        Err(DecodeEventError::Payload { fault, .. }) => fault.to_string(),
        other => panic!("not a payload that does not fit: {other:?}"),
    }
}

/// Writes the event as a message about [`milk`], and reads it back.
fn assert_round_trip<E: DiplomaticEvent + Debug + PartialEq>(event: &E) {
    let entity = milk();
    let draft = event.to_draft().expect("the event is plain data");
    let stored = match &draft {
        Draft::Content { type_name, payload, .. } => Stored::Content { type_name, entity: &entity, payload },
        Draft::Delete { entity } => {
            assert_eq!(E::from_delete(entity).iter().collect::<Vec<_>>(), [event]);
            return;
        }
        Draft::Bare { .. } => panic!("a derived event is of a type"),
    };
    assert_eq!(E::from_stored(stored).as_ref(), Ok(event));
}

#[test]
fn every_shape_comes_back_as_it_was_written() {
    let list = "home".to_owned();
    for event in [
        TodoEvent::Added { title: "milk".into() },
        TodoEvent::Renamed { todo: milk(), title: "oat milk".into() },
        TodoEvent::Planned { day: 7, list: list.clone(), parent: None, r#type: "weekly".into() },
        TodoEvent::Put(milk(), Todo { title: "milk".into(), done: true }),
        TodoEvent::Replaced { id: milk(), list: Some(list) },
        TodoEvent::Touched { id: milk() },
        TodoEvent::Removed { todo: milk() },
        TodoEvent::Theme("dark".into()),
        TodoEvent::Status { text: "away".into() },
        TodoEvent::Welcomed,
        TodoEvent::Opened,
        TodoEvent::Moved(-1, 70_000),
        TodoEvent::Emptied {},
        TodoEvent::Counted(milk()),
    ] {
        assert_round_trip(&event);
    }
}

#[test]
fn types_are_listed_in_the_order_of_the_variants() {
    let expected = [
        ("todo.added", Shape::Fact),
        ("todo.renamed", Shape::Register),
        ("todo.planned", Shape::Register),
        ("todo.put", Shape::Entity),
        ("todo.replaced", Shape::Entity),
        ("todo.touched", Shape::Entity),
        ("todo.removed", Shape::Delete),
        ("todo.theme", Shape::Singleton),
        ("lib/status", Shape::Singleton),
        ("todo.welcomed", Shape::Singleton),
        ("todo.opened", Shape::Fact),
        ("todo.moved", Shape::Fact),
        ("todo.emptied", Shape::Fact),
        ("counted", Shape::Fact),
    ];
    let types: Vec<_> = TodoEvent::TYPES.iter().map(|one: &EventType| (one.name, one.shape)).collect();
    assert_eq!(types, expected);
}

#[test]
fn fact_asks_for_a_fresh_entity() {
    let added = content(&TodoEvent::Added { title: "milk".into() });
    assert_eq!(added.type_name, "todo.added");
    assert_eq!(added.target, Target::Fresh);
    assert_eq!(added.payload, pack(&json!({ "title": "milk" })));
    assert_eq!((added.group, added.parent), (None, None));
}

#[test]
fn positional_fields_are_a_bare_value_or_an_array_and_no_fields_are_nil() {
    assert_eq!(unpack(&content(&TodoEvent::Moved(1, 2)).payload), json!([1, 2]));
    assert_eq!(content(&TodoEvent::Counted(milk())).payload, pack(&milk()));
    assert_eq!(content(&TodoEvent::Opened).payload, [0xc0]);
    assert_eq!(content(&TodoEvent::Emptied {}).payload, [0xc0]);
}

#[test]
fn register_key_is_the_array_of_its_fields_in_the_order_of_the_attribute() {
    let renamed = content(&TodoEvent::Renamed { todo: milk(), title: "oat milk".into() });
    assert_eq!(renamed.target, Target::Register { key: pack(&(milk(),)) });

    let planned = TodoEvent::Planned { day: 7, list: "home".into(), parent: Some(milk()), r#type: String::new() };
    assert_eq!(content(&planned).target, Target::Register { key: pack(&("home", 7)) });
}

#[test]
fn register_key_fields_stay_in_the_payload() {
    #[derive(Serialize)]
    struct Renamed {
        todo: EntityId,
        title: &'static str,
    }

    let renamed = content(&TodoEvent::Renamed { todo: milk(), title: "oat milk".into() });
    assert_eq!(renamed.payload, pack(&Renamed { todo: milk(), title: "oat milk" }));
}

#[test]
fn register_of_one_key_has_one_name_on_every_device() {
    let names = ["oat milk", "soy milk"].map(|title| {
        let renamed = content(&TodoEvent::Renamed { todo: milk(), title: title.into() });
        let Target::Register { key } = renamed.target else { panic!("a register") };
        EntityId::register(renamed.type_name, &key)
    });
    assert_eq!(names[0], names[1]);
    // Pinned: another value here is another register for every device that has not been upgraded.
    assert_eq!(names[0].to_string(), "1092e655297ad1abaed8afe2b7461fc44500");
}

#[test]
fn register_of_one_entity_hangs_on_it() {
    type Id = EntityId;

    #[derive(DiplomaticEvent)]
    enum Event {
        #[diplomatic(overwrites = "item")]
        Renamed { item: Id },
        #[diplomatic(overwrites = "item")]
        Tagged { item: u64 },
        #[diplomatic(overwrites("item", "tag"))]
        Coloured { item: Id, tag: u64 },
        #[diplomatic(overwrites = "item", pid = "list")]
        Filed { item: Id, list: Option<Id> },
    }

    assert_eq!(content(&Event::Renamed { item: milk() }).parent, Some(milk()));
    assert_eq!(content(&Event::Tagged { item: 1 }).parent, None);
    assert_eq!(content(&Event::Coloured { item: milk(), tag: 1 }).parent, None);
    assert_eq!(content(&Event::Filed { item: milk(), list: None }).parent, None);
}

#[test]
fn group_and_parent_are_beside_the_payload_and_in_it() {
    #[derive(Deserialize)]
    struct Payload {
        list: String,
        parent: EntityId,
        r#type: String,
    }

    let planned =
        content(&TodoEvent::Planned { day: 7, list: "home".into(), parent: Some(milk()), r#type: "weekly".into() });
    assert_eq!((planned.group.as_deref(), planned.parent), (Some("home"), Some(milk())));
    let payload: Payload = rmp_serde::from_slice(&planned.payload).expect("the payload has the fields");
    assert_eq!((payload.list.as_str(), payload.parent, payload.r#type.as_str()), ("home", milk(), "weekly"));

    assert_eq!(content(&TodoEvent::Replaced { id: milk(), list: None }).group, None);
    assert_eq!(content(&TodoEvent::Counted(milk())).parent, Some(milk()));
}

#[test]
fn entity_is_named_by_its_field_which_is_not_in_the_payload() {
    let put = content(&TodoEvent::Put(milk(), Todo { title: "milk".into(), done: false }));
    assert_eq!(put.target, Target::Entity(milk()));
    assert_eq!(unpack(&put.payload), json!({ "title": "milk", "done": false }));

    let replaced = content(&TodoEvent::Replaced { id: milk(), list: Some("home".into()) });
    assert_eq!(unpack(&replaced.payload), json!({ "list": "home" }));
    assert_eq!(content(&TodoEvent::Touched { id: milk() }).payload, [0xc0]);
}

#[test]
fn delete_is_a_tombstone_for_its_field() {
    let removed = TodoEvent::Removed { todo: milk() };
    assert_eq!(removed.to_draft().ok(), Some(Draft::Delete { entity: milk() }));
    assert_eq!(TodoEvent::from_delete(&milk()), [removed]);
}

#[test]
fn singleton_is_the_bare_value_of_its_field() {
    let theme = content(&TodoEvent::Theme("dark".into()));
    assert_eq!((theme.type_name, theme.target), ("todo.theme", Target::Singleton));
    assert_eq!(theme.payload, pack(&"dark"));

    let status = content(&TodoEvent::Status { text: "away".into() });
    assert_eq!((status.type_name, status.payload), ("lib/status", pack(&"away")));
    assert_eq!(content(&TodoEvent::Welcomed).payload, [0xc0]);
}

#[test]
fn unknown_types_are_told_from_bad_payloads() {
    assert_eq!(read::<TodoEvent>("todo.invented", &[0xc0]), Err(DecodeEventError::UnknownType));
    assert_eq!(read::<TodoEvent>("added", &[0xc0]), Err(DecodeEventError::UnknownType));
    // A delete's own name is nowhere on the wire.
    assert_eq!(read::<TodoEvent>("todo.removed", &[0xc0]), Err(DecodeEventError::UnknownType));
    assert!(matches!(
        read::<TodoEvent>("todo.added", &[0xc0]),
        Err(DecodeEventError::Payload { type_name: "todo.added", .. })
    ));
}

#[test]
fn delete_without_a_variant_for_it_is_unknown() {
    #[derive(Debug, PartialEq, DiplomaticEvent)]
    enum Event {
        Opened,
    }

    assert_eq!(Event::from_delete(&milk()), []);
    assert_round_trip(&Event::Opened);
}

#[test]
fn payloads_that_do_not_fit_say_why() {
    let added = |payload: &[u8]| reason(read::<TodoEvent>("todo.added", payload));
    assert_eq!(added(&pack(&json!({}))), "missing field `title`");
    assert_eq!(added(&pack(&json!({ "title": 5 }))), "invalid type: integer `5`, expected a string");
    assert_eq!(added(&pack(&"milk")), "invalid type: string \"milk\", expected the fields of `todo.added`");
    assert_eq!(added(&[]), "it is cut short");
    assert_eq!(added(&[0x81, 0xa5, b't', b'i']), "it is cut short");
    assert_eq!(added(&[0xc1]), "it is not MessagePack");

    let mut trailing = pack(&json!({ "title": "milk" }));
    trailing.push(0xc0);
    assert_eq!(added(&trailing), "it goes on after the end of the value");

    assert_eq!(
        reason(read_json::<TodoEvent>("todo.opened", &json!("now"))),
        "invalid type: string \"now\", expected nil or a map"
    );
    assert!(reason(read_json::<TodoEvent>("todo.moved", &json!([1]))).contains("length 1"));
    assert!(!reason(read_json::<TodoEvent>("todo.moved", &json!([1, 2, 3]))).is_empty());
}

#[test]
fn maps_are_read_in_any_order_and_with_entries_of_other_builds() {
    // As a JavaScript client writes it: its own order, values that it added, nil for what is not there.
    let mut bytes = vec![0x84];
    for (key, value) in [
        ("title", pack(&"milk")),
        ("colour", pack(&json!({ "deep": [1, { "er": null }] }))),
        ("todo", pack(&milk())),
        ("note", vec![0xc0]),
    ] {
        bytes.extend(pack(&key));
        bytes.extend(value);
    }
    assert_eq!(read("todo.renamed", &bytes), Ok(TodoEvent::Renamed { todo: milk(), title: "milk".into() }));
    assert_eq!(read_json("todo.opened", &json!({ "by": "laptop" })), Ok(TodoEvent::Opened));
    assert_eq!(read_json("todo.emptied", &json!({ "by": "laptop" })), Ok(TodoEvent::Emptied {}));
}

#[test]
fn nil_and_an_empty_map_are_the_same_to_named_fields() {
    #[derive(Debug, PartialEq, DiplomaticEvent)]
    enum Event {
        Opened {
            #[serde(default)]
            by: String,
        },
    }

    let opened = Event::Opened { by: String::new() };
    assert_eq!(read("opened", &[0xc0]).as_ref(), Ok(&opened));
    assert_eq!(read("opened", &[0x80]).as_ref(), Ok(&opened));
}

mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{number:x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        let digits = String::deserialize(deserializer)?;
        u32::from_str_radix(&digits, 16).map_err(serde::de::Error::custom)
    }
}

#[test]
fn serde_attributes_of_fields_hold_for_the_payload() {
    fn is_default<T: Default + PartialEq>(value: &T) -> bool {
        *value == T::default()
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Place {
        x: i8,
        y: i8,
    }

    #[derive(Debug, PartialEq, DiplomaticEvent)]
    enum Event {
        Painted {
            #[serde(with = "hex")]
            colour: u32,
            #[serde(rename = "thickness", alias = "width")]
            stroke: u8,
            #[serde(default, skip_serializing_if = "is_default")]
            layers: Vec<u8>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            note: Option<String>,
            #[serde(skip)]
            cached: Option<bool>,
            #[serde(flatten)]
            place: Place,
        },
        Tinted(#[serde(with = "hex")] u32),
        Mixed(#[serde(with = "hex")] u32, #[serde(skip)] u8, #[serde(default)] u16),
    }

    let painted = |note: Option<&str>| Event::Painted {
        colour: 0xff00,
        stroke: 3,
        layers: Vec::new(),
        note: note.map(str::to_owned),
        cached: None,
        place: Place { x: 1, y: -1 },
    };
    let payload = content(&painted(None)).payload;
    assert_eq!(unpack(&payload), json!({ "colour": "ff00", "thickness": 3, "x": 1, "y": -1 }));
    assert_round_trip(&painted(None));
    assert_round_trip(&painted(Some("thin")));
    let foreign = json!({ "y": -1, "width": 3, "x": 1, "colour": "FF00" });
    assert_eq!(read_json("painted", &foreign), Ok(painted(None)));
    assert!(reason(read_json::<Event>("painted", &json!({ "colour": "green" }))).contains("digit"));

    assert_eq!(content(&Event::Tinted(16)).payload, pack(&"10"));
    assert_round_trip(&Event::Tinted(16));
    assert_eq!(unpack(&content(&Event::Mixed(16, 9, 8)).payload), json!(["10", 8]));
    assert_eq!(read_json("mixed", &json!(["10"])), Ok(Event::Mixed(16, 0, 0)));
}

/// Serializes by its field's attribute only.
#[derive(Debug, PartialEq)]
struct Colour(u32);

mod colour {
    use serde::{Deserializer, Serializer};

    use super::{Colour, hex};

    pub(super) fn serialize<S: Serializer>(colour: &Colour, serializer: S) -> Result<S::Ok, S::Error> {
        hex::serialize(&colour.0, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Colour, D::Error> {
        hex::deserialize(deserializer).map(Colour)
    }
}

#[test]
fn serde_attributes_of_key_fields_hold_for_the_key() {
    #[derive(Debug, PartialEq, DiplomaticEvent)]
    enum Event {
        #[diplomatic(overwrites("colour", "name"))]
        Named {
            name: String,
            #[serde(with = "colour", rename = "rgb")]
            colour: Colour,
        },
    }

    let named = Event::Named { name: "lime".into(), colour: Colour(0xaf) };
    assert_eq!(content(&named).target, Target::Register { key: pack(&("af", "lime")) });
    assert_eq!(unpack(&content(&named).payload), json!({ "name": "lime", "rgb": "af" }));
    assert_round_trip(&named);
}

#[test]
fn serde_attributes_hold_whether_the_enum_derives_serde_or_not() {
    #[derive(Debug, PartialEq, DiplomaticEvent, Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all_fields = "camelCase", deny_unknown_fields)]
    enum Event {
        #[serde(rename = "t", alias = "u")]
        TitleChanged { new_title: String },
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        DayChanged { new_day: u8 },
        #[serde(rename_all(serialize = "kebab-case", deserialize = "kebab-case"))]
        NextHour { new_hour: u8 },
    }

    let title = Event::TitleChanged { new_title: "milk".into() };
    assert_eq!(content(&title).type_name, "title_changed");
    assert_eq!(unpack(&content(&title).payload), json!({ "newTitle": "milk" }));
    assert_eq!(unpack(&content(&Event::DayChanged { new_day: 1 }).payload), json!({ "NEW_DAY": 1 }));
    assert_eq!(unpack(&content(&Event::NextHour { new_hour: 1 }).payload), json!({ "new-hour": 1 }));
    assert_round_trip(&title);
    assert_eq!(read_json("title_changed", &json!({ "newTitle": "milk", "more": 1 })), Ok(title));
}

#[test]
fn fields_that_do_not_serialize_are_an_error() {
    fn refuse<S: serde::Serializer>(_: &u8, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }

    #[derive(Debug, DiplomaticEvent)]
    enum Event {
        Refused {
            #[serde(serialize_with = "refuse")]
            what: u8,
        },
    }

    let error = Event::Refused { what: 1 }.to_draft().expect_err("the field refuses");
    assert_eq!(error.to_string(), "the fields of `refused` do not serialize: not today");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Branch(Box<Self>),
    List(Vec<Self>),
}

#[derive(Debug, PartialEq, DiplomaticEvent)]
enum Grown {
    Tree(Tree),
    Opened,
}

#[test]
fn deep_payloads_are_refused_without_recursion() {
    for level in [&b"\x81\xa6Branch"[..], b"\x81\xa4List\x91"] {
        let mut bytes = level.repeat(200_000);
        bytes.extend(pack(&Tree::Leaf));
        assert_eq!(reason(read::<Grown>("tree", &bytes)), "it is nested more than 128 levels deep");
    }
    let mut unknown = b"\x81\xa4what".to_vec();
    unknown.extend([0x91].repeat(200_000));
    assert_eq!(reason(read::<Grown>("opened", &unknown)), "it is nested more than 128 levels deep");
}

#[test]
fn deepest_payload_needs_little_of_the_stack() {
    let mut bytes = b"\x81\xa4List\x91".repeat(64);
    bytes.extend(pack(&Tree::Leaf));
    let reader = std::thread::Builder::new().stack_size(512 * 1024);
    let reader = reader.spawn(move || read::<Grown>("tree", &bytes).is_ok()).expect("a thread starts");
    assert_eq!(reader.join().ok(), Some(true));
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let deep = |levels| Grown::Tree((0..levels).fold(Tree::Leaf, |tree, _| Tree::Branch(Box::new(tree))));
    assert_round_trip(&deep(128));
    let error = deep(129).to_draft().expect_err("too deep");
    assert_eq!(error.fault.to_string(), "it is nested more than 128 levels deep");
}

#[test]
fn strings_of_all_owned_kinds_are_groups() {
    use std::borrow::Cow;
    use std::sync::Arc;

    #[derive(DiplomaticEvent)]
    enum Event {
        #[diplomatic(gid = "0")]
        Boxed(Box<str>),
        #[diplomatic(gid = "0")]
        Borrowed(Option<Cow<'static, str>>),
        #[diplomatic(gid = "group")]
        Shared {
            #[serde(skip)]
            group: Option<Arc<str>>,
        },
    }

    assert_eq!(content(&Event::Boxed("a".into())).group.as_deref(), Some("a"));
    assert_eq!(content(&Event::Borrowed(Some("b".into()))).group.as_deref(), Some("b"));
    assert_eq!(content(&Event::Shared { group: Some("c".into()) }).group.as_deref(), Some("c"));
}

#[test]
fn enum_may_be_empty() {
    #[derive(Debug, PartialEq, DiplomaticEvent)]
    enum Nothing {}

    assert_eq!(Nothing::TYPES, []);
    assert_eq!(read::<Nothing>("x", &[0xc0]), Err(DecodeEventError::UnknownType));
}

#[test]
fn enum_may_stand_in_a_function_with_types_of_its_own() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Local {
        deep: Option<Box<Self>>,
    }

    #[derive(Debug, PartialEq, DiplomaticEvent)]
    enum Event {
        Happened { what: Local, again: [Local; 1] },
    }

    let local = |deep| Local { deep };
    assert_round_trip(&Event::Happened { what: local(Some(Box::new(local(None)))), again: [local(None)] });
}

#[test]
fn variant_may_be_deprecated_and_have_a_keyword_for_a_name() {
    #[derive(Debug, PartialEq, DiplomaticEvent)]
    #[repr(u8)]
    enum Event {
        #[deprecated]
        Old {
            from: u8,
        } = 3,
        r#Type {
            r#fn: u8,
            größe: u8,
        } = 7,
        #[diplomatic(overwrites = "new_day")]
        Day {
            #[serde(with = "hex")]
            new_day: u32,
        },
    }

    assert_eq!(read_json("old", &json!({ "from": 1 })).map(|event: Event| content(&event).type_name), Ok("old"));
    let event = Event::r#Type { r#fn: 1, größe: 2 };
    assert_eq!((content(&event).type_name, unpack(&content(&event).payload)), ("type", json!({ "fn": 1, "größe": 2 })));
    assert_round_trip(&event);
    assert_round_trip(&Event::Day { new_day: 1 });
}

#[test]
fn enum_may_name_itself() {
    #[derive(Debug, PartialEq, DiplomaticEvent, Serialize, Deserialize)]
    enum Event {
        Opened,
        Undone(Box<Self>),
        Redone { what: Vec<Self> },
    }

    assert_round_trip(&Event::Undone(Box::new(Event::Redone { what: vec![Event::Opened] })));
}

#[test]
fn enum_may_come_out_of_a_macro() {
    macro_rules! events {
        ($name:ident, $prefix:literal, $($variant:ident($ty:ty)),*) => {
            #[derive(Debug, PartialEq, DiplomaticEvent)]
            #[diplomatic(prefix = $prefix)]
            enum $name {
                $($variant($ty)),*
            }
        };
    }
    events!(Event, "made", Opened(u8), Closed(Option<String>));

    assert_eq!(content(&Event::Opened(1)).type_name, "made.opened");
    assert_round_trip(&Event::Closed(None));
}

mod elsewhere {
    pub(crate) use diplomatic as renamed;
}

#[test]
fn crate_may_have_another_name() {
    #[derive(Debug, PartialEq, elsewhere::renamed::DiplomaticEvent)]
    #[diplomatic(crate = "crate::elsewhere::renamed", prefix = "x")]
    enum Event {
        #[diplomatic(entity = "id", gid = "list")]
        Put { id: EntityId, list: String },
    }

    assert_round_trip(&Event::Put { id: milk(), list: "home".into() });
}

/// Nothing is in scope here but what has a misleading name.
mod bare {
    #![no_implicit_prelude]
    #![allow(dead_code)]

    pub(crate) struct Option;
    pub(crate) struct Result;
    pub(crate) struct String;
    pub(crate) struct Vec;
    pub(crate) struct EntityId;
    pub(crate) mod core {}
    pub(crate) mod std {}
    pub(crate) mod serde {}
    pub(crate) mod diplomatic {}

    #[derive(::std::fmt::Debug, ::std::cmp::PartialEq, ::diplomatic::DiplomaticEvent)]
    pub(crate) enum Event {
        None,
        Some(::std::string::String),
        #[diplomatic(overwrites = "id", gid = "list")]
        Ok {
            id: ::diplomatic::standard::EntityId,
            list: ::std::option::Option<::std::string::String>,
        },
        #[diplomatic(entity = "0")]
        Err(::diplomatic::standard::EntityId, u8),
        #[diplomatic(deletes = "0")]
        Gone(::diplomatic::standard::EntityId),
    }
}

#[test]
fn nothing_needs_to_be_in_scope() {
    for event in [
        bare::Event::None,
        bare::Event::Some("x".into()),
        bare::Event::Ok { id: milk(), list: None },
        bare::Event::Err(milk(), 1),
        bare::Event::Gone(milk()),
    ] {
        assert_round_trip(&event);
    }
}

mod parts {
    use diplomatic::event::Shape;
    use diplomatic::{Backing, Device, Meta, Reducer, Seed, Timestamp, entity_id};
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    entity_id!(
        pub(super) struct TodoId;
    );
    entity_id!(
        pub(super) struct ListId;
    );

    #[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
    #[diplomatic(prefix = "todo")]
    enum Todo {
        #[diplomatic(pid = "list")]
        Added { list: Option<ListId>, title: String },
        #[diplomatic(overwrites = "todo")]
        Renamed { todo: TodoId, title: String },
        #[diplomatic(entity = "list")]
        Listed { list: ListId, name: String },
        #[diplomatic(deletes = "todo")]
        Removed { todo: TodoId },
        #[diplomatic(deletes = "list")]
        ListRemoved { list: ListId },
    }

    #[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
    #[diplomatic(prefix = "plugin")]
    enum Plugin {
        #[diplomatic(singleton)]
        Colour(String),
        Noted {
            text: String,
        },
        #[diplomatic(deletes = "0")]
        Dropped(EntityId),
    }

    #[derive(Debug, Clone, PartialEq, DiplomaticEvent)]
    #[diplomatic(prefix = "app")]
    enum App {
        Opened,
        #[diplomatic(flatten)]
        Todo(Todo),
        #[diplomatic(flatten)]
        Plugin {
            event: Plugin,
        },
    }

    #[test]
    fn each_part_keeps_its_names_shapes_and_deletes() {
        let names: Vec<_> = App::TYPES.iter().map(|known| known.name).collect();
        let todos = ["todo.added", "todo.renamed", "todo.listed", "todo.removed", "todo.list_removed"];
        assert_eq!(names[0], "app.opened");
        assert_eq!(names[1..6], todos);
        assert_eq!(names[6..], ["plugin.colour", "plugin.noted", "plugin.dropped"]);
        assert_eq!(App::TYPES[2].shape, Shape::Register);
        let renamed = Todo::Renamed { todo: milk().into(), title: "oat milk".into() };
        assert_eq!(App::Todo(renamed.clone()).to_draft().unwrap(), renamed.to_draft().unwrap());
        assert_round_trip(&App::Todo(renamed));
        assert_round_trip(&App::Plugin { event: Plugin::Colour("red".into()) });
        assert_round_trip(&App::Opened);
        let deletes = [
            App::Todo(Todo::Removed { todo: milk().into() }),
            App::Todo(Todo::ListRemoved { list: milk().into() }),
            App::Plugin { event: Plugin::Dropped(milk()) },
        ];
        assert_eq!(App::from_delete(&milk()), deletes);
        assert_eq!(read::<App>("todo.invented", &[0xc0]), Err(DecodeEventError::UnknownType));
        assert!(matches!(read::<App>("todo.added", &[0xc0]), Err(DecodeEventError::Payload { .. })));
    }

    #[test]
    fn an_id_type_stands_where_an_id_does_and_hangs_on_its_entity() {
        let added = content(&Todo::Added { list: Some(milk().into()), title: "milk".into() });
        assert_eq!(added.parent, Some(milk()));
        assert_eq!(content(&Todo::Added { list: None, title: "milk".into() }).parent, None);
        assert_eq!(content(&Todo::Renamed { todo: milk().into(), title: "milk".into() }).parent, Some(milk()));
        let listed = content(&Todo::Listed { list: milk().into(), name: "home".into() });
        assert_eq!(listed.target, Target::Entity(milk()));
        let keyed = std::collections::BTreeMap::from([(TodoId(milk()), 1)]);
        let text = serde_json::to_string(&keyed).unwrap();
        assert_eq!(text, format!("{{\"{}\":1}}", milk()));
        assert_eq!(serde_json::from_str::<std::collections::BTreeMap<TodoId, u8>>(&text).unwrap(), keyed);
        assert_eq!(milk().to_string().parse::<TodoId>().unwrap(), TodoId(milk()));
        assert_eq!(pack(&TodoId(milk())), pack(&milk()));
    }

    #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
    struct State {
        todos: std::collections::BTreeMap<TodoId, (Option<ListId>, String)>,
        lists: std::collections::BTreeMap<ListId, String>,
        notes: std::collections::BTreeMap<EntityId, String>,
    }

    impl Reducer for State {
        type Event = App;

        fn apply(&mut self, event: App, at: &Meta) {
            match event {
                App::Todo(Todo::Added { list, title }) => {
                    self.todos.insert(at.entity.clone().into(), (list, title));
                }
                App::Todo(Todo::Renamed { todo, title }) => {
                    if let Some(todo) = self.todos.get_mut(&todo) {
                        todo.1 = title;
                    }
                }
                App::Todo(Todo::Listed { list, name }) => drop(self.lists.insert(list, name)),
                App::Todo(Todo::Removed { todo }) => drop(self.todos.remove(&todo)),
                App::Todo(Todo::ListRemoved { list }) => {
                    self.lists.remove(&list);
                    self.todos.retain(|_, todo| todo.0.as_ref() != Some(&list));
                }
                App::Plugin { event: Plugin::Noted { text } } => drop(self.notes.insert(at.entity.clone(), text)),
                App::Plugin { event: Plugin::Dropped(note) } => drop(self.notes.remove(&note)),
                App::Opened | App::Plugin { .. } => {}
            }
        }
    }

    #[test]
    fn a_delete_is_applied_as_each_variant_that_deletes() {
        let now = Timestamp::from_millis(1_764_000_000_000);
        let backing = Backing::memory();
        let open =
            || Device::<State>::open(backing.clone(), &Seed::from_bytes([7; 32]), StdRng::seed_from_u64(1)).unwrap();
        let mut device = open();
        let home = ListId(EntityId::new(b"the home", now));
        device.emit(now, &App::Todo(Todo::Listed { list: home.clone(), name: "home".into() })).unwrap();
        let added = |list: Option<&ListId>| App::Todo(Todo::Added { list: list.cloned(), title: "milk".into() });
        device.emit(now, &added(Some(&home))).unwrap();
        let milk = TodoId(device.emit(now, &added(None)).unwrap());
        let note = device.emit(now, &App::Plugin { event: Plugin::Noted { text: "a".into() } }).unwrap();
        let full = device.read(Clone::clone);
        device.emit(now, &App::Todo(Todo::ListRemoved { list: home })).unwrap();
        device.read(|state| assert_eq!((state.todos.len(), state.lists.len(), state.notes.len()), (1, 0, 1)));
        device.emit(now, &App::Todo(Todo::Removed { todo: milk })).unwrap();
        device.emit(now, &App::Plugin { event: Plugin::Dropped(note) }).unwrap();
        assert_eq!(device.read(Clone::clone), State::default());
        drop(device);
        let mut device = open();
        assert_eq!(device.read(Clone::clone), State::default());
        for _ in 0..3 {
            device.undo(now).unwrap();
        }
        assert_eq!(device.read(Clone::clone), full);
    }
}
