"""A certificate for the sink, made when it starts, so that deliveries over HTTPS can be measured."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tocsin.model.noun import Noun

VALID: Final = datetime.timedelta(days=1)
USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
"""It answers handshakes, and it is its own issuer."""


class Certificate(Noun, frozen=True, kw_only=True):
    """A certificate that is to be trusted itself, and its key; both PEM."""

    certificate_pem: bytes
    key_pem: bytes

    def server_context(self) -> ssl.SSLContext:
        """For a server that shows it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name:
            file = Path(name) / "certificate.pem"  # the ssl module takes keys from files only
            file.write_bytes(self.key_pem + self.certificate_pem)
            context.load_cert_chain(file)
        return context


def self_signed(address: str, now: datetime.datetime) -> Certificate:
    """A certificate of P-256, the cheapest that everybody takes, for an IP address."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tocsin bench")])
    certificate = (
        x509.CertificateBuilder(name, name, public, x509.random_serial_number(), now - VALID, now + VALID)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
