//! Which addresses may be reached. A message goes to the world outside, or to networks that somebody allowed by name; never to this
//! machine's own services, its neighbours or a cloud's metadata because a name was pointed at them.
//!
//! Sources: the registries of special-purpose addresses of IANA (RFC 6890), RFC 6598, RFC 4193, RFC 6052, RFC 8215, and the clouds' own
//! pages on their metadata services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network, `10.2.0.0/16` or `fd00:1::/32`; an address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Self {
        Self { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
    }

    const fn v6(start: [u16; 4], bits: u8) -> Self {
        let [a, b, c, d] = start;
        Self { base: IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), bits }
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits.min(32))).unwrap_or(0);
                base.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits.min(128))).unwrap_or(0);
                base.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is no network, such as 10.2.0.0/16", text.escape_debug());
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            // `+8` and `08` are numbers to the parser and to nobody else.
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) && (bits.len() == 1 || !bits.starts_with('0')) => {
                bits.parse().map_err(|_| wrong())?
            }
            Some(_) => return Err(wrong()),
        };
        let network = Self { base, bits };
        if bits > most || !is_base(&network) {
            return Err(format!("`{text}` is no network: bits are set beyond its length"));
        }
        Ok(network)
    }
}

fn is_base(network: &Network) -> bool {
    match network.base {
        IpAddr::V4(base) => {
            let host = u32::MAX.checked_shr(u32::from(network.bits)).unwrap_or(0);
            base.to_bits() & host == 0
        }
        IpAddr::V6(base) => {
            let host = u128::MAX.checked_shr(u32::from(network.bits)).unwrap_or(0);
            base.to_bits() & host == 0
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

/// Metadata services of clouds: whoever reaches them is this machine. No configuration allows them.
const METADATA: [(Network, &str); 5] = [
    (Network::v4(169, 254, 169, 254, 32), "the metadata service of a cloud"),
    (Network::v4(169, 254, 170, 2, 32), "the metadata service of a cloud"),
    (Network::v4(168, 63, 129, 16, 32), "the metadata service of a cloud"),
    (Network::v4(100, 100, 100, 200, 32), "the metadata service of a cloud"),
    (
        Network { base: IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), bits: 128 },
        "the metadata service of a cloud",
    ),
];

/// What is not reached unless it is allowed.
const INSIDE: [(Network, &str); 33] = [
    (Network::v4(0, 0, 0, 0, 8), "an address of this network"),
    (Network::v4(10, 0, 0, 0, 8), "a private address"),
    (Network::v4(100, 64, 0, 0, 10), "an address shared behind a carrier's NAT"),
    (Network::v4(127, 0, 0, 0, 8), "an address of this machine"),
    (Network::v4(169, 254, 0, 0, 16), "a link-local address"),
    (Network::v4(172, 16, 0, 0, 12), "a private address"),
    (Network::v4(192, 0, 0, 0, 24), "an address for protocols"),
    (Network::v4(192, 0, 2, 0, 24), "an address for documentation"),
    (Network::v4(192, 31, 196, 0, 24), "an address for protocols"),
    (Network::v4(192, 52, 193, 0, 24), "an address for protocols"),
    (Network::v4(192, 88, 99, 0, 24), "an address for protocols"),
    (Network::v4(192, 168, 0, 0, 16), "a private address"),
    (Network::v4(192, 175, 48, 0, 24), "an address for protocols"),
    (Network::v4(198, 18, 0, 0, 15), "an address for measurements"),
    (Network::v4(198, 51, 100, 0, 24), "an address for documentation"),
    (Network::v4(203, 0, 113, 0, 24), "an address for documentation"),
    (Network::v4(224, 0, 0, 0, 4), "a multicast address"),
    (Network::v4(240, 0, 0, 0, 4), "a reserved address"),
    // ::/64 holds ::, ::1 and the old form of addresses of IPv4; what is mapped (::ffff:0:0/96) is looked at as IPv4.
    (Network::v6([0, 0, 0, 0], 64), "an address of this machine, or none"),
    (Network::v6([0x64, 0xff9b, 0, 0], 96), "an address of IPv4 behind a translator"),
    (Network::v6([0x64, 0xff9b, 1, 0], 48), "an address of IPv4 behind a translator"),
    (Network::v6([0x100, 0, 0, 0], 64), "an address that discards"),
    (Network::v6([0x2001, 0, 0, 0], 32), "an address of a tunnel"),
    (Network::v6([0x2001, 2, 0, 0], 48), "an address for measurements"),
    (Network::v6([0x2001, 0x10, 0, 0], 28), "an address for protocols"),
    (Network::v6([0x2001, 0x20, 0, 0], 28), "an address for protocols"),
    (Network::v6([0x2001, 0xdb8, 0, 0], 32), "an address for documentation"),
    (Network::v6([0x2002, 0, 0, 0], 16), "an address of a tunnel"),
    (Network::v6([0x3fff, 0, 0, 0], 20), "an address for documentation"),
    (Network::v6([0xfc00, 0, 0, 0], 7), "a private address"),
    (Network::v6([0xfe80, 0, 0, 0], 10), "a link-local address"),
    (Network::v6([0xfec0, 0, 0, 0], 10), "a private address"),
    (Network::v6([0xff00, 0, 0, 0], 8), "a multicast address"),
];

/// What may be reached.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Networks that are reached though they are inside.
    pub allow: Vec<Network>,
}

impl Guard {
    /// Whether an address may be reached.
    ///
    /// # Errors
    /// What it is, in words.
    pub fn check(&self, address: IpAddr) -> Result<(), &'static str> {
        // ::ffff:127.0.0.1 is 127.0.0.1 to the machine that connects.
        let address = address.to_canonical();
        if let Some((_, what)) = METADATA.iter().find(|(network, _)| network.contains(address)) {
            return Err(what);
        }
        if self.allow.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        match INSIDE.iter().find(|(network, _)| network.contains(address)) {
            Some((_, what)) => Err(what),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_inside_is_not_reached() {
        let inside = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.1.2.3",
            "169.254.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:a9fe:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in inside {
            assert!(Guard::default().check(ip(text)).is_err(), "{text}");
        }
        for text in ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.32.0.1", "2606:4700::1111", "2a00::1"]
        {
            assert_eq!(Guard::default().check(ip(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_allowed_is_reached_and_no_more() {
        let allow: Vec<Network> = ["10.2.0.0/16", "fd00::/8", "127.0.0.1"].iter().map(|n| n.parse().unwrap()).collect();
        let guard = Guard { allow };
        for text in ["10.2.0.1", "10.2.255.255", "::ffff:10.2.3.4", "fd00::1", "127.0.0.1"] {
            assert_eq!(guard.check(ip(text)), Ok(()), "{text}");
        }
        for text in ["10.1.255.255", "10.3.0.0", "127.0.0.2", "::1", "192.168.0.1"] {
            assert!(guard.check(ip(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn no_configuration_allows_the_metadata_of_a_cloud() {
        let guard = Guard { allow: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()] };
        for text in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "100.100.100.200",
            "fd00:ec2::254",
        ] {
            assert!(guard.check(ip(text)).is_err(), "{text}");
        }
        assert_eq!(guard.check(ip("169.254.169.253")), Ok(()));
    }

    #[test]
    fn a_network_is_written_as_one() {
        for good in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8", "192.168.1.1", "::1/128", "10.2.3.4/32"] {
            good.parse::<Network>().unwrap_or_else(|e| panic!("{e}"));
        }
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "::1/64",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "host/8",
            "10/8",
            "10.0.0.0/-1",
            " 10.0.0.0/8",
            "010.0.0.0/8",
            "10.0.0.0/8/8",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
