//! Who asks, for the limits alone: the address of the socket, or the one that our own proxies vouch for.
//!
//! It must not be stored, logged or shown: neither type here can be printed. Invariant: nothing a client says by itself is
//! believed; `X-Forwarded-For` is read from the right, and only as far as proxies of ours wrote it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::state::Giving;

/// What each proxy adds the address to that it was asked from.
const FORWARDED: &str = "x-forwarded-for";

/// The other end of the socket. The server puts it into every request's extensions.
#[derive(Clone, Copy)]
pub struct Peer(IpAddr);

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self(address.ip())
    }
}

/// Whose request it is.
pub struct Client {
    /// None for this machine itself: a proxy on it that nobody told us of, behind which all readers would count as one, or
    /// somebody who sits at it.
    pub address: Option<IpAddr>,
    /// Whether `X-Forwarded-For` is not as the number of our proxies says it should be, so that many may look like one.
    pub suspicious: bool,
}

impl FromRequestParts<Giving> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &Giving) -> Result<Self, Infallible> {
        Ok(Self::at(parts.extensions.get::<Peer>(), &parts.headers, state.limits.trusted_proxies()))
    }
}

impl Client {
    /// Whoever is at the other end of a socket; without one, all count as one.
    pub fn at(peer: Option<&Peer>, headers: &HeaderMap, trusted_proxies: usize) -> Self {
        let peer = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.0);
        Self::of(peer, headers, trusted_proxies)
    }

    /// The address that so many proxies of ours vouch for; the socket's where they do not.
    pub fn of(peer: IpAddr, headers: &HeaderMap, trusted_proxies: usize) -> Self {
        let peer =
            Some(peer).filter(|peer| ![IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].contains(peer));
        if trusted_proxies == 0 {
            return Self { address: peer, suspicious: headers.contains_key(FORWARDED) };
        }
        let forwarded = forwarded(headers, trusted_proxies);
        Self { address: forwarded.or(peer), suspicious: forwarded.is_none() }
    }
}

/// The `nth` address of `X-Forwarded-For` from the right, over all its lines. What stands to its left is the client's own
/// word and is not looked at.
fn forwarded(headers: &HeaderMap, nth: usize) -> Option<IpAddr> {
    let lines = headers.get_all(FORWARDED).iter().rev();
    let mut entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    address(std::str::from_utf8(entries.nth(nth.checked_sub(1)?)?).ok()?.trim_matches([' ', '\t']))
}

/// An address as proxies write it: bare, in brackets, and perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED, HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    /// The address found behind so many proxies, and whether it is the socket's for want of a better one.
    fn found(lines: &[&[u8]], trusted_proxies: usize) -> (String, bool) {
        let client = Client::of(PEER, &headers(lines), trusted_proxies);
        (client.address.map_or("local".to_owned(), |address| address.to_string()), client.suspicious)
    }

    #[test]
    fn without_proxies_of_ours_only_the_socket_counts() {
        assert_eq!(found(&[], 0), ("192.0.2.1".to_owned(), false));
        for spoofed in [&b"198.51.100.7"[..], b"198.51.100.7, 198.51.100.8", b"\xff", b""] {
            assert_eq!(found(&[spoofed], 0), ("192.0.2.1".to_owned(), true));
        }
    }

    #[test]
    fn the_address_is_counted_from_the_right_over_all_lines() {
        let lines: &[&[u8]] = &[b"203.0.113.9, 198.51.100.1", b"198.51.100.2 ,\t198.51.100.3"];
        for (trusted_proxies, address) in [(1, "198.51.100.3"), (2, "198.51.100.2"), (3, "198.51.100.1")] {
            assert_eq!(found(lines, trusted_proxies), (address.to_owned(), false));
        }
        assert_eq!(found(lines, 5), ("192.0.2.1".to_owned(), true), "too short");
        assert_eq!(found(&[], 1), ("192.0.2.1".to_owned(), true), "missing");
    }

    #[test]
    fn whatever_a_client_writes_to_the_left_changes_nothing() {
        let long = b"1.2.3.4,".repeat(4_000);
        for hostile in [
            &b""[..],
            b",",
            b",,,,",
            b"unknown",
            b"198.51.100.1",
            b"[::1]",
            b"\"198.51.100.1",
            b"\xff\xfe\x80",
            b"198.51.100.1\t\t,; for=10.0.0.1",
            &long,
        ] {
            let one_line = [hostile, b", 198.51.100.9"].concat();
            assert_eq!(found(&[&one_line], 1), ("198.51.100.9".to_owned(), false));
            assert_eq!(found(&[hostile, b"198.51.100.9"], 1), ("198.51.100.9".to_owned(), false));
        }
    }

    #[test]
    fn an_address_may_have_brackets_and_a_port() {
        for (written, address) in [
            ("198.51.100.9", "198.51.100.9"),
            ("198.51.100.9:4711", "198.51.100.9"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("::ffff:198.51.100.9", "::ffff:198.51.100.9"),
        ] {
            assert_eq!(found(&[written.as_bytes()], 1), (address.to_owned(), false), "{written}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_believed() {
        for malformed in [
            "",
            " ",
            "unknown",
            "_hidden",
            "localhost",
            "256.1.1.1",
            "1.2.3",
            "01.2.3.4",
            "1.2.3.4.5",
            "1.2.3.4:99999",
            "[1.2.3.4]",
            "[2001:db8::1",
            "2001:db8::1]",
            "2001:db8:::1",
            "fe80::1%eth0",
            "for=198.51.100.9",
            "198.51.100.9;198.51.100.8",
            "\"198.51.100.9\"",
        ] {
            assert_eq!(found(&[malformed.as_bytes()], 1), ("192.0.2.1".to_owned(), true), "{malformed:?}");
        }
        assert_eq!(found(&[b"198.51.100.9\xff"], 1), ("192.0.2.1".to_owned(), true));
    }
}
