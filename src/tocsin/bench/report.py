"""What a run of the bench gave: one document, a table for people, and the comparison with an earlier document."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tocsin import __version__
from tocsin.bench.comparing import judged
from tocsin.bench.control import Spread
from tocsin.bench.figures import Effort, Measurement
from tocsin.model.noun import Noun

BAR_WIDTH: Final = 14
FIRST_DELIVERY_SECONDS: Final = 2.0
"""So long may the first delivery take after a start, whatever is waiting."""
EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


class Machine(Noun, frozen=True, kw_only=True):
    """Where it was measured. Figures of different machines do not compare."""

    processor: str
    cores: int
    system: str
    python: str
    tocsin: str


class Report(Noun, frozen=True, kw_only=True):
    """A run. Of several rounds each scenario's median (by CPU) is kept, or a round that went wrong."""

    started_at: str
    machine: Machine
    effort: Effort
    rounds: int
    database: str = "SQLite"
    measurements: tuple[Measurement, ...]

    @property
    def is_right(self) -> bool:
        return all(measurement.is_right for measurement in self.measurements)


def this_machine() -> Machine:
    """The machine we run on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return Machine(
        processor=next(models, platform.machine()),
        cores=len(os.sched_getaffinity(0)),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        tocsin=__version__,
    )


def table_of(report: Report, baseline: Report | None) -> Group:
    """The table, below it what has to be said about it."""
    table = Table(title_justify="left", header_style="bold", pad_edge=False, box=None, padding=(0, 1))
    table.add_column("scenario", no_wrap=True)
    table.add_column("delivered/s", justify="right", no_wrap=True)
    table.add_column("server CPU, us each", justify="left", no_wrap=True)
    has_server = any(m.wal_bytes_per_event is not None for m in report.measurements)
    if has_server:
        table.add_column("database\nCPU / both", justify="right", no_wrap=True)
        table.add_column("WAL bytes/event\n(commits)", justify="right", no_wrap=True)
    table.add_column("x floor", justify="right", no_wrap=True)
    table.add_column("accept ms\np50 / p99", justify="right", no_wrap=True)
    table.add_column("until receipt ms\np50 / p99", justify="right", no_wrap=True)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("bytes/event\non disk", justify="right", no_wrap=True)
    table.add_column("account", no_wrap=True)
    if baseline is not None:
        table.add_column("against baseline\nrate / CPU", justify="right", no_wrap=True)
    longest = max((m.cpu_us for m in report.measurements if m.rate is None and not m.is_idle), default=0.0)
    earlier = {m.name: m for m in baseline.measurements} if baseline else {}
    for measurement in report.measurements:
        cells: list[Text | str] = [
            Text(measurement.name, style="dim" if measurement.is_floor else ""),
            f"{measurement.deliveries_per_second:,.0f}",
            cpu_cell(measurement, longest),
            *((database_cell(measurement), wal_text(measurement)) if has_server else ()),
            f"{measurement.over_floor:.1f}" if measurement.over_floor is not None else "",
            spread_text(measurement.accept),
            Text(spread_text(measurement.latency), style=latency_style(measurement)),
            f"{measurement.resident_mb:.0f}",
            f"{measurement.disk_bytes_per_event:,.0f}" if measurement.deliveries and not measurement.is_floor else "",
            account_cell(measurement),
        ]
        if baseline is not None:
            cells.append(ratio_text(measurement, earlier.get(measurement.name)))
        table.add_row(*cells)
    comparisons = [measurement for measurement in report.measurements if measurement.beside is not None]
    return Group(table, *((Text(), comparisons_of(comparisons)) if comparisons else ()), Text(), *notes(report))


def comparisons_of(measurements: Iterable[Measurement]) -> Table:
    """The ratios within the rounds; the one that is judged stands out."""
    table = Table(header_style="bold", pad_edge=False, box=None, padding=(0, 1))
    table.add_column("scenario, over that beside it", no_wrap=True)
    for column in ("receipt p50", "receipt p99", "accept p99", "CPU", "rate", "memory", "wanted"):
        table.add_column(column, justify="right", no_wrap=True)
    for measurement in measurements:
        beside = measurement.beside
        assert beside is not None
        styles: dict[str, str] = {beside.figure: bound_style(judged(beside), beside.at_most, beside.at_least)}
        if beside.memory_at_most is not None:
            styles["memory"] = bound_style(beside.memory, beside.memory_at_most, None)
        figures = (
            ("receipt_p50", beside.receipt_p50),
            ("receipt_p99", beside.receipt_p99),
            ("accept_p99", beside.accept_p99),
            ("cpu", beside.cpu),
            ("rate", beside.rate),
            ("memory", beside.memory),
        )
        wanted = [
            text
            for text, bound in (
                (f"<= {beside.at_most}", beside.at_most),
                (f">= {beside.at_least}", beside.at_least),
                (f"memory <= {beside.memory_at_most}", beside.memory_at_most),
            )
            if bound is not None
        ]
        table.add_row(
            f"{measurement.name} / {beside.name}",
            *(Text("" if value is None else f"{value:.2f}", style=styles.get(name, "")) for name, value in figures),
            ", ".join(wanted),
        )
    return table


def bound_style(ratio: float | None, at_most: float | None, at_least: float | None) -> str:
    """Whether a ratio that is judged is in its bounds."""
    if ratio is None or (at_most is None and at_least is None):
        return "bold"
    is_met = ratio <= (at_most or ratio) and ratio >= (at_least or ratio)
    return "bold green" if is_met else "bold red"


def notes(report: Report) -> Iterable[Text]:
    """How to read the table."""
    machine, effort = report.machine, report.effort
    pinned = "server on one core, sink and generator on another" if effort.pin else "not pinned"
    load = f"{effort.events} events" if effort.events is not None else f"{effort.seconds:g} s of load"
    yield Text(
        f"{machine.processor}, {machine.cores} cores, {machine.system}, Python {machine.python}, Tocsin {machine.tocsin}",
        style="dim",
    )
    yield Text(f"1 KB events, fsync before every answer; {load} each, {report.rounds} round(s), {pinned}.", style="dim")
    spread = f", {effort.nodes} server(s)" + (f", {effort.tenants} tenants" if effort.tenants > 1 else "")
    yield Text(f"On {report.database}{spread if effort.nodes > 1 or effort.tenants > 1 else ''}.", style="dim")
    yield Text("CPU: user and system time of all the server's threads, per delivery; | marks the budget.", style="dim")
    yield Text("x floor: over a bare accept and a bare sender of the same round together.", style="dim")
    for measurement in report.measurements:
        yield from remarks(measurement)


def remarks(measurement: Measurement) -> Iterable[Text]:
    """What went wrong or makes the figures doubtful."""
    name = measurement.name
    if not measurement.signed:
        yield Text(f"{name}: requests arrived without a good signature or token.", style="bold red")
    if not measurement.stopped_cleanly:
        yield Text(f"{name}: the server did not end within 10 s of SIGTERM.", style="bold red")
    if measurement.is_idle:
        yield Text(f"{name}: {measurement.cpu_us / 1e3:.1f} ms of CPU per second.")
    if (waited := measurement.first_delivery_seconds) > 0:
        style = "green" if waited <= FIRST_DELIVERY_SECONDS else "red"
        yield Text(f"{name}: the first delivery came {waited:.2f} s after the server was started", style=style).append(
            f" (which listened after {measurement.start_seconds:.2f} s)."
        )
    elif measurement.start_seconds:
        created, started = measurement.created_per_second, measurement.start_seconds
        yield Text(f"{name}: {created:,.0f} endpoints created per second; a start with them took {started:.1f} s.")
    if measurement.troubled_requests:
        yield Text(f"{name}: {measurement.troubled_requests:,} requests went to the endpoints in trouble.", style="dim")
    if measurement.postponed or measurement.reconnected:
        postponed, reconnected = measurement.postponed, measurement.reconnected
        yield Text(f"{name}: {postponed} POSTs were told to wait, {reconnected} connections were lost.", style="yellow")


def cpu_cell(measurement: Measurement, longest: float) -> Text:
    """The figure and its bar; the budget is a mark in it. A paced load has no bar: waking up costs it many times more
    than its work. What is idle costs by the second."""
    if measurement.is_idle:
        return Text(f"{measurement.cpu_us:6.0f} (a second)", style="dim")
    if measurement.rate is not None:
        return Text(f"{measurement.cpu_us:6.1f} (paced)", style="dim")
    eighths = round(measurement.cpu_us / longest * BAR_WIDTH * 8) if longest else 0
    whole, rest = divmod(eighths, 8)
    bar = (EIGHTHS[8] * whole + (EIGHTHS[rest] if rest else "")).ljust(BAR_WIDTH)
    budget = measurement.budget_us
    if budget is not None and (at := int(budget / longest * BAR_WIDTH)) < BAR_WIDTH:
        bar = bar[:at] + "|" + bar[at + 1 :]
    style = "dim" if budget is None else "green" if measurement.all_cpu_us <= budget else "red"
    return Text.assemble(f"{measurement.cpu_us:6.1f} ", (bar, style))


def database_cell(measurement: Measurement) -> str:
    """CPU of the database server, and with ours."""
    own = measurement.database_cpu_us
    return "" if own is None else f"{own:.1f} / {measurement.all_cpu_us:.1f}"


def wal_text(measurement: Measurement) -> str:
    """What the database server wrote, and in how many transactions."""
    if not measurement.wal_bytes_per_event:
        return ""
    return f"{measurement.wal_bytes_per_event:,.0f} ({measurement.commits_per_event or 0:.3f})"


def latency_style(measurement: Measurement) -> str:
    """Whether the times until receipt are within their budget, where there is one."""
    latency, p50_ms, p99_ms = measurement.latency, measurement.p50_ms, measurement.p99_ms
    if latency is None or p50_ms is None or p99_ms is None:
        return ""
    return "green" if latency.p50 <= p50_ms and latency.p99 <= p99_ms else "red"


def spread_text(spread: Spread | None) -> str:
    """Median and 99th percentile."""
    return f"{spread.p50:.1f} / {spread.p99:.1f}" if spread else ""


def account_cell(measurement: Measurement) -> Text:
    """Whether everything arrived exactly as often as it should."""
    faults = [
        f"{count:,} {fault}"
        for fault, count in (
            ("lost", measurement.lost),
            ("twice", measurement.duplicated),
            ("out of order", measurement.out_of_order),
        )
        if count
    ]
    if faults:
        return Text(", ".join(faults), style="bold red")
    return Text(f"{measurement.deliveries:,} of {measurement.deliveries:,}" if measurement.deliveries else "")


def ratio_text(measurement: Measurement, earlier: Measurement | None) -> str:
    """Rate and CPU of a run over those of an earlier one."""
    if earlier is None or not earlier.cpu_us or not earlier.deliveries_per_second:
        return "new"
    rate = measurement.deliveries_per_second / earlier.deliveries_per_second
    return f"{rate:.2f} / {measurement.cpu_us / earlier.cpu_us:.2f}"
