//! Which entities there are, by type, group and parent, in the order of their times.
//!
//! A log has an index from the first time that one is asked for; from then on every transaction keeps it up to date.

use std::ops::{Bound, RangeInclusive};

use redb::{ReadableTable, Table};

use super::error::LogError;
use super::read::{LogReader, StoredMessage};
use super::tables;
use super::vault::{EntityKey, Vault};
use super::write::LogWriter;
use crate::order::Position;
use crate::standard::{Content, Encode, EntityBody, EntityId, Message, Timestamp};
use crate::witness::kind;

/// What entities are listed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bucket {
    Type(String),
    Group(String),
    Parent(EntityId),
}

/// By which of an entity's times a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Created,
    Changed,
}

/// A row: kind of the bucket and order (1) · keyed hash of the bucket (16) · time (8, big-endian) · entity key (32).
pub(super) type Row = [u8; 57];

/// A place in a list, after which the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(Row);

impl Place {
    pub(crate) const LEN: usize = 57;

    pub(crate) const fn into_bytes(self) -> [u8; Self::LEN] {
        self.0
    }

    /// Takes any bytes: what is not a place in a list comes before or after all of it.
    pub(crate) const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl Bucket {
    fn start(&self, vault: &Vault, order: Order) -> [u8; 17] {
        let (kind, name) = match self {
            Self::Type(name) => (0, name.clone().into_bytes()),
            Self::Group(name) => (1, name.clone().into_bytes()),
            Self::Parent(entity) => (2, entity.to_bytes()),
        };
        let kind = kind << 1 | u8::from(order == Order::Changed);
        let mut start = [0; 17];
        start[0] = kind;
        start[1..].copy_from_slice(&vault.hash(&[&[kind], name.as_slice()].concat())[..16]);
        start
    }
}

fn row(start: [u8; 17], time: Timestamp, entity: &EntityKey) -> Row {
    let mut row = [0; 57];
    row[..17].copy_from_slice(&start);
    row[17..25].copy_from_slice(&time.as_millis().to_be_bytes());
    row[25..].copy_from_slice(entity);
    row
}

/// Returns the rows of a message that counts; a delete has none, nor has what apps do not see.
pub(super) fn rows(vault: &Vault, message: &Message) -> Vec<Row> {
    let Content::Typed { type_name, .. } = Content::of(message) else { return Vec::new() };
    if kind(message).is_some() {
        return Vec::new();
    }
    let head = message.head();
    let entity = head.entity();
    let body = message.body().filter(|_| entity.singleton_type().is_none());
    let body = body.and_then(|body| EntityBody::decode(body).ok());
    let group = body.as_ref().and_then(|body| body.group).map(|group| Bucket::Group(group.to_owned()));
    let parent = body.and_then(|body| body.parent).map(Bucket::Parent);
    let key = vault.entity_key(entity);
    [Some(Bucket::Type(type_name.to_owned())), group, parent]
        .into_iter()
        .flatten()
        .flat_map(|bucket| {
            [(Order::Created, entity.created()), (Order::Changed, head.changed())]
                .map(|(order, time)| row(bucket.start(vault, order), time, &key))
        })
        .collect()
}

impl LogWriter<'_> {
    /// Lists every entity that is there; from now on the index is kept up to date.
    pub(crate) fn build_index(&mut self) -> Result<(), LogError> {
        self.transaction.open_table(tables::META)?.insert("index", [1].as_slice())?;
        let mut index = self.transaction.open_table(tables::INDEX)?;
        for entry in self.entities.iter()? {
            let (key, sealed) = entry?;
            let position = self.winner_position(key.value(), sealed.value())?;
            if let Some(message) = self.message(&position)? {
                insert(&mut index, self.vault, &message)?;
            }
        }
        Ok(())
    }

    /// Lists a message that counts now, in the place of the one that did.
    pub(super) fn reindex(&self, message: &Message, before: Option<&Position>) -> Result<(), LogError> {
        let mut index = self.transaction.open_table(tables::INDEX)?;
        if let Some(before) = before
            && let Some(before) = self.message(before)?
        {
            for row in rows(self.vault, &before) {
                index.remove(&row)?;
            }
        }
        insert(&mut index, self.vault, message)
    }
}

fn insert(index: &mut Table<'_, &'static Row, ()>, vault: &Vault, message: &Message) -> Result<(), LogError> {
    for row in rows(vault, message) {
        index.insert(&row, ())?;
    }
    Ok(())
}

impl LogReader<'_> {
    pub(crate) fn has_index(&self) -> Result<bool, LogError> {
        Ok(self.transaction.open_table(tables::META)?.get("index")?.is_some())
    }

    /// Returns up to `limit` messages that count, and where each stands in its list.
    pub(crate) fn list(
        &self,
        bucket: &Bucket,
        order: Order,
        times: &RangeInclusive<Timestamp>,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Vec<(Place, StoredMessage)>, LogError> {
        let start = bucket.start(self.vault, order);
        let first = row(start, *times.start(), &[0; 32]);
        let last = row(start, *times.end(), &[0xff; 32]);
        let first = match after {
            Some(Place(after)) if *after >= first => Bound::Excluded(after),
            _ => Bound::Included(&first),
        };
        if matches!(first, Bound::Excluded(first) | Bound::Included(first) if *first > last) {
            return Ok(Vec::new());
        }
        let index = self.transaction.open_table(tables::INDEX)?;
        let mut page = Vec::new();
        for entry in index.range::<&Row>((first, Bound::Included(&last)))?.take(limit) {
            let (row, _) = entry?;
            let (_, entity) = row.value().split_last_chunk::<32>().expect("a row has 57 bytes");
            let damaged = LogError::DamagedValue { table: "index-1" };
            let position = self.winner_of(entity)?.ok_or(damaged)?.position;
            page.extend(self.message(&position)?.map(|stored| (Place(*row.value()), stored)));
        }
        Ok(page)
    }
}
