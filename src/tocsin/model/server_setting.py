"""A setting of the server, its value, and those of the replicated intake."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from tocsin.model.noun import Noun

Origin = Literal["default", "file", "environment", "flag"]


class Setting(Noun, frozen=True, kw_only=True):
    """One setting: its name in the TOML file (upper case with `TOCSIN_` in the environment) and what it means."""

    name: str
    default: str
    meaning: str
    is_secret: bool = False
    is_url: bool = False
    """Shown, but for the password in it."""

    @property
    def variable(self) -> str:
        return f"TOCSIN_{self.name.upper()}"


class Value(Noun, frozen=True, kw_only=True):
    """A setting's text and where it came from: `file` when that was a file of its own (`*_FILE`)."""

    text: str
    origin: Origin
    file: Path | None = None

    def __repr__(self) -> str:
        """Without the text: it may be a secret."""
        return f"Value(from {self.origin})"


INTAKE_SETTINGS: Final = (
    Setting(
        name="nats",
        default="",
        meaning="NATS servers with JetStream that keep what is submitted until PostgreSQL has it: `nats://` or `tls://` URLs, comma "
        "separated.",
        is_secret=True,
        is_url=True,
    ),
    Setting(
        name="nats_credentials",
        default="",
        meaning="File with the credentials for these servers (`.creds`), when they are not in the URLs.",
    ),
    Setting(
        name="nats_ca",
        default="",
        meaning="File with the certificate authorities (PEM) that these servers are judged by; else the system's.",
    ),
    Setting(
        name="nats_stream",
        default="tocsin-intake",
        meaning="Name of the stream there. It is made when it is missing at the first start.",
    ),
    Setting(
        name="nats_replicas",
        default="",
        meaning="Copies of the stream when it is made: 1, 3 or 5; else three, or one where there are fewer servers.",
    ),
    Setting(
        name="nats_max_bytes",
        default="2GiB",
        meaning="What the stream takes at most, when it is made. When it is full, accept answers 429.",
    ),
)
