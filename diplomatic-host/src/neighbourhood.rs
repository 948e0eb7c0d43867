//! Which addresses count as one client.

use std::net::{IpAddr, Ipv6Addr};

/// Returns what stands for a client where clients are counted: one of IPv6 has at least a /64 to draw addresses from.
pub(crate) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_one_ipv6_network_count_as_one_client() {
        let stands_for = |address: &str| neighbourhood(address.parse().unwrap()).to_string();
        assert_eq!(stands_for("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(stands_for("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(stands_for("192.0.2.7"), "192.0.2.7");
    }
}
