"""The tree that a job is in: read parent by parent and level by level, so that neither a circle nor a crowd costs more than a page."""

from __future__ import annotations

from tocsin.adapters.postgres.lists import delivery_views
from tocsin.adapters.postgres.statements import Connection, read, read_page
from tocsin.adapters.storing.job_trees import MOST_ABOVE, MOST_BELOW, Found, hangs_on, id_of, in_order
from tocsin.adapters.storing.rows import job_view_of
from tocsin.adapters.storing.values import Row, Values
from tocsin.ports import DeliveryView, JobTree, JobView, TreeJob


async def read_tree(connection: Connection, job: JobView, limit: int) -> JobTree:
    """The whole tree, or what of it concerns the job."""
    above = await _above(connection, job)
    top = above[0] if above else job
    found = await _below(connection, top, limit - 1, set())
    if found is not None and all(id_of(view) in found for view in (*above, job)):
        return JobTree(jobs=in_order(top, found), complete=not hangs_on(top))
    room = max(limit - len(above) - 1, 0)
    below = await _below(connection, job, room, {id_of(view) for view in above}, is_cut=True)
    assert below is not None
    way = tuple(TreeJob(depth=depth, view=view) for depth, view in enumerate(above))
    return JobTree(jobs=(*way, *in_order(job, below, len(above))), complete=False)


async def read_job_deliveries(
    connection: Connection, tenant: str, job_ids: tuple[str, ...], limit: int, most: int
) -> list[DeliveryView]:
    """The deliveries of each job's newest events; those of the first jobs, if all together are too many."""
    rows: list[Row] = []
    for job_id in job_ids:
        rows += await read(connection, "job_deliveries", (job_id, tenant, min(limit, most - len(rows))))
    return sorted(await delivery_views(connection, rows), key=lambda view: -view.number)


async def _above(connection: Connection, job: JobView) -> list[JobView]:
    """The ancestors that are known, the topmost first."""
    above: list[JobView] = []
    seen = {id_of(job)}
    parent = job.row.job.parent_job_id
    while parent is not None and parent not in seen and len(above) < MOST_ABOVE:
        values: Values = {"id": parent, "tenant": job.tenant, "low": 1, "below": 1 << 62, "limit": 1}
        rows = await read_page(connection, "jobs", values)
        if not rows:
            break
        above.append(job_view_of(rows[0]))
        seen.add(parent)
        parent = above[-1].row.job.parent_job_id
    return above[::-1]


async def _below(
    connection: Connection, first: JobView, limit: int, seen: set[str], *, is_cut: bool = False
) -> Found | None:
    """Everything below a job, level by level. Beyond `limit` jobs: None, or the first ones where it may be cut."""
    found: Found = {id_of(first): (first, "", 0)}
    level = [id_of(first)]
    for depth in range(1, MOST_BELOW):
        parents, level = level, []
        for parent in parents:
            room = limit - len(found) + 1
            values: Values = {"parent": parent, "tenant": first.tenant, "low": 1, "below": 1 << 62, "limit": room + 1}
            children = [job_view_of(row) for row in await read_page(connection, "jobs", values)]
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
