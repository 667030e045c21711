"""The bench as people run it: processes of its own, every event accounted for. No figure is judged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import asyncpg
import msgspec
import pytest
from tests.kit.apart import apart
from tests.kit.postgres import PostgresServer

from tocsin.bench.report import Report
from tocsin.bench.scenarios import FormatName

FORMATS = [f"format-{name}" for name in get_args(FormatName)]


def run_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tocsin.bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def report_of(*arguments: str) -> Report:
    ran = run_bench(*arguments, "--output", "json", "--no-pin")
    assert ran.returncode == 0, ran.stderr
    return msgspec.json.decode(ran.stdout, type=Report)


def chosen(names: Sequence[str]) -> list[str]:
    return [argument for name in names for argument in ("--scenario", name)]


@pytest.mark.parametrize(
    ("scenario", "events", "deliveries"),
    [
        ("harness", 300, 300),
        ("single-64", 300, 300),
        ("batch-100", 300, 300),
        ("fanout-3", 300, 900),
        ("half-load", 300, 300),
    ],
)
def test_every_event_arrives_as_often_as_it_should(scenario: str, events: int, deliveries: int, tmp_path: Path) -> None:
    saved = tmp_path / "report.json"
    ran = run_bench(
        "--quick", "--no-floors", "--scenario", scenario, "--output", "json", "--save", str(saved), "--no-pin"
    )
    assert ran.returncode == 0, ran.stderr
    report = msgspec.json.decode(ran.stdout, type=Report)
    assert msgspec.json.decode(saved.read_bytes(), type=Report) == report
    (measurement,) = report.measurements
    assert (measurement.name, measurement.events, measurement.deliveries) == (scenario, events, deliveries)
    assert (measurement.lost, measurement.duplicated, measurement.out_of_order) == (0, 0, 0)
    assert measurement.signed
    assert measurement.stopped_cleanly
    assert measurement.latency is not None


@pytest.mark.parametrize("names", [("https", "batched-ordered"), FORMATS[:5], FORMATS[5:]])
def test_it_does_so_in_every_format_over_tls_and_in_batches(names: Sequence[str]) -> None:
    report = report_of("--quick", "--events", "200", "--no-floors", *chosen(names))
    assert {*names} <= {measurement.name for measurement in report.measurements}
    for measurement in report.measurements:
        assert (measurement.name, measurement.events, measurement.deliveries) == (measurement.name, 200, 200)
        assert (measurement.lost, measurement.duplicated, measurement.out_of_order) == (0, 0, 0)
        assert measurement.signed
    assert all(measurement.beside for measurement in report.measurements if measurement.name == names[-1])


def test_a_backlog_is_delivered_when_its_endpoint_is_back_even_if_the_server_was_killed_meanwhile() -> None:
    report = report_of("--quick", "--no-floors", "--backlog", "400", *chosen(["backlog", "restart-ordered"]))
    small, backlog, restart = report.measurements
    assert (small.name, small.deliveries, backlog.deliveries, restart.deliveries) == ("backlog-1000", 100, 400, 400)
    assert all((m.lost, m.duplicated, m.out_of_order, m.latency) == (0, 0, 0, None) for m in report.measurements)
    assert backlog.beside is not None
    assert min(restart.first_delivery_seconds, restart.start_seconds) > 0


def test_a_floor_delivers_nothing_and_a_scenario_is_measured_over_its_floors() -> None:
    report = report_of("--quick", *chosen(["fanout-3"]))
    accept, sender, fanout = report.measurements
    assert (accept.name, accept.events, accept.deliveries, accept.is_floor) == ("accept-64", 300, 0, True)
    assert sender.name == "sender"
    assert fanout.over_floor is not None
    assert accept.over_floor is None


def test_an_idle_server_costs_by_the_second() -> None:
    (measurement,) = report_of("--quick", *chosen(["idle"])).measurements
    assert (measurement.events, measurement.deliveries, measurement.is_idle) == (0, 0, True)
    assert measurement.resident_mb > 0


@pytest.mark.parametrize(
    ("scenario", "copies", "crowd"),
    [("noisy-2-stubborn", 6, 0), ("noisy-slow", 5, 0), ("filters-100", 1, 0), ("crowd-1", 1, 1)],
)
def test_neighbours_and_bystanders_change_nothing_in_what_arrives(scenario: str, copies: int, crowd: int) -> None:
    measurement = report_of("--quick", "--no-floors", *chosen([scenario])).measurements[-1]
    assert (measurement.name, measurement.deliveries) == (scenario, 300 * copies + crowd)
    assert (measurement.lost, measurement.duplicated, measurement.out_of_order) == (0, 0, 0)
    assert (measurement.troubled_requests > 0) is scenario.startswith("noisy")
    assert (measurement.beside is not None) is (scenario != "crowd-1")
    assert (measurement.start_seconds > 0) is (scenario == "filters-100")


def test_an_unknown_scenario_is_a_usage_error() -> None:
    ran = run_bench("--scenario", "single-63")
    assert ran.returncode == 2
    assert "single-63" in ran.stdout


def test_on_a_database_server_its_work_is_told_apart() -> None:
    """Two nodes, and tenants of both, on a PostgreSQL of its own."""
    report = report_of(
        "--quick", "--no-floors", *chosen(["single-64", "fanout-3"]), "--postgres", "--nodes", "2", "--tenants", "3"
    )
    assert report.database.startswith("PostgreSQL ")
    assert "fsync on" in report.database
    assert (report.effort.nodes, report.effort.tenants) == (2, 3)
    assert [(m.events, m.deliveries, m.lost, m.duplicated) for m in report.measurements] == [
        (300, 300, 0, 0),
        (300, 900, 0, 0),
    ]
    for measurement in report.measurements:
        assert measurement.is_right
        assert measurement.database_cpu_us is not None
        assert measurement.all_cpu_us == measurement.cpu_us + measurement.database_cpu_us
        assert (measurement.wal_bytes_per_event or 0) > 1024
        assert 0 < (measurement.commits_per_event or 0) <= 3
    assert [m.budget_us for m in report.measurements] == [150 + 60, 70 + 50]


def test_a_database_is_made_on_the_server_and_dropped(postgres_server: PostgresServer) -> None:
    async def names() -> list[str]:
        connection = await asyncpg.connect(postgres_server.url())
        try:
            return [row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database ORDER BY 1")]
        finally:
            await connection.close()

    before = apart(names())
    report = report_of("--quick", "--no-floors", "--scenario", "batch-100", "--database", postgres_server.url())
    assert "fsync off" in report.database
    assert report.is_right
    assert apart(names()) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--nodes", "2"), "Several nodes need a PostgreSQL"),
        (("--database", "postgresql://nobody@127.0.0.1:1/none"), "The database server: "),
    ],
)
def test_without_a_database_server_nothing_is_measured(arguments: Sequence[str], said: str) -> None:
    ran = run_bench("--quick", "--no-floors", "--scenario", "single-64", *arguments)
    assert ran.returncode != 0
    assert said in ran.stdout + ran.stderr
