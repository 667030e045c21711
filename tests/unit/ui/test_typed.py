"""Secrets that were typed into a form that is shown again: sealed for their session and field, and not for ever."""

from __future__ import annotations

from tocsin.ui.forms.typed import KEPT_MS, reopened, sealed

NOW = 1_800_000_000_000
PASSWORD = "authorization.basic.password"
FORM = {"name": ("n",), PASSWORD: ("hush \u00e9\n",)}


def test_what_was_typed_comes_back_and_cannot_be_read_on_the_way() -> None:
    hidden = sealed(FORM, [PASSWORD], "session", NOW)
    assert list(hidden) == [f"{PASSWORD}.typed"]
    assert "hush" not in str(hidden)
    assert hidden != sealed(FORM, [PASSWORD], "session", NOW)
    form = {"name": ("n",)} | {name: (token,) for name, token in hidden.items()}
    assert reopened(form, "session", NOW + KEPT_MS - 1) == FORM
    assert reopened(form | {PASSWORD: ("",)}, "session", NOW) == FORM


def test_what_is_typed_anew_or_taken_away_counts() -> None:
    hidden = {name: (token,) for name, token in sealed(FORM, [PASSWORD], "session", NOW).items()}
    assert reopened({PASSWORD: ("new",)} | hidden, "session", NOW) == {PASSWORD: ("new",)}
    assert reopened({f"{PASSWORD}.remove": ("on",)} | hidden, "session", NOW) == {f"{PASSWORD}.remove": ("on",)}


def test_it_opens_nowhere_else_and_not_for_ever() -> None:
    ((name, token),) = sealed(FORM, [PASSWORD], "session", NOW).items()
    assert reopened({name: (token,)}, "another", NOW) == {}
    assert reopened({name: (token,)}, "session", NOW + KEPT_MS) == {}
    assert reopened({"authorization.bearer.token.typed": (token,)}, "session", NOW) == {}
    for nonsense in ("", "x", token[:-4], "\u00e9", token[:40] + "AAAA" + token[44:]):
        assert reopened({name: (nonsense,)}, "session", NOW) == {}
