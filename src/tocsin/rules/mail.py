"""Reads what is said about mail: the addresses in an endpoint's URL, the operator's mail server, whom mail comes from.

Read as strictly as other URLs: an address is an unquoted local part in ASCII and a host name, nothing else.
Source: RFC 6068 (mailto), RFC 5322 section 3.4.1 (addr-spec), RFC 5321 section 4.5.3.1 (lengths); `smtp` and `smtps` as
programs commonly take them.
"""

from __future__ import annotations

import re
from email.utils import parseaddr
from typing import Final
from urllib.parse import unquote_to_bytes

from tocsin.model.mail import MailFrom, MailServer, MailTls
from tocsin.model.secret import Secret
from tocsin.rules.urls import check_characters, host_and_port, host_of

MAX_RECIPIENTS: Final = 10
_MAX_LOCAL_PART: Final = 64
_MAX_ADDRESS: Final = 254
_SCHEME: Final = "mailto:"
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*", re.ASCII)
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PORTS: Final[dict[MailTls, int]] = {"implicit": 465, "starttls": 587, "none": 25}
_LOOPBACK: Final = frozenset({"localhost", "::1"})


def is_mail(url: str) -> bool:
    """Whether the URL of an endpoint names mailboxes."""
    return url[: len(_SCHEME)].lower() == _SCHEME


def recipients_of(url: str) -> tuple[str, ...]:
    """The addresses in a mailto URL, their hosts in ASCII. Raises ValueError; its text repeats nothing of the URL."""
    check_characters(url)
    addresses, mark, _ = url[len(_SCHEME) :].partition("?")
    if mark:
        raise ValueError("A mailto URL must not set headers here: only addresses, without a question mark.")
    if addresses.startswith("//"):
        raise ValueError("A mailto URL has no slashes: mailto:ann@example.com.")
    found = tuple(_address(_decoded(text)) for text in addresses.split(","))
    if len(found) > MAX_RECIPIENTS:
        raise ValueError(f"An endpoint has at most {MAX_RECIPIENTS} mail addresses.")
    if len(set(found)) < len(found):
        raise ValueError("The same mail address is there twice.")
    return found


def mail_server(text: str) -> MailServer:
    """The operator's mail server: `smtp://[user:password@]host[:port]` or `smtps://...`, user and password percent-encoded;
    `?tls=off` and `?tls=required` for the first. Raises ValueError; its text repeats nothing of the given one."""
    check_characters(text)
    scheme, _, rest = text.partition("://")
    authority, _, query = rest.partition("?")
    credentials, at, place = authority.removesuffix("/").rpartition("@")
    if "/" in place:
        raise ValueError("The URL of a mail server has no path.")
    host = host_and_port(place, 1)[0]
    tls = _tls(scheme.lower(), query, host)
    port = host_and_port(place, _PORTS[tls])[1]
    if not at:
        return MailServer(host=host, port=port, tls=tls)
    username, _, password = credentials.partition(":")
    return MailServer(
        host=host, port=port, tls=tls, username=_credential(username), password=Secret(_credential(password))
    )


def mail_from(text: str) -> MailFrom:
    """Whom mail comes from: `Name <address>` or an address. Raises ValueError."""
    name, address = parseaddr(text)
    if not address or not text.isprintable():
        raise ValueError("It must be like tocsin@example.com, or Tocsin <tocsin@example.com>.")
    return MailFrom(name=name, address=_address(address))


def _tls(scheme: str, query: str, host: str) -> MailTls:
    match scheme, query:
        case "smtps", "":
            return "implicit"
        case "smtp", "":
            return "none" if host in _LOOPBACK or host.startswith("127.") else "starttls"
        case "smtp", "tls=required":
            return "starttls"
        case "smtp", "tls=off":
            return "none"
        case _:
            raise ValueError(
                "The URL of a mail server is smtp://host or smtps://host; smtp may have ?tls=off or ?tls=required."
            )


def _address(text: str) -> str:
    local, _, domain = text.rpartition("@")
    if len(local) > _MAX_LOCAL_PART or not _DOT_ATOM.fullmatch(local):
        raise ValueError("A mail address is like ann@example.com: ASCII letters, digits and marks, without quotes.")
    host = host_of(domain)
    if host.rpartition(".")[2].isdigit():
        raise ValueError("A mail address names a host, not an IP address.")
    if len(address := f"{local}@{host}") > _MAX_ADDRESS:
        raise ValueError(f"A mail address has at most {_MAX_ADDRESS} characters.")
    return address


def _credential(text: str) -> str:
    decoded = _decoded(text)
    if not decoded or any(character < " " or character == "\x7f" for character in decoded):
        raise ValueError("User name and password of a mail server are there both, without control characters.")
    return decoded


def _decoded(text: str) -> str:
    if _BAD_PERCENT.search(text):
        raise ValueError("A percent sign must be followed by two hexadecimal digits.")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError("What is percent-encoded must be UTF-8.") from None
