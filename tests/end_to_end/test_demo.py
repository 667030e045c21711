"""The demo, whole: its own verdict, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

SECONDS = 90


@pytest.fixture
def start_demo(tmp_path):
    """Starts the demo with a temporary directory of its own."""
    started = []

    def start(*arguments):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "tocsin", "demo", *arguments],
            env=kept | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_tour_once(start_demo, tmp_path):
    process = start_demo("--once", "--output", "json")
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (0, "")
    *arrivals, summary = [json.loads(line) for line in out.splitlines()]
    assert summary["is_right"] is True
    counts = {
        name: (found["expected"], found["arrived"], found["verified"]) for name, found in summary["endpoints"].items()
    }
    assert counts == {
        "cloudevents": (36, 36, 36),
        "cloudevents-binary": (10, 10, 10),
        "standard_webhooks": (25, 25, 25),
        "tamr": (24, 24, 24),
        "lytics": (19, 19, 19),
        "telmai": (5, 5, 5),
        "visier": (7, 7, 7),
    }
    assert summary["endpoints"]["cloudevents"]["order"] is True
    assert [arrival["status"] for arrival in arrivals if arrival["endpoint"] == "standard_webhooks"].count(503) == 2
    assert list(tmp_path.iterdir()) == []


def test_it_stays_until_stopped_and_shows_everything(start_demo, tmp_path):
    process = start_demo()
    lines = []
    while not lines or "Ctrl-C ends it" not in lines[-1]:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line)
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (0, "")
    assert "nothing is left behind" in rest
    text = "".join(lines)
    assert "All 126 deliveries arrived, verified, each exactly as expected." in text
    assert "\x1b" not in text
    for example in (
        '"jobResultFailure"',
        '"FINISHED"',
        '"EXIT_CODE_3"',
        "ce-type: order.created",
    ):
        assert example in text
    assert list(tmp_path.iterdir()) == []
