"""What `tocsin migrate --from ... --to ...` shows: how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tocsin.cli.inputs import Usage, secret_argument
from tocsin.cli.output import Mode, console, print_error, print_json, visible
from tocsin.errors import Conflict, Misconfigured, StoreUnavailable
from tocsin.model.database import without_password

if TYPE_CHECKING:
    from tocsin.operations.transfer import Advance

T = TypeVar("T")
_FAILED: Final = 1
UNREACHABLE: Final = 3
_REFUSED: Final = 4
_DOES: Final = {"copy": "copied", "check": "checked"}


def transfer(source: str | None, target: str | None, output: Mode) -> int:
    """Copy everything; gives the exit code."""
    if source is None or target is None:
        raise Usage("--from and --to go together")
    left, right = secret_argument(source, "--from"), secret_argument(target, "--to")

    def run() -> int:
        from tocsin.wiring.transfers import transfer  # noqa: PLC0415 (a store is heavy; other commands need none)

        with _shown(output) as tell:
            done = transfer(left, right, tell)
        tables = {name: rows for name, rows in done.tables.items() if rows}
        if output == "json":
            names = {"from": without_password(left), "to": without_password(right)}
            print_json(names | {"moved": done.is_over, "differing": list(done.differing), "tables": tables}, line=True)
        elif done.is_over:
            rows = f"{sum(tables.values())} rows of {len(tables)} tables"
            told = "went there before" if done.was_over else "are there now, the same as here"
            console().print(f"{visible(without_password(right))}: {rows} {told}.", soft_wrap=True)
            console().print(
                "Serve that one from now on, with the same master key. The source is as it was; it is not served any more.",
                soft_wrap=True,
            )
        if not done.is_over:
            print_error(f"not the same in both: {', '.join(done.differing)}. The source is still whole.")
            return _FAILED
        return 0

    return with_codes(run)


def take_back(source: str | None, target: str | None, output: Mode) -> int:
    """Have the source served again; gives the exit code."""
    if source is None or target is not None:
        raise Usage("--take-back goes with --from alone")
    url = secret_argument(source, "--from")

    def run() -> int:
        from tocsin.wiring.transfers import take_back_source  # noqa: PLC0415 (as above)

        mark = take_back_source(url)
        if output == "json":
            print_json({"from": without_password(url), "to": mark.other, "taken_back": True}, line=True)
        else:
            console().print(
                f"{visible(without_password(url))} can be served again. What went to {visible(mark.other)} must not be:"
                " it would deliver the same once more.",
                soft_wrap=True,
            )
        return 0

    return with_codes(run)


def with_codes(run: Callable[[], int]) -> int:
    """Refused and unreachable have codes of their own."""
    try:
        return run()
    except Misconfigured as error:
        codes = {"in_use": _REFUSED, "unreachable": UNREACHABLE}
        code = codes.get(str(error.members.get("reason")))
        if code is None:
            raise
        print_error(str(error))
        return code
    except KeyboardInterrupt:
        print_error("stopped. Run it again: it goes on where it was.")
        return _FAILED
    except Conflict as error:
        print_error(str(error))
        return _REFUSED
    except StoreUnavailable as error:
        print_error(f"{error} Run it again: it goes on where it was.")
        return UNREACHABLE


@contextmanager
def _shown(output: Mode) -> Iterator[Callable[[Advance], None]]:
    """A bar for each table on a terminal, a line for each table that is done otherwise."""
    screen = console(stderr=output == "json")
    if output == "text" and screen.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=screen) as bars:
            shown: dict[str, TaskID] = {}

            def move(advance: Advance) -> None:
                name = f"{advance.step} {advance.table}"
                if name not in shown:
                    shown[name] = bars.add_task(name, total=advance.total)
                bars.update(shown[name], completed=advance.rows)

            yield move
        return

    def line(advance: Advance) -> None:
        if advance.rows < advance.total:
            return
        if output == "json":
            print_json({"table": advance.table, "rows": advance.rows, "state": _DOES[advance.step]}, line=True)
        else:
            screen.print(f"{advance.table}: {advance.rows} rows {_DOES[advance.step]}", soft_wrap=True)

    yield line
