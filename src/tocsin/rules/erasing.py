"""What names a subject, and what is left of a thing when the subject is erased from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

import msgspec
from msgspec.structs import replace

from tocsin.model.attempt import Attempt, AttemptError
from tocsin.model.erasure import ERASED, MOST_NAMED, Progress, Subject
from tocsin.model.filter import Filter

STEP_BYTES: Final = 512 * 1024
"""What one transaction overwrites, at most, unless a single thing is larger."""
STEP_ROWS: Final = 64
_OF_TEMPLATES: Final = "the template"
_NOTHING_MATCHES: Final = Filter(where="false")


def order_key(subject: Subject) -> str:
    """As it stands among the order keys of events."""
    return f"{subject.type}\0{subject.id}"


def names(document: object, subject: Subject) -> bool:
    """Whether a JSON document of ours (an answer, or what the audit log keeps) names the subject: as what something is about, or
    in a filter."""
    if isinstance(document, list):
        return any(names(item, subject) for item in document)
    if not isinstance(document, dict):
        return False
    return (
        _is_about(document, subject)
        or _filters_for(document, subject)
        or any(names(value, subject) for value in document.values())
    )


def _is_about(document: Mapping[str, object], subject: Subject) -> bool:
    if subject.type == "job" and document.get("job_id") == subject.id:
        return True
    return (
        document.get("subject_id") == subject.id
        and document.get("subject_type", subject.type) == subject.type
        and document.get("tenant", subject.tenant) == subject.tenant
    )


def _filters_for(document: Mapping[str, object], subject: Subject) -> bool:
    ids, types, where = (document.get(name) for name in ("subject_ids", "subject_types", "where"))
    if isinstance(where, str) and any(text in where for text in _quoted(subject)):
        return True
    if not isinstance(ids, Sequence) or subject.id not in ids:
        return False
    return not isinstance(types, Sequence) or subject.type in types


def filters_name(filters: Iterable[Filter], subject: Subject) -> bool:
    """Whether one of them has the subject in it."""
    return any(_filters_for(msgspec.structs.asdict(condition), subject) for condition in filters)


def filters_without(filters: Sequence[Filter], subject: Subject) -> tuple[Filter, ...]:
    """The filters with the subject taken out. One that asked for nothing else matches nothing."""
    return tuple(
        _without(condition, subject) if filters_name((condition,), subject) else condition for condition in filters
    )


def reason_without(reason: str | None, subject: Subject) -> str | None:
    """Why deliveries were given up, without the subject: what a template says of its failure may hold what was in the event."""
    return ERASED if reason is not None and reason.startswith(_OF_TEMPLATES) and subject.id in reason else reason


def _without(condition: Filter, subject: Subject) -> Filter:
    where = condition.where
    for text in _quoted(subject):
        where = where and where.replace(text, '""')
    if condition.subject_ids is None:
        return replace(condition, where=where)
    ids = tuple(subject_id for subject_id in condition.subject_ids if subject_id != subject.id)
    return replace(condition, where=where, subject_ids=ids) if ids else _NOTHING_MATCHES


def _quoted(subject: Subject) -> tuple[str, str]:
    """As an expression spells it."""
    return f'"{subject.id}"', f"'{subject.id}'"


def attempt_without(attempt: Attempt) -> Attempt:
    """That it was made, when, to which address and with which outcome: not what was in it."""
    response, error = attempt.response, attempt.error
    return replace(
        attempt,
        url="",
        request_headers=(),
        request_body=b"",
        response=None if response is None else replace(response, headers=(), body=b""),
        error=None if error is None else AttemptError(kind=error.kind, message=ERASED),
    )


def keys_without(keys: Sequence[str], own: str, subject: Subject) -> tuple[str, ...]:
    """The order keys of another part of an action, whose own key is given: empty when only that one is left."""
    left = tuple(key for key in keys if key != order_key(subject))
    return () if left == (own,) else left


def first_step(sizes: Sequence[int]) -> int:
    """How many things of these sizes, in their order, are overwritten in one transaction: one at least."""
    room = STEP_BYTES
    for count, size in enumerate(sizes[:STEP_ROWS]):
        if count and size > room:
            return count
        room -= size
    return min(len(sizes), STEP_ROWS)


def named_too(named: Sequence[str], more: Iterable[str]) -> tuple[str, ...]:
    """Names that a report lists, each once and no more than it can hold."""
    return tuple(dict.fromkeys((*named, *more)))[:MOST_NAMED]


def counted(progress: Progress, **more: int) -> Progress:
    """The progress with more in its report."""
    report = progress.report
    counts = {name: cast("int", getattr(report, name)) + count for name, count in more.items()}
    return msgspec.structs.replace(progress, report=msgspec.structs.replace(report, **counts))
