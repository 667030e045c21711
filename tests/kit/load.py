"""A load over many tenants: producers that post events, each one's in its order, until each is answered; and who receives them."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, Self

from tests.kit.counting import Arrival, Sent, Target
from tests.kit.server import OPERATOR_KEY, Client

from tocsin.receiver import Receiver
from tocsin.receiver.arrival import Arrival as Received

SUBJECTS: Final = 3
"""Of each tenant."""
_EACH_POST: Final = 4
"""Events in one submission, at most."""
_PAUSE_SECONDS: Final = 0.15
_RETRY: Final = {"schedule_seconds": [0.05] * 20 + [1] * 80}
_TIMEOUT_SECONDS: Final = 1
"""For an exchange: what a new holder of an ordered endpoint waits for follows from it."""
_CIRCUIT: Final = {"failures": 20, "deliveries": 5, "cool_down_seconds": 1}


class Receivers:
    """One that behaves and one that fails now and then; both keep what came, in its order."""

    def __init__(self, seed: int, host: str = "127.0.0.1") -> None:
        self._host = host
        self.arrivals: list[Arrival] = []
        self.taken: set[tuple[str, Sent]] = set()
        self._steady = Receiver(host=host, keep=1, delay=0.005, on_arrival=self._keep)
        self._shaky = Receiver(host=host, keep=1, fail="5%", status=500, seed=seed, on_arrival=self._keep)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for receiver in (self._steady, self._shaky):
            await self._open.enter_async_context(receiver)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def url(self, path: str, *, is_shaky: bool) -> str:
        return f"http://{self._host}:{(self._shaky if is_shaky else self._steady).port}{path}"

    def _keep(self, received: Received) -> None:
        body: Any = json.loads(received.body)
        events = tuple(Sent.of(event["id"]) for event in (body if isinstance(body, list) else [body]))
        is_taken = received.status < 300
        self.arrivals.append(
            Arrival(received.path, events, received.webhook_id, is_taken, received.at, received.attempt)
        )
        if is_taken:
            self.taken.update((received.path, sent) for sent in events)


def _is_even(sent: Sent) -> bool:
    return sent.number % 2 == 0


def make_targets(client: Client, receivers: Receivers, tenants: Sequence[str]) -> list[Target]:
    """Create the endpoints of these tenants: one that wants order, one that does not, one that wants some of them, in
    order; and for each second tenant one that takes ordered batches."""
    targets: list[Target] = []
    for number, tenant in enumerate(tenants):
        made: list[tuple[Target, dict[str, object]]] = [
            (Target(f"/{tenant}/ordered", tenant, is_ordered=True), {}),
            (Target(f"/{tenant}/loose", tenant), {}),
        ]
        if number % 2:
            batch = {"mode": "batch", "max_events": 20, "max_wait_seconds": 1}
            made.append((Target(f"/{tenant}/batches", tenant, is_ordered=True, is_batch=True), {"delivery": batch}))
        else:
            even = {"filters": [{"event_types": ["load.even"]}]}
            made.append((Target(f"/{tenant}/even", tenant, is_ordered=True, wants=_is_even), even))
        for place, (target, fields) in enumerate(made):
            body = {
                "name": target.path, "url": receivers.url(target.path, is_shaky=(number + place) % 2 == 1), "tenant": tenant,
                "ordering": "subject" if target.is_ordered else "none", "retry": _RETRY, "circuit": _CIRCUIT,
                "timeout_seconds": _TIMEOUT_SECONDS, **fields,
            }  # fmt: skip
            answer = client.post("/v1/endpoints", body)
            assert answer.status == 201, answer
            targets.append(target._replace(endpoint=answer.json["id"]))
    return targets


class Load:
    """A producer for each tenant. A submission that was not answered 202 is posted again, to another node, until it is: the same
    sources and ids, so that it is accepted once. `places` tells where there are nodes."""

    def __init__(
        self, places: Callable[[], Sequence[str]], tenants: Sequence[str], seed: int, answer_seconds: float
    ) -> None:
        """After `answer_seconds` an answer is not waited for any more, and the submission is posted again."""
        self._places = places
        self._tenants = tenants
        self._seed = seed
        self.answer_seconds = answer_seconds
        self._is_stopping = False
        self.submitted: list[Sent] = []
        self.outcomes: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        """What other answers there were: by status, or by what went wrong without one."""

    async def __aenter__(self) -> Self:
        self._producers = [
            asyncio.create_task(_Producer(self, tenant, random.Random(f"{self._seed}/{tenant}")).produce())
            for tenant in self._tenants
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for producer in self._producers:
            producer.cancel()
        await asyncio.gather(*self._producers, return_exceptions=True)

    async def more(self, count: int = 60, *, seconds: float = 90) -> None:
        """So many more are accepted than were before."""
        goal = len(self.submitted) + count
        async with asyncio.timeout(seconds):
            while len(self.submitted) < goal:
                for producer in self._producers:
                    if producer.done():
                        producer.result()
                await asyncio.sleep(0.02)

    async def stop(self, *, seconds: float = 90) -> None:
        """Submit nothing new; what was submitted is answered."""
        self._is_stopping = True
        async with asyncio.timeout(seconds):
            await asyncio.gather(*self._producers)

    def _next_place(self, chance: random.Random) -> str:
        return chance.choice(self._places())

    @property
    def is_stopping(self) -> bool:
        return self._is_stopping

    async def rest(self, chance: random.Random) -> None:
        await asyncio.sleep(_PAUSE_SECONDS * (0.5 + chance.random()))


class _Producer:
    """Of one tenant."""

    def __init__(self, load: Load, tenant: str, chance: random.Random) -> None:
        self._load = load
        self._tenant = tenant
        self._chance = chance
        self._numbers: Counter[str] = Counter()
        self._connections: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def produce(self) -> None:
        try:
            while not self._load.is_stopping:
                events = self._events()
                await self._submit(events)
                self._load.submitted.extend(events)
                await self._load.rest(self._chance)
        finally:
            for place in tuple(self._connections):
                self._forget(place)

    def _events(self) -> list[Sent]:
        made = []
        for _ in range(self._chance.randint(1, _EACH_POST)):
            subject = f"s{self._chance.randrange(SUBJECTS)}"
            made.append(Sent(self._tenant, subject, self._numbers[subject]))
            self._numbers[subject] += 1
        return made

    async def _submit(self, events: Sequence[Sent]) -> None:
        body = json.dumps(
            [
                {
                    "specversion": "1.0", "id": sent.id, "source": "/load", "subject": sent.subject,
                    "type": "load.even" if _is_even(sent) else "load.odd", "data": {"n": sent.number},
                }
                for sent in events
            ]
        ).encode()  # fmt: skip
        while True:
            place = self._load._next_place(self._chance)
            try:
                async with asyncio.timeout(self._load.answer_seconds):
                    status, answer = await self._post(place, body)
            except (OSError, EOFError, TimeoutError) as error:
                self._forget(place)
                self._load.refused[type(error).__name__] += 1
                await asyncio.sleep(0.1)
                continue
            if status == 202:
                self._load.outcomes.update(result["outcome"] for result in json.loads(answer)["results"])
                return
            assert status in {429, 503, 507}, answer
            self._load.refused[str(status)] += 1
            await asyncio.sleep(0.1)

    async def _post(self, place: str, body: bytes) -> tuple[int, bytes]:
        """Raises OSError, EOFError."""
        if (connection := self._connections.get(place)) is None:
            host, _, port = place.removeprefix("http://").partition(":")
            connection = self._connections[place] = await asyncio.open_connection(host, int(port))
        reader, writer = connection
        head = (
            f"POST /v1/events?tenant={self._tenant} HTTP/1.1\r\nHost: kit\r\nAuthorization: Bearer {OPERATOR_KEY}\r\n"
            f"Content-Type: application/cloudevents-batch+json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        begin = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [line.partition(":")[2] for line in begin.split("\r\n") if line.lower().startswith("content-length:")]
        content = await reader.readexactly(int(lengths[0]))
        if "connection: close" in begin.lower():
            self._forget(place)
        return int(begin.split(" ", 2)[1]), content

    def _forget(self, place: str) -> None:
        if (connection := self._connections.pop(place, None)) is not None:
            connection[1].transport.abort()
