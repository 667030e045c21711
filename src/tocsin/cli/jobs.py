"""`jobs ...`: list, show, tree."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from cyclopts import App

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import Document, items, one, part, parts, text
from tocsin.cli.output import console, print_json, print_listing, print_table

app = App(name="jobs", help="What was reported on jobs, and what they caused.")


@app.command(name="list")
def list_(
    *,
    state: Literal[
        "pending", "preparing", "running", "waiting", "stopping", "rescheduled", "succeeded", "failed", "stopped"
    ]
    | None = None,
    job_type: str | None = None,
    mode: Literal["batch", "realtime"] | None = None,
    search: str | None = None,
    parent: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int = 50,
    connection: Connection = HERE,
) -> int:
    """List jobs, newest first.

    :param state: Only those in this state.
    :param job_type: Only those of this type.
    :param mode: Only those of this mode.
    :param search: A part of the name or of the id, in whatever case.
    :param parent: Only children of this job.
    :param since: First heard of at this time (RFC 3339) or later.
    :param until: First heard of before this time.
    :param limit: How many at most.
    """
    query = {
        "state": state,
        "job_type": job_type,
        "mode": mode,
        "search": search,
        "parent_job_id": parent,
        "since": since,
        "until": until,
    }
    found = items(connection, "/v1/jobs", query, limit)
    if connection.is_json:
        print_json({"items": found})
        return 0
    columns = ("ID", "STATE", "SINCE", "NAME", "TYPE", "MODE", "PARENT", "DETAILS")
    names = ("job_id", "state", "state_since", "name", "job_type", "mode", "parent_job_id", "details")
    print_table(columns, [tuple(text(job, name) for name in names) for job in found], empty="No such jobs.")
    return 0


@app.command
def show(job_id: str, /, *, connection: Connection = HERE) -> int:
    """Show a job: its state and those before it, what it worked on, its children."""
    job = one(connection.request("GET", f"/v1/jobs/{quote(job_id, safe='')}"))
    if connection.is_json:
        print_json(job)
        return 0
    print_listing((name, value) for name, value in job.items() if name not in {"history", "children"})
    past = [*parts(job, "history"), {**job, "since": job.get("state_since")}]
    console().print()
    rows = [(text(one_, "state"), text(one_, "since"), text(one_, "details"), _error(one_)) for one_ in past]
    print_table(("STATE", "SINCE", "DETAILS", "ERROR"), rows)
    return 0


@app.command
def tree(job_id: str, /, *, limit: int = 50, connection: Connection = HERE) -> int:
    """Show the tree that a job is in.

    :param limit: How many jobs at most.
    """
    answer = one(connection.request("GET", f"/v1/job-trees/{quote(job_id, safe='')}", query={"limit": str(limit)}))
    if connection.is_json:
        print_json(answer)
        return 0
    rows = [
        (
            f"{'  ' * int(text(job, 'depth') or 0)}{text(job, 'name') or text(job, 'job_id')}",
            text(job, "state"),
            text(job, "state_since"),
            text(job, "job_id"),
        )
        for job in parts(answer, "jobs")
    ]
    print_table(("JOB", "STATE", "SINCE", "ID"), rows)
    if not answer.get("complete"):
        console().print("There are more jobs in the tree.", style="dim")
    return 0


def _error(job: Document) -> str:
    error = part(job, "error")
    return f"{text(error, 'reason')} {text(error, 'message')}".strip()
