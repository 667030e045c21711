"""What is out at the moment, asked of the process that holds an endpoint. Nobody is waited for longer than a tenth of a second."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from typing import Final, Protocol

from tocsin.model.delivery import DeliveryState
from tocsin.operations.outgoing import Out
from tocsin.ports import Answered, DeliveryView, Hint, Question
from tocsin.workers.held import Held

LIMIT_SECONDS: Final = 0.1
_ENDED: Final = frozenset({DeliveryState.DELIVERED, DeliveryState.DEAD})


class Delivering(Protocol):
    """What this process has out."""

    def in_flight(self, delivery: int) -> bool: ...

    def requests_out(self, tenant: str | None, endpoint: int | None) -> int: ...

    def limit_in_force(self, endpoint: int) -> int | None: ...


class _Asked:
    """A question that waits for so many answers."""

    __slots__ = ("all", "answers", "count")

    def __init__(self, count: int) -> None:
        self.count = count
        self.answers: dict[int, Answered] = {}
        self.all = asyncio.Event()

    def take(self, answer: Answered) -> None:
        self.answers[answer.epoch] = answer
        if len(self.answers) >= self.count:
            self.all.set()


class AskedOut:
    """`operations.outgoing.Outgoing`. `neighbours` says how many other processes there are."""

    def __init__(
        self, held: Held, delivery: Delivering, tell: Callable[[Hint], None], neighbours: Callable[[], int]
    ) -> None:
        self._held = held
        self._delivery = delivery
        self._tell = tell
        self._neighbours = neighbours
        self._asked: dict[int, _Asked] = {}

    def known(self, view: DeliveryView) -> bool | None:
        if view.state in _ENDED:
            return False
        return self._delivery.in_flight(view.number) if self._knows(view.tenant) else None

    async def asked(self, view: DeliveryView) -> bool | None:
        if (known := self.known(view)) is not None:
            return known
        answers = await self._ask(1, Question(id=_new_id(), tenant=view.tenant, delivery=view.number))
        return answers[0].is_out if answers else None

    async def of(self, tenant: str | None, endpoint: int | None) -> Out:
        here = Out(
            requests=self._delivery.requests_out(tenant, endpoint),
            limit=None if endpoint is None else self._delivery.limit_in_force(endpoint),
        )
        if self._held.holds_all or (tenant is not None and self._knows(tenant)):
            return here
        count = self._neighbours() if tenant is None else 1
        answers = await self._ask(count, Question(id=_new_id(), tenant=tenant, endpoint=endpoint))
        if len(answers) < count:
            return Out(requests=None)
        requests = sum(answer.requests for answer in answers)
        if tenant is None:
            return Out(requests=requests + self._delivery.requests_out(None, None))
        return Out(requests=requests, limit=answers[0].limit)

    def heard(self, hint: Hint) -> None:
        """Another process asks, or answers."""
        for question in hint.asked:
            if question.tenant is None or self._is_here(question.tenant):
                self._tell(Hint(answered=(self._answer(question),)))
        for answer in hint.answered:
            if (asked := self._asked.get(answer.question)) is not None:
                asked.take(answer)

    def _answer(self, question: Question) -> Answered:
        return Answered(
            question=question.id,
            epoch=self._held.holder.epoch,
            requests=self._delivery.requests_out(question.tenant, question.endpoint),
            limit=None if question.endpoint is None else self._delivery.limit_in_force(question.endpoint),
            is_out=question.delivery is not None and self._delivery.in_flight(question.delivery),
        )

    async def _ask(self, count: int, question: Question) -> list[Answered]:
        """Those that came in time."""
        asked = self._asked[question.id] = _Asked(count)
        try:
            if count and self._held.has_neighbours:
                self._tell(Hint(asked=(question,)))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LIMIT_SECONDS):
                        await asked.all.wait()
        finally:
            del self._asked[question.id]
        return list(asked.answers.values())

    def _knows(self, tenant: str) -> bool:
        """Whether nobody else can have something out. On the embedded store nobody can."""
        return not self._held.is_shared or self._is_here(tenant)

    def _is_here(self, tenant: str) -> bool:
        partition = self._held.partition_of(tenant)
        return partition in self._held.partitions or partition in self._held.leaving


def _new_id() -> int:
    return secrets.randbits(53)
