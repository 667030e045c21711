"""An endpoint's settings as options of `endpoints add` and `endpoints update`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from tocsin.cli.access_flags import AccessFlags
from tocsin.cli.inputs import (
    Usage,
    duration,
    json_argument,
    json_object,
    login,
    pairs,
    resources,
    secret_argument,
    settings,
    text_file,
)

_WHAT = Group("What it gets", sort_key=1)
_HOW = Group("How it gets it", sort_key=2)
_WHAT_MANY = Parameter(group=_WHAT, negative=())
Texts = Annotated[list[str] | None, _WHAT_MANY]
_NO_ACCESS = AccessFlags()
Format = Literal["cloudevents", "standard_webhooks", "tamr", "lytics", "telmai", "visier", "slack", "teams", "email"]


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
    after_failures: Annotated[int | None, Parameter(group=_WHAT)] = None
    """Failures of jobs from so many in a row on, and the success that ends them."""
    where: Annotated[str | None, Parameter(group=_WHAT)] = None
    """CEL expression that must hold as well: `data.amount > 100`."""
    filter: Annotated[list[str] | None, Parameter(group=_WHAT, negative=(), allow_leading_hyphen=True)] = None
    """A further filter as JSON, @file or -; may be repeated: any one suffices."""
    format: Annotated[Format | None, Parameter(group=_HOW)] = None
    """Payload format; `slack`, `teams` and `email` (with a `mailto:` URL) are for people."""
    format_setting: Annotated[list[str] | None, Parameter(group=_HOW, negative=())] = None
    """key=value of the format, like `mode=binary`, `tenant_code=WFF`, `account_id=7`, `title=Nightly`; may be repeated."""
    template: Annotated[str | None, Parameter(group=_HOW)] = None
    """File of a jq program that makes the body: the format `template`."""
    template_header: Annotated[list[str] | None, Parameter(group=_HOW, negative=())] = None
    """name=program, a header that a jq program makes; goes with --template; may be repeated."""
    ordering: Annotated[Literal["none", "subject"] | None, Parameter(group=_HOW)] = None
    """`subject`: the events of one subject one after another."""
    retry: Annotated[str | None, Parameter(group=_HOW)] = None
    """Waits after failed attempts in seconds, comma separated: `5,30,120`."""
    request_timeout: Annotated[float | None, Parameter(group=_HOW)] = None
    """Seconds for one whole request."""
    max_in_flight: Annotated[int | None, Parameter(group=_HOW)] = None
    """How many requests may be out at once."""
    batch: Annotated[str | None, Parameter(group=_HOW)] = None
    """Several events in one request, or in one digest for people: `100`, or `100/10s` for at most so many, gathered for so long;
    `off` for one each."""
    header: Annotated[list[str] | None, Parameter(group=_HOW, negative=())] = None
    """name=value, sent with every request; may be repeated."""
    secret_header: Annotated[list[str] | None, Parameter(group=_HOW, negative=())] = None
    """name=value as above, the value never shown again; also name=@file, name=env:NAME."""
    rate_limit: Annotated[str | None, Parameter(group=_HOW)] = None
    """How many requests at most: `100` a second, or `100/1m`."""
    validation: Annotated[Literal["off", "optional", "required"] | None, Parameter(group=_HOW)] = None
    """Whether the receiver is asked for its consent before anything is sent (CloudEvents webhooks)."""
    tls_ca: Annotated[str | None, Parameter(group=_HOW)] = None
    """File of the certificates (PEM) that are trusted instead of the system's."""
    tls_cert: Annotated[str | None, Parameter(group=_HOW)] = None
    """File of the client's certificate with its chain (PEM); goes with --tls-key."""
    tls_key: Annotated[str | None, Parameter(group=_HOW)] = None
    """File of the client's private key (PEM), never shown again."""
    proxy: Annotated[str | None, Parameter(group=_HOW)] = None
    """Forward proxy: `http://host:port` or `socks5://host:port`."""
    proxy_login: Annotated[str | None, Parameter(group=_HOW)] = None
    """username:password for the proxy."""
    json: Annotated[str | None, Parameter(group=_HOW, allow_leading_hyphen=True)] = None
    """Settings as JSON, @file or -; options are laid over it."""
    access: AccessFlags = _NO_ACCESS

    def document(self) -> dict[str, object]:
        """The settings that were named, as the API takes them."""
        found: dict[str, object] = {} if self.json is None else json_object(self.json, "--json")
        filters = self._filters()
        if filters is not None:
            found["filters"] = filters
        form = self._format()
        if form is not None:
            found["format"] = form
        if self.retry is not None:
            found["retry"] = {"schedule_seconds": _seconds(self.retry)}
        headers = _headers(self.header, sensitive=False) + _headers(self.secret_header, sensitive=True)
        plain: Mapping[str, object] = {
            "ordering": self.ordering,
            "timeout_seconds": self.request_timeout,
            "max_in_flight": self.max_in_flight,
            "headers": headers or None,
            "rate_limit": _rate_limit(self.rate_limit),
            "delivery": _delivery(self.batch),
            "validation": self.validation,
            "tls": self._tls(),
            "proxy": self._proxy(),
        }
        found |= {name: value for name, value in plain.items() if value is not None}
        return found | self.access.document(is_visier=self.format == "visier")

    def _format(self) -> dict[str, object] | None:
        if self.template is not None:
            if self.format is not None:
                raise Usage("--template is a format: --format does not go with it")
            form: dict[str, object] = {"kind": "template", "program": text_file(self.template, "--template")}
            headers = pairs(self.template_header, "--template-header")
            if headers:
                form["headers"] = headers
        elif self.template_header:
            raise Usage("--template-header goes with --template")
        elif self.format is not None:
            form = {"kind": self.format}
        elif self.format_setting:
            raise Usage("--format-setting goes with --format or --template")
        else:
            return None
        return form | settings(self.format_setting, "--format-setting")

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
            "after_failures": self.after_failures,
            "where": self.where,
        }
        named = {name: value for name, value in condition.items() if value}
        further: list[object] = []
        for text in self.filter or ():
            value = json_argument(text, "--filter")
            further.extend(value if isinstance(value, list) else [value])
        if not named and self.filter is None:
            return None
        return [named, *further] if named else further

    def _tls(self) -> dict[str, object] | None:
        files = (
            ("ca_pem", "--tls-ca", self.tls_ca),
            ("client_cert_pem", "--tls-cert", self.tls_cert),
            ("client_key_pem", "--tls-key", self.tls_key),
        )
        return {name: text_file(path, option) for name, option, path in files if path is not None} or None

    def _proxy(self) -> str | dict[str, object] | None:
        if self.proxy_login is None:
            return self.proxy
        if self.proxy is None:
            raise Usage("--proxy-login goes with --proxy")
        username, password = login(self.proxy_login, "--proxy-login")
        return {"url": self.proxy, "username": username, "password": password}


def _headers(texts: list[str] | None, *, sensitive: bool) -> list[dict[str, object]]:
    option = "--secret-header" if sensitive else "--header"
    return [
        {"name": name, "value": secret_argument(value, option) if sensitive else value, "sensitive": sensitive}
        for name, value in pairs(texts, option).items()
    ]


def _delivery(text: str | None) -> dict[str, object] | None:
    if text is None or text == "off":
        return None if text is None else {"mode": "realtime"}
    events, slash, wait = text.partition("/")
    if not (events.isascii() and events.isdigit()):
        raise Usage("--batch must be written like 100, 100/10s or off")
    return {"mode": "batch", "max_events": int(events)} | (
        {"max_wait_seconds": duration(wait, "--batch")} if slash else {}
    )


def _rate_limit(text: str | None) -> dict[str, object] | None:
    if text is None:
        return None
    requests, slash, per = text.partition("/")
    if not (requests.isascii() and requests.isdigit()):
        raise Usage("--rate-limit must be written like 100 or 100/1m")
    return {"requests": int(requests), "per_seconds": duration(per, "--rate-limit") if slash else 1}


def _seconds(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise Usage("--retry must be numbers of seconds, comma separated") from None
