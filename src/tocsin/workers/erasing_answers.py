"""Erasing answers under idempotency keys: the tenant's, and those of operators that named none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from tocsin.model.erasure import Erasure, KeptAnswer
from tocsin.model.ids import EventId
from tocsin.operations.answers import opened
from tocsin.operations.endpoint_codec import with_fields
from tocsin.ports import Erasures, SecretBox
from tocsin.rules.erasing import names

PAGE: Final = 100
_OWN_ROUTE: Final = "POST /v1/erasures"


async def erase_answers(store: Erasures, box: SecretBox, erasure: Erasure) -> Erasure:
    """There is no index from a subject to them, so they are looked through page by page."""
    tenant, done = erasure.subject.tenant, erasure.progress.answer
    for whose in (tenant, "") if done is None or done[0] == tenant else ("",):
        after = ("", "") if done is None or done[0] != whose else done[1:]
        while page := await store.answers(whose, after, PAGE):
            documents = await asyncio.to_thread(_documents, box, page)
            mentioned = [frozenset(_event_ids(document)) for document in documents]
            about = await store.about(erasure, tuple(frozenset().union(*mentioned)))
            naming = [
                answer
                for answer, document, events in zip(page, documents, mentioned, strict=True)
                if answer.route != _OWN_ROUTE and (names(document, erasure.subject) or not about.isdisjoint(events))
            ]
            after = (page[-1].route, page[-1].key)
            progress = with_fields(erasure.progress, answer=(whose, *after))
            erasure = await store.erase_answers(erasure, naming, progress)
    return erasure


def decoded(text: bytes | None) -> object:
    """None for what is no JSON: an answer that was erased before."""
    try:
        return msgspec.json.decode(text) if text else None
    except msgspec.DecodeError:
        return None


def _documents(box: SecretBox, answers: Sequence[KeptAnswer]) -> list[object]:
    return [decoded(opened(box, answer.tenant, answer.route, answer.key, answer.body)) for answer in answers]


def _event_ids(answer: object) -> list[EventId]:
    """The events that an answer to a submission names."""
    results = answer.get("results") if isinstance(answer, dict) else None
    found: list[EventId] = []
    for result in results if isinstance(results, list) else ():
        ids = result.get("event_ids") or [result.get("event_id")] if isinstance(result, dict) else ()
        found += [EventId(event_id) for event_id in ids if isinstance(event_id, str)]
    return found
