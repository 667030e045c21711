"""Lines that are shown with the next page, once: they travel in a cookie, since another process may answer for that page."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

MAX_TOASTS: Final = 8
MAX_BYTES: Final = 3000
TOAST_SECONDS: Final = 60
_MAC_BYTES: Final = 16


class Toasts:
    """Those that came with a request, and those that go with its answer. Nobody without the `secret` of the session makes one."""

    __slots__ = ("_came", "_is_taken", "_secret", "_told")

    def __init__(self, secret: str, sent: str) -> None:
        self._secret = secret.encode()
        self._came = self._opened(sent)
        self._told: list[str] = []
        self._is_taken = False

    def tell(self, toast: str) -> None:
        """Show a line with the next page."""
        self._told.append(toast)
        del self._told[:-MAX_TOASTS]

    def take(self) -> tuple[str, ...]:
        """What is to be shown, and not again."""
        self._is_taken = True
        return self._came

    def to_send(self) -> str | None:
        """What the browser is to keep from now on; None: what it has."""
        if not self._told:
            return "" if self._is_taken and self._came else None
        before = () if self._is_taken else self._came
        lines = [*before, *self._told][-MAX_TOASTS:]
        while len(plain := msgspec.json.encode(lines)) > MAX_BYTES and len(lines) > 1:
            del lines[0]
        if len(plain) > MAX_BYTES:
            return None
        return urlsafe_b64encode(self._mac(plain) + plain).decode().rstrip("=")

    def _opened(self, sent: str) -> tuple[str, ...]:
        try:
            raw = urlsafe_b64decode(sent + "=" * (-len(sent) % 4))
            if not sent or not hmac.compare_digest(raw[:_MAC_BYTES], self._mac(raw[_MAC_BYTES:])):
                return ()
            return msgspec.json.decode(raw[_MAC_BYTES:], type=tuple[str, ...])
        except (ValueError, msgspec.DecodeError):
            return ()

    def _mac(self, plain: bytes) -> bytes:
        return hmac.digest(self._secret, plain, "sha256")[:_MAC_BYTES]
