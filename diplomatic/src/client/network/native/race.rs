//! Connecting to a name that has several addresses.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// How long an attempt has before the next address is tried beside it, as RFC 8305 recommends.
const HEAD_START: Duration = Duration::from_millis(250);

/// How much the system may hold of what is being sent. With more, a slow upload would look as if it were done.
const SEND_BUFFER: u32 = 128 << 10;

/// Why there is no connection. If attempts fail for several reasons, the last of these counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unreached {
    NoAddress,
    Unreachable,
    Timeout,
    Refused,
}

/// Connects to the first address that answers. IPv6 and IPv4 take turns.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, Unreached> {
    // The address of an IPv6 host stands in brackets in URLs.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = lookup_host((host, port)).await.map_err(|error| {
        tracing::debug!(%error, "a name was not found");
        Unreached::NoAddress
    })?;
    race(take_turns(found.collect())).await
}

async fn race(addresses: Vec<SocketAddr>) -> Result<TcpStream, Unreached> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut worst = Unreached::NoAddress;
    loop {
        attempts.extend(waiting.next().map(attempt));
        tokio::select! {
            outcome = attempts.next() => match outcome {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(unreached)) => worst = worst.max(unreached),
                None => return Err(worst),
            },
            () = tokio::time::sleep(HEAD_START), if waiting.len() > 0 => {}
        }
    }
}

async fn attempt(address: SocketAddr) -> Result<TcpStream, Unreached> {
    let connecting = async {
        let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.set_nodelay(true)?;
        socket.connect(address).await
    };
    connecting.await.map_err(|error| {
        tracing::debug!(%address, %error, "no connection");
        match error.kind() {
            ErrorKind::ConnectionRefused => Unreached::Refused,
            ErrorKind::TimedOut => Unreached::Timeout,
            _ => Unreached::Unreachable,
        }
    })
}

/// Sorts addresses so that the two families take turns, each in its order, and the one of the first address begins.
fn take_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_first_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == is_first_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut sorted = Vec::with_capacity(first.len() + second.len());
    while first.len() + second.len() > 0 {
        sorted.extend(first.next().into_iter().chain(second.next()));
    }
    sorted
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn families_take_turns() {
        let sorted = |texts: &[&str]| -> Vec<String> {
            let addresses = texts.iter().map(|text| text.parse().unwrap()).collect();
            take_turns(addresses).iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            sorted(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"]),
            ["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"]
        );
        assert_eq!(sorted(&["127.0.0.1:1", "[::1]:1"]), ["127.0.0.1:1", "[::1]:1"]);
        assert!(sorted(&[]).is_empty());
    }

    #[tokio::test]
    async fn an_address_that_swallows_everything_holds_up_the_next_only_briefly() {
        // 192.0.2.0/24 and 2001:db8::/32 are for documentation: nothing is there, or the system refuses at once.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let started = Instant::now();
        let silent = ["[2001:db8::1]:9", "192.0.2.1:9"].map(|text| text.parse().unwrap());
        let stream = race(take_turns([silent[0], silent[1], good].to_vec())).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn the_most_telling_reason_counts() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(race(vec![closed]).await.unwrap_err(), Unreached::Refused);
        assert_eq!(connect("no-such-name.invalid", 80).await.unwrap_err(), Unreached::NoAddress);
        assert_eq!(connect("127.0.0.1", closed.port()).await.unwrap_err(), Unreached::Refused);
    }
}
