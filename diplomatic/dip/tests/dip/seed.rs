//! `dip seed`: making, bringing, showing and checking the one secret.

use std::fs;

use diplomatic::Seed;

use crate::device::{Device, OTHER_SEED, SEED, fingerprint, seed};

fn other() -> Seed {
    OTHER_SEED.parse().unwrap()
}

#[test]
fn a_new_seed_is_sealed_and_its_words_are_shown_once() {
    let phone = Device::without_seed().with("DIP_PASSPHRASE", "correct horse");
    let made = phone.run(&["seed", "new"]);
    assert!(made.err.contains("Write these words down"), "{made:?}");
    let kept = fs::read_to_string(phone.data().join("seed")).unwrap();
    assert!(kept.contains("argon2id m=65536 t=3 p=1"), "{kept}");

    let words = phone.run(&["seed", "show", "--words"]).succeeds().trim().to_owned();
    let new = Seed::from_words(&words).unwrap();
    assert!(!kept.contains(&**new.expose_hex()));
    assert!(made.out.contains(&format!("Fingerprint: {}", new.fingerprint())), "{made:?}");
    phone.run(&["seed", "show"]).prints(&format!("{}\n", *new.expose_hex()));

    // The words as they were printed, numbers and all, are what they should be; no passphrase is needed to tell.
    let numbered = made.out.split("\n\n").next().unwrap();
    let mut laptop = phone;
    laptop.unset("DIP_PASSPHRASE");
    laptop.run_with(&["seed", "check"], numbered).succeeds();

    laptop.set("DIP_PASSPHRASE", "another horse");
    laptop.run(&["seed", "show"]).fails(3, "the passphrase is wrong");
    let again = laptop.run(&["seed", "new"]);
    again.fails(1, &new.fingerprint().to_string());
    assert_eq!(again.out, "");
    assert_eq!(fs::read_to_string(laptop.data().join("seed")).unwrap(), kept);
}

#[cfg(unix)]
#[test]
fn the_seed_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let phone = Device::without_seed().with("DIP_PASSPHRASE", "correct horse");
    phone.run_with(&["seed", "import"], SEED).succeeds();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(phone.data()), 0o700);
    assert_eq!(mode(phone.data().join("seed")), 0o600);
}

#[test]
fn the_words_of_one_device_bring_the_seed_to_another() {
    let phone = Device::new();
    let words = phone.run(&["seed", "show", "--words"]).succeeds().to_owned();
    assert_eq!(words.trim(), *seed().expose_words());
    let json = phone.run(&["seed", "show", "--json"]).json();
    assert_eq!((&json["seed"], &json["words"]), (&SEED.into(), &words.trim().into()));

    let laptop = Device::without_seed().with("DIP_PASSPHRASE", "correct horse");
    let imported = laptop.run_with(&["seed", "import"], words.to_uppercase());
    imported.prints(&format!("This device has the seed now. Fingerprint: {}\n", fingerprint()));
    laptop.run(&["seed", "show"]).prints(&format!("{SEED}\n"));
    laptop.run_with(&["seed", "import"], OTHER_SEED).fails(1, &fingerprint());
}

#[test]
fn a_code_for_a_camera_has_no_escapes_where_no_terminal_is() {
    let shown = Device::new().run(&["seed", "show", "--qr"]);
    let lines: Vec<&str> = shown.succeeds().lines().collect();
    assert!(lines.len() > 15 && lines.iter().all(|line| line.chars().count() == lines[0].chars().count()), "{shown:?}");
    assert!(shown.out.chars().all(|c| " ▀▄█\n".contains(c)), "{shown:?}");
}

#[test]
fn mistakes_in_the_words_are_pointed_at() {
    let phone = Device::new();
    let words = seed().expose_words().to_string();
    let mut list: Vec<&str> = words.split(' ').collect();
    phone.run_with(&["seed", "check"], &words).succeeds();

    let wrong = format!("{}x", list[6]);
    let mistaken = words.replacen(list[6], &wrong, 1);
    let sentence = format!("word 7, `{wrong}`, is not on the list; did you mean `{}`?", list[6]);
    for command in ["check", "import"] {
        Device::without_seed().run_with(&["seed", command], &mistaken).fails(3, &sentence);
    }
    let short = list[..23].join(" ");
    phone.run_with(&["seed", "check"], short).fails(3, "a seed is 24 words, and here are 23");
    list.swap(0, 1);
    assert_ne!(list[0], list[1]);
    phone.run_with(&["seed", "check"], list.join(" ")).fails(3, "compare them with the original");
    phone.run_with(&["seed", "check"], &SEED[1..]).fails(3, "here are 63");
    phone.run_with(&["seed", "check"], "").fails(3, "here are 0");
}

#[test]
fn another_seed_is_told_from_that_of_the_device() {
    let phone = Device::new();
    let checked = phone.run_with(&["seed", "check"], OTHER_SEED);
    checked.fails(3, &other().fingerprint().to_string());
    checked.fails(3, &fingerprint());

    let nobody = Device::without_seed().run_with(&["seed", "check", "--json"], OTHER_SEED).json();
    assert_eq!(nobody["fingerprint"], other().fingerprint().to_string());
    assert_eq!(nobody["is_kept"], false);
    assert_eq!(phone.run_with(&["seed", "check", "--json"], SEED).json()["is_kept"], true);
}

#[test]
fn two_seeds_for_one_directory_are_refused() {
    let phone = Device::new();
    phone.keep(OTHER_SEED);
    phone.run(&["status"]).fails(3, "DIP_SEED");
    phone.run_with(&["cat"], "x").fails(3, &other().fingerprint().to_string());
    assert!(!phone.data().join("dip.redb").exists());
}

#[test]
fn seeds_in_the_environment_may_be_words() {
    let mut phone = Device::new();
    phone.set("DIP_SEED", &seed().expose_words());
    phone.run(&["seed", "show"]).prints(&format!("{SEED}\n"));
    phone.set("DIP_SEED", "nonsense");
    phone.run(&["seed", "show"]).fails(3, "DIP_SEED");
}

#[test]
fn without_a_seed_the_way_to_one_is_told() {
    let phone = Device::without_seed();
    for command in [&["status"][..], &["log"], &["cat"], &["seed", "show"], &["host", "add", "http://localhost:1"]] {
        phone.run(command).fails(3, "dip seed new");
        assert!(!phone.data().exists(), "{command:?}");
    }
}

#[test]
fn a_store_that_was_made_with_a_given_seed_gets_no_new_one() {
    let mut phone = Device::new();
    phone.cat("hello");
    phone.unset("DIP_SEED");
    phone.set("DIP_PASSPHRASE", "correct horse");
    phone.run(&["log"]).fails(3, "set it again");
    phone.run(&["seed", "new"]).fails(3, "was made with a DIP_SEED");
    phone.run_with(&["seed", "import"], OTHER_SEED).fails(3, "belongs to another seed");
    assert!(!phone.data().join("seed").exists());
    phone.run_with(&["seed", "import"], SEED).succeeds();
    phone.run(&["log"]).succeeds();
}

#[test]
fn a_file_that_holds_no_seed_is_named() {
    let phone = Device::without_seed();
    for (text, part) in [
        ("", "holds no seed"),
        ("0011", "holds no seed"),
        ("diplomatic sealed seed 2\nrest", "newer version"),
        ("diplomatic sealed seed 1\nkdf: x", "damaged"),
    ] {
        phone.keep(text);
        let outcome = phone.run(&["status"]);
        outcome.fails(3, part);
        assert!(outcome.err.contains("/seed"), "{outcome:?}");
    }
}
