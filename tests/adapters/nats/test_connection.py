"""Ways to the NATS servers: TLS, who may use it, what is refused, and a way that falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme
from tests.kit.links import Link
from tests.kit.nats import NatsCluster, NatsServer
from tests.kit.nats_accounts import Accounts
from tests.kit.waiting import until

from tocsin.adapters.nats.connection import NatsConnection, _Client
from tocsin.adapters.nats.intake import NatsIntake
from tocsin.errors import IntakeUnavailable
from tocsin.rules.partitions import PARTITIONS

STREAM = "tocsin-intake"
ASKED_FOR = f'["{STREAM}.*", "{STREAM}-verdicts.*", "_INBOX.>", "$JS.API.>"]'
"""As docs/how-to/replicated-intake.md says."""
USERS = f"""
authorization {{ users: [
  {{ user: tocsin, password: "s:cret", permissions: {{ publish: {ASKED_FOR}, subscribe: {ASKED_FOR} }} }}
] }}
"""


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return file


def tls_of(authority: trustme.CA, folder: Path, name: str = "localhost") -> str:
    """What a server has to be told to speak TLS under this name."""
    certificate = authority.issue_cert(name)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(one.bytes() for one in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    return f'tls {{ cert_file: "{chain}", key_file: "{key}" }}\n'


@asynccontextmanager
async def opened(url: str, *, credentials: Path | None = None, ca: Path | None = None) -> AsyncIterator[NatsIntake]:
    connection = NatsConnection([url], credentials=credentials, ca=ca, name="test")
    made = NatsIntake(connection, stream=STREAM, replicas=0, max_bytes=64_000_000, incarnation=lambda: "first")
    await made.open()
    yield made
    await made.close()


async def is_of_use(intake: NatsIntake) -> None:
    """Everything that it is for."""
    assert (await intake.make()).incarnation == "first"
    heard: list[bytes] = []
    await intake.listen("node", heard.append)
    assert await intake.append([(1, b"one"), (2, b"x" * 2_000_000)]) == [None, None]
    arrivals = await intake.read(dict.fromkeys(range(PARTITIONS), 0))
    found = []
    async with asyncio.timeout(30):
        while len(found) < 2:
            found += [(one.partition, len(one.content)) for one in await arrivals.next()]
    assert found == [(1, 3), (2, 2_000_000)]
    assert await arrivals.behind() == 0
    await arrivals.close()
    await intake.tell("node", b"verdict")
    await until(lambda: heard == [b"verdict"])
    await intake.drop(1, 1)
    state = await intake.state()
    assert state is not None
    assert state.held == state.last - 1


def address(server: NatsServer, scheme: str = "nats", user: str = "") -> str:
    return f"{scheme}://{user}localhost:{server.port}"


async def test_tls_by_an_authority_of_its_own(authority: trustme.CA, ca: Path, tmp_path: Path) -> None:
    async with NatsCluster(1, tls_of(authority, tmp_path)) as cluster:
        for scheme in ("tls", "nats"):
            async with opened(address(cluster.servers[0], scheme), ca=ca) as intake:
                assert await intake.state() is None or scheme == "nats"
                assert (await intake.make()).incarnation == "first"
        async with opened(address(cluster.servers[0], "tls"), ca=ca) as intake:
            await is_of_use(intake)


async def test_user_and_password_with_the_permissions_that_the_page_names(
    tmp_path: Path, authority: trustme.CA, ca: Path
) -> None:
    async with (
        NatsCluster(1, USERS + tls_of(authority, tmp_path)) as cluster,
        opened(address(cluster.servers[0], "tls", "tocsin:s%3Acret@"), ca=ca) as intake,
    ):
        await is_of_use(intake)


async def test_a_token(tmp_path: Path) -> None:
    async with NatsCluster(1, 'authorization { token: "t/k" }\n') as cluster:
        async with opened(address(cluster.servers[0], user="t%2Fk@")) as intake:
            assert (await intake.make()).incarnation == "first"
        async with opened(address(cluster.servers[0])) as intake:
            with pytest.raises(IntakeUnavailable):
                await intake.state()


async def test_servers_that_are_learned_of_get_what_the_first_url_says() -> None:
    """A second one that no URL names is the only one left."""
    open_to = "authorization { users: [{ user: tocsin, password: secret }] }\n"
    async with NatsCluster(3, open_to, is_advertised=True) as cluster:
        first = cluster.servers[0]
        async with opened(address(first, user="tocsin:secret@")) as intake:
            await intake.make()
            await asyncio.to_thread(first.kill)
            await until(
                lambda: is_there(intake) and not intake._connection.server.endswith(str(first.port)), seconds=60
            )


async def test_it_ends_though_nats_py_connects_in_spite_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `asyncio.wait_for` of Python 3.11 does when what it waits for and the end come at once."""
    has_connected = asyncio.Event()

    class Deaf(_Client):
        async def connect(self, *servers: object, **options: object) -> None:
            await super().connect(*servers, **options)
            has_connected.set()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    monkeypatch.setattr("tocsin.adapters.nats.connection._Client", Deaf)
    async with NatsCluster(1) as cluster:
        connection = NatsConnection(cluster.urls, credentials=None, ca=None, name="test")
        connection.open()
        async with asyncio.timeout(20):
            await has_connected.wait()
            await connection.close()
        with pytest.raises(IntakeUnavailable):
            _ = connection.client


