"""Send: one request, one exchange. Whatever goes wrong becomes a value."""

from __future__ import annotations

from tocsin.model.exchange import ErrorKind, Exchange, OutboundRequest, Timings, TransportFailure
from tocsin.ports import Sender
from tocsin.telemetry import log


async def send(sender: Sender, request: OutboundRequest) -> Exchange:
    """The exchange. A fault of ours in sending is an exchange too: the delivery is tried again, the fault is logged."""
    try:
        return await sender.send(request)
    except Exception as error:  # noqa: BLE001  # a delivery must never hang because sending has a fault
        log.error("send.fault", error=type(error).__name__, exc_info=error)
        failure = TransportFailure(kind=ErrorKind.PROTOCOL, message="The request could not be sent.")
        return not_sent(failure)


def not_sent(failure: TransportFailure, total_ms: float = 0.0) -> Exchange:
    """The exchange of a request that could not be sent at all, `total_ms` after its attempt began."""
    return Exchange(response=None, failure=failure, timings=Timings(total=total_ms), address=None)
