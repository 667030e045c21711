"""How mail leaves: the operator's mail server, and the name that mail comes from."""

from __future__ import annotations

from typing import Literal

from tocsin.model.noun import Noun
from tocsin.model.secret import Secret

MailTls = Literal["implicit", "starttls", "none"]


class MailServer(Noun, frozen=True, kw_only=True):
    """Where mail is handed over. `tls`: from the first byte, by STARTTLS or not at all; where there is TLS, its certificate is
    checked, and nothing is said without it."""

    host: str
    port: int
    tls: MailTls
    username: str | None = None
    password: Secret | None = None


class MailFrom(Noun, frozen=True, kw_only=True):
    """Whom mail comes from; in ASCII but for the name."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]
