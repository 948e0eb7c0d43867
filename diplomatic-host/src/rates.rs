//! How many requests one client may make.

use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;

use diplomatic::standard::PublicKey;
use governor::clock::MonotonicClock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::neighbourhood::neighbourhood;

/// How many requests one client may make in a minute; `None` is as many as it likes.
///
/// A client that was quiet may make a minute's worth at once. Whoever goes beyond is answered as by a host that has too
/// much to do ([`Refusal::TooMany`](crate::Refusal::TooMany)), and comes back later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Rates {
    /// For one key, wherever it calls from.
    pub per_key: Option<NonZeroU32>,
    /// For one address, whatever keys it uses; an IPv6 network of 64 bits is one address.
    pub per_address: Option<NonZeroU32>,
}

/// Counts requests against [`Rates`].
pub(crate) struct Meter {
    keys: Option<DefaultKeyedRateLimiter<PublicKey>>,
    addresses: Option<DefaultKeyedRateLimiter<IpAddr>>,
}

impl Meter {
    pub(crate) fn new(rates: Rates) -> Self {
        Self { keys: limiter(rates.per_key), addresses: limiter(rates.per_address) }
    }

    /// Counts a request of a key, whose signature was checked: nobody shall use up the requests of another.
    pub(crate) fn allows_key(&self, key: &PublicKey) -> bool {
        self.keys.as_ref().is_none_or(|keys| keys.check_key(key).is_ok())
    }

    pub(crate) fn allows_address(&self, address: IpAddr) -> bool {
        self.addresses.as_ref().is_none_or(|addresses| addresses.check_key(&neighbourhood(address)).is_ok())
    }

    /// Forgets those who have been quiet for long enough that it makes no difference.
    pub(crate) fn forget_the_quiet(&self) {
        shrink(self.keys.as_ref());
        shrink(self.addresses.as_ref());
    }
}

fn limiter<K: Hash + Eq + Clone>(per_minute: Option<NonZeroU32>) -> Option<DefaultKeyedRateLimiter<K>> {
    per_minute.map(|count| RateLimiter::hashmap_with_clock(Quota::per_minute(count), MonotonicClock))
}

fn shrink<K: Hash + Eq + Clone>(limiter: Option<&DefaultKeyedRateLimiter<K>>) {
    if let Some(limiter) = limiter {
        limiter.retain_recent();
        limiter.shrink_to_fit();
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_an_address_have_their_requests_each_and_no_more() {
        let rates = Rates { per_key: NonZeroU32::new(3), per_address: NonZeroU32::new(5) };
        let meter = Meter::new(rates);
        let [one, two] = [1, 2].map(|key| PublicKey::from_bytes([key; 32]));
        let allowed = |key| (0..10).filter(|_| meter.allows_key(key)).count();
        assert_eq!((allowed(&one), allowed(&two), allowed(&one)), (3, 3, 0));
        let from = |address: &str| (0..10).filter(|_| meter.allows_address(address.parse().unwrap())).count();
        assert_eq!((from("192.0.2.1"), from("192.0.2.2"), from("::ffff:192.0.2.1")), (5, 5, 0));
        assert_eq!((from("2001:db8::1"), from("2001:db8::2")), (5, 0));
        meter.forget_the_quiet();
        assert_eq!(allowed(&one), 0, "those who are not quiet are remembered");
    }

    #[test]
    fn without_rates_everyone_is_let_in() {
        let meter = Meter::new(Rates::default());
        assert!((0..10_000).all(|_| meter.allows_key(&PublicKey::from_bytes([1; 32]))));
        assert!((0..10_000).all(|_| meter.allows_address("192.0.2.1".parse().unwrap())));
    }
}
