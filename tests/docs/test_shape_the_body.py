"""The programs that the pages show give what the pages say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.docs.repository_files import ROOT, snippets

from tocsin.adapters.jq.pool import JqTemplates
from tocsin.formats import Template, renderer_of, sample_event
from tocsin.model.endpoint import EndpointConfig, TemplateFormat
from tocsin.model.event_view import EventView

HOW_TO = ROOT / "docs/how-to/shape-the-body-with-jq.md"
REFERENCE = ROOT / "docs/reference/formats.md"


async def given(program: str) -> object:
    """What a program gives for the sample of `job.failed`."""
    template = renderer_of(EndpointConfig(name="n", url="https://x.example", format=TemplateFormat(program=program)))
    event = sample_event("job.failed")
    assert isinstance(template, Template)
    assert event is not None
    templates = JqTemplates()
    try:
        gave = await templates.evaluate(template.programs, template.document(EventView(event)))
        assert isinstance(gave, tuple), gave
        return json.loads(gave[0])
    finally:
        await templates.close()


async def test_the_how_to_shows_what_its_program_gives() -> None:
    texts = list(snippets(HOW_TO))
    number, program = next((n, text) for n, (language, text) in enumerate(texts) if language == "text")
    assert await given(program) == json.loads(texts[number + 1][1])


async def test_the_reference_shows_what_its_program_gives() -> None:
    section = REFERENCE.read_text(encoding="utf-8").partition("\n## template\n")[2]
    found = re.search(r"^`(\{.*\})` makes of `job.failed`:\n\n```json\n(.*?)```", section, re.DOTALL | re.MULTILINE)
    assert found is not None
    assert await given(found[1]) == json.loads(found[2])


@pytest.mark.parametrize("page", [HOW_TO, REFERENCE], ids=lambda page: page.name)
def test_bounds_are_those_of_the_code(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "512 MiB" in text
    assert "1 MiB" in text
    assert "second of processor time" in text.replace("\n", " ")
