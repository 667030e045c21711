"""Forward proxies: they are asked for judged addresses only; the receiver is checked inside the tunnel as if there were none."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
from tests.adapters.http.sending import yields
from tests.kit.names import NameServer
from tests.kit.proxies import HttpProxy, SocksProxy
from tests.kit.receivers import OK, Receiver, answer, dripping, endless, never, raw

from tocsin.adapters.http.tls import client_context
from tocsin.adapters.http.tunnel import MAX_HEAD_BYTES
from tocsin.model.exchange import ErrorKind, ProxyTarget, TransportFailure
from tocsin.model.secret import Secret
from tocsin.rules.proxies import endpoint_proxy

NAME = "receiver.test"
KINDS = pytest.mark.parametrize("make", [HttpProxy, SocksProxy])
WRONG = "The proxy does not accept the user name and password."


def proxy(reason: str, message: str) -> TransportFailure:
    return TransportFailure(kind=ErrorKind.PROXY, message=message, reason=reason)


def with_credentials(url: str, credentials: str) -> str:
    return url.replace("://", f"://{credentials}@")


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def context(authority, tmp_path_factory):
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return client_context(str(file))


def served_by(certificate: trustme.LeafCert) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made


@KINDS
async def test_a_tunnel_serves_many_requests(sending, make):
    async with make() as way, Receiver(answer(200)) as receiver:
        one = sending(proxy=way.url)
        for _ in range(50):
            exchange = await one.send(receiver.url)
            assert exchange.response.status == 200
            assert exchange.address == "127.0.0.1"
        assert way.asked == [("127.0.0.1", receiver.port)]
        assert (way.connections, receiver.connections) == (1, 1)
        assert receiver.requests[0].header("Host") == f"127.0.0.1:{receiver.port}"
        assert receiver.requests[0].header("Proxy-Authorization") is None


async def test_what_the_proxy_is_told(sending):
    async with HttpProxy() as way, Receiver(answer(200)) as receiver:
        await sending(proxy=way.url).send(receiver.url)
    (head,) = way.heads
    lines = head.decode().split("\r\n")
    authority = f"127.0.0.1:{receiver.port}"
    assert lines[:2] == [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    assert lines[2].startswith("User-Agent: Tocsin/")
    assert lines[3:] == ["", ""]


@KINDS
async def test_the_receiver_is_checked_inside_the_tunnel(sending, authority, context, make):
    async with NameServer({NAME: [("127.0.0.1",)]}) as names, make() as way:
        one = sending(proxy=way.url, context=context, nameservers=(names.address,))
        async with Receiver(answer(200), tls=served_by(authority.issue_cert(NAME))) as receiver:
            exchange = await one.send(receiver.url_of(NAME))
            assert exchange.response.status == 200
            assert exchange.timings.tls > 0
            assert way.asked == [("127.0.0.1", receiver.port)]
        async with Receiver(answer(200), tls=served_by(authority.issue_cert("other.test"))) as receiver:
            exchange = await one.send(receiver.url_of(NAME))
            assert (exchange.failure.kind, exchange.failure.reason) == (ErrorKind.TLS, "wrong_host")
            assert receiver.requests == []


@KINDS
async def test_the_proxy_is_asked_for_the_judged_address(sending, make):
    """What the name leads to elsewhere does not matter, and what is not allowed is never asked for."""
    addresses = [("10.1.2.3", "127.0.0.1", "169.254.169.254"), ("127.0.0.2",)]
    async with (
        NameServer({NAME: addresses}) as names,
        make() as way,
        Receiver(answer(200), host="0.0.0.0") as receiver,
    ):
        one = sending(proxy=way.url, allow="127.0.0.1", nameservers=(names.address,))
        assert (await one.send(receiver.url_of(NAME))).response.status == 200
        one.resolver._cached.clear()
        assert (await one.send(receiver.url_of(NAME))).response.status == 200
        one.sender.close_pool("end_1@1")
        assert (await one.send(receiver.url_of(NAME))).failure.kind is ErrorKind.BLOCKED
        assert way.asked == [("127.0.0.1", receiver.port)]
        assert names.asked == [NAME, NAME]


@KINDS
@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "metadata.google.internal", "[::ffff:10.0.0.1]"])
async def test_what_is_not_allowed_is_not_allowed_through_a_proxy(sending, make, host):
    async with NameServer({"metadata.google.internal": [("169.254.169.254",)]}) as names, make() as way:
        one = sending(proxy=way.url, allow="", nameservers=(names.address,))
        exchange = await one.send(f"http://{host}/latest/meta-data/")
        assert exchange.failure == TransportFailure(kind=ErrorKind.BLOCKED, message="The address is not allowed.")
        assert way.connections == 0


@KINDS
async def test_the_operators_proxy_may_be_inside(sending, make):
    """Its address is the operator's choice: nothing private is allowed here but what the proxy stands on."""
    async with make(dials={"93.184.215.14": "127.0.0.1"}) as way, Receiver(answer(200)) as receiver:
        one = sending(proxy=way.url, allow="")
        exchange = await one.send(receiver.url_of("93.184.215.14"))
        assert exchange.response.status == 200
        assert exchange.address == "93.184.215.14"
        assert way.asked == [("93.184.215.14", receiver.port)]


