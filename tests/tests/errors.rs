//! What every error of the library promises.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::fs;
use std::path::Path;

/// Returns the Rust files below a folder.
fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

/// Returns the names of the public types that derive `Error`.
fn errors(text: &str) -> Vec<&str> {
    let after_derive = text.split("#[derive(").skip(1).filter(|rest| {
        let derived = rest.split(")]").next().unwrap();
        derived.contains("thiserror::Error")
    });
    let name = |rest: &'_ str| -> Option<std::ops::Range<usize>> {
        let start = ["pub enum ", "pub struct "].iter().filter_map(|kind| Some(rest.find(kind)? + kind.len())).min()?;
        // A private type, which ends before the next public one.
        let private =
            ["\nenum ", "\nstruct ", "\npub(", "\nfn ", "\nimpl"].iter().filter_map(|kind| rest.find(kind)).min();
        let len = rest[start..].find(|letter: char| !letter.is_alphanumeric())?;
        private.is_none_or(|private| start < private).then_some(start..start + len)
    };
    after_derive.filter_map(|rest| name(rest).map(|range| &rest[range])).collect()
}

#[test]
fn every_public_error_says_whether_trying_again_may_help() {
    let mut texts = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../diplomatic/src"), &mut texts);
    let has_method = |name: &str| {
        let by_hand = texts.iter().any(|text| {
            text.split("\nimpl").skip(1).any(|block| {
                let (head, body) = block.split_once('{').unwrap_or_default();
                let (_, of) = head.rsplit_once(' ').unwrap_or(("", head.trim()));
                let head = if head.trim_end().ends_with(name) { name } else { of };
                let is_of = head.trim() == name || block.starts_with(&format!("<E> {name}<"));
                is_of && body.split("\n}").next().is_some_and(|body| body.contains("fn is_retryable("))
            })
        });
        let is_listed = |list: &str| {
            list.split(");").next().is_some_and(|list| list.split([',', '(']).any(|listed| listed.trim() == name))
        };
        by_hand || texts.iter().any(|text| text.split("never_retryable!").skip(1).any(is_listed))
    };
    let names: Vec<&str> = texts.iter().flat_map(|text| errors(text)).collect();
    assert!(names.len() > 40 && names.contains(&"EmitError") && names.contains(&"DecodeError"), "{names:?}");
    let lacking: Vec<_> = names.into_iter().filter(|name| !has_method(name)).collect();
    assert!(lacking.is_empty(), "they have no `is_retryable`: {lacking:?}");
}
