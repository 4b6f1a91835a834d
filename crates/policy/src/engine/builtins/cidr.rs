//! `net.cidr_*`: ranges of IP addresses (RFC 4632, 4291).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use regorus::Value;

use super::args::{elements, fault, limit_elements, make_set, string, wrong};
use super::{Builtin, Fault, MAX_ELEMENTS};

/// The most pairs that `net.cidr_contains_matches` compares.
const MAX_PAIRS: usize = 20 * MAX_ELEMENTS;

pub(super) const FAMILY: &[Builtin] = &[
    Builtin { name: "net.cidr_contains", arity: 2, call: |args| contains(args) },
    // The former name of the same.
    Builtin { name: "net.cidr_overlap", arity: 2, call: |args| contains(args) },
    Builtin { name: "net.cidr_contains_matches", arity: 2, call: |args| contains_matches(args) },
    Builtin { name: "net.cidr_expand", arity: 1, call: |args| expand(args) },
    Builtin { name: "net.cidr_intersects", arity: 2, call: |args| intersects(args) },
    Builtin {
        name: "net.cidr_is_valid",
        arity: 1,
        call: |args| Ok(string(args, 0).is_ok_and(|text| Range::parse(text).is_some()).into()),
    },
    Builtin { name: "net.cidr_merge", arity: 1, call: |args| merge(args) },
];

/// The addresses from `first` to `last`, which are of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    v6: bool,
    first: u128,
    last: u128,
}

/// An address as a number, and its length in bits. An IPv4 address in IPv6 form is an IPv4 address, as in Go.
fn bits(address: IpAddr) -> (u128, u32) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

/// The bits that a prefix leaves free.
fn free(width: u32, prefix: u32) -> u128 {
    1u128.checked_shl(width - prefix).map_or(u128::MAX, |n| n - 1)
}

impl Range {
    fn of(address: IpAddr, prefix: u32) -> Option<Self> {
        let (address, width) = bits(address);
        if prefix > width {
            return None;
        }
        let free = free(width, prefix);
        Some(Self { v6: width == 128, first: address & !free, last: address | free })
    }

    /// `10.0.0.0/8`, `fd00::/8`; the address may have bits after the prefix.
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let short = prefix.len() == 1 || (2..=3).contains(&prefix.len()) && !prefix.starts_with('0');
        let prefix: u32 = prefix.bytes().all(|b| b.is_ascii_digit()).then(|| prefix.parse().ok()).flatten()?;
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        if !short || prefix > width {
            return None;
        }
        match address.to_canonical() {
            v4 @ IpAddr::V4(_) if width == 128 => Self::of(v4, prefix.checked_sub(96)?),
            same => Self::of(same, prefix),
        }
    }

    fn contains(self, other: Self) -> bool {
        self.v6 == other.v6 && self.first <= other.first && other.last <= self.last
    }

    fn address(self, n: u128) -> IpAddr {
        match u32::try_from(n) {
            Ok(n) if !self.v6 => Ipv4Addr::from_bits(n).into(),
            _ => Ipv6Addr::from_bits(n).into(),
        }
    }

    /// The fewest prefixes that have just these addresses.
    fn prefixes(self) -> Vec<String> {
        let width: u32 = if self.v6 { 128 } else { 32 };
        let (mut at, mut all) = (self.first, Vec::new());
        loop {
            let mut prefix = width;
            while prefix > 0 && at & free(width, prefix - 1) == 0 && at | free(width, prefix - 1) <= self.last {
                prefix -= 1;
            }
            all.push(format!("{}/{prefix}", self.address(at)));
            match (at | free(width, prefix)).checked_add(1) {
                Some(next) if next <= self.last => at = next,
                _ => return all,
            }
        }
    }
}

fn range(args: &[Value], i: usize) -> Result<Range, Fault> {
    let text = string(args, i)?;
    Range::parse(text).ok_or_else(|| fault(format!("invalid CIDR address: {text}")))
}

/// A range or a single address.
fn range_or_address(text: &str) -> Result<Range, Fault> {
    let single = text.parse::<IpAddr>().ok().and_then(|a| Range::of(a, bits(a).1));
    single
        .or_else(|| Range::parse(text))
        .ok_or_else(|| fault(format!("not a valid textual representation of an IP address or CIDR: {text}")))
}

fn contains(args: &[Value]) -> Result<Value, Fault> {
    Ok(range(args, 0)?.contains(range_or_address(string(args, 1)?)?).into())
}

fn intersects(args: &[Value]) -> Result<Value, Fault> {
    let (a, b) = (range(args, 0)?, range(args, 1)?);
    Ok((a.v6 == b.v6 && a.first <= b.last && b.first <= a.last).into())
}

fn expand(args: &[Value]) -> Result<Value, Fault> {
    let range = range(args, 0)?;
    limit_elements(usize::try_from(range.last - range.first).unwrap_or(usize::MAX).saturating_add(1))?;
    Ok(make_set((range.first..=range.last).map(|n| Value::from(range.address(n).to_string()))))
}

