//! Days of the calendar.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A day of the calendar, without a time zone: "by the 3rd of May" is the 3rd of May wherever the person is.
///
/// Days sort by time. The page decides whether a day has passed, because a reducer does not know the date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day {
    year: u16,
    month: u8,
    day: u8,
}

/// Text that is not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no day: write it as 2026-11-23")]
pub struct DayError {
    text: String,
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        parse(text).ok_or_else(|| DayError { text: text.chars().take(40).collect() })
    }
}

fn parse(text: &str) -> Option<Day> {
    let mut parts = text.split('-');
    let mut number = |digits: usize| -> Option<u16> {
        let part = parts.next()?;
        (part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let is_day = parts.next().is_none() && (1..=last).contains(&day);
    is_day.then_some(Day { year, month: u8::try_from(month).ok()?, day: u8::try_from(day).ok()? })
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day } = self;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl TryFrom<String> for Day {
    type Error = DayError;

    fn try_from(text: String) -> Result<Self, DayError> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Day;

    #[test]
    fn days_are_written_as_they_are_read() {
        for text in ["2026-11-23", "0001-01-01", "9999-12-31", "2024-02-29", "2000-02-29"] {
            assert_eq!(text.parse::<Day>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
        let long = "9".repeat(10_000);
        let texts = ["", "2026", "2026-1-1", "2026-13-01", "2026-00-10", "2026-04-31", "2023-02-29", "1900-02-29"];
        for text in texts.into_iter().chain(["2026-11-23-1", "+026-11-23", "2026-11-٢٣", "today", &long]) {
            let error = text.parse::<Day>().unwrap_err().to_string();
            assert!(error.ends_with("write it as 2026-11-23") && error.len() < 200, "{error}");
        }
    }

    #[test]
    fn days_sort_by_time() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        assert!(day("2025-12-31") < day("2026-01-01") && day("2026-01-31") < day("2026-02-01"));
    }
}
