"""What it means when a mail could not be handed over. The texts are for tenants: the mail server is the operator's, so they say
nothing of its name, its address or how one logs in there."""

from __future__ import annotations

import ssl
from socket import gaierror
from typing import Final

from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from tocsin.model.exchange import ErrorKind, TransportFailure

_PHASES: Final = {
    "waiting": "No connection to the mail server was free",
    "connecting": "There was no connection to the mail server",
    "logging in": "The mail server did not let Tocsin in",
    "addressing": "The mail server did not take the addresses",
    "sending": "The mail server did not confirm the mail",
}
NO_TLS: Final = TransportFailure(
    kind=ErrorKind.TLS, message="There is no trusted TLS connection to the mail server.", reason="mail_tls"
)


def late(phase: str, seconds: float) -> TransportFailure:
    """The deadline passed in this phase."""
    text = f"{_PHASES[phase]} within {seconds:g} s."
    return TransportFailure(kind=ErrorKind.TIMEOUT, message=text, reason=f"mail_{phase.replace(' ', '_')}")


def session_failure(phase: str, error: Exception) -> TransportFailure:
    """The session could not be opened, or broke."""
    cause = error.__cause__ if isinstance(error, SMTPConnectError) and error.__cause__ is not None else error
    match cause:
        case ssl.SSLError():
            return NO_TLS
        case gaierror():
            return _failed(ErrorKind.DNS, "mail_server_unknown", "The mail server's name cannot be resolved.")
        case SMTPResponseException() if cause.code < 0:
            return _failed(ErrorKind.PROTOCOL, "mail_reply", "The mail server's answer cannot be read.")
        case SMTPResponseException():
            return refused_session(cause)
        case SMTPServerDisconnected() | ConnectionResetError() | BrokenPipeError():
            return _failed(ErrorKind.RESET, f"mail_{phase}", "The mail server closed the connection.")
        case SMTPException() if phase == "logging in":
            return _failed(
                ErrorKind.CONNECT, "mail_login", "Tocsin and the mail server have no way to log in in common."
            )
        case OSError():
            return _failed(ErrorKind.CONNECT, "mail_server_unreachable", "The mail server cannot be reached.")
        case _:
            return _failed(ErrorKind.PROTOCOL, f"mail_{phase}", "The mail could not be handed over.")


def refused_session(error: SMTPResponseException) -> TransportFailure:
    """The server wants nothing from us, whatever the mail: that is the operator's business, and no mail's fault."""
    if isinstance(error, SMTPAuthenticationError):
        return _failed(ErrorKind.CONNECT, "mail_login", f"The mail server refused Tocsin's login ({error.code}).")
    return _failed(ErrorKind.CONNECT, "mail_session", f"The mail server takes no mail from Tocsin ({error.code}).")


def refused_text(recipient: str, code: int, message: str) -> str:
    """What the server said of a recipient."""
    return f"{code} {recipient}: {message}"


def _failed(kind: ErrorKind, reason: str, message: str) -> TransportFailure:
    return TransportFailure(kind=kind, message=message, reason=reason)
