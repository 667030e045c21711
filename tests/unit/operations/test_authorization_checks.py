"""What must hold of OAuth2 settings beyond their types."""

from __future__ import annotations

import pytest
from tests.kit.token_servers import key_pair
from tests.unit.authorizing.oauth2_builders import assertion, setting

from tocsin.errors import InvalidRequest
from tocsin.model.endpoint import EndpointConfig
from tocsin.model.secret import Secret
from tocsin.operations.endpoint_checks import check_config

PEM = key_pair().pem


def check(fields: dict[str, object], *, allow_http: bool = False) -> None:
    config = EndpointConfig(name="n", url="https://example.com/hook", authorization=setting(**fields))
    check_config(config, allow_http=allow_http)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"token_url": "https://idp.example.com"},
        {"client_id": "c:1 ü", "client_secret": Secret("s:ü €")},
        {"client_id": "c:1 ü", "basic_encoding": "raw", "credentials_in": "body"},
        {"basic_encoding": "raw", "client_secret": Secret("a:b c")},
        {"scope": "a b", "parameters": {"audience": "a\nb", "": "x"}},
        {"client_secret": None, "assertion": assertion(PEM)},
        {"client_secret": None, "assertion": assertion(PEM, use="grant")},
        {"assertion": assertion(PEM, use="grant", algorithm="RSA_256", key_id="k", issuer="i", subject="s")},
    ],
)
def test_good_settings_pass(fields: dict[str, object]) -> None:
    check(fields)


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"token_url": "http://idp.example.com"}, ["/token_url"]),
        ({"token_url": "https://ann@idp.example.com"}, ["/token_url"]),
        ({"token_url": "https://idp.example.com/#a"}, ["/token_url"]),
        ({"client_secret": None}, ["/client_secret"]),
        ({"client_id": "a\n", "grant_type": "b\r", "scope": "c\x00"}, ["/client_id", "/grant_type", "/scope"]),
        ({"client_secret": Secret("hush\n")}, ["/client_secret"]),
        ({"basic_encoding": "raw", "client_id": "c:1"}, ["/client_id"]),
        (
            {"basic_encoding": "raw", "client_id": "ü", "client_secret": Secret("hush ü")},
            ["/client_id", "/client_secret"],
        ),
        (
            {"parameters": {"scope": "a", "Scope": "b", "client_assertion_type": "c"}},
            ["/parameters/scope", "/parameters/client_assertion_type"],
        ),
        ({"assertion": assertion("hush")}, ["/assertion/private_key"]),
    ],
)
def test_everything_that_is_wrong_is_pointed_at(fields: dict[str, object], pointers: list[str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(fields)
    assert [error.pointer for error in caught.value.errors] == [f"/authorization{pointer}" for pointer in pointers]
    assert "hush" not in repr(caught.value.problem())


def test_http_is_the_operators_choice() -> None:
    check({"token_url": "http://idp.example.com"}, allow_http=True)
