"""The forms of an endpoint's configuration: as people write and read it, and as it is stored.

People never read a secret: they see `{"set": true, "fingerprint": "..."}`, and sending that back keeps the value. The
store never holds a plain secret: each one is sealed on its own, bound to its endpoint.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TypeVar, cast

import msgspec

from tocsin.errors import InvalidRequest, Misconfigured
from tocsin.model.endpoint import Endpoint, EndpointConfig, Header
from tocsin.model.secret import Secret
from tocsin.operations.pointers import invalid_field
from tocsin.ports import SecretBox, StoredEndpoint
from tocsin.rules.secret_fields import secrets_in, with_secrets

S = TypeVar("S", bound=msgspec.Struct)

MAX_SECRET_LENGTH = 8192


class EndpointCodec:
    """Translates between `EndpointConfig`, its wire form and its stored bytes."""

    __slots__ = ("_box",)

    def __init__(self, box: SecretBox) -> None:
        self._box = box

    def from_wire(self, document: Mapping[str, object], present: EndpointConfig | None = None) -> EndpointConfig:
        """What people wrote. Secrets that they sent back as they had read them are found among those of `present`. Raises
        InvalidRequest."""
        config = written_config(document)
        kept = {secret.fingerprint: secret for _, secret in secrets_in(present)}

        def final(pointer: str, secret: Secret) -> Secret:
            if not secret.is_kept:
                return self.named(secret.reveal())
            if secret.fingerprint not in kept:
                raise InvalidRequest.at(pointer, "This endpoint has no secret with that fingerprint.")
            return kept[secret.fingerprint]

        return with_secrets(config, final)

    def to_wire(self, config: EndpointConfig) -> dict[str, object]:
        """What people may read: builtin types only, no secret among them."""
        return cast("dict[str, object]", msgspec.to_builtins(config, enc_hook=_secret_to_wire))

    def encode(self, config: EndpointConfig, context: str) -> bytes:
        """The bytes to store. `context` is the endpoint's id: each secret opens only there, in its own field."""

        def sealed(pointer: str, secret: Secret) -> Secret:
            box = self._box.seal(secret.reveal().encode(), context + pointer)
            return Secret(base64.b64encode(box).decode(), fingerprint=secret.fingerprint)

        return msgspec.json.encode(with_secrets(config, sealed), enc_hook=_stored_secret)

    def decode(self, stored: bytes, context: str) -> EndpointConfig:
        """The configuration in stored bytes. Raises Misconfigured when the secrets were sealed with another master key."""

        def opened(pointer: str, secret: Secret) -> Secret:
            plain = self._box.open(base64.b64decode(secret.reveal()), context + pointer).decode()
            return Secret(plain, fingerprint=secret.fingerprint)

        try:
            return with_secrets(msgspec.json.decode(stored, type=EndpointConfig, dec_hook=_secret_in_store), opened)
        except ValueError as error:
            raise Misconfigured(
                f"The settings of {context} cannot be opened; is this the right master key? ({error})"
            ) from error

    def endpoint_of(self, stored: StoredEndpoint) -> Endpoint:
        """The endpoint in a stored row."""
        return Endpoint(
            number=stored.number,
            id=stored.id,
            tenant=stored.tenant,
            revision=stored.revision,
            active_from=stored.active_from,
            created_at=stored.created_at,
            config=self.decode(stored.config, stored.id),
            is_deleted=stored.is_deleted,
        )

    def named(self, value: str) -> Secret:
        """A new secret with its fingerprint."""
        return Secret(value, fingerprint=self._box.fingerprint(value.encode()))


def written_config(document: Mapping[str, object]) -> EndpointConfig:
    """What people wrote, as it stands there: secrets in plain text, or standing for what is kept. Raises InvalidRequest."""
    try:
        config = msgspec.convert(document, EndpointConfig, dec_hook=_secret_from_wire)
    except msgspec.ValidationError as error:
        raise invalid_field(error) from error
    return with_fields(config, headers=tuple(_readable(index, row) for index, row in enumerate(config.headers)))


def with_fields(struct: S, **changes: object) -> S:
    """A copy of a struct with some fields changed."""
    return msgspec.structs.replace(struct, **changes)


def _readable(index: int, row: Header) -> Header:
    """A header row that is not sensitive has no secret. Raises InvalidRequest when its value was one."""
    if row.sensitive:
        return row
    if row.value.is_kept:
        raise InvalidRequest.at(f"/headers/{index}/sensitive", "A value that was secret cannot be made readable.")
    return with_fields(row, value=Secret(row.value.reveal(), is_public=True))


def _secret(value: object) -> Secret:
    if not isinstance(value, Secret):
        raise NotImplementedError(type(value))
    return value


def _secret_to_wire(value: object) -> object:
    secret = _secret(value)
    return secret.reveal() if secret.is_public else {"set": True, "fingerprint": secret.fingerprint}


def _stored_secret(value: object) -> object:
    secret = _secret(value)
    return secret.reveal() if secret.is_public else {"sealed": secret.reveal(), "fingerprint": secret.fingerprint}


def _secret_in_store(kind: type, value: object) -> object:
    if kind is not Secret:
        raise NotImplementedError(kind)
    if isinstance(value, str):
        return Secret(value, is_public=True)
    fields = cast("dict[str, str]", value)
    return Secret(fields["sealed"], fingerprint=fields["fingerprint"])


def _secret_from_wire(kind: type, value: object) -> object:
    if kind is not Secret:
        raise NotImplementedError(kind)
    match value:
        case str() if 0 < len(value) <= MAX_SECRET_LENGTH:
            return Secret(value)
        case {"set": True, "fingerprint": str(fingerprint), **rest} if not rest:
            return Secret("", fingerprint=fingerprint, is_kept=True)
        case _:
            raise ValueError(
                f'Expected a text of 1 to {MAX_SECRET_LENGTH} characters, or {{"set": true, "fingerprint": "..."}} as read'
            )
