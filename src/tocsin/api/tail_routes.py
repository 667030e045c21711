"""The live tail over HTTP: a stream of server-sent events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.api.auth import READERS
from tocsin.api.paging import TENANT
from tocsin.api.routing import Parameter, Reply, Request, Route
from tocsin.api.shapes import EventShown
from tocsin.api.tailing import AttemptSeen, DroppedShown, EndShown, Tail, WatchingShown
from tocsin.errors import InvalidRequest, TooManyWatchers
from tocsin.model.attempt import Outcome
from tocsin.model.delivery import DeliveryState
from tocsin.model.ids import EndpointId, EventId
from tocsin.model.watch import Kind, Watch

EVENT_STREAM: Final = "text/event-stream"
MOST_TYPES: Final = 50
KINDS: Final[Mapping[str, Kind]] = {"event": "event", "attempt": "attempt"}
OUTCOMES: Final[Mapping[str, Outcome]] = {"delivered": "delivered", "retry": "retry", "rejected": "rejected"}
_LAST: Final = "last-event-id"


async def _tail(request: Request) -> Reply:
    caller, services = request.caller, request.services
    assert caller is not None
    watch = _watch(request)
    named = request.header(_LAST.encode())
    after = _position(request.query.get("after"), "after") if named is None else _position(named, _LAST)
    watcher = services.tails.watch(watch, caller.tenant)
    tail = Tail(
        services.tails,
        watcher,
        services.views,
        lambda: services.keys.opens(caller.key_id),
        after=after,
        bodies=request.query.get("bodies") != "false",
    )
    return Reply(stream=tail, content_type=EVENT_STREAM)


def _watch(request: Request) -> Watch:
    query = request.query
    event, endpoint, state = query.get("event"), query.get("endpoint"), query.get("state")
    return Watch(
        tenant=request.tenant_read(),
        kind=KINDS.get(query.get("kind", "")),
        event_types=_event_types(query.get("event_type"), query.get("type")),
        subject_type=query.get("subject_type"),
        subject_id=query.get("subject_id"),
        event=None if event is None else EventId(event),
        job=query.get("job"),
        endpoint=None if endpoint is None else EndpointId(endpoint),
        state=None if state is None else DeliveryState(state),
        outcome=OUTCOMES.get(query.get("outcome", "")),
    )


def _event_types(named: str | None, also_named: str | None) -> tuple[str, ...] | None:
    """The globs, which commas part."""
    if named is not None and also_named is not None:
        raise InvalidRequest.at("type", "It is the same as event_type: give one of them.")
    text = also_named if named is None else named
    if text is None:
        return None
    patterns = tuple(text.split(","))
    if len(patterns) > MOST_TYPES or not all(patterns):
        where = "type" if named is None else "event_type"
        raise InvalidRequest.at(where, f"It has 1 to {MOST_TYPES} event types or globs, parted by commas.")
    return patterns


def _position(text: str | None, where: str) -> int | None:
    if text is None or (text.isascii() and text.isdigit() and len(text) <= 18):
        return None if text is None else int(text)
    raise InvalidRequest.at(where, "It must be the position of an event: a number.")


TAIL_ROUTES: Final = (
    Route(
        method="GET",
        path="/v1/tail",
        name="tail",
        summary=(
            "A live stream (server-sent events) of events as they are accepted and attempts as they are made. "
            "The stream's own events are watching, event, attempt, dropped and end."
        ),
        answer=_tail,
        roles=READERS,
        parameters=(
            TENANT,
            Parameter(name="kind", meaning="Only these; both by default.", values=tuple(KINDS)),
            Parameter(name="event_type", meaning="Event types or globs, parted by commas: `job.*,record.updated`."),
            Parameter(name="type", meaning="The same as `event_type`, by its name in the list of events."),
            Parameter(name="subject_type", meaning="What the event is about: `job`, `record`, ..."),
            Parameter(name="subject_id", meaning="Which one: a job id, `<table>/<record id>`, ..."),
            Parameter(name="event", meaning="The id of an event."),
            Parameter(name="job", meaning="The id of a job, as its producer named it."),
            Parameter(name="endpoint", meaning="The id of an endpoint: only attempts to it."),
            Parameter(
                name="state",
                meaning="Only attempts after which the delivery is in this state.",
                values=tuple(DeliveryState),
            ),
            Parameter(name="outcome", meaning="Only attempts with this outcome.", values=tuple(OUTCOMES)),
            Parameter(
                name="bodies",
                meaning="`false` leaves out the data of events and the bodies of attempts.",
                values=("true", "false"),
            ),
            Parameter(
                name="after",
                meaning="Events behind this position come first, the newest 1000 of them; `Last-Event-ID` does the same.",
            ),
        ),
        problems=(TooManyWatchers,),
        content_type=EVENT_STREAM,
        streams={
            "watching": WatchingShown,
            "event": EventShown,
            "attempt": AttemptSeen,
            "dropped": DroppedShown,
            "end": EndShown,
        },
    ),
)
