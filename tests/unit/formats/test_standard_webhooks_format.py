from __future__ import annotations

import json

import pytest
from hypothesis import given
from tests.unit.formats.format_builders import (
    TIME_TEXT,
    cloud_event,
    data_version_event,
    job,
    job_event,
    json_data,
    record_event,
    rendered,
)

from tocsin.formats.samples import SAMPLE_TYPES, sample_event
from tocsin.model.endpoint import StandardWebhooksFormat

FORMAT = StandardWebhooksFormat()


@pytest.mark.parametrize("event_type", SAMPLE_TYPES)
def test_every_event_has_the_three_keys_in_order(event_type):
    sample = sample_event(event_type)
    sent = rendered(FORMAT, sample)
    document = json.loads(sent.body)
    assert list(document) == ["type", "timestamp", "data"]
    assert document == {"type": event_type, "timestamp": "2026-11-22T10:00:00.000Z", "data": json.loads(sample.data)}
    assert (sent.content_type, sent.headers) == ("application/json", ())


def test_bodies_are_minified_and_numbers_keep_their_spelling():
    sent = rendered(FORMAT, record_event("UPDATE", "update", 1, 0, b'{ "amount" :\n 1.10 , "text": " a : b " }'))
    assert sent.body.endswith(b'"new_data":{"amount":1.10,"text":" a : b "}}}')


@given(json_data)
def test_json_of_producers_is_minified_without_being_changed(data):
    sent = rendered(FORMAT, cloud_event(data))
    plain = json.dumps(json.loads(data), ensure_ascii=False, separators=(",", ":")).encode()
    assert sent.body == b'{"type":"order.shipped","timestamp":"%b","data":%b}' % (TIME_TEXT.encode(), plain)


def test_a_job_needs_no_minifying():
    for what in (job_event(job("failed", "running", error=("A", "b c"), attributes={"k": [1, {"x": " y "}]})),):
        body = rendered(FORMAT, what).body
        assert body == json.dumps(json.loads(body), separators=(",", ":")).encode()


def test_the_time_of_a_producer_is_kept_as_written():
    sent = rendered(FORMAT, cloud_event(b"1", time="2026-11-22T12:00:00.123456789+01:00"))
    assert json.loads(sent.body)["timestamp"] == "2026-11-22T12:00:00.123456789+01:00"
    assert json.loads(rendered(FORMAT, data_version_event()).body)["timestamp"] == TIME_TEXT
