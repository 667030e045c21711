"""Options of `endpoints add` as the settings that the API takes."""

import pytest

from tocsin.cli.endpoint_flags import EndpointFlags
from tocsin.cli.inputs import Usage

CASES = [
    ({}, {}),
    ({"event_type": ["job.*"], "table": ["t"]}, {"filters": [{"event_types": ["job.*"], "tables": ["t"]}]}),
    ({"filter": ['{"verbs": ["created"]}', '[{"modes": ["batch"]}]']}, {"filters": [{"verbs": ["created"]}, {"modes": ["batch"]}]}),
    ({"state": ["failed"], "filter": ["{}"]}, {"filters": [{"states": ["failed"]}, {}]}),
    ({"filter": ["[]"]}, {"filters": []}),
    ({"resource": ["source:s"], "label": ["a=b"]}, {"filters": [{"resources": [{"kind": "source", "id": "s"}], "labels": {"a": "b"}}]}),
    ({"format": "tamr"}, {"format": {"kind": "tamr"}}),
    ({"format": "cloudevents", "format_setting": ["mode=binary"]}, {"format": {"kind": "cloudevents", "mode": "binary"}}),
    ({"format": "lytics", "format_setting": ["priority=1", "account_id=007"]}, {"format": {"kind": "lytics", "priority": 1, "account_id": "007"}}),
    ({"retry": "0.5, 5,30", "ordering": "subject"}, {"retry": {"schedule_seconds": [0.5, 5.0, 30.0]}, "ordering": "subject"}),
    ({"retry": ""}, {"retry": {"schedule_seconds": []}}),
    ({"request_timeout": 3.5, "max_in_flight": 4}, {"timeout_seconds": 3.5, "max_in_flight": 4}),
    ({"header": ["A=1"], "secret_header": ["B=2=3"]}, {"headers": [{"name": "A", "value": "1", "sensitive": False}, {"name": "B", "value": "2=3", "sensitive": True}]}),
    ({"basic": "u:p:q"}, {"authorization": {"kind": "basic", "username": "u", "password": "p:q"}}),
    ({"bearer": "t"}, {"authorization": {"kind": "bearer", "token": "t"}}),
    ({"header_key": "X-K=v"}, {"authorization": {"kind": "api_key", "header": "X-K", "value": "v"}}),
    ({"secret": "whsec_x"}, {"signing": {"kind": "standard_webhooks", "secret": "whsec_x"}}),
    ({"sign": "none"}, {"signing": {"kind": "none"}}),
    ({"sign": "hmac", "sign_setting": ["header=x-sig"], "secret": "k"}, {"signing": {"kind": "hmac", "header": "x-sig", "key": "k"}}),
    ({"format": "visier", "secret": "k"}, {"format": {"kind": "visier"}, "signing": {"kind": "hmac", "header": "x-visier-signature", "key": "k"}}),
    ({"json": '{"name": "a", "ordering": "none"}', "ordering": "subject"}, {"name": "a", "ordering": "subject"}),
]  # fmt: skip


@pytest.mark.parametrize(("options", "document"), CASES)
def test_options_make_settings(options, document):
    assert EndpointFlags(**options).document() == document


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"basic": "u"}, "--basic must be written username:password"),
        ({"basic": "u:p", "bearer": "t"}, "--basic, --bearer and --header-key exclude one another"),
        ({"format_setting": ["mode=binary"]}, "--format-setting goes with --format"),
        ({"retry": "often"}, "--retry must be numbers of seconds, comma separated"),
        ({"header": ["A"]}, "--header must be written key=value, not A"),
        ({"json": "[]"}, "--json is not a JSON object"),
    ],
)
def test_options_that_do_not_make_sense(options, complaint):
    with pytest.raises(Usage, match=f"^{complaint}$"):
        EndpointFlags(**options).document()
