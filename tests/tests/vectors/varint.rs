use diplomatic::standard::{DecodeError, Reader, VarintTooLarge, write_varint};

use crate::{Fields, vectors};

fn written(number: u64) -> Result<Vec<u8>, VarintTooLarge> {
    let mut out = Vec::new();
    write_varint(&mut out, number).map(|()| out)
}

#[test]
fn numbers_are_written_in_the_fewest_bytes_and_read_back() {
    for case in vectors("varint").cases("encode") {
        let number: u64 = case.text("n").parse().unwrap();
        let bytes = case.bytes("hex");
        assert_eq!(written(number), Ok(bytes.clone()), "{number}");
        assert_eq!(Reader::new(&bytes).varint(), Ok(number), "{number}");
    }
}

#[test]
fn numbers_that_no_varint_carries_are_refused() {
    for case in vectors("varint").cases("encodeErrors") {
        // Numbers below zero are refused by their type here.
        match case.text("n").parse::<u64>() {
            Ok(number) => assert_eq!(written(number).unwrap_err().status(), case.status(), "{number}"),
            Err(_) => assert!(case.text("n").starts_with('-')),
        }
    }
}

#[test]
fn every_form_reads_as_recorded() {
    for case in vectors("varint").cases("decode") {
        let bytes = case.bytes("hex");
        let mut reader = Reader::new(&bytes);
        let read = reader.varint();
        if case.status().is_success() {
            assert_eq!(read, Ok(case.text("value").parse().unwrap()), "{case}");
            assert_eq!((bytes.len() - reader.rest().len()) as u64, case.number("bytesRead"), "{case}");
        } else {
            assert_eq!(read.map_err(DecodeError::status), Err(case.status()), "{case}");
        }
    }
}
