"""No setting of an endpoint and nothing in an event can put a line into a head: what arrives is one request, as expected."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.http.sending import Sending
from tests.kit.proxies import HttpProxy
from tests.kit.receivers import Receiver, answer

from tocsin.errors import InvalidRequest
from tocsin.model.authorization import ApiKeyAuthorization, Authorization, BasicAuthorization, BearerAuthorization
from tocsin.model.delivery import Delivery
from tocsin.model.endpoint import CloudEventsFormat, Endpoint, EndpointConfig, Header, Proxy
from tocsin.model.event import CloudContext, Event
from tocsin.model.event_view import EventView
from tocsin.model.secret import Secret
from tocsin.model.signing import HmacSigning
from tocsin.operations.endpoint_checks import check_config
from tocsin.pipeline.prepare import Preparation
from tocsin.rules.proxies import endpoint_proxy

NASTY = st.text(
    st.sampled_from("aZ0:; ,\t\r\n\0\x0b\x0c\x1c\x7f\x85\xa0\xff\u010a\u010d\u2028\u560a\U0001f600"), max_size=6
)
"""Also characters whose low byte is CR or LF."""
BREAKS = st.sampled_from(["", "\r\n", "\n", "\r", "\0", "\r\n\r\n", "\u010d\u010a", "%0d%0a", "=?utf-8?q?=0D=0A?="])
TEXT = st.one_of(
    st.just("plain"), NASTY, st.builds("a{}{}".format, BREAKS, st.sampled_from(["", "X: y", "POST / HTTP/1.1"]))
).filter(bool)
NAME = st.one_of(st.sampled_from(["X-A", "Host", "Content-Length", "Transfer-Encoding", "connection", "TE"]), TEXT)


def config_with(field: str, text: str) -> EndpointConfig:
    """All is plain but one field, which has this text."""
    given = {
        "name": "X-A", "value": "v", "content type": "text/plain", "user": "ann", "password": "p", "token": "t",
        "key header": "X-Key", "key": "k", "signature header": "X-Sig", "prefix": "sha256=", "path": "hook",
    } | {field: text}  # fmt: skip
    authorization: Authorization = BearerAuthorization(token=Secret(given["token"]))
    if field in {"user", "password"}:
        authorization = BasicAuthorization(username=given["user"], password=Secret(given["password"]))
    elif field in {"key header", "key"}:
        authorization = ApiKeyAuthorization(header=given["key header"], value=Secret(given["key"]))
    rows = ((given["name"], given["value"]), ("Content-Type", given["content type"]))
    return EndpointConfig(
        name="n",
        url=f"http://127.0.0.1:1/{given['path']}",
        headers=tuple(Header(name=name, value=Secret(value, is_public=True)) for name, value in rows),
        authorization=authorization,
        signing=HmacSigning(
            header=given["signature header"], prefix=given["prefix"], key=Secret("0123456789abcdef" * 2)
        ),
        format=CloudEventsFormat(mode="binary"),
    )


CONFIGS = st.one_of(
    st.builds(config_with, st.sampled_from(["name", "key header", "signature header"]), NAME),
    st.builds(
        config_with,
        st.sampled_from(["value", "content type", "user", "password", "token", "key", "prefix", "path"]),
        TEXT,
    ),
)
CONTEXTS = st.builds(
    lambda source, subject, kind, value: CloudContext(
        id="1", source=source, subject=subject, datacontenttype=kind, extensions={"traceparent": value, "x": value}
    ),
    TEXT, TEXT, TEXT, TEXT,
)  # fmt: skip


def endpoint_of(config: EndpointConfig) -> Endpoint:
    return Endpoint(number=1, id="end_1", tenant="acme", revision=1, active_from=0, created_at=0, config=config)


def event_of(cloud: CloudContext) -> Event:
    return Event(
        id="evt_0190a000-0000-7000-8000-000000000000", tenant="acme", type="a.b", subject_type="a", subject_id="s", verb="b",
        time=0, data=b"{}", cloud=cloud, position=1, accepted_at=0,
    )  # fmt: skip


def credentials(config: EndpointConfig) -> list[tuple[str, str]]:
    match config.authorization:
        case BasicAuthorization(username=username, password=password):
            encoded = base64.b64encode(f"{username}:{password.reveal()}".encode()).decode()
            return [("Authorization", f"Basic {encoded}")]
        case BearerAuthorization(token=token):
            return [("Authorization", f"Bearer {token.reveal()}")]
        case ApiKeyAuthorization(header=header, value=value):
            return [(header, value.reveal())]
    raise AssertionError(config.authorization)


def fields(head: bytes) -> list[tuple[str, str]]:
    """Every field of a head whose lines all end in CRLF."""
    text = head.decode("ascii")
    assert text.endswith("\r\n\r\n")
    lines = text[:-4].split("\r\n")
    assert not any(character in line for line in lines for character in "\r\n\0")
    return [tuple(line.split(": ", 1)) for line in lines[1:]]


@contextmanager
def talking(*parts: Receiver | HttpProxy) -> Iterator[tuple[asyncio.Runner, Sending]]:
    """A sender and its counterparts on one loop, for examples that hypothesis makes one after another."""

    async def opened() -> Sending:
        for part in parts:
            await part.__aenter__()
        return Sending()

    async def closed() -> None:
        await one.sender.close()
        for part in parts:
            await part.__aexit__()

    with asyncio.Runner() as runner:
        one = runner.run(opened())
        try:
            yield runner, one
        finally:
            runner.run(closed())


def test_what_is_configured_and_what_an_event_brings_stay_in_their_fields() -> None:
    """On one connection: a byte too many in one request would spoil the next."""
    seen = {"sent": 0, "refused": 0}
    delivery = Delivery(number=1, id="dlv_1", tenant="acme", endpoint=1, lane=0, created_at=0)
    receiver = Receiver(answer(200))
    with talking(receiver) as (runner, one):

        @given(CONFIGS, CONTEXTS)
        @settings(max_examples=300, deadline=None)
        def check(config: EndpointConfig, cloud: CloudContext) -> None:
            try:
                check_config(config, allow_http=True)
            except InvalidRequest:
                seen["refused"] += 1
                return
            request = Preparation(endpoint_of(config)).request(delivery, EventView(event_of(cloud)), 0)
            exchange = runner.run(one.send(receiver.url, head=request.head, body=request.body))
            assert exchange.response is not None
            seen["sent"] += 1
            assert len(receiver.requests) == seen["sent"]
            got = receiver.requests[-1]
            assert got.head == request.head + b"Content-Length: %d\r\n\r\n" % len(request.body)
            assert got.body == request.body
            assert got.line == f"POST {config.url[18:]} HTTP/1.1"
            own, content_type = [(row.name, row.value.reveal()) for row in config.headers]
            configured = [own, *credentials(config), content_type]
            assert fields(got.head)[3 : 3 + len(configured)] == configured
            names = [name.lower() for name, _ in fields(got.head)]
            for name in ("host", "content-length", "content-type", "webhook-id", config.signing.header.lower()):
                assert names.count(name) == 1
            assert not {"transfer-encoding", "connection", "te"} & set(names)

        check()
        assert receiver.connections == 1
        assert min(seen.values()) >= 20


def test_user_name_and_password_of_a_proxy_stay_in_theirs() -> None:
    seen = {"sent": 0, "refused": 0}
    way, receiver = HttpProxy(), Receiver(answer(200))
    with talking(way, receiver) as (runner, one):

        @given(TEXT, TEXT)
        @settings(max_examples=100, deadline=None)
        def check(username: str, password: str) -> None:
            setting = Proxy(url=way.url, username=username, password=Secret(password))
            config = EndpointConfig(name="n", url=receiver.url, proxy=setting)
            try:
                check_config(config, allow_http=True)
            except InvalidRequest:
                seen["refused"] += 1
                return
            exchange = runner.run(one.send(receiver.url, proxy=endpoint_proxy(setting), pool=f"{seen['sent']}"))
            assert exchange.response is not None
            seen["sent"] += 1
            assert len(way.heads) == seen["sent"]
            encoded = base64.b64encode(f"{username}:{password}".encode()).decode()
            assert [name for name, _ in fields(way.heads[-1])] == ["Host", "User-Agent", "Proxy-Authorization"]
            assert fields(way.heads[-1])[2] == ("Proxy-Authorization", f"Basic {encoded}")

        check()
        assert min(seen.values()) >= 5
