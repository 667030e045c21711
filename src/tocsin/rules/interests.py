"""The index over the filters of all endpoints: which of them want an event, without looking at those that cannot match.

A tenant's filters hang in a tree. Each step of a path answers for one condition: from a place, the values of an event lead
to further places, by a dictionary for each kind of condition. A place with few filters keeps them as they are.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from msgspec.structs import replace

from tocsin.model.endpoint import Endpoint
from tocsin.model.event import OPERATIONAL_SUBJECT_TYPES
from tocsin.model.event_view import EventView
from tocsin.model.filter import Filter
from tocsin.model.job import Job
from tocsin.model.record import RecordData
from tocsin.rules.matching import concerned, glob, is_about_jobs, is_about_records, matches, names_operational

FEW: Final = 4
"""Filters that a place keeps before their next condition is looked at."""
MOST_PATHS: Final = 512
"""Paths to one filter, at most: two hundred event types times two hundred job types are not spread out."""
ANY_NUMBER: Final = 1 << 62
_REMEMBERED: Final = 256
_NO_CONDITION: Final = Filter()
_WILDCARD: Final = re.compile(r"[*?]")
_number = itemgetter(0)
_Values = Callable[[EventView], Iterable[Hashable]]


class _Entry(NamedTuple):
    """A filter in its place. `rest` is what the path to it does not answer for; None: nothing. There are so many `paths`."""

    number: int
    endpoint: Endpoint
    condition: Filter
    rest: Filter | None
    paths: int


class _Kind(NamedTuple):
    """A kind of condition: the values that a filter names (none: it has no such condition), the filter without the condition,
    and the values that an event has."""

    named: Callable[[Filter], Sequence[Hashable]]
    without: Callable[[Filter], Filter]
    values: _Values


def _of_job(read: Callable[[Job], Iterable[Hashable]]) -> _Values:
    def values(view: EventView) -> Iterable[Hashable]:
        job = view.job if view.event.subject_type == "job" else None
        return () if job is None else read(job)

    return values


def _of_record(read: Callable[[RecordData], Iterable[Hashable]]) -> _Values:
    def values(view: EventView) -> Iterable[Hashable]:
        record = view.record if view.event.subject_type == "record" else None
        return () if record is None else read(record)

    return values


def _first_label(condition: Filter) -> Sequence[Hashable]:
    return [min(condition.labels.items())] if condition.labels else ()


def _without_first_label(condition: Filter) -> Filter:
    left = dict(sorted((condition.labels or {}).items())[1:])
    return replace(condition, labels=left or None)


_KINDS: Final = (
    _Kind(
        lambda c: c.subject_ids or (),
        lambda c: replace(c, subject_ids=None),
        lambda view: (view.event.subject_id,),
    ),
    _Kind(
        lambda c: c.event_types or (),
        lambda c: replace(c, event_types=None),
        lambda view: (view.event.type,),
    ),
    _Kind(
        lambda c: c.subject_types or (),
        lambda c: replace(c, subject_types=None),
        lambda view: (view.event.subject_type,),
    ),
    _Kind(lambda c: c.verbs or (), lambda c: replace(c, verbs=None), lambda view: (view.event.verb,)),
    _Kind(lambda c: c.tables or (), lambda c: replace(c, tables=None), _of_record(lambda record: (record.table,))),
    _Kind(lambda c: c.actions or (), lambda c: replace(c, actions=None), _of_record(lambda record: (record.action,))),
    _Kind(
        lambda c: c.sources or (),
        lambda c: replace(c, sources=None),
        _of_job(lambda job: [r.id for r in job.resources if r.kind == "source"]),
    ),
    _Kind(
        lambda c: [(r.kind, r.id) for r in c.resources or ()],
        lambda c: replace(c, resources=None),
        _of_job(lambda job: [(r.kind, r.id) for r in job.resources]),
    ),
    _Kind(lambda c: c.job_types or (), lambda c: replace(c, job_types=None), _of_job(lambda job: (job.job_type,))),
    _Kind(_first_label, _without_first_label, _of_job(lambda job: job.labels.items())),
    _Kind(lambda c: c.states or (), lambda c: replace(c, states=None), _of_job(lambda job: (job.state,))),
    _Kind(lambda c: c.modes or (), lambda c: replace(c, modes=None), _of_job(lambda job: (job.mode,))),
)
"""In the order of the steps. What stands in the event itself comes first: job and record data are read only if it matches."""
_EVENT_TYPES: Final = 1


class _Place:
    """Filters, by number, and the ways on. `is_parting` once it kept more than a few. `_remembered` says for event types that
    were seen where the patterns that they match lead to."""

    __slots__ = ("_entries", "_is_parting", "_patterns", "_remembered", "_ways")

    def __init__(self, *, is_parting: bool = False) -> None:
        self._is_parting = is_parting
        self._entries: list[_Entry] = []
        self._ways: dict[int, tuple[_Values, dict[Hashable, _Place]]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], _Place]] = {}
        self._remembered: dict[str, list[_Place]] = {}

    @property
    def is_empty(self) -> bool:
        return not (self._entries or self._ways or self._patterns)

    @property
    def size(self) -> int:
        ways = (place for _, places in self._ways.values() for place in places.values())
        patterns = (place for _, place in self._patterns.values())
        return len(self._entries) + sum(place.size for place in (*ways, *patterns))

    def add(self, entry: _Entry) -> None:
        """Take a filter in, or pass it on."""
        way = _way_on(entry) if self._is_parting else None
        if way is not None:
            kind, keys, passed = way
            for key in keys:
                self._on(kind, key).add(passed)
            return
        insort(self._entries, entry, key=_number)
        if len(self._entries) > FEW and not self._is_parting:
            self._is_parting = True
            kept, self._entries = self._entries, []
            for each in kept:
                self.add(each)

    def remove(self, entry: _Entry) -> None:
        """Take out a filter that was added like this."""
        way = _way_on(entry) if self._is_parting else None
        if way is None:
            end = bisect_right(self._entries, entry.number, key=_number)
            start = bisect_left(self._entries, entry.number, hi=end, key=_number)
            self._entries[start:end] = [each for each in self._entries[start:end] if each.rest != entry.rest]
            return
        kind, keys, passed = way
        for key in keys:
            self._on(kind, key).remove(passed)
            self._tidy(kind, key)

    def collect(self, view: EventView, found: list[_Entry]) -> None:
        """Every filter that may match the event, some twice."""
        found += self._entries
        for values, places in self._ways.values():
            for key in values(view):
                place = places.get(key)
                if place is not None:
                    place.collect(view, found)
        if self._patterns:
            for place in self._by_pattern(view.event.type):
                place.collect(view, found)

    def _on(self, kind: int, key: Hashable) -> _Place:
        if kind == _EVENT_TYPES and isinstance(key, str) and _WILDCARD.search(key) is not None:
            if key not in self._patterns:
                self._patterns[key] = (glob(key), _Place())
                self._remembered.clear()
            return self._patterns[key][1]
        way = self._ways.get(kind)
        if way is None:
            way = self._ways[kind] = (_KINDS[kind].values, {})
        place = way[1].get(key)
        if place is None:
            place = way[1][key] = _Place()
        return place

    def _tidy(self, kind: int, key: Hashable) -> None:
        if not self._on(kind, key).is_empty:
            return
        if kind == _EVENT_TYPES and isinstance(key, str) and key in self._patterns:
            del self._patterns[key]
            self._remembered.clear()
            return
        places = self._ways[kind][1]
        del places[key]
        if not places:
            del self._ways[kind]

    def _by_pattern(self, event_type: str) -> list[_Place]:
        places = self._remembered.get(event_type)
        if places is None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            places = [place for pattern, place in self._patterns.values() if pattern.match(event_type)]
            self._remembered[event_type] = places
        return places


def _way_on(entry: _Entry) -> tuple[int, Iterable[Hashable], _Entry] | None:
    """The kind of the next condition, the values it names, and the filter without it; None when there is none, or none that may
    be spread out."""
    rest = entry.rest
    if rest is None:
        return None
    for kind, (named, without, _) in enumerate(_KINDS):
        keys = dict.fromkeys(named(rest))
        if keys and (paths := len(keys) * entry.paths) <= MOST_PATHS:
            left = without(rest)
            return kind, keys, entry._replace(rest=None if left == _NO_CONDITION else left, paths=paths)
    return None


class Interests:
    """The index over endpoints. One endpoint is put in or taken out without a look at the others."""

    __slots__ = ("_endpoints", "_places")

    def __init__(self) -> None:
        self._endpoints: dict[int, Endpoint] = {}
        self._places: dict[str, _Place] = {}

    @classmethod
    def of(cls, endpoints: Iterable[Endpoint]) -> Interests:
        """The index over the endpoints that take part at all."""
        interests = cls()
        for endpoint in endpoints:
            interests.put(endpoint)
        return interests

    def put(self, endpoint: Endpoint) -> None:
        """An endpoint is new or changed."""
        self.remove(endpoint.number)
        if not endpoint.config.enabled or endpoint.is_deleted:
            return
        self._endpoints[endpoint.number] = endpoint
        place = self._places.get(endpoint.tenant)
        if place is None:
            place = self._places[endpoint.tenant] = _Place(is_parting=True)
        for entry in _entries_of(endpoint):
            place.add(entry)

    def remove(self, number: int) -> None:
        """An endpoint is no more, if it was there at all."""
        endpoint = self._endpoints.pop(number, None)
        place = None if endpoint is None else self._places.get(endpoint.tenant)
        if endpoint is None or place is None:
            return
        for entry in _entries_of(endpoint):
            place.remove(entry)
        if place.is_empty:
            del self._places[endpoint.tenant]

    @property
    def size(self) -> int:
        """In how many places filters stand, all told."""
        return sum(place.size for place in self._places.values())

    def candidates(self, view: EventView) -> list[int]:
        """The numbers of the endpoints that are looked at for an event, one for each of their filters."""
        place, found = self._places.get(view.event.tenant), list[_Entry]()
        if place is not None:
            place.collect(view, found)
        return [entry.number for entry in found]

    def matching(self, view: EventView, after: int = 0, most: int = ANY_NUMBER) -> list[Endpoint]:
        """The endpoints that want the event, each once, by number: at most so many, from the first `after` this number."""
        event = view.event
        place = self._places.get(event.tenant)
        if place is None:
            return []
        found: list[_Entry] = []
        place.collect(view, found)
        if len(found) > 1:
            found.sort(key=_number)
        if after:
            del found[: bisect_right(found, after, key=_number)]
        is_operational = event.subject_type in OPERATIONAL_SUBJECT_TYPES
        about = concerned(event) if is_operational and found else None
        wanting: list[Endpoint] = []
        last, position = 0, event.position
        for number, endpoint, condition, rest, _ in found:
            if number == last or position <= endpoint.active_from:
                continue
            if is_operational and (about == endpoint.id or not names_operational(condition, event)):
                continue
            if rest is None or matches(rest, view):
                wanting.append(endpoint)
                if len(wanting) == most:
                    break
                last = number
        return wanting


def _entries_of(endpoint: Endpoint) -> list[_Entry]:
    """Its filters as they begin, without those that no event can match: about jobs and about records."""
    return [
        _Entry(endpoint.number, endpoint, condition, None if condition == _NO_CONDITION else condition, 1)
        for condition in endpoint.config.filters or (_NO_CONDITION,)
        if not (is_about_jobs(condition) and is_about_records(condition))
    ]
