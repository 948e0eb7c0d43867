//! Seeds, signing keys and message keys are never shown, in any form.

use diplomatic::standard::export::{self, IndexWriter};
use diplomatic::standard::{Body, EntityId, HostKeys, Label, Message, Seed, SeedParseError, Timestamp};

const HEX: &str = "c0ffee0badc0de5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed99";

/// Every secret behind the seed above, with a label and a message.
struct Secrets(Vec<[u8; 32]>);

impl Secrets {
    fn of(seed: &Seed, label: &Label, keys: &HostKeys, message: &Message) -> Self {
        let derive = |material: &[u8]| *blake3::hash(&[&seed.expose_bytes()[..], material].concat()).as_bytes();
        let host = derive(&[label.name().as_bytes(), &label.index().to_be_bytes()].concat());
        Self(vec![*seed.expose_bytes(), host, derive(keys.kdm(message.head()).as_bytes())])
    }

    /// Asserts that a text shows no four bytes in a row of any secret, in hex or as a list of numbers.
    fn assert_hidden(&self, shown: &str) {
        let lower = shown.to_lowercase();
        for four in self.0.iter().flat_map(|secret| secret.windows(4)) {
            let hex: String = four.iter().map(|byte| format!("{byte:02x}")).collect();
            let list = format!("{}, {}, {}, {}", four[0], four[1], four[2], four[3]);
            let hex_list = format!("{:#x}, {:#x}, {:#x}, {:#x}", four[0], four[1], four[2], four[3]);
            for form in [hex, list, hex_list] {
                assert!(!lower.contains(&form), "{form} is shown in {shown}");
            }
        }
    }
}

#[test]
fn nothing_that_holds_a_secret_shows_it() {
    let seed: Seed = HEX.parse().unwrap();
    let label = Label::new("host");
    let keys = HostKeys::derive(&seed, &label);
    let now = Timestamp::from_millis(1_764_000_000_123);
    let message = Message::new(EntityId::new(b"an id...", now), now, 0, Body::new(*b"a body")).unwrap();
    let secrets = Secrets::of(&seed, &label, &keys, &message);
    let bag = keys.seal(&message);
    let opened = keys.open_head(&bag.head).unwrap();
    let stranger = HostKeys::derive(&Seed::from_bytes([9; 32]), &label);
    let error = stranger.open(&bag).unwrap_err();

    let mut writer = IndexWriter::new(&seed, &label).unwrap();
    let mut index = Vec::new();
    writer.add(message.head(), &mut index).unwrap();
    let writing = format!("{writer:?} {writer:#?}");
    let frame = writer.finish();
    let file = export::write(&seed, &label, [&message]).unwrap();
    let items = export::open(&seed, &file).unwrap();
    let file_error = export::read(&Seed::from_bytes([9; 32]), &file).unwrap_err();

    for shown in [
        format!("{seed:?} {seed:#?} {:?}", Some(&seed)),
        format!("{keys:?} {keys:#?} {keys:x?}"),
        format!("{opened:?} {opened:#?} {opened:x?}"),
        format!("{error:?} {error}"),
        writing,
        format!("{:?} {:x?}", frame.sealer, frame.sealer),
        format!("{items:?}"),
        format!("{file_error:?} {file_error}"),
        format!("{:?} {:?}", keys.authenticate(now), bag),
    ] {
        secrets.assert_hidden(&shown);
    }
}

#[test]
fn a_mistyped_seed_is_not_repeated_in_the_error() {
    let seed: Seed = HEX.parse().unwrap();
    let secrets = Secrets(vec![*seed.expose_bytes()]);
    for text in [&HEX[1..], &format!("{HEX}0"), &format!("{HEX}\n"), &format!(" {HEX}"), &HEX.replace('c', "x")] {
        let error = text.parse::<Seed>().unwrap_err();
        secrets.assert_hidden(&format!("{error} {error:?}"));
    }
}

#[test]
fn a_seed_says_what_is_wrong_with_it() {
    let error = |text: &str| text.parse::<Seed>().unwrap_err();
    assert_eq!(error(""), SeedParseError::WrongLength { digits: 0 });
    assert_eq!(error(&HEX[..63]), SeedParseError::WrongLength { digits: 63 });
    assert_eq!(error(&HEX.repeat(2)), SeedParseError::WrongLength { digits: 128 });
    assert_eq!(error(&format!("{HEX}\n")), SeedParseError::NotHex { place: 65, character: '\n' });
    assert_eq!(error(&format!("0x{HEX}")), SeedParseError::NotHex { place: 2, character: 'x' });
    // Digits of other scripts are no hex digits, and places count characters.
    assert_eq!(error("éa"), SeedParseError::NotHex { place: 1, character: 'é' });
    assert_eq!(error("a０"), SeedParseError::NotHex { place: 2, character: '０' });
    assert_eq!(HEX.to_uppercase().parse::<Seed>().unwrap().expose_bytes(), HEX.parse::<Seed>().unwrap().expose_bytes());
}
