"""The form of an endpoint: whatever the API shows goes through a browser and comes back as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec import ValidationError
from msgspec.json import encode
from tests.kit.any_endpoint import any_endpoint, as_config

from tocsin.model.endpoint import EndpointConfig
from tocsin.operations.merge_patch import merge_patched
from tocsin.operations.pointers import field_error
from tocsin.ui.calls import FieldProblem
from tocsin.ui.forms.composed import Group, Optional, Pairs, Rows, Tagged, UrlOrObject
from tocsin.ui.forms.endpoint import (
    ENDPOINT,
    change_between,
    document_of,
    fields_of,
    problems_by_field,
    typed_secrets,
)
from tocsin.ui.forms.leaves import Leaf, as_posted, duration_of, duration_text

WIDE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A document has some hundred values."""
LEAST: dict[str, Any] = json.loads(encode(EndpointConfig(name="CRM", url="https://crm.example.com/hooks")))


def leaf_of(name: str) -> Leaf | None:
    """The leaf that a field belongs to."""
    shape: Any = ENDPOINT
    for step in name.split("."):
        match shape:
            case Group(members=members) if step in members:
                shape = members[step]
            case Optional(group=group) | UrlOrObject(group=group):
                shape = group.members.get(step)
            case Tagged(variants=variants):
                shape = variants.get(step)
            case Rows(group=group):
                shape = group
            case Pairs(_text=text):
                shape = Group(name=ENDPOINT.members["name"], value=text)
            case _:
                return None
    return shape if isinstance(shape, Leaf) else None


