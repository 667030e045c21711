"""TLS of an endpoint's own: its issuers instead of the system's, and a client certificate; each only for that endpoint."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path

import pytest
import trustme
from tests.kit.certificates import self_signed
from tests.kit.names import NameServer
from tests.kit.receivers import Receiver, answer, failing_handshake

from tocsin.adapters.http.tls import TlsContexts, client_context, endpoint_context
from tocsin.model.exchange import ClientTls, ErrorKind
from tocsin.model.secret import Secret

NAME = "receiver.test"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def clients():
    """Issues the certificates of clients."""
    return trustme.CA()


@pytest.fixture
async def names():
    async with NameServer({NAME: [("127.0.0.1",)]}) as server:
        yield server


def pem(of: trustme.CA) -> str:
    return of.cert_pem.bytes().decode()


def client_tls(authority: trustme.CA, leaf: trustme.LeafCert) -> ClientTls:
    chain = "".join(part.bytes().decode() for part in leaf.cert_chain_pems)
    return ClientTls(ca=pem(authority), certificate=chain, key=Secret(leaf.private_key_pem.bytes().decode()))


def serving(leaf: trustme.LeafCert, clients: trustme.CA | None = None) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(made)
    if clients is not None:
        made.verify_mode = ssl.CERT_REQUIRED
        clients.configure_trust(made)
    return made


async def test_an_authority_of_ones_own_is_trusted_by_its_endpoint_only(sending, authority, names):
    one = sending(nameservers=(names.address,))
    async with Receiver(answer(200), tls=serving(authority.issue_cert(NAME))) as receiver:
        url = receiver.url_of(NAME)
        own = ClientTls(ca=f"# Főtanúsítvány\n{pem(trustme.CA())}{pem(authority)}")
        assert (await one.send(url, tls=own)).response.status == 200
        for other in (None, ClientTls(ca=pem(trustme.CA()))):
            failure = (await one.send(url, tls=other, pool="end_2@1")).failure
            assert (failure.kind, failure.reason) == (ErrorKind.TLS, "unknown_issuer")
        assert len(receiver.requests) == 1


async def test_the_systems_issuers_are_not_trusted_beside_ones_own(sending, authority, tmp_path, monkeypatch, names):
    file = tmp_path / "system.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    one = sending(context=client_context(), nameservers=(names.address,))
    async with Receiver(answer(200), tls=serving(authority.issue_cert(NAME))) as receiver:
        url = receiver.url_of(NAME)
        assert (await one.send(url)).response.status == 200
        failure = (await one.send(url, tls=ClientTls(ca=pem(trustme.CA())), pool="end_2@1")).failure
        assert failure.reason == "unknown_issuer"


async def test_an_intermediate_issuer_and_a_pinned_certificate_are_enough(sending, authority, names):
    between = authority.create_child_ca()
    leaf, alone = between.issue_cert(NAME), self_signed(NAME)
    for certificate, trusted in ((leaf, pem(between)), (alone, alone.cert_chain_pems[0].bytes().decode())):
        one = sending(nameservers=(names.address,))
        async with Receiver(answer(200), tls=serving(certificate)) as receiver:
            assert (await one.send(receiver.url_of(NAME), tls=ClientTls(ca=trusted))).response.status == 200


async def test_the_name_is_checked_with_an_authority_of_ones_own_too(sending, authority, names):
    one = sending(nameservers=(names.address,))
    async with Receiver(answer(200), tls=serving(authority.issue_cert("other.test"))) as receiver:
        failure = (await one.send(receiver.url_of(NAME), tls=ClientTls(ca=pem(authority)))).failure
        assert failure.reason == "wrong_host"


async def test_old_tls_is_refused_with_settings_of_ones_own_too(authority):
    context = endpoint_context(ClientTls(ca=pem(authority)))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("key_type", [trustme.KeyType.RSA, trustme.KeyType.ECDSA])
async def test_a_client_certificate_is_shown(sending, authority, clients, names, key_type):
    own = client_tls(authority, clients.create_child_ca().issue_cert("tocsin@example.com", key_type=key_type))
    seen = []

    async def behave(peer):
        seen.append(peer._writer.get_extra_info("peercert")["subjectAltName"])
        await answer(200)(peer)

    one = sending(nameservers=(names.address,))
    async with Receiver(behave, tls=serving(authority.issue_cert(NAME), clients)) as receiver:
        for _ in range(3):
            assert (await one.send(receiver.url_of(NAME), tls=own)).response.status == 200
        assert seen == [(("email", "tocsin@example.com"),)]


@pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_client_certificate_and_a_wrong_one(sending, authority, clients, names, maximum):
    """TLS 1.3 has an alert that says that one is missing; 1.2 has only that the handshake failed."""
    strict = serving(authority.issue_cert(NAME), clients)
    strict.maximum_version = maximum
    wrong = client_tls(authority, trustme.CA().issue_cert("tocsin@example.com"))
    reasons = []
    async with Receiver(failing_handshake(strict)) as receiver:
        url = receiver.url_of(NAME).replace("http:", "https:")
        one = sending(nameservers=(names.address,))
        for own in (ClientTls(ca=pem(authority)), wrong):
            failure = (await one.send(url, tls=own)).failure
            assert failure.kind is ErrorKind.TLS
            reasons.append(failure.reason)
    missing = "client_certificate_required" if maximum is ssl.TLSVersion.TLSv1_3 else "handshake"
    assert reasons == [missing, "client_certificate_refused"]


async def test_what_openssl_does_not_take_is_a_failure(sending, authority, names):
    good = authority.issue_cert(NAME)
    other = authority.issue_cert(NAME)
    one = sending(nameservers=(names.address,))
    async with Receiver(answer(200), tls=serving(good)) as receiver:
        broken = (
            ClientTls(ca="nothing"),
            ClientTls(certificate="nothing", key=Secret("planted-secret")),
            ClientTls(
                certificate=good.cert_chain_pems[0].bytes().decode(),
                key=Secret(other.private_key_pem.bytes().decode()),
            ),
        )
        for own in broken:
            exchange = await one.send(receiver.url_of(NAME), tls=own)
            assert (exchange.failure.kind, exchange.failure.reason) == (ErrorKind.TLS, "own_certificate_unusable")
            assert "planted" not in repr(exchange)
        assert receiver.connections == 0


async def test_the_key_is_never_on_a_disk(authority, clients, monkeypatch, tmp_path):
    """Nothing is written where temporary files would go, and the file in memory is gone afterwards."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    endpoint_context(client_tls(authority, clients.issue_cert("tocsin@example.com")))
    open_files = [os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()]
    assert not [path for path in open_files if "memfd:tls" in path]


async def test_without_memory_files_a_private_temporary_file_serves(authority, clients, monkeypatch, tmp_path):
    monkeypatch.delattr("os.memfd_create")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    endpoint_context(client_tls(authority, clients.issue_cert("tocsin@example.com")))
    assert list(tmp_path.iterdir()) == []


async def test_contexts_are_shared_made_once_and_bounded(authority):
    contexts = TlsContexts(client_context(), limit=2)
    first, second, third = (ClientTls(ca=pem(authority)), ClientTls(ca=pem(trustme.CA())), ClientTls())
    made = await asyncio.gather(*(contexts.context(ClientTls(ca=pem(authority))) for _ in range(10)))
    assert len({id(context) for context in made}) == 1
    await contexts.context(second)
    assert await contexts.context(first) is made[0]
    await contexts.context(third)
    assert list(contexts._made) == [first, third]
    assert await contexts.context(None) is contexts._common
    await contexts.close()
