"""The live tail as commands follow it: over one connection after another, from where the last one ended."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Final

from tocsin.cli.connection import Connection
from tocsin.cli.output import console, print_error
from tocsin.client import Problem, Unreachable
from tocsin.client.streaming import Message

FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 30.0
_TOO_MANY: Final = 429


def followed(connection: Connection, query: Mapping[str, str | None]) -> Iterator[Message]:
    """Message after message, for ever. When the connection is lost it is made anew, after longer and longer waits, and what was
    accepted meanwhile comes first. Raises Unreachable and Problem when there is no first connection, and Problem when the server
    does not want this key any more."""
    last: str | None = None
    wait = FIRST_WAIT_SECONDS
    has_begun = is_lost = False
    while True:
        lost = "the connection was lost"
        try:
            with connection.client() as client:
                for message in client.stream("/v1/tail", query=query, last_event_id=last):
                    last = message.id or last
                    if message.name == "end":
                        lost = _ended(message)
                        break
                    if message.name == "watching":
                        has_begun, wait = True, FIRST_WAIT_SECONDS
                        if is_lost:
                            console(stderr=True).print("Connected again.", style="dim")
                    yield message
        except Unreachable as error:
            if not has_begun:
                raise
            lost = str(error)
        except Problem as problem:
            if not has_begun or (problem.status < 500 and problem.status != _TOO_MANY):
                raise
            lost = str(problem)
        is_lost = True
        pause = wait * random.uniform(0.8, 1.2)  # noqa: S311 (chance, not secrecy)
        print_error(f"{lost}; trying again in {pause:.1f} s")
        threading.Event().wait(pause)
        wait = min(wait * 2, LONGEST_WAIT_SECONDS)


def _ended(message: Message) -> str:
    """What the server says why. Raises Problem when there is no coming back."""
    if message.data.get("reason") == "key":
        raise Problem(401, {"title": "The API key was revoked, or has expired."})
    return "the server is stopping"


def end_on_sigterm() -> None:
    """From now on SIGTERM is as good as Ctrl-C."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
