//! The shopping list for apps in other languages, over the blocking client.
//!
//! All calls but [`ShoppingList::items`] and [`ShoppingList::status`] wait for the disk or the network, so an app makes them off its main thread:
//! on `Dispatchers.IO` in Kotlin, in a `Task.detached` in Swift.

// UniFFI's macros expand to functions for other languages, which Rust calls unsafe.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::thread;

use diplomatic::blocking::Client;
use diplomatic::{EntityId, Seed};
use groceries::{Groceries, GroceryEvent};

uniffi::setup_scaffolding!();

/// An item of the list.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Item {
    pub id: String,
    pub name: String,
    pub is_in_cart: bool,
}

/// What went wrong, for people.
#[derive(Debug, thiserror::Error, uniffi::Error)]
pub enum ShoppingError {
    #[error("{reason}")]
    Failed { reason: String },
}

impl ShoppingError {
    fn of(error: impl std::error::Error) -> Self {
        Self::Failed { reason: error.to_string() }
    }
}

/// Is told when there is something new to show, on a thread of the list's own.
#[uniffi::export(with_foreign)]
pub trait Watcher: Send + Sync {
    fn changed(&self);
}

/// Makes the seed of a new account, which the app keeps in the phone's keystore.
#[uniffi::export]
pub fn new_seed() -> String {
    Seed::random().expose_hex().to_string()
}

/// A shopping list, open on this device.
#[derive(Debug, uniffi::Object)]
pub struct ShoppingList {
    client: Client<Groceries>,
}

#[uniffi::export]
impl ShoppingList {
    /// Opens the list of an account in a file, and syncs it in the background if there is a host.
    #[uniffi::constructor]
    pub fn open(file: String, seed: String, host: Option<String>) -> Result<Arc<Self>, ShoppingError> {
        let seed: Seed = seed.parse().map_err(ShoppingError::of)?;
        let mut builder = diplomatic::Client::builder(seed).store(file);
        if let Some(host) = host {
            builder = builder.host(host);
        }
        let client = builder.open_blocking().map_err(ShoppingError::of)?;
        Ok(Arc::new(Self { client }))
    }

    /// Returns the items, in order of their names.
    pub fn items(&self) -> Vec<Item> {
        let list = self.client.read(Groceries::list);
        list.into_iter()
            .map(|(id, item)| Item { id: id.to_string(), name: item.name, is_in_cart: item.is_in_cart })
            .collect()
    }

    /// Adds an item, and returns its ID. It is durable when this returns, whether or not there is a network.
    pub fn add(&self, name: String) -> Result<String, ShoppingError> {
        self.emit(GroceryEvent::Added { name }).map(|id| id.to_string())
    }

    /// Puts an item into the cart, or takes it out.
    pub fn tick(&self, id: &str, is_in_cart: bool) -> Result<(), ShoppingError> {
        let item = id.parse().map_err(ShoppingError::of)?;
        self.emit(GroceryEvent::Ticked { item, is_in_cart }).map(drop)
    }

    /// Removes an item.
    pub fn remove(&self, id: &str) -> Result<(), ShoppingError> {
        let item = id.parse().map_err(ShoppingError::of)?;
        self.emit(GroceryEvent::Removed { item }).map(drop)
    }

    /// Syncs with the host now, and returns whether everything is in sync.
    pub fn sync(&self) -> Result<bool, ShoppingError> {
        self.client.sync().map(|status| status.is_caught_up()).map_err(ShoppingError::of)
    }

    /// Returns a line about each host, for people.
    pub fn status(&self) -> Vec<String> {
        self.client.status().hosts().iter().map(ToString::to_string).collect()
    }

    /// Tells a watcher of every change, until the list is closed.
    pub fn watch(&self, watcher: Arc<dyn Watcher>) {
        let client = self.client.clone();
        let mut changes = client.as_async().changes();
        thread::spawn(move || {
            while client.wait(changes.next()).is_some() {
                watcher.changed();
            }
        });
    }

    /// Closes the list. Nothing is lost if the app is killed instead. (In Kotlin, `close` is what frees the object.)
    pub fn shut(&self) {
        self.client.close();
    }
}

impl ShoppingList {
    fn emit(&self, event: GroceryEvent) -> Result<EntityId, ShoppingError> {
        self.client.emit(event).map_err(ShoppingError::of)
    }
}
