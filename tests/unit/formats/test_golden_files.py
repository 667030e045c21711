"""What is sent, byte for byte. After a wanted change: TOCSIN_REGENERATE=1 pytest <this file>, then read the difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.formats.format_builders import config, rendered
from tests.unit.formats.format_cases import CASES, told_events

from tocsin.formats import KINDS, renderer_of
from tocsin.formats.reference import formats_page
from tocsin.model.endpoint import EmailFormat, SlackFormat, TeamsFormat
from tocsin.model.event_view import EventView

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests/vectors/formats"
PAGE = ROOT / "docs/reference/formats.md"
REGENERATE = os.environ.get("TOCSIN_REGENERATE") == "1"


def files_of(case) -> dict[Path, bytes]:
    kind, name, setting, event = case
    sent = rendered(setting, event)
    assert sent is not None
    folder = VECTORS / kind
    suffix = {"json": "json", "utf-8": "txt"}.get(sent.content_type[-5:].rpartition("/")[2].rpartition("+")[2], "bin")
    files = {folder / f"{name}.{suffix}": sent.body}
    if kind in {"cloudevents", "email"}:
        lines = (("Content-Type", sent.content_type), *sent.headers)
        files[folder / f"{name}.headers"] = "".join(f"{name}: {value}\n" for name, value in lines).encode()
    return files


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}/{case[1]}")
def test_bytes(case):
    for path, content in files_of(case).items():
        if REGENERATE:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        assert path.read_bytes() == content, path.name


DIGESTS = {
    "slack": SlackFormat(title="[prod]"),
    "teams": TeamsFormat(title="[prod]"),
    "email": EmailFormat(subject_prefix="[prod]"),
}


def digests_of(kind) -> dict[Path, bytes]:
    """A digest of few events, and one of more than are named."""
    renderer = renderer_of(config(DIGESTS[kind]))
    views = [EventView(event) for _, event in told_events()]
    few, many = renderer.digest(views[:4]), renderer.digest(views * 6)
    return {
        VECTORS / kind / f"digest-{name}.{'txt' if kind == 'email' else 'json'}": sent.body
        for name, sent in (("few", few), ("many", many))
    }


@pytest.mark.parametrize("kind", DIGESTS)
def test_bytes_of_digests(kind):
    for path, content in digests_of(kind).items():
        if REGENERATE:
            path.write_bytes(content)
        assert path.read_bytes() == content, path.name


def test_every_golden_file_has_its_case():
    wanted = {path for case in CASES for path in files_of(case)}
    wanted |= {path for kind in DIGESTS for path in digests_of(kind)}
    assert {path for path in VECTORS.rglob("*") if path.is_file()} == wanted
    assert {path.parent.name for path in wanted} == set(KINDS)


def test_the_reference_page_is_made_from_the_tables():
    if REGENERATE:
        PAGE.write_text(formats_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == formats_page()
