"""What can go wrong for a caller: one class per problem type (RFC 9457).

`type` is `/problems/<slug>`, which a running server answers with the text of the class's docstring. Expected
failures travel as values of these classes (a refused report in an array); misuse is raised.
"""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

MAX_TEXT: Final = 500
MAX_ERRORS: Final = 100
"""A problem may quote what was sent: this long a text, and this many bad fields, are shown of it."""
_OF_ALL: Final = frozenset({"type", "title", "status", "detail", "errors"})


class FieldError(msgspec.Struct, frozen=True):
    """One bad field: a JSON pointer (RFC 6901) into the request body, or the name of a header or query parameter."""

    pointer: str
    detail: str


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."


class TocsinError(Exception):
    """Base of every problem; never raised itself."""

    slug: ClassVar[str] = "internal-error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong inside Tocsin."

    def __init__(self, detail: str = "", *, errors: tuple[FieldError, ...] = (), **members: object) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = errors
        self.members = members

    def problem(self) -> dict[str, object]:
        """The members of the problem document, extensions last."""
        document: dict[str, object] = {"type": f"/problems/{self.slug}", "title": self.title, "status": self.status}
        if self.detail:
            document["detail"] = _cut(self.detail)
        if self.errors:
            document["errors"] = [FieldError(_cut(e.pointer), _cut(e.detail)) for e in self.errors[:MAX_ERRORS]]
        return document | self.members

    def under(self, prefix: str) -> TocsinError:
        """The same problem with its pointers moved below `prefix`: an item's problem seen from its array."""
        moved = tuple(FieldError(prefix + e.pointer, e.detail) for e in self.errors) or (
            FieldError(prefix, self.detail),
        )
        return type(self)(self.detail, errors=moved, **self.members)


class MalformedJson(TocsinError):
    """The body is not JSON, or not UTF-8. Nothing was read from it."""

    slug, status, title = "malformed-json", 400, "The body is not valid JSON."


class MalformedRequest(TocsinError):
    """The request itself is off: a missing body, an unreadable header or cursor."""

    slug, status, title = "malformed-request", 400, "The request cannot be read."


class Unauthenticated(TocsinError):
    """There is no API key in the Authorization header, or it is unknown, expired or revoked."""

    slug, status, title = "unauthenticated", 401, "A valid API key is needed."


class Forbidden(TocsinError):
    """The API key's role or tenant does not allow this."""

    slug, status, title = "forbidden", 403, "This API key may not do that."


class NotFound(TocsinError):
    """Nothing by this name exists, or it belongs to another tenant."""

    slug, status, title = "not-found", 404, "There is no such thing."


class MethodNotAllowed(TocsinError):
    """The address exists but does not answer this method."""

    slug, status, title = "method-not-allowed", 405, "The method is not allowed here."


class RequestTimeout(TocsinError):
    """The headers were not complete after 10 seconds, or the body after 60."""

    slug, status, title = "request-timeout", 408, "The request took too long to arrive."


class Conflict(TocsinError):
    """The request is right in itself but does not fit the present state of what it names."""

    slug, status, title = "conflict", 409, "That does not fit the present state."


class IllegalTransition(Conflict):
    """The job cannot go from `current_state` to the reported state. See the table of job states."""

    slug, status, title = "illegal-transition", 409, "The job cannot enter that state now."


class VersionConflict(Conflict):
    """`version_id` was used for another change, or is lower than one already used."""

    slug, status, title = "version-conflict", 409, "The version id cannot be used for this change."


class RequestRunning(Conflict):
    """A request with this Idempotency-Key is still being worked on. Ask again shortly."""

    slug, status, title = "request-running", 409, "A request with this Idempotency-Key is still running."


class TooLarge(TocsinError):
    """More than 1000 items or more than 10 MiB in one request."""

    slug, status, title = "too-large", 413, "The request is too large."


class AddressTooLong(TocsinError):
    """The path and query of the request have more than 16 KiB."""

    slug, status, title = "address-too-long", 414, "The address is too long."


class UnsupportedMediaType(TocsinError):
    """The Content-Type is not one that this address reads, or the Content-Encoding is not gzip."""

    slug, status, title = "unsupported-media-type", 415, "The content type is not supported."


class InvalidRequest(TocsinError):
    """A field is missing, unknown or has a value that is not allowed; `errors` points at each one found."""

    slug, status, title = "invalid-request", 422, "A field of the request is not right."

    @classmethod
    def at(cls, pointer: str, detail: str) -> InvalidRequest:
        """The common case of a single bad field."""
        return cls(detail, errors=(FieldError(pointer, detail),))


class IdempotencyKeyReused(InvalidRequest):
    """The Idempotency-Key was used with another body in the last 24 hours."""

    slug, status, title = "idempotency-key-reused", 422, "The Idempotency-Key belongs to another request body."


class Overloaded(TocsinError):
    """More is waiting to be written than may wait. Nothing was accepted; try again after `retry_after_seconds`."""

    slug, status, title = "overloaded", 429, "Too much is waiting. Try again shortly."


class TooManyWatchers(TocsinError):
    """32 tails are open with this tenant's keys, or 128 in all. Close one, or try again after `retry_after_seconds`."""

    slug, status, title = "too-many-watchers", 429, "Too many tails are open."


class HeadersTooLarge(TocsinError):
    """The request has more than 200 headers, or more than 64 KiB of them."""

    slug, status, title = "headers-too-large", 431, "The headers are too large."


class TooManyConnections(TocsinError):
    """As many connections as the server keeps are open. Try again after `retry_after_seconds`."""

    slug, status, title = "too-many-connections", 503, "Too many connections are open."


class StoreUnavailable(TocsinError):
    """The store cannot be written or read at the moment, or a query took too long. Nothing was accepted."""

    slug, status, title = "store-unavailable", 503, "The store is not available at the moment."


class IntakeUnavailable(TocsinError):
    """The replicated intake (`TOCSIN_NATS`) takes nothing at the moment: its servers cannot be reached or do not agree. Try again after
    `retry_after_seconds`, best with an Idempotency-Key: what was sent may have been taken all the same."""

    slug, status, title = "intake-unavailable", 503, "The intake takes nothing at the moment."


class StorageFull(TocsinError):
    """The disk is full, or less of it is free than the reserve that settling and retention need (`TOCSIN_DISK_RESERVE`). Nothing was
    accepted."""

    slug, status, title = "storage-full", 507, "The disk is full."


class Misconfigured(TocsinError):
    """A setting is missing or wrong; the server does not start with it."""

    slug, status, title = "misconfigured", 500, "A setting is wrong."


def problem_of(document: dict[str, object]) -> TocsinError:
    """The problem that was written as this document (`TocsinError.problem`)."""
    slug = str(document.get("type", "")).removeprefix("/problems/")
    waiting: list[type[TocsinError]] = [TocsinError]
    kind = TocsinError
    while waiting:
        one = waiting.pop()
        if one.slug == slug:
            kind = one
            break
        waiting += one.__subclasses__()
    given = document.get("errors", [])
    errors = tuple(msgspec.convert(given, list[FieldError]))
    members = {name: value for name, value in document.items() if name not in _OF_ALL}
    problem = kind(str(document.get("detail", "")), errors=errors)
    problem.members = members
    return problem
