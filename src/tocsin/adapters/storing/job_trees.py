"""The tree that a job is in, once its jobs are read."""

from __future__ import annotations

from typing import Final

from tocsin.ports import JobView, TreeJob

MOST_ABOVE: Final = 32
MOST_BELOW: Final = 32
"""Levels that are followed from a job upwards, and from the top one downwards."""
Found = dict[str, tuple[JobView, str, int]]
"""By the id of a job: the job, the parent that it was found by, and its depth below the first."""


def id_of(view: JobView) -> str:
    """By which others name it."""
    return view.row.job.job_id


def hangs_on(top: JobView) -> bool:
    """Whether there is more above the top one."""
    return top.row.job.parent_job_id is not None


def in_order(first: JobView, found: Found, above: int = 0) -> tuple[TreeJob, ...]:
    """Each parent before its children, these in the order of their making."""
    children: dict[str, list[JobView]] = {}
    for view, parent, _ in found.values():
        children.setdefault(parent, []).append(view)
    ordered: list[TreeJob] = []
    waiting = [first]
    while waiting:
        view = waiting.pop()
        ordered.append(TreeJob(depth=above + found[id_of(view)][2], view=view))
        waiting += sorted(children.get(id_of(view), ()), key=lambda child: -child.number)
    return tuple(ordered)