/// What is matched, with what stands for it in the answer: the text itself or the element of a set that it is in, the
/// place in an array, the key in an object.
fn indexed(args: &[Value], i: usize) -> Result<Vec<(&str, Value)>, Fault> {
    fn of(value: &Value) -> Option<&str> {
        match value {
            Value::String(text) => Some(text),
            Value::Array(array) => match array.first() {
                Some(Value::String(text)) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }
    let element = |value, index| {
        let text =
            of(value).ok_or_else(|| fault(format!("operand {}: element must be string or non-empty array", i + 1)))?;
        Ok((text, index))
    };
    match args.get(i) {
        Some(whole @ Value::String(text)) => Ok(vec![(text, whole.clone())]),
        Some(Value::Array(array)) => array.iter().enumerate().map(|(n, v)| element(v, Value::from(n))).collect(),
        Some(Value::Set(set)) => set.iter().map(|v| element(v, v.clone())).collect(),
        Some(Value::Object(object)) => object.iter().map(|(k, v)| element(v, k.clone())).collect(),
        _ => Err(wrong(args, i, "one of {string, array, set, object}")),
    }
}

fn contains_matches(args: &[Value]) -> Result<Value, Fault> {
    let ranges = indexed(args, 0)?
        .into_iter()
        .map(|(text, index)| {
            Ok((Range::parse(text).ok_or_else(|| fault(format!("invalid CIDR address: {text}")))?, index))
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    let inner = indexed(args, 1)?
        .into_iter()
        .map(|(text, index)| Ok((range_or_address(text)?, index)))
        .collect::<Result<Vec<_>, Fault>>()?;
    if ranges.len().saturating_mul(inner.len()) > MAX_PAIRS {
        return Err(Fault::Refused(format!("more than {MAX_PAIRS} pairs to compare")));
    }
    let mut found = Vec::new();
    for (range, a) in &ranges {
        for (_, b) in inner.iter().filter(|(other, _)| range.contains(*other)) {
            found.push(Value::from(vec![a.clone(), b.clone()]));
        }
        limit_elements(found.len())?;
    }
    Ok(make_set(found))
}

/// An IPv4 address without a prefix has that of its class, as in OPA.
fn mergeable(value: &Value) -> Result<(Range, String), Fault> {
    let text = string(std::slice::from_ref(value), 0)?;
    let Ok(address) = text.parse::<IpAddr>() else {
        let range = Range::parse(text).ok_or_else(|| fault(format!("invalid CIDR address: {text}")))?;
        let own = range.prefixes().pop().unwrap_or_default();
        return Ok((range, own));
    };
    let IpAddr::V4(v4) = address.to_canonical() else {
        return Err(fault("IPv6 invalid: needs prefix length"));
    };
    let prefix = match v4.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    };
    let range = Range::of(v4.into(), prefix).ok_or_else(|| fault("invalid address"))?;
    Ok((range, format!("{v4}/{prefix}")))
}

fn merge(args: &[Value]) -> Result<Value, Fault> {
    let mut all = elements(args, 0)?.into_iter().map(mergeable).collect::<Result<Vec<_>, Fault>>()?;
    all.sort_by_key(|(r, _)| (r.v6, r.first, r.last));
    // What was merged, and the text of what was not.
    let mut merged: Vec<(Range, Option<String>)> = Vec::new();
    for (range, own) in all {
        match merged.last_mut() {
            Some((last, text)) if last.v6 == range.v6 && range.first.saturating_sub(1) <= last.last => {
                last.last = last.last.max(range.last);
                *text = None;
            }
            _ => merged.push((range, Some(own))),
        }
    }
    let texts = merged.into_iter().flat_map(|(range, own)| own.map_or_else(|| range.prefixes(), |own| vec![own]));
    Ok(make_set(texts.map(Value::from)))
}

#[cfg(test)]
mod tests {
    use super::super::Fault;
    use super::super::tests::{call, text};
    use super::*;

    #[test]
    fn ranges_of_either_family() {
        for (a, b, want) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.9/24", "192.0.2.0/25", true),
            ("192.0.2.0/25", "192.0.2.0/24", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("::/0", "192.0.2.1", false),
            ("0.0.0.0/0", "::ffff:192.0.2.1", true),
        ] {
            assert_eq!(call("net.cidr_contains", &[text(a), text(b)]).unwrap(), want.into(), "{a} {b}");
        }
        for bad in
            ["192.0.2.0", "192.0.2.0/33", "192.0.2.0/+8", "192.0.2.0/08", "192.0.2.0/", "::/129", "x/8", "::1%lo/64"]
        {
            assert_eq!(call("net.cidr_is_valid", &[text(bad)]).unwrap(), false.into(), "{bad}");
        }
    }

    #[test]
    fn merged_ranges_cover_the_same_addresses_with_fewer_prefixes() {
        let merge = |all: &[&str]| {
            call("net.cidr_merge", &[Value::from(all.iter().map(|t| text(t)).collect::<Vec<_>>())]).unwrap()
        };
        assert_eq!(merge(&["10.0.0.0/25", "10.0.0.128/25", "10.0.1.0/24"]), make_set([text("10.0.0.0/23")]));
        assert_eq!(merge(&["10.0.0.1/32", "10.0.0.2/32"]), make_set([text("10.0.0.1/32"), text("10.0.0.2/32")]));
        assert_eq!(
            merge(&["0.0.0.0/0", "10.0.0.0/8", "::/1", "8000::/1"]),
            make_set([text("0.0.0.0/0"), text("::/0")])
        );
    }

    #[test]
    fn an_answer_too_large_is_refused() {
        assert!(matches!(call("net.cidr_expand", &[text("10.0.0.0/8")]), Err(Fault::Refused(_))));
        assert!(matches!(call("net.cidr_expand", &[text("::/0")]), Err(Fault::Refused(_))));
        assert_eq!(
            call("net.cidr_expand", &[text("255.255.255.255/32")]).unwrap(),
            make_set([text("255.255.255.255")])
        );
    }
}
