"""Answers under an Idempotency-Key, on the real store."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tocsin.adapters.crypto.secret_box import AesSecretBox
from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.errors import Conflict, IdempotencyKeyReused, RequestRunning
from tocsin.operations.answers import Answer, IdempotentAnswers, Scope

DAY = 24 * 3600 * 1000
SCOPE = Scope(tenant="t", route="POST /v1/endpoints", key="k", body_hash=b"1" * 32)


class Clock:
    now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[tuple[SqliteStore, Clock]]:
    clock = Clock()
    store = SqliteStore(tmp_path / "a.db", clock, time.monotonic)
    yield store, clock
    await asyncio.to_thread(store.close)


def counted(status: int = 201) -> tuple[list[int], object]:
    calls: list[int] = []

    async def make() -> Answer:
        calls.append(1)
        return Answer(status=status, body=b'{"secret":"hush","n":%d}' % len(calls))

    return calls, make


async def test_an_answer_is_made_once_and_kept_sealed(store: tuple[SqliteStore, Clock], tmp_path: Path) -> None:
    calls, make = counted()
    answers = IdempotentAnswers(store[0].answers, AesSecretBox({1: b"k" * 32}), store[1])
    first = await answers.once(SCOPE, make)
    assert await answers.once(SCOPE, make) == first == Answer(status=201, body=b'{"secret":"hush","n":1}')
    assert len(calls) == 1
    assert b"hush" not in b"".join(path.read_bytes() for path in tmp_path.glob("a.db*"))


@pytest.mark.parametrize("change", [{"tenant": "u"}, {"route": "POST /v1/api-keys"}, {"key": "l"}])
async def test_each_part_of_the_scope_counts(store: tuple[SqliteStore, Clock], change: dict[str, str]) -> None:
    calls, make = counted()
    answers = IdempotentAnswers(store[0].answers, AesSecretBox({1: b"k" * 32}), store[1])
    await answers.once(SCOPE, make)
    fields = {"tenant": "t", "route": "POST /v1/endpoints", "key": "k"} | change
    await answers.once(Scope(body_hash=SCOPE.body_hash, **fields), make)
    assert len(calls) == 2


async def test_another_body_is_refused(store: tuple[SqliteStore, Clock]) -> None:
    _, make = counted()
    answers = IdempotentAnswers(store[0].answers, AesSecretBox({1: b"k" * 32}), store[1])
    await answers.once(SCOPE, make)
    with pytest.raises(IdempotencyKeyReused):
        await answers.once(Scope(tenant="t", route=SCOPE.route, key="k", body_hash=b"2" * 32), make)


async def test_a_key_is_forgotten_after_a_day(store: tuple[SqliteStore, Clock]) -> None:
    calls, make = counted()
    answers = IdempotentAnswers(store[0].answers, AesSecretBox({1: b"k" * 32}), store[1])
    await answers.once(SCOPE, make)
    store[1].now += DAY - 1
    await answers.once(SCOPE, make)
    assert len(calls) == 1
    store[1].now += 2
    await answers.once(SCOPE, make)
    assert len(calls) == 2


async def test_refusals_and_faults_are_not_kept(store: tuple[SqliteStore, Clock]) -> None:
    calls, make = counted(404)
    answers = IdempotentAnswers(store[0].answers, AesSecretBox({1: b"k" * 32}), store[1])
    await answers.once(SCOPE, make)
    await answers.once(SCOPE, make)
    assert len(calls) == 2

    async def refused() -> Answer:
        raise Conflict

    for _ in range(2):
        with pytest.raises(Conflict):
            await answers.once(SCOPE, refused)


async def test_a_key_at_work_is_told_so(store: tuple[SqliteStore, Clock]) -> None:
    answers = IdempotentAnswers(store[0].answers, AesSecretBox({1: b"k" * 32}), store[1])
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> Answer:
        begun.set()
        await may_end.wait()
        return Answer(status=200, body=b"{}")

    first = asyncio.create_task(answers.once(SCOPE, slow))
    await begun.wait()
    with pytest.raises(RequestRunning):
        await answers.once(SCOPE, slow)
    may_end.set()
    assert await first == await answers.once(SCOPE, slow)
