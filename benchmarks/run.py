"""Measures the stages by pyperf: a table, a document to keep, ratios to one that was kept.

Options of pyperf are understood as well (`--rigorous`, `--affinity`); figures of different machines do not compare.
A ratio is of the fastest runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import pyperf

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stages import STAGES, Stage

NOISE = 0.15
"""Ratios nearer to one than this are not worth a look."""


def timed(loops: int, stage: Stage) -> float:
    """Seconds of so many runs. What the stage needs is made before, and once it runs to warm its caches."""
    run = stage.make()
    run()
    span = range(loops)
    started = time.perf_counter()
    for _ in span:
        run()
    return time.perf_counter() - started


def pass_on(command: list[str], given: argparse.Namespace) -> None:
    """What the processes that measure have to know too."""
    for part in given.only or ():
        command.extend(("--only", part))


def fastest(bench: pyperf.Benchmark) -> float:
    """Seconds of the run that was disturbed least. On a machine that does other things as well, it scatters far less than
    the mean."""
    return float(min(bench.get_values()))


def table_of(suite: pyperf.BenchmarkSuite, earlier: pyperf.BenchmarkSuite | None) -> str:
    """Microseconds, how far the median is above, and the ratio where there is something to compare with."""
    before = {} if earlier is None else {bench.get_name(): fastest(bench) for bench in earlier}
    lines = [f"{'stage':42} {'us':>9} {'median':>7}" + ("  ratio" if before else "")]
    for bench in suite:
        name, best = bench.get_name(), fastest(bench)
        line = f"{name:42} {best * 1e6:9.2f} {bench.median() / best - 1:+7.0%}"
        if name in before:
            ratio = best / before[name]
            line += f"  {ratio:5.2f}" + (" slower" if ratio > 1 + NOISE else " faster" if ratio < 1 - NOISE else "")
        elif before:
            line += "    new"
        lines.append(line)
    return "\n".join(lines)


def main() -> int:
    """Measure all, or those whose names contain what `--only` says."""
    runner = pyperf.Runner(processes=3, values=4, warmups=1, min_time=0.05, add_cmdline_args=pass_on)
    runner.argparser.description = __doc__
    runner.argparser.add_argument("--only", action="append", metavar="TEXT", help="stages with this in their name")
    runner.argparser.add_argument("--save", type=Path, help="keep the document here")
    runner.argparser.add_argument("--baseline", type=Path, help="compare with a document that was kept")
    given = runner.parse_args([*sys.argv[1:], "--inherit-environ=PYTHONPATH", "--quiet"])
    chosen = [stage for stage in STAGES if not given.only or any(text in stage.name for text in given.only)]
    if not chosen:
        runner.argparser.error(f"no stage has {' or '.join(given.only)} in its name")
    measured = [runner.bench_time_func(stage.name, timed, stage) for stage in chosen]
    if given.worker:
        return 0
    suite = pyperf.BenchmarkSuite([bench for bench in measured if bench is not None])
    if given.save is not None:
        suite.dump(str(given.save), replace=True)
    print(table_of(suite, None if given.baseline is None else pyperf.BenchmarkSuite.load(str(given.baseline))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
