"""A sender with its parts, as tests want it: loopback allowed, requests made from a URL."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import cache

import msgspec

from tocsin.adapters.http.limits import SenderLimits
from tocsin.adapters.http.resolver import Resolver
from tocsin.adapters.http.sender import HttpSender
from tocsin.adapters.http.tls import client_context
from tocsin.model.exchange import Exchange, OutboundRequest
from tocsin.rules.egress import EgressPolicy, parse_networks
from tocsin.rules.proxies import operators_proxy
from tocsin.rules.urls import target_of


@cache
def system_context() -> ssl.SSLContext:
    return client_context()


def request_to(
    url: str,
    *,
    body: bytes = b"{}",
    timeout_seconds: float = 15,
    pool: str = "end_1@1",
    headers: str = "",
    head: bytes | None = None,
    **of_endpoint: object,
) -> OutboundRequest:
    """`of_endpoint`: tenant, tls and proxy of the target."""
    target = msgspec.structs.replace(target_of(url, pool, allow_http=True), **of_endpoint)
    usual = f"POST {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nAccept-Encoding: identity\r\n{headers}"
    return OutboundRequest(
        target=target, url=url, head=head or usual.encode("ascii"), body=body, shown=(), timeout_seconds=timeout_seconds
    )


class Sending:
    """`sender.send` with the request made on the way."""

    def __init__(
        self,
        *,
        allow: str = "127.0.0.0/8",
        allow_http: bool = True,
        nameservers: tuple[str, ...] = (),
        lookup_seconds: float = 5.0,
        context: ssl.SSLContext | None = None,
        limits: SenderLimits | None = None,
        proxy: str | None = None,
    ) -> None:
        self.resolver = Resolver(nameservers, limit_seconds=lookup_seconds)
        self.sender = HttpSender(
            EgressPolicy(allow_networks=parse_networks(allow), allow_http=allow_http),
            self.resolver,
            context or system_context(),
            limits or SenderLimits(),
            proxy=operators_proxy(proxy) if proxy else None,
        )

    async def send(self, url: str, **settings: object) -> Exchange:
        return await self.sender.send(request_to(url, **settings))


async def yields(is_so: Callable[[], bool]) -> None:
    """Lets the loop run until it is so; fails when it does not become so."""
    for _ in range(20_000):
        if is_so():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not become so")
