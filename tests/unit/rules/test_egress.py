"""Every kind of address that must not be reached, and those that must."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.rules.egress import EgressPolicy, blocked_reason, parse_networks

CLOSED = EgressPolicy()

BLOCKED = {
    "this network": ["0.0.0.0", "0.0.0.1", "0.255.255.255"],
    "private": [
        "10.0.0.0", "10.0.0.1", "10.255.255.255", "172.16.0.0", "172.16.0.1", "172.31.255.255", "192.168.0.0",
        "192.168.1.1", "192.168.255.255", "fc00::", "fc00::1", "fd00::1", "fd00:ec2::23", "fd00:ec2::123", "fd00:ec2::253",
        "fd00:ec2::254", "fd00:42::42", "fd20:ce::254",
        "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::ffff:10.0.0.1", "::ffff:172.16.0.1", "::ffff:192.168.1.1",
        "::ffff:c0a8:101",
    ],
    "carrier-grade NAT": [
        "100.64.0.0", "100.64.0.1", "100.100.100.200", "100.127.255.255", "::ffff:100.64.0.1", "::ffff:100.100.100.200",
    ],
    "loopback": [
        "127.0.0.0", "127.0.0.1", "127.0.0.53", "127.1.2.3", "127.255.255.255", "::1", "::ffff:127.0.0.1",
        "::FFFF:7f00:1", "0:0:0:0:0:ffff:127.0.0.1", "0000:0000:0000:0000:0000:0000:0000:0001",
    ],
    "link-local": [
        "169.254.0.0", "169.254.0.1", "169.254.169.254", "169.254.169.253", "169.254.170.2", "169.254.170.23",
        "169.254.169.249", "169.254.0.23", "169.254.42.42", "169.254.255.255",
        "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "fe80::", "fe80::1", "fe80::a9fe:a9fe", "febf:ffff::1",
    ],
    "cloud platform": ["168.63.129.16", "::ffff:168.63.129.16"],
    "protocol assignments": [
        "192.0.0.0", "192.0.0.1", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.171", "192.0.0.192",
        "192.0.0.255", "::ffff:192.0.0.192", "2001:1::1", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1",
        "2001:20::1", "2001:30::1", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
    ],
    "documentation": [
        "192.0.2.0", "192.0.2.1", "192.0.2.255", "198.51.100.0", "198.51.100.7", "203.0.113.0", "203.0.113.255",
        "2001:db8::", "2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff::1", "3fff:fff::1",
        "::ffff:192.0.2.1",
    ],
    "6to4 relay": ["192.88.99.0", "192.88.99.1", "192.88.99.2", "192.88.99.255"],
    "benchmarking": ["198.18.0.0", "198.18.0.1", "198.19.255.255", "::ffff:198.18.0.1"],
    "multicast": [
        "224.0.0.0", "224.0.0.1", "224.0.0.251", "232.1.1.1", "233.252.0.1", "239.1.1.1", "239.255.255.255", "ff00::",
        "ff01::1", "ff02::1", "ff02::fb", "ff05::2", "ff0e::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "::ffff:224.0.0.1",
    ],
    "reserved": [
        "240.0.0.0", "240.0.0.1", "250.1.2.3", "255.255.255.254", "255.255.255.255", "::ffff:255.255.255.255",
        "::2", "::7f00:1", "::127.0.0.1", "::8.8.8.8", "::ffff:0:127.0.0.1", "::ffff:0:0:1", "100::", "100::1",
        "100:0:0:1::1", "200::1", "400::1", "1000::1", "1fff:ffff::1", "4000::1", "5f00::1", "8000::1", "e000::1",
        "fe00::1", "64:ff9a::1", "64:ff9c::1",
    ],
    "NAT64": [
        "64:ff9b::", "64:ff9b::7f00:1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254",
        "64:ff9b::a9fe:a9fe", "64:ff9b::8.8.8.8", "64:ff9b::ffff:ffff", "64:ff9b:1::", "64:ff9b:1::1",
        "64:ff9b:1::a00:1", "64:ff9b:1:fffe::a9fe:a9fe", "64:ff9b:1:ffff::1",
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
    ],
    "Teredo": [
        "2001::", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:0:7f00:1::",
        "2001:0:808:808:0:0:f5ff:fffe", "2001:0:ffff:ffff::1", "2001::ffff:ffff:ffff:ffff:ffff:ffff",
    ],
    "6to4": [
        "2002::", "2002:7f00:1::", "2002:7f00:1::1", "2002:a00:1::", "2002:a9fe:a9fe::1", "2002:c0a8:101::1",
        "2002:808:808::1", "2002:ffff:ffff::1", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ],
    "site-local": ["fec0::", "fec0::1", "feff:ffff::1"],
    "unspecified": ["::", "0:0:0:0:0:0:0:0"],
    "scoped": ["fe80::1%eth0", "fe80::1%2", "2606:4700::1111%1", "::1%lo", "ff02::1%eth0"],
    "not an IP address": [
        "", "localhost", "127.1", "0x7f.1", "2130706433", "017700000001", "127.0.0.1:80", "[::1]", "127.0.0.01",
        " 127.0.0.1", "8.8.8.8 ", "1.2.3", "::g", "①②⑦.0.0.1",
    ],
}  # fmt: skip

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
    "128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
    "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
    "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255",
    "::ffff:8.8.8.8", "::ffff:808:808", "2000::1", "2001:200::1", "2001:4860:4860::8888", "2001:db7:ffff::1",
    "2001:db9::1", "2003::1", "2400:cb00::1", "2606:4700:4700::1111", "2620:fe::fe", "2a00:1450:4001::1",
    "3ffe:ffff::1", "3fff:1000::1",
]  # fmt: skip


@pytest.mark.parametrize(
    ("address", "reason"), [(address, reason) for reason, addresses in BLOCKED.items() for address in addresses]
)
def test_is_blocked(address, reason):
    assert blocked_reason(CLOSED, address) == reason


@pytest.mark.parametrize("address", PUBLIC)
def test_is_public(address):
    assert blocked_reason(CLOSED, address) is None


@pytest.mark.parametrize(
    ("networks", "address", "is_allowed"),
    [
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", True),
        ("127.0.0.0/8", "::1", False),
        ("127.0.0.0/8", "::127.0.0.1", False),
        ("127.0.0.0/8", "64:ff9b::127.0.0.1", False),
        ("127.0.0.0/8", "10.0.0.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("::1", "::1", True),
        ("::ffff:127.0.0.0/104", "::ffff:127.0.0.1", True),
        ("::ffff:127.0.0.0/104", "127.0.0.1", True),
        ("::ffff:127.0.0.0/104", "::127.0.0.1", False),
        ("127.0.0.0/8", "2002:7f00:1::1", False),
        ("127.0.0.0/8", "64:ff9b:1::7f00:1", False),
        ("127.0.0.0/8", "2001:0:7f00:1::", False),
        ("127.0.0.0/8", "::ffff:0:127.0.0.1", False),
        ("10.0.0.0/8", "64:ff9b::10.0.0.1", False),
        ("::/0", "::1", True),
        ("::/0", "::ffff:127.0.0.1", False),
        ("::/0", "::ffff:169.254.169.254", False),
        ("::/0", "169.254.169.254", False),
        ("::ffff:0:0/96", "169.254.169.254", True),
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "fc12::1", False),
        ("10.0.0.0/8, 192.168.0.0/16", "192.168.3.4", True),
        ("64:ff9b::/96", "64:ff9b::808:808", True),
        ("fe80::/10", "fe80::1%eth0", False),
        ("0.0.0.0/0", "169.254.169.254", True),
        ("0.0.0.0/0", "::1", False),
        ("10.0.0.0/8", "8.8.8.8", True),
    ],
)
def test_operator_allows_networks(networks, address, is_allowed):
    policy = EgressPolicy(allow_networks=parse_networks(networks))
    assert (blocked_reason(policy, address) is None) is is_allowed


@given(st.ip_addresses(v=4))
def test_mapped_address_is_judged_as_the_address_inside(address):
    assert blocked_reason(CLOSED, f"::ffff:{address}") == blocked_reason(CLOSED, str(address))


@given(st.ip_addresses(v=6))
def test_what_python_calls_private_is_never_reached(address):
    if not address.is_global and address.ipv4_mapped is None:
        assert blocked_reason(CLOSED, str(address)) is not None


@given(st.ip_addresses(v=4))
def test_what_python_calls_private_is_never_reached_v4(address):
    if not address.is_global:
        assert blocked_reason(CLOSED, str(address)) is not None


def test_the_table_is_long_and_says_nothing_twice():
    rows = [address for addresses in (*BLOCKED.values(), PUBLIC) for address in addresses]
    assert len(set(rows)) == len(rows) >= 120


def test_parse_networks():
    assert parse_networks("") == ()
    assert parse_networks("::ffff:10.0.0.0/104 ::ffff:1.2.3.4") == parse_networks("10.0.0.0/8 1.2.3.4")
    assert parse_networks(" 10.0.0.0/8,\n::1  fd00::/8,") == (
        ipaddress.IPv4Network("10.0.0.0/8"),
        ipaddress.IPv6Network("::1/128"),
        ipaddress.IPv6Network("fd00::/8"),
    )


@pytest.mark.parametrize("text", ["10.0.0.1/8", "localhost", "10.0.0.0/33", "10.0.0.0/8;::1", "10.0.0", "fe80::1%1"])
def test_parse_networks_refuses(text):
    with pytest.raises(ValueError, match="is not a network in CIDR notation"):
        parse_networks(f"127.0.0.0/8 {text}")
