//! Times, as people write and read them.

use std::fmt;

use diplomatic::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, ZonedDateTime};

/// Text that is not a time.
#[derive(Debug, thiserror::Error)]
#[error("write it as 2026-11-23, 2026-11-23T18:30, 2026-11-23T18:30:00Z, or as the time since then, such as 2h or 3d")]
pub(crate) struct MomentError;

/// Parses a time: RFC 3339, a local date and time, a local date (its beginning), or a time ago.
pub(crate) fn moment(text: &str) -> Result<Timestamp, MomentError> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(from_jiff(instant));
    }
    if let Ok(local) = text.parse::<DateTime>() {
        return local
            .to_zoned_datetime(TimeZone::system())
            .map_err(|_| MomentError)
            .map(|local| from_jiff(local.timestamp()));
    }
    let ago: Span = text.parse().map_err(|_| MomentError)?;
    Ok(from_jiff(ZonedDateTime::now().checked_sub(ago.abs()).map_err(|_| MomentError)?.timestamp()))
}

/// Returns the time of the system.
pub(crate) fn now() -> Timestamp {
    from_jiff(jiff::Timestamp::now())
}

fn from_jiff(instant: jiff::Timestamp) -> Timestamp {
    // Before 1970 there was nothing.
    Timestamp::from_millis(instant.as_millisecond().try_into().unwrap_or_default())
}

fn to_jiff(time: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(time.as_millis().try_into().ok()?).ok()
}

/// Shows a time in the local time zone, or in UTC if it is beyond the calendar.
#[derive(Debug)]
pub(crate) struct Local(pub(crate) Timestamp);

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match to_jiff(self.0) {
            Some(time) => time.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").fmt(f),
            None => self.0.fmt(f),
        }
    }
}

/// Returns a time in RFC 3339 form, in UTC; `None` if it is beyond the calendar.
pub(crate) fn rfc3339(time: Timestamp) -> Option<String> {
    to_jiff(time).map(|time| format!("{time:.3}"))
}

/// Returns the current local date.
pub(crate) fn today() -> String {
    ZonedDateTime::now().date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_all_their_forms() {
        assert_eq!(moment("1970-01-01T00:00:01.5Z").unwrap().as_millis(), 1500);
        assert_eq!(moment("2026-11-23T18:30:00+02:00").unwrap().as_millis(), 1_795_451_400_000);
        assert_eq!(moment("1960-01-01T00:00:00Z").unwrap().as_millis(), 0);
        let now = jiff::Timestamp::now().as_millisecond() as u64;
        for (ago, hours) in [("2h", 2), ("3d", 72), ("90 minutes", 1), ("1 week", 168), ("2 hours ago", 2)] {
            let back = (now - moment(ago).unwrap().as_millis()) / 3_600_000;
            assert!(back.abs_diff(hours) <= 1, "{ago} is {back} hours");
        }
        let [day, minute] = ["2026-11-23", "2026-11-23 00:01"].map(|text| moment(text).unwrap().as_millis());
        assert_eq!(minute - day, 60_000);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "soon", "2026-13-01", "h", "2026", "99999999999 years"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_shown_even_where_no_calendar_reaches() {
        assert_eq!(rfc3339(Timestamp::from_millis(1500)).unwrap(), "1970-01-01T00:00:01.500Z");
        assert_eq!(rfc3339(Timestamp::MAX), None);
        assert!(Local(Timestamp::MAX).to_string().starts_with("287396-"));
    }
}
