//! Turns `192.0.2.0/24` into a set of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IPv4 or IPv6 prefix in CIDR notation (RFC 4632); one address alone is its own network. Bits below the prefix are zero:
/// `10.0.0.1/8` is a slip of the pen, and who reads it twice reads two things.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNetwork {
    #[error("\"{0}\" is no network; write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7")]
    Form(String),
    #[error("\"{0}\" has bits set behind its prefix; write {1}")]
    Bits(String, Network),
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && truncate(address, self.prefix) == self.first
    }

    /// The network that counts as one client: an IPv4 address, or the /64 that an IPv6 host chooses its addresses from.
    pub fn of_client(address: IpAddr) -> Network {
        let address = address.to_canonical();
        let prefix = if address.is_ipv4() { 32 } else { 64 };
        Network { first: truncate(address, prefix), prefix }
    }

    /// True for `0.0.0.0/0` and `::/0`.
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    /// What part of the addresses of its kind that the Internet can have it is, as a power of a half: 8 for `198.0.0.0/8`. `None` for
    /// what lies within fc00::/7 or fe80::/10, from where no stranger comes however much it is; IPv4 has no such large networks.
    pub fn share(&self) -> Option<u8> {
        match self.first {
            IpAddr::V6(first) if self.prefix >= 7 && first.is_unique_local() => None,
            IpAddr::V6(first) if self.prefix >= 10 && first.is_unicast_link_local() => None,
            _ => Some(self.prefix),
        }
    }

    pub fn is_ipv4(&self) -> bool {
        self.first.is_ipv4()
    }
}

fn truncate(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Network, BadNetwork> {
        let form = || BadNetwork::Form(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if prefix.bytes().all(|b| b.is_ascii_digit()) => (address, Some(prefix)),
            Some(_) => return Err(form()),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = prefix.map_or(Ok(widest), str::parse).map_err(|_| form())?;
        if prefix > widest {
            return Err(form());
        }
        let network = Network { first: truncate(address, prefix), prefix };
        if network.first != address {
            return Err(BadNetwork::Bits(text.to_owned(), network));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl serde::Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Network, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.0/24", "::ffff:192.0.2.1", "::ffff:192.0.3.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1/128", "::1", "::2"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
        }
    }

    #[test]
    fn a_wrong_network_says_what_to_write() {
        for text in ["", "192.0.2.0/33", "192.0.2/24", "192.0.2.0/-1", "192.0.2.0/", "192.0.2.0/+8", "localhost", "::/129"] {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork::Form(text.to_owned())));
        }
        let error = "10.0.0.1/8".parse::<Network>().unwrap_err().to_string();
        assert!(error.ends_with("write 10.0.0.0/8"), "{error}");
    }

    #[test]
    fn an_ipv6_client_is_its_slash_64() {
        let of = |text: &str| Network::of_client(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    }
}
