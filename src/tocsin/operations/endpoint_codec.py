"""The forms of an endpoint's configuration: as people write and read it, and as it is stored.

People never read a secret: they see `{"set": true, "fingerprint": "..."}`, and sending that back keeps the value. The
store never holds a plain secret: each one is sealed on its own, bound to its endpoint.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import TypeVar, cast

import msgspec

from tocsin.errors import InvalidRequest, Misconfigured
from tocsin.model.endpoint import (
    ApiKeyAuthorization,
    Authorization,
    BasicAuthorization,
    BearerAuthorization,
    Endpoint,
    EndpointConfig,
    HmacSigning,
    NoAuthorization,
    NoSigning,
    Signing,
    StandardWebhooksSigning,
)
from tocsin.model.secret import Secret
from tocsin.operations.pointers import invalid_field
from tocsin.ports import SecretBox, StoredEndpoint

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
        try:
            config = msgspec.convert(document, EndpointConfig, dec_hook=_secret_from_wire)
        except msgspec.ValidationError as error:
            raise invalid_field(error) from error
        kept = {secret.fingerprint: secret for _, secret in secrets_of(present)} if present else {}
        for pointer, secret in secrets_of(config):
            if secret.is_kept and secret.fingerprint not in kept:
                raise InvalidRequest.at(pointer, "This endpoint has no secret with that fingerprint.")
        for index, row in enumerate(config.headers):
            if row.value.is_kept and not row.sensitive:
                raise InvalidRequest.at(
                    f"/headers/{index}/sensitive", "A value that was secret cannot be made readable."
                )
        return self._with_secrets(config, kept)

    def to_wire(self, config: EndpointConfig) -> dict[str, object]:
        """What people may read: builtin types only, no secret among them."""
        return cast("dict[str, object]", msgspec.to_builtins(config, enc_hook=_secret_to_wire))

    def encode(self, config: EndpointConfig, context: str) -> bytes:
        """The bytes to store. `context` is the endpoint's id."""

        def sealed(value: object) -> object:
            secret = _secret(value)
            if secret.is_public:
                return secret.reveal()
            box = base64.b64encode(self._box.seal(secret.reveal().encode(), context)).decode()
            return {"sealed": box, "fingerprint": secret.fingerprint}

        return msgspec.json.encode(config, enc_hook=sealed)

    def decode(self, stored: bytes, context: str) -> EndpointConfig:
        """The configuration in stored bytes. Raises Misconfigured when the secrets were sealed with another master key."""

        def opened(kind: type, value: object) -> object:
            if kind is not Secret:
                raise NotImplementedError(kind)
            if isinstance(value, str):
                return Secret(value, is_public=True)
            fields = cast("dict[str, str]", value)
            plain = self._box.open(base64.b64decode(fields["sealed"]), context).decode()
            return Secret(plain, fingerprint=fields["fingerprint"])

        try:
            return msgspec.json.decode(stored, type=EndpointConfig, dec_hook=opened)
        except msgspec.ValidationError as error:
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

    def _with_secrets(self, config: EndpointConfig, kept: Mapping[str, Secret]) -> EndpointConfig:
        """The same with each secret in its final form: kept ones found, new ones named by their fingerprint."""

        def final(secret: Secret, *, is_public: bool = False) -> Secret:
            value = kept[secret.fingerprint].reveal() if secret.is_kept else secret.reveal()
            return Secret(
                value, fingerprint="" if is_public else self._box.fingerprint(value.encode()), is_public=is_public
            )

        authorization: Authorization = config.authorization
        match authorization:
            case BasicAuthorization():
                authorization = with_fields(authorization, password=final(authorization.password))
            case BearerAuthorization():
                authorization = with_fields(authorization, token=final(authorization.token))
            case ApiKeyAuthorization():
                authorization = with_fields(authorization, value=final(authorization.value))
            case NoAuthorization():
                pass
        signing: Signing | None = config.signing
        match signing:
            case StandardWebhooksSigning(secret=Secret() as secret):
                signing = with_fields(signing, secret=final(secret))
            case HmacSigning(key=Secret() as key):
                signing = with_fields(signing, key=final(key))
            case _:
                pass
        headers = tuple(with_fields(row, value=final(row.value, is_public=not row.sensitive)) for row in config.headers)
        return with_fields(config, headers=headers, authorization=authorization, signing=signing)

    def named(self, value: str) -> Secret:
        """A new secret with its fingerprint."""
        return Secret(value, fingerprint=self._box.fingerprint(value.encode()))


def secrets_of(config: EndpointConfig) -> Iterator[tuple[str, Secret]]:
    """Every secret of a configuration, with the pointer to it."""
    match config.authorization:
        case BasicAuthorization(password=secret):
            yield "/authorization/password", secret
        case BearerAuthorization(token=secret):
            yield "/authorization/token", secret
        case ApiKeyAuthorization(value=secret):
            yield "/authorization/value", secret
        case NoAuthorization():
            pass
    match config.signing:
        case StandardWebhooksSigning(secret=Secret() as secret):
            yield "/signing/secret", secret
        case HmacSigning(key=Secret() as secret):
            yield "/signing/key", secret
        case NoSigning() | StandardWebhooksSigning() | HmacSigning() | None:
            pass
    for index, row in enumerate(config.headers):
        if not row.value.is_public:
            yield f"/headers/{index}/value", row.value


def with_fields(struct: S, **changes: object) -> S:
    """A copy of a struct with some fields changed."""
    return msgspec.structs.replace(struct, **changes)


def _secret(value: object) -> Secret:
    if not isinstance(value, Secret):
        raise NotImplementedError(type(value))
    return value


def _secret_to_wire(value: object) -> object:
    secret = _secret(value)
    return secret.reveal() if secret.is_public else {"set": True, "fingerprint": secret.fingerprint}


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
