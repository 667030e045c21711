"""The calls of a producer, one method each; each returns what the server answered or raises."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self, Unpack

from tocsin.client.fields import (
    ChangeFields,
    EventFields,
    JobFields,
    ReportFields,
    change_body,
    event_body,
    report_body,
)
from tocsin.client.jobs import JobRun
from tocsin.client.streaming import Message
from tocsin.client.transport import DEFAULT_URL, Download, Problem, Transport

Answer = dict[str, object]


class Client:
    """A Tocsin server, seen by a producer. Raises Problem when it refuses and Unreachable when it does not answer.

    Without arguments it is the server at TOCSIN_URL with the key in TOCSIN_API_KEY. `tenant` is for operator keys.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        tenant: str | None = None,
        timeout_seconds: float = 10.0,
    ) -> None:
        key = api_key or os.environ.get("TOCSIN_API_KEY")
        self._transport = Transport(url or os.environ.get("TOCSIN_URL") or DEFAULT_URL, key, timeout_seconds)
        self._tenant = tenant or os.environ.get("TOCSIN_TENANT") or None

    def report(self, job_id: str, **fields: Unpack[ReportFields]) -> Answer:
        """Report on a job: a `state` or a `signal`, and in the first report the `job_type`."""
        return self._first("/v1/jobs/reports", report_body(job_id, fields))

    def report_many(self, reports: Sequence[Mapping[str, object]]) -> list[Answer]:
        """Many reports at once, each with its own outcome: a refused one does not raise."""
        return self._all("/v1/jobs/reports", list(reports))

    def change(
        self, action: str, record_id: str, data: Mapping[str, object] | None = None, **fields: Unpack[ChangeFields]
    ) -> Answer:
        """Tell of a change to a golden record: create, update, delete, merge, unmerge or enrich."""
        return self._first("/v1/records/changes", change_body(action, record_id, data, fields))

    def change_many(self, changes: Sequence[Mapping[str, object]]) -> list[Answer]:
        """Many changes at once, all or none."""
        return self._all("/v1/records/changes", list(changes))

    def data_version(self, data_category_id: str, data_version: str, *, time: str | None = None) -> Answer:
        """Tell that a version of a data category was published."""
        body = {"data_category_id": data_category_id, "data_version": data_version}
        return self._first("/v1/data-versions", body | ({"time": time} if time else {}))

    def emit(self, event_type: str, data: object = None, **fields: Unpack[EventFields]) -> Answer:
        """Send any event as a CloudEvent; the type is `<subject type>.<verb>`."""
        return self._first("/v1/events", event_body(event_type, data, fields), "application/cloudevents+json")

    def job(self, job_type: str, **fields: Unpack[JobFields]) -> JobRun:
        """Report a `with` block or a function as a job. Trouble with the server is raised into it; use a Reporter
        where a job must not suffer from that."""
        return JobRun(self, job_type, fields)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str | None] | None = None,
        content_type: str = "application/json",
        idempotency_key: str | None = None,
    ) -> object:
        """Any other call of the API; the tenant is added. A body of bytes is sent as it is."""
        named = {"tenant": self._tenant, **(query or {})}
        return self._transport.request(
            method, path, body, query=named, content_type=content_type, idempotency_key=idempotency_key
        )

    def stream(
        self, path: str, *, query: Mapping[str, str | None] | None = None, last_event_id: str | None = None
    ) -> Iterator[Message]:
        """A stream of server-sent events, as `/v1/tail` is; the tenant is added."""
        named = {"tenant": self._tenant, **(query or {})}
        return self._transport.stream(path, query=named, last_event_id=last_event_id)

    def download(self, method: str, path: str, *, timeout_seconds: float) -> Download:
        """An answer that may be large, to be read piece by piece."""
        return self._transport.download(method, path, timeout_seconds)

    @property
    def url(self) -> str:
        return self._transport.url

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _first(self, path: str, body: object, content_type: str = "application/json") -> Answer:
        return self._all(path, body, content_type)[0]

    def _all(self, path: str, body: object, content_type: str = "application/json") -> list[Answer]:
        answer = self.request("POST", path, body, content_type=content_type)
        results = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(results, list) or not results or not all(isinstance(result, dict) for result in results):
            raise Problem(502, {"title": "The answer has no results: is this a Tocsin server?"})
        return results
