//! Keeps the README's program compiling.

#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;
