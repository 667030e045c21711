"""CloudEvents: valid by our reading of the specification and by its SDK, and unchanged where they are not ours."""

from __future__ import annotations

import base64
import json
from urllib.parse import unquote

import jsonschema_rs
import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.formats.cloudevents_schema import SCHEMA
from tests.unit.formats.format_builders import (
    cloud_event,
    event,
    job,
    job_event,
    json_data,
    printable,
    record_event,
    rendered,
)
from tests.unit.formats.format_cases import CASES

from tocsin.formats.http_binding import attribute_headers, header_value
from tocsin.formats.samples import SAMPLE_TYPES, sample_event
from tocsin.model.endpoint import CloudEventsFormat, TamrFormat

STRUCTURED = CloudEventsFormat()
BINARY = CloudEventsFormat(mode="binary")
SHAPE = jsonschema_rs.validator_for(SCHEMA, validate_formats=True)

extensions = st.dictionaries(
    st.from_regex(r"x[a-z0-9]{0,18}", fullmatch=True),
    st.booleans() | st.integers(-(2**31), 2**31 - 1) | printable,
    max_size=4,
)


def parsed(sent):
    """As the SDK reads the request."""
    headers = {"Content-Type": sent.content_type, **dict(sent.headers)}
    return from_http_event(HTTPMessage(headers=headers, body=sent.body))


@pytest.mark.parametrize("case", [c for c in CASES if c[0] in {"cloudevents", "tamr"}], ids=lambda c: f"{c[0]}/{c[1]}")
def test_structured_events_keep_the_specification(case):
    _, _, setting, what = case
    sent = rendered(setting, what)
    if not sent.headers:
        SHAPE.validate(json.loads(sent.body))


def test_the_schema_refuses_what_is_no_event():
    good = json.loads(rendered(STRUCTURED, sample_event("order.created")).body)
    assert SHAPE.is_valid(good)
    bad = {"id": "", "specversion": "1", "camelCase": "x", "big": 2**31, "nested": {}, "time": "now", "data_base64": ""}
    assert [name for name, value in bad.items() if SHAPE.is_valid(good | {name: value})] == []


@pytest.mark.parametrize("event_type", SAMPLE_TYPES)
@pytest.mark.parametrize("setting", [STRUCTURED, BINARY], ids=lambda s: s.mode)
def test_the_sdk_reads_every_sample(setting, event_type):
    sample = sample_event(event_type)
    read = parsed(rendered(setting, sample))
    own = sample.cloud is None
    assert read.get_id() == (sample.id if own else "sample-1")
    assert read.get_type() == event_type
    assert read.get_source() == ("/tocsin/acme" if own else "https://shop.example/orders")
    assert read.get_subject() == sample.subject_id
    assert read.get_extension("tenant") == "acme"
    assert read.get_data() == json.loads(sample.data)


def test_the_sdk_reads_tamr_too():
    sent = rendered(TamrFormat(), job_event(job("running", "pending")))
    sdk = from_http_event(HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=sent.body))
    assert sdk.get_data()["jobId"] == "load-7"


def test_own_events_take_type_and_source_from_the_endpoint_and_others_do_not():
    setting = CloudEventsFormat(type="com.example.x", source="https://us.example/")
    own = json.loads(rendered(setting, job_event(job())).body)
    assert (own["type"], own["source"]) == ("com.example.x", "https://us.example/")
    foreign = json.loads(rendered(setting, cloud_event(b"1")).body)
    assert (foreign["type"], foreign["source"]) == ("order.shipped", "https://shop.example/orders")


def test_the_default_source_is_a_uri_reference_for_any_tenant():
    sent = json.loads(rendered(STRUCTURED, event("job.running", "j", b"{}", tenant="a b/ü?")).body)
    assert (sent["source"], sent["tenant"]) == ("/tocsin/a%20b%2F%C3%BC%3F", "a b/ü?")
    SHAPE.validate(sent)


def test_an_event_without_a_subject_has_neither_subject_nor_partition_key():
    sent = json.loads(rendered(STRUCTURED, event("endpoint.disabled", "", b"{}")).body)
    assert set(sent) == {
        *(
            "specversion",
            "id",
            "source",
            "type",
            "time",
            "datacontenttype",
            "tenant",
            "recordedtime",
            "sequence",
            "data",
        )
    }


