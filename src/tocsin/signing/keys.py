"""Keys in the form of Standard Webhooks 1.0.0: `whsec_` for HMAC-SHA256, `whsk_` and `whpk_` for Ed25519."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tocsin.signing.base64_text import from_base64

Algorithm = Literal["hmac-sha256", "ed25519"]

SHARED_PREFIX: Final = "whsec_"
PRIVATE_PREFIX: Final = "whsk_"
PUBLIC_PREFIX: Final = "whpk_"
SECRET_BYTES: Final = 32
"""How many random bytes a generated secret is made of; also the length of an Ed25519 seed (RFC 8032 section 5.1.5)."""
SHARED_KEY_BYTES: Final = range(24, 65)
"""How long a shared key may be (Standard Webhooks 1.0.0, "Symmetric")."""


_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class SharedKey:
    """HMAC-SHA256 (RFC 2104) with a key that the receiver has too."""

    __slots__ = ("_inner", "_outer")

    version: Final = "v1"
    algorithm: Final = "hmac-sha256"

    def __init__(self, key: bytes) -> None:
        # Copied for each request. `hmac.digest` would give up the interpreter lock each time, however short the body, and
        # `hmac.new` takes half as long again.
        block = (key if len(key) <= _BLOCK_BYTES else sha256(key).digest()).ljust(_BLOCK_BYTES, b"\0")
        self._inner = sha256(block.translate(_INNER))
        self._outer = sha256(block.translate(_OUTER))

    def sign(self, data: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.digest()


class PrivateKey:
    """Ed25519 (RFC 8032): receivers verify with the public half and cannot sign."""

    __slots__ = ("public", "sign")

    version: Final = "v1a"
    algorithm: Final = "ed25519"

    def __init__(self, seed: bytes) -> None:
        key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = key.public_key().public_bytes_raw()
        self.sign = key.sign


SigningKey = SharedKey | PrivateKey


def signing_key(secret: str) -> SigningKey:
    """The key inside `whsec_...` or `whsk_...`. ValueError, with a text for people, when it is neither."""
    if secret.startswith(SHARED_PREFIX):
        key = from_base64(secret.removeprefix(SHARED_PREFIX), "the secret")
        if len(key) not in SHARED_KEY_BYTES:
            low, high = SHARED_KEY_BYTES[0], SHARED_KEY_BYTES[-1]
            raise ValueError(f"the secret must hold {low} to {high} bytes, not {len(key)}")
        return SharedKey(key)
    if secret.startswith(PRIVATE_PREFIX):
        return _private_key(from_base64(secret.removeprefix(PRIVATE_PREFIX), "the secret"))
    raise ValueError(f"the secret must start with {SHARED_PREFIX} or {PRIVATE_PREFIX}")


def check_secret(secret: str, algorithm: Algorithm) -> None:
    """ValueError, with a text for people, when the secret is malformed or made for the other algorithm."""
    prefix = SHARED_PREFIX if algorithm == "hmac-sha256" else PRIVATE_PREFIX
    if not secret.startswith(prefix):
        raise ValueError(f"the secret must start with {prefix}, as the algorithm is {algorithm}")
    signing_key(secret)


def generated_secret(random_bytes: bytes, algorithm: Algorithm) -> str:
    """A new secret of SECRET_BYTES from a cryptographic source."""
    if algorithm == "hmac-sha256":
        return SHARED_PREFIX + base64.b64encode(random_bytes).decode()
    return PRIVATE_PREFIX + base64.b64encode(random_bytes + PrivateKey(random_bytes).public).decode()


def public_key_of(secret: str) -> str | None:
    """What receivers verify with, None for a shared key. ValueError as `signing_key`."""
    key = signing_key(secret)
    return PUBLIC_PREFIX + base64.b64encode(key.public).decode() if isinstance(key, PrivateKey) else None


def _private_key(held: bytes) -> PrivateKey:
    """From a seed, or from a seed and its public key, as most tools write it."""
    if len(held) not in (SECRET_BYTES, 2 * SECRET_BYTES):
        raise ValueError(
            f"the secret must hold {SECRET_BYTES} bytes (a seed) or {2 * SECRET_BYTES} (seed and public key), "
            f"not {len(held)}"
        )
    key = PrivateKey(held[:SECRET_BYTES])
    if held[SECRET_BYTES:] not in (b"", key.public):
        raise ValueError("the public key in the secret does not belong to its seed")
    return key
