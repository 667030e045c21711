"""Options of `endpoints add` as the settings that the API takes."""

from pathlib import Path

import pytest

from tocsin.cli.access_flags import AccessFlags
from tocsin.cli.endpoint_flags import EndpointFlags
from tocsin.cli.inputs import Usage


def flags(**options: object) -> EndpointFlags:
    """As the command line gives them, which knows no groups."""
    access = {name: options.pop(name) for name in AccessFlags.__dataclass_fields__ if name in options}
    return EndpointFlags(**options, access=AccessFlags(**access))


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
    ({"sign": "standard_webhooks", "sign_setting": ["algorithm=ed25519", "overlap_seconds=60"]}, {"signing": {"kind": "standard_webhooks", "algorithm": "ed25519", "overlap_seconds": 60}}),
    ({"sign": "http_message_signature", "sign_setting": ["key_id=7"]}, {"signing": {"kind": "http_message_signature", "key_id": "7"}}),
    (
        {"oauth2": "https://idp/token", "client_id": "c", "client_secret": "s", "scope": "a b", "token_parameter": ["audience=x"], "oauth2_setting": ["credentials_in=body"]},
        {"authorization": {"kind": "oauth2", "token_url": "https://idp/token", "client_id": "c", "client_secret": "s", "scope": "a b", "parameters": {"audience": "x"}, "credentials_in": "body"}},
    ),
    ({"rate_limit": "100"}, {"rate_limit": {"requests": 100, "per_seconds": 1}}),
    ({"batch": "50"}, {"delivery": {"mode": "batch", "max_events": 50}}),
    ({"batch": "50/10s"}, {"delivery": {"mode": "batch", "max_events": 50, "max_wait_seconds": 10.0}}),
    ({"batch": "off"}, {"delivery": {"mode": "realtime"}}),
    ({"where": "data.n > 1"}, {"filters": [{"where": "data.n > 1"}]}),
    ({"rate_limit": "5/1m"}, {"rate_limit": {"requests": 5, "per_seconds": 60.0}}),
    ({"validation": "required"}, {"validation": "required"}),
    ({"proxy": "http://p:1"}, {"proxy": "http://p:1"}),
    ({"proxy": "socks5://p:1", "proxy_login": "u:p"}, {"proxy": {"url": "socks5://p:1", "username": "u", "password": "p"}}),
    ({"json": '{"name": "a", "ordering": "none"}', "ordering": "subject"}, {"name": "a", "ordering": "subject"}),
]  # fmt: skip


@pytest.mark.parametrize(("options", "document"), CASES)
def test_options_make_settings(options, document):
    assert flags(**options).document() == document


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"basic": "u"}, "--basic must be written username:password"),
        ({"basic": "u:p", "bearer": "t"}, "--basic, --bearer, --header-key and --oauth2 exclude one another"),
        ({"client_secret": "s"}, "--client-id and the other settings of OAuth2 go with --oauth2"),
        ({"assertion_setting": ["use=grant"]}, "--client-id and the other settings of OAuth2 go with --oauth2"),
        ({"oauth2": "https://idp", "assertion_key": "/nowhere"}, "--assertion-key: /nowhere cannot be read: .*"),
        ({"tls_key": "/nowhere"}, "--tls-key: /nowhere cannot be read: .*"),
        ({"proxy_login": "u:p"}, "--proxy-login goes with --proxy"),
        ({"proxy": "http://p:1", "proxy_login": "u"}, "--proxy-login must be written username:password"),
        ({"batch": "many"}, "--batch must be written like 100, 100/10s or off"),
        ({"rate_limit": "often"}, "--rate-limit must be written like 100 or 100/1m"),
        ({"rate_limit": "5/hour"}, "--rate-limit must be written like 2s or 500ms, not hour"),
        ({"secret": "env:TOCSIN_NO_SUCH_THING"}, "--secret: there is nothing in env:TOCSIN_NO_SUCH_THING"),
        ({"format_setting": ["mode=binary"]}, "--format-setting goes with --format or --template"),
        ({"template": "/nowhere"}, "--template: /nowhere cannot be read: .*"),
        ({"template": "x", "format": "tamr"}, "--template is a format: --format does not go with it"),
        ({"template_header": ["X-A=.id"]}, "--template-header goes with --template"),
        ({"retry": "often"}, "--retry must be numbers of seconds, comma separated"),
        ({"header": ["A"]}, "--header must be written key=value, not A"),
        ({"json": "[]"}, "--json is not a JSON object"),
    ],
)
def test_options_that_do_not_make_sense(options, complaint):
    with pytest.raises(Usage, match=f"^{complaint}$"):
        flags(**options).document()


def test_files_are_read(tmp_path: Path) -> None:
    paths = {name: tmp_path / name for name in ("ca", "cert", "key", "jwt")}
    for name, path in paths.items():
        path.write_text(f"PEM of {name}\n")
    given = flags(
        oauth2="https://idp/token",
        assertion_key=str(paths["jwt"]),
        assertion_setting=["audience=a", "ttl_seconds=60"],
        tls_ca=str(paths["ca"]),
        tls_cert=str(paths["cert"]),
        tls_key=str(paths["key"]),
    )
    assert given.document() == {
        "authorization": {
            "kind": "oauth2",
            "token_url": "https://idp/token",
            "assertion": {"private_key": "PEM of jwt\n", "audience": "a", "ttl_seconds": 60},
        },
        "tls": {"ca_pem": "PEM of ca\n", "client_cert_pem": "PEM of cert\n", "client_key_pem": "PEM of key\n"},
    }


def test_a_template_is_read_from_a_file(tmp_path: Path) -> None:
    program = tmp_path / "body.jq"
    program.write_text("# a comment\n{id}\n")
    given = flags(template=str(program), template_header=["X-A=.a == 1"], format_setting=["content_type=text/json"])
    assert given.document() == {
        "format": {
            "kind": "template",
            "program": "# a comment\n{id}\n",
            "headers": {"X-A": ".a == 1"},
            "content_type": "text/json",
        }
    }


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"basic": "u:{}"}, ("authorization", "password")),
        ({"bearer": "{}"}, ("authorization", "token")),
        ({"header_key": "X-K={}"}, ("authorization", "value")),
        ({"oauth2": "https://idp/token", "client_secret": "{}"}, ("authorization", "client_secret")),
        ({"secret": "{}"}, ("signing", "secret")),
        ({"sign": "hmac", "secret": "{}"}, ("signing", "key")),
        ({"secret_header": ["B={}"]}, ("headers", 0, "value")),
        ({"proxy": "http://p:1", "proxy_login": "u:{}"}, ("proxy", "password")),
    ],
)
@pytest.mark.parametrize("source", ["@", "env:"])
def test_every_secret_may_be_outside_of_the_command_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, object],
    place: tuple[str | int, ...],
    source: str,
) -> None:
    (tmp_path / "file").write_text("hush\n")
    monkeypatch.setenv("TOCSIN_TEST_SECRET", "hush")
    text = f"@{tmp_path / 'file'}" if source == "@" else "env:TOCSIN_TEST_SECRET"
    filled = {
        name: [item.format(text) for item in value] if isinstance(value, list) else str(value).format(text)
        for name, value in options.items()
    }
    found: object = flags(**filled).document()
    for step in place:
        found = found[step]
    assert found == "hush"
