"""`intake ...`: the stream of the replicated intake, when it is not the one that it was. Does not talk to a running server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from cyclopts import App, Parameter

from tocsin.cli.inputs import Usage
from tocsin.cli.output import Mode, console, print_error, print_json, visible
from tocsin.cli.server import NO_FLAGS, SettingFlags
from tocsin.cli.transfers import UNREACHABLE, with_codes
from tocsin.errors import IntakeUnavailable

if TYPE_CHECKING:
    from tocsin.operations.intake_renewal import Renewal

app = App(name="intake", help="The replicated intake, after its stream was lost.")
_MEANS: Final = "What was answered `queued`, is not accepted and is in no stream any more is gone: its producers have to send it again."


@app.command
def renew(
    *,
    yes: Annotated[bool, Parameter(negative=())] = False,
    flags: SettingFlags = NO_FLAGS,
    output: Annotated[Mode, Parameter(name=["--output", "-o"])] = "text",
) -> int:
    """Go on with the stream that there is now, from its beginning, after the one before was lost or made anew. All servers are down
    meanwhile. What it holds that was accepted already is not accepted again.

    :param yes: Yes, go on with it. Without this nothing is changed, and it only tells how things are.
    :param output: `json` for programs.
    """

    def run() -> int:
        from tocsin.wiring.intake import renew_intake  # noqa: PLC0415 (a store is heavy; other commands need none)

        try:
            found = renew_intake(flags.settings(), is_wanted=yes)
        except IntakeUnavailable as error:
            print_error(str(error))
            return UNREACHABLE
        if output == "json":
            print_json(msgspec.to_builtins(found))
        if found.why is not None and not found.is_done:
            raise Usage(f"{found.why} {_there_is(found)} {_MEANS} Say --yes to go on with it.")
        if output == "text":
            told = (
                f"{visible(found.why)} {_there_is(found)} Servers go on with it." if found.why else "Nothing is wrong."
            )
            console().print(told, soft_wrap=True)
        return 0

    return with_codes(run)


def _there_is(found: Renewal) -> str:
    if found.held is None:
        return "A stream would be made."
    return f"The stream that there is now holds {found.held} submissions."
