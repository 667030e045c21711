"""An endpoint's settings as options of `endpoints add` and `endpoints update`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from tocsin.cli.inputs import Usage, json_argument, json_object, pairs, resources

_WHAT = Group("What it gets", sort_key=1)
_HOW = Group("How it gets it", sort_key=2)
_ACCESS = Group("Authorization and signing", sort_key=3)
_WHAT_MANY = Parameter(group=_WHAT, negative=())
_ACCESS_MANY = Parameter(group=_ACCESS, negative=())
Texts = Annotated[list[str] | None, _WHAT_MANY]
Format = Literal["cloudevents", "standard_webhooks", "tamr", "lytics", "telmai", "visier"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EndpointFlags:
    """Options that are not given leave a setting as it is, or at its default."""

    event_type: Texts = None
    """Event types it wants, globs allowed (`job.*`); may be repeated. This and the next ones make one filter, in which all that is named must hold."""
    subject_type: Texts = None
    """Subject types it wants: `job`, `record`, ..."""
    subject_id: Texts = None
    """Subject ids it wants."""
    job_type: Texts = None
    """Job types it wants."""
    state: Texts = None
    """Job states it wants."""
    table: Texts = None
    """Tables whose record changes it wants."""
    resource: Texts = None
    """Resources whose jobs it wants, as kind:id."""
    source: Texts = None
    """Ids of sources whose jobs it wants."""
    label: Texts = None
    """Labels (key=value) that a job must have."""
    filter: Annotated[list[str] | None, Parameter(group=_WHAT, negative=(), allow_leading_hyphen=True)] = None
    """A further filter as JSON, @file or -; may be repeated: any one suffices."""
    format: Annotated[Format | None, Parameter(group=_HOW)] = None
    """Payload format."""
    format_setting: Annotated[list[str] | None, Parameter(group=_HOW, negative=())] = None
    """key=value of the format, like `mode=binary`, `tenant_code=WFF`, `account_id=7`; may be repeated."""
    ordering: Annotated[Literal["none", "subject"] | None, Parameter(group=_HOW)] = None
    """`subject`: the events of one subject one after another."""
    retry: Annotated[str | None, Parameter(group=_HOW)] = None
    """Waits after failed attempts in seconds, comma separated: `5,30,120`."""
    request_timeout: Annotated[float | None, Parameter(group=_HOW)] = None
    """Seconds for one whole request."""
    max_in_flight: Annotated[int | None, Parameter(group=_HOW)] = None
    """How many requests may be out at once."""
    header: Annotated[list[str] | None, Parameter(group=_HOW, negative=())] = None
    """name=value, sent with every request; may be repeated."""
    secret_header: Annotated[list[str] | None, Parameter(group=_HOW, negative=())] = None
    """name=value as above, the value never shown again."""
    basic: Annotated[str | None, Parameter(group=_ACCESS)] = None
    """username:password for HTTP basic authorization."""
    bearer: Annotated[str | None, Parameter(group=_ACCESS)] = None
    """Bearer token."""
    header_key: Annotated[str | None, Parameter(group=_ACCESS)] = None
    """header=value, an API key at the receiver."""
    sign: Annotated[Literal["none", "standard_webhooks", "hmac"] | None, Parameter(group=_ACCESS)] = None
    """How requests are signed; Standard Webhooks, when not given (Visier's header for `visier`)."""
    sign_setting: Annotated[list[str] | None, _ACCESS_MANY] = None
    """key=value of the signing, like `header=x-signature`, `encoding=base64`; may be repeated."""
    secret: Annotated[str | None, Parameter(group=_ACCESS)] = None
    """The signing secret or key; made and shown once, when not given."""
    json: Annotated[str | None, Parameter(group=_HOW, allow_leading_hyphen=True)] = None
    """Settings as JSON, @file or -; options are laid over it."""

    def document(self) -> dict[str, object]:
        """The settings that were named, as the API takes them."""
        found: dict[str, object] = {} if self.json is None else json_object(self.json, "--json")
        filters = self._filters()
        if filters is not None:
            found["filters"] = filters
        if self.format is not None or self.format_setting:
            found["format"] = self._kind("format", self.format, self.format_setting)
        if self.retry is not None:
            found["retry"] = {"schedule_seconds": _seconds(self.retry)}
        headers = _headers(self.header, sensitive=False) + _headers(self.secret_header, sensitive=True)
        plain: Mapping[str, object] = {
            "ordering": self.ordering,
            "timeout_seconds": self.request_timeout,
            "max_in_flight": self.max_in_flight,
            "headers": headers or None,
            "authorization": self._authorization(),
            "signing": self._signing(),
        }
        return found | {name: value for name, value in plain.items() if value is not None}

    def _filters(self) -> list[object] | None:
        condition: dict[str, object] = {
            "event_types": self.event_type,
            "subject_types": self.subject_type,
            "subject_ids": self.subject_id,
            "job_types": self.job_type,
            "states": self.state,
            "tables": self.table,
            "resources": resources(self.resource) or None,
            "sources": self.source,
            "labels": pairs(self.label, "--label") or None,
        }
        named = {name: value for name, value in condition.items() if value}
        further: list[object] = []
        for text in self.filter or ():
            value = json_argument(text, "--filter")
            further.extend(value if isinstance(value, list) else [value])
        if not named and self.filter is None:
            return None
        return [named, *further] if named else further

    def _authorization(self) -> dict[str, object] | None:
        given = [text for text in (self.basic, self.bearer, self.header_key) if text is not None]
        if len(given) > 1:
            raise Usage("--basic, --bearer and --header-key exclude one another")
        if self.basic is not None:
            username, colon, password = self.basic.partition(":")
            if not colon:
                raise Usage("--basic must be written username:password")
            return {"kind": "basic", "username": username, "password": password}
        if self.bearer is not None:
            return {"kind": "bearer", "token": self.bearer}
        if self.header_key is not None:
            (name, value), *_ = pairs([self.header_key], "--header-key").items()
            return {"kind": "api_key", "header": name, "value": value}
        return None

    def _signing(self) -> dict[str, object] | None:
        if self.sign is None and not self.sign_setting and self.secret is None:
            return None
        kind = self.sign or ("hmac" if self.format == "visier" else "standard_webhooks")
        signing = self._kind("sign", kind, self.sign_setting)
        if kind == "hmac" and self.format == "visier":
            signing.setdefault("header", "x-visier-signature")
        if self.secret is not None:
            signing["key" if kind == "hmac" else "secret"] = self.secret
        return signing

    @staticmethod
    def _kind(what: str, kind: str | None, settings: list[str] | None) -> dict[str, object]:
        if kind is None:
            raise Usage(f"--{what}-setting goes with --{what}")
        named = pairs(settings, f"--{what}-setting")
        return {"kind": kind} | {key: int(text) if _is_number(key, text) else text for key, text in named.items()}


def _is_number(key: str, text: str) -> bool:
    """`priority` is the one setting of a format that is a number; others may be digits and are text all the same."""
    return key == "priority" and text.isascii() and text.isdigit()


def _headers(texts: list[str] | None, *, sensitive: bool) -> list[dict[str, object]]:
    option = "--secret-header" if sensitive else "--header"
    return [{"name": name, "value": value, "sensitive": sensitive} for name, value in pairs(texts, option).items()]


def _seconds(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise Usage("--retry must be numbers of seconds, comma separated") from None
