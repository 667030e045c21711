"""TLS towards receivers: one context for the process, and what a failed handshake means in plain words."""

from __future__ import annotations

import ssl

from tocsin.model.exchange import ErrorKind, TransportFailure

# X509_V_ERR_* of OpenSSL
_CERTIFICATE_TEXTS = {
    9: "The receiver's certificate is not valid yet.",
    10: "The receiver's certificate has expired.",
    18: "The receiver's certificate is self-signed.",
    19: "The receiver's certificate comes from an unknown issuer.",
    20: "The receiver's certificate comes from an unknown issuer.",
    21: "The receiver's certificate comes from an unknown issuer.",
    23: "The receiver's certificate was revoked.",
    26: "The receiver's certificate is not meant for servers.",
    62: "The receiver's certificate is for another host name.",
    64: "The receiver's certificate is for another address.",
}
_REASON_TEXTS = {
    "UNSUPPORTED_PROTOCOL": "The receiver speaks no TLS version from 1.2 on.",
    "TLSV1_ALERT_PROTOCOL_VERSION": "The receiver speaks no TLS version from 1.2 on.",
    "WRONG_SSL_VERSION": "The receiver speaks no TLS version from 1.2 on.",
    "WRONG_VERSION_NUMBER": "The receiver does not speak TLS at this port.",
    "PACKET_LENGTH_TOO_LONG": "The receiver does not speak TLS at this port.",
    "HTTP_REQUEST": "The receiver does not speak TLS at this port.",
    "RECORD_LAYER_FAILURE": "The receiver does not speak TLS at this port.",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "The receiver and Tocsin have no TLS cipher or version in common.",
    "TLSV1_UNRECOGNIZED_NAME": "The receiver does not know this host name.",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "The receiver asks for a client certificate.",
    "DH_KEY_TOO_SMALL": "The receiver's key exchange is too weak.",
    "EE_KEY_TOO_SMALL": "The key of the receiver's certificate is too weak.",
    "CA_MD_TOO_WEAK": "The receiver's certificate is signed with a weak algorithm.",
}


def client_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Certificates and host names are checked, TLS 1.2 is the least. `ca_file` adds issuers to the system's. Loading the
    system's issuers takes tens of milliseconds: make it once."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def tls_failure(error: OSError) -> TransportFailure:
    """What went wrong between the TCP connection and the first request."""
    return TransportFailure(kind=ErrorKind.TLS, message=_text(error))


def _text(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        text = _CERTIFICATE_TEXTS.get(error.verify_code)
        return text or f"The receiver's certificate was not accepted: {error.verify_message}."
    if isinstance(error, ssl.SSLError) and error.reason:
        text = _REASON_TEXTS.get(error.reason)
        return text or f"The TLS handshake failed: {error.reason.replace('_', ' ').lower()}."
    return "The connection was closed during the TLS handshake."
