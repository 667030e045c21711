"""TLS and proxies over the whole server: as they are configured, read back, used and refused."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme
from tests.kit.proxies import HttpProxy, SocksProxy
from tests.kit.receivers import Receiver, answer
from tests.kit.server import SETTINGS, Server

from tocsin.config import load_settings
from tocsin.errors import Misconfigured
from tocsin.wiring.sending import make_sender

OPERATORS = "planted-operators-secret"
OWN = "planted-own-secret"


async def call(server: Server, method: str, path: str, body: object = None):
    return await asyncio.to_thread(server.call, method, path, body)


async def tried(server: Server, endpoint_id: str) -> dict[str, object]:
    said = await call(server, "POST", f"/v1/endpoints/{endpoint_id}/test", {})
    assert said.status == 200, said
    return said.json


async def created(server: Server, url: str, **fields: object) -> str:
    said = await call(server, "POST", "/v1/endpoints", {"name": "n", "url": url, **fields})
    assert said.status == 201, said
    assert b"planted" not in said.body
    return said.json["id"]


@pytest.mark.parametrize("make", [HttpProxy, SocksProxy])
async def test_everything_goes_through_the_operators_proxy(start_server, make):
    async with make(credentials=("ann", OPERATORS)) as way, Receiver(answer(200)) as receiver:
        url = way.url.replace("://", f"://ann:{OPERATORS}@")
        server = await asyncio.to_thread(start_server, proxy=url)
        endpoint_id = await created(server, receiver.url)
        attempt = await tried(server, endpoint_id)
        assert attempt["response"]["status"] == 200
        assert attempt["address"] == "127.0.0.1"
        assert way.asked == [("127.0.0.1", receiver.port)]
        refused = await call(server, "POST", "/v1/endpoints", {"name": "n", "url": receiver.url, "proxy": way.url})
        assert refused.status == 422
        assert [error["pointer"] for error in refused.json["errors"]] == ["/proxy"]


async def test_an_endpoint_has_a_proxy_of_its_own(server):
    async with HttpProxy(credentials=("ann", OWN)) as way, Receiver(answer(200)) as receiver:
        own = {"url": way.url, "username": "ann", "password": OWN}
        endpoint_id = await created(server, receiver.url, proxy=own)
        shown = (await call(server, "GET", f"/v1/endpoints/{endpoint_id}")).json["proxy"]
        assert (shown["url"], shown["username"], shown["password"]["set"]) == (way.url, "ann", True)
        assert (await tried(server, endpoint_id))["response"]["status"] == 200
        kept = await call(server, "PATCH", f"/v1/endpoints/{endpoint_id}", {"proxy": shown, "name": "m"})
        assert kept.status == 200
        assert (await tried(server, endpoint_id))["response"]["status"] == 200
        await call(server, "PATCH", f"/v1/endpoints/{endpoint_id}", {"proxy": {"password": "wrong"}})
        failed = await tried(server, endpoint_id)
        assert failed["error"] == {
            "kind": "proxy",
            "message": "The proxy does not accept the user name and password.",
            "reason": "authentication_required",
        }
        await call(server, "PATCH", f"/v1/endpoints/{endpoint_id}", {"proxy": None})
        assert (await tried(server, endpoint_id))["response"]["status"] == 200
        assert len(way.asked) == 2


async def test_a_proxy_from_before_the_operators(start_server, tmp_path: Path):
    """It fails and says why; it can be disabled, and repaired."""
    async with HttpProxy() as way, Receiver(answer(200)) as receiver:
        before = await asyncio.to_thread(start_server, tmp_path / "kept.db")
        endpoint_id = await created(before, receiver.url, proxy=way.url)
        await asyncio.to_thread(before.stop)
        after = await asyncio.to_thread(start_server, tmp_path / "kept.db", proxy=way.url)
        attempt = await tried(after, endpoint_id)
        assert (attempt["error"]["kind"], attempt["error"]["reason"]) == ("proxy", "not_permitted")
        assert way.connections == 0
        path = f"/v1/endpoints/{endpoint_id}"
        assert (await call(after, "POST", f"{path}/disable")).status == 200
        assert (await call(after, "POST", f"{path}/enable")).status == 422
        assert (await call(after, "PATCH", path, {"proxy": None, "enabled": True})).status == 200
        assert (await tried(after, endpoint_id))["response"]["status"] == 200


async def test_an_authority_and_a_client_certificate_of_an_endpoints_own(server):
    authority, clients = trustme.CA(), trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(serving)
    serving.verify_mode = ssl.CERT_REQUIRED
    clients.configure_trust(serving)
    client = clients.issue_cert("tocsin@example.com")
    certificate, key = client.cert_chain_pems[0].bytes().decode(), client.private_key_pem.bytes().decode()
    tls = {"ca_pem": authority.cert_pem.bytes().decode(), "client_cert_pem": certificate, "client_key_pem": key}
    async with Receiver(answer(200), tls=serving) as receiver:
        url = receiver.url_of("localhost")
        endpoint_id = await created(server, url, tls=tls)
        shown = (await call(server, "GET", f"/v1/endpoints/{endpoint_id}")).json["tls"]
        assert shown["client_cert_pem"] == certificate
        assert sorted(shown["client_key_pem"]) == ["fingerprint", "set"]
        assert (await tried(server, endpoint_id))["response"]["status"] == 200
        path = f"/v1/endpoints/{endpoint_id}"
        other = {"client_key_pem": trustme.CA().issue_cert("x@example.com").private_key_pem.bytes().decode()}
        refused = await call(server, "PATCH", path, {"tls": other})
        assert refused.status == 422
        assert refused.json["errors"][0]["pointer"] == "/tls/client_key_pem"
        assert (await call(server, "PATCH", path, {"tls": None})).status == 200
        failed = await tried(server, endpoint_id)
        assert (failed["error"]["kind"], failed["error"]["reason"]) == ("tls", "unknown_issuer")


@pytest.mark.parametrize("text", [f"https://ann:{OPERATORS}@proxy", f"proxy:{OPERATORS}", f"http://a:{OPERATORS}%00@x"])
async def test_a_proxy_that_cannot_be_read_ends_the_start(text):
    with pytest.raises(Misconfigured, match="TOCSIN_PROXY") as caught:
        make_sender(load_settings(SETTINGS, {"TOCSIN_PROXY": text}))
    assert "planted" not in str(caught.value)


async def test_the_proxy_may_be_in_a_file(tmp_path: Path):
    file = tmp_path / "proxy"
    file.write_text(f"http://ann:{OPERATORS}@127.0.0.1:3128\n")
    loaded = load_settings(SETTINGS, {"TOCSIN_PROXY_FILE": str(file)})
    assert loaded.proxy.reveal() == f"http://ann:{OPERATORS}@127.0.0.1:3128"
    assert "planted" not in repr(loaded.proxy)
