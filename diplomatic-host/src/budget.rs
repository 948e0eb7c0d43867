//! Shared budgets, such as memory, of which nobody can take everything.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use diplomatic::standard::PublicKey;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::Refusal;

/// The limits in total, per account, and per address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) total: usize,
    pub(crate) account: usize,
    pub(crate) address: usize,
}

/// An amount of bytes, or of anything else, that accounts and addresses share.
#[derive(Debug)]
pub(crate) struct Budget {
    bounds: Bounds,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    total: usize,
    accounts: HashMap<PublicKey, usize>,
    addresses: HashMap<IpAddr, usize>,
}

/// A share of a [`Budget`], returned on drop.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    account: Option<PublicKey>,
    address: Option<IpAddr>,
    held: usize,
}

impl Budget {
    pub(crate) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, state: Mutex::default(), freed: Notify::new() })
    }

    /// Returns an empty share for an account and an address. An address of this machine is ignored, because it belongs to
    /// a proxy.
    pub(crate) fn share(self: &Arc<Self>, account: Option<PublicKey>, address: Option<IpAddr>) -> Share {
        let address = address.map(network).filter(|address| !address.is_loopback());
        Share { budget: Arc::clone(self), account, address, held: 0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes `count` more if all limits allow it.
    pub(crate) fn try_grow(&mut self, count: usize) -> bool {
        let fits = {
            let state = self.budget.state();
            let Bounds { total, account, address } = self.budget.bounds;
            let used = |users: Option<&usize>| users.copied().unwrap_or(0);
            let of_account = self.account.map_or(0, |key| used(state.accounts.get(&key)));
            let of_address = self.address.map_or(0, |key| used(state.addresses.get(&key)));
            state.total.saturating_add(count) <= total
                && (self.account.is_none() || of_account.saturating_add(count) <= account)
                && (self.address.is_none() || of_address.saturating_add(count) <= address)
        };
        if fits {
            self.charge(count);
        }
        fits
    }

    /// Takes `count` more, and waits for room.
    pub(crate) async fn grow(&mut self, count: usize, patience: Duration) -> Result<(), Refusal> {
        let budget = Arc::clone(&self.budget);
        let grow = async {
            loop {
                let mut freed = std::pin::pin!(budget.freed.notified());
                // From here on nothing that is given back is missed.
                freed.as_mut().enable();
                if self.try_grow(count) {
                    return;
                }
                freed.await;
            }
        };
        timeout(patience, grow).await.map_err(|_| Refusal::Busy)
    }

    /// Takes `count` more even beyond the limits. Others wait until there is room again.
    pub(crate) fn charge(&mut self, count: usize) {
        let mut state = self.budget.state();
        state.total += count;
        if let Some(key) = self.account {
            *state.accounts.entry(key).or_default() += count;
        }
        if let Some(key) = self.address {
            *state.addresses.entry(key).or_default() += count;
        }
        drop(state);
        self.held += count;
    }

    /// Returns `count`, or whatever is left.
    pub(crate) fn shrink(&mut self, count: usize) {
        let count = count.min(self.held);
        if count == 0 {
            return;
        }
        self.held -= count;
        let mut state = self.budget.state();
        state.total -= count;
        if let Some(key) = self.account {
            give_back(&mut state.accounts, key, count);
        }
        if let Some(key) = self.address {
            give_back(&mut state.addresses, key, count);
        }
        drop(state);
        self.budget.freed.notify_waiters();
    }

    /// Takes or returns the difference between the expected and the actual amount.
    pub(crate) fn settle(&mut self, expected: usize, actual: usize) {
        if actual > expected {
            self.charge(actual - expected);
        } else {
            self.shrink(expected - actual);
        }
    }

    /// Returns whether more than the total has been taken.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.budget.state().total > self.budget.bounds.total
    }

    /// Moves the share to an account that has just become known.
    pub(crate) fn set_account(&mut self, account: PublicKey) {
        let held = self.held;
        self.shrink(held);
        self.account = Some(account);
        self.charge(held);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(self.held);
    }
}

/// Bytes that keep their share as long as anybody holds them.
pub(crate) struct Counted {
    bytes: Vec<u8>,
    _share: Share,
}

impl Counted {
    /// Joins bytes with the share taken for them.
    #[allow(clippy::new_ret_no_self, reason = "whoever holds the bytes need not know")]
    pub(crate) fn new(bytes: Vec<u8>, share: Share) -> Bytes {
        Bytes::from_owner(Self { bytes, _share: share })
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn give_back<K: Eq + Hash>(parts: &mut HashMap<K, usize>, key: K, count: usize) {
    if let Some(part) = parts.get_mut(&key) {
        *part = part.saturating_sub(count);
        if *part == 0 {
            parts.remove(&key);
        }
    }
}

/// Returns the part of an address that counts as one client: a household has 2^64 IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { total: 100, account: 40, address: 60 };

    fn account(number: u8) -> Option<PublicKey> {
        Some(PublicKey::from_bytes([number; 32]))
    }

    #[test]
    fn no_account_and_no_address_takes_everything() {
        let budget = Budget::new(BOUNDS);
        let address = |last| Some(IpAddr::from([10, 0, 0, last]));
        let mut first = budget.share(account(1), address(1));
        assert!(first.try_grow(40) && !first.try_grow(1));
        let mut sibling = budget.share(account(2), address(1));
        assert!(!sibling.try_grow(21) && sibling.try_grow(20));
        let mut other = budget.share(account(3), address(2));
        assert!(!other.try_grow(41) && other.try_grow(40));
        let mut last = budget.share(account(4), address(3));
        assert!(!last.try_grow(1), "the whole is spent");
        drop(first);
        assert!(last.try_grow(40));
        drop((sibling, other, last));
        let state = budget.state();
        assert!(state.total == 0 && state.accounts.is_empty() && state.addresses.is_empty());
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let budget = Budget::new(BOUNDS);
        let address = |text: &str| Some(text.parse().unwrap());
        let mut first = budget.share(None, address("2001:db8::1"));
        assert!(first.try_grow(60));
        assert!(!budget.share(None, address("2001:db8::ffff:2")).try_grow(1));
        assert!(budget.share(None, address("2001:db8:0:1::1")).try_grow(1));
        assert!(budget.share(None, address("::ffff:10.0.0.1")).try_grow(1));
    }

    #[tokio::test]
    async fn who_waits_gets_what_is_given_back() {
        let budget = Budget::new(BOUNDS);
        let mut first = budget.share(account(1), None);
        first.charge(90);
        let mut second = budget.share(account(2), None);
        assert!(matches!(second.grow(20, Duration::ZERO).await, Err(Refusal::Busy)));
        let waiting = tokio::spawn(async move { second.grow(20, Duration::from_secs(60)).await });
        tokio::task::yield_now().await;
        first.shrink(10);
        waiting.await.unwrap().unwrap();
    }
}
