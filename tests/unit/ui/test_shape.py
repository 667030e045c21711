"""A document whose shape is wrong is mended, step by step, so that all that is wrong with it can be told."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import ValidationError
from tests.kit.any_endpoint import as_config

from tocsin.operations.pointers import field_error
from tocsin.ui.calls import FieldProblem
from tocsin.ui.forms.shape import mended


def all_told(document: Any) -> list[str]:
    """The pointers of what is wrong with its shape."""
    told: list[str] = []
    while True:
        try:
            as_config(document)
        except ValidationError as wrong:
            error = field_error(str(wrong))
            told.append(error.pointer)
            document = mended(document, FieldProblem(error.pointer, error.detail))
            assert document is not None, told
        else:
            return told


def test_what_hides_the_next_is_mended_until_nothing_is_wrong() -> None:
    document = {
        "name": "n",
        "authorization": {"kind": "oauth2", "token_url": "https://x/", "assertion": {"ttl_seconds": "soon"}},
        "retry": {"schedule_seconds": [5, "later", 7, "never"]},
        "headers": [{"value": "v"}],
        "max_in_flight": "many",
    }
    before = str(document)
    told = all_told(document)
    assert str(document) == before
    assert len(told) == len(set(told))
    assert {
        "/url",
        "/max_in_flight",
        "/authorization/client_id",
        "/authorization/assertion/ttl_seconds",
        "/authorization/assertion/private_key",
        "/retry/schedule_seconds/1",
        "/headers/0/name",
    } <= set(told)


@pytest.mark.parametrize(
    ("pointer", "detail"),
    [
        ("/url", "The URL must begin with https://."),
        ("", "Expected `object`, got `array`"),
        ("/nothing", "Expected `int`, got `str`"),
        ("/name/x", "Expected `int`, got `str`"),
        ("/headers/7", "Expected `object`, got `str`"),
        ("/headers/x/value", "Object missing required field `value`"),
    ],
)
def test_other_problems_and_other_places_are_left(pointer: str, detail: str) -> None:
    document = {"name": "n", "url": "u", "headers": [{"name": "X-A"}]}
    assert mended(document, FieldProblem(pointer, detail)) is None
