//! How often somebody asks: a bucket of tokens a client. Whoever is signed in is one client wherever they are; everybody else is the
//! address that they come from.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::http::HeaderMap;

use crate::Error;
use crate::auth::lock;

/// Clients that are told apart; those beyond share one bucket.
const MOST: usize = 10_000;
/// How many requests somebody may make at once, in seconds of their rate.
const BURST: f64 = 4.0;
/// Connections that one address may hold; proxies and this machine hold as many as there are.
const PER_PEER: usize = 64;
/// Addresses that are read from `X-Forwarded-For`.
const HOPS: usize = 20;

/// Addresses: one, or those that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn holds(self, ip: IpAddr) -> bool {
        let number = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
            IpAddr::V6(v6) => u128::from(v6),
        };
        let ip = ip.to_canonical();
        let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
        ip.is_ipv4() == self.address.is_ipv4() && number(ip) & mask == number(self.address) & mask
    }
}

impl FromStr for Network {
    type Err = String;

    /// `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| format!("`{text}` is no address and no network"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits
                .parse()
                .ok()
                .filter(|b| (1..=most).contains(b))
                .ok_or_else(|| format!("`{text}` is no network: 1 to {most} bits stand after its `/`"))?,
        };
        Ok(Self { address, bits })
    }
}

/// Where a request comes from: the peer, or, where that is a proxy that is believed, the last address that no such proxy has.
pub(super) fn origin(proxies: &[Network], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let is_proxy = |ip: IpAddr| proxies.iter().any(|network| network.holds(ip));
    let mut from = peer.to_canonical();
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect();
    for said in lines.iter().rev().flat_map(|line| line.rsplit(',')).take(HOPS) {
        if !is_proxy(from) {
            break;
        }
        // What is no address was written by whoever is behind it: the proxy is the last that is known.
        let Ok(ip) = said.trim().parse::<IpAddr>() else { break };
        from = ip.to_canonical();
    }
    from
}

/// A client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// Somebody who is signed in, or whose token counted a moment ago.
    Known(String),
    /// An address; of IPv6 the half that a customer is given whole.
    Address(IpAddr),
    /// All others.
    Others,
}

impl Client {
    pub(super) fn at(ip: IpAddr) -> Self {
        Self::Address(match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64))),
        })
    }
}

/// Buckets.
#[derive(Debug)]
pub(super) struct Buckets {
    rate: f64,
    all: HashMap<Client, (f64, Instant)>,
}

impl Buckets {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: f64::from(rate), all: HashMap::new() }
    }

    /// Takes one; else how many seconds until there is one.
    pub(super) fn take(&mut self, client: Client, now: Instant) -> Result<(), u64> {
        let (rate, full) = (self.rate, self.rate * BURST);
        let filled =
            |(left, at): (f64, Instant)| (left + now.saturating_duration_since(at).as_secs_f64() * rate).min(full);
        if self.all.len() >= MOST && !self.all.contains_key(&client) {
            // A bucket that is full again is as good as none.
            self.all.retain(|_, bucket| filled(*bucket) < full);
        }
        let client = if self.all.len() >= MOST && !self.all.contains_key(&client) { Client::Others } else { client };
        let bucket = self.all.entry(client).or_insert((full, now));
        let left = filled(*bucket);
        *bucket = (left, now);
        if left < 1.0 {
            return Err(((1.0 - left) / rate).ceil().max(1.0) as u64);
        }
        bucket.0 = left - 1.0;
        Ok(())
    }
}

/// Connections by address, so that nobody holds all of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection of an address.
#[derive(Debug)]
pub(crate) struct Held {
    peers: Peers,
    ip: IpAddr,
}

impl Peers {
    /// One more; none where the address has as many as it may.
    pub(crate) fn hold(&self, ip: IpAddr, proxies: &[Network]) -> Option<Held> {
        let mut all = lock(&self.0);
        let count = all.entry(ip).or_default();
        let free = ip.to_canonical().is_loopback() || proxies.iter().any(|network| network.holds(ip));
        if *count >= PER_PEER && !free {
            return None;
        }
        *count += 1;
        Some(Held { peers: self.clone(), ip })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = lock(&self.peers.0);
        if let Some(count) = all.get_mut(&self.ip) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                all.remove(&self.ip);
            }
        }
    }
}

