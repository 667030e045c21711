"""The connection to the NATS servers: made in the background, made again whenever it is lost, and never in anybody's way."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypedDict
from urllib.parse import unquote, urlsplit

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from tocsin.errors import IntakeUnavailable
from tocsin.telemetry import log

CONNECT_SECONDS: Final = 2
RECONNECT_SECONDS: Final = 1
PING_SECONDS: Final = 5
"""A server that is silent for two pings is taken to be gone."""
RETRY_AFTER_SECONDS: Final = 2
LOST: Final = (OSError, asyncio.TimeoutError, nats.errors.Error)
"""What nats-py raises when a server is gone, or answers with an error."""


class _Client(Client):
    """Says nothing to a server without TLS, where TLS is asked for: nats-py lets the server decide, and a name and password go with the first
    thing that it says."""

    def __init__(self, *, needs_tls: bool) -> None:
        super().__init__()
        self._needs_tls = needs_tls

    def _connect_command(self) -> bytes:
        if self._needs_tls and not self._server_info.get("tls_required"):
            raise NoTls
        return super()._connect_command()


class NoTls(nats.errors.Error):
    """The server does not ask for TLS, and it was to be used."""


class NatsConnection:
    """One client for everything. nats-py keeps what is published while it has no server and sends it afterwards: so nothing is published
    then (`client` raises)."""

    def __init__(self, servers: Sequence[str], *, credentials: Path | None, ca: Path | None, name: str) -> None:
        self._servers = list(servers)
        self._login = _login_of(servers)
        self._credentials = credentials
        self._ca = ca
        self._needs_tls = ca is not None or any(server.startswith("tls:") for server in servers)
        self._name = name
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._heard: list[tuple[str, Callable[[Msg], Awaitable[None]]]] = []
        self.max_payload = 1024 * 1024
        """The largest message, as the last server has said."""
        self.broke: set[Callable[[], None]] = set()
        """Called when the connection is lost: what was under way on it is."""
        self.first = asyncio.Event()
        """The first connection is there."""

    @property
    def client(self) -> Client:
        """Raises IntakeUnavailable while there is no connection."""
        client = self._client
        if client is None or not client.is_connected:
            raise unavailable("No NATS server can be reached.")
        return client

    @property
    def server(self) -> str:
        """The server that it is connected to, without what is secret in its URL; empty while there is none."""
        client = self._client
        url = client.connected_url if client is not None and client.is_connected else None
        return "" if url is None else f"{url.hostname}:{url.port}"

    def open(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._keep(), name="intake-connection")

    async def listen(self, subject: str, heard: Callable[[Msg], Awaitable[None]]) -> None:
        """Subscribe, on every connection to come."""
        self._heard.append((subject, heard))
        if self._client is not None and self._client.is_connected:
            await self._client.subscribe(subject, cb=heard)

    async def close(self) -> None:
        self._closing.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._client is not None:
            await _closed(self._client)

    async def _keep(self) -> None:
        """nats-py gives up for good when a server refuses it: then it begins anew."""
        while not self._closing.is_set():
            client = _Client(needs_tls=self._needs_tls)
            over = asyncio.Event()
            try:
                await self._connect(client, over)
            except asyncio.CancelledError:
                await _closed(client)
                raise
            except Exception as error:  # noqa: BLE001  # a file that cannot be read, or is no key: the next one may be
                log.error("intake.unreachable", error=type(error).__name__)
                await _closed(client)
            else:
                self._client = client
                if self._closing.is_set():  # cancelled, but `wait_for` in nats-py may lose that
                    return
                self.first.set()
                await over.wait()
                self._client = None
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _connect(self, client: Client, over: asyncio.Event) -> None:
        async def closed() -> None:
            over.set()

        async def disconnected() -> None:
            for call in tuple(self.broke):
                call()

        async def erred(error: Exception) -> None:
            log.warning("intake.connection", error=type(error).__name__)

        context = ssl.create_default_context(cafile=str(self._ca)) if self._ca is not None else None
        await client.connect(
            servers=self._servers,
            name=self._name,
            tls=context,
            **self._login,
            user_credentials=None if self._credentials is None else str(self._credentials),
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_SECONDS,
            connect_timeout=CONNECT_SECONDS,
            ping_interval=PING_SECONDS,
            max_outstanding_pings=2,
            error_cb=erred,
            closed_cb=closed,
            disconnected_cb=disconnected,
        )
        self.max_payload = client.max_payload
        for subject, heard in self._heard:
            await client.subscribe(subject, cb=heard)


class _Login(TypedDict, total=False):
    user: str
    password: str
    token: str


def _login_of(servers: Sequence[str]) -> _Login:
    """What the first URL says that says something, for all servers, also those that are learned of later. nats-py would give it to that
    one only, and percent-encoded."""
    for url in map(urlsplit, servers):
        if url.username and url.password is None:
            return {"token": unquote(url.username)}
        if url.username:
            return {"user": unquote(url.username), "password": unquote(url.password or "")}
    return {}


def unavailable(detail: str) -> IntakeUnavailable:
    """The problem that everything raises while the servers are of no use."""
    return IntakeUnavailable(detail, retry_after_seconds=RETRY_AFTER_SECONDS)


async def _closed(client: Client) -> None:
    with contextlib.suppress(*LOST):
        async with asyncio.timeout(CONNECT_SECONDS):
            await client.close()
