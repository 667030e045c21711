"""Names and addresses: what is not allowed never gets a connection, whatever DNS says; look-ups are shared and bounded."""

from __future__ import annotations

import asyncio

import pytest
from tests.adapters.http.sending import yields
from tests.kit.names import NameServer
from tests.kit.receivers import Receiver, answer

from tocsin.adapters.http.resolver import Resolution, Resolver
from tocsin.model.exchange import ErrorKind, TransportFailure

BLOCKED = TransportFailure(kind=ErrorKind.BLOCKED, message="The address is not allowed.")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "169.254.169.254"])
async def test_nothing_private_by_default(sending, host):
    async with Receiver(answer(200)) as receiver:
        exchange = await sending(allow="").send(receiver.url_of(host))
        assert exchange.failure == BLOCKED
        assert exchange.address is None
        assert receiver.connections == 0


async def test_a_name_that_leads_inside(sending):
    inside = [("127.0.0.1",), ("10.0.0.1", "127.0.0.1"), ("::1", "127.0.0.1"), ("169.254.169.254",), ("fe80::1",),
              ("::ffff:127.0.0.1",), ("64:ff9b::7f00:1",), ("2002:7f00:1::1",), ("fd00:ec2::254",), ("100.100.100.200",)]  # fmt: skip
    names = {f"n{number}.test": [addresses] for number, addresses in enumerate(inside)}
    names["metadata.google.internal"] = [("169.254.169.254",)]
    async with NameServer(names) as server, Receiver(answer(200)) as receiver:
        one = sending(allow="", nameservers=(server.address,))
        for name in names:
            exchange = await one.send(receiver.url_of(name))
            assert exchange.failure == BLOCKED
            assert exchange.address is None
        assert receiver.connections == 0


async def test_blocked_addresses_of_a_name_are_passed_over(sending):
    async with (
        NameServer({"mixed.test": [("10.255.255.1", "127.0.0.1", "192.168.255.1")]}) as server,
        Receiver(answer(200)) as receiver,
    ):
        exchange = await sending(nameservers=(server.address,)).send(receiver.url_of("mixed.test"))
        assert exchange.response.status == 200
        assert exchange.address == "127.0.0.1"


async def test_the_next_address_is_tried_when_one_does_not_answer(sending):
    async with (
        NameServer({"two.test": [("127.0.0.2", "127.0.0.3", "127.0.0.1", "127.0.0.4")]}) as server,
        Receiver(answer(200)) as receiver,
    ):
        exchange = await sending(nameservers=(server.address,)).send(receiver.url_of("two.test"))
        assert exchange.response.status == 200
        assert exchange.address == "127.0.0.1"
        assert receiver.connections == 1


async def test_rebinding(sending):
    """The name led to an allowed address once; now it leads elsewhere. Every new connection is judged by the addresses of
    its own look-up, and the judged address is the one dialled."""
    async with (
        NameServer({"rebind.test": [("127.0.0.1",), ("127.0.0.2",)]}) as server,
        Receiver(answer(200), host="0.0.0.0") as receiver,
    ):
        one = sending(allow="127.0.0.1/32", nameservers=(server.address,))
        url = receiver.url_of("rebind.test")
        assert (await one.send(url)).address == "127.0.0.1"
        assert (await one.send(url)).response.status == 200
        one.sender.close_pool("end_1@1")
        one.resolver._cached.clear()
        assert (await one.send(url)).failure == BLOCKED
        assert (receiver.connections, len(receiver.requests)) == (1, 2)
        assert server.asked == ["rebind.test", "rebind.test"]


async def test_plain_http_is_for_operators_to_allow(sending):
    async with Receiver(answer(200)) as receiver:
        exchange = await sending(allow_http=False).send(receiver.url)
        assert exchange.failure == TransportFailure(kind=ErrorKind.BLOCKED, message="Plain HTTP is not allowed.")
        assert receiver.connections == 0


async def test_no_proxy_from_the_environment(sending, monkeypatch):
    async with Receiver(answer(200)) as receiver, Receiver(answer(502)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await sending().send(receiver.url)).response.status == 200
        assert proxy.connections == 0


async def test_names_that_lead_nowhere(sending):
    async with NameServer({"empty.test": [()], "silent.test": []}) as server:
        one = sending(nameservers=(server.address,), lookup_seconds=0.4)
        texts = [
            (await one.send(f"http://{name}.test/")).failure
            for name in ("unknown", "empty", "silent", "a" * 63)
        ]  # fmt: skip
    assert texts == [
        TransportFailure(kind=ErrorKind.DNS, message=text, reason=reason)
        for reason, text in (
            ("no_such_name", "The host name does not exist."),
            ("no_address", "The host name has no address."),
            ("timeout", "The host name could not be resolved in time."),
            ("no_such_name", "The host name does not exist."),
        )
    ]


