"""Who gets in, and for how long."""

from __future__ import annotations

from tests.kit.pages import Pages
from tests.kit.server import Server


def test_a_wrong_key_is_told(shared_server: Server) -> None:
    somebody = Pages(shared_server, None)
    answer = somebody.sign_in("no-such-key-here")
    assert answer.status == 401
    assert "unknown, expired or revoked" in answer.words


def test_signing_out_ends_the_session(shared_server: Server) -> None:
    somebody = Pages(shared_server)
    assert somebody.get("/ui/").status == 200
    kept = dict(somebody.cookies)
    assert somebody.post("/ui/sign-out").status == 303
    somebody.cookies = kept
    assert somebody.get("/ui/").location == "/ui/sign-in"
