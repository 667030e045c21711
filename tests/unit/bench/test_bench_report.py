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
from tocsin.bench.report import Report, bound_style, latency_style, table_of, this_machine
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
    asked = [BY_NAME["filters-10000"], BY_NAME["filters-1"]]
    names = [scenario.name for scenario in with_references(asked, floors=False)]
    assert names == ["filters-1", "filters-10000"]
    names = [scenario.name for scenario in with_references(asked)]
    assert names == ["accept-jobs", "sender", "filters-1", "filters-10000"]
    assert with_references(SCENARIOS) == list(SCENARIOS)
    assert all(BY_NAME[floor].is_floor for scenario in SCENARIOS for floor in scenario.floors)


def test_a_delivery_stands_on_a_share_of_an_accept_and_on_one_exchange() -> None:
    round_of = {
        name: msgspec.structs.replace(GOOD, name=name, cpu_us=cpu_us)
        for name, cpu_us in (("accept-64", 60.0), ("sender", 20.0), ("fanout-3", 80.0), ("single-64", 160.0))
    }
    fanout, single = (compared(BY_NAME[name], round_of) for name in ("fanout-3", "single-64"))
    assert (fanout.floor_us, fanout.over_floor, single.floor_us, single.over_floor) == (40.0, 2.0, 80.0, 2.0)
    assert compared(BY_NAME["accept-64"], round_of).over_floor is None
    less = msgspec.structs.replace(fanout, over_floor=1.5)
    assert typical([fanout, less, less]).over_floor == 1.5


def test_a_backlog_is_judged_by_its_rate_and_by_its_memory() -> None:
    small = msgspec.structs.replace(GOOD, name="backlog-1000", resident_peak_mb=100.0)
    large = msgspec.structs.replace(GOOD, name="backlog", resident_peak_mb=140.0, deliveries_per_second=1900.0)
    measured = compared(BY_NAME["backlog"], {"backlog-1000": small, "backlog": large})
    assert measured.beside is not None
    assert (measured.beside.rate, measured.beside.memory) == (0.95, 1.4)
    assert bound_style(0.95, None, 0.9) == bound_style(1.3, 1.3, None) == "bold green"
    assert bound_style(0.85, None, 0.9) == bound_style(1.4, 1.3, None) == "bold red"
    assert "memory <= 1.3" in text_of(report(measured))


def test_an_idle_server_a_late_first_delivery_and_a_half_load_are_told() -> None:
    idle = msgspec.structs.replace(GOOD, name="idle", cpu_us=2345.0, is_idle=True)
    assert "idle: 2.3 ms of CPU per second" in text_of(report(idle))
    late = msgspec.structs.replace(GOOD, name="restart", first_delivery_seconds=3.14)
    assert "restart: the first delivery came 3.14 s after" in text_of(report(late))
    half = msgspec.structs.replace(GOOD, p50_ms=4.0, p99_ms=30.0)
    assert latency_style(half) == "green"
    assert latency_style(msgspec.structs.replace(half, p99_ms=4.9)) == "red"


def test_endpoints_divide_evenly_among_tenants() -> None:
    assert all(scenario.endpoints % scenario.tenants == 0 for scenario in SCENARIOS)
