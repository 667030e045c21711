"""Which deliveries are meant: the same filters in the query of a list, and in the body of what is done to all that match."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tocsin.api.decoding import millis
from tocsin.api.paging import RANGE, PageFields
from tocsin.api.routing import Parameter, Request
from tocsin.errors import InvalidRequest
from tocsin.model.delivery import DeliveryState
from tocsin.model.ids import BatchId, EndpointId, EventId, ReplayId
from tocsin.operations.pointers import invalid_field
from tocsin.ports import DeliveryQuery

FILTERS: Final = (
    *RANGE,
    Parameter(name="endpoint", meaning="The id of an endpoint."),
    Parameter(name="event", meaning="The id of an event."),
    Parameter(
        name="job",
        meaning="The id of a job, as its producer named it: short for subject type `job` and this subject id.",
    ),
    Parameter(name="batch", meaning="The id of a batch; goes with `state` and `endpoint` only."),
    Parameter(name="replay", meaning="The id of a replay; goes with `state` and `endpoint` only."),
    Parameter(name="state", meaning="The state of the delivery.", values=tuple(DeliveryState)),
    Parameter(name="reason", meaning="Why it was given up or cancelled, exactly as a delivery shows it."),
    Parameter(name="event_type", meaning="An event type, like `job.succeeded`, or a glob, like `job.*`."),
    Parameter(name="subject_type", meaning="What the event is about: `job`, `record`, ..."),
    Parameter(name="subject_id", meaning="Which one: a job id, `<table>/<record id>`, ..."),
)
_ALONE: Final = frozenset({"state", "endpoint"})


class PendingFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which pending deliveries, by the filters of the list; what is not named: of any."""

    endpoint: str | None = None
    event: str | None = None
    job: str | None = None
    batch: str | None = None
    replay: str | None = None
    event_type: str | None = None
    subject_type: str | None = None
    subject_id: str | None = None
    since: str | None = None
    until: str | None = None


def delivery_query(
    given: Mapping[str, str | None], tenant: str | None, page: PageFields, pointer: str = ""
) -> DeliveryQuery:
    """The filters with their values; `pointer` is where they are. Raises InvalidRequest for those that do not go together."""
    job, batch, replay, state = (given.get(name) for name in ("job", "batch", "replay", "state"))
    subject_type, subject_id = given.get("subject_type"), given.get("subject_id")
    if job is not None:
        if subject_type is not None or subject_id is not None:
            raise InvalidRequest.at(f"{pointer}job", "It is a subject already: leave subject_type and subject_id out.")
        subject_type, subject_id = "job", job
    for name, value in (("batch", batch), ("replay", replay)):
        others = {key for key, other in given.items() if other is not None} & {filter_.name for filter_ in FILTERS}
        if value is not None and others - _ALONE != {name}:
            raise InvalidRequest.at(pointer + name, "It goes with state and endpoint only.")
    endpoint, event = given.get("endpoint"), given.get("event")
    return DeliveryQuery(
        tenant=tenant,
        endpoint=None if endpoint is None else EndpointId(endpoint),
        event=None if event is None else EventId(event),
        batch=None if batch is None else BatchId(batch),
        replay=None if replay is None else ReplayId(replay),
        state=None if state is None else DeliveryState(state),
        reason=given.get("reason"),
        event_type=given.get("event_type"),
        subject_type=subject_type,
        subject_id=subject_id,
        **page,
    )


def pending_query(request: Request) -> DeliveryQuery:
    """Of the body. Raises InvalidRequest."""
    document = request.document()
    try:
        asked = msgspec.convert(document, PendingFilters)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from error
    given: dict[str, str | None] = {**msgspec.structs.asdict(asked), "state": "pending"}
    since, until = millis(asked.since, "/since"), millis(asked.until, "/until")
    if since is not None and until is not None and since >= until:
        raise InvalidRequest.at("/until", "The end must be later than the beginning.")
    page = PageFields(limit=0, before=None, since=since, until=until)
    return delivery_query(given, request.tenant_read(), page, "/")
