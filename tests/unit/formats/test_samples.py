from __future__ import annotations

import json

import pytest
from tests.unit.formats.format_builders import config

from tocsin.formats import EXPRESSIONS, FORMATS, KINDS, SAMPLE_TYPES, renderer_of, sample_event, sample_for
from tocsin.formats.cloudevents import CloudEventsRenderer
from tocsin.formats.tamr import TamrRenderer
from tocsin.model.endpoint import CloudEventsFormat, EndpointConfig, FormatSetting, TamrFormat
from tocsin.model.event import OPERATIONAL_SUBJECT_TYPES, OWN_SUBJECT_TYPES
from tocsin.model.event_view import EventView
from tocsin.model.ids import EventId
from tocsin.model.job import JobState, Signal


def test_every_format_setting_has_a_renderer():
    assert set(FORMATS) == set(FormatSetting.__args__)
    assert list(KINDS) == [
        "cloudevents",
        "standard_webhooks",
        "tamr",
        "lytics",
        "telmai",
        "visier",
        "slack",
        "teams",
        "email",
    ]
    assert isinstance(renderer_of(config(TamrFormat())), TamrRenderer)
    assert isinstance(renderer_of(EndpointConfig(name="n", url="https://x.example")), CloudEventsRenderer)


def test_a_renderer_refuses_the_settings_of_another():
    with pytest.raises(TypeError, match="CloudEventsFormat, not TamrFormat"):
        TamrRenderer(config(CloudEventsFormat()))


def test_there_is_a_sample_of_each_own_event_type():
    own = {f"job.{verb}" for verb in ("created", *JobState, *Signal)}
    own |= {"record.created", "record.updated", "record.deleted", "data_version.published"}
    assert set(SAMPLE_TYPES) == own | {"order.created"}


@pytest.mark.parametrize("event_type", SAMPLE_TYPES)
def test_samples_decode_as_what_they_are(event_type):
    view = EventView(sample_event(event_type))
    event = view.event
    assert event.type == event_type == f"{event.subject_type}.{event.verb}"
    assert [bool(view.job), bool(view.record), bool(view.data_version)] == [
        event.subject_type == name for name in ("job", "record", "data_version")
    ]
    if view.job is not None:
        assert view.job.job_id == event.subject_id
        assert event.verb not in set(JobState) or view.job.state == event.verb


@pytest.mark.parametrize("kind", EXPRESSIONS)
def test_every_word_of_a_format_is_said_of_its_sample(kind):
    renderer = renderer_of(config(KINDS[kind]()))
    said = {name for name in SAMPLE_TYPES if renderer.expresses(EventView(sample_event(name)))}
    assert said - {"order.created"} == set(EXPRESSIONS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_has_a_sample_to_try_it_with(kind):
    renderer = renderer_of(config(KINDS[kind]()))
    assert sample_for(renderer) == "job.succeeded"
    rendered = renderer.render(EventView(sample_event("job.succeeded")))
    assert kind == "email" or json.loads(rendered.body)


@pytest.mark.parametrize("event_type", ["segment.updated", "com.example.order.placed", "ping"])
def test_a_type_of_a_producer_gives_its_cloud_event(event_type):
    event = sample_event(event_type)
    assert event.cloud is not None
    assert event.type == event_type
    subject_type, _, verb = event_type.rpartition(".")
    assert (event.subject_type, event.verb) == ((subject_type, verb) if subject_type else (event_type, ""))


@pytest.mark.parametrize(
    "event_type", ["job.unheard", "", *(f"{name}.x" for name in OWN_SUBJECT_TYPES), *OWN_SUBJECT_TYPES]
)
def test_there_is_no_sample_of_what_tocsin_does_not_say(event_type):
    assert sample_event(event_type) is None
    assert OPERATIONAL_SUBJECT_TYPES < OWN_SUBJECT_TYPES


@pytest.mark.parametrize("event_type", ["job.failed", "order.created"])
def test_a_sample_can_have_an_identity_and_a_time_of_its_own(event_type):
    event = sample_event(event_type, tenant="t", event_id=EventId("evt_x"), now=1795345200123)
    assert (event.id, event.tenant, event.time, event.accepted_at) == ("evt_x", "t", 1795345200123, 1795345200123)
    if event.cloud is not None:
        assert (event.cloud.id, event.cloud.time) == ("evt_x", "2026-11-22T11:00:00.123Z")
    assert sample_event(event_type) == sample_event(event_type)
