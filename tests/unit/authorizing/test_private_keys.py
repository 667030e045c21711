"""Which private keys may sign assertions."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from tests.kit.token_servers import key_pair

from tocsin.authorizing.assertions import check_private_key


def pem_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def unsound(bits: int) -> str:
    """A key of this length whose factors are no primes."""
    p, q, e = (1 << bits // 2) - 1, (1 << bits // 2) - 3, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), rsa.RSAPublicNumbers(e, p * q)
    )
    return pem_of(numbers.private_key(unsafe_skip_rsa_key_validation=True))


def test_a_sound_key_is_taken() -> None:
    check_private_key(key_pair().pem)
    check_private_key("-- a comment --\n" + key_pair().pem + "\n\n")


def test_the_older_form_is_taken_as_well() -> None:
    key = rsa.generate_private_key(65537, 2048)
    check_private_key(pem_of(key, PrivateFormat.TraditionalOpenSSL))


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        (lambda: "", "is not a key in PEM"),
        (lambda: "hush-hush", "is not a key in PEM"),
        (lambda: key_pair().pem.replace("PRIVATE", "PUBLIC"), "is not a key in PEM"),
        (lambda: key_pair().pem[:800], "is not a key in PEM"),
        (lambda: pem_of(ec.generate_private_key(ec.SECP256R1())), "is not an RSA key"),
        (lambda: pem_of(rsa.generate_private_key(65537, 1024)), "has 1024 bits; it needs 2048 to 4096"),
        (lambda: unsound(8192), "has 8192 bits; it needs 2048 to 4096"),
        (lambda: unsound(2048), "is damaged"),
        (
            lambda: (
                rsa.generate_private_key(65537, 2048)
                .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hush"))
                .decode()
            ),
            "is encrypted",
        ),
    ],
    ids=["nothing", "text", "public", "cut", "elliptic", "short", "long", "unsound", "encrypted"],
)
def test_any_other_key_is_refused_with_the_reason(pem, said: str) -> None:
    with pytest.raises(ValueError, match=f"The private key {said}") as caught:
        check_private_key(pem())
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None
