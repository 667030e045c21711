"""Secrets sealed at rest: AES-256-GCM, bound to where they belong, with the id of the key that sealed them.

A sealed value is `key id (4 bytes) | nonce (12) | ciphertext and tag`. The context is authenticated with it, so that a value
copied to another place does not open there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.errors import Misconfigured

KEY_BYTES: Final = 32
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12


class AesSecretBox:
    """`ports.SecretBox` with one master key of 32 bytes."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise Misconfigured(f"TOCSIN_MASTER_KEY must be base64 of {KEY_BYTES} bytes.")
        self._cipher = AESGCM(hmac.digest(master_key, b"tocsin seal", "sha256"))
        self._fingerprint_key = hmac.digest(master_key, b"tocsin fingerprint", "sha256")
        self._key_id = hashlib.sha256(b"tocsin key id" + master_key).digest()[:_KEY_ID_BYTES]

    def seal(self, plain: bytes, context: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return self._key_id + nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        key_id, nonce = sealed[:_KEY_ID_BYTES], sealed[_KEY_ID_BYTES : _KEY_ID_BYTES + _NONCE_BYTES]
        if key_id != self._key_id:
            raise ValueError("sealed with another master key")
        try:
            return self._cipher.decrypt(nonce, sealed[_KEY_ID_BYTES + _NONCE_BYTES :], context.encode())
        except InvalidTag as error:
            raise ValueError("does not open here") from error

    def fingerprint(self, plain: bytes) -> str:
        return hmac.digest(self._fingerprint_key, plain, "sha256")[:6].hex()


def master_key_from(text: str) -> bytes:
    """The key in a setting. Raises Misconfigured."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Misconfigured("TOCSIN_MASTER_KEY is not base64.") from error


def master_key_beside(database: Path) -> bytes:
    """The key file beside the database, made (mode 0600) at first start. Raises Misconfigured when others may read it."""
    path = database.with_name(database.name + ".key")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            raise Misconfigured(f"{path} can be read by others; its mode must be 0600.") from None
        return master_key_from(path.read_text(encoding="ascii").strip())
    key = os.urandom(KEY_BYTES)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(base64.b64encode(key).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return key
