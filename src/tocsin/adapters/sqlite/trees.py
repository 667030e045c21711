"""The tree that a job is in: read parent by parent and level by level, so that neither a circle nor a crowd costs more than a page."""

from __future__ import annotations

from typing import cast

import apsw

from tocsin.adapters.sqlite.lists import BUDGET, delivery_views
from tocsin.adapters.sqlite.positions import BLOCKS, newest_of_subject, span_of_job
from tocsin.adapters.sqlite.statements import listed, read_among, read_page, statement
from tocsin.adapters.storing.job_trees import MOST_ABOVE, MOST_BELOW, Found, hangs_on, id_of, in_order
from tocsin.adapters.storing.rows import job_view_of
from tocsin.adapters.storing.values import Row, Values
from tocsin.ports import DeliveryView, JobTree, JobView, TreeJob


def read_tree(connection: apsw.Connection, job: JobView, limit: int) -> JobTree:
    """The whole tree, or what of it concerns the job."""
    above = _above(connection, job)
    top = above[0] if above else job
    found = _below(connection, top, limit - 1, set())
    if found is not None and all(id_of(view) in found for view in (*above, job)):
        return JobTree(jobs=in_order(top, found), complete=not hangs_on(top))
    room = max(limit - len(above) - 1, 0)
    below = _below(connection, job, room, {id_of(view) for view in above}, is_cut=True)
    assert below is not None
    way = tuple(TreeJob(depth=depth, view=view) for depth, view in enumerate(above))
    return JobTree(jobs=(*way, *in_order(job, below, len(above))), complete=False)


def read_job_deliveries(
    connection: apsw.Connection, tenant: str, job_ids: tuple[str, ...], limit: int, most: int
) -> list[DeliveryView]:
    """The deliveries of each job's newest events; those of the first jobs, if all together are too many, or take too much looking."""
    rows: list[Row] = []
    blocks = BLOCKS
    times = {job_id: (first, last) for job_id, first, last in read_among(connection, "job_times", (tenant,), job_ids)}
    for job_id in job_ids:
        room = min(limit, most - len(rows))
        if job_id not in times or room <= 0 or blocks <= 0:
            continue
        span = span_of_job(connection, *cast("tuple[int, int]", times[job_id]))
        looked = 0
        while room > 0 and blocks > 0 and looked < BUDGET:
            found = newest_of_subject(
                connection, job_id, tenant, min(room, BUDGET - looked), subject_type="job", span=span, blocks=blocks
            )
            deliveries = connection.execute(statement("job_deliveries"), (listed(found), tenant, room)).fetchall()
            rows += deliveries
            room -= len(deliveries)
            looked += len(found)
            blocks -= found.looked
            if found.rest is None:
                break
            span = range(span.start, found.rest)
    return sorted(delivery_views(connection, rows), key=lambda view: -view.number)


def _above(connection: apsw.Connection, job: JobView) -> list[JobView]:
    """The ancestors that are known, the topmost first."""
    above: list[JobView] = []
    seen = {id_of(job)}
    parent = job.row.job.parent_job_id
    while parent is not None and parent not in seen and len(above) < MOST_ABOVE:
        values: Values = {"id": parent, "tenant": job.tenant, "low": 1, "below": 1 << 62, "limit": 1}
        rows = read_page(connection, "jobs", values)
        if not rows:
            break
        above.append(job_view_of(rows[0]))
        seen.add(parent)
        parent = above[-1].row.job.parent_job_id
    return above[::-1]


def _below(
    connection: apsw.Connection, first: JobView, limit: int, seen: set[str], *, is_cut: bool = False
) -> Found | None:
    """Everything below a job, level by level. Beyond `limit` jobs: None, or the first ones where it may be cut."""
    found: Found = {id_of(first): (first, "", 0)}
    level = [id_of(first)]
    for depth in range(1, MOST_BELOW):
        parents, level = level, []
        for parent in parents:
            room = limit - len(found) + 1
            values: Values = {"parent": parent, "tenant": first.tenant, "low": 1, "below": 1 << 62, "limit": room + 1}
            children = [job_view_of(row) for row in read_page(connection, "jobs", values)]
            if len(children) > room:
                if not is_cut:
                    return None
                children = children[:room]
            new = [view for view in children if id_of(view) not in found and id_of(view) not in seen]
            found |= {id_of(view): (view, parent, depth) for view in new}
            level += [id_of(view) for view in new]
        if not level:
            break
    return found
