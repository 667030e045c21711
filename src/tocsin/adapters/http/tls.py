"""TLS towards receivers: the context of the process, and those of endpoints that have settings of their own."""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tocsin.model.exchange import ClientTls, ErrorKind, TransportFailure

MAX_CONTEXTS: Final = 256
_FLAGS: Final = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST | ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
"""Set outright, because Python's defaults differ by version: whoever is named as trusted is, also an intermediate issuer or
the receiver's own certificate; and issuers without every extension of RFC 5280, as private ones often are, are taken."""
_UNUSABLE: Final = TransportFailure(
    kind=ErrorKind.TLS,
    message="The endpoint's own certificates cannot be used.",
    reason="own_certificate_unusable",
)


def client_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Certificates and host names are checked, TLS 1.2 is the least. `ca_file` adds issuers to the system's. Loading the
    system's issuers takes tens of milliseconds: make it once."""
    context = _strict(ssl.create_default_context())
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


class TlsContexts:
    """One context for each different setting, made when it is first needed, outside of the event loop. At most `limit` of
    them are kept; those that were not used for longest go first."""

    __slots__ = ("_common", "_limit", "_made", "_making")

    def __init__(self, common: ssl.SSLContext, limit: int = MAX_CONTEXTS) -> None:
        self._common = common
        self._limit = limit
        self._made: dict[ClientTls, ssl.SSLContext] = {}
        self._making: dict[ClientTls, asyncio.Task[ssl.SSLContext | TransportFailure]] = {}

    async def context(self, setting: ClientTls | None) -> ssl.SSLContext | TransportFailure:
        """The context for an endpoint with this setting. A failure when OpenSSL does not take what was configured."""
        if setting is None:
            return self._common
        made = self._made.pop(setting, None)
        if made is not None:
            self._made[setting] = made
            return made
        task = self._making.get(setting)
        if task is None:
            task = self._making[setting] = asyncio.create_task(self._make(setting), name="make a TLS context")
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Let what is being made be finished."""
        await asyncio.gather(*self._making.values())

    async def _make(self, setting: ClientTls) -> ssl.SSLContext | TransportFailure:
        try:
            context = await asyncio.to_thread(endpoint_context, setting)
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            return _UNUSABLE
        finally:
            del self._making[setting]
        if len(self._made) >= self._limit:
            del self._made[next(iter(self._made))]
        self._made[setting] = context
        return context


def endpoint_context(setting: ClientTls) -> ssl.SSLContext:
    """The context for one setting. Takes milliseconds, more without issuers of its own. Raises OSError or ValueError."""
    if setting.ca is None:
        context = _strict(ssl.create_default_context())
    else:
        issuers = x509.load_pem_x509_certificates(setting.ca.encode())
        binary = b"".join(issuer.public_bytes(Encoding.DER) for issuer in issuers)
        context = _strict(ssl.create_default_context(cadata=binary))
    if setting.certificate is not None and setting.key is not None:
        with _as_file(f"{setting.certificate}\n{setting.key.reveal()}".encode()) as path:
            # Without a password OpenSSL would ask for that of an encrypted key on the terminal.
            context.load_cert_chain(path, password="")
    return context


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags = _FLAGS
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path that OpenSSL can read this from. The ssl module takes keys from files only; this one is in memory and has no
    name, save where the system cannot do that: there it is a temporary one that nobody else may read."""
    if not hasattr(os, "memfd_create") or not Path("/proc/self/fd").is_dir():
        with tempfile.NamedTemporaryFile() as file:  # mode 0600
            file.write(content)
            file.flush()
            yield file.name
        return
    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
