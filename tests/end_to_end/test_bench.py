"""The bench as people run it: processes of its own, every event accounted for. No figure is judged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tocsin.bench.report import Report


def run_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tocsin.bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.parametrize(
    ("scenario", "events", "deliveries"),
    [("harness", 300, 300), ("single-64", 300, 300), ("batch-100", 300, 300), ("fanout-3", 300, 900)],
)
def test_every_event_arrives_as_often_as_it_should(scenario: str, events: int, deliveries: int, tmp_path: Path) -> None:
    saved = tmp_path / "report.json"
    ran = run_bench("--quick", "--scenario", scenario, "--output", "json", "--save", str(saved), "--no-pin")
    assert ran.returncode == 0, ran.stderr
    report = msgspec.json.decode(ran.stdout, type=Report)
    assert msgspec.json.decode(saved.read_bytes(), type=Report) == report
    (measurement,) = report.measurements
    assert (measurement.name, measurement.events, measurement.deliveries) == (scenario, events, deliveries)
    assert (measurement.lost, measurement.duplicated, measurement.out_of_order) == (0, 0, 0)
    assert measurement.signed
    assert measurement.stopped_cleanly
    assert measurement.latency is not None


@pytest.mark.parametrize(
    ("scenario", "copies", "crowd"),
    [("noisy-2-stubborn", 6, 0), ("noisy-slow", 5, 0), ("filters-100", 1, 0), ("crowd-1", 1, 1)],
)
def test_neighbours_and_bystanders_change_nothing_in_what_arrives(scenario: str, copies: int, crowd: int) -> None:
    ran = run_bench("--quick", "--scenario", scenario, "--output", "json", "--no-pin")
    assert ran.returncode == 0, ran.stderr
    measurement = msgspec.json.decode(ran.stdout, type=Report).measurements[-1]
    assert (measurement.name, measurement.deliveries) == (scenario, 300 * copies + crowd)
    assert (measurement.lost, measurement.duplicated, measurement.out_of_order) == (0, 0, 0)
    assert (measurement.troubled_requests > 0) is scenario.startswith("noisy")
    assert (measurement.beside is not None) is (scenario != "crowd-1")
    assert (measurement.start_seconds > 0) is (scenario == "filters-100")


def test_an_unknown_scenario_is_a_usage_error() -> None:
    ran = run_bench("--scenario", "single-63")
    assert ran.returncode == 2
    assert "single-63" in ran.stdout
