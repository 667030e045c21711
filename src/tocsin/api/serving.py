"""Answers requests on a listening socket until told to stop: uvicorn, with our limits and without its opinions."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

import uvicorn

from tocsin.api.app import App
from tocsin.api.connections import Limits
from tocsin.api.direct import Direct, connection_class
from tocsin.errors import Misconfigured

GRACE_SECONDS: Final = 3
"""How long requests may take to finish when the server stops."""
MAX_CONNECTIONS: Final = 4096
BACKLOG: Final = 2048


class _Server(uvicorn.Server):
    """uvicorn in our loop: signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        del sig, frame


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """A listening socket and its URL. Raises Misconfigured."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Misconfigured(f"{host}:{port} cannot be listened on: {error.strerror}.") from error
    name = f"[{host}]" if family == socket.AF_INET6 else host
    return listener, f"http://{name}:{listener.getsockname()[1]}"


def default_limits() -> Limits:
    """Half of the files that this process may open are left to the store and to the sender."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Limits(connections=MAX_CONNECTIONS if files < 0 else min(MAX_CONNECTIONS, files // 2))


async def answer_requests(
    app: App,
    listener: socket.socket,
    limits: Limits,
    stop: asyncio.Event,
    *,
    direct: Direct | None = None,
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Answer until `stop` is set; requests under way may finish. `direct` takes what it can in place of the application,
    `stopping` ends what would not finish by itself."""
    config = uvicorn.Config(
        app,
        http=connection_class(limits, direct),
        interface="asgi3",
        loop="none",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    told = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
    stopping()
    server.should_exit = True
    told.cancel()
    await serving