/// Reads what `--trusted-proxy` names.
///
/// # Errors
/// [`Error::BadNetwork`].
pub fn network(text: &str) -> Result<Network, Error> {
    text.parse().map_err(|what| Error::BadNetwork { what })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_has_its_rate_and_a_burst_and_no_other_pays_for_it() {
        let mut buckets = Buckets::new(10);
        let now = Instant::now();
        let one = || Client::at(ip("192.0.2.1"));
        for _ in 0..40 {
            assert_eq!(buckets.take(one(), now), Ok(()));
        }
        assert_eq!(buckets.take(one(), now), Err(1));
        assert_eq!(buckets.take(Client::at(ip("192.0.2.2")), now), Ok(()));
        assert_eq!(buckets.take(Client::Known("per-1".into()), now), Ok(()));
        let later = now + Duration::from_secs(1);
        assert_eq!((0..50).filter(|_| buckets.take(one(), later).is_ok()).count(), 10);
        // Who has a network of IPv6 has one bucket.
        assert_eq!(Client::at(ip("2001:db8::1")), Client::at(ip("2001:db8::ffff:1")));
        assert_ne!(Client::at(ip("2001:db8::1")), Client::at(ip("2001:db8:0:1::1")));
        // Whoever comes from very many places fills nothing.
        for n in 0..20_000_u32 {
            let _ = buckets.take(Client::at(IpAddr::V4(n.into())), later);
        }
        assert!(buckets.all.len() <= MOST + 1);
        let much_later = later + Duration::from_secs(60);
        assert_eq!(buckets.take(Client::at(ip("198.51.100.9")), much_later), Ok(()));
        assert!(buckets.all.len() < 10);
    }

    #[test]
    fn a_proxy_is_believed_where_it_was_named_and_nobody_else() {
        let proxies: Vec<Network> = ["10.0.0.0/8", "fd00::/8", "127.0.0.1"].map(|n| n.parse().unwrap()).into();
        let from = |peer: &str, said: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in said {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            origin(&proxies, ip(peer), &headers).to_string()
        };
        assert_eq!(from("192.0.2.7", &["198.51.100.1"]), "192.0.2.7", "a stranger's word");
        assert_eq!(from("10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            from("10.1.2.3", &["203.0.113.9, 198.51.100.1, 10.9.9.9"]),
            "198.51.100.1",
            "what came before is a claim"
        );
        assert_eq!(from("10.1.2.3", &["203.0.113.9", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(from("::ffff:127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(from("10.1.2.3", &["unknown"]), "10.1.2.3");
        assert_eq!(from("fd00::1", &[]), "fd00::1");
        for bad in ["", "10.0.0.0/0", "10.0.0.0/33", "::/129", "host", "10.0.0.0/x"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_address_holds_some_connections_and_a_proxy_as_many_as_it_needs() {
        let peers = Peers::default();
        let proxies = ["10.0.0.1".parse().unwrap()];
        let mut held: Vec<Held> = (0..PER_PEER).map(|_| peers.hold(ip("192.0.2.1"), &proxies).unwrap()).collect();
        assert!(peers.hold(ip("192.0.2.1"), &proxies).is_none());
        assert!(peers.hold(ip("192.0.2.2"), &proxies).is_some());
        for local in ["10.0.0.1", "127.0.0.1"] {
            let all: Vec<_> = (0..PER_PEER + 1).map(|_| peers.hold(ip(local), &proxies)).collect();
            assert!(all.iter().all(Option::is_some));
        }
        held.pop();
        assert!(peers.hold(ip("192.0.2.1"), &proxies).is_some());
        drop(held);
        assert!(lock(&peers.0).is_empty());
    }
}
