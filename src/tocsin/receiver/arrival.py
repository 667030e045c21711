"""A request as the receiver got it, and what can be read from it whatever its format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a payload says about itself. `name` is the event type in the payload's own words (`job.succeeded`,
    `work.completed`, `FINISHED`, `jobResultSuccess`), `subject` what it is about; empty where it does not say."""

    format: str
    name: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request. `at` is Unix seconds, header names are lower case, `status` the answer decided
    on. `verified` is None when there was nothing to verify with."""

    number: int
    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    verified: bool | None
    problem: str | None
    is_duplicate: bool
    connection: int

    @property
    def webhook_id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def attempt(self) -> int:
        """The attempt's number, 1 when the request does not say."""
        text = self.headers.get("webhook-attempt", "1")
        return int(text) if text.isascii() and text.isdigit() else 1

    @property
    def reading(self) -> Reading:
        return reading_of(self.headers, self.body)

    def json(self) -> object:
        """The decoded body; ValueError when it is not JSON."""
        value: object = json.loads(self.body)
        return value


def reading_of(headers: Mapping[str, str], body: bytes) -> Reading:
    """Tell the format by its shape, and find type and subject in it."""
    if "ce-type" in headers:
        return Reading(format="cloudevents binary", name=headers["ce-type"], subject=headers.get("ce-subject", ""))
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return Reading(format="")
    if isinstance(document, list):
        first = _read(document[0]) if document else Reading(format="")
        return Reading(format=first.format, name=f"{first.name} (batch of {len(document)})", subject=first.subject)
    return _read(document)


def _read(document: object) -> Reading:
    if not isinstance(document, dict):
        return Reading(format="")
    if "specversion" in document:
        return Reading(
            format="cloudevents", name=_text(document, "type"), subject=_text(document, "subject") or _subject(document)
        )
    if "subject_type" in document and "verb" in document:
        name = f"{_text(document, 'subject_type')}.{_text(document, 'verb')}"
        return Reading(format="lytics", name=name, subject=_text(document, "subject_id"))
    if "eventType" in document and "event" in document:
        event = document["event"]
        subject = _text(event, "jobid") or _text(event, "dataCategoryId")
        return Reading(format="visier", name=_text(document, "eventType"), subject=subject)
    if "jobId" in document and "status" in document:
        return Reading(format="telmai", name=_text(document, "status"), subject=_text(document, "jobId"))
    if "type" in document and "data" in document:
        return Reading(format="standard_webhooks", name=_text(document, "type"), subject=_subject(document))
    return Reading(format="")


def _subject(document: Mapping[str, object]) -> str:
    """The job or record inside `data`, in our spelling or in Tamr's."""
    data = document.get("data")
    for table, record in (("table", "record_id"), ("tableId", "recordId")):
        if _text(data, record):
            return f"{_text(data, table)}/{_text(data, record)}"
    return _text(data, "job_id") or _text(data, "jobId") or _text(data, "data_category_id")


def _text(holder: object, name: str) -> str:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""