def test_sequences_sort_as_text():
    first, second = (
        json.loads(rendered(STRUCTURED, event("job.running", "j", b"{}", position=n)).body)["sequence"] for n in (9, 10)
    )
    assert first < second


@given(data=json_data, more=extensions, content_type=st.sampled_from([None, "application/json", "text/x+json; v=1"]))
def test_json_data_and_extensions_leave_byte_for_byte(data, more, content_type):
    sent = rendered(STRUCTURED, cloud_event(data, datacontenttype=content_type, subject="s", extensions=more))
    assert sent.body.endswith(b'"data":' + data + b"}")
    document = json.loads(sent.body)
    SHAPE.validate(document)
    assert {name: document[name] for name in more} == more
    assert document.get("datacontenttype") == content_type


@given(data=st.binary(min_size=1), is_base64=st.booleans())
def test_other_data_arrive_whole_in_either_mode(data, is_base64):
    what = cloud_event(data, datacontenttype="application/x-thing", is_base64=is_base64)
    document = json.loads(rendered(STRUCTURED, what).body)
    SHAPE.validate(document)
    if "data" in document:
        assert not is_base64
        assert document["data"].encode() == data
    else:
        assert base64.b64decode(document["data_base64"], validate=True) == data
    binary = rendered(BINARY, what)
    assert (binary.content_type, binary.body) == ("application/x-thing", data)


@pytest.mark.parametrize("data", [b'{"a":', b"", b"\xff", b'"\xff"', b"{} {}", b"\xef\xbb\xbf{}"])
def test_data_that_only_claim_to_be_json_do_not_break_the_envelope(data):
    what = cloud_event(data, datacontenttype="application/json", has_data=True)
    document = json.loads(rendered(STRUCTURED, what).body)
    assert base64.b64decode(document["data_base64"]) == data


@pytest.mark.parametrize(
    "what",
    [
        cloud_event(),
        cloud_event(b"", has_data=True, datacontenttype="text/plain"),
        cloud_event(b"\x00", is_base64=True),
        cloud_event(b"\xff"),
        cloud_event(b"{}", datacontenttype="application/cloudevents+json"),
        cloud_event(b"[]", datacontenttype="Application/CloudEvents-batch+json"),
        cloud_event(b"x", datacontenttype="text/plain\r\nx: y"),
        cloud_event(b"x", datacontenttype="text/plain; n=ü"),
    ],
    ids=["no data", "empty", "untyped bytes", "untyped text", "an event", "a batch", "two lines", "not ascii"],
)
def test_binary_mode_gives_way_where_it_cannot_carry_the_event(what):
    sent = rendered(BINARY, what)
    assert (sent.content_type, sent.headers) == ("application/cloudevents+json", ())
    assert sent.body == rendered(STRUCTURED, what).body


def test_json_without_a_content_type_is_named_json_in_binary_mode():
    sent = rendered(BINARY, cloud_event(b" [1] "))
    assert (sent.content_type, sent.body) == ("application/json", b" [1] ")
    assert "ce-datacontenttype" not in dict(sent.headers)


def test_the_vector_of_the_binding():
    assert header_value("Euro € 😀") == "Euro%20%E2%82%AC%20%F0%9F%98%80"
    assert header_value("~!#$&'()*+,-./:;<=>?@[]^_`{|}\"%\\") == "~!#$&'()*+,-./:;<=>?@[]^_`{|}%22%25\\"


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_header_values_round_trip_and_are_printable(text):
    encoded = header_value(text)
    assert unquote(encoded, errors="strict") == text
    assert all("!" <= character <= "~" and character != '"' for character in encoded)


def test_attribute_headers_spell_values_canonically():
    assert attribute_headers({"a": True, "b": False, "c": -7, "datacontenttype": "text/plain", "d": "x y"}) == (
        ("ce-a", "true"), ("ce-b", "false"), ("ce-c", "-7"), ("ce-d", "x%20y"),
    )  # fmt: skip


def test_record_data_are_spliced_as_they_came():
    data = b'{ "amount" : 1.10, "n":12345678901234567890123 }'
    sent = rendered(STRUCTURED, record_event("UPDATE", "update", 1, 0, data))
    assert data in sent.body
    assert msgspec.json.decode(sent.body, type=dict)["data"]["record_id"] == "c-17"
