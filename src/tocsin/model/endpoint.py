"""An endpoint: where to deliver, and how. The settings are at once the wire form, the stored form and the
documentation."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from tocsin.model.authorization import Authorization, NoAuthorization
from tocsin.model.circuit import Circuit
from tocsin.model.consent import Consent
from tocsin.model.filter import Filter
from tocsin.model.ids import EndpointId
from tocsin.model.noun import Noun
from tocsin.model.secret import Secret
from tocsin.model.setting import HeaderName, JqProgram, LinkTemplate, Setting, Title, UrlText
from tocsin.model.signing import Signing

LONGEST_SECONDS: Final = 60
"""The longest time limit of a request that an endpoint may have."""


class Header(Setting, frozen=True, kw_only=True):
    """A header row of the connection; a sensitive value is shown only as a fingerprint."""

    name: HeaderName
    value: Secret
    sensitive: bool = False


class Tls(Setting, frozen=True, kw_only=True):
    """TLS towards the receiver and its token server. `ca_pem`: the only issuers that are trusted, instead of the system's;
    the client's certificate (with its chain) and key go together."""

    ca_pem: Annotated[str, Meta(min_length=1, max_length=65536)] | None = None
    client_cert_pem: Annotated[str, Meta(min_length=1, max_length=65536)] | None = None
    client_key_pem: Secret | None = None


class Proxy(Setting, frozen=True, kw_only=True):
    """A forward proxy: `http://host:port` (CONNECT, RFC 9110 section 9.3.6) or `socks5://host:port` (RFC 1928)."""

    url: UrlText
    username: Annotated[str, Meta(max_length=255)] | None = None
    password: Secret | None = None


class RateLimit(Setting, frozen=True, kw_only=True):
    """At most so many requests in any so many seconds."""

    requests: Annotated[int, Meta(ge=1, le=1_000_000)]
    per_seconds: Annotated[float, Meta(gt=0, le=86400)] = 1


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


class TemplateFormat(Setting, frozen=True, kw_only=True, tag_field="kind", tag="template"):
    """A body of one's own: jq programs over the event as a structured CloudEvent. `program` gives the body, any one JSON
    value; those in `headers` give texts."""

    program: JqProgram
    content_type: Annotated[str, Meta(min_length=1, max_length=256)] = "application/json"
    headers: Annotated[dict[HeaderName, JqProgram], Meta(max_length=20)] = {}


class SlackFormat(Setting, frozen=True, kw_only=True, tag_field="kind", tag="slack"):
    """A message for people in Slack, by an incoming webhook. `title` stands before each headline; `link` is the address of a
    page about the event, with `{subject_id}` and the like in it."""

    title: Title | None = None
    link: LinkTemplate | None = None


class TeamsFormat(Setting, frozen=True, kw_only=True, tag_field="kind", tag="teams"):
    """A card for people in Microsoft Teams, by a webhook of Workflows. `title` and `link` as for Slack."""

    title: Title | None = None
    link: LinkTemplate | None = None


class EmailFormat(Setting, frozen=True, kw_only=True, tag_field="kind", tag="email"):
    """A mail for people; the endpoint's URL is `mailto:` and addresses. `subject_prefix` stands before each headline, `link` as
    for Slack."""

    subject_prefix: Title | None = None
    link: LinkTemplate | None = None


FormatSetting = (
    CloudEventsFormat
    | StandardWebhooksFormat
    | TamrFormat
    | LyticsFormat
    | TelmaiFormat
    | VisierFormat
    | TemplateFormat
    | SlackFormat
    | TeamsFormat
    | EmailFormat
)


class Realtime(Setting, frozen=True, kw_only=True, tag_field="mode", tag="realtime"):
    """One request for each event."""


class Batched(Setting, frozen=True, kw_only=True, tag_field="mode", tag="batch"):
    """One request for up to `max_events` events or `max_bytes` of body, or for what has come `max_wait_seconds` after the
    first of them."""

    max_events: Annotated[int, Meta(ge=1, le=1000)] = 100
    max_wait_seconds: Annotated[float, Meta(ge=0, le=86400)] = 60
    max_bytes: Annotated[int, Meta(ge=1, le=10_485_760)] = 1_048_576


class Retry(Setting, frozen=True, kw_only=True):
    """Waits in seconds after each failed attempt, +-20 %; the age is judged when an attempt fails."""

    schedule_seconds: Annotated[tuple[Annotated[float, Meta(ge=0, le=604800)], ...], Meta(max_length=100)] = (
        5, 30, 120, 600, 3600, 14400, 43200, 86400,
    )  # fmt: skip
    max_age_seconds: Annotated[float, Meta(gt=0)] = 604800


class CircuitSetting(Setting, frozen=True, kw_only=True):
    """When sending is stopped for a while: after `failures` in a row over `deliveries` different ones, for
    `cool_down_seconds` at first. An endpoint that only fails for `disable_after_seconds` is disabled."""

    failures: Annotated[int, Meta(ge=1, le=10_000)] = 20
    deliveries: Annotated[int, Meta(ge=1, le=1000)] = 5
    cool_down_seconds: Annotated[float, Meta(gt=0, le=86400)] = 5
    disable_after_seconds: Annotated[float, Meta(gt=0, le=31_536_000)] = 432_000


class EndpointConfig(Setting, frozen=True, kw_only=True):
    """What a tenant says about an endpoint. `signing` None is the format's default, `proxy` None the operator's."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    url: UrlText
    enabled: bool = True
    filters: Annotated[tuple[Filter, ...], Meta(max_length=100)] = ()
    format: FormatSetting = CloudEventsFormat()
    delivery: Realtime | Batched = Realtime()
    ordering: Literal["none", "subject"] = "none"
    headers: Annotated[tuple[Header, ...], Meta(max_length=50)] = ()
    authorization: Authorization = NoAuthorization()
    signing: Signing | None = None
    retry: Retry = Retry()
    timeout_seconds: Annotated[float, Meta(gt=0, le=LONGEST_SECONDS)] = 15
    max_in_flight: Annotated[int, Meta(ge=1, le=1024)] = 32
    rate_limit: RateLimit | None = None
    circuit: CircuitSetting = CircuitSetting()
    validation: Literal["off", "optional", "required"] = "off"
    tls: Tls | None = None
    proxy: UrlText | Proxy | None = None


Stopped = Literal["gone", "failing"]


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
    """What the holder knows of an endpoint's health; times in ms. `stopped` says why nothing is sent until it is enabled
    again: it answered 410 (`gone`), or only failed for too long (`failing`); `stopped_at` is the endpoint's revision of then. `consent` None: its receiver need not be
    asked."""

    endpoint: int
    paused_until: int | None = None
    failing_since: int | None = None
    failures: int = 0
    reason: str | None = None
    stopped: Stopped | None = None
    stopped_at: int = 0
    circuit: Circuit = Circuit()
    consent: Consent | None = None