@KINDS
async def test_an_endpoints_proxy_is_judged(sending, make):
    async with make(dials={"93.184.215.14": "127.0.0.1"}) as way, Receiver(answer(200)) as receiver:
        own = endpoint_proxy(way.url)
        url = receiver.url_of("93.184.215.14")
        exchange = await sending(allow="").send(url, proxy=own)
        assert exchange.failure == TransportFailure(kind=ErrorKind.BLOCKED, message="The address is not allowed.")
        assert way.connections == 0
        assert (await sending().send(url, proxy=own)).response.status == 200


@KINDS
async def test_an_endpoints_proxy_by_name(sending, make):
    async with (
        NameServer({"proxy.test": [("10.0.0.1", "127.0.0.1")], "inside.test": [("10.0.0.1",)]}) as names,
        make() as way,
        Receiver(answer(200)) as receiver,
    ):
        one = sending(nameservers=(names.address,))
        for host, expected in (("proxy.test", None), ("inside.test", ErrorKind.BLOCKED), ("no.test", ErrorKind.PROXY)):
            own = ProxyTarget(kind=way.scheme, host=host, port=way.port)
            exchange = await one.send(receiver.url, proxy=own, pool=host)
            assert (exchange.failure and exchange.failure.kind) is expected
        assert exchange.failure == proxy("unreachable", "The proxy cannot be found: The host name does not exist.")
        assert way.connections == 1


async def test_one_proxy_is_enough(sending):
    """An endpoint that has had one of its own since before the operator's."""
    async with HttpProxy() as operators, HttpProxy() as own, Receiver(answer(200)) as receiver:
        exchange = await sending(proxy=operators.url).send(receiver.url, proxy=endpoint_proxy(own.url))
        assert exchange.failure == proxy(
            "not_permitted", "Everything goes through the operator's proxy; remove the endpoint's own."
        )
        assert (operators.connections, own.connections, receiver.connections) == (0, 0, 0)


@KINDS
async def test_user_name_and_password(sending, make):
    async with make(credentials=("ann", "pass word:\u00e4")) as way, Receiver(answer(200)) as receiver:
        for credentials in ("ann:pass%20word%3A%C3%A4", "ann:wrong", None):
            url = with_credentials(way.url, credentials) if credentials else way.url
            exchange = await sending(proxy=url).send(receiver.url)
            match credentials:
                case None:
                    assert exchange.failure == proxy(
                        "authentication_required", "The proxy asks for a user name and password."
                    )
                case "ann:wrong":
                    assert exchange.failure == proxy("authentication_required", WRONG)
                case _:
                    assert exchange.response.status == 200
        assert len(receiver.requests) == 1


async def test_a_proxy_that_asks_for_no_password_may_be_given_one(sending):
    async with SocksProxy() as way, Receiver(answer(200)) as receiver:
        exchange = await sending(proxy=with_credentials(way.url, "ann:secret")).send(receiver.url)
        assert exchange.response.status == 200
        assert way.heads == [b"\x05\x02\x00\x02"]


@KINDS
async def test_a_receiver_that_the_proxy_cannot_reach(sending, make):
    async with Receiver(never) as gone:
        pass
    async with make() as way:
        exchange = await sending(proxy=way.url).send(gone.url)
        assert exchange.failure.kind is ErrorKind.PROXY
        assert exchange.failure.reason == "receiver_unreachable"
        assert exchange.address == "127.0.0.1"


@KINDS
async def test_the_next_address_is_tried(sending, make):
    async with (
        NameServer({NAME: [("127.0.0.2", "127.0.0.3", "127.0.0.1")]}) as names,
        make() as way,
        Receiver(answer(200)) as receiver,
    ):
        exchange = await sending(proxy=way.url, nameservers=(names.address,)).send(receiver.url_of(NAME))
        assert exchange.response.status == 200
        assert exchange.address == "127.0.0.1"
        assert way.asked[-1] == ("127.0.0.1", receiver.port)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_is_not_there(sending, scheme):
    async with Receiver(never) as gone, Receiver(answer(200)) as receiver:
        port = gone.port
        gone._server.close()
        exchange = await sending(proxy=f"{scheme}://127.0.0.1:{port}").send(receiver.url)
        assert exchange.failure == proxy("unreachable", "The proxy cannot be reached: The connection was refused.")
        assert receiver.connections == 0


