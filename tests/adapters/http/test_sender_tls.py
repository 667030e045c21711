"""HTTPS: certificates and names are checked, failures are told in plain words, connections are reused."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from datetime import UTC, datetime

import pytest
import trustme
from tests.kit.certificates import self_signed
from tests.kit.names import NameServer
from tests.kit.receivers import OK, Receiver, answer, failing_handshake, refuse_to_read

from tocsin.adapters.http.tls import client_context
from tocsin.model.exchange import ErrorKind, TransportFailure

NAME = "receiver.test"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def context(authority, tmp_path_factory):
    """Ours: it trusts the test's authority beside the system's."""
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return client_context(str(file))


@pytest.fixture
async def names():
    async with NameServer({NAME: [("127.0.0.1",)], "other.test": [("127.0.0.1",)]}) as server:
        yield server


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made


def tls(reason: str, message: str) -> TransportFailure:
    return TransportFailure(kind=ErrorKind.TLS, message=message, reason=reason)


async def test_a_handshake_serves_many_requests(sending, authority, context, names):
    one = sending(context=context, nameservers=(names.address,))
    async with Receiver(answer(200), tls=server_context(authority.issue_cert(NAME))) as receiver:
        first = await one.send(receiver.url_of(NAME))
        assert first.response.status == 200
        assert first.address == "127.0.0.1"
        assert 0 < first.timings.tls < first.timings.total
        assert first.timings.connect > 0
        assert first.timings.resolve > 0
        for _ in range(100):
            reused = await one.send(receiver.url_of(NAME))
            assert reused.response.status == 200
        assert (reused.timings.connect, reused.timings.tls) == (None, None)
        assert receiver.connections == 1
        assert receiver.requests[0].header("Host") == f"{NAME}:{receiver.port}"


async def test_an_address_is_checked_too(sending, authority, context):
    one = sending(context=context)
    async with Receiver(answer(200), tls=server_context(authority.issue_cert("127.0.0.1"))) as receiver:
        assert (await one.send(receiver.url)).response.status == 200
    async with Receiver(answer(200), tls=server_context(authority.issue_cert("127.0.0.2"))) as receiver:
        exchange = await one.send(receiver.url)
        assert exchange.failure == tls("wrong_host", "The receiver's certificate is for another address.")


async def test_large_bodies(sending, authority, context, names):
    one = sending(context=context, nameservers=(names.address,))
    body = bytes(range(256)) * 8000
    async with Receiver(answer(200, b"x" * 500_000), tls=server_context(authority.issue_cert(NAME))) as receiver:
        for _ in range(2):
            exchange = await one.send(receiver.url_of(NAME), body=body)
            assert exchange.response.body_bytes == 500_000
        assert [request.body for request in receiver.requests] == [body, body]
        assert receiver.connections == 1


@pytest.mark.parametrize(
    ("issue", "reason", "text"),
    [
        (lambda ca: ca.issue_cert("other.test"), "wrong_host", "The receiver's certificate is for another host name."),
        (
            lambda ca: ca.issue_cert(NAME, not_after=datetime(2020, 1, 1, tzinfo=UTC)),
            "certificate_expired",
            "The receiver's certificate has expired.",
        ),
        (
            lambda ca: ca.issue_cert(NAME, not_before=datetime(2090, 1, 1, tzinfo=UTC)),
            "certificate_not_yet_valid",
            "The receiver's certificate is not valid yet.",
        ),
        (
            lambda _: trustme.CA().issue_cert(NAME),
            "unknown_issuer",
            "The receiver's certificate comes from an unknown issuer.",
        ),
        (lambda _: self_signed(NAME), "self_signed", "The receiver's certificate is self-signed."),
    ],
)
async def test_certificates_that_are_not_accepted(sending, authority, context, names, issue, reason, text):
    one = sending(context=context, nameservers=(names.address,))
    async with Receiver(answer(200), tls=server_context(issue(authority))) as receiver:
        exchange = await one.send(receiver.url_of(NAME))
        assert exchange.failure == tls(reason, text)
        assert exchange.response is None
        assert exchange.address == "127.0.0.1"
        assert receiver.requests == []


async def test_old_tls_is_refused(sending, authority, context, names):
    old = server_context(authority.issue_cert(NAME))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    one = sending(context=context, nameservers=(names.address,))
    async with Receiver(failing_handshake(old)) as receiver:
        exchange = await one.send(receiver.url_of(NAME).replace("http:", "https:"))
        assert exchange.failure == tls("tls_version", "The receiver speaks no TLS version from 1.2 on.")


async def test_a_receiver_that_asks_for_a_client_certificate(sending, authority, context, names):
    strict = server_context(authority.issue_cert(NAME))
    strict.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(strict)
    one = sending(context=context, nameservers=(names.address,))
    async with Receiver(failing_handshake(strict)) as receiver:
        exchange = await one.send(receiver.url_of(NAME).replace("http:", "https:"))
        assert exchange.failure == tls("client_certificate_required", "The receiver asks for a client certificate.")


async def test_plain_http_where_tls_was_expected(sending, context, names):
    async def behave(peer):
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.gone()

    one = sending(context=context, nameservers=(names.address,))
    async with Receiver(behave) as receiver:
        exchange = await one.send(receiver.url_of(NAME).replace("http:", "https:"))
        assert exchange.failure == tls("not_tls", "The receiver does not speak TLS at this port.")


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_closed_in_the_handshake(sending, context, names, how):
    async def behave(peer):
        await peer.some()
        getattr(peer, how)()

    one = sending(context=context, nameservers=(names.address,))
    async with Receiver(behave) as receiver:
        exchange = await one.send(receiver.url_of(NAME).replace("http:", "https:"))
        assert exchange.failure == tls("closed", "The connection was closed during the TLS handshake.")


async def test_a_handshake_that_hangs_ends_with_the_deadline(sending, context, names):
    one = sending(context=context, nameservers=(names.address,))
    async with Receiver(refuse_to_read) as receiver:
        exchange = await one.send(receiver.url_of(NAME).replace("http:", "https:"), timeout_seconds=0.2)
        assert (exchange.failure.kind, exchange.failure.reason) == (ErrorKind.TIMEOUT, "tls")
        assert exchange.timings.total >= 199


async def test_no_answer_over_tls(sending, authority, context, names):
    async def behave(peer):
        await peer.request()
        if peer.number == 1:
            await peer.send(OK)
            await peer.request()

    one = sending(context=context, nameservers=(names.address,))
    async with Receiver(behave, tls=server_context(authority.issue_cert(NAME))) as receiver:
        url = receiver.url_of(NAME)
        assert (await one.send(url)).response.status == 200
        stale, fresh = await one.send(url), await one.send(url)
        assert (stale.failure.kind, stale.failure.is_stale_connection) == (ErrorKind.RESET, True)
        assert (fresh.failure.kind, fresh.failure.is_stale_connection) == (ErrorKind.RESET, False)
        assert len(receiver.requests) == 3


async def test_refused_before_the_body_was_read(sending, authority, context, names):
    async def behave(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.Event().wait()

    one = sending(context=context, nameservers=(names.address,))
    async with Receiver(behave, tls=server_context(authority.issue_cert(NAME))) as receiver:
        exchange = await one.send(receiver.url_of(NAME), body=bytes(5_000_000))
        assert exchange.response.status == 413
        assert one.sender.connection_counts[1] == 0


async def test_cancelled_in_the_handshake(sending, context, names):
    one = sending(context=context, nameservers=(names.address,))
    async with Receiver(lambda peer: peer.gone()) as receiver:
        task = asyncio.ensure_future(one.send(receiver.url_of(NAME).replace("http:", "https:")))
        await receiver.until(lambda: receiver.open_connections == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await receiver.until(lambda: receiver.open_connections == 0)


def test_the_system_trusts_only_from_tls_1_2_on():
    made = client_context()
    assert made.minimum_version is ssl.TLSVersion.TLSv1_2
    assert made.check_hostname
    assert made.verify_mode is ssl.CERT_REQUIRED
