"""What a watcher of the live tail is shown."""

from __future__ import annotations

import pytest

from tocsin.model.attempt import Attempt
from tocsin.model.delivery import Claim, Delivery, DeliveryState
from tocsin.model.event import Event
from tocsin.model.exchange import Timings
from tocsin.model.ids import AttemptId, DeliveryId, EndpointId, EventId
from tocsin.model.watch import AttemptMade, Watch
from tocsin.rules.watching import shows


def event(kind: str = "job.failed", subject_id: str = "j-1", **changes: str) -> Event:
    subject_type, _, verb = kind.rpartition(".")
    return Event(
        id=EventId(changes.get("id", "evt_1")),
        tenant=changes.get("tenant", "acme"),
        type=kind,
        subject_type=subject_type,
        subject_id=subject_id,
        verb=verb,
        time=0,
        data=b"{}",
        position=1,
        accepted_at=0,
    )


def made(*events: Event, state: DeliveryState = DeliveryState.DEAD) -> AttemptMade:
    attempt = Attempt(
        id=AttemptId("att_1"),
        number=1,
        started_at=0,
        outcome="rejected",
        error=None,
        url="https://a.example/",
        request_headers=(),
        request_body=b"",
        request_body_bytes=0,
        response=None,
        timings=Timings(total=1.0),
        address=None,
        next_attempt_at=None,
    )
    delivery = Delivery(number=1, id=DeliveryId("dlv_1"), tenant="acme", endpoint=1, lane=0, created_at=0)
    return AttemptMade(
        tenant="acme",
        endpoint_id=EndpointId("end_1"),
        batch_id=None,
        state=state,
        attempt=attempt,
        claims=tuple(Claim(delivery=delivery, event=one) for one in events or (event(),)),
    )


@pytest.mark.parametrize(
    ("fields", "of_event", "of_attempt"),
    [
        ({}, True, True),
        ({"tenant": None}, True, True),
        ({"tenant": "other"}, False, False),
        ({"kind": "event"}, True, False),
        ({"kind": "attempt"}, False, True),
        ({"event_types": ("job.*",)}, True, True),
        ({"event_types": ("record.*", "job.fail?d")}, True, True),
        ({"event_types": ("job",)}, False, False),
        ({"event_types": ("*.[f]ailed",)}, False, False),
        ({"subject_type": "job"}, True, True),
        ({"subject_type": "record"}, False, False),
        ({"subject_id": "j-1"}, True, True),
        ({"subject_id": "j"}, False, False),
        ({"event": "evt_1"}, True, True),
        ({"event": "evt_2"}, False, False),
        ({"job": "j-1"}, True, True),
        ({"job": "j-2"}, False, False),
        ({"endpoint": "end_1"}, False, True),
        ({"endpoint": "end_2"}, False, False),
        ({"state": DeliveryState.DEAD}, False, True),
        ({"state": DeliveryState.PENDING}, False, False),
        ({"outcome": "rejected"}, False, True),
        ({"outcome": "retry"}, False, False),
        ({"outcome": "rejected", "event_types": ("record.*",)}, False, False),
    ],
)
def test_all_that_is_named_holds(fields: dict[str, object], of_event: bool, of_attempt: bool) -> None:
    watch = Watch(**({"tenant": "acme"} | fields))  # type: ignore[arg-type]  # a table of them
    assert (shows(watch, event()), shows(watch, made())) == (of_event, of_attempt)


def test_a_job_is_no_other_subject_of_its_name() -> None:
    watch = Watch(tenant="acme", job="j-1")
    assert not shows(watch, event("order.made", "j-1"))


def test_of_a_batch_one_event_has_to_fit() -> None:
    watch = Watch(tenant="acme", subject_id="j-2")
    assert shows(watch, made(event(), event(subject_id="j-2")))
    assert not shows(watch, made(event(), event(subject_id="j-3")))
