"""Several processes alike on one address: they share the listening socket, and whatever ends one of them ends all."""

from __future__ import annotations

import os
import signal
import socket
from types import FrameType
from typing import Final

from tocsin.api.serving import listen
from tocsin.config import Settings
from tocsin.errors import Misconfigured
from tocsin.model.database import SharedDatabase
from tocsin.model.noun import Noun

MOST: Final = 64
"""As many as there are partitions: one more would hold nothing."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Alike(Noun, frozen=True, kw_only=True):
    """What one of them was given by the process that began it: the socket and its URL; the pipe by which the first one, which makes what
    a first start makes, tells that it is ready (None: it is not the first); and one that ends when the parent does."""

    listener: socket.socket
    url: str
    told: int | None
    alive: int

    def is_ready(self) -> None:
        """The others may begin."""
        if self.told is not None:
            os.write(self.told, b"1")


def begin_several(settings: Settings, count: int) -> Alike | int:
    """Begin so many processes. Each of them gets what it is to serve with; the one that was there before waits until they have ended, and gets
    the exit code. To be called before there is a thread or an event loop. Raises Misconfigured."""
    if not isinstance(settings.database, SharedDatabase):
        raise Misconfigured("Several processes need PostgreSQL: with SQLite there is one. See TOCSIN_DATABASE.")
    if not 1 <= count <= MOST:
        raise Misconfigured(f"--processes must be from 1 to {MOST}.")
    listener, url = listen(settings.host, settings.port)
    told, tell = os.pipe()
    alive, keep_alive = os.pipe()
    children = _Children()
    before = {number: signal.signal(number, children.forward) for number in _SIGNALS}
    for place in range(count):
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        if children.is_told:
            break
        child = os.fork()
        if child == 0:
            for number, present in before.items():
                signal.signal(number, present)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(told)
            os.close(keep_alive)
            return Alike(listener=listener, url=url, told=tell if place == 0 else None, alive=alive)
        children.add(child)  # while no signal comes: none of them is missed
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        if place == 0:
            os.close(tell)
            if not os.read(told, 1):
                break
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    listener.close()
    return children.wait()


class _Children(set[int]):
    """By process id. They are told to end once: a second signal would cut short what they finish."""

    is_told = False

    def forward(self, number: int, _: FrameType | None = None) -> None:
        if not self.is_told:
            self.is_told = True
            for child in self:
                os.kill(child, number)

    def wait(self) -> int:
        """Until all have ended, none of which is begun again; gives the first exit code that is not 0."""
        code = 0
        while self:
            child, status = os.wait()
            self.discard(child)
            code = code or _code(status)
            self.forward(signal.SIGTERM)
        return code


def _code(status: int) -> int:
    """As a shell says it: 128 and more when a signal ended it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
