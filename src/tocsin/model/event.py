"""An event: a fact that happened, immutable, stored once."""

from __future__ import annotations

from tocsin.model.ids import EventId
from tocsin.model.noun import Noun

OWN_SUBJECT_TYPES = frozenset({"job", "record", "data_version", "endpoint", "delivery", "replay", "report"})
"""Subject types of Tocsin's own events; a producer's CloudEvent may not use them."""
OPERATIONAL_SUBJECT_TYPES = frozenset({"endpoint", "delivery", "replay", "report"})
"""Events about Tocsin itself: only for endpoints that name them."""


class CloudContext(Noun, frozen=True, kw_only=True):
    """What an accepted CloudEvent carried beside its data, kept so that it leaves as it came.

    `time` is the text as received; `extensions` are the values as they were in JSON (string, bool or int).
    """

    id: str
    source: str
    time: str | None = None
    subject: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    has_data: bool = True
    is_base64: bool = False
    extensions: dict[str, str | bool | int] = {}


class NewEvent(Noun, frozen=True, kw_only=True):
    r"""An event that has been decided on but has no position yet.

    `data` is JSON, or whatever bytes a CloudEvent brought. `keys` are the subjects whose order it takes part in, when
    that is more than its own (the parts of a merge); each is `<subject type>\\0<subject id>`.
    """

    id: EventId
    tenant: str
    type: str
    subject_type: str
    subject_id: str
    verb: str
    time: int
    data: bytes
    keys: tuple[str, ...] = ()
    cloud: CloudContext | None = None


class Event(NewEvent, frozen=True, kw_only=True):
    """An event in the log. `position` is its place in the total order, `accepted_at` when Tocsin took it (ms)."""

    position: int
    accepted_at: int

    @property
    def is_erased(self) -> bool:
        """Whether its subject was erased: only its place in the log is left. Any other event has data, or a CloudEvent's context."""
        return not self.data and self.cloud is None


def order_keys(event: NewEvent) -> tuple[str, ...]:
    """The keys whose order this event takes part in; none for an event without a subject."""
    if event.keys:
        return event.keys
    return (f"{event.subject_type}\0{event.subject_id}",) if event.subject_id else ()
