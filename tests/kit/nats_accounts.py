"""An operator of NATS with an account and a user, as JWTs: what its servers are told, and the file that the user has."""

from __future__ import annotations

import base64
import json
import os
import time
from hashlib import sha256
from pathlib import Path

import nkeys


class _Party:
    """Somebody with a key."""

    def __init__(self, prefix: int) -> None:
        self.seed = nkeys.encode_seed(os.urandom(32), prefix)
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.name = self._pair.public_key.decode()

    def says(self, subject: _Party, name: str, **claims: object) -> str:
        """A JWT about somebody."""
        body = {
            "iat": int(time.time()),
            "iss": self.name,
            "sub": subject.name,
            "name": name,
            "nats": claims | {"version": 2},
        }
        body["jti"] = base64.b32encode(sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
        head = _part({"typ": "JWT", "alg": "ed25519-nkey"})
        signed = f"{head}.{_part(body)}"
        return f"{signed}.{_text(self._pair.sign(signed.encode()))}"


class Accounts:
    """`configuration` is for the servers; `credentials` writes the file of a user."""

    def __init__(self) -> None:
        operator, system = _Party(nkeys.PREFIX_BYTE_OPERATOR), _Party(nkeys.PREFIX_BYTE_ACCOUNT)
        self._account = _Party(nkeys.PREFIX_BYTE_ACCOUNT)
        unlimited = dict.fromkeys(
            (
                "subs",
                "data",
                "payload",
                "imports",
                "exports",
                "conn",
                "leaf",
                "mem_storage",
                "disk_storage",
                "streams",
                "consumer",
            ),
            -1,
        )
        limits = {"wildcards": True, **unlimited}
        without_streams = {
            name: value
            for name, value in limits.items()
            if name not in {"mem_storage", "disk_storage", "streams", "consumer"}
        }
        known = {
            self._account.name: operator.says(self._account, "tocsin", type="account", limits=limits),
            system.name: operator.says(system, "system", type="account", limits=without_streams),
        }
        itself = operator.says(operator, "operator", type="operator", system_account=system.name)
        preload = "\n".join(f"{name}: {jwt}" for name, jwt in known.items())
        self.configuration = f"operator: {itself}\nsystem_account: {system.name}\nresolver: MEMORY\nresolver_preload: {{\n{preload}\n}}\n"

    def credentials(self, file: Path) -> Path:
        user = _Party(nkeys.PREFIX_BYTE_USER)
        jwt = self._account.says(user, "tocsin", type="user", subs=-1, data=-1, payload=-1)
        file.write_text(
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n",
            encoding="utf-8",
        )
        return file


def _part(value: object) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
