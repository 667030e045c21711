"""JWT assertions of a client: RS256 over the claims of RFC 7523 section 3."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwt
from joserfc.jwk import RSAKey

from tocsin.model.authorization import Assertion

MIN_KEY_BITS: Final = 2048
"""RFC 7518 section 3.3."""
MAX_KEY_BITS: Final = 4096
"""To check a key of 8192 bits takes seconds, in which nothing else would be done."""


def check_private_key(pem: str) -> None:
    """ValueError, with a text for people, for anything but a sound RSA key of a fitting length in PEM, not encrypted."""
    bits = _loaded(pem).key_size
    if not MIN_KEY_BITS <= bits <= MAX_KEY_BITS:
        raise ValueError(f"The private key has {bits} bits; it needs {MIN_KEY_BITS} to {MAX_KEY_BITS}.")
    try:
        load_pem_private_key(pem.encode(), password=None)
    except ValueError:
        raise ValueError("The private key is damaged: its numbers do not belong together.") from None


def _loaded(pem: str) -> RSAPrivateKey:
    """The key without a look at its numbers, which would take 36 ms for 2048 bits and 250 ms for 4096."""
    try:
        key = load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise ValueError("The private key is encrypted; give it without a passphrase.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("The private key is not a key in PEM.") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("The private key is not an RSA key; only RS256 is supported.")  # noqa: TRY004 (a bad value to whoever gave it)
    return key


class AssertionSigner:
    """Signs one client's assertions with a key that `check_private_key` has passed; it is parsed once."""

    __slots__ = ("_assertion", "_client_id", "_header", "_key")

    def __init__(self, assertion: Assertion, client_id: str) -> None:
        self._assertion = assertion
        self._client_id = client_id
        self._key = RSAKey.import_key(_loaded(assertion.private_key.reveal()))
        self._header = {"alg": "RS256", "typ": "JWT"} | ({"kid": assertion.key_id} if assertion.key_id else {})

    def signed(self, now: int, jwt_id: str) -> str:
        """An assertion from `now` (seconds) for its time to live. `jwt_id` has to be new each time: servers refuse one that
        they have seen."""
        assertion = self._assertion
        claims: dict[str, object] = {
            "iss": assertion.issuer or self._client_id,
            "sub": assertion.subject or self._client_id,
            "aud": assertion.audience,
            "iat": now,
            "exp": now + assertion.ttl_seconds,
            "jti": jwt_id,
        }
        return jwt.encode(self._header, claims, self._key, algorithms=["RS256"])
