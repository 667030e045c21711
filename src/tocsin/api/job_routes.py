"""Jobs over HTTP: reading back what was reported."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.api.auth import EVERYBODY
from tocsin.api.paging import LIST, MAX_LIMIT, RANGE, TENANT, page_fields, page_reply
from tocsin.api.routing import Parameter, Reply, Request, Route
from tocsin.api.shapes import JobShown, JobWithChildren, child_shown, job_shown
from tocsin.errors import NotFound
from tocsin.model.job import JobState
from tocsin.ports import JobQuery


async def _list(request: Request) -> Reply:
    query, page = request.query, page_fields(request.query)
    rows = await request.services.views.jobs(
        JobQuery(
            tenant=request.tenant_read(),
            state=query.get("state"),
            job_type=query.get("job_type"),
            parent=query.get("parent_job_id"),
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
)
