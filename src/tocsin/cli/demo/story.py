"""What happens in the demo: real commands run as jobs, a job in Python, changes to golden records, a foreign event."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from tocsin.cli.demo.expectations import CATEGORY, EXPORT, NIGHTLY, PROFILE, PUBLISH, REBUILD, SOURCE, SYNC
from tocsin.cli.demo.server import ServerProcess, program
from tocsin.client import Client

COMMAND_SECONDS: Final = 30.0
_ANN: Final = {"name": "Ann Smith", "city": "Berlin"}


class StoryError(Exception):
    """A step of the story did not end as it should."""


class Story:
    """The steps, in order. `tell` gets what is about to happen, in words; `seen` waits until an event of a job came back
    to the ordered receiver."""

    def __init__(
        self,
        server: ServerProcess,
        tell: Callable[[str], None],
        seen: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._server = server
        self._tell = tell
        self._seen = seen

    async def play(self) -> None:
        """All of it. Raises StoryError."""
        self._tell("A nightly load runs as a job, and starts another job inside: tocsin run --type load_source -- ...")
        child = _run(PROFILE, "update_data_product", "data_product:dp-1:Customers 360", "print('profiled 1200 rows')")
        parent = f"import subprocess; subprocess.run({child!r}, check=True, stdout=subprocess.DEVNULL)"
        await self._command(_run(NIGHTLY, "load_source", f"source:{SOURCE}:Customers", parent), expected=0)

        self._tell("A job fails: its command ends with exit code 3")
        failing = _run(PUBLISH, "publish_destination", "destination:crm:CRM", "import sys; sys.exit(3)")
        await self._command(failing, expected=3)

        self._tell("A job is stopped: SIGTERM while it runs")
        await self._stopped()

        self._tell("A job in Python synchronises in real time; another one is rescheduled and succeeds at last")
        await asyncio.to_thread(self._python_jobs)

        self._tell("Golden records change: two are created, merged into one, unmerged, one is deleted")
        await asyncio.to_thread(self._records)

        self._tell("A data version is published, and a shop sends the same CloudEvent twice")
        await asyncio.to_thread(self._events)

    async def _command(self, command: list[str], *, expected: int) -> None:
        code = await self._finish(await self._start(command))
        if code != expected:
            raise StoryError(f"the command ended with {code} instead of {expected}")

    async def _stopped(self) -> None:
        process = await self._start(_run(EXPORT, "export", "destination:lake:Lake", "import time; time.sleep(60)"))
        try:
            await self._seen("job.running", EXPORT)
        finally:
            process.terminate()
            await self._finish(process)

    async def _start(self, command: list[str]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *command,
            env=self._server.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )

    @staticmethod
    async def _finish(process: asyncio.subprocess.Process) -> int:
        try:
            return await asyncio.wait_for(process.wait(), COMMAND_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise StoryError("a command did not end in time") from None

    def _client(self) -> Client:
        return Client(self._server.url, self._server.api_key)

    def _python_jobs(self) -> None:
        with self._client() as client:
            resources = [{"kind": "source", "id": SOURCE, "name": "Customers"}]
            with client.job("sync", job_id=SYNC, mode="realtime", resources=resources) as sync:
                sync.progress("cycle 1")
                for signal in ("syncing", "synced", "sync_completed"):
                    sync.signal(signal)
            with client.job("rebuild", job_id=REBUILD, name="Rebuild the index") as rebuild:
                rebuild.state("rescheduled", "no worker was free")
                rebuild.state("running")

    def _records(self) -> None:
        with self._client() as client:
            client.change("create", "r1", {"name": "Ann"}, table="customers")
            client.change("create", "r2", {"name": "A. Smith"}, table="customers")
            client.change("update", "r1", {"name": "Ann Smith"}, table="customers")
            client.change("enrich", "r1", _ANN, table="customers")
            client.change("merge", "r1", _ANN, table="customers", retired="r2")
            back = {"id": "r2", "data": {"name": "A. Smith"}}
            client.change("unmerge", "r1", _ANN, table="customers", resurrected=back)
            client.change("delete", "r2", table="customers")

    def _events(self) -> None:
        with self._client() as client:
            client.data_version(CATEGORY, "20261122")
            outcomes = [
                client.emit("order.created", {"amount": 12}, source="/shop", id="order-7-1", subject="order-7")[
                    "outcome"
                ]
                for _ in range(2)
            ]
        if outcomes != ["accepted", "duplicate"]:
            raise StoryError(f"the same event twice was {' and '.join(map(str, outcomes))}")


def _run(job_id: str, job_type: str, resource: str, code: str) -> list[str]:
    """`tocsin run` around a small Python program."""
    options = ("--type", job_type, "--job-id", job_id, "--resource", resource)
    return program("run", *options, "--", sys.executable, "-c", code)