def says(*answers: bytes):
    """A proxy that answers each thing it is told with the next of these, and then waits."""

    async def behave(peer):
        for part in answers:
            await peer.some()
            await peer.send(part)
        await peer.gone()

    return behave


HTTP_OK = b"HTTP/1.1 200 Yes\r\n\r\n"
GRANTED = b"\x05\x00\x00\x01" + bytes(6)


@pytest.mark.parametrize(
    ("scheme", "behave", "reason", "text"),
    [
        ("http", says(b"HTTP/1.1 403 No\r\n\r\n"), "refused", "The proxy refused the connection (status 403)."),
        ("http", says(b"HTTP/1.1 302 No\r\nLocation: http://127.0.0.1/\r\n\r\n"), "refused",
         "The proxy refused the connection (status 302)."),
        ("http", says(b"HTTP/1.1 504 Late\r\n\r\n"), "receiver_unreachable",
         "The proxy could not reach the receiver (status 504)."),
        ("http", says(b"HTTP/1.1 101 Other\r\n\r\n"), "protocol", "The proxy's answer is not valid HTTP."),
        ("http", says(b"SSH-2.0-OpenSSH\r\n\r\n"), "protocol", "The proxy's answer is not valid HTTP."),
        ("http", says(b"HTTP/2 200\r\n\r\n"), "protocol", "The proxy's answer is not valid HTTP."),
        ("http", says(b"HTTP/1.1 2000 OK\r\n\r\n"), "protocol", "The proxy's answer is not valid HTTP."),
        ("http", says(HTTP_OK + b"HTTP/1.1 200 OK\r\n"), "protocol", "The proxy sent more than an answer."),
        ("http", endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 99, 9999), "protocol",
         f"The proxy's answer is larger than {MAX_HEAD_BYTES} bytes."),
        ("http", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99, 9999), "protocol",
         f"The proxy's answer is larger than {MAX_HEAD_BYTES} bytes."),
        ("socks5", says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "protocol", "The proxy does not speak SOCKS5."),
        ("socks5", says(b"\x04\x00"), "protocol", "The proxy does not speak SOCKS5."),
        ("socks5", says(b"\x05\x01"), "authentication_required", "The proxy asks for a user name and password."),
        ("socks5", says(b"\x05\x02"), "authentication_required", "The proxy asks for a user name and password."),
        ("socks5", says(b"\x05\x00", b"\x04\x00\x00\x01"), "protocol", "The proxy does not speak SOCKS5."),
        ("socks5", says(b"\x05\x00", b"\x05\x00\x00\x09"), "protocol", "The proxy's answer is not valid SOCKS5."),
        ("socks5", says(b"\x05\x00", b"\x05\x02\x00\x01"), "refused", "The proxy's rules do not allow the connection."),
        ("socks5", says(b"\x05\x00", b"\x05\x04\x00\x01"), "receiver_unreachable",
         "The proxy has no route to the receiver."),
        ("socks5", says(b"\x05\x00", b"\x05\x01\x00\x01"), "refused", "The proxy could not connect (reply 1)."),
    ],
)  # fmt: skip
async def test_proxies_that_answer_otherwise(sending, scheme, behave, reason, text):
    async with Receiver(behave) as way, Receiver(answer(200)) as receiver:
        exchange = await sending(proxy=f"{scheme}://127.0.0.1:{way.port}").send(receiver.url)
        assert exchange.failure == proxy(reason, text)
        assert exchange.response is None
        await way.until(lambda: way.open_connections == 0)


@pytest.mark.parametrize(
    ("scheme", "part"),
    [("http", b""), ("http", b"HTTP/1.1 200 OK\r\n"), ("socks5", b""), ("socks5", b"\x05"), ("socks5", b"\x05\x00")],
)
@pytest.mark.parametrize("how", ["close", "half_close", "reset"])
async def test_proxies_that_close(sending, scheme, part, how):
    async def behave(peer):
        await peer.some()
        await peer.send(part)
        getattr(peer, how)()
        await peer.gone()

    async with Receiver(behave) as way:
        exchange = await sending(proxy=f"{scheme}://127.0.0.1:{way.port}").send("http://127.0.0.1/")
        assert exchange.failure == proxy("protocol", "The proxy closed the connection.")


