"""Master keys: as text, as the wrapping of data keys, and where they are read from.

A wrapped data key is `nonce (12 bytes) | ciphertext and tag` of AES-256-GCM, with the data key's place as context.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.config import Settings
from tocsin.errors import Misconfigured
from tocsin.model.database import SharedDatabase
from tocsin.ports import MasterKeySource

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_BETWEEN: Final = re.compile(r"[\s,]+")


class AesMasterKeys:
    """`ports.MasterKeys` with keys of 32 bytes."""

    __slots__ = ("_ciphers",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_id_of(key): AESGCM(hmac.digest(key, b"tocsin wrap", "sha256")) for key in keys}

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self._ciphers)

    def wrap(self, data_key: bytes, context: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[self.ids[0]].encrypt(nonce, data_key, context.encode())

    def unwrap(self, master_key: str, wrapped: bytes, context: str) -> bytes | None:
        cipher = self._ciphers.get(master_key)
        if cipher is None:
            return None
        try:
            return cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:  # the latter for a nonce or tag that was cut short
            raise ValueError("does not open") from error


class GivenMasterKeys:
    """`ports.MasterKeySource` for keys in a setting. `file`: what the setting was read from, when that can be read again."""

    __slots__ = ("_file", "_text")

    def __init__(self, text: str, file: Path | None) -> None:
        self._text = text
        self._file = file

    @property
    def is_file(self) -> bool:
        return self._file is not None

    def read(self, *, may_make: bool) -> AesMasterKeys:
        del may_make
        if self._file is None:
            return master_keys_from(self._text, "TOCSIN_MASTER_KEY")
        return master_keys_from(_text_of(self._file), str(self._file))


class MasterKeysBeside:
    """`ports.MasterKeySource` for the key file beside a database; it is made (mode 0600) at first start."""

    __slots__ = ("_path",)

    def __init__(self, database: Path) -> None:
        self._path = _beside(database)

    @property
    def is_file(self) -> bool:
        return True

    def read(self, *, may_make: bool) -> AesMasterKeys:
        path = self._path
        if not path.exists():
            if not may_make:
                raise Misconfigured(
                    f"{path} is missing, and without the master key nothing that is sealed in the database can be opened. "
                    "Put the file back, or give the key in TOCSIN_MASTER_KEY."
                )
            _make(path)
        elif path.stat().st_mode & 0o077:
            raise Misconfigured(f"{path} can be read by others; its mode must be 0600.")
        return master_keys_from(_text_of(path), str(path))


def master_keys_from(text: str, where: str) -> AesMasterKeys:
    """One or more keys in base64, between them white space or commas. Raises Misconfigured, which names `where` they stand
    and tells nothing of the text."""
    words = [word for word in _BETWEEN.split(text) if word]
    keys = []
    for number, word in enumerate(words, 1):
        key = b""
        with contextlib.suppress(binascii.Error, ValueError):  # the latter for what is not ASCII
            key = base64.b64decode(word, validate=True)
        if len(key) != KEY_BYTES:
            which = f"Key {number} in {where}" if len(words) > 1 else where
            raise Misconfigured(f"{which} must be base64 of {KEY_BYTES} bytes.")
        keys.append(key)
    if not keys:
        raise Misconfigured(f"{where} holds no key.")
    return AesMasterKeys(keys)


def _id_of(key: bytes) -> str:
    return hashlib.sha256(b"tocsin master key id" + key).hexdigest()[:16]


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise Misconfigured(f"{path} must be base64 of {KEY_BYTES} bytes.") from None


def _make(path: Path) -> None:
    """A file with a new key: on disk, whole, or not there at all."""
    begun = path.with_name(path.name + ".new")
    begun.unlink(missing_ok=True)
    with os.fdopen(os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(base64.b64encode(os.urandom(KEY_BYTES)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    begun.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def master_keys_of(settings: Settings) -> MasterKeySource:
    """Where the operator gives them, else in a file beside the database."""
    if settings.master_key is not None:
        return GivenMasterKeys(settings.master_key.reveal(), settings.values["master_key"].file)
    if isinstance(settings.database, SharedDatabase):
        raise Misconfigured(
            "TOCSIN_MASTER_KEY is needed with PostgreSQL: there is no place beside the database for a key file."
            " Make one with `tocsin master-key new` and keep it."
        )
    return MasterKeysBeside(settings.database)


def key_file_of(settings: Settings) -> Path | None:
    """The file beside the database, where the key is not given otherwise."""
    if settings.master_key is not None or isinstance(settings.database, SharedDatabase):
        return None
    return _beside(settings.database)


def _beside(database: Path) -> Path:
    return database.with_name(database.name + ".key")
