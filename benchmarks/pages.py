"""Measures the server's time of every page of the web interface, over an embedded store with a million deliveries.

What it fills is kept where `--store` says, and used again. Times are those of the header Server-Timing: of the server alone, from
the request to the whole answer; warm, one request after the other. Exit status 1 when a median is over `--most`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import re
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.filling import MINUTES, TENANT, Day
from tocsin.bench.server import Server, running_server
from tocsin.ui.routes import ROUTES

KEY: Final = "an-operator-key-for-the-benchmark"
DELIVERIES: Final = 1_000_000
NAMES: Final = (
    "CRM", "Warehouse", "Search index", "Data quality", "Billing", "Lake", "Catalogue", "Scheduler", "Audit", "Shop",
    "Newsletter", "Pricing", "Support desk", "Risk", "Reports", "Mobile app", "Partners", "Backoffice", "Alerts", "Legacy bridge",
)  # fmt: skip
FORM: Final = "application/x-www-form-urlencoded"


class Items(msgspec.Struct):
    """A page of a list of the API."""

    items: list[dict[str, object]]


class Measured(NamedTuple):
    """What a page took, of the clock and of the processor, and how large it is."""

    page: str
    millis: list[float]
    cpu_millis: float
    size: int


class Visitor:
    """Signed in, with a connection that stays."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.ports[0], timeout=60)
        self._cookies: dict[str, str] = {}
        page = self._call("GET", "/ui/sign-in")[1].decode()
        token = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
        self._call("POST", "/ui/sign-in", urlencode({"csrf": token, "key": server.key}))

    def close(self) -> None:
        """Leave; the session stays until it is over."""
        self._connection.close()

    def visit(self, path: str) -> tuple[float, int]:
        """The server's milliseconds for the page, and its size. ValueError for one that is not shown."""
        response, body = self._call("GET", path)
        if response.status != 200:
            raise ValueError(f"{path} was answered with {response.status}: {body[:500]!r}")
        return float(response.headers["server-timing"].rpartition("=")[2]), len(body)

    def _call(self, method: str, path: str, body: str | None = None) -> tuple[http.client.HTTPResponse, bytes]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if body is not None:
            headers |= {"Content-Type": FORM, "Origin": f"http://127.0.0.1:{self._connection.port}"}
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        for cookie in response.headers.get_all("set-cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        return response, response.read()


def addresses(server: Server) -> dict[str, str]:
    """Every page of the table, for something that is there, and those that ask for much or for what is rare."""

    def first(path: str) -> dict[str, object]:
        return msgspec.json.decode(server.request("GET", path, {}), type=Items).items[0]

    endpoints = msgspec.json.decode(server.request("GET", "/v1/endpoints?limit=100", {}), type=Items).items
    failing = next(one["id"] for one in endpoints if one["name"] == NAMES[-1])
    delivery = first(f"/v1/deliveries?state=dead&endpoint={failing}")
    record = str(first("/v1/events?subject_type=record")["subject_id"])
    names = {
        "endpoint_id": failing,
        "delivery_id": delivery["id"],
        "event_id": delivery["event_id"],
        "job_id": "nightly-0",
        "table": record.partition("/")[0],
        "record_id": record.partition("/")[2],
        "event_type": "job.failed",
        "replay_id": first("/v1/replays")["id"],
        "erasure_id": first("/v1/erasures")["id"],
    }
    pages = {}
    for route in ROUTES:
        if route.method == "GET" and route.is_whole:
            path = re.sub(r"\{(\w+)\}", lambda match: quote(str(names[match[1]]), safe=""), route.path)
            pages[route.path] = path + {"/ui/search": "?q=order-17"}.get(route.path, "")
    asked = {
        "/ui/": ("?range=24h", "?range=7d", f"?tenant={TENANT}&range=24h"),
        "/ui/endpoints": (f"?tenant={TENANT}", "?search=bridge"),
        "/ui/deliveries": (
            "?state=dead", "?state=pending", f"?endpoint={failing}", "?event_type=never.*", "?subject_id=order-17",
            "?event_type=job.failed&state=dead", f"?job={names['job_id']}",
        ),
        "/ui/events": ("?type=job.failed", "?subject_id=order-17", "?type=never.was"),
        "/ui/jobs": ("?state=failed", "?search=never"),
        "/ui/search": ("?q=never", "?q=re"),
        "/ui/endpoints/{endpoint_id}/health": ("?range=30d",),
    }  # fmt: skip
    for path, queries in asked.items():
        pages |= {path + query.replace(str(failing), "ID"): pages[path].partition("?")[0] + query for query in queries}
    return pages


@contextlib.asynccontextmanager
async def serving(file: Path) -> AsyncIterator[Server]:
    """A server on the store, which may have been there before and knows its key."""
    settings = {"TOCSIN_DATABASE": f"sqlite:///{file}", "TOCSIN_BOOTSTRAP_KEY": KEY}
    async with running_server(file.parent, settings, None) as server:
        server.key = KEY
        yield server


async def fill(file: Path, deliveries: int, minutes: int = MINUTES) -> None:
    """A store with endpoints, and a day of what they got."""
    async with serving(file) as server:
        await server.add_endpoints(
            [{"name": name, "url": f"https://receiver.example/{quote(name)}", "tenant": TENANT} for name in NAMES]
        )
    print(f"filling {file} ...", flush=True)
    print(f"{await Day(file, minutes).fill(deliveries):,} deliveries", flush=True)


async def measure(file: Path, runs: int, only: list[str]) -> list[Measured]:
    """Each page so often, after one that is not counted."""
    async with serving(file) as server:
        return await asyncio.to_thread(_measured, server, runs, only)


def _measured(server: Server, runs: int, only: list[str]) -> list[Measured]:
    newest = msgspec.json.decode(server.request("GET", "/v1/endpoints", {}), type=Items).items[-1]
    server.request("POST", "/v1/replays", {"endpoint_id": newest["id"], "tenant": TENANT, "rate_per_second": 0.01})
    server.request("POST", f"/v1/erasures?tenant={TENANT}", {"subject_type": "order", "subject_id": "nobody"})
    found = []
    with contextlib.closing(Visitor(server)) as visitor:
        for name, path in addresses(server).items():
            if only and not any(part in name for part in only):
                continue
            visitor.visit(path)
            before = server.usage.cpu
            visits = [visitor.visit(path) for _ in range(runs)]
            used = (server.usage.cpu - before) * 1000 / runs
            found.append(Measured(name, [millis for millis, _ in visits], used, visits[0][1]))
    return found


def table_of(measured: list[Measured]) -> str:
    """Smallest and median, the slowest pages first."""
    lines = [f"{'page':58} {'least ms':>9} {'median ms':>9} {'CPU ms':>7} {'KiB':>6}"]
    for one in sorted(measured, key=lambda one: -min(one.millis)):
        least, median = min(one.millis), statistics.median(one.millis)
        lines.append(f"{one.page:58} {least:9.1f} {median:9.1f} {one.cpu_millis:7.1f} {one.size / 1024:6.1f}")
    return "\n".join(lines)


def main() -> int:
    """Fill, where it was not done before, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, help="keep the filled store here, or use the one that is here")
    parser.add_argument("--deliveries", type=int, default=DELIVERIES)
    parser.add_argument("--runs", type=int, default=9, help="visits of each page")
    parser.add_argument("--most", type=float, default=50.0, metavar="MS", help="a page's median may be this")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="pages with this in their address")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tocsin-pages-") as folder:
        file = (given.store or Path(folder) / "pages.db").resolve()
        if not file.exists():
            asyncio.run(fill(file, given.deliveries))
        measured = asyncio.run(measure(file, given.runs, given.only))
    print(table_of(measured))
    return int(any(statistics.median(one.millis) > given.most for one in measured))


if __name__ == "__main__":
    sys.exit(main())
