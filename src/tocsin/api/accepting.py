"""The accept routes: a plain ASGI branch in front of everything else, because they are the hot path.

One request: who is asking, the body, one typed decoding, one submission to accept, its answer. What most requests need of it
is done without ASGI by `api.direct`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final, cast
from urllib.parse import parse_qsl

import msgspec

from tocsin.api.asgi import Disconnected, Headers, Receive, Scope, Send, send_json, send_problem
from tocsin.api.auth import POSTERS, allow, authenticated, tenant_to_write
from tocsin.api.change_decoding import decode_changes
from tocsin.api.cloudevents import decode_cloudevents
from tocsin.api.decoding import decode_data_versions, decode_reports
from tocsin.api.head import Head, read_content
from tocsin.api.idempotency import idempotency_key
from tocsin.api.run_events import decode_run_events
from tocsin.api.services import Services
from tocsin.errors import InvalidRequest, TocsinError
from tocsin.model.access import Caller
from tocsin.model.intake import Handed, Sent
from tocsin.model.submission import (
    Changes,
    CloudEvents,
    DataVersions,
    IdempotencyKey,
    Reports,
    RunEvents,
    Submission,
    Verdict,
)
from tocsin.pipeline.intake import UnknownForm
from tocsin.telemetry import log

LARGE_BYTES: Final = 128 * 1024
"""A body from this size on is decoded beside the event loop, which it would keep busy for more than a millisecond."""
NOTHING: Final = Verdict(status=202, body=b'{"results":[]}')
"""On a batch without events, of which accept does not hear."""
Body = Reports | RunEvents | Changes | DataVersions | CloudEvents


Decode = Callable[[bytes, Head], tuple[str | None, Body]]


def _reports(body: bytes, _: Head) -> tuple[str | None, Body]:
    return decode_reports(body)


def _changes(body: bytes, _: Head) -> tuple[str | None, Body]:
    return decode_changes(body)


def _data_versions(body: bytes, _: Head) -> tuple[str | None, Body]:
    return decode_data_versions(body)


def _cloudevents(body: bytes, head: Head) -> tuple[str | None, Body]:
    return None, decode_cloudevents(body, head.content_type, head.ce)


def _run_events(body: bytes, _: Head) -> tuple[str | None, Body]:
    return None, decode_run_events(body, is_batch=False)


def _run_event_batch(body: bytes, _: Head) -> tuple[str | None, Body]:
    return None, decode_run_events(body, is_batch=True)


ACCEPT_ROUTES: Final[Mapping[str, Decode]] = {
    "/v1/jobs/reports": _reports,
    "/v1/records/changes": _changes,
    "/v1/data-versions": _data_versions,
    "/v1/events": _cloudevents,
    "/api/v1/lineage": _run_events,
    "/api/v1/lineage/batch": _run_event_batch,
}


async def accept_request(services: Services, decode: Decode, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request to an accept route."""
    try:
        verdict = await _verdict(services, decode, scope, receive)
    except TocsinError as problem:
        await send_problem(send, problem)
    except Disconnected:
        return
    except Exception as fault:  # noqa: BLE001 (the outermost place: whatever went wrong, the client gets an answer)
        log.error("accept.fault", path=scope["path"], exc_info=fault)
        await send_problem(send, TocsinError())
    else:
        await send_json(send, verdict.status, verdict.body)


async def _verdict(services: Services, decode: Decode, scope: Scope, receive: Receive) -> Verdict:
    head = Head(cast("Headers", scope["headers"]))
    caller = authenticated(services.keys, head.authorization)
    allow(caller, POSTERS)
    in_query = tenant_in(cast("bytes", scope["query_string"]))
    raw = await read_content(receive, head)
    decoded = decode(raw, head) if len(raw) < LARGE_BYTES else await asyncio.to_thread(decode, raw, head)
    submission = submission_of(services, caller, in_query, decoded, len(raw))
    if head.idempotency_key is not None:
        submission = kept_under(head.idempotency_key, cast("str", scope["path"]), submission, await body_hash(raw))
    if is_empty(submission):
        return NOTHING
    if services.door is not None:
        return (await services.door(submission, sent_of(cast("str", scope["path"]), head, raw))).verdict
    accepted = await services.accept(submission)
    if isinstance(accepted, TocsinError):
        raise accepted
    if accepted.verdict.problem is not None:
        raise accepted.verdict.problem
    return accepted.verdict


def sent_of(path: str, head: Head, content: bytes) -> Sent:
    """What goes through the replicated intake, to be read once more by `read_again`."""
    return Sent(route=path, content_type=head.content_type, ce=head.ce, body=content)


async def read_again(handed: Handed) -> Submission | TocsinError:
    """The submission that was handed in. Raises UnknownForm when this version has no such route."""
    sent = handed.sent
    decode = ACCEPT_ROUTES.get(sent.route)
    if decode is None:
        raise UnknownForm
    named = [(f"ce-{name}".encode("latin-1"), value.encode("latin-1")) for name, value in sent.ce.items()]
    head = Head([(b"content-type", sent.content_type.encode("latin-1")), *named])
    try:
        is_small = len(sent.body) < LARGE_BYTES
        _, body = decode(sent.body, head) if is_small else await asyncio.to_thread(decode, sent.body, head)
    except TocsinError as problem:
        return problem
    return Submission(
        tenant=handed.tenant,
        received_at=handed.received_at,
        size=len(sent.body),
        body=body,
        idempotency=handed.idempotency,
    )


def submission_of(
    services: Services, caller: Caller, in_query: str | None, decoded: tuple[str | None, Body], size: int
) -> Submission:
    """What is handed to accept. Raises Forbidden, InvalidRequest."""
    in_body, body = decoded
    tenant = tenant_to_write(caller, in_body, in_query)
    return Submission(tenant=tenant, received_at=services.now_ms(), size=size, body=body)


def kept_under(key: bytes, path: str, submission: Submission, body_hash: bytes) -> Submission:
    """The submission of a request with an Idempotency-Key. Raises MalformedRequest."""
    kept = IdempotencyKey(route=f"POST {path}", key=idempotency_key(key), body_hash=body_hash)
    return msgspec.structs.replace(submission, idempotency=kept)


def is_empty(submission: Submission) -> bool:
    """Whether there is nothing to accept."""
    return isinstance(submission.body, CloudEvents) and not submission.body.items


async def body_hash(content: bytes) -> bytes:
    """By what a repeated Idempotency-Key recognises the same body: its content, as two compressions of it may differ."""
    digest = sha256(content) if len(content) < LARGE_BYTES else await asyncio.to_thread(sha256, content)
    return digest.digest()


def tenant_in(query: bytes) -> str | None:
    """The tenant that a query names. Raises InvalidRequest."""
    tenant = None
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name != "tenant":
            raise InvalidRequest.at(name, "There is no such query parameter here.")
        tenant = value
    return tenant
