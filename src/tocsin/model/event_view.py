"""An event with its data decoded at most once, however many endpoints look at it."""

from __future__ import annotations

from tocsin.model.event import Event
from tocsin.model.job import JobData, decode_job
from tocsin.model.record import DataVersionData, RecordData, decode_data_version, decode_record


class EventView:
    """Lazily decoded data of Tocsin's own events; each is None when the event is about something else. `envelope` is a producer's
    CloudEvent as it leaves, once it was rendered: the same for every endpoint; so is `trace`, what stands before and
    behind the span in its trace context."""

    __slots__ = ("_data", "envelope", "event", "trace", "where_context")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._data: JobData | RecordData | DataVersionData | None = None
        self.where_context: object = None
        self.envelope: bytes | None = None
        self.trace: tuple[str, str] | None = None

    def _decoded(self) -> JobData | RecordData | DataVersionData | None:
        if self._data is None and self.event.cloud is None:
            match self.event.subject_type:
                case "job":
                    self._data = decode_job(self.event.data)
                case "record":
                    self._data = decode_record(self.event.data)
                case "data_version":
                    self._data = decode_data_version(self.event.data)
                case _:
                    pass
        return self._data

    @property
    def job(self) -> JobData | None:
        data = self._decoded()
        return data if isinstance(data, JobData) else None

    @property
    def record(self) -> RecordData | None:
        data = self._decoded()
        return data if isinstance(data, RecordData) else None

    @property
    def data_version(self) -> DataVersionData | None:
        data = self._decoded()
        return data if isinstance(data, DataVersionData) else None
