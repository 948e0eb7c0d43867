//! Printing messages.

use std::fmt;

use diplomatic::history::{Happened, HistoryEntry, Origin};
use diplomatic::peers::DeviceId;
use diplomatic::raw::RawEvent;
use diplomatic::replay::Replayed;
use diplomatic::{EntityId, Meta, Position};
use serde::{Serialize, Serializer};

use crate::failure::Failure;
use crate::output::{Lines, Output};
use crate::payload::{self, AsJson, hex};
use crate::shown::{Bytes, Shown};
use crate::time::{Local, rfc3339};

/// How many hex digits of an entity ID are printed for people: enough to tell two apart and to look one up.
const SHORT: usize = 12;

/// How many characters of a payload are printed for people.
const LONGEST: usize = 400;

/// One message to print.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) position: Position,
    pub(crate) meta: Meta,
    what: What,
    /// Where it came from; `None` if no device is involved.
    origin: Option<Origin>,
    device: Option<DeviceId>,
    counts: bool,
}

#[derive(Debug)]
enum What {
    Content {
        /// `None` for a body that has no type.
        type_name: Option<String>,
        payload: Vec<u8>,
        group: Option<String>,
        parent: Option<EntityId>,
    },
    Deleted,
    Unreadable {
        reason: String,
    },
}

impl Entry {
    pub(crate) fn from_history(entry: HistoryEntry<RawEvent>) -> Self {
        let HistoryEntry { position, meta, origin, device, what, overwritten_by, .. } = entry;
        let what = match what {
            Happened::Event(event) => What::of(event),
            Happened::Deleted => What::Deleted,
            Happened::Unreadable { error } => What::Unreadable { reason: error.to_string() },
            _ => What::Unreadable { reason: "it is of a kind that this program does not know".to_owned() },
        };
        Self { position, meta, what, origin: Some(origin), device, counts: overwritten_by.is_none() }
    }

    pub(crate) fn from_file(replayed: Replayed<RawEvent>) -> Self {
        let Replayed { event, meta, position, counts, .. } = replayed;
        Self { position, meta, what: What::of(event), origin: None, device: None, counts }
    }

    /// Returns the type's name; empty for a delete, and for a body that has none.
    pub(crate) fn type_name(&self) -> &str {
        match &self.what {
            What::Content { type_name, .. } => type_name.as_deref().unwrap_or_default(),
            What::Deleted | What::Unreadable { .. } => "",
        }
    }

    pub(crate) const fn is_delete(&self) -> bool {
        matches!(self.what, What::Deleted)
    }

    /// Returns it as a line for people.
    pub(crate) const fn line(&self) -> impl fmt::Display + '_ {
        Line { entry: self, is_full: false }
    }

    /// Prints it: for people, a long payload is shortened unless it is wanted in full.
    pub(crate) fn print(&self, out: &mut Lines, output: Output, is_full: bool) -> Result<(), Failure> {
        if output.is_json { out.json(self) } else { out.text(Line { entry: self, is_full }) }
    }
}

impl What {
    fn of(event: RawEvent) -> Self {
        match event {
            RawEvent::Typed { type_name, payload, group, parent, .. } => {
                Self::Content { type_name: Some(type_name), payload, group, parent }
            }
            RawEvent::Bare { body } => Self::Content { type_name: None, payload: body, group: None, parent: None },
            RawEvent::Deleted { .. } => Self::Deleted,
            _ => Self::Unreadable { reason: "it is of a kind that this program does not know".to_owned() },
        }
    }
}

/// Reads the first digits of an entity ID.
pub(crate) fn digits(text: &str) -> Result<String, &'static str> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("an entity ID consists of hex digits, as `dip log` prints them")
    }
}

/// One line for people.
struct Line<'a> {
    entry: &'a Entry,
    is_full: bool,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { meta, what, origin, counts, .. } = self.entry;
        let entity = meta.entity.to_string();
        let short = entity.get(..SHORT).unwrap_or(&entity);
        write!(f, "{}  {short:SHORT$}  ", Local(meta.changed))?;
        match what {
            What::Content { type_name, payload: bytes, .. } => {
                let type_name = match type_name.as_deref() {
                    None => "-",
                    Some("") => "\"\"",
                    Some(type_name) => type_name,
                };
                let payload = match payload::read(bytes) {
                    Some(value) => payload::json(&AsJson(&value)),
                    None => format!("\"{}\"", hex(bytes)),
                };
                write!(f, "{}  ", Shown(type_name))?;
                match payload.char_indices().nth(LONGEST) {
                    Some((end, _)) if !self.is_full => {
                        let rest = Bytes(bytes.len() as u64);
                        write!(f, "{}... ({rest} in all; --full shows them)", &payload[..end])?;
                    }
                    _ => f.write_str(&payload)?,
                }
            }
            What::Deleted => f.write_str("deleted")?,
            What::Unreadable { reason } => write!(f, "unreadable: {}", Shown(reason))?,
        }
        match origin {
            Some(Origin::Host(label)) => write!(f, "  from {}", Shown(&label.to_string()))?,
            Some(Origin::File) => f.write_str("  from a file")?,
            _ => {}
        }
        if *counts { Ok(()) } else { f.write_str("  (overwritten)") }
    }
}

/// One document for scripts.
impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize, Default)]
        struct Document<'a> {
            time: Option<String>,
            millis: u64,
            counter: u64,
            hash: String,
            entity: String,
            #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
            type_name: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            payload: Option<AsJson<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            bytes: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            group: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            parent: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            unreadable: Option<&'a str>,
            deleted: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            from: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            host: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            device: Option<String>,
            counts: bool,
        }
        let Self { position, meta, what, origin, device, counts } = self;
        let mut document = Document {
            time: rfc3339(meta.changed),
            millis: meta.changed.as_millis(),
            counter: position.counter,
            hash: hex(position.hash.as_bytes()),
            entity: meta.entity.to_string(),
            device: device.as_ref().map(DeviceId::to_string),
            counts: *counts,
            ..Document::default()
        };
        document.from = origin.as_ref().map(|origin| match origin {
            Origin::Host(_) => "host",
            Origin::File => "file",
            _ => "here",
        });
        if let Some(Origin::Host(label)) = origin {
            document.host = Some(label.to_string());
        }
        let value;
        match what {
            What::Content { type_name, payload, group, parent } => {
                document.type_name = type_name.as_deref();
                value = payload::read(payload);
                match &value {
                    Some(value) => document.payload = Some(AsJson(value)),
                    None => document.bytes = Some(hex(payload)),
                }
                document.group = group.as_deref();
                document.parent = parent.as_ref().map(EntityId::to_string);
            }
            What::Deleted => document.deleted = true,
            What::Unreadable { reason } => document.unreadable = Some(reason),
        }
        document.serialize(serializer)
    }
}
