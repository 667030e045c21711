"""Idle connections: the one used last is taken first, the oldest is closed first when there are too many.

Connections are shared only within a pool (an endpoint at one revision), so what was judged or configured for one
endpoint never serves another.
"""

from __future__ import annotations

import asyncio
import math
from time import perf_counter_ns

from tocsin.adapters.http.connection import Connection
from tocsin.adapters.http.limits import SenderLimits
from tocsin.model.exchange import Target


class _Pool:
    """The connections to one origin under one name."""

    __slots__ = ("idle", "is_open", "open", "target")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.is_open = True
        self.idle: list[Connection] = []
        self.open: set[Connection] = set()

    def is_for(self, target: Target) -> bool:
        own = self.target
        return own is target or (own.host == target.host and own.port == target.port and own.scheme == target.scheme)


class Pools:
    """Every open connection of a sender. `_idle` is in the order of release: its first is the oldest."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: SenderLimits) -> None:
        self._loop = loop
        self._limits = limits
        self._pools: dict[str, _Pool] = {}
        self._idle: dict[Connection, _Pool] = {}
        self._open: dict[Connection, _Pool] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def has_idle(self, pool: str) -> bool:
        """Whether there is an idle connection of this name."""
        known = self._pools.get(pool)
        return known is not None and bool(known.idle)

    def take(self, target: Target) -> Connection | None:
        """An idle connection that is still good."""
        pool = self._pools.get(target.pool)
        if pool is None or not pool.idle or not pool.is_for(target):
            return None
        now = perf_counter_ns()
        while pool.idle:
            connection = pool.idle.pop()
            del self._idle[connection]
            if connection.is_quiet(now):
                return connection
            connection.abort()
        return None

    def add(self, connection: Connection, target: Target) -> None:
        """A new connection, busy from the start."""
        pool = self._pools.get(target.pool)
        if pool is None or not pool.is_for(target):
            self.close_pool(target.pool)
            pool = self._pools[target.pool] = _Pool(target)
        pool.open.add(connection)
        self._open[connection] = pool

    def release(self, connection: Connection) -> None:
        pool = self._open.get(connection)
        if pool is None or not pool.is_open:
            connection.abort()
            return
        if len(pool.idle) >= self._limits.idle_per_pool:
            self._evict(pool.idle[0])
        elif len(self._idle) >= self._limits.idle_in_all:
            self._evict(next(iter(self._idle)))
        connection.idle_since = perf_counter_ns()
        pool.idle.append(connection)
        self._idle[connection] = pool
        if self._sweeper is None:
            self._sweep_later(self._limits.idle_seconds)

    def forget(self, connection: Connection) -> None:
        pool = self._open.pop(connection, None)
        if pool is None:
            return
        pool.open.discard(connection)
        self._unshelve(connection)
        if not pool.open:
            self._drop(connection.pool, pool)

    def close_pool(self, name: str) -> None:
        """Close what is idle; what is busy ends its exchange and is closed then."""
        pool = self._pools.pop(name, None)
        if pool is not None:
            pool.is_open = False
            for connection in tuple(pool.idle):
                self._evict(connection)

    def close(self) -> None:
        """Close everything; exchanges under way fail."""
        for connection in tuple(self._open):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    @property
    def open_count(self) -> int:
        return len(self._open)

    @property
    def idle_count(self) -> int:
        return len(self._idle)

    def _drop(self, name: str, pool: _Pool) -> None:
        if self._pools.get(name) is pool:
            del self._pools[name]

    def _unshelve(self, connection: Connection) -> None:
        pool = self._idle.pop(connection, None)
        if pool is not None:
            pool.idle.remove(connection)

    def _evict(self, connection: Connection) -> None:
        self._unshelve(connection)
        connection.abort()

    def _sweep_later(self, seconds: float) -> None:
        self._sweeper = self._loop.call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        limit = math.ceil(self._limits.idle_seconds * 1e9)
        now = perf_counter_ns()
        while self._idle:
            oldest = next(iter(self._idle))
            left = oldest.idle_since + limit - now
            if left > 0:
                self._sweep_later(left / 1e9 + 0.05)
                return
            self._evict(oldest)
