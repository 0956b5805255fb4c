//! Which addresses are on the public internet. Pure, but for the question whether an address is our own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// IPv4 networks that are not globally routable: first address, bits, what they are.
const V4: &[(Ipv4Addr, u32, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "a private network"),
    (
        Ipv4Addr::new(100, 64, 0, 0),
        10,
        "a provider's inner network",
    ),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "this machine"),
    (
        Ipv4Addr::new(169, 254, 0, 0),
        16,
        "link-local, where metadata services are",
    ),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "a private network"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (
        Ipv4Addr::new(192, 31, 196, 0),
        24,
        "a sink for reverse lookups",
    ),
    (
        Ipv4Addr::new(192, 52, 193, 0),
        24,
        "reserved for multicast relays",
    ),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a relay of 6to4"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "a private network"),
    (
        Ipv4Addr::new(192, 175, 48, 0),
        24,
        "a sink for reverse lookups",
    ),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// IPv6 networks within the public 2000::/3 that are not globally routable. Whatever lies outside 2000::/3 (loopback,
/// mapped, compatible and NAT64 addresses, unique local, site-local, link-local, multicast) is refused as a whole.
const V6: &[(Ipv6Addr, u32, &str)] = &[
    // Teredo, benchmarks, ORCHID and whatever else stands there.
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        "reserved for protocols, Teredo among them",
    ),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        "for documentation",
    ),
    (
        Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0),
        16,
        "6to4, which hides an IPv4 address",
    ),
    (
        Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0),
        48,
        "a sink for reverse lookups",
    ),
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        "for documentation",
    ),
];

/// Why an address is not globally routable; `None` if it is.
pub(crate) fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => {
            let number = u32::from(address);
            V4.iter()
                .find(|(first, bits, _)| (number ^ u32::from(*first)) >> (32 - bits) == 0)
                .map(|(_, _, what)| *what)
        }
        IpAddr::V6(address) => {
            let number = u128::from(address);
            if number >> 125 != 1 {
                return Some("outside the public part of IPv6");
            }
            V6.iter()
                .find(|(first, bits, _)| (number ^ u128::from(*first)) >> (128 - bits) == 0)
                .map(|(_, _, what)| *what)
        }
    }
}

/// True if the machine itself has this address. Asked anew each time: interfaces come and go.
///
/// A datagram socket that is connected to one of the machine's own addresses gets that very address as its own; nothing is sent.
/// Where the system cannot say, the address is taken for a stranger's, and connecting to it will fail as well.
pub(crate) fn is_own(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0))
        .and_then(|socket| {
            socket.connect((address, 9))?;
            socket.local_addr()
        })
        .is_ok_and(|own| own.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        not_public(text.parse().expect(text)).is_none()
    }

    #[test]
    fn the_edges_of_every_network_are_where_they_should_be() {
        let inside = [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
            "100::1",
            "2001::1",
            "2001:0:ffff::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff:ffff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ff0e::1",
        ];
        for address in inside {
            assert!(!public(address), "{address} is public?");
        }
        let outside = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
            "3fff:1000::1",
        ];
        for address in outside {
            assert!(public(address), "{address} is not public?");
        }
    }

    #[test]
    fn the_machine_knows_its_own_addresses() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_own(Ipv4Addr::new(192, 0, 2, 1).into()));
    }
}
