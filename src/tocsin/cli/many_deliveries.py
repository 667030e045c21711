"""`deliveries count`, `dead`, `resend-dead` and `cancel-pending`: what is done to all that match, and the filters that say which."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from cyclopts import App, Group, Parameter

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import Document, one, parts, text
from tocsin.cli.output import console, print_json, print_table

_FILTERS = Group("Filters", sort_key=5)
State = Literal["pending", "delivered", "dead", "cancelled"]


@Parameter(name="*", group=_FILTERS)
@dataclass(frozen=True, kw_only=True)
class Common:
    """Which deliveries, whatever is done to them."""

    endpoint: str | None = None
    """Id of the endpoint."""
    job: str | None = None
    """Id of the job that the event is about."""
    event_type: str | None = None
    """Only those of events of this type; a glob."""
    subject_type: str | None = None
    """Only those of events about this type of subject."""
    subject_id: str | None = None
    """Only those of events about this subject."""
    since: str | None = None
    """Accepted at this time (RFC 3339) or later."""
    until: str | None = None
    """Accepted before this time."""

    def given(self) -> dict[str, str]:
        """What was said, by the names of the API."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@Parameter(name="*", group=_FILTERS)
@dataclass(frozen=True, kw_only=True)
class Pending(Common):
    """Which pending deliveries."""

    event: str | None = None
    """Id of the event."""
    batch: str | None = None
    """Id of the batch; goes with --state and --endpoint only."""
    replay: str | None = None
    """Id of the replay; goes with --state and --endpoint only."""


@Parameter(name="*", group=_FILTERS)
@dataclass(frozen=True, kw_only=True)
class Filters(Pending):
    """Which deliveries."""

    state: State | None = None
    """Only those in this state."""
    reason: str | None = None
    """Only those that were given up or cancelled for this reason, as `show` tells it."""


@Parameter(name="*", group=_FILTERS)
@dataclass(frozen=True, kw_only=True)
class Dead(Common):
    """Which dead deliveries."""

    reason: str | None = None
    """Only what was given up for this reason, as `deliveries dead` tells it."""


ALL = Filters()
ALL_PENDING = Pending()
ALL_DEAD = Dead()


def add_to(app: App) -> None:
    """The commands, beside those for one delivery."""
    for command in (count, dead, resend_dead, cancel_pending):
        app.command(command)


def count(*, filters: Filters = ALL, connection: Connection = HERE) -> int:
    """Count the deliveries that match."""
    return _print_count(connection, filters.given())


def dead(*, endpoint: str | None = None, connection: Connection = HERE) -> int:
    """Show what was given up on, by endpoint and reason.

    :param endpoint: Only of this endpoint, looking further back.
    """
    query = {} if endpoint is None else {"endpoint": endpoint}
    found = one(connection.request("GET", "/v1/deliveries/dead", query=query))
    if connection.is_json:
        print_json(found)
        return 0
    rows = [
        (
            text(end, "endpoint_name"),
            text(end, "endpoint_id"),
            text(why, "count"),
            text(why, "last_at"),
            text(why, "reason"),
        )
        for end in parts(found, "items")
        for why in parts(end, "reasons")
    ]
    print_table(("ENDPOINT", "ID", "DEAD", "LAST", "REASON"), rows, empty="Nothing is dead.")
    return 0


def resend_dead(
    *,
    filters: Dead = ALL_DEAD,
    rate: float | None = None,
    new_webhook_ids: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    connection: Connection = HERE,
) -> int:
    """Send everything again that was given up on and matches: a replay for each endpoint. What has arrived meanwhile is left out.

    :param rate: Deliveries per second to each endpoint, at most.
    :param new_webhook_ids: Give each a new webhook-id, so that receivers which drop known ones take it.
    :param dry_run: Only count the events.
    """
    wanted: dict[str, object] = {**filters.given(), "new_webhook_ids": new_webhook_ids}
    if rate is not None:
        wanted["rate_per_second"] = rate
    query = {"dry_run": "true"} if dry_run else {}
    done = one(connection.request("POST", "/v1/deliveries/resend", wanted, query=query))
    if connection.is_json:
        print_json(done)
        return 0
    screen = console()
    screen.print(f"{text(done, 'total')} events {'would be' if dry_run else 'are'} sent again.")
    for replay in parts(done, "replays"):
        screen.print(f"  {text(replay, 'total')} by tocsin replay follow {text(replay, 'id')}", soft_wrap=True)
    disabled = done.get("disabled_endpoint_ids")
    if isinstance(disabled, list) and disabled:
        screen.print(f"Left out, being disabled: {', '.join(map(str, disabled))}", soft_wrap=True)
    if not done.get("complete"):
        screen.print("There are more endpoints: ask again.")
    return 0


def cancel_pending(
    *,
    filters: Pending = ALL_PENDING,
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    connection: Connection = HERE,
) -> int:
    """Give up everything that is pending and matches, over all endpoints. A request that is out may still succeed.

    :param all_: Everything, where no filter is given.
    :param dry_run: Only count the deliveries.
    """
    if not (filters.given() or all_ or dry_run):
        raise ValueError("Say which by a filter, or --all.")
    if dry_run:
        return _print_count(connection, {**filters.given(), "state": "pending"})
    cancelled = 0
    is_complete = False
    while not is_complete:
        done = one(connection.request("POST", "/v1/deliveries/cancel", filters.given()))
        made = done.get("cancelled")
        cancelled += made if isinstance(made, int) else 0
        is_complete = bool(done.get("complete", True))
    if connection.is_json:
        print_json({"cancelled": cancelled, "complete": True})
    else:
        console().print(f"{cancelled} deliveries cancelled.")
    return 0


def _print_count(connection: Connection, given: dict[str, str]) -> int:
    counted: Document = one(connection.request("GET", "/v1/deliveries/count", query=given))
    if connection.is_json:
        print_json(counted)
    else:
        console().print(f"{text(counted, 'count')}{'' if counted.get('complete') else ' or more'} deliveries match.")
    return 0
