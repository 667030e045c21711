from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.authorizing import authorization_headers
from tocsin.model.authorization import ApiKeyAuthorization, BasicAuthorization, BearerAuthorization, NoAuthorization
from tocsin.model.secret import Secret


def basic(username: str, password: str) -> BasicAuthorization:
    return BasicAuthorization(username=username, password=Secret(password))


def bearer(token: str) -> BearerAuthorization:
    return BearerAuthorization(token=Secret(token))


def api_key(value: str) -> ApiKeyAuthorization:
    return ApiKeyAuthorization(value=Secret(value))


@pytest.mark.parametrize(
    ("authorization", "headers"),
    [
        (NoAuthorization(), ()),
        (basic("Aladdin", "open sesame"), (("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),)),
        (basic("test", "123£"), (("Authorization", "Basic dGVzdDoxMjPCow=="),)),
        (basic("", ""), (("Authorization", "Basic Og=="),)),
        (bearer("mF_9.B5f-4.1JqM"), (("Authorization", "Bearer mF_9.B5f-4.1JqM"),)),
        (api_key("s3cret"), (("X-API-KEY", "s3cret"),)),
        (ApiKeyAuthorization(header="x-token", value=Secret("a b")), (("x-token", "a b"),)),
    ],
    ids=[
        "none",
        "basic of RFC 7617",
        "basic in UTF-8 of RFC 7617",
        "basic empty",
        "bearer of RFC 6750",
        "key",
        "named",
    ],
)
def test_headers(authorization, headers):
    assert authorization_headers(authorization) == headers


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=":")),
    st.text(st.characters(exclude_categories=("Cs", "Cc"))),
)
def test_basic_credentials_come_back_whole(username, password):
    authorization = basic(username, password)
    ((_, value),) = authorization_headers(authorization)
    decoded = base64.b64decode(value.removeprefix("Basic ")).decode()
    assert decoded.partition(":")[::2] == (username, password)
