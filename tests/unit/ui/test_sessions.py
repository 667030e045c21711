"""Sessions, links and guesses against a clock that is told the time."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from tocsin.model.access import Caller, Role
from tocsin.model.ids import KeyId
from tocsin.ui.links import GUESS_WINDOW_MS, GUESSES, LINK_MS, MAX_ADDRESSES, MAX_LINKS, Guesses, Links
from tocsin.ui.pages.tail import while_signed_in
from tocsin.ui.sessions import ABSOLUTE_MS, IDLE_MS, MAX_SESSIONS, MAX_TOASTS, Session, Sessions, hash_of

CALLER = Caller(key_id=KeyId("key_1"), key_name="ops", role=Role.VIEWER, tenant="acme")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


def sessions_of(clock: Clock, keys: dict[bytes, Caller]) -> Sessions:
    return Sessions(keys.get, clock)


def test_a_session_ends_when_it_was_idle_and_when_it_lasted_too_long() -> None:
    clock = Clock()
    sessions = sessions_of(clock, {hash_of("key"): CALLER})
    token = sessions.start("key")
    assert token is not None
    clock.now += IDLE_MS - 1
    assert sessions.find(token) is not None
    clock.now += IDLE_MS
    assert sessions.find(token) is None
    token = sessions.start("key")
    assert token is not None
    for _ in range(ABSOLUTE_MS // (IDLE_MS // 2) - 1):
        clock.now += IDLE_MS // 2
        assert sessions.find(token) is not None
    clock.now += IDLE_MS // 2
    assert sessions.find(token) is None


def test_a_page_that_asks_by_itself_keeps_no_session_alive() -> None:
    clock = Clock()
    sessions = sessions_of(clock, {hash_of("key"): CALLER})
    token = sessions.start("key")
    assert token is not None
    clock.now += IDLE_MS - 1
    assert sessions.find(token, by_itself=True) is not None
    clock.now += 1
    assert sessions.find(token) is None


async def test_a_tab_that_watches_sees_nothing_more_when_the_session_was_idle_for_too_long() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        for number in range(3):
            yield b"%d" % number

    session = Session(CALLER, hash_of("key"), 0)
    watched = while_signed_in(session, IDLE_MS - 60_000, chunks())
    assert await anext(watched) == b"0"
    session.last_seen = -60_000
    assert [chunk async for chunk in watched] == []


def test_a_session_sees_what_became_of_its_key() -> None:
    keys = {hash_of("key"): CALLER}
    sessions = sessions_of(Clock(), keys)
    assert sessions.start("other") is None
    token = sessions.start("key")
    assert token is not None
    assert sessions.find("x" + token[1:]) is None
    del keys[hash_of("key")]
    assert sessions.find(token) is None
    keys[hash_of("key")] = CALLER
    assert sessions.find(token) is None


def test_the_session_used_longest_ago_makes_room() -> None:
    sessions = sessions_of(Clock(), {hash_of("key"): CALLER})
    first, second = sessions.start("key"), sessions.start("key")
    assert first is not None
    assert second is not None
    sessions.find(first)
    for _ in range(MAX_SESSIONS - 1):
        sessions.start("key")
    assert sessions.find(first) is not None
    assert sessions.find(second) is None


def test_toasts_are_told_once_and_are_few() -> None:
    sessions = sessions_of(Clock(), {hash_of("key"): CALLER})
    session = sessions.find(sessions.start("key") or "")
    assert session is not None
    for number in range(MAX_TOASTS + 2):
        session.tell(str(number))
    assert session.take_toasts() == tuple(str(number) for number in range(2, MAX_TOASTS + 2))
    assert session.take_toasts() == ()


def test_a_link_is_good_once_and_soon() -> None:
    clock = Clock()
    links = Links(clock)
    link, late = links.make(), links.make()
    assert not links.take("x" + link[1:])
    clock.now += LINK_MS - 1
    assert links.take(link)
    assert not links.take(link)
    clock.now += 1
    assert not links.take(late)
    kept = [links.make() for _ in range(MAX_LINKS + 1)]
    assert not links.take(kept[0])
    assert links.take(kept[1])


def test_an_address_that_guesses_wrong_has_to_wait() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(GUESSES):
        assert guesses.wait_seconds("a") == 0
        guesses.count("a")
        clock.now += 1000
    assert guesses.wait_seconds("a") == (GUESS_WINDOW_MS - GUESSES * 1000) // 1000 + 1
    assert guesses.wait_seconds("b") == 0
    clock.now += GUESS_WINDOW_MS - GUESSES * 1000
    assert guesses.wait_seconds("a") == 0
    for number in range(MAX_ADDRESSES):
        guesses.count(str(number))
    assert len(guesses._by_address) == MAX_ADDRESSES
