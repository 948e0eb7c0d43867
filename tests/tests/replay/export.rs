//! What a device writes.

use std::fs;

use diplomatic::Replay;
use diplomatic::error::ExportFileError;
use diplomatic::standard::{Label, Seed, export};

use crate::files::{busy_device, folder, hashes};
use crate::todo::{Todos, device, seed};

#[test]
fn an_export_holds_every_message_and_the_standard_reads_it() {
    let (_folder, path) = folder();
    let mut device = busy_device();
    let exported = device.export(&path, &seed()).unwrap();
    let file = fs::read(&path).unwrap();
    assert_eq!(exported.bytes, file.len() as u64);
    assert_eq!(exported.messages, device.messages().unwrap().len() as u64);
    let messages = export::read(&seed(), &file).unwrap();
    assert_eq!(hashes(&messages), device.messages().unwrap());
    assert_eq!(messages.iter().map(|message| message.head().hash()).collect::<Vec<_>>(), device.messages().unwrap());
}

#[test]
fn an_export_folds_to_the_state_of_the_device() {
    let (_folder, path) = folder();
    let mut device = busy_device();
    device.export(&path, &seed()).unwrap();
    let folded = Replay::open(&path, &seed()).unwrap().fold::<Todos>(None).unwrap();
    assert_eq!(folded.state, device.read(Clone::clone));
    assert_eq!(folded.unread, *device.unread());
    assert_eq!(folded.messages, device.messages().unwrap().len() as u64);
}

#[test]
fn an_empty_log_is_a_file_too() {
    let (_folder, path) = folder();
    assert_eq!(device().export(&path, &seed()).unwrap().messages, 0);
    let mut replay = Replay::open(&path, &seed()).unwrap();
    assert!(replay.is_empty() && replay.times().is_none());
    assert_eq!(replay.fold::<Todos>(None).unwrap().state, Todos::default());
    assert!(Replay::recover(&path, &seed()).unwrap().damage().is_empty());
}

#[test]
fn another_seed_and_a_label_beyond_the_format_are_refused_and_leave_no_file() {
    let (folder, path) = folder();
    let mut device = busy_device();
    let error = device.export(&path, &Seed::from_bytes([9; 32])).unwrap_err();
    assert!(matches!(error, ExportFileError::WrongSeed), "{error:?}");
    let error = device.export_as(&path, &seed(), &Label::with_index("export", u64::MAX)).unwrap_err();
    assert!(matches!(error, ExportFileError::TooLarge(_)), "{error:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_label_of_the_users_choice_is_in_the_file() {
    let (_folder, path) = folder();
    let label = Label::with_index("attic", 3);
    busy_device().export_as(&path, &seed(), &label).unwrap();
    assert_eq!(Replay::open(&path, &seed()).unwrap().label(), Some(&label));
}

#[test]
fn an_export_that_fails_leaves_the_file_of_that_name_as_it_was_and_nothing_beside_it() {
    let (folder, path) = folder();
    let mut device = busy_device();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("kept"), "kept").unwrap();
    let error = device.export(&path, &seed()).unwrap_err();
    assert!(matches!(error, ExportFileError::Io { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(path.join("kept")).unwrap(), "kept");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let nowhere = folder.path().join("nowhere").join("todo.dpl");
    assert!(device.export(nowhere, &seed()).unwrap_err().to_string().contains("nowhere"));
}

#[test]
fn an_export_takes_the_place_of_an_older_one_and_of_what_a_crash_left() {
    let (folder, path) = folder();
    let mut device = busy_device();
    fs::write(&path, "an older export").unwrap();
    fs::write(folder.path().join("todo.dpl.partial"), "x".repeat(100_000)).unwrap();
    device.export(&path, &seed()).unwrap();
    assert_eq!(Replay::open(&path, &seed()).unwrap().len(), device.messages().unwrap().len());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn an_export_to_a_full_disk_is_no_file() {
    let (folder, path) = folder();
    let mut device = busy_device();
    for full in ["todo.dpl.partial", "todo.dpl.index.partial"] {
        std::os::unix::fs::symlink("/dev/full", folder.path().join(full)).unwrap();
        let error = device.export(&path, &seed()).unwrap_err();
        assert!(error.to_string().contains(full), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    device.export(&path, &seed()).unwrap();
}
