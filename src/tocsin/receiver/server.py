"""A small real receiver: an HTTP/1.1 server that verifies, collects and answers, badly where asked to."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Final, Self

from tocsin.receiver.arrival import Arrival
from tocsin.receiver.http_requests import Request, RequestProtocol
from tocsin.receiver.verify import NotVerified, StandardWebhooks, Verifier

Fail = str | int
"""How often to fail: `"30%"` of the requests, or that many of the first ones."""
_REMEMBERED_IDS: Final = 100_000


class Receiver:
    """Answers 204 to what it can verify (or to all, without `secret` and `verifier`) and 401 to the rest.

    `fail` makes it answer `status` instead, `delay` makes it wait (seconds) before each answer. `on_arrival` is called
    for each request once the answer is decided; `arrivals` keeps the newest `keep`. Use it as `async with`.
    """

    def __init__(  # noqa: PLR0913 (each is a wish of its own, given by keyword)
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        secret: str | Iterable[str] | None = None,
        verifier: Verifier | None = None,
        fail: Fail = 0,
        status: int = 503,
        delay: float = 0.0,
        headers: Sequence[tuple[str, str]] = (),
        on_arrival: Callable[[Arrival], None] | None = None,
        keep: int = 10_000,
        seed: int | None = None,
    ) -> None:
        """`headers` go with failing answers (`Retry-After`, ...); `seed` makes a percentage repeatable."""
        self.arrivals: deque[Arrival] = deque(maxlen=keep)
        self.total = 0
        self.answered = 0
        self.connections = 0
        self._host, self._port = host, port
        self._verifier = StandardWebhooks(secret) if secret is not None else verifier
        self._share, self._first = failing(fail)
        self._status, self._delay = status, delay
        self._headers = tuple(headers)
        self._on_arrival = on_arrival
        self._chance = random.Random(seed)  # noqa: S311 (chance, not secrecy)
        self._seen: dict[str, None] = {}
        self._open: set[RequestProtocol] = set()
        self._server: asyncio.Server | None = None
        self._news = asyncio.Event()

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, self._host, self._port, backlog=1024)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut the open connections."""
        if self._server is not None:
            await stop_listening(self._server)
            for protocol in tuple(self._open):
                protocol.abort()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/"

    def verify_with(self, verifier: Verifier | None) -> None:
        """From now on. An endpoint's secret is often known only after the receiver's URL is."""
        self._verifier = verifier

    async def wait_for(
        self, is_enough: Callable[[Sequence[Arrival]], bool], *, seconds: float | None = 10.0
    ) -> list[Arrival]:
        """Wait until `is_enough(arrivals)`, and give the arrivals; TimeoutError after so many seconds (None: never)."""
        async with asyncio.timeout(seconds):
            while not is_enough(arrivals := list(self.arrivals)):
                self._news.clear()
                await self._news.wait()
        return arrivals

    async def wait_for_count(self, count: int, *, seconds: float = 10.0) -> list[Arrival]:
        """Wait for so many arrivals, failed ones included."""
        return await self.wait_for(lambda arrivals: len(arrivals) >= count, seconds=seconds)

    def _connection(self) -> RequestProtocol:
        self.connections += 1
        number = self.connections
        return RequestProtocol(lambda request, protocol: self._arrive(request, protocol, number), self._open)

    def _arrive(self, request: Request, protocol: RequestProtocol, connection: int) -> None:
        """Judge a request; answer it now or after the delay."""
        now = time.time()
        verified, problem = self._verify(request, now)
        self.total += 1
        failing_now = self.total <= self._first or (self._share > 0 and self._chance.random() < self._share)
        if request.method != "POST":
            status = 405
        elif verified is False:
            status = 401
        else:
            status = self._status if failing_now else 204
        arrival = Arrival(
            number=self.total,
            at=now,
            method=request.method,
            path=request.path,
            headers=request.headers,
            body=request.body,
            status=status,
            verified=verified,
            problem=problem,
            is_duplicate=self._is_duplicate(request.headers.get("webhook-id", ""), done=200 <= status < 300),
            connection=connection,
        )
        self.arrivals.append(arrival)
        if self._on_arrival is not None:
            self._on_arrival(arrival)
        headers = self._headers if failing_now and status == self._status else ()
        if self._delay > 0:
            asyncio.get_running_loop().call_later(self._delay, self._answer, protocol, status, headers)
        else:
            self._answer(protocol, status, headers)
        self._news.set()

    def _answer(self, protocol: RequestProtocol, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self.answered += 1
        self._news.set()
        protocol.answer(status, headers)

    def _verify(self, request: Request, now: float) -> tuple[bool | None, str | None]:
        if self._verifier is None:
            return None, None
        try:
            self._verifier.verify(request.headers, request.body, now)
        except NotVerified as error:
            return False, str(error)
        return True, None

    def _is_duplicate(self, webhook_id: str, *, done: bool) -> bool:
        if webhook_id in self._seen:
            return True
        if webhook_id and done:
            self._seen[webhook_id] = None
            if len(self._seen) > _REMEMBERED_IDS:
                del self._seen[next(iter(self._seen))]
        return False


async def stop_listening(server: asyncio.Server) -> None:
    """Close it once whoever it is accepting has a connection: CPython 3.11 would lose them, open for good (`Server._attach` refuses)."""
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    for _ in range(4):  # for the transport, the connection, what that starts, and its first step
        await asyncio.sleep(0)
    server.close()


def failing(fail: Fail) -> tuple[float, int]:
    """The share of requests that fail, and how many of the first ones; ValueError for anything but `30%` or a number."""
    text = str(fail).strip()
    if text.isascii() and text.isdigit():
        return 0.0, int(text)
    number = text.removesuffix("%")
    if number == text or not (number.isascii() and number.replace(".", "", 1).isdigit()):
        raise ValueError("say how often to fail as 30% or as the number of first requests")
    if float(number) > 100:
        raise ValueError("a share is at most 100%")
    return float(number) / 100, 0
