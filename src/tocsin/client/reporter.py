"""Reporting in the background: never blocks, never raises, keeps a bounded buffer while the server is away."""

from __future__ import annotations

import atexit
import functools
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Unpack

from tocsin.client.client import Client
from tocsin.client.fields import (
    ChangeFields,
    EventFields,
    JobFields,
    ReportFields,
    change_body,
    event_body,
    ordered_uuid,
    report_body,
)
from tocsin.client.jobs import JobRun
from tocsin.client.transport import Problem, Unreachable, encoded

_BATCH: Final = 100
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
_REPORTS: Final = "/v1/jobs/reports"
_log = logging.getLogger("tocsin.client")


@dataclass(frozen=True, slots=True)
class _Waiting:
    path: str
    body: bytes
    content_type: str


class Reporter:
    """Takes what a Client takes and sends it in order from a thread of its own, with the time at which it was said.

    While the server is away it keeps up to `capacity` submissions and tries again; beyond that new ones are dropped
    and counted in `dropped`. What the server refuses is counted in `refused` and logged (logger `tocsin.client`).
    A forked process starts with an empty buffer and should `flush` before it ends.
    """

    def __init__(self, client: Client | None = None, *, capacity: int = 10_000, close_seconds: float = 5.0) -> None:
        """At the end of the process what is waiting is sent for at most `close_seconds`."""
        self.dropped = 0
        self.refused = 0
        self._client = client or Client()
        self._capacity = capacity
        self._reset()
        self._at_exit = functools.partial(self.close, close_seconds)
        atexit.register(self._at_exit)

    def report(self, job_id: str, **fields: Unpack[ReportFields]) -> None:
        self._put(_REPORTS, {"time": _now(), **report_body(job_id, fields)})

    def change(
        self, action: str, record_id: str, data: Mapping[str, object] | None = None, **fields: Unpack[ChangeFields]
    ) -> None:
        self._put("/v1/records/changes", {"time": _now(), **change_body(action, record_id, data, fields)})

    def data_version(self, data_category_id: str, data_version: str) -> None:
        body = {"time": _now(), "data_category_id": data_category_id, "data_version": data_version}
        self._put("/v1/data-versions", body)

    def emit(self, event_type: str, data: object = None, **fields: Unpack[EventFields]) -> None:
        body = {"time": _now(), **event_body(event_type, data, fields)}
        self._put("/v1/events", body, "application/cloudevents+json")

    def job(self, job_type: str, **fields: Unpack[JobFields]) -> JobRun:
        """Report a `with` block or a function as a job, without ever being in its way."""
        return JobRun(self, job_type, fields)

    def flush(self, seconds: float = 10.0) -> bool:
        """Wait until all is sent; whether it was."""
        self._notice_fork()
        with self._change:
            return self._change.wait_for(self._is_idle, seconds)

    def close(self, seconds: float = 5.0) -> bool:
        """Send what is waiting for at most so long, then end; whether nothing was lost. What comes later is dropped."""
        atexit.unregister(self._at_exit)
        self._notice_fork()
        with self._change:
            self._is_closing = True
            self._change.notify_all()
            is_done = self._change.wait_for(self._is_idle, seconds)
            self.dropped += len(self._buffer) + self._in_flight
            self._buffer.clear()
            self._is_given_up = True
            self._change.notify_all()
        if is_done:
            if self._thread is not None:
                self._thread.join(seconds)
            self._client.close()
        return is_done

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._change = threading.Condition()
        self._buffer: deque[_Waiting] = deque()
        self._in_flight = 0
        self._is_closing = False
        self._is_given_up = False
        self._thread: threading.Thread | None = None

    def _notice_fork(self) -> None:
        """The parent's thread and lock are not ours, and it sends what was in its buffer."""
        if self._pid != os.getpid():
            self._reset()

    def _is_idle(self) -> bool:
        return not self._buffer and not self._in_flight

    def _put(self, path: str, body: Mapping[str, object], content_type: str = "application/json") -> None:
        self._notice_fork()
        try:
            waiting = _Waiting(path, encoded(body), content_type)
        except (TypeError, ValueError) as error:
            self.refused += 1
            _log.warning("a submission is not JSON: %s", error)
            return
        with self._change:
            if self._is_closing or len(self._buffer) >= self._capacity:
                self.dropped += 1
                if self.dropped == 1:
                    _log.warning("the buffer is full or closed; submissions are being dropped")
                return
            self._buffer.append(waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tocsin-reporter", daemon=True)
                self._thread.start()
            self._change.notify_all()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: bool(self._buffer) or self._is_closing)
                batch = self._take()
                if not batch:
                    return
            self._deliver(batch)
            with self._change:
                self._in_flight = 0
                self._change.notify_all()

    def _take(self) -> list[_Waiting]:
        """The next submission, with the reports that follow it if it is one: those may share a request."""
        batch: list[_Waiting] = []
        while self._buffer and len(batch) < _BATCH and (not batch or self._buffer[0].path == batch[0].path == _REPORTS):
            batch.append(self._buffer.popleft())
        self._in_flight = len(batch)
        return batch

    def _deliver(self, batch: list[_Waiting]) -> None:
        """Try until the server has taken or refused it, or until given up."""
        key = ordered_uuid()
        wait = _FIRST_WAIT
        while not self._send(batch, key):
            until = time.monotonic() + wait
            with self._change:
                while not self._is_given_up and (left := until - time.monotonic()) > 0:
                    self._change.wait(left)
                    if self._is_closing:
                        until = min(until, time.monotonic() + _FIRST_WAIT)
                if self._is_given_up:
                    return
            wait = min(wait * 2, _FIRST_WAIT if self._is_closing else _LONGEST_WAIT)

    def _send(self, batch: list[_Waiting], key: str) -> bool:
        """Whether it is settled; False: try again later."""
        first = batch[0]
        body = b"[" + b",".join(waiting.body for waiting in batch) + b"]" if first.path == _REPORTS else first.body
        try:
            answer = self._client.request(
                "POST", first.path, body, content_type=first.content_type, idempotency_key=key
            )
        except Problem as problem:
            if problem.status >= 500 or problem.status == 429 or problem.type == "request-running":
                _log.info("the server cannot take submissions now: %s", problem)
                return False
            if problem.status == 413 and len(batch) > 1:
                middle = len(batch) // 2
                self._deliver(batch[:middle])
                self._deliver(batch[middle:])
                return True
            self.refused += len(batch)
            _log.warning("%d submissions were refused: %s", len(batch), problem)
        except Unreachable as error:
            _log.info("%s", error)
            return False
        except Exception:  # noqa: BLE001 (whatever it is, the thread must live on for the next submissions)
            self.refused += len(batch)
            _log.exception("%d submissions cannot be sent", len(batch))
        else:
            self._count_refused(answer)
        return True

    def _count_refused(self, answer: object) -> None:
        results = answer.get("results") if isinstance(answer, dict) else None
        for result in results if isinstance(results, list) else ():
            if isinstance(result, dict) and result.get("outcome") == "refused":
                self.refused += 1
                _log.warning("the report on job %s was refused: %s", result.get("job_id"), result.get("problem"))


@functools.cache
def default_reporter() -> Reporter:
    """The reporter made from TOCSIN_URL, TOCSIN_API_KEY and TOCSIN_TENANT, when it is first needed."""
    return Reporter()


def job(job_type: str, **fields: Unpack[JobFields]) -> JobRun:
    """Report a function or a `with` block as a job through the default reporter."""
    return JobRun(default_reporter, job_type, fields)


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
