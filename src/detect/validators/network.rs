//! Turns the addresses of machines into verdicts: IP (RFC 791, RFC 4291) and MAC (IEEE 802).

use super::{Check, Strength, Validator, valid_if};
use std::net::IpAddr;

pub(super) static VALIDATORS: [Validator; 2] = [
    Validator {
        name: "ip",
        about: (
            "adresse IP d'une machine, ni réservée ni d'exemple",
            "a machine's IP address, neither reserved nor of documentation",
        ),
        example: "8.8.4.4",
        strength: Strength::AsWritten,
        check: check_ip,
        length: None,
    },
    Validator {
        name: "mac",
        about: ("adresse MAC, ni diffusion ni zéro", "MAC address, neither broadcast nor zero"),
        example: "3C:52:82:1A:2B:3C",
        strength: Strength::Weak,
        check: check_mac,
        length: None,
    },
];

/// `8.8.4.4`, `2001:4860:4860::8844`: not the unspecified, loopback, multicast and documentation addresses, nor masks; and no
/// version number (`1.2.3.4`, `2.0.0.1`: each part below 10) without a word.
pub(super) fn check_ip(written: &[u8]) -> Check {
    let Some(Ok(address)) = std::str::from_utf8(written).ok().map(str::parse::<IpAddr>) else { return Check::Invalid };
    match address {
        IpAddr::V4(address) => {
            let parts = address.octets();
            let apart = address.is_unspecified()
                || address.is_loopback()
                || address.is_multicast()
                || address.is_broadcast()
                || address.is_documentation()
                || parts[0] == 0
                || parts[0] >= 240;
            match (apart, parts.iter().all(|part| *part < 10)) {
                (true, _) => Check::Invalid,
                (false, true) => Check::NeedsLabel,
                (false, false) => Check::Valid,
            }
        }
        IpAddr::V6(address) => {
            let documentation = address.segments()[..2] == [0x2001, 0xdb8];
            valid_if(!(address.is_unspecified() || address.is_loopback() || address.is_multicast() || documentation))
        }
    }
}

/// `3C:52:82:1A:2B:3C`: twelve hexadecimal digits, not all the same.
pub(super) fn check_mac(mac: &[u8]) -> Check {
    valid_if(mac.len() == 12 && mac.iter().all(u8::is_ascii_hexdigit) && mac.iter().any(|digit| *digit != mac[0]))
}

#[cfg(test)]
mod tests {
    use super::super::compact;
    use super::*;

    #[test]
    fn addresses() {
        let cases = [
            ("8.8.4.4", Check::NeedsLabel), // could be a version
            ("10.12.0.77", Check::Valid),
            ("193.51.24.1", Check::Valid),
            ("2a01:e34:ec2a::1", Check::Valid),
            ("127.0.0.1", Check::Invalid),
            ("192.0.2.10", Check::Invalid), // documentation
            ("255.255.255.0", Check::Invalid),
            ("2001:db8::1", Check::Invalid),
            ("1.2.3", Check::Invalid),
            ("256.1.1.1", Check::Invalid),
            ("::", Check::Invalid),
        ];
        for (address, expected) in cases {
            assert_eq!(check_ip(address.as_bytes()), expected, "{address}");
        }
        for (address, expected) in
            [("3C:52:82:1A:2B:3C", Check::Valid), ("ff-ff-ff-ff-ff-ff", Check::Invalid), ("3C:52:82:1A:2B", Check::Invalid)]
        {
            assert_eq!(check_mac(&compact(address.as_bytes())), expected, "{address}");
        }
    }
}
