"""The small parts of a request: idempotency keys, cursors, query parameters, paths."""

import base64
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.api.idempotency import idempotency_key
from tocsin.api.paging import LIST, RANGE, page_fields, page_reply
from tocsin.api.router import Router
from tocsin.api.routing import Parameter, Reply, Request, Route, checked_query
from tocsin.errors import InvalidRequest, MalformedRequest, TocsinError

visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)


@given(visible)
def test_a_quoted_idempotency_key_is_read_back(key: str) -> None:
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert idempotency_key(quoted.encode()) == key


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (b"abc", "abc"),
        (b" 8e03978e-40d5-43e8-bc93-6894a57f9324 ", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        (b'"abc"', "abc"),
        (b"a=b;c", "a=b;c"),
        (b"x" * 255, "x" * 255),
    ],
)
def test_idempotency_keys(header: bytes, key: str) -> None:
    assert idempotency_key(header) == key


@pytest.mark.parametrize(
    "header", [b"", b'""', b"a b", b'"a', b'a"', b'"a"b"', b'"a";x=1', b"a,b", b"\xc3\xa9", b"x" * 256, b'"\\a"']
)
def test_bad_idempotency_keys(header: bytes) -> None:
    with pytest.raises(MalformedRequest):
        idempotency_key(header)


def test_pages_follow_one_another() -> None:
    rows = list(range(100, 0, -1))

    def page(query: Mapping[str, str]) -> tuple[list[int], str | None]:
        asked = page_fields(query)
        before = asked["before"]
        found = [row for row in rows if before is None or row < before][: asked["limit"]]
        document = msgspec.json.decode(page_reply(found, asked, lambda row: row, lambda row: row).body)
        return document["items"], document["next_cursor"]

    seen: list[int] = []
    cursor: str | None = None
    for _ in range(10):
        items, cursor = page({"limit": "30"} | ({"cursor": cursor} if cursor else {}))
        seen += items
        if cursor is None:
            break
    assert seen == rows
    assert page({}) == (rows[:50], page({})[1])
    assert page({"limit": "100"}) == (rows, None)
    assert len(page({"limit": "99"})[0]) == 99


@pytest.mark.parametrize("limit", ["0", "501", "-1", "", "1.0", "x", "\u0663", "00000001"])
def test_bad_limits(limit: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        page_fields({"limit": limit})
    assert caught.value.errors[0].pointer == "limit"


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "!!", base64.urlsafe_b64encode(b"7").decode(), base64.urlsafe_b64encode(b"before:-7").decode(), "\u00e9"],
)
def test_bad_cursors(cursor: str) -> None:
    with pytest.raises(MalformedRequest):
        page_fields({"cursor": cursor})


def test_ranges() -> None:
    page = page_fields({"since": "1970-01-01T00:00:01Z", "until": "1970-01-01T00:00:02.5Z"})
    assert (page["since"], page["until"]) == (1000, 2500)
    with pytest.raises(InvalidRequest) as caught:
        page_fields({"until": "later"})
    assert caught.value.errors[0].pointer == "until"


@pytest.mark.parametrize(
    ("query", "name"), [(b"colour=1", "colour"), (b"limit=1&limit=2", "limit"), (b"state=lost", "state"), (b"x", "x")]
)
def test_bad_query_parameters_are_named(query: bytes, name: str) -> None:
    parameters = (*LIST, *RANGE, Parameter(name="state", meaning="", values=("dead", "pending")))
    with pytest.raises(InvalidRequest) as caught:
        checked_query(query, parameters)
    assert caught.value.errors[0].pointer == name
    assert checked_query(b"state=dead&cursor=a%3D&tenant=", parameters) == {
        "state": "dead",
        "cursor": "a=",
        "tenant": "",
    }


async def nothing(request: Request) -> Reply:
    raise TocsinError


ROUTER = Router(
    Route(method=method, path=path, name=path, summary="", answer=nothing, roles=None)
    for method, path in (
        ("GET", "/v1/jobs"),
        ("GET", "/v1/jobs/{job_id}"),
        ("GET", "/v1/records/{table}/{record_id}/history"),
        ("GET", "/v1/endpoints/{endpoint_id}"),
        ("DELETE", "/v1/endpoints/{endpoint_id}"),
        ("POST", "/v1/endpoints/{endpoint_id}/test"),
    )
)


@pytest.mark.parametrize(
    ("path", "found", "parts"),
    [
        ("/v1/jobs", "/v1/jobs", {}),
        ("/v1/jobs/a", "/v1/jobs/{job_id}", {"job_id": "a"}),
        ("/v1/jobs/a/b", "/v1/jobs/{job_id}", {"job_id": "a/b"}),
        ("/v1/jobs/a%2Fb%20%C3%A9%25", "/v1/jobs/{job_id}", {"job_id": "a/b \u00e9%"}),
        ("/v1/jobs//a/", "/v1/jobs/{job_id}", {"job_id": "/a/"}),
        ("/v1/records/t/r/history", "/v1/records/{table}/{record_id}/history", {"table": "t", "record_id": "r"}),
        ("/v1/records/t/a/b/history", "/v1/records/{table}/{record_id}/history", {"table": "t", "record_id": "a/b"}),
        (
            "/v1/records/t/history/history",
            "/v1/records/{table}/{record_id}/history",
            {"table": "t", "record_id": "history"},
        ),
        ("/v1/endpoints/e", "/v1/endpoints/{endpoint_id}", {"endpoint_id": "e"}),
        ("/v1/endpoints/e/test", "/v1/endpoints/{endpoint_id}/test", {"endpoint_id": "e"}),
    ],
)
def test_paths_lead_to_routes(path: str, found: str, parts: dict[str, str]) -> None:
    address = ROUTER.find(path)
    assert address is not None
    assert {route.path for route in address.routes.values()} == {found}
    assert address.parts == parts


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/job", "/v1/jobs/", "/v1/endpoints/e/f", "/v1/records/t/history", "/v1/endpoints//test"]
)
def test_other_paths_lead_nowhere(path: str) -> None:
    assert ROUTER.find(path) is None


def test_an_address_has_its_methods() -> None:
    address = ROUTER.find("/v1/endpoints/e")
    assert address is not None
    assert set(address.routes) == {"GET", "DELETE"}
