"""TLS and proxy settings of endpoints: what is refused when it is configured, and where the pointer leads."""

from __future__ import annotations

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tocsin.model.endpoint import EndpointConfig, Proxy, Tls
from tocsin.model.secret import Secret
from tocsin.operations.network_checks import network_errors

CA = trustme.CA()
LEAF = CA.create_child_ca().issue_cert("tocsin@example.com")
CHAIN = "".join(part.bytes().decode() for part in LEAF.cert_chain_pems)
KEY = LEAF.private_key_pem.bytes().decode()
ISSUER = CA.cert_pem.bytes().decode()


def pem(key, *, encryption=None, form=PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode()


def errors(*, allow_proxy: bool = True, **fields) -> list[tuple[str, str]]:
    config = EndpointConfig(name="n", url="https://example.com/", **fields)
    return [(error.pointer, error.detail) for error in network_errors(config, allow_proxy=allow_proxy)]


@pytest.mark.parametrize(
    "tls",
    [
        Tls(),
        Tls(ca_pem=ISSUER),
        Tls(ca_pem=f"# Főtanúsítvány\n{ISSUER}\n{CHAIN}"),
        Tls(client_cert_pem=CHAIN, client_key_pem=Secret(KEY)),
        Tls(ca_pem=ISSUER, client_cert_pem=CHAIN, client_key_pem=Secret(KEY)),
    ],
)
def test_is_taken(tls):
    assert errors(tls=tls) == []


NOT_CERTIFICATES = "It must consist of certificates in PEM."
NO_KEY_HERE = "A private key does not belong here: certificates are shown to everybody who may read endpoints."


@pytest.mark.parametrize(
    ("tls", "pointer", "detail"),
    [
        (Tls(ca_pem="nothing"), "/tls/ca_pem", NOT_CERTIFICATES),
        (Tls(ca_pem=ISSUER.replace("M", "N")), "/tls/ca_pem", NOT_CERTIFICATES),
        (Tls(ca_pem=ISSUER[:200]), "/tls/ca_pem", NOT_CERTIFICATES),
        (Tls(ca_pem=f"{ISSUER}{KEY}"), "/tls/ca_pem", NO_KEY_HERE),
        (Tls(client_cert_pem=CHAIN), "/tls/client_key_pem", "A client certificate needs its key."),
        (Tls(client_key_pem=Secret(KEY)), "/tls/client_cert_pem", "A client key needs its certificate."),
        (Tls(client_cert_pem=KEY, client_key_pem=Secret(KEY)), "/tls/client_cert_pem", NO_KEY_HERE),
        (Tls(client_cert_pem="x", client_key_pem=Secret(KEY)), "/tls/client_cert_pem", NOT_CERTIFICATES),
        (Tls(client_cert_pem=ISSUER, client_key_pem=Secret(KEY)), "/tls/client_key_pem",
         "The key does not belong to the first certificate."),
    ],
)  # fmt: skip
def test_is_refused(tls, pointer, detail):
    assert errors(tls=tls) == [(pointer, detail)]


@pytest.mark.parametrize(
    ("key", "detail"),
    [
        ("planted", "It must be a private key in PEM."),
        (CHAIN, "It must be a private key in PEM."),
        (pem(ec.generate_private_key(ec.SECP256R1()), encryption=BestAvailableEncryption(b"planted")),
         "The key must not be encrypted; Tocsin seals it itself."),
        (pem(ec.generate_private_key(ec.SECP256R1()), encryption=BestAvailableEncryption(b"planted"),
             form=PrivateFormat.TraditionalOpenSSL), "The key must not be encrypted; Tocsin seals it itself."),
        (pem(rsa.generate_private_key(65537, 1024)), "An RSA key must have 2048 to 4096 bits."),
        (pem(x25519.X25519PrivateKey.generate()), "It must be an RSA, elliptic curve or Ed25519 key."),
        (pem(ed25519.Ed25519PrivateKey.generate()), "The key does not belong to the first certificate."),
        (pem(ec.generate_private_key(ec.SECP384R1())), "The key does not belong to the first certificate."),
    ],
)  # fmt: skip
def test_keys_that_are_refused(key, detail):
    assert errors(tls=Tls(client_cert_pem=CHAIN, client_key_pem=Secret(key))) == [("/tls/client_key_pem", detail)]


def test_all_that_is_wrong_is_said_at_once():
    tls = Tls(ca_pem="x", client_cert_pem="y", client_key_pem=Secret("z"))
    found = errors(tls=tls, proxy=Proxy(url="ftp://x"))
    assert [pointer for pointer, _ in found] == [
        "/tls/ca_pem", "/tls/client_cert_pem", "/tls/client_key_pem", "/proxy/url",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "proxy",
    [
        "http://proxy.example.com:3128",
        "socks5://proxy.example.com",
        Proxy(url="http://proxy.example.com", username="ann"),
        Proxy(url="http://proxy.example.com", username="ann", password=Secret("p")),
        Proxy(url="socks5://proxy.example.com", username="ann", password=Secret("p")),
    ],
)
def test_proxies_that_are_taken(proxy):
    assert errors(proxy=proxy) == []
    only = "Everything goes through the operator's proxy; an endpoint cannot have another."
    assert errors(proxy=proxy, allow_proxy=False) == [("/proxy", only)]


@pytest.mark.parametrize(
    ("proxy", "pointer"),
    [
        ("https://proxy", "/proxy"),
        ("http://ann:planted@proxy", "/proxy"),
        (Proxy(url="http://ann:planted@proxy"), "/proxy/url"),
        (Proxy(url="http://proxy/x"), "/proxy/url"),
        (Proxy(url="http://proxy", password=Secret("planted")), "/proxy/username"),
        (Proxy(url="http://proxy", username="a:b", password=Secret("planted")), "/proxy/username"),
        (Proxy(url="http://proxy", username="", password=Secret("planted")), "/proxy/username"),
        (Proxy(url="http://proxy", username="ann", password=Secret("planted\r\n")), "/proxy/password"),
        (Proxy(url="socks5://proxy", username="ann"), "/proxy/password"),
        (Proxy(url="socks5://proxy", username="ann", password=Secret("planted" * 40)), "/proxy/password"),
    ],
)
def test_proxies_that_are_refused(proxy, pointer):
    found = errors(proxy=proxy)
    assert [where for where, _ in found] == [pointer]
    assert "planted" not in found[0][1]
