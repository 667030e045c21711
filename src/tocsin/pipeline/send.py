"""Send: one request or mail, one exchange. Whatever goes wrong becomes a value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tocsin.model.exchange import (
    ErrorKind,
    Exchange,
    Outbound,
    OutboundMail,
    OutboundRequest,
    Timings,
    TransportFailure,
)
from tocsin.ports import PromptSender, Sender
from tocsin.telemetry import log

S = TypeVar("S", bound=Outbound)

_NO_MAIL_SERVER: Final = TransportFailure(
    kind=ErrorKind.CONNECT, message="This server sends no mail: it has no TOCSIN_SMTP.", reason="no_mail_server"
)


class Ways:
    """The port `PromptSender` for whatever is sent: requests by HTTP, mails by the operator's mail server where there is one."""

    __slots__ = ("_http", "_mail", "has_connection")

    def __init__(self, http: PromptSender[OutboundRequest], mail: Sender[OutboundMail] | None) -> None:
        self._http = http
        self.has_connection = http.has_connection
        self._mail = mail

    def send(self, request: Outbound, opened: Callable[[], None] | None = None) -> Awaitable[Exchange]:
        """One more call on the path of each event, and no more than that: the sender's own awaitable is given on."""
        if isinstance(request, OutboundRequest):
            return self._http.send(request, opened)
        return self._sent_by_mail(request)

    def begin(self, request: Outbound, done: Callable[[Exchange], None]) -> bool:
        """A request by HTTP, if a connection is there; a mail is never sent at once."""
        return isinstance(request, OutboundRequest) and self._http.begin(request, done)

    async def _sent_by_mail(self, request: Outbound) -> Exchange:
        if self._mail is None or not isinstance(request, OutboundMail):
            return not_sent(_NO_MAIL_SERVER)
        return await self._mail.send(request)

    async def close(self) -> None:
        """Close both."""
        await self._http.close()
        if self._mail is not None:
            await self._mail.close()


async def send(sender: PromptSender[S], request: S, opened: Callable[[], None] | None = None) -> Exchange:
    """The exchange. A fault of ours in sending is an exchange too: the delivery is tried again, the fault is logged."""
    try:
        return await sender.send(request, opened)
    except Exception as error:  # noqa: BLE001  # a delivery must never hang because sending has a fault
        log.error("send.fault", error=type(error).__name__, exc_info=error)
        failure = TransportFailure(kind=ErrorKind.PROTOCOL, message="The request could not be sent.")
        return not_sent(failure)


def not_sent(failure: TransportFailure, total_ms: float = 0.0) -> Exchange:
    """The exchange of a request that could not be sent at all, `total_ms` after its attempt began."""
    return Exchange(response=None, failure=failure, timings=Timings(total=total_ms), address=None)
