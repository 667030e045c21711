"""The form of an endpoint: every setting, as the API has it, and as a change of what the form began with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from tocsin.model.job import JobState
from tocsin.model.record import Action
from tocsin.ui.calls import FieldProblem
from tocsin.ui.forms.composed import Group, Optional, Pairs, Rows, Tagged, UrlOrObject
from tocsin.ui.forms.leaves import (
    ABSENT,
    Choice,
    Choices,
    Duration,
    Durations,
    Flag,
    Form,
    Kept,
    Lines,
    Number,
    PairLines,
    Secret,
    Text,
)
from tocsin.ui.forms.shape import MISSING

Document = Mapping[str, object]

_ASSERTION: Final = Group(
    use=Choice("", "client_assertion", "grant"),
    private_key=Secret(),
    audience=Text(),
    ttl_seconds=Number(),
    algorithm=Choice("RS256", "RSA_256"),
    key_id=Text("null"),
    issuer=Text("null"),
    subject=Text("null"),
)
_AUTHORIZATION: Final = Tagged(
    "kind",
    none=Group(),
    basic=Group(username=Text("empty"), password=Secret()),
    bearer=Group(token=Secret()),
    api_key=Group(header=Text(), value=Secret()),
    oauth2=Group(
        token_url=Text(),
        grant_type=Text(),
        content_type=Choice("application/x-www-form-urlencoded", "application/json"),
        client_id=Text(),
        client_secret=Secret("null"),
        credentials_in=Choice("header", "body"),
        basic_encoding=Choice("rfc6749", "raw"),
        scope=Text("null"),
        parameters=Pairs(Text("empty")),
        assertion=Optional(_ASSERTION, "use"),
    ),
)
_STANDARD: Final = {
    "algorithm": Choice("hmac-sha256", "ed25519"),
    "secret": Secret("null"),
    "public_key": Kept(),
    "overlap_seconds": Duration(),
    "previous": Kept(),
}
_SIGNING: Final = Tagged(
    "kind",
    none=Group(),
    standard_webhooks=Group(**_STANDARD),
    hmac=Group(
        header=Text(),
        algorithm=Choice("sha256", "sha384", "sha512"),
        encoding=Choice("hex", "base64"),
        prefix=Text("empty"),
        key=Secret("null"),
        key_encoding=Choice("utf8", "base64"),
        key_name=Text("null"),
        overlap_seconds=Duration(),
        previous=Kept(),
    ),
    http_message_signature=Group(**_STANDARD, key_id=Text("null"), label=Text()),
)
_NAMED: Final = {"type": Text("null"), "source": Text("null")}
_TOLD: Final = {"title": Text("null"), "link": Text("null")}
_FORMAT: Final = Tagged(
    "kind",
    cloudevents=Group(mode=Choice("structured", "binary"), **_NAMED),
    standard_webhooks=Group(),
    tamr=Group(**_NAMED),
    lytics=Group(account_id=Text("empty"), priority=Number(), variant=Choice("v1", "v2")),
    telmai=Group(tenant=Text("null")),
    visier=Group(tenant_code=Text("null")),
    template=Group(program=Text(is_long=True), content_type=Text(), headers=Pairs(Text("empty", is_long=True))),
    slack=Group(**_TOLD),
    teams=Group(**_TOLD),
    email=Group(subject_prefix=Text("null"), link=Text("null")),
)
_FILTER: Final = Group(
    event_types=Lines(),
    subject_types=Lines(),
    subject_ids=Lines(),
    verbs=Lines(),
    job_types=Lines(),
    modes=Choices("batch", "realtime"),
    states=Choices(*JobState),
    resources=PairLines("kind", "id"),
    sources=Lines(),
    tables=Lines(),
    actions=Choices(*Action),
    labels=PairLines(),
    after_failures=Number(),
    where=Text(is_long=True),
)
ENDPOINT: Final = Group(
    name=Text("empty"),
    url=Text("empty"),
    enabled=Flag(),
    filters=Rows(_FILTER),
    format=_FORMAT,
    delivery=Tagged(
        "mode", realtime=Group(), batch=Group(max_events=Number(), max_wait_seconds=Duration(), max_bytes=Number())
    ),
    ordering=Choice("none", "subject"),
    headers=Rows(Group(name=Text("empty"), value=Secret("empty", shown_unless="sensitive"), sensitive=Flag())),
    authorization=_AUTHORIZATION,
    signing=_SIGNING,
    retry=Group(schedule_seconds=Durations(), max_age_seconds=Duration()),
    timeout_seconds=Duration(),
    max_in_flight=Number(),
    rate_limit=Optional(Group(requests=Number(), per_seconds=Duration()), "requests"),
    circuit=Group(
        failures=Number(), deliveries=Number(), cool_down_seconds=Duration(), disable_after_seconds=Duration()
    ),
    validation=Choice("off", "optional", "required"),
    tls=Optional(
        Group(
            ca_pem=Text("null", is_long=True),
            client_cert_pem=Text("null", is_long=True),
            client_key_pem=Secret("null"),
        )
    ),
    proxy=UrlOrObject(Group(url=Text("empty"), username=Text("null"), password=Secret("null"))),
)
"""All of them. `tests/ui` compares it with the model, so that no setting can be forgotten."""


def fields_of(document: Document) -> dict[str, tuple[str, ...]]:
    """The fields that show an endpoint."""
    fields: dict[str, tuple[str, ...]] = {}
    for name, text in ENDPOINT.fields("", document):
        fields[name] = (*fields.get(name, ()), text)
    return fields


def document_of(form: Form, shown: Document | None = None) -> dict[str, object]:
    """The settings that were entered; `shown` is the document that the form began with."""
    return cast("dict[str, object]", ENDPOINT.value("", form, ABSENT if shown is None else shown))


def typed_secrets(form: Form) -> Iterator[str]:
    """The names of the fields with secrets that were typed in."""
    return ENDPOINT.secrets("", form)


def problems_by_field(errors: Iterable[FieldProblem], form: Form) -> dict[str, str]:
    """What the API says is wrong, by the name of the field that it is about; of no field: by the empty name."""
    found: dict[str, str] = {}
    for error in errors:
        steps = [s.replace("~1", "/").replace("~0", "~") for s in error.pointer.split("/")[1:]]
        name = ENDPOINT.place("", form, steps) if steps and steps[0] in ENDPOINT.members else ""
        said = _in_words(error.detail)
        found[name] = f"{found[name]} {said}" if name in found else said
    return found


def _in_words(detail: str) -> str:
    """What the API says of types, for people at a form."""
    if detail.startswith(MISSING):
        return "This is needed."
    if detail.startswith("Expected") and detail.endswith("got `str`") and ("`int" in detail or "`float" in detail):
        return "This must be a number; a duration is written like 30s, 5m, 12h or 7d."
    return detail


def change_between(before: Document, after: Document) -> dict[str, object]:
    """The merge patch (RFC 7396) from one document to the other. An object that becomes another kind is given as a whole, as the
    API takes it."""
    patch: dict[str, object] = {}
    for name in (*after, *(name for name in before if name not in after)):
        old, new = before.get(name), after.get(name)
        if old == new and (name in before) == (name in after):
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            was, becomes = cast("Document", old), cast("Document", new)
            is_other = any(was.get(tag) != becomes.get(tag) for tag in ("kind", "mode") if tag in becomes)
            inner = {**becomes} if is_other else change_between(was, becomes)
            if inner:
                patch[name] = inner
        else:
            patch[name] = new
    return patch
