"""Jobs: the list with its filters. One of them is in `pages/job.py`."""

from __future__ import annotations

import asyncio
import shlex
from typing import Final

from tocsin.model.job import JobState
from tocsin.model.noun import Noun
from tocsin.model.times import to_text
from tocsin.ui.answers import Answer
from tocsin.ui.asking import UiRequest
from tocsin.ui.calls import Query, segment
from tocsin.ui.pages import job
from tocsin.ui.rendering import page
from tocsin.ui.routing import UiRoute

PATH: Final = "/ui/jobs"
FILTERS: Final = ("state", "job_type", "mode", "search", "parent_job_id", "cursor")
FLAGS: Final = {
    "state": "state",
    "job_type": "job-type",
    "mode": "mode",
    "search": "search",
    "parent_job_id": "parent",
    "since": "since",
    "until": "until",
}
"""Filters by their names on the command line."""
AGES: Final = {"1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000}
AGE_NAMES: Final = (("1h", "the last hour"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"))


class JobListed(Noun, frozen=True, kw_only=True):
    """A job in the list."""

    job_id: str
    tenant: str
    job_type: str
    mode: str
    name: str | None
    state: str
    state_since: str
    parent_job_id: str | None
    created_at: str
    updated_at: str


class JobsPage(Noun, frozen=True, kw_only=True):
    """A page of jobs."""

    items: tuple[JobListed, ...]
    next_cursor: str | None


async def _list(request: UiRequest) -> Answer:
    query = request.query
    asked: dict[str, str | int | None] = {name: query.get(name) for name in FILTERS}
    asked |= {"since": query.get("since"), "until": query.get("until")}
    if (age := AGES.get(query.get("age", ""))) is not None:
        asked["since"] = to_text((request.now - age) // 60_000 * 60_000)
    jobs, exact = await asyncio.gather(request.api.read("/v1/jobs", JobsPage, asked), _by_id(request))
    if exact is not None and all(exact.job_id != listed.job_id for listed in jobs.items):
        jobs = JobsPage(items=(exact, *jobs.items), next_cursor=jobs.next_cursor)
    return page(
        request,
        "jobs.html",
        title="Jobs",
        command=command_of(asked),
        jobs=jobs,
        states=[state.value for state in JobState],
        ages=AGE_NAMES,
        is_filtered=any(query.get(name) for name in (*FILTERS, "age", "since", "until")),
    )


def command_of(asked: Query) -> str:
    """The same list on the command line."""
    flags = [f"--{FLAGS[name]} {shlex.quote(str(asked[name]))}" for name in FLAGS if asked.get(name)]
    return " ".join(["tocsin jobs list", *flags])


async def _by_id(request: UiRequest) -> JobListed | None:
    """The job whose whole id was typed, however old it is; only where nothing else is asked for."""
    typed = request.query.get("search", "")
    if not typed or any(request.query.get(name) for name in (*FILTERS, "age", "since", "until") if name != "search"):
        return None
    answer = await request.api.get(f"/v1/jobs/{segment(typed)}")
    return answer.read(JobListed) if answer.is_ok else None


ROUTES: Final[tuple[UiRoute, ...]] = (UiRoute(method="GET", path=PATH, page=_list), *job.ROUTES)
