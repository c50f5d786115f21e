//! Turns host names into the addresses that may be connected to, and says which addresses lie inside.

use crate::world::network::Network;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Resolves names by the servers of the settings, or by the system's.
#[derive(Clone)]
pub struct Names {
    resolver: TokioResolver,
}

/// Why a name led to no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    #[error("there is no host {0}")]
    NoSuchHost(String),
    #[error("the name {0} could not be resolved")]
    Failed(String),
}

/// One question of a resolver; two are asked before it gives up, within the budget of whoever asks.
const ONE_QUESTION: Duration = Duration::from_secs(2);
/// Answers kept by the resolver.
const KEPT: u64 = 4096;
/// Addresses of one name that are looked at: a name with more of them is no server's.
const MOST_ADDRESSES: usize = 64;

impl Names {
    /// `servers` empty: those of `/etc/resolv.conf`.
    pub fn new(servers: &[SocketAddr]) -> Result<Names, String> {
        let (config, options) = configuration(servers)?;
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        let resolver = builder.build().map_err(|why| format!("the resolver cannot be made: {why}"))?;
        Ok(Names { resolver })
    }

    /// All addresses of a host; never an empty list.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NoAddress> {
        // With its final dot: search lists of resolv.conf would make another host of it.
        let full = format!("{}.", host.trim_end_matches('.'));
        match self.resolver.lookup_ip(full).await {
            Ok(found) => {
                let addresses: Vec<IpAddr> = found.iter().take(MOST_ADDRESSES).collect();
                if addresses.is_empty() { Err(NoAddress::NoSuchHost(host.to_owned())) } else { Ok(addresses) }
            }
            Err(why) if why.is_no_records_found() => Err(NoAddress::NoSuchHost(host.to_owned())),
            Err(_) => Err(NoAddress::Failed(host.to_owned())),
        }
    }
}

/// The configuration of any resolver of ours: these servers, or the system's.
pub(super) fn configuration(servers: &[SocketAddr]) -> Result<(ResolverConfig, ResolverOpts), String> {
    let (config, mut options) = if servers.is_empty() {
        hickory_resolver::system_conf::read_system_conf().map_err(|why| format!("/etc/resolv.conf cannot be used: {why}"))?
    } else {
        let servers = servers.iter().map(|server| {
            let mut one = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut one.connections {
                connection.port = server.port();
            }
            one
        });
        (ResolverConfig::from_name_servers(servers.collect()), ResolverOpts::default())
    };
    options.timeout = ONE_QUESTION;
    options.attempts = 1;
    options.cache_size = KEPT;
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    Ok((config, options))
}

/// True for an address on the public Internet. Whoever chooses a URL (a recipient's domain, a certificate's author) must not be able to
/// have us knock at machines that only we can reach (SSRF): an allow-list by the registries of special addresses (RFC 6890,
/// IANA 2025), so that what is forgotten here is refused.
pub fn is_outside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4_is_outside(v4),
        IpAddr::V6(v6) => v6_is_outside(v6),
    }
}

fn v4_is_outside(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        // "this network", private, loopback, link-local with the clouds' metadata, multicast and reserved with broadcast
        (0 | 10 | 127, ..) | (169, 254, _) | (172, 16..=31, _) | (192, 168, _) | (224..=255, ..)
        // shared by carriers (RFC 6598), protocol assignments, documentation, 6to4 relays, benchmarks
        | (100, 64..=127, _) | (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (192, 88, 99) | (198, 18 | 19, _)
    )
}

fn v6_is_outside(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // RFC 6052: behind a NAT64 every IPv4 host has such an address, the forbidden ones too.
    if address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., c, d] = address.segments();
        return v4_is_outside(Ipv4Addr::from_bits(u32::from(c) << 16 | u32::from(d)));
    }
    // Only 2000::/3 is given out as global unicast: loopback, v4-mapped, unique local, link-local and multicast are elsewhere.
    let global = a & 0xe000 == 0x2000;
    // Protocol assignments with Teredo and ORCHID, documentation (two of them), 6to4: the last bears any IPv4 address.
    let special = (a == 0x2001 && b < 0x0200) || (a == 0x2001 && b == 0x0db8) || (a == 0x3fff && b < 0x1000) || a == 0x2002;
    global && !special
}

/// An address that may be connected to: outside, or in a network that the operator named.
pub fn may_be_asked(address: IpAddr, allowed: &[Network]) -> bool {
    is_outside(address) || allowed.iter().any(|network| network.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_outside() {
        let outside = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2a00::1",
            "64:ff9b::101:101",
            "3fff:1000::1",
        ];
        let inside = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.1.2.3",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:1.1.1.1",
            "64:ff9b::a00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
        ];
        for (texts, expected) in [(&outside[..], true), (&inside[..], false)] {
            for text in texts {
                assert_eq!(is_outside(text.parse().unwrap()), expected, "{text}");
            }
        }
    }

    #[test]
    fn a_network_that_the_operator_named_may_be_asked_and_no_other() {
        let allowed = ["127.0.0.0/8".parse().unwrap(), "fd00::/64".parse().unwrap()];
        for (address, may) in
            [("127.0.0.1", true), ("fd00::1", true), ("10.0.0.1", false), ("fd00:1::1", false), ("::1", false)]
        {
            assert_eq!(may_be_asked(address.parse().unwrap(), &allowed), may, "{address}");
        }
    }
}
