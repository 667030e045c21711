"""HTTP message signatures (RFC 9421) over the request line, the ids, `ce-*` headers and a `Content-Digest` (RFC 9530)."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from tocsin.model.exchange import HeaderPairs, Target
from tocsin.model.signing import HttpMessageSigning
from tocsin.signing.keys import SigningKey

PREVIOUS_SUFFIX: Final = "-previous"
"""Ends the label of the signature that the old key makes."""
Components = Sequence[tuple[str, str]]
"""Names of components, lower case, and their values."""

_COVERED: Final = frozenset({"content-type", "webhook-id", "webhook-timestamp"})
_KEY: Final = re.compile(r"[a-z*][a-z0-9_.*-]*")
_STRING: Final = re.compile(r"[ -~]*")


class HttpMessage:
    """Signs the requests to one target: with one key under the label that is set, with an old one under `<label>-previous`.

    The label is the signature's tag too: the tag is signed, so that receivers may choose by it (RFC 9421 section 2.3)."""

    __slots__ = ("_derived", "_keys")

    def __init__(self, signing: HttpMessageSigning, target: Target, keys: tuple[SigningKey, ...]) -> None:
        """ValueError for a label or a key id that cannot be written."""
        self._derived = _derived(target)
        key_id = "" if signing.key_id is None else f";keyid={sf_string(signing.key_id)}"
        labels = (sf_key(signing.label), sf_key(signing.label + PREVIOUS_SUFFIX))
        self._keys = tuple(
            (label, key, f"{key_id};alg={sf_string(key.algorithm)};tag={sf_string(label)}")
            for label, key in zip(labels, keys, strict=False)
        )

    def sign(self, webhook_id: str, timestamp: int, body: bytes, headers: HeaderPairs) -> HeaderPairs:  # noqa: ARG002 (the id is among the headers)
        digest = f"sha-256={_sf_bytes(sha256(body).digest())}"
        components = [*self._derived, ("content-digest", digest)]
        for name, value in headers:
            lowered = name.lower()
            if lowered in _COVERED or lowered.startswith("ce-"):
                components.append((lowered, value.strip()))
        inputs, signatures = [], []
        for label, key, parameters in self._keys:
            covered, base = signature_base(components, f";created={timestamp}{parameters}")
            inputs.append(f"{label}={covered}")
            # Latin-1, as headers go on the wire.
            signatures.append(f"{label}={_sf_bytes(key.sign(base.encode('latin-1')))}")
        return (
            ("Content-Digest", digest),
            ("Signature-Input", ", ".join(inputs)),
            ("Signature", ", ".join(signatures)),
        )


def signature_base(components: Components, parameters: str) -> tuple[str, str]:
    """What is covered and how, as `Signature-Input` says it, and the text that is signed (RFC 9421 section 2.5).
    `parameters` are written as they follow the list of components: `;created=1618884473`."""
    names = " ".join([f'"{name}"' for name, _ in components])
    covered = f"({names}){parameters}"
    lines = "".join([f'"{name}": {value}\n' for name, value in components])
    return covered, f'{lines}"@signature-params": {covered}'


def sf_string(text: str) -> str:
    """A string of structured fields (RFC 9651 section 4.1.6). ValueError for anything but printable ASCII."""
    if not _STRING.fullmatch(text):
        raise ValueError("only printable ASCII can be written in a signature")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def sf_key(text: str) -> str:
    """A key of structured fields (RFC 9651 section 4.1.1.3). ValueError when it cannot be one."""
    if not _KEY.fullmatch(text):
        raise ValueError("a label consists of lower-case letters, digits and _-.*, and begins with a letter or *")
    return text


def _sf_bytes(data: bytes) -> str:
    return f":{base64.b64encode(data).decode()}:"


def _derived(target: Target) -> tuple[tuple[str, str], ...]:
    """The components that the target alone decides (RFC 9421 section 2.2)."""
    path, mark, query = target.path.partition("?")
    always = (("@method", "POST"), ("@authority", target.authority), ("@path", path))
    return (*always, ("@query", mark + query)) if mark else always
