//! Notes with folders, tags, files and full-text search in a terminal, the same on all of a person's devices: the reference for
//! an app whose state does not hold everything.
//!
//! - [`event`]: what happens. Notes and folders own their events.
//! - [`library`]: the state. It holds the folders, and not the notes, so that it stays small.
//! - [`note`]: a note, folded from its events when it is shown.
//! - [`index`]: rows and words of all notes in SQLite, which follow the log, for lists and search.
//! - [`account`], [`device`]: the seed, the store and the index of a device, opened together.
//! - [`markdown`]: imports a folder of Markdown files.
//! - [`replay`]: makes the index of many accounts from their export files, as a server does.
//! - [`ui`], [`demo`]: the terminal.

pub mod account;
pub mod demo;
pub mod device;
pub mod event;
pub mod index;
pub mod library;
pub mod markdown;
pub mod note;
pub mod replay;
pub mod ui;
