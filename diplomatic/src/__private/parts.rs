//! The types of an enum that has others as parts, put together while it is compiled.

use crate::event::{EventType, Shape};

/// Returns how many types there are.
pub const fn count_types(parts: &[&[EventType]]) -> usize {
    let (mut count, mut part) = (0, 0);
    while part < parts.len() {
        count += parts[part].len();
        part += 1;
    }
    count
}

/// Returns all types, in order. `LEN` is their [count](count_types).
pub const fn join_types<const LEN: usize>(parts: &[&[EventType]]) -> [EventType; LEN] {
    let mut all = [EventType::new("", Shape::Fact); LEN];
    let (mut at, mut part) = (0, 0);
    while part < parts.len() {
        let mut index = 0;
        while index < parts[part].len() {
            all[at] = parts[part][index];
            at += 1;
            index += 1;
        }
        part += 1;
    }
    all
}

/// Tells whether no type of a part has a name, now or formerly, that another part has too. Deletes are stored without a name.
pub const fn names_differ(part: &[EventType], others: &[&[EventType]]) -> bool {
    let mut index = 0;
    while index < part.len() {
        let mut other = 0;
        while other < others.len() {
            let mut against = 0;
            while against < others[other].len() {
                if share_a_name(&part[index], &others[other][against]) {
                    return false;
                }
                against += 1;
            }
            other += 1;
        }
        index += 1;
    }
    true
}

const fn share_a_name(one: &EventType, other: &EventType) -> bool {
    if matches!(one.shape, Shape::Delete) || matches!(other.shape, Shape::Delete) {
        return false;
    }
    let mut index = 0;
    while index < one.was.len() {
        if is_called(other, one.was[index]) {
            return true;
        }
        index += 1;
    }
    is_called(other, one.name)
}

const fn is_called(known: &EventType, name: &str) -> bool {
    let mut index = 0;
    while index < known.was.len() {
        if is_same(known.was[index], name) {
            return true;
        }
        index += 1;
    }
    is_same(known.name, name)
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}
