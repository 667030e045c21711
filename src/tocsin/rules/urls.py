"""Reads the URL of an endpoint strictly: what two parsers could understand differently is refused, not repaired.

A URL is taken apart here once, when an endpoint is configured or loaded; the sender sees only the parts.
Source: RFC 3986, RFC 9110 section 4.2, RFC 1123 section 2.1; IDNA 2008 with the mapping of UTS 46.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Literal

import idna

from tocsin.model.exchange import Target

MAX_URL_LENGTH = 4096
MAX_HOST_LENGTH = 253
MAX_LABEL_LENGTH = 63
_DEFAULT_PORTS: dict[Literal["http", "https"], int] = {"http": 80, "https": 443}

_PATH = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/?%\[\]]*")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


def target_of(url: str, pool: str, *, allow_http: bool) -> Target:
    """The parts of `url`, for connections shared within `pool`. Raises ValueError saying what is wrong with it; the text
    repeats nothing of the URL."""
    check_characters(url)
    scheme_text, separator, rest = url.partition("://")
    scheme = _scheme(scheme_text if separator else "", allow_http=allow_http)
    end = next((index for index, character in enumerate(rest) if character in "/?"), len(rest))
    host, port = host_and_port(rest[:end], _DEFAULT_PORTS[scheme])
    shown = f"[{host}]" if ":" in host else host
    return Target(
        scheme=scheme,
        host=host,
        port=port,
        authority=shown if port == _DEFAULT_PORTS[scheme] else f"{shown}:{port}",
        path=_path(rest[end:]),
        pool=pool,
    )


def check_characters(url: str) -> None:
    """Raises ValueError when the URL is too long, or has characters that parsers of URLs understand differently."""
    if len(url) > MAX_URL_LENGTH:
        raise ValueError(f"The URL must not be longer than {MAX_URL_LENGTH} characters.")
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("The URL must not contain spaces or control characters.")
    if "\\" in url:
        raise ValueError("The URL must not contain a backslash.")
    if "#" in url:
        raise ValueError("The URL must not have a fragment.")


def host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    """Of a URL's authority: the host in ASCII without brackets, and the port. Raises ValueError."""
    if "@" in authority:
        raise ValueError("The URL must not contain a user name or password; use the endpoint's authorization.")
    if authority.startswith("["):
        literal, bracket, port_text = authority[1:].partition("]")
        if not bracket:
            raise ValueError("The IPv6 address in the URL has no closing bracket.")
        host = _ipv6(literal)
    else:
        name, colon, port_text = authority.partition(":")
        host, port_text = host_of(name), colon + port_text
    return host, _port(port_text, default_port)


def _scheme(text: str, *, allow_http: bool) -> Literal["http", "https"]:
    match text.lower():
        case "https":
            return "https"
        case "http" if allow_http:
            return "http"
        case "http":
            raise ValueError("The URL must begin with https://; plain HTTP is not allowed here.")
        case _:
            raise ValueError("The URL must begin with https://.")


def _path(text: str) -> str:
    path = text if text.startswith("/") else f"/{text}"
    if not _PATH.fullmatch(path):
        raise ValueError("Characters outside RFC 3986 must be percent-encoded in the URL's path and query.")
    if _BAD_PERCENT.search(path):
        raise ValueError("A percent sign in the URL must be followed by two hexadecimal digits.")
    return path


def _port(text: str, default_port: int) -> int:
    """`text` is what follows the host: nothing, or a colon and a number."""
    if not text:
        return default_port
    if not text.startswith(":") or not _PORT.fullmatch(text[1:]) or int(text[1:]) > 65535:
        raise ValueError("The URL's port must be a number from 1 to 65535.")
    return int(text[1:])


def _ipv6(literal: str) -> str:
    if "%" in literal:
        raise ValueError("The IPv6 address in the URL must not have a scope.")
    try:
        return str(IPv6Address(literal))
    except AddressValueError:
        raise ValueError("The URL's host is not an IPv6 address.") from None


def host_of(name: str) -> str:
    """A host name, or an IPv4 address, in ASCII. Raises ValueError."""
    host = name.lower() if name.isascii() else _ascii_host(name)
    if not host:
        raise ValueError("The URL has no host.")
    if len(host) > MAX_HOST_LENGTH:
        raise ValueError(f"The URL's host must not be longer than {MAX_HOST_LENGTH} characters.")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(host, name)
    for label in labels:
        if len(label) > MAX_LABEL_LENGTH:
            raise ValueError(f"A part of the URL's host must not be longer than {MAX_LABEL_LENGTH} characters.")
        if not _LABEL.fullmatch(label):
            raise ValueError("The URL's host is not a host name.")
    return host


def _ascii_host(name: str) -> str:
    try:
        return idna.encode(name, uts46=True, std3_rules=True).decode("ascii")
    except idna.IDNAError:
        raise ValueError("The URL's host is not an international host name (IDNA).") from None


def _ipv4(host: str, name: str) -> str:
    """A host whose last part is a number is an IPv4 address to most resolvers, in spellings such as 127.1, 0x7f.1 and
    2130706433. Only the canonical one is taken, and only as it was written."""
    try:
        canonical = str(IPv4Address(host))
    except AddressValueError:
        canonical = ""
    if canonical != name:
        raise ValueError("An IPv4 address in the URL must be four decimal numbers without leading zeros.")
    return canonical
