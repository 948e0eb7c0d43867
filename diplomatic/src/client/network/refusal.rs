//! Answers over HTTP that are not those of a host.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use url::Url;

use crate::standard::Timestamp;
use crate::sync::Failure;

/// How much of a redirect's target is told.
const LONGEST_TARGET: usize = 200;

/// Returns why an answer is not a host's, if its head says so. `path` is what was asked for below `address`.
pub(super) fn of_head(status: u16, headers: &HeaderMap, address: &Url, path: &str, now: Timestamp) -> Option<Failure> {
    match status {
        200 => None,
        301 | 302 | 303 | 307 | 308 => {
            let target = text(headers, LOCATION).map(|location| target(location, address, path));
            Some(Failure::Redirected { status, target: target.unwrap_or_else(|| "nowhere".into()) })
        }
        429 | 503 => Some(match text(headers, RETRY_AFTER).and_then(|value| pause(value, now)) {
            Some(retry_after) => Failure::Busy { status, retry_after },
            None => Failure::HttpStatus(status),
        }),
        status => Some(Failure::HttpStatus(status)),
    }
}

/// Returns where a redirect leads, as the address of a host if possible, without credentials.
fn target(location: &str, address: &Url, path: &str) -> Arc<str> {
    let Ok(mut target) = address.join(location) else { return shortened(location) };
    // This fails only for addresses that cannot have any.
    let _ = (target.set_username(""), target.set_password(None));
    let is_same_call = !path.is_empty() && target.path().ends_with(path);
    if is_same_call {
        let above = target.path().strip_suffix(path).unwrap_or_default().to_owned();
        target.set_path(&above);
    }
    target.set_query(None);
    target.set_fragment(None);
    shortened(target.as_str().trim_end_matches('/'))
}

fn shortened(text: &str) -> Arc<str> {
    text.chars().filter(|character| !character.is_control()).take(LONGEST_TARGET).collect::<String>().into()
}

/// Returns how long to wait: a number of seconds, or a date.
fn pause(value: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value.trim()).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(until.saturating_sub(Duration::from_millis(now.as_millis())))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, name: HeaderName, value: &str) -> Option<Failure> {
        let headers = HeaderMap::from_iter([(name, value.parse().unwrap())]);
        let address = Url::parse("http://h/dip/push").unwrap();
        of_head(status, &headers, &address, "/push", Timestamp::from_millis(784_111_767_000))
    }

    #[test]
    fn redirects_name_the_address_that_they_lead_to() {
        for (location, target) in [
            ("https://h/dip/push", "https://h/dip"),
            ("https://me:secret@other/push?t=1", "https://other"),
            ("/sign-in?from=push", "http://h/sign-in"),
            ("//other/x", "http://other/x"),
        ] {
            for status in [301, 302, 303, 307, 308] {
                let redirected = Failure::Redirected { status, target: target.into() };
                assert_eq!(of(status, LOCATION, location), Some(redirected));
            }
        }
        assert!(matches!(of(301, RETRY_AFTER, "1"), Some(Failure::Redirected { .. })));
    }

    #[test]
    fn pauses_are_those_that_the_host_asks_for() {
        let busy = |status, seconds| Some(Failure::Busy { status, retry_after: Duration::from_secs(seconds) });
        assert_eq!(of(429, RETRY_AFTER, "120"), busy(429, 120));
        assert_eq!(of(503, RETRY_AFTER, "Sun, 06 Nov 1994 08:49:37 GMT"), busy(503, 10));
        assert_eq!(of(503, RETRY_AFTER, "Sun, 06 Nov 1983 08:49:37 GMT"), busy(503, 0));
        assert_eq!(of(503, RETRY_AFTER, "soon"), Some(Failure::HttpStatus(503)));
    }
}
