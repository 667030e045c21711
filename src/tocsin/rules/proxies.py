"""Reads forward proxies: the operator's out of one text, an endpoint's out of its setting.

Tocsin resolves and judges the receiver's name itself and asks a proxy for the judged address only, so `socks5h` and its like,
where the proxy would resolve, are refused.
Source: RFC 9110 section 9.3.6 (CONNECT), RFC 7617 (Basic), RFC 1928 and RFC 1929 (SOCKS5).
"""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from tocsin.model.endpoint import Proxy
from tocsin.model.exchange import ProxyTarget
from tocsin.model.secret import Secret
from tocsin.rules.urls import check_characters, host_and_port

ProxyKind = Literal["http", "socks5"]

_DEFAULT_PORTS: Final[dict[ProxyKind, int]] = {"http": 80, "socks5": 1080}
_SOCKS_CREDENTIAL_BYTES: Final = 255


def operators_proxy(text: str) -> ProxyTarget:
    """The operator's proxy: `http://[user:password@]host:port` or `socks5://...`, user and password percent-encoded. Raises
    ValueError; its text repeats nothing of the given one."""
    kind, authority = _parts(text)
    credentials, at, place = authority.rpartition("@")
    host, port = host_and_port(place, _DEFAULT_PORTS[kind])
    if not at:
        return ProxyTarget(kind=kind, host=host, port=port)
    user_text, _, password_text = credentials.partition(":")
    username, password = _decoded(user_text), _decoded(password_text)
    if problem := username_problem(kind, username) or password_problem(kind, password):
        raise ValueError(problem)
    return ProxyTarget(kind=kind, host=host, port=port, username=username, password=Secret(password))


def endpoint_proxy(setting: str | Proxy | None) -> ProxyTarget | None:
    """The proxy of an endpoint's own. Raises ValueError about its URL; user name and password are judged apart."""
    if setting is None:
        return None
    given = Proxy(url=setting) if isinstance(setting, str) else setting
    kind, authority = _parts(given.url)
    if "@" in authority:
        raise ValueError("User name and password of a proxy belong into the fields username and password.")
    host, port = host_and_port(authority, _DEFAULT_PORTS[kind])
    return ProxyTarget(kind=kind, host=host, port=port, username=given.username, password=given.password)


def username_problem(kind: ProxyKind, username: str) -> str | None:
    """What is wrong with a user name for a proxy of this kind."""
    if not username or _has_control(username):
        return "The user name of a proxy has at least one character and no control characters."
    if kind == "http" and ":" in username:
        return "The user name of an HTTP proxy has no colon (RFC 7617)."
    return _too_long(kind, username)


def password_problem(kind: ProxyKind, password: str) -> str | None:
    """What is wrong with a password for a proxy of this kind."""
    if _has_control(password):
        return "The password of a proxy has no control characters."
    if kind == "socks5" and not password:
        return "A SOCKS5 user name needs a password (RFC 1929)."
    return _too_long(kind, password)


def _too_long(kind: ProxyKind, text: str) -> str | None:
    if kind == "socks5" and len(text.encode()) > _SOCKS_CREDENTIAL_BYTES:
        return f"User name and password of a SOCKS5 proxy have at most {_SOCKS_CREDENTIAL_BYTES} bytes (RFC 1929)."
    return None


def _parts(url: str) -> tuple[ProxyKind, str]:
    check_characters(url)
    scheme, _, rest = url.partition("://")
    authority = rest.removesuffix("/")
    if "/" in authority or "?" in authority:
        raise ValueError("The URL of a proxy has no path.")
    match scheme.lower():
        case "http":
            return "http", authority
        case "socks5":
            return "socks5", authority
        case _:
            raise ValueError("The URL of a proxy must begin with http:// or socks5://.")


def _decoded(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError("User name and password of a proxy must be percent-encoded UTF-8.") from None


def _has_control(text: str) -> bool:
    return any(character < " " or character == "\x7f" for character in text)
