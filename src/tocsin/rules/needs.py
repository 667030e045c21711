"""What must be known of its tenant before a submission can be decided on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final
from zlib import crc32

from msgspec.structs import replace

from tocsin.errors import TocsinError
from tocsin.model.job import Report
from tocsin.model.notice import Notices
from tocsin.model.submission import (
    Changes,
    CloudEvents,
    DataVersions,
    Needs,
    Overrun,
    Reports,
    RunEvent,
    RunEvents,
    Submission,
)
from tocsin.rules.streaks import ends_run

NOTICE_SOURCE: Final = "\0tocsin"
"""What Tocsin's own notices are recognised by; no CloudEvent can have such a source."""
RUN_EVENT_SOURCE: Final = "\0openlineage"
"""The same for run events."""
_UUID_LENGTH: Final = 36
_UUID_VERSION_AT: Final = 14
_UUID_OF_TIME: Final = ord("7")
_UUID_QUARTER_SECOND: Final = 11
"""Its first 40 bits as text (RFC 9562, section 5.7): milliseconds without their last 8."""


def seen_hash(source: str, event_id: str) -> bytes:
    """By which a CloudEvent is recognised: 16 bytes over its source, with its length before it, and its id.

    Before them stand 4 bytes that it shares with its neighbours, so that those are neighbours in an index too: ids that are counted
    up, but for their last two characters; UUIDs of version 7, for a quarter of a second."""
    begin, name = source.encode(), event_id.encode()
    is_timed = len(name) == _UUID_LENGTH and name[_UUID_VERSION_AT] == _UUID_OF_TIME
    shared = crc32(name[:_UUID_QUARTER_SECOND] if is_timed else name[:-2], crc32(begin))
    return shared.to_bytes(4, "big") + blake2b(b"%d:%b%b" % (len(begin), begin, name), digest_size=16).digest()


def reports_in(submission: Submission) -> Iterator[Report]:
    """The reports on jobs that a submission holds, whoever sent them."""
    match submission.body:
        case Reports(items=reports):
            yield from (item for item in reports if isinstance(item, Report))
        case RunEvents(items=run_events):
            yield from (item.report for item in run_events if isinstance(item, RunEvent))
        case _:
            return


def needs_of(submission: Submission) -> Needs:
    """What must be known of the tenant before the submission can be decided on."""
    match submission.body:
        case Reports(items=reports):
            return _needs_of_reports(reports)
        case Changes(items=changes):
            given = {item.version_id: None for item in changes if item.version_id is not None}
            return Needs(versions=tuple(given), counter=True)
        case CloudEvents(items=events):
            return Needs(seen=tuple([item.digest for item in events]))
        case RunEvents(items=run_events):
            once = {run.once: None for run in run_events if isinstance(run, RunEvent) and run.once is not None}
            seen = tuple(seen_hash(RUN_EVENT_SOURCE, text) for text in once)
            return replace(_needs_of_reports(reports_in(submission)), seen=seen)
        case Notices(items=notices):
            return Needs(seen=tuple(seen_hash(NOTICE_SOURCE, item.once) for item in notices))
        case Overrun(items=jobs_over):
            return Needs(jobs=tuple({job_id: None for job_id, _ in jobs_over}))
        case DataVersions():
            return Needs()


def _needs_of_reports(items: Iterable[Report | TocsinError]) -> Needs:
    jobs: dict[str, None] = {}
    parents: dict[str, None] = {}
    ends = False
    for item in items:
        if isinstance(item, Report):
            jobs[item.job_id] = None
            if item.parent_job_id:
                parents[item.parent_job_id] = None
            ends = ends or ends_run(item)
    return Needs(jobs=tuple(jobs), lineages=tuple(parents), streaks=ends)
