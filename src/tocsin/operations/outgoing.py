"""What is out at the moment: known to the process that holds an endpoint, and asked of it by the others."""

from __future__ import annotations

from typing import Protocol

from tocsin.model.noun import Noun
from tocsin.ports import DeliveryView


class Out(Noun, frozen=True, kw_only=True):
    """How many requests are out, and how many may be to one endpoint (None: it has not been sent to yet). `requests` None: somebody
    did not say in time."""

    requests: int | None
    limit: int | None = None


class Outgoing(Protocol):
    """Requests that are out, from whichever process."""

    def known(self, view: DeliveryView) -> bool | None:
        """Whether one for this delivery is, as far as this process knows; None: another one may know."""

    async def asked(self, view: DeliveryView) -> bool | None:
        """The same, asked of the one that knows; None: it did not say in time."""

    async def of(self, tenant: str | None, endpoint: int | None) -> Out:
        """Of a tenant (None: of all), or of an endpoint of it, by number."""