async def test_the_deadline_counts_the_look_up(sending):
    async with NameServer({"silent.test": []}) as server:
        exchange = await sending(nameservers=(server.address,)).send("http://silent.test/", timeout_seconds=0.2)
    assert (exchange.failure.kind, exchange.failure.reason) == (ErrorKind.TIMEOUT, "resolve")
    assert exchange.timings.total >= 199
    assert exchange.address is None


async def test_hanging_names_do_not_hold_up_others(sending):
    names = {f"silent{number}.test": [] for number in range(50)} | {"good.test": [("127.0.0.1",)]}
    async with NameServer(names) as server, Receiver(answer(200)) as receiver:
        one = sending(nameservers=(server.address,))
        hanging = [asyncio.ensure_future(one.send(f"http://silent{number}.test/")) for number in range(50)]
        assert (await one.send(receiver.url_of("good.test"))).response.status == 200
        assert not any(task.done() for task in hanging)
        for task in hanging:
            task.cancel()
        assert await asyncio.gather(*hanging, return_exceptions=True) is not None


async def test_a_tenant_with_hanging_names_does_not_hold_up_another(sending):
    """Many more than there are places in all: they wait for places of their own tenant."""
    hanging_names = [f"silent{number}.test" for number in range(400)]
    names = {name: [] for name in hanging_names} | {"good.test": [("127.0.0.1",)]}
    async with NameServer(names) as server, Receiver(answer(200)) as receiver:
        one = sending(nameservers=(server.address,))
        hanging = [asyncio.ensure_future(one.send(f"http://{name}/", tenant="acme")) for name in hanging_names]
        await yields(lambda: len(one.resolver._running) == len(hanging_names))
        assert (await one.send(receiver.url_of("good.test"), tenant="globex")).response.status == 200
        assert not any(task.done() for task in hanging)
        assert len({name for name in server.asked if name != "good.test"}) <= 32
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_tenants_do_not_share_answers(monkeypatch):
    """What one tenant's look-up brought says nothing to another: neither which names are asked for, nor where they lead."""
    monkeypatch.setattr("tocsin.adapters.http.resolver.MIN_TTL_SECONDS", 300)
    async with NameServer({"shared.test": [("127.0.0.1",), ("127.0.0.2",), ("127.0.0.3",)]}) as server:
        resolver = Resolver((server.address,))
        found = [(await resolver.resolve("shared.test", tenant)).addresses for tenant in ("acme", "globex", "acme")]
        assert found == [("127.0.0.1",), ("127.0.0.2",), ("127.0.0.1",)]
        assert resolver._shares == {}
        await resolver.close()


async def test_many_who_wait_share_one_look_up(sending):
    async with NameServer({"shared.test": [("127.0.0.1",)]}) as server, Receiver(answer(200)) as receiver:
        one = sending(nameservers=(server.address,))
        url = receiver.url_of("shared.test")
        first = asyncio.ensure_future(one.send(url))
        exchanges = asyncio.gather(*(one.send(url, pool=f"end_{number}@1") for number in range(20)))
        await asyncio.sleep(0)
        first.cancel()
        assert [exchange.response.status for exchange in await exchanges] == [200] * 20
        assert server.asked == ["shared.test"]


async def test_answers_are_kept_and_the_cache_is_bounded():
    names = {f"n{number}.test": [("127.0.0.1",), ("127.0.0.2",)] for number in range(3)}
    async with NameServer(names) as server:
        resolver = Resolver((server.address,), max_cached=2)
        for _ in range(3):
            assert await resolver.resolve("n0.test") == Resolution(addresses=("127.0.0.1",))
        await resolver.resolve("n1.test")
        await resolver.resolve("n2.test")
        assert server.asked == ["n0.test", "n1.test", "n2.test"]
        assert await resolver.resolve("n0.test") == Resolution(addresses=("127.0.0.2",))
        assert len(resolver._cached) == 2
        await resolver.close()


@pytest.mark.parametrize(("ttl", "kept"), [(0, 1), (30, 30), (100_000, 300)])
async def test_how_long_answers_are_kept(ttl, kept):
    loop = asyncio.get_running_loop()
    async with NameServer({"a.test": [("127.0.0.1",)]}, ttl=ttl) as server:
        resolver = Resolver((server.address,))
        before = loop.time()
        await resolver.resolve("a.test")
        after = loop.time()
        assert before + kept <= resolver._cached["", "a.test"][1] <= after + kept
        await resolver.close()


async def test_localhost_needs_no_name_server():
    resolver = Resolver()
    assert "127.0.0.1" in (await resolver.resolve("localhost")).addresses
    await resolver.close()
