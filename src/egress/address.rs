//! Which addresses a request may go to: the public ones, and nothing else.
//!
//! Guarantees: an address of this machine's networks, of a cloud's metadata, or one that another address is hidden in, is
//! refused in every spelling. The lists are those of IANA, and what they call global and is not.
//!
//! Deliberately never: looks a name up, or asks the system for its own addresses (that is `egress::resolve`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of IPv4 that are refused, each with the length of its prefix.
const REFUSED_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // A cloud's metadata, on an address that is otherwise global.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, reserved and broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// The only network of IPv6 that is allowed.
const ALLOWED_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Networks within it that are refused.
const REFUSED_V6: &[(Ipv6Addr, u32)] = &[
    // Teredo, benchmarks, ORCHID: some of it is global to IANA, and none of it is a web server.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4: an address of IPv4 is in it.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address may be connected to without a rule that names it.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !REFUSED_V4.iter().any(|(base, length)| is_in_v4(address, *base, *length)),
        IpAddr::V6(address) => {
            is_in_v6(address, ALLOWED_V6.0, ALLOWED_V6.1)
                && !REFUSED_V6.iter().any(|(base, length)| is_in_v6(address, *base, *length))
                && !is_isatap(address)
        }
    }
}

fn is_in_v4(address: Ipv4Addr, base: Ipv4Addr, length: u32) -> bool {
    (address.to_bits() ^ base.to_bits()) >> (u32::BITS - length) == 0
}

fn is_in_v6(address: Ipv6Addr, base: Ipv6Addr, length: u32) -> bool {
    (address.to_bits() ^ base.to_bits()) >> (u128::BITS - length) == 0
}

/// An interface id that carries an address of IPv4, which a router of the other end would connect to.
fn is_isatap(address: Ipv6Addr) -> bool {
    let [_, _, _, _, first, second, _, _] = address.segments();
    second == 0x5efe && matches!(first, 0 | 0x0200)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spellings of addresses that are not global. (IPv4 in the short form is one of them as well.)
    const REFUSED: [&str; 83] = [
        "168.63.129.16",
        "::ffff:168.63.129.16",
        "100.100.100.200",
        "fd20:ce::254",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.8",
        "192.0.0.170",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::7f00:1",
        "::a9fe:a9fe",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "64:ff9b:1::a9fe:a9fe",
        "100::1",
        "100:0:0:1::1",
        "2001::1",
        "2001:0:a9fe:a9fe::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:30::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::1",
        "2002:c0a8:1::1",
        "3fff::1",
        "3fff:fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::5efe:127.0.0.1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "2600:1f00::5efe:7f00:1",
        "2600:1f00::200:5efe:a9fe:a9fe",
        "4000::1",
        "8000::1",
        // The first and last addresses of the other networks of the list.
        "0.255.255.255",
        "10.255.255.255",
        "127.0.0.0",
        "172.16.0.0",
        "192.31.196.1",
        "192.52.193.1",
        "192.175.48.1",
        "192.168.255.255",
        "198.18.0.0",
        "224.0.0.0",
        "254.255.255.255",
        "2001:1ff:ffff::1",
        "2002:ffff::1",
        "2620:4f:8000::1",
        "1fff:ffff::1",
    ];

    /// Global addresses, among them the neighbours of the refused networks.
    const ALLOWED: [&str; 26] = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "192.167.255.255",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "2606:4700::1111",
        "2620:4f:7fff::1",
        "2a00:1450::5efe",
        "3ffe::1",
    ];

    #[test]
    fn no_spelling_of_an_address_that_is_not_global_passes() -> Result<(), std::net::AddrParseError> {
        for text in REFUSED {
            assert!(!is_public(text.parse()?), "{text} passed");
        }
        for text in ALLOWED {
            assert!(is_public(text.parse()?), "{text} was refused");
        }
        Ok(())
    }
}
