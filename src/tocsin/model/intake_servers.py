"""Where the replicated intake is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tocsin.model.database import without_password
from tocsin.model.noun import Noun
from tocsin.model.secret import Secret

_STREAM: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class IntakeServers(Noun, frozen=True, kw_only=True):
    """The URLs may have passwords in them. `replicas` 0: as many as fit the servers."""

    urls: Secret
    credentials: Path | None
    ca: Path | None
    stream: str
    replicas: int
    max_bytes: str

    def __str__(self) -> str:
        return ",".join(map(without_password, self.urls.reveal().split(",")))


def intake_urls(text: str) -> str:
    """The URLs without blanks. Raises ValueError."""
    urls = [url.strip() for url in text.split(",") if url.strip()]
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in {"nats", "tls"} or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("must be like nats://one:4222,nats://two:4222,nats://three:4222 (or tls://)")
    return ",".join(urls)


def readable_file(text: str) -> Path | None:
    """Raises ValueError."""
    if text and not os.access(text, os.R_OK):
        raise ValueError(f"{text} cannot be read")
    return Path(text) if text else None


def stream_name(text: str) -> str:
    """Raises ValueError."""
    if _STREAM.fullmatch(text) is None:
        raise ValueError("must have 1 to 64 letters, digits, underscores or hyphens")
    return text


def replicas(text: str) -> int:
    """0 for none given. Raises ValueError."""
    if text not in {"", "1", "3", "5"}:
        raise ValueError("must be 1, 3 or 5")
    return int(text or 0)
