"""What must hold of a template's settings, without evaluating it."""

import msgspec
import pytest

from tocsin.errors import InvalidRequest
from tocsin.model.authorization import ApiKeyAuthorization
from tocsin.model.endpoint import EndpointConfig, Header, TemplateFormat
from tocsin.model.secret import Secret
from tocsin.model.signing import HmacSigning
from tocsin.operations.endpoint_checks import check_config

OTHERS = EndpointConfig(
    name="n",
    url="https://example.com/hook",
    headers=(Header(name="X-Row", value=Secret("v")),),
    authorization=ApiKeyAuthorization(header="X-Key", value=Secret("k")),
    signing=HmacSigning(header="X-Sig", key=Secret("k")),
)


def check(**fields: object) -> None:
    setting = TemplateFormat(program=".", **fields)
    check_config(msgspec.structs.replace(OTHERS, format=setting), allow_http=False)


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain; charset=utf-8", "application/vnd.api+json", 'a/b;c="d e"']
)
def test_content_types_that_can_be_sent(content_type: str) -> None:
    check(content_type=content_type, headers={"X-A": ".id", "X-a-b": ".id"})


@pytest.mark.parametrize(
    "content_type", ["json", "application/", "a/b\r\nX: y", "a/b ", " a/b", "a/b;", "a/b; é", "a b/c"]
)
def test_content_types_that_cannot(content_type: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(content_type=content_type)
    assert [error.pointer for error in caught.value.errors] == ["/format/content_type"]


@pytest.mark.parametrize(
    ("headers", "pointers"),
    [
        (["x-row"], ["/format/headers/x-row"]),
        (["x-key"], ["/format/headers/x-key"]),
        (["X-SIG"], ["/format/headers/X-SIG"]),
        (["X-A", "x-a"], ["/format/headers/x-a"]),
        (["Content-Type"], ["/format/headers/Content-Type"]),
        (["authorization"], ["/format/headers/authorization"]),
        (["Host", "X-A", "webhook-id"], ["/format/headers/Host", "/format/headers/webhook-id"]),
        (["X A"], ["/format/headers/X A"]),
        (["a/b~"], ["/format/headers/a~1b~0"]),
        (["X:\r\nY"], ["/format/headers/X:\r\nY"]),
    ],
)
def test_names_that_headers_of_a_template_cannot_have(headers: list[str], pointers: list[str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(headers=dict.fromkeys(headers, ".id"))
    assert [error.pointer for error in caught.value.errors] == pointers


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "template"},
        {"kind": "template", "program": ""},
        {"kind": "template", "program": "." * 8193},
        {"kind": "template", "program": ".", "headers": {"X": "." * 8193}},
        {"kind": "template", "program": ".", "headers": {f"X-{n}": "." for n in range(21)}},
        {"kind": "template", "program": ".", "language": "jq"},
    ],
)
def test_settings_are_bounded(document: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, TemplateFormat)
