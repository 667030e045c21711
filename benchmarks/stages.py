"""The table of the pure stages. Each makes what it needs, and gives the function that is measured."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import msgspec

from benchmarks import parts
from benchmarks.parts import NOW, endpoint, sample, view
from tocsin.adapters.http.answer import AnswerReader
from tocsin.adapters.http.limits import SenderLimits
from tocsin.adapters.storing.rows import encode
from tocsin.adapters.storing.tally_changes import Changes as TallyChanges
from tocsin.api.cloudevents import decode_cloudevents
from tocsin.api.decoding import decode_reports
from tocsin.formats import KINDS, Template, renderer_of
from tocsin.model.endpoint import EndpointConfig, FormatSetting
from tocsin.model.event_view import EventView
from tocsin.model.exchange import Target
from tocsin.model.filter import Filter
from tocsin.model.job import JobState, Report
from tocsin.model.record import Action, Change
from tocsin.model.secret import Secret
from tocsin.model.signing import HmacSigning, HttpMessageSigning, Signing, StandardWebhooksSigning
from tocsin.model.submission import Changes, CloudEvents, Facts, Reports, Submission
from tocsin.pipeline.prepare import Preparation
from tocsin.rules.accepting import Deciding
from tocsin.rules.egress import EgressPolicy, blocked_reason, parse_networks
from tocsin.rules.interests import Interests
from tocsin.rules.needs import needs_of
from tocsin.rules.outcome import verdict_of
from tocsin.rules.redaction import spellings, without
from tocsin.rules.urls import target_of
from tocsin.signing import signer_of

Run = Callable[[], object]


class Stage(NamedTuple):
    """`make` gives the function that is measured; what `make` does itself is not."""

    name: str
    make: Callable[[], Run]


def _structured(body: bytes) -> Run:
    return lambda: decode_cloudevents(body, "application/cloudevents+json", {})


def _large_event() -> Run:
    event = msgspec.json.decode(parts.BODY, type=dict[str, object])
    return _structured(msgspec.json.encode(event | {"data": {"text": "x" * 64 * 1024}}))


def _reports(count: int) -> Run:
    body = parts.REPORT if count == 1 else b"[" + b",".join([parts.REPORT] * count) + b"]"
    return lambda: decode_reports(body)


def _submission(body: Reports | Changes | CloudEvents) -> Submission:
    return Submission(tenant="acme", received_at=NOW, body=body)


def _need_event() -> Run:
    submission = _submission(decode_cloudevents(parts.BODY, "application/cloudevents+json", {}))
    return lambda: needs_of(submission)


def _decide_event() -> Run:
    decide = Deciding(parts.mint())
    submission = _submission(decode_cloudevents(parts.BODY, "application/cloudevents+json", {}))
    return lambda: decide(submission, Facts())


def _decide_new_job() -> Run:
    decide = Deciding(parts.mint())
    report = Report(job_id="job-1", job_type="load_source", state=JobState.RUNNING)
    submission = _submission(Reports(items=(report,), single=True))
    return lambda: decide(submission, Facts())


def _decide_state() -> Run:
    """A job that runs has succeeded; it is put back each time."""
    decide, facts = Deciding(parts.mint()), Facts()
    running = Report(job_id="job-1", job_type="load_source", state=JobState.RUNNING)
    decide(_submission(Reports(items=(running,), single=True)), facts)
    before = dict(facts.jobs)
    ended = _submission(Reports(items=(Report(job_id="job-1", state=JobState.SUCCEEDED),), single=True))

    def run() -> object:
        facts.jobs.update(before)
        return decide(ended, facts)

    return run


def _decide_merge() -> Run:
    decide = Deciding(parts.mint())
    change = Change(
        action=Action("merge"),
        table="customers",
        record_id="r1",
        data=b'{"name": "Ann", "city": "Bonn"}',
        retired_id="r2",
        content_hash=b"\x01" * 16,
    )
    submission = _submission(Changes(items=(change,), single=True))
    return lambda: decide(submission, Facts())


def _matching(count: int, where: str | None = None) -> Run:
    """Of so many endpoints one wants the event; with an expression, all of one subject type ask it."""
    if where is None:
        others = [
            endpoint(n, Filter(event_types=(f"order.kind{n}",), subject_types=("order",))) for n in range(2, count + 1)
        ]
    else:
        others = [
            endpoint(n, Filter(event_types=("job.succeeded",), where=f"{where}{n}'")) for n in range(2, count + 1)
        ]
    interests = Interests.of([endpoint(1, Filter(event_types=("job.succeeded",))), *others])
    event = sample("job.succeeded")
    assert [found.number for found in interests.matching(view(event))] == [1]
    return lambda: interests.matching(EventView(event))


def _render(kind: str) -> Run:
    setting = msgspec.convert({"kind": kind}, FormatSetting)
    renderer = renderer_of(EndpointConfig(name="e", url="https://receiver.example/", format=setting))
    assert not isinstance(renderer, Template), "a template is evaluated elsewhere"
    event = sample("job.failed")
    assert renderer.expresses(view(event)), kind
    return lambda: renderer.render(EventView(event))


def _sign(signing: Signing, size: int = 1024) -> Run:
    signer = signer_of(signing, _target())
    body, headers = b"x" * size, (("Content-Type", "application/json"), ("webhook-id", f"evt_{parts.UUID}"))
    return lambda: signer.sign(f"evt_{parts.UUID}", NOW // 1000, body, headers)


def _target() -> Target:
    return target_of("https://receiver.example/hook?x=1", "pool", allow_http=False)


def _prepare() -> Run:
    preparation, delivery, event = Preparation(endpoint()), parts.delivery(), sample("order.created")
    return lambda: preparation.request(delivery, EventView(event), NOW)


def _make_ready() -> Run:
    one = endpoint()
    return lambda: Preparation(one)


def _read_answer() -> Run:
    reader = AnswerReader(SenderLimits())

    def run() -> object:
        reader.reset()
        assert reader.feed(parts.ANSWER) is None
        return reader.response()

    return run


def _judge(status: int) -> Run:
    exchange = parts.exchange(status)
    return lambda: verdict_of(exchange)


def _encode_attempt(status: int) -> Run:
    attempt = parts.settling(status)().settlement.attempt
    return lambda: encode(msgspec.structs.replace(attempt, request_body=b""))


def _redact(body: bytes) -> Run:
    hidden, answered = spellings((parts.CREDENTIAL, parts.secret().reveal())), parts.response(body=body)
    return lambda: without(hidden, answered)


def _egress(address: str) -> Run:
    policy = EgressPolicy(allow_networks=parse_networks("10.1.0.0/16"))
    return lambda: blocked_reason(policy, address)


def _tallies() -> Run:
    settlements = [parts.settling()().settlement for _ in range(128)]

    def run() -> object:
        changes = TallyChanges()
        changes.settled(settlements)
        return [change.finished() for change in changes.by_endpoint.values()]

    return run


_ECHO: Final = (
    b'{"headers": {"authorization": "Bearer ' + parts.CREDENTIAL.encode() + b'"}, "pad": "' + b"x" * 1000 + b'"}'
)
_KEY: Final = Secret("an-hmac-key-of-the-usual-length")

STAGES: Final = (
    Stage("decode: a CloudEvent of 1 KB", lambda: _structured(parts.BODY)),
    Stage("decode: a CloudEvent of 64 KB", _large_event),
    Stage("decode: a report", lambda: _reports(1)),
    Stage("decode: 100 reports", lambda: _reports(100)),
    Stage("mint: the id of an event", lambda: parts.mint().event),
    Stage("need: a CloudEvent", _need_event),
    Stage("decide: a CloudEvent", _decide_event),
    Stage("decide: a new job", _decide_new_job),
    Stage("decide: a change of state", _decide_state),
    Stage("decide: a merge", _decide_merge),
    Stage("match: 1 endpoint", lambda: _matching(1)),
    Stage("match: 100 endpoints", lambda: _matching(100)),
    Stage("match: 10 000 endpoints", lambda: _matching(10_000)),
    Stage("match: 100 endpoints with CEL", lambda: _matching(100, "data.job_type == 'kind")),
    *(Stage(f"render: {kind}", partial(_render, kind)) for kind in KINDS),
    Stage("sign: Standard Webhooks, HMAC", lambda: _sign(StandardWebhooksSigning(secret=parts.secret()))),
    Stage("sign: Standard Webhooks, HMAC, 64 KB", lambda: _sign(StandardWebhooksSigning(secret=parts.secret()), 65536)),
    Stage(
        "sign: Standard Webhooks, Ed25519",
        lambda: _sign(StandardWebhooksSigning(algorithm="ed25519", secret=parts.secret("ed25519"))),
    ),
    Stage("sign: HMAC header", lambda: _sign(HmacSigning(header="x-signature", key=_KEY))),
    Stage("sign: HTTP message, HMAC", lambda: _sign(HttpMessageSigning(secret=parts.secret()))),
    Stage(
        "sign: HTTP message, Ed25519",
        lambda: _sign(HttpMessageSigning(algorithm="ed25519", secret=parts.secret("ed25519"))),
    ),
    Stage("prepare: an endpoint", _make_ready),
    Stage("prepare: a request", _prepare),
    Stage("read: an answer", _read_answer),
    Stage("judge: 200", lambda: _judge(200)),
    Stage("judge: 500", lambda: _judge(500)),
    Stage("settle: delivered", parts.settling),
    Stage("settle: to be retried", partial(parts.settling, 500)),
    Stage("encode: an attempt", lambda: _encode_attempt(200)),
    Stage("redact: nothing to hide", lambda: _redact(b'{"ok":true}')),
    Stage("redact: a token in 1 KB", lambda: _redact(_ECHO)),
    Stage("egress: a public address", lambda: _egress("198.41.0.4")),
    Stage("egress: an IPv6 address", lambda: _egress("2a00:1450:4001:830::200e")),
    Stage("tally: 128 settlements", _tallies),
)
