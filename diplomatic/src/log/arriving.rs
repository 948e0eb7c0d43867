//! Noting what arrives, inside the transaction that stores it, and which roots that changes.
//!
//! A *root* is an entity with its registers; a message changes the root that it is about, and the roots on which its
//! register ever hung: which of its versions counts depends on what an app can read, and the log does not know that.
//!
//! The last change of a root is written down only where the messages do not tell it: for a root whose latest message
//! counts for the root's own entity, it is that message.

use std::collections::HashMap;

use redb::{ReadableTable, ReadableTableMetadata};

use super::arrivals::{Arriving, Block, by_dropped_key, open_root};
use super::error::LogError;
use super::rows::{Winner, register_key, register_keys, split_register_key};
use super::tables;
use super::vault::EntityKey;
use super::write::LogWriter;
use crate::order::Position;
use crate::standard::{Content, Encode, EntityId, Message};
use crate::witness::{is_own_type, kind};

impl<'t> LogWriter<'t> {
    fn arriving(&mut self) -> Result<&mut Arriving<'t>, LogError> {
        if self.arriving.is_none() {
            let blocks = self.transaction.open_table(tables::ARRIVALS)?;
            let last = match blocks.last()? {
                Some((index, value)) => Block::decode(index.value(), value.value())?,
                None => Block::first(self.vault),
            };
            let hung_on = self.transaction.open_table(tables::HUNG_ON)?;
            let changed_by_dropped = self.transaction.open_table(tables::CHANGED_BY_DROPPED)?;
            self.arriving = Some(Arriving {
                blocks,
                last,
                changed_at: self.transaction.open_table(tables::CHANGED_AT)?,
                has_hung_on: !hung_on.is_empty()?,
                hung_on,
                has_changed_by_dropped: !changed_by_dropped.is_empty()?,
                changed_by_dropped,
            });
        }
        Ok(self.arriving.as_mut().expect("it was opened just now"))
    }

    /// Writes down what arrived in this transaction; returns the number of the last arrival if anything did.
    pub(super) fn finish_arrivals(&mut self) -> Result<Option<u64>, LogError> {
        let Some(Arriving { blocks, last, .. }) = &mut self.arriving else { return Ok(None) };
        if !last.positions.is_empty() {
            blocks.insert(last.index, last.encode().as_slice())?;
        }
        Ok(Some(last.last_number()))
    }

    /// Gives a new message its number, and notes which roots it changes. `previous` counted for its entity before;
    /// `is_new_parent` if its register never hung where it hangs now.
    pub(super) fn note_arrival(
        &mut self,
        message: &Message,
        position: Position,
        entity_key: &EntityKey,
        previous: Option<&Winner>,
        is_new_parent: bool,
    ) -> Result<(), LogError> {
        let before = previous.and_then(|previous| previous.type_name.as_deref());
        if kind(message).is_some() && before.is_none_or(is_own_type) {
            return Ok(());
        }
        let number = self.arriving()?.push(&position.to_bytes())?;
        let counts = previous.is_none_or(|previous| previous.position < position);
        let entity = message.head().entity();
        if !entity.is_derived() {
            return self.arriving()?.change(entity_key, counts, number);
        }
        let root = Content::of(message).root(entity);
        if let Some(previous) = previous.filter(|_| is_new_parent) {
            self.note_roots(entity, entity_key, root.as_ref(), previous)?;
        }
        for root in self.roots_of_register(entity_key, root.as_ref())? {
            let counts_for_it = counts && root == *entity_key;
            self.arriving()?.change(&root, counts_for_it, number)?;
        }
        Ok(())
    }

    /// Notes on what a register hangs and hung, once that may be more than one root.
    fn note_roots(
        &mut self,
        register: &EntityId,
        register_key_: &EntityKey,
        root: Option<&EntityId>,
        previous: &Winner,
    ) -> Result<(), LogError> {
        let before = match previous.type_name {
            Some(_) => self.message(&previous.position)?.and_then(|message| Content::of(&message).root(register)),
            None => None,
        };
        if root == before.as_ref() {
            return Ok(());
        }
        for root in root.into_iter().chain(&before) {
            let key = register_key(register_key_, &self.vault.entity_key(root));
            let value = self.vault.seal("hung-on-1", &key, &root.to_bytes(), self.rng);
            let arriving = self.arriving()?;
            arriving.hung_on.insert(&key, value.as_slice())?;
            arriving.has_hung_on = true;
        }
        Ok(())
    }

    /// Returns the keys of the roots that a message about a register changes, given the one that it names.
    fn roots_of_register(
        &mut self,
        register: &EntityKey,
        named: Option<&EntityId>,
    ) -> Result<Vec<EntityKey>, LogError> {
        let mut roots: Vec<EntityKey> = named.map(|named| self.vault.entity_key(named)).into_iter().collect();
        let arriving = self.arriving()?;
        if arriving.has_hung_on {
            let (first, last) = register_keys(register);
            for row in arriving.hung_on.range::<&[u8; 64]>(&first..=&last)? {
                let root = split_register_key(row?.0.value());
                if !roots.contains(&root) {
                    roots.push(root);
                }
            }
        }
        if roots.is_empty() {
            roots.push(*register);
        }
        Ok(roots)
    }

    /// Keeps the last change of roots known, of which a message is about to be dropped.
    pub(super) fn keep_change_of(&mut self, key: &[u8; 48], message: &Message) -> Result<(), LogError> {
        let entity = message.head().entity();
        let entity_key = self.vault.entity_key(entity);
        let named = Content::of(message).root(entity);
        let roots = match entity.is_derived() {
            true => self.roots_of_register(&entity_key, named.as_ref())?,
            false => vec![entity_key],
        };
        for root in roots {
            let Some(number) = self.arriving()?.changed_at.get(&root)?.map(|number| number.value()) else { continue };
            if self.arriving()?.position_at(number)?.as_ref() != Some(key) {
                continue;
            }
            let id = match &named {
                Some(named) if self.vault.entity_key(named) == root => named.clone(),
                _ => match self.root_by_key(entity, &entity_key, &root)? {
                    Some(id) => id,
                    None => continue,
                },
            };
            let key = by_dropped_key(number, &root);
            let value = self.vault.seal("changed-by-dropped-1", &key, &id.to_bytes(), self.rng);
            let arriving = self.arriving()?;
            arriving.changed_by_dropped.insert(&key, value.as_slice())?;
            arriving.has_changed_by_dropped = true;
        }
        Ok(())
    }

    /// Returns the ID of a root on which a register hung.
    fn root_by_key(
        &mut self,
        register: &EntityId,
        entity_key: &EntityKey,
        root: &EntityKey,
    ) -> Result<Option<EntityId>, LogError> {
        if entity_key == root {
            return Ok(Some(register.clone()));
        }
        let key = register_key(entity_key, root);
        let vault = self.vault;
        let sealed = self.arriving()?.hung_on.get(&key)?.map(|sealed| sealed.value().to_vec());
        sealed.map(|sealed| open_root(vault, &key, &sealed)).transpose()
    }

    /// Gives every message that is here its number, in the total order. Files before format 5 do not tell in which
    /// order they arrived.
    pub(super) fn number_all(&mut self) -> Result<(), LogError> {
        let keys: Vec<[u8; 48]> =
            self.messages.iter()?.map(|row| Ok(*row?.0.value())).collect::<Result<_, LogError>>()?;
        let mut before: HashMap<EntityKey, Winner> = HashMap::new();
        for key in keys {
            let position = Position::from_bytes(&key);
            let Some(message) = self.message(&position)? else { continue };
            let entity = message.head().entity();
            let entity_key = self.vault.entity_key(entity);
            let content = Content::of(&message);
            self.attach(entity, &entity_key, &content)?;
            // The registers stood under one parent before, whichever that was.
            self.note_arrival(&message, position, &entity_key, before.get(&entity_key), true)?;
            if entity.is_derived() {
                before.insert(entity_key, Winner { position, type_name: content.type_name().map(Into::into) });
            }
        }
        self.finish_arrivals()?;
        Ok(())
    }
}
