"""Jobs over HTTP: reading back what was reported."""

from __future__ import annotations

from typing import Final, get_args

import msgspec

from tocsin.api.auth import EVERYBODY, READERS
from tocsin.api.delivery_routes import shown as delivery_shown
from tocsin.api.paging import DEFAULT_LIMIT, LIST, MAX_LIMIT, RANGE, TENANT, page_fields, page_reply
from tocsin.api.routing import Parameter, Reply, Request, Route
from tocsin.api.shapes import (
    JobDeliveriesShown,
    JobShown,
    JobTreeShown,
    JobWithChildren,
    TreeJobShown,
    child_shown,
    job_shown,
)
from tocsin.errors import NotFound
from tocsin.model.job import JobState, Mode
from tocsin.ports import JobQuery, JobTree

TREE_JOBS: Final = 100


async def _list(request: Request) -> Reply:
    query, page = request.query, page_fields(request.query)
    rows = await request.services.views.jobs(
        JobQuery(
            tenant=request.tenant_read(),
            state=query.get("state"),
            job_type=query.get("job_type"),
            parent=query.get("parent_job_id"),
            mode=query.get("mode"),
            search=query.get("search") or None,
            **page,
        )
    )
    return page_reply(rows, page, lambda row: row.number, job_shown)


async def _get(request: Request) -> Reply:
    views = request.services.views
    view = await views.job(request.parts["job_id"], request.tenant_read())
    if view is None:
        raise NotFound
    children = await views.jobs(JobQuery(tenant=view.tenant, parent=view.row.job.job_id, limit=MAX_LIMIT))
    document = JobWithChildren(
        **msgspec.structs.asdict(job_shown(view)), children=[child_shown(child) for child in children]
    )
    return Reply(body=msgspec.json.encode(document))


async def _tree(request: Request) -> Reply:
    tree = await _tree_of(request, _limit(request))
    shown = [TreeJobShown(**msgspec.structs.asdict(job_shown(job.view)), depth=job.depth) for job in tree.jobs]
    return Reply(body=msgspec.json.encode(JobTreeShown(jobs=shown, complete=tree.complete)))


async def _tree_deliveries(request: Request) -> Reply:
    services = request.services
    tree = await _tree_of(request, TREE_JOBS)
    job_ids = dict.fromkeys([request.parts["job_id"], *(job.view.row.job.job_id for job in tree.jobs)])
    tenant = tree.jobs[0].view.tenant
    rows = await services.views.job_deliveries(tenant, tuple(job_ids), _limit(request), MAX_LIMIT)
    items = [delivery_shown(services, row) for row in rows]
    return Reply(body=msgspec.json.encode(JobDeliveriesShown(items=items)))


async def _tree_of(request: Request, limit: int) -> JobTree:
    view = await request.services.views.job(request.parts["job_id"], request.tenant_read())
    if view is None:
        raise NotFound
    return await request.services.views.job_tree(view, limit)


def _limit(request: Request) -> int:
    return page_fields(request.query)["limit"] - 1


JOB_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/jobs",
        name="list_jobs",
        summary="Jobs, newest first.",
        answer=_list,
        roles=EVERYBODY,
        parameters=(
            *LIST,
            *RANGE,
            Parameter(name="state", meaning="The job's state.", values=tuple(JobState)),
            Parameter(name="job_type", meaning="The job's type."),
            Parameter(name="mode", meaning="The job's mode.", values=get_args(Mode)),
            Parameter(name="search", meaning="A part of the job's name or of its id, in whatever case."),
            Parameter(name="parent_job_id", meaning="Only children of this job."),
        ),
        gives=list[JobShown],
    ),
    Route(
        method="GET",
        path="/v1/jobs/{job_id}",
        name="get_job",
        summary="One job: state, history, resources, lineage, children.",
        answer=_get,
        roles=EVERYBODY,
        parameters=(TENANT,),
        gives=JobWithChildren,
        problems=(NotFound,),
    ),
    Route(
        method="GET",
        path="/v1/job-trees/{job_id}",
        name="get_job_tree",
        summary="The tree that a job is in: its ancestors, and all that is below them if it is not too much.",
        answer=_tree,
        roles=EVERYBODY,
        parameters=(
            Parameter(name="limit", meaning=f"Jobs, 1 to {MAX_LIMIT}; {DEFAULT_LIMIT} by default.", kind="integer"),
            TENANT,
        ),
        gives=JobTreeShown,
        problems=(NotFound,),
    ),
    Route(
        method="GET",
        path="/v1/job-deliveries/{job_id}",
        name="list_job_deliveries",
        summary=f"The deliveries that a job and the others in its tree caused, newest first: {MAX_LIMIT} of them at most, the job's own first of all.",
        answer=_tree_deliveries,
        roles=READERS,
        parameters=(
            Parameter(
                name="limit", meaning=f"For each job, 1 to {MAX_LIMIT}; {DEFAULT_LIMIT} by default.", kind="integer"
            ),
            TENANT,
        ),
        gives=JobDeliveriesShown,
        problems=(NotFound,),
    ),
)
