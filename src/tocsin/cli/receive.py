"""`receive`: a local receiver that verifies and prints, and fails when told to."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated, Literal

from cyclopts import Parameter

from tocsin.cli.arrivals import arrival_document, print_arrival
from tocsin.cli.inputs import Usage, duration
from tocsin.cli.output import Mode, console, print_error, print_json
from tocsin.cli.reporting import Flag
from tocsin.receiver import Arrival, Hmac, Receiver, StandardWebhooks, Verifier
from tocsin.receiver.server import failing


def receive(  # noqa: PLR0913 (each is a wish of its own)
    *,
    port: int = 9000,
    host: str = "127.0.0.1",
    secret: Annotated[list[str] | None, Parameter(negative=(), env_var="TOCSIN_RECEIVE_SECRET")] = None,
    hmac_header: str | None = None,
    hmac_encoding: Literal["hex", "base64"] = "hex",
    fail: str = "0",
    status: int = 503,
    delay: str = "0",
    count: int | None = None,
    no_body: Flag = False,
    output: Annotated[Mode, Parameter(name=["--output", "-o"])] = "text",
) -> int:
    """Receive webhooks on this machine, verify and print them.

    `tocsin receive --secret whsec_... --fail 30% --delay 2s`. The server must be allowed to reach it: TOCSIN_ALLOW_HTTP=true
    and TOCSIN_ALLOW_NETWORKS=127.0.0.0/8.

    :param port: Where to listen; 0 takes a free one.
    :param host: On which address.
    :param secret: The endpoint's signing secret, or key; may be repeated while it is being rotated. Without one nothing is verified.
    :param hmac_header: The header that holds a plain HMAC-SHA256 of the body (`x-visier-signature`), instead of Standard Webhooks.
    :param hmac_encoding: How that is written.
    :param fail: Fail this share of the requests (`30%`), or that many of the first ones.
    :param status: The status to fail with.
    :param delay: How long to wait before each answer: `2s`, `500ms`.
    :param count: End after so many requests.
    :param no_body: One line for each request only.
    :param output: `json`: one JSON document a line.
    """
    try:
        verifier = _verifier(secret, hmac_header, hmac_encoding)
        failing(fail)
    except ValueError as error:
        raise Usage(str(error)) from None
    screen = console()

    def show(arrival: Arrival) -> None:
        if output == "json":
            print_json(arrival_document(arrival), line=True)
        else:
            print_arrival(screen, arrival, with_body=not no_body)

    receiver = Receiver(
        port=port,
        host=host,
        verifier=verifier,
        fail=fail,
        status=status,
        delay=duration(delay, "--delay"),
        on_arrival=show,
        keep=count or 1000,
    )
    return asyncio.run(_receive(receiver, count, is_json=output == "json"))


async def _receive(receiver: Receiver, count: int | None, *, is_json: bool) -> int:
    """Until so many requests, or SIGINT or SIGTERM."""
    try:
        await receiver.start()
    except OSError as error:
        print_error(f"cannot listen: {error.strerror}")
        return 1
    screen = console(stderr=True)
    if is_json:
        print_json({"url": receiver.url}, line=True)
    else:
        screen.print(f"Receiving at {receiver.url} (Ctrl-C ends it)", style="bold", soft_wrap=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    waits: list[asyncio.Task[object]] = [asyncio.create_task(stop.wait())]
    if count is not None:
        waits.append(asyncio.create_task(receiver.wait_for(lambda _: receiver.answered >= count, seconds=None)))
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await receiver.stop()
    if not is_json:
        screen.print(f"{receiver.total} requests received over {receiver.connections} connections.", soft_wrap=True)
    return 0


def _verifier(secrets: list[str] | None, header: str | None, encoding: Literal["hex", "base64"]) -> Verifier | None:
    if not secrets:
        if header is not None:
            raise ValueError("--hmac-header goes with --secret")
        return None
    return StandardWebhooks(secrets) if header is None else Hmac(secrets, header=header, encoding=encoding)
