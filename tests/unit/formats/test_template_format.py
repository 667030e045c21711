"""Templates: what they are evaluated over, and what is made of what they give."""

import json

import pytest
from tests.unit.formats.format_builders import cloud_event, config, job, job_event

from tocsin.formats import Rendered, Template, Unrendered, renderer_of
from tocsin.model.endpoint import CloudEventsFormat, TemplateFormat
from tocsin.model.event_view import EventView
from tocsin.ports import NoValue

SETTING = TemplateFormat(program=".data", headers={"X-Job": ".subject", "X-Type": ".type"})


def template(setting: TemplateFormat = SETTING) -> Template:
    made = renderer_of(config(setting))
    assert isinstance(made, Template)
    return made


@pytest.mark.parametrize("event", [job_event(job("failed")), cloud_event(b'{"n":1.10}'), cloud_event()])
def test_the_programs_see_the_structured_cloud_event(event):
    view = EventView(event)
    assert template().expresses(view)
    assert template().document(view) == renderer_of(config(CloudEventsFormat())).render(view).body
    assert json.loads(template().document(view))["id"]


def test_the_program_of_the_body_comes_first():
    assert template().programs == (".data", ".subject", ".type")


def test_what_the_programs_give_is_sent():
    setting = TemplateFormat(program=".", headers={"X-Job": ".subject"}, content_type="application/vnd.x+json")
    assert template(setting).rendered(('{"a":1.10,"u":"é"}', '"j 1"')) == Rendered(
        content_type="application/vnd.x+json", headers=(("X-Job", "j 1"),), body='{"a":1.10,"u":"é"}'.encode()
    )


@pytest.mark.parametrize(
    ("gave", "cause", "program", "reason"),
    [
        (NoValue(cause="nothing", program=0, message="gave nothing"), "nothing", 0, "the template gave nothing"),
        (NoValue(cause="killed", message="took longer than 1 s"), "killed", 0, "the template took longer than 1 s"),
        (
            NoValue(cause="nothing", program=2, message="gave nothing"),
            "failed",
            2,
            "the template of the header X-Type gave nothing",
        ),
        (NoValue(cause="busy", message="waits"), "busy", 0, "the template waits"),
        (("1", '"a"', "7"), "failed", 2, "the template of the header X-Type gave no text"),
        (("1", "null", '"a"'), "failed", 1, "the template of the header X-Job gave no text"),
        (("[" * 9000 + "]" * 9000, '"a"', '"b"'), "failed", 0, "the template gave what is too deeply nested"),
        (("[[<skipped: too deep>]]", '"a"', '"b"'), "failed", 0, "the template gave what is too deeply nested"),
    ],
)
def test_why_nothing_is_sent(gave, cause, program, reason):
    made = template().rendered(gave)
    assert made == Unrendered(cause=cause, program=program, reason=reason)
    assert made.is_failure == (cause in {"failed", "killed"})
