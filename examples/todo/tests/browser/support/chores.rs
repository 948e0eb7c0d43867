//! What a person does with lists and items.

use serde_json::json;

use super::hand::{Place, Pointer};
use super::page::Page;

/// The half of an item onto which another is dragged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Above,
    Below,
}

const NOTES: &str = r#"textarea[aria-label="Notes"]"#;
const DUE: &str = r#"input[aria-label="Due"]"#;

impl Page<'_> {
    #[track_caller]
    pub(crate) fn add(&self, title: &str) {
        self.click(r#"input[aria-label="New item"]"#);
        self.write(title);
        self.press("Enter");
        self.item(title);
    }

    #[track_caller]
    pub(crate) fn tick(&self, title: &str) {
        self.click(&format!("{} input[type=checkbox]", self.item(title)));
    }

    /// Writes over a title, and leaves the caret there.
    #[track_caller]
    pub(crate) fn edit(&self, title: &str, text: &str) {
        self.click(&format!("{} [data-title]", self.item(title)));
        self.until("edit the title", |view| view.focus == "Title");
        self.press("Control+a");
        self.write(text);
    }

    #[track_caller]
    pub(crate) fn rename(&self, title: &str, new: &str) {
        self.edit(title, new);
        self.press("Enter");
        self.until("have the new title", |view| view.item(new).is_some_and(|item| !item.edited));
    }

    #[track_caller]
    pub(crate) fn delete(&self, title: &str) {
        self.click_item_button(title, "Delete");
        self.until("have it no more", |view| view.item(title).is_none());
    }

    #[track_caller]
    pub(crate) fn open_details(&self, title: &str) -> String {
        let item = self.item(title);
        let is_open: bool = self.with(&format!("{item} button[aria-expanded]"), async |button| {
            Ok(button.attr("aria-expanded").await?.as_deref() == Some("true"))
        });
        if !is_open {
            self.click(&format!("{item} button[aria-expanded]"));
        }
        item
    }

    #[track_caller]
    pub(crate) fn add_list(&self, name: &str) {
        self.click(r#"input[aria-label="New list"]"#);
        self.write(name);
        self.press("Enter");
        self.until("show the new list", |view| view.list.as_deref() == Some(name));
    }

    #[track_caller]
    pub(crate) fn show_list(&self, name: &str) {
        self.click_button(name);
        self.until("show the list", |view| view.list.as_deref() == Some(name));
    }

    /// Drags an item by its handle onto the upper or the lower half of another.
    #[track_caller]
    pub(crate) fn drag(&self, pointer: Pointer, title: &str, side: Side, other: &str) {
        let (from, to) = self.drag_way(title, side, other);
        self.drag_from(pointer, from, to);
    }

    /// Returns where the handle of an item is, and to where it goes for that.
    #[track_caller]
    pub(crate) fn drag_way(&self, title: &str, side: Side, other: &str) -> (Place, Place) {
        let from = self.place(&format!("{} [data-handle]", self.item(title)));
        let target = self.place(&self.item(other));
        let inset = target.height / 2.0 - 3.0;
        let y = target.y + if matches!(side, Side::Above) { -inset } else { inset };
        (from, Place { y, ..from })
    }

    /// Drags an item onto the button of a list.
    #[track_caller]
    pub(crate) fn drag_onto_list(&self, title: &str, list: &str) {
        let from = self.place(&format!("{} [data-handle]", self.item(title)));
        let id = "return [...document.querySelectorAll(arguments[0])].find((tab) => tab.textContent === arguments[1]).dataset.list";
        let id: String = self.run(id, &[json!(self.within("button[data-list]")), json!(list)]);
        self.drag_from(Pointer::Mouse, from, self.place(&format!("button[data-list=\"{id}\"]")));
    }

    /// Clicks a button of the device, by its accessible name.
    #[track_caller]
    pub(crate) fn click_button(&self, name: &str) {
        self.click_button_in("", name);
    }

    /// Clicks a button in the details of an item.
    #[track_caller]
    pub(crate) fn click_item_button(&self, title: &str, name: &str) {
        let item = self.open_details(title);
        self.click_button_in(&item, name);
    }

    /// Writes notes at the caret, and leaves them, by which they are saved.
    #[track_caller]
    pub(crate) fn note(&self, title: &str, notes: &str) {
        let item = self.open_details(title);
        self.click(&format!("{item} {NOTES}"));
        self.write(notes);
        self.press("Escape");
    }

    /// Sets the day as a picker does, by which an item is due, and waits until the page saves it by itself.
    #[track_caller]
    pub(crate) fn set_due(&self, title: &str, day: &str) {
        let item = self.open_details(title);
        let set = "const field = document.querySelector(arguments[0]);
            field.focus();
            field.value = arguments[1];
            for (const type of ['input', 'change']) field.dispatchEvent(new Event(type, { bubbles: true }));";
        let field = [json!(self.within(&format!("{item} {DUE}"))), json!(day)];
        self.run::<()>(set, &field);
        let is_saved = "const { known, saving } = document.querySelector(arguments[0]).dataset;
            return known === arguments[1] && saving === undefined;";
        self.until("save the day", |_| self.run(is_saved, &field));
    }

    #[track_caller]
    pub(crate) fn move_to_list(&self, title: &str, list: &str) {
        let item = self.open_details(title);
        self.with(&format!("{item} select"), async |menu| menu.select_by_label(list).await);
    }

    #[track_caller]
    pub(crate) fn shows_notes(&self, title: &str, notes: &str) {
        self.shows_field(title, NOTES, notes);
    }

    #[track_caller]
    pub(crate) fn shows_due(&self, title: &str, day: &str) {
        self.shows_field(title, DUE, day);
    }

    #[track_caller]
    fn shows_field(&self, title: &str, field: &str, value: &str) {
        let field = self.within(&format!("{} {field}", self.open_details(title)));
        let read = "return document.querySelector(arguments[0])?.value ?? null";
        self.until(&format!("have {value:?} in {field}"), |_| {
            self.run::<Option<String>>(read, &[json!(field)]).as_deref() == Some(value)
        });
    }

    /// Waits for an item, and returns its selector.
    #[track_caller]
    pub(crate) fn item(&self, title: &str) -> String {
        let view = self.until(&format!("show {title:?}"), |view| view.item(title).is_some());
        format!("li[data-item=\"{}\"]", view.item(title).expect("it was just seen").id)
    }
}
