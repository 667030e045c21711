"""What must hold of an endpoint's TLS and proxy settings beyond the types of their fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tocsin.errors import FieldError
from tocsin.model.endpoint import EndpointConfig, Proxy, Tls
from tocsin.operations.pointers import said
from tocsin.rules.proxies import endpoint_proxy, password_problem, username_problem

RSA_KEY_BITS: Final = range(2048, 4097)
"""OpenSSL refuses shorter ones; longer ones sign slowly, and every handshake would hold up everybody."""
PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


def network_errors(config: EndpointConfig, *, allow_proxy: bool) -> Iterator[FieldError]:
    """Every field that is wrong. `allow_proxy`: the operator has no proxy, so endpoints may have one of their own."""
    if config.tls is not None:
        yield from _tls_errors(config.tls)
    if config.proxy is not None:
        if allow_proxy:
            yield from _proxy_errors(config.proxy)
        else:
            yield FieldError("/proxy", "Everything goes through the operator's proxy; an endpoint cannot have another.")


def _tls_errors(tls: Tls) -> Iterator[FieldError]:
    if (ca := tls.ca_pem) is not None:
        yield from said(lambda: _certificates(ca), "/tls/ca_pem")
    certificate, key = tls.client_cert_pem, tls.client_key_pem
    if certificate is None and key is not None:
        yield FieldError("/tls/client_cert_pem", "A client key needs its certificate.")
    elif certificate is not None and key is None:
        yield FieldError("/tls/client_key_pem", "A client certificate needs its key.")
    elif certificate is not None and key is not None:
        errors = (
            *said(lambda: _certificates(certificate), "/tls/client_cert_pem"),
            *said(lambda: _private_key(key.reveal()), "/tls/client_key_pem"),
        )
        yield from errors or said(lambda: _check_pair(certificate, key.reveal()), "/tls/client_key_pem")


def _certificates(pem: str) -> list[x509.Certificate]:
    if "PRIVATE KEY" in pem:
        raise ValueError(
            "A private key does not belong here: certificates are shown to everybody who may read endpoints."
        )
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
        for certificate in found:
            certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("It must consist of certificates in PEM.") from None
    return found


def _private_key(pem: str) -> PrivateKey:
    """Its numbers are not checked, which takes up to a second: whether it fits the certificate is."""
    try:
        key = load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise ValueError("The key must not be encrypted; Tocsin seals it itself.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("It must be a private key in PEM.") from None
    if not isinstance(key, PrivateKey):
        raise ValueError("It must be an RSA, elliptic curve or Ed25519 key.")  # noqa: TRY004 (a bad value to whoever gave it)
    if isinstance(key, RSAPrivateKey) and key.key_size not in RSA_KEY_BITS:
        raise ValueError(f"An RSA key must have {RSA_KEY_BITS.start} to {RSA_KEY_BITS.stop - 1} bits.")
    return key


def _check_pair(certificate: str, key: str) -> None:
    """The client's own certificate is the first of its chain."""
    if _certificates(certificate)[0].public_key() != _private_key(key).public_key():
        raise ValueError("The key does not belong to the first certificate.")


def _proxy_errors(proxy: str | Proxy) -> Iterator[FieldError]:
    at = "/proxy" if isinstance(proxy, str) else "/proxy/url"
    errors = tuple(said(lambda: endpoint_proxy(proxy), at))
    yield from errors
    if errors or isinstance(proxy, str):
        return
    target = endpoint_proxy(proxy)
    assert target is not None
    if proxy.username is None:
        if proxy.password is not None:
            yield FieldError("/proxy/username", "A password needs a user name.")
        return
    if problem := username_problem(target.kind, proxy.username):
        yield FieldError("/proxy/username", problem)
    if problem := password_problem(target.kind, proxy.password.reveal() if proxy.password is not None else ""):
        yield FieldError("/proxy/password", problem)
