//! Lists and search.

use diplomatic::EntityId;
use diplomatic::standard::Encode;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::{Index, id_of};
use crate::event::{FolderId, NoteId};

/// What to look for: words, `#tags`, and a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    words: Vec<String>,
    tags: Vec<String>,
    folder: Option<FolderId>,
}

/// A note in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The note.
    pub note: NoteId,
    /// Its first line.
    pub title: String,
}

impl Search {
    /// Reads what somebody typed: words are looked for by their beginnings, as the last one is still being typed, and `#`
    /// begins a tag.
    pub fn typed(query: &str) -> Self {
        let mut search = Self::default();
        for part in query.split_whitespace() {
            match part.strip_prefix('#') {
                Some("") => {}
                Some(tag) => search.tags.push(tag.to_lowercase()),
                // What has no letter or digit is no word to SQLite.
                None if part.chars().any(char::is_alphanumeric) => search.words.push(part.replace('"', " ")),
                None => {}
            }
        }
        search
    }

    /// Looks only in a folder, if one is given.
    #[must_use]
    pub fn in_folder(self, folder: Option<FolderId>) -> Self {
        Self { folder, ..self }
    }

    /// Returns the words in the language of FTS5, where a quoted text means nothing but itself.
    fn matching(&self) -> Option<String> {
        let terms: Vec<String> = self.words.iter().map(|word| format!("\"{word}\"*")).collect();
        (!terms.is_empty()).then(|| terms.join(" AND "))
    }
}

impl Index {
    /// Returns up to `limit` notes that match, those changed last first, after the first `skip` of them.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub fn search(&self, search: &Search, skip: usize, limit: usize) -> rusqlite::Result<Vec<Found>> {
        let mut values: Vec<Value> = vec![self.account.into()];
        let mut bind = |value: Value| {
            values.push(value);
            format!("?{}", values.len())
        };
        // Each way begins with the table that is in the right order and knows which rows match.
        let (mut from, place) = match (search.matching(), search.tags.first()) {
            (Some(matching), _) => {
                let matching = bind(matching.into());
                (format!("words JOIN notes ON notes.place = words.rowid WHERE words MATCH {matching}"), "words.rowid")
            }
            (None, Some(tag)) => {
                let tag = bind(tag.clone().into());
                let which = format!("tags.account = ?1 AND tags.tag = {tag}");
                (format!("tags JOIN notes ON notes.place = tags.place WHERE {which}"), "tags.place")
            }
            (None, None) => ("notes WHERE true".to_owned(), "notes.place"),
        };
        for tag in &search.tags {
            let tag = bind(tag.clone().into());
            from += &format!(
                " AND EXISTS (SELECT 1 FROM tags AS own WHERE own.account = ?1 AND own.tag = {tag} AND own.place = notes.place)"
            );
        }
        if let Some(folder) = &search.folder {
            let folder = bind(EntityId::from(folder.clone()).to_bytes().into());
            from += &format!(" AND notes.folder = {folder}");
        }
        let (skip, limit) = (bind(to_sql(skip)), bind(to_sql(limit)));
        let query = format!(
            "SELECT notes.id, notes.title FROM {from} AND notes.account = ?1 ORDER BY {place} DESC LIMIT {limit} OFFSET {skip}"
        );
        let mut statement = self.database.prepare_cached(&query)?;
        let rows = statement.query_map(params_from_iter(values), found)?;
        rows.filter_map(Result::transpose).collect()
    }
}

fn to_sql(number: usize) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// A row whose ID makes no sense is passed over, as everything in the index can be made again.
fn found(row: &Row<'_>) -> rusqlite::Result<Option<Found>> {
    let id: Vec<u8> = row.get(0)?;
    let title = row.get(1)?;
    Ok(id_of(&id).map(|id| Found { note: id.into(), title }))
}
