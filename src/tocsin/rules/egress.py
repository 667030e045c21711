"""Which addresses requests may reach: the public internet, and what the operator allows beside it.

The tables are our own. `ipaddress.is_global` changes with the patch level of Python and calls multicast, NAT64, 6to4 and
site-local addresses global.
Sources: IANA special-purpose address registries (RFC 6890), the OWASP server-side request forgery cheat sheet, and
the metadata addresses of the large clouds.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tocsin.model.noun import Noun

IpNetwork = IPv4Network | IPv6Network


class EgressPolicy(Noun, frozen=True, kw_only=True):
    """What may be reached beside the public internet, and whether by plain HTTP."""

    allow_networks: tuple[IpNetwork, ...] = ()
    allow_http: bool = False


_BLOCKED_V4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud platform"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_PUBLIC_V6 = IPv6Network("2000::/3")
_BLOCKED_V6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("2001::/32", "Teredo"),
        ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("64:ff9b::/32", "NAT64"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)


def blocked_reason(policy: EgressPolicy, address: str) -> str | None:
    """Why a request may not go to this IP address, None when it may. The reason is for the operator's log: people who own
    endpoints are told only that the address is not allowed, else they could map the network."""
    try:
        given = ip_address(address)
    except ValueError:
        return "not an IP address"
    if isinstance(given, IPv6Address) and given.scope_id is not None:
        return "scoped"
    judged = _unwrapped(given)
    if any(judged in network for network in policy.allow_networks):
        return None
    if isinstance(judged, IPv4Address):
        return next((reason for network, reason in _BLOCKED_V4 if judged in network), None)
    reason = next((reason for network, reason in _BLOCKED_V6 if judged in network), None)
    return reason or (None if judged in _PUBLIC_V6 else "reserved")


def parse_networks(text: str) -> tuple[IpNetwork, ...]:
    """Networks in CIDR notation (a lone address is a network of one), separated by commas or spaces. A network of mapped
    addresses is the IPv4 network inside it. Raises ValueError naming the first that is wrong, also when bits are set behind
    the prefix."""
    return tuple(_parse_network(part) for part in text.replace(",", " ").split())


def _parse_network(text: str) -> IpNetwork:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network in CIDR notation: {error}") from None
    if isinstance(network, IPv6Network) and "%" in text:
        raise ValueError(f"{text!r} is not a network in CIDR notation: it has a scope")
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        inside = int(network.network_address) & 0xFFFF_FFFF
        return IPv4Network((inside, network.prefixlen - _MAPPED.prefixlen))
    return network


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is another spelling of the IPv4 address inside it: only rules for that one
    hold for it. Addresses of translators and tunnels (NAT64, 6to4, Teredo) are not the same place, and stay what they are."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
