//! The address ranges that are not the public internet, by the IANA special-purpose registries.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: [u16; 4], prefix: u8) -> Ipv6Net {
    let [a, b, c, d] = first;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

const REFUSED_V4: [(Ipv4Net, &str); 16] = [
    (v4(0, 0, 0, 0, 8), "unspecified"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "carrier-grade NAT"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "protocol assignments"),
    (v4(192, 0, 2, 0, 24), "documentation"),
    (v4(192, 88, 99, 0, 24), "6to4 relay"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(198, 18, 0, 0, 15), "benchmarking"),
    (v4(198, 51, 100, 0, 24), "documentation"),
    (v4(203, 0, 113, 0, 24), "documentation"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(255, 255, 255, 255, 32), "broadcast"),
    (v4(240, 0, 0, 0, 4), "reserved"),
];

const REFUSED_V6: [(Ipv6Net, &str); 8] = [
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), "unspecified"),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), "loopback"),
    (v6([0xfc00, 0, 0, 0], 7), "unique local"),
    (v6([0xfe80, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0], 8), "multicast"),
    (v6([0x2001, 0xdb8, 0, 0], 32), "documentation"),
    (v6([0x3fff, 0, 0, 0], 20), "documentation"),
];

/// Within global unicast, but kept for protocols: ORCHID, benchmarking and others.
const PROTOCOL_ASSIGNMENTS: Ipv6Net = v6([0x2001, 0, 0, 0], 23);

/// Whatever lies outside is reserved for something else.
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0], 3);

/// What kind of address this is, if it may not be called by default.
pub(super) fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    REFUSED_V4
        .iter()
        .find(|(network, _)| network.contains(&address))
        .map(|(_, name)| *name)
}

/// What kind of address this is, if it may not be called by default.
pub(super) fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some((_, name)) = REFUSED_V6.iter().find(|(network, _)| network.contains(&address)) {
        return Some(name);
    }
    if PROTOCOL_ASSIGNMENTS.contains(&address) {
        return Some("protocol assignments");
    }
    (!GLOBAL_UNICAST.contains(&address)).then_some("reserved")
}

/// A form of IPv6 address that carries an IPv4 address, to which a translator or tunnel will send.
pub(super) struct Carrier {
    pub(super) name: &'static str,
    range: Ipv6Net,
    /// How narrow a network has to be to allow this form.
    pub(super) min_prefix: u8,
    pub(super) carried: fn(Ipv6Addr) -> Ipv4Addr,
}

const CARRIERS: [Carrier; 7] = [
    Carrier {
        name: "IPv4-mapped",
        range: v4_in_v6([0, 0, 0, 0, 0, 0xffff], 96),
        min_prefix: 96,
        carried: last_bits,
    },
    Carrier {
        name: "IPv4-translated",
        range: v4_in_v6([0, 0, 0, 0, 0xffff, 0], 96),
        min_prefix: 96,
        carried: last_bits,
    },
    Carrier {
        name: "NAT64",
        range: v4_in_v6([0x64, 0xff9b, 0, 0, 0, 0], 96),
        min_prefix: 96,
        carried: last_bits,
    },
    // Where the local prefix has the IPv4 address depends on the prefix's length: only a /96 leaves no doubt.
    Carrier {
        name: "local NAT64",
        range: v4_in_v6([0x64, 0xff9b, 1, 0, 0, 0], 48),
        min_prefix: 96,
        carried: last_bits,
    },
    Carrier {
        name: "6to4",
        range: v4_in_v6([0x2002, 0, 0, 0, 0, 0], 16),
        min_prefix: 16,
        carried: bits_after_16,
    },
    Carrier {
        name: "Teredo",
        range: v4_in_v6([0x2001, 0, 0, 0, 0, 0], 32),
        min_prefix: 32,
        carried: inverted_last_bits,
    },
    Carrier {
        name: "IPv4-compatible",
        range: v4_in_v6([0; 6], 96),
        min_prefix: 96,
        carried: last_bits,
    },
];

const fn v4_in_v6(first: [u16; 6], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f] = first;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, 0, 0), prefix)
}

/// The form of this address, if it is one that carries an IPv4 address.
pub(super) fn carrier_of(address: Ipv6Addr) -> Option<&'static Carrier> {
    // `::` and `::1` look IPv4-compatible and are not.
    if address.is_unspecified() || address.is_loopback() {
        return None;
    }
    CARRIERS.iter().find(|carrier| carrier.range.contains(&address))
}

fn last_bits(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

fn inverted_last_bits(address: Ipv6Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(!last_bits(address).to_bits())
}

fn bits_after_16(address: Ipv6Addr) -> Ipv4Addr {
    let [_, _, a, b, c, d, ..] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}