@pytest.mark.parametrize(
    ("scheme", "behave"),
    [
        ("http", lambda peer: peer.gone()),
        ("http", dripping(b"HTTP/1.1 200 OK\r\nA: b\r\n", 0.05)),
        ("socks5", lambda peer: peer.gone()),
        ("socks5", says(b"\x05\x00")),
        ("socks5", says(b"\x05\x00", GRANTED[:7])),
    ],
)
async def test_a_proxy_that_hangs_ends_with_the_deadline(sending, scheme, behave):
    async with Receiver(behave) as way:
        exchange = await sending(proxy=f"{scheme}://127.0.0.1:{way.port}").send(
            "http://127.0.0.1/", timeout_seconds=0.2
        )
        assert exchange.failure == proxy("timeout", "The proxy did not answer in time.")
        assert exchange.timings.total >= 199
        await way.until(lambda: way.open_connections == 0)


async def test_interim_answers_of_a_proxy_are_passed_over(sending):
    async with Receiver(answer(200)) as receiver:

        async def behave(peer):
            await peer.head()
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.0 200 OK\r\n")
            await peer.send(b"Content-Length: 5\r\n\r\n")
            while data := await peer.some():
                assert data.startswith(b"POST /hook HTTP/1.1\r\n")
                await peer.send(OK)

        async with Receiver(behave) as way:
            one = sending(proxy=f"http://127.0.0.1:{way.port}")
            for _ in range(2):
                assert (await one.send(receiver.url)).response.status == 200
            assert way.connections == 1


@KINDS
@pytest.mark.parametrize(
    ("behave", "kind"),
    [
        pytest.param(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096, 100_000), ErrorKind.TOO_LARGE, id="endless body"),
        pytest.param(
            endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 99, 100_000), ErrorKind.PROTOCOL, id="endless headers"
        ),
        pytest.param(endless(b"", b"HTTP/1.1 103 X\r\n\r\n" * 99, 100_000), ErrorKind.PROTOCOL, id="interim answers"),
        pytest.param(dripping(OK, 0.1), ErrorKind.TIMEOUT, id="dripping"),
    ],
)
async def test_hostile_receivers_through_a_proxy(sending, make, behave, kind):
    async with make() as way, Receiver(behave) as receiver:
        one = sending(proxy=way.url)
        exchange = await one.send(receiver.url, timeout_seconds=0.3 if kind is ErrorKind.TIMEOUT else 15)
        assert exchange.failure.kind is kind
        assert one.sender.connection_counts[1] == 0


@KINDS
async def test_redirects_are_not_followed_through_a_proxy(sending, make):
    inside = "http://169.254.169.254/latest/meta-data/"
    async with make() as way, Receiver(answer(302, b"", Location=inside)) as receiver:
        exchange = await sending(proxy=way.url).send(receiver.url)
        assert exchange.response.status == 302
        assert way.asked == [("127.0.0.1", receiver.port)]


@KINDS
async def test_pools_do_not_share_tunnels(sending, make):
    async with make() as way, Receiver(answer(200)) as receiver:
        one = sending(proxy=way.url)
        for pool in ("end_1@1", "end_2@1", "end_1@2", "end_1@1"):
            assert (await one.send(receiver.url, pool=pool)).response.status == 200
        assert way.connections == 3


@KINDS
async def test_a_tunnel_that_was_closed_is_replaced(sending, make):
    async def behave(peer):
        await peer.request()
        await peer.send(OK)

    async with make() as way, Receiver(behave) as receiver:
        one = sending(proxy=way.url)
        for number in (1, 2, 3):
            assert (await one.send(receiver.url)).response.status == 200
            assert way.connections == number
            await yields(lambda: one.sender.connection_counts == (0, 0))


@KINDS
async def test_cancelled_while_the_proxy_is_asked(sending, make):
    async with Receiver(lambda peer: peer.gone()) as way:
        task = asyncio.ensure_future(sending(proxy=f"{make.scheme}://127.0.0.1:{way.port}").send("http://127.0.0.1/"))
        await way.until(lambda: way.open_connections == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await way.until(lambda: way.open_connections == 0)


async def test_an_ipv6_receiver(sending):
    """Asked for in brackets, and by its 16 bytes."""
    for make in (HttpProxy, SocksProxy):
        async with make(dials={"2606:4700::1111": "127.0.0.1"}) as way, Receiver(answer(200)) as receiver:
            exchange = await sending(proxy=way.url).send(receiver.url_of("[2606:4700::1111]"))
            assert exchange.response.status == 200
            assert way.asked == [("2606:4700::1111", receiver.port)]


async def test_a_password_is_not_in_what_is_shown(sending):
    async with Receiver(raw(b"HTTP/1.1 407 planted\r\nX: planted\r\n\r\n")) as way:
        target = ProxyTarget(
            kind="http", host="127.0.0.1", port=way.port, username="ann", password=Secret("planted-secret")
        )
        exchange = await sending().send("http://127.0.0.1/", proxy=target)
        assert "planted" not in repr(exchange)
        assert "planted" not in repr(target)
