use super::*;

fn policy(allow: &[&str]) -> EgressPolicy {
    EgressPolicy {
        allow: allow.iter().map(|network| network.parse().unwrap()).collect(),
    }
}

fn check(allow: &[&str], address: &str) -> Result<(), &'static str> {
    policy(allow).check(address.parse().unwrap())
}

#[test]
fn the_public_internet_may_be_called() {
    let public = [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001::1",
        "2001:4860::8888",
        "2001:200::1",
        "2003::1",
        "3ffe::1",
    ];
    for address in public {
        assert_eq!(check(&[], address), Ok(()), "{address}");
    }
}

#[test]
fn everything_else_is_refused_by_default() {
    let refused = [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("10.0.0.0", "private"),
        ("10.255.255.255", "private"),
        ("100.64.0.0", "carrier-grade NAT"),
        ("100.127.255.255", "carrier-grade NAT"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("169.254.169.254", "link-local"),
        ("172.16.0.0", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.8", "protocol assignments"),
        ("192.0.2.1", "documentation"),
        ("192.88.99.1", "6to4 relay"),
        ("192.168.0.1", "private"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.255", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::2", "IPv4-compatible"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("::8.8.8.8", "IPv4-compatible"),
        ("::ffff:127.0.0.1", "IPv4-mapped"),
        ("::ffff:8.8.8.8", "IPv4-mapped"),
        ("::ffff:0:8.8.8.8", "IPv4-translated"),
        ("64:ff9b::8.8.8.8", "NAT64"),
        ("64:ff9b::10.0.0.1", "NAT64"),
        ("64:ff9b:1::8.8.8.8", "local NAT64"),
        ("64:ff9b:1:ffff::1", "local NAT64"),
        ("64:ff9b:2::1", "reserved"),
        ("2002:808:808::1", "6to4"),
        ("2002:7f00:1::1", "6to4"),
        ("2001::1", "Teredo"),
        ("2001:2::1", "protocol assignments"),
        ("2001:1ff:ffff::1", "protocol assignments"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("fc00::1", "unique local"),
        ("fdff::1", "unique local"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("100::1", "reserved"),
        ("5f00::1", "reserved"),
        ("4000::1", "reserved"),
    ];
    for (address, range) in refused {
        assert_eq!(check(&[], address), Err(range), "{address}");
    }
}

#[test]
fn a_hole_opens_its_own_network_and_nothing_else() {
    assert_eq!(check(&["127.0.0.0/8"], "127.0.0.1"), Ok(()));
    assert_eq!(check(&["127.0.0.1/32"], "127.0.0.2"), Err("loopback"));
    assert_eq!(check(&["127.0.0.0/8"], "::1"), Err("loopback"));
    assert_eq!(check(&["::1/128"], "::1"), Ok(()));
    assert_eq!(check(&["::1/128"], "127.0.0.1"), Err("loopback"));
    assert_eq!(check(&["10.0.0.0/8", "fd00::/8"], "fd12::1"), Ok(()));
    assert_eq!(check(&["10.0.0.0/8"], "192.168.0.1"), Err("private"));
    assert_eq!(check(&["0.0.0.0/0"], "169.254.169.254"), Ok(()));
    assert_eq!(check(&["::/0"], "fe80::1"), Ok(()));
}

#[test]
fn carried_addresses_do_not_pass_through_other_holes() {
    let loopback_in_disguise = [
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::127.0.0.1",
        "2002:7f00:1::1",
        "2001:0:808:808::80ff:fffe",
    ];
    let own_forms = [
        "::ffff:0:0/96",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/96",
        "2002::/16",
        "2001::/32",
    ];
    for address in loopback_in_disguise {
        let all_v6 = check(&["::/0"], address);
        assert!(all_v6.is_err(), "{address} through ::/0");
        assert!(
            check(&["127.0.0.0/8"], address).is_err(),
            "{address} through the IPv4 hole alone"
        );
        assert!(
            check(&["::/0", "127.0.0.0/8"], address).is_err(),
            "{address} through ::/0 and the IPv4 hole"
        );
        assert!(
            check(&own_forms, address).is_err(),
            "{address} through its form's hole alone"
        );
    }
    for (address, form) in loopback_in_disguise.into_iter().zip(own_forms) {
        assert_eq!(
            check(&[form, "127.0.0.0/8"], address),
            Ok(()),
            "{address} through {form} and the IPv4 hole"
        );
    }
}

#[test]
fn an_allowed_translator_reaches_the_public_internet() {
    assert_eq!(check(&["64:ff9b::/96"], "64:ff9b::8.8.8.8"), Ok(()));
    assert_eq!(check(&["64:ff9b:1:7::/96"], "64:ff9b:1:7::8.8.8.8"), Ok(()));
    assert_eq!(check(&["2002::/16"], "2002:808:808::1"), Ok(()));
}

#[test]
fn a_local_translator_s_prefix_must_say_where_the_address_is() {
    assert_eq!(check(&["64:ff9b:1::/48"], "64:ff9b:1::8.8.8.8"), Err("local NAT64"));
}
