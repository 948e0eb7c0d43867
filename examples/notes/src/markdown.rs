//! Importing a folder of Markdown files.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use diplomatic::EntityId;

use crate::device::Device;
use crate::event::{Event, FolderEvent, FolderId, NoteEvent};
use crate::library::{folder_named, named};
use crate::note::Note;

/// How many events are written in one transaction.
const BATCH: usize = 1_000;

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// How many notes were written.
    pub written: usize,
    /// How many were as in their files already.
    pub unchanged: usize,
}

/// A Markdown file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path below the folder that is imported, with `/` between its parts.
    pub path: String,
    /// The text.
    pub text: String,
}

/// Imports all Markdown files below a directory: each becomes a note, and each subdirectory a folder. A file that was imported
/// before replaces its note, if it differs. Reports to `watch` how many of how many files are done.
///
/// # Errors
///
/// Files that cannot be read, and those of the device. What was written before stays.
pub fn import(
    device: &Device,
    directory: &Path,
    mut watch: impl FnMut(usize, usize),
) -> Result<Imported, Box<dyn Error + Send + Sync>> {
    let paths = find(directory).map_err(|error| format!("{} cannot be read: {error}", directory.display()))?;
    let (mut imported, mut events) = (Imported::default(), Vec::<Event>::new());
    let mut folders: HashSet<FolderId> = device.client().read(|library| library.folders.keys().cloned().collect());
    for (done, path) in paths.iter().enumerate() {
        let bytes = fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let below = path.strip_prefix(directory).unwrap_or(path);
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        let file = File { path: parts.join("/"), text: String::from_utf8_lossy(&bytes).into_owned() };
        let (folder, note) = read(&file);
        if let Some((id, name)) = folder.filter(|(id, _)| folders.insert(id.clone())) {
            events.push(FolderEvent::Named { folder: id, name }.into());
        }
        if is_there(device, &note)? {
            imported.unchanged += 1;
        } else {
            imported.written += 1;
            events.push(note.into());
        }
        if events.len() >= BATCH {
            device.client().emit_all(std::mem::take(&mut events))?;
        }
        watch(done + 1, paths.len());
    }
    device.client().emit_all(events)?;
    Ok(imported)
}

/// Returns the note of a file, and the folder it lies in, if any.
///
/// Its title is its first heading or line, or the name of the file. Its tags stand behind `tags:` between two lines of `---` at
/// the beginning.
pub fn read(file: &File) -> (Option<(FolderId, String)>, NoteEvent) {
    let (folder, name) = file.path.rsplit_once('/').map_or((None, &*file.path), |(folder, name)| (Some(folder), name));
    let text = file.text.replace("\r\n", "\n");
    let (tags, text) = front_matter(&text);
    let text = text.trim_start_matches('\n');
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let heading = first.trim_start_matches('#').trim();
    let (title, text) = if heading.is_empty() {
        (name.rsplit_once('.').map_or(name, |(stem, _)| stem), text)
    } else {
        (heading, rest.strip_prefix('\n').unwrap_or(rest))
    };
    let folder = folder.map(|name| (folder_named(name), name.to_owned()));
    let note = NoteEvent::Imported {
        note: named("file", &file.path),
        title: title.to_owned(),
        text: text.trim_end().to_owned(),
        folder: folder.as_ref().map(|(id, _)| id.clone()),
        tags,
    };
    (folder, note)
}

/// Splits off what stands between two lines of `---` at the beginning, and returns the tags it names.
fn front_matter(text: &str) -> (Vec<String>, &str) {
    let Some((front, rest)) = text.strip_prefix("---\n").and_then(|text| text.split_once("\n---")) else {
        return (Vec::new(), text);
    };
    let line = front.lines().find_map(|line| line.strip_prefix("tags:")).unwrap_or_default();
    let clean = |tag: &str| tag.trim().trim_matches(['"', '\'']).trim_start_matches('#').to_owned();
    let tags = line.trim().trim_matches(['[', ']']).split(',').map(clean).filter(|tag| !tag.is_empty()).collect();
    (tags, rest.split_once('\n').map_or("", |(_, rest)| rest))
}

/// Tells whether the note is as in its file already.
fn is_there(device: &Device, imported: &NoteEvent) -> Result<bool, diplomatic::LogError> {
    let NoteEvent::Imported { note, title, text, .. } = imported else { return Ok(false) };
    let there: Option<Note> = device.client().load(&EntityId::from(note.clone()))?;
    Ok(there.is_some_and(|there| there.title == *title && there.text == *text))
}

/// Finds the Markdown files below a directory, in the order of their paths. It follows no symbolic links, and leaves out what
/// is hidden.
fn find(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut waiting) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("md")) {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
