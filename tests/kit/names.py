"""A tiny DNS server on loopback: names are given addresses, answers in turn, or silence."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from typing import Self

A, AAAA = 1, 28


class NameServer(asyncio.DatagramProtocol):
    """`names` maps a name to what its look-ups answer, in turn: each a tuple of addresses; the last goes on for ever. A
    name without an entry does not exist; an empty list is never answered. `asked` keeps the names of the A queries."""

    def __init__(self, names: dict[str, list[tuple[str, ...]]], *, ttl: int = 0) -> None:
        self._names = names
        self._ttl = ttl
        self._turn: dict[str, int] = {}
        self.asked: list[str] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    @property
    def address(self) -> str:
        host, port = self._transport.get_extra_info("sockname")
        return f"{host}:{port}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        labels, position = [], 12
        while length := data[position]:
            labels.append(data[position + 1 : position + 1 + length].decode())
            position += 1 + length
        name = ".".join(labels).lower()
        (kind,) = struct.unpack("!H", data[position + 1 : position + 3])
        question = data[12 : position + 5]
        if kind == A:
            self.asked.append(name)
        answers = self._names.get(name)
        if answers == []:
            return
        rows = [] if answers is None else self._rows(name, kind, answers)
        flags = 0x8183 if answers is None else 0x8180
        head = data[:2] + struct.pack("!HHHHH", flags, 1, len(rows), 0, 0)
        self._transport.sendto(head + question + b"".join(rows), addr)

    def _rows(self, name: str, kind: int, answers: list[tuple[str, ...]]) -> list[bytes]:
        turn = self._turn.get(name, 0)
        if kind == A:
            self._turn[name] = turn + 1
        rows = []
        for text in answers[min(turn, len(answers) - 1)]:
            address = ipaddress.ip_address(text)
            if (A if address.version == 4 else AAAA) == kind:
                packed = address.packed
                rows.append(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, self._ttl, len(packed)) + packed)
        return rows
