"""The verdict over a measurement, and its table."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io

import msgspec
import pytest
from rich.console import Console

from tocsin.bench.comparing import compared, judged, typical
from tocsin.bench.control import Spread
from tocsin.bench.endpoints import SIGNING_KEY, TOKEN
from tocsin.bench.figures import Effort, Measurement, is_signed, with_over_without
from tocsin.bench.report import Report, table_of, this_machine
from tocsin.bench.scenarios import BY_NAME, SCENARIOS, with_references

GOOD = Measurement(
    name="single-64",
    meaning="one event per POST",
    is_floor=False,
    rate=None,
    events=1000,
    deliveries=1000,
    seconds=0.5,
    deliveries_per_second=2000.0,
    accepts_per_second=2500.0,
    cpu_us=120.0,
    cpu_user_us=100.0,
    cpu_system_us=20.0,
    budget_us=150,
    server_cpu_share=0.24,
    generator_cpu_us=10.0,
    sink_cpu_us=12.0,
    accept=Spread(p50=1.0, p99=2.0, longest=3.0),
    latency=Spread(p50=4.0, p99=5.0, longest=6.0),
    resident_mb=80.0,
    resident_peak_mb=90.0,
    disk_bytes_per_event=3000.0,
    written_bytes_per_event=6000.0,
    connections_at_sink=32,
    lost=0,
    duplicated=0,
    out_of_order=0,
    postponed=0,
    reconnected=0,
    signed=True,
    stopped_cleanly=True,
)


def report(*measurements: Measurement) -> Report:
    effort = Effort(seconds=1, events=None, warm_up=1, pin=True)
    return Report(
        started_at="2026-01-01T00:00:00.000Z",
        machine=this_machine(),
        effort=effort,
        rounds=1,
        measurements=measurements,
    )


def text_of(shown: Report, baseline: Report | None = None) -> str:
    console = Console(file=io.StringIO(), width=150)
    console.print(table_of(shown, baseline))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    "fault", [{"lost": 1}, {"duplicated": 1}, {"out_of_order": 1}, {"signed": False}, {"stopped_cleanly": False}]
)
def test_any_fault_makes_the_report_wrong(fault: dict[str, int | bool]) -> None:
    assert report(GOOD).is_right
    assert not report(GOOD, msgspec.structs.replace(GOOD, **fault)).is_right


def test_the_median_stands_for_all_rounds_unless_one_went_wrong() -> None:
    rounds = [msgspec.structs.replace(GOOD, cpu_us=cpu) for cpu in (130.0, 110.0, 120.0)]
    assert typical(rounds).cpu_us == 120.0
    wrong = msgspec.structs.replace(GOOD, cpu_us=500.0, lost=3)
    assert typical([*rounds, wrong]) == wrong


def test_the_table_shows_figures_faults_and_ratios() -> None:
    assert "1,000 of 1,000" in text_of(report(GOOD))
    assert "2 lost, 1 twice" in text_of(report(msgspec.structs.replace(GOOD, lost=2, duplicated=1)))
    quicker = msgspec.structs.replace(GOOD, cpu_us=60.0, deliveries_per_second=4000.0)
    assert "2.00 / 0.50" in text_of(report(quicker), report(GOOD))
    assert "new" in text_of(report(GOOD), report())


def test_a_report_survives_its_document() -> None:
    assert msgspec.json.decode(msgspec.json.encode(report(GOOD)), type=Report) == report(GOOD)


def test_the_signature_of_a_sample_is_checked() -> None:
    signature = base64.b64encode(hmac.digest(SIGNING_KEY, b"msg_1.1700000000.{}", hashlib.sha256)).decode()
    request = (
        f"POST /0 HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nwebhook-id: msg_1\r\nwebhook-timestamp: 1700000000\r\n"
        f"webhook-signature: v1,{signature}\r\n\r\n{{}}"
    )
    assert is_signed(request)
    assert not is_signed(request.replace("{}", "{ }"))
    assert not is_signed(request.replace("Bearer", "Basic"))


def test_a_scenario_is_compared_with_the_one_beside_it_in_the_same_round() -> None:
    scenario = BY_NAME["filters-100"]
    alone = msgspec.structs.replace(GOOD, name="filters-1", cpu_us=100.0)
    rounds = []
    for cpu_us in (105.0, 130.0, 110.0):
        measured = msgspec.structs.replace(GOOD, name="filters-100", cpu_us=cpu_us)
        rounds.append(compared(scenario, {"filters-1": alone, "filters-100": measured}))
    chosen = typical(rounds)
    assert chosen.cpu_us == 110.0
    assert chosen.beside is not None
    assert (chosen.beside.name, chosen.beside.cpu, judged(chosen.beside), chosen.beside.at_most) == (
        "filters-1", 1.1, 1.1, 1.1,
    )  # fmt: skip
    assert compared(scenario, {"filters-100": rounds[0]}) is rounds[0]
    shown = io.StringIO()
    Console(file=shown, width=140).print(table_of(report(alone, chosen), None))
    assert "filters-100 / filters-1" in shown.getvalue()
    assert "<= 1.1" in shown.getvalue()


def test_trouble_is_judged_by_the_medians_of_its_phases() -> None:
    def phase(p50: float, p99: float) -> Spread:
        return Spread(p50=p50, p99=p99, longest=1000.0)

    phases = [phase(2, 10), phase(2, 11), phase(2, 12), phase(3, 99), phase(4, 11), phase(2, 12), None, phase(9, 9)]
    found = with_over_without(phases)
    assert found is not None
    assert (found.receipt_p50, found.receipt_p99, found.figure) == (1.25, 1.045, "receipt_p99")
    assert with_over_without([phase(1, 1)]) is None


def test_the_scenario_that_one_is_compared_with_is_measured_too_and_before_it() -> None:
    names = [scenario.name for scenario in with_references([BY_NAME["filters-10000"], BY_NAME["filters-1"]])]
    assert names == ["filters-1", "filters-10000"]
    assert with_references(SCENARIOS) == list(SCENARIOS)


def test_endpoints_divide_evenly_among_tenants() -> None:
    assert all(scenario.endpoints % scenario.tenants == 0 for scenario in SCENARIOS)
