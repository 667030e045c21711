"""Which endpoints want an event: `wants` is the definition; `rules/interests.py` finds the same by an index.

Filters speak Tocsin's words. Conditions on jobs (`job_types`, `modes`, `states`, `resources`, `sources`, `labels`,
`after_failures`) hold for job events only, `tables` and `actions` for record events only. `states` is the job's state as
the event shows it.
"""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache

import msgspec

from tocsin.model.endpoint import Endpoint
from tocsin.model.event import OPERATIONAL_SUBJECT_TYPES, Event
from tocsin.model.event_view import EventView
from tocsin.model.filter import Filter
from tocsin.model.job import JobData
from tocsin.model.record import RecordData
from tocsin.rules.streaks import is_reached
from tocsin.rules.where import condition_of


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
        and (
            not is_about_jobs(condition)
            or (view.event.subject_type == "job" and _job_matches(condition, view.event.verb, view.job))
        )
        and (
            not is_about_records(condition)
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


def is_about_jobs(condition: Filter) -> bool:
    """Whether it holds for job events only."""
    return (
        condition.job_types is not None
        or condition.modes is not None
        or condition.states is not None
        or condition.resources is not None
        or condition.sources is not None
        or condition.labels is not None
        or condition.after_failures is not None
    )


def is_about_records(condition: Filter) -> bool:
    """Whether it holds for record events only."""
    return condition.tables is not None or condition.actions is not None


def _job_matches(condition: Filter, verb: str, job: JobData | None) -> bool:
    return (
        job is not None
        and (condition.job_types is None or job.job_type in condition.job_types)
        and (condition.modes is None or job.mode in condition.modes)
        and (condition.states is None or job.state in condition.states)
        and (condition.after_failures is None or is_reached(condition.after_failures, verb, job))
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
