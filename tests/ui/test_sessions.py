"""Who gets into the web interface, for how long, and what a page of another site can do: nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.kit.pages import FORM, Pages
from tests.kit.server import OPERATOR_KEY, Server

from tocsin.ui.browser import MAX_FORM_BYTES
from tocsin.ui.links import GUESSES

NEW_KEY = {"name": "planted", "role": "viewer", "tenant": "acme"}


def names_of_keys(server: Server) -> list[str]:
    return [key["name"] for key in server.get("/v1/api-keys").json["items"]]


def made(server: Server, **fields: object) -> dict[str, Any]:
    answer = server.post("/v1/api-keys", {"name": "somebody", "role": "viewer", "tenant": "acme"} | fields)
    assert answer.status == 201, answer
    document: dict[str, Any] = answer.json
    return document


def test_without_a_session_every_page_asks_for_a_key_and_leads_back(shared_server: Server) -> None:
    stranger = Pages(shared_server, None)
    assert stranger.get("/").location == "/ui/"
    assert stranger.get("/ui").location == "/ui/"
    assert stranger.get("/ui/").location == "/ui/sign-in"
    asked = stranger.get("/ui/audit?action=api_key.created")
    assert asked.location == "/ui/sign-in?next=%2Fui%2Faudit%3Faction%3Dapi_key.created"
    page = stranger.follow(asked)
    entered = stranger.post(
        "/ui/sign-in", {"key": OPERATOR_KEY, "next": "/ui/audit?action=api_key.created"}, csrf=page.csrf()
    )
    assert entered.location == "/ui/audit?action=api_key.created"
    assert stranger.follow(entered).status == 200


@pytest.mark.parametrize(
    "place",
    ["https://evil.example/", "//evil.example/ui/", "/ui/\\evil.example", "/v1/events", "javascript:1", "/ui/\n"],
)
def test_after_signing_in_nobody_is_led_elsewhere(shared_server: Server, place: str) -> None:
    somebody = Pages(shared_server, None)
    page = somebody.get("/ui/sign-in")
    answer = somebody.post("/ui/sign-in", {"key": OPERATOR_KEY, "next": place}, csrf=page.csrf())
    assert (answer.status, answer.location) == (303, "/ui/")


def test_a_wrong_key_is_told_and_not_shown(shared_server: Server) -> None:
    somebody = Pages(shared_server, None)
    answer = somebody.sign_in("no-such-key-here")
    assert answer.status == 401
    assert "unknown, expired or revoked" in answer.words
    assert "no-such-key-here" not in answer.text


def test_the_cookie_is_out_of_reach_and_new_at_each_sign_in(shared_server: Server) -> None:
    somebody = Pages(shared_server)
    first = somebody.cookies["tocsin_session"]
    page = somebody.get("/ui/sign-in")
    answer = somebody.post("/ui/sign-in", {"key": OPERATOR_KEY}, csrf=page.csrf())
    cookie = next(cookie for cookie in answer.cookies if cookie.startswith("tocsin_session="))
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=86400"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    second = somebody.cookies["tocsin_session"]
    assert first != second
    assert len(second) >= 43
    somebody.cookies["tocsin_session"] = first
    assert somebody.get("/ui/").location == "/ui/sign-in"


def test_behind_https_cookies_are_for_https_alone(start_server: Callable[..., Server]) -> None:
    server = start_server(public_url="https://hooks.example.com")
    page = Pages(server, None).get("/ui/sign-in")
    assert re.fullmatch(
        r"__Host-tocsin_sign_in=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict; Max-Age=3600; Secure", page.cookies[0]
    )
    somebody = Pages(server)
    assert set(somebody.cookies) == {"__Host-tocsin_session"}
    origin = {"Origin": "https://hooks.example.com"}
    assert somebody.post("/ui/theme", {"theme": "dark"}, headers=origin).status == 303


def test_signing_out_ends_the_session(shared_server: Server) -> None:
    somebody = Pages(shared_server)
    assert somebody.get("/ui/").status == 200
    kept = dict(somebody.cookies)
    assert somebody.post("/ui/sign-out").status == 303
    somebody.cookies = kept
    assert somebody.get("/ui/").location == "/ui/sign-in"


def test_a_revoked_key_ends_its_sessions_at_once(shared_server: Server) -> None:
    key = made(shared_server)
    somebody = Pages(shared_server, key["value"])
    assert somebody.get("/ui/").status == 200
    assert shared_server.call("DELETE", f"/v1/api-keys/{key['id']}").status == 204
    assert somebody.get("/ui/").location == "/ui/sign-in"


def test_a_form_needs_the_token_of_its_session(shared_server: Server) -> None:
    somebody, other = Pages(shared_server), Pages(shared_server)
    for token in ("", "x", other.csrf, somebody.csrf[:-1]):
        answer = somebody.post("/ui/api-keys", NEW_KEY, csrf=token)
        assert answer.status == 403
        assert "did not come from this page" in answer.words
    assert "planted" not in names_of_keys(shared_server)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_changes_nothing_even_with_the_token(shared_server: Server, headers: dict[str, str]) -> None:
    somebody = Pages(shared_server)
    assert somebody.post("/ui/api-keys", NEW_KEY, headers=headers).status == 403
    assert "planted" not in names_of_keys(shared_server)
    assert somebody.get("/ui/").status == 200


def test_nobody_can_be_signed_in_by_another_site(shared_server: Server) -> None:
    """The form of the sign-in is good only with the cookie that it came with."""
    victim, attacker = Pages(shared_server, None), Pages(shared_server, None)
    token = attacker.get("/ui/sign-in").csrf()
    answer = victim.post("/ui/sign-in", {"key": OPERATOR_KEY}, csrf=token)
    assert answer.status == 403
    assert "tocsin_session" not in victim.cookies
    victim.get("/ui/sign-in")
    assert victim.post("/ui/sign-in", {"key": OPERATOR_KEY}, csrf=token).status == 403


def test_a_cookie_is_no_key_of_the_api(shared_server: Server) -> None:
    somebody = Pages(shared_server)
    assert somebody.get("/v1/endpoints").status == 401
    token = somebody.cookies["tocsin_session"]
    assert shared_server.get("/v1/endpoints", key=token).status == 401


def test_a_link_signs_in_once_by_a_button(start_server: Callable[..., Server]) -> None:
    server = start_server()
    path = server.sign_in_link.removeprefix(server.url)
    somebody = Pages(server, None)
    for _ in range(2):
        page = somebody.get(path)
        assert page.status == 200
        assert "signs you in as operator, once" in page.words
    link = path.partition("link=")[2]
    assert somebody.post("/ui/sign-in", {"link": link}, csrf=page.csrf()).location == "/ui/"
    assert "key: one-time link" in somebody.get("/ui/").words
    entry = server.get("/v1/audit?action=api_key.created").json["items"][0]
    assert (entry["actor"]["key_id"], entry["after"]["name"]) == (None, "one-time link")
    assert entry["after"]["expires_at"] is not None
    assert somebody.post("/ui/sign-out", csrf=somebody.get("/ui/").csrf()).status == 303
    assert "one-time link" not in names_of_keys(server)
    other = Pages(server, None)
    page = other.get(path)
    again = other.post("/ui/sign-in", {"link": link}, csrf=page.csrf())
    assert again.status == 401
    assert "used or is too old" in again.words


def test_guessing_is_slowed_down_by_address(start_server: Callable[..., Server]) -> None:
    server = start_server()
    somebody = Pages(server, None)
    for _ in range(GUESSES):
        assert somebody.sign_in("guess-" + "x" * 20).status == 401
    answer = somebody.sign_in(OPERATOR_KEY)
    assert answer.status == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60


def test_a_form_has_limits(shared_server: Server) -> None:
    somebody = Pages(shared_server)
    assert somebody.post("/ui/theme", {"theme": "x" * MAX_FORM_BYTES}).status == 413
    many = [("a", "b")] * 3000
    assert somebody.post("/ui/theme", many).status == 400
    other_type = {"Content-Type": "application/json", "Origin": shared_server.url}
    assert somebody.call("POST", "/ui/theme", b"{}", other_type).status == 415
    wrong = {"Content-Type": FORM, "Origin": shared_server.url}
    assert somebody.call("POST", "/ui/theme", b"theme=%ff", wrong).status == 400


@pytest.mark.parametrize("days", ["soon", "99999999999", "1" * 5000])
def test_a_key_for_a_time_that_is_not_offered_is_not_made(shared_server: Server, days: str) -> None:
    somebody = Pages(shared_server)
    refused = somebody.post("/ui/api-keys", {"name": "for-a-while", "role": "viewer", "tenant": "acme", "days": days})
    assert refused.status == 422
    assert "for-a-while" not in names_of_keys(shared_server)


def test_pages_have_no_methods_but_their_own(shared_server: Server) -> None:
    somebody = Pages(shared_server)
    assert somebody.post("/ui/audit").status == 405
    assert somebody.get("/ui/api-keys/x/revoke").status == 405
    assert somebody.call("PUT", "/ui/", None, {}).status == 405
    assert somebody.get("/ui/no/such").status == 404
    head = somebody.call("HEAD", "/ui/", None, {})
    assert (head.status, head.body) == (200, b"")
