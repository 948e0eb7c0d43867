//! What the chapter on front ends shows, against the examples, which are compiled on their own.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::fs;
use std::path::Path;

const CHAPTER: &str = include_str!("../../diplomatic/docs/rust-front-ends.md");

#[test]
fn what_the_chapter_on_front_ends_shows_stands_in_the_examples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut shown = 0;
    for part in CHAPTER.split("\n`examples/").skip(1) {
        let (file, rest) = part.split_once("`:\n\n```").expect("code follows the name of its file");
        let (_, rest) = rest.split_once('\n').unwrap();
        let (code, _) = rest.split_once("```").expect("the code ends");
        let source = fs::read_to_string(root.join("examples").join(file)).unwrap();
        assert!(source.contains(code), "this is not in examples/{file}:\n{code}");
        shown += 1;
    }
    assert_eq!(shown, CHAPTER.matches("```").count() / 2 - 1, "all code but the commands is that of a file");
}