async def test_credentials_in_a_file(tmp_path: Path) -> None:
    accounts = Accounts()
    async with NatsCluster(1, accounts.configuration) as cluster:
        file = tmp_path / "user.creds"
        file.write_text("nothing yet", encoding="utf-8")
        async with opened(address(cluster.servers[0]), credentials=file) as intake:
            with pytest.raises(IntakeUnavailable):
                await intake.state()
            accounts.credentials(file)
            await until(lambda: is_there(intake))
            await is_of_use(intake)
        stranger = Accounts().credentials(tmp_path / "stranger.creds")
        async with opened(address(cluster.servers[0]), credentials=stranger) as intake:
            with pytest.raises(IntakeUnavailable):
                await intake.state()


def is_there(intake: NatsIntake) -> bool:
    return intake._connection.server != ""


@pytest.mark.parametrize(
    "why", ["another authority", "another name", "no TLS", "no TLS, but an authority", "wrong password"]
)
async def test_what_is_not_as_it_has_to_be_is_told_nothing(
    authority: trustme.CA, ca: Path, tmp_path: Path, why: str
) -> None:
    """Nothing that is secret goes to a server that cannot show who it is."""
    users = USERS if why == "wrong password" else ""
    more = {
        "another authority": lambda: tls_of(trustme.CA(), tmp_path),
        "another name": lambda: tls_of(authority, tmp_path, "other.example"),
    }.get(why, lambda: "" if why.startswith("no") else tls_of(authority, tmp_path))()
    async with NatsCluster(1, users + more) as cluster, Link(cluster.servers[0].port) as link:
        scheme = "nats" if why == "no TLS, but an authority" else "tls"
        url = f"{scheme}://tocsin:planted-secret@localhost:{link.port}"
        async with opened(url, ca=None if why == "no TLS" else ca) as intake:
            with pytest.raises(IntakeUnavailable):
                await intake.state()
            assert b"planted-secret" not in link.heard


@pytest.mark.parametrize("ask", ["append", "state", "make", "next"])
async def test_a_way_that_is_silent_is_given_up_and_found_again(ask: str) -> None:
    async with (
        NatsCluster(1) as cluster,
        Link(cluster.servers[0].port) as link,
        opened(f"nats://localhost:{link.port}") as intake,
    ):
        await intake.make()
        arrivals = await intake.read(dict.fromkeys(range(PARTITIONS), 0))
        asks: dict[str, Callable[[], Awaitable[object]]] = {
            "append": lambda: intake.append([(1, b"one")]),
            "state": intake.state,
            "make": intake.make,
            "next": arrivals.next,
        }
        link.silence()
        async with asyncio.timeout(60):
            with pytest.raises(IntakeUnavailable):
                await asks[ask]()
        await until(lambda: not is_there(intake), seconds=60)
        link.heal(forget=True)
        await until(lambda: is_there(intake), seconds=60)
        assert await intake.append([(2, b"two")]) == [None]
        await arrivals.close()
