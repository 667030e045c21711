"""`tail`: events as they are accepted and attempts as they are made, live."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.following import end_on_sigterm, followed
from tocsin.cli.lists import Document, items, part, parts, text
from tocsin.cli.output import console, print_json, visible, word
from tocsin.cli.reporting import Flag
from tocsin.client import Problem
from tocsin.client.streaming import Message

Many = Annotated[list[str] | None, Parameter(negative=())]
_SHOWN: Final = frozenset({"event", "attempt"})


def tail(  # noqa: PLR0913 (each is a filter of its own)
    *,
    kind: Literal["event", "attempt"] | None = None,
    event_type: Many = None,
    subject_type: str | None = None,
    subject_id: str | None = None,
    event: str | None = None,
    job: str | None = None,
    endpoint: str | None = None,
    state: Literal["pending", "delivered", "dead", "cancelled"] | None = None,
    outcome: Literal["delivered", "retry", "rejected"] | None = None,
    after: int | None = None,
    count: int | None = None,
    no_bodies: Flag = False,
    connection: Connection = HERE,
) -> int:
    """Watch events and attempts live. Ctrl-C ends it.

    `tocsin tail --event-type 'job.*'`. It goes on when the server was away, and then shows the events that were accepted meanwhile.

    :param kind: Only events, or only attempts.
    :param event_type: Only of events of this type; a glob (`job.*`); may be repeated.
    :param subject_type: Only of events about this: `job`, `record`, ...
    :param subject_id: Only of events about this one.
    :param event: Only of this event, by its id.
    :param job: Only of events about this job.
    :param endpoint: Only attempts to this endpoint, by its id.
    :param state: Only attempts after which the delivery is in this state.
    :param outcome: Only attempts with this outcome.
    :param after: Begin with the events behind this position.
    :param count: End after so many events and attempts.
    :param no_bodies: In JSON, leave out the data of events and the bodies of attempts.
    """
    is_text = not connection.is_json
    query = {
        "kind": kind,
        "event_type": ",".join(event_type) if event_type else None,
        "subject_type": subject_type,
        "subject_id": subject_id,
        "event": event,
        "job": job,
        "endpoint": endpoint,
        "state": state,
        "outcome": outcome,
        "after": None if after is None else str(after),
        "bodies": "false" if no_bodies or is_text else None,
    }
    end_on_sigterm()
    screen, names = console(), EndpointNames(connection)
    left = count
    try:
        for message in followed(connection, query):
            if is_text:
                print_message(screen, message, names)
            else:
                print_json({"kind": message.name, message.name: message.data}, line=True)
            if left is not None and message.name in _SHOWN:
                left -= 1
                if left <= 0:
                    break
    except KeyboardInterrupt:
        return 0
    return 0


class EndpointNames:
    """Names of endpoints by id, asked for when there is one that is not known; ids where they may not be read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._names: dict[str, str] = {}

    def __getitem__(self, endpoint_id: str) -> str:
        if endpoint_id not in self._names:
            try:
                found = {text(e, "id"): text(e, "name") for e in items(self._connection, "/v1/endpoints", {}, 500)}
            except Problem:
                found = {}
            self._names |= {endpoint_id: endpoint_id or "(deleted)", **found}
        return self._names[endpoint_id]


def print_message(screen: Console, message: Message, names: EndpointNames) -> None:
    """One line."""
    match message.name:
        case "watching":
            tenant = text(message.data, "tenant")
            whose = f"tenant {tenant}" if tenant else "all tenants"
            console(stderr=True).print(f"Watching {whose} (Ctrl-C ends it)", style="bold", soft_wrap=True)
        case "event":
            screen.print(_event_line(message.data), soft_wrap=True)
        case "attempt":
            screen.print(_attempt_line(message.data, names), soft_wrap=True)
        case "dropped":
            screen.print(dropped_line(message), soft_wrap=True)
        case _:
            pass


def dropped_line(message: Message) -> Text:
    """How much was lost."""
    count = text(message.data, "count")
    lost = f"{count} were lost: they came faster than they were taken" if count else "more was missed than is shown"
    return Text(f"              {lost}", "yellow")


def clock(time: str) -> str:
    """A time of the server as it is here, to the millisecond."""
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except ValueError:
        return visible(time)


def begun_line(time: str, what: str, event_type: str, subject_id: str) -> Text:
    """When, what, and about what, in columns."""
    return Text.assemble(
        (clock(time), "dim"),
        f"  {what}",
        (f"{visible(event_type):<22} ", "bold cyan"),
        f"{visible(subject_id):<20} ",
    )


def _event_line(event: Document) -> Text:
    line = begun_line(text(event, "accepted_at"), "event    ", text(event, "type"), text(event, "subject_id"))
    line.append("erased " if event.get("erased") else "", "yellow")
    line.append(visible(text(event, "id")), "dim")
    return line


def _attempt_line(seen: Document, names: EndpointNames) -> Text:
    attempt, deliveries = part(seen, "attempt"), parts(seen, "deliveries")
    first: Document = deliveries[0] if deliveries else {}
    started_at = text(attempt, "started_at")
    line = begun_line(started_at, "attempt  ", text(first, "event_type"), text(first, "subject_id"))
    if len(deliveries) > 1:
        line.append(f"(batch of {len(deliveries)}) ", "dim")
    line.append(f"-> {visible(names[text(seen, 'endpoint_id')])} ")
    number = text(attempt, "number")
    line.append(f"attempt {number} " if number != "1" else "", "yellow")
    state = text(first, "state")
    line.append_text(word("retry" if state == "pending" else state))
    status, error = text(part(attempt, "response"), "status"), part(attempt, "error")
    line.append(f" {status or visible(text(error, 'kind'))}")
    line.append(f" in {_milliseconds(part(attempt, 'timings_ms'))}")
    if following := text(attempt, "next_attempt_at"):
        line.append(f", next at {clock(following)}", "yellow")
    return line


def _milliseconds(timings: Document) -> str:
    total = timings.get("total")
    return f"{total:.0f} ms" if isinstance(total, (int, float)) else ""
