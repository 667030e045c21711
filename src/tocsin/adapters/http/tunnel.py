"""Asks a forward proxy to connect us with a judged address; afterwards the socket is as if it had been dialled.

The proxy is given the address, never the name, so it cannot resolve to somewhere else. What it answers is read within limits;
the caller bounds the time. Source: RFC 9110 section 9.3.6, RFC 9112 section 3.2.3 (CONNECT); RFC 1928, RFC 1929 (SOCKS5).
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
from ipaddress import ip_address
from typing import Final, Literal

from tocsin.model.exchange import USER_AGENT, ErrorKind, ProxyTarget, TransportFailure

MAX_HEAD_BYTES: Final = 65536
_END: Final = b"\r\n\r\n"
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})[ \r]")
_UNREACHED: Final = frozenset({502, 503, 504})

ProxyReason = Literal[
    "authentication_required", "not_permitted", "protocol", "receiver_unreachable", "refused", "timeout", "unreachable"
]
_SOCKS_REPLIES: Final[dict[int, tuple[ProxyReason, str]]] = {
    2: ("refused", "The proxy's rules do not allow the connection."),
    3: ("receiver_unreachable", "The proxy has no route to the receiver."),
    4: ("receiver_unreachable", "The proxy has no route to the receiver."),
    5: ("receiver_unreachable", "The proxy was refused the connection by the receiver."),
    6: ("receiver_unreachable", "The proxy could not reach the receiver in time."),
    7: ("refused", "The proxy does not make connections."),
    8: ("refused", "The proxy does not connect to addresses of this kind."),
}
_ADDRESS_BYTES: Final = {1: 4, 4: 16}


class _Failed(Exception):
    """Ends the conversation with the proxy."""

    def __init__(self, reason: ProxyReason, message: str) -> None:
        super().__init__(message)
        self.failure = proxy_failure(reason, message)


def proxy_failure(reason: ProxyReason, message: str) -> TransportFailure:
    """There is no way through the proxy."""
    return TransportFailure(kind=ErrorKind.PROXY, message=message, reason=reason)


async def open_tunnel(tcp: socket.socket, proxy: ProxyTarget, address: str, port: int) -> TransportFailure | None:
    """Through the proxy at the other end of `tcp` to this address. None: every byte from now on is the receiver's."""
    try:
        if proxy.kind == "http":
            await _connect(tcp, proxy, address, port)
        else:
            await _socks(tcp, proxy, address, port)
    except _Failed as failed:
        return failed.failure
    except OSError:
        return proxy_failure("protocol", "The proxy closed the connection.")
    return None


async def _connect(tcp: socket.socket, proxy: ProxyTarget, address: str, port: int) -> None:
    authority = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    head = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {USER_AGENT}\r\n"
    if proxy.username is not None:
        credentials = base64.b64encode(f"{proxy.username}:{_password(proxy)}".encode()).decode()
        head += f"Proxy-Authorization: Basic {credentials}\r\n"
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(tcp, f"{head}\r\n".encode("ascii"))
    status = await _final_status(loop, tcp)
    if 200 <= status < 300:
        return
    if status == 407:
        raise _Failed("authentication_required", _credentials_text(proxy))
    if status in _UNREACHED:
        raise _Failed("receiver_unreachable", f"The proxy could not reach the receiver (status {status}).")
    raise _Failed("refused", f"The proxy refused the connection (status {status}).")


async def _final_status(loop: asyncio.AbstractEventLoop, tcp: socket.socket) -> int:
    """That of the answer behind any interim ones. An answer of success ends with its head (RFC 9110 section 9.3.6), and no
    receiver speaks before it is asked, so nothing may follow."""
    received, size = b"", 0
    while True:
        head, end, received = received.partition(_END)
        if not end:
            data = await loop.sock_recv(tcp, 4096)
            size += len(data)
            if not data:
                raise _Failed("protocol", "The proxy closed the connection.")
            if size > MAX_HEAD_BYTES:
                raise _Failed("protocol", f"The proxy's answer is larger than {MAX_HEAD_BYTES} bytes.")
            received = head + data
            continue
        matched = _STATUS.match(head + b"\r")
        status = int(matched[1]) if matched else 0
        if matched is None or status == 101:
            raise _Failed("protocol", "The proxy's answer is not valid HTTP.")
        if status < 200:
            continue
        if received and status < 300:
            raise _Failed("protocol", "The proxy sent more than an answer.")
        return status


async def _socks(tcp: socket.socket, proxy: ProxyTarget, address: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(tcp, b"\x05\x01\x00" if proxy.username is None else b"\x05\x02\x00\x02")
    version, method = await _exactly(loop, tcp, 2)
    if version != 5:
        raise _Failed("protocol", "The proxy does not speak SOCKS5.")
    if method == 2 and proxy.username is not None:
        await _sign_in(loop, tcp, proxy)
    elif method != 0:
        raise _Failed("authentication_required", _credentials_text(proxy))
    judged = ip_address(address)
    kind = 1 if judged.version == 4 else 4
    await loop.sock_sendall(tcp, bytes((5, 1, 0, kind)) + judged.packed + port.to_bytes(2, "big"))
    version, reply, _, bound = await _exactly(loop, tcp, 4)
    if version != 5:
        raise _Failed("protocol", "The proxy does not speak SOCKS5.")
    if reply:
        raise _Failed(*_SOCKS_REPLIES.get(reply, ("refused", f"The proxy could not connect (reply {reply}).")))
    length = (await _exactly(loop, tcp, 1))[0] if bound == 3 else _ADDRESS_BYTES.get(bound)
    if length is None:
        raise _Failed("protocol", "The proxy's answer is not valid SOCKS5.")
    await _exactly(loop, tcp, length + 2)


async def _sign_in(loop: asyncio.AbstractEventLoop, tcp: socket.socket, proxy: ProxyTarget) -> None:
    username, password = (proxy.username or "").encode(), _password(proxy).encode()
    await loop.sock_sendall(tcp, b"\x01%c%b%c%b" % (len(username), username, len(password), password))
    _, status = await _exactly(loop, tcp, 2)
    if status:
        raise _Failed("authentication_required", _credentials_text(proxy))


async def _exactly(loop: asyncio.AbstractEventLoop, tcp: socket.socket, count: int) -> bytes:
    """Not a byte more, since what follows may be the receiver's."""
    received = b""
    while len(received) < count:
        data = await loop.sock_recv(tcp, count - len(received))
        if not data:
            raise _Failed("protocol", "The proxy closed the connection.")
        received += data
    return received


def _password(proxy: ProxyTarget) -> str:
    return proxy.password.reveal() if proxy.password is not None else ""


def _credentials_text(proxy: ProxyTarget) -> str:
    if proxy.username is None:
        return "The proxy asks for a user name and password."
    return "The proxy does not accept the user name and password."