def through_a_browser(fields: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Inputs of one line lose line ends, those of several have LF."""
    sent = {}
    for name, values in fields.items():
        leaf = leaf_of(name)
        is_long = leaf is not None and leaf.is_long
        sent[name] = tuple(as_posted(value) if is_long else as_posted(value).replace("\n", "") for value in values)
    return sent


@WIDE
@given(any_endpoint)
def test_what_is_shown_and_sent_back_is_the_same(document: dict[str, Any]) -> None:
    as_config(document)
    assert document_of(through_a_browser(fields_of(document)), document) == document


@WIDE
@given(any_endpoint, any_endpoint)
def test_a_change_makes_one_document_of_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert change_between(before, before) == {}
    patch = change_between(before, after)
    assert as_config(merge_patched(before, patch)) == as_config(after)


FULL: dict[str, Any] = LEAST | {
    "enabled": False,
    "filters": [
        {"event_types": ["job.*"], "states": ["failed"], "labels": {"team": "mdm"}, "after_failures": 3},
        {"resources": [{"kind": "source", "id": "a b"}], "where": "data.x > 1\n&& data.y"},
        {},
    ],
    "format": {"kind": "template", "program": ".data\n| .x", "content_type": "text/plain", "headers": {"X-A": ".id"}},
    "delivery": {"mode": "batch", "max_events": 10, "max_wait_seconds": 0.5, "max_bytes": 1000},
    "headers": [
        {"name": "X-Team", "value": "mdm", "sensitive": False},
        {"name": "X-Key", "value": {"set": True, "fingerprint": "aa"}, "sensitive": True},
    ],
    "authorization": {
        "kind": "oauth2",
        "token_url": "https://idp.example.com/token",
        "client_id": "me",
        "client_secret": {"set": True, "fingerprint": "bb"},
        "grant_type": "client_credentials",
        "content_type": "application/json",
        "credentials_in": "body",
        "basic_encoding": "rfc6749",
        "scope": "a b",
        "parameters": {"audience": "x"},
        "assertion": {
            "private_key": {"set": True, "fingerprint": "cc"}, "audience": "y", "ttl_seconds": 60, "algorithm": "RS256",
            "use": "grant", "key_id": None, "issuer": "i", "subject": None,
        },
    },
    "signing": {
        "kind": "standard_webhooks", "algorithm": "hmac-sha256", "secret": {"set": True, "fingerprint": "dd"},
        "public_key": None, "overlap_seconds": 3600,
        "previous": {"secret": {"set": True, "fingerprint": "ee"}, "valid_until": "2026-01-01T00:00:00.000Z"},
    },
    "rate_limit": {"requests": 5, "per_seconds": 60},
    "tls": {"ca_pem": "A\nB\n", "client_cert_pem": None, "client_key_pem": None},
    "proxy": {"url": "http://proxy:3128", "username": "u", "password": {"set": True, "fingerprint": "ff"}},
}  # fmt: skip


def test_an_endpoint_with_everything_needs_no_reminder_of_what_was_shown() -> None:
    fields = fields_of(FULL)
    assert fields["retry.schedule_seconds"] == ("5s, 30s, 2m, 10m, 1h, 4h, 12h, 1d",)
    assert fields["filters.0.labels"] == ("team=mdm",)
    assert "headers.1.value" not in fields
    assert document_of(fields) == FULL


def test_fields_that_are_left_blank_are_the_defaults_of_the_api() -> None:
    form = {"name": ("n",), "url": ("u",), "authorization.kind": ("none",), "format.kind": ("cloudevents",)}
    form |= {"delivery.mode": ("realtime",), "retry.schedule_seconds": ("1,2",), "enabled": ("on",)}
    assert as_config(document_of(form)) == as_config(
        {"name": "n", "url": "u", "retry": {"schedule_seconds": [1, 2]}, "enabled": True}
    )


def test_a_secret_is_kept_replaced_or_removed() -> None:
    form = fields_of(FULL)
    kept = "authorization.oauth2.client_secret"
    assert form[f"{kept}.kept"] == ("bb",)
    assert kept not in form

    def secret(**changes: tuple[str, ...]) -> Any:
        changed = form | {kept + name.replace("_", "."): value for name, value in changes.items()}
        return document_of(changed, FULL)["authorization"]["client_secret"]  # type: ignore[index]

    assert secret() == {"set": True, "fingerprint": "bb"}
    assert secret(_remove=("on",)) is None
    assert document_of(form | {kept: ("new",)}, FULL)["authorization"]["client_secret"] == "new"  # type: ignore[index]
    assert change_between(FULL, document_of(form | {kept: ("new",)}, FULL)) == {
        "authorization": {"client_secret": "new"}
    }


def test_only_secrets_are_named_as_such() -> None:
    form = fields_of(FULL) | {
        "authorization.basic.password": ("p",),
        "headers.7.value": ("v",),
        "headers.7.name": ("n",),
    }
    assert set(typed_secrets(form)) == {"authorization.basic.password"}
    assert set(typed_secrets(form | {"headers.7.sensitive": ("on",)})) == {
        "authorization.basic.password",
        "headers.7.value",
    }


def test_rows_keep_their_numbers_when_one_is_taken_out() -> None:
    form = {name: value for name, value in fields_of(FULL).items() if not name.startswith(("headers.0.", "filters.1."))}
    form |= {"headers.5.name": ("X-New",), "headers.5.value": ("v",), "headers.9.sensitive": ("on",)}
    document: Any = document_of(form, FULL)
    assert [row["name"] for row in document["headers"]] == ["X-Key", "X-New"]
    assert document["filters"] == [FULL["filters"][0], {}]
    assert document_of(form | {"headers.1.out": ("on",)}, FULL)["headers"] == document["headers"][1:]
    errors = [FieldProblem("/headers/1/name", "d"), FieldProblem("/filters/1/event_types/0", "e")]
    assert problems_by_field(errors, form) == {"headers.5.name": "d", "filters.2.event_types": "e"}


@pytest.mark.parametrize(
    ("pointer", "name"),
    [
        ("/name", "name"),
        ("/authorization/assertion/private_key", "authorization.oauth2.assertion.private_key"),
        ("/authorization/parameters/audience", "authorization.oauth2.parameters.0.value"),
        ("/authorization/kind", "authorization.kind"),
        ("/format/headers/X-A", "format.template.headers.0.value"),
        ("/filters/1/where", "filters.1.where"),
        ("/retry/schedule_seconds/3", "retry.schedule_seconds"),
        ("/delivery/mode", "delivery.mode"),
        ("/proxy", "proxy.url"),
        ("/tls/client_key_pem", "tls.client_key_pem"),
        ("/signing/previous/secret", "signing.standard_webhooks.previous"),
        ("/nothing", ""),
        ("", ""),
    ],
)
def test_a_pointer_leads_to_its_field(pointer: str, name: str) -> None:
    assert problems_by_field([FieldProblem(pointer, "No.")], fields_of(FULL)) == {name: "No."}


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ({"authorization.kind": ("bearer",)}, "authorization.bearer.token", "This is needed."),
        ({"timeout_seconds": ("soon",)}, "timeout_seconds", "like 30s, 5m, 12h or 7d."),
        ({"max_in_flight": ("many",)}, "max_in_flight", "This must be a number"),
    ],
)
def test_what_the_types_say_is_said_in_words(change: dict[str, tuple[str, ...]], name: str, words: str) -> None:
    form = fields_of(LEAST) | change
    with pytest.raises(ValidationError) as caught:
        as_config(document_of(form, LEAST))
    error = field_error(str(caught.value))
    found = problems_by_field([FieldProblem(error.pointer, error.detail)], form)
    assert list(found) == [name]
    assert words in found[name]


def test_every_leaf_of_every_setting_is_reached_by_its_pointer() -> None:
    for name in fields_of(FULL):
        leaf = leaf_of(name)
        assert leaf is not None or name.rpartition(".")[2] in {"kind", "mode", "kept", "given", "name"}, name


def test_what_is_no_number_is_left_to_the_api() -> None:
    form = fields_of(LEAST) | {"max_in_flight": ("many",), "timeout_seconds": ("soon",)}
    document = document_of(form, LEAST)
    assert (document["max_in_flight"], document["timeout_seconds"]) == ("many", "soon")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (0.25, "0.25s"), (90, "90s"), (120, "2m"), (86400, "1d")])
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
    assert duration_of(text) == seconds
    assert duration_of("1.5h") == 5400
