"""What a failed connection or TLS handshake means: in plain words for people, by one word for programs."""

from __future__ import annotations

import errno
import ssl
from typing import Final

from tocsin.model.exchange import ErrorKind, TransportFailure

_OLD: Final = ("tls_version", "The receiver speaks no TLS version from 1.2 on.")
_NOT_TLS: Final = ("not_tls", "The receiver does not speak TLS at this port.")
_UNKNOWN: Final = ("unknown_issuer", "The receiver's certificate comes from an unknown issuer.")
_WANTED: Final = ("client_certificate_required", "The receiver asks for a client certificate.")
_DISLIKED: Final = ("client_certificate_refused", "The receiver does not accept the client certificate.")

_CERTIFICATES: Final = {
    9: ("certificate_not_yet_valid", "The receiver's certificate is not valid yet."),
    10: ("certificate_expired", "The receiver's certificate has expired."),
    18: ("self_signed", "The receiver's certificate is self-signed."),
    19: _UNKNOWN,
    20: _UNKNOWN,
    21: _UNKNOWN,
    23: ("certificate_revoked", "The receiver's certificate was revoked."),
    26: ("wrong_purpose", "The receiver's certificate is not meant for servers."),
    62: ("wrong_host", "The receiver's certificate is for another host name."),
    64: ("wrong_host", "The receiver's certificate is for another address."),
}
"""By X509_V_ERR_* of OpenSSL."""

_HANDSHAKES: Final = {
    "UNSUPPORTED_PROTOCOL": _OLD,
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD,
    "WRONG_SSL_VERSION": _OLD,
    "WRONG_VERSION_NUMBER": _NOT_TLS,
    "PACKET_LENGTH_TOO_LONG": _NOT_TLS,
    "HTTP_REQUEST": _NOT_TLS,
    "RECORD_LAYER_FAILURE": _NOT_TLS,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": ("handshake", "The receiver and Tocsin have no TLS cipher or version in common."),
    "TLSV1_UNRECOGNIZED_NAME": ("unrecognized_name", "The receiver does not know this host name."),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _WANTED,
    "TLSV1_ALERT_UNKNOWN_CA": _DISLIKED,
    "SSLV3_ALERT_BAD_CERTIFICATE": _DISLIKED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _DISLIKED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": _DISLIKED,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": _DISLIKED,
    "TLSV1_ALERT_ACCESS_DENIED": _DISLIKED,
    "DH_KEY_TOO_SMALL": ("weak_key", "The receiver's key exchange is too weak."),
    "EE_KEY_TOO_SMALL": ("weak_key", "The key of the receiver's certificate is too weak."),
    "CA_MD_TOO_WEAK": ("weak_key", "The receiver's certificate is signed with a weak algorithm."),
}
"""By the name of OpenSSL's reason."""

_CONNECTS: Final = {
    errno.ECONNREFUSED: ("refused", "The connection was refused."),
    errno.ECONNRESET: ("reset", "The connection was reset while it was opened."),
    errno.EHOSTUNREACH: ("unreachable", "There is no route to that address."),
    errno.ENETUNREACH: ("unreachable", "There is no route to that address."),
    errno.EMFILE: ("open_files", "Tocsin has too many open files."),
    errno.ENFILE: ("open_files", "The system has too many open files."),
}


def connect_failure(error: OSError) -> TransportFailure:
    """Why there is no TCP connection."""
    if isinstance(error, TimeoutError):
        text = "The connection was not taken in time."
        return TransportFailure(kind=ErrorKind.TIMEOUT, message=text, reason="connect")
    reason, text = _CONNECTS.get(error.errno or 0, (None, "The connection could not be opened."))
    return TransportFailure(kind=ErrorKind.CONNECT, message=text, reason=reason)


def tls_failure(error: OSError) -> TransportFailure:
    """What went wrong between the TCP connection and the first request."""
    reason, text = _reason_and_text(error)
    return TransportFailure(kind=ErrorKind.TLS, message=text, reason=reason)


def _reason_and_text(error: OSError) -> tuple[str, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"The receiver's certificate was not accepted: {error.verify_message}."
        return _CERTIFICATES.get(error.verify_code, ("certificate", text))
    if isinstance(error, ssl.SSLError) and error.reason:
        text = f"The TLS handshake failed: {error.reason.replace('_', ' ').lower()}."
        return _HANDSHAKES.get(error.reason, ("handshake", text))
    return "closed", "The connection was closed during the TLS handshake."
