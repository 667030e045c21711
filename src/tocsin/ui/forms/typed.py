"""Secrets that were typed into a form which was refused: the next page brings them back, and nobody can read them there.

Each is sealed for its session and its field, by a key that comes of the session's token, which no script and no page has. So a page
never has a secret in it, neither for who looks at its source nor for a browser's cache; nothing has to be typed twice, and any
process can open it.
"""

from __future__ import annotations

import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.model.ids import Millis
from tocsin.ui.forms.leaves import Form, one

KEPT_MS: Final = 3_600_000
SUFFIX: Final = ".typed"
_NONCE_BYTES: Final = 12
_TIME_BYTES: Final = 8


def sealed(form: Form, names: Iterable[str], session: str, now: Millis) -> dict[str, str]:
    """Hidden fields in place of the fields with these names; `session` is its secret."""
    fields: dict[str, str] = {}
    box = _box(session)
    for name in names:
        nonce = os.urandom(_NONCE_BYTES)
        plain = now.to_bytes(_TIME_BYTES, "big") + one(form, name).encode()
        fields[name + SUFFIX] = urlsafe_b64encode(nonce + box.encrypt(nonce, plain, name.encode())).decode()
    return fields


def reopened(form: Form, session: str, now: Millis) -> dict[str, tuple[str, ...]]:
    """The form with the secrets that were typed earlier, unless others were typed since. What is too old, or was sealed for another
    session or field, is left out."""
    box = _box(session)
    whole = {name: values for name, values in form.items() if not name.endswith(SUFFIX)}
    for hidden in form:
        name = hidden.removesuffix(SUFFIX)
        if name == hidden or one(form, name) or one(form, f"{name}.remove"):
            continue
        if (text := _opened(box, one(form, hidden), name, now)) is not None:
            whole[name] = (text,)
    return whole


def _opened(box: AESGCM, token: str, name: str, now: Millis) -> str | None:
    try:
        raw = urlsafe_b64decode(token)
        plain = box.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], name.encode())
    except (ValueError, InvalidTag):
        return None
    is_fresh = now - int.from_bytes(plain[:_TIME_BYTES], "big") < KEPT_MS
    return plain[_TIME_BYTES:].decode() if is_fresh else None


def _box(session: str) -> AESGCM:
    return AESGCM(hmac.digest(session.encode(), b"tocsin typed", "sha256"))
