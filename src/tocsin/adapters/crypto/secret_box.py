"""Secrets sealed with data keys: AES-256-GCM, bound to where they belong, with the id of the key that sealed them.

A sealed value is `version (1 byte) | data key id (4) | nonce (12) | ciphertext and tag`. The context is authenticated with it,
so that a value copied to another place does not open there.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION: Final = b"\x01"
_ID_BYTES: Final = 4
_NONCE_AT: Final = len(VERSION) + _ID_BYTES
_SEALED_AT: Final = _NONCE_AT + 12


class AesSecretBox:
    """`ports.SecretBox` and `ports.KeyRing`: it holds data keys of 32 bytes, at least one before anything is sealed."""

    __slots__ = ("_ciphers", "_fingerprint_key", "_sealing")

    def __init__(self, data_keys: Mapping[int, bytes] | None = None) -> None:
        self._ciphers: Mapping[int, AESGCM] = {}
        self._fingerprint_key = b""
        self._sealing = 0
        if data_keys:
            self.hold(data_keys)

    def hold(self, data_keys: Mapping[int, bytes], *, sealing: int | None = None) -> None:
        self._ciphers = {
            number: AESGCM(hmac.digest(key, b"tocsin seal", "sha256")) for number, key in data_keys.items()
        }
        self._sealing = max(data_keys) if sealing is None else sealing
        self._fingerprint_key = hmac.digest(data_keys[min(data_keys)], b"tocsin fingerprint", "sha256")

    def seal(self, plain: bytes, context: str) -> bytes:
        nonce = os.urandom(_SEALED_AT - _NONCE_AT)
        head = VERSION + self._sealing.to_bytes(_ID_BYTES)
        return head + nonce + self._ciphers[self._sealing].encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        if not sealed.startswith(VERSION):
            raise ValueError("sealed in a way that this version does not know")
        cipher = self._ciphers.get(int.from_bytes(sealed[len(VERSION) : _NONCE_AT]))
        if cipher is None:
            raise ValueError("sealed with a data key that is not there")
        try:
            return cipher.decrypt(sealed[_NONCE_AT:_SEALED_AT], sealed[_SEALED_AT:], context.encode())
        except (InvalidTag, ValueError) as error:  # the latter for a nonce or tag that was cut short
            raise ValueError("does not open here") from error

    def fingerprint(self, plain: bytes) -> str:
        return hmac.digest(self._fingerprint_key, plain, "sha256")[:6].hex()
