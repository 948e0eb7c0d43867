//! What a person sees of one device, read off the page in one go.

use std::fmt;

use serde::Deserialize;

/// Reads the device of the name that it gets; `null` while the page has none.
pub(super) const READ: &str = include_str!("view.js");

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct View {
    /// Whether the page hears from the program.
    pub(crate) live: String,
    pub(crate) lists: Vec<String>,
    /// The list that is shown.
    pub(crate) list: Option<String>,
    pub(crate) items: Vec<Item>,
    pub(crate) pending: Option<u32>,
    pub(crate) status: String,
    pub(crate) alert: String,
    pub(crate) log: Vec<String>,
    /// What has the focus, by the name that a screen reader says; an item by its title.
    pub(crate) focus: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) done: bool,
    /// The title, or what is written in its place.
    pub(crate) title: String,
    /// Whether the title is being edited.
    pub(crate) edited: bool,
}

/// As the tests write it: `✓ Bread` is done, and `✎ Bre` is being edited.
impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id: _, done, title, edited } = self;
        write!(f, "{}{}{title}", if *done { "✓ " } else { "" }, if *edited { "✎ " } else { "" })
    }
}

impl View {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.items.iter().map(Item::to_string).collect()
    }

    pub(crate) fn item(&self, title: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.title == title)
    }
}
