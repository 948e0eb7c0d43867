//! The state, the index, imports and replays.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use diplomatic::testing::{Dice, check_projection, check_reducer};
use diplomatic::{EntityId, Seed};
use notes::account::Account;
use notes::device::Device;
use notes::event::{Event, FolderEvent, NoteEvent};
use notes::index::{Index, Search};
use notes::library::{Library, folder_named};
use notes::markdown::{self, File};

fn any_event(entities: &[EntityId], dice: &mut Dice) -> Event {
    let note = dice.pick(entities).clone().into();
    let name: &&str = dice.pick(&["Home", "Work"]);
    let folder = folder_named(name);
    let tag = (*dice.pick(&["red", "blue"])).to_owned();
    let file = "42".repeat(32) + ".10";
    match dice.below(10) {
        0 | 1 => NoteEvent::Added { title: dice.word(), text: dice.word() }.into(),
        2 => NoteEvent::Imported { note, title: dice.word(), text: dice.word(), folder: None, tags: vec![tag] }.into(),
        3 => NoteEvent::Titled { note, title: dice.word() }.into(),
        4 => NoteEvent::Written { note, text: dice.word() }.into(),
        5 => NoteEvent::Filed { note, folder: dice.percent(70).then_some(folder) }.into(),
        6 => NoteEvent::Tagged { note, tag, tagged: dice.percent(70) }.into(),
        7 => NoteEvent::Removed { note }.into(),
        8 => NoteEvent::Attached { note, name: tag, file: dice.percent(70).then(|| file.parse().unwrap()) }.into(),
        _ if dice.percent(70) => FolderEvent::Named { folder, name: dice.word() }.into(),
        _ => FolderEvent::Removed { folder }.into(),
    }
}

#[test]
fn the_reducer_keeps_its_promises() {
    check_reducer::<Library>(any_event);
}

#[test]
fn rows_that_follow_a_device_are_those_of_a_rebuild() {
    let open = || Index::open(Path::new(":memory:"), "").unwrap();
    let rows = |index: &mut Index| {
        let searches = ["", "#red", "#blue #red", "a", "e b"].map(Search::typed);
        searches.map(|search| index.search(&search, 0, 100).unwrap())
    };
    check_projection::<Library, Index, _>(open, rows, any_event);
}

fn device(folder: &Path) -> (Device, Seed) {
    fs::create_dir_all(folder).unwrap();
    let seed = Seed::random();
    (Device::open(Account { seed: seed.clone(), directory: folder.to_owned() }, None).unwrap(), seed)
}

fn titles(device: &Device, query: &str) -> Vec<String> {
    device.catch_up(|_| ()).unwrap();
    let found = device.index().search(&Search::typed(query), 0, 100).unwrap();
    found.into_iter().map(|found| found.title).collect()
}

fn add(device: &Device, title: &str, text: &str) -> EntityId {
    device.client().emit(NoteEvent::Added { title: title.into(), text: text.into() }.into()).unwrap()
}

#[test]
fn search_finds_beginnings_of_words_in_any_case_and_the_latest_change_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let (device, _) = device(folder.path());
    let cafe = add(&device, "Café", "two Croissants");
    add(&device, "Shopping", "milk, croissants");
    assert_eq!(titles(&device, "CROI"), ["Shopping", "Café"]);
    assert_eq!(titles(&device, "cafe two"), ["Café"]);
    assert_eq!(titles(&device, "two milk"), [""; 0], "all words have to be there");
    device.client().emit(NoteEvent::Titled { note: cafe.clone().into(), title: "Caffè".into() }.into()).unwrap();
    assert_eq!(titles(&device, "croi"), ["Caffè", "Shopping"]);
    assert_eq!(titles(&device, "café"), [""; 0], "its words went with the old title");
    device.client().emit(NoteEvent::Removed { note: cafe.into() }.into()).unwrap();
    assert_eq!(titles(&device, ""), ["Shopping"]);
}

#[test]
fn whatever_is_typed_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let (device, _) = device(folder.path());
    add(&device, "a \"quoted\" AND (odd) title", "NEAR*");
    for query in [
        "\"",
        "\"quoted",
        "AND",
        "NOT OR",
        "(",
        "a*",
        "#",
        "##x",
        "'; DROP TABLE notes",
        "-",
        "near",
        "title:",
        "\u{0}",
    ] {
        titles(&device, query);
    }
    assert_eq!(titles(&device, "\"quoted\" (odd)").len(), 1);
    assert_eq!(titles(&device, "AND").len(), 1);
}

