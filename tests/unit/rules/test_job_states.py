"""The table of job states, against the contract's sentences written out by hand; the pages made from the tables."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from tocsin.model.job import JobState
from tocsin.rules.diagrams import delivery_state_diagram, job_state_diagram, job_state_table
from tocsin.rules.job_states import ERROR_STATES, may_enter

REFERENCE = Path(__file__).resolve().parents[3] / "docs/reference"

ALLOWED = {
    "pending": "preparing running waiting stopping rescheduled succeeded failed stopped",
    "preparing": "running waiting stopping rescheduled succeeded failed stopped",
    "running": "preparing waiting stopping rescheduled succeeded failed stopped",
    "waiting": "preparing running stopping rescheduled succeeded failed stopped",
    "stopping": "succeeded failed stopped",
    "rescheduled": "pending preparing running waiting stopping succeeded failed stopped",
    "succeeded": "",
    "failed": "",
    "stopped": "",
}
RESTARTED = {"succeeded", "failed", "stopped"}


@pytest.mark.parametrize(("current", "new", "restart"), list(product(ALLOWED, ALLOWED, (False, True))))
def test_each_pair_of_states(current: str, new: str, restart: bool) -> None:
    expected = new in ALLOWED[current].split()
    if restart and current in RESTARTED and new in {"pending", "preparing", "running"}:
        expected = True
    assert may_enter(JobState(current), JobState(new), restart=restart) is expected


@pytest.mark.parametrize("state", list(JobState))
def test_a_new_job_begins_in_any_state(state: JobState) -> None:
    assert may_enter(None, state, restart=False)


def test_states_with_an_error() -> None:
    assert {"failed", "stopped", "rescheduled"} == ERROR_STATES


def mermaid_of(page: str) -> list[str]:
    return re.findall(
        r"^```mermaid\n(.*?)^```$", (REFERENCE / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def test_the_page_on_job_states_equals_the_table() -> None:
    assert mermaid_of("job-states.md") == [job_state_diagram()]
    assert f"\n\n{job_state_table()}\n" in (REFERENCE / "job-states.md").read_text(encoding="utf-8")
    assert "    running --> succeeded\n" in job_state_diagram()
    assert "    stopped --> running: restart\n" in job_state_diagram()
    assert "    succeeded --> failed" not in job_state_diagram()


def test_the_page_on_delivery_states_equals_the_table() -> None:
    assert mermaid_of("delivery-states.md") == [delivery_state_diagram()]
    assert "    cancelled --> delivered: succeed\n" in delivery_state_diagram()
