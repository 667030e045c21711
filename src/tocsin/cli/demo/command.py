"""`demo`: puts the server and the receivers up, plays the story, and holds what arrived against what was expected."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from rich.console import Console

from tocsin.cli.arrivals import arrival_document
from tocsin.cli.demo import show
from tocsin.cli.demo.cast import CAST, RETRY, Part
from tocsin.cli.demo.expectations import Tally, is_complete, tally
from tocsin.cli.demo.server import NotStarted, ServerProcess
from tocsin.cli.demo.story import Story, StoryError
from tocsin.cli.output import Mode, console, print_error, print_json
from tocsin.cli.reporting import Flag
from tocsin.client import Client, Problem, Unreachable
from tocsin.receiver import Arrival, Hmac, Receiver, StandardWebhooks

INTERRUPTED: Final = 130
ARRIVAL_SECONDS: Final = 30.0
SETTLE_SECONDS: Final = 0.5
"""How long to watch for what should not come, once all that should has come."""


def demo(
    *,
    once: Flag = False,
    output: Annotated[Mode, Parameter(name=["--output", "-o"])] = "text",
) -> int:
    """See it all work: a server, a receiver for each format, real jobs and record changes, a receiver that recovers.

    Nothing is installed and nothing is left behind: everything is on free ports of this machine and in a temporary directory.

    :param once: End after the tour: 0 when everything arrived exactly as expected, else 1.
    :param output: `json`: one document for each arrival, and one with the summary.
    """
    return asyncio.run(_demo(once=once, is_json=output == "json"))


async def _demo(*, once: bool, is_json: bool) -> int:
    stage = _Stage(is_json=is_json)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stage.stop.set)
    tour = asyncio.create_task(_tour(stage, once=once))
    stopped = asyncio.create_task(stage.stop.wait())
    await asyncio.wait((tour, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not stage.is_over:
        tour.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        return await tour
    return INTERRUPTED


class _Stage:
    """Where things are shown: lines for people, or JSON for programs; and when to end. `is_over`: the tour itself is."""

    def __init__(self, *, is_json: bool) -> None:
        self.stop = asyncio.Event()
        self.is_over = False
        self.is_json = is_json
        self.screen: Console = console(stderr=is_json)

    def arrival(self, part: Part, arrival: Arrival) -> None:
        if self.is_json:
            print_json({"endpoint": part.name, **arrival_document(arrival)}, line=True)
        else:
            show.show_arrival(self.screen, part, arrival)

    def tell(self, text: str) -> None:
        if not self.is_json:
            show.rule(self.screen, text)

    def present(self, server: ServerProcess, cast: Sequence[tuple[Part, Receiver]]) -> None:
        if not self.is_json:
            show.show_cast(self.screen, server, cast)


async def _tour(stage: _Stage, *, once: bool) -> int:
    """The exit code."""
    async with contextlib.AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-demo-"))
        try:
            server = await stack.enter_async_context(ServerProcess(Path(directory)))
            cast = [(part, await stack.enter_async_context(_receiver(part, stage.arrival))) for part in CAST]
            await asyncio.to_thread(_add_endpoints, server, cast)
            stage.present(server, cast)
            await Story(server, stage.tell, functools.partial(_seen, cast[0][1])).play()
        except (NotStarted, StoryError, Problem, Unreachable, OSError) as error:
            print_error(str(error))
            return 1
        await _all_arrived(cast)
        tallies = {
            part.name: tally(
                part.expected, receiver.arrivals, part.check, failures=part.failures, is_ordered=part.is_ordered
            )
            for part, receiver in cast
        }
        stage.is_over = True
        _show_end(stage, server, cast, tallies, once=once)
        if not once and not await _until_stopped(stage, server):
            print_error(f"the server ended:\n{server.said()}")
            return 1
    return 0 if all(tally.is_right for tally in tallies.values()) else 1


async def _until_stopped(stage: _Stage, server: ServerProcess) -> bool:
    """Wait until told to stop; False when the server ended before."""
    waits = [asyncio.create_task(stage.stop.wait()), asyncio.create_task(server.ended())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if stage.stop.is_set() and not stage.is_json:
        stage.screen.print("\nThe demo is over; nothing is left behind.")
    return stage.stop.is_set()


def _receiver(part: Part, show_arrival: Callable[[Part, Arrival], None]) -> Receiver:
    return Receiver(fail=part.failures, on_arrival=functools.partial(show_arrival, part))


def _add_endpoints(server: ServerProcess, cast: Sequence[tuple[Part, Receiver]]) -> None:
    """Create each endpoint and give its receiver the signing secret, which is shown this once."""
    with Client(server.url, server.api_key) as client:
        for part, receiver in cast:
            settings = {"name": part.name, "url": receiver.url, "retry": RETRY, **part.settings}
            endpoint = client.request("POST", "/v1/endpoints", settings)
            signing = endpoint.get("signing") if isinstance(endpoint, dict) else None
            if not isinstance(signing, dict) or not isinstance(secret := signing.get("secret"), str):
                raise StoryError(f"endpoint {part.name} was created without a signing secret")
            is_hmac = signing.get("kind") == "hmac"
            receiver.verify_with(Hmac(secret, header=signing["header"]) if is_hmac else StandardWebhooks(secret))


async def _seen(receiver: Receiver, event_type: str, subject: str) -> None:
    """Wait until a receiver got such an event."""

    def is_there(arrivals: Sequence[Arrival]) -> bool:
        return any((a.reading.name, a.reading.subject) == (event_type, subject) for a in arrivals)

    try:
        await receiver.wait_for(is_there, seconds=ARRIVAL_SECONDS)
    except TimeoutError:
        raise StoryError(f"{event_type} of {subject} did not arrive") from None


async def _all_arrived(cast: Sequence[tuple[Part, Receiver]]) -> None:
    """Wait until all that is expected has come, and a little longer; at most so long."""

    async def complete(part: Part, receiver: Receiver) -> None:
        await receiver.wait_for(lambda arrivals: is_complete(part.expected, arrivals), seconds=None)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ARRIVAL_SECONDS):
            await asyncio.gather(*(complete(part, receiver) for part, receiver in cast))
            await asyncio.sleep(SETTLE_SECONDS)


def _show_end(
    stage: _Stage,
    server: ServerProcess,
    cast: Sequence[tuple[Part, Receiver]],
    tallies: Mapping[str, Tally],
    *,
    once: bool,
) -> None:
    if stage.is_json:
        is_right = all(tally.is_right for tally in tallies.values())
        print_json({"is_right": is_right, "endpoints": {name: asdict(t) for name, t in tallies.items()}}, line=True)
        return
    show.show_examples(stage.screen, cast)
    show.show_summary(stage.screen, tallies)
    show.show_what_next(stage.screen, server, is_over=once)
