"""Which endpoints want an event. `wants` is the definition; `Interests` gives the same by an index, without looking at
endpoints that cannot match.

Filters speak Tocsin's words. Conditions on jobs (`job_types`, `modes`, `states`, `resources`, `sources`, `labels`) hold for
job events only, `tables` and `actions` for record events only. `states` is the job's state as the event shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from fnmatch import translate
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from tocsin.model.endpoint import Endpoint
from tocsin.model.event import OPERATIONAL_SUBJECT_TYPES, Event
from tocsin.model.event_view import EventView
from tocsin.model.filter import Filter
from tocsin.model.job import Job
from tocsin.model.record import RecordData
from tocsin.rules.where import condition_of

_NO_CONDITION = Filter()
_WILDCARD = re.compile(r"[*?]")


@lru_cache(maxsize=4096)
def glob(pattern: str) -> re.Pattern[str]:
    """`*` is any text and `?` any one character; nothing else is special. Matching takes no exponential time."""
    return re.compile(translate(pattern.replace("[", "[[]")))


def wants(endpoint: Endpoint, view: EventView) -> bool:
    """Whether the event is for the endpoint: any filter suffices, and without filters it is everything but operational
    events. Those go to endpoints that name them, never to the one they are about."""
    event, config = view.event, endpoint.config
    if endpoint.tenant != event.tenant or not config.enabled or endpoint.is_deleted:
        return False
    if event.position <= endpoint.active_from:
        return False
    if event.subject_type in OPERATIONAL_SUBJECT_TYPES:
        if concerned(event) == endpoint.id:
            return False
        return any(names_operational(condition, event) and matches(condition, view) for condition in config.filters)
    return not config.filters or any(matches(condition, view) for condition in config.filters)


class _Concerned(msgspec.Struct):
    endpoint_id: str | None = None


_decode_concerned = msgspec.json.Decoder(_Concerned).decode


def concerned(event: Event) -> str | None:
    """The endpoint that an operational event is about: it is not told of itself."""
    return _decode_concerned(event.data).endpoint_id or event.subject_id


def names_operational(condition: Filter, event: Event) -> bool:
    """Whether a filter names the event's type or subject type; a pattern does when the subject type in it is spelled
    out (`endpoint.*`, not `*`)."""
    if event.subject_type in (condition.subject_types or ()):
        return True
    spelled = event.subject_type + "."
    return any(text.startswith(spelled) and glob(text).match(event.type) for text in condition.event_types or ())


def matches(condition: Filter, view: EventView) -> bool:
    """Whether all conditions that the filter names hold."""
    return (
        _envelope_matches(condition, view.event)
        and (not _is_about_jobs(condition) or (view.event.subject_type == "job" and _job_matches(condition, view.job)))
        and (
            not _is_about_records(condition)
            or (view.event.subject_type == "record" and _record_matches(condition, view.record))
        )
        and (condition.where is None or condition_of(condition.where)(view))
    )


def _envelope_matches(condition: Filter, event: Event) -> bool:
    return (
        (condition.event_types is None or any(glob(text).match(event.type) for text in condition.event_types))
        and (condition.subject_types is None or event.subject_type in condition.subject_types)
        and (condition.subject_ids is None or event.subject_id in condition.subject_ids)
        and (condition.verbs is None or event.verb in condition.verbs)
    )


def _is_about_jobs(condition: Filter) -> bool:
    return (
        condition.job_types is not None
        or condition.modes is not None
        or condition.states is not None
        or condition.resources is not None
        or condition.sources is not None
        or condition.labels is not None
    )


def _is_about_records(condition: Filter) -> bool:
    return condition.tables is not None or condition.actions is not None


def _job_matches(condition: Filter, job: Job | None) -> bool:
    return (
        job is not None
        and (condition.job_types is None or job.job_type in condition.job_types)
        and (condition.modes is None or job.mode in condition.modes)
        and (condition.states is None or job.state in condition.states)
        and (condition.labels is None or condition.labels.items() <= job.labels.items())
        and (condition.sources is None or any(r.kind == "source" and r.id in condition.sources for r in job.resources))
        and (
            condition.resources is None
            or any(r.kind == ref.kind and r.id == ref.id for ref in condition.resources for r in job.resources)
        )
    )


def _record_matches(condition: Filter, record: RecordData | None) -> bool:
    return (
        record is not None
        and (condition.tables is None or record.table in condition.tables)
        and (condition.actions is None or record.action in condition.actions)
    )


class _Entry(NamedTuple):
    """A filter in its place. `rest` is what the place does not answer for; None: nothing."""

    endpoint: Endpoint
    condition: Filter
    rest: Filter | None


_Globs = dict[str, tuple[re.Pattern[str], list[_Entry]]]


class _Shelf:
    """The filters of one tenant. Each stands in one place, under the most telling of its conditions: subject ids, else
    event types, else subject types, else among those that any event may match."""

    __slots__ = ("_by_glob_start", "_by_id", "_by_subject_type", "_by_type", "_everything", "_loose")

    def __init__(self) -> None:
        self._everything: list[Endpoint] = []
        self._by_id: dict[str, list[_Entry]] = {}
        self._by_type: dict[str, list[_Entry]] = {}
        self._by_glob_start: dict[str, _Globs] = {}
        self._by_subject_type: dict[str, list[_Entry]] = {}
        self._loose: list[_Entry] = []

    def add(self, endpoint: Endpoint) -> None:
        if not endpoint.config.filters:
            self._everything.append(endpoint)
        for condition in endpoint.config.filters:
            if not (_is_about_jobs(condition) and _is_about_records(condition)):
                self._place(endpoint, condition)

    def _place(self, endpoint: Endpoint, condition: Filter) -> None:
        if condition.subject_ids is not None:
            entry = _entry(endpoint, condition, replace(condition, subject_ids=None))
            for subject_id in set(condition.subject_ids):
                self._by_id.setdefault(subject_id, []).append(entry)
        elif condition.event_types is not None:
            entry = _entry(endpoint, condition, replace(condition, event_types=None))
            for text in set(condition.event_types):
                self._by_pattern(text).append(entry)
        elif (subject_types := _subject_types(condition)) is not None:
            entry = _entry(endpoint, condition, replace(condition, subject_types=None))
            for subject_type in subject_types:
                self._by_subject_type.setdefault(subject_type, []).append(entry)
        else:
            self._loose.append(_entry(endpoint, condition, condition))

    def _by_pattern(self, text: str) -> list[_Entry]:
        if _WILDCARD.search(text) is None:
            return self._by_type.setdefault(text, [])
        globs = self._by_glob_start.setdefault(_glob_start(text), {})
        if text not in globs:
            globs[text] = (glob(text), [])
        return globs[text][1]

    def everything(self) -> list[Endpoint]:
        """Endpoints without filters."""
        return self._everything

    def candidates(self, event: Event) -> list[_Entry]:
        """Every filter that may match the event; some twice."""
        found = [*self._loose]
        for place, key in (
            (self._by_id, event.subject_id),
            (self._by_type, event.type),
            (self._by_subject_type, event.subject_type),
        ):
            found += place.get(key, ())
        for start in (event.type.partition(".")[0], "") if self._by_glob_start else ():
            for pattern, entries in self._by_glob_start.get(start, {}).values():
                if pattern.match(event.type):
                    found += entries
        return found


def _entry(endpoint: Endpoint, condition: Filter, rest: Filter) -> _Entry:
    return _Entry(endpoint, condition, None if rest == _NO_CONDITION else rest)


def _glob_start(text: str) -> str:
    """The first segment of every event type that the pattern matches; "" when it does not say."""
    start, dot, _ = text.partition(".")
    return start if dot and _WILDCARD.search(start) is None else ""


def _subject_types(condition: Filter) -> set[str] | None:
    """The subject types that the filter can match; None for any."""
    named = None if condition.subject_types is None else set(condition.subject_types)
    implied = "job" if _is_about_jobs(condition) else "record" if _is_about_records(condition) else None
    if implied is None:
        return named
    return {implied} if named is None or implied in named else set()


class Interests:
    """An index over endpoints; it does not change. A changed endpoint needs a new one."""

    __slots__ = ("_shelves",)

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}

    @classmethod
    def of(cls, endpoints: Iterable[Endpoint]) -> Interests:
        """The index over the endpoints that take part at all."""
        return cls().replacing(frozenset(), endpoints)

    def replacing(self, tenants: AbstractSet[str], endpoints: Iterable[Endpoint]) -> Interests:
        """A new index with these endpoints in place of all that the tenants had; the others' part is shared."""
        interests = Interests()
        interests._shelves = {tenant: shelf for tenant, shelf in self._shelves.items() if tenant not in tenants}
        for endpoint in endpoints:
            if endpoint.config.enabled and not endpoint.is_deleted:
                interests._shelves.setdefault(endpoint.tenant, _Shelf()).add(endpoint)
        return interests

    def matching(self, view: EventView) -> list[Endpoint]:
        """The endpoints that want the event, each once, by number."""
        event = view.event
        shelf = self._shelves.get(event.tenant)
        if shelf is None:
            return []
        position = event.position
        is_operational = event.subject_type in OPERATIONAL_SUBJECT_TYPES
        everything = () if is_operational else shelf.everything()
        about = concerned(event) if is_operational else None
        wanting = {endpoint.number: endpoint for endpoint in everything if position > endpoint.active_from}
        for endpoint, condition, rest in shelf.candidates(event):
            if endpoint.number in wanting or position <= endpoint.active_from:
                continue
            if is_operational and (about == endpoint.id or not names_operational(condition, event)):
                continue
            if rest is None or matches(rest, view):
                wanting[endpoint.number] = endpoint
        return [wanting[number] for number in sorted(wanting)]