#[test]
fn many_notes_of_one_millisecond_all_have_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (device, _) = device(folder.path());
    let notes = (0..5_000).map(|n| NoteEvent::Added { title: n.to_string(), text: String::new() }.into()).collect();
    device.client().emit_all(notes).unwrap();
    device.catch_up(|_| ()).unwrap();
    assert_eq!(device.index().len().unwrap(), 5_000);
}

#[test]
fn a_folder_of_markdown_files_can_be_imported_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    fs::create_dir_all(files.join("Work/Old")).unwrap();
    fs::create_dir_all(files.join(".git")).unwrap();
    fs::write(files.join("plain.md"), "only a line").unwrap();
    fs::write(files.join("Work/plan.md"), "---\ntitle: x\ntags: [red, \"#blue\"]\n---\n# The plan\n\nOne\nTwo\n")
        .unwrap();
    fs::write(files.join("Work/Old/empty.md"), "").unwrap();
    fs::write(files.join("picture.png"), [0x89, 0x50]).unwrap();
    fs::write(files.join(".git/hidden.md"), "hidden").unwrap();
    let (device, _) = device(&folder.path().join("data"));
    let first = markdown::import(&device, &files, |_, _| ()).unwrap();
    assert_eq!((first.written, first.unchanged), (3, 0));
    assert_eq!(titles(&device, "#red"), ["The plan"]);
    assert_eq!(titles(&device, "only"), ["only a line"]);
    assert_eq!(titles(&device, "").len(), 3);
    let names: Vec<String> = device.client().read(|library| library.folders.values().cloned().collect());
    assert!(names.contains(&"Work".to_owned()) && names.contains(&"Work/Old".to_owned()), "{names:?}");

    let again = markdown::import(&device, &files, |_, _| ()).unwrap();
    assert_eq!((again.written, again.unchanged), (0, 3));
    fs::write(files.join("plain.md"), "another line").unwrap();
    let changed = markdown::import(&device, &files, |_, _| ()).unwrap();
    assert_eq!((changed.written, changed.unchanged), (1, 2));
    assert_eq!(titles(&device, "line"), ["another line"], "it is the same note");
    let error = markdown::import(&device, &files.join("nowhere"), |_, _| ()).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn the_title_of_a_file_is_its_first_heading_or_line_or_its_name() {
    let title = |text: &str| match markdown::read(&File { path: "a/b.md".into(), text: text.into() }).1 {
        NoteEvent::Imported { title, text, .. } => (title, text),
        other => panic!("{other:?}"),
    };
    assert_eq!(title("# One\r\n\r\ntwo\r\n"), ("One".into(), "two".into()));
    assert_eq!(title("one\ntwo"), ("one".into(), "two".into()));
    assert_eq!(title(""), ("b".into(), String::new()));
    assert_eq!(title("---\nnot closed"), ("---".into(), "not closed".into()));
    assert_eq!(title("---\ntags: a\n---\n"), ("b".into(), String::new()));
}

/// Exports an account with some notes, and its seed.
fn export(folder: &Path, name: &str, count: usize) -> PathBuf {
    let (device, seed) = device(&folder.join(format!("{name}-data")));
    (0..count).for_each(|n| drop(add(&device, &format!("{name} {n}"), "text")));
    let file = folder.join(format!("{name}.dpl"));
    device.client().export(&file).unwrap();
    seed.store_new(folder.join(format!("{name}.seed"))).unwrap();
    file
}

#[test]
fn a_server_makes_one_index_of_many_exports_and_one_bad_file_does_not_stop_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = (0..6).map(|n| export(folder.path(), &format!("person{n}"), 20 + n)).collect();
    let odd = folder.path().join("odd.dpl");
    fs::write(&odd, "not an export").unwrap();
    fs::copy(folder.path().join("person0.seed"), folder.path().join("odd.seed")).unwrap();
    let seedless = folder.path().join("seedless.dpl");
    fs::copy(&files[0], &seedless).unwrap();
    files.extend([odd, seedless]);
    let to = folder.path().join("all.sqlite");
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notes"));
        command.arg("replay").args(&files).arg("--to").arg(&to).output().unwrap()
    };
    for _ in 0..2 {
        let output = run();
        let (told, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(!output.status.success());
        assert_eq!(told.lines().count(), 6, "{told}");
        assert!(errors.contains("odd.dpl") && errors.contains("seedless.seed"), "{errors}");
        for n in 0..6 {
            let index = Index::open(&to, &format!("person{n}")).unwrap();
            assert_eq!(index.len().unwrap(), 20 + n);
            let found = index.search(&Search::typed("text"), 0, 100).unwrap();
            assert!(
                found.len() == 20 + n as usize
                    && found.iter().all(|found| found.title.starts_with(&format!("person{n}")))
            );
        }
    }
}
