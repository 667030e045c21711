"""A piece of Python as a reported job: a `with` block or a decorated function."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import re
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import ParamSpec, Protocol, Self, TypeVar, Unpack, cast

from tocsin.client.fields import JobFields, ReportFields, ordered_uuid

P = ParamSpec("P")
R = TypeVar("R")


class Reports(Protocol):
    """Whatever takes reports: a Client or a Reporter."""

    def report(self, job_id: str, **fields: Unpack[ReportFields]) -> object: ...


_current: ContextVar[JobRun | None] = ContextVar("tocsin_job", default=None)


def current_job() -> JobRun | None:
    """The job that the running code is inside of."""
    return _current.get()


class JobRun:
    """One run of a job: `running` on entry; on exit `succeeded`, `failed` (an exception, which goes on) or `stopped`
    (interrupted or cancelled)."""

    def __init__(self, reports: Reports | Callable[[], Reports], job_type: str, fields: JobFields) -> None:
        self.job_type = job_type
        self.job_id = fields.get("job_id") or f"{job_type}-{ordered_uuid()}"
        self._reports = reports
        self._fields = fields
        self._outer: Token[JobRun | None] | None = None
        self._is_over = False

    def progress(self, details: str) -> None:
        """Say how far it is."""
        self._report(signal="progressed", details=details)

    def state(self, state: str, details: str | None = None) -> None:
        """Enter another state (`preparing`, `waiting`, `running`, ...)."""
        if details is None:
            self._report(state=state)
        else:
            self._report(state=state, details=details)

    def signal(self, signal: str) -> None:
        """Give a signal (`syncing`, `synced`, `sync_completed`, ...)."""
        self._report(signal=signal)

    def fail(self, reason: str, message: str = "") -> None:
        """End the job as failed without an exception."""
        self._is_over = True
        self._report(state="failed", error={"reason": reason, "message": message})

    def __enter__(self) -> Self:
        parent = _current.get()
        parent_id = self._fields.get("parent_job_id") or (parent.job_id if parent else os.environ.get("TOCSIN_JOB_ID"))
        first: ReportFields = {"state": "running", "job_type": self.job_type}
        if parent_id and parent_id != self.job_id:
            first["parent_job_id"] = parent_id
        known = {name: value for name, value in self._fields.items() if name not in {"job_id", "parent_job_id"}}
        self._report(**cast("ReportFields", {**known, **first}))
        self._outer = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._outer is not None:
            _current.reset(self._outer)
            self._outer = None
        if self._is_over:
            return
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self._report(state="succeeded")
        elif isinstance(error, (KeyboardInterrupt, asyncio.CancelledError, GeneratorExit)):
            self._report(state="stopped")
        else:
            self.fail(_reason(error), str(error)[:2000])

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """As a decorator: every call is a run of its own."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: P.args, **kwargs: P.kwargs) -> object:
                with self._again():
                    return await function(*args, **kwargs)

            return cast("Callable[P, R]", awaited)

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._again():
                return function(*args, **kwargs)

        return called

    def _again(self) -> JobRun:
        return JobRun(self._reports, self.job_type, self._fields)

    def _report(self, **fields: Unpack[ReportFields]) -> None:
        reports = self._reports() if callable(self._reports) else self._reports
        reports.report(self.job_id, **fields)


def _reason(error: BaseException) -> str:
    """`ZeroDivisionError` becomes `ZERO_DIVISION_ERROR`, at most 63 characters."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(error).__name__)
    return words.strip("_").upper()[:63] or "JOB_FAILED"
