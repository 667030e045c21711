"""An endpoint: where to deliver, and how. The settings are at once the wire form, the stored form and the
documentation."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tocsin.model.filter import Filter
from tocsin.model.ids import EndpointId
from tocsin.model.noun import Noun
from tocsin.model.secret import Secret

HeaderText = Annotated[str, Meta(max_length=8192)]


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all settings: an unknown field is refused."""


class Header(Setting, frozen=True, kw_only=True):
    """A header row of the connection; a sensitive value is shown only as a fingerprint."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    value: Secret
    sensitive: bool = False


class NoAuthorization(Setting, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """Nothing is added."""


class BasicAuthorization(Setting, frozen=True, kw_only=True, tag_field="kind", tag="basic"):
    """`Authorization: Basic` (RFC 7617), sent without being asked."""

    username: Annotated[str, Meta(max_length=1024)]
    password: Secret


class BearerAuthorization(Setting, frozen=True, kw_only=True, tag_field="kind", tag="bearer"):
    """`Authorization: Bearer` (RFC 6750)."""

    token: Secret


class ApiKeyAuthorization(Setting, frozen=True, kw_only=True, tag_field="kind", tag="api_key"):
    """A key in a header of the receiver's choice."""

    value: Secret
    header: Annotated[str, Meta(min_length=1, max_length=256)] = "X-API-KEY"


Authorization = NoAuthorization | BasicAuthorization | BearerAuthorization | ApiKeyAuthorization


class NoSigning(Setting, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """Requests are not signed."""


class StandardWebhooksSigning(Setting, frozen=True, kw_only=True, tag_field="kind", tag="standard_webhooks"):
    """Standard Webhooks 1.0.0, `v1`: HMAC-SHA256 over `{id}.{timestamp}.{body}`. `secret` is `whsec_` + base64."""

    algorithm: Literal["hmac-sha256"] = "hmac-sha256"
    secret: Secret | None = None


class HmacSigning(Setting, frozen=True, kw_only=True, tag_field="kind", tag="hmac"):
    """One header with the HMAC of the raw body. `key_name` is for people only."""

    header: Annotated[str, Meta(min_length=1, max_length=256)]
    algorithm: Literal["sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: HeaderText = ""
    key: Secret | None = None
    key_encoding: Literal["utf8", "base64"] = "utf8"
    key_name: str | None = None


Signing = NoSigning | StandardWebhooksSigning | HmacSigning


class CloudEventsFormat(Setting, frozen=True, kw_only=True, tag_field="kind", tag="cloudevents"):
    """CloudEvents 1.0 over HTTP. `type` and `source` replace those of Tocsin's own events."""

    mode: Literal["structured", "binary"] = "structured"
    type: Annotated[str, Meta(min_length=1)] | None = None
    source: Annotated[str, Meta(min_length=1)] | None = None


class StandardWebhooksFormat(Setting, frozen=True, kw_only=True, tag_field="kind", tag="standard_webhooks"):
    """`{"type", "timestamp", "data"}`."""


class TamrFormat(Setting, frozen=True, kw_only=True, tag_field="kind", tag="tamr"):
    """Tamr's job events and RealTime record events. Tamr documents neither `type` nor `source`: both are our choice."""

    type: Annotated[str, Meta(min_length=1)] | None = None
    source: Annotated[str, Meta(min_length=1)] | None = None


class LyticsFormat(Setting, frozen=True, kw_only=True, tag_field="kind", tag="lytics"):
    """Lytics system events: `v1` has `ts` as epoch milliseconds, `v2` has `timestamp` as RFC 3339."""

    account_id: str = ""
    priority: Annotated[int, Meta(ge=0, le=6)] = 2
    variant: Literal["v1", "v2"] = "v1"


class TelmaiFormat(Setting, frozen=True, kw_only=True, tag_field="kind", tag="telmai"):
    """Telmai's five keys. `tenant` replaces the event's tenant."""

    tenant: str | None = None


class VisierFormat(Setting, frozen=True, kw_only=True, tag_field="kind", tag="visier"):
    """Visier's notifications. `tenant_code` replaces the event's tenant."""

    tenant_code: str | None = None


FormatSetting = CloudEventsFormat | StandardWebhooksFormat | TamrFormat | LyticsFormat | TelmaiFormat | VisierFormat


class Realtime(Setting, frozen=True, kw_only=True, tag_field="mode", tag="realtime"):
    """One request for each event."""


class Retry(Setting, frozen=True, kw_only=True):
    """Waits in seconds after each failed attempt, +-20 %; the age is judged when an attempt fails."""

    schedule_seconds: Annotated[tuple[Annotated[float, Meta(ge=0, le=604800)], ...], Meta(max_length=100)] = (
        5, 30, 120, 600, 3600, 14400, 43200, 86400,
    )  # fmt: skip
    max_age_seconds: Annotated[float, Meta(gt=0)] = 604800


class EndpointConfig(Setting, frozen=True, kw_only=True):
    """What a tenant says about an endpoint. `signing` None is the format's default. `rate_limit`,
    `validation`, `tls` and `proxy` can only say that there is none, in this version."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    enabled: bool = True
    filters: Annotated[tuple[Filter, ...], Meta(max_length=100)] = ()
    format: FormatSetting = CloudEventsFormat()
    delivery: Realtime = Realtime()
    ordering: Literal["none", "subject"] = "none"
    headers: Annotated[tuple[Header, ...], Meta(max_length=50)] = ()
    authorization: Authorization = NoAuthorization()
    signing: Signing | None = None
    retry: Retry = Retry()
    timeout_seconds: Annotated[float, Meta(gt=0, le=60)] = 15
    max_in_flight: Annotated[int, Meta(ge=1, le=1024)] = 32
    rate_limit: None = None
    validation: Literal["off"] = "off"
    tls: None = None
    proxy: None = None


class Endpoint(Noun, frozen=True, kw_only=True):
    """An endpoint as the directory knows it. `number` is its key in the store; `revision` grows with each change;
    events up to and including position `active_from` are not for it."""

    number: int
    id: EndpointId
    tenant: str
    revision: int
    active_from: int
    created_at: int
    config: EndpointConfig
    is_deleted: bool = False


class Standing(Noun, frozen=True, kw_only=True):
    """What the holder knows of an endpoint's health; times in ms. `gone` is set by a 410."""

    endpoint: int
    paused_until: int | None = None
    failing_since: int | None = None
    failures: int = 0
    reason: str | None = None
    gone: bool = False
