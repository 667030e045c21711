"""Guesses against a clock that is told the time, and lines that travel in a cookie."""

from __future__ import annotations

import pytest

from tocsin.ui.links import GUESS_WINDOW_MS, GUESSES, MAX_ADDRESSES, Guesses
from tocsin.ui.toasts import MAX_BYTES, MAX_TOASTS, Toasts


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


def test_toasts_are_told_once_and_are_few() -> None:
    toasts = Toasts("secret", "")
    assert toasts.to_send() is None
    for number in range(MAX_TOASTS + 2):
        toasts.tell(str(number))
    sent = toasts.to_send()
    assert sent
    shown = Toasts("secret", sent)
    assert shown.to_send() is None
    assert shown.take() == tuple(str(number) for number in range(2, MAX_TOASTS + 2))
    assert shown.to_send() == ""


def test_what_was_not_shown_yet_is_kept_with_what_is_told_then() -> None:
    first = Toasts("secret", "")
    first.tell("one")
    second = Toasts("secret", first.to_send() or "")
    second.tell("two")
    assert Toasts("secret", second.to_send() or "").take() == ("one", "two")


def test_a_cookie_of_somebody_else_says_nothing() -> None:
    toasts = Toasts("secret", "")
    toasts.tell("you won")
    sent = toasts.to_send() or ""
    for secret, text in (
        ("another", sent),
        ("secret", sent[:-4]),
        ("secret", "x"),
        ("secret", "\u00e9"),
        ("secret", ""),
    ):
        assert Toasts(secret, text).take() == ()


@pytest.mark.parametrize("length", [MAX_BYTES // 2, MAX_BYTES * 2])
def test_a_cookie_stays_small(length: int) -> None:
    toasts = Toasts("secret", "")
    toasts.tell("x" * length)
    toasts.tell("y" * length)
    assert len(toasts.to_send() or "") <= 4096 - 100


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
