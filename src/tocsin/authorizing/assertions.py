"""JWT assertions of a client: RS256 over the claims of RFC 7523 section 3."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwt
from joserfc.jwk import RSAKey

from tocsin.model.authorization import Assertion

MIN_KEY_BITS: Final = 2048
"""RFC 7518 section 3.3."""


def check_private_key(pem: str) -> None:
    """ValueError, with a text for people, for anything but an RSA key in PEM that is long enough and not encrypted."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise ValueError("The private key is encrypted; give it without a passphrase.") from None
    except ValueError:
        raise ValueError("The private key is not a key in PEM.") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("The private key is not an RSA key; only RS256 is supported.")  # noqa: TRY004 (a bad value to whoever gave it)
    if key.key_size < MIN_KEY_BITS:
        raise ValueError(f"The private key has {key.key_size} bits; it needs {MIN_KEY_BITS} or more (RFC 7518).")


class AssertionSigner:
    """Signs one client's assertions; its key is parsed once. ValueError when the key is not usable."""

    __slots__ = ("_assertion", "_client_id", "_header", "_key")

    def __init__(self, assertion: Assertion, client_id: str) -> None:
        check_private_key(assertion.private_key.reveal())
        self._assertion = assertion
        self._client_id = client_id
        self._key = RSAKey.import_key(assertion.private_key.reveal())
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
