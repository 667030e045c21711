"""Endpoints as code: what `tocsin apply` takes, made of what the API shows. Only what is not a default is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, cast

import msgspec

from tocsin.model.endpoint import EndpointConfig
from tocsin.model.secret import Secret
from tocsin.model.signing import HmacSigning, HttpMessageSigning, StandardWebhooksSigning
from tocsin.operations.endpoint_codec import with_fields, written_config
from tocsin.operations.endpoints import READ_ONLY
from tocsin.operations.yaml_text import to_yaml

Shown = Mapping[str, object]
"""An endpoint as the API shows it."""
_MADE: Final = {"public_key": None, "previous": None}
"""What the server fills in by itself when an endpoint signs."""


def settings_as_code(shown: Shown) -> dict[str, object]:
    """The settings of an endpoint that are not defaults. A secret is written as its fingerprint, which keeps the value; what the
    server makes by itself is left out. Raises InvalidRequest for what is no endpoint of this version."""
    return cast("dict[str, object]", _written(_own(written_config(settings_of(shown)))))


def settings_of(shown: Shown) -> dict[str, object]:
    """Without what is read-only."""
    settings = {name: value for name, value in shown.items() if name not in READ_ONLY}
    signing = settings.get("signing")
    if isinstance(signing, dict) and signing.get("kind") == "hmac":  # a generated key is shown as `secret` too
        settings["signing"] = {name: value for name, value in signing.items() if name != "secret"}
    return settings


def document_as_code(endpoints: Iterable[Shown]) -> dict[str, object]:
    """Many endpoints, by tenant and name; the tenant stands at the top when all have the same one."""
    ordered = sorted(endpoints, key=lambda shown: (str(shown.get("tenant")), str(shown.get("name"))))
    tenants = {str(shown.get("tenant")) for shown in ordered}
    if len(tenants) == 1:
        return {"tenant": tenants.pop(), "endpoints": [settings_as_code(shown) for shown in ordered]}
    return {"endpoints": [{"tenant": shown.get("tenant")} | settings_as_code(shown) for shown in ordered]}


def endpoint_as_yaml(shown: Shown) -> str:
    """One endpoint as a whole file."""
    return to_yaml(document_as_code([shown]))


def _own(config: EndpointConfig) -> EndpointConfig:
    match config.signing:
        case StandardWebhooksSigning() | HttpMessageSigning() as signing:
            return with_fields(config, signing=with_fields(signing, **_MADE))
        case HmacSigning() as signing:
            return with_fields(config, signing=with_fields(signing, previous=None))
        case _:
            return config


def _written(value: object) -> object:
    if isinstance(value, Secret):
        return {"set": True, "fingerprint": value.fingerprint} if value.is_kept else value.reveal()
    if isinstance(value, msgspec.Struct):
        return _members(value)
    if isinstance(value, tuple):
        return [_written(item) for item in cast("tuple[object, ...]", value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _members(struct: msgspec.Struct) -> dict[str, object]:
    config = struct.__struct_config__
    found: dict[str, object] = {} if config.tag is None else {str(config.tag_field): config.tag}
    for field in msgspec.structs.fields(struct):
        value: object = getattr(struct, field.name)
        default: object = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        if value != default:
            found[field.name] = _written(value)
    return found
