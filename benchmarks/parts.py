"""What the stages are measured with: events, endpoints, a delivery and its exchange, all of the usual size."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Final

import msgspec

from tocsin.formats import sample_event
from tocsin.model.authorization import BearerAuthorization
from tocsin.model.delivery import Delivery
from tocsin.model.endpoint import CloudEventsFormat, Endpoint, EndpointConfig
from tocsin.model.event import Event
from tocsin.model.event_view import EventView
from tocsin.model.exchange import Exchange, Outbound, Response, Timings
from tocsin.model.filter import Filter
from tocsin.model.ids import AttemptId, DeliveryId, EndpointId, IdMint
from tocsin.model.secret import Secret
from tocsin.model.signing import StandardWebhooksSigning
from tocsin.pipeline.prepare import Preparation
from tocsin.rules.outcome import Settled, settlement_of
from tocsin.signing import SECRET_BYTES
from tocsin.signing.keys import generated_secret

NOW: Final = 1_800_000_000_000
UUID: Final = "019aab00-1111-7222-8333-444455556666"
BODY: Final = json.dumps(
    {
        "specversion": "1.0", "id": "A-1", "source": "https://shop.example/orders", "type": "order.shipped",
        "subject": "order-17", "time": "2026-11-22T10:00:00Z", "datacontenttype": "application/json",
        "data": {"lines": [{"article": f"a-{n}", "count": n, "price": "12.90"} for n in range(16)]},
    }
).encode()  # fmt: skip
"""A structured CloudEvent of 1 KB."""
REPORT: Final = json.dumps(
    {"job_id": "job-1", "job_type": "load_source", "name": "Nightly load", "state": "running", "details": "Step 1 of 3",
     "resources": [{"kind": "source", "id": "src-1"}], "attributes": {"data_version": "7"}, "labels": {"team": "mdm"}}
).encode()  # fmt: skip
ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: 11\r\nConnection: keep-alive\r\n\r\n"
    b'{"ok":true}'
)
CREDENTIAL: Final = "a-bearer-token/of+the=usual-length"


def mint() -> IdMint:
    """A mint whose clock goes on by a millisecond at each look."""
    clock = itertools.count(NOW)
    return IdMint(lambda: next(clock), lambda n: b"\x07" * n)


def sample(event_type: str) -> Event:
    """The sample event of a type."""
    event = sample_event(event_type)
    assert event is not None
    return event


def view(event: Event) -> EventView:
    """The event as if nobody had read its data before."""
    return EventView(event)


def secret(algorithm: str = "hmac-sha256") -> Secret:
    """A secret of the Standard Webhooks, always the same."""
    return Secret(generated_secret(b"\x05" * SECRET_BYTES, "ed25519" if algorithm == "ed25519" else "hmac-sha256"))


def endpoint(number: int = 1, *filters: Filter, **changes: object) -> Endpoint:
    """An endpoint of the sample events' tenant, as the bench of the whole server has them: a token and a signature."""
    config = EndpointConfig(
        name=f"endpoint {number}",
        url="https://receiver.example/hook",
        filters=filters,
        authorization=BearerAuthorization(token=Secret(CREDENTIAL)),
        signing=StandardWebhooksSigning(secret=secret()),
        format=CloudEventsFormat(),
    )
    return Endpoint(
        number=number,
        id=EndpointId(f"end_{UUID}"),
        tenant="acme",
        revision=1,
        active_from=0,
        created_at=NOW,
        config=msgspec.structs.replace(config, **changes),
    )


def delivery() -> Delivery:
    """A delivery that was not tried yet."""
    return Delivery(
        number=1, id=DeliveryId(f"dlv_{UUID}"), tenant="acme", endpoint=1, lane=0, created_at=NOW, accepted_at=NOW
    )


def request() -> Outbound:
    """The request of its first attempt."""
    return Preparation(endpoint()).request(delivery(), view(sample("order.created")), NOW)


def response(status: int = 200, body: bytes = b'{"ok":true}') -> Response:
    """What a receiver answered."""
    headers = (("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Server", "example"))
    return Response(status=status, headers=headers, body=body, body_bytes=len(body))


def exchange(status: int = 200) -> Exchange:
    """A request and its answer."""
    return Exchange(
        response=response(status), failure=None, timings=Timings(first_byte=1.5, total=1.7), address="198.51.100.7"
    )


def settling(status: int = 200) -> Callable[[], Settled]:
    """Says what an exchange means that had this status."""
    made, one, tried, config = request(), delivery(), exchange(status), endpoint().config
    attempt = AttemptId(f"att_{UUID}")
    return lambda: settlement_of(one, config, tried, made, NOW, NOW + 2, 0.5, attempt)
