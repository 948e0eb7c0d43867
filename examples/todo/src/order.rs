//! Places in a list that can always be subdivided, so that moving an item changes only that item.

use diplomatic::EntityId;
use serde::{Deserialize, Serialize};

/// A place in a list: a fraction between 0 and 1 as the hex digits of its bytes, such as `80` for a half.
///
/// There is always a place between two others. (The last byte is never zero, because that would be a second way to write
/// the same fraction, with nothing in between.)
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderKey(Vec<u8>);

/// Text that is not a place in a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a place in a list is the hex digits of bytes, of which the last is not zero")]
pub struct OrderError;

/// In the middle.
impl Default for OrderKey {
    fn default() -> Self {
        Self(vec![MIDDLE])
    }
}

const MIDDLE: u8 = 0x80;

impl OrderKey {
    /// Returns a place between two others, or beyond one; `None` if they are not in order.
    pub fn between(low: Option<&Self>, high: Option<&Self>) -> Option<Self> {
        let key = match (low, high) {
            (None, None) => vec![MIDDLE],
            (Some(Self(low)), None) => after(low),
            (None, Some(Self(high))) => before(high),
            (Some(low), Some(high)) if low < high => middle(&low.0, &high.0),
            _ => return None,
        };
        Some(Self(key))
    }
}

/// A small step instead of half of the rest, so that the keys of a growing list stay short.
fn after(low: &[u8]) -> Vec<u8> {
    match low.iter().position(|byte| *byte < 0xff) {
        Some(at) => [&low[..at], &[low[at] + 1]].concat(),
        None => [low, &[MIDDLE]].concat(),
    }
}

fn before(high: &[u8]) -> Vec<u8> {
    let at = high.iter().position(|byte| *byte > 0).unwrap_or(high.len());
    match high.get(at) {
        Some(byte @ 2..) => [&high[..at], &[byte - 1]].concat(),
        _ => [&high[..at], &[0, MIDDLE]].concat(),
    }
}

/// Goes digit by digit until there is room between the two.
fn middle(low: &[u8], high: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(low.len().max(high.len()) + 1);
    let mut is_below_high = false;
    loop {
        let digit = |of: &[u8]| of.get(key.len()).copied().map_or(0, u16::from);
        let (from, to) = (digit(low), if is_below_high { 0x100 } else { digit(high) });
        let step = to.saturating_sub(from) / 2;
        key.push(u8::try_from(from + step).unwrap_or(u8::MAX));
        if step > 0 {
            return key;
        }
        is_below_high |= from < to;
    }
}

/// Returns the places that move an item before `next`, or to the end, among the other items of its list, which are given
/// in order and without the item.
///
/// Usually this is one place, that of the item. If two devices moved items to the same spot, their places are equal, and
/// nothing fits between them. Then the items after them are moved, too. The moved item is the last in the result.
pub fn place(item: &EntityId, others: &[(&EntityId, &OrderKey)], next: Option<&EntityId>) -> Vec<(EntityId, OrderKey)> {
    let at = next.and_then(|next| others.iter().position(|(id, _)| *id == next)).unwrap_or(others.len());
    let low = at.checked_sub(1).map(|above| others[above].1);
    let tied = others[at..].iter().take_while(|(_, key)| low.is_some_and(|low| *key <= low)).count();
    let high = others.get(at + tied).map(|(_, key)| *key);

    let mut last = low.cloned();
    let mut next_key = || {
        last = OrderKey::between(last.as_ref(), high);
        last.clone().unwrap_or_default()
    };
    let own = (item.clone(), next_key());
    let mut places: Vec<_> = others[at..at + tied].iter().map(|(id, _)| ((*id).clone(), next_key())).collect();
    places.push(own);
    places
}

impl TryFrom<String> for OrderKey {
    type Error = OrderError;

    fn try_from(text: String) -> Result<Self, OrderError> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(OrderError) };
        let bytes = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect::<Option<Vec<u8>>>();
        bytes.filter(|bytes| bytes.last().is_some_and(|last| *last != 0)).map(Self).ok_or(OrderError)
    }
}

impl From<OrderKey> for String {
    fn from(OrderKey(bytes): OrderKey) -> Self {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
